//! `oncue why`: what became of an instant of a trigger, or of a span, told as `GET /api/v1/triggers/{id}/why` tells it. It visits the database,
//! whether a server runs there or not, and only reads. Whoever can read the database may know everything in it, so nobody is asked who
//! they are, and the number of a trigger is enough.

mod text;

use anyhow::{Context, anyhow};
use clap::Args;
use oncue_domain::id::TriggerId;
use oncue_web::{Records, Unanswered, Why, why};

use super::say;
use crate::cli::ServeFlags;
use crate::config::{Config, Environment, Wrong};
use crate::visit::{Visited, visit};

/// The flags of `why`.
#[derive(Args)]
pub(crate) struct WhyFlags {
    /// The number of the trigger
    #[arg(value_name = "TRIGGER")]
    id: i64,
    #[command(flatten)]
    asked: Asked,
    /// Of a span: how many events and how many records, at most 200 each [default: up to 1000]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true, conflicts_with = "at")]
    limit: Option<String>,
    /// Say it as JSON: the document of the API
    #[arg(long)]
    json: bool,
    /// sqlite:PATH or postgres://… [env: DATABASE_URL] [default: sqlite:oncue.db]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with the same keys as the server's flags [env: ONCUE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

/// What is asked about. Instants are read as the API reads them, which takes the trigger's zone; so what is wrong with one is said there.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct Asked {
    /// The instant (RFC 3339); without an offset it is read in the trigger's zone
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true, conflicts_with_all = ["from", "to"])]
    at: Option<String>,
    /// The beginning of a span; without it a day before --to
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    from: Option<String>,
    /// The end of a span, which is not in it; without it a day after --from
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    to: Option<String>,
}

impl WhyFlags {
    /// The same as a query of the API.
    fn query(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let Asked { at, from, to } = &self.asked;
        let named = [("at", at), ("from", from), ("to", to), ("limit", &self.limit)];
        let said = named.map(|(name, value)| value.clone().map(|value| (name, value)));
        said.into_iter().flatten()
    }
}

/// Does what the command says.
pub(crate) fn run(flags: &WhyFlags, environment: &Environment) -> anyhow::Result<()> {
    let serve =
        ServeFlags { database_url: flags.database_url.clone(), config: flags.config.clone(), ..ServeFlags::default() };
    let config = Config::read_beside(&serve, environment)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot be started")?;
    let Why { json, rest } = runtime.block_on(ask(flags, &config))?;
    say(&if flags.json { format!("{json}\n") } else { text::of(&json)? })?;
    if let Some(rest) = rest {
        // Beside what is told, so that a program reads one document and nothing else.
        let rest: Vec<String> = rest.into_iter().map(|(name, value)| format!("--{name} {value}")).collect();
        eprintln!(
            "oncue: this is not all of the span; for the rest: oncue why {} {}, with the other options as they were",
            flags.id,
            rest.join(" ")
        );
    }
    Ok(())
}

async fn ask(flags: &WhyFlags, config: &Config) -> anyhow::Result<Why> {
    let visited = visit(&config.database).await?;
    let retention = visited.retention(config).await?;
    let Visited { store, clock, zones } = visited;
    let zone = zones.get(&config.timezone).map_err(|error| anyhow!("--timezone: {error}"))?;
    let records = Records { store: store.as_ref(), retention, zone: &zone, release: zones.release.trim() };
    why(&records, TriggerId(flags.id), flags.query(), clock.now()).await.map_err(|unanswered| match unanswered {
        Unanswered::NoTrigger => anyhow!("There is no trigger {}.", flags.id),
        Unanswered::Wrong(errors) => {
            let sentence = |error: oncue_domain::error::Invalid| format!("--{error}");
            Wrong::all(errors.into_iter().map(sentence).collect()).into()
        }
        Unanswered::Failed(words) => anyhow!(words),
    })
}
