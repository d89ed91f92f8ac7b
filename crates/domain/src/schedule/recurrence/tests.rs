//! Rules held to the examples of RFC 5545, and the search held to a reading of the clock that knows nothing of it.

mod examples;
mod refusals;
mod search;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::*;
use crate::schedule::zone::Zones;

fn zone(name: &str) -> Zone {
    Zones::bundled().get(name).expect("a zone of the bundled copy")
}

/// A rule in New York that starts at `start` on the clock.
fn rule(start: &str, text: &str) -> Recurrence {
    placed(start, text, "America/New_York")
}

fn placed(start: &str, text: &str, name: &str) -> Recurrence {
    let read = RecurrenceText::read(text, &Zones::bundled()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let wall = start.parse().expect("a test writes its starts well");
    Recurrence::new(read, Start { wall, is_told: true }, zone(name))
}

/// Its first occurrences on the clock; checks on the way that the three questions agree.
fn first(recurrence: &Recurrence, most: usize) -> Vec<DateTime> {
    let mut cursor = Timestamp::UNIX_EPOCH;
    let mut found = Vec::new();
    while found.len() < most
        && let Some(next) = recurrence.next_after(cursor)
    {
        assert!(next > cursor, "{} went from {cursor} to {next}", recurrence.text().as_str());
        assert_eq!(recurrence.latest_in(cursor, next), Some(next));
        let wall = recurrence.zone().time_zone().to_datetime(next);
        assert!(recurrence.names(wall) && recurrence.counts_at(next), "{} at {wall}", recurrence.text().as_str());
        found.push(wall);
        cursor = next;
    }
    let context = recurrence.text().as_str();
    assert_eq!(recurrence.count_in(Timestamp::UNIX_EPOCH, cursor), found.len() as u64, "{context}");
    if found.len() < most {
        assert_eq!(recurrence.count_in(Timestamp::UNIX_EPOCH, Timestamp::MAX), found.len() as u64, "{context}");
    }
    found
}
