//! The labels below a drawing whose width is time: few, round on the viewer's clocks, and where those clocks say they are,
//! also in zones with half hours and on days with a change of clocks.

use jiff::civil::{DateTime, Time};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::schedule::zone::Zone;

use super::draw::{Num, share};
use super::words::local;

/// The distances between labels, in minutes.
const STEPS: [i64; 15] = [
    1,
    5,
    15,
    30,
    60,
    3 * 60,
    6 * 60,
    12 * 60,
    24 * 60,
    2 * 24 * 60,
    7 * 24 * 60,
    14 * 24 * 60,
    28 * 24 * 60,
    56 * 24 * 60,
    168 * 24 * 60,
];
/// More labels than that would run into each other.
const LABELS_MAX: i64 = 8;

/// One label and its tick.
#[derive(Clone, Debug)]
pub(super) struct TimeLabel {
    pub(super) at: Num,
    pub(super) text: String,
    /// Where the text stands towards its tick: at the ends of the axis it must not leave the drawing.
    pub(super) anchor: &'static str,
    /// Left out on small screens.
    pub(super) is_minor: bool,
}

/// The labels of a stretch of time.
pub(super) fn labels(from: Timestamp, until: Timestamp, zone: &Zone) -> Vec<TimeLabel> {
    let minutes = until.duration_since(from).as_mins();
    let step = STEPS.into_iter().find(|step| minutes / step <= LABELS_MAX).unwrap_or(STEPS[STEPS.len() - 1]);
    // From a year on even the widest step yields many; those of a chart end at 400 days.
    let midnight = local(from, zone.time_zone()).date().to_datetime(Time::midnight());
    let mut labels = Vec::new();
    for place in 0.. {
        let Some(wall) =
            SignedDuration::from_mins(step).checked_mul(place).and_then(|by| midnight.checked_add(by).ok())
        else {
            break;
        };
        let Ok(instant) = zone.time_zone().to_timestamp(wall) else { break };
        if instant >= until {
            break;
        }
        // A time that the clocks leave out would stand for another.
        if instant < from || local(instant, zone.time_zone()).datetime() != wall {
            continue;
        }
        let at = share(instant, from, until);
        let anchor = match at {
            ..6.0 => "start",
            94.0.. => "end",
            _ => "middle",
        };
        // At an end the text stands beside its tick, where on a small screen its neighbour is.
        let is_minor = place % 2 == 1 || anchor != "middle";
        labels.push(TimeLabel { at: Num(at), text: text(wall, step), anchor, is_minor });
    }
    labels
}

fn text(wall: DateTime, step: i64) -> String {
    let format = match step {
        ..1440 if wall.time() != Time::midnight() => "%H:%M",
        ..=2880 => "%a %-d",
        _ => "%-d %b",
    };
    wall.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn shown(from: &str, until: &str, zone: &str) -> Vec<(String, String)> {
        let zone = Zones::bundled().get(zone).expect("it exists");
        let labels = labels(at(from), at(until), &zone);
        labels.into_iter().map(|label| (label.text, label.at.to_string())).collect()
    }

    #[test]
    fn labels_are_round_on_the_clocks_of_the_zone() {
        let pairs = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
            rows.iter().map(|(text, at)| ((*text).to_owned(), (*at).to_owned())).collect()
        };
        // In Kolkata 06:00 is half past midnight in UTC, so the label stands in the middle of a column.
        assert_eq!(
            shown("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", "Asia/Kolkata"),
            pairs(&[
                ("06:00", "2.08"),
                ("09:00", "14.58"),
                ("12:00", "27.08"),
                ("15:00", "39.58"),
                ("18:00", "52.08"),
                ("21:00", "64.58"),
                ("Tue 24", "77.08"),
                ("03:00", "89.58")
            ])
        );
        // Six hours after midnight are five on the day that loses one.
        assert_eq!(
            shown("2026-03-28T22:00:00Z", "2026-03-30T22:00:00Z", "Europe/Riga")[..2],
            pairs(&[("Sun 29", "0"), ("06:00", "10.42")])
        );
    }

    #[test]
    fn a_time_that_the_clocks_leave_out_has_no_label() {
        // 03:00 in Riga does not exist on this day.
        let shown = shown("2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z", "Europe/Riga");
        assert!(!shown.iter().any(|(text, _)| text == "03:00"), "{shown:?}");
        assert!(shown.iter().any(|(text, _)| text == "06:00"), "{shown:?}");
    }

    proptest! {
        #[test]
        fn labels_are_few_and_inside(
            start in 1_700_000_000_i64..2_000_000_000,
            length in 60_i64..400 * 86_400,
            zone in prop::sample::select(&["UTC", "Europe/Riga", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"][..]),
        ) {
            let zone = Zones::bundled().get(zone).expect("it exists");
            let from = Timestamp::from_second(start).expect("in range");
            let until = Timestamp::from_second(start + length).expect("in range");
            let labels = labels(from, until, &zone);
            prop_assert!(labels.len() <= 10);
            prop_assert!(labels.iter().all(|label| (0.0..100.0).contains(&label.at.0)));
            prop_assert!(labels.windows(2).all(|pair| pair[0].at < pair[1].at));
        }
    }
}
