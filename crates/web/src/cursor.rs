//! Places in lists of events as the opaque cursors that links carry, and back. They name a place and not a number of rows, so that a page
//! is found at once wherever it lies, and misses nothing that came meanwhile. What is on a page stands in `api/page.rs`. The room is open
//! to the outside for its bench alone.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oncue_domain::id::EventId;
use oncue_domain::store::EventPlace;

/// A place in a list of events as an opaque cursor; `mark` keeps the cursors of different lists apart.
pub fn write_place(mark: char, place: EventPlace) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{mark}{}.{}", place.fired_at.as_microsecond(), place.id))
}

/// The place that a cursor names, and its mark; none where it names no place.
pub fn read_place(cursor: &str) -> Option<(char, EventPlace)> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let mark = text.chars().next()?;
    let (fired_at, id) = text.get(mark.len_utf8()..)?.split_once('.')?;
    let fired_at = Timestamp::from_microsecond(fired_at.parse().ok()?).ok()?;
    Some((mark, EventPlace { fired_at, id: EventId(id.parse().ok()?) }))
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
        for nonsense in ["", "n", "%", "bm9uc2Vuc2U", "bjEuMQ==", "bjk5OTk5OTk5OTk5OTk5OTk5OTkuMQ"] {
            assert_eq!(read_place(nonsense), None, "{nonsense}");
        }
    }
}
