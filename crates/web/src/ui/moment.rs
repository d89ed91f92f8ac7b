//! Time on a page: how far away first, and the instant itself, always with its zone. No clock is read here; now is an
//! argument.

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::schedule::zone::Zone;

/// An instant as pages show it.
#[derive(Clone, Debug, Template)]
#[template(
    source = r#"<time datetime="{{ machine }}"><span class="relative">{{ relative }}</span> <span class="absolute">{{ absolute }}</span></time>"#,
    ext = "html"
)]
pub(crate) struct Moment {
    pub(crate) machine: String,
    pub(crate) relative: String,
    pub(crate) absolute: String,
}

impl askama::filters::HtmlSafe for Moment {}

impl Moment {
    /// An instant seen from `now`: "in 4 min", "3 h ago".
    pub(crate) fn new(instant: Timestamp, now: Timestamp, zone: &Zone) -> Moment {
        Moment { machine: machine(instant), relative: relative(instant, now), absolute: absolute(instant, zone) }
    }

    /// An instant at which something is due: what lies behind is not past but late.
    pub(crate) fn due(instant: Timestamp, now: Timestamp, zone: &Zone) -> Moment {
        let late = now.duration_since(instant);
        let relative = if late >= SignedDuration::from_secs(1) { lateness(late) } else { relative(instant, now) };
        Moment { machine: machine(instant), relative, absolute: absolute(instant, zone) }
    }
}

/// For `datetime`, which takes at most three digits of a fraction.
fn machine(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// "Mon 2026-11-23 09:00:00 Europe/Riga (UTC+02:00)".
pub(crate) fn absolute(instant: Timestamp, zone: &Zone) -> String {
    let local = instant.to_zoned(zone.time_zone().clone());
    let wall = local.strftime("%a %Y-%m-%d %H:%M:%S");
    match zone.name() {
        "UTC" => format!("{wall} UTC"),
        // A minus sign, because browsers break lines after hyphens.
        name => format!("{wall} {name} (UTC{})", local.strftime("%:z").to_string().replace('-', "\u{2212}")),
    }
}

fn relative(instant: Timestamp, now: Timestamp) -> String {
    let ahead = instant.duration_since(now);
    if ahead.abs() < SignedDuration::from_secs(1) {
        "now".to_owned()
    } else if ahead.is_positive() {
        format!("in {}", span(ahead))
    } else {
        format!("{} ago", span(ahead))
    }
}

/// How late something was: "2 min late".
pub(crate) fn lateness(late: SignedDuration) -> String {
    let word = if late.is_negative() { "early" } else { "late" };
    format!("{} {word}", span(late))
}

/// A length of time in at most two units, the rest cut off: what is said to be 4 min away is at least that.
pub(crate) fn span(length: SignedDuration) -> String {
    let length = length.unsigned_abs();
    let seconds = length.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 if length.as_millis() == 0 => "under 1 ms".to_owned(),
        0 => format!("{} ms", length.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..36_000 if minutes % 60 > 0 => format!("{hours} h {} min", minutes % 60),
        3600..86_400 => format!("{hours} h"),
        86_400..864_000 if hours % 24 > 0 => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
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
             <span class=\"absolute\">Mon 2026-11-23 09:00:00 Europe/Riga (UTC+02:00)</span></time>"
        );
        assert_eq!(absolute(instant, &Zones::utc()), "Mon 2026-11-23 07:00:00 UTC");
        let new_york = Zones::bundled().get("America/New_York").expect("it exists");
        assert_eq!(absolute(instant, &new_york), "Mon 2026-11-23 02:00:00 America/New_York (UTC\u{2212}05:00)");
    }
}
