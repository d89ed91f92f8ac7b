//! The words of charts: counts with their nouns, and stretches of time as the viewer's clocks show them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::record::Counts;
use crate::ui::number::number;

/// "1 firing", "30 firings".
pub(super) fn firings(count: u64) -> String {
    if count == 1 { "1 firing".to_owned() } else { format!("{} firings", number(count)) }
}

/// "3 firings in the last hour: 2 delivered, 1 failed", or that there was nothing.
pub(super) fn sentence(counts: &Counts, range: &str) -> String {
    match counts.total() {
        0 => format!("Nothing fired {range}."),
        _ => format!("{} {range}: {}.", firings(counts.fired()), outcomes(counts)),
    }
}

/// "28 delivered, 2 failed"; what there is none of is not said, and nothing at all is "none".
pub(super) fn outcomes(counts: &Counts) -> String {
    let parts = [
        (counts.delivered, "delivered"),
        (counts.failed, "failed"),
        (counts.open, "only logged or pending"),
        (counts.skipped, "skipped"),
    ];
    listed(&parts).unwrap_or_else(|| "none".to_owned())
}

/// Counts and their words in a row, without the zeros.
pub(super) fn listed(parts: &[(u64, &str)]) -> Option<String> {
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", number(*count)))
        .collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// An instant on the clocks of a zone.
pub(super) fn local(instant: Timestamp, zone: &TimeZone) -> Zoned {
    instant.to_zoned(zone.clone())
}

/// "Mon 23 Nov 09:00:05".
pub(super) fn instant(instant: Timestamp, zone: &TimeZone) -> String {
    local(instant, zone).strftime("%a %-d %b %H:%M:%S").to_string()
}

/// A stretch of time: "Mon 23 Nov 09:00–10:00". Seconds are said where it is that short, and days alone where it is days.
pub(super) fn stretch(from: Timestamp, until: Timestamp, zone: &TimeZone) -> String {
    let (start, end) = (local(from, zone), local(until, zone));
    let length = until.duration_since(from);
    let midnights = start.time() == jiff::civil::Time::midnight() && end.time() == jiff::civil::Time::midnight();
    if midnights && length > SignedDuration::from_hours(20) {
        let last = end.date().yesterday().unwrap_or(end.date());
        return match start.date() == last {
            true => start.strftime("%a %-d %b").to_string(),
            false => format!("{}\u{2013}{}", start.strftime("%a %-d %b"), last.strftime("%a %-d %b")),
        };
    }
    let clock = if length < SignedDuration::from_mins(1) { "%H:%M:%S" } else { "%H:%M" };
    // The night the clocks go back says 02:00 twice, so the offset is said where the two ends differ in it.
    let shift = |moment: &Zoned| match start.offset() == end.offset() {
        true => String::new(),
        false => format!(" (UTC{})", moment.strftime("%:z").to_string().replace('-', "\u{2212}")),
    };
    let day = if start.date() == end.date() { String::new() } else { end.strftime("%a %-d %b ").to_string() };
    format!(
        "{} {}{}\u{2013}{day}{}{}",
        start.strftime("%a %-d %b"),
        start.strftime(clock),
        shift(&start),
        end.strftime(clock),
        shift(&end)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    #[test]
    fn what_there_is_none_of_is_not_said() {
        let counts = Counts { delivered: 28, failed: 2, ..Counts::default() };
        assert_eq!(outcomes(&counts), "28 delivered, 2 failed");
        assert_eq!(outcomes(&Counts::default()), "none");
    }

    #[test]
    fn a_stretch_of_time_is_told_by_the_clocks_of_the_zone() {
        let zone = |name| Zones::bundled().get(name).expect("it exists").time_zone().clone();
        let (riga, kolkata) = (zone("Europe/Riga"), zone("Asia/Kolkata"));
        let told = |from, until, zone| stretch(at(from), at(until), zone);
        assert_eq!(told("2026-11-23T07:00:00Z", "2026-11-23T08:00:00Z", &riga), "Mon 23 Nov 09:00–10:00");
        assert_eq!(told("2026-11-23T07:00:00Z", "2026-11-23T08:00:00Z", &kolkata), "Mon 23 Nov 12:30–13:30");
        assert_eq!(told("2026-11-23T21:00:00Z", "2026-11-23T22:00:00Z", &riga), "Mon 23 Nov 23:00–Tue 24 Nov 00:00");
        assert_eq!(told("2026-11-22T22:00:00Z", "2026-11-23T22:00:00Z", &riga), "Mon 23 Nov");
        assert_eq!(told("2026-11-22T22:00:00Z", "2026-11-29T22:00:00Z", &riga), "Mon 23 Nov–Sun 29 Nov");
        assert_eq!(told("2026-11-23T07:00:05Z", "2026-11-23T07:00:10Z", &riga), "Mon 23 Nov 09:00:05–09:00:10");
        // The clocks go back at 01:00 UTC: 04:00 becomes 03:00 once more.
        assert_eq!(
            told("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", &riga),
            "Sun 25 Oct 03:00 (UTC+03:00)–03:00 (UTC+02:00)"
        );
    }
}
