//! What is told of a destination, of any run of attempts.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::destination::{Definition, Standing};
use crate::id::UserId;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

fn over(is_delivered: bool, second: i64) -> Over {
    Over { is_delivered, started_at: at(second), at: at(second + 1), is_alert: false }
}

const AFTER_THREE: Option<Alert> = Some(Alert { destination: DestinationId(9), after: 3 });

/// What is told of attempts, one a second, and the streak that is left.
fn told_of(attempts: &[Over], alert: Option<Alert>) -> (Option<Streak>, Vec<Option<News>>) {
    let mut streak = None;
    let told = attempts.iter().map(|over| {
        let (left, news) = after_attempt(streak, *over, alert);
        streak = left;
        news
    });
    let told = told.collect();
    (streak, told)
}

fn run(attempts: &[bool]) -> Vec<Over> {
    attempts.iter().zip(0..).map(|(is_delivered, second)| over(*is_delivered, second)).collect()
}

#[test]
fn a_streak_is_told_once_and_so_is_its_end() {
    use News::{Failing, Recovered};
    let (streak, told) = told_of(&run(&[true, false, false, false, false, false, true, true, false]), AFTER_THREE);
    assert_eq!(told, [None, None, None, Some(Failing), None, None, Some(Recovered), None, None]);
    assert_eq!(streak, Some(Streak { failures: 1, since: at(8), told: None }));
}

#[test]
fn what_recovers_before_anybody_was_told_is_told_to_nobody() {
    let (streak, told) = told_of(&run(&[false, false, true]), AFTER_THREE);
    assert_eq!((streak, told), (None, vec![None; 3]));
}

#[test]
fn where_there_is_nobody_to_tell_it_is_told_once_there_is() {
    let (streak, told) = told_of(&run(&[false; 7]), None);
    assert_eq!(told, vec![None; 7]);
    assert_eq!(streak, Some(Streak { failures: 7, since: at(0), told: None }));
    let (streak, news) = after_attempt(streak, over(false, 7), AFTER_THREE);
    let told = Some(Told { destination: DestinationId(9), at: at(8) });
    assert_eq!((streak, news), (Some(Streak { failures: 8, since: at(0), told }), Some(News::Failing)));
    assert_eq!(after_attempt(streak, over(true, 9), None), (None, None), "there is nobody to tell any more");
}

#[test]
fn each_suspension_is_told_and_the_failures_around_it_are_part_of_that() {
    let (streak, news) = after_suspension(None, AFTER_THREE, false, at(0));
    assert_eq!(news, Some(News::Suspended));
    let (mut streak, news) =
        after_attempt(streak, over(false, 0), Some(Alert { destination: DestinationId(9), after: 1 }));
    assert_eq!(news, None);
    for second in 1..5 {
        let (left, news) = after_attempt(streak, over(false, second), AFTER_THREE);
        assert_eq!(news, None);
        streak = left;
    }
    let (again, news) = after_suspension(streak, AFTER_THREE, false, at(6));
    assert_eq!(news, Some(News::Suspended), "it was resumed meanwhile");
    assert_eq!(after_attempt(again, over(true, 7), AFTER_THREE), (None, Some(News::Recovered)));
    assert_eq!(after_suspension(None, None, false, at(0)), (None, None));
}

#[test]
fn an_alert_that_does_not_arrive_counts_and_is_told_to_nobody() {
    let of_alerts: Vec<Over> = run(&[false; 5]).into_iter().map(|over| Over { is_alert: true, ..over }).collect();
    let (streak, told) = told_of(&of_alerts, AFTER_THREE);
    assert_eq!(told, vec![None; 5]);
    assert_eq!(streak.map(|streak| (streak.failures, streak.told)), Some((5, None)));
    assert_eq!(after_suspension(streak, AFTER_THREE, true, at(9)), (streak, None));
}

proptest! {
    #[test]
    fn of_every_run_of_failures_as_much_is_told_as_was_asked_for(
        attempts in proptest::collection::vec(any::<(bool, bool)>(), 0..60), after in 1_u32..8,
    ) {
        let alert = Some(Alert { destination: DestinationId(9), after });
        let overs: Vec<Over> = attempts.iter().zip(0..).map(|((is_delivered, is_alert), second)| {
            Over { is_alert: *is_alert, ..over(*is_delivered, second) }
        }).collect();
        let (_, told) = told_of(&overs, alert);
        // Runs of failures, each with the success that ends it.
        for (run, told) in runs(&overs, &told) {
            let failed = run.iter().filter(|over| !over.is_delivered).count();
            let is_worth_it = |(place, over): (usize, &Over)| !over.is_alert && !over.is_delivered && place + 1 >= after as usize;
            let is_told = run.iter().take(failed).enumerate().any(is_worth_it);
            let is_over = run.last().is_some_and(|over| over.is_delivered);
            let count = |news| told.iter().filter(|told| **told == Some(news)).count();
            prop_assert_eq!(count(News::Failing), usize::from(is_told));
            prop_assert_eq!(count(News::Recovered), usize::from(is_told && is_over));
        }
    }
}

fn runs<'a>(overs: &'a [Over], told: &'a [Option<News>]) -> Vec<(&'a [Over], &'a [Option<News>])> {
    let (mut runs, mut begin) = (Vec::new(), 0);
    for (place, over) in overs.iter().enumerate() {
        if over.is_delivered || place + 1 == overs.len() {
            runs.push((&overs[begin..=place], &told[begin..=place]));
            begin = place + 1;
        }
    }
    runs
}

#[test]
fn the_event_says_everything_in_a_sentence_and_in_facts() {
    let said = json!({"name": "Ops", "kind": "webhook", "url": "https://example.com/"});
    let destination = Destination {
        id: DestinationId(7),
        owner: UserId(1),
        revision: 1,
        definition: Arc::new(Definition::read(&said, None).expect("a destination")),
        standing: Standing::Active,
        created_at: at(0),
    };
    let told = |news, failures, status, error| {
        let streak = Streak { failures, since: at(0), told: None };
        let definition = telling(news, &destination, DestinationId(9), streak, Last { status, error });
        assert_eq!((&definition.destinations[..], definition.kind()), (&[DestinationId(9)][..], trigger::Kind::Api));
        let payload = definition.payload.expect("it says something");
        assert_eq!(Payload::parse(payload.as_str()), Ok(payload.clone()));
        let facts: Value = serde_json::from_str(payload.as_str()).expect("JSON");
        (definition.name.expect("a name"), facts)
    };
    let (name, facts) = told(News::Failing, 5, Some(500), None);
    assert_eq!(name, "Ops is failing");
    let expected = json!({
        "alert": "failing",
        "text": "Ops is failing: 5 failed attempts in a row since 2027-01-15T08:00:00Z. The last one was answered 500.",
        "destination": {"id": 7, "name": "Ops", "kind": "webhook"}, "page": "/ui/destinations/7",
        "failures": 5, "since": "2027-01-15T08:00:00Z", "status": 500, "error": null,
    });
    assert_eq!(facts, expected);
    let (_, facts) = told(News::Failing, 1, None, Some("Nobody listens there."));
    assert_eq!(
        facts["text"],
        "Ops is failing: a failed attempt since 2027-01-15T08:00:00Z. The last one: Nobody listens there."
    );
    let (name, facts) = told(News::Recovered, 7, Some(200), None);
    assert_eq!(name, "Ops has recovered");
    assert_eq!(facts["text"], "Ops has recovered, after 7 failed attempts in a row since 2027-01-15T08:00:00Z.");
    let (name, facts) = told(News::Suspended, 0, Some(410), Some("It answered 410 Gone."));
    assert_eq!(name, "Ops is suspended");
    assert_eq!(facts["text"], "Ops is suspended: nothing is sent there until you resume it. It answered 410 Gone.");
}
