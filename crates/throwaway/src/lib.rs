//! PostgreSQL servers that live as long as a test: made from PostgreSQL's own programs, in a folder of their own, on a free
//! port of 127.0.0.1, and gone with the process that asked for them, even when that process is killed. Nothing has to be set
//! up, and nothing that is set up is touched.
//!
//! Only tests and benchmarks depend on this crate. It knows nothing of oncue: no schema, no store, no runtime; every call
//! blocks until what it promises is true. Linux only, since it looks at `/proc`.
//!
//! A server costs a second or more. Where each test has a process of its own, as with cargo-nextest, the program
//! `with-postgres` runs one for all of them: `with-postgres cargo nextest run`.
//!
//! ```no_run
//! # fn main() -> Result<(), oncue_throwaway::Error> {
//! let cluster = oncue_throwaway::Cluster::start()?;
//! let database = cluster.fresh_database()?;
//! assert_eq!(cluster.sql(&database, "SELECT 1 + 1")?, "2");
//! # Ok(())
//! # }
//! ```

mod certificate;
mod cluster;
mod error;
mod keeper;
mod programs;
mod setup;
mod shared;
mod standby;
mod template;

pub use cluster::{Cluster, Stop};
pub use error::Error;
pub use setup::{Durability, Setup};
pub use shared::VARIABLE;
