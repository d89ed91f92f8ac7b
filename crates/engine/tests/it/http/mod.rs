//! The way out, against receivers that misbehave: written by hand on plain sockets, because a library would not dare.

mod authorities;
mod exchange;
mod facts;
mod hostile;
mod names;
mod proxy;
mod spelling;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oncue_domain::destination::{Egress, Reach, Webhook};
use oncue_domain::outbound::{Answer, Exchange, Method, Outbound, Request, Trust};
use oncue_engine::http::{HttpOutbound, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Long enough for a slow machine; no test waits for it to pass.
const AMPLE: Duration = Duration::from_secs(30);

/// For receivers that never end: the tests wait for this one to pass.
const SHORT: Duration = Duration::from_millis(300);

/// A receiver on a loopback port, and how many connections it was offered.
struct Receiver {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    /// Runs `behave` for every connection, with its number, from one.
    async fn start<B, F>(behave: B) -> Receiver
    where
        B: Fn(TcpStream, usize) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(behave(stream, number));
            }
        });
        Receiver { address, connections }
    }

    /// Answers every request of every connection with the same bytes.
    async fn answering(answer: impl Into<Vec<u8>>) -> Receiver {
        let answer: Arc<[u8]> = answer.into().into();
        Receiver::start(move |mut stream, _| {
            let answer = answer.clone();
            async move { while read_request(&mut stream).await.is_some() && stream.write_all(&answer).await.is_ok() {} }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads one request, head and body; none when the connection ends.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        read.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

fn settings(egress: Egress, deadline: Duration) -> Settings {
    Settings { deadline, ..Settings::new(Arc::new(egress)) }
}

fn outbound(reach: Reach, deadline: Duration) -> HttpOutbound {
    HttpOutbound::new(settings(Egress::new(reach, vec![]), deadline))
}

fn request(url: &str, trust: Trust) -> Request {
    let headers =
        vec![("content-type".into(), "application/json".to_owned()), ("webhook-id".into(), "evt_1".to_owned())];
    let url = Webhook::parse(url, None).expect("an address").url;
    Request { method: Method::Post, url, headers, body: b"{\"a\": 1}"[..].into(), trust, timeout: None }
}

async fn send(outbound: &HttpOutbound, url: &str) -> Exchange {
    outbound.send(request(url, Trust::Guarded)).await
}

fn failure(exchange: Exchange) -> String {
    exchange.result.expect_err("a failure").0
}

fn answer(exchange: Exchange) -> Answer {
    exchange.result.unwrap_or_else(|failure| panic!("an answer, not: {}", failure.0))
}

/// Lets the client's own tasks put a finished connection back into the pool.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Closes impolitely: with a lingering of zero the system sends a reset.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().expect("an open socket");
    drop(stream);
}
