//! All charts on one page, written beside the build for people to look at, and held against what holds for every chart.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::EventId;
use oncue_domain::schedule::zone::{Zone, Zones};

use super::*;

fn now() -> Timestamp {
    "2026-11-23T10:20:00Z".parse().expect("an instant")
}

/// The same numbers every time, without a pattern that an eye would see.
fn noise(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33
}

fn some_firings(count: i64) -> Vec<Firing> {
    let firing = |place: i64| {
        let random = noise(place.unsigned_abs());
        let outcome = match random % 23 {
            0 | 1 => Outcome::Failed,
            2 => Outcome::Logged,
            _ if place + 1 == count => Outcome::Pending,
            _ => Outcome::Delivered,
        };
        let fired_at = now() - SignedDuration::from_mins((count - place) * 5);
        let late = SignedDuration::from_micros(900 + (1_i64 << (random % 27)) * 20);
        let late = if random.is_multiple_of(41) { SignedDuration::from_hours(3) } else { late };
        Firing {
            event: EventId(1000 + place),
            origin: Origin::Schedule,
            scheduled_at: Some(fired_at - late),
            due_at: None,
            fired_at,
            outcome,
            attempts: if outcome == Outcome::Failed { 6 } else { 1 },
            took: matches!(outcome, Outcome::Delivered | Outcome::Failed)
                .then(|| SignedDuration::from_millis(1 << (random % 21))),
            is_kept: count - place < 30,
        }
    };
    (0..count).map(firing).collect()
}

fn some_hours(count: i64) -> Vec<HourCount> {
    let hour = |age: i64| {
        let start = "2026-11-23T10:00:00Z".parse::<Timestamp>().expect("an instant") - SignedDuration::from_hours(age);
        let random = noise(age.unsigned_abs());
        let clock = start.as_second() / 3600 % 24;
        let fired = if (6..18).contains(&clock) { 40 + random % 90 } else { random % 9 };
        let failed = if random.is_multiple_of(131) || age == 21 { random % 9 + 1 } else { 0 }.min(fired);
        let skipped = if random.is_multiple_of(29) { 12 } else { 0 };
        let open = (fired - failed).min(random % 6);
        HourCount { hour: start, fired, delivered: fired - failed - open, failed, skipped, late: [0; 5] }
    };
    (0..count).map(hour).filter(|hour| hour.fired + hour.skipped > 0).collect()
}

fn charts(zone: &Zone) -> Vec<(&'static str, String)> {
    let (now, firings) = (now(), some_firings(60));
    let hours = some_hours(300 * 24);
    let recent = &hours[..40];
    let retention = Retention::STANDARD;
    let ahead = |days: i64| -> Vec<(Timestamp, u64)> {
        (0..days * 96)
            .map(|place| (now + SignedDuration::from_mins(15 * place), noise(place.unsigned_abs()) % 14))
            .map(|(at, count)| (at, if count == 13 { 60 } else { count.saturating_sub(7) }))
            .collect()
    };
    let week = Span { from: now, until: now + SignedDuration::from_hours(7 * 24) };
    let range = (now - SignedDuration::from_hours(48), now);
    let counts = || hours.iter().map(|hour| (hour.hour, Counts::from(hour)));
    let selected = Some((now - SignedDuration::from_hours(20), now - SignedDuration::from_hours(14)));
    let href = |from: Timestamp, until: Timestamp| format!("/events?from={from}&until={until}");
    let hour = SignedDuration::from_hours(1);
    let daily: Vec<Timestamp> = (1..30).map(|day| now + SignedDuration::from_hours(8 * day)).collect();
    let made = |minutes: i64, is_success, outcome: &str| Rung::Made {
        at: now - SignedDuration::from_mins(minutes),
        is_success,
        outcome: outcome.to_owned(),
    };
    let coming = |minutes| Rung::Coming { at: now + SignedDuration::from_mins(minutes) };
    let rungs = [made(9, false, "500 Internal Server Error"), made(4, false, "timed out"), coming(6), coming(60)];
    let done = [made(9, false, "503 Service Unavailable"), made(8, true, "204 No Content")];
    vec![
        ("Firing strip", FiringStrip::new(&firings, now).to_string()),
        ("Firing strip, new trigger", FiringStrip::new(&firings[52..], now).to_string()),
        ("Firing bar", FiringBar::new(&firings, now, zone).to_string()),
        ("Firing bar, new trigger", FiringBar::new(&firings[54..], now, zone).to_string()),
        ("Firing bar, nothing", FiringBar::new(&[], now, zone).to_string()),
        ("History", History::new(&hours, None, retention, now, zone).to_string()),
        ("History, new server", History::new(&recent[..20], None, retention, now, zone).to_string()),
        ("History, nothing", History::new(&[], None, retention, now, zone).to_string()),
        ("Week", WeekGrid::new(&hours, zone).to_string()),
        ("Year", YearGrid::new(&hours, None, now, zone).to_string()),
        ("Lateness", Lateness::new(&firings, zone).to_string()),
        ("Histogram", Histogram::new(range, counts(), hour, selected, href, zone).to_string()),
        (
            "Density, a day",
            Density::day("in the next 24 h", ahead(2), 50, (now, now + SignedDuration::from_hours(24)), zone)
                .to_string(),
        ),
        ("Density, days", Density::days("in the next 7 days", ahead(8), 50, week, zone).to_string()),
        ("Ticks", Ticks::new(&daily, false, now, zone).to_string()),
        ("Ticks, cut off", Ticks::new(&daily[..9], true, now, zone).to_string()),
        ("Life", Life::new(now - SignedDuration::from_mins(50), retention, now, zone).to_string()),
        ("Life, archived", Life::new(now - SignedDuration::from_hours(30), retention, now, zone).to_string()),
        ("Ladder", Ladder::new(&rungs, now, zone).to_string()),
        ("Ladder, arrived", Ladder::new(&done, now, zone).to_string()),
    ]
}

#[test]
fn no_chart_has_a_style_or_a_script_of_its_own_or_a_number_that_is_none() {
    let zone = Zones::bundled().get("Asia/Kolkata").expect("it exists");
    for (name, html) in charts(&zone) {
        // An id would come twice where two charts of a kind stand on one page.
        for foreign in [" style=", "<style", "<script", " onclick", "javascript:", " id=", "NaN", "inf%", "http:"] {
            assert!(!html.contains(foreign), "{name} has {foreign}: {html}");
        }
    }
}

#[test]
fn every_drawing_that_is_not_hidden_has_a_name() {
    for (name, html) in charts(&Zones::utc()) {
        for drawing in html.split("<svg").skip(1) {
            let (tag, inside) = drawing.split_once('>').expect("tags end");
            let is_named = tag.contains("aria-label=") || inside.trim_start().starts_with("<title>");
            assert!(!tag.contains("role=") || is_named, "{name}: {drawing}");
        }
    }
}

#[test]
fn every_element_of_a_chart_is_closed() {
    for (name, html) in charts(&Zones::utc()) {
        let mut open: Vec<&str> = Vec::new();
        for tag in html.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("tags end");
            let word = tag.split([' ', '/']).next().unwrap_or_default();
            if let Some(closed) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "{name}");
            } else if !tag.ends_with('/') {
                open.push(word);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[test]
fn the_gallery_shows_every_chart_with_the_stylesheets_of_the_pages() {
    let zone = Zones::bundled().get("Europe/Riga").expect("it exists");
    let cards: String = charts(&zone)
        .into_iter()
        .map(|(name, html)| format!("<section class=\"card\"><h2>{name}</h2>{html}</section>\n"))
        .collect();
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Charts</title><style>{}</style></head><body>\
         <main>{cards}</main><script type=\"module\">{}</script></body></html>",
        crate::ui::asset::stylesheet_text(),
        include_str!("../../../static/chart.js")
    );
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/gallery");
    std::fs::create_dir_all(&folder).expect("the target folder can be written to");
    std::fs::write(folder.join("charts.html"), &page).expect("the target folder can be written to");
    // What a card of a dashboard may weigh: the whole page stays below 300 KB with several of them.
    for (name, html) in charts(&zone) {
        assert!(html.len() < 80_000, "{name} has {} bytes", html.len());
    }
}
