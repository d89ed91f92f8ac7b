use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use oncue_domain::access::Registration;
use oncue_domain::arrival::Arrival;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{Settlement, Verdict};
use oncue_domain::destination::{Definition, Standing};
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::{DestinationId, Ids, UserId};
use oncue_domain::message::Source;
use oncue_domain::outbound::mail::Mail;
use oncue_domain::outbound::{Outbound, Request};
use oncue_domain::payload::Payload;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Call, NewTrigger, NewUser, Registered};
use oncue_domain::trigger;
use serde_json::{Value, json};

use super::*;
use crate::attempt::Attempts;
use crate::courier::Courier;
use crate::directory::Directory;
use crate::work::Tally;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

/// The clock that a test sets, in seconds.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }
}

/// The network, which an inbox never needs.
struct NoNetwork;

#[async_trait]
impl Outbound for NoNetwork {
    async fn send(&self, request: Request) -> Exchange {
        panic!("{} is asked over the network", request.url)
    }

    async fn send_mail(&self, _: Mail) -> Exchange {
        panic!("a mail is sent")
    }
}

/// A user with one inbox, one trigger that sends to it, and a courier.
struct Post {
    store: Arc<Memory>,
    hands: Arc<Hands>,
    courier: Courier,
    owner: UserId,
    inbox: DestinationId,
}

impl Post {
    async fn with(said: Value) -> Post {
        Post::waiting(said, SignedDuration::from_secs(15)).await
    }

    /// The same, where deliveries wait for so long.
    async fn waiting(said: Value, timeout: SignedDuration) -> Post {
        let store = Arc::new(Memory::new(false));
        let new = NewUser { email: "a@example.com".to_owned(), password_hash: String::new() };
        let Ok(Registered::Done(user)) = store.register(new, Registration::Open, at(0)).await else {
            panic!("nobody stands against the first user");
        };
        let definition = Definition { timeout, ..Definition::read(&said, None).expect("a definition") };
        let made = store.create_destination(user.id, definition, at(0)).await.expect("an answer").expect("room");
        let hands = Arc::new(Hands(AtomicI64::new(0)));
        let courier = Courier {
            store: Arc::clone(&store) as Arc<dyn Store>,
            directory: Arc::new(Directory::new(Arc::clone(&store) as Arc<dyn Store>)),
            outbound: Arc::new(NoNetwork),
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
        Post { store, hands, courier, owner: user.id, inbox: made.id }
    }

    /// Fires an event for the inbox.
    async fn fire(&self, payload: &str) {
        let definition = trigger::Definition {
            name: Some("t".to_owned()),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: vec![self.inbox],
            expects: None,
            overlap: oncue_domain::overlap::Overlap::Allow,
            schedule: None,
            enabled: true,
            pause: None,
            expires_at: None,
            is_test: false,
        };
        let new = NewTrigger { owner: self.owner, definition, next_at: None, test_event: None };
        let made = self.store.create_trigger(new, at(0)).await.expect("an answer").expect("the inbox is there");
        let call = Call {
            origin: Origin::Api,
            checked: None,
            message_id: Ids::from_seed([1; 32]).message(at(0)),
            payload: Some(Payload::parse(payload).expect("JSON")),
        };
        self.store.fire(self.owner, made.trigger.id, call, at(0)).await.expect("an event");
    }

    /// Makes the attempt that is due at an instant, in seconds, and writes it down.
    async fn attempt(&self, seconds: i64) -> Settlement {
        self.hands.0.store(seconds, Ordering::Relaxed);
        let mut claims = self.courier.claim(10).await.expect("claims");
        assert_eq!(claims.len(), 1, "one delivery is due");
        let settlement = Attempts::new(self.courier.clone()).make(claims.remove(0), |_| (), |_| ready(())).await;
        self.courier.settle(vec![settlement.clone()]).await.expect("a settlement");
        settlement
    }

    /// What arrived, the latest first.
    async fn arrivals(&self) -> Vec<Arrival> {
        self.store.arrivals(self.owner, self.inbox, None, 100).await.expect("a list")
    }

    async fn contents(&self, arrival: &Arrival) -> Contents {
        self.store.arrival(self.owner, arrival.id).await.expect("an answer").expect("it is there").1
    }
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test]
async fn what_arrives_is_verified_and_kept_and_answered() {
    let post =
        Post::with(json!({"name": "i", "kind": "inbox", "inbox": {"status": 204}, "secrets": [{"secret": SECRET}]}))
            .await;
    post.fire("{\"n\": 1}").await;
    assert_eq!(post.attempt(5).await.verdict, Verdict::Delivered);
    let [arrival] = &post.arrivals().await[..] else { panic!("one thing arrived") };
    let arrived = &arrival.arrived;
    assert_eq!((arrived.slot, arrived.attempt, arrived.at, arrived.answer), (0, 1, at(5), Some(204)));
    let Check::Signed(secret) = &arrived.check else { panic!("{:?}", arrived.check) };
    let signer = oncue_domain::signature::SigningSecret::parse(SECRET).expect("a secret");
    assert_eq!(*secret, signer.id());
    let contents = post.contents(arrival).await;
    let body: Value = serde_json::from_slice(&contents.body).expect("JSON");
    assert_eq!(body["data"]["payload"], json!({"n": 1}));
    assert_eq!(contents.header("webhook-id"), body["id"].as_str());
    assert_eq!(contents.header("webhook-timestamp"), Some(at(5).as_second().to_string().as_str()));
    assert_eq!(arrived.body_bytes, contents.body.len() as u64);
}

#[tokio::test]
async fn an_inbox_that_fails_is_tried_again_as_any_receiver_is() {
    let said = json!({"name": "i", "kind": "inbox", "inbox": {"status": 500}, "retries": ["10s"]});
    let post = Post::with(said).await;
    post.fire("1").await;
    let Verdict::Retry(due) = post.attempt(0).await.verdict else { panic!("there is a second rung") };
    assert!((8..=12).contains(&due.duration_since(at(0)).as_secs()), "{due}");
    assert_eq!(post.attempt(12).await.verdict, Verdict::Failed);
    let arrivals = post.arrivals().await;
    let numbers: Vec<u32> = arrivals.iter().map(|arrival| arrival.arrived.attempt).collect();
    assert_eq!(numbers, [2, 1]);
    let ids = [post.contents(&arrivals[0]).await, post.contents(&arrivals[1]).await];
    assert_eq!(ids[0].header("webhook-id"), ids[1].header("webhook-id"));
    assert_eq!(ids[0].body, ids[1].body);
    assert!(arrivals.iter().all(|arrival| arrival.arrived.check == Check::Unsigned));
}

#[tokio::test]
async fn an_inbox_that_is_gone_by_its_own_word_is_suspended() {
    let post = Post::with(json!({"name": "i", "kind": "inbox", "inbox": {"status": 410}})).await;
    post.fire("1").await;
    assert_eq!(post.attempt(0).await.verdict, Verdict::Failed);
    let inbox = post.store.destination(post.owner, post.inbox).await.expect("an answer").expect("it is there");
    assert!(matches!(inbox.standing, Standing::Suspended { .. }), "{:?}", inbox.standing);
}

#[tokio::test]
async fn an_inbox_that_is_slower_than_the_timeout_gives_no_answer() {
    let said = json!({"name": "i", "kind": "inbox", "inbox": {"delay": "30s"}});
    let post = Post::waiting(said, SignedDuration::from_millis(5)).await;
    post.fire("1").await;
    let settlement = post.attempt(0).await;
    let attempt = settlement.attempt.expect("one was made");
    assert_eq!((attempt.status, attempt.took_us), (None, 5_000));
    assert!(attempt.error.is_some_and(|error| error.contains("within 0.005 s")));
    let arrived = &post.arrivals().await[0].arrived;
    assert_eq!((arrived.answer, arrived.waited), (None, SignedDuration::from_millis(5)));
}

#[tokio::test]
async fn an_answer_that_is_late_but_in_time_counts_with_its_delay() {
    let post = Post::with(json!({"name": "i", "kind": "inbox", "inbox": {"delay": "20ms"}})).await;
    post.fire("1").await;
    let settlement = post.attempt(0).await;
    assert_eq!(settlement.verdict, Verdict::Delivered);
    assert_eq!(settlement.attempt.map(|attempt| (attempt.status, attempt.took_us)), Some((Some(200), 20_000)));
    assert_eq!(post.arrivals().await[0].arrived.waited, SignedDuration::from_millis(20));
}

#[tokio::test]
async fn values_of_headers_that_the_owner_added_are_not_shown_again() {
    let said = json!({"name": "i", "kind": "inbox", "headers": {"x-key": "topsecret"}});
    let post = Post::with(said).await;
    post.fire("1").await;
    assert_eq!(post.attempt(0).await.verdict, Verdict::Delivered);
    let contents = post.contents(&post.arrivals().await[0]).await;
    assert_eq!(contents.header("x-key"), Some(HIDDEN));
    assert!(contents.header("user-agent").is_some_and(|agent| agent != HIDDEN));
}

#[tokio::test]
async fn of_a_long_body_the_beginning_is_kept_and_all_of_it_is_verified() {
    let post = Post::with(json!({"name": "i", "kind": "inbox", "secrets": [{"secret": SECRET}]})).await;
    post.fire(&Value::from("x".repeat(BODY_BYTES_KEPT - 100)).to_string()).await;
    assert_eq!(post.attempt(0).await.verdict, Verdict::Delivered);
    let arrival = &post.arrivals().await[0];
    assert_eq!(post.contents(arrival).await.body.len(), BODY_BYTES_KEPT);
    assert!(arrival.arrived.body_bytes > BODY_BYTES_KEPT as u64);
    assert!(matches!(arrival.arrived.check, Check::Signed(_)), "{:?}", arrival.arrived.check);
}
