//! A value that its user typed once and that nobody is shown again: a token, a password, what stands behind a header's name. It
//! leaves these types only where a request is written or a store keeps it.

use std::fmt;

use crate::error::Invalid;
use crate::template::{Context, Fault, Place, Template};

/// A text that is never shown and never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text in.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for whoever sends or stores it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The value of a header: a secret text that may hold placeholders.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderValue(Text);

#[derive(Clone, PartialEq, Eq)]
enum Text {
    // Nearly all are, and reading a template costs more than the rest of a request.
    Plain(String),
    Each(Template),
}

impl HeaderValue {
    /// Reads a value as it is typed; white space at its ends is taken off.
    ///
    /// # Errors
    /// When it is no template for a header; the field of the error is left empty.
    pub fn parse(text: &str) -> Result<HeaderValue, Invalid> {
        // A line break that stands in the text itself would be in every request.
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Invalid::new("", "The value of a header has no line breaks and no other control characters."));
        }
        let text = text.trim_matches([' ', '\t']);
        let template = Template::parse(text, Place::HeaderValue)?;
        Ok(HeaderValue::of(template))
    }

    /// A value that was read before, as [`HeaderValue::expose`] gives it to whoever stores it.
    pub fn stored(text: &str) -> HeaderValue {
        HeaderValue::of(Template::stored(text, Place::HeaderValue))
    }

    fn of(template: Template) -> HeaderValue {
        let is_plain = Template::is_plain(template.as_str());
        HeaderValue(if is_plain { Text::Plain(template.as_str().to_owned()) } else { Text::Each(template) })
    }

    /// The text as it was typed, for whoever stores it.
    pub fn expose(&self) -> &str {
        match &self.0 {
            Text::Plain(text) => text,
            Text::Each(template) => template.as_str(),
        }
    }

    /// The value for one event.
    ///
    /// # Errors
    /// When the template cannot be rendered, or comes to what no header may hold.
    pub fn render(&self, context: &Context<'_>) -> Result<String, Fault> {
        match &self.0 {
            Text::Plain(text) => Ok(text.clone()),
            Text::Each(template) => template.render(context),
        }
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderValue(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
        let value = HeaderValue::parse(" hunter2{{ trigger.id }} ").expect("a value");
        assert_eq!(format!("{value:?}"), "HeaderValue(…)");
        assert_eq!(value.expose(), "hunter2{{ trigger.id }}");
    }
}
