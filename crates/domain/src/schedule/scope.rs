//! What of a schedule counts: its occurrences within bounds and not on an excluded date. The three questions of a schedule again,
//! answered by asking it about less. It decides nothing about when a schedule occurs.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::schedule::Schedule;
use crate::schedule::bounds::{Bounds, just_before};
use crate::schedule::excluded::ExcludedDates;
use crate::schedule::observed::Observed;
use crate::schedule::zone::Zone;

/// The part of a schedule that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// From when on and until when.
    pub bounds: Bounds,
    /// On which dates of its own not.
    pub excluded: ExcludedDates,
    /// The calendars on whose dates not either.
    pub calendars: Vec<Arc<Observed>>,
    /// Whose dates they are.
    pub zone: Zone,
    /// Its own dates and those of the calendars; none where there are no calendars.
    all: Option<ExcludedDates>,
}

/// What keeps an instant that a schedule names from being an occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenAway {
    /// It lies before the start.
    BeforeStart(Timestamp),
    /// It lies at or after the end.
    AfterEnd(Timestamp),
    /// Its date is excluded.
    Excluded(Date),
    /// Its date stands in these calendars.
    InCalendars(Date, Vec<Arc<Observed>>),
}

/// A run of what a schedule names and one thing takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What takes away the first of them.
    pub by: TakenAway,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
}

impl Scope {
    /// What is left of a schedule within bounds, and neither on these dates of the zone nor on those of the calendars.
    pub fn new(bounds: Bounds, excluded: ExcludedDates, calendars: Vec<Arc<Observed>>, zone: Zone) -> Scope {
        let dates = calendars.iter().map(|calendar| &calendar.dates);
        let all = (!calendars.is_empty()).then(|| ExcludedDates::union(dates.chain([&excluded])));
        Scope { bounds, excluded, calendars, zone, all }
    }

    /// Every date on which nothing occurs.
    pub fn dates(&self) -> &ExcludedDates {
        self.all.as_ref().unwrap_or(&self.excluded)
    }

    /// What takes this instant away from the schedule; none where the schedule does not name it, and where it counts.
    pub fn absent_at(&self, schedule: &Schedule, instant: Timestamp) -> Option<TakenAway> {
        let is_named = schedule.latest_in(just_before(instant), instant) == Some(instant);
        self.takes_away(instant).filter(|_| is_named)
    }

    /// What takes away whatever is named for this instant.
    pub fn takes_away(&self, instant: Timestamp) -> Option<TakenAway> {
        let early = self.bounds.starts_at().filter(|start| instant < *start).map(TakenAway::BeforeStart);
        let late = self.bounds.ends_at().filter(|end| *end <= instant).map(TakenAway::AfterEnd);
        early.or(late).or_else(|| self.dates().contain(&self.zone, instant).then(|| self.on_a_date(instant)))
    }

    /// What excludes the date that the clock shows then.
    fn on_a_date(&self, instant: Timestamp) -> TakenAway {
        let date = self.zone.time_zone().to_datetime(instant).date();
        if self.excluded.contain(&self.zone, instant) {
            return TakenAway::Excluded(date);
        }
        let holding = self.calendars.iter().filter(|calendar| calendar.dates.contain(&self.zone, instant));
        TakenAway::InCalendars(date, holding.cloned().collect())
    }

    /// What the schedule names in `(after, until]` and does not count: what takes it away, the first, the last, and how many. What lies before
    /// the start is one run, what lies after the end another, and each date on which nothing occurs one of its own, of which the
    /// first `most` are told. The cost grows with the dates, not with the occurrences on them.
    pub fn taken_away_in(&self, schedule: &Schedule, after: Timestamp, until: Timestamp, most: usize) -> Vec<Run> {
        let run_in = |after: Timestamp, until: Timestamp| {
            let first = schedule.next_after(after).filter(|first| *first <= until)?;
            let last = schedule.latest_in(after, until)?;
            let by = self.takes_away(first)?;
            Some(Run { by, first, last, count: schedule.count_in(after, until) })
        };
        let (within_after, within_until) = self.bounds.narrow(after, until);
        let early = run_in(after, until.min(within_after)).filter(|_| after < within_after);
        let late = run_in(after.max(within_until), until).filter(|_| within_until < until);
        let dates = self.dates().spans(&self.zone, within_after, within_until).into_iter();
        let on_dates = dates.filter_map(|span| {
            let (after, until) = (within_after.max(just_before(span.start)), within_until.min(just_before(span.end)));
            if after < until { run_in(after, until) } else { None }
        });
        early.into_iter().chain(on_dates.take(most)).chain(late).collect()
    }

    /// The first occurrence that counts strictly after `after`.
    ///
    /// The cost grows with the excluded dates that are passed over, not with the occurrences on them.
    pub fn next_after(&self, schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
        let (mut after, until) = self.bounds.narrow(after, Timestamp::MAX);
        loop {
            let next = schedule.next_after(after).filter(|next| *next <= until)?;
            match self.dates().around(&self.zone, next) {
                Some(span) => after = just_before(span.end),
                None => return Some(next),
            }
        }
    }

    /// The last occurrence that counts in `(after, until]`.
    pub fn latest_in(&self, schedule: &Schedule, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let (after, mut until) = self.bounds.narrow(after, until);
        loop {
            let latest = schedule.latest_in(after, until)?;
            match self.dates().around(&self.zone, latest) {
                Some(span) => until = just_before(span.start),
                None => return Some(latest),
            }
        }
    }

    /// How many occurrences in `(after, until]` count. The cost does not grow with their number.
    pub fn count_in(&self, schedule: &Schedule, after: Timestamp, until: Timestamp) -> u64 {
        let (after, until) = self.bounds.narrow(after, until);
        let count_on = |span: std::ops::Range<Timestamp>| {
            schedule.count_in(after.max(just_before(span.start)), until.min(just_before(span.end)))
        };
        let excluded: u64 = self.dates().spans(&self.zone, after, until).into_iter().map(count_on).sum();
        schedule.count_in(after, until).saturating_sub(excluded)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff::civil::{Date, date};
    use proptest::prelude::*;

    use super::*;
    use crate::id::CalendarId;
    use crate::schedule::FirstFiring;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn zone(name: &str) -> Zone {
        Zones::bundled().get(name).expect("a zone of the bundled copy")
    }

    fn cron(text: &str, zone: &Zone) -> Schedule {
        let expression = CronExpression::parse(text).expect("a test writes its lines well");
        Schedule::Cron { expression, zone: zone.clone() }
    }

    fn without(dates: &[Date], zone: Zone) -> Scope {
        let excluded = ExcludedDates::new(dates.iter().copied()).expect("few dates");
        Scope::new(Bounds::default(), excluded, Vec::new(), zone)
    }

    #[test]
    fn holidays_are_left_out_and_the_days_beside_them_are_not() {
        let riga = zone("Europe/Riga");
        let scope = without(&[date(2026, 12, 24), date(2026, 12, 25)], riga.clone());
        let daily = cron("0 9 * * MON-FRI", &riga);
        let eve = at("2026-12-23T07:00:00Z");
        assert_eq!(scope.next_after(&daily, eve), Some(at("2026-12-28T07:00:00Z")));
        assert_eq!(scope.latest_in(&daily, Timestamp::MIN, at("2026-12-27T12:00:00Z")), Some(eve));
        assert_eq!(scope.count_in(&daily, eve, at("2026-12-31T00:00:00Z")), 3);
    }

    #[test]
    fn a_date_is_one_of_the_zone() {
        let tokyo = zone("Asia/Tokyo");
        let scope = without(&[date(2027, 1, 1)], tokyo);
        let hourly = cron("0 * * * *", &Zones::utc());
        assert_eq!(scope.next_after(&hourly, at("2026-12-31T14:00:00Z")), Some(at("2027-01-01T15:00:00Z")));
        assert_eq!(scope.count_in(&hourly, at("2026-12-31T00:00:00Z"), at("2027-01-02T00:00:00Z")), 24);
    }

    #[test]
    fn what_a_gap_moves_over_midnight_belongs_to_the_day_on_which_it_comes() {
        let santiago = zone("America/Santiago");
        let daily = cron("30 0 * * *", &santiago);
        // 00:00 to 01:00 of that Sunday is left out; the firing comes at 01:00 of the same day.
        let scope = without(&[date(2026, 9, 6)], santiago);
        assert_eq!(scope.next_after(&daily, at("2026-09-05T12:00:00Z")), Some(at("2026-09-07T03:30:00Z")));
    }

    #[test]
    fn a_schedule_that_occurs_on_excluded_dates_alone_never_fires() {
        let once = Schedule::Once { at: at("2027-01-01T12:00:00Z") };
        let scope = without(&[date(2027, 1, 1)], Zones::utc());
        assert_eq!(scope.next_after(&once, Timestamp::MIN), None);
        assert_eq!(scope.latest_in(&once, Timestamp::MIN, Timestamp::MAX), None);
        assert_eq!(scope.count_in(&once, Timestamp::MIN, Timestamp::MAX), 0);
    }

    #[test]
    fn the_dates_of_calendars_are_left_out_with_its_own_and_say_where_they_stand() {
        let riga = zone("Europe/Riga");
        let observed = |id, name: &str, days: &[Date]| {
            let dates = ExcludedDates::new(days.iter().copied()).expect("few dates");
            Arc::new(Observed { calendar: CalendarId(id), revision: 1, name: name.to_owned(), dates })
        };
        let (holidays, school) = (&[date(2026, 12, 25), date(2026, 12, 26)], &[date(2026, 12, 26)]);
        let (holidays, school) = (observed(1, "holidays", holidays), observed(2, "school", school));
        let calendars = vec![Arc::clone(&holidays), Arc::clone(&school)];
        let own = ExcludedDates::new([date(2026, 12, 24)]).expect("a date");
        let scope = Scope::new(Bounds::default(), own, calendars, riga.clone());
        let daily = cron("0 9 * * *", &riga);
        let eve = at("2026-12-23T07:00:00Z");
        assert_eq!(scope.next_after(&daily, eve), Some(at("2026-12-27T07:00:00Z")));
        assert_eq!(scope.count_in(&daily, eve, at("2026-12-28T07:00:00Z")), 2);
        let taken = |text: &str| scope.absent_at(&daily, at(text));
        assert_eq!(taken("2026-12-24T07:00:00Z"), Some(TakenAway::Excluded(date(2026, 12, 24))));
        let first = TakenAway::InCalendars(date(2026, 12, 25), vec![Arc::clone(&holidays)]);
        assert_eq!(taken("2026-12-25T07:00:00Z"), Some(first));
        let second = TakenAway::InCalendars(date(2026, 12, 26), vec![holidays, school]);
        assert_eq!(taken("2026-12-26T07:00:00Z"), Some(second));
        assert_eq!(taken("2026-12-27T07:00:00Z"), None);
    }

    #[test]
    fn bounds_hold_their_start_and_not_their_end() {
        let (start, end) = (at("2027-01-01T09:00:00Z"), at("2027-01-03T09:00:00Z"));
        let bounds = Bounds::new(Some(start), Some(end)).expect("the end is later");
        let scope = Scope::new(bounds, ExcludedDates::default(), Vec::new(), Zones::utc());
        let daily = cron("0 9 * * *", &Zones::utc());
        assert_eq!(scope.next_after(&daily, Timestamp::MIN), Some(start));
        assert_eq!(scope.next_after(&daily, at("2027-01-02T09:00:00Z")), None);
        assert_eq!(scope.latest_in(&daily, Timestamp::MIN, Timestamp::MAX), Some(at("2027-01-02T09:00:00Z")));
        assert_eq!(scope.count_in(&daily, Timestamp::MIN, Timestamp::MAX), 2);
        assert_eq!(scope.count_in(&daily, end, Timestamp::MAX), 0);
    }

    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Berlin",
        "America/St_Johns",
        "America/Havana",
        "America/Santiago",
        "Pacific/Apia",
        "Asia/Beirut",
        "Africa/Cairo",
    ];

    proptest! {
        #[test]
        fn what_counts_is_what_is_left_when_the_others_are_struck_out(
            name in proptest::sample::select(&ZONES),
            line in 0_usize..6,
            start_s in 1_000_000_000_i64..1_900_000_000,
            days in proptest::collection::vec(0_i64..12, 0..8),
            starts_in_h in proptest::option::of(0_i64..200),
            lasts_h in proptest::option::of(1_i64..200),
        ) {
            let zone = zone(name);
            let near = Timestamp::from_second(start_s).expect("in range");
            let edge = zone.time_zone().following(near).next().map_or(near, |transition| transition.timestamp());
            let (after, until) = (edge - SignedDuration::from_hours(5 * 24), edge + SignedDuration::from_hours(5 * 24));
            let lines = ["30 0 * * *", "0 */3 * * *", "15 23 * * *", "0,59 0,23 * * *", "0 12 * * MON-FRI"];
            let schedule = match lines.get(line) {
                Some(text) => cron(text, &zone),
                None => Schedule::Every { period: Period::parse("47m").expect("a period"), anchor: near, first: FirstFiring::AtAnchor },
            };
            let first_day = zone.time_zone().to_datetime(after).date();
            let dates = days.iter().map(|day| first_day.checked_add(jiff::Span::new().days(*day)).expect("in range"));
            let starts_at = starts_in_h.map(|hours| after + SignedDuration::from_hours(hours));
            let ends_at = lasts_h.map(|hours| starts_at.unwrap_or(after) + SignedDuration::from_hours(hours));
            let bounds = Bounds::new(starts_at, ends_at).expect("the end is later");
            let excluded = ExcludedDates::new(dates).expect("few dates");
            let scope = Scope::new(bounds, excluded, Vec::new(), zone.clone());

            let mut left = Vec::new();
            let mut cursor = after;
            while let Some(next) = schedule.next_after(cursor).filter(|next| *next <= until) {
                let is_excluded = scope.excluded.dates().contains(&zone.time_zone().to_datetime(next).date());
                let is_early = starts_at.is_some_and(|start| next < start);
                let is_late = ends_at.is_some_and(|end| next >= end);
                let is_left = !is_excluded && !is_early && !is_late;
                if is_left {
                    left.push(next);
                }
                prop_assert_eq!(scope.absent_at(&schedule, next).is_none(), is_left);
                let between = next + SignedDuration::from_millis(1);
                prop_assert_eq!(scope.absent_at(&schedule, between), None, "nothing names it");
                cursor = next;
            }
            let mut found = Vec::new();
            let mut cursor = after;
            while let Some(next) = scope.next_after(&schedule, cursor).filter(|next| *next <= until) {
                prop_assert_eq!(scope.latest_in(&schedule, cursor, next), Some(next));
                prop_assert_eq!(scope.count_in(&schedule, cursor, next), 1);
                found.push(next);
                cursor = next;
            }
            prop_assert_eq!(&found, &left);
            prop_assert_eq!(scope.count_in(&schedule, after, until), left.len() as u64);
            prop_assert_eq!(scope.latest_in(&schedule, after, until), left.last().copied());
        }
    }
}
