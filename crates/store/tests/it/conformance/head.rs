//! Triggers as lists show them: all of an owner's, and those that are next.

use jiff::Timestamp;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::schedule::Schedule;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::NewTrigger;
use oncue_domain::trigger::{Definition, ScheduleDetails, TriggerHead};

use crate::bench::{Bench, api, every, everywhere, t, webhook};

async fn waiting_for(bench: &Bench, owner: UserId, next_at: Option<Timestamp>) -> TriggerId {
    let new = NewTrigger { owner, definition: every("1m"), next_at, test_event: None };
    bench.make(new, t(0)).await.trigger.id
}

async fn soonest(bench: &Bench, owner: UserId, limit: usize) -> Vec<TriggerId> {
    let heads = bench.store.soonest(owner, limit).await.expect("a list");
    heads.iter().map(|head| head.id).collect()
}

fn cron(line: &str, zone: &str) -> Definition {
    let zone = Zones::bundled().get(zone).expect("a zone");
    let expression = CronExpression::parse(line).expect("a cron line");
    let schedule = Schedule::Cron { expression, zone: zone.clone() };
    Definition { schedule: Some(ScheduleDetails::plain(schedule, Some(zone))), ..api(line) }
}

#[tokio::test]
async fn a_head_is_the_trigger_without_its_payload() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let payload = Some(Payload::parse("[1]").expect("JSON"));
        let webhook = Some(webhook("https://example.com/"));
        for definition in [
            Definition { payload, webhook, ..api("api") },
            Definition { name: None, expires_at: Some(t(1000)), ..every("1m") },
            Definition { enabled: false, ..every("2m") },
            Definition { is_test: true, ..api("test") },
            cron("*/5 * * * *", "Europe/Riga"),
            cron("*/5 * * * *", "UTC"),
        ] {
            bench.trigger(owner, definition).await;
        }
        let armed = bench.store.triggers(owner, None, 10).await.expect("a list");
        let expected: Vec<TriggerHead> = armed.iter().map(TriggerHead::from).collect();
        assert_eq!(expected.len(), 6);
        for _ in 0..2 {
            assert_eq!(bench.store.trigger_heads(owner, 10).await.expect("a list"), expected);
        }
        assert_eq!(bench.store.trigger_heads(owner, 2).await.expect("a list"), expected[..2]);
        assert_eq!(bench.store.trigger_heads(owner, 0).await.expect("a list"), []);
        assert_eq!(bench.store.trigger_heads(UserId(999), 10).await.expect("a list"), []);
    })
    .await;
}

#[tokio::test]
async fn what_is_next_comes_the_earliest_first() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let late = waiting_for(&bench, anna, Some(t(300))).await;
        let same = [waiting_for(&bench, anna, Some(t(200))).await, waiting_for(&bench, anna, Some(t(200))).await];
        waiting_for(&bench, anna, None).await;
        waiting_for(&bench, ben, Some(t(1))).await;
        bench.trigger(anna, api("api")).await;
        assert_eq!(soonest(&bench, anna, 10).await, [same[0], same[1], late]);
        assert_eq!(soonest(&bench, anna, 1).await, [same[0]]);
        assert_eq!(soonest(&bench, anna, 0).await, []);
        let heads = bench.store.soonest(anna, 1).await.expect("a list");
        assert_eq!(heads, [TriggerHead::from(&bench.get(anna, same[0]).await)]);
        bench.store.delete_trigger(anna, same[0], t(1)).await.expect("an answer");
        assert_eq!(soonest(&bench, anna, 10).await, [same[1], late]);
    })
    .await;
}

#[tokio::test]
async fn what_is_next_is_found_among_many_and_among_few() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        // As many as a server has callers: more would wait for a connection longer than anybody is let.
        let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(256));
        let (mut hers, mut jobs) = (Vec::new(), Vec::new());
        for number in 0..12_000_i64 {
            // Hers are not among the soonest, and in no order.
            let (owner, next_at) =
                if number % 2 == 0 { (anna, 50_000 - number * 7919 % 12_000) } else { (ben, number) };
            let (store, definition) = (bench.store.clone(), every("1m"));
            let new = NewTrigger { owner, definition, next_at: Some(t(next_at)), test_event: None };
            let turns = turns.clone();
            jobs.push(tokio::spawn(async move {
                let _turn = turns.acquire().await.expect("it stays open");
                store.create_trigger(new, t(0)).await.expect("an answer").expect("a trigger")
            }));
        }
        for job in jobs {
            let armed = job.await.expect("no panic");
            if armed.trigger.owner == anna {
                hers.push((armed.next_at.expect("it waits"), armed.trigger.id));
            }
        }
        let cleo = bench.user("cleo").await;
        let only = waiting_for(&bench, cleo, Some(t(100_000))).await;
        hers.sort();
        let expected: Vec<TriggerId> = hers.iter().map(|(_, id)| *id).collect();
        assert_eq!(soonest(&bench, anna, 10).await, expected[..10]);
        assert_eq!(soonest(&bench, anna, 5990).await, expected[..5990]);
        assert_eq!(soonest(&bench, anna, 1_000_000).await, expected);
        assert_eq!(soonest(&bench, cleo, 10).await, [only]);
    })
    .await;
}
