//! Pages for people. They call the same constructors and the same store methods as the JSON surfaces, never those surfaces
//! over HTTP, and they work without JavaScript: every change is a form, every view an address. The text stands in
//! `templates/`, how it looks in `static/oncue.css`; nothing inline and nothing from a foreign host may enter, because the
//! content security policy allows neither.

mod asset;
mod badge;
mod dashboard;
mod event;
mod frame;
mod login;
mod moment;
mod notice;
mod table;
mod trigger;
mod trigger_form;
mod trigger_row;

use askama::Template;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::fault::Fault;
use frame::Frame;

pub(crate) use login::{login_page, logout_page, register_page};
pub(crate) use table::{events_table, triggers_table};

/// The addresses of the pages, but for logging in and out, which programs use too.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(dashboard::show))
        .route("/events/{id}", get(event::show))
        .route("/ui/triggers", get(to_dashboard).post(trigger::create))
        .route("/ui/triggers/{id}/edit", get(trigger::edit_page).post(trigger::edit))
        .route("/ui/triggers/{id}/delete", get(trigger::delete_page).post(trigger::delete))
        .route("/ui/triggers/{id}/fire", post(trigger::fire))
        .route("/ui/triggers/{id}/test", post(trigger::test))
        .route("/ui/triggers/{id}/pause", post(trigger::pause))
        .route("/ui/triggers/{id}/resume", post(trigger::resume))
        .route("/static/{file}", get(asset::serve))
}

/// GET /ui/triggers: where a browser ends up that repeats the address of a form.
async fn to_dashboard() -> Response {
    see_other("/")
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
pub(crate) fn redirect(to: &'static str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, HeaderValue::from_static(to))]).into_response()
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
}

/// A page that says why there is no other.
pub(crate) fn error_page(status: StatusCode, detail: &str) -> Response {
    let title = match status {
        StatusCode::NOT_FOUND => "There is no such page",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests",
        status if status.is_server_error() => "Something went wrong",
        _ => "That did not work",
    };
    page(status, &ErrorPage { frame: Frame::bare(), title, detail })
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
        if let Fault::Store(error) = &self.0 {
            tracing::error!(%error, "a page could not be shown");
        }
        let mut response = error_page(self.0.status(), &self.0.detail());
        response.headers_mut().extend(self.0.headers());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_escapes_what_it_quotes() {
        let page = ErrorPage { frame: Frame::bare(), title: "t", detail: "\"><img src=x onerror=alert(1)>" };
        let html = page.render().expect("it renders");
        assert!(!html.contains("<img src=x"), "{html}");
    }
}
