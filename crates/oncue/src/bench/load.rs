//! Whoever calls the server: a client on a kept-alive connection, and many of them at once. It registers, makes triggers
//! and fires them as a user's program would, with a login token, and notes how long each answer took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::wire::{Message, Wire};

/// The one user of a benchmark.
pub(super) const EMAIL: &str = "bench@example.com";
pub(super) const PASSWORD: &str = "correct horse battery";

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
        Client::token(address, "/auth/register").await
    }

    /// Logs the one user in who is there already, and gives their token.
    pub(super) async fn login(address: &str) -> anyhow::Result<String> {
        Client::token(address, "/auth/login").await
    }

    async fn token(address: &str, path: &str) -> anyhow::Result<String> {
        let mut client = Client::connect(address, "").await?;
        let user = json!({"email": EMAIL, "password": PASSWORD});
        let answer = client.call("POST", path, &user.to_string()).await?;
        answer["access_token"].as_str().map(str::to_owned).with_context(|| format!("{path} gives no token"))
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

    /// The items of a list, and the path of its next page where there is one.
    pub(super) async fn list(&mut self, path: &str) -> anyhow::Result<(Vec<Value>, Option<String>)> {
        let request = self.render("GET", path, "");
        let (status, (items, link)) = self
            .answer(request.as_bytes(), |answer| {
                let items = serde_json::from_slice(answer.body).unwrap_or_default();
                (items, answer.header("link").and_then(next_page).map(str::to_owned))
            })
            .await?;
        match (status, items) {
            (200, Value::Array(items)) => Ok((items, link)),
            _ => bail!("GET {path} was answered with {status} and no list"),
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

    /// Sends a request that is written already; true when it was answered with 2xx.
    pub(super) async fn repeat(&mut self, request: &[u8]) -> anyhow::Result<bool> {
        let status = self.answer(request, |_| ()).await?.0;
        Ok((200..=299).contains(&status))
    }

    /// Sends a request that is written already, and gives the status and what `read` makes of the answer's body.
    pub(super) async fn answer<T>(
        &mut self,
        request: &[u8],
        read: impl FnOnce(&Message<'_>) -> T,
    ) -> anyhow::Result<(u16, T)> {
        self.wire.send(request).await?;
        let answer = self.wire.receive().await?.context("the server closed the connection")?;
        Ok((answer.status().context("an answer without a status")?, read(&answer)))
    }

    /// A request with a JSON body, or without any.
    pub(super) fn render(&self, method: &str, path: &str, body: &str) -> String {
        self.render_as("application/json", method, path, body)
    }

    /// A request with a body of this type, or without any.
    pub(super) fn render_as(&self, content_type: &str, method: &str, path: &str, body: &str) -> String {
        let authorization =
            if self.token.is_empty() { String::new() } else { format!("authorization: Bearer {}\r\n", self.token) };
        let (host, length) = (&self.address, body.len());
        let content = if body.is_empty() {
            String::new()
        } else {
            format!("content-type: {content_type}\r\ncontent-length: {length}\r\n")
        };
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{authorization}{content}\r\n{body}")
    }
}

/// The address in a Link header that names the next page.
fn next_page(link: &str) -> Option<&str> {
    link.strip_prefix('<')?.split_once(">; rel=\"next\"").map(|(address, _)| address)
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
    /// How many answers were not 2xx.
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

/// A client that fires each trigger, and its request; they take turns among the addresses.
pub(super) async fn firing(
    addresses: &[String],
    token: &str,
    triggers: &[i64],
) -> anyhow::Result<Vec<(Client, String)>> {
    let mut clients = Vec::with_capacity(triggers.len());
    for (trigger, address) in triggers.iter().zip(addresses.iter().cycle()) {
        let client = Client::connect(address, token).await?;
        let request = client.render("POST", &format!("/api/v1/triggers/{trigger}/fire"), PAYLOAD);
        clients.push((client, request));
    }
    Ok(clients)
}

/// Fires for so long, on one connection for each trigger; each connection calls again as soon as it is answered.
pub(super) async fn fire(
    addresses: &[String],
    token: &str,
    triggers: &[i64],
    lasts: Duration,
) -> anyhow::Result<Answered> {
    repeat(firing(addresses, token, triggers).await?, lasts).await
}

/// Repeats each client's request for so long, again as soon as it is answered.
pub(super) async fn repeat(clients: Vec<(Client, String)>, lasts: Duration) -> anyhow::Result<Answered> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read_from_its_header() {
        assert_eq!(next_page("</api/v1/x?cursor=a&limit=50>; rel=\"next\""), Some("/api/v1/x?cursor=a&limit=50"));
        assert_eq!(next_page("</api/v1/x>; rel=\"prev\""), None);
    }
}
