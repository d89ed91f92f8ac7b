//! What is owed and what was tried when a database is brought up to date that knew one delivery an event: it goes on as if
//! nothing had happened.

use jiff::Timestamp;
use oncue_domain::delivery::State;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::store::{DeliveryView, Store, TargetKind, Undelivered, UndeliveredFilter};
use oncue_domain::trigger::Definition;
use oncue_store::sqlite::{Place, Role, Sqlite};

use super::as_first_version;
use crate::bench::{Bench, Kind, answered, api, claim_all, given_up, settings, t, webhook};
use crate::database::Database;

/// Makes of an up-to-date database on PostgreSQL what the first version would have made of it.
const BACK: &str = "
    ALTER TABLE outbox ADD COLUMN is_default BOOLEAN NOT NULL DEFAULT FALSE;
    UPDATE outbox SET is_default = TRUE WHERE destination = -1;
    DROP INDEX outbox_waiting, outbox_held;
    ALTER TABLE expired DROP COLUMN looked_until;
    ALTER TABLE outbox DROP CONSTRAINT outbox_pkey, DROP COLUMN slot, DROP COLUMN destination, DROP COLUMN deliveries,
        DROP COLUMN is_parked, ADD PRIMARY KEY (event_id), ALTER COLUMN is_default DROP DEFAULT;
    ALTER TABLE attempts ADD COLUMN is_default BOOLEAN NOT NULL DEFAULT FALSE;
    UPDATE attempts SET is_default = TRUE WHERE destination = -1;
    ALTER TABLE attempts DROP CONSTRAINT attempts_pkey, DROP COLUMN slot, DROP COLUMN destination, DROP COLUMN receipt, DROP COLUMN body,
        ADD PRIMARY KEY (event_id, number, fired_at), ALTER COLUMN is_default DROP DEFAULT;
    DROP TABLE destinations, trigger_destinations, turns, undelivered, arrivals, streaks, idempotency, former_triggers, acts, backlogs,
        runs, zone_data, retention, freezes, freezing, calendars, trigger_calendars, skipped_counts;
    DROP INDEX triggers_by_owner, triggers_that_go;
    ALTER TABLE triggers DROP COLUMN destinations, DROP COLUMN made_by, DROP COLUMN revised_at, DROP COLUMN payload_schema,
        DROP COLUMN pause_reason, DROP COLUMN pause_until, DROP COLUMN pause_told, DROP COLUMN expects, DROP COLUMN overlap,
        DROP COLUMN expiry_told;
    DROP INDEX cursors_due, cursors_waiting;
    ALTER TABLE cursors DROP COLUMN waits, DROP COLUMN waited_until;
    CREATE INDEX cursors_due ON cursors (next_at);
    CREATE INDEX triggers_by_owner ON triggers (owner, id) INCLUDE (enabled, is_test, expires_at, is_api);
    ALTER TABLE outbox DROP COLUMN ladder_from, DROP COLUMN has_arrived, DROP COLUMN counted, DROP COLUMN in_order,
        DROP COLUMN overlap_of;
    ALTER TABLE events DROP COLUMN parent, DROP COLUMN due_at;
    ALTER TABLE firings DROP COLUMN due_at;
    DROP SEQUENCE redeliveries;
    DROP TABLE limits;
    DROP INDEX skipped_by_last;
    DELETE FROM migrations WHERE version > 1;";

/// Eight events, to an address and to the default: delivered, to be tried again, given up, and held.
async fn fill(bench: &Bench) -> (UserId, Vec<EventId>) {
    let owner = bench.user("a").await;
    let own = Definition { webhook: Some(webhook("https://example.com/hook")), ..api("own") };
    let mut events = Vec::new();
    for definition in [own, api("default")] {
        let id = bench.trigger(owner, definition).await.id;
        for _ in 0..4 {
            events.push(bench.fire(owner, id, None, t(1)).await);
        }
    }
    let claims = bench.claim_all(t(1)).await;
    let settlements = claims.iter().enumerate().filter_map(|(number, claim)| match number % 4 {
        0 => Some(answered(claim, 200, t(2))),
        1 => Some(answered(claim, 500, t(2))),
        2 => Some(given_up(claim, t(2))),
        _ => None,
    });
    bench.store.settle(settlements.collect()).await.expect("a settlement");
    (owner, events)
}

/// What is shown of deliveries, those that somebody held already let go.
async fn shown(store: &dyn Store, owner: UserId, events: &[EventId]) -> Vec<DeliveryView> {
    let mut views = Vec::new();
    for event in events {
        let (_, deliveries) = store.event(owner, *event, t(0)).await.expect("an answer").expect("it is there");
        views.extend(deliveries.into_iter().map(|view| match view.state {
            State::Held => DeliveryView { state: State::Pending(Timestamp::UNIX_EPOCH), ..view },
            _ => view,
        }));
    }
    views
}

/// What was given up. The former version did not keep when; it is taken for the end of the last attempt.
async fn undelivered(store: &dyn Store, owner: UserId) -> Vec<Undelivered> {
    let mut all = store.undelivered(owner, UndeliveredFilter::default(), t(0), None, 10).await.expect("a list");
    for one in &mut all {
        assert!((t(2)..t(3)).contains(&one.place.failed_at), "{one:?}");
        one.place.failed_at = t(2);
    }
    all
}

/// What is owed comes to its end: of each sort two.
async fn goes_on(store: &dyn Store, owner: UserId, events: &[EventId]) {
    let claims = claim_all(store, t(100)).await;
    assert_eq!(claims.len(), 4, "two were held, and two are to be tried again");
    assert!(claims.iter().all(|claim| (claim.slot, claim.deliveries) == (0, 1)));
    store.settle(claims.iter().map(|claim| answered(claim, 200, t(100))).collect()).await.expect("a settlement");
    let states: Vec<State> = shown(store, owner, events).await.into_iter().map(|view| view.state).collect();
    let four = [State::Delivered, State::Delivered, State::Failed, State::Delivered];
    assert_eq!(states, [four, four].concat());
    assert_eq!(store.owed_counts().await.expect("an answer").owed, 0);
    // What was tried before receipts were kept has none; what is tried from now on has one, with the body that nobody kept before.
    for claim in claims {
        for number in 1..=claim.tried + 1 {
            let receipt = store.receipt(owner, claim.event.id, 0, number, t(0)).await.expect("an answer");
            let kept = receipt
                .is_some_and(|receipt| receipt.sent.is_none() || !receipt.sent.expect("it was sent").body.is_empty());
            assert_eq!(kept, number > claim.tried);
        }
    }
    let given_up = undelivered(store, owner).await;
    let targets: Vec<TargetKind> = given_up.iter().map(|one| one.target).collect();
    assert_eq!(targets, [TargetKind::Default, TargetKind::Webhook]);
}

#[tokio::test]
async fn what_is_owed_and_was_tried_goes_on_in_sqlite() {
    let bench = Bench::new(Kind::SqliteFile, true).await;
    let (owner, events) = fill(&bench).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("first.db");
    as_first_version(&bench, &path);
    let upgraded =
        Sqlite::open(&Place::File(path), Role::Server, settings(true)).expect("the first version's database");
    let expected = shown(&*bench.store, owner, &events).await;
    assert_eq!(expected.len(), 8);
    assert_eq!(shown(&upgraded, owner, &events).await, expected);
    assert_eq!(undelivered(&upgraded, owner).await, undelivered(&*bench.store, owner).await);
    goes_on(&upgraded, owner, &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_and_was_tried_goes_on_in_postgresql() {
    let bench = Bench::on(Database::new(), true).await;
    let (owner, events) = fill(&bench).await;
    let expected = shown(&*bench.store, owner, &events).await;
    let given_up = undelivered(&*bench.store, owner).await;
    let parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'attempts'::regclass";
    let before = bench.sql(parts);
    bench.node().close().await;
    bench.sql(BACK);
    let bench = bench.reopen().await;
    assert_eq!(bench.sql(parts), before, "all partitions went along");
    assert_eq!(shown(&*bench.store, owner, &events).await, expected);
    assert_eq!(undelivered(&*bench.store, owner).await, given_up);
    // A partition that is made later is like those that were there.
    let (trigger, later) = (bench.trigger(owner, api("later")).await.id, t(100_000));
    let event = bench.fire(owner, trigger, None, later).await;
    let claim = claim_all(&*bench.store, later).await.into_iter().find(|claim| claim.event.id == event);
    let settlement = answered(&claim.expect("it is owed"), 200, later);
    bench.store.settle(vec![settlement]).await.expect("a settlement");
    assert_eq!(shown(&*bench.store, owner, &[event]).await[0].state, State::Delivered);
}
