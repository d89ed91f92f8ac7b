//! Login tokens: JWTs (RFC 7519) signed with HS256 and nothing else. A token says which session it belongs to; whether that
//! session still stands is the store's word, so that logout, a new password and disabling end it at once.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use oncue_domain::access::Session;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// What a login token says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The user's number.
    pub(crate) sub: String,
    /// The session's id.
    pub(crate) sid: String,
    /// When it was issued, in seconds since 1970.
    pub(crate) iat: i64,
    /// When it ends, in seconds since 1970.
    pub(crate) exp: i64,
}

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 4096;

/// Writes and reads login tokens.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Tokens {
    pub(crate) fn new(secret: &[u8]) -> Tokens {
        // Installed once a process; a second server in the same process finds its like.
        let _ = HS256_ALONE.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        // The crate would ask the system's clock; ours decides, in `read`.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Tokens { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), validation }
    }

    /// A token for a session.
    pub(crate) fn write(&self, session: &Session) -> String {
        let claims = Claims {
            sub: session.user.to_string(),
            sid: session.id.clone(),
            iat: session.created_at.as_second(),
            exp: session.expires_at.as_second(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("strings and numbers are always JSON, and HMAC takes any key")
    }

    /// What a token says, if we wrote it and it has not ended.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let claims: Claims = jsonwebtoken::decode(token, &self.decoding, &self.validation).ok()?.claims;
        (now.as_second() < claims.exp).then_some(claims)
    }
}

/// HMAC with SHA-256, the one algorithm that this program knows: a token that names another cannot be verified by anything.
static HS256_ALONE: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(key.as_bytes().to_vec()))),
        _ => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(key.try_get_as_bytes()?.to_vec()))),
        _ => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Vec<u8>);

impl Hs256 {
    fn mac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(message);
        mac
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.mac(message).finalize().into_bytes().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // Compares in constant time.
        self.mac(message).verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use jiff::SignedDuration;
    use oncue_domain::id::UserId;

    use super::*;

    const SECRET: &[u8] = b"an example of at least 32 bytes for tests";

    fn session() -> Session {
        Session {
            id: "0123456789abcdef".to_owned(),
            user: UserId(7),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(100),
            agent: String::new(),
        }
    }

    fn forge(header: &str, claims: &str, secret: &[u8]) -> String {
        let signed = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims));
        let signature = Hs256(secret.to_vec()).try_sign(signed.as_bytes()).expect("HMAC signs");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    #[test]
    fn a_token_is_read_until_it_ends() {
        let tokens = Tokens::new(SECRET);
        let token = tokens.write(&session());
        let claims = tokens.read(&token, Timestamp::UNIX_EPOCH).expect("our own token");
        assert_eq!((claims.sub.as_str(), claims.sid.as_str()), ("7", "0123456789abcdef"));
        assert!(tokens.read(&token, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(99)).is_some());
        assert!(tokens.read(&token, Timestamp::UNIX_EPOCH + SignedDuration::from_secs(100)).is_none());
    }

    #[test]
    fn forged_tokens_are_not_read() {
        let tokens = Tokens::new(SECRET);
        let now = Timestamp::UNIX_EPOCH;
        let good = r#"{"sub":"7","sid":"x","iat":0,"exp":100}"#;
        assert!(tokens.read(&forge(r#"{"alg":"HS256","typ":"JWT"}"#, good, SECRET), now).is_some(), "the forge works");
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"EdDSA"}"#,
            r#"{}"#,
        ] {
            assert!(tokens.read(&forge(header, good, SECRET), now).is_none(), "{header}");
        }
        let header = r#"{"alg":"HS256","typ":"JWT"}"#;
        for claims in [
            r#"{"sub":"7","sid":"x","iat":0}"#,
            r#"{"sid":"x","iat":0,"exp":100}"#,
            r#"{"sub":"7","iat":0,"exp":100}"#,
            r#"{"sub":"7","sid":"x","iat":0,"exp":"100"}"#,
            r#"{"sub":"7","sid":"x","iat":0,"exp":1e400}"#,
            r#"{"sub":"7","sid":"x","iat":0,"exp":-1}"#,
            r#"{"sub":"7","sid":"x","iat":0,"exp":[100]}"#,
            r#"{"sub":"7","sid":"x","iat":0,"exp":null}"#,
        ] {
            assert!(tokens.read(&forge(header, claims, SECRET), now).is_none(), "{claims}");
        }
        assert!(tokens.read(&forge(header, good, b"another secret of at least 32 bytes, too"), now).is_none());
        let ours = tokens.write(&session());
        let unsigned = ours.rsplit_once('.').expect("three parts").0;
        assert!(tokens.read(&format!("{unsigned}."), now).is_none());
        assert!(tokens.read(unsigned, now).is_none());
        assert!(tokens.read(&"a".repeat(70_000), now).is_none());
    }
}
