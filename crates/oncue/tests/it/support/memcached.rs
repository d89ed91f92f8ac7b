//! The real memcached, on a free port: it can be asked what it counted, killed, and started again where it was.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::wait::{PATIENCE, until};

/// A running memcached. It ends with the value.
pub(crate) struct Memcached {
    child: Child,
    port: u16,
}

impl Memcached {
    /// An empty one.
    pub(crate) fn start() -> Memcached {
        // Somebody else may take a port between its choice and its use.
        let started = (0..10).find_map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("a bound socket has an address").port();
            drop(listener);
            launch(port).map(|child| (child, port))
        });
        let (child, port) = started.expect("memcached starts (scripts/test installs it)");
        Memcached { child, port }
    }

    /// What `--cache-url` takes.
    pub(crate) fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port)
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Starts it again, empty, where it was.
    pub(crate) fn start_again(&mut self) {
        self.child = until("memcached starts again", || launch(self.port));
    }

    /// One of its own counters.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let lines = self.say("stats");
        let counters: BTreeMap<&str, &str> =
            lines.iter().filter_map(|line| line.strip_prefix("STAT ")?.split_once(' ')).collect();
        counters.get(name).unwrap_or_else(|| panic!("{name} in {counters:?}")).parse().expect("a number")
    }

    /// The names of all that it keeps.
    pub(crate) fn keys(&self) -> Vec<String> {
        // It looks through itself now and then, and says so when it is asked meanwhile.
        let lines = until("memcached has time to look", || {
            Some(self.say("lru_crawler metadump all"))
                .filter(|lines| !lines.iter().any(|line| line.starts_with("BUSY")))
        });
        let names = lines.iter().filter_map(|line| Some(line.strip_prefix("key=")?.split_once(' ')?.0));
        names.map(|name| name.replace("%3A", ":").replace("%3a", ":")).collect()
    }

    /// Keeps this under that name.
    pub(crate) fn keep(&self, key: &str, value: &str) {
        let mut stream = self.connect();
        let command = format!("set {key} 0 0 {}\r\n{value}\r\n", value.len());
        stream.write_all(command.as_bytes()).expect("memcached reads");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("memcached answers");
        assert_eq!(answer, "STORED\r\n");
    }

    /// The lines of an answer, without the word that ends it.
    fn say(&self, command: &str) -> Vec<String> {
        let mut stream = self.connect();
        stream.write_all(format!("{command}\r\n").as_bytes()).expect("memcached reads");
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("memcached answers"));
        let mut said = Vec::new();
        while let Some(line) = lines.next().filter(|line| line != "END") {
            said.push(line);
            if said[0].starts_with("BUSY") {
                break;
            }
        }
        said
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("memcached listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A memcached that listens; none where it ended instead.
fn launch(port: u16) -> Option<Child> {
    let mut command = Command::new("memcached");
    // Started by root it wants to know whom to become; anybody else it does not ask.
    command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-u", "nobody"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    while child.try_wait().expect("a child can be asked").is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}
