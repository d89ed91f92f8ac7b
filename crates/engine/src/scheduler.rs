//! Every due occurrence becomes a row. One way through: take what is due, decide in `domain::plan`, commit in one
//! transaction, look again. It never holds triggers in memory; the index of what is armed answers in microseconds.
//!
//! `round` knows what to leave for later, and how to look past it.

mod round;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::freeze::{Freezes, pass_over, remembered_since};
use oncue_domain::id::{Ids, TriggerId, UserId};
use oncue_domain::overlap::Before;
use oncue_domain::plan::{Absence, plan_behind};
use oncue_domain::store::{DuePlace, Planned, Result, Store};
use oncue_domain::trigger::{Armed, Trigger};

use self::round::Round;
use crate::work::Tally;

/// How many due triggers are planned and committed together.
const BATCH: usize = 512;

/// A longer silence than this between two looks is an absence: the machine slept, or its clock was put forward.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(30);

/// How long to wait when nothing that is due could be carried out.
const STUCK_PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// How long to wait when a second round in a row found plans stale and nothing else: somebody is at those triggers, and has not come to an end.
const STALE_PAUSE: SignedDuration = SignedDuration::from_millis(20);

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At once: there may be more.
    Now,
    /// At this instant, or when something is armed.
    At(Timestamp),
    /// When something is armed.
    WhenArmed,
}

/// Turns due occurrences into events.
pub struct Scheduler {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
    tally: Arc<Tally>,
    absences: Vec<Absence>,
    freezes: Freezes,
    seen_at: Timestamp,
    hold_after: Option<SignedDuration>,
    round: Round,
}

impl Scheduler {
    /// Begins: from now on somebody runs, and what lay before since the last sign of life is an absence.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn begin(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        tally: Arc<Tally>,
    ) -> Result<Scheduler> {
        let now = clock.now();
        let absences = store.begin_presence(now).await?;
        let freezes = store.freezes(remembered_since(now)).await?;
        Ok(Scheduler {
            store,
            clock,
            ids,
            tally,
            absences,
            freezes,
            seen_at: now,
            hold_after: None,
            round: Round::first(now),
        })
    }

    /// What a trigger puts off of an absence that was longer than this waits for a person.
    #[must_use]
    pub fn holding_after(self, hold_after: Option<SignedDuration>) -> Scheduler {
        Scheduler { hold_after, ..self }
    }

    /// Carries out one batch of what is due and says when to look again.
    ///
    /// # Errors
    /// When the store cannot answer; then nothing of the batch has happened.
    pub async fn tick(&mut self) -> Result<Wake> {
        self.tick_beside(std::future::pending()).await
    }

    /// The same, with something beside the look that goes on for as long as it takes: a store that is slow keeps nobody from showing
    /// that this process is there. It begins only when an absence that ends here has been recorded.
    ///
    /// # Errors
    /// As [`Scheduler::tick`].
    pub async fn tick_beside(&mut self, beside: impl Future<Output = Infallible>) -> Result<Wake> {
        let now = self.clock.now();
        if now.duration_since(self.seen_at) > SILENCE_MAX {
            self.absences = self.store.begin_presence(now).await?;
        }
        let wake = tokio::select! {
            biased;
            wake = self.look(now) => wake,
            never = beside => match never {},
        };
        // However long the store took, somebody was there; only a silence between two looks is an absence.
        self.seen_at = self.clock.now();
        self.store.sign_of_life(self.seen_at);
        self.tally.note_look(now, self.seen_at);
        wake
    }

    /// Shows that somebody is there without asking the store, which had nothing due before `next` when it was last asked. False
    /// where it has to be asked: the clock has reached that instant, or what lies before may be an absence.
    pub fn stay(&mut self, next: Option<Timestamp>) -> bool {
        let now = self.clock.now();
        if next.is_some_and(|next| next <= now) || now.duration_since(self.seen_at) > SILENCE_MAX {
            return false;
        }
        self.seen_at = now;
        self.store.sign_of_life(now);
        self.tally.note_look(now, now);
        true
    }

    async fn look(&mut self, now: Timestamp) -> Result<Wake> {
        self.store.sign_of_life(now);
        let due = self.due(now).await?;
        if due.is_empty() {
            let next = self.store.next_due().await?;
            // What is armed for the past and still not given out cannot be read; the others must not wait for it.
            return Ok(
                next.map_or(Wake::WhenArmed, |next| Wake::At(if next <= now { now + STUCK_PAUSE } else { next }))
            );
        }
        let due = self.round.take(due, now);
        let before = self.events_before(&due).await?;
        let earliest = due.iter().filter_map(|armed| armed.next_at).min().unwrap_or(now);
        let freezes = self.freezes.since(earliest);
        let plans: Vec<Planned> = due
            .into_iter()
            .filter_map(|armed| {
                let before = before.get(&armed.trigger.id).copied().unwrap_or_default();
                let next_at = armed.next_at?;
                let mut plan = match pass_over(&armed, now, &freezes) {
                    Some(plan) => plan,
                    None => plan_behind(&armed, now, &self.absences, before)?,
                };
                if let Some(absent_for) = self.hold_after {
                    plan.hold_after(absent_for);
                }
                let message_ids = plan.firings.iter().map(|_| self.ids.message(now)).collect();
                let edition = self.freezes.edition;
                Some(Planned { trigger: armed.trigger, armed: next_at, plan, message_ids, edition })
            })
            .collect();
        let (done, plans): (Vec<Planned>, Vec<Planned>) = plans.into_iter().partition(Planned::is_done);
        let mut left = Vec::new();
        for Planned { trigger, .. } in &done {
            if !self.store.delete_done(trigger.owner, trigger.id, trigger.revision, now).await? {
                left.push(trigger.id);
            }
        }
        let mut observed = Observed::of(&plans, now);
        let committed = self.store.commit_plans(plans, now).await?;
        let has_moved = committed.plans > 0 || left.len() < done.len();
        // Of what was planned before somebody froze or thawed, nobody is at the triggers themselves: there is nothing to leave behind.
        if !committed.is_outdated {
            left.extend(&committed.stale);
        }
        self.round.note(has_moved, &left);
        if committed.is_outdated {
            // Nothing was carried out, and is planned anew.
            self.freezes = self.store.freezes(remembered_since(now)).await?;
        }
        observed.leave_out(&committed.stale);
        observed.report();
        self.tally.note_fired(now, observed.fired(), observed.latest());
        Ok(match (has_moved, left.is_empty()) {
            _ if committed.is_outdated => Wake::Now,
            (false, true) => Wake::At(now + STUCK_PAUSE),
            (false, false) if self.round.is_idle_again() => Wake::At(now + STALE_PAUSE),
            _ => Wake::Now,
        })
    }

    /// What is due behind all that this round has left, and where there is nothing, from the front again.
    async fn due(&mut self, now: Timestamp) -> Result<Vec<Armed<Arc<Trigger>>>> {
        if let Some(place) = self.round.goes_on() {
            let (due, reached) = self.store.due_behind(place, now, BATCH).await?;
            self.round.reach(reached);
            if !due.is_empty() {
                return Ok(due);
            }
        }
        let (due, reached) = self.store.due_behind(DuePlace::default(), now, BATCH).await?;
        self.round.begin(now);
        self.round.reach(reached);
        Ok(due)
    }

    /// How it stands with the events before of those that do not overlap; nobody is asked where there are none.
    async fn events_before(&self, due: &[Armed<Arc<Trigger>>]) -> Result<HashMap<TriggerId, Before>> {
        let triggers = due.iter().map(|armed| &armed.trigger);
        let asked: Vec<(UserId, TriggerId)> = triggers
            .filter(|trigger| !trigger.definition.overlap.is_allowed())
            .map(|trigger| (trigger.owner, trigger.id))
            .collect();
        if asked.is_empty() {
            return Ok(HashMap::new());
        }
        let before = self.store.events_before(asked.clone()).await?;
        Ok(asked.into_iter().map(|(_, id)| id).zip(before).collect())
    }
}

/// What the metrics will say once the commit stands.
struct Observed {
    /// Of each firing whose trigger it is, how late, and how it came about.
    firings: Vec<(TriggerId, SignedDuration, Cue)>,
    skipped: Vec<(TriggerId, u64)>,
}

/// How a firing came about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cue {
    /// Its time had come.
    Due,
    /// It waited for an event before it to end: that it is late says nothing about how time is kept.
    Waited,
    /// It makes up for an absence.
    CaughtUp,
}

impl Observed {
    fn of(plans: &[Planned], now: Timestamp) -> Observed {
        let firings = plans.iter().flat_map(|planned| {
            let cue = if planned.fires_what_waited() { Cue::Waited } else { Cue::Due };
            planned.plan.firings.iter().map(move |firing| {
                let late = firing.lateness(now);
                (planned.trigger.id, late, if firing.caught_up { Cue::CaughtUp } else { cue })
            })
        });
        let skipped = plans
            .iter()
            .flat_map(|planned| planned.plan.all_skipped().map(|skipped| (planned.trigger.id, skipped.count)));
        Observed { firings: firings.collect(), skipped: skipped.collect() }
    }

    /// Plans of these came to nothing.
    fn leave_out(&mut self, stale: &[TriggerId]) {
        if !stale.is_empty() {
            let stale: HashSet<TriggerId> = stale.iter().copied().collect();
            self.firings.retain(|(trigger, ..)| !stale.contains(trigger));
            self.skipped.retain(|(trigger, _)| !stale.contains(trigger));
        }
    }

    fn fired(&self) -> u64 {
        self.firings.len() as u64
    }

    /// How late those were whose time had come.
    fn lateness(&self) -> impl Iterator<Item = SignedDuration> {
        self.firings.iter().filter(|(.., cue)| *cue == Cue::Due).map(|(_, late, _)| *late)
    }

    fn latest(&self) -> Option<SignedDuration> {
        self.lateness().max()
    }

    fn report(&self) {
        let lateness = metrics::histogram!("oncue_firing_lateness_seconds");
        for late in self.lateness() {
            lateness.record(late.as_secs_f64());
        }
        let caught_up = self.firings.iter().filter(|(.., cue)| *cue == Cue::CaughtUp).count() as u64;
        metrics::counter!("oncue_firings_total", "origin" => "schedule").increment(self.fired() - caught_up);
        metrics::counter!("oncue_firings_total", "origin" => "catch-up").increment(caught_up);
        let skipped = self.skipped.iter().map(|(_, count)| count).sum();
        metrics::counter!("oncue_skipped_occurrences_total").increment(skipped);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use oncue_domain::freeze::Said;
    use oncue_domain::overlap::Overlap;
    use oncue_domain::schedule::any_of::{AnyOf, Member};
    use oncue_domain::schedule::every::Period;
    use oncue_domain::schedule::{FirstFiring, Schedule};
    use oncue_domain::store::NewTrigger;
    use oncue_domain::store::memory::Memory;
    use oncue_domain::trigger::{Definition, Kind, ScheduleDetails};

    use super::*;

    struct Hands(Mutex<Timestamp>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            *self.0.lock().expect("a test holds it for a moment")
        }
    }

    #[test]
    fn what_waited_for_an_event_says_nothing_of_how_time_is_kept_and_what_falls_due_after_it_does() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let observed = |overlap: Overlap, ended_s: i64, now_s: i64| {
            let period = Period::parse("1m").expect("a period");
            let schedule = Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater };
            let definition = Definition {
                schedule: Some(ScheduleDetails::plain(schedule, None)),
                overlap,
                enabled: true,
                ..Definition::in_place_of_unreadable(None, Kind::Scheduled)
            };
            let new = NewTrigger { owner: UserId(1), definition, next_at: Some(at(120)), test_event: None };
            let armed = new.as_made(TriggerId(1), at(0));
            let plan = plan_behind(&armed, at(now_s), &[], Before::OverSince(at(ended_s))).expect("something is due");
            let trigger = Arc::new(armed.trigger);
            let planned = Planned { trigger, armed: at(120), plan, message_ids: Vec::new(), edition: 0 };
            let observed = Observed::of(&[planned], at(now_s));
            (observed.fired(), observed.latest())
        };
        assert_eq!(observed(Overlap::Queue, 3_610, 3_611), (1, None), "it is late for what it waited for");
        assert_eq!(observed(Overlap::Skip, 3_610, 3_611), (0, None));
        let a_second = Some(SignedDuration::from_secs(1));
        assert_eq!(observed(Overlap::Skip, 3_610, 3_661), (1, a_second), "it fell due when nothing was under way");
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn every(period: &str) -> Schedule {
        let period = Period::parse(period).expect("a period");
        Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater }
    }

    /// A trigger that waits for that instant.
    async fn made(store: &Memory, schedule: Schedule, next_at: Timestamp) -> TriggerId {
        let definition = Definition {
            schedule: Some(ScheduleDetails::plain(schedule, None)),
            enabled: true,
            ..Definition::in_place_of_unreadable(None, Kind::Scheduled)
        };
        let new = NewTrigger { owner: UserId(1), definition, next_at: Some(next_at), test_event: None };
        let made = store.create_trigger(new, at(0)).await.expect("a store in memory answers");
        made.expect("it names no destination").trigger.id
    }

    async fn begun(store: &Arc<Memory>, now: Timestamp) -> Scheduler {
        let (clock, ids) = (Arc::new(Hands(Mutex::new(now))), Arc::new(Ids::from_seed([1; 32])));
        let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
        Scheduler::begin(store, clock, ids, Arc::new(Tally::default())).await.expect("a store in memory answers")
    }

    #[tokio::test]
    async fn what_is_due_now_does_not_wait_for_all_that_takes_long_to_count() {
        let member = |period| Member { schedule: every(period), timezone: None };
        let several = || Schedule::AnyOf(AnyOf::kept(vec![member("1s"), member("1m")]));
        let (store, absent) = (Arc::new(Memory::new(false)), at(21_600));
        for _ in 0..=BATCH {
            made(&store, several(), at(60)).await;
        }
        let fresh = made(&store, every("1h"), absent).await;
        let mut scheduler = begun(&store, absent).await;
        let mut is_due = [true; 3];
        for look in &mut is_due {
            assert_eq!(scheduler.tick().await.expect("a store in memory answers"), Wake::Now);
            let due = store.due(absent, 2 * BATCH).await.expect("a store in memory answers");
            *look = due.iter().any(|armed| armed.trigger.id == fresh);
        }
        assert_eq!(is_due, [true, false, false], "the second look asks past what the first has left");
        while scheduler.tick().await.expect("a store in memory answers") == Wake::Now {}
        assert!(store.due(absent, 1).await.expect("a store in memory answers").is_empty(), "all have their turn");
    }

    #[tokio::test]
    async fn what_was_planned_before_somebody_froze_is_planned_anew_without_a_pause() {
        let (store, now) = (Arc::new(Memory::new(false)), at(3_600));
        made(&store, every("1h"), now).await;
        let mut scheduler = begun(&store, now).await;
        for second in [10, 20, 30] {
            let said = Said { reason: None, until: None };
            store.freeze(None, said, at(second)).await.expect("a store in memory answers");
            store.thaw(None, at(second + 5)).await.expect("a store in memory answers");
            assert_eq!(scheduler.tick().await.expect("a store in memory answers"), Wake::Now);
            assert_eq!(store.due(now, 1).await.expect("a store in memory answers").len(), 1, "nothing is carried out");
        }
        assert_eq!(scheduler.tick().await.expect("a store in memory answers"), Wake::Now);
        assert!(store.due(now, 1).await.expect("a store in memory answers").is_empty());
    }

    #[test]
    fn what_a_stale_plan_was_to_fire_is_not_counted() {
        let trigger = |id| (TriggerId(id), SignedDuration::ZERO, Cue::Due);
        let mut observed = Observed { firings: vec![trigger(1), trigger(2)], skipped: vec![(TriggerId(1), 3)] };
        observed.leave_out(&[TriggerId(1)]);
        assert_eq!((observed.fired(), observed.skipped.len(), observed.latest()), (1, 0, Some(SignedDuration::ZERO)));
    }

    #[tokio::test]
    async fn it_stays_without_asking_until_the_clock_reaches_what_is_next_or_leaps() {
        let (begin, next) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(20));
        let clock = Arc::new(Hands(Mutex::new(begin)));
        let tally = Arc::new(Tally::default());
        let ids = Arc::new(Ids::from_seed([1; 32]));
        let doors = (Arc::new(Memory::new(false)), Arc::clone(&clock));
        let mut scheduler = Scheduler::begin(doors.0, doors.1, ids, tally).await.expect("a store in memory answers");
        let mut at = |seconds: i64, next: Option<Timestamp>| {
            *clock.0.lock().expect("a test holds it for a moment") = begin + SignedDuration::from_secs(seconds);
            scheduler.stay(next)
        };
        assert!(at(10, Some(next)), "nothing is due");
        assert!(at(5, Some(next)), "a clock that was put back makes nothing due");
        assert!(!at(20, Some(next)), "it is due now");
        assert!(at(21, None), "nothing is armed");
        assert!(!at(60, None), "a silence of more than half a minute is an absence");
    }
}
