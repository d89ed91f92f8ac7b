use super::*;
use std::sync::{Arc, Mutex};

use axum::extract::FromRequestParts;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::{Registration, Session, User};
use oncue_domain::clock::Clock;
use oncue_domain::event::Origin;
use oncue_domain::id::TriggerId;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Call, Fired, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger::Definition;

use crate::app::{lock, test_app, test_settings};

/// A clock that a test moves.
struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *lock(&self.0)
    }
}

async fn register(store: &Arc<dyn Store>, email: &str, now: Timestamp) -> User {
    let user = NewUser { email: email.to_owned(), password_hash: String::new() };
    match store.register(user, Registration::Open, now).await.expect("a store that answers") {
        Registered::Done(user) => user,
        other => panic!("{other:?}"),
    }
}

/// A trigger that is called.
async fn make(store: &Arc<dyn Store>, owner: UserId, now: Timestamp) -> TriggerId {
    let definition = Definition {
        name: None,
        schedule: None,
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    };
    let new = NewTrigger { owner, definition, next_at: None, test_event: None };
    store.create_trigger(new, now).await.expect("a store that answers").expect("a trigger").trigger.id
}

/// A server without a network, a user with a trigger, and their login.
struct House {
    app: App,
    hand: Arc<Hand>,
    owner: UserId,
    trigger: TriggerId,
    headers: HeaderMap,
}

impl House {
    async fn new() -> House {
        let start = Timestamp::from_second(1_800_000_000).expect("in range");
        let hand = Arc::new(Hand(Mutex::new(start)));
        let store: Arc<dyn Store> = Arc::new(Memory::new(false));
        let app = test_app(Arc::clone(&store), hand.clone(), test_settings());
        let user = register(&store, "ann@example.com", start).await;
        let session = Session {
            id: "5e55".to_owned(),
            user: user.id,
            created_at: start,
            expires_at: start + SignedDuration::from_hours(1),
            agent: String::new(),
        };
        let token = app.tokens.write(&session);
        store.open_session(session).await.expect("a store that answers");
        let trigger = make(&store, user.id, start).await;
        let mut headers = HeaderMap::new();
        let credential = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is a header value");
        headers.insert(header::AUTHORIZATION, credential);
        House { app, hand, owner: user.id, trigger, headers }
    }

    async fn fire(&self) -> EventId {
        self.fire_of(self.owner, self.trigger).await
    }

    async fn fire_of(&self, owner: UserId, trigger: TriggerId) -> EventId {
        let now = self.hand.now();
        let call = Call { origin: Origin::Api, payload: None, checked: None, message_id: self.app.ids.message(now) };
        match self.app.store.fire(owner, trigger, call, now).await.expect("a store that answers") {
            Fired::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    /// The messages that a page is told, each as it comes.
    async fn watch(&self, query: &str) -> impl futures_util::Stream<Item = String> + Unpin {
        let (mut parts, ()) =
            axum::http::Request::get(format!("/ui/live?{query}")).body(()).expect("a request").into_parts();
        let query = <Query as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await.expect("a query");
        let response = live(State(Arc::clone(&self.app)), None, self.headers.clone(), query).await;
        assert_eq!(response.status(), StatusCode::OK);
        let text = |chunk: Result<Bytes, axum::Error>| {
            String::from_utf8(chunk.expect("the stream does not fail").to_vec()).expect("text")
        };
        Box::pin(response.into_body().into_data_stream().map(text))
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_without_news_hears_a_beat_all_the_same() {
    let house = House::new().await;
    let mut page = house.watch("").await;
    let began = Instant::now();
    let first = page.next().await.expect("a beat");
    assert!(first.starts_with("retry: 2000\n\nevent: beat\nid: 0\ndata: 2027-01-15T"), "{first}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(page.next().await.expect("a beat").starts_with("event: beat\n"));
    assert_eq!(began.elapsed().as_secs(), BEAT_EVERY.as_secs());
}

#[tokio::test(start_paused = true)]
async fn news_come_at_once_and_then_at_most_four_times_a_second() {
    let house = House::new().await;
    let mut page = house.watch("rows=1").await;
    page.next().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let first = house.fire().await;
    let message = page.next().await.expect("a message");
    assert!(message.contains(&format!("event: fired\nid: {first}\n")), "{message}");
    assert!(began.elapsed() < Duration::from_millis(5));
    let later = [house.fire().await, house.fire().await];
    let message = page.next().await.expect("a message");
    let waited = began.elapsed();
    assert!((PAUSE..PAUSE * 2).contains(&waited), "{waited:?}");
    let row = |event: &EventId| message.find(&format!("id=\"event-{event}\""));
    assert!(row(&later[1]) < row(&later[0]) && row(&later[1]).is_some(), "the newest on top: {message}");
    assert_eq!(row(&first), None, "{message}");
}

#[tokio::test(start_paused = true)]
async fn news_come_at_once_however_many_of_others_lie_before_them() {
    let house = House::new().await;
    for query in ["", "rows=1"] {
        let mut page = house.watch(query).await;
        page.next().await.expect("a beat");
        let (store, now) = (&house.app.store, house.hand.now());
        let bob = register(store, &format!("bob{query}@example.com"), now).await.id;
        let trigger = make(store, bob, now).await;
        for _ in 0..FOLLOWED_MAX * 2 + 1 {
            house.fire_of(bob, trigger).await;
        }
        let began = Instant::now();
        house.fire().await;
        let message = page.next().await.expect("a message");
        assert!(message.contains("event: fired\n"), "{message}");
        assert!(began.elapsed() <= PAUSE * 3, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_session_has_ended_is_told_nothing_more() {
    for has_logged_out in [true, false] {
        let house = House::new().await;
        let mut page = house.watch("").await;
        page.next().await.expect("a beat");
        if has_logged_out {
            house.app.store.end_session("5e55").await.expect("a store that answers");
        } else {
            *lock(&house.hand.0) += SignedDuration::from_hours(2);
        }
        assert_eq!(page.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_closed_gives_its_place_back() {
    let house = House::new().await;
    let page = house.watch("").await;
    let seat = || Watchers::sit(&house.app.watchers, house.owner);
    let mut taken: Vec<Option<Seat>> = (1..crate::watchers::SEATS_PER_USER_MAX).map(|_| seat()).collect();
    assert!(taken.iter().all(Option::is_some) && seat().is_none());
    drop(page);
    taken.push(seat());
    assert!(taken.iter().all(Option::is_some));
}
