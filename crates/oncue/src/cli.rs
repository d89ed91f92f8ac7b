//! The command line: every command and flag, as data. What the flags mean is `config`'s business; here stands only what a
//! person reads in `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::bench;
use crate::command;
use crate::config::Environment;
use crate::serve;

/// Exit code for a wrong command line or configuration.
const USAGE: u8 = 2;

/// Event triggers that fire on time or on call, and can prove it.
#[derive(Parser)]
#[command(name = "oncue", version, about, long_about = None, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything: API, pages, scheduler, delivery, retention
    Serve(ServeFlags),
    /// Manage users; works while the server runs
    #[command(subcommand)]
    User(command::user::UserCommand),
    /// Look over all triggers, whether each waits for what it should; works while the server runs
    Audit(command::audit::AuditFlags),
    /// Say why a trigger fired at an instant, or did not; works while the server runs
    Why(command::why::WhyFlags),
    /// Bring a database up to date without starting a server, or show what would be done
    Migrate(command::migrate::MigrateFlags),
    /// Move everything from SQLite to PostgreSQL
    Copy(command::copy::CopyFlags),
    /// Ask a running server whether it is ready (for containers); exits 0 when it is
    Healthcheck(ServeFlags),
    /// Measure how fast this oncue is on this machine
    Bench(bench::BenchFlags),
}

/// The flags of `serve`. Each has an environment variable, which a flag overrides, and which overrides the config file.
///
/// What is a number or a time takes values with a hyphen, so that a negative one is refused in words about what it is, and not taken for
/// a flag that there is not.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeFlags {
    /// Address and port; port 0 picks a free one [env: ONCUE_LISTEN] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// What users type; https makes cookies Secure [env: ONCUE_PUBLIC_URL] [default: http:// + listen address]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Networks whose X-Forwarded-For is believed, separated by commas [env: ONCUE_TRUSTED_PROXIES]
    #[arg(long, value_name = "CIDRS")]
    pub(crate) trusted_proxies: Option<String>,
    /// sqlite:PATH, sqlite::memory: or postgres://… [env: DATABASE_URL] [default: sqlite:oncue.db]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// No login: one built-in local user owns everything; loopback only [env: ONCUE_OPEN]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) open: Option<String>,
    /// Look around in made-up data: in memory, one account, loopback only [env: ONCUE_DEMO]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) demo: Option<String>,
    /// Who may register: open, first, closed [env: ONCUE_REGISTRATION] [default: open on loopback, elsewhere first]
    #[arg(long, value_name = "RULE")]
    pub(crate) registration: Option<String>,
    /// Key of the login tokens, at least 32 bytes [env: JWT_SECRET or JWT_SECRET_FILE] [default: made once beside the database]
    #[arg(long, value_name = "SECRET")]
    pub(crate) jwt_secret: Option<String>,
    /// Life of a login [env: ONCUE_SESSION_FOR] [default: 7d]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) session_for: Option<String>,
    /// Destination of triggers that name none [env: HTTP_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) default_webhook: Option<String>,
    /// memcached://HOST:PORT, more with commas: a statistics cache that nodes share [env: CACHE_URL] [default: in-process]
    #[arg(long, value_name = "URL")]
    pub(crate) cache_url: Option<String>,
    /// IANA zone for times and cron lines that carry none [env: ONCUE_TIMEZONE] [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// An event is active until it is this old [env: ONCUE_ACTIVE_FOR] [default: 2h]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) active_for: Option<String>,
    /// An event is gone when it is this old [env: ONCUE_KEEP_FOR] [default: 48h]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) keep_for: Option<String>,
    /// Let webhooks go to loopback and private addresses [env: ONCUE_ALLOW_PRIVATE_DESTINATIONS]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) allow_private_destinations: Option<String>,
    /// Hosts, addresses and networks that webhooks may go to all the same, with commas: hooks.internal, *.corp.example:8443,
    /// 10.1.0.0/16 [env: ONCUE_ALLOW_DESTINATIONS]
    #[arg(long, value_name = "PLACES")]
    pub(crate) allow_destinations: Option<String>,
    /// `http://[USER:PASSWORD@]HOST:PORT`, through which every webhook goes [env: ONCUE_EGRESS_PROXY or ONCUE_EGRESS_PROXY_FILE]
    #[arg(long, value_name = "URL")]
    pub(crate) egress_proxy: Option<String>,
    /// Certificates in PEM of authorities that webhooks may have theirs from, besides the public ones [env: ONCUE_EXTRA_CA]
    #[arg(long, value_name = "FILE")]
    pub(crate) extra_ca: Option<String>,
    /// Requests per minute and account; 0 or off for no limit [env: ONCUE_RATE_LIMIT] [default: off]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(crate) rate_limit: Option<String>,
    /// Opens /metrics from anywhere [env: ONCUE_METRICS_TOKEN or ONCUE_METRICS_TOKEN_FILE]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) metrics_token: Option<String>,
    /// Called again and again while oncue keeps time, for a watchdog [env: ONCUE_HEARTBEAT_URL or ONCUE_HEARTBEAT_URL_FILE]
    #[arg(long, value_name = "URL")]
    pub(crate) heartbeat_url: Option<String>,
    /// How long from one of these calls to the next, 1s to 1d [env: ONCUE_HEARTBEAT_EVERY] [default: 60s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) heartbeat_every: Option<String>,
    /// Lets a person decide about what triggers that catch up with all they missed put off after a longer outage
    /// [env: ONCUE_HOLD_BACKLOG_AFTER] [default: off]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(crate) hold_backlog_after: Option<String>,
    /// What is logged: error, warn, info, debug, or a filter [env: ONCUE_LOG_LEVEL] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log_level: Option<String>,
    /// How it is logged: text or json [env: ONCUE_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// A TOML file with the same keys [env: ONCUE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take the time from a clock that lines on standard input move, this far ahead at first; only in test builds
    #[cfg(feature = "movable-clock")]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "0s", value_name = "DURATION")]
    pub(crate) movable_clock: Option<jiff::SignedDuration>,
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let environment = match Environment::read() {
        Ok(environment) => environment,
        Err(error) => return fail(&error),
    };
    let outcome = match cli.command {
        Command::Serve(flags) => serve::run(&flags, &environment),
        Command::User(command) => command::user::run(&command, &environment),
        Command::Audit(flags) => return command::audit::run(&flags, &environment),
        Command::Why(flags) => command::why::run(&flags, &environment),
        Command::Migrate(flags) => command::migrate::run(&flags, &environment),
        Command::Copy(flags) => command::copy::run(&flags, &environment),
        Command::Healthcheck(flags) => command::healthcheck::run(&flags, &environment),
        Command::Bench(flags) => bench::run(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("oncue: {error:#}");
    if error.is::<crate::config::Wrong>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}
