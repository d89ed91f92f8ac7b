//! How a trigger ends of itself: it has fired as often as it may, its schedule names nothing more, or its expiry has come. The room exists so that
//! each end is told once, by whoever sees it: the first two by the plan after which nothing is waited for, the last as of its instant, which may lie long
//! after that plan, and only where it ended something that would have gone on.

use jiff::Timestamp;

use super::{ScheduleDetails, just_before};
use crate::schedule::Schedule;

/// How a trigger ended, and nobody ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It has fired as often as it may.
    Spent,
    /// Its schedule names nothing more.
    Over,
    /// Its expiry has come.
    Expired,
}

impl End {
    /// How one ends that a plan leaves with nothing to wait for, by whether it has fired as often as it may and whether its schedule names more. None
    /// where only its expiry is in the way, which ends it when that has come, and where it was of a single time: its event or its record tells that
    /// it is done.
    pub(crate) fn of_plan(schedule: &ScheduleDetails, is_spent: bool, names_more: bool) -> Option<End> {
        match (schedule.pattern(), is_spent, names_more) {
            (Schedule::Once { .. }, ..) => None,
            (_, true, _) => Some(End::Spent),
            (_, false, false) => Some(End::Over),
            (_, false, true) => None,
        }
    }

    /// Whether it is the expiry at `expires_at` that ends a trigger which says this and which its schedule has fired so often: what can be called
    /// ends with it in any case, and what is scheduled where it would have fired after that.
    pub fn comes_with_expiry(
        schedule: Option<&ScheduleDetails>,
        is_test: bool,
        fired: u64,
        expires_at: Timestamp,
    ) -> bool {
        let Some(schedule) = schedule else { return true };
        let is_spent = schedule.max_fires().is_some_and(|most| fired >= most);
        !is_test && !is_spent && schedule.next_after(just_before(expires_at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::schedule::FirstFiring;
    use crate::schedule::bounds::Bounds;
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;
    use crate::trigger::{MaxFires, Terms};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    /// Every ten seconds from second 10 on, at most three times where that is `limited`, and up to second 100 where it `ends`.
    fn every_ten(limited: bool, ends: bool) -> ScheduleDetails {
        let period = Period::from_seconds(10).expect("a period");
        let pattern = Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater };
        let bounds = Bounds::new(None, ends.then(|| at(0) + SignedDuration::from_secs(100))).expect("an end");
        let max_fires = MaxFires::new(3).filter(|_| limited);
        ScheduleDetails::new(pattern, None, Terms { bounds, max_fires, ..Terms::default() }, Zones::utc())
    }

    #[test]
    fn an_expiry_ends_what_would_have_gone_on() {
        let ends = |schedule: Option<&ScheduleDetails>, fired, expires_at| {
            End::comes_with_expiry(schedule, false, fired, at(expires_at))
        };
        assert!(ends(None, 0, 50), "it could be called until then");
        assert!(ends(Some(&every_ten(false, false)), 0, 50));
        assert!(!End::comes_with_expiry(Some(&every_ten(false, false)), true, 0, at(50)), "a test is never scheduled");
        assert!(ends(Some(&every_ten(true, false)), 2, 50));
        assert!(!ends(Some(&every_ten(true, false)), 3, 50), "it had ended before");
        assert!(ends(Some(&every_ten(false, true)), 0, 50));
        assert!(!ends(Some(&every_ten(false, true)), 0, 200), "its schedule was over before");
        let once = ScheduleDetails::plain(Schedule::Once { at: at(40) }, None);
        assert!(!ends(Some(&once), 0, 50), "its event or its record has told that");
    }

    #[test]
    fn a_plan_ends_what_is_spent_or_over_and_leaves_the_expiry_to_its_instant() {
        let every = every_ten(true, false);
        assert_eq!(End::of_plan(&every, true, true), Some(End::Spent));
        assert_eq!(End::of_plan(&every, true, false), Some(End::Spent));
        assert_eq!(End::of_plan(&every, false, false), Some(End::Over));
        assert_eq!(End::of_plan(&every, false, true), None);
        let once = ScheduleDetails::plain(Schedule::Once { at: at(40) }, None);
        assert_eq!(End::of_plan(&once, false, false), None);
    }
}
