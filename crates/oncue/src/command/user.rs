//! `oncue user …`: an operator's way back in. It visits the database beside a running server, which notices at once, because
//! it looks every session up.

use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use oncue_domain::access::User;
use oncue_domain::actor::{Actor, Author};
use oncue_domain::clock::Clock;
use oncue_domain::store::Store;

use crate::cli::ServeFlags;
use crate::config::{Config, Environment};
use crate::system::SystemClock;
use crate::visit::visit;

/// What can be done with users.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Show all users
    List(Where),
    /// Give a user a new password, read from the terminal or from standard input; ends all their logins, and lets them in
    /// again if they were shut out
    SetPassword {
        /// The user's e-mail address
        email: String,
        #[command(flatten)]
        place: Where,
    },
    /// Shut a user out: logins and API keys are refused from now on
    Disable {
        /// The user's e-mail address
        email: String,
        #[command(flatten)]
        place: Where,
    },
}

/// Which database is meant.
#[derive(Args, Clone)]
pub(crate) struct Where {
    /// sqlite:PATH or postgres://… [env: DATABASE_URL] [default: sqlite:oncue.db]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with the same keys as the server's flags [env: ONCUE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

/// Does what the command says.
pub(crate) fn run(command: &UserCommand, environment: &Environment) -> anyhow::Result<()> {
    let place = match command {
        UserCommand::List(place) | UserCommand::SetPassword { place, .. } | UserCommand::Disable { place, .. } => place,
    };
    let flags =
        ServeFlags { database_url: place.database_url.clone(), config: place.config.clone(), ..ServeFlags::default() };
    let config = Config::read_beside(&flags, environment)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot be started")?;
    runtime.block_on(async {
        let store = visit(&config.database).await?.store;
        match command {
            UserCommand::List(_) => list(store.as_ref()).await,
            UserCommand::SetPassword { email, .. } => set_password(store.as_ref(), email).await,
            UserCommand::Disable { email, .. } => disable(store.as_ref(), email).await,
        }
    })
}

async fn list(store: &dyn Store) -> anyhow::Result<()> {
    for user in store.users().await? {
        let mut marks = Vec::new();
        if user.is_operator {
            marks.push("operator".to_owned());
        }
        if let Some(since) = user.disabled_at {
            marks.push(format!("disabled since {since:.0}"));
        }
        println!("{}\t{}\t{:.0}\t{}", user.id, user.email, user.created_at, marks.join(", "));
    }
    Ok(())
}

async fn find(store: &dyn Store, email: &str) -> anyhow::Result<User> {
    let found = store.user_by_email(email).await?;
    found.map(|(user, _)| user).ok_or_else(|| anyhow!("There is no user with the e-mail address {email}."))
}

/// The store in the hands of whoever types commands here.
fn by_operator(store: &dyn Store) -> Arc<dyn Store> {
    store.acting(Author { by: Actor::COMMAND_LINE, at: SystemClock.now() })
}

async fn set_password(store: &dyn Store, email: &str) -> anyhow::Result<()> {
    let user = find(store, email).await?;
    let password = read_password()?;
    let length = password.chars().count();
    if !(8..=256).contains(&length) {
        bail!("A password has 8 to 256 characters; this one has {length}.");
    }
    by_operator(store).set_password(user.id, &oncue_web::hash_password(&password)).await?;
    let again = if user.disabled_at.is_some() { " They are not shut out any more." } else { "" };
    println!("{} has a new password; all their logins have ended.{again}", user.email);
    Ok(())
}

fn read_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("New password: ").context("The password cannot be read from the terminal");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("The password cannot be read from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn disable(store: &dyn Store, email: &str) -> anyhow::Result<()> {
    let user = find(store, email).await?;
    by_operator(store).disable_user(user.id, SystemClock.now()).await?;
    println!("{} is shut out: logins and API keys are refused from now on.", user.email);
    Ok(())
}
