//! Many calls, each as its own would be: where a trigger has a schema, what its calls carry is checked, and they are made again.

use std::collections::HashSet;

use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{Call, Deed, Done as Came, Fired, Result as StoreResult};

use super::super::fire::outcome;
use super::answer::Done;
use crate::app::Shared;
use crate::fault::Fault;
use crate::idempotency::{Recalled, Replayed, other};
use crate::payload_schema::{TRIES_MAX, changes_too_fast, look};

/// An item of a call: its place, and the trigger that it fires.
pub(super) type Item = (u32, (TriggerId, Call));

/// Fires triggers as each of the calls says; under a key, those that were not fired before. Those whose schema had to be read first come
/// behind the others.
pub(super) async fn fire_all(
    app: &Shared,
    owner: UserId,
    key: Option<&Recalled>,
    mut calls: Vec<Item>,
    now: Timestamp,
) -> Vec<Result<Done, Fault>> {
    let mut results: Vec<Option<Result<Done, Fault>>> = calls.iter().map(|_| None).collect();
    let mut open: Vec<usize> = (0..calls.len()).collect();
    for _ in 0..TRIES_MAX {
        let asked: Vec<Item> = open.iter().map(|at| calls[*at].clone()).collect();
        let came = ask(app, owner, key, asked, now).await;
        let logged = came.iter().flatten().filter(|came| came.made_now().is_some()).count();
        metrics::counter!("oncue_firings_total", "origin" => Origin::Api.word())
            .increment(u64::try_from(logged).unwrap_or_default());
        let (mut again, mut looked_at) = (Vec::new(), HashSet::new());
        for (at, came) in open.into_iter().zip(came) {
            let result = match came {
                Ok(Came::Fired(Fired::Unchecked)) => {
                    let (_, (id, call)) = &mut calls[at];
                    match check(app, owner, *id, call, looked_at.insert(*id)).await {
                        Ok(checked) => {
                            call.checked = checked;
                            again.push(at);
                            continue;
                        }
                        Err(fault) => Err(fault),
                    }
                }
                Ok(Came::Fired(fired)) => outcome(fired).map(|event| Done::Fired(event, Replayed::No)),
                Ok(Came::Before { number, .. }) => Ok(Done::Fired(EventId(number), Replayed::Yes)),
                Ok(came) => Err(other(came)),
                Err(error) => Err(error.into()),
            };
            results[at] = Some(result);
        }
        open = again;
        if open.is_empty() {
            break;
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(changes_too_fast()))).collect()
}

/// The trigger is read for the first of its calls in a round, and for those that do not fit.
async fn check(app: &Shared, owner: UserId, id: TriggerId, call: &Call, is_first: bool) -> Result<Option<i64>, Fault> {
    let vouched = if is_first { None } else { app.schemas.vouch(owner, id, call.payload.as_ref()) };
    match vouched {
        Some(revision) => Ok(Some(revision)),
        None => look(app, owner, id, call.payload.as_ref()).await,
    }
}

async fn ask(
    app: &Shared,
    owner: UserId,
    key: Option<&Recalled>,
    calls: Vec<Item>,
    now: Timestamp,
) -> Vec<StoreResult<Came>> {
    match key {
        Some(key) => {
            let deeds = calls.into_iter().map(|(index, (id, call))| (index, Deed::Fire(id, call)));
            app.store.once(owner, key.under(deeds), now).await
        }
        None => {
            let calls = calls.into_iter().map(|(_, call)| call).collect();
            let fired = app.store.fire_many(owner, calls, now).await;
            fired.into_iter().map(|fired| fired.map(Came::Fired)).collect()
        }
    }
}
