//! What was committed stays. Here are the databases behind `oncue_domain::store::Store`: plain SQL, one file for each noun;
//! and beside them, in `memcached`, what may be forgotten: the cache that nodes share, behind `oncue_domain::cache::Cache`.
//! No HTTP, no scheduling decisions and no clock: whoever calls says what time it is.

mod codec;
pub mod copy;
pub mod memcached;
pub mod migrations;
mod parsed;
pub mod postgres;
pub mod sqlite;
mod tally;
mod together;
mod told;

use std::sync::Arc;

use oncue_domain::node::Identity;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::trigger::ScheduleDetails;

/// What a store must know about the configuration.
#[derive(Clone)]
pub struct Settings {
    /// Zone data for reading schedules back.
    pub zones: Arc<Zones>,
    /// Whether events of triggers without a destination of their own are owed to the operator's default one.
    pub has_default_destination: bool,
    /// What this server is called, where it is the only one; a node of many says it in its role.
    pub identity: Identity,
}

/// How many bytes a schedule has as it is kept here: so many it is counted with in a former revision
/// ([`BEYOND_BYTES_MAX`](oncue_domain::revision::BEYOND_BYTES_MAX)).
pub fn schedule_bytes(details: &ScheduleDetails) -> usize {
    codec::schedule_to_text(details).len()
}
