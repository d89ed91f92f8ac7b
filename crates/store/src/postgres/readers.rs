//! Reads, and the connections for whoever waits for an answer and will not wait long. Two sorts of them: quick ones, and lists, of which
//! only a few are read at once, so that they hold up neither logins nor the scheduler nor deliveries. A read whose connection broke is made
//! once more; a write never comes through here.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Object};
use oncue_domain::store::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Postgres, Shared, failure};

/// How many lists are read at once; what is beyond waits without holding up logins, the scheduler or deliveries.
pub(super) const LISTS_AT_ONCE: usize = 4;

/// How long somebody in front of a page or behind the API waits for a connection or the turn of a list.
const SOON: Duration = Duration::from_secs(3);

impl Shared {
    /// For whom somebody waits who will not wait long.
    pub(super) async fn client_soon(&self) -> Result<Client> {
        self.connections.client_within(SOON).await
    }
}

impl Postgres {
    /// A connection for whoever asked the store.
    pub(super) async fn client(&self) -> Result<Client> {
        self.shared.client_soon().await
    }

    /// Reads, and reads once more on another connection where the first one broke: the server may have ended it long before anybody
    /// asked, and nothing is done twice by reading twice.
    pub(super) async fn read<T, R>(&self, read: impl FnOnce(Client) -> R + Clone) -> Result<T>
    where
        R: Future<Output = Result<T>>,
    {
        read_again(&self.shared, read).await
    }

    /// Reads a list when its turn comes, in a task of its own: who asked may go away, but the statement does not, and it keeps its
    /// turn and its connection until it is over.
    pub(super) async fn list<T, R>(
        &self,
        read: impl FnOnce(Client, Arc<Shared>) -> R + Clone + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        R: Future<Output = Result<T>> + Send,
    {
        let turn = turn_soon(&self.lists, "too many lists are being read").await?;
        let shared = Arc::clone(&self.shared);
        let reading = tokio::spawn(async move {
            let _turn = turn;
            read_again(&shared, |client| read(client, Arc::clone(&shared))).await
        });
        reading.await.map_err(|error| Error::Broken(format!("a list could not be read: {error}")))?
    }
}

/// A turn among a few, for whoever will not wait long; `crowd` says what there is too much of.
pub(super) async fn turn_soon(turns: &Arc<Semaphore>, crowd: &str) -> Result<OwnedSemaphorePermit> {
    let busy = |_| Error::Unavailable(format!("{crowd}, for {} s", SOON.as_secs()));
    let turn = tokio::time::timeout(SOON, Arc::clone(turns).acquire_owned()).await.map_err(busy)?;
    turn.map_err(|_| Error::Unavailable("it is closed".to_owned()))
}

/// See [`Postgres::read`].
pub(super) async fn read_again<T, R>(shared: &Shared, read: impl FnOnce(Client) -> R + Clone) -> Result<T>
where
    R: Future<Output = Result<T>>,
{
    let client = shared.client_soon().await?;
    let made = Object::metrics(&client).created;
    match read.clone()(client).await {
        Err(Error::Unavailable(_)) if failure::may_have_broken(made) => read(shared.client_soon().await?).await,
        outcome => outcome,
    }
}
