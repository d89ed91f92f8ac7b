//! Opening the database: as what, and in which order. The tables first, then this node's place among the others and the database's clock,
//! and last what goes on beside whoever asks; whoever gets a [`Postgres`] finds all of that done.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadpool_postgres::Client;
use oncue_domain::clock::Clock;
use oncue_domain::node::Identity;
use oncue_domain::store::{Error, Result};
use tokio::sync::{Notify, Semaphore, watch};

use super::address::Address;
use super::connect::Connections;
use super::doorkeeper::Doorkeeper;
use super::gather::Gatherer;
use super::hint::{self, Hints};
use super::node::{self, Node};
use super::partition::{self, Partitions};
use super::readers::LISTS_AT_ONCE;
use super::task::{Task, Tasks, go_on};
use super::{Postgres, Shared, clock, copy, deed, migrate, overlap, silence};
use crate::Settings;
use crate::codec::CronLines;
use crate::migrations::OLDER;
use crate::told::Told;

/// How many connections a node has at most, besides the one on which it listens.
pub(super) const CONNECTIONS_MAX: usize = 16;

/// A database that is just being started, as it is where everything starts at once, is waited for so long.
const REACHED_WITHIN: Duration = Duration::from_secs(30);

/// How many connections there are beside the others for a node's signs of life and hints, neither of which may wait behind a burst.
const UPKEEP_CONNECTIONS: usize = 2;

/// What this process is to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of the servers.
    Node(Identity),
    /// A short visit of the operator's command line.
    Visitor,
}

impl Postgres {
    /// Opens the database as one of its nodes, making or migrating it first. Needs a Tokio runtime, in which it goes on until
    /// [`Postgres::close`].
    ///
    /// # Errors
    /// In words for the operator: it cannot be reached or used, or it is newer than this program.
    pub async fn open(address: &Address, role: Role, settings: Settings) -> std::result::Result<Postgres, String> {
        let connections = Connections::new(address, CONNECTIONS_MAX)?;
        let in_words = |error: Error| format!("The database {address} cannot be used: {}", error.why());
        let mut client = reach(&connections).await.map_err(in_words)?;
        let unusable = |words: String| format!("The database {address} cannot be used: {words}");
        let node = match &role {
            Role::Node(identity) => {
                migrate::run(&mut client).await.map_err(in_words)?.map_err(unusable)?;
                Node::register(&mut client, identity.clone()).await.map_err(in_words)?.map_err(unusable)?
            }
            Role::Visitor => {
                let steps = migrate::read_steps(&client).await.map_err(in_words)?.map_err(unusable)?;
                if steps.iter().any(|step| !step.is_taken) {
                    return Err(unusable(OLDER.to_owned()));
                }
                if copy::is_under_way(&client).await.map_err(in_words)? {
                    return Err(unusable(copy::UNDER_WAY.to_owned()));
                }
                Node::visitor()
            }
        };
        let clock = Arc::new(clock::ask(&client).await.map_err(in_words)?);
        drop(client);
        let shared = Arc::new(Shared {
            connections,
            upkeep: Connections::new(address, UPKEEP_CONNECTIONS)?,
            settings,
            clock,
            node,
            partitions: Partitions::default(),
            hints: Hints::default(),
            fresh: Mutex::default(),
            doubtful: Mutex::default(),
            something_orphaned: Notify::new(),
            broken: watch::Sender::new(None),
            outbox_looked_at: Mutex::default(),
            parsed: Mutex::default(),
            told: Told::default(),
            cron_lines: CronLines::default(),
            stale: super::Stale::default(),
            ends_left: Mutex::default(),
            swept_to: Mutex::new(overlap::FROM_THE_FIRST),
            by_hand: Arc::new(Semaphore::new(deed::AT_ONCE)),
        });
        if let Role::Node(_) = role {
            partition::prepare(&shared, shared.clock.now()).await.map_err(in_words)?;
        }
        let (gatherer, gather) = Gatherer::start(Arc::clone(&shared));
        let (doorkeeper, keep_the_door) = Doorkeeper::start(&shared);
        let go_on = |what, work| go_on(&shared, what, work);
        let mut tasks = vec![
            go_on("the gatherer of calls", Box::pin(gather) as Task),
            go_on("the look-ups of who asks", Box::pin(keep_the_door)),
            go_on("the teller of hints", Box::pin(hint::tell_others(Arc::clone(&shared)))),
        ];
        if let Role::Node(_) = role {
            tasks.extend([
                go_on("this node's sign of life", Box::pin(node::beat(Arc::clone(&shared))) as Task),
                go_on("the sweep for what nobody holds", Box::pin(node::sweep(Arc::clone(&shared)))),
                go_on("the listener for hints", Box::pin(hint::listen(Arc::clone(&shared)))),
                go_on("the look after the database", Box::pin(silence::listen_for(Arc::clone(&shared)))),
            ]);
        }
        let (lists, tasks) = (Arc::new(Semaphore::new(LISTS_AT_ONCE)), Arc::new(Tasks::new(tasks)));
        Ok(Postgres { shared, gatherer, doorkeeper, lists, tasks, author: None })
    }
}

/// The first connection.
async fn reach(connections: &Connections) -> Result<Client> {
    let begun = Instant::now();
    loop {
        match connections.client().await {
            Err(Error::Unavailable(words)) if begun.elapsed() < REACHED_WITHIN => {
                tracing::warn!("the database cannot be reached yet, trying again: {words}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            outcome => return outcome,
        }
    }
}
