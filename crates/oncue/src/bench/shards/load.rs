//! What triggers ask of the database that has them, as numbers that can be added up. Whole numbers, so that sums do not depend
//! on their order.

use std::ops::AddAssign;

/// How much there is, and how much of it happens when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// How many triggers.
    pub(super) triggers: u64,
    /// How often they fire in a day, all together.
    pub(super) fires_a_day: u64,
    /// How many of them are due at the instant of one full hour.
    pub(super) at_full_hour: u64,
    /// How many of them are due at the instant of any other full minute.
    pub(super) at_full_minute: u64,
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        self.triggers += other.triggers;
        self.fires_a_day += other.fires_a_day;
        self.at_full_hour += other.at_full_hour;
        self.at_full_minute += other.at_full_minute;
    }
}
