//! In which spellings a text stands in an answer: as it is, or with signs escaped as JSON (RFC 8259 §7), addresses (RFC 3986 §2.1, and
//! forms with `+` for a space) or HTML do. One spelling holds for the whole of a text; what is encoded as a whole, as in base64, is
//! not known here.

/// How a text is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    Plain,
    Json,
    Address,
    Html,
}

/// Whether a text begins with a secret. The greater one says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    /// The text ends in the middle of it, after so many of the secret's bytes.
    Begun(usize),
    /// In so many of the text's bytes.
    Whole(usize),
}

/// A sign of a text: its bytes as they are meant, and how many stand for them.
struct Sign {
    meant: [u8; 4],
    meant_bytes: usize,
    bytes: usize,
}

impl Sign {
    fn plain(byte: u8) -> Sign {
        Sign { meant: [byte, 0, 0, 0], meant_bytes: 1, bytes: 1 }
    }

    fn byte(byte: u8, bytes: usize) -> Sign {
        Sign { bytes, ..Sign::plain(byte) }
    }

    fn char(sign: char, bytes: usize) -> Sign {
        let mut meant = [0; 4];
        let meant_bytes = sign.encode_utf8(&mut meant).len();
        Sign { meant, meant_bytes, bytes }
    }
}

/// What a text begins with.
enum Next {
    /// The text is over, perhaps in the middle of a sign.
    Over,
    Sign(Sign),
}

/// The longest entity that is read: `&#x10ffff;`.
const ENTITY_BYTES_MAX: usize = 10;

impl Spelling {
    pub(super) const ALL: [Spelling; 4] = [Spelling::Plain, Spelling::Json, Spelling::Address, Spelling::Html];

    /// With what an escaped sign begins.
    pub(super) const SIGNS: [u8; 3] = [b'\\', b'%', b'&'];

    /// Whether the text begins with the secret in this spelling. Each sign that is compared takes one of the steps; nothing is found
    /// any more once there are none left.
    pub(super) fn find(self, text: &[u8], secret: &[u8], steps_left: &mut usize) -> Match {
        let (mut rest, mut left) = (text, secret);
        while !left.is_empty() {
            let Some(steps) = steps_left.checked_sub(1) else { return Match::No };
            *steps_left = steps;
            let sign = match self.next(rest) {
                Next::Over => return Match::Begun(secret.len() - left.len()),
                Next::Sign(sign) => sign,
            };
            let is_space = self == Spelling::Address && rest[0] == b'+' && left[0] == b' ';
            left = match left.strip_prefix(&sign.meant[..sign.meant_bytes]) {
                Some(left) => left,
                None if is_space => &left[1..],
                None => return Match::No,
            };
            rest = &rest[sign.bytes..];
        }
        Match::Whole(text.len() - rest.len())
    }

    fn next(self, text: &[u8]) -> Next {
        let Some(first) = text.first() else { return Next::Over };
        match (self, first) {
            (Spelling::Json, b'\\') => json(text),
            (Spelling::Address, b'%') => address(text),
            (Spelling::Html, b'&') => html(text),
            (_, byte) => Next::Sign(Sign::plain(*byte)),
        }
    }
}

fn json(text: &[u8]) -> Next {
    match text.get(1) {
        None => Next::Over,
        Some(b'u') => unicode(text),
        Some(sign @ (b'"' | b'\\' | b'/' | b'\'')) => Next::Sign(Sign::byte(*sign, 2)),
        Some(b't') => Next::Sign(Sign::byte(b'\t', 2)),
        Some(_) => Next::Sign(Sign::plain(b'\\')),
    }
}

/// `\u00e9`, or `\ud83d\ude00` for what UTF-16 needs two units for.
fn unicode(text: &[u8]) -> Next {
    let unit = |at: usize| text.get(at..at + 6).and_then(|unit| unit.strip_prefix(b"\\u")).and_then(hex);
    let Some(first) = unit(0) else {
        let is_begun = text.len() < 6 && text[2..].iter().all(u8::is_ascii_hexdigit);
        return if is_begun { Next::Over } else { Next::Sign(Sign::plain(b'\\')) };
    };
    if let Some(sign) = char::from_u32(first) {
        return Next::Sign(Sign::char(sign, 6));
    }
    let pair = [Some(first), unit(6)].map(|unit| unit.and_then(|unit| u16::try_from(unit).ok()));
    match char::decode_utf16(pair.into_iter().flatten()).next() {
        Some(Ok(sign)) => Next::Sign(Sign::char(sign, 12)),
        _ if text.len() < 12 => Next::Over,
        _ => Next::Sign(Sign::plain(b'\\')),
    }
}

fn address(text: &[u8]) -> Next {
    match text.get(1..3) {
        Some(digits) => {
            let byte = hex(digits).and_then(|byte| u8::try_from(byte).ok());
            Next::Sign(byte.map_or(Sign::plain(b'%'), |byte| Sign::byte(byte, 3)))
        }
        None if text[1..].iter().all(u8::is_ascii_hexdigit) => Next::Over,
        None => Next::Sign(Sign::plain(b'%')),
    }
}

fn html(text: &[u8]) -> Next {
    let head = &text[1..text.len().min(ENTITY_BYTES_MAX)];
    let Some(end) = head.iter().position(|byte| *byte == b';') else {
        let is_begun =
            text.len() < ENTITY_BYTES_MAX && head.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#');
        return if is_begun { Next::Over } else { Next::Sign(Sign::plain(b'&')) };
    };
    let sign = match &head[..end] {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x' | b'X', digits @ ..] => hex(digits).and_then(char::from_u32),
        [b'#', digits @ ..] => {
            str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).and_then(char::from_u32)
        }
        _ => None,
    };
    Next::Sign(sign.map_or(Sign::plain(b'&'), |sign| Sign::char(sign, end + 2)))
}

/// The number of some hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    is_plain.then_some(digits).and_then(|digits| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())
}
