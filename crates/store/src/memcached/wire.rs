//! memcached's text protocol, the two commands of it that are needed: `get` and `set`, which every memcached and every proxy
//! before one understands. Whatever is read is bounded, and an answer that is not exactly one of those that the protocol knows
//! is an error; its connection must not be used again. Deadlines are the caller's.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::VALUE_BYTES_MAX;

/// How long a line of an answer may be: `VALUE`, a key of 250 bytes, and three numbers.
const LINE_BYTES_MAX: u64 = 512;

/// What a server is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command<'a> {
    /// What is kept under the key?
    Get { key: &'a str },
    /// Keep this under the key, for so long.
    Set { key: &'a str, value: &'a [u8], seconds: u64 },
}

impl Command<'_> {
    /// A question that any server answers at once, whatever it keeps.
    pub(super) const LOOK: Command<'static> = Command::Get { key: "oncue:look" };
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// This is kept.
    Found(Vec<u8>),
    /// Nothing is kept.
    NotFound,
    /// It is kept now.
    Stored,
    /// The server could not take it, in its own words: it is too large, or there is no memory.
    Refused(String),
}

/// A connection to a server, between two commands.
pub(super) struct Connection<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Connection<S> {
        Connection(BufReader::new(stream))
    }

    /// Sends a command and reads its answer.
    pub(super) async fn ask(&mut self, command: &Command<'_>) -> Result<Reply> {
        let reply = match *command {
            Command::Get { key } => self.get(key).await,
            Command::Set { key, value, seconds } => self.set(key, value, seconds).await,
        }?;
        // What came too much would be taken for the answer to the next command.
        if self.0.buffer().is_empty() { Ok(reply) } else { Err(garbage("it says more than it was asked")) }
    }

    async fn get(&mut self, key: &str) -> Result<Reply> {
        self.0.write_all(format!("get {key}\r\n").as_bytes()).await?;
        let line = self.line().await?;
        if line == "END" {
            return Ok(Reply::NotFound);
        }
        let words: Vec<&str> = line.split(' ').collect();
        // The key must be the one that was asked for: another's answer is another owner's.
        let ["VALUE", named, _, length] = words[..] else { return Err(unknown(&line)) };
        let length: usize = length.parse().map_err(|_| unknown(&line))?;
        if named != key || length > VALUE_BYTES_MAX {
            return Err(garbage("it answers with something else than was kept"));
        }
        let mut value = vec![0; length];
        self.0.read_exact(&mut value).await?;
        if !self.line().await?.is_empty() || self.line().await? != "END" {
            return Err(garbage("a value does not end where it should"));
        }
        Ok(Reply::Found(value))
    }

    async fn set(&mut self, key: &str, value: &[u8], seconds: u64) -> Result<Reply> {
        let head = format!("set {key} 0 {seconds} {}\r\n", value.len());
        // In one piece: two would be two packets, and the server would wait for the second.
        self.0.write_all(&[head.as_bytes(), value, b"\r\n"].concat()).await?;
        let line = self.line().await?;
        match line.strip_prefix("SERVER_ERROR ") {
            Some(words) => Ok(Reply::Refused(words.to_owned())),
            None if line == "STORED" => Ok(Reply::Stored),
            None => Err(unknown(&line)),
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        (&mut self.0).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                String::from_utf8(line.to_vec()).map_err(|_| garbage("it does not speak memcached's protocol"))
            }
            None if line.len() as u64 == LINE_BYTES_MAX => Err(garbage("it does not speak memcached's protocol")),
            None if line.ends_with(b"\n") => Err(garbage("it does not speak memcached's protocol")),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn garbage(words: &str) -> Error {
    Error::new(ErrorKind::InvalidData, words)
}

/// Only the words of an error are repeated: anything else may hold what somebody keeps there.
fn unknown(line: &str) -> Error {
    let is_error = ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"].iter().any(|word| line.split(' ').next() == Some(*word));
    let words = if is_error { line } else { "it does not speak memcached's protocol" };
    garbage(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Command<'static> = Command::Get { key: "k" };
    const SET: Command<'static> = Command::Set { key: "k", value: b"a\r\nb", seconds: 300 };

    /// What a server makes of a command that answers with these bytes and then ends, and what it was sent.
    async fn ask(command: Command<'_>, answer: &[u8]) -> (Result<Reply>, Vec<u8>) {
        let (near, mut far) = tokio::io::duplex(2 * VALUE_BYTES_MAX);
        far.write_all(answer).await.expect("there is room");
        far.shutdown().await.expect("an open pipe");
        let mut connection = Connection::new(near);
        let reply = connection.ask(&command).await;
        drop(connection);
        let mut sent = Vec::new();
        far.read_to_end(&mut sent).await.expect("an open pipe");
        (reply, sent)
    }

    async fn reply(command: Command<'_>, answer: &[u8]) -> Reply {
        ask(command, answer).await.0.expect("an answer that is understood")
    }

    async fn failure(command: Command<'_>, answer: &[u8]) -> ErrorKind {
        ask(command, answer).await.0.expect_err("no answer of memcached's").kind()
    }

    #[tokio::test]
    async fn commands_are_written_as_memcached_reads_them() {
        assert_eq!(ask(GET, b"END\r\n").await.1, b"get k\r\n");
        assert_eq!(ask(SET, b"STORED\r\n").await.1, b"set k 0 300 4\r\na\r\nb\r\n");
    }

    #[tokio::test]
    async fn answers_are_read_to_their_last_byte() {
        assert_eq!(reply(GET, b"END\r\n").await, Reply::NotFound);
        assert_eq!(reply(GET, b"VALUE k 0 6\r\na\r\nEND\r\nEND\r\n").await, Reply::Found(b"a\r\nEND".to_vec()));
        assert_eq!(reply(GET, b"VALUE k 7 0\r\n\r\nEND\r\n").await, Reply::Found(Vec::new()));
        assert_eq!(reply(SET, b"STORED\r\n").await, Reply::Stored);
        let refused = b"SERVER_ERROR object too large for cache\r\n";
        assert_eq!(reply(SET, refused).await, Reply::Refused("object too large for cache".to_owned()));
    }

    #[tokio::test]
    async fn a_connection_that_ends_too_early_is_told_from_garbage() {
        for cut in [&b""[..], b"EN", b"END\r", b"VALUE k 0 6\r\nabc", b"VALUE k 0 1\r\na\r\n"] {
            assert_eq!(failure(GET, cut).await, ErrorKind::UnexpectedEof, "{cut:?}");
        }
    }

    #[tokio::test]
    async fn garbage_is_an_error_and_never_a_value() {
        let large = format!("VALUE k 0 {}\r\n", VALUE_BYTES_MAX + 1);
        for answer in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"VALUE other 0 1\r\na\r\nEND\r\n",
            b"VALUE k 0 1\r\nabc\r\nEND\r\n",
            b"VALUE k 0 1\r\na\r\nVALUE k 0 1\r\nb\r\nEND\r\n",
            b"VALUE k 0 -1\r\n",
            b"VALUE k 0 99999999999999999999999\r\n",
            b"VALUE k 0 18446744073709551615\r\n",
            large.as_bytes(),
            b"VALUE k 0\r\n",
            b"END\n",
            b"END\r\nEND\r\n",
            b"STORED\r\n",
            b"ERROR\r\n",
            b"SERVER_ERROR backend is away\r\n",
            b"\xff\xfe\r\n",
            &[b'x'; 100_000],
            &[b'\n'; 100],
        ] {
            let what = String::from_utf8_lossy(&answer[..answer.len().min(60)]);
            assert_eq!(failure(GET, answer).await, ErrorKind::InvalidData, "{what}");
        }
        for answer in [&b"END\r\n"[..], b"NOT_STORED\r\n", b"ERROR\r\nERROR\r\n", b"STORED\r\nSTORED\r\n", b"\r\n"] {
            assert_eq!(failure(SET, answer).await, ErrorKind::InvalidData, "{answer:?}");
        }
    }

    #[test]
    fn what_a_stranger_says_is_repeated_only_where_it_is_an_error_of_memcached() {
        assert_eq!(unknown("CLIENT_ERROR bad command line format").to_string(), "CLIENT_ERROR bad command line format");
        assert!(!unknown("VALUE k 0 secret").to_string().contains("secret"));
    }
}
