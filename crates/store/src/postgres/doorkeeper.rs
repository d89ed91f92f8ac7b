//! Who is it? Almost every request asks that first, by a session or by a key. Whoever asks while a statement is under way shares the
//! next one with everybody else who does, so that the database answers once for many. Nothing is remembered: a session that was
//! ended, by whatever node, opens nothing from then on, because the statement of everybody who asks begins after they asked.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use deadpool_postgres::Client;
use jiff::Timestamp;
use oncue_domain::access::{ApiKey, KeyHash, User};
use oncue_domain::store::{Error, Result};
use tokio::sync::{mpsc, oneshot};

use super::{Shared, access, readers};

/// More of them in one statement add latency, not throughput.
const TOGETHER_MAX: usize = 256;

/// More who wait are refused: whoever waits so long has gone away.
const WAITING_MAX: usize = 20_000;

/// What a session opens, and until when.
pub(super) type SessionFound = (User, Timestamp);

/// What a key opens.
pub(super) type KeyFound = (User, ApiKey);

/// What of what was asked for is there. A row that makes no sense is told to those who asked for it, and to nobody else.
pub(super) type Found<K, V> = HashMap<K, Result<V>>;

/// The way to the tasks that look up.
#[derive(Clone)]
pub(super) struct Doorkeeper {
    sessions: mpsc::Sender<Asked<String, SessionFound>>,
    keys: mpsc::Sender<Asked<KeyHash, KeyFound>>,
}

/// One who waits to be let in by `key`.
struct Asked<K, V> {
    key: K,
    reply: oneshot::Sender<Result<Option<V>>>,
}

impl Doorkeeper {
    /// The way, and the work at its end, to be spawned.
    pub(super) fn start(shared: &Arc<Shared>) -> (Doorkeeper, impl Future<Output = ()> + Send + use<>) {
        let (sessions, sessions_asked) = mpsc::channel(WAITING_MAX);
        let (keys, keys_asked) = mpsc::channel(WAITING_MAX);
        let looking_at_sessions =
            look_up(Arc::clone(shared), sessions_asked, |client: Client, ids: Arc<[String]>| async move {
                access::sessions_found(&client, &ids).await
            });
        let looking_at_keys =
            look_up(Arc::clone(shared), keys_asked, |client: Client, hashes: Arc<[KeyHash]>| async move {
                access::keys_found(&client, &hashes).await
            });
        let work = async {
            tokio::join!(looking_at_sessions, looking_at_keys);
        };
        (Doorkeeper { sessions, keys }, work)
    }

    /// Whose session it is, if it has not ended at `now` and its user is not disabled.
    pub(super) async fn session_user(&self, id: &str, now: Timestamp) -> Result<Option<User>> {
        // This database takes no NUL in a text, and nobody else may be refused with whoever says one.
        if id.contains('\0') {
            return Ok(None);
        }
        let found = ask(&self.sessions, id.to_owned()).await?;
        Ok(found.filter(|(_, expires_at)| *expires_at > now).map(|(user, _)| user))
    }

    /// The key of that hash and its owner, if it has not ended at `now` and the owner is not disabled.
    pub(super) async fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<KeyFound>> {
        let found = ask(&self.keys, *hash).await?;
        Ok(found.filter(|(_, key)| key.expires_at.is_none_or(|end| end > now)))
    }
}

async fn ask<K, V>(queue: &mpsc::Sender<Asked<K, V>>, key: K) -> Result<Option<V>> {
    let (reply, answer) = oneshot::channel();
    queue.try_send(Asked { key, reply }).map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => Error::Unavailable("too many reads are waiting".to_owned()),
        mpsc::error::TrySendError::Closed(_) => closed(),
    })?;
    answer.await.unwrap_or_else(|_| Err(closed()))
}

fn closed() -> Error {
    Error::Unavailable("the database is closed".to_owned())
}

/// Answers all that ask, as many at once as have come, for as long as anybody may.
async fn look_up<K, V, R>(
    shared: Arc<Shared>,
    mut asked: mpsc::Receiver<Asked<K, V>>,
    find: impl Fn(Client, Arc<[K]>) -> R + Copy + Send + Sync,
) where
    K: Clone + Eq + Hash + Send + Sync,
    V: Clone + Send,
    R: Future<Output = Result<Found<K, V>>> + Send,
{
    let mut together = Vec::new();
    while asked.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let keys: Arc<[K]> = together.iter().map(|asked: &Asked<K, V>| asked.key.clone()).collect();
        let found = readers::read_again(&shared, |client| find(client, keys)).await;
        for Asked { key, reply } in together.drain(..) {
            // Whoever asked may have gone.
            let _ = reply.send(match &found {
                Ok(found) => found.get(&key).cloned().transpose(),
                Err(error) => Err(error.clone()),
            });
        }
    }
}
