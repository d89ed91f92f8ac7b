//! Pauses and freezes that are over of themselves, and triggers that end so: told once, as of their ends, by whoever comes first; and what plans put
//! off.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::act::{ActFilter, Action, Entry};
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::backlog::PutOff;
use oncue_domain::freeze::Said;
use oncue_domain::id::UserId;
use oncue_domain::overlap::Overlap;
use oncue_domain::plan::Plan;
use oncue_domain::schedule::Schedule;
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{Edited, Planned};
use oncue_domain::trigger::{Definition, MaxFires, Pause, ScheduleDetails, Terms};

use crate::bench::{Bench, api, every, everywhere, t, wherever_it_lasts};

fn paused(name: &str, reason: Option<&str>, until: i64) -> Definition {
    let pause = Pause::new(reason.map(str::to_owned), Some(t(until)));
    Definition { name: Some(name.to_owned()), enabled: false, pause, ..every("1m") }
}

async fn acts(bench: &Bench, owner: UserId) -> Vec<Entry> {
    let filter = ActFilter { with_server: true, ..ActFilter::of(owner) };
    bench.store.acts(filter, None, 1000).await.expect("a list").into_iter().rev().collect()
}

/// When, what, of what and in which words, the oldest line first.
async fn told(bench: &Bench, owner: UserId) -> Vec<(Timestamp, &'static str, &'static str, String)> {
    let line = |entry: Entry| {
        let words = entry.act.details.unwrap_or_default();
        (entry.at, entry.act.action.word(), entry.act.thing.word(), words)
    };
    acts(bench, owner).await.into_iter().map(line).collect()
}

async fn note(bench: &Bench, second: i64) -> usize {
    bench.store.note_ends(t(second), 100).await.expect("an answer")
}

#[tokio::test]
async fn an_end_that_comes_by_itself_is_told_once_and_as_of_itself() {
    wherever_it_lasts(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        let said = |reason: &str, end| Said { reason: Some(reason.to_owned()), until: Some(t(end)) };
        bench.store.freeze(Some(ann), said("moving", 100), t(10)).await.expect("a freeze");
        bench.store.freeze(None, Said { reason: None, until: Some(t(200)) }, t(10)).await.expect("a freeze");
        bench.trigger(ann, paused("a", Some("broken"), 100)).await;
        bench.trigger(ann, paused("b", None, 300)).await;
        bench.trigger(ann, Definition { enabled: false, ..every("1m") }).await;
        bench.trigger(ben, paused("c", None, 100)).await;
        assert_eq!(note(&bench, 99).await, 0);
        assert_eq!(told(&bench, ann).await, []);
        assert_eq!(note(&bench, 250).await, 4);
        assert_eq!(note(&bench, 251).await, 0);
        let bench = bench.reopen().await;
        assert_eq!(note(&bench, 252).await, 0, "a restart forgets nothing");
        let words = |text: &str| text.to_owned();
        let of_ann = [
            (t(100), "thawed", "user", words("its end had come: moving")),
            (t(200), "thawed", "server", words("its end had come")),
            (t(100), "resumed", "trigger", words("its pause was over: broken")),
        ];
        assert_eq!(told(&bench, ann).await, of_ann);
        assert!(acts(&bench, ann).await.iter().all(|entry| entry.by == Actor::SYSTEM));
        let of_ben = told(&bench, ben).await;
        assert_eq!(of_ben[1..], [(t(100), "resumed", "trigger", words("its pause was over"))]);
        assert_eq!(
            (note(&bench, 250).await, note(&bench, 300).await),
            (0, 1),
            "a clock that is put back tells nothing"
        );
    })
    .await;
}

#[tokio::test]
async fn what_somebody_ends_or_moves_is_told_by_that_alone() {
    everywhere(async |bench| {
        let owner = bench.user("ann").await;
        let author = Author { by: Actor { who: Who::CommandLine, address: None, program: None }, at: t(50) };
        let store = bench.store.acting(author);
        let said = Said { reason: None, until: Some(t(100)) };
        store.freeze(Some(owner), said.clone(), t(10)).await.expect("a freeze");
        store.thaw(Some(owner), t(50)).await.expect("an answer").expect("it held");
        let trigger = bench.trigger(owner, paused("a", None, 100)).await;
        let armed = bench.get(owner, trigger.id).await;
        let edit = armed.edit(paused("a", None, 200), t(50));
        assert_eq!(bench.store.edit_trigger(edit, armed.next_at, t(50)).await, Ok(Edited::Done));
        assert_eq!(note(&bench, 150).await, 0);
        let actions: Vec<_> = acts(&bench, owner).await.iter().map(|entry| entry.act.action).collect();
        assert_eq!(actions, [Action::Frozen, Action::Thawed]);
        // It is frozen anew and longer: that end is another.
        store.freeze(Some(owner), said, t(60)).await.expect("a freeze");
        store.freeze(Some(owner), Said { reason: None, until: Some(t(180)) }, t(70)).await.expect("a freeze");
        assert_eq!((note(&bench, 179).await, note(&bench, 220).await), (0, 2));
    })
    .await;
}

#[tokio::test]
async fn whoever_edits_or_deletes_first_tells_of_the_pause_that_was_over() {
    everywhere(async |bench| {
        let owner = bench.user("ann").await;
        let store = bench.store.acting(Author { by: Actor::SYSTEM, at: t(150) });
        let (edited, deleted) =
            (bench.trigger(owner, paused("a", None, 100)).await, bench.trigger(owner, paused("b", None, 110)).await);
        let armed = bench.get(owner, edited.id).await;
        let renamed = Definition { name: Some("c".to_owned()), ..armed.trigger.definition.clone().as_of(t(150)) };
        let edit = armed.edit(renamed, t(150));
        assert_eq!(store.edit_trigger(edit, armed.next_at, t(150)).await, Ok(Edited::Done));
        assert!(store.delete_trigger(owner, deleted.id, t(150)).await.expect("an answer"));
        assert_eq!(note(&bench, 160).await, 0, "both are told");
        let told: Vec<_> =
            acts(&bench, owner).await.iter().map(|entry| (entry.at, entry.act.action, entry.act.id)).collect();
        assert_eq!(
            told,
            [
                (t(100), Action::Resumed, Some(edited.id.0)),
                (t(150), Action::Edited, Some(edited.id.0)),
                (t(110), Action::Resumed, Some(deleted.id.0)),
                (t(150), Action::Deleted, Some(deleted.id.0)),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn many_ends_are_told_in_slices_and_those_of_one_instant_together() {
    everywhere(async |bench| {
        let owner = bench.user("ann").await;
        for _ in 0..12 {
            bench.trigger(owner, paused("a", None, 100)).await;
        }
        bench.trigger(owner, paused("late", None, 200)).await;
        let slice = async || bench.store.note_ends(t(300), 12).await.expect("an answer");
        assert_eq!((slice().await, slice().await, slice().await), (12, 1, 0));
        let told = told(&bench, owner).await;
        assert_eq!(told.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [t(100), t(200)]);
        assert!(told[0].3.starts_with("the pauses of 12 triggers, numbered from "), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn what_plans_put_off_or_hold_is_told_with_them() {
    everywhere(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        let mut plans = Vec::new();
        for (owner, is_held) in [(ann, false), (ann, false), (ben, true)] {
            let definition = Definition { name: Some("minutely".to_owned()), ..every("1m") };
            let trigger = Arc::new(bench.trigger(owner, definition).await);
            let absent_for = SignedDuration::from_mins(5);
            let put_off = PutOff { first: t(60), last: t(300), count: 5, is_held, absent_for };
            let plan = Plan { put_off: vec![put_off], next_at: Some(t(360)), ..Plan::default() };
            plans.push(Planned { trigger, armed: t(60), plan, message_ids: Vec::new(), edition: 0 });
        }
        let again = plans.clone();
        assert_eq!(bench.store.commit_plans(plans, t(1000)).await.expect("a commit").plans, 3);
        assert_eq!(bench.store.commit_plans(again, t(1001)).await.expect("a commit").plans, 0);
        let words = |text: &str| text.to_owned();
        assert_eq!(
            told(&bench, ann).await,
            [(t(1000), "put_off", "trigger", words("10 occurrences in 2 backlogs"))],
            "once, and together"
        );
        assert_eq!(told(&bench, ben).await, [(t(1000), "held", "trigger", words("5 occurrences"))]);
        let [held] = acts(&bench, ben).await.try_into().expect("one line");
        assert_eq!((held.by, held.act.name.as_deref()), (Actor::SYSTEM, Some("minutely")));
    })
    .await;
}

/// Every minute, under these terms.
fn under(name: &str, terms: Terms) -> Definition {
    let plain = every("1m");
    let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
    let schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
    Definition { name: Some(name.to_owned()), schedule, ..plain }
}

fn at_most(name: &str, most: u64) -> Definition {
    under(name, Terms { max_fires: MaxFires::new(most), ..Terms::default() })
}

fn once(name: &str, second: i64) -> Definition {
    let schedule = Some(ScheduleDetails::plain(Schedule::Once { at: t(second) }, None));
    Definition { name: Some(name.to_owned()), schedule, ..every("1m") }
}

#[tokio::test]
async fn a_trigger_that_is_spent_or_over_is_told_once_with_its_last_plan() {
    wherever_it_lasts(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        let spent = bench.trigger(ann, at_most("twice", 2)).await.id;
        let bounds = Bounds::new(None, Some(t(130))).expect("an end");
        let over = bench.trigger(ann, under("short", Terms { bounds, ..Terms::default() })).await.id;
        let once = bench.trigger(ben, once("once", 60)).await.id;
        for id in [spent, over] {
            bench.fire_due(ann, id, t(60)).await;
        }
        bench.fire_due(ben, once, t(60)).await;
        assert_eq!(
            (told(&bench, ann).await, told(&bench, ben).await),
            (vec![], vec![]),
            "they go on, or their event tells"
        );
        let plans = [bench.planned(ann, spent, t(120)).await, bench.planned(ann, over, t(120)).await];
        assert_eq!(bench.store.commit_plans(plans.to_vec(), t(121)).await.expect("a commit").plans, 2);
        assert_eq!(bench.store.commit_plans(plans.to_vec(), t(122)).await.expect("a commit").plans, 0);
        let bench = bench.reopen().await;
        assert_eq!(note(&bench, 500).await, 0);
        let lines: Vec<_> = acts(&bench, ann)
            .await
            .into_iter()
            .map(|entry| (entry.at, entry.by, entry.act.action, entry.act.name, entry.act.details))
            .collect();
        let line = |name: &str, words: &str| {
            (t(121), Actor::SYSTEM, Action::Ended, Some(name.to_owned()), Some(words.to_owned()))
        };
        assert_eq!(
            lines,
            [
                line("twice", "it has fired as often as it may: 2 times"),
                line("short", "its schedule names nothing more"),
            ]
        );
        assert_eq!(told(&bench, ben).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_ends_together_is_told_together_whether_it_fires_alone_or_not() {
    everywhere(async |bench| {
        let owner = bench.user("ann").await;
        let mut plans = Vec::new();
        for number in 0..23 {
            let overlap = if number < 11 { Overlap::Skip } else { Overlap::Allow };
            let id = bench.trigger(owner, Definition { overlap, ..at_most("once", 1) }).await.id;
            plans.push(bench.planned(owner, id, t(60)).await);
        }
        assert_eq!(bench.store.commit_plans(plans, t(60)).await.expect("a commit").plans, 23);
        let told: Vec<String> = told(&bench, owner).await.into_iter().map(|(.., words)| words).collect();
        let counts: Vec<&str> = told.iter().filter_map(|words| words.split_once(' ')).map(|(count, _)| count).collect();
        assert_eq!(counts, ["12", "11"], "{told:?}");
        assert!(told.iter().all(|words| words.ends_with(", have fired as often as they may")), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn an_expiry_that_ends_a_trigger_is_told_once_and_as_of_its_instant() {
    wherever_it_lasts(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        let until = |definition, end| Definition { expires_at: Some(t(end)), ..definition };
        bench.trigger(ben, until(api("called"), 100)).await;
        let every = bench.trigger(ann, until(under("every", Terms::default()), 150)).await.id;
        let spent = bench.trigger(ann, until(at_most("spent", 1), 100)).await.id;
        let done = bench.trigger(ann, until(once("done", 60), 100)).await.id;
        bench.trigger(ann, until(Definition { is_test: true, ..under("test", Terms::default()) }, 100)).await;
        bench.trigger(ann, until(paused("paused", None, 1_000), 110)).await;
        for (id, seconds) in [(every, 60), (spent, 60), (done, 60), (every, 120)] {
            bench.fire_due(ann, id, t(seconds)).await;
        }
        let words = |text: &str| text.to_owned();
        let line = |second, text: &str| (t(second), "ended", "trigger", words(text));
        let of_ann = |more: &[(Timestamp, &'static str, &'static str, String)]| {
            [&[line(60, "it has fired as often as it may: once")], more].concat()
        };
        assert_eq!(note(&bench, 99).await, 0);
        assert_eq!(told(&bench, ann).await, of_ann(&[]));
        assert_eq!(note(&bench, 149).await, 5, "those that end nothing are looked at once, too");
        assert_eq!(note(&bench, 149).await, 0);
        let bench = bench.reopen().await;
        assert_eq!((note(&bench, 150).await, note(&bench, 150).await), (1, 0));
        let over = "its expiry had come";
        assert_eq!(told(&bench, ann).await, of_ann(&[line(110, over), line(150, over)]));
        assert_eq!(told(&bench, ben).await, [line(100, over)]);
        assert!(acts(&bench, ben).await.iter().all(|entry| entry.by == Actor::SYSTEM));
        // It is told to go on, and ends once more.
        let armed = bench.get(ann, every).await;
        let edit = armed.edit(until(under("every", Terms::default()), 300), t(200));
        assert_eq!(bench.store.edit_trigger(edit, armed.next_at, t(200)).await, Ok(Edited::Done));
        assert_eq!((note(&bench, 299).await, note(&bench, 300).await, note(&bench, 301).await), (0, 1, 0));
        assert_eq!(told(&bench, ann).await.last(), Some(&line(300, over)));
    })
    .await;
}

#[tokio::test]
async fn whoever_edits_or_deletes_first_tells_of_the_expiry_that_had_come() {
    everywhere(async |bench| {
        let owner = bench.user("ann").await;
        let store = bench.store.acting(Author { by: Actor::SYSTEM, at: t(150) });
        let until = |end| Definition { expires_at: Some(t(end)), ..api("called") };
        let (edited, deleted) = (bench.trigger(owner, until(100)).await, bench.trigger(owner, until(110)).await);
        let armed = bench.get(owner, edited.id).await;
        let edit = armed.edit(until(500), t(150));
        assert_eq!(store.edit_trigger(edit, armed.next_at, t(150)).await, Ok(Edited::Done));
        assert!(store.delete_trigger(owner, deleted.id, t(150)).await.expect("an answer"));
        assert_eq!(note(&bench, 160).await, 0, "both are told");
        let told: Vec<_> =
            acts(&bench, owner).await.iter().map(|entry| (entry.at, entry.act.action, entry.act.id)).collect();
        assert_eq!(
            told,
            [
                (t(100), Action::Ended, Some(edited.id.0)),
                (t(150), Action::Edited, Some(edited.id.0)),
                (t(110), Action::Ended, Some(deleted.id.0)),
                (t(150), Action::Deleted, Some(deleted.id.0)),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn many_expiries_are_told_in_slices_and_those_of_one_instant_together() {
    everywhere(async |bench| {
        let owner = bench.user("ann").await;
        for number in 0..25 {
            let end = if number < 24 { 100 } else { 200 };
            bench.trigger(owner, Definition { expires_at: Some(t(end)), ..api("called") }).await;
        }
        let slice = async || bench.store.note_ends(t(300), 12).await.expect("an answer");
        assert_eq!((slice().await, slice().await, slice().await, slice().await), (12, 12, 1, 0));
        let told = told(&bench, owner).await;
        assert_eq!(told.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [t(100), t(100), t(200)]);
        assert!(told[0].3.starts_with("the expiry of 12 triggers, numbered from "), "{told:?}");
    })
    .await;
}
