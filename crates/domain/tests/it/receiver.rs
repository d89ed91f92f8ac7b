use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{hmac, signature};

/// `keys` are texts as `whsec_…` and `whpk_…`, `body` is what came over the wire, `now` counts Unix seconds.
pub fn is_genuine(keys: &[&str], id: &str, timestamp: &str, signatures: &str, body: &[u8], now: i64) -> bool {
    let Ok(second) = timestamp.parse::<i64>() else { return false };
    if id.is_empty() || now.abs_diff(second) > 300 {
        return false;
    }
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    signatures.split(' ').filter_map(|signature| signature.split_once(',')).any(|(scheme, value)| {
        let Ok(given) = STANDARD.decode(value) else { return false };
        keys.iter().filter_map(|key| key.split_once('_')).any(|(prefix, encoded)| {
            let Ok(key) = STANDARD.decode(encoded) else { return false };
            match (scheme, prefix) {
                ("v1", "whsec") => hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed, &given).is_ok(),
                ("v1a", "whpk") => {
                    signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(&signed, &given).is_ok()
                }
                _ => false,
            }
        })
    })
}
