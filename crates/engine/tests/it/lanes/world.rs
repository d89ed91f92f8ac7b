//! A whole engine on virtual time: its loops run as they always do, on the reference model, and whenever all of them wait, the
//! runtime's clock jumps to whatever comes next. Receivers answer after the time that their host stands for. Nothing here takes
//! time but what is said to take some, so what is late has waited in a queue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::State;
use oncue_domain::destination;
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::{DestinationId, EventId, Ids, TriggerId, UserId};
use oncue_domain::message::Source;
use oncue_domain::outbound::mail::Mail;
use oncue_domain::outbound::{Answer, Exchange, Facts, Failure, Outbound, Request};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Call, Fired, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger::Definition;
use oncue_engine::{Doors, Engine};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// The runtime's clock, from a fixed instant on.
pub(super) struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2027-02-15T08:00:00Z".parse().expect("an instant");
        start + self.0.elapsed()
    }
}

/// One exchange that is over.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) host: String,
    /// From the event's firing to the end of the exchange.
    pub(super) after: SignedDuration,
}

/// The receivers. The first part of a host's name says how it takes calls.
struct Street {
    clock: Arc<VirtualClock>,
    ended: Mutex<Vec<Ended>>,
}

/// What a receiver of this host does with a request, and how long it takes.
fn manner(host: &str, body: &[u8], since_start: Duration) -> (Result<u16, &'static str>, Duration) {
    let ms = Duration::from_millis;
    match host.split('.').next().unwrap_or_default().trim_end_matches(char::is_numeric) {
        // A little more or less from one to the next, always the same for the same event.
        "healthy" => (Ok(200), ms(20 + body.iter().map(|byte| u64::from(*byte)).sum::<u64>() % 10)),
        "dead" => (Err("The receiver did not answer in time."), ms(15_000)),
        "slow" => (Ok(200), ms(5000)),
        "sluggish" => (Ok(200), ms(200)),
        "quick" => (Ok(200), ms(3)),
        // Wants everything as late as can be, and is not there any more then.
        "leaving" if since_start < Duration::from_secs(60) => (Ok(429), ms(3)),
        "leaving" => (Err("The receiver did not answer in time."), ms(15_000)),
        other => panic!("nobody said how {other} takes calls"),
    }
}

#[async_trait]
impl Outbound for Street {
    async fn send(&self, request: Request) -> Exchange {
        let host = request.url.host_str().expect("a host").to_owned();
        let (result, took) = manner(&host, &request.body, self.clock.0.elapsed());
        sleep(took).await;
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        let fired_at: Timestamp =
            body["data"]["firing"]["fired_at"].as_str().expect("a time").parse().expect("an instant");
        let after = self.clock.now().duration_since(fired_at);
        self.ended.lock().expect("no panic").push(Ended { host, after });
        let result = match result {
            Ok(status) => {
                let later = (status == 429).then(|| ("retry-after".to_owned(), "604800".to_owned()));
                Ok(Answer { status, headers: later.into_iter().collect(), body: Vec::new() })
            }
            Err(why) => Err(Failure(why.to_owned())),
        };
        Exchange { result, took, facts: Facts::default() }
    }

    async fn send_mail(&self, mail: Mail) -> Exchange {
        panic!("nobody here sends mail: {mail:?}")
    }
}

/// An engine, its store, and the receivers.
pub(super) struct World {
    pub(super) memory: Arc<Memory>,
    pub(super) clock: Arc<VirtualClock>,
    street: Arc<Street>,
    ids: Arc<Ids>,
    pub(super) owner: UserId,
}

impl World {
    /// With nobody in it who runs.
    pub(super) async fn new() -> World {
        let memory = Arc::new(Memory::new(false));
        let clock = Arc::new(VirtualClock(Instant::now()));
        let street = Arc::new(Street { clock: Arc::clone(&clock), ended: Mutex::default() });
        let new = NewUser { email: "a@example.com".to_owned(), password_hash: String::new() };
        let Ok(Registered::Done(user)) = memory.register(new, Registration::Open, clock.now()).await else {
            panic!("nobody stands against the first user");
        };
        World { memory, clock, street, ids: Arc::new(Ids::from_seed([7; 32])), owner: user.id }
    }

    /// Begins to deliver.
    pub(super) async fn start(&self) -> Engine {
        self.start_keeping(Retention::STANDARD).await
    }

    /// The same, where events are kept for so long.
    pub(super) async fn start_keeping(&self, retention: Retention) -> Engine {
        let doors = Doors {
            store: Arc::clone(&self.memory) as Arc<dyn Store>,
            outbound: Arc::clone(&self.street) as Arc<dyn Outbound>,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ids: Arc::clone(&self.ids),
            source: Arc::new(Source { public_url: "https://oncue.example.com".to_owned(), version: "0" }),
            zones: Arc::new(Zones::bundled()),
            default_webhook: None,
            retention,
        };
        Engine::start(doors).await.expect("the model answers")
    }

    /// A destination of this host, and a trigger that is called and sends there.
    pub(super) async fn receiver(&self, host: &str) -> (DestinationId, TriggerId) {
        let said = json!({"name": host, "kind": "webhook", "url": format!("https://{host}.example.com/")});
        let definition = destination::Definition::read(&said, None).expect("a definition");
        let made = self.memory.create_destination(self.owner, definition, self.clock.now()).await;
        let destination = made.expect("an answer").expect("room").id;
        let definition = Definition {
            name: None,
            schedule: None,
            payload: None,
            webhook: None,
            destinations: vec![destination],
            is_test: false,
            enabled: true,
            expires_at: None,
        };
        let new = NewTrigger { owner: self.owner, definition, next_at: None, test_event: None };
        let made = self.memory.create_trigger(new, self.clock.now()).await;
        (destination, made.expect("an answer").expect("it is there").trigger.id)
    }

    /// Somebody calls the trigger.
    pub(super) async fn fire(&self, trigger: TriggerId) -> EventId {
        let now = self.clock.now();
        let call = Call { origin: Origin::Api, payload: None, message_id: self.ids.message(now) };
        match self.memory.fire(self.owner, trigger, call, now).await.expect("an answer") {
            Fired::Event(id) => id,
            refused => panic!("{refused:?}"),
        }
    }

    /// The exchanges that are over, with hosts that begin like this.
    pub(super) fn ended(&self, host: &str) -> Vec<Ended> {
        let ended = self.street.ended.lock().expect("no panic");
        ended.iter().filter(|ended| ended.host.starts_with(host)).cloned().collect()
    }

    /// How many of these events' deliveries are in the engine's hands, by the word of the store.
    pub(super) async fn held(&self, events: &[EventId]) -> usize {
        let mut held = 0;
        for id in events {
            let found = self.memory.event(self.owner, *id, Timestamp::UNIX_EPOCH).await.expect("an answer");
            let (_, deliveries) = found.expect("it is kept");
            held += deliveries.iter().filter(|delivery| delivery.state == State::Held).count();
        }
        held
    }
}
