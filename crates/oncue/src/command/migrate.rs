//! `oncue migrate`: brings a database up to date, which a server does as well when it starts; or shows which steps it has
//! taken, and changes nothing.

use anyhow::{Context, anyhow};
use clap::Args;
use oncue_store::migrations::Step;
use oncue_store::sqlite::Place;
use oncue_store::{postgres, sqlite};

use crate::cli::ServeFlags;
use crate::config::{Config, Database, Environment, Wrong};

/// The flags of `migrate`.
#[derive(Args)]
pub(crate) struct MigrateFlags {
    /// sqlite:PATH or postgres://… [env: DATABASE_URL] [default: sqlite:oncue.db]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with the same keys as the server's flags [env: ONCUE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// Show all steps, taken and pending, and change nothing; works while a server runs
    #[arg(long)]
    show: bool,
}

/// Does what the command says.
pub(crate) fn run(flags: &MigrateFlags, environment: &Environment) -> anyhow::Result<()> {
    let serve =
        ServeFlags { database_url: flags.database_url.clone(), config: flags.config.clone(), ..ServeFlags::default() };
    let database = Config::read_beside(&serve, environment)?.database;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot be started")?;
    runtime.block_on(async {
        if flags.show {
            let steps = match &database {
                Database::Sqlite(place) => sqlite::steps(file(place)?),
                Database::Postgres(address) => postgres::steps(address).await,
            };
            show(&steps.map_err(|words| anyhow!(words))?);
        } else {
            let taken = match &database {
                Database::Sqlite(place) => sqlite::migrate(file(place)?),
                Database::Postgres(address) => postgres::migrate(address).await,
            };
            tell(&taken.map_err(|words| anyhow!(words))?);
        }
        Ok(())
    })
}

fn file(place: &Place) -> Result<&std::path::Path, Wrong> {
    match place {
        Place::File(path) => Ok(path),
        Place::Memory => {
            Err(Wrong::one("A database in memory is new each time; there is nothing to migrate.".to_owned()))
        }
    }
}

fn show(steps: &[Step]) {
    for step in steps {
        println!("{:4}  {:12}  {}", step.version, step.name, if step.is_taken { "taken" } else { "pending" });
    }
}

fn tell(taken: &[Step]) {
    for step in taken {
        println!("{:4}  {:12}  done", step.version, step.name);
    }
    match taken.len() {
        0 => println!("The database is up to date; nothing was changed."),
        1 => println!("The database is up to date: one step was taken."),
        many => println!("The database is up to date: {many} steps were taken."),
    }
}
