//! The process between a test and its server. A test can be killed without a chance to tidy up, and a `static` is never
//! dropped; the keeper sees the end of its orders either way, stops the server and removes the folder. Its side of the
//! conversation is `keeper.sh`; how a server is set up is not known here.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::error::Error;
use crate::programs::Programs;

/// A server's keeper. Dropping it ends the server and its folder.
#[derive(Debug)]
pub(crate) struct Keeper {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    postmaster: Option<u32>,
}

impl Keeper {
    /// From here on `folder` is the keeper's to remove. The server itself is not started yet.
    pub(crate) fn watch(folder: &Path, programs: &Programs) -> Result<Self, Error> {
        let postmaster: Vec<OsString> = programs.postmaster(&folder.join("data"));
        let mut process = Command::new("/bin/sh")
            .arg("-c")
            .arg(include_str!("keeper.sh"))
            .arg("keeper")
            .arg(folder)
            .args(postmaster)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // An interrupt at the terminal, or a test runner that kills the test's group, must not take the keeper along.
            .process_group(0)
            .spawn()
            .map_err(Error::while_doing("the keeper of a PostgreSQL server could not be started"))?;
        let orders = process.stdin.take();
        let answers = process.stdout.take().ok_or_else(|| Error::new("the keeper has no way to answer"))?;
        Ok(Self { process, orders, answers: BufReader::new(answers), postmaster: None })
    }

    /// Starts the postmaster; says nothing about when it is ready.
    pub(crate) fn start(&mut self) -> Result<u32, Error> {
        let answer = self.order("start")?;
        let pid = answer.parse().map_err(|_| Error::new(format!("the keeper answered {answer:?}")))?;
        self.postmaster = Some(pid);
        Ok(pid)
    }

    /// Carries out an order of `keeper.sh`.
    pub(crate) fn order(&mut self, order: &str) -> Result<String, Error> {
        let lost = || Error::while_doing("the keeper of a PostgreSQL server is gone");
        let orders = self.orders.as_mut().ok_or_else(|| Error::new("the keeper takes no more orders"))?;
        orders.write_all(format!("{order}\n").as_bytes()).map_err(lost())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(lost())?;
        Ok(answer.trim().to_owned())
    }

    /// The postmaster, where it runs.
    pub(crate) fn running(&self) -> Option<u32> {
        // The keeper collects its dead only with the next order, so the number cannot be another process's.
        self.postmaster.filter(|pid| runs(*pid))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// Whether a process is there and more than a remnant.
fn runs(pid: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).map(str::trim_start);
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}
