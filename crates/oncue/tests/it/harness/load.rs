//! The load: triggers of every kind, made beforehand and on the way; calls from several threads as fast as answers come;
//! renamings, pauses, deletions. Everything goes into the book before it is sent and again when it is acknowledged.

use std::thread::{self, Scope};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::book::{Change, Fate, Fired, Stage, Wish};
use super::chance::Chance;
use super::occurrences::Plan;
use super::street::Manner;
use crate::support::time::micros;

const ZONES: [&str; 5] = ["Europe/Riga", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe", "UTC"];

/// The called triggers whose events go to destinations: whether to the receiver too, and to which.
const FANS: [(bool, &[Manner]); 2] =
    [(true, &[Manner::Fickle, Manner::Paced, Manner::Leaving]), (false, &[Manner::Leaving, Manner::Stern])];

/// How long their callers rest between calls, and how these threads are numbered.
const FANS_REST: Duration = Duration::from_millis(120);
const FANS_FROM: usize = 100;

/// How often the destination that is suspended now and then is resumed.
const RESUME_EVERY: Duration = Duration::from_millis(700);

/// How much of what.
pub(crate) struct Amount {
    /// Triggers that fire every few seconds only.
    pub(crate) slow: i64,
    /// One-shots, and how far they lie apart.
    pub(crate) one_shots: i64,
    pub(crate) apart_ms: i64,
    /// How long a caller rests between calls whose events are only logged, and between those whose events are sent.
    pub(crate) rests_ms: (u64, u64),
}

/// Makes the triggers that are there from the beginning.
pub(crate) fn set_the_stage(stage: &Stage, amount: &Amount, chance: &mut Chance) {
    for manner in Manner::ALL {
        let asked = stage.ask("POST", "/api/v1/destinations", Some(&stage.street.destination(manner)));
        let id = asked.and_then(|answer| answer.json()["id"].as_i64()).expect("nobody harms anything yet");
        stage.book().destinations.insert(manner, id);
    }
    let mut make = |plan: Plan, fate: Fate| {
        let is_sent = chance.one_in(2);
        ask_for(stage, plan, fate, is_sent, &[]);
    };
    for number in 0..24 {
        let start_at = (number % 4 == 3).then(|| soon(1500 + 100 * number));
        make(Plan::Every { period_s: 1 + number % 3, start_at }, Fate::Untouched);
    }
    for zone in ZONES {
        make(Plan::Seconds { step_s: 1, zone }, Fate::Untouched);
        make(Plan::Seconds { step_s: 5, zone }, Fate::Untouched);
        make(Plan::Minutes { zone }, Fate::Untouched);
    }
    for number in 0..amount.slow {
        make(Plan::Every { period_s: 4 + number % 7, start_at: None }, Fate::Untouched);
    }
    for number in 0..amount.one_shots {
        make(Plan::Once { at: soon(2000 + amount.apart_ms * number) }, Fate::Untouched);
    }
    for _ in 0..5 {
        make(Plan::Every { period_s: 1, start_at: None }, Fate::Restless);
    }
    for is_sent in [false, true, true] {
        ask_for(stage, Plan::Api, Fate::Untouched, is_sent, &[]);
    }
    for (is_sent, also_to) in FANS {
        ask_for(stage, Plan::Api, Fate::Untouched, is_sent, also_to);
    }
    let also_to = [Manner::Stern, Manner::Fickle];
    ask_for(stage, Plan::Every { period_s: 1, start_at: None }, Fate::Untouched, true, &also_to);
}

/// Starts the threads of the load; they end when the stage says so.
pub(crate) fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    stage: &'env Stage,
    amount: &Amount,
    chance: &mut Chance,
) {
    let api = |is_sent: bool| {
        let book = stage.book();
        let wishes = book.wishes.values().filter(|wish| matches!(wish.plan, Plan::Api) && wish.is_sent == is_sent);
        wishes.filter(|wish| wish.also_to.is_empty()).filter_map(|wish| wish.acknowledged).collect::<Vec<i64>>()
    };
    for (thread, trigger) in api(false).into_iter().chain(api(true)).enumerate() {
        // Deliveries would pile up higher than is useful.
        let rest = Duration::from_millis(if thread == 0 { amount.rests_ms.0 } else { amount.rests_ms.1 });
        scope.spawn(move || fire(stage, thread, trigger, rest));
    }
    let fans: Vec<i64> = {
        let book = stage.book();
        let fans = book.wishes.values().filter(|wish| matches!(wish.plan, Plan::Api) && !wish.also_to.is_empty());
        fans.filter_map(|wish| wish.acknowledged).collect()
    };
    for (thread, trigger) in fans.into_iter().enumerate() {
        scope.spawn(move || fire(stage, FANS_FROM + thread, trigger, FANS_REST));
    }
    scope.spawn(move || resume(stage));
    let mut own = chance.split();
    scope.spawn(move || make_more(stage, &mut own));
    let mut own = chance.split();
    scope.spawn(move || change(stage, &mut own));
}

fn soon(ms: i64) -> Timestamp {
    micros(Timestamp::now() + SignedDuration::from_millis(ms))
}

/// Asks for a trigger under a name of its own.
fn ask_for(stage: &Stage, plan: Plan, fate: Fate, is_sent: bool, also_to: &[Manner]) -> Option<i64> {
    let kind = if matches!(plan, Plan::Api) { "api" } else { "scheduled" };
    let mut body = json!({"type": kind, "schedule_details": plan.details()});
    if is_sent {
        body["webhook_url"] = json!(stage.receiver);
    }
    if !also_to.is_empty() {
        let book = stage.book();
        body["destinations"] = also_to.iter().map(|manner| book.destinations[manner]).collect();
    }
    let name = {
        let mut book = stage.book();
        let name = format!("wish {:04}", book.wishes.len());
        let also_to = also_to.to_vec();
        book.wishes.insert(name.clone(), Wish { plan, is_sent, also_to, fate, acknowledged: None, is_refused: false });
        name
    };
    body["name"] = json!(name);
    // The name says which wish it was, also when the trigger is renamed later.
    body["api_payload"] = json!({"wish": name});
    let answer = stage.ask("POST", "/api/v1/triggers", Some(&body))?;
    let mut book = stage.book();
    let wish = book.wishes.get_mut(&name).expect("it was just written down");
    if answer.status == 422 {
        // A one-shot whose time was over before the request was read.
        assert!(matches!(wish.plan, Plan::Once { .. }), "{body}: {}", answer.text);
        wish.is_refused = true;
        return None;
    }
    wish.acknowledged = answer.json()["id"].as_i64();
    wish.acknowledged
}

fn fire(stage: &Stage, thread: usize, trigger: i64, rest: Duration) {
    let path = format!("/api/v1/triggers/{trigger}/fire");
    let mut number = 0_u64;
    while stage.wait().is_some() {
        number += 1;
        let nonce = format!("{thread}-{number}");
        stage.book().firings.insert(nonce.clone(), None);
        let answer = stage.ask("POST", &path, Some(&json!({"nonce": nonce})));
        if let Some(event) = answer.and_then(|answer| answer.json()["event_id"].as_i64()) {
            stage.book().firings.insert(nonce, Some(Fired { trigger, event }));
        }
        thread::sleep(rest);
    }
}

/// Resumes again and again the destination whose receiver says now and then that it wants nothing more.
fn resume(stage: &Stage) {
    let path = format!("/api/v1/destinations/{}/resume", stage.book().destinations[&Manner::Leaving]);
    while stage.wait().is_some() {
        thread::sleep(RESUME_EVERY);
        stage.ask("POST", &path, None);
    }
}

fn make_more(stage: &Stage, chance: &mut Chance) {
    while stage.wait().is_some() {
        let is_sent = chance.one_in(2);
        let plan = match chance.between(0, 4) {
            0 => Plan::Every { period_s: 3, start_at: None },
            1 => Plan::Every { period_s: 2, start_at: Some(soon(2000)) },
            _ => Plan::Once { at: soon(i64::try_from(chance.between(1000, 6000)).expect("small")) },
        };
        let fate = if plan.is_clock() && chance.one_in(2) { Fate::Doomed } else { Fate::Untouched };
        let made = ask_for(stage, plan, fate, is_sent, &[]);
        chance.pause(100, 700);
        if let (Some(id), Fate::Doomed) = (made, fate) {
            send_change(stage, id, None);
        }
    }
}

fn change(stage: &Stage, chance: &mut Chance) {
    let restless = stage.restless();
    let mut number = 0_u64;
    while stage.wait().is_some() {
        let which = usize::try_from(chance.between(0, restless.len() as u64)).expect("small");
        number += 1;
        let body = match chance.between(0, 4) {
            0 => json!({"enabled": false}),
            1 => json!({"enabled": true}),
            _ => json!({"name": format!("renamed {number}")}),
        };
        send_change(stage, restless[which], Some(body));
        chance.pause(5, 120);
    }
}

fn send_change(stage: &Stage, id: i64, body: Option<Value>) {
    let path = format!("/api/v1/triggers/{id}");
    let method = if body.is_some() { "PATCH" } else { "DELETE" };
    let place = {
        let mut book = stage.book();
        let changes = book.changes.entry(id).or_default();
        changes.push(Change { body: body.clone(), sent_at: Timestamp::now(), acknowledged_at: None });
        changes.len() - 1
    };
    if stage.ask(method, &path, body.as_ref()).is_some() {
        let acknowledged_at = Some(Timestamp::now());
        stage.book().changes.get_mut(&id).expect("it was just written down")[place].acknowledged_at = acknowledged_at;
    }
}
