//! The secrets that calls are signed with, in the two schemes of Standard Webhooks 1.0.0. A secret never leaves by accident:
//! there is no `Display`, `Debug` shows its id, and only [`SigningSecret::reveal`] and the form for stores hold the key itself.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::Invalid;

/// The fewest bytes of a symmetric secret (Standard Webhooks 1.0.0: 192 bits).
pub const SYMMETRIC_BYTES_MIN: usize = 24;

/// The most bytes of a symmetric secret (Standard Webhooks 1.0.0: 512 bits).
pub const SYMMETRIC_BYTES_MAX: usize = 64;

/// The bytes of an ed25519 seed, and of a public key (RFC 8032 §5.1.5).
const ED25519_BYTES: usize = 32;

/// The longest secret as text: a prefix and 64 bytes in base64.
const TEXT_BYTES_MAX: usize = 6 + SYMMETRIC_BYTES_MAX.div_ceil(3) * 4;

const SYMMETRIC_PREFIX: &str = "whsec_";
const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// What people paste has lost its `=` now and then.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a signature is made; its word stands in front of the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HMAC-SHA256: sender and receiver share one secret.
    V1,
    /// ed25519: the receiver knows a public key only.
    V1a,
}

impl Scheme {
    /// The word in `webhook-signature`, in the API and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Scheme::V1 => "v1",
            Scheme::V1a => "v1a",
        }
    }

    /// The scheme of that word.
    pub fn from_word(word: &str) -> Option<Scheme> {
        [Scheme::V1, Scheme::V1a].into_iter().find(|scheme| scheme.word() == word)
    }
}

/// A secret to sign with. Two are equal when their keys are.
#[derive(Clone)]
pub struct SigningSecret(Key);

#[derive(Clone)]
enum Key {
    Symmetric(Arc<[u8]>),
    // The pair comes from the seed; it is kept because deriving it costs as much as a signature.
    Asymmetric { seed: [u8; ED25519_BYTES], pair: Arc<Ed25519KeyPair> },
}

impl SigningSecret {
    /// A shared secret of 32 bytes, which must come from a source of randomness fit for keys.
    pub fn symmetric(random: [u8; 32]) -> SigningSecret {
        SigningSecret(Key::Symmetric(Arc::from(random)))
    }

    /// An ed25519 key pair from its seed, which must come from a source of randomness fit for keys.
    pub fn asymmetric(seed: [u8; 32]) -> SigningSecret {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed (RFC 8032 §5.1.5)");
        SigningSecret(Key::Asymmetric { seed, pair: Arc::new(pair) })
    }

    /// Reads `whsec_` + base64 of 24 to 64 bytes, or `whsk_` + base64 of an ed25519 seed, with or without its public key
    /// behind it. White space around the text and missing `=` are forgiven.
    ///
    /// # Errors
    /// When it is neither; the words never repeat the text, and the field of the error is left empty for the caller to fill.
    pub fn parse(text: &str) -> Result<SigningSecret, Invalid> {
        let text = text.trim();
        if let Some(encoded) = text.strip_prefix(SYMMETRIC_PREFIX) {
            let bytes = decode(encoded)?;
            if !(SYMMETRIC_BYTES_MIN..=SYMMETRIC_BYTES_MAX).contains(&bytes.len()) {
                return Err(Invalid::new(
                    "",
                    format!(
                        "The signing secret has {} bytes; {SYMMETRIC_BYTES_MIN} to {SYMMETRIC_BYTES_MAX} bytes in base64 must follow {SYMMETRIC_PREFIX}.",
                        bytes.len()
                    ),
                ));
            }
            Ok(SigningSecret(Key::Symmetric(Arc::from(bytes))))
        } else if let Some(encoded) = text.strip_prefix(PRIVATE_PREFIX) {
            asymmetric(&decode(encoded)?)
        } else if text.starts_with(PUBLIC_PREFIX) {
            Err(Invalid::new(
                "",
                format!(
                    "This is a public key, with which nothing can be signed; the secret key begins with {PRIVATE_PREFIX}."
                ),
            ))
        } else {
            Err(Invalid::new(
                "",
                format!(
                    "A signing secret begins with {SYMMETRIC_PREFIX} (shared secret) or {PRIVATE_PREFIX} (ed25519 key)."
                ),
            ))
        }
    }

    /// How it signs.
    pub fn scheme(&self) -> Scheme {
        match &self.0 {
            Key::Symmetric(_) => Scheme::V1,
            Key::Asymmetric { .. } => Scheme::V1a,
        }
    }

    /// Eight hexadecimal digits to tell secrets apart by. They give nothing away that helps to sign.
    pub fn id(&self) -> String {
        let shown = match &self.0 {
            Key::Symmetric(bytes) => &bytes[..],
            Key::Asymmetric { pair, .. } => pair.public_key().as_ref(),
        };
        let digest = Sha256::new().chain_update("oncue signing secret").chain_update(shown).finalize();
        digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `whpk_` and the public key, for receivers to verify with; none for a shared secret.
    pub fn public_key(&self) -> Option<String> {
        match &self.0 {
            Key::Symmetric(_) => None,
            Key::Asymmetric { pair, .. } => Some(format!("{PUBLIC_PREFIX}{}", STANDARD.encode(pair.public_key()))),
        }
    }

    /// The secret itself: for the one moment in which it is shown to its owner, and for the stores. [`SigningSecret::parse`]
    /// reads it.
    pub fn reveal(&self) -> String {
        match &self.0 {
            Key::Symmetric(bytes) => format!("{SYMMETRIC_PREFIX}{}", STANDARD.encode(bytes)),
            Key::Asymmetric { seed, .. } => format!("{PRIVATE_PREFIX}{}", STANDARD.encode(seed)),
        }
    }

    /// One signature with its scheme in front.
    pub(super) fn sign(&self, signed: &[u8]) -> String {
        let signature = match &self.0 {
            Key::Symmetric(bytes) => STANDARD.encode(mac(bytes, signed).finalize().into_bytes()),
            Key::Asymmetric { pair, .. } => STANDARD.encode(pair.sign(signed)),
        };
        format!("{},{signature}", self.scheme().word())
    }

    /// Whether `signature`, with its scheme in front, was made with this secret. Takes equally long for every wrong one.
    pub(super) fn has_signed(&self, signed: &[u8], signature: &str) -> bool {
        let Some((scheme, encoded)) = signature.split_once(',') else { return false };
        if scheme != self.scheme().word() {
            return false;
        }
        let Ok(signature) = STANDARD.decode(encoded) else { return false };
        match &self.0 {
            Key::Symmetric(bytes) => mac(bytes, signed).verify_slice(&signature).is_ok(),
            Key::Asymmetric { pair, .. } => {
                UnparsedPublicKey::new(&ED25519, pair.public_key()).verify(signed, &signature).is_ok()
            }
        }
    }
}

fn mac(key: &[u8], signed: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(signed);
    mac
}

fn decode(encoded: &str) -> Result<Vec<u8>, Invalid> {
    // Looked at before it is decoded, so that a long text costs nothing.
    if encoded.len() > TEXT_BYTES_MAX {
        return Err(Invalid::new(
            "",
            format!(
                "The signing secret is too long; after its prefix at most {SYMMETRIC_BYTES_MAX} bytes in base64 are allowed."
            ),
        ));
    }
    // What the decoder says names characters of the secret.
    LENIENT
        .decode(encoded)
        .map_err(|_| Invalid::new("", "The signing secret is not base64 (letters, digits, + and /) after its prefix."))
}

/// A seed alone, as the reference library for Go keeps it, or with the public key behind it, as libsodium and others do.
fn asymmetric(bytes: &[u8]) -> Result<SigningSecret, Invalid> {
    let Some((seed, public)) = bytes.split_first_chunk::<ED25519_BYTES>() else {
        return Err(wrong_length(bytes.len()));
    };
    let secret = SigningSecret::asymmetric(*seed);
    match &secret.0 {
        _ if public.is_empty() => Ok(secret),
        _ if public.len() != ED25519_BYTES => Err(wrong_length(bytes.len())),
        Key::Asymmetric { pair, .. } if pair.public_key().as_ref() == public => Ok(secret),
        _ => Err(Invalid::new("", "The two halves of the ed25519 key do not belong together.")),
    }
}

fn wrong_length(bytes: usize) -> Invalid {
    Invalid::new(
        "",
        format!(
            "The ed25519 key has {bytes} bytes; {PRIVATE_PREFIX} is followed by the 32 bytes of a seed in base64, or by 64 with the public key."
        ),
    )
}

impl PartialEq for SigningSecret {
    fn eq(&self, other: &SigningSecret) -> bool {
        match (&self.0, &other.0) {
            (Key::Symmetric(one), Key::Symmetric(two)) => one.ct_eq(two).into(),
            (Key::Asymmetric { seed: one, .. }, Key::Asymmetric { seed: two, .. }) => one.ct_eq(two).into(),
            _ => false,
        }
    }
}

impl Eq for SigningSecret {}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecret({} {})", self.scheme().word(), self.id())
    }
}

/// For the stores: the secret itself.
impl Serialize for SigningSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.reveal())
    }
}

impl<'de> Deserialize<'de> for SigningSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SigningSecret, D::Error> {
        let text = String::deserialize(deserializer)?;
        SigningSecret::parse(&text).map_err(|invalid| serde::de::Error::custom(invalid.message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_comes_back_from_its_text_whatever_stands_around_it() {
        for secret in [SigningSecret::symmetric([7; 32]), SigningSecret::asymmetric([8; 32])] {
            let text = secret.reveal();
            assert_eq!(SigningSecret::parse(&text).expect("its own text"), secret);
            assert_eq!(SigningSecret::parse(&format!("  {}\n", text.trim_end_matches('='))).expect("forgiven"), secret);
            let stored = serde_json::to_string(&secret).expect("a string");
            assert_eq!(serde_json::from_str::<SigningSecret>(&stored).expect("what was stored"), secret);
        }
        assert_ne!(SigningSecret::symmetric([7; 32]), SigningSecret::asymmetric([7; 32]));
        assert_ne!(SigningSecret::symmetric([7; 32]), SigningSecret::symmetric([8; 32]));
    }

    #[test]
    fn a_key_of_both_halves_is_that_of_the_seed() {
        let secret = SigningSecret::asymmetric([9; 32]);
        let public = STANDARD.decode(&secret.public_key().expect("asymmetric")[5..]).expect("base64");
        let both = [[9; 32].as_slice(), &public].concat();
        assert_eq!(SigningSecret::parse(&format!("whsk_{}", STANDARD.encode(&both))).expect("a key"), secret);
        let torn = [[10; 32].as_slice(), &public].concat();
        let refused = SigningSecret::parse(&format!("whsk_{}", STANDARD.encode(torn))).expect_err("two keys");
        assert_eq!(refused.message, "The two halves of the ed25519 key do not belong together.");
    }

    #[test]
    fn the_public_key_of_a_seed_is_the_one_that_everybody_derives() {
        // RFC 8032 §7.1, test 1.
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        assert_eq!(
            SigningSecret::asymmetric(seed).public_key().as_deref(),
            Some("whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
        );
        assert_eq!(SigningSecret::symmetric(seed).public_key(), None);
    }

    #[test]
    fn what_is_no_secret_is_refused_in_words_that_do_not_repeat_it() {
        let bytes = |prefix: &str, count: usize| format!("{prefix}{}", STANDARD.encode(vec![0xab; count]));
        let cases = [
            (String::new(), "A signing secret begins with whsec_"),
            ("hunter2".to_owned(), "A signing secret begins with whsec_"),
            (bytes("whpk_", 32), "This is a public key"),
            ("whsec_qqqq$qqq".to_owned(), "The signing secret is not base64"),
            (bytes("whsec_", 23), "The signing secret has 23 bytes; 24 to 64"),
            (bytes("whsec_", 65), "The signing secret has 65 bytes"),
            (bytes("whsec_", 4000), "The signing secret is too long"),
            (bytes("whsk_", 31), "The ed25519 key has 31 bytes"),
            (bytes("whsk_", 33), "The ed25519 key has 33 bytes"),
        ];
        for (text, words) in cases {
            let refused = SigningSecret::parse(&text).expect_err("no secret");
            assert!(refused.message.starts_with(words), "{text}: {refused}");
            assert!(!refused.message.contains("qqq") && !refused.message.contains("q6ur"), "{refused}");
        }
        assert!(SigningSecret::parse(&bytes("whsec_", 24)).is_ok());
        assert!(SigningSecret::parse(&bytes("whsec_", 64)).is_ok());
    }

    #[test]
    fn debug_shows_which_secret_it_is_and_not_the_secret() {
        for secret in [SigningSecret::symmetric([7; 32]), SigningSecret::asymmetric([7; 32])] {
            let shown = format!("{secret:?}");
            assert_eq!(shown, format!("SigningSecret({} {})", secret.scheme().word(), secret.id()));
            assert_eq!(secret.id().len(), 8);
            assert!(!shown.contains("BwcH"), "{shown}");
        }
        assert_eq!(Scheme::from_word("v1a"), Some(Scheme::V1a));
        assert_eq!(Scheme::from_word("v2"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(whsec_|whsk_|whpk_)?[A-Za-z0-9+/= é]{0,120}") {
            if let Ok(secret) = SigningSecret::parse(&text) {
                prop_assert_eq!(SigningSecret::parse(&secret.reveal()).expect("its own text"), secret);
            }
        }
    }
}
