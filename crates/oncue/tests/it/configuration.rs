//! What the operator decides, by flags, variables and files: how it is written, and what is said where it is wrong.

use serde_json::json;

use crate::support::server::{Server, Setup};

#[test]
fn help_names_every_command_flag_and_variable() {
    let setup = Setup::bare();
    let (status, help) = setup.run(&["--help"], "");
    assert!(status.success());
    for command in ["serve", "user", "audit", "migrate", "copy", "healthcheck", "bench"] {
        assert!(help.contains(command), "{command} in {help}");
    }
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
        ("--allow-destinations", "ONCUE_ALLOW_DESTINATIONS"),
        ("--egress-proxy", "ONCUE_EGRESS_PROXY"),
        ("--extra-ca", "ONCUE_EXTRA_CA"),
        ("--rate-limit", "ONCUE_RATE_LIMIT"),
        ("--hold-backlog-after", "ONCUE_HOLD_BACKLOG_AFTER"),
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
        (vec!["--hold-backlog-after", "soon"], "--hold-backlog-after"),
        (vec!["--active-for", "2h", "--keep-for", "1h"], "--keep-for"),
        (vec!["--allow-destinations", "10.1.2.3/16"], "--allow-destinations"),
        (vec!["--allow-destinations", "169.254.169.254"], "169.254.169.254"),
        (vec!["--egress-proxy", "proxy:3128"], "--egress-proxy"),
        (vec!["--extra-ca", "no-such-file.pem"], "no-such-file.pem"),
        (vec!["--extra-ca", "/dev/null"], "no certificate"),
        (vec!["--rate-limit", "many"], "--rate-limit"),
        (vec!["--rate-limit", "-5"], "0 or off is no limit"),
        (vec!["--session-for", "-1h"], "--session-for: "),
        (vec!["--active-for", "-5"], "--active-for: "),
        (vec!["--keep-for", "0s"], "at least 1 second"),
        (vec!["--keep-for", "-2h"], "--keep-for: "),
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
fn no_limit_of_requests_is_said_as_zero_too() {
    let server = Setup::new().option("--rate-limit", "0").serve();
    let ann = server.user();
    for _ in 0..3 {
        ann.get("/api/v1/triggers").is(200);
    }
    let (_, help) = Setup::bare().run(&["serve", "--help"], "");
    assert!(help.contains("0 or off for no limit"), "{help}");
}

#[test]
fn a_wrong_number_of_the_bench_is_told_as_a_number() {
    for (arguments, said) in [
        (vec!["bench", "--repeat", "0"], "0 is not in 1.."),
        (vec!["bench", "--repeat", "-2"], "-2"),
        (vec!["bench", "shards", "--triggers", "-1"], "-1"),
    ] {
        let (status, told) = Setup::bare().run(&arguments, "");
        assert!(
            !status.success() && told.contains(said) && !told.contains("unexpected argument"),
            "{arguments:?}: {told}"
        );
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
fn a_short_key_is_refused_and_not_repeated() {
    let said = Setup::new().variable("JWT_SECRET", "only-31-bytes-are-not-enough-xx").refused();
    assert!(said.contains("JWT_SECRET") && said.contains("32"), "{said}");
    assert!(!said.contains("only-31-bytes"), "{said}");
    drop(Setup::new().variable("JWT_SECRET", "exactly-32-bytes-are-enough-xxxx").serve());
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
