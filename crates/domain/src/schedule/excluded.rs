//! Dates on which nothing fires: holidays, say. A date is one of the zone's calendar, and what counts is what the clock shows at the
//! instant of the firing, so that what a gap moved over midnight belongs to the day on which it comes. When a schedule occurs is
//! not known here.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp};

use crate::schedule::Invalid;
use crate::schedule::zone::Zone;

/// How many dates may be excluded.
pub const DATES_MAX: usize = 1_000;

/// The years that a date may be of, as for all that a schedule names.
const YEARS: Range<i16> = 1970..2200;

/// More than any zone is ahead of or behind UTC.
const OFFSET_MAX: SignedDuration = SignedDuration::from_hours(26);

/// Dates in order and each once, however they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcludedDates(Vec<Date>);

impl ExcludedDates {
    /// Takes dates in any order.
    ///
    /// # Errors
    ///
    /// More than [`DATES_MAX`] different dates, or one that is not between 1970 and 2199.
    pub fn new(dates: impl IntoIterator<Item = Date>) -> Result<ExcludedDates, Invalid> {
        ExcludedDates::at_most(DATES_MAX, dates)
    }

    /// Takes dates in any order, as many as there is room for.
    ///
    /// # Errors
    ///
    /// More than `most` different dates, or one that is not between 1970 and 2199.
    pub fn at_most(most: usize, dates: impl IntoIterator<Item = Date>) -> Result<ExcludedDates, Invalid> {
        let mut kept = BTreeSet::new();
        for date in dates {
            if !YEARS.contains(&date.year()) {
                return Err(Invalid(format!("the excluded date {date} is not between 1970 and 2199")));
            }
            kept.insert(date);
            if kept.len() > most {
                return Err(Invalid(format!("more than {most} dates are excluded")));
            }
        }
        Ok(ExcludedDates(kept.into_iter().collect()))
    }

    /// Takes all dates from the first to the last of each of these, in any order and each once, as many as there is room for. The cost
    /// grows with the number of ranges and with that room, not with how many dates they name over and over.
    ///
    /// # Errors
    ///
    /// More than `most` different dates, or one that is not between 1970 and 2199.
    pub fn of_ranges(most: usize, mut ranges: Vec<(Date, Date)>) -> Result<ExcludedDates, Invalid> {
        let far = |date: &Date| !YEARS.contains(&date.year());
        if let Some(date) = ranges.iter().flat_map(|(first, last)| [*first, *last]).find(far) {
            return Err(Invalid(format!("the excluded date {date} is not between 1970 and 2199")));
        }
        ranges.sort_unstable();
        let mut dates: Vec<Date> = Vec::new();
        for (first, last) in ranges {
            // What an earlier one has named is there already.
            let named = dates.last().filter(|date| first <= **date).map(|date| date.tomorrow().unwrap_or(Date::MAX));
            let first = named.unwrap_or(first);
            let room = most - dates.len();
            dates.extend(first.series(Span::new().days(1)).take_while(|date| *date <= last).take(room + 1));
            if dates.len() > most {
                return Err(Invalid(format!("more than {most} dates are excluded")));
            }
        }
        Ok(ExcludedDates(dates))
    }

    /// Reads a date as `YYYY-MM-DD`.
    ///
    /// # Errors
    ///
    /// Anything else, with an example.
    pub fn read(text: &str) -> Result<Date, Invalid> {
        let shown = || text.chars().take(32).collect::<String>();
        plain(text.as_bytes())
            .ok_or_else(|| Invalid(format!("\"{}\" is not a date; write it like \"2026-12-24\"", shown())))
    }

    /// The dates, earliest first.
    pub fn dates(&self) -> &[Date] {
        &self.0
    }

    /// All of these together, however many they are.
    pub(super) fn union<'a>(all: impl Iterator<Item = &'a ExcludedDates>) -> ExcludedDates {
        let mut kept: Vec<Date> = all.flat_map(|one| one.0.iter().copied()).collect();
        // Mostly they come of one calendar, and are in order.
        kept.sort();
        kept.dedup();
        ExcludedDates(kept)
    }

    /// The first date that is in one of the two alone.
    pub(crate) fn first_apart(&self, other: &ExcludedDates) -> Option<Date> {
        let same = self.0.iter().zip(&other.0).take_while(|(one, other)| one == other).count();
        self.0.get(same).into_iter().chain(other.0.get(same)).min().copied()
    }

    /// What is in this one alone, and what is in the other alone.
    pub(crate) fn apart(&self, other: &ExcludedDates) -> (ExcludedDates, ExcludedDates) {
        let alone = |one: &ExcludedDates, other: &ExcludedDates| {
            ExcludedDates(one.0.iter().copied().filter(|date| other.0.binary_search(date).is_err()).collect())
        };
        (alone(self, other), alone(other, self))
    }

    /// A moment before which the clock of the zone has never shown the date.
    pub(crate) fn begins(zone: &Zone, date: Date) -> Timestamp {
        let utc = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN);
        let earliest = utc.checked_sub(OFFSET_MAX).unwrap_or(Timestamp::MIN);
        shown(zone, date).first().map_or(earliest, |span| span.start)
    }

    /// Whether the clock of the zone shows an excluded date at this instant.
    pub fn contain(&self, zone: &Zone, instant: Timestamp) -> bool {
        !self.0.is_empty() && self.0.binary_search(&zone.time_zone().to_datetime(instant).date()).is_ok()
    }

    /// The instants around this one at which the clock shows the same excluded date without a break; none where it is not excluded.
    pub(super) fn around(&self, zone: &Zone, instant: Timestamp) -> Option<Range<Timestamp>> {
        if !self.contain(zone, instant) {
            return None;
        }
        let date = zone.time_zone().to_datetime(instant).date();
        shown(zone, date).into_iter().find(|span| span.contains(&instant))
    }

    /// All instants at which the clock shows an excluded date, as far as they may lie in `(after, until]`; in order, and apart.
    pub(crate) fn spans(&self, zone: &Zone, after: Timestamp, until: Timestamp) -> Vec<Range<Timestamp>> {
        let day = |instant| zone.time_zone().to_datetime(instant).date();
        // A clock that is put back over midnight shows a date again; a day more at either end sees it.
        let first = day(after).yesterday().unwrap_or(Date::MIN);
        let last = day(until).tomorrow().unwrap_or(Date::MAX);
        let near = self.0[self.0.partition_point(|date| *date < first)..].iter().take_while(|date| **date <= last);
        let mut spans: Vec<Range<Timestamp>> = near.flat_map(|date| shown(zone, *date)).collect();
        spans.sort_unstable_by_key(|span| span.start);
        spans
    }
}

/// `YYYY-MM-DD` and nothing else. Schedules are read with thousands of them, which a parser of all that can be written takes its time for.
fn plain(text: &[u8]) -> Option<Date> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_i16, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0')))
    };
    let (month, day) = (number(&[*m1, *m2])?.try_into().ok()?, number(&[*d1, *d2])?.try_into().ok()?);
    Date::new(number(&[*y1, *y2, *y3, *y4])?, month, day).ok()
}

/// The instants at which a zone's clock shows a date: one span, none where the day was skipped, several where the clock is put back
/// over a midnight that it had passed.
fn shown(zone: &Zone, date: Date) -> Vec<Range<Timestamp>> {
    let utc = |date: Date| jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
    let (Ok(midnight), Some(next)) = (utc(date), date.tomorrow().ok().and_then(|next| utc(next).ok())) else {
        return Vec::new();
    };
    let (from, to) = (midnight - OFFSET_MAX, next + OFFSET_MAX);
    let following = zone.time_zone().following(from).map(|transition| transition.timestamp());
    let mut edges = vec![from];
    edges.extend(following.take_while(|edge| *edge < to));
    edges.push(to);
    let mut spans: Vec<Range<Timestamp>> = Vec::new();
    for (start, end) in edges.iter().zip(&edges[1..]) {
        let offset = SignedDuration::from_secs(zone.time_zone().to_offset(*start).seconds().into());
        let span = (midnight - offset).max(*start)..(next - offset).min(*end);
        match spans.last_mut() {
            _ if span.is_empty() => {}
            Some(last) if last.end == span.start => last.end = span.end,
            _ => spans.push(span),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::zone::Zones;

    fn zone(name: &str) -> Zone {
        Zones::bundled().get(name).expect("a zone of the bundled copy")
    }

    fn spans_of(name: &str, date: Date) -> Vec<String> {
        shown(&zone(name), date).iter().map(|span| format!("{} {}", span.start, span.end)).collect()
    }

    #[test]
    fn a_date_lasts_as_long_as_the_clock_shows_it() {
        assert_eq!(spans_of("UTC", date(2027, 12, 25)), ["2027-12-25T00:00:00Z 2027-12-26T00:00:00Z"]);
        assert_eq!(spans_of("Europe/Berlin", date(2026, 3, 29)), ["2026-03-28T23:00:00Z 2026-03-29T22:00:00Z"]);
        assert_eq!(spans_of("Europe/Berlin", date(2026, 10, 25)), ["2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"]);
        // It begins at 01:00.
        assert_eq!(spans_of("Asia/Beirut", date(2026, 3, 29)), ["2026-03-28T22:00:00Z 2026-03-29T21:00:00Z"]);
        // It was skipped.
        assert_eq!(spans_of("Pacific/Apia", date(2011, 12, 30)), [] as [&str; 0]);
        // A minute of the next day was shown before its last hour came again.
        let newfoundland = ["2009-10-31T02:30:00Z 2009-11-01T02:30:00Z", "2009-11-01T02:31:00Z 2009-11-01T03:30:00Z"];
        assert_eq!(spans_of("America/St_Johns", date(2009, 10, 31)), newfoundland);
    }

    #[test]
    fn dates_are_kept_in_order_and_once() {
        let dates = [date(2027, 12, 25), date(2027, 1, 1), date(2027, 12, 25)];
        let excluded = ExcludedDates::new(dates).expect("three dates");
        assert_eq!(excluded.dates(), [date(2027, 1, 1), date(2027, 12, 25)]);
        assert_eq!(ExcludedDates::new([dates[1], dates[0]]), Ok(excluded));
    }

    #[test]
    fn a_date_is_written_in_one_way() {
        assert_eq!(ExcludedDates::read("2026-12-24"), Ok(date(2026, 12, 24)));
        for text in
            ["", "2026-12-32", "24.12.2026", "20261224", "2026-12-24T00:00", "2026-W52-4", "+02026-12-24", "2026-2-04"]
        {
            let error = ExcludedDates::read(text).expect_err("not a date").to_string();
            assert!(error.contains("write it like"), "{error}");
        }
    }

    #[test]
    fn too_many_dates_and_dates_out_of_range_are_refused() {
        let days = |count| date(2027, 1, 1).series(jiff::Span::new().days(1)).take(count);
        assert!(ExcludedDates::new(days(DATES_MAX)).is_ok());
        let error = ExcludedDates::new(days(DATES_MAX + 1)).expect_err("one too many").to_string();
        assert_eq!(error, "more than 1000 dates are excluded");
        for out_of_range in [date(1969, 12, 31), date(2200, 1, 1), Date::MIN, Date::MAX] {
            let error = ExcludedDates::new([out_of_range]).expect_err("out of range").to_string();
            assert!(error.contains("is not between 1970 and 2199"), "{error}");
        }
    }

    #[test]
    fn ranges_that_name_the_same_dates_cost_no_more_than_those_dates() {
        let years = (date(2027, 1, 1), date(2029, 9, 26));
        let begun = std::time::Instant::now();
        let excluded = ExcludedDates::of_ranges(1_000, vec![years; 100_000]).expect("each counts once");
        assert_eq!(excluded.dates().len(), 1_000);
        // Gone through one by one they would be a hundred million.
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn ranges_are_the_dates_that_they_name(
            spans in proptest::collection::vec((0_i64..60, 0_i64..9), 0..12),
            most in 0_usize..40,
        ) {
            let day = |days: i64| date(2027, 2, 20).saturating_add(Span::new().days(days));
            let ranges: Vec<_> = spans.iter().map(|(first, more)| (day(*first), day(first + more))).collect();
            let all = spans.iter().flat_map(|(first, more)| (*first..=first + more).map(day));
            prop_assert_eq!(ExcludedDates::of_ranges(most, ranges), ExcludedDates::at_most(most, all));
        }

        #[test]
        fn an_instant_is_within_the_spans_of_the_date_that_the_clock_shows_and_of_no_other(
            name in proptest::sample::select(&["UTC", "America/St_Johns", "America/Havana", "America/Santiago", "Pacific/Apia", "Pacific/Kwajalein", "Asia/Beirut", "Africa/Cairo"]),
            second in 0_i64..1_500_000_000,
        ) {
            let zone = zone(name);
            // Near a transition, where there is one.
            let instant = Timestamp::from_second(second).expect("in range");
            let edge = zone.time_zone().following(instant).next().map_or(instant, |transition| transition.timestamp());
            for minutes in [-90_i64, -60, -59, -1, 0, 1, 30, 59, 60, 61] {
                let instant = edge + SignedDuration::from_mins(minutes);
                let shows = zone.time_zone().to_datetime(instant).date();
                for other in [shows.yesterday().expect("in range"), shows, shows.tomorrow().expect("in range")] {
                    let is_within = shown(&zone, other).iter().any(|span| span.contains(&instant));
                    prop_assert_eq!(is_within, other == shows, "{} at {} in {}", other, instant, name);
                }
            }
        }
    }
}
