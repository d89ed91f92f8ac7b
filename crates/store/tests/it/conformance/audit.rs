//! What the auditor is shown of everybody's triggers, and what it puts right: under the eyes of whoever changes a trigger meanwhile.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use oncue_domain::act::{ActFilter, Action};
use oncue_domain::actor::Who;
use oncue_domain::agenda::Span;
use oncue_domain::audit::{ACCOUNT_MAX, Account, Asked, Cursor, Defect, Inspected, Repair, ZoneData};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::payload::Payload;
use oncue_domain::plan::Plan;
use oncue_domain::store::{Change, Inspection, Planned};
use oncue_domain::trigger::{Definition, Trigger};

use crate::bench::{Bench, api, every, everywhere, t, wherever_it_lasts};

async fn accounted(bench: &Bench, owner: UserId, id: TriggerId) -> Option<Timestamp> {
    let [accounted] =
        bench.store.accounted_until(vec![(owner, id)]).await.expect("an answer").try_into().expect("one for one");
    accounted
}

/// The repair of a trigger as it stands, so that it waits for `next_at`.
async fn repair(bench: &Bench, owner: UserId, id: TriggerId, next_at: Option<Timestamp>) -> Repair {
    let armed = bench.get(owner, id).await;
    let revision = armed.trigger.revision;
    let seen = armed.next_at.map(|next_at| Cursor { next_at, revision });
    Repair { owner, trigger: id, revision, seen, next_at, defect: Defect::Astray, found_at: t(7) }
}

#[tokio::test]
async fn a_walk_shows_every_scheduled_trigger_once_with_what_it_waits_for() {
    everywhere(async |bench| {
        let (ann, bob) = (bench.user("a").await, bench.user("b").await);
        let long = Payload::parse("{\"long\":true}").expect("JSON");
        let mut expected: Vec<(Trigger, Option<i64>)> = Vec::new();
        for (owner, definition, next) in [
            (ann, Definition { payload: Some(long), ..every("1m") }, Some(60)),
            (bob, api("called"), None),
            (bob, every("2m"), Some(120)),
            (ann, Definition { enabled: false, ..every("1m") }, None),
            (ann, every("1h"), Some(3600)),
        ] {
            let trigger = bench.trigger(owner, definition).await;
            let definition = Definition { payload: None, ..trigger.definition.clone() };
            if definition.schedule.is_some() {
                expected.push((Trigger { definition, ..trigger }, next));
            }
        }
        let (mut seen, mut after, mut slices) = (Vec::new(), None, 0);
        loop {
            let slice = bench.store.inspect(after, 2).await.expect("a slice");
            assert!(slice.triggers.len() <= 2 && slice.unreadable.is_empty(), "{slice:?}");
            seen.extend(slice.triggers);
            (after, slices) = (slice.go_on_after, slices + 1);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(slices, 3);
        let cursor = |next: i64| Cursor { next_at: t(next), revision: 1 };
        let expected: Vec<Inspected> = expected
            .into_iter()
            .map(|(trigger, next)| Inspected {
                trigger,
                fired: 0,
                counted_until: None,
                cursor: next.map(cursor),
                is_forgotten: false,
            })
            .collect();
        assert_eq!(seen, expected);
    })
    .await;
}

#[tokio::test]
async fn a_walk_over_nothing_is_over_at_once() {
    everywhere(async |bench| {
        assert_eq!(bench.store.inspect(None, 10).await, Ok(Inspection::default()));
        assert_eq!(bench.store.accounted_until(Vec::new()).await, Ok(Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn the_revision_that_was_armed_is_the_triggers_own_after_every_edit() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let renamed = Definition { name: Some("renamed".to_owned()), ..trigger.definition.clone() };
        let edit = trigger.edit(renamed, Some(t(60)), t(5));
        bench.store.edit_trigger(edit, Some(t(60)), t(5)).await.expect("an edit");
        let [seen] = bench.store.inspect(None, 10).await.expect("a slice").triggers.try_into().expect("one trigger");
        assert_eq!((seen.trigger.revision, seen.cursor), (2, Some(Cursor { next_at: t(60), revision: 2 })));
    })
    .await;
}

#[tokio::test]
async fn what_has_fired_or_is_recorded_is_accounted_for() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let id = bench.trigger(owner, every("1m")).await.id;
        assert_eq!(accounted(&bench, owner, id).await, None);
        bench.fire_due(owner, id, t(61)).await;
        assert_eq!(accounted(&bench, owner, id).await, Some(t(60)));
        let armed = bench.get(owner, id).await;
        let skipped = Skipped { reason: Reason::Missed, first: t(120), last: t(300), count: 4 };
        let plan = Plan {
            firings: Vec::new(),
            skipped: vec![skipped],
            put_off: Vec::new(),
            next_at: Some(t(360)),
            ..Plan::default()
        };
        let trigger = Arc::new(armed.trigger);
        let planned = Planned { trigger, armed: t(120), plan, message_ids: Vec::new(), edition: 0 };
        bench.store.commit_plans(vec![planned], t(310)).await.expect("a commit");
        assert_eq!(accounted(&bench, owner, id).await, Some(t(300)));
        bench.fire_due(owner, id, t(361)).await;
        assert_eq!(accounted(&bench, owner, id).await, Some(t(360)));
        assert_eq!(accounted(&bench, other, id).await, None, "it is somebody else's");
        let asked = vec![(other, id), (owner, id), (owner, TriggerId(999)), (owner, id)];
        let told = bench.store.accounted_until(asked).await.expect("answers");
        assert_eq!(told, [None, Some(t(360)), None, Some(t(360))], "in the order of the questions");
    })
    .await;
}

#[tokio::test]
async fn an_account_tells_what_fired_and_what_is_recorded_in_a_span() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let id = bench.trigger(owner, every("1m")).await.id;
        for minute in [1, 2, 3] {
            bench.fire_due(owner, id, t(minute * 60 + 1)).await;
        }
        for (first, last) in [(240, 300), (360, 360), (420, 900)] {
            let armed = bench.get(owner, id).await;
            let skipped = Skipped { reason: Reason::Missed, first: t(first), last: t(last), count: 1 };
            let plan = Plan {
                firings: Vec::new(),
                skipped: vec![skipped],
                put_off: Vec::new(),
                next_at: Some(t(last + 60)),
                ..Plan::default()
            };
            let (trigger, message_ids) = (Arc::new(armed.trigger), Vec::new());
            let planned = Planned { trigger, armed: t(first), plan, message_ids, edition: 0 };
            let committed = bench.store.commit_plans(vec![planned], t(901)).await.expect("a commit");
            assert_eq!(committed.plans, 1);
        }
        let asked = |owner: UserId, trigger: TriggerId, from: i64, until: i64| Asked {
            owner,
            trigger,
            span: Span { from: t(from), until: t(until) },
        };
        let accounts = bench
            .store
            .accounts(vec![
                asked(owner, id, 0, 5_000),
                asked(owner, id, 120, 180),
                asked(owner, id, 300, 420),
                asked(other, id, 0, 5_000),
                asked(owner, TriggerId(999), 0, 5_000),
            ])
            .await
            .expect("accounts");
        let account = |fired: &[i64], skipped: &[(i64, i64)]| Account {
            fired: fired.iter().copied().map(t).collect(),
            skipped: skipped.iter().map(|(first, last)| (t(*first), t(*last))).collect(),
        };
        let expected = [
            account(&[60, 120, 180], &[(240, 300), (360, 360), (420, 900)]),
            account(&[120], &[]),
            account(&[], &[(240, 300), (360, 360)]),
            account(&[], &[]),
            account(&[], &[]),
        ];
        assert_eq!(accounts, expected);
        assert_eq!(bench.store.accounts(Vec::new()).await, Ok(Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn of_more_records_than_are_told_at_once_the_first_are_told() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let record =
            |first: i64, last: i64| Skipped { reason: Reason::Missed, first: t(first), last: t(last), count: 1 };
        let count = i64::try_from(ACCOUNT_MAX).expect("small") + 3;
        let minutes = (1..=count).map(|minute| record(minute * 60, minute * 60));
        // One that begins first, and ends last.
        let skipped: Vec<Skipped> = minutes.chain([record(30, count * 60 + 30)]).collect();
        let (next_at, trigger) = (Some(t(count * 60 + 60)), Arc::new(bench.get(owner, id).await.trigger));
        let plan = Plan { skipped, next_at, ..Plan::default() };
        let planned = Planned { trigger, armed: t(60), plan, message_ids: Vec::new(), edition: 0 };
        let committed = bench.store.commit_plans(vec![planned], t(count * 60 + 50)).await.expect("a commit");
        assert_eq!(committed.plans, 1);
        let asked = |from: i64| Asked { owner, trigger: id, span: Span { from: t(from), until: t(1_000_000) } };
        let [all, rest]: [Account; 2] =
            bench.store.accounts(vec![asked(0), asked(240)]).await.expect("accounts").try_into().expect("two");
        assert_eq!(all.skipped.len(), ACCOUNT_MAX);
        assert_eq!(all.skipped[..2], [(t(30), t(count * 60 + 30)), (t(60), t(60))]);
        assert_eq!(all.skipped.last(), Some(&(t((count - 4) * 60), t((count - 4) * 60))));
        assert!(all.skipped.is_sorted());
        assert_eq!((rest.skipped.len(), rest.skipped[1].0), (ACCOUNT_MAX, t(240)), "three have ended before");
    })
    .await;
}

#[tokio::test]
async fn whether_anything_has_fired_is_told_of_each_span_by_itself() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(bench.trigger(owner, every("1m")).await.id);
        }
        for (place, until) in [(1, 3), (2, 1), (4, 2)] {
            for minute in 1..=until {
                bench.fire_due(owner, ids[place], t(minute * 60 + 1)).await;
            }
        }
        let call = bench.call(oncue_domain::event::Origin::Test, None);
        bench.store.fire(owner, ids[5], call, t(70)).await.expect("a firing");
        let asked = |place: usize, from: i64, until: i64| Asked {
            owner,
            trigger: ids.get(place).copied().unwrap_or(TriggerId(999)),
            span: Span { from: t(from), until: t(until) },
        };
        let told = async |asked: Vec<Asked>| bench.store.fired_within(asked).await.expect("an answer");
        let each = |from: i64, until: i64| (0..7).map(|place| asked(place, from, until)).collect::<Vec<_>>();
        assert_eq!(told(each(0, 1_000)).await, [false, true, true, false, true, false, false]);
        assert_eq!(told(each(61, 121)).await, [false, true, false, false, true, false, false]);
        assert_eq!(told(each(121, 181)).await, [false, true, false, false, false, false, false]);
        assert_eq!(told(each(0, 60)).await, [false; 7], "the end of a span lies outside it");
        assert_eq!(
            told(each(60, 61)).await,
            [false, true, true, false, true, false, false],
            "and its beginning inside"
        );
        // In whatever order, and of one trigger more than once.
        let mixed = [(4, 0, 61), (1, 170, 200), (1, 0, 50), (1, 61, 130), (0, 0, 500), (2, 61, 500), (2, 0, 500)];
        let mixed = mixed.map(|(place, from, until)| asked(place, from, until)).to_vec();
        assert_eq!(told(mixed).await, [true, true, false, true, false, false, true]);
        assert_eq!(told(vec![Asked { owner: other, ..asked(1, 0, 1_000) }]).await, [false], "it is somebody else's");
        assert_eq!(told(Vec::new()).await, Vec::<bool>::new());
        // Whichever partition something lies in, and others in between hold nothing.
        let hour = 3_600;
        let early_and_late = vec![asked(1, 60, hour), asked(0, 60, 10 * hour), asked(0, 9 * hour + 60, 10 * hour)];
        assert_eq!(told(early_and_late.clone()).await, [true, false, false]);
        let late = bench.trigger(owner, every("9h")).await.id;
        bench.fire_due(owner, late, t(9 * hour + 1)).await;
        assert_eq!(told(early_and_late).await, [true, false, false]);
        let late = |from: i64, until: i64| Asked { trigger: late, ..asked(0, from, until) };
        let spans = [(60, 10 * hour), (4 * hour + 60, 10 * hour), (60, 9 * hour), (9 * hour + 1, 10 * hour)];
        let spans = spans.map(|(from, until)| late(from, until)).to_vec();
        assert_eq!(told(spans).await, [true, true, false, false]);
    })
    .await;
}

#[tokio::test]
async fn a_test_or_a_call_accounts_for_nothing() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let call = bench.call(oncue_domain::event::Origin::Test, None);
        bench.store.fire(owner, id, call, t(70)).await.expect("a firing");
        assert_eq!(accounted(&bench, owner, id).await, None);
    })
    .await;
}

#[tokio::test]
async fn what_has_fired_stays_accounted_for_when_its_event_is_gone() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        bench.fire_due(owner, id, t(61)).await;
        while !bench.store.expire(t(200), t(4_000), 100).await.expect("an expiry").is_done {}
        assert_eq!(bench.events(owner).await.len(), 0, "it is gone");
        assert_eq!(accounted(&bench, owner, id).await, Some(t(60)));
        let bench = bench.reopen().await;
        assert_eq!(accounted(&bench, owner, id).await, Some(t(60)));
    })
    .await;
}

#[tokio::test]
async fn a_repair_holds_where_the_trigger_is_as_it_was_seen() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let disarm = repair(&bench, owner, id, None).await;
        assert_eq!(bench.store.rearm(disarm).await, Ok(true));
        assert_eq!((bench.get(owner, id).await.next_at, bench.store.next_due().await), (None, Ok(None)));
        let told: Arc<Mutex<Vec<Change>>> = Arc::default();
        let listened = Arc::clone(&told);
        bench.store.subscribe(Arc::new(move |change| listened.lock().expect("no panic").push(change)));
        let arm = repair(&bench, owner, id, Some(t(60))).await;
        assert_eq!(arm.seen, None);
        assert_eq!(bench.store.rearm(arm).await, Ok(true));
        assert_eq!(bench.get(owner, id).await.next_at, Some(t(60)));
        assert!(told.lock().expect("no panic").contains(&Change::Armed), "the scheduler looks at once");
        let move_on = repair(&bench, owner, id, Some(t(120))).await;
        assert_eq!(bench.store.rearm(move_on).await, Ok(true));
        assert_eq!(bench.store.rearm(arm).await, Ok(false), "it waits for something again");
        bench.fire_due(owner, id, t(121)).await;
        let [event] = bench.events(owner).await.try_into().expect("one event");
        assert_eq!(event.scheduled_at, Some(t(120)), "what was armed fires");
    })
    .await;
}

#[tokio::test]
async fn a_repair_is_written_down_and_one_that_does_nothing_is_not() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let later = repair(&bench, owner, trigger.id, Some(t(120))).await;
        assert_eq!(bench.store.rearm(later).await, Ok(true));
        assert_eq!(bench.store.rearm(later).await, Ok(false));
        let filter = ActFilter { action: Some(Action::Rearmed), ..ActFilter::of(owner) };
        let [entry] = bench.store.acts(filter, None, 10).await.expect("acts").try_into().expect("one act");
        assert_eq!((entry.at, &entry.by.who), (t(7), &Who::System));
        assert_eq!((entry.act.id, &entry.act.name), (Some(trigger.id.0), &trigger.definition.name));
        let details = format!("astray: waits for {} instead of {}", t(120), t(60));
        assert_eq!(entry.act.details, Some(details));
    })
    .await;
}

#[tokio::test]
async fn a_change_of_the_zone_data_is_noticed_once_and_outlives_a_restart() {
    wherever_it_lasts(async |bench| {
        let used = |release: &str, before: Option<&str>, since| ZoneData {
            release: release.to_owned(),
            before: before.map(str::to_owned),
            since: t(since),
        };
        let answer = async |bench: &Bench, release: &str, at: i64| {
            bench.store.use_zone_data(release, t(at)).await.expect("an answer")
        };
        assert_eq!(answer(&bench, "2026e", 1).await, used("2026e", None, 1));
        assert_eq!(answer(&bench, "2026e", 2).await, used("2026e", None, 1));
        let bench = bench.reopen().await;
        assert_eq!(answer(&bench, "2026f", 3).await, used("2026f", Some("2026e"), 3));
        assert_eq!(answer(&bench, "2026f", 4).await, used("2026f", Some("2026e"), 3));
        assert!(used("2026f", Some("2026e"), 3).is_news(t(4)) && !used("2026e", None, 3).is_news(t(4)));
        let owner = bench.user("a").await;
        let filter = ActFilter { with_server: true, action: Some(Action::ZoneDataChanged), ..ActFilter::of(owner) };
        let [entry] = bench.store.acts(filter, None, 10).await.expect("acts").try_into().expect("one act");
        assert_eq!(entry.act.details.as_deref(), Some("from 2026e to 2026f"));
    })
    .await;
}

#[tokio::test]
async fn a_repair_of_what_has_changed_meanwhile_does_nothing() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let trigger = bench.trigger(owner, every("1m")).await;
        let id = trigger.id;
        let sound = repair(&bench, owner, id, Some(t(600))).await;
        let seen = sound.seen.expect("it waits for something");
        for (why, stale) in [
            ("somebody else's", Repair { owner: other, ..sound }),
            ("no such trigger", Repair { trigger: TriggerId(999), ..sound }),
            ("another revision", Repair { revision: 2, ..sound }),
            ("it waits for something", Repair { seen: None, ..sound }),
            ("another occurrence", Repair { seen: Some(Cursor { next_at: t(120), ..seen }), ..sound }),
            ("armed for another revision", Repair { seen: Some(Cursor { revision: 2, ..seen }), ..sound }),
        ] {
            assert_eq!(bench.store.rearm(stale).await, Ok(false), "{why}");
            assert_eq!(bench.get(owner, id).await.next_at, Some(t(60)), "{why}");
        }
        let paused = Definition { enabled: false, ..trigger.definition.clone() };
        bench.store.edit_trigger(trigger.edit(paused, Some(t(60)), t(5)), Some(t(60)), t(5)).await.expect("an edit");
        assert_eq!(bench.store.rearm(Repair { seen: None, ..sound }).await, Ok(false), "it was paused meanwhile");
        bench.store.delete_trigger(owner, id, t(6)).await.expect("a deletion");
        assert_eq!(bench.store.rearm(Repair { seen: None, revision: 2, ..sound }).await, Ok(false), "it is gone");
        assert_eq!(bench.store.next_due().await, Ok(None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_repairs_of_one_trigger_one_wins() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let disarm = repair(&bench, owner, id, None).await;
        assert_eq!(bench.store.rearm(disarm).await, Ok(true));
        let arm = repair(&bench, owner, id, Some(t(60))).await;
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let store = bench.store.clone();
                tokio::spawn(async move { store.rearm(arm).await.expect("an answer") })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            won += u32::from(racer.await.expect("no panic"));
        }
        assert_eq!((won, bench.get(owner, id).await.next_at), (1, Some(t(60))));
    })
    .await;
}
