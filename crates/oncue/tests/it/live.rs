//! What open pages are told while they are open, and the list of events that they show: nothing twice, nothing left out, nothing
//! of anybody else's, and no page holds up a server that stops.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};
use crate::support::wait::{PATIENCE, until};

/// One message of the stream.
#[derive(Debug)]
struct Message {
    event: String,
    id: Option<i64>,
    data: String,
}

impl Message {
    /// The events whose rows it brings.
    fn events(&self) -> Vec<i64> {
        let ids = self.data.split("data-event=\"").skip(1);
        ids.filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
    }
}

/// An open stream. It speaks HTTP/1.0, where a body without an end ends with the connection and is not cut into pieces.
struct Tail(BufReader<TcpStream>);

impl Tail {
    /// Asks for the stream; the head of the answer where it is no stream.
    fn ask(client: &Client, query: &str, last: Option<i64>) -> Result<Tail, String> {
        let address = client.base().strip_prefix("http://").expect("an http address");
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let token = client.headers().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
        let last = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /ui/live{query} HTTP/1.0\r\nhost: {address}\r\naccept: text/event-stream\r\n{token}{last}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the request is taken");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).expect("a head") > 0, "the answer ended in its head: {head}");
        }
        if head.contains(" 200 ") {
            let head = head.to_ascii_lowercase();
            for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
                assert!(head.contains(header), "{header}: {head}");
            }
            Ok(Tail(reader))
        } else {
            Err(head)
        }
    }

    fn open(client: &Client, query: &str, last: Option<i64>) -> Tail {
        Tail::ask(client, query, last).unwrap_or_else(|head| panic!("no stream: {head}"))
    }

    /// The next message; none when the stream has ended.
    fn next(&mut self) -> Option<Message> {
        let mut message = Message { event: String::new(), id: None, data: String::new() };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("the stream is read in time") == 0 {
                return None;
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut message.event),
                Some(("id", id)) => message.id = id.parse().ok(),
                Some(("data", data)) => message.data = format!("{}{data}\n", message.data),
                None if line == "\n" && !message.event.is_empty() => return Some(message),
                _ => {}
            }
        }
    }

    /// The next message that is no beat.
    fn news(&mut self) -> Option<Message> {
        std::iter::from_fn(|| self.next()).find(|message| message.event != "beat")
    }

    /// Reads until `wanted` events came, and gives them in the order in which they fired, with the last id.
    fn events(&mut self, wanted: usize) -> (Vec<i64>, i64) {
        let (mut events, mut last) = (Vec::new(), 0);
        while events.len() < wanted {
            let message = self.next().expect("the stream goes on");
            // The newest stands on top.
            events.extend(message.events().into_iter().rev());
            last = message.id.unwrap_or(last);
        }
        (events, last)
    }
}

fn make(client: &Client, body: &Value) -> i64 {
    client.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("a number")
}

fn fire(client: &Client, trigger: i64) -> i64 {
    client.post_nothing(&format!("/api/v1/triggers/{trigger}/fire")).is(200).json()["event_id"]
        .as_i64()
        .expect("a number")
}

fn all_events(client: &Client) -> Vec<i64> {
    let mut ids: Vec<i64> = client
        .get("/api/v1/event_logs?status=all")
        .is(200)
        .list()
        .iter()
        .map(|event| event["id"].as_i64().expect("a number"))
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_page_is_told_of_each_event_once_and_goes_on_where_it_was() {
    let server = Server::start();
    let ann = server.user();
    let trigger = make(&ann, &json!({"type": "api", "name": "<b>watched"}));
    let first = fire(&ann, trigger);
    let mut tail = Tail::open(&ann, "?rows=1&after=0", None);
    assert_eq!(tail.events(1).0, [first], "what was there already, because the page did not know it");
    let fired: Vec<i64> = (0..3).map(|_| fire(&ann, trigger)).collect();
    let (told, last) = tail.events(3);
    assert_eq!(told, fired);
    drop(tail);
    let missed: Vec<i64> = (0..2).map(|_| fire(&ann, trigger)).collect();
    let mut again = Tail::open(&ann, "?rows=1&after=0", Some(last));
    let message = again.next().expect("a message");
    assert_eq!(message.events().into_iter().rev().collect::<Vec<_>>(), missed, "where it was, and not where it began");
    assert!(message.data.contains("&#60;b&#62;watched") && !message.data.contains("<b>"), "{}", message.data);
}

#[test]
fn a_page_is_told_that_it_ought_to_look_again() {
    let server = Server::start_delivering();
    let receiver = Receiver::start();
    let ann = server.user();
    let mut tail = Tail::open(&ann, "", None);
    assert_eq!(tail.next().map(|message| message.event).as_deref(), Some("beat"), "it hears at once");
    let trigger = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    assert_eq!(tail.news().map(|message| message.event).as_deref(), Some("changed"));
    fire(&ann, trigger);
    let told: Vec<String> = (0..2).filter_map(|_| tail.news()).map(|message| message.event).collect();
    assert_eq!(told, ["fired", "settled"]);
}

#[test]
fn over_a_restart_no_event_is_missed_and_none_told_twice() {
    let mut server = Server::start();
    let mut ann = server.user();
    make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    let (mut told, mut last) = Tail::open(&ann, "?rows=1&status=all&after=0", None).events(2);
    for is_killed in [true, false] {
        let setup = if is_killed { server.kill() } else { server.stop() };
        server = setup.serve();
        ann = ann.at(server.base());
        until("it fires while nobody watches", || all_events(&ann).last().copied().filter(|newest| *newest > last));
        let mut tail = Tail::open(&ann, "?rows=1&status=all&after=0", Some(last));
        let (more, place) = tail.events(2);
        told.extend(more);
        last = place;
    }
    let kept: Vec<i64> = all_events(&ann).into_iter().filter(|id| *id <= last).collect();
    assert_eq!(told, kept);
}

#[test]
fn a_page_of_another_life_or_far_behind_is_made_anew() {
    let server = Server::start();
    let ann = server.user();
    let mut tail = Tail::open(&ann, "?rows=1&after=1000000", None);
    assert_eq!(tail.next().map(|message| message.event).as_deref(), Some("reload"));
    assert!(tail.next().is_none(), "that was all");
    let trigger = make(&ann, &json!({"type": "api"}));
    for _ in 0..201 {
        fire(&ann, trigger);
    }
    let mut tail = Tail::open(&ann, "?rows=1&after=0", None);
    assert_eq!(tail.news().map(|message| message.event).as_deref(), Some("reload"));
    let mut hint = Tail::open(&ann, "?after=0", None);
    let message = hint.news().expect("a message");
    assert_eq!((message.event.as_str(), message.events().len()), ("fired", 0), "who takes no rows gets none");
}

#[test]
fn a_tail_brings_only_what_its_list_shows() {
    let server = Server::start();
    let ann = server.user();
    let (one, other) = (make(&ann, &json!({"type": "api"})), make(&ann, &json!({"type": "api"})));
    let mut tail = Tail::open(&ann, &format!("?rows=1&after=0&trigger={one}&text=NEEDLE"), None);
    fire(&ann, other);
    fire(&ann, one);
    let found = ann.post(&format!("/api/v1/triggers/{one}/fire"), &json!({"a": "a needle here"})).is(200);
    ann.post(&format!("/api/v1/triggers/{other}/fire"), &json!({"a": "needle"})).is(200);
    let (told, _) = tail.events(1);
    assert_eq!(json!(told[0]), found.json()["event_id"]);
}

#[test]
fn nobody_is_told_of_what_is_not_theirs() {
    let server = Server::start_delivering();
    let receiver = Receiver::start();
    let ann = server.user();
    let bob = server.register("bob@example.com");
    let mut watching = Tail::open(&bob, "?rows=1&after=0", None);
    assert_eq!(watching.next().map(|message| message.event).as_deref(), Some("beat"));
    let canary = make(&ann, &json!({"type": "api", "name": "canary", "webhook_url": receiver.url()}));
    let fired = fire(&ann, canary);
    until("it is delivered", || {
        let event = ann.get(&format!("/api/v1/event_logs/{fired}")).is(200).json();
        (event["deliveries"][0]["status"] == "delivered").then_some(())
    });
    ann.delete(&format!("/api/v1/triggers/{canary}"));
    let own = make(&bob, &json!({"type": "api", "name": "bobs"}));
    assert_eq!(watching.news().map(|message| message.event).as_deref(), Some("changed"), "his own, and first of all");
    let event = fire(&bob, own);
    let message = watching.news().expect("a message");
    assert_eq!((message.event.as_str(), message.events()), ("fired", vec![event]));
    let mut by_filter = Tail::open(&bob, &format!("?rows=1&after=0&trigger={canary}"), None);
    let beat = by_filter.next().expect("a message");
    assert_eq!((beat.event.as_str(), beat.events().len()), ("beat", 0));

    let key = ann.post("/api/v1/api_keys", &json!({"name": "k", "scopes": ["read"]})).is(201).json()["key"].clone();
    let program = server.nobody().bearer(key.as_str().expect("a key"));
    for stranger in [server.nobody(), server.nobody().bearer("garbage"), program] {
        let head = Tail::ask(&stranger, "?after=0", None).err().expect("a refusal");
        assert!(head.contains(" 401 "), "{head}");
    }
}

#[test]
fn pages_have_a_bound_and_those_beyond_it_are_told_when_to_come_back() {
    let server = Server::start();
    let ann = server.user();
    let mut open: Vec<Tail> = (0..16).map(|_| Tail::open(&ann, "", None)).collect();
    let head = Tail::ask(&ann, "", None).err().expect("a refusal");
    assert!(head.contains(" 503 ") && head.to_ascii_lowercase().contains("retry-after: "), "{head}");
    drop(Tail::open(&server.register("bob@example.com"), "", None));
    open.pop();
    until("the place is free again", || Tail::ask(&ann, "", None).ok());
}

#[test]
fn a_server_stops_at_once_however_many_pages_are_open() {
    let server = Setup::new().flag("--open").serve();
    let nobody = server.nobody();
    let mut tails: Vec<Tail> = (0..8).map(|_| Tail::open(&nobody, "?rows=1", None)).collect();
    for tail in &mut tails {
        assert_eq!(tail.next().map(|message| message.event).as_deref(), Some("beat"));
    }
    let began = Instant::now();
    server.stop();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}: what is in flight may take ten seconds, but pages may not");
    assert!(tails.into_iter().all(|mut tail| tail.next().is_none()), "each was ended well");
}

/// Walks the list by its own links and gives the events in the order in which they stand.
fn walk(client: &Client, from: &str) -> Vec<i64> {
    let (mut address, mut events) = (from.to_owned(), Vec::new());
    loop {
        let page = client.get(&address).is(200).text;
        let rows = page.split("data-event=\"").skip(1);
        events.extend(rows.filter_map(|rest| rest.split('"').next()?.parse::<i64>().ok()));
        let Some((_, rest)) = page.split_once("id=\"older\" href=\"") else { return events };
        address = rest.split('"').next().expect("an address ends").replace("&#38;", "&");
    }
}

#[test]
fn the_list_is_walked_page_by_page_and_exported_as_it_is_filtered() {
    let server = Server::start();
    let ann = server.user();
    let bob = server.register("bob@example.com");
    let (one, other) = (make(&ann, &json!({"type": "api", "name": "=one"})), make(&ann, &json!({"type": "api"})));
    let mut fired: Vec<i64> = (0..120).map(|at| fire(&ann, if at % 3 == 0 { other } else { one })).collect();
    fired.reverse();
    assert_eq!(walk(&ann, "/events"), fired);
    let ones: Vec<i64> = walk(&ann, &format!("/events?trigger={one}"));
    assert_eq!(ones.len(), 80);
    assert_eq!(walk(&bob, &format!("/events?status=all&trigger={one}")), [0; 0]);

    let jsonl = ann.get(&format!("/events?trigger={one}&export=jsonl")).is(200);
    assert!(jsonl.header("content-disposition").contains("oncue-events.jsonl"));
    let lines: Vec<Value> = jsonl.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().map(|line| line["id"].as_i64().expect("a number")).collect::<Vec<_>>(), ones);
    let csv = ann.get(&format!("/events?trigger={one}&export=csv")).is(200).text;
    assert_eq!(csv.lines().count(), 81);
    assert!(csv.lines().skip(1).all(|line| line.contains("\"'=one\"")), "{csv}");
    assert_eq!(bob.get("/events?status=all&export=jsonl").is(200).text, "");
}

#[test]
fn an_event_that_is_deleted_leaves_a_page_that_says_so_to_its_owner() {
    let setup = Setup::new().option("--active-for", "1s").option("--keep-for", "2s");
    let server = setup.serve();
    let ann = server.user();
    let trigger = make(&ann, &json!({"type": "api", "name": "short-lived", "api_payload": {"secret": "canary"}}));
    let event = fire(&ann, trigger);
    let address = format!("/events/{event}");
    assert!(ann.get(&address).is(200).text.contains("canary"));
    let page = until("it is gone", || Some(ann.get(&address)).filter(|answer| answer.status == 410)).text;
    assert!(page.contains("is deleted") && !page.contains("canary") && !page.contains("short-lived"), "{page}");
    let bob = server.register("bob@example.com");
    let (foreign, missing) = (bob.get(&address).is(404).text, bob.get("/events/987654").is(404).text);
    assert_eq!(foreign, missing);
    ann.get("/events/987654").is(404);
}

#[test]
fn a_page_that_does_not_read_holds_nothing_up() {
    let server = Server::start();
    let ann = server.user().keeping_alive();
    // As long as rows get: what is escaped takes five times its place. All of them together are more than sockets hold.
    let long = "<".repeat(200);
    let trigger = make(&ann, &json!({"type": "api", "name": long, "api_payload": long}));
    let _deaf: Vec<Tail> = (0..2).map(|_| Tail::open(&ann, "?rows=1&after=0", None)).collect();
    for _ in 0..2000 {
        fire(&ann, trigger);
    }
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
