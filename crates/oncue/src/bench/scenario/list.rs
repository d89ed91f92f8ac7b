//! How long a page of fifty events takes when there are a million, or ten: the newest, the middle and the oldest, with each
//! filter that the API has, and as the page for people searches them. A search that looks at rows must stop somewhere, and say
//! so; whether it does is looked at here, too.

use std::time::Instant;

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;

use super::stock::{self, Called, SPREAD};
use crate::bench::Bench;
use crate::bench::load::Client;
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::Server;
use crate::system::SystemClock;

/// How many events stand on a page.
const ITEMS: usize = 50;

/// What the page for people says where a search did not look at everything.
const GAVE_UP: &str = "looked back to";

/// What it says where nothing fits.
const NOTHING: &str = "No event fits";

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let count = bench.amounts.events.map_or(bench.size.pick(1_000_000, 20_000), u64::from);
    let home = bench.home().await?;
    let now = SystemClock.now();
    let called = stock::events(&home, count, now).await?;
    let bytes = home.bytes().await?;
    let server = Server::start(&home)?;
    let token = Client::login(server.address()).await?;
    let mut client = Client::connect(server.address(), &token).await?;
    let mut measures = Vec::new();
    for question in questions(&called, now, count) {
        eprintln!("bench: 50 of {count} events, {}", question.name);
        let took_ms = question.ask(&mut client, bench.size.pick(500, 20)).await?;
        measures.extend(took_ms.measures(&format!("50 of {count} events, {}", question.name), "ms"));
    }
    for (name, query) in searches(&called) {
        eprintln!("bench: {count} events searched, {name}");
        let path = format!("/events?status=all&{query}");
        let (took_ms, is_told) = search(&mut client, &path, bench.size.pick(100, 5)).await?;
        let heading = format!("the page of {count} events, {name}");
        measures.extend(took_ms.measures(&heading, "ms"));
        measures.extend(is_told.map(|told| {
            let what = format!("{heading}: says where it stopped");
            Measure::more(what, "1 is yes", f64::from(u8::from(told)))
        }));
    }
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    measures.push(Measure::less("resident memory", "MiB", mebibytes(server.cost()?.resident_bytes)));
    measures.push(Measure::less(format!("database with {count} events"), "MiB", mebibytes(bytes)));
    Ok(measures)
}

/// A page of the API.
pub(super) struct Question {
    /// What is asked, in words.
    pub(super) name: &'static str,
    path: String,
    /// How many items there must be at least.
    least: usize,
    /// Whether it is the page after this one that is asked for.
    is_followed: bool,
}

impl Question {
    fn new(name: &'static str, query: &str, least: usize) -> Question {
        let path = format!("/api/v1/event_logs?limit={ITEMS}&{query}");
        Question { name, path, least, is_followed: false }
    }

    /// How long the answers take, in milliseconds, one after the other.
    pub(super) async fn ask(&self, client: &mut Client, times: usize) -> anyhow::Result<Sorted> {
        let mut path = self.path.clone();
        if self.is_followed
            && let (_, Some(next)) = client.list(&path).await?
        {
            path = next;
        }
        let mut took_ms = Vec::with_capacity(times);
        for _ in 0..times {
            let asked = Instant::now();
            let (items, _) = client.list(&path).await?;
            took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
            let count = items.len();
            ensure!(
                (self.least..=ITEMS).contains(&count),
                "{path} has {count} events, and not {} to {ITEMS}",
                self.least
            );
        }
        Ok(Sorted::of(took_ms))
    }
}

/// What the API can be asked for, at both ends and in the middle.
pub(super) fn questions(called: &Called, now: Timestamp, count: u64) -> Vec<Question> {
    let middle = now - SPREAD / 2;
    let apart = SignedDuration::from_micros((SPREAD.as_micros() / i128::from(count)) as i64);
    let oldest = now - SPREAD + apart * (2 * ITEMS as i32);
    let since = middle - SignedDuration::from_hours(4);
    // Active events are those of the last two hours, one in twenty; the rare trigger has a hundred in all of the time.
    let Called { busy, rare, silent } = called;
    let followed = |question| Question { is_followed: true, ..question };
    vec![
        Question::new("newest", "status=all", ITEMS),
        Question::new("middle", &format!("status=all&until={middle}"), ITEMS),
        followed(Question::new("middle, by the link to it", &format!("status=all&until={middle}"), ITEMS)),
        Question::new("oldest", &format!("status=all&until={oldest}"), ITEMS),
        Question::new("active", "status=active", 1),
        Question::new("archived", "status=archived", ITEMS),
        Question::new("between two times", &format!("status=all&since={since}&until={middle}"), 1),
        Question::new("of a busy trigger, newest", &format!("status=all&trigger_id={busy}"), 1),
        Question::new("of a busy trigger, middle", &format!("status=all&trigger_id={busy}&until={middle}"), 1),
        Question::new("of a rare trigger, newest", &format!("status=all&trigger_id={rare}"), 1),
        Question::new("of a rare trigger, middle", &format!("status=all&trigger_id={rare}&until={middle}"), 1),
        Question::new("of a rare trigger, archived", &format!("status=archived&trigger_id={rare}"), 1),
        Question::new("of a trigger that never fired", &format!("status=all&trigger_id={silent}"), 0),
    ]
}

/// What the page for people can be asked for besides. All events were called and are only logged, so each outcome and source
/// but these is looked for in vain.
fn searches(called: &Called) -> Vec<(&'static str, String)> {
    vec![
        ("everything", String::new()),
        ("of a rare trigger", format!("trigger={}", called.rare)),
        ("that were only logged", "outcome=logged".to_owned()),
        ("that failed", "outcome=failed".to_owned()),
        ("that were delivered", "outcome=delivered".to_owned()),
        ("that were called", "source=api".to_owned()),
        ("that the clock made", "source=schedule".to_owned()),
        ("with a text that is near", "text=payload".to_owned()),
        ("with a text that is nowhere", "text=nowhere".to_owned()),
        ("of a rare trigger with a text that is nowhere", format!("trigger={}&text=nowhere", called.rare)),
    ]
}

/// How long the page takes, and where it found nothing whether it says how far it looked; it need not where it looked at all.
async fn search(client: &mut Client, path: &str, times: usize) -> anyhow::Result<(Sorted, Option<bool>)> {
    let (mut took_ms, mut page) = (Vec::with_capacity(times), String::new());
    for _ in 0..times {
        let asked = Instant::now();
        page = client.page(path).await?;
        took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    let found_nothing = page.contains("id=\"event-none\"") && !page.contains(NOTHING);
    Ok((Sorted::of(took_ms), found_nothing.then(|| page.contains(GAVE_UP))))
}
