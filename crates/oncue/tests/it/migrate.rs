//! `oncue migrate`, on both databases.

use oncue_throwaway::Cluster;

use crate::support::server::Setup;

fn steps(shown: &str, state: &str) -> usize {
    shown.lines().filter(|line| line.ends_with(state)).count()
}

#[test]
fn a_database_file_is_brought_up_to_date_once_and_shown_before_and_after() {
    let setup = Setup::new();
    let (status, shown) = setup.run(&["migrate", "--show"], "");
    assert!(status.success() && steps(&shown, "taken") == 0, "{shown}");
    let all = steps(&shown, "pending");
    assert!(all >= 3, "{shown}");
    assert!(!setup.path("oncue.db").exists(), "showing makes nothing");
    let (status, said) = setup.run(&["migrate"], "");
    assert!(status.success() && steps(&said, "done") == all, "{said}");
    let (status, said) = setup.run(&["migrate"], "");
    assert!(status.success() && said.contains("nothing was changed"), "{said}");
    let server = setup.serve();
    let (status, shown) = server.setup().run(&["migrate", "--show"], "");
    assert!(status.success() && steps(&shown, "taken") == all, "also while a server runs: {shown}");
    let (status, said) = server.setup().run(&["migrate"], "");
    assert!(!status.success() && said.contains("Another oncue serves"), "{said}");
}

#[test]
fn postgresql_is_brought_up_to_date_and_a_newer_or_edited_one_is_refused() {
    let cluster = Cluster::shared().expect("a PostgreSQL server");
    let database = cluster.fresh_database().expect("a database");
    let setup = Setup::new().variable("DATABASE_URL", &cluster.url(&database));
    let (status, shown) = setup.run(&["migrate", "--show"], "");
    let all = steps(&shown, "pending");
    assert!(status.success() && all >= 1, "{shown}");
    let tables =
        || cluster.sql(&database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").expect("a count");
    assert_eq!(tables().trim(), "0", "showing makes nothing");
    let (status, said) = setup.run(&["migrate"], "");
    assert!(status.success() && steps(&said, "done") == all, "{said}");
    let (status, said) = setup.run(&["migrate"], "");
    assert!(status.success() && said.contains("nothing was changed"), "{said}");
    for (change, named) in [
        ("INSERT INTO migrations VALUES (999, 'later', 'x')", "migration 999"),
        (
            "DELETE FROM migrations WHERE version = 999; UPDATE migrations SET checksum = 'x'",
            "is not the one of this oncue",
        ),
    ] {
        cluster.sql(&database, change).expect("a change of the test's own");
        for arguments in [&["migrate"][..], &["migrate", "--show"]] {
            let (status, said) = setup.run(arguments, "");
            assert!(!status.success() && said.contains(named), "{arguments:?}: {said}");
        }
    }
}
