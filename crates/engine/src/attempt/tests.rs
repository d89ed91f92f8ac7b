use std::future::ready;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use oncue_domain::access::Registration;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{State, Verdict};
use oncue_domain::destination::{Definition, Standing};
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::{DestinationId, EventId, Ids, UserId};
use oncue_domain::message::Source;
use oncue_domain::outbound::mail::Mail;
use oncue_domain::outbound::{Answer, Exchange, Facts, Outbound, Request};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Call, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger;
use serde_json::{Value, json};

use super::*;
use crate::directory::Directory;
use crate::work::Tally;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

/// A clock that is set by hand.
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn set(&self, seconds: i64) {
        *self.0.lock().expect("no panic") = at(seconds);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no panic")
    }
}

/// A receiver that answers like this, and how often it was asked.
struct Ear {
    status: u16,
    heard: AtomicUsize,
}

#[async_trait]
impl Outbound for Ear {
    async fn send(&self, _: Request) -> Exchange {
        self.heard.fetch_add(1, Ordering::Relaxed);
        let answer = Answer { status: self.status, headers: Vec::new(), body: Vec::new() };
        Exchange { result: Ok(answer), took: Duration::from_millis(1), facts: Facts::default() }
    }

    async fn send_mail(&self, _: Mail) -> Exchange {
        panic!("a mail is sent")
    }
}

/// A user with one destination, a trigger that sends to it, and somebody who makes attempts.
struct Scene {
    store: Arc<Memory>,
    hands: Arc<Hands>,
    ear: Arc<Ear>,
    attempts: Attempts,
    owner: UserId,
    destination: DestinationId,
}

impl Scene {
    async fn with(more: Value, status: u16) -> Scene {
        let store = Arc::new(Memory::new(false));
        let new = NewUser { email: "a@example.com".to_owned(), password_hash: String::new() };
        let Ok(Registered::Done(user)) = store.register(new, Registration::Open, at(0)).await else {
            panic!("nobody stands against the first user");
        };
        let mut said = json!({"name": "d", "kind": "webhook", "url": "https://example.com/"});
        said.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let definition = Definition::read(&said, None).expect("a definition");
        let made = store.create_destination(user.id, definition, at(0)).await.expect("an answer").expect("room");
        let hands = Arc::new(Hands(Mutex::new(at(0))));
        let ear = Arc::new(Ear { status, heard: AtomicUsize::new(0) });
        let courier = Courier {
            store: Arc::clone(&store) as Arc<dyn Store>,
            directory: Arc::new(Directory::new(Arc::clone(&store) as Arc<dyn Store>)),
            outbound: Arc::clone(&ear) as Arc<dyn Outbound>,
            clock: Arc::clone(&hands) as Arc<dyn Clock>,
            source: Arc::new(Source {
                public_url: "https://oncue.example".to_owned(),
                version: "1",
                reports: oncue_domain::run::ReportKey::derive(b"a test's secret"),
            }),
            zones: Arc::new(Zones::bundled()),
            default: None,
            retention: Retention::STANDARD,
            tally: Arc::new(Tally::default()),
        };
        let attempts = Attempts::new(courier);
        Scene { store, hands, ear, attempts, owner: user.id, destination: made.id }
    }

    /// Fires an event at this second.
    async fn fire(&self, seconds: i64) -> EventId {
        let definition = trigger::Definition {
            name: None,
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: vec![self.destination],
            expects: None,
            overlap: oncue_domain::overlap::Overlap::Allow,
            schedule: None,
            enabled: true,
            pause: None,
            expires_at: None,
            is_test: false,
        };
        let new = NewTrigger { owner: self.owner, definition, next_at: None, test_event: None };
        let made = self.store.create_trigger(new, at(seconds)).await.expect("an answer").expect("it is there");
        let message_id = Ids::from_seed([1; 32]).message(at(seconds));
        let call = Call { origin: Origin::Api, checked: None, message_id, payload: None };
        match self.store.fire(self.owner, made.trigger.id, call, at(seconds)).await.expect("an answer") {
            oncue_domain::store::Fired::Event(id) => id,
            refused => panic!("{refused:?}"),
        }
    }

    /// The one claim that there is at this second.
    async fn claim(&self, seconds: i64) -> Claim {
        self.hands.set(seconds);
        let mut claims = self.store.claim_deliveries(at(seconds), 10).await.expect("an answer");
        assert_eq!(claims.len(), 1, "one delivery is due");
        claims.remove(0)
    }

    async fn make(&self, claim: Claim) -> Settlement {
        self.attempts.make(claim, |_| (), |_| ready(())).await
    }

    fn heard(&self) -> usize {
        self.ear.heard.load(Ordering::Relaxed)
    }

    /// How many turns are left at this second of a rate of three in an hour.
    async fn turns_left(&self, seconds: i64) -> usize {
        let found = self.store.destination(self.owner, self.destination).await.expect("an answer");
        let rate = found.expect("it is there").definition.rate.expect("it says one");
        let turns = self.store.take_turns(self.destination, rate, 10, at(seconds)).await;
        turns.expect("an answer").starts.len()
    }
}

fn rate() -> Value {
    json!({"rate": {"count": 3, "per": "1h"}})
}

#[tokio::test]
async fn a_claim_that_has_grown_too_old_takes_no_turn_and_is_due_at_once() {
    let scene = Scene::with(rate(), 200).await;
    scene.fire(0).await;
    let claim = scene.claim(0).await;
    scene.hands.set(50);
    let settlement = scene.make(claim).await;
    assert_eq!((settlement.verdict, settlement.attempt), (Verdict::Retry(at(50)), None));
    assert_eq!((scene.heard(), scene.turns_left(50).await), (0, 3));
}

#[tokio::test]
async fn the_age_of_a_claim_is_judged_after_what_takes_its_time_and_the_attempt_begins_then() {
    for (found_at, turn_at, sent_at) in [(10, 40, Some(40)), (40, 40, Some(40)), (40, 50, None), (50, 50, None)] {
        let scene = Scene::with(rate(), 200).await;
        scene.fire(0).await;
        let claim = scene.claim(0).await;
        let wait = async |_| scene.hands.set(turn_at);
        let settlement = scene.attempts.make(claim, |_| scene.hands.set(found_at), wait).await;
        assert_eq!(scene.heard(), usize::from(sent_at.is_some()), "{found_at}, {turn_at}");
        let started_at = settlement.attempt.map(|attempt| attempt.started_at);
        assert_eq!(started_at, sent_at.map(at), "{found_at}, {turn_at}");
    }
}

#[tokio::test]
async fn nothing_is_sent_when_the_time_of_a_delivery_is_over() {
    let end = 48 * 3600 - 180;
    for (seconds, is_sent) in [(end - 1, true), (end, false), (end + 60, false)] {
        let scene = Scene::with(json!({}), 500).await;
        let event = scene.fire(0).await;
        let claim = scene.claim(seconds).await;
        let settlement = scene.make(claim).await;
        assert_eq!((scene.heard(), settlement.verdict), (usize::from(is_sent), Verdict::Failed), "{seconds}");
        assert_eq!(settlement.why.is_some(), !is_sent);
        scene.store.settle(vec![settlement]).await.expect("a settlement");
        let found = scene.store.event(scene.owner, event, Timestamp::UNIX_EPOCH).await.expect("an answer");
        assert!(found.is_some_and(|(_, deliveries)| deliveries[0].state == State::Failed));
    }
}

#[tokio::test]
async fn what_is_given_up_late_says_why() {
    let end = 48 * 3600 - 180;
    for (standing, why) in [(Standing::Active, "no turn"), (Standing::Paused { since: at(1) }, "took no deliveries")] {
        let scene = Scene::with(json!({}), 500).await;
        scene.fire(0).await;
        scene.store.set_standing(scene.owner, scene.destination, standing, at(1)).await.expect("an answer");
        let claim = scene.claim(end).await;
        assert!(scene.attempts.courier.is_late(&claim));
        let settlement = scene.attempts.courier.give_up(claim).await;
        assert!(settlement.why.as_ref().is_some_and(|said| said.contains(why)), "{settlement:?}");
        assert_eq!((scene.heard(), settlement.verdict), (0, Verdict::Failed));
    }
}

/// Something that the store does at once, in the middle of an attempt.
fn meanwhile<T>(done: impl Future<Output = oncue_domain::store::Result<T>>) -> T {
    done.now_or_never().expect("the model never waits").expect("an answer")
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_does_not_undo_a_resumption_that_its_answer_crosses() {
    let scene = Scene::with(json!({}), 410).await;
    let (store, owner, id) = (&scene.store, scene.owner, scene.destination);
    let standing = async || {
        let found = store.destination(owner, id).await.expect("an answer");
        found.expect("it is there").standing
    };
    for (second, stop) in [(0, None), (10, Some(Standing::Paused { since: at(10) }))] {
        scene.fire(second).await;
        let claim = scene.claim(second).await;
        let stop_and_resume = |_: Option<&Destination>| {
            match stop {
                Some(paused) => assert!(meanwhile(store.set_standing(owner, id, paused, at(second)))),
                None => assert!(meanwhile(store.suspend_destination(id, 1, "It said 410.", None, at(second)))),
            }
            assert!(meanwhile(store.set_standing(owner, id, Standing::Active, at(second))));
        };
        let settlement = scene.attempts.make(claim, stop_and_resume, |_| ready(())).await;
        assert_eq!((settlement.verdict, settlement.suspends.is_some()), (Verdict::Failed, true));
        assert_eq!(standing().await, Standing::Active, "whoever resumed it has the last word");
        store.settle(vec![settlement]).await.expect("a settlement");
    }
    // What is sent after the resumption, and refused once more, suspends it.
    scene.fire(20).await;
    let claim = scene.claim(20).await;
    scene.make(claim).await;
    assert!(matches!(standing().await, Standing::Suspended { since, .. } if since == at(20)));
}

#[tokio::test]
async fn what_goes_to_a_destination_that_cannot_be_read_fails_with_words_and_calls_nobody() {
    let scene = Scene::with(json!({}), 200).await;
    scene.fire(0).await;
    let claim = scene.claim(0).await;
    let settlement = scene.attempts.courier.send(claim, &Receiver::Unreadable).await;
    assert_eq!((settlement.verdict, &settlement.attempt, scene.heard()), (Verdict::Failed, &None, 0));
    assert!(settlement.why.is_some_and(|why| why.contains("cannot be read") && why.contains("delete it")));
}
