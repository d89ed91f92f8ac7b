//! The stores, in one binary: what every store must do (`conformance`), that SQLite does it like the reference model in any
//! order (`differential`), and what is SQLite's alone (`sqlite`, `upgrade`).

mod bench;
mod conformance;
mod differential;
mod sqlite;
mod upgrade;
