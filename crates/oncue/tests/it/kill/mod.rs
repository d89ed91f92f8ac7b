//! The kill harness: the real program, on a real file, under load, killed with `kill -9` at random moments again and again,
//! also while it starts. Afterwards an independent check compares what was acknowledged and what the clock demanded with
//! what the program shows and what the receiver got.
//!
//! `ONCUE_KILLS` sets how often it is killed; `ONCUE_SEED` repeats the choices of a run (not the machine's timing).

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::harness::book::Stage;
use crate::harness::chance::{Chance, number_from, seed};
use crate::harness::evidence::{Evidence, Gap};
use crate::harness::load::{self, Amount};
use crate::harness::settle::settle;
use crate::harness::{check, doubt, receiver};
use crate::support::client::Client;
use crate::support::server::{PASSWORD, Process, Setup};

const KILLS_UNASKED: u64 = 25;

/// How long the backlog may take to empty once nobody adds to it: longer than the first retry pause.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);

/// An occurrence that fell due this long before a death may not have been looked at yet: the machine is busy.
const SLACK: SignedDuration = SignedDuration::from_millis(750);

/// What is only logged is fired without a pause.
const AMOUNT: Amount = Amount { slow: 0, one_shots: 12, apart_ms: 2500, rests_ms: (1, 8) };

/// One life of the server.
struct Life {
    /// Just before it was started.
    launched_at: Timestamp,
    /// When it was found ready; none when it was killed before.
    ready_at: Option<Timestamp>,
    /// Just before it was killed.
    killed_at: Timestamp,
    /// Just after it was dead.
    dead_at: Timestamp,
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_due_is_silent_however_often_it_is_killed() {
    let kills = number_from("ONCUE_KILLS").unwrap_or(KILLS_UNASKED);
    let seed = seed();
    let replay = format!("ONCUE_SEED={seed} ONCUE_KILLS={kills} cargo nextest run -p oncue --test it kill");
    println!("{replay}");

    let receiver = receiver::moody();
    let setup = Setup::new().flag("--allow-private-destinations");
    let mut chance = Chance::from_seed(seed);
    let mut process = setup.launch();
    let ann = register(&mut process);
    let stage = Stage::new(&ann, &[ann.base().to_owned()], receiver.url(), &[]);
    load::set_the_stage(&stage, &AMOUNT, &mut chance);

    let (lives, mut process) = thread::scope(|scope| {
        load::start(scope, &stage, &AMOUNT, &mut chance);
        let survived = die_and_return(&setup, process, &stage, kills, &mut chance);
        stage.is_over.store(true, Ordering::SeqCst);
        survived
    });

    let load_ended_at = Timestamp::now();
    let ann = stage.present().expect("the last life goes on");
    let (accounted_until, kept) = settle(&ann, &stage, SETTLE_PATIENCE, |_| true);
    let answered = stage.street.answered();
    let evidence = Evidence {
        book: stage.into_book(),
        gaps: gaps(&lives),
        clock_slack: SignedDuration::ZERO,
        load_ended_at,
        accounted_until,
        kept,
        received: receiver.received(),
        answered,
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
    let while_starting = lives.iter().filter(|life| life.ready_at.is_none()).count();
    println!("{} deaths ({while_starting} while starting), {}", lives.len() - 1, evidence.summary());
    assert_eq!(doubt::the_check(&evidence), Vec::<&str>::new(), "too little happened to be doubted");
}

fn register(process: &mut Process) -> Client {
    let base = process.ready().unwrap_or_else(|| panic!("the server did not start: {}", process.log()));
    let nobody = Client::new(&base);
    let answer = nobody.post("/auth/register", &json!({"email": "ann@example.com", "password": PASSWORD})).is(200);
    nobody.bearer(answer.json()["access_token"].as_str().expect("a token"))
}

/// From just before each death to the moment when the server was found ready again.
fn gaps(lives: &[Life]) -> Vec<Gap> {
    let gap = |(number, life): (usize, &Life)| {
        let next = lives.get(number + 1)?;
        let back_at = lives[number + 1..].iter().find_map(|later| later.ready_at).unwrap_or(Timestamp::MAX);
        Some(Gap { possible: (life.killed_at - SLACK, back_at), certain: vec![(life.dead_at, next.launched_at)] })
    };
    lives.iter().enumerate().filter_map(gap).collect()
}

/// Kills the server and starts it again, `kills` times; gives every life, and the last one running.
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
        stage.leave(0);
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
    stage.arrive(0, &base);
    ready_at
}
