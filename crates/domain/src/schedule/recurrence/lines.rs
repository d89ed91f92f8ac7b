//! A rule as somebody wrote it or pasted it from a calendar: the value of an `RRULE` alone, or the lines `DTSTART`, `RRULE` and `EXDATE` of
//! RFC 5545. Lines that would change when it occurs and are not carried out are refused by their name, as are those of an event.

use crate::schedule::Invalid;
use crate::schedule::recurrence::moment::{self, Moment};
use crate::schedule::recurrence::parts::{End, Parts, shown};
use crate::schedule::zone::{Zone, Zones};
use jiff::civil::DateTime;

/// The longest text, in bytes.
const TEXT_MAX: usize = 16_384;
/// How many times and days may be excepted.
const EXCEPTIONS_MAX: usize = 1_000;

/// A recurrence as it was written, read but not yet placed in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecurrenceText {
    text: String,
    pub(super) parts: Parts,
    start: Option<(Moment, Option<Zone>)>,
    pub(super) exceptions: Vec<(Moment, Option<Zone>)>,
}

impl RecurrenceText {
    /// Reads a rule, or the lines around one; the zones are for `TZID`.
    ///
    /// # Errors
    ///
    /// What is no rule of RFC 5545, what is not carried out, and lines that do not belong to a rule, each by its name.
    pub fn read(text: &str, zones: &Zones) -> Result<RecurrenceText, Invalid> {
        let text = text.trim();
        if text.len() > TEXT_MAX {
            return Err(Invalid(format!("a rule has at most {TEXT_MAX} bytes")));
        }
        let (mut parts, mut start, mut exceptions) = (None, None, Vec::new());
        let lines = unfolded(text);
        for line in &lines {
            let line = Line::read(line)?;
            match line.name.as_str() {
                "RRULE" if parts.is_some() => {
                    return Err(Invalid("there are several RRULE lines; a rule is one of them".to_owned()));
                }
                "RRULE" => {
                    if let Some((parameter, _)) = line.parameters.first() {
                        return Err(Invalid(format!(
                            "RRULE has {parameter}, which does not belong there; a DTSTART line takes it"
                        )));
                    }
                    parts = Some(Parts::read(&line.value)?);
                }
                "DTSTART" if start.is_some() => {
                    return Err(Invalid("DTSTART stands twice".to_owned()));
                }
                "DTSTART" => start = Some((line.moment(&line.value)?, line.zone(zones)?)),
                "EXDATE" => {
                    let zone = line.zone(zones)?;
                    for value in line.value.split(',') {
                        exceptions.push((line.moment(value)?, zone.clone()));
                    }
                    if exceptions.len() > EXCEPTIONS_MAX {
                        return Err(Invalid(format!("more than {EXCEPTIONS_MAX} times are excepted")));
                    }
                }
                "RDATE" | "EXRULE" => {
                    let name = &line.name;
                    return Err(Invalid(format!("{name} is not carried out; leave the line out")));
                }
                name => {
                    let understood = "DTSTART, RRULE and EXDATE are understood";
                    return Err(Invalid(format!("the line {} does not belong to a rule; {understood}", shown(name))));
                }
            }
        }
        let parts = parts.ok_or_else(|| Invalid("there is no RRULE among the lines".to_owned()))?;
        if matches!(start, Some((Moment::Date(_), _))) {
            let named = [("BYHOUR", &parts.hours), ("BYMINUTE", &parts.minutes), ("BYSECOND", &parts.seconds)];
            if let Some((name, _)) = named.iter().find(|(_, list)| !list.is_empty()) {
                return Err(Invalid(format!("{name} does not go with a DTSTART that is a whole day; give it a time")));
            }
        }
        Ok(RecurrenceText { text: lines.join("\n"), parts, start, exceptions })
    }

    /// As it was given, each line in one piece and ending in a line feed: where lines end and are folded says nothing, and every editor on the
    /// way of a text does it its own way, so the same rule is the same text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it says itself where it starts.
    pub fn has_start(&self) -> bool {
        self.start.is_some()
    }

    /// Where it says that it starts, on the clock of its zone.
    pub(super) fn start(&self) -> Option<DateTime> {
        let (moment, _) = self.start.as_ref()?;
        Some(match moment {
            Moment::Date(date) => date.at(0, 0, 0, 0),
            Moment::Wall(wall) => *wall,
            Moment::Instant(instant) => jiff::tz::Offset::UTC.to_datetime(*instant),
        })
    }

    /// The zone that it says itself.
    pub fn zone(&self) -> Option<Zone> {
        match self.start.as_ref()? {
            (Moment::Instant(_), _) => Some(Zones::utc()),
            (_, zone) => zone.clone(),
        }
    }

    /// Whether it ends after a number of occurrences.
    pub fn counts(&self) -> bool {
        matches!(self.parts.end, End::Count(_))
    }
}

/// The lines, each in one piece: one that begins with a space goes on with the line before it.
fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(|line| line.trim_end_matches('\r')) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => lines.push(line.trim_end().to_owned()),
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// `NAME;PARAMETER=VALUE:VALUE`
struct Line {
    name: String,
    parameters: Vec<(String, String)>,
    value: String,
}

impl Line {
    fn read(line: &str) -> Result<Line, Invalid> {
        // A rule by itself has no name before it, and no colon in it.
        let Some((head, value)) = split_outside_quotes(line, ':') else {
            return Ok(Line { name: "RRULE".to_owned(), parameters: Vec::new(), value: line.to_owned() });
        };
        let mut pieces = std::iter::successors(Some((String::new(), Some(head))), |(_, rest)| {
            let rest = rest.as_ref()?;
            Some(match split_outside_quotes(rest, ';') {
                Some((piece, rest)) => (piece, Some(rest)),
                None => (rest.clone(), None),
            })
        })
        .skip(1)
        .map(|(piece, _)| piece);
        let name = pieces.next().unwrap_or_default().trim().to_ascii_uppercase();
        let parameters = pieces.map(|piece| match piece.split_once('=') {
            Some((name, value)) => (name.trim().to_ascii_uppercase(), value.trim().trim_matches('"').to_owned()),
            None => (piece.clone(), String::new()),
        });
        let parameters: Vec<(String, String)> = parameters.collect();
        if let Some((other, _)) = parameters.iter().find(|(known, _)| known != "TZID" && known != "VALUE") {
            return Err(Invalid(format!("{name} has {}, which is not understood; TZID and VALUE are", shown(other))));
        }
        let is_twice = |(place, (known, _)): &(usize, &(String, String))| {
            parameters.iter().take(*place).any(|(before, _)| before == known)
        };
        if let Some((_, (twice, _))) = parameters.iter().enumerate().find(is_twice) {
            return Err(Invalid(format!("{} has {twice} twice", shown(&name))));
        }
        Ok(Line { name, parameters, value: value.trim().to_owned() })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn zone(&self, zones: &Zones) -> Result<Option<Zone>, Invalid> {
        let zone = self.parameter("TZID").map(|name| zones.get(name)).transpose();
        zone.map_err(|error| Invalid(format!("{}: {error}", self.name)))
    }

    fn moment(&self, value: &str) -> Result<Moment, Invalid> {
        let value = value.trim();
        let moment = moment::read(&self.name, value)?;
        let is_date = matches!(moment, Moment::Date(_));
        let wrong = match self.parameter("VALUE").map(str::to_ascii_uppercase).as_deref() {
            None => None,
            Some("DATE") => (!is_date).then_some("a date"),
            Some("DATE-TIME") => is_date.then_some("a date and time"),
            Some(_) => Some("a DATE or a DATE-TIME"),
        };
        if let Some(wanted) = wrong {
            return Err(Invalid(format!("{} {} is not {wanted}, as its VALUE says", self.name, shown(value))));
        }
        if matches!(moment, Moment::Instant(_)) && self.parameter("TZID").is_some() {
            return Err(Invalid(format!("{} has a TZID and a time in UTC; leave out TZID, or the Z", self.name)));
        }
        Ok(moment)
    }
}

fn split_outside_quotes(text: &str, at: char) -> Option<(String, String)> {
    let mut is_quoted = false;
    let place = text.char_indices().find_map(|(place, letter)| {
        is_quoted ^= letter == '"';
        (letter == at && !is_quoted).then_some(place)
    })?;
    Some((text.get(..place)?.to_owned(), text.get(place + at.len_utf8()..)?.to_owned()))
}
