//! Who plays in the demonstration, as data: triggers of every kind, and what somebody did to them in the course of the day.
//! Times are minutes before the present. How the day is played stands in `past`.

use oncue_domain::destination::Format;
use oncue_domain::payload::Payload;

/// The trigger that other systems call, and go on calling.
pub(super) const CALLED: &str = "Order placed";

/// The number of the first order that comes while the demonstration runs.
pub(super) const LIVE_ORDERS: u32 = 48_200;

/// How many calls the day saw.
const PAST_ORDERS: u32 = 64;

/// As long as the day is.
const DAY_MIN: f64 = 25.0 * 60.0;

/// When nobody ran: for three quarters of an hour, some hours ago.
pub(super) const ABSENT_MIN: std::ops::Range<i64> = 500..545;

/// When a part is due.
#[derive(Clone, Copy)]
pub(super) enum When {
    /// A cron line, in a zone.
    Cron(&'static str, &'static str),
    /// A period.
    Every(&'static str),
    /// Once, so many minutes before the present; negative for the future.
    Once(i64),
    /// When somebody calls it.
    Called,
}

/// A trigger of the demonstration.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) when: When,
    pub(super) payload: &'static str,
    /// A path of the receiver, and the format it understands; none for events that are only logged.
    pub(super) receiver: Option<(&'static str, Format)>,
    /// How many minutes ago it was made; unevenly, so that the grids do not meet.
    pub(super) made_min: f64,
    /// How many minutes ago it expired.
    pub(super) expired_min: Option<i64>,
    /// The pauses between attempts, where its events go through a destination of its own and not to a plain address.
    pub(super) retries: Option<&'static [&'static str]>,
}

const fn part(name: &'static str, when: When, path: &'static str, payload: &'static str) -> Part {
    let receiver = Some((path, Format::Json));
    Part { name, when, payload, receiver, made_min: DAY_MIN, expired_min: None, retries: None }
}

/// All of them, in the order in which they are made.
pub(super) const PARTS: [Part; 16] = [
    Part {
        receiver: Some(("/good", Format::Slack)),
        ..part("Stand-up reminder", When::Cron("0 9 * * 1-5", "Europe/Riga"), "", r#"{"room": "blue", "minutes": 15}"#)
    },
    part("Nightly backup", When::Cron("30 2 * * *", "America/New_York"), "/slow", r#"{"volume": "main", "keep": 14}"#),
    Part {
        made_min: 1498.0,
        ..part("Website check", When::Every("5m"), "/good", r#"{"url": "https://example.com/", "expect": 200}"#)
    },
    part(
        "Currency rates",
        When::Cron("*/15 * * * *", "Asia/Kolkata"),
        "/flaky",
        r#"{"base": "INR", "to": ["EUR", "USD"]}"#,
    ),
    Part {
        made_min: 1487.4,
        retries: Some(&["5s", "1m", "10m"]),
        ..part("Stock sync", When::Every("1h"), "/broken", r#"{"warehouse": 3}"#)
    },
    part(
        "Invoice export",
        When::Cron("10 */2 * * *", "Europe/London"),
        "/slow",
        r#"{"format": "pdf", "since": "last run"}"#,
    ),
    part("Search index", When::Cron("*/30 * * * *", "Australia/Sydney"), "/silent", r#"{"index": "products"}"#),
    Part {
        made_min: 1494.5,
        ..part("Greenhouse reading", When::Every("10m"), "/good", r#"{"sensor": "north", "unit": "°C"}"#)
    },
    part(CALLED, When::Called, "/good", r#"{"order": 0}"#),
    Part { receiver: None, ..part("Deployed", When::Called, "", r#"{"service": "shop"}"#) },
    Part {
        receiver: Some(("/good", Format::Discord)),
        ..part("Launch announcement", When::Once(310), "", r#"{"version": "2.0", "notes": "It is out!"}"#)
    },
    part("Quarterly report", When::Once(-3 * 24 * 60), "/good", r#"{"quarter": 4}"#),
    part("Newsletter", When::Cron("0 18 * * 5", "America/Sao_Paulo"), "/good", r#"{"list": "customers"}"#),
    Part {
        made_min: 1491.0,
        expired_min: Some(150),
        ..part("Flash sale banner", When::Every("45m"), "/good", r#"{"banner": "now or never"}"#)
    },
    Part { made_min: 1489.3, ..part("Old importer", When::Every("20m"), "/flaky", r#"{"source": "ftp"}"#) },
    Part { made_min: 60.2, ..part("Queue depth", When::Every("30s"), "/good", r#"{"queue": "mail"}"#) },
];

/// What happens to a part.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Make,
    Call(Payload),
    Test,
    Pause,
    Resume,
    /// Another period, at this very moment.
    Slow(&'static str),
    /// Another payload.
    Rewrite(&'static str),
    Delete,
}

/// One thing that somebody did.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// How many minutes ago.
    pub(super) ago_min: f64,
    /// To which part.
    pub(super) name: &'static str,
    pub(super) deed: Deed,
}

/// All that was done in the day, in order.
pub(super) fn scenes() -> Vec<Scene> {
    let scene = |ago_min: f64, name, deed| Scene { ago_min, name, deed };
    let mut scenes: Vec<Scene> = PARTS.iter().map(|part| scene(part.made_min, part.name, Deed::Make)).collect();
    scenes.extend([
        scene(1460.0, "Stand-up reminder", Deed::Test),
        scene(1455.0, "Nightly backup", Deed::Test),
        scene(900.0, "Currency rates", Deed::Rewrite(r#"{"base": "INR", "to": ["EUR", "USD", "JPY"]}"#)),
        scene(360.0, "Newsletter", Deed::Pause),
        scene(300.0, "Greenhouse reading", Deed::Pause),
        scene(238.0, "Greenhouse reading", Deed::Resume),
        scene(180.0, "Old importer", Deed::Delete),
        // Exactly when an occurrence is due, and a moment before it would have fired.
        scene(133.0, "Website check", Deed::Slow("5m 30s")),
        scene(95.0, "Quarterly report", Deed::Test),
        scene(12.0, "Newsletter", Deed::Test),
    ]);
    scenes.extend((0..PAST_ORDERS).map(|number| {
        // Unevenly, as orders come.
        let ago_min = f64::from(PAST_ORDERS - number) * 23.1 - f64::from(number * 37 % 17);
        scene(ago_min.max(0.4), CALLED, Deed::Call(order(LIVE_ORDERS - PAST_ORDERS + number)))
    }));
    scenes.extend([1301.0, 1175.0, 840.0, 402.0, 81.0, 26.0].into_iter().zip(0..).map(|(ago_min, number)| {
        let payload = format!(r#"{{"service": "shop", "version": "2.0.{number}", "by": "ci"}}"#);
        scene(ago_min, "Deployed", Deed::Call(Payload::from_stored(&payload)))
    }));
    // Who called while nobody ran got no answer.
    scenes.retain(|scene| !matches!(scene.deed, Deed::Call(_)) || !is_absent(scene.ago_min));
    scenes.sort_by(|one, other| other.ago_min.total_cmp(&one.ago_min));
    scenes
}

fn is_absent(ago_min: f64) -> bool {
    ago_min > ABSENT_MIN.start as f64 && ago_min < ABSENT_MIN.end as f64
}

/// What the shop sends along with an order.
pub(super) fn order(number: u32) -> Payload {
    let (euros, cents) = (9 + number * 31 % 190, number * 7 % 100);
    Payload::from_stored(&format!(
        r#"{{"order": {number}, "total": {{"amount": "{euros}.{cents:02}", "currency": "EUR"}}, "items": {}}}"#,
        1 + number % 4
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scene_is_about_a_part_that_was_made_before_it_and_every_payload_is_json() {
        for scene in scenes() {
            let part = PARTS.iter().find(|part| part.name == scene.name).expect("a part of that name");
            assert!(scene.ago_min <= part.made_min && scene.ago_min > 0.0, "{scene:?}");
            if let Deed::Call(payload) = &scene.deed {
                Payload::parse(payload.as_str()).expect("JSON");
            }
            if let Deed::Rewrite(payload) = scene.deed {
                Payload::parse(payload).expect("JSON");
            }
        }
        assert!(PARTS.iter().all(|part| Payload::parse(part.payload).is_ok()));
    }
}
