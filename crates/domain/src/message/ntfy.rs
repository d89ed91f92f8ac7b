//! An event as a message for ntfy, in the form "Publish as JSON" of its documentation: a title, and a text of at most 4096 bytes, beyond
//! which ntfy would make an attachment of it.

use serde::Serialize;

use super::compose::{Unfit, unrendered};
use crate::destination::definition::Ntfy;
use crate::outbound::Headers;
use crate::template::Context;

/// The longest title; ours, so that it stays a line.
const TITLE_UNITS_MAX: usize = 200;

/// The longest text, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The body of the request.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    topic: &'a str,
    title: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
}

impl<'a> Message<'a> {
    /// Says what fired, when, and with what payload, or what the owner's templates say.
    pub(super) fn new(context: &Context<'_>, ntfy: &'a Ntfy) -> Result<Message<'a>, Unfit> {
        let title = match &ntfy.title {
            Some(title) => {
                let title = title.render(context).map_err(|fault| unrendered("ntfy.title", "title", fault))?;
                super::fit(&title, TITLE_UNITS_MAX, |c, out| out.push(c))
            }
            None => super::headline(context.event, TITLE_UNITS_MAX, |c, out| out.push(c)),
        };
        let message = match &ntfy.message {
            Some(message) => message.render(context).map_err(|fault| unrendered("ntfy.message", "message", fault))?,
            None => super::told(context.event),
        };
        Ok(Message {
            topic: &ntfy.topic,
            title,
            message: fit_bytes(message),
            priority: ntfy.priority,
            tags: &ntfy.tags,
        })
    }
}

/// Who publishes, and what the owner added.
pub(super) fn headers(ntfy: &Ntfy, context: &Context<'_>) -> Result<Headers, Unfit> {
    let token = ntfy.token.iter().map(|token| ("authorization".into(), format!("Bearer {}", token.expose())));
    let added = super::compose::added(&ntfy.headers, context)?;
    Ok(token.chain(added).collect())
}

fn fit_bytes(mut text: String) -> String {
    const CUT: &str = "…";
    if text.len() > MESSAGE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX - CUT.len()));
        text.push_str(CUT);
    }
    text
}
