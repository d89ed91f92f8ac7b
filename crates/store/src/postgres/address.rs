//! Where the database is and how it is spoken to, as an operator writes it: a PostgreSQL URL, with several hosts where one of
//! them takes over from another. Text in, a checked address out; nothing is read or dialled here (`tls` and `connect` do), and
//! nothing that is said or shown about an address holds its password.

mod parse;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// What every session is told, whatever the role or the database say. A node that hangs in a transaction, or vanishes, must not
/// hold up the others; generic plans spare the planning of statements that are always the same. Such a plan lasts, and may have been made
/// while its table was empty (as `outbox` is whenever all is well): reading all of it looked cheapest then, and no longer is with
/// thousands of rows a moment later. So no table is read whole where an index leads to the rows.
const SESSION: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off \
    -c default_transaction_isolation=read\\ committed \
    -c client_min_messages=warning -c idle_in_transaction_session_timeout=2000 -c statement_timeout=30000 -c lock_timeout=5000 \
    -c tcp_user_timeout=10000 -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3";

/// The only stronger promise than that a commit is on the disk, and on the synchronous standby's.
const REMOTE_APPLY: &str = "synchronous_commit=remote_apply";

/// A database of PostgreSQL, on one host or several that take over from each other.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    endpoints: Vec<Endpoint>,
    /// Everything that is the same at every host.
    common: Config,
    encryption: Encryption,
    connect_timeout: Duration,
}

/// One host of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    /// The folder of a unix socket.
    Socket(PathBuf),
}

/// How far the way to the database is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encryption {
    pub(super) mode: Mode,
    pub(super) authorities: Option<Authorities>,
    /// The certificate and the key by which the server knows us.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

/// As in libpq's `sslmode`, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Never encrypted.
    Disable,
    /// Encrypted where the server can.
    Prefer,
    /// Encrypted, whoever the server is.
    Require,
    /// The server's certificate is signed by one of the authorities.
    VerifyCa,
    /// And it is for the host we asked for.
    VerifyFull,
}

/// Who is trusted to say who the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorities {
    /// Those in a file of PEM certificates.
    File(PathBuf),
    /// Those this system trusts.
    System,
}

/// One host to dial.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// How it is called in messages.
    pub(super) name: String,
    /// What has to be looked up first, if anything: a name may stand for several machines.
    pub(super) lookup: Option<(String, u16)>,
    pub(super) config: Config,
}

impl Address {
    /// Reads a URL; what is wrong is said in words for whoever wrote it.
    pub fn parse(url: &str) -> Result<Self, String> {
        parse::address(url)
    }

    /// The hosts and ports that are dialled over the network.
    pub fn hosts(&self) -> Vec<(String, u16)> {
        self.endpoints.iter().filter_map(Endpoint::over_network).collect()
    }

    /// The ports of all hosts, of those behind a socket as well: a server that is asked through one listens on its port too.
    pub fn ports(&self) -> Vec<u16> {
        self.endpoints.iter().map(|endpoint| endpoint.port).collect()
    }

    pub(super) fn encryption(&self) -> &Encryption {
        &self.encryption
    }

    /// How long a host may take to let us in.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The hosts in the order they are tried.
    pub(super) fn targets(&self) -> Vec<Target> {
        self.endpoints.iter().map(|endpoint| self.target(endpoint)).collect()
    }

    fn target(&self, endpoint: &Endpoint) -> Target {
        let mut config = self.common.clone();
        config.port(endpoint.port).connect_timeout(self.connect_timeout);
        let theirs = config.get_options().unwrap_or_default().to_owned();
        // The last one holds, so what is ours comes last.
        let commit = if theirs.contains(REMOTE_APPLY) { REMOTE_APPLY } else { "synchronous_commit=on" };
        config.options(format!("{theirs} {SESSION} -c {commit}").trim_start());
        match &endpoint.host {
            Host::Name(name) => config.host(name).ssl_mode(match self.encryption.mode {
                Mode::Disable => SslMode::Disable,
                Mode::Prefer => SslMode::Prefer,
                Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
            }),
            // PostgreSQL has no TLS on a socket, and nobody listens in there.
            Host::Socket(folder) => config.host_path(folder).ssl_mode(SslMode::Disable),
        };
        Target { name: endpoint.to_string(), lookup: endpoint.over_network(), config }
    }
}

impl Endpoint {
    fn over_network(&self) -> Option<(String, u16)> {
        match &self.host {
            Host::Name(name) => Some((name.clone(), self.port)),
            Host::Socket(_) => None,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Host::Name(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::Socket(folder) => write!(f, "{}:{}", folder.display(), self.port),
        }
    }
}

/// Shows no password.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.common.get_user() {
            write!(f, "{user}@")?;
        }
        let endpoints: Vec<String> = self.endpoints.iter().map(Endpoint::to_string).collect();
        f.write_str(&endpoints.join(","))?;
        self.common.get_dbname().map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

/// Shows no password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({self})")
    }
}
