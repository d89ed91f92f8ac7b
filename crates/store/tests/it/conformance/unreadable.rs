//! A trigger that cannot be read is there all the same: lists say so in its place, what is left of it can be had, and once it was replaced the time in
//! which it could not fire is on record. What the reference model keeps is never written down, so of such a trigger it knows the record alone.

use jiff::Timestamp;
use oncue_domain::act::ActFilter;
use oncue_domain::agenda::Span;
use oncue_domain::audit::Defect;
use oncue_domain::freeze::Said;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::store::{Edited, Error};
use oncue_domain::trigger::{Armed, Definition, Kind as Sort, Listed, Pause, Problem, Remains, Unreadable};

use super::limit::at_most;
use crate::bench::{Bench, Kind, api, every, everywhere, t};

/// The stores that write down what they keep, and can be written to by others.
const WRITTEN: [Kind; 2] = [Kind::SqliteFile, Kind::Postgres];

/// A schedule in a zone that nobody knows.
const ON_MARS: &str = r#"{"cron":{"expression":"0 9 * * *","zone":"Mars/Base"}}"#;

/// Microseconds beyond all that can be told of.
const NO_INSTANT: i64 = 9_000_000_000_000_000_000;

fn change(bench: &Bench, sql: &str) {
    match bench.kind {
        Kind::Postgres => drop(bench.sql(sql)),
        _ => crate::sqlite::change(bench, sql),
    }
}

fn spoil(bench: &Bench, id: TriggerId, said: &str) {
    change(bench, &format!("UPDATE triggers SET {said} WHERE id = {id}"));
}

fn problem(field: &'static str, why: &str) -> Problem {
    Problem { field: Some(field), why: why.to_owned() }
}

fn on_mars() -> Problem {
    problem("schedule_details", "the time zone Mars/Base is not known to this release")
}

/// The numbers of a list, and what is wrong with those that cannot be read.
fn told<T>(listed: &[Listed<T>], id: impl Fn(&T) -> TriggerId) -> Vec<(TriggerId, Option<Problem>)> {
    let one = |one: &Listed<T>| match one {
        Listed::Read(read) => (id(read), None),
        Listed::Unreadable(unreadable) => (unreadable.id, Some(unreadable.problem.clone())),
    };
    listed.iter().map(one).collect()
}

#[tokio::test]
async fn a_list_says_in_its_place_what_cannot_be_read_and_ends_no_earlier_for_it() {
    for kind in WRITTEN {
        let bench = Bench::new(kind, true).await;
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let named = Definition { name: Some("lost".to_owned()), enabled: false, ..every("1m") };
        let lost = bench.trigger(owner, named).await;
        let undated = bench.trigger(owner, every("1m")).await.id;
        let sound = bench.trigger(owner, every("1m")).await.id;
        let called = bench.trigger(owner, api("called")).await.id;
        spoil(&bench, lost.id, &format!("schedule = '{ON_MARS}'"));
        spoil(&bench, called, "payload = '{spoilt'");
        spoil(&bench, undated, &format!("created_at = {NO_INSTANT}"));
        let page = async |after, limit| {
            let listed = bench.store.listed_triggers(owner, after, limit).await.expect("a list");
            told(&listed, |armed| armed.trigger.id)
        };
        let all = page(None, 10).await;
        assert_eq!(all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [lost.id, undated, sound, called]);
        assert_eq!((&all[0].1, all[1].1.is_some(), &all[2].1), (&Some(on_mars()), true, &None));
        assert_eq!(all[3].1.as_ref().and_then(|problem| problem.field), Some("api_payload"));
        assert_eq!(page(None, 1).await, all[..1]);
        assert_eq!(page(None, 2).await, all[..2]);
        assert_eq!(page(Some(lost.id), 1).await, all[1..2], "a page goes on behind it");
        assert_eq!(page(Some(sound), 5).await, all[3..]);
        let first = bench.store.listed_triggers(owner, None, 1).await.expect("a list").remove(0);
        let (id, created_at, problem) = (lost.id, lost.created_at, on_mars());
        let name = Some("lost".to_owned());
        let expected = Unreadable { id, revision: 1, name, kind: Sort::Scheduled, enabled: false, created_at, problem };
        assert_eq!(first, Listed::Unreadable(expected));
        let heads = bench.store.listed_heads(owner, 10).await.expect("heads");
        let heads: Vec<_> = told(&heads, |head| head.id).iter().map(|(id, wrong)| (*id, wrong.is_some())).collect();
        let expected = [(lost.id, true), (undated, true), (sound, false), (called, false)];
        assert_eq!(heads, expected, "no payload is looked at");
        spoil(&bench, called, "expects = '{spoilt'");
        let heads = bench.store.listed_heads(owner, 10).await.expect("heads");
        let wrong = told(&heads, |head| head.id).pop().and_then(|(_, problem)| problem);
        assert_eq!(wrong.and_then(|problem| problem.field), Some("expects"));
        let readable = bench.store.triggers(owner, None, 10).await.expect("a list");
        assert_eq!(readable.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [sound]);
        assert_eq!(bench.store.listed_triggers(other, None, 10).await, Ok(Vec::new()));
    }
}

#[tokio::test]
async fn what_is_left_of_it_is_its_owner_s_alone_and_nothing_is_left_of_what_can_be_read() {
    for kind in WRITTEN {
        let bench = Bench::new(kind, true).await;
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let lost = bench.trigger(owner, every("1m")).await;
        let remains = async |owner: UserId| bench.store.remains(owner, lost.id).await.expect("an answer");
        assert_eq!(remains(owner).await, None);
        let waits_for = bench.get(owner, lost.id).await.next_at;
        spoil(&bench, lost.id, &format!("schedule = '{ON_MARS}'"));
        assert_eq!(bench.store.trigger(owner, lost.id).await, Err(Error::Unreadable(on_mars())));
        let Remains { armed, deletes_when_done, unreadable } = remains(owner).await.expect("it is there");
        assert_eq!((armed.trigger.id, armed.trigger.owner, armed.next_at), (lost.id, owner, waits_for));
        assert_eq!((armed.trigger.created_at, armed.trigger.standing_since), (lost.created_at, lost.standing_since));
        assert_eq!((unreadable.problem, unreadable.enabled, unreadable.kind), (on_mars(), true, Sort::Scheduled));
        assert!(!deletes_when_done);
        assert_eq!(remains(other).await, None);
        let newer = r#"{"tide":{"port":"Riga"},"delete_when_done":true}"#;
        spoil(&bench, lost.id, &format!("schedule = '{newer}'"));
        assert!(remains(owner).await.is_some_and(|remains| remains.deletes_when_done), "whatever else it says");
        spoil(&bench, lost.id, &format!("schedule = '{ON_MARS}'"));
        let attention = bench.store.attention(owner, t(0), t(59)).await.expect("an answer");
        assert_eq!(attention.unreadable, [], "its time has not come");
        let attention = bench.store.attention(owner, t(0), t(600)).await.expect("an answer");
        assert_eq!(attention.unreadable.iter().map(|one| one.id).collect::<Vec<_>>(), [lost.id]);
        assert_eq!(attention.overdue, []);
        assert_eq!(bench.store.attention(other, t(0), t(600)).await.expect("an answer").unreadable, []);
    }
}

#[tokio::test]
async fn where_a_count_beside_it_cannot_be_read_it_can_be_replaced_all_the_same() {
    for kind in WRITTEN {
        let bench = Bench::new(kind, true).await;
        let owner = bench.user("a").await;
        let lost = bench.trigger(owner, every("1m")).await;
        change(&bench, &format!("INSERT INTO limits (trigger_id, fired) VALUES ({}, -7)", lost.id));
        let listed = bench.store.listed_triggers(owner, None, 10).await.expect("a list");
        let told = told(&listed, |armed| armed.trigger.id);
        assert!(matches!(told[..], [(id, Some(_))] if id == lost.id), "{told:?}");
        let answer = bench.store.trigger(owner, lost.id).await;
        assert!(matches!(answer, Err(Error::Unreadable(_))), "as the list says: {answer:?}");
        let remains = bench.store.remains(owner, lost.id).await.expect("an answer").expect("it is there");
        let edit = remains.edit(every("2m"), t(30));
        assert_eq!(bench.store.edit_trigger(edit, remains.armed.next_at, t(30)).await, Ok(Edited::Done));
        let replaced = bench.get(owner, lost.id).await;
        assert_eq!(replaced.next_at, replaced.trigger.definition.next_after(t(30)));
        assert_eq!(bench.store.delete_trigger(owner, lost.id, t(31)).await, Ok(true));
    }
}

#[tokio::test]
async fn where_it_was_made_at_no_instant_it_is_shown_and_replaced_and_deleted_all_the_same() {
    for kind in WRITTEN {
        let bench = Bench::new(kind, true).await;
        let owner = bench.user("a").await;
        let began = Timestamp::UNIX_EPOCH;
        let both = ["created_at", "standing_since"];
        for (spoilt, since) in [(&both[..1], t(0)), (&both[1..], t(0)), (&both[..], began)] {
            let [replaced, deleted] =
                [bench.trigger(owner, every("1m")).await.id, bench.trigger(owner, every("1m")).await.id];
            for column in spoilt {
                change(
                    &bench,
                    &format!("UPDATE triggers SET {column} = {NO_INSTANT} WHERE id IN ({replaced}, {deleted})"),
                );
            }
            let answer = bench.store.trigger(owner, replaced).await;
            assert!(matches!(answer, Err(Error::Unreadable(_))), "{spoilt:?}: {answer:?}");
            let listed = bench.store.listed_triggers(owner, None, 10).await.expect("a list");
            let made_at = |one: &Listed<Armed>| match one {
                Listed::Read(_) => None,
                Listed::Unreadable(unreadable) => Some((unreadable.id, unreadable.created_at)),
            };
            let told: Vec<_> = listed.iter().map(made_at).collect();
            assert_eq!(told, [Some((replaced, since)), Some((deleted, since))], "{spoilt:?}");
            let remains = bench.store.remains(owner, replaced).await.expect("an answer").expect("it is there");
            let trigger = &remains.armed.trigger;
            assert_eq!((trigger.created_at, trigger.standing_since), (since, since), "{spoilt:?}");
            let edit = remains.edit(every("2m"), t(30));
            assert_eq!(bench.store.edit_trigger(edit, remains.armed.next_at, t(30)).await, Ok(Edited::Done));
            let read = bench.get(owner, replaced).await;
            assert_eq!((read.trigger.created_at, read.next_at), (since, Some(t(120))), "{spoilt:?}");
            for id in [replaced, deleted] {
                assert_eq!(bench.store.delete_trigger(owner, id, t(31)).await, Ok(true), "{spoilt:?}");
            }
        }
        while !bench.store.expire(t(200), t(4_000), 100).await.expect("they are forgotten").is_done {}
    }
}

#[tokio::test]
async fn what_is_armed_for_no_instant_holds_up_nothing_and_is_put_right() {
    let (before, after) = (Timestamp::MIN, Timestamp::MAX);
    for kind in WRITTEN {
        for (micros, nearest) in [(NO_INSTANT, after), (i64::MAX, after), (-NO_INSTANT, before), (i64::MIN, before)] {
            let bench = Bench::new(kind, true).await;
            let owner = bench.user("a").await;
            let (astray, sound) =
                (bench.trigger(owner, every("1m")).await.id, bench.trigger(owner, every("1m")).await.id);
            change(&bench, &format!("UPDATE cursors SET next_at = {micros} WHERE trigger_id = {astray}"));
            let bench = bench.reopen().await;
            let absences = bench.store.begin_presence(t(90)).await.expect("it begins");
            assert!(absences.iter().all(|absence| absence.from > Timestamp::UNIX_EPOCH), "{micros}: {absences:?}");
            assert_eq!(bench.store.next_due().await, Ok(Some(t(60))), "{micros}");
            for limit in [1, 10] {
                let due = bench.store.due(t(90), limit).await.expect("what is due");
                assert_eq!(due.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [sound], "{micros}");
            }
            bench.store.due_counts(t(90)).await.expect("counts");
            let heads = bench.store.trigger_heads(owner, 10).await.expect("heads");
            assert_eq!(heads[0].next_at, Some(nearest));
            assert_eq!(bench.get(owner, astray).await.next_at, Some(nearest));
            let inspection = bench.store.inspect(None, 10).await.expect("a slice");
            assert_eq!((inspection.triggers.len(), inspection.unreadable.len()), (2, 0));
            let found = inspection.triggers[0].finding(None, t(0), t(90)).expect("it waits for no occurrence");
            let repair = found.repair.expect("it can be put right");
            assert_eq!((found.trigger, found.defect, repair.next_at), (astray, Defect::Astray, Some(t(60))));
            assert_eq!(bench.store.rearm(repair).await, Ok(true), "{micros}");
            assert_eq!(bench.get(owner, astray).await.next_at, Some(t(60)));
        }
    }
}

#[tokio::test]
async fn what_is_armed_for_no_instant_can_be_edited_and_deleted() {
    for kind in WRITTEN {
        let bench = Bench::new(kind, true).await;
        let owner = bench.user("a").await;
        let [edited, deleted] =
            [bench.trigger(owner, every("1m")).await.id, bench.trigger(owner, every("1m")).await.id];
        change(&bench, &format!("UPDATE cursors SET next_at = {NO_INSTANT}"));
        let armed = bench.get(owner, edited).await;
        let edit = armed.edit(every("2m"), t(30));
        assert_eq!(bench.store.edit_trigger(edit, Some(t(60)), t(30)).await, Ok(Edited::Stale), "that was not seen");
        let edit = armed.edit(every("2m"), t(30));
        assert_eq!(bench.store.edit_trigger(edit, armed.next_at, t(30)).await, Ok(Edited::Done));
        assert_eq!(bench.get(owner, edited).await.next_at, Some(t(120)));
        assert_eq!(bench.store.delete_trigger(owner, deleted, t(31)).await, Ok(true));
        let gone = bench.store.deleted_trigger(owner, deleted, t(0)).await.expect("an answer").expect("it was there");
        assert_eq!(gone.armed.next_at, Some(Timestamp::MAX));
    }
}

#[tokio::test]
async fn where_its_firings_cannot_be_counted_it_alone_does_not_fire_and_its_replacement_begins_anew() {
    for kind in WRITTEN {
        let bench = Bench::new(kind, true).await;
        let owner = bench.user("a").await;
        let ids = [bench.trigger(owner, at_most(3)).await.id, bench.trigger(owner, at_most(3)).await.id];
        let [lost, sound] = ids;
        for (id, fired) in [(lost, -1), (sound, 2)] {
            change(&bench, &format!("INSERT INTO limits (trigger_id, fired) VALUES ({id}, {fired})"));
        }
        for limit in [1, 10] {
            let due = bench.store.due(t(60), limit).await.expect("what is due");
            let told: Vec<_> = due.iter().map(|armed| (armed.trigger.id, armed.fired)).collect();
            assert_eq!(told, [(sound, 2)], "whoever looks for {limit}");
        }
        let remains = bench.store.remains(owner, lost).await.expect("an answer").expect("it cannot be read");
        let edit = remains.edit(at_most(2), t(90));
        assert_eq!(bench.store.edit_trigger(edit, remains.armed.next_at, t(90)).await, Ok(Edited::Done));
        let replaced = bench.get(owner, lost).await;
        assert_eq!((replaced.fired, replaced.next_at), (0, Some(t(120))));
    }
}

#[tokio::test]
async fn an_end_that_cannot_be_read_keeps_no_other_from_being_told_nor_anybody_from_ending_the_trigger() {
    for kind in WRITTEN {
        let bench = Bench::new(kind, true).await;
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let paused = Definition { enabled: false, pause: Pause::new(None, Some(t(100))), ..every("1m") };
        let expiring = Definition { expires_at: Some(t(100)), ..every("1m") };
        let endings = [(paused, "pause_until"), (expiring, "expires_at")];
        for (definition, end) in &endings {
            let spoilt = format!("{end} = -{NO_INSTANT}");
            let made = async || bench.trigger(owner, definition.clone()).await.id;
            let [_, lost, deleted, replaced] = [made().await, made().await, made().await, made().await];
            for id in [lost, deleted, replaced] {
                spoil(&bench, id, &spoilt);
            }
            assert_eq!(bench.store.delete_trigger(owner, deleted, t(20)).await, Ok(true), "{end}");
            let remains = bench.store.remains(owner, replaced).await.expect("an answer").expect("it is there");
            let edit = remains.edit(every("2m"), t(20));
            assert_eq!(bench.store.edit_trigger(edit, remains.armed.next_at, t(20)).await, Ok(Edited::Done), "{end}");
        }
        for whose in [owner, other] {
            let said = Said { reason: None, until: Some(t(100)) };
            bench.store.freeze(Some(whose), said, t(10)).await.expect("a freeze");
        }
        change(&bench, &format!("UPDATE freezes SET until_at = -{NO_INSTANT} WHERE owner = {other}"));
        assert_eq!(bench.store.note_ends(t(200), 100).await, Ok(6));
        assert_eq!(bench.store.note_ends(t(200), 100).await, Ok(0), "each is passed over once");
        let acts = bench.store.acts(ActFilter { with_server: true, ..ActFilter::of(owner) }, None, 10).await;
        let mut told: Vec<_> = acts.expect("a list").iter().map(|entry| (entry.at, entry.act.action.word())).collect();
        told.sort_unstable();
        assert_eq!(told, [(t(100), "ended"), (t(100), "resumed"), (t(100), "thawed")]);
    }
}

#[tokio::test]
async fn once_it_was_replaced_the_time_in_which_it_could_not_fire_is_on_record() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let lost = bench.trigger(owner, every("1m")).await;
        let armed = bench.get(owner, lost.id).await;
        let (id, created_at) = (lost.id, lost.created_at);
        let unreadable = Unreadable {
            id,
            revision: 1,
            name: None,
            kind: Sort::Scheduled,
            enabled: true,
            created_at,
            problem: on_mars(),
        };
        let mut remains = Remains { armed, deletes_when_done: false, unreadable };
        remains.armed.trigger.definition = Definition::in_place_of_unreadable(None, Sort::Scheduled);
        let edit = remains.edit(every("2m"), t(150));
        assert_eq!(bench.store.edit_trigger(edit, remains.armed.next_at, t(150)).await, Ok(Edited::Done));
        let record = Skipped { reason: Reason::Unreadable, first: t(60), last: t(150), count: 1 };
        let records = bench.store.skipped(owner, id, 10).await.expect("records");
        assert_eq!(records.iter().map(|view| (view.skipped, view.recorded_at)).collect::<Vec<_>>(), [(record, t(150))]);
        let within = Span { from: t(100), until: t(101) };
        let ledger = bench.store.ledger(owner, id, within, t(0), 10).await.expect("an answer").expect("it is there");
        assert_eq!(ledger.skipped.iter().map(|view| view.skipped).collect::<Vec<_>>(), [record]);
        let replaced = bench.get(owner, id).await;
        assert_eq!((replaced.trigger.revision, replaced.next_at), (2, replaced.trigger.definition.next_after(t(150))));
    })
    .await;
}
