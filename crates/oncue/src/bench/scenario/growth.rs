//! How cost grows with how much there is: the same questions to servers with a thousand triggers and with a million, with ten
//! thousand events and with ten million. The numbers stand side by side, because what matters is not how small one is but
//! that the last is no larger than the first.

use std::time::{Duration, Instant};

use anyhow::Context;
use oncue_domain::clock::Clock;
use serde_json::json;

use super::{list, stock};
use crate::bench::Bench;
use crate::bench::load::{Client, fire, make_triggers};
use crate::bench::receiver::Receiver;
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::Server;
use crate::system::SystemClock;

/// The numbers of triggers.
const TRIGGERS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// The numbers of events.
const EVENTS: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];

/// How long the first firing may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many programs call at once.
const CONNECTIONS: usize = 64;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mut measures = Vec::new();
    for size in up_to(bench.size.pick(&TRIGGERS[..], &[500, 2_000]), bench.amounts.triggers) {
        eprintln!("bench: growth, {size} triggers");
        measures.extend(with_triggers(bench, size).await?.into_iter().map(|measure| measure.of(size)));
    }
    for size in up_to(bench.size.pick(&EVENTS[..], &[2_000, 4_000]), bench.amounts.events) {
        eprintln!("bench: growth, {size} events");
        measures.extend(with_events(bench, size).await?.into_iter().map(|measure| measure.of(size)));
    }
    Ok(measures)
}

/// The sizes that are not greater than what was asked for; the least in any case.
fn up_to(sizes: &[u64], most: Option<u32>) -> Vec<u64> {
    let fit = |(place, size): &(usize, u64)| *place == 0 || most.is_none_or(|most| *size <= u64::from(most));
    sizes.iter().copied().enumerate().filter(fit).map(|(_, size)| size).collect()
}

async fn with_triggers(bench: &Bench, count: u64) -> anyhow::Result<Vec<Measure>> {
    let home = bench.home().await?;
    let receiver = Receiver::start(1)?;
    stock::triggers(&home, count, &receiver.url()).await?;
    let bytes = home.bytes().await?;
    let launched_at = SystemClock.now();
    let server = Server::start(&home)?;
    receiver.wait(1, PATIENCE).await;
    let first = *receiver.arrivals().first().context("the trigger that was due did not fire")?;
    let first_ms = (first.arrived_at - launched_at.as_microsecond()) as f64 / 1e3;
    let mut measures = started("triggers: ", &server, bytes, count)?;
    measures.push(Measure::less("triggers: start to first webhook", "ms", first_ms));
    let resting = server.cost()?;
    tokio::time::sleep(Duration::from_secs(bench.size.pick(20, 1))).await;
    measures.extend(server.cost()?.cpu_share_since(&resting, "triggers: nothing is due: "));
    let token = Client::login(server.address()).await?;
    let mut client = Client::connect(server.address(), &token).await?;
    let times = bench.size.pick(200, 10);
    for (name, path) in [("a page of the API", "/api/v1/triggers?limit=50"), ("the dashboard", "/")] {
        let took_ms = ask(&mut client, path, times).await?;
        measures.push(Measure::less(format!("triggers: {name}, p50"), "ms", took_ms.percentile(50.0)));
    }
    let body =
        json!({"name": "one more", "type": "scheduled", "schedule_details": {"cron": "0 9 * * MON-FRI"}}).to_string();
    let mut took_ms = Vec::with_capacity(times);
    for _ in 0..times {
        let asked = Instant::now();
        client.call("POST", "/api/v1/triggers", &body).await?;
        took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    measures.push(Measure::less("triggers: one more, p50", "ms", Sorted::of(took_ms).percentile(50.0)));
    measures.extend(calls(bench, &server, &token, "triggers: ").await?);
    Ok(measures)
}

async fn with_events(bench: &Bench, count: u64) -> anyhow::Result<Vec<Measure>> {
    let home = bench.home().await?;
    let now = SystemClock.now();
    let called = stock::events(&home, count, now).await?;
    let bytes = home.bytes().await?;
    let server = Server::start(&home)?;
    let mut measures = started("events: ", &server, bytes, count)?;
    let token = Client::login(server.address()).await?;
    let mut client = Client::connect(server.address(), &token).await?;
    let times = bench.size.pick(200, 10);
    for question in list::questions(&called, now, count) {
        let took_ms = question.ask(&mut client, times).await?;
        measures.push(Measure::less(format!("events: 50, {}, p50", question.name), "ms", took_ms.percentile(50.0)));
    }
    for (name, path) in [("the dashboard", "/"), ("a text that is nowhere", "/events?status=all&text=nowhere")] {
        let took_ms = ask(&mut client, path, times).await?;
        measures.push(Measure::less(format!("events: {name}, p50"), "ms", took_ms.percentile(50.0)));
    }
    measures.extend(calls(bench, &server, &token, "events: ").await?);
    Ok(measures)
}

/// What a server needs that has just started with `count` of something stored.
fn started(heading: &str, server: &Server, bytes: u64, count: u64) -> anyhow::Result<Vec<Measure>> {
    let resident = server.cost()?.resident_bytes as f64 / f64::from(1 << 20);
    Ok(vec![
        Measure::less(format!("{heading}start to listening"), "ms", server.ready_after.as_secs_f64() * 1e3),
        Measure::less(format!("{heading}resident memory"), "MiB", resident),
        Measure::less(format!("{heading}database, for each"), "B", bytes as f64 / count as f64),
    ])
}

/// How long a page takes, in milliseconds.
async fn ask(client: &mut Client, path: &str, times: usize) -> anyhow::Result<Sorted> {
    let mut took_ms = Vec::with_capacity(times);
    for _ in 0..times {
        let asked = Instant::now();
        client.page(path).await?;
        took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Sorted::of(took_ms))
}

/// How many calls of fire are accepted in a second beside all that is stored.
async fn calls(bench: &Bench, server: &Server, token: &str, heading: &str) -> anyhow::Result<Vec<Measure>> {
    let bodies = (0..CONNECTIONS).map(|number| json!({"name": format!("called {number}"), "type": "api"})).collect();
    let triggers = make_triggers(&server.addresses, token, bodies).await?;
    let before = server.cost()?;
    let lasts = bench.size.pick(Duration::from_secs(3), Duration::from_millis(300));
    let answered = fire(&server.addresses, token, &triggers, lasts).await?;
    let mut measures = vec![Measure::more(format!("{heading}calls accepted"), "1/s", answered.per_second())];
    measures.extend(server.cost()?.cpu_each_since(&before, heading, "call", answered.accepted()));
    Ok(measures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_a_number_gets_the_sizes_up_to_it() {
        assert_eq!(up_to(&EVENTS, None), EVENTS);
        assert_eq!(up_to(&EVENTS, Some(1_500_000)), [10_000, 100_000, 1_000_000]);
        assert_eq!(up_to(&EVENTS, Some(5)), [10_000]);
    }
}
