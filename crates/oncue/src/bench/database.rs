//! Which database the servers under test keep everything in: SQLite, or a server of PostgreSQL that somebody named, on which
//! every measurement has a database of its own that is dropped again. What is said about it belongs to every number: a database
//! that promises less is faster.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::anyhow;
use oncue_store::postgres::address::Address;
use oncue_store::postgres::scratch::Server;
use serde::{Deserialize, Serialize};

use super::cost;

/// What the settings are that decide how long a commit takes.
const SETTINGS: [&str; 6] =
    ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "max_connections"];

/// Where this is off, an end of the machine loses what was answered, or all of it.
const PROMISES: [&str; 3] = ["fsync", "synchronous_commit", "full_page_writes"];

/// A server of PostgreSQL, as somebody named it.
#[derive(Clone)]
pub(super) struct Postgres {
    url: String,
}

impl Postgres {
    /// Reads a URL; any database of the server will do.
    pub(super) fn parse(url: &str) -> Result<Postgres, String> {
        Address::parse(url)?;
        Ok(Postgres { url: url.to_owned() })
    }

    /// What the server says about itself.
    pub(super) async fn facts(&self, nodes: u32) -> anyhow::Result<Facts> {
        let server = Server::at(&address(&self.url)?).map_err(anyhow::Error::msg)?;
        let version = server.settings(&["server_version"]).await.map_err(anyhow::Error::msg)?.concat();
        let values = server.settings(&SETTINGS).await.map_err(anyhow::Error::msg)?;
        let settings = SETTINGS.map(str::to_owned).into_iter().zip(values).collect();
        Ok(Facts { store: format!("PostgreSQL {version}"), nodes, settings })
    }

    /// An empty database that nobody else has.
    pub(super) async fn database(&self) -> anyhow::Result<Database> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mut chance = [0; 8];
        crate::system::fill_random(&mut chance);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("oncue_bench_{:016x}_{number}", u64::from_le_bytes(chance));
        let server = Server::at(&address(&self.url)?).map_err(anyhow::Error::msg)?;
        server.make(&name).await.map_err(|words| anyhow!("A database for this measurement cannot be made. {words}"))?;
        // From here on it is dropped whatever happens.
        let mut database = Database { server_url: self.url.clone(), url: self.url_of(&name), name, postmaster: None };
        database.postmaster = database.find_postmaster().await?;
        Ok(database)
    }

    /// Of what a URL says twice, the last holds.
    fn url_of(&self, database: &str) -> String {
        let joint = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{joint}dbname={database}", self.url)
    }
}

fn address(url: &str) -> anyhow::Result<Address> {
    Address::parse(url).map_err(anyhow::Error::msg)
}

/// A database of PostgreSQL that goes with this.
pub(super) struct Database {
    server_url: String,
    /// How servers reach it.
    pub(super) url: String,
    name: String,
    /// The first of the server's processes, where they are on this machine.
    pub(super) postmaster: Option<u32>,
}

impl Database {
    /// How this process reaches it.
    pub(super) fn address(&self) -> anyhow::Result<Address> {
        address(&self.url)
    }

    /// How much disk it takes, in bytes.
    pub(super) async fn bytes(&self) -> anyhow::Result<u64> {
        let server = Server::at(&address(&self.server_url)?).map_err(anyhow::Error::msg)?;
        Ok(u64::try_from(server.bytes(&self.name).await.map_err(anyhow::Error::msg)?)?)
    }

    async fn find_postmaster(&self) -> anyhow::Result<Option<u32>> {
        let inside = Server::at(&self.address()?).map_err(anyhow::Error::msg)?;
        let process = inside.process().await.map_err(anyhow::Error::msg)?;
        Ok(cost::postmaster(process, &self.name))
    }

    fn remove(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = Server::at(&address(&self.server_url)?).map_err(anyhow::Error::msg)?;
        runtime.block_on(server.remove(&self.name)).map_err(anyhow::Error::msg)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Whoever drops this is in a runtime, which cannot be waited for within itself.
        let removed = std::thread::scope(|scope| scope.spawn(|| self.remove()).join());
        match removed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("bench: the database {} is left behind: {error:#}", self.name),
            Err(_) => eprintln!("bench: the database {} is left behind", self.name),
        }
    }
}

/// What was measured with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Its name and version.
    store: String,
    /// How many servers worked on it.
    nodes: u32,
    /// What holds in the servers' sessions.
    settings: BTreeMap<String, String>,
}

/// What every report was about that does not say.
impl Default for Facts {
    fn default() -> Facts {
        Facts { store: "SQLite".to_owned(), nodes: 1, settings: BTreeMap::new() }
    }
}

impl Facts {
    /// In one line, and one more for everything that the database does not promise.
    pub(super) fn lines(&self) -> String {
        let mut lines = format!("{}, {} node{}", self.store, self.nodes, if self.nodes == 1 { "" } else { "s" });
        for (name, value) in &self.settings {
            write!(lines, ", {name} {value}").expect("a string can be written to");
        }
        for warning in self.warnings() {
            write!(lines, "\n{warning}").expect("a string can be written to");
        }
        lines
    }

    /// What makes these numbers better than they are.
    pub(super) fn warnings(&self) -> Vec<String> {
        let is_off = |name: &&str| self.settings.get(*name).is_some_and(|value| value == "off");
        let warning = |name: &str| {
            format!(
                "!!! {name} IS OFF: a crash takes what this database has answered; do not compare these numbers with others !!!"
            )
        };
        PROMISES.iter().filter(|name| is_off(name)).map(|name| warning(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_server_is_named_after_whatever_the_url_says() {
        for url in ["postgres://one:5433,two/postgres", "postgresql://ann@[::1]?dbname=hers&sslmode=disable"] {
            let server = Postgres::parse(url).expect("a URL");
            let shown = address(&server.url_of("mine")).expect("a URL").to_string();
            assert!(shown.ends_with("/mine"), "{shown}");
        }
        assert!(Postgres::parse("sqlite:oncue.db").is_err());
    }

    #[test]
    fn a_database_that_promises_nothing_is_shouted_about() {
        let facts = |fsync: &str| Facts {
            settings: BTreeMap::from([("fsync".to_owned(), fsync.to_owned())]),
            ..Facts::default()
        };
        assert_eq!(facts("on").lines(), "SQLite, 1 node, fsync on");
        assert!(facts("off").lines().contains("\n!!! fsync IS OFF"), "{}", facts("off").lines());
    }
}
