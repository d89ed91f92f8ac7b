//! The most triggers every second that keep their time: twice as many are tried until some do not, and then the middle
//! between what held and what did not, until the two are close. Every try has a server and a database of its own, so that
//! none pays for the one before. What holds is said here and nowhere else.

use super::steady::{Course, Kept, run_course, seconds};
use crate::bench::Bench;
use crate::bench::amounts::Instants;
use crate::bench::report::Measure;

/// How late the 99th percentile may be at the receiver, in milliseconds.
const LATE_MAX_MS: f64 = 100.0;

/// How much later the median of the last quarter may be than that of the first: twice, and so many milliseconds.
const GROWTH_MAX_MS: f64 = 5.0;

/// Where what held and what did not are this close, the search ends: a tenth of what held.
const CLOSE_ENOUGH: usize = 10;

/// The first try.
const FIRST: usize = 1_000;

/// So many triggers at most.
const LAST: usize = 128_000;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let (first, last) = bench.size.pick((FIRST, LAST), (20, 40));
    let mut search = Search { next: first, last, held: 0, failed: None };
    let mut best = None;
    while let Some(triggers) = search.next() {
        let course = Course { triggers, seconds: seconds(bench), instants: Instants::Spread, pages: 0, late: 0 };
        let kept = run_course(bench, &course).await?;
        let complaint = complaint(&kept);
        match &complaint {
            None => eprintln!("bench: {triggers} every second hold"),
            Some(why) => eprintln!("bench: {triggers} every second do not hold: {why}"),
        }
        search.learn(triggers, complaint.is_none());
        if complaint.is_none() {
            best = Some(kept);
        }
    }
    let mut measures = vec![Measure::more("highest rate that held", "1/s", search.held as f64)];
    measures.extend(search.failed.map(|rate| Measure::more("lowest rate that did not hold", "1/s", rate as f64)));
    if let Some(kept) = best {
        measures.extend(kept.lateness().measures("at the highest rate: lateness at the receiver", "ms"));
        measures.push(Measure::less("at the highest rate: server's CPU", "% of a core", kept.cpu_percent()));
    }
    Ok(measures)
}

/// Why a rate does not hold; none where it does.
fn complaint(kept: &Kept) -> Option<String> {
    if kept.skipped + kept.lost + kept.twice > 0 {
        return Some(format!("{} skipped, {} lost, {} twice", kept.skipped, kept.lost, kept.twice));
    }
    let late = kept.lateness().percentile(99.0);
    if late >= LATE_MAX_MS {
        return Some(format!("p99 {late:.0} ms late"));
    }
    let median = |quarter| kept.lateness_in(quarter).percentile(50.0);
    does_grow(median(0), median(3)).then(|| format!("p50 grew from {:.1} to {:.1} ms", median(0), median(3)))
}

/// Whether lateness grows, by its medians in the first and the last quarter.
fn does_grow(first_ms: f64, last_ms: f64) -> bool {
    last_ms > 2.0 * first_ms + GROWTH_MAX_MS
}

/// What is known, and what is tried next.
#[derive(Debug)]
struct Search {
    next: usize,
    last: usize,
    held: usize,
    failed: Option<usize>,
}

impl Search {
    /// What to try; none when enough is known.
    fn next(&self) -> Option<usize> {
        let is_open = match self.failed {
            Some(failed) => failed - self.held > (self.held / CLOSE_ENOUGH).max(1),
            None => self.held < self.last,
        };
        is_open.then_some(self.next)
    }

    /// Takes in how a try went.
    fn learn(&mut self, tried: usize, did_hold: bool) {
        if did_hold {
            self.held = self.held.max(tried);
        } else {
            self.failed = Some(self.failed.map_or(tried, |failed| failed.min(tried)));
        }
        self.next = match self.failed {
            Some(failed) => self.held.midpoint(failed),
            None => (2 * tried).min(self.last),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried where all up to `ceiling` hold, and what is found.
    fn tried(first: usize, last: usize, ceiling: usize) -> (Vec<usize>, usize) {
        let (mut search, mut tried) = (Search { next: first, last, held: 0, failed: None }, Vec::new());
        while let Some(triggers) = search.next() {
            tried.push(triggers);
            search.learn(triggers, triggers <= ceiling);
        }
        (tried, search.held)
    }

    #[test]
    fn the_ceiling_is_found_by_doubling_and_then_halving_what_is_left() {
        assert_eq!(tried(1_000, 128_000, 5_300), (vec![1_000, 2_000, 4_000, 8_000, 6_000, 5_000, 5_500], 5_000));
    }

    #[test]
    fn a_server_that_holds_nothing_of_what_is_tried_first_is_tried_with_less() {
        assert_eq!(tried(1_000, 128_000, 130), (vec![1_000, 500, 250, 125, 187, 156, 140, 132], 125));
        assert_eq!(tried(4, 8, 0), (vec![4, 2, 1], 0));
    }

    #[test]
    fn the_search_ends_where_no_more_is_asked_for() {
        assert_eq!(tried(20, 40, 1_000_000), (vec![20, 40], 40));
        assert_eq!(tried(30, 40, 1_000_000), (vec![30, 40], 40));
    }

    #[test]
    fn lateness_that_wavers_does_not_grow_and_lateness_that_adds_up_does() {
        assert!(!does_grow(0.5, 5.0));
        assert!(!does_grow(20.0, 40.0));
        assert!(does_grow(1.0, 20.0));
    }
}
