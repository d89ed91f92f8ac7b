//! What is measured, one file for each question that somebody who runs oncue would ask. A scenario starts its own server
//! on an empty database, and gives numbers; it neither prints results nor knows what they should be.

mod backlog;
mod burst;
mod ceiling;
mod create;
mod fire;
mod footprint;
mod growth;
mod idle;
mod lanes;
mod list;
mod making;
mod page;
mod restart;
mod steady;
mod stock;

use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::receiver::Arrival;
use super::report::{Measure, Sorted};
use super::{Bench, receiver};

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scenario {
    /// How many calls of fire are accepted in a second, and how long each takes at a fixed rate
    Fire,
    /// How many triggers are made in a second, one in a call and a thousand
    Create,
    /// How late the last of many triggers is that are due at one instant
    Burst,
    /// Whether a thousand triggers every second keep their time, or --triggers of them for --seconds
    Steady,
    /// How many triggers every second keep their time at most; takes minutes, and only when named
    Ceiling,
    /// What 100,000 late occurrences that drain cost those that are due; takes minutes, and only when named
    Backlog,
    /// What open pages cost while two hundred triggers fire every second
    Watched,
    /// How late one trigger is on an idle server, and what the idle server costs, alone and with a million triggers stored
    Idle,
    /// What dead, slow and flooded destinations cost the healthy ones
    Lanes,
    /// How much memory a hundred thousand deliveries take that wait
    Waiting,
    /// How long a start takes with a million triggers stored, and how much memory
    Restart,
    /// How long a page of a million events takes, with each filter, or of --events of them
    List,
    /// How long the pages for people take, and how large they are
    Page,
    /// How cost grows from a thousand triggers to a million and from ten thousand events to ten million; only when named
    Growth,
    /// What a server for one person needs in memory and on disk
    Footprint,
}

impl Scenario {
    /// What is measured when nothing is named, in this order.
    pub(super) const ALL: [Scenario; 12] = [
        Scenario::Footprint,
        Scenario::Idle,
        Scenario::Fire,
        Scenario::Create,
        Scenario::Burst,
        Scenario::Steady,
        Scenario::Watched,
        Scenario::Lanes,
        Scenario::Waiting,
        Scenario::Restart,
        Scenario::List,
        Scenario::Page,
    ];

    /// The name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Scenario::Fire => "fire",
            Scenario::Create => "create",
            Scenario::Burst => "burst",
            Scenario::Steady => "steady",
            Scenario::Ceiling => "ceiling",
            Scenario::Backlog => "backlog",
            Scenario::Watched => "watched",
            Scenario::Lanes => "lanes",
            Scenario::Waiting => "waiting",
            Scenario::Idle => "idle",
            Scenario::Restart => "restart",
            Scenario::List => "list",
            Scenario::Page => "page",
            Scenario::Growth => "growth",
            Scenario::Footprint => "footprint",
        }
    }

    /// Whether it can be measured on a database that many servers share.
    pub(super) fn is_for_shared(self) -> bool {
        !matches!(self, Scenario::Footprint | Scenario::Watched | Scenario::Page)
    }

    /// Measures.
    pub(super) async fn run(self, bench: &Bench) -> anyhow::Result<Vec<Measure>> {
        match self {
            Scenario::Fire => fire::run(bench).await,
            Scenario::Create => create::run(bench).await,
            Scenario::Burst => burst::run(bench).await,
            Scenario::Steady => steady::run(bench).await,
            Scenario::Ceiling => ceiling::run(bench).await,
            Scenario::Backlog => backlog::run(bench).await,
            Scenario::Watched => steady::watched(bench).await,
            Scenario::Lanes => lanes::run(bench).await,
            Scenario::Waiting => lanes::waiting(bench).await,
            Scenario::Idle => idle::run(bench).await,
            Scenario::Restart => restart::run(bench).await,
            Scenario::List => list::run(bench).await,
            Scenario::Page => page::run(bench).await,
            Scenario::Growth => growth::run(bench).await,
            Scenario::Footprint => footprint::run(bench).await,
        }
    }
}

/// The first whole second that is at least `lead` away.
fn whole_second(now: Timestamp, lead: SignedDuration) -> Timestamp {
    let at = (now + lead).as_second() + 1;
    Timestamp::from_second(at).expect("a time shortly after now is a time")
}

/// A scheduled trigger as a user would write it, with a small payload.
fn scheduled(number: usize, schedule: &Value, webhook_url: &str) -> Value {
    json!({
        "name": format!("bench {number}"), "type": "scheduled", "schedule_details": schedule,
        "api_payload": {"number": number, "text": "a small payload, as most are"}, "webhook_url": webhook_url,
    })
}

/// How late webhooks were, at the receiver and in the log, in milliseconds.
fn lateness(arrivals: &[Arrival], of: impl Fn(&Arrival) -> i64) -> Sorted {
    Sorted::of(arrivals.iter().filter_map(|arrival| Some((of(arrival) - arrival.scheduled_at?) as f64 / 1e3)))
}

/// The lateness of webhooks at the receiver and in the log, under a heading.
fn lateness_measures(heading: &str, arrivals: &[Arrival]) -> Vec<Measure> {
    let mut measures =
        lateness(arrivals, |arrival| arrival.arrived_at).measures(&format!("{heading}lateness at the receiver"), "ms");
    measures.extend(
        lateness(arrivals, |arrival| arrival.fired_at).measures(&format!("{heading}lateness in the log"), "ms"),
    );
    measures
}

/// How many of `expected` firings never came, and how many webhooks brought one again.
fn losses(heading: &str, expected: usize, arrivals: &[Arrival]) -> Vec<Measure> {
    let twice = receiver::repeats(arrivals);
    let lost = expected.saturating_sub(arrivals.len() - twice);
    vec![
        Measure::less(format!("{heading}lost"), "", lost as f64),
        Measure::less(format!("{heading}twice"), "", twice as f64),
    ]
}
