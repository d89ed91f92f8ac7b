//! Everything a journey meets beside the browser: the server with a clock that is moved, on a database that outlives it, and
//! a receiver that does as it is told. The processes themselves are those of the black-box tests (`support`).

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::driver::{Browser, Visitor};
use crate::support::client::Client;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

/// How far before an occurrence the clock is put, so that the rest is no absence (the engine's limit is 30 s).
const SHORTLY: SignedDuration = SignedDuration::from_secs(5);

/// The password of everybody who registers.
pub(crate) const PASSWORD: &str = crate::support::server::PASSWORD;

/// What the receiver says to the next requests, the last of them for ever.
type Script = Arc<Mutex<Vec<Reply>>>;

/// Where a journey is played.
pub(crate) struct Stage {
    server: Option<Server>,
    flags: Vec<String>,
    /// What the tests have added to the system's clock; a server that is started again begins with it.
    offset: SignedDuration,
    /// Where webhooks go.
    pub(crate) receiver: Receiver,
    script: Script,
}

impl Stage {
    /// A server without login, and a receiver that takes everything.
    pub(crate) fn open() -> Stage {
        Stage::with(&["--open"])
    }

    /// A server where people register.
    pub(crate) fn with_accounts() -> Stage {
        Stage::with(&["--allow-private-destinations"])
    }

    /// A server with these flags.
    pub(crate) fn with(flags: &[&str]) -> Stage {
        let script: Script = Arc::new(Mutex::new(vec![OK]));
        let told = Arc::clone(&script);
        let receiver = Receiver::scripted(move |_, _| {
            let mut replies = told.lock().expect("no thread panics with the script");
            if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() }
        });
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut stage = Stage { server: None, flags, offset: SignedDuration::ZERO, receiver, script };
        stage.start(Setup::bare().variable("ONCUE_LISTEN", "127.0.0.1:0"));
        stage
    }

    fn start(&mut self, mut setup: Setup) {
        setup.flags.clone_from(&self.flags);
        setup.flags.push(format!("--movable-clock={}us", self.offset.as_micros()));
        self.server = Some(setup.serve());
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("only a restart takes the server away, and brings it back")
    }

    /// The server's address, as in `http://127.0.0.1:4567`.
    pub(crate) fn base(&self) -> &str {
        self.server().base()
    }

    /// The address of a page.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    /// Somebody who speaks to the API, to prepare what a journey begins with.
    pub(crate) fn nobody(&self) -> Client {
        self.server().nobody()
    }

    /// A browser of its own that has the server's first page open.
    pub(crate) fn visit(&self, visitor: Visitor) -> Browser {
        let browser = Browser::of(visitor);
        browser.open(&self.at("/"));
        browser
    }

    /// What the receiver says to the next requests, and to all after them what it says last.
    pub(crate) fn reply(&self, replies: &[Reply]) {
        assert!(!replies.is_empty(), "a receiver says something");
        *self.script.lock().expect("no thread panics with the script") = replies.to_vec();
    }

    /// Moves the server's clock, and says what time it is there now.
    ///
    /// Moving it by more than 30 s is an absence: of what falls due inside it only the latest fires.
    pub(crate) fn advance(&mut self, by: SignedDuration) -> Timestamp {
        let seen = self.clock_answers();
        self.server().process.say(&format!("advance {}us\n", by.as_micros()));
        let now = until("the clock is moved", || self.clock_answers().get(seen.len()).cloned());
        self.offset += by;
        now.parse().unwrap_or_else(|error| panic!("{now}: {error}"))
    }

    /// What time it is on the server.
    pub(crate) fn now(&mut self) -> Timestamp {
        self.advance(SignedDuration::ZERO)
    }

    /// Moves the server's clock to an occurrence, so that it is not in an absence: shortly before it in one jump, then past it.
    pub(crate) fn advance_gently(&mut self, due: Timestamp) {
        let now = self.now();
        let before = due - SHORTLY;
        if before > now {
            let jumped = self.advance(before.duration_since(now));
            self.until_looked_at(jumped);
        }
        let now = self.now();
        if due > now {
            self.advance(due.duration_since(now));
        }
    }

    /// Waits until the scheduler has looked at the clock since `instant`: the last sign of life stands in the lock file.
    fn until_looked_at(&self, instant: Timestamp) {
        let lock = self.server().setup().path("oncue.db.lock");
        until("the scheduler looks at the clock", || {
            let bytes = std::fs::read(&lock).ok()?;
            let sign_us = i64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
            Some(()).filter(|()| sign_us >= instant.as_microsecond())
        });
    }

    fn clock_answers(&self) -> Vec<String> {
        let log = self.server().log();
        log.lines().filter_map(|line| line.strip_prefix("clock ")).map(str::to_owned).collect()
    }

    /// Ends the server as a service manager does, and starts it again at the same address, on what it left.
    pub(crate) fn restart(&mut self) {
        let server = self.server.take().expect("the server runs");
        let port = server.port();
        self.come_back(server.stop(), port);
    }

    /// Ends the server as `kill -9` does, and starts it again at the same address, on what it left.
    pub(crate) fn kill_and_restart(&mut self) {
        let server = self.server.take().expect("the server runs");
        let port = server.port();
        self.come_back(server.kill(), port);
    }

    /// Ends the server as `kill -9` does, and starts it again at the same address, on what it left, so much later by its own
    /// clock. `look` is what somebody does while there is no server.
    pub(crate) fn kill_for(&mut self, downtime: SignedDuration, look: impl FnOnce()) {
        let server = self.server.take().expect("the server runs");
        let port = server.port();
        let setup = server.kill();
        look();
        self.offset += downtime;
        self.come_back(setup, port);
    }

    fn come_back(&mut self, setup: Setup, port: u16) {
        self.start(setup.variable("ONCUE_LISTEN", &format!("127.0.0.1:{port}")));
    }
}
