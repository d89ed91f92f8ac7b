//! Bulk calls under a key: the key is the whole call's, and each item is done once under it and its place. So a call that was cut off is sent
//! again as it was: what was done is told, and the rest is done. What was refused has done nothing, and is looked at anew.

use jiff::Timestamp;
use oncue_domain::id::{DestinationId, TriggerId};
use oncue_domain::store::{Deed, Done as Came, NewTrigger};

use super::super::trigger_destination::missing;
use super::answer::Done;
use super::carry::carry_out;
use super::items::Item;
use crate::app::Shared;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::idempotency::{Recalled, Replayed, other};

pub(super) type Results = Vec<Result<Done, Fault>>;

/// Makes the triggers that `read` reads, those that were not made before.
pub(super) async fn make(
    app: &Shared,
    caller: &Caller,
    key: &Recalled,
    items: &[Item<'_>],
    read: impl Fn(&Item<'_>, Timestamp) -> Result<NewTrigger, Fault>,
) -> Results {
    let (owner, store) = (caller.owner(), &app.acting(caller));
    let read = |item: &Item<'_>, now: Timestamp| Ok((item.index, read(item, now)?));
    let write = move |new: Vec<(u32, NewTrigger)>, now: Timestamp| async move {
        let named: Vec<Vec<DestinationId>> = new.iter().map(|(_, new)| new.definition.destinations.clone()).collect();
        let deeds = key.under(new.into_iter().map(|(index, new)| (index, Deed::Make(Box::new(new)))));
        let came = store.once(owner, deeds, now).await;
        let results = came.into_iter().zip(&named).map(|(came, named)| match came? {
            Came::Made(made) => made.map(|id| Done::Made(id, Replayed::No)).map_err(|gone| missing(named, gone)),
            Came::Before { number, .. } => Ok(Done::Made(TriggerId(number), Replayed::Yes)),
            came => Err(other(came)),
        });
        results.collect()
    };
    let (before, open) = split(key, items, |number| Done::Made(TriggerId(number), Replayed::Yes));
    let now = carry_out(app, owner, &open, read, write).await;
    merge(before, now)
}

/// For each item what was done before, and the items for which nothing was.
pub(super) fn split<'a>(
    key: &Recalled,
    items: &[Item<'a>],
    done: impl Fn(i64) -> Done,
) -> (Vec<Option<Done>>, Vec<Item<'a>>) {
    let before: Vec<Option<Done>> =
        items.iter().map(|item| key.made(item.index).map(|before| done(before.number))).collect();
    let open = items.iter().zip(&before).filter(|(_, before)| before.is_none()).map(|(item, _)| *item).collect();
    (before, open)
}

/// What was done before and what is done now, in the order of the items.
pub(super) fn merge(before: Vec<Option<Done>>, now: Vec<Result<Done, Fault>>) -> Results {
    let mut now = now.into_iter();
    let untold = || Err(oncue_domain::store::Error::Broken("nobody told what became of an item".to_owned()).into());
    let results = before.into_iter().map(|before| match before {
        Some(done) => Ok(done),
        None => now.next().unwrap_or_else(untold),
    });
    results.collect()
}
