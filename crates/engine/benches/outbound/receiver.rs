//! A receiver that answers at once, in a process of its own, so that what it costs is not counted as its callers'. It is this very
//! program in another role, and ends with its standard input.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// The argument that makes a receiver of this program.
pub(crate) const ROLE: &str = "receive";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";

/// A running receiver; it ends with this.
pub(crate) struct Receiver {
    process: Child,
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
}

impl Receiver {
    /// Starts one.
    pub(crate) fn start() -> Receiver {
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut command = Command::new(program);
        command.arg(ROLE).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("a receiver can be started");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output is a pipe"))
            .read_line(&mut line)
            .expect("a receiver says its port");
        Receiver { process, port: line.trim().parse().expect("a port is a number") }
    }

    /// Its address, by name, so that a name is looked up and judged for each connection.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}/hook", self.port)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers whoever calls, until standard input ends.
pub(crate) fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("a bound socket has an address").port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    let mut rest = Vec::new();
    // Whoever started it may be gone; then it ends, too.
    let _ = std::io::stdin().read_to_end(&mut rest);
}

fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut pending = Vec::new();
    let mut piece = [0; 8192];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        pending.extend_from_slice(&piece[..read]);
        while let Some(length) = whole(&pending) {
            pending.drain(..length);
            if stream.write_all(ANSWER).is_err() {
                return;
            }
        }
    }
}

/// How many bytes the first request has, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?.to_ascii_lowercase();
    let body = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    (bytes.len() >= end + body).then_some(end + body)
}
