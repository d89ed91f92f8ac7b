//! The examples of docs/templates.md come to what the document says, and it names every filter that there is.

use jiff::Timestamp;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, Ids, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::template::{Context, Occurrence, Place, Shared, Template};
use oncue_domain::trigger::Kind;

const DOCUMENT: &str = include_str!("../../../../docs/templates.md");

/// The examples: in a row of a table, the two last cells that are code.
fn examples() -> Vec<(String, String)> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with('|') && line.contains("`{"));
    let cells = rows.map(|row| row.replace("\\|", "\u{0}"));
    let examples = cells.filter_map(|row| {
        let mut cells =
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').replace('\u{0}', "|")).rev();
        let (expected, template) = (cells.next()?, cells.next()?);
        Some((template, expected))
    });
    examples.collect()
}

#[test]
fn the_examples_of_the_document_come_to_what_it_says() {
    let opening = DOCUMENT.find("```json\n").expect("a payload") + "```json\n".len();
    let payload = DOCUMENT[opening..].lines().next().expect("a line");
    let due: Timestamp = "2027-01-31T08:00:00Z".parse().expect("a time");
    let fired_at = due + jiff::SignedDuration::from_millis(500);
    let event = Event {
        id: EventId(77),
        owner: UserId(1),
        trigger: TriggerId(5),
        revision: 1,
        name: "Nightly backup".to_owned(),
        kind: Kind::Scheduled,
        origin: Origin::Schedule,
        scheduled_at: Some(due),
        due_at: None,
        fired_at,
        message_id: Ids::from_seed([1; 32]).message(fired_at),
        payload: Payload::parse(payload).expect("JSON"),
        parent: None,
        has_run: false,
    };
    let zones = Zones::bundled();
    let context = Context {
        event: &event,
        occurrence: Occurrence { at: Some(due), timezone: Some("Europe/Riga"), ..Occurrence::default() },
        message_id: event.message_id,
        destination: "Pager",
        source: "https://oncue.example",
        report_url: None,
        zones: &zones,
        shared: &Shared::default(),
    };
    let examples = examples();
    assert_eq!(examples.len(), 27, "every example is found");
    for (template, expected) in examples {
        let read = Template::parse(&template, Place::Body).unwrap_or_else(|invalid| panic!("{template}: {invalid}"));
        assert_eq!(read.render(&context), Ok(expected), "{template}");
    }
}

#[test]
fn the_document_names_every_filter_and_every_test() {
    let list = |text: &str, until: &str| {
        let unknown = Template::parse(text, Place::Body).expect_err("unknown").message;
        let known = unknown.split("there are ").nth(1).expect("a list").trim_end_matches(until).to_owned();
        known.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    for filter in list("{{ 1 | unknown }}", ".") {
        assert!(DOCUMENT.contains(&format!("`{filter}`")) || DOCUMENT.contains(&format!("`{filter}(")), "{filter}");
    }
    for test in list("{{ 1 is unknown }}", ".") {
        assert!(DOCUMENT.contains(&format!("`{test}`")), "{test}");
    }
}
