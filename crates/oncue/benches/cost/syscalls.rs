//! How many system calls a process makes, counted by others: perf, which costs it next to nothing, or strace, which slows it down a lot
//! and so changes what is done together.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

/// How long it may take until whoever counts is in place.
pub(crate) const ATTACH_FOR: Duration = Duration::from_millis(400);

/// The event of all calls together; its counts come first.
const ALL: &str = "raw_syscalls:sys_enter";

/// The calls that are told apart, as perf knows them: those of the network, of files and of threads that wait.
const APART: [&str; 12] = [
    "epoll_wait",
    "epoll_ctl",
    "futex",
    "recvfrom",
    "sendto",
    "read",
    "write",
    "writev",
    "pread64",
    "pwrite64",
    "fdatasync",
    "fcntl",
];

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `perf stat`, by tracepoints.
    Perf,
    /// `strace -c -f`.
    Strace,
}

/// Somebody who counts the calls of a process until told to end.
pub(crate) struct Counting {
    tool: Tool,
    child: Child,
    told: PathBuf,
}

/// What was counted: all calls, and those that are told apart.
pub(crate) struct Counted {
    /// All of them.
    pub(crate) all: u64,
    /// By name, the most frequent first.
    pub(crate) by_name: Vec<(String, u64)>,
}

impl Counting {
    /// Begins, and comes back when it counts.
    pub(crate) async fn begin(tool: Tool, process: u32) -> anyhow::Result<Counting> {
        let told = std::env::temp_dir().join(format!("oncue-cost-{}-syscalls", std::process::id()));
        let process = process.to_string();
        let mut command = match tool {
            Tool::Perf => {
                let apart = APART.map(|name| format!("syscalls:sys_enter_{name}")).join(",");
                let mut command = Command::new("perf");
                command.args(["stat", "-x", ";", "-e", &format!("{ALL},{apart}"), "-p", &process, "-o"]).arg(&told);
                command
            }
            Tool::Strace => {
                let mut command = Command::new("strace");
                command.args(["-c", "-f", "-p", &process, "-o"]).arg(&told);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("{name} cannot be started; is it installed?"))?;
        let mut counting = Counting { tool, child, told };
        tokio::time::sleep(ATTACH_FOR).await;
        if counting.child.try_wait()?.is_some() {
            bail!("{name} may not count here; as root it may, else there are --strace and --no-syscalls");
        }
        Ok(counting)
    }

    /// Ends, and tells.
    pub(crate) fn end(mut self) -> anyhow::Result<Counted> {
        // Both write what they have when they are interrupted.
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        let text =
            std::fs::read_to_string(&self.told).with_context(|| format!("{:?} left nothing to read", self.tool))?;
        std::fs::remove_file(&self.told)?;
        Ok(match self.tool {
            Tool::Perf => of_perf(&text),
            Tool::Strace => of_strace(&text),
        })
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines such as `12;;syscalls:sys_enter_futex;…`.
fn of_perf(text: &str) -> Counted {
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(';');
        let calls: u64 = fields.next()?.parse().ok()?;
        Some((fields.nth(1)?, calls))
    });
    let (mut all, mut by_name) = (0, Vec::new());
    for (event, calls) in lines {
        match event.strip_prefix("syscalls:sys_enter_") {
            Some(name) => by_name.push((name.to_owned(), calls)),
            None => all += calls,
        }
    }
    sorted(all, by_name)
}

/// Lines such as `12.34  0.000123  4  30  2 futex`, of which the errors before the name may be missing.
fn of_strace(text: &str) -> Counted {
    let lines = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let calls: u64 = fields.get(3)?.parse().ok()?;
        fields[0].parse::<f64>().ok()?;
        fields.last().filter(|name| **name != "total").map(|name| ((*name).to_owned(), calls))
    });
    let by_name: Vec<(String, u64)> = lines.collect();
    sorted(by_name.iter().map(|(_, calls)| calls).sum(), by_name)
}

fn sorted(all: u64, mut by_name: Vec<(String, u64)>) -> Counted {
    by_name.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    Counted { all, by_name }
}
