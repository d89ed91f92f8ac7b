//! What it comes to for a trigger that calendars hold other dates: which of the occurrences that its schedule names on those dates come, and
//! which go. A year of them costs as much as the dates that differ, however often the trigger fires.

use jiff::Timestamp;

use crate::trigger::{Definition, ScheduleDetails, just_before};

/// How many of the occurrences that come or go are told one by one.
pub const TOLD_MAX: usize = 5;

/// Occurrences that come or go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Few {
    /// How many.
    pub count: u64,
    /// The first of them, at most [`TOLD_MAX`].
    pub first: Vec<Timestamp>,
}

/// Which occurrences come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// Those that come.
    pub added: Few,
    /// Those that go.
    pub removed: Few,
}

impl Dates {
    /// What differs after `now` and until `until` between a trigger that says `before` and one that says `after`, which keep to other
    /// dates. What does not fire, because it is paused, expired or a test, neither comes nor goes; a limit is not looked at.
    pub fn between(before: &Definition, after: &Definition, (now, until): (Timestamp, Timestamp)) -> Dates {
        let mut dates = Dates::default();
        let (Some(old), Some(new)) = (&before.schedule, &after.schedule) else { return dates };
        let Some(from) = after.runs_after(now).filter(|_| !after.is_test) else { return dates };
        let until = after.expires_at.map_or(until, |end| until.min(just_before(end)));
        let zone = new.dates_zone().or(old.dates_zone());
        let (Some(zone), true) = (zone, from < until) else { return dates };
        let (gone, come) = old.left_out().apart(&new.left_out());
        // What is named already and not due yet goes too, where its day is taken away.
        let pending = if from == now { old.due_by(now) } else { from };
        for (spans, from, details, few) in [
            (gone.spans(zone, from, until), from, new, &mut dates.added),
            (come.spans(zone, pending, until), pending, old, &mut dates.removed),
        ] {
            for span in spans {
                few.note(details, from.max(just_before(span.start)), until.min(just_before(span.end)));
            }
        }
        dates
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.count == 0 && self.removed.count == 0
    }
}

impl Few {
    fn note(&mut self, details: &ScheduleDetails, after: Timestamp, until: Timestamp) {
        if until <= after {
            return;
        }
        self.count += details.count_in(after, until);
        let next = |last: &Timestamp| details.next_after(*last).filter(|at| *at <= until);
        let first = std::iter::successors(next(&after), next);
        self.first.extend(first.take(TOLD_MAX.saturating_sub(self.first.len())));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::calendar::read_dates;
    use crate::id::CalendarId;
    use crate::schedule::Schedule;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::jitter::{Jitter, Share};
    use crate::schedule::observed::Observed;
    use crate::schedule::zone::Zones;
    use crate::trigger::Terms;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn daily(revision: i64, dates: &[&str]) -> Definition {
        let riga = Zones::bundled().get("Europe/Riga").expect("a zone");
        let expression = CronExpression::parse("0 9,18 * * *").expect("a line");
        let dates = read_dates(dates.iter().copied()).expect("dates");
        let observed = Observed { calendar: CalendarId(1), revision, name: "holidays".to_owned(), dates };
        let terms = Terms { calendars: vec![Arc::new(observed)], ..Terms::default() };
        let pattern = Schedule::Cron { expression, zone: riga.clone() };
        Definition {
            name: None,
            schedule: Some(ScheduleDetails::new(pattern, None, terms, riga)),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: crate::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        }
    }

    #[test]
    fn what_stands_in_one_calendar_alone_comes_or_goes() {
        let before = daily(1, &["2026-12-24/2026-12-26", "2026-11-01"]);
        let after = daily(2, &["2026-12-25/2026-12-31", "2028-01-01"]);
        let span = (at("2026-11-23T08:00:00Z"), at("2027-11-23T08:00:00Z"));
        let told = Dates::between(&before, &after, span);
        assert_eq!(told.added.count, 2);
        assert_eq!(told.added.first, [at("2026-12-24T07:00:00Z"), at("2026-12-24T16:00:00Z")]);
        assert_eq!((told.removed.count, told.removed.first.len()), (10, TOLD_MAX));
        assert_eq!(told.removed.first[0], at("2026-12-27T07:00:00Z"));
        assert!(Dates::between(&after, &after, span).is_empty());
    }

    #[test]
    fn what_is_named_and_not_due_yet_goes_with_its_day() {
        let spread = |definition: Definition| {
            let jitter = Some(Jitter::parse("1h").expect("a window"));
            let details = definition.schedule.as_ref().expect("it has one");
            let (pattern, terms) = (details.pattern().clone(), Terms { jitter, ..details.terms() });
            let zone = details.dates_zone().expect("it keeps to a calendar").clone();
            let details = ScheduleDetails::new(pattern, None, terms, zone).with_share(Some(Share::new(1 << 31)));
            Definition { schedule: Some(details), ..definition }
        };
        let (before, after) = (spread(daily(1, &[])), spread(daily(2, &["2026-12-24"])));
        let removed = |now| Dates::between(&before, &after, (at(now), at("2027-11-23T08:00:00Z"))).removed.count;
        assert_eq!((removed("2026-12-24T07:20:00Z"), removed("2026-12-24T07:30:00Z")), (2, 1));
        let added = Dates::between(&after, &before, (at("2026-12-24T07:20:00Z"), at("2027-11-23T08:00:00Z"))).added;
        assert_eq!(added.count, 1, "nothing fires that was no occurrence when its time came");
    }

    #[test]
    fn what_would_not_fire_neither_comes_nor_goes() {
        let (before, after) = (daily(1, &[]), daily(2, &["2026-12-24/2026-12-26"]));
        let span = (at("2026-11-23T08:00:00Z"), at("2027-11-23T08:00:00Z"));
        assert_eq!(Dates::between(&before, &after, span).removed.count, 6);
        let expiring = Definition { expires_at: Some(at("2026-12-25T07:00:00Z")), ..after.clone() };
        assert_eq!(Dates::between(&before, &expiring, span).removed.count, 2);
        let paused = Definition { enabled: false, ..after.clone() };
        assert!(Dates::between(&before, &paused, span).is_empty());
        let today = (at("2026-12-26T08:00:00Z"), at("2027-11-23T08:00:00Z"));
        assert_eq!(Dates::between(&before, &after, today).removed.count, 1, "what is past is past");
    }
}
