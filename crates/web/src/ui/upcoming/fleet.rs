//! The triggers that the page looks at, and what they will do: read slice by slice, foretold away from the runtime. Nothing
//! that a page says but the words for what keeps a trigger from firing.

use jiff::Timestamp;
use oncue_domain::agenda::{Agenda, Firing, Place, Question, Waiting, earliest_from};
use oncue_domain::freeze::{Freeze, seen_through};
use oncue_domain::id::UserId;
use oncue_domain::store::{self, Store};
use oncue_domain::trigger::TriggerHead;

use crate::ui::condition::Condition;

/// How many triggers are looked at.
pub(super) const TRIGGERS_MAX: usize = 5_000;

/// Triggers that will not fire by themselves, by what keeps them from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Still {
    pub(super) word: &'static str,
    pub(super) count: u64,
}

impl Still {
    pub(super) fn words(&self) -> &'static str {
        match self.word {
            "ready" => "fired by calls",
            "test" => "only tests",
            word => word,
        }
    }

    /// What the list of triggers is asked for them.
    pub(super) fn query(&self) -> String {
        match self.word {
            "ready" => "kind=api".to_owned(),
            word => format!("state={word}"),
        }
    }
}

/// The triggers of an owner, as far as this page looks.
pub(super) struct Fleet {
    pub(super) triggers: Vec<TriggerHead>,
    pub(super) has_more: bool,
}

impl Fleet {
    pub(super) async fn of(store: &dyn Store, owner: UserId) -> store::Result<Fleet> {
        let mut triggers = store.trigger_heads(owner, TRIGGERS_MAX + 1).await?;
        let has_more = triggers.len() > TRIGGERS_MAX;
        triggers.truncate(TRIGGERS_MAX);
        Ok(Fleet { triggers, has_more })
    }

    /// How many will not fire by themselves, and why.
    pub(super) fn still(&self, freezes: &[Freeze], now: Timestamp) -> Vec<Still> {
        let mut still: Vec<Still> = Vec::new();
        let fires_yet = |head: &TriggerHead| seen_through(head.clone(), freezes, now).next_at.is_some();
        for head in &self.triggers {
            let word = match Condition::of(head, false, freezes, now) {
                Condition::Frozen if fires_yet(head) => continue,
                condition => condition.word(),
            };
            match still.iter_mut().find(|still| still.word == word) {
                Some(still) => still.count += 1,
                None => still.push(Still { word, count: 1 }),
            }
        }
        still.retain(|still| still.word != Condition::Waiting.word());
        still.sort_by_key(|still| (std::cmp::Reverse(still.count), still.word));
        still
    }
}

/// An agenda, and the first firing after it where it is empty; their indices are those of `triggers`.
pub(super) struct Foretold {
    pub(super) triggers: Vec<TriggerHead>,
    pub(super) agenda: Agenda,
    pub(super) beyond: Option<Firing>,
}

impl Foretold {
    pub(super) fn of(mut triggers: Vec<TriggerHead>, question: Question) -> Foretold {
        triggers.retain(|head| Waiting::of(head, question.now).is_some());
        let all: Vec<Waiting> = triggers.iter().filter_map(|head| Waiting::of(head, question.now)).collect();
        let agenda = Agenda::of(&all, question);
        let is_empty = agenda.total == 0;
        let beyond = is_empty.then(|| earliest_from(&all, question.span.until, question.now)).flatten();
        Foretold { triggers, agenda, beyond }
    }

    /// The place behind the last line.
    pub(super) fn end(&self) -> Option<Place> {
        let last = self.agenda.firings.last().filter(|_| self.agenda.has_more)?;
        Some(Place { at: last.at, id: self.triggers[last.which].id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oncue_domain::access::Registration;
    use oncue_domain::agenda::Span;
    use oncue_domain::schedule::every::Period;
    use oncue_domain::schedule::{FirstFiring, Schedule};
    use oncue_domain::store::memory::Memory;
    use oncue_domain::store::{NewTrigger, NewUser, Registered};
    use oncue_domain::trigger::{Definition, ScheduleDetails};

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().expect("an instant")
    }

    async fn owner(store: &Memory, email: &str) -> UserId {
        let user = NewUser { email: email.to_owned(), password_hash: String::new() };
        match store.register(user, Registration::Open, now()).await {
            Ok(Registered::Done(user)) => user.id,
            other => panic!("a user was not made: {other:?}"),
        }
    }

    async fn make(store: &Memory, owner: UserId, change: impl FnOnce(&mut Definition)) {
        let period = Period::from_seconds(3_600).expect("a period");
        let schedule = Schedule::Every { period, anchor: now(), first: FirstFiring::OnePeriodLater };
        let mut definition = Definition {
            name: None,
            schedule: Some(ScheduleDetails::plain(schedule, None)),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: oncue_domain::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        change(&mut definition);
        let next_at = definition.next_after(now());
        let trigger = NewTrigger { owner, definition, next_at, test_event: None };
        store.create_trigger(trigger, now()).await.expect("the model always works").expect("a trigger");
    }

    #[tokio::test]
    async fn all_triggers_of_the_owner_and_nobody_elses_are_looked_at() {
        let store = Memory::new(false);
        let (ada, bob) = (owner(&store, "ada@example.com").await, owner(&store, "bob@example.com").await);
        for _ in 0..3 {
            make(&store, ada, |_| ()).await;
        }
        make(&store, bob, |_| ()).await;
        let fleet = Fleet::of(&store, ada).await.expect("the model always works");
        assert_eq!((fleet.triggers.len(), fleet.has_more), (3, false));
        assert!(fleet.triggers.iter().all(|head| head.id.0 <= 3));
    }

    #[tokio::test]
    async fn what_will_not_fire_is_counted_by_what_keeps_it_and_not_foretold() {
        let store = Memory::new(false);
        let ada = owner(&store, "ada@example.com").await;
        make(&store, ada, |definition| definition.enabled = false).await;
        make(&store, ada, |definition| definition.enabled = false).await;
        make(&store, ada, |definition| definition.schedule = None).await;
        make(&store, ada, |definition| definition.expires_at = Some(now())).await;
        make(&store, ada, |_| ()).await;
        let fleet = Fleet::of(&store, ada).await.expect("the model always works");
        let still: Vec<_> = fleet.still(&[], now()).into_iter().map(|still| (still.words(), still.count)).collect();
        assert_eq!(still, [("paused", 2), ("expired", 1), ("fired by calls", 1)]);
        let span = Span { from: now(), until: now() + SignedDuration::from_hours(24) };
        let question = Question { now: now(), span, after: None, firings_max: 20 };
        let foretold = Foretold::of(fleet.triggers, question);
        assert_eq!((foretold.triggers.len(), foretold.agenda.total), (1, 23));
        let end = foretold.end().expect("three are left");
        assert_eq!(end.at, now() + SignedDuration::from_hours(20));
        assert_eq!(foretold.beyond, None, "the span is not empty");
    }
}
