//! What is done once under keys, of which there are few, so that most of them are met again.

use jiff::Timestamp;
use oncue_domain::event::Event;
use oncue_domain::id::{EventId, MessageId, TriggerId, UserId};
use oncue_domain::idempotency::{Answer, Key, Keyed, Outcome as Came, Print};
use oncue_domain::store::{Begun, Call, Deed, Done, Fired, FiredAgain, NewTrigger, Repeat, Store};

use super::operation::{call, new_trigger, trigger};
use super::side::{Outcome, told};
use super::{Chance, Known};

/// Something is to happen once.
#[derive(Clone, Debug)]
pub(super) struct Once {
    pub(super) owner: UserId,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Fire(Vec<(Keyed, TriggerId, Call)>),
    /// The event at this place.
    FireAgain(Keyed, usize, MessageId),
    Make(Vec<(Keyed, NewTrigger)>),
    Recall(Key),
    Begin(Keyed),
    End(Keyed, Option<Answer>),
}

impl Once {
    pub(super) fn method(&self) -> &'static str {
        match self.what {
            What::Fire(_) | What::FireAgain(..) | What::Make(_) => "once",
            What::Recall(_) => "recall",
            What::Begin(_) => "begin_once",
            What::End(..) => "end_once",
        }
    }

    pub(super) fn draw(chance: &mut Chance, known: &Known, owner: UserId) -> Once {
        let count = chance.pick(&[0, 1, 1, 1, 2, 4]);
        match chance.below(12) {
            0..4 => {
                let (owner, first) = trigger(chance, known);
                let mut calls = Vec::new();
                for keyed in some(chance, count) {
                    let id = if chance.once_in(3) { trigger(chance, known).1 } else { first };
                    calls.push((keyed, id, call(chance, known)));
                }
                Once { owner, what: What::Fire(calls) }
            }
            4 => {
                let what = What::FireAgain(keyed(chance, 0), chance.below(40), known.message());
                Once { owner, what }
            }
            5..8 => {
                let keys = some(chance, count);
                let made = keys.into_iter().map(|keyed| (keyed, new_trigger(chance, known, owner))).collect();
                Once { owner, what: What::Make(made) }
            }
            8 => Once { owner, what: What::Recall(key(chance)) },
            9 | 10 => Once { owner, what: What::Begin(keyed(chance, 0)) },
            _ => {
                let body = chance.pick(&[None, Some(Vec::new()), Some(b"{\"n\": 1}".to_vec())]);
                let answer = chance.pick(&[None, Some(Answer { status: 201, body })]);
                Once { owner, what: What::End(keyed(chance, 0), answer) }
            }
        }
    }

    /// Does it, where `events` are all of the owner's, oldest first; places count from the newest.
    pub(super) async fn run(&self, store: &dyn Store, events: &[Event], now: Timestamp) -> Outcome {
        let owner = self.owner;
        let deeds = match self.what.clone() {
            What::Fire(calls) => calls.into_iter().map(|(keyed, id, call)| (keyed, Deed::Fire(id, call))).collect(),
            What::FireAgain(keyed, place, message_id) => {
                let event = events.iter().rev().nth(place).map_or(EventId(999_999), |event| event.id);
                let gone_until = super::again::RETENTION.gone_until(now);
                vec![(keyed, Deed::FireAgain { repeat: Repeat { event, checked: None, message_id }, gone_until })]
            }
            What::Make(made) => made.into_iter().map(|(keyed, new)| (keyed, Deed::Make(Box::new(new)))).collect(),
            What::Recall(key) => {
                let mut found = store.recall(owner, &key, now).await;
                found.iter_mut().flatten().for_each(|one| without_number(&mut one.outcome));
                return told(found, |found| !found.is_empty());
            }
            What::Begin(keyed) => {
                let mut begun = store.begin_once(owner, keyed, now).await;
                if let Ok(Begun::Before(before)) = &mut begun {
                    without_number(&mut before.outcome);
                }
                return told(begun, |begun| *begun == Begun::Now);
            }
            What::End(keyed, answer) => return told(store.end_once(owner, keyed, answer).await, |()| true),
        };
        let is_making = matches!(self.what, What::Make(_));
        let done = store.once(owner, deeds, now).await;
        let trigger = done.iter().rev().find_map(|done| match done {
            Ok(Done::Made(made)) => made.ok(),
            _ => None,
        });
        let seen: Vec<_> = done.into_iter().map(|done| done.map(|done| unnumbered(done, is_making))).collect();
        let did_something = |done: &Vec<oncue_domain::store::Result<Done>>| {
            done.iter().flatten().any(|done| matches!(done, Done::Before { .. }))
        };
        let mut outcome = told(Ok(seen), did_something);
        outcome.trigger = trigger;
        outcome
    }
}

/// The numbers of events only promise to ascend; those of triggers are the same everywhere.
fn unnumbered(done: Done, is_making: bool) -> Done {
    match done {
        Done::Fired(Fired::Event(_)) => Done::Fired(Fired::Event(EventId(0))),
        Done::FiredAgain(FiredAgain::Event(_)) => Done::FiredAgain(FiredAgain::Event(EventId(0))),
        Done::Before { at, .. } if !is_making => Done::Before { number: 0, at },
        done => done,
    }
}

fn without_number(outcome: &mut Came) {
    if let Came::Made(number) = outcome {
        *number = 0;
    }
}

fn key(chance: &mut Chance) -> Key {
    Key::parse(chance.pick(&["a", "b", "C", "~"]).as_bytes()).expect("a key")
}

fn keyed(chance: &mut Chance, item: u32) -> Keyed {
    let said = chance.pick(&["the same", "the same", "the same", "another"]);
    Keyed { key: key(chance), item, print: Print::of(&[said.as_bytes()]) }
}

/// The items of one call.
fn some(chance: &mut Chance, count: u32) -> Vec<Keyed> {
    let first = keyed(chance, 0);
    (0..count).map(|item| Keyed { item, ..first.clone() }).collect()
}
