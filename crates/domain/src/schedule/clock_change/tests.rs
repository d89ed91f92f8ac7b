//! The sentences, and that they say what the schedule really does.

use super::*;
use crate::schedule::FirstFiring;
use crate::schedule::cron::CronExpression;
use crate::schedule::every::Period;
use crate::schedule::zone::Zones;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a test writes its instants well")
}

fn zone(name: &str) -> Zone {
    Zones::bundled().get(name).expect("a zone of the bundled copy")
}

fn cron(text: &str, zone: &Zone) -> Schedule {
    let expression = CronExpression::parse(text).expect("a test writes its lines well");
    Schedule::Cron { expression, zone: zone.clone() }
}

fn every(period: &str) -> Schedule {
    let period = Period::parse(period).expect("a test writes its periods well");
    Schedule::Every { period, anchor: at("2026-01-01T08:00:00Z"), first: FirstFiring::AtAnchor }
}

#[test]
fn the_next_change_is_told_with_what_it_does() {
    const WINTER: &str = "2027-01-10T00:00:00Z";
    const SUMMER: &str = "2026-07-10T00:00:00Z";
    const BERLIN: &str = "Europe/Berlin";
    const NEW_YORK: &str = "America/New_York";
    const SPRING_BERLIN: &str = "On Sun 28 Mar 2027 clocks go forward from 02:00 to 03:00: ";
    const AUTUMN_BERLIN: &str = "On Sun 25 Oct 2026 clocks go back from 03:00 to 02:00: ";
    const AUTUMN_NEW_YORK: &str = "On Sun 1 Nov 2026 clocks go back from 02:00 to 01:00: ";
    #[rustfmt::skip]
    let rows = [
        ("30 2 * * *", BERLIN, WINTER, SPRING_BERLIN, "the firing of 02:30 comes at 03:00."),
        ("30 2 * * *", BERLIN, SUMMER, AUTUMN_BERLIN, "it fires once although 02:30 comes twice."),
        ("15 30 2 * * *", BERLIN, WINTER, SPRING_BERLIN, "the firing of 02:30:15 comes at 03:00."),
        ("0,30 2 * * *", BERLIN, WINTER, SPRING_BERLIN, "the 2 firings from 02:00 on that are skipped come as one, at 03:00."),
        ("0,30 2 * * *", BERLIN, SUMMER, AUTUMN_BERLIN, "each of the 2 firings between 02:00 and 03:00 comes once although the hour comes twice."),
        ("0 9 * * *", BERLIN, WINTER, SPRING_BERLIN, "it keeps its times on the wall clock."),
        ("30 2 * * 1", BERLIN, WINTER, SPRING_BERLIN, "it keeps its times on the wall clock."),
        ("*/15 * * * *", BERLIN, WINTER, SPRING_BERLIN, "it follows elapsed time, and the 4 firings between 02:00 and 03:00 do not come."),
        ("*/15 * * * *", BERLIN, SUMMER, AUTUMN_BERLIN, "it follows elapsed time, and the 4 firings between 02:00 and 03:00 come both times."),
        ("0 * * * *", BERLIN, WINTER, SPRING_BERLIN, "the firing of 02:00 does not come."),
        ("0 * * * *", BERLIN, SUMMER, AUTUMN_BERLIN, "the firing of 02:00 comes both times."),
        ("*/10 9 * * *", BERLIN, SUMMER, AUTUMN_BERLIN, "it follows elapsed time and fires on without a break."),
        ("30 1 * * *", NEW_YORK, SUMMER, AUTUMN_NEW_YORK, "it fires once although 01:30 comes twice."),
        ("30 1 1 11 *", NEW_YORK, SUMMER, AUTUMN_NEW_YORK, "it fires once although 01:30 comes twice."),
        ("0 2 * * *", NEW_YORK, SUMMER, AUTUMN_NEW_YORK, "it keeps its times on the wall clock."),
        ("15 2 * * *", "Australia/Lord_Howe", SUMMER, "On Sun 4 Oct 2026 clocks go forward from 02:00 to 02:30: ", "the firing of 02:15 comes at 02:30."),
    ];
    for (text, name, after, change, effect) in rows {
        let zone = zone(name);
        let said = ClockChange::next(&cron(text, &zone), &zone, at(after)).expect("the clocks change").sentence();
        assert_eq!(said, format!("{change}{effect}"), "{text} in {name}");
    }
}

#[test]
fn a_period_follows_elapsed_time() {
    let zone = zone("Europe/Berlin");
    let effect = |period: &str, after: &str| {
        let said = ClockChange::next(&every(period), &zone, at(after)).expect("the clocks change").sentence();
        said.split_once(": ").map(|(_, effect)| effect.to_owned()).expect("a change and its effect")
    };
    let (winter, summer) = ("2027-01-10T00:00:00Z", "2026-07-10T00:00:00Z");
    for period in ["10s", "15m", "1h"] {
        assert_eq!(effect(period, winter), "it follows elapsed time and fires on without a break.", "{period}");
    }
    let (later, earlier) = ("fires an hour later from then on.", "fires an hour earlier from then on.");
    assert!(effect("24h", winter).ends_with(later), "{}", effect("24h", winter));
    assert!(effect("7d", summer).ends_with(earlier), "{}", effect("7d", summer));
}

#[test]
fn a_skipped_day_does_not_fire_afterwards() {
    let apia = zone("Pacific/Apia");
    let change = ClockChange::next(&cron("0 9 * * *", &apia), &apia, at("2011-12-15T00:00:00Z")).expect("a change");
    assert_eq!((change.at, change.is_forward()), (at("2011-12-30T10:00:00Z"), true));
    assert!(matches!(change.effect, Effect::LeftOut { count: 1, .. }), "{change:?}");
}

#[test]
fn there_is_nothing_to_tell_without_a_change_or_without_a_firing_after_it() {
    let (utc, berlin, tokyo) = (Zones::utc(), zone("Europe/Berlin"), zone("Asia/Tokyo"));
    let after = at("2027-01-10T00:00:00Z");
    assert_eq!(ClockChange::next(&cron("0 9 * * *", &utc), &utc, after), None);
    assert_eq!(ClockChange::next(&cron("0 9 * * *", &tokyo), &tokyo, after), None);
    assert_eq!(ClockChange::next(&Schedule::Once { at: at("2027-04-01T00:00:00Z") }, &berlin, after), None);
    let last = at("2199-12-30T00:00:00Z");
    assert_eq!(ClockChange::next(&cron("0 9 * * *", &berlin), &berlin, last), None);
}

/// The number of firings in the hours around a change, against the same hours a week before, when no clock moved.
#[test]
fn what_is_said_is_what_happens() {
    for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Atlantic/Azores"] {
        let zone = zone(name);
        for text in
            ["30 2 * * *", "15 0 * * *", "30 1 * * *", "*/15 * * * *", "0 * * * *", "0,15,45 1,2 * * *", "0 12 * * *"]
        {
            let schedule = cron(text, &zone);
            let mut after = at("2026-02-01T00:00:00Z");
            for _ in 0..4 {
                let change = ClockChange::next(&schedule, &zone, after).expect("the clocks change");
                // A day by the wall clock around the change holds as many named times as any other day of the week.
                let day = change.old_wall.date().min(change.new_wall.date());
                let midnight = |days: i64| {
                    let date = day.checked_add(jiff::Span::new().days(days)).expect("a date");
                    zone.time_zone().to_zoned(date.at(0, 0, 0, 0)).expect("a midnight").timestamp()
                };
                let firings = |from: i64| {
                    let micros = SignedDuration::from_micros(1);
                    schedule.count_in(midnight(from) - micros, midnight(from + 2) - micros)
                };
                let plain = firings(-7);
                let expected = match &change.effect {
                    Effect::KeepsWallTime | Effect::Elapsed | Effect::OnFirstPass { .. } => plain,
                    Effect::AfterGap { count, .. } => {
                        // They come as one, and as none where a named time is at the end of the gap anyway.
                        let named = schedule.next_after(change.at - SignedDuration::from_micros(1)) == Some(change.at)
                            && matches!(&schedule, Schedule::Cron { expression, .. }
                                if expression.walls_between(wall_of(change.new_wall)..wall_of(change.new_wall) + 1).1 == 1);
                        plain - count + u64::from(!named)
                    }
                    Effect::LeftOut { count, .. } => plain - count,
                    Effect::OnBothPasses { count, .. } => plain + count,
                    Effect::Shifted => panic!("a line never shifts"),
                };
                assert_eq!(firings(0), expected, "{text} in {name}: {}", change.sentence());
                after = change.at;
            }
        }
    }
}

fn wall_of(wall: DateTime) -> Wall {
    Offset::UTC.to_timestamp(wall).expect("in range").as_second()
}

#[test]
fn a_rule_that_somebody_chose_is_told_as_it_is() {
    let berlin = zone("Europe/Berlin");
    let effect = |text: &str, rule, after: &str| {
        let expression = CronExpression::parse(text).expect("a test writes its lines well").with_rule(rule);
        let schedule = Schedule::Cron { expression, zone: berlin.clone() };
        let said = ClockChange::next(&schedule, &berlin, at(after)).expect("the clocks change").sentence();
        said.split_once(": ").map(|(_, effect)| effect.to_owned()).expect("a change and its effect")
    };
    let (winter, summer) = ("2027-01-10T00:00:00Z", "2026-07-10T00:00:00Z");
    let left_out = Rule { gap: Gap::LeftOut, fold: Fold::FirstPass };
    let twice = Rule { gap: Gap::AtItsEnd, fold: Fold::BothPasses };
    #[rustfmt::skip]
    let rows = [
        ("30 2 * * *", left_out, winter, "the firing of 02:30 does not come."),
        ("0,30 2 * * *", left_out, winter, "the 2 firings between 02:00 and 03:00 do not come."),
        ("0,30 2 * * *", left_out, summer, "each of the 2 firings between 02:00 and 03:00 comes once although the hour comes twice."),
        ("0,30 2 * * *", twice, winter, "the 2 firings from 02:00 on that are skipped come as one, at 03:00."),
        ("0,30 2 * * *", twice, summer, "the 2 firings between 02:00 and 03:00 come both times."),
        ("*/15 * * * *", Rule::FIXED, winter, "the 4 firings from 02:00 on that are skipped come as one, at 03:00."),
        ("*/15 * * * *", Rule::FIXED, summer, "each of the 4 firings between 02:00 and 03:00 comes once although the hour comes twice."),
        ("0 9 * * *", twice, winter, "it keeps its times on the wall clock."),
    ];
    for (text, rule, after, expected) in rows {
        assert_eq!(effect(text, rule, after), expected, "{text} by {rule:?}");
    }
}
