//! The forms of the pages, sent twice as a browser sends them: the second leads to where the first led, and does nothing more.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

/// Somebody at a browser, who can be asked by the API what there is.
struct House {
    server: Server,
    ann: Client,
    browser: Client,
    receiver: Receiver,
}

/// A form: the page that it stands on, where it is sent, and what is typed and pressed.
struct Sent<'a> {
    page: String,
    to: String,
    typed: Vec<(&'a str, &'a str)>,
}

impl<'a> Sent<'a> {
    fn new(page: impl Into<String>, to: impl Into<String>, typed: &[(&'a str, &'a str)]) -> Sent<'a> {
        Sent { page: page.into(), to: to.into(), typed: typed.to_vec() }
    }
}

impl House {
    fn new() -> House {
        let server = Setup::new().flag("--allow-private-destinations").serve();
        let ann = server.user();
        let browser = server.nobody().with("cookie", &format!("access_token={}", ann.token()));
        House { server, ann, browser, receiver: Receiver::start() }
    }

    fn id(&self, path: &str, body: &Value) -> Value {
        self.ann.post(path, body).is(201).json()["id"].clone()
    }

    fn trigger(&self) -> Value {
        self.id("/api/v1/triggers", &json!({"type": "api", "name": "t"}))
    }

    fn destination(&self) -> Value {
        self.id("/api/v1/destinations", &json!({"name": "d", "kind": "webhook", "url": self.receiver.url()}))
    }

    /// An event that is delivered.
    fn event(&self) -> Value {
        let trigger = self.id("/api/v1/triggers", &json!({"type": "api", "destinations": [self.destination()]}));
        let fired = self.ann.post_nothing(&format!("/api/v1/triggers/{trigger}/fire")).is(200).json();
        let event = fired["event_id"].clone();
        until("it is delivered", || {
            let shown = self.ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
            Some(()).filter(|()| shown["deliveries"][0]["state"] == "delivered")
        });
        event
    }

    /// The key that a page brings.
    #[track_caller]
    fn key(&self, page: &str) -> String {
        let html = self.browser.get(page).is(200).text;
        let keys: BTreeSet<&str> = html
            .split("name=\"once\" value=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().expect("an attribute ends"))
            .collect();
        assert_eq!(keys.len(), 1, "a page has one key: {page}");
        let key = keys.first().expect("one").to_string();
        assert!(key.len() >= 16, "{key}");
        key
    }

    fn send(&self, form: &Sent<'_>, key: &str) -> Answer {
        let mut fields = form.typed.clone();
        fields.push(("once", key));
        self.browser.call("POST", &form.to).form(&fields).send()
    }

    /// What she did, all events that no schedule made, and all triggers, destinations, calendars and keys.
    fn done(&self) -> Vec<Vec<Value>> {
        let numbers = |path: &str| {
            let all = self.ann.get(path).is(200).list();
            all.iter().map(|one| one["id"].clone()).collect()
        };
        let mut done: Vec<Vec<Value>> = [
            "/api/v1/audit?by=user",
            "/api/v1/event_logs?status=all",
            "/api/v1/triggers",
            "/api/v1/destinations",
            "/api/v1/calendars",
            "/api/v1/api_keys",
        ]
        .map(numbers)
        .to_vec();
        done.push(self.secrets());
        done
    }

    /// How many signing secrets each destination has.
    fn secrets(&self) -> Vec<Value> {
        let all = self.ann.get("/api/v1/destinations").is(200).list();
        all.iter().map(|one| json!(one["secrets"].as_array().map(Vec::len))).collect()
    }
}

#[test]
fn a_form_that_is_sent_twice_is_carried_out_once_and_leads_to_the_same_place() {
    let house = House::new();
    let (trigger, event, destination) = (house.trigger(), house.event(), house.destination());
    let at = format!("/ui/triggers/{trigger}");
    let at_destination = format!("/ui/destinations/{destination}");
    let redeliver = format!("/events/{event}/deliveries/0/redeliver");
    let forms = [
        Sent::new("/ui/triggers/new", "/ui/triggers", &[("kind", "every"), ("every", "1h"), ("name", "new")]),
        Sent::new(&*at, format!("{at}/fire"), &[("back", at.as_str()), ("payload", "7")]),
        Sent::new(&*at, format!("{at}/run"), &[]),
        Sent::new("/ui/triggers", format!("{at}/test"), &[("back", "/ui/triggers?q=t")]),
        Sent::new(format!("{at}/fire"), format!("{at}/fire"), &[("payload", "{\"n\": 1}")]),
        Sent::new(format!("/events/{event}/fire-again"), format!("/events/{event}/fire-again"), &[]),
        Sent::new(&*redeliver, &*redeliver, &[]),
        Sent::new(
            "/ui/destinations/new?kind=ntfy",
            "/ui/destinations",
            &[("kind", "ntfy"), ("name", "n"), ("ntfy_topic", "t")],
        ),
        Sent::new(&*at_destination, format!("{at_destination}/test"), &[]),
        Sent::new("/ui/calendars/new", "/ui/calendars", &[("name", "c"), ("dates", "2031-12-25")]),
    ];
    for form in &forms {
        let key = house.key(&form.page);
        let before = house.done();
        let first = house.send(form, &key).is(303);
        let after = house.done();
        assert_ne!(after, before, "{} did something", form.to);
        // The delivery that was sent again is over, so that it could be sent once more.
        if form.to == redeliver {
            house.receiver.wait_for(2);
            until("it is delivered again", || {
                let shown = house.ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
                Some(()).filter(|()| {
                    let delivery = &shown["deliveries"][0];
                    delivery["state"] == "delivered"
                        && delivery["attempts"].as_array().is_some_and(|all| all.len() == 2)
                })
            });
        }
        let second = house.send(form, &key).is(303);
        assert_eq!(second.header("location"), first.header("location"), "{}", form.to);
        assert_eq!(house.done(), after, "{} was done twice", form.to);
        house.browser.get(first.header("location")).is(200);
        // Another page is another wish; a calendar of that name is there already.
        if form.to != "/ui/calendars" {
            let third = house.send(form, &house.key(&form.page)).is(303);
            assert_ne!(house.done(), after, "{} was not done again from a new page", form.to);
            let is_same_event = third.header("location") == first.header("location");
            assert!(!is_same_event || form.to == redeliver, "{}", third.header("location"));
        }
    }
}

#[test]
fn many_that_are_redelivered_are_redelivered_once_for_a_page() {
    let house = House::new();
    let receiver = Receiver::scripted(|_, _| Reply::Answer(503, "", "not now"));
    let hook = json!({"name": "d", "kind": "webhook", "url": receiver.url(), "retries": []});
    let destination = house.id("/api/v1/destinations", &hook);
    let trigger = house.id("/api/v1/triggers", &json!({"type": "api", "destinations": [destination]}));
    let fail = || {
        let fired = house.ann.post_nothing(&format!("/api/v1/triggers/{trigger}/fire")).is(200).json();
        let event = fired["event_id"].clone();
        until("it has failed", || {
            let shown = house.ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
            Some(()).filter(|()| shown["deliveries"][0]["state"] == "failed")
        });
        event
    };
    let attempts = |event: &Value, count: usize| {
        until("it was tried so often", || {
            let shown = house.ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
            let delivery = &shown["deliveries"][0];
            let is_over = delivery["state"] == "failed" && delivery["attempts"].as_array().map(Vec::len) == Some(count);
            Some(()).filter(|()| is_over)
        });
    };
    let event = fail();
    let chosen = format!("{event}.0");
    let all = format!("/ui/deliveries/redeliver?destination={destination}");
    let forms = [
        Sent::new("/ui/deliveries", "/ui/deliveries/selected", &[("ids", chosen.as_str())]),
        Sent::new(&*all, &*all, &[]),
    ];
    for (form, tried) in forms.iter().zip([2, 4]) {
        let (key, before) = (house.key(&form.page), house.done());
        let first = house.send(form, &key).is(303);
        assert_ne!(house.done(), before, "{} did something", form.to);
        assert!(first.header("location").ends_with("done=redelivered"), "one: {}", first.header("location"));
        // It has failed again, so that it could be sent once more.
        attempts(&event, tried);
        let done = house.done();
        let second = house.send(form, &key).is(303);
        assert_eq!(second.header("location"), first.header("location"), "{}", form.to);
        assert_eq!(house.done(), done, "{} was done twice", form.to);
        // Another page is another wish.
        house.send(form, &house.key(&form.page)).is(303);
        attempts(&event, tried + 1);
    }
    // The same button of the same page under another filter is another form.
    let key = house.key(&all);
    house.send(&Sent::new("", &*all, &[]), &key).is(303);
    attempts(&event, 6);
    house.send(&Sent::new("", "/ui/deliveries/redeliver", &[]), &key).is(303);
    attempts(&event, 7);
}

#[test]
fn a_form_that_is_much_too_long_is_shown_again_with_what_was_typed() {
    let house = House::new();
    let key = house.key("/ui/triggers/new");
    let payload = format!("\"{}\"", "x".repeat(1024 * 1024 + 512 * 1024));
    let form = Sent::new("", "/ui/triggers", &[("kind", "api"), ("payload", payload.as_str())]);
    let shown = house.send(&form, &key).is(422);
    assert!(shown.text.contains(&"x".repeat(1024 * 1024)), "what was typed is there");
    let trigger = house.trigger();
    let form = Sent::new("", format!("/ui/triggers/{trigger}/fire"), &[("payload", payload.as_str())]);
    let shown = house.send(&form, &key).is(422);
    assert!(shown.text.contains(&"x".repeat(1024 * 1024)), "what was typed is there");
}

#[test]
fn what_was_shown_once_is_not_made_twice() {
    let house = House::new();
    let destination = house.destination();
    let at = format!("/ui/destinations/{destination}");
    let url = house.receiver.url();
    let forms = [
        Sent::new(
            "/ui/destinations/new?kind=webhook",
            "/ui/destinations",
            &[("kind", "webhook"), ("name", "hook"), ("url", url.as_str())],
        ),
        Sent::new(&*at, format!("{at}/rotate"), &[("scheme", "v1")]),
        Sent::new("/account", "/account/keys", &[("name", "ci"), ("scope_read", "on")]),
    ];
    for form in &forms {
        let key = house.key(&form.page);
        let before = house.done();
        let first = house.send(form, &key).is(200);
        let after = house.done();
        assert_ne!(after, before, "{} did something", form.to);
        let second = house.send(form, &key).is(409);
        assert!(second.text.contains("shown only once"), "{}: {}", form.to, second.text);
        assert_eq!(house.done(), after, "{} was done twice", form.to);
        house.send(form, &house.key(&form.page)).is(200);
        assert_ne!(house.done(), after, "{} was not done again from a new page", form.to);
        if form.to == "/account/keys" {
            let secret = first.text.split("id=\"new-key\">").nth(1).and_then(|rest| rest.split('<').next());
            let secret = secret.expect("the key is shown").to_owned();
            assert!(!house.server.stop().holds(&secret), "nothing on the disk says the key");
            return;
        }
    }
    panic!("the last of them is a key");
}

#[test]
fn what_was_typed_wrong_leaves_the_key_free_and_what_was_typed_since_is_another_wish() {
    let house = House::new();
    let key = house.key("/ui/triggers/new");
    let form = |name, every| Sent::new("", "/ui/triggers", &[("kind", "every"), ("every", every), ("name", name)]);
    let names = || {
        let all = house.ann.get("/api/v1/triggers").is(200).list();
        all.iter().map(|trigger| trigger["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        house.send(&form("a", "nonsense"), &key).is(422);
    }
    house.send(&form("a", "1h"), &key).is(303);
    house.send(&form("a", "1h"), &key).is(303);
    house.send(&form("b", "1h"), &key).is(303);
    assert_eq!(names(), ["a", "b"]);

    let key = house.key("/ui/calendars/new");
    let calendar = |dates| Sent::new("", "/ui/calendars", &[("name", "c"), ("dates", dates)]);
    for _ in 0..2 {
        house.send(&calendar("nonsense"), &key).is(422);
    }
    let made = house.send(&calendar("2031-12-25"), &key).is(303);
    assert_eq!(house.send(&calendar("2031-12-25"), &key).is(303).header("location"), made.header("location"));

    // A button that was refused is free as well: it is the same page, and the trigger may fire by now.
    let trigger = house.id("/api/v1/triggers", &json!({"type": "api", "enabled": false}));
    let run = Sent::new("", format!("/ui/triggers/{trigger}/run"), &[]);
    let key = house.key(&format!("/ui/triggers/{trigger}"));
    house.send(&run, &key).is(409);
    house.ann.patch(&format!("/api/v1/triggers/{trigger}"), &json!({"enabled": true})).is(200);
    house.send(&run, &key).is(303);
    // Another button of the same page is another wish.
    let test = Sent::new("", format!("/ui/triggers/{trigger}/test"), &[]);
    house.send(&test, &key).is(303);
    assert_eq!(house.ann.get("/api/v1/event_logs").is(200).list().len(), 2);
}

#[test]
fn a_form_without_a_key_or_with_nonsense_for_one_is_carried_out_each_time() {
    let house = House::new();
    let trigger = house.trigger();
    let run = Sent::new("", format!("/ui/triggers/{trigger}/run"), &[]);
    house.browser.call("POST", &run.to).form(&[]).send().is(303);
    for nonsense in ["", "a b", "\u{e4}", &"k".repeat(300)] {
        house.send(&run, nonsense).is(303);
        house.send(&run, nonsense).is(303);
    }
    assert_eq!(house.ann.get("/api/v1/event_logs").is(200).list().len(), 9);
    // A key is its sender's, and opens nothing: whoever sends it for another gets what they would get without.
    let key = house.key(&format!("/ui/triggers/{trigger}"));
    house.send(&run, &key).is(303);
    let ben = house.server.register("ben@example.com");
    let his = house.server.nobody().with("cookie", &format!("access_token={}", ben.token()));
    his.call("POST", &run.to).form(&[("once", &key)]).send().is(404);
    house.server.nobody().call("POST", &run.to).form(&[("once", &key)]).send().is(401);
}

#[test]
fn of_presses_at_once_one_is_carried_out_and_all_lead_to_the_same_place() {
    let house = House::new();
    let (trigger, destination) = (house.trigger(), house.destination());
    for (page, to) in [
        (format!("/ui/triggers/{trigger}"), format!("/ui/triggers/{trigger}/run")),
        (format!("/ui/destinations/{destination}"), format!("/ui/destinations/{destination}/test")),
    ] {
        let (form, key) = (Sent::new(&*page, to, &[]), house.key(&page));
        let before = house.ann.get("/api/v1/event_logs").is(200).list().len();
        let places: Vec<String> = thread::scope(|scope| {
            let presses: Vec<_> =
                (0..6).map(|_| scope.spawn(|| house.send(&form, &key).is(303).header("location").to_owned())).collect();
            presses.into_iter().map(|press| press.join().expect("an answer")).collect()
        });
        assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), 1, "{places:?}");
        assert_eq!(house.ann.get("/api/v1/event_logs").is(200).list().len(), before + 1, "{}", form.to);
    }
}

#[test]
fn what_a_form_did_is_known_after_kill_9() {
    let house = House::new();
    let trigger = house.trigger();
    let forms = [
        Sent::new(format!("/ui/triggers/{trigger}"), format!("/ui/triggers/{trigger}/run"), &[]),
        Sent::new("/ui/triggers/new", "/ui/triggers", &[("kind", "every"), ("every", "1h")]),
        Sent::new("/ui/calendars/new", "/ui/calendars", &[("name", "c"), ("dates", "2031-12-25")]),
    ];
    let led: Vec<(String, String)> = forms
        .iter()
        .map(|form| {
            let key = house.key(&form.page);
            let to = house.send(form, &key).is(303).header("location").to_owned();
            (key, to)
        })
        .collect();
    let House { server, ann, browser, receiver } = house;
    let server = server.kill().serve();
    let (ann, browser) = (ann.at(server.base()), browser.at(server.base()));
    let house = House { server, ann, browser, receiver };
    let before = house.done();
    for (form, (key, to)) in forms.iter().zip(&led) {
        assert_eq!(house.send(form, key).is(303).header("location"), to);
    }
    assert_eq!(house.done(), before);
}
