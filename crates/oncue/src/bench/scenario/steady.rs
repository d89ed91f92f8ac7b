//! Whether a thousand triggers every second keep their time: no occurrence may be left out. Once with their instants
//! spread over the second, and once with all of them at its beginning.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use oncue_domain::clock::Clock;
use serde_json::json;

use super::{lateness_measures, scheduled, whole_second};
use crate::bench::Bench;
use crate::bench::load::{Client, make_triggers};
use crate::bench::receiver::{Arrival, Receiver, repeats};
use crate::bench::report::Measure;
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How many triggers.
const TRIGGERS: usize = 1_000;

/// How long after the last occurrence deliveries may still come before they count as lost.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mut measures = steady(bench, "spread", SignedDuration::from_millis(1)).await?;
    measures.extend(steady(bench, "at once", SignedDuration::ZERO).await?);
    Ok(measures)
}

async fn steady(bench: &Bench, heading: &str, apart: SignedDuration) -> anyhow::Result<Vec<Measure>> {
    let seconds = bench.size.pick(20, 3);
    let folder = bench.folder()?;
    let server = Server::start(&folder)?;
    let receiver = Receiver::start(TRIGGERS * (seconds + 10))?;
    let token = Client::register(&server.address).await?;
    let from = whole_second(SystemClock.now(), SignedDuration::from_secs(3));
    let start_at = |number: usize| from + apart * i32::try_from(number).expect("a thousand fits");
    let body =
        |number| scheduled(number, &json!({"every": "1s", "start_at": start_at(number).to_string()}), &receiver.url());
    make_triggers(&server.address, &token, (0..TRIGGERS).map(body).collect()).await?;
    tokio::time::sleep(Duration::try_from(from.duration_since(SystemClock.now())).unwrap_or_default()).await;
    let before = server.cost()?;
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    let cpu = server.cost()?.cpu_percent_since(&before);
    let until = from + Duration::from_secs(seconds as u64);
    let (from, until) = (from.as_microsecond(), until.as_microsecond());
    let is_meant = |arrival: &Arrival| arrival.scheduled_at.is_some_and(|at| from <= at && at < until);
    let expected = TRIGGERS * seconds;
    let late = SystemClock.now() + PATIENCE;
    let arrivals = loop {
        let meant: Vec<Arrival> = receiver.arrivals().into_iter().filter(is_meant).collect();
        if meant.len() >= expected || SystemClock.now() > late {
            break meant;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let heading = format!("{TRIGGERS} every second, {heading}: ");
    let distinct: HashSet<_> = arrivals.iter().map(|arrival| (arrival.trigger, arrival.scheduled_at)).collect();
    let mut measures = vec![
        Measure::less(format!("{heading}skipped"), "", expected.saturating_sub(distinct.len()) as f64),
        Measure::less(format!("{heading}twice"), "", repeats(&arrivals) as f64),
    ];
    measures.extend(lateness_measures(&heading, &arrivals));
    measures.push(Measure::less(format!("{heading}server's CPU"), "% of a core", cpu));
    Ok(measures)
}
