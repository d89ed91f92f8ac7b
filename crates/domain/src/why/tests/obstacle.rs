//! What is to come and will not fire is told with all that stands in its way, the first of which decides.

use super::*;

fn words(case: &Case, asked: &str) -> Vec<&'static str> {
    case.account(asked).obstacles.iter().map(Obstacle::word).collect()
}

/// Every hour, paused, under a freeze of everybody's until Friday morning and one of its owner's without an end, with one firing left, and expiring on
/// Saturday.
fn hindered() -> Case {
    let mut case = Case::of(Some(cron("0 * * * *", "Europe/Riga"))).changed(|trigger| {
        let terms = Terms { max_fires: MaxFires::new(3), ..Terms::default() };
        let hourly = cron("0 * * * *", "Europe/Riga");
        trigger.definition.schedule = Some(ScheduleDetails::new(hourly, None, terms, Zones::utc()));
        trigger.definition.enabled = false;
        trigger.definition.expires_at = Some(at("2026-11-28T06:00:00Z"));
    });
    case.armed.fired = 2;
    for (owner, until) in [(None, Some(at("2026-11-27T06:00:00Z"))), (Some(UserId(1)), None)] {
        let from = at("2026-11-26T10:30:00Z");
        case.freezes.push(Freeze { owner, reason: None, from, until, by: cleo() });
    }
    case
}

#[test]
fn whoever_asks_about_what_is_to_come_is_told_all_that_stands_in_its_way_at_once() {
    let case = hindered();
    assert_eq!(words(&case, "2026-11-26T13:00:00Z"), ["paused", "frozen", "frozen"]);
    assert_eq!(words(&case, "2026-11-26T14:00:00Z"), ["paused", "frozen", "frozen", "spent"]);
    assert_eq!(words(&case, "2026-11-27T08:00:00Z"), ["paused", "frozen", "spent"]);
    assert_eq!(words(&case, "2026-11-28T06:00:00Z"), ["expired", "paused", "frozen", "spent"]);
    assert_told(
        &case,
        "2026-11-28T06:00:00Z",
        "expired",
        "The trigger will not fire at Sat 28 Nov 2026 08:00 Europe/Riga because it expires at Sat 28 Nov 2026 08:00 Europe/Riga. This stands in the way as well: the trigger is paused; all of this owner's triggers are frozen; the trigger would have fired as often as it may by then.",
    );
    let advice = case.account("2026-11-28T06:00:00Z").advice();
    let begins = ["Move expires_at", "Resume the trigger", "Thaw: DELETE", "Let max_fires be more"];
    assert_eq!(advice.len(), begins.len(), "{advice:?}");
    assert!(advice.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{advice:?}");
}

#[test]
fn nothing_stands_in_the_way_of_what_fires_of_what_is_past_and_of_what_is_no_occurrence() {
    let runs = Case::workdays();
    assert_eq!(words(&runs, "2026-11-27T07:00:00Z"), [""; 0], "it will fire");
    assert_eq!(words(&hindered(), "2026-11-26T11:00:00Z"), [""; 0], "it is past");
    assert_eq!(words(&hindered(), "2026-11-27T11:30:00Z"), [""; 0], "it is no occurrence");
    let gone = |change: fn(&mut Trigger)| words(&runs_without_friday().changed(change), "2026-11-27T07:00:00Z");
    assert_eq!(gone(|_| ()), ["no_occurrence"]);
    assert_eq!(gone(|trigger| trigger.definition.enabled = false), ["no_occurrence", "paused"]);
    assert_eq!(gone(|trigger| trigger.definition.is_test = true), ["only_test", "no_occurrence"]);
}

/// On workdays, but not this Friday.
fn runs_without_friday() -> Case {
    let workdays = cron("0 9 * * MON-FRI", "Europe/Riga");
    let friday = ExcludedDates::new([jiff::civil::date(2026, 11, 27)]).expect("a date");
    let terms = Terms { excluded: friday, ..Terms::default() };
    let mut case = Case::workdays();
    case.armed.trigger.definition.schedule = Some(ScheduleDetails::new(workdays, None, terms, zone("Europe/Riga")));
    case
}

#[test]
fn the_first_that_stands_in_the_way_is_what_the_verdict_names() {
    for case in [hindered(), Case::workdays(), runs_without_friday()] {
        for hours in 1..96 {
            let asked = at(NOW) + SignedDuration::from_hours(hours);
            let account = case.account(&asked.to_string());
            let first = account.obstacles.first().map(Obstacle::word);
            let is_told = matches!(account.verdict.word(), "expired" | "paused" | "frozen" | "spent" | "only_test");
            assert_eq!(first, is_told.then(|| account.verdict.word()).or(first.filter(|_| !is_told)), "{asked}");
            assert!(first.is_none_or(|first| first == account.verdict.word()), "{asked}: {first:?}");
        }
    }
}
