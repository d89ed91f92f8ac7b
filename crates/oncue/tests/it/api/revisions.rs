//! `/api/v1/triggers/{id}/revisions`: what a trigger said, who changed it, and the way back.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> String {
    format!("/api/v1/triggers/{}", ann.post("/api/v1/triggers", body).is(201).json()["id"])
}

fn revisions(ann: &Client, at: &str) -> Vec<Value> {
    ann.get(&format!("{at}/revisions")).is(200).list()
}

fn restore(ann: &Client, at: &str, revision: i64) -> crate::support::client::Answer {
    ann.post_nothing(&format!("{at}/revisions/{revision}/restore"))
}

/// What a trigger says, without what follows from the time at which it is asked.
fn said(trigger: &Value) -> Value {
    let mut said = trigger.clone();
    for field in ["revision", "next_at"] {
        said.as_object_mut().expect("a trigger").remove(field);
    }
    said
}

#[test]
fn each_edit_is_kept_with_who_when_from_where_and_what_changed() {
    let server = Server::start();
    let ann = server.user().with("user-agent", "a browser/1.0");
    let key = ann.post("/api/v1/api_keys", &json!({"name": "deploy", "scopes": ["read", "manage"]})).is(201).json();
    let program = Client::new(ann.base()).bearer(key["key"].as_str().expect("a key")).with("user-agent", "tool/2");
    let first = json!({"name": "nightly", "type": "scheduled", "schedule_details": {"cron": "0 9 * * *"},
        "api_payload": {"n": 1.50}, "webhook_url": "https://example.com/hook?token=s3cret"});
    let at = make(&ann, &first);
    let made = ann.get(&at).is(200).json();
    program.patch(&at, &json!({"enabled": false, "name": null})).is(200);
    ann.patch(&at, &json!({"schedule_details": {"every": "90m"}, "webhook_url": null})).is(200);

    let kept = revisions(&ann, &at);
    let numbers: Vec<_> = kept.iter().map(|one| one["revision"].as_i64()).collect();
    assert_eq!(numbers, [Some(3), Some(2), Some(1)]);
    let makers: Vec<_> = kept.iter().map(|one| (&one["made_by"]["kind"], &one["made_by"]["program"])).collect();
    assert_eq!(
        makers,
        [
            (&json!("user"), &json!("a browser/1.0")),
            (&json!("api_key"), &json!("tool/2")),
            (&json!("user"), &json!("a browser/1.0"))
        ]
    );
    assert_eq!(
        (&kept[0]["made_by"]["name"], &kept[0]["made_by"]["address"]),
        (&json!("ann@example.com"), &json!("127.0.0.1"))
    );
    assert_eq!(kept[1]["made_by"]["id"], key["id"]);
    let changes = |one: &Value| {
        let list = one["changes"].as_array().expect("a list").iter();
        list.map(|change| (change["field"].clone(), change["before"].clone(), change["after"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        changes(&kept[0]),
        [
            (json!("schedule_details"), json!({"cron": "0 9 * * *"}), json!({"every": "90m"})),
            (json!("webhook_url"), json!("https://example.com/hook?token=s3cret"), Value::Null),
            (json!("format"), json!("json"), Value::Null),
        ]
    );
    assert_eq!(
        changes(&kept[1]),
        [(json!("name"), json!("nightly"), Value::Null), (json!("enabled"), json!(true), json!(false))]
    );
    assert_eq!(kept[2]["changes"], Value::Null, "there was none before");
    assert_eq!(said(&kept[2]["trigger"]), said(&made));
    assert_eq!(kept[0]["trigger"], ann.get(&at).is(200).json(), "the present one is the trigger");
    assert_eq!(kept[0]["until"], Value::Null);
    assert_eq!((&kept[1]["until"], &kept[2]["until"]), (&kept[0]["made_at"], &kept[1]["made_at"]));
    assert_eq!(kept[2]["made_at"], made["created_at"]);
    assert!(instant(&kept[1]["made_at"]) <= instant(&kept[0]["made_at"]));
    for one in &kept {
        assert_eq!(&ann.get(&format!("{at}/revisions/{}", one["revision"])).is(200).json(), one);
    }
    for missing in ["0", "4", "-1", "x"] {
        ann.get(&format!("{at}/revisions/{missing}")).problem(404);
    }
}

#[test]
fn the_list_is_paged_and_survives_a_restart() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"type": "api", "name": "1"}));
    for name in 2..=5 {
        ann.patch(&at, &json!({"name": format!("{name}")})).is(200);
    }
    let all = revisions(&ann, &at);
    assert_eq!(all.len(), 5);
    let server = server.stop().serve();
    let ann = ann.at(server.base());
    let mut paged = Vec::new();
    let mut page = format!("{at}/revisions?limit=2");
    loop {
        let answer = ann.get(&page).is(200);
        paged.extend(answer.list());
        match answer.next_page() {
            Some(next) => page = next,
            None => break,
        }
    }
    assert_eq!(paged, all, "with what changed at the seams too");
    ann.get(&format!("{at}/revisions?limit=0")).problem(422);
    ann.get(&format!("{at}/revisions?cursor=x")).problem(422);
}

#[test]
fn events_name_the_revision_that_made_them() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"type": "api", "name": "t"}));
    let fire = || ann.post_nothing(&format!("{at}/fire")).is(200).json()["event_id"].clone();
    let first = fire();
    ann.patch(&at, &json!({"name": "u"})).is(200);
    let second = fire();
    for (event, revision) in [(first, 1), (second, 2)] {
        let event = ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
        assert_eq!(event["revision"], json!(revision));
    }
}

#[test]
fn a_former_revision_stands_again_as_a_new_one() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"type": "scheduled", "name": "grid", "schedule_details": {"every": "1h"}}));
    let made = ann.get(&at).is(200).json();
    ann.patch(&at, &json!({"name": "cron", "schedule_details": {"cron": "0 9 * * *"}, "enabled": false})).is(200);
    let restored = restore(&ann, &at, 1).is(200).json();
    assert_eq!(said(&restored), said(&made));
    assert_eq!((&restored["revision"], &restored["next_at"]), (&json!(3), &made["next_at"]), "on the same grid");
    let kept = revisions(&ann, &at);
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[0]["changes"].as_array().map(Vec::len), Some(3));

    restore(&ann, &at, 3).problem(409);
    restore(&ann, &at, 9).problem(404);
    let reader = ann.post("/api/v1/api_keys", &json!({"name": "r", "scopes": ["read"]})).is(201).json();
    let reader = Client::new(ann.base()).bearer(reader["key"].as_str().expect("a key"));
    restore(&reader, &at, 2).problem(403);
    reader.get(&format!("{at}/revisions")).is(200);
}

#[test]
fn what_cannot_stand_any_more_is_not_restored() {
    let server = Setup::new().flag("--allow-private-destinations").serve();
    let ann = server.user();
    let soon = in_ms(3000);
    let once = make(&ann, &json!({"type": "scheduled", "name": "once", "schedule_details": {"run_at": soon}}));
    let far = make(&ann, &json!({"type": "api", "expires_at": soon}));
    let ends = make(&ann, &json!({"type": "api", "name": "ends", "expires_at": soon}));
    let destination =
        ann.post("/api/v1/destinations", &json!({"name": "d", "kind": "inbox"})).is(201).json()["id"].clone();
    let sends = make(&ann, &json!({"type": "api", "name": "sends", "destinations": [destination]}));
    ann.patch(&once, &json!({"schedule_details": {"every": "1h"}})).is(200);
    ann.patch(&ends, &json!({"expires_at": null})).is(200);
    ann.patch(&sends, &json!({"destinations": []})).is(200);
    ann.delete(&format!("/api/v1/destinations/{destination}")).is(204);
    let local = make(&ann, &json!({"type": "api", "webhook_url": "http://127.0.0.1:49009/hook"}));
    ann.patch(&local, &json!({"webhook_url": null})).is(200);
    until("it expires", || Some(()).filter(|()| ann.post_nothing(&format!("{far}/fire")).status == 409));

    restore(&ann, &once, 1).blames("schedule_details");
    restore(&ann, &ends, 1).blames("expires_at");
    restore(&ann, &sends, 1).blames("destinations.0");
    for at in [&once, &ends, &sends] {
        assert_eq!(revisions(&ann, at).len(), 2, "nothing was changed");
    }
    // What stands as it does may have passed: only the name comes back.
    ann.patch(&far, &json!({"name": "new"})).is(200);
    restore(&ann, &far, 1).is(200);
    restore(&ann, &local, 1).is(200);
    ann.patch(&local, &json!({"webhook_url": null})).is(200);
    let server = server.stop().without_flags().serve();
    restore(&ann.at(server.base()), &local, 1).blames("webhook_url");
}

#[test]
fn many_triggers_made_at_once_and_those_of_the_flat_surface_have_their_maker_too() {
    let server = Server::start();
    let ann = server.user();
    ann.post("/api/v1/triggers/bulk", &json!([{"type": "api"}, {"type": "api"}])).is(200);
    let flat = ann.post("/triggers", &json!({"name": "f", "trigger_type": "api"})).is(200).json()["id"].clone();
    ann.put(&format!("/triggers/{flat}"), &json!({"name": "g"})).is(200);
    for (id, count) in [(json!(1), 1), (json!(2), 1), (flat, 2)] {
        let kept = revisions(&ann, &format!("/api/v1/triggers/{id}"));
        assert_eq!(kept.len(), count);
        assert!(kept.iter().all(|one| one["made_by"]["name"] == "ann@example.com"), "{kept:?}");
    }
}

#[test]
fn the_page_says_what_changed_and_restores() {
    let server = Server::start();
    let ann = server.user();
    let page = Client::new(ann.base()).with("cookie", &format!("access_token={}", ann.token()));
    let at = make(&ann, &json!({"type": "scheduled", "name": "a <b>", "schedule_details": {"every": "1h"}}));
    let id = at.rsplit('/').next().expect("an id");
    ann.patch(&at, &json!({"name": "other", "schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"}}))
        .is(200);
    let trigger = page.get(&format!("/ui/triggers/{id}")).is(200).text;
    assert!(trigger.contains(&format!("href=\"/ui/triggers/{id}/revisions\"")), "{trigger}");
    let text = page.get(&format!("/ui/triggers/{id}/revisions")).is(200).text;
    for part in [
        "Revision 2",
        "As it stands",
        "ann@example.com",
        "127.0.0.1",
        "Every hour, counted from",
        "At 09:00, Monday to Friday (0 9 * * 1-5), Europe/Riga",
        "a &#60;b&#62;",
        "The trigger was made.",
        &format!("action=\"/ui/triggers/{id}/revisions/1/restore\""),
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(!text.contains("revisions/2/restore"), "what stands is not restored");
    let sent = page.call("POST", &format!("/ui/triggers/{id}/revisions/1/restore")).form(&[]).send().is(303);
    assert_eq!(sent.header("location"), format!("/ui/triggers/{id}?done=restored"));
    assert!(page.get(sent.header("location")).is(200).text.contains("says again what that revision said"));
    let again = page.call("POST", &format!("/ui/triggers/{id}/revisions/3/restore")).form(&[]).send().is(409).text;
    assert!(again.contains("Revision 3 was not restored."), "{again}");
    page.get("/ui/triggers/999/revisions").is(404);
    let ben = server.register("ben@example.com");
    let his = Client::new(ben.base()).with("cookie", &format!("access_token={}", ben.token()));
    his.get(&format!("/ui/triggers/{id}/revisions")).is(404);
    his.call("POST", &format!("/ui/triggers/{id}/revisions/1/restore")).form(&[]).send().is(404);
}

#[test]
fn what_is_not_kept_whole_any_more_is_told_by_the_audit_log() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"name": "n1", "type": "api"}));
    // What a hundred edits push out is kept as long as events, up to 8 MiB: 34 of these.
    for number in 2..=41 {
        ann.patch(&at, &json!({"name": format!("n{number}"), "api_payload": "x".repeat(250_000)})).is(200);
    }
    for number in 42..=142 {
        ann.patch(&at, &json!({"name": format!("n{number}"), "api_payload": null})).is(200);
    }
    let kept = ann.get(&format!("{at}/revisions/8")).is(200).json();
    assert_eq!(kept["trigger"]["name"], "n8");
    for answer in [restore(&ann, &at, 7), ann.get(&format!("{at}/revisions/7"))] {
        let problem = answer.problem(404);
        let detail = problem["detail"].as_str().expect("words");
        assert!(detail.contains("is not kept whole any more") && detail.contains("audit log"), "{detail}");
    }
    assert_eq!(restore(&ann, &at, 143).problem(404)["detail"], "Revision not found", "that never was");
    restore(&ann, &at, 8).is(200);
    let id = at.rsplit('/').next().expect("a number");
    let lines = ann.get(&format!("/api/v1/audit?object=trigger&object_id={id}&action=edited")).is(200).list();
    let told: Vec<&str> = lines.iter().rev().filter_map(|line| line["details"].as_str()).collect();
    assert_eq!((told.len(), told[0], told[1]), (142, "revision 2: name, api_payload", "revision 3: name"));
    let oldest = &lines[141];
    assert_eq!(
        (&oldest["by"]["name"], oldest["by"]["address"].is_string()),
        (&json!("ann@example.com"), true),
        "{oldest}"
    );
}
