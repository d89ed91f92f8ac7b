//! The search held to the reading of a clock, for rules of every make.

use jiff::Span;
use jiff::civil::{Date, date, time};
use proptest::prelude::*;

use super::*;
use crate::schedule::recurrence::parts::Frequency;

/// Some of the numbers, or nothing.
fn some(from: i16, to: i16, most: usize) -> impl Strategy<Value = Vec<i16>> {
    let numbers = (from..=to).filter(|number| *number != 0 || from == 0).collect::<Vec<_>>();
    prop_oneof![2 => Just(Vec::new()), 1 => proptest::sample::subsequence(numbers, 1..=most)]
}

fn list(name: &str, numbers: &[i16]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    if texts.is_empty() { String::new() } else { format!(";{name}={}", texts.join(",")) }
}

#[derive(Debug, Clone)]
struct Wish {
    frequency: usize,
    interval: i64,
    months: Vec<i16>,
    weeks: Vec<i16>,
    year_days: Vec<i16>,
    month_days: Vec<i16>,
    weekdays: Vec<(i16, usize)>,
    hours: Vec<i16>,
    minutes: Vec<i16>,
    seconds: Vec<i16>,
    positions: Vec<i16>,
    week_start: usize,
}

fn wish() -> impl Strategy<Value = Wish> {
    let interval = prop_oneof![4 => Just(1_i64), 4 => 2_i64..8, 1 => 8_i64..5_000];
    let weekday = (prop_oneof![2 => Just(0_i16), 1 => -6_i16..7], 0_usize..7);
    let weekdays = prop_oneof![1 => Just(Vec::new()), 1 => proptest::collection::vec(weekday, 1..5)];
    let days = (some(1, 12, 4), some(-53, 53, 12), some(-366, 366, 60), some(-31, 31, 12), weekdays);
    let times = (some(0, 23, 5), some(0, 59, 4), some(0, 59, 3), some(-8, 8, 3));
    (0_usize..7, interval, days, times, 0_usize..7).prop_map(|(frequency, interval, days, times, week_start)| {
        let (months, weeks, year_days, month_days, weekdays) = days;
        let (hours, minutes, seconds, positions) = times;
        Wish {
            frequency,
            interval,
            months,
            weeks,
            year_days,
            month_days,
            weekdays,
            hours,
            minutes,
            seconds,
            positions,
            week_start,
        }
    })
}

impl Wish {
    const NAMES: [&'static str; 7] = ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"];
    const DAYS: [&'static str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

    fn text(&self) -> String {
        let (is_yearly, is_monthly, is_weekly) = (self.frequency == 6, self.frequency == 5, self.frequency == 4);
        let weeks = if is_yearly { self.weeks.as_slice() } else { &[] };
        let takes_ordinals = is_monthly || (is_yearly && weeks.is_empty());
        let weekdays: Vec<String> = self
            .weekdays
            .iter()
            .map(|(ordinal, day)| match ordinal {
                0 => Self::DAYS[*day].to_owned(),
                _ if !takes_ordinals => Self::DAYS[*day].to_owned(),
                ordinal => format!("{ordinal}{}", Self::DAYS[*day]),
            })
            .collect();
        let mut text = format!(
            "FREQ={};INTERVAL={};WKST={}",
            Self::NAMES[self.frequency],
            self.interval,
            Self::DAYS[self.week_start]
        );
        let before = text.len();
        text.push_str(&list("BYMONTH", &self.months));
        text.push_str(&list("BYWEEKNO", weeks));
        if is_yearly || self.frequency < 3 {
            text.push_str(&list("BYYEARDAY", &self.year_days));
        }
        if !is_weekly {
            text.push_str(&list("BYMONTHDAY", &self.month_days));
        }
        if !weekdays.is_empty() {
            text.push_str(&format!(";BYDAY={}", weekdays.join(",")));
        }
        // A day of seconds is more than anybody reads off a clock one by one.
        let is_secondly = self.frequency == 0;
        let or =
            |list: &[i16], others: &[i16]| if is_secondly && list.is_empty() { others.to_vec() } else { list.to_vec() };
        text.push_str(&list("BYHOUR", &or(&self.hours, &[9, 22])));
        text.push_str(&list("BYMINUTE", &or(&self.minutes, &[0, 31])));
        text.push_str(&list("BYSECOND", &self.seconds));
        if text.len() > before {
            text.push_str(&list("BYSETPOS", &self.positions));
        }
        text
    }
}

/// Every reading from `from` on and before `to` that is named, found by looking at each that can be.
fn read(recurrence: &Recurrence, from: Date, days: i64) -> Vec<DateTime> {
    let (parts, names) = (&recurrence.parts, recurrence.naming());
    let mut found = Vec::new();
    for day in from.series(Span::new().days(1)).take(usize::try_from(days).expect("a few")) {
        for hour in &parts.hours {
            for minute in &parts.minutes {
                for second in &parts.seconds {
                    let part = |value: i16| i8::try_from(value).expect("of a clock");
                    let wall = day.to_datetime(time(part(*hour), part(*minute), part(*second), 0));
                    if names(wall) {
                        found.push(wall);
                    }
                }
            }
        }
    }
    found
}

#[test]
fn every_so_many_seconds_is_a_grid() {
    let seconds = placed("2027-01-04T09:00:03", "FREQ=SECONDLY;INTERVAL=7", "UTC");
    let start: Timestamp = "2027-01-04T09:00:03Z".parse().expect("an instant");
    for (after_s, lasts_s) in
        [(-100, 7), (-1, 1), (0, 6), (0, 7), (5, 86_400), (86_399, 1_000_000), (40_000_000, 31_536_000)]
    {
        let after = start + jiff::SignedDuration::from_secs(after_s);
        let until = after + jiff::SignedDuration::from_secs(lasts_s);
        let before = |second: i64| if second < 0 { 0 } else { second / 7 + 1 };
        let expected = before(after_s + lasts_s) - before(after_s);
        assert_eq!(i64::try_from(seconds.count_in(after, until)), Ok(expected), "{after_s} and {lasts_s} s on");
        let latest = (expected > 0).then(|| start + jiff::SignedDuration::from_secs((after_s + lasts_s) / 7 * 7));
        assert_eq!(seconds.latest_in(after, until), latest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 128 } else { 2_000 }))]

    #[test]
    fn the_search_finds_what_is_read_off_the_clock(
        wish in wish(),
        start_day in 0_i64..20_000,
        start_s in 0_i64..86_400,
        later in 0_i64..9_000,
        cut_s in 0_i64..86_400,
    ) {
        let text = wish.text();
        let start = date(1970, 1, 3).checked_add(Span::new().days(start_day)).expect("in range");
        let start = start.at(0, 0, 0, 0).checked_add(Span::new().seconds(start_s)).expect("in range");
        let read_text = RecurrenceText::read(&text, &Zones::bundled()).expect("a rule of the standard");
        let recurrence = Recurrence::new(read_text, Start { wall: start, is_told: true }, Zones::utc());
        let per_day = recurrence.parts.hours.len() * recurrence.parts.minutes.len() * recurrence.parts.seconds.len();
        let days = (6_000 / i64::try_from(per_day).expect("at most a day of seconds")).clamp(1, 500);
        let from = start.date().checked_add(Span::new().days(later - 20)).expect("in range").max(date(1970, 1, 1));
        let expected = read(&recurrence, from, days);

        let begin = wall_of(from.at(0, 0, 0, 0));
        let range = begin..begin + days * DAY;
        let named = &recurrence.named;
        let mut found = Vec::new();
        let mut cursor = range.start;
        while let Some(wall) = named.first_in(cursor..range.end) {
            found.push(wall);
            cursor = wall + 1;
        }
        let expected: Vec<i64> = expected.into_iter().map(wall_of).collect();
        prop_assert_eq!(&found, &expected, "{} from {}", &text, start);
        prop_assert_eq!(named.count_in(range.clone()), expected.len() as u64, "{} from {}", &text, start);
        let mut back = Vec::new();
        let mut end = range.end;
        while let Some(wall) = named.last_in(range.start..end) {
            back.push(wall);
            end = wall;
        }
        back.reverse();
        prop_assert_eq!(&back, &expected, "{} from {}", &text, start);
        // Cut within a day, at either end.
        let cut = (range.start + cut_s)..(range.end - (86_400 - cut_s) / 2);
        let within = expected.iter().filter(|wall| cut.contains(wall)).count() as u64;
        prop_assert_eq!(named.count_in(cut), within, "{} from {}", &text, start);
    }

    #[test]
    fn the_last_of_so_many_is_the_last(
        wish in wish(),
        start_day in 5_000_i64..20_000,
        start_s in 0_i64..86_400,
        count in 1_u64..40,
        name in proptest::sample::select(&["UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    ) {
        let start = date(1970, 1, 3).checked_add(Span::new().days(start_day)).expect("in range");
        let start = start.at(0, 0, 0, 0).checked_add(Span::new().seconds(start_s)).expect("in range");
        let endless = placed(&start.to_string(), &wish.text(), name);
        let counted = placed(&start.to_string(), &format!("{};COUNT={count}", wish.text()), name);
        let most = usize::try_from(count).expect("a few");
        let expected: Vec<DateTime> = first(&endless, most);
        prop_assert_eq!(first(&counted, most + 1), expected, "{}", wish.text());
    }
}

#[test]
fn every_frequency_is_tried() {
    for (place, name) in Wish::NAMES.iter().enumerate() {
        let text = format!("FREQ={name}");
        let recurrence = rule("2027-01-04T09:00:00", &text);
        let ordered = [
            Frequency::Secondly,
            Frequency::Minutely,
            Frequency::Hourly,
            Frequency::Daily,
            Frequency::Weekly,
            Frequency::Monthly,
            Frequency::Yearly,
        ];
        assert_eq!((recurrence.parts.frequency, recurrence.parts.frequency.word()), (ordered[place], *name));
    }
}
