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
use oncue_domain::misfire::Misfire;
use oncue_domain::outbound::mail::Mail;
use oncue_domain::outbound::{Answer, Exchange, Facts, Failure, Outbound, Request};
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Call, Fired, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger::{Definition, ScheduleDetails, Terms};
use oncue_engine::{Doors, Engine};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::doorkeeper::Doorkeeper;

/// The runtime's clock, from an instant on.
pub(super) struct VirtualClock {
    start: Timestamp,
    begun: Instant,
}

impl VirtualClock {
    fn from(start: Timestamp) -> VirtualClock {
        VirtualClock { start, begun: Instant::now() }
    }

    fn since_start(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.start + self.since_start()
    }
}

/// One exchange that is over.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) host: String,
    /// What made the event.
    pub(super) origin: String,
    /// Whether the receiver took it.
    pub(super) is_well: bool,
    /// From the event's firing to the end of the exchange.
    pub(super) after: SignedDuration,
}

/// The receivers. The first part of a host's name says how it takes calls.
struct Street {
    clock: Arc<VirtualClock>,
    ended: Mutex<Vec<Ended>>,
    /// In which stretch of time the ones that count were called last, and how often.
    counted: Mutex<(u64, u32)>,
    doors: Arc<Doorkeeper>,
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
        // Takes some of them, and never the others.
        "moody" => {
            let drawn = body.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            (Ok(if drawn % 3 == 0 { 500 } else { 200 }), ms(20 + drawn % 400))
        }
        // Wants everything as late as can be, and is not there any more then.
        "leaving" if since_start < Duration::from_secs(60) => (Ok(429), ms(3)),
        "leaving" => (Err("The receiver did not answer in time."), ms(15_000)),
        other => panic!("nobody said how {other} takes calls"),
    }
}

impl Street {
    /// How one answers that takes five calls in two seconds, as Discord does.
    fn count(&self) -> u16 {
        let stretch = self.clock.since_start().as_secs() / 2;
        let mut counted = self.counted.lock().expect("no panic");
        *counted = if counted.0 == stretch { (stretch, counted.1 + 1) } else { (stretch, 1) };
        if counted.1 <= 5 { 200 } else { 429 }
    }
}

#[async_trait]
impl Outbound for Street {
    async fn send(&self, request: Request) -> Exchange {
        let host = request.url.host_str().expect("a host").to_owned();
        let is_counted = host.starts_with("counting");
        let (result, took) = if is_counted {
            (Ok(self.count()), Duration::from_millis(3))
        } else {
            manner(&host, &request.body, self.clock.since_start())
        };
        let visit = self.doors.enter(&host, self.clock.now());
        sleep(took).await;
        drop(visit);
        let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        let fired_at: Timestamp =
            body["data"]["firing"]["fired_at"].as_str().expect("a time").parse().expect("an instant");
        let after = self.clock.now().duration_since(fired_at);
        let origin = body["data"]["firing"]["origin"].as_str().expect("a word").to_owned();
        self.ended.lock().expect("no panic").push(Ended {
            host,
            origin,
            is_well: matches!(result, Ok(200..=299)),
            after,
        });
        let result = match result {
            Ok(status) => {
                let seconds = if is_counted { "2" } else { "604800" };
                let later = (status == 429).then(|| ("retry-after".to_owned(), seconds.to_owned()));
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
    pub(super) doors: Arc<Doorkeeper>,
    ids: Arc<Ids>,
    pub(super) owner: UserId,
}

impl World {
    /// With nobody in it who runs.
    pub(super) async fn new() -> World {
        let memory = Arc::new(Memory::new(false));
        let clock = VirtualClock::from("2027-02-15T08:00:00Z".parse().expect("an instant"));
        let new = NewUser { email: "a@example.com".to_owned(), password_hash: String::new() };
        let Ok(Registered::Done(user)) = memory.register(new, Registration::Open, clock.now()).await else {
            panic!("nobody stands against the first user");
        };
        World::of(memory, clock, Arc::default(), Arc::new(Ids::from_seed([7; 32])), user.id)
    }

    fn of(memory: Arc<Memory>, clock: VirtualClock, doors: Arc<Doorkeeper>, ids: Arc<Ids>, owner: UserId) -> World {
        let clock = Arc::new(clock);
        let street = Arc::new(Street {
            clock: Arc::clone(&clock),
            ended: Mutex::default(),
            counted: Mutex::default(),
            doors: Arc::clone(&doors),
        });
        World { memory, clock, street, doors, ids, owner }
    }

    /// The same world after whoever ran in it was killed at an instant, on the clock of another runtime.
    pub(super) fn after(former: World, left_at: Timestamp) -> World {
        former.memory.restart();
        let clock = VirtualClock::from(left_at);
        World::of(former.memory, clock, former.doors, former.ids, former.owner)
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
            source: Arc::new(Source {
                public_url: "https://oncue.example.com".to_owned(),
                version: "0",
                reports: oncue_domain::run::ReportKey::derive(b"a test's secret"),
            }),
            zones: Arc::new(Zones::bundled()),
            default_webhook: None,
            retention,
            heartbeat: None,
            hold_backlog_after: None,
        };
        Engine::start(doors).await.expect("the model answers")
    }

    /// A destination of this host, and a trigger that is called and sends there.
    pub(super) async fn receiver(&self, host: &str) -> (DestinationId, TriggerId) {
        self.receiver_saying(host, &json!({})).await
    }

    /// The same with more that the destination says.
    pub(super) async fn receiver_saying(&self, host: &str, more: &Value) -> (DestinationId, TriggerId) {
        let mut said = json!({"name": host, "kind": "webhook", "url": format!("https://{host}.example.com/")});
        said.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let definition = destination::Definition::read(&said, None).expect("a definition");
        let made = self.memory.create_destination(self.owner, definition, self.clock.now()).await;
        let destination = made.expect("an answer").expect("room").id;
        let definition = Definition {
            name: None,
            schedule: None,
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: vec![destination],
            expects: None,
            overlap: oncue_domain::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let new = NewTrigger { owner: self.owner, definition, next_at: None, test_event: None };
        let made = self.memory.create_trigger(new, self.clock.now()).await;
        (destination, made.expect("an answer").expect("it is there").trigger.id)
    }

    /// A trigger that fires each second from `from` on, whose events go there.
    pub(super) async fn each_second(&self, to: DestinationId, misfire: Option<Misfire>, from: Timestamp) -> TriggerId {
        let period = Period::from_seconds(1).expect("a period");
        let pattern = Schedule::Every { period, anchor: from, first: FirstFiring::AtAnchor };
        let terms = Terms { misfire, ..Terms::default() };
        let definition = Definition {
            name: None,
            schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: vec![to],
            expects: None,
            overlap: oncue_domain::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let new = NewTrigger { owner: self.owner, definition, next_at: Some(from), test_event: None };
        let made = self.memory.create_trigger(new, self.clock.now()).await;
        made.expect("an answer").expect("it is there").trigger.id
    }

    /// Somebody calls the trigger.
    pub(super) async fn fire(&self, trigger: TriggerId) -> EventId {
        let now = self.clock.now();
        let call = Call { origin: Origin::Api, payload: None, checked: None, message_id: self.ids.message(now) };
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
