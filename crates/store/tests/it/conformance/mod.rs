//! What every store must do, written once and run on all of them: every operation with its edges and its concurrency. A
//! store is finished when it passes; new meaning is added here first.

mod access;
mod act;
mod alert;
mod arrival;
mod attention;
mod audit;
mod backlog;
mod change;
mod count;
mod delivery;
mod destination;
mod event;
mod firing;
mod follow;
mod head;
mod idempotency;
mod ledger;
mod limit;
mod many;
mod node;
mod order;
mod payload_schema;
mod plan;
mod preference;
mod presence;
mod receipt;
pub(crate) mod redelivery;
mod repetition;
mod retention;
mod revision;
mod run;
mod search;
mod slot;
mod trigger;
mod turn;
mod wall;
