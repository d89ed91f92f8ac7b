//! Deleting a destination: by pressing a button twice, and not while triggers send to it; those are named, so that they can be changed.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::destination::Wanted;
use oncue_domain::id::DestinationId;
use oncue_domain::store::{Deleted, Error};

use super::page::{Sender, senders};
use super::row::DestinationRow;
use crate::api::destination::destination_id;
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::PathId;
use crate::fault::Fault;
use crate::ui::frame::{Frame, Place};
use crate::ui::notice::{Done, Notice};
use crate::ui::viewer::shown_zone;
use crate::ui::{PageFault, page, see_other};

#[derive(Template)]
#[template(path = "destination_delete.html")]
struct DeletePage {
    frame: Frame,
    destination: DestinationRow,
    /// The triggers that send to it.
    senders: Vec<Sender>,
    /// Whether that was tried, and refused.
    was_refused: bool,
}

impl DeletePage {
    async fn new(app: &App, caller: &Caller, id: DestinationId) -> Result<DeletePage, PageFault> {
        Ok(DeletePage {
            frame: Frame::of(app, caller, Place::Destinations),
            senders: senders(app, caller.owner(), id).await?,
            destination: row(app, caller, id).await?,
            was_refused: false,
        })
    }
}

/// The line of what is to be deleted. What cannot be read any more can be deleted all the same.
async fn row(app: &App, caller: &Caller, id: DestinationId) -> Result<DestinationRow, Fault> {
    let (zone, now) = (shown_zone(app, caller, None), app.now());
    let not_found = || Fault::not_found("Destination");
    match app.store.destination(caller.owner(), id).await {
        Err(Error::Broken(_)) => {
            let heads = app.store.destination_heads(caller.owner(), Wanted::These(vec![id])).await?;
            heads.first().map(|head| DestinationRow::unread(head, &zone, now)).ok_or_else(not_found)
        }
        read => read?.map(|read| DestinationRow::of(&read, None, &zone, now)).ok_or_else(not_found),
    }
}

/// GET /ui/destinations/{id}/delete
pub(in crate::ui) async fn delete_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    Ok(page(StatusCode::OK, &DeletePage::new(&app, &caller, destination_id(&id)?).await?))
}

/// POST /ui/destinations/{id}/delete
pub(in crate::ui) async fn delete(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let id = destination_id(&id)?;
    match app.acting(&caller).delete_destination(caller.owner(), id, app.now()).await? {
        Deleted::Done => Ok(see_other(&Notice::of(Done::DestinationDeleted).at("/ui/destinations"))),
        Deleted::NotFound => Err(Fault::not_found("Destination").into()),
        Deleted::InUse { .. } => {
            let again = DeletePage { was_refused: true, ..DeletePage::new(&app, &caller, id).await? };
            Ok(page(StatusCode::CONFLICT, &again))
        }
    }
}
