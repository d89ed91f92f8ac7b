//! Programs of other languages: how tests start them, and what they say when one is missing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Starts a program, hands it `input`, and gives back what it writes.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("{program} is missing ({error}); these tests need python3 with venv, node and npm, as scripts/test installs them")
    });
    // Small enough for the pipe, so nobody waits for anybody.
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("the program reads what it is asked");
    let output = child.wait_with_output().expect("the program ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} failed: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Whether a program is there at all.
pub(crate) fn is_there(program: &str) -> bool {
    Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The folder of Python's packages for these tests, filled when it is not there yet.
pub(crate) fn python_packages() -> PathBuf {
    fetched("python-packages-1", |folder| {
        run(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(folder), "");
        let pip = folder.join("venv/bin/pip");
        let packages = ["standardwebhooks>=1,<2", "cryptography"];
        run(
            Command::new(pip).args(["install", "--quiet", "--target", "packages"]).args(packages).current_dir(folder),
            "",
        );
        folder.join("packages")
    })
}

/// The folder of JavaScript's packages for these tests, filled when it is not there yet.
pub(crate) fn node_packages() -> PathBuf {
    fetched("node-packages-1", |folder| {
        let arguments = ["install", "--silent", "--no-audit", "--no-fund", "--prefix", ".", "standardwebhooks@1"];
        run(Command::new("npm").args(arguments).current_dir(folder), "");
        folder.join("node_modules")
    })
}

fn fetched(name: &str, fetch: impl FnOnce(&Path) -> PathBuf) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if !kept.exists() {
        let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
        let packages = fetch(folder.path());
        // Another test may have been faster; then its copy is as good.
        let _ = std::fs::rename(packages, &kept);
    }
    assert!(kept.exists(), "{} was not filled", kept.display());
    kept
}
