//! What a throw-away server promises, each against a real one.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use oncue_throwaway::{Cluster, Durability, Setup, Stop};

fn quick() -> Setup {
    Setup::new(Durability::Quick)
}

/// psql as an ordinary program would be used: over TCP, by an address.
fn psql(address: &str, statement: &str) -> Result<String, String> {
    let psql = if Path::new("/usr/bin/psql").exists() { "/usr/bin/psql" } else { "psql" };
    let output = Command::new(psql).args(["-X", "-At", "-w", "-c", statement, address]).output().expect("psql runs");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn with_rows(cluster: &Cluster) -> String {
    let database = cluster.fresh_database().expect("a database");
    cluster.sql(&database, "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)").expect("a table");
    database
}

fn rows(cluster: &Cluster, database: &str) -> String {
    cluster.sql(database, "SELECT count(*) FROM t").expect("the table is there")
}

#[test]
fn a_server_answers_at_its_address() {
    let cluster = Cluster::start().expect("a server");
    let database = with_rows(&cluster);
    assert_eq!(psql(&cluster.url(&database), "SELECT count(*) FROM t"), Ok("2".into()));
}

#[test]
fn databases_of_one_server_are_apart() {
    let cluster = Cluster::shared().expect("a server");
    let (one, other) = (with_rows(cluster), cluster.fresh_database().expect("a database"));
    assert_ne!(one, other);
    assert!(cluster.sql(&other, "SELECT * FROM t").is_err(), "the table is in the other database");
}

#[test]
fn a_setting_holds() {
    let cluster = quick().setting("work_mem", "7MB").start().expect("a server");
    assert_eq!(cluster.sql("postgres", "SHOW work_mem"), Ok("7MB".into()));
    assert_eq!(cluster.sql("postgres", "SHOW fsync"), Ok("off".into()));
    let real = Setup::new(Durability::Real).start().expect("a server");
    assert_eq!(real.sql("postgres", "SHOW fsync"), Ok("on".into()));
}

#[test]
fn a_server_keeps_its_data_and_its_port_through_every_kind_of_stop() {
    let cluster = Cluster::start().expect("a server");
    let database = with_rows(&cluster);
    for how in [Stop::Smart, Stop::Fast, Stop::Immediate] {
        cluster.stop(how).expect("it stops");
        assert!(!cluster.is_running());
        assert!(psql(&cluster.url(&database), "SELECT 1").is_err(), "nobody is there");
        cluster.start_again().expect("it starts again");
        assert_eq!(psql(&cluster.url(&database), "SELECT count(*) FROM t"), Ok("2".into()));
    }
    cluster.restart().expect("it restarts");
    assert_eq!(rows(&cluster, &database), "2");
}

#[test]
fn what_was_committed_survives_a_kill() {
    let cluster = Setup::new(Durability::Real).start().expect("a server");
    let database = with_rows(&cluster);
    for _ in 0..3 {
        cluster.kill().expect("it is killed");
        assert!(!cluster.is_running());
        cluster.start_again().expect("it recovers");
        assert_eq!(rows(&cluster, &database), "2");
    }
}

#[test]
fn a_frozen_server_answers_nobody_until_it_thaws() {
    let cluster = Cluster::start().expect("a server");
    cluster.freeze().expect("it is frozen");
    let waiting = std::thread::spawn({
        let url = cluster.url("postgres");
        move || psql(&url, "SELECT 1")
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waiting.is_finished());
    cluster.thaw().expect("it goes on");
    assert_eq!(waiting.join().expect("no panic"), Ok("1".into()));
}

#[test]
fn a_promoted_standby_takes_over_and_the_former_primary_can_follow_it() {
    let primary = Cluster::start().expect("a server");
    let database = with_rows(&primary);
    let standby = primary.synchronous_standby().expect("a standby");
    assert!(standby.is_standby().expect("it answers"));
    assert!(standby.sql(&database, "INSERT INTO t VALUES (3)").is_err(), "a standby takes no writes");

    primary.sql(&database, "INSERT INTO t VALUES (3)").expect("the primary does");
    primary.kill().expect("it is killed");
    standby.promote().expect("it takes over");
    assert_eq!(rows(&standby, &database), "3", "what was acknowledged is there");
    standby.sql(&database, "INSERT INTO t VALUES (4)").expect("it takes writes, waiting for nobody");

    primary.follow(&standby).expect("it follows");
    assert!(primary.is_standby().expect("it answers"));
    primary.catch_up_with(&standby).expect("it catches up");
    assert_eq!(rows(&primary, &database), "4");
}

#[test]
fn a_certificate_holds_for_its_host_and_its_authority_only() {
    let cluster = quick().tls_for("localhost").only_tls().start().expect("a server");
    let other = quick().tls_for("elsewhere.example").start().expect("a server");
    let look = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let at = |cluster: &Cluster, mode: &str, ca: &Cluster| {
        let (port, ca) = (cluster.port(), ca.ca_path());
        psql(&format!("host=localhost port={port} user=postgres sslmode={mode} sslrootcert={}", ca.display()), look)
    };
    assert_eq!(at(&cluster, "verify-full", &cluster), Ok("t".into()));
    assert!(at(&cluster, "verify-full", &other).expect_err("another authority").contains("certificate verify failed"));
    assert!(at(&other, "verify-full", &other).expect_err("another name").contains("does not match host name"));
    assert_eq!(at(&other, "verify-ca", &other), Ok("t".into()));
    assert!(at(&cluster, "disable", &cluster).expect_err("TLS only").contains("no encryption"));
    assert_eq!(at(&other, "disable", &other), Ok("f".into()));
}

#[test]
fn a_password_is_asked_for() {
    let cluster = quick().password("correct horse").start().expect("a server");
    let url = format!("host=127.0.0.1 port={} user=postgres", cluster.port());
    assert_eq!(psql(&format!("{url} password='correct horse'"), "SELECT 1"), Ok("1".into()));
    assert!(psql(&format!("{url} password=wrong"), "SELECT 1").is_err());
}

#[test]
fn nothing_is_left_when_a_server_is_dropped_whatever_state_it_is_in() {
    for before in [|_: &Cluster| Ok(()), |c: &Cluster| c.stop(Stop::Fast), Cluster::kill, Cluster::freeze] {
        let cluster = Cluster::start().expect("a server");
        before(&cluster).expect("it obeys");
        let (folder, port) = (cluster.socket_folder().to_owned(), cluster.port());
        drop(cluster);
        assert!(!folder.exists());
        assert!(processes_in(&folder).is_empty());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

/// The test below runs this one in a process of its own.
const KILLED: &str = "ONCUE_THROWAWAY_KILLED";

#[test]
fn nothing_is_left_when_the_process_that_started_a_server_is_killed() {
    if let Some(note) = std::env::var_os(KILLED) {
        let cluster = Cluster::start().expect("a server");
        std::fs::write(&note, cluster.socket_folder().to_str().expect("a plain path")).expect("a note");
        loop {
            std::thread::park();
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("note");
    let myself = std::env::current_exe().expect("a path");
    let mut child = Command::new(myself)
        .args(["nothing_is_left_when_the_process_that_started_a_server_is_killed", "--exact", "--nocapture"])
        .env(KILLED, &note)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    let server = until(|| std::fs::read_to_string(&note).ok().filter(|note| !note.is_empty()));
    let server = Path::new(&server);
    assert!(!processes_in(server).is_empty(), "the server runs");
    child.kill().expect("it is killed");
    child.wait().expect("it ended");
    until(|| (!server.exists() && processes_in(server).is_empty()).then_some(()));
}

fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < patience, "it never came true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The processes that were started with this folder, or work in it.
fn processes_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("this is Linux").flatten();
    let pids = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()));
    pids.filter(|process| {
        let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let place = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
        place.starts_with(folder) || String::from_utf8_lossy(&words).contains(folder.to_str().expect("a plain path"))
    })
    .map(|process| process.file_name().to_string_lossy().into_owned())
    .collect()
}

/// The tests below run this one in processes of their own.
const NOTES: &str = "ONCUE_THROWAWAY_NOTES";

#[test]
fn processes_under_with_postgres_share_one_server_and_no_database() {
    if let Some(notes) = std::env::var_os(NOTES) {
        let cluster = Cluster::shared().expect("the server of the run");
        let note = format!("{} {}", cluster.port(), with_rows(cluster));
        assert!(cluster.stop(Stop::Fast).is_err() && cluster.kill().is_err() && cluster.is_running(), "it is not ours");
        std::fs::write(Path::new(&notes).join(std::process::id().to_string()), note).expect("a note");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let myself = std::env::current_exe().expect("a path");
    let again = format!(
        "'{}' processes_under_with_postgres_share_one_server_and_no_database --exact",
        myself.to_str().expect("a plain path")
    );
    let status = Command::new(env!("CARGO_BIN_EXE_with-postgres"))
        .args(["sh", "-c", &format!("{again} && {again} && exit 7")])
        .env(NOTES, folder.path())
        .env_remove(oncue_throwaway::VARIABLE)
        .stdout(std::process::Stdio::null())
        .status()
        .expect("it runs");
    assert_eq!(status.code(), Some(7), "what the command ended with");
    let notes = std::fs::read_dir(folder.path()).expect("the folder").flatten();
    let notes: Vec<String> = notes.map(|note| std::fs::read_to_string(note.path()).expect("a note")).collect();
    let [one, other] = &notes[..] else { panic!("two notes, not {notes:?}") };
    let ((port, database), (same_port, other_database)) =
        (one.split_once(' ').expect("two words"), other.split_once(' ').expect("two words"));
    assert_eq!(port, same_port);
    assert_ne!(database, other_database);
    let port = port.parse().expect("a port");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the server is gone with the command");
}

#[test]
fn a_server_of_the_run_that_is_not_there_is_named_in_words() {
    for (place, why) in
        [("/nowhere:15000", "no PostgreSQL server answers there"), ("nonsense", "not a folder and a port")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_with-postgres"))
            .arg("true")
            .env(oncue_throwaway::VARIABLE, place)
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(place) && said.contains(why), "{said}");
    }
}

#[test]
fn a_command_that_cannot_be_run_or_was_killed_is_told_apart() {
    let ends_with = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_with-postgres"));
        command.args(words).stderr(std::process::Stdio::null()).status().expect("it runs").code()
    };
    assert_eq!(ends_with(&[]), Some(2));
    assert_eq!(ends_with(&["/no/such/program"]), Some(127));
    assert_eq!(ends_with(&["sh", "-c", "kill -KILL $$"]), Some(137));
}
