//! What somebody ought to look at: triggers whose time has come and gone, triggers whose deliveries fail, each with its reason, as
//! far as it is known, and destinations that take no deliveries or at which none arrive. Which triggers count is decided by the store.

use std::collections::HashMap;

use jiff::Timestamp;
use oncue_domain::delivery::State;
use oncue_domain::destination::Wanted;
use oncue_domain::firing::Firing;
use oncue_domain::id::DestinationId;
use oncue_domain::store::{Attention, DeliveryView};
use oncue_domain::trigger::TriggerHead;

use super::PageFault;
use super::badge::Badge;
use super::condition::Condition;
use super::delivery::status_line;
use super::destination::{Choice, Trouble, choices, is_failing};
use super::moment::Moment;
use super::trigger_row::label;
use super::viewer::{shown_zone, trigger_zone};
use crate::app::App;
use crate::auth::Caller;

/// How many triggers are named; the rest is behind a link.
const CONCERNS_MAX: usize = 5;

/// Of how many failures the reason is looked up: each is a question to the store of its own.
const EXPLAINED_MAX: usize = 2;

/// A trigger that somebody ought to look at.
pub(crate) struct Concern {
    pub(crate) trigger: i64,
    pub(crate) label: String,
    pub(crate) state: Badge,
    pub(crate) what: What,
}

/// What is wrong with it.
pub(crate) enum What {
    /// It was due then, and has not fired.
    Overdue(Moment),
    /// It cannot be read: what, and why.
    Unreadable(String),
    /// Its last event was not delivered.
    Failing { event: i64, fired: Moment, cause: Option<String> },
}

/// The concerns that are named, what cannot be read and what is overdue first, and how many there are besides.
pub(crate) struct Concerns {
    pub(crate) named: Vec<Concern>,
    pub(crate) further: usize,
    /// The destinations that take no deliveries.
    pub(crate) stopped: Vec<Choice>,
    /// How many such there are besides.
    pub(crate) stopped_further: usize,
    /// The destinations that take deliveries, of which none arrive, what fails longest first; and how it goes with each.
    pub(crate) failing: Vec<(Choice, Trouble)>,
    /// How many such there are besides.
    pub(crate) failing_further: usize,
}

impl Concerns {
    /// Finds out about those that are named.
    pub(super) async fn of(
        app: &App,
        caller: &Caller,
        attention: &Attention,
        now: Timestamp,
    ) -> Result<Concerns, PageFault> {
        let all = attention.unreadable.len() + attention.overdue.len() + attention.failing.len();
        let zone = |head: &TriggerHead| shown_zone(app, caller, Some(trigger_zone(app, head.schedule.as_ref())));
        let concern = |head: &TriggerHead, condition, what| Concern {
            trigger: head.id.0,
            label: label(head.name.as_deref().unwrap_or_default(), head.id),
            state: Badge::of_trigger(condition),
            what,
        };
        let unreadable = attention.unreadable.iter().map(|one| Concern {
            trigger: one.id.0,
            label: label(one.name.as_deref().unwrap_or_default(), one.id),
            state: Badge::UNREADABLE,
            what: What::Unreadable(one.problem.to_string()),
        });
        let overdue = attention.overdue.iter().map(|head| {
            let due = Moment::due(head.next_at.unwrap_or(now), now, &zone(head));
            concern(head, Condition::Overdue, What::Overdue(due))
        });
        let mut named: Vec<Concern> = unreadable.chain(overdue).take(CONCERNS_MAX).collect();
        let failing = attention.failing.iter().take(CONCERNS_MAX.saturating_sub(named.len()));
        for (place, (head, firing)) in failing.enumerate() {
            let fired = Moment::new(firing.fired_at, now, &zone(head));
            let cause = if place < EXPLAINED_MAX { why(app, caller, firing, now).await? } else { None };
            named.push(concern(head, Condition::Failing, What::Failing { event: firing.event.0, fired, cause }));
        }
        let mut stopped = choices(app, caller.owner(), Wanted::Stopped).await?;
        let stopped_further = stopped.len().saturating_sub(CONCERNS_MAX);
        stopped.truncate(CONCERNS_MAX);
        let (failing, failing_further) = failing_destinations(app, caller, now).await?;
        let further = all.saturating_sub(named.len());
        Ok(Concerns { further, named, stopped, stopped_further, failing, failing_further })
    }
}

/// The destinations whose attempts fail, as many as are named, and how many there are besides. They are told apart from the triggers that
/// send there: an event that goes to several places is pending for as long as it may still arrive at one of them.
async fn failing_destinations(
    app: &App,
    caller: &Caller,
    now: Timestamp,
) -> Result<(Vec<(Choice, Trouble)>, usize), PageFault> {
    let mut streaks = app.store.streaks(caller.owner()).await?;
    streaks.retain(|(_, streak)| is_failing(streak, now));
    if streaks.is_empty() {
        return Ok((Vec::new(), 0));
    }
    streaks.sort_by_key(|(id, streak)| (streak.since, *id));
    let ids = streaks.iter().map(|(id, _)| *id).collect();
    let named = choices(app, caller.owner(), Wanted::These(ids)).await?.into_iter();
    let mut active: HashMap<DestinationId, Choice> =
        named.filter(|choice| choice.is_active).map(|choice| (choice.id, choice)).collect();
    let further = active.len().saturating_sub(CONCERNS_MAX);
    let zone = shown_zone(app, caller, None);
    let told = streaks.iter().filter_map(|(id, streak)| active.remove(id).zip(Trouble::of(streak, &zone, now)));
    Ok((told.take(CONCERNS_MAX).collect(), further))
}

async fn why(app: &App, caller: &Caller, firing: &Firing, now: Timestamp) -> Result<Option<String>, PageFault> {
    let gone_until = app.settings.retention.gone_until(now);
    let found = app.store.event(caller.owner(), firing.event, gone_until).await?;
    Ok(found.and_then(|(_, deliveries)| cause(&deliveries)))
}

/// Why a delivery failed: what is said of it, or else what its last attempt met.
fn cause(deliveries: &[DeliveryView]) -> Option<String> {
    let failed = deliveries.iter().find(|view| view.state == State::Failed)?;
    if let Some(why) = &failed.why {
        return Some(why.clone());
    }
    let attempt = failed.attempts.last()?;
    match (attempt.status, &attempt.error) {
        (Some(status), _) => Some(format!("the receiver answered {}", status_line(status))),
        (None, error) => error.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::delivery::Attempt;
    use oncue_domain::destination::Target;
    use oncue_domain::id::Ids;

    fn failed(status: Option<u16>, error: Option<&str>) -> DeliveryView {
        let attempt = Attempt {
            number: 1,
            started_at: Timestamp::UNIX_EPOCH,
            took_us: 1,
            status,
            error: error.map(ToOwned::to_owned),
            answer: None,
        };
        DeliveryView {
            slot: 0,
            message_id: Ids::from_seed([1; 32]).message(Timestamp::UNIX_EPOCH),
            target: Target::Default,
            state: State::Failed,
            attempts: vec![attempt],
            ladder_from: 0,
            why: None,
        }
    }

    #[test]
    fn a_failure_is_told_by_what_its_last_attempt_met() {
        assert_eq!(cause(&[failed(Some(503), None)]).as_deref(), Some("the receiver answered 503 Service Unavailable"));
        assert_eq!(cause(&[failed(Some(599), None)]).as_deref(), Some("the receiver answered 599"));
        assert_eq!(cause(&[failed(None, Some("no such host"))]).as_deref(), Some("no such host"));
        let delivered = DeliveryView { state: State::Delivered, ..failed(Some(200), None) };
        assert_eq!(cause(&[delivered.clone(), failed(None, Some("later"))]).as_deref(), Some("later"));
        assert_eq!(cause(&[delivered]), None);
        let deleted = DeliveryView { why: Some("The destination was deleted.".to_owned()), ..failed(Some(503), None) };
        assert_eq!(cause(&[deleted]).as_deref(), Some("The destination was deleted."));
        let unsent =
            DeliveryView { attempts: Vec::new(), why: Some("It had no turn.".to_owned()), ..failed(None, None) };
        assert_eq!(cause(&[unsent]).as_deref(), Some("It had no turn."));
    }
}
