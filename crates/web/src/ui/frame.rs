//! What surrounds every page: who looks at it, where they are, how they like it, and whether there is a login at all. What a
//! page itself shows may not enter.

use jiff::Timestamp;
use oncue_domain::access::{Preferences, ShownIn, Theme};
use oncue_domain::freeze::Freeze;
use oncue_domain::schedule::zone::{Zone, Zones};

use super::freeze::FreezeRow;
use super::moment::{Moment, Words, clock_face};
use super::notice::without_notice;
use super::viewer::shown_zone;
use crate::app::{App, Mode};
use crate::auth::Caller;

/// Who looks.
enum Viewer {
    Nobody,
    /// Whoever reaches a server without login.
    Anybody,
    User(String),
}

/// Where in the main navigation a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Triggers,
    Destinations,
    Events,
    Upcoming,
    Nodes,
    Account,
    Elsewhere,
}

/// An entry of the main navigation.
pub(crate) struct Entry {
    pub(crate) title: &'static str,
    pub(crate) address: &'static str,
    /// The keys that lead there.
    pub(crate) keys: Option<&'static str>,
    pub(crate) is_here: bool,
}

impl Entry {
    /// The keys that lead there, one after the other.
    pub(crate) fn strokes(&self) -> Option<(&'static str, &'static str)> {
        self.keys?.split_once(' ')
    }
}

/// The surroundings of a page.
pub(crate) struct Frame {
    viewer: Viewer,
    /// Whether whoever looks is the operator.
    is_operator: bool,
    place: Place,
    preferences: Preferences,
    zone: Zone,
    now: Timestamp,
    back: String,
    once: String,
    frozen: Vec<Freeze>,
}

impl Frame {
    /// Around a page for somebody we know.
    pub(crate) fn of(app: &App, caller: &Caller, place: Place) -> Frame {
        let viewer = match app.settings.mode {
            Mode::Open(_) => Viewer::Anybody,
            Mode::Login => Viewer::User(caller.user.email.clone()),
        };
        let preferences = caller.user.preferences.clone();
        let zone = shown_zone(app, caller, None);
        // What it says was done was so once, and is not said again.
        let back = caller.page.as_deref().map(without_notice).unwrap_or_default();
        let is_operator = caller.user.is_operator;
        let frozen = caller.frozen.clone();
        let now = app.now();
        let once = app.ids.message(now).to_string();
        Frame { viewer, is_operator, place, preferences, zone, now, back, once, frozen }
    }

    /// Around a page for anybody.
    pub(crate) fn bare() -> Frame {
        Frame {
            viewer: Viewer::Nobody,
            is_operator: false,
            place: Place::Elsewhere,
            preferences: Preferences::default(),
            zone: Zones::utc(),
            now: Timestamp::UNIX_EPOCH,
            back: String::new(),
            once: String::new(),
            frozen: Vec::new(),
        }
    }

    /// What is frozen now, for the banner.
    pub(crate) fn freezes(&self) -> Vec<FreezeRow> {
        self.frozen.iter().map(|freeze| FreezeRow::of(freeze, self.is_operator, self.now, &self.zone)).collect()
    }

    /// The address of whoever is logged in.
    pub(crate) fn email(&self) -> Option<&str> {
        match &self.viewer {
            Viewer::User(email) => Some(email),
            _ => None,
        }
    }

    /// What stands for whoever is logged in where there is little room.
    pub(crate) fn initial(&self) -> String {
        self.email().and_then(|email| email.chars().next()).map(String::from).unwrap_or_default()
    }

    /// Whether the server has no login.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.viewer, Viewer::Anybody)
    }

    /// Whether it is known who looks, so that there is something to lead to.
    pub(crate) fn is_inside(&self) -> bool {
        !matches!(self.viewer, Viewer::Nobody)
    }

    /// The main navigation.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        // Without a login there is no account, but there are settings.
        let account = if self.is_open() { "Settings" } else { "Account" };
        [
            (Place::Overview, "Overview", "/", Some("g o")),
            (Place::Triggers, "Triggers", "/ui/triggers", Some("g t")),
            (Place::Destinations, "Destinations", "/ui/destinations", Some("g d")),
            (Place::Events, "Events", "/events", Some("g e")),
            (Place::Upcoming, "Upcoming", "/upcoming", Some("g u")),
            (Place::Nodes, "Nodes", "/ui/nodes", Some("g n")),
            (Place::Account, account, "/account", None),
            (Place::Elsewhere, "API docs", "/docs", None),
        ]
        .into_iter()
        .filter(|(place, ..)| self.is_operator || *place != Place::Nodes)
        .map(|(place, title, address, keys)| {
            let is_here = place == self.place && place != Place::Elsewhere;
            Entry { title, address, keys, is_here }
        })
        .collect()
    }

    /// The word for the colours.
    pub(crate) fn theme(&self) -> &'static str {
        self.preferences.theme.word()
    }

    /// What the browser may draw its own parts in.
    pub(crate) fn color_scheme(&self) -> &'static str {
        match self.preferences.theme {
            Theme::System => "light dark",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// Whether single keys are shortcuts.
    pub(crate) fn has_shortcuts(&self) -> bool {
        self.is_inside() && self.preferences.shortcuts
    }

    /// The choices of the zone switch: the word, what it is called, and whether it is chosen.
    pub(crate) fn zones(&self) -> [(&'static str, &'static str, bool); 3] {
        ShownIn::ALL.map(|choice| {
            let title = match choice {
                ShownIn::Mine => "My zone",
                ShownIn::Trigger => "Trigger’s zone",
                ShownIn::Utc => "UTC",
            };
            (choice.word(), title, choice == self.preferences.shown_in)
        })
    }

    /// The server's time.
    pub(crate) fn clock(&self) -> Moment {
        Moment::new(self.now, self.now, &self.zone)
    }

    /// The server's time of day.
    pub(crate) fn face(&self) -> String {
        clock_face(self.now, &self.zone)
    }

    /// In which zone the page shows its times.
    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The name of the zone that times are shown in.
    pub(crate) fn zone_name(&self) -> &str {
        self.zone.name()
    }

    /// The words of the clock's script.
    pub(crate) fn time_words(&self) -> Words {
        Words
    }

    /// The key of this page's forms, by which each is carried out once; no other page has it.
    pub(crate) fn once(&self) -> &str {
        &self.once
    }

    /// Where the forms around the page lead back to.
    pub(crate) fn back(&self) -> &str {
        &self.back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_entry_of_the_navigation_is_here_and_none_elsewhere() {
        let here = |place| {
            let frame = Frame { place, ..Frame::bare() };
            frame.entries().into_iter().filter(|entry| entry.is_here).map(|entry| entry.address).collect::<Vec<_>>()
        };
        assert_eq!(here(Place::Triggers), ["/ui/triggers"]);
        assert_eq!(here(Place::Account), ["/account"]);
        assert!(here(Place::Elsewhere).is_empty());
    }

    #[test]
    fn what_is_about_the_whole_server_is_in_the_operators_navigation_alone() {
        let has_nodes = |is_operator| {
            let frame = Frame { is_operator, ..Frame::bare() };
            frame.entries().iter().any(|entry| entry.address == "/ui/nodes")
        };
        assert_eq!((has_nodes(true), has_nodes(false)), (true, false));
    }
}
