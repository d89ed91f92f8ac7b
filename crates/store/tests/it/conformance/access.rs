//! Users, sessions and API keys.

use oncue_domain::access::{API_KEYS_MAX, KeyHash, Preferences, Registration, Scope, Session, User};
use oncue_domain::id::UserId;
use oncue_domain::store::{NewApiKey, NewUser, Registered};

use crate::bench::{Bench, everywhere, t};

fn new_user(email: &str) -> NewUser {
    NewUser { email: email.to_owned(), password_hash: format!("hash of {email}") }
}

async fn register(bench: &Bench, email: &str, rule: Registration) -> Registered {
    bench.store.register(new_user(email), rule, t(1)).await.expect("a store that answers")
}

fn session(id: &str, user: UserId) -> Session {
    Session { id: id.to_owned(), user, created_at: t(0), expires_at: t(100), agent: String::new() }
}

async fn open(bench: &Bench, id: &str, user: UserId) {
    bench.store.open_session(session(id, user)).await.expect("a session of a fresh id");
}

async fn whose(bench: &Bench, id: &str, seconds: i64) -> Option<UserId> {
    bench.store.session_user(id, t(seconds)).await.expect("a store that answers").map(|user| user.id)
}

fn key(owner: UserId, hash: KeyHash) -> NewApiKey {
    let (name, prefix) = ("ci".to_owned(), "oncue_ab".to_owned());
    NewApiKey { owner, name, prefix, hash, scopes: vec![Scope::Fire, Scope::Read], expires_at: None }
}

#[tokio::test]
async fn anybody_registers_while_it_is_open_and_the_first_is_the_operator() {
    everywhere(async |bench| {
        let Registered::Done(first) = register(&bench, " Anna@Example.com ", Registration::Open).await else {
            panic!("nobody stands against the first")
        };
        let expected = User {
            id: first.id,
            email: "Anna@Example.com".to_owned(),
            is_operator: true,
            created_at: t(1),
            disabled_at: None,
            preferences: Preferences::default(),
        };
        assert_eq!(first, expected);
        let Registered::Done(second) = register(&bench, "ben@example.com", Registration::Open).await else {
            panic!("nobody stands against the second")
        };
        assert!(!second.is_operator);
        assert!(second.id > first.id);
        assert_eq!(bench.store.users().await.expect("a list"), [first, second]);
    })
    .await;
}

#[tokio::test]
async fn an_address_is_the_same_in_any_case() {
    everywhere(async |bench| {
        let Registered::Done(user) = register(&bench, "Änna@Example.com", Registration::Open).await else {
            panic!("nobody stands against the first")
        };
        assert_eq!(register(&bench, "äNNA@eXAMPLE.com", Registration::Open).await, Registered::EmailTaken);
        let found = bench.store.user_by_email(" änna@example.COM").await.expect("a look-up");
        assert_eq!(found, Some((user, "hash of Änna@Example.com".to_owned())));
        for nobody in ["ben@example.com", "", "änna@example.com\0"] {
            assert_eq!(bench.store.user_by_email(nobody).await.expect("a look-up"), None);
        }
    })
    .await;
}

#[tokio::test]
async fn closed_means_closed_and_first_means_one() {
    everywhere(async |bench| {
        assert_eq!(register(&bench, "a@example.com", Registration::Closed).await, Registered::Closed);
        assert!(matches!(register(&bench, "a@example.com", Registration::First).await, Registered::Done(_)));
        assert_eq!(register(&bench, "b@example.com", Registration::First).await, Registered::Closed);
        // Whether the address is taken is nobody's business while nobody may register.
        assert_eq!(register(&bench, "a@example.com", Registration::First).await, Registered::Closed);
        assert_eq!(register(&bench, "a@example.com", Registration::Closed).await, Registered::Closed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_register_first_at_once_one_wins() {
    everywhere(async |bench| {
        let racers = (0..8).map(|i| {
            let store = bench.store.clone();
            let new = new_user(&format!("racer{i}@example.com"));
            tokio::spawn(async move { store.register(new, Registration::First, t(1)).await.expect("an answer") })
        });
        let mut won = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.expect("no panic") {
                Registered::Done(user) => {
                    assert!(user.is_operator);
                    won += 1;
                }
                other => assert_eq!(other, Registered::Closed),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(bench.store.users().await.expect("a list").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_take_one_address_at_once_one_gets_it() {
    everywhere(async |bench| {
        let racers = ["same@example.com", "SAME@example.com"].map(|email| {
            let store = bench.store.clone();
            tokio::spawn(
                async move { store.register(new_user(email), Registration::Open, t(1)).await.expect("an answer") },
            )
        });
        let mut outcomes = Vec::new();
        for racer in racers {
            outcomes.push(racer.await.expect("no panic"));
        }
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Registered::EmailTaken).count(), 1, "{outcomes:?}");
    })
    .await;
}

#[tokio::test]
async fn the_built_in_user_is_one_and_stands_aside() {
    everywhere(async |bench| {
        let local = bench.store.local_user(t(5)).await.expect("the built-in user");
        assert!(local.is_operator);
        assert_eq!(bench.store.local_user(t(9)).await.expect("the same"), local);
        assert_eq!(bench.store.users().await.expect("a list"), []);
        for typed in ["", " ", "local"] {
            assert_eq!(bench.store.user_by_email(typed).await.expect("a look-up"), None, "{typed:?}");
        }
        let Registered::Done(first) = register(&bench, "a@example.com", Registration::First).await else {
            panic!("the built-in user is nobody's predecessor")
        };
        assert!(first.is_operator);
        assert!(!bench.store.set_password(local.id, "hash").await.expect("an answer"));
        assert!(!bench.store.disable_user(local.id, t(6)).await.expect("an answer"));
        assert_eq!(bench.store.local_user(t(9)).await.expect("the same"), local);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_at_its_time_and_not_before() {
    everywhere(async |bench| {
        let user = bench.user("a").await;
        open(&bench, "one", user).await;
        assert_eq!(whose(&bench, "one", 99).await, Some(user));
        assert_eq!(whose(&bench, "one", 100).await, None);
        assert_eq!(whose(&bench, "two", 0).await, None);
        bench.store.end_session("two").await.expect("ending what is not there is no error");
        bench.store.end_session("one").await.expect("an end");
        assert_eq!(whose(&bench, "one", 1).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_session_id_is_given_once() {
    everywhere(async |bench| {
        let (a, b) = (bench.user("a").await, bench.user("b").await);
        open(&bench, "one", a).await;
        assert!(bench.store.open_session(session("one", b)).await.is_err());
        assert_eq!(whose(&bench, "one", 1).await, Some(a));
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_its_user_only() {
    everywhere(async |bench| {
        let (a, b) = (bench.user("a").await, bench.user("b").await);
        open(&bench, "a1", a).await;
        open(&bench, "a2", a).await;
        open(&bench, "b1", b).await;
        assert!(bench.store.set_password(a, "new hash").await.expect("an answer"));
        assert_eq!(whose(&bench, "a1", 1).await, None);
        assert_eq!(whose(&bench, "a2", 1).await, None);
        assert_eq!(whose(&bench, "b1", 1).await, Some(b));
        let (_, hash) = bench.store.user_by_email("a@example.com").await.expect("a look-up").expect("a is there");
        assert_eq!(hash, "new hash");
        assert!(!bench.store.set_password(UserId(999), "hash").await.expect("an answer"));
    })
    .await;
}

#[tokio::test]
async fn a_disabled_user_gets_in_by_no_door() {
    everywhere(async |bench| {
        let (a, b) = (bench.user("a").await, bench.user("b").await);
        open(&bench, "before", a).await;
        bench.store.create_api_key(key(a, [1; 32]), t(0)).await.expect("an answer").expect("room for a key");
        bench.store.create_api_key(key(b, [2; 32]), t(0)).await.expect("an answer").expect("room for a key");
        assert!(bench.store.disable_user(a, t(10)).await.expect("an answer"));
        open(&bench, "after", a).await;
        assert_eq!(whose(&bench, "before", 11).await, None);
        assert_eq!(whose(&bench, "after", 11).await, None);
        assert_eq!(bench.store.api_key_user(&[1; 32], t(11)).await.expect("a look-up"), None);
        assert!(bench.store.api_key_user(&[2; 32], t(11)).await.expect("a look-up").is_some());
        // Disabling again does not move the date, and who is disabled still is somebody.
        assert!(bench.store.disable_user(a, t(20)).await.expect("an answer"));
        let (user, _) = bench.store.user_by_email("a@example.com").await.expect("a look-up").expect("a is there");
        assert_eq!(user.disabled_at, Some(t(10)));
        assert!(!bench.store.disable_user(UserId(999), t(10)).await.expect("an answer"));
    })
    .await;
}

#[tokio::test]
async fn a_key_comes_back_as_it_was_made() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let new = NewApiKey { expires_at: Some(t(50)), ..key(owner, [7; 32]) };
        let made = bench.store.create_api_key(new, t(3)).await.expect("an answer").expect("room for a key");
        assert_eq!((made.owner, made.name.as_str(), made.prefix.as_str()), (owner, "ci", "oncue_ab"));
        assert_eq!(made.scopes, [Scope::Fire, Scope::Read]);
        assert_eq!((made.created_at, made.expires_at, made.last_used_at), (t(3), Some(t(50)), None));
        assert_eq!(bench.store.api_keys(owner).await.expect("a list"), std::slice::from_ref(&made));
        let (user, found) =
            bench.store.api_key_user(&[7; 32], t(49)).await.expect("a look-up").expect("it has not ended");
        assert_eq!((user.id, found), (owner, made.clone()));
        assert_eq!(bench.store.api_key_user(&[7; 32], t(50)).await.expect("a look-up"), None, "it ends at its end");
        assert_eq!(bench.store.api_key_user(&[8; 32], t(4)).await.expect("a look-up"), None);
        bench.store.touch_api_key(made.id, t(40)).await.expect("an answer");
        assert_eq!(bench.store.api_keys(owner).await.expect("a list")[0].last_used_at, Some(t(40)));
    })
    .await;
}

#[tokio::test]
async fn a_key_hash_is_kept_once() {
    everywhere(async |bench| {
        let (a, b) = (bench.user("a").await, bench.user("b").await);
        bench.store.create_api_key(key(a, [7; 32]), t(0)).await.expect("an answer").expect("room for a key");
        assert!(bench.store.create_api_key(key(b, [7; 32]), t(0)).await.is_err());
        assert_eq!(bench.store.api_keys(b).await.expect("a list"), []);
    })
    .await;
}

#[tokio::test]
async fn a_user_has_so_many_keys_and_no_more() {
    everywhere(async |bench| {
        let (a, b) = (bench.user("a").await, bench.user("b").await);
        let mut last = None;
        for i in 0..API_KEYS_MAX {
            let hash = [u8::try_from(i).expect("a small number"); 32];
            last = bench.store.create_api_key(key(a, hash), t(0)).await.expect("an answer");
            assert!(last.is_some());
        }
        assert_eq!(bench.store.create_api_key(key(a, [255; 32]), t(0)).await.expect("an answer"), None);
        assert!(bench.store.create_api_key(key(b, [254; 32]), t(0)).await.expect("an answer").is_some());
        let last = last.expect("there are some").id;
        assert!(bench.store.delete_api_key(a, last).await.expect("an answer"));
        let next = bench.store.create_api_key(key(a, [255; 32]), t(0)).await.expect("an answer").expect("room again");
        assert!(next.id > last, "no id is given twice");
        let kept = bench.store.api_keys(a).await.expect("a list");
        assert!(kept.is_sorted_by_key(|key| key.id));
        assert_eq!(kept.len(), API_KEYS_MAX);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_key_opens_nothing() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let made = bench.store.create_api_key(key(owner, [1; 32]), t(0)).await.expect("an answer").expect("room");
        assert!(bench.store.delete_api_key(owner, made.id).await.expect("an answer"));
        assert!(!bench.store.delete_api_key(owner, made.id).await.expect("an answer"));
        assert_eq!(bench.store.api_key_user(&[1; 32], t(1)).await.expect("a look-up"), None);
        bench.store.touch_api_key(made.id, t(2)).await.expect("touching what is gone is no error");
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_open_answers() {
    everywhere(async |bench| {
        assert_eq!(bench.store.check().await, Ok(()), "{:?}", bench.kind);
    })
    .await;
}
