//! Random fleets: triggers of every kind of schedule under every term, as numbers that shrink well, and what becomes of them at an
//! instant. Whether they fire as they are forecast is `mod.rs`' business.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, ToSpan};
use oncue_domain::id::DestinationId;
use oncue_domain::overlap::Overlap;
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::observed::Observed;
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::rule::{Fold, Gap};
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{Definition, MaxFires, Pause, ScheduleDetails, Terms};
use proptest::prelude::*;

/// Where the span begins, hours before clocks change: in New York, in Riga, and on Lord Howe and Chatham, forward and back. The last is far
/// from all of that.
pub(super) const BEGINNINGS: [&str; 7] = [
    "2027-03-14T01:07:31.25Z",
    "2027-11-06T22:52:00Z",
    "2027-03-27T19:00:00.000001Z",
    "2027-10-30T13:15:00Z",
    "2027-10-02T10:40:10Z",
    "2027-04-03T06:59:59Z",
    "2027-06-01T00:00:00Z",
];

const ZONES: [&str; 5] = ["America/New_York", "Europe/Riga", "Australia/Lord_Howe", "Pacific/Chatham", "UTC"];

/// Some follow elapsed time and some name times of day. The last fires so often that it is left out of long spans.
pub(super) const LINES: [&str; 14] = [
    "30 2 * * *",
    "30 1 * * *",
    "0 * * * *",
    "7,8,9 0-6 * * *",
    "0 9 * * 1-5",
    "* 3 * * *",
    "*/15 * * * *",
    "15 1-3 * * SUN",
    "40 1 L * *",
    "45 2 * * SUN#2,SUN#L",
    "0,20,40 2,3 1-7 4,10,11 *",
    "*/20 */2 * * *",
    "30 15 2 * * *",
    "*/40 * * * * *",
];

/// Rules as calendars write them. `END` is an instant within the span.
const RULES: [&str; 8] = [
    "FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=30",
    "FREQ=HOURLY;INTERVAL=5;COUNT=9",
    "FREQ=MINUTELY;INTERVAL=20",
    "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=15",
    "FREQ=HOURLY;BYMINUTE=10;UNTIL=END",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=1,3,6,-1;BYHOUR=1,2;BYMINUTE=40",
    "FREQ=DAILY;INTERVAL=2;BYHOUR=2;BYMINUTE=0",
    "FREQ=YEARLY;BYMONTH=3,4,6,10,11;BYDAY=SA,SU,MO;BYHOUR=3;BYMINUTE=5",
];

/// When something occurs.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Once { after_s: i64 },
    Every { period_s: u64, starts_after_s: i64 },
    Cron { line: usize, zone: usize },
    Rule { rule: usize, zone: usize, from_days: i64 },
    AnyOf(Vec<Pattern>),
}

/// What bounds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounding {
    starts_after_s: Option<i64>,
    ends_after_s: Option<i64>,
    /// Days from the first of the span on.
    excluded: Vec<i64>,
    keeps_to_the_calendar: bool,
    gap: Option<Gap>,
    fold: Option<Fold>,
    max_fires: Option<u64>,
    delete_when_done: bool,
}

/// One trigger, as numbers.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) pattern: Pattern,
    pub(super) bounding: Bounding,
    /// Over how many seconds it is spread, and how much of that it is late by.
    pub(super) spread_s: Option<u64>,
    pub(super) share: u32,
    pub(super) expires_after_s: Option<i64>,
    pub(super) is_enabled: bool,
    pub(super) paused_for_s: Option<i64>,
    pub(super) goes_to: Vec<usize>,
}

/// A span, and who fires in it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) beginning: &'static str,
    pub(super) hours: i64,
    pub(super) wishes: Vec<Wish>,
    /// The days of the calendar that some keep to.
    pub(super) holidays: Vec<i64>,
    /// How many in how many seconds and at once, for each of the destinations.
    pub(super) rates: Vec<Option<(u32, i64, u32)>>,
    /// For how many seconds the owner's triggers are frozen, and everybody's; none for one that nobody ends.
    pub(super) own_freeze_s: Option<Option<i64>>,
    pub(super) common_freeze_s: Option<Option<i64>>,
}

fn single(hours: i64) -> impl Strategy<Value = Pattern> {
    let span_s = hours * 3_600;
    // No trigger fires much more often than a thousand times.
    let period_s = (span_s.unsigned_abs() / 1_000).max(20)..30_000;
    let lines = if hours > 12 { LINES.len() - 1 } else { LINES.len() };
    prop_oneof![
        1 => (1..span_s).prop_map(|after_s| Pattern::Once { after_s }),
        2 => (period_s, 1..span_s).prop_map(|(period_s, starts_after_s)| Pattern::Every { period_s, starts_after_s }),
        4 => (0..lines, 0..ZONES.len()).prop_map(|(line, zone)| Pattern::Cron { line, zone }),
        3 => (0..RULES.len(), 0..ZONES.len(), -20_i64..3)
            .prop_map(|(rule, zone, from_days)| Pattern::Rule { rule, zone, from_days }),
    ]
}

fn bounding(hours: i64) -> impl Strategy<Value = Bounding> {
    let (span_s, days) = (hours * 3_600, 0..hours / 24 + 2);
    let gap = prop::sample::select(vec![None, Some(Gap::AtItsEnd), Some(Gap::LeftOut)]);
    let fold = prop::sample::select(vec![None, Some(Fold::FirstPass), Some(Fold::BothPasses)]);
    (
        prop::option::weighted(0.3, 1..span_s),
        prop::option::weighted(0.3, 1..span_s),
        prop::collection::vec(days, 0..3),
        prop::bool::weighted(0.3),
        (gap, fold),
        prop::option::weighted(0.3, 1_u64..40),
        prop::bool::weighted(0.2),
    )
        .prop_map(
            |(starts_after_s, ends, excluded, keeps_to_the_calendar, (gap, fold), max_fires, delete_when_done)| {
                // An end lies behind the start.
                let ends_after_s = ends.map(|after_s| after_s + starts_after_s.unwrap_or(0));
                Bounding {
                    starts_after_s,
                    ends_after_s,
                    excluded,
                    keeps_to_the_calendar,
                    gap,
                    fold,
                    max_fires,
                    delete_when_done,
                }
            },
        )
}

fn wish(hours: i64) -> impl Strategy<Value = Wish> {
    let span_s = hours * 3_600;
    let pattern = prop_oneof![
        4 => single(hours),
        1 => prop::collection::vec(single(hours), 2..4).prop_map(Pattern::AnyOf),
    ];
    let bounding = prop_oneof![1 => Just(Bounding::default()), 2 => bounding(hours)];
    let state = (prop::bool::weighted(0.8), prop::option::weighted(0.7, 1..span_s));
    let spread = (prop::option::weighted(0.4, 1_u64..20_000), any::<u32>());
    let goes_to = prop::sample::subsequence(vec![0, 1, 2], 0..=3);
    (pattern, bounding, spread, prop::option::weighted(0.2, 1..span_s), state, goes_to).prop_map(
        |(pattern, bounding, (spread_s, share), expires_after_s, (is_enabled, paused_for_s), goes_to)| Wish {
            pattern,
            bounding,
            spread_s,
            share,
            expires_after_s,
            is_enabled,
            paused_for_s,
            goes_to,
        },
    )
}

/// Of half a day or a day many triggers, of a week few.
pub(super) fn case() -> impl Strategy<Value = Case> {
    let length = prop::sample::select(vec![(12, 14), (30, 10), (168, 6)]);
    length.prop_flat_map(|(hours, most)| {
        let freeze = || prop::option::weighted(0.25, prop::option::weighted(0.9, 1..hours * 3_600));
        let rate = prop::option::weighted(0.6, (1_u32..20, prop::sample::select(vec![60_i64, 600, 3_600]), 1_u32..5));
        (
            prop::sample::select(BEGINNINGS.to_vec()),
            prop::collection::vec(wish(hours), 1..most),
            prop::collection::vec(0..hours / 24 + 2, 0..3),
            prop::collection::vec(rate, 3),
            (freeze(), freeze()),
        )
            .prop_map(move |(beginning, wishes, holidays, rates, (own_freeze_s, common_freeze_s))| Case {
                beginning,
                hours,
                wishes,
                holidays,
                rates,
                own_freeze_s,
                common_freeze_s,
            })
    })
}

fn zone(place: usize) -> Zone {
    Zones::bundled().get(ZONES[place]).expect("a zone")
}

/// The dates that begin so many days after `now`, as UTC shows them.
pub(super) fn dates(days: &[i64], now: Timestamp) -> ExcludedDates {
    let today = Zones::utc().time_zone().to_datetime(now).date();
    ExcludedDates::new(days.iter().map(|day| today.saturating_add(day.days()))).expect("few dates")
}

impl Pattern {
    fn schedule(&self, now: Timestamp) -> Schedule {
        let later = |seconds: &i64| now + SignedDuration::from_secs(*seconds);
        match self {
            Pattern::Once { after_s } => Schedule::Once { at: later(after_s) },
            Pattern::Every { period_s, starts_after_s } => {
                let period = Period::from_seconds(*period_s).expect("a period");
                Schedule::Every { period, anchor: later(starts_after_s), first: FirstFiring::AtAnchor }
            }
            Pattern::Cron { line, zone: place } => {
                Schedule::Cron { expression: CronExpression::parse(LINES[*line]).expect("a line"), zone: zone(*place) }
            }
            Pattern::Rule { rule, zone: place, from_days } => {
                let end = now + SignedDuration::from_hours(30);
                let text = RULES[*rule].replace("END", &end.strftime("%Y%m%dT%H%M%SZ").to_string());
                let text = RecurrenceText::read(&text, &Zones::bundled()).expect("a rule");
                let today = zone(*place).time_zone().to_datetime(now).date();
                let wall = today.saturating_add(from_days.days()).at(1, 30, 0, 0);
                Schedule::Recurrence(Arc::new(Recurrence::new(text, Start { wall, is_told: true }, zone(*place))))
            }
            Pattern::AnyOf(patterns) => {
                let member = |pattern: &Pattern| Member {
                    schedule: pattern.schedule(now),
                    timezone: pattern.schedule(now).wall_zone().cloned(),
                };
                Schedule::AnyOf(AnyOf::kept(patterns.iter().map(member).collect()))
            }
        }
    }
}

impl Wish {
    /// What the wish says, made at `now`.
    pub(super) fn definition(
        &self,
        destinations: &[DestinationId],
        calendar: &Arc<Observed>,
        now: Timestamp,
    ) -> Definition {
        let later = |seconds: i64| now + SignedDuration::from_secs(seconds);
        let jitter = self
            .spread_s
            .map(|seconds| Jitter::new(Period::from_seconds(seconds).expect("a period")).expect("a window"));
        let schedule = self.pattern.schedule(now);
        let said = &self.bounding;
        let terms = match schedule {
            // One time of its own has nothing to be bounded in.
            Schedule::Once { .. } => Terms { jitter, delete_when_done: said.delete_when_done, ..Terms::default() },
            _ => Terms {
                bounds: Bounds::new(said.starts_after_s.map(later), said.ends_after_s.map(later)).expect("in order"),
                excluded: dates(&said.excluded, now),
                jitter,
                calendars: said.keeps_to_the_calendar.then(|| Arc::clone(calendar)).into_iter().collect(),
                gap: said.gap.filter(|_| !schedule.wall_zones().is_empty()),
                fold: said.fold.filter(|_| !schedule.wall_zones().is_empty()),
                max_fires: said.max_fires.and_then(MaxFires::new),
                delete_when_done: said.delete_when_done,
                misfire: None,
            },
        };
        let dates_zone = schedule.wall_zone().cloned().unwrap_or_else(Zones::utc);
        let details = ScheduleDetails::new(schedule, None, terms, dates_zone);
        Definition {
            name: None,
            schedule: Some(details.with_share(Some(Share::new(self.share)))),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: self.goes_to.iter().map(|place| destinations[*place]).collect(),
            expects: None,
            overlap: Overlap::Allow,
            is_test: false,
            enabled: self.is_enabled,
            pause: if self.is_enabled { None } else { Pause::new(None, self.paused_for_s.map(later)) },
            expires_at: self.expires_after_s.map(later),
        }
    }
}
