//! Addresses with placeholders. A value may fill a part of the path or of the query, encoded so that it stays inside it; whom
//! deliveries go to, that is scheme, host and port, stands in the template itself and is the same for every event. The
//! guard judges what comes out, as it judges every address.

use url::{Position, Url};

use super::{Context, Fault, Halt, LINE_BYTES_MAX, OPENINGS, Place, Template};
use crate::destination::Webhook;
use crate::error::Invalid;

/// How a URL parser spells the segments that climb or stay (WHATWG URL, "double-dot" and "single-dot URL path segment").
const DOT_SEGMENTS: [&str; 6] = [".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"];

/// An address that was checked, with placeholders or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTemplate {
    text: String,
    filled: Filled,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Filled {
    /// Always the same.
    Plain(Url),
    /// Filled in for every event. The address is what comes before the path, with `/` behind it.
    Each(Template, Url),
}

impl AddressTemplate {
    /// Reads an address. Without placeholders it is read as [`Webhook::parse`] reads it.
    ///
    /// # Errors
    /// When it is no `http` or `https` address, when placeholders stand elsewhere than in path or query, or when they are
    /// no template; the field of the error is left empty for the caller to fill.
    pub fn parse(text: &str) -> Result<AddressTemplate, Invalid> {
        if OPENINGS.iter().any(|opening| text.match_indices(opening).any(|(at, _)| ends_half_encoded(&text[..at]))) {
            return Err(Invalid::new(
                "",
                "A placeholder stands right behind a % sign, so that its value would be read as a part of it; values are encoded \
                 by themselves, and a % sign is written as %25.",
            ));
        }
        AddressTemplate::read(text, |text| Template::parse(text, Place::Address))
    }

    /// An address that was read before, as [`AddressTemplate::as_str`] gives it to whoever stores it: its placeholders are not tried again.
    ///
    /// # Errors
    /// When it is not that.
    pub fn stored(text: &str) -> Result<AddressTemplate, Invalid> {
        AddressTemplate::read(text, |text| Ok(Template::stored(text, Place::Address)))
    }

    fn read(text: &str, template: impl FnOnce(&str) -> Result<Template, Invalid>) -> Result<AddressTemplate, Invalid> {
        let text = text.to_owned();
        let Some(opening) = OPENINGS.iter().filter_map(|opening| text.find(opening)).min() else {
            let filled = Filled::Plain(plain(&text)?);
            return Ok(AddressTemplate { text, filled });
        };
        if text.len() > LINE_BYTES_MAX {
            return Err(Invalid::new("", format!("The address has more than {LINE_BYTES_MAX} bytes.")));
        }
        let end = authority_end(&text)?;
        if opening < end {
            return Err(Invalid::new(
                "",
                "Placeholders may stand in the path and in the query of an address only, not in its scheme, host or port.",
            ));
        }
        let base = plain(&format!("{}/", &text[..end]))?;
        if text[end..].split(['/', '?']).any(is_dot_segment) {
            return Err(Invalid::new("", "The address has a path segment . or ..; write the path that is meant."));
        }
        let template = template(&text)?;
        Ok(AddressTemplate { text, filled: Filled::Each(template, base) })
    }

    /// The text, as its author wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address itself where it has no placeholders, and otherwise what is known of it: scheme, host and port.
    pub fn known(&self) -> &Url {
        match &self.filled {
            Filled::Plain(url) | Filled::Each(_, url) => url,
        }
    }

    /// Who takes what is sent there, as far as an address can tell it: all but its query. Many share a host, and are told apart by the
    /// path. Where a placeholder stands before the query, the whole address.
    pub fn receiver(&self) -> String {
        match &self.filled {
            Filled::Plain(url) => url[..Position::AfterPath].to_owned(),
            Filled::Each(..) => {
                let opening = OPENINGS.iter().filter_map(|opening| self.text.find(opening)).min();
                let query = self.text.find('?').filter(|query| opening.is_none_or(|opening| *query < opening));
                let before_query = query.map(|query| &self.text[..query]);
                // As a plain address would be written.
                before_query.map_or_else(
                    || self.text.clone(),
                    |text| Url::parse(text).map_or_else(|_| text.to_owned(), String::from),
                )
            }
        }
    }

    /// Whether every event goes to the same address.
    pub fn is_plain(&self) -> bool {
        matches!(self.filled, Filled::Plain(_))
    }

    /// The address for one event. Its scheme, host and port are those of [`AddressTemplate::known`].
    ///
    /// # Errors
    /// When the template cannot be rendered, or when a value would leave its place in the address.
    pub fn render(&self, context: &Context<'_>) -> Result<Url, Fault> {
        let (template, base) = match &self.filled {
            Filled::Plain(url) => return Ok(url.clone()),
            Filled::Each(template, base) => (template, base),
        };
        let text = template.render(context)?;
        let refused = |words: String| Fault::new(&self.text, 0, Halt::new(words));
        let path = text.split('?').next().unwrap_or_default();
        if path.split('/').any(is_dot_segment) {
            return Err(refused("a value would make a path segment . or .., which leads elsewhere".to_owned()));
        }
        let url = plain(&text).map_err(|invalid| refused(invalid.message.trim_end_matches('.').to_owned()))?;
        if url.origin() != base.origin() {
            return Err(refused("a value would lead to another host".to_owned()));
        }
        Ok(url)
    }
}

fn plain(text: &str) -> Result<Url, Invalid> {
    Webhook::parse(text, None).map(|webhook| webhook.url).map_err(|refusal| Invalid::new("", refusal.to_string()))
}

/// Where scheme, host and port end.
fn authority_end(text: &str) -> Result<usize, Invalid> {
    let start = ["https://", "http://"]
        .iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
        .map(|scheme| scheme.len())
        .ok_or_else(|| Invalid::new("", "The webhook address must begin with https:// or http://."))?;
    Ok(text[start..].find(['/', '?', '#', '\\']).map_or(text.len(), |end| start + end))
}

/// Whether the text ends in the middle of a percent-encoded byte (RFC 3986 §2.1).
fn ends_half_encoded(text: &str) -> bool {
    match text.as_bytes() {
        [.., b'%'] => true,
        [.., b'%', digit] => digit.is_ascii_hexdigit(),
        _ => false,
    }
}

fn is_dot_segment(segment: &str) -> bool {
    DOT_SEGMENTS.iter().any(|dots| segment.eq_ignore_ascii_case(dots))
}
