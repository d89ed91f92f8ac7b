use proptest::prelude::*;

use super::*;
use crate::id::UserId;
use crate::overlap::Overlap;
use crate::plan::plan;
use crate::schedule::any_of::{AnyOf, Member};
use crate::schedule::cron::CronExpression;
use crate::schedule::every::Period;
use crate::schedule::jitter::{Jitter, Share};
use crate::schedule::zone::Zones;
use crate::schedule::{FirstFiring, Schedule};
use crate::trigger::{Armed, Definition, MaxFires, ScheduleDetails, Terms, Trigger};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a test writes its instants well")
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

fn every(period_s: u64, anchor: Timestamp) -> Schedule {
    let period = Period::from_seconds(period_s).expect("a period");
    Schedule::Every { period, anchor, first: FirstFiring::AtAnchor }
}

fn cron(line: &str, zone: &str) -> Schedule {
    let expression = CronExpression::parse(line).expect("a cron line");
    Schedule::Cron { expression, zone: Zones::bundled().get(zone).expect("a zone") }
}

fn any_of(schedules: impl IntoIterator<Item = Schedule>) -> Schedule {
    Schedule::AnyOf(AnyOf::kept(schedules.into_iter().map(|schedule| Member { schedule, timezone: None }).collect()))
}

/// A trigger that waits for what comes after `since`.
fn armed(id: i64, schedule: Schedule, since: Timestamp) -> Armed {
    let definition = Definition {
        name: None,
        schedule: Some(ScheduleDetails::plain(schedule, None)),
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: crate::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    };
    let next_at = definition.next_after(since);
    let (id, owner) = (TriggerId(id), UserId(1));
    let trigger = Trigger { id, owner, revision: 1, definition, created_at: since, standing_since: since };
    Armed { trigger, next_at, fired: 0 }
}

/// The heads are never given back: an agenda borrows them, and a test ends soon.
fn waiting(fleet: &[Armed]) -> Vec<Waiting<'static>> {
    let heads: Vec<TriggerHead> = fleet.iter().map(TriggerHead::from).collect();
    heads.leak().iter().filter_map(|head| Waiting::of(head, Timestamp::MIN)).collect()
}

/// What is asked about the day, or so, from `from` on.
fn ask(now: Timestamp, from: Timestamp, length: SignedDuration) -> Question {
    Question { now, span: Span { from, until: from + length }, after: None, firings_max: usize::MAX }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The oracle: the engine, run until the end of the span. Gives what fires, and when.
fn engine(armed: &Armed, now: Timestamp, span: Span) -> Vec<(Timestamp, Timestamp)> {
    let (mut fired, mut next) = (Vec::new(), armed.next_at);
    while let Some(due) = next.filter(|due| armed.trigger.definition.enabled && *due.max(&now) < span.until) {
        let at = due.max(now);
        let plan = plan(&armed.trigger, due, at, &[]);
        fired.extend(plan.firings.iter().map(|firing| (firing.scheduled_at, at)));
        next = plan.next_at;
    }
    fired.retain(|(_, at)| *at >= span.from);
    fired
}

#[test]
fn the_row_is_in_order_of_time_and_then_of_triggers() {
    let now = at("2026-11-21T10:07:00Z");
    let fleet = [
        armed(3, cron("0 * * * *", "UTC"), now),
        armed(1, cron("0 12 * * *", "UTC"), now),
        armed(2, Schedule::Once { at: at("2026-11-21T11:30:00Z") }, now),
    ];
    let waiting = waiting(&fleet);
    let agenda = Agenda::of(&waiting, Question { firings_max: 4, ..ask(now, now, DAY) });
    let row: Vec<_> = agenda.firings.iter().map(|firing| (firing.at.to_string(), waiting[firing.which].id.0)).collect();
    let expected = [("11:00", 3), ("11:30", 2), ("12:00", 1), ("12:00", 3)];
    assert_eq!(row, expected.map(|(time, id)| (format!("2026-11-21T{time}:00Z"), id)));
    assert!(agenda.has_more);
    assert_eq!((agenda.total, agenda.triggers), (26, 3));
    let (first, last) = (agenda.slots[0], agenda.slots[agenda.slots.len() - 1]);
    assert_eq!((first.from, last.from), (at("2026-11-21T10:00:00Z"), at("2026-11-22T10:00:00Z")));
}

#[test]
fn what_fires_more_often_than_once_a_slot_is_counted_and_not_named() {
    let now = at("2026-11-21T10:00:00Z");
    let fleet = [armed(1, every(10, now), now), armed(2, cron("*/15 * * * *", "UTC"), now)];
    let agenda = Agenda::of(&waiting(&fleet), ask(now, now, DAY));
    let first = at("2026-11-21T10:00:10Z");
    assert_eq!(agenda.constant, [Constant { first: Firing { which: 0, due: first, at: first }, count: 8_639 }]);
    assert!(agenda.firings.iter().all(|firing| firing.which == 1) && agenda.firings.len() == 95);
    assert_eq!(agenda.slots.iter().map(|slot| slot.count).max(), Some(91));
}

#[test]
fn a_row_alone_names_what_fires_constantly_one_by_one_and_goes_on_behind_its_end() {
    let now = at("2026-11-21T10:00:00Z");
    let fleet = [armed(1, every(10, now), now), armed(2, cron("*/15 * * * *", "UTC"), now)];
    let waiting = waiting(&fleet);
    let whole = Row::of(&waiting, ask(now, now, DAY));
    assert_eq!((whole.firings.len(), whole.has_more), (8_639 + 95, false));
    let mut pages = Vec::new();
    let mut question = Question { firings_max: 1_000, ..ask(now, now, DAY) };
    loop {
        let row = Row::of(&waiting, question);
        question.after = row.firings.last().map(|last| Place { at: last.at, id: waiting[last.which].id });
        pages.extend(row.firings);
        if !row.has_more {
            break;
        }
    }
    assert_eq!(pages, whole.firings);
}

#[test]
fn a_short_life_of_many_firings_is_constant_too() {
    let now = at("2026-11-21T10:00:00Z");
    let mut fleet = [armed(1, every(10, now), now)];
    fleet[0].trigger.definition.expires_at = Some(now + seconds(600));
    let agenda = Agenda::of(&waiting(&fleet), ask(now, now, DAY));
    assert_eq!((agenda.constant[0].count, agenda.total), (59, 59), "the expiry itself does not fire");
}

#[test]
fn what_is_overdue_of_a_constant_trigger_that_has_expired_since_is_in_the_slot_of_the_present() {
    let now = at("2027-06-15T10:07:00Z");
    let mut fleet = [armed(1, cron("* * * * *", "UTC"), at("2027-06-15T09:33:59Z"))];
    fleet[0].trigger.definition.expires_at = Some(at("2027-06-15T10:00:00Z"));
    let agenda = Agenda::of(&waiting(&fleet), ask(now, now, seconds(600)));
    assert_eq!((agenda.constant[0].count, agenda.total), (26, 26));
    assert_eq!(agenda.slots.iter().map(|slot| slot.count).collect::<Vec<_>>(), [26, 0]);
}

#[test]
fn a_paused_a_finished_a_test_an_expired_and_a_called_trigger_never_fire() {
    let now = at("2026-11-21T10:00:00Z");
    let wait = armed(1, cron("0 * * * *", "UTC"), now);
    let head = TriggerHead::from(&wait);
    assert!(Waiting::of(&head, Timestamp::MIN).is_some());
    for still in [
        TriggerHead { next_at: None, ..head.clone() },
        TriggerHead { enabled: false, ..head.clone() },
        TriggerHead { is_test: true, ..head.clone() },
        TriggerHead { expires_at: head.next_at, ..head.clone() },
        TriggerHead { schedule: None, ..head },
    ] {
        assert!(Waiting::of(&still, Timestamp::MIN).is_none(), "{still:?}");
    }
}

#[test]
fn what_is_left_of_a_limit_is_all_that_comes() {
    let now = at("2026-11-21T10:00:00Z");
    let limited = |fired| {
        let Armed { mut trigger, next_at, .. } = armed(1, every(10, now), now);
        let terms = Terms { max_fires: MaxFires::new(50), ..Terms::default() };
        trigger.definition.schedule = Some(ScheduleDetails::new(every(10, now), None, terms, Zones::utc()));
        Armed { trigger, next_at, fired }
    };
    let told = |fired, late_s| {
        let (now, head) = (now + seconds(late_s), TriggerHead::from(&limited(fired)));
        let waiting: Vec<Waiting> = Waiting::of(&head, now).into_iter().collect();
        let total = Agenda::of(&waiting, ask(now, now, DAY)).total;
        let row: Vec<Timestamp> =
            Row::of(&waiting, ask(now, now, DAY)).firings.iter().map(|firing| firing.due).collect();
        assert_eq!(head.firings_to_come(now).collect::<Vec<_>>(), row, "fired {fired} times, {late_s} s late");
        (total, row.len())
    };
    assert_eq!([told(0, 0), told(49, 0), told(50, 0)], [(50, 50), (1, 1), (0, 0)]);
    // Three are overdue then: each fires, and they are named as one.
    assert_eq!([told(0, 35), told(46, 35), told(47, 35)], [(50, 48), (4, 2), (3, 1)]);
    assert_eq!([told(48, 35), told(49, 35), told(50, 35)], [(2, 1), (1, 1), (0, 0)]);
}

#[test]
fn what_is_spread_comes_when_it_falls_due() {
    let now = at("2026-11-21T10:00:00Z");
    let mut nine = armed(1, cron("0 9 * * *", "UTC"), now);
    let jitter = Some(Jitter::parse("40m").expect("a window"));
    let details =
        ScheduleDetails::new(cron("0 9 * * *", "UTC"), None, Terms { jitter, ..Terms::default() }, Zones::utc());
    nine.trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
    nine.next_at = nine.trigger.definition.next_after(now);
    let due = at("2026-11-22T09:20:00Z");
    assert_eq!(nine.next_at, Some(due));
    let agenda = Agenda::of(&waiting(std::slice::from_ref(&nine)), ask(now, now, DAY));
    assert_eq!(agenda.firings.iter().map(|firing| firing.due).collect::<Vec<_>>(), [due]);
    let full: Vec<_> = agenda.slots.iter().filter(|slot| slot.count > 0).map(|slot| slot.from).collect();
    assert_eq!(full, [at("2026-11-22T09:15:00Z")]);
    let later = TriggerHead::from(&nine).firings_to_come(now).nth(1);
    assert_eq!(later, Some(at("2026-11-23T09:20:00Z")));
    nine.trigger.definition.expires_at = Some(at("2026-11-22T09:05:00Z"));
    assert_eq!(Agenda::of(&waiting(&[nine]), ask(now, now, DAY)).total, 1, "it is named before the expiry");
}

#[test]
fn a_day_with_a_change_of_clocks_has_the_firings_that_it_has() {
    let autumn = (at("2026-10-24T21:00:00Z"), SignedDuration::from_hours(25));
    let spring = (at("2027-03-27T22:00:00Z"), SignedDuration::from_hours(23));
    let count = |line: &str, (from, length): (Timestamp, SignedDuration)| {
        let fleet = [armed(1, cron(line, "Europe/Riga"), from - seconds(60))];
        Agenda::of(&waiting(&fleet), ask(from - seconds(60), from, length)).total
    };
    assert_eq!((count("0 * * * *", autumn), count("0 * * * *", spring)), (25, 23));
    assert_eq!((count("30 3 * * *", autumn), count("30 3 * * *", spring)), (1, 1));
}

#[test]
fn many_in_one_second_are_a_burst_and_many_in_one_slot_a_peak() {
    let now = at("2026-11-21T10:00:00Z");
    let nine = |id| armed(id, cron("0 9 * * *", "UTC"), now);
    let fleet: Vec<Armed> = (1..=24).map(nine).chain([armed(25, cron("1 9 * * *", "UTC"), now)]).collect();
    let agenda = Agenda::of(&waiting(&fleet), ask(now, now, DAY));
    let rush = at("2026-11-22T09:00:00Z");
    assert_eq!(agenda.bursts, [Burst { at: rush, count: 24 }]);
    assert_eq!((agenda.burst_at(rush), agenda.burst_at(rush + seconds(60))), (Some(24), None));
    let peaks: Vec<_> =
        agenda.slots.iter().filter(|slot| slot.count >= agenda.peak_from).map(|slot| (slot.from, slot.count)).collect();
    assert_eq!(peaks, [(rush, 25)]);
    assert!(Agenda::of(&waiting(&fleet[..9]), ask(now, now, DAY)).bursts.is_empty());
}

#[test]
fn what_fires_constantly_does_not_hide_a_rush() {
    let now = at("2026-11-21T10:00:00Z");
    let nine = |id| armed(id, cron("0 9 * * *", "UTC"), now);
    let fleet: Vec<Armed> = [armed(100, every(10, now), now)].into_iter().chain((1..=24).map(nine)).collect();
    let agenda = Agenda::of(&waiting(&fleet), ask(now, now, DAY));
    let peaks: Vec<_> = agenda.slots.iter().filter(|slot| slot.count >= agenda.peak_from).collect();
    assert_eq!(peaks, [&Slot { from: at("2026-11-22T09:00:00Z"), count: 90 + 24 }]);
    let alone = Agenda::of(&waiting(&fleet[..1]), ask(now, now, DAY));
    assert!(alone.slots.iter().all(|slot| slot.count < alone.peak_from));
}

#[test]
fn what_the_bound_leaves_out_is_named_and_stays_in_the_total() {
    let now = at("2026-11-21T10:00:00Z");
    let fleet = [
        armed(1, cron("* * * * *", "UTC"), now),
        armed(2, cron("0 * * * *", "UTC"), now),
        armed(3, cron("*/20 * * * *", "UTC"), now),
    ];
    let agenda = Agenda::within(&waiting(&fleet), ask(now, now, DAY), 100);
    assert_eq!(agenda.uncounted, [Uncounted { which: 0, count: 1_439 }]);
    assert_eq!(agenda.total, 1_439 + 23 + 71);
    assert_eq!(agenda.slots.iter().map(|slot| slot.count).sum::<u64>(), 23 + 71);
}

#[test]
fn several_schedules_that_take_too_long_to_count_are_in_the_total_as_if_they_never_met() {
    let now = at("2026-11-21T10:00:00Z");
    let several = || any_of([cron("0 * * * *", "UTC"), cron("*/20 * * * *", "UTC")]);
    let fleet = [armed(1, several(), now), armed(2, several(), now), armed(3, several(), now)];
    let all = Agenda::of(&waiting(&fleet), ask(now, now, DAY));
    assert_eq!((all.total, all.uncounted.len()), (3 * 71, 0));
    // To count one of them 23 are looked at, for two schedules each.
    let agenda = Agenda::within(&waiting(&fleet), ask(now, now, DAY), 100);
    let counts: Vec<(usize, u64)> = agenda.uncounted.iter().map(|one| (one.which, one.count)).collect();
    assert_eq!((counts, agenda.total), (vec![(0, 71), (1, 71), (2, 71 + 23)], 71 + 71 + 94));
}

#[test]
fn a_span_has_an_end_and_a_past_one_is_empty() {
    let now = at("2026-11-21T10:00:00Z");
    let fleet = [armed(1, cron("0 9 * * *", "UTC"), now)];
    let long = Agenda::of(&waiting(&fleet), ask(now, now, SignedDuration::from_hours(24 * 400)));
    assert_eq!((long.total, long.slots.len()), (32, 32 * 96));
    let past = Agenda::of(&waiting(&fleet), ask(now, now - DAY * 2, DAY));
    assert_eq!((past.total, past.firings.len(), past.slots.len()), (0, 0, 0));
}

#[test]
fn an_empty_span_still_knows_what_comes_after_it() {
    let now = at("2026-11-21T10:00:00Z");
    let fleet = [armed(2, cron("0 0 1 1 *", "UTC"), now), armed(1, cron("0 0 24 12 *", "UTC"), now)];
    let waiting = waiting(&fleet);
    assert_eq!(Agenda::of(&waiting, ask(now, now, DAY)).total, 0);
    let first = earliest_from(&waiting, now + DAY, now).expect("both come");
    assert_eq!((first.which, first.at), (1, at("2026-12-24T00:00:00Z")));
}

fn schedules(now: Timestamp) -> impl Strategy<Value = Schedule> {
    #[rustfmt::skip]
    let lines = ["* * * * *", "*/7 * * * *", "*/15 * * * *", "0 * * * *", "30 1,2,3 * * *", "0 9 * * 1-5", "*/5 2 * * *", "15 */3 * * *", "*/50 * 1-4 * * *", "0 0 1 * *"];
    let zones = ["UTC", "Europe/Riga", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
    prop_oneof![
        (-90_000i64..300_000).prop_map(move |away| Schedule::Once { at: now + seconds(away) }),
        (60u64..100_000, -90_000i64..200_000).prop_map(move |(period, away)| every(period, now + seconds(away))),
        (proptest::sample::select(lines.to_vec()), proptest::sample::select(zones.to_vec()))
            .prop_map(|(line, zone)| cron(line, zone)),
        (proptest::sample::select(lines.to_vec()), proptest::sample::select(zones.to_vec()))
            .prop_map(move |(line, zone)| any_of([cron(line, "UTC"), cron("15 */3 * * *", zone), every(5_400, now)])),
    ]
}

fn fleets() -> impl Strategy<Value = (Timestamp, Vec<Armed>)> {
    // Shortly before the clocks change in Riga, in New York and on Lord Howe, and at no special time.
    let instants = ["2026-10-24T22:47:13Z", "2026-11-01T00:00:00Z", "2026-10-03T09:59:59.5Z", "2027-06-15T10:07:00Z"];
    proptest::sample::select(instants.map(at).to_vec()).prop_flat_map(|now| {
        let one = (
            schedules(now),
            prop_oneof![4 => Just(0i64), 1 => 0i64..120_000],
            proptest::option::weighted(0.3, -1_000i64..200_000),
            proptest::bool::weighted(0.9),
        );
        (Just(now), proptest::collection::vec(one, 0..9)).prop_map(|(now, fleet)| {
            let member = |(id, (schedule, lag, expires, enabled)): (usize, (Schedule, i64, Option<i64>, bool))| {
                let mut member = armed(i64::try_from(id).expect("few"), schedule, now - seconds(lag));
                member.trigger.definition.enabled = enabled;
                member.trigger.definition.expires_at = expires.map(|away| now + seconds(away));
                let lives = |next: &Timestamp| member.trigger.definition.lives_at(*next);
                member.next_at = member.next_at.filter(lives);
                member
            };
            (now, fleet.into_iter().enumerate().map(member).collect())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_agenda_is_what_the_engine_fires(
        (now, fleet) in fleets(),
        away in prop_oneof![2 => Just(0i64), 1 => 0i64..100_000],
        length in 600i64..200_000,
        page in 1usize..40,
    ) {
        let question = ask(now, now + seconds(away), seconds(length));
        let waiting = waiting(&fleet);
        let agenda = Agenda::of(&waiting, question);
        let (mut row, mut slots) = (Vec::new(), vec![0; agenda.slots.len()]);
        let mut in_second = std::collections::BTreeMap::new();
        let (mut total, mut triggers) = (0, 0);
        for member in &fleet {
            let fired = engine(member, now, question.span);
            total += fired.len() as u64;
            triggers += usize::from(!fired.is_empty());
            for (_, at) in &fired {
                let index = agenda.slots.iter().rposition(|slot| slot.from <= *at).expect("every firing has a slot");
                slots[index] += 1;
            }
            let which = waiting.iter().position(|one| one.id == member.trigger.id);
            let constant = agenda.constant.iter().find(|constant| Some(constant.first.which) == which);
            if let Some(constant) = constant {
                prop_assert_eq!(constant.count, fired.len() as u64);
                prop_assert_eq!((constant.first.due, constant.first.at), fired[0]);
            } else {
                for (due, at) in fired {
                    *in_second.entry(at.as_second()).or_insert(0) += 1;
                    row.push((Place { at, id: member.trigger.id }, due));
                }
            }
        }
        row.sort();
        // What is overdue is one line for each trigger.
        row.dedup_by_key(|(place, _)| *place);
        let place = |firing: &Firing| (Place { at: firing.at, id: waiting[firing.which].id }, firing.due);
        let found: Vec<_> = agenda.firings.iter().map(place).collect();
        prop_assert_eq!(&found, &row);
        prop_assert_eq!((agenda.total, agenda.triggers, agenda.uncounted.len()), (total, triggers, 0));
        prop_assert_eq!(agenda.slots.iter().map(|slot| slot.count).collect::<Vec<_>>(), slots);
        in_second.retain(|_, count| *count >= BURST_FROM);
        let bursts: Vec<_> = agenda.bursts.iter().map(|burst| (burst.at.as_second(), burst.count)).collect();
        prop_assert_eq!(bursts, in_second.into_iter().collect::<Vec<_>>());

        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let part = Agenda::of(&waiting, Question { after, firings_max: page, ..question });
            prop_assert!(part.firings.len() <= page && paged.len() <= row.len());
            paged.extend(part.firings.iter().map(place));
            after = paged.last().map(|(place, _)| *place);
            if !part.has_more {
                break;
            }
        }
        prop_assert_eq!(&paged, &row, "a page after the other gives the whole row");
    }
}

#[test]
fn of_what_waits_for_an_event_to_end_none_is_to_come_or_the_latest() {
    let (start, now) = (at("2026-11-21T10:00:00Z"), at("2026-11-21T11:00:30Z"));
    let minute = |count: i64| start + seconds(60 * count);
    let named = |overlap: Overlap, is_behind: bool| -> Vec<Timestamp> {
        let head: TriggerHead = (&armed(1, every(60, start), start)).into();
        let expires_at = Some(minute(62) + seconds(1));
        let head = TriggerHead { next_at: Some(minute(1)), overlap, is_behind, expires_at, ..head };
        let span = Span { from: now, until: now + seconds(3_600) };
        let waiting: Vec<Waiting> = Waiting::of(&head, now).into_iter().collect();
        let row = Row::of(&waiting, Question { now, span, after: None, firings_max: 10 });
        let dues: Vec<Timestamp> = row.firings.iter().map(|firing| firing.due).collect();
        assert_eq!(head.firings_to_come(now).collect::<Vec<_>>(), dues);
        assert_eq!(head.is_overdue(now), !is_behind);
        dues
    };
    assert_eq!(named(Overlap::Skip, true), [minute(61), minute(62)]);
    assert_eq!(named(Overlap::Queue, true), [minute(60), minute(61), minute(62)]);
    let head: TriggerHead = (&armed(1, every(60, start), start)).into();
    let expired = TriggerHead {
        next_at: Some(minute(1)),
        overlap: Overlap::Queue,
        is_behind: true,
        expires_at: Some(minute(7)),
        ..head
    };
    assert_eq!(expired.firings_to_come(now).collect::<Vec<_>>(), [minute(6)], "the latest before it expired");
    for overlap in Overlap::ALL {
        assert_eq!(named(overlap, false), [minute(1), minute(61), minute(62)], "it is only late");
    }

    let mut spread = armed(1, every(60, start), start);
    let terms = Terms { jitter: Some(Jitter::parse("1m").expect("a window")), ..Terms::default() };
    let details = ScheduleDetails::new(every(60, start), None, terms, Zones::utc());
    spread.trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
    let first = |overlap: Overlap| {
        let head = TriggerHead { next_at: Some(minute(1) + seconds(30)), overlap, ..(&spread).into() };
        TriggerHead { is_behind: true, ..head }.first_to_fire(minute(60) + seconds(10))
    };
    assert_eq!(first(Overlap::Skip), Some(minute(60) + seconds(30)), "its time has come, and it is not due");
    assert_eq!(first(Overlap::Queue), Some(minute(59) + seconds(30)));
}
