//! What a freeze took or will take names it, and what comes after it is counted from its end on.

use super::*;

const FROM: &str = "2026-11-26T10:30:00Z";

/// Every hour, under a freeze that began an hour and a half ago and holds until then.
fn frozen(owner: Option<UserId>, reason: Option<&str>, until: Option<&str>) -> Case {
    let mut case = Case::of(Some(cron("0 * * * *", "Europe/Riga")));
    let (reason, until) = (reason.map(str::to_owned), until.map(at));
    case.freezes.push(Freeze { owner, reason, from: at(FROM), until, by: cleo() });
    case
}

#[test]
fn what_a_freeze_takes_says_who_froze_since_when_and_why() {
    let own = frozen(Some(UserId(1)), Some("The warehouse moves."), None);
    let own = own.skipped(Reason::Frozen, "2026-11-26T11:00:00Z", "2026-11-26T12:00:00Z", NOW);
    assert_told(
        &own,
        "2026-11-26T11:00:00Z",
        "frozen",
        "The occurrence of Thu 26 Nov 2026 13:00 Europe/Riga did not fire because triggers were frozen: cleo@example.com had frozen all of this owner's at Thu 26 Nov 2026 12:30 Europe/Riga. The reason given: The warehouse moves.",
    );
    assert!(own.account("2026-11-26T11:00:00Z").advice()[0].contains("backfill"));
    assert_told(
        &own,
        "2027-11-26T11:00:00Z",
        "frozen",
        "The trigger would fire at Fri 26 Nov 2027 13:00 Europe/Riga, but triggers are frozen: cleo@example.com froze all of this owner's at Thu 26 Nov 2026 12:30 Europe/Riga. The reason given: The warehouse moves.",
    );
    assert_eq!(own.account("2027-11-26T11:00:00Z").advice(), ["Thaw: DELETE /api/v1/freeze, or the page /ui/freeze."]);
    assert_eq!(own.told("2027-11-26T11:30:00Z").0, "no_occurrence");
}

#[test]
fn who_froze_everybody_s_is_told_as_the_operator_and_what_comes_after_it_fires() {
    let all = frozen(None, None, Some("2026-11-27T06:00:00Z"));
    assert_told(
        &all,
        "2026-11-27T05:00:00Z",
        "frozen",
        "The trigger would fire at Fri 27 Nov 2026 07:00 Europe/Riga, but triggers are frozen until Fri 27 Nov 2026 08:00 Europe/Riga: the operator froze everybody's at Thu 26 Nov 2026 12:30 Europe/Riga.",
    );
    let account = all.account("2026-11-27T05:00:00Z");
    assert!(account.advice()[0].starts_with("The operator can thaw"), "{:?}", account.advice());
    let coming = |asked: &str| match all.account(asked).verdict {
        Verdict::Coming(others) => Some(others),
        _ => None,
    };
    assert_eq!((coming("2026-11-27T06:00:00Z"), coming("2026-11-27T08:00:00Z")), (Some(0), Some(2)));
}

#[test]
fn what_a_freeze_takes_uses_nothing_of_a_limit() {
    let limited = frozen(None, None, Some("2026-11-27T06:00:00Z")).changed(|trigger| {
        let terms = Terms { max_fires: MaxFires::new(1), ..Terms::default() };
        let hourly = cron("0 * * * *", "Europe/Riga");
        trigger.definition.schedule = Some(ScheduleDetails::new(hourly, None, terms, Zones::utc()));
    });
    assert_eq!(limited.told("2026-11-27T06:00:00Z").0, "to_come");
    assert_eq!(limited.told("2026-11-27T07:00:00Z").0, "spent");
    let span = Span { from: at("2026-11-27T04:30:00Z"), until: at("2026-11-27T09:30:00Z") };
    let lines = SpanAccount::of(limited.facts(), span).lines;
    let told: Vec<_> = lines.iter().map(|line| (line.verdict.word(), line.count)).collect();
    assert_eq!(told, [("frozen", 1), ("to_come", 1), ("spent", 3)], "and the account of a span says so, too");
}

#[test]
fn what_waits_for_an_event_when_somebody_freezes_is_told_as_frozen_before_that_is_on_record() {
    let mut case = frozen(Some(UserId(1)), None, None);
    case.armed.trigger.definition.overlap = Overlap::Queue;
    case.armed.next_at = Some(at("2026-11-26T09:00:00Z"));
    let told = |case: &Case, asked: &str| {
        let facts = Facts { is_under_way: true, ..case.facts() };
        let account = Account::of(facts, Asked::instant(at(asked)), &case.zone);
        assert_eq!(account.freeze.is_some(), account.verdict.word() == "frozen");
        (account.verdict.word(), account.sentence())
    };
    let began = "cleo@example.com froze all of this owner's at Thu 26 Nov 2026 12:30 Europe/Riga";
    assert_eq!(
        told(&case, "2026-11-26T10:00:00Z"),
        (
            "frozen",
            format!(
                "The occurrence of Thu 26 Nov 2026 12:00 Europe/Riga does not fire because triggers are frozen: {began}."
            )
        )
    );
    let span = Span { from: at("2026-11-26T08:30:00Z"), until: at("2026-11-26T14:30:00Z") };
    let lines = |case: &Case| -> Vec<(&'static str, u64)> {
        let facts = Facts { is_under_way: true, ..case.facts() };
        SpanAccount::of(facts, span).lines.iter().map(|line| (line.verdict.word(), line.count)).collect()
    };
    assert_eq!(lines(&case), [("frozen", 4), ("frozen", 2)], "before it and during it, and to come");
    case.freezes[0].until = Some(at("2026-11-26T11:00:00Z"));
    assert_eq!(lines(&case), [("frozen", 2), ("waiting", 2), ("to_come", 2)], "what came after it waits");
    case.freezes[0].until = Some(at("2026-11-26T12:30:00Z"));
    assert_eq!(lines(&case), [("frozen", 4), ("to_come", 2)]);
    assert_eq!(told(&case, "2026-11-26T14:00:00Z").1.matches("after one other firing").count(), 1);
}

#[test]
fn what_waits_in_a_backlog_names_the_freeze_that_holds_it_back() {
    let waits = frozen(None, None, Some("2026-11-27T06:00:00Z"));
    let waits = waits.skipped(Reason::Waiting, "2026-11-26T07:00:00Z", "2026-11-26T08:00:00Z", NOW);
    assert_told(
        &waits,
        "2026-11-26T07:00:00Z",
        "waiting",
        "The occurrence of Thu 26 Nov 2026 09:00 Europe/Riga was missed and waits, as it has since Thu 26 Nov 2026 14:00 Europe/Riga, to fire late: what is due now comes first, and nothing fires while triggers are frozen until Fri 27 Nov 2026 08:00 Europe/Riga: the operator froze everybody's at Thu 26 Nov 2026 12:30 Europe/Riga.",
    );
    let account = waits.account("2026-11-26T07:00:00Z");
    assert!(account.freeze.is_some() && account.advice()[0].starts_with("The operator can thaw"), "{account:?}");
}
