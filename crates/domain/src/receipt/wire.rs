//! How stores keep a receipt: a run of bytes of a few hundred, written once while a delivery is under way and read when somebody asks.
//! Numbers take as many bytes as they need (seven bits in each, the lowest first), texts stand behind their length, and names of
//! headers that are common stand as their place in a list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use super::pack::{pack, unpack};
use super::{BODY_BYTES_MAX, Facts, Header, Method, Receipt, Sent};

/// The first byte: what follows stands there as it is, or behind its length and packed. A form that is read in another way gets another
/// number.
const PLAIN: u8 = 1;
const PACKED: u8 = 2;

/// No receipt has more bytes before it is packed.
const HEAD_BYTES_MAX: u64 = 1024 * 1024;

/// Common names of headers. Receipts hold places in this list: it only ever grows, and at its end.
const NAMES: [&str; 24] = [
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "authorization",
    "accept",
    "x-github-api-version",
    "from",
    "to",
    "subject",
    "message-id",
    "date",
    "server",
    "content-length",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "cache-control",
    "vary",
    "retry-after",
    "location",
    "set-cookie",
    "strict-transport-security",
];

/// These bytes are no receipt of a form that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the receipt cannot be read")]
pub struct Unreadable;

/// A receipt on its way into bytes.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new() -> Writer {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(PLAIN);
        Writer(bytes)
    }

    pub(super) fn nothing_sent(&mut self) {
        self.0.push(0);
    }

    pub(super) fn sent<'h>(
        &mut self,
        method: Option<Method>,
        address: &str,
        headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h str>)>,
        body_bytes: usize,
    ) {
        self.0.push(number_of(method));
        self.text(address);
        self.number(headers.len() as u64);
        for (name, value) in headers {
            self.name(name);
            match value {
                Some(value) => {
                    self.number(value.len() as u64 + 1);
                    self.0.extend_from_slice(value.as_bytes());
                }
                None => self.number(0),
            }
        }
        self.number(body_bytes as u64);
    }

    pub(super) fn end(
        mut self,
        queue_us: Option<u64>,
        facts: &Facts,
        answer_headers: &[(String, String)],
        is_packed: bool,
    ) -> Vec<u8> {
        let times = [facts.connect_us, facts.tls_us, facts.wait_us, facts.receive_us];
        self.maybe(queue_us);
        times.iter().for_each(|time| self.maybe(time.map(u64::from)));
        match facts.address {
            None => self.0.push(0),
            Some(address) => {
                match address.ip() {
                    IpAddr::V4(ip) => {
                        self.0.push(4);
                        self.0.extend_from_slice(&ip.octets());
                    }
                    IpAddr::V6(ip) => {
                        self.0.push(6);
                        self.0.extend_from_slice(&ip.octets());
                    }
                }
                self.0.extend_from_slice(&address.port().to_le_bytes());
            }
        }
        self.number(answer_headers.len() as u64);
        for (name, value) in answer_headers {
            self.name(name);
            self.text(value);
        }
        self.0.push(u8::from(is_packed));
        let Some(packed) = pack(&self.0[1..]) else { return self.0 };
        let mut head = Writer(Vec::with_capacity(packed.len() + 4));
        head.0.push(PACKED);
        head.number(self.0.len() as u64 - 1);
        head.0.extend_from_slice(&packed);
        head.0
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn maybe(&mut self, number: Option<u64>) {
        self.number(number.map_or(0, |number| number.saturating_add(1)));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, name: &str) {
        match NAMES.iter().position(|known| *known == name) {
            Some(place) => self.number(place as u64 + 1),
            None => {
                self.number(0);
                self.text(name);
            }
        }
    }
}

/// 0 stands for nothing.
fn number_of(method: Option<Method>) -> u8 {
    match method {
        Some(Method::Post) => 1,
        Some(Method::Put) => 2,
        Some(Method::Patch) => 3,
        None => 4,
    }
}

pub(super) fn read(head: &[u8], body: Option<Bytes>) -> Result<Receipt, Unreadable> {
    let mut reader = Reader(head);
    match reader.byte()? {
        PLAIN => read_plain(reader, body),
        PACKED => {
            let bytes = reader.number()?;
            let bytes = Some(bytes).filter(|bytes| *bytes <= HEAD_BYTES_MAX).ok_or(Unreadable)?;
            let plain = unpack(reader.0, usize::try_from(bytes).map_err(|_| Unreadable)?)?;
            read_plain(Reader(&plain), body)
        }
        _ => Err(Unreadable),
    }
}

fn read_plain(mut reader: Reader<'_>, body: Option<Bytes>) -> Result<Receipt, Unreadable> {
    let mut sent = match reader.byte()? {
        0 => None,
        number => Some(reader.sent(number, body.ok_or(Unreadable)?)?),
    };
    let queue_us = reader.maybe()?;
    let mut time = || reader.maybe()?.map(u32::try_from).transpose().map_err(|_| Unreadable);
    let (connect_us, tls_us, wait_us, receive_us) = (time()?, time()?, time()?, time()?);
    let address = reader.address()?;
    let answer_headers =
        (0..reader.count()?).map(|_| Ok((reader.name()?, reader.text()?))).collect::<Result<_, _>>()?;
    let is_packed = reader.byte()? == 1;
    if !reader.0.is_empty() {
        return Err(Unreadable);
    }
    if let Some(sent) = sent.as_mut().filter(|_| is_packed) {
        let bytes = usize::try_from(sent.body_bytes).map_err(|_| Unreadable)?.min(BODY_BYTES_MAX);
        sent.body = unpack(&sent.body, bytes)?.into();
    }
    Ok(Receipt { sent, queue_us, facts: Facts { address, connect_us, tls_us, wait_us, receive_us }, answer_headers })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        self.array().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            // The last byte has room for one bit alone.
            if number >> shift != bits {
                return Err(Unreadable);
            }
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unreadable)
    }

    fn maybe(&mut self) -> Result<Option<u64>, Unreadable> {
        self.number().map(|number| number.checked_sub(1))
    }

    /// How many follow: never more than there are bytes.
    fn count(&mut self) -> Result<usize, Unreadable> {
        let count = usize::try_from(self.number()?).map_err(|_| Unreadable)?;
        if count > self.0.len() { Err(Unreadable) } else { Ok(count) }
    }

    fn text_of(&mut self, bytes: u64) -> Result<String, Unreadable> {
        let bytes = self.take(usize::try_from(bytes).map_err(|_| Unreadable)?)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| Unreadable)
    }

    fn text(&mut self) -> Result<String, Unreadable> {
        let bytes = self.number()?;
        self.text_of(bytes)
    }

    fn name(&mut self) -> Result<String, Unreadable> {
        let Some(place) = self.maybe()? else { return self.text() };
        let name = usize::try_from(place).ok().and_then(|place| NAMES.get(place));
        name.map(|name| (*name).to_owned()).ok_or(Unreadable)
    }

    fn header(&mut self) -> Result<Header, Unreadable> {
        let name = self.name()?;
        let value = self.maybe()?.map(|bytes| self.text_of(bytes)).transpose()?;
        Ok(Header { name, value })
    }

    fn sent(&mut self, number: u8, body: Bytes) -> Result<Sent, Unreadable> {
        let method = [None, Some(Method::Post), Some(Method::Put), Some(Method::Patch)];
        let method = method.into_iter().find(|method| number_of(*method) == number).ok_or(Unreadable)?;
        let address = self.text()?;
        let headers = (0..self.count()?).map(|_| self.header()).collect::<Result<_, _>>()?;
        Ok(Sent { method, address, headers, body, body_bytes: self.number()? })
    }

    fn address(&mut self) -> Result<Option<SocketAddr>, Unreadable> {
        let ip = match self.byte()? {
            0 => return Ok(None),
            4 => IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)),
            _ => return Err(Unreadable),
        };
        Ok(Some(SocketAddr::new(ip, u16::from_le_bytes(self.array()?))))
    }
}
