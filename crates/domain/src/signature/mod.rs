//! Signatures: how a receiver tells our calls from forged ones, by Standard Webhooks 1.0.0. Signed is
//! `id.timestamp.body`, once with every active secret, so that a receiver that knows the old secret and one that knows the
//! new one are both content while secrets are rotated. What a secret is stands in `secret`. Nothing here draws randomness,
//! reads a clock or knows of headers' carriers: whoever calls hands over bytes and the time.

use jiff::{SignedDuration, Timestamp};

mod secret;

pub use secret::{SYMMETRIC_BYTES_MAX, SYMMETRIC_BYTES_MIN, Scheme, SigningSecret};

/// How many secrets may be active at once. Two are enough to rotate; the rest is room for those who share an address.
pub const SECRETS_MAX: usize = 8;

/// How far `webhook-timestamp` may be from a receiver's clock, in both directions; the reference libraries of Standard
/// Webhooks allow as much.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// How many signatures of one call are looked at. Each costs a check per secret, and who sends them is not known yet.
const CANDIDATES_MAX: usize = 16;

/// The value of `webhook-signature` for an attempt at `timestamp`: one signature for each of `secrets`, in their order,
/// separated by spaces. Empty without secrets, and then the header is left out.
///
/// The same input gives the same text; `timestamp` counts in whole seconds, as `webhook-timestamp` does.
pub fn sign(secrets: &[SigningSecret], message_id: &str, timestamp: Timestamp, body: &[u8]) -> String {
    if secrets.is_empty() {
        return String::new();
    }
    let signed = signed(message_id, timestamp.as_second(), body);
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(&signed)).collect();
    signatures.join(" ")
}

/// What a receiver was handed: the three headers of Standard Webhooks as text, and the body byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// `webhook-id`.
    pub message_id: &'a str,
    /// `webhook-timestamp`, in whole Unix seconds.
    pub timestamp: &'a str,
    /// `webhook-signature`, one signature or several separated by spaces.
    pub signatures: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Checks a call as a receiver would who trusts `secrets`, and says by which of them it was signed.
///
/// # Errors
/// When no signature fits, or the call is older or newer than [`TOLERANCE`] at `now`.
pub fn verify<'a>(
    secrets: &'a [SigningSecret],
    received: Received<'_>,
    now: Timestamp,
) -> Result<&'a SigningSecret, Unverified> {
    // With a dot in the id, two different calls would have the same signed text.
    if received.message_id.is_empty() || received.message_id.contains('.') {
        return Err(Unverified::Id);
    }
    let second = whole_second(received.timestamp).ok_or(Unverified::Timestamp)?;
    let signed = signed(received.message_id, second, received.body);
    let signer = received
        .signatures
        .split(' ')
        .filter(|signature| !signature.is_empty())
        .take(CANDIDATES_MAX)
        .find_map(|signature| secrets.iter().find(|secret| secret.has_signed(&signed, signature)))
        .ok_or(Unverified::Signature)?;
    let age_s = now.as_second().saturating_sub(second);
    if age_s > TOLERANCE.as_secs() {
        Err(Unverified::TooOld)
    } else if age_s < -TOLERANCE.as_secs() {
        Err(Unverified::TooNew)
    } else {
        Ok(signer)
    }
}

/// Why a call is not taken for genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// `webhook-id` is empty or holds a dot.
    #[error("webhook-id is missing or holds a dot")]
    Id,
    /// `webhook-timestamp` is not a number of seconds.
    #[error("webhook-timestamp is not a whole number of Unix seconds")]
    Timestamp,
    /// None of the signatures was made with one of the secrets over this id, timestamp and body.
    #[error("no signature in webhook-signature fits a secret, the id, the timestamp and the body")]
    Signature,
    /// Signed, but long ago: it may have been recorded and sent again.
    #[error("the signature fits, but webhook-timestamp is more than 5 minutes ago")]
    TooOld,
    /// Signed, but for a time to come: one of the clocks is wrong.
    #[error("the signature fits, but webhook-timestamp is more than 5 minutes ahead")]
    TooNew,
}

/// What is signed (Standard Webhooks 1.0.0, "Signature scheme").
fn signed(message_id: &str, second: i64, body: &[u8]) -> Vec<u8> {
    let mut signed = format!("{message_id}.{second}.").into_bytes();
    signed.extend_from_slice(body);
    signed
}

/// Seconds in the only spelling that we write; `+5` and `05` would be signed as another text than they were sent as.
fn whole_second(text: &str) -> Option<i64> {
    let second: i64 = text.parse().ok()?;
    (second.to_string() == text).then_some(second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::parse(text).expect("a secret")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn received(signatures: &str) -> Received<'_> {
        Received { message_id: ID, timestamp: "1614265330", signatures, body: BODY }
    }

    #[test]
    fn symmetric_signatures_are_those_of_the_reference_libraries_tests() {
        let published = [
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                ID,
                1_614_265_330,
                BODY,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                br#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ];
        for (text, id, second, body, signature) in published {
            assert_eq!(sign(&[secret(text)], id, at(second), body), signature);
        }
    }

    #[test]
    fn asymmetric_signatures_are_those_of_the_reference_libraries_tests() {
        let signing = secret("whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=");
        assert_eq!(
            sign(&[signing], ID, at(1_614_265_330), BODY),
            "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
        );
    }

    #[test]
    fn while_secrets_are_rotated_a_receiver_with_any_one_of_them_is_content() {
        let (old, new, public) =
            (SigningSecret::symmetric([1; 32]), SigningSecret::symmetric([2; 32]), SigningSecret::asymmetric([3; 32]));
        let both = sign(&[new.clone(), old.clone(), public.clone()], ID, at(1_614_265_330), BODY);
        assert_eq!(both.split(' ').map(|one| &one[..3]).collect::<Vec<_>>(), ["v1,", "v1,", "v1a"]);
        for known in [old, new, public] {
            let trusted = [SigningSecret::symmetric([9; 32]), known.clone()];
            let signer = verify(&trusted, received(&both), at(1_614_265_331));
            assert_eq!(signer.expect("signed").id(), known.id());
        }
        let strange = [SigningSecret::symmetric([4; 32]), SigningSecret::asymmetric([5; 32])];
        assert_eq!(verify(&strange, received(&both), at(1_614_265_331)), Err(Unverified::Signature));
    }

    #[test]
    fn without_secrets_nothing_is_signed_and_nothing_is_genuine() {
        assert_eq!(sign(&[], ID, at(0), BODY), "");
        assert_eq!(verify(&[], received(""), at(1_614_265_330)), Err(Unverified::Signature));
    }

    #[test]
    fn a_call_is_believed_for_five_minutes_in_both_directions() {
        let secrets = [SigningSecret::symmetric([1; 32])];
        let signatures = sign(&secrets, ID, at(1_614_265_330), BODY);
        let verdict = |second| verify(&secrets, received(&signatures), at(second)).map(SigningSecret::scheme);
        assert_eq!(verdict(1_614_265_330 + 300), Ok(Scheme::V1));
        assert_eq!(verdict(1_614_265_330 + 301), Err(Unverified::TooOld));
        assert_eq!(verdict(1_614_265_330 - 300), Ok(Scheme::V1));
        assert_eq!(verdict(1_614_265_330 - 301), Err(Unverified::TooNew));
    }

    #[test]
    fn ids_and_timestamps_that_nobody_signs_are_refused_with_words() {
        let secrets = [SigningSecret::symmetric([1; 32])];
        let signatures = sign(&secrets, ID, at(1_614_265_330), BODY);
        for timestamp in ["", "soon", "+1614265330", "01614265330", "1614265330.0", "99999999999999999999"] {
            let call = Received { timestamp, ..received(&signatures) };
            assert_eq!(verify(&secrets, call, at(1_614_265_330)), Err(Unverified::Timestamp), "{timestamp}");
        }
        for message_id in ["", "a.1"] {
            let call = Received { message_id, ..received(&signatures) };
            assert_eq!(verify(&secrets, call, at(1_614_265_330)), Err(Unverified::Id), "{message_id}");
        }
        assert_eq!(
            Unverified::Signature.to_string(),
            "no signature in webhook-signature fits a secret, the id, the timestamp and the body"
        );
    }

    #[test]
    fn a_signature_counts_in_its_own_scheme_only() {
        let secrets = [SigningSecret::symmetric([1; 32])];
        let signature = sign(&secrets, ID, at(1_614_265_330), BODY);
        for scheme in ["v1a,", "v2,", ",", ""] {
            let other = signature.replace("v1,", scheme);
            assert_eq!(verify(&secrets, received(&other), at(1_614_265_330)), Err(Unverified::Signature), "{other}");
        }
    }

    #[test]
    fn a_flood_of_signatures_is_not_looked_through_to_its_end() {
        let secrets = [SigningSecret::symmetric([1; 32])];
        let good = sign(&secrets, ID, at(1_614_265_330), BODY);
        let behind = |others: usize| format!("{}{good}", "v1,AAAA ".repeat(others));
        assert!(verify(&secrets, received(&behind(CANDIDATES_MAX - 1)), at(1_614_265_330)).is_ok());
        assert!(verify(&secrets, received(&behind(CANDIDATES_MAX)), at(1_614_265_330)).is_err());
    }

    proptest! {
        #[test]
        fn what_was_signed_verifies_and_what_was_changed_does_not(
            random in any::<[u8; 32]>(),
            is_asymmetric in any::<bool>(),
            body in proptest::collection::vec(any::<u8>(), 1..200),
            flipped in any::<(proptest::sample::Index, u8)>(),
        ) {
            let make = if is_asymmetric { SigningSecret::asymmetric } else { SigningSecret::symmetric };
            let secrets = [make(random)];
            let signatures = sign(&secrets, ID, at(1_614_265_330), &body);
            let call = Received { body: &body, ..received(&signatures) };
            prop_assert!(verify(&secrets, call, at(1_614_265_330)).is_ok());
            let mut changed = body.clone();
            let place = flipped.0.index(changed.len());
            changed[place] ^= flipped.1.max(1);
            let call = Received { body: &changed, ..call };
            prop_assert_eq!(verify(&secrets, call, at(1_614_265_330)), Err(Unverified::Signature));
        }

        #[test]
        fn no_garbage_panics_and_none_is_genuine(id in ".*", timestamp in "[0-9]{0,20}|.*", signatures in "(v1a?,[A-Za-z0-9+/=]* )*.*") {
            let secrets = [SigningSecret::symmetric([1; 32]), SigningSecret::asymmetric([2; 32])];
            let call = Received { message_id: &id, timestamp: &timestamp, signatures: &signatures, body: BODY };
            prop_assert!(verify(&secrets, call, at(1_614_265_330)).is_err());
        }
    }
}
