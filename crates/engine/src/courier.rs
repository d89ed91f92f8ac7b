//! Every delivery ends in a final state. Claim, send and settle are three steps, so that a simulator can come between any
//! two of them; `lanes` decides whose turn it is. What is sent is written in `domain::message`, what an outcome means is
//! decided in `domain::delivery`; what a destination says, it says at the moment of the attempt (`directory`).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{self, Attempt, Claim, Settlement, Terms, Verdict};
use oncue_domain::destination::alert::News;
use oncue_domain::destination::definition::Rate;
use oncue_domain::destination::{Destination, Standing, Target, Webhook};
use oncue_domain::event::{Event, Origin, Retention};
use oncue_domain::id::DestinationId;
use oncue_domain::message::{Outgoing, Parcel, Source, compose, occurrence, render};
use oncue_domain::outbound::{Exchange, Facts, Failure, Outbound, Trust};
use oncue_domain::receipt::Draft;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{Error, Result, Store};
use oncue_domain::trigger::ScheduleDetails;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::directory::Directory;
use crate::inbox;
use crate::work::Tally;

/// How soon it is tried again what could not begin because the store did not answer.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// What is said of a delivery whose destination is gone.
const GONE: &str = "The destination was deleted.";

/// What is said of a delivery whose destination is there but makes no sense.
const UNREADABLE: &str = "What the destination says cannot be read any more; delete it and make it again.";

/// Where an attempt goes, by what was looked up for it.
pub enum Receiver {
    /// To the address in the claim, or the operator's.
    Address,
    /// To a destination as it was a moment ago; none where it is gone.
    Destination(Option<Arc<Destination>>),
    /// To a destination that is there but makes no sense.
    Unreadable,
}

impl Receiver {
    /// By which rate of whom attempts begin; none where it says none, and where none begins anyway.
    pub(crate) fn rate(&self) -> Option<(DestinationId, Rate)> {
        let Receiver::Destination(Some(destination)) = self else { return None };
        let rate = destination.definition.pace().filter(|_| destination.standing == Standing::Active)?;
        Some((destination.id, rate))
    }
}

/// Brings events to their destinations.
#[derive(Clone)]
pub struct Courier {
    /// Where owed deliveries are claimed and settled.
    pub store: Arc<dyn Store>,
    /// What destinations say.
    pub directory: Arc<Directory>,
    /// The way out.
    pub outbound: Arc<dyn Outbound>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who the messages say they come from.
    pub source: Arc<Source>,
    /// The zone data that templates look into.
    pub zones: Arc<Zones>,
    /// The operator's default destination.
    pub default: Option<Arc<Webhook>>,
    /// How long events live.
    pub retention: Retention,
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

    /// Looks up where an attempt goes.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn find(&self, target: &Target) -> Result<Receiver> {
        match target {
            Target::Webhook(_) | Target::Default => Ok(Receiver::Address),
            Target::Destination(id) => match self.directory.get(*id, self.clock.now()).await {
                Ok(destination) => Ok(Receiver::Destination(destination)),
                // Trying again would not help, and dropping it would let it end without a word.
                Err(Error::Broken(error)) => {
                    tracing::error!(destination = id.0, error, "destination {id} makes no sense");
                    Ok(Receiver::Unreadable)
                }
                Err(error) => Err(error),
            },
        }
    }

    /// No attempt of it can begin before `due`.
    pub(crate) fn put_back(&self, claim: Claim, due: Timestamp) -> Settlement {
        let until = self.ends_at(&claim);
        let settlement = delivery::put_back(claim, due, until, self.clock.now());
        report(&settlement);
        settlement
    }

    fn ends_at(&self, claim: &Claim) -> Timestamp {
        delivery::ends_at(&claim.event, self.retention.keep_for)
    }

    /// Whether the time in which it may be tried is over.
    pub(crate) fn is_late(&self, claim: &Claim) -> bool {
        self.clock.now() >= self.ends_at(claim)
    }

    /// The store could not say what is needed for an attempt; it is worth asking again soon.
    pub(crate) fn look_again(&self, claim: Claim) -> Settlement {
        let soon = self.clock.now().saturating_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
        self.put_back(claim, soon)
    }

    /// Gives up a delivery whose time is over.
    pub(crate) async fn give_up(&self, claim: Claim) -> Settlement {
        // Where it cannot be read what the destination says, there is still a reason.
        let receiver = self.find(&claim.target).await.unwrap_or(Receiver::Address);
        self.send(claim, &receiver).await
    }

    /// Makes one attempt, or says why there is none.
    pub async fn send(&self, claim: Claim, receiver: &Receiver) -> Settlement {
        let settlement = match (receiver, claim.target.clone()) {
            (Receiver::Destination(Some(destination)), _) => self.send_to(claim, destination).await,
            (Receiver::Destination(None), _) => delivery::fail(claim, GONE, self.clock.now()),
            (Receiver::Unreadable, _) => delivery::fail(claim, UNREADABLE, self.clock.now()),
            (Receiver::Address, Target::Webhook(webhook)) => self.call(claim, Some(&webhook), Trust::Guarded).await,
            (Receiver::Address, Target::Default) => self.call(claim, self.default.as_deref(), Trust::Operator).await,
            // Nobody could find out what it says.
            (Receiver::Address, Target::Destination(_)) => self.put_back(claim, self.clock.now()),
        };
        report(&settlement);
        if settlement.verdict == Verdict::Failed {
            metrics::counter!("oncue_deliveries_given_up_total", "reason" => reason(settlement.attempt.as_ref()))
                .increment(1);
        }
        if let Some(attempt) = &settlement.attempt {
            count(attempt, settlement.verdict);
            self.tally.note_attempt(settlement.at, settlement.verdict == Verdict::Delivered);
        }
        settlement
    }

    /// When an exchange may begin: now, while the delivery's time is not over and enough of the claim is left. Asked right before, because what
    /// comes before may take as long as a database needs. If not, what becomes of the delivery.
    fn begin(&self, claim: Claim) -> ControlFlow<Settlement, (Claim, Timestamp)> {
        let now = self.clock.now();
        if now < self.ends_at(&claim) && claim.covers_exchange(now) {
            return ControlFlow::Continue((claim, now));
        }
        let until = self.ends_at(&claim);
        ControlFlow::Break(delivery::put_back(claim, now, until, now))
    }

    /// Writes attempts down.
    ///
    /// # Errors
    /// When the store cannot answer; the attempts are then not recorded, and will be repeated unless they are settled later.
    pub async fn settle(&self, settlements: Vec<Settlement>) -> Result<()> {
        self.store.settle(settlements).await
    }

    /// An attempt at a trigger's own address or the operator's default one.
    async fn call(&self, claim: Claim, to: Option<&Webhook>, trust: Trust) -> Settlement {
        let (claim, started_at) = match self.begin(claim) {
            ControlFlow::Continue(begun) => begun,
            ControlFlow::Break(settlement) => return settlement,
        };
        let (draft, exchange) = match to {
            Some(webhook) => {
                let request = render(&claim.event, webhook, trust, &self.source, started_at);
                (Draft::of_request(&request), self.outbound.send(request).await)
            }
            None => unsent(Failure("The server has no default destination any more.".to_owned())),
        };
        let keep_for = self.retention.keep_for;
        let terms = to.map_or_else(|| Terms::standard(keep_for), |webhook| Terms::of_webhook(webhook, keep_for));
        self.conclude(claim, draft, exchange, &terms, started_at)
    }

    /// What an exchange means, and its receipt.
    fn conclude(
        &self,
        claim: Claim,
        draft: Draft,
        mut exchange: Exchange,
        terms: &Terms,
        started_at: Timestamp,
    ) -> Settlement {
        let receipt = Some(draft.finish(&claim, &mut exchange, started_at));
        Settlement { receipt, ..delivery::settle(claim, exchange, terms, started_at, self.clock.now()) }
    }

    /// An attempt at a destination that takes deliveries; what goes to one that does not waits for it.
    async fn send_to(&self, claim: Claim, destination: &Destination) -> Settlement {
        if destination.standing != Standing::Active {
            let until = self.ends_at(&claim);
            return delivery::park(claim, until, self.clock.now());
        }
        let asks = destination.definition.asks_for_occurrence();
        let schedule = match if asks { self.schedule(&claim.event).await } else { Some(None) } {
            Some(schedule) => schedule,
            None => return self.look_again(claim),
        };
        let (claim, started_at) = match self.begin(claim) {
            ControlFlow::Continue(begun) => begun,
            ControlFlow::Break(settlement) => return settlement,
        };
        let occurrence = occurrence(&claim.event, schedule.as_ref());
        let parcel = Parcel { event: &claim.event, message_id: claim.message_id(), occurrence };
        let write = || compose(parcel, &destination.definition, &self.source, &self.zones, started_at);
        let is_laborious = destination.definition.is_laborious(&claim.event.payload);
        let outgoing = if is_laborious { out_of_the_way(write) } else { write() };
        let (draft, exchange) = match outgoing {
            Ok(Outgoing::Http(request)) => (Draft::of_request(&request), self.outbound.send(request).await),
            Ok(Outgoing::Mail(mail)) => (Draft::of_mail(&mail), self.outbound.send_mail(mail).await),
            Ok(Outgoing::Inbox(inbound)) => {
                let exchange = inbox::receive(&*self.store, &claim, destination, &inbound, started_at).await;
                (Draft::of_request(&inbound.request), exchange)
            }
            Err(failure) => unsent(failure),
        };
        let draft = draft.hiding_keys_of(&destination.definition);
        let terms = Terms::of(&destination.definition, self.retention.keep_for);
        let settlement = self.conclude(claim, draft, exchange, &terms, started_at);
        if let Some(reason) = &settlement.suspends {
            self.suspend(&settlement, destination, reason).await;
        }
        settlement
    }

    /// The schedule of an event's trigger, where it still has one. Nothing when the store cannot say.
    async fn schedule(&self, event: &Event) -> Option<Option<ScheduleDetails>> {
        if event.scheduled_at.is_none() {
            return Some(None);
        }
        match self.store.trigger(event.owner, event.trigger).await {
            Ok(armed) => Some(armed.and_then(|armed| armed.trigger.definition.schedule)),
            Err(error) => {
                tracing::error!(event = event.id.0, %error, "the schedule of event {} cannot be read", event.id);
                None
            }
        }
    }

    /// The receiver wants nothing more. Where that cannot be written down, the next delivery will be told the same.
    async fn suspend(&self, settlement: &Settlement, destination: &Destination, reason: &str) {
        let (claim, id, now) = (&settlement.claim, destination.id, settlement.at);
        let number = settlement.attempt.as_ref().map_or(0, |attempt| attempt.number);
        let told_by = (claim.event.origin != Origin::Alert)
            .then(|| claim.message_id().of_alert(News::Suspended.word(), number, now));
        match self.store.suspend_destination(id, destination.revision, reason, told_by, now).await {
            Ok(true) => tracing::warn!(destination = id.0, reason, "destination {id} is suspended"),
            Ok(false) => {}
            Err(error) => tracing::error!(destination = id.0, %error, "destination {id} cannot be suspended"),
        }
    }
}

/// Does what may take some time, and lets everybody else whose turn it is on this thread go on elsewhere. A runtime with one thread has no
/// elsewhere.
fn out_of_the_way<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        _ => work(),
    }
}

/// What there is to say where nothing could be sent.
fn unsent(failure: Failure) -> (Draft, Exchange) {
    let exchange = Exchange { result: Err(failure), took: Duration::ZERO, facts: Facts::default() };
    (Draft::unsent(), exchange)
}

fn count(attempt: &Attempt, verdict: Verdict) {
    let outcome = match verdict {
        Verdict::Delivered => "delivered",
        Verdict::Retry(_) | Verdict::Park(_) => "retry",
        Verdict::Failed => "failed",
    };
    metrics::counter!("oncue_delivery_attempts_total", "outcome" => outcome).increment(1);
    metrics::histogram!("oncue_delivery_duration_seconds")
        .record(Duration::from_micros(attempt.took_us.unsigned_abs()).as_secs_f64());
}

/// What was met last before a delivery was given up, in a word of a short list: labels of a metric must be few.
fn reason(last: Option<&Attempt>) -> &'static str {
    match last.map(|attempt| attempt.status) {
        Some(Some(_)) => "answer",
        Some(None) => "no-answer",
        None => "not-tried",
    }
}

fn report(settlement: &Settlement) {
    let (event, slot) = (settlement.claim.event.id, settlement.claim.slot);
    let attempt = settlement.attempt.as_ref();
    let (number, status) = (attempt.map(|attempt| attempt.number), attempt.and_then(|attempt| attempt.status));
    match settlement.verdict {
        Verdict::Delivered => tracing::debug!(%event, slot, number, status, "event {event} delivered"),
        Verdict::Retry(at) if attempt.is_none() => {
            tracing::debug!(%event, slot, %at, "event {event} waits for its turn")
        }
        Verdict::Retry(at) => {
            let wait_ms = at.duration_since(settlement.at).as_millis();
            tracing::info!(%event, slot, number, status, wait_ms, "event {event} could not be delivered, trying again");
        }
        Verdict::Park(until) => tracing::debug!(%event, slot, %until, "event {event} waits for its destination"),
        Verdict::Failed => {
            let why = settlement.why.as_deref();
            tracing::warn!(%event, slot, number, status, why, "event {event} could not be delivered, giving up");
        }
    }
}
