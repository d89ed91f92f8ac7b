use jiff::SignedDuration;

use super::*;
use crate::actor::Actor;
use crate::agenda::SLOT;
use crate::destination::Webhook;
use crate::id::TriggerId;
use crate::overlap::Overlap;
use crate::schedule::any_of::{AnyOf, Member};
use crate::schedule::bounds::Bounds;
use crate::schedule::cron::CronExpression;
use crate::schedule::every::Period;
use crate::schedule::jitter::{Jitter, Share};
use crate::schedule::zone::Zones;
use crate::schedule::{FirstFiring, Schedule};
use crate::trigger::{MaxFires, ScheduleDetails, Terms};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at(text: &str) -> Timestamp {
    text.parse().expect("a test writes its instants well")
}

fn now() -> Timestamp {
    at("2026-11-21T10:00:00Z")
}

fn cron(line: &str, zone: &str) -> Schedule {
    let expression = CronExpression::parse(line).expect("a cron line");
    Schedule::Cron { expression, zone: Zones::bundled().get(zone).expect("a zone") }
}

fn every(period_s: u64) -> Schedule {
    let period = Period::from_seconds(period_s).expect("a period");
    Schedule::Every { period, anchor: now(), first: FirstFiring::OnePeriodLater }
}

/// A trigger that has waited since `since` and sends to these destinations.
fn head(id: i64, schedule: Schedule, since: Timestamp, goes_to: &[i64]) -> TriggerHead {
    TriggerHead {
        is_behind: false,
        id: TriggerId(id),
        name: None,
        next_at: schedule.next_after(since),
        fired: 0,
        schedule: Some(ScheduleDetails::plain(schedule, None)),
        webhook: None,
        destinations: goes_to.iter().map(|id| DestinationId(*id)).collect(),
        overlap: crate::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
        created_at: since,
    }
}

fn receiver(id: i64, rate: Option<(u32, u32)>) -> Receiver {
    let rate = rate.map(|(count, burst)| Rate { count, per: SignedDuration::from_secs(1), burst });
    Receiver { id: DestinationId(id), rate }
}

fn forecast(triggers: &[TriggerHead], receivers: &[Receiver], days: i64) -> Forecast {
    let span = Span { from: now(), until: now() + DAY * i32::try_from(days).expect("few") };
    Forecast::of(Fleet { triggers, receivers, freezes: &[] }, span, now())
}

#[test]
fn each_destination_gets_what_its_triggers_fire_and_a_rate_tells_who_waits() {
    let mut fleet: Vec<TriggerHead> = (1..=100).map(|id| head(id, cron("0 12 * * *", "UTC"), now(), &[1])).collect();
    fleet.push(head(101, every(3_600), now(), &[1, 2]));
    fleet.push(head(102, every(60), now(), &[]));
    let told = forecast(&fleet, &[receiver(1, Some((10, 10))), receiver(2, None), receiver(3, None)], 7);
    assert_eq!((told.total, told.triggers), (700 + 167 + 10_079, 102));
    let [one, two] = &told.loads[..] else { panic!("{:?}", told.loads) };
    assert_eq!((one.id, one.total, one.triggers), (DestinationId(1), 867, 101));
    assert_eq!((two.id, two.total, two.triggers, two.late), (DestinationId(2), 167, 1, 0));
    assert_eq!(one.busiest, Some((at("2026-11-21T12:00:00Z"), 101)));
    assert_eq!((one.late, one.rushes_total), (91 * 7, 7), "ten of a hundred and one go at once");
    let first = one.rushes.iter().min_by_key(|rush| rush.from).expect("seven");
    assert_eq!((first.from, first.until), (at("2026-11-21T12:00:00Z"), at("2026-11-21T12:00:09.1Z")));
    assert_eq!((first.late, first.late_max), (91, SignedDuration::from_millis(9_100)));
}

#[test]
fn what_goes_to_addresses_is_counted_for_them_by_the_quarter() {
    let url = |text: &str| Some(Webhook::parse(text, None).expect("an address"));
    let mut fleet: Vec<TriggerHead> = (1..=3).map(|id| head(id, cron("0 12 * * *", "UTC"), now(), &[1])).collect();
    fleet[0].webhook = url("https://b.example.com/");
    for (id, to) in [(4, "https://a.example.com/"), (5, "https://b.example.com/")] {
        fleet.push(TriggerHead { webhook: url(to), ..head(id, cron("7,20 13 * * *", "UTC"), now(), &[]) });
    }
    fleet.push(head(6, every(3_600), now(), &[]));
    let receivers = [receiver(1, None)];
    let told = forecast(&fleet, &receivers, 1);
    let of = |told: &Forecast| -> Vec<(Address, u64, u64)> {
        told.addressed.iter().map(|(address, load)| (address.clone(), load.total, load.triggers)).collect()
    };
    let own = |text: &str| Address::Own(text.to_owned());
    let expected = [(own("https://b.example.com/"), 3, 2), (own("https://a.example.com/"), 2, 1)];
    assert_eq!(of(&told), expected, "those that most triggers send to come first");
    assert_eq!((told.loads.len(), told.loads[0].total, told.addresses_unlisted), (1, 3, 0));
    let quarters: Vec<_> = told.addressed[0].1.quarters().collect();
    let noon = at("2026-11-21T12:00:00Z");
    let quarter = SignedDuration::from_mins(15);
    assert_eq!(quarters, [(noon, 1), (noon + quarter * 4, 1), (noon + quarter * 5, 1)]);
    let told = forecast(&fleet, &[Receiver::DEFAULT, receivers[0]], 1);
    let hourly = told.addressed[0].1.total;
    assert_eq!(
        (of(&told)[0].clone(), hourly >= 23),
        ((Address::Default, hourly, 1), true),
        "what names nothing goes there"
    );
    assert_eq!(of(&told)[1..], expected);
    let many: Vec<TriggerHead> = (1..=250)
        .map(|id| TriggerHead {
            webhook: url(&format!("https://example.com/{id}")),
            ..head(id, cron("0 12 * * *", "UTC"), now(), &[])
        })
        .collect();
    let told = forecast(&many, &[], 1);
    assert_eq!((told.addressed.len(), told.addresses_unlisted, told.total), (ADDRESSES_MAX, 50, 250));
}

#[test]
fn what_is_taken_as_even_has_the_same_numbers_and_what_is_beyond_that_its_number() {
    let fleet = [head(1, every(1), now(), &[1]), head(2, cron("0 0 * * *", "UTC"), now(), &[1])];
    let receivers = [receiver(1, Some((2, 2)))];
    let span = Span { from: now(), until: now() + DAY };
    let within = |steps_max| {
        Forecast::within(Fleet { triggers: &fleet, receivers: &receivers, freezes: &[] }, span, now(), steps_max)
    };
    let [exact, even, none] = [100_000, 200, 1].map(within);
    assert_eq!((exact.smoothed, even.smoothed, none.smoothed), (0, 1, 0));
    let load = |told: &Forecast| told.loads[0].clone();
    assert_eq!((load(&exact).total, load(&exact).uncounted), (86_400, 0));
    assert_eq!((load(&even).total, load(&even).uncounted), (86_400, 0));
    assert_eq!((load(&none).total, load(&none).uncounted), (86_400, 86_399));
    assert_eq!(load(&even).busiest.map(|(_, count)| count), load(&exact).busiest.map(|(_, count)| count));
    assert_eq!(load(&exact).late, 0, "two a second are more than one, and at midnight two come");
    let member = |schedule| Member { schedule, timezone: None };
    let several = AnyOf::kept(vec![member(cron("0 * * * *", "UTC")), member(cron("*/20 * * * *", "UTC"))]);
    let fleet = [head(1, Schedule::AnyOf(several), now(), &[1])];
    let within = |steps_max| {
        let fleet = Fleet { triggers: &fleet, receivers: &receivers, freezes: &[] };
        let told = Forecast::within(fleet, span, now(), steps_max);
        (told.loads[0].total, told.loads[0].uncounted)
    };
    assert_eq!((within(200), within(20)), ((71, 0), (71 + 23, 71 + 23)), "what is not counted is told at most");
}

#[test]
fn terms_that_leave_nothing_are_told_apart() {
    let under = |id: i64, terms| {
        let schedule = Some(ScheduleDetails::new(cron("0 9 * * *", "UTC"), None, terms, Zones::utc()));
        TriggerHead { schedule, next_at: None, ..head(id, every(60), now(), &[]) }
    };
    let until = |end: Timestamp| Terms { bounds: Bounds::new(None, Some(end)).expect("a span"), ..Terms::default() };
    let limited = Terms { max_fires: MaxFires::new(3), ..Terms::default() };
    let fleet = [
        under(1, until(now())),
        under(2, until(now() + SignedDuration::from_mins(1))),
        TriggerHead { fired: 3, ..under(3, limited) },
    ];
    let still: Vec<(usize, &str)> =
        forecast(&fleet, &[], 1).still.iter().map(|(which, why)| (*which, why.word())).collect();
    assert_eq!(still[..], [(1, "never_in_its_span"), (2, "max_fires"), (0, "ended")][..]);
}

#[test]
fn triggers_that_never_fire_are_told_with_why_and_those_that_did_or_are_called_are_not() {
    let hourly = || cron("0 * * * *", "UTC");
    let named = now() - SignedDuration::from_mins(10);
    let terms = Terms { jitter: Some(Jitter::parse("1h").expect("a window")), ..Terms::default() };
    let spread = ScheduleDetails::new(Schedule::Once { at: named }, None, terms, Zones::utc());
    let spread = spread.with_share(Some(Share::new(1 << 31)));
    // Named before the expiry, and due twenty minutes from now.
    let pending = TriggerHead { next_at: Some(spread.due_at(named)), ..head(9, hourly(), now(), &[]) };
    let pending = TriggerHead { schedule: Some(spread), ..pending };
    // Named before the expiry, and fires once its event has ended.
    let behind = head(10, hourly(), now() - SignedDuration::from_hours(2), &[]);
    let fleet = [
        head(1, hourly(), now(), &[]),
        TriggerHead { is_test: true, next_at: None, ..head(2, hourly(), now(), &[]) },
        TriggerHead { enabled: false, ..head(3, hourly(), now(), &[]) },
        TriggerHead { expires_at: Some(now()), ..head(4, hourly(), now(), &[]) },
        TriggerHead { expires_at: Some(at("2026-11-21T10:30:00Z")), next_at: None, ..head(5, hourly(), now(), &[]) },
        head(6, cron("0 0 1 1 *", "UTC"), at("2199-12-31T00:00:00Z"), &[]),
        TriggerHead { next_at: None, ..head(7, Schedule::Once { at: at("2026-11-21T09:00:00Z") }, now(), &[]) },
        TriggerHead { schedule: None, next_at: None, ..head(8, hourly(), now(), &[]) },
        TriggerHead { expires_at: Some(now()), ..pending },
        TriggerHead { overlap: Overlap::Queue, is_behind: true, expires_at: Some(now()), ..behind },
    ];
    let still: Vec<(usize, &str)> =
        forecast(&fleet, &[], 1).still.iter().map(|(which, why)| (*which, why.word())).collect();
    assert_eq!(still[..], [(4, "expires_before"), (5, "finished"), (2, "paused"), (3, "expired"), (1, "test")][..]);
}

#[test]
fn what_a_freeze_takes_is_not_foretold_and_where_that_is_all_it_says_so() {
    let fleet = [head(1, every(3_600), now(), &[4]), TriggerHead { enabled: false, ..head(2, every(60), now(), &[]) }];
    let told = |freezes: &[Freeze]| {
        let fleet = Fleet { triggers: &fleet, receivers: &[receiver(4, None)], freezes };
        let forecast = Forecast::of(fleet, Span { from: now(), until: now() + DAY }, now());
        let still: Vec<(usize, &str)> = forecast.still.iter().map(|(which, why)| (*which, why.word())).collect();
        (forecast.total, forecast.loads.len(), still)
    };
    let freeze = |until| [Freeze { owner: None, reason: None, from: now(), until, by: Actor::SYSTEM }];
    assert_eq!(told(&[]), (23, 1, vec![(1, "paused")]));
    assert_eq!(told(&freeze(Some(now() + SignedDuration::from_hours(5)))), (19, 1, vec![(1, "paused")]));
    assert_eq!(told(&freeze(None)), (0, 0, vec![(1, "paused"), (0, "frozen")]));
}

#[test]
fn changes_of_the_clocks_within_the_span_are_told_where_they_do_something() {
    let since = at("2027-03-10T00:00:00Z");
    let fleet = [
        head(1, cron("30 2 * * *", "America/New_York"), since, &[]),
        head(2, cron("30 2 * * *", "UTC"), since, &[]),
        head(3, cron("*/5 * * * *", "America/New_York"), since, &[]),
        head(4, cron("0 9 * * *", "America/New_York"), since, &[]),
        head(5, cron("30 2 * * *", "Europe/Riga"), since, &[]),
    ];
    let span = |days: i32| Span { from: since, until: since + DAY * days };
    let told = |days| Forecast::of(Fleet { triggers: &fleet, receivers: &[], freezes: &[] }, span(days), since).changes;
    let which = |days| told(days).iter().map(|change| change.which).collect::<Vec<_>>();
    assert_eq!(which(4), [] as [usize; 0], "it changes on the fifth day");
    assert_eq!(which(7), [0]);
    assert!(told(7)[0].change.sentence().contains("the firing of 02:30 comes at 03:00"), "{:?}", told(7));
}

#[test]
fn no_more_is_named_than_there_is_room_for_and_all_is_counted() {
    let paused = |id| TriggerHead { enabled: false, ..head(id, every(60), now(), &[]) };
    let fleet: Vec<TriggerHead> = (0..250).map(paused).collect();
    let told = forecast(&fleet, &[], 1);
    assert_eq!((told.still.len(), told.still_total, told.total), (STILL_MAX, 250, 0));
    assert_eq!(told.slots.len(), 96);
    assert!(told.slots.iter().all(|slot| slot.count == 0 && slot.from.as_second() % SLOT.as_secs() == 0));
}
