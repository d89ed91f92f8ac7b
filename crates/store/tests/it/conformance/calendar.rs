//! Calendars: what owners say about them, who names them, and that an edit of one is an edit of all who do, or of nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::Timestamp;
use oncue_domain::act::ActFilter;
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::backlog::NewBacklog;
use oncue_domain::calendar::{CALENDARS_MAX, Calendar, Definition, read_dates};
use oncue_domain::freeze::Said;
use oncue_domain::id::{CalendarId, TriggerId, UserId};
use oncue_domain::occurrence::Reason;
use oncue_domain::revision::FORMER_KEPT;
use oncue_domain::revision::{Change, changes};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{CalendarEdited, CalendarMade, Deleted, Edited, Follower, Missing, NAMED_MAX, NewTrigger};
use oncue_domain::trigger::{self, Pause, ScheduleDetails, Terms};

use crate::bench::{Bench, Kind, api, every, everywhere, t, wherever_it_lasts};

pub(crate) fn says(name: &str, dates: &[&str]) -> Definition {
    let dates = read_dates(dates.iter().copied()).expect("dates");
    Definition { name: name.to_owned(), description: None, dates }
}

pub(crate) async fn calendar(bench: &Bench, owner: UserId, name: &str, dates: &[&str]) -> Calendar {
    match bench.store.create_calendar(owner, says(name, dates), t(0)).await.expect("an answer") {
        CalendarMade::Done(calendar) => calendar,
        refused => panic!("{name}: {refused:?}"),
    }
}

/// A trigger of every hour that keeps to these.
pub(crate) fn hourly(calendars: &[&Calendar]) -> trigger::Definition {
    let plain = every("1h");
    let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
    let calendars = calendars.iter().map(|calendar| Arc::new(calendar.observed())).collect();
    let terms = Terms { calendars, ..Terms::default() };
    trigger::Definition { schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())), ..plain }
}

pub(crate) fn new(owner: UserId, definition: trigger::Definition) -> NewTrigger {
    NewTrigger { owner, next_at: definition.next_after(t(0)), definition, test_event: None }
}

pub(crate) async fn edit(
    bench: &Bench,
    seen: &Calendar,
    says: Definition,
    now: Timestamp,
) -> (Calendar, Vec<Follower>) {
    match bench.store.edit_calendar(seen.clone(), says, now).await.expect("an answer") {
        CalendarEdited::Done { calendar, followers, .. } => (calendar, followers),
        refused => panic!("{refused:?}"),
    }
}

pub(crate) async fn change(
    bench: &Bench,
    owner: UserId,
    id: TriggerId,
    definition: trigger::Definition,
    now: Timestamp,
) -> Edited {
    let armed = bench.get(owner, id).await;
    bench.store.edit_trigger(armed.edit(definition, now), armed.next_at, now).await.expect("an answer")
}

pub(crate) fn hours(hours: i64) -> Timestamp {
    t(0) + SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn a_calendar_is_kept_as_it_was_said_and_named_once() {
    everywhere(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        let said = Definition {
            description: Some("Grüße\n⏰".to_owned()),
            ..says("feiertäge", &["2027-01-01", "2027-05-01/2027-05-09"])
        };
        let made = bench.store.create_calendar(ann, said.clone(), t(5)).await.expect("an answer");
        let CalendarMade::Done(made) = made else { panic!("{made:?}") };
        assert_eq!((made.revision, made.created_at, &made.definition), (1, t(5), &said));
        let view = bench.store.calendar(ann, made.id).await.expect("an answer").expect("it is there");
        assert_eq!((&view.calendar, view.used_by), (&made, 0));
        assert_eq!(bench.store.calendars(ann).await.expect("a list"), [view]);
        let again = bench.store.create_calendar(ann, said.clone(), t(6)).await.expect("an answer");
        assert_eq!(again, CalendarMade::NameTaken);
        assert!(matches!(
            bench.store.create_calendar(ann, says("Feiertäge", &[]), t(6)).await,
            Ok(CalendarMade::Done(_))
        ));
        assert!(matches!(bench.store.create_calendar(ben, said, t(6)).await, Ok(CalendarMade::Done(_))));
        assert_eq!(bench.store.calendar(ben, made.id).await.expect("an answer"), None);
        assert_eq!(bench.store.delete_calendar(ben, made.id).await.expect("an answer"), Deleted::NotFound);
        let foreign = Calendar { owner: ben, ..made.clone() };
        let edited = bench.store.edit_calendar(foreign, says("mine", &[]), t(7)).await;
        assert_eq!(edited.expect("an answer"), CalendarEdited::NotFound);
        assert_eq!(bench.store.delete_calendar(ann, made.id).await.expect("an answer"), Deleted::Done);
        assert_eq!(bench.store.delete_calendar(ann, made.id).await.expect("an answer"), Deleted::NotFound);
    })
    .await;
}

#[tokio::test]
async fn an_edit_is_refused_where_it_was_decided_about_something_else_or_the_name_is_taken() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let first = calendar(&bench, owner, "first", &["2027-01-05"]).await;
        calendar(&bench, owner, "second", &[]).await;
        let taken = bench.store.edit_calendar(first.clone(), says("second", &[]), t(1)).await;
        assert_eq!(taken.expect("an answer"), CalendarEdited::NameTaken);
        let (edited, _) = edit(&bench, &first, says("first", &["2027-01-06"]), t(2)).await;
        assert_eq!((edited.revision, edited.edited_at), (2, t(2)));
        let stale = bench.store.edit_calendar(first, says("first", &[]), t(3)).await;
        assert_eq!(stale.expect("an answer"), CalendarEdited::Stale);
        let described = Definition { description: Some("x".to_owned()), ..edited.definition.clone() };
        let (described, followers) = edit(&bench, &edited, described, t(4)).await;
        assert_eq!((described.revision, followers), (2, vec![]), "nobody takes that over");
    })
    .await;
}

#[tokio::test]
async fn there_is_room_for_so_many_and_no_more() {
    let bench = Bench::new(Kind::SqliteMemory, false).await;
    let owner = bench.user("a").await;
    for number in 0..CALENDARS_MAX {
        calendar(&bench, owner, &format!("c{number}"), &[]).await;
    }
    let full = bench.store.create_calendar(owner, says("one more", &[]), t(1)).await.expect("an answer");
    assert_eq!(full, CalendarMade::Full);
}

#[tokio::test]
async fn a_trigger_names_only_what_is_there_as_it_is() {
    everywhere(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        let own = calendar(&bench, ann, "holidays", &["2027-01-02"]).await;
        let foreign = calendar(&bench, ben, "holidays", &["2027-01-02"]).await;
        let former = Calendar { revision: 7, ..own.clone() };
        let gone = Calendar { id: CalendarId(99), ..own.clone() };
        for wrong in [&foreign, &former, &gone] {
            let missing = Missing::Calendar(wrong.id);
            let made = bench.store.create_trigger(new(ann, hourly(&[wrong])), t(0)).await.expect("an answer");
            assert_eq!(made.map(|armed| armed.trigger.id), Err(missing));
            let many = vec![new(ann, hourly(&[wrong])), new(ann, hourly(&[&own])), new(ann, api("plain"))];
            let many = bench.store.create_triggers(many, t(0)).await;
            assert_eq!(many[0], Ok(Err(missing)));
            assert!(many[1..].iter().all(|made| matches!(made, Ok(Ok(_)))), "{many:?}");
            let Ok(Ok(id)) = many[1] else { panic!("{many:?}") };
            assert_eq!(change(&bench, ann, id, hourly(&[wrong]), t(1)).await, Edited::Missing(missing));
            assert!(bench.store.delete_trigger(ann, id, t(2)).await.expect("an answer"));
        }
        assert_eq!(
            bench.store.delete_calendar(ann, own.id).await.expect("an answer"),
            Deleted::Done,
            "nobody names it"
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_named_stays_until_nobody_names_it() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, other) = (calendar(&bench, owner, "one", &[]).await, calendar(&bench, owner, "other", &[]).await);
        let mut ids = Vec::new();
        for _ in 0..NAMED_MAX + 2 {
            ids.push(bench.trigger(owner, hourly(&[&one, &other])).await.id);
        }
        let count = ids.len() as u64;
        let triggers = ids[..NAMED_MAX].to_vec();
        let refused = bench.store.delete_calendar(owner, one.id).await.expect("an answer");
        assert_eq!(refused, Deleted::InUse { triggers, count });
        let uses = |views: Vec<oncue_domain::store::CalendarView>| -> Vec<u64> {
            views.iter().map(|view| view.used_by).collect()
        };
        assert_eq!(uses(bench.store.calendars(owner).await.expect("a list")), [count, count]);
        let named = bench.store.calendar_triggers(owner, one.id, ids.len()).await.expect("a list");
        assert_eq!(named.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), ids);
        assert_eq!(bench.store.calendar_triggers(owner, one.id, 2).await.expect("a list"), named[..2]);
        for id in &ids[1..] {
            assert!(bench.store.delete_trigger(owner, *id, t(1)).await.expect("an answer"));
        }
        assert_eq!(change(&bench, owner, ids[0], hourly(&[&other]), t(2)).await, Edited::Done);
        assert_eq!(bench.store.delete_calendar(owner, one.id).await.expect("an answer"), Deleted::Done);
        let refused = bench.store.delete_calendar(owner, other.id).await.expect("an answer");
        assert_eq!(refused, Deleted::InUse { triggers: vec![ids[0]], count: 1 });
    })
    .await;
}

#[tokio::test]
async fn what_waits_of_those_that_name_it_is_counted_for_each() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let (one, none) = (calendar(&bench, owner, "one", &[]).await, calendar(&bench, owner, "none", &[]).await);
        let mut ids = Vec::new();
        for definition in [hourly(&[&one]), hourly(&[&one]), hourly(&[&one, &none]), every("1h")] {
            ids.push(bench.trigger(owner, definition).await.id);
        }
        for (at, count, is_held) in [(0, 3, true), (2, 2, false), (3, 4, true)] {
            let (first, last) = (hours(1), hours(count));
            let count = count.unsigned_abs();
            let new = NewBacklog { owner, trigger: ids[at], revision: 1, first, last, count, is_held };
            assert!(bench.store.backfill(new, hours(5)).await.expect("an answer").is_some());
        }
        let waiting = async |owner, id| bench.store.calendar_backlogs(owner, id).await.expect("numbers");
        assert_eq!(waiting(owner, one.id).await, BTreeMap::from([(ids[0], 3), (ids[2], 2)]));
        assert_eq!(waiting(owner, none.id).await, BTreeMap::from([(ids[2], 2)]));
        assert!(waiting(other, one.id).await.is_empty(), "it is somebody else's");
    })
    .await;
}

#[tokio::test]
async fn an_edit_rewrites_every_trigger_that_names_it_and_no_other() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let holidays = calendar(&bench, owner, "holidays", &["2027-01-02"]).await;
        let school = calendar(&bench, owner, "school", &["2027-01-03"]).await;
        let one = bench.trigger(owner, hourly(&[&holidays])).await.id;
        let both = bench.trigger(owner, hourly(&[&school, &holidays])).await.id;
        let neither = bench.trigger(owner, every("1h")).await.id;
        let paused = trigger::Definition { enabled: false, ..hourly(&[&holidays]) };
        let paused = bench.trigger(owner, paused).await.id;
        assert_eq!(bench.get(owner, one).await.next_at, Some(hours(1)));
        let (edited, followers) = edit(&bench, &holidays, says("feasts", &["2027-01-01/2027-01-02"]), t(60)).await;
        let said: Vec<_> = followers.iter().map(|one| (one.trigger, one.revision, one.next_after)).collect();
        assert_eq!(said, [(one, 2, Some(hours(48))), (both, 2, Some(hours(72))), (paused, 2, None)]);
        assert!(followers[..2].iter().all(|one| one.next_before == Some(hours(1)) && one.has_moved()));
        for id in [one, both, paused] {
            let armed = bench.get(owner, id).await;
            assert_eq!(
                (armed.trigger.revision, armed.next_at),
                (2, followers.iter().find(|one| one.trigger == id).and_then(|one| one.next_after))
            );
            let schedule = armed.trigger.definition.schedule.as_ref().expect("it has one");
            assert!(schedule.calendars().iter().any(|observed| **observed == edited.observed()), "{schedule:?}");
            let revisions = bench.store.revisions(owner, id, None, 10).await.expect("revisions");
            let [present, former] = &revisions[..] else { panic!("{revisions:?}") };
            let changed = changes(&former.trigger.definition, &present.trigger.definition);
            assert_eq!(changed, [Change::Schedule, Change::Calendars], "it is called otherwise, too");
            assert_eq!((former.until, present.made_at), (Some(t(60)), t(60)));
        }
        assert_eq!(bench.get(owner, neither).await.trigger.revision, 1);
        let due = bench.store.due(hours(47), 10).await.expect("what is due");
        assert_eq!(due.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [neither]);
    })
    .await;
}

#[tokio::test]
async fn what_an_edit_of_today_takes_is_on_record_and_days_to_come_leave_what_is_due_alone() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let holidays = calendar(&bench, owner, "holidays", &[]).await;
        let id = bench.trigger(owner, hourly(&[&holidays])).await.id;
        let now = hours(1) + SignedDuration::from_secs(5);
        let (holidays, followers) = edit(&bench, &holidays, says("holidays", &["2027-01-06"]), now).await;
        assert!(!followers[0].has_moved());
        assert_eq!(bench.get(owner, id).await.next_at, Some(hours(1)), "it is due, and fires");
        assert_eq!(bench.store.skipped(owner, id, 10).await.expect("records"), []);
        let (_, followers) = edit(&bench, &holidays, says("holidays", &["2027-01-01"]), now).await;
        assert_eq!(followers[0].next_after, Some(hours(24)));
        let records = bench.store.skipped(owner, id, 10).await.expect("records");
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!(
            (record.skipped.reason, record.skipped.first, record.skipped.count),
            (Reason::Superseded, hours(1), 1)
        );
        let counted = bench.store.hour_counts(owner, Some(id), t(0), hours(5)).await.expect("counts");
        assert_eq!(counted.iter().map(|hour| hour.skipped).sum::<u64>(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_an_edit_of_today_takes_during_a_freeze_was_frozen() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let holidays = calendar(&bench, owner, "holidays", &[]).await;
        let id = bench.trigger(owner, hourly(&[&holidays])).await.id;
        bench.store.freeze(Some(owner), Said { reason: None, until: None }, t(600)).await.expect("it freezes");
        let now = hours(1) + SignedDuration::from_secs(5);
        edit(&bench, &holidays, says("holidays", &["2027-01-01"]), now).await;
        let records = bench.store.skipped(owner, id, 10).await.expect("records");
        let told: Vec<_> = records.iter().map(|view| (view.skipped.reason, view.skipped.first)).collect();
        assert_eq!(told, [(Reason::Frozen, hours(1))]);
    })
    .await;
}

#[tokio::test]
async fn a_pause_that_is_over_goes_with_an_edit_of_a_calendar_as_with_any() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let holidays = calendar(&bench, owner, "holidays", &[]).await;
        let pause = Pause::new(Some("moving".to_owned()), Some(t(600)));
        let definition = trigger::Definition { enabled: false, pause, ..hourly(&[&holidays]) };
        let id = bench.trigger(owner, definition).await.id;
        edit(&bench, &holidays, says("holidays", &["2027-03-06"]), t(900)).await;
        let armed = bench.get(owner, id).await;
        assert!(armed.trigger.definition.enabled && armed.trigger.definition.pause.is_none());
        assert_eq!(armed.next_at, Some(hours(1)));
    })
    .await;
}

#[tokio::test]
async fn an_edit_is_one_act_that_says_who_follows() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let holidays = calendar(&bench, owner, "holidays", &[]).await;
        let ids =
            [bench.trigger(owner, hourly(&[&holidays])).await.id, bench.trigger(owner, hourly(&[&holidays])).await.id];
        let by =
            Actor { who: Who::User { id: owner, email: "a@example.com".to_owned() }, address: None, program: None };
        let store = bench.store.acting(Author { by: by.clone(), at: t(9) });
        let edited = store.edit_calendar(holidays, says("holidays", &["2027-01-01"]), t(9)).await.expect("an answer");
        assert!(matches!(edited, CalendarEdited::Done { .. }));
        let acts = store.acts(ActFilter::of(owner), None, 10).await.expect("acts");
        let told: Vec<_> = acts.iter().map(|entry| (entry.act.action.word(), entry.act.thing.word())).collect();
        assert_eq!(told, [("edited", "calendar")], "and none for each trigger");
        let details = format!("2 triggers follow; triggers {}, {} wait for another time", ids[0], ids[1]);
        assert_eq!(acts[0].act.details.as_deref(), Some(details.as_str()));
        for id in ids {
            let revision = bench.store.revision(owner, id, 2).await.expect("an answer").expect("it is there");
            assert_eq!(revision.made_by.as_ref(), Some(&by));
        }
    })
    .await;
}

#[tokio::test]
async fn calendars_and_who_names_them_outlive_their_server() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let holidays = calendar(&bench, owner, "holidays", &["2027-01-02"]).await;
        let id = bench.trigger(owner, hourly(&[&holidays])).await.id;
        let (holidays, _) = edit(&bench, &holidays, says("holidays", &["2027-01-01"]), t(1)).await;
        let bench = bench.reopen().await;
        let view = bench.store.calendar(owner, holidays.id).await.expect("an answer").expect("it is there");
        assert_eq!((view.calendar, view.used_by), (holidays, 1));
        assert_eq!(bench.get(owner, id).await.next_at, Some(hours(24)));
    })
    .await;
}

#[tokio::test]
async fn edits_of_triggers_and_of_their_calendar_at_once_leave_nobody_behind() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let mut holidays = calendar(&bench, owner, "holidays", &[]).await;
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(bench.trigger(owner, hourly(&[&holidays])).await.id);
        }
        for round in 0..6 {
            let day = format!("2027-02-{:02}", round + 1);
            let renaming = async |id: TriggerId| {
                loop {
                    let armed = bench.get(owner, id).await;
                    let name = Some(format!("n{round}"));
                    let definition = trigger::Definition { name, ..armed.trigger.definition.clone() };
                    match change(&bench, owner, id, definition, t(round)).await {
                        Edited::Done => break,
                        // The latter where the calendar changes between the two looks at the trigger.
                        Edited::Stale | Edited::Missing(Missing::Calendar(_)) => {}
                        refused => panic!("{refused:?}"),
                    }
                }
            };
            let renamed = futures_join(ids.iter().map(|id| renaming(*id)));
            let making = bench.store.create_triggers(vec![new(owner, hourly(&[&holidays]))], t(round));
            let (edited, made, ()) =
                tokio::join!(edit(&bench, &holidays, says("holidays", &[&day]), t(round)), making, renamed);
            holidays = edited.0;
            if let Ok(Ok(id)) = made[0] {
                ids.push(id);
            }
            for id in &ids {
                let armed = bench.get(owner, *id).await;
                let observed = &armed.trigger.definition.calendars()[0];
                assert_eq!(**observed, holidays.observed(), "round {round}, trigger {id}");
            }
        }
    })
    .await;
}

/// Waits for all of these at once.
async fn futures_join(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn one_that_is_edited_often_takes_no_revision_from_its_followers_that_events_may_name() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let mut seen = calendar(&bench, owner, "often", &["2030-01-01"]).await;
        let followers = [
            bench.make(new(owner, hourly(&[&seen])), t(0)).await,
            bench.make(new(owner, hourly(&[&seen])), t(0)).await,
        ];
        let other = bench.trigger(owner, every("1h")).await;
        let edits = i64::try_from(FORMER_KEPT).expect("small") + 5;
        for number in 1..=edits {
            let date = format!("2030-02-{:02}", 1 + number % 28);
            (seen, _) = edit(&bench, &seen, says("often", &[&date]), t(number)).await;
        }
        let kept = async |id| {
            let revisions = bench.store.revisions(owner, id, None, 1000).await.expect("a list");
            revisions.iter().map(|one| one.trigger.revision).collect::<Vec<_>>()
        };
        for follower in &followers {
            assert_eq!(kept(follower.trigger.id).await, (1..=edits + 1).rev().collect::<Vec<_>>());
        }
        bench.store.expire(t(3), t(1000), 1000).await.expect("an answer");
        for follower in &followers {
            assert_eq!(kept(follower.trigger.id).await, (4..=edits + 1).rev().collect::<Vec<_>>());
        }
        bench.store.expire(t(900), t(1000), 1000).await.expect("an answer");
        for follower in &followers {
            assert_eq!(kept(follower.trigger.id).await, (6..=edits + 1).rev().collect::<Vec<_>>(), "the latest stay");
        }
        assert_eq!(kept(other.id).await, [1]);
    })
    .await;
}
