//! What surrounds every page: who looks at it, and whether there is a login at all.

use crate::app::{App, Mode};
use crate::auth::Caller;

/// Who looks.
enum Viewer {
    Nobody,
    /// Whoever reaches a server without login.
    Anybody,
    User(String),
}

/// The surroundings of a page.
pub(crate) struct Frame {
    viewer: Viewer,
}

impl Frame {
    /// Around a page for somebody we know.
    pub(crate) fn of(app: &App, caller: &Caller) -> Frame {
        let viewer = match app.settings.mode {
            Mode::Open(_) => Viewer::Anybody,
            Mode::Login => Viewer::User(caller.user.email.clone()),
        };
        Frame { viewer }
    }

    /// Around a page for anybody.
    pub(crate) fn bare() -> Frame {
        Frame { viewer: Viewer::Nobody }
    }

    /// The address of whoever is logged in.
    pub(crate) fn email(&self) -> Option<&str> {
        match &self.viewer {
            Viewer::User(email) => Some(email),
            _ => None,
        }
    }

    /// Whether the server has no login.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.viewer, Viewer::Anybody)
    }
}
