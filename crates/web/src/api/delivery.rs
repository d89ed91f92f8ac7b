//! Deliveries on surface two: what one looks like in JSON with its attempts, and the list of those that failed.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oncue_domain::delivery::{Attempt, State as DeliveryState, waits_for_turn};
use oncue_domain::destination::definition::Rate;
use oncue_domain::destination::{DestinationHead, Standing, Target, Wanted};
use oncue_domain::event::Event;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::schedule::zone::parse_instant;
use oncue_domain::store::{DeliveryView, Error, TargetKind, Undelivered, UndeliveredFilter, UndeliveredPlace};
use oncue_domain::trigger::just_before;
use serde::Serialize;
use utoipa::ToSchema;

use super::page::{ITEMS_MAX, next_limit, respond, take_page};
use super::time;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::Query;
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// One event on its way to one destination.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery, example = json!({
    "slot": 0, "destination": "https://example.com/hook", "destination_id": null, "kind": null, "format": "json",
    "message_id": "evt_019aa5c0f0007d5e8a3b1c2d3e4f5061", "status": "delivered", "state": "delivered", "next_attempt_at": null,
    "parked_until": null, "why": null,
    "attempts": [{"number": 1, "started_at": "2026-11-23T07:00:00.003Z", "duration_ms": 12.4, "status": 200, "error": null, "answer": "ok"}]
}))]
pub(crate) struct DeliveryDocument {
    /// Which of the event's deliveries it is, counted from 0.
    slot: u32,
    /// The trigger's own `webhook_url`, `default` for the operator's own, or the name of a destination.
    destination: Option<String>,
    /// The id of the destination; null for the trigger's own address and the operator's.
    destination_id: Option<i64>,
    /// The kind of the destination; null where it is gone, too.
    kind: Option<String>,
    /// What the trigger's own address is sent: `json`, `discord` or `slack`.
    format: Option<&'static str>,
    /// The `webhook-id` of all its attempts.
    message_id: String,
    /// `pending`, `delivered` or `failed`.
    status: &'static str,
    /// `pending`, `parked` while its destination is paused or suspended, `queued` while it waits for those before it at one that takes
    /// deliveries in order, `delivered` or `failed`.
    state: &'static str,
    /// When the next attempt is due; where `why` says that it waits for its turn, no attempt is made sooner.
    next_attempt_at: Option<String>,
    /// Until when it waits for its destination to be resumed; then it fails.
    parked_until: Option<String>,
    /// Why it failed, where no attempt says it; and that it waits for its turn where its destination has a `rate`.
    why: Option<String>,
    attempts: Vec<AttemptDocument>,
}

/// One HTTP exchange.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt, example = json!({
    "number": 1, "started_at": "2026-11-23T07:00:00.003Z", "duration_ms": 12.4, "status": 200, "error": null, "answer": "ok"
}))]
pub(crate) struct AttemptDocument {
    number: u32,
    started_at: String,
    duration_ms: f64,
    /// The receiver's HTTP status, where it gave one.
    status: Option<u16>,
    /// Why there was no status.
    error: Option<String>,
    /// The first bytes of the answer.
    answer: Option<String>,
}

impl DeliveryDocument {
    /// A delivery of an event whose time is over at `ends_at`.
    pub(super) fn of(view: &DeliveryView, named: &Named, ends_at: Timestamp) -> DeliveryDocument {
        let state = named.state_of(view, ends_at);
        let (destination, format) = match &view.target {
            Target::Webhook(webhook) => (Some(webhook.url.to_string()), Some(webhook.format.word())),
            Target::Default => (Some("default".to_owned()), None),
            Target::Destination(id) => (named.name(*id), None),
        };
        let id = id_of_target(TargetKind::from(&view.target));
        let next_attempt_at = match state {
            DeliveryState::Pending(due) => Some(time(due)),
            _ => None,
        };
        let parked_until = match state {
            DeliveryState::Parked(until) => Some(time(until)),
            _ => None,
        };
        DeliveryDocument {
            slot: view.slot,
            destination,
            destination_id: id.map(|id| id.0),
            kind: id.and_then(|id| named.kind(id)),
            format,
            message_id: view.message_id.to_string(),
            status: Outcome::of([state]).word(),
            state: state.word(),
            next_attempt_at,
            parked_until,
            why: view.why.clone().or_else(|| named.waits_for_turn(view, state)),
            attempts: view.attempts.iter().map(AttemptDocument::of).collect(),
        }
    }
}

impl AttemptDocument {
    fn of(attempt: &Attempt) -> AttemptDocument {
        #[expect(clippy::cast_precision_loss, reason = "a duration in microseconds has far fewer than 52 bits")]
        let duration_ms = attempt.took_us as f64 / 1000.0;
        AttemptDocument {
            number: attempt.number,
            started_at: time(attempt.started_at),
            duration_ms,
            status: attempt.status,
            error: attempt.error.clone(),
            answer: attempt.answer.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

fn id_of_target(target: TargetKind) -> Option<DestinationId> {
    match target {
        TargetKind::Destination(id) => Some(id),
        TargetKind::Webhook | TargetKind::Default => None,
    }
}

/// What the destinations of some deliveries are called, what they are, and whether they take any; those that are gone are left out.
#[derive(Default)]
pub(crate) struct Named {
    heads: BTreeMap<DestinationId, DestinationHead>,
    /// Of those of which it was asked, where they have one.
    paces: BTreeMap<DestinationId, Rate>,
}

impl Named {
    pub(crate) async fn of(
        app: &Shared,
        owner: UserId,
        targets: impl Iterator<Item = TargetKind>,
    ) -> Result<Named, Fault> {
        let mut ids: Vec<DestinationId> = targets.filter_map(id_of_target).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(Named::default());
        }
        let found = app.store.destination_heads(owner, Wanted::These(ids)).await?;
        Ok(Named { heads: found.into_iter().map(|head| (head.id, head)).collect(), paces: BTreeMap::new() })
    }

    /// Finds out as well by which rates those deliveries of the owner's begin that have not been tried.
    pub(super) async fn with_paces(
        mut self,
        app: &Shared,
        owner: UserId,
        deliveries: &[DeliveryView],
    ) -> Result<Named, Fault> {
        let waits = |view: &&DeliveryView| matches!(view.state, DeliveryState::Pending(_)) && view.attempts.is_empty();
        for view in deliveries.iter().filter(waits) {
            let Some(id) = id_of_target(TargetKind::from(&view.target)) else { continue };
            match app.store.destination(owner, id).await {
                Ok(found) => self.paces.extend(found.and_then(|found| Some((id, found.definition.pace()?)))),
                // Its delivery is told without what it says.
                Err(Error::Broken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self)
    }

    /// What a delivery that stands so waits for, where it is a turn at its destination.
    fn waits_for_turn(&self, view: &DeliveryView, state: DeliveryState) -> Option<String> {
        let pace = id_of_target(TargetKind::from(&view.target)).and_then(|id| self.paces.get(&id).copied());
        waits_for_turn(state, view.attempts.len(), pace)
    }

    /// The name of a destination; none where it is gone.
    pub(crate) fn name(&self, id: DestinationId) -> Option<String> {
        self.heads.get(&id).map(|head| head.name.clone())
    }

    /// The kind of a destination; none where it is gone.
    pub(crate) fn kind(&self, id: DestinationId) -> Option<String> {
        self.heads.get(&id).map(|head| head.kind.clone())
    }

    /// Where a delivery stands, as it is told.
    fn state_of(&self, view: &DeliveryView, ends_at: Timestamp) -> DeliveryState {
        let head = id_of_target(TargetKind::from(&view.target)).and_then(|id| self.heads.get(&id));
        let is_stopped = head.is_some_and(|head| head.standing != Standing::Active);
        if is_stopped { view.state.at_stopped_destination(ends_at) } else { view.state }
    }
}

/// A delivery that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedDelivery, example = json!({
    "event_id": 29, "slot": 1, "trigger_id": 7, "trigger_name": "nightly", "destination": "Ops", "destination_id": 3,
    "kind": "webhook", "message_id": "evt_019aa5c0f0007d5e8a3b1c2d3e4f5061", "fired_at": "2026-11-23T07:00:00.002Z",
    "failed_at": "2026-11-24T14:36:12.5Z", "why": null, "attempts": 8, "last_status": 503
}))]
pub(crate) struct FailedDeliveryDocument {
    event_id: i64,
    /// Which of the event's deliveries it is, counted from 0.
    slot: u32,
    /// The trigger that fired; it may be gone by now.
    trigger_id: i64,
    /// The trigger's name at that moment.
    trigger_name: String,
    /// The trigger's own `webhook_url`, `default` for the operator's own, or the name of a destination; null where that is gone.
    destination: Option<String>,
    /// The id of the destination; null for the trigger's own address and the operator's.
    destination_id: Option<i64>,
    /// The kind of the destination; null where it is gone, too.
    kind: Option<String>,
    /// The `webhook-id` of all its attempts.
    message_id: String,
    fired_at: String,
    failed_at: String,
    /// Why it failed, where no status says it.
    why: Option<String>,
    /// How many attempts there were.
    attempts: usize,
    /// The status that the receiver gave last.
    last_status: Option<u16>,
}

impl FailedDeliveryDocument {
    fn of(undelivered: &Undelivered, event: &Event, view: &DeliveryView, named: &Named) -> FailedDeliveryDocument {
        // What has failed has no end before it any more.
        let told = DeliveryDocument::of(view, named, undelivered.place.failed_at);
        let last = view.attempts.last();
        FailedDeliveryDocument {
            event_id: event.id.0,
            slot: view.slot,
            trigger_id: event.trigger.0,
            trigger_name: event.name.clone(),
            destination: told.destination,
            destination_id: told.destination_id,
            kind: told.kind,
            message_id: told.message_id,
            fired_at: time(event.fired_at),
            failed_at: time(undelivered.place.failed_at),
            why: told.why.or_else(|| last.and_then(|attempt| attempt.error.clone())),
            attempts: view.attempts.len(),
            last_status: last.and_then(|attempt| attempt.status),
        }
    }
}

/// List your deliveries that failed, the latest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "Deliveries", operation_id = "list_failed_deliveries",
    params(
        ("state" = Option<String>, Query, description = "`failed`: the only list there is, and the default.", example = "failed"),
        ("destination_id" = Option<i64>, Query, description = "Only those to this destination."),
        ("trigger_id" = Option<i64>, Query, description = "Only those of this trigger."),
        ("since" = Option<String>, Query, description = "Only those that were given up at this instant or later."),
        ("until" = Option<String>, Query, description = "Only those that were given up at this instant or before."),
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200, which it is without it, too."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [FailedDeliveryDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let gone_until = app.settings.retention.gone_until(app.now());
    let zone = &app.settings.zone;
    query.take("state", |word| match word {
        "failed" => Ok(()),
        _ => Err("Only deliveries whose state is \"failed\" are listed; all others are shown with their events."),
    });
    let number = |text: &str| text.parse::<i64>().map_err(|_| "An id is a whole number.");
    let (destination, trigger) = (query.take("destination_id", number), query.take("trigger_id", number));
    let since = query.take("since", |text| parse_instant(text, zone));
    let until = query.take("until", |text| parse_instant(text, zone));
    query.refuse("destination", "destination_id");
    query.refuse("trigger", "trigger_id");
    query.refuse_backwards(since, until);
    let page = take_page(&mut query, read_place);
    query.finish()?;
    let filter = UndeliveredFilter {
        destination: destination.map(DestinationId),
        trigger: trigger.map(TriggerId),
        failed_after: since.map(just_before),
        failed_until: until,
    };
    let limit = page.limit.min(ITEMS_MAX);
    let mut failed = app.store.undelivered(caller.owner(), filter, gone_until, page.cursor, limit + 1).await?;
    let more = failed.len() > limit;
    failed.truncate(limit);
    let next = failed.last().filter(|_| more).map(|last| {
        let mut next = vec![("limit", next_limit(limit)), ("cursor", write_place(last.place))];
        next.push(("state", "failed".to_owned()));
        next.extend(destination.map(|id| ("destination_id", id.to_string())));
        next.extend(trigger.map(|id| ("trigger_id", id.to_string())));
        next.extend(since.map(|instant| ("since", time(instant))));
        next.extend(until.map(|instant| ("until", time(instant))));
        next
    });
    let named = Named::of(&app, caller.owner(), failed.iter().map(|undelivered| undelivered.target)).await?;
    let items = each_told(&app, caller.owner(), gone_until, &failed, |undelivered, event, view| {
        FailedDeliveryDocument::of(undelivered, event, view, &named)
    });
    Ok(respond(&items.await?, "/api/v1/deliveries", next))
}

/// What `tell` makes of each and of what became of it; one whose event is gone meanwhile, or that is owed again, is left out.
pub(crate) async fn each_told<T>(
    app: &Shared,
    owner: UserId,
    gone_until: Timestamp,
    failed: &[Undelivered],
    tell: impl Fn(&Undelivered, &Event, &DeliveryView) -> T,
) -> Result<Vec<T>, Fault> {
    let mut items = Vec::with_capacity(failed.len());
    // One event at a time: they carry payloads.
    for undelivered in failed {
        let Some((event, views)) = app.store.event(owner, undelivered.place.event, gone_until).await? else { continue };
        let view = views.iter().find(|view| view.slot == undelivered.place.slot);
        let failed = view.filter(|view| view.state == DeliveryState::Failed);
        items.extend(failed.map(|view| tell(undelivered, &event, view)));
    }
    Ok(items)
}

/// A place in the list as an opaque cursor.
pub(crate) fn write_place(place: UndeliveredPlace) -> String {
    let UndeliveredPlace { failed_at, event, slot } = place;
    BASE64_URL_SAFE_NO_PAD.encode(format!("u{}.{event}.{slot}", failed_at.as_microsecond()))
}

/// The place that a cursor names.
pub(crate) fn read_place(cursor: &str) -> Option<UndeliveredPlace> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.strip_prefix('u')?.split('.');
    let failed_at = Timestamp::from_microsecond(parts.next()?.parse().ok()?).ok()?;
    let (event, slot) = (EventId(parts.next()?.parse().ok()?), parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(UndeliveredPlace { failed_at, event, slot })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_its_place_and_nonsense_names_none() {
        let failed_at = Timestamp::from_microsecond(1_700_000_000_123_456).expect("in range");
        let place = UndeliveredPlace { failed_at, event: EventId(42), slot: 3 };
        assert_eq!(read_place(&write_place(place)), Some(place));
        for text in ["", "u", "u1", "u1.2", "u1.2.-3", "u1.2.3.4", "n1.2.3", "u99999999999999999999.1.1"] {
            assert_eq!(read_place(&BASE64_URL_SAFE_NO_PAD.encode(text)), None, "{text}");
        }
        assert_eq!(read_place("%"), None);
    }
}
