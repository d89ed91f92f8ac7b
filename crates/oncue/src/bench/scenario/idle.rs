//! How late one trigger is on an idle server, and what the server costs while nothing happens, alone and with a million
//! triggers that wait for other days. Lateness is taken twice: in the log, from the nominal time to when the event was written
//! down, and at the receiver, to when its webhook was there.

use std::time::Duration;

use jiff::SignedDuration;
use oncue_domain::clock::Clock;
use serde_json::json;

use super::{lateness_measures, losses, scheduled, stock, whole_second};
use crate::bench::Bench;
use crate::bench::load::{Client, make_triggers};
use crate::bench::receiver::Receiver;
use crate::bench::report::Measure;
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How long nothing may come before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mut measures = alone(bench).await?;
    measures.extend(beside_many(bench).await?);
    Ok(measures)
}

/// What the server costs from now on, while nothing is due.
pub(super) async fn rest(bench: &Bench, server: &Server, heading: &str) -> anyhow::Result<Vec<Measure>> {
    // What a start or a registration leaves to be tidied up is over by then, and so are the threads that it needed.
    tokio::time::sleep(Duration::from_secs(bench.size.pick(12, 1))).await;
    let before = server.cost()?;
    tokio::time::sleep(Duration::from_secs(bench.size.pick(40, 2))).await;
    let cost = server.cost()?;
    let mut measures = cost.cpu_share_since(&before, heading);
    measures.extend(cost.wakes_since(&before, heading));
    Ok(measures)
}

async fn alone(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let seconds = bench.size.pick(30, 3);
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let receiver = Receiver::start(seconds)?;
    let token = Client::register(server.address()).await?;
    let resting = rest(bench, &server, "nothing to do: ").await?;
    let from = whole_second(SystemClock.now(), SignedDuration::from_millis(500));
    let until = from + Duration::from_secs(seconds as u64);
    // Between two whole seconds, where nothing else of the system is likely to wake up.
    let start_at = from + Duration::from_millis(333);
    let schedule = json!({"every": "1s", "start_at": start_at.to_string()});
    let mut body = scheduled(0, &schedule, &receiver.url());
    body["expires_at"] = json!(until.to_string());
    make_triggers(&server.addresses, &token, vec![body]).await?;
    let before = server.cost()?;
    receiver.wait(seconds, PATIENCE).await;
    let firing = server.cost()?.cpu_share_since(&before, "one trigger every second: ");
    let arrivals = receiver.arrivals();
    let mut measures = lateness_measures("one trigger every second: ", &arrivals);
    measures.extend(losses("one trigger every second: ", seconds, &arrivals));
    measures.extend(firing);
    measures.extend(resting);
    Ok(measures)
}

async fn beside_many(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let triggers = bench.size.pick(1_000_000, 1_000);
    let home = bench.home().await?;
    let receiver = Receiver::start(1)?;
    stock::triggers(&home, triggers, &receiver.url()).await?;
    let server = Server::start(&home)?;
    // The one that is due.
    receiver.wait(1, PATIENCE).await;
    rest(bench, &server, &format!("{triggers} triggers that wait: ")).await
}
