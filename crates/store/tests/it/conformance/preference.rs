//! How somebody likes their pages, and where they are logged in.

use oncue_domain::access::{Preferences, Registration, Session, ShownIn, Theme};
use oncue_domain::id::UserId;
use oncue_domain::store::NewApiKey;

use crate::bench::{Bench, everywhere, t, wherever_it_lasts};

fn liked() -> Preferences {
    Preferences {
        zone: Some("Europe/Riga".to_owned()),
        shown_in: ShownIn::Trigger,
        theme: Theme::Dark,
        shortcuts: false,
    }
}

async fn open(bench: &Bench, user: UserId, id: &str, from: i64, until: i64) -> Session {
    let agent = format!("agent of {id}");
    let session = Session { id: id.to_owned(), user, created_at: t(from), expires_at: t(until), agent };
    bench.store.open_session(session.clone()).await.expect("a session");
    session
}

async fn ids(bench: &Bench, user: UserId, seconds: i64) -> Vec<String> {
    let sessions = bench.store.sessions(user, t(seconds)).await.expect("a list");
    sessions.into_iter().map(|session| session.id).collect()
}

#[tokio::test]
async fn preferences_come_with_the_user_whichever_way_they_are_found() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        assert!(bench.store.set_preferences(anna, liked()).await.expect("an answer"));
        open(&bench, anna, "hers", 0, 100).await;
        let (name, prefix) = ("ci".to_owned(), "oncue_ab".to_owned());
        let key = NewApiKey { owner: anna, name, prefix, hash: [1; 32], scopes: Vec::new(), expires_at: None };
        bench.store.create_api_key(key, t(0)).await.expect("an answer").expect("room for a key");
        let by_session = bench.store.session_user("hers", t(1)).await.expect("an answer").expect("logged in");
        let (by_email, _) =
            bench.store.user_by_email("anna@example.com").await.expect("an answer").expect("she is there");
        let (by_key, key) = bench.store.api_key_user(&[1; 32], t(1)).await.expect("an answer").expect("a key");
        assert_eq!(key.prefix, "oncue_ab");
        for found in [by_session, by_email, by_key] {
            assert_eq!(found.preferences, liked());
        }
        let listed: Vec<_> =
            bench.store.users().await.expect("a list").into_iter().map(|user| user.preferences).collect();
        assert_eq!(listed, [liked(), Preferences::default()]);
        assert!(bench.store.set_preferences(ben, Preferences { zone: None, ..liked() }).await.expect("an answer"));
        assert!(bench.store.set_preferences(anna, Preferences::default()).await.expect("an answer"));
        let listed: Vec<_> =
            bench.store.users().await.expect("a list").into_iter().map(|user| user.preferences).collect();
        assert_eq!(listed, [Preferences::default(), Preferences { zone: None, ..liked() }]);
    })
    .await;
}

#[tokio::test]
async fn every_choice_is_read_back_as_it_was_made() {
    everywhere(async |bench| {
        let user = bench.user("a").await;
        for shown_in in ShownIn::ALL {
            for theme in Theme::ALL {
                let preferences = Preferences { zone: None, shown_in, theme, shortcuts: true };
                bench.store.set_preferences(user, preferences.clone()).await.expect("an answer");
                assert_eq!(bench.store.users().await.expect("a list")[0].preferences, preferences);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_built_in_user_has_preferences_too_and_nobody_else_does() {
    wherever_it_lasts(async |bench| {
        let local = bench.store.local_user(t(0)).await.expect("a user");
        assert_eq!(local.preferences, Preferences::default());
        assert!(bench.store.set_preferences(local.id, liked()).await.expect("an answer"));
        assert!(!bench.store.set_preferences(UserId(999), liked()).await.expect("an answer"));
        let bench = bench.reopen().await;
        assert_eq!(bench.store.local_user(t(1)).await.expect("a user").preferences, liked());
        let new = oncue_domain::store::NewUser { email: "a@example.com".to_owned(), password_hash: "hash".to_owned() };
        bench.store.register(new, Registration::Open, t(1)).await.expect("an answer");
        assert_eq!(bench.store.users().await.expect("a list")[0].preferences, Preferences::default());
    })
    .await;
}

#[tokio::test]
async fn sessions_are_listed_the_latest_first_while_they_last() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let early = open(&bench, anna, "early", 10, 100).await;
        let late = open(&bench, anna, "late", 20, 90).await;
        open(&bench, ben, "his", 30, 100).await;
        assert_eq!(bench.store.sessions(anna, t(50)).await.expect("a list"), [late, early]);
        assert_eq!(ids(&bench, anna, 90).await, ["early"], "the end is not included");
        assert_eq!(ids(&bench, ben, 50).await, ["his"]);
        assert_eq!(ids(&bench, UserId(999), 50).await, [] as [&str; 0]);
    })
    .await;
}

#[tokio::test]
async fn all_other_sessions_end_and_nobody_elses() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        for id in ["one", "two", "three"] {
            open(&bench, anna, id, 0, 100).await;
        }
        open(&bench, ben, "his", 0, 100).await;
        assert_eq!(bench.store.end_other_sessions(anna, "two").await, Ok(2));
        assert_eq!(ids(&bench, anna, 1).await, ["two"]);
        assert_eq!(bench.store.session_user("one", t(1)).await.expect("an answer"), None);
        assert_eq!(bench.store.end_other_sessions(anna, "two").await, Ok(0));
        assert_eq!(
            bench.store.end_other_sessions(anna, "his").await,
            Ok(1),
            "another's session is none of hers to keep"
        );
        assert_eq!(ids(&bench, ben, 1).await, ["his"]);
    })
    .await;
}
