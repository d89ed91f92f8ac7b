//! The law of a calendar that changes: what is named for a time fires if the calendar as it stood then lets it, or is on record, and nothing
//! else does; whatever the calendar says before and afterwards, however late the scheduler is, and whether it falls due at that time or is spread.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Calendar, Definition};
use crate::id::{CalendarId, TriggerId, UserId};
use crate::schedule::every::Period;
use crate::schedule::excluded::ExcludedDates;
use crate::schedule::jitter::{Jitter, Share};
use crate::schedule::zone::{Zone, Zones};
use crate::schedule::{FirstFiring, Schedule};
use crate::trigger::{self, Armed, ScheduleDetails, Terms, Trigger, just_before};

/// How many days the calendars speak of.
const DAYS: i64 = 8;

fn start() -> Timestamp {
    "2027-03-25T00:00:00Z".parse().expect("an instant")
}

fn calendar(revision: i64, days: &[i64]) -> Calendar {
    let first = date(2027, 3, 25);
    let dates = days.iter().map(|day| first.saturating_add(jiff::Span::new().days(*day)));
    let dates = ExcludedDates::new(dates).expect("few dates");
    let definition = Definition { name: "holidays".to_owned(), description: None, dates };
    let (id, owner) = (CalendarId(1), UserId(1));
    Calendar { id, owner, revision, definition, created_at: start(), edited_at: start() }
}

/// Every seven hours, from the start on.
fn pattern() -> Schedule {
    let period = Period::parse("7h").expect("a period");
    Schedule::Every { period, anchor: start(), first: FirstFiring::OnePeriodLater }
}

fn armed(calendar: &Calendar, zone: &Zone, spread: Option<(&str, u32)>) -> Armed {
    let jitter = spread.map(|(window, _)| Jitter::parse(window).expect("a window"));
    let terms = Terms { calendars: vec![Arc::new(calendar.observed())], jitter, ..Terms::default() };
    let details = ScheduleDetails::new(pattern(), None, terms, zone.clone());
    let definition = trigger::Definition {
        name: None,
        schedule: Some(details.with_share(spread.map(|(_, share)| Share::new(share)))),
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
    };
    let next_at = definition.next_after(start());
    let (id, owner) = (TriggerId(1), UserId(1));
    let trigger = Trigger { id, owner, revision: 1, definition, created_at: start(), standing_since: start() };
    Armed { trigger, next_at, fired: 0 }
}

/// Everything that the pattern names in `(after, until]`.
fn named(after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let next = |last: &Timestamp| pattern().next_after(*last).filter(|at| *at <= until);
    std::iter::successors(next(&after), next).collect()
}

/// Fires the occurrence that falls due at `due`, by its nominal time.
fn fire(one: &mut Armed, due: Timestamp, told: &mut BTreeSet<Timestamp>) -> Result<(), TestCaseError> {
    let named = one.trigger.definition.named_for(due);
    prop_assert!(told.insert(named), "{named} is told twice");
    prop_assert_eq!(pattern().latest_in(just_before(named), named), Some(named), "it is none of its schedule's");
    one.next_at = one.trigger.definition.next_after(named);
    Ok(())
}

proptest! {
    #[test]
    fn each_occurrence_goes_by_the_calendar_of_its_time(
        zone in proptest::sample::select(&["UTC", "Europe/Riga", "Pacific/Auckland", "America/St_Johns"]),
        first in proptest::collection::vec(0..DAYS, 0..5),
        spread in proptest::option::of((proptest::sample::select(&["2h", "7h", "24h"]), any::<u32>())),
        steps in proptest::collection::vec((1_i64..40, any::<bool>(), proptest::collection::vec(0..DAYS, 0..5)), 1..8),
    ) {
        let zone = Zones::bundled().get(zone).expect("a zone");
        let mut stands = calendar(1, &first);
        let mut one = armed(&stands, &zone, spread);
        let (mut now, mut told, mut expected) = (start(), BTreeSet::new(), BTreeSet::new());
        for (hours, is_late, days) in steps {
            let then = now + SignedDuration::from_hours(hours);
            let lets = |at: &Timestamp| !stands.definition.dates.contain(&zone, *at);
            expected.extend(named(now, then).into_iter().filter(lets));
            now = then;
            while let Some(due) = one.next_at.filter(|due| *due <= now && !is_late) {
                fire(&mut one, due, &mut told)?;
            }
            stands = calendar(stands.revision + 1, &days);
            let edit = one.follow(&stands, now).expect("the revision is another one");
            for skipped in &edit.skipped {
                let within = named(just_before(skipped.first), skipped.last);
                let those: Vec<Timestamp> = within.into_iter().filter(|at| expected.contains(at) && !told.contains(at)).collect();
                prop_assert_eq!(those.len() as u64, skipped.count, "{:?}", skipped);
                told.extend(those);
            }
            one = one.as_edited(&edit);
        }
        while let Some(due) = one.next_at.filter(|due| one.trigger.definition.named_for(*due) <= now) {
            fire(&mut one, due, &mut told)?;
        }
        prop_assert_eq!(told, expected);
    }
}
