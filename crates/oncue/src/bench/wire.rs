//! Just enough HTTP/1.1 for both ends of a benchmark: whole messages with a Content-Length on kept-alive connections. A
//! library would do it better and cost the machine that is being measured several times as much. Nothing else in oncue may
//! use it.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a connection's buffer holds at first.
const BUFFER_BYTES: usize = 8 * 1024;

/// A connection that messages are read from one after the other.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer the message before took.
    taken: usize,
}

/// A message: its head up to the empty line, and its body.
pub(super) struct Message<'a> {
    pub(super) head: &'a str,
    pub(super) body: &'a [u8],
}

impl Message<'_> {
    /// The status of an answer.
    pub(super) fn status(&self) -> Option<u16> {
        self.head.split(' ').nth(1)?.get(..3)?.parse().ok()
    }

    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

impl Wire {
    /// Speaks on `stream`.
    pub(super) fn new(stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        Ok(Wire { stream, buffer: Vec::with_capacity(BUFFER_BYTES), taken: 0 })
    }

    /// Sends bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Whatever has come, at least a byte of it: for an answer that has no end.
    pub(super) async fn bytes(&mut self) -> io::Result<&[u8]> {
        self.buffer.clear();
        self.taken = 0;
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(&self.buffer)
    }

    /// The next message; none when the other side has closed the connection.
    pub(super) async fn receive(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        loop {
            if let Some((head, body)) = frame(&self.buffer)? {
                self.taken = body.end;
                let head = std::str::from_utf8(&self.buffer[head]).map_err(io::Error::other)?;
                return Ok(Some(Message { head, body: &self.buffer[body] }));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }
}

/// Where head and body of the first message lie, once it is whole.
fn frame(bytes: &[u8]) -> io::Result<Option<(Range<usize>, Range<usize>)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
    let length = header(head, "content-length").map_or(Ok(0), str::parse::<usize>).map_err(io::Error::other)?;
    let body = end + 4..end + 4 + length;
    Ok((body.end <= bytes.len()).then_some((0..end, body)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_framed_once_its_body_has_come() {
        let whole = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nwebhook-id: x\r\n\r\nabcPOST";
        let (head, body) = frame(whole).expect("it is HTTP").expect("it is whole");
        assert_eq!(&whole[body], b"abc");
        let head = std::str::from_utf8(&whole[head]).expect("a head is text");
        assert_eq!(header(head, "webhook-id"), Some("x"));
        assert!(frame(&whole[..whole.len() - 5]).expect("it is HTTP").is_none());
        assert!(frame(b"HTTP/1.1 200").expect("it may become HTTP").is_none());
    }

    #[test]
    fn an_answer_tells_its_status() {
        let message = Message { head: "HTTP/1.1 204 No Content\r\ndate: now", body: b"" };
        assert_eq!(message.status(), Some(204));
    }
}
