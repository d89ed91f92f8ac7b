//! Revisions: what a trigger said, from when to when, and who made it say so.

use jiff::civil::date;
use jiff::{Span, Timestamp};
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::destination::Format;
use oncue_domain::id::{ApiKeyId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::revision::{BEYOND_BYTES_MAX, FORMER_KEPT, REVISION_BYTES, Revision};
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{Edited, NewTrigger};
use oncue_domain::trigger::{Definition, Pause, ScheduleDetails, Terms};
use oncue_store::schedule_bytes;

use crate::bench::{Bench, api, every, everywhere, t, webhook, wherever_it_lasts};

fn anna(id: UserId) -> Actor {
    let who = Who::User { id, email: "anna@example.com".to_owned() };
    Actor { who, address: Some("192.0.2.7".parse().expect("an address")), program: Some("a \"browser\"".to_owned()) }
}

fn by_key() -> Actor {
    let who = Who::ApiKey { id: ApiKeyId(3), name: "ci".to_owned(), prefix: "oncue_ab".to_owned() };
    Actor { who, address: Some("2001:db8::1".parse().expect("an address")), program: None }
}

async fn make(bench: &Bench, owner: UserId, definition: Definition, by: Actor, now: Timestamp) -> TriggerId {
    let next_at = definition.next_after(now);
    let new = NewTrigger { owner, definition, next_at, test_event: None };
    let made = bench.store.acting(Author { by, at: now }).create_trigger(new, now).await.expect("an answer");
    made.expect("its destinations are there").trigger.id
}

async fn edit(bench: &Bench, owner: UserId, id: TriggerId, definition: Definition, by: Actor, now: Timestamp) {
    let armed = bench.get(owner, id).await;
    let edit = armed.trigger.edit(definition, armed.next_at, now);
    let store = bench.store.acting(Author { by, at: now });
    assert_eq!(store.edit_trigger(edit, armed.next_at, now).await.expect("an answer"), Edited::Done);
}

async fn revisions(bench: &Bench, owner: UserId, id: TriggerId) -> Vec<Revision> {
    bench.store.revisions(owner, id, None, 1000).await.expect("a list")
}

fn numbers(revisions: &[Revision]) -> Vec<i64> {
    revisions.iter().map(|one| one.trigger.revision).collect()
}

/// Everything that a trigger can say.
fn full(owner_destinations: Vec<oncue_domain::id::DestinationId>) -> Definition {
    let mut slack = webhook("https://example.com/hook?secret=1");
    slack.format = Format::Slack;
    Definition {
        name: Some("näme".to_owned()),
        payload: Some(Payload::parse("{\"b\": 1.50, \"a\": 1e400}").expect("JSON")),
        webhook: Some(slack),
        destinations: owner_destinations,
        expires_at: Some(t(9_999)),
        ..every("7m")
    }
}

#[tokio::test]
async fn a_former_revision_is_kept_whole_with_who_made_it_and_until_when_it_stood() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("anna").await;
        let destination = bench.destination(owner, "one").await.id;
        let pause = Pause::new(Some("Umzug, \"ganz\"".to_owned()), Some(t(500)));
        let (first, second) = (full(vec![destination]), Definition { enabled: false, pause, ..api("second") });
        let id = make(&bench, owner, first.clone(), anna(owner), t(1)).await;
        edit(&bench, owner, id, second.clone(), by_key(), t(10)).await;
        edit(&bench, owner, id, api("third"), Actor::SYSTEM, t(20)).await;
        let bench = bench.reopen().await;

        let kept = revisions(&bench, owner, id).await;
        assert_eq!(numbers(&kept), [3, 2, 1]);
        assert_eq!(kept[0].trigger, bench.get(owner, id).await.trigger);
        assert_eq!((&kept[1].trigger.definition, &kept[2].trigger.definition), (&second, &first));
        let times: Vec<_> = kept.iter().map(|one| (one.made_at, one.until)).collect();
        assert_eq!(times, [(t(20), None), (t(10), Some(t(20))), (t(1), Some(t(10)))]);
        let makers: Vec<_> = kept.iter().map(|one| one.made_by.clone().expect("it is known")).collect();
        assert_eq!(makers, [Actor::SYSTEM, by_key(), anna(owner)]);
        assert!(kept.iter().all(|one| one.trigger.created_at == t(1) && one.trigger.owner == owner));
        for one in kept {
            let found = bench.store.revision(owner, id, one.trigger.revision).await.expect("an answer");
            assert_eq!(found, Some(one));
        }
        for number in [0, 4, -1, i64::MAX] {
            assert_eq!(bench.store.revision(owner, id, number).await.expect("an answer"), None);
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_goes_on_where_it_is_told() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let id = make(&bench, owner, api("one"), Actor::SYSTEM, t(0)).await;
        for number in 2..=5 {
            edit(&bench, owner, id, api(&format!("{number}")), Actor::SYSTEM, t(number)).await;
        }
        let page =
            async |before, limit| numbers(&bench.store.revisions(owner, id, before, limit).await.expect("a list"));
        assert_eq!(page(None, 2).await, [5, 4]);
        assert_eq!(page(Some(4), 2).await, [3, 2]);
        assert_eq!(page(Some(2), 2).await, [1]);
        assert!(page(Some(1), 2).await.is_empty());
        assert_eq!(page(Some(9), 1).await, [5]);
    })
    .await;
}

#[tokio::test]
async fn of_each_instant_it_is_known_which_revision_stood() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let id = make(&bench, owner, api("one"), Actor::SYSTEM, t(10)).await;
        edit(&bench, owner, id, api("two"), Actor::SYSTEM, t(20)).await;
        edit(&bench, owner, id, api("three"), Actor::SYSTEM, t(30)).await;
        let stood = async |at| {
            let found = bench.store.revision_at(owner, id, at).await.expect("an answer");
            found.map(|one| one.trigger.revision)
        };
        let just_before = |at: Timestamp| at - jiff::SignedDuration::from_micros(1);
        for (at, expected) in [
            (just_before(t(10)), None),
            (t(10), Some(1)),
            (just_before(t(20)), Some(1)),
            (t(20), Some(2)),
            (t(30), Some(3)),
            (t(9_999), Some(3)),
        ] {
            assert_eq!(stood(at).await, expected, "{at}");
        }
        // A clock that was put back makes one that stood for no time at all, as far as anybody can tell by the clock.
        edit(&bench, owner, id, api("four"), Actor::SYSTEM, t(15)).await;
        assert_eq!((stood(t(14)).await, stood(t(15)).await, stood(t(25)).await), (Some(1), Some(4), Some(4)));
    })
    .await;
}

#[tokio::test]
async fn the_latest_are_kept_whatever_their_age_and_go_a_while_after_the_trigger() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let id = make(&bench, owner, api("one"), Actor::SYSTEM, t(0)).await;
        let edits = i64::try_from(FORMER_KEPT).expect("small") + 3;
        for number in 1..=edits {
            edit(&bench, owner, id, api(&format!("{number}")), Actor::SYSTEM, t(number)).await;
        }
        let kept = async || numbers(&revisions(&bench, owner, id).await);
        assert_eq!(kept().await, (1..=edits + 1).rev().collect::<Vec<_>>(), "events may name them all");
        assert!(bench.store.revision_at(owner, id, t(1)).await.expect("an answer").is_some());
        bench.store.expire(t(0), t(0), 1000).await.expect("an answer");
        assert_eq!(kept().await.last(), Some(&1));
        bench.store.expire(t(2), t(2), 1000).await.expect("an answer");
        assert_eq!(kept().await.last(), Some(&3), "the two before it ended when no event had fired that is kept");
        assert_eq!(bench.store.revision_at(owner, id, t(1)).await.expect("an answer"), None, "it is kept no more");

        // Age alone ends none of the latest.
        bench.store.expire(t(500_000_000), t(500_000_000), 1000).await.expect("an answer");
        assert_eq!(kept().await, (4..=edits + 1).rev().collect::<Vec<_>>());
        assert!(bench.store.delete_trigger(owner, id, t(2000)).await.expect("an answer"));
        let kept = revisions(&bench, owner, id).await;
        assert_eq!((kept.len(), kept[0].trigger.revision, kept[0].until), (FORMER_KEPT + 1, edits + 1, Some(t(2000))));
        bench.store.expire(t(1999), t(2000), 1000).await.expect("an answer");
        assert_eq!(revisions(&bench, owner, id).await.len(), FORMER_KEPT);
        bench.store.expire(t(2000), t(2000), 1000).await.expect("an answer");
        assert_eq!(revisions(&bench, owner, id).await, []);
        assert_eq!(bench.store.revision(owner, id, edits).await.expect("an answer"), None);
    })
    .await;
}

#[tokio::test]
async fn newer_ones_take_the_room_of_those_before_the_latest() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let id = make(&bench, owner, api("one"), Actor::SYSTEM, t(0)).await;
        let text = format!("\"{}\"", "x".repeat(250_000));
        let room = (BEYOND_BYTES_MAX / (REVISION_BYTES + text.len() as u64)).cast_signed();
        let payload = Some(Payload::parse(&text).expect("JSON"));
        let (large, kept) = (room + 5, i64::try_from(FORMER_KEPT).expect("small"));
        let present = large + 1 + kept;
        for number in 2..=present {
            let payload = payload.clone().filter(|_| number <= large + 1);
            edit(&bench, owner, id, Definition { payload, ..api("edited") }, Actor::SYSTEM, t(number)).await;
        }
        let lowest = large - room;
        assert!(lowest > 1);
        let left = numbers(&revisions(&bench, owner, id).await);
        assert_eq!(left, (lowest..=present).rev().collect::<Vec<_>>());
        assert_eq!(bench.store.revision(owner, id, lowest - 1).await.expect("an answer"), None);
        let found = bench.store.revision(owner, id, lowest).await.expect("an answer").expect("there is room for it");
        assert_eq!(found.trigger.definition.payload, payload);
        // The next large one that is pushed out takes the room of one, and small ones take that of none for long.
        for number in present + 1..=present + 9 {
            edit(&bench, owner, id, api("small"), Actor::SYSTEM, t(number)).await;
        }
        let left = numbers(&revisions(&bench, owner, id).await);
        assert_eq!(left, (lowest + 1..=present + 9).rev().collect::<Vec<_>>());
        // Each ended when the next one was made.
        while !bench.store.expire(t(lowest + 3), t(1000), 1).await.expect("an answer").is_done {}
        let left = numbers(&revisions(&bench, owner, id).await);
        assert_eq!(left, (lowest + 3..=present + 9).rev().collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn the_dates_of_a_schedule_and_a_schema_take_room_too() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let text = format!("\"{}\"", "x".repeat(100_000));
        let payload = Some(Payload::parse(&text).expect("JSON"));
        let dates = date(2027, 1, 1).series(Span::new().days(2)).take(1_000);
        let terms = Terms { excluded: ExcludedDates::new(dates).expect("as many as there may be"), ..Terms::default() };
        let hourly = every("1h").schedule.expect("it has one").pattern().clone();
        let details = ScheduleDetails::new(hourly, None, terms, Zones::utc());
        let schema = format!(r#"{{"description":"{}"}}"#, "x".repeat(13_000));
        let (of_schedule, of_schema) = (schedule_bytes(&details), schema.len());
        let timed = Definition { schedule: Some(details), payload: payload.clone(), ..every("1h") };
        let payload_schema = Some(PayloadSchema::parse(&schema).expect("a schema"));
        let called = Definition { payload_schema, payload, ..api("called") };
        for (definition, beside) in [(timed, of_schedule), (called, of_schema)] {
            let room = |beside| (BEYOND_BYTES_MAX / (REVISION_BYTES + (text.len() + beside) as u64)).cast_signed();
            assert!(room(beside) + 5 < room(0));
            let pushed_out = room(beside) + 3;
            let present = pushed_out + 1 + i64::try_from(FORMER_KEPT).expect("small");
            let id = make(&bench, owner, definition.clone(), Actor::SYSTEM, t(0)).await;
            for number in 2..=present {
                let named = Definition { name: Some(format!("n{number}")), ..definition.clone() };
                edit(&bench, owner, id, named, Actor::SYSTEM, t(number)).await;
            }
            let left = numbers(&revisions(&bench, owner, id).await);
            assert_eq!(left, (pushed_out - room(beside)..=present).rev().collect::<Vec<_>>());
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_ended_by_a_clock_that_was_put_back_stays_as_long_as_the_event_that_names_it() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let id = make(&bench, owner, api("one"), Actor::SYSTEM, t(0)).await;
        bench.fire(owner, id, None, t(1_000)).await;
        let present = i64::try_from(FORMER_KEPT).expect("small") + 3;
        for number in 2..=present {
            edit(&bench, owner, id, api(&format!("{number}")), Actor::SYSTEM, t(number)).await;
        }
        let lowest = async || numbers(&revisions(&bench, owner, id).await).pop();
        while !bench.store.expire(t(999), t(2_000), 1).await.expect("an answer").is_done {}
        assert_eq!((lowest().await, bench.events(owner).await.len()), (Some(1), 1));
        while !bench.store.expire(t(1_000), t(2_000), 1).await.expect("an answer").is_done {}
        assert_eq!((lowest().await, bench.events(owner).await.len()), (Some(3), 0));
    })
    .await;
}

#[tokio::test]
async fn an_edit_that_is_refused_leaves_no_revision() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let id = make(&bench, owner, api("one"), Actor::SYSTEM, t(0)).await;
        let armed = bench.get(owner, id).await;
        let stale = armed.trigger.edit(api("stale"), None, t(1));
        edit(&bench, owner, id, api("two"), Actor::SYSTEM, t(1)).await;
        assert_eq!(bench.store.edit_trigger(stale, None, t(2)).await.expect("an answer"), Edited::Stale);
        let nowhere = Definition { destinations: vec![oncue_domain::id::DestinationId(99)], ..api("nowhere") };
        let missing = bench.get(owner, id).await.trigger.edit(nowhere, None, t(2));
        let edited = bench.store.edit_trigger(missing, None, t(2)).await.expect("an answer");
        assert!(matches!(edited, Edited::Missing(_)));
        assert_eq!(numbers(&revisions(&bench, owner, id).await), [2, 1]);
    })
    .await;
}

#[tokio::test]
async fn each_of_many_has_its_maker() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let new = |name: &str| NewTrigger { owner, definition: api(name), next_at: None, test_event: None };
        for by in [anna(owner), by_key()] {
            let store = bench.store.acting(Author { by: by.clone(), at: t(3) });
            for made in store.create_triggers(vec![new("one"), new("two")], t(3)).await {
                let id = made.expect("an answer").expect("a trigger");
                let kept = revisions(&bench, owner, id).await;
                assert_eq!(numbers(&kept), [1]);
                assert_eq!((kept[0].made_at, kept[0].made_by.as_ref()), (t(3), Some(&by)));
            }
        }
        let made = bench.store.create_triggers(vec![new("nobody's")], t(3)).await.remove(0).expect("an answer");
        let kept = revisions(&bench, owner, made.expect("a trigger")).await;
        assert_eq!(kept[0].made_by, Some(Actor::SYSTEM), "a store in nobody's hands is oncue's own");
    })
    .await;
}

#[tokio::test]
async fn anothers_revisions_look_like_none() {
    everywhere(async |bench| {
        let (hers, his) = (bench.user("anna").await, bench.user("ben").await);
        let id = make(&bench, hers, api("one"), anna(hers), t(0)).await;
        edit(&bench, hers, id, api("two"), anna(hers), t(1)).await;
        for id in [id, TriggerId(999)] {
            assert_eq!(revisions(&bench, his, id).await, []);
            assert_eq!(bench.store.revision(his, id, 1).await.expect("an answer"), None);
            assert_eq!(bench.store.revision_at(his, id, t(5)).await.expect("an answer"), None);
        }
    })
    .await;
}
