//! A filtered list of events as a file: a JSON document a line, or a table for spreadsheets. It is written while it is read, a
//! batch at a time, so that a long list never lies in memory.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use jiff::Timestamp;
use oncue_domain::id::UserId;
use oncue_domain::store::{EXCERPT_CHARS_MAX, Error, EventLine, EventPage, EventPlace, EventSearch};
use serde::Serialize;
use serde_json::value::RawValue;

use super::event_query::EventQuery;
use crate::app::App;

/// How many events are exported at most; the API has pages for more.
const LINES_MAX: usize = 10_000;

/// How many are read at a time.
const BATCH: usize = 200;

/// How often a search that gave up is taken up again.
const SEARCHES_MAX: usize = 200;

/// The form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Export {
    Jsonl,
    Csv,
}

impl Export {
    pub(super) fn from_word(word: &str) -> Option<Export> {
        match word {
            "jsonl" => Some(Export::Jsonl),
            "csv" => Some(Export::Csv),
            _ => None,
        }
    }
}

/// One event of the file.
#[derive(Serialize)]
struct Record<'a> {
    id: i64,
    fired_at: String,
    scheduled_at: Option<String>,
    due_at: Option<String>,
    lateness_ms: Option<i64>,
    trigger_id: i64,
    name: &'a str,
    source: &'static str,
    outcome: &'static str,
    attempts: u32,
    message_id: String,
    payload: Box<RawValue>,
}

impl<'a> Record<'a> {
    fn of(line: &'a EventLine, payload: Box<RawValue>) -> Record<'a> {
        let firing = &line.firing;
        Record {
            id: line.id.0,
            fired_at: firing.fired_at.to_string(),
            scheduled_at: firing.scheduled_at.map(|named| named.to_string()),
            due_at: firing.due_at.map(|due| due.to_string()),
            lateness_ms: firing.lateness().and_then(|late| i64::try_from(late.as_millis()).ok()),
            trigger_id: line.trigger.0,
            name: &line.name,
            source: firing.origin.word(),
            outcome: firing.outcome.word(),
            attempts: firing.attempts,
            message_id: line.message_id.to_string(),
            payload,
        }
    }

    fn write(&self, export: Export, out: &mut String) {
        match export {
            Export::Jsonl => {
                let json = serde_json::to_string(self).expect("a record has no map, and its payload is JSON");
                // A payload keeps the lines it was written in; none of them lies within a string, where JSON has none.
                out.push_str(&json.replace(['\n', '\r'], " "));
                out.push('\n');
            }
            Export::Csv => {
                let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
                let cells = [
                    self.id.to_string(),
                    self.fired_at.clone(),
                    self.scheduled_at.clone().unwrap_or_default(),
                    self.due_at.clone().unwrap_or_default(),
                    number(self.lateness_ms),
                    self.trigger_id.to_string(),
                    cell(self.name),
                    self.source.to_owned(),
                    self.outcome.to_owned(),
                    self.attempts.to_string(),
                    self.message_id.clone(),
                    cell(self.payload.get()),
                ];
                out.push_str(&cells.join(","));
                out.push_str("\r\n");
            }
        }
    }
}

const CSV_HEAD: &str =
    "id,fired_at,scheduled_at,due_at,lateness_ms,trigger_id,name,source,outcome,attempts,message_id,payload\r\n";

/// A text that somebody wrote, as a cell (RFC 4180). Spreadsheets take what begins like a formula for one; behind an apostrophe
/// it stays text.
fn cell(text: &str) -> String {
    let is_formula =
        text.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
            || text.starts_with(['\t', '\r', '\n']);
    let apostrophe = if is_formula { "'" } else { "" };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}

/// Where an export stands.
struct Progress {
    app: App,
    owner: UserId,
    search: EventSearch,
    now: Timestamp,
    place: Option<EventPlace>,
    left: usize,
    searches_left: usize,
    is_over: bool,
}

impl Progress {
    /// The next events; none where there are no more.
    async fn read(&mut self) -> Result<Vec<EventLine>, Error> {
        while !self.is_over && self.left > 0 && self.searches_left > 0 {
            self.searches_left -= 1;
            let limit = BATCH.min(self.left);
            let page = EventPage::NewestFirst(self.place);
            let read = self.app.store.event_lines(self.owner, self.search.clone(), page, limit).await?;
            let last = read.lines.last().map(|line| EventPlace { fired_at: line.firing.fired_at, id: line.id });
            self.is_over = read.lines.len() < limit && read.gave_up_at.is_none();
            self.place = read.gave_up_at.or(last).or(self.place);
            self.left -= read.lines.len();
            if !read.lines.is_empty() {
                return Ok(read.lines);
            }
        }
        Ok(Vec::new())
    }

    /// The whole payload. A line holds the beginning of it, which mostly is all.
    async fn payload(&self, line: &EventLine) -> Result<Option<Box<RawValue>>, Error> {
        if line.excerpt.chars().count() < EXCERPT_CHARS_MAX
            && let Ok(whole) = RawValue::from_string(line.excerpt.clone())
        {
            return Ok(Some(whole));
        }
        let gone_until = self.app.settings.retention.gone_until(self.now);
        let event = self.app.store.event(self.owner, line.id, gone_until).await?;
        Ok(event.map(|(event, _)| event.payload.to_raw()))
    }

    async fn next(&mut self, export: Export) -> Result<Option<String>, Error> {
        let lines = self.read().await?;
        let mut out = String::new();
        for line in &lines {
            // One that was removed between the two reads is gone: it is left out like those before it.
            if let Some(payload) = self.payload(line).await? {
                Record::of(line, payload).write(export, &mut out);
            }
        }
        Ok((!lines.is_empty()).then_some(out))
    }
}

/// The file.
pub(super) fn respond(app: App, owner: UserId, wanted: &EventQuery, export: Export, now: Timestamp) -> Response {
    let search = wanted.search(app.settings.retention, now);
    let place = wanted.before;
    let progress =
        Progress { app, owner, search, now, place, left: LINES_MAX, searches_left: SEARCHES_MAX, is_over: false };
    let (media_type, name, head) = match export {
        Export::Jsonl => ("application/x-ndjson", "attachment; filename=\"oncue-events.jsonl\"", ""),
        Export::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"oncue-events.csv\"", CSV_HEAD),
    };
    let batches = unfold((progress, Some(head)), move |(mut progress, head)| async move {
        if let Some(head) = head.filter(|head| !head.is_empty()) {
            return Some((Ok(Bytes::from_static(head.as_bytes())), (progress, None)));
        }
        match progress.next(export).await {
            Ok(batch) => batch.map(|batch| (Ok(Bytes::from(batch)), (progress, None))),
            // A file that ends early must not look whole: the connection breaks, and the browser says so.
            Err(error) => {
                tracing::error!(%error, "an export could not be finished");
                progress.is_over = true;
                Some((Err(std::io::Error::other("the events cannot be read")), (progress, None)))
            }
        }
    });
    let headers = [(header::CONTENT_TYPE, media_type), (header::CONTENT_DISPOSITION, name)];
    (headers, Body::from_stream(batches)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::event_line::tests::line;
    use oncue_domain::firing::Outcome;

    #[test]
    fn a_cell_stays_text_whatever_it_begins_with() {
        #[rustfmt::skip]
        let rows = [
            ("plain", "\"plain\""),
            ("say \"hi\", twice", "\"say \"\"hi\"\", twice\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            (" =1", "\"' =1\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("{\"a\": \"=1\"}", "\"{\"\"a\"\": \"\"=1\"\"}\""),
        ];
        for (text, expected) in rows {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_record_is_one_line_of_json_and_its_payload_stays_as_it_is() {
        let now = "2026-11-21T10:00:00.5Z".parse().expect("an instant");
        let mut line = line(29, "=cmd", "", Outcome::Failed, now);
        line.firing.due_at = Some("2026-11-21T10:00:00.498Z".parse().expect("an instant"));
        let payload = || RawValue::from_string("{\"key\": 1e400}".to_owned()).expect("JSON");
        let (mut json, mut csv) = (String::new(), String::new());
        Record::of(&line, payload()).write(Export::Jsonl, &mut json);
        Record::of(&line, payload()).write(Export::Csv, &mut csv);
        let id = line.message_id;
        let expected = format!(
            "{{\"id\":29,\"fired_at\":\"2026-11-21T10:00:00.5Z\",\"scheduled_at\":\"2026-11-21T10:00:00.497Z\",\
             \"due_at\":\"2026-11-21T10:00:00.498Z\",\"lateness_ms\":2,\"trigger_id\":7,\"name\":\"=cmd\",\"source\":\"schedule\",\"outcome\":\"failed\",\
             \"attempts\":1,\"message_id\":\"{id}\",\"payload\":{{\"key\": 1e400}}}}\n"
        );
        assert_eq!(json, expected);
        let expected = format!(
            "29,2026-11-21T10:00:00.5Z,2026-11-21T10:00:00.497Z,2026-11-21T10:00:00.498Z,2,7,\"'=cmd\",schedule,failed,1,{id},\"{{\"\"key\"\": 1e400}}\"\r\n"
        );
        assert_eq!(csv, expected);
        line.firing.due_at = None;
        let (mut json, mut csv) = (String::new(), String::new());
        Record::of(&line, payload()).write(Export::Jsonl, &mut json);
        Record::of(&line, payload()).write(Export::Csv, &mut csv);
        assert!(json.contains("\"due_at\":null,\"lateness_ms\":3") && csv.contains(".497Z,,3,7,"), "{json}{csv}");
    }
}
