//! Whose turn it is to do what costs everybody: what all of them hold is bounded by how many there are at once. An owner has a part of that at
//! most, so whoever sends slowly, or often, keeps nobody but themselves waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oncue_domain::id::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So long a call waits for its turn, and whoever is told to come back had better wait so long.
pub(crate) const TURN_WITHIN: Duration = Duration::from_secs(10);

/// Turns to do one such thing.
pub(crate) struct Turns {
    everybodys: Arc<Semaphore>,
    /// How many of them are one owner's.
    of_owner_max: usize,
    /// Of owners who have a turn or wait for one.
    owners: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

/// A turn, until it is dropped.
pub(crate) struct Turn {
    _of_owner: OwnedSemaphorePermit,
    _of_everybody: OwnedSemaphorePermit,
}

impl Turns {
    /// So many at once, everybody's together, and so many of them one owner's.
    pub(crate) fn new(at_once_max: usize, of_owner_max: usize) -> Turns {
        Turns { everybodys: Arc::new(Semaphore::new(at_once_max)), of_owner_max, owners: Mutex::default() }
    }

    /// The owner's turn as soon as it comes; none within [`TURN_WITHIN`] is none at all.
    pub(crate) async fn take(&self, owner: UserId) -> Option<Turn> {
        let own = self.of(owner);
        let both = async {
            // The owner's first: who waits for themselves takes no turn of somebody else's.
            let of_owner = own.acquire_owned().await.ok()?;
            let of_everybody = Arc::clone(&self.everybodys).acquire_owned().await.ok()?;
            Some(Turn { _of_owner: of_owner, _of_everybody: of_everybody })
        };
        tokio::time::timeout(TURN_WITHIN, both).await.ok().flatten()
    }

    fn of(&self, owner: UserId) -> Arc<Semaphore> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has a turn or waits for one holds on to it.
        owners.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = owners.entry(owner).or_insert_with(|| Arc::new(Semaphore::new(self.of_owner_max)));
        Arc::clone(turns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE_MAX: usize = 8;
    const AT_ONCE_OF_OWNER_MAX: usize = 2;

    #[tokio::test(start_paused = true)]
    async fn one_owner_leaves_turns_to_the_others() {
        let turns = Turns::new(AT_ONCE_MAX, AT_ONCE_OF_OWNER_MAX);
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE_OF_OWNER_MAX {
            taken.push(turns.take(UserId(1)).await.expect("a turn"));
        }
        assert!(turns.take(UserId(1)).await.is_none(), "the owner has all that one owner has");
        for number in 0..AT_ONCE_MAX - AT_ONCE_OF_OWNER_MAX {
            let owner = UserId(2 + i64::try_from(number).expect("few"));
            taken.push(turns.take(owner).await.expect("somebody else has one"));
        }
        assert!(turns.take(UserId(99)).await.is_none(), "everybody's are taken");
        taken.remove(0);
        taken.push(turns.take(UserId(1)).await.expect("one was given back"));
        taken.clear();
        drop(turns.take(UserId(1)).await.expect("all were given back"));
        assert!(turns.owners.lock().expect("whole").len() <= 1, "whoever has none is forgotten");
    }
}
