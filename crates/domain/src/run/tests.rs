use proptest::prelude::*;

use super::alert::{News, telling};
use super::*;
use crate::message::tests::{at, event};
use crate::schedule::every::Period;

fn period(text: &str) -> Period {
    Period::parse(text).expect("a period")
}

fn t(seconds: i64) -> Timestamp {
    at("2027-01-01T00:00:00Z") + SignedDuration::from_secs(seconds)
}

/// Expected at 0, to begin by 60 and to end by 600.
fn run() -> Run {
    let expectation = Expectation::new(period("10m"), Some(period("1m")), Some(DestinationId(7)));
    Run::expected(&expectation.expect("it makes sense"), t(0))
}

fn said(verb: Verb) -> Report {
    Report::of(verb)
}

fn after(run: &Run, verb: Verb, seconds: i64) -> Run {
    run.report(&said(verb), t(seconds)).expect("nothing stands against it")
}

#[test]
fn a_run_is_expected_then_runs_then_ends() {
    let run = run();
    assert_eq!((run.state(), run.due_at(), run.took()), (State::Expected, Some(t(60)), None));
    let running = after(&run, Verb::Start, 5);
    assert_eq!((running.state(), running.due_at(), running.started_at), (State::Running, Some(t(600)), Some(t(5))));
    let done = after(&running, Verb::Done, 65);
    assert_eq!(
        (done.state(), done.due_at(), done.took()),
        (State::Succeeded, None, Some(SignedDuration::from_secs(60)))
    );
    let failed = after(&running, Verb::Fail, 65);
    assert_eq!((failed.state(), failed.due_at()), (State::Failed, None));
    assert_eq!(after(&run, Verb::Done, 30).took(), Some(SignedDuration::from_secs(30)), "no start was reported");
}

#[test]
fn what_is_reported_again_changes_nothing_and_what_contradicts_the_end_is_refused() {
    let running = after(&run(), Verb::Start, 5);
    assert_eq!(after(&running, Verb::Start, 9), running);
    let done = after(&running, Verb::Done, 65);
    for verb in [Verb::Done, Verb::Start, Verb::Progress] {
        assert_eq!(after(&done, verb, 70), done, "{verb:?}");
    }
    assert_eq!(done.report(&said(Verb::Fail), t(70)), Err(Contradiction { was_success: true }));
    let failed = after(&running, Verb::Fail, 65);
    assert_eq!(after(&failed, Verb::Fail, 70), failed);
    let words = failed.report(&said(Verb::Done), t(70)).expect_err("it has failed").to_string();
    assert!(words.contains("already failed"), "{words}");
}

#[test]
fn a_process_that_ends_with_another_code_than_0_has_failed() {
    let code = |code| Report::new(Verb::Done, Some("words"), None, Some(code)).expect("it makes sense");
    let ended = |number| run().report(&code(number), t(5)).expect("nothing stands against it");
    assert_eq!((ended(0).state(), ended(3).state()), (State::Succeeded, State::Failed));
    let end = ended(3).end.expect("it has ended");
    assert_eq!((end.exit_code, end.message.as_deref(), end.at), (Some(3), Some("words"), t(5)));
    assert!(ended(3).report(&said(Verb::Fail), t(6)).is_ok(), "the shell says so once more");
}

#[test]
fn the_first_progress_is_a_start_and_the_last_one_is_kept() {
    let report = |percent| Report::new(Verb::Progress, Some("half"), Some(percent), None).expect("it makes sense");
    let run = run().report(&report(10), t(3)).expect("nothing stands against it");
    let run = run.report(&report(50), t(8)).expect("nothing stands against it");
    assert_eq!((run.state(), run.started_at), (State::Running, Some(t(3))));
    let progress = Progress { at: t(8), percent: Some(50), message: Some("half".to_owned()) };
    assert_eq!(run.progress, Some(progress.clone()));
    assert_eq!(after(&run, Verb::Done, 9).progress, Some(progress), "how far it had come is still known");
}

#[test]
fn a_run_is_overdue_once_and_what_comes_late_is_kept_all_the_same() {
    let expected = run();
    assert_eq!(expected.lapsed(t(59)), None);
    let overdue = expected.lapsed(t(60)).expect("it has not begun");
    assert_eq!((overdue.state(), overdue.overdue_at, overdue.due_at()), (State::Overdue, Some(t(60)), None));
    assert_eq!(overdue.lapsed(t(9_000)), None, "it is told once");
    let late = after(&after(&overdue, Verb::Start, 90), Verb::Done, 700);
    assert_eq!((late.state(), late.late_by()), (State::Succeeded, Some(SignedDuration::from_secs(100))));
    assert_eq!((late.overdue_at, late.took()), (Some(t(60)), Some(SignedDuration::from_secs(610))));
    let running = after(&expected, Verb::Start, 5);
    assert_eq!(running.lapsed(t(599)), None, "it had begun in time");
    assert!(running.lapsed(t(600)).is_some());
}

#[test]
fn a_failure_and_a_silence_are_news_and_nothing_else_is() {
    let (expected, running) = (run(), after(&run(), Verb::Start, 5));
    let (done, failed) = (after(&running, Verb::Done, 9), after(&running, Verb::Fail, 9));
    let overdue = expected.lapsed(t(60)).expect("it has not begun");
    for (before, now, news) in [
        (&expected, &running, None),
        (&running, &done, None),
        (&running, &failed, Some(News::Failed)),
        (&failed, &failed, None),
        (&expected, &overdue, Some(News::Overdue)),
        (&overdue, &after(&overdue, Verb::Start, 70), None),
        (&overdue, &after(&overdue, Verb::Done, 70), None),
        (&overdue, &after(&overdue, Verb::Fail, 70), Some(News::Failed)),
    ] {
        assert_eq!(News::between(before, now), news, "{before:?} {now:?}");
    }
}

#[test]
fn an_alert_says_everything_in_its_name_and_in_a_sentence() {
    let told = |news, run: &Run| {
        let definition = telling(news, &event("nightly", "{}"), run, DestinationId(7));
        assert_eq!(definition.destinations, [DestinationId(7)]);
        let payload: serde_json::Value =
            serde_json::from_str(definition.payload.expect("it says something").as_str()).expect("JSON");
        assert_eq!(payload["page"], "/events/29");
        (definition.name.expect("it has a name"), payload)
    };
    let (name, payload) = told(News::Overdue, &run().lapsed(t(60)).expect("it has not begun"));
    assert_eq!(name, "nightly has not begun");
    let words = "nightly fired at 2027-01-01T00:00:00Z, and nothing was heard of it by 2027-01-01T00:01:00Z.";
    assert_eq!(
        (&payload["alert"], &payload["text"], &payload["state"]),
        (&"overdue".into(), &words.into(), &"overdue".into())
    );
    let running = after(&run(), Verb::Start, 5);
    let (name, payload) = told(News::Overdue, &running.lapsed(t(600)).expect("it has not ended"));
    assert_eq!(name, "nightly has not ended");
    let words = "nightly began at 2027-01-01T00:00:05Z, and had not reported its end by 2027-01-01T00:10:00Z.";
    assert_eq!(payload["text"], words);
    let report = Report::new(Verb::Fail, Some("disk full"), None, Some(28)).expect("it makes sense");
    let (name, payload) = told(News::Failed, &running.report(&report, t(9)).expect("nothing stands against it"));
    assert_eq!((name.as_str(), &payload["alert"]), ("nightly has failed", &"run failed".into()));
    assert_eq!(payload["text"], "nightly has failed with exit code 28: disk full");
    assert_eq!((&payload["exit_code"], &payload["message"]), (&28.into(), &"disk full".into()));
}

proptest! {
    /// Whatever comes in whatever order: it ends once at most, is overdue once at most, and is read back as it was written.
    #[test]
    fn whatever_is_reported_a_run_ends_once(words in proptest::collection::vec((0_usize..5, 0_i64..300), 0..12)) {
        let (mut run, mut now, mut overdue, mut ended) = (run(), 0, 0, 0);
        for (what, later) in words {
            now += later;
            let next = match Verb::ALL.get(what) {
                Some(verb) => run.report(&said(*verb), t(now)).unwrap_or_else(|_| run.clone()),
                None => run.lapsed(t(now)).unwrap_or_else(|| run.clone()),
            };
            overdue += u32::from(run.overdue_at != next.overdue_at);
            ended += u32::from(run.end != next.end);
            prop_assert!(next.due_at().is_none() || !matches!(next.state(), State::Overdue | State::Succeeded | State::Failed));
            let text = serde_json::to_string(&next).expect("JSON");
            prop_assert_eq!(&serde_json::from_str::<Run>(&text).expect("it was just written"), &next);
            run = next;
        }
        prop_assert!(overdue <= 1 && ended <= 1);
    }
}
