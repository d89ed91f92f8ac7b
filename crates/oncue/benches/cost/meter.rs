//! What a phase has cost, and the table of all phases.

use std::fmt::Write;
use std::time::Instant;

use crate::process::{Process, Reading};
use crate::syscalls::{Counted, Counting, Tool};

/// How many kinds of calls are named.
const NAMED_MAX: usize = 8;

/// A phase that is under way.
pub(crate) struct Meter {
    before: Reading,
    counting: Option<Counting>,
    began: Instant,
}

/// A phase that is over.
pub(crate) struct Phase {
    name: &'static str,
    firings: f64,
    seconds: f64,
    before: Reading,
    after: Reading,
    syscalls: Option<Counted>,
}

impl Meter {
    /// Begins; with a tool, system calls are counted by it.
    pub(crate) async fn begin(server: &mut Process, tool: Option<Tool>) -> anyhow::Result<Meter> {
        let counting = match tool {
            Some(tool) => Some(Counting::begin(tool, server.id()).await?),
            None => None,
        };
        Ok(Meter { before: server.read()?, counting, began: Instant::now() })
    }

    /// Ends, after so many firings.
    pub(crate) async fn end(self, server: &mut Process, name: &'static str, firings: usize) -> anyhow::Result<Phase> {
        let seconds = self.began.elapsed().as_secs_f64();
        let after = server.read()?;
        let syscalls = self.counting.map(Counting::end).transpose()?;
        Ok(Phase { name, firings: firings as f64, seconds, before: self.before, after, syscalls })
    }
}

impl Phase {
    fn each(&self, of: fn(&Reading) -> u64) -> f64 {
        (of(&self.after) - of(&self.before)) as f64 / self.firings
    }
}

/// What each firing costs: time and bytes by the server that was left alone, calls and allocations by the one that was counted.
pub(crate) fn table(alone: &[Phase], counted: &[Phase]) -> String {
    let mut table = String::new();
    let mut row = |cells: [&str; 8]| {
        let [name, rate, cpu, written, disk, calls, allocations, bytes] = cells;
        writeln!(
            table,
            "{name:<28} {rate:>9} {cpu:>8} {written:>10} {disk:>10} {calls:>9} {allocations:>12} {bytes:>12}"
        )
        .expect("a string can be written to");
    };
    row([
        "each firing",
        "firings/s",
        "CPU, µs",
        "written, B",
        "to disk, B",
        "sys calls",
        "allocations",
        "allocated, B",
    ]);
    for (alone, counted) in alone.iter().zip(counted) {
        let cpu = alone.after.cpu.saturating_sub(alone.before.cpu).as_secs_f64() * 1e6 / alone.firings;
        let calls = counted.syscalls.as_ref().map(|syscalls| syscalls.all as f64 / counted.firings);
        row([
            alone.name,
            &format!("{:.0}", alone.firings / alone.seconds),
            &format!("{cpu:.1}"),
            &format!("{:.0}", alone.each(|reading| reading.written_bytes)),
            &format!("{:.0}", alone.each(|reading| reading.disk_bytes)),
            &calls.map_or("-".to_owned(), |calls| format!("{calls:.2}")),
            &format!("{:.1}", counted.each(|reading| reading.allocations)),
            &format!("{:.0}", counted.each(|reading| reading.allocated_bytes)),
        ]);
    }
    table.push('\n');
    for phase in counted {
        let Some(syscalls) = &phase.syscalls else { continue };
        let named = syscalls.by_name.iter().filter(|(_, calls)| *calls > 0).take(NAMED_MAX);
        let named: Vec<String> =
            named.map(|(name, calls)| format!("{name} {:.2}", *calls as f64 / phase.firings)).collect();
        writeln!(table, "{}: {}", phase.name, named.join(", ")).expect("a string can be written to");
    }
    table
}
