//! Calendars where several nodes share them: what one edits, the others fire by, nothing is lost or doubled between them, and the most
//! that a calendar and its triggers may hold is not too much for a transaction.

use std::sync::Arc;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};
use oncue_domain::calendar::TRIGGERS_MAX;
use oncue_domain::occurrence::Reason;
use oncue_domain::store::{CalendarEdited, Edited, Missing};
use oncue_domain::trigger;

use super::Nodes;
use crate::bench::t;
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
    let triggers = bench.store.calendar_triggers(owner, holidays.id).await.expect("a list");
    assert!(triggers.iter().map(|armed| armed.trigger.id).eq(followers.iter().map(|follower| follower.trigger)));
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
    let triggers = bench.store.calendar_triggers(owner, holidays.id).await.expect("a list");
    assert_eq!(triggers.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [sound]);
}
