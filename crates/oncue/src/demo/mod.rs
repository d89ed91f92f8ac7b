//! A demonstration: a server that already has a day behind it, so that somebody can look around before they make anything.
//! `cast` says which triggers there are and what happened to them, `past` plays that day through the store as the engine
//! would have, `receiver` is where the samples go, `password` opens the door. From then on everything is real: the
//! engine fires, delivers and retries. No rule may enter here, and no way to the data beside the `Store` trait.

mod cast;
mod password;
mod past;
mod receiver;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::SignedDuration;
use oncue_domain::access::Registration;
use oncue_domain::clock::Clock;
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::{Ids, TriggerId, UserId};
use oncue_domain::message::Source;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{Call, NewUser, Registered, Store};

/// How long the sample day is: a little more than a day, so that a chart of one is full.
const PAST: SignedDuration = SignedDuration::from_hours(25);

/// Who owns the samples.
pub(crate) const EMAIL: &str = "demo@localhost";

/// The calls that other systems would make, so far apart; a prime, so that they meet the schedules now and then only.
const CALL_EVERY: Duration = Duration::from_secs(47);

/// What a demonstration needs of the server.
pub(crate) struct Doors {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) zones: Arc<Zones>,
    pub(crate) source: Source,
}

/// A demonstration that has begun.
pub(crate) struct Demo {
    /// Opens the account [`EMAIL`].
    pub(crate) password: String,
    /// Where the samples go; deliveries must be let through to there.
    pub(crate) receiver: SocketAddr,
}

impl Demo {
    /// Makes the account and its day, and starts the receiver and the calls.
    pub(crate) async fn begin(doors: Doors, retention: Retention) -> anyhow::Result<Demo> {
        let receiver = receiver::start().await.context("The demonstration's receiver cannot be started")?;
        let password = password::draw(&crate::system::fill_random);
        let until = doors.clock.now();
        let from = until - PAST.min(retention.keep_for);
        let owner = make_account(&doors, &password, from).await?;
        let mut stage = past::Stage::new(&doors, owner, receiver);
        stage.play(from, until).await.context("The demonstration's day cannot be written down")?;
        let called = stage.trigger(cast::CALLED)?;
        tokio::spawn(keep_calling(doors, owner, called));
        Ok(Demo { password, receiver })
    }
}

async fn make_account(doors: &Doors, password: &str, at: jiff::Timestamp) -> anyhow::Result<UserId> {
    let words = password.to_owned();
    let password_hash = tokio::task::spawn_blocking(move || oncue_web::hash_password(&words)).await?;
    let user = NewUser { email: EMAIL.to_owned(), password_hash };
    match doors.store.register(user, Registration::First, at).await? {
        Registered::Done(user) => Ok(user.id),
        _ => bail!("The demonstration begins with an empty database, and this one has users"),
    }
}

/// Fires the sample API trigger for as long as it lets itself be fired, or the program runs.
async fn keep_calling(doors: Doors, owner: UserId, trigger: TriggerId) {
    for order in cast::LIVE_ORDERS.. {
        tokio::time::sleep(CALL_EVERY).await;
        let now = doors.clock.now();
        let call = Call {
            origin: Origin::Api,
            payload: Some(cast::order(order)),
            checked: None,
            message_id: doors.ids.message(now),
        };
        // Whoever looks around may have paused or deleted it; that is theirs to do.
        if let Err(error) = doors.store.fire(owner, trigger, call, now).await {
            tracing::warn!(%error, "a sample call was not taken");
        }
    }
}
