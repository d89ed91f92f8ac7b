//! Several schedules as one: it occurs when any of them does, and an instant that two of them name is one occurrence. Each keeps its
//! own grid and its own zone; what bounds them all stands in the terms. No clock may enter.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::schedule::bounds::just_before;
use crate::schedule::rule::{Fold, Gap};
use crate::schedule::zone::Zone;
use crate::schedule::{Invalid, Schedule};

/// How many schedules may stand together.
pub const MEMBERS_MAX: usize = 10;

/// How often all but the most frequent may occur within a year, together: counting goes from one to the next of these.
const WALKED_MAX: u64 = 20_000;

/// Over how many years that is measured: more than a leap day and as many excepted dates as a rule may have can hide.
const YEARS: i64 = 8;

/// How many are ever looked at to count, in a span that is longer or fuller than anybody asked for.
const STEPS_MAX: u64 = 500_000;

/// One of several schedules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// When it occurs; never itself several.
    pub schedule: Schedule,
    /// The zone that was named for it alone; none where that of all was taken.
    pub timezone: Option<Zone>,
}

/// Several schedules, two at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyOf(Arc<[Member]>);

impl AnyOf {
    /// As they were kept.
    pub fn kept(members: Vec<Member>) -> AnyOf {
        AnyOf(members.into())
    }

    /// As they are asked for now.
    ///
    /// # Errors
    ///
    /// Too few or too many of them, and so many occurrences that an absence of a year could not be counted in a moment.
    pub fn new(members: Vec<Member>, now: Timestamp) -> Result<AnyOf, Invalid> {
        if !(2..=MEMBERS_MAX).contains(&members.len()) {
            return Err(Invalid(format!("several schedules are 2 to {MEMBERS_MAX}")));
        }
        let counted = |member: &Member| {
            let first = member.schedule.next_after(now)?;
            let until = first.checked_add(SignedDuration::from_hours(YEARS * 366 * 24)).unwrap_or(Timestamp::MAX);
            Some(member.schedule.count_in(just_before(first), until))
        };
        let walked = all_but_the_most(members.iter().map(|member| counted(member).unwrap_or(0)));
        let a_year = walked.div_ceil(YEARS.unsigned_abs());
        if a_year > WALKED_MAX {
            return Err(Invalid(format!(
                "one of the schedules may occur as often as it likes, and the others {WALKED_MAX} times within a year together; these occur {a_year} times: make a trigger of its own of one of them"
            )));
        }
        Ok(AnyOf(members.into()))
    }

    /// The schedules, in the order in which they were said.
    pub fn members(&self) -> &[Member] {
        &self.0
    }

    /// The zone of all that hang on one, where it is the same for all.
    pub fn zone(&self) -> Option<&Zone> {
        let mut zones = self.0.iter().filter_map(|member| member.schedule.wall_zone());
        let first = zones.next()?;
        zones.all(|zone| zone == first).then_some(first)
    }

    /// The first occurrence strictly after `after`.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.0.iter().filter_map(|member| member.schedule.next_after(after)).min()
    }

    /// The last occurrence in `(after, until]`.
    pub fn latest_in(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        self.0.iter().filter_map(|member| member.schedule.latest_in(after, until)).max()
    }

    /// No fewer than lie in `(after, until]`: those that two name are counted twice. The cost does not grow with the count.
    pub fn count_at_most(&self, after: Timestamp, until: Timestamp) -> u64 {
        self.0.iter().map(|member| member.schedule.count_in(after, until)).fold(0, u64::saturating_add)
    }

    /// How many steps [`AnyOf::count_in`] takes: it looks for each occurrence that it walks along, and asks the most frequent about it.
    pub fn steps_to_count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let counted = |Member { schedule, .. }: &Member| (schedule.count_in(after, until), schedule.step_weight());
        let mut counted: Vec<(u64, u64)> = self.0.iter().map(counted).collect();
        counted.sort_unstable();
        let Some((_, asked)) = counted.pop() else { return 0 };
        let steps = counted.into_iter().map(|(count, weight)| count.min(STEPS_MAX) * (weight + asked));
        steps.sum::<u64>().min(2 * STEPS_MAX)
    }

    /// Whether it takes any: more than one of them occurs in `(after, until]`.
    pub fn takes_steps_to_count(&self, after: Timestamp, until: Timestamp) -> bool {
        let occurs = |member: &&Member| member.schedule.next_after(after).is_some_and(|next| next <= until);
        self.0.iter().filter(occurs).nth(1).is_some()
    }

    /// How many occurrences lie in `(after, until]`.
    ///
    /// Nobody walks along the most frequent: the others are walked along together, and count where that one does not name the same. So the
    /// cost grows with the occurrences of the others, which [`AnyOf::new`] bounds, and not with how many schedules there are. A span
    /// that holds more of them than anybody walks is told by [`AnyOf::count_at_most`].
    pub fn count_in(&self, after: Timestamp, until: Timestamp) -> u64 {
        let count = |member: &Member| member.schedule.count_in(after, until);
        let mut counted: Vec<(u64, &Schedule)> =
            self.0.iter().map(|member| (count(member), &member.schedule)).filter(|(count, _)| *count > 0).collect();
        if all_but_the_most(counted.iter().map(|(count, _)| *count)) > STEPS_MAX {
            return self.count_at_most(after, until);
        }
        counted.sort_by_key(|(count, _)| *count);
        let Some((mut total, most_frequent)) = counted.pop() else { return 0 };
        let next_of = |schedule: &Schedule, last| schedule.next_after(last).filter(|next| *next <= until);
        let mut ahead: Vec<(Timestamp, &Schedule)> =
            counted.iter().filter_map(|(_, schedule)| Some((next_of(schedule, after)?, *schedule))).collect();
        while let Some(at) = ahead.iter().map(|(next, _)| *next).min() {
            total += u64::from(!most_frequent.names(at));
            ahead.retain_mut(|(next, schedule)| match *next == at {
                false => true,
                true => next_of(schedule, at).map(|later| *next = later).is_some(),
            });
        }
        total
    }

    /// The same with a choice of somebody's for where the clocks change, in all that name times on the wall.
    pub fn with_choice(&self, gap: Option<Gap>, fold: Option<Fold>) -> AnyOf {
        let chosen = |member: &Member| Member { schedule: member.schedule.with_choice(gap, fold), ..member.clone() };
        AnyOf(self.0.iter().map(chosen).collect())
    }
}

fn all_but_the_most(counts: impl Iterator<Item = u64>) -> u64 {
    let (sum, most) = counts.fold((0_u64, 0), |(sum, most), count| (sum.saturating_add(count), most.max(count)));
    sum - most
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::FirstFiring;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::recurrence::{Recurrence, RecurrenceText, Start};
    use crate::schedule::zone::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn cron(line: &str, zone: &str) -> Member {
        let zone = Zones::bundled().get(zone).expect("a zone");
        let expression = CronExpression::parse(line).expect("a line");
        Member { schedule: Schedule::Cron { expression, zone }, timezone: None }
    }

    fn every(period: &str) -> Member {
        let period = Period::parse(period).expect("a period");
        let schedule = Schedule::Every { period, anchor: at("2027-01-01T00:00:00Z"), first: FirstFiring::AtAnchor };
        Member { schedule, timezone: None }
    }

    fn rule(text: &str) -> Member {
        let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
        let start = Start { wall: jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0), is_told: false };
        let zone = Zones::bundled().get("Europe/Riga").expect("a zone");
        Member { schedule: Schedule::Recurrence(Arc::new(Recurrence::new(text, start, zone))), timezone: None }
    }

    fn any_of(members: Vec<Member>) -> AnyOf {
        AnyOf::new(members, at("2026-12-01T00:00:00Z")).expect("few enough")
    }

    #[test]
    fn an_instant_that_two_name_is_one_occurrence() {
        let schedules = any_of(vec![cron("0 9 * * MON-FRI", "UTC"), cron("0 9,12 * * *", "UTC")]);
        let (from, until) = (at("2027-01-03T23:59:59Z"), at("2027-01-10T23:59:59Z"));
        assert_eq!(schedules.next_after(from), Some(at("2027-01-04T09:00:00Z")));
        assert_eq!(schedules.next_after(at("2027-01-04T09:00:00Z")), Some(at("2027-01-04T12:00:00Z")));
        assert_eq!(schedules.count_in(from, until), 14);
        assert_eq!(schedules.latest_in(from, until), Some(at("2027-01-10T12:00:00Z")));
    }

    #[test]
    fn too_few_too_many_and_too_frequent_are_refused() {
        let now = at("2026-12-01T00:00:00Z");
        let refused = |members| AnyOf::new(members, now).expect_err("it is too much").to_string();
        assert!(refused(vec![every("1h")]).contains("are 2 to 10"));
        assert!(refused(vec![every("1h"); 11]).contains("are 2 to 10"));
        let often = refused(vec![cron("* * * * *", "UTC"), every("5m"), every("7s")]);
        assert!(often.contains("20000 times within a year together"), "{often}");
        assert!(AnyOf::new(vec![every("1s"), every("1h"), cron("0 * * * *", "UTC")], now).is_ok());
    }

    #[test]
    fn what_is_frequent_only_later_is_refused_as_well() {
        let now = at("2026-12-01T00:00:00Z");
        let leap_days = || cron("* * 29 2 *", "UTC");
        assert!(AnyOf::new(vec![leap_days(), leap_days()], now).is_ok(), "1440 minutes in four years");
        let seconds = || cron("* * * 29 2 *", "UTC");
        assert!(AnyOf::new(vec![every("1s"), seconds(), seconds()], now).is_err());
        let days = (0..600)
            .map(|day| (jiff::civil::date(2026, 12, 2) + jiff::Span::new().days(day)).strftime("%Y%m%d").to_string());
        let excepted = days.collect::<Vec<_>>().join(",");
        let text = format!("DTSTART:20261130T000000Z\nRRULE:FREQ=MINUTELY\nEXDATE;VALUE=DATE:{excepted}");
        let text = RecurrenceText::read(&text, &Zones::bundled()).expect("a rule");
        let start = Start { wall: jiff::civil::date(2026, 11, 30).at(0, 0, 0, 0), is_told: false };
        let rule = Recurrence::new(text, start, Zones::utc());
        let late = Member { schedule: Schedule::Recurrence(Arc::new(rule)), timezone: None };
        assert!(AnyOf::new(vec![late.clone(), late], at("2026-12-01T23:58:00Z")).is_err());
    }

    #[test]
    fn a_span_that_nobody_walks_is_still_told_at_once() {
        let schedules = AnyOf::kept(vec![every("1s"), every("1s")]);
        let (from, until) = (at("2027-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z"));
        assert_eq!(schedules.count_in(from, until), 2 * 365 * 86_400);
        assert_eq!(schedules.steps_to_count(from, until), 2 * STEPS_MAX);
        let hour = from + SignedDuration::from_hours(1);
        assert_eq!((schedules.count_in(from, hour), schedules.steps_to_count(from, hour)), (3_600, 7_200));
    }

    #[test]
    fn a_year_beside_every_second_is_counted_in_a_moment() {
        let schedules = any_of(vec![every("1s"), cron("*/30 * * * *", "Europe/Riga"), cron("0 9 * * *", "Asia/Tokyo")]);
        let (from, until) = (at("2027-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z"));
        assert_eq!(schedules.count_in(from, until), 365 * 86_400);
    }

    /// A rule that picks hundreds of positions costs no more at each step than one that picks none.
    #[test]
    fn a_year_of_picked_positions_is_counted_in_a_moment() {
        let numbers =
            |numbers: std::ops::Range<u32>| numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",");
        let (hours, positions) = (numbers(0..24), numbers(1..367));
        let picking = |minute: u32| {
            rule(&format!(
                "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR={hours};BYMINUTE={minute};BYSETPOS={positions}"
            ))
        };
        let members = std::iter::once(cron("* * * * *", "Europe/Riga")).chain((0..4).map(picking)).collect();
        let schedules = any_of(members);
        let (from, until) = (at("2027-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z"));
        let begun = std::time::Instant::now();
        assert_eq!(schedules.count_in(from, until), 365 * 1_440);
        // A rule is gone along at the cost of two steps, and the cron line is asked at the cost of one.
        assert_eq!(schedules.steps_to_count(from, until), 3 * 4 * 12 * 366);
        assert!(begun.elapsed().as_millis() < 2_000, "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn several_are_what_each_of_them_is(
            which in proptest::sample::subsequence((0..8_usize).collect::<Vec<_>>(), 2..=6),
            start_s in 1_798_000_000_i64..1_830_000_000,
            hours in 1_i64..300,
        ) {
            let all = [
                cron("0 9 * * MON-FRI", "Europe/Riga"),
                cron("30 2 * * *", "America/New_York"),
                cron("*/30 * * * *", "Australia/Lord_Howe"),
                every("1h"),
                every("90m"),
                cron("0 0,9,12 * * *", "UTC"),
                Member { schedule: Schedule::Once { at: at("2027-03-28T01:00:00Z") }, timezone: None },
                rule("FREQ=WEEKLY;BYDAY=MO,SU;BYHOUR=1,2,3,9;BYMINUTE=0,30;BYSETPOS=1,3,5,-1,-2,-7"),
            ];
            let members: Vec<Member> = which.iter().map(|place| all[*place].clone()).collect();
            let schedules = any_of(members.clone());
            let from = Timestamp::from_second(start_s).expect("in range");
            let until = from + SignedDuration::from_hours(hours);
            let mut expected: Vec<Timestamp> = Vec::new();
            for member in &members {
                let next = |last: &Timestamp| member.schedule.next_after(*last);
                let each = std::iter::successors(member.schedule.next_after(from), next);
                expected.extend(each.take_while(|at| *at <= until));
            }
            expected.sort_unstable();
            expected.dedup();
            let next = |last: &Timestamp| schedules.next_after(*last);
            let found: Vec<Timestamp> =
                std::iter::successors(schedules.next_after(from), next).take_while(|at| *at <= until).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(schedules.count_in(from, until), expected.len() as u64);
            prop_assert_eq!(schedules.latest_in(from, until), expected.last().copied());
            let takes_steps = schedules.takes_steps_to_count(from, until);
            prop_assert_eq!(takes_steps, schedules.steps_to_count(from, until) > 0);
        }
    }
}
