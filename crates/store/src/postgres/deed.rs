//! Deeds that fire, in PostgreSQL, each in a transaction that does more than log an event: it writes down who fired by hand, or a key. The calls
//! of programs, thousands a second, are gathered instead (`gather`), and write neither.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::Author;
use oncue_domain::delivery::Claim;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, MessageId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{Call, Deed, Done, Fired, FiredAgain, Repeat, Result};
use oncue_domain::trigger::Trigger;
use tokio::sync::OwnedSemaphorePermit;

use super::hint::Changes;
use super::log::{Logged, NewEvent, announce, log_all_within};
use super::open::CONNECTIONS_MAX;
use super::readers::turn_soon;
use super::task::to_the_end;
use super::{Shared, act, answered, event, node, partition, trigger};
use crate::codec::broken;

/// So many deeds go on at once: each has a connection of its own, and whoever presses often is to leave most of them to everybody else.
pub(super) const AT_ONCE: usize = CONNECTIONS_MAX / 4;

/// Somebody fires a trigger by hand.
pub(super) async fn fire_by_hand(
    shared: &Arc<Shared>,
    owner: UserId,
    (id, call): (TriggerId, Call),
    author: &Author,
    now: Timestamp,
) -> Result<Fired> {
    match by_hand(shared, owner, Deed::Fire(id, call), author, now).await? {
        Done::Fired(fired) => Ok(fired),
        done => Err(broken("deed", format!("{done:?}"))),
    }
}

/// Somebody fires again by hand what an event carried, which has fired after `gone_until`.
pub(super) async fn fire_again_by_hand(
    shared: &Arc<Shared>,
    owner: UserId,
    (repeat, gone_until): (Repeat, Timestamp),
    author: &Author,
    now: Timestamp,
) -> Result<FiredAgain> {
    match by_hand(shared, owner, Deed::FireAgain { repeat, gone_until }, author, now).await? {
        Done::FiredAgain(fired) => Ok(fired),
        done => Err(broken("deed", format!("{done:?}"))),
    }
}

/// The turn of one who fires by hand.
pub(super) async fn turn(shared: &Shared) -> Result<OwnedSemaphorePermit> {
    turn_soon(&shared.by_hand, "too many are firing by hand").await
}

async fn by_hand(shared: &Arc<Shared>, owner: UserId, deed: Deed, author: &Author, now: Timestamp) -> Result<Done> {
    let turn = turn(shared).await?;
    let (shared, author) = (Arc::clone(shared), author.clone());
    to_the_end(async move {
        let _turn = turn;
        carry_out(&shared, owner, &deed, &author, now).await
    })
    .await
}

async fn carry_out(shared: &Shared, owner: UserId, deed: &Deed, author: &Author, now: Timestamp) -> Result<Done> {
    // Before the connection is taken: whoever makes a partition needs one too.
    partition::prepare(shared, now).await?;
    let mut client = shared.client_soon().await?;
    let parents = parents(&mut client, owner, &[deed]).await?;
    let committed = commit(&mut client, shared, owner, deed, &parents, author, now).await;
    // The partition may be gone that it counted on.
    let firing = committed.inspect_err(|_| partition::forget_all(shared))?;

    let done = firing.done().first().copied().ok_or_else(|| broken("events", "nothing came of a deed"))?;
    let mut changes = Changes::default();
    let claims = firing.finish(shared, now, &mut changes);
    announce(shared, claims, &changes);
    Ok(done)
}

/// Fires as this deed says, in a transaction of its own.
async fn commit(
    client: &mut Client,
    shared: &Shared,
    owner: UserId,
    deed: &Deed,
    parents: &HashMap<EventId, Event>,
    author: &Author,
    now: Timestamp,
) -> Result<Firing> {
    let transaction = answered(client.transaction()).await?;
    let firing = fire(&transaction, shared, owner, &[deed], parents, Some(author), now).await?;
    answered(transaction.commit()).await?;
    Ok(firing)
}

/// The events that are to be fired again. They never change, so it does not matter when they are read.
pub(super) async fn parents(client: &mut Client, owner: UserId, deeds: &[&Deed]) -> Result<HashMap<EventId, Event>> {
    let mut parents = HashMap::new();
    for deed in deeds {
        if let Deed::FireAgain { repeat, gone_until } = deed
            && let Some((parent, _)) = event::get(client, owner, repeat.event, *gone_until).await?
        {
            parents.insert(repeat.event, parent);
        }
    }
    Ok(parents)
}

/// What came of deeds, in a transaction that is not committed yet.
pub(super) struct Firing {
    done: Vec<Done>,
    logged: Vec<(Logged, NewEvent)>,
}

impl Firing {
    /// What came of each.
    pub(super) fn done(&self) -> &[Done] {
        &self.done
    }

    /// Says what changed and what is owed; after the commit.
    pub(super) fn finish(self, shared: &Shared, now: Timestamp, changes: &mut Changes) -> Vec<Claim> {
        self.logged.into_iter().flat_map(|(logged, new)| logged.finish(shared, new, now, changes)).collect()
    }
}

/// Fires as these deeds say, and writes down who did where somebody has the store in their hands.
pub(super) async fn fire(
    client: &impl GenericClient,
    shared: &Shared,
    owner: UserId,
    asked: &[&Deed],
    parents: &HashMap<EventId, Event>,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Firing> {
    let ids: Vec<TriggerId> = asked.iter().filter_map(|deed| trigger_of(deed, parents)).collect();
    let standing = trigger::hold(client, shared, owner, &ids).await?;
    let decided: Vec<std::result::Result<NewEvent, Done>> =
        asked.iter().map(|deed| decide(deed, &standing, parents, now)).collect();
    let mut events = Vec::new();
    let mut refused: Vec<Option<Done>> = Vec::new();
    for one in decided {
        match one {
            Ok(event) => {
                events.push(event);
                refused.push(None);
            }
            Err(done) => refused.push(Some(done)),
        }
    }
    let mut logged = log_all_within(client, shared, &mut events, now).await?;
    logged.sort_unstable_by_key(|one| one.key);
    if logged.len() != events.len() {
        return Err(broken("events", "an event was not logged"));
    }
    // A node that was given up writes nothing: it does not know what has become of what it holds.
    if logged.iter().any(|one| !one.may_hold) {
        return Err(node::given_up());
    }
    if let Some(author) = author {
        for (logged, new) in logged.iter().zip(&events) {
            act::write(client, author, &Act::fired(&new.trigger, logged.id, new.origin, new.parent)).await?;
        }
    }
    let mut numbers = logged.iter().map(|one| one.id);
    let done = asked.iter().zip(refused).map(|(deed, refused)| match refused {
        Some(done) => Ok(done),
        None => numbers.next().map(|id| fired(deed, id)).ok_or_else(|| broken("events", "an event was not logged")),
    });
    Ok(Firing { done: done.collect::<Result<_>>()?, logged: logged.into_iter().zip(events).collect() })
}

fn trigger_of(deed: &Deed, parents: &HashMap<EventId, Event>) -> Option<TriggerId> {
    match deed {
        Deed::Fire(id, _) => Some(*id),
        Deed::FireAgain { repeat, .. } => parents.get(&repeat.event).map(|parent| parent.trigger),
        Deed::Make(_) => None,
    }
}

fn fired(deed: &Deed, id: EventId) -> Done {
    match deed {
        Deed::FireAgain { .. } => Done::FiredAgain(FiredAgain::Event(id)),
        Deed::Fire(..) | Deed::Make(_) => Done::Fired(Fired::Event(id)),
    }
}

/// The event of a call, or what stands against it.
fn decide(
    deed: &Deed,
    standing: &HashMap<TriggerId, Arc<Trigger>>,
    parents: &HashMap<EventId, Event>,
    now: Timestamp,
) -> std::result::Result<NewEvent, Done> {
    match deed {
        Deed::Fire(id, call) => {
            let trigger = standing.get(id).ok_or(Done::Fired(Fired::NotFound))?;
            trigger.may_be_called(call.origin, now).map_err(|refusal| Done::Fired(Fired::Refused(refusal)))?;
            if !call.suits(trigger) {
                return Err(Done::Fired(Fired::Unchecked));
            }
            let (payload, message_id) = (call.payload.clone(), call.message_id);
            Ok(new_event(trigger, call.origin, payload, message_id, None))
        }
        Deed::FireAgain { repeat, .. } => {
            let parent = parents.get(&repeat.event).ok_or(Done::FiredAgain(FiredAgain::NotFound))?;
            let trigger = standing.get(&parent.trigger).ok_or(Done::FiredAgain(FiredAgain::TriggerGone))?;
            trigger.may_fire_again(now).map_err(|refusal| Done::FiredAgain(FiredAgain::Refused(refusal)))?;
            let origin = parent.origin_again();
            if !repeat.suits(trigger, origin) {
                return Err(Done::FiredAgain(FiredAgain::Unchecked));
            }
            Ok(new_event(trigger, origin, Some(parent.payload.clone()), repeat.message_id, Some(parent.id)))
        }
        Deed::Make(_) => Err(Done::Fired(Fired::NotFound)),
    }
}

fn new_event(
    trigger: &Arc<Trigger>,
    origin: Origin,
    payload: Option<Payload>,
    message_id: MessageId,
    parent: Option<EventId>,
) -> NewEvent {
    NewEvent {
        trigger: Arc::clone(trigger),
        origin,
        scheduled_at: None,
        due_at: None,
        payload,
        message_id,
        parent,
        held: 0,
    }
}
