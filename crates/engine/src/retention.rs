//! Events go when they are old. What they are called is computed from their age wherever they are read, so this loop only
//! gives the room back: in small slices, so that no firing waits for it.

use std::sync::Arc;

use oncue_domain::clock::Clock;
use oncue_domain::event::Retention;
use oncue_domain::store::{Result, Store};

/// How many events go in one transaction.
const SLICE: usize = 500;

/// Removes what has lived its time.
pub struct Expiry {
    /// Where the events are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long events live.
    pub retention: Retention,
}

impl Expiry {
    /// Removes one slice. True when there may be more.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn tick(&self) -> Result<bool> {
        let now = self.clock.now();
        let expired = self.store.expire(self.retention.gone_until(now), now, SLICE).await?;
        metrics::counter!("oncue_events_expired_total").increment(expired.events as u64);
        Ok(!expired.is_done)
    }
}
