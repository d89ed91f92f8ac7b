//! Which firings stay, come, go and move from one list to another. Nobody can know which of the new ones somebody means to stand for
//! which of the old, so there is a rule that can be said in a sentence: what is in both lists stays; of the rest, whatever lies
//! closest together is one firing that moves, the closest pair first, within one day before across days, and
//! never by more than a day; except that the only firing of the one list and the only one of the other are the same that moved.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

use crate::schedule::zone::Zone;

/// The longest way that a firing moves, unless there is only one.
const MOVES_AT_MOST: SignedDuration = SignedDuration::from_hours(24);

/// A firing at another time than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// When it would have fired.
    pub from: Timestamp,
    /// When it fires instead.
    pub to: Timestamp,
}

/// How two lists of firings differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// How many stay.
    pub kept: u64,
    /// Those that are new, ascending.
    pub added: Vec<Timestamp>,
    /// Those that fall away, ascending.
    pub removed: Vec<Timestamp>,
    /// Those that move, by when they would have fired.
    pub moved: Vec<Move>,
}

impl Difference {
    /// How `after` differs from `before`; both ascend and name nothing twice. Days are those of `zone`.
    pub fn between(before: &[Timestamp], after: &[Timestamp], zone: &Zone) -> Difference {
        let strange_to = |others: &[Timestamp], at: &Timestamp| others.binary_search(at).is_err();
        let removed: Vec<Timestamp> = before.iter().copied().filter(|at| strange_to(after, at)).collect();
        let added: Vec<Timestamp> = after.iter().copied().filter(|at| strange_to(before, at)).collect();
        let kept = (before.len() - removed.len()) as u64;
        if let (0, [from], [to]) = (kept, removed.as_slice(), added.as_slice()) {
            return Difference { moved: vec![Move { from: *from, to: *to }], ..Difference::default() };
        }
        let (mut rest, mut moved) = (Vec::new(), Vec::new());
        let day = |one: &Change| zone.time_zone().to_datetime(one.at).date();
        let changes = merge(&removed, &added);
        for of_a_day in changes.chunk_by(|one, next| day(one) == day(next)) {
            rest.extend(pair(of_a_day, &mut moved));
        }
        let rest = pair(&rest, &mut moved);
        moved.sort_unstable();
        let only = |is_new: bool| rest.iter().filter(move |one| one.is_new == is_new).map(|one| one.at).collect();
        Difference { kept, added: only(true), removed: only(false), moved }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.moved.is_empty()
    }
}

/// A firing that is in one list alone.
#[derive(Clone, Copy)]
struct Change {
    at: Timestamp,
    is_new: bool,
}

fn merge(removed: &[Timestamp], added: &[Timestamp]) -> Vec<Change> {
    let of = |is_new: bool| move |at: &Timestamp| Change { at: *at, is_new };
    let mut all: Vec<Change> = removed.iter().map(of(false)).chain(added.iter().map(of(true))).collect();
    all.sort_unstable_by_key(|one| one.at);
    all
}

/// Two that may be one that moves, the closest first; of those that are equally close the one that moves ahead, then the earlier one.
type Candidate = Reverse<(SignedDuration, bool, usize, usize)>;

/// Takes what moves out of those that ascend, and gives the rest. The closest pair of what is left always stands side by side.
fn pair(changes: &[Change], moved: &mut Vec<Move>) -> Vec<Change> {
    let mut after: Vec<usize> = (1..=changes.len()).collect();
    let mut before: Vec<Option<usize>> = (0..changes.len()).map(|place| place.checked_sub(1)).collect();
    let mut is_left = vec![true; changes.len()];
    let candidate = |first: usize, second: usize| -> Option<Candidate> {
        let (one, next) = (changes.get(first)?, changes.get(second)?);
        let apart = next.at.duration_since(one.at);
        let may_be_one = one.is_new != next.is_new && apart <= MOVES_AT_MOST;
        may_be_one.then_some(Reverse((apart, one.is_new, first, second)))
    };
    let mut heap: BinaryHeap<Candidate> = (1..changes.len()).filter_map(|place| candidate(place - 1, place)).collect();
    while let Some(Reverse((_, _, first, second))) = heap.pop() {
        if !is_left[first] || !is_left[second] {
            continue;
        }
        (is_left[first], is_left[second]) = (false, false);
        let (one, next) = (changes[first].at, changes[second].at);
        let (from, to) = if changes[first].is_new { (next, one) } else { (one, next) };
        moved.push(Move { from, to });
        let (left, right) = (before[first], after[second]);
        if let Some(place) = left {
            after[place] = right;
        }
        if let Some(place) = before.get_mut(right) {
            *place = left;
        }
        heap.extend(left.and_then(|left| candidate(left, right)));
    }
    changes.iter().zip(is_left).filter_map(|(one, is_left)| is_left.then_some(*one)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::zone::Zones;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 - 1_800_000_000 % 86_400 + 60 * minutes).expect("in range")
    }

    fn compared(before: &[i64], after: &[i64]) -> Difference {
        let list = |minutes: &[i64]| minutes.iter().copied().map(at).collect::<Vec<_>>();
        Difference::between(&list(before), &list(after), &Zones::utc())
    }

    fn moves(of: &[(i64, i64)]) -> Vec<Move> {
        of.iter().map(|(from, to)| Move { from: at(*from), to: at(*to) }).collect()
    }

    const DAY: i64 = 24 * 60;

    #[test]
    fn the_closest_pair_moves_first() {
        let found = compared(&[60, 120, 600], &[60, 130, 140]);
        assert_eq!((found.kept, &found.added, &found.removed), (1, &vec![], &vec![]));
        assert_eq!(found.moved, moves(&[(120, 130), (600, 140)]));
        let found = compared(&[100], &[90, 105, 300]);
        assert_eq!((found.moved, found.added), (moves(&[(100, 105)]), vec![at(90), at(300)]));
    }

    #[test]
    fn of_two_that_are_as_close_the_later_one_takes_its_place() {
        let found = compared(&[60, 120], &[30, 90, 150]);
        assert_eq!((found.moved, found.added), (moves(&[(60, 90), (120, 150)]), vec![at(30)]));
    }

    #[test]
    fn what_stays_in_its_day_goes_before_what_is_closer_on_the_next() {
        // 22:00 becomes 02:00 of the same day, and not of the next, which is closer.
        let found = compared(&[22 * 60, DAY + 22 * 60], &[2 * 60, DAY + 2 * 60]);
        assert_eq!(found.moved, moves(&[(22 * 60, 2 * 60), (DAY + 22 * 60, DAY + 2 * 60)]));
        // 23:30 becomes half an hour past midnight: there is nothing else on its day.
        let found = compared(&[23 * 60 + 30, 5 * DAY], &[DAY + 30, 5 * DAY]);
        assert_eq!((found.kept, found.moved), (1, moves(&[(23 * 60 + 30, DAY + 30)])));
    }

    #[test]
    fn nothing_moves_by_more_than_a_day_unless_it_is_the_only_one() {
        let found = compared(&[0, 5], &[5, DAY + 1]);
        assert_eq!((found.removed, found.added, found.moved), (vec![at(0)], vec![at(DAY + 1)], vec![]));
        assert_eq!(compared(&[0, 5], &[5, DAY]).moved, moves(&[(0, DAY)]));
        assert_eq!(compared(&[0], &[90 * DAY]).moved, moves(&[(0, 90 * DAY)]));
    }

    proptest! {
        #[test]
        fn every_firing_of_either_list_is_told_of_once(
            before in proptest::collection::btree_set(0_i64..6_000, 0..60),
            after in proptest::collection::btree_set(0_i64..6_000, 0..60),
            zone in proptest::sample::select(&["UTC", "Pacific/Auckland", "America/New_York"]),
        ) {
            let list = |minutes: &std::collections::BTreeSet<i64>| minutes.iter().copied().map(at).collect::<Vec<_>>();
            let (before, after) = (list(&before), list(&after));
            let zone = Zones::bundled().get(zone).expect("a zone");
            let found = Difference::between(&before, &after, &zone);
            let kept: Vec<Timestamp> = before.iter().copied().filter(|at| after.contains(at)).collect();
            prop_assert_eq!(found.kept, kept.len() as u64);
            let all = |one: &[Timestamp], side: &dyn Fn(&Move) -> Timestamp| {
                let mut all: Vec<Timestamp> = kept.iter().chain(one).copied().chain(found.moved.iter().map(side)).collect();
                all.sort_unstable();
                all
            };
            prop_assert_eq!(&all(&found.removed, &|one| one.from), &before, "kept, removed and moved from are what was");
            prop_assert_eq!(&all(&found.added, &|one| one.to), &after, "kept, added and moved to are what will be");
            prop_assert_eq!(found.is_empty(), before == after);
            // Nothing is left that could have moved.
            let is_alone = before.len() == 1 && after.len() == 1;
            for gone in &found.removed {
                for new in &found.added {
                    prop_assert!(!is_alone && new.duration_since(*gone).abs() > MOVES_AT_MOST);
                }
            }
        }
    }
}
