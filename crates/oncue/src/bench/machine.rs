//! What the numbers were measured on. A number without its machine says nothing, and most of ours are about the disk; so
//! the disk is measured, too. Nothing here knows oncue.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// A computer and its disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Machine {
    /// How many threads run at once.
    pub(super) cores: usize,
    /// What the processor calls itself.
    pub(super) processor: String,
    /// How much memory there is.
    pub(super) memory_mib: u64,
    /// The release of the kernel.
    pub(super) kernel: String,
    /// The type of the file system that holds the databases.
    pub(super) file_system: String,
    /// How long the disk takes to make an overwritten block durable, median.
    pub(super) sync_us: f64,
    /// How many tasks ran or wanted to run in the minute before.
    pub(super) load: f64,
}

/// How many blocks are written to find out how long one takes.
const SYNCS: usize = 200;

impl Machine {
    /// This one, with its disk at `folder`.
    pub(super) fn look(folder: &Path) -> anyhow::Result<Machine> {
        let file_system = file_system(folder);
        if file_system == "tmpfs" {
            eprintln!("bench: {} is in memory; name a folder on disk with --folder", folder.display());
        }
        Ok(Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            memory_mib: kib(&read("/proc/meminfo"), "MemTotal").unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system,
            sync_us: sync_us(folder).with_context(|| format!("The folder {} cannot be written", folder.display()))?,
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        })
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        format!(
            "{} cores ({}), {} MiB, Linux {}, {} with a sync of {:.0} µs, load {}",
            self.cores, self.processor, self.memory_mib, self.kernel, self.file_system, self.sync_us, self.load
        )
    }
}

/// A file of the system; empty where there is none.
pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The kibibytes in a line such as `VmRSS:  123 kB`.
pub(super) fn kib(text: &str, key: &str) -> Option<u64> {
    field(text, key).split(' ').next()?.parse().ok()
}

fn field(text: &str, key: &str) -> String {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned()).next().unwrap_or_default()
}

/// The type of the file system that holds `folder`: that of the deepest mount above it.
fn file_system(folder: &Path) -> String {
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mounts = read("/proc/self/mounts");
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let deepest = above.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len());
    deepest.map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

fn sync_us(folder: &Path) -> std::io::Result<f64> {
    let path = folder.join(format!("oncue-bench-sync-{}", std::process::id()));
    let measured =
        OpenOptions::new().write(true).create(true).truncate(true).open(&path).and_then(|file| time_syncs(&file));
    std::fs::remove_file(&path)?;
    measured
}

fn time_syncs(file: &File) -> std::io::Result<f64> {
    let block = [7; 4096];
    file.write_all_at(&block, 0)?;
    file.sync_all()?;
    let mut took_us = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all_at(&block, 0)?;
        file.sync_data()?;
        took_us.push(started.elapsed().as_secs_f64() * 1e6);
    }
    took_us.sort_by(f64::total_cmp);
    Ok(took_us[SYNCS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_system_is_read_by_its_key() {
        let status = "Name:\toncue\nVmHWM:\t   5120 kB\nVmRSS:\t   4096 kB\n";
        assert_eq!(kib(status, "VmRSS"), Some(4096));
        assert_eq!(kib(status, "VmSwap"), None);
    }
}
