//! Visits to a database by a command of the operator's, whether a server runs there or not: no lock, no sign of life, no node.

use std::sync::Arc;

use anyhow::{anyhow, bail, ensure};
use oncue_domain::clock::Clock;
use oncue_domain::event::Retention;
use oncue_domain::node::Identity;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::Store;
use oncue_store::Settings;
use oncue_store::migrations::Step;
use oncue_store::postgres::{self, Postgres};
use oncue_store::sqlite::{self, Place, Sqlite};

use crate::config::{Config, Database};
use crate::system::{SystemClock, zones};

/// A database, the clock that holds there, and the zone data by which it is read.
pub(crate) struct Visited {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) zones: Arc<Zones>,
}

/// Opens the database, which must be there.
pub(crate) async fn visit(database: &Database) -> anyhow::Result<Visited> {
    let zones = Arc::new(zones());
    let settings =
        Settings { zones: Arc::clone(&zones), has_default_destination: false, identity: Identity::default() };
    let place = match database {
        Database::Postgres(address) => {
            refuse_foreign(postgres::steps(address).await)?;
            let store = Postgres::open(address, postgres::Role::Visitor, settings).await;
            let store = store.map_err(|words| anyhow!(words))?;
            return Ok(Visited { clock: store.clock(), store: Arc::new(store), zones });
        }
        Database::Sqlite(place) => place,
    };
    match place {
        Place::Memory => bail!("A database in memory can only be reached by the server that made it."),
        Place::File(path) if !path.exists() => {
            bail!("There is no database {}; name it with --database-url.", path.display())
        }
        // By a connection that only reads: opening a file makes it one of oncue's kind.
        Place::File(path) => refuse_foreign(sqlite::steps(path))?,
    }
    let store = Sqlite::open(place, sqlite::Role::Visitor, settings).map_err(|words| anyhow!(words))?;
    Ok(Visited { store: Arc::new(store), clock: Arc::new(SystemClock), zones })
}

/// What oncue never made is somebody else's, or nobody's yet; neither is for a visitor to bring up to date.
fn refuse_foreign(steps: Result<Vec<Step>, String>) -> anyhow::Result<()> {
    let steps = steps.map_err(|words| anyhow!(words))?;
    ensure!(
        steps.iter().any(|step| step.is_taken),
        "There is no database of oncue's there; name it with --database-url."
    );
    Ok(())
}

impl Visited {
    /// For how long events are kept here: as this command was told, else as the server last said, else as one does that is told nothing. When they are
    /// archived is no matter of a visit.
    pub(crate) async fn retention(&self, config: &Config) -> anyhow::Result<Retention> {
        let left = if config.is_keep_for_told { None } else { self.store.retention().await? };
        Ok(left.unwrap_or(config.retention))
    }
}
