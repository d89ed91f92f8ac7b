//! The door to the network: sends the requests that the domain has written, and brings back what came of them. It keeps
//! the promises that a hostile receiver would like to see broken: only judged addresses are dialled, no redirect is
//! followed, no proxy variable of the environment is read, no cookie is kept, nothing is decompressed, and everything a
//! receiver may send is bounded in bytes and in time. What an outcome means for a delivery is decided elsewhere.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use oncue_domain::delivery::EXCHANGE_DEADLINE;
use oncue_domain::destination::Egress;
use oncue_domain::outbound::{ANSWER_BYTES_MAX, Answer, Exchange, Failure, Outbound, Request, Trust};
use tokio::time::{Instant, timeout_at};

mod connect;

use connect::{Connector, Unreachable, Used};

/// How much of an answer's body is read before we let go of it. More than is kept, so that an ordinary answer is read to its
/// end and the connection can be used again.
const BODY_READ_BYTES_MAX: usize = 64 * 1024;

/// How many header lines an answer may have.
const HEADER_LINES_MAX: usize = 100;

/// How many bytes an answer's status and headers may have.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// How long an idle connection is kept: not much longer than a receiver keeps its end, and not so long that a name's move
/// to other addresses goes unseen.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// How many idle connections are kept for one receiver: as many as may be busy at once. With fewer, every few deliveries
/// under load close a connection and open another, which costs more than the deliveries and uses the machine's ports up.
const IDLE_PER_HOST_MAX: usize = 64;

/// A request as the client wants it.
type Post = http::Request<Full<Bytes>>;

/// Sends requests over HTTP/1.1.
pub struct HttpOutbound {
    egress: Arc<Egress>,
    guarded: Clients,
    operator: Clients,
    deadline: Duration,
}

impl HttpOutbound {
    /// Sends where `egress` allows, within [`EXCHANGE_DEADLINE`].
    pub fn new(egress: Arc<Egress>) -> HttpOutbound {
        HttpOutbound::with_deadline(egress, EXCHANGE_DEADLINE.unsigned_abs())
    }

    /// Sends where `egress` allows; no exchange takes longer than `deadline`.
    pub fn with_deadline(egress: Arc<Egress>, deadline: Duration) -> HttpOutbound {
        let tls = connect::tls();
        let guarded = Clients::new(&Connector::new(Some(egress.clone()), tls.clone()));
        let operator = Clients::new(&Connector::new(None, tls));
        HttpOutbound { egress, guarded, operator, deadline }
    }

    async fn exchange(&self, request: Request, until: Instant) -> Result<Answer, Failure> {
        let clients = match request.trust {
            Trust::Guarded => {
                self.egress.judge_url(&request.url).map_err(|refusal| Failure(refusal.0))?;
                &self.guarded
            }
            Trust::Operator => &self.operator,
        };
        let post = to_post(request)?;
        let response = match timeout_at(until, clients.send(post)).await {
            Ok(response) => response.map_err(|error| explain(&error))?,
            Err(_) => {
                return Err(Failure(format!("The receiver did not answer within {} s.", self.deadline.as_secs_f64())));
            }
        };
        let status = response.status().as_u16();
        Ok(Answer { status, body: read_start(response.into_body(), until).await })
    }
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn send(&self, request: Request) -> Exchange {
        let began = Instant::now();
        let result = self.exchange(request, began + self.deadline).await;
        Exchange { result, took: began.elapsed() }
    }
}

/// The two clients of one trust: whatever is pooled in here was judged by the same guard.
struct Clients {
    pooled: Client<Connector, Full<Bytes>>,
    fresh: Client<Connector, Full<Bytes>>,
}

impl Clients {
    fn new(connector: &Connector) -> Clients {
        Clients { pooled: client(connector, IDLE_PER_HOST_MAX), fresh: client(connector, 0) }
    }

    /// Sends on a pooled connection where there is one. If that turns out to have been closed by the receiver meanwhile, the
    /// request goes out once more on a new one: nobody failed, and the message id lets a receiver tell a repeat if it
    /// had read the first. An error on a new connection is the receiver's answer and final.
    async fn send(&self, post: Post) -> Result<http::Response<Incoming>, legacy::Error> {
        match self.pooled.request(post.clone()).await {
            Ok(response) => {
                if let Some(used) = response.extensions().get::<Used>() {
                    used.note();
                }
                Ok(response)
            }
            Err(error) if was_stale(&error) => self.fresh.request(post).await,
            Err(error) => Err(error),
        }
    }
}

fn client(connector: &Connector, idle_max: usize) -> Client<Connector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(idle_max)
        .http1_max_headers(HEADER_LINES_MAX)
        .http1_max_buf_size(HEADER_BYTES_MAX)
        .build(connector.clone())
}

fn to_post(request: Request) -> Result<Post, Failure> {
    let unusable = |what: &str| {
        Failure(format!("The request could not be written: {what} holds characters that HTTP does not allow."))
    };
    let uri: Uri = request.url.as_str().parse().map_err(|_| unusable("the webhook address"))?;
    let mut post =
        http::Request::post(uri).body(Full::from(request.body)).map_err(|_| unusable("the webhook address"))?;
    for (name, value) in request.headers {
        let value = HeaderValue::try_from(value).map_err(|_| unusable(name))?;
        post.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(post)
}

/// The first bytes of a body. The status is known by then and decides; so a body that is endless, broken or late costs
/// nothing but what is missing of it. Dropping the rest closes the connection.
async fn read_start(mut body: Incoming, until: Instant) -> Vec<u8> {
    let mut start = Vec::new();
    let mut read = 0;
    while read < BODY_READ_BYTES_MAX {
        let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await else { break };
        let Some(data) = frame.data_ref() else { continue };
        read += data.len();
        let room = ANSWER_BYTES_MAX - start.len();
        start.extend_from_slice(&data[..data.len().min(room)]);
    }
    start
}

fn was_stale(error: &legacy::Error) -> bool {
    let mut extras = http::Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    extras.get::<Used>().is_some_and(Used::is_noted) && was_closed(error)
}

/// Whether the receiver closed the connection where an answer was due.
fn was_closed(error: &legacy::Error) -> bool {
    if let Some(error) = cause::<io::Error>(error) {
        return matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        );
    }
    cause::<hyper::Error>(error)
        .is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed())
}

/// What went wrong, without a host or an address: the operator's own are not for users to see.
fn explain(error: &legacy::Error) -> Failure {
    if let Some(unreachable) = cause::<Unreachable>(error) {
        return Failure(unreachable.0.clone());
    }
    if was_closed(error) {
        return Failure("The receiver closed the connection without answering.".to_owned());
    }
    if cause::<io::Error>(error).is_some() {
        return Failure("The connection to the receiver broke before it answered.".to_owned());
    }
    if cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse_too_large) {
        return Failure(format!(
            "The receiver's answer has more than {HEADER_LINES_MAX} header lines or {} KiB of them.",
            HEADER_BYTES_MAX / 1024
        ));
    }
    Failure("What the receiver answered is not HTTP/1.1.".to_owned())
}

/// The innermost error of that type: the outer ones only tell what became of the request because of it.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.source().and_then(cause).or_else(|| error.downcast_ref())
}
