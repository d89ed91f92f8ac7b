//! The real memcached, and servers that only listen where one should be.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a machine that is busy with other tests.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A running memcached. It ends with the value.
pub(super) struct Program {
    child: Child,
    port: u16,
    flags: Vec<String>,
}

impl Program {
    /// On a free port, with these flags.
    pub(super) fn start(flags: &[&str]) -> Program {
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        // Somebody else may take a port between its choice and its use.
        let started = (0..10).find_map(|_| {
            let port = free_port();
            launch(port, &flags).map(|child| (child, port))
        });
        let (child, port) = started.expect("memcached starts (scripts/test installs it)");
        Program { child, port, flags }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Starts it again where it was.
    pub(super) fn start_again(&mut self) {
        let start = Instant::now();
        loop {
            if let Some(child) = launch(self.port, &self.flags) {
                self.child = child;
                return;
            }
            assert!(start.elapsed() < PATIENCE, "memcached does not start again on port {}", self.port);
        }
    }

    /// What it answers to a line, up to the end that is named.
    pub(super) fn say(&self, line: &str, end: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("memcached listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(format!("{line}\r\n").as_bytes()).expect("memcached reads");
        let (mut answer, mut byte) = (String::new(), [0]);
        while !answer.ends_with(end) {
            stream.read_exact(&mut byte).expect("memcached answers");
            answer.push(char::from(byte[0]));
        }
        answer
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A memcached that listens; none where it ended instead.
fn launch(port: u16, flags: &[String]) -> Option<Child> {
    let mut command = Command::new("memcached");
    // Started by root it wants to know whom to become; anybody else it does not ask.
    command.args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-u", "nobody"]).args(flags);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    while child.try_wait().expect("a child can be asked").is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// A server on a loopback port that does with a connection what it was told to; its threads end with the test.
pub(super) struct Impostor {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Impostor {
    pub(super) fn start(behave: impl Fn(TcpStream) + Send + Sync + 'static) -> Impostor {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let (behave, counter) = (Arc::new(behave), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let behave = Arc::clone(&behave);
                thread::spawn(move || behave(stream));
            }
        });
        Impostor { address, connections }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections it was offered.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
