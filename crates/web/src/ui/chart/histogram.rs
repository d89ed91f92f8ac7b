//! The columns above a list of events: how many there were when, each column the way to the events behind it.

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::schedule::zone::Zone;

use super::axis::{TimeLabel, labels};
use super::columns::{Bucket, Stack, table};
use super::record::Counts;
use super::table::Table;
use super::words::{sentence, stretch};

/// How many columns there are at most.
pub(crate) const BUCKETS_MAX: i64 = 96;
/// How wide a column may be, in seconds.
const WIDTHS: [i64; 16] =
    [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_419_200];

/// Columns over any stretch of time.
#[derive(Debug, Template)]
#[template(path = "chart/histogram.html")]
pub(crate) struct Histogram {
    summary: String,
    title: String,
    stack: Stack,
    labels: Vec<TimeLabel>,
    zone: String,
    table: Table,
}

impl askama::filters::HtmlSafe for Histogram {}

/// How wide the columns over a stretch of time are; never narrower than what the counts are taken in.
pub(crate) fn width(from: Timestamp, until: Timestamp, grain: SignedDuration) -> SignedDuration {
    let length = until.duration_since(from).as_secs().max(1);
    // One column more than the length says, where the range begins within one.
    let fits = |width: &i64| length.div_euclid(*width) + 2 <= BUCKETS_MAX && *width >= grain.as_secs();
    let widest = (length / (BUCKETS_MAX - 2)).max(WIDTHS[WIDTHS.len() - 1]).max(grain.as_secs()) + 1;
    SignedDuration::from_secs(WIDTHS.into_iter().find(fits).unwrap_or(widest))
}

/// When the column began that an instant lies in: columns stand at whole multiples of their width, so that they do not
/// move while time goes on.
fn start_of(instant: Timestamp, width: SignedDuration) -> Timestamp {
    let (second, width) = (instant.as_second(), width.as_secs().max(1));
    Timestamp::from_second(second - second.rem_euclid(width)).unwrap_or(instant)
}

impl Histogram {
    /// From counts and when they were, `grain` wide each; `href` says where the events of a stretch of time are listed.
    pub(crate) fn new(
        (from, until): (Timestamp, Timestamp),
        counts: impl IntoIterator<Item = (Timestamp, Counts)>,
        grain: SignedDuration,
        selected: Option<(Timestamp, Timestamp)>,
        href: impl Fn(Timestamp, Timestamp) -> String,
        zone: &Zone,
    ) -> Histogram {
        let buckets = buckets((from, until), counts, width(from, until, grain));
        let (start, end) =
            buckets.first().zip(buckets.last()).map_or((from, until), |(first, last)| (first.from, last.until));
        let all = Counts::sum(buckets.iter().map(|bucket| &bucket.counts));
        let mut stack = Stack::new(start, end, &buckets, zone);
        let mut hrefs = Vec::with_capacity(buckets.len());
        for (column, bucket) in stack.columns.iter_mut().zip(&buckets) {
            let has_any = bucket.counts.fired() > 0;
            column.href = has_any.then(|| href(bucket.from, bucket.until));
            column.is_selected = selected.is_some_and(|(from, until)| bucket.from < until && from < bucket.until);
            hrefs.push(column.href.clone());
        }
        let range = format!("in {}", stretch(start, end, zone.time_zone()));
        let chosen = selected.map(|(from, until)| format!(" Chosen: {}.", stretch(from, until, zone.time_zone())));
        Histogram {
            summary: format!("{}{}", sentence(&all, &range), chosen.unwrap_or_default()),
            title: format!("Events over time {range}"),
            labels: labels(start, end, zone),
            stack,
            zone: zone.name().to_owned(),
            table: table(&buckets, &hrefs, zone),
        }
    }
}

fn buckets(
    (from, until): (Timestamp, Timestamp),
    counts: impl IntoIterator<Item = (Timestamp, Counts)>,
    width: SignedDuration,
) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    let mut start = start_of(from, width);
    while start < until {
        let Ok(end) = start.checked_add(width) else { break };
        buckets.push(Bucket { from: start, until: end, counts: Counts::default() });
        start = end;
    }
    for (instant, counts) in counts {
        if let Ok(place) = buckets.binary_search_by_key(&start_of(instant, width), |bucket| bucket.from) {
            buckets[place].counts.add(&counts);
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn one() -> Counts {
        Counts { delivered: 1, ..Counts::default() }
    }

    #[test]
    fn a_column_leads_to_the_list_of_its_own_stretch_of_time() {
        let range = (at("2026-11-23T08:00:00Z"), at("2026-11-23T10:00:00Z"));
        let failed = Counts { failed: 2, ..Counts::default() };
        let counts = [(at("2026-11-23T08:31:00Z"), one()), (at("2026-11-23T09:59:59Z"), failed)];
        let selected = Some((at("2026-11-23T08:30:00Z"), at("2026-11-23T08:45:00Z")));
        let href = |from: Timestamp, until: Timestamp| format!("/events?q=\"<&from={from}&until={until}");
        let chart = Histogram::new(range, counts, SignedDuration::from_secs(1), selected, href, &Zones::utc());
        assert_eq!(chart.stack.columns.len(), 24, "five minutes each");
        assert_eq!(chart.stack.columns.iter().filter(|column| column.is_selected).count(), 3);
        let html = chart.to_string();
        let link = "href=\"/events?q=&#34;&#60;&#38;from=2026-11-23T08:30:00Z&#38;until=2026-11-23T08:35:00Z\"";
        assert!(html.contains(link), "{html}");
        assert!(html.contains("Mon 23 Nov 09:55–10:00: 2 failed"), "{html}");
        // In the drawing and in the table, and nothing where there is nothing to list.
        assert_eq!(html.matches("href=").count(), 4);
        assert!(
            html.contains(
                "3 firings in Mon 23 Nov 08:00–10:00: 1 delivered, 2 failed. Chosen: Mon 23 Nov 08:30–08:45."
            )
        );
    }

    proptest! {
        #[test]
        fn columns_are_few_and_hold_whatever_lies_within_the_range(
            start in 1_700_000_000_i64..1_900_000_000,
            length in 1_i64..400 * 86_400,
            grain in prop::sample::select(&[1_i64, 3600][..]),
            shares in prop::collection::vec(0.0_f64..1.0, 0..60),
        ) {
            let second = |second| Timestamp::from_second(second).expect("in range");
            let range = (second(start), second(start + length));
            let width = width(range.0, range.1, SignedDuration::from_secs(grain));
            prop_assert!(width.as_secs() >= grain);
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any second will do")]
            let counts = shares.iter().map(|share| (second(start + (share * length as f64) as i64), one()));
            let buckets = buckets(range, counts, width);
            prop_assert!(!buckets.is_empty() && buckets.len() as i64 <= BUCKETS_MAX);
            prop_assert!(buckets[0].from <= range.0 && range.1 <= buckets[buckets.len() - 1].until);
            prop_assert!(buckets.windows(2).all(|pair| pair[0].until == pair[1].from));
            let held = Counts::sum(buckets.iter().map(|bucket| &bucket.counts)).total();
            prop_assert_eq!(held, shares.len() as u64);
        }
    }
}
