//! Surface two, the account API (contract, section 3), a file for each noun of its routes.

mod any_of;
mod api_keys;
mod backlog;
mod bulk;
mod deliveries;
mod dry_run;
mod edits;
mod errors;
mod events;
mod fire;
mod forecast;
mod freeze;
mod idempotency;
mod jitter;
mod lists;
mod nodes;
mod pauses;
mod payload_schema;
mod preview;
mod revisions;
mod rrule;
mod schedules;
mod terms;
mod triggers;
mod upcoming;
mod why;
