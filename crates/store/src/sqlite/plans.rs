//! How SQLite goes about what pages ask for: no statement may walk over a whole table, sort what an index has in order, or
//! cost more because more lies beyond the page. SQLite counts its own steps, so no clock is needed to see it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use oncue_domain::agenda::Span;
use oncue_domain::count::COUNTS_KEPT;
use oncue_domain::destination::{Standing, Wanted};
use oncue_domain::event::Origin;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::node::Identity;
use oncue_domain::run::{Expectation, Run};
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{
    EventFilter, EventPage, EventPlace, EventSearch, Result, UndeliveredFilter, UndeliveredPlace,
};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};

use super::connect::prepare;
use super::presence::Presence;
use super::writer::Effects;
use super::*;
use crate::codec::run_to_text;
use crate::told::Told;

/// Half of the triggers are this one's.
const OWNER: UserId = UserId(1);

/// One of them.
const TRIGGER: TriggerId = TriggerId(3);

const TRIGGERS: usize = 40;

/// And one that has no events: whoever looks for them among those of others looks at all of these.
const NEVER_FIRED: TriggerId = TriggerId(TRIGGERS as i64 + 1);

/// What sorts because no index has its order, or walks over a table that only ever has a few rows.
const EXCEPTIONS: [&str; 8] = [
    "FROM sqlite_sequence",
    "FROM uncounted LIMIT 1",
    "ORDER BY cursors.next_at, cursors.trigger_id",
    "ORDER BY created_at DESC, id DESC",
    "ORDER BY 2, 6",
    "FROM former_triggers WHERE id = ?1 AND owner = ?2 AND revision",
    "ORDER BY first_at, last_at",
    "GROUP BY standing",
];

/// What a statement did.
#[derive(Clone, Copy, Default)]
struct Cost {
    walked: i32,
    sorted: i32,
    steps: i32,
}

type Costs = Arc<Mutex<BTreeMap<String, Cost>>>;

struct Traced {
    connection: Connection,
    costs: Costs,
    shared: Shared,
}

fn minute(number: usize) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * i64::try_from(number).expect("few")).expect("in range")
}

impl Traced {
    /// A database with an event a minute, from each trigger in turn.
    fn with_events(events: usize) -> Traced {
        let mut connection = Connection::open_in_memory().expect("memory is there");
        prepare(&connection).expect("a new database can be prepared");
        migrate::run(&mut connection, Role::Server).expect("a new database can be migrated");
        let expectation = Expectation::new(Period::parse("1h").expect("a period"), None, None).expect("it makes sense");
        let said = run_to_text(&Run::expected(&expectation, minute(0)));
        let fill = format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {TRIGGERS})
             INSERT INTO triggers (owner, revision, name, payload, is_test, enabled, created_at, standing_since)
             SELECT 1 + (n + 1) % 2, 1, 'trigger ' || n, '[1]', 0, 1, 0, 0 FROM n;
             INSERT INTO cursors SELECT id, 1800000000000000 + id, 1, id % 8 = 1, NULL FROM triggers;
             INSERT INTO limits SELECT id, 1, 1800000000000000 FROM triggers WHERE id % 5 = 0;
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {events})
             INSERT INTO events (owner, trigger_id, revision, origin, fired_at, message_id)
             SELECT 1 + (n % {TRIGGERS}) % 2, 1 + n % {TRIGGERS}, 1, 2, 1800000000000000 + n * 60000000, zeroblob(16) FROM n;
             UPDATE events SET scheduled_at = fired_at WHERE trigger_id = 3;
             INSERT INTO skipped (owner, trigger_id, reason, first_at, last_at, count, recorded_at)
             SELECT owner, 3, 'missed', fired_at, fired_at + 10, 2, fired_at + 20 FROM events WHERE id % 10 = 0;
             INSERT INTO outbox SELECT id, 0, -1, 1, fired_at, 0, 0, 0, 0, 0, 0, 0, 0, NULL FROM events WHERE id % 7 = 0;
             INSERT INTO receipts SELECT id, x'010000000000000000', x'7b7d' FROM events;
             INSERT INTO attempts SELECT id, 0, 1, -1, fired_at, 10, 200, NULL, NULL, id % 7 <> 1, id FROM events WHERE id % 7 <> 0;
             INSERT INTO failures SELECT id, owner, trigger_id, fired_at FROM events WHERE id % 7 = 1;
             INSERT INTO undelivered SELECT id, 0, -1, owner, trigger_id, fired_at, fired_at, NULL FROM events WHERE id % 7 = 1;
             INSERT INTO destinations (owner, revision, name, kind, definition, standing, created_at)
             SELECT owner, 1, 'd', 'inbox', '{{\"name\":\"d\",\"kind\":\"inbox\"}}', 0, 0 FROM triggers;
             INSERT INTO outbox SELECT id, 1, 5, 2, 253370764800000000, 0, 0, 0, 0, 0, 0, 0, 1, trigger_id FROM events WHERE id % 3 = 0 AND id % 7 <> 1;
             INSERT INTO streaks SELECT id, 1, 0, NULL, NULL FROM destinations;
             INSERT INTO trigger_destinations SELECT 1 + id % 3, id FROM triggers;
             INSERT INTO turns SELECT id, 0 FROM destinations;
             INSERT INTO counts
             SELECT fired_at / 3600000000, owner, trigger_id, count(*), count(*), 0, 0, 0, 0, 0, 0, 0, max(fired_at), max(id)
             FROM events GROUP BY 1, 2, 3;
             INSERT INTO firings (trigger_id, fired_at, event_id, origin, scheduled_at, outcome, attempts, took_us)
             SELECT trigger_id, fired_at - 86400000000, -id, origin, NULL, 'delivered', 1, 10 FROM events WHERE id <= 400;
             INSERT INTO runs
             SELECT id, owner, trigger_id, fired_at, iif(id % 2 = 0, fired_at + 3600000000, NULL), '{said}', trigger_id FROM events;
             UPDATE triggers SET revision = {events} / 10 + 1 WHERE id = 5;
             INSERT INTO revisions (trigger_id, revision, kind, name, ended_at) VALUES (5, 1, 'api', 'trigger 5', 1900000000000000);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {events} / 10)
             INSERT INTO former_triggers (id, owner, revision, is_test, enabled, created_at, standing_since, until_at, bytes_up_to)
             SELECT 5, 1, n, 0, 1, 0, 0, 1800000000000000 + (n - 3) * 60000000, iif(n < {events} / 10 - 99, 1000000000 + n * 2000, NULL) FROM n;
             INSERT INTO sessions SELECT 'session ' || id, 1 + id % 9, id, 1900000000000000 + id, '' FROM triggers;"
        );
        connection.execute_batch(&fill).expect("rows");
        let costs = Costs::default();
        let noted = Arc::clone(&costs);
        connection
            .trace_v2(
                TraceEventCodes::SQLITE_TRACE_PROFILE,
                Some(move |event: TraceEvent<'_>| {
                    let TraceEvent::Profile(statement, _) = event else { return };
                    let cost = Cost {
                        walked: statement.get_status(StatementStatus::FullscanStep),
                        sorted: statement.get_status(StatementStatus::Sort)
                            + statement.get_status(StatementStatus::AutoIndex),
                        steps: statement.get_status(StatementStatus::VmStep),
                    };
                    lock(&noted).insert(statement.sql().into_owned(), cost);
                }),
            )
            .expect("a trace");
        let settings = Settings {
            zones: Arc::new(Zones::bundled()),
            has_default_destination: true,
            identity: Identity::default(),
        };
        let shared = Shared {
            settings,
            presence: Presence::in_memory(),
            fresh: Mutex::new(VecDeque::new()),
            parsed: Mutex::default(),
            told: Told::default(),
            cron_lines: CronLines::default(),
            swept_to: Mutex::new(overlap::FROM_THE_FIRST),
            listeners: Mutex::default(),
        };
        Traced { connection, costs, shared }
    }

    /// How many steps it takes, of which none is wasted.
    fn steps<T>(&self, name: &str, read: impl FnOnce(&Connection, &Shared) -> Result<T>) -> i32 {
        // A statement counts from when it was made.
        self.connection.flush_prepared_statement_cache();
        lock(&self.costs).clear();
        read(&self.connection, &self.shared).expect("an answer");
        let costs = std::mem::take(&mut *lock(&self.costs));
        assert!(!costs.is_empty(), "{name}: nothing was asked");
        for (sql, cost) in &costs {
            if !EXCEPTIONS.iter().any(|exception| sql.contains(exception)) {
                assert_eq!((cost.walked, cost.sorted), (0, 0), "{name}: {sql}");
            }
        }
        costs.values().map(|cost| cost.steps).sum()
    }
}

type Read = Box<dyn Fn(&Connection, &Shared) -> Result<()>>;

/// Everything that pages ask for, from the middle of what a database of `events` holds.
fn reads(events: usize) -> Vec<(String, Read)> {
    let middle = minute(events / 2);
    let mut reads: Vec<(String, Read)> = Vec::new();
    let mut add = |name: String, read: Read| reads.push((name, read));
    for trigger in [None, Some(TRIGGER)] {
        for span in [None, Some(middle)] {
            let filter = EventFilter { trigger, fired_after: span.map(|_| minute(3)), fired_until: span };
            let all = EventSearch { filter, ..EventSearch::default() };
            let mut searches = vec![all.clone()];
            searches.extend(Outcome::ALL[..3].iter().map(|of| EventSearch { outcome: Some(*of), ..all.clone() }));
            searches.push(EventSearch { origin: Some(Origin::Api), text: Some("TRIGGER".to_owned()), ..all.clone() });
            searches.push(EventSearch { outcome: Some(Outcome::Failed), text: Some("1".to_owned()), ..all });
            for what in searches {
                let place = span.map(|fired_at| EventPlace { fired_at, id: EventId(1) });
                for page in [
                    EventPage::NewestFirst(place),
                    EventPage::OldestFirst(place.map(|place| EventPlace { fired_at: minute(5), ..place })),
                ] {
                    let (name, what) = (format!("{what:?} {page:?}"), what.clone());
                    add(name, Box::new(move |c, _| search::event_lines(c, OWNER, &what, page, 3).map(drop)));
                }
                let (name, what) = (format!("{what:?} as logged"), what.clone());
                let after = EventId(i64::try_from(events).expect("few") - 100);
                add(name, Box::new(move |c, _| search::events_logged_after(c, OWNER, &what, after, 50).map(drop)));
            }
            add(format!("count {filter:?}"), Box::new(move |c, _| search::count(c, OWNER, &[filter], 15).map(drop)));
        }
        add(
            format!("skipped runs {trigger:?}"),
            Box::new(move |c, _| count::skipped_counts(c, OWNER, trigger, middle, middle + COUNTS_KEPT).map(drop)),
        );
        add(
            format!("hours {trigger:?}"),
            Box::new(move |c, _| {
                count::hour_counts(
                    c,
                    OWNER,
                    trigger,
                    middle,
                    middle + COUNTS_KEPT.min(jiff::SignedDuration::from_hours(4)),
                )
                .map(drop)
            }),
        );
    }
    for trigger in [None, Some(TRIGGER), Some(NEVER_FIRED)] {
        let filter = EventFilter { trigger, ..EventFilter::default() };
        for page in [EventPage::NewestFirst(None), EventPage::OldestFirst(None)] {
            let name = format!("list {filter:?} {page:?}");
            add(name, Box::new(move |c, _| event::list(c, OWNER, filter, page, 10).map(drop)));
        }
    }
    let old = minute(events - 100);
    add(
        "recent firings".to_owned(),
        Box::new(move |c, _| firing::recent(c, OWNER, &[TRIGGER, TriggerId(5)], old, 20).map(drop)),
    );
    add("gone firing".to_owned(), Box::new(move |c, _| firing::gone_firing(c, OWNER, EventId(-2), old).map(drop)));
    add(
        "gone firing that is kept".to_owned(),
        Box::new(move |c, _| firing::gone_firing(c, OWNER, EventId(2), old).map(drop)),
    );
    let span = Span { from: minute(events - 80), until: minute(events) };
    add("ledger".to_owned(), Box::new(move |c, _| ledger::read(c, OWNER, TRIGGER, span, minute(0), 10).map(drop)));
    let ids = [EventId(3), EventId(7), EventId(11)];
    add("runs".to_owned(), Box::new(move |c, _| run::of_events(c, OWNER, &ids, minute(0)).map(drop)));
    add("latest runs".to_owned(), Box::new(move |c, _| run::latest(c, OWNER, TRIGGER, minute(0), 5).map(drop)));
    add("ends".to_owned(), Box::new(move |c, _| ending::has_any(c, minute(0)).map(drop)));
    add("ends told".to_owned(), Box::new(move |c, shared| ending::note(c, shared, minute(0), 10).map(drop)));
    add("next run due".to_owned(), Box::new(|c, _| run::next_due(c).map(drop)));
    add(
        "overdue runs".to_owned(),
        Box::new(|c, shared| run::lapse(c, &mut Effects::default(), shared, minute(0), minute(70), 3).map(drop)),
    );
    add("heads".to_owned(), Box::new(|c, shared| head::list(c, shared, OWNER, 10).map(drop)));
    add("soonest".to_owned(), Box::new(|c, shared| head::soonest(c, shared, OWNER, 5).map(drop)));
    add("owner of".to_owned(), Box::new(|c, _| trigger::owner_of(c, TRIGGER).map(drop)));
    add("inspect".to_owned(), Box::new(|c, shared| audit::inspect(c, shared, Some(TriggerId(3)), 20).map(drop)));
    add(
        "accounted until".to_owned(),
        Box::new(|c, _| audit::accounted_until(c, &[(OWNER, TRIGGER), (OWNER, TriggerId(5))]).map(drop)),
    );
    // It is asked about the last minutes: however much lies before them.
    let last = Span { from: minute(19_990), until: minute(20_000) };
    let asked = Asked { owner: OWNER, trigger: TRIGGER, span: last };
    add("accounts".to_owned(), Box::new(move |c, _| audit::accounts(c, &[asked]).map(drop)));
    let all = [TRIGGER, NEVER_FIRED].map(|trigger| Asked { trigger, ..asked });
    add("fired within".to_owned(), Box::new(move |c, _| audit::fired_within(c, &all).map(drop)));
    let now = minute(events);
    add("attention".to_owned(), Box::new(move |c, shared| head::attention(c, shared, OWNER, old, now).map(drop)));
    add("sessions".to_owned(), Box::new(|c, _| access::sessions(c, OWNER, Timestamp::UNIX_EPOCH).map(drop)));
    add(
        "end other sessions".to_owned(),
        Box::new(|c, _| access::end_other_sessions(c, UserId(2), "session 1").map(drop)),
    );
    add(
        "delete a trigger".to_owned(),
        Box::new(move |c, shared| {
            let of = (OWNER, TriggerId(7));
            trigger::delete((c, shared), &mut Effects::default(), of, None, &Actor::SYSTEM, now).map(drop)
        }),
    );
    let edited = TriggerId(5);
    let revisions = i64::try_from(events / 10).expect("few");
    for before in [revisions + 2, revisions - 50, 10] {
        add(
            format!("revisions before {before}"),
            Box::new(move |c, shared| revision::list(c, shared, (OWNER, edited), Some(before), 5).map(drop)),
        );
    }
    add("revision".to_owned(), Box::new(move |c, shared| revision::get(c, shared, (OWNER, edited), 9).map(drop)));
    add("whether it was deleted".to_owned(), Box::new(move |c, _| revision::is_deleted(c, OWNER, edited).map(drop)));
    add("keep a revision".to_owned(), Box::new(move |c, _| revision::keep(c, edited, revisions + 1, now)));
    add(
        "expire revisions".to_owned(),
        Box::new(move |c, shared| {
            retention::expire(c, &mut Effects::default(), shared, minute(0), minute(0), 20).map(drop)
        }),
    );
    add(
        "a deleted trigger".to_owned(),
        Box::new(move |c, shared| revision::deleted(c, shared, (OWNER, TriggerId(7)), minute(0)).map(drop)),
    );
    add(
        "forget deleted triggers".to_owned(),
        Box::new(move |c, _| revision::expire_deleted(c, minute(0), 10).map(drop)),
    );
    add("receipt".to_owned(), Box::new(move |c, _| receipt::get(c, OWNER, (EventId(1), 0), 1, minute(0)).map(drop)));
    let (place, id) = (UndeliveredPlace { failed_at: middle, event: EventId(1), slot: 0 }, DestinationId(2));
    let filters = [(None, None), (None, Some(TRIGGER)), (Some(DestinationId(-1)), None)];
    for filter in filters.map(|(destination, trigger)| UndeliveredFilter { destination, trigger, ..Default::default() })
    {
        for failed_until in [None, Some(middle)] {
            let filter = UndeliveredFilter { failed_until, ..filter };
            for after in [None, Some(place)] {
                let name = format!("undelivered {filter:?} {after:?}");
                add(name, Box::new(move |c, _| view::undelivered(c, OWNER, &filter, minute(5), after, 10).map(drop)));
            }
            let name = format!("count undelivered {filter:?}");
            add(name, Box::new(move |c, _| view::count_undelivered(c, OWNER, &filter, minute(5), 15).map(drop)));
        }
    }
    for wanted in [Wanted::All, Wanted::Stopped, Wanted::These(vec![id])] {
        let name = format!("destination heads {wanted:?}");
        add(name, Box::new(move |c, _| destination::heads(c, OWNER, &wanted).map(drop)));
    }
    let again = [1, 3, 4].map(|event| DeliveryId { event: EventId(event), slot: 0 });
    add(
        "redeliver".to_owned(),
        Box::new(move |c, shared| {
            let effects = &mut Effects::default();
            redelivery::redeliver(c, effects, shared, OWNER, &again, Retention::STANDARD, minute(10)).map(drop)
        }),
    );
    add("streaks".to_owned(), Box::new(|c, _| streak::list(c, OWNER).map(drop)));
    add(
        "call up the first in line".to_owned(),
        Box::new(move |c, _| order::call_up(c, DestinationId(5), now).map(drop)),
    );
    add("call up all that are first".to_owned(), Box::new(move |c, _| order::call_up_all(c, now)));
    add(
        "events before".to_owned(),
        Box::new(|c, _| overlap::events_before(c, &[(OWNER, TRIGGER), (OWNER, NEVER_FIRED)]).map(drop)),
    );
    add(
        "call up a trigger".to_owned(),
        Box::new(move |c, _| overlap::call_up(c, &mut Effects::default(), Some(TRIGGER.0), now)),
    );
    add(
        "call up all triggers that wait".to_owned(),
        Box::new(move |c, _| overlap::sweep(c, &mut Effects::default(), overlap::FROM_THE_FIRST, now).map(drop)),
    );
    add(
        "claim the first in line".to_owned(),
        Box::new(move |c, _| {
            let due = order::Due { destination: 5, event: 3, slot: 1 };
            order::claim(c, &[due], now, now).map(drop)
        }),
    );
    add("destinations".to_owned(), Box::new(|c, _| destination::list(c, OWNER, None, 10).map(drop)));
    add("destinations to send to".to_owned(), Box::new(move |c, _| destination::to_send_to(c, &[id]).map(drop)));
    add(
        "delete a destination in use".to_owned(),
        Box::new(move |c, _| destination::delete(c, &mut Effects::default(), OWNER, DestinationId(1), now).map(drop)),
    );
    add(
        "resume a destination".to_owned(),
        Box::new(move |c, _| {
            let active = Standing::Active;
            destination::set_standing(c, &mut Effects::default(), OWNER, DestinationId(3), &active, now).map(drop)
        }),
    );
    let early = minute(30);
    add(
        "expire".to_owned(),
        Box::new(move |c, shared| retention::expire(c, &mut Effects::default(), shared, early, early, 20).map(drop)),
    );
    add(
        "expire counts".to_owned(),
        Box::new(move |c, shared| {
            retention::expire(c, &mut Effects::default(), shared, early, early + COUNTS_KEPT, 20).map(drop)
        }),
    );
    reads
}

#[test]
fn a_page_costs_the_same_however_much_lies_beyond_it() {
    let (few, many) = (Traced::with_events(4_000), Traced::with_events(20_000));
    for ((name, of_few), (_, of_many)) in reads(4_000).into_iter().zip(reads(20_000)) {
        let (fewer, more) = (few.steps(&name, of_few), many.steps(&name, of_many));
        assert!(more <= fewer + fewer / 2 + 300, "{name}: {fewer} steps among few, {more} among many");
    }
}

#[test]
fn a_tally_looks_at_the_schedules_of_those_alone_that_go_and_reads_none_that_waits_for_a_single_time() {
    let traced = Traced::with_events(100);
    let single = "UPDATE triggers
                  SET schedule = '{\"once\":{\"at\":' || (1800000000000000 + id) || '},\"terms\":{\"zone\":\"UTC\",\"delete_when_done\":true}}'
                  WHERE owner = 1 AND id > 1";
    traced.connection.execute_batch(single).expect("schedules");
    let asked = || {
        lock(&traced.costs).clear();
        let old = Timestamp::UNIX_EPOCH;
        let attention = head::attention(&traced.connection, &traced.shared, OWNER, old, minute(0)).expect("an answer");
        let asked: Vec<String> = std::mem::take(&mut *lock(&traced.costs)).into_keys().collect();
        (attention.tally.active, asked)
    };
    let reads_some = |asked: &[String]| asked.iter().any(|sql| sql.contains("AS unsure"));
    let (active, statements) = asked();
    assert_eq!((active, reads_some(&statements)), (TRIGGERS as u64 / 2, false));
    let tally = statements.iter().find(|sql| sql.contains("AS standing")).expect("it is tallied");
    let mut plan = traced.connection.prepare(&format!("EXPLAIN QUERY PLAN {tally}")).expect("a plan");
    let steps: Vec<String> =
        plan.raw_query().mapped(|row| row.get(3)).collect::<std::result::Result<_, _>>().expect("steps");
    assert!(steps.iter().any(|step| step.contains("triggers_that_go")), "{steps:?}");
    // One of them is done.
    let done = "UPDATE triggers SET schedule = replace(schedule, '18', '17') WHERE id = 3";
    traced.connection.execute_batch(done).expect("a schedule");
    let (active, statements) = asked();
    assert_eq!((active, reads_some(&statements)), (TRIGGERS as u64 / 2 - 1, true));
}
