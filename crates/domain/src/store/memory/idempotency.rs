//! Keys in the reference model: what was done under them, until it is forgotten.

use jiff::Timestamp;

use super::Kept;
use crate::actor::{Actor, Author};
use crate::id::UserId;
use crate::idempotency::{ANSWERS_MAX, Answer, Key, Keyed, Outcome, Print, Remembered, forgotten_until};
use crate::store::{Begun, Deed, Done};

impl Kept {
    pub(super) fn once(
        &mut self,
        owner: UserId,
        keyed: &Keyed,
        deed: Deed,
        author: Option<&Author>,
        now: Timestamp,
    ) -> Done {
        if let Some(remembered) = self.recall(owner, &keyed.key, now).iter().find(|one| one.item == keyed.item) {
            return Done::before(remembered, &keyed.print);
        }
        let done = match deed {
            Deed::Fire(id, call) => Done::Fired(self.fire(owner, id, &call, author, now)),
            Deed::FireAgain { repeat, gone_until } => {
                Done::FiredAgain(self.fire_again(owner, repeat, gone_until, author, now))
            }
            Deed::Make(new) => {
                let by = author.map_or(Actor::SYSTEM, |author| author.by.clone());
                Done::Made(self.create_trigger(*new, by, now).map(|armed| armed.trigger.id))
            }
        };
        if let Some(number) = done.made_now() {
            self.remember(owner, keyed, Outcome::Made(number), now);
        }
        done
    }

    /// What is remembered of a key, by item.
    pub(super) fn recall(&self, owner: UserId, key: &Key, now: Timestamp) -> Vec<Remembered> {
        let forgotten = forgotten_until(now);
        let of_key = (owner, key.clone(), 0)..=(owner, key.clone(), u32::MAX);
        self.remembered.range(of_key).map(|(_, one)| one.clone()).filter(|one| one.at > forgotten).collect()
    }

    pub(super) fn begin_once(&mut self, owner: UserId, keyed: &Keyed, now: Timestamp) -> Begun {
        if let Some(remembered) = self.recall(owner, &keyed.key, now).into_iter().find(|one| one.item == keyed.item) {
            return Begun::Before(remembered);
        }
        let forgotten = forgotten_until(now);
        let is_answer = |one: &Remembered| one.at > forgotten && !matches!(one.outcome, Outcome::Made(_));
        let all = self.remembered.iter().filter(|((whose, ..), _)| *whose == owner);
        if all.filter(|(_, one)| is_answer(one)).count() >= ANSWERS_MAX {
            return Begun::Full;
        }
        self.remember(owner, keyed, Outcome::Underway, now);
        Begun::Now
    }

    pub(super) fn end_once(&mut self, owner: UserId, keyed: &Keyed, answer: Option<Answer>) {
        let place = (owner, keyed.key.clone(), keyed.item);
        let Some(one) = self.remembered.get_mut(&place).filter(|one| is_underway(one, &keyed.print)) else { return };
        match answer {
            Some(answer) => one.outcome = Outcome::Answered(answer),
            None => drop(self.remembered.remove(&place)),
        }
    }

    pub(super) fn expire_remembered(&mut self, now: Timestamp) {
        let forgotten = forgotten_until(now);
        self.remembered.retain(|_, one| one.at > forgotten);
    }

    fn remember(&mut self, owner: UserId, keyed: &Keyed, outcome: Outcome, at: Timestamp) {
        let one = Remembered { item: keyed.item, print: keyed.print, at, outcome };
        self.remembered.insert((owner, keyed.key.clone(), keyed.item), one);
    }
}

fn is_underway(one: &Remembered, print: &Print) -> bool {
    one.print == *print && one.outcome == Outcome::Underway
}
