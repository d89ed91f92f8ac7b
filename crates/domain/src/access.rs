//! Who may do what: users, their sessions and their API keys, as values. How a password is hashed and a token signed is
//! the web's business; what is kept of either stands here.

use jiff::Timestamp;

use crate::id::{ApiKeyId, UserId};

/// Somebody who owns triggers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their number.
    pub id: UserId,
    /// Their e-mail address as they typed it.
    pub email: String,
    /// Whether the server as a whole is theirs: the first account's.
    pub is_operator: bool,
    /// When they were made.
    pub created_at: Timestamp,
    /// Since when they may not enter any more.
    pub disabled_at: Option<Timestamp>,
    /// How they like their pages.
    pub preferences: Preferences,
}

/// How somebody likes their pages. Nothing that fires depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// The IANA zone they live in; none means the server's.
    pub zone: Option<String>,
    /// In which zone times are shown.
    pub shown_in: ShownIn,
    /// The colours.
    pub theme: Theme,
    /// Whether single keys are shortcuts (WCAG 2.2, 2.1.4).
    pub shortcuts: bool,
}

impl Default for Preferences {
    fn default() -> Preferences {
        Preferences { zone: None, shown_in: ShownIn::Mine, theme: Theme::System, shortcuts: true }
    }
}

/// In which zone times are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownIn {
    /// The viewer's own.
    Mine,
    /// Each trigger's own, where there is one trigger to speak of; else the viewer's.
    Trigger,
    /// UTC.
    Utc,
}

impl ShownIn {
    /// Every choice.
    pub const ALL: [ShownIn; 3] = [ShownIn::Mine, ShownIn::Trigger, ShownIn::Utc];

    /// The word in forms and stores.
    pub fn word(self) -> &'static str {
        match self {
            ShownIn::Mine => "mine",
            ShownIn::Trigger => "trigger",
            ShownIn::Utc => "utc",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<ShownIn> {
        ShownIn::ALL.into_iter().find(|choice| choice.word() == word)
    }
}

/// The colours of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// Every choice.
    pub const ALL: [Theme; 3] = [Theme::System, Theme::Light, Theme::Dark];

    /// The word in forms, pages and stores.
    pub fn word(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<Theme> {
        Theme::ALL.into_iter().find(|choice| choice.word() == word)
    }
}

/// What an e-mail address is compared by: without case and without the white space around it.
pub fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3, without the brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

/// Whether `email` has the form of an address (RFC 5321 lengths; one `@`, something on both sides, no white space).
pub fn is_email(email: &str) -> bool {
    let Some((local, host)) = email.rsplit_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"@<>(),;:\"[]\\".contains(c))
    };
    email.len() <= EMAIL_BYTES_MAX
        && local.len() <= 64
        && plain(local)
        && plain(host)
        && host.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Only while there is no user.
    First,
    /// Nobody.
    Closed,
}

/// A login: what a token refers to and logout ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// 128 random bits in hexadecimal digits.
    pub id: String,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// What the program called itself that logged in (its `User-Agent`), at most [`AGENT_CHARS_MAX`] characters of it.
    pub agent: String,
}

/// The longest name of a program that is kept with a session, in characters.
pub const AGENT_CHARS_MAX: usize = 200;

/// One thing an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// See triggers and events.
    Read,
    /// Fire and test triggers.
    Fire,
    /// Make, change and delete triggers and keys.
    Manage,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Fire, Scope::Manage];

    /// The word in the API and in the stores.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Fire => "fire",
            Scope::Manage => "manage",
        }
    }

    /// The scope of that word.
    pub fn from_word(word: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.word() == word)
    }
}

/// What is kept of an API key; the key itself is shown once and never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its number.
    pub id: ApiKeyId,
    /// Whose it is.
    pub owner: UserId,
    /// What its owner calls it.
    pub name: String,
    /// The beginning of the key, to tell keys apart by.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// The SHA-256 of an API key. A fast hash is enough for 256 random bits (OWASP ASVS 5.0, 6.5.2 and 11.4).
pub type KeyHash = [u8; 32];

/// How many keys one user may have.
pub const API_KEYS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_local_part_and_a_host() {
        for good in ["a@b.co", "first.last+tag@example.com", "root@localhost", "ü@bücher.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a b@c.d", "a@b..c", "a@-b.c", "a@b@c", "a\n@b.c", "a@b.c ", "<a@b.c>"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
