//! The kill harness: the real program, on a real file, under load, killed with `kill -9` at random moments again and again,
//! also while it starts. Afterwards an independent check compares what was acknowledged and what the clock demanded with
//! what the program shows and what the receiver got.
//!
//! `ONCUE_KILLS` sets how often it is killed; `ONCUE_SEED` repeats the choices of a run (not the machine's timing).

mod book;
mod check;
mod doubt;
mod evidence;
mod load;
mod occurrences;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::server::{PASSWORD, Process, Setup};
use crate::support::time::instant;
use crate::support::wait::until_within;
use book::Stage;
use evidence::{Evidence, Kept, Life};

const KILLS_UNASKED: u64 = 25;

/// How long the backlog may take to empty once nobody adds to it: longer than the first retry pause.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);

/// Of so many requests the receiver refuses one.
const REFUSED_ONE_IN: usize = 40;

/// Choices from a seed (splitmix64).
pub(super) struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to just below `high`.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high - low)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.draw().is_multiple_of(times)
    }

    fn pause(&mut self, low_ms: u64, high_ms: u64) {
        thread::sleep(Duration::from_millis(self.between(low_ms, high_ms)));
    }
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_due_is_silent_however_often_it_is_killed() {
    let kills = number_from("ONCUE_KILLS").unwrap_or(KILLS_UNASKED);
    let fresh = || u64::try_from(Timestamp::now().as_microsecond()).expect("after 1970");
    let seed = number_from("ONCUE_SEED").unwrap_or_else(fresh);
    let replay = format!("ONCUE_SEED={seed} ONCUE_KILLS={kills} cargo nextest run -p oncue --test it kill");
    println!("{replay}");

    let receiver = moody_receiver();
    let setup = Setup::new().flag("--allow-private-destinations");
    let mut chance = Chance(seed);
    let mut process = setup.launch();
    let ann = register(&mut process);
    let stage = Stage::new(&ann, receiver.url());
    load::set_the_stage(&stage, &mut chance);

    let (lives, mut process) = thread::scope(|scope| {
        load::start(scope, &stage, &mut chance);
        let survived = die_and_return(&setup, process, &stage, kills, &mut chance);
        stage.is_over.store(true, Ordering::SeqCst);
        survived
    });

    let load_ended_at = Timestamp::now();
    let ann = stage.present().expect("the last life goes on");
    let (accounted_until, kept) = settle(&ann, &stage);
    let evidence = Evidence {
        book: stage.into_book(),
        lives,
        load_ended_at,
        accounted_until,
        kept,
        received: receiver.received(),
    };
    let complaints = check::all(&evidence);
    process.kill();
    if !complaints.is_empty() {
        let shown = complaints.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        panic!(
            "{} complaints, replay with: {replay}\nthe database is kept in {}\n{shown}",
            complaints.len(),
            setup.keep().display()
        );
    }
    println!("{}", evidence.summary());
    doubt::the_check(&evidence);
}

/// Refuses some deliveries, each of them once: a second refusal would cost the run a minute.
fn moody_receiver() -> Receiver {
    let refused = Mutex::new(BTreeSet::new());
    Receiver::scripted(move |request, before| {
        let mut refused = refused.lock().expect("no thread panics with the set");
        let is_refused = before % REFUSED_ONE_IN == 7 && refused.insert(request.webhook_id().to_owned());
        if is_refused { Reply::Answer(500, "", "") } else { OK }
    })
}

fn register(process: &mut Process) -> Client {
    let base = process.ready().unwrap_or_else(|| panic!("the server did not start: {}", process.log()));
    let nobody = Client::new(&base);
    let answer = nobody.post("/auth/register", &json!({"email": "ann@example.com", "password": PASSWORD})).is(200);
    nobody.bearer(answer.json()["access_token"].as_str().expect("a token"))
}

/// Kills the server and starts it again, `kills` times; gives every life but the last, and the last one running.
fn die_and_return(
    setup: &Setup,
    first: Process,
    stage: &Stage,
    kills: u64,
    chance: &mut Chance,
) -> (Vec<Life>, Process) {
    let mut lives = Vec::new();
    let mut process = first;
    let (mut launched_at, mut ready_at) = (Timestamp::now(), Some(Timestamp::now()));
    for _ in 0..kills {
        if ready_at.is_some() {
            chance.pause(300, 2000);
        }
        let killed_at = Timestamp::now();
        process.kill();
        stage.leave();
        lives.push(Life { launched_at, ready_at, killed_at, dead_at: Timestamp::now() });
        if chance.one_in(3) {
            chance.pause(0, 2500);
        }
        launched_at = Timestamp::now();
        process = setup.launch();
        ready_at = if chance.one_in(5) {
            chance.pause(0, 80);
            None
        } else {
            Some(arrive(&mut process, stage))
        };
    }
    let ready_at = ready_at.unwrap_or_else(|| arrive(&mut process, stage));
    lives.push(Life { launched_at, ready_at: Some(ready_at), killed_at: Timestamp::MAX, dead_at: Timestamp::MAX });
    chance.pause(900, 1000);
    (lives, process)
}

fn arrive(process: &mut Process, stage: &Stage) -> Timestamp {
    let base = process.ready().unwrap_or_else(|| panic!("the server did not come back: {}", process.log()));
    let ready_at = Timestamp::now();
    stage.arrive(&base);
    ready_at
}

/// Lets everything come to rest: all that is due up to an instant is accounted for, then nothing is armed any more, then
/// nothing is owed any more. Gives that instant and all that the server shows.
fn settle(ann: &Client, stage: &Stage) -> (Timestamp, Kept) {
    for id in stage.restless() {
        ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": true})).is(200);
    }
    let accounted_until = Timestamp::now();
    for id in stage.clocks() {
        until_within(SETTLE_PATIENCE, "the scheduler passes the instant of the account", || {
            let latest = ann.get(&format!("/api/v1/event_logs?trigger_id={id}&limit=1")).is(200).list();
            latest.first().filter(|event| instant(&event["scheduled_at"]) > accounted_until).map(drop)
        });
    }
    let triggers = all_pages(ann, "/api/v1/triggers?limit=200");
    for trigger in triggers.iter().filter(|trigger| trigger["type"] == "scheduled") {
        ann.patch(&format!("/api/v1/triggers/{}", trigger["id"]), &json!({"enabled": false})).is(200);
    }
    let start = Instant::now();
    until_within(SETTLE_PATIENCE, "nothing is owed any more", || (owed(ann) == 0).then_some(()));
    println!("the backlog was empty after {:?}", start.elapsed());
    let records = triggers.iter().map(|trigger| {
        let records = ann.get(&format!("/api/v1/triggers/{}/skipped", trigger["id"])).is(200).list();
        (trigger["id"].as_i64().expect("an integer id"), records)
    });
    let skipped = records.collect();
    let events = all_pages(ann, "/api/v1/event_logs?status=all&limit=200");
    let details = evidence::sample(&events)
        .map(|event| ann.get(&format!("/api/v1/event_logs/{}", event["id"])).is(200).json())
        .collect();
    (accounted_until, Kept { triggers, skipped, events, details })
}

fn all_pages(ann: &Client, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = ann.get(&path).is(200);
        items.extend(page.list());
        next = page.next_page();
    }
    items
}

/// How many deliveries are owed, as the metrics say.
fn owed(ann: &Client) -> u64 {
    let metrics = ann.get("/metrics").is(200).text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("oncue_deliveries_owed "));
    line.and_then(|count| count.trim().parse::<f64>().ok())
        .map(|count| count as u64)
        .expect("the gauge oncue_deliveries_owed")
}
