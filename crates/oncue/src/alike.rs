//! What all nodes of one database are to be told alike, written down so that they can be compared: a node that keeps events for another
//! time, or signs logins with another key, makes what happens depend on which node was asked. Secrets are compared by fingerprints.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use oncue_domain::access::Registration;
use sha2::{Digest, Sha256};

use crate::config::Config;

/// How many bytes of a hash a fingerprint has: enough to tell two secrets apart, and too few to find one by.
const FINGERPRINT_BYTES: usize = 4;

/// The settings of this node, by the names under which its operator knows them.
pub(crate) fn settings(config: &Config, jwt_secret: &[u8]) -> BTreeMap<String, String> {
    let span = |span: SignedDuration| format!("{span:#}");
    let registration = match config.registration {
        Registration::Open => "open",
        Registration::First => "first",
        Registration::Closed => "closed",
    };
    let webhook = config.default_webhook.as_ref();
    let webhook = webhook.map_or("none".to_owned(), |webhook| fingerprint("HTTP_URL", webhook.url.as_str().as_bytes()));
    let settings = [
        ("--active-for", span(config.retention.active_for)),
        ("--keep-for", span(config.retention.keep_for)),
        ("--hold-backlog-after", config.hold_backlog_after.map_or("off".to_owned(), span)),
        ("--registration", registration.to_owned()),
        ("--timezone", config.timezone.clone()),
        ("HTTP_URL", webhook),
        ("JWT_SECRET", fingerprint("JWT_SECRET", jwt_secret)),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Two of the same name are alike where the secrets are, and say nothing else of them.
fn fingerprint(name: &str, secret: &[u8]) -> String {
    let hash = Sha256::new().chain_update("oncue, to compare nodes: ").chain_update(name).chain_update([0]);
    let hash = hash.chain_update(secret).finalize();
    hash.iter().take(FINGERPRINT_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_secrets_apart_and_holds_none() {
        let secret = "correct horse battery staple, twice";
        let told = fingerprint("JWT_SECRET", secret.as_bytes());
        assert_eq!(told.len(), 2 * FINGERPRINT_BYTES);
        assert_eq!(told, fingerprint("JWT_SECRET", secret.as_bytes()));
        assert_ne!(told, fingerprint("JWT_SECRET", b"another one"));
        assert_ne!(told, fingerprint("HTTP_URL", secret.as_bytes()));
    }
}
