//! What the threads of processes have done, to the nanosecond. The system's count for a whole process is in hundredths of a
//! second, which is more than an idle server uses in several; for each thread that lives it knows better. What a thread did
//! that has ended is not known here, and then nothing is said.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::read;

/// What each thread has done until a moment, by its number.
pub(super) struct Threads(BTreeMap<u32, Thread>);

#[derive(Clone, Copy)]
struct Thread {
    cpu_ns: u64,
    /// How often it went to sleep until something woke it.
    sleeps: u64,
}

impl Threads {
    /// What the threads of these processes have done; empty where the system does not tell.
    pub(super) fn of(processes: &[u32]) -> Threads {
        let mut threads = BTreeMap::new();
        for process in processes {
            let listed = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
            let ids = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
            threads.extend(ids.filter_map(|id| {
                let at = format!("/proc/{process}/task/{id}");
                Some((id, thread(&read(&format!("{at}/schedstat")), &read(&format!("{at}/status")))?))
            }));
        }
        Threads(threads)
    }

    /// How much processor time was used since `before`; none where a thread of then has ended.
    pub(super) fn cpu_since(&self, before: &Threads) -> Option<Duration> {
        self.since(before, |thread| thread.cpu_ns).map(Duration::from_nanos)
    }

    /// How often threads were woken since `before`; none where a thread of then has ended.
    pub(super) fn wakes_since(&self, before: &Threads) -> Option<u64> {
        self.since(before, |thread| thread.sleeps)
    }

    fn since(&self, before: &Threads, of: impl Fn(&Thread) -> u64) -> Option<u64> {
        let do_all_live = before.0.keys().all(|id| self.0.contains_key(id));
        let sum = |threads: &Threads| threads.0.values().map(&of).sum::<u64>();
        (do_all_live && !before.0.is_empty()).then(|| sum(self).saturating_sub(sum(before)))
    }
}

fn thread(schedstat: &str, status: &str) -> Option<Thread> {
    let cpu_ns = schedstat.split(' ').next()?.parse().ok()?;
    let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()?;
    Some(Thread { cpu_ns, sleeps })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(all: &[(u32, u64, u64)]) -> Threads {
        let thread = |&(id, cpu_ns, sleeps)| (id, Thread { cpu_ns, sleeps });
        Threads(all.iter().map(thread).collect())
    }

    #[test]
    fn a_thread_is_read_from_what_the_system_says_of_it() {
        let read =
            thread("1500 20 3\n", "Name:\toncue\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t7\n");
        assert_eq!(read.map(|thread| (thread.cpu_ns, thread.sleeps)), Some((1500, 12)));
        assert!(thread("", "").is_none());
    }

    #[test]
    fn new_threads_are_counted_and_where_one_has_ended_nothing_is_said() {
        let before = threads(&[(1, 100, 5), (2, 10, 1)]);
        let after = threads(&[(1, 150, 8), (2, 10, 1), (3, 7, 2)]);
        assert_eq!(after.cpu_since(&before), Some(Duration::from_nanos(57)));
        assert_eq!(after.wakes_since(&before), Some(5));
        assert_eq!(threads(&[(1, 150, 8)]).cpu_since(&before), None);
        assert_eq!(after.cpu_since(&threads(&[])), None);
    }
}
