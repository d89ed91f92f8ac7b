//! How many triggers are made in a second, each durable before it is answered: one in a call, on many connections and on one,
//! and a thousand in a call. And how many fires are accepted a thousand in a call. Every item's result is looked at, so that
//! one that was refused is not counted as made.

use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::SignedDuration;
use oncue_domain::clock::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::scheduled;
use crate::bench::Bench;
use crate::bench::load::{Client, make_triggers, repeat};
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How many programs call at once with one trigger each.
const CONNECTIONS: usize = 64;

/// How many programs call at once with many.
const BULK_CONNECTIONS: usize = 4;

/// How many items one call has.
const ITEMS: usize = 1_000;

/// How many triggers are called.
const CALLED: usize = 64;

/// Where many triggers are made, and where many are fired.
const TRIGGERS: &str = "/api/v1/triggers/bulk";
const FIRES: &str = "/api/v1/fire/bulk";

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mut measures = Vec::new();
    for connections in [CONNECTIONS, 1] {
        measures.extend(single(bench, connections).await?);
    }
    for (form, connections) in [(Form::Array, BULK_CONNECTIONS), (Form::Array, 1), (Form::Lines, 1)] {
        measures.extend(bulk(bench, What::Triggers, form, connections).await?);
    }
    for connections in [BULK_CONNECTIONS, 1] {
        measures.extend(bulk(bench, What::Fires, Form::Array, connections).await?);
    }
    Ok(measures)
}

fn lasts(bench: &Bench) -> Duration {
    bench.size.pick(Duration::from_secs(5), Duration::from_millis(500))
}

/// A trigger that nothing fires while it is measured.
fn trigger(number: usize) -> Value {
    let far = SystemClock.now() + SignedDuration::from_hours(24 * 30);
    scheduled(number, &json!({"run_at": far.to_string()}), "http://127.0.0.1:8080/hook")
}

fn on(connections: usize) -> String {
    if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") }
}

async fn single(bench: &Bench, connections: usize) -> anyhow::Result<Vec<Measure>> {
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let token = Client::register(server.address()).await?;
    let mut clients = Vec::new();
    for (number, address) in server.addresses.iter().cycle().take(connections).enumerate() {
        let client = Client::connect(address, &token).await?;
        let request = client.render("POST", "/api/v1/triggers", &trigger(number).to_string());
        clients.push((client, request));
    }
    let before = server.cost()?;
    let answered = repeat(clients, lasts(bench)).await?;
    let heading = format!("one in a call, {}: ", on(connections));
    let mut measures = vec![
        Measure::more(format!("{heading}triggers made"), "1/s", answered.per_second()),
        Measure::less(format!("{heading}refused"), "", answered.refused as f64),
    ];
    measures.extend(server.cost()?.cpu_each_since(&before, &heading, "trigger", answered.accepted()));
    measures.extend(Sorted::of(answered.took_ms).measures(&format!("{heading}answer"), "ms"));
    Ok(measures)
}

/// What many of are asked for in one call.
#[derive(Clone, Copy)]
enum What {
    Triggers,
    Fires,
}

/// How the items of one call are written.
#[derive(Clone, Copy)]
enum Form {
    Array,
    Lines,
}

impl Form {
    fn content_type(self) -> &'static str {
        match self {
            Form::Array => "application/json",
            Form::Lines => "application/x-ndjson",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Form::Array => "an array",
            Form::Lines => "lines",
        }
    }

    fn write(self, items: &[Value]) -> String {
        match self {
            Form::Array => Value::from(items).to_string(),
            Form::Lines => items.iter().map(|item| format!("{item}\n")).collect(),
        }
    }
}

impl What {
    /// Where they are asked for, and what is counted.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            What::Triggers => (TRIGGERS, "triggers made"),
            What::Fires => (FIRES, "fires accepted"),
        }
    }

    /// The items of one call; what is fired is made first.
    async fn items(self, server: &Server, token: &str) -> anyhow::Result<Vec<Value>> {
        if matches!(self, What::Triggers) {
            return Ok((0..ITEMS).map(trigger).collect());
        }
        let bodies = (0..CALLED).map(|number| json!({"name": format!("bench {number}"), "type": "api"})).collect();
        let triggers = make_triggers(&server.addresses, token, bodies).await?;
        let fire = |(number, id)| json!({"trigger_id": id, "payload": {"order": number, "status": "shipped"}});
        Ok(triggers.iter().cycle().take(ITEMS).enumerate().map(fire).collect())
    }
}

async fn bulk(bench: &Bench, what: What, form: Form, connections: usize) -> anyhow::Result<Vec<Measure>> {
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let token = Client::register(server.address()).await?;
    let (path, name) = what.names();
    let body = form.write(&what.items(&server, &token).await?);
    let mut clients = Vec::new();
    for address in server.addresses.iter().cycle().take(connections) {
        let client = Client::connect(address, &token).await?;
        let request = client.render_as(form.content_type(), "POST", path, &body);
        clients.push((client, request));
    }
    // The first call tells whether there is such a thing, and finds the server warm for the others.
    if let Some((client, request)) = clients.first_mut() {
        let (status, _) = client.answer(request.as_bytes(), |_| ()).await?;
        if matches!(status, 404 | 405 | 415) {
            let form = form.name();
            eprintln!(
                "bench: this server has no POST {path} for {form} ({status}), so {name} that way are not measured"
            );
            return Ok(Vec::new());
        }
    }
    let before = server.cost()?;
    let Answered { took_ms, accepted, refused, lasted } = call(clients, path, lasts(bench)).await?;
    let heading = format!("{ITEMS} in a call, as {}, {}: {name}", form.name(), on(connections));
    let mut measures = vec![
        Measure::more(&heading, "1/s", accepted as f64 / lasted.as_secs_f64()),
        Measure::less(format!("{heading}: refused"), "", refused as f64),
    ];
    measures.extend(server.cost()?.cpu_each_since(&before, &format!("{heading}: "), "item", accepted));
    measures.extend(Sorted::of(took_ms).measures(&format!("{heading}: answer"), "ms"));
    Ok(measures)
}

/// What came of calls with many items.
#[derive(Default)]
struct Answered {
    took_ms: Vec<f64>,
    /// How many items were accepted.
    accepted: usize,
    /// How many were not.
    refused: usize,
    lasted: Duration,
}

/// Repeats each client's call for so long, again as soon as it is answered.
async fn call(clients: Vec<(Client, String)>, path: &'static str, lasts: Duration) -> anyhow::Result<Answered> {
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for (mut client, request) in clients {
        callers.spawn(async move {
            let mut answered = Answered::default();
            while started.elapsed() < lasts {
                let called = Instant::now();
                let (status, results) = client.answer(request.as_bytes(), |answer| outcome(answer.body)).await?;
                answered.took_ms.push(called.elapsed().as_secs_f64() * 1e3);
                let (accepted, refused) = results.with_context(|| format!("POST {path} was answered with {status}"))?;
                answered.accepted += accepted;
                answered.refused += refused;
            }
            anyhow::Ok(answered)
        });
    }
    let mut all = Answered::default();
    while let Some(answered) = callers.join_next().await {
        let answered = answered??;
        all.took_ms.extend(answered.took_ms);
        all.accepted += answered.accepted;
        all.refused += answered.refused;
    }
    all.lasted = started.elapsed();
    Ok(all)
}

/// What is needed of an answer; parsing all of it would cost the machine more.
#[derive(Deserialize)]
struct Results {
    results: Vec<ItemResult>,
}

#[derive(Deserialize)]
struct ItemResult {
    status: u16,
}

/// How many items were accepted and how many were not.
fn outcome(body: &[u8]) -> anyhow::Result<(usize, usize)> {
    let said = || String::from_utf8_lossy(body).chars().take(200).collect::<String>();
    let Results { results } = serde_json::from_slice(body).with_context(said)?;
    let accepted = results.iter().filter(|result| (200..=299).contains(&result.status)).count();
    Ok((accepted, results.len() - accepted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_written_as_an_array_or_one_a_line() {
        let items = [json!({"a": 1}), json!({"b": "two\nlines"})];
        assert_eq!(Form::Array.write(&items), r#"[{"a":1},{"b":"two\nlines"}]"#);
        assert_eq!(Form::Lines.write(&items), "{\"a\":1}\n{\"b\":\"two\\nlines\"}\n");
    }

    #[test]
    fn only_items_that_were_accepted_count() {
        let body = br#"{"results": [{"status": 201}, {"status": 422}, {"status": 200}, {"status": 404}]}"#;
        assert_eq!(outcome(body).expect("results"), (2, 2));
        let refusal = outcome(br#"{"detail": "too many"}"#).expect_err("no results");
        let refusal = format!("{refusal:#}");
        assert!(refusal.contains("too many"), "{refusal}");
    }
}
