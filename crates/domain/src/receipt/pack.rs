//! Receipts are kept by the million, and most say the same in most of their bytes. So they are packed, with what nearly all say as the
//! text that they are likened to.

use lz4_flex::block::{compress_with_dict, decompress_with_dict};

use super::Unreadable;

/// What receipts are likened to: bodies and headers as they usually are. It belongs to the form of receipts, and is never edited: what
/// was packed with it can be read with nothing else.
const USUAL: &[u8] = br#"{"content":"\u23f0 {"text":"https://127.0.0.1:http://localhost:8000application/jsonapplication/cloudevents+jsontext/plain; charset=utf-8nginxcloudflarechunkedkeep-aliveno-cachemax-age=0max-age=31536000; includeSubDomainsclose2027 00:00:00 GMTMon, Tue, Wed, Thu, Fri, Sat, Sun, oncue/0.1.0v1,{"specversion":"1.0","id":"evt_019","source":"http://127.0.0.1:8000/api/v1/triggers/1","type":"dev.oncue.trigger.fired","subject":"","time":"2027-01-01T00:00:00Z","recordedtime":"2027-01-01T00:00:00.00","datacontenttype":"application/json","data":{"trigger":{"id":1,"name":"","type":"api"},"trigger":{"id":1,"name":"","type":"scheduled"},"firing":{"origin":"api","scheduled_at":null,"fired_at":"2026-","firing":{"origin":"schedule","scheduled_at":"2026-11-01T00:00:00Z","fired_at":"2026-11-01T00:00:00.00","lateness_ms":0,"is_test":false},"lateness_ms":null,"is_test":false},"payload":{}}}"#;

/// The packed bytes; none where they would be no fewer.
pub(super) fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(compress_with_dict(bytes, USUAL)).filter(|packed| packed.len() < bytes.len())
}

/// What was packed, which had so many bytes.
pub(super) fn unpack(packed: &[u8], bytes: usize) -> Result<Vec<u8>, Unreadable> {
    let unpacked = decompress_with_dict(packed, bytes, USUAL).map_err(|_| Unreadable)?;
    if unpacked.len() == bytes { Ok(unpacked) } else { Err(Unreadable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_by_an_earlier_version_is_read_for_ever() {
        let packed = pack(&USUAL[100..400]).expect("it becomes smaller");
        assert!(packed.len() < 20, "{}", packed.len());
        assert_eq!(unpack(&packed, 300).as_deref(), Ok(&USUAL[100..400]));
        assert_eq!(unpack(&packed, 299), Err(Unreadable));
        assert_eq!(unpack(&packed, 301), Err(Unreadable));
        assert_eq!(pack(b"no more"), None);
        // Whoever edits the text that receipts are likened to makes what is kept unreadable.
        let sum = USUAL.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        assert_eq!((USUAL.len(), sum), (880, 2_256_016_568));
    }
}
