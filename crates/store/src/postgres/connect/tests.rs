//! Each against real servers that live as long as the test.

use std::net::TcpListener;
use std::sync::atomic::AtomicU64;

use oncue_throwaway::{Cluster, Durability, Setup, Stop};
use tokio::sync::Mutex as AsyncMutex;
use tokio_postgres::SimpleQueryMessage;

use super::*;
use crate::postgres::failure::failed;

/// Doubts are shared by all of a process, so whoever raises them, or counts on there being none, takes turns.
static DOUBTS: AsyncMutex<()> = AsyncMutex::const_new(());

fn connections(url: &str) -> Connections {
    Connections::new(&Address::parse(url).expect(url), 4).expect(url)
}

async fn first(client: &tokio_postgres::Client, sql: &str) -> Result<String> {
    let answer = client.simple_query(sql).await.map_err(failed)?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(row.unwrap_or_default().to_owned())
}

async fn ask(connections: &Connections, sql: &str) -> Result<String> {
    let client = connections.client().await?;
    first(&client, sql).await
}

/// As everything in oncue does: asks again while that may help.
async fn ask_until_answered(connections: &Connections, sql: &str) -> String {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        match ask(connections, sql).await {
            Ok(answer) => return answer,
            Err(Error::Unavailable(_)) if Instant::now() < patience => {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
            Err(error) => panic!("{error}"),
        }
    }
}

const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
const PID: &str = "SELECT pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn every_sslmode_keeps_its_promise() {
    let quick = || Setup::new(Durability::Quick);
    let plain = Cluster::shared().expect("a server");
    let named = quick().tls_for("localhost").start().expect("a server");
    let numbered = quick().tls_for("127.0.0.1").only_tls().start().expect("a server");
    let (ours, theirs) = (named.ca_path(), numbered.ca_path());
    let (ours, theirs) = (ours.display(), theirs.display());
    let itself = named.socket_folder().join("data/server.pem");
    let itself = itself.display();
    const NO_TLS: std::result::Result<&str, &str> = Ok("f");
    const TLS: std::result::Result<&str, &str> = Ok("t");
    for (server, host, parameters, outcome) in [
        (plain, "127.0.0.1", "sslmode=disable".to_owned(), NO_TLS),
        (plain, "127.0.0.1", "".to_owned(), NO_TLS),
        (plain, "127.0.0.1", "sslmode=require".to_owned(), Err("does not support TLS")),
        (plain, "127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}"), Err("does not support TLS")),
        (plain, "127.0.0.1", "sslmode=verify-full".to_owned(), Err("does not support TLS")),
        (&named, "localhost", "sslmode=disable".to_owned(), NO_TLS),
        (&named, "localhost", "".to_owned(), TLS),
        (&named, "localhost", "sslmode=prefer".to_owned(), TLS),
        (&named, "localhost", "sslmode=require".to_owned(), TLS),
        (&named, "localhost", format!("sslmode=require&sslrootcert={ours}"), TLS),
        (&named, "localhost", format!("sslmode=require&sslrootcert={theirs}"), Err("UnknownIssuer")),
        (&named, "localhost", format!("sslmode=verify-ca&sslrootcert={theirs}"), Err("UnknownIssuer")),
        (&named, "127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}"), TLS),
        (&named, "localhost", format!("sslmode=verify-full&sslrootcert={ours}"), TLS),
        (&named, "localhost", format!("sslmode=verify-full&sslrootcert={itself}"), TLS),
        (&named, "127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), Err("not valid for name")),
        (&named, "127.0.0.1", format!("sslmode=verify-full&sslrootcert={itself}"), Err("not valid for name")),
        (&named, "localhost", format!("sslmode=verify-full&sslrootcert={theirs}"), Err("UnknownIssuer")),
        (&named, "localhost", "sslmode=verify-full".to_owned(), Err("UnknownIssuer")),
        (&numbered, "127.0.0.1", format!("sslmode=verify-full&sslrootcert={theirs}"), TLS),
        (&numbered, "127.0.0.1", "sslmode=disable".to_owned(), Err("28000")),
    ] {
        let url = format!("postgres://postgres@{host}:{}/postgres?{parameters}", server.port());
        let answer = ask(&connections(&url), ENCRYPTED).await;
        match (outcome, &answer) {
            (Ok(expected), Ok(answer)) => assert_eq!(answer, expected, "{url}"),
            (Err(words), Err(Error::Broken(said))) => assert!(said.contains(words), "{url}: {said}"),
            _ => panic!("{url}: {answer:?} instead of {outcome:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_proven_with_and_without_tls_and_never_repeated() {
    let cluster = Setup::new(Durability::Quick).password("p@ss:word").tls_for("localhost").start().expect("a server");
    let at = |password: &str, parameters: &str| {
        format!("postgres://postgres:{password}@127.0.0.1:{}/postgres?{parameters}", cluster.port())
    };
    let binding = "sslmode=require&channel_binding=require";
    assert_eq!(ask(&connections(&at("p%40ss%3Aword", "sslmode=disable")), "SELECT 1").await, Ok("1".into()));
    assert_eq!(ask(&connections(&at("p%40ss%3Aword", binding)), ENCRYPTED).await, Ok("t".into()));
    let wrong = ask(&connections(&at("mistaken", binding)), "SELECT 1").await.expect_err("a wrong password");
    assert!(matches!(&wrong, Error::Broken(words) if words.contains("28P01")), "{wrong}");
    assert!(!wrong.to_string().contains("mistaken"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_missing_or_hold_something_else_are_named_at_the_start() {
    let empty = tempfile::NamedTempFile::new().expect("a file");
    for (path, words) in
        [("/nowhere/ca.pem", "sslrootcert: /nowhere/ca.pem"), (empty.path().to_str().expect("a path"), "PEM")]
    {
        let address =
            Address::parse(&format!("postgres://h/db?sslmode=verify-ca&sslrootcert={path}")).expect("an address");
        let said = Connections::new(&address, 1).map(|_| ()).expect_err("no such authority");
        assert!(said.contains(words), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_and_the_settings_of_a_session_hold_whatever_the_role_says() {
    let cluster = Cluster::start().expect("a server");
    cluster
        .sql("postgres", "ALTER ROLE postgres SET synchronous_commit = off; ALTER ROLE postgres SET jit = on")
        .expect("it obeys");
    let socket = cluster.socket_folder().display().to_string().replace('/', "%2F");
    for url in [cluster.url("postgres"), format!("postgres://postgres@{socket}:{}/postgres", cluster.port())] {
        let connections = connections(&url);
        for (name, value) in [
            ("synchronous_commit", "on"),
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("jit", "off"),
            ("transaction_isolation", "read committed"),
            ("idle_in_transaction_session_timeout", "2s"),
            ("statement_timeout", "30s"),
            ("lock_timeout", "5s"),
            ("application_name", "oncue"),
        ] {
            assert_eq!(ask(&connections, &format!("SHOW {name}")).await, Ok(value.into()), "{name} at {url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_takes_writes_is_found_before_and_after_a_failover() {
    let _turn = DOUBTS.lock().await;
    let primary = Cluster::start().expect("a server");
    let standby = primary.synchronous_standby().expect("a standby");
    let at = |hosts: &str, parameters: &str| connections(&format!("postgres://postgres@{hosts}/postgres?{parameters}"));
    let (one, two) = (format!("127.0.0.1:{}", standby.port()), format!("127.0.0.1:{}", primary.port()));
    let both = at(&format!("{one},{two}"), "");
    let port = "SHOW port";
    let only_standby = ask(&at(&one, ""), port).await.expect_err("it takes no writes");
    assert!(
        matches!(&only_standby, Error::Unavailable(words) if words.contains("does not allow writes")),
        "{only_standby}"
    );
    assert_eq!(ask(&at(&one, "target_session_attrs=any"), port).await, Ok(standby.port().to_string()));
    assert_eq!(ask(&both, port).await, Ok(primary.port().to_string()));

    primary.kill().expect("it is killed");
    let error = ask(&both, port).await.expect_err("nobody takes writes");
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    standby.promote().expect("it takes over");
    assert_eq!(ask_until_answered(&both, port).await, standby.port().to_string());
    primary.follow(&standby).expect("it follows");
    assert_eq!(ask_until_answered(&both, port).await, standby.port().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_heal_after_a_restart_and_after_a_crash() {
    let _turn = DOUBTS.lock().await;
    let cluster = Cluster::start().expect("a server");
    let connections = connections(&cluster.url("postgres"));
    let held = connections.client().await.expect("a connection");
    for disturb in [Cluster::restart, |cluster: &Cluster| cluster.kill().and_then(|()| cluster.start_again())] {
        ask(&connections, PID).await.expect("an answer");
        disturb(&cluster).expect("it comes back");
        ask_until_answered(&connections, PID).await;
    }
    let error = first(&held, PID).await.expect_err("its session ended");
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    drop(held);
    ask_until_answered(&connections, PID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_a_write_is_left_by_all_connections_made_before() {
    let _turn = DOUBTS.lock().await;
    let cluster = Cluster::start().expect("a server");
    let connections = connections(&cluster.url("postgres"));
    let (one, other) = (connections.client().await.expect("one"), connections.client().await.expect("another"));
    let before = [first(&one, PID).await.expect("a number"), first(&other, PID).await.expect("a number")];
    drop(other);
    let refused = first(&one, "SET default_transaction_read_only = on; COMMIT; CREATE TABLE t ()").await;
    assert!(matches!(&refused, Err(Error::Unavailable(words)) if words.starts_with("25006")), "{refused:?}");
    drop(one);
    let after = ask(&connections, PID).await.expect("a number");
    assert!(!before.contains(&after), "a new session");
    assert_eq!(ask(&connections, PID).await, Ok(after), "which is kept");
    assert_eq!(connections.pool.status().size, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_costs_its_wait_once() {
    let (hangs, answers) = (Cluster::start().expect("a server"), Cluster::shared().expect("a server"));
    hangs.freeze().expect("it hangs");
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", hangs.port(), answers.port());
    let connections = connections(&format!("postgres://postgres@{hosts}/postgres?connect_timeout=1"));
    let started = Instant::now();
    let kept = connections.client().await.expect("the other host");
    assert!(started.elapsed() >= Duration::from_secs(1), "the first one was waited for");
    assert_eq!(first(&kept, "SHOW port").await, Ok(answers.port().to_string()));
    assert_eq!(
        connections.dialer.first.load(Ordering::Relaxed),
        1,
        "the next connection begins with the one that answers"
    );
    hangs.thaw().expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_is_there_dialling_is_rare_and_asking_is_quick() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let dialled = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dialled);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let connections = connections(&format!("postgres://postgres@127.0.0.1:{port}/postgres"));
    let started = Instant::now();
    let mut asked = 0;
    while dialled.load(Ordering::SeqCst) < 5 {
        let error = ask(&connections, "SELECT 1").await.expect_err("nobody is there");
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        asked += 1;
    }
    // The shortest that four pauses can be: 50, 100, 200 and 400 ms.
    assert!(started.elapsed() >= Duration::from_millis(750), "five attempts in {:?}", started.elapsed());
    assert!(asked > 50, "whoever asks in a pause is told at once, so {asked} is many");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_pool_holds_wait_for_their_turn() {
    let connections = connections(&Cluster::shared().expect("a server").url("postgres"));
    let all = (0..20).map(|_| {
        let connections = connections.clone();
        tokio::spawn(async move { ask(&connections, "SELECT pg_sleep(0.01)").await })
    });
    for one in futures_util::future::join_all(all).await {
        one.expect("no panic").expect("its turn came");
    }
    assert!(connections.pool.status().size <= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_pass_are_told_from_those_that_stay() {
    let _turn = DOUBTS.lock().await;
    let connections = connections(&Cluster::shared().expect("a server").url("postgres"));
    let client = connections.client().await.expect("a connection");
    let raise = |code: &str| format!("DO $$ BEGIN RAISE EXCEPTION 'said so' USING ERRCODE = '{code}'; END $$");
    for code in
        ["08006", "25006", "25P03", "40001", "40P01", "53100", "53300", "55P03", "57014", "57P01", "57P03", "58030"]
    {
        let error = first(&client, &raise(code)).await.expect_err(code);
        assert_eq!(error, Error::Unavailable(format!("{code}: said so")));
    }
    for code in ["23505", "42P01", "25P02", "XX000"] {
        let error = first(&client, &raise(code)).await.expect_err(code);
        assert_eq!(error, Error::Broken(format!("{code}: said so")));
    }
    let value = first(&client, "SELECT 'hunter2'::int").await.expect_err("no number");
    assert_eq!(value, Error::Broken("22P02: a value does not fit".into()), "the value is not repeated");
    let column = client.query_one("SELECT 'x'", &[]).await.expect("a row").try_get::<_, i64>(0).map_err(failed);
    assert!(matches!(column, Err(Error::Broken(_))), "{column:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_what_is_notified_until_its_connection_ends() {
    let _turn = DOUBTS.lock().await;
    let cluster = Cluster::start().expect("a server");
    let connections = connections(&cluster.url("postgres"));
    let mut heard = connections.listen("heard").await.expect("it listens");
    ask(&connections, "NOTIFY heard, 'words'").await.expect("it is told");
    assert_eq!(heard.said.recv().await.as_deref(), Some("words"));
    cluster.stop(Stop::Fast).expect("it stops");
    assert_eq!(heard.said.recv().await, None, "and the listener knows that it missed what comes now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_is_unavailable_in_words_that_name_it() {
    let cluster = Cluster::start().expect("a server");
    cluster.stop(Stop::Fast).expect("it stops");
    let error = ask(&connections(&cluster.url("postgres")), "SELECT 1").await.expect_err("nobody is there");
    let Error::Unavailable(words) = &error else { panic!("{error}") };
    assert!(words.starts_with(&format!("127.0.0.1:{}: ", cluster.port())) && words.contains("refused"), "{words}");
}
