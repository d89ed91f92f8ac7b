//! Words and rules: what a trigger, an occurrence, an event, a delivery and an attempt are, and what follows from what.
//! Same input, same output. No runtime, no SQL, no HTTP types, no environment, no files, no clock reads and no randomness
//! that was not handed in as a seed: whoever calls says what time it is.
//!
//! In reading order: time and names, then the nouns in the order in which they come to life, then the doors.

pub mod clock;
pub mod error;
pub mod id;

pub mod schedule;
pub mod payload;
pub mod trigger;
pub mod occurrence;
pub mod plan;
pub mod event;
pub mod destination;
pub mod message;
pub mod delivery;
pub mod access;
pub mod limit;

pub mod outbound;
pub mod store;
