//! How long each page for people takes, how large it is and what it costs the server, asked for as a browser would; and how
//! much everything is that a browser fetches besides on its first visit. A user registers with a server as usual; what they
//! have is written through the store while the server is away.

mod past;

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::bail;
use oncue_domain::clock::Clock;

use crate::bench::Bench;
use crate::bench::load::Client;
use crate::bench::receiver::Receiver;
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::Server;
use crate::system::SystemClock;

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let (triggers, events) = bench.size.pick((500, 100_000), (100, 2_000));
    let times = bench.size.pick(200, 10);
    let home = bench.home().await?;
    let token = Client::register(Server::start(&home)?.address()).await?;
    let receiver = Receiver::start(1_000)?;
    let began = Instant::now();
    let one = past::play(&home, triggers, events, &receiver.url(), SystemClock.now()).await?;
    eprintln!("bench: {events} events of {triggers} triggers played in {:.1} s", began.elapsed().as_secs_f64());

    let server = Server::start(&home)?;
    let mut client = Client::connect(server.address(), &token).await?;
    let mut measures = Vec::new();
    let pages = [
        ("/", "/".to_owned()),
        ("/ui/triggers", "/ui/triggers".to_owned()),
        ("/ui/triggers/{id}", format!("/ui/triggers/{one}")),
        ("/ui/triggers/new", "/ui/triggers/new".to_owned()),
        ("/events", "/events".to_owned()),
        ("/events?status=all&text=…, near", "/events?status=all&text=payload".to_owned()),
        ("/events?status=all&text=…, nowhere", "/events?status=all&text=nowhere".to_owned()),
        ("/upcoming", "/upcoming".to_owned()),
        ("/upcoming?span=7d", "/upcoming?span=7d".to_owned()),
    ];
    for (heading, path) in &pages {
        let (mut took_ms, mut bytes) = (Vec::with_capacity(times), 0);
        client.page(path).await?;
        let before = server.cost()?;
        for _ in 0..times {
            let asked = Instant::now();
            bytes = client.page(path).await?.len();
            took_ms.push(asked.elapsed().as_secs_f64() * 1e3);
        }
        let cpu = server.cost()?.cpu_since(&before);
        measures.extend(Sorted::of(took_ms).measures(&format!("{heading}: answer"), "ms"));
        measures.push(Measure::less(format!("{heading}: server's CPU"), "ms", cpu.as_secs_f64() * 1e3 / times as f64));
        measures.push(Measure::less(format!("{heading}: size"), "KB", bytes as f64 / 1e3));
    }
    measures.push(Measure::less("resident memory", "MiB", server.cost()?.resident_bytes as f64 / 1_048_576.0));
    measures.push(Measure::less("beside the first page: size", "KB", beside(&mut client).await? as f64 / 1e3));
    Ok(measures)
}

/// How many bytes the files have that the first page names, and those that these name.
async fn beside(client: &mut Client) -> anyhow::Result<usize> {
    let page = client.page("/").await?;
    let (mut bytes, mut seen, mut ahead) = (0, BTreeSet::new(), named(&page));
    while let Some(path) = ahead.pop() {
        if seen.insert(path.clone()) {
            let file = client.page(&path).await?;
            bytes += file.len();
            ahead.extend(named(&file));
        }
    }
    if seen.is_empty() {
        bail!("the first page names no file");
    }
    Ok(bytes)
}

/// The files of this server that are named in quotes.
fn named(text: &str) -> Vec<String> {
    text.split('"').filter(|part| part.starts_with("/static/")).map(str::to_owned).collect()
}
