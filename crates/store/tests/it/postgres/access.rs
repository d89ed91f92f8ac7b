//! Accounts that several nodes ask for at the same moment.

use std::sync::Arc;

use oncue_domain::access::{API_KEYS_MAX, Registration};
use oncue_domain::store::{Error, NewApiKey, NewUser, Registered, Store};
use oncue_store::postgres::Postgres;
use tokio::task::JoinSet;

use crate::bench::t;
use crate::database::Database;

/// Does something so many times at once, by turns on two nodes.
async fn at_once<F: Future<Output: Send + 'static> + Send + 'static>(
    times: usize,
    act: impl Fn(Arc<Postgres>, usize) -> F,
) -> (Database, Vec<F::Output>) {
    let database = Database::new();
    let nodes = [Arc::new(database.node("a", true).await), Arc::new(database.node("b", true).await)];
    let mut acts = JoinSet::new();
    for number in 0..times {
        acts.spawn(act(Arc::clone(&nodes[number % 2]), number));
    }
    let outcomes = acts.join_all().await;
    (database, outcomes)
}

async fn register(node: &Postgres, email: String, rule: Registration) -> Registered {
    let user = NewUser { email, password_hash: "hash".to_owned() };
    node.register(user, rule, t(0)).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_would_be_the_first_user_one_is() {
    let (database, outcomes) = at_once(16, |node, number| async move {
        register(&node, format!("user{number}@example.com"), Registration::First).await
    })
    .await;
    let done = outcomes.iter().filter(|outcome| matches!(outcome, Registered::Done(user) if user.is_operator)).count();
    let closed = outcomes.iter().filter(|outcome| **outcome == Registered::Closed).count();
    assert_eq!((done, closed), (1, 15));
    assert_eq!(database.sql("SELECT count(*) FROM users"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_register_one_is_the_operator() {
    let (_database, outcomes) = at_once(16, |node, number| async move {
        register(&node, format!("user{number}@example.com"), Registration::Open).await
    })
    .await;
    let operators = |outcome: &Registered| matches!(outcome, Registered::Done(user) if user.is_operator);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Registered::Done(_))), "{outcomes:?}");
    assert_eq!(outcomes.into_iter().filter(operators).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_given_to_one_of_many_whatever_the_case_of_its_letters() {
    let (_database, outcomes) = at_once(16, |node, number| async move {
        let email = if number % 4 < 2 { "anna@example.com" } else { "Anna@Example.com" };
        register(&node, email.to_owned(), Registration::Open).await
    })
    .await;
    let taken = outcomes.iter().filter(|outcome| **outcome == Registered::EmailTaken).count();
    assert_eq!((taken, outcomes.len()), (15, 16), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_have_one_built_in_user() {
    let (database, users) =
        at_once(16, |node, _| async move { node.local_user(t(0)).await.expect("the built-in user") }).await;
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    assert_eq!(database.sql("SELECT count(*) FROM users"), "1");
}

/// Asks until there is an answer: on a busy machine so many do not all get a connection before they are put off.
async fn heard<T, A: Future<Output = Result<T, Error>>>(ask: impl Fn() -> A) -> T {
    loop {
        match ask().await {
            Err(Error::Unavailable(_)) => {}
            outcome => return outcome.expect("an answer"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_more_keys_by_asking_many_nodes() {
    let (_database, made) = at_once(API_KEYS_MAX + 20, |node, number| async move {
        let owner = heard(|| node.local_user(t(0))).await.id;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        let key = || {
            let (name, prefix) = ("ci".to_owned(), "oncue_ab".to_owned());
            NewApiKey { owner, name, prefix, hash, scopes: Vec::new(), expires_at: None }
        };
        heard(|| node.create_api_key(key(), t(0))).await.is_some()
    })
    .await;
    assert_eq!(made.into_iter().filter(|made| *made).count(), API_KEYS_MAX);
}
