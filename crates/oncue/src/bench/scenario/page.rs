//! How long a page of fifty events takes when there are a million, at the newest end and in the middle; and how long and how
//! large the pages for people are for a user with many triggers and events. A user registers with a server as usual; the
//! events are written through the store while the server is away.

mod past;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::event::Origin;
use oncue_domain::id::{Ids, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{Call, Fired};
use serde_json::json;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::bench::home::Home;
use crate::bench::load::{Client, make_triggers};
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::Server;
use crate::system::{SystemClock, fill_random};

/// Over how long the events are spread: nearly as long as they are kept.
const SPREAD: SignedDuration = SignedDuration::from_hours(40);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let events = bench.size.pick(1_000_000, 20_000);
    let home = bench.home().await?;
    let (token, trigger) = prepare(&home).await?;
    let now = SystemClock.now();
    let began = Instant::now();
    store_events(&home, trigger, events, now).await?;
    eprintln!("bench: {events} events stored in {:.1} s", began.elapsed().as_secs_f64());

    let server = Server::start(&home)?;
    let mut client = Client::connect(server.address(), &token).await?;
    let middle = now - SPREAD / 2;
    let mut measures = Vec::new();
    for (heading, path) in [
        ("newest", "/api/v1/event_logs?status=all&limit=50".to_owned()),
        ("middle", format!("/api/v1/event_logs?status=all&limit=50&until={middle}")),
    ] {
        let took_ms = ask(&mut client, &path, bench.size.pick(500, 50)).await?;
        measures.extend(took_ms.measures(&format!("50 of {events} events, {heading}"), "ms"));
    }
    drop((client, server, home));
    measures.extend(view::run(bench).await?);
    Ok(measures)
}

/// A user who has one API trigger; the server that they registered with has ended when this is over.
async fn prepare(home: &Home) -> anyhow::Result<(String, TriggerId)> {
    let server = Server::start(home)?;
    let token = Client::register(server.address()).await?;
    let made = make_triggers(&server.addresses, &token, vec![json!({"name": "bench", "type": "api"})]).await?;
    Ok((token, TriggerId(*made.first().context("no trigger was made")?)))
}

/// Logs `count` events, the last of them at `now`.
async fn store_events(home: &Home, trigger: TriggerId, count: i64, now: Timestamp) -> anyhow::Result<()> {
    let store = home.fill().await?.store;
    let owner: UserId = store.users().await?.first().context("the user is gone")?.id;
    let mut seed = [0; 32];
    fill_random(&mut seed);
    let (ids, next) = (Arc::new(Ids::from_seed(seed)), Arc::new(AtomicI64::new(0)));
    let apart = SPREAD / i32::try_from(count)?;
    let mut writers = JoinSet::new();
    for _ in 0..home.writers() {
        let (store, ids, next) = (Arc::clone(&store), Arc::clone(&ids), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                let at = now - apart * i32::try_from(count - number)?;
                let payload = Payload::from_stored(&format!(r#"{{"number":{number},"text":"a small payload"}}"#));
                let call = Call { origin: Origin::Api, payload: Some(payload), message_id: ids.message(at) };
                match store.fire(owner, trigger, call, at).await? {
                    Fired::Event(_) => {}
                    other => bail!("the trigger did not fire: {other:?}"),
                }
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    Ok(())
}

/// How long the answers take, in milliseconds, one after the other.
async fn ask(client: &mut Client, path: &str, times: usize) -> anyhow::Result<Sorted> {
    let mut took_ms = Vec::with_capacity(times);
    for _ in 0..times {
        let asked = Instant::now();
        let page = client.call("GET", path, "").await?;
        took_ms.push(Duration::as_secs_f64(&asked.elapsed()) * 1e3);
        if page.as_array().map(Vec::len) != Some(50) {
            bail!("a page of fifty events has others");
        }
    }
    Ok(Sorted::of(took_ms))
}
