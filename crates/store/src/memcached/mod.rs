//! The cache that several nodes share: one memcached server or more, behind `oncue_domain::cache::Cache`. It may only ever
//! cost a little time and never an answer: every call has a deadline, every failure is a miss, and a server that failed is not
//! asked again until a look beside the requests has found it well. Keys are spread over the servers by a hash, so each
//! server that is away costs its share of the answers and no more.
//!
//! `servers` says who there is and who keeps what, `server` asks one of them, `breaker` decides whether it may be asked, and
//! `wire` speaks the protocol. No scheduling, no SQL, and no knowledge of what the answers say.

mod breaker;
mod server;
mod servers;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::cache::{Cache, Key};
use tokio::task::JoinSet;

use self::server::Server;
pub use self::servers::Servers;
use self::wire::{Command, Reply};

/// How long a request waits for the cache at most, each time it asks: counting anew takes about as long.
pub const DEADLINE: Duration = Duration::from_millis(50);

/// How many bytes an answer may have. memcached keeps a mebibyte unless told otherwise, its own head included.
const VALUE_BYTES_MAX: usize = 1_000_000;

/// The cache on these servers.
pub struct Memcached {
    servers: Servers,
    lines: Vec<Arc<Server>>,
}

impl Memcached {
    /// Looks once whether each server is there, so that the log of the start says which is not, and goes on either way. Pauses
    /// are spread by `seed`, which nodes ought not to share.
    pub async fn open(servers: Servers, deadline: Duration, seed: u64) -> Memcached {
        metrics::counter!("oncue_cache_failures_total").absolute(0);
        metrics::gauge!("oncue_cache_servers_down").set(0);
        let lines: Vec<_> =
            servers.iter().map(|address| Arc::new(Server::new(address.clone(), deadline, seed))).collect();
        let mut looks = JoinSet::new();
        for line in &lines {
            let line = Arc::clone(line);
            looks.spawn(async move { line.ask(&Command::LOOK).await.is_some() });
        }
        looks.join_all().await;
        Memcached { servers, lines }
    }

    async fn ask(&self, key: &Key, command: &Command<'_>) -> Option<Reply> {
        self.lines[self.servers.place_of(key.as_str())].ask(command).await
    }
}

#[async_trait]
impl Cache for Memcached {
    async fn get(&self, key: &Key, _now: Timestamp) -> Option<Arc<[u8]>> {
        match self.ask(key, &Command::Get { key: key.as_str() }).await? {
            Reply::Found(value) => Some(value.into()),
            _ => None,
        }
    }

    async fn put(&self, key: &Key, value: Vec<u8>, kept_for: SignedDuration, _now: Timestamp) {
        if value.len() > VALUE_BYTES_MAX {
            metrics::counter!("oncue_cache_failures_total").increment(1);
            tracing::debug!(bytes = value.len(), "an answer is too large for the cache");
            return;
        }
        // Whole seconds are all that memcached knows, and none at all would mean for ever.
        let seconds = u64::try_from(kept_for.as_millis()).unwrap_or(0).div_ceil(1000).max(1);
        self.ask(key, &Command::Set { key: key.as_str(), value: &value, seconds }).await;
    }
}
