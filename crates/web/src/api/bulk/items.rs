//! What comes in with a bulk call: a JSON array, or lines of JSON, taken apart without a look at what the items say. Every bound of
//! such a call is here.

use std::fmt;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use oncue_domain::error::Invalid;
use oncue_domain::id::UserId;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::app::Shared;
use crate::extract::{BODY_BYTES_MAX, Fields, is_json, media_type, read_body};
use crate::fault::Fault;
use crate::turns::{TURN_WITHIN, Turn};

/// The most items of one call.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// The longest body of a bulk call in bytes.
const BULK_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The media type of lines of JSON.
pub(super) const LINES: &str = "application/x-ndjson";

/// Whether a path is that of a bulk call.
pub(crate) fn is_bulk(path: &str) -> bool {
    path.starts_with("/api/v1/") && path.trim_end_matches('/').ends_with("/bulk")
}

/// Whether the headers name lines of JSON.
pub(crate) fn is_lines(headers: &HeaderMap) -> bool {
    media_type(headers) == LINES
}

/// How the items are written.
#[derive(Clone, Copy)]
enum Form {
    Array,
    Lines,
}

/// The body of a bulk call, and its turn to be carried out.
pub(crate) struct BulkBody {
    bytes: Bytes,
    form: Form,
    answers_in_lines: bool,
    /// Whoever comes next waits until this is dropped.
    _turn: Turn,
}

impl BulkBody {
    /// Reads the body of the owner's call when its turn comes.
    pub(super) async fn read(request: Request, app: &Shared, owner: UserId) -> Result<BulkBody, Fault> {
        let headers = request.headers();
        let form = match (is_json(headers), is_lines(headers)) {
            (true, _) => Some(Form::Array),
            (_, true) => Some(Form::Lines),
            _ => None,
        };
        let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        let answers_in_lines = accepted.any(|accept| accept.to_ascii_lowercase().contains(LINES));
        let Some(turn) = app.bulk_turns.take(owner).await else { return Err(Fault::TooMany(TURN_WITHIN)) };
        let bytes = read_body(request.into_body(), BULK_BYTES_MAX).await?;
        if bytes.is_empty() {
            return Err(
                Invalid::new("", "A body is needed: a JSON array of items, or one of them on each line.").into()
            );
        }
        let Some(form) = form else {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("A body must come with the header Content-Type: application/json, or {LINES} for lines."),
            ));
        };
        Ok(BulkBody { bytes, form, answers_in_lines, _turn: turn })
    }

    /// What was sent, to the byte.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether each result is wanted on a line of its own.
    pub(super) fn answers_in_lines(&self) -> bool {
        self.answers_in_lines
    }

    /// The items, in their order.
    pub(super) fn items(&self) -> Result<Vec<Item<'_>>, Fault> {
        let (items, count) = match self.form {
            Form::Array => of_array(&self.bytes)?,
            Form::Lines => of_lines(&self.bytes),
        };
        if count > ITEMS_MAX {
            let detail = format!("A call takes at most {ITEMS_MAX} items; this one has {count}.");
            return Err(Invalid::new("", detail).into());
        }
        Ok(items)
    }
}

/// The elements of an array, as far as they are taken, and how many there are.
fn of_array(bytes: &[u8]) -> Result<(Vec<Item<'_>>, usize), Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::new(StatusCode::BAD_REQUEST, "The body is not UTF-8."))?;
    match serde_json::from_str::<Elements<'_>>(text) {
        Ok(Elements { taken, count }) => {
            let taken = (0..).zip(taken);
            Ok((taken.map(|(index, raw)| Item { bytes: raw.get().as_bytes(), index, line: None }).collect(), count))
        }
        Err(error) if error.is_data() => {
            Err(Invalid::new("", "This must be a JSON array of items; send lines of JSON as application/x-ndjson.")
                .into())
        }
        Err(error) => Err(Fault::new(StatusCode::BAD_REQUEST, format!("The body is not valid JSON: {error}."))),
    }
}

/// The lines that say something, as far as they are taken, and how many there are.
fn of_lines(bytes: &[u8]) -> (Vec<Item<'_>>, usize) {
    let lines = || {
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n')).map(|(line, bytes)| (line, bytes.trim_ascii()));
        lines.filter(|(_, bytes)| !bytes.is_empty())
    };
    let taken = lines().take(ITEMS_MAX);
    let taken = (0..).zip(taken).map(|(index, (line, bytes))| Item { bytes, index, line: Some(line) }).collect();
    (taken, lines().count())
}

/// The elements of an array: the first ones as they stand, the others counted, so that a body of nothing but commas fills no memory.
struct Elements<'a> {
    taken: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Elements<'de>, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Elements<'de>, A::Error> {
        let mut taken = Vec::new();
        while taken.len() < ITEMS_MAX {
            match elements.next_element::<&RawValue>()? {
                Some(element) => taken.push(element),
                None => break,
            }
        }
        let mut count = taken.len();
        while elements.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Elements { taken, count })
    }
}

/// One item as it was written.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    bytes: &'a [u8],
    /// Its place among all of the call, counted from zero.
    pub(super) index: u32,
    /// The line on which it stands, counted from one; none in an array.
    line: Option<usize>,
}

impl Item<'_> {
    /// The fields of the object that it is.
    pub(super) fn fields(&self) -> Result<Fields, Fault> {
        let bad = |what: &str| Fault::new(StatusCode::BAD_REQUEST, format!("{} {what}", self.place()));
        if self.bytes.len() > BODY_BYTES_MAX {
            let detail = format!("{} is too large; at most {BODY_BYTES_MAX} bytes are taken.", self.place());
            return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        let text = std::str::from_utf8(self.bytes).map_err(|_| bad("is not UTF-8."))?;
        // Whether it is JSON at all is asked only where it is no object: most items are read once.
        Fields::of(text, String::new()).map_err(|no_object| match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => no_object.into(),
            Err(error) => {
                // The parser has seen this line only, and counts from its beginning.
                let error = error.to_string().replace(" at line 1 column ", " at column ");
                bad(&format!("is not valid JSON: {error}."))
            }
        })
    }

    fn place(&self) -> String {
        self.line.map_or("This item".to_owned(), |line| format!("Line {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(items: &[Item<'a>]) -> Vec<&'a str> {
        items.iter().map(|item| std::str::from_utf8(item.bytes).expect("text")).collect()
    }

    fn refusal(item: &Item<'_>) -> (u16, String) {
        let fault = item.fields().err().expect("it is refused");
        (fault.status().as_u16(), fault.detail())
    }

    #[test]
    fn an_array_is_taken_apart_as_it_was_written() {
        let (items, count) = of_array(br#" [ {"a": 1.50}, 7 ,[1e400], "x" ] "#).expect("an array");
        assert_eq!((texts(&items), count), (vec![r#"{"a": 1.50}"#, "7", "[1e400]", "\"x\""], 4));
        assert_eq!(of_array(b"[]").expect("an array").1, 0);
    }

    #[test]
    fn what_is_not_an_array_is_refused_as_a_whole_and_says_why() {
        let refusal = |bytes: &[u8]| of_array(bytes).map(|_| ()).expect_err("it is refused");
        for (bytes, status) in
            [(&b"{}"[..], 422), (b"7", 422), (b"[1,]", 400), (b"[1", 400), (b"[] []", 400), (b"", 400), (b"\xff", 400)]
        {
            assert_eq!(refusal(bytes).status().as_u16(), status, "{bytes:?}");
        }
        assert_eq!(refusal(b"[1,]").detail(), "The body is not valid JSON: trailing comma at line 1 column 4.");
    }

    #[test]
    fn lines_that_say_nothing_are_no_items_and_the_others_know_where_they_stand() {
        let (items, count) = of_lines(b"\n{\"a\":1}\r\n\n  7  \n \t\nx");
        assert_eq!((texts(&items), count), (vec!["{\"a\":1}", "7", "x"], 3));
        assert!(items[0].fields().is_ok());
        assert_eq!(refusal(&items[1]), (422, "This must be a JSON object, not a number.".to_owned()));
        assert_eq!(refusal(&items[2]), (400, "Line 6 is not valid JSON: expected value at column 1.".to_owned()));
        let (items, _) = of_lines(b"\xff");
        assert_eq!(refusal(&items[0]), (400, "Line 1 is not UTF-8.".to_owned()));
    }

    #[test]
    fn an_item_that_is_no_object_is_told_what_it_must_be_and_what_it_is() {
        let (items, _) = of_array(br#"[null, "x", [], true, -1.5]"#).expect("an array");
        for (item, sort) in items.iter().zip(["null", "a string", "an array", "a boolean", "a number"]) {
            assert_eq!(refusal(item), (422, format!("This must be a JSON object, not {sort}.")));
        }
    }

    #[test]
    fn beyond_the_most_items_they_are_only_counted() {
        let lines = "7\n".repeat(ITEMS_MAX + 5);
        let (items, count) = of_lines(lines.as_bytes());
        assert_eq!((items.len(), count), (ITEMS_MAX, ITEMS_MAX + 5));
        let array = format!("[{}7]", "7,".repeat(ITEMS_MAX + 4));
        let (items, count) = of_array(array.as_bytes()).expect("an array");
        assert_eq!((items.len(), count), (ITEMS_MAX, ITEMS_MAX + 5));
    }

    #[test]
    fn an_item_is_as_long_as_a_body_may_be_and_no_longer() {
        let line = format!("{{\"a\": \"{}\"}}", "x".repeat(BODY_BYTES_MAX - 9));
        assert!(of_lines(line.as_bytes()).0[0].fields().is_ok(), "{}", line.len());
        let (status, detail) = refusal(&of_lines(format!(" {line}x").as_bytes()).0[0]);
        assert_eq!(status, 413);
        assert!(detail.starts_with("Line 1 is too large"), "{detail}");
    }
}
