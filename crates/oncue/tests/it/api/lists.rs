//! Lists of both surfaces: how long a page is, and how to get the next.

use std::thread;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

fn api_trigger(ann: &Client, name: &str) -> i64 {
    ann.post("/api/v1/triggers", &json!({"name": name, "type": "api"})).is(201).json()["id"]
        .as_i64()
        .expect("an integer")
}

fn fire(ann: &Client, id: i64, times: usize) {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                (0..times / 8).for_each(|_| drop(ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200)))
            });
        }
    });
}

fn ids(page: &[Value]) -> Vec<i64> {
    page.iter().filter_map(|item| item["id"].as_i64()).collect()
}

/// Every page from `path` on.
fn pages(ann: &Client, path: &str) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = ann.get(&path).is(200);
        pages.push(ids(&page.list()));
        assert!(pages.len() < 100, "the pages have no end");
        next = page.next_page();
    }
    pages
}

fn newest_first(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    ids
}

#[test]
fn pages_of_triggers_show_each_once_in_ascending_order() {
    let server = Server::start();
    let ann = server.user();
    let made: Vec<i64> = (0..7).map(|_| api_trigger(&ann, "t")).collect();
    for list in ["/api/v1/triggers", "/triggers"] {
        let pages = pages(&ann, &format!("{list}?limit=3"));
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1], "{list}");
        assert_eq!(pages.concat(), made, "{list}");
        assert_eq!(ann.get(&format!("{list}?limit=7")).is(200).next_page(), None, "nothing follows the last: {list}");
        assert_eq!(ann.get(list).is(200).next_page(), None, "{list}");
    }
}

#[test]
fn pages_of_events_show_each_once_and_keep_their_filter() {
    let server = Server::start();
    let ann = server.user();
    let (one, two) = (api_trigger(&ann, "one"), api_trigger(&ann, "two"));
    for _ in 0..7 {
        fire(&ann, one, 8);
        fire(&ann, two, 8);
    }
    let all = ids(&ann.get("/api/v1/event_logs").is(200).list());
    assert_eq!(all.len(), 112);
    let paged = pages(&ann, "/api/v1/event_logs?limit=50");
    assert_eq!(paged.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 12]);
    assert_eq!(paged.concat(), all);
    let of_one = ids(&ann.get(&format!("/api/v1/event_logs?trigger_id={one}")).is(200).list());
    assert_eq!(of_one.len(), 56);
    assert_eq!(pages(&ann, &format!("/api/v1/event_logs?trigger_id={one}&status=all&limit=20")).concat(), of_one);
    assert_eq!(
        pages(&ann, &format!("/api/v1/event_logs?trigger_id={one}&since=2020-01-01T00:00:00Z&limit=20")).concat(),
        of_one
    );
    assert_eq!(newest_first(pages(&ann, "/logs/active?limit=50").concat()), newest_first(all));
}

#[test]
fn pages_do_not_shift_when_something_new_comes() {
    let server = Server::start();
    let ann = server.user();
    let trigger = api_trigger(&ann, "busy");
    fire(&ann, trigger, 8);
    let all = ids(&ann.get("/api/v1/event_logs").is(200).list());
    let first = ann.get("/api/v1/event_logs?limit=4").is(200);
    fire(&ann, trigger, 8);
    let second = ann.get(&first.next_page().expect("a second page")).is(200);
    assert_eq!([ids(&first.list()), ids(&second.list())].concat(), all);
}

#[test]
fn a_list_has_a_thousand_items_unasked_and_two_hundred_asked() {
    let server = Server::start();
    let ann = server.user();
    fire(&ann, api_trigger(&ann, "often"), 1016);
    let newest = ann.get("/api/v1/event_logs").is(200);
    assert_eq!(newest.list().len(), 1000);
    let all = pages(&ann, "/api/v1/event_logs?limit=200").concat();
    assert_eq!(all.len(), 1016);
    assert_eq!(ids(&newest.list()), all[..1000], "newest first");
    let flat = ids(&ann.get("/logs/active").is(200).list());
    let mut expected = all[..1000].to_vec();
    expected.sort_unstable();
    assert_eq!(flat, expected, "the newest, in ascending id");
    for list in ["/api/v1/event_logs", "/logs/active"] {
        let asked = ann.get(&format!("{list}?limit=500"));
        assert!(asked.status == 422 || asked.list().len() == 200, "{list}: {} items", asked.list().len());
        assert_eq!(
            newest_first(pages(&ann, &format!("{list}?limit=200")).concat()),
            newest_first(all.clone()),
            "{list}"
        );
    }
}

#[test]
fn a_limit_or_cursor_that_is_none_is_refused() {
    let server = Server::start();
    let ann = server.user();
    for list in ["/api/v1/triggers", "/api/v1/event_logs"] {
        for limit in ["0", "-1", "many", "1.5"] {
            ann.get(&format!("{list}?limit={limit}")).blames("limit");
        }
        for cursor in ["nonsense", "%00", "AAAA"] {
            ann.get(&format!("{list}?limit=5&cursor={cursor}")).blames("cursor");
        }
    }
    for list in ["/triggers", "/logs/active", "/logs/archived"] {
        for query in ["limit=0", "limit=many", "limit=5&cursor=nonsense"] {
            let refused = ann.get(&format!("{list}?{query}"));
            assert!(matches!(refused.status, 400 | 422), "{list}?{query}: {}", refused.status);
            assert!(!refused.json()["detail"].is_null());
        }
    }
}
