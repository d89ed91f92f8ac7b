//! The door to the network: sends the requests that the domain has written, and brings back what came of them. It keeps
//! the promises that a hostile receiver would like to see broken: only judged addresses are dialled, no redirect is
//! followed, no proxy variable of the environment is read, no cookie is kept, nothing is decompressed, and everything a
//! receiver may send is bounded in bytes and in time. What an outcome means for a delivery is decided elsewhere.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use oncue_domain::delivery::EXCHANGE_DEADLINE_MAX;
use oncue_domain::destination::Egress;
use oncue_domain::outbound::mail::Mail;
use oncue_domain::outbound::{
    ANSWER_BYTES_MAX, ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX, Answer, Exchange, Failure, Method, Outbound,
    Request, Trust,
};
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

pub(crate) mod connect;
pub(crate) mod line;
mod names;
mod pool;
pub(crate) mod progress;
mod proxy;
pub(crate) mod tls;

pub use names::{Names, SystemNames, Turn};
pub use proxy::Proxy;
pub use tls::Authorities;

use connect::{Connector, Dialler, Unreachable};
use line::{RECEIVED_BYTES_MAX, TooMuch};
use pool::{Outgoing, Pool, Wire};
use progress::Progress;

use crate::mail::Mailer;

/// How much of an answer's body is read before we let go of it. More than is kept, so that an ordinary answer is read to its
/// end and the connection can be used again.
const BODY_READ_BYTES_MAX: usize = 64 * 1024;

/// How many header lines an answer may have.
const HEADER_LINES_MAX: usize = 100;

/// How many bytes an answer's status and headers may have.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// What the operator decided about the way out.
pub struct Settings {
    /// Where deliveries may go.
    pub egress: Arc<Egress>,
    /// Through which proxy everything goes, if through one.
    pub proxy: Option<Proxy>,
    /// Whom to trust besides the public authorities.
    pub authorities: Authorities,
    /// Who looks names up.
    pub names: Arc<dyn Names>,
    /// No exchange takes longer.
    pub deadline: Duration,
}

impl Settings {
    /// What holds where nothing is said: directly, with the public authorities, by the system's resolver, within
    /// [`EXCHANGE_DEADLINE_MAX`].
    pub fn new(egress: Arc<Egress>) -> Settings {
        Settings {
            egress,
            proxy: None,
            authorities: Authorities::default(),
            names: Arc::new(SystemNames),
            deadline: EXCHANGE_DEADLINE_MAX.unsigned_abs(),
        }
    }
}

/// Sends requests over HTTP/1.1, and leaves mail to the [`Mailer`].
pub struct HttpOutbound {
    egress: Arc<Egress>,
    guarded: Client,
    operator: Client,
    mailer: Mailer,
    deadline: Duration,
}

impl HttpOutbound {
    /// Sends as the operator decided.
    pub fn new(settings: Settings) -> HttpOutbound {
        let Settings { egress, proxy, authorities, names, deadline } = settings;
        let (proxy, tls) = (proxy.map(Arc::new), tls::config(&authorities));
        let connector = |egress| {
            let dialler = Dialler { egress, names: Arc::clone(&names), proxy: proxy.clone() };
            Connector { dialler, tls: Arc::clone(&tls) }
        };
        let client = |egress| Client { connector: connector(egress), pool: Arc::default() };
        let mail = Arc::new(egress.for_mail());
        let mailer = Mailer::new(Arc::clone(&mail), connector(Some(mail)), deadline);
        HttpOutbound { guarded: client(Some(Arc::clone(&egress))), operator: client(None), mailer, egress, deadline }
    }

    async fn exchange(&self, request: Request, limit: Duration, progress: &mut Progress) -> Result<Answer, Failure> {
        let until = Instant::now() + limit;
        let client = match request.trust {
            Trust::Guarded => {
                self.egress.judge_url(&request.url).map_err(|refusal| Failure(refusal.0))?;
                &self.guarded
            }
            Trust::Operator => &self.operator,
        };
        let url = request.url.clone();
        let outgoing = to_outgoing(request)?;
        let (wire, response) = match timeout_at(until, client.send(&url, outgoing, progress)).await {
            Ok(response) => response.map_err(|why| why.explain())?,
            Err(_) => return Err(Failure(progress.too_late(limit))),
        };
        let status = response.status().as_u16();
        let kept_for = keeps_open_for(response.headers());
        let headers = keep_headers(response.headers());
        let (body, is_whole) = read_start(response.into_body(), until).await;
        progress.note_end();
        if is_whole {
            client.pool.put(origin(&url), wire, kept_for);
        }
        Ok(Answer { status, headers, body })
    }
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn send(&self, request: Request) -> Exchange {
        let began = Instant::now();
        let trust = request.trust;
        let limit = request.timeout.map_or(self.deadline, |timeout| timeout.min(self.deadline));
        let mut progress = Progress::new();
        let result = self.exchange(request, limit, &mut progress).await;
        let mut facts = progress.facts();
        if trust == Trust::Operator {
            facts.address = None;
        }
        Exchange { result, took: began.elapsed(), facts }
    }

    async fn send_mail(&self, mail: Mail) -> Exchange {
        self.mailer.send(mail).await
    }
}

/// Sends requests of one trust: whatever waits in its pool was judged by the same guard.
struct Client {
    connector: Connector,
    pool: Arc<Pool>,
}

impl Client {
    /// Sends on a connection that waits where there is one. If that was closed by the receiver before the first byte of the request went
    /// out, it goes out on a new one: nobody failed. Once anything is written the receiver may have read all of it, and whatever
    /// comes of that is the attempt's outcome: one attempt is one request, for whoever counts them.
    async fn send(
        &self,
        url: &Url,
        outgoing: Outgoing,
        progress: &mut Progress,
    ) -> Result<(Wire, http::Response<Incoming>), Unsent> {
        if let Some(mut wire) = self.pool.take(origin(url)).await {
            progress.ride(&wire);
            match wire.send(outgoing.clone()).await {
                Ok(response) => return Ok((wire, response)),
                Err(error) if was_closed(&error) && !wire.meter.has_sent() => {}
                Err(error) => return Err(Unsent::Http(error)),
            }
        }
        let line = self.connector.open(url, progress).await.map_err(Unsent::Unreachable)?;
        let mut wire = Wire::begin(line, progress.address()).await.map_err(Unsent::Http)?;
        progress.ride(&wire);
        let response = wire.send(outgoing).await.map_err(Unsent::Http)?;
        Ok((wire, response))
    }
}

/// Scheme, host and port: who shares it may share connections.
fn origin(url: &Url) -> &str {
    &url[..Position::BeforePath]
}

fn to_outgoing(request: Request) -> Result<Outgoing, Failure> {
    let unusable = |what: &str| {
        Failure(format!("The request could not be written: {what} holds characters that HTTP does not allow."))
    };
    let unusable_address = || unusable("the webhook address");
    let path = &request.url[Position::BeforePath..Position::AfterQuery];
    let path = PathAndQuery::try_from(path).map_err(|_| unusable_address())?;
    let host = &request.url[Position::BeforeHost..Position::AfterPort];
    let host = HeaderValue::try_from(host).map_err(|_| unusable_address())?;
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers {
        let value = HeaderValue::try_from(value).map_err(|_| unusable(&name))?;
        let name = HeaderName::try_from(name.as_ref()).map_err(|_| unusable("the name of a header"))?;
        headers.insert(name, value);
    }
    headers.insert(HOST, host);
    let mut outgoing = http::Request::new(Full::from(request.body));
    *outgoing.method_mut() = match request.method {
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
    };
    *outgoing.uri_mut() = Uri::from(path);
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// How long the receiver says that it keeps the connection open, in `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1, as servers still send it).
fn keeps_open_for(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get("keep-alive")?.to_str().ok()?;
    let timeout = said.split(',').find_map(|part| part.trim().strip_prefix("timeout="))?;
    timeout.trim().parse().ok().map(Duration::from_secs)
}

/// The header lines that fit, as text: what is no UTF-8 is replaced.
fn keep_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = ANSWER_HEADER_BYTES_MAX;
    let lines = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let fitting = lines.filter(|(name, value)| {
        let left = room.checked_sub(name.len() + value.len());
        room = left.unwrap_or(room);
        left.is_some()
    });
    fitting.take(ANSWER_HEADERS_MAX).collect()
}

/// The first bytes of a body, and whether it was read to its end. The status is known by then and decides; so a body that is
/// endless, broken or late costs nothing but what is missing of it. Letting go of the rest closes the connection.
async fn read_start(mut body: Incoming, until: Instant) -> (Vec<u8>, bool) {
    let mut start = Vec::new();
    let mut read = 0;
    while read < BODY_READ_BYTES_MAX {
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return (start, true),
            Ok(Some(Err(_))) | Err(_) => return (start, false),
        };
        let Some(data) = frame.data_ref() else { continue };
        read += data.len();
        let room = ANSWER_BYTES_MAX - start.len();
        start.extend_from_slice(&data[..data.len().min(room)]);
    }
    (start, false)
}

/// Why no answer came.
enum Unsent {
    Unreachable(Unreachable),
    Http(hyper::Error),
}

impl Unsent {
    /// What went wrong, without a host or an address: the operator's own are not for users to see.
    fn explain(self) -> Failure {
        let error = match self {
            Unsent::Unreachable(Unreachable(sentence)) => return Failure(sentence),
            Unsent::Http(error) => error,
        };
        if was_closed(&error) {
            return Failure("The receiver closed the connection without answering.".to_owned());
        }
        if let Some(error) = cause::<io::Error>(&error) {
            let is_too_much = error.get_ref().is_some_and(|held| held.is::<TooMuch>());
            return Failure(if is_too_much {
                format!("The receiver sent more than {} KiB and no answer.", RECEIVED_BYTES_MAX / 1024)
            } else {
                "The connection to the receiver broke before it answered.".to_owned()
            });
        }
        if cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse_too_large) {
            return Failure(format!(
                "The receiver's answer has more than {HEADER_LINES_MAX} header lines or {} KiB of them.",
                HEADER_BYTES_MAX / 1024
            ));
        }
        Failure("What the receiver answered is not HTTP/1.1.".to_owned())
    }
}

/// Whether the receiver closed the connection where an answer was due.
fn was_closed(error: &hyper::Error) -> bool {
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

/// The innermost error of that type: the outer ones only tell what became of the request because of it.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.source().and_then(cause).or_else(|| error.downcast_ref())
}
