//! What lies in a database before the server starts that is asked about it: a million triggers that wait, or millions of events
//! that were. They are written through the store of this very program, while no server runs, because nobody would make so many
//! by calls in one go. What a page for people needs besides is in `page`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::clock::Clock;
use oncue_domain::destination::Webhook;
use oncue_domain::event::Origin;
use oncue_domain::id::{Ids, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{Call, Fired, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger::{Definition, ScheduleDetails};
use tokio::task::JoinSet;

use crate::bench::home::Home;
use crate::bench::load::{EMAIL, PASSWORD};
use crate::system::{SystemClock, fill_random};

/// Over how long the events are spread: nearly as long as they are kept.
pub(super) const SPREAD: SignedDuration = SignedDuration::from_hours(40);

/// How many triggers the events are of, the rare one among them.
const CALLED: u64 = 100;

/// How many events the rare trigger has.
const RARE: u64 = 100;

/// What is said of filling, and how often.
const STEPS: u64 = 10;

/// The one user there is; an empty database gets one, who can log in.
async fn owner(store: &dyn Store, now: Timestamp) -> anyhow::Result<UserId> {
    if let Some(user) = store.users().await?.first() {
        return Ok(user.id);
    }
    let user = NewUser { email: EMAIL.to_owned(), password_hash: oncue_web::hash_password(PASSWORD) };
    match store.register(user, Registration::Open, now).await? {
        Registered::Done(user) => Ok(user.id),
        _ => bail!("an empty database knows a user"),
    }
}

/// Does something for each number below `count`, by as many callers as fill this database fastest, and says how far it is.
async fn fill<F>(
    home: &Home,
    what: &str,
    count: u64,
    one: impl Fn(u64) -> F + Send + Sync + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let began = Instant::now();
    let (one, next) = (Arc::new(one), Arc::new(AtomicU64::new(0)));
    let step = (count / STEPS).max(1);
    let mut writers = JoinSet::new();
    for _ in 0..home.writers() {
        let (one, next, what) = (Arc::clone(&one), Arc::clone(&next), what.to_owned());
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                if number > 0 && number.is_multiple_of(step) {
                    eprintln!("bench: {number} of {count} {what} stored in {:.1} s", began.elapsed().as_secs_f64());
                }
                one(number).await?;
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    eprintln!("bench: {count} {what} stored in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Stores `count` triggers of the one user: the first is due, and the others wait for days that are far away.
pub(super) async fn triggers(home: &Home, count: u64, url: &str) -> anyhow::Result<()> {
    let webhook = Webhook::parse(url, None).map_err(|refusal| anyhow::anyhow!(refusal.0))?;
    let opened = home.fill().await?;
    let store = Arc::clone(&opened.store);
    let now = SystemClock.now();
    let owner = owner(&*store, now).await?;
    fill(home, "triggers", count, move |number| {
        let (store, webhook) = (Arc::clone(&store), webhook.clone());
        async move {
            store.create_trigger(waiting(owner, number, webhook, now)?, now).await??;
            Ok(())
        }
    })
    .await?;
    opened.close().await;
    Ok(())
}

/// The trigger of that number: the first is due, and of the others every second is for one time and every second returns.
fn waiting(owner: UserId, number: u64, webhook: Webhook, now: Timestamp) -> anyhow::Result<NewTrigger> {
    let far = now + SignedDuration::from_hours(48) + SignedDuration::from_secs(i64::try_from(number)?);
    let schedule = match number {
        0 => Schedule::Once { at: now },
        odd if odd % 2 == 1 => Schedule::Once { at: far },
        _ => Schedule::Every { period: Period::parse("24h")?, anchor: far, first: FirstFiring::AtAnchor },
    };
    let next_at = if number == 0 { now } else { far };
    let payload = format!(r#"{{"number":{number},"text":"a small payload, as most are"}}"#);
    let definition = Definition {
        name: Some(format!("bench {number}")),
        schedule: Some(ScheduleDetails::plain(schedule, None)),
        payload: Some(Payload::from_stored(&payload)),
        webhook: Some(webhook),
        ..called(number)
    };
    Ok(NewTrigger { owner, definition, next_at: Some(next_at), test_event: None })
}

/// A trigger that is called and tells nobody.
fn called(number: u64) -> Definition {
    Definition {
        name: Some(format!("called {number}")),
        schedule: None,
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    }
}

/// Whose the events are.
pub(super) struct Called {
    /// A trigger that has a good hundredth of all events.
    pub(super) busy: TriggerId,
    /// One that has a hundred of them at most, far apart.
    pub(super) rare: TriggerId,
    /// One that never fired.
    pub(super) silent: TriggerId,
}

/// Which of the triggers has the event of that number: the first one rarely, the others in turn.
fn whose(number: u64, count: u64) -> usize {
    let apart = (count / RARE).max(1);
    let place = if number.is_multiple_of(apart) { 0 } else { 1 + number % (CALLED - 1) };
    usize::try_from(place).unwrap_or(0)
}

/// Logs `count` events of a hundred triggers of the one user, evenly over the time that they are kept, the last of them at `now`.
pub(super) async fn events(home: &Home, count: u64, now: Timestamp) -> anyhow::Result<Called> {
    let opened = home.fill().await?;
    let store = Arc::clone(&opened.store);
    let owner = owner(&*store, now).await?;
    let mut triggers = Vec::new();
    for number in 0..=CALLED {
        let new = NewTrigger { owner, definition: called(number), next_at: None, test_event: None };
        triggers.push(store.create_trigger(new, now - SPREAD).await??.trigger.id);
    }
    let silent = triggers.pop().context("no trigger was made")?;
    let whose_events = Called { busy: triggers[1], rare: triggers[0], silent };
    let mut seed = [0; 32];
    fill_random(&mut seed);
    let ids = Arc::new(Ids::from_seed(seed));
    let apart_us = SPREAD.as_micros() as f64 / count as f64;
    fill(home, "events", count, move |number| {
        let (store, ids) = (Arc::clone(&store), Arc::clone(&ids));
        let trigger = triggers[whose(number, count)];
        async move {
            let at = now - SignedDuration::from_micros(((count - 1 - number) as f64 * apart_us) as i64);
            let payload = Payload::from_stored(&format!(r#"{{"number":{number},"text":"a small payload"}}"#));
            let call = Call { origin: Origin::Api, payload: Some(payload), checked: None, message_id: ids.message(at) };
            match store.fire(owner, trigger, call, at).await? {
                Fired::Event(_) => Ok(()),
                other => bail!("the trigger did not fire: {other:?}"),
            }
        }
    })
    .await?;
    opened.close().await;
    Ok(whose_events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trigger_is_rare_however_many_events_there_are_and_the_others_take_turns() {
        for count in [1_000, 20_000] {
            let mut counts = vec![0_u64; usize::try_from(CALLED).expect("a small number")];
            (0..count).for_each(|number| counts[whose(number, count)] += 1);
            assert_eq!(counts[0], RARE);
            let (least, most) = (counts[1..].iter().min(), counts[1..].iter().max());
            assert!(
                least.zip(most).is_some_and(|(least, most)| *least > 0 && most - least <= count / CALLED),
                "{counts:?}"
            );
        }
    }
}
