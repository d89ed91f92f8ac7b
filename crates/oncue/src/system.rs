//! The machine, as the doors of the domain see it: its clock, its randomness, its zone data, its secrets on disk.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;
use oncue_domain::clock::{Clock, to_micros};
use oncue_domain::schedule::zone::{Source, Zones};

/// The system's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one door through which time enters")]
    fn now(&self) -> Timestamp {
        to_micros(Timestamp::now())
    }
}

/// Fills a buffer from the system's source of randomness.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("a system without randomness cannot run a server");
}

/// What this machine is called, for people.
pub(crate) fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() }
}

/// Where systems keep their zone data.
const ZONEINFO: &str = "/usr/share/zoneinfo";

/// The newer of the system's zone data and the copy in this program. Where the system's lies elsewhere, `TZDIR` says so to every program.
pub(crate) fn zones() -> Zones {
    let zoneinfo = std::env::var_os("TZDIR").filter(|path| !path.is_empty());
    let zoneinfo = zoneinfo.map_or_else(|| PathBuf::from(ZONEINFO), PathBuf::from);
    let system = TimeZoneDatabase::from_dir(&zoneinfo)
        .ok()
        .map(|database| Zones::with_database(database, release_in(&zoneinfo).unwrap_or_default(), Source::System));
    Zones::newer_of(system, Zones::bundled())
}

/// The release of the system's copy: the first line of tzdata.zi ("# version 2026e"), or the file +VERSION.
fn release_in(zoneinfo: &Path) -> Option<String> {
    let from_zi = std::fs::read_to_string(zoneinfo.join("tzdata.zi")).ok().and_then(|text| {
        text.lines().next().and_then(|line| line.strip_prefix("# version ")).map(|release| release.trim().to_owned())
    });
    from_zi.or_else(|| std::fs::read_to_string(zoneinfo.join("+VERSION")).ok().map(|text| text.trim().to_owned()))
}

/// The key of the login tokens: the one in `path`, made when there is none. Only its owner may read the file.
///
/// It is written whole under another name first: a start that is killed half-way leaves no half of a key behind. Two starts
/// at once cannot meet here, because the database is locked before.
pub(crate) fn secret_beside(path: &Path) -> anyhow::Result<Vec<u8>> {
    match std::fs::read_to_string(path) {
        Ok(kept) => {
            let kept = kept.trim();
            if kept.len() < 32 {
                bail!(
                    "The key in {} is too short; remove the file to have a new one made (everybody logs in again then).",
                    path.display()
                );
            }
            Ok(kept.as_bytes().to_vec())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut bytes = [0; 48];
            fill_random(&mut bytes);
            let made = BASE64_STANDARD_NO_PAD.encode(bytes);
            write_secret(path, &made).with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(made.into_bytes())
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}
