//! Where calls wait whose triggers somebody else is at. Those of one owner go together and one statement at a time; several owners are served
//! side by side and in turns, so that one of whom somebody lets nothing go holds up few others, and nobody for ever.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use oncue_domain::id::UserId;
use tokio::sync::mpsc;

use super::{BATCH_MAX, Locked, Queued, Waiting, fire_and_answer, together};
use crate::postgres::Shared;
use crate::postgres::open::CONNECTIONS_MAX;

/// So many owners are served at once: each holds one of the node's connections for as long as a lock is waited for, so they are a quarter of
/// those at most.
const OWNERS_AT_ONCE: usize = CONNECTIONS_MAX / 4;

/// Calls by owner.
#[derive(Default)]
struct Aside {
    /// Of each owner who is served or waits for that, what waits.
    calls: HashMap<UserId, VecDeque<Waiting>>,
    /// The owners who wait, in the order of their turns.
    turns: VecDeque<UserId>,
}

impl Aside {
    fn put(&mut self, call: Waiting) {
        let owner = call.owner;
        match self.calls.entry(owner) {
            Entry::Occupied(mut known) => known.get_mut().push_back(call),
            Entry::Vacant(new) => {
                new.insert(VecDeque::from([call]));
                self.turns.push_back(owner);
            }
        }
    }

    /// The owner whose turn it is, and the calls that go together.
    fn take(&mut self) -> Option<(UserId, Vec<Waiting>)> {
        let owner = self.turns.pop_front()?;
        let calls = self.calls.get_mut(&owner)?;
        let count = together(calls.iter().map(Waiting::bytes));
        Some((owner, calls.drain(..count).collect()))
    }

    /// The owner was served; whoever has more waits for another turn.
    fn note_served(&mut self, owner: UserId) {
        if self.calls.get(&owner).is_some_and(VecDeque::is_empty) {
            self.calls.remove(&owner);
        } else {
            self.turns.push_back(owner);
        }
    }
}

/// Serves all who come this way, until there is no way any more and nobody waits.
pub(super) async fn wait(shared: Arc<Shared>, mut way: mpsc::UnboundedReceiver<Waiting>, queued: Arc<Queued>) {
    let (mut aside, mut served, mut received) = (Aside::default(), FuturesUnordered::new(), Vec::new());
    let mut is_open = true;
    loop {
        while served.len() < OWNERS_AT_ONCE
            && let Some((owner, calls)) = aside.take()
        {
            let (shared, queued) = (&shared, &queued);
            served.push(async move {
                fire_and_answer(shared, calls, Locked::Awaited, queued).await;
                owner
            });
        }
        if !is_open && served.is_empty() {
            return;
        }
        tokio::select! {
            Some(owner) = served.next() => aside.note_served(owner),
            count = way.recv_many(&mut received, BATCH_MAX), if is_open => {
                is_open = count > 0;
                received.drain(..).for_each(|call| aside.put(call));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use oncue_domain::event::Origin;
    use oncue_domain::id::{Ids, TriggerId};
    use oncue_domain::store::Call;
    use tokio::sync::oneshot;

    use super::*;

    fn call(owner: i64) -> Waiting {
        let message_id = Ids::from_seed([1; 32]).message(Timestamp::UNIX_EPOCH);
        Waiting {
            owner: UserId(owner),
            trigger: TriggerId(1),
            call: Call { origin: Origin::Api, payload: None, checked: None, message_id },
            parent: None,
            now: Timestamp::UNIX_EPOCH,
            reply: oneshot::channel().0,
        }
    }

    #[test]
    fn owners_have_their_turns_and_each_is_served_once_at_a_time() {
        let mut aside = Aside::default();
        (0..BATCH_MAX + 1).for_each(|_| aside.put(call(1)));
        aside.put(call(2));
        let take = |aside: &mut Aside| aside.take().map(|(owner, calls)| (owner.0, calls.len()));
        assert_eq!(take(&mut aside), Some((1, BATCH_MAX)));
        aside.put(call(1));
        assert_eq!(take(&mut aside), Some((2, 1)), "the first one is being served");
        assert_eq!(take(&mut aside), None);
        aside.note_served(UserId(2));
        assert_eq!(take(&mut aside), None);
        aside.note_served(UserId(1));
        aside.put(call(2));
        assert_eq!(take(&mut aside), Some((1, 2)));
        assert_eq!(take(&mut aside), Some((2, 1)));
        aside.note_served(UserId(1));
        aside.note_served(UserId(2));
        assert!(aside.calls.is_empty() && aside.turns.is_empty(), "nobody is remembered who waits for nothing");
    }
}
