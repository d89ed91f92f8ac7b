//! Who watches, and what they ought to look at again. The store's hints come in here, and go to those pages that are open and
//! whose user they are about. What was hinted at before a page sat down it never hears of: it looks once when it has sat down.
//! Nothing is read here, and nothing waits: the hints come from the thread that commits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use oncue_domain::id::UserId;
use oncue_domain::store::{Change, Listener};
use tokio::sync::watch;

use crate::app::lock;

/// How many pages one user may have open at once.
pub(crate) const SEATS_PER_USER_MAX: usize = 16;

/// How many pages are open at once.
pub(crate) const SEATS_MAX: usize = 1000;

/// How often something was hinted at, by what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) logged: u64,
    pub(crate) settled: u64,
    pub(crate) edited: u64,
}

/// Everybody who watches.
#[derive(Default)]
pub(crate) struct Watchers {
    rooms: Mutex<HashMap<UserId, Room>>,
}

/// The pages of one user.
struct Room {
    seats: usize,
    heard: watch::Sender<Heard>,
}

impl Watchers {
    /// What the store calls after its commits. The store outlives nobody, so it does not keep us alive.
    pub(crate) fn listener(watchers: &Arc<Watchers>) -> Listener {
        let watchers = Arc::downgrade(watchers);
        Arc::new(move |change| {
            if let Some(watchers) = watchers.upgrade() {
                watchers.hear(change);
            }
        })
    }

    fn hear(&self, change: Change) {
        let (owner, count): (UserId, fn(&mut Heard) -> &mut u64) = match change {
            Change::Logged(owner) => (owner, |heard| &mut heard.logged),
            Change::Settled(owner) => (owner, |heard| &mut heard.settled),
            // Which destinations there are is told with the triggers that send to them.
            Change::Edited(owner) | Change::Destination(owner) => (owner, |heard| &mut heard.edited),
            Change::Frozen => {
                let rooms = lock(&self.rooms);
                rooms.values().for_each(|room| room.heard.send_modify(|heard| heard.edited += 1));
                return;
            }
            Change::Armed | Change::Owed => return,
        };
        if let Some(room) = lock(&self.rooms).get(&owner) {
            room.heard.send_modify(|heard| *count(heard) += 1);
        }
    }

    /// A place to watch from; none where this user, or everybody together, has too many.
    pub(crate) fn sit(watchers: &Arc<Watchers>, owner: UserId) -> Option<Seat> {
        let mut rooms = lock(&watchers.rooms);
        let taken: usize = rooms.values().map(|room| room.seats).sum();
        let room = rooms.entry(owner).or_insert_with(|| Room { seats: 0, heard: watch::Sender::default() });
        if taken >= SEATS_MAX || room.seats >= SEATS_PER_USER_MAX {
            if room.seats == 0 {
                rooms.remove(&owner);
            }
            return None;
        }
        room.seats += 1;
        Some(Seat { heard: room.heard.subscribe(), owner, watchers: Arc::clone(watchers) })
    }
}

/// A page that is open; the place is free again when this is dropped.
pub(crate) struct Seat {
    pub(crate) heard: watch::Receiver<Heard>,
    owner: UserId,
    watchers: Arc<Watchers>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rooms = lock(&self.watchers.rooms);
        if let Some(room) = rooms.get_mut(&self.owner) {
            room.seats -= 1;
            if room.seats == 0 {
                rooms.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_hears_of_what_is_not_theirs() {
        let watchers = Arc::new(Watchers::default());
        let hear = Watchers::listener(&watchers);
        let mut ann = Watchers::sit(&watchers, UserId(1)).expect("there is room");
        for change in [Change::Logged(UserId(2)), Change::Settled(UserId(2)), Change::Armed, Change::Owed] {
            hear(change);
        }
        assert!(!ann.heard.has_changed().expect("the room is there"));
        hear(Change::Settled(UserId(1)));
        hear(Change::Settled(UserId(1)));
        assert_eq!(*ann.heard.borrow_and_update(), Heard { settled: 2, ..Heard::default() });
    }

    #[test]
    fn everybody_hears_of_a_freeze_of_all() {
        let watchers = Arc::new(Watchers::default());
        let seats = [1, 2].map(|user| Watchers::sit(&watchers, UserId(user)).expect("there is room"));
        Watchers::listener(&watchers)(Change::Frozen);
        for seat in seats {
            assert_eq!(*seat.heard.borrow(), Heard { edited: 1, ..Heard::default() });
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_page_is_closed() {
        let watchers = Arc::new(Watchers::default());
        let mut seats: Vec<Seat> =
            (0..SEATS_PER_USER_MAX).filter_map(|_| Watchers::sit(&watchers, UserId(1))).collect();
        assert_eq!(seats.len(), SEATS_PER_USER_MAX);
        assert!(Watchers::sit(&watchers, UserId(1)).is_none());
        assert!(Watchers::sit(&watchers, UserId(2)).is_some(), "another's places are their own");
        seats.pop();
        assert!(Watchers::sit(&watchers, UserId(1)).is_some());
        drop(seats);
        assert!(lock(&watchers.rooms).is_empty(), "nothing is kept of whoever left");
    }

    #[test]
    fn there_is_an_end_for_everybody_together() {
        let watchers = Arc::new(Watchers::default());
        let users = i64::try_from(SEATS_MAX).expect("a small number") + 5;
        let seats: Vec<Seat> = (0..users).filter_map(|user| Watchers::sit(&watchers, UserId(user))).collect();
        assert_eq!(seats.len(), SEATS_MAX);
        assert_eq!(lock(&watchers.rooms).len(), SEATS_MAX, "whoever was refused leaves nothing behind");
    }
}
