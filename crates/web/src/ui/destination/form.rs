//! The form of a destination: its fields as texts, and the JSON that they amount to. Secrets are typed in and never shown again: one
//! that is left empty stays as it is, for as long as the receiver stays the same.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::Request;
use oncue_domain::delivery::Ladder;
use oncue_domain::destination::Destination;
use oncue_domain::destination::definition::Kind;
use oncue_domain::error::Invalid;
use serde_json::{Map, Value, json};

use super::field::{FIELDS, FOLLOWING, Field, Shape, fields_of, get, put};
use super::preview::Asked;
use crate::extract::{Form, parse_form, read_form_body};
use crate::fault::Fault;

/// The longest form in bytes: as many headers and inputs as there may be, as long as they may be.
pub(in crate::ui) const FORM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How many rows for headers a form has at most.
const HEADER_ROWS_MAX: usize = 32;

/// How many empty rows there are for further headers.
const HEADER_ROWS_SPARE: usize = 2;

/// A header, as the form shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderRow {
    pub(super) name: String,
    /// Whether there is a value already, which stays where no other is typed.
    pub(super) is_kept: bool,
    /// What was typed; it is never shown.
    typed: String,
}

/// The fields, as they were typed or as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DestinationForm {
    pub(super) kind: String,
    /// The revision that the form was filled from; empty where nobody said.
    pub(super) revision: String,
    pub(super) headers: Vec<HeaderRow>,
    /// With which event it is previewed; no part of what is saved.
    pub(super) asked: Asked,
    texts: BTreeMap<String, String>,
    /// What fields say in JSON whose text is as it was shown: not every text can say what there was.
    unchanged: BTreeMap<String, Value>,
    /// The secrets that are kept.
    kept: BTreeSet<String>,
}

impl DestinationForm {
    /// A form for a new destination of this kind; none where there is no such kind.
    pub(super) fn fresh(kind: &str) -> Option<DestinationForm> {
        let kind = Kind::WORDS.into_iter().find(|word| *word == kind)?;
        let pauses = Ladder::standard()
            .pauses()
            .iter()
            .map(|pause| Value::from(format!("{pause:#}").replace(' ', "")))
            .collect();
        let mut shown = json!({
            "name": if kind == "inbox" { "Inbox" } else { "" },
            "method": "POST",
            "body": {"format": "cloudevents"},
            "inbox": {"status": 200, "delay": "0s"},
            "ntfy": {"server": "https://ntfy.sh/"},
            "email": {"security": "tls"},
            "timeout": "15s",
        });
        shown["retries"] = Value::Array(pauses);
        let mut form = DestinationForm { kind: kind.to_owned(), ..DestinationForm::default() };
        form.fill(&shown);
        form.lay_out_headers(Vec::new());
        Some(form)
    }

    /// The form that shows a destination.
    pub(super) fn of(destination: &Destination) -> DestinationForm {
        let definition = &destination.definition;
        let mut form = DestinationForm {
            kind: definition.kind.word().to_owned(),
            revision: destination.revision.to_string(),
            ..DestinationForm::default()
        };
        let shown = definition.shown();
        form.fill(&shown);
        let names = header_names(&shown);
        form.lay_out_headers(
            names.into_iter().map(|name| HeaderRow { name, is_kept: true, ..HeaderRow::default() }).collect(),
        );
        form
    }

    fn fill(&mut self, shown: &Value) {
        for field in fields_of(&self.kind) {
            let Some(value) = get(shown, field.path) else { continue };
            match field.shape {
                Shape::Secret => drop(self.kept.insert(field.name())),
                _ => drop(field.text(value).and_then(|text| self.texts.insert(field.name(), text))),
            }
        }
    }

    fn lay_out_headers(&mut self, mut rows: Vec<HeaderRow>) {
        let spare = (rows.len() + HEADER_ROWS_SPARE).min(HEADER_ROWS_MAX).max(rows.len());
        rows.resize(spare, HeaderRow::default());
        self.headers = rows;
    }

    /// Reads a submitted form, about a destination that is `before` so far.
    pub(super) async fn read(request: Request, before: Option<&Destination>) -> Result<DestinationForm, Fault> {
        let fields = parse_form(&read_form_body(request, FORM_BYTES_MAX).await?);
        Ok(DestinationForm::from_fields(fields, before))
    }

    fn from_fields(mut fields: Form, before: Option<&Destination>) -> DestinationForm {
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        let former = before.map(DestinationForm::of).unwrap_or_default();
        let kind = if before.is_some() { former.kind } else { take("kind").trim().to_owned() };
        let mut form = DestinationForm {
            kind,
            revision: take("revision").trim().to_owned(),
            kept: former.kept,
            ..DestinationForm::default()
        };
        let all = FIELDS.iter().chain(&FOLLOWING).map(|field| (field.name(), field.taken(&take(&field.name()))));
        form.texts = all.filter(|(_, text)| !text.is_empty()).collect();
        form.asked = Asked::take(&mut take);
        form.unchanged =
            before.map(|before| form.unchanged_since(&before.definition.shown(), &former.texts)).unwrap_or_default();
        for name in form.kept.clone() {
            if take(&format!("{name}_forget")) == "on" {
                form.texts.insert(format!("{name}_forget"), "on".to_owned());
            }
        }
        let is_kept = |name: &str| former.headers.iter().any(|row| row.is_kept && row.name == name);
        let mut row = |name: String| take(&name).trim().replace("\r\n", "\n");
        let rows = (0..HEADER_ROWS_MAX)
            .map(|at| (row(format!("header_name_{at}")).to_ascii_lowercase(), row(format!("header_value_{at}"))));
        let rows = rows.filter(|(name, typed)| !name.is_empty() || !typed.is_empty());
        let rows = rows.map(|(name, typed)| HeaderRow { is_kept: is_kept(&name), name, typed }).collect();
        form.lay_out_headers(rows);
        form
    }

    /// The fields whose texts are as they are `shown`, with what is said there.
    fn unchanged_since(&self, shown: &Value, texts: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
        let is_same = |field: &Field| {
            let typed = self.texts.get(&field.name());
            typed.is_some() && texts.get(&field.name()).map(|text| field.taken(text)).as_ref() == typed
        };
        let same = fields_of(&self.kind).filter(|field| is_same(field));
        same.filter_map(|field| Some((field.name(), get(shown, field.path)?.clone()))).collect()
    }

    /// What a field says; a secret says nothing.
    pub(super) fn text(&self, name: &str) -> &str {
        let is_secret = FIELDS.iter().any(|field| field.shape == Shape::Secret && field.name() == name);
        if is_secret { "" } else { self.texts.get(name).map(String::as_str).unwrap_or_default() }
    }

    /// Whether there is such a secret, which stays where no other is typed.
    pub(super) fn keeps(&self, name: &str) -> bool {
        self.kept.contains(name)
    }

    /// Whether the destination was changed since the form was filled from it.
    pub(super) fn is_of_another_revision(&self, current: &Destination) -> bool {
        !self.revision.is_empty() && self.revision != current.revision.to_string()
    }

    /// The JSON that the form amounts to, in the form of the API.
    pub(super) fn to_json(&self) -> Result<Map<String, Value>, Invalid> {
        let mut object = Map::new();
        object.insert("kind".to_owned(), Value::from(self.kind.as_str()));
        if matches!(self.kind.as_str(), "github" | "ntfy" | "email" | "inbox") {
            object.insert(self.kind.clone(), Value::Object(Map::new()));
        }
        for field in fields_of(&self.kind) {
            let name = field.name();
            // What was typed beside a choice that has no use for it.
            let is_idle = match field.path {
                "alert.after" => !object.contains_key("alert"),
                "body.content_type" | "body.template" => self.text("body_format") != "own",
                _ => false,
            };
            if is_idle {
                continue;
            }
            let is_forgotten = self.texts.contains_key(&format!("{name}_forget"));
            let typed = || field.value(self.texts.get(&name).map(String::as_str).unwrap_or_default());
            let said = self.unchanged.get(&name).cloned().or_else(typed);
            match said.or_else(|| is_forgotten.then(|| Value::from(""))) {
                Some(value) => put(&mut object, field.path, value),
                None if field.shape == Shape::Headers => put(&mut object, field.path, self.headers_json()?),
                None => {}
            }
        }
        Ok(object)
    }

    fn headers_json(&self) -> Result<Value, Invalid> {
        let mut headers = Map::new();
        for row in self.headers.iter().filter(|row| !row.name.is_empty() || !row.typed.is_empty()) {
            let value = if row.typed.is_empty() { Value::Null } else { Value::from(row.typed.as_str()) };
            if headers.insert(row.name.clone(), value).is_some() {
                return Err(Invalid::new(format!("headers.{}", row.name), "This header is named twice."));
            }
        }
        Ok(Value::Object(headers))
    }
}

fn header_names(shown: &Value) -> Vec<String> {
    shown.get("headers").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned().collect()
}

/// One thing that is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    /// The field, by its name in the form; empty where it is none of them.
    pub(super) field: String,
    /// What the form calls it.
    pub(super) label: &'static str,
    pub(super) message: String,
}

/// Everything that is wrong with a form, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FormErrors(pub(super) Vec<FieldError>);

impl FormErrors {
    /// Brings what is wrong with the JSON back to the fields of this kind's form.
    pub(super) fn of(errors: Vec<Invalid>, kind: &str) -> FormErrors {
        let fields: Vec<&Field> = fields_of(kind).collect();
        let mut placed: Vec<(usize, String)> = errors
            .into_iter()
            .map(|error| {
                // The address of a known service in the form of another: it is the address that is looked at.
                let path = if error.field == "kind" { "url" } else { error.field.as_str() };
                let message = match path.strip_prefix("headers.") {
                    Some(name) if !name.is_empty() => format!("{name}: {}", error.message),
                    _ => error.message,
                };
                (place(&fields, path).unwrap_or(fields.len()), message)
            })
            .collect();
        placed.sort_by_key(|(place, _)| *place);
        let errors = placed.into_iter().map(|(place, message)| match fields.get(place) {
            Some(field) => FieldError { field: field.name(), label: field.label, message },
            None => FieldError { field: String::new(), label: "", message },
        });
        FormErrors(errors.collect())
    }

    /// What is wrong with one field.
    pub(super) fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    /// Whether this is the first wrong field, where the typing should go on.
    pub(super) fn begin_at(&self, field: &str) -> bool {
        self.0.iter().find(|error| !error.field.is_empty()).is_some_and(|error| error.field == field)
    }
}

/// The field that a path leads to: its own, else the first one below it, else the one that it is a part of.
fn place(fields: &[&Field], path: &str) -> Option<usize> {
    let below = format!("{path}.");
    let found = fields.iter().position(|field| field.path == path);
    let found = found.or_else(|| fields.iter().position(|field| field.path.starts_with(&below)));
    found.or_else(|| place(fields, path.rsplit_once('.')?.0))
}

#[cfg(test)]
mod tests;
