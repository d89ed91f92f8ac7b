//! What late occurrences cost those that are due: triggers that fire every second, alone at first, and then while 100 000 past
//! occurrences of another trigger are backfilled to the same receiver. What is due has to keep its time as if nothing were late.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use serde_json::json;

use super::steady::{Course, run_course, seconds};
use super::{losses, scheduled};
use crate::bench::Bench;
use crate::bench::amounts::Instants;
use crate::bench::load::Client;
use crate::bench::receiver::{Arrival, Receiver};
use crate::bench::report::Measure;
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How many triggers are due every second, where nobody says.
const TRIGGERS: u32 = 200;

/// How many occurrences are late: as many as one backfill may have.
const LATE: usize = 100_000;

/// How far apart these are. Wide, so that hardly one of the trigger's own falls due meanwhile, and narrow enough that all of them lie in
/// the year that a backfill may reach back.
const APART: SignedDuration = SignedDuration::from_mins(5);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let triggers = bench.amounts.triggers.unwrap_or(TRIGGERS) as usize;
    let alone = Course { triggers, seconds: seconds(bench), instants: Instants::Spread, pages: 0, late: 0 };
    let mut measures = run_course(bench, &alone).await?.measures("nothing is late");
    let late = bench.size.pick(LATE, 1_000);
    let beside = run_course(bench, &Course { late, ..alone }).await?;
    measures.extend(beside.measures(&format!("{late} late ones drain")));
    Ok(measures)
}

/// Occurrences that are made up for.
pub(super) struct Late {
    trigger: i64,
    count: usize,
    began: Timestamp,
    arrivals: Vec<Arrival>,
}

impl Late {
    /// Makes a trigger and backfills so many of its occurrences, which are sent from now on.
    pub(super) async fn begin(server: &Server, token: &str, receiver: &Receiver, count: usize) -> anyhow::Result<Late> {
        let mut client = Client::connect(server.address(), token).await?;
        let now = SystemClock.now();
        // Half a gap away from the next of its own at both ends.
        let first = now - APART * i32::try_from(count)? + APART / 2;
        let schedule = json!({"every": "5m", "start_at": first.to_string()});
        let made =
            client.call("POST", "/api/v1/triggers", &scheduled(0, &schedule, &receiver.url()).to_string()).await?;
        let trigger = made["id"].as_i64().context("a trigger without an id")?;
        let span = json!({"from": first.to_string(), "to": now.to_string()});
        client.call("POST", &format!("/api/v1/triggers/{trigger}/backfill"), &span.to_string()).await?;
        Ok(Late { trigger, count, began: now, arrivals: Vec::new() })
    }

    /// Takes those of its trigger out of all that came.
    pub(super) fn take(&mut self, arrivals: &mut Vec<Arrival>) {
        let began = self.began.as_microsecond();
        let is_late = |arrival: &Arrival| arrival.scheduled_at.is_some_and(|at| at <= began);
        self.arrivals = arrivals.extract_if(.., |arrival| arrival.trigger == self.trigger).filter(is_late).collect();
    }

    /// How they came.
    pub(super) fn measures(&self) -> Vec<Measure> {
        let heading = format!("{} late ones: ", self.count);
        let mut measures = losses(&heading, self.count, &self.arrivals);
        let lasted = self.arrivals.iter().map(|arrival| arrival.arrived_at).max().unwrap_or_default();
        let seconds = (lasted - self.began.as_microsecond()) as f64 / 1e6;
        measures.push(Measure::more(format!("{heading}made up for"), "1/s", self.arrivals.len() as f64 / seconds));
        measures
    }
}
