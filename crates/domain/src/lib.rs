//! Words and rules: what a trigger, an occurrence, an event, a delivery and an attempt are, and what follows from what.
//! Same input, same output. No runtime, no SQL, no HTTP types, no environment, no files, no clock reads and no randomness
//! that was not handed in as a seed: whoever calls says what time it is.
//!
//! To read it, begin with `schedule`, `trigger` and `plan`; go on with `event`, `delivery`, `destination` and `message`; `why` tells what came of it all; the
//! doors to the outside are `clock`, `id`, `outbound`, `store`, `cache` and `health`.

pub mod clock;
pub mod error;
pub mod id;

pub mod access;
pub mod act;
pub mod actor;
pub mod agenda;
pub mod arrival;
pub mod audit;
pub mod backlog;
pub mod calendar;
pub mod count;
pub mod delivery;
pub mod destination;
pub mod effect;
pub mod event;
pub mod firing;
pub mod forecast;
pub mod freeze;
pub mod health;
pub mod idempotency;
pub mod limit;
pub mod message;
pub mod misfire;
pub mod node;
pub mod occurrence;
pub mod payload;
pub mod payload_schema;
pub mod plan;
pub mod presence;
pub mod receipt;
pub mod redelivery;
pub mod revision;
pub mod run;
pub mod schedule;
pub mod signature;
pub mod template;
pub mod trigger;
pub mod why;

pub mod cache;
pub mod outbound;
pub mod overlap;
pub mod store;
