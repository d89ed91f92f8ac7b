//! The load: triggers of every kind, made beforehand and on the way; calls from several threads as fast as answers come;
//! renamings, pauses, deletions. Everything goes into the book before it is sent and again when it is acknowledged.

use std::thread::{self, Scope};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Chance;
use super::book::{Change, Fate, Fired, Stage, Wish};
use super::occurrences::Plan;
use crate::support::client::Client;
use crate::support::time::micros;

const ZONES: [&str; 5] = ["Europe/Riga", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe", "UTC"];

/// Makes the triggers that are there from the beginning.
pub(super) fn set_the_stage(stage: &Stage, chance: &mut Chance) {
    let client = stage.present().expect("the first life has begun");
    let mut make = |plan: Plan, fate: Fate| {
        let is_sent = chance.one_in(2);
        ask_for(stage, &client, plan, fate, is_sent);
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
    for number in 0..12 {
        make(Plan::Once { at: soon(2000 + 2500 * number) }, Fate::Untouched);
    }
    for _ in 0..5 {
        make(Plan::Every { period_s: 1, start_at: None }, Fate::Restless);
    }
    for is_sent in [false, true, true] {
        ask_for(stage, &client, Plan::Api, Fate::Untouched, is_sent);
    }
}

/// Starts the threads of the load; they end when the stage says so.
pub(super) fn start<'scope, 'env>(scope: &'scope Scope<'scope, 'env>, stage: &'env Stage, chance: &mut Chance) {
    let api = |is_sent: bool| {
        let book = stage.book();
        let wishes = book.wishes.values().filter(|wish| matches!(wish.plan, Plan::Api) && wish.is_sent == is_sent);
        wishes.filter_map(|wish| wish.acknowledged).collect::<Vec<i64>>()
    };
    for (thread, trigger) in api(false).into_iter().chain(api(true)).enumerate() {
        // What is only logged is fired without a pause; deliveries would pile up higher than is useful.
        let pause = Duration::from_millis(if thread == 0 { 1 } else { 8 });
        scope.spawn(move || fire(stage, thread, trigger, pause));
    }
    let mut own = Chance(chance.draw());
    scope.spawn(move || make_more(stage, &mut own));
    let mut own = Chance(chance.draw());
    scope.spawn(move || change(stage, &mut own));
}

fn soon(ms: i64) -> Timestamp {
    micros(Timestamp::now() + SignedDuration::from_millis(ms))
}

/// Asks for a trigger under a name of its own.
fn ask_for(stage: &Stage, client: &Client, plan: Plan, fate: Fate, is_sent: bool) -> Option<i64> {
    let kind = if matches!(plan, Plan::Api) { "api" } else { "scheduled" };
    let mut body = json!({"type": kind, "schedule_details": plan.details()});
    if is_sent {
        body["webhook_url"] = json!(stage.receiver);
    }
    let name = {
        let mut book = stage.book();
        let name = format!("wish {:04}", book.wishes.len());
        book.wishes.insert(name.clone(), Wish { plan, is_sent, fate, acknowledged: None, is_refused: false });
        name
    };
    body["name"] = json!(name);
    // The name says which wish it was, also when the trigger is renamed later.
    body["api_payload"] = json!({"wish": name});
    let answer = stage.ask(client, "POST", "/api/v1/triggers", Some(&body))?;
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

fn fire(stage: &Stage, thread: usize, trigger: i64, pause: Duration) {
    let path = format!("/api/v1/triggers/{trigger}/fire");
    let mut number = 0_u64;
    while let Some(client) = stage.wait() {
        number += 1;
        let nonce = format!("{thread}-{number}");
        stage.book().firings.insert(nonce.clone(), None);
        let answer = stage.ask(&client, "POST", &path, Some(&json!({"nonce": nonce})));
        if let Some(event) = answer.and_then(|answer| answer.json()["event_id"].as_i64()) {
            stage.book().firings.insert(nonce, Some(Fired { trigger, event }));
        }
        thread::sleep(pause);
    }
}

fn make_more(stage: &Stage, chance: &mut Chance) {
    while let Some(client) = stage.wait() {
        let is_sent = chance.one_in(2);
        let plan = match chance.between(0, 4) {
            0 => Plan::Every { period_s: 3, start_at: None },
            1 => Plan::Every { period_s: 2, start_at: Some(soon(2000)) },
            _ => Plan::Once { at: soon(i64::try_from(chance.between(1000, 6000)).expect("small")) },
        };
        let fate = if plan.is_clock() && chance.one_in(2) { Fate::Doomed } else { Fate::Untouched };
        let made = ask_for(stage, &client, plan, fate, is_sent);
        chance.pause(100, 700);
        if let (Some(id), Fate::Doomed) = (made, fate)
            && let Some(client) = stage.wait()
        {
            send_change(stage, &client, id, None);
        }
    }
}

fn change(stage: &Stage, chance: &mut Chance) {
    let restless = stage.restless();
    let mut number = 0_u64;
    while let Some(client) = stage.wait() {
        let which = usize::try_from(chance.between(0, restless.len() as u64)).expect("small");
        number += 1;
        let body = match chance.between(0, 4) {
            0 => json!({"enabled": false}),
            1 => json!({"enabled": true}),
            _ => json!({"name": format!("renamed {number}")}),
        };
        send_change(stage, &client, restless[which], Some(body));
        chance.pause(5, 120);
    }
}

fn send_change(stage: &Stage, client: &Client, id: i64, body: Option<Value>) {
    let path = format!("/api/v1/triggers/{id}");
    let method = if body.is_some() { "PATCH" } else { "DELETE" };
    let place = {
        let mut book = stage.book();
        let changes = book.changes.entry(id).or_default();
        changes.push(Change { body: body.clone(), sent_at: Timestamp::now(), acknowledged_at: None });
        changes.len() - 1
    };
    if stage.ask(client, method, &path, body.as_ref()).is_some() {
        let acknowledged_at = Some(Timestamp::now());
        stage.book().changes.get_mut(&id).expect("it was just written down")[place].acknowledged_at = acknowledged_at;
    }
}
