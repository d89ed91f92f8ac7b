//! What saving a form would change, told before it is saved: the firings that come, go and move, and what would be recorded. It is worked out as
//! a dry run of the API is; here are the sentences and the rows.

use jiff::Timestamp;
use oncue_domain::effect::{Difference, Effect};
use oncue_domain::occurrence::Skipped;
use oncue_domain::schedule::zone::Zone;

use super::preview::in_zone;

/// So many firings are told one by one.
const ROWS_MAX: usize = 12;

/// What would change.
#[derive(Debug)]
pub(crate) struct Would {
    /// All of it in a sentence.
    pub(crate) summary: String,
    pub(crate) rows: Vec<Row>,
    /// How many firings are not told one by one.
    pub(crate) left_out: usize,
    /// What would be recorded as skipped and what would not fire late any more, a sentence each.
    pub(crate) records: Vec<String>,
}

/// A firing that comes, goes or moves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// When it would have fired; empty where it comes.
    pub(crate) before: String,
    /// When it fires then; empty where it goes.
    pub(crate) after: String,
}

impl Would {
    /// What an effect amounts to, on the clock of `zone`.
    pub(crate) fn of(effect: &Effect, backlog_ended: u64, zone: &Zone) -> Would {
        let Difference { kept, added, removed, moved } = &effect.firings;
        let told = |at: Option<Timestamp>| at.map(|at| in_zone(at, zone)).unwrap_or_default();
        let mut changes: Vec<(Option<Timestamp>, Option<Timestamp>)> =
            moved.iter().map(|one| (Some(one.from), Some(one.to))).collect();
        changes.extend(added.iter().map(|at| (None, Some(*at))));
        changes.extend(removed.iter().map(|at| (Some(*at), None)));
        changes.sort_by_key(|(before, after)| before.iter().chain(after).min().copied());
        let rows =
            changes.iter().take(ROWS_MAX).map(|(before, after)| Row { before: told(*before), after: told(*after) });
        let until = in_zone(effect.span.until, zone);
        let counts = [
            count(moved.len(), "moves", "move"),
            count(added.len(), "comes", "come"),
            count(removed.len(), "falls away", "fall away"),
        ];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        let stay = match (kept, counts.is_empty()) {
            (0, true) => "There is no firing, now or then".to_owned(),
            (1, true) => "The one firing stays as it is".to_owned(),
            (_, true) => format!("All {kept} firings stay as they are"),
            (0, false) => "none stays as it is".to_owned(),
            (1, false) => "one stays as it is".to_owned(),
            (_, false) => format!("{kept} stay as they are"),
        };
        let what = counts.into_iter().chain([stay]).collect::<Vec<_>>().join(", ");
        let backlog = match backlog_ended {
            0 => None,
            1 => Some("1 past occurrence that waits in its backlog would not fire.".to_owned()),
            _ => Some(format!("{backlog_ended} past occurrences that wait in its backlog would not fire.")),
        };
        let as_far = if effect.is_whole { "" } else { ", which is as far as was looked" };
        Would {
            summary: format!("{what}: until {until} {}{as_far}.", zone.name()),
            rows: rows.collect(),
            left_out: changes.len().saturating_sub(ROWS_MAX),
            records: effect.skipped.iter().map(|skipped| record(skipped, zone)).chain(backlog).collect(),
        }
    }
}

fn count(number: usize, one: &str, many: &str) -> Option<String> {
    match number {
        0 => None,
        1 => Some(format!("1 firing {one}")),
        _ => Some(format!("{number} firings {many}")),
    }
}

fn record(skipped: &Skipped, zone: &Zone) -> String {
    let Skipped { reason, first, last, count } = skipped;
    let (first, last) = (in_zone(*first, zone), in_zone(*last, zone));
    match count {
        1 => format!("The occurrence of {first} would be recorded as skipped ({}).", reason.word()),
        _ => format!("{count} occurrences from {first} to {last} would be recorded as skipped ({}).", reason.word()),
    }
}

#[cfg(test)]
mod tests {
    use oncue_domain::agenda::Span;
    use oncue_domain::effect::Move;
    use oncue_domain::occurrence::Reason;
    use oncue_domain::schedule::zone::Zones;

    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 - 1_800_000_000 % 86_400 + 3_600 * hours).expect("in range")
    }

    fn would(firings: Difference, skipped: Vec<Skipped>) -> Would {
        let span = Span { from: at(0), until: at(168) };
        let effect = Effect {
            next_before: None,
            next_after: None,
            span,
            is_whole: true,
            firings,
            due_within: Vec::new(),
            skipped,
            ends_backlogs: None,
        };
        Would::of(&effect, 2, &Zones::utc())
    }

    #[test]
    fn what_changes_is_said_in_a_sentence_and_row_by_row() {
        let moved = vec![Move { from: at(9), to: at(10) }, Move { from: at(33), to: at(34) }];
        let skipped = Skipped { reason: Reason::Paused, first: at(-9), last: at(-3), count: 3 };
        let told = would(Difference { kept: 1, added: vec![at(2)], removed: vec![at(50)], moved }, vec![skipped]);
        assert_eq!(
            told.summary,
            "2 firings move, 1 firing comes, 1 firing falls away, one stays as it is: until Fri 2027-01-22 00:00:00 UTC."
        );
        let pairs: Vec<(bool, bool)> =
            told.rows.iter().map(|row| (row.before.is_empty(), row.after.is_empty())).collect();
        assert_eq!(
            pairs,
            [(true, false), (false, false), (false, false), (false, true)],
            "in the order of their times"
        );
        assert_eq!(told.rows[1].after, "Fri 2027-01-15 10:00:00");
        assert!(told.records[0].starts_with("3 occurrences from Thu 2027-01-14 15:00:00 to"), "{:?}", told.records);
        assert_eq!(told.records[1], "2 past occurrences that wait in its backlog would not fire.");
    }

    #[test]
    fn nothing_and_very_much_are_said_too() {
        assert!(would(Difference::default(), Vec::new()).summary.starts_with("There is no firing, now or then: until"));
        let told = would(Difference { kept: 7, ..Difference::default() }, Vec::new());
        assert!(told.summary.starts_with("All 7 firings stay as they are: until"), "{}", told.summary);
        let told = would(Difference { added: (0..40).map(at).collect(), ..Difference::default() }, Vec::new());
        assert_eq!((told.rows.len(), told.left_out), (ROWS_MAX, 28));
    }
}
