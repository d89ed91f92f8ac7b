//! `/api/v1/triggers/bulk` and `/api/v1/fire/bulk`: many at once, each by the rules of the call for one.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};
use crate::support::time::in_ms;
use crate::support::wait::until;

const MAKE: &str = "/api/v1/triggers/bulk";
const FIRE: &str = "/api/v1/fire/bulk";
const LINES: &str = "application/x-ndjson";

fn lines(ann: &Client, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    ann.call("POST", path).body(LINES, body).send()
}

/// The results of an answer, which must count them rightly and number them in their order.
#[track_caller]
fn results(answer: Answer) -> Vec<Value> {
    let answer = answer.is(200).json();
    let results = answer["results"].as_array().expect("results").clone();
    let accepted = results.iter().filter(|result| result["error"].is_null()).count();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(accepted), &json!(results.len() - accepted)));
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index, "{result}");
    }
    results
}

fn statuses(results: &[Value]) -> Vec<i64> {
    results.iter().map(|result| result["status"].as_i64().expect("a status")).collect()
}

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn events(ann: &Client) -> Vec<Value> {
    ann.get("/api/v1/event_logs").is(200).list()
}

#[test]
fn triggers_made_at_once_are_those_that_would_have_been_made_one_by_one() {
    let server = Server::start();
    let ann = server.user();
    let bodies = [
        json!({"type": "api", "name": "called", "api_payload": {"own": 1}}),
        json!({"type": "scheduled", "schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"}, "name": "timed"}),
        json!({"type": "scheduled", "schedule_details": {"every": "1h"}, "enabled": false, "webhook_url": "https://example.com/hook"}),
        json!({"type": "api", "name": "called", "api_payload": {"own": 1}}),
    ];
    let array = results(ann.post(MAKE, &json!(bodies)));
    let text: String = bodies.iter().map(|body| format!("{body}\n")).collect();
    let in_lines = results(lines(&ann, MAKE, text));
    for made in [&array, &in_lines] {
        assert_eq!(statuses(made), [201; 4]);
        for (result, body) in made.iter().zip(&bodies) {
            let mut together = ann.get(&format!("/api/v1/triggers/{}", result["id"])).is(200).json();
            let mut alone = ann.post("/api/v1/triggers", body).is(201).json();
            for own in ["id", "created_at", "next_at"] {
                together[own] = Value::Null;
                alone[own] = Value::Null;
            }
            assert_eq!(together, alone);
        }
    }
    let ids: Vec<i64> = array.iter().chain(&in_lines).map(|result| result["id"].as_i64().expect("an id")).collect();
    assert!(ids.is_sorted_by(|earlier, later| earlier < later), "in their order, and equal ones are two: {ids:?}");
}

#[test]
fn what_is_wrong_with_one_is_said_as_the_call_for_one_says_it_and_refuses_no_other() {
    let server = Server::start();
    let ann = server.user();
    let bodies = [
        json!({"type": "api", "name": "first"}),
        json!({"type": "sometimes"}),
        json!({"type": "scheduled", "schedule_details": {"cron": "61 * * * *"}, "nonsense": 1}),
        json!({"type": "api", "destinations": [4711]}),
        json!(7),
        json!(null),
        json!("api"),
        json!({"type": "api", "name": "last"}),
    ];
    let made = results(ann.post(MAKE, &json!(bodies)));
    assert_eq!(statuses(&made), [201, 422, 422, 422, 422, 422, 422, 201]);
    assert!(made[5]["error"].to_string().contains("This must be a JSON object, not null."), "{:?}", made[5]);
    for (result, body) in made.iter().zip(&bodies).filter(|(result, _)| result["status"] != 201) {
        assert_eq!(result["error"], ann.post("/api/v1/triggers", body).problem(422));
        assert!(result["id"].is_null());
    }
    let kept: Vec<Value> = ann.get("/api/v1/triggers").is(200).list().iter().map(|kept| kept["name"].clone()).collect();
    assert_eq!(kept, ["first", "last"]);
}

#[test]
fn a_line_that_is_not_json_is_named() {
    let server = Server::start();
    let ann = server.user();
    let body = b"{\"type\":\"api\"}\r\n\n{\"type\":\"api\"\n\xff\n{\"type\":\"api\"}";
    let made = results(lines(&ann, MAKE, *body));
    assert_eq!(statuses(&made), [201, 400, 400, 201]);
    let detail = |at: usize| made[at]["error"]["detail"].as_str().expect("words").to_owned();
    assert_eq!(detail(1), "Line 3 is not valid JSON: EOF while parsing an object at column 13.");
    assert_eq!(detail(2), "Line 4 is not UTF-8.");
}

#[test]
fn lines_come_back_where_lines_are_accepted() {
    let server = Server::start();
    let ann = server.user();
    let body = "{\"type\":\"api\"}\n{\"type\":\"other\"}\n";
    let answer = ann.call("POST", MAKE).body(LINES, body).header("accept", LINES).send().is(200);
    assert_eq!(answer.header("content-type"), LINES);
    let told: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(statuses(&told), [201, 422]);
    assert_eq!((&told[0]["index"], &told[1]["index"]), (&json!(0), &json!(1)));
    assert!(told[0]["id"].is_i64() && told[1]["error"]["errors"][0]["field"] == "type", "{told:?}");
}

#[test]
fn triggers_are_fired_in_the_order_of_the_items_and_delivered_like_any_other() {
    let receiver = Receiver::start();
    let server = Server::start_delivering();
    let ann = server.user();
    let one = make(&ann, &json!({"type": "api", "webhook_url": receiver.url(), "api_payload": {"own": true}}));
    let two = make(&ann, &json!({"type": "api"}));
    let body = json!([
        {"trigger_id": one, "payload": {"n": 0}},
        {"trigger_id": two, "payload": [1.50]},
        {"trigger_id": one},
        {"trigger_id": one, "payload": null},
    ]);
    let fired = results(ann.post(FIRE, &body));
    assert_eq!(statuses(&fired), [200; 4]);
    let payloads = [json!({"n": 0}), json!([1.50]), json!({"own": true}), json!({"own": true})];
    for (result, payload) in fired.iter().zip(payloads) {
        let event = ann.get(&format!("/api/v1/event_logs/{}", result["event_id"])).is(200).json();
        assert_eq!((&event["payload"], &event["is_manual_test"]), (&payload, &json!(false)));
    }
    let ids: Vec<i64> = fired.iter().map(|result| result["event_id"].as_i64().expect("an id")).collect();
    assert!(ids.is_sorted_by(|earlier, later| earlier < later), "{ids:?}");
    assert_eq!(receiver.wait_for(3).len(), 3);
}

#[test]
fn of_many_firings_each_is_refused_as_it_would_be_alone() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let ready = make(&ann, &json!({"type": "api"}));
    let paused = make(&ann, &json!({"type": "api", "enabled": false}));
    let timed = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}}));
    let foreign = make(&bob, &json!({"type": "api"}));
    let deleted = make(&ann, &json!({"type": "api"}));
    ann.delete(&format!("/api/v1/triggers/{deleted}")).is(204);
    let named = [ready, paused, timed, foreign, deleted, 4711, ready];
    let items: Vec<Value> = named.iter().map(|id| json!({"trigger_id": id})).collect();
    let fired = results(ann.post(FIRE, &json!(items)));
    assert_eq!(statuses(&fired), [200, 409, 400, 404, 404, 404, 200]);
    for (result, id) in fired.iter().zip(named).filter(|(result, _)| result["status"] != 200) {
        let status = result["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
        assert_eq!(result["error"], ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).problem(status));
    }
    assert_eq!(events(&ann).len(), 2);
    assert_eq!(events(&bob), [] as [Value; 0]);
    let odd = json!([{}, {"trigger_id": "7"}, {"trigger_id": ready, "paylod": 1}, {"trigger_id": ready, "payload": "x".repeat(300_000)}]);
    let fired = results(ann.post(FIRE, &odd));
    assert_eq!(statuses(&fired), [422; 4]);
    let fields: Vec<&Value> = fired.iter().map(|result| &result["error"]["errors"][0]["field"]).collect();
    assert_eq!(fields, ["trigger_id", "trigger_id", "paylod", "payload"]);
    assert_eq!(events(&ann).len(), 2);
}

#[test]
fn more_than_one_commit_is_one_answer_and_what_became_due_fires() {
    let server = Server::start();
    let ann = server.user();
    let soon = in_ms(3000);
    let mut bodies = vec![json!({"type": "api"}); 2500];
    bodies[2200] = json!({"type": "scheduled", "schedule_details": {"run_at": soon}});
    let made = results(ann.post(MAKE, &json!(bodies)));
    assert_eq!(statuses(&made), [201; 2500]);
    let ids: Vec<&Value> = made.iter().map(|result| &result["id"]).collect();
    let timed = until("it fires by itself", || events(&ann).pop());
    assert_eq!((&timed["trigger_id"], &timed["scheduled_at"]), (ids[2200], &json!(soon)));
    let items: Vec<Value> = ids.iter().map(|id| json!({"trigger_id": id})).collect();
    let fired = results(ann.post(FIRE, &json!(items)));
    let refused: Vec<usize> = (0..2500).filter(|at| fired[*at]["status"] != 200).collect();
    assert_eq!(refused, [2200], "only the one that is not called");
    let counts = ann.get("/api/v1/event_logs/aggregated").is(200).json();
    assert!(ids.iter().all(|id| counts[id.to_string()] == 1), "each has one event");
}

#[test]
fn what_is_no_list_of_items_is_refused_as_a_whole_and_says_what_would_be_one() {
    let server = Server::start();
    let ann = server.user();
    for path in [MAKE, FIRE] {
        ann.post(path, &json!({"type": "api"})).problem(422);
        ann.call("POST", path).body("application/json", "[{}").send().problem(400);
        ann.call("POST", path).body("text/plain", "[]").send().problem(415);
        ann.call("POST", path).untyped("[]").send().problem(415);
        ann.post_nothing(path).problem(422);
        assert_eq!(results(ann.post(path, &json!([]))), [] as [Value; 0]);
        assert_eq!(results(lines(&ann, path, " \n\n")), [] as [Value; 0]);
        ann.get(path).is(405);
    }
    // Elsewhere lines are not JSON, as before.
    lines(&ann, "/api/v1/triggers", "{\"type\":\"api\"}").problem(415);
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([]));
}

#[test]
fn what_goes_beyond_a_bound_is_told_the_bound() {
    let server = Server::start();
    let ann = server.user();
    let says = |answer: Answer, status, bound: &str| {
        let problem = answer.problem(status);
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(bound)), "{problem}");
    };
    says(lines(&ann, MAKE, "{\"type\":\"api\"}\n".repeat(10_001)), 422, "at most 10000 items; this one has 10001");
    says(ann.post(MAKE, &json!(vec![7; 10_001])), 422, "at most 10000 items; this one has 10001");
    says(lines(&ann, MAKE, " ".repeat(16 * 1024 * 1024 + 1)), 413, "at most 16777216 bytes");
    let long = format!("{{\"type\": \"api\", \"name\": \"{}\"}}\n{{\"type\": \"api\"}}\n", "x".repeat(700_000));
    let made = results(lines(&ann, MAKE, long));
    assert_eq!(statuses(&made), [413, 201], "an item may be as long as the body of a call for one");
    let fields: Vec<String> = (0..1000).map(|n| format!("\"f{n}\": 1")).collect();
    let made = results(lines(&ann, MAKE, format!("{{\"type\": \"api\", {}}}", fields.join(", "))));
    assert_eq!(made[0]["error"]["detail"], "1000 fields are not right; see errors.");
    assert_eq!(made[0]["error"]["errors"].as_array().map(Vec::len), Some(8), "an answer does not outgrow its question");
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 1);
}

#[test]
fn every_item_counts_against_the_rate_limit_and_what_came_before_it_stands() {
    let server = Setup::new().option("--rate-limit", "3").serve();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let items = vec![json!({"trigger_id": id}); 5];
    let fired = results(ann.post(FIRE, &json!(items)));
    let stood = fired.iter().take_while(|result| result["status"] == 200).count();
    // One request made the trigger; another is let through every twenty seconds.
    assert!((2..=3).contains(&stood), "{fired:?}");
    for refused in &fired[stood..] {
        assert_eq!((&refused["status"], &refused["error"]["status"]), (&json!(429), &json!(429)));
        assert!(refused["retry_after"].as_u64().is_some_and(|seconds| (1..=20).contains(&seconds)), "{refused}");
    }
    ann.post(FIRE, &json!(items)).is(429);
    let server = Setup::new().option("--rate-limit", "0").serve();
    let ann = server.user();
    assert_eq!(statuses(&results(ann.post(MAKE, &json!(vec![json!({"type": "api"}); 12])))), [201; 12]);
}

#[test]
fn a_key_that_only_fires_makes_nothing_and_one_that_only_manages_fires_nothing() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let key = |scope: &str| {
        let made = ann.post("/api/v1/api_keys", &json!({"name": "k", "scopes": [scope]})).is(201).json();
        server.nobody().bearer(made["key"].as_str().expect("a key"))
    };
    let (make, fire) = (json!([{"type": "api"}]), json!([{"trigger_id": id}]));
    let statuses = |client: &Client| (client.post(MAKE, &make).status, client.post(FIRE, &fire).status);
    assert_eq!(statuses(&key("manage")), (200, 403));
    assert_eq!(statuses(&key("fire")), (403, 200));
    assert_eq!(statuses(&key("read")), (403, 403));
    assert_eq!(statuses(&server.nobody()), (401, 401));
}

#[test]
fn everything_that_was_answered_is_there_after_kill_9() {
    let server = Server::start();
    let ann = server.user();
    let made = results(ann.post(MAKE, &json!(vec![json!({"type": "api"}); 3000])));
    let items: Vec<Value> = made.iter().map(|result| json!({"trigger_id": result["id"]})).collect();
    let fired = results(ann.post(FIRE, &json!(items)));
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    assert_eq!(statuses(&fired), [200; 3000]);
    let counts = ann.get("/api/v1/event_logs/aggregated").is(200).json();
    assert!(made.iter().all(|result| counts[result["id"].to_string()] == 1), "each trigger has its event");
    for at in [0, 999, 1000, 2999] {
        ann.get(&format!("/api/v1/triggers/{}", made[at]["id"])).is(200);
        let event = ann.get(&format!("/api/v1/event_logs/{}", fired[at]["event_id"])).is(200).json();
        assert_eq!(event["trigger_id"], made[at]["id"]);
    }
}
