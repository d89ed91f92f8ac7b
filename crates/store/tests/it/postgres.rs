//! What is PostgreSQL's alone: many nodes on one database. Where time matters it is moved in the rows that hold it; where a
//! node does something by itself every half second, a test waits until it has.

mod access;
mod aside;
mod audit;
mod by_hand;
mod calendar;
mod follow;
mod freeze;
mod index;
mod migration;
mod node;
mod order;
mod overlap;
mod presence;
mod race;
mod scratch;
mod silence;
mod soak;

use std::sync::Arc;
use std::time::{Duration, Instant};

use oncue_domain::id::{Ids, UserId};

use crate::bench::Bench;
use crate::database::Database;

/// Longer than anything takes that nodes do by themselves, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database and the nodes on it, each as a store under test.
struct Nodes {
    nodes: Vec<Bench>,
    database: Database,
}

impl Nodes {
    /// So many nodes begin on an empty database.
    async fn begin(count: u8) -> Nodes {
        let database = Database::new();
        let mut nodes = Vec::new();
        for number in 0..count {
            nodes.push(Nodes::another(&database, &format!("node {number}")).await);
        }
        Nodes { nodes, database }
    }

    /// A node of that name begins.
    async fn another(database: &Database, name: &str) -> Bench {
        let seed = name.bytes().last().expect("a name");
        Bench::of_node(Arc::new(database.node(name, true).await), Ids::from_seed([seed; 32]))
    }

    async fn user(&self, name: &str) -> UserId {
        self.nodes[0].user(name).await
    }
}

/// Waits until what a node does by itself has come true.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what} has not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
