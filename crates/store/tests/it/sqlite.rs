//! What is SQLite's alone: one server for one file, visitors beside it, migrations, and jobs that are committed together.

use std::sync::{Arc, Mutex};

use oncue_domain::access::{Registration, Session};
use oncue_domain::audit::Defect;
use oncue_domain::destination::Wanted;
use oncue_domain::id::UserId;
use oncue_domain::overlap::{Before, Overlap};
use oncue_domain::plan::plan_behind;
use oncue_domain::store::{Change, Deleted, Edited, Error, NewTrigger, NewUser, Planned, Store};
use oncue_domain::trigger::Definition;
use oncue_store::sqlite::{self, Place, Role, Sqlite};
use rusqlite::Connection;

use crate::bench::{Bench, Kind, answered, api, every, given_up, settings, t, webhook};
use crate::conformance::backlog::with_backlog;

async fn bench() -> Bench {
    Bench::new(Kind::SqliteFile, true).await
}

fn open(bench: &Bench, role: Role) -> Result<Sqlite, String> {
    Sqlite::open(&Place::File(bench.path()), role, settings(true))
}

/// Why the database is not opened.
fn refusal(place: &Place, role: Role) -> String {
    match Sqlite::open(place, role, settings(true)) {
        Ok(_) => panic!("{place:?} must not be opened as {role:?}"),
        Err(words) => words,
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused_with_words() {
    let bench = bench().await;
    let place = Place::File(bench.path());
    let words = refusal(&place, Role::Server);
    assert!(words.contains("Another oncue serves the database") && words.contains("oncue.db"), "{words}");
    assert!(words.contains("--database-url"), "it says what to do: {words}");
    assert_eq!(bench.store.check().await, Ok(()), "the first one does not mind");
    // A server that has gone leaves the way free.
    let bench = bench.reopen().await;
    assert_eq!(bench.store.check().await, Ok(()));
}

#[tokio::test]
async fn a_visitor_writes_beside_the_server() {
    let bench = bench().await;
    let user = bench.user("a").await;
    let session = Session { id: "one".to_owned(), user, created_at: t(0), expires_at: t(100), agent: String::new() };
    bench.store.open_session(session).await.expect("a session");
    let visitor = open(&bench, Role::Visitor).expect("a visitor may enter");
    assert_eq!(visitor.users().await.expect("a list").len(), 1);
    assert!(visitor.set_password(user, "new hash").await.expect("a visitor may write"));
    drop(visitor);
    let (_, hash) = bench.store.user_by_email("a@example.com").await.expect("a look-up").expect("a is there");
    assert_eq!(hash, "new hash");
    assert_eq!(bench.store.session_user("one", t(1)).await.expect("a look-up"), None);
    bench.user("b").await;
}

#[tokio::test]
async fn a_visitor_takes_no_delivery_from_the_server() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let id = bench.trigger(owner, api("api")).await.id;
    bench.fire(owner, id, None, t(0)).await;
    let [claim] = bench.claim_all(t(0)).await.try_into().expect("one claim");
    let visitor = open(&bench, Role::Visitor).expect("a visitor may enter");
    assert_eq!(visitor.claim_deliveries(t(1), 10).await.expect("claims").len(), 0);
    bench.store.settle(vec![answered(&claim, 200, t(1))]).await.expect("a settlement");
    assert_eq!(visitor.owed_counts().await.expect("an answer").owed, 0);
}

#[tokio::test]
async fn a_visitor_makes_no_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("none.db");
    let words = refusal(&Place::File(path.clone()), Role::Visitor);
    assert!(words.contains("none.db"), "{words}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let bench = bench().await;
    change(&bench, "INSERT INTO migrations VALUES (999, 'later', 'x')");
    assert_eq!(bench.store.check().await, Ok(()), "whoever has it open goes on");
    for role in [Role::Visitor, Role::Server] {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy.db");
        copy_to(&bench.path(), &copy);
        let words = refusal(&Place::File(copy.clone()), role);
        assert!(words.contains("migration 999") && words.contains("newer oncue"), "{words}");
    }
}

#[tokio::test]
async fn a_database_that_took_another_road_is_refused() {
    let bench = bench().await;
    change(&bench, "UPDATE migrations SET checksum = 'other' WHERE version = 1");
    let words = refusal(&Place::File(bench.path()), Role::Visitor);
    assert!(words.contains("migration 1") && words.contains("not the one of this oncue"), "{words}");
}

pub(crate) fn change(bench: &Bench, sql: &str) {
    let connection = Connection::open(bench.path()).expect("the same file");
    connection.execute_batch(sql).expect("SQL");
}

/// A whole copy, as an operator's backup would be.
fn copy_to(from: &std::path::Path, to: &std::path::Path) {
    let connection = Connection::open(from).expect("the same file");
    connection.execute("VACUUM INTO ?", [to.to_str().expect("a path in UTF-8")]).expect("a copy");
}

#[tokio::test]
async fn what_is_no_database_is_refused_with_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("letter.db");
    std::fs::write(&path, "Dear operator, this is a letter and not a database. ".repeat(100)).expect("a file");
    let words = refusal(&Place::File(path.clone()), Role::Server);
    assert!(words.contains("letter.db") && words.contains("cannot be used"), "{words}");
    let left = std::fs::read_to_string(path).expect("the file");
    assert!(left.starts_with("Dear operator"), "and nobody wrote into it");
    let words = refusal(&Place::File(folder.path().join("no/such/folder/oncue.db")), Role::Server);
    assert!(words.contains("folder"), "{words}");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let (called, timed) = (bench.trigger(owner, api("api")).await, bench.trigger(owner, every("1m")).await);
    bench.fire(owner, called.id, Some("[1]"), t(1)).await;
    let planned = bench.planned(owner, timed.id, t(60)).await;
    bench.store.commit_plans(vec![planned], t(60)).await.expect("a commit");
    let (events, triggers) = (bench.events(owner).await, bench.store.triggers(owner, None, 10).await);
    let bench = bench.reopen().await;
    assert_eq!(bench.events(owner).await, events);
    assert_eq!(events.len(), 2);
    assert_eq!(bench.store.triggers(owner, None, 10).await, triggers);
    // Ids go on where they were.
    assert!(bench.fire(owner, called.id, None, t(61)).await > events[1].id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_that_fails_does_not_take_the_others_of_its_batch_with_it() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let id = bench.trigger(owner, api("api")).await.id;
    let session =
        Session { id: "taken".to_owned(), user: owner, created_at: t(0), expires_at: t(100), agent: String::new() };
    bench.store.open_session(session.clone()).await.expect("a session");
    // Far more jobs than one transaction takes while the disk is busy, so that most of them share one.
    let mut jobs = Vec::new();
    for i in 0..200 {
        let (store, session) = (bench.store.clone(), session.clone());
        let call = bench.call(oncue_domain::event::Origin::Api, Some(&i.to_string()));
        jobs.push(tokio::spawn(async move {
            if i % 10 == 0 {
                let failed = store.open_session(session).await;
                assert!(matches!(failed, Err(Error::Broken(_))), "{failed:?}");
            } else {
                store.fire(owner, id, call, t(1)).await.expect("a call that may be made");
            }
        }));
    }
    for job in jobs {
        job.await.expect("no panic");
    }
    let events = bench.events(owner).await;
    assert_eq!(events.len(), 180, "every call has its event, and none has two");
    assert_eq!(bench.claim_all(t(1)).await.len(), 180);
    let counts = bench.store.hour_counts(owner, Some(id), t(0), t(3600)).await.expect("counts");
    assert_eq!(counts[0].fired, 180, "what was rolled back is not counted");
}

#[tokio::test]
async fn what_has_expired_leaves_no_row_behind() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let session =
        Session { id: "one".to_owned(), user: owner, created_at: t(0), expires_at: t(100), agent: String::new() };
    bench.store.open_session(session).await.expect("a session");
    let timed = bench.trigger(owner, every("1m")).await;
    let planned = bench.planned(owner, timed.id, t(60)).await;
    bench.store.commit_plans(vec![planned], t(60)).await.expect("a commit");
    let armed = bench.get(owner, timed.id).await;
    let edit = armed.trigger.edit(every("2m"), armed.next_at, t(130));
    bench.store.edit_trigger(edit, armed.next_at, t(130)).await.expect("an edit");
    let called = bench.trigger(owner, api("api")).await.id;
    bench.fire(owner, called, None, t(130)).await;
    bench
        .store
        .fire_unkept(owner, api("tried").into(), bench.message(), t(130))
        .await
        .expect("an answer")
        .expect("a trial");
    bench.store.delete_trigger(owner, called, t(131)).await.expect("a deletion");
    let claims = bench.claim_all(t(300)).await;
    let settlements =
        vec![answered(&claims[0], 200, t(301)), answered(&claims[1], 500, t(301)), given_up(&claims[2], t(301))];
    bench.store.settle(settlements).await.expect("a settlement");
    let deleted = "former_triggers WHERE deleted_by IS NOT NULL";
    let tables = ["events", "attempts", "outbox", "revisions", "skipped", "sessions", "failures", deleted, "receipts"];
    let own_counts = format!("counts WHERE trigger_id = {called}");
    assert!(rows(&bench, &own_counts) > 0);
    assert!(tables.iter().all(|table| rows(&bench, table) > 0), "there is something to remove everywhere");
    while !bench.store.expire(t(1000), t(1000), 1).await.expect("an answer").is_done {}
    // One slice takes so many rows of each sort; those that are left go with the next ones.
    for _ in 0..5 {
        bench.store.expire(t(1000), t(1000), 1).await.expect("an answer");
    }
    for table in tables {
        assert_eq!(rows(&bench, table), 0, "{table}");
    }
    assert_eq!((rows(&bench, &own_counts), rows(&bench, "uncounted")), (0, 0), "a deleted trigger is counted no more");
    assert!(rows(&bench, "triggers") == 1 && rows(&bench, "counts") > 0 && rows(&bench, "firings") == 1);
}

#[tokio::test]
async fn a_deleted_trigger_leaves_no_row_of_its_own_behind() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let id = bench.trigger(owner, api("api")).await.id;
    bench.fire(owner, id, None, t(1)).await;
    bench.fire(owner, id, None, t(4000)).await;
    bench.store.expire(t(1), t(5000), 10).await.expect("an answer");
    let own = |table: &str| rows(&bench, &format!("{table} WHERE trigger_id = {id}"));
    assert_eq!((own("counts"), own("firings")), (2, 1));
    bench.store.delete_trigger(owner, id, t(5000)).await.expect("a deletion");
    assert_eq!((own("firings"), own("counts")), (0, 2), "it can be asked about");
    bench.settle_all(t(5001), |claim, now| answered(claim, 200, now)).await;
    // One hour of its counts goes in a slice of one.
    while !bench.store.expire(t(5000), t(6000), 1).await.expect("an answer").is_done {}
    assert_eq!((own("counts"), own("uncounted"), own("revisions")), (0, 0, 0));
    assert_eq!(rows(&bench, "former_triggers"), 0);
    assert_eq!(rows(&bench, "counts"), 2, "the totals stay");
}

fn rows(bench: &Bench, table: &str) -> i64 {
    let connection = Connection::open(bench.path()).expect("the same file");
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a number")
}

#[tokio::test]
async fn two_databases_in_memory_are_two() {
    let (one, two) = (Bench::new(Kind::SqliteMemory, true).await, Bench::new(Kind::SqliteMemory, true).await);
    one.user("a").await;
    assert_eq!(two.store.users().await.expect("a list"), []);
}

#[tokio::test]
async fn what_cannot_be_read_does_not_hold_up_the_others() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let broken = bench.trigger(owner, every("1m")).await;
    let sound = bench.trigger(owner, every("1m")).await;
    let text = "{\"cron\":{\"expression\":\"no cron line\",\"zone\":\"UTC\"}}";
    change(&bench, &format!("UPDATE triggers SET schedule = '{text}' WHERE id = {}", broken.id));
    let due = bench.store.due(t(60), 10).await.expect("a list");
    assert_eq!(due.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [sound.id]);
    let behind = bench.store.due(t(60), 1).await.expect("a list");
    assert_eq!(
        behind.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(),
        [sound.id],
        "however few are asked for"
    );
    let answer = bench.store.trigger(owner, broken.id).await;
    assert!(
        matches!(&answer, Err(Error::Unreadable(problem)) if problem.field == Some("schedule_details")),
        "{answer:?}"
    );
    let listed = bench.store.triggers(owner, None, 10).await.expect("a list");
    assert_eq!(listed.iter().map(|armed| armed.trigger.id).collect::<Vec<_>>(), [sound.id]);
    for heads in [bench.store.trigger_heads(owner, 10).await, bench.store.soonest(owner, 10).await] {
        assert_eq!(heads.expect("heads").iter().map(|head| head.id).collect::<Vec<_>>(), [sound.id]);
    }
    let remains = bench.store.remains(owner, broken.id).await.expect("an answer").expect("it is there");
    let left = &remains.armed;
    assert_eq!((left.trigger.revision, left.trigger.definition.schedule.is_some()), (1, true));
    let edit = remains.edit(every("2m"), t(30));
    assert_eq!(bench.store.edit_trigger(edit, left.next_at, t(30)).await, Ok(Edited::Done));
    let replaced = bench.get(owner, broken.id).await;
    assert_eq!((replaced.trigger.revision, replaced.next_at), (2, replaced.trigger.definition.next_after(t(30))));
    let kept = bench.store.revisions(owner, broken.id, None, 10).await.expect("revisions");
    assert_eq!(
        kept.iter().map(|one| one.trigger.revision).collect::<Vec<_>>(),
        [2],
        "what nobody can read is left out"
    );
    assert_eq!(bench.store.skipped(owner, broken.id, 10).await.expect("records"), []);
}

#[tokio::test]
async fn owners_of_whose_backlogs_nothing_can_be_read_hide_nobody_else_s() {
    let bench = bench().await;
    let (lost, sound) = (bench.user("a").await, bench.user("b").await);
    let broken = with_backlog(&bench, lost, 5, false, t(1000)).await;
    with_backlog(&bench, sound, 5, false, t(1000)).await;
    change(&bench, &format!("UPDATE triggers SET schedule = 'x' WHERE id = {}", broken.id));
    let first = bench.store.backlog_turns(None, 1, 10).await.expect("turns");
    assert_eq!((first.backlogs.len(), first.until), (0, Some(lost)), "whoever takes turns goes on behind them");
    let next = bench.store.backlog_turns(first.until, 1, 10).await.expect("turns");
    assert_eq!((next.backlogs.len(), next.until), (1, Some(sound)));
}

#[tokio::test]
async fn a_destination_that_cannot_be_read_says_so_keeps_its_head_and_can_be_deleted() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let (broken, sound) = (bench.destination(owner, "broken").await.id, bench.destination(owner, "sound").await.id);
    let newer = "{\"name\": \"broken\", \"kind\": \"telepathy\"}";
    for text in [newer, "\"", ""] {
        change(&bench, &format!("UPDATE destinations SET definition = '{text}' WHERE id = {}", broken.0));
        let answer = bench.store.destination(owner, broken).await;
        assert!(matches!(&answer, Err(Error::Broken(_))), "{text}: {answer:?}");
        let answer = bench.store.destinations_to_send_to(vec![broken]).await;
        assert!(matches!(&answer, Err(Error::Broken(_))), "{text}: {answer:?}");
        assert_eq!(bench.store.destinations_to_send_to(vec![sound]).await.expect("an answer").len(), 1);
        let heads = bench.store.destination_heads(owner, Wanted::All).await.expect("heads");
        assert_eq!(heads.iter().map(|head| head.name.as_str()).collect::<Vec<_>>(), ["broken", "sound"]);
    }
    assert_eq!(bench.store.delete_destination(owner, broken, t(1)).await.expect("an answer"), Deleted::Done);
    assert_eq!(bench.store.destinations(owner, None, 10).await.expect("a list").len(), 1);
}

#[tokio::test]
async fn a_full_rewrite_of_the_file_by_the_operator_keeps_everything() {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let new = NewTrigger { owner, definition: every("1m"), next_at: Some(t(60)), test_event: None };
    bench.make(new, t(0)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    copy_to(&bench.path(), &copy);
    let restored = Sqlite::open(&Place::File(copy), Role::Server, settings(true)).expect("a copy is a database");
    assert_eq!(restored.triggers(owner, None, 10).await, bench.store.triggers(owner, None, 10).await);
    let new = NewUser { email: "b@example.com".to_owned(), password_hash: "hash".to_owned() };
    restored.register(new, Registration::Open, t(1)).await.expect("a copy can be written");
    assert_eq!(bench.store.users().await.expect("a list").len(), 1, "a copy is another database");
}

#[tokio::test]
async fn steps_are_shown_beside_a_server_and_taken_only_without_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new.db");
    let shown = sqlite::steps(&path).expect("steps");
    assert!(shown.len() >= 3 && shown.iter().all(|step| !step.is_taken), "{shown:?}");
    assert!(!path.exists(), "showing makes nothing");
    assert_eq!(sqlite::migrate(&path).expect("a new database").len(), shown.len());
    assert_eq!(sqlite::migrate(&path).expect("the same"), []);
    let server = Sqlite::open(&Place::File(path.clone()), Role::Server, settings(true)).expect("a server");
    assert!(sqlite::steps(&path).expect("steps").iter().all(|step| step.is_taken));
    assert!(sqlite::migrate(&path).expect_err("it is served").contains("Another oncue serves"));
    drop(server);
}

#[tokio::test]
async fn an_edited_step_is_refused_and_left_alone() {
    let bench = bench().await;
    change(&bench, "UPDATE migrations SET checksum = 'x' WHERE version = 2");
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    copy_to(&bench.path(), &copy);
    for words in [sqlite::steps(&copy).map(drop), sqlite::migrate(&copy).map(drop)] {
        assert!(words.expect_err("it took another road").contains("migration 2 (counts) is not the one"));
    }
}

/// A trigger that waits for an event of its own, of which nothing says any more that it is under way.
async fn forgotten() -> (Bench, UserId) {
    let bench = bench().await;
    let owner = bench.user("a").await;
    let slow = Definition { overlap: Overlap::Queue, webhook: Some(webhook("https://example.com/")), ..every("1m") };
    let id = bench.trigger(owner, slow).await.id;
    bench.fire_due(owner, id, t(60)).await;
    let armed = bench.get(owner, id).await;
    let plan = plan_behind(&armed, t(120), &[], Before::UnderWay).expect("it waits for something");
    let planned =
        Planned { trigger: Arc::new(armed.trigger), armed: t(120), plan, message_ids: Vec::new(), edition: 0 };
    bench.store.commit_plans(vec![planned], t(120)).await.expect("a commit");
    change(&bench, "DELETE FROM outbox");
    assert!(bench.store.due(t(200), 10).await.expect("an answer").is_empty());
    (bench, owner)
}

#[tokio::test]
async fn who_waits_for_nothing_is_called_up_by_whoever_begins_and_whenever_events_go() {
    let (bench, _) = forgotten().await;
    bench.store.begin_presence(t(200)).await.expect("an answer");
    assert_eq!(bench.store.due(t(200), 10).await.expect("an answer").len(), 1);
    let (bench, owner) = forgotten().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    bench.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
    bench.store.expire(t(-1), t(210), 10).await.expect("an answer");
    let due = bench.store.due(t(210), 10).await.expect("an answer");
    assert_eq!(due.len(), 1);
    assert!(heard.lock().expect("no panic").contains(&Change::Armed), "the scheduler hears of it");
    let before = bench.store.events_before(vec![(owner, due[0].trigger.id)]).await;
    assert_eq!(before, Ok(vec![Before::OverSince(t(210))]));
}

#[tokio::test]
async fn who_waits_for_nothing_is_a_finding_and_a_repair_calls_it_up_once() {
    let (bench, owner) = forgotten().await;
    let inspected = bench.store.inspect(None, 10).await.expect("a slice").triggers.remove(0);
    assert!(inspected.is_forgotten);
    let found = inspected.finding(Some(t(60)), t(-1), t(200)).expect("nobody would look at it again");
    assert_eq!(found.defect, Defect::Forgotten);
    let repair = found.repair.expect("it can be mended");
    assert_eq!(bench.store.rearm(repair).await, Ok(true));
    let id = inspected.trigger.id;
    assert_eq!(bench.store.events_before(vec![(owner, id)]).await, Ok(vec![Before::OverSince(t(200))]));
    assert_eq!(bench.store.due(t(200), 10).await.expect("an answer").len(), 1);
    assert_eq!(bench.store.rearm(repair).await, Ok(false), "it waits for nothing any more");
}
