//! A database on PostgreSQL, made for one test: as many nodes on it as the test wants, and a look at it past all of them. It
//! lies in the throw-away server of this run; where there is no PostgreSQL, the test fails and says what is missing.

use oncue_store::postgres::address::Address;
use oncue_store::postgres::{Postgres, Role};
use oncue_throwaway::Cluster;

use crate::bench::{identity, settings};

/// An empty database, and whatever is made of it until this is dropped.
pub(crate) struct Database {
    cluster: &'static Cluster,
    name: String,
}

impl Database {
    pub(crate) fn new() -> Database {
        let cluster = Cluster::shared().unwrap_or_else(|error| panic!("this test needs a PostgreSQL server: {error}"));
        let name = cluster.fresh_database().unwrap_or_else(|error| panic!("this test needs a database: {error}"));
        Database { cluster, name }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// The same, as a store is told.
    pub(crate) fn address(&self) -> Address {
        Address::parse(&self.url()).expect("an address")
    }

    /// A server of that name begins.
    pub(crate) async fn node(&self, name: &str, has_default_destination: bool) -> Postgres {
        self.open(as_node(name), has_default_destination).await.expect("a node")
    }

    /// The same, which may be refused.
    pub(crate) async fn open(&self, role: Role, has_default_destination: bool) -> Result<Postgres, String> {
        Postgres::open(&self.address(), role, settings(has_default_destination)).await
    }

    /// What a statement gives, past all nodes.
    pub(crate) fn sql(&self, statement: &str) -> String {
        self.cluster.sql(&self.name, statement).expect("a statement of the test's own")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.drop_database(&self.name) {
            eprintln!("a database of a test stays until its server goes: {error}");
        }
    }
}

/// A server of that name.
pub(crate) fn as_node(name: &str) -> Role {
    Role::Node(identity(name))
}
