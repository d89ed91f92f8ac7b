//! oncue: things happen on cue. This is the program; what it says on its command line stands in `cli`.

mod alike;
mod bench;
mod cli;
mod command;
mod config;
mod demo;
mod memory;
#[cfg(feature = "movable-clock")]
mod movable_clock;
mod serve;
mod system;
mod visit;

use std::process::ExitCode;

fn main() -> ExitCode {
    memory::take_small_pages();
    cli::run()
}
