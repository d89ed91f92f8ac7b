//! Where the samples go: a receiver on a loopback port that mostly says yes, and where it is asked to by the path sometimes no,
//! late, or nothing. What it says follows from the request alone, so that the day that is only told and the one that is
//! lived are of a kind.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

/// Longer than any delivery waits for an answer.
const NEVER: Duration = Duration::from_secs(20);

/// What the receiver says.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) after: Duration,
    pub(super) body: &'static str,
}

/// What the receiver says at `path` to the attempt with this `webhook-id` and `webhook-timestamp`.
pub(super) fn reply(path: &str, id: &str, timestamp: &str) -> Reply {
    let mut hasher = DefaultHasher::new();
    (id, timestamp).hash(&mut hasher);
    let chance = hasher.finish();
    let ok = |after_ms| Reply { status: 200, after: Duration::from_millis(after_ms), body: r#"{"status":"accepted"}"# };
    let quick = ok(4 + chance % 90);
    match path {
        "/flaky" if chance.is_multiple_of(4) => {
            Reply { status: 503, body: r#"{"error":"warming up, try again in a moment"}"#, ..quick }
        }
        "/good" if chance.is_multiple_of(40) => Reply { status: 500, body: "Internal Server Error", ..quick },
        "/broken" => Reply { status: 500, body: r#"{"error":"relation \"stock\" does not exist"}"#, ..quick },
        "/slow" => ok(2500 + chance % 4500),
        "/silent" if chance.is_multiple_of(3) => Reply { after: NEVER, ..quick },
        _ => quick,
    }
}

/// Starts the receiver on a free port; it ends with the program.
pub(super) async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, Router::new().fallback(answer)).await {
            tracing::error!(%error, "the demonstration's receiver has ended");
        }
    });
    Ok(address)
}

async fn answer(uri: Uri, headers: HeaderMap, _: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let reply = reply(uri.path(), header("webhook-id"), header("webhook-timestamp"));
    tokio::time::sleep(reply.after).await;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = if reply.body.starts_with('{') { "application/json" } else { "text/plain" };
    (status, [(header::CONTENT_TYPE, content_type)], reply.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_answers_in_its_own_way_and_the_same_attempt_always_alike() {
        let share = |path: &str, holds: fn(&Reply) -> bool| {
            (0..1000).filter(|n: &i32| holds(&reply(path, "evt_1", &n.to_string()))).count()
        };
        assert_eq!(share("/steady", |reply| reply.status == 200 && reply.after < Duration::from_secs(1)), 1000);
        assert!((200..300).contains(&share("/flaky", |reply| reply.status == 503)));
        assert!((10..50).contains(&share("/good", |reply| reply.status == 500)));
        assert_eq!(share("/broken", |reply| reply.status == 500), 1000);
        assert_eq!(share("/slow", |reply| reply.status == 200 && reply.after > Duration::from_secs(2)), 1000);
        assert!((250..420).contains(&share("/silent", |reply| reply.after == NEVER)));
        let (one, two) = (reply("/slow", "evt_1", "7"), reply("/slow", "evt_1", "7"));
        assert_eq!(one.after, two.after);
    }
}
