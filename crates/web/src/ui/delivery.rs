//! A delivery on the page of its event: where it goes, the ladder of its attempts, and of each attempt what came back, and why that
//! was no success; what was sent, and all else that is known of it, stands on a page of its own (`receipt`).

use std::collections::HashMap;

use axum::http::StatusCode;
use jiff::Timestamp;
use oncue_domain::delivery::{self, Attempt, State};
use oncue_domain::destination::Target;
use oncue_domain::id::DestinationId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::DeliveryView;

use super::badge::Badge;
use super::cause::Cause;
use super::chart::{Ladder, Rung};
use super::moment::{Moment, took};
use super::trigger_row::format_name;

/// How many bytes of a body a page shows.
pub(crate) const BODY_BYTES_SHOWN: usize = 16 * 1024;

/// How a delivery is told: the instant of the page, the zone of its times, and what destinations are called.
#[derive(Clone, Copy)]
pub(crate) struct Telling<'a> {
    pub(crate) now: Timestamp,
    pub(crate) zone: &'a Zone,
    pub(crate) names: &'a HashMap<DestinationId, String>,
}

/// One delivery as its page shows it.
pub(crate) struct DeliveryBlock {
    /// The address, or none for the operator's own, which users never see.
    pub(crate) address: Option<String>,
    pub(crate) format: Option<&'static str>,
    /// The destination it goes to, where it is one of the owner's: its number, and its name unless it is gone.
    pub(crate) destination: Option<(DestinationId, Option<String>)>,
    /// Which of the event's deliveries it is.
    pub(crate) slot: u32,
    /// What the receiver knows it by.
    pub(crate) message_id: String,
    pub(crate) state: Badge,
    /// Until when it waits for its destination to take deliveries again.
    pub(crate) parked_until: Option<Moment>,
    /// Whether it waits for those before it.
    pub(crate) is_queued: bool,
    /// Why it failed, where no attempt says it.
    pub(crate) why: Option<String>,
    pub(crate) next: Option<Moment>,
    /// Whether an attempt is being made at this moment, or is about to be.
    pub(crate) is_held: bool,
    pub(crate) ladder: Ladder,
    /// The latest first.
    pub(crate) attempts: Vec<AttemptBlock>,
}

impl DeliveryBlock {
    pub(crate) fn of(view: &DeliveryView, telling: Telling<'_>) -> DeliveryBlock {
        let Telling { now, zone, names } = telling;
        let webhook = match &view.target {
            Target::Webhook(webhook) => Some(webhook),
            Target::Default | Target::Destination(_) => None,
        };
        let attempts = view.attempts.iter().rev().map(|attempt| AttemptBlock::of(attempt, now, zone));
        let next = match view.state {
            State::Pending(due) => Some(Moment::due(due, now, zone)),
            _ => None,
        };
        DeliveryBlock {
            address: webhook.map(|webhook| webhook.url.to_string()),
            format: webhook.map(|webhook| format_name(webhook.format)),
            destination: match &view.target {
                Target::Destination(id) => Some((*id, names.get(id).cloned())),
                _ => None,
            },
            slot: view.slot,
            message_id: view.message_id.to_string(),
            state: Badge::of_delivery(view.state),
            parked_until: match view.state {
                State::Parked(until) => Some(Moment::new(until, now, zone)),
                _ => None,
            },
            is_queued: view.state == State::Queued,
            why: view.why.clone(),
            next,
            is_held: view.state == State::Held,
            ladder: Ladder::new(&rungs(view, now), now, zone),
            attempts: attempts.collect(),
        }
    }
}

/// What was tried, and what would still be.
fn rungs(view: &DeliveryView, now: Timestamp) -> Vec<Rung> {
    let made = view.attempts.iter().map(|attempt| Rung::Made {
        at: attempt.started_at,
        is_success: is_success(attempt),
        outcome: outcome(attempt),
    });
    let mut rungs: Vec<Rung> = made.collect();
    let mut at = match view.state {
        State::Pending(due) => due,
        State::Held => now,
        State::Parked(_) | State::Queued | State::Delivered | State::Failed => return rungs,
    };
    // A destination has a ladder of its own, which may be another one by the time: of that only the next rung is known.
    if let Target::Destination(_) = view.target {
        rungs.push(Rung::Coming { at });
        return rungs;
    }
    let ladder = delivery::Ladder::standard();
    // A delivery that was sent again begins its ladder anew.
    let tried = u32::try_from(rungs.len()).unwrap_or(u32::MAX).saturating_sub(view.ladder_from);
    for number in tried.saturating_add(1)..=ladder.attempts() {
        rungs.push(Rung::Coming { at });
        let Some(pause) = ladder.shortest_pause(number) else { break };
        at = at.saturating_add(pause).unwrap_or(at);
    }
    rungs
}

/// One attempt.
pub(crate) struct AttemptBlock {
    pub(crate) number: u32,
    pub(crate) started: Moment,
    pub(crate) took: String,
    /// The receiver's status or why there was none.
    pub(crate) outcome: String,
    pub(crate) is_success: bool,
    pub(crate) cause: Option<Cause>,
    pub(crate) status: Option<String>,
    pub(crate) answer: Option<String>,
}

impl AttemptBlock {
    fn of(attempt: &Attempt, now: Timestamp, zone: &Zone) -> AttemptBlock {
        AttemptBlock {
            number: attempt.number,
            started: Moment::new(attempt.started_at, now, zone),
            took: took(attempt.took_us),
            outcome: outcome(attempt),
            is_success: is_success(attempt),
            cause: Cause::of(attempt, None),
            status: attempt.status.map(status_line),
            answer: attempt.answer.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

/// Whether the receiver took it.
pub(super) fn is_success(attempt: &Attempt) -> bool {
    matches!(attempt.status, Some(200..=299))
}

/// What an attempt met: the receiver's status, or why there was none.
pub(crate) fn outcome(attempt: &Attempt) -> String {
    match (attempt.status, &attempt.error) {
        (Some(status), _) => status_line(status),
        (None, Some(error)) => error.clone(),
        (None, None) => "no answer".to_owned(),
    }
}

/// "500 Internal Server Error".
pub(crate) fn status_line(status: u16) -> String {
    match StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oncue_domain::id::Ids;

    fn attempt(number: u32, at: Timestamp) -> Attempt {
        Attempt { number, started_at: at, took_us: 12_000, status: Some(500), error: None, answer: None }
    }

    #[test]
    fn the_ladder_has_what_was_made_and_what_may_still_come() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let due = now + SignedDuration::from_secs(50);
        let attempts = vec![attempt(1, now - SignedDuration::from_secs(10)), attempt(2, now)];
        let view = |state| DeliveryView {
            slot: 0,
            message_id: Ids::from_seed([1; 32]).message(now),
            target: Target::Default,
            state,
            attempts: attempts.clone(),
            ladder_from: 0,
            why: None,
        };
        let coming = |state| -> Vec<i64> {
            let rungs = rungs(&view(state), now);
            let coming = rungs.iter().filter_map(|rung| match rung {
                Rung::Coming { at } => Some(at.duration_since(now).as_secs()),
                Rung::Made { .. } => None,
            });
            coming.collect()
        };
        let shortest = [30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600].map(|pause| pause * 8 / 10);
        let mut expected = vec![50];
        expected.extend(shortest.iter().scan(50, |at, pause| {
            *at += pause;
            Some(*at)
        }));
        assert_eq!(coming(State::Pending(due)), expected);
        assert_eq!(coming(State::Held).len(), 6, "the one that is being made, too");
        assert!(coming(State::Failed).is_empty() && coming(State::Delivered).is_empty());
        let again = DeliveryView { ladder_from: 2, ..view(State::Pending(due)) };
        assert_eq!(rungs(&again, now).len(), 2 + 8, "what is sent again has a whole ladder before it");
    }
}
