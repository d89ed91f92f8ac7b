//! An event in short, as small lists show it: what fired, when, how late, and what age will do to it next.

use jiff::Timestamp;
use oncue_domain::event::{Event, Origin, Retention, Status};
use oncue_domain::schedule::zone::Zone;

use super::moment::{Moment, lateness, span};
use super::trigger_row::label;

/// One line of a list.
pub(crate) struct EventRow {
    pub(crate) id: i64,
    pub(crate) trigger: i64,
    pub(crate) label: String,
    /// What made it.
    pub(crate) origin: &'static str,
    pub(crate) fired: Moment,
    pub(crate) scheduled: Option<Moment>,
    /// "3 ms late"; none where no schedule made the event.
    pub(crate) lateness: Option<String>,
    /// `active` or `archived`.
    pub(crate) status: &'static str,
    pub(crate) message_id: String,
}

impl EventRow {
    pub(crate) fn of(event: &Event, retention: Retention, now: Timestamp, zone: &Zone) -> EventRow {
        let status = retention.status(event.fired_at, now).unwrap_or(Status::Archived);
        EventRow {
            id: event.id.0,
            trigger: event.trigger.0,
            label: label(&event.name, event.trigger),
            origin: source(event.origin),
            fired: Moment::new(event.fired_at, now, zone),
            scheduled: event.scheduled_at.map(|due| Moment::new(due, now, zone)),
            lateness: event.lateness().map(lateness),
            status: status.word(),
            message_id: event.message_id.to_string(),
        }
    }
}

/// What made an event, as pages say it; addresses and exports say [`Origin::word`].
pub(crate) fn source(origin: Origin) -> &'static str {
    match origin {
        Origin::Api => "API call",
        Origin::Repeat => "fired again",
        Origin::Run => "fired by hand",
        Origin::Backfill | Origin::Schedule | Origin::CatchUp | Origin::Test | Origin::Alert => origin.word(),
    }
}

/// "archived in 1 h 58 min", or "deleted in 40 h" where nothing comes before that.
pub(crate) fn fate(fired_at: Timestamp, status: Status, retention: Retention, now: Timestamp) -> String {
    let age = now.duration_since(fired_at);
    match status {
        Status::Active if retention.active_for < retention.keep_for => {
            format!("archived in {}", span(retention.active_for - age))
        }
        _ => format!("deleted in {}", span(retention.keep_for - age)),
    }
}

/// The first bytes of a text, cut between two characters.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oncue_domain::id::{EventId, Ids, TriggerId, UserId};
    use oncue_domain::payload::Payload;
    use oncue_domain::schedule::zone::Zones;
    use oncue_domain::trigger::Kind;

    fn event(name: &str, fired_at: Timestamp) -> Event {
        Event {
            id: EventId(29),
            owner: UserId(1),
            trigger: TriggerId(7),
            revision: 1,
            name: name.to_owned(),
            kind: Kind::Scheduled,
            origin: Origin::Schedule,
            scheduled_at: Some(fired_at - SignedDuration::from_millis(3)),
            due_at: None,
            fired_at,
            message_id: Ids::from_seed([1; 32]).message(fired_at),
            payload: Payload::empty(),
            parent: None,
            has_run: false,
        }
    }

    #[test]
    fn age_says_what_comes_next() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let after = |age_min, status| {
            let fired = now - SignedDuration::from_mins(age_min);
            let row = EventRow::of(&event("n", fired), Retention::STANDARD, now, &Zones::utc());
            assert_eq!(row.lateness.as_deref(), Some("3 ms late"));
            (row.status, fate(fired, status, Retention::STANDARD, now))
        };
        assert_eq!(after(2, Status::Active), ("active", "archived in 1 h 58 min".to_owned()));
        assert_eq!(after(8 * 60, Status::Archived), ("archived", "deleted in 1 d 16 h".to_owned()));
    }

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        assert_eq!(beginning("aüb", 2), "a");
        assert_eq!(beginning("aüb", 3), "aü");
        assert_eq!(beginning("aüb", 30), "aüb");
    }
}
