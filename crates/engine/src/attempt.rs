//! One attempt, from a claim to what became of it: what the destination says is looked up once, a turn is awaited where it says a
//! rate, and the courier sends. Every claim that comes in here goes out as a settlement, so that none stays held until it lapses; how
//! many attempts go on beside each other is decided in `lanes`.

use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::destination::Destination;

use crate::courier::{Courier, Receiver};
use crate::pacer::{Pacer, Turn};

/// Makes attempts.
#[derive(Clone)]
pub struct Attempts {
    courier: Courier,
    pacer: Arc<Pacer>,
}

impl Attempts {
    /// With turns from the courier's store.
    pub fn new(courier: Courier) -> Attempts {
        let pacer = Arc::new(Pacer::new(Arc::clone(&courier.store)));
        Attempts { courier, pacer }
    }

    /// Makes the attempt, or says why there is none. `learn` is told what the destination says, where it goes to one that can be read (none: it
    /// is gone); `wait` waits until then, [`oncue_domain::destination::definition::TURNS_AHEAD`] at most.
    pub async fn make<W: Future<Output = ()>>(
        &self,
        claim: Claim,
        learn: impl FnOnce(Option<&Destination>),
        wait: impl FnOnce(Timestamp) -> W,
    ) -> Settlement {
        let courier = &self.courier;
        let receiver = match courier.find(&claim.target).await {
            Ok(receiver) => receiver,
            Err(error) => {
                tracing::error!(event = %claim.event.id, %error, "it cannot be read what a destination says");
                return courier.look_again(claim);
            }
        };
        if let Receiver::Destination(destination) = &receiver {
            learn(destination.as_deref());
        }
        if let Some((id, rate)) = receiver.rate() {
            // Whoever cannot begin takes no turn from others.
            if !claim.covers_exchange(courier.clock.now()) {
                return courier.put_back(claim, courier.clock.now());
            }
            match self.pacer.take(id, rate, &*courier.clock).await {
                Ok(Turn::At(start)) => wait(start).await,
                Ok(Turn::NotBefore(due)) => return courier.put_back(claim, due),
                Err(error) => {
                    tracing::error!(destination = id.0, %error, "no turns can be had for destination {id}");
                    return courier.look_again(claim);
                }
            }
        }
        courier.send(claim, &receiver).await
    }
}

#[cfg(test)]
mod tests;
