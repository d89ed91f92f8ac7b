//! Whether a thousand triggers every second keep their time: no occurrence may be left out. Once with their instants
//! spread over the second, and once with all of them at its beginning. And whether two hundred do while somebody watches.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use oncue_domain::clock::Clock;
use serde_json::json;

use super::{lateness_measures, scheduled, whole_second};
use crate::bench::Bench;
use crate::bench::load::{Client, make_triggers};
use crate::bench::receiver::{Arrival, Receiver, repeats};
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::Server;
use crate::bench::watcher::Watchers;
use crate::system::SystemClock;

/// How many triggers.
const TRIGGERS: usize = 1_000;

/// How many triggers while pages are open, and how many pages.
const WATCHED: usize = 200;
const PAGES: usize = 20;

/// How long after the last occurrence deliveries may still come before they count as lost.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mut measures = steady(bench, TRIGGERS, "spread", SignedDuration::from_millis(1), 0).await?;
    measures.extend(steady(bench, TRIGGERS, "at once", SignedDuration::ZERO, 0).await?);
    Ok(measures)
}

/// The same with fewer triggers: while nobody looks, and while as many pages are open as one user can look at and more.
pub(super) async fn watched(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let apart = SignedDuration::from_millis(5);
    let mut measures = steady(bench, WATCHED, "nobody looks", apart, 0).await?;
    measures.extend(steady(bench, WATCHED, &format!("{PAGES} pages open"), apart, PAGES).await?);
    Ok(measures)
}

async fn steady(
    bench: &Bench,
    triggers: usize,
    heading: &str,
    apart: SignedDuration,
    pages: usize,
) -> anyhow::Result<Vec<Measure>> {
    let seconds = bench.size.pick(20, 3);
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let receiver = Receiver::start(triggers * (seconds + 10))?;
    let token = Client::register(server.address()).await?;
    let from = whole_second(SystemClock.now(), SignedDuration::from_secs(3));
    let start_at = |number: usize| from + apart * i32::try_from(number).expect("a thousand fits");
    let body =
        |number| scheduled(number, &json!({"every": "1s", "start_at": start_at(number).to_string()}), &receiver.url());
    make_triggers(&server.addresses, &token, (0..triggers).map(body).collect()).await?;
    let watchers = Watchers::open(server.address(), &token, "/", pages);
    tokio::time::sleep(Duration::try_from(from.duration_since(SystemClock.now())).unwrap_or_default()).await;
    let before = server.cost()?;
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    let cost = server.cost()?;
    let looks = watchers.close();
    let until = from + Duration::from_secs(seconds as u64);
    let (from, until) = (from.as_microsecond(), until.as_microsecond());
    let is_meant = |arrival: &Arrival| arrival.scheduled_at.is_some_and(|at| from <= at && at < until);
    let expected = triggers * seconds;
    let late = SystemClock.now() + PATIENCE;
    let arrivals = loop {
        let meant: Vec<Arrival> = receiver.arrivals().into_iter().filter(is_meant).collect();
        if meant.len() >= expected || SystemClock.now() > late {
            break meant;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let heading = format!("{triggers} every second, {heading}: ");
    let distinct: HashSet<_> = arrivals.iter().map(|arrival| (arrival.trigger, arrival.scheduled_at)).collect();
    let mut measures = vec![
        Measure::less(format!("{heading}skipped"), "", expected.saturating_sub(distinct.len()) as f64),
        Measure::less(format!("{heading}twice"), "", repeats(&arrivals) as f64),
    ];
    measures.extend(lateness_measures(&heading, &arrivals));
    measures.extend(cost.cpu_share_since(&before, &heading));
    if triggers == WATCHED {
        let memory = cost.resident_bytes as f64 / 1_048_576.0;
        measures.push(Measure::less(format!("{heading}resident memory"), "MiB", memory));
    }
    if pages > 0 {
        let per_second = looks.len() as f64 / seconds as f64;
        measures.push(Measure::more(format!("{heading}pages looked at"), "1/s", per_second));
        measures.extend(Sorted::of(looks).measures(&format!("{heading}a look"), "ms"));
    }
    Ok(measures)
}
