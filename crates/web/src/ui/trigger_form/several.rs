//! Several schedules in one field of the form, a line each: a cron line as it is, `every 90s`, `at 2027-02-15T14:00`, a calendar's rule; with
//! `TZ=Europe/Riga` in front where one has a zone of its own. What is right and wrong is decided where the JSON is read.

use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::{FirstFiring, Schedule};
use serde_json::{Map, Value};

/// What stands for the end of a line within a rule.
const LINE_END: &str = "\\n";

/// The lines that show several schedules.
pub(super) fn shown(several: &AnyOf) -> String {
    several.members().iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(member: &Member) -> String {
    let zone = member.timezone.as_ref().map(|zone| format!("TZ={} ", zone.name())).unwrap_or_default();
    let pattern = match &member.schedule {
        Schedule::Once { at } => format!("at {at}"),
        Schedule::Every { period, anchor, first: FirstFiring::AtAnchor } => {
            format!("every {} from {anchor}", period.as_str())
        }
        Schedule::Every { period, .. } => format!("every {}", period.as_str()),
        Schedule::Cron { expression, .. } => expression.as_str().to_owned(),
        Schedule::Recurrence(recurrence) => {
            let start = recurrence.told_start().map(|start| format!(" from {start}")).unwrap_or_default();
            format!("{}{start}", recurrence.text().as_str().replace("\r\n", "\n").replace('\n', LINE_END))
        }
        Schedule::AnyOf(_) => String::new(),
    };
    format!("{zone}{pattern}")
}

/// The lines as surface two's JSON.
pub(super) fn said(text: &str) -> Value {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(member).collect::<Vec<Value>>().into()
}

fn member(line: &str) -> Value {
    let mut member = Map::new();
    let mut say = |name: &str, text: &str| {
        member.insert(name.to_owned(), text.trim().into());
    };
    let mut pattern = line;
    if let Some((zone, rest)) = line.strip_prefix("TZ=").and_then(|line| line.split_once(' ')) {
        say("timezone", zone);
        pattern = rest.trim_start();
    }
    let upper = pattern.to_ascii_uppercase();
    let is_rule = upper.contains("FREQ=");
    let (before, start) = match pattern.rsplit_once(" from ") {
        Some((before, start)) if is_rule || upper.starts_with("EVERY ") => (before, Some(start)),
        _ => (pattern, None),
    };
    match (before.get(..3), before.get(..6)) {
        _ if is_rule => say("rrule", &before.replace(LINE_END, "\n")),
        (Some(word), _) if word.eq_ignore_ascii_case("at ") => say("run_at", &before[3..]),
        (_, Some(word)) if word.eq_ignore_ascii_case("every ") => say("every", &before[6..]),
        _ => say("cron", before),
    }
    if let Some(start) = start {
        say("start_at", start);
    }
    member.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_it_looks_like() {
        let lines = "0 9 * * 1-5\n\n TZ=Asia/Tokyo 0 9 * * 6\nevery 90s\nEvery 1h30m from 2027-01-01T00:00\nat 2027-02-15T14:00\n\
                     FREQ=DAILY;COUNT=3 from 2027-01-04T09:00\nDTSTART:20270104T090000\\nRRULE:FREQ=DAILY\nnonsense";
        assert_eq!(
            said(lines),
            json!([
                {"cron": "0 9 * * 1-5"},
                {"timezone": "Asia/Tokyo", "cron": "0 9 * * 6"},
                {"every": "90s"},
                {"every": "1h30m", "start_at": "2027-01-01T00:00"},
                {"run_at": "2027-02-15T14:00"},
                {"rrule": "FREQ=DAILY;COUNT=3", "start_at": "2027-01-04T09:00"},
                {"rrule": "DTSTART:20270104T090000\nRRULE:FREQ=DAILY"},
                {"cron": "nonsense"},
            ])
        );
        assert_eq!(said(""), json!([]));
    }
}
