//! A delivery: one event on its way to one destination, as a state machine. It decides what an attempt's outcome means
//! and when the next try is due; it knows nothing of networks, and of clocks only what it is told.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::destination::Target;
use crate::event::Event;
use crate::id::MessageId;
use crate::outbound::Exchange;

/// How many attempts a delivery gets.
pub const ATTEMPTS_MAX: u32 = 5;

/// The waits between attempts in seconds. A list instead of a formula: an operator can read it aloud and predict it. It
/// ends long before the event's age does.
const WAITS_S: [i64; ATTEMPTS_MAX as usize - 1] = [5, 60, 600, 3600];

/// A wait is lengthened or shortened by up to this share, so that the failures of one moment do not come back as one moment.
const SPREAD_PERCENT: i64 = 20;

/// How long a claim holds. Longer than any exchange may take, so that a second sender never starts while the first may still be busy.
pub const CLAIM_FOR: SignedDuration = SignedDuration::from_secs(90);

/// The whole exchange, body included, must be over by then. Standard Webhooks advises 15 to 30 seconds.
pub const EXCHANGE_DEADLINE: SignedDuration = SignedDuration::from_secs(15);

/// The right to make the next attempt of one delivery. Only a holder can settle it, and only the latest holder's settlement counts.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is to be delivered.
    pub event: Arc<Event>,
    /// Where to.
    pub target: Target,
    /// How many attempts were settled before.
    pub tried: u32,
    /// Until when nobody else will be given this delivery.
    pub until: Timestamp,
    /// Counts the claims of this delivery; a settlement with an older number is void.
    pub fence: i64,
}

impl Claim {
    /// Whether enough of the claim is left for a whole exchange.
    pub fn covers_exchange(&self, now: Timestamp) -> bool {
        self.until.duration_since(now) > EXCHANGE_DEADLINE + SignedDuration::from_secs(15)
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
    /// A receiver said 2xx.
    Delivered,
    /// All attempts are used up.
    Failed,
}

impl State {
    /// The word in the API and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            State::Pending(_) | State::Held => "pending",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }
    }
}

/// An attempt and what follows from it, ready to be written down by whoever holds the claim.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The right to write it.
    pub claim: Claim,
    /// What happened.
    pub attempt: Attempt,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The delivery is done.
    Delivered,
    /// Another attempt is due then.
    Retry(Timestamp),
    /// The ladder is used up.
    Failed,
}

/// Decides what an exchange means for the delivery that `claim` holds.
///
/// Only 2xx is success (Standard Webhooks 1.0.0); redirects are not followed and count as failures.
pub fn settle(claim: Claim, exchange: Exchange, started_at: Timestamp, now: Timestamp) -> Settlement {
    let number = claim.tried + 1;
    let (status, error, answer) = match exchange.result {
        Ok(answer) => (Some(answer.status), None, Some(answer.body)),
        Err(failure) => (None, Some(failure.0), None),
    };
    let answer = answer.filter(|body| !body.is_empty() && claim.target.is_users_own());
    let took_us = i64::try_from(exchange.took.as_micros()).unwrap_or(i64::MAX);
    let attempt = Attempt { number, started_at, took_us, status, error, answer };
    let verdict = match status {
        Some(200..=299) => Verdict::Delivered,
        _ => next_try(number, claim.event.message_id, now).map_or(Verdict::Failed, Verdict::Retry),
    };
    Settlement { claim, attempt, verdict }
}

/// How long is waited at least after `tried` attempts; none when the ladder is used up.
pub fn shortest_wait(tried: u32) -> Option<SignedDuration> {
    let rung = usize::try_from(tried).ok()?.checked_sub(1)?;
    let wait_ms = WAITS_S.get(rung)? * 1000;
    Some(SignedDuration::from_millis(wait_ms - wait_ms * SPREAD_PERCENT / 100))
}

/// When to try again after `tried` attempts, or none when the ladder is used up.
fn next_try(tried: u32, message: MessageId, now: Timestamp) -> Option<Timestamp> {
    let rung = usize::try_from(tried).ok()?.checked_sub(1)?;
    let wait_ms = WAITS_S.get(rung)? * 1000;
    Some(now + SignedDuration::from_millis(wait_ms + spread(wait_ms, tried, message)))
}

/// The deviation from the ladder, drawn from the message id instead of from chance: the same delivery always waits equally long.
fn spread(wait_ms: i64, tried: u32, message: MessageId) -> i64 {
    let digest = Sha256::new().chain_update(message.0.as_bytes()).chain_update(tried.to_le_bytes()).finalize();
    let drawn = i64::from(u16::from_le_bytes([digest[0], digest[1]]));
    let widest = wait_ms * SPREAD_PERCENT / 100;
    drawn * 2 * widest / i64::from(u16::MAX) - widest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;

    #[test]
    fn five_attempts_with_growing_pauses_that_end_before_the_event_is_archived() {
        let ids = Ids::from_seed([3; 32]);
        for _ in 0..500 {
            let start = Timestamp::UNIX_EPOCH;
            let message = ids.message(start);
            let mut now = start;
            let mut pause = SignedDuration::ZERO;
            for tried in 1..ATTEMPTS_MAX {
                let next = next_try(tried, message, now).expect("a rung is left");
                assert!(next.duration_since(now) > pause, "pauses grow");
                pause = next.duration_since(now);
                now = next;
            }
            assert_eq!(next_try(ATTEMPTS_MAX, message, now), None);
            assert!(now.duration_since(start) < SignedDuration::from_hours(2));
        }
    }

    #[test]
    fn a_wait_strays_by_at_most_a_fifth() {
        let ids = Ids::from_seed([4; 32]);
        for _ in 0..1000 {
            let strayed = spread(5000, 1, ids.message(Timestamp::UNIX_EPOCH));
            assert!((-1000..=1000).contains(&strayed), "{strayed}");
        }
    }
}
