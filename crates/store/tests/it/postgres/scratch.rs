//! Databases for a while.

use oncue_store::postgres::scratch::Server;

use crate::database::Database;

#[tokio::test]
async fn a_database_for_a_while_is_made_beside_the_others_and_goes_with_everybody_in_it() {
    let beside = Database::new();
    let server = Server::at(&beside.address()).expect("an address without files");
    let name = format!("{} \"for a while\"", beside.sql("SELECT current_database()"));
    server.make(&name).await.expect("a database");
    assert!(server.bytes(&name).await.expect("it is there") > 0);
    assert!(server.make(&name).await.expect_err("it is there already").contains("already exists"));
    server.remove(&name).await.expect("it goes");
    assert!(server.bytes(&name).await.is_err(), "it is gone");
}

#[tokio::test]
async fn what_a_server_says_about_itself_is_what_holds_for_oncue() {
    let database = Database::new();
    let server = Server::at(&database.address()).expect("an address without files");
    let said = server.settings(&["jit", "server_version"]).await.expect("two settings");
    // The session's own, whatever the server's file says.
    assert_eq!(said[0], "off");
    assert_eq!(said[1], database.sql("SHOW server_version"));
    let process = server.process().await.expect("a number").to_string();
    assert_eq!(database.sql(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {process}")), "1");
}
