//! When each node and the database were there, as the harness saw it from outside; and from that, when nobody ran.
//!
//! Two rules of the program stand behind it, both of which the contract leaves to it. A node counts as gone when it was
//! silent for three seconds by the database's clock, so in a shorter gap everything that falls due is only late. And where
//! no process is left at all, the next one that starts knows that nobody ran since the last sign of life.
//!
//! What is tolerated, and why:
//! - [`SIGN_AGE`]: a node writes its sign of life every half second; after its death the last one may be as old as that, and
//!   older by what a busy machine takes. Absences begin with that sign, and their length is measured from there.
//! - [`NOTICED_AFTER`]: when the database is back, or a frozen node goes on, its next sign takes as long again, and a pause after
//!   an error; a node that starts in between does not know yet that somebody is there. Who is there for no longer than that
//!   between two gaps may have come to nothing.

use jiff::{SignedDuration, Timestamp};

use crate::harness::evidence::Gap;

/// A shorter gap than this is lateness.
const GONE_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// How old the last sign of life may be at a death.
const SIGN_AGE: SignedDuration = SignedDuration::from_secs(1);

/// How long it takes until a return shows.
const NOTICED_AFTER: SignedDuration = SignedDuration::from_millis(2500);

/// From one instant until another.
pub(super) type Span = (Timestamp, Timestamp);

/// Times in which something was there. What is not certain about their ends lies between the two kinds.
#[derive(Default)]
pub(super) struct Presence {
    /// It was certainly there.
    certain: Vec<Span>,
    /// It may have been there.
    possible: Vec<Span>,
    since: Option<(Timestamp, Timestamp)>,
}

impl Presence {
    /// It came after `begun_at`, and was certainly there at `ready_at`.
    pub(super) fn begin(&mut self, begun_at: Timestamp, ready_at: Timestamp) {
        self.since = Some((begun_at, ready_at));
    }

    /// It went after `asked_at`, and was certainly gone at `gone_at`.
    pub(super) fn end(&mut self, asked_at: Timestamp, gone_at: Timestamp) {
        if let Some((begun_at, ready_at)) = self.since.take() {
            self.certain.push((ready_at, asked_at));
            self.possible.push((begun_at, gone_at));
        }
    }

    /// It came after `begun_at` and went before `gone_at` without having been ready.
    pub(super) fn may_have_been(&mut self, begun_at: Timestamp, gone_at: Timestamp) {
        self.possible.push((begun_at, gone_at));
    }
}

/// Everybody's presence.
pub(super) struct Timeline {
    /// Each node, as one that works.
    pub(super) at_work: Vec<Presence>,
    /// Each node's process, frozen or not.
    pub(super) alive: Vec<Presence>,
    /// The database.
    pub(super) database: Presence,
    began_at: Timestamp,
}

impl Timeline {
    /// Of so many nodes, all of which are there with their database since an instant.
    pub(super) fn begin(nodes: usize, ready_at: Timestamp) -> Timeline {
        let present = || {
            let mut presence = Presence::default();
            presence.begin(ready_at, ready_at);
            presence
        };
        Timeline {
            at_work: (0..nodes).map(|_| present()).collect(),
            alive: (0..nodes).map(|_| present()).collect(),
            database: present(),
            began_at: ready_at,
        }
    }

    /// The gaps in which occurrences may have been missed, when it ends at an instant.
    pub(super) fn gaps(&mut self, until: Timestamp) -> Vec<Gap> {
        let from = self.began_at;
        let everybody = self.at_work.iter_mut().chain(&mut self.alive).chain([&mut self.database]);
        everybody.for_each(|presence| presence.end(until, until));
        let spans = |of: &[Presence], kind: fn(&Presence) -> &Vec<Span>| -> Vec<Span> {
            of.iter().flat_map(kind).copied().collect()
        };
        let mut certain =
            joined(&common(&spans(&self.at_work, |one| &one.certain), &self.database.certain), from, until);
        certain.retain(|(from, to)| to.duration_since(*from) >= NOTICED_AFTER);
        let possible = common(&spans(&self.at_work, |one| &one.possible), &self.database.possible);
        let nobody_left = rest(&spans(&self.alive, |one| &one.possible), from, until);
        let nobody_ran = rest(&possible, from, until);
        let may_be_missed = |(from, to): &Span| {
            let is_long = to.duration_since(*from) + SIGN_AGE >= GONE_AFTER;
            is_long || nobody_left.iter().any(|empty| meet(*empty, (*from, *to)))
        };
        let gaps = rest(&certain, from, until).into_iter().filter(may_be_missed);
        gaps.map(|(from, to)| Gap {
            possible: (from - SIGN_AGE, to + NOTICED_AFTER),
            certain: nobody_ran.iter().copied().filter(|span| from <= span.0 && span.1 <= to).collect(),
        })
        .collect()
    }
}

fn meet(one: Span, other: Span) -> bool {
    one.0 < other.1 && other.0 < one.1
}

/// Where some of the ones and some of the others lie at once.
fn common(ones: &[Span], others: &[Span]) -> Vec<Span> {
    let pairs = ones.iter().flat_map(|one| others.iter().map(move |other| (one.0.max(other.0), one.1.min(other.1))));
    pairs.filter(|(from, to)| from < to).collect()
}

/// The spans of a time, those that overlap or meet as one.
fn joined(spans: &[Span], from: Timestamp, until: Timestamp) -> Vec<Span> {
    rest(&rest(spans, from, until), from, until)
}

/// What the spans leave of a time.
fn rest(spans: &[Span], from: Timestamp, until: Timestamp) -> Vec<Span> {
    let mut spans = spans.to_vec();
    spans.sort_unstable();
    let (mut left, mut reached) = (Vec::new(), from);
    for (from, to) in spans {
        if from > reached {
            left.push((reached, from.min(until)));
        }
        reached = reached.max(to);
    }
    if reached < until {
        left.push((reached, until));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn gone(presence: &mut Presence, from: i64, to: i64) {
        presence.end(at(from), at(from));
        presence.begin(at(to), at(to));
    }

    fn spans(mut timeline: Timeline) -> Vec<(i64, i64)> {
        let gaps = timeline.gaps(at(100));
        gaps.iter().flat_map(|gap| &gap.certain).map(|(from, to)| (from.as_second(), to.as_second())).collect()
    }

    #[test]
    fn a_gap_is_where_nobody_was_at_work_for_long() {
        let mut timeline = Timeline::begin(2, at(0));
        gone(&mut timeline.at_work[0], 10, 20);
        gone(&mut timeline.at_work[1], 15, 30);
        gone(&mut timeline.at_work[1], 50, 60);
        assert_eq!(spans(timeline), [(15, 20)], "the second was there from 30 to 50 and the first from 20 on");
    }

    #[test]
    fn without_a_database_nobody_works() {
        let mut timeline = Timeline::begin(2, at(0));
        gone(&mut timeline.database, 40, 45);
        gone(&mut timeline.database, 60, 61);
        assert_eq!(spans(timeline), [(40, 45)], "a second is lateness");
    }

    #[test]
    fn a_moment_without_any_process_is_a_gap_however_short() {
        let mut timeline = Timeline::begin(2, at(0));
        for node in 0..2 {
            gone(&mut timeline.at_work[node], 70, 71);
            gone(&mut timeline.alive[node], 70, 71);
        }
        gone(&mut timeline.at_work[0], 80, 81);
        gone(&mut timeline.at_work[1], 80, 81);
        assert_eq!(spans(timeline), [(70, 71)], "frozen for a second is lateness");
    }

    #[test]
    fn who_is_there_for_a_moment_between_two_gaps_comes_to_nothing() {
        let mut timeline = Timeline::begin(1, at(0));
        gone(&mut timeline.database, 20, 22);
        gone(&mut timeline.database, 23, 25);
        let gaps = timeline.gaps(at(100));
        assert_eq!(
            gaps.iter().map(|gap| gap.possible).collect::<Vec<_>>(),
            [(at(20) - SIGN_AGE, at(25) + NOTICED_AFTER)]
        );
        assert_eq!(gaps[0].certain, [(at(20), at(22)), (at(23), at(25))]);
    }

    #[test]
    fn what_is_not_certain_is_on_neither_side() {
        let mut timeline = Timeline::begin(1, at(0));
        timeline.at_work[0].end(at(10), at(12));
        timeline.at_work[0].begin(at(20), at(22));
        let gaps = timeline.gaps(at(100));
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].possible, (at(10) - SIGN_AGE, at(22) + NOTICED_AFTER));
        assert_eq!(gaps[0].certain, [(at(12), at(20))]);
    }
}
