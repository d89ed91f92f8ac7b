//! From an address to an open connection: look up, judge, dial, secure. One look-up per connection, and what is dialled is
//! exactly what was judged, so a name that changes its mind between the two (DNS rebinding) gains nothing. What is said on
//! the connection is the business of the module above.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use oncue_domain::destination::{Egress, Refusal};
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt, service_fn};

/// How long a name may take to be looked up.
const LOOKUP_MAX: Duration = Duration::from_secs(3);

/// How long all of a name's addresses together may take to accept a connection.
const DIAL_MAX: Duration = Duration::from_secs(5);

/// What an address gets at least, so that many dead addresses before a live one do not leave it nothing.
const DIAL_SHARE_MIN: Duration = Duration::from_secs(1);

/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Opens connections for one client.
#[derive(Clone)]
pub(super) struct Connector {
    egress: Option<Arc<Egress>>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    /// Connects only where `egress` allows; without one, anywhere.
    pub(super) fn new(egress: Option<Arc<Egress>>, tls: Arc<ClientConfig>) -> Connector {
        Connector { egress, tls }
    }

    async fn open(self, uri: Uri) -> Result<Line, Unreachable> {
        let (Some(host), Some(port)) = (uri.host(), port(&uri)) else {
            return Err(unreachable("The webhook address names no host or no known scheme."));
        };
        let answers = look_up(host, port).await?;
        let tcp = dial(self.judge(&answers)?).await?;
        let stream = secure(tcp, uri, self.tls).await?;
        Ok(Line { stream, used: Used::default() })
    }

    fn judge<'a>(&self, answers: &'a [SocketAddr]) -> Result<&'a [SocketAddr], Refusal> {
        let Some(egress) = &self.egress else { return Ok(answers) };
        let judged = egress.judge_answers(answers)?;
        for answer in answers.iter().filter(|answer| is_this_machine(answer.ip())) {
            egress.judge_this_machine(*answer)?;
        }
        Ok(judged)
    }
}

impl Service<Uri> for Connector {
    type Response = Line;
    type Error = Unreachable;
    type Future = BoxFuture<'static, Result<Line, Unreachable>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().open(uri))
    }
}

/// TLS 1.2 and 1.3 as ring does them, with Mozilla's roots. The provider is named, because a process-wide default could be
/// set by any dependency.
pub(super) fn tls() -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the protocol versions that rustls thinks safe")
        .with_webpki_roots()
        .with_no_client_auth();
    Arc::new(config)
}

/// Why no connection came about, in a sentence for people. It names neither host nor address: the operator's own are not for
/// users to see.
#[derive(Debug)]
pub(super) struct Unreachable(pub(super) String);

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unreachable {}

impl From<Refusal> for Unreachable {
    fn from(refusal: Refusal) -> Unreachable {
        Unreachable(refusal.0)
    }
}

fn unreachable(sentence: impl Into<String>) -> Unreachable {
    Unreachable(sentence.into())
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    })
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, port)]);
    }
    let answers: Vec<SocketAddr> = match timeout(LOOKUP_MAX, ask_resolver(host.to_owned(), port)).await {
        Ok(answers) => answers,
        Err(_) => {
            return Err(unreachable(format!(
                "Looking up the receiver's name took longer than {} s.",
                LOOKUP_MAX.as_secs()
            )));
        }
    };
    if answers.is_empty() {
        return Err(unreachable(
            "The receiver's name could not be resolved; check the webhook address for a typing error.",
        ));
    }
    Ok(answers)
}

/// How many names are looked up at once. The system's resolver holds a thread until it gives up, long after we have: without
/// a bound, a few name servers that do not answer would take every thread that others need.
const LOOKUPS_MAX: usize = 32;

static LOOKUPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LOOKUPS_MAX)));

async fn ask_resolver(host: String, port: u16) -> Vec<SocketAddr> {
    let Ok(turn) = Arc::clone(&LOOKUPS).acquire_owned().await else { return Vec::new() };
    let looked_up = tokio::task::spawn_blocking(move || {
        let answers = (host.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        drop(turn);
        answers
    });
    looked_up.await.unwrap_or_default()
}

/// Whether an address belongs to an interface of this machine. The system is asked from where it would send; connecting a
/// UDP socket sends nothing.
fn is_this_machine(ip: IpAddr) -> bool {
    let anywhere: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let sender = UdpSocket::bind((anywhere, 0)).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    sender.is_ok_and(|sender| sender.ip() == ip)
}

/// Tries the addresses in their order, each for its share of the time that is left.
async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, Unreachable> {
    let until = Instant::now() + DIAL_MAX;
    let mut failed = None;
    for (tried, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let addresses_left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = (left / addresses_left).max(DIAL_SHARE_MIN).min(left);
        match timeout(share, TcpStream::connect(address)).await {
            // A message is written in one go; waiting for more to send with it would only be late.
            Ok(Ok(tcp)) if tcp.set_nodelay(true).is_ok() => return Ok(tcp),
            Ok(Ok(_)) => failed = Some(io::Error::from(io::ErrorKind::ConnectionReset)),
            Ok(Err(error)) => failed = Some(error),
            Err(_) => {}
        }
    }
    let too_long = || format!("The receiver could not be reached within {} s.", DIAL_MAX.as_secs());
    Err(unreachable(failed.as_ref().map_or_else(too_long, explain_dial)))
}

fn explain_dial(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "The receiver refused the connection; check that it is running and listens on that port.".to_owned()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "The receiver closed the connection while it was being opened.".to_owned()
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "There is no way to the receiver from this network.".to_owned()
        }
        io::ErrorKind::TimedOut => "The receiver could not be reached.".to_owned(),
        _ => format!("The connection to the receiver failed: {error}."),
    }
}

/// Puts TLS on a connection to an `https` address, with the host of the address as the name that the certificate must bear.
async fn secure(
    tcp: TcpStream,
    uri: Uri,
    tls: Arc<ClientConfig>,
) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>, Unreachable> {
    let mut dialled = Some(TokioIo::new(tcp));
    let hand_over = service_fn(move |_: Uri| {
        let tcp = dialled.take().ok_or_else(|| io::Error::other("one connection is secured once"));
        async move { tcp }
    });
    match timeout(HANDSHAKE_MAX, HttpsConnector::from((hand_over, tls)).oneshot(uri)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(unreachable(explain_handshake(error.as_ref()))),
        Err(_) => Err(unreachable(format!(
            "The receiver did not complete the TLS handshake within {} s.",
            HANDSHAKE_MAX.as_secs()
        ))),
    }
}

fn explain_handshake(error: &(dyn std::error::Error + 'static)) -> String {
    match tls_cause(error) {
        Some(rustls::Error::InvalidCertificate(flaw)) => {
            format!("The receiver's TLS certificate cannot be trusted: {}.", explain_certificate(flaw))
        }
        Some(cause) => format!("The TLS handshake with the receiver failed: {cause}."),
        None => "The receiver closed the connection during the TLS handshake; check that it speaks https on that port."
            .to_owned(),
    }
}

/// In our words, because rustls names the host it expected.
fn explain_certificate(flaw: &CertificateError) -> &'static str {
    match flaw {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::UnknownIssuer => "it is not signed by a public authority",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it was made for another name"
        }
        CertificateError::Revoked => "it was revoked",
        _ => "it is malformed or not meant for a server",
    }
}

/// The TLS error inside; it sits in boxes of `io::Error`, whose `source` skips what they hold.
fn tls_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => tls_cause(held),
        None => tls_cause(error.source()?),
    }
}

/// Whether a connection has carried an answer before. The client pools connections and does not tell; but a receiver may
/// close an idle connection at the very moment we use it, and only then is it right to try another one.
#[derive(Clone, Default)]
pub(super) struct Used(Arc<AtomicBool>);

impl Used {
    /// Notes that an answer has come.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether an answer has come.
    pub(super) fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// An open connection.
pub(super) struct Line {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    used: Used,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.used.clone())
    }
}

impl Read for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
