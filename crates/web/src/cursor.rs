//! Places in lists of events, and in the row of what is coming, as the opaque cursors that links carry, and back. They name a place and not a number of rows, so that a page
//! is found at once wherever it lies, and misses nothing that came meanwhile. What is on a page stands in `api/page.rs`. The room is open
//! to the outside for its bench alone.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oncue_domain::agenda::Place;
use oncue_domain::id::{EventId, TriggerId};
use oncue_domain::store::EventPlace;

/// A place in a list of events as an opaque cursor; `mark` keeps the cursors of different lists apart.
pub fn write_place(mark: char, place: EventPlace) -> String {
    write(mark, place.fired_at, place.id.0)
}

/// The place that a cursor names, and its mark; none where it names no place.
pub fn read_place(cursor: &str) -> Option<(char, EventPlace)> {
    let (mark, fired_at, id) = read(cursor)?;
    Some((mark, EventPlace { fired_at, id: EventId(id) }))
}

/// Sets a place in the row of what is coming apart from those in lists of events.
const COMING: char = 'u';

/// A place in the row of what is coming as an opaque cursor.
pub(crate) fn write_firing(place: Place) -> String {
    write(COMING, place.at, place.id.0)
}

/// The place in the row of what is coming that a cursor names; none where it names none.
pub(crate) fn read_firing(cursor: &str) -> Option<Place> {
    let (mark, at, id) = read(cursor)?;
    (mark == COMING).then_some(Place { at, id: TriggerId(id) })
}

fn write(mark: char, at: Timestamp, id: i64) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{mark}{}.{id}", at.as_microsecond()))
}

fn read(cursor: &str) -> Option<(char, Timestamp, i64)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let mark = text.chars().next()?;
    let (at, id) = text.get(mark.len_utf8()..)?.split_once('.')?;
    Some((mark, Timestamp::from_microsecond(at.parse().ok()?).ok()?, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_its_place_and_nonsense_names_none() {
        let place = EventPlace {
            fired_at: Timestamp::from_microsecond(1_700_000_000_123_456).expect("in range"),
            id: EventId(42),
        };
        assert_eq!(read_place(&write_place('n', place)), Some(('n', place)));
        let coming = Place { at: place.fired_at, id: TriggerId(7) };
        assert_eq!(read_firing(&write_firing(coming)), Some(coming));
        assert_eq!(read_firing(&write_place('n', place)), None, "a place in another list");
        for nonsense in ["", "n", "%", "bm9uc2Vuc2U", "bjEuMQ==", "bjk5OTk5OTk5OTk5OTk5OTk5OTkuMQ"] {
            assert_eq!(read_place(nonsense), None, "{nonsense}");
        }
    }
}
