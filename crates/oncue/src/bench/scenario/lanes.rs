//! What sick destinations cost the healthy ones: fifty that are well get their deliveries by the clock, first alone, then beside one
//! that nobody listens for, one that never answers, one that takes five seconds, and one that somebody floods. And what a
//! hundred thousand deliveries that wait for one destination take of memory.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use jiff::SignedDuration;
use oncue_domain::clock::Clock;
use serde_json::{Value, json};

use super::{losses, whole_second};
use crate::bench::Bench;
use crate::bench::load::{self, Client, make_triggers};
use crate::bench::receiver::{Arrival, Receiver};
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::Server;
use crate::bench::sick::{self, Sickness};
use crate::system::SystemClock;

/// How many destinations are well, and how many triggers send to them every second.
const HEALTHY: usize = 50;
const TRIGGERS: usize = 200;

/// How many connections call the triggers of the sick ones, for each of them, before anybody is watched: as fast as they are answered.
const CALLERS: usize = 4;

/// How long the sick ones are sick before anybody is watched: by then a receiver that does not answer has been found out, and what one
/// that nobody listens for was owed has been tried twice.
const SICK_FOR: Duration = Duration::from_secs(20);

/// How long after the last occurrence deliveries may still come before they count as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many connections make what waits, for the memory it takes.
const FILLERS: usize = 32;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let (alone, mut measures) = healthy(bench, "alone: ", &[]).await?;
    let slow = Sickness::Slow(Duration::from_secs(5));
    let (beside, more) = healthy(bench, "beside sick ones: ", &[Sickness::Gone, Sickness::Dead, slow]).await?;
    measures.extend(more);
    for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let ratio = beside.percentile(percent) / alone.percentile(percent);
        measures.push(Measure::less(format!("lateness beside sick ones over that alone, {name}"), "", ratio));
    }
    Ok(measures)
}

/// Makes a destination and gives its number.
async fn destination(client: &mut Client, name: &str, url: &str) -> anyhow::Result<i64> {
    let body = json!({"name": name, "kind": "webhook", "url": url});
    let made = client.call("POST", "/api/v1/destinations", &body.to_string()).await?;
    made["id"].as_i64().context("a destination without a number")
}

/// A trigger that is called and sends there.
fn called(destination: i64) -> Value {
    json!({"name": "flood", "type": "api", "destinations": [destination]})
}

/// How late the deliveries to healthy destinations are, while these others are flooded.
async fn healthy(bench: &Bench, heading: &str, sick: &[Sickness]) -> anyhow::Result<(Sorted, Vec<Measure>)> {
    let seconds = bench.size.pick(20, 3);
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let (receiver, flooded) = (Receiver::start(TRIGGERS * (seconds + 10))?, Receiver::start(1 << 16)?);
    let token = Client::register(server.address()).await?;
    let mut client = Client::connect(server.address(), &token).await?;
    let mut floods = Vec::new();
    for sickness in sick {
        let url = sick::start(*sickness)?;
        floods.extend(vec![called(destination(&mut client, "sick", &url).await?); CALLERS]);
    }
    if !sick.is_empty() {
        let floods = make_triggers(&server.addresses, &token, floods).await?;
        load::fire(&server.addresses, &token, &floods, Duration::from_secs(bench.size.pick(10, 1))).await?;
        tokio::time::sleep(bench.size.pick(SICK_FOR, SICK_FOR / 5)).await;
    }
    // The server hangs up on whoever says nothing for so long.
    let mut client = Client::connect(server.address(), &token).await?;
    let mut well = Vec::new();
    for number in 0..HEALTHY {
        well.push(destination(&mut client, &format!("well {number}"), &receiver.url()).await?);
    }
    let from = whole_second(SystemClock.now(), SignedDuration::from_secs(2));
    let apart = SignedDuration::from_secs(1) / i32::try_from(TRIGGERS)?;
    let body = |number: usize| {
        let start_at = from + apart * i32::try_from(number).unwrap_or(0);
        json!({
            "name": format!("well {number}"), "type": "scheduled", "destinations": [well[number % HEALTHY]],
            "schedule_details": {"every": "1s", "start_at": start_at.to_string()},
        })
    };
    make_triggers(&server.addresses, &token, (0..TRIGGERS).map(body).collect()).await?;
    tokio::time::sleep(Duration::try_from(from.duration_since(SystemClock.now())).unwrap_or_default()).await;
    let lasts = Duration::from_secs(seconds as u64);
    if sick.is_empty() {
        tokio::time::sleep(lasts).await;
    } else {
        // One caller without a pause, whose receiver keeps up.
        let flood = destination(&mut client, "flooded", &flooded.url()).await?;
        let trigger = make_triggers(&server.addresses, &token, vec![called(flood)]).await?;
        load::fire(&server.addresses, &token, &trigger, lasts).await?;
    }
    let until = (from + lasts).as_microsecond();
    let is_meant = |arrival: &Arrival| arrival.scheduled_at.is_some_and(|at| at < until);
    let (expected, late) = (TRIGGERS * seconds, SystemClock.now() + PATIENCE);
    let arrivals = loop {
        let meant: Vec<Arrival> = receiver.arrivals().into_iter().filter(is_meant).collect();
        let distinct: HashSet<_> = meant.iter().map(|arrival| (arrival.trigger, arrival.scheduled_at)).collect();
        if distinct.len() >= expected || SystemClock.now() > late {
            break meant;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let lateness = super::lateness(&arrivals, |arrival| arrival.arrived_at);
    let mut measures = lateness.measures(&format!("{heading}lateness at the receiver"), "ms");
    measures.extend(losses(heading, expected, &arrivals));
    if !sick.is_empty() {
        let per_second = flooded.count() as f64 / lasts.as_secs_f64();
        measures.push(Measure::more(format!("{heading}delivered to the flooded one"), "1/s", per_second));
    }
    Ok((lateness, measures))
}

/// How much memory a server has while very much waits for one destination.
pub(super) async fn waiting(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mut measures = wait_for(bench, "one that never answers", false).await?;
    measures.extend(wait_for(bench, "one that is paused", true).await?);
    Ok(measures)
}

async fn wait_for(bench: &Bench, whom: &str, is_paused: bool) -> anyhow::Result<Vec<Measure>> {
    let most = bench.size.pick(100_000, 2_000);
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let token = Client::register(server.address()).await?;
    let mut client = Client::connect(server.address(), &token).await?;
    let id = destination(&mut client, "it", &sick::start(Sickness::Dead)?).await?;
    if is_paused {
        client.call("POST", &format!("/api/v1/destinations/{id}/pause"), "").await?;
    }
    let triggers = make_triggers(&server.addresses, &token, vec![called(id); FILLERS]).await?;
    // The first calls warm everything up that stays.
    let mut waiting = load::fire(&server.addresses, &token, &triggers, Duration::from_millis(500)).await?.accepted();
    let before = server.cost()?;
    while waiting < most {
        waiting += load::fire(&server.addresses, &token, &triggers, Duration::from_millis(500)).await?.accepted();
    }
    tokio::time::sleep(Duration::from_secs(bench.size.pick(20, 2))).await;
    let after = server.cost()?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let heading = format!("{most} wait for {whom}: ");
    let mut measures = vec![
        Measure::less(format!("{heading}resident memory before"), "MiB", mebibytes(before.resident_bytes)),
        Measure::less(format!("{heading}resident memory with all"), "MiB", mebibytes(after.resident_bytes)),
        Measure::less(format!("{heading}resident memory at most"), "MiB", mebibytes(after.resident_bytes_max)),
    ];
    let idle = server.cost()?;
    tokio::time::sleep(Duration::from_secs(bench.size.pick(10, 1))).await;
    measures.extend(server.cost()?.cpu_share_since(&idle, &heading));
    Ok(measures)
}
