//! Connections that wait to be used again. Whatever is in a pool was opened by the same connector, so under the same judgement, and
//! for the same origin. One that breaks while it waits is thrown away unseen.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::line::{Line, Meter};
use super::{HEADER_BYTES_MAX, HEADER_LINES_MAX};

/// How long an idle connection is kept: not much longer than a receiver keeps its end, and not so long that a name's move
/// to other addresses goes unseen.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How much earlier than a receiver says it is let go of: the two ends must not close and send at the same moment.
const LET_GO_BEFORE: Duration = Duration::from_secs(1);

/// How many idle connections are kept for one receiver: as many as may be busy at once. With fewer, every few deliveries
/// under load close a connection and open another, which costs more than the deliveries and uses the machine's ports up.
const IDLE_PER_ORIGIN_MAX: usize = 64;

/// How many idle connections are kept in all; each is an open file.
const IDLE_IN_ALL_MAX: usize = 2048;

/// How often connections that have waited too long are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How long a connection may need to take note that its last answer has been read. It only takes that long where the receiver
/// answered before it had read the request.
const READY_MAX: Duration = Duration::from_millis(100);

/// A request as it goes out.
pub(super) type Outgoing = http::Request<Full<Bytes>>;

/// An open connection that speaks HTTP. Letting go of it closes it at once, whatever the receiver does.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    broke: oneshot::Receiver<hyper::Error>,
    pub(super) meter: Arc<Meter>,
    pub(super) address: Option<SocketAddr>,
}

impl Wire {
    /// Begins to speak HTTP/1.1 on a connection to that address.
    pub(super) async fn begin(line: Line, address: Option<SocketAddr>) -> hyper::Result<Wire> {
        let meter = Arc::clone(&line.meter);
        let (sender, connection) = http1::Builder::new()
            .max_headers(HEADER_LINES_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            .handshake(TokioIo::new(line))
            .await?;
        let (tell, broke) = oneshot::channel();
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Nobody may be waiting any more.
                let _ = tell.send(error);
            }
        });
        let mut wire = Wire { sender, driver, broke, meter, address };
        let ready = wire.sender.ready().await;
        match ready {
            Ok(()) => Ok(wire),
            Err(error) => Err(wire.why(error).await),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Outgoing) -> hyper::Result<http::Response<Incoming>> {
        self.meter.begin();
        match self.sender.send_request(request).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.why(error).await),
        }
    }

    /// What the connection itself died of says more than that it is gone.
    async fn why(&mut self, error: hyper::Error) -> hyper::Error {
        if error.source().is_some() || !(error.is_canceled() || error.is_closed()) {
            return error;
        }
        match timeout(READY_MAX, &mut self.broke).await {
            Ok(Ok(cause)) => cause,
            Ok(Err(_)) | Err(_) => error,
        }
    }

    /// Whether another request can be sent.
    async fn is_usable(&mut self) -> bool {
        self.sender.is_ready() || matches!(timeout(READY_MAX, self.sender.ready()).await, Ok(Ok(())))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The connections that wait.
#[derive(Default)]
pub(super) struct Pool {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_origin: HashMap<String, Vec<Idle>>,
    count: usize,
    is_swept: bool,
}

struct Idle {
    wire: Wire,
    until: Instant,
}

impl Pool {
    /// The connection to this origin that was used last and can be used again.
    pub(super) async fn take(&self, origin: &str) -> Option<Wire> {
        loop {
            let mut idle = self.pop(origin)?;
            if Instant::now() < idle.until && idle.wire.is_usable().await {
                idle.wire.meter.note_waited();
                return Some(idle.wire);
            }
        }
    }

    /// Keeps a connection whose last answer was read to its end, no longer than the receiver said that it keeps it, if it did.
    pub(super) fn put(self: &Arc<Pool>, origin: &str, wire: Wire, kept_for: Option<Duration>) {
        let idle_max = kept_for.map_or(IDLE_MAX, |kept_for| kept_for.saturating_sub(LET_GO_BEFORE).min(IDLE_MAX));
        if wire.sender.is_closed() || idle_max.is_zero() {
            return;
        }
        let mut kept = self.kept();
        if kept.count >= IDLE_IN_ALL_MAX {
            return;
        }
        let idle = Idle { wire, until: Instant::now() + idle_max };
        match kept.by_origin.get_mut(origin) {
            Some(list) if list.len() >= IDLE_PER_ORIGIN_MAX => return,
            Some(list) => list.push(idle),
            None => {
                kept.by_origin.insert(origin.to_owned(), vec![idle]);
            }
        }
        kept.count += 1;
        if !std::mem::replace(&mut kept.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn pop(&self, origin: &str) -> Option<Idle> {
        let mut kept = self.kept();
        let list = kept.by_origin.get_mut(origin)?;
        let idle = list.pop();
        if list.is_empty() {
            kept.by_origin.remove(origin);
        }
        if idle.is_some() {
            kept.count -= 1;
        }
        idle
    }

    /// Closes what has waited too long or was closed by its receiver.
    fn sweep(&self) {
        let now = Instant::now();
        let mut kept = self.kept();
        kept.by_origin.retain(|_, list| {
            list.retain(|idle| now < idle.until && !idle.wire.sender.is_closed());
            !list.is_empty()
        });
        kept.count = kept.by_origin.values().map(Vec::len).sum();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.sweep();
    }
}
