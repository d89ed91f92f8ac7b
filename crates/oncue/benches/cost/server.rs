//! The server that is measured: store, engine and web as `oncue serve` wires them on SQLite, in a process that can count its allocations.
//! Each line on its standard input is answered with what it has counted so far.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::PrometheusBuilder;
use oncue_domain::access::Registration;
use oncue_domain::cache::InProcess;
use oncue_domain::clock::{Clock, to_micros};
use oncue_domain::destination::{Egress, Reach};
use oncue_domain::event::Retention;
use oncue_domain::id::Ids;
use oncue_domain::message::Source;
use oncue_domain::node::Identity;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::Store;
use oncue_engine::Engine;
use oncue_engine::http::{HttpOutbound, Settings as WayOut};
use oncue_store::Settings as StoreSettings;
use oncue_store::sqlite::{Place, Role, Sqlite};
use oncue_web::{Database, Doors, Mode, Settings};
use tokio::net::TcpListener;
use url::Url;

use crate::counted;

/// The argument that makes a server of this program.
pub(crate) const ROLE: &str = "serve";

/// Behind the folder: count allocations.
pub(crate) const COUNTING: &str = "counting";

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one door through which time enters")]
    fn now(&self) -> Timestamp {
        to_micros(Timestamp::now())
    }
}

/// Where the database is.
pub(crate) fn place(folder: &Path) -> Place {
    Place::File(folder.join("oncue.db"))
}

/// What the database is told.
pub(crate) fn settings(address: &str) -> StoreSettings {
    let identity = Identity {
        name: "cost".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: address.to_owned(),
        ..Identity::default()
    };
    StoreSettings { zones: Arc::new(Zones::bundled()), has_default_destination: false, identity }
}

/// Serves until standard input ends.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [folder, rest @ ..] = arguments else { bail!("the server needs a folder") };
    if rest.iter().any(|argument| argument == COUNTING) {
        counted::begin();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(PathBuf::from(folder)))
}

async fn serve(folder: PathBuf) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new().install_recorder().context("The metrics cannot be set up")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let listen = listener.local_addr()?;
    let public_url = Url::parse(&format!("http://{listen}"))?;
    let zones = Arc::new(Zones::bundled());
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(Ids::from_seed(random())));
    let store = Sqlite::open(&place(&folder), Role::Server, settings(&listen.to_string()));
    let store: Arc<dyn Store> = Arc::new(store.map_err(anyhow::Error::msg)?);
    let egress = Arc::new(Egress::new(Reach::Private, vec![listen]));
    // It works for as long as it is kept.
    let engine = Engine::start(oncue_engine::Doors {
        store: Arc::clone(&store),
        outbound: Arc::new(HttpOutbound::new(WayOut::new(Arc::clone(&egress)))),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ids: Arc::clone(&ids),
        source: Arc::new(Source {
            public_url: format!("http://{listen}"),
            version: env!("CARGO_PKG_VERSION"),
            reports: oncue_domain::run::ReportKey::derive(b"a test's secret"),
        }),
        zones: Arc::clone(&zones),
        default_webhook: None,
        retention: Retention::STANDARD,
        heartbeat: None,
        hold_backlog_after: None,
    })
    .await?;
    let zone = zones.get("UTC")?;
    let entropy = Arc::new(|bytes: &mut [u8]| getrandom::fill(bytes).expect("the system gives randomness"));
    let router = oncue_web::router(
        Doors {
            store,
            cache: Arc::new(InProcess::default()),
            clock,
            health: engine.health(),
            ids,
            zones,
            entropy,
            metrics,
        },
        Settings {
            mode: Mode::Login,
            registration: Registration::Open,
            public_url,
            listen,
            database: Database::Sqlite,
            trusted_proxies: Vec::new(),
            session_for: SignedDuration::from_hours(1),
            zone,
            retention: Retention::STANDARD,
            egress,
            has_default_destination: false,
            rate_limit: None,
            metrics_token: None,
            jwt_secret: random::<32>().to_vec(),
        },
    );
    say(&listen.to_string())?;
    std::thread::spawn(tell);
    oncue_web::serve(listener, router, std::future::pending()).await;
    Ok(())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes
}

/// Answers whoever asks, and ends the process when nobody can ask any more.
fn tell() {
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (allocations, bytes) = counted::so_far();
        if say(&format!("{allocations} {bytes}")).is_err() {
            break;
        }
    }
    std::process::exit(0);
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
