//! What goes on beside whoever asks, from opening to closing: signs of life, sweeps, hints, gathering. None of it may end by itself, and
//! what does is told, because a node without it looks well and does nothing. What the tasks do stands with their nouns. Here is, too, how what
//! somebody began is ended without them.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use oncue_domain::store::{Error, Result};
use tokio::task::JoinHandle;

use super::{Postgres, Shared, lock, node};

impl Postgres {
    /// This node ends: what it holds is owed at once, and others need not wait until its silence is noticed.
    pub async fn close(&self) {
        // The beat first: one that found no row any more would begin again.
        let tasks = std::mem::take(&mut *lock(&self.tasks.0));
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            // It was told to end; that it did is all that matters.
            let _ = task.await;
        }
        if let Err(error) = node::leave(&self.shared).await {
            tracing::warn!(%error, "the other nodes will notice only in a few seconds that this one is gone");
        }
    }

    /// Comes back only if something that this node cannot be without has ended by itself, and names it: then the process had better
    /// end too.
    pub async fn broken(&self) -> &'static str {
        let mut broken = self.shared.broken.subscribe();
        let what = broken.wait_for(Option::is_some).await.ok().and_then(|what| *what);
        what.unwrap_or("the database's own work")
    }
}

/// What goes on beside whoever asks; it ends with the last of the hands that the store is in.
pub(super) struct Tasks(Mutex<Vec<JoinHandle<()>>>);

impl Tasks {
    pub(super) fn new(tasks: Vec<JoinHandle<()>>) -> Tasks {
        Tasks(Mutex::new(tasks))
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        lock(&self.0).iter().for_each(JoinHandle::abort);
    }
}

/// What goes on for as long as the store lives.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Says so when it goes, however it ends.
struct EndTold {
    shared: Arc<Shared>,
    what: &'static str,
}

impl Drop for EndTold {
    fn drop(&mut self) {
        self.shared.broken.send_replace(Some(self.what));
    }
}

/// Has `work` go on, and tells when it ends by itself, under the name `what`.
pub(super) fn go_on(shared: &Arc<Shared>, what: &'static str, work: Task) -> JoinHandle<()> {
    let told = EndTold { shared: Arc::clone(shared), what };
    tokio::spawn(async move {
        let _told = told;
        work.await;
    })
}

/// Whoever asked may go away at any moment, also between a commit and what is told of it: what is begun is ended without them.
///
/// # Errors
/// Those of the work; and that it panicked.
pub(super) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|error| Error::Broken(format!("what was begun did not end: {error}")))?
}
