//! Passwords: argon2id with the parameters of OWASP's first row (19 MiB, two passes, one lane), never on an async thread,
//! never more at once than there are cores, and equally slow for users who do not exist.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::http::StatusCode;
use tokio::sync::Semaphore;

use crate::fault::Fault;

/// The bounds of a password's length, in characters.
pub(crate) const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=256;

/// How many may wait for their turn; beyond it the answer is 503, not a longer queue.
const WAITING_MAX: usize = 64;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// The hash that a password of nobody is checked against, so that an unknown address takes as long as a wrong password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$b25jdWUtbm9ib2R5LXNhbHQ$Ic2QN0rVYPb9PbYQY1Q6LxyGvPmCWQq1kVVh8kRX5jQ";

impl Passwords {
    pub(crate) fn new() -> Passwords {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = cores.clamp(1, 4);
        Passwords { turns: Arc::new(Semaphore::new(turns)), places: Arc::new(Semaphore::new(turns + WAITING_MAX)) }
    }

    /// The hash of a password, in PHC form.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Fault> {
        self.run(move || hash(&password)).await
    }

    /// Whether a password is the one of that hash; false for no hash, after as long.
    pub(crate) async fn matches(&self, password: String, hash: Option<String>) -> Result<bool, Fault> {
        self.run(move || {
            let is_somebody = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            is_somebody & verify(&password, &hash)
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let busy = || {
            Fault::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many people are logging in right now; try again in a moment.",
            )
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop((turn, place));
            outcome
        });
        done.await.map_err(|_| busy())
    }
}

/// The hash of a password, in PHC form; takes tens of milliseconds of one core.
pub fn hash(password: &str) -> String {
    argon2().hash_password(password.as_bytes()).expect("argon2 takes any password of up to 4 GiB").to_string()
}

fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, Some(32)).expect("OWASP's parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = hash("correct horse");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("correct horse", &hash));
        assert!(!verify("correct horsf", &hash));
        assert!(!verify("correct horse", ""));
    }

    #[test]
    fn checking_nobody_costs_a_whole_hash() {
        let parsed = PasswordHash::new(NOBODY).expect("a PHC string");
        assert_eq!(parsed.params.get_decimal("m"), Some(19_456));
        assert_eq!(parsed.params.get_decimal("t"), Some(2));
        assert!(parsed.hash.is_some());
    }
}
