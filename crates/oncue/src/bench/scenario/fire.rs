//! How many calls of fire are accepted in a second: each is durable before it is answered. Once without a destination, so
//! that nothing but accepting is measured, on many connections and on one; then at a fixed rate, where the time of each call
//! counts from the instant at which it was due; and once with a destination, where every event is also delivered and the
//! outcome logged.

use std::time::{Duration, Instant};

use serde_json::json;

use super::losses;
use crate::bench::Bench;
use crate::bench::load::{Answered, Client, fire, firing, make_triggers};
use crate::bench::pace::{self, Pace};
use crate::bench::receiver::Receiver;
use crate::bench::report::{Measure, Sorted};
use crate::bench::server::{Server, wait_until_settled};

/// How many programs call at once.
const CONNECTIONS: usize = 64;

/// How many calls a second there are at the fixed rate, where nobody says.
const RATE: u32 = 5_000;

/// Calls before the measuring begins.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long nothing may come before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let mut measures = accept(bench).await?;
    measures.extend(at_a_fixed_rate(bench).await?);
    measures.extend(deliver(bench).await?);
    Ok(measures)
}

async fn accept(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let lasts = bench.size.pick(Duration::from_secs(5), Duration::from_secs(1));
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let token = Client::register(server.address()).await?;
    let bodies = (0..CONNECTIONS).map(|number| json!({"name": format!("bench {number}"), "type": "api"})).collect();
    let triggers = make_triggers(&server.addresses, &token, bodies).await?;
    fire(&server.addresses, &token, &triggers, WARM_UP).await?;
    let mut measures = Vec::new();
    for connections in [CONNECTIONS, 1] {
        let before = server.cost()?;
        let answered = fire(&server.addresses, &token, &triggers[..connections], lasts).await?;
        let heading =
            if connections == 1 { "1 connection: ".to_owned() } else { format!("{connections} connections: ") };
        let cpu = server.cost()?.cpu_each_since(&before, &heading, "call", answered.accepted());
        measures.extend(report(&heading, answered, cpu));
    }
    Ok(measures)
}

fn report(heading: &str, answered: Answered, cpu: Vec<Measure>) -> Vec<Measure> {
    let mut measures = vec![Measure::more(format!("{heading}accepted"), "1/s", answered.per_second())];
    measures.push(Measure::less(format!("{heading}refused"), "", answered.refused as f64));
    measures.extend(cpu);
    measures.extend(Sorted::of(answered.took_ms).measures(&format!("{heading}answer"), "ms"));
    measures
}

async fn at_a_fixed_rate(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let per_second = bench.amounts.rate.unwrap_or(bench.size.pick(RATE, 200));
    let seconds = bench.amounts.seconds.unwrap_or(bench.size.pick(10, 1));
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let token = Client::register(server.address()).await?;
    let bodies = (0..CONNECTIONS).map(|number| json!({"name": format!("bench {number}"), "type": "api"})).collect();
    let triggers = make_triggers(&server.addresses, &token, bodies).await?;
    fire(&server.addresses, &token, &triggers, WARM_UP).await?;
    let clients = firing(&server.addresses, &token, &triggers).await?;
    let before = server.cost()?;
    let paced = pace::call(clients, Pace { per_second, lasts: Duration::from_secs(u64::from(seconds)) }).await?;
    let heading = format!("{per_second} calls a second: ");
    let accepted = paced.since_sent_ms.len() - paced.refused;
    let mut measures = vec![
        Measure::more(format!("{heading}accepted"), "1/s", accepted as f64 / paced.lasted.as_secs_f64()),
        Measure::less(format!("{heading}refused"), "", paced.refused as f64),
        Measure::less(format!("{heading}given up before they were sent"), "", paced.unsent as f64),
    ];
    measures.extend(server.cost()?.cpu_each_since(&before, &heading, "call", accepted));
    measures.extend(Sorted::of(paced.since_due_ms).measures(&format!("{heading}answer since the call was due"), "ms"));
    measures.extend(Sorted::of(paced.since_sent_ms).measures(&format!("{heading}answer since it was sent"), "ms"));
    Ok(measures)
}

async fn deliver(bench: &Bench) -> anyhow::Result<Vec<Measure>> {
    let lasts = bench.size.pick(Duration::from_secs(5), Duration::from_secs(1));
    let home = bench.home().await?;
    let server = Server::start(&home)?;
    let seen = home.look().await?;
    let receiver = Receiver::start(bench.size.pick(400_000, 50_000))?;
    let token = Client::register(server.address()).await?;
    let body = |number| json!({"name": format!("bench {number}"), "type": "api", "webhook_url": receiver.url()});
    let triggers = make_triggers(&server.addresses, &token, (0..CONNECTIONS).map(body).collect()).await?;
    let (started, before) = (Instant::now(), server.cost()?);
    let answered = fire(&server.addresses, &token, &triggers, lasts).await?;
    let accepted = answered.accepted();
    receiver.wait(accepted, PATIENCE).await;
    wait_until_settled(&*seen.store, PATIENCE).await?;
    let (took, cost) = (started.elapsed(), server.cost()?);
    let mut measures = vec![
        Measure::more("with a destination: accepted", "1/s", answered.per_second()),
        Measure::more("with a destination: delivered and logged", "1/s", accepted as f64 / took.as_secs_f64()),
    ];
    measures.extend(cost.cpu_each_since(&before, "with a destination: ", "event", accepted));
    measures.push(Measure::less(
        "with a destination: last one after the last call",
        "ms",
        (took - answered.lasted).as_secs_f64() * 1e3,
    ));
    measures.extend(losses("with a destination: ", accepted, &receiver.arrivals()));
    Ok(measures)
}
