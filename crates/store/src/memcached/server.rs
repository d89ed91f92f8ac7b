//! One server: a few connections that are used again, a deadline for every call, and a look now and then at a server that is
//! away. What is said on a connection is `wire`'s business, and whether it is said at all is `breaker`'s.

use std::io::{ErrorKind, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::breaker::{Breaker, Pass};
use super::servers::Address;
use super::wire::{Command, Connection, Reply};

/// How many calls one server answers at a time; a further one waits for its turn, within its deadline.
const CALLS_MAX: usize = 32;

/// How many connections are kept for later calls.
const IDLE_MAX: usize = 8;

pub(super) struct Server {
    address: Address,
    deadline: Duration,
    seed: u64,
    /// How often chance was asked.
    drawn: AtomicU64,
    breaker: Mutex<Breaker>,
    idle: Mutex<Vec<Connection<TcpStream>>>,
    turns: Semaphore,
    /// Whether the log knows that this server, well otherwise, does not take everything.
    has_refused: AtomicBool,
}

impl Server {
    pub(super) fn new(address: Address, deadline: Duration, seed: u64) -> Server {
        Server {
            address,
            deadline,
            seed,
            drawn: AtomicU64::new(0),
            breaker: Mutex::default(),
            idle: Mutex::default(),
            turns: Semaphore::new(CALLS_MAX),
            has_refused: AtomicBool::new(false),
        }
    }

    /// What the server answers within the deadline; nothing, and at once, while it is down.
    pub(super) async fn ask(self: &Arc<Self>, command: &Command<'_>) -> Option<Reply> {
        let pass = lock(&self.breaker).enter()?;
        match timeout(self.deadline, self.exchange(command)).await {
            Ok(Ok(Reply::Refused(words))) => {
                self.refused(&words);
                None
            }
            Ok(Ok(reply)) => Some(reply),
            Ok(Err(error)) => {
                self.failed(pass, &error.to_string());
                None
            }
            Err(_) => {
                self.failed(pass, "it does not answer in time");
                None
            }
        }
    }

    async fn exchange(&self, command: &Command<'_>) -> Result<Reply> {
        // The semaphore is never closed; were it, nothing worse than a call too many would follow.
        let _turn = self.turns.acquire().await;
        let kept = lock(&self.idle).pop();
        if let Some(mut kept) = kept {
            match kept.ask(command).await {
                Ok(reply) => return Ok(self.keep(kept, reply)),
                Err(error) if error.kind() == ErrorKind::InvalidData => return Err(error),
                // It ended while nobody used it; that says nothing about the server now, and the others ended with it.
                Err(_) => lock(&self.idle).clear(),
            }
        }
        let mut fresh = self.dial().await?;
        let reply = fresh.ask(command).await?;
        Ok(self.keep(fresh, reply))
    }

    async fn dial(&self) -> Result<Connection<TcpStream>> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection::new(stream))
    }

    /// Keeps a connection for later, unless what it just said leaves doubt about what comes next on it.
    fn keep(&self, connection: Connection<TcpStream>, reply: Reply) -> Reply {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_MAX && !matches!(reply, Reply::Refused(_)) {
            idle.push(connection);
        }
        reply
    }

    fn refused(&self, words: &str) {
        metrics::counter!("oncue_cache_failures_total").increment(1);
        if !self.has_refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(server = %self.address, words, "the cache server {} does not keep everything", self.address);
        }
    }

    fn failed(self: &Arc<Self>, pass: Pass, why: &str) {
        metrics::counter!("oncue_cache_failures_total").increment(1);
        if !lock(&self.breaker).fail(pass, Instant::now()) {
            return;
        }
        lock(&self.idle).clear();
        metrics::gauge!("oncue_cache_servers_down").increment(1);
        tracing::warn!(
            server = %self.address, why,
            "the cache server {} is out of reach; statistics are counted anew meanwhile", self.address
        );
        tokio::spawn(look_until_well(Arc::downgrade(self)));
    }

    /// How long to wait before the next look.
    fn pause(&self) -> Duration {
        let digest = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(self.address.to_string())
            .chain_update(self.drawn.fetch_add(1, Ordering::Relaxed).to_le_bytes())
            .finalize();
        lock(&self.breaker).pause(u16::from_le_bytes([digest[0], digest[1]]))
    }

    /// Whether the server is well again.
    async fn look(&self) -> bool {
        let is_well = matches!(timeout(self.deadline, self.exchange(&Command::LOOK)).await, Ok(Ok(_)));
        if is_well {
            lock(&self.breaker).heal(Instant::now());
            self.has_refused.store(false, Ordering::Relaxed);
            metrics::gauge!("oncue_cache_servers_down").decrement(1);
            tracing::info!(server = %self.address, "the cache server {} answers again", self.address);
        }
        is_well
    }
}

/// Looks beside the requests, so that none of them waits for a server that is away. Ends with the server's own value.
async fn look_until_well(server: Weak<Server>) {
    loop {
        let Some(pause) = server.upgrade().map(|server| server.pause()) else { return };
        sleep(pause).await;
        let Some(server) = server.upgrade() else { return };
        if server.look().await {
            return;
        }
    }
}

/// A poisoned lock means that a thread panicked while it held plain values; they are still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
