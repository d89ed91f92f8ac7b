//! Opening the database: as what, and in which order. The lock file before anything is touched, then the migrations, then what a former
//! process held becomes free; whoever gets a [`Sqlite`] finds all of that done.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::connect::{connect, in_words, prepare};
use super::presence::Presence;
use super::readers::Readers;
use super::writer::Writer;
use super::{Settings, Shared, Sqlite, copy, migrate, overlap};
use crate::codec::CronLines;
use crate::told::Told;

/// Where the database lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this file, and a few beside it.
    File(PathBuf),
    /// In memory: gone when the program ends.
    Memory,
}

/// What this process is to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one server.
    Server,
    /// A short visit of the operator's command line, which may happen while the server runs.
    Visitor,
}

impl Sqlite {
    /// Opens the database, making or migrating it first.
    ///
    /// # Errors
    /// In words for the operator: the path cannot be used, another oncue serves it, or it is newer than this program.
    pub fn open(place: &Place, role: Role, settings: Settings) -> std::result::Result<Sqlite, String> {
        let presence = match (place, role) {
            (Place::File(path), Role::Server) => Presence::lock(path)?,
            _ => Presence::in_memory(),
        };
        let mut connection = match place {
            Place::File(path) => connect(path, role)?,
            Place::Memory => Connection::open_in_memory().map_err(in_words)?,
        };
        prepare(&connection).map_err(|error| format!("The database {} cannot be used: {error}.", name_of(place)))?;
        migrate::run(&mut connection, role)
            .map_err(|error| format!("The database {} cannot be used: {error}", name_of(place)))?;
        if let Place::File(path) = place {
            copy::refuse_moved(&connection, path)?;
        }
        if role == Role::Server {
            // Claims belong to the process that made them: what the former one left is owed at once.
            connection.execute("UPDATE outbox SET due_at = 0, is_held = 0 WHERE is_held", []).map_err(in_words)?;
        }
        let readers = Readers::open(place)?;
        let shared = Arc::new(Shared {
            settings,
            presence,
            fresh: Mutex::default(),
            parsed: Mutex::default(),
            told: Told::default(),
            cron_lines: CronLines::default(),
            swept_to: Mutex::new(overlap::FROM_THE_FIRST),
            listeners: Mutex::default(),
        });
        let writer = Arc::new(Writer::start(connection, Arc::clone(&shared)));
        Ok(Sqlite { writer, readers: Arc::new(readers), shared, author: None })
    }
}

fn name_of(place: &Place) -> String {
    match place {
        Place::File(path) => path.display().to_string(),
        Place::Memory => "in memory".to_owned(),
    }
}
