//! A pause or a freeze whose end has come is over, and so is a trigger whose expiry has, whoever looks; that it was stands in the log of acts because
//! somebody does, and that is done here. Nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use oncue_domain::clock::Clock;
use oncue_domain::store::{Result, Store};
use tokio::sync::watch;
use tokio::time::sleep;

/// How often ends are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How many pauses, how many freezes, and how many expiries are told of in one transaction.
const SLICE: usize = 200;

/// Tells of pauses, freezes and triggers that were over of themselves.
pub struct Ends {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Ends {
    /// Tells of a slice. True when there may be more.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn tick(&self) -> Result<bool> {
        Ok(self.store.note_ends(self.clock.now(), SLICE).await? >= SLICE)
    }
}

/// Looks until it is told to stop.
pub(crate) async fn look(ends: Ends, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let wait = match ends.tick().await {
            Ok(true) => Duration::from_millis(1),
            Ok(false) => LOOK_EVERY,
            Err(error) => {
                tracing::error!(%error, "ends of pauses, freezes and triggers cannot be written down, trying again");
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            _ = stopped.changed() => {}
        }
    }
}
