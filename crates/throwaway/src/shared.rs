//! One server for all processes of a test run. Whoever started it says where it is in an environment variable; whoever finds
//! the variable uses that server, and everybody else starts their own. What a server can be asked is in `cluster`.

use std::path::PathBuf;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::setup::{Durability, Setup};

/// Says where the server of this run is, as [`Cluster::place_in_run`] does.
pub const VARIABLE: &str = "ONCUE_TEST_CLUSTER";

/// Every node of every test that runs at a time takes its connections.
const CONNECTIONS_MAX: &str = "800";

impl Cluster {
    /// The server that [`VARIABLE`] names, else a new one that is good enough for many processes at once.
    pub fn of_this_run() -> Result<Self, Error> {
        match std::env::var(VARIABLE) {
            Ok(place) => Self::at(&place),
            Err(_) => Self::setup_of_run().start(),
        }
    }

    /// What other processes of this run find in [`VARIABLE`].
    pub fn place_in_run(&self) -> String {
        format!("{}:{}", self.folder().display(), self.port())
    }

    fn setup_of_run() -> Setup {
        Setup::new(Durability::Quick).setting("max_connections", CONNECTIONS_MAX)
    }

    fn at(place: &str) -> Result<Self, Error> {
        let unusable = |why: &str| {
            Error::new(format!("{VARIABLE} is {place:?}, {why}: leave it out, or run the tests under with-postgres"))
        };
        let parts = place.rsplit_once(':').and_then(|(folder, port)| Some((PathBuf::from(folder), port.parse().ok()?)));
        let (folder, port) = parts.ok_or_else(|| unusable("which is not a folder and a port"))?;
        let cluster = Self::of_another_process(Self::setup_of_run(), folder, port)?;
        if !cluster.listens() {
            return Err(unusable("and no PostgreSQL server answers there"));
        }
        Ok(cluster)
    }
}
