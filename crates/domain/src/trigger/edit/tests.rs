//! Edits, one by one: nothing due is silent, nothing fires retroactively, and what is not due yet is lost to none.

use std::sync::Arc;

use jiff::SignedDuration;

use super::*;
use crate::id::UserId;
use crate::overlap::{Before, Overlap};
use crate::schedule::every::Period;
use crate::schedule::jitter::{Jitter, Share};
use crate::schedule::zone::Zones;
use crate::trigger::tests::{at, every, trigger};
use crate::trigger::{MaxFires, ScheduleDetails, ScheduleWish, Terms};

#[test]
fn an_edit_that_leaves_the_schedule_alone_leaves_the_grid_alone() {
    let trigger = trigger();
    let mut renamed = trigger.definition.clone();
    renamed.name = Some("new".to_owned());
    let edit = trigger.edit(renamed, Some(at(10)), at(7));
    assert_eq!((edit.arm, edit.skipped, edit.trigger.revision), (Arm::Keep, vec![], 2));
    let again = every("10s", at(7), trigger.definition.schedule.as_ref());
    assert_eq!(Some(&again), trigger.definition.schedule.as_ref(), "what was read can be put back");
}

#[test]
fn a_new_schedule_counts_from_the_edit_and_fires_nothing_of_before() {
    let trigger = trigger();
    let changed = Definition {
        schedule: Some(every("30s", at(7), trigger.definition.schedule.as_ref())),
        ..trigger.definition.clone()
    };
    let edit = trigger.edit(changed, Some(at(10)), at(7));
    assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(37))), vec![]));
}

#[test]
fn what_was_due_when_an_edit_came_first_is_recorded() {
    let trigger = trigger();
    let paused = Definition { enabled: false, ..trigger.definition.clone() };
    let edit = trigger.edit(paused, Some(at(10)), at(21));
    assert_eq!(edit.arm, Arm::Set(None));
    assert_eq!(edit.skipped, [Skipped { reason: Reason::Superseded, first: at(10), last: at(20), count: 2 }]);
}

#[test]
fn resuming_fires_nothing_retroactively_and_records_the_pause() {
    let trigger = trigger();
    let paused = trigger.edit(Definition { enabled: false, ..trigger.definition.clone() }, Some(at(10)), at(5)).trigger;
    let resumed = paused.edit(Definition { enabled: true, ..paused.definition.clone() }, None, at(45));
    assert_eq!(resumed.arm, Arm::Set(Some(at(50))), "the grid is still the old one");
    assert_eq!(resumed.skipped, [Skipped { reason: Reason::Paused, first: at(10), last: at(40), count: 4 }]);
}

/// Every ten seconds, each occurrence due five seconds after its nominal time.
fn spread() -> Trigger {
    let terms = Terms { jitter: Some(Jitter::parse("10s").expect("a window")), ..Terms::default() };
    let wish = ScheduleWish::Every { period: Period::parse("10s").expect("a period"), start_at: Some(at(0)) };
    let details = wish.place(None, terms, &Zones::utc(), None, at(0)).expect("it can be placed");
    let schedule = Some(details.with_share(Some(Share::new(1 << 31))));
    Trigger { definition: Definition { schedule, ..trigger().definition }, ..trigger() }
}

#[test]
fn an_occurrence_that_is_not_due_yet_is_left_open_by_an_edit() {
    let trigger = spread();
    assert_eq!(trigger.definition.next_after(at(0)), Some(at(15)));
    let paused = Definition { enabled: false, ..trigger.definition.clone() };
    let before = |seconds| Trigger { standing_since: just_before(at(seconds)), ..trigger.clone() };
    let pause = trigger.edit(paused.clone(), Some(at(15)), at(12));
    assert_eq!((pause.arm, pause.skipped), (Arm::Set(None), vec![]));
    assert_eq!(pause.trigger.standing_since, before(10).standing_since);
    let resumed = pause.trigger.edit(trigger.definition.clone(), None, at(14));
    assert_eq!((resumed.arm, resumed.skipped), (Arm::Set(Some(at(15))), vec![]), "it did not fall due in the pause");
    let late = pause.trigger.edit(trigger.definition.clone(), None, at(27));
    assert_eq!(late.arm, Arm::Set(Some(at(35))));
    assert_eq!(late.skipped, [Skipped { reason: Reason::Paused, first: at(10), last: at(20), count: 2 }]);
    let fired = trigger.edit(paused, Some(at(25)), at(17));
    assert_eq!((fired.trigger.standing_since, fired.skipped), (at(17), vec![]), "that of second 10 has fired");
    let again = fired.trigger.edit(trigger.definition.clone(), None, at(18));
    assert_eq!(again.arm, Arm::Set(Some(at(25))));
    let bare = ScheduleWish::Every { period: Period::parse("10s").expect("a period"), start_at: Some(at(0)) };
    let bare = bare.place(None, Terms::default(), &Zones::utc(), None, at(0)).expect("it can be placed");
    let fell_due = Trigger {
        definition: Definition { schedule: Some(bare), enabled: false, ..trigger.definition.clone() },
        ..trigger.clone()
    };
    let spread = fell_due.edit(trigger.definition.clone(), None, at(12));
    assert_eq!(spread.arm, Arm::Set(Some(at(25))), "what fell due in the pause does not fire later");
    assert_eq!(spread.skipped, [Skipped { reason: Reason::Paused, first: at(10), last: at(10), count: 1 }]);
    let otherwise = Definition { schedule: Some(every("7s", at(12), None)), ..trigger.definition.clone() };
    let superseded = trigger.edit(otherwise, Some(at(15)), at(12));
    let gone = [Skipped { reason: Reason::Superseded, first: at(10), last: at(10), count: 1 }];
    assert_eq!(superseded.skipped, gone);
    let only_a_test = trigger.edit(Definition { is_test: true, ..trigger.definition.clone() }, Some(at(15)), at(12));
    assert_eq!((only_a_test.skipped.as_slice(), only_a_test.trigger.standing_since), (gone.as_slice(), at(12)));
}

#[test]
fn another_choice_of_overlap_settles_what_met_an_event_and_lets_go_of_none() {
    let mut trigger = trigger();
    let met = Skipped { reason: Reason::Superseded, first: at(10), last: at(20), count: 2 };
    let choose = |trigger: &Trigger, overlap, now| {
        let expires_at = Some(at(500)).filter(|_| overlap == Overlap::Queue);
        trigger.edit(Definition { overlap, expires_at, ..trigger.definition.clone() }, Some(at(10)), at(now))
    };
    trigger.definition.overlap = Overlap::Skip;
    for overlap in [Overlap::Allow, Overlap::Queue] {
        let edit = choose(&trigger, overlap, 21);
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(30))), vec![met]), "{overlap:?}");
        assert_eq!(edit.ends_backlogs, None, "{overlap:?}");
        let early = choose(&trigger, overlap, 9);
        assert_eq!((early.arm, early.skipped), (Arm::Set(Some(at(10))), vec![]), "nothing is due");
    }
    trigger.definition.overlap = Overlap::Allow;
    let edit = choose(&trigger, Overlap::Skip, 21);
    assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(10))), vec![]), "what is due met nothing");
}

#[test]
fn moving_the_expiry_does_not_lose_what_is_due() {
    let trigger = trigger();
    let later = Definition { expires_at: Some(at(100)), ..trigger.definition.clone() };
    let edit = trigger.edit(later, Some(at(10)), at(11));
    assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(10))), vec![]));
}

#[test]
fn moving_an_expiry_that_has_passed_fires_nothing_from_after_it() {
    let mut trigger = trigger();
    trigger.definition.expires_at = Some(at(35));
    let later = Definition { expires_at: None, ..trigger.definition.clone() };
    let edit = trigger.edit(later, Some(at(20)), at(55));
    assert_eq!(edit.arm, Arm::Set(Some(at(60))));
    let superseded = Skipped { reason: Reason::Superseded, first: at(20), last: at(30), count: 2 };
    let expired = Skipped { reason: Reason::Expired, first: at(40), last: at(50), count: 2 };
    assert_eq!(edit.skipped, [superseded, expired]);
}

#[test]
fn what_lay_after_an_expiry_is_recorded_once_however_often_the_trigger_is_edited() {
    let mut trigger = trigger();
    trigger.definition.expires_at = Some(at(35));
    let paused = trigger.edit(Definition { enabled: false, ..trigger.definition.clone() }, None, at(55));
    assert_eq!(paused.skipped, [Skipped { reason: Reason::Expired, first: at(40), last: at(50), count: 2 }]);
    let resumed = paused.trigger.edit(Definition { enabled: true, ..trigger.definition.clone() }, None, at(75));
    assert_eq!((resumed.arm, &resumed.trigger.definition), (Arm::Set(None), &trigger.definition));
    assert_eq!(resumed.skipped, [Skipped { reason: Reason::Expired, first: at(60), last: at(70), count: 2 }]);
    let later = resumed.trigger.edit(Definition { expires_at: None, ..trigger.definition }, None, at(80));
    assert_eq!(later.skipped, [Skipped { reason: Reason::Expired, first: at(80), last: at(80), count: 1 }]);
    assert_eq!(later.arm, Arm::Set(Some(at(90))));
}

#[test]
fn a_limit_counts_on_through_edits_and_from_where_it_is_set() {
    let limited = |number| {
        let terms = Terms { max_fires: MaxFires::new(number), ..Terms::default() };
        let unlimited = trigger().definition;
        let pattern = unlimited.schedule.as_ref().expect("it has one").pattern().clone();
        Definition { schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())), ..unlimited }
    };
    let spent = Armed { trigger: Trigger { definition: limited(3), ..trigger() }, next_at: None, fired: 3 };
    assert_eq!((spent.left(), spent.trigger.definition.is_limited()), (Some(0), true));
    let arm = |definition| spent.edit(definition, at(45)).arm;
    assert_eq!(arm(limited(2)), Arm::Set(None));
    assert_eq!(arm(limited(4)), Arm::Set(Some(at(50))));
    assert_eq!(arm(trigger().definition), Arm::Set(Some(at(50))));
    let paused = Definition { enabled: false, ..limited(3) };
    let paused = Armed { trigger: spent.edit(paused, at(45)).trigger, ..spent.clone() };
    let resumed = paused.edit(limited(3), at(95));
    assert_eq!((resumed.arm, resumed.skipped), (Arm::Set(None), vec![]), "nothing would have fired meanwhile");
    let unlimited = Armed { trigger: trigger(), next_at: Some(at(50)), fired: 0 };
    assert_eq!(unlimited.edit(limited(1), at(45)).arm, Arm::Set(Some(at(50))), "what it fired before does not count");
}

/// The trigger of every ten seconds, with a calendar of that revision that holds these dates.
fn except(revision: i64, dates: &[&str]) -> (Definition, Calendar) {
    let dates = crate::calendar::read_dates(dates.iter().copied()).expect("dates");
    let definition = crate::calendar::Definition { name: "holidays".to_owned(), description: None, dates };
    let (id, owner, made) = (crate::id::CalendarId(3), UserId(1), at(0));
    let calendar = Calendar { id, owner, revision, definition, created_at: made, edited_at: made };
    let terms = Terms { calendars: vec![Arc::new(calendar.observed())], ..Terms::default() };
    let plain = trigger().definition;
    let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
    (Definition { schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())), ..plain }, calendar)
}

#[test]
fn a_calendar_that_says_something_of_days_to_come_leaves_what_is_due_alone() {
    // It is 15 January 2027, 08:00 in UTC.
    let (before, _) = except(1, &["2027-03-01"]);
    let stood = Trigger { definition: before, ..trigger() };
    let late = Armed { trigger: stood, next_at: Some(at(10)), fired: 0 };
    let (after, calendar) = except(2, &["2027-01-16"]);
    let edit = late.follow(&calendar, at(25)).expect("it follows");
    assert_eq!((edit.arm, &edit.skipped, edit.ends_backlogs), (Arm::Keep, &vec![], None));
    assert_eq!((edit.trigger.definition, edit.trigger.standing_since), (after, at(0)));
    assert_eq!(
        Armed { trigger: Trigger { definition: except(2, &["2027-01-16"]).0, ..trigger() }, ..late }
            .follow(&calendar, at(25)),
        None
    );

    // What waits on a day that is taken away waits for the day after it, and comes back with the day.
    let waiting = Armed { next_at: Some(at(86_400)), ..late };
    let edit = waiting.follow(&calendar, at(25)).expect("it follows");
    let midnight = at(0) + SignedDuration::from_hours(40);
    assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(midnight)), vec![]));
    let gone = Armed { trigger: edit.trigger, next_at: Some(midnight), fired: 0 };
    let (_, none) = except(3, &[]);
    let back = gone.follow(&none, at(25)).expect("it follows");
    assert_eq!(back.arm, Arm::Set(Some(midnight - SignedDuration::from_hours(24))));
}

/// What [`except`] gives, under these terms beside the calendar.
fn except_under(revision: i64, dates: &[&str], terms: Terms) -> (Definition, Calendar) {
    let (plain, calendar) = except(revision, dates);
    let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
    let terms = Terms { calendars: vec![Arc::new(calendar.observed())], ..terms };
    let details = ScheduleDetails::new(pattern, None, terms, Zones::utc()).with_share(Some(Share::new(1 << 31)));
    (Definition { schedule: Some(details), ..plain }, calendar)
}

#[test]
fn no_calendar_moves_when_the_last_firing_before_its_days_falls_due() {
    // Half of its window would be half a day; the pattern names the next time in ten seconds, whoever takes that.
    let spread = |revision, dates: &[&str]| {
        let jitter = Some(Jitter::parse("24h").expect("a window"));
        except_under(revision, dates, Terms { jitter, ..Terms::default() })
    };
    let ((plain, none), (except, taken)) = (spread(3, &[]), spread(2, &["2027-01-16"]));
    let armed = |definition: &Definition, next: i64| Armed {
        trigger: Trigger { definition: definition.clone(), ..trigger() },
        next_at: Some(at(next)),
        fired: 0,
    };
    let (last, midnight) = (57_590, 57_600);
    let cases = [(&plain, &taken), (&except, &none)];
    for (definition, calendar) in cases {
        for (next, now) in [(last + 5, last + 1), (last + 5, last + 7), (last - 5, last - 7)] {
            let edit = armed(definition, next).follow(calendar, at(now)).expect("it follows");
            assert_eq!((edit.arm, edit.skipped, edit.ends_backlogs), (Arm::Keep, vec![], None), "{next} at {now}");
            let named = [definition, &edit.trigger.definition].map(|definition| definition.named_for(at(last + 5)));
            assert_eq!(named, [at(last); 2]);
        }
    }
    let has_fired = armed(&plain, midnight + 5).follow(&taken, at(last + 7)).expect("it follows");
    assert_eq!(has_fired.arm, Arm::Set(Some(at(midnight + 86_400 + 5))));

    // What has met an event by then did so by what is said now as well, though that ends before the window would.
    for (definition, calendar) in cases {
        let definition = Definition { overlap: Overlap::Skip, ..definition.clone() };
        let waits = armed(&definition, last - 5);
        let edit = waits.follow(calendar, at(last + 7)).expect("it follows");
        assert!(edit.waits_on(waits.next_at));
        let over = Before::OverSince(at(last + 8));
        let plan = plan::plan_behind(&waits.as_edited(&edit), at(last + 9), &[], over).expect("it waits");
        let met = Skipped { reason: Reason::Overlap, first: at(last - 10), last: at(last), count: 2 };
        assert_eq!((plan.firings, plan.skipped), (vec![], vec![met]));
    }
}

#[test]
fn what_is_to_be_deleted_stays_so_unless_a_calendar_gives_it_days_back() {
    let ended = |revision, dates: &[&str]| {
        let bounds = crate::schedule::bounds::Bounds::new(None, Some(at(57_610))).expect("an end");
        except_under(revision, dates, Terms { bounds, delete_when_done: true, ..Terms::default() })
    };
    let (definition, _) = ended(1, &["2027-01-16"]);
    let mark = at(57_590) + SignedDuration::from_micros(1);
    let done = Armed { trigger: Trigger { definition, ..trigger() }, next_at: Some(mark), fired: 0 };
    let arm = |calendar: &Calendar| done.follow(calendar, at(57_592)).expect("it follows").arm;
    assert_eq!(arm(&ended(2, &["2027-01-16", "2027-01-20"]).1), Arm::Keep);
    assert_eq!(arm(&ended(2, &[]).1), Arm::Set(Some(at(57_600))));

    // One that has fired as often as it may has no use for days.
    let spent = |revision, dates: &[&str]| {
        let max_fires = Some(MaxFires::new(3).expect("a limit"));
        except_under(revision, dates, Terms { max_fires, delete_when_done: true, ..Terms::default() })
    };
    let (definition, _) = spent(1, &["2027-01-16"]);
    let done = Armed { trigger: Trigger { definition, ..trigger() }, next_at: Some(mark), fired: 3 };
    assert_eq!(done.follow(&spent(2, &["2027-01-17"]).1, at(57_592)).expect("it follows").arm, Arm::Keep);
}

#[test]
fn what_waits_is_looked_at_anew_where_days_to_come_and_overlapping_are_edited_together() {
    let (before, _) = except(1, &[]);
    let late = Armed { trigger: Trigger { definition: before, ..trigger() }, next_at: Some(at(10)), fired: 0 };
    let (after, _) = except(2, &["2027-01-16"]);
    let edit = late.edit(Definition { overlap: Overlap::Skip, ..after }, at(25));
    assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(10))), vec![]));
}

#[test]
fn a_calendar_that_says_something_of_today_is_an_edit_like_any_other() {
    let (before, _) = except(1, &[]);
    let late = Armed { trigger: Trigger { definition: before, ..trigger() }, next_at: Some(at(10)), fired: 0 };
    let edit = late.follow(&except(2, &["2027-01-15"]).1, at(25)).expect("it follows");
    assert_eq!(edit.skipped, [Skipped { reason: Reason::Superseded, first: at(10), last: at(20), count: 2 }]);
    assert_eq!((edit.arm, edit.trigger.standing_since), (Arm::Set(Some(at(16 * 3_600))), at(25)));
}

#[test]
fn what_a_calendar_is_called_moves_nothing() {
    let (before, mut calendar) = except(1, &["2027-01-15"]);
    let armed = Armed { trigger: Trigger { definition: before, ..trigger() }, next_at: Some(at(90_000)), fired: 0 };
    calendar.definition.name = "feasts".to_owned();
    calendar.revision = 2;
    let edit = armed.follow(&calendar, at(25)).expect("it follows");
    assert_eq!((edit.arm, edit.skipped), (Arm::Keep, vec![]));
    let schedule = edit.trigger.definition.schedule.expect("it has one");
    assert_eq!(schedule.summary(), "Every 10 seconds, not on the dates of \"feasts\"");
}
