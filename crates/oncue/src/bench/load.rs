//! Whoever calls the server: a client on a kept-alive connection, and many of them at once. It registers, makes triggers
//! and fires them as a user's program would, with a login token, and notes how long each answer took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::wire::Wire;

/// How many connections make triggers.
const MAKERS: usize = 64;

/// The payload of every call: as long as a small notification.
const PAYLOAD: &str = r#"{"order":48213,"status":"shipped","carrier":"example","items":[{"sku":"A-1","quantity":2}]}"#;

/// A user's program on one connection.
pub(super) struct Client {
    wire: Wire,
    address: String,
    token: String,
}

impl Client {
    /// Connects with the token of a login; an empty one sends none.
    pub(super) async fn connect(address: &str, token: &str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("{address} does not answer"))?;
        Ok(Client { wire: Wire::new(stream)?, address: address.to_owned(), token: token.to_owned() })
    }

    /// Registers the one user of a benchmark and gives their token.
    pub(super) async fn register(address: &str) -> anyhow::Result<String> {
        let mut client = Client::connect(address, "").await?;
        let user = json!({"email": "bench@example.com", "password": "correct horse battery"});
        let answer = client.call("POST", "/auth/register", &user.to_string()).await?;
        answer["access_token"].as_str().map(str::to_owned).context("a registration without a token")
    }

    /// Calls, and gives the JSON of a 2xx answer; any other is an error.
    pub(super) async fn call(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let request = self.render(method, path, body);
        self.wire.send(request.as_bytes()).await?;
        let answer = self.wire.receive().await?.context("the server closed the connection")?;
        match answer.status() {
            Some(200..=299) => Ok(serde_json::from_slice(answer.body)?),
            _ => bail!("{method} {path} was answered with {} {}", answer.head, String::from_utf8_lossy(answer.body)),
        }
    }

    /// What a browser is shown at `path`.
    pub(super) async fn page(&mut self, path: &str) -> anyhow::Result<String> {
        let request = self.render("GET", path, "");
        self.wire.send(request.as_bytes()).await?;
        let answer = self.wire.receive().await?.context("the server closed the connection")?;
        match answer.status() {
            Some(200) => Ok(String::from_utf8_lossy(answer.body).into_owned()),
            _ => bail!("{path} was answered with {}", answer.head),
        }
    }

    /// What happens from here on, as a page is told it; none where there is no room for one more page.
    pub(super) async fn follow(mut self, path: &str) -> anyhow::Result<Option<Told>> {
        let request = self.render("GET", path, "");
        self.wire.send(request.as_bytes()).await?;
        let head = self.wire.bytes().await?;
        match head.split(|byte| *byte == b' ').nth(1) {
            Some(b"200") => Ok(Some(Told(self.wire))),
            Some(b"503") => Ok(None),
            _ => bail!("{path} was answered with {}", String::from_utf8_lossy(head)),
        }
    }

    /// Sends a request that is written already; true when it was answered with 200.
    async fn repeat(&mut self, request: &[u8]) -> anyhow::Result<bool> {
        self.wire.send(request).await?;
        let answer = self.wire.receive().await?.context("the server closed the connection")?;
        Ok(answer.status() == Some(200))
    }

    fn render(&self, method: &str, path: &str, body: &str) -> String {
        let authorization =
            if self.token.is_empty() { String::new() } else { format!("authorization: Bearer {}\r\n", self.token) };
        let (host, length) = (&self.address, body.len());
        let content = if body.is_empty() {
            String::new()
        } else {
            format!("content-type: application/json\r\ncontent-length: {length}\r\n")
        };
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{authorization}{content}\r\n{body}")
    }
}

/// A connection on which a page is told what happens.
pub(super) struct Told(Wire);

impl Told {
    /// Comes back when something happened that a page would look again for.
    pub(super) async fn news(&mut self) -> anyhow::Result<()> {
        loop {
            let text = String::from_utf8_lossy(self.0.bytes().await?);
            if ["fired", "settled", "changed", "reload"].iter().any(|what| text.contains(&format!("event: {what}"))) {
                return Ok(());
            }
        }
    }
}

/// Makes a trigger of each body, on many connections at once, which take turns among the addresses; their ids are in no order.
pub(super) async fn make_triggers(addresses: &[String], token: &str, bodies: Vec<Value>) -> anyhow::Result<Vec<i64>> {
    let next = Arc::new(AtomicUsize::new(0));
    let bodies: Arc<Vec<String>> = Arc::new(bodies.iter().map(Value::to_string).collect());
    let mut makers = JoinSet::new();
    for address in addresses.iter().cycle().take(MAKERS.min(bodies.len())) {
        let (next, bodies) = (Arc::clone(&next), Arc::clone(&bodies));
        let mut client = Client::connect(address, token).await?;
        makers.spawn(async move {
            let mut ids = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let made = client.call("POST", "/api/v1/triggers", body).await?;
                ids.push(made["id"].as_i64().context("a trigger without an id")?);
            }
            anyhow::Ok(ids)
        });
    }
    let mut ids = Vec::with_capacity(bodies.len());
    while let Some(made) = makers.join_next().await {
        ids.extend(made??);
    }
    Ok(ids)
}

/// What a load was answered with.
pub(super) struct Answered {
    /// How long each answer took, in milliseconds.
    pub(super) took_ms: Vec<f64>,
    /// How long all of it took.
    pub(super) lasted: Duration,
    /// How many answers were not 200.
    pub(super) refused: usize,
}

impl Answered {
    /// How many calls succeeded.
    pub(super) fn accepted(&self) -> usize {
        self.took_ms.len()
    }

    /// How many calls succeeded in a second.
    pub(super) fn per_second(&self) -> f64 {
        self.accepted() as f64 / self.lasted.as_secs_f64()
    }
}

/// Fires for so long, on one connection for each trigger, which take turns among the addresses; each connection calls again as
/// soon as it is answered.
pub(super) async fn fire(
    addresses: &[String],
    token: &str,
    triggers: &[i64],
    lasts: Duration,
) -> anyhow::Result<Answered> {
    let mut clients = Vec::with_capacity(triggers.len());
    for (trigger, address) in triggers.iter().zip(addresses.iter().cycle()) {
        let client = Client::connect(address, token).await?;
        let request = client.render("POST", &format!("/api/v1/triggers/{trigger}/fire"), PAYLOAD);
        clients.push((client, request));
    }
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for (mut client, request) in clients {
        callers.spawn(async move {
            let (mut took_ms, mut refused) = (Vec::with_capacity(4096), 0);
            while started.elapsed() < lasts {
                let called = Instant::now();
                if client.repeat(request.as_bytes()).await? {
                    took_ms.push(called.elapsed().as_secs_f64() * 1e3);
                } else {
                    refused += 1;
                }
            }
            anyhow::Ok((took_ms, refused))
        });
    }
    let mut answered = Answered { took_ms: Vec::new(), lasted: Duration::ZERO, refused: 0 };
    while let Some(caller) = callers.join_next().await {
        let (took_ms, refused) = caller??;
        answered.took_ms.extend(took_ms);
        answered.refused += refused;
    }
    answered.lasted = started.elapsed();
    Ok(answered)
}
