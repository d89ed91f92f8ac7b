//! What processes cost, asked of the system and never of themselves. Where PostgreSQL runs on this machine, what all of its
//! processes cost is counted as well; whose server it is, is for others to know.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::machine::{kib, read};
use super::report::Measure;
use super::threads::Threads;

/// How often the system counts processor time in a second, on every architecture that Linux has today.
const TICKS_PER_SECOND: f64 = 100.0;

/// What all servers have cost until a moment, added up.
pub(super) struct Cost {
    at: Instant,
    /// Processor time, user and system together.
    cpu: Duration,
    threads: Threads,
    /// That of the database's processes, where it has its own and they are on this machine.
    database_cpu: Option<Duration>,
    /// Memory now.
    pub(super) resident_bytes: u64,
    /// Memory at most.
    pub(super) resident_bytes_max: u64,
}

impl Cost {
    /// What these processes have cost, and the database whose first process is `database`.
    pub(super) fn of(processes: &[u32], database: Option<u32>) -> anyhow::Result<Cost> {
        let mut cost = Cost {
            at: Instant::now(),
            cpu: Duration::ZERO,
            threads: Threads::of(processes),
            database_cpu: database.map(family_cpu),
            resident_bytes: 0,
            resident_bytes_max: 0,
        };
        for id in processes {
            let status = read(&format!("/proc/{id}/status"));
            let stat = read(&format!("/proc/{id}/stat"));
            let memory = |key| {
                kib(&status, key).map(|kib| kib * 1024).context("The system does not tell how much memory is used")
            };
            cost.cpu += exact_cpu(*id)
                .or_else(|| cpu(&stat))
                .context("The system does not tell what the server costs; this needs Linux")?;
            cost.resident_bytes += memory("VmRSS")?;
            cost.resident_bytes_max += memory("VmHWM")?;
        }
        Ok(cost)
    }

    /// Which share of one core was used since `before`, in percent.
    pub(super) fn cpu_percent_since(&self, before: &Cost) -> f64 {
        self.percent_since(before, self.cpu_since(before))
    }

    /// The same for the database.
    pub(super) fn database_cpu_percent_since(&self, before: &Cost) -> Option<f64> {
        Some(self.percent_since(before, self.database_cpu_since(before)?))
    }

    /// How much processor time was used since `before`.
    pub(super) fn cpu_since(&self, before: &Cost) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }

    /// How often in a second a thread was woken since `before`; none where the system does not tell.
    pub(super) fn wakes_since(&self, before: &Cost, heading: &str) -> Option<Measure> {
        let wakes = self.threads.wakes_since(&before.threads)?;
        let per_second = wakes as f64 / self.at.duration_since(before.at).as_secs_f64();
        Some(Measure::less(format!("{heading}server's threads woken"), "1/s", per_second))
    }

    /// What each of `count` things cost since `before`, in microseconds of a processor's time.
    pub(super) fn cpu_each_since(&self, before: &Cost, heading: &str, each: &str, count: usize) -> Vec<Measure> {
        let measure = |whose: &str, cpu: Duration| {
            let micros = cpu.as_secs_f64() * 1e6 / count as f64;
            Measure::less(format!("{heading}{whose} CPU per {each}"), "µs", micros)
        };
        let mut measures = vec![measure("server's", self.cpu_since(before))];
        measures.extend(self.database_cpu_since(before).map(|cpu| measure("PostgreSQL's", cpu)));
        measures
    }

    /// Which share of one core was used since `before`.
    pub(super) fn cpu_share_since(&self, before: &Cost, heading: &str) -> Vec<Measure> {
        let measure = |whose: &str, percent| Measure::less(format!("{heading}{whose} CPU"), "% of a core", percent);
        let mut measures = vec![measure("server's", self.cpu_percent_since(before))];
        measures.extend(self.database_cpu_percent_since(before).map(|percent| measure("PostgreSQL's", percent)));
        measures
    }

    fn database_cpu_since(&self, before: &Cost) -> Option<Duration> {
        Some(self.database_cpu?.saturating_sub(before.database_cpu?))
    }

    fn percent_since(&self, before: &Cost, cpu: Duration) -> f64 {
        100.0 * cpu.as_secs_f64() / self.at.duration_since(before.at).as_secs_f64()
    }
}

/// The process that PostgreSQL's process of this number came from, if it is one on this machine that serves `database`.
pub(super) fn postmaster(process: i32, database: &str) -> Option<u32> {
    let title = read(&format!("/proc/{process}/cmdline"));
    if !(title.starts_with("postgres:") && title.contains(database)) {
        return None;
    }
    parent(&read(&format!("/proc/{process}/stat")))
}

/// Processor time of a process, of those that came from it and live, and of those that it saw end.
fn family_cpu(first: u32) -> Duration {
    let numbered = std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some(read(&format!("/proc/{id}/stat")))
    });
    let children: Duration = numbered.filter(|stat| parent(stat) == Some(first)).filter_map(|stat| cpu(&stat)).sum();
    let own = read(&format!("/proc/{first}/stat"));
    children + cpu(&own).unwrap_or_default() + ticks(&own, [13, 14]).unwrap_or_default()
}

/// Processor time of a process and of all threads that it has had, to the nanosecond: hundredths of a second are more than an idle server uses in several.
#[cfg(target_os = "linux")]
fn exact_cpu(process: u32) -> Option<Duration> {
    let clock = nix::time::ClockId::pid_cpu_clock_id(nix::unistd::Pid::from_raw(i32::try_from(process).ok()?)).ok()?;
    clock.now().ok().map(Duration::from)
}

#[cfg(not(target_os = "linux"))]
fn exact_cpu(_process: u32) -> Option<Duration> {
    None
}

/// Processor time out of `/proc/<pid>/stat`.
fn cpu(stat: &str) -> Option<Duration> {
    ticks(stat, [11, 12])
}

fn ticks(stat: &str, places: [usize; 2]) -> Option<Duration> {
    let fields = fields(stat)?;
    let ticks = fields.get(places[0])?.parse::<u64>().ok()? + fields.get(places[1])?.parse::<u64>().ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

fn parent(stat: &str) -> Option<u32> {
    fields(stat)?.get(1)?.parse().ok()
}

/// What follows the second field, which is a name in parentheses that may hold anything.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 30 20 20 0 4 0 100 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert_eq!(ticks(stat, [13, 14]), Some(Duration::from_millis(500)));
        assert_eq!(parent(stat), Some(1));
        assert_eq!((cpu(""), parent("")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn processor_time_is_known_of_a_process_that_lives() {
        let before = exact_cpu(std::process::id()).expect("this process lives");
        let sum = std::hint::black_box((0..100_000_u64).fold(0, |sum, number| sum ^ std::hint::black_box(number)));
        assert!(exact_cpu(std::process::id()).expect("it still does") > before, "{sum}");
        assert_eq!(exact_cpu(u32::MAX), None);
    }

    #[test]
    fn a_process_that_is_not_postgresqls_has_no_postmaster() {
        let this = i32::try_from(std::process::id()).expect("a process has a small number");
        assert_eq!(postmaster(this, ""), None);
    }
}
