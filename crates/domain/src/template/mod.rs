//! Templates: texts of a user's own for bodies, header values, single lines and addresses, in the grammar of Jinja. minijinja
//! reads them; what they come to is worked out here, because three things matter that its own machine does not give: memory is
//! bounded and not the number of instructions alone, numbers of a payload stay as they were written, and what is missing is
//! named. No files, no functions, no other templates, no clock: the same template and the same context give the same text.
//!
//! To read it: `grammar` and `check` decide what may be saved, `statement` and `expression` render it, `filter` lists what can be done
//! with a value, `context` what can be named, `address` what holds for addresses.

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::error::Invalid;

mod address;
mod check;
mod context;
mod expression;
mod filter;
mod grammar;
mod json;
mod number;
mod statement;
mod value;
mod work;

#[cfg(test)]
mod tests;

pub use address::AddressTemplate;
pub use context::{Context, Occurrence, Shared};

use expression::Scene;
use statement::Rendering;
use work::Halt;

/// The longest template in bytes.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The longest body that a template may come to, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The longest header value that a template may come to, in bytes.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;

/// The longest line or address that a template may come to, in bytes.
pub const LINE_BYTES_MAX: usize = 2 * 1024;

/// What the templates of one attempt may do together: a step for each part of an expression, and one for each so many bytes that are
/// touched. Enough to write a payload of the greatest size several times over; some tens of milliseconds at most.
const STEPS_MAX: usize = 100_000;

/// What begins a placeholder, a statement or a remark.
const OPENINGS: [&str; 3] = ["{{", "{%", "{#"];

/// How many bytes cost as much as a step.
const BYTES_PER_STEP: usize = 64;

/// What is encoded in a component of an address: all but the unreserved characters (RFC 3986 §2.3).
const COMPONENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the text goes to, and so what it must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The body of a request: any text. Values are inserted as text, `| tojson` makes JSON of them.
    Body,
    /// The value of a header: visible ASCII, spaces and tabs (RFC 9110 §5.5); white space at its ends is taken off.
    HeaderValue,
    /// A single line for people, as a subject or a title: any text without controls; white space at its ends is taken off.
    Line,
    /// An address; [`AddressTemplate`] alone makes these.
    Address,
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Place::Body => "the body",
            Place::HeaderValue => "the header value",
            Place::Line => "the line",
            Place::Address => "the address",
        }
    }

    fn bytes_max(self) -> usize {
        match self {
            Place::Body => BODY_BYTES_MAX,
            Place::HeaderValue => HEADER_BYTES_MAX,
            Place::Line | Place::Address => LINE_BYTES_MAX,
        }
    }

    /// Why this text must not stand there.
    fn refuses(self, text: &str) -> Option<Halt> {
        let refused = |c: &char| match self {
            Place::Body => false,
            // What values hold is encoded; this is about the text between them.
            Place::Address => c.is_whitespace() || c.is_control() || matches!(c, '#' | '\\'),
            Place::HeaderValue => !matches!(c, '\t' | ' '..='~'),
            Place::Line => c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'),
        };
        let found = text.chars().find(refused)?;
        let hint = if self == Place::HeaderValue && !found.is_ascii() { "; | urlencode makes it fit" } else { "" };
        let shown = if found.is_control() { String::new() } else { format!(" ({found})") };
        Some(Halt::new(format!("{} must not hold the character U+{:04X}{shown}{hint}", self.word(), u32::from(found))))
    }
}

/// A template that was checked: it is one, and every name it uses exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Arc<str>,
    place: Place,
    /// Whether its text mentions the payload, which it must to use it; none but those who do pay for a look into one.
    names_payload: bool,
}

impl Template {
    /// Reads a template for `place`.
    ///
    /// Refused are texts that are no template, names that do not exist, on whatever branch they stand, and what could not be
    /// bounded. Fields of the payload are the user's own: whether they are there is known only when it is rendered. A template
    /// that does without the payload is rendered once to see that it works.
    ///
    /// # Errors
    /// With line, column and words; the field of the error is left empty for the caller to fill.
    pub fn parse(text: &str, place: Place) -> Result<Template, Invalid> {
        Template::checked(text, place).map_err(|fault| Invalid::new("", fault.to_string()))
    }

    fn checked(text: &str, place: Place) -> Result<Template, Fault> {
        let used = check::check(text, &grammar::parsed(text)?, place)?;
        let template = Template::stored(text, place);
        if !used.payload {
            context::samples(|context| template.render(context).map(drop).map_err(|fault| fault.in_sample(context)))?;
        }
        Ok(template)
    }

    /// A template that was read before. It is not looked at: should it be none after all, rendering it says so.
    pub fn stored(text: &str, place: Place) -> Template {
        Template { text: Arc::from(text), place, names_payload: text.contains("payload") }
    }

    /// Whether a text has no placeholders, and so is the same for every event.
    pub fn is_plain(text: &str) -> bool {
        !OPENINGS.iter().any(|opening| text.contains(opening))
    }

    /// The text, as its author wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the text goes to.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Renders it.
    ///
    /// # Errors
    /// When it writes or works with a field of the payload that is not there, when values are not of the kind that is needed,
    /// or when the text would not fit its place.
    pub fn render(&self, context: &Context<'_>) -> Result<String, Fault> {
        let work = &context.shared.work;
        // Whoever renders reads the text, too.
        work.bytes(self.text.len()).map_err(|halt| Fault::new(&self.text, 0, halt))?;
        let scene = Scene { source: &self.text, work, zones: context.zones, names: context.names(self.names_payload) };
        let mut rendering = Rendering { scene, place: self.place, out: String::new() };
        let template = grammar::parsed(&self.text)?;
        rendering.run(std::slice::from_ref(&template))?;
        let out = rendering.out;
        Ok(match self.place {
            Place::HeaderValue | Place::Line => out.trim().to_owned(),
            Place::Body | Place::Address => out,
        })
    }
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from one.
    pub line: usize,
    /// The character in the line, counted from one.
    pub column: usize,
    /// What is wrong, without a full stop.
    pub message: String,
}

impl Fault {
    fn new(text: &str, offset: u32, halt: Halt) -> Fault {
        let before = text.get(..offset as usize).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Fault {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: halt.0.into_owned(),
        }
    }

    /// Says so where it takes an event without a schedule to make it fail: whoever wrote the template thinks of the other.
    fn in_sample(mut self, context: &Context<'_>) -> Fault {
        if context.event.scheduled_at.is_none() {
            self.message.push_str(" (as when no schedule made the event; | default(…) takes the place of null)");
        }
        self
    }

    fn on_line(text: &str, line: usize, message: String) -> Fault {
        Fault { line: line.min(text.lines().count().max(1)), column: 1, message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line {}, column {}: {}.", self.line, self.column, self.message)
    }
}

impl std::error::Error for Fault {}
