//! Numbers for drawings. Shares of the width are percentages, heights are pixels; both are written with at most two digits
//! after the point, which is finer than any screen.

use std::fmt;

use jiff::Timestamp;

/// A coordinate.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(super) struct Num(pub(super) f64);

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round();
        // Adding zero turns a minus zero into a plain one.
        write!(f, "{}", hundredths / 100.0 + 0.0)
    }
}

impl askama::filters::HtmlSafe for Num {}

/// How far along a stretch of time an instant lies, in percent of its length.
pub(super) fn share(instant: Timestamp, from: Timestamp, until: Timestamp) -> f64 {
    let length = until.duration_since(from).as_secs_f64();
    if length <= 0.0 { 0.0 } else { instant.duration_since(from).as_secs_f64() / length * 100.0 }
}

/// The top of an axis for counts up to this: round, so that it can be read, and near, so that columns are tall.
pub(super) fn top(count: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        for step in [1, 2, 4, 6, 8] {
            match unit.checked_mul(step) {
                Some(top) if top >= count => return top,
                Some(_) => {}
                None => return u64::MAX,
            }
        }
        match unit.checked_mul(10) {
            Some(next) => unit = next,
            None => return u64::MAX,
        }
    }
}

/// How much of a height a count takes.
#[expect(clippy::cast_precision_loss, reason = "a pixel is coarser than any rounding")]
pub(super) fn height(count: u64, top: u64, full: f64) -> f64 {
    if top == 0 { 0.0 } else { count as f64 / top as f64 * full }
}

/// A word at the side of a drawing.
#[derive(Clone, Debug)]
pub(super) struct SideLabel {
    pub(super) y: Num,
    pub(super) text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_coordinate_is_short() {
        for (value, text) in [(0.0, "0"), (-0.0, "0"), (12.5, "12.5"), (33.333_333, "33.33"), (-0.001, "0")] {
            assert_eq!(Num(value).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn the_top_of_an_axis_is_above_every_count_and_not_far_above(count in 1_u64..=u64::MAX) {
            let top = top(count);
            prop_assert!(top >= count);
            prop_assert!(top <= count.saturating_mul(2));
        }

        #[test]
        fn no_column_is_taller_than_its_axis(count in any::<u64>(), full in 1.0_f64..500.0) {
            let drawn = height(count, top(count), full);
            prop_assert!((0.0..=full + 0.001).contains(&drawn));
        }
    }
}
