//! Who did something, and from where. A store that is in somebody's hands ([`crate::store::Store::acting`]) writes them down with
//! what they change; names are kept as they were then, because keys go and their acts stay.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::id::{ApiKeyId, UserId};

/// Who it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody who is logged in, or the built-in user.
    User {
        /// Their number.
        id: UserId,
        /// Their e-mail address.
        email: String,
    },
    /// A program, by its key.
    ApiKey {
        /// The key's number.
        id: ApiKeyId,
        /// What its owner called it.
        name: String,
        /// The beginning of the key.
        prefix: String,
    },
    /// The operator, at the server's command line.
    CommandLine,
    /// oncue itself.
    System,
    /// Somebody who is not logged in.
    Stranger,
}

impl Who {
    /// The word for the sort of it in the API.
    pub fn word(&self) -> &'static str {
        match self {
            Who::User { .. } => "user",
            Who::ApiKey { .. } => "api_key",
            Who::CommandLine => "command_line",
            Who::System => "system",
            Who::Stranger => "stranger",
        }
    }

    /// The number of the user or of the key.
    pub fn id(&self) -> Option<i64> {
        match self {
            Who::User { id, .. } => Some(id.0),
            Who::ApiKey { id, .. } => Some(id.0),
            Who::CommandLine | Who::System | Who::Stranger => None,
        }
    }

    /// The sort of that word, as [`Who::word`] says it.
    pub fn known_word(word: &str) -> Option<&'static str> {
        ["user", "api_key", "command_line", "system", "stranger"].into_iter().find(|known| *known == word)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::User { id, email } if email.is_empty() => write!(f, "user {id}"),
            Who::User { email, .. } => f.write_str(email),
            Who::ApiKey { name, prefix, .. } => write!(f, "API key {name} ({prefix}…)"),
            Who::CommandLine => f.write_str("the command line"),
            Who::System => f.write_str("oncue itself"),
            Who::Stranger => f.write_str("somebody who was not logged in"),
        }
    }
}

/// Who did something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who it was.
    pub who: Who,
    /// The address they came from.
    pub address: Option<IpAddr>,
    /// What their program called itself (its `User-Agent`), at most [`crate::access::AGENT_CHARS_MAX`] characters of it.
    pub program: Option<String>,
}

impl Actor {
    /// oncue itself.
    pub const SYSTEM: Actor = Actor { who: Who::System, address: None, program: None };

    /// The operator, at the server's command line.
    pub const COMMAND_LINE: Actor = Actor { who: Who::CommandLine, address: None, program: None };
}

/// Whoever changes what is kept, and when they asked for it: in their hands a store writes down what they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Who it is.
    pub by: Actor,
    /// When they asked for it.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_name_that_says_what_they_are() {
        let key = Who::ApiKey { id: ApiKeyId(3), name: "ci".to_owned(), prefix: "oncue_ab12".to_owned() };
        let local = Who::User { id: UserId(1), email: String::new() };
        for (who, word, name) in [
            (Who::User { id: UserId(1), email: "ada@example.com".to_owned() }, "user", "ada@example.com"),
            (local, "user", "user 1"),
            (key, "api_key", "API key ci (oncue_ab12…)"),
            (Who::CommandLine, "command_line", "the command line"),
            (Who::System, "system", "oncue itself"),
            (Who::Stranger, "stranger", "somebody who was not logged in"),
        ] {
            assert_eq!(Who::known_word(word), Some(word));
            assert_eq!((who.word(), who.to_string().as_str()), (word, name));
        }
    }
}
