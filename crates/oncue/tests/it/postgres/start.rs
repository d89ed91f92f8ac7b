//! How a server comes up on PostgreSQL, or says why it does not; and what it knows about its database from then on.

use oncue_throwaway::{Cluster, Durability};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::{PASSWORD, Setup};
use crate::support::wait::until;

#[test]
fn five_servers_that_start_at_once_on_an_empty_database_all_come_up_and_are_one() {
    let database = Database::fresh();
    let setups: Vec<Setup> = (0..5).map(|_| Setup::node(&database.url())).collect();
    let mut processes: Vec<_> = setups.iter().map(Setup::launch).collect();
    let bases: Vec<String> = processes
        .iter_mut()
        .map(|process| process.ready().unwrap_or_else(|| panic!("it did not start: {}", process.log())))
        .collect();
    let nobody = Client::new(&bases[0]);
    let account = json!({"email": "ann@example.com", "password": PASSWORD});
    let token = nobody.post("/auth/register", &account).is(200).json();
    let ann = nobody.bearer(token["access_token"].as_str().expect("a token"));
    let id = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    for (n, base) in bases.iter().enumerate() {
        ann.at(base).post(&format!("/api/v1/triggers/{id}/fire"), &json!({"n": n})).is(200);
    }
    for base in &bases {
        let page = format!("/api/v1/event_logs?trigger_id={id}");
        let mut fired: Vec<Value> = until("every node shows them all", || {
            Some(ann.at(base).get(&page).is(200).list()).filter(|events| events.len() == 5)
        })
        .iter()
        .map(|event| event["payload"]["n"].clone())
        .collect();
        fired.sort_by_key(Value::as_i64);
        assert_eq!(fired, [json!(0), json!(1), json!(2), json!(3), json!(4)]);
    }
}

#[test]
fn without_a_key_for_the_login_tokens_it_does_not_start_and_says_how_to_make_one() {
    let database = Database::fresh();
    for setup in
        [Setup::new().option("--database-url", &database.url()), Setup::new().variable("DATABASE_URL", &database.url())]
    {
        let said = setup.refused();
        assert!(said.contains("--jwt-secret") && said.contains("JWT_SECRET") && said.contains("openssl"), "{said}");
    }
    assert!(database.is_empty(), "and nothing was made in it");
}

#[test]
fn a_database_that_does_not_let_it_in_is_named_without_the_password() {
    let cluster = oncue_throwaway::Setup::new(Durability::Quick).password("correct-horse").start().expect("a server");
    let address = format!("127.0.0.1:{}", cluster.port());
    for (url, why) in [
        (format!("postgres://postgres:wrong-horse@{address}/postgres"), "password authentication failed"),
        (format!("postgres://postgres:correct-horse@{address}/nowhere"), "\"nowhere\" does not exist"),
        (format!("postgres://nobody:wrong-horse@{address}/postgres"), "password authentication failed"),
    ] {
        let setup = Setup::node(&url);
        let said = setup.refused();
        assert!(said.contains(why) && said.contains(&address) && !said.contains("horse"), "{said}");
        let (status, said) = setup.run(&["user", "list", "--database-url", &url], "");
        assert!(!status.success() && said.contains(why) && !said.contains("horse"), "{said}");
    }
}

#[test]
fn the_databases_own_port_is_never_a_destination() {
    let cluster = Cluster::shared().expect("a server");
    let database = Database::fresh();
    let port = cluster.port();
    let folder = cluster.socket_folder().display();
    let name = database.url().rsplit_once('/').expect("a database in the address").1.to_owned();
    let through_the_socket = format!("postgres:///{name}?host={folder}&port={port}&user=postgres");
    for (n, url) in
        [database.url(), database.url().replace("127.0.0.1", "localhost"), through_the_socket].iter().enumerate()
    {
        let server = Setup::node(url).flag("--allow-private-destinations").serve();
        let ann = server.register(&format!("ann{n}@example.com"));
        for host in ["127.0.0.1", "127.0.0.2", "[::1]", "localhost", "[::ffff:7f00:1]"] {
            let body = json!({"type": "api", "webhook_url": format!("http://{host}:{port}/")});
            ann.post("/api/v1/triggers", &body).blames("webhook_url");
        }
        let beside = json!({"type": "api", "webhook_url": format!("http://127.0.0.1:{}/", port - 1)});
        ann.post("/api/v1/triggers", &beside).is(201);
    }
}
