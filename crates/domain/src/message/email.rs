//! An event as a mail: a subject of one line, and plain text below. How it is written down for a mail server is the engine's business.

use std::time::Duration;

use super::compose::{Head, Unfit, unrendered};
use crate::destination::definition::Email;
use crate::event::Origin;
use crate::outbound::mail::{Mail, sender};
use crate::template::Context;

/// The longest subject; ours, so that it stays a line.
const SUBJECT_UNITS_MAX: usize = 200;

/// Says what fired, when, and with what payload, or what the owner's templates say.
pub(super) fn mail(context: &Context<'_>, email: &Email, head: &Head<'_>, timeout: Duration) -> Result<Mail, Unfit> {
    let event = context.event;
    let subject = match &email.subject {
        Some(subject) => {
            let subject = subject.render(context).map_err(|fault| unrendered("email.subject", "subject", fault))?;
            super::fit(&subject, SUBJECT_UNITS_MAX, |c, out| out.push(c))
        }
        None => super::headline(event, SUBJECT_UNITS_MAX, |c, out| out.push(c)),
    };
    let text = match &email.text {
        Some(text) => text.render(context).map_err(|fault| unrendered("email.text", "text", fault))?,
        None => {
            let page = head.source.page(event);
            let signed = match event.origin {
                Origin::Alert => format!("Destinations: {page}"),
                _ => format!("Trigger {}: {page}", event.trigger),
            };
            format!("{}\n-- \n{signed}\n{}\n", super::told(event), event.message_id)
        }
    };
    Ok(Mail {
        server: email.server.clone(),
        from: email.from.clone(),
        to: email.to.clone(),
        subject,
        text,
        message_id: head.message_id.to_string(),
        sender: sender(&head.source.public_url),
        sent_at: head.attempt_at,
        timeout,
    })
}
