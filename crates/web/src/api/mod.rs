//! Surface two: the account API under `/api/v1`, one file for each noun.

pub(crate) mod act;
pub(crate) mod actor;
pub(crate) mod api_key;
pub(crate) mod backlog;
pub(crate) mod bulk;
pub(crate) mod calendar;
pub(crate) mod delivery;
pub(crate) mod destination;
pub(crate) mod dry_run;
pub(crate) mod event;
pub(crate) mod fire;
pub(crate) mod forecast;
pub(crate) mod freeze;
pub(crate) mod inbox;
pub(crate) mod node;
pub(crate) mod page;
pub(crate) mod pause;
pub(crate) mod receipt;
pub(crate) mod redelivery;
pub(crate) mod revision;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod trigger;
pub(crate) mod trigger_calendar;
pub(crate) mod trigger_destination;
pub(crate) mod upcoming;
pub(crate) mod why;

use jiff::Timestamp;

/// An instant as surface two writes it: RFC 3339, UTC, `Z`, a fraction only where there is one.
pub(crate) fn time(instant: Timestamp) -> String {
    instant.to_string()
}
