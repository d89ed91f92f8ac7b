//! A delivery: one event on its way to one destination, as a state machine. It decides what an attempt's outcome means
//! and when the next try is due; it knows nothing of networks, and of clocks only what it is told.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::destination::Target;
use crate::event::Event;
use crate::id::{DestinationId, MessageId};
use crate::outbound::Exchange;
use crate::receipt::Kept;

pub mod ladder;
pub mod retry_after;
mod turn;
mod unsent;
pub mod verdict;

pub use ladder::Ladder;
pub use retry_after::Receiver;
pub use turn::waits_for_turn;
pub use unsent::{cancel, fail, park, put_back};
pub use verdict::{Terms, ends_at, over_until};

/// How long a claim holds. Longer than any exchange may take, so that a second sender never starts while the first may still be busy.
pub const CLAIM_FOR: SignedDuration = SignedDuration::from_secs(90);

/// The whole exchange, body included, must be over by then, unless a destination says otherwise. Standard Webhooks advises 15 to
/// 30 seconds.
pub const EXCHANGE_DEADLINE: SignedDuration = SignedDuration::from_secs(15);

/// The longest that a destination may say instead.
pub const EXCHANGE_DEADLINE_MAX: SignedDuration = SignedDuration::from_secs(30);

/// The right to make the next attempt of one delivery. Only a holder can settle it, and only the latest holder's settlement counts.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is to be delivered.
    pub event: Arc<Event>,
    /// Which of the event's deliveries it is, counted from zero.
    pub slot: u32,
    /// How many deliveries the event has.
    pub deliveries: u32,
    /// Where to.
    pub target: Target,
    /// How many attempts were settled before.
    pub tried: u32,
    /// How many of them use up no pause of its ladder: those that were made before it was last sent again, and those that only came too soon.
    pub ladder_from: u32,
    /// When it was due: first, or again.
    pub due_at: Timestamp,
    /// Until when nobody else will be given this delivery.
    pub until: Timestamp,
    /// Counts the claims of this delivery; a settlement with an older number is void.
    pub fence: i64,
}

impl Claim {
    /// What the receiver knows this delivery by, on all attempts.
    pub fn message_id(&self) -> MessageId {
        self.event.message_id.of_slot(self.slot)
    }

    /// The destination of the owner's that it goes to, where it is one.
    pub fn destination(&self) -> Option<DestinationId> {
        match self.target {
            Target::Destination(id) => Some(id),
            Target::Webhook(_) | Target::Default => None,
        }
    }

    /// Whether enough of the claim is left for a whole exchange.
    pub fn covers_exchange(&self, now: Timestamp) -> bool {
        self.until.duration_since(now) > EXCHANGE_DEADLINE_MAX + SignedDuration::from_secs(15)
    }
}

/// One HTTP exchange, as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from one.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long the exchange took, in microseconds.
    pub took_us: i64,
    /// The receiver's status, when it gave one.
    pub status: Option<u16>,
    /// Why there was no status.
    pub error: Option<String>,
    /// The first bytes of the answer; none where there was none or where the address is not the user's own.
    pub answer: Option<Vec<u8>>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Owed; the next attempt is due then.
    Pending(Timestamp),
    /// Owed; somebody is making an attempt, or is about to.
    Held,
    /// Owed; it waits, without attempts, until its destination takes deliveries again, and no longer than until then.
    Parked(Timestamp),
    /// Owed; its destination takes deliveries in order, and those before it have not ended yet.
    Queued,
    /// A receiver said 2xx.
    Delivered,
    /// It was given up: all attempts are used up, or none could be made.
    Failed,
}

impl State {
    /// How a delivery is told that goes to a destination which takes none now: what waits for its next attempt waits for the destination
    /// as well, until its time is over at `ends_at`, although the store learns of that only when the attempt is due.
    #[must_use]
    pub fn at_stopped_destination(self, ends_at: Timestamp) -> State {
        match self {
            State::Pending(_) => State::Parked(ends_at),
            State::Held | State::Parked(_) | State::Queued | State::Delivered | State::Failed => self,
        }
    }

    /// The word in the API and on the pages. What has come of it so far, in fewer words, is an [`Outcome`](crate::firing::Outcome).
    pub fn word(self) -> &'static str {
        match self {
            State::Pending(_) | State::Held => "pending",
            State::Parked(_) => "parked",
            State::Queued => "queued",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }
    }
}

/// What became of a claim, ready to be written down by whoever holds it.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The right to write it.
    pub claim: Claim,
    /// When it was decided.
    pub at: Timestamp,
    /// What was tried; none where no attempt could be made.
    pub attempt: Option<Attempt>,
    /// What is kept of the attempt beyond that; none where no attempt was made.
    pub receipt: Option<Kept>,
    /// What follows.
    pub verdict: Verdict,
    /// Where the delivery failed and no attempt says why: why, in a sentence for the person who owns the trigger.
    pub why: Option<String>,
    /// Why the destination is to be suspended: the receiver wants no more deliveries. None where it is not, and for what is no
    /// destination of its own. Whoever made the attempt acts on it (`Store::suspend_destination`), before this is written down; what
    /// is written of the delivery is the same either way.
    pub suspends: Option<String>,
    /// Whether the receiver took it for one too many and said when to come back, soon: then no pause of the ladder was used up, it says nothing
    /// of whether the receiver works, and nothing else is to be sent there before the verdict's time.
    pub is_too_soon: bool,
}

impl Settlement {
    /// Which destination has shown whether it works, and whether it does; none where no attempt was made there, or where it only said that
    /// it came too soon.
    pub fn shows(&self) -> Option<(DestinationId, bool)> {
        let id = self.claim.destination().filter(|_| self.attempt.is_some() && !self.is_too_soon)?;
        Some((id, self.verdict == Verdict::Delivered))
    }
}

/// What follows for a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The delivery is done.
    Delivered,
    /// Another attempt is due then; where none was made now, none is counted.
    Retry(Timestamp),
    /// It waits until then without another attempt, or until its destination takes deliveries again: then it is due at once. Where
    /// that is the case already when this is written down, or the destination is gone, it is due at once too.
    Park(Timestamp),
    /// It is given up.
    Failed,
}

/// Decides what an exchange means for the delivery that `claim` holds, by the terms of its destination. The receipt is whoever sent's
/// to add.
pub fn settle(
    mut claim: Claim,
    exchange: Exchange,
    terms: &Terms,
    started_at: Timestamp,
    now: Timestamp,
) -> Settlement {
    let number = claim.tried + 1;
    let tried = verdict::Tried {
        number: number.saturating_sub(claim.ladder_from),
        made: number,
        message: claim.message_id(),
        ends_at: terms.ends_at(&claim.event),
        result: &exchange.result,
    };
    let ruling = verdict::judge(&tried, terms, now);
    if ruling.is_too_soon {
        claim.ladder_from += 1;
    }
    let (verdict, is_too_soon) = (ruling.verdict, ruling.is_too_soon);
    let suspends = ruling.suspends.filter(|_| matches!(claim.target, Target::Destination(_)));
    let (status, error, answer) = match exchange.result {
        Ok(answer) => (Some(answer.status), None, Some(answer.body)),
        Err(failure) => (None, Some(failure.0), None),
    };
    let answer = answer.filter(|body| !body.is_empty() && claim.target.is_users_own());
    let took_us = i64::try_from(exchange.took.as_micros()).unwrap_or(i64::MAX);
    let attempt = Attempt { number, started_at, took_us, status, error, answer };
    Settlement { claim, at: now, attempt: Some(attempt), receipt: None, verdict, why: None, suspends, is_too_soon }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::destination::Webhook;
    use crate::event::Retention;
    use crate::message::tests::{at, event};
    use crate::outbound::{Answer, Facts, Failure};

    fn settled(target: Target, tried: u32, status: u16) -> Settlement {
        let event = Arc::new(event("nightly", "{}"));
        let started_at = event.fired_at;
        let until = started_at + CLAIM_FOR;
        let claim =
            Claim { event, slot: 1, deliveries: 2, target, tried, ladder_from: 0, due_at: started_at, until, fence: 1 };
        let answer = Answer { status, headers: Vec::new(), body: b"words".to_vec() };
        let exchange = Exchange { result: Ok(answer), took: Duration::from_millis(7), facts: Facts::default() };
        let terms = Terms::standard(Retention::STANDARD.keep_for);
        settle(claim, exchange, &terms, started_at, at("2027-02-15T08:30:03Z"))
    }

    #[test]
    fn only_a_destination_of_its_own_is_suspended() {
        let own = Webhook::parse("https://example.com/", None).expect("an address");
        for target in [Target::Webhook(own), Target::Default] {
            let settlement = settled(target, 0, 410);
            assert_eq!((settlement.verdict, settlement.suspends), (Verdict::Failed, None));
        }
        let settlement = settled(Target::Destination(DestinationId(7)), 0, 410);
        assert_eq!(settlement.verdict, Verdict::Failed);
        assert!(settlement.suspends.is_some());
    }

    #[test]
    fn a_settlement_says_what_was_tried_and_when_the_next_is_due() {
        let settlement = settled(Target::Destination(DestinationId(7)), 2, 500);
        let message = settlement.claim.message_id();
        let due = Ladder::standard().next_try(3, message, settlement.at).expect("a rung is left");
        assert_eq!(settlement.verdict, Verdict::Retry(due));
        let attempt = settlement.attempt.expect("an attempt was made");
        assert_eq!((attempt.number, attempt.status, attempt.took_us), (3, Some(500), 7000));
        assert_eq!(attempt.answer.as_deref(), Some(&b"words"[..]));
        assert_eq!(
            settled(Target::Default, 2, 500).attempt.and_then(|attempt| attempt.answer),
            None,
            "not the user's own"
        );
    }

    #[test]
    fn what_came_too_soon_uses_up_no_pause_and_shows_nothing_of_its_destination() {
        let target = Target::Destination(DestinationId(7));
        let failed = settled(target, 2, 500);
        assert_eq!((failed.shows(), failed.claim.ladder_from), (Some((DestinationId(7), false)), 0));
        let started_at = failed.claim.event.fired_at;
        let terms = Terms::standard(Retention::STANDARD.keep_for);
        let headers = vec![("Retry-After".to_owned(), "3".to_owned())];
        let answer = Answer { status: 429, headers, body: Vec::new() };
        let exchange = Exchange { result: Ok(answer), took: Duration::from_millis(7), facts: Facts::default() };
        let now = at("2027-02-15T08:30:03Z");
        let too_soon = settle(failed.claim, exchange, &terms, started_at, now);
        assert_eq!(too_soon.verdict, Verdict::Retry(now + SignedDuration::from_secs(3)));
        assert_eq!((too_soon.shows(), too_soon.claim.ladder_from), (None, 1));
        let claim = Claim { tried: 3, ..too_soon.claim };
        let silent = Exchange { result: Err(Failure("No.".to_owned())), took: Duration::ZERO, facts: Facts::default() };
        let next = settle(claim, silent, &terms, started_at, now);
        let due = Ladder::standard().next_try(3, next.claim.message_id(), now).expect("a rung is left");
        assert_eq!(next.verdict, Verdict::Retry(due), "the third rung, with the fourth attempt");
    }

    #[test]
    fn a_delivery_that_is_sent_again_goes_on_counting_and_begins_its_ladder_anew() {
        let target = Target::Destination(DestinationId(7));
        let claim = Claim { tried: 8, ladder_from: 8, ..settled(target.clone(), 7, 500).claim };
        let (started_at, now) = (claim.event.fired_at, at("2027-02-15T09:00:00Z"));
        let terms = Terms::standard(Retention::STANDARD.keep_for);
        let answer = Answer { status: 500, headers: Vec::new(), body: Vec::new() };
        let exchange = Exchange { result: Ok(answer), took: Duration::from_millis(7), facts: Facts::default() };
        let again = settle(claim, exchange, &terms, started_at, now);
        assert_eq!(again.attempt.as_ref().map(|attempt| attempt.number), Some(9));
        let message = again.claim.message_id();
        assert_eq!(again.verdict, Verdict::Retry(Ladder::standard().next_try(1, message, now).expect("a first rung")));
        assert_eq!(settled(target, 7, 500).verdict, Verdict::Failed, "the former ladder was used up");
    }

    #[test]
    fn at_a_destination_that_takes_no_deliveries_only_what_waits_for_an_attempt_is_told_otherwise() {
        let (due, end) = (at("2027-02-15T09:00:00Z"), at("2027-02-17T08:00:00Z"));
        assert_eq!(State::Pending(due).at_stopped_destination(end), State::Parked(end));
        for state in [State::Held, State::Parked(due), State::Queued, State::Delivered, State::Failed] {
            assert_eq!(state.at_stopped_destination(end), state);
        }
    }

    #[test]
    fn a_claim_covers_the_longest_exchange() {
        let settlement = settled(Target::Default, 0, 200);
        let claim = settlement.claim;
        assert!(claim.covers_exchange(claim.until - CLAIM_FOR));
        assert!(!claim.covers_exchange(claim.until - EXCHANGE_DEADLINE_MAX));
    }
}
