//! Which zone data decided: the one of the time, as far as the audit log tells.

use super::*;
use crate::act::{Act, Entry};

/// The present release is 2099a; 2026f came on Tuesday at noon, 2099a on Thursday at ten.
fn releases() -> Releases {
    let entry = |id, at: &str, act| Entry { id, at: super::at(at), by: Actor::SYSTEM, act };
    let log = [
        entry(9, "2026-11-26T10:00:00Z", Act::zone_data_changed("2099a", "2026f")),
        entry(4, "2026-11-24T12:00:00Z", Act::zone_data_changed("2026f", "2026e")),
    ];
    Releases::new("2099a", &log)
}

fn of(schedule: Schedule) -> Case {
    Case { releases: releases(), gone_until: Timestamp::MIN, ..Case::of(Some(schedule)) }
}

#[test]
fn each_instant_is_told_with_the_release_that_decided_about_it() {
    let (before, after) = ("2026-11-26T09:00:00Z", "2026-11-26T11:00:00Z");
    let mut case = of(every("1h", MADE)).fired(before, before, Origin::Schedule).fired(after, after, Origin::Schedule);
    case.ledger.skipped.push(SkippedView {
        skipped: Skipped {
            reason: Reason::Missed,
            first: at("2026-11-25T00:00:00Z"),
            last: at("2026-11-25T03:00:00Z"),
            count: 4,
        },
        recorded_at: at("2026-11-26T10:30:00Z"),
    });
    for (asked, release) in [
        ("2026-11-22T09:00:00Z", "2026e"),
        ("2026-11-24T11:59:59Z", "2026e"),
        ("2026-11-24T12:00:30Z", "2026f"),
        (before, "2026f"),
        (after, "2099a"),
        // What was written down later was decided later.
        ("2026-11-25T03:00:00Z", "2099a"),
        ("2026-12-24T09:00:00Z", "2099a"),
    ] {
        let account = case.account(asked);
        assert_eq!((account.release.as_str(), account.release_now.as_str()), (release, "2099a"), "{asked}");
    }
    let span = Span { from: at("2026-11-24T10:30:00Z"), until: at("2026-11-26T11:30:00Z") };
    let told = SpanAccount::of(case.facts(), span);
    let by_release = |release: &str| -> u64 {
        told.lines.iter().filter(|line| line.release == release).map(|line| line.count).sum()
    };
    assert_eq!((by_release("2026e"), by_release("2026f"), by_release("2099a")), (1, 42, 6), "{:#?}", told.lines);
}

#[test]
fn what_only_the_present_zone_data_names_was_not_lost() {
    let case = of(cron("0 9 * * *", "Europe/Riga"));
    assert_told(
        &case,
        "2026-11-26T07:00:00Z",
        "said_otherwise",
        "Nothing fell due at Thu 26 Nov 2026 09:00 Europe/Riga: the zone data of that time was 2026f, and only by 2099a, which is in use now, does the schedule name it.",
    );
    let elapsed = of(every("1h", MADE));
    assert_eq!(elapsed.told("2026-11-26T07:00:00Z").0, "lost", "no zone data decides about elapsed time");
    let unchanged = Case { releases: Releases::new("2099a", &[]), ..case };
    assert_eq!(unchanged.told("2026-11-26T07:00:00Z").0, "lost");
}
