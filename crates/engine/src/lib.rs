//! Every due occurrence becomes a row, every delivery ends in a final state. The loops are here, each one *wait* and
//! *tick*; the ticks stand in their own files, and this file is the only place that sleeps and spawns. No SQL and no web
//! framework: the world is reached through the four doors alone, which is what makes the simulator honest.

pub mod courier;
pub mod http;
mod lanes;
pub mod retention;
pub mod scheduler;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::Settlement;
use oncue_domain::destination::Webhook;
use oncue_domain::event::Retention;
use oncue_domain::id::Ids;
use oncue_domain::message::Source;
use oncue_domain::outbound::Outbound;
use oncue_domain::store::{Change, Result, Store};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use courier::Courier;
use lanes::{LaneKey, Lanes};
use retention::Expiry;
use scheduler::{Scheduler, Wake};

/// No sleep is longer than this: each ends in a sign of life and a look at the clock, which may have been put forward or back.
const NAP: Duration = Duration::from_millis(250);

/// How long a loop waits after its store could not answer.
const BACK_OFF: Duration = Duration::from_millis(500);

/// How often old events are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);

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
        }));
        let (stop, stopped) = watch::channel(false);
        let scheduler = Scheduler::begin(Arc::clone(&doors.store), Arc::clone(&doors.clock), doors.ids).await?;
        let courier = Courier {
            store: Arc::clone(&doors.store),
            outbound: doors.outbound,
            clock: Arc::clone(&doors.clock),
            source: doors.source,
            default: doors.default_webhook,
        };
        let expiry = Expiry { store: doors.store, clock: Arc::clone(&doors.clock), retention: doors.retention };
        Ok(Engine {
            scheduler: tokio::spawn(schedule(scheduler, doors.clock, armed, stopped.clone())),
            courier: tokio::spawn(deliver(courier, owed, stopped.clone())),
            retention: tokio::spawn(expire(expiry, stopped)),
            stop,
        })
    }

    /// Stops: nothing new is fired or started; attempts under way are waited for and written down. The caller sets the deadline.
    pub async fn stop(self) {
        // The loops may have ended already; then there is nobody to tell.
        let _ = self.stop.send(true);
        for task in [self.scheduler, self.retention, self.courier] {
            if let Err(error) = task.await {
                tracing::error!(%error, "a loop of the engine ended in a panic");
            }
        }
    }
}

async fn schedule(mut scheduler: Scheduler, clock: Arc<dyn Clock>, armed: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
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
            () = sleep(wait) => {}
            _ = stopped.changed() => {}
        }
    }
}

/// How long to sleep until `instant`: at most a nap.
fn until(instant: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or(Duration::ZERO).min(NAP)
}

async fn deliver(courier: Courier, owed: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let mut lanes = Lanes::default();
    let (finished, mut finishing) = mpsc::unbounded_channel::<LaneKey>();
    let (settled, settling) = mpsc::unbounded_channel();
    let settler = tokio::spawn(settle(courier.clone(), settling));
    loop {
        let stopping = *stopped.borrow();
        let mut wait = NAP;
        if !stopping && lanes.room() > 0 {
            match courier.claim(lanes.room()).await {
                Ok(claims) => {
                    if claims.is_empty()
                        && let Ok(Some(next)) = courier.store.next_owed().await
                    {
                        wait = until(next, courier.clock.now()).max(Duration::from_millis(1));
                    }
                    claims.into_iter().for_each(|claim| lanes.push(claim));
                }
                Err(error) => {
                    tracing::error!(%error, "owed deliveries cannot be claimed, trying again");
                    wait = BACK_OFF;
                }
            }
        }
        while !stopping && let Some((lane, claim)) = lanes.start() {
            tokio::spawn(attempt(courier.clone(), lane, claim, finished.clone(), settled.clone()));
        }
        metrics::gauge!("oncue_deliveries_running").set(u32::try_from(lanes.running()).unwrap_or(u32::MAX));
        metrics::gauge!("oncue_deliveries_waiting").set(u32::try_from(lanes.waiting()).unwrap_or(u32::MAX));
        if stopping && lanes.running() == 0 {
            break;
        }
        tokio::select! {
            Some(lane) = finishing.recv() => {
                lanes.finish(&lane);
                while let Ok(lane) = finishing.try_recv() {
                    lanes.finish(&lane);
                }
            }
            () = owed.notified(), if !stopping => {}
            () = sleep(wait) => {}
            _ = stopped.changed(), if !stopping => {}
        }
    }
    drop(settled);
    if let Err(error) = settler.await {
        tracing::error!(%error, "writing attempts down ended in a panic");
    }
}

async fn attempt(
    courier: Courier,
    lane: LaneKey,
    claim: oncue_domain::delivery::Claim,
    finished: mpsc::UnboundedSender<LaneKey>,
    settled: mpsc::UnboundedSender<Settlement>,
) {
    let settlement = courier.send(claim).await;
    // The receivers live as long as any attempt runs.
    if let Some(settlement) = settlement {
        let _ = settled.send(settlement);
    }
    let _ = finished.send(lane);
}

/// Writes attempts down, as many together as have gathered while the former ones were written.
async fn settle(courier: Courier, mut settling: mpsc::UnboundedReceiver<Settlement>) {
    let mut batch = Vec::new();
    while settling.recv_many(&mut batch, SETTLE_TOGETHER).await > 0 {
        while let Err(error) = courier.settle(batch.clone()).await {
            // An attempt that is not written down would be repeated: keep it and try again.
            tracing::error!(%error, attempts = batch.len(), "attempts cannot be written down, trying again");
            sleep(BACK_OFF).await;
        }
        batch.clear();
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
