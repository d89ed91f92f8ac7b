//! What was committed stays. Here are the databases behind `oncue_domain::store::Store`: plain SQL, one file for each noun.
//! No HTTP, no scheduling decisions and no clock: whoever calls says what time it is.

mod codec;
mod migrations;
pub mod sqlite;
