//! What can be done with the deliveries of an event at the press of a button: redeliver one, try one now that waits for its next attempt,
//! cancel one that waits, fire the event's payload again. What cannot be taken back, or may surprise a receiver, is asked once more on a page of its own. What is wanted of
//! many deliveries at once stands in `failed_redelivery`.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::delivery::{State as DeliveryState, over_until};
use oncue_domain::destination::Target;
use oncue_domain::event::{Event, Retention};
use oncue_domain::id::EventId;
use oncue_domain::redelivery::{DeliveryId, Stand};
use oncue_domain::store::DeliveryView;

use super::frame::{Frame, Place};
use super::notice::{Done, Notice};
use super::once::Pressed;
use super::trigger_row::label;
use super::way_back::page_of_ours;
use super::{PageFault, page, see_other};
use crate::api::event::load;
use crate::api::redelivery::{PathDelivery, cancel_one, fire_once_more, redeliver_one};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, id_of, parse_form, read_form_body};
use crate::fault::Fault;

/// The longest form of an action in bytes.
pub(super) const ACTION_BYTES_MAX: usize = 16 * 1024;

/// What is offered for a delivery, by how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It failed, and can be sent again.
    Redeliver,
    /// It was delivered, and can be sent again all the same.
    Repeat,
    /// An attempt failed and the next one is due later: it can be tried now, or given up.
    Hasten,
    /// It waits, and can be given up.
    Cancel,
    /// It failed, and its destination is gone.
    Nowhere,
    /// There is nothing to be done, or no time left for it.
    Nothing,
}

impl Offer {
    fn of(
        event: &Event,
        state: DeliveryState,
        tried: u32,
        is_there: bool,
        retention: Retention,
        now: Timestamp,
    ) -> Offer {
        let is_over = event.fired_at <= over_until(retention.keep_for, now);
        match state {
            state if Stand::of(Some(state), tried, now) == Stand::Waits && !is_over => Offer::Hasten,
            DeliveryState::Pending(_) | DeliveryState::Parked(_) | DeliveryState::Queued => Offer::Cancel,
            DeliveryState::Failed if !is_there => Offer::Nowhere,
            DeliveryState::Failed if !is_over => Offer::Redeliver,
            DeliveryState::Delivered if is_there && !is_over => Offer::Repeat,
            DeliveryState::Failed | DeliveryState::Delivered | DeliveryState::Held => Offer::Nothing,
        }
    }
}

/// The buttons of one delivery on the page of its event.
#[derive(Template)]
#[template(path = "delivery_actions.html")]
pub(crate) struct Actions {
    event: i64,
    slot: u32,
    offer: Offer,
    /// The key of the page's forms.
    once: String,
}

impl askama::filters::HtmlSafe for Actions {}

impl Actions {
    /// What can be done with each delivery of an event, in their order; `state_of` says where it stands, as it is told, and `is_there`
    /// whether a destination still is; `once` is the key of the page's forms.
    pub(crate) fn of(
        event: &Event,
        views: &[DeliveryView],
        state_of: impl Fn(&DeliveryView) -> DeliveryState,
        is_there: impl Fn(&Target) -> bool,
        retention: Retention,
        now: Timestamp,
        once: &str,
    ) -> Vec<Actions> {
        let actions = |view: &DeliveryView| {
            let tried = view.attempts.last().map_or(0, |attempt| attempt.number);
            let offer = Offer::of(event, state_of(view), tried, is_there(&view.target), retention, now);
            Actions { event: event.id.0, slot: view.slot, offer, once: once.to_owned() }
        };
        views.iter().map(actions).collect()
    }
}

/// What is asked once more before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Redeliver(u32),
    Cancel(u32),
    FireAgain,
}

#[derive(Template)]
#[template(path = "redelivery.html")]
struct ConfirmPage {
    frame: Frame,
    event: i64,
    label: String,
    deed: Deed,
}

async fn confirm(app: &App, caller: &Caller, id: &str, deed: Deed) -> Result<Response, PageFault> {
    let (event, views) = load(app, caller, id, app.now()).await?;
    let slot = match deed {
        Deed::Redeliver(slot) | Deed::Cancel(slot) => Some(slot),
        Deed::FireAgain => None,
    };
    if slot.is_some_and(|slot| views.iter().all(|view| view.slot != slot)) {
        return Err(Fault::not_found("Delivery").into());
    }
    let frame = Frame::of(app, caller, Place::Events);
    let label = label(&event.name, event.trigger);
    Ok(page(StatusCode::OK, &ConfirmPage { frame, event: event.id.0, label, deed }))
}

/// GET /events/{id}/deliveries/{slot}/redeliver
pub(super) async fn redeliver_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathDelivery(id): PathDelivery,
) -> Result<Response, PageFault> {
    let id = id.ok_or_else(|| Fault::not_found("Delivery"))?;
    confirm(&app, &caller, &id.event.to_string(), Deed::Redeliver(id.slot)).await
}

/// GET /events/{id}/deliveries/{slot}/cancel
pub(super) async fn cancel_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathDelivery(id): PathDelivery,
) -> Result<Response, PageFault> {
    let id = id.ok_or_else(|| Fault::not_found("Delivery"))?;
    confirm(&app, &caller, &id.event.to_string(), Deed::Cancel(id.slot)).await
}

/// GET /events/{id}/fire-again
pub(super) async fn fire_again_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    confirm(&app, &caller, &id, Deed::FireAgain).await
}

/// POST /events/{id}/deliveries/{slot}/redeliver
pub(super) async fn redeliver(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathDelivery(id): PathDelivery,
    request: Request,
) -> Result<Response, PageFault> {
    let id = id.ok_or_else(|| Fault::not_found("Delivery"))?;
    let back = way_back(request, id).await?;
    redeliver_one(&app, &caller, id).await?;
    Ok(see_other(&Notice::of(Done::Redelivered).at(&back)))
}

/// POST /events/{id}/deliveries/{slot}/cancel
pub(super) async fn cancel(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathDelivery(id): PathDelivery,
    request: Request,
) -> Result<Response, PageFault> {
    let id = id.ok_or_else(|| Fault::not_found("Delivery"))?;
    let back = way_back(request, id).await?;
    cancel_one(&app, &caller, id).await?;
    Ok(see_other(&Notice::of(Done::DeliveryCancelled).at(&back)))
}

/// POST /events/{id}/fire-again: leads to the new event.
pub(super) async fn fire_again(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    pressed: Pressed,
    request: Request,
) -> Result<Response, PageFault> {
    read_form_body(request, ACTION_BYTES_MAX).await?;
    let parent = id_of(&id).map(EventId).ok_or_else(|| Fault::not_found("Event"))?;
    let under = pressed.recall(&app, &caller).await?;
    let (event, _) = fire_once_more(&app, &caller, under.as_ref(), parent).await?;
    Ok(see_other(&Notice::of(Done::FiredAgain).at(&format!("/events/{event}"))))
}

/// The page that a form names to go back to, else the event's.
async fn way_back(request: Request, id: DeliveryId) -> Result<String, Fault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let named = form.get("back").and_then(|back| page_of_ours(back));
    Ok(named.unwrap_or_else(|| format!("/events/{}", id.event)))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use oncue_domain::event::Origin;
    use oncue_domain::id::{Ids, TriggerId, UserId};
    use oncue_domain::payload::Payload;
    use oncue_domain::trigger::Kind;

    use super::*;

    fn event(now: Timestamp) -> Event {
        Event {
            id: EventId(29),
            owner: UserId(1),
            trigger: TriggerId(7),
            revision: 1,
            name: "nightly".to_owned(),
            kind: Kind::Api,
            origin: Origin::Api,
            scheduled_at: None,
            due_at: None,
            fired_at: now,
            message_id: Ids::from_seed([1; 32]).message(now),
            payload: Payload::empty(),
            parent: None,
            has_run: false,
        }
    }

    #[test]
    fn what_waits_for_its_next_attempt_can_be_tried_now_while_there_is_time() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let later = now + SignedDuration::from_hours(1);
        let event = event(now);
        let offer = |state, tried, at| Offer::of(&event, state, tried, true, Retention::STANDARD, at);
        assert_eq!(offer(DeliveryState::Pending(later), 1, now), Offer::Hasten);
        assert_eq!(offer(DeliveryState::Pending(later), 0, now), Offer::Cancel, "no attempt was made");
        assert_eq!(offer(DeliveryState::Pending(now), 1, now), Offer::Cancel, "it is due");
        assert_eq!(offer(DeliveryState::Parked(later), 1, now), Offer::Cancel);
        let end = now + SignedDuration::from_hours(48);
        assert_eq!(offer(DeliveryState::Pending(end + SignedDuration::from_secs(1)), 1, end), Offer::Cancel);
        let actions = Actions { event: 29, slot: 0, offer: Offer::Hasten, once: "abc".to_owned() };
        let html = actions.render().expect("it renders");
        assert!(
            html.contains("Try now") && html.contains("/events/29/deliveries/0/redeliver") && html.contains("/cancel")
        );
    }
}
