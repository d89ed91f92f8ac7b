//! Running the server: the doors are opened, the engine and the web are started on them, and stopped in order.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use oncue_domain::cache::{Cache, InProcess};
use oncue_domain::clock::Clock;
use oncue_domain::destination::Egress;
use oncue_domain::id::Ids;
use oncue_domain::message::Source as MessageSource;
use oncue_domain::node::Identity;
use oncue_domain::run::ReportKey;
use oncue_domain::schedule::zone::{Source, Zones};
use oncue_domain::store::Store;
use oncue_engine::Engine;
use oncue_engine::http::{HttpOutbound, Settings as WayOut};
use oncue_store::Settings as StoreSettings;
use oncue_store::memcached::{self, Memcached};
use oncue_store::postgres::address::Address;
use oncue_store::postgres::{self, Postgres};
use oncue_store::sqlite::{self, Place, Sqlite};
use oncue_web::{Doors, Mode, Settings};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::alike;
use crate::cli::ServeFlags;
use crate::config::{Config, Database, Environment, LogFormat};
use crate::demo::{self, Demo};
use crate::system::{SystemClock, fill_random, machine_name, secret_beside, zones};

/// How many files may be open: as many connections as the web takes, and as many again.
const OPEN_FILES_WANTED: u64 = 24_000;

/// What is in flight may take so long to finish after a signal.
const DRAIN_FOR: Duration = Duration::from_secs(10);

/// Telling the other nodes that this one goes may take so long, after that.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// Runs until a signal says stop.
pub(crate) fn run(flags: &ServeFlags, environment: &Environment) -> anyhow::Result<()> {
    let config = Config::read(flags, environment)?;
    start_log(&config)?;
    // Each connection is an open file, ours and the receivers'; systems commonly begin with 1 024.
    if let Err(error) = rlimit::increase_nofile_limit(OPEN_FILES_WANTED) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("The runtime cannot be started")?;
    let outcome = runtime.block_on(serve(config, flags));
    // What did not finish within its time is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_level)
        .with_context(|| format!("--log-level: \"{}\" is not a filter", config.log_level))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match config.log_format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// The one clock of everything that this process serves.
#[cfg(not(feature = "movable-clock"))]
fn clock(_: &ServeFlags, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Clock>> {
    Ok(clock)
}

/// The one clock of everything that this process serves, which moves as a test says where one asks for it.
#[cfg(feature = "movable-clock")]
fn clock(flags: &ServeFlags, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Clock>> {
    match flags.movable_clock {
        Some(offset) => crate::movable_clock::start(clock, offset),
        None => Ok(clock),
    }
}

/// An open database: what serves, the clock that holds there, and what is to be told goodbye.
struct Opened {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    postgres: Option<Arc<Postgres>>,
}

async fn open(config: &Config, settings: StoreSettings) -> anyhow::Result<Opened> {
    match &config.database {
        Database::Sqlite(place) => {
            let store = Sqlite::open(place, sqlite::Role::Server, settings).map_err(|words| anyhow!(words))?;
            Ok(Opened { store: Arc::new(store), clock: Arc::new(SystemClock), postgres: None })
        }
        Database::Postgres(address) => {
            let role = postgres::Role::Node(settings.identity.clone());
            let store = Postgres::open(address, role, settings).await;
            let store = Arc::new(store.map_err(|words| anyhow!(words))?);
            Ok(Opened { store: Arc::clone(&store) as Arc<dyn Store>, clock: store.clock(), postgres: Some(store) })
        }
    }
}

/// The database as its operator is told about it.
fn name_of(database: &Database) -> oncue_web::Database {
    match database {
        Database::Sqlite(_) => oncue_web::Database::Sqlite,
        Database::Postgres(address) => {
            let name = |(host, port): &(String, u16)| {
                if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
            };
            oncue_web::Database::Postgres(address.hosts().iter().map(name).collect())
        }
    }
}

/// Where statistics are kept for a while: with the nodes' common servers, or with this process.
async fn cache(config: &Config) -> Arc<dyn Cache> {
    let Some(servers) = config.cache.clone() else { return Arc::new(InProcess::default()) };
    let mut seed = [0; 8];
    fill_random(&mut seed);
    Arc::new(Memcached::open(servers, memcached::DEADLINE, u64::from_le_bytes(seed)).await)
}

/// Where the database listens: no delivery goes there. Its ports are closed at every address of this machine, because the one
/// in the URL may be this machine's under another name.
async fn database_listens(address: &Address) -> Vec<SocketAddr> {
    let here = address.ports().into_iter().map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    let mut listens: Vec<SocketAddr> = here.collect();
    for (host, port) in address.hosts() {
        match tokio::net::lookup_host((host.as_str(), port)).await {
            Ok(found) => listens.extend(found),
            Err(error) => {
                tracing::warn!(
                    host,
                    %error,
                    "one of the database's hosts cannot be looked up; where private destinations are allowed, deliveries are not kept from it"
                );
            }
        }
    }
    listens
}

fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
    let jobs = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_jobs".to_owned()), &jobs))
        .context("The metrics cannot be set up")?
        .install_recorder()
        .context("The metrics cannot be set up")
}

async fn serve(config: Config, flags: &ServeFlags) -> anyhow::Result<()> {
    let zones = Arc::new(zones());
    let zone = zones.get(&config.timezone).map_err(|error| anyhow!("--timezone: {error}"))?;
    let metrics = start_metrics()?;
    let mut seed = [0; 32];
    fill_random(&mut seed);
    let ids = Arc::new(Ids::from_seed(seed));

    let listener =
        TcpListener::bind(config.listen).await.with_context(|| format!("oncue cannot listen on {}", config.listen))?;
    let listen = listener.local_addr().context("The system does not say where oncue listens")?;
    let store_settings = StoreSettings {
        zones: Arc::clone(&zones),
        has_default_destination: config.default_webhook.is_some(),
        identity: Identity {
            name: machine_name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: listen.to_string(),
            // Nothing is made in a database that many share before it is certain that this node can take part.
            settings: match config.database {
                Database::Postgres(_) => alike::settings(&config, &jwt_secret(&config)?),
                Database::Sqlite(_) => BTreeMap::new(),
            },
        },
    };
    let Opened { store, clock: its_clock, postgres } = open(&config, store_settings).await?;
    let clock = clock(flags, its_clock)?;
    // The commands that ask beside a server go by what it was told.
    store.note_retention(config.retention).await?;
    let jwt_secret = jwt_secret(&config)?;
    let cache = cache(&config).await;
    let mode = if config.open { Mode::Open(store.local_user(clock.now()).await?) } else { Mode::Login };

    let public_url = match &config.public_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("http://{listen}")).context("The listening address makes no address to type")?,
    };
    let source = MessageSource {
        public_url: public_url.as_str().trim_end_matches('/').to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        reports: ReportKey::derive(&jwt_secret),
    };
    let demo = if config.demo {
        let doors = demo::Doors {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            zones: Arc::clone(&zones),
            source: source.clone(),
        };
        Some(Demo::begin(doors, config.retention).await?)
    } else {
        None
    };
    let mut own = vec![listen];
    if let Database::Postgres(address) = &config.database {
        own.extend(database_listens(address).await);
    }
    let egress = Egress::new(config.reach, own).allowing(config.allowed.clone());
    let egress = Arc::new(match &demo {
        Some(demo) => egress.exempting(demo.receiver),
        None => egress,
    });
    let way_out = WayOut {
        proxy: config.egress_proxy.clone(),
        authorities: config.extra_authorities.clone(),
        ..WayOut::new(Arc::clone(&egress))
    };
    let mut engine = Engine::start(oncue_engine::Doors {
        store: Arc::clone(&store),
        outbound: Arc::new(HttpOutbound::new(way_out)),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        source: Arc::new(source),
        zones: Arc::clone(&zones),
        default_webhook: config.default_webhook.clone().map(Arc::new),
        retention: config.retention,
        heartbeat: config.heartbeat.clone(),
        hold_backlog_after: config.hold_backlog_after,
    })
    .await?;
    // Whoever reads that it listens may ask it to end at once, and is to have an orderly end.
    let stop_signal = stop_signal()?;
    announce(&config, demo.as_ref(), &public_url, listen, &zones);
    let health = engine.health();
    let entropy = Arc::new(fill_random);
    let doors = Doors { store, cache, clock, health, ids, zones, entropy, metrics: metrics.clone() };
    let router = oncue_web::router(
        doors,
        Settings {
            mode,
            registration: config.registration,
            public_url,
            listen,
            database: name_of(&config.database),
            trusted_proxies: config.trusted_proxies,
            session_for: config.session_for,
            zone,
            retention: config.retention,
            egress,
            has_default_destination: config.default_webhook.is_some(),
            rate_limit: config.rate_limit,
            metrics_token: config.metrics_token,
            jwt_secret,
        },
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let mut web = tokio::spawn(oncue_web::serve(listener, router, async {
        // A sender that is gone says stop as well.
        let _ = stopped.await;
    }));
    let upkeep = tokio::spawn(upkeep(metrics));
    tokio::select! {
        () = stop_signal => {}
        part = engine.broken() => bail!("{part} has ended by itself; its log says why. Start oncue again"),
        part = broken(postgres.as_deref()) => bail!("{part} has ended by itself; its log says why. Start oncue again"),
        _ = &mut web => bail!("the web server has ended by itself; its log says why. Start oncue again"),
    }
    tracing::info!("stopping: finishing what is in flight");
    drop(stop);
    upkeep.abort();
    let drained = tokio::time::timeout(DRAIN_FOR, async { tokio::join!(web, engine.stop()) });
    if drained.await.is_err() {
        tracing::warn!("some requests or deliveries did not finish in time; deliveries go on after the next start");
    }
    // However the draining went: what this node still holds is not to wait until the others notice that it is gone.
    if let Some(postgres) = &postgres
        && tokio::time::timeout(LEAVE_WITHIN, postgres.close()).await.is_err()
    {
        tracing::warn!("the other nodes could not be told in time that this one is gone; they notice in a few seconds");
    }
    Ok(())
}

/// Comes back only if the database's own work has ended by itself.
async fn broken(postgres: Option<&Postgres>) -> &'static str {
    match postgres {
        Some(postgres) => postgres.broken().await,
        None => std::future::pending().await,
    }
}

/// Histograms are drained now and then, so that they stay small when nobody asks for them.
async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}

/// Listens for the signals that say stop, from now on.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn jwt_secret(config: &Config) -> anyhow::Result<Vec<u8>> {
    if let Some(secret) = &config.jwt_secret {
        return Ok(secret.clone());
    }
    match &config.database {
        Database::Sqlite(Place::File(database)) => {
            let mut path = database.clone().into_os_string();
            path.push(".jwt-secret");
            secret_beside(&PathBuf::from(path))
        }
        Database::Sqlite(Place::Memory) => {
            let mut secret = vec![0; 48];
            fill_random(&mut secret);
            Ok(secret)
        }
        Database::Postgres(_) => bail!(
            "With PostgreSQL --jwt-secret (or JWT_SECRET, JWT_SECRET_FILE) must be given, the same to every node: a login at one holds at all. \
             `openssl rand -base64 48` makes one."
        ),
    }
}

/// Says where it is, where the data is, how long events live, and where to go next.
fn announce(config: &Config, demo: Option<&Demo>, public_url: &Url, listen: SocketAddr, zones: &Zones) {
    let data = match &config.database {
        Database::Postgres(address) => address.to_string(),
        Database::Sqlite(Place::File(path)) => {
            std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
        }
        Database::Sqlite(Place::Memory) => "in memory, gone when oncue stops".to_owned(),
    };
    let source = match zones.source {
        Source::System => "the system's",
        Source::Bundled => "oncue's own",
    };
    let next = if config.open {
        "no login: whoever can reach this address owns everything".to_owned()
    } else if let Some(demo) = demo {
        format!("log in as {} with the password {}", demo::EMAIL, demo.password)
    } else {
        "register there, or log in".to_owned()
    };
    let version = env!("CARGO_PKG_VERSION");
    let mut open = public_url.clone();
    if config.public_url.is_none() && listen.ip().is_unspecified() {
        // Nobody can type "everywhere"; from this machine it is localhost.
        let _ = open.set_host(Some("localhost"));
    }
    let (active, kept) = (config.retention.active_for, config.retention.keep_for);
    let (release, timezone) = (&zones.release, &config.timezone);
    let lines = format!(
        "oncue {version} listening on http://{listen}\n  data    {data}\n  events  active for {active:#}, kept for {kept:#}, then gone\n  \
         zones   tzdata {release} ({source}), times without a zone are {timezone}\n  \
         next    open {open} ({next}); the API is described at {open}docs\n"
    );
    // Whoever started us may have stopped listening; that is no reason not to serve.
    let _ = std::io::stdout().lock().write_all(lines.as_bytes());
}
