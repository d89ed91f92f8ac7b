use tokio_postgres::config::TargetSessionAttrs;

use super::*;

fn parsed(url: &str) -> Address {
    Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refused(url: &str) -> String {
    Address::parse(url).map(|address| address.to_string()).expect_err(url)
}

#[test]
fn urls_name_hosts_ports_user_and_database() {
    for (url, shown) in [
        ("postgres://h", "postgres://h:5432"),
        ("postgresql://h/db", "postgres://h:5432/db"),
        ("postgres://u:secret@h:6000/db", "postgres://u@h:6000/db"),
        ("postgres://u@h1,h2:6000/db", "postgres://u@h1:5432,h2:6000/db"),
        ("postgres://[::1]/db", "postgres://[::1]:5432/db"),
        ("postgres://u:secret@[::1]:6000,127.0.0.1/db", "postgres://u@[::1]:6000,127.0.0.1:5432/db"),
        ("postgres://u%40corp:s%3Ac@h/d%20b", "postgres://u@corp@h:5432/d b"),
        ("postgres://u:se@cret@h/db", "postgres://u@h:5432/db"),
        ("postgres://%2Frun%2Fpostgresql/db", "postgres:///run/postgresql:5432/db"),
        ("postgres:///db?host=/run/postgresql&port=6000", "postgres:///run/postgresql:6000/db"),
        ("postgres:///db?host=h1,h2&port=1,2&user=u&password=secret", "postgres://u@h1:1,h2:2/db"),
        ("postgres://h1,h2/db?port=6000", "postgres://h1:6000,h2:6000/db"),
        ("postgres://h/?dbname=db&password=s@cret&user=u", "postgres://u@h:5432/db"),
    ] {
        assert_eq!(parsed(url).to_string(), shown, "{url}");
    }
}

#[test]
fn a_password_is_decoded_and_never_shown() {
    let address = parsed("postgres://u:s%40c%25ret@h/db?sslmode=require");
    assert_eq!(address.targets()[0].config.get_password(), Some(&b"s@c%ret"[..]));
    let shown = format!("{address} {address:?} {:?}", address.targets());
    assert!(!shown.contains("%ret") && !shown.contains("%25ret"), "{shown}");
}

#[test]
fn what_is_wrong_is_named_without_a_piece_of_the_password() {
    for (url, words) in [
        ("mysql://u:secret@h/db", "postgres://"),
        ("postgres://u:sec/ret@h/db", "percent-encoded"),
        ("postgres://u:sec?ret@h/db", "percent-encoded"),
        ("postgres://u:sec?r=et@h/db", "percent-encoded"),
        ("postgres://u:sec#ret@h/db/secret@x", "percent-encoded"),
        ("postgres://u:secret@/db", "no host"),
        ("postgres://u:secret@h1,,h2/db", "a host is missing"),
        ("postgres://u:secret@h:99999/db", "from 1 to 65535"),
        ("postgres://u:secret@h:0/db", "from 1 to 65535"),
        ("postgres://u:secret@[::1/db", "brackets"),
        ("postgres://u:secret@h/db?host=x", "named twice"),
        ("postgres://u:secret@h:1/db?port=2", "named twice"),
        ("postgres://u:secret@h1,h2,h3/db?port=1,2", "as many ports"),
        ("postgres://u:secret@h/db?sslmode", "name=value"),
        ("postgres://u:secret@h/db?passfile=x", "passfile is not known"),
        ("postgres://u:secret@h/db?connect_timeout=soon", "connect_timeout is a number"),
        ("postgres://u:secret@h/db?connect_timeout=0", "at least 1"),
        ("postgres://u:secret@h/db?sslmode=allow", "verify-full"),
        ("postgres://u:secret@h/db?target_session_attrs=standby", "writes"),
        ("postgres://u:secret@h/db?sslmode=verify-ca", "sslrootcert"),
        ("postgres://u:secret@h/db?sslmode=require&sslrootcert=system", "verify-full"),
        ("postgres://u:secret@h/db?sslcert=x.pem", "together"),
    ] {
        let said = refused(url);
        assert!(said.contains(words), "{url}: {said}");
        assert!(!said.contains("sec") && !said.contains("ret"), "{url}: {said}");
    }
}

#[test]
fn encryption_is_as_in_libpq() {
    let file = || Some(Authorities::File("ca.pem".into()));
    for (parameters, mode, authorities) in [
        ("", Mode::Prefer, None),
        ("sslmode=disable&sslrootcert=ca.pem", Mode::Disable, None),
        ("sslmode=require", Mode::Require, None),
        ("sslmode=require&sslrootcert=ca.pem", Mode::Require, file()),
        ("sslmode=verify-ca&sslrootcert=ca.pem", Mode::VerifyCa, file()),
        ("sslmode=verify-full&sslrootcert=ca.pem", Mode::VerifyFull, file()),
        ("sslmode=verify-full", Mode::VerifyFull, Some(Authorities::System)),
        ("sslrootcert=system", Mode::VerifyFull, Some(Authorities::System)),
    ] {
        let address = parsed(&format!("postgres://h/db?{parameters}"));
        assert_eq!(address.encryption(), &Encryption { mode, authorities, identity: None }, "{parameters}");
    }
}

#[test]
fn a_socket_is_not_encrypted_whatever_the_hosts_are() {
    let address = parsed("postgres://%2Frun,h/db?sslmode=require");
    let modes: Vec<SslMode> = address.targets().iter().map(|target| target.config.get_ssl_mode()).collect();
    assert_eq!(modes, [SslMode::Disable, SslMode::Require]);
}

#[test]
fn the_network_hosts_are_told_and_sockets_are_none() {
    let address = parsed("postgres://u@h1,[::1]:1,%2Frun/db");
    assert_eq!(address.hosts(), [("h1".to_owned(), 5432), ("::1".to_owned(), 1)]);
    assert_eq!(address.ports(), [5432, 1, 5432], "a server behind a socket has a port all the same");
}

#[test]
fn only_a_server_that_takes_writes_is_ours_unless_said_otherwise() {
    for (url, attributes) in [
        ("postgres://h/db", TargetSessionAttrs::ReadWrite),
        ("postgres://h1,h2/db", TargetSessionAttrs::ReadWrite),
        ("postgres://h/db?target_session_attrs=primary", TargetSessionAttrs::ReadWrite),
        ("postgres://h/db?target_session_attrs=any", TargetSessionAttrs::Any),
    ] {
        assert_eq!(parsed(url).targets()[0].config.get_target_session_attrs(), attributes, "{url}");
    }
}

#[test]
fn our_session_settings_come_after_the_operators() {
    let options = |url: &str| parsed(url).targets()[0].config.get_options().unwrap_or_default().to_owned();
    let weak = options("postgres://h/db?options=-c%20search_path=x%20-c%20synchronous_commit=off");
    assert!(weak.starts_with("-c search_path=x -c synchronous_commit=off "), "{weak}");
    assert!(weak.ends_with("-c synchronous_commit=on"), "{weak}");
    assert!(options("postgres://h/db").starts_with("-c plan_cache_mode="));
    let strong = options("postgres://h/db?options=-csynchronous_commit=remote_apply");
    assert!(strong.ends_with("-c synchronous_commit=remote_apply"), "{strong}");
}

#[test]
fn times_are_as_said_or_a_few_seconds() {
    let usual = parsed("postgres://h/db");
    assert_eq!(usual.connect_timeout(), Duration::from_secs(3));
    assert_eq!(usual.targets()[0].config.get_tcp_user_timeout(), Some(&Duration::from_secs(8)));
    let said = parsed("postgres://h/db?connect_timeout=9&tcp_user_timeout=1500&keepalives_idle=7&application_name=x");
    let config = &said.targets()[0].config;
    assert_eq!(said.connect_timeout(), Duration::from_secs(9));
    assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(config.get_keepalives_idle(), Duration::from_secs(7));
    assert_eq!(config.get_application_name(), Some("x"));
}
