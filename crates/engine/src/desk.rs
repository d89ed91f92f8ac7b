//! Where it is handed in what became of claims, and written down: as many together as have gathered meanwhile, and however long the store
//! takes to come back. What it means is decided before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oncue_domain::delivery::Settlement;
use oncue_domain::store::{Error, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::BACK_OFF;
use crate::courier::Courier;
use crate::lanes::TurnedAway;

/// How many settlements are written down together.
const SETTLE_TOGETHER: usize = 512;

/// Takes in what became of claims.
#[derive(Clone)]
pub(crate) struct Desk {
    results: mpsc::UnboundedSender<Settlement>,
    /// How many were handed in and are not written down yet.
    unwritten: Arc<AtomicUsize>,
}

impl Desk {
    /// A desk, and what writes down all that is handed in until the last desk is gone.
    pub(crate) fn open(courier: Courier) -> (Desk, JoinHandle<()>) {
        let (results, settling) = mpsc::unbounded_channel();
        let desk = Desk { results, unwritten: Arc::default() };
        let writing = tokio::spawn(settle(courier, settling, Arc::clone(&desk.unwritten)));
        (desk, writing)
    }

    /// How many were handed in and are not written down yet.
    pub(crate) fn unwritten(&self) -> usize {
        self.unwritten.load(Ordering::Acquire)
    }

    /// It will be written down.
    pub(crate) fn hand_in(&self, settlement: Settlement) {
        self.unwritten.fetch_add(1, Ordering::AcqRel);
        // The other end lives as long as any desk does.
        let _ = self.results.send(settlement);
    }

    /// What found no room in its lane goes back to the store.
    pub(crate) fn take_back(&self, courier: &Courier, turned_away: Vec<TurnedAway>) {
        for (claim, due) in turned_away {
            self.hand_in(courier.put_back(claim, due));
        }
    }
}

/// Writes attempts down, as many together as have gathered while the former ones were written.
async fn settle(courier: Courier, mut settling: mpsc::UnboundedReceiver<Settlement>, unwritten: Arc<AtomicUsize>) {
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
        unwritten.fetch_sub(batch.len(), Ordering::AcqRel);
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
