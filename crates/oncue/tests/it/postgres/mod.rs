//! What only a database that many servers share has: whether they come up on it, what they say where they cannot, and what
//! becomes of them while it is away. All else is promised of every store, and stands in the other files.

mod outage;
mod punctual;
mod start;
mod trouble;
mod unreadable;
