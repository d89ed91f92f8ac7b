//! Many nodes on one database: the real program, several times, on a real PostgreSQL of its own, harmed in every way that is
//! to be borne. What was promised is checked by the same check as a single server's (`harness`), and in the database itself.

mod chaos;
mod crew;
mod database;
mod death;
mod failover;
mod faults;
mod freeze;
mod frozen;
mod idempotency;
mod order;
mod pace;
mod punctual;
mod slow;
mod spread;
mod timeline;
mod trial;
mod wrong_clock;
