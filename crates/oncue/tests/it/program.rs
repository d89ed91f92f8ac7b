//! The program: its commands, its flags and variables, and how it starts, refuses to start, and ends.

use serde_json::json;

use crate::support::server::{PASSWORD, Server, Setup};
use crate::support::wait::until;

#[test]
fn help_names_every_command_flag_and_variable() {
    let setup = Setup::bare();
    let (status, help) = setup.run(&["--help"], "");
    assert!(status.success() && help.contains("serve") && help.contains("user"), "{help}");
    let (status, help) = setup.run(&["serve", "--help"], "");
    assert!(status.success());
    for (flag, variable) in [
        ("--listen", "ONCUE_LISTEN"),
        ("--public-url", "ONCUE_PUBLIC_URL"),
        ("--trusted-proxies", "ONCUE_TRUSTED_PROXIES"),
        ("--database-url", "DATABASE_URL"),
        ("--open", "ONCUE_OPEN"),
        ("--demo", "ONCUE_DEMO"),
        ("--registration", "ONCUE_REGISTRATION"),
        ("--jwt-secret", "JWT_SECRET"),
        ("--session-for", "ONCUE_SESSION_FOR"),
        ("--default-webhook", "HTTP_URL"),
        ("--cache-url", "CACHE_URL"),
        ("--timezone", "ONCUE_TIMEZONE"),
        ("--active-for", "ONCUE_ACTIVE_FOR"),
        ("--keep-for", "ONCUE_KEEP_FOR"),
        ("--allow-private-destinations", "ONCUE_ALLOW_PRIVATE_DESTINATIONS"),
        ("--rate-limit", "ONCUE_RATE_LIMIT"),
        ("--config", "ONCUE_CONFIG"),
    ] {
        assert!(help.contains(flag) && help.contains(variable), "{flag} and {variable} in {help}");
    }
    let (status, help) = setup.run(&["user", "--help"], "");
    assert!(status.success());
    for command in ["list", "set-password", "disable"] {
        assert!(help.contains(command), "{help}");
    }
    let (status, version) = setup.run(&["--version"], "");
    assert!(status.success() && version.starts_with("oncue "), "{version}");
}

#[test]
fn a_wrong_command_line_is_refused_and_named() {
    for (flags, named) in [
        (vec!["--no-such-flag"], "--no-such-flag"),
        (vec!["--listen", "nowhere"], "--listen"),
        (vec!["--listen", "127.0.0.1:99999"], "--listen"),
        (vec!["--public-url", "oncue.example"], "--public-url"),
        (vec!["--trusted-proxies", "everybody"], "--trusted-proxies"),
        (vec!["--database-url", "mysql://localhost/oncue"], "--database-url"),
        (vec!["--registration", "sometimes"], "--registration"),
        (vec!["--session-for", "long"], "--session-for"),
        (vec!["--default-webhook", "nonsense"], "--default-webhook"),
        (vec!["--timezone", "Mars/Olympus"], "--timezone"),
        (vec!["--active-for", "soon"], "--active-for"),
        (vec!["--active-for", "2h", "--keep-for", "1h"], "--keep-for"),
        (vec!["--rate-limit", "many"], "--rate-limit"),
        (vec!["--open=perhaps"], "--open"),
        (vec!["--config", "no-such-file.toml"], "no-such-file.toml"),
    ] {
        let setup =
            flags.iter().fold(Setup::bare().variable("ONCUE_LISTEN", "127.0.0.1:0"), |setup, flag| setup.flag(flag));
        let said = setup.refused();
        assert!(said.contains(named), "{named}: {said}");
    }
}

#[test]
fn a_wrong_variable_is_refused_and_named() {
    for (variable, value) in [
        ("ONCUE_OPEN", "perhaps"),
        ("ONCUE_LISTEN", "nowhere"),
        ("ONCUE_ALLOW_PRIVATE_DESTINATIONS", "maybe"),
        ("ONCUE_KEEP_FOR", "x"),
    ] {
        let said = Setup::bare().variable(variable, value).refused();
        assert!(said.contains(variable), "{variable}: {said}");
    }
}

#[test]
fn open_refuses_to_listen_on_anything_but_loopback() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let said = Setup::bare().option("--listen", listen).flag("--open").refused();
        assert!(said.contains("--open") && said.contains("loopback"), "{listen}: {said}");
    }
}

#[test]
fn databases_and_caches_of_other_versions_are_refused_with_words() {
    for url in ["postgres://localhost/oncue", "postgresql://a,b/oncue"] {
        let said = Setup::new().option("--database-url", url).refused();
        assert!(said.contains("PostgreSQL"), "{said}");
        let said = Setup::new().variable("DATABASE_URL", url).refused();
        assert!(said.contains("DATABASE_URL"), "{said}");
    }
    let said = Setup::new().option("--cache-url", "memcached://localhost:11211").refused();
    assert!(said.contains("memcached"), "{said}");
}

#[test]
fn a_short_key_is_refused_and_not_repeated() {
    let said = Setup::new().variable("JWT_SECRET", "only-31-bytes-are-not-enough-xx").refused();
    assert!(said.contains("JWT_SECRET") && said.contains("32"), "{said}");
    assert!(!said.contains("only-31-bytes"), "{said}");
    drop(Setup::new().variable("JWT_SECRET", "exactly-32-bytes-are-enough-xxxx").serve());
}

#[test]
fn the_key_is_made_once_beside_the_database_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    let setup = server.stop();
    let secrets: Vec<_> = std::fs::read_dir(setup.path("."))
        .expect("the folder")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("secret"))
        .collect();
    assert_eq!(secrets.len(), 1);
    let mode = secrets[0].metadata().expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(secrets[0].path()).expect("the key");
    drop(setup.serve());
    assert!(before.len() >= 32);
}

#[test]
fn a_dot_env_is_read_and_real_variables_and_flags_win() {
    let listens_in = |server: &Server, zone: &str| {
        let ann = server.user();
        let shown =
            ann.post("/api/v1/schedules/preview", &json!({"schedule_details": {"cron": "@daily"}})).is(200).json();
        assert_eq!(shown["timezone"], zone);
    };
    let file = "# a comment\nONCUE_LISTEN=127.0.0.1:0\nONCUE_TIMEZONE=\"Europe/Riga\"\n";
    listens_in(&Setup::bare().file(".env", file).serve(), "Europe/Riga");
    listens_in(&Setup::bare().file(".env", file).variable("ONCUE_TIMEZONE", "Asia/Kolkata").serve(), "Asia/Kolkata");
    let flagged = Setup::bare()
        .file(".env", file)
        .variable("ONCUE_TIMEZONE", "Asia/Kolkata")
        .option("--timezone", "America/New_York");
    listens_in(&flagged.serve(), "America/New_York");
    let config = "timezone = \"Asia/Tokyo\"\nlisten = \"127.0.0.1:0\"\nopen = false\n";
    listens_in(&Setup::bare().file("oncue.toml", config).option("--config", "oncue.toml").serve(), "Asia/Tokyo");
    let by_variable = Setup::bare().file("oncue.toml", config).variable("ONCUE_CONFIG", "oncue.toml");
    listens_in(&by_variable.variable("ONCUE_TIMEZONE", "Asia/Kolkata").serve(), "Asia/Kolkata");
}

#[test]
fn an_unknown_key_in_the_config_file_is_refused_and_named() {
    let said = Setup::new().file("oncue.toml", "colour = \"red\"\n").option("--config", "oncue.toml").refused();
    assert!(said.contains("colour"), "{said}");
    let said = Setup::new().file("oncue.toml", "= nonsense").option("--config", "oncue.toml").refused();
    assert!(said.contains("oncue.toml"), "{said}");
}

#[test]
fn a_secret_can_come_from_a_file() {
    let key = "a key for the login tokens from a file, long enough";
    let server = Setup::new().file("key", &format!("{key}\n")).variable("JWT_SECRET_FILE", "key").serve();
    let ann = server.user();
    let setup = server.stop().variable("JWT_SECRET_FILE", "").variable("JWT_SECRET", key);
    let server = setup.serve();
    ann.at(server.base()).get("/api/v1/triggers").is(200);
    let said = Setup::new().variable("JWT_SECRET_FILE", "no-such-file").refused();
    assert!(said.contains("JWT_SECRET_FILE") && said.contains("no-such-file"), "{said}");
    let said = Setup::new().file("key", "short").variable("JWT_SECRET_FILE", "key").refused();
    assert!(said.contains("JWT_SECRET_FILE") && !said.contains("short-"), "{said}");
    let database = Setup::new().file("url", "sqlite:elsewhere.db").variable("DATABASE_URL_FILE", "url").serve();
    assert!(database.setup().path("elsewhere.db").exists());
}

#[test]
fn booleans_are_written_in_four_ways() {
    for (word, is_open) in [
        ("true", true),
        ("1", true),
        ("on", true),
        ("yes", true),
        ("TRUE", true),
        ("false", false),
        ("0", false),
        ("off", false),
        ("no", false),
    ] {
        let server = Setup::new().variable("ONCUE_OPEN", word).serve();
        assert_eq!(server.nobody().get("/api/v1/triggers").status, if is_open { 200 } else { 401 }, "{word}");
    }
}

#[test]
fn a_second_process_on_the_same_database_is_refused_with_words() {
    let server = Server::start();
    let said = server.setup().refused();
    assert!(said.contains("database") && said.contains("already"), "{said}");
    server.user().get("/api/v1/triggers").is(200);
}

#[test]
fn a_taken_port_is_refused_with_words() {
    let server = Server::start();
    let said = Setup::bare().option("--listen", &format!("127.0.0.1:{}", server.port())).refused();
    assert!(said.contains(&server.port().to_string()), "{said}");
}

#[test]
fn a_database_that_cannot_be_is_refused_with_words() {
    let said = Setup::new().option("--database-url", "sqlite:no/such/folder/oncue.db").refused();
    assert!(said.contains("no/such/folder"), "{said}");
    let garbage = "this is no database, but a text that is long enough to be taken for one ".repeat(100);
    let said = Setup::new().file("oncue.db", &garbage).refused();
    assert!(said.contains("oncue.db") || said.contains("database"), "{said}");
}

#[test]
fn the_first_start_needs_no_set_up_and_says_where_it_is() {
    let server = Setup::new().serve();
    let log = server.log();
    assert!(log.contains(server.base()), "{log}");
    assert_ne!(server.port(), 0, "the line that announces readiness names the real port");
    assert!(server.setup().path("oncue.db").exists());
}

#[test]
fn sigterm_ends_it_well() {
    let server = Server::start();
    server.user();
    server.terminate();
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_operator_sees_the_users_while_the_server_runs() {
    let server = Server::start();
    server.user();
    server.register("bob@example.com");
    let (status, said) = server.setup().run(&["user", "list"], "");
    assert!(status.success(), "{said}");
    assert!(said.contains("ann@example.com") && said.contains("bob@example.com"), "{said}");
    assert!(!said.contains("$argon2"), "no hash is shown: {said}");
}

#[test]
fn an_operator_sets_a_password_while_the_server_runs_and_every_login_ends() {
    let server = Server::start();
    let ann = server.user();
    let bob = server.register("bob@example.com");
    let new = "another horse, another battery";
    let (status, said) = server.setup().run(&["user", "set-password", "ANN@example.com"], &format!("{new}\n"));
    assert!(status.success(), "{said}");
    assert!(!said.contains(new), "{said}");
    ann.get("/api/v1/triggers").is(401);
    bob.get("/api/v1/triggers").is(200);
    let login = |password: &str| {
        server.nobody().post("/auth/login", &json!({"email": "ann@example.com", "password": password}))
    };
    login(PASSWORD).is(400);
    login(new).is(200);
    let (status, said) = server.setup().run(&["user", "set-password", "ann@example.com"], "short\n");
    assert!(!status.success() && said.contains('8'), "{said}");
    let (status, said) = server.setup().run(&["user", "set-password", "eve@example.com"], &format!("{new}\n"));
    assert!(!status.success() && said.contains("eve@example.com"), "{said}");
}

#[test]
fn an_operator_shuts_a_user_out_while_the_server_runs() {
    let server = Server::start();
    server.user();
    let bob = server.register("bob@example.com");
    let made = bob.post("/api/v1/api_keys", &json!({"name": "k", "scopes": ["read"]})).is(201).json();
    let program = server.nobody().bearer(made["key"].as_str().expect("a key"));
    program.get("/api/v1/triggers").is(200);
    let (status, said) = server.setup().run(&["user", "disable", "bob@example.com"], "");
    assert!(status.success(), "{said}");
    until("the login ends", || Some(()).filter(|()| bob.get("/api/v1/triggers").status == 401));
    program.get("/api/v1/triggers").is(401);
    let login = server.nobody().post("/auth/login", &json!({"email": "bob@example.com", "password": PASSWORD}));
    assert!(matches!(login.status, 400 | 403), "{}", login.status);
    let (status, said) = server.setup().run(&["user", "disable", "eve@example.com"], "");
    assert!(!status.success() && said.contains("eve@example.com"), "{said}");
}

#[cfg(not(feature = "movable-clock"))]
#[test]
fn nobody_can_move_the_clock_of_the_program_that_people_run() {
    let setup = Setup::new().flag("--movable-clock");
    let mut process = setup.launch();
    let status = process.wait();
    assert_eq!(status.code(), Some(2), "{}", process.log());
    assert!(process.log().contains("--movable-clock"), "{}", process.log());
    let (status, help) = Setup::bare().run(&["serve", "--help"], "");
    assert!(status.success() && !help.contains("movable"), "{help}");
    let (status, _) = Setup::new().run(&["serve", "--listen", "127.0.0.1:0", "--movable-clock=2h"], "advance 2h\n");
    assert_eq!(status.code(), Some(2));
}
