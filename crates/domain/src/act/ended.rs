//! The lines of triggers that ended of themselves: with the plan after which nothing is waited for, or when their expiry had come. Many that end
//! together share one, so that the end of a fleet does not crowd out what people did.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Act, Action, Thing};
use crate::id::{TriggerId, UserId};
use crate::store::Planned;
use crate::trigger::End;

/// So many triggers of one owner that end together have a line each.
const ENDS_APART_MAX: usize = 10;

/// A trigger that ended because its expiry had come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpiryOver {
    /// When that was.
    pub at: Timestamp,
    /// Whose trigger it is.
    pub owner: UserId,
    /// The trigger.
    pub trigger: TriggerId,
    /// What it was called.
    pub name: Option<String>,
}

/// Some trigger that ended.
struct Ended {
    id: TriggerId,
    name: Option<String>,
    /// How often it may fire, where that is what ended it.
    most: Option<u64>,
}

impl Ended {
    fn act(self, owner: UserId, end: End) -> Act {
        let details = match (end, self.most) {
            (End::Spent, Some(1)) => "it has fired as often as it may: once".to_owned(),
            (End::Spent, Some(most)) => format!("it has fired as often as it may: {most} times"),
            (End::Spent, None) => "it has fired as often as it may".to_owned(),
            (End::Over, _) => "its schedule names nothing more".to_owned(),
            (End::Expired, _) => "its expiry had come".to_owned(),
        };
        let act = Act::new(owner, Action::Ended, Thing::Trigger, Some(self.id.0));
        Act { name: self.name, details: Some(details), ..act }
    }
}

/// A line for each, or one where they are many. They ascend.
fn told(owner: UserId, end: End, ended: Vec<Ended>) -> Vec<Act> {
    let [first, .., last] = ended.as_slice() else {
        return ended.into_iter().map(|one| one.act(owner, end)).collect();
    };
    if ended.len() <= ENDS_APART_MAX {
        return ended.into_iter().map(|one| one.act(owner, end)).collect();
    }
    let which = format!("{} triggers, numbered from {} to {}", ended.len(), first.id, last.id);
    let details = match end {
        End::Spent => format!("{which}, have fired as often as they may"),
        End::Over => format!("the schedules of {which}, name nothing more"),
        End::Expired => format!("the expiry of {which}, had come"),
    };
    vec![Act { details: Some(details), ..Act::new(owner, Action::Ended, Thing::Trigger, None) }]
}

/// What these plans end, which were carried out together.
pub(super) fn by_plans(plans: &[&Planned]) -> Vec<Act> {
    let mut ended: BTreeMap<(UserId, End), BTreeMap<TriggerId, Ended>> = BTreeMap::new();
    for planned in plans {
        let Some(end) = planned.plan.end else { continue };
        let trigger = &planned.trigger;
        let most = trigger.definition.left(0);
        let one = Ended { id: trigger.id, name: trigger.definition.name.clone(), most };
        ended.entry((trigger.owner, end)).or_default().insert(trigger.id, one);
    }
    let told = |((owner, end), ended): (_, BTreeMap<_, _>)| told(owner, end, ended.into_values().collect());
    ended.into_iter().flat_map(told).collect()
}

impl Act {
    /// These triggers ended with their expiry: the instants at which that was, in their order.
    pub fn expiries_over(mut over: Vec<ExpiryOver>) -> Vec<(Timestamp, Act)> {
        over.sort();
        let together = over.chunk_by(|one, next| (one.at, one.owner) == (next.at, next.owner));
        let lines = |over: &[ExpiryOver]| {
            let Some(ExpiryOver { at, owner, .. }) = over.first().cloned() else { return Vec::new() };
            let ended = over.iter().map(|one| Ended { id: one.trigger, name: one.name.clone(), most: None });
            told(owner, End::Expired, ended.collect()).into_iter().map(|act| (at, act)).collect()
        };
        together.flat_map(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::Plan;
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Definition, MaxFires, ScheduleDetails, Terms, Trigger};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn planned(owner: i64, trigger: i64, most: u64, end: Option<End>) -> Planned {
        let period = Period::from_seconds(10).expect("a period");
        let pattern = Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater };
        let terms = Terms { max_fires: MaxFires::new(most), ..Terms::default() };
        let trigger = Trigger {
            id: TriggerId(trigger),
            owner: UserId(owner),
            revision: 1,
            definition: Definition {
                name: Some(format!("t{trigger}")),
                schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())),
                payload: None,
                payload_schema: None,
                webhook: None,
                destinations: Vec::new(),
                expects: None,
                overlap: crate::overlap::Overlap::Allow,
                is_test: false,
                enabled: true,
                pause: None,
                expires_at: None,
            },
            created_at: at(0),
            standing_since: at(0),
        };
        let plan = Plan { end, ..Plan::default() };
        Planned { trigger: Arc::new(trigger), armed: at(10), plan, message_ids: Vec::new(), edition: 0 }
    }

    /// Whose, of what and in which words.
    fn lines(acts: &[Act]) -> Vec<(i64, Option<i64>, &str)> {
        assert!(acts.iter().all(|act| (act.action, act.thing) == (Action::Ended, Thing::Trigger)));
        let owner = |act: &Act| act.owner.expect("somebody's").0;
        acts.iter().map(|act| (owner(act), act.id, act.details.as_deref().expect("words"))).collect()
    }

    #[test]
    fn each_that_a_plan_ends_is_told_with_the_reason_and_nobody_else() {
        let plans = [
            planned(2, 5, 1, Some(End::Spent)),
            planned(1, 4, 7, Some(End::Spent)),
            planned(1, 9, 7, None),
            planned(1, 3, 7, Some(End::Over)),
        ];
        let told = Act::of_plans(&plans);
        assert_eq!(
            lines(&told),
            [
                (1, Some(4), "it has fired as often as it may: 7 times"),
                (1, Some(3), "its schedule names nothing more"),
                (2, Some(5), "it has fired as often as it may: once"),
            ]
        );
        assert_eq!(told[0].name.as_deref(), Some("t4"));
    }

    #[test]
    fn many_that_end_together_are_one_line_of_each_owner() {
        let many = (1..=11).map(|id| planned(1, id, 2, Some(End::Spent)));
        let few = (20..30).map(|id| planned(2, id, 2, Some(End::Spent)));
        let plans: Vec<Planned> = many.chain(few).collect();
        let told = Act::of_plans(&plans);
        let told = lines(&told);
        assert_eq!(told[0], (1, None, "11 triggers, numbered from 1 to 11, have fired as often as they may"));
        assert_eq!((told.len(), told[1].1), (11, Some(20)), "ten have a line each");
    }

    #[test]
    fn an_expiry_is_told_as_of_its_instant_and_those_of_one_instant_together() {
        let over = |second, owner, trigger| ExpiryOver {
            at: at(second),
            owner: UserId(owner),
            trigger: TriggerId(trigger),
            name: Some(format!("t{trigger}")),
        };
        let mut all: Vec<ExpiryOver> = (1..=12).map(|trigger| over(9, 1, trigger)).collect();
        all.extend([over(9, 2, 30), over(7, 2, 31)]);
        let told = Act::expiries_over(all);
        let (instants, acts): (Vec<Timestamp>, Vec<Act>) = told.into_iter().unzip();
        assert_eq!(instants, [at(7), at(9), at(9)]);
        assert_eq!(
            lines(&acts),
            [
                (2, Some(31), "its expiry had come"),
                (1, None, "the expiry of 12 triggers, numbered from 1 to 12, had come"),
                (2, Some(30), "its expiry had come"),
            ]
        );
    }
}
