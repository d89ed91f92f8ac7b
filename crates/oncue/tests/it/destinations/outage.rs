//! Destinations while the database is away: nothing is half said, and everything is there again with it.

use oncue_throwaway::{Cluster, Stop};
use serde_json::json;

use super::{DESTINATIONS, at, make};
use crate::support::server::Setup;
use crate::support::wait::until;

#[test]
fn while_the_database_is_away_every_call_is_put_off() {
    let cluster = Cluster::start().expect("a server");
    let server = Setup::node(&cluster.url("postgres")).serve();
    let ann = server.user();
    let body = json!({"name": "Try", "kind": "inbox"});
    let made = make(&ann, &body);
    let shown = ann.get(&at(&made)).is(200).json();
    cluster.stop(Stop::Fast).expect("it stops");
    let secret = format!("{}/secrets/{}", at(&made), shown["secrets"][0]["id"].as_str().expect("an id"));
    for answer in [
        ann.post(DESTINATIONS, &body),
        ann.get(DESTINATIONS),
        ann.get(&at(&made)),
        ann.put(&at(&made), &body),
        ann.patch(&at(&made), &body),
        ann.delete(&at(&made)),
        ann.post_nothing(&format!("{}/pause", at(&made))),
        ann.post_nothing(&format!("{}/resume", at(&made))),
        ann.post_nothing(&format!("{}/rotate", at(&made))),
        ann.delete(&secret),
        ann.get("/api/v1/deliveries?state=failed"),
    ] {
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
        answer.problem(503);
    }
    cluster.start_again().expect("it starts again");
    until("it is ready again", || Some(()).filter(|()| server.nobody().get("/readyz").status == 200));
    let again = until("it can be asked", || Some(ann.get(&at(&made))).filter(|answer| answer.status != 503));
    assert_eq!(again.is(200).json(), shown);
}
