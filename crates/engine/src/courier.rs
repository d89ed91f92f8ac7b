//! Every delivery ends in a final state. Claim, send and settle are three steps, so that a simulator can come between any
//! two of them; `lanes` decides whose turn it is. What is sent is rendered in `domain::message`, what an outcome means is
//! decided in `domain::delivery`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{self, Claim, Settlement, Verdict};
use oncue_domain::destination::{Target, Webhook};
use oncue_domain::message::{Source, render};
use oncue_domain::outbound::{Exchange, Failure, Outbound, Trust};
use oncue_domain::store::{Result, Store};

use crate::work::Tally;

/// Brings events to their destinations.
#[derive(Clone)]
pub struct Courier {
    /// Where owed deliveries are claimed and settled.
    pub store: Arc<dyn Store>,
    /// The way out.
    pub outbound: Arc<dyn Outbound>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who the messages say they come from.
    pub source: Arc<Source>,
    /// The operator's default destination.
    pub default: Option<Arc<Webhook>>,
    /// What it does, for the operator.
    pub tally: Arc<Tally>,
}

impl Courier {
    /// Claims owed deliveries, at most `room`.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn claim(&self, room: usize) -> Result<Vec<Claim>> {
        self.store.claim_deliveries(self.clock.now(), room).await
    }

    /// Makes one attempt. None when the claim has grown too old to start: somebody else will be given the delivery.
    pub async fn send(&self, claim: Claim) -> Option<Settlement> {
        let started_at = self.clock.now();
        if !claim.covers_exchange(started_at) {
            return None;
        }
        let exchange = match self.address(&claim) {
            Some((webhook, trust)) => {
                self.outbound.send(render(&claim.event, webhook, trust, &self.source, started_at)).await
            }
            None => Exchange {
                result: Err(Failure("The server has no default destination any more.".to_owned())),
                took: Duration::ZERO,
            },
        };
        let now = self.clock.now();
        let settlement = delivery::settle(claim, exchange, started_at, now);
        report(&settlement, now);
        self.tally.note_attempt(now, settlement.verdict == Verdict::Delivered);
        Some(settlement)
    }

    /// Writes attempts down.
    ///
    /// # Errors
    /// When the store cannot answer; the attempts are then not recorded, and will be repeated unless they are settled later.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> Result<()> {
        self.store.settle(settlements).await
    }

    fn address<'a>(&'a self, claim: &'a Claim) -> Option<(&'a Webhook, Trust)> {
        match &claim.target {
            Target::Webhook(webhook) => Some((webhook, Trust::Guarded)),
            Target::Default => self.default.as_deref().map(|webhook| (webhook, Trust::Operator)),
        }
    }
}

fn report(settlement: &Settlement, now: Timestamp) {
    let outcome = match settlement.verdict {
        Verdict::Delivered => "delivered",
        Verdict::Retry(_) => "retry",
        Verdict::Failed => "failed",
    };
    let attempt = &settlement.attempt;
    metrics::counter!("oncue_delivery_attempts_total", "outcome" => outcome).increment(1);
    metrics::histogram!("oncue_delivery_duration_seconds")
        .record(Duration::from_micros(attempt.took_us.unsigned_abs()).as_secs_f64());
    let event = settlement.claim.event.id;
    let (number, status) = (attempt.number, attempt.status);
    match settlement.verdict {
        Verdict::Delivered => tracing::debug!(%event, number, status, "event {event} delivered"),
        Verdict::Retry(at) => {
            let wait_ms = at.duration_since(now).as_millis();
            tracing::info!(%event, number, status, wait_ms, "event {event} could not be delivered, trying again");
        }
        Verdict::Failed => tracing::warn!(%event, number, status, "event {event} could not be delivered, giving up"),
    }
}
