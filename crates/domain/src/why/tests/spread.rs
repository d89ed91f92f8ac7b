//! What is spread can be asked about by when it falls due, also after an edit came in between, and is told by both of its times.

use super::*;

fn jittered(pattern: Schedule, window: &str, share: u32) -> Option<ScheduleDetails> {
    let terms = Terms { jitter: Some(Jitter::parse(window).expect("a window")), ..Terms::default() };
    Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()).with_share(Some(Share::new(share))))
}

/// At ten to noon in Riga, each occurrence due twenty minutes later, until it was edited between the two.
fn edited_in_between() -> Case {
    let ten_to_noon = || cron("50 11 * * *", "Europe/Riga");
    Case::of(Some(ten_to_noon())).edited(|former| former.schedule = jittered(ten_to_noon(), "40m", 1 << 31))
}

const NAMED: &str = "2026-11-26T09:50:00Z";
const DUE: &str = "2026-11-26T10:10:00Z";

#[test]
fn the_time_at_which_one_falls_due_is_its_own_whatever_is_named_in_the_same_minute() {
    let mut case = Case::of(Some(every("90s", "2026-11-26T07:00:00Z")));
    case.armed.trigger.definition.schedule = jittered(every("90s", "2026-11-26T07:00:00Z"), "90s", 3 << 30);
    for (asked, meant) in [
        ("2026-11-26T07:01:07.5Z", "2026-11-26T07:00:00Z"),
        ("2026-11-26T07:01:07Z", "2026-11-26T07:00:00Z"),
        ("2026-11-26T07:01:06Z", "2026-11-26T07:01:30Z"),
        ("2026-11-26T07:01:30Z", "2026-11-26T07:01:30Z"),
    ] {
        assert_eq!(case.account(asked).at, at(meant), "{asked}");
    }
}

#[test]
fn what_an_edit_kept_from_falling_due_is_found_by_when_it_would_have() {
    let case = edited_in_between().skipped(Reason::Superseded, NAMED, NAMED, "2026-11-26T10:00:00Z");
    assert_told(
        &case,
        DUE,
        "superseded",
        "Not at Thu 26 Nov 2026 12:10 Europe/Riga but 20 min before it: the occurrence of Thu 26 Nov 2026 11:50 Europe/Riga (due 20 min later by its jitter) did not fire because cleo@example.com (from 192.0.2.7) edited or paused the trigger before it was due, at Thu 26 Nov 2026 12:00 Europe/Riga: that made revision 3.",
    );
    let near = near(&case.armed.trigger, &case.former, at(DUE));
    assert!(near.from < at(NAMED), "the record of it has to be read: {near:?}");
    assert_eq!(case.account("2026-11-25T10:10:00Z").at, at("2026-11-25T09:50:00Z"), "the day before");
}

#[test]
fn what_fell_due_during_a_pause_that_began_after_its_time_is_found_by_when_it_did() {
    let mut case = edited_in_between().skipped(Reason::Paused, NAMED, NAMED, "2026-11-26T10:30:00Z");
    let resumed = at("2026-11-26T10:30:00Z");
    case.armed.trigger.definition.schedule = case.former[0].definition.schedule.clone();
    let definition = Definition { enabled: false, ..case.armed.trigger.definition.clone() };
    let from = case.former[0].until;
    case.former.push(Former { revision: 3, from, until: resumed, made_by: Some(cleo()), definition });
    case.made = Some(Made { revision: 4, at: resumed, by: Some(cleo()) });
    let case = case.changed(|trigger| (trigger.revision, trigger.standing_since) = (4, resumed));
    assert_eq!(case.told(DUE).0, "paused");
    assert_eq!(case.account(DUE).edit.map(|edit| edit.revision), Some(3));
}

/// The same, spread over an hour by that edit, missed while nobody ran, and not spread any more an hour later.
fn missed_in_between() -> Case {
    let (missed, edited) = ("2026-11-26T10:40:00Z", at("2026-11-26T11:00:00Z"));
    let mut case =
        edited_in_between().skipped(Reason::Missed, NAMED, NAMED, missed).absent("2026-11-26T10:15:00Z", missed);
    let from = case.former[0].until;
    let mut definition = case.former[0].definition.clone();
    definition.schedule = jittered(cron("50 11 * * *", "Europe/Riga"), "1h", 1 << 31);
    case.former.push(Former { revision: 3, from, until: edited, made_by: Some(cleo()), definition });
    case.made = Some(Made { revision: 4, at: edited, by: Some(cleo()) });
    case.changed(|trigger| (trigger.revision, trigger.standing_since) = (4, edited))
}

#[test]
fn what_is_on_record_fell_due_by_what_stood_when_it_did() {
    let case = missed_in_between();
    let account = case.account(NAMED);
    assert_eq!((account.due_at, account.revision), (at("2026-11-26T10:20:00Z"), Some(3)));
    let missed = format!(
        "The occurrence of Thu 26 Nov 2026 11:50 Europe/Riga (due 30 min later by its jitter) was missed because oncue did not run from Thu 26 Nov 2026 12:15 to Thu 26 Nov 2026 12:40 Europe/Riga: {}.",
        Misfire::Latest.rule()
    );
    assert_told(&case, NAMED, "missed", &missed);
    let span = Span { from: at(NAMED), until: at(DUE) };
    let told = SpanAccount::of(case.facts(), span).lines;
    assert_eq!(told.iter().map(|line| &line.verdict).collect::<Vec<_>>(), [&account.verdict]);
}

#[test]
fn what_is_on_record_of_a_time_of_which_nothing_else_is_kept_is_told_by_its_nominal_time() {
    let mut case = missed_in_between();
    case.former.clear();
    case.armed.trigger.definition.schedule = jittered(cron("50 11 * * *", "Europe/Riga"), "40m", 1 << 31);
    let account = case.account(NAMED);
    assert_eq!((account.due_at, account.revision), (at(NAMED), None));
    assert!(!account.sentence().contains("jitter"), "{}", account.sentence());
}

#[test]
fn what_is_to_come_though_its_time_is_past_says_when_it_falls_due() {
    let pending = super::spread("2026-11-26T07:10:00Z", "2026-11-26T07:05:00Z");
    let nine = "2026-11-26T07:00:00Z";
    let for_nine = "fire at Thu 26 Nov 2026 09:10 Europe/Riga for the occurrence of Thu 26 Nov 2026 09:00";
    let will = format!("The trigger will {for_nine}, and not before, if nothing changes.");
    assert_eq!(pending.told(nine), ("to_come", will));
    let paused = pending.changed(|trigger| trigger.definition.enabled = false);
    assert_eq!(paused.told(nine), ("paused", format!("The trigger would {for_nine}, but it is paused.")));
}
