//! Calendars where several nodes share them: what one edits, the others fire by, nothing is lost or doubled between them, and the most
//! that a calendar and its triggers may hold is not too much for a transaction. Whoever thinks about an edit, and whoever carries one out, is
//! in the way of nobody who has nothing to do with it.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};
use oncue_domain::backlog::NewBacklog;
use oncue_domain::calendar::TRIGGERS_MAX;
use oncue_domain::event::Origin;
use oncue_domain::occurrence::Reason;
use oncue_domain::overlap::{Before, Overlap};
use oncue_domain::plan::plan_behind;
use oncue_domain::store::{CalendarEdited, Edited, Fired, Missing, Planned};
use oncue_domain::trigger;
use tokio_postgres::{Client, NoTls};

use super::{Nodes, until};
use crate::bench::{answered, api, every, t, webhook};
use crate::conformance::calendar::{calendar, change, edit, hourly, hours, new, says};

/// The date of an instant, in UTC.
fn day(at: jiff::Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

#[tokio::test]
async fn what_a_node_has_planned_by_a_calendar_that_another_edits_does_not_fire() {
    let nodes = Nodes::begin(2).await;
    let [one, other] = [&nodes.nodes[0], &nodes.nodes[1]];
    let owner = nodes.user("a").await;
    let holidays = calendar(one, owner, "holidays", &[]).await;
    let id = one.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id;
    let plan = other.planned(owner, id, hours(1)).await;
    let (holidays, followers) = edit(one, &holidays, says("holidays", &[&day(hours(1))]), hours(1)).await;
    let committed = other.store.commit_plans(vec![plan], hours(1)).await.expect("a commit");
    assert_eq!((committed.plans, committed.events, committed.stale.len()), (0, 0, 1));
    let armed = other.get(owner, id).await;
    assert_eq!(*armed.trigger.definition.calendars()[0], holidays.observed());
    assert_eq!(armed.next_at, followers[0].next_after);
    let skipped = other.store.skipped(owner, id, 9).await.expect("records");
    let told: Vec<_> = skipped.iter().map(|view| (view.skipped.reason, view.skipped.count)).collect();
    assert_eq!(told, [(Reason::Superseded, 1)]);
    let next = armed.next_at.expect("it waits for the day after");
    other.fire_due(owner, id, next).await;
    let events = one.events(owner).await;
    assert_eq!(events.iter().map(|event| event.scheduled_at).collect::<Vec<_>>(), [Some(next)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_falls_due_on_one_node_while_another_edits_days_to_come_fires_once() {
    let nodes = Nodes::begin(2).await;
    let [one, other] = [&nodes.nodes[0], &nodes.nodes[1]];
    let owner = nodes.user("a").await;
    let mut holidays = calendar(one, owner, "holidays", &[]).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(one.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id);
    }
    for round in 1..=5_i64 {
        let now = hours(round);
        let mut plans = Vec::new();
        for id in &ids {
            plans.push(other.planned(owner, *id, now).await);
        }
        // Not in the order in which the edit locks them.
        plans.reverse();
        let store = Arc::clone(&other.store);
        let commits = tokio::spawn(async move {
            let mut stale = Vec::new();
            for plan in plans {
                stale.extend(store.commit_plans(vec![plan], now).await.expect("a commit").stale);
            }
            stale
        });
        for days in 2..8 {
            let far = day(hours(round) + SignedDuration::from_hours(24 * days));
            holidays = edit(one, &holidays, says("holidays", &[&far]), now).await.0;
        }
        commits.await.expect("no panic");
        // What an edit came before is planned again, as the scheduler would.
        for id in &ids {
            if other.get(owner, *id).await.next_at.is_some_and(|next| next <= now) {
                other.fire_due(owner, *id, now).await;
            }
        }
        let mut fired: Vec<_> =
            one.events(owner).await.into_iter().map(|event| (event.trigger, event.scheduled_at)).collect();
        fired.sort_unstable();
        fired.dedup();
        assert_eq!(fired.len(), ids.len() * usize::try_from(round).expect("small"), "round {round}");
        assert_eq!(one.events(owner).await.len(), fired.len(), "no occurrence has two");
    }
}

#[tokio::test]
async fn an_edit_of_many_triggers_with_many_dates_is_not_given_up() {
    let nodes = Nodes::begin(1).await;
    let bench = &nodes.nodes[0];
    let owner = nodes.user("a").await;
    // Every second day, so that none of them are a range.
    let days: Vec<String> =
        (0..2_000).map(|number| date(2027, 2, 1).saturating_add(Span::new().days(2 * number)).to_string()).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let holidays = calendar(bench, owner, "holidays", &days[1..]).await;
    for _ in 0..5 {
        let many = bench.store.create_triggers(vec![new(owner, hourly(&[&holidays])); 90], t(0)).await;
        assert!(many.iter().all(|made| matches!(made, Ok(Ok(_)))));
    }
    let (holidays, followers) = edit(bench, &holidays, says("holidays", &days), t(1)).await;
    assert_eq!(followers.len(), 450);
    let triggers = bench.store.calendar_triggers(owner, holidays.id, 5_000).await.expect("a list");
    assert!(triggers.iter().map(|armed| armed.trigger.id).eq(followers.iter().map(|follower| follower.trigger)));
    let first = bench.store.calendar_triggers(owner, holidays.id, 201).await.expect("a list");
    assert_eq!(first, triggers[..201]);
    let observed = holidays.observed();
    for armed in &triggers {
        assert_eq!((armed.trigger.revision, &*armed.trigger.definition.calendars()[0]), (2, &observed));
    }
}

#[tokio::test]
async fn a_calendar_has_room_for_so_many_triggers_and_refuses_no_edit_of_those_that_name_it() {
    let nodes = Nodes::begin(1).await;
    let bench = &nodes.nodes[0];
    let owner = nodes.user("a").await;
    let holidays = calendar(bench, owner, "holidays", &[]).await;
    let id = bench.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id;
    // Two nodes that make the last ones at once may make one too many.
    let links = format!("SELECT {}, generate_series(1000, 1000 + {TRIGGERS_MAX})", holidays.id);
    nodes.database.sql(&format!("INSERT INTO trigger_calendars (calendar_id, trigger_id) {links}"));
    let made = bench.store.create_trigger(new(owner, hourly(&[&holidays])), t(0)).await.expect("an answer");
    assert_eq!(made.map(|armed| armed.trigger.id), Err(Missing::Room(holidays.id)));
    let renamed = trigger::Definition { name: Some("renamed".to_owned()), ..hourly(&[&holidays]) };
    assert_eq!(change(bench, owner, id, renamed, t(1)).await, Edited::Done);
}

#[tokio::test]
async fn a_trigger_that_cannot_be_read_keeps_nobody_else_from_following() {
    let nodes = Nodes::begin(1).await;
    let bench = &nodes.nodes[0];
    let owner = nodes.user("a").await;
    let holidays = calendar(bench, owner, "holidays", &[]).await;
    let lost = bench.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id;
    let sound = bench.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id;
    nodes.database.sql(&format!("UPDATE triggers SET schedule = 'x' WHERE id = {lost}"));
    let edited = bench.store.edit_calendar(holidays.clone(), says("holidays", &["2027-01-05"]), t(1)).await;
    let CalendarEdited::Done { followers, unreadable, .. } = edited.expect("an answer") else {
        panic!("it is refused")
    };
    assert_eq!((followers.iter().map(|one| one.trigger).collect(), unreadable), (vec![sound], vec![lost]));
    let triggers = bench.store.calendar_triggers(owner, holidays.id, 5_000).await.expect("a list");
    assert_eq!(triggers.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [sound]);
    let due = bench.store.due(t(3600), 1).await.expect("a list");
    assert_eq!(due.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [sound], "nor anything that is due");
}

/// A session of somebody else's.
pub(super) async fn somebody(nodes: &Nodes) -> Client {
    let (client, line) = tokio_postgres::connect(&nodes.database.url(), NoTls).await.expect("a connection");
    tokio::spawn(line);
    client
}

/// Until so many sessions wait for somebody's lock.
pub(super) async fn until_waiting(nodes: &Nodes, sessions: usize) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let are_waiting = async || nodes.database.sql(sql).trim().parse::<usize>().is_ok_and(|count| count >= sessions);
    until("somebody waits for a lock", are_waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_ends_while_an_edit_is_thought_about_is_told_when_it_ended() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let holidays = calendar(node, owner, "holidays", &[]).await;
    let slow = trigger::Definition {
        overlap: Overlap::Skip,
        webhook: Some(webhook("https://example.com/")),
        ..hourly(&[&holidays])
    };
    let id = node.make(new(owner, slow), t(0)).await.trigger.id;
    node.fire_due(owner, id, hours(1)).await;
    let claims = node.claim_all(hours(1)).await;
    let armed = node.get(owner, id).await;
    let plan = plan_behind(&armed, hours(2), &[], Before::UnderWay).expect("it waits for something");
    let planned =
        Planned { trigger: Arc::new(armed.trigger), armed: hours(2), plan, message_ids: Vec::new(), edition: 0 };
    node.store.commit_plans(vec![planned], hours(2)).await.expect("a commit");
    let somebody = somebody(&nodes).await;
    somebody.batch_execute("BEGIN; LOCK TABLE limits").await.expect("nobody else is at it");
    let store = Arc::clone(&node.store);
    let edit = tokio::spawn(async move {
        store.edit_calendar(holidays, says("holidays", &["2027-03-01"]), hours(2) + SignedDuration::from_secs(5)).await
    });
    until_waiting(&nodes, 1).await;
    let ended_at = hours(2) + SignedDuration::from_secs(9);
    node.store.settle(vec![answered(&claims[0], 200, ended_at)]).await.expect("a settlement");
    let before = node.store.events_before(vec![(owner, id)]).await.expect("an answer");
    assert_eq!(before, [Before::OverSince(ended_at)], "the edit is not in its way");
    somebody.batch_execute("ROLLBACK").await.expect("an answer");
    let edited = edit.await.expect("no panic").expect("an answer");
    assert!(matches!(edited, CalendarEdited::Done { followers, .. } if followers.len() == 1));
    assert_eq!(node.get(owner, id).await.trigger.revision, 2);
    let before = node.store.events_before(vec![(owner, id)]).await.expect("an answer");
    assert_eq!(before, [Before::OverSince(ended_at)], "the edit leaves it be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_has_moved_since_it_was_thought_about_is_decided_about_again() {
    let nodes = Nodes::begin(2).await;
    let [one, other] = [&nodes.nodes[0], &nodes.nodes[1]];
    let owner = nodes.user("a").await;
    let holidays = calendar(one, owner, "holidays", &[]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(one.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id);
    }
    let somebody = somebody(&nodes).await;
    somebody.batch_execute("BEGIN; SELECT 1 FROM users FOR UPDATE").await.expect("nobody else is at it");
    let store = Arc::clone(&one.store);
    let today = day(t(0));
    let edit = tokio::spawn(async move { store.edit_calendar(holidays, says("holidays", &[&today]), hours(1)).await });
    until_waiting(&nodes, 1).await;
    // Thought about are all three; one fires meanwhile, and one is called otherwise.
    other.fire_due(owner, ids[0], hours(1)).await;
    let sql = format!(
        "UPDATE triggers SET revision = 2, name = 'renamed' WHERE id = {id};
                       UPDATE cursors SET revision = 2 WHERE trigger_id = {id}",
        id = ids[1]
    );
    nodes.database.sql(&sql);
    somebody.batch_execute("ROLLBACK").await.expect("an answer");
    let edited = edit.await.expect("no panic").expect("an answer");
    let CalendarEdited::Done { followers, .. } = edited else { panic!("{edited:?}") };
    let revisions: Vec<_> = followers.iter().map(|one| (one.trigger, one.revision, one.next_before)).collect();
    assert_eq!(
        revisions,
        [(ids[0], 2, Some(hours(2))), (ids[1], 3, Some(hours(1))), (ids[2], 2, Some(hours(1)))],
        "each is edited as it stands"
    );
    for (id, superseded) in [(ids[0], 0), (ids[1], 1), (ids[2], 1)] {
        let skipped = one.store.skipped(owner, id, 9).await.expect("records");
        assert_eq!(skipped.iter().map(|view| view.skipped.count).sum::<u64>(), superseded, "{id}");
        assert_eq!(one.get(owner, id).await.next_at, Some(hours(24)));
    }
    assert_eq!(one.get(owner, ids[1]).await.trigger.definition.name.as_deref(), Some("renamed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_of_others_do_not_wait_for_a_trigger_at_which_somebody_is() {
    let nodes = Nodes::begin(1).await;
    let node = &nodes.nodes[0];
    let (ann, ben) = (nodes.user("ann").await, nodes.user("ben").await);
    let edited = node.trigger(ann, api("edited")).await.id;
    let free = node.trigger(ben, api("free")).await.id;
    let somebody = somebody(&nodes).await;
    let lock = format!("BEGIN; SELECT 1 FROM triggers WHERE id = {edited} FOR NO KEY UPDATE");
    somebody.batch_execute(&lock).await.expect("nobody else is at it");
    let (store, call) = (Arc::clone(&node.store), node.call(Origin::Api, None));
    let waiting = tokio::spawn(async move { store.fire(ann, edited, call, t(1)).await });
    until_waiting(&nodes, 1).await;
    for second in 2..5 {
        let fired = node.store.fire(ben, free, node.call(Origin::Api, None), t(second));
        let fired = tokio::time::timeout(Duration::from_secs(3), fired).await.expect("it does not wait");
        assert!(matches!(fired, Ok(Fired::Event(_))), "{fired:?}");
    }
    assert!(!waiting.is_finished());
    somebody.batch_execute("ROLLBACK").await.expect("an answer");
    let fired = waiting.await.expect("no panic");
    assert!(matches!(fired, Ok(Fired::Event(_))), "{fired:?}");
    assert_eq!(node.events(ann).await.len(), 1, "and once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_due_behind_those_at_which_somebody_is_is_given_out() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(node.trigger(owner, every("1m")).await.id);
    }
    let behind = node.make(new(owner, every("61s")), t(0)).await.trigger.id;
    let somebody = somebody(&nodes).await;
    let sql = format!("BEGIN; SELECT 1 FROM cursors WHERE trigger_id <> {behind} FOR UPDATE");
    somebody.batch_execute(&sql).await.expect("nobody else is at it");
    let mut given = Vec::new();
    for _ in 0..2 {
        let due = node.store.due(t(70), 4).await.expect("an answer");
        given = due.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>();
        let mut plans = Vec::new();
        for id in &given {
            plans.push(node.planned(owner, *id, t(70)).await);
        }
        node.store.commit_plans(plans, t(70)).await.expect("a commit");
    }
    assert!(given.contains(&behind), "{given:?}");
    assert_eq!(node.events(owner).await.iter().map(|event| event.trigger).collect::<Vec<_>>(), [behind]);
    somebody.batch_execute("ROLLBACK").await.expect("an answer");
    let due = node.store.due(t(70), 9).await.expect("an answer");
    assert_eq!(due.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_and_whoever_gives_up_or_releases_backlogs_take_them_in_the_same_order() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let mut holidays = calendar(node, owner, "holidays", &[]).await;
    let first = node.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id;
    let second = node.make(new(owner, hourly(&[&holidays])), t(0)).await.trigger.id;
    for releases in [true, false] {
        nodes.database.sql("DELETE FROM backlogs");
        // The lower number is of the trigger that an edit comes to last.
        for id in [second, first] {
            let revision = node.get(owner, id).await.trigger.revision;
            let (first, last) = (hours(1), hours(3));
            let new = NewBacklog { owner, trigger: id, revision, first, last, count: 3, is_held: true };
            assert!(node.store.backfill(new, hours(3)).await.expect("an answer").is_some());
        }
        let somebody = somebody(&nodes).await;
        let lower = format!("BEGIN; SELECT 1 FROM backlogs WHERE trigger_id = {second} FOR UPDATE");
        somebody.batch_execute(&lower).await.expect("nobody else is at it");
        let store = Arc::clone(&node.store);
        let (seen, far) = (holidays.clone(), if releases { "2027-03-01" } else { "2027-03-02" });
        let editing = tokio::spawn(async move { store.edit_calendar(seen, says("holidays", &[far]), t(9)).await });
        until_waiting(&nodes, 1).await;
        let store = Arc::clone(&node.store);
        let touching = tokio::spawn(async move {
            match releases {
                true => store.release_backlogs(owner, None, t(9)).await,
                false => store.discard_backlogs(owner, None, t(9)).await,
            }
        });
        until_waiting(&nodes, 2).await;
        // Whoever waits for the lower one holds none that is higher.
        let higher = format!("SELECT 1 FROM backlogs WHERE trigger_id = {first} FOR UPDATE NOWAIT");
        somebody.batch_execute(&higher).await.expect("nobody has it");
        somebody.batch_execute("ROLLBACK").await.expect("an answer");
        let edited = editing.await.expect("no panic").expect("no deadlock");
        let CalendarEdited::Done { calendar, .. } = edited else { panic!("{edited:?}") };
        holidays = calendar;
        assert_eq!(touching.await.expect("no panic").expect("no deadlock").backlogs, 2);
    }
}
