//! Of a trigger that cannot be read what is on record is told as ever, and of the rest no more than anybody can know.

use super::*;
use crate::trigger::just_after;

/// It waits since Thursday 09:00 in Riga, and nobody can read what it says.
fn unread() -> Case {
    let mut case = Case::workdays();
    case.armed.trigger.definition = Definition::in_place_of_unreadable(None, Kind::Scheduled);
    case.armed.next_at = Some(at("2026-11-26T07:00:00Z"));
    let why = "the time zone Mars/Base is not known to this release".to_owned();
    Case { problem: Some(Problem { field: Some("schedule_details"), why }), ..case }
}

const WHY: &str = "schedule_details: the time zone Mars/Base is not known to this release";

#[test]
fn what_it_waits_for_did_not_fire_and_of_all_else_nobody_can_tell() {
    let case = unread();
    assert_told(
        &case,
        "2026-11-26 09:00",
        "unreadable",
        &format!(
            "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga did not fire because the trigger cannot be read: {WHY}."
        ),
    );
    assert_eq!(case.account("2026-11-26 09:00").verdict.is_occurrence(), Some(true));
    assert_told(
        &case,
        "2026-11-26 10:00",
        "unreadable",
        &format!(
            "Nothing fired at Thu 26 Nov 2026 10:00 Europe/Riga, whether or not the schedule names that, because the trigger cannot be read: {WHY}."
        ),
    );
    assert_told(
        &case,
        "2026-11-27 09:00",
        "unreadable",
        &format!(
            "The trigger will not fire at Fri 27 Nov 2026 09:00 Europe/Riga, whether or not the schedule names that, because it cannot be read: {WHY}."
        ),
    );
    assert_told(
        &case,
        "2026-11-24 10:00",
        "forgotten",
        "What became of Tue 24 Nov 2026 10:00 Europe/Riga is not kept any more, apart from counts.",
    );
    assert_told(
        &case,
        "2026-11-25 08:00",
        "unreadable",
        &format!(
            "Nothing fell due at Wed 25 Nov 2026 08:00 Europe/Riga that is not on record: the trigger, which cannot be read now, waited for Thu 26 Nov 2026 09:00 Europe/Riga: {WHY}."
        ),
    );
    for (asked, is_occurrence) in
        [("2026-11-26 10:00", None), ("2026-11-27 09:00", None), ("2026-11-25 08:00", Some(false))]
    {
        assert_eq!(case.account(asked).verdict.is_occurrence(), is_occurrence, "{asked}");
    }
    assert!(
        case.account("2026-11-26 10:00").advice()[0]
            .contains(&format!("PUT /api/v1/triggers/{}", case.armed.trigger.id))
    );
    assert_eq!(case.told("2026-11-23T11:00:00Z").0, "before_creation");
    let mut coming = unread();
    coming.armed.next_at = Some(at("2026-11-27T07:00:00Z"));
    assert_told(
        &coming,
        "2026-11-27 09:00",
        "unreadable",
        &format!("The trigger will not fire at Fri 27 Nov 2026 09:00 Europe/Riga because it cannot be read: {WHY}."),
    );
}

#[test]
fn what_it_fired_before_and_what_is_on_record_is_told_as_ever() {
    let (fired, missed) = ("2026-11-25T07:00:00Z", "2026-11-24T15:00:00Z");
    let case = unread().fired(fired, "2026-11-25T07:00:00.004Z", Origin::Schedule);
    let case = case.skipped(Reason::Missed, missed, missed, "2026-11-24T16:00:00Z");
    assert_eq!((case.told(fired).0, case.told(missed).0), ("fired", "missed"));
    assert_eq!(case.told("2026-11-26 09:00").0, "unreadable");
}

#[test]
fn what_it_waits_for_is_meant_and_not_what_fired_a_moment_before() {
    let (fired, waits_for) = ("2026-11-26T07:00:00Z", "2026-11-26T07:00:01Z");
    let mut case = unread().fired(fired, "2026-11-26T07:00:00.004Z", Origin::Schedule);
    case.armed.next_at = Some(at(waits_for));
    assert_eq!((case.account(fired).at, case.account(waits_for).at), (at(fired), at(waits_for)));
    assert_eq!((case.told(waits_for).0, case.account(waits_for).off_by()), ("unreadable", None));
    let near = case.account("2026-11-26T07:00:09Z");
    assert_eq!((near.at, near.verdict.word()), (at(waits_for), "unreadable"), "the nearest of both");
}

#[test]
fn one_that_is_called_says_that_it_cannot_be_read_as_well() {
    let mut case = unread();
    case.armed.trigger.definition = Definition::in_place_of_unreadable(None, Kind::Api);
    case.armed.next_at = None;
    for asked in ["2026-11-26 10:00", "2026-11-27 10:00"] {
        assert_told(
            &case,
            asked,
            "unreadable",
            &format!("No schedule fires this trigger, and it refuses calls because it cannot be read: {WHY}."),
        );
        let account = case.account(asked);
        assert_eq!((account.verdict.is_occurrence(), account.advice().len()), (Some(false), 2));
    }
    let span = Span { from: at("2026-11-25T00:00:00Z"), until: at("2026-11-28T00:00:00Z") };
    assert_eq!(SpanAccount::of(case.facts(), span).unreadable, None, "no schedule would have fired anything");
}

/// It was done, or paused, before nobody could read it any more.
fn waiting_for_nothing() -> Case {
    let mut case = unread();
    case.armed.next_at = None;
    case
}

#[test]
fn what_waits_for_nothing_is_not_said_to_be_silent_for_being_beyond_reading() {
    let case = waiting_for_nothing();
    assert_told(
        &case,
        "2026-11-26 09:00",
        "unreadable",
        &format!(
            "Nothing is on record at Thu 26 Nov 2026 09:00 Europe/Riga, and whether the schedule names that nobody can tell: the trigger waits for nothing, and cannot be read: {WHY}."
        ),
    );
    assert_told(
        &case,
        "2026-11-27 09:00",
        "unreadable",
        &format!(
            "The trigger will not fire at Fri 27 Nov 2026 09:00 Europe/Riga, because it waits for nothing; whether the schedule names that nobody can tell, because it cannot be read: {WHY}."
        ),
    );
    let advice = case.account("2026-11-26 09:00").advice();
    assert!(advice.len() == 1 && advice[0].contains("PUT"), "to be read again lets it fire nothing: {advice:?}");
    assert_eq!(unread().account("2026-11-26 09:00").advice().len(), 2);
}

#[test]
fn a_span_of_what_waits_for_nothing_is_beyond_telling_behind_what_is_on_record() {
    let span = Span { from: at(MADE), until: at("2026-11-28T00:00:00Z") };
    let told = |case: &Case| SpanAccount::of(case.facts(), span);
    let never = waiting_for_nothing();
    assert_eq!(told(&never).unreadable, Some(span), "nothing is known of it");
    let fired = "2026-11-25T07:00:00Z";
    let case = waiting_for_nothing().fired(fired, "2026-11-25T07:00:00.004Z", Origin::Schedule);
    assert_eq!(told(&case).unreadable, Some(Span { from: just_after(at(fired)), ..span }));
    let paused = "2026-11-26T07:00:00Z";
    let mut case = case.skipped(Reason::Paused, paused, paused, "2026-11-26T08:00:00Z");
    assert_eq!(told(&case).unreadable, Some(Span { from: just_after(at(paused)), ..span }));
    let stopped_at = at("2026-11-26T09:00:00Z");
    case.ledger.stopped_at = Some(stopped_at);
    let first = told(&case);
    assert_eq!((first.stopped_at, first.unreadable), (Some(stopped_at), None), "more is on record behind it");
}

#[test]
fn what_it_waits_for_is_no_occurrence_for_certain_where_it_may_wait_to_go() {
    let to_go = Case { may_wait_to_go: true, ..unread() };
    let asked = "2026-11-26 09:00";
    assert_told(
        &to_go,
        asked,
        "unreadable",
        &format!(
            "Nothing fired at Thu 26 Nov 2026 09:00 Europe/Riga, whether or not the schedule names that, because the trigger cannot be read: {WHY}."
        ),
    );
    assert_eq!(to_go.account(asked).verdict.is_occurrence(), None);
    let span = Span { from: at("2026-11-26T00:00:00Z"), until: at("2026-11-28T00:00:00Z") };
    let told = SpanAccount::of(to_go.facts(), span);
    assert_eq!((told.lines.len(), told.unreadable), (0, Some(Span { from: at("2026-11-26T07:00:00Z"), ..span })));
}

#[test]
fn what_it_said_before_is_worked_out_where_that_can_be_read() {
    let case = unread().changed(|_| {});
    let noon = at("2026-11-25T10:00:00Z");
    let definition = Case::workdays().armed.trigger.definition;
    let former = vec![Former { revision: 2, from: at(MADE), until: noon, made_by: None, definition }];
    let mut case = Case { former, ..case };
    // Whether it was given another schedule at noon or another name.
    for standing_since in [noon, at(MADE)] {
        case.armed.trigger.standing_since = standing_since;
        assert_eq!(case.told("2026-11-25T08:30:00Z").0, "no_occurrence");
        assert_eq!(case.told("2026-11-25T11:00:00Z").0, "unreadable");
    }
    // What it still waits for it did not fire, whoever named that.
    case.armed.next_at = Some(at("2026-11-25T07:00:00Z"));
    assert_eq!(case.told("2026-11-25T07:00:00Z").0, "unreadable");
}

#[test]
fn once_it_was_replaced_the_record_tells_of_the_silence() {
    let (first, replaced) = ("2026-11-25T07:00:00Z", "2026-11-26T10:00:00Z");
    let case = Case::workdays().skipped(Reason::Unreadable, first, replaced, replaced);
    let case = case.changed(|trigger| trigger.standing_since = at(replaced));
    assert_told(
        &case,
        first,
        "unreadable",
        "The occurrence of Wed 25 Nov 2026 09:00 Europe/Riga did not fire because the trigger could not be read, until it was replaced at Thu 26 Nov 2026 12:00 Europe/Riga.",
    );
    assert_told(
        &case,
        "2026-11-26 09:00",
        "unreadable",
        "Nothing fired at Thu 26 Nov 2026 09:00 Europe/Riga, whether or not the schedule named that: from Wed 25 Nov 2026 09:00 Europe/Riga at the latest until it was replaced at Thu 26 Nov 2026 12:00 Europe/Riga the trigger could not be read.",
    );
    assert_eq!(case.account("2026-11-26 09:00").verdict.is_occurrence(), None);
    assert!(case.account(first).advice()[0].contains("backfill"));
    assert_eq!(case.told("2026-11-27 09:00").0, "to_come");
}

#[test]
fn a_span_tells_from_when_on_nobody_can_tell_and_counts_what_is_certain() {
    let fired = "2026-11-25T07:00:00Z";
    let case = unread().fired(fired, "2026-11-25T07:00:00.004Z", Origin::Schedule);
    let span = |from: &str, until: &str| SpanAccount::of(case.facts(), Span { from: at(from), until: at(until) });
    let told = span("2026-11-25T00:00:00Z", "2026-11-28T00:00:00Z");
    assert_eq!(told.tally().into_iter().collect::<Vec<_>>(), [("fired", 1), ("unreadable", 1)]);
    let from = at("2026-11-26T07:00:00Z");
    assert_eq!(told.unreadable, Some(Span { from, until: told.span.until }));
    let before = span("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");
    assert_eq!((before.unreadable, before.lines.len()), (None, 1));
    let after = span("2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z");
    assert_eq!((after.unreadable, after.lines.len()), (Some(after.span), 0));
    let read = Case::workdays();
    assert_eq!(SpanAccount::of(read.facts(), told.span).unreadable, None);
}
