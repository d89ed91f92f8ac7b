//! How long a start takes with a million triggers stored, how soon what is due fires, and how much memory and processor
//! the server needs for so many that wait. The triggers are written through the store, as nobody would make so many by
//! calls in one go; all but one wait for days that are far away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::clock::Clock;
use oncue_domain::destination::Webhook;
use oncue_domain::id::UserId;
use oncue_domain::payload::Payload;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{NewTrigger, NewUser, Registered};
use oncue_domain::trigger::{Definition, ScheduleDetails};
use tokio::task::JoinSet;

use super::losses;
use crate::bench::Bench;
use crate::bench::home::Home;
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
    let webhook = Webhook::parse(&receiver.url(), None).map_err(|refusal| anyhow::anyhow!(refusal.0))?;
    let began = Instant::now();
    store_triggers(&home, triggers, &webhook).await?;
    eprintln!("bench: {triggers} triggers stored in {:.1} s", began.elapsed().as_secs_f64());
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

/// Stores `count` triggers of one user, the first of them due.
async fn store_triggers(home: &Home, count: u64, webhook: &Webhook) -> anyhow::Result<()> {
    let opened = home.fill().await?;
    let store = &opened.store;
    let now = SystemClock.now();
    // Nobody logs in as this user.
    let user = NewUser { email: "bench@example.com".to_owned(), password_hash: String::new() };
    let Registered::Done(user) = store.register(user, Registration::Open, now).await? else {
        bail!("an empty database knows a user")
    };
    let next = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..home.writers() {
        let (store, next, webhook) = (Arc::clone(store), Arc::clone(&next), webhook.clone());
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                store.create_trigger(trigger(user.id, number, webhook.clone(), now)?, now).await??;
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    opened.close().await;
    Ok(())
}

/// The trigger of that number: the first is due, and of the others every second is for one time and every second returns.
fn trigger(owner: UserId, number: u64, webhook: Webhook, now: Timestamp) -> anyhow::Result<NewTrigger> {
    let far = now + SignedDuration::from_hours(48) + SignedDuration::from_secs(i64::try_from(number)?);
    let schedule = match number {
        0 => Schedule::Once { at: now },
        odd if odd % 2 == 1 => Schedule::Once { at: far },
        _ => Schedule::Every { period: Period::parse("24h")?, anchor: far, first: FirstFiring::AtAnchor },
    };
    let next_at = if number == 0 { now } else { far };
    let payload = format!(r#"{{"number":{number},"text":"a small payload, as most are"}}"#);
    let definition = Definition {
        name: Some(format!("bench {number}")),
        schedule: Some(ScheduleDetails { schedule, timezone: None }),
        payload: Some(Payload::from_stored(&payload)),
        webhook: Some(webhook),
        destinations: Vec::new(),
        is_test: false,
        enabled: true,
        expires_at: None,
    };
    Ok(NewTrigger { owner, definition, next_at: Some(next_at), test_event: None })
}
