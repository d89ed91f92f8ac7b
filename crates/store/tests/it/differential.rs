//! Random operations on a database and on the reference model alike: the outcomes and everything that can be observed must be
//! the same: a glance after every step, everything after every tenth. A run is known by its seed; a failure says how to repeat it.

mod again;
mod calendar;
mod definition;
mod destination;
mod freeze;
mod many;
mod moved;
mod once;
mod operation;
mod run;
mod search;
mod side;
mod summary;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::audit::Repair;
use oncue_domain::calendar::Calendar;
use oncue_domain::id::{DestinationId, Ids, MessageId, TriggerId, UserId};
use oncue_domain::plan::Absence;
use oncue_domain::store::Planned;
use oncue_domain::trigger::Armed;

use crate::bench::{Bench, Kind, t};
use operation::Operation;
use side::{Look, Side};

/// How many seeds a run tries on SQLite, and on PostgreSQL, where each takes many times as long.
const RUNS: u64 = 40;
const RUNS_ON_POSTGRES: u64 = 10;

/// How many operations a seed is good for.
const STEPS: usize = 300;

/// Who comes back after a longer silence takes it for an absence, as the scheduler does; otherwise a jump of the clock would
/// make thousands of events.
const SILENCE_MAX: SignedDuration = SignedDuration::from_mins(20);

/// Every operation of the trait: a run in which one of them never did anything says nothing about it.
const OPERATIONS: [&str; 105] = [
    "absences",
    "accounted_until",
    "accounts",
    "api_key_user",
    "api_keys",
    "arrival",
    "arrivals",
    "arrive",
    "attention",
    "backlog",
    "begin_once",
    "begin_presence",
    "calendar",
    "calendar_triggers",
    "calendars",
    "cancel_delivery",
    "check",
    "claim_deliveries",
    "commit_plans",
    "count_events",
    "count_undelivered",
    "create_api_key",
    "create_calendar",
    "create_destination",
    "create_trigger",
    "create_triggers",
    "delete_api_key",
    "delete_calendar",
    "delete_destination",
    "delete_trigger",
    "deleted_trigger",
    "destination",
    "destination_uses",
    "destination_heads",
    "destinations",
    "destinations_to_send_to",
    "disable_user",
    "due",
    "due_counts",
    "edit_calendar",
    "edit_destination",
    "edit_trigger",
    "end_once",
    "end_other_sessions",
    "end_session",
    "event",
    "event_counts",
    "event_lines",
    "events",
    "events_before",
    "events_logged_after",
    "expire",
    "fire",
    "fire_again",
    "fire_many",
    "fire_unkept",
    "freeze",
    "freezes",
    "freezes_of",
    "gone_firing",
    "hour_counts",
    "inspect",
    "lapse_runs",
    "latest_runs",
    "ledger",
    "local_user",
    "next_due",
    "next_owed",
    "nodes",
    "note_ends",
    "note_work",
    "once",
    "open_session",
    "recall",
    "rearm",
    "recent_firings",
    "redeliver",
    "redeliver_matching",
    "register",
    "report_run",
    "runs",
    "session_user",
    "sessions",
    "set_password",
    "set_preferences",
    "set_standing",
    "settle",
    "sign_of_life",
    "skipped",
    "skipped_counts",
    "acts",
    "revisions",
    "revision",
    "revision_at",
    "soonest",
    "suspend_destination",
    "thaw",
    "touch_api_key",
    "trigger",
    "trigger_heads",
    "triggers",
    "undelivered",
    "use_zone_data",
    "user_by_email",
    "users",
];

/// Numbers from a seed (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).expect("below a number that fits")
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// What the run knows about both sides, because they agreed on it.
struct Known {
    now: Timestamp,
    ids: Ids,
    users: Vec<UserId>,
    triggers: Vec<(UserId, TriggerId)>,
    destinations: Vec<(UserId, DestinationId)>,
    /// As they stand.
    calendars: Vec<Calendar>,
    /// Triggers as they were read at some time; edits of them may be stale.
    read: Vec<Armed>,
    /// Plans that were made; committing them again must do nothing.
    plans: Vec<Planned>,
    absences: Vec<Absence>,
    /// The edition of the model's freezes when plans were made last; the editions of another store need not be the same.
    edition: i64,
    /// The last sign of life, and the latest that a server left behind.
    sign: Option<Timestamp>,
    left: Option<Timestamp>,
    /// What is as old as this was told to go, though perhaps not at once.
    gone_until: Timestamp,
    session: usize,
    key: u8,
    /// Claims that were given out; some of them lost by now.
    claims: usize,
}

impl Known {
    fn message(&self) -> MessageId {
        self.ids.message(self.now)
    }

    /// Of all nodes that ever were, PostgreSQL keeps the latest sign of life, because they need not be given up in the order in which
    /// they went; the model keeps that of the last one. They differ only where the clock was put back in between: nothing is then asked
    /// that depends on it.
    fn last_sign_is_the_latest(&self) -> bool {
        self.left <= self.sign
    }

    fn remember(&mut self, armed: Armed) {
        self.read.push(armed);
        if self.read.len() > 30 {
            self.read.remove(0);
        }
    }
}

/// Says on the way out of a failed test how to see it again.
struct Replay(Kind, u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Replay(kind, seed) = self;
            eprintln!(
                "on {kind:?}; repeat it with: ONCUE_SEED={seed} cargo test -p oncue-store --test it differential"
            );
        }
    }
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number in the environment"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_does_what_the_reference_model_does() {
    does_what_the_reference_model_does(Kind::SqliteFile, RUNS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgresql_does_what_the_reference_model_does() {
    does_what_the_reference_model_does(Kind::Postgres, RUNS_ON_POSTGRES).await;
}

async fn does_what_the_reference_model_does(kind: Kind, runs: u64) {
    if let Some(seed) = number_from_environment("ONCUE_SEED") {
        run(kind, seed).await;
        return;
    }
    let runs = number_from_environment("ONCUE_DIFFERENTIAL_RUNS").unwrap_or(runs);
    let next = Arc::new(AtomicU64::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut done = BTreeSet::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= runs {
                        return done;
                    }
                    done.extend(run(kind, seed).await);
                }
            })
        })
        .collect();
    let mut done = BTreeSet::new();
    for worker in workers {
        done.extend(worker.await.expect("both did the same"));
    }
    let missing: Vec<&str> = OPERATIONS.into_iter().filter(|operation| !done.contains(operation)).collect();
    assert!(missing.is_empty(), "these never did anything, so nothing is known about them: {missing:?}");
}

/// Runs one seed and gives the operations that did something.
async fn run(kind: Kind, seed: u64) -> BTreeSet<&'static str> {
    let _replay = Replay(kind, seed);
    let mut chance = Chance(seed);
    let mut done = BTreeSet::new();
    let has_default = chance.once_in(2);
    let mut model = Side::new(Bench::new(Kind::Memory, has_default).await, has_default);
    let mut tried = Side::new(Bench::new(kind, has_default).await, has_default);
    let mut known = Known {
        now: t(0) + SignedDuration::from_micros(i64::try_from(chance.below(1_000_000)).expect("small")),
        ids: Ids::from_seed([u8::try_from(seed % 256).expect("small"); 32]),
        users: Vec::new(),
        triggers: Vec::new(),
        destinations: Vec::new(),
        calendars: Vec::new(),
        read: Vec::new(),
        plans: Vec::new(),
        absences: Vec::new(),
        edition: 0,
        sign: None,
        left: None,
        gone_until: Timestamp::MIN,
        session: 0,
        key: 0,
        claims: 0,
    };
    // Apart from the rest, because it leaves everything as it was.
    let mut auditors = Chance(!seed);
    // So that what they do changes nothing of what else is drawn.
    let mut receivers = Chance(seed.rotate_left(17));
    let mut frost = Chance(seed.rotate_left(29));
    let mut keepers = Chance(seed.rotate_left(31));
    for step in 0..STEPS {
        let operation = Operation::draw(&mut chance, &mut known, &model).await;
        if let Operation::Move(by) = &operation {
            // A database counts the claim of what was just committed from the commit, the model from the handing over: at the
            // same instant that is the same.
            both(&mut model, &mut tried, &Operation::Claim, &mut known, &mut done, step).await;
            both(&mut model, &mut tried, &operation, &mut known, &mut done, step).await;
            if *by > SILENCE_MAX {
                both(&mut model, &mut tried, &Operation::BeginPresence, &mut known, &mut done, step).await;
            }
        } else {
            // What a database has written as claimed cannot be cancelled, and ends as it began where its destination is edited to take
            // deliveries in order; the model claims when it is asked.
            let is_of_what_nobody_holds = match &operation {
                Operation::Again(again) => again.is_of_what_nobody_holds(),
                Operation::EditDestination(..) => true,
                _ => false,
            };
            if is_of_what_nobody_holds {
                both(&mut model, &mut tried, &Operation::Claim, &mut known, &mut done, step).await;
            }
            both(&mut model, &mut tried, &operation, &mut known, &mut done, step).await;
        }
        if step % 2 == 1 && !known.users.is_empty() {
            let owner = receivers.pick(&known.users);
            let reporting = Operation::Reporting(run::Reporting::draw(&mut receivers, owner));
            both(&mut model, &mut tried, &reporting, &mut known, &mut done, step).await;
        }
        if step % 8 == 5 && !known.users.is_empty() {
            let freezing = Operation::Freezing(freeze::Freezing::draw(&mut frost, &known.users, known.now));
            both(&mut model, &mut tried, &freezing, &mut known, &mut done, step).await;
        }
        if step % 4 == 2 && !known.users.is_empty() {
            let owner = keepers.pick(&known.users);
            let keeping = Operation::Keeping(calendar::Keeping::draw(&mut keepers, &known, owner));
            both(&mut model, &mut tried, &keeping, &mut known, &mut done, step).await;
        }
        if step % 25 == 24 {
            let release = auditors.pick(&["2026e", "2026f"]);
            both(&mut model, &mut tried, &Operation::UseZoneData(release), &mut known, &mut done, step).await;
        }
        if step % 5 == 4
            && let Some((repair, back)) = operation::rearm(&mut auditors, &known, &model).await
        {
            rearm_and_back(&mut model, &mut tried, (repair, back), &mut known, &mut done, step).await;
        }
        let look = if step % 10 == 9 { Look::AtEverything } else { Look::Glance };
        let (expected, seen) =
            (model.observe(&known, look, &mut done).await, tried.observe(&known, look, &mut done).await);
        if seen != expected {
            let difference = first_difference(&format!("{expected:#?}"), &format!("{seen:#?}"));
            panic!("on {kind:?}, seed {seed}, step {step}: after {operation:?}\n{difference}");
        }
    }
    done
}

/// A trigger waits for something else for a moment.
async fn rearm_and_back(
    model: &mut Side,
    tried: &mut Side,
    (repair, back): (Repair, Repair),
    known: &mut Known,
    done: &mut BTreeSet<&'static str>,
    step: usize,
) {
    both(model, tried, &Operation::Rearm(repair), known, done, step).await;
    let (expected, seen) =
        (model.observe(known, Look::Glance, done).await, tried.observe(known, Look::Glance, done).await);
    assert_eq!(seen, expected, "step {step}: after {repair:?}");
    // Where nothing was done, there is nothing to take back, unless it was what stood there already.
    both(model, tried, &Operation::Rearm(back), known, done, step).await;
}

async fn both(
    model: &mut Side,
    tried: &mut Side,
    operation: &Operation,
    known: &mut Known,
    done: &mut BTreeSet<&'static str>,
    step: usize,
) {
    if let Operation::Move(by) = operation {
        known.now += *by;
    }
    let expected = model.apply(operation, known).await;
    let outcome = tried.apply(operation, known).await;
    assert_eq!(outcome, expected, "step {step}: {operation:?}");
    if outcome.did_something {
        done.insert(operation.method());
    }
    known.claims = model.claims();
    operation.learn(known, &outcome);
}

/// Where what was seen begins to differ from what the model shows, with a few lines before it.
fn first_difference(expected: &str, seen: &str) -> String {
    let (expected, seen): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), seen.lines().collect());
    let same = expected.iter().zip(&seen).take_while(|(expected, seen)| expected == seen).count();
    let around = |lines: &[&str]| lines[same.saturating_sub(12)..(same + 4).min(lines.len())].join("\n");
    format!("the model:\n{}\nthe database:\n{}", around(&expected), around(&seen))
}
