//! Hints that something may have changed, to the listeners of this node and to the other nodes. Those go by NOTIFY, gathered for a
//! moment and sent on their own, never inside a transaction that matters: NOTIFY makes commits wait for each other. A lost
//! hint costs latency, never a firing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oncue_domain::id::UserId;
use oncue_domain::store::{Change, Listener};
use tokio::sync::Notify;

use super::{Shared, execute, lock, silence};

/// The channel of PostgreSQL on which nodes talk.
pub(super) const CHANNEL: &str = "oncue";

/// Other nodes are told at most this often.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// A lost connection to listen on is made again after this pause; every node looks by itself several times a second anyway.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Of more owners than this nothing is kept to be told.
const OWNERS_MAX: usize = 1000;

/// A notification holds fewer than 8 000 bytes (NOTIFY in PostgreSQL's manual); what does not fit is not told.
const TEXT_BYTES_MAX: usize = 7900;

/// What may have changed.
#[derive(Default)]
pub(super) struct Changes {
    /// A trigger may wait for something earlier than before.
    pub(super) armed: bool,
    /// A delivery may be owed that this node does not hold.
    pub(super) owed: bool,
    /// Whose events were logged.
    pub(super) logged: BTreeSet<UserId>,
    /// Whose deliveries ended, or are due for the next attempt at another time.
    pub(super) settled: BTreeSet<UserId>,
    /// Whose triggers were made, changed or deleted, or wait for something else.
    pub(super) edited: BTreeSet<UserId>,
    /// Whose destinations were made, changed or deleted.
    pub(super) destinations: BTreeSet<UserId>,
    /// Everybody's triggers were frozen, or are no more.
    pub(super) frozen: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        let owners = [&self.logged, &self.settled, &self.edited, &self.destinations];
        !self.armed && !self.owed && !self.frozen && owners.iter().all(|owners| owners.is_empty())
    }

    fn each(&self, mut tell: impl FnMut(Change)) {
        if self.armed {
            tell(Change::Armed);
        }
        if self.owed {
            tell(Change::Owed);
        }
        if self.frozen {
            tell(Change::Frozen);
        }
        // Before what pages alone are told: where not everything fits, this is not what is left out.
        self.destinations.iter().for_each(|owner| tell(Change::Destination(*owner)));
        self.logged.iter().for_each(|owner| tell(Change::Logged(*owner)));
        self.settled.iter().for_each(|owner| tell(Change::Settled(*owner)));
        self.edited.iter().for_each(|owner| tell(Change::Edited(*owner)));
    }

    fn add(&mut self, other: &Changes) {
        self.armed |= other.armed;
        self.owed |= other.owed;
        self.frozen |= other.frozen;
        for (mine, others) in [
            (&mut self.logged, &other.logged),
            (&mut self.settled, &other.settled),
            (&mut self.edited, &other.edited),
            (&mut self.destinations, &other.destinations),
        ] {
            let room = OWNERS_MAX.saturating_sub(mine.len());
            mine.extend(others.iter().take(room));
        }
    }

    /// As a notification: who tells, then a letter for each change.
    fn to_text(&self, node: i64) -> String {
        let mut text = node.to_string();
        self.each(|change| {
            let word = match change {
                Change::Armed => " A".to_owned(),
                Change::Owed => " O".to_owned(),
                Change::Frozen => " F".to_owned(),
                Change::Logged(owner) => format!(" L{owner}"),
                Change::Settled(owner) => format!(" S{owner}"),
                Change::Edited(owner) => format!(" E{owner}"),
                Change::Destination(owner) => format!(" D{owner}"),
            };
            if text.len() + word.len() <= TEXT_BYTES_MAX {
                text.push_str(&word);
            }
        });
        text
    }
}

/// What a notification says, and which node says it. What cannot be read is left out: a newer node may say more.
fn from_text(text: &str) -> Option<(i64, Vec<Change>)> {
    let mut words = text.split(' ');
    let node = words.next()?.parse().ok()?;
    let changes = words.filter_map(|word| {
        let owner = || word.get(1..)?.parse().ok().map(UserId);
        match word.get(..1)? {
            "A" => Some(Change::Armed),
            "O" => Some(Change::Owed),
            "F" => Some(Change::Frozen),
            "L" => owner().map(Change::Logged),
            "S" => owner().map(Change::Settled),
            "E" => owner().map(Change::Edited),
            "D" => owner().map(Change::Destination),
            _ => None,
        }
    });
    Some((node, changes.collect()))
}

/// Who listens here, and what other nodes are still to be told.
#[derive(Default)]
pub(super) struct Hints {
    listeners: Mutex<Vec<Listener>>,
    untold: Mutex<Changes>,
    something_untold: Notify,
}

impl Hints {
    pub(super) fn subscribe(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Tells the listeners of this node at once, and the other nodes soon.
    pub(super) fn announce(&self, changes: &Changes) {
        if changes.is_empty() {
            return;
        }
        self.tell_here(|tell| changes.each(tell));
        lock(&self.untold).add(changes);
        self.something_untold.notify_one();
    }

    /// This node holds something to be delivered, which concerns no other.
    pub(super) fn wake_courier_here(&self) {
        self.tell_here(|tell| tell(Change::Owed));
    }

    /// Everything may have changed: hints were lost.
    pub(super) fn announce_everything_here(&self) {
        self.tell_here(|tell| {
            tell(Change::Armed);
            tell(Change::Owed);
        });
    }

    /// Another node says something.
    pub(super) fn hear(&self, text: &str, me: i64) {
        if let Some((node, changes)) = from_text(text)
            && node != me
        {
            self.tell_here(|tell| changes.iter().for_each(|change| tell(*change)));
        }
    }

    fn tell_here(&self, tell_all: impl FnOnce(&mut dyn FnMut(Change))) {
        let listeners: Vec<Listener> = lock(&self.listeners).clone();
        tell_all(&mut |change| listeners.iter().for_each(|listener| listener(change)));
    }
}

/// Tells other nodes what happens here, for as long as the store lives.
pub(super) async fn tell_others(shared: Arc<Shared>) {
    loop {
        shared.hints.something_untold.notified().await;
        let untold = std::mem::take(&mut *lock(&shared.hints.untold));
        if !untold.is_empty() {
            let text = untold.to_text(shared.node.id());
            if let Ok(client) = shared.upkeep.client().await
                && let Err(error) = execute(&client, "SELECT pg_notify($1, $2)", &[&CHANNEL, &text]).await
            {
                tracing::debug!(%error, "other nodes were not told of a change");
            }
        }
        tokio::time::sleep(TOLD_EVERY).await;
    }
}

/// Hears what other nodes tell, for as long as the store lives. A connection that was lost is made again; what was said
/// meanwhile may have been anything.
pub(super) async fn listen(shared: Arc<Shared>) {
    let mut was_lost = false;
    loop {
        match shared.connections.listen(CHANNEL).await {
            Ok(mut notifications) => {
                if was_lost {
                    // It may be another server by now, one that has lost edits: then a revision says no more what it said.
                    lock(&shared.parsed).clear();
                    shared.hints.announce_everything_here();
                }
                was_lost = true;
                // A server that hangs leaves the connection as it is, and may be another when it comes back.
                while let Some(text) = tokio::select! {
                    text = notifications.said.recv() => text,
                    () = silence::hanging() => None,
                } {
                    shared.hints.hear(&text, shared.node.id());
                }
            }
            Err(error) => tracing::debug!(%error, "other nodes cannot be heard"),
        }
        tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_node_says_another_understands() {
        let said = Changes {
            armed: true,
            owed: true,
            logged: [UserId(1), UserId(22)].into(),
            settled: [UserId(3)].into(),
            edited: [UserId(4)].into(),
            destinations: [UserId(5)].into(),
            frozen: true,
        };
        let (node, heard) = from_text(&said.to_text(7)).expect("it can be read");
        let mut expected = Vec::new();
        said.each(|change| expected.push(change));
        assert_eq!((node, heard), (7, expected));
        assert_eq!(from_text("8 A X12 L L9"), Some((8, vec![Change::Armed, Change::Logged(UserId(9))])));
        assert_eq!(from_text("nobody A"), None);
    }

    #[test]
    fn a_notification_fits_however_many_owners_there_are() {
        let mut untold = Changes::default();
        let all: BTreeSet<UserId> = (0..5000).map(|owner| UserId(i64::MAX - owner)).collect();
        let (logged, settled, edited) = (all.clone(), all.clone(), all.clone());
        untold.add(&Changes { armed: true, owed: true, logged, settled, edited, destinations: all, frozen: true });
        let text = untold.to_text(i64::MAX);
        assert!(text.len() < 8000 && text.contains(" A"), "{}", text.len());
    }
}
