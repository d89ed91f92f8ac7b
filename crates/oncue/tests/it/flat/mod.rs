//! Surface one, the flat API: its exact words and shapes (contract, section 2).

mod both;
mod dry_run;
mod errors;
mod events;
mod triggers;
