//! Where the servers of one measurement are at home: an empty folder and an empty database, both gone with it. Here the
//! database is opened in this process, too: to fill it while no server runs, or to look at it while one does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use oncue_domain::node::Identity;
use oncue_domain::store::Store;
use oncue_store::Settings;
use oncue_store::postgres;
use oncue_store::sqlite::{self, Place, Sqlite};

use super::database::Database;
use crate::system::{fill_random, machine_name, zones};

/// A folder and a database of one measurement's own.
pub(super) struct Home {
    // Dropped before the folder, in which the servers' logs are.
    database: Option<Database>,
    folder: Folder,
    /// How many servers live here.
    pub(super) nodes: u32,
    /// What they sign logins with, one after the other and beside each other.
    secret: String,
}

/// A folder, removed with all that is in it.
struct Folder(PathBuf);

impl Home {
    /// A new one, its folder in `parent`; on SQLite where there is no other database.
    pub(super) fn make(parent: &Path, database: Option<Database>, nodes: u32) -> anyhow::Result<Home> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("oncue-bench-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("The folder {} cannot be made", path.display()))?;
        Ok(Home { database, folder: Folder(path), nodes, secret: secret() })
    }

    /// Where servers write what is nobody else's.
    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// The first process of a database that has its own, where they are on this machine.
    pub(super) fn postmaster(&self) -> Option<u32> {
        self.database.as_ref()?.postmaster
    }

    /// How many callers fill the database fastest: SQLite commits together what is queued together, PostgreSQL has a process
    /// for each connection.
    pub(super) fn writers(&self) -> usize {
        if self.database.is_some() { 64 } else { 512 }
    }

    /// Tells a server where its database is, and what logins are signed with. What may hold a password stays out of the command line, which all can read.
    pub(super) fn tell(&self, command: &mut Command) {
        command.env("JWT_SECRET", &self.secret);
        match &self.database {
            Some(database) => drop(command.env("DATABASE_URL", &database.url)),
            None => {
                let mut place = OsString::from("sqlite:");
                place.push(self.file());
                command.arg("--database-url").arg(place);
            }
        }
    }

    /// Opens the database to fill it, while no server runs.
    pub(super) async fn fill(&self) -> anyhow::Result<Opened> {
        let identity = Identity {
            name: machine_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: "bench".to_owned(),
            ..Identity::default()
        };
        self.open(sqlite::Role::Server, postgres::Role::Node(identity)).await
    }

    /// Opens the database to look at it, while servers run.
    pub(super) async fn look(&self) -> anyhow::Result<Opened> {
        self.open(sqlite::Role::Visitor, postgres::Role::Visitor).await
    }

    async fn open(&self, on_sqlite: sqlite::Role, on_postgres: postgres::Role) -> anyhow::Result<Opened> {
        let settings =
            Settings { zones: zones().into(), has_default_destination: false, identity: Identity::default() };
        match &self.database {
            Some(database) => {
                let postgres = postgres::Postgres::open(&database.address()?, on_postgres, settings).await;
                let postgres = Arc::new(postgres.map_err(anyhow::Error::msg)?);
                Ok(Opened { store: Arc::clone(&postgres) as Arc<dyn Store>, postgres: Some(postgres) })
            }
            None => {
                let place = Place::File(self.file());
                let sqlite = Sqlite::open(&place, on_sqlite, settings).map_err(anyhow::Error::msg)?;
                Ok(Opened { store: Arc::new(sqlite), postgres: None })
            }
        }
    }

    /// How much disk the database takes, in bytes.
    pub(super) async fn bytes(&self) -> anyhow::Result<u64> {
        if let Some(database) = &self.database {
            return database.bytes().await;
        }
        let mut bytes = 0;
        for file in std::fs::read_dir(self.folder())? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("bench.db") {
                bytes += file.metadata()?.len();
            }
        }
        Ok(bytes)
    }

    fn file(&self) -> PathBuf {
        self.folder().join("bench.db")
    }
}

fn secret() -> String {
    let mut bytes = [0; 32];
    fill_random(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("bench: {} is left behind: {error}", self.0.display());
        }
    }
}

/// A database that this process has open.
pub(super) struct Opened {
    /// What it is used through.
    pub(super) store: Arc<dyn Store>,
    postgres: Option<Arc<postgres::Postgres>>,
}

impl Opened {
    /// Says goodbye, so that no server waits for this process to be missed.
    pub(super) async fn close(self) {
        if let Some(postgres) = &self.postgres {
            postgres.close().await;
        }
    }
}
