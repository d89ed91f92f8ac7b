//! What a clock on the wall shows around a transition, found by looking at it once a step, and what follows from that by the words
//! of the rule. It asks jiff what an instant shows and nothing else: no transition, no search, nothing of the engine's.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use oncue_domain::schedule::rule::{Fold, Gap, Rule};
use oncue_domain::schedule::zone::Zone;

use super::instant;

/// The longest gap whose wall times fire at its end (contract §3).
const GAP_MAX_S: i64 = 3 * 3_600;

/// What a clock shows at a wall time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    pub(super) second: i64,
    pub(super) minute: i64,
    pub(super) hour: i64,
    pub(super) date: Date,
    pub(super) weekday: Weekday,
}

impl Face {
    /// Of a wall time in seconds since 1970 on that clock.
    pub(super) fn of(wall: i64) -> Face {
        let shown = Offset::UTC.to_datetime(instant(wall));
        Face {
            second: shown.second().into(),
            minute: shown.minute().into(),
            hour: shown.hour().into(),
            date: shown.date(),
            weekday: shown.weekday(),
        }
    }

    pub(super) fn is_last_day(&self) -> bool {
        self.date.day() == self.date.days_in_month()
    }

    /// The last Monday to Friday of the month.
    pub(super) fn is_last_workday(&self) -> bool {
        let is_workday = |date: Date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let rest = (self.date.day() + 1)..=self.date.days_in_month();
        let later = |day| self.date.with().day(day).build().expect("a day of this month");
        is_workday(self.date) && !rest.into_iter().any(|day| is_workday(later(day)))
    }
}

/// A clock that was looked at every `step` seconds.
pub(super) struct Walk {
    step: i64,
    /// Instants and the wall times they showed, in the order of the instants.
    shown: Vec<(i64, i64)>,
    /// The faces of all wall times from the lowest shown to the highest.
    faces: Vec<Face>,
    lowest: i64,
}

impl Walk {
    /// From `from` to `to`, both of them seconds.
    pub(super) fn new(zone: &Zone, from: i64, to: i64, step: i64) -> Walk {
        let look = |second| second + i64::from(zone.time_zone().to_offset(instant(second)).seconds());
        let at = |number: i64| from + number * step;
        let shown: Vec<(i64, i64)> = (0..=(to - from) / step).map(|n| (at(n), look(at(n)))).collect();
        let walls = || shown.iter().map(|(_, wall)| *wall);
        let (lowest, highest) = (walls().min().expect("a look"), walls().max().expect("a look"));
        let faces = (0..=(highest - lowest) / step).map(|n| Face::of(lowest + n * step)).collect();
        Walk { step, shown, faces, lowest }
    }

    /// Where the walk begins; what fires there is not known, because nobody saw what the clock showed before.
    pub(super) fn from(&self) -> i64 {
        self.shown[0].0
    }

    pub(super) fn to(&self) -> i64 {
        self.shown[self.shown.len() - 1].0
    }

    pub(super) fn instants(&self) -> impl Iterator<Item = i64> {
        self.shown.iter().skip(1).map(|(at, _)| *at)
    }

    /// The first instant at which the clock shows this wall time or a later one.
    pub(super) fn reaches(&self, wall: i64) -> Option<i64> {
        self.shown.iter().find(|(_, shown)| *shown >= wall).map(|(at, _)| *at)
    }

    /// When a line fires: the instants after the first.
    pub(super) fn firings(&self, rule: Rule, names: &dyn Fn(&Face) -> bool) -> Vec<i64> {
        let (mut shown_first, gaps) = self.reached(names);
        if rule.fold == Fold::BothPasses {
            let face = |wall: i64| &self.faces[usize::try_from((wall - self.lowest) / self.step).expect("seen")];
            let looks = self.shown.iter().skip(1);
            shown_first = looks.filter(|(_, wall)| names(face(*wall))).map(|(at, _)| *at).collect();
        }
        let gaps = if rule.gap == Gap::AtItsEnd { gaps } else { BTreeSet::new() };
        shown_first.union(&gaps).copied().collect()
    }

    /// When the wall times that are named are reached: the instants that show them, and those that jumped over them by not too
    /// much. Walks along the wall times, and beside it along the instants up to the first that shows as much.
    fn reached(&self, names: &dyn Fn(&Face) -> bool) -> (BTreeSet<i64>, BTreeSet<i64>) {
        let (mut shown_first, mut gaps) = (BTreeSet::new(), BTreeSet::new());
        let mut look = 0;
        for (wall, face) in (self.lowest..).step_by(usize::try_from(self.step).expect("small")).zip(&self.faces) {
            while self.shown[look].1 < wall {
                look += 1;
            }
            // What the first look shows, or lay before it, may have fired already.
            if look == 0 || !names(face) {
                continue;
            }
            let ((_, before), (at, shown)) = (self.shown[look - 1], self.shown[look]);
            if shown == wall {
                shown_first.insert(at);
            } else if shown - before - self.step <= GAP_MAX_S {
                gaps.insert(at);
            }
        }
        (shown_first, gaps)
    }
}
