//! An event in a line of the list: one template for the page and for what the live tail brings, so that a row looks the same
//! however it came.

use std::collections::HashMap;

use askama::Template;
use jiff::Timestamp;
use oncue_domain::event::{Retention, Status};
use oncue_domain::firing::Outcome;
use oncue_domain::id::{EventId, TriggerId};
use oncue_domain::run::Run;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{EXCERPT_CHARS_MAX, EventLine, EventPlace};

use super::badge::Badge;
use super::event::{fate, source};
use super::event_query::written_place;
use super::moment::{Moment, lateness};
use super::trigger_row::label;

/// One line.
pub(crate) struct Line {
    pub(crate) id: i64,
    pub(crate) trigger: TriggerId,
    pub(crate) label: String,
    /// Whether the trigger was ever kept; one that was only tried out has no page.
    pub(crate) has_trigger: bool,
    /// What made it: `schedule`, `catch-up`, `api`, `test` or `repeat`.
    pub(crate) source: &'static str,
    pub(crate) is_test: bool,
    pub(crate) fired: Moment,
    pub(crate) lateness: Option<String>,
    pub(crate) outcome: Badge,
    /// What was reported of it, where that was expected.
    pub(crate) run: Option<Badge>,
    /// Whether something may still be reported of it.
    is_run_open: bool,
    /// What a page compares to know whether it shows the latest.
    pub(crate) state: String,
    pub(crate) attempts: u32,
    pub(crate) payload: String,
    pub(crate) is_payload_cut: bool,
    /// What age will do to it next.
    pub(crate) fate: String,
    /// Its place in the list, for the link to what is older.
    pub(crate) place: String,
}

impl Line {
    fn of(line: &EventLine, run: Option<&Run>, retention: Retention, now: Timestamp, zone: &Zone) -> Line {
        let firing = &line.firing;
        let status = retention.status(firing.fired_at, now).unwrap_or(Status::Archived);
        Line {
            id: line.id.0,
            trigger: line.trigger,
            label: label(&line.name, line.trigger),
            has_trigger: line.trigger.0 > 0,
            source: source(firing.origin),
            is_test: firing.origin == oncue_domain::event::Origin::Test,
            fired: Moment::new(firing.fired_at, now, zone),
            lateness: firing.lateness().map(lateness),
            outcome: Badge::of_outcome(firing.outcome),
            run: run.map(|run| Badge::of_run(run.state())),
            is_run_open: run.is_some_and(|run| run.end.is_none()),
            state: format!(
                "{} {} {}{}",
                firing.outcome.word(),
                firing.attempts,
                status.word(),
                run.map(|run| format!(" {}", run.state().word())).unwrap_or_default()
            ),
            attempts: firing.attempts,
            payload: line.excerpt.clone(),
            is_payload_cut: line.excerpt.chars().count() >= EXCERPT_CHARS_MAX,
            fate: fate(firing.fired_at, status, retention, now),
            place: written_place(EventPlace { fired_at: firing.fired_at, id: line.id }),
        }
    }

    fn is_pending(&self) -> bool {
        self.outcome == Badge::of_outcome(Outcome::Pending) || self.is_run_open
    }
}

/// Lines, one after the other, as rows of a table.
#[derive(Template)]
#[template(path = "event_rows.html")]
pub(crate) struct Rows {
    pub(crate) lines: Vec<Line>,
}

impl askama::filters::HtmlSafe for Rows {}

impl Rows {
    pub(crate) fn of<'a>(
        lines: impl IntoIterator<Item = &'a EventLine>,
        runs: &HashMap<EventId, Run>,
        retention: Retention,
        now: Timestamp,
        zone: &Zone,
    ) -> Rows {
        Rows { lines: lines.into_iter().map(|line| Line::of(line, runs.get(&line.id), retention, now, zone)).collect() }
    }

    /// Whether something in there will change by itself.
    pub(crate) fn is_any_pending(&self) -> bool {
        self.lines.iter().any(Line::is_pending)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use oncue_domain::event::Origin;
    use oncue_domain::firing::Firing;
    use oncue_domain::id::Ids;
    use oncue_domain::schedule::zone::Zones;
    use oncue_domain::trigger::Kind;

    const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

    pub(crate) fn line(id: i64, name: &str, excerpt: &str, outcome: Outcome, now: Timestamp) -> EventLine {
        let firing = Firing {
            event: EventId(id),
            origin: Origin::Schedule,
            scheduled_at: Some(now - jiff::SignedDuration::from_millis(3)),
            due_at: None,
            fired_at: now,
            outcome,
            attempts: 1,
            took: None,
            is_kept: true,
        };
        EventLine {
            id: EventId(id),
            trigger: TriggerId(7),
            name: name.to_owned(),
            kind: Kind::Scheduled,
            firing,
            message_id: Ids::from_seed([1; 32]).message(now),
            excerpt: excerpt.to_owned(),
        }
    }

    #[test]
    fn nothing_that_others_wrote_is_markup_in_a_row() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let lines = [line(29, NASTY, NASTY, Outcome::Delivered, now)];
        let rows = Rows::of(&lines, &HashMap::new(), Retention::STANDARD, now, &Zones::utc());
        assert!(!rows.is_any_pending());
        let html = rows.to_string();
        assert!(!html.contains("<script") && !html.contains("<img src=x"), "{html}");
        assert!(html.contains("id=\"event-29\"") && html.contains("3 ms late"), "{html}");
    }

    #[test]
    fn a_line_says_what_was_reported_of_its_event() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let lines = [line(29, "", "{}", Outcome::Delivered, now)];
        let runs = HashMap::from([(EventId(29), crate::ui::run::tests::run(now))]);
        let rows = Rows::of(&lines, &runs, Retention::STANDARD, now, &Zones::utc());
        assert!(rows.is_any_pending(), "its end is still to come");
        let html = rows.to_string();
        assert!(html.contains("delivered") && html.contains("expected"), "{html}");
    }

    #[test]
    fn a_payload_that_goes_on_says_so() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let whole = "ü".repeat(EXCERPT_CHARS_MAX - 1);
        let long = "ü".repeat(EXCERPT_CHARS_MAX);
        let lines = [line(1, "", &whole, Outcome::Pending, now), line(2, "", &long, Outcome::Logged, now)];
        let rows = Rows::of(&lines, &HashMap::new(), Retention::STANDARD, now, &Zones::utc());
        assert!(rows.is_any_pending());
        assert_eq!(rows.lines.iter().map(|line| line.is_payload_cut).collect::<Vec<_>>(), [false, true]);
    }
}
