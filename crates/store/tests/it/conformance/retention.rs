//! Expiry: in slices, by age, with all that hangs on an event, and nothing else.

use jiff::SignedDuration;
use oncue_domain::access::Session;
use oncue_domain::count::HourCount;
use oncue_domain::delivery::State;
use oncue_domain::event::{Origin, Retention};
use oncue_domain::firing::Outcome;
use oncue_domain::id::UserId;
use oncue_domain::trigger::Definition;

use crate::bench::{Bench, answered, api, every, everywhere, t, webhook, wherever_it_lasts};

async fn expire(bench: &Bench, gone_until: i64, limit: usize) -> usize {
    bench.store.expire(t(gone_until), t(gone_until + 1000), limit).await.expect("a store that answers").events
}

async fn names(bench: &Bench, owner: UserId) -> Vec<String> {
    bench.events(owner).await.into_iter().map(|event| event.name).collect()
}

#[tokio::test]
async fn events_go_in_slices_the_oldest_first() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let mut fired = Vec::new();
        for seconds in [10, 20, 30, 40, 50, 60] {
            fired.push(bench.fire(owner, id, None, t(seconds)).await);
        }
        let left = async || bench.events(owner).await.iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!(expire(&bench, 9, 2).await, 0);
        assert_eq!(left().await, fired);
        assert_eq!(expire(&bench, 50, 2).await, 2);
        assert_eq!(left().await, fired[2..]);
        assert_eq!(expire(&bench, 50, 2).await, 2);
        assert_eq!(expire(&bench, 50, 2).await, 1, "fewer than the limit: none is left");
        assert_eq!(left().await, fired[5..]);
        assert_eq!(expire(&bench, 50, 2).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_fires_after_the_clock_was_put_back_is_kept_and_goes_at_its_own_age() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let left = async || bench.events(owner).await.iter().map(|event| event.id).collect::<Vec<_>>();
        bench.fire(owner, id, None, t(9000)).await;
        assert_eq!(expire(&bench, 20_000, 10).await, 1);
        assert_eq!(expire(&bench, 20_000, 10).await, 0);
        let mut fired = Vec::new();
        for seconds in [30, 10, 20] {
            fired.push(bench.fire(owner, id, None, t(seconds)).await);
        }
        assert_eq!(left().await, [fired[1], fired[2], fired[0]]);
        assert_eq!(expire(&bench, 9, 10).await, 0);
        assert_eq!(expire(&bench, 20, 10).await, 2);
        assert_eq!(left().await, fired[..1]);
        let ahead = bench.fire(owner, id, None, t(30_000)).await;
        assert_eq!(expire(&bench, 25_000, 10).await, 1);
        assert_eq!(left().await, [ahead]);
        assert_eq!(expire(&bench, 30_000, 10).await, 1);
        assert_eq!(left().await, []);
    })
    .await;
}

#[tokio::test]
async fn what_a_gone_event_owed_is_owed_no_more() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id =
            bench.trigger(owner, Definition { webhook: Some(webhook("https://example.com/")), ..api("api") }).await.id;
        let held = bench.fire(owner, id, None, t(1)).await;
        bench.fire(owner, id, None, t(1)).await;
        let young = bench.fire(owner, id, None, t(50)).await;
        let claims = bench.claim_all(t(1)).await;
        let claim = claims.iter().find(|claim| claim.event.id == held).expect("it was owed");
        bench.store.settle(vec![answered(&claims[1], 500, t(2))]).await.expect("a settlement");
        assert_eq!(expire(&bench, 10, 10).await, 2);
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 1);
        // The attempt under way comes back to an event that is gone.
        bench.store.settle(vec![answered(claim, 500, t(3))]).await.expect("a settlement");
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 1);
        let later = bench.claim_all(t(10_000)).await;
        assert_eq!(later.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [young]);
    })
    .await;
}

#[tokio::test]
async fn what_was_still_owed_when_its_event_went_is_counted_as_failed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let to_webhook = Definition { webhook: Some(webhook("https://example.com/")), ..api("api") };
        let id = bench.trigger(owner, to_webhook).await.id;
        let held = bench.fire(owner, id, None, t(1)).await;
        let waits = bench.fire(owner, id, None, t(2)).await;
        let delivered = bench.fire(owner, id, None, t(3)).await;
        bench.store.fire(owner, id, bench.call(Origin::Test, None), t(4)).await.expect("a test");
        let young = bench.fire(owner, id, None, t(50)).await;
        for claim in bench.claim_all(t(4)).await {
            let status = if claim.event.id == delivered { 200 } else { 500 };
            if claim.event.id == waits || claim.event.id == delivered {
                bench.store.settle(vec![answered(&claim, status, t(5))]).await.expect("a settlement");
            }
        }
        assert_eq!(expire(&bench, 10, 10).await, 4);
        let counts = bench.store.hour_counts(owner, Some(id), t(-3600), t(3600)).await.expect("counts");
        let sums = |count: fn(&HourCount) -> u64| counts.iter().map(count).sum::<u64>();
        assert_eq!((sums(|hour| hour.delivered), sums(|hour| hour.failed)), (1, 2), "tests are not counted");
        let recent = bench.store.recent_firings(owner, vec![id], t(10), 10).await.expect("firings");
        let outcomes: Vec<_> = recent[0].firings.iter().map(|firing| (firing.event, firing.outcome)).collect();
        assert_eq!(
            outcomes,
            [
                (young, Outcome::Pending),
                (delivered, Outcome::Delivered),
                (waits, Outcome::Failed),
                (held, Outcome::Failed)
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn an_event_outlives_edits_and_deletion_by_its_own_age() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, api("first")).await;
        bench.fire(owner, trigger.id, None, t(10)).await;
        let edit = trigger.edit(api("second"), None, t(20));
        bench.store.edit_trigger(edit, None, t(20)).await.expect("an edit");
        bench.fire(owner, trigger.id, None, t(30)).await;
        bench.store.delete_trigger(owner, trigger.id, t(40)).await.expect("a deletion");
        let unkept = bench.store.fire_unkept(owner, api("tried").into(), bench.message(), t(50)).await;
        unkept.expect("a store that answers").expect("an event");
        assert_eq!(expire(&bench, 9, 10).await, 0);
        assert_eq!(names(&bench, owner).await, ["first", "second", "tried"]);
        assert_eq!(expire(&bench, 29, 10).await, 1);
        assert_eq!(names(&bench, owner).await, ["second", "tried"]);
        let counts = bench.store.event_counts(owner, t(29)).await.expect("counts");
        assert_eq!(counts.iter().map(|count| count.name.as_str()).collect::<Vec<_>>(), ["tried", "second"]);
        assert_eq!(expire(&bench, 49, 10).await, 1);
        assert_eq!(names(&bench, owner).await, ["tried"]);
        assert_eq!(expire(&bench, 50, 10).await, 1);
        assert_eq!(bench.store.event_counts(owner, t(-1)).await.expect("counts"), []);
    })
    .await;
}

#[tokio::test]
async fn a_slice_takes_no_name_from_the_events_it_leaves() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        for i in 0..6 {
            let unkept = bench.store.fire_unkept(owner, api(&format!("tried {i}")).into(), bench.message(), t(i));
            unkept.await.expect("a store that answers").expect("an event");
        }
        let claimed = bench.claim_all(t(5)).await.len();
        assert_eq!(claimed, 6);
        // Older events of one trigger leave room for the names of others, which must not go before their own events.
        let id = bench.trigger(owner, api("busy")).await.id;
        for _ in 0..4 {
            bench.fire(owner, id, None, t(-5)).await;
        }
        assert_eq!(expire(&bench, 100, 5).await, 5);
        assert_eq!(names(&bench, owner).await, ["tried 1", "tried 2", "tried 3", "tried 4", "tried 5"]);
        assert_eq!(bench.claim_all(t(1000)).await.len(), 5);
        assert_eq!(expire(&bench, 100, 100).await, 5);
    })
    .await;
}

#[tokio::test]
async fn an_event_keeps_its_name_when_the_clock_was_put_back_before_an_edit() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let edited = bench.trigger(owner, api("edited")).await;
        let deleted = bench.trigger(owner, api("deleted")).await;
        bench.fire(owner, edited.id, None, t(100)).await;
        bench.fire(owner, deleted.id, None, t(100)).await;
        bench.store.edit_trigger(edited.edit(api("new"), None, t(50)), None, t(50)).await.expect("an edit");
        bench.store.delete_trigger(owner, deleted.id, t(50)).await.expect("a deletion");
        assert_eq!(expire(&bench, 60, 10).await, 0);
        assert_eq!(names(&bench, owner).await, ["edited", "deleted"]);
        assert_eq!(bench.claim_all(t(100)).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn records_of_what_did_not_fire_go_at_their_age() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        for (period, seconds) in [("2m", 70), ("3m", 200)] {
            let armed = bench.get(owner, trigger.id).await;
            let edit = armed.trigger.edit(every(period), armed.next_at, t(seconds));
            assert!(!edit.skipped.is_empty());
            bench.store.edit_trigger(edit, armed.next_at, t(seconds)).await.expect("an edit");
        }
        let recorded = async || {
            let views = bench.store.skipped(owner, trigger.id, 10).await.expect("records");
            views.iter().map(|view| view.recorded_at).collect::<Vec<_>>()
        };
        expire(&bench, 69, 10).await;
        assert_eq!(recorded().await, [t(200), t(70)]);
        expire(&bench, 70, 10).await;
        assert_eq!(recorded().await, [t(200)]);
        assert_eq!(bench.get(owner, trigger.id).await.trigger.revision, 3, "the trigger stays");
    })
    .await;
}

#[tokio::test]
async fn ended_sessions_go_and_others_stay() {
    everywhere(async |bench| {
        let user = bench.user("a").await;
        for (id, end) in [("short", 100), ("long", 200)] {
            let session =
                Session { id: id.to_owned(), user, created_at: t(0), expires_at: t(end), agent: String::new() };
            bench.store.open_session(session).await.expect("a session");
        }
        bench.store.expire(t(0), t(150), 10).await.expect("an answer");
        let whose = async |id: &str| bench.store.session_user(id, t(50)).await.expect("an answer").map(|user| user.id);
        // Even a clock that is put back brings none back.
        assert_eq!(whose("short").await, None);
        assert_eq!(whose("long").await, Some(user));
    })
    .await;
}

#[tokio::test]
async fn a_claim_taken_before_a_restart_does_not_bring_a_gone_event_back() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let old = bench.fire(owner, id, None, t(1)).await;
        let young = bench.fire(owner, id, None, t(20)).await;
        bench.claim_all(t(20)).await;
        assert_eq!(expire(&bench, 10, 10).await, 1);
        let bench = bench.reopen().await;
        let claims = bench.claim_all(t(21)).await;
        assert_eq!(claims.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [young]);
        assert_eq!(bench.store.event(owner, old, t(-1)).await.expect("an answer"), None);
        let (_, shown) = bench.store.event(owner, young, t(10)).await.expect("an answer").expect("it is there");
        assert_eq!(shown[0].state, State::Held);
    })
    .await;
}

#[tokio::test]
async fn whoever_visits_finds_for_how_long_the_last_who_served_keeps_events() {
    wherever_it_lasts(async |bench| {
        assert_eq!(bench.store.retention().await, Ok(None), "nobody has said");
        let shorter = Retention { active_for: SignedDuration::from_micros(1), keep_for: SignedDuration::from_hours(9) };
        for retention in [Retention::STANDARD, shorter] {
            bench.store.note_retention(retention).await.expect("an answer");
            assert_eq!(bench.store.retention().await, Ok(Some(retention)));
        }
        let bench = bench.reopen().await;
        assert_eq!(bench.store.retention().await, Ok(Some(shorter)));
    })
    .await;
}
