//! Whoever calls the server: a user's program with a login token, on kept-alive connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::wire::Wire;

/// How many connections make triggers.
const MAKERS: usize = 64;

/// The payload of every call: as long as a small notification.
const PAYLOAD: &str = r#"{"order":48213,"status":"shipped","carrier":"example","items":[{"sku":"A-1","quantity":2}]}"#;

/// Registers the one user, and gives their token.
pub(crate) async fn register(address: &str) -> anyhow::Result<String> {
    let user = json!({"email": "cost@example.com", "password": "correct horse battery"}).to_string();
    let answer = call(&mut connect(address).await?, &request(address, "", "/auth/register", &user)).await?;
    answer["access_token"].as_str().map(str::to_owned).context("a registration without a token")
}

/// Makes triggers, and gives their numbers.
pub(crate) async fn make(address: &str, token: &str, bodies: Vec<Value>) -> anyhow::Result<Vec<i64>> {
    let (next, bodies) = (Arc::new(AtomicUsize::new(0)), Arc::new(bodies));
    let mut makers = JoinSet::new();
    for _ in 0..MAKERS.min(bodies.len()) {
        let (next, bodies, mut wire) = (Arc::clone(&next), Arc::clone(&bodies), connect(address).await?);
        let (address, token) = (address.to_owned(), token.to_owned());
        makers.spawn(async move {
            let mut made = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = call(&mut wire, &request(&address, &token, "/api/v1/triggers", &body.to_string())).await?;
                made.push(answer["id"].as_i64().context("a trigger without a number")?);
            }
            anyhow::Ok(made)
        });
    }
    let mut made = Vec::new();
    for each in makers.join_all().await {
        made.extend(each?);
    }
    Ok(made)
}

/// Calls `calls` times, on a connection for each trigger.
pub(crate) async fn fire(address: &str, token: &str, triggers: &[i64], calls: usize) -> anyhow::Result<()> {
    let left = Arc::new(AtomicUsize::new(calls));
    let mut callers = JoinSet::new();
    for trigger in triggers {
        let (left, mut wire) = (Arc::clone(&left), connect(address).await?);
        let request = request(address, token, &format!("/api/v1/triggers/{trigger}/fire"), PAYLOAD);
        callers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                wire.send(request.as_bytes()).await?;
                let answer = wire.receive().await?.context("the server closed the connection")?;
                if answer.status() != Some(200) {
                    bail!("a call was answered with {}", answer.head);
                }
            }
            Ok(())
        });
    }
    callers.join_all().await.into_iter().collect()
}

async fn connect(address: &str) -> anyhow::Result<Wire> {
    Ok(Wire::new(TcpStream::connect(address).await.with_context(|| format!("{address} does not answer"))?)?)
}

/// A POST of JSON; an empty token is not sent.
fn request(address: &str, token: &str, path: &str, body: &str) -> String {
    let bearer = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\n{bearer}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn call(wire: &mut Wire, request: &str) -> anyhow::Result<Value> {
    wire.send(request.as_bytes()).await?;
    let answer = wire.receive().await?.context("the server closed the connection")?;
    match answer.status() {
        Some(200..=299) => Ok(serde_json::from_slice(answer.body)?),
        _ => bail!("a call was answered with {} {}", answer.head, String::from_utf8_lossy(answer.body)),
    }
}
