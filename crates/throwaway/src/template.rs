//! A server's empty data folder, made once. `initdb` takes more than a second, copying what it made a tenth of that; so the
//! first who needs one keeps it beside what cargo built, for every later test of this machine's release of PostgreSQL.
//!
//! All copies have the same system identifier; nothing but `pg_control_system()` shows it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::programs::{Programs, run};

/// Writes an empty data folder to `data`, which must not exist yet.
pub(crate) fn copy_to(data: &Path, programs: &Programs) -> Result<(), Error> {
    let Some(shelf) = shelf() else { return make(data, programs) };
    let template = shelf.join(programs.fingerprint()?);
    if !template.is_dir() {
        put(&template, &shelf, programs)?;
    }
    copy(&template, data)
}

/// One process makes it; the others wait for the lock and find it made.
fn put(template: &Path, shelf: &Path, programs: &Programs) -> Result<(), Error> {
    let trouble = || Error::while_doing(format!("{} could not be prepared", template.display()));
    fs::create_dir_all(shelf).map_err(trouble())?;
    let lock = File::create(shelf.join("lock")).map_err(trouble())?;
    lock.lock().map_err(trouble())?;
    if template.is_dir() {
        return Ok(());
    }
    // The server's user may not be able to reach the shelf, so it is made elsewhere.
    let workshop = tempfile::Builder::new().prefix("oncue-initdb-").tempdir().map_err(trouble())?;
    programs.hand_over(workshop.path())?;
    let made = workshop.path().join("data");
    make(&made, programs)?;
    let unfinished = template.with_extension("unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    copy(&made, &unfinished)?;
    fs::rename(&unfinished, template).map_err(trouble())
}

/// Sorts text by a language's rules, as most servers do: what silently relies on the order of bytes is to fail in a test.
fn make(data: &Path, programs: &Programs) -> Result<(), Error> {
    let initdb = |locale: &[&str]| {
        let common = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"];
        run(programs.server("initdb").arg("--pgdata").arg(data).args(common).args(locale))
    };
    let icu = ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
    // Releases before 15, and some builds, do not know the rules of languages.
    initdb(&icu).or_else(|_| initdb(&["--locale=C"])).map(|_| ())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    run(Command::new("cp").args(["--archive", "--reflink=auto", "--no-target-directory"]).arg(from).arg(to)).map(|_| ())
}

/// Cargo's own folder for what tests leave behind: it is not world-writable, as the system's temporary folder is. A program
/// that runs from elsewhere has no shelf.
fn shelf() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let profile = program.ancestors().find(|folder| folder.join("deps").is_dir())?;
    Some(profile.parent()?.join("tmp").join("throwaway"))
}
