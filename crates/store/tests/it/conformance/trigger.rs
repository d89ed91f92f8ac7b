//! Triggers: made, listed, edited, deleted, and what they wait for.

use jiff::Timestamp;
use jiff::civil::date;
use oncue_domain::destination::Format;
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::misfire::Misfire;
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::payload::Payload;
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::rule::{Fold, Gap};
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{DuePlace, Edited, NewTrigger};
use oncue_domain::trigger::{Arm, Definition, Edit, MaxFires, Pause, ScheduleDetails, Terms, Trigger};

use crate::bench::{Bench, api, every, everywhere, t, webhook};

/// What changing the trigger to `definition` at `now` means, and what it waited for.
async fn decide(
    bench: &Bench,
    owner: UserId,
    id: TriggerId,
    definition: Definition,
    now: Timestamp,
) -> (Edit, Option<Timestamp>) {
    let armed = bench.get(owner, id).await;
    (armed.trigger.edit(definition, armed.next_at, now), armed.next_at)
}

async fn edit(bench: &Bench, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Edited {
    bench.store.edit_trigger(edit, seen, now).await.expect("a store that answers")
}

fn paused(definition: &Definition) -> Definition {
    Definition { enabled: false, ..definition.clone() }
}

fn rule(text: &str, is_told: bool, zone: &Zone) -> Schedule {
    let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
    let start = Start { wall: date(2027, 1, 4).at(9, 30, 15, 0), is_told };
    Schedule::Recurrence(std::sync::Arc::new(Recurrence::new(text, start, zone.clone())))
}

#[tokio::test]
async fn a_trigger_comes_back_as_it_was_made() {
    let riga = Zones::bundled().get("Europe/Riga").expect("a zone");
    let period = Period::parse("1h 30m").expect("a period");
    let schedules = [
        Schedule::Once { at: t(500) },
        Schedule::Every { period: period.clone(), anchor: t(7), first: FirstFiring::AtAnchor },
        Schedule::Every { period, anchor: t(7), first: FirstFiring::OnePeriodLater },
        Schedule::Cron { expression: CronExpression::parse("0 9 * * MON-FRI").expect("a line"), zone: riga.clone() },
        rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", true, &riga),
        rule("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1", false, &riga),
        rule("DTSTART:20270104T093000\nRRULE:FREQ=DAILY;COUNT=6\nEXDATE:20270105T093000", false, &riga),
    ];
    let mut definitions = vec![api("plain"), Definition { name: None, ..api("") }];
    let line = CronExpression::parse("0 9 * * MON-FRI").expect("a line");
    let cron = Schedule::Cron { expression: line, zone: riga.clone() };
    let excluded = || ExcludedDates::new([date(2027, 1, 18), date(2026, 12, 24)]).expect("two dates");
    let all_terms = [
        Terms { excluded: excluded(), ..Terms::default() },
        Terms { bounds: Bounds::new(Some(t(100)), None).expect("a span"), ..Terms::default() },
        Terms { gap: Some(Gap::AtItsEnd), ..Terms::default() },
        Terms { misfire: Some(Misfire::Latest), ..Terms::default() },
        Terms {
            bounds: Bounds::new(Some(t(100)), Some(t(900_000))).expect("a span"),
            excluded: excluded(),
            calendars: Vec::new(),
            gap: Some(Gap::LeftOut),
            jitter: Some(Jitter::parse("5m").expect("a window")),
            fold: Some(Fold::BothPasses),
            max_fires: MaxFires::new(7),
            delete_when_done: true,
            misfire: Some(Misfire::Skip),
        },
    ];
    let one = |schedule: Schedule, timezone| Member { schedule, timezone };
    let several = AnyOf::kept(vec![
        one(schedules[0].clone(), None),
        one(schedules[1].clone(), None),
        one(schedules[3].clone(), Some(riga.clone())),
        one(rule("FREQ=MONTHLY;BYDAY=MO", true, &riga), None),
    ]);
    for terms in [Terms::default(), Terms { gap: Some(Gap::LeftOut), max_fires: MaxFires::new(9), ..Terms::default() }]
    {
        let details = ScheduleDetails::new(Schedule::AnyOf(several.clone()), Some(riga.clone()), terms, riga.clone());
        definitions.push(Definition { schedule: Some(details), ..api("several") });
    }
    let spring = Terms { gap: Some(Gap::AtItsEnd), fold: Some(Fold::BothPasses), ..Terms::default() };
    let nightly = ScheduleDetails::new(rule("FREQ=DAILY;COUNT=90", true, &riga), None, spring, riga.clone());
    definitions.push(Definition { schedule: Some(nightly), ..api("a rule under terms") });
    for terms in all_terms {
        let details = ScheduleDetails::new(cron.clone(), None, terms, riga.clone());
        let schedule = Some(details.with_share(Some(Share::new(u32::MAX))));
        definitions.push(Definition { schedule, ..api("under terms") });
    }
    for schedule in schedules {
        for timezone in [None, Some(riga.clone())] {
            let schedule = Some(ScheduleDetails::plain(schedule.clone(), timezone));
            let payload = Some(Payload::parse("{\"b\": 1.50, \"a\": 1e400}").expect("JSON"));
            let webhook = Some(webhook("https://example.com/hook?a=b"));
            definitions.push(Definition { schedule, payload, webhook, expires_at: Some(t(9_999)), ..api("näme") });
        }
    }
    let mut slack = webhook("https://example.com/");
    slack.format = Format::Slack;
    definitions.push(Definition { webhook: Some(slack), is_test: true, enabled: false, ..api("odd") });
    for (reason, until) in [(Some("näher"), None), (None, Some(t(500))), (Some("both"), Some(t(500)))] {
        let pause = Pause::new(reason.map(str::to_owned), until);
        definitions.push(Definition { enabled: false, pause, ..every("1m") });
    }
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        for definition in &definitions {
            let next_at = definition.next_after(t(3));
            let new = NewTrigger { owner, definition: definition.clone(), next_at, test_event: None };
            let made = bench.make(new, t(3)).await;
            let trigger = &made.trigger;
            assert_eq!(&trigger.definition, definition);
            assert_eq!((trigger.owner, trigger.revision), (owner, 1));
            assert_eq!((trigger.created_at, trigger.standing_since), (t(3), t(3)));
            assert_eq!(made.next_at, next_at);
            assert_eq!(bench.get(owner, trigger.id).await, made);
        }
    })
    .await;
}

#[tokio::test]
async fn a_trigger_made_as_a_test_has_its_one_event_at_once() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let definition = Definition { is_test: true, ..every("1m") };
        let message_id = bench.message();
        let new = NewTrigger { owner, definition, next_at: None, test_event: Some(message_id) };
        let made = bench.make(new, t(3)).await;
        assert_eq!(made.next_at, None);
        let [event] = bench.events(owner).await.try_into().expect("one event");
        assert_eq!((event.trigger, event.message_id, event.origin), (made.trigger.id, message_id, Origin::Test));
        assert_eq!((event.scheduled_at, event.fired_at), (None, t(3)));
        assert_eq!(bench.claim_all(t(3)).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn triggers_are_listed_ascending_page_by_page() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let mut made = Vec::new();
        for i in 0..7 {
            made.push(bench.trigger(owner, api(&format!("t{i}"))).await.id);
            bench.trigger(other, api("foreign")).await;
        }
        assert!(made.is_sorted());
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = bench.store.triggers(owner, after, 3).await.expect("a page");
            assert!(page.len() <= 3);
            let Some(last) = page.last() else { break };
            after = Some(last.trigger.id);
            listed.extend(page.iter().map(|armed| armed.trigger.id));
        }
        assert_eq!(listed, made);
    })
    .await;
}

#[tokio::test]
async fn an_edit_that_leaves_the_schedule_alone_leaves_the_grid_alone() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let renamed = Definition { name: Some("renamed".to_owned()), ..trigger.definition.clone() };
        let (decided, _) = decide(&bench, owner, trigger.id, renamed.clone(), t(90)).await;
        assert_eq!(decided.arm, Arm::Keep);
        // What the trigger waits for may move meanwhile: such an edit does not look at it.
        assert_eq!(edit(&bench, decided, Some(t(1)), t(90)).await, Edited::Done);
        let armed = bench.get(owner, trigger.id).await;
        assert_eq!(armed.next_at, Some(t(60)), "what was due before the edit still is");
        assert_eq!(armed.trigger.definition, renamed);
        assert_eq!((armed.trigger.revision, armed.trigger.standing_since), (2, t(0)));
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_the_schedule_moves_what_is_waited_for_and_records_what_was_due() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let (decided, seen) = decide(&bench, owner, trigger.id, every("7m"), t(125)).await;
        assert_eq!(edit(&bench, decided, seen, t(125)).await, Edited::Done);
        let armed = bench.get(owner, trigger.id).await;
        assert_eq!((armed.next_at, armed.trigger.standing_since), (Some(t(420)), t(125)));
        let views = bench.store.skipped(owner, trigger.id, 10).await.expect("records");
        let [view] = views.try_into().expect("one record");
        let expected = Skipped { reason: Reason::Superseded, first: t(60), last: t(120), count: 2 };
        assert_eq!((view.skipped, view.recorded_at), (expected, t(125)));
    })
    .await;
}

#[tokio::test]
async fn a_paused_trigger_waits_for_nothing_until_it_is_resumed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let (pause, seen) = decide(&bench, owner, trigger.id, paused(&trigger.definition), t(10)).await;
        assert_eq!(edit(&bench, pause, seen, t(10)).await, Edited::Done);
        assert_eq!(bench.get(owner, trigger.id).await.next_at, None);
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
        assert_eq!(bench.store.due(t(1000), 10).await.expect("a list").len(), 0);
        let (resume, seen) = decide(&bench, owner, trigger.id, trigger.definition.clone(), t(190)).await;
        assert_eq!(edit(&bench, resume, seen, t(190)).await, Edited::Done);
        assert_eq!(bench.get(owner, trigger.id).await.next_at, Some(t(240)));
        let [view] = bench.store.skipped(owner, trigger.id, 10).await.expect("records").try_into().expect("one record");
        assert_eq!(view.skipped, Skipped { reason: Reason::Paused, first: t(60), last: t(180), count: 3 });
    })
    .await;
}

#[tokio::test]
async fn a_stale_edit_changes_nothing() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let (first, seen) = decide(&bench, owner, trigger.id, every("2m"), t(10)).await;
        let (second, _) = decide(&bench, owner, trigger.id, every("3m"), t(10)).await;
        assert_eq!(edit(&bench, first, seen, t(10)).await, Edited::Done);
        let before = bench.get(owner, trigger.id).await;
        // Of the wrong revision.
        assert_eq!(edit(&bench, second, seen, t(11)).await, Edited::Stale);
        // Of the right revision, but the trigger waits for something else than the editor saw.
        let (third, seen) = decide(&bench, owner, trigger.id, every("5m"), t(130)).await;
        assert!(!third.skipped.is_empty());
        assert_eq!(edit(&bench, third.clone(), Some(t(60)), t(130)).await, Edited::Stale);
        assert_eq!(edit(&bench, third.clone(), None, t(130)).await, Edited::Stale);
        assert_eq!(bench.get(owner, trigger.id).await, before);
        assert_eq!(bench.store.skipped(owner, trigger.id, 10).await.expect("records"), []);
        assert_eq!(edit(&bench, third, seen, t(130)).await, Edited::Done);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_edits_at_once_one_holds() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, api("old")).await;
        let racers: Vec<_> = (0..8)
            .map(|i| {
                let edit = trigger.edit(api(&format!("new {i}")), None, t(1));
                let store = bench.store.clone();
                tokio::spawn(async move { store.edit_trigger(edit, None, t(1)).await.expect("an answer") })
            })
            .collect();
        let mut outcomes = Vec::new();
        for racer in racers {
            outcomes.push(racer.await.expect("no panic"));
        }
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Edited::Done).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Edited::Stale).count(), 7, "{outcomes:?}");
        assert_eq!(bench.get(owner, trigger.id).await.trigger.revision, 2);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_trigger_is_gone_with_what_it_waited_for() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let (decided, seen) = decide(&bench, owner, trigger.id, every("2m"), t(70)).await;
        let (late, _) = decide(&bench, owner, trigger.id, api("late"), t(70)).await;
        assert_eq!(edit(&bench, decided, seen, t(70)).await, Edited::Done);
        assert!(bench.store.delete_trigger(owner, trigger.id, t(80)).await.expect("an answer"));
        assert!(!bench.store.delete_trigger(owner, trigger.id, t(81)).await.expect("an answer"));
        assert_eq!(bench.store.trigger(owner, trigger.id).await.expect("an answer"), None);
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
        assert_eq!(
            bench.store.skipped(owner, trigger.id, 10).await.expect("records").len(),
            1,
            "it can be asked about"
        );
        assert_eq!(edit(&bench, late, seen, t(82)).await, Edited::NotFound);
        assert!(bench.trigger(owner, api("next")).await.id > trigger.id, "no id is given twice");
    })
    .await;
}

#[tokio::test]
async fn what_is_due_comes_the_earliest_first() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let slow = bench.trigger(owner, every("5m")).await.id;
        let quick = bench.trigger(owner, every("1m")).await.id;
        let middle = bench.trigger(owner, every("2m")).await.id;
        bench.trigger(owner, api("never due")).await;
        let due = async |now, limit| -> Vec<TriggerId> {
            let due = bench.store.due(now, limit).await.expect("a list");
            due.iter().map(|armed| armed.trigger.id).collect()
        };
        assert_eq!(bench.store.next_due().await.expect("an answer"), Some(t(60)));
        assert_eq!(due(t(59), 10).await, []);
        assert_eq!(due(t(60), 10).await, [quick]);
        assert_eq!(due(t(300), 10).await, [quick, middle, slow]);
        assert_eq!(due(t(300), 2).await, [quick, middle]);
        let first = bench.store.due(t(60), 1).await.expect("a list").remove(0);
        assert_eq!(
            (Trigger::clone(&first.trigger), first.next_at),
            (bench.get(owner, quick).await.trigger, Some(t(60)))
        );
    })
    .await;
}

#[tokio::test]
async fn whoever_goes_on_behind_a_place_meets_nothing_twice_and_passes_nothing_over() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let made = async |period| bench.trigger(owner, every(period)).await.id;
        let twins = [made("2m").await, made("2m").await, made("2m").await];
        let (first, last) = (made("1m").await, made("5m").await);
        let behind = async |place, now, limit| -> (Vec<TriggerId>, DuePlace) {
            let (due, place) = bench.store.due_behind(place, now, limit).await.expect("a list");
            (due.iter().map(|armed| armed.trigger.id).collect(), place)
        };
        let front = DuePlace::default();
        let (due, place) = behind(front, t(200), 2).await;
        assert_eq!(due, [first, twins[0]]);
        // What falls due in front of it meanwhile, and what is carried out there, move it by nothing.
        made("90s").await;
        bench.fire_due(owner, first, t(60)).await;
        let (due, place) = behind(place, t(200), 1).await;
        assert_eq!(due, [twins[1]], "of one instant those with the lowest numbers come first");
        // What falls due behind it meanwhile it meets.
        let (due, end) = behind(place, t(300), 10).await;
        assert_eq!(due, [twins[2], first, last]);
        assert_eq!(end.last, Some((t(300), last)));
        assert_eq!(behind(end, t(300), 10).await, (Vec::new(), end), "nothing lies further on");
        assert_eq!(behind(place, t(100), 10).await, (Vec::new(), place), "nor before it, if the clock was put back");
    })
    .await;
}

#[tokio::test]
async fn what_is_due_after_an_edit_is_the_edited_trigger() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let due = bench.store.due(t(60), 1).await.expect("a list").remove(0);
        assert_eq!(due.trigger.definition.name.as_deref(), Some("every"));
        let renamed = Definition { name: Some("renamed".to_owned()), ..trigger.definition.clone() };
        let (decided, seen) = decide(&bench, owner, trigger.id, renamed, t(61)).await;
        assert_eq!(edit(&bench, decided, seen, t(61)).await, Edited::Done);
        let due = bench.store.due(t(62), 1).await.expect("a list").remove(0);
        assert_eq!((due.trigger.revision, due.trigger.definition.name.as_deref()), (2, Some("renamed")));
    })
    .await;
}

#[tokio::test]
async fn records_of_what_did_not_fire_come_newest_first() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        for (round, now) in [(0, t(90)), (1, t(300)), (2, t(1000))] {
            let period = if round % 2 == 0 { "2m" } else { "1m" };
            let (decided, seen) = decide(&bench, owner, trigger.id, every(period), now).await;
            assert_eq!(edit(&bench, decided, seen, now).await, Edited::Done);
        }
        let recorded = |limit| {
            let store = bench.store.clone();
            async move {
                let views = store.skipped(owner, trigger.id, limit).await.expect("records");
                views.iter().map(|view| view.recorded_at).collect::<Vec<_>>()
            }
        };
        assert_eq!(recorded(10).await, [t(1000), t(300), t(90)]);
        assert_eq!(recorded(2).await, [t(1000), t(300)]);
    })
    .await;
}
