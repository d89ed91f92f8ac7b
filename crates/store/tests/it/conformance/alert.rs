//! Streaks of failures, and the events that tell of them: each once, with the settlement it follows from, and with nothing that is void.

use std::sync::{Arc, Mutex};

use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::destination::alert::{Streak, Told};
use oncue_domain::destination::{Definition, Standing, Target};
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{DestinationId, TriggerId, UserId};
use oncue_domain::store::{Change, Deleted, EventSearch};
use serde_json::{Value, json};

use super::destination::sending_to;
use crate::bench::{Bench, answered, everywhere, given_up, t, too_soon, wherever_it_lasts};

/// A destination that tells another one after so many failures.
fn watched(tells: DestinationId, after: u32) -> Definition {
    let said = json!({"name": "watched", "kind": "webhook", "url": "https://example.com/",
        "alert": {"destination": tells.0, "after": after}});
    Definition::read(&said, None).expect("a test writes its destinations well")
}

/// A trigger that sends to a destination that tells another one after two failures.
struct Watched {
    owner: UserId,
    trigger: TriggerId,
    id: DestinationId,
    tells: DestinationId,
}

impl Watched {
    async fn new(bench: &Bench) -> Watched {
        let owner = bench.user("a").await;
        let tells = bench.destination(owner, "operator").await.id;
        let made = bench.store.create_destination(owner, watched(tells, 2), t(0)).await.expect("an answer");
        let id = made.expect("room").id;
        let trigger = bench.trigger(owner, sending_to(&[id])).await.id;
        Watched { owner, trigger, id, tells }
    }

    /// An event is fired at this second and its attempt settled.
    async fn attempt(&self, bench: &Bench, second: i64, becomes: impl Fn(&Claim) -> Settlement) -> Claim {
        bench.fire(self.owner, self.trigger, None, t(second)).await;
        let claims = bench.claim_all(t(second)).await;
        let mut own = claims.into_iter().filter(|claim| claim.target == Target::Destination(self.id));
        let claim = own.next().expect("something is owed there");
        bench.store.settle(vec![becomes(&claim)]).await.expect("a settlement");
        claim
    }

    async fn fails(&self, bench: &Bench, second: i64) -> Claim {
        self.attempt(bench, second, |claim| given_up(claim, t(second))).await
    }

    async fn succeeds(&self, bench: &Bench, second: i64) -> Claim {
        self.attempt(bench, second, |claim| answered(claim, 200, t(second))).await
    }

    async fn told(&self, bench: &Bench) -> Vec<(Event, Value)> {
        let events = bench.events(self.owner).await.into_iter().filter(|event| event.origin == Origin::Alert);
        let facts = |event: &Event| serde_json::from_str(event.payload.as_str()).expect("JSON");
        events.map(|event| (event.clone(), facts(&event))).collect()
    }

    async fn words(&self, bench: &Bench) -> Vec<String> {
        let word = |facts: &Value| facts["alert"].as_str().expect("a word").to_owned();
        self.told(bench).await.iter().map(|(_, facts)| word(facts)).collect()
    }

    async fn streak(&self, bench: &Bench) -> Option<Streak> {
        let streaks = bench.store.streaks(self.owner).await.expect("an answer");
        streaks.into_iter().find(|(id, _)| *id == self.id).map(|(_, streak)| streak)
    }
}

#[tokio::test]
async fn attempts_that_came_too_soon_neither_lengthen_a_streak_nor_end_one() {
    everywhere(async |bench| {
        let watched = Watched::new(&bench).await;
        for second in 1..4 {
            watched.attempt(&bench, second, |claim| too_soon(claim, t(second))).await;
        }
        assert_eq!(watched.streak(&bench).await, None);
        watched.fails(&bench, 4).await;
        watched.attempt(&bench, 5, |claim| too_soon(claim, t(5))).await;
        let streak = Streak { failures: 1, since: t(4), told: None };
        assert_eq!(watched.streak(&bench).await, Some(streak));
        watched.fails(&bench, 6).await;
        assert_eq!(watched.words(&bench).await, ["failing"], "two in a row");
    })
    .await;
}

#[tokio::test]
async fn failures_in_a_row_are_told_once_and_so_is_their_end() {
    everywhere(async |bench| {
        let watched = Watched::new(&bench).await;
        watched.succeeds(&bench, 1).await;
        assert_eq!(watched.streak(&bench).await, None);
        watched.fails(&bench, 2).await;
        let streak = Streak { failures: 1, since: t(2), told: None };
        assert_eq!(watched.streak(&bench).await, Some(streak));
        assert!(watched.told(&bench).await.is_empty());
        watched.fails(&bench, 3).await;
        watched.fails(&bench, 4).await;
        let told = Some(Told { destination: watched.tells, at: t(3) });
        assert_eq!(watched.streak(&bench).await, Some(Streak { failures: 3, since: t(2), told }));
        watched.succeeds(&bench, 5).await;
        assert_eq!(watched.streak(&bench).await, None);
        watched.succeeds(&bench, 6).await;
        watched.fails(&bench, 7).await;
        assert_eq!(watched.words(&bench).await, ["failing", "recovered"]);
        let all = watched.told(&bench).await;
        let (event, facts) = &all[0];
        assert_eq!((event.name.as_str(), event.fired_at, event.scheduled_at), ("watched is failing", t(3), None));
        assert!(event.trigger.0 < 0, "no trigger of anybody's fired");
        assert_eq!(
            (&facts["failures"], &facts["status"], &facts["destination"]["id"]),
            (&json!(2), &json!(503), &json!(watched.id.0))
        );
        let (_, deliveries) =
            bench.store.event(watched.owner, event.id, t(-1)).await.expect("an answer").expect("it is kept");
        assert_eq!(deliveries.len(), 1);
        assert_eq!((&deliveries[0].target, deliveries[0].attempts.len()), (&Target::Destination(watched.tells), 0));
    })
    .await;
}

#[tokio::test]
async fn what_settles_together_is_told_in_its_order() {
    everywhere(async |bench| {
        let watched = Watched::new(&bench).await;
        for second in 1..=7 {
            bench.fire(watched.owner, watched.trigger, None, t(second)).await;
        }
        let claims = bench.claim_all(t(9)).await;
        let ends = [false, false, false, true, false, false, true];
        let ending = |(claim, is_good): (&Claim, bool)| {
            if is_good { answered(claim, 200, t(9)) } else { given_up(claim, t(9)) }
        };
        bench.store.settle(claims.iter().zip(ends).map(ending).collect()).await.expect("a settlement");
        assert_eq!(watched.words(&bench).await, ["failing", "recovered", "failing", "recovered"]);
        assert_eq!(watched.streak(&bench).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_settlement_without_a_claim_and_one_without_an_attempt_count_for_nothing() {
    everywhere(async |bench| {
        let watched = Watched::new(&bench).await;
        let claim = watched.fails(&bench, 1).await;
        bench.store.settle(vec![given_up(&claim, t(2)), given_up(&claim, t(2))]).await.expect("an answer");
        watched.attempt(&bench, 3, |claim| oncue_domain::delivery::park(claim.clone(), t(9), t(3))).await;
        watched.attempt(&bench, 4, |claim| oncue_domain::delivery::fail(claim.clone(), "It is gone.", t(4))).await;
        assert_eq!(watched.streak(&bench).await.map(|streak| streak.failures), Some(1));
        bench.store.settle(vec![answered(&claim, 200, t(5))]).await.expect("an answer");
        assert_eq!(watched.streak(&bench).await.map(|streak| streak.failures), Some(1), "that claim is used up");
        assert!(watched.told(&bench).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_suspension_is_told_with_its_reason() {
    everywhere(async |bench| {
        let watched = Watched::new(&bench).await;
        let told_by = Some(bench.message());
        let suspend = |seen, told_by, second| {
            bench.store.suspend_destination(watched.id, seen, "It is gone.", told_by, t(second))
        };
        assert!(suspend(1, told_by, 1).await.expect("an answer"));
        assert!(!suspend(1, told_by, 2).await.expect("an answer"), "it is already");
        watched.fails(&bench, 3).await;
        watched.fails(&bench, 4).await;
        assert_eq!(watched.words(&bench).await, ["suspended"]);
        let (event, facts) = watched.told(&bench).await.remove(0);
        assert_eq!((Some(event.message_id), &facts["error"]), (told_by, &json!("It is gone.")));
        assert!(bench.store.set_standing(watched.owner, watched.id, Standing::Active, t(5)).await.expect("an answer"));
        watched.succeeds(&bench, 6).await;
        assert_eq!(watched.words(&bench).await, ["suspended", "recovered"]);
        assert!(!suspend(1, None, 7).await.expect("an answer"), "it was resumed since");
        assert!(suspend(2, None, 7).await.expect("an answer"));
        assert_eq!(
            watched.words(&bench).await,
            ["suspended", "recovered"],
            "an alert that does not arrive tells nobody"
        );
    })
    .await;
}

#[tokio::test]
async fn where_the_one_to_be_told_is_gone_or_anothers_nobody_is() {
    everywhere(async |bench| {
        let gone = Watched::new(&bench).await;
        assert_eq!(
            bench.store.delete_destination(gone.owner, gone.tells, t(1)).await.expect("an answer"),
            Deleted::Done
        );
        for second in 2..6 {
            gone.fails(&bench, second).await;
        }
        assert_eq!(gone.streak(&bench).await, Some(Streak { failures: 4, since: t(2), told: None }));
        let other = bench.user("b").await;
        let anothers = bench.destination(other, "anothers").await.id;
        let said = watched(anothers, 2);
        bench.store.edit_destination(gone.owner, gone.id, 1, said).await.expect("an edit");
        gone.fails(&bench, 7).await;
        assert!(gone.told(&bench).await.is_empty());
        assert!(bench.events(other).await.is_empty());
        assert!(bench.store.streaks(other).await.expect("an answer").is_empty());
        let own = bench.destination(gone.owner, "new").await.id;
        bench.store.edit_destination(gone.owner, gone.id, 2, watched(own, 2)).await.expect("an edit");
        gone.fails(&bench, 8).await;
        assert_eq!(gone.words(&bench).await, ["failing"]);
    })
    .await;
}

#[tokio::test]
async fn an_alert_that_does_not_arrive_counts_and_is_told_to_nobody() {
    everywhere(async |bench| {
        let watched_one = Watched::new(&bench).await;
        // Each of the two tells of the other.
        let back = watched(watched_one.id, 1);
        bench.store.edit_destination(watched_one.owner, watched_one.tells, 1, back).await.expect("an edit");
        watched_one.fails(&bench, 1).await;
        watched_one.fails(&bench, 2).await;
        let alerts = bench.claim_all(t(3)).await;
        assert_eq!(alerts.iter().map(|claim| claim.event.origin).collect::<Vec<_>>(), [Origin::Alert]);
        bench.store.settle(vec![given_up(&alerts[0], t(3))]).await.expect("a settlement");
        let streaks = bench.store.streaks(watched_one.owner).await.expect("an answer");
        let expected = (watched_one.tells, Streak { failures: 1, since: t(3), told: None });
        assert!(streaks.contains(&expected), "{streaks:?}");
        assert_eq!(watched_one.words(&bench).await, ["failing"]);
        let hours = bench.store.hour_counts(watched_one.owner, None, t(-7200), t(7200)).await.expect("counts");
        assert_eq!((hours[0].fired, hours[0].failed), (2, 2), "alerts are not counted");
        let search = EventSearch { origin: Some(Origin::Alert), ..EventSearch::default() };
        let page = oncue_domain::store::EventPage::NewestFirst(None);
        let found = bench.store.event_lines(watched_one.owner, search, page, 10).await.expect("a search");
        assert_eq!(found.lines.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_streak_outlives_the_server_and_goes_with_its_destination() {
    wherever_it_lasts(async |bench| {
        let watched = Watched::new(&bench).await;
        watched.fails(&bench, 1).await;
        let bench = bench.reopen().await;
        watched.fails(&bench, 2).await;
        assert_eq!(watched.words(&bench).await, ["failing"]);
        let bench = bench.reopen().await;
        watched.fails(&bench, 3).await;
        watched.succeeds(&bench, 4).await;
        assert_eq!(watched.words(&bench).await, ["failing", "recovered"]);
        watched.fails(&bench, 5).await;
        assert!(bench.store.delete_trigger(watched.owner, watched.trigger, t(6)).await.expect("an answer"));
        assert_eq!(
            bench.store.delete_destination(watched.owner, watched.id, t(6)).await.expect("an answer"),
            Deleted::Done
        );
        assert!(bench.store.streaks(watched.owner).await.expect("an answer").is_empty());
    })
    .await;
}

#[tokio::test]
async fn whoever_listens_hears_of_an_alert_as_of_any_event() {
    everywhere(async |bench| {
        let watched = Watched::new(&bench).await;
        watched.fails(&bench, 1).await;
        bench.fire(watched.owner, watched.trigger, None, t(2)).await;
        let claims = bench.claim_all(t(2)).await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        bench.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        bench.store.settle(vec![given_up(&claims[0], t(2))]).await.expect("a settlement");
        let mut heard = std::mem::take(&mut *heard.lock().expect("no panic"));
        heard.sort_by_key(|change| format!("{change:?}"));
        assert_eq!(heard, [Change::Logged(watched.owner), Change::Owed, Change::Settled(watched.owner)]);
    })
    .await;
}
