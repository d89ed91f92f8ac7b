//! Where PostgreSQL's programs are, and as whom they run: `postgres` and `initdb` refuse to run as root, so where the tests
//! do, the server runs as the user `postgres` that its package made.

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// Names a folder with PostgreSQL's programs, to test against another release than the one that would be found.
const FOLDER: &str = "ONCUE_TEST_POSTGRES_BIN";

/// PostgreSQL's programs of one release.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// `setpriv`, where there is one: it changes the user, and has the server end with its keeper.
    setpriv: Option<PathBuf>,
    /// As whom the server runs; nothing where that is who we are.
    user: Option<Owner>,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Programs {
    /// What `ONCUE_TEST_POSTGRES_BIN` names, else what is in the path, else the newest of Debian's and Red Hat's folders.
    pub(crate) fn find() -> Result<Self, Error> {
        let folder = match std::env::var_os(FOLDER) {
            Some(named) => Some(PathBuf::from(named)).filter(|folder| complete(folder)),
            None => in_path().find(|folder| complete(folder)).or_else(newest_installed),
        };
        let folder = folder.ok_or_else(|| {
            Error::new(format!(
                "PostgreSQL's programs (initdb, postgres, psql, pg_basebackup) were not found in the path, in \
                 /usr/lib/postgresql/*/bin or in /usr/pgsql-*/bin: install the packages postgresql and postgresql-client \
                 (Debian, Ubuntu), or say where they are with {FOLDER}"
            ))
        })?;
        let setpriv = in_path().map(|folder| folder.join("setpriv")).find(|program| program.is_file());
        let user = if we_are_root() { Some(postgres_user(setpriv.as_deref())?) } else { None };
        Ok(Self { folder, setpriv, user })
    }

    /// A program that only speaks to a server: runs as whoever we are.
    pub(crate) fn client(&self, program: &str) -> Command {
        calm(Command::new(self.folder.join(program)))
    }

    /// A program that works on a server's folder: runs as the server does.
    pub(crate) fn server(&self, program: &str) -> Command {
        match (&self.setpriv, self.user) {
            (Some(setpriv), Some(_)) => {
                let mut command = Command::new(setpriv);
                command.args(AS_POSTGRES).arg("--").arg(self.folder.join(program));
                calm(command)
            }
            _ => self.client(program),
        }
    }

    /// The words that become the postmaster, and nothing but it: whoever starts them has its process number.
    pub(crate) fn postmaster(&self, data: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["env".into()];
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_postgres_variable(name)) {
            words.extend(["-u".into(), name]);
        }
        if let Some(setpriv) = &self.setpriv {
            words.extend([setpriv.into(), "--pdeathsig=QUIT".into()]);
            words.extend(self.user.iter().flat_map(|_| AS_POSTGRES).map(OsString::from));
            words.push("--".into());
        }
        words.extend([self.folder.join("postgres").into(), "-D".into(), data.into()]);
        words
    }

    /// Gives a file or folder to whom the server runs as.
    pub(crate) fn hand_over(&self, path: &Path) -> Result<(), Error> {
        let Some(owner) = self.user else { return Ok(()) };
        chown(path, Some(owner.uid), Some(owner.gid))
            .map_err(Error::while_doing(format!("{} could not be given to the user postgres", path.display())))
    }

    /// Tells apart what was made by different releases, or for different users.
    pub(crate) fn fingerprint(&self) -> Result<String, Error> {
        let version = run(self.client("postgres").arg("--version"))?;
        let version: String = version.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Ok(match self.user {
            Some(owner) => format!("{version}-user-{}", owner.uid),
            None => version,
        })
    }
}

const AS_POSTGRES: [&str; 3] = ["--reuid=postgres", "--regid=postgres", "--init-groups"];

/// Runs a program to its end and gives what it said.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(Error::while_doing(format!("{name} could not be run")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(format!("{} ended with {}: {}", words(command), output.status, said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Nothing of the caller's own PostgreSQL settings reaches a throw-away server, and it starts in a folder every user may enter.
fn calm(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_postgres_variable(name)) {
        command.env_remove(name);
    }
    command.current_dir("/").stdin(std::process::Stdio::null());
    command
}

fn is_postgres_variable(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("PG"))
}

fn complete(folder: &Path) -> bool {
    ["initdb", "postgres", "psql", "pg_basebackup"].iter().all(|program| folder.join(program).is_file())
}

fn in_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where the tests run as an ordinary user, the system's folders may be missing from it.
    let path: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/bin".into(), "/bin".into()]).collect();
    path.into_iter()
}

fn newest_installed() -> Option<PathBuf> {
    let debian = entries("/usr/lib/postgresql").filter_map(|folder| {
        let release: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        Some((release, folder.join("bin")))
    });
    let red_hat = entries("/usr").filter_map(|folder| {
        let release: u32 = folder.file_name()?.to_str()?.strip_prefix("pgsql-")?.parse().ok()?;
        Some((release, folder.join("bin")))
    });
    debian.chain(red_hat).filter(|(_, folder)| complete(folder)).max().map(|(_, folder)| folder)
}

fn entries(folder: &str) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn we_are_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|myself| myself.uid() == 0)
}

fn postgres_user(setpriv: Option<&Path>) -> Result<Owner, Error> {
    if setpriv.is_none() {
        return Err(Error::new("PostgreSQL does not run as root, and setpriv (package util-linux) was not found"));
    }
    let number = |flag: &str| run(Command::new("id").args([flag, "postgres"])).ok().and_then(|id| id.parse().ok());
    match (number("-u"), number("-g")) {
        (Some(uid), Some(gid)) => Ok(Owner { uid, gid }),
        _ => Err(Error::new(
            "PostgreSQL does not run as root, and there is no user postgres to run it as: install the package postgresql",
        )),
    }
}
