//! What terms, the clocks and exceptions took away, one instant at a time and counted over a span.

use super::super::taken::{TAKEN_MAX, Taken};
use super::*;
use crate::schedule::any_of::{AnyOf, Member};
use crate::schedule::rule::Gap;
use jiff::civil::date;

fn on(schedule: Schedule, terms: Terms) -> Case {
    let zone = schedule.wall_zone().cloned().unwrap_or_else(Zones::utc);
    let mut case = Case { gone_until: Timestamp::MIN, ..Case::of(Some(schedule.clone())) };
    case.armed.trigger.definition.schedule = Some(ScheduleDetails::new(schedule, None, terms, zone));
    // It was made long before the clocks went back.
    (case.armed.trigger.created_at, case.armed.trigger.standing_since) =
        (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
    case
}

fn by(case: &Case, asked: &str) -> Option<(&'static str, String)> {
    case.account(asked).taken_by.map(|by| (by.word(), by.value()))
}

fn told(case: &Case, from: &str, until: &str) -> Vec<(&'static str, String, String, String, u64)> {
    let told = SpanAccount::of(case.facts(), Span { from: at(from), until: at(until) });
    assert_eq!(told.taken_count(), told.taken_away.iter().map(|taken| taken.count).sum::<u64>());
    let line = |taken: &Taken| {
        let (first, last) = (taken.first.to_string(), taken.last.to_string());
        (taken.by.word(), taken.by.value(), first, last, taken.count)
    };
    told.taken_away.iter().map(line).collect()
}

fn some(word: &'static str, value: &str) -> Option<(&'static str, String)> {
    Some((word, value.to_owned()))
}

fn line(
    word: &'static str,
    value: &str,
    (first, last): (&str, &str),
    count: u64,
) -> (&'static str, String, String, String, u64) {
    (word, value.to_owned(), first.to_owned(), last.to_owned(), count)
}

#[test]
fn start_end_and_excluded_dates_say_which_and_how_many() {
    let bounds = Bounds::new(Some(at("2026-12-02T00:00:00Z")), Some(at("2026-12-08T00:00:00Z"))).expect("a span");
    let excluded = ExcludedDates::new([date(2026, 12, 4), date(2026, 12, 5)]).expect("two dates");
    let terms = Terms { bounds, excluded, ..Terms::default() };
    let case = on(cron("0 9 * * *", "UTC"), terms);
    assert_eq!(by(&case, "2026-12-01T09:00:00Z"), some("starts_at", "2026-12-02T00:00:00Z"));
    assert_eq!(by(&case, "2026-12-04T09:00:00Z"), some("excluded_date", "2026-12-04"));
    assert_eq!(by(&case, "2026-12-08T09:00:00Z"), some("ends_at", "2026-12-08T00:00:00Z"));
    assert_eq!(by(&case, "2026-12-04T10:00:00Z"), None, "the line does not name it anyway");
    assert_eq!(by(&case, "2026-12-06T09:00:00Z"), None, "it will fire");
    let at_nine = |day: u32| format!("2026-12-{day:02}T09:00:00Z");
    let one = |word, value: &str, day| line(word, value, (&at_nine(day), &at_nine(day)), 1);
    assert_eq!(
        told(&case, "2026-11-30T00:00:00Z", "2026-12-11T00:00:00Z"),
        [
            line("starts_at", "2026-12-02T00:00:00Z", ("2026-11-30T09:00:00Z", "2026-12-01T09:00:00Z"), 2),
            one("excluded_date", "2026-12-04", 4),
            one("excluded_date", "2026-12-05", 5),
            line("ends_at", "2026-12-08T00:00:00Z", (&at_nine(8), &at_nine(10)), 3),
        ]
    );
    assert_eq!(told(&case, "2026-12-06T00:00:00Z", "2026-12-07T00:00:00Z"), []);
}

#[test]
fn the_clocks_take_what_they_leave_out_and_what_they_show_again() {
    let left_out = Terms { gap: Some(Gap::LeftOut), ..Terms::default() };
    let night = |terms| on(cron("30 3 * * *", "Europe/Riga"), terms);
    // The clocks of Riga went from 03:00 to 04:00 on 29 March, and back on 25 October.
    let gap = night(left_out);
    assert_eq!(by(&gap, "2026-03-29T01:00:00Z"), some("gap", "2026-03-29T03:30:00"));
    assert_eq!(by(&gap, "2026-03-29T03:30"), some("gap", "2026-03-29T03:30:00"), "as it stands on the wall");
    assert_eq!(by(&gap, "2026-03-29T03:20"), some("gap", "2026-03-29T03:30:00"), "what the clocks left out then");
    let jump = "2026-03-29T01:00:00Z";
    assert_eq!(
        told(&gap, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
        [line("gap", "2026-03-29T03:30:00", (jump, jump), 1)]
    );
    let made_up = night(Terms::default());
    assert_eq!(by(&made_up, "2026-03-29T03:30"), None, "it fired right after");
    assert_eq!(told(&made_up, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), []);
    let again = "2026-10-25T01:30:00Z";
    assert_eq!(by(&made_up, again), some("fold", "2026-10-25T03:30:00"));
    assert_eq!(
        told(&made_up, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        [line("fold", "2026-10-25T03:30:00", (again, again), 1)]
    );
    assert_eq!(told(&made_up, "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"), [], "it lies behind the end");
    assert_eq!(told(&made_up, "2026-10-25T01:15:00Z", "2026-10-25T03:30:00Z").len(), 1, "the hour has begun before");
    let wild = on(cron("*/5 * * * *", "Europe/Riga"), Terms::default());
    assert_eq!(told(&wild, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"), [], "elapsed time loses nothing");
}

#[test]
fn exceptions_of_a_rule_and_members_of_several_schedules_are_told() {
    let riga = zone("Europe/Riga");
    let rule = |text: &str| {
        let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
        let start = Start { wall: date(2026, 11, 1).at(9, 0, 0, 0), is_told: false };
        Schedule::Recurrence(Recurrence::new(text, start, riga.clone()).into())
    };
    let friday = "2026-11-27T07:00:00Z";
    let lines = "DTSTART:20261101T090000\nRRULE:FREQ=DAILY;BYHOUR=9,10\nEXDATE:20261127T090000";
    let case = on(rule(lines), Terms::default());
    assert_eq!(by(&case, friday), some("exception", "2026-11-27T09:00:00"));
    assert_eq!(
        told(&case, "2026-11-26T00:00:00Z", "2026-11-29T00:00:00Z"),
        [line("exception", "2026-11-27T09:00:00", (friday, friday), 1)]
    );
    let member = |schedule| Member { schedule, timezone: None };
    let with =
        |other: Schedule| on(Schedule::AnyOf(AnyOf::kept(vec![member(rule(lines)), member(other)])), Terms::default());
    let beside = with(cron("0 12 * * *", "Europe/Riga"));
    assert_eq!(by(&beside, friday), some("exception", "2026-11-27T09:00:00"));
    assert_eq!(told(&beside, "2026-11-26T00:00:00Z", "2026-11-29T00:00:00Z").len(), 1);
    let over = with(cron("0 9 * * *", "Europe/Riga"));
    assert_eq!(by(&over, friday), None, "another of them names it");
    assert_eq!(told(&over, "2026-11-26T00:00:00Z", "2026-11-29T00:00:00Z"), []);
}

#[test]
fn a_span_stops_where_more_is_taken_than_is_told_together() {
    let first = date(2027, 1, 1);
    let days = (0..1_000).map(|day| first + jiff::Span::new().days(day * 2));
    let excluded = ExcludedDates::new(days).expect("as many as may be");
    let few = ExcludedDates::new([date(2026, 12, 24), date(2026, 12, 26)]).expect("two dates");
    let holidays = Observed { calendar: CalendarId(4), revision: 1, name: "holidays".to_owned(), dates: few };
    let terms = Terms { excluded, calendars: vec![holidays.into()], ..Terms::default() };
    let case = on(cron("0 9 * * *", "UTC"), terms);
    let span = Span { from: at("2026-12-01T00:00:00Z"), until: at("2040-01-01T00:00:00Z") };
    let told = SpanAccount::of(case.facts(), span);
    assert_eq!((told.taken_away.len(), told.taken_away[0].by.calendars().len()), (TAKEN_MAX, 1));
    let stop = told.stopped_at.expect("there is more");
    let rest = SpanAccount::of(case.facts(), Span { from: stop, ..span });
    assert_eq!((rest.taken_away.len(), rest.stopped_at), (2, None));
    assert!(told.taken_away[TAKEN_MAX - 1].last < rest.taken_away[0].first);
}

/// Over the days on which the clocks go back, quarter by quarter: whatever is told of a span is what each instant is told of.
#[test]
fn a_span_counts_what_each_instant_says() {
    let excluded = ExcludedDates::new([date(2026, 10, 24), date(2026, 10, 27)]).expect("two dates");
    let bounds = Bounds::new(Some(at("2026-10-22T10:00:00Z")), Some(at("2026-10-28T10:00:00Z"))).expect("a span");
    let terms = Terms { bounds, excluded, ..Terms::default() };
    for text in ["15,45 2-5 * * *", "0 0 * * *", "30 3 * * SUN", "45 23 * * *"] {
        let case = on(cron(text, "Europe/Riga"), terms.clone());
        let (from, until) = (at("2026-10-20T00:00:00Z"), at("2026-10-31T00:00:00Z"));
        let span = SpanAccount::of(case.facts(), Span { from, until });
        let mut counted = 0;
        let mut instant = from;
        while instant < until {
            let account = Account::of(case.facts(), Asked::instant(instant), &case.zone);
            let runs: Vec<&Taken> =
                span.taken_away.iter().filter(|taken| taken.first <= instant && instant <= taken.last).collect();
            if let Some(by) = account.taken_by {
                counted += 1;
                assert_eq!(runs.len(), 1, "{text} at {instant}");
                assert_eq!(runs[0].by.word(), by.word(), "{text} at {instant}");
            }
            instant += SignedDuration::from_mins(15);
        }
        assert_eq!(span.taken_count(), counted, "{text}: {:?}", span.taken_away);
    }
}

#[test]
fn the_name_of_a_calendar_is_told_as_it_is_beside_the_number_of_the_trigger() {
    let dates = ExcludedDates::new([date(2026, 12, 4)]).expect("a date");
    let named = Observed { calendar: CalendarId(1), revision: 1, name: "{id} of the week".to_owned(), dates };
    let terms = Terms { calendars: vec![named.into()], ..Terms::default() };
    let case = on(cron("0 9 * * *", "UTC"), terms);
    let advice = case.account("2026-12-04T09:00:00Z").advice();
    assert!(advice[0].contains("{id} of the week"), "{advice:?}");
    let case = case.skipped(Reason::Discarded, "2026-11-26T09:00:00Z", "2026-11-26T09:00:00Z", NOW);
    let advice = case.account("2026-11-26T09:00:00Z").advice();
    assert!(advice[0].contains("POST /api/v1/triggers/7/backfill"), "{advice:?}");
}
