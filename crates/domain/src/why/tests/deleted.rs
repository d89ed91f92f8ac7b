//! A trigger that was deleted: what was before is told as ever, with its end; what it left open, and whatever comes after, is told by that.

use super::*;

/// At nine on workdays in Riga, until she deleted it on Thursday at noon by that clock; it is two hours later.
fn deleted() -> Case {
    let mut case = Case::workdays();
    case.made = Some(Made { revision: 3, at: at(MADE), by: Some(cleo()) });
    case.deletion = Some(Deletion { at: at("2026-11-26T10:00:00Z"), by: cleo(), was_under_way: false });
    case.armed.next_at = Some(at("2026-11-27T07:00:00Z"));
    case
}

const BY_HER: &str = "cleo@example.com (from 192.0.2.7) deleted it at Thu 26 Nov 2026 12:00 Europe/Riga";

#[test]
fn what_fired_and_what_is_on_record_is_told_as_ever_and_so_is_the_end() {
    let case = deleted().fired("2026-11-26T07:00:00Z", "2026-11-26T07:00:00.002Z", Origin::Schedule);
    assert_told(
        &case,
        "2026-11-26T07:00:00Z",
        "fired",
        &format!(
            "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga fired on time, as event 12. The trigger is deleted: {BY_HER}."
        ),
    );
    let account = case.account("2026-11-26T07:00:00Z");
    assert_eq!((account.revision, account.deletion.as_ref()), (Some(2), case.deletion.as_ref()));
    let advice = account.advice();
    assert!(advice.len() == 2 && advice[1].starts_with("Make another trigger"), "{advice:?}");

    let case =
        deleted().skipped(Reason::Missed, "2026-11-24T07:00:00Z", "2026-11-25T07:00:00Z", "2026-11-26T05:00:00Z");
    let (word, sentence) = case.told("2026-11-25T07:00:00Z");
    assert!(word == "missed" && sentence.ends_with(&format!("The trigger is deleted: {BY_HER}.")), "{sentence}");
    assert_eq!(case.told("2026-11-23T11:00:00Z").0, "before_creation");
    assert_eq!(case.told("2026-11-25T08:00:00Z").0, "no_occurrence");
}

#[test]
fn after_its_end_there_is_nothing_to_occur_and_the_end_is_all_that_stands_in_the_way() {
    let case = deleted();
    for (asked, sentence) in [
        (
            "2026-11-26T11:00:00Z",
            format!("The trigger did not exist any more at Thu 26 Nov 2026 13:00 Europe/Riga: {BY_HER}."),
        ),
        (
            "2026-11-27T07:00:00Z",
            format!("The trigger will not fire at Fri 27 Nov 2026 09:00 Europe/Riga because it is deleted: {BY_HER}."),
        ),
    ] {
        assert_told(&case, asked, "deleted", &sentence);
        assert_eq!(case.account(asked).verdict.is_occurrence(), Some(false), "{asked}");
    }
    let account = case.account("2026-11-27T07:00:00Z");
    assert_eq!(account.obstacles, [Obstacle::Deleted(case.deletion.clone().expect("it is deleted"))]);
    assert_eq!(account.obstacle(&account.obstacles[0]), format!("the trigger is deleted: {BY_HER}"));
    assert_eq!(account.neighbours, (Some(at("2026-11-26T07:00:00Z")), None), "the last one that there was");
    assert_eq!(account.advice().len(), 1, "nothing of it can be changed: {:?}", account.advice());
    for asked in ["2026-11-26T11:00:00Z", "2026-11-27T08:00:00Z"] {
        assert_eq!(case.account(asked).obstacles, [], "nothing would occur there");
    }
    // The clocks show that time twice, which matters to nobody any more.
    assert_eq!(case.account("2027-10-31T03:30").clock, None);
}

#[test]
fn what_was_left_open_did_not_fire_because_of_the_end() {
    let mut case = deleted();
    case.armed.next_at = Some(at("2026-11-26T07:00:00Z"));
    assert_told(
        &case,
        "2026-11-26T07:00:00Z",
        "deleted",
        &format!(
            "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga was due and did not fire because the trigger was deleted first: {BY_HER}."
        ),
    );
    assert_eq!(case.account("2026-11-26T07:00:00Z").verdict.is_occurrence(), Some(true));
    assert_eq!(case.told("2026-11-25T07:00:00Z").0, "lost", "of what lies before that it is no explanation");

    // Spread by four hours, it was named before the end and due after it.
    let workdays = cron("0 9 * * MON-FRI", "Europe/Riga");
    let terms = Terms { jitter: Some(Jitter::parse("8h").expect("a window")), ..Terms::default() };
    let spread = ScheduleDetails::new(workdays, None, terms, zone("Europe/Riga")).with_share(Some(Share::new(1 << 31)));
    let mut case = deleted();
    case.armed.trigger.definition.schedule = Some(spread);
    case.armed.next_at = Some(at("2026-11-26T11:00:00Z"));
    let told = |case: &Case, did: &str| {
        let sentence = format!(
            "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga (due 4 h later by its jitter) {did} because the trigger was deleted before it was due: {BY_HER}."
        );
        assert_told(case, "2026-11-26T07:00:00Z", "deleted", &sentence);
    };
    told(&case, "did not fire");
    case.now = at("2026-11-26T10:30:00Z");
    told(&case, "will not fire");
    assert_eq!(
        case.account("2026-11-26T11:00:00Z").at,
        at("2026-11-26T07:00:00Z"),
        "asked by when it would have been due"
    );
}

#[test]
fn what_waited_to_fire_late_was_discarded_with_it() {
    let case =
        deleted().skipped(Reason::Discarded, "2026-11-25T07:00:00Z", "2026-11-26T07:00:00Z", "2026-11-26T10:00:00Z");
    assert_told(
        &case,
        "2026-11-25T07:00:00Z",
        "discarded",
        &format!(
            "The occurrence of Wed 25 Nov 2026 09:00 Europe/Riga was missed and waited to fire late, and did not: the trigger was deleted first: {BY_HER}."
        ),
    );
    let case =
        deleted().skipped(Reason::Discarded, "2026-11-25T07:00:00Z", "2026-11-26T07:00:00Z", "2026-11-26T09:00:00Z");
    let (_, sentence) = case.told("2026-11-25T07:00:00Z");
    assert!(sentence.contains("it was discarded at Thu 26 Nov 2026 11:00"), "somebody had before: {sentence}");
}

#[test]
fn a_pause_that_stood_at_the_end_is_over() {
    let mut case = deleted().edited(|_| {});
    case.armed.trigger.definition.enabled = false;
    case.armed.trigger.standing_since = at("2026-11-24T12:00:00Z");
    case.former[0].until = at("2026-11-24T12:00:00Z");
    case.made = Some(Made { revision: 3, at: at("2026-11-24T12:00:00Z"), by: Some(cleo()) });
    case.armed.next_at = None;
    assert_told(
        &case,
        "2026-11-26T07:00:00Z",
        "paused",
        &format!(
            "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga did not fire because the trigger was paused: cleo@example.com (from 192.0.2.7) had paused it at Tue 24 Nov 2026 14:00 Europe/Riga, with revision 3. The trigger is deleted: {BY_HER}."
        ),
    );
}

#[test]
fn one_that_nobody_deleted_and_one_without_a_schedule() {
    let mut case = deleted().fired("2026-11-26T07:00:00Z", "2026-11-26T07:00:00Z", Origin::Schedule);
    let details = case.armed.trigger.definition.schedule.clone().expect("it has one");
    let terms = Terms { delete_when_done: true, ..details.terms() };
    let going = ScheduleDetails::new(details.pattern().clone(), None, terms, zone("Europe/Riga"));
    case.armed.trigger.definition.schedule = Some(going);
    case.deletion = Some(Deletion { at: at("2026-11-26T10:00:00Z"), by: Actor::SYSTEM, was_under_way: false });
    let (_, sentence) = case.told("2026-11-26T11:00:00Z");
    let expected = "oncue itself deleted it at Thu 26 Nov 2026 12:00 Europe/Riga, because its schedule was done.";
    assert!(sentence.ends_with(expected), "{sentence}");

    let mut case = Case::of(None);
    case.deletion = Some(Deletion { at: at("2026-11-26T10:00:00Z"), by: cleo(), was_under_way: false });
    assert_eq!(case.told("2026-11-26T09:00:00Z").0, "only_called");
    assert_eq!(case.told("2026-11-26T11:00:00Z").0, "deleted");
}

#[test]
fn a_span_ends_with_it() {
    let mut case = deleted().fired("2026-11-25T07:00:00Z", "2026-11-25T07:00:00Z", Origin::Schedule);
    case.armed.next_at = Some(at("2026-11-26T07:00:00Z"));
    let span = Span { from: at("2026-11-25T00:00:00Z"), until: at("2026-12-05T00:00:00Z") };
    let told = SpanAccount::of(case.facts(), span);
    let words: Vec<_> = told.lines.iter().map(|line| (line.verdict.word(), line.count)).collect();
    assert_eq!(words, [("fired", 1), ("deleted", 1)]);
    assert_eq!(told.unknown, None);
}

#[test]
fn what_would_not_have_fired_anyway_is_not_laid_to_the_end() {
    // Spread by four hours, it was named before the end and due after it, also long after.
    let workdays = cron("0 9 * * MON-FRI", "Europe/Riga");
    let terms =
        Terms { jitter: Some(Jitter::parse("8h").expect("a window")), max_fires: MaxFires::new(3), ..Terms::default() };
    let spread = ScheduleDetails::new(workdays, None, terms, zone("Europe/Riga")).with_share(Some(Share::new(1 << 31)));
    let mut case = deleted();
    case.armed.trigger.definition.schedule = Some(spread);
    for now in ["2026-11-26T10:30:00Z", "2026-11-26T12:00:00Z"] {
        case.now = at(now);
        (case.armed.next_at, case.armed.fired) = (None, 3);
        assert_eq!(case.told("2026-11-26T07:00:00Z").0, "spent", "it had fired as often as it may");
        (case.armed.next_at, case.armed.fired) = (Some(at("2026-11-26T11:00:00Z")), 2);
        assert_eq!(case.told("2026-11-26T07:00:00Z").0, "deleted", "it might have fired once more");
    }

    let mut case = deleted();
    case.armed.next_at = Some(at("2026-11-26T07:00:00Z"));
    case.armed.trigger.definition.enabled = false;
    assert_eq!(case.told("2026-11-26T07:00:00Z").0, "paused");
}

#[test]
fn what_had_met_an_event_under_way_is_told_as_before_and_what_would_have_fired_after_it_was_cut_off() {
    let nine = "2026-11-26T07:00:00Z";
    for (overlap, was_under_way, word) in [
        (Overlap::Skip, true, "overlap"),
        (Overlap::Skip, false, "deleted"),
        (Overlap::Queue, true, "deleted"),
        (Overlap::Allow, false, "deleted"),
    ] {
        let mut case = deleted();
        case.armed.trigger.definition.overlap = overlap;
        case.armed.next_at = Some(at(nine));
        let deletion = case.deletion.as_mut().expect("it is deleted");
        deletion.was_under_way = was_under_way;
        assert_eq!(case.told(nine).0, word, "{overlap:?}, under way: {was_under_way}");
        // What was due only after the end met nothing.
        case.deletion.as_mut().expect("it is deleted").at = at("2026-11-26T06:59:59Z");
        assert_eq!(case.told(nine).0, "deleted");
    }
    let mut case = deleted();
    case.armed.trigger.definition.overlap = Overlap::Skip;
    case.armed.next_at = Some(at(nine));
    case.deletion.as_mut().expect("it is deleted").was_under_way = true;
    let rule = Overlap::Skip.rule();
    assert_told(
        &case,
        nine,
        "overlap",
        &format!(
            "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga did not fire because an event before it was under way: {rule}. The trigger is deleted: {BY_HER}."
        ),
    );
    assert_eq!(case.account(nine).advice().len(), 1, "{:?}", case.account(nine).advice());
}

#[test]
fn no_freeze_that_began_after_the_end_took_what_waited_until_then() {
    let nine = "2026-11-26T07:00:00Z";
    for (from, was_under_way, word) in [
        ("2026-11-26T06:00:00Z", true, "frozen"),
        ("2026-11-26T09:00:00Z", true, "frozen"),
        ("2026-11-26T11:00:00Z", true, "overlap"),
        ("2026-11-26T11:00:00Z", false, "deleted"),
    ] {
        let mut case = deleted();
        case.armed.trigger.definition.overlap = Overlap::Skip;
        case.armed.next_at = Some(at(nine));
        case.deletion.as_mut().expect("it is deleted").was_under_way = was_under_way;
        case.freezes.push(Freeze { owner: None, reason: None, from: at(from), until: None, by: cleo() });
        assert_eq!(case.told(nine).0, word, "frozen since {from}, under way: {was_under_way}");
        assert_eq!(case.account(nine).freeze.is_some(), word == "frozen");
        let span = Span { from: at("2026-11-26T00:00:00Z"), until: at("2026-11-27T00:00:00Z") };
        let words: Vec<_> = SpanAccount::of(case.facts(), span).tally().into_iter().collect();
        assert_eq!(words, [(word, 1)], "frozen since {from}, under way: {was_under_way}");
    }
}

#[test]
fn whoever_asks_about_the_moments_after_the_end_means_the_last_before_it() {
    // What was due behind an event that was under way was taken by a freeze, of which nothing is on record.
    let fired = "2026-11-26T09:15:02Z";
    let mut case = Case::of(Some(every("3s", fired))).fired(fired, fired, Origin::Schedule);
    case.armed.trigger.definition.overlap = Overlap::Skip;
    case.armed.next_at = Some(at("2026-11-26T09:15:05Z"));
    case.deletion = Some(Deletion { at: at("2026-11-26T09:15:16Z"), by: cleo(), was_under_way: true });
    let from = at("2026-11-26T09:15:09Z");
    case.freezes.push(Freeze { owner: None, reason: None, from, until: None, by: cleo() });
    for seconds in [14, 15, 17, 18, 40, 59] {
        let account = case.account(&format!("2026-11-26T09:15:{seconds}Z"));
        assert_eq!((account.at, account.verdict.word()), (at("2026-11-26T09:15:14Z"), "frozen"), "{seconds}");
    }
    assert_eq!(case.told("2026-11-26T09:16:00Z").0, "deleted", "a minute is as far as one means");
    // Also where it was all that there was of it.
    (case.armed.trigger.created_at, case.armed.trigger.standing_since) = (at(fired), at(fired));
    case.ledger = Ledger::default();
    assert_eq!(case.account("2026-11-26T09:15:40Z").at, at("2026-11-26T09:15:14Z"));
}
