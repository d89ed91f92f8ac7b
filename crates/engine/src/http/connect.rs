//! From an address to an open connection: look up, judge, dial, secure. One look-up per connection, and what is dialled is
//! exactly what was judged, so a name that changes its mind between the two (DNS rebinding) gains nothing. What is said on
//! the connection is the business of the module above.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use oncue_domain::destination::{Egress, Refusal};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;
use url::Url;

use super::line::{Counted, Line, Meter};
use super::names::{LOOKUP_MAX, Names, Turn};
use super::progress::{Progress, Stage};
use super::proxy::{Proxy, Refused};
use super::tls;

/// How long all of a name's addresses together may take to accept a connection.
const DIAL_MAX: Duration = Duration::from_secs(5);

/// The same through a proxy, which has to dial as well.
const TUNNEL_MAX: Duration = Duration::from_secs(10);

/// What an address gets at least, so that many dead addresses before a live one do not leave it nothing.
const DIAL_SHARE_MIN: Duration = Duration::from_secs(1);

/// Opens connections for one trust.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(super) dialler: Dialler,
    pub(super) tls: Arc<ClientConfig>,
}

impl Connector {
    /// Opens a connection to the host of an `http` or `https` address.
    pub(super) async fn open(&self, url: &Url, progress: &mut Progress) -> Result<Line, Unreachable> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(unreachable("The webhook address names no host or no known scheme."));
        };
        let counted = self.reach(host, port, progress).await?;
        let meter = Arc::clone(&counted.meter);
        if url.scheme() != "https" {
            return Ok(Line { stream: Box::new(counted), meter });
        }
        let name = tls::name(&url.host())?;
        let stream = self.secure(counted, name, "check that it speaks https on that port", progress).await?;
        Ok(Line { stream: Box::new(stream), meter })
    }

    /// Opens a connection on which nothing is said yet, to `host` as it stands in an address. Whatever is said on it is counted.
    pub(crate) async fn reach(&self, host: &str, port: u16, progress: &mut Progress) -> Result<Counted, Unreachable> {
        progress.enter(Stage::Connect);
        let tcp = self.dialler.dial(host, port, progress).await?;
        progress.enter(Stage::Exchange);
        Ok(Counted { tcp, meter: Arc::new(Meter::new()) })
    }

    /// Puts TLS on a connection, with the name that the certificate must bear. `mute` says what to check where the other side
    /// closes instead of shaking hands.
    pub(crate) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        name: ServerName<'static>,
        mute: &str,
        progress: &mut Progress,
    ) -> Result<TlsStream<S>, Unreachable> {
        progress.enter(Stage::Tls);
        let stream = tls::secure(stream, name, mute, Arc::clone(&self.tls)).await?;
        progress.enter(Stage::Exchange);
        Ok(stream)
    }
}

/// Reaches hosts by name: what is looked up is judged, and what was judged is dialled, directly or by asking the proxy for it.
#[derive(Clone)]
pub(super) struct Dialler {
    /// Who judges; without one, every address may be dialled.
    pub(super) egress: Option<Arc<Egress>>,
    pub(super) names: Arc<dyn Names>,
    pub(super) proxy: Option<Arc<Proxy>>,
}

impl Dialler {
    /// Opens a connection to `host`, as it stands in an address.
    pub(super) async fn dial(&self, host: &str, port: u16, progress: &mut Progress) -> Result<TcpStream, Unreachable> {
        let answers = look_up(self.names.as_ref(), host, port, progress).await?;
        let judged = self.judge(host, &answers)?;
        match &self.proxy {
            Some(proxy) => tunnel(proxy, judged, progress).await,
            None => dial(judged, progress).await,
        }
    }

    fn judge<'a>(&self, host: &str, answers: &'a [SocketAddr]) -> Result<&'a [SocketAddr], Refusal> {
        let Some(egress) = &self.egress else { return Ok(answers) };
        let judged = egress.judge_answers(host, answers)?;
        for answer in answers.iter().filter(|answer| is_this_machine(answer.ip())) {
            egress.judge_this_machine(host, *answer)?;
        }
        Ok(judged)
    }
}

/// Why no connection came about, in a sentence for people. It names neither host nor address: the operator's own are not for
/// users to see.
#[derive(Debug)]
pub(crate) struct Unreachable(pub(crate) String);

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

/// Whoever finds no turn waits for one as long as the exchange may take: others are at fault, and another attempt would wait as well.
async fn look_up(
    names: &dyn Names,
    host: &str,
    port: u16,
    progress: &mut Progress,
) -> Result<Vec<SocketAddr>, Unreachable> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, port)]);
    }
    progress.enter(Stage::Turn);
    let turn = Turn::take(host).await;
    progress.enter(Stage::Connect);
    match timeout(LOOKUP_MAX, names.look_up(host, port, turn)).await {
        Ok(answers) if answers.is_empty() => {
            Err(unreachable("The receiver's name could not be resolved; check the address for a typing error."))
        }
        Ok(answers) => Ok(answers),
        Err(_) => {
            Err(unreachable(format!("Looking up the receiver's name took longer than {} s.", LOOKUP_MAX.as_secs())))
        }
    }
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

/// The time that all of a name's addresses share.
struct Shares {
    until: Instant,
}

impl Shares {
    fn of(whole: Duration) -> Shares {
        Shares { until: Instant::now() + whole }
    }

    /// What one of so many that are left may take; none when the time is over.
    fn next(&self, addresses_left: usize) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses_left.max(1)).unwrap_or(u32::MAX);
        (!left.is_zero()).then(|| share.max(DIAL_SHARE_MIN).min(left))
    }
}

/// Tries the addresses in their order, each for its share of the time that is left.
async fn dial(addresses: &[SocketAddr], progress: &mut Progress) -> Result<TcpStream, Unreachable> {
    let shares = Shares::of(DIAL_MAX);
    let mut failed = None;
    for (tried, address) in addresses.iter().enumerate() {
        let Some(share) = shares.next(addresses.len() - tried) else { break };
        progress.dial(*address);
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

/// The same through the proxy, which is asked for one address after the other.
async fn tunnel(proxy: &Proxy, addresses: &[SocketAddr], progress: &mut Progress) -> Result<TcpStream, Unreachable> {
    let shares = Shares::of(TUNNEL_MAX);
    let too_long = || {
        format!("The operator's egress proxy opened no connection to the receiver within {} s.", TUNNEL_MAX.as_secs())
    };
    let mut failed = None;
    for (tried, address) in addresses.iter().enumerate() {
        let Some(share) = shares.next(addresses.len() - tried) else { break };
        progress.ask_proxy_for(*address);
        match timeout(share, tunnel_to(proxy, *address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(TunnelError::Refused(refused))) if refused.is_about_the_address() => {
                failed = Some(refused.to_string());
            }
            Ok(Err(TunnelError::Refused(refused))) => return Err(unreachable(refused.to_string())),
            Ok(Err(TunnelError::NoProxy(error))) => {
                return Err(unreachable(format!(
                    "The operator's egress proxy (--egress-proxy, ONCUE_EGRESS_PROXY) gives no connection: {error}."
                )));
            }
            Err(_) => {}
        }
    }
    Err(unreachable(failed.unwrap_or_else(too_long)))
}

enum TunnelError {
    NoProxy(io::Error),
    Refused(Refused),
}

async fn tunnel_to(proxy: &Proxy, address: SocketAddr) -> Result<TcpStream, TunnelError> {
    let mut tcp = TcpStream::connect(proxy.place()).await.map_err(TunnelError::NoProxy)?;
    tcp.set_nodelay(true).map_err(TunnelError::NoProxy)?;
    proxy.connect(&mut tcp, address).await.map_err(TunnelError::Refused)?;
    Ok(tcp)
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
