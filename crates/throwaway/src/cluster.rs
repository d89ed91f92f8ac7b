//! A server that is there: asking it, stopping it, killing it, starting it again. Every call returns when it has come true, or
//! says why it has not, with the end of the server's log.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::keeper::Keeper;
use crate::programs::{Programs, run};
use crate::setup::{Durability, Setup, line};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL server with everything that belongs to it. It ends, and its folder is removed, when this is dropped or the
/// process ends in whatever way.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) setup: Setup,
    pub(crate) programs: Programs,
    /// Nobody's here, where another process started the server.
    keeper: Option<Mutex<Keeper>>,
    folder: PathBuf,
    port: u16,
    databases: AtomicU64,
}

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// When everybody has left. Gives up, with the server still there, after a minute.
    Smart,
    /// Everybody is sent away, everything is written down.
    Fast,
    /// At once; the next start recovers.
    Immediate,
}

impl Cluster {
    /// A server for tests of logic: `Durability::Quick`, everything else as `Setup::new` has it.
    pub fn start() -> Result<Self, Error> {
        Setup::new(Durability::Quick).start()
    }

    /// One server for all tests of this run (`shared`), else one for all of this process, started by whoever asks first. Nobody
    /// may stop it: a test that does, or that changes its settings, starts its own.
    pub fn shared() -> Result<&'static Self, Error> {
        static SHARED: OnceLock<Result<Cluster, Error>> = OnceLock::new();
        SHARED.get_or_init(Self::of_this_run).as_ref().map_err(Clone::clone)
    }

    /// A folder, a port and a keeper; no data yet.
    pub(crate) fn prepare(setup: Setup, programs: Programs) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("oncue-pg-")
            .tempdir_in(short_temporary_folder())
            .map_err(Error::while_doing("no temporary folder for a PostgreSQL server"))?;
        programs.hand_over(folder.path())?;
        let keeper = Keeper::watch(folder.path(), &programs)?;
        let folder = folder.keep();
        Ok(Self {
            setup,
            programs,
            keeper: Some(Mutex::new(keeper)),
            folder,
            port: free_port()?,
            databases: AtomicU64::new(0),
        })
    }

    /// A server that another process started.
    pub(crate) fn of_another_process(setup: Setup, folder: PathBuf, port: u16) -> Result<Self, Error> {
        Ok(Self { setup, programs: Programs::find()?, keeper: None, folder, port, databases: AtomicU64::new(0) })
    }

    /// The port on 127.0.0.1, the same through all restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How a program reaches a database of it.
    pub fn url(&self, database: &str) -> String {
        match &self.setup.password {
            Some(password) => format!("postgres://postgres:{password}@127.0.0.1:{}/{database}", self.port),
            None => format!("postgres://postgres@127.0.0.1:{}/{database}", self.port),
        }
    }

    /// The folder of its unix socket, which always lets `postgres` in.
    pub fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// The authority that signed its certificate, as PEM; only there after `Setup::tls_for`.
    pub fn ca_path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Everything the server has said.
    pub fn log(&self) -> String {
        fs::read(self.folder.join("log")).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// What a statement gives, as `psql` prints it unadorned: a line for each row, `|` between columns.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String, Error> {
        let quiet =
            ["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1", "--username=postgres"];
        let mut psql = self.programs.client("psql");
        psql.args(quiet).arg("--host").arg(&self.folder).arg(format!("--port={}", self.port));
        run(psql.arg("--dbname").arg(database).arg("--command").arg(statement))
    }

    /// Makes an empty database.
    pub fn create_database(&self, name: &str) -> Result<(), Error> {
        self.sql("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""))).map(|_| ())
    }

    /// Makes an empty database that no other test has, in whatever process, and gives its name.
    pub fn fresh_database(&self) -> Result<String, Error> {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
        let name = format!("test_{:016x}_{}", *PROCESS, self.databases.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name)?;
        Ok(name)
    }

    /// Removes a database with everybody who is in it.
    pub fn drop_database(&self, name: &str) -> Result<(), Error> {
        let statement = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", name.replace('"', "\"\""));
        self.sql("postgres", &statement).map(|_| ())
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        match self.keeper() {
            Ok(keeper) => keeper.running().is_some(),
            Err(_) => self.listens(),
        }
    }

    /// Whether somebody listens at its socket.
    pub(crate) fn listens(&self) -> bool {
        UnixStream::connect(self.folder.join(format!(".s.PGSQL.{}", self.port))).is_ok()
    }

    /// Stops the server and waits until it has.
    pub fn stop(&self, how: Stop) -> Result<(), Error> {
        let signal = match how {
            Stop::Smart => "TERM",
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        self.keeper()?.order(&format!("signal {signal}"))?;
        self.wait_until("stop", || Ok(!self.is_running()))
    }

    /// Kills the server and everything it had started, all at once: nobody gets to write anything down.
    pub fn kill(&self) -> Result<(), Error> {
        self.keeper()?.order("crash").map(|_| ())
    }

    /// Halts the server and all its sessions where they are. Its connections stay, the system even answers for it, but nothing
    /// comes back: what a machine looks like that has lost its disk.
    pub fn freeze(&self) -> Result<(), Error> {
        self.keeper()?.order("freeze").map(|_| ())
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) -> Result<(), Error> {
        self.keeper()?.order("thaw").map(|_| ())
    }

    /// Starts the server after a stop or a kill, and waits until it takes connections.
    pub fn start_again(&self) -> Result<(), Error> {
        let patience = Instant::now() + PATIENCE;
        loop {
            let said_before = self.log().len();
            let pid = self.keeper()?.start()?;
            while self.is_running() {
                if self.is_ready(pid) {
                    return Ok(());
                }
                if Instant::now() > patience {
                    return Err(self.complaint("start"));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            // Somebody's outgoing connection may have our port for a moment.
            if !self.log().get(said_before..).is_some_and(|said| said.contains("could not bind"))
                || Instant::now() > patience
            {
                return Err(self.complaint("start"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Stops it fast, if it runs, and starts it again.
    pub fn restart(&self) -> Result<(), Error> {
        self.stop(Stop::Fast)?;
        self.start_again()
    }

    /// Has the server read its configuration again.
    pub fn reload(&self) -> Result<(), Error> {
        self.sql("postgres", "SELECT pg_reload_conf()").map(|_| ())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The settings that are nobody's but this server's.
    pub(crate) fn place(&self) -> String {
        line("port", &self.port.to_string()) + &line("unix_socket_directories", &self.folder.to_string_lossy())
    }

    /// Removes the data of a server that does not run.
    pub(crate) fn forget_data(&self) -> Result<(), Error> {
        self.keeper()?.order("forget").map(|_| ())
    }

    /// Waits for something that the server does by itself.
    pub(crate) fn wait_until(&self, what: &str, done: impl Fn() -> Result<bool, Error>) -> Result<(), Error> {
        let patience = Instant::now() + PATIENCE;
        while !done()? {
            if Instant::now() > patience {
                return Err(self.complaint(what));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn keeper(&self) -> Result<MutexGuard<'_, Keeper>, Error> {
        let keeper = self.keeper.as_ref().ok_or_else(|| {
            Error::new(
                "this PostgreSQL server belongs to all tests of the run: start another to stop, kill or freeze it",
            )
        })?;
        Ok(keeper.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The postmaster writes down how far it is; a file of its predecessor's has another number in front.
    fn is_ready(&self, pid: u32) -> bool {
        let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = state.lines();
        lines.next() == Some(pid.to_string().as_str()) && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }

    fn complaint(&self, what: &str) -> Error {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        Error::new(format!("the PostgreSQL server did not {what}; it said:\n{end}"))
    }
}

/// The path of a unix socket may not be longer than 107 bytes.
fn short_temporary_folder() -> PathBuf {
    let usual = std::env::temp_dir();
    if usual.as_os_str().len() > 60 { PathBuf::from("/tmp") } else { usual }
}

/// A port outside the range that outgoing connections are given, so that it is still ours after a restart.
fn free_port() -> Result<u16, Error> {
    let chance = RandomState::new();
    (0..200u16)
        .map(|attempt| 15_000 + (chance.hash_one(attempt) % 17_000) as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| Error::new("no free port for a PostgreSQL server"))
}
