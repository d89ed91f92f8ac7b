//! A delivery on the page of its event: where it goes, the ladder of its attempts, and of each attempt what came back, and why that
//! was no success; what was sent, and all else that is known of it, stands on a page of its own (`receipt`).

use axum::http::StatusCode;
use jiff::Timestamp;
use oncue_domain::delivery::{self, Attempt, State};
use oncue_domain::destination::Target;
use oncue_domain::id::DestinationId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::DeliveryView;

use super::badge::Badge;
use super::cause::{Cause, Way};
use super::chart::{Ladder, Rung};
use super::destination::Going;
use super::moment::{Moment, took};
use super::trigger_row::format_name;

/// How many bytes of a body a page shows.
pub(crate) const BODY_BYTES_SHOWN: usize = 16 * 1024;

/// How a delivery is told: the instant of the page, the zone of its times, what is known of destinations, and when the event's time is over.
#[derive(Clone, Copy)]
pub(crate) struct Telling<'a> {
    pub(crate) now: Timestamp,
    pub(crate) zone: &'a Zone,
    pub(crate) going: &'a Going,
    pub(crate) ends_at: Timestamp,
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
    /// That it waits for its turn, and at what; then nobody knows more of the next attempt than when it can be at the soonest.
    pub(crate) turn: Option<String>,
    pub(crate) next: Option<Moment>,
    /// Whether an attempt is being made at this moment, or is about to be.
    pub(crate) is_held: bool,
    pub(crate) ladder: Ladder,
    /// The latest first.
    pub(crate) attempts: Vec<AttemptBlock>,
}

impl DeliveryBlock {
    pub(crate) fn of(view: &DeliveryView, telling: Telling<'_>) -> DeliveryBlock {
        let Telling { now, zone, going, ends_at } = telling;
        let state = going.state_of(view, ends_at);
        let webhook = match &view.target {
            Target::Webhook(webhook) => Some(webhook),
            Target::Default | Target::Destination(_) => None,
        };
        let way = going.way(&view.target);
        let attempts = view.attempts.iter().rev().map(|attempt| AttemptBlock::of(attempt, way, now, zone));
        let next = match state {
            State::Pending(due) => Some(Moment::due(due, now, zone)),
            _ => None,
        };
        DeliveryBlock {
            address: webhook.map(|webhook| webhook.url.to_string()),
            format: webhook.map(|webhook| format_name(webhook.format)),
            destination: match &view.target {
                Target::Destination(id) => Some((*id, going.name(*id).cloned())),
                _ => None,
            },
            slot: view.slot,
            message_id: view.message_id.to_string(),
            state: Badge::of_delivery(state),
            parked_until: match state {
                State::Parked(until) => Some(Moment::new(until, now, zone)),
                _ => None,
            },
            is_queued: state == State::Queued,
            why: view.why.clone(),
            turn: going.waits_for_turn(view, state),
            next,
            is_held: state == State::Held,
            ladder: Ladder::new(&rungs(view, state, telling), now, zone),
            attempts: attempts.collect(),
        }
    }
}

/// What was tried, and what would still be.
fn rungs(view: &DeliveryView, state: State, Telling { now, going, ends_at, .. }: Telling<'_>) -> Vec<Rung> {
    let made = view.attempts.iter().map(|attempt| Rung::Made {
        at: attempt.started_at,
        is_success: is_success(attempt),
        outcome: outcome(attempt),
    });
    let mut rungs: Vec<Rung> = made.collect();
    let next = match state {
        State::Pending(due) => due,
        State::Held => now,
        State::Parked(_) | State::Queued | State::Delivered | State::Failed => return rungs,
    };
    let ladder = match view.target {
        Target::Destination(id) => going.ladder(id),
        Target::Webhook(_) | Target::Default => Some(delivery::Ladder::standard()),
    };
    // A delivery that was sent again begins its ladder anew.
    let tried = u32::try_from(rungs.len()).unwrap_or(u32::MAX).saturating_sub(view.ladder_from);
    // Of a destination that cannot be read, only the next attempt is known.
    let coming = ladder.map_or_else(|| vec![next], |ladder| ladder.coming(tried, next, ends_at));
    rungs.extend(coming.into_iter().map(|at| Rung::Coming { at }));
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
    fn of(attempt: &Attempt, way: Way, now: Timestamp, zone: &Zone) -> AttemptBlock {
        AttemptBlock {
            number: attempt.number,
            started: Moment::new(attempt.started_at, now, zone),
            took: took(attempt.took_us),
            outcome: outcome(attempt),
            is_success: is_success(attempt),
            cause: Cause::of(attempt, way),
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
    fn a_destination_climbs_its_own_ladder_and_one_that_takes_no_deliveries_parks_what_waits() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let (due, ends_at) = (now + SignedDuration::from_secs(50), now + SignedDuration::from_hours(40));
        let id = DestinationId(7);
        let view = DeliveryView {
            slot: 0,
            message_id: Ids::from_seed([1; 32]).message(now),
            target: Target::Destination(id),
            state: State::Pending(due),
            attempts: vec![attempt(1, now)],
            ladder_from: 0,
            why: None,
        };
        let utc = oncue_domain::schedule::zone::Zones::utc();
        let told = |going: &Going| {
            let telling = Telling { now, zone: &utc, going, ends_at };
            let block = DeliveryBlock::of(&view, telling);
            (block.state.word, block.parked_until.is_some(), block.next.is_some(), block.ladder.to_string())
        };
        let pauses = [60, 600].map(SignedDuration::from_secs).to_vec();
        let ladder = delivery::Ladder::new(pauses).expect("a ladder");
        let (word, is_parked, has_next, drawn) = told(&Going::of(id, Some(ladder), true));
        assert_eq!((word, is_parked, has_next), ("pending", false, true));
        assert!(drawn.contains("at most 2 to come"), "{drawn}");
        let (_, _, _, drawn) = told(&Going::of(id, None, true));
        assert!(drawn.contains("at most 1 to come"), "it cannot be read: {drawn}");
        let (word, is_parked, has_next, drawn) = told(&Going::of(id, None, false));
        assert_eq!((word, is_parked, has_next), ("parked", true, false));
        assert!(!drawn.contains("to come"), "{drawn}");
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
        let utc = oncue_domain::schedule::zone::Zones::utc();
        let going = Going::default();
        let telling = Telling { now, zone: &utc, going: &going, ends_at: Timestamp::MAX };
        let coming = |state| -> Vec<i64> {
            let rungs = rungs(&view(state), state, telling);
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
        let of_again = rungs(&again, State::Pending(due), telling);
        assert_eq!(of_again.len(), 2 + 8, "what is sent again has a whole ladder before it");
        let soon = Telling { ends_at: due + SignedDuration::from_hours(3), ..telling };
        assert_eq!(rungs(&view(State::Pending(due)), State::Pending(due), soon).len(), 2 + 3, "its event ends before");
    }
}
