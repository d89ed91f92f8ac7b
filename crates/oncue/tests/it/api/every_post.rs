//! Every call that posts, sent twice under one `Idempotency-Key`: it is done once, and the second answer is the first. The routes are taken
//! from the server's own description, so that one that is added and forgets its key fails here.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

const HEADER: &str = "idempotency-key";

/// Where nobody has an account yet, and where the address itself is the permission.
const WITHOUT_KEYS: [&str; 3] = ["/auth/login", "/auth/register", "/report/{token}/{verb}"];

/// What a call comes to when it is sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// The first answer.
    Told,
    /// 409: the answer showed a secret.
    Secret,
    /// It is answered anew: it only asks.
    Asked,
}

/// A call that does something.
struct Made {
    path: String,
    body: Option<Value>,
    /// Another body that would do something as well; none where the call takes none.
    other: Option<Value>,
    again: Again,
}

impl Made {
    fn bare(path: String) -> Made {
        Made { path, body: None, other: None, again: Again::Told }
    }

    fn with(path: &str, body: Value, other: Value) -> Made {
        Made { path: path.to_owned(), body: Some(body), other: Some(other), again: Again::Told }
    }

    fn send(&self, client: &Client) -> Answer {
        match &self.body {
            Some(body) => client.post(&self.path, body),
            None => client.post_nothing(&self.path),
        }
    }
}

/// Somebody with one of everything that a route may be called for.
struct House {
    ann: Client,
    receiver: Receiver,
}

impl House {
    fn id(&self, path: &str, body: &Value) -> Value {
        self.ann.post(path, body).is(201).json()["id"].clone()
    }

    fn trigger(&self) -> Value {
        self.id("/api/v1/triggers", &json!({"type": "api", "name": "t"}))
    }

    fn hourly(&self) -> Value {
        self.id("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": {"cron": "0 * * * *"}}))
    }

    fn webhook(&self, name: &str) -> Value {
        json!({"name": name, "kind": "webhook", "url": self.receiver.url()})
    }

    fn destination(&self) -> Value {
        self.id("/api/v1/destinations", &self.webhook("d"))
    }

    fn held(&self) -> Value {
        let at = format!("/api/v1/triggers/{}/backfill", self.hourly());
        let span = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T03:00:00Z", "hold": true});
        self.ann.post(&at, &span).is(200).json()["backlog"]["id"].clone()
    }

    /// An event of which the one delivery is in that state.
    fn event(&self, destination: &Value, state: &str) -> Value {
        let trigger = self.id("/api/v1/triggers", &json!({"type": "api", "destinations": [destination]}));
        let fired = self.ann.post_nothing(&format!("/api/v1/triggers/{trigger}/fire")).is(200).json();
        let event = fired["event_id"].clone();
        until(state, || {
            let shown = self.ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
            Some(()).filter(|()| shown["deliveries"][0]["state"] == state)
        });
        event
    }

    /// How a route is called as it is meant to be.
    fn call(&self, route: &str) -> Made {
        let at = |id: Value| route.replace("{id}", &id.to_string());
        let called = |name: &str| json!({"name": name, "type": "api"});
        match route {
            "/triggers" | "/triggers/test" => {
                let flat = |name: &str| json!({"name": name, "trigger_type": "api"});
                Made::with(route, flat("a"), flat("b"))
            }
            "/triggers/{id}/fire" | "/api/v1/triggers/{id}/fire" => {
                Made::with(&at(self.trigger()), json!({"n": 1}), json!({"n": 2}))
            }
            "/api/v1/triggers/{id}/run" | "/api/v1/triggers/{id}/test" => Made::bare(at(self.trigger())),
            "/api/v1/triggers" => Made::with(route, called("a"), called("b")),
            "/api/v1/triggers/bulk" => {
                // One is refused: what was done is told all the same.
                Made::with(route, json!([called("a"), {"type": "nonsense"}]), json!([called("b")]))
            }
            "/api/v1/fire/bulk" => {
                let trigger = self.trigger();
                let calls = json!([{"trigger_id": trigger}, {"trigger_id": 987_654}]);
                Made::with(route, calls, json!([{"trigger_id": trigger}]))
            }
            "/api/v1/triggers/{id}/revisions/{revision}/restore" => {
                let trigger = self.trigger();
                self.ann.patch(&format!("/api/v1/triggers/{trigger}"), &json!({"name": "new"})).is(200);
                Made::bare(at(trigger).replace("{revision}", "1"))
            }
            "/api/v1/triggers/{id}/backfill" => {
                let span = |to: &str| json!({"from": "2026-01-01T00:00:00Z", "to": to, "hold": true});
                Made::with(&at(self.hourly()), span("2026-01-01T03:00:00Z"), span("2026-01-01T04:00:00Z"))
            }
            "/api/v1/backlog/release" | "/api/v1/backlog/discard" => {
                self.held();
                Made::bare(route.to_owned())
            }
            "/api/v1/backlog/{id}/release" | "/api/v1/backlog/{id}/discard" => Made::bare(at(self.held())),
            "/api/v1/calendars" => {
                let dates = json!(["2031-12-25"]);
                Made::with(route, json!({"name": "a", "dates": dates}), json!({"name": "b", "dates": dates}))
            }
            "/api/v1/destinations" => {
                Made { again: Again::Secret, ..Made::with(route, self.webhook("a"), self.webhook("b")) }
            }
            "/api/v1/destinations/{id}/pause" | "/api/v1/destinations/{id}/test" => Made::bare(at(self.destination())),
            "/api/v1/destinations/{id}/resume" => {
                let destination = self.destination();
                self.ann.post_nothing(&format!("/api/v1/destinations/{destination}/pause")).is(200);
                Made::bare(at(destination))
            }
            "/api/v1/destinations/{id}/rotate" => Made { again: Again::Secret, ..Made::bare(at(self.destination())) },
            "/api/v1/destinations/preview" => {
                Made { again: Again::Asked, ..Made::with(route, self.webhook("a"), self.webhook("b")) }
            }
            "/api/v1/schedules/preview" => {
                let asked = |period: &str| json!({"schedule_details": {"every": period}});
                Made { again: Again::Asked, ..Made::with(route, asked("1h"), asked("2h")) }
            }
            "/api/v1/event_logs/{id}/fire_again" => Made::bare(at(self.event(&self.destination(), "delivered"))),
            "/api/v1/event_logs/{id}/deliveries/{slot}/redeliver" => {
                Made::bare(at(self.event(&self.destination(), "delivered")).replace("{slot}", "0"))
            }
            "/api/v1/event_logs/{id}/deliveries/{slot}/cancel" => {
                let destination = self.destination();
                self.ann.post_nothing(&format!("/api/v1/destinations/{destination}/pause")).is(200);
                Made::bare(at(self.event(&destination, "parked")).replace("{slot}", "0"))
            }
            "/api/v1/deliveries/redeliver" => {
                let chosen = |event: Value| json!({"deliveries": [{"event_id": event, "slot": 0}]});
                let (one, other) = (self.destination(), self.destination());
                Made::with(route, chosen(self.event(&one, "delivered")), chosen(self.event(&other, "delivered")))
            }
            "/api/v1/api_keys" => {
                let key = |name: &str| json!({"name": name, "scopes": ["read"]});
                Made { again: Again::Secret, ..Made::with(route, key("a"), key("b")) }
            }
            "/api/v1/freeze" => Made::with(route, json!({"reason": "a"}), json!({"reason": "b"})),
            unknown => panic!("say here how {unknown} is called, or in WITHOUT_KEYS why it takes no key"),
        }
    }

    /// Everything that a call may have done: what she did, and the events that no schedule made.
    fn done(&self) -> (Vec<Value>, Vec<Value>) {
        let told = self.ann.get("/api/v1/audit?by=user").is(200).list();
        let events = self.ann.get("/api/v1/event_logs?status=all").is(200).list();
        let called = events.into_iter().filter(|event| event["scheduled_at"].is_null());
        (told.iter().map(|entry| entry["id"].clone()).collect(), called.map(|event| event["id"].clone()).collect())
    }
}

#[test]
fn every_call_that_posts_is_done_once_under_its_key() {
    let server = Setup::new().flag("--allow-private-destinations").serve();
    let house = House { ann: server.user(), receiver: Receiver::start() };
    let document = server.nobody().get("/openapi.json").is(200).json();
    let mut walked = 0;
    for (route, calls) in document["paths"].as_object().expect("paths") {
        if calls.get("post").is_none() || WITHOUT_KEYS.contains(&route.as_str()) {
            continue;
        }
        walked += 1;
        let made = house.call(route);
        let keyed = house.ann.with(HEADER, &format!("key-{walked}"));
        let before = house.done();
        let first = made.send(&keyed);
        assert!((200..300).contains(&first.status), "{route}: {} {}", first.status, first.text);
        assert_eq!(first.header("idempotency-replayed"), "", "{route}");
        let after = house.done();
        assert_eq!(after == before, made.again == Again::Asked, "{route} did something");
        let second = made.send(&keyed);
        match made.again {
            Again::Told => {
                assert_eq!((second.status, &second.text), (first.status, &first.text), "{route}");
                assert_eq!(second.header("idempotency-replayed"), "true", "{route}");
            }
            Again::Secret => assert_eq!(second.status, 409, "{route}: {}", second.text),
            Again::Asked => assert_eq!(second.status, first.status, "{route}: {}", second.text),
        }
        assert_eq!(house.done(), after, "{route} was done twice");
        if made.again != Again::Asked {
            let other = match &made.other {
                Some(other) => keyed.post(&made.path, other),
                None => keyed.post_nothing(&format!("{}?another=call", made.path)),
            };
            assert_eq!(other.status, 422, "{route}: another call under its key: {}", other.text);
            assert!(other.text.contains("Idempotency-Key"), "{route}: {}", other.text);
            assert_eq!(house.done(), after, "{route}: a call that was refused did something");
        }
        if route == "/api/v1/freeze" {
            house.ann.delete(route).is(204);
        }
    }
    assert!(walked >= 28, "{walked}");
}

#[test]
fn many_of_which_some_are_refused_are_told_again_as_such() {
    let server = Server::start();
    let ann = server.user();
    let is_replay = |answer: &Answer| answer.header("idempotency-replayed") == "true";
    let keyed = ann.with(HEADER, "some");
    let bodies = json!([{"type": "api"}, {"type": "nonsense"}]);
    assert!(!is_replay(&keyed.post("/api/v1/triggers/bulk", &bodies).is(200)));
    assert!(is_replay(&keyed.post("/api/v1/triggers/bulk", &bodies).is(200)));
    let keyed = ann.with(HEADER, "none");
    let bodies = json!([{"type": "nonsense"}]);
    for _ in 0..2 {
        assert!(!is_replay(&keyed.post("/api/v1/triggers/bulk", &bodies).is(200)), "nothing was done before");
    }
    let paused = ann.post("/api/v1/triggers", &json!({"type": "api", "enabled": false})).is(201).json()["id"].clone();
    let ready = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    let keyed = ann.with(HEADER, "fired");
    let calls = json!([{"trigger_id": ready}, {"trigger_id": paused}]);
    assert!(!is_replay(&keyed.post("/api/v1/fire/bulk", &calls).is(200)));
    assert!(is_replay(&keyed.post("/api/v1/fire/bulk", &calls).is(200)));
    ann.patch(&format!("/api/v1/triggers/{paused}"), &json!({"enabled": true})).is(200);
    assert!(!is_replay(&keyed.post("/api/v1/fire/bulk", &calls).is(200)), "one of them fires now");
    assert!(is_replay(&keyed.post("/api/v1/fire/bulk", &calls).is(200)));
}
