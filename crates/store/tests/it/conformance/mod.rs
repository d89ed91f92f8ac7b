//! What every store must do, written once and run on all of them: every operation with its edges and its concurrency. A
//! store is finished when it passes; new meaning is added here first.

mod access;
mod delivery;
mod event;
mod plan;
mod presence;
mod retention;
mod trigger;
mod wall;
