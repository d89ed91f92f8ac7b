//! The positions that `BYSETPOS` picks from a week, a month or a year: places in the row of what a rule names in that period, counted from
//! either end. They are looked up and never listed, so that a rule with many of them costs no more at each step than one with a few.

use std::ops::Range;

/// The picked places, apart by the end from which they are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions {
    /// The first is 0; in order.
    forward: Box<[i64]>,
    /// The last is -1; in order.
    back: Box<[i64]>,
}

impl Positions {
    /// Of what a rule says, in order.
    pub(super) fn of(positions: &[i16]) -> Positions {
        let each = || positions.iter().map(|position| i64::from(*position));
        Positions {
            forward: each().filter(|position| *position > 0).map(|position| position - 1).collect(),
            back: each().filter(|position| *position < 0).collect(),
        }
    }

    /// Whether nothing is picked, and everything counts.
    pub(super) fn are_none(&self) -> bool {
        self.forward.is_empty() && self.back.is_empty()
    }

    /// The first place from `from` on, of so many.
    pub(super) fn first(&self, from: i64, of: i64) -> Option<i64> {
        let forward = at_or_after(&self.forward, from).filter(|place| *place < of);
        let back = at_or_after(&self.back, from - of).map(|place| of + place);
        [forward, back].into_iter().flatten().min()
    }

    /// The last place before `before`, of so many.
    pub(super) fn last(&self, before: i64, of: i64) -> Option<i64> {
        let forward = just_below(&self.forward, before.min(of));
        let back = just_below(&self.back, before - of).map(|place| of + place).filter(|place| *place >= 0);
        [forward, back].into_iter().flatten().max()
    }

    /// How many of the places in a range that lies within so many.
    pub(super) fn count(&self, range: Range<i64>, of: i64) -> u64 {
        let forward = within(&self.forward, &range);
        let back = within(&self.back, &(range.start - of..range.end - of));
        // A place may be picked from either end and still is one.
        let both = back.iter().filter(|place| forward.binary_search(&(of + *place)).is_ok()).count();
        (forward.len() + back.len() - both) as u64
    }
}

fn at_or_after(places: &[i64], from: i64) -> Option<i64> {
    places.get(places.partition_point(|place| *place < from)).copied()
}

fn just_below(places: &[i64], end: i64) -> Option<i64> {
    places.partition_point(|place| *place < end).checked_sub(1).and_then(|last| places.get(last)).copied()
}

fn within<'a>(places: &'a [i64], range: &Range<i64>) -> &'a [i64] {
    let place = |of: i64| places.partition_point(|place| *place < of);
    places.get(place(range.start)..place(range.end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_those_that_a_list_of_them_holds(
            mut said in proptest::collection::vec(prop_oneof![-12_i16..=-1, 1_i16..=12], 1..8),
            of in 0_i64..15,
            from in 0_i64..15,
            until in 0_i64..15,
        ) {
            said.sort_unstable();
            said.dedup();
            let positions = Positions::of(&said);
            let is_said = |place: &i64| said.iter().any(|said| [place + 1, place - of].contains(&i64::from(*said)));
            let listed: Vec<i64> = (0..of).filter(is_said).collect();
            let (from, until) = (from.min(of), until.min(of));
            prop_assert_eq!(positions.first(from, of), listed.iter().copied().find(|place| *place >= from));
            prop_assert_eq!(positions.last(until, of), listed.iter().copied().rfind(|place| *place < until));
            if from <= until {
                let expected = listed.iter().filter(|place| (from..until).contains(place)).count() as u64;
                prop_assert_eq!(positions.count(from..until, of), expected);
            }
        }
    }
}
