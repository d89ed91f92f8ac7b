//! A store on the bench, whichever it is, and what it takes to write a test about it: instants, definitions, message ids.
//! Time is passed in and never waited for.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::delivery::{Claim, Settlement, Terms, Verdict, settle};
use oncue_domain::destination::{self, Destination, Webhook};
use oncue_domain::event::{Event, Origin, Retention};
use oncue_domain::id::{EventId, Ids, MessageId, TriggerId, UserId};
use oncue_domain::node::Identity;
use oncue_domain::outbound::{Answer, Exchange, Facts, Failure, Method, Request, Trust};
use oncue_domain::payload::Payload;
use oncue_domain::receipt::Draft;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Call, EventFilter, EventPage, Fired, NewTrigger, NewUser, Planned, Registered, Store};
use oncue_domain::trigger::{Armed, Definition, ScheduleDetails, Trigger};
use oncue_store::Settings;
use oncue_store::postgres::Postgres;
use oncue_store::sqlite::{Place, Role, Sqlite};
use tempfile::TempDir;
use url::Url;

use crate::database::Database;

/// The stores that must behave alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The reference model.
    Memory,
    /// SQLite in a file.
    SqliteFile,
    /// SQLite in memory.
    SqliteMemory,
    /// A database of PostgreSQL, with one node.
    Postgres,
}

/// All stores.
pub(crate) const ALL: [Kind; 4] = [Kind::Memory, Kind::SqliteFile, Kind::SqliteMemory, Kind::Postgres];

/// All stores that outlive their server.
pub(crate) const LASTING: [Kind; 3] = [Kind::Memory, Kind::SqliteFile, Kind::Postgres];

/// A store under test.
pub(crate) struct Bench {
    pub(crate) kind: Kind,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Ids,
    /// The same store, where it is the reference model.
    memory: Option<Arc<Memory>>,
    folder: Option<TempDir>,
    /// The same store, where it is a node of PostgreSQL. It goes before its database does.
    node: Option<Arc<Postgres>>,
    database: Option<Database>,
}

/// Runs a test on every store.
pub(crate) async fn everywhere(test: impl AsyncFn(Bench)) {
    for kind in ALL {
        println!("on {kind:?}");
        test(Bench::new(kind, true).await).await;
    }
}

/// Runs a test on every store that outlives its server.
pub(crate) async fn wherever_it_lasts(test: impl AsyncFn(Bench)) {
    for kind in LASTING {
        println!("on {kind:?}");
        test(Bench::new(kind, true).await).await;
    }
}

/// What a database is told about the configuration.
pub(crate) fn settings(has_default_destination: bool) -> Settings {
    Settings { zones: Arc::new(Zones::bundled()), has_default_destination, identity: identity("bench") }
}

/// What a server of that name is called.
pub(crate) fn identity(name: &str) -> Identity {
    let (name, version, address) = (name.to_owned(), "0.0.0".to_owned(), "127.0.0.1:8000".to_owned());
    Identity { name, version, address, ..Identity::default() }
}

/// The reference model, which counts what schedules take as stores do.
fn memory(has_default_destination: bool) -> Memory {
    Memory::new(has_default_destination).called(identity("bench")).counting_schedules(oncue_store::schedule_bytes)
}

fn sqlite(place: &Place, has_default_destination: bool) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(place, Role::Server, settings(has_default_destination)).expect("a database"))
}

impl Bench {
    /// An empty store.
    pub(crate) async fn new(kind: Kind, has_default_destination: bool) -> Bench {
        let folder = || tempfile::tempdir().expect("a folder for the database");
        let bench = |store: Arc<dyn Store>| Bench {
            kind,
            store,
            ids: Ids::from_seed([1; 32]),
            memory: None,
            folder: None,
            node: None,
            database: None,
        };
        match kind {
            Kind::Memory => {
                let memory = Arc::new(memory(has_default_destination));
                Bench { memory: Some(Arc::clone(&memory)), ..bench(memory) }
            }
            Kind::SqliteFile => {
                let folder = folder();
                let store = sqlite(&Place::File(folder.path().join("oncue.db")), has_default_destination);
                Bench { folder: Some(folder), ..bench(store) }
            }
            Kind::SqliteMemory => bench(sqlite(&Place::Memory, has_default_destination)),
            Kind::Postgres => {
                let database = Database::new();
                let node = Arc::new(database.node("bench", has_default_destination).await);
                Bench { node: Some(Arc::clone(&node)), database: Some(database), ..bench(node) }
            }
        }
    }

    /// A node of a database that somebody else looks after.
    pub(crate) fn of_node(node: Arc<Postgres>, ids: Ids) -> Bench {
        let store = Arc::clone(&node) as Arc<dyn Store>;
        Bench { kind: Kind::Postgres, store, ids, memory: None, folder: None, node: Some(node), database: None }
    }

    /// The same store, as a node of PostgreSQL.
    pub(crate) fn node(&self) -> &Postgres {
        self.node.as_ref().expect("this store is a node")
    }

    /// What a statement gives on PostgreSQL, past the store.
    pub(crate) fn sql(&self, statement: &str) -> String {
        self.database.as_ref().expect("a node has its database").sql(statement)
    }

    /// A node on a database that is there already.
    pub(crate) async fn on(database: Database, has_default_destination: bool) -> Bench {
        let node = Arc::new(database.node("bench", has_default_destination).await);
        Bench {
            kind: Kind::Postgres,
            store: Arc::clone(&node) as Arc<dyn Store>,
            ids: Ids::from_seed([2; 32]),
            memory: None,
            folder: None,
            node: Some(node),
            database: Some(database),
        }
    }

    /// The server on the file ends, and leaves it to whoever comes.
    pub(crate) fn leave_file(&mut self) -> PathBuf {
        self.store = Arc::new(Memory::new(false));
        self.path()
    }

    /// Where the database file is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.as_ref().expect("this store is in a file").path().join("oncue.db")
    }

    /// The server ends, and a new one opens the same store.
    pub(crate) async fn reopen(self) -> Bench {
        self.reopen_with(true).await
    }

    /// The same, with or without a default destination.
    pub(crate) async fn reopen_with(mut self, has_default_destination: bool) -> Bench {
        match self.kind {
            Kind::Memory => {
                let memory = self.memory.as_ref().expect("the store is the reference model");
                memory.restart();
            }
            Kind::SqliteFile => {
                let place = Place::File(self.path());
                // Nobody else may have it open.
                self.store = Arc::new(Memory::new(has_default_destination));
                self.store = sqlite(&place, has_default_destination);
            }
            Kind::SqliteMemory => panic!("what is in memory goes with its server"),
            Kind::Postgres => {
                let former = self.node.take().expect("the store is a node");
                former.close().await;
                let database = self.database.as_ref().expect("a node has its database");
                let node = Arc::new(database.node("bench", has_default_destination).await);
                self.node = Some(Arc::clone(&node));
                self.store = node;
            }
        }
        self
    }

    /// A user by that name, registered.
    pub(crate) async fn user(&self, name: &str) -> UserId {
        let email = format!("{name}@example.com");
        let new = NewUser { email, password_hash: "hash".to_owned() };
        match self.store.register(new, Registration::Open, t(0)).await.expect("a store that answers") {
            Registered::Done(user) => user.id,
            other => panic!("nobody stands against {name}, yet {other:?}"),
        }
    }

    /// A message id.
    pub(crate) fn message(&self) -> MessageId {
        self.ids.message(t(0))
    }

    /// A trigger made at `t(0)` that waits for its first occurrence.
    pub(crate) async fn trigger(&self, owner: UserId, definition: Definition) -> Trigger {
        let next_at = definition.next_after(t(0));
        let new = NewTrigger { owner, definition, next_at, test_event: None };
        self.make(new, t(0)).await.trigger
    }

    /// A destination, made at `t(0)`.
    pub(crate) async fn destination(&self, owner: UserId, name: &str) -> Destination {
        let made = self.store.create_destination(owner, destination(name), t(0)).await.expect("a store that answers");
        made.expect("there is room for another")
    }

    /// A trigger that is made as is said.
    pub(crate) async fn make(&self, new: NewTrigger, now: Timestamp) -> Armed {
        let made = self.store.create_trigger(new, now).await.expect("a store that answers");
        made.expect("it names no destination that is not there")
    }

    /// The owner's trigger, which is there.
    pub(crate) async fn get(&self, owner: UserId, id: TriggerId) -> Armed {
        self.store.trigger(owner, id).await.expect("a store that answers").expect("the trigger is there")
    }

    /// An event by a call, at `now`.
    pub(crate) async fn fire(&self, owner: UserId, id: TriggerId, payload: Option<&str>, now: Timestamp) -> EventId {
        match self.store.fire(owner, id, self.call(Origin::Api, payload), now).await.expect("a store that answers") {
            Fired::Event(id) => id,
            other => panic!("the trigger may be fired, yet {other:?}"),
        }
    }

    /// A call.
    pub(crate) fn call(&self, origin: Origin, payload: Option<&str>) -> Call {
        let payload = payload.map(|text| Payload::parse(text).expect("a test writes its JSON well"));
        Call { origin, payload, checked: None, message_id: self.message() }
    }

    /// All the owner's events, oldest first.
    pub(crate) async fn events(&self, owner: UserId) -> Vec<Event> {
        let page = EventPage::OldestFirst(None);
        self.store.events(owner, EventFilter::default(), page, 1000).await.expect("a store that answers")
    }

    /// The plan for the trigger as it stands at `now`, with nobody ever away.
    pub(crate) async fn planned(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Planned {
        let armed = self.get(owner, id).await;
        let next_at = armed.next_at.expect("the trigger waits for something");
        let plan = oncue_domain::plan::plan_of(&armed, now, &[]).expect("the trigger waits for something");
        let message_ids = plan.firings.iter().map(|_| self.message()).collect();
        Planned { trigger: Arc::new(armed.trigger), armed: next_at, plan, message_ids, edition: 0 }
    }

    /// What becomes of everything that may be claimed at `now`.
    pub(crate) async fn settle_all(&self, now: Timestamp, becomes: impl Fn(&Claim, Timestamp) -> Settlement) {
        let claims = self.claim_all(now).await;
        assert!(!claims.is_empty(), "something is owed");
        self.store.settle(claims.iter().map(|claim| becomes(claim, now)).collect()).await.expect("a settlement");
    }

    /// The trigger's next occurrence fires at `now`, late or not.
    pub(crate) async fn fire_due(&self, owner: UserId, id: TriggerId, now: Timestamp) -> EventId {
        let planned = self.planned(owner, id, now).await;
        assert_eq!(planned.plan.firings.len(), 1, "one occurrence is due");
        self.store.commit_plans(vec![planned], now).await.expect("a commit");
        self.events(owner).await.iter().map(|event| event.id).max().expect("it has fired")
    }

    /// Everything that may be claimed at `now`, in the order of events.
    pub(crate) async fn claim_all(&self, now: Timestamp) -> Vec<Claim> {
        claim_all(&*self.store, now).await
    }
}

/// Everything that may be claimed at `now`, in the order of events. One call need not give all of it.
pub(crate) async fn claim_all(store: &dyn Store, now: Timestamp) -> Vec<Claim> {
    let mut claims = Vec::new();
    loop {
        let more = store.claim_deliveries(now, 1000).await.expect("a store that answers");
        if more.is_empty() {
            break;
        }
        claims.extend(more);
    }
    claims.sort_by_key(|claim| (claim.event.id, claim.slot));
    claims
}

/// So many seconds into the year 2027.
pub(crate) fn t(seconds: i64) -> Timestamp {
    let start: Timestamp = "2027-01-01T00:00:00Z".parse().expect("an instant");
    start + SignedDuration::from_secs(seconds)
}

/// An API trigger.
pub(crate) fn api(name: &str) -> Definition {
    Definition {
        name: Some(name.to_owned()),
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
    }
}

/// A trigger on the grid of whole periods after `t(0)`.
pub(crate) fn every(period: &str) -> Definition {
    let period = Period::parse(period).expect("a test writes its periods well");
    let schedule = Schedule::Every { period, anchor: t(0), first: FirstFiring::OnePeriodLater };
    Definition { schedule: Some(ScheduleDetails::plain(schedule, None)), ..api("every") }
}

/// What somebody says about a destination.
pub(crate) fn destination(name: &str) -> destination::Definition {
    let said = serde_json::json!({"name": name, "kind": "webhook", "url": "https://example.com/"});
    destination::Definition::read(&said, None).expect("a test writes its destinations well")
}

/// An address.
pub(crate) fn webhook(url: &str) -> Webhook {
    Webhook::parse(url, None).expect("a test writes its addresses well")
}

/// The receiver answered `status` to the claim at `now`.
pub(crate) fn answered(claim: &Claim, status: u16, now: Timestamp) -> Settlement {
    let answer = Answer { status, headers: Vec::new(), body: b"answer".to_vec() };
    settled(claim, Ok(answer), 12, now)
}

/// The receiver answered 429 to the claim at `now`: it wants nothing for three seconds.
pub(crate) fn too_soon(claim: &Claim, now: Timestamp) -> Settlement {
    let headers = vec![("retry-after".to_owned(), "3".to_owned())];
    settled(claim, Ok(Answer { status: 429, headers, body: b"later".to_vec() }), 3, now)
}

/// The receiver answered 503 to the claim at `now`, for the last time.
pub(crate) fn given_up(claim: &Claim, now: Timestamp) -> Settlement {
    Settlement { verdict: Verdict::Failed, ..answered(claim, 503, now) }
}

/// The receiver did not answer the claim at `now`.
pub(crate) fn unanswered(claim: &Claim, now: Timestamp) -> Settlement {
    settled(claim, Err(Failure("nobody is there".to_owned())), 7, now)
}

fn settled(claim: &Claim, result: Result<Answer, Failure>, millis: u64, now: Timestamp) -> Settlement {
    let mut exchange = Exchange { result, took: std::time::Duration::from_millis(millis), facts: Facts::default() };
    let receipt = Some(Draft::of_request(&request(claim)).finish(claim, &mut exchange, now));
    let settlement = settle(claim.clone(), exchange, &Terms::standard(Retention::STANDARD.keep_for), now, now);
    Settlement { receipt, ..settlement }
}

/// What is sent: the first two attempts of a delivery the same, the next two something else.
pub(crate) fn request(claim: &Claim) -> Request {
    let message_id = claim.message_id().to_string();
    Request {
        method: Method::Post,
        url: Url::parse("https://example.com/hook").expect("an address"),
        body: format!("{message_id}, for the time {}", claim.tried / 2).into(),
        headers: vec![("webhook-id".into(), message_id), ("x-key".into(), "s3cr3t".to_owned())],
        trust: Trust::Guarded,
        timeout: None,
    }
}
