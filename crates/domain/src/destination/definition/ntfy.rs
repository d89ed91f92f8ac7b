//! ntfy: a destination that shows a message on the phones that listen to a topic.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::Url;

use super::Secrets;
use super::call::{read_headers, write_headers};
use super::fields::Fields;
use super::kind::{Kind, read_address, read_part, read_secret};
use super::secret::{HeaderValue, Secret};
use crate::template::{Place, Template};

/// Where ntfy itself answers.
const SERVER: &str = "https://ntfy.sh/";

/// The longest topic, as ntfy has it.
const TOPIC_CHARS_MAX: usize = 64;

/// How many tags a message may have, and how long each may be.
const TAGS_MAX: usize = 10;
const TAG_CHARS_MAX: usize = 64;

/// `ntfy`: `{"server": "https://ntfy.sh", "topic": "backups", "token": "…", "priority": 4, "tags": ["warning"],
/// "title": "…", "message": "…"}`; all but the topic may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ntfy {
    /// The address of the server; messages as JSON go to its root.
    pub server: Url,
    /// The topic.
    pub topic: String,
    /// With what oncue may publish there.
    pub token: Option<Secret>,
    /// From 1, the least urgent, to 5; the server's choice where there is none.
    pub priority: Option<u32>,
    /// Words, or names of emoji, beside the title.
    pub tags: Vec<String>,
    /// The title, in place of oncue's own.
    pub title: Option<Template>,
    /// The text, in place of oncue's own.
    pub message: Option<Template>,
    /// What is added to oncue's own headers.
    pub headers: BTreeMap<String, HeaderValue>,
}

impl Ntfy {
    pub(super) fn read(fields: &mut Fields<'_>, former: Option<&Kind>) -> Option<Ntfy> {
        let headers = former.and_then(Kind::headers);
        let former = match former {
            Some(Kind::Ntfy(former)) => Some(former),
            _ => None,
        };
        let mut inner = read_part(fields, "ntfy")?;
        let server = read_server(&mut inner);
        let is_same = former.zip(server.as_ref()).is_some_and(|(former, server)| former.server == *server);
        let topic = inner.needed_text("topic", "the topic that phones listen to");
        let topic = topic.and_then(|topic| inner.note("topic", read_topic(topic)));
        let token = read_secret(&mut inner, "token", former.and_then(|former| former.token.as_ref()), is_same);
        let priority = inner.number("priority", 1, 5);
        let tags = read_tags(&mut inner);
        let (title, message) = (inner.template("title", Place::Line), inner.template("message", Place::Body));
        fields.close(inner);
        let headers = read_headers(fields, headers, is_same)?;
        if token.is_some() && headers.contains_key("authorization") {
            fields.refuse("headers.authorization", "The token is this header already; leave one of the two out.");
            return None;
        }
        Some(Ntfy { server: server?, topic: topic?, token, priority, tags: tags?, title, message, headers })
    }

    pub(super) fn write(&self, object: &mut Map<String, Value>, secrets: Secrets) {
        let mut part = json!({
            "server": self.server.as_str(),
            "topic": self.topic,
            "priority": self.priority,
            "tags": self.tags,
        });
        if let Some(token) = &self.token {
            part["token"] = secrets.write(token.expose());
        }
        for (name, template) in [("title", &self.title), ("message", &self.message)] {
            if let Some(template) = template {
                part[name] = json!(template.as_str());
            }
        }
        object.insert("ntfy".to_owned(), part);
        object.insert("headers".to_owned(), write_headers(&self.headers, secrets));
    }
}

fn read_server(inner: &mut Fields<'_>) -> Option<Url> {
    if !inner.has("server") {
        inner.take("server");
        return Some(Url::parse(SERVER).expect("the constant is an address"));
    }
    let server = read_address(inner, "server", "the address of the server")?;
    if server.path() != "/" || server.query().is_some() {
        inner.refuse(
            "server",
            "This is the address of the server alone, like https://ntfy.sh; the topic stands in `topic`.",
        );
        return None;
    }
    Some(server)
}

fn read_topic(text: &str) -> Result<String, String> {
    let is_topic = (1..=TOPIC_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_topic
        .then(|| text.to_owned())
        .ok_or_else(|| format!("A topic has 1 to {TOPIC_CHARS_MAX} letters, digits, hyphens and underscores."))
}

fn read_tags(inner: &mut Fields<'_>) -> Option<Vec<String>> {
    let tags = inner.list("tags", TAGS_MAX).iter().map(|value| {
        let tag = value.as_str().unwrap_or_default();
        // ntfy parts tags at commas.
        let is_tag =
            (1..=TAG_CHARS_MAX).contains(&tag.chars().count()) && !tag.contains(|c: char| c.is_control() || c == ',');
        is_tag.then(|| tag.to_owned())
    });
    let tags: Option<Vec<String>> = tags.collect();
    inner
        .note("tags", tags.ok_or_else(|| format!("A tag is a text of 1 to {TAG_CHARS_MAX} characters without commas.")))
}
