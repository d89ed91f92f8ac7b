//! Whether oncue keeps time, where PostgreSQL keeps it from doing so: what is due stays locked, the server hangs.

use std::thread;

use oncue_throwaway::Cluster;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::receiver::Receiver;
use crate::support::server::Setup;
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

/// Keeps everybody from carrying out what is armed now, until there is a table of that name. It is looked for in a statement of its own:
/// an expression alone would go on seeing what it saw first.
const HOLD: &str = "DO $$ BEGIN
                        PERFORM 1 FROM cursors FOR UPDATE;
                        WHILE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'let_go') LOOP
                            PERFORM pg_sleep(0.05);
                        END LOOP;
                    END $$";

/// Lets go of what is held, also where a test ends before its time: it would wait for it for ever.
struct Hold<'a>(&'a Database);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.sql("CREATE TABLE let_go ()");
    }
}

/// Whether a transaction holds all that is armed.
const IS_HELD: &str =
    "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'cursors'::regclass AND mode = 'RowShareLock' AND granted";

#[track_caller]
fn told(nobody: &Client, status: u16) -> Value {
    until(&format!("/healthz/schedule says {status}"), || {
        let answer = nobody.get("/healthz/schedule");
        (answer.status == status).then(|| answer.json())
    })
}

#[test]
fn what_is_due_and_cannot_be_carried_out_makes_it_late_until_it_is() {
    let database = Database::fresh();
    let watchdog = Receiver::start();
    let server = Setup::node(&database.url())
        .option("--heartbeat-url", &watchdog.url())
        .option("--heartbeat-every", "1s")
        .serve();
    let (ann, nobody) = (server.user(), server.nobody());
    let due = in_ms(3000);
    let body = json!({"type": "scheduled", "schedule_details": {"run_at": due}});
    let id = ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone();
    assert_eq!(nobody.get("/healthz/schedule").is(200).json()["status"], "on time");
    watchdog.wait_for(1);
    thread::scope(|scope| {
        let _hold = Hold(&database);
        scope.spawn(|| database.sql(HOLD));
        until("it is held", || (database.sql(IS_HELD) == "t").then_some(()));
        let late = told(&nobody, 503);
        assert_eq!(late["status"], "late", "{late}");
        let trouble = &late["troubles"][0];
        assert_eq!((&trouble["trouble"], &trouble["triggers"]), (&json!("late"), &json!(1)), "{late}");
        assert_eq!(trouble["since"], json!(due), "{late}");
        assert!(trouble["seconds"].as_f64().is_some_and(|seconds| seconds >= 10.0), "{late}");
        nobody.get("/healthz").is(200);
        nobody.get("/readyz").is(200);
        until("the heartbeat is withheld", || server.log().contains("the heartbeat is withheld").then_some(()));
        let metrics = nobody.get("/metrics").is(200).text;
        assert!(metrics.contains("oncue_schedule_on_time 0"), "{metrics}");
        assert!(metrics.contains("oncue_heartbeats_total{outcome=\"withheld\"}"), "{metrics}");
    });
    assert_eq!(told(&nobody, 200)["troubles"], json!([]));
    let fired =
        until("it fires after all", || ann.get(&format!("/api/v1/event_logs?trigger_id={id}")).is(200).list().pop());
    assert!(instant(&fired["created_at"]) > instant(&json!(due)));
    let before = watchdog.received().len();
    watchdog.wait_for(before + 1);
}

#[test]
fn a_database_that_hangs_makes_it_late_and_the_answer_does_not_hang_with_it() {
    let cluster = Cluster::start().expect("a server");
    let server = Setup::node(&cluster.url("postgres")).serve();
    let nobody = server.nobody();
    told(&nobody, 200);
    cluster.freeze().expect("it hangs");
    let late = told(&nobody, 503);
    assert_eq!(late["troubles"][0]["trouble"], "unanswered", "{late}");
    assert!(!late.to_string().contains("127.0.0.1"), "whoever asks may be anybody: {late}");
    cluster.thaw().expect("it goes on");
    told(&nobody, 200);
}
