//! The ledger: what is written down about the occurrences of a span, what stays of what is gone, and where it stops.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::plan::{Firing, Plan};
use oncue_domain::store::{LEDGER_MAX, Ledger, LedgerFiring, Planned, SkippedView};
use oncue_domain::trigger::Definition;

use crate::bench::{Bench, api, every, everywhere, t, wherever_it_lasts};

fn span(from: i64, until: i64) -> Span {
    Span { from: t(from), until: t(until) }
}

const ALL: Span = Span { from: Timestamp::MIN, until: Timestamp::MAX };

async fn ledger(bench: &Bench, owner: UserId, id: TriggerId, span: Span, gone_until: i64, limit: usize) -> Ledger {
    let found = bench.store.ledger(owner, id, span, t(gone_until), limit).await.expect("an answer");
    found.expect("it is the owner's")
}

fn nominal(ledger: &Ledger) -> Vec<Timestamp> {
    ledger.firings.iter().map(|firing| firing.scheduled_at).collect()
}

/// Fires each minute from the first to the one of this number, each a second late.
async fn fire_minutes(bench: &Bench, owner: UserId, id: TriggerId, minutes: std::ops::RangeInclusive<i64>) {
    for minute in minutes {
        bench.fire_due(owner, id, t(minute * 60 + 1)).await;
    }
}

#[tokio::test]
async fn it_holds_what_fired_in_the_span_and_nothing_else() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, every("1m")).await.id, bench.trigger(owner, every("1m")).await.id);
        fire_minutes(&bench, owner, one, 1..=4).await;
        fire_minutes(&bench, owner, two, 1..=1).await;
        bench.store.fire(owner, one, bench.call(Origin::Test, None), t(121)).await.expect("a test");
        let found = ledger(&bench, owner, one, span(120, 240), 0, 10).await;
        let events = bench.events(owner).await;
        let of = |minute: i64| events.iter().find(|e| e.trigger == one && e.scheduled_at == Some(t(minute * 60)));
        let expected = [2, 3].map(|minute| LedgerFiring {
            scheduled_at: t(minute * 60),
            due_at: None,
            fired_at: t(minute * 60 + 1),
            event: of(minute).expect("it fired").id,
            revision: Some(1),
            origin: Origin::Schedule,
            is_kept: true,
        });
        assert_eq!(found, Ledger { firings: expected.to_vec(), ..Ledger::default() }, "its end is not within");
        assert_eq!(nominal(&ledger(&bench, owner, one, ALL, 0, 10).await), [60, 120, 180, 240].map(t));
        assert_eq!(nominal(&ledger(&bench, owner, two, ALL, 0, 10).await), [t(60)]);
        assert_eq!(ledger(&bench, owner, one, span(120, 120), 0, 10).await, Ledger::default());
        let called = bench.trigger(owner, api("called")).await.id;
        bench.fire(owner, called, None, t(300)).await;
        assert_eq!(ledger(&bench, owner, called, ALL, 0, 10).await, Ledger::default(), "no schedule named it");
    })
    .await;
}

#[tokio::test]
async fn an_event_names_the_revision_that_fired_it() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        fire_minutes(&bench, owner, id, 1..=1).await;
        let armed = bench.get(owner, id).await;
        let edit = armed.trigger.edit(Definition { name: Some("b".to_owned()), ..every("1m") }, armed.next_at, t(70));
        bench.store.edit_trigger(edit, armed.next_at, t(70)).await.expect("an edit");
        fire_minutes(&bench, owner, id, 2..=2).await;
        let found = ledger(&bench, owner, id, ALL, 0, 10).await;
        assert_eq!(found.firings.iter().map(|firing| firing.revision).collect::<Vec<_>>(), [Some(1), Some(2)]);
    })
    .await;
}

#[tokio::test]
async fn a_record_is_found_by_any_part_of_it() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = Arc::new(bench.trigger(owner, every("1m")).await);
        let first = Skipped { reason: Reason::Missed, first: t(60), last: t(240), count: 4 };
        let second = Skipped { reason: Reason::Missed, first: t(360), last: t(360), count: 1 };
        let plan = Plan {
            firings: vec![Firing { scheduled_at: t(300), due_at: Some(t(301)), caught_up: true }],
            skipped: vec![first, second],
            put_off: Vec::new(),
            next_at: Some(t(420)),
            ..Plan::default()
        };
        let planned = Planned {
            trigger: Arc::clone(&trigger),
            armed: t(60),
            plan,
            message_ids: vec![bench.message()],
            edition: 0,
        };
        bench.store.commit_plans(vec![planned], t(370)).await.expect("a commit");
        let view = |skipped| SkippedView { skipped, recorded_at: t(370) };
        let id = trigger.id;
        for (from, until, skipped) in [
            (0, 60, vec![]),
            (0, 61, vec![first]),
            (100, 110, vec![first]),
            (240, 241, vec![first]),
            (241, 360, vec![]),
            (240, 361, vec![first, second]),
            (361, 1000, vec![]),
        ] {
            let found = ledger(&bench, owner, id, span(from, until), 0, 10).await;
            assert_eq!(found.skipped, skipped.into_iter().map(view).collect::<Vec<_>>(), "{from} to {until}");
        }
        let found = ledger(&bench, owner, id, ALL, 0, 10).await;
        assert_eq!((nominal(&found), found.firings[0].origin), (vec![t(300)], Origin::CatchUp));
        assert_eq!(found.firings[0].due_at, Some(t(301)));
        assert_eq!(ledger(&bench, owner, id, ALL, 369, 10).await.skipped.len(), 2);
        assert_eq!(ledger(&bench, owner, id, ALL, 370, 10).await.skipped, [], "as old as that, it is gone");
    })
    .await;
}

#[tokio::test]
async fn what_an_edit_leaves_unfired_is_recorded_piece_by_piece() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let definition = Definition { expires_at: Some(t(150)), ..every("1m") };
        let id = bench.trigger(owner, definition.clone()).await.id;
        let armed = bench.get(owner, id).await;
        let edit = armed.trigger.edit(Definition { expires_at: None, ..definition }, armed.next_at, t(250));
        bench.store.edit_trigger(edit, armed.next_at, t(250)).await.expect("an edit");
        let skipped = |reason, first, last| Skipped { reason, first: t(first), last: t(last), count: 2 };
        let expected = [skipped(Reason::Superseded, 60, 120), skipped(Reason::Expired, 180, 240)];
        let found = ledger(&bench, owner, id, ALL, 0, 10).await;
        assert_eq!(found.skipped, expected.map(|skipped| SkippedView { skipped, recorded_at: t(250) }));
        let newest_first = bench.store.skipped(owner, id, 10).await.expect("records");
        assert_eq!(newest_first.iter().map(|view| view.skipped).collect::<Vec<_>>(), [expected[1], expected[0]]);
        let counts = bench.store.hour_counts(owner, Some(id), Timestamp::MIN, Timestamp::MAX).await.expect("counts");
        assert_eq!(counts[0].skipped, 4);
    })
    .await;
}

#[tokio::test]
async fn what_is_too_much_is_left_out_from_one_instant_on() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        fire_minutes(&bench, owner, id, 1..=5).await;
        let (mut from, mut found) = (t(0), Vec::new());
        loop {
            let part = bench.store.ledger(owner, id, Span { from, until: t(1000) }, t(0), 2).await;
            let part = part.expect("an answer").expect("it is the owner's");
            assert!(part.firings.len() <= 2);
            found.extend(nominal(&part));
            match part.stopped_at {
                Some(stop) => from = stop,
                None => break,
            }
        }
        assert_eq!(found, [60, 120, 180, 240, 300].map(t), "part by part it is all of it, each once");
        assert_eq!(ledger(&bench, owner, id, ALL, 0, 5).await.stopped_at, None);
        assert_eq!(ledger(&bench, owner, id, ALL, 0, usize::MAX).await.firings.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn one_reading_gives_so_much_at_most() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = Arc::new(bench.trigger(owner, every("1m")).await);
        let minute = |number: usize| t(60 * i64::try_from(number).expect("few"));
        let plan = Plan {
            firings: (1..=LEDGER_MAX + 1)
                .map(|n| Firing { scheduled_at: minute(n), due_at: None, caught_up: false })
                .collect(),
            skipped: Vec::new(),
            put_off: Vec::new(),
            next_at: Some(minute(LEDGER_MAX + 2)),
            ..Plan::default()
        };
        let message_ids = plan.firings.iter().map(|_| bench.message()).collect();
        let planned = Planned { trigger: Arc::clone(&trigger), armed: t(60), plan, message_ids, edition: 0 };
        let now = minute(LEDGER_MAX + 1);
        bench.store.commit_plans(vec![planned], now).await.expect("a commit");
        let found = ledger(&bench, owner, trigger.id, ALL, 0, usize::MAX).await;
        assert_eq!((found.firings.len(), found.stopped_at), (LEDGER_MAX, Some(now)));
    })
    .await;
}

#[tokio::test]
async fn of_what_is_gone_the_latest_firings_stay_in_short() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        fire_minutes(&bench, owner, id, 1..=3).await;
        let kept = ledger(&bench, owner, id, ALL, 0, 10).await;
        let gone = |firing: LedgerFiring| LedgerFiring { revision: None, is_kept: false, ..firing };
        let expected = [gone(kept.firings[0]), gone(kept.firings[1]), kept.firings[2]];
        assert_eq!(ledger(&bench, owner, id, ALL, 121, 10).await.firings, expected, "old enough, but not removed yet");
        bench.store.expire(t(121), t(200), 10).await.expect("an answer");
        assert_eq!(ledger(&bench, owner, id, ALL, 121, 10).await.firings, expected);
        assert_eq!(ledger(&bench, owner, id, span(61, 121), 121, 10).await.firings, expected[1..2]);
        let bench = bench.reopen().await;
        assert_eq!(ledger(&bench, owner, id, ALL, 121, 10).await.firings, expected);
    })
    .await;
}

#[tokio::test]
async fn a_trigger_of_nobodys_has_none() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        fire_minutes(&bench, owner, id, 1..=1).await;
        bench.store.delete_trigger(owner, id, t(100)).await.expect("a deletion");
        bench.store.expire(t(100), t(200), 10).await.expect("an answer");
        for id in [id, TriggerId(999)] {
            assert_eq!(bench.store.ledger(owner, id, ALL, t(0), 10).await, Ok(None));
        }
    })
    .await;
}

#[tokio::test]
async fn absences_are_read_without_anybody_beginning() {
    wherever_it_lasts(async |bench| {
        assert_eq!(bench.store.absences(ALL).await, Ok(Vec::new()));
        bench.store.begin_presence(t(0)).await.expect("an answer");
        bench.store.sign_of_life(t(10));
        let absences = bench.store.begin_presence(t(100)).await.expect("an answer");
        assert_eq!(absences[0].to.duration_since(absences[0].from), SignedDuration::from_secs(90));
        assert_eq!(bench.store.absences(ALL).await, Ok(absences.clone()));
        let bench = bench.reopen().await;
        assert_eq!(bench.store.absences(ALL).await, Ok(absences.clone()));
        for (from, until, meets) in [(0, 10, false), (0, 11, true), (20, 30, true), (99, 200, true), (100, 200, false)]
        {
            let found = bench.store.absences(Span { from: t(from), until: t(until) }).await;
            assert_eq!(found, Ok(if meets { absences.clone() } else { Vec::new() }), "{from} to {until}");
        }
    })
    .await;
}
