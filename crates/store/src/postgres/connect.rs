//! The way to the database: a pool of connections, each to the host that takes writes. A host that hangs is given up after
//! `connect_timeout`, and the one that answered last is asked first, so that a host that is gone costs its wait only once. What
//! is sent over a connection is not known here.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::{Client, Connect, Hook, HookError, Manager, ManagerConfig, Pool, PoolError, Runtime, Timeouts};
use oncue_domain::store::{Error, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Config, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Target};
use super::pause::Pauses;
use super::{failure, silence, tls};

/// How long one waits for a connection while all are in use: no longer than a statement may take.
const TURN: Duration = Duration::from_secs(30);

/// What drives a connection, and hears what the server says by itself.
type Line = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// The connections of one node.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    dialer: Arc<Dialer>,
}

struct Dialer {
    targets: Vec<Target>,
    tls: MakeRustlsConnect,
    timeout: Duration,
    /// The place of the host that answered last.
    first: AtomicUsize,
    pauses: Pauses,
    /// Why the last attempt failed.
    trouble: Mutex<Option<Error>>,
}

impl Connections {
    /// At most so many connections to this database. Nothing is dialled yet; what is said in the error is wrong with the
    /// address's files.
    pub(super) fn new(address: &Address, connections_max: usize) -> std::result::Result<Self, String> {
        let dialer = Arc::new(Dialer {
            targets: address.targets(),
            tls: tls::connector(address.encryption())?,
            timeout: address.connect_timeout(),
            first: AtomicUsize::new(0),
            pauses: Pauses::default(),
            trouble: Mutex::new(None),
        });
        let manager = Manager::from_connect(Config::new(), Way(Arc::clone(&dialer)), ManagerConfig::default());
        let pool = Pool::builder(manager)
            .max_size(connections_max)
            .wait_timeout(Some(TURN))
            .runtime(Runtime::Tokio1)
            .pre_recycle(Hook::sync_fn(|_, metrics| {
                if failure::is_doubtful(metrics.created) {
                    Err(HookError::message("the server may be the wrong one"))
                } else {
                    Ok(())
                }
            }))
            .build()
            .map_err(|error| format!("no connections can be kept: {error}"))?;
        Ok(Self { pool, dialer })
    }

    /// A connection, to be given back by dropping it.
    pub(super) async fn client(&self) -> Result<Client> {
        self.client_within(TURN).await
    }

    /// The same for whoever cannot wait so long.
    pub(super) async fn client_within(&self, turn: Duration) -> Result<Client> {
        let timeouts = Timeouts { wait: Some(turn), ..self.pool.timeouts() };
        self.pool.timeout_get(&timeouts).await.map_err(|error| match error {
            PoolError::Backend(_) => self.dialer.trouble(),
            PoolError::Timeout(_) => {
                Error::Unavailable(format!("all connections were in use for {} s", turn.as_secs()))
            }
            other => Error::Broken(other.to_string()),
        })
    }

    /// The server hangs: for a while nobody dials, and whoever asks meanwhile is told this.
    pub(super) fn stay_away(&self, trouble: Error) {
        *self.dialer.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        self.dialer.pauses.begin(Instant::now(), chance());
    }

    /// A connection beside the pool, for whoever asks whether the server answers at all: it waits for no turn, and for no pause, because
    /// both end only once somebody knows.
    pub(super) async fn beside(&self) -> std::result::Result<tokio_postgres::Client, Missed> {
        let (client, line) = self.dialer.any().await?;
        tokio::spawn(drive(line));
        Ok(client)
    }

    /// Hears what is said on a channel from now on, on a connection beside the pool.
    pub(super) async fn listen(&self, channel: &str) -> Result<Notifications> {
        let (client, mut line) = self.dialer.dial().await?;
        let (say, said) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|context| line.poll_message(context)).await {
                if let AsyncMessage::Notification(notification) = message {
                    // Nobody listens any more: then the client is gone as well, and the line ends.
                    let _ = say.send(notification.payload().to_owned());
                }
            }
        });
        silence::answered(client.batch_execute(&format!("LISTEN {channel}"))).await?;
        Ok(Notifications { _client: client, said })
    }
}

/// What is said on a channel, until the connection ends.
pub(super) struct Notifications {
    _client: tokio_postgres::Client,
    pub(super) said: mpsc::UnboundedReceiver<String>,
}

/// Nobody let us in.
#[derive(Debug)]
pub(super) struct Missed {
    error: Error,
    /// Somebody took the call and then said nothing until the time was over.
    pub(super) unanswered: bool,
}

impl From<Error> for Missed {
    fn from(error: Error) -> Self {
        Self { error, unanswered: false }
    }
}

/// Carries what is sent and answered, until the connection ends.
async fn drive(line: Line) {
    if let Err(error) = line.await {
        tracing::debug!("a connection to the database ended: {error}");
    }
}

impl Dialer {
    async fn dial(&self) -> Result<(tokio_postgres::Client, Line)> {
        let Some(leave) = self.pauses.leave(Instant::now()) else { return Err(self.trouble()) };
        match self.any().await {
            Ok(made) => {
                leave.reached();
                silence::note_answer();
                Ok(made)
            }
            Err(Missed { error, .. }) => {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                leave.missed(Instant::now(), chance());
                Err(error)
            }
        }
    }

    /// The first host that lets us in, beginning with the one that did last.
    async fn any(&self) -> std::result::Result<(tokio_postgres::Client, Line), Missed> {
        let first = self.first.load(Ordering::Relaxed);
        let places = (0..self.targets.len()).map(|step| (first + step) % self.targets.len());
        let (mut passes, mut unanswered, mut words) = (false, false, Vec::new());
        for place in places {
            match self.one(&self.targets[place]).await {
                Ok(made) => {
                    self.first.store(place, Ordering::Relaxed);
                    return Ok(made);
                }
                Err(missed) => {
                    passes |= matches!(missed.error, Error::Unavailable(_));
                    unanswered |= missed.unanswered;
                    words.push(format!("{}: {}", self.targets[place].name, missed.error.why()));
                }
            }
        }
        let words = words.join("; ");
        let error = if passes { Error::Unavailable(words) } else { Error::Broken(words) };
        Err(Missed { error, unanswered })
    }

    /// Any of the machines that the host's name stands for; each may take the whole time.
    async fn one(&self, target: &Target) -> std::result::Result<(tokio_postgres::Client, Line), Missed> {
        let Some(name) = &target.lookup else { return self.at(&target.config).await };
        let looked_up = self.in_time(tokio::net::lookup_host((name.0.as_str(), name.1))).await?;
        let addresses =
            looked_up.map_err(|error| Error::Unavailable(format!("the name cannot be looked up: {error}")))?;
        let mut missed = Missed::from(Error::Unavailable("the name stands for no machine".into()));
        for address in addresses {
            // The name stays with it: that is what a certificate is for.
            match self.at(target.config.clone().hostaddr(address.ip())).await {
                Ok(made) => return Ok(made),
                Err(last) => missed = Missed { unanswered: missed.unanswered || last.unanswered, ..last },
            }
        }
        Err(missed)
    }

    async fn at(&self, config: &Config) -> std::result::Result<(tokio_postgres::Client, Line), Missed> {
        match self.in_time(config.connect(self.tls.clone())).await {
            Ok(made) => made.map_err(|error| failure::classed(&error).into()),
            Err(error) => Err(Missed { error, unanswered: true }),
        }
    }

    async fn in_time<T>(&self, dialling: impl Future<Output = T>) -> Result<T> {
        let late = |_| Error::Unavailable(format!("no answer within {} s", self.timeout.as_secs()));
        tokio::time::timeout(self.timeout, dialling).await.map_err(late)
    }

    fn trouble(&self) -> Error {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.unwrap_or_else(|| Error::Unavailable("the server could not be reached".into()))
    }
}

/// Where the system has no chance to give, nodes come back together: worse, but no reason to stay away.
fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// How the pool makes a connection.
struct Way(Arc<Dialer>);

type Dialling<'a> = Pin<
    Box<
        dyn Future<Output = std::result::Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>>
            + Send
            + 'a,
    >,
>;

impl Connect for Way {
    fn connect(&self, _: &Config) -> Dialling<'_> {
        Box::pin(async move {
            match self.0.dial().await {
                Ok((client, line)) => Ok((client, tokio::spawn(drive(line)))),
                // Only tokio-postgres can make its errors. This one is made without dialling, for there is no host, and is never
                // shown: what happened is in `trouble`.
                Err(_) => Config::new().connect(NoTls).await.map(|(client, _)| (client, tokio::spawn(async {}))),
            }
        })
    }
}
