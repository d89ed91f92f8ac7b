//! What one firing costs: processor time, bytes, system calls and allocations, from the call or the instant until the webhook has arrived
//! and the attempt is logged. `oncue bench` measures the program as people run it, from the outside, and is the judge of how fast it is;
//! here the same rooms stand in a process that counts its allocations, which a program for people should not.
//!
//! `cargo bench -p oncue --bench cost`, with these behind `--`: `--count 20000` (firings of each kind), `--folder DIR` (where the
//! databases are made, and removed again), `--strace` or `--no-syscalls` (where perf may not count system calls: count them with strace, or
//! not at all). Needs Linux.
//!
//! Everything is done twice, by two servers: the first is left alone and tells time and bytes, the second is counted and tells system
//! calls and allocations. Load and receiver are this process, which is not counted.

mod counted;
mod load;
mod meter;
mod process;
mod receiver;
mod server;
mod syscalls;
#[expect(dead_code, unused_imports, reason = "those who measure from the outside follow pages too, and test it there")]
#[path = "../../src/bench/wire.rs"]
mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::store::Store;
use oncue_store::sqlite::{Role, Sqlite};
use serde_json::{Value, json};
use tokio::time::sleep;

use load::{fire, make, register};
use meter::{Meter, Phase};
use process::Process;
use receiver::Receiver;
use server::SystemClock;
use syscalls::Tool;

/// How many firings of each kind.
const FIRINGS: usize = 20_000;

/// How many call at once where many do.
const CALLERS: usize = 64;

/// How many triggers are made in a second at least; what is due is put off for as long as that takes.
const MADE_PER_SECOND_MIN: usize = 2_000;

/// How long something may be owed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was asked for.
struct Asked {
    count: usize,
    folder: PathBuf,
    tool: Option<Tool>,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == server::ROLE) {
        return server::run(&arguments[1..]);
    }
    let asked = asked(&arguments)?;
    // One thread for load and receiver leaves the most of the machine to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let alone = runtime.block_on(measure(&asked, false))?;
    let counted = runtime.block_on(measure(&asked, true))?;
    print!("{}", meter::table(&alone, &counted));
    Ok(())
}

fn asked(arguments: &[String]) -> anyhow::Result<Asked> {
    let mut asked = Asked { count: FIRINGS, folder: std::env::temp_dir(), tool: Some(Tool::Perf) };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--count" => asked.count = value()?.parse().context("--count takes a number")?,
            "--folder" => asked.folder = PathBuf::from(value()?),
            "--strace" => asked.tool = Some(Tool::Strace),
            "--no-syscalls" => asked.tool = None,
            // What cargo adds.
            "--bench" => {}
            other => bail!("{other} is not known; there are --count, --folder, --strace and --no-syscalls"),
        }
    }
    if asked.count < CALLERS {
        bail!("--count is {CALLERS} at least, one firing for each caller");
    }
    Ok(asked)
}

/// Measures every phase on a server of its own, which is counted or left alone.
async fn measure(asked: &Asked, is_counted: bool) -> anyhow::Result<Vec<Phase>> {
    let tool = asked.tool.filter(|_| is_counted);
    let folder = tempfile::Builder::new().prefix("oncue-cost-").tempdir_in(&asked.folder)?;
    let mut server = Process::start(folder.path(), is_counted)?;
    let receiver = Receiver::start().await?;
    let (place, settings) = (server::place(folder.path()), server::settings("cost"));
    let seen = Sqlite::open(&place, Role::Visitor, settings).map_err(anyhow::Error::msg)?;
    let address = server.address.clone();
    let token = register(&address).await?;
    let bodies = |of: &dyn Fn(usize) -> Value, count: usize| (0..count).map(of).collect::<Vec<_>>();
    let logged =
        make(&address, &token, bodies(&|n| json!({"name": format!("cost {n}"), "type": "api"}), CALLERS)).await?;
    let url = receiver.url();
    let with_webhook = |n| json!({"name": format!("cost {n}"), "type": "api", "webhook_url": url});
    let sent = make(&address, &token, bodies(&with_webhook, CALLERS)).await?;
    let (count, few) = (asked.count, asked.count / 4);

    // What is done for the first time costs more than it will ever again.
    fire(&address, &token, &logged, few).await?;
    fire(&address, &token, &sent, few).await?;
    settled(&receiver, &seen, few).await?;

    let mut phases = Vec::new();
    let meter = Meter::begin(&mut server, tool).await?;
    fire(&address, &token, &logged, count).await?;
    phases.push(meter.end(&mut server, "call logged, 64 callers", count).await?);

    let meter = Meter::begin(&mut server, tool).await?;
    fire(&address, &token, &logged[..1], few).await?;
    phases.push(meter.end(&mut server, "call logged, 1 caller", few).await?);

    let meter = Meter::begin(&mut server, tool).await?;
    fire(&address, &token, &sent, count).await?;
    settled(&receiver, &seen, few + count).await?;
    phases.push(meter.end(&mut server, "call delivered, 64 callers", count).await?);

    let due = whole_second(SystemClock.now(), 2 + count / MADE_PER_SECOND_MIN);
    let scheduled = |n| {
        json!({"name": format!("cost {n}"), "type": "scheduled", "schedule_details": {"run_at": due.to_string()},
            "api_payload": {"number": n, "text": "a small payload, as most are"}, "webhook_url": url})
    };
    make(&address, &token, bodies(&scheduled, count)).await?;
    let Ok(rest) = Duration::try_from(due.duration_since(SystemClock.now())) else {
        bail!("{count} triggers were not made before they were due; try a smaller --count");
    };
    sleep(rest.saturating_sub(syscalls::ATTACH_FOR * 2)).await;
    let meter = Meter::begin(&mut server, tool).await?;
    settled(&receiver, &seen, few + count + count).await?;
    phases.push(meter.end(&mut server, "occurrence delivered", count).await?);
    Ok(phases)
}

/// Waits until so many webhooks have come in all, and nothing is owed any more.
async fn settled(receiver: &Receiver, seen: &Sqlite, webhooks: usize) -> anyhow::Result<()> {
    let since = Instant::now();
    while receiver.count() < webhooks || seen.owed_counts().await?.owed > 0 {
        if since.elapsed() > PATIENCE {
            bail!("{} of {webhooks} webhooks came within {} s", receiver.count(), PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The first whole second that is at least so many seconds away.
fn whole_second(now: Timestamp, seconds: usize) -> Timestamp {
    let lead = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX / 2));
    Timestamp::from_second((now + lead).as_second() + 1).expect("a time shortly after now is a time")
}
