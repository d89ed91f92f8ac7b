//! The process that is measured, seen from the outside: what the system says about it, and what it tells of itself when asked.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::server::{COUNTING, ROLE};

/// How often the system counts processor time in a second, on every architecture that Linux has today.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server; it ends with this.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Address and port.
    pub(crate) address: String,
}

/// What a process has cost until a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Processor time, user and system together, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// Bytes handed to write calls of any kind, to sockets and files alike.
    pub(crate) written_bytes: u64,
    /// Bytes that went, or are to go, to the disk.
    pub(crate) disk_bytes: u64,
    /// Allocations; none are told where they are not counted.
    pub(crate) allocations: u64,
    /// Their bytes.
    pub(crate) allocated_bytes: u64,
}

impl Process {
    /// Starts one on an empty database in `folder`.
    pub(crate) fn start(folder: &Path, is_counting: bool) -> anyhow::Result<Process> {
        let mut command = Command::new(std::env::current_exe().context("This program does not know where it is")?);
        command.arg(ROLE).arg(folder).args(is_counting.then_some(COUNTING));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("The server's output is no pipe")?);
        let mut process = Process { child, output, address: String::new() };
        process.address = process.line().context("The server did not start")?;
        Ok(process)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has cost until now.
    pub(crate) fn read(&mut self) -> anyhow::Result<Reading> {
        let id = self.id();
        let (stat, io) = (of_system(id, "stat")?, of_system(id, "io")?);
        let cpu = cpu(&stat).context("The system does not tell what a process costs; this needs Linux")?;
        let field = |name| field(&io, name).with_context(|| format!("The system does not tell {name} of a process"));
        let (written_bytes, disk_bytes) = (field("wchar")?, field("write_bytes")?);
        writeln!(self.child.stdin.as_mut().context("The server's input is no pipe")?)?;
        let line = self.line()?;
        let (allocations, bytes) = line.split_once(' ').context("The server tells two numbers")?;
        let (allocations, allocated_bytes) = (allocations.parse()?, bytes.parse()?);
        Ok(Reading { cpu, written_bytes, disk_bytes, allocations, allocated_bytes })
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        (!line.is_empty()).then(|| line.trim().to_owned()).context("The server has ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; its folder is thrown away in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn of_system(id: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{id}/{file}");
    std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))
}

/// Processor time out of `/proc/<pid>/stat`, whose second field is a name in parentheses that may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
}
