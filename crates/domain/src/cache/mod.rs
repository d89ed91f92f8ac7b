//! The door to what may be forgotten at any moment: answers that were costly to find, kept for a while, under a key that
//! carries whose they are. Nothing that fires, and nothing that a 2xx promised, may rest on it: every failure behind this door
//! looks like an answer that was not kept. In which form an answer is kept, and for how long, is its author's business.

mod process;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::access::User;

pub use process::InProcess;

/// How many bytes of an owner's hash stand in a key: enough that two owners never meet by chance.
const HASH_BYTES: usize = 16;

/// The name that an answer is kept under.
///
/// Databases may share a cache, and each of them has a user number one; so the name also holds a hash of who the owner is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// The name of one `owner`'s answer to the question `what`, written in the form of that `version`. `what` is a word of
    /// lower-case letters; nothing that a user chose gets into the name but through a hash.
    pub fn new(what: &'static str, version: u32, owner: &User) -> Key {
        let digest = Sha256::new()
            .chain_update(owner.id.0.to_le_bytes())
            .chain_update(owner.created_at.as_microsecond().to_le_bytes())
            .chain_update(owner.email.as_bytes())
            .finalize();
        let hash: String = digest[..HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        Key(format!("oncue:{what}:{version}:{}:{hash}", owner.id))
    }

    /// The name: at most 250 bytes of visible ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Keeps answers for a while, or does not.
#[async_trait]
pub trait Cache: Send + Sync {
    /// What is kept under that key. What comes back may be anything that somebody put there: its reader checks it.
    async fn get(&self, key: &Key, now: Timestamp) -> Option<Arc<[u8]>>;

    /// This is kept under that key for about so long, in place of what was; or nothing is.
    async fn put(&self, key: &Key, value: Vec<u8>, kept_for: SignedDuration, now: Timestamp);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Preferences;
    use crate::id::UserId;

    fn user(id: i64, made_us: i64, email: &str) -> User {
        User {
            id: UserId(id),
            email: email.to_owned(),
            is_operator: false,
            created_at: Timestamp::from_microsecond(made_us).expect("in range"),
            disabled_at: None,
            preferences: Preferences::default(),
        }
    }

    #[test]
    fn a_key_tells_questions_versions_and_owners_apart() {
        let ann = user(1, 5, "ann@example.com");
        let key = Key::new("statistics", 1, &ann);
        assert!(key.as_str().starts_with("oncue:statistics:1:1:"), "{key}");
        assert_eq!(key, Key::new("statistics", 1, &ann));
        assert_ne!(key, Key::new("charts", 1, &ann));
        assert_ne!(key, Key::new("statistics", 2, &ann));
        assert_ne!(key, Key::new("statistics", 1, &user(2, 5, "ann@example.com")));
    }

    #[test]
    fn the_same_number_in_another_database_is_another_owner() {
        let here = Key::new("statistics", 1, &user(1, 5, "ann@example.com"));
        assert_ne!(here, Key::new("statistics", 1, &user(1, 6, "ann@example.com")));
        assert_ne!(here, Key::new("statistics", 1, &user(1, 5, "bob@example.com")));
    }

    #[test]
    fn no_owner_makes_a_key_that_a_cache_cannot_take() {
        let email = format!("{} \r\nflush_all\r\n\u{1f980}@example.com", "long".repeat(500));
        for key in [Key::new("statistics", u32::MAX, &user(i64::MIN, -1, &email)), Key::new("s", 1, &user(1, 1, ""))] {
            assert!(key.as_str().len() <= 250, "{key}");
            assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
        }
    }
}
