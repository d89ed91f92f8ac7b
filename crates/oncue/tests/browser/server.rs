//! What the browser meets: a real `oncue serve` in a folder of its own, and a receiver that says 200 to everything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

/// A running server. It ends with the value.
pub(crate) struct Server {
    process: Child,
    log: Arc<Mutex<String>>,
    /// `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    _folder: TempDir,
}

impl Server {
    /// Starts one on a free port and waits until it says that it is ready.
    pub(crate) fn start(flags: &[&str]) -> Server {
        let folder = TempDir::new().expect("a temporary folder");
        let mut process = Command::new(env!("CARGO_BIN_EXE_oncue"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let log = Arc::new(Mutex::new(String::new()));
        follow(process.stderr.take().expect("a pipe"), &log);
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let base = lines.find_map(|line| line.split_once("listening on ").map(|(_, base)| base.trim().to_owned()));
        let base = base.unwrap_or_else(|| panic!("the server did not start: {}", log.lock().expect("a log")));
        thread::spawn(move || lines.for_each(drop));
        Server { process, log, base, _folder: folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log.lock().map(|log| log.clone()).unwrap_or_default());
        }
    }
}

fn follow(pipe: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lock().expect("no thread panics with the log").push_str(&format!("{line}\n"));
        }
    });
}

/// Starts a receiver that answers every request with 200 and `answer`; gives its address. It ends with the test.
pub(crate) fn receive(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut reader = BufReader::new(&stream);
                let mut body_bytes = 0;
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        body_bytes = length.trim().parse().expect("a length is a number");
                    }
                    if line == "\r\n" {
                        break;
                    }
                }
                let mut body = vec![0; body_bytes];
                if reader.read_exact(&mut body).is_ok() {
                    let length = answer.len();
                    // Whoever went away needs no answer.
                    let _ = write!(
                        &stream,
                        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}"
                    );
                }
            });
        }
    });
    format!("http://{address}/hook")
}
