//! Dates out of iCalendar text (RFC 5545), of the sort that calendars of holidays are: events that last whole days. What cannot be said
//! in dates is refused rather than read in part, because a date that is left out unnoticed is one on which something fires.

use jiff::ToSpan;
use jiff::civil::Date;

use super::DATES_MAX;
use crate::schedule::Invalid;
use crate::schedule::excluded::ExcludedDates;

/// The longest text that is read.
pub const BYTES_MAX: usize = 256 * 1024;

/// The sorts of messages whose events take place (RFC 5546 §1.4): what is called off, answered or asked for does not, or not yet.
const METHODS: [&str; 3] = ["PUBLISH", "REQUEST", "ADD"];

/// What can be said of an event (RFC 5545 §3.8.1.11), the last of which is that it does not take place.
const STATUSES: [&str; 3] = ["TENTATIVE", "CONFIRMED", CANCELLED];
const CANCELLED: &str = "CANCELLED";

/// What is said of an event while its lines are read.
#[derive(Default)]
struct Event {
    summary: Option<String>,
    start: Option<Date>,
    end: Option<Date>,
    days: Option<i64>,
    /// Whether it does not take place, where anything is said of that.
    is_cancelled: Option<bool>,
}

impl Event {
    fn refuse<T>(&self, at: usize, what: &str) -> Result<T, Invalid> {
        let name: String = self.summary.as_deref().unwrap_or("").chars().take(60).collect();
        let named = if name.is_empty() { "an event".to_owned() } else { format!("the event \"{name}\"") };
        Err(Invalid(format!("{named} {what} (line {at})")))
    }

    /// The first day and the last that it lasts: its end is the first day after it, and without one it lasts a day (RFC 5545 §3.6.1). None
    /// where it is cancelled.
    fn days(&self, at: usize) -> Result<Option<(Date, Date)>, Invalid> {
        if self.is_cancelled == Some(true) {
            return Ok(None);
        }
        let Some(start) = self.start else { return self.refuse(at, "has no DTSTART") };
        let end = match (self.end, self.days) {
            (Some(_), Some(_)) => return self.refuse(at, "has both DTEND and DURATION"),
            (Some(end), None) => end,
            (None, days) => match start.checked_add(days.unwrap_or(1).days()) {
                Ok(end) => end,
                Err(_) => return self.refuse(at, "lasts too long"),
            },
        };
        if end <= start {
            return self.refuse(at, "ends before it begins");
        }
        let most = DATES_MAX.try_into().unwrap_or(i64::MAX);
        match end.yesterday() {
            Ok(last) if last.duration_since(start).as_hours() / 24 < most => Ok(Some((start, last))),
            _ => self.refuse(at, "lasts too long"),
        }
    }
}

/// Reads the dates of all events that are not cancelled.
///
/// # Errors
/// What is no iCalendar text; what calls events off; an event that begins or ends at a time of day, or that recurs; too many dates. They say which
/// line.
pub fn read(text: &str) -> Result<ExcludedDates, Invalid> {
    if text.len() > BYTES_MAX {
        return Err(Invalid(format!("at most {BYTES_MAX} bytes of iCalendar text are read")));
    }
    let mut ranges = Vec::new();
    let mut event: Option<Event> = None;
    // What lies within what: an alarm within an event has a DURATION of its own.
    let mut open: Vec<String> = Vec::new();
    let mut is_calendar = false;
    for (at, line) in unfolded(text)? {
        let Some((name, parameters, value)) = parts(&line) else {
            return Err(Invalid(format!("this is not iCalendar text: line {at} has no colon")));
        };
        // Else a rule, an event or its end that is spelt with what nobody sees would be something that nobody knows.
        if !is_token(&name) || (matches!(&*name, "BEGIN" | "END") && !is_token(value)) {
            return Err(Invalid(format!(
                "this is not iCalendar text: the name in line {at} is not of letters, digits and hyphens"
            )));
        }
        match name.as_str() {
            "BEGIN" => {
                open.push(value.to_ascii_uppercase());
                is_calendar |= open == ["VCALENDAR"];
                if open == ["VCALENDAR", "VEVENT"] {
                    event = Some(Event::default());
                } else if open.last().is_some_and(|one| one == "VEVENT") {
                    // Its dates would be nobody's.
                    return Err(Invalid(format!(
                        "this is not iCalendar text: an event begins within something else (line {at})"
                    )));
                }
            }
            "END" => {
                let closes = open.pop();
                if closes != Some(value.to_ascii_uppercase()) {
                    return Err(Invalid(format!("this is not iCalendar text: line {at} ends what did not begin")));
                }
                if open == ["VCALENDAR"]
                    && let Some(event) = event.take()
                {
                    ranges.extend(event.days(at)?);
                }
            }
            "METHOD" if open == ["VCALENDAR"] => {
                if !METHODS.iter().any(|method| value.eq_ignore_ascii_case(method)) {
                    let value: String = value.chars().take(20).collect();
                    let known = METHODS.join(", ");
                    return Err(Invalid(format!(
                        "of the method \"{value}\" (line {at}) no dates are read, only of {known} or none"
                    )));
                }
            }
            _ => {
                if let Some(event) = event.as_mut().filter(|_| open.len() == 2) {
                    property(event, at, &name, &parameters, value)?;
                }
            }
        }
        if !is_calendar {
            return Err(Invalid("this is not iCalendar text: it does not begin with BEGIN:VCALENDAR".to_owned()));
        }
    }
    if !is_calendar || !open.is_empty() {
        return Err(Invalid("this is not iCalendar text: it ends too early".to_owned()));
    }
    ExcludedDates::of_ranges(DATES_MAX, ranges)
}

fn property(event: &mut Event, at: usize, name: &str, parameters: &str, value: &str) -> Result<(), Invalid> {
    let day = |event: &Event| match plain_date(parameters, value) {
        Some(date) => Ok(date),
        None => event.refuse(at, "does not last whole days"),
    };
    match name {
        "SUMMARY" => event.summary = Some(value.to_owned()),
        // Of two the one would be left out.
        "DTSTART" if event.start.is_some() => return event.refuse(at, "has two of DTSTART"),
        "DTEND" if event.end.is_some() => return event.refuse(at, "has two of DTEND"),
        "DURATION" if event.days.is_some() => return event.refuse(at, "has two of DURATION"),
        "STATUS" if event.is_cancelled.is_some() => return event.refuse(at, "has two of STATUS"),
        "DTSTART" => event.start = Some(day(event)?),
        "DTEND" => event.end = Some(day(event)?),
        "DURATION" => match whole_days(value) {
            Some(days) => event.days = Some(days),
            None => return event.refuse(at, "does not last whole days"),
        },
        "RRULE" | "RDATE" | "EXDATE" | "RECURRENCE-ID" => {
            return event.refuse(at, "recurs, which is not read: write each day as an event of its own");
        }
        "STATUS" => match STATUSES.iter().find(|status| value.eq_ignore_ascii_case(status)) {
            Some(status) => event.is_cancelled = Some(*status == CANCELLED),
            None => return event.refuse(at, &format!("has a STATUS that is none of {}", STATUSES.join(", "))),
        },
        _ => {}
    }
    Ok(())
}

/// The lines of content with their numbers; a line that begins with a space or a tab goes on with the one before (RFC 5545 §3.1). Between them is a
/// line feed, with a carriage return or without; where one of these stands within a line, or another control character, it cannot be told what was meant.
fn unfolded(text: &str) -> Result<Vec<(usize, String)>, Invalid> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
        // Some programs write two at the end of each line.
        let line = line.trim_end_matches('\r');
        if let Some(control) = line.chars().find(|c| c.is_control() && *c != '\t') {
            let what = if control == '\r' { "a carriage return that ends no line" } else { "a control character" };
            let number = u32::from(control);
            return Err(Invalid(format!("this is not iCalendar text: line {at} has {what} (U+{number:04X})")));
        }
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, before))) => before.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => lines.push((at, line.to_owned())),
        }
    }
    Ok(lines)
}

/// Whether it is what something is called by (RFC 5545 §3.1: `iana-token`, `x-name`); some programs have underscores there.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The name in capitals, the parameters and the value. A colon within quotation marks belongs to a parameter.
fn parts(line: &str) -> Option<(String, String, &str)> {
    let mut is_quoted = false;
    let colon = line.char_indices().find(|(_, c)| {
        is_quoted ^= *c == '"';
        *c == ':' && !is_quoted
    });
    let (head, value) = (&line[..colon?.0], &line[colon?.0 + 1..]);
    let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
    // With a space behind it, a rule would be a property that nobody knows.
    Some((name.trim().to_ascii_uppercase(), parameters.to_ascii_uppercase(), value.trim()))
}

/// A date without a time, `20261224`; some programs leave `VALUE=DATE` out.
fn plain_date(parameters: &str, value: &str) -> Option<Date> {
    let is_other = parameters.split(';').any(|one| one.starts_with("VALUE=") && one != "VALUE=DATE");
    let is_plain = value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_other || !is_plain {
        return None;
    }
    let number = |from: usize, to: usize| value[from..to].parse::<i16>().ok();
    let (month, day) = (number(4, 6)?.try_into().ok()?, number(6, 8)?.try_into().ok()?);
    Date::new(number(0, 4)?, month, day).ok()
}

/// `P3D` or `P1W`.
fn whole_days(value: &str) -> Option<i64> {
    let value = value.trim_start_matches('+').to_ascii_uppercase();
    let (number, days) = match value.strip_prefix('P')? {
        weeks if weeks.ends_with('W') => (&weeks[..weeks.len() - 1], 7),
        days => (days.strip_suffix('D')?, 1),
    };
    let is_plain = (1..=5).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| is_plain).map(|number| number * days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::write_dates;

    fn calendar(lines: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}\r\nEND:VCALENDAR\r\n", lines.trim().replace('\n', "\r\n"))
    }

    fn event(lines: &str) -> String {
        calendar(&format!("BEGIN:VEVENT\nUID:1\nSUMMARY:Fest\n{lines}\nEND:VEVENT"))
    }

    fn dates(text: &str) -> Vec<String> {
        write_dates(&read(text).expect("it can be read"))
    }

    #[test]
    fn events_of_whole_days_are_dates_and_their_end_is_not_one() {
        assert_eq!(dates(&event("DTSTART;VALUE=DATE:20261225")), ["2026-12-25"]);
        assert_eq!(dates(&event("DTSTART:20261225")), ["2026-12-25"], "some leave the type out");
        let christmas = "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227";
        assert_eq!(dates(&event(christmas)), ["2026-12-24/2026-12-26"]);
        assert_eq!(dates(&event("DTSTART;VALUE=DATE:20261224\nDURATION:P1W")), ["2026-12-24/2026-12-30"]);
        assert_eq!(dates(&event("DTSTART;VALUE=DATE:20261224\nSTATUS:CANCELLED")), [] as [&str; 0]);
        assert_eq!(dates(&event("DTSTART;VALUE=DATE:20261224\nSTATUS:CONFIRMED")), ["2026-12-24"]);
        assert_eq!(dates(&event("DTSTART:20260101\nDURATION:P2000D")), ["2026-01-01/2031-06-23"]);
        assert_eq!(dates(&calendar("X-WR-CALNAME:empty")), [] as [&str; 0]);
    }

    #[test]
    fn lines_are_unfolded_and_what_lies_within_an_event_is_not_its_own() {
        let folded =
            "DTSTART;VALUE=DA\n TE:20261225\nX-A;X-B=\"a:b\":c\nBEGIN:VALARM\nDURATION:PT5M\nTRIGGER:-PT1H\nEND:VALARM";
        assert_eq!(dates(&event(folded)), ["2026-12-25"]);
        let zone =
            "BEGIN:VTIMEZONE\nBEGIN:STANDARD\nDTSTART:19701025T030000\nRRULE:FREQ=YEARLY\nEND:STANDARD\nEND:VTIMEZONE";
        assert_eq!(dates(&calendar(zone)), [] as [&str; 0]);
        let unix = event("DTSTART;VALUE=DATE:20261225").replace("\r\n", "\n");
        assert_eq!(dates(&format!("\u{feff}{unix}\n\n")), ["2026-12-25"]);
    }

    #[test]
    fn what_nobody_sees_hides_nothing() {
        for (wrong, words) in [
            ("X:y\rRRULE:FREQ=YEARLY", "line 6 has a carriage return that ends no line (U+000D)"),
            ("X:y\r\rRRULE:FREQ=YEARLY", "line 6 has a carriage return"),
            ("X:y\u{0}", "line 6 has a control character (U+0000)"),
            ("X:y\n \u{b}z", "line 7 has a control character (U+000B)"),
            ("X:y\u{85}RRULE:FREQ=YEARLY", "line 6 has a control character (U+0085)"),
            ("RRULE\u{200b}:FREQ=YEARLY", "the name in line 6 is not of letters"),
            ("\u{feff}RRULE:FREQ=YEARLY", "the name in line 6 is not of letters"),
            ("\u{200b} RRULE:FREQ=YEARLY", "the name in line 6 is not of letters"),
            ("RRULE\u{ad};X=y:FREQ=YEARLY", "the name in line 6 is not of letters"),
            ("STATUS:CANCELLED\u{200b}", "has a STATUS that is none of"),
            ("BEGIN:VALARM\u{200b}\nEND:VALARM\u{200b}", "the name in line 6 is not of letters"),
            ("DTEND:2026\u{200b}1226", "does not last whole days (line 6)"),
            (":y", "the name in line 6 is not of letters"),
        ] {
            let text = event(&format!("{wrong}\nDTSTART:20261225"));
            let error = read(&text).expect_err(wrong).to_string();
            assert!(error.contains(words), "{wrong:?}: {error}");
        }
        let hidden = event("DTSTART:20261225").replace("VEVENT", "VEVENT\u{200b}");
        assert!(read(&hidden).is_err(), "its date would be nobody's");
        let method = calendar("METHOD:CANCEL\u{200b}");
        assert!(read(&method).is_err());
        // What is only said of an event may hold what it likes, and a tab is no control character of any consequence.
        let said = "SUMMARY:\u{5d7}\u{5d2}\u{200f} \u{1f468}\u{200d}\u{1f373}\tx\u{2028}y\nX-ABC_D;X=\"a:b\u{200b}\":\nDTSTART:20261225";
        assert_eq!(dates(&event(said)), ["2026-12-25"]);
        assert_eq!(dates(&event("DTSTART:20261225").replace("VERSION:2.0", "METHOD:publish")), ["2026-12-25"]);
    }

    #[test]
    fn what_cannot_be_said_in_dates_is_refused_and_named() {
        for (text, words) in [
            (String::new(), "ends too early"),
            ("hello".to_owned(), "line 1 has no colon"),
            ("a:b".to_owned(), "does not begin with BEGIN:VCALENDAR"),
            ("BEGIN:VCALENDAR".to_owned(), "ends too early"),
            (calendar("BEGIN:VEVENT\nEND:VTODO"), "line 4 ends what did not begin"),
            (event("DTSTART:20261225T090000Z"), "the event \"Fest\" does not last whole days (line 6)"),
            (event("DTSTART;VALUE=DATE:20260230"), "does not last whole days"),
            (event("DTSTART;VALUE=DATE:20261225\nDURATION:PT8H"), "does not last whole days"),
            (event("DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY"), "recurs"),
            (event("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225"), "ends before it begins"),
            (event("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261226\nDURATION:P1D"), "both DTEND and DURATION"),
            (event("DTSTART;VALUE=DATE:20261225\nDURATION:P99999W"), "lasts too long"),
            (event("DTSTART:20260101\nDURATION:P2001D"), "lasts too long"),
            (event("DTSTART;VALUE=DATE:99991231"), "lasts too long"),
            (event("X:y"), "has no DTSTART"),
            (event("DTSTART:20261225\nDTSTART:20261226"), "the event \"Fest\" has two of DTSTART (line 7)"),
            (event("DTSTART:20261225\nDTEND:20261230\nDTEND:20261226"), "has two of DTEND"),
            (event("DTSTART:20261225\nDURATION:P9D\nDURATION:P1D"), "has two of DURATION"),
            (event("DTSTART:20261225\nSTATUS:CONFIRMED\nSTATUS:CANCELLED"), "has two of STATUS"),
            (event("DTSTART:20261225\nRRULE :FREQ=YEARLY"), "recurs"),
            (event("BEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT"), "begins within something else (line 6)"),
            (calendar(&event("DTSTART:20261225")), "begins within something else (line 5)"),
            (
                calendar("X:y") + "BEGIN:VEVENT\r\nDTSTART:20261225\r\nEND:VEVENT\r\n",
                "begins within something else (line 5)",
            ),
            ("x".repeat(BYTES_MAX + 1), "bytes of iCalendar text"),
            (calendar("METHOD:CANCEL\nX:y"), "of the method \"CANCEL\" (line 3) no dates are read"),
            (calendar("METHOD:REPLY"), "only of PUBLISH, REQUEST, ADD or none"),
            (
                event("DTSTART:20261225\nSTATUS:CANCELED"),
                "has a STATUS that is none of TENTATIVE, CONFIRMED, CANCELLED",
            ),
        ] {
            let error = read(&text).expect_err("it is refused").to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
