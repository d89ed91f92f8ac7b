//! How long a start takes with a million triggers stored, how soon what is due fires, and how much memory and processor
//! the server needs for so many that wait.

use std::time::Duration;

use anyhow::bail;
use oncue_domain::clock::Clock;

use super::{losses, stock};
use crate::bench::Bench;
use crate::bench::receiver::Receiver;
use crate::bench::report::Measure;
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How long the first firing may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let triggers = bench.size.pick(1_000_000, 20_000);
    let home = bench.home().await?;
    let receiver = Receiver::start(1)?;
    stock::triggers(&home, triggers, &receiver.url()).await?;
    let database_mib = home.bytes().await? as f64 / f64::from(1 << 20);

    let launched_at = SystemClock.now();
    let server = Server::start(&home)?;
    receiver.wait(1, PATIENCE).await;
    let arrivals = receiver.arrivals();
    let Some(first) = arrivals.first() else { bail!("the trigger that was due did not fire") };
    let first_ms = (first.arrived_at - launched_at.as_microsecond()) as f64 / 1e3;
    // What the start needed for a moment is given back by now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = server.cost()?;
    tokio::time::sleep(Duration::from_secs(bench.size.pick(10, 2))).await;
    let after = server.cost()?;

    let heading = format!("{triggers} triggers: ");
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let mut measures = vec![
        Measure::less(format!("{heading}start to listening"), "ms", server.ready_after.as_secs_f64() * 1e3),
        Measure::less(format!("{heading}start to first webhook"), "ms", first_ms),
        Measure::less(format!("{heading}resident memory"), "MiB", mebibytes(after.resident_bytes)),
        Measure::less(format!("{heading}resident memory at most"), "MiB", mebibytes(after.resident_bytes_max)),
        Measure::less(format!("{heading}CPU while nothing is due"), "% of a core", after.cpu_percent_since(&before)),
        Measure::less(format!("{heading}database"), "MiB", database_mib),
    ];
    if let Some(percent) = after.database_cpu_percent_since(&before) {
        let what = format!("{heading}PostgreSQL's CPU while nothing is due");
        measures.push(Measure::less(what, "% of a core", percent));
    }
    measures.extend(losses(&heading, 1, &receiver.arrivals()));
    Ok(measures)
}
