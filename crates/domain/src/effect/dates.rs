//! What it comes to for a trigger that calendars hold other dates: which of its occurrences come, and which go: those that its schedule names on those
//! dates, and where it may fire only so often more, as many at the other end. A year of them costs as much as the dates that differ, however often the
//! trigger fires.

use jiff::Timestamp;

use crate::freeze::{Freeze, frozen_until, seen_through};
use crate::trigger::{Armed, ScheduleDetails, TriggerHead, just_before};

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
    /// What differs after `now` and until `until` between a trigger that stands as `before` and would stand as `after`, which keep to other
    /// dates. What does not fire, because it is paused, expired or a test, because its limit leaves no more or the owner's `freezes` take it, neither
    /// comes nor goes.
    pub fn between(before: &Armed, after: &Armed, (now, until): (Timestamp, Timestamp), freezes: &[Freeze]) -> Dates {
        let mut dates = Dates::default();
        let (was, would) = (&before.trigger.definition, &after.trigger.definition);
        let (Some(old), Some(new)) = (&was.schedule, &would.schedule) else { return dates };
        let Some(runs_from) = would.runs_after(now).filter(|_| !would.is_test) else { return dates };
        // From when on what falls due fires.
        let thawed = match frozen_until(freezes, now) {
            None => now,
            Some(Some(end)) => just_before(end),
            Some(None) => return dates,
        };
        // What is named already and not due yet goes too, where its day is taken away and it is waited for, also where the trigger has expired since;
        // it comes only where it is named later.
        let pending = if runs_from == now { old.due_by(thawed) } else { runs_from.max(old.due_by(thawed)) };
        let pending = before.next_at.map_or(runs_from, |next| pending.max(just_before(old.named_for(next))));
        let from = runs_from.max(new.due_by(thawed));
        let until = would.expires_at.map_or(until, |end| until.min(just_before(end)));
        let zone = new.dates_zone().or(old.dates_zone());
        let (Some(zone), true) = (zone, from.min(pending) < until) else { return dates };
        let last_of = |armed: &Armed| {
            let head = seen_through(TriggerHead::from(armed), freezes, now);
            head.limited_to(now).map_or(until, |last| last.min(until))
        };
        let (old_last, new_last) = (last_of(before), last_of(after));
        let both_until = old_last.min(new_last);
        let (gone, come) = old.left_out().apart(&new.left_out());
        for (spans, from, details, few) in [
            (gone.spans(zone, from, until), from, new, &mut dates.added),
            (come.spans(zone, pending, until), pending, old, &mut dates.removed),
        ] {
            for span in spans {
                few.note(details, from.max(just_before(span.start)), both_until.min(just_before(span.end)));
            }
        }
        // What a limit leaves fires on other dates instead.
        dates.added.note(new, from.max(both_until), new_last);
        dates.removed.note(old, pending.max(both_until), old_last);
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

    use jiff::{SignedDuration, Span as Days};
    use proptest::prelude::*;

    use super::*;
    use crate::actor::Actor;
    use crate::calendar::{self, Calendar, read_dates};
    use crate::id::{CalendarId, TriggerId, UserId};
    use crate::schedule::Schedule;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::jitter::{Jitter, Share};
    use crate::schedule::observed::Observed;
    use crate::schedule::zone::Zones;
    use crate::trigger::{Definition, MaxFires, Pause, Terms, Trigger};

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

    /// As it waits at `now`, made just then, when its schedule has fired it so often.
    fn armed(definition: &Definition, fired: u64, now: Timestamp) -> Armed {
        armed_since(definition, fired, now, now)
    }

    /// The same, made at `made`: what has fallen due since has fired.
    fn armed_since(definition: &Definition, fired: u64, made: Timestamp, now: Timestamp) -> Armed {
        let fallen_due = definition.schedule.as_ref().expect("it has one").due_by(now);
        let (definition, next_at) = (definition.clone(), definition.waits_after(made.max(fallen_due), fired));
        let (id, owner) = (TriggerId(1), UserId(1));
        let trigger = Trigger { id, owner, revision: 1, definition, created_at: made, standing_since: made };
        Armed { trigger, next_at, fired }
    }

    fn between(before: &Definition, after: &Definition, span: (Timestamp, Timestamp)) -> Dates {
        Dates::between(&armed(before, 0, span.0), &armed(after, 0, span.0), span, &[])
    }

    #[test]
    fn what_stands_in_one_calendar_alone_comes_or_goes() {
        let before = daily(1, &["2026-12-24/2026-12-26", "2026-11-01"]);
        let after = daily(2, &["2026-12-25/2026-12-31", "2028-01-01"]);
        let span = (at("2026-11-23T08:00:00Z"), at("2027-11-23T08:00:00Z"));
        let told = between(&before, &after, span);
        assert_eq!(told.added.count, 2);
        assert_eq!(told.added.first, [at("2026-12-24T07:00:00Z"), at("2026-12-24T16:00:00Z")]);
        assert_eq!((told.removed.count, told.removed.first.len()), (10, TOLD_MAX));
        assert_eq!(told.removed.first[0], at("2026-12-27T07:00:00Z"));
        assert!(between(&after, &after, span).is_empty());
    }

    /// The same, spread over that window by that share.
    fn spread_over(definition: Definition, window: &str, share: u32) -> Definition {
        let jitter = Some(Jitter::parse(window).expect("a window"));
        let details = definition.schedule.as_ref().expect("it has one");
        let (pattern, terms) = (details.pattern().clone(), Terms { jitter, ..details.terms() });
        let zone = details.dates_zone().expect("it keeps to a calendar").clone();
        let details = ScheduleDetails::new(pattern, None, terms, zone).with_share(Some(Share::new(share)));
        Definition { schedule: Some(details), ..definition }
    }

    #[test]
    fn what_is_named_and_not_due_yet_goes_with_its_day() {
        let spread = |definition| spread_over(definition, "1h", 1 << 31);
        let (before, after) = (spread(daily(1, &[])), spread(daily(2, &["2026-12-24"])));
        let differing = |before: &Definition, after: &Definition, made: &str, now: &str| {
            let armed = |definition| armed_since(definition, 0, at(made), at(now));
            Dates::between(&armed(before), &armed(after), (at(now), at("2027-11-23T08:00:00Z")), &[])
        };
        let (eve, twenty_past, half_past) = ("2026-12-23T08:00:00Z", "2026-12-24T07:20:00Z", "2026-12-24T07:30:00Z");
        let removed = |made, now| differing(&before, &after, made, now).removed.count;
        assert_eq!([removed(eve, twenty_past), removed(eve, half_past)], [2, 1]);
        assert_eq!(
            removed("2026-12-24T07:10:00Z", twenty_past),
            1,
            "made after its nominal time, it did not wait for it"
        );
        let added = differing(&after, &before, eve, twenty_past).added;
        assert_eq!(added.count, 1, "nothing fires that was no occurrence when its time came");
        // What was named before the expiry fires after it.
        let expiring = |definition: &Definition| {
            let expires_at = Some(at("2026-12-24T07:01:00Z"));
            Definition { expires_at, ..definition.clone() }
        };
        let removed = |made, now| differing(&expiring(&before), &expiring(&after), made, now).removed;
        let nine = Few { count: 1, first: vec![at("2026-12-24T07:00:00Z")] };
        assert_eq!([removed(eve, twenty_past), removed(eve, half_past)], [nine, Few::default()]);
    }

    #[test]
    fn what_would_not_fire_neither_comes_nor_goes() {
        let (before, after) = (daily(1, &[]), daily(2, &["2026-12-24/2026-12-26"]));
        let span = (at("2026-11-23T08:00:00Z"), at("2027-11-23T08:00:00Z"));
        assert_eq!(between(&before, &after, span).removed.count, 6);
        let expiring = Definition { expires_at: Some(at("2026-12-25T07:00:00Z")), ..after.clone() };
        assert_eq!(between(&before, &expiring, span).removed.count, 2);
        let paused = Definition { enabled: false, ..after.clone() };
        assert!(between(&before, &paused, span).is_empty());
        let today = (at("2026-12-26T08:00:00Z"), at("2027-11-23T08:00:00Z"));
        assert_eq!(between(&before, &after, today).removed.count, 1, "what is past is past");
    }

    /// The same that may fire so often.
    fn limited(definition: Definition, most: u64) -> Definition {
        let details = definition.schedule.as_ref().expect("it has one");
        let (pattern, terms) = (details.pattern().clone(), Terms { max_fires: MaxFires::new(most), ..details.terms() });
        let zone = details.dates_zone().expect("it keeps to a calendar").clone();
        Definition { schedule: Some(ScheduleDetails::new(pattern, None, terms, zone)), ..definition }
    }

    #[test]
    fn no_more_come_and_go_than_a_limit_leaves_and_as_many_come_at_its_other_end() {
        let now = at("2026-12-23T08:00:00Z");
        let span = (now, at("2027-11-23T08:00:00Z"));
        let (free, shut) = (daily(1, &[]), daily(2, &["2026-12-24/2026-12-31"]));
        let told = |before: &Definition, after: &Definition, fired| {
            let armed = |definition: &Definition| armed(&limited(definition.clone(), 10), fired, now);
            let Dates { added, removed } = Dates::between(&armed(before), &armed(after), span, &[]);
            (added.count, added.first.first().copied(), removed.count, removed.first.first().copied())
        };
        let (first, instead) = (at("2026-12-24T07:00:00Z"), at("2027-01-01T07:00:00Z"));
        assert_eq!(told(&free, &shut, 7), (2, Some(instead), 2, Some(first)), "one of the three comes before");
        assert_eq!(told(&shut, &free, 7), (2, Some(first), 2, Some(instead)));
        assert_eq!(told(&free, &shut, 9), (0, None, 0, None), "the last comes before");
        assert_eq!(told(&free, &shut, 10), (0, None, 0, None), "nothing is left");
        assert_eq!(told(&free, &shut, 0), (9, Some(instead), 9, Some(first)));
        let soon = (now, at("2026-12-28T12:00:00Z"));
        let spent = |definition: &Definition| armed(&limited(definition.clone(), 4), 0, now);
        let told = Dates::between(&spent(&free), &spent(&shut), soon, &[]);
        assert_eq!((told.added.count, told.removed.count), (0, 3), "what comes instead lies beyond what is looked at");
    }

    #[test]
    fn what_a_freeze_takes_neither_comes_nor_goes() {
        let now = at("2026-11-23T08:00:00Z");
        let (before, after) = (daily(1, &[]), daily(2, &["2026-12-24/2026-12-26"]));
        let removed = |until: Option<Timestamp>| {
            let freeze = Freeze { owner: None, reason: None, from: now, until, by: Actor::SYSTEM };
            let span = (now, at("2027-11-23T08:00:00Z"));
            Dates::between(&armed(&before, 0, now), &armed(&after, 0, now), span, &[freeze]).removed.count
        };
        assert_eq!([removed(Some(at("2026-12-25T07:00:00Z"))), removed(None)], [4, 0]);
    }

    /// The dates that many days after the 23 November 2026.
    fn days(offsets: &[i64]) -> crate::schedule::excluded::ExcludedDates {
        let first = jiff::civil::date(2026, 11, 23);
        let texts: Vec<String> =
            offsets.iter().map(|days| first.saturating_add(Days::new().days(*days)).to_string()).collect();
        read_dates(texts.iter().map(String::as_str)).expect("dates")
    }

    proptest! {
        #[test]
        fn the_same_comes_and_goes_as_between_the_firings_that_every_preview_tells(
            was in proptest::collection::vec(0_i64..40, 0..20),
            will_be in proptest::collection::vec(0_i64..40, 0..20),
            most in proptest::option::of(1_u64..60),
            fired in 0_u64..30,
            expires_min in proptest::option::weighted(0.3, -90_i64..60_000),
            thaws in proptest::option::weighted(0.3, proptest::option::of(1_i64..1_000)),
            ends in 1_i64..1_500,
            spread in proptest::option::of((1_u64..600, any::<u32>())),
            made in -40_i64..1,
            pauses in proptest::option::weighted(0.2, -10_i64..1_000),
        ) {
            let now = at("2026-11-23T08:00:00Z");
            let after = |hours: i64| now + SignedDuration::from_hours(hours);
            let calendar = |revision, dates| Calendar {
                id: CalendarId(1),
                owner: UserId(1),
                revision,
                definition: calendar::Definition { name: "holidays".to_owned(), description: None, dates },
                created_at: now,
                edited_at: now,
            };
            let mut definition = daily(1, &[]);
            definition.schedule = definition.schedule.and_then(|details| details.following(&calendar(1, days(&was))));
            if let Some(most) = most {
                definition = limited(definition, most);
            }
            if let Some((minutes, share)) = spread {
                definition = spread_over(definition, &format!("{minutes}m"), share);
            }
            if let Some(until) = pauses.map(after) {
                definition = Definition { pause: Pause::new(None, Some(until)), ..definition.switched(false) };
            }
            definition.expires_at = expires_min.map(|minutes| now + SignedDuration::from_mins(minutes));
            let before = armed_since(&definition, if most.is_some() { fired } else { 0 }, after(made), now);
            let freezes: Vec<Freeze> = thaws
                .map(|until| Freeze { owner: None, reason: None, from: now, until: until.map(after), by: Actor::SYSTEM })
                .into_iter()
                .collect();
            let edit = before.follow(&calendar(2, days(&will_be)), now).expect("it names it");
            let edited = before.as_edited(&edit);
            let firings = |armed: &Armed| -> Vec<Timestamp> {
                let head = seen_through(TriggerHead::from(armed), &freezes, now);
                head.firings_to_come(now).map(|due| head.named_for(due)).take_while(|at| *at <= after(ends)).collect()
            };
            let (old, new) = (firings(&before), firings(&edited));
            let few = |of: &[Timestamp], others: &[Timestamp]| {
                let alone: Vec<Timestamp> = of.iter().copied().filter(|at| !others.contains(at)).collect();
                Few { count: alone.len() as u64, first: alone.into_iter().take(TOLD_MAX).collect() }
            };
            let told = Dates::between(&before, &edited, (now, after(ends)), &freezes);
            prop_assert_eq!(told, Dates { added: few(&new, &old), removed: few(&old, &new) });
        }
    }
}
