//! Who is told of a destination in trouble, and when: after so many failed attempts in a row, when an attempt succeeds after that, and
//! when the destination is suspended. A failed delivery must never be silent, and a dead receiver must not flood whoever is told;
//! so each is told once for a streak of failures, by an event without a trigger of its own that goes to the one destination that was
//! named for it.
//!
//! An event that tells of trouble makes no trouble: when its own delivery fails that counts, and is shown, but nobody is told of
//! it. Without that, two destinations that tell of each other would go on for ever.

use jiff::Timestamp;
use serde_json::json;

use super::Destination;
use super::definition::Alert;
use crate::delivery::{Attempt, Claim};
use crate::event::Origin;
use crate::id::DestinationId;
use crate::payload::Payload;
use crate::trigger;

/// Failed attempts in a row at one destination, kept from the first of them until one succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streak {
    /// How many; none where the destination was suspended before the first was written down.
    pub failures: u32,
    /// When the first began.
    pub since: Timestamp,
    /// Who was told of it last; none where nobody was.
    pub told: Option<Told>,
}

/// Who was told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where the event went that told it.
    pub destination: DestinationId,
    /// When that event was logged.
    pub at: Timestamp,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// So many attempts in a row failed.
    Failing,
    /// An attempt succeeded, after somebody had been told of trouble.
    Recovered,
    /// Nothing is sent any more until the owner says so.
    Suspended,
}

impl News {
    /// The word in the payload.
    pub fn word(self) -> &'static str {
        match self {
            News::Failing => "failing",
            News::Recovered => "recovered",
            News::Suspended => "suspended",
        }
    }
}

/// An attempt at a destination that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// Whether it succeeded.
    pub is_delivered: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When that is written down.
    pub at: Timestamp,
    /// Whether what was to be delivered was an alert itself.
    pub is_alert: bool,
}

impl Over {
    /// The attempt that `claim` was for, where it is written down at `at`.
    pub fn of(claim: &Claim, attempt: &Attempt, is_delivered: bool, at: Timestamp) -> Over {
        let is_alert = claim.event.origin == Origin::Alert;
        Over { is_delivered, started_at: attempt.started_at, at, is_alert }
    }
}

/// What becomes of a destination's streak when an attempt is over, and what there is to tell. `alert` is what the destination says
/// now, and none where the destination to be told is gone: then nothing is told, and it is not counted as told either.
pub fn after_attempt(streak: Option<Streak>, over: Over, alert: Option<Alert>) -> (Option<Streak>, Option<News>) {
    if over.is_delivered {
        let was_told = streak.is_some_and(|streak| streak.told.is_some());
        return (None, (was_told && alert.is_some()).then_some(News::Recovered));
    }
    let streak = streak.unwrap_or(Streak { failures: 0, since: over.started_at, told: None });
    let streak = Streak { failures: streak.failures.saturating_add(1), ..streak };
    match alert {
        Some(alert) if streak.told.is_none() && streak.failures >= alert.after && !over.is_alert => {
            (Some(told(streak, alert, over.at)), Some(News::Failing))
        }
        _ => (Some(streak), None),
    }
}

/// What becomes of a destination's streak when it is suspended at `at`, and what there is to tell. That is told each time, because each
/// time it is for the owner to do something; the failures that follow are part of what was told.
pub fn after_suspension(
    streak: Option<Streak>,
    alert: Option<Alert>,
    is_alert: bool,
    at: Timestamp,
) -> (Option<Streak>, Option<News>) {
    let Some(alert) = alert.filter(|_| !is_alert) else { return (streak, None) };
    let streak = streak.unwrap_or(Streak { failures: 0, since: at, told: None });
    (Some(told(streak, alert, at)), Some(News::Suspended))
}

fn told(streak: Streak, alert: Alert, at: Timestamp) -> Streak {
    Streak { told: Some(Told { destination: alert.destination, at }), ..streak }
}

/// How an attempt at a destination ended, in the words of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last<'a> {
    /// The receiver's status, when it gave one.
    pub status: Option<u16>,
    /// Why there was none, or why the destination was suspended; a sentence.
    pub error: Option<&'a str>,
}

impl<'a> Last<'a> {
    /// How this attempt ended.
    pub fn of(attempt: &'a Attempt) -> Last<'a> {
        Last { status: attempt.status, error: attempt.error.as_deref() }
    }
}

/// The trigger behind the event that tells the news of `destination`: it is never kept, has a name and a payload that say everything,
/// and sends to the destination `to` alone. The streak is the one that the news was about.
pub fn telling(
    news: News,
    destination: &Destination,
    to: DestinationId,
    streak: Streak,
    last: Last<'_>,
) -> trigger::Definition {
    let name = &destination.definition.name;
    let happened = match news {
        News::Failing => "is failing",
        News::Recovered => "has recovered",
        News::Suspended => "is suspended",
    };
    let payload = json!({
        "alert": news.word(),
        "text": text(news, name, streak, last),
        "destination": {"id": destination.id.0, "name": name, "kind": destination.definition.kind.word()},
        "page": format!("/ui/destinations/{}", destination.id),
        "failures": streak.failures,
        "since": streak.since,
        "status": last.status,
        "error": last.error,
    });
    trigger::Definition {
        name: Some(format!("{name} {happened}")),
        schedule: None,
        payload: Some(Payload::from_stored(&payload.to_string())),
        payload_schema: None,
        webhook: None,
        destinations: vec![to],
        expects: None,
        overlap: crate::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    }
}

fn text(news: News, name: &str, streak: Streak, last: Last<'_>) -> String {
    let (since, failures) = (streak.since, attempts(streak.failures));
    match news {
        News::Failing => format!("{name} is failing: {failures} since {since:.0}. {}", ending(last)),
        News::Recovered => format!("{name} has recovered, after {failures} since {since:.0}."),
        News::Suspended => {
            let why = last.error.unwrap_or("The receiver wants no more deliveries.");
            format!("{name} is suspended: nothing is sent there until you resume it. {why}")
        }
    }
}

fn attempts(failures: u32) -> String {
    match failures {
        0 | 1 => "a failed attempt".to_owned(),
        many => format!("{many} failed attempts in a row"),
    }
}

fn ending(last: Last<'_>) -> String {
    match (last.status, last.error) {
        (Some(status), _) => format!("The last one was answered {status}."),
        (None, Some(error)) => format!("The last one: {error}"),
        (None, None) => "The last one was not answered.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
