//! What every store must do, written once and run on all of them: every operation with its edges and its concurrency. A
//! store is finished when it passes; new meaning is added here first.

mod access;
mod attention;
mod change;
mod count;
mod delivery;
mod event;
mod firing;
mod follow;
mod head;
mod node;
mod plan;
mod preference;
mod presence;
mod retention;
mod search;
mod trigger;
mod wall;
