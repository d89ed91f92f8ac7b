//! How places are shared out among owners, and among the lanes of each: nobody can take all of them, however many receivers they have
//! and however slow these are, and there is nothing to set. Whose lanes stand in a row is kept here, what is in them is not known.

use std::collections::VecDeque;

use super::LaneKey;

/// An owner has no more than this many times as many attempts under way as there are free places: even where all of them hang at once
/// that were brisk until then, some places stay free.
const RUNNING_PER_FREE: usize = 7;

/// How many of `all` places are left for one lane, where `taken` are, and `owners` of these by its owner.
///
/// A lane may take as many as its owner leaves of what everybody leaves. So somebody who is alone gets half of all places, two come to a
/// third each as theirs become free, and whoever comes next finds places without anybody having to give one up; and the lanes of an
/// owner share what is theirs in the same way.
pub(super) fn left(all: usize, taken: usize, owners: usize) -> usize {
    all.saturating_sub(taken + owners)
}

/// What one owner has of everything.
#[derive(Default)]
pub(super) struct Share {
    pub(super) running: usize,
    /// How many of the running ones are in lanes that are not brisk.
    pub(super) lingering: usize,
    pub(super) waiting: usize,
    pub(super) waiting_bytes: usize,
    /// Whether the owner stands in the row of those who may start.
    pub(super) is_ready: bool,
    /// Lanes that may start, in turn: those that are brisk are at 1, the others at 0.
    rows: [VecDeque<LaneKey>; 2],
    /// Which row had its turn last.
    latest_row: usize,
}

impl Share {
    /// Whether one more attempt may begin where so many places are free.
    pub(super) fn may_start(&self, free: usize) -> bool {
        self.running < RUNNING_PER_FREE * free
    }

    /// The lane is the last in this row.
    pub(super) fn line_up(&mut self, key: LaneKey, row: usize) {
        self.rows[row].push_back(key);
    }

    pub(super) fn has_nobody_lined_up(&self) -> bool {
        self.rows.iter().all(VecDeque::is_empty)
    }

    /// The next lane and its row, the rows taking turns; the row of those that are not brisk has one only if `may_linger`.
    pub(super) fn next_lane(&mut self, may_linger: bool) -> Option<(LaneKey, usize)> {
        for row in [1 - self.latest_row, self.latest_row] {
            if (row == 1 || may_linger)
                && let Some(key) = self.rows[row].pop_front()
            {
                self.latest_row = row;
                return Some((key, row));
            }
        }
        None
    }

    /// Whether nothing needs to be known of this owner.
    pub(super) fn is_at_rest(&self) -> bool {
        self.running == 0 && self.waiting == 0 && !self.is_ready
    }
}

#[cfg(test)]
mod tests {
    use super::super::lane::Receiver;
    use super::*;

    /// How many of 1024 places so many owners get, each with so many lanes that take what they can.
    fn taken(owners: usize, lanes: usize) -> Vec<usize> {
        let mut has = vec![vec![0; lanes]; owners];
        loop {
            let mut is_full = true;
            for lane in 0..lanes {
                for owner in 0..owners {
                    let all: usize = has.iter().flatten().sum();
                    if has[owner][lane] < left(1024, all, has[owner].iter().sum()) {
                        has[owner][lane] += 1;
                        is_full = false;
                    }
                }
            }
            if is_full {
                return has.iter().map(|lanes| lanes.iter().sum()).collect();
            }
        }
    }

    #[test]
    fn whoever_comes_next_always_finds_a_place() {
        for (owners, lanes, most) in
            [(1, 1, 342), (1, 16, 512), (1, 1000, 512), (2, 500, 342), (10, 50, 94), (50, 50, 21)]
        {
            let taken = taken(owners, lanes);
            assert!(taken.iter().all(|taken| *taken <= most), "{owners} owners of {lanes} lanes: {taken:?}");
            assert!(taken.iter().sum::<usize>() < 1024, "{owners} owners of {lanes} lanes leave nothing");
        }
    }

    #[test]
    fn brisk_lanes_take_turns_with_others_and_go_on_where_others_may_not() {
        let key = |id| LaneKey { owner: oncue_domain::id::UserId(id), receiver: Receiver::Default };
        let mut share = Share::default();
        (0..3).for_each(|id| share.line_up(key(id), 0));
        (3..6).for_each(|id| share.line_up(key(id), 1));
        let mut next = |may_linger| share.next_lane(may_linger).map(|(key, _)| key.owner.0);
        assert_eq!([next(true), next(true), next(true)], [Some(3), Some(0), Some(4)]);
        assert_eq!([next(false), next(false), next(true)], [Some(5), None, Some(1)]);
    }
}
