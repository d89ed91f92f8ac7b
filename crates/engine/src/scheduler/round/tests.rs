use jiff::SignedDuration;
use oncue_domain::id::UserId;
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::NewTrigger;
use oncue_domain::trigger::{Definition, Kind, ScheduleDetails};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

/// Two steps for each minute of ten days.
const ABSENT_S: i64 = 864_000;

fn every(period: &str) -> Schedule {
    let period = Period::parse(period).expect("a period");
    Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater }
}

fn several() -> Schedule {
    let member = |period| Member { schedule: every(period), timezone: None };
    Schedule::AnyOf(AnyOf::kept(vec![member("1s"), member("1m")]))
}

fn due(id: i64, schedule: Schedule, next_at: Timestamp) -> Armed<Arc<Trigger>> {
    let definition = Definition {
        schedule: Some(ScheduleDetails::plain(schedule, None)),
        enabled: true,
        ..Definition::in_place_of_unreadable(None, Kind::Scheduled)
    };
    let new = NewTrigger { owner: UserId(1), definition, next_at: Some(next_at), test_event: None };
    let Armed { trigger, next_at, fired } = new.as_made(TriggerId(id), at(0));
    Armed { trigger: Arc::new(trigger), next_at, fired }
}

fn ids(due: &[Armed<Arc<Trigger>>]) -> Vec<i64> {
    due.iter().map(|armed| armed.trigger.id.0).collect()
}

#[test]
fn what_takes_long_to_count_is_left_for_later_and_holds_up_nothing_else() {
    let absent = at(ABSENT_S);
    let waiting = vec![
        due(1, several(), at(60)),
        due(2, several(), at(60)),
        due(3, several(), at(60)),
        due(4, every("1s"), at(60)),
        due(5, several(), absent),
    ];
    let taken = |now| {
        let mut round = Round::first(now);
        let taken = ids(&round.take(waiting.clone(), now));
        (taken, round.goes_on().is_some())
    };
    assert_eq!(taken(absent), (vec![4, 5, 1], true), "the others are passed");
    assert_eq!(taken(at(60)), (vec![1, 2, 3, 4, 5], false), "nothing was missed");
    let long = at(100 * ABSENT_S);
    assert_eq!(Round::first(long).take(vec![due(1, several(), at(60))], long).len(), 1, "one at least is planned");
}

#[test]
fn one_that_somebody_is_at_does_not_use_up_the_steps_of_the_others() {
    let absent = at(ABSENT_S);
    let waiting = || vec![due(1, several(), at(60)), due(2, several(), at(60)), due(3, several(), at(60))];
    let mut round = Round::first(absent);
    let mut taken = Vec::new();
    for _ in 0..3 {
        let look = ids(&round.take(waiting(), absent));
        // Nobody lets go of the first one.
        let (stale, moved): (Vec<i64>, Vec<i64>) = look.iter().partition(|id| **id == 1);
        round.note(!moved.is_empty(), &stale.into_iter().map(TriggerId).collect::<Vec<_>>());
        round.begin(absent);
        taken.push(look);
    }
    assert_eq!(taken, [[1], [2], [2]]);
}

#[test]
fn a_round_goes_on_from_where_it_has_come_to_until_it_has_passed_all_that_was_due_when_it_began() {
    let place = |second, id| DuePlace { last: Some((at(second), TriggerId(id))), last_lying: None };
    let mut round = Round::first(at(60));
    round.reach(place(50, 7));
    assert_eq!(round.goes_on(), None, "nothing was left");
    round.note(true, &[TriggerId(7)]);
    assert_eq!(round.goes_on(), Some(place(50, 7)));
    round.reach(place(60, 9));
    round.note(true, &[]);
    assert_eq!(round.goes_on(), Some(place(60, 9)), "more may have been due at that instant");
    round.reach(place(61, 3));
    round.note(true, &[TriggerId(3)]);
    assert_eq!(round.goes_on(), None, "what has fallen due meanwhile was met, and the others have their turn again");
    round.begin(at(62));
    assert_eq!(round.goes_on(), None);
    round.note(true, &[TriggerId(7)]);
    assert_eq!(round.goes_on(), Some(DuePlace::default()));
}

#[test]
fn there_is_no_hurry_where_two_rounds_in_a_row_could_carry_out_nothing() {
    let mut round = Round::first(at(60));
    let stale = [TriggerId(1)];
    round.note(false, &stale);
    assert!(!round.is_idle_again(), "it may have been edited just now");
    round.begin(at(60));
    round.note(false, &stale);
    assert!(round.is_idle_again());
    round.note(false, &stale);
    assert!(!round.is_idle_again(), "what lies further on is looked at without a pause");
    round.note(true, &[]);
    round.begin(at(60));
    round.note(false, &stale);
    assert!(!round.is_idle_again(), "the round before carried out something");
}
