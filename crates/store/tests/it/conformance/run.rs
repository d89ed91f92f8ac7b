//! Runs: one for each event of a trigger that expects a report and for no other, reported by whoever knows when the event fired, overdue
//! once, and told once.

use oncue_domain::destination::Target;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::run::{Expectation, Report, Run, State, Verb};
use oncue_domain::schedule::every::Period;
use oncue_domain::store::{Deleted, Edited, FiredAgain, Lapsed, Missing, NewTrigger, Repeat, Reported};
use oncue_domain::trigger::Definition;
use serde_json::Value;

use crate::bench::{Bench, answered, api, every, everywhere, t, wherever_it_lasts};

fn period(text: &str) -> Period {
    Period::parse(text).expect("a test writes its periods well")
}

/// The start within a minute, the end within ten.
fn expectation(alert: Option<DestinationId>) -> Option<Expectation> {
    Some(Expectation::new(period("10m"), Some(period("1m")), alert).expect("it makes sense"))
}

fn expecting(alert: Option<DestinationId>) -> Definition {
    Definition { expects: expectation(alert), ..api("job") }
}

/// A trigger that expects reports and tells a destination.
struct Job {
    owner: UserId,
    trigger: TriggerId,
    tells: DestinationId,
}

impl Job {
    async fn new(bench: &Bench) -> Job {
        let owner = bench.user("a").await;
        let tells = bench.destination(owner, "operator").await.id;
        let trigger = bench.trigger(owner, expecting(Some(tells))).await.id;
        Job { owner, trigger, tells }
    }

    async fn fire(&self, bench: &Bench, second: i64) -> EventId {
        bench.fire(self.owner, self.trigger, None, t(second)).await
    }

    async fn run(&self, bench: &Bench, event: EventId) -> Option<Run> {
        run(bench, self.owner, event).await
    }

    /// What was told, the first first: the alert's event and what it carries.
    async fn told(&self, bench: &Bench) -> Vec<(Event, Value)> {
        let events = bench.events(self.owner).await.into_iter().filter(|event| event.origin == Origin::Alert);
        let facts = |event: &Event| serde_json::from_str(event.payload.as_str()).expect("JSON");
        events.map(|event| (event.clone(), facts(&event))).collect()
    }
}

async fn run(bench: &Bench, owner: UserId, event: EventId) -> Option<Run> {
    let runs = bench.store.runs(owner, vec![event], t(-1)).await.expect("an answer");
    runs.into_iter().next().map(|of| of.run)
}

/// The event fired at one second, and this is reported at another.
async fn report(bench: &Bench, event: EventId, fired: i64, verb: Verb, second: i64) -> Reported {
    bench.store.report_run(event, t(fired), Report::of(verb), t(-1), t(second)).await.expect("an answer")
}

fn state(reported: &Reported) -> (State, bool) {
    match reported {
        Reported::Run { run, has_moved } => (run.state(), *has_moved),
        other => panic!("the run is there, yet {other:?}"),
    }
}

#[tokio::test]
async fn a_run_is_expected_then_runs_then_ends() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        let event = job.fire(&bench, 5).await;
        let expected = Run::expected(&expectation(Some(job.tells)).expect("it is said"), t(5));
        assert_eq!(job.run(&bench, event).await, Some(expected.clone()));
        assert_eq!(state(&report(&bench, event, 5, Verb::Start, 7).await), (State::Running, true));
        assert_eq!(state(&report(&bench, event, 5, Verb::Start, 8).await), (State::Running, false));
        let words = Report::new(Verb::Progress, Some("näher"), Some(40), None).expect("it makes sense");
        let progress = bench.store.report_run(event, t(5), words.clone(), t(-1), t(9)).await.expect("an answer");
        assert_eq!(state(&progress), (State::Running, false));
        assert_eq!(state(&report(&bench, event, 5, Verb::Done, 20).await), (State::Succeeded, true));
        assert_eq!(state(&report(&bench, event, 5, Verb::Done, 30).await), (State::Succeeded, false));
        let refused = report(&bench, event, 5, Verb::Fail, 30).await;
        assert!(matches!(refused, Reported::Refused(_)), "{refused:?}");
        let mut kept = expected;
        for (report, second) in [(Report::of(Verb::Start), 7), (words, 9), (Report::of(Verb::Done), 20)] {
            kept = kept.report(&report, t(second)).expect("nothing stands against it");
        }
        assert_eq!(job.run(&bench, event).await, Some(kept));
        assert!(job.told(&bench).await.is_empty(), "all went well");
    })
    .await;
}

#[tokio::test]
async fn only_who_knows_when_the_event_fired_reports_and_only_while_it_is_kept() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        let event = job.fire(&bench, 5).await;
        assert_eq!(report(&bench, event, 6, Verb::Done, 7).await, Reported::NotFound);
        assert_eq!(report(&bench, EventId(event.0 + 100), 5, Verb::Done, 7).await, Reported::NotFound);
        let gone = bench.store.report_run(event, t(5), Report::of(Verb::Done), t(5), t(7)).await;
        assert_eq!(gone, Ok(Reported::NotFound));
        let plain = bench.trigger(job.owner, api("plain")).await.id;
        let without = bench.fire(job.owner, plain, None, t(5)).await;
        assert_eq!(report(&bench, without, 5, Verb::Done, 7).await, Reported::NotFound);
        assert_eq!(run(&bench, job.owner, without).await, None);
        assert_eq!(job.run(&bench, event).await.map(|run| run.state()), Some(State::Expected));
        let stranger = bench.user("b").await;
        assert_eq!(run(&bench, stranger, event).await, None, "it is not theirs");
        assert_eq!(bench.store.latest_runs(stranger, job.trigger, t(-1), 9).await, Ok(Vec::new()));
        assert_eq!(bench.store.runs(job.owner, vec![event], t(5)).await, Ok(Vec::new()), "it is gone by then");
        assert_eq!(bench.store.latest_runs(job.owner, job.trigger, t(5), 9).await, Ok(Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn however_an_event_came_to_be_it_has_a_run_and_its_claims_say_so() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let scheduled = Definition { expects: expectation(None), ..every("1m") };
        let due = bench.trigger(owner, scheduled).await;
        bench.fire_due(owner, due.id, t(60)).await;
        let called = bench.trigger(owner, expecting(None)).await.id;
        let event = bench.fire(owner, called, None, t(61)).await;
        let calls = vec![(called, bench.call(Origin::Api, None)), (called, bench.call(Origin::Test, None))];
        for fired in bench.store.fire_many(owner, calls, t(62)).await {
            fired.expect("it is fired");
        }
        let repeat = Repeat { event, checked: None, message_id: bench.message() };
        let again = bench.store.fire_again(owner, repeat, t(0), t(63)).await.expect("an answer");
        assert!(matches!(again, FiredAgain::Event(_)));
        bench
            .store
            .fire_unkept(owner, expecting(None).into(), bench.message(), t(64))
            .await
            .expect("an answer")
            .expect("it is fired");
        let new = || {
            let definition = Definition { is_test: true, ..expecting(None) };
            NewTrigger { owner, definition, next_at: None, test_event: Some(bench.message()) }
        };
        bench.make(new(), t(65)).await;
        for made in bench.store.create_triggers(vec![new(), new()], t(66)).await {
            made.expect("an answer").expect("it is made");
        }
        let events = bench.events(owner).await;
        assert_eq!(events.len(), 9);
        for event in &events {
            let expected = Run::expected(&expectation(None).expect("it is said"), event.fired_at);
            assert_eq!(run(&bench, owner, event.id).await, Some(expected), "{:?}", event.origin);
            assert!(event.has_run, "{:?}", event.origin);
        }
        let claims = bench.claim_all(t(70)).await;
        assert_eq!(claims.len(), 9);
        assert!(claims.iter().all(|claim| claim.event.has_run), "as they were committed");
        bench
            .store
            .settle(claims.iter().map(|claim| answered(claim, 503, t(70))).collect())
            .await
            .expect("a settlement");
        let claims = bench.claim_all(t(4_000)).await;
        assert_eq!(claims.len(), 9);
        assert!(claims.iter().all(|claim| claim.event.has_run), "as they were read");
        let plain = bench.trigger(owner, api("plain")).await.id;
        let plain = bench.fire(owner, plain, None, t(4_000)).await;
        let claims = bench.claim_all(t(4_000)).await;
        assert!(claims.iter().all(|claim| claim.event.id == plain && !claim.event.has_run), "{claims:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_heard_of_in_time_is_overdue_once_and_told_once() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        let lapse = async |second: i64| bench.store.lapse_runs(t(-1), t(second), 10).await.expect("an answer");
        assert_eq!(lapse(0).await, Lapsed { overdue: 0, next_at: None });
        let (silent, begun, done) = (job.fire(&bench, 0).await, job.fire(&bench, 1).await, job.fire(&bench, 2).await);
        report(&bench, begun, 1, Verb::Start, 3).await;
        report(&bench, done, 2, Verb::Done, 3).await;
        assert_eq!(lapse(59).await, Lapsed { overdue: 0, next_at: Some(t(60)) });
        assert_eq!(lapse(60).await, Lapsed { overdue: 1, next_at: Some(t(601)) });
        assert_eq!(lapse(60).await, Lapsed { overdue: 0, next_at: Some(t(601)) });
        assert_eq!(lapse(700).await, Lapsed { overdue: 1, next_at: None });
        assert_eq!(lapse(9_000).await, Lapsed { overdue: 0, next_at: None });
        for (event, overdue_at) in [(silent, Some(t(60))), (begun, Some(t(700))), (done, None)] {
            assert_eq!(job.run(&bench, event).await.and_then(|run| run.overdue_at), overdue_at);
        }
        let told = job.told(&bench).await;
        let texts: Vec<&str> = told.iter().map(|(event, _)| event.name.as_str()).collect();
        assert_eq!(texts, ["job has not begun", "job has not ended"]);
        let (alert, facts) = &told[0];
        assert_eq!((&facts["event"]["id"], &facts["alert"]), (&silent.0.into(), &"overdue".into()));
        assert_eq!((alert.fired_at, alert.has_run, alert.trigger.0 < 0), (t(60), false, true));
        let claims = bench.claim_all(t(9_000)).await;
        let to: Vec<_> =
            claims.iter().filter(|claim| claim.event.origin == Origin::Alert).map(|claim| &claim.target).collect();
        assert_eq!(to, [&Target::Destination(job.tells); 2]);
        // What comes late is kept all the same.
        assert_eq!(state(&report(&bench, silent, 0, Verb::Done, 9_001).await), (State::Succeeded, true));
        let late = job.run(&bench, silent).await.expect("it is there");
        assert_eq!((late.overdue_at, late.late_by().is_some()), (Some(t(60)), true));
        assert_eq!(job.told(&bench).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_of_a_run_whose_event_is_gone() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        let (gone, there) = (job.fire(&bench, 0).await, job.fire(&bench, 1).await);
        // Nobody ran for long, and the clean-up is behind.
        assert_eq!(bench.store.lapse_runs(t(0), t(900), 10).await, Ok(Lapsed { overdue: 2, next_at: None }));
        assert_eq!(job.run(&bench, gone).await.map(|run| run.state()), Some(State::Overdue), "it is so all the same");
        let told = job.told(&bench).await;
        assert_eq!(told.iter().map(|(_, facts)| &facts["event"]["id"]).collect::<Vec<_>>(), [&Value::from(there.0)]);
    })
    .await;
}

#[tokio::test]
async fn the_earliest_come_first_and_no_more_than_asked_for() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        for second in [3, 1, 2] {
            job.fire(&bench, second).await;
        }
        let lapsed = bench.store.lapse_runs(t(-1), t(100), 2).await;
        assert_eq!(lapsed, Ok(Lapsed { overdue: 2, next_at: Some(t(63)) }));
        let lapsed = bench.store.lapse_runs(t(-1), t(100), 2).await;
        assert_eq!(lapsed, Ok(Lapsed { overdue: 1, next_at: None }));
        let latest = bench.store.latest_runs(job.owner, job.trigger, t(-1), 2).await.expect("an answer");
        assert_eq!(latest.iter().map(|of| of.run.expected_at).collect::<Vec<_>>(), [t(3), t(2)]);
    })
    .await;
}

#[tokio::test]
async fn who_looks_at_once_finds_each_once() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        for _ in 0..30 {
            job.fire(&bench, 0).await;
        }
        let looks = (0..4).map(|_| bench.store.lapse_runs(t(-1), t(100), 1_000));
        let mut found = 0;
        for lapsed in futures_util::future::join_all(looks).await {
            found += lapsed.expect("an answer").overdue;
        }
        found += bench.store.lapse_runs(t(-1), t(100), 1_000).await.expect("an answer").overdue;
        assert_eq!((found, job.told(&bench).await.len()), (30, 30));
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_told_with_its_words_unless_there_is_nobody_to_tell() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        let failed = Report::new(Verb::Done, Some("disk full"), None, Some(28)).expect("it makes sense");
        let (event, other) = (job.fire(&bench, 0).await, job.fire(&bench, 0).await);
        for second in [5, 6] {
            bench.store.report_run(event, t(0), failed.clone(), t(-1), t(second)).await.expect("an answer");
        }
        let told = job.told(&bench).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1["text"], "job has failed with exit code 28: disk full");
        // From now on the trigger names nobody, and so its destination can go; what was expected before has nobody to tell.
        let armed = bench.get(job.owner, job.trigger).await;
        let edit = armed.edit(expecting(None), t(10));
        assert_eq!(bench.store.edit_trigger(edit, None, t(10)).await, Ok(Edited::Done));
        assert_eq!(bench.store.delete_destination(job.owner, job.tells, t(11)).await, Ok(Deleted::Done));
        bench.store.report_run(other, t(0), failed, t(-1), t(12)).await.expect("an answer");
        assert_eq!(job.run(&bench, other).await.map(|run| run.state()), Some(State::Failed));
        let silent = job.fire(&bench, 20).await;
        assert_eq!(bench.store.lapse_runs(t(-1), t(100), 9).await.map(|lapsed| lapsed.overdue), Ok(1));
        assert_eq!(job.run(&bench, silent).await.map(|run| run.state()), Some(State::Overdue));
        assert_eq!(job.told(&bench).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_trigger_is_shown_as_it_was_said_and_tells_only_a_destination_of_its_owners() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        let stranger = bench.user("b").await;
        let shown = bench.get(job.owner, job.trigger).await.trigger.definition;
        assert_eq!(shown, expecting(Some(job.tells)));
        let new = NewTrigger { owner: stranger, definition: shown.clone(), next_at: None, test_event: None };
        let missing = bench.store.create_trigger(new.clone(), t(1)).await.expect("an answer");
        assert_eq!(missing.map(|armed| armed.trigger.id), Err(Missing::Destination(job.tells)));
        let made = bench.store.create_triggers(vec![new], t(1)).await;
        assert_eq!(made, [Ok(Err(Missing::Destination(job.tells)))]);
        let armed = bench.get(job.owner, job.trigger).await;
        let nobody = DestinationId(job.tells.0 + 100);
        let edit = armed.edit(expecting(Some(nobody)), t(2));
        assert_eq!(bench.store.edit_trigger(edit, None, t(2)).await, Ok(Edited::Missing(Missing::Destination(nobody))));
        let deleted = bench.store.delete_destination(job.owner, job.tells, t(3)).await.expect("an answer");
        assert!(!matches!(deleted, Deleted::Done), "a trigger names it: {deleted:?}");
        // One that its events go to as well is named once.
        let both = Definition { destinations: vec![job.tells], ..expecting(Some(job.tells)) };
        let edit = armed.edit(both.clone(), t(4));
        assert_eq!(bench.store.edit_trigger(edit, None, t(4)).await, Ok(Edited::Done));
        assert_eq!(bench.get(job.owner, job.trigger).await.trigger.definition, both);
        assert_eq!(bench.store.destination_uses(job.owner, vec![job.tells]).await, Ok(vec![1]));
        let former = bench.store.revision(job.owner, job.trigger, 1).await.expect("an answer").expect("it is kept");
        assert_eq!(former.trigger.definition, shown);
        // Many that are made together are the same.
        let new = NewTrigger { owner: job.owner, definition: both.clone(), next_at: None, test_event: None };
        for made in bench.store.create_triggers(vec![new.clone(), new], t(5)).await {
            let id = made.expect("an answer").expect("it is made");
            assert_eq!(bench.get(job.owner, id).await.trigger.definition, both);
        }
        assert_eq!(bench.store.destination_uses(job.owner, vec![job.tells]).await, Ok(vec![3]));
    })
    .await;
}

#[tokio::test]
async fn a_run_goes_with_its_event_and_outlives_its_trigger() {
    everywhere(async |bench| {
        let job = Job::new(&bench).await;
        let (old, young) = (job.fire(&bench, 0).await, job.fire(&bench, 50).await);
        assert_eq!(bench.store.delete_trigger(job.owner, job.trigger, t(51)).await, Ok(true));
        assert_eq!(state(&report(&bench, young, 50, Verb::Start, 52).await), (State::Running, true));
        for _ in 0..3 {
            bench.store.expire(t(10), t(55), 1_000).await.expect("it expires");
        }
        assert_eq!(job.run(&bench, old).await, None);
        assert_eq!(report(&bench, old, 0, Verb::Done, 56).await, Reported::NotFound);
        assert_eq!(bench.store.lapse_runs(t(-1), t(100), 9).await, Ok(Lapsed { overdue: 0, next_at: Some(t(650)) }));
        assert_eq!(bench.store.lapse_runs(t(-1), t(700), 9).await, Ok(Lapsed { overdue: 1, next_at: None }));
        assert_eq!(job.run(&bench, young).await.map(|run| run.state()), Some(State::Overdue));
    })
    .await;
}

#[tokio::test]
async fn what_was_reported_is_there_after_a_restart_and_what_was_expected_still_is() {
    wherever_it_lasts(async |bench| {
        let job = Job::new(&bench).await;
        let (begun, silent) = (job.fire(&bench, 0).await, job.fire(&bench, 1).await);
        report(&bench, begun, 0, Verb::Start, 2).await;
        let (before, bench) = (job.run(&bench, begun).await, bench.reopen().await);
        assert_eq!(job.run(&bench, begun).await, before);
        assert_eq!(bench.store.lapse_runs(t(-1), t(61), 9).await, Ok(Lapsed { overdue: 1, next_at: Some(t(600)) }));
        let (told, bench) = (job.told(&bench).await, bench.reopen().await);
        assert_eq!((told.len(), &told[0].1["event"]["id"]), (1, &silent.0.into()));
        assert_eq!(job.told(&bench).await, told);
    })
    .await;
}
