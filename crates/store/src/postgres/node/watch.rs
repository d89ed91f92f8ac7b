//! Who is silent. A node is judged by its row alone: whether that changes, and how long it has not by the clock of whoever looks,
//! which nobody sets. What time the row shows does not matter, so a database whose clock is put forward or back gives up nobody.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use oncue_domain::node::GONE_AFTER;

/// A longer time between two looks is a break: the database was away, or this node was. Nobody was heard meanwhile, and whoever
/// comes back first must not give up all the others.
const BREAK: Duration = Duration::from_millis(1500);

/// A node's row as it was seen: its number, and when it was last renewed.
pub(super) type Seen = (i64, i64);

/// What one node has seen of the others.
#[derive(Default)]
pub(super) struct Watch {
    looked_at: Option<Instant>,
    /// What each row showed, and since when.
    rows: HashMap<i64, (i64, Instant)>,
}

impl Watch {
    /// Takes in the rows of the others as they are, and gives those that have not changed for too long.
    pub(super) fn look(&mut self, now: Instant, others: &[Seen]) -> Vec<Seen> {
        let gone_after = Duration::from_secs(GONE_AFTER.as_secs().unsigned_abs());
        if self.looked_at.is_none_or(|last| now.duration_since(last) > BREAK) {
            self.rows.clear();
        }
        self.looked_at = Some(now);
        let former = std::mem::take(&mut self.rows);
        for (id, shown) in others {
            let since = former.get(id).filter(|(before, _)| before == shown).map_or(now, |(_, since)| *since);
            self.rows.insert(*id, (*shown, since));
        }
        let is_silent =
            |(id, _): &&Seen| self.rows.get(id).is_some_and(|(_, since)| now.duration_since(*since) >= gone_after);
        others.iter().filter(is_silent).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn whoever_does_not_change_for_three_seconds_is_silent() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        for beat in 0..6 {
            let shown: i64 = 1000 + i64::try_from(beat).expect("small");
            assert!(watch.look(at(start, beat * 500), &[(1, 7), (2, shown)]).is_empty());
        }
        assert_eq!(watch.look(at(start, 3000), &[(1, 7), (2, 2000)]), [(1, 7)]);
        assert!(watch.look(at(start, 3500), &[(1, 8), (2, 2000)]).is_empty(), "it is back");
    }

    #[test]
    fn whoever_was_away_does_not_judge_others_at_once() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        assert!(watch.look(start, &[(1, 7)]).is_empty());
        assert!(watch.look(at(start, 60_000), &[(1, 7)]).is_empty(), "the database was away");
        assert!((1..6).all(|beat| watch.look(at(start, 60_000 + beat * 500), &[(1, 7)]).is_empty()));
        assert_eq!(watch.look(at(start, 63_000), &[(1, 7)]), [(1, 7)]);
    }

    #[test]
    fn a_clock_of_the_database_that_is_put_forward_or_back_gives_up_nobody() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        for (beat, shown) in [(0, 0), (1, 500_000), (2, 3_600_000_000), (3, -5), (4, 499_995), (5, 9), (6, 8), (7, 10)]
        {
            assert!(watch.look(at(start, beat * 500), &[(1, shown)]).is_empty());
        }
    }
}
