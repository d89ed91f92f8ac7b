//! How often the threads of processes were woken, which is most of what an idle server costs. What a thread did that has ended
//! is not known here, and then nothing is said.

use std::collections::BTreeMap;

use super::machine::read;

/// How often each thread has gone to sleep until something woke it, by its number.
pub(super) struct Threads(BTreeMap<u32, u64>);

impl Threads {
    /// What the threads of these processes have done; empty where the system does not tell.
    pub(super) fn of(processes: &[u32]) -> Threads {
        let mut threads = BTreeMap::new();
        for process in processes {
            let listed = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
            let ids = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
            threads
                .extend(ids.filter_map(|id| Some((id, sleeps(&read(&format!("/proc/{process}/task/{id}/status")))?))));
        }
        Threads(threads)
    }

    /// How often threads were woken since `before`; none where a thread of then has ended.
    pub(super) fn wakes_since(&self, before: &Threads) -> Option<u64> {
        let do_all_live = before.0.keys().all(|id| self.0.contains_key(id));
        let sum = |threads: &Threads| threads.0.values().sum::<u64>();
        (do_all_live && !before.0.is_empty()).then(|| sum(self).saturating_sub(sum(before)))
    }
}

fn sleeps(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(all: &[(u32, u64)]) -> Threads {
        Threads(all.iter().copied().collect())
    }

    #[test]
    fn a_thread_is_read_from_what_the_system_says_of_it() {
        let status = "Name:\toncue\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(sleeps(status), Some(12));
        assert_eq!(sleeps(""), None);
    }

    #[test]
    fn new_threads_are_counted_and_where_one_has_ended_nothing_is_said() {
        let before = threads(&[(1, 5), (2, 1)]);
        let after = threads(&[(1, 8), (2, 1), (3, 2)]);
        assert_eq!(after.wakes_since(&before), Some(5));
        assert_eq!(threads(&[(1, 8)]).wakes_since(&before), None);
        assert_eq!(after.wakes_since(&threads(&[])), None);
    }
}
