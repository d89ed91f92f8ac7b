//! The last two days by the hour, and where in them events turn from active to archived. What was before anything was
//! counted stays blank: no data is not zero.

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::count::hour_of;
use oncue_domain::event::Retention;
use oncue_domain::schedule::zone::Zone;

use super::axis::{TimeLabel, labels};
use super::columns::{Bucket, Stack, table};
use super::draw::{Num, share};
use super::record::{Counts, HourCount};
use super::table::Table;
use super::words::sentence;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// As many hours as events are kept are shown, within these bounds.
const HOURS_MIN: i64 = 48;
const HOURS_MAX: i64 = 168;

/// Where events become archived.
#[derive(Debug)]
struct Border {
    x: Num,
    /// On which side its words have room.
    is_left: bool,
}

/// Columns, one for each hour.
#[derive(Debug, Template)]
#[template(path = "chart/history.html")]
pub(crate) struct History {
    title: String,
    summary: String,
    stack: Stack,
    labels: Vec<TimeLabel>,
    border: Option<Border>,
    /// Up to where nothing is known.
    blank: Option<Num>,
    zone: String,
    table: Table,
}

impl askama::filters::HtmlSafe for History {}

impl History {
    /// From the hours that had something, and since when hours are counted; without that, since the first of them.
    pub(crate) fn new(
        hours: &[HourCount],
        counted_since: Option<Timestamp>,
        retention: Retention,
        now: Timestamp,
        zone: &Zone,
    ) -> History {
        let width = width(retention);
        let until = hour_of(now) + HOUR;
        let from = until - HOUR * width;
        let known = counted_since.or_else(|| hours.iter().map(|hour| hour.hour).min()).map_or(until, hour_of);
        let buckets: Vec<Bucket> = (0..i64::from(width))
            .map(|place| from + SignedDuration::from_hours(place))
            .filter(|start| *start >= known)
            .map(|start| Bucket { from: start, until: start + HOUR, counts: Counts::default() })
            .collect();
        let buckets = filled(buckets, hours);
        let all = Counts::sum(buckets.iter().map(|bucket| &bucket.counts));
        let title = format!("Firings by the hour, the last {width} h");
        History {
            summary: sentence(&all, &format!("in the last {width} h")),
            title,
            stack: Stack::new(from, until, &buckets, zone),
            labels: labels(from, until, zone),
            border: border(retention, now, from, until),
            blank: (known > from).then(|| Num(share(known.min(until), from, until))),
            zone: zone.name().to_owned(),
            table: table(&buckets, &[], zone),
        }
    }
}

fn width(retention: Retention) -> i32 {
    let hours = retention.keep_for.as_secs().saturating_add(3599) / 3600;
    i32::try_from(hours.clamp(HOURS_MIN, HOURS_MAX)).expect("it was just bounded")
}

fn filled(mut buckets: Vec<Bucket>, hours: &[HourCount]) -> Vec<Bucket> {
    for hour in hours {
        if let Ok(place) = buckets.binary_search_by_key(&hour_of(hour.hour), |bucket| bucket.from) {
            buckets[place].counts.add(&Counts::from(hour));
        }
    }
    buckets
}

fn border(retention: Retention, now: Timestamp, from: Timestamp, until: Timestamp) -> Option<Border> {
    let at = now.checked_sub(retention.active_for).ok()?;
    let is_drawn = retention.active_for < retention.keep_for && from < at && at < until;
    let x = share(at, from, until);
    is_drawn.then_some(Border { x: Num(x), is_left: x > 50.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn hour(start: &str, fired: u64, delivered: u64, failed: u64) -> HourCount {
        HourCount { hour: at(start), fired, delivered, failed, skipped: 0, late: [0; 5] }
    }

    fn drawn(hours: &[HourCount], retention: Retention) -> History {
        History::new(hours, None, retention, at("2026-11-23T10:20:00Z"), &Zones::utc())
    }

    #[test]
    fn hours_before_the_first_known_one_are_blank_and_hours_after_it_are_zero() {
        let chart = drawn(&[hour("2026-11-23T07:00:00Z", 5, 4, 1)], Retention::STANDARD);
        assert_eq!(chart.stack.columns.len(), 4);
        assert_eq!(chart.blank.map(|to| to.to_string()).as_deref(), Some("91.67"));
        assert!(chart.stack.columns[1].parts.is_empty());
        assert_eq!(chart.stack.columns[0].text, "Mon 23 Nov 07:00–08:00: 4 delivered, 1 failed");
        assert_eq!(chart.summary, "5 firings in the last 48 h: 4 delivered, 1 failed.");
        let empty = drawn(&[], Retention::STANDARD);
        assert!(empty.stack.columns.is_empty() && empty.blank == Some(Num(100.0)));
        assert_eq!(empty.summary, "Nothing fired in the last 48 h.");
    }

    #[test]
    fn the_line_stands_where_events_become_archived() {
        // 08:20, of the 48 hours that end at 11:00.
        let standard = drawn(&[], Retention::STANDARD);
        assert_eq!(standard.border.expect("a line").x.to_string(), "94.44");
        let hours = SignedDuration::from_hours;
        let longer = drawn(&[], Retention { active_for: hours(24), keep_for: hours(96) });
        assert!(longer.title.ends_with("96 h") && longer.border.is_some());
        let never = drawn(&[], Retention { active_for: hours(48), keep_for: hours(48) });
        assert!(never.border.is_none());
        let year = drawn(&[], Retention { active_for: hours(2), keep_for: SignedDuration::MAX });
        assert!(year.title.ends_with("168 h"));
    }

    proptest! {
        #[test]
        fn every_firing_within_the_hours_is_counted_once(ages in prop::collection::vec((0_i64..60, 0_u64..1000), 0..80)) {
            let now = at("2026-11-23T10:20:00Z");
            let hours: Vec<HourCount> = ages
                .iter()
                .map(|(age, fired)| HourCount {
                    hour: hour_of(now) - SignedDuration::from_hours(*age),
                    fired: *fired, delivered: *fired, failed: 0, skipped: 0, late: [0; 5],
                })
                .collect();
            let chart = History::new(&hours, Some(now - SignedDuration::from_hours(400)), Retention::STANDARD, now, &Zones::utc());
            let due: u64 = ages.iter().filter(|(age, _)| *age < 48).map(|(_, fired)| fired).sum();
            let counts = Counts { delivered: due, ..Counts::default() };
            prop_assert_eq!(chart.summary, sentence(&counts, "in the last 48 h"));
            prop_assert_eq!(chart.stack.columns.len(), 48);
        }
    }
}
