//! Turns to begin deliveries to destinations that say a rate, which is held to by all nodes together. The store gives them out, as
//! many as just wait for one here. What finds none goes back to the store, due when its turn may come: so a flood for one
//! destination takes neither memory nor places from the others.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::destination::definition::{Rate, TURNS_AHEAD};
use oncue_domain::id::DestinationId;
use oncue_domain::store::{Result, Store};

/// For how long a delivery is put back at most: an edited rate holds for it no later than then. To come back costs the store a read and
/// two writes, so a long queue should not do it often.
const PUT_BACK_MAX: SignedDuration = SignedDuration::from_mins(15);

/// How far apart those come back whose turn is further away: not together, in front of everything else that is due.
const FAR_APART: SignedDuration = SignedDuration::from_millis(5);

/// How late a turn may be used. One that is used later would stand too close to the next, so it is lost.
const LATE_MAX: SignedDuration = SignedDuration::from_millis(20);

/// Of how many destinations it is remembered how far they are.
const BOOKS_MAX: usize = 16_384;

/// When a delivery may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Then, at most [`TURNS_AHEAD`] from now; the turn belongs to whoever asked.
    At(Timestamp),
    /// Not now; it is worth asking again from then on.
    NotBefore(Timestamp),
}

/// Keeps this node to the rates of destinations, by the turns that it was given.
pub(crate) struct Pacer {
    store: Arc<dyn Store>,
    books: Mutex<HashMap<DestinationId, Arc<Book>>>,
}

#[derive(Default)]
struct Book {
    /// How many wait for a turn, whoever just asks the store for all of them included.
    wanted: AtomicUsize,
    page: tokio::sync::Mutex<Page>,
}

#[derive(Default)]
struct Page {
    /// By which the rest was found out.
    rate: Option<Rate>,
    held: VecDeque<Timestamp>,
    /// When the store was asked last, and when by its word the next turn begins.
    next: Option<(Timestamp, Timestamp)>,
    /// When whoever is put back next may get a turn, if all who were put back before get theirs.
    queue_end: Option<Timestamp>,
    /// When whoever is put back next comes back, if their turn is too far away to say.
    far: Option<Timestamp>,
}

/// Somebody who waits for a turn.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(wanted: &'a AtomicUsize) -> Waiting<'a> {
        wanted.fetch_add(1, Ordering::AcqRel);
        Waiting(wanted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn later(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Pacer {
    /// They are given out by `store`.
    pub(crate) fn new(store: Arc<dyn Store>) -> Pacer {
        Pacer { store, books: Mutex::default() }
    }

    /// A turn for one delivery to a destination that says this rate.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub(crate) async fn take(&self, id: DestinationId, rate: Rate, clock: &dyn Clock) -> Result<Turn> {
        let book = self.book(id);
        let _waiting = Waiting::among(&book.wanted);
        let mut page = book.page.lock().await;
        if page.rate != Some(rate) {
            *page = Page { rate: Some(rate), ..Page::default() };
        }
        let now = clock.now();
        page.held.retain(|start| later(*start, LATE_MAX) >= now);
        if page.held.is_empty() && page.may_get_any(now) {
            let given = self.store.take_turns(id, rate, book.wanted.load(Ordering::Acquire), now).await?;
            page.held.extend(given.starts);
            page.next = given.next.map(|next| (now, next));
        }
        Ok(page.held.pop_front().map_or_else(|| Turn::NotBefore(page.put_back(rate, now)), Turn::At))
    }

    fn book(&self, id: DestinationId) -> Arc<Book> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if books.len() >= BOOKS_MAX && !books.contains_key(&id) {
            // What somebody holds is in use; of the others, the store knows all that matters.
            books.retain(|_, book| Arc::strong_count(book) > 1);
        }
        Arc::clone(books.entry(id).or_default())
    }
}

impl Page {
    /// Whether the store might give a turn, for all that is known; nothing is known beyond a clock that was put back.
    fn may_get_any(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|(asked_at, next)| now < asked_at || next <= later(now, TURNS_AHEAD))
    }

    /// When somebody without a turn asks again: each one interval after the one before. Where that is further than [`PUT_BACK_MAX`], they are
    /// spread over the later half of it.
    fn put_back(&mut self, rate: Rate, now: Timestamp) -> Timestamp {
        let (soonest, latest) = (later(now, PUT_BACK_MAX / 2), later(now, PUT_BACK_MAX));
        let next = self.next.map_or(now, |(_, next)| next);
        let turn = self.queue_end.map_or(next, |end| end.max(next));
        if turn <= latest {
            self.queue_end = Some(later(turn, rate.interval()));
            return turn;
        }
        let until = self.far.filter(|far| (soonest..=latest).contains(far)).unwrap_or(soonest);
        self.far = Some(later(until, FAR_APART));
        until
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use oncue_domain::access::Registration;
    use oncue_domain::destination::Definition;
    use oncue_domain::store::memory::Memory;
    use oncue_domain::store::{NewUser, Registered};
    use serde_json::json;

    use super::*;

    /// A clock that is moved by hand, in milliseconds.
    #[derive(Default)]
    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            at(self.0.load(Ordering::Acquire))
        }
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).expect("an instant")
    }

    fn rate(count: u32, burst: u32) -> Rate {
        Rate { count, per: SignedDuration::from_secs(1), burst }
    }

    /// A store with one destination, and a clock that stands at zero.
    async fn one() -> (Arc<Memory>, Arc<Hands>, DestinationId) {
        let store = Arc::new(Memory::new(false));
        let new = NewUser { email: "a@example.com".to_owned(), password_hash: String::new() };
        let Ok(Registered::Done(user)) = store.register(new, Registration::Open, at(0)).await else {
            panic!("nobody stands against the first user");
        };
        let definition = Definition::read(&json!({"name": "d", "kind": "inbox"}), None).expect("a definition");
        let made = store.create_destination(user.id, definition, at(0)).await.expect("an answer").expect("room");
        (store, Arc::default(), made.id)
    }

    fn of(store: &Arc<Memory>) -> Pacer {
        Pacer::new(Arc::clone(store) as Arc<dyn Store>)
    }

    async fn take(pacer: &Pacer, id: DestinationId, rate: Rate, clock: &Hands) -> Turn {
        pacer.take(id, rate, clock).await.expect("an answer")
    }

    #[tokio::test]
    async fn whoever_finds_no_turn_asks_again_an_interval_after_the_one_before() {
        let (store, clock, id) = one().await;
        let pacer = of(&store);
        let rate = rate(2, 2);
        for turn in [Turn::At(at(0)), Turn::At(at(0)), Turn::NotBefore(at(500)), Turn::NotBefore(at(1000))] {
            assert_eq!(take(&pacer, id, rate, &clock).await, turn);
        }
        clock.0.store(500, Ordering::Release);
        assert_eq!(take(&pacer, id, rate, &clock).await, Turn::At(at(500)));
        for number in 0..1000 {
            assert_eq!(take(&pacer, id, rate, &clock).await, Turn::NotBefore(at(1500 + number * 500)));
        }
    }

    #[tokio::test]
    async fn however_long_a_queue_is_it_comes_back_within_minutes_seldom_and_not_together() {
        let (store, clock, id) = one().await;
        let pacer = of(&store);
        let mut back = Vec::new();
        for _ in 0..100_000 {
            if let Turn::NotBefore(until) = take(&pacer, id, rate(1, 1), &clock).await {
                back.push(until);
            }
        }
        back.sort();
        assert!(back.iter().all(|until| *until <= later(at(0), PUT_BACK_MAX)));
        let soon = back.iter().filter(|until| **until < later(at(0), PUT_BACK_MAX / 2)).count();
        assert!(soon <= 450, "{soon} come back before their turn could be near");
        let busiest = back.chunk_by(|one, other| one.as_second() == other.as_second()).map(<[_]>::len).max();
        assert!(busiest.is_some_and(|most| most <= 500), "{busiest:?} in one second");
    }

    #[tokio::test]
    async fn two_nodes_together_begin_no_more_than_the_rate_allows() {
        let (store, clock, id) = one().await;
        let nodes = [of(&store), of(&store)];
        let mut begun = 0;
        for millisecond in (0..10_000).step_by(7) {
            clock.0.store(millisecond, Ordering::Release);
            for node in &nodes {
                begun += usize::from(matches!(take(node, id, rate(10, 1), &clock).await, Turn::At(_)));
            }
        }
        assert!((98..=103).contains(&begun), "{begun}");
    }

    #[tokio::test]
    async fn an_edited_rate_holds_for_the_next_who_asks() {
        let (store, clock, id) = one().await;
        let pacer = of(&store);
        let slow = Rate { per: SignedDuration::from_hours(1), ..rate(1, 1) };
        assert_eq!(take(&pacer, id, slow, &clock).await, Turn::At(at(0)));
        assert_eq!(take(&pacer, id, slow, &clock).await, Turn::NotBefore(at(450_000)));
        clock.0.store(1000, Ordering::Release);
        assert_eq!(take(&pacer, id, rate(10, 1), &clock).await, Turn::NotBefore(at(2350)));
        clock.0.store(2350, Ordering::Release);
        assert_eq!(take(&pacer, id, rate(10, 1), &clock).await, Turn::At(at(2350)));
    }
}
