//! The accept loop. axum's own `serve` has no deadline for request heads, so connections are served by hyper directly, with
//! a timer; and nothing that comes in is without a limit.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::app::lock;
use crate::guard::Peer;

/// A request's head must have arrived by then.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How many connections are open at once.
const CONNECTIONS_MAX: usize = 10_000;

/// How many bytes a request's head may have.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How many headers a request may have.
const HEADERS_MAX: usize = 64;

/// How long to wait after the system could not give a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An answer that goes on for as long as somebody watches has this long to say goodbye when the server stops; whoever does not
/// read it is cut off then.
const GOODBYE_FOR: Duration = Duration::from_millis(300);

/// Tells answers that have no end of their own when the server wants to stop. Each request carries one.
#[derive(Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Comes back when the server wants to stop, and never before.
    pub(crate) async fn wait(&mut self) {
        // A sender that is gone says stop as well.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

/// Put on an answer that has no end of its own.
#[derive(Clone, Copy)]
pub(crate) struct Endless;

/// Serves `router` on `listener` until `stop` is ready, and then finishes what is in flight; the caller sets the deadline.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let (close, closing) = watch::channel(false);
    let closing = Closing(closing);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut stop => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small and whole; waiting to fill a segment only makes them late.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let is_endless = Arc::new(AtomicBool::new(false));
        let line = Line { peer, closing: closing.clone(), is_endless: Arc::clone(&is_endless) };
        let service =
            service_fn(move |request: hyper::Request<Incoming>| answer(router.clone(), request, line.clone()));
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        let cut = cut_off(closing.clone(), is_endless);
        tokio::spawn(async move {
            tokio::select! {
                // A client that goes away or talks nonsense is its own affair.
                _ = connection => {}
                () = cut => {}
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = close.send(true);
    connections.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, std::net::SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// What is known of a connection.
#[derive(Clone)]
struct Line {
    peer: std::net::SocketAddr,
    closing: Closing,
    is_endless: Arc<AtomicBool>,
}

/// Comes back when the server stops and the connection is still busy with an answer that has no end.
async fn cut_off(mut closing: Closing, is_endless: Arc<AtomicBool>) {
    closing.wait().await;
    tokio::time::sleep(GOODBYE_FOR).await;
    if !is_endless.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

async fn answer(
    router: Router,
    request: hyper::Request<Incoming>,
    line: Line,
) -> Result<axum::response::Response, Infallible> {
    let awaits_go_ahead = request.headers().contains_key(header::EXPECT);
    let (parts, body) = request.into_parts();
    let body = SharedBody(Arc::new(Mutex::new(body)));
    let mut request = Request::from_parts(parts, Body::new(body.clone()));
    request.extensions_mut().insert(Peer(line.peer));
    request.extensions_mut().insert(line.closing);
    let mut response = router.oneshot(request).await?;
    line.is_endless.store(response.extensions().get::<Endless>().is_some(), Ordering::Relaxed);
    if !body.is_over() && (awaits_go_ahead || !body.drain().await) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// How much of a body that nobody wanted is read away, so that its sender comes to read the answer.
const DRAIN_BYTES_MAX: usize = 2 * 1024 * 1024;

/// And how long that may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

/// A request's body that can still be read when the answer is ready: an answer to an unread body is lost where the
/// connection is closed under its sender.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Incoming>>);

impl SharedBody {
    fn is_over(&self) -> bool {
        lock(&self.0).is_end_stream()
    }

    /// Reads the rest away. False when there was too much of it.
    async fn drain(mut self) -> bool {
        let rest = async {
            let mut left = DRAIN_BYTES_MAX;
            while let Some(frame) = self.frame().await {
                let Ok(frame) = frame else { return false };
                let Some(less) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return false };
                left = less;
            }
            true
        };
        tokio::time::timeout(DRAIN_DEADLINE, rest).await.unwrap_or(false)
    }
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *lock(&self.0)).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).size_hint()
    }
}
