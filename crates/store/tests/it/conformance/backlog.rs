//! Backlogs: what plans put off and what people ask for once more waits, is told of, and fires slice by slice, each occurrence once; and
//! whoever edits, deletes, releases or discards has the last word.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::act::{ActFilter, Action};
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::agenda::Span;
use oncue_domain::audit::Asked;
use oncue_domain::backlog::{BACKLOG_KEPT, Backlog, Drained, NewBacklog, PutOff, Source};
use oncue_domain::event::Origin;
use oncue_domain::freeze::Said;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::plan::Plan;
use oncue_domain::store::{BacklogSums, Change, Edited, Planned, Touched};
use oncue_domain::trigger::{Arm, Definition, Trigger};

use crate::bench::{Bench, answered, every, everywhere, t, webhook};

const ALL: Span = Span { from: Timestamp::MIN, until: Timestamp::MAX };

/// A trigger that fires each minute, of which a plan at `now` puts off the first so many occurrences.
pub(crate) async fn with_backlog(
    bench: &Bench,
    owner: UserId,
    minutes: i64,
    is_held: bool,
    now: Timestamp,
) -> Arc<Trigger> {
    let (name, webhook) = (Some("minutely".to_owned()), Some(webhook("https://example.com/")));
    let definition = Definition { name, webhook, ..every("1m") };
    let trigger = Arc::new(bench.trigger(owner, definition).await);
    let put_off = PutOff {
        first: t(60),
        last: t(60 * minutes),
        count: minutes.unsigned_abs(),
        is_held,
        absent_for: SignedDuration::from_mins(minutes),
    };
    let next_at = Some(t(60 * (minutes + 1)));
    let plan = Plan { firings: Vec::new(), skipped: Vec::new(), put_off: vec![put_off], next_at, ..Plan::default() };
    let planned = Planned { trigger: Arc::clone(&trigger), armed: t(60), plan, message_ids: Vec::new(), edition: 0 };
    assert_eq!(bench.store.commit_plans(vec![planned], now).await.expect("a commit").plans, 1);
    trigger
}

async fn only(bench: &Bench, owner: UserId) -> Backlog {
    let [view] = bench.store.backlogs(owner, None, 10).await.expect("a list").try_into().expect("one backlog");
    view.backlog
}

async fn turns(bench: &Bench) -> Vec<(Backlog, Arc<Trigger>)> {
    bench.store.backlog_turns(None, 10, 10).await.expect("turns").backlogs
}

/// Takes a slice of at most so many of the first whose turn it is.
async fn drain(bench: &Bench, most: usize, now: Timestamp) -> Option<usize> {
    let (backlog, trigger) = turns(bench).await.into_iter().next()?;
    let slice = backlog.slice(&trigger, most);
    let message_ids = slice.firings.iter().map(|_| bench.message()).collect();
    bench.store.drain(Drained { backlog, trigger, slice, message_ids, edition: 0 }, now).await.expect("an answer")
}

async fn nominal(bench: &Bench, owner: UserId) -> Vec<(Origin, Option<Timestamp>)> {
    let mut events: Vec<_> = bench.events(owner).await.iter().map(|event| (event.origin, event.scheduled_at)).collect();
    events.sort_by_key(|(_, at)| *at);
    events
}

async fn recorded(bench: &Bench, owner: UserId, id: TriggerId) -> Vec<Skipped> {
    bench.store.skipped(owner, id, 10).await.expect("records").iter().map(|view| view.skipped).collect()
}

#[tokio::test]
async fn whoever_drains_hears_of_an_edit_that_may_let_go_what_is_laid_up() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = with_backlog(&bench, owner, 5, false, t(1000)).await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        bench.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        let armed = bench.get(owner, trigger.id).await;
        let edit =
            armed.edit(Definition { name: Some("renamed".to_owned()), ..armed.trigger.definition.clone() }, t(1001));
        assert_eq!(edit.arm, Arm::Keep, "what it waits for stays");
        assert_eq!(bench.store.edit_trigger(edit, armed.next_at, t(1001)).await, Ok(Edited::Done));
        assert!(heard.lock().expect("no panic").contains(&Change::Armed));
    })
    .await;
}

#[tokio::test]
async fn what_is_put_off_waits_and_fires_slice_by_slice_each_occurrence_once() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let trigger = with_backlog(&bench, owner, 5, false, t(1000)).await;
        let backlog = only(&bench, owner).await;
        assert_eq!((backlog.source, backlog.first, backlog.last), (Source::CatchUp, t(60), t(300)));
        assert_eq!((backlog.total, backlog.left, backlog.next_at, backlog.is_held), (5, 5, t(60), false));
        assert_eq!((backlog.made_at, &backlog.made_by), (t(1000), &Actor::SYSTEM));
        assert_eq!(bench.store.backlogs(other, None, 10).await.expect("a list"), []);
        let sums = async |owner, trigger| bench.store.backlog_sums(owner, trigger).await.expect("sums");
        let all = BacklogSums { backlogs: 1, occurrences: 5, held: 0 };
        assert_eq!([sums(owner, None).await, sums(owner, Some(trigger.id)).await], [all, all]);
        assert_eq!(bench.store.all_backlog_sums().await.expect("sums"), all);
        let none = BacklogSums::default();
        assert_eq!([sums(owner, Some(TriggerId(999))).await, sums(other, Some(trigger.id)).await], [none, none]);
        assert!(bench.events(owner).await.is_empty());

        assert_eq!(drain(&bench, 2, t(1001)).await, Some(2));
        let backlog = only(&bench, owner).await;
        assert_eq!((backlog.left, backlog.total, backlog.next_at), (3, 5, t(180)));
        assert!(backlog.is_busy, "nobody has tried what fired of it");
        let settled = bench.claim_all(t(1001)).await.iter().map(|claim| answered(claim, 200, t(1002))).collect();
        bench.store.settle(settled).await.expect("a settlement");
        assert!(!only(&bench, owner).await.is_busy);

        assert_eq!(drain(&bench, 10, t(1003)).await, Some(3));
        assert_eq!(bench.store.backlogs(owner, None, 10).await.expect("a list"), []);
        let expected = [60, 120, 180, 240, 300].map(|at| (Origin::CatchUp, Some(t(at))));
        assert_eq!(nominal(&bench, owner).await, expected);
        assert_eq!(bench.get(owner, trigger.id).await.next_at, Some(t(360)), "the cursor stays where it was");
        assert_eq!(recorded(&bench, owner, trigger.id).await, []);
    })
    .await;
}

#[tokio::test]
async fn of_two_that_drain_at_once_one_does() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        with_backlog(&bench, owner, 5, false, t(1000)).await;
        let (backlog, trigger) = turns(&bench).await.remove(0);
        let drained = || Drained {
            slice: backlog.slice(&trigger, 2),
            backlog: backlog.clone(),
            trigger: Arc::clone(&trigger),
            message_ids: vec![bench.message(), bench.message()],
            edition: 0,
        };
        let done = [
            bench.store.drain(drained(), t(1001)).await.expect("an answer"),
            bench.store.drain(drained(), t(1001)).await.expect("an answer"),
        ];
        assert_eq!(done, [Some(2), None]);
        assert_eq!(bench.events(owner).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_slice_that_was_made_before_somebody_froze_or_thawed_does_nothing() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        with_backlog(&bench, owner, 5, false, t(1000)).await;
        bench.store.freeze(None, Said::default(), t(1001)).await.expect("a freeze");
        assert_eq!(drain(&bench, 2, t(1002)).await, None);
        assert_eq!((bench.events(owner).await.len(), only(&bench, owner).await.left), (0, 5));
        bench.store.thaw(None, t(1003)).await.expect("an answer");
        assert_eq!(drain(&bench, 2, t(1004)).await, None, "it was made under another edition");
        let (backlog, trigger) = turns(&bench).await.remove(0);
        let (slice, message_ids) = (backlog.slice(&trigger, 2), vec![bench.message(), bench.message()]);
        let edition = bench.store.freezes(t(0)).await.expect("a list").edition;
        let anew = Drained { backlog, trigger, slice, message_ids, edition };
        assert_eq!(bench.store.drain(anew, t(1005)).await.expect("an answer"), Some(2));
    })
    .await;
}

#[tokio::test]
async fn what_is_held_fires_only_once_it_is_released() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let trigger = with_backlog(&bench, owner, 5, true, t(1000)).await;
        let id = only(&bench, owner).await.id;
        assert!(turns(&bench).await.is_empty());
        let none = Touched::default();
        assert_eq!(bench.store.release_backlogs(other, Some(id), t(1001)).await.expect("an answer"), none);
        assert_eq!(bench.store.discard_backlogs(other, Some(id), t(1001)).await.expect("an answer"), none);
        let author = Author { by: Actor { who: Who::CommandLine, address: None, program: None }, at: t(1001) };
        let store = bench.store.acting(author);
        let touched = Touched {
            backlogs: 1,
            backfills: 0,
            occurrences: 5,
            expired: 0,
            trigger: Some(trigger.id),
            name: Some("minutely".to_owned()),
        };
        assert_eq!(store.release_backlogs(owner, Some(id), t(1001)).await.expect("an answer"), touched);
        assert_eq!(store.release_backlogs(owner, Some(id), t(1001)).await.expect("an answer"), none, "it is not held");
        assert_eq!(turns(&bench).await.len(), 1);
        let told = store.acts(ActFilter::of(owner), None, 10).await.expect("acts");
        assert_eq!((told[0].act.action, told[0].act.details.as_deref()), (Action::Released, Some("5 occurrences")));
        assert_eq!((told[0].act.id, told[0].act.name.as_deref()), (Some(trigger.id.0), Some("minutely")));
        store.discard_backlogs(owner, Some(id), t(1002)).await.expect("an answer");
        let told = store.acts(ActFilter::of(owner), None, 10).await.expect("acts");
        assert_eq!((told[0].act.action, told[0].act.name.as_deref()), (Action::Discarded, Some("minutely")));
    })
    .await;
}

/// What oncue discarded of itself, the latest first: of which trigger, and how it is told.
async fn own_acts(bench: &Bench, owner: UserId) -> Vec<(TriggerId, String)> {
    let acts = bench.store.acts(ActFilter::of(owner), None, 100).await.expect("a list").into_iter();
    let own = acts.filter(|entry| entry.by.who == Who::System && entry.act.action == Action::Discarded);
    own.map(|entry| (TriggerId(entry.act.id.expect("a trigger")), entry.act.details.expect("words"))).collect()
}

#[tokio::test]
async fn what_is_discarded_or_waits_too_long_is_on_record() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = with_backlog(&bench, owner, 5, false, t(1000)).await;
        assert_eq!(drain(&bench, 2, t(1001)).await, Some(2));
        let touched = bench.store.discard_backlogs(owner, None, t(1002)).await.expect("an answer");
        assert_eq!((touched.backlogs, touched.occurrences), (1, 3));
        let record = Skipped { reason: Reason::Discarded, first: t(180), last: t(300), count: 3 };
        assert_eq!(recorded(&bench, owner, trigger.id).await, [record]);

        let old = with_backlog(&bench, owner, 5, true, t(1000)).await;
        let late = t(1000) + BACKLOG_KEPT;
        let early = bench.store.discard_old_backlogs(late - SignedDuration::from_secs(1)).await.expect("an answer");
        assert_eq!(early, Touched::default());
        assert_eq!(bench.store.discard_old_backlogs(late).await.expect("an answer").occurrences, 5);
        assert_eq!(recorded(&bench, owner, old.id).await[0].count, 5);
        let told = [(old.id, "5 occurrences: they had waited too long".to_owned())];
        assert_eq!(own_acts(&bench, owner).await, told, "what somebody discards is told by whoever did");
        assert_eq!(bench.store.backlogs(owner, None, 10).await.expect("a list"), []);
    })
    .await;
}

async fn change(bench: &Bench, trigger: &Trigger, definition: Definition, now: Timestamp) {
    let armed = bench.get(trigger.owner, trigger.id).await;
    let edited = bench.store.edit_trigger(armed.edit(definition, now), armed.next_at, now).await;
    assert_eq!(edited.expect("an edit"), Edited::Done);
}

#[tokio::test]
async fn an_edit_of_what_is_named_ends_a_backlog_and_any_other_carries_it_along() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = with_backlog(&bench, owner, 5, false, t(1000)).await;
        let (seen, before) = turns(&bench).await.remove(0);
        let renamed = Definition { name: Some("new".to_owned()), ..trigger.definition.clone() };
        change(&bench, &trigger, renamed.clone(), t(1001)).await;
        let stale = Drained {
            slice: seen.slice(&before, 1),
            backlog: seen,
            trigger: before,
            message_ids: vec![bench.message()],
            edition: 0,
        };
        assert_eq!(bench.store.drain(stale, t(1001)).await.expect("an answer"), None, "nothing of a former revision");
        assert_eq!(only(&bench, owner).await.revision, 2);
        assert_eq!(drain(&bench, 1, t(1002)).await, Some(1));
        assert_eq!(bench.events(owner).await[0].name, "new");

        change(&bench, &trigger, Definition { enabled: false, ..renamed }, t(1003)).await;
        assert_eq!(bench.store.backlogs(owner, None, 10).await.expect("a list"), []);
        let records = recorded(&bench, owner, trigger.id).await;
        let superseded = Skipped { reason: Reason::Superseded, first: t(120), last: t(300), count: 4 };
        assert!(records.contains(&superseded), "{records:?}");

        let gone = with_backlog(&bench, owner, 5, false, t(1000)).await;
        assert!(bench.store.delete_trigger(owner, gone.id, t(1004)).await.expect("an answer"));
        assert_eq!(bench.store.backlogs(owner, None, 10).await.expect("a list"), []);
        let discarded = Skipped { reason: Reason::Discarded, first: t(60), last: t(300), count: 5 };
        assert_eq!(recorded(&bench, owner, gone.id).await, [discarded]);
        let counted = bench.store.skipped_counts(owner, Some(gone.id), Timestamp::MIN, Timestamp::MAX).await;
        assert_eq!(counted, Ok(vec![discarded]), "it is counted as its own, too");
    })
    .await;
}

#[tokio::test]
async fn the_ledger_and_the_auditor_know_what_waits() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = with_backlog(&bench, owner, 5, true, t(1000)).await;
        let waiting = async || {
            let ledger = bench.store.ledger(owner, trigger.id, ALL, t(0), 10).await.expect("an answer");
            ledger.expect("it is the owner's").skipped.iter().map(|view| view.skipped).collect::<Vec<_>>()
        };
        assert_eq!(waiting().await, [Skipped { reason: Reason::Held, first: t(60), last: t(300), count: 5 }]);
        let accounted = async || bench.store.accounted_until(vec![(owner, trigger.id)]).await.expect("an answer");
        assert_eq!(accounted().await, [Some(t(300))]);
        bench.store.release_backlogs(owner, None, t(1001)).await.expect("an answer");
        assert_eq!(drain(&bench, 2, t(1002)).await, Some(2));
        assert_eq!(waiting().await, [Skipped { reason: Reason::Waiting, first: t(180), last: t(300), count: 3 }]);
        let asked = Asked { owner, trigger: trigger.id, span: Span { from: t(60), until: t(301) } };
        let [account] = bench.store.accounts(vec![asked]).await.expect("accounts").try_into().expect("one");
        assert_eq!((account.fired, account.skipped), (vec![t(60), t(120)], vec![(t(180), t(300))]));
        assert_eq!(accounted().await, [Some(t(300))]);
    })
    .await;
}

#[tokio::test]
async fn a_backfill_fires_what_has_not_fired_and_is_accounted_for_apart() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, Definition { name: Some("hourly".to_owned()), ..every("1m") }).await;
        let author = Author { by: Actor { who: Who::CommandLine, address: None, program: None }, at: t(500) };
        let store = bench.store.acting(author);
        bench.fire_due(owner, trigger.id, t(61)).await;
        let new = NewBacklog {
            owner,
            trigger: trigger.id,
            revision: 1,
            first: t(60),
            last: t(180),
            count: 3,
            is_held: false,
        };
        let unknown = NewBacklog { revision: 2, ..new.clone() };
        assert_eq!(bench.store.backfill(unknown, t(500)).await.expect("an answer"), None);
        let new_owner = bench.user("b").await;
        let other = NewBacklog { owner: new_owner, ..new.clone() };
        assert_eq!(bench.store.backfill(other, t(500)).await.expect("an answer"), None);
        let made = store.backfill(new.clone(), t(500)).await.expect("an answer").expect("it is made");
        let view = bench.store.backlog(owner, made.backlog.id).await.expect("an answer");
        assert_eq!(view.as_ref(), Some(&made));
        let others = bench.store.backlog(new_owner, made.backlog.id).await.expect("an answer");
        assert_eq!(others, None, "it is somebody else's");
        let made = made.backlog;
        assert_eq!((made.source, made.left, made.is_held), (Source::Backfill, 3, false));
        assert_eq!(only(&bench, owner).await, made);
        let told = store.acts(ActFilter::of(owner), None, 10).await.expect("acts");
        assert_eq!((told[0].act.action, told[0].act.name.as_deref()), (Action::Backfilled, Some("hourly")));
        let backfill = async |from, until| {
            let span = Span { from: t(from), until: t(until) };
            let ledger = bench.store.ledger(owner, trigger.id, span, t(0), 10).await.expect("an answer");
            ledger.expect("it is the owner's").backfill.map(|view| (view.skipped, view.recorded_at))
        };
        let waits = Skipped { reason: Reason::Waiting, first: t(60), last: t(180), count: 3 };
        assert_eq!(backfill(0, 61).await, Some((waits, t(500))));
        assert_eq!([backfill(0, 60).await, backfill(181, 900).await], [None, None], "it does not lie there");
        assert_eq!(bench.store.backfill(new, t(500)).await.expect("an answer"), None, "one at a time");
        assert_eq!(drain(&bench, 10, t(501)).await, Some(2), "one had fired");
        let expected =
            [(Origin::Schedule, Some(t(60))), (Origin::Backfill, Some(t(120))), (Origin::Backfill, Some(t(180)))];
        assert_eq!(nominal(&bench, owner).await, expected);
        let asked = Asked { owner, trigger: trigger.id, span: Span { from: t(0), until: t(400) } };
        let [account] = bench.store.accounts(vec![asked]).await.expect("accounts").try_into().expect("one");
        assert_eq!((account.fired, account.skipped), (vec![t(60)], vec![]));
    })
    .await;
}

#[tokio::test]
async fn owners_take_turns_and_so_do_their_backlogs() {
    everywhere(async |bench| {
        let (a, b) = (bench.user("a").await, bench.user("b").await);
        let first = with_backlog(&bench, a, 5, false, t(1000)).await.id;
        let second = with_backlog(&bench, a, 5, false, t(1000)).await.id;
        let third = with_backlog(&bench, b, 5, false, t(1000)).await.id;
        let whose = async |after, owners, of_each| {
            let turns = bench.store.backlog_turns(after, owners, of_each).await.expect("turns").backlogs;
            turns.iter().map(|(backlog, _)| backlog.trigger).collect::<Vec<_>>()
        };
        assert_eq!(whose(None, 10, 10).await, [first, second, third]);
        assert_eq!(whose(None, 1, 1).await, [first]);
        assert_eq!(whose(Some(a), 10, 10).await, [third]);
        assert_eq!(whose(Some(b), 10, 10).await, []);
        let until = async |after, owners| bench.store.backlog_turns(after, owners, 1).await.expect("turns").until;
        assert_eq!((until(None, 1).await, until(None, 10).await, until(Some(b), 10).await), (Some(a), Some(b), None));
        assert_eq!(drain(&bench, 1, t(1001)).await, Some(1));
        assert_eq!(whose(None, 10, 1).await, [second, third], "the other has its turn");
    })
    .await;
}

/// Changes when the trigger expires, which names the same occurrences.
async fn expire(bench: &Bench, trigger: &Trigger, at: Timestamp, now: Timestamp) {
    let definition = bench.get(trigger.owner, trigger.id).await.trigger.definition;
    change(bench, trigger, Definition { expires_at: Some(at), ..definition }, now).await;
}

#[tokio::test]
async fn what_waits_ends_as_expired_with_its_trigger_and_not_a_moment_earlier() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let trigger = with_backlog(&bench, owner, 5, false, t(1000)).await;
        let spared = with_backlog(&bench, owner, 5, true, t(1000)).await;
        expire(&bench, &trigger, t(2000), t(1001)).await;
        assert_eq!(drain(&bench, 2, t(1002)).await, Some(2));
        let id = only_of(&bench, &trigger).await.expect("it waits").id;
        let none = Touched::default();
        assert_eq!(bench.store.expire_backlogs(Some(id), t(1999)).await.expect("an answer"), none, "it lives");
        assert_eq!(bench.store.expire_backlogs(None, t(1999)).await.expect("an answer"), none);
        let ended = bench.store.expire_backlogs(Some(id), t(2000)).await.expect("an answer");
        assert_eq!((ended.backlogs, ended.occurrences, ended.trigger), (1, 3, Some(trigger.id)));
        let record = Skipped { reason: Reason::Expired, first: t(180), last: t(300), count: 3 };
        assert_eq!(recorded(&bench, owner, trigger.id).await, [record]);
        assert_eq!(bench.store.expire_backlogs(None, t(2000)).await.expect("an answer"), none, "the other lives");

        // What is held ends when it is looked for, or when somebody wants to release it.
        expire(&bench, &spared, t(2100), t(2000)).await;
        let foreign = bench.store.release_backlogs(other, None, t(2100)).await.expect("an answer");
        assert_eq!(foreign, none);
        let released = bench.store.release_backlogs(owner, None, t(2100)).await.expect("an answer");
        assert_eq!(released, Touched { expired: 1, ..none });
        assert_eq!(recorded(&bench, owner, spared.id).await[0].reason, Reason::Expired);
        assert_eq!(bench.store.backlogs(owner, None, 10).await.expect("a list"), []);
        assert!(bench.events(owner).await.iter().all(|event| event.trigger == trigger.id));
        assert_eq!(
            own_acts(&bench, owner).await,
            [
                (spared.id, "5 occurrences: the trigger has expired".to_owned()),
                (trigger.id, "3 occurrences: the trigger has expired".to_owned()),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn an_edit_after_the_expiry_ends_what_waits_as_expired() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = with_backlog(&bench, owner, 5, true, t(1000)).await;
        expire(&bench, &trigger, t(2000), t(1001)).await;
        expire(&bench, &trigger, t(9000), t(3000)).await;
        let records = recorded(&bench, owner, trigger.id).await;
        let record = Skipped { reason: Reason::Expired, first: t(60), last: t(300), count: 5 };
        assert!(records.contains(&record), "{records:?}");
        assert_eq!(only_of(&bench, &trigger).await, None);
    })
    .await;
}

/// What waits of a trigger, of which there is one backlog at most.
async fn only_of(bench: &Bench, trigger: &Trigger) -> Option<Backlog> {
    let views = bench.store.backlogs(trigger.owner, None, 10).await.expect("a list");
    views.into_iter().map(|view| view.backlog).find(|backlog| backlog.trigger == trigger.id)
}

#[tokio::test]
async fn the_list_goes_on_where_it_ended() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        for whose in [owner, other, owner, owner] {
            with_backlog(&bench, whose, 5, whose == owner, t(1000)).await;
        }
        let all = bench.store.backlogs(owner, None, 10).await.expect("a list");
        let first = bench.store.backlogs(owner, None, 2).await.expect("a list");
        let rest = bench.store.backlogs(owner, Some(first[1].backlog.id), 2).await.expect("a list");
        assert_eq!((all.len(), [first, rest].concat()), (3, all.clone()));
        let sums = BacklogSums { backlogs: 3, occurrences: 15, held: 15 };
        assert_eq!(bench.store.backlog_sums(owner, None).await.expect("sums"), sums);
        let everybodys = BacklogSums { backlogs: 4, occurrences: 20, held: 15 };
        assert_eq!(bench.store.all_backlog_sums().await.expect("sums"), everybodys);
    })
    .await;
}
