//! Time on a page: how far away first, and the instant itself, always with its zone. No clock is read here; now is an
//! argument. The words stand here alone: the script that keeps a page's times true takes them from [`Words`].

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::TriggerHead;

/// An instant as pages show it.
#[derive(Clone, Debug, Template)]
#[template(
    source = r#"<time datetime="{{ machine }}"{% if is_due %} data-due{% endif %}><span class="{{ class }}">{{ relative }}</span> <span class="absolute">{{ wall }} {% match place %}{% when Some((name, offset)) %}<span class="far">{{ name }} (UTC</span>{{ offset }}<span class="far">)</span>{% when None %}UTC{% endmatch %}</span></time>"#,
    ext = "html"
)]
pub(crate) struct Moment {
    pub(crate) machine: String,
    pub(crate) relative: String,
    pub(crate) absolute: String,
    /// The time on the wall, and where: the zone's name and how far it is from UTC, or none for UTC. A list leaves out the name.
    wall: String,
    place: Option<(String, String)>,
    /// Whether what lies behind is late, not past.
    is_due: bool,
    /// How the distance is marked: a page's script says anew what is `relative`, and nothing else.
    pub(crate) class: &'static str,
}

impl askama::filters::HtmlSafe for Moment {}

/// How distances are said; `{}` is the span.
const NOW: &str = "now";
const AHEAD: &str = "in {}";
const AGO: &str = "{} ago";
const LATE: &str = "{} late";
const EARLY: &str = "{} early";

/// What is said in the place of a distance of what waits for an event of its own trigger.
const BEHIND: &str = "waits for its event to end";

/// The units of spans.
const MILLISECONDS: &str = "ms";
const SECONDS: &str = "s";
const MINUTES: &str = "min";
const HOURS: &str = "h";
const DAYS: &str = "d";

/// The words above, for the script that goes on counting where the server stopped.
#[derive(Template)]
#[template(
    source = r#"<template id="time-words" data-now="{{ NOW }}" data-ahead="{{ AHEAD }}" data-ago="{{ AGO }}" data-late="{{ LATE }}" data-seconds="{{ SECONDS }}" data-minutes="{{ MINUTES }}" data-hours="{{ HOURS }}" data-days="{{ DAYS }}"></template>"#,
    ext = "html"
)]
pub(crate) struct Words;

impl askama::filters::HtmlSafe for Words {}

impl Moment {
    /// An instant seen from `now`: "in 4 min", "3 h ago".
    pub(crate) fn new(instant: Timestamp, now: Timestamp, zone: &Zone) -> Moment {
        Moment::told(instant, relative(instant, now), zone, false)
    }

    /// An instant at which something is due: what lies behind is not past but late.
    pub(crate) fn due(instant: Timestamp, now: Timestamp, zone: &Zone) -> Moment {
        let late = now.duration_since(instant);
        let relative = if late >= SignedDuration::from_secs(1) { lateness(late) } else { relative(instant, now) };
        Moment::told(instant, relative, zone, true)
    }

    /// A firing to come of that trigger: one that has fallen due may wait for an event of its own, and is not late then.
    pub(crate) fn firing(head: &TriggerHead, due: Timestamp, now: Timestamp, zone: &Zone) -> Moment {
        match head.is_behind && due <= now {
            true => Moment { class: "behind", ..Moment::told(due, BEHIND.to_owned(), zone, false) },
            false => Moment::due(due, now, zone),
        }
    }

    fn told(instant: Timestamp, relative: String, zone: &Zone, is_due: bool) -> Moment {
        let (wall, place) = wall(instant, zone);
        let (machine, absolute) = (machine(instant), absolute(instant, zone));
        Moment { machine, relative, absolute, wall, place, is_due, class: "relative" }
    }
}

/// The clock of the bar: the time of day, by the second.
pub(crate) fn clock_face(instant: Timestamp, zone: &Zone) -> String {
    instant.to_zoned(zone.time_zone().clone()).strftime("%H:%M:%S").to_string()
}

/// For `datetime`, which takes at most three digits of a fraction.
fn machine(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// "Mon 2026-11-23 09:00:00 Europe/Riga (UTC+02:00)".
pub(crate) fn absolute(instant: Timestamp, zone: &Zone) -> String {
    match wall(instant, zone) {
        (wall, None) => format!("{wall} UTC"),
        (wall, Some((name, offset))) => format!("{wall} {name} (UTC{offset})"),
    }
}

/// The time on the wall there, and the zone's name with its distance from UTC where it is another.
fn wall(instant: Timestamp, zone: &Zone) -> (String, Option<(String, String)>) {
    let local = instant.to_zoned(zone.time_zone().clone());
    let wall = local.strftime("%a %Y-%m-%d %H:%M:%S").to_string();
    let place = (zone.name() != "UTC").then(|| {
        // A minus sign, because browsers break lines after hyphens.
        (zone.name().to_owned(), local.strftime("%:z").to_string().replace('-', "\u{2212}"))
    });
    (wall, place)
}

fn relative(instant: Timestamp, now: Timestamp) -> String {
    let ahead = instant.duration_since(now);
    if ahead.abs() < SignedDuration::from_secs(1) {
        NOW.to_owned()
    } else {
        say(if ahead.is_positive() { AHEAD } else { AGO }, ahead)
    }
}

/// How late something was: "2 min late".
pub(crate) fn lateness(late: SignedDuration) -> String {
    say(if late.is_negative() { EARLY } else { LATE }, late)
}

fn say(words: &str, length: SignedDuration) -> String {
    words.replace("{}", &span(length))
}

/// A length of time in at most two units, the rest cut off: what is said to be 4 min away is at least that.
pub(crate) fn span(length: SignedDuration) -> String {
    let length = length.unsigned_abs();
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 if length.as_millis() == 0 => format!("under 1 {MILLISECONDS}"),
        0 => format!("{} {MILLISECONDS}", length.as_millis()),
        1..60 => format!("{seconds} {SECONDS}"),
        60..3600 => format!("{minutes} {MINUTES}"),
        3600..36_000 if minutes % 60 > 0 => format!("{hours} {HOURS} {} {MINUTES}", minutes % 60),
        3600..86_400 => format!("{hours} {HOURS}"),
        86_400..864_000 if hours % 24 > 0 => format!("{days} {DAYS} {} {HOURS}", hours % 24),
        _ => format!("{days} {DAYS}"),
    }
}

/// How long an exchange took.
pub(crate) fn took(took_us: i64) -> String {
    match took_us {
        ..1000 => "under 1 ms".to_owned(),
        1000..1_000_000 => format!("{} ms", took_us / 1000),
        _ => format!("{}.{} s", took_us / 1_000_000, took_us % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    #[test]
    fn time_is_told_by_its_distance() {
        let now = at("2026-11-21T10:00:00Z");
        #[rustfmt::skip]
        let rows = [
            ("2026-11-21T10:00:00.4Z", "now"),
            ("2026-11-21T09:59:59.1Z", "now"),
            ("2026-11-21T10:00:07Z", "in 7 s"),
            ("2026-11-21T10:04:59Z", "in 4 min"),
            ("2026-11-21T11:20:00Z", "in 1 h 20 min"),
            ("2026-11-21T12:00:30Z", "in 2 h"),
            ("2026-11-22T00:59:00Z", "in 14 h"),
            ("2026-11-23T12:00:00Z", "in 2 d 2 h"),
            ("2026-12-31T12:00:00Z", "in 40 d"),
            ("2026-11-21T09:58:00Z", "2 min ago"),
            ("2026-11-19T10:00:00Z", "2 d ago"),
        ];
        for (instant, words) in rows {
            assert_eq!(relative(at(instant), now), words, "{instant}");
        }
    }

    #[test]
    fn what_was_due_is_late_and_not_past() {
        let (now, zone) = (at("2026-11-21T10:00:00Z"), Zones::utc());
        assert_eq!(Moment::due(at("2026-11-21T09:58:00Z"), now, &zone).relative, "2 min late");
        assert_eq!(Moment::due(at("2026-11-21T09:59:59.5Z"), now, &zone).relative, "now");
        assert_eq!(Moment::due(at("2026-11-21T10:04:00Z"), now, &zone).relative, "in 4 min");
    }

    #[test]
    fn what_waits_for_an_event_is_not_late_and_not_counted_on() {
        let (now, zone) = (at("2026-11-21T10:00:00Z"), Zones::utc());
        let waits = TriggerHead { is_behind: true, ..crate::ui::condition::tests::head(1, "") };
        let html = |head: &TriggerHead, due| Moment::firing(head, at(due), now, &zone).to_string();
        let told = html(&waits, "2026-11-21T09:58:00Z");
        assert!(told.contains("waits for its event to end") && !told.contains("late"), "{told}");
        assert!(!told.contains("data-due") && !told.contains("\"relative\""), "a script would count on: {told}");
        assert!(html(&waits, "2026-11-21T10:04:00Z").contains("in 4 min"));
        let late = TriggerHead { is_behind: false, ..waits };
        assert!(html(&late, "2026-11-21T09:58:00Z").contains("2 min late"));
    }

    #[test]
    fn lateness_has_a_unit_that_fits() {
        assert_eq!(lateness(SignedDuration::from_micros(300)), "under 1 ms late");
        assert_eq!(lateness(SignedDuration::from_millis(3)), "3 ms late");
        assert_eq!(lateness(SignedDuration::from_secs(125)), "2 min late");
        assert_eq!(lateness(SignedDuration::from_secs(-2)), "2 s early");
    }

    #[test]
    fn an_exchange_is_measured_in_milliseconds_or_seconds() {
        assert_eq!(took(900), "under 1 ms");
        assert_eq!(took(12_400), "12 ms");
        assert_eq!(took(15_040_000), "15.0 s");
    }

    #[test]
    fn an_instant_is_never_shown_without_its_zone() {
        let riga = Zones::bundled().get("Europe/Riga").expect("it exists");
        let (now, instant) = (at("2026-11-21T10:00:00Z"), at("2026-11-23T07:00:00.0025Z"));
        let html = Moment::new(instant, now, &riga).to_string();
        assert_eq!(
            html,
            "<time datetime=\"2026-11-23T07:00:00.002Z\"><span class=\"relative\">in 1 d 21 h</span> \
             <span class=\"absolute\">Mon 2026-11-23 09:00:00 <span class=\"far\">Europe/Riga (UTC</span>+02:00<span class=\"far\">)</span></span></time>"
        );
        assert_eq!(absolute(instant, &Zones::utc()), "Mon 2026-11-23 07:00:00 UTC");
        let new_york = Zones::bundled().get("America/New_York").expect("it exists");
        assert_eq!(absolute(instant, &new_york), "Mon 2026-11-23 02:00:00 America/New_York (UTC\u{2212}05:00)");
    }
}
