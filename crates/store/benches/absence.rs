//! What it costs that a trigger slept for long: ranges and not rows, so a year of minutes should cost what an hour does, to decide about and
//! to write down. SQLite only, in a file of its own, synced as a server's is; each trigger sleeps once, and is made beside the clock.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::id::{Ids, UserId};
use oncue_domain::node::Identity;
use oncue_domain::occurrence::Reason;
use oncue_domain::plan::{Absence, plan_of};
use oncue_domain::schedule::Schedule;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{NewTrigger, NewUser, Planned, Registered, Store};
use oncue_domain::trigger::{Armed, Definition, ScheduleDetails};
use oncue_store::Settings;
use oncue_store::sqlite::{Place, Role, Sqlite};
use tokio::runtime::Runtime;

/// What it slept for, and how many minutes those are.
const SLEPT: [(&str, i64); 3] = [("an hour", 60), ("a day", 24 * 60), ("365 days", 365 * 24 * 60)];

fn main() {
    let brief = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut criterion = brief.configure_from_args();
    let folder = tempfile::tempdir().expect("a folder for the database");
    let runtime = Runtime::new().expect("a runtime");
    let identity = Identity {
        name: "bench".to_owned(),
        version: "0.0.0".to_owned(),
        address: "127.0.0.1:8000".to_owned(),
        ..Identity::default()
    };
    let settings = Settings { zones: Arc::new(Zones::bundled()), has_default_destination: false, identity };
    let place = Place::File(folder.path().join("oncue.db"));
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&place, Role::Server, settings).expect("a database"));
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("an instant");
    let owner = runtime.block_on(user(&store, start));
    let ids = Ids::from_seed([1; 32]);

    for (name, minutes) in SLEPT {
        let now = start + SignedDuration::from_mins(minutes) + SignedDuration::from_secs(30);
        let absences = [Absence { from: start, to: now }];
        let slept = || runtime.block_on(trigger(&store, owner, start));
        let decide = |armed: Armed| {
            let plan = plan_of(&armed, now, &absences).expect("it waits for something");
            let message_ids = plan.firings.iter().map(|_| ids.message(now)).collect();
            let next_at = armed.next_at.expect("it waits for something");
            Planned { trigger: Arc::new(armed.trigger), armed: next_at, plan, message_ids, edition: 0 }
        };
        let write = |planned: Planned| {
            let committed = runtime.block_on(store.commit_plans(vec![planned], now)).expect("a store that answers");
            assert_eq!((committed.plans, committed.events), (1, 1), "the latest fires");
        };

        let one = slept();
        let id = one.trigger.id;
        let planned = decide(one.clone());
        let [skipped] = planned.plan.skipped[..] else { panic!("one record, and not {:?}", planned.plan.skipped) };
        assert_eq!((skipped.reason, skipped.count), (Reason::Missed, u64::try_from(minutes - 1).expect("many")));
        write(planned);
        let runs = runtime.block_on(store.skipped_counts(owner, Some(id), Timestamp::MIN, Timestamp::MAX));
        assert_eq!(runs.expect("a store that answers"), [skipped], "one row of the counts");

        let mut group = criterion.benchmark_group(format!("a minute's trigger slept for {name}"));
        let make = || one.clone();
        group.bench_function("decided", |bencher| {
            bencher.iter_batched(make, |armed| black_box(decide(armed)), BatchSize::SmallInput)
        });
        let make = || decide(slept());
        group.bench_function("written", |bencher| bencher.iter_batched(make, write, BatchSize::PerIteration));
        group.finish();
    }
    criterion.final_summary();
}

async fn user(store: &Arc<dyn Store>, now: Timestamp) -> UserId {
    let user = NewUser { email: "bench@example.com".to_owned(), password_hash: "hash".to_owned() };
    match store.register(user, Registration::Open, now).await.expect("a store that answers") {
        Registered::Done(user) => user.id,
        other => panic!("nobody stands against the user, yet {other:?}"),
    }
}

async fn trigger(store: &Arc<dyn Store>, owner: UserId, now: Timestamp) -> Armed {
    let expression = CronExpression::parse("* * * * *").expect("a bench writes its cron lines well");
    let schedule = ScheduleDetails::plain(Schedule::Cron { expression, zone: Zones::utc() }, None);
    let next_at = schedule.next_after(now);
    let definition = Definition {
        name: Some("bench".to_owned()),
        schedule: Some(schedule),
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
    let new = NewTrigger { owner, definition, next_at, test_event: None };
    store.create_trigger(new, now).await.expect("a store that answers").expect("it names no destination")
}
