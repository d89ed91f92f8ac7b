//! The inbox: a receiver inside oncue that shows what arrived as a receiver would see it, and answers as it is told to, so that a first
//! delivery and a first failure need nothing else.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::Secrets;
use super::call::Call;
use super::fields::{Fields, span_text};
use super::kind::Kind;

/// The longest that an inbox lets one wait: as long as the longest exchange.
const DELAY_MAX: SignedDuration = SignedDuration::from_secs(30);

/// `inbox`: `{"status": 200, "delay": "0s"}`; all of it may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// What it answers: 200 to 599.
    pub status: u16,
    /// How long it takes to: at most 30 seconds. Beyond the timeout of the destination there is no answer.
    pub delay: SignedDuration,
    /// How it is asked.
    pub call: Call,
}

impl Inbox {
    pub(super) fn read(fields: &mut Fields<'_>, former: Option<&Kind>) -> Option<Inbox> {
        let (mut status, mut delay) = (None, None);
        if let Some(mut inner) = fields.object("inbox") {
            status = inner.number("status", 200, 599);
            delay = inner.span("delay", SignedDuration::ZERO, DELAY_MAX);
            fields.close(inner);
        }
        let is_same = matches!(former, Some(Kind::Inbox(_)));
        let call = Call::read(fields, former, is_same)?;
        let status = u16::try_from(status.unwrap_or(200)).expect("it is at most 599");
        Some(Inbox { status, delay: delay.unwrap_or_default(), call })
    }

    pub(super) fn write(&self, object: &mut Map<String, Value>, secrets: Secrets) {
        object.insert("inbox".to_owned(), json!({"status": self.status, "delay": span_text(self.delay)}));
        self.call.write(object, secrets);
    }
}
