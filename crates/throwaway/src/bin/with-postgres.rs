//! Runs a command with one PostgreSQL server for all tests in it, however many processes those are, and ends as the command
//! does: `with-postgres cargo nextest run`.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use oncue_throwaway::{Cluster, VARIABLE};

/// What shells answer where a command cannot be run.
const CANNOT_RUN: u8 = 127;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("with-postgres COMMAND [ARGUMENT…]: runs the command with a PostgreSQL server for all tests in it");
        return ExitCode::from(2);
    };
    let cluster = match Cluster::of_this_run() {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("with-postgres: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut command = Command::new(&program);
    match command.args(words).env(VARIABLE, cluster.place_in_run()).status() {
        // As shells do: a command that a signal ended counts from 128.
        Ok(status) => {
            let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("with-postgres: {} cannot be run: {error}", program.display());
            ExitCode::from(CANNOT_RUN)
        }
    }
}
