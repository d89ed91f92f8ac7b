//! What a server for one person needs: somebody with a handful of triggers and a few calls a day, on whatever small
//! machine happens to be on.

use std::time::Duration;

use serde_json::json;

use crate::bench::Bench;
use crate::bench::load::{Client, make_triggers};
use crate::bench::receiver::Receiver;
use crate::bench::report::Measure;
use crate::bench::server::Server;

/// How many calls that person makes on a day.
const CALLS: usize = 5;

/// How long a delivery may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (started, disk_started) = (server.cost()?, home.bytes().await?);
    let receiver = Receiver::start(CALLS)?;
    let token = Client::register(server.address()).await?;
    let body = json!({"name": "bench", "type": "api", "webhook_url": receiver.url()});
    let made = make_triggers(&server.addresses, &token, vec![body]).await?;
    for trigger in made.iter().cycle().take(CALLS) {
        let mut client = Client::connect(server.address(), &token).await?;
        client.call("POST", &format!("/api/v1/triggers/{trigger}/fire"), r#"{"from":"a person"}"#).await?;
    }
    receiver.wait(CALLS, PATIENCE).await;
    // What a registration needs for a moment, for the password's hash, is given back by then.
    tokio::time::sleep(Duration::from_secs(bench.size.pick(10, 2))).await;
    let (used, disk_used) = (server.cost()?, home.bytes().await?);
    Ok(vec![
        Measure::less("start to listening", "ms", server.ready_after.as_secs_f64() * 1e3),
        Measure::less("resident memory after the start", "MiB", mebibytes(started.resident_bytes)),
        Measure::less(format!("resident memory after {CALLS} calls"), "MiB", mebibytes(used.resident_bytes)),
        Measure::less("resident memory at most", "MiB", mebibytes(used.resident_bytes_max)),
        Measure::less("database files after the start", "MiB", mebibytes(disk_started)),
        Measure::less(format!("database files after {CALLS} calls"), "MiB", mebibytes(disk_used)),
    ])
}
