//! Brings backlogs to their end: late occurrences become events a slice at a time, and only while nothing fresh is due. A round has a
//! budget, the owners who wait share it, and each of an owner's backlogs has its turn; so a hundred thousand late ones cost those on
//! time next to nothing. How many a backlog gives at once grows while its receivers keep up and shrinks while they do not: a fresh event
//! finds few late ones in front of it, however slow the receiver is. What a slice is, is decided in `domain::backlog`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::backlog::{Backlog, Drained, ROUND_MAX};
use oncue_domain::clock::Clock;
use oncue_domain::id::{BacklogId, Ids, UserId};
use oncue_domain::store::{Result, Store};
use oncue_domain::trigger::Trigger;

use crate::work::Tally;

/// How many owners share a round.
const OWNERS_MAX: usize = 16;

/// Among how many of an owner's backlogs one is looked for whose receivers are ready.
const ROWS_MAX: usize = 8;

/// How many of a backlog fire at once at first, and while its receivers do not keep up.
const SLICE_MIN: usize = 4;

/// How many backlogs are remembered with what they give at once.
const SLICES_KEPT: usize = 4_096;

/// How often it is looked for backlogs that have waited for too long.
const OLD_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How often it is looked for backlogs that are held while their triggers expire; those that nobody holds end when it is their turn.
const EXPIRED_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Something is left that nobody holds: look again after the pause between two rounds.
    More,
    /// Something fresh is due, which comes first: look again soon.
    Fresh,
    /// All that is left is frozen, or cannot be read: look again after a while.
    Frozen,
    /// Nothing is left: look again when something was laid up or released.
    Nothing,
}

/// Turns late occurrences into events.
pub struct Drainer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    tally: Arc<Tally>,
    /// How many of a backlog fire at once.
    slices: HashMap<BacklogId, usize>,
    /// The owner who had a turn last.
    after: Option<UserId>,
    /// Whether all who had a turn since the first are frozen, or nothing of theirs can be read: then nothing moves, however many they are.
    is_circle_frozen: bool,
    /// When it was looked for old ones last, and for those of expired triggers.
    looked_at: (Option<Timestamp>, Option<Timestamp>),
}

impl Drainer {
    /// One that has done nothing yet.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<Ids>, tally: Arc<Tally>) -> Drainer {
        let (slices, looked_at) = (HashMap::new(), (None, None));
        Drainer { store, clock, ids, tally, slices, after: None, is_circle_frozen: true, looked_at }
    }

    /// Carries out one round and says when to look again.
    ///
    /// # Errors
    /// When the store cannot answer; then the slice at hand has not happened.
    pub async fn tick(&mut self) -> Result<Found> {
        let now = self.clock.now();
        self.end_what_is_over(now).await?;
        let mut turns = self.store.backlog_turns(self.after, OWNERS_MAX, ROWS_MAX).await?;
        if turns.until.is_none() && self.after.take().is_some() {
            // All have had their turns, and the first is next again.
            if std::mem::replace(&mut self.is_circle_frozen, true) {
                return Ok(Found::Frozen);
            }
            turns = self.store.backlog_turns(None, OWNERS_MAX, ROWS_MAX).await?;
        }
        let Some(until) = turns.until else {
            self.slices.clear();
            return Ok(Found::Nothing);
        };
        let (due, freezes) = (self.store.next_due().await?, self.store.freezes(now).await?);
        let owners = by_owner(turns.backlogs);
        let share = (ROUND_MAX / owners.len().max(1)).max(1);
        for rows in owners {
            if due.is_some_and(|due| due <= self.clock.now()) {
                return Ok(Found::Fresh);
            }
            self.after = rows.first().map(|(backlog, _)| backlog.owner);
            // What is frozen waits on, and takes nobody's turn.
            if self.after.is_some_and(|owner| freezes.hold_back(owner, now)) {
                continue;
            }
            self.is_circle_frozen = false;
            self.give_turn(rows, share, freezes.edition).await?;
        }
        // Beyond those of whom nothing can be read, too.
        self.after = Some(until);
        Ok(Found::More)
    }

    /// Ends what has waited for too long, and what is held while its trigger has expired.
    async fn end_what_is_over(&mut self, now: Timestamp) -> Result<()> {
        let is_time = |last: Option<Timestamp>, every| last.is_none_or(|at| now.duration_since(at).abs() >= every);
        let mut ended = 0;
        if is_time(self.looked_at.0, OLD_EVERY) {
            ended += self.store.discard_old_backlogs(now).await?.occurrences;
            self.looked_at.0 = Some(now);
        }
        if is_time(self.looked_at.1, EXPIRED_EVERY) {
            ended += self.store.expire_backlogs(None, now).await?.occurrences;
            self.looked_at.1 = Some(now);
        }
        metrics::counter!("oncue_skipped_occurrences_total").increment(ended);
        Ok(())
    }

    /// Takes a slice of the first of an owner's backlogs whose receivers are ready, or ends one whose trigger has expired.
    async fn give_turn(&mut self, rows: Vec<(Backlog, Arc<Trigger>)>, share: usize, edition: i64) -> Result<()> {
        for (backlog, trigger) in rows {
            let now = self.clock.now();
            if !trigger.definition.lives_at(now) {
                let expired = self.store.expire_backlogs(Some(backlog.id), now).await?;
                metrics::counter!("oncue_skipped_occurrences_total").increment(expired.occurrences);
                return Ok(());
            }
            if backlog.is_busy {
                self.slices.insert(backlog.id, SLICE_MIN);
                continue;
            }
            let most = self.slices.get(&backlog.id).copied().unwrap_or(SLICE_MIN).min(share);
            let slice = backlog.slice(&trigger, most);
            let message_ids = slice.firings.iter().map(|_| self.ids.message(now)).collect();
            let (id, origin) = (backlog.id, backlog.source.origin());
            let drained = Drained { backlog, trigger, slice, message_ids, edition };
            if let Some(events) = self.store.drain(drained, now).await? {
                if self.slices.len() >= SLICES_KEPT {
                    self.slices.clear();
                }
                self.slices.insert(id, (most * 2).clamp(SLICE_MIN, ROUND_MAX));
                metrics::counter!("oncue_firings_total", "origin" => origin.word()).increment(events as u64);
                self.tally.note_fired(now, events as u64, None);
            }
            return Ok(());
        }
        Ok(())
    }
}

/// The rows of each owner, in the order in which they come.
fn by_owner(turns: Vec<(Backlog, Arc<Trigger>)>) -> Vec<Vec<(Backlog, Arc<Trigger>)>> {
    let mut owners: Vec<Vec<(Backlog, Arc<Trigger>)>> = Vec::new();
    for turn in turns {
        match owners.last_mut().filter(|rows| rows.last().is_some_and(|(last, _)| last.owner == turn.0.owner)) {
            Some(rows) => rows.push(turn),
            None => owners.push(vec![turn]),
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use oncue_domain::access::Registration;
    use oncue_domain::backlog::PutOff;
    use oncue_domain::freeze::Said;
    use oncue_domain::plan::Plan;
    use oncue_domain::schedule::every::Period;
    use oncue_domain::schedule::{FirstFiring, Schedule};
    use oncue_domain::store::memory::Memory;
    use oncue_domain::store::{NewTrigger, NewUser, Planned, Registered};
    use oncue_domain::trigger::{Definition, Kind, ScheduleDetails};

    use super::*;

    struct Hands(Mutex<Timestamp>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            *self.0.lock().expect("a test holds it for a moment")
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    /// Somebody of whose trigger one occurrence is late.
    async fn with_backlog(store: &Memory, number: usize) -> UserId {
        let user = NewUser { email: format!("{number}@example.com"), password_hash: "hash".to_owned() };
        let Registered::Done(user) = store.register(user, Registration::Open, at(0)).await.expect("an answer") else {
            panic!("nobody stands against it")
        };
        let period = Period::parse("1h").expect("a period");
        let schedule = Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater };
        let definition = Definition {
            schedule: Some(ScheduleDetails::plain(schedule, None)),
            enabled: true,
            ..Definition::in_place_of_unreadable(None, Kind::Scheduled)
        };
        let next_at = Some(at(3_600));
        let new = NewTrigger { owner: user.id, definition, next_at, test_event: None };
        let armed = store.create_trigger(new, at(0)).await.expect("an answer").expect("it names no destination");
        let absent_for = SignedDuration::from_mins(10);
        let put_off = PutOff { first: at(3_600), last: at(3_600), count: 1, is_held: false, absent_for };
        let plan = Plan { put_off: vec![put_off], next_at: Some(at(7_200)), ..Plan::default() };
        let trigger = Arc::new(armed.trigger);
        let planned = Planned { trigger, armed: at(3_600), plan, message_ids: Vec::new(), edition: 0 };
        assert_eq!(store.commit_plans(vec![planned], at(4_200)).await.expect("a commit").plans, 1);
        user.id
    }

    #[tokio::test]
    async fn however_many_are_frozen_it_rests_once_all_of_them_were_looked_at_and_goes_on_with_the_first_that_is_not() {
        for owners in [1, OWNERS_MAX - 1, OWNERS_MAX, 2 * OWNERS_MAX, 2 * OWNERS_MAX + 1] {
            let store = Arc::new(Memory::new(false));
            let mut all = Vec::new();
            for number in 0..owners {
                all.push(with_backlog(&store, number).await);
            }
            for owner in &all {
                store.freeze(Some(*owner), Said::default(), at(4_200)).await.expect("a freeze");
            }
            let last = *all.last().expect("somebody");
            let clock = Arc::new(Hands(Mutex::new(at(4_300))));
            let (ids, tally) = (Arc::new(Ids::from_seed([1; 32])), Arc::new(Tally::default()));
            let mut drainer = Drainer::new(Arc::clone(&store) as Arc<dyn Store>, clock, ids, tally);
            for round in 0..3 {
                let mut looks = 1;
                while drainer.tick().await.expect("an answer") != Found::Frozen {
                    looks += 1;
                    assert!(looks <= owners.div_ceil(OWNERS_MAX) + 1, "round {round} of {owners} has no end");
                }
            }
            store.thaw(Some(last), at(4_300)).await.expect("an answer").expect("it was frozen");
            for _ in 0..=owners / OWNERS_MAX {
                drainer.tick().await.expect("an answer");
            }
            let left = store.backlog_sums(last, None).await.expect("an answer");
            assert_eq!(left.occurrences, 0, "of {owners}");
        }
    }
}
