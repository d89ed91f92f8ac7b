//! What oncue says of itself where nobody did anything: a pause or a freeze whose end has come, occurrences of an absence that are put
//! off, and triggers that end (`ended`). Ends follow from time alone, so their lines bear the instant of the end, whenever somebody came to write them down; and what befalls
//! many triggers at once is told together, so that an outage does not crowd out what people did.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Act, Action, Thing, ended};
use crate::freeze::Freeze;
use crate::id::{TriggerId, UserId};
use crate::store::{Planned, Touched};

/// Pauses of so many triggers of one owner that end at one instant have a line each.
const ENDS_APART_MAX: usize = 10;

/// A pause that was over when its end had come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PauseOver {
    /// When it was over.
    pub at: Timestamp,
    /// Whose trigger was paused.
    pub owner: UserId,
    /// The trigger.
    pub trigger: TriggerId,
    /// What it was called.
    pub name: Option<String>,
    /// Why it had been paused.
    pub reason: Option<String>,
}

impl PauseOver {
    fn act(self) -> Act {
        let details = Some(self.reason.map_or_else(|| "its pause was over".to_owned(), over_because));
        let act = Act::new(self.owner, Action::Resumed, Thing::Trigger, Some(self.trigger.0));
        Act { name: self.name, details, ..act }
    }
}

fn over_because(reason: String) -> String {
    format!("its pause was over: {reason}")
}

impl Act {
    /// These pauses were over, and nobody ended them: the instants at which that was, in their order.
    pub fn pauses_over(mut over: Vec<PauseOver>) -> Vec<(Timestamp, Act)> {
        over.sort();
        let together = over.chunk_by(|one, next| (one.at, one.owner) == (next.at, next.owner));
        let told = |over: &[PauseOver]| match over {
            [first, .., last] if over.len() > ENDS_APART_MAX => {
                let details = format!(
                    "the pauses of {} triggers, numbered from {} to {}",
                    over.len(),
                    first.trigger,
                    last.trigger
                );
                let act = Act::new(first.owner, Action::Resumed, Thing::Trigger, None);
                vec![(first.at, Act { details: Some(format!("{details}, were over")), ..act })]
            }
            few => few.iter().map(|one| (one.at, one.clone().act())).collect(),
        };
        together.flat_map(told).collect()
    }

    /// A freeze was over, and nobody ended it.
    pub fn freeze_over(freeze: &Freeze) -> Act {
        let over = "its end had come".to_owned();
        let details = freeze.reason.as_ref().map_or_else(|| over.clone(), |reason| format!("{over}: {reason}"));
        Act { details: Some(details), ..Act::of_freeze(freeze, Action::Thawed) }
    }

    /// What there is to tell of these plans, which were carried out together ([`Planned::is_told`]): what they put off, and what ends with them.
    pub fn of_plans<'a>(plans: impl IntoIterator<Item = &'a Planned>) -> Vec<Act> {
        // What fires alone comes last, as it does where it is a transaction of its own.
        let (alone, among_others): (Vec<_>, Vec<_>) = plans.into_iter().partition(|planned| planned.fires_alone());
        let lines = |plans: Vec<&Planned>| Act::put_off(&plans).into_iter().chain(ended::by_plans(&plans));
        [among_others, alone].into_iter().flat_map(lines).collect()
    }

    /// A line for each owner, and one for what is held.
    fn put_off(plans: &[&Planned]) -> Vec<Act> {
        let mut laid_up: BTreeMap<(UserId, bool), Touched> = BTreeMap::new();
        for planned in plans {
            for put_off in &planned.plan.put_off {
                let touched = laid_up.entry((planned.trigger.owner, put_off.is_held)).or_default();
                touched.backlogs += 1;
                touched.occurrences += put_off.count;
                touched.trigger = Some(planned.trigger.id);
                touched.name.clone_from(&planned.trigger.definition.name);
            }
        }
        let act = |((owner, is_held), touched): ((UserId, bool), Touched)| {
            Act::backlogs(owner, if is_held { Action::Held } else { Action::PutOff }, &touched)
        };
        laid_up.into_iter().filter_map(act).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(second: i64, owner: i64, trigger: i64, reason: Option<&str>) -> PauseOver {
        PauseOver {
            at: Timestamp::from_second(second).expect("in range"),
            owner: UserId(owner),
            trigger: TriggerId(trigger),
            name: Some(format!("t{trigger}")),
            reason: reason.map(str::to_owned),
        }
    }

    fn told(over: Vec<PauseOver>) -> Vec<(i64, i64, Option<i64>, String)> {
        let line = |(at, act): (Timestamp, Act)| {
            assert_eq!((act.action, act.thing), (Action::Resumed, Thing::Trigger));
            let owner = act.owner.expect("somebody's").0;
            (at.as_second(), owner, act.id, act.details.expect("words"))
        };
        Act::pauses_over(over).into_iter().map(line).collect()
    }

    #[test]
    fn a_pause_that_was_over_is_told_as_of_its_end_and_with_its_reason() {
        let words = |text: &str| text.to_owned();
        assert_eq!(
            told(vec![over(9, 1, 4, None), over(7, 2, 3, Some("moving")), over(9, 1, 2, None)]),
            [
                (7, 2, Some(3), words("its pause was over: moving")),
                (9, 1, Some(2), words("its pause was over")),
                (9, 1, Some(4), words("its pause was over")),
            ]
        );
    }

    #[test]
    fn many_that_were_over_at_one_instant_are_one_line_of_each_owner() {
        let mut all: Vec<PauseOver> = (1..=11).map(|trigger| over(9, 1, trigger, None)).collect();
        all.extend((20..30).map(|trigger| over(9, 2, trigger, None)));
        let told = told(all);
        let [first, rest @ ..] = told.as_slice() else { panic!("there are lines") };
        let words = "the pauses of 11 triggers, numbered from 1 to 11, were over".to_owned();
        assert_eq!(*first, (9, 1, None, words));
        assert_eq!((rest.len(), rest[0].2), (10, Some(20)), "ten have a line each");
    }
}
