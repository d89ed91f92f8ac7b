//! Triggers that do not overlap: what is under way of one lets it wait without being looked at, and the last of it to end calls it up.

use std::sync::{Arc, Mutex};

use oncue_domain::backlog::{Drained, PutOff};
use oncue_domain::calendar::{self, Calendar, read_dates};
use oncue_domain::event::{Origin, Retention};
use oncue_domain::freeze::{Said, pass_over};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::overlap::{Before, Overlap, Turn};
use oncue_domain::plan::{Plan, plan_behind};
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::revision::Deletion;
use oncue_domain::run::{Expectation, Report, Verb};
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{CalendarEdited, CalendarMade, Change, Committed, Edited, Planned, TriggerTally};
use oncue_domain::trigger::{Definition, Pause, ScheduleDetails, Terms};

use super::calendar as calendars;
use crate::bench::{Bench, answered, every, everywhere, given_up, t, webhook, wherever_it_lasts};

fn minutely(overlap: Overlap) -> Definition {
    Definition { overlap, webhook: Some(webhook("https://example.com/slow")), ..every("1m") }
}

fn expecting(overlap: Overlap) -> Definition {
    let within = Period::parse("10m").expect("a period");
    let expects = Expectation::new(within, None, None).expect("it makes sense");
    Definition { expects: Some(expects), ..minutely(overlap) }
}

/// A trigger that does not overlap, and whose it is.
struct Slow {
    owner: UserId,
    id: TriggerId,
}

impl Slow {
    async fn new(bench: &Bench, definition: Definition) -> Slow {
        let owner = bench.user("a").await;
        Slow { owner, id: bench.trigger(owner, definition).await.id }
    }

    async fn before(&self, bench: &Bench) -> Before {
        let before = bench.store.events_before(vec![(self.owner, self.id)]).await.expect("an answer");
        *before.first().expect("one for each")
    }

    /// What a scheduler makes of it at that second.
    async fn planned(&self, bench: &Bench, second: i64) -> Planned {
        let armed = bench.get(self.owner, self.id).await;
        let next_at = armed.next_at.expect("it waits for something");
        let plan = plan_behind(&armed, t(second), &[], self.before(bench).await).expect("it waits for something");
        let message_ids = plan.firings.iter().map(|_| bench.message()).collect();
        Planned { trigger: Arc::new(armed.trigger), armed: next_at, plan, message_ids, edition: 0 }
    }

    /// A look of the scheduler at that second; what it found.
    async fn look(&self, bench: &Bench, second: i64) -> Option<(Turn, Committed)> {
        if !self.is_due(bench, second).await {
            return None;
        }
        let planned = self.planned(bench, second).await;
        let turn = planned.plan.turn;
        Some((turn, bench.store.commit_plans(vec![planned], t(second)).await.expect("a commit")))
    }

    async fn is_due(&self, bench: &Bench, second: i64) -> bool {
        let due = bench.store.due(t(second), 100).await.expect("an answer");
        due.iter().any(|armed| armed.trigger.id == self.id)
    }

    /// The nominal times of its events by its schedule, in seconds.
    async fn fired(&self, bench: &Bench) -> Vec<i64> {
        let events = bench.events(self.owner).await;
        let fired = events.iter().filter_map(|event| event.scheduled_at);
        fired.map(|at| at.duration_since(t(0)).as_secs()).collect()
    }

    async fn skipped(&self, bench: &Bench) -> Vec<Skipped> {
        let views = bench.store.skipped(self.owner, self.id, 100).await.expect("records");
        views.iter().rev().map(|view| view.skipped).collect()
    }

    async fn event(&self, bench: &Bench) -> EventId {
        bench.events(self.owner).await.last().expect("it has fired").id
    }
}

impl Slow {
    /// A plan at that second puts off the first so many of its occurrences.
    async fn lay_up(&self, bench: &Bench, count: i64, second: i64) {
        let armed = bench.get(self.owner, self.id).await;
        let (first, last) = (t(60), t(60 * count));
        let put_off =
            PutOff { first, last, count: count.unsigned_abs(), is_held: false, absent_for: last.duration_since(t(0)) };
        let plan = Plan { put_off: vec![put_off], next_at: Some(t(60 * (count + 1))), ..Plan::default() };
        let planned =
            Planned { trigger: Arc::new(armed.trigger), armed: first, plan, message_ids: Vec::new(), edition: 0 };
        assert_eq!(bench.store.commit_plans(vec![planned], t(second)).await.expect("a commit").plans, 1);
    }

    /// What a drainer makes of the first backlog whose turn it is; none where none has a turn.
    async fn drained(&self, bench: &Bench) -> Option<Drained> {
        let (backlog, trigger) =
            bench.store.backlog_turns(None, 10, 10).await.expect("turns").backlogs.into_iter().next()?;
        let slice = backlog.slice(&trigger, 10);
        let message_ids = slice.firings.iter().map(|_| bench.message()).collect();
        Some(Drained { backlog, trigger, slice, message_ids, edition: 0 })
    }

    /// A round of the drainer at that second: how many it fired.
    async fn drain(&self, bench: &Bench, second: i64) -> Option<usize> {
        bench.store.drain(self.drained(bench).await?, t(second)).await.expect("an answer")
    }
}

fn done(turn: Turn, events: usize) -> Option<(Turn, Committed)> {
    Some((turn, Committed { plans: 1, stale: vec![], events, is_outdated: false }))
}

fn skipped(reason: Reason, first: i64, last: i64, count: u64) -> Skipped {
    Skipped { reason, first: t(first), last: t(last), count }
}

fn holidays(dates: &[&str]) -> calendar::Definition {
    let dates = read_dates(dates.iter().copied()).expect("dates");
    calendar::Definition { name: "holidays".to_owned(), description: None, dates }
}

async fn edited(bench: &Bench, seen: Calendar, dates: &[&str], second: i64) -> Calendar {
    match bench.store.edit_calendar(seen, holidays(dates), t(second)).await.expect("an answer") {
        CalendarEdited::Done { calendar, .. } => calendar,
        refused => panic!("{refused:?}"),
    }
}

impl Slow {
    /// One that keeps to a calendar that holds nothing yet, under these terms beside it.
    async fn keeping_to_holidays(bench: &Bench, plain: Definition, terms: Terms) -> (Slow, Calendar) {
        let owner = bench.user("a").await;
        let made = bench.store.create_calendar(owner, holidays(&[]), t(0)).await.expect("an answer");
        let CalendarMade::Done(holidays) = made else { panic!("{made:?}") };
        let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
        let terms = Terms { calendars: vec![Arc::new(holidays.observed())], ..terms };
        let details = ScheduleDetails::new(pattern, None, terms, Zones::utc());
        let schedule = Some(details.with_share(Some(Share::new(1 << 30))));
        let id = bench.trigger(owner, Definition { schedule, ..plain }).await.id;
        (Slow { owner, id }, holidays)
    }
}

#[tokio::test]
async fn what_met_an_event_did_so_also_where_a_calendar_takes_the_day_after_it() {
    everywhere(async |bench| {
        // A quarter of the hour between two occurrences later than named; with nothing after it, the last of the day had half an hour.
        let terms = Terms {
            bounds: Bounds::new(Some(t(79_200)), None).expect("a start"),
            jitter: Some(Jitter::parse("2h").expect("a window")),
            ..Terms::default()
        };
        let hourly = Definition { webhook: minutely(Overlap::Skip).webhook, overlap: Overlap::Skip, ..every("1h") };
        let (slow, holidays) = Slow::keeping_to_holidays(&bench, hourly, terms).await;
        assert_eq!(slow.look(&bench, 80_100).await, done(Turn::Free, 1));
        assert_eq!(slow.look(&bench, 83_700).await, done(Turn::Waits, 0));
        let holidays = edited(&bench, holidays, &["2027-01-02"], 84_000).await;
        assert_eq!(bench.store.next_due().await.expect("an answer"), None, "it goes on waiting");
        edited(&bench, holidays, &["2027-01-03"], 84_050).await;
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
        bench.settle_all(t(84_100), given_up).await;
        assert_eq!(slow.look(&bench, 84_200).await, done(Turn::Waited, 0));
        assert_eq!(slow.skipped(&bench).await, [skipped(Reason::Overlap, 82_800, 82_800, 1)]);
        assert_eq!(bench.store.next_due().await.expect("an answer"), Some(t(87_300)));
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_a_calendar_lets_what_waits_wait_and_ends_that_where_it_takes_the_day() {
    everywhere(async |bench| {
        let (slow, holidays) = Slow::keeping_to_holidays(&bench, minutely(Overlap::Queue), Terms::default()).await;
        assert_eq!(slow.look(&bench, 60).await, done(Turn::Free, 1));
        assert_eq!(slow.look(&bench, 120).await, done(Turn::Waits, 0));

        let holidays = edited(&bench, holidays, &["2027-03-01"], 130).await;
        assert!(!slow.is_due(&bench, 1_000).await, "it goes on waiting");
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
        edited(&bench, holidays, &["2027-01-01"], 140).await;
        assert_eq!(bench.store.next_due().await.expect("an answer"), Some(t(86_400)), "there is nothing to wait for");
        assert_eq!(slow.skipped(&bench).await, [skipped(Reason::Superseded, 120, 120, 1)]);
        assert!(slow.is_due(&bench, 86_400).await);
    })
    .await;
}

#[tokio::test]
async fn what_was_called_up_after_a_pause_has_not_forgotten_it_by_an_edit_of_a_calendar() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let holidays = calendars::calendar(&bench, owner, "holidays", &[]).await;
        let plain = minutely(Overlap::Skip);
        let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
        let terms = Terms { calendars: vec![Arc::new(holidays.observed())], ..Terms::default() };
        let schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
        let running = Definition { schedule, ..plain };
        let slow = Slow { owner, id: bench.trigger(owner, running.clone()).await.id };
        assert_eq!(slow.look(&bench, 60).await, done(Turn::Free, 1));
        let paused = Definition { enabled: false, pause: Pause::new(None, Some(t(300))), ..running };
        assert_eq!(calendars::change(&bench, owner, slow.id, paused, t(70)).await, Edited::Done);
        assert_eq!(slow.look(&bench, 300).await, done(Turn::Waits, 0));
        bench.settle_all(t(320), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(320)));
        let (_, followers) =
            calendars::edit(&bench, &holidays, calendars::says("holidays", &["2027-03-01"]), t(330)).await;
        assert_eq!(followers.len(), 1);
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(320)));
        assert_eq!(slow.look(&bench, 331).await, done(Turn::Waited, 0));
        assert_eq!(slow.fired(&bench).await, [60]);
        let mut told = slow.skipped(&bench).await;
        told.sort_by_key(|skipped| skipped.first);
        assert_eq!(told, [skipped(Reason::Paused, 120, 240, 3), skipped(Reason::Overlap, 300, 300, 1)]);
    })
    .await;
}

#[tokio::test]
async fn of_what_falls_due_while_an_event_is_under_way_the_latest_fires_once_it_has_ended() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Queue)).await;
        assert_eq!(slow.before(&bench).await, Before::Over);
        assert_eq!(slow.look(&bench, 60).await, done(Turn::Free, 1));
        assert_eq!(slow.before(&bench).await, Before::UnderWay);
        assert_eq!(slow.look(&bench, 120).await, done(Turn::Waits, 0));
        assert!(!slow.is_due(&bench, 1_000).await, "nobody looks at it while it waits");
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
        let counts = bench.store.due_counts(t(1_000)).await.expect("an answer");
        assert_eq!((counts.due, counts.overdue, counts.earliest), (0, 0, None), "it is not late");
        assert_eq!(bench.get(slow.owner, slow.id).await.next_at, Some(t(120)));
        let soonest = bench.store.soonest(slow.owner, 10).await.expect("an answer");
        assert_eq!(soonest.iter().map(|head| head.next_at).collect::<Vec<_>>(), [Some(t(120))]);
        let attention = bench.store.attention(slow.owner, t(-1), t(1_000)).await.expect("an answer");
        assert!(attention.overdue.is_empty(), "it waits for something");
        bench.settle_all(t(250), |claim, at| answered(claim, 503, at)).await;
        assert!(!slow.is_due(&bench, 251).await, "it will be tried again");
        bench.settle_all(t(290), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(290)));
        assert_eq!(slow.look(&bench, 301).await, done(Turn::Waited, 1));
        assert_eq!(slow.fired(&bench).await, [60, 240]);
        assert_eq!(slow.skipped(&bench).await, [skipped(Reason::Merged, 120, 180, 2)]);
        assert_eq!(slow.look(&bench, 301).await, done(Turn::Waits, 0), "what fell due since waits for that");
        bench.settle_all(t(310), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.look(&bench, 310).await, done(Turn::Waited, 1));
        assert_eq!(slow.fired(&bench).await, [60, 240, 300]);
        bench.settle_all(t(320), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.before(&bench).await, Before::Over, "what is told of a wait is told once");
        assert_eq!(slow.look(&bench, 360).await, done(Turn::Free, 1));
        assert_eq!(slow.skipped(&bench).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_falls_due_while_an_event_is_under_way_is_one_record_of_a_trigger_that_skips() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Skip)).await;
        slow.look(&bench, 60).await;
        assert_eq!(slow.look(&bench, 125).await, done(Turn::Waits, 0));
        bench.settle_all(t(245), given_up).await;
        assert_eq!(slow.look(&bench, 245).await, done(Turn::Waited, 0));
        assert_eq!(slow.skipped(&bench).await, [skipped(Reason::Overlap, 120, 240, 3)]);
        assert_eq!(slow.look(&bench, 300).await, done(Turn::Free, 1));
        assert_eq!(slow.fired(&bench).await, [60, 300]);
    })
    .await;
}

#[tokio::test]
async fn an_event_is_under_way_until_its_run_has_ended_or_is_overdue() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, expecting(Overlap::Queue)).await;
        slow.look(&bench, 60).await;
        bench.settle_all(t(61), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.before(&bench).await, Before::UnderWay);
        assert_eq!(slow.look(&bench, 120).await, done(Turn::Waits, 0));
        let event = slow.event(&bench).await;
        let report = async |verb, second| {
            bench.store.report_run(event, t(60), Report::of(verb), t(-1), t(second)).await.expect("an answer")
        };
        report(Verb::Start, 121).await;
        assert!(!slow.is_due(&bench, 121).await);
        report(Verb::Done, 130).await;
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(130)));
        assert_eq!(slow.look(&bench, 130).await, done(Turn::Waited, 1));
        assert_eq!(slow.fired(&bench).await, [60, 120]);
        bench.settle_all(t(131), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.look(&bench, 180).await, done(Turn::Waits, 0));
        let lapsed = bench.store.lapse_runs(t(-1), t(130 + 600), 10).await.expect("an answer");
        assert_eq!(lapsed.overdue, 1);
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(730)));
        assert_eq!(slow.look(&bench, 731).await, done(Turn::Waited, 1));
        assert_eq!(slow.fired(&bench).await, [60, 120, 720]);
    })
    .await;
}

#[tokio::test]
async fn what_was_fired_by_hand_is_under_way_and_a_test_and_what_is_sent_again_are_not() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Skip)).await;
        let stranger = bench.user("b").await;
        let call = async |origin, second| {
            bench.store.fire(slow.owner, slow.id, bench.call(origin, None), t(second)).await.expect("an answer")
        };
        call(Origin::Test, 1).await;
        assert_eq!(slow.before(&bench).await, Before::Over, "a test is in nobody's way");
        bench.settle_all(t(2), given_up).await;
        let [test] = bench.events(slow.owner).await.try_into().expect("one event");
        let again = DeliveryId { event: test.id, slot: 0 };
        let retention = Retention::STANDARD;
        let sent = bench.store.redeliver(slow.owner, vec![again], retention, t(3)).await.expect("an answer");
        assert_eq!(sent, [Ok(())]);
        assert_eq!(slow.before(&bench).await, Before::Over);
        call(Origin::Run, 4).await;
        assert_eq!(slow.before(&bench).await, Before::UnderWay);
        let theirs = bench.store.events_before(vec![(stranger, slow.id), (slow.owner, slow.id)]).await;
        assert_eq!(theirs, Ok(vec![Before::Over, Before::UnderWay]), "it is not theirs");
        assert_eq!(slow.look(&bench, 60).await, done(Turn::Waits, 0));
        call(Origin::Run, 61).await;
        assert_eq!(bench.events(slow.owner).await.len(), 3, "nobody holds back what is fired by hand");
    })
    .await;
}

#[tokio::test]
async fn who_is_to_wait_for_what_has_ended_meanwhile_stays_due() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Queue)).await;
        slow.look(&bench, 60).await;
        let planned = slow.planned(&bench, 120).await;
        assert_eq!(planned.plan.turn, Turn::Waits);
        bench.settle_all(t(151), |claim, at| answered(claim, 200, at)).await;
        let committed = bench.store.commit_plans(vec![planned.clone()], t(152)).await;
        assert_eq!(committed, Ok(Committed { plans: 1, stale: vec![], events: 0, is_outdated: false }));
        assert!(slow.is_due(&bench, 152).await, "nobody would call it up");
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(151)), "it met it all the same");
        assert_eq!(slow.look(&bench, 152).await, done(Turn::Waited, 1));
        let committed = bench.store.commit_plans(vec![planned], t(153)).await;
        assert_eq!(
            committed,
            Ok(Committed { plans: 0, stale: vec![slow.id], events: 0, is_outdated: false }),
            "it waits for something else by now"
        );
    })
    .await;
}

#[tokio::test]
async fn whoever_fires_looks_once_more_whether_an_event_is_under_way() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Skip)).await;
        let planned = slow.planned(&bench, 60).await;
        assert_eq!((planned.plan.turn, planned.plan.firings.len()), (Turn::Free, 1));
        bench.store.fire(slow.owner, slow.id, bench.call(Origin::Run, None), t(60)).await.expect("an answer");
        let other = bench.trigger(slow.owner, every("1m")).await.id;
        let beside = bench.planned(slow.owner, other, t(60)).await;
        let committed = bench.store.commit_plans(vec![planned, beside], t(60)).await;
        assert_eq!(
            committed,
            Ok(Committed { plans: 1, stale: vec![slow.id], events: 1, is_outdated: false }),
            "the other is not held back"
        );
        assert_eq!(slow.look(&bench, 61).await, done(Turn::Waits, 0));
        bench.settle_all(t(70), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.look(&bench, 71).await, done(Turn::Waited, 0));
        assert_eq!(slow.skipped(&bench).await, [skipped(Reason::Overlap, 60, 60, 1)]);
    })
    .await;
}

#[tokio::test]
async fn what_was_put_off_fires_one_at_a_time_and_is_under_way_for_the_schedule_as_that_is_for_it() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Queue)).await;
        slow.lay_up(&bench, 3, 200).await;
        assert_eq!(slow.drain(&bench, 239).await, Some(1));
        assert!(slow.drained(&bench).await.is_none(), "what is behind an event has no turn");
        assert_eq!(slow.look(&bench, 240).await, done(Turn::Waits, 0));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        bench.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        bench.settle_all(t(241), |claim, at| answered(claim, 200, at)).await;
        assert!(heard.lock().expect("no panic").contains(&Change::Armed), "it goes on at once");
        let second = slow.drained(&bench).await.expect("it has a turn again");
        assert_eq!(slow.look(&bench, 241).await, done(Turn::Waited, 1), "the schedule was first");
        assert_eq!(bench.store.drain(second, t(241)).await, Ok(None));
        heard.lock().expect("no panic").clear();
        bench.settle_all(t(242), |claim, at| answered(claim, 200, at)).await;
        assert!(heard.lock().expect("no panic").contains(&Change::Armed), "the backlog goes on at once");
        assert_eq!(slow.drain(&bench, 243).await, Some(1));
        bench.settle_all(t(244), given_up).await;
        assert_eq!(slow.drain(&bench, 245).await, Some(1));
        assert_eq!(slow.fired(&bench).await, [60, 240, 120, 180]);
        assert!(slow.drained(&bench).await.is_none(), "nothing is left");
    })
    .await;
}

#[tokio::test]
async fn an_edit_looks_at_what_waits_anew_or_leaves_it_alone() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Queue)).await;
        slow.look(&bench, 60).await;
        slow.look(&bench, 120).await;
        let edit = async |change: fn(&mut Definition), second| {
            let armed = bench.get(slow.owner, slow.id).await;
            let mut definition = armed.trigger.definition.clone();
            change(&mut definition);
            let edit = armed.edit(definition, t(second));
            bench.store.edit_trigger(edit, armed.next_at, t(second)).await.expect("an answer")
        };
        assert_eq!(edit(|definition| definition.name = Some("new".to_owned()), 130).await, Edited::Done);
        assert!(!slow.is_due(&bench, 130).await, "it waits on");
        assert_eq!(edit(|definition| definition.expires_at = Some(t(90_000)), 140).await, Edited::Done);
        assert!(!slow.is_due(&bench, 140).await, "so it does where it lives on");
        assert_eq!(edit(|definition| definition.overlap = Overlap::Allow, 190).await, Edited::Done);
        assert!(!slow.is_due(&bench, 190).await, "what met the event is not let go by that");
        let met = skipped(Reason::Superseded, 120, 180, 2);
        assert_eq!(slow.skipped(&bench).await, [met]);
        assert_eq!(slow.look(&bench, 240).await, done(Turn::Free, 1), "what falls due since fires");
        assert_eq!(edit(|definition| definition.overlap = Overlap::Skip, 250).await, Edited::Done);
        assert_eq!(slow.before(&bench).await, Before::UnderWay, "what held when it fired holds for it");
        assert_eq!(slow.look(&bench, 300).await, done(Turn::Waits, 0));
        assert_eq!(edit(|definition| definition.enabled = false, 370).await, Edited::Done);
        assert_eq!(slow.skipped(&bench).await, [met, skipped(Reason::Superseded, 300, 360, 2)]);
        bench.settle_all(t(380), |claim, at| answered(claim, 200, at)).await;
        assert!(!slow.is_due(&bench, 400).await);
        assert_eq!(edit(|definition| definition.enabled = true, 410).await, Edited::Done);
        assert_eq!(slow.before(&bench).await, Before::Over);
        assert_eq!(slow.look(&bench, 420).await, done(Turn::Free, 1));
    })
    .await;
}

#[tokio::test]
async fn who_cancels_the_last_delivery_and_whoever_expires_it_call_up_what_waits() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Queue)).await;
        slow.look(&bench, 60).await;
        slow.look(&bench, 120).await;
        bench.settle_all(t(160), |claim, at| answered(claim, 503, at)).await;
        let delivery = DeliveryId { event: slow.event(&bench).await, slot: 0 };
        let cancelled = bench.store.cancel_delivery(slow.owner, delivery, t(-1), t(162)).await;
        assert_eq!(cancelled, Ok(Ok(())));
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(162)));
        assert_eq!(slow.look(&bench, 162).await, done(Turn::Waited, 1));
        assert_eq!(slow.look(&bench, 180).await, done(Turn::Waits, 0));
        bench.store.expire(t(162), t(7_000), 100).await.expect("an answer");
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(7_000)));
        assert_eq!(slow.look(&bench, 7_001).await, done(Turn::Waited, 1));
        assert_eq!(slow.fired(&bench).await, [6_960], "the others are gone");
    })
    .await;
}

#[tokio::test]
async fn who_waits_waits_on_after_a_restart() {
    wherever_it_lasts(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Queue)).await;
        slow.look(&bench, 60).await;
        slow.look(&bench, 120).await;
        let bench = bench.reopen().await;
        assert!(!slow.is_due(&bench, 200).await);
        assert_eq!(slow.before(&bench).await, Before::UnderWay);
        bench.settle_all(t(200), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(slow.look(&bench, 200).await, done(Turn::Waited, 1));
        assert_eq!(slow.fired(&bench).await, [60, 180]);
    })
    .await;
}

#[tokio::test]
async fn what_a_freeze_passes_over_makes_no_use_of_what_was_waited_for() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Skip)).await;
        slow.look(&bench, 60).await;
        assert_eq!(slow.look(&bench, 120).await, done(Turn::Waits, 0));
        let freeze = Said { reason: None, until: Some(t(250)) };
        bench.store.freeze(Some(slow.owner), freeze, t(130)).await.expect("a freeze");
        bench.settle_all(t(400), |claim, at| answered(claim, 200, at)).await;
        let freezes = bench.store.freezes(t(0)).await.expect("a list");
        let armed = bench.get(slow.owner, slow.id).await;
        let plan = pass_over(&armed, t(401), &freezes.all).expect("it was due when somebody froze");
        let (trigger, message_ids, edition) = (Arc::new(armed.trigger), Vec::new(), freezes.edition);
        let planned = Planned { trigger, armed: t(120), plan, message_ids, edition };
        assert_eq!(bench.store.commit_plans(vec![planned], t(401)).await.expect("a commit").plans, 1);
        assert_eq!(slow.before(&bench).await, Before::OverSince(t(400)));
        let planned = Planned { edition, ..slow.planned(&bench, 401).await };
        assert_eq!(planned.plan.turn, Turn::Waited);
        assert_eq!(bench.store.commit_plans(vec![planned], t(401)).await.expect("a commit").plans, 1);
        assert_eq!(slow.before(&bench).await, Before::Over);
        let records = [skipped(Reason::Frozen, 120, 240, 3), skipped(Reason::Overlap, 300, 360, 2)];
        assert_eq!((slow.skipped(&bench).await, slow.fired(&bench).await), (records.to_vec(), vec![60]));
    })
    .await;
}

#[tokio::test]
async fn an_edit_that_leaves_it_waiting_does_not_forget_what_it_met() {
    everywhere(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Skip)).await;
        slow.look(&bench, 60).await;
        slow.look(&bench, 120).await;
        let expire_later = async |second| {
            let armed = bench.get(slow.owner, slow.id).await;
            let definition = Definition { expires_at: Some(t(90_000 + second)), ..armed.trigger.definition.clone() };
            let edit = armed.edit(definition, t(second));
            bench.store.edit_trigger(edit, armed.next_at, t(second)).await.expect("an answer")
        };
        assert_eq!(expire_later(300).await, Edited::Done);
        bench.settle_all(t(310), |claim, at| answered(claim, 200, at)).await;
        assert_eq!(expire_later(315).await, Edited::Done);
        assert_eq!(slow.look(&bench, 320).await, done(Turn::Waited, 0));
        assert_eq!(slow.skipped(&bench).await, [skipped(Reason::Overlap, 120, 300, 4)]);
    })
    .await;
}

#[tokio::test]
async fn what_waited_for_long_is_no_sign_that_nobody_ran_and_not_overdue() {
    wherever_it_lasts(async |bench| {
        let slow = Slow::new(&bench, minutely(Overlap::Queue)).await;
        assert_eq!(bench.store.begin_presence(t(0)).await, Ok(Vec::new()));
        slow.look(&bench, 60).await;
        slow.look(&bench, 120).await;
        let ended_s = 5 * 3_600;
        bench.settle_all(t(ended_s), |claim, at| answered(claim, 200, at)).await;
        assert!(slow.is_due(&bench, ended_s).await);
        let counts = bench.store.due_counts(t(ended_s)).await.expect("an answer");
        assert_eq!((counts.due, counts.overdue, counts.earliest), (1, 0, None), "it is late for what it waited for");
        let counts = bench.store.due_counts(t(ended_s - 1)).await.expect("an answer");
        assert_eq!(counts.due, 0, "a second ago nobody could have looked at it");
        bench.store.sign_of_life(t(ended_s));
        let bench = bench.reopen().await;
        let absences = bench.store.begin_presence(t(ended_s + 10)).await.expect("an answer");
        assert!(absences.iter().all(|absence| absence.from >= t(ended_s)), "{absences:?}");
        assert_eq!(slow.look(&bench, ended_s + 11).await, done(Turn::Waited, 1));
    })
    .await;
}

#[tokio::test]
async fn what_fell_due_before_an_event_ended_met_it_whoever_looked_first() {
    everywhere(async |bench| {
        let (lapsed_at, looked_at) = (2_000, 2_001);
        for is_looked_at_first in [true, false] {
            let name = if is_looked_at_first { "first" } else { "last" };
            let owner = bench.user(name).await;
            let slow = Slow { owner, id: bench.trigger(owner, expecting(Overlap::Skip)).await.id };
            slow.look(&bench, 60).await;
            bench.settle_all(t(61), |claim, at| answered(claim, 200, at)).await;
            if is_looked_at_first {
                assert_eq!(slow.look(&bench, lapsed_at).await, done(Turn::Waits, 0));
            }
            assert_eq!(bench.store.lapse_runs(t(-1), t(lapsed_at), 10).await.expect("an answer").overdue, 1);
            assert_eq!(slow.before(&bench).await, Before::OverSince(t(lapsed_at)), "{name}");
            assert_eq!(slow.look(&bench, looked_at).await, done(Turn::Waited, 0), "{name}");
            assert_eq!(slow.skipped(&bench).await, [skipped(Reason::Overlap, 120, 1_980, 32)], "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn whether_an_event_was_under_way_when_a_trigger_was_deleted_is_kept() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        for (overlap, is_over, expected) in
            [(Overlap::Skip, true, false), (Overlap::Skip, false, true), (Overlap::Allow, false, false)]
        {
            let slow = Slow { owner, id: bench.trigger(owner, minutely(overlap)).await.id };
            assert_eq!(slow.look(&bench, 60).await, done(Turn::Free, 1));
            if overlap == Overlap::Skip {
                assert_eq!(slow.look(&bench, 120).await, done(Turn::Waits, 0));
            }
            if is_over {
                bench.settle_all(t(245), |claim, now| answered(claim, 200, now)).await;
            }
            assert_eq!(bench.store.delete_trigger(owner, slow.id, t(250)).await, Ok(true));
            if !is_over {
                bench.settle_all(t(260), |claim, now| answered(claim, 200, now)).await;
            }
            let deleted = bench.store.deleted_trigger(owner, slow.id, t(0)).await.expect("an answer");
            let Deletion { at, was_under_way, .. } = deleted.expect("it is known").deletion;
            assert_eq!((at, was_under_way), (t(250), expected), "{overlap:?}, over: {is_over}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_an_event_is_tallied_as_active_though_it_has_expired() {
    everywhere(async |bench| {
        for (overlap, active) in [(Overlap::Queue, 1), (Overlap::Skip, 0)] {
            let expiring = Definition { expires_at: Some(t(130)), ..minutely(overlap) };
            let owner = bench.user(overlap.word()).await;
            let slow = Slow { owner, id: bench.trigger(owner, expiring).await.id };
            assert_eq!(slow.look(&bench, 60).await, done(Turn::Free, 1));
            assert_eq!(slow.look(&bench, 120).await, done(Turn::Waits, 0));
            let tally = bench.store.attention(slow.owner, t(0), t(140)).await.expect("an answer").tally;
            let mut listed = TriggerTally::default();
            for head in bench.store.trigger_heads(slow.owner, 9).await.expect("an answer") {
                listed.note(&head, t(140));
            }
            assert_eq!(tally, TriggerTally { all: 1, active, paused: 0 }, "{overlap:?}");
            assert_eq!(tally, listed, "{overlap:?}");
        }
    })
    .await;
}
