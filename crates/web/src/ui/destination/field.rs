//! The fields of a destination's form: for each its path in the JSON that the API takes, what the form calls it, how its text becomes
//! JSON and back, and which kinds have it. What is right and wrong is decided where that JSON is read.

use oncue_domain::destination::definition::Kind;
use serde_json::{Map, Value};

/// How a field's text stands for JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A text; nothing where it is empty.
    Text,
    /// A text of which every blank counts; nothing where it is empty.
    Whole,
    /// A number; nothing where it is empty.
    Number,
    /// A box that is ticked or not.
    Flag,
    /// Spans of time with spaces between them.
    Pauses,
    /// Texts with commas between them.
    Words,
    /// Texts, one on each line.
    Lines,
    /// Names and texts, `name=text`, one on each line.
    Pairs,
    /// A text that is never shown again; nothing where it is empty.
    Secret,
    /// The rows of headers, which the form holds by themselves.
    Headers,
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    /// Where it stands in the JSON.
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    pub(super) shape: Shape,
    /// The kinds that have it; none for all.
    kinds: &'static [&'static str],
}

const CALLED: &[&str] = &Kind::CALLED;
const WITH_ADDRESS: &[&str] = &["webhook", "discord", "slack"];
const WITH_HEADERS: &[&str] = &["webhook", "inbox", "ntfy"];
const GITHUB: &[&str] = &["github"];
const NTFY: &[&str] = &["ntfy"];
const EMAIL: &[&str] = &["email"];
const INBOX: &[&str] = &["inbox"];
const ALL: &[&str] = &[];

const fn field(path: &'static str, label: &'static str, shape: Shape, kinds: &'static [&'static str]) -> Field {
    Field { path, label, shape, kinds }
}

/// All fields, in the order of the form.
pub(super) const FIELDS: [Field; 39] = [
    field("name", "Name", Shape::Text, ALL),
    field("url", "Address", Shape::Text, WITH_ADDRESS),
    field("inbox.status", "It answers", Shape::Number, INBOX),
    field("inbox.delay", "After", Shape::Text, INBOX),
    field("github.owner", "Owner", Shape::Text, GITHUB),
    field("github.repository", "Repository", Shape::Text, GITHUB),
    field("github.token", "Token", Shape::Secret, GITHUB),
    field("github.workflow.file", "Workflow", Shape::Text, GITHUB),
    field("github.workflow.ref", "Branch or tag", Shape::Text, GITHUB),
    field("github.workflow.inputs", "Inputs", Shape::Pairs, GITHUB),
    field("github.event_type", "Type of event", Shape::Text, GITHUB),
    field("github.api", "Address of the API", Shape::Text, GITHUB),
    field("ntfy.topic", "Topic", Shape::Text, NTFY),
    field("ntfy.server", "Server", Shape::Text, NTFY),
    field("ntfy.token", "Token", Shape::Secret, NTFY),
    field("ntfy.priority", "Priority", Shape::Number, NTFY),
    field("ntfy.tags", "Tags", Shape::Words, NTFY),
    field("ntfy.title", "Title", Shape::Text, NTFY),
    field("ntfy.message", "Message", Shape::Text, NTFY),
    field("email.to", "To", Shape::Lines, EMAIL),
    field("email.from", "From", Shape::Text, EMAIL),
    field("email.host", "Mail server", Shape::Text, EMAIL),
    field("email.security", "Encryption", Shape::Text, EMAIL),
    field("email.port", "Port", Shape::Number, EMAIL),
    field("email.user", "User", Shape::Text, EMAIL),
    field("email.password", "Password", Shape::Secret, EMAIL),
    field("email.subject", "Subject", Shape::Text, EMAIL),
    field("email.text", "Text", Shape::Text, EMAIL),
    field("method", "Method", Shape::Text, CALLED),
    field("body.format", "Body", Shape::Text, CALLED),
    field("body.content_type", "Content type", Shape::Text, CALLED),
    field("body.template", "Template", Shape::Whole, CALLED),
    field("headers", "Headers", Shape::Headers, WITH_HEADERS),
    field("timeout", "Timeout", Shape::Text, ALL),
    field("retries", "Retries", Shape::Pauses, ALL),
    field("stop_on_4xx", "Stop on 4xx", Shape::Flag, ALL),
    field("in_order", "In order", Shape::Flag, ALL),
    field("parallelism", "At once", Shape::Number, ALL),
    field("rate.count", "Rate", Shape::Number, ALL),
];

/// The fields that count only where the one before says something.
pub(super) const FOLLOWING: [Field; 4] = [
    field("rate.per", "Rate’s span", Shape::Text, ALL),
    field("rate.burst", "Burst", Shape::Number, ALL),
    field("alert.destination", "Who is told", Shape::Number, ALL),
    field("alert.after", "After how many failures", Shape::Number, ALL),
];

impl Field {
    /// Its name in the form, and its id on the page.
    pub(super) fn name(&self) -> String {
        self.path.replace('.', "_")
    }

    fn is_of(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// A text as it is taken: with the line breaks of Unix, because a browser sends its own, and without blanks at its ends where these
    /// say nothing.
    pub(super) fn taken(&self, text: &str) -> String {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if self.shape == Shape::Whole { text } else { text.trim().to_owned() }
    }

    /// What its text says in JSON.
    pub(super) fn value(&self, text: &str) -> Option<Value> {
        let text = if self.shape == Shape::Whole { text } else { text.trim() };
        let parts = |parts: &mut dyn Iterator<Item = &str>| -> Value {
            parts.map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect()
        };
        match self.shape {
            Shape::Flag => return Some(Value::Bool(text == "on")),
            // Nothing between the attempts is one attempt: something was said.
            Shape::Pauses => return Some(parts(&mut text.split([' ', ',', '\t', '\r', '\n']))),
            Shape::Headers => return None,
            _ if text.is_empty() => return None,
            _ => {}
        }
        Some(match self.shape {
            Shape::Number => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
            Shape::Words => parts(&mut text.split(',')),
            Shape::Lines => parts(&mut text.lines()),
            Shape::Pairs => {
                let pairs = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
                    let (name, value) = line.split_once('=').unwrap_or((line, ""));
                    (name.trim().to_owned(), Value::from(value.trim()))
                });
                Value::Object(pairs.collect())
            }
            _ => Value::from(text),
        })
    }

    /// What the JSON says as its text; none where it says nothing.
    pub(super) fn text(&self, value: &Value) -> Option<String> {
        let texts = |value: &Value, between: &str| -> Option<String> {
            let texts: Vec<&str> = value.as_array()?.iter().filter_map(Value::as_str).collect();
            Some(texts.join(between))
        };
        match self.shape {
            Shape::Text | Shape::Whole => value.as_str().map(ToOwned::to_owned),
            Shape::Number => value.as_i64().map(|number| number.to_string()),
            Shape::Flag => value.as_bool().filter(|is_on| *is_on).map(|_| "on".to_owned()),
            Shape::Pauses => {
                let pauses: Vec<String> =
                    value.as_array()?.iter().filter_map(Value::as_str).map(|pause| pause.replace(' ', "")).collect();
                Some(pauses.join(" "))
            }
            Shape::Words => texts(value, ", "),
            Shape::Lines => texts(value, "\n"),
            Shape::Pairs => {
                let pairs = value.as_object()?.iter();
                let lines: Vec<String> =
                    pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
                Some(lines.join("\n"))
            }
            Shape::Secret | Shape::Headers => None,
        }
    }
}

/// The fields of a kind, in the order of the form.
pub(super) fn fields_of(kind: &str) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().chain(&FOLLOWING).filter(move |field| field.is_of(kind))
}

/// Puts a value where a path leads.
pub(super) fn put(object: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), value)),
        Some((head, rest)) => {
            let inner = object.entry(head).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// What stands where a path leads.
pub(super) fn get<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}
