//! Reading one JSON object field by field. Everything that is wrong is noted and reading goes on, so that a user is told all of it
//! at once; what nobody asked for is unknown, and said to be. What a field may hold is decided by whoever asks for it.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::error::Invalid;
use crate::template::{Place, Template};

/// How many unknown fields are named; whoever sent more has seen the point.
const UNKNOWN_NAMED_MAX: usize = 10;

/// How much of an unknown field's name is repeated.
const UNKNOWN_NAME_CHARS_MAX: usize = 64;

/// The fields of one JSON object that nobody has asked for yet, and what was wrong with those that somebody has.
pub(super) struct Fields<'a> {
    path: String,
    left: Vec<(&'a str, &'a Value)>,
    asked: Vec<&'static str>,
    wrong: Vec<Invalid>,
    is_lenient: bool,
    is_stored: bool,
}

impl<'a> Fields<'a> {
    /// Opens an object; `path` is where it stands, empty for the top.
    pub(super) fn of(object: &'a Map<String, Value>, path: &str) -> Fields<'a> {
        let left = object.iter().map(|(name, value)| (name.as_str(), value)).collect();
        Fields {
            path: path.to_owned(),
            left,
            asked: Vec::new(),
            wrong: Vec::new(),
            is_lenient: false,
            is_stored: false,
        }
    }

    /// Opens what a store keeps: it was checked when it was saved.
    pub(super) fn of_stored(object: &'a Map<String, Value>) -> Fields<'a> {
        Fields { is_stored: true, ..Fields::of(object, "") }
    }

    /// Whether a store keeps this: then rules that hold for what is said anew are not asked again. A stricter rule of a later version
    /// must not take away what was allowed before, and looking a destination up must cost no more than reading it.
    pub(super) fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// A template for that place, checked where it is new.
    pub(super) fn parse_template(&self, text: &str, place: Place) -> Result<Template, String> {
        if self.is_stored {
            return Ok(Template::stored(text, place));
        }
        Template::parse(text, place).map_err(|invalid| invalid.message)
    }

    /// What stands in a field; none where there is nothing or null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        let at = self.left.iter().position(|(left, _)| *left == name)?;
        let (_, value) = self.left.swap_remove(at);
        (!value.is_null()).then_some(value)
    }

    /// Whether something stands in a field that nobody has asked for yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(left, value)| *left == name && !value.is_null())
    }

    /// The path of one of its fields.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Notes what is wrong with a field.
    pub(super) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        let field = self.path(name);
        self.wrong.push(Invalid::new(field, message));
    }

    /// Whether something wrong was noted about a field.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        let field = self.path(name);
        self.wrong.iter().any(|wrong| wrong.field == field)
    }

    /// Gives what was read well, and notes what was not.
    pub(super) fn note<T>(&mut self, name: &str, read: Result<T, impl Into<String>>) -> Option<T> {
        read.map_err(|message| self.refuse(name, message)).ok()
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.take(name)?;
        self.note(name, value.as_str().ok_or("This must be a text in quotes."))
    }

    /// A text that must be there.
    pub(super) fn needed_text(&mut self, name: &'static str, what: &str) -> Option<&'a str> {
        let is_there = self.has(name);
        let text = self.text(name);
        if !is_there {
            self.refuse(name, format!("This is missing: {what}."));
        }
        text
    }

    /// A template that may be none; an empty text is none.
    pub(super) fn template(&mut self, name: &'static str, place: Place) -> Option<Template> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        let template = self.parse_template(text, place);
        self.note(name, template)
    }

    /// Yes or no; no where nothing stands.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        let Some(value) = self.take(name) else { return false };
        self.note(name, value.as_bool().ok_or("This must be true or false.")).unwrap_or_default()
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, name: &'static str, least: u32, most: u32) -> Option<u32> {
        let value = self.take(name)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        let within = number.filter(|number| (least..=most).contains(number));
        self.note(name, within.ok_or_else(|| format!("This must be a whole number from {least} to {most}.")))
    }

    /// A length of time within bounds, to the millisecond.
    pub(super) fn span(
        &mut self,
        name: &'static str,
        least: SignedDuration,
        most: SignedDuration,
    ) -> Option<SignedDuration> {
        let value = self.take(name)?;
        let read = span_of(value, least, most);
        self.note(name, read)
    }

    /// A list of at most so many; empty where nothing stands.
    pub(super) fn list(&mut self, name: &'static str, most: usize) -> &'a [Value] {
        let Some(value) = self.take(name) else { return &[] };
        match value.as_array() {
            Some(values) if values.len() <= most => values,
            Some(_) => {
                self.refuse(name, format!("At most {most} are allowed."));
                &[]
            }
            None => {
                self.refuse(name, "This must be a list in square brackets.");
                &[]
            }
        }
    }

    /// An object inside this one, which is given back with [`Fields::close`].
    pub(super) fn object(&mut self, name: &'static str) -> Option<Fields<'a>> {
        let value = self.take(name)?;
        let object = self.note(name, value.as_object().ok_or("This must be an object in curly brackets."))?;
        Some(Fields { is_stored: self.is_stored, ..Fields::of(object, &self.path(name)) })
    }

    /// Ends the reading of an inner object: what was wrong in there is wrong in here.
    pub(super) fn close(&mut self, inner: Fields<'_>) {
        self.wrong.extend(inner.finish());
    }

    /// From now on unknown fields are no error: what they are cannot be told, because something else is wrong.
    pub(super) fn forgive_unknown(&mut self) {
        self.is_lenient = true;
    }

    /// Everything that is wrong, unknown fields included.
    pub(super) fn finish(mut self) -> Vec<Invalid> {
        if self.is_lenient {
            return self.wrong;
        }
        let known = self.asked.join(", ");
        for (name, _) in std::mem::take(&mut self.left).into_iter().take(UNKNOWN_NAMED_MAX) {
            let name: String = name.chars().filter(|c| !c.is_control()).take(UNKNOWN_NAME_CHARS_MAX).collect();
            self.refuse(&name, format!("There is no such setting here; there are {known}."));
        }
        self.wrong
    }
}

/// Reads a length of time: `"90s"`, `"1h 30m"` or ISO 8601 like `"PT90S"`.
///
/// # Errors
/// When it is none, or out of bounds.
pub(super) fn span_of(value: &Value, least: SignedDuration, most: SignedDuration) -> Result<SignedDuration, String> {
    let text = value.as_str().unwrap_or_default();
    let span: Option<SignedDuration> = text.trim().parse().ok();
    span.filter(|span| (least..=most).contains(span) && span.subsec_nanos() % 1_000_000 == 0).ok_or_else(|| {
        format!("This must be a time from {least:#} to {most:#}, written like \"90s\", \"5m\" or \"2h\".")
    })
}

/// A length of time as [`span_of`] reads it.
pub(super) fn span_text(span: SignedDuration) -> Value {
    Value::String(format!("{span:#}"))
}
