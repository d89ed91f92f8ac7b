//! How late the last of many triggers is that are due at one instant: the hour that half of all cron lines name. With
//! triggers that fire this one time, with cron lines, which are armed again as they fire, and with ten times as many.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use oncue_domain::clock::Clock;
use serde_json::{Value, json};

use super::{lateness, lateness_measures, losses, making, scheduled};
use crate::bench::Bench;
use crate::bench::load::Client;
use crate::bench::receiver::Receiver;
use crate::bench::report::Measure;
use crate::bench::server::{Server, wait_until_settled};
use crate::system::SystemClock;

/// How long nothing may come before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let (many, very_many) = (bench.size.pick(10_000, 1_000), bench.size.pick(100_000, 10_000));
    let mut measures = burst(bench, many, "once", once).await?;
    measures.extend(burst(bench, many, "cron", daily).await?);
    measures.extend(burst(bench, very_many, "once", once).await?);
    Ok(measures)
}

/// Fires at `at` and never again.
fn once(at: Timestamp) -> Value {
    json!({"run_at": at.to_string()})
}

/// Fires in the second of `at` every day.
fn daily(at: Timestamp) -> Value {
    let at = at.to_zoned(TimeZone::UTC);
    json!({"cron": format!("{} {} {} * * *", at.second(), at.minute(), at.hour())})
}

async fn burst(
    bench: &Bench,
    triggers: usize,
    heading: &str,
    schedule: impl Fn(Timestamp) -> Value,
) -> anyhow::Result<Vec<Measure>> {
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let seen = home.look().await?;
    let receiver = Receiver::start(triggers)?;
    let token = Client::register(server.address()).await?;
    // They must all be there when the instant comes; a machine that is too slow for this is told so.
    let due = making::due(bench, &server, &token, triggers).await?;
    let schedule = schedule(due);
    let bodies = (0..triggers).map(|number| scheduled(number, &schedule, &receiver.url())).collect();
    let (left, took) = making::make_in_time(&server, &token, bodies, due).await?;
    let made_per_second = triggers as f64 / took.as_secs_f64();
    tokio::time::sleep(left.saturating_sub(Duration::from_millis(200))).await;
    let before = server.cost()?;
    receiver.wait(triggers, PATIENCE).await;
    wait_until_settled(&*seen.store, PATIENCE).await?;
    let settled_ms = SystemClock.now().duration_since(due).as_secs_f64() * 1e3;
    let cost = server.cost()?;
    let arrivals = receiver.arrivals();
    let heading = format!("{triggers} {heading}: ");
    let at_receiver = lateness(&arrivals, |arrival| arrival.arrived_at);
    let last_ms = at_receiver.percentile(100.0);
    let mut measures = vec![
        Measure::more(format!("{heading}triggers made"), "1/s", made_per_second),
        Measure::less(format!("{heading}first webhook late"), "ms", at_receiver.percentile(0.0)),
    ];
    measures.extend(lateness_measures(&heading, &arrivals));
    measures.push(Measure::more(format!("{heading}delivered"), "1/s", arrivals.len() as f64 / last_ms * 1e3));
    measures.push(Measure::more(
        format!("{heading}delivered and logged"),
        "1/s",
        arrivals.len() as f64 / settled_ms * 1e3,
    ));
    measures.extend(cost.cpu_each_since(&before, &heading, "firing", triggers));
    measures.extend(losses(&heading, triggers, &arrivals));
    Ok(measures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cron_line_names_the_instant() {
        let at: Timestamp = "2027-03-04T05:06:07Z".parse().expect("a timestamp");
        assert_eq!(daily(at), json!({"cron": "7 6 5 * * *"}));
    }
}
