//! `oncue bench` as somebody runs it: every scenario that does not need minutes gives its numbers in small, on SQLite and on
//! PostgreSQL, and what was written down can be compared with. How fast anything is, is nothing for a test.

use std::time::Duration;

use serde_json::Value;

use crate::support::database::Database;
use crate::support::server::Setup;
use crate::support::wait::until_within;

/// A scenario starts several servers, one after the other, each with a user whose password is hashed.
const BENCH_PATIENCE: Duration = Duration::from_secs(180);

/// Runs scenarios in small, and gives the rows that were written down and what was printed.
fn measured(setup: &Setup, flags: &[&str]) -> (Vec<Value>, String) {
    // Named from where the bench runs, which is not where its servers do.
    let flags = [&["bench", "--quick", "--out", "now.json", "--folder", "."], flags].concat();
    let mut process = setup.begin(&flags);
    until_within(BENCH_PATIENCE, "the bench ends", || process.has_ended().then_some(()));
    let status = process.wait();
    assert!(status.success(), "{flags:?}: {}", process.log());
    let text = std::fs::read_to_string(setup.path("now.json")).expect("the results were written");
    let report: Value = serde_json::from_str(&text).expect("the results are JSON");
    (report["rows"].as_array().expect("rows").clone(), process.log())
}

/// The value of the only row of this scenario with these words.
#[track_caller]
fn value(rows: &[Value], scenario: &str, words: &str) -> f64 {
    let is_meant =
        |row: &&Value| row["scenario"] == scenario && row["what"].as_str().is_some_and(|what| what.contains(words));
    let meant: Vec<&Value> = rows.iter().filter(is_meant).collect();
    assert_eq!(meant.len(), 1, "{scenario}: {words}: {rows:?}");
    meant[0]["values"][0].as_f64().expect("a number")
}

#[test]
fn calls_at_a_fixed_rate_are_all_sent_and_their_time_counts_from_when_they_were_due() {
    let (rows, _) = measured(&Setup::bare(), &["fire", "--rate", "50", "--seconds", "2"]);
    assert_eq!(value(&rows, "fire", "50 calls a second: given up"), 0.0);
    assert_eq!(value(&rows, "fire", "50 calls a second: refused"), 0.0);
    let of = |since: &str| value(&rows, "fire", &format!("50 calls a second: answer since {since}, max"));
    assert!(of("the call was due") >= of("it was sent"), "{rows:?}");
    assert_eq!(value(&rows, "fire", "with a destination: lost"), 0.0);
}

#[test]
fn triggers_of_ones_own_number_fire_every_second_and_none_is_skipped_lost_or_sent_twice() {
    let (rows, _) = measured(&Setup::bare(), &["steady", "--triggers", "20", "--seconds", "2"]);
    for how in ["spread", "at once"] {
        for what in ["skipped", "lost", "twice"] {
            assert_eq!(value(&rows, "steady", &format!("20 every second, {how}: {what}")), 0.0);
        }
        assert!(value(&rows, "steady", &format!("20 every second, {how}: resident memory at most")) > 0.0);
    }
}

#[test]
fn triggers_and_fires_are_counted_one_in_a_call_and_many() {
    let (rows, said) = measured(&Setup::bare(), &["create"]);
    assert!(value(&rows, "create", "one in a call, 64 connections: triggers made") > 0.0);
    assert_eq!(value(&rows, "create", "one in a call, 1 connection: refused"), 0.0, "{said}");
    for (form, what) in [("an array", "triggers made"), ("lines", "triggers made"), ("an array", "fires accepted")] {
        let words = format!("as {form}, 1 connection: {what}");
        assert_eq!(value(&rows, "create", &format!("{words}: refused")), 0.0, "{said}");
        assert!(value(&rows, "create", &format!("{words}: server's CPU")) >= 0.0, "{said}");
    }
}

#[test]
fn pages_are_asked_for_with_every_filter_and_a_search_in_vain_says_where_it_stopped() {
    let (rows, _) = measured(&Setup::bare(), &["list", "--events", "12000"]);
    assert!(value(&rows, "list", "50 of 12000 events, middle, by the link to it, p50") > 0.0);
    assert_eq!(value(&rows, "list", "events, with a text that is nowhere: says where it stopped"), 1.0);
    assert_eq!(value(&rows, "list", "that were delivered: says where it stopped"), 1.0);
}

#[test]
fn growth_shows_sizes_side_by_side_and_is_compared_size_by_size() {
    let setup = Setup::bare();
    let (rows, said) = measured(&setup, &["growth"]);
    let sizes = |what: &str| -> Vec<u64> {
        rows.iter().filter(|row| row["what"] == what).filter_map(|row| row["of"].as_u64()).collect()
    };
    assert_eq!(sizes("triggers: start to first webhook"), [500, 2000]);
    assert_eq!(sizes("events: 50, newest, p50"), [2000, 4000]);
    assert!(said.contains("of 500") && said.contains("grew"), "{said}");
    std::fs::rename(setup.path("now.json"), setup.path("before.json")).expect("it is there");
    let (_, said) = measured(&setup, &["growth", "--triggers", "500", "--events", "2000", "--compare", "before.json"]);
    assert!(said.contains("events: 50, newest, p50, of 2000") && !said.contains("p50, of 4000"), "{said}");
}

#[test]
fn the_ceiling_is_looked_for_until_it_is_found_or_enough_was_tried() {
    let (rows, said) = measured(&Setup::bare(), &["ceiling", "--seconds", "2"]);
    let held = value(&rows, "ceiling", "highest rate that held");
    assert!((0.0..=40.0).contains(&held), "{said}");
}

#[test]
fn what_is_late_is_counted_beside_what_is_due() {
    let (rows, said) = measured(&Setup::bare(), &["backlog", "--seconds", "2", "--triggers", "10"]);
    for what in ["10 every second, 1000 late ones drain: lost", "1000 late ones: lost", "1000 late ones: twice"] {
        assert_eq!(value(&rows, "backlog", what), 0.0, "{said}");
    }
    assert!(value(&rows, "backlog", "1000 late ones: made up for") > 0.0, "{said}");
}

#[test]
fn an_idle_server_is_measured_by_what_its_threads_did() {
    let (rows, _) = measured(&Setup::bare(), &["idle"]);
    assert!(value(&rows, "idle", "nothing to do: server's threads woken") > 0.0);
    assert!(value(&rows, "idle", "1000 triggers that wait: server's CPU") > 0.0);
}

#[test]
fn postgresql_is_measured_alike() {
    let database = Database::fresh();
    let flags = ["fire", "list", "--postgres", &database.url(), "--rate", "20", "--seconds", "1", "--events", "2000"];
    let (rows, _) = measured(&Setup::bare(), &flags);
    assert_eq!(value(&rows, "fire", "20 calls a second: given up"), 0.0);
    assert!(value(&rows, "list", "50 of 2000 events, oldest, p50") > 0.0);
}

#[test]
fn a_number_that_nothing_measured_reads_is_refused_before_anything_starts() {
    let (status, said) = Setup::bare().run(&["bench", "idle", "--events", "5000"], "");
    assert!(!status.success() && said.contains("--events is about list, growth"), "{said}");
}
