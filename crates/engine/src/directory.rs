//! What destinations say at this moment, for whoever is about to send there: kept for a second, so that a busy one costs one read
//! a second and not one an attempt, and forgotten at once when the store hints that it was changed. Whoever asks while a read is
//! under way shares the next one with everybody else who does.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::destination::Destination;
use oncue_domain::id::{DestinationId, UserId};
use oncue_domain::store::{Error, Result, Store};

/// How long what was read is believed without a hint: a hint may be lost.
const BELIEVED_FOR: SignedDuration = SignedDuration::from_secs(1);

/// How many destinations are kept.
const KNOWN_MAX: usize = 16_384;

/// How many bytes they may have together, as stores keep them.
const KNOWN_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The destinations that were asked for lately.
pub struct Directory {
    store: Arc<dyn Store>,
    known: Mutex<Shelf>,
    /// Counts what was forgotten: what was read before something was forgotten may be what was to be forgotten.
    forgotten: AtomicU64,
    wanted: Mutex<BTreeSet<DestinationId>>,
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    /// None where there is no such destination.
    destination: Option<Arc<Destination>>,
    read_at: Timestamp,
}

impl Known {
    fn is_believed(&self, now: Timestamp) -> bool {
        now.duration_since(self.read_at).abs() < BELIEVED_FOR
    }

    fn bytes(&self) -> usize {
        self.destination.as_ref().map_or(0, |destination| destination.definition.to_text().len())
    }
}

/// What is kept, within bounds: what is not believed any more goes once in a while, and everything where there is no room.
#[derive(Default)]
struct Shelf {
    known: HashMap<DestinationId, (Known, usize)>,
    bytes: usize,
    swept_at: Timestamp,
}

impl Shelf {
    fn put(&mut self, found: HashMap<DestinationId, Known>, now: Timestamp) {
        if now.duration_since(self.swept_at).abs() >= BELIEVED_FOR {
            self.swept_at = now;
            self.retain(|known| known.is_believed(now));
        }
        for (id, known) in found {
            let bytes = known.bytes();
            if self.known.len() >= KNOWN_MAX || self.bytes + bytes > KNOWN_BYTES_MAX {
                self.retain(|_| false);
            }
            let former = self.known.insert(id, (known, bytes));
            self.bytes = self.bytes + bytes - former.map_or(0, |(_, bytes)| bytes);
        }
    }

    fn retain(&mut self, is_kept: impl Fn(&Known) -> bool) {
        self.known.retain(|_, (known, _)| is_kept(known));
        self.bytes = self.known.values().map(|(_, bytes)| bytes).sum();
    }
}

/// A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// Reads from `store`.
    pub fn new(store: Arc<dyn Store>) -> Directory {
        Directory {
            store,
            known: Mutex::default(),
            forgotten: AtomicU64::new(0),
            wanted: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// What the destination says, or said at most a second before `now`; none where there is none.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn get(&self, id: DestinationId, now: Timestamp) -> Result<Option<Arc<Destination>>> {
        if let Some(known) = self.believed(id, now) {
            return Ok(known.destination);
        }
        lock(&self.wanted).insert(id);
        let _turn = self.reading.lock().await;
        if let Some(known) = self.believed(id, now) {
            return Ok(known.destination);
        }
        let mut wanted = std::mem::take(&mut *lock(&self.wanted));
        wanted.insert(id);
        let generation = self.forgotten.load(Ordering::Acquire);
        let found = match self.read(wanted.iter().copied().collect(), now).await {
            // One that cannot be read must not keep the others from being sent to: those who want them ask again.
            Err(Error::Broken(_)) if wanted.len() > 1 => self.read(vec![id], now).await?,
            found => found?,
        };
        let asked = found.get(&id).and_then(|known| known.destination.clone());
        if generation == self.forgotten.load(Ordering::Acquire) {
            lock(&self.known).put(found, now);
        }
        Ok(asked)
    }

    /// A destination of this owner's may say something else now.
    pub fn forget(&self, owner: UserId) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        let is_anothers =
            |known: &Known| known.destination.as_ref().is_some_and(|destination| destination.owner != owner);
        lock(&self.known).retain(is_anothers);
    }

    fn believed(&self, id: DestinationId, now: Timestamp) -> Option<Known> {
        let known = lock(&self.known).known.get(&id).map(|(known, _)| known.clone())?;
        known.is_believed(now).then_some(known)
    }

    async fn read(&self, ids: Vec<DestinationId>, now: Timestamp) -> Result<HashMap<DestinationId, Known>> {
        let mut found: HashMap<DestinationId, Known> =
            ids.iter().map(|id| (*id, Known { destination: None, read_at: now })).collect();
        for destination in self.store.destinations_to_send_to(ids).await? {
            found.insert(destination.id, Known { destination: Some(Arc::new(destination)), read_at: now });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use oncue_domain::access::Registration;
    use oncue_domain::destination::{Definition, Standing};
    use oncue_domain::store::memory::Memory;
    use oncue_domain::store::{NewUser, Registered};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).expect("in range")
    }

    async fn one() -> (Arc<Memory>, Directory, Destination) {
        let store = Arc::new(Memory::new(false));
        let new = NewUser { email: "a@example.com".to_owned(), password_hash: String::new() };
        let Ok(Registered::Done(user)) = store.register(new, Registration::Open, at(0)).await else {
            panic!("nobody stands against the first user");
        };
        let said = serde_json::json!({"name": "d", "kind": "webhook", "url": "https://example.com/"});
        let definition = Definition::read(&said, None).expect("a definition");
        let made = store.create_destination(user.id, definition, at(0)).await.expect("an answer").expect("room");
        let directory = Directory::new(Arc::clone(&store) as Arc<dyn Store>);
        (store, directory, made)
    }

    async fn standing(directory: &Directory, id: DestinationId, now: Timestamp) -> Standing {
        directory.get(id, now).await.expect("an answer").expect("it is there").standing.clone()
    }

    #[tokio::test]
    async fn what_was_read_is_believed_for_a_second_or_until_it_is_forgotten() {
        let (store, directory, made) = one().await;
        assert_eq!(standing(&directory, made.id, at(0)).await, Standing::Active);
        let paused = Standing::Paused { since: at(1) };
        store.set_standing(made.owner, made.id, paused.clone(), at(1)).await.expect("a pause");
        assert_eq!(standing(&directory, made.id, at(999)).await, Standing::Active);
        assert_eq!(standing(&directory, made.id, at(1000)).await, paused);
        store.set_standing(made.owner, made.id, Standing::Active, at(1100)).await.expect("an answer");
        directory.forget(UserId(99));
        assert_eq!(standing(&directory, made.id, at(1200)).await, paused, "somebody else's changed");
        directory.forget(made.owner);
        assert_eq!(standing(&directory, made.id, at(1200)).await, Standing::Active);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_and_in_number_and_by_age() {
        let known = |bytes: usize, now| {
            let said = serde_json::json!({"name": "d", "kind": "webhook", "url": "https://example.com/",
                "body": {"format": "own", "template": "x".repeat(bytes)}});
            let destination = Destination {
                id: DestinationId(1),
                owner: UserId(1),
                revision: 1,
                definition: Arc::new(Definition::read(&said, None).expect("a definition")),
                standing: Standing::Active,
                created_at: now,
            };
            Known { destination: Some(Arc::new(destination)), read_at: now }
        };
        let mut shelf = Shelf::default();
        let large = known(60_000, at(0));
        for id in 0..2_000 {
            shelf.put([(DestinationId(id), large.clone())].into(), at(0));
            assert!(shelf.bytes <= KNOWN_BYTES_MAX && shelf.known.len() * 60_000 <= KNOWN_BYTES_MAX);
            if id == 20 {
                shelf.put([(DestinationId(id), known(1, at(0)))].into(), at(0));
                assert!(shelf.bytes < 21 * 60_000, "the former one does not count any more");
            }
        }
        for id in 0..20_000 {
            shelf.put([(DestinationId(id), Known { destination: None, read_at: at(0) })].into(), at(0));
            assert!(shelf.known.len() <= KNOWN_MAX);
        }
        shelf.put([(DestinationId(7), known(1, at(1000)))].into(), at(1000));
        assert_eq!(shelf.known.len(), 1, "nobody believes the others any more");
    }

    #[tokio::test]
    async fn what_is_not_there_is_asked_for_again_once_anything_has_changed() {
        let (_, directory, made) = one().await;
        let gone = DestinationId(made.id.0 + 1);
        assert_eq!(directory.get(gone, at(0)).await, Ok(None));
        directory.forget(made.owner);
        assert!(directory.believed(gone, at(0)).is_none());
    }

    #[tokio::test]
    async fn a_clock_that_was_put_back_makes_nothing_believed_for_ever() {
        let (store, directory, made) = one().await;
        assert_eq!(standing(&directory, made.id, at(60_000)).await, Standing::Active);
        let paused = Standing::Paused { since: at(0) };
        store.set_standing(made.owner, made.id, paused.clone(), at(0)).await.expect("a pause");
        assert_eq!(standing(&directory, made.id, at(0)).await, paused);
    }
}
