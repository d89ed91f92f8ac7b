//! Our way out beside reqwest's: many small calls to a receiver in a process of its own, by one caller at a time and by many. It shows
//! what it costs, or saves, that connections are ours. Both do the same work: the address is judged, what a name leads to is judged
//! before it is dialled, no redirect is followed, and of the answer the same is kept. Nothing here is part of the program, and reqwest
//! is known to nothing else.
//!
//! `cargo bench -p oncue-engine`, with `--rounds 9` and `--calls 2000` behind `--` where the default is not enough or too much. The
//! calls are plain HTTP: on a connection that stands TLS costs both the same, because both leave it to rustls.

mod processor;
mod receiver;
mod theirs;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use oncue_domain::destination::{Egress, Reach, Webhook};
use oncue_domain::outbound::{Answer, Failure, Method, Outbound, Request, Trust};
use oncue_engine::http::{HttpOutbound, Settings};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use receiver::Receiver;
use theirs::Theirs;

/// How many are under way at once.
const CALLERS: [usize; 2] = [1, 64];

/// The calls of one round, by as many callers as there are most; one alone makes a quarter of them.
const CALLS: usize = 40_000;

/// How often each is measured, in turns.
const ROUNDS: usize = 5;

/// A small notification.
const BODY: &str = r#"{"order":48213,"status":"shipped","carrier":"example","items":[{"sku":"A-1","quantity":2}]}"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == receiver::ROLE) {
        return receiver::run();
    }
    let number = |name: &str, usual: usize| {
        let place = arguments.iter().position(|argument| argument == name);
        let given = place.and_then(|place| arguments.get(place + 1));
        given.map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text}"))).max(1)
    };
    let (rounds, calls) = (number("--rounds", ROUNDS), number("--calls", CALLS));
    let receiver = Receiver::start();
    let egress = Arc::new(Egress::new(Reach::Loopback, Vec::new()));
    let ours: Arc<dyn Sends> = Arc::new(HttpOutbound::new(Settings::new(Arc::clone(&egress))));
    let theirs: Arc<dyn Sends> = Arc::new(Theirs::new(egress, receiver.port));
    // As many threads as the server has.
    let runtime = Runtime::new().expect("a runtime");
    println!(
        "{:<10} {:>7} {:>31} {:>31}",
        "client", "callers", "calls/s (least … most)", "CPU/call, µs (least … most)"
    );
    for callers in CALLERS {
        let calls = if callers == 1 { calls.div_ceil(4) } else { calls };
        let mut measured = [("oncue", &ours, Vec::new()), ("reqwest", &theirs, Vec::new())];
        for round in 0..=rounds {
            // In turns, because machines drift, and the first round only opens the connections.
            for (_, client, rounds) in &mut measured {
                let one = runtime.block_on(round_of(client, &receiver.url(), callers, calls));
                rounds.extend((round > 0).then_some(one));
            }
        }
        for (name, _, rounds) in measured {
            let column = |of: fn(&Round) -> f64| spread(rounds.iter().map(of).collect());
            println!(
                "{name:<10} {callers:>7} {:>31} {:>31}",
                column(|round| round.per_second),
                column(|round| round.cpu_us)
            );
        }
    }
}

/// One of the two ways out.
#[async_trait::async_trait]
trait Sends: Send + Sync {
    async fn call(&self, request: Request) -> Result<Answer, Failure>;
}

#[async_trait::async_trait]
impl Sends for HttpOutbound {
    async fn call(&self, request: Request) -> Result<Answer, Failure> {
        self.send(request).await.result
    }
}

/// What one round came to.
struct Round {
    per_second: f64,
    /// Processor time of this process, user and system, for each call; the receiver is another process.
    cpu_us: f64,
}

async fn round_of(client: &Arc<dyn Sends>, url: &str, callers: usize, calls: usize) -> Round {
    let left = Arc::new(AtomicUsize::new(calls));
    let (began, before) = (Instant::now(), processor::time());
    let mut all = JoinSet::new();
    for _ in 0..callers {
        let (client, left, request) = (Arc::clone(client), Arc::clone(&left), request(url));
        all.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let answer = client.call(request.clone()).await;
                assert!(black_box(&answer).as_ref().is_ok_and(|answer| answer.status == 200), "no answer: {answer:?}");
            }
        });
    }
    all.join_all().await;
    let (took, cpu) = (began.elapsed(), processor::time().saturating_sub(before));
    Round { per_second: calls as f64 / took.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / calls as f64 }
}

/// What a trigger's webhook is sent.
fn request(url: &str) -> Request {
    let header = |(name, value): (&'static str, &str)| (name.into(), value.to_owned());
    let headers = [
        ("content-type", "application/cloudevents+json"),
        ("user-agent", "oncue/0.1.0"),
        ("webhook-id", "evt_019c0000000070008000000000000001"),
        ("webhook-timestamp", "1802680200"),
    ];
    let url = Webhook::parse(url, None).expect("an address").url;
    let (headers, body) = (headers.map(header).into(), BODY.as_bytes().into());
    Request { method: Method::Post, url, headers, body, trust: Trust::Guarded, timeout: None }
}

/// The median, and between what the values lie.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values.first(), values.last());
    match (values.get(values.len() / 2), least, most) {
        (Some(median), Some(least), Some(most)) => format!("{median:.1} ({least:.1} … {most:.1})"),
        _ => "-".to_owned(),
    }
}
