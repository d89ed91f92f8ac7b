//! docs/rrule.md says what is true: every rule of its table is read and asked.

use jiff::Timestamp;
use jiff::civil::date;
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::zone::Zones;

const DOCUMENT: &str = include_str!("../../../../docs/rrule.md");

#[test]
fn the_rules_of_the_document_fire_when_it_says() {
    let mut lines = DOCUMENT.lines().skip_while(|line| !line.starts_with("| Rule, from 4 January 2027, 09:00 |"));
    let rows: Vec<&str> = lines.by_ref().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 11, "every example is found");
    let zones = Zones::bundled();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let text = RecurrenceText::read(cells[0], &zones).unwrap_or_else(|error| panic!("{row}: {error}"));
        let start = Start { wall: date(2027, 1, 4).at(9, 0, 0, 0), is_told: true };
        let rule = Recurrence::new(text, start, zones.get("Europe/Riga").expect("a zone"));
        let mut cursor = Timestamp::UNIX_EPOCH;
        for firing in cells[1].split(", ") {
            cursor = rule.next_after(cursor).unwrap_or_else(|| panic!("{row} ends"));
            let shown = rule.zone().time_zone().to_datetime(cursor).strftime("%Y-%m-%d %H:%M").to_string();
            assert_eq!(shown, firing, "{row}");
        }
    }
}

#[test]
fn the_lines_of_the_document_are_taken() {
    let zones = Zones::bundled();
    let blocks: Vec<&str> = DOCUMENT.split("```\n").filter(|block| block.starts_with("DTSTART")).collect();
    assert_eq!(blocks.len(), 1);
    let text = RecurrenceText::read(blocks[0], &zones).expect("the lines of an event");
    assert_eq!(text.zone().map(|zone| zone.name().to_owned()), Some("Europe/Riga".to_owned()));
}
