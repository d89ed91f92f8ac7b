//! `oncue copy`: a team that began on SQLite moves to PostgreSQL with all it has, and can go back as long as it wants to.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use oncue_domain::clock::Clock;
use oncue_store::copy::{self, Copied, Progress, Undone};
use oncue_store::postgres::address::Address;
use oncue_store::sqlite::Place;

use crate::cli::ServeFlags;
use crate::config::{Config, Database, Environment, Wrong, parse_database};
use crate::system::SystemClock;

/// The flags of `copy`.
#[derive(Args)]
pub(crate) struct CopyFlags {
    /// The database to move: sqlite:PATH; no server may be running on it
    #[arg(long, value_name = "URL", default_value = "sqlite:oncue.db")]
    from: String,
    /// Where to: an empty database, postgres://… [env: DATABASE_URL or DATABASE_URL_FILE]
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Take a move back: the file may be served again, as it was then; with --to, no server starts on the other database any more,
    /// whose data stay until a further copy replaces them
    #[arg(long)]
    undo: bool,
}

/// How wide the bar is.
const BAR: usize = 30;

/// Does what the command says.
pub(crate) fn run(flags: &CopyFlags, environment: &Environment) -> anyhow::Result<()> {
    let from = match parse_database(&flags.from) {
        Ok(Database::Sqlite(Place::File(path))) => path,
        Ok(_) => return Err(Wrong::one("--from: this is not sqlite:PATH; only a file can be moved.".to_owned()).into()),
        Err(words) => return Err(Wrong::one(format!("--from: {words}")).into()),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot be started")?;
    if flags.undo {
        let to = flags.to.as_deref().map(address).transpose()?;
        return runtime.block_on(undo(&from, to.as_ref()));
    }
    let to = match &flags.to {
        Some(url) => address(url)?,
        None => match Config::read_beside(&ServeFlags::default(), environment)?.database {
            Database::Postgres(address) => *address,
            Database::Sqlite(_) => {
                let words = "Say where to, with --to postgres://… or in DATABASE_URL.";
                return Err(Wrong::one(words.to_owned()).into());
            }
        },
    };
    runtime.block_on(move_everything(&from, &to))
}

fn address(url: &str) -> Result<Address, Wrong> {
    match parse_database(url) {
        Ok(Database::Postgres(address)) => Ok(*address),
        Ok(Database::Sqlite(_)) => {
            Err(Wrong::one("--to: this is not postgres://…; only there can be moved to.".to_owned()))
        }
        Err(words) => Err(Wrong::one(format!("--to: {words}"))),
    }
}

async fn move_everything(from: &Path, to: &Address) -> anyhow::Result<()> {
    let is_terminal = std::io::stderr().is_terminal();
    let now = SystemClock.now();
    let copied =
        copy::run(from, to, now, |progress| show(&progress, is_terminal)).await.map_err(|words| anyhow!(words))?;
    let file = from.display();
    match copied {
        Copied::Before(at) => {
            println!("{file} was moved to {to} at {at:.0} already; nothing was changed.");
            return Ok(());
        }
        Copied::Finished => println!("Everything was in {to} already; it may be served now."),
        Copied::Done(tables) => {
            let rows: u64 = tables.iter().map(|(_, rows)| rows).sum();
            let parts: Vec<String> = tables.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
            println!("Moved to {to}: {}.", parts.join(", "));
            println!("All {rows} rows were counted on both sides.");
        }
    }
    println!("{file} is marked as moved: no server starts on it any more. Start them with DATABASE_URL set to {to}.");
    println!("{}", about_the_key(from));
    Ok(())
}

/// Logins outlive the move only where the servers have the key with which they were signed.
fn about_the_key(from: &Path) -> String {
    let mut beside = from.as_os_str().to_owned();
    beside.push(".jwt-secret");
    let beside = PathBuf::from(beside);
    if !beside.exists() {
        return "PostgreSQL needs --jwt-secret: logins stay valid with the one that the old server had.".to_owned();
    }
    let path = std::path::absolute(&beside).unwrap_or(beside);
    format!(
        "PostgreSQL needs --jwt-secret: logins stay valid with the old one, JWT_SECRET_FILE={} (or a copy of that file on each node).",
        path.display()
    )
}

/// A line for each table, on a terminal with a bar until it is complete.
fn show(progress: &Progress, is_terminal: bool) {
    let Progress { table, rows, total, took, is_done } = progress;
    let mut out = std::io::stderr().lock();
    // Whoever started this may have stopped listening; that is no reason to stop.
    let _ = if *is_done {
        let rate = *rows as f64 / took.as_secs_f64().max(0.001);
        let clear = if is_terminal { "\r\x1b[K" } else { "" };
        writeln!(out, "{clear}{table:10} {rows:>9} of {total:>9}  {rate:>9.0}/s")
    } else if is_terminal {
        let filled = usize::try_from(rows * BAR as u64 / (*total).max(1)).unwrap_or(BAR).min(BAR);
        write!(out, "\r{table:10} {rows:>9} of {total:>9}  {}{}", "#".repeat(filled), ".".repeat(BAR - filled))
    } else {
        Ok(())
    };
    let _ = out.flush();
}

async fn undo(from: &Path, to: Option<&Address>) -> anyhow::Result<()> {
    let undone = copy::undo(from, to, SystemClock.now()).await.map_err(|words| anyhow!(words))?;
    let file = from.display();
    match undone {
        Undone::NotMoved => println!("{file} was not moved; nothing was changed."),
        Undone::Done { target, is_shut: true } => println!(
            "{file} may be served again, as it was when it was moved. No server starts on {target} any more, not even on what it has had \
             since; all of that is still there, for you to look at with a client of PostgreSQL, until a further copy to it throws it away and begins anew, or until you \
             drop that database."
        ),
        Undone::Done { target, is_shut: false } => println!(
            "{file} may be served again, as it was when it was moved. Nothing was changed in {target}: servers still start on it, so \
             never serve that one again, or what is due fires twice. With --to postgres://… this command shuts it; else drop that \
             database."
        ),
    }
    Ok(())
}
