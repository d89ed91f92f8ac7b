//! What every handler can reach: the doors, and what the operator decided. It is made once by the binary and never changes;
//! whatever changes lives in the store, or behind one of the small locks here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use metrics_exporter_prometheus::PrometheusHandle;
use oncue_domain::access::{Preferences, Registration, User};
use oncue_domain::actor::Author;
use oncue_domain::cache::Cache;
use oncue_domain::clock::Clock;
use oncue_domain::destination::Egress;
use oncue_domain::event::Retention;
use oncue_domain::health::Health;
use oncue_domain::id::{Ids, UserId};
use oncue_domain::limit::{Buckets, Rate};
use oncue_domain::message::Source;
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::store::Store;
use url::Url;

use crate::auth::Caller;
use crate::auth::limits::LoginLimits;
use crate::auth::password::Passwords;
use crate::auth::token::Tokens;
use crate::payload_schema::Schemas;
use crate::report::Reports;
use crate::turns::Turns;
use crate::watchers::Watchers;

/// How often one account may freeze and thaw. Each time all that is about to fire is planned anew, everybody's, so nobody may do it without
/// pause.
const FREEZES: Rate = Rate { burst: 20, refill_every: std::time::Duration::from_secs(6) };

/// How much one account may make calendars say something else, in triggers that are rewritten: on SQLite nobody else writes meanwhile. The largest
/// calendar may be edited twice in a row, and then every twenty seconds.
const CALENDAR_EDITS: Rate = Rate { burst: 6_000, refill_every: std::time::Duration::from_millis(10) };

/// What an edit counts for, beside the triggers.
const CALENDAR_EDIT: u64 = 10;

/// So many bulk calls are read and carried out at once, everybody's together and one owner's.
const BULK_TURNS: (usize, usize) = (8, 2);

/// The same of edits of calendars: each holds a connection while it waits for whoever is at its triggers.
const CALENDAR_TURNS: (usize, usize) = (4, 1);

/// Fills a buffer with random bytes from the system.
pub type Entropy = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Who may come in.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Everybody logs in.
    Login,
    /// Nobody does: this built-in user owns everything.
    Open(User),
}

/// Where everything is remembered, as the operator is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// With the one server.
    Sqlite,
    /// With a PostgreSQL on these hosts, each with its port; none where it is reached without the network.
    Postgres(Vec<String>),
}

/// What the operator decided about the web.
pub struct Settings {
    /// Who may come in.
    pub mode: Mode,
    /// Who may register.
    pub registration: Registration,
    /// What users type.
    pub public_url: Url,
    /// Where the server listens, the real port included.
    pub listen: SocketAddr,
    /// Where everything is remembered.
    pub database: Database,
    /// Whose word about the client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a login lasts.
    pub session_for: SignedDuration,
    /// The zone of times and cron lines that carry none.
    pub zone: Zone,
    /// How long events live.
    pub retention: Retention,
    /// Where users' destinations may lie.
    pub egress: Arc<Egress>,
    /// Whether there is a default destination for triggers that name none.
    pub has_default_destination: bool,
    /// Requests a minute and account.
    pub rate_limit: Option<u32>,
    /// A token that opens `/metrics` from anywhere.
    pub metrics_token: Option<String>,
    /// The key of the login tokens, at least 32 bytes.
    pub jwt_secret: Vec<u8>,
}

impl Settings {
    /// What users type, ready for a path to be put behind it.
    pub(crate) fn base(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// Whether programs need a key.
    pub(crate) fn needs_key(&self) -> bool {
        matches!(self.mode, Mode::Login)
    }
}

/// The doors, as the binary opened them.
pub struct Doors {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// What may be forgotten.
    pub cache: Arc<dyn Cache>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether oncue keeps time.
    pub health: Arc<dyn Health>,
    /// Message ids.
    pub ids: Arc<Ids>,
    /// Zone data.
    pub zones: Arc<Zones>,
    /// Randomness for sessions and keys.
    pub entropy: Entropy,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}

/// Everything that handlers share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<dyn Health>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) zones: Arc<Zones>,
    pub(crate) entropy: Entropy,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) settings: Settings,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    pub(crate) login_limits: LoginLimits,
    pub(crate) reports: Reports,
    /// The built-in user's, who has no session to be read with. The store has them too, for the next start.
    local_preferences: Mutex<Preferences>,
    pub(crate) watchers: Arc<Watchers>,
    /// Schemas of triggers that were called lately, compiled.
    pub(crate) schemas: Schemas,
    /// Turns to send many items at once.
    pub(crate) bulk_turns: Turns,
    /// Turns to make a calendar say something else.
    pub(crate) calendar_turns: Turns,
    request_limits: Option<Mutex<Buckets<UserId>>>,
    freeze_limits: Mutex<Buckets<UserId>>,
    calendar_limits: Mutex<Buckets<UserId>>,
}

/// A handle on [`Shared`], cheap to clone.
pub(crate) type App = Arc<Shared>;

impl Shared {
    pub(crate) fn new(doors: Doors, settings: Settings) -> Shared {
        let request_limits = settings.rate_limit.map(|per_minute| {
            let per_minute = per_minute.max(1);
            let refill_every = std::time::Duration::from_secs(60) / per_minute;
            Mutex::new(Buckets::new(Rate { burst: per_minute, refill_every }))
        });
        let local_preferences = match &settings.mode {
            Mode::Open(user) => user.preferences.clone(),
            Mode::Login => Preferences::default(),
        };
        let watchers = Arc::new(Watchers::default());
        doors.store.subscribe(Watchers::listener(&watchers));
        Shared {
            watchers,
            schemas: Schemas::default(),
            local_preferences: Mutex::new(local_preferences),
            tokens: Tokens::new(&settings.jwt_secret),
            passwords: Passwords::new(),
            login_limits: LoginLimits::new(),
            reports: Reports::new(&settings.jwt_secret),
            store: doors.store,
            cache: doors.cache,
            clock: doors.clock,
            health: doors.health,
            ids: doors.ids,
            zones: doors.zones,
            entropy: doors.entropy,
            metrics: doors.metrics,
            settings,
            bulk_turns: Turns::new(BULK_TURNS.0, BULK_TURNS.1),
            calendar_turns: Turns::new(CALENDAR_TURNS.0, CALENDAR_TURNS.1),
            request_limits,
            freeze_limits: Mutex::new(Buckets::new(FREEZES)),
            calendar_limits: Mutex::new(Buckets::new(CALENDAR_EDITS)),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The store in the hands of whoever asks: what is changed through it is theirs.
    pub(crate) fn acting(&self, caller: &Caller) -> Arc<dyn Store> {
        self.store.acting(Author { by: caller.actor(), at: self.now() })
    }

    /// Counts a request of `user` against the operator's limit.
    pub(crate) fn count_request(&self, user: UserId) -> Result<(), std::time::Duration> {
        match &self.request_limits {
            Some(limits) => lock(limits).take(&user, self.now()),
            None => Ok(()),
        }
    }

    /// Counts a freeze or its end by `user`.
    pub(crate) fn count_freeze(&self, user: UserId) -> Result<(), std::time::Duration> {
        lock(&self.freeze_limits).take(&user, self.now())
    }

    /// Counts an edit by `user` of a calendar that so many triggers name.
    pub(crate) fn count_calendar_edit(&self, user: UserId, used_by: u64) -> Result<(), std::time::Duration> {
        let weight = u32::try_from(used_by.saturating_add(CALENDAR_EDIT)).unwrap_or(u32::MAX);
        lock(&self.calendar_limits).take_many(&user, weight, self.now())
    }

    /// Counts `more` items of a request that was counted as one: how many may be carried out, and how long the next one has to wait.
    pub(crate) fn count_items(&self, user: UserId, more: usize) -> (usize, std::time::Duration) {
        match &self.request_limits {
            Some(limits) => lock(limits).take_some(&user, more, self.now()),
            None => (more, std::time::Duration::ZERO),
        }
    }

    /// How the built-in user likes their pages.
    pub(crate) fn local_preferences(&self) -> Preferences {
        lock(&self.local_preferences).clone()
    }

    /// A user likes their pages like that from now on.
    pub(crate) async fn set_preferences(
        &self,
        caller: &Caller,
        preferences: Preferences,
    ) -> Result<(), oncue_domain::store::Error> {
        let user = caller.owner();
        self.acting(caller).set_preferences(user, preferences.clone()).await?;
        if matches!(&self.settings.mode, Mode::Open(local) if local.id == user) {
            *lock(&self.local_preferences) = preferences;
        }
        Ok(())
    }

    /// Who messages say they come from.
    pub(crate) fn source(&self) -> Source {
        Source {
            public_url: self.settings.base().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            reports: self.reports.key().clone(),
        }
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.entropy)(&mut bytes);
        bytes
    }
}

/// A poisoned lock means that a thread panicked while it held plain numbers; they are still whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Settings for tests of what depends on nothing else.
#[cfg(test)]
pub(crate) fn test_settings() -> Settings {
    Settings {
        mode: Mode::Login,
        registration: Registration::Open,
        public_url: Url::parse("https://oncue.example.com").expect("an address"),
        listen: SocketAddr::from(([0, 0, 0, 0], 8000)),
        database: Database::Sqlite,
        trusted_proxies: Vec::new(),
        session_for: SignedDuration::from_hours(1),
        zone: Zones::utc(),
        retention: Retention::STANDARD,
        egress: Arc::new(Egress::new(oncue_domain::destination::Reach::Public, Vec::new())),
        has_default_destination: false,
        rate_limit: None,
        metrics_token: None,
        jwt_secret: vec![0; 32],
    }
}

/// A server without a network that keeps time, for tests of what needs no more.
#[cfg(test)]
pub(crate) fn test_app(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: Settings) -> App {
    use oncue_domain::audit::Round;
    use oncue_domain::cache::InProcess;
    use oncue_domain::health::Punctuality;

    struct Well;

    #[async_trait::async_trait]
    impl Health for Well {
        async fn punctuality(&self) -> Punctuality {
            Punctuality { checked_at: Timestamp::UNIX_EPOCH, troubles: Vec::new() }
        }

        fn audited(&self) -> Option<Round> {
            None
        }
    }

    let doors = Doors {
        store,
        cache: Arc::new(InProcess::default()),
        clock,
        health: Arc::new(Well),
        ids: Arc::new(Ids::from_seed([1; 32])),
        zones: Arc::new(Zones::bundled()),
        entropy: Arc::new(|bytes| bytes.fill(7)),
        metrics: metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle(),
    };
    Arc::new(Shared::new(doors, settings))
}
