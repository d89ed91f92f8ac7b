//! Lines over a connection to a mail server: commands out, whole replies in, never more of them than is good for us. What is
//! said stands in `dialogue`.

use std::fmt::Display;
use std::io;

use lettre::transport::smtp::response::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Stop, failed};
use crate::http::line::TooMuch;

/// How many bytes a server may say on one connection. A talkative one needs a few thousand; whoever says more means no mail.
const HEARD_BYTES_MAX: usize = 16 * 1024;

/// A connection, and what was heard on it but not read yet.
pub(super) struct Wire<T> {
    stream: T,
    heard: Vec<u8>,
    left: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    pub(super) fn new(stream: T) -> Wire<T> {
        Wire { stream, heard: Vec::new(), left: HEARD_BYTES_MAX }
    }

    /// Sends a command and waits for its reply.
    pub(super) async fn say(&mut self, command: impl Display) -> Result<Response, Stop> {
        self.write(command.to_string().as_bytes()).await?;
        self.reply().await
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.stream.write_all(bytes).await.map_err(|error| explain(&error))?;
        self.stream.flush().await.map_err(|error| explain(&error))
    }

    /// Reads one reply, all its lines (RFC 5321 §4.2).
    pub(super) async fn reply(&mut self) -> Result<Response, Stop> {
        let mut reply = String::new();
        loop {
            let line = self.line().await?;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(line);
            // A code may stand alone; the parser wants the blank after it.
            reply.push_str(if line.len() == 3 { " \r\n" } else { "\r\n" });
            if is_last {
                return reply.parse().map_err(|_| failed("What the mail server answered is not SMTP."));
            }
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Stop> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.heard[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.heard.split_off(searched + end + 1);
                return Ok(std::mem::replace(&mut self.heard, rest));
            }
            searched = self.heard.len();
            self.hear().await?;
        }
    }

    async fn hear(&mut self) -> Result<(), Stop> {
        let mut piece = [0; 1024];
        let room = self.left.min(piece.len());
        if room == 0 {
            return Err(failed(format!("The mail server said more than {} KiB.", HEARD_BYTES_MAX / 1024)));
        }
        let n = self.stream.read(&mut piece[..room]).await.map_err(|error| explain(&error))?;
        if n == 0 {
            return Err(closed());
        }
        self.left -= n;
        self.heard.extend_from_slice(&piece[..n]);
        Ok(())
    }

    /// Gives the connection back, for TLS. None where the server has said more than it was asked: whoever slips in lines before
    /// the handshake wants them to be taken for the server's own after it.
    pub(super) fn into_stream(self) -> Option<T> {
        self.heard.is_empty().then_some(self.stream)
    }
}

fn closed() -> Stop {
    failed("The mail server closed the connection before it took the mail.")
}

fn explain(error: &io::Error) -> Stop {
    if let Some(too_much) = error.get_ref().and_then(|held| held.downcast_ref::<TooMuch>()) {
        return failed(format!("The mail server said too much: {too_much}."));
    }
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => closed(),
        _ => failed("The connection to the mail server broke before it took the mail."),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the server says, heard by a client that says nothing.
    fn hear(said: &[u8]) -> Result<Response, Stop> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(HEARD_BYTES_MAX * 2);
            theirs.write_all(said).await.expect("there is room");
            drop(theirs);
            Wire::new(ours).reply().await
        })
    }

    fn words(stop: Stop) -> String {
        match stop {
            Stop::Failed(failure) => failure.0,
            Stop::Refused(answer) => panic!("no refusal: {answer:?}"),
        }
    }

    #[test]
    fn replies_are_read_to_their_last_line() {
        let reply =
            hear(b"250-mx.example.com\r\n250-\r\n250-  \r\n250 SIZE 1000\r\n220 not ours\r\n").expect("a reply");
        assert!(reply.has_code(250));
        assert_eq!(reply.message().map(str::trim).collect::<Vec<_>>(), ["mx.example.com", "", "", "SIZE 1000"]);
        assert!(hear(b"354\r\n").expect("a reply").has_code(354));
        assert!(hear(b"250 with a bare line feed\n").expect("a reply").has_code(250));
        assert!(hear(b"250 \xff\xfe\r\n").expect("a reply").has_code(250));
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for garbage in
            ["\r\n", "HTTP/1.1 400 Bad Request\r\n", "25 x\r\n", "999 x\r\n", "250-a\r\n550 b\r\n", "٢٥٠ x\r\n"]
        {
            let stop = hear(garbage.as_bytes()).expect_err(garbage);
            assert!(words(stop).contains("not SMTP"), "{garbage}");
        }
        assert!(words(hear(b"250-half\r\n").expect_err("cut")).contains("closed the connection"));
    }

    #[test]
    fn an_endless_reply_or_line_ends_at_the_bound() {
        for endless in [b"220-x\r\n".repeat(HEARD_BYTES_MAX / 7 + 1), vec![b'2'; HEARD_BYTES_MAX + 1]] {
            assert!(words(hear(&endless).expect_err("endless")).contains("more than 16 KiB"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_of_a_server_panic(said in proptest::collection::vec(any::<u8>(), 0..200), code in "[0-9]{3}[- ]?") {
            let _ = hear(&said);
            let _ = hear(&[code.as_bytes(), &said, b"\r\n"].concat());
        }
    }
}
