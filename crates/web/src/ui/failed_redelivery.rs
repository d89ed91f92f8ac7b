//! Redelivering from the list of failed deliveries: those that were chosen, or all that match its filter, after a page has said how
//! many those are.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::id::EventId;
use oncue_domain::redelivery::{DeliveryId, REDELIVERED_MAX, SELECTED_MAX};
use oncue_domain::schedule::zone::Zone;

use super::event_query::Unread;
use super::failed_list::{ALL, counted};
use super::failed_query::{ADDRESS, FailedQuery};
use super::frame::{Frame, Place};
use super::notice::{Done, Notice};
use super::number::number;
use super::redelivery::ACTION_BYTES_MAX;
use super::viewer::shown_zone;
use super::way_back::page_of_ours;
use super::{PageFault, page, see_other};
use crate::api::redelivery::many::{Sent, count, redeliver_chosen, redeliver_matching};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{Query, id_of, read_form_body};
use crate::fault::Fault;

#[derive(Template)]
#[template(path = "deliveries_redeliver.html")]
struct AllPage {
    frame: Frame,
    matching: String,
    matches_none: bool,
    matches_one: bool,
    /// How many go at once, where there are more than that.
    cap: Option<String>,
    is_narrowed: bool,
    action: String,
    back: String,
}

/// Which deliveries a form names: `ids` stands in it once for each.
fn chosen(form: &[u8]) -> Vec<DeliveryId> {
    let read = |key: &str| {
        let (event, slot) = key.split_once('.')?;
        Some(DeliveryId { event: EventId(id_of(event)?), slot: slot.parse().ok()? })
    };
    let pairs = url::form_urlencoded::parse(form).filter(|(name, _)| name == "ids");
    let mut chosen: Vec<DeliveryId> = pairs.filter_map(|(_, key)| read(&key)).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// POST /ui/deliveries/selected
pub(super) async fn redeliver_selected(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let form = read_form_body(request, ACTION_BYTES_MAX).await?;
    let back = url::form_urlencoded::parse(&form).find(|(name, _)| name == "back");
    let back = back.and_then(|(_, back)| page_of_ours(&back)).unwrap_or_else(|| ADDRESS.to_owned());
    let chosen = chosen(&form);
    if chosen.len() > SELECTED_MAX {
        let detail = format!("{} deliveries are chosen; at most {SELECTED_MAX} go at once.", chosen.len());
        return Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into());
    }
    let results = redeliver_chosen(&app, &caller, &chosen).await?;
    let redelivered = results.iter().filter(|result| result.is_ok()).count();
    let notice = Notice::of(Done::Redelivered).with_count(redelivered).with_left(results.len() - redelivered);
    Ok(see_other(&notice.at(&back)))
}

/// The filter of an address that something is done to: none of it may be left aside.
fn strict(query: &mut Query, zone: &Zone) -> Result<FailedQuery, Fault> {
    let (wanted, unread) = FailedQuery::take(query, zone);
    match unread.into_iter().next() {
        None => Ok(wanted.at_the_top()),
        Some(Unread { field, message, .. }) => {
            Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field}: {message}")))
        }
    }
}

/// GET /ui/deliveries/redeliver
pub(super) async fn redeliver_all_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let wanted = strict(&mut query, &shown_zone(&app, &caller, None))?;
    let matching = count(&app, caller.owner(), wanted.filter()).await?;
    let question = AllPage {
        frame: Frame::of(&app, &caller, Place::Events),
        matching: counted(matching),
        matches_none: matching == 0,
        matches_one: matching == 1,
        cap: (matching > REDELIVERED_MAX as u64).then(|| number(REDELIVERED_MAX as u64)),
        is_narrowed: wanted.is_narrowed(),
        action: wanted.at(ALL),
        back: wanted.address(),
    };
    Ok(page(StatusCode::OK, &question))
}

/// POST /ui/deliveries/redeliver
pub(super) async fn redeliver_all(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
    request: Request,
) -> Result<Response, PageFault> {
    read_form_body(request, ACTION_BYTES_MAX).await?;
    let wanted = strict(&mut query, &shown_zone(&app, &caller, None))?;
    let Sent { redelivered, .. } = redeliver_matching(&app, &caller, wanted.filter()).await?;
    let notice = Notice::of(Done::Redelivered).with_count(usize::try_from(redelivered).unwrap_or(usize::MAX));
    Ok(see_other(&notice.at(&wanted.address())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delivery_of_a_form_counts_once_and_nonsense_names_none() {
        let form = b"ids=3.0&ids=1.2&ids=3.0&ids=7&ids=x.1&ids=1.-2&other=4.0&back=/ui/deliveries";
        let id = |event, slot| DeliveryId { event: EventId(event), slot };
        assert_eq!(chosen(form), [id(1, 2), id(3, 0)]);
    }
}
