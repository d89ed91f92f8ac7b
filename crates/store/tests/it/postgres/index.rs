//! How little of the database a statement looks at, whatever the planner believes of its tables: that they are as empty as when
//! it last looked, or what is true.

use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::agenda::Span;
use oncue_domain::audit::Asked;
use oncue_domain::destination::Wanted;
use oncue_domain::event::Retention;
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::overlap::Before;
use oncue_domain::redelivery::{DeliveryId, Refusal};
use oncue_domain::run::{Expectation, Run};
use oncue_domain::schedule::every::Period;
use oncue_domain::store::{EventFilter, EventPage, Store, UndeliveredFilter};
use oncue_store::postgres::Postgres;

use crate::bench::{destination, t, unanswered};
use crate::database::Database;

/// So many triggers, ten to an owner, and as much of everything else. The instants lie in one hour.
const ROWS: i64 = 6_000;

/// Whoever is asked for.
const OWNER: UserId = UserId(7);

const HOUR_US: i64 = 3_600_000_000;

/// When what waits for those before it is due, as the database says it: in the year 9999.
const QUEUED: i64 = 253_370_764_800_000_000;

/// Makes a row of everything for each number.
fn fill(database: &Database, from: i64, until: i64) {
    let (begins, hour) = (t(0).as_microsecond(), t(0).as_second() / 3600);
    let definition = destination("d").to_text();
    let expectation = Expectation::new(Period::parse("1h").expect("a period"), None, None).expect("it makes sense");
    let said = serde_json::to_string(&Run::expected(&expectation, t(0))).expect("JSON");
    let fired_at = format!("{begins} + n * {}", HOUR_US / 2 / ROWS);
    let tables = [
        ("users (email, email_key, password_hash, is_operator, created_at)", "n::text, n::text, '', FALSE, 0".to_owned()),
        ("sessions (id, user_id, created_at, expires_at)", format!("md5(n::text), n / 10, 0, {begins} * 2")),
        (
            "api_keys (owner, name, prefix, hash, scopes, created_at)",
            "n / 10, 'n', 'p', sha256(n::text::bytea), '', 0".to_owned(),
        ),
        (
            "triggers (owner, revision, schedule, payload, is_test, enabled, created_at, standing_since)",
            // One in ten goes when the time has come that it waits for.
            format!(
                "n / 10, 1, CASE WHEN n % 10 = 5
                                 THEN '{{\"once\":{{\"at\":' || {fired_at} || '}},\"terms\":{{\"zone\":\"UTC\",\"delete_when_done\":true}}}}'
                                 ELSE '{{\"once\":{{\"at\":0}}}}' END,
                 repeat('x', 200), FALSE, TRUE, 0, 0"
            ),
        ),
        ("cursors (trigger_id, next_at, revision, waits)", format!("n, {fired_at}, 1, n > {ROWS} - 100")),
        (
            "events (id, owner, trigger_id, revision, origin, scheduled_at, fired_at, message_id)",
            format!("n, n / 10, n, 1, 2, {fired_at}, {fired_at}, gen_random_uuid()"),
        ),
        (
            "attempts (event_id, slot, number, fired_at, destination, started_at, took_us, delivered)",
            format!("n, 0, 1, {fired_at}, -1, 0, 0, FALSE"),
        ),
        (
            "runs (event_id, owner, trigger_id, fired_at, due_at, said, overlap_of)",
            format!("n, n / 10, n, {fired_at}, CASE WHEN n % 2 = 0 THEN {fired_at} + {HOUR_US} END, '{said}', n"),
        ),
        ("failures (event_id, owner, trigger_id, fired_at)", format!("n, n / 10, n, {fired_at}")),
        (
            "skipped (owner, trigger_id, reason, first_at, last_at, count, recorded_at)",
            format!("n / 10, n, 'missed', {fired_at}, {fired_at}, 1, {fired_at}"),
        ),
        (
            "undelivered (event_id, slot, destination, owner, trigger_id, fired_at, failed_at)",
            format!("n, 0, -1, n / 10, n, {fired_at}, {fired_at}"),
        ),
        (
            "destinations (id, owner, revision, name, kind, definition, standing, since, created_at, in_order)",
            format!("n + 10, n / 10, 1, 'd', 'inbox', '{definition}', n % 2, 0, 0, n % 10 = 0"),
        ),
        ("streaks (destination_id, failures, since)", "n + 10, 3, 0".to_owned()),
        ("trigger_destinations (destination_id, trigger_id)", "n + 10, n".to_owned()),
        ("turns (destination_id, full_at)", "n + 10, 0".to_owned()),
        (
            "outbox (event_id, slot, destination, deliveries, fired_at, due_at, is_parked, tried, fence, overlap_of)",
            format!("n + {ROWS}, 0, -1, 1, {fired_at}, {fired_at}, FALSE, 0, 0, n"),
        ),
        // Ten stand in line at each tenth destination, the first of them for its next attempt.
        (
            "outbox (event_id, slot, destination, deliveries, fired_at, due_at, is_parked, tried, fence, in_order)",
            format!("n, 1, n / 10 * 10 + 10, 1, {fired_at}, {QUEUED} - (n % 10 = 0)::int, FALSE, 0, 0, TRUE"),
        ),
        (
            "counts (owner, trigger_id, hour, slot, fired, delivered, failed, skipped, late0, late1, late2, late3, late4,
                     ended_at, ended_event)",
            format!("n / 10, n, {hour}, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, {fired_at}, n"),
        ),
        (
            "firings (trigger_id, fired_at, event_id, origin, outcome, attempts)",
            format!("n, {fired_at} - {HOUR_US}, n + {ROWS}, 2, 'logged', 0"),
        ),
    ];
    for (columns, values) in tables {
        database.sql(&format!("INSERT INTO {columns} SELECT {values} FROM generate_series({from}, {until}) AS n"));
    }
}

/// Everything that somebody's pages ask for, once.
async fn ask(node: &Postgres) {
    let gone_until = t(-1);
    let ids: Vec<TriggerId> = (OWNER.0 * 10..OWNER.0 * 10 + 10).map(TriggerId).collect();
    assert_eq!(node.sessions(OWNER, t(1)).await.expect("sessions").len(), 10);
    assert_eq!(node.api_keys(OWNER).await.expect("keys").len(), 10);
    assert!(node.user_by_email("70").await.expect("a user").is_some());
    assert_eq!(node.trigger_heads(OWNER, 100).await.expect("heads").len(), 10);
    assert_eq!(node.soonest(OWNER, 5).await.expect("heads").len(), 5);
    let slice = node.inspect(Some(TriggerId(ids[0].0 - 1)), 10).await.expect("a slice");
    assert_eq!((slice.triggers.len() + slice.unreadable.len(), slice.go_on_after), (10, ids.last().copied()));
    let whose: Vec<_> = ids.iter().map(|id| (OWNER, *id)).collect();
    let before = node.events_before(whose.clone()).await.expect("answers");
    assert_eq!(before, [Before::UnderWay; 10]);
    let span = Span { from: t(0), until: t(60) };
    let asked: Vec<Asked> = ids.iter().map(|trigger| Asked { owner: OWNER, trigger: *trigger, span }).collect();
    assert_eq!(node.fired_within(asked.clone()).await.expect("answers"), [true; 10]);
    let silent = asked.iter().map(|asked| Asked { trigger: TriggerId(asked.trigger.0 + ROWS), ..*asked }).collect();
    assert_eq!(node.fired_within(silent).await.expect("answers"), [false; 10]);
    assert_eq!(node.accounts(asked).await.expect("accounts").len(), 10);
    assert!(node.accounted_until(whose).await.expect("instants").iter().all(Option::is_some));
    let event = node.event(OWNER, EventId(ids[0].0), gone_until).await.expect("an answer").expect("an event");
    assert!(event.0.has_run);
    let events = ids.iter().map(|id| EventId(id.0)).collect();
    assert_eq!(node.runs(OWNER, events, gone_until).await.expect("runs").len(), 10);
    assert_eq!(node.latest_runs(OWNER, ids[0], gone_until, 5).await.expect("runs").len(), 1);
    let page = EventPage::NewestFirst(None);
    let listed = node.events(OWNER, EventFilter::default(), page, 10).await.expect("events");
    assert!(listed.iter().all(|event| event.has_run), "{listed:?}");
    let lapsed = node.lapse_runs(gone_until, gone_until, 10).await.expect("an answer");
    assert_eq!((lapsed.overdue, lapsed.next_at.is_some()), (0, true));
    let attention = node.attention(OWNER, gone_until, t(3600)).await.expect("an answer");
    assert_eq!((attention.tally.all, attention.overdue.len(), attention.failing.len()), (10, 10, 10));
    let counts = node.hour_counts(OWNER, Some(ids[0]), Timestamp::MIN, Timestamp::MAX).await.expect("counts");
    assert_eq!(counts.len(), 1);
    let recent = node.recent_firings(OWNER, ids.clone(), gone_until, 20).await.expect("firings");
    assert!(recent.iter().all(|of| of.firings.len() == 2), "{recent:?}");
    for (wanted, found) in
        [(Wanted::All, 10), (Wanted::Stopped, 5), (Wanted::These(vec![DestinationId(ids[0].0 + 10)]), 1)]
    {
        assert_eq!(node.destination_heads(OWNER, wanted).await.expect("heads").len(), found);
    }
    let gone = node.gone_firing(OWNER, EventId(ids[0].0 + ROWS), gone_until).await.expect("a firing");
    assert_eq!(gone.map(|(trigger, _)| trigger), Some(ids[0]));
    let all = Span { from: Timestamp::MIN, until: Timestamp::MAX };
    let ledger = node.ledger(OWNER, ids[0], all, gone_until, 100).await.expect("an answer").expect("a ledger");
    assert_eq!((ledger.firings.len(), ledger.skipped.len()), (1, 1));
    let by_trigger = UndeliveredFilter { trigger: Some(ids[0]), ..UndeliveredFilter::default() };
    for (filter, count) in [(UndeliveredFilter::default(), 10), (by_trigger, 1)] {
        assert_eq!(node.undelivered(OWNER, filter, gone_until, None, 100).await.expect("a list").len(), count);
        let counted = node.count_undelivered(OWNER, filter, gone_until, 100).await.expect("a count");
        assert_eq!(counted, count as u64);
    }
    let deliveries = ids.iter().map(|id| DeliveryId { event: EventId(id.0), slot: 0 }).collect();
    let late = t(48 * 3600 - 1);
    let outcomes = node.redeliver(OWNER, deliveries, Retention::STANDARD, late).await.expect("an answer");
    assert!(outcomes[0] == Err(Refusal::Ending), "all was looked at, and nothing changed: {outcomes:?}");
}

/// What goes in order is claimed and settled, at a destination that is failing.
async fn deliver_in_order(database: &Database, node: &Postgres) {
    let streaks = node.streaks(OWNER).await.expect("streaks");
    assert_eq!(streaks.len(), 10);
    let first = OWNER.0 * 10;
    database.sql(&format!("UPDATE outbox SET due_at = 0 WHERE event_id = {first} AND slot = 1"));
    // Before anything else is due.
    let before = t(-1);
    let claims = node.claim_deliveries(before, 100).await.expect("claims");
    let claimed: Vec<(EventId, u32)> = claims.iter().map(|claim| (claim.event.id, claim.slot)).collect();
    assert_eq!(claimed, [(EventId(first), 1)], "the first in line");
    node.settle(vec![unanswered(&claims[0], before)]).await.expect("a settlement");
    let after = node.streaks(OWNER).await.expect("streaks");
    assert_eq!(after[0].1.failures, streaks[0].1.failures + 1);
    assert_eq!(node.next_owed().await.expect("an answer").map(|due| due < t(0)), Some(false));
}

/// Waits until nobody is there any more: what was read is counted when a session ends.
async fn leave(database: &Database, node: Arc<Postgres>) {
    node.close().await;
    drop(node);
    let others = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while database.sql(others) != "0" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_show_is_found_by_indexes_whatever_the_planner_believes() {
    let database = Database::new();
    let node = Arc::new(database.node("bench", true).await);
    // A call makes the partitions of its instant.
    let user = node.local_user(t(0)).await.expect("a user");
    let call = crate::bench::api("first");
    let message = oncue_domain::id::Ids::from_seed([1; 32]).message(t(0));
    node.fire_unkept(user.id, call.into(), message, t(0)).await.expect("an answer").expect("an event");
    leave(&database, node).await;
    let tables = database.sql("SELECT format('DELETE FROM %I;', relname) FROM pg_class
                               WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND NOT relispartition
                                 AND relname IN ('users', 'events', 'attempts', 'outbox', 'revisions')");
    database.sql(&format!("{tables} ALTER SEQUENCE users_id_seq RESTART"));
    fill(&database, 1, 3);
    // From here on it looks when it is told to.
    let tables = database.sql(
        "SELECT format('ALTER TABLE %I SET (autovacuum_enabled = FALSE);', relname) FROM pg_class
                               WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    );
    database.sql(&tables);
    database.sql("ANALYZE");
    fill(&database, 4, ROWS);
    database.sql("SELECT setval('event_ids', (SELECT max(id) FROM events))");
    for belief in ["that there are three rows", "what is true"] {
        database.sql("SELECT pg_stat_reset()");
        let node = Arc::new(database.node("bench", true).await);
        ask(&node).await;
        deliver_in_order(&database, &node).await;
        leave(&database, node).await;
        let walked = "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE seq_tup_read > 1000";
        assert_eq!(database.sql(walked), "", "tables that were walked over while the planner believed {belief}");
        let found = "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'triggers_that_go'";
        assert_eq!(database.sql(found), "t", "how those that go are found while the planner believes {belief}");
        database.sql("ANALYZE");
    }
}
