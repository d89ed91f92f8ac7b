//! A delivery on the page of its event: where it goes, the ladder of its attempts, and of each attempt what was sent, what came
//! back, and why that was no success. What was sent is written again by the same code that sent it; the operator's own
//! destination is nobody's to see, so nothing of what goes there is shown.

use axum::http::StatusCode;
use jiff::Timestamp;
use oncue_domain::delivery::{ATTEMPTS_MAX, Attempt, State, shortest_wait};
use oncue_domain::destination::{Target, Webhook};
use oncue_domain::event::Event;
use oncue_domain::message::{Source, render};
use oncue_domain::outbound::{Request, Trust};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::DeliveryView;

use super::badge::Badge;
use super::cause::Cause;
use super::chart::{Ladder, Rung};
use super::curl::curl;
use super::event::beginning;
use super::moment::{Moment, took};
use super::pretty::pretty;
use super::trigger_row::format_name;

/// How many bytes of a body a page shows.
pub(crate) const BODY_BYTES_SHOWN: usize = 16 * 1024;

/// How a delivery is told: the instant of the page, the zone of its times, and who messages say they come from.
#[derive(Clone, Copy)]
pub(crate) struct Telling<'a> {
    pub(crate) now: Timestamp,
    pub(crate) zone: &'a Zone,
    pub(crate) source: &'a Source,
}

/// One delivery as its page shows it.
pub(crate) struct DeliveryBlock {
    /// The address, or none for the operator's own, which users never see.
    pub(crate) address: Option<String>,
    pub(crate) format: Option<&'static str>,
    pub(crate) state: Badge,
    pub(crate) next: Option<Moment>,
    /// Whether an attempt is being made at this moment, or is about to be.
    pub(crate) is_held: bool,
    pub(crate) ladder: Ladder,
    /// The latest first.
    pub(crate) attempts: Vec<AttemptBlock>,
    /// The command that sends the same again.
    pub(crate) command: Option<String>,
}

impl DeliveryBlock {
    pub(crate) fn of(event: &Event, view: &DeliveryView, telling: Telling<'_>) -> DeliveryBlock {
        let Telling { now, zone, source } = telling;
        let webhook = match &view.target {
            Target::Webhook(webhook) => Some(webhook),
            Target::Default => None,
        };
        let request = |webhook: &Webhook, at| render(event, webhook, Trust::Guarded, source, at);
        let attempts = view.attempts.iter().rev().map(|attempt| {
            AttemptBlock::of(attempt, webhook.map(|webhook| request(webhook, attempt.started_at)), now, zone)
        });
        let next = match view.state {
            State::Pending(due) => Some(Moment::due(due, now, zone)),
            _ => None,
        };
        DeliveryBlock {
            address: webhook.map(|webhook| webhook.url.to_string()),
            format: webhook.map(|webhook| format_name(webhook.format)),
            state: Badge::of_delivery(view.state),
            next,
            is_held: view.state == State::Held,
            ladder: Ladder::new(&rungs(view, now), now, zone),
            attempts: attempts.collect(),
            command: webhook.map(|webhook| curl(&request(webhook, now), &format!("event-{}.json", event.id))),
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
        State::Delivered | State::Failed => return rungs,
    };
    let tried = u32::try_from(rungs.len()).unwrap_or(ATTEMPTS_MAX);
    for number in tried + 1..=ATTEMPTS_MAX {
        rungs.push(Rung::Coming { at });
        let Some(wait) = shortest_wait(number) else { break };
        at = at.saturating_add(wait).unwrap_or(at);
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
    pub(crate) request: Option<RequestBlock>,
    pub(crate) status: Option<String>,
    pub(crate) answer: Option<String>,
}

/// What was sent.
pub(crate) struct RequestBlock {
    pub(crate) line: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) is_cut: bool,
}

impl AttemptBlock {
    fn of(attempt: &Attempt, request: Option<Request>, now: Timestamp, zone: &Zone) -> AttemptBlock {
        AttemptBlock {
            number: attempt.number,
            started: Moment::new(attempt.started_at, now, zone),
            took: took(attempt.took_us),
            outcome: outcome(attempt),
            is_success: is_success(attempt),
            cause: Cause::of(attempt),
            request: request.map(RequestBlock::of),
            status: attempt.status.map(status_line),
            answer: attempt.answer.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

impl RequestBlock {
    fn of(request: Request) -> RequestBlock {
        let body = pretty(&String::from_utf8_lossy(&request.body));
        let shown = beginning(&body, BODY_BYTES_SHOWN);
        RequestBlock {
            line: format!("POST {}", request.url),
            is_cut: shown.len() < body.len(),
            body: shown.to_owned(),
            headers: request.headers,
        }
    }
}

fn is_success(attempt: &Attempt) -> bool {
    matches!(attempt.status, Some(200..=299))
}

fn outcome(attempt: &Attempt) -> String {
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

    fn attempt(number: u32, at: Timestamp) -> Attempt {
        Attempt { number, started_at: at, took_us: 12_000, status: Some(500), error: None, answer: None }
    }

    #[test]
    fn the_ladder_has_what_was_made_and_what_may_still_come() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let due = now + SignedDuration::from_secs(50);
        let attempts = vec![attempt(1, now - SignedDuration::from_secs(10)), attempt(2, now)];
        let view = |state| DeliveryView { target: Target::Default, state, attempts: attempts.clone() };
        let coming = |state| -> Vec<i64> {
            let rungs = rungs(&view(state), now);
            let coming = rungs.iter().filter_map(|rung| match rung {
                Rung::Coming { at } => Some(at.duration_since(now).as_secs()),
                Rung::Made { .. } => None,
            });
            coming.collect()
        };
        assert_eq!(coming(State::Pending(due)), [50, 50 + 480, 50 + 480 + 2880]);
        assert_eq!(coming(State::Held).len(), 3, "the one that is being made, too");
        assert!(coming(State::Failed).is_empty() && coming(State::Delivered).is_empty());
    }
}
