//! Mail: a destination that is reached through a mail server of the user's own. What an address and a server's name are is read by
//! `outbound::mail`, out of which nothing comes that could end a line of the dialogue or of a mail's head early.

use serde_json::{Map, Value, json};

use super::Secrets;
use super::fields::Fields;
use super::kind::{Kind, read_part, read_secret};
use super::secret::Secret;
use crate::outbound::mail::{Login, Mailbox, RECIPIENTS_MAX, Security, Server};
use crate::template::{Place, Template};

/// The longest name that one logs in with, in characters.
const USER_CHARS_MAX: usize = 256;

/// `email`: `{"host": "smtp.example.com", "port": 587, "security": "starttls", "user": "ann", "password": "…",
/// "from": "oncue@example.com", "to": ["Ann <ann@example.com>"], "subject": "…", "text": "…"}`. Without `security` it is `tls`, without a port the usual one of
/// that; user and password go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// Who takes it.
    pub server: Server,
    /// Who writes.
    pub from: Mailbox,
    /// Who is written to; one at least, and at most [`RECIPIENTS_MAX`].
    pub to: Vec<Mailbox>,
    /// The subject, in place of oncue's own.
    pub subject: Option<Template>,
    /// The text, in place of oncue's own.
    pub text: Option<Template>,
}

impl Email {
    pub(super) fn read(fields: &mut Fields<'_>, former: Option<&Kind>) -> Option<Email> {
        let former = match former {
            Some(Kind::Email(former)) => Some(&former.server),
            _ => None,
        };
        let mut inner = read_part(fields, "email")?;
        let server = read_server(&mut inner, former);
        let from = inner.needed_text("from", "the address that writes");
        let from = from.and_then(|from| inner.note("from", Mailbox::parse(from)));
        let to = read_to(&mut inner);
        let (subject, text) = (inner.template("subject", Place::Line), inner.template("text", Place::Body));
        fields.close(inner);
        Some(Email { server: server?, from: from?, to: to?, subject, text })
    }

    pub(super) fn write(&self, object: &mut Map<String, Value>, secrets: Secrets) {
        let to: Vec<String> = self.to.iter().map(Mailbox::to_string).collect();
        let mut part = json!({
            "host": self.server.host.to_string(),
            "port": self.server.port,
            "security": word(self.server.security),
            "from": self.from.to_string(),
            "to": to,
        });
        if let Some(login) = &self.server.login {
            part["user"] = json!(login.user);
            part["password"] = secrets.write(&login.password);
        }
        for (name, template) in [("subject", &self.subject), ("text", &self.text)] {
            if let Some(template) = template {
                part[name] = json!(template.as_str());
            }
        }
        object.insert("email".to_owned(), part);
    }
}

fn word(security: Security) -> &'static str {
    match security {
        Security::Tls => "tls",
        Security::StartTls => "starttls",
    }
}

/// RFC 8314 §3.3 and RFC 6409 §3.1.
fn usual_port(security: Security) -> u16 {
    match security {
        Security::Tls => 465,
        Security::StartTls => 587,
    }
}

fn read_server(inner: &mut Fields<'_>, former: Option<&Server>) -> Option<Server> {
    let host = inner.needed_text("host", "the mail server");
    let host = host.and_then(|host| inner.note("host", Server::parse_host(host)));
    let security = read_security(inner);
    let port = inner.number("port", 1, u32::from(u16::MAX)).and_then(|port| u16::try_from(port).ok());
    let port = port.or(security.map(usual_port));
    let is_same = former.is_some_and(|former| Some(&former.host) == host.as_ref() && Some(former.port) == port);
    let login = read_login(inner, former.and_then(|former| former.login.as_ref()), is_same);
    Some(Server { host: host?, port: port?, security: security?, login })
}

fn read_login(inner: &mut Fields<'_>, former: Option<&Login>, is_same_receiver: bool) -> Option<Login> {
    let user = read_user(inner);
    let former = former.filter(|_| user.is_some()).map(|login| Secret::new(login.password.as_str()));
    let password = read_secret(inner, "password", former.as_ref(), is_same_receiver);
    if user.is_some() != password.is_some() && !inner.is_refused("password") && !inner.is_refused("user") {
        inner.refuse("password", "User and password go together: name both or none.");
    }
    user.zip(password).map(|(user, password)| Login { user, password: password.expose().to_owned() })
}

fn read_user(inner: &mut Fields<'_>) -> Option<String> {
    let text = inner.text("user").filter(|text| !text.is_empty())?;
    let is_user = text.chars().count() <= USER_CHARS_MAX && !text.chars().any(char::is_control);
    let read = is_user.then(|| text.to_owned());
    inner.note("user", read.ok_or_else(|| format!("This has at most {USER_CHARS_MAX} characters, and no line breaks.")))
}

fn read_security(inner: &mut Fields<'_>) -> Option<Security> {
    if !inner.has("security") {
        inner.take("security");
        return Some(Security::Tls);
    }
    let text = inner.text("security")?;
    let security = [Security::Tls, Security::StartTls].into_iter().find(|security| word(*security) == text);
    inner.note("security", security.ok_or("This must be \"tls\" or \"starttls\"."))
}

fn read_to(inner: &mut Fields<'_>) -> Option<Vec<Mailbox>> {
    let values = inner.list("to", RECIPIENTS_MAX);
    if values.is_empty() && !inner.is_refused("to") {
        inner.refuse("to", format!("This is missing: a list of 1 to {RECIPIENTS_MAX} addresses."));
        return None;
    }
    let read: Result<Vec<Mailbox>, String> =
        values.iter().map(|value| Mailbox::parse(value.as_str().unwrap_or_default())).collect();
    inner.note("to", read)
}
