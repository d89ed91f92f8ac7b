//! Every due occurrence becomes a row, every delivery ends in a final state. The loops are here, each one *wait* and
//! *tick*; the ticks stand in their own files, and this file is the only place that sleeps and spawns. No SQL and no web
//! framework: the world is reached through the four doors alone, which is what makes the simulator honest.

mod alarm;
pub mod courier;
pub mod http;
mod lanes;
pub mod retention;
pub mod scheduler;
pub mod work;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::destination::Webhook;
use oncue_domain::event::Retention;
use oncue_domain::id::Ids;
use oncue_domain::message::Source;
use oncue_domain::outbound::Outbound;
use oncue_domain::store::{Change, Error, Result, Store};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use alarm::Alarm;
use courier::Courier;
use lanes::{LaneKey, Lanes};
use retention::Expiry;
use scheduler::{Scheduler, Wake};
use work::Tally;

/// No sleep is longer than this: each ends in a sign of life and a look at the clock, which may have been put forward or back.
const NAP: Duration = Duration::from_millis(250);

/// How long a loop waits after its store could not answer.
const BACK_OFF: Duration = Duration::from_millis(500);

/// How often old events are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(15);

/// How often what this node does is said to whoever asks for it.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How many deliveries are claimed together: the first of many are under way before the rest is asked for.
const CLAIM_TOGETHER: usize = 1024;

/// How many settlements are written down together.
const SETTLE_TOGETHER: usize = 512;

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
    /// Where events go whose trigger names no destination.
    pub default_webhook: Option<Arc<Webhook>>,
    /// How long events live.
    pub retention: Retention,
}

/// The running loops.
pub struct Engine {
    stop: watch::Sender<bool>,
    scheduler: JoinHandle<()>,
    courier: JoinHandle<()>,
    retention: JoinHandle<()>,
    told: JoinHandle<()>,
}

impl Engine {
    /// Starts the loops.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn start(doors: Doors) -> Result<Engine> {
        let (armed, owed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (on_armed, on_owed) = (Arc::clone(&armed), Arc::clone(&owed));
        doors.store.subscribe(Arc::new(move |change| match change {
            Change::Armed => on_armed.notify_one(),
            Change::Owed => on_owed.notify_one(),
            Change::Logged(_) | Change::Settled(_) | Change::Edited(_) => {}
        }));
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Tally::default());
        let (store, clock) = (Arc::clone(&doors.store), Arc::clone(&doors.clock));
        let scheduler = Scheduler::begin(store, clock, doors.ids, Arc::clone(&tally)).await?;
        let told = tell(Arc::clone(&doors.store), Arc::clone(&doors.clock), Arc::clone(&tally), stopped.clone());
        let courier = Courier {
            store: Arc::clone(&doors.store),
            outbound: doors.outbound,
            clock: Arc::clone(&doors.clock),
            source: doors.source,
            default: doors.default_webhook,
            tally,
        };
        let expiry = Expiry { store: doors.store, clock: Arc::clone(&doors.clock), retention: doors.retention };
        Ok(Engine {
            scheduler: tokio::spawn(schedule(scheduler, doors.clock, armed, stopped.clone())),
            courier: tokio::spawn(deliver(courier, owed, stopped.clone())),
            retention: tokio::spawn(expire(expiry, stopped)),
            told: tokio::spawn(told),
            stop,
        })
    }

    /// Comes back only if a loop has ended by itself, which none should: then nothing would fire any more, or nothing be
    /// delivered, and only a restart helps.
    pub async fn broken(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.scheduler => "the scheduler",
            _ = &mut self.courier => "the courier",
            _ = &mut self.retention => "retention",
        }
    }

    /// Stops: nothing new is fired or started; attempts under way are waited for and written down. The caller sets the deadline.
    pub async fn stop(self) {
        // The loops may have ended already; then there is nobody to tell.
        let _ = self.stop.send(true);
        for task in [self.scheduler, self.retention, self.told, self.courier] {
            if let Err(error) = task.await {
                tracing::error!(%error, "a loop of the engine ended in a panic");
            }
        }
    }
}

async fn schedule(
    mut scheduler: Scheduler,
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
    while !*stopped.borrow() {
        let wait = match scheduler.tick().await {
            Ok(Wake::Now) => continue,
            Ok(Wake::At(instant)) => until(instant, clock.now()),
            Ok(Wake::WhenArmed) => NAP,
            Err(error) => {
                tracing::error!(%error, "the scheduler cannot look at what is due, trying again");
                BACK_OFF
            }
        };
        tokio::select! {
            () = armed.notified() => {}
            () = ring(alarm.as_ref(), wait) => {}
            () = sleep(wait) => {}
            _ = stopped.changed() => {}
        }
    }
}

/// Waits exactly so long; without an alarm, or for a wait that nobody is late for, the sleep beside it is enough.
async fn ring(alarm: Option<&Alarm>, wait: Duration) {
    match alarm.filter(|_| wait < NAP) {
        Some(alarm) => alarm.after(wait).await,
        None => std::future::pending().await,
    }
}

/// How long to sleep until `instant`: at most a nap.
fn until(instant: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or(Duration::ZERO).min(NAP)
}

async fn deliver(courier: Courier, owed: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let mut lanes = Lanes::default();
    let (finished, mut finishing) = mpsc::unbounded_channel();
    let (settled, settling) = mpsc::unbounded_channel();
    let settler = tokio::spawn(settle(courier.clone(), settling));
    let mut look_at = Instant::now();
    loop {
        let stopping = *stopped.borrow();
        if !stopping && lanes.room() > 0 && look_at <= Instant::now() {
            look_at = Instant::now() + claim(&courier, &mut lanes).await;
        }
        while !stopping && let Some((lane, claim)) = lanes.start() {
            let place = Place { lane, took: None, finished: finished.clone() };
            tokio::spawn(attempt(courier.clone(), claim, place, settled.clone()));
        }
        metrics::gauge!("oncue_deliveries_running").set(u32::try_from(lanes.running()).unwrap_or(u32::MAX));
        metrics::gauge!("oncue_deliveries_waiting").set(u32::try_from(lanes.waiting()).unwrap_or(u32::MAX));
        courier.tally.note_lanes(lanes.running() as u64, lanes.waiting() as u64);
        if stopping && lanes.running() == 0 {
            break;
        }
        // Without room, only an attempt that ends can change anything.
        let wake_at = if lanes.room() > 0 { look_at } else { Instant::now() + NAP };
        tokio::select! {
            Some((lane, took)) = finishing.recv() => {
                lanes.finish(&lane, took);
                while let Ok((lane, took)) = finishing.try_recv() {
                    lanes.finish(&lane, took);
                }
            }
            () = owed.notified(), if !stopping => look_at = Instant::now(),
            () = sleep_until(wake_at), if !stopping => {}
            _ = stopped.changed(), if !stopping => {}
        }
    }
    drop(settled);
    if let Err(error) = settler.await {
        tracing::error!(%error, "writing attempts down ended in a panic");
    }
}

/// Takes in what is owed, and says how long to wait before looking again.
async fn claim(courier: &Courier, lanes: &mut Lanes) -> Duration {
    match courier.claim(lanes.room().min(CLAIM_TOGETHER)).await {
        Ok(claims) if claims.is_empty() => match courier.store.next_owed().await {
            Ok(Some(next)) => until(next, courier.clock.now()).max(Duration::from_millis(1)),
            _ => NAP,
        },
        Ok(claims) => {
            claims.into_iter().for_each(|claim| lanes.push(claim));
            // There may be more.
            Duration::ZERO
        }
        Err(error) => {
            tracing::error!(%error, "owed deliveries cannot be claimed, trying again");
            BACK_OFF
        }
    }
}

async fn attempt(courier: Courier, claim: Claim, mut place: Place, settled: mpsc::UnboundedSender<Settlement>) {
    let Some(settlement) = courier.send(claim).await else { return };
    place.took = Some(Duration::from_micros(settlement.attempt.took_us.unsigned_abs()));
    // The receiver lives as long as any attempt runs.
    let _ = settled.send(settlement);
}

/// A place in a lane, given back when the attempt is over, however it ends.
struct Place {
    lane: LaneKey,
    took: Option<Duration>,
    finished: mpsc::UnboundedSender<(LaneKey, Option<Duration>)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // The receiver lives as long as any attempt runs.
        let _ = self.finished.send((std::mem::take(&mut self.lane), self.took));
    }
}

/// Writes attempts down, as many together as have gathered while the former ones were written.
async fn settle(courier: Courier, mut settling: mpsc::UnboundedReceiver<Settlement>) {
    let mut batch = Vec::new();
    while settling.recv_many(&mut batch, SETTLE_TOGETHER).await > 0 {
        match write_down(&courier, &batch).await {
            Ok(()) => {}
            // One that makes no sense must not keep the others from being written down.
            Err(_) if batch.len() > 1 => {
                for settlement in &batch {
                    if let Err(error) = write_down(&courier, std::slice::from_ref(settlement)).await {
                        tracing::error!(event = %settlement.claim.event.id, %error, "an attempt cannot be written down");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "an attempt cannot be written down"),
        }
        batch.clear();
    }
}

/// Writes attempts down, however long the store takes to come back: one that is not written down would be repeated. Fails
/// only when trying again cannot help.
async fn write_down(courier: &Courier, settlements: &[Settlement]) -> Result<()> {
    loop {
        match courier.settle(settlements.to_vec()).await {
            Err(error @ Error::Unavailable(_)) => {
                tracing::error!(%error, attempts = settlements.len(), "attempts cannot be written down, trying again");
                sleep(BACK_OFF).await;
            }
            outcome => return outcome,
        }
    }
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

/// Says what this node does, apart from the loops, so that one which hangs is seen to hang.
async fn tell(store: Arc<dyn Store>, clock: Arc<dyn Clock>, tally: Arc<Tally>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        store.note_work(tally.work(clock.now()));
        tokio::select! {
            () = sleep(TELL_EVERY) => {}
            _ = stopped.changed() => {}
        }
    }
}
