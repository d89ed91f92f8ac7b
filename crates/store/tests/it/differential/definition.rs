//! Definitions by chance: every kind of schedule, with and without everything that may be left out.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::id::UserId;
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{Definition, Pause, ScheduleDetails, Terms};

use super::{Chance, Known, calendar, destination};
use crate::bench::webhook;

/// A definition as this owner might make it now.
pub(super) fn draw(chance: &mut Chance, known: &Known, owner: UserId) -> Definition {
    let now = known.now;
    let name = chance.pick(&[None, Some("nightly"), Some("Grüße ⏰"), Some("'; DROP TABLE events; --")]);
    let payload = chance.pick(&[None, None, Some("{}"), Some("{\"n\": 1e400}"), Some("\"text\"")]);
    let url = chance.pick(&[None, Some("https://example.com/a?b=c"), Some("https://discord.com/api/webhooks/1/x")]);
    let expires_in = chance.pick(&[None, None, None, Some(200), Some(20_000)]);
    let enabled = !chance.once_in(4);
    let reason = chance.pick(&[None, Some("maintenance"), Some("Grüße")]);
    let until = chance.pick(&[None, Some(30), Some(2_000)]).map(|seconds| now + SignedDuration::from_secs(seconds));
    Definition {
        name: name.map(str::to_owned),
        schedule: if chance.once_in(3) { None } else { Some(schedule(chance, known, owner)) },
        payload: payload.map(|text| Payload::parse(text).expect("JSON")),
        payload_schema: (name == Some("Grüße ⏰") && url.is_none()).then(schema),
        webhook: url.map(webhook),
        destinations: destination::some(chance, known, owner),
        expects: super::run::expectation(now),
        overlap: super::run::overlap(now),
        is_test: chance.once_in(12),
        enabled,
        pause: if enabled { None } else { Pause::new(reason.map(str::to_owned), until) },
        expires_at: expires_in.map(|seconds| now + SignedDuration::from_secs(seconds)),
    }
}

/// Whether payloads fit is no matter of a store; that somebody looked is.
fn schema() -> PayloadSchema {
    PayloadSchema::parse("{\"type\": \"object\"}").expect("a schema")
}

fn rule(text: &str, now: Timestamp, zone: &Zone) -> Schedule {
    let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
    let start = Start { wall: zone.time_zone().to_datetime(now).date().at(0, 0, 0, 0), is_told: true };
    Schedule::Recurrence(std::sync::Arc::new(Recurrence::new(text, start, zone.clone())))
}

fn any_of(schedules: impl IntoIterator<Item = Schedule>) -> Schedule {
    Schedule::AnyOf(AnyOf::kept(schedules.into_iter().map(|schedule| Member { schedule, timezone: None }).collect()))
}

fn schedule(chance: &mut Chance, known: &Known, owner: UserId) -> ScheduleDetails {
    let now = known.now;
    let zones = Zones::bundled();
    let zone = zones.get(chance.pick(&["UTC", "Europe/Riga", "America/New_York"])).expect("a zone");
    let ahead = SignedDuration::from_secs(i64::try_from(chance.below(4000)).expect("small"));
    let schedule = match chance.below(3) {
        0 => Schedule::Once { at: now + ahead },
        1 => {
            let period = Period::parse(chance.pick(&["90s", "7m", "1h 30m"])).expect("a period");
            let first = chance.pick(&[FirstFiring::AtAnchor, FirstFiring::OnePeriodLater]);
            let anchor = if first == FirstFiring::AtAnchor { now + ahead } else { now };
            Schedule::Every { period, anchor, first }
        }
        _ => {
            let line = chance.pick(&["*/6 * * * *", "0 * * * *", "15,45 9-17 * * MON-FRI", "30 */10 * * * *"]);
            let cron = Schedule::Cron { expression: CronExpression::parse(line).expect("a line"), zone: zone.clone() };
            // By when it is said, so that nothing else is drawn otherwise for it.
            match now.as_microsecond() / 13 % 6 {
                0 => rule("FREQ=MINUTELY;INTERVAL=6", now, &zone),
                1 => rule("FREQ=HOURLY;INTERVAL=2;COUNT=40", now, &zone),
                2 => any_of([cron, rule("FREQ=HOURLY;BYMINUTE=0,15", now, &zone)]),
                _ => cron,
            }
        }
    };
    let timezone = chance.once_in(2).then(|| zone.clone());
    // By when it is said, so that nothing else is drawn otherwise for it.
    let jitter = match now.as_microsecond() / 11 % 4 {
        0 => Some("30s"),
        1 => Some("10m"),
        _ => None,
    };
    let jitter = jitter.map(|text| Jitter::parse(text).expect("a window"));
    let calendars = if let Schedule::Once { .. } = schedule { Vec::new() } else { calendar::some(known, owner) };
    let terms = Terms { calendars, jitter, ..Terms::default() };
    ScheduleDetails::new(schedule, timezone, terms, zone).with_share(Some(Share::new(1_900_000_000)))
}
