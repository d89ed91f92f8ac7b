//! The process under test. Each one lives in its own empty folder with a clean environment, so that neither a developer's
//! settings nor another test can be felt; it can be stopped, killed, and started again on what it left.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use super::database::Database;
use super::wait::{self, PATIENCE};

/// The password of every user that a test registers.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A free port of the loopback address.
const ANYWHERE: &str = "127.0.0.1:0";

/// The key of the login tokens where the store has no place to keep one.
pub(crate) const JWT_SECRET: &str = "the key of all nodes of a test, long enough";

/// A folder, flags and variables, and a database where the store is PostgreSQL: all that a process starts from.
pub(crate) struct Setup {
    folder: TempDir,
    pub(crate) flags: Vec<String>,
    variables: Vec<(String, String)>,
    database: OnceLock<Option<Database>>,
    /// Where it listens in all its lives, where others tell it from them by its address.
    address: OnceLock<String>,
}

impl Setup {
    /// An empty folder, and a free port of the loopback address to listen on.
    pub(crate) fn new() -> Setup {
        Setup::bare().option("--listen", ANYWHERE)
    }

    /// An empty folder and nothing said.
    pub(crate) fn bare() -> Setup {
        let folder = TempDir::new().expect("a temporary folder");
        Setup { folder, flags: Vec::new(), variables: Vec::new(), database: OnceLock::new(), address: OnceLock::new() }
    }

    /// One of the nodes on a database of PostgreSQL.
    pub(crate) fn node(database_url: &str) -> Setup {
        Setup::new().option("--database-url", database_url).option("--jwt-secret", JWT_SECRET)
    }

    /// A file in the folder is the store, whatever the others have.
    pub(crate) fn sqlite() -> Setup {
        Setup { database: OnceLock::from(None), ..Setup::new() }
    }

    /// A flag of `serve`.
    pub(crate) fn flag(mut self, flag: &str) -> Setup {
        self.flags.push(flag.to_owned());
        self
    }

    /// A flag of `serve` with its value.
    pub(crate) fn option(self, flag: &str, value: &str) -> Setup {
        self.flag(flag).flag(value)
    }

    /// Takes all flags back.
    pub(crate) fn without_flags(mut self) -> Setup {
        self.flags = vec!["--listen".to_owned(), ANYWHERE.to_owned()];
        self
    }

    /// An environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Setup {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without that variable.
    pub(crate) fn without_variable(mut self, name: &str) -> Setup {
        self.variables.retain(|(given, _)| given != name);
        self
    }

    /// A file in the folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Setup {
        std::fs::write(self.path(name), text).expect("a temporary folder can be written");
        self
    }

    /// Leaves the folder behind for somebody to look at, and says where it is.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// Whether this text stands anywhere in what a stopped server has left.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let files = std::fs::read_dir(self.folder.path()).expect("the folder").flatten();
        let mut files = files.map(|entry| std::fs::read(entry.path()).expect("a file"));
        files.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
            || self.database().is_some_and(|database| database.holds(text))
    }

    /// Does this to what a stopped server has left, past oncue.
    pub(crate) fn sql(&self, statement: &str) {
        match self.database() {
            Some(database) => drop(database.sql(statement)),
            None => {
                let file = rusqlite::Connection::open(self.path("oncue.db")).expect("a database");
                file.execute_batch(statement).expect("a statement of the test's own");
            }
        }
    }

    /// Its own database on PostgreSQL: none where the test names one, or the store has to be another.
    fn database(&self) -> Option<&Database> {
        if self.says("--database-url", "DATABASE_URL") || self.says("--demo", "ONCUE_DEMO") {
            return None;
        }
        self.database.get_or_init(Database::if_asked_for).as_ref()
    }

    /// Whether it keeps its data on PostgreSQL because all do.
    pub(crate) fn is_on_postgres(&self) -> bool {
        self.database().is_some()
    }

    /// A node is known by its address: one that starts again where it was takes the place of its former life at once. So on
    /// PostgreSQL a setup has one address, as a service has.
    fn settled<'a>(&'a self, argument: &'a str) -> &'a str {
        if argument == ANYWHERE && self.is_on_postgres() {
            self.address.get_or_init(|| format!("127.0.0.1:{}", free_port()))
        } else {
            argument
        }
    }

    /// What is said about the store, where the test says nothing.
    fn store(&self) -> Vec<(&'static str, String)> {
        let Some(database) = self.database() else { return Vec::new() };
        let mut variables = vec![("DATABASE_URL", database.url())];
        if !self.says("--jwt-secret", "JWT_SECRET") {
            variables.push(("JWT_SECRET", JWT_SECRET.to_owned()));
        }
        variables
    }

    fn says(&self, flag: &str, variable: &str) -> bool {
        let names = [variable.to_owned(), format!("{variable}_FILE")];
        self.flags.iter().any(|given| given == flag) || self.variables.iter().any(|(given, _)| names.contains(given))
    }

    /// Where a file of the folder is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `oncue serve` and waits until it is ready.
    pub(crate) fn serve(self) -> Server {
        let mut process = self.launch();
        match process.ready() {
            Some(base) => Server { process, base, setup: Some(self) },
            None => panic!("the server did not start: {}", process.log()),
        }
    }

    /// Starts `oncue serve` without waiting for anything.
    pub(crate) fn launch(&self) -> Process {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        Process::start(self.command(&[&["serve"], &flags[..]].concat()))
    }

    /// Starts `oncue serve`, which must refuse to; gives what it said.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        let mut process = self.launch();
        let status = process.wait();
        assert!(!status.success(), "the server ended well: {}", process.log());
        assert!(!process.log().contains("panicked"), "{}", process.log());
        process.log()
    }

    /// Runs another command of the program in the same folder and environment, with this on its standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> (ExitStatus, String) {
        let mut process = Process::start(self.command(arguments));
        process.say(input);
        process.input = None;
        (process.wait(), process.log())
    }

    /// Starts another command of the program without waiting for anything.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncue"));
        command
            .args(arguments.iter().map(|argument| self.settled(argument)))
            .current_dir(self.folder.path())
            .env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.envs(self.store());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// A port outside the range that outgoing connections are given, so that it is still free for the next life.
pub(crate) fn free_port() -> u16 {
    let chance = RandomState::new();
    let drawn = (0..200_u16).map(|attempt| 10_000 + u16::try_from(chance.hash_one(attempt) % 5_000).expect("small"));
    drawn.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// A running process, watched. It ends with the value.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    log: Arc<Mutex<String>>,
    announced: Arc<OnceLock<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    fn start(mut command: Command) -> Process {
        let mut child = command.spawn().expect("the program runs");
        let input = child.stdin.take();
        let log = Arc::new(Mutex::new(String::new()));
        let announced = Arc::new(OnceLock::new());
        let out = child.stdout.take().expect("standard output is a pipe");
        let err = child.stderr.take().expect("standard error is a pipe");
        let readers = vec![follow(out, &log, Some(Arc::clone(&announced))), follow(err, &log, None)];
        Process { child, input, log, announced, readers }
    }

    /// Writes to its standard input.
    pub(crate) fn say(&self, text: &str) {
        // A process that asks for nothing may have closed it already.
        let _ = self.input.as_ref().map(|mut input| input.write_all(text.as_bytes()));
    }

    /// Waits until the server says where it listens and `/readyz` is 200; none when it ended before.
    pub(crate) fn ready(&mut self) -> Option<String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE && !self.has_ended() {
            if let Some(base) = self.is_ready() {
                return Some(base);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Where the server listens, if it has said so and `/readyz` is 200 at this moment.
    pub(crate) fn is_ready(&self) -> Option<String> {
        let base = self.announced.get()?;
        let answer = Client::new(base).call("GET", "/readyz").try_send();
        matches!(answer, Ok(answer) if answer.status == 200).then(|| base.clone())
    }

    /// Whether it runs no more.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Halts it where it is.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after a halt.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(status.success(), "the signal could not be sent");
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = wait::until("the process ends", || self.child.try_wait().expect("a child can be asked"));
        for reader in self.readers.drain(..) {
            reader.join().expect("the readers of a log do not panic");
        }
        status
    }

    /// All that it said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no thread panics with the log").clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log.lock().map(|log| log.clone()).unwrap_or_default();
            let tail = log.len().saturating_sub(20_000);
            let tail = (tail..=log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(log.len());
            eprintln!("--- the server's log ---\n{}--- end of the log ---", &log[tail..]);
        }
    }
}

fn follow(
    pipe: impl Read + Send + 'static,
    log: &Arc<Mutex<String>>,
    announce: Option<Arc<OnceLock<String>>>,
) -> thread::JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if let (Some(announce), Some((_, rest))) = (&announce, line.split_once("listening on http://")) {
                let address =
                    rest.split(|c: char| c.is_whitespace() || "/,\"'\u{1b}".contains(c)).next().unwrap_or_default();
                // Said twice, the first time counts.
                let _ = announce.set(format!("http://{address}"));
            }
            log.lock().expect("no thread panics with the log").push_str(&format!("{line}\n"));
        }
    })
}

/// A server that was ready.
pub(crate) struct Server {
    // Before its setup, so that it has ended when its folder and its database go.
    pub(crate) process: Process,
    base: String,
    setup: Option<Setup>,
}

impl Server {
    /// A server with nothing special about it.
    pub(crate) fn start() -> Server {
        Setup::new().serve()
    }

    /// One whose triggers may send to the receivers of the tests.
    pub(crate) fn start_delivering() -> Server {
        Setup::new().flag("--allow-private-destinations").serve()
    }

    /// Its address, as in `http://127.0.0.1:4567`.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        let (_, port) = self.base.rsplit_once(':').expect("an address has a port");
        port.parse().expect("a port is a number")
    }

    /// A client without credentials.
    pub(crate) fn nobody(&self) -> Client {
        Client::new(&self.base)
    }

    /// A user of that address, registered and logged in.
    pub(crate) fn register(&self, email: &str) -> Client {
        let answer = self.nobody().post("/auth/register", &json!({"email": email, "password": PASSWORD})).is(200);
        self.nobody().bearer(answer.json()["access_token"].as_str().expect("a token"))
    }

    /// The first user.
    pub(crate) fn user(&self) -> Client {
        self.register("ann@example.com")
    }

    /// Logs a registered user in once more.
    pub(crate) fn login(&self, email: &str) -> Client {
        let answer = self.nobody().post("/auth/login", &json!({"email": email, "password": PASSWORD})).is(200);
        self.nobody().bearer(answer.json()["access_token"].as_str().expect("a token"))
    }

    /// What it started from, while it runs.
    pub(crate) fn setup(&self) -> &Setup {
        self.setup.as_ref().expect("only the end of a server takes it away")
    }

    /// All that it said so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Asks it to end and does not wait.
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> (ExitStatus, Setup) {
        let status = self.process.wait();
        (status, self.setup.take().expect("a server ends once"))
    }

    /// Asks it to end and waits for that.
    pub(crate) fn stop(self) -> Setup {
        self.terminate();
        let log = Arc::clone(&self.process.log);
        let (status, setup) = self.wait();
        assert!(status.success(), "{status}: {}", log.lock().expect("no thread panics with the log"));
        setup
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) -> Setup {
        self.process.kill();
        self.setup.take().expect("a server ends once")
    }
}
