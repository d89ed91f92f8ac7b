//! The process that is measured: this very program, started as anybody would start it, in an empty folder and a clean
//! environment. What it costs is asked of the system, never of itself.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use oncue_domain::store::Store;
use oncue_store::sqlite::{Place, Role, Settings, Sqlite};

use super::machine::{kib, read};
use crate::system::zones;

/// How long a server may take to say that it is ready.
const START_MAX: Duration = Duration::from_secs(60);

/// How often the system counts processor time in a second, on every architecture that Linux has today.
const TICKS_PER_SECOND: f64 = 100.0;

/// A folder of one server's own, removed with all that is in it.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new one in `parent`.
    pub(super) fn make(parent: &Path) -> anyhow::Result<Folder> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("oncue-bench-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("The folder {} cannot be made", path.display()))?;
        Ok(Folder(path))
    }

    fn database(&self) -> PathBuf {
        self.0.join("bench.db")
    }

    /// Opens the database of this folder: as the one server while none runs, or to look at it while one does.
    pub(super) fn open(&self, role: Role) -> anyhow::Result<Sqlite> {
        let settings = Settings { zones: zones().into(), has_default_destination: false };
        Sqlite::open(&Place::File(self.database()), role, settings).map_err(anyhow::Error::msg)
    }

    /// How much disk everything in it takes, in bytes.
    pub(super) fn bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for file in std::fs::read_dir(&self.0)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("bench.db") {
                bytes += file.metadata()?.len();
            }
        }
        Ok(bytes)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("bench: {} is left behind: {error}", self.0.display());
        }
    }
}

/// A running server.
pub(super) struct Server {
    process: Child,
    /// Address and port.
    pub(super) address: String,
    /// From its start until it said that it listens.
    pub(super) ready_after: Duration,
}

impl Server {
    /// Starts `oncue serve` on the database in `folder`.
    pub(super) fn start(folder: &Folder) -> anyhow::Result<Server> {
        let log = folder.0.join("log");
        let mut database = std::ffi::OsString::from("sqlite:");
        database.push(folder.database());
        let mut command = Command::new(std::env::current_exe().context("This program does not know where it is")?);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-private-destinations", "--database-url"])
            .arg(database);
        command.current_dir(&folder.0).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let started = Instant::now();
        let mut process = command.spawn().context("The server cannot be started")?;
        let stdout = process.stdout.take().context("The server's output is no pipe")?;
        match announced(stdout) {
            Some(address) => Ok(Server { process, address, ready_after: started.elapsed() }),
            None => {
                // It has ended already, or is of no use.
                let _ = process.kill();
                let _ = process.wait();
                bail!("The server did not start: {}", read(&log.to_string_lossy()).trim());
            }
        }
    }

    /// What it has cost until now.
    pub(super) fn cost(&self) -> anyhow::Result<Cost> {
        let id = self.process.id();
        let status = read(&format!("/proc/{id}/status"));
        let stat = read(&format!("/proc/{id}/stat"));
        let cpu = cpu(&stat).context("The system does not tell what the server costs; this needs Linux")?;
        let memory =
            |key| kib(&status, key).map(|kib| kib * 1024).context("The system does not tell how much memory is used");
        Ok(Cost { at: Instant::now(), cpu, resident_bytes: memory("VmRSS")?, resident_bytes_max: memory("VmHWM")? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; the folder is thrown away in any case.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process has cost until a moment.
pub(super) struct Cost {
    at: Instant,
    /// Processor time, user and system together.
    cpu: Duration,
    /// Memory now.
    pub(super) resident_bytes: u64,
    /// Memory at most.
    pub(super) resident_bytes_max: u64,
}

impl Cost {
    /// Which share of one core was used since `before`, in percent.
    pub(super) fn cpu_percent_since(&self, before: &Cost) -> f64 {
        100.0 * self.cpu_since(before).as_secs_f64() / self.at.duration_since(before.at).as_secs_f64()
    }

    /// How much processor time was used since `before`.
    pub(super) fn cpu_since(&self, before: &Cost) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }
}

/// Processor time out of `/proc/<pid>/stat`, whose second field is a name in parentheses that may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// The address in the line that announces readiness. The output is read to its end, because a server whose output nobody
/// reads comes to a stop.
fn announced(stdout: ChildStdout) -> Option<String> {
    let (found, address) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("listening on http://") {
                // Whoever waited may have given up.
                let _ = found.send(address.trim().to_owned());
            }
        }
    });
    address.recv_timeout(START_MAX).ok()
}

/// Waits until nothing is owed any more: everything that came is also logged as delivered.
pub(super) async fn wait_until_settled(store: &Sqlite, patience: Duration) -> anyhow::Result<()> {
    let since = Instant::now();
    while store.backlog().await?.owed > 0 {
        if since.elapsed() > patience {
            bail!("deliveries are still owed after {} s", patience.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 4 0 100 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu(""), None);
    }
}
