//! Making triggers in time: all of them have to be there when the first is due, or what is measured is how they were made.

use std::time::{Duration, Instant};

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use serde_json::{Value, json};

use super::whole_second;
use crate::bench::Bench;
use crate::bench::load::make_triggers;
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How many triggers are certainly made in a second on SQLite.
const MADE_PER_SECOND: usize = 2_500;

/// How many are made to find out how long it takes on PostgreSQL, whose disk may be any.
const TRIAL: usize = 256;

/// A whole second by which so many triggers can be made.
pub(super) async fn due(bench: &Bench, server: &Server, token: &str, triggers: usize) -> anyhow::Result<Timestamp> {
    let lead = making(bench, server, token, triggers).await?;
    Ok(whole_second(SystemClock.now(), lead))
}

/// How long making so many triggers takes at most, where nothing goes wrong.
async fn making(bench: &Bench, server: &Server, token: &str, triggers: usize) -> anyhow::Result<SignedDuration> {
    let shortest = SignedDuration::from_secs(3);
    if bench.postgres.is_none() {
        return Ok(shortest + SignedDuration::from_secs(i64::try_from(triggers / MADE_PER_SECOND)?));
    }
    let began = Instant::now();
    // Nothing calls them.
    let bodies = (0..TRIAL).map(|number| json!({"name": format!("trial {number}"), "type": "api"})).collect();
    make_triggers(&server.addresses, token, bodies).await?;
    let estimate = began.elapsed().as_secs_f64() / TRIAL as f64 * triggers as f64;
    Ok(shortest + SignedDuration::try_from_secs_f64(2.0 * estimate)?)
}

/// Makes triggers before they are due, and gives the time that is left and how long they took.
pub(super) async fn make_in_time(
    server: &Server,
    token: &str,
    bodies: Vec<Value>,
    due: Timestamp,
) -> anyhow::Result<(Duration, Duration)> {
    let (began, count) = (Instant::now(), bodies.len());
    make_triggers(&server.addresses, token, bodies).await?;
    let (took, left) = (began.elapsed(), Duration::try_from(due.duration_since(SystemClock.now())));
    ensure!(left.is_ok(), "making {count} triggers took longer than they had until they were due");
    Ok((left.unwrap_or_default(), took))
}
