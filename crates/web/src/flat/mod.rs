//! Surface one: the flat API, with the words and shapes that its first clients know. It says less than surface two and
//! shares everything below it: both see the same triggers and events.

pub(crate) mod dry_run;
pub(crate) mod event;
pub(crate) mod statistics;
pub(crate) mod trigger;

use jiff::Timestamp;

/// An instant as surface one writes it: UTC, six digits, no offset.
pub(crate) fn time(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}
