//! Pages for people. They call the same constructors and the same store methods as the JSON surfaces, never those surfaces
//! over HTTP, and they work without JavaScript: every change is a form, every view an address, and what the scripts in
//! `static` add is only comfort. The text stands in `templates/`, how it looks in `static/css`; nothing inline and nothing
//! from a foreign host may enter, because the content security policy allows neither.

mod account;
mod act_list;
mod asset;
mod backlog;
mod badge;
mod calendar;
mod cause;
mod chart;
mod concern;
mod condition;
mod curl;
mod delivery;
mod destination;
mod draft;
mod event;
mod event_export;
mod event_line;
mod event_list;
mod event_page;
mod event_query;
mod failed_list;
mod failed_query;
mod failed_redelivery;
mod figures;
mod forecast;
mod frame;
mod freeze;
mod inbox;
mod live;
mod login;
mod moment;
mod node_list;
mod notice;
mod number;
mod once;
mod overview;
mod pretty;
mod receipt;
mod redelivery;
mod revision;
mod run;
mod snippet;
mod table;
mod trigger;
mod trigger_action;
mod trigger_check;
mod trigger_delete;
mod trigger_filter;
mod trigger_form;
mod trigger_gone;
mod trigger_list;
mod trigger_page;
mod trigger_past;
mod trigger_pause;
mod trigger_row;
mod trigger_selected;
mod trigger_unreadable;
mod trigger_why;
mod upcoming;
mod viewer;
mod way_back;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{PathId, PathIds, Query, id_of};
use crate::fault::Fault;
use frame::Frame;

pub(crate) use asset::icon;
pub(crate) use cause::{Cause, Way};
pub(crate) use curl::curl;
pub(crate) use draft::{Onward, read_from_stranger};
pub(crate) use login::{login_page, logout_page, register_page};
pub(crate) use moment::span;
pub(crate) use table::{events_table, triggers_table};

/// The addresses of the pages, but for logging in and out, which programs use too.
pub(crate) fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route("/events", get(event_list::show))
        .route("/events/{id}", get(event_page::show))
        .route("/events/{id}/payload", get(event_page::payload))
        .route("/events/{id}/cloudevent", get(event_page::cloudevent))
        .route("/events/{id}/fire-again", get(redelivery::fire_again_page).post(redelivery::fire_again))
        .route("/events/{id}/deliveries/{slot}/redeliver", get(redelivery::redeliver_page).post(redelivery::redeliver))
        .route("/events/{id}/deliveries/{slot}/cancel", get(redelivery::cancel_page).post(redelivery::cancel))
        .route("/ui/deliveries", get(failed_list::show))
        .route("/ui/deliveries/selected", get(to_failed).post(failed_redelivery::redeliver_selected))
        .route(
            "/ui/deliveries/redeliver",
            get(failed_redelivery::redeliver_all_page).post(failed_redelivery::redeliver_all),
        )
        .route("/events/{id}/deliveries/{slot}/attempts/{number}", get(receipt::show))
        .route("/events/{id}/deliveries/{slot}/attempts/{number}/body", get(receipt::body))
        .route("/ui/live", get(live::live))
        .route("/ui/freeze", get(freeze::show).post(freeze::freeze))
        .route("/ui/freeze/end", get(to_freeze).post(freeze::thaw))
        .route("/ui/triggers", get(trigger_list::show).post(trigger::create))
        .route("/ui/triggers/new", get(trigger::new_page))
        .route("/ui/triggers/check", get(to_new).post(trigger_check::check))
        .route("/ui/triggers/test", get(to_new).post(trigger_check::test))
        .route("/ui/triggers/selected", get(to_list).post(trigger_selected::act))
        .route("/ui/triggers/{id}", get(trigger_page::show))
        .route("/ui/triggers/{id}/why", get(trigger_why::show))
        .route("/ui/triggers/{id}/revisions", get(revision::show))
        .route("/ui/triggers/{id}/revisions/{revision}/restore", get(to_revisions).post(revision::restore))
        .route("/ui/triggers/{id}/clone", get(trigger::clone_page))
        .route("/ui/triggers/{id}/edit", get(trigger::edit_page).post(trigger::edit))
        .route("/ui/triggers/{id}/delete", get(trigger_delete::delete_page).post(trigger_delete::delete))
        .route("/ui/triggers/{id}/fire", get(trigger_action::fire_page).post(trigger_action::fire))
        .route("/ui/triggers/{id}/test", get(trigger_action::fire_page).post(trigger_action::test))
        .route("/ui/triggers/{id}/run", get(to_page).post(trigger_action::run))
        .route("/ui/triggers/{id}/pause", get(trigger_pause::show).post(trigger_pause::pause))
        .route("/ui/triggers/{id}/resume", get(to_page).post(trigger_action::resume))
        .route("/ui/calendars", get(calendar::list).post(calendar::create))
        .route("/ui/calendars/new", get(calendar::new_page))
        .route("/ui/calendars/{id}", get(calendar::show).post(calendar::change))
        .route("/ui/calendars/{id}/delete", get(calendar::delete_page).post(calendar::delete))
        .route("/ui/destinations/{id}/inbox", get(inbox::show))
        .route("/ui/destinations/{id}/inbox/{arrival}", get(inbox::show_one))
        .route("/ui/destinations", get(destination::list).post(destination::create))
        .route("/ui/destinations/new", get(destination::new_page))
        .route("/ui/destinations/preview", get(to_new_destination).post(destination::preview_new))
        .route("/ui/destinations/{id}", get(destination::show))
        .route("/ui/destinations/{id}/preview", get(to_destination).post(destination::preview_edit))
        .route("/ui/destinations/{id}/test", get(to_destination).post(destination::test))
        .route("/ui/destinations/{id}/edit", get(destination::edit_page).post(destination::edit))
        .route("/ui/destinations/{id}/delete", get(destination::delete_page).post(destination::delete))
        .route("/ui/destinations/{id}/pause", get(to_destination).post(destination::pause))
        .route("/ui/destinations/{id}/resume", get(to_destination).post(destination::resume))
        .route("/ui/destinations/{id}/rotate", get(to_destination).post(destination::rotate))
        .route("/ui/destinations/{id}/secrets", get(to_destination).post(destination::take_secret))
        .route("/ui/nodes", get(node_list::show))
        .route("/ui/backlog", get(backlog::show))
        .route("/ui/backlog/release", get(backlog::back).post(backlog::release_all))
        .route("/ui/backlog/discard", get(backlog::discard_page).post(backlog::discard_all))
        .route("/ui/backlog/{id}/release", get(backlog::back).post(backlog::release))
        .route("/ui/backlog/{id}/discard", get(backlog::back).post(backlog::discard))
        .route("/audit", get(act_list::show))
        .route("/upcoming", get(upcoming::show))
        .route("/forecast", get(forecast::show))
        .route_layer(from_fn_with_state(Arc::clone(app), draft::keep))
        // Below the drafts: nothing typed into these forms may be carried through a login, passwords least of all.
        .route("/account", get(account::show))
        .route("/account/preferences", get(to_account).post(account::preferences))
        .route("/account/clock", post(account::clock))
        .route("/account/password", get(to_account).post(account::session::password))
        .route("/account/sessions/end", post(account::session::end))
        .route("/account/sessions/end-others", post(account::session::end_others))
        .route("/account/keys", get(to_account).post(account::key::create))
        .route("/account/keys/{id}/revoke", post(account::key::revoke))
        .route_layer(from_fn_with_state(Arc::clone(app), once::carry_out))
        .route("/static/{file}", get(asset::serve))
}

/// GET /ui/triggers/selected: where a browser ends up that repeats the address of a form.
async fn to_list(query: Query) -> Response {
    see_other(&in_place_of("/ui/triggers", &query))
}

/// GET /ui/deliveries/selected: where a browser ends up that repeats the address of a form.
async fn to_failed(_: Visitor) -> Response {
    see_other(failed_query::ADDRESS)
}

/// GET /ui/triggers/check and /test: where a browser ends up that repeats the address of a form.
async fn to_new() -> Response {
    see_other("/ui/triggers/new")
}

/// GET /account/keys and the like, whose forms answer with the page: where a browser ends up that repeats their address.
async fn to_account() -> Response {
    see_other("/account")
}

/// GET /ui/freeze/end: where a browser ends up that repeats the address of a form.
async fn to_freeze(_: Visitor) -> Response {
    see_other("/ui/freeze")
}

/// GET /ui/triggers/{id}/resume: where a browser ends up that repeats the address of a form.
async fn to_page(_: Visitor, PathId(id): PathId, query: Query) -> Response {
    // A number that names nothing leads to the same answer as one of somebody else's.
    let id = id_of(&id).unwrap_or_default();
    see_other(&in_place_of(&format!("/ui/triggers/{id}"), &query))
}

/// GET /ui/triggers/{id}/revisions/{revision}/restore: where a browser ends up that repeats the address of a form.
async fn to_revisions(_: Visitor, PathIds(id, _): PathIds) -> Response {
    // As with a trigger's own page.
    see_other(&format!("/ui/triggers/{}/revisions", id_of(&id).unwrap_or_default()))
}

/// GET /ui/destinations/preview: where a browser ends up that repeats the address of a form.
async fn to_new_destination(_: Visitor) -> Response {
    see_other("/ui/destinations/new")
}

/// GET /ui/destinations/{id}/pause and the like: where a browser ends up that repeats the address of a form.
async fn to_destination(_: Visitor, PathId(id): PathId) -> Response {
    // As with a trigger's.
    see_other(&format!("/ui/destinations/{}", id_of(&id).unwrap_or_default()))
}

/// Another path with the same query, spelled as a header can hold it: what a client sends need not be ASCII.
fn in_place_of(path: &str, query: &Query) -> String {
    let with_query =
        query.address().split_once('?').and_then(|(_, query)| way_back::page_of_ours(&format!("{path}?{query}")));
    with_query.unwrap_or_else(|| path.to_owned())
}

/// A page.
fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong inside oncue; its log says what.").into_response()
        }
    }
}

/// 302: look there instead.
pub(crate) fn redirect(to: &str) -> Response {
    let location = HeaderValue::from_str(to).expect("addresses within oncue are visible ASCII");
    (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
}

/// 302: log in first. What was wanted is kept, except where it is what a login leads to anyway.
pub(crate) fn to_login(wanted: &str) -> Response {
    match way_back::page_of_ours(wanted).filter(|page| page != "/") {
        Some(page) => {
            let query: String =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &page).finish();
            redirect(&format!("/auth/login?{query}"))
        }
        None => redirect("/auth/login"),
    }
}

/// 303: done; go on there, with a GET.
pub(crate) fn see_other(to: &str) -> Response {
    let location = HeaderValue::from_str(to).expect("addresses within oncue are visible ASCII");
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    /// Whether what was asked for may have been there once.
    is_missing: bool,
}

/// A page that says why there is no other.
pub(crate) fn error_page(status: StatusCode, detail: &str) -> Response {
    let title = match status {
        StatusCode::NOT_FOUND => "There is no such page",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests",
        status if status.is_server_error() => "Something went wrong",
        _ => "That did not work",
    };
    page(status, &ErrorPage { frame: Frame::bare(), title, detail, is_missing: status == StatusCode::NOT_FOUND })
}

/// A fault as a page says it.
struct PageFault(Fault);

impl<F: Into<Fault>> From<F> for PageFault {
    fn from(fault: F) -> PageFault {
        PageFault(fault.into())
    }
}

impl IntoResponse for PageFault {
    fn into_response(self) -> Response {
        self.0.log("a page could not be shown");
        let mut response = error_page(self.0.status(), &self.0.detail());
        response.headers_mut().extend(self.0.headers());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequestParts;

    #[tokio::test]
    async fn a_form_that_is_asked_for_again_leads_to_its_page_whatever_the_address_holds() {
        for (query, location) in [
            ("", "/ui/triggers"),
            ("?q=a%20b&page=2", "/ui/triggers?q=a%20b&page=2"),
            ("?q=\u{fc}", "/ui/triggers?q=%C3%BC"),
            (&format!("?q={}", "x".repeat(5000)), "/ui/triggers"),
        ] {
            let uri = format!("/ui/triggers/selected{query}");
            let (mut parts, ()) = axum::http::Request::get(uri).body(()).expect("a request").into_parts();
            let query = <Query as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await.expect("a query");
            let response = to_list(query).await;
            assert_eq!(response.headers()[header::LOCATION], location);
        }
    }

    #[test]
    fn an_error_page_escapes_what_it_quotes() {
        let detail = "\"><img src=x onerror=alert(1)>";
        let page = ErrorPage { frame: Frame::bare(), title: "t", detail, is_missing: true };
        let html = page.render().expect("it renders");
        assert!(!html.contains("<img src=x"), "{html}");
    }
}
