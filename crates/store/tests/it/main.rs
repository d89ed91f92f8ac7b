//! The stores, in one binary: what every store must do (`conformance`), that SQLite does it like the reference model in any
//! order (`differential`), what is SQLite's alone (`sqlite`, `upgrade`), what is PostgreSQL's, where many nodes share a
//! database (`postgres`), how one becomes the other (`copy`), and the cache that nodes share (`memcached`).

mod bench;
mod conformance;
mod copy;
mod database;
mod differential;
mod memcached;
mod postgres;
mod sqlite;
mod upgrade;
