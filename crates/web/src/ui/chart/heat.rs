//! What the two heat maps have in common: five steps of colour, each standing for a range of counts that the legend names.
//! The ranges grow towards the top, so that one busy hour does not make all others look alike.

use super::record::{Counts, HourCount};
use super::words::listed;
use crate::ui::number::number;

/// How many colours there are besides the one for nothing.
const STEPS: usize = 5;

/// Up to which count each colour goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps([u64; STEPS]);

/// One colour and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) step: usize,
    pub(super) range: String,
}

impl Steps {
    /// For counts up to this. The bounds are those of squares: 4, 16, 36, 64 and 100 percent of the most.
    pub(super) fn up_to(most: u64) -> Steps {
        let bound = |step: u128| (u128::from(most) * step * step).div_ceil(25);
        Steps([1, 2, 3, 4, 5].map(|step| u64::try_from(bound(step)).unwrap_or(most)))
    }

    /// The colour of a count: 0 for nothing, 5 for the most.
    pub(super) fn of(&self, count: u64) -> usize {
        match count {
            0 => 0,
            count => self.0.iter().position(|bound| count <= *bound).map_or(STEPS, |place| place + 1),
        }
    }

    /// What the colours stand for; those that no count has are left out.
    pub(super) fn legend(&self) -> Vec<Step> {
        let mut first = 1;
        let mut legend = Vec::with_capacity(STEPS);
        for (place, bound) in self.0.into_iter().enumerate() {
            if bound < first {
                continue;
            }
            let range = match first == bound {
                true => number(first),
                false => format!("{}\u{2013}{}", number(first), number(bound)),
            };
            legend.push(Step { step: place + 1, range });
            first = bound.saturating_add(1);
        }
        legend
    }
}

/// What a cell of a heat map stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heat {
    pub(super) fired: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Heat {
    pub(super) fn add(&mut self, hour: &HourCount) {
        self.fired = self.fired.saturating_add(hour.fired);
        self.failed = self.failed.saturating_add(hour.failed);
        self.skipped = self.skipped.saturating_add(hour.skipped);
    }

    /// "12 fired, 1 failed".
    pub(super) fn text(&self) -> String {
        listed(&[(self.fired, "fired"), (self.failed, "failed"), (self.skipped, "skipped")])
            .unwrap_or_else(|| "nothing".to_owned())
    }
}

/// One cell as it is drawn.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) step: usize,
    pub(super) has_failed: bool,
    /// "Mon 09:00: 12 fired, 1 failed".
    pub(super) text: String,
}

impl Cell {
    pub(super) fn new(heat: &Heat, steps: &Steps, when: &str) -> Cell {
        Cell { step: steps.of(heat.fired), has_failed: heat.failed > 0, text: format!("{when}: {}", heat.text()) }
    }
}

/// All that fired, failed and was skipped.
pub(super) fn total<'a>(hours: impl IntoIterator<Item = &'a HourCount>) -> Counts {
    let mut sum = Counts::default();
    for hour in hours {
        sum.add(&Counts::from(hour));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_legend_names_what_the_colours_stand_for() {
        let shown = |most| -> Vec<(usize, String)> {
            Steps::up_to(most).legend().into_iter().map(|step| (step.step, step.range)).collect()
        };
        let own = |rows: &[(usize, &str)]| -> Vec<(usize, String)> {
            rows.iter().map(|(step, range)| (*step, (*range).to_owned())).collect()
        };
        assert_eq!(shown(1000), own(&[(1, "1–40"), (2, "41–160"), (3, "161–360"), (4, "361–640"), (5, "641–1,000")]));
        assert_eq!(shown(5), own(&[(1, "1"), (3, "2"), (4, "3–4"), (5, "5")]));
        assert_eq!(shown(1), own(&[(1, "1")]));
        assert_eq!(shown(0), own(&[]));
    }

    proptest! {
        #[test]
        fn more_is_never_lighter_and_only_nothing_has_no_colour(most in 1_u64..1_000_000_000, share in 0.0_f64..1.0) {
            let steps = Steps::up_to(most);
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any count will do")]
            let count = (most as f64 * share) as u64;
            prop_assert_eq!(steps.of(count) == 0, count == 0);
            prop_assert!(steps.of(count) <= steps.of(count + 1));
            prop_assert!(steps.of(most) <= STEPS);
            // Whatever has a colour finds it in the legend.
            let legend = steps.legend();
            prop_assert!(count == 0 || legend.iter().any(|step| step.step == steps.of(count)));
        }
    }
}
