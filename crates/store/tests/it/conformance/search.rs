//! Looking for events: by outcome, origin and text, page by page, and no further than a search may go.

use oncue_domain::destination::Target;
use oncue_domain::event::Origin;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{
    EXCERPT_CHARS_MAX, EventFilter, EventLine, EventLines, EventPage, EventPlace, EventSearch, SEARCHED_MAX,
};
use oncue_domain::trigger::{Definition, Kind};

use crate::bench::{Bench, LASTING, answered, api, every, everywhere, given_up, t, webhook};

const NEWEST: EventPage = EventPage::NewestFirst(None);
const OLDEST: EventPage = EventPage::OldestFirst(None);

async fn search(bench: &Bench, owner: UserId, search: EventSearch, page: EventPage, limit: usize) -> EventLines {
    bench.store.event_lines(owner, search, page, limit).await.expect("a search")
}

async fn found(bench: &Bench, owner: UserId, what: EventSearch) -> Vec<EventId> {
    let lines = search(bench, owner, what, NEWEST, 100).await;
    assert_eq!(lines.gave_up_at, None);
    numbers(&lines.lines)
}

fn numbers(lines: &[EventLine]) -> Vec<EventId> {
    lines.iter().map(|line| line.id).collect()
}

fn place(line: &EventLine) -> EventPlace {
    EventPlace { fired_at: line.firing.fired_at, id: line.id }
}

fn outcome(outcome: Outcome) -> EventSearch {
    EventSearch { outcome: Some(outcome), ..EventSearch::default() }
}

fn text(text: &str) -> EventSearch {
    EventSearch { text: Some(text.to_owned()), ..EventSearch::default() }
}

fn of(trigger: TriggerId) -> EventFilter {
    EventFilter { trigger: Some(trigger), ..EventFilter::default() }
}

#[tokio::test]
async fn a_line_shows_everything_but_the_rest_of_a_long_payload() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let long = format!("\"{}\"", "ß".repeat(2 * EXCERPT_CHARS_MAX));
        let id = bench.trigger(owner, api("näme")).await.id;
        let event = bench.fire(owner, id, Some(&long), t(1)).await;
        let timed = bench.trigger(owner, Definition { name: None, ..every("1m") }).await.id;
        bench.fire_due(owner, timed, t(60)).await;
        let shown = search(&bench, owner, EventSearch::default(), OLDEST, 10).await;
        assert_eq!(shown.gave_up_at, None);
        let [called, scheduled] = shown.lines.try_into().expect("two lines");
        let stored = bench.events(owner).await;
        assert_eq!((called.id, called.trigger, called.name.as_str(), called.kind), (event, id, "näme", Kind::Api));
        assert_eq!(called.message_id, stored[0].message_id);
        assert_eq!(called.excerpt, long.chars().take(EXCERPT_CHARS_MAX).collect::<String>());
        assert_eq!((called.firing.event, called.firing.origin, called.firing.is_kept), (event, Origin::Api, true));
        assert_eq!((scheduled.name.as_str(), scheduled.kind, scheduled.excerpt.as_str()), ("", Kind::Scheduled, "{}"));
        assert_eq!((scheduled.firing.scheduled_at, scheduled.firing.fired_at), (Some(t(60)), t(60)));
        // Later edits and the trigger's end change nothing of it.
        let before = search(&bench, owner, EventSearch::default(), OLDEST, 10).await;
        let payload = Some(Payload::parse("[2]").expect("JSON"));
        let edit = bench.get(owner, id).await.trigger.edit(Definition { payload, ..api("new") }, None, t(70));
        bench.store.edit_trigger(edit, None, t(70)).await.expect("an edit");
        bench.store.delete_trigger(owner, timed, t(70)).await.expect("an answer");
        assert_eq!(search(&bench, owner, EventSearch::default(), OLDEST, 10).await, before);
    })
    .await;
}

#[tokio::test]
async fn each_outcome_is_found_as_long_as_it_holds() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let definition = Definition { webhook: Some(webhook("https://example.com/")), ..api("api") };
        let id = bench.trigger(owner, definition).await.id;
        let mut events = Vec::new();
        for seconds in 1..=4 {
            events.push(bench.fire(owner, id, None, t(seconds)).await);
        }
        let [delivered, failed, retried, pending] = events.clone().try_into().expect("four");
        let claims = bench.claim_all(t(5)).await;
        assert_ne!(claims[0].target, Target::Default);
        let settlements =
            vec![answered(&claims[0], 204, t(5)), given_up(&claims[1], t(5)), answered(&claims[2], 500, t(5))];
        bench.store.settle(settlements).await.expect("a settlement");
        assert_eq!(found(&bench, owner, outcome(Outcome::Delivered)).await, [delivered]);
        assert_eq!(found(&bench, owner, outcome(Outcome::Failed)).await, [failed]);
        assert_eq!(found(&bench, owner, outcome(Outcome::Pending)).await, [pending, retried]);
        assert_eq!(found(&bench, owner, outcome(Outcome::Logged)).await, []);
        let test = bench.store.fire(owner, id, bench.call(Origin::Test, None), t(6)).await.expect("a test");
        let later = bench.claim_all(t(1000)).await;
        bench.store.settle(later.iter().map(|claim| given_up(claim, t(1000))).collect()).await.expect("a settlement");
        let all_failed = found(&bench, owner, outcome(Outcome::Failed)).await;
        assert_eq!(all_failed.len(), 4, "a test that failed is found too, after {test:?}");
        let oldest = search(&bench, owner, outcome(Outcome::Failed), OLDEST, 2).await;
        assert_eq!(numbers(&oldest.lines), [failed, retried]);
        let rest = EventPage::OldestFirst(Some(place(&oldest.lines[1])));
        assert_eq!(
            numbers(&search(&bench, owner, outcome(Outcome::Failed), rest, 10).await.lines),
            all_failed[..2].iter().rev().copied().collect::<Vec<_>>()
        );
        let filter = EventFilter { fired_after: Some(t(2)), fired_until: Some(t(3)), ..of(id) };
        let between = EventSearch { filter, ..outcome(Outcome::Failed) };
        assert_eq!(found(&bench, owner, between).await, [retried]);
        bench.store.expire(t(3), t(2000), 10).await.expect("an answer");
        assert_eq!(found(&bench, owner, outcome(Outcome::Failed)).await, all_failed[..2]);
    })
    .await;
}

#[tokio::test]
async fn what_went_nowhere_is_found_as_logged() {
    for kind in LASTING {
        let bench = Bench::new(kind, false).await;
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let event = bench.fire(owner, id, None, t(1)).await;
        for of in Outcome::ALL {
            let expected = if of == Outcome::Logged { vec![event] } else { Vec::new() };
            assert_eq!(found(&bench, owner, outcome(of)).await, expected, "{of:?}");
        }
    }
}

#[tokio::test]
async fn text_is_found_in_names_and_payloads_whatever_the_case_of_its_letters() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let own = Some(Payload::parse("{\"city\":\"Rīga\"}").expect("JSON"));
        let named = bench.trigger(owner, api("Backup 100%")).await.id;
        let full = bench.trigger(owner, Definition { payload: own, name: None, ..api("") }).await.id;
        let by_name = bench.fire(owner, named, None, t(1)).await;
        let by_payload = bench.fire(owner, full, None, t(2)).await;
        let by_call = bench.fire(owner, full, Some("[\"BACK_UP\", \"it's\"]"), t(3)).await;
        assert_eq!(found(&bench, owner, text("backup")).await, [by_name]);
        assert_eq!(found(&bench, owner, text("BACK")).await, [by_call, by_name]);
        assert_eq!(found(&bench, owner, text("rīga")).await, [by_payload]);
        assert_eq!(
            found(&bench, owner, text("RĪGA")).await,
            [],
            "only the case of ASCII letters is left out of account"
        );
        assert_eq!(found(&bench, owner, text("100%")).await, [by_name], "no letter has a meaning of its own");
        assert_eq!(found(&bench, owner, text("k_u")).await, [by_call]);
        assert_eq!(found(&bench, owner, text("it's")).await, [by_call]);
        assert_eq!(found(&bench, owner, text("{}")).await, [by_name]);
        assert_eq!(found(&bench, owner, text("")).await, [by_call, by_payload, by_name]);
        let both = EventSearch { filter: of(full), ..text("back") };
        assert_eq!(found(&bench, owner, both).await, [by_call]);
        // An event is found by what it was called when it fired.
        let edit = bench.get(owner, named).await.trigger.edit(api("other"), None, t(4));
        bench.store.edit_trigger(edit, None, t(4)).await.expect("an edit");
        assert_eq!(found(&bench, owner, text("backup")).await, [by_name]);
        assert_eq!(found(&bench, owner, text("other")).await, []);
    })
    .await;
}

#[tokio::test]
async fn origin_trigger_and_time_narrow_a_search_together() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id);
        let mut fired = Vec::new();
        for seconds in 1..=4 {
            let id = if seconds % 2 == 0 { two } else { one };
            fired.push(bench.fire(owner, id, None, t(seconds)).await);
            bench.store.fire(owner, id, bench.call(Origin::Test, None), t(seconds)).await.expect("a test");
        }
        let by = |origin| EventSearch { origin: Some(origin), ..EventSearch::default() };
        assert_eq!(found(&bench, owner, by(Origin::Api)).await, fired.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(found(&bench, owner, by(Origin::Test)).await.len(), 4);
        assert_eq!(found(&bench, owner, by(Origin::CatchUp)).await, []);
        let filter = EventFilter { fired_after: Some(t(1)), fired_until: Some(t(3)), ..of(one) };
        assert_eq!(found(&bench, owner, EventSearch { filter, ..by(Origin::Api) }).await, [fired[2]]);
        let pending = EventSearch { filter, origin: Some(Origin::Api), ..outcome(Outcome::Pending) };
        assert_eq!(found(&bench, owner, pending).await, [fired[2]]);
    })
    .await;
}

#[tokio::test]
async fn pages_meet_without_a_gap_in_both_directions() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id);
        let mut expected = Vec::new();
        for number in 0..20 {
            // Several at the same instant.
            let id = if number % 3 == 0 { two } else { one };
            let event = bench.fire(owner, id, Some(&number.to_string()), t(number / 4)).await;
            if number % 3 != 0 {
                expected.push(event);
            }
        }
        for filter in [EventFilter::default(), of(one)] {
            for is_newest_first in [true, false] {
                let what = EventSearch { filter, text: Some("one".to_owned()), ..EventSearch::default() };
                let (mut seen, mut from) = (Vec::new(), None);
                loop {
                    let page =
                        if is_newest_first { EventPage::NewestFirst(from) } else { EventPage::OldestFirst(from) };
                    let lines = search(&bench, owner, what.clone(), page, 3).await.lines;
                    let Some(last) = lines.last() else { break };
                    from = Some(place(last));
                    seen.extend(numbers(&lines));
                }
                if is_newest_first {
                    seen.reverse();
                }
                assert_eq!(seen, expected);
            }
        }
        assert_eq!(search(&bench, owner, EventSearch::default(), NEWEST, 0).await.lines, []);
    })
    .await;
}

#[tokio::test]
async fn a_search_gives_up_and_says_how_far_it_looked() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let needle = bench.fire(owner, id, Some("\"needle\""), t(0)).await;
        let mut calls = Vec::new();
        for _ in 0..SEARCHED_MAX {
            let (store, call) = (bench.store.clone(), bench.call(Origin::Api, None));
            calls.push(tokio::spawn(async move { store.fire(owner, id, call, t(10)).await.expect("a call") }));
        }
        for call in calls {
            call.await.expect("no panic");
        }
        for filter in [EventFilter::default(), of(id)] {
            let what = EventSearch { filter, ..text("needle") };
            let first = search(&bench, owner, what.clone(), NEWEST, 10).await;
            assert_eq!(first.lines, []);
            let place = first.gave_up_at.expect("it looked at so many and at no more");
            assert_eq!(place.fired_at, t(10));
            let second = search(&bench, owner, what.clone(), EventPage::NewestFirst(Some(place)), 10).await;
            assert_eq!((numbers(&second.lines), second.gave_up_at), (vec![needle], None));
            // The last that it may look at is looked at, and what was found before counts.
            let found = search(&bench, owner, what, OLDEST, 10).await;
            assert_eq!(numbers(&found.lines), [needle]);
            assert!(found.gave_up_at.is_some());
            let after = EventSearch { filter: EventFilter { fired_after: Some(t(0)), ..filter }, ..text("needle") };
            assert_eq!(search(&bench, owner, after, NEWEST, 10).await.gave_up_at, None, "there was nothing beyond");
        }
        assert_eq!(found(&bench, owner, outcome(Outcome::Failed)).await, [], "none failed, so none is looked at");
        let counted = bench.store.count_events(owner, vec![EventFilter::default()], 1_000_000).await;
        assert_eq!(counted, Ok(vec![SEARCHED_MAX as u64 + 1]));
    })
    .await;
}

#[tokio::test]
async fn events_are_counted_up_to_a_number() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id);
        for seconds in 1..=5 {
            bench.fire(owner, if seconds > 3 { two } else { one }, None, t(seconds)).await;
        }
        let recent = EventFilter { fired_after: Some(t(2)), ..EventFilter::default() };
        let filters = vec![
            EventFilter::default(),
            of(one),
            of(two),
            of(TriggerId(999)),
            recent,
            EventFilter { fired_until: Some(t(4)), ..recent },
            EventFilter { trigger: Some(one), ..recent },
        ];
        let count = async |at_most| bench.store.count_events(owner, filters.clone(), at_most).await.expect("counts");
        assert_eq!(count(100).await, [5, 3, 2, 0, 3, 2, 1]);
        assert_eq!(count(2).await, [2, 2, 2, 0, 2, 2, 1]);
        assert_eq!(count(u64::MAX).await, [5, 3, 2, 0, 3, 2, 1]);
        assert_eq!(count(0).await, [0; 7]);
        assert_eq!(bench.store.count_events(owner, Vec::new(), 10).await, Ok(Vec::new()));
    })
    .await;
}
