//! The process under test. Each one lives in its own empty folder with a clean environment, so that neither a developer's
//! settings nor another test can be felt; it can be stopped, killed, and started again on what it left.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use super::wait::{self, PATIENCE};

/// The password of every user that a test registers.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A folder, flags and variables: all that a process starts from.
pub(crate) struct Setup {
    folder: TempDir,
    pub(crate) flags: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Setup {
    /// An empty folder, and a free port of the loopback address to listen on.
    pub(crate) fn new() -> Setup {
        Setup::bare().option("--listen", "127.0.0.1:0")
    }

    /// An empty folder and nothing said.
    pub(crate) fn bare() -> Setup {
        let folder = TempDir::new().expect("a temporary folder");
        Setup { folder, flags: Vec::new(), variables: Vec::new() }
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
        self.flags = vec!["--listen".to_owned(), "127.0.0.1:0".to_owned()];
        self
    }

    /// An environment variable.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Setup {
        self.variables.push((name.to_owned(), value.to_owned()));
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

    /// Where a file of the folder is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `oncue serve` and waits until it is ready.
    pub(crate) fn serve(self) -> Server {
        let mut process = self.launch();
        match process.ready() {
            Some(base) => Server { setup: Some(self), process, base },
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

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oncue"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
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
        let mut client = None;
        while start.elapsed() < PATIENCE && !self.has_ended() {
            if client.is_none() {
                client = self.announced.get().map(|base| Client::new(base));
            }
            let answer = client.as_ref().map(|client| client.call("GET", "/readyz").try_send());
            if matches!(answer, Some(Ok(answer)) if answer.status == 200) {
                return self.announced.get().cloned();
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
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
        let kill = format!("kill -TERM {}", self.child.id());
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
    setup: Option<Setup>,
    pub(crate) process: Process,
    base: String,
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
