//! What the operator decided, in two stages: as written (flags, variables, file), then as meant. The second stage is a pure
//! function of the first, says everything that is wrong at once, and gives values that need no further checking.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
use jiff::SignedDuration;
use oncue_domain::access::Registration;
use oncue_domain::destination::{Allowed, Format, Reach, Webhook};
use oncue_domain::event::Retention;
use oncue_domain::schedule::every::Period;
use oncue_engine::Heartbeat;
use oncue_engine::http::{Authorities, Proxy};
use oncue_store::memcached::Servers;
use oncue_store::postgres::address::Address;
use oncue_store::sqlite::Place;
use url::Url;

use crate::cli::ServeFlags;

/// The shortest key of the login tokens, in bytes: as many as HS256's hash has (RFC 7518 §3.2).
const JWT_SECRET_BYTES_MIN: usize = 32;

/// How often the heartbeat is sent when nobody says.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(60);

/// The shortest and the longest time from one heartbeat to the next.
const HEARTBEAT_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));

/// What is wrong with the configuration, one sentence each.
#[derive(Debug)]
pub(crate) struct Wrong(Vec<String>);

impl Wrong {
    /// One thing is wrong.
    pub(crate) fn one(sentence: String) -> Wrong {
        Wrong(vec![sentence])
    }

    /// All of this is wrong.
    pub(crate) fn all(sentences: Vec<String>) -> Wrong {
        Wrong(sentences)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join("\noncue: "))
    }
}

impl std::error::Error for Wrong {}

/// The variables of the process, and behind them those of a `.env` file in the working directory.
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads both. Real variables win.
    pub(crate) fn read() -> anyhow::Result<Environment> {
        let mut variables = BTreeMap::new();
        match dotenvy::from_path_iter(".env") {
            Ok(pairs) => {
                for pair in pairs {
                    let (name, value) =
                        pair.map_err(|error| Wrong(vec![format!("The file .env cannot be read: {error}.")]))?;
                    variables.insert(name, value);
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => return Err(Wrong(vec![format!("The file .env cannot be read: {error}.")]).into()),
        }
        variables.extend(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        );
        Ok(Environment(variables))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Where everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// In this machine, for one server.
    Sqlite(Place),
    /// In PostgreSQL, for many.
    Postgres(Box<Address>),
}

/// What the operator meant.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<Url>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) database: Database,
    pub(crate) open: bool,
    pub(crate) demo: bool,
    pub(crate) registration: Registration,
    pub(crate) jwt_secret: Option<Vec<u8>>,
    pub(crate) session_for: SignedDuration,
    pub(crate) default_webhook: Option<Webhook>,
    pub(crate) cache: Option<Servers>,
    pub(crate) timezone: String,
    /// As told, else as it is where nobody says.
    pub(crate) retention: Retention,
    /// Whether for how long events are kept was told here.
    pub(crate) is_keep_for_told: bool,
    pub(crate) reach: Reach,
    pub(crate) allowed: Allowed,
    pub(crate) egress_proxy: Option<Proxy>,
    pub(crate) extra_authorities: Authorities,
    pub(crate) rate_limit: Option<u32>,
    pub(crate) metrics_token: Option<String>,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) hold_backlog_after: Option<SignedDuration>,
    pub(crate) log_level: String,
    pub(crate) log_format: LogFormat,
}

impl Config {
    /// What is written, as it is meant by whoever serves.
    pub(crate) fn read(flags: &ServeFlags, environment: &Environment) -> anyhow::Result<Config> {
        Config::read_as(Reader::Server, flags, environment)
    }

    /// The same for a command that serves nothing. What is said here may be but a part of what a server was told, so it need not be whole.
    pub(crate) fn read_beside(flags: &ServeFlags, environment: &Environment) -> anyhow::Result<Config> {
        Config::read_as(Reader::Visitor, flags, environment)
    }

    fn read_as(reader: Reader, flags: &ServeFlags, environment: &Environment) -> anyhow::Result<Config> {
        let path = flags.config.clone().or_else(|| environment.get("ONCUE_CONFIG").map(PathBuf::from));
        let file = path.map(|path| read_file(&path)).transpose()?.unwrap_or_default();
        Written { flags: flags_by_key(flags), environment, file, wrong: Vec::new() }.meant(reader)
    }
}

/// Who reads the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Who serves by it.
    Server,
    /// Who only looks for what is served.
    Visitor,
}

/// The keys of the configuration: as a flag and in the file, and as a variable.
const KEYS: [(&str, &str); 25] = [
    ("listen", "ONCUE_LISTEN"),
    ("public-url", "ONCUE_PUBLIC_URL"),
    ("trusted-proxies", "ONCUE_TRUSTED_PROXIES"),
    ("database-url", "DATABASE_URL"),
    ("open", "ONCUE_OPEN"),
    ("demo", "ONCUE_DEMO"),
    ("registration", "ONCUE_REGISTRATION"),
    ("jwt-secret", "JWT_SECRET"),
    ("session-for", "ONCUE_SESSION_FOR"),
    ("default-webhook", "HTTP_URL"),
    ("cache-url", "CACHE_URL"),
    ("timezone", "ONCUE_TIMEZONE"),
    ("active-for", "ONCUE_ACTIVE_FOR"),
    ("keep-for", "ONCUE_KEEP_FOR"),
    ("allow-private-destinations", "ONCUE_ALLOW_PRIVATE_DESTINATIONS"),
    ("allow-destinations", "ONCUE_ALLOW_DESTINATIONS"),
    ("egress-proxy", "ONCUE_EGRESS_PROXY"),
    ("extra-ca", "ONCUE_EXTRA_CA"),
    ("rate-limit", "ONCUE_RATE_LIMIT"),
    ("metrics-token", "ONCUE_METRICS_TOKEN"),
    ("heartbeat-url", "ONCUE_HEARTBEAT_URL"),
    ("heartbeat-every", "ONCUE_HEARTBEAT_EVERY"),
    ("hold-backlog-after", "ONCUE_HOLD_BACKLOG_AFTER"),
    ("log-level", "ONCUE_LOG_LEVEL"),
    ("log-format", "ONCUE_LOG_FORMAT"),
];

/// Keys whose values may hold secrets, and so may be read from a file that a variable ending in `_FILE` names.
const SECRETS: [&str; 7] =
    ["jwt-secret", "metrics-token", "database-url", "default-webhook", "cache-url", "egress-proxy", "heartbeat-url"];

fn flags_by_key(flags: &ServeFlags) -> BTreeMap<&'static str, String> {
    let values = [
        &flags.listen,
        &flags.public_url,
        &flags.trusted_proxies,
        &flags.database_url,
        &flags.open,
        &flags.demo,
        &flags.registration,
        &flags.jwt_secret,
        &flags.session_for,
        &flags.default_webhook,
        &flags.cache_url,
        &flags.timezone,
        &flags.active_for,
        &flags.keep_for,
        &flags.allow_private_destinations,
        &flags.allow_destinations,
        &flags.egress_proxy,
        &flags.extra_ca,
        &flags.rate_limit,
        &flags.metrics_token,
        &flags.heartbeat_url,
        &flags.heartbeat_every,
        &flags.hold_backlog_after,
        &flags.log_level,
        &flags.log_format,
    ];
    KEYS.iter().zip(values).filter_map(|((key, _), value)| Some((*key, value.clone()?))).collect()
}

fn read_file(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("The config file {} cannot be read", path.display()))?;
    let table: toml::Table = text
        .parse()
        .map_err(|error| Wrong(vec![format!("The config file {} is not TOML: {error}", path.display())]))?;
    let mut values = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, value) in table {
        let key = name.replace('_', "-");
        if !KEYS.iter().any(|(known, _)| *known == key) {
            wrong
                .push(format!("The config file {} has the key \"{name}\", which oncue does not know.", path.display()));
            continue;
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            toml::Value::Array(list) => list.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(","),
            _ => {
                wrong.push(format!(
                    "The key \"{name}\" in {} must be a string, a number or true/false.",
                    path.display()
                ));
                continue;
            }
        };
        values.insert(key, text);
    }
    if wrong.is_empty() { Ok(values) } else { Err(Wrong(wrong).into()) }
}

/// The configuration as it is written, and what was found wrong with it so far.
struct Written<'a> {
    flags: BTreeMap<&'static str, String>,
    environment: &'a Environment,
    file: BTreeMap<String, String>,
    wrong: Vec<String>,
}

impl Written<'_> {
    /// The value of a key, and the name under which its author knows it.
    fn find(&mut self, key: &str) -> Option<(String, String)> {
        let (_, variable) = KEYS.iter().find(|(known, _)| *known == key)?;
        if let Some(value) = self.flags.get(key) {
            return Some((value.clone(), format!("--{key}")));
        }
        let by_file = format!("{variable}_FILE");
        let named_file = SECRETS.contains(&key).then(|| self.environment.get(&by_file)).flatten();
        match (self.environment.get(variable), named_file) {
            (Some(_), Some(_)) => {
                self.wrong.push(format!("Both {variable} and {by_file} are set; unset one of them."));
                None
            }
            (Some(value), None) => Some((value.to_owned(), (*variable).to_owned())),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => Some((text.trim_end_matches(['\r', '\n']).to_owned(), by_file)),
                Err(error) => {
                    self.wrong.push(format!("{by_file} names {path}, which cannot be read: {error}."));
                    None
                }
            },
            (None, None) => self.file.get(key).map(|value| (value.clone(), format!("{key} in the config file"))),
        }
    }

    fn parse<T, E: fmt::Display>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let (value, name) = self.find(key)?;
        match parse(value.trim()) {
            Ok(value) => Some(value),
            Err(error) => {
                // The value itself may be a secret; the name is enough to find it.
                self.wrong.push(format!("{name}: {error}"));
                None
            }
        }
    }

    fn meant(mut self, reader: Reader) -> anyhow::Result<Config> {
        let listen = self.parse("listen", parse_listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8000)));
        let open = self.parse("open", parse_bool).unwrap_or(false);
        if open && !listen.ip().is_loopback() {
            self.wrong.push(format!(
                "--open means no login, so it listens on loopback only, and {listen} is not. Use 127.0.0.1, or drop --open."
            ));
        }
        let demo = self.parse("demo", parse_bool).unwrap_or(false);
        if demo {
            self.refuse_beside_demo(listen, open);
        }
        let default_rule = if demo {
            Registration::Closed
        } else if listen.ip().is_loopback() {
            Registration::Open
        } else {
            Registration::First
        };
        let allow_private = self.parse("allow-private-destinations", parse_bool);
        let reach = match (allow_private, open) {
            (Some(true), _) => Reach::Private,
            (None, true) => Reach::Loopback,
            _ => Reach::Public,
        };
        let standard = Retention::STANDARD;
        let (active_for, keep_for) = (self.parse("active-for", parse_duration), self.parse("keep-for", parse_duration));
        let is_keep_for_told = keep_for.is_some();
        let retention = Retention {
            active_for: active_for.unwrap_or(standard.active_for),
            keep_for: keep_for.unwrap_or(standard.keep_for),
        };
        if reader == Reader::Server && retention.keep_for < retention.active_for {
            self.wrong.push(
                "--keep-for must not be shorter than --active-for: an event is active first and archived then."
                    .to_owned(),
            );
        }
        let database = self.parse("database-url", parse_database).unwrap_or_else(|| {
            Database::Sqlite(if demo { Place::Memory } else { Place::File(PathBuf::from("oncue.db")) })
        });
        let heartbeat_url = self.parse("heartbeat-url", parse_heartbeat);
        let heartbeat_every = self.parse("heartbeat-every", parse_heartbeat_every).unwrap_or(HEARTBEAT_EVERY);
        let config = Config {
            listen,
            public_url: self.parse("public-url", parse_public_url),
            trusted_proxies: self.parse("trusted-proxies", parse_networks).unwrap_or_default(),
            database,
            open,
            demo,
            registration: self.parse("registration", parse_registration).unwrap_or(default_rule),
            jwt_secret: self.parse("jwt-secret", parse_jwt_secret),
            session_for: self.parse("session-for", parse_duration).unwrap_or(SignedDuration::from_hours(7 * 24)),
            default_webhook: self.parse("default-webhook", |text| Webhook::parse(text, None)),
            cache: self.parse("cache-url", Servers::parse),
            timezone: self
                .parse("timezone", |text| Ok::<_, String>(text.to_owned()))
                .unwrap_or_else(|| "UTC".to_owned()),
            retention,
            is_keep_for_told,
            reach,
            allowed: self.parse("allow-destinations", Allowed::parse).unwrap_or_default(),
            egress_proxy: self.parse("egress-proxy", Proxy::parse),
            extra_authorities: self.parse("extra-ca", read_authorities).unwrap_or_default(),
            rate_limit: self.parse("rate-limit", parse_rate_limit).flatten(),
            metrics_token: self.parse("metrics-token", parse_token),
            heartbeat: heartbeat_url.map(|url| Heartbeat { url, every: heartbeat_every }),
            hold_backlog_after: self.parse("hold-backlog-after", parse_hold_backlog_after).flatten(),
            log_level: self
                .parse("log-level", |text| Ok::<_, String>(text.to_owned()))
                .unwrap_or_else(|| "info".to_owned()),
            log_format: self.parse("log-format", parse_log_format).unwrap_or(LogFormat::Text),
        };
        if self.wrong.is_empty() { Ok(config) } else { Err(Wrong(self.wrong).into()) }
    }

    /// A demonstration touches nothing that is anybody's: no data, no receiver, no one else's browser.
    fn refuse_beside_demo(&mut self, listen: SocketAddr, open: bool) {
        if !listen.ip().is_loopback() {
            self.wrong.push(format!(
                "--demo shows made-up data to whoever sits here, so it listens on loopback only, and {listen} is not. Use 127.0.0.1, or drop --demo."
            ));
        }
        if open {
            self.wrong.push("--demo brings its own account, and --open has none. Drop one of the two.".to_owned());
        }
        for (key, why) in [
            ("database-url", "keeps everything in memory and touches no database"),
            ("default-webhook", "sends its samples nowhere but to itself"),
            ("registration", "has one account and lets nobody register"),
            ("cache-url", "keeps its numbers to itself"),
            ("egress-proxy", "sends its samples nowhere but to itself"),
            ("heartbeat-url", "is nothing that a watchdog should watch over"),
        ] {
            if let Some((_, name)) = self.find(key) {
                self.wrong.push(format!("--demo {why}: leave {name} out."));
            }
        }
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "this is not an address and a port, such as 127.0.0.1:8000 or [::1]:8000.".to_owned())
}

fn parse_bool(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err("this is not one of true/false, 1/0, on/off, yes/no."),
    }
}

fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let period = Period::parse(text).map_err(|error| error.to_string())?;
    let micros = i64::try_from(period.micros()).map_err(|_| "this is longer than oncue can count.".to_owned())?;
    Ok(SignedDuration::from_micros(micros))
}

fn parse_public_url(text: &str) -> Result<Url, &'static str> {
    let wrong = "this is not an http:// or https:// address without a path, such as https://oncue.example.com.";
    let url = Url::parse(text).map_err(|_| wrong)?;
    let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() && is_plain { Ok(url) } else { Err(wrong) }
}

fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let network = part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| format!("\"{part}\" is not a network such as 10.0.0.0/8."))
        })
        .collect()
}

/// Reads the file of that name.
fn read_authorities(path: &str) -> Result<Authorities, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{path} cannot be read: {error}."))?;
    Authorities::parse(&pem).map_err(|why| format!("{path} cannot be used: {why}"))
}

/// Reads the URL of a database.
pub(crate) fn parse_database(text: &str) -> Result<Database, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Address::parse(text).map(|address| Database::Postgres(Box::new(address)));
    }
    match text.strip_prefix("sqlite:") {
        Some(":memory:") => Ok(Database::Sqlite(Place::Memory)),
        Some(path) => match path.strip_prefix("//").unwrap_or(path) {
            "" => Err("this names no file; use sqlite:PATH, such as sqlite:oncue.db.".to_owned()),
            path => Ok(Database::Sqlite(Place::File(PathBuf::from(path)))),
        },
        None => Err(
            "this is not a database that oncue knows; use sqlite:PATH, sqlite::memory: or postgres://HOST/DATABASE."
                .to_owned(),
        ),
    }
}

fn parse_registration(text: &str) -> Result<Registration, &'static str> {
    match text {
        "open" => Ok(Registration::Open),
        "first" => Ok(Registration::First),
        "closed" => Ok(Registration::Closed),
        _ => Err("this is not one of open, first, closed."),
    }
}

fn parse_jwt_secret(text: &str) -> Result<Vec<u8>, String> {
    if text.len() < JWT_SECRET_BYTES_MIN {
        return Err(format!(
            "the key of the login tokens has {} bytes; at least {JWT_SECRET_BYTES_MIN} are needed.",
            text.len()
        ));
    }
    Ok(text.as_bytes().to_vec())
}

fn parse_rate_limit(text: &str) -> Result<Option<u32>, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "off" | "no" | "false" | "0" => Ok(None),
        number => {
            number.parse().map(Some).map_err(|_| "this is not a number of requests per minute; 0 or off is no limit.")
        }
    }
}

fn parse_token(text: &str) -> Result<String, &'static str> {
    if text.len() < 16 { Err("a token of fewer than 16 characters can be guessed.") } else { Ok(text.to_owned()) }
}

/// The same rules as for a webhook's address, which are about what can be dialled; but the words are about this one.
fn parse_heartbeat(text: &str) -> Result<Url, String> {
    let webhook = Webhook::parse(text, Some(Format::Json));
    webhook.map(|webhook| webhook.url).map_err(|refusal| refusal.0.replace("webhook address", "heartbeat's address"))
}

/// How long an absence must be for what is put off after it to wait for a person; none where none is.
fn parse_hold_backlog_after(text: &str) -> Result<Option<SignedDuration>, String> {
    if matches!(text.to_ascii_lowercase().as_str(), "off" | "no" | "false") {
        return Ok(None);
    }
    parse_duration(text).map(Some)
}

fn parse_heartbeat_every(text: &str) -> Result<Duration, String> {
    let (shortest, longest) = HEARTBEAT_BOUNDS;
    let every = Duration::try_from(parse_duration(text)?).unwrap_or(Duration::ZERO);
    if (shortest..=longest).contains(&every) {
        Ok(every)
    } else {
        Err("the heartbeat comes every 1s at the most often, and once a day (1d) at the least.".to_owned())
    }
}

fn parse_log_format(text: &str) -> Result<LogFormat, &'static str> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("this is not one of text, json."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Result<Config, String> {
        read_as(Reader::Server, flags, variables)
    }

    fn read_as(reader: Reader, flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Result<Config, String> {
        let environment = Environment(variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let written = Written { flags, environment: &environment, file: BTreeMap::new(), wrong: Vec::new() };
        written.meant(reader).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        let config = read(&[], &[]).expect("the defaults are right");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.database, Database::Sqlite(Place::File(PathBuf::from("oncue.db"))));
        assert_eq!(config.registration, Registration::Open);
        assert_eq!(config.retention, Retention::STANDARD);
        assert_eq!(config.reach, Reach::Public);
        assert_eq!(config.session_for, SignedDuration::from_hours(168));
    }

    #[test]
    fn a_flag_wins_over_its_variable() {
        let config = read(&[("listen", "127.0.0.1:1")], &[("ONCUE_LISTEN", "127.0.0.1:2")]).expect("both are right");
        assert_eq!(config.listen.port(), 1);
        let config = read(&[], &[("ONCUE_LISTEN", "127.0.0.1:2")]).expect("it is right");
        assert_eq!(config.listen.port(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_all_at_once_and_secrets_are_not_repeated() {
        let wrong = read(&[("listen", "nowhere")], &[("JWT_SECRET", "short-secret"), ("ONCUE_OPEN", "perhaps")])
            .expect_err("three are wrong");
        for part in ["--listen", "JWT_SECRET", "ONCUE_OPEN"] {
            assert!(wrong.contains(part), "{wrong}");
        }
        assert!(!wrong.contains("short-secret"), "{wrong}");
    }

    #[test]
    fn what_is_said_of_how_long_events_are_kept_is_told_from_what_is_usual() {
        // When they are archived says nothing of that.
        for flags in [&[][..], &[("active-for", "2h")]] {
            let nobody = read(flags, &[]).expect("it is right");
            assert_eq!((nobody.retention, nobody.is_keep_for_told), (Retention::STANDARD, false), "{flags:?}");
        }
        for (flags, variables) in [(&[("keep-for", "48h")][..], &[][..]), (&[], &[("ONCUE_KEEP_FOR", "48h")])] {
            let told = read(flags, variables).expect("it is right");
            assert_eq!((told.retention, told.is_keep_for_told), (Retention::STANDARD, true), "though it is the usual");
        }
    }

    #[test]
    fn what_only_one_who_serves_needs_to_be_told_together_is_not_compared_beside_a_server() {
        for active_for in [&[("ONCUE_ACTIVE_FOR", "72h")][..], &[("ONCUE_ACTIVE_FOR", "2h"), ("ONCUE_KEEP_FOR", "1h")]]
        {
            let wrong = read(&[], active_for).expect_err("an event would be gone before it is archived");
            assert!(wrong.contains("--keep-for must not be shorter"), "{wrong}");
            assert!(read_as(Reader::Visitor, &[], active_for).is_ok(), "{active_for:?}");
        }
        let wrong = read_as(Reader::Visitor, &[], &[("ONCUE_ACTIVE_FOR", "long")]).expect_err("it is no time");
        assert!(wrong.contains("ONCUE_ACTIVE_FOR"), "{wrong}");
    }

    #[test]
    fn both_databases_are_told_by_their_urls() {
        let database = |url| read(&[("database-url", url)], &[]).map(|config| config.database);
        for url in ["postgres://one,two/oncue", "postgresql://localhost/oncue"] {
            assert!(matches!(database(url), Ok(Database::Postgres(_))), "{url}");
        }
        assert_eq!(database("sqlite::memory:").ok(), Some(Database::Sqlite(Place::Memory)));
        let wrong = database("mysql://localhost/oncue").expect_err("no such database");
        assert!(wrong.contains("postgres://") && wrong.contains("sqlite:PATH"), "{wrong}");
    }

    #[test]
    fn a_cache_is_named_by_its_servers_and_repeated_nowhere_when_it_is_wrong() {
        assert_eq!(read(&[], &[]).expect("in the process").cache, None);
        let config = read(&[], &[("CACHE_URL", "memcached://a:1, b:2")]).expect("it is right");
        assert_eq!(config.cache.expect("two servers").to_string(), "a:1, b:2");
        let wrong = read(&[("cache-url", "redis://ann:hidden@a:1")], &[]).expect_err("not memcached");
        assert!(wrong.contains("--cache-url") && wrong.contains("memcached://host:port"), "{wrong}");
        assert!(!wrong.contains("hidden"), "{wrong}");
    }

    #[test]
    fn the_way_out_is_read_with_care_and_a_password_is_not_repeated() {
        let config = read(&[("allow-destinations", "10.1.0.0/16, hooks.internal")], &[]).expect("it is right");
        assert_eq!(config.allowed, Allowed::parse("10.1.0.0/16,hooks.internal").expect("a list"));
        let wrong = read(&[], &[("ONCUE_ALLOW_DESTINATIONS", "hooks.internal,169.254.0.0/16")]).expect_err("metadata");
        assert!(wrong.contains("ONCUE_ALLOW_DESTINATIONS") && wrong.contains("\"169.254.0.0/16\""), "{wrong}");
        let proxy = "http://ann:hidden@proxy.internal:3128";
        let config = read(&[("egress-proxy", proxy)], &[]).expect("it is right");
        assert_eq!(config.egress_proxy, Proxy::parse(proxy).ok());
        assert!(!format!("{config:?}").contains("hidden"));
        let wrong = read(&[], &[("ONCUE_EGRESS_PROXY", "socks5://ann:hidden@proxy:1080")]).expect_err("no such proxy");
        assert!(wrong.contains("ONCUE_EGRESS_PROXY") && !wrong.contains("hidden"), "{wrong}");
        let wrong = read(&[("extra-ca", "/no/such/file.pem")], &[]).expect_err("there is none");
        assert!(wrong.contains("--extra-ca") && wrong.contains("/no/such/file.pem"), "{wrong}");
    }

    #[test]
    fn a_heartbeat_has_an_address_and_a_pace_and_its_address_is_not_repeated() {
        assert!(read(&[("heartbeat-every", "30s")], &[]).expect("it is right").heartbeat.is_none(), "nobody is called");
        let address = [("ONCUE_HEARTBEAT_URL", "https://watchdog.example.com/hidden")];
        let heartbeat = read(&[], &address).expect("it is right").heartbeat.expect("an address is given");
        assert_eq!((heartbeat.url.path(), heartbeat.every), ("/hidden", Duration::from_secs(60)));
        let rare = read(&[("heartbeat-every", "5m")], &address).expect("it is right").heartbeat;
        assert_eq!(rare.expect("an address is given").every, Duration::from_secs(300));
        for (url, every) in [("ftp://a/hidden", "60s"), ("https://a b/hidden", "60s"), ("https://a/hidden", "2d")] {
            let wrong = read(&[("heartbeat-every", every)], &[("ONCUE_HEARTBEAT_URL", url)]).expect_err("it is wrong");
            assert!(wrong.contains("heartbeat") && !wrong.contains("hidden"), "{wrong}");
        }
        let config = read(&[], &address).expect("it is right");
        assert!(!format!("{config:?}").contains("hidden"));
    }

    #[test]
    fn a_backlog_is_held_after_an_outage_of_that_length_or_never() {
        assert_eq!(read(&[], &[]).expect("it is right").hold_backlog_after, None);
        let hour = read(&[("hold-backlog-after", "1h")], &[]).expect("it is right").hold_backlog_after;
        assert_eq!(hour, Some(SignedDuration::from_hours(1)));
        assert_eq!(read(&[], &[("ONCUE_HOLD_BACKLOG_AFTER", "off")]).expect("it is right").hold_backlog_after, None);
        let wrong = read(&[("hold-backlog-after", "soon")], &[]).expect_err("it is wrong");
        assert!(wrong.contains("--hold-backlog-after"), "{wrong}");
    }

    #[test]
    fn without_login_only_loopback_is_listened_on_and_reached() {
        assert!(read(&[("open", "true"), ("listen", "0.0.0.0:8000")], &[]).is_err());
        assert_eq!(read(&[("open", "true")], &[]).expect("loopback").reach, Reach::Loopback);
        assert_eq!(
            read(&[("open", "yes"), ("allow-private-destinations", "no")], &[]).expect("loopback").reach,
            Reach::Public
        );
        assert_eq!(read(&[("listen", "0.0.0.0:1")], &[]).expect("right").registration, Registration::First);
    }

    #[test]
    fn a_demonstration_is_in_memory_on_loopback_and_for_one_account() {
        let demo = read(&[], &[("ONCUE_DEMO", "on")]).expect("it needs nothing else");
        assert_eq!(
            (demo.database, demo.registration, demo.reach),
            (Database::Sqlite(Place::Memory), Registration::Closed, Reach::Public)
        );
        for (key, value, named) in [
            ("listen", "0.0.0.0:8000", "loopback"),
            ("open", "true", "--open"),
            ("database-url", "sqlite:oncue.db", "--database-url"),
            ("default-webhook", "https://example.com/hook", "--default-webhook"),
            ("registration", "open", "--registration"),
            ("cache-url", "memcached://a:1", "--cache-url"),
            ("egress-proxy", "http://proxy:3128", "--egress-proxy"),
            ("heartbeat-url", "https://watchdog.example.com/", "--heartbeat-url"),
        ] {
            let wrong = read(&[("demo", "true"), (key, value)], &[]).expect_err("they do not go together");
            assert!(wrong.contains("--demo") && wrong.contains(named), "{wrong}");
        }
    }
}
