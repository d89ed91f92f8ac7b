//! The pages around a login: the two forms and the question before a logout that nobody asked for. What the forms are sent
//! to stands in `access`.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::access::Registration;
use oncue_domain::store;

use super::draft::Onward;
use super::frame::Frame;
use super::page;
use crate::app::App;

/// Whether somebody who comes now may register.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    /// Whoever comes first becomes the operator.
    OpenForFirst,
    Closed,
}

impl Door {
    async fn of(app: &App) -> store::Result<Door> {
        let nobody_yet = app.store.users().await?.is_empty();
        Ok(match app.settings.registration {
            Registration::Closed => Door::Closed,
            Registration::First if !nobody_yet => Door::Closed,
            _ if nobody_yet => Door::OpenForFirst,
            _ => Door::Open,
        })
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    email: &'a str,
    error: Option<&'a str>,
    door: Door,
    onward: &'a Onward,
}

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'a> {
    frame: Frame,
    email: &'a str,
    error: Option<&'a str>,
    door: Door,
}

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutPage {
    frame: Frame,
}

/// The form for logging in, and where it leads on to.
pub(crate) async fn login_page(
    app: &App,
    email: &str,
    error: Option<&str>,
    status: StatusCode,
    onward: &Onward,
) -> Response {
    match Door::of(app).await {
        Ok(door) => page(status, &LoginPage { frame: Frame::bare(), email, error, door, onward }),
        Err(error) => cannot_know(error),
    }
}

/// The form for registering, or the word that nobody may.
pub(crate) async fn register_page(app: &App, email: &str, error: Option<&str>, status: StatusCode) -> Response {
    match Door::of(app).await {
        Ok(door) => page(status, &RegisterPage { frame: Frame::bare(), email, error, door }),
        Err(error) => cannot_know(error),
    }
}

/// The question whether to log out.
pub(crate) fn logout_page() -> Response {
    page(StatusCode::OK, &LogoutPage { frame: Frame::bare() })
}

fn cannot_know(error: store::Error) -> Response {
    use axum::response::IntoResponse;
    super::PageFault::from(error).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(email: &str, error: Option<&str>, door: Door) -> String {
        LoginPage { frame: Frame::bare(), email, error, door, onward: &Onward::default() }.render().expect("it renders")
    }

    fn register(door: Door) -> String {
        RegisterPage { frame: Frame::bare(), email: "", error: None, door }.render().expect("it renders")
    }

    #[test]
    fn the_login_form_keeps_the_address_and_escapes_it() {
        let html = login("\"><img src=x onerror=alert(1)>", Some("<b>no</b>"), Door::Open);
        assert!(!html.contains("<img src=x") && !html.contains("<b>no"), "{html}");
        assert!(html.contains("action=\"/auth/login\"") && html.contains("autocomplete=\"current-password\""));
    }

    #[test]
    fn a_closed_door_is_not_pointed_at() {
        assert!(login("", None, Door::Open).contains("/auth/register"));
        assert!(!login("", None, Door::Closed).contains("/auth/register"));
        assert!(register(Door::Open).contains("action=\"/auth/register\""));
        let closed = register(Door::Closed);
        assert!(closed.contains("closed") && !closed.contains("<form"), "{closed}");
    }
}
