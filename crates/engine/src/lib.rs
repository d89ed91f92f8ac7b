//! Every due occurrence becomes a row, every delivery ends in a final state. The loops are here, in `deliver` and in `runs`, each one *wait* and
//! *tick*; the ticks stand in their own files, and only the loops sleep and spawn (the `desk` and an inbox apart, which write down and answer
//! beside them). No SQL and no web framework: the world is reached through the four doors alone, which is what makes the simulator honest.

mod alarm;
pub mod attempt;
pub mod auditor;
pub mod courier;
mod deliver;
mod desk;
pub mod directory;
pub mod drain;
pub mod ends;
mod health;
mod heartbeat;
pub mod http;
mod inbox;
mod lanes;
pub mod mail;
mod pacer;
pub mod retention;
pub mod runs;
pub mod scheduler;
pub mod work;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::audit::pace::{PAUSE as AUDIT_PAUSE, Pace};
use oncue_domain::backlog::ROUND_EVERY;
use oncue_domain::clock::Clock;
use oncue_domain::destination::Webhook;
use oncue_domain::event::Retention;
use oncue_domain::health::Health;
use oncue_domain::id::Ids;
use oncue_domain::message::Source;
use oncue_domain::outbound::Outbound;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{Change, Result, Store};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use alarm::Alarm;
use auditor::{Auditor, Errand};
use courier::Courier;
use deliver::deliver;
use directory::Directory;
use drain::{Drainer, Found};
use ends::Ends;
use health::Watch;
use retention::Expiry;
use runs::Runs;
use scheduler::{Scheduler, Wake};
use work::Tally;

pub use heartbeat::Heartbeat;

/// No sleep is longer than this: each ends in a sign of life and a look at the clock, which may have been put forward or back.
const NAP: Duration = Duration::from_millis(500);

/// How often a store is asked that has nothing for a loop for longer than this and has not said that anything changed: a nudge
/// that was lost costs so much at most. An idle server spends most of its time on asking.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a loop waits after its store could not answer.
const BACK_OFF: Duration = Duration::from_millis(500);

/// How often old events are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(15);

/// How soon late firings have their turn again where something fresh came first.
const GIVE_WAY: Duration = Duration::from_millis(10);

/// How often backlogs are looked for that nobody told of.
const DRAIN_LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often it is looked whether backlogs are still frozen.
const FROZEN_LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the auditor rests between two slices where what triggers wait for may have moved: each may be due soon.
const AUDIT_HURRY: Duration = Duration::from_millis(20);

/// How often what this node does is said to whoever asks for it.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How long after each half of a second by the clock the loops wake that have nothing to do: all at once, as waking the process costs more than what
/// is done then, and not at whole seconds, which belong to what is due at them.
const BEAT_AT: SignedDuration = SignedDuration::from_millis(250);

/// The doors to the outside, and what the operator decided.
pub struct Doors {
    /// What is remembered.
    pub store: Arc<dyn Store>,
    /// The way out.
    pub outbound: Arc<dyn Outbound>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Message ids.
    pub ids: Arc<Ids>,
    /// Who messages come from.
    pub source: Arc<Source>,
    /// The zone data that templates look into.
    pub zones: Arc<Zones>,
    /// Where events go whose trigger names no destination.
    pub default_webhook: Option<Arc<Webhook>>,
    /// How long events live.
    pub retention: Retention,
    /// Who is told again and again that oncue keeps time, if anybody is.
    pub heartbeat: Option<Heartbeat>,
    /// What falls due in absences that are longer than this waits for a person, where a trigger catches up with all of it; none where that is
    /// only for triggers to say.
    pub hold_backlog_after: Option<SignedDuration>,
}

/// The running loops.
pub struct Engine {
    health: Arc<dyn Health>,
    stop: watch::Sender<bool>,
    scheduler: JoinHandle<()>,
    courier: JoinHandle<()>,
    retention: JoinHandle<()>,
    drainer: JoinHandle<()>,
    runs: JoinHandle<()>,
    ends: JoinHandle<()>,
    auditor: JoinHandle<()>,
    told: JoinHandle<()>,
    heartbeat: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the loops.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn start(doors: Doors) -> Result<Engine> {
        let [armed, owed, laid_up, logged] = std::array::from_fn(|_| Arc::new(Notify::new()));
        let (on_armed, on_owed) = (Arc::clone(&armed), Arc::clone(&owed));
        let (on_laid_up, on_logged) = (Arc::clone(&laid_up), Arc::clone(&logged));
        let directory = Arc::new(Directory::new(Arc::clone(&doors.store)));
        // The store keeps its listeners for as long as it lives, and the directory keeps the store.
        let on_destination = Arc::downgrade(&directory);
        doors.store.subscribe(Arc::new(move |change| match change {
            Change::Armed => {
                on_armed.notify_one();
                on_laid_up.notify_one();
            }
            Change::Owed => on_owed.notify_one(),
            Change::Destination(owner) => {
                if let Some(directory) = on_destination.upgrade() {
                    directory.forget(owner);
                }
            }
            Change::Logged(_) => on_logged.notify_one(),
            Change::Settled(_) | Change::Edited(_) | Change::Frozen => {}
        }));
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Tally::default());
        let (store, clock) = (Arc::clone(&doors.store), Arc::clone(&doors.clock));
        let ids = Arc::clone(&doors.ids);
        let scheduler = Scheduler::begin(store, clock, ids, Arc::clone(&tally)).await?;
        let scheduler = scheduler.holding_after(doors.hold_backlog_after);
        let (store, clock) = (Arc::clone(&doors.store), Arc::clone(&doors.clock));
        let drainer = Drainer::new(store, clock, doors.ids, Arc::clone(&tally));
        let told = tell(Arc::clone(&doors.store), Arc::clone(&doors.clock), Arc::clone(&tally), stopped.clone());
        let (store, clock) = (Arc::clone(&doors.store), Arc::clone(&doors.clock));
        let auditor =
            Auditor::new(store, clock, doors.retention, Errand::Watch).with_zone_data(doors.zones.release.trim());
        let (store, clock) = (Arc::clone(&doors.store), Arc::clone(&doors.clock));
        let watch = Watch::new(store, clock, Arc::clone(&tally), auditor.last_round());
        let health: Arc<dyn Health> = Arc::new(watch);
        let heartbeat = doors.heartbeat.map(|heartbeat| {
            let (health, outbound) = (Arc::clone(&health), Arc::clone(&doors.outbound));
            tokio::spawn(heartbeat::beat(heartbeat, health, outbound, doors.source.user_agent(), stopped.clone()))
        });
        let courier = Courier {
            store: Arc::clone(&doors.store),
            directory,
            outbound: doors.outbound,
            clock: Arc::clone(&doors.clock),
            source: doors.source,
            default: doors.default_webhook,
            zones: doors.zones,
            retention: doors.retention,
            tally,
        };
        let runs =
            Runs { store: Arc::clone(&doors.store), clock: Arc::clone(&doors.clock), retention: doors.retention };
        let expiry =
            Expiry { store: Arc::clone(&doors.store), clock: Arc::clone(&doors.clock), retention: doors.retention };
        let ends = Ends { store: Arc::clone(&doors.store), clock: Arc::clone(&doors.clock) };
        Ok(Engine {
            scheduler: tokio::spawn(schedule(scheduler, doors.store, doors.clock, armed, stopped.clone())),
            courier: tokio::spawn(deliver(courier, owed, stopped.clone())),
            retention: tokio::spawn(expire(expiry, stopped.clone())),
            drainer: tokio::spawn(drain_late(drainer, laid_up, stopped.clone())),
            runs: tokio::spawn(runs::look(runs, logged, stopped.clone())),
            ends: tokio::spawn(ends::look(ends, stopped.clone())),
            auditor: tokio::spawn(audit(auditor, stopped)),
            told: tokio::spawn(told),
            heartbeat,
            health,
            stop,
        })
    }

    /// Who says whether oncue keeps time.
    pub fn health(&self) -> Arc<dyn Health> {
        Arc::clone(&self.health)
    }

    /// Comes back only if a loop has ended by itself, which none should: then nothing would fire any more, or nothing be
    /// delivered, and only a restart helps.
    pub async fn broken(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.scheduler => "the scheduler",
            _ = &mut self.courier => "the courier",
            _ = &mut self.retention => "retention",
            _ = &mut self.drainer => "what drains backlogs",
            _ = &mut self.runs => "the watch over runs",
            _ = &mut self.ends => "the watch over ends",
            _ = &mut self.auditor => "the auditor",
        }
    }

    /// Stops: nothing new is fired or started; attempts under way are waited for and written down. The caller sets the deadline.
    pub async fn stop(self) {
        // The loops may have ended already; then there is nobody to tell.
        let _ = self.stop.send(true);
        let tasks =
            [self.scheduler, self.drainer, self.retention, self.runs, self.ends, self.auditor, self.told, self.courier];
        for task in tasks.into_iter().chain(self.heartbeat) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a loop of the engine ended in a panic");
            }
        }
    }
}

async fn schedule(
    mut scheduler: Scheduler,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    armed: Arc<Notify>,
    mut stopped: watch::Receiver<bool>,
) {
    let alarm = match Alarm::start() {
        Ok(alarm) => Some(alarm),
        Err(error) => {
            tracing::warn!(%error, "no thread for exact wake-ups: firings may be a millisecond later");
            None
        }
    };
    let mut rest: Option<Rest> = None;
    while !*stopped.borrow() {
        let mut is_exact = false;
        rest = rest.filter(|rest| Instant::now() < rest.until && scheduler.stay(rest.next));
        let wait = if rest.is_some() {
            to_a_beat(NAP, clock.now())
        } else {
            match scheduler.tick_beside(signs_of_life(&*store, &*clock)).await {
                Ok(Wake::Now) => continue,
                Ok(Wake::At(instant)) => {
                    let now = clock.now();
                    rest = Rest::of(Some(instant), now);
                    is_exact = is_near(instant, now);
                    until(instant, now)
                }
                Ok(Wake::WhenArmed) => {
                    rest = Rest::of(None, clock.now());
                    to_a_beat(NAP, clock.now())
                }
                Err(error) => {
                    tracing::error!(%error, "the scheduler cannot look at what is due, trying again");
                    BACK_OFF
                }
            }
        };
        tokio::select! {
            () = armed.notified() => rest = None,
            () = ring(alarm.as_ref().filter(|_| is_exact), wait) => {}
            () = sleep(wait) => {}
            _ = stopped.changed() => {}
        }
    }
}

/// A while in which nothing is due, by what the store said last: the clock is looked at with every nap, the store is not.
struct Rest {
    next: Option<Timestamp>,
    until: Instant,
}

impl Rest {
    /// None where `next` is near: then every nap ends in a look.
    fn of(next: Option<Timestamp>, now: Timestamp) -> Option<Rest> {
        let is_far =
            |next: Timestamp| Duration::try_from(next.duration_since(now)).is_ok_and(|wait| wait > LOOK_EVERY + NAP);
        // The beat after that time, or the one right before, by however little the beats are apart.
        next.is_none_or(is_far).then(|| Rest { next, until: Instant::now() + LOOK_EVERY - NAP / 2 })
    }
}

/// Shows again and again that somebody is there.
async fn signs_of_life(store: &dyn Store, clock: &dyn Clock) -> Infallible {
    loop {
        sleep(NAP).await;
        store.sign_of_life(clock.now());
    }
}

/// Waits exactly so long; without an alarm the sleep beside it is enough.
async fn ring(alarm: Option<&Alarm>, wait: Duration) {
    match alarm {
        Some(alarm) => alarm.after(wait).await,
        None => std::future::pending().await,
    }
}

/// How long to sleep until `instant`: at most a nap.
fn until(instant: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or(Duration::ZERO).min(to_a_beat(NAP, now))
}

/// Whether a sleep until `instant` ends with it, and not with a nap that goes before.
fn is_near(instant: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(instant.duration_since(now)).is_ok_and(|wait| wait < to_a_beat(NAP, now))
}

/// How long to sleep that sleeps `wait` or less and wakes with the others: up to the last beat of that time, and there is one in each [`NAP`].
fn to_a_beat(wait: Duration, now: Timestamp) -> Duration {
    let end = now.as_duration().saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX));
    let beyond = (end - BEAT_AT).as_nanos().rem_euclid(NAP.as_nanos().cast_signed());
    wait.saturating_sub(Duration::from_nanos(u64::try_from(beyond).unwrap_or_default()))
}

async fn expire(expiry: Expiry, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let wait = match expiry.tick().await {
            Ok(true) => Duration::from_millis(1),
            Ok(false) => EXPIRE_EVERY,
            Err(error) => {
                tracing::error!(%error, "old events cannot be removed, trying again");
                EXPIRE_EVERY
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            _ = stopped.changed() => {}
        }
    }
}

async fn drain_late(mut drainer: Drainer, laid_up: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let wait = match drainer.tick().await {
            Ok(Found::More) => ROUND_EVERY.unsigned_abs(),
            Ok(Found::Fresh) => GIVE_WAY,
            Ok(Found::Frozen) => FROZEN_LOOK_EVERY,
            Ok(Found::Nothing) => {
                tokio::select! {
                    () = laid_up.notified() => {}
                    () = sleep(DRAIN_LOOK_EVERY) => {}
                    _ = stopped.changed() => {}
                }
                // Whoever makes many triggers does not have it look after each.
                ROUND_EVERY.unsigned_abs()
            }
            Err(error) => {
                tracing::error!(%error, "backlogs cannot be drained, trying again");
                BACK_OFF
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            _ = stopped.changed() => {}
        }
    }
}

async fn audit(mut auditor: Auditor, mut stopped: watch::Receiver<bool>) {
    auditor::announce_counters();
    let (mut wait, mut round) = (AUDIT_PAUSE, None);
    loop {
        tokio::select! {
            () = sleep(wait) => {}
            _ = stopped.changed() => {}
        }
        if *stopped.borrow() {
            return;
        }
        let slice_began = Instant::now();
        let (began, mut pace) = *round.get_or_insert((slice_began, Pace::default()));
        wait = match auditor.tick().await {
            Ok(looked) => {
                looked.report();
                // What was done in a hurry is not made up for by rests.
                if !auditor.is_in_a_hurry() {
                    pace.note(slice_began.elapsed());
                }
                round = (!looked.is_over).then_some((began, pace));
                if looked.is_over {
                    pace.rest_after(began.elapsed())
                } else if auditor.is_in_a_hurry() {
                    AUDIT_HURRY
                } else {
                    pace.rest(began.elapsed())
                }
            }
            Err(error) => {
                tracing::error!(%error, "the auditor cannot look at the triggers, trying again");
                AUDIT_PAUSE
            }
        };
    }
}

/// Says what this node does, apart from the loops, so that one which hangs is seen to hang.
async fn tell(store: Arc<dyn Store>, clock: Arc<dyn Clock>, tally: Arc<Tally>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        store.note_work(tally.work(clock.now()));
        tokio::select! {
            () = sleep(to_a_beat(TELL_EVERY, clock.now())) => {}
            _ = stopped.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_store_is_left_alone_only_while_nothing_is_due_for_longer_than_that() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(Rest::of(None, now).is_some_and(|rest| rest.next.is_none() && rest.until > Instant::now()));
        let far = now + 2 * LOOK_EVERY;
        assert!(Rest::of(Some(far), now).is_some_and(|rest| rest.next == Some(far)));
        for near in [now - LOOK_EVERY, now, now + LOOK_EVERY] {
            assert!(Rest::of(Some(near), now).is_none(), "{near}");
        }
    }

    #[test]
    fn whoever_has_nothing_to_do_wakes_with_the_others() {
        for nanosecond in [0, 1, 249_999_999, 250_000_000, 250_000_001, 600_000_000, 749_999_999, 999_999_999] {
            for second in [-1, 0, 1_800_000_000] {
                let now = Timestamp::new(second, nanosecond).expect("lies within time");
                let of_a_second = [NAP, LOOK_EVERY, TELL_EVERY].map(|wait| {
                    let nap = to_a_beat(wait, now);
                    assert!(nap <= wait && wait < nap + NAP, "{now}: {nap:?} for {wait:?}");
                    (now + nap).as_millisecond().rem_euclid(500)
                });
                assert_eq!(of_a_second, [250; 3], "{now}");
            }
        }
    }

    #[test]
    fn only_the_end_of_a_wait_is_exact_and_not_a_nap_before_it() {
        let now = Timestamp::UNIX_EPOCH;
        let due = |after: i64| is_near(now + SignedDuration::from_millis(after), now);
        assert_eq!([-1, 0, 249, 250, 500].map(due), [false, true, true, false, false]);
    }
}
