//! What can be done with a destination at the press of a button: pause, resume, send a test, draw a signing secret, take one away. Each
//! is a form that leads back to the destination's page, but for a new secret, which only the answer itself shows.

use axum::extract::{Request, State};
use axum::response::Response;
use oncue_domain::destination::Standing;
use oncue_domain::signature::Scheme;

use super::edit::address;
use super::page::show_new;
use crate::api::destination::trial::try_out;
use crate::api::destination::{destination_id, load, secret, stand};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, parse_form, read_form_body};
use crate::fault::Fault;
use crate::ui::notice::{Done, Notice};
use crate::ui::way_back::page_of_ours;
use crate::ui::{PageFault, see_other};

/// The longest form of an action in bytes.
pub(super) const ACTION_BYTES_MAX: usize = 16 * 1024;

/// POST /ui/destinations/{id}/pause
pub(in crate::ui) async fn pause(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let standing = Standing::Paused { since: app.now() };
    let is_so = |standing: &Standing| matches!(standing, Standing::Paused { .. });
    turn(&app, &caller, &id, request, standing, is_so).await
}

/// POST /ui/destinations/{id}/resume
pub(in crate::ui) async fn resume(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    turn(&app, &caller, &id, request, Standing::Active, |standing| *standing == Standing::Active).await
}

async fn turn(
    app: &App,
    caller: &Caller,
    id: &str,
    request: Request,
    wanted: Standing,
    is_so: impl Fn(&Standing) -> bool,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let done = if wanted == Standing::Active { Done::DestinationResumed } else { Done::DestinationPaused };
    let current = load(app, caller.owner(), destination_id(id)?).await?;
    let wanted = (!is_so(&current.standing)).then_some(wanted);
    let turned = stand(app, caller, current, wanted).await?;
    let back = form.get("back").and_then(|back| page_of_ours(back)).unwrap_or_else(|| address(turned.id));
    Ok(see_other(&Notice::of(done).at(&back)))
}

/// POST /ui/destinations/{id}/test
pub(in crate::ui) async fn test(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let destination = load(&app, caller.owner(), destination_id(&id)?).await?;
    let event = try_out(&app, &caller, &destination).await?;
    let done = if destination.standing == Standing::Active { Done::Tested } else { Done::TestWaits };
    Ok(see_other(&Notice::of(done).with_event(event).at(&address(destination.id))))
}

/// POST /ui/destinations/{id}/rotate: the answer shows the new secret, once.
pub(in crate::ui) async fn rotate(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let id = destination_id(&id)?;
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let scheme = form.get("scheme").and_then(|word| Scheme::from_word(word)).unwrap_or(Scheme::V1);
    let drawn = secret::draw(&app, &caller, id, scheme).await?;
    let destination = load(&app, caller.owner(), id).await?;
    show_new(&app, &caller, &destination, &drawn, Done::SecretDrawn).await
}

/// POST /ui/destinations/{id}/secrets
pub(in crate::ui) async fn take_secret(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let id = destination_id(&id)?;
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let taken = form.get("secret").ok_or_else(|| Fault::not_found("Signing secret"))?;
    secret::drop_secret(&app, &caller, id, taken).await?;
    Ok(see_other(&Notice::of(Done::SecretTaken).at(&address(id))))
}
