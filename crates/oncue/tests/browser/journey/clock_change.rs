//! The clocks change in the night, and what fires then fires as the form said it would. Which night that is, is asked of the
//! zone, so that these journeys are right in any year.

use jiff::civil::time;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::{begin, open_event};
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::time::instant;
use crate::support::wait::until;

/// The next change of a zone's clocks forward or back: when, and the offset from then on.
fn next_change(zone: &TimeZone, after: Timestamp, is_forward: bool) -> (Timestamp, Offset) {
    let mut changes = zone.following(after);
    let change = changes.find(|change| {
        let before = zone.to_offset(change.timestamp() - SignedDuration::from_secs(1));
        (change.offset() > before) == is_forward
    });
    change.map(|change| (change.timestamp(), change.offset())).expect("its clocks change every year")
}

struct Night {
    zone: &'static str,
    cron: &'static str,
    is_forward: bool,
    /// What the form says of it.
    notes: [&'static str; 2],
    /// The wall time of the firing on that day, and its offset.
    fires_at: (&'static str, &'static str),
    picture: &'static str,
}

impl Night {
    fn pass(&self) {
        let mut stage = Stage::open();
        let zone = TimeZone::get(self.zone).expect("a zone");
        let now = stage.now();
        let (change, after) = next_change(&zone, now, self.is_forward);
        // In the evening before, from where the changed night is the next one.
        stage.advance((change - SignedDuration::from_hours(10)).duration_since(now));
        let (minute, hour) = self.cron.split_once(' ').map(|(minute, rest)| (minute, &rest[..1])).expect("a cron line");
        let wall = time(hour.parse().expect("an hour"), minute.parse().expect("a minute"), 0, 0);
        let day = after.to_datetime(change).date();
        let meant = zone.to_ambiguous_timestamp(day.to_datetime(wall));
        assert!(meant.is_ambiguous(), "{} is skipped or comes twice on that day", self.cron);
        let due = if self.is_forward { change } else { meant.earlier().expect("an instant") };

        let browser = stage.visit(Visitor::PLAIN);
        begin(&browser, "at night", "cron", &[("cron", self.cron), ("timezone", self.zone)]);
        browser.until("the night is previewed", |browser| {
            self.notes.iter().all(|note| browser.text("#preview").contains(note))
        });
        let first = browser.text("#preview tbody tr:first-child");
        assert!(first.contains(self.fires_at.0) && first.contains(self.fires_at.1), "{first}");
        inspect(&browser, self.picture);
        browser.tab_to("#save");
        browser.press_and_go(ENTER);

        stage.advance_gently(due);
        open_event(&browser, &stage, &["at night"]);
        let page = browser.text("main");
        let (wall_time, offset) = self.fires_at;
        assert!(page.contains(&format!("{wall_time} {} (UTC{offset})", self.zone)), "{page}");
        let event = stage.nobody().get("/api/v1/event_logs/1").is(200).json();
        assert_eq!(instant(&event["scheduled_at"]), due);

        // Past the second of two, or past where the skipped one would have been: nothing more fires before the next night.
        let tomorrow = zone.to_ambiguous_timestamp(day.tomorrow().expect("a day").to_datetime(wall));
        let tomorrow = tomorrow.unambiguous().expect("the clocks change once");
        stage.advance_gently(due + SignedDuration::from_hours(1));
        stage.advance_gently(tomorrow);
        let client = stage.nobody();
        let fired: Vec<Timestamp> = until("the next night is fired", || {
            let events = client.get("/api/v1/event_logs?status=all").is(200).json();
            let fired: Vec<Timestamp> =
                events.as_array()?.iter().map(|event| instant(&event["scheduled_at"])).collect();
            Some(fired).filter(|fired| fired.contains(&tomorrow))
        });
        assert_eq!(fired, [tomorrow, due], "one firing for each night");
    }
}

#[test]
fn a_wall_time_that_the_clocks_skip_in_berlin_fires_right_after_the_gap() {
    Night {
        zone: "Europe/Berlin",
        cron: "30 2 * * *",
        is_forward: true,
        notes: ["clocks go forward from 02:00 to 03:00", "the firing of 02:30 comes at 03:00"],
        fires_at: ("03:00:00", "+02:00"),
        picture: "trigger-new-clocks-forward",
    }
    .pass();
}

#[test]
fn a_wall_time_that_comes_twice_in_berlin_fires_the_first_time() {
    Night {
        zone: "Europe/Berlin",
        cron: "30 2 * * *",
        is_forward: false,
        notes: ["clocks go back from 03:00 to 02:00", "02:30"],
        fires_at: ("02:30:00", "+02:00"),
        picture: "trigger-new-clocks-back",
    }
    .pass();
}

#[test]
fn a_wall_time_that_comes_twice_in_new_york_fires_the_first_time() {
    Night {
        zone: "America/New_York",
        cron: "30 1 * * *",
        is_forward: false,
        notes: ["clocks go back from 02:00 to 01:00", "01:30"],
        fires_at: ("01:30:00", "\u{2212}04:00"),
        picture: "trigger-new-clocks-back-new-york",
    }
    .pass();
}
