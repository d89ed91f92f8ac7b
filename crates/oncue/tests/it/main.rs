//! oncue from the outside: these tests start the real binary in an empty folder and speak HTTP to it, and nothing else.
//! They know the contract and nothing of the crates behind it; whatever needs the inside belongs into that crate's tests.

#![allow(clippy::disallowed_methods, reason = "outside of the house the only clock is the real one")]

mod api;
mod audit;
mod auditor;
mod auth;
mod bench;
mod cache;
mod configuration;
mod copy;
mod delivery;
mod demo;
mod destinations;
mod durability;
mod ending;
mod flat;
mod forms;
mod harness;
mod health;
mod kill;
mod lessons;
mod live;
mod migrate;
mod nodes;
mod open_mode;
mod overlap;
mod postgres;
mod program;
mod redelivery;
mod report;
mod requests;
mod sqlite;
mod support;
mod tenant_wall;
mod why;
mod zone_data;
