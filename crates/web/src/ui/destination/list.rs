//! The list of destinations. Whoever has none is told what one is, and offered an inbox, with which a first success needs nothing
//! else.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::destination::alert::Streak;
use oncue_domain::destination::{Destination, DestinationHead, Wanted};
use oncue_domain::id::DestinationId;

use super::row::DestinationRow;
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{Query, id_of};
use crate::ui::frame::{Frame, Place};
use crate::ui::notice::Notice;
use crate::ui::viewer::shown_zone;
use crate::ui::{PageFault, page};

/// How many destinations a page lists.
const LISTED_MAX: usize = 100;

/// How many triggers are looked at to say which send to a destination; as many as the list of triggers looks at.
pub(super) const TRIGGERS_MAX: usize = 5_000;

/// A line, and how many triggers send there.
struct Line {
    destination: DestinationRow,
    triggers: u64,
}

#[derive(Template)]
#[template(path = "destinations.html")]
struct ListPage {
    frame: Frame,
    notice: Option<Notice>,
    lines: Vec<Line>,
    /// Whether this is the first page.
    is_first: bool,
    /// Where the list goes on.
    next: Option<DestinationId>,
}

/// GET /ui/destinations
pub(in crate::ui) async fn list(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let (now, zone) = (app.now(), shown_zone(&app, &caller, None));
    let notice = Notice::take(&mut query);
    let after = query.take_text("after").as_deref().and_then(id_of).map(DestinationId);
    let mut read = app.store.destinations(caller.owner(), after, LISTED_MAX + 1).await?;
    let has_more = read.len() > LISTED_MAX;
    read.truncate(LISTED_MAX);
    let next = read.last().map(|last| last.id).filter(|_| has_more);
    let heads = app.store.destination_heads(caller.owner(), Wanted::All).await?;
    let heads: Vec<&DestinationHead> =
        heads.iter().filter(|head| Some(head.id) > after && next.is_none_or(|next| head.id <= next)).collect();
    let uses = app.store.destination_uses(caller.owner(), heads.iter().map(|head| head.id).collect()).await?;
    let streaks: HashMap<DestinationId, Streak> = app.store.streaks(caller.owner()).await?.into_iter().collect();
    let row = |head: &DestinationHead| match read_of(&read, head) {
        Some(destination) => DestinationRow::of(destination, streaks.get(&destination.id), &zone, now),
        None => DestinationRow::unread(head, &zone, now),
    };
    let line = |(head, triggers): (&DestinationHead, u64)| Line { destination: row(head), triggers };
    let list = ListPage {
        frame: Frame::of(&app, &caller, Place::Destinations),
        notice,
        lines: heads.into_iter().zip(uses).map(line).collect(),
        is_first: after.is_none(),
        next,
    };
    Ok(page(StatusCode::OK, &list))
}

/// What was read of a destination; nothing where it cannot be read.
fn read_of<'a>(read: &'a [Destination], head: &DestinationHead) -> Option<&'a Destination> {
    read.iter().find(|destination| destination.id == head.id)
}
