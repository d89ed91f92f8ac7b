//! How late one trigger is on an idle server, and what the server costs while nothing happens. Lateness is taken twice: in
//! the log, from the nominal time to when the event was written down, and at the receiver, to when its webhook was there.

use std::time::Duration;

use jiff::SignedDuration;
use oncue_domain::clock::Clock;
use serde_json::json;

use super::{lateness_measures, losses, scheduled, whole_second};
use crate::bench::Bench;
use crate::bench::load::{Client, make_triggers};
use crate::bench::receiver::Receiver;
use crate::bench::report::Measure;
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How long nothing may come before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let seconds = bench.size.pick(30, 3);
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let receiver = Receiver::start(seconds)?;
    let token = Client::register(server.address()).await?;
    let before = server.cost()?;
    tokio::time::sleep(Duration::from_secs(bench.size.pick(10, 2))).await;
    let resting = server.cost()?.cpu_share_since(&before, "nothing to do: ");
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
