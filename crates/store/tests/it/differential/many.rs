//! Triggers that are made together and calls that are made together, right ones and wrong ones mixed.

use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{Call, Fired, NewTrigger, Store};

use super::operation::{call, new_trigger, trigger};
use super::side::{Outcome, told};
use super::{Chance, Known};

/// Much is to happen at once.
#[derive(Clone, Debug)]
pub(super) enum Many {
    Create(UserId, Vec<NewTrigger>),
    Fire(UserId, Vec<(TriggerId, Call)>),
}

impl Many {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Many::Create(..) => "create_triggers",
            Many::Fire(..) => "fire_many",
        }
    }

    /// Some triggers of one owner.
    pub(super) fn creation(chance: &mut Chance, known: &Known, owner: UserId) -> Many {
        let count = chance.pick(&[0, 1, 2, 5]);
        Many::Create(owner, (0..count).map(|_| new_trigger(chance, known, owner)).collect())
    }

    /// Calls by one owner; of triggers of others, and of none, now and then.
    pub(super) fn firing(chance: &mut Chance, known: &Known) -> Many {
        let (owner, first) = trigger(chance, known);
        let count = chance.pick(&[0, 1, 3, 9]);
        let mut calls = Vec::new();
        for _ in 0..count {
            let id = if chance.once_in(3) { trigger(chance, known).1 } else { first };
            calls.push((id, call(chance, known)));
        }
        Many::Fire(owner, calls)
    }

    pub(super) async fn run(self, store: &dyn Store, now: jiff::Timestamp) -> Outcome {
        match self {
            Many::Create(_, new) => {
                let made = store.create_triggers(new, now).await;
                let trigger = made.iter().rev().find_map(|made| made.as_ref().ok()?.ok());
                let mut outcome = told(Ok(made), |made| made.iter().any(|made| matches!(made, Ok(Ok(_)))));
                outcome.trigger = trigger;
                outcome
            }
            Many::Fire(owner, calls) => {
                let fired = store.fire_many(owner, calls, now).await;
                let without_numbers = fired.into_iter().map(|fired| match fired {
                    Ok(Fired::Event(_)) => Ok(Fired::Event(EventId(0))),
                    other => other,
                });
                let fired: Vec<_> = without_numbers.collect();
                told(Ok(fired), |fired| fired.iter().any(|fired| matches!(fired, Ok(Fired::Event(_)))))
            }
        }
    }
}
