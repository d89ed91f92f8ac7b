//! The operator looks at the nodes: one, which is all there is on SQLite, and several that come and go on one PostgreSQL.

use oncue_throwaway::Cluster;
use serde_json::json;

use super::moves::make;
use super::{EMAIL, go_to, register};
use crate::driver::{Browser, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::server::{Server, Setup};

/// A node on this database, which takes whoever reaches it.
fn node(url: &str) -> Server {
    let setup = Setup::new().option("--database-url", url).flag("--open");
    setup.option("--jwt-secret", "the same for all nodes of this test, and of no worth").serve()
}

fn is_still_the_same_page(browser: &Browser) -> bool {
    browser.ask("window.stays") == true
}

#[test]
fn the_only_node_says_what_it_does_and_when_more_would_be_worth_it() {
    let mut stage = Stage::open();
    let wish = json!({"name": "pulse", "type": "scheduled", "webhook_url": stage.receiver.url(),
        "schedule_details": {"every": "1h"}});
    let pulse = make(&stage.nobody(), &wish);
    let browser = stage.visit(Visitor::PLAIN);
    go_to(&browser, "/ui/nodes");
    assert!(browser.text("#nodes-sum").contains("One node runs, on SQLite."), "{}", browser.text("main"));
    assert!(browser.text("main").contains("When one node is not enough"));
    assert_eq!(browser.count("#nodes tbody tr"), 1);
    let figures = "[...document.querySelectorAll('#nodes tbody td')].slice(3, 5).map(cell => cell.innerText.trim())";
    assert_eq!(browser.ask(figures), json!(["0", "0"]), "nothing has fired");
    inspect(&browser, "nodes-one");

    browser.ask("window.stays = true");
    let page = stage.nobody().get(&format!("/api/v1/triggers/{pulse}/upcoming?count=1")).is(200).json();
    let due = page["occurrences"][0].as_str().expect("an occurrence").parse().expect("an instant");
    stage.advance_gently(due);
    browser.until("what fired and arrived is shown", |browser| browser.ask(figures) == json!(["1", "1"]));
    assert!(browser.text("#nodes tbody tr td:last-child").ends_with("late"), "{}", browser.text("#nodes"));
    assert!(is_still_the_same_page(&browser), "it came by itself");
}

#[test]
fn the_bar_has_room_for_all_that_the_operator_is_led_to_and_others_are_not_led_there() {
    let stage = Stage::with_accounts();
    let operator = stage.visit(Visitor::PLAIN);
    register(&operator, EMAIL);
    for width in [1200, 1279, 1600] {
        operator.resize(width, 800);
        let overhang = operator.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(overhang, 0, "{width}");
        let lines =
            "new Set([...document.querySelectorAll('#nav a')].map(one => one.getBoundingClientRect().top)).size";
        assert_eq!(operator.ask(lines), 1, "{width}: one row of links");
    }
    assert_eq!(operator.count("#nav a[href='/ui/nodes']"), 1);
    let guest = stage.visit(Visitor::PLAIN);
    register(&guest, "grace@example.com");
    assert_eq!(guest.count("#nav a[href='/ui/nodes']"), 0);
}

#[test]
fn nodes_come_and_go_and_another_version_is_pointed_out() {
    let cluster = Cluster::shared().unwrap_or_else(|error| panic!("this test needs a PostgreSQL server: {error}"));
    let database = cluster.fresh_database().expect("a database");
    let url = cluster.url(&database);
    let alpha = node(&url);
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(&format!("{}/ui/nodes", alpha.base()));
    let told = format!("One node runs, on PostgreSQL at 127.0.0.1:{}.", cluster.port());
    assert!(browser.text("#nodes-sum").contains(&told), "{}", browser.text("main"));
    assert!(browser.text("main").contains("is a second node"));
    browser.ask("window.stays = true");

    let beta = node(&url);
    let address = format!("127.0.0.1:{}", beta.port());
    browser.until("the second node is there", |browser| {
        browser.text("#nodes-sum").contains("2 nodes run") && browser.text("#nodes").contains(&address)
    });
    assert!(!browser.text("main").contains("When one node is not enough"));
    assert_eq!(browser.text("#nodes").matches("made this page").count(), 1, "alpha did");

    // A node of the next version, as far as the others can see.
    let facts =
        r#"{"running":12,"waiting":340,"fired":5120,"attempts":5080,"failed":7,"late_us_max":48200,"looked_at":null}"#;
    let gamma = format!(
        "INSERT INTO nodes (name, version, address, started_at, seen_at, alive_at, facts)
         SELECT 'gamma', '9.9.9', '10.0.0.7:8000', started_at, seen_at + 3600000000, alive_at, '{facts}' FROM nodes LIMIT 1"
    );
    cluster.sql(&database, &gamma).expect("a statement of the test's own");
    browser.until("the other version is pointed out", |browser| {
        let sum = browser.text("#nodes-sum");
        sum.contains("3 nodes run") && sum.contains("on 2 nodes, version 9.9.9 on one node")
    });
    let shown = browser.text("#nodes");
    for words in ["340 waiting", "5,120", "7 failed", "48 ms late"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    inspect(&browser, "nodes-three");

    beta.stop();
    cluster.sql(&database, "DELETE FROM nodes WHERE name = 'gamma'").expect("a statement of the test's own");
    browser.until("alpha is alone again", |browser| browser.text("#nodes-sum").contains("One node runs"));
    assert!(!browser.text("main").contains("Different versions"));
    assert!(is_still_the_same_page(&browser), "all of it came by itself");
    alpha.stop();
    cluster.sql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)")).expect("a statement of the test's own");
}
