//! Reads, beside the writer and without waiting for it. Two sorts of them, so that a long list never takes a connection from a login
//! or from the scheduler: a quick one runs where it is asked for, a list where it holds up nobody. Nothing is written in here.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use oncue_domain::store::{Error, Result};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connect::connect_reader;
use super::{Place, Shared, Sqlite, failed, lock};

/// How many connections answer quick reads.
const QUICK_READERS: usize = 4;

/// How many connections read lists; so many are read at once, and what is beyond waits without holding up anything else.
const LIST_READERS: usize = 3;

/// Who reads.
pub(super) enum Readers {
    /// Connections of their own: lists never take one from the quick reads that logins and the scheduler depend on.
    Pools { quick: Pool, lists: Pool, list_turns: Arc<Semaphore> },
    /// A database in memory belongs to the one connection that made it.
    ThroughWriter,
}

/// Connections that take turns.
pub(super) struct Pool {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    /// Those of the database that lies there.
    pub(super) fn open(place: &Place) -> std::result::Result<Readers, String> {
        Ok(match place {
            Place::Memory => Readers::ThroughWriter,
            Place::File(path) => Readers::Pools {
                quick: Pool::open(path, QUICK_READERS)?,
                lists: Pool::open(path, LIST_READERS)?,
                list_turns: Arc::new(Semaphore::new(LIST_READERS)),
            },
        })
    }
}

impl Pool {
    fn open(path: &Path, count: usize) -> std::result::Result<Pool, String> {
        let connections =
            (0..count).map(|_| connect_reader(path).map(Mutex::new)).collect::<std::result::Result<_, _>>()?;
        Ok(Pool { connections, next: AtomicUsize::new(0) })
    }

    /// Lends a connection that nobody uses, or waits for one.
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let Pool { connections, next } = self;
        let start = next.fetch_add(1, Ordering::Relaxed);
        let free = (0..connections.len()).find_map(|i| connections[(start + i) % connections.len()].try_lock().ok());
        read(&free.unwrap_or_else(|| lock(&connections[start % connections.len()])))
    }
}

impl Sqlite {
    /// Runs a quick read on the calling thread: a few index probes, microseconds, cheaper than handing it over.
    pub(super) async fn peek<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection, &Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match self.readers.as_ref() {
            Readers::Pools { quick, .. } => quick.with(|connection| read(connection, &self.shared)),
            Readers::ThroughWriter => self.read_through_writer(read).await,
        }
    }

    /// Runs a read of many rows where it holds up nobody.
    pub(super) async fn scan<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection, &Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Readers::Pools { list_turns, .. } = self.readers.as_ref() else {
            return self.read_through_writer(read).await;
        };
        let turn =
            Arc::clone(list_turns).acquire_owned().await.map_err(|_| Error::Unavailable("it is closed".to_owned()))?;
        let (readers, shared) = (Arc::clone(&self.readers), Arc::clone(&self.shared));
        let done = tokio::task::spawn_blocking(move || {
            let outcome = match readers.as_ref() {
                Readers::Pools { lists, .. } => lists.with(|connection| read(connection, &shared)),
                Readers::ThroughWriter => Err(Error::Broken("a database in memory has no readers".to_owned())),
            };
            drop(turn);
            outcome
        });
        done.await.unwrap_or_else(|error| Err(Error::Broken(format!("a read panicked: {error}"))))
    }

    async fn read_through_writer<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection, &Shared) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        self.writer.submit(move |connection, _| read(connection, &shared)).await
    }
}

/// Runs several reads so that all of them see the same moment.
pub(super) fn in_one_moment<T>(connection: &Connection, read: impl FnOnce() -> Result<T>) -> Result<T> {
    // A job of the writer's is in a transaction already.
    if !connection.is_autocommit() {
        return read();
    }
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    let outcome = read();
    transaction.finish().map_err(failed)?;
    outcome
}
