//! Whether many triggers keep their time that fire every second: no occurrence may be left out, and nothing may grow while it
//! goes on. Once with their instants spread over the second, and once with all of them at its beginning. And whether two
//! hundred do while somebody watches. How many there can be is looked for in `ceiling`.

use std::time::Duration;

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use serde_json::json;

use super::backlog::Late;
use super::{lateness, lateness_measures, making, scheduled};
use crate::bench::Bench;
use crate::bench::amounts::Instants;
use crate::bench::cost::Cost;
use crate::bench::load::Client;
use crate::bench::receiver::{Arrival, Receiver, repeats};
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::{Server, wait_until_settled};
use crate::bench::watcher::Watchers;
use crate::system::SystemClock;

/// How many triggers, where nobody says.
const TRIGGERS: u32 = 1_000;

/// How many triggers while pages are open, and how many pages.
const WATCHED: usize = 200;
const PAGES: usize = 20;

/// How long nothing may come before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is said how far a long course is, in seconds.
const TOLD_EVERY: usize = 10;

/// So many firings at most: each leaves a note in memory.
const FIRINGS_MAX: usize = 20_000_000;

/// The counter of what was left out.
const SKIPPED: &str = "oncue_skipped_occurrences_total";

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let triggers = bench.amounts.triggers.unwrap_or(TRIGGERS) as usize;
    let seconds = seconds(bench);
    let asked = bench.amounts.instants;
    let mut measures = Vec::new();
    for (instants, how) in [(Instants::Spread, "spread"), (Instants::AtOnce, "at once")] {
        if asked.is_none_or(|asked| asked == instants) {
            let course = Course { triggers, seconds, instants, pages: 0, late: 0 };
            measures.extend(run_course(bench, &course).await?.measures(how));
        }
    }
    Ok(measures)
}

/// The same with fewer triggers: while nobody looks, and while as many pages are open as one user can look at and more.
pub(super) async fn watched(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let alone =
        Course { triggers: WATCHED, seconds: bench.size.pick(20, 3), instants: Instants::Spread, pages: 0, late: 0 };
    let mut measures = run_course(bench, &alone).await?.measures("nobody looks");
    let watched = run_course(bench, &Course { pages: PAGES, ..alone }).await?;
    measures.extend(watched.measures(&format!("{PAGES} pages open")));
    Ok(measures)
}

/// For how long triggers fire.
pub(super) fn seconds(bench: &Bench) -> usize {
    bench.amounts.seconds.map_or(bench.size.pick(20, 3), |seconds| seconds as usize)
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// How many triggers, each firing every second.
    pub(super) triggers: usize,
    /// For so long.
    pub(super) seconds: usize,
    /// Where in the second.
    pub(super) instants: Instants,
    /// While so many pages are open.
    pub(super) pages: usize,
    /// While so many occurrences of another trigger are made up for, at the same receiver.
    pub(super) late: usize,
}

/// How it went.
pub(super) struct Kept {
    course: Course,
    from: Timestamp,
    arrivals: Vec<Arrival>,
    /// How many occurrences the server left out and recorded as skipped.
    pub(super) skipped: usize,
    /// How many neither came nor were skipped.
    pub(super) lost: usize,
    /// How many webhooks brought an occurrence again.
    pub(super) twice: usize,
    before: Cost,
    cost: Cost,
    memory: Memory,
    looks: Vec<f64>,
    late: Option<Late>,
}

/// Resident memory over the course, in bytes, looked at every second.
struct Memory {
    first: u64,
    last: u64,
    most: u64,
}

impl Kept {
    /// How late webhooks were at the receiver, in milliseconds.
    pub(super) fn lateness(&self) -> Sorted {
        lateness(&self.arrivals, |arrival| arrival.arrived_at)
    }

    /// The same for one quarter of the time, from 0 to 3.
    pub(super) fn lateness_in(&self, quarter: i64) -> Sorted {
        let (from, length) = (self.from.as_microsecond(), self.course.seconds as i64 * 250_000);
        let within = from + quarter * length..from + (quarter + 1) * length;
        let due = |arrival: &&Arrival| arrival.scheduled_at.is_some_and(|at| within.contains(&at));
        let arrivals: Vec<Arrival> = self.arrivals.iter().filter(due).copied().collect();
        lateness(&arrivals, |arrival| arrival.arrived_at)
    }

    /// The share of one core that the server took, in percent.
    pub(super) fn cpu_percent(&self) -> f64 {
        self.cost.cpu_percent_since(&self.before)
    }

    pub(super) fn measures(&self, how: &str) -> Vec<Measure> {
        let heading = format!("{} every second, {how}: ", self.course.triggers);
        let mut measures = vec![
            Measure::less(format!("{heading}skipped"), "", self.skipped as f64),
            Measure::less(format!("{heading}lost"), "", self.lost as f64),
            Measure::less(format!("{heading}twice"), "", self.twice as f64),
        ];
        measures.extend(lateness_measures(&heading, &self.arrivals));
        for (name, quarter) in [("first", 0), ("last", 3)] {
            let what = format!("{heading}lateness at the receiver in the {name} quarter, p99");
            measures.push(Measure::less(what, "ms", self.lateness_in(quarter).percentile(99.0)));
        }
        measures.extend(self.cost.cpu_share_since(&self.before, &heading));
        let Memory { first, last, most } = self.memory;
        for (name, bytes) in [(" at first", first), ("", last), (" at most", most)] {
            let mebibytes = bytes as f64 / f64::from(1 << 20);
            measures.push(Measure::less(format!("{heading}resident memory{name}"), "MiB", mebibytes));
        }
        if self.course.pages > 0 {
            let per_second = self.looks.len() as f64 / self.course.seconds as f64;
            measures.push(Measure::more(format!("{heading}pages looked at"), "1/s", per_second));
            measures.extend(Sorted::of(self.looks.iter().copied()).measures(&format!("{heading}a look"), "ms"));
        }
        measures.extend(self.late.iter().flat_map(Late::measures));
        measures
    }
}

/// Lets it happen.
pub(super) async fn run_course(bench: &Bench, course: &Course) -> anyhow::Result<Kept> {
    let Course { triggers, seconds, instants, pages, late } = *course;
    let expected = triggers * seconds;
    ensure!(
        expected <= FIRINGS_MAX,
        "{triggers} triggers for {seconds} seconds fire {expected} times; at most {FIRINGS_MAX} can be noted"
    );
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let seen = home.look().await?;
    let receiver = Receiver::start(expected + late)?;
    let token = Client::register(server.address()).await?;
    let from = making::due(bench, &server, &token, triggers).await?;
    let until = from + Duration::from_secs(seconds as u64);
    let apart = match instants {
        Instants::Spread => SignedDuration::from_secs(1) / i32::try_from(triggers)?,
        Instants::AtOnce => SignedDuration::ZERO,
    };
    let body = |number: usize| {
        let start_at = from + apart * i32::try_from(number).unwrap_or(0);
        let schedule = json!({"every": "1s", "start_at": start_at.to_string()});
        let mut body = scheduled(number, &schedule, &receiver.url());
        body["expires_at"] = json!(until.to_string());
        body
    };
    let (left, _) = making::make_in_time(&server, &token, (0..triggers).map(body).collect(), from).await?;
    let watchers = Watchers::open(server.address(), &token, "/", pages);
    tokio::time::sleep(left).await;
    let mut late = match late {
        0 => None,
        count => Some(Late::begin(&server, &token, &receiver, count).await?),
    };
    let before = server.cost()?;
    let memory = watch(&server, &receiver, from, seconds).await?;
    let cost = server.cost()?;
    let looks = watchers.close();
    receiver.wait(expected + course.late, PATIENCE).await;
    // What was left out and what came a second time is known once nothing is owed.
    if let Err(error) = wait_until_settled(&*seen.store, PATIENCE).await {
        eprintln!("bench: {error:#}");
    }
    let mut arrivals = receiver.arrivals();
    if let Some(late) = &mut late {
        late.take(&mut arrivals);
    }
    let (twice, skipped) = (repeats(&arrivals), skipped(&server).await?);
    let lost = expected.saturating_sub(arrivals.len() - twice + skipped);
    seen.close().await;
    Ok(Kept { course: *course, from, arrivals, skipped, lost, twice, before, cost, memory, looks, late })
}

/// Lets the time pass, and looks at the memory every second.
async fn watch(server: &Server, receiver: &Receiver, from: Timestamp, seconds: usize) -> anyhow::Result<Memory> {
    let first = server.cost()?.resident_bytes;
    let mut memory = Memory { first, last: first, most: first };
    for second in 1..=seconds {
        let next = from + Duration::from_secs(second as u64);
        tokio::time::sleep(Duration::try_from(next.duration_since(SystemClock.now())).unwrap_or_default()).await;
        memory.last = server.cost()?.resident_bytes;
        memory.most = memory.most.max(memory.last);
        if second % TOLD_EVERY == 0 && second < seconds {
            let mebibytes = memory.last as f64 / f64::from(1 << 20);
            eprintln!("bench: {second} of {seconds} s, {} came, {mebibytes:.1} MiB", receiver.count());
        }
    }
    Ok(memory)
}

/// How many occurrences the nodes have left out since they started.
async fn skipped(server: &Server) -> anyhow::Result<usize> {
    let mut skipped = 0;
    for address in &server.addresses {
        let metrics = Client::connect(address, "").await?.page("/metrics").await?;
        skipped += counted(&metrics);
    }
    Ok(skipped)
}

/// The counter is not there before it counts.
fn counted(metrics: &str) -> usize {
    let values =
        metrics.lines().filter_map(|line| line.strip_prefix(SKIPPED)?.strip_prefix(' ')?.parse::<usize>().ok());
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_skipped_is_read_from_the_metrics() {
        let metrics = format!("# TYPE {SKIPPED} counter\n{SKIPPED} 12\n{SKIPPED}_of_others 5\nother 7\n");
        assert_eq!(counted(&metrics), 12);
        assert_eq!(counted("other 7\n"), 0);
    }
}
