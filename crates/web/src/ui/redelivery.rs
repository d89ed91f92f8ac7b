//! What can be done with the deliveries of an event at the press of a button: redeliver one, cancel one that waits, fire the event's
//! payload again. What cannot be taken back, or may surprise a receiver, is asked once more on a page of its own. What is wanted of
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
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::store::DeliveryView;

use super::frame::{Frame, Place};
use super::notice::{Done, Notice};
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
    /// It waits, and can be given up.
    Cancel,
    /// It failed, and its destination is gone.
    Nowhere,
    /// There is nothing to be done, or no time left for it.
    Nothing,
}

impl Offer {
    fn of(event: &Event, view: &DeliveryView, is_there: bool, retention: Retention, now: Timestamp) -> Offer {
        let is_over = event.fired_at <= over_until(retention.keep_for, now);
        match view.state {
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
}

impl askama::filters::HtmlSafe for Actions {}

impl Actions {
    /// What can be done with each delivery of an event, in their order; `is_there` says whether a destination still is.
    pub(crate) fn of(
        event: &Event,
        views: &[DeliveryView],
        is_there: impl Fn(&Target) -> bool,
        retention: Retention,
        now: Timestamp,
    ) -> Vec<Actions> {
        let actions = |view: &DeliveryView| Actions {
            event: event.id.0,
            slot: view.slot,
            offer: Offer::of(event, view, is_there(&view.target), retention, now),
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
    redeliver_one(&app, caller.owner(), id).await?;
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
    cancel_one(&app, caller.owner(), id).await?;
    Ok(see_other(&Notice::of(Done::DeliveryCancelled).at(&back)))
}

/// POST /events/{id}/fire-again: leads to the new event.
pub(super) async fn fire_again(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    read_form_body(request, ACTION_BYTES_MAX).await?;
    let parent = id_of(&id).map(EventId).ok_or_else(|| Fault::not_found("Event"))?;
    let event = fire_once_more(&app, caller.owner(), parent).await?;
    Ok(see_other(&Notice::of(Done::FiredAgain).at(&format!("/events/{event}"))))
}

/// The page that a form names to go back to, else the event's.
async fn way_back(request: Request, id: DeliveryId) -> Result<String, Fault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let named = form.get("back").and_then(|back| page_of_ours(back));
    Ok(named.unwrap_or_else(|| format!("/events/{}", id.event)))
}
