//! The examples of RFC 5545 §3.8.5.3, in their order; where it gives two rules for one set, both stand here.

use super::*;

/// How many occurrences of a rule without an end are looked at.
const ENDLESS: usize = 40;

/// The days, as "1997 Sep 2,3 Oct 1; 1998 Jan 5".
fn days(text: &str) -> Vec<jiff::civil::Date> {
    let mut found = Vec::new();
    for year in text.split("; ") {
        let mut words = year.split(' ');
        let number = words.next().unwrap_or_default();
        while let (Some(month), Some(list)) = (words.next(), words.next()) {
            for item in list.split(',') {
                let (from, to) = item.split_once('-').unwrap_or((item, item));
                let day = |text: &str| {
                    let text = format!("{number} {month} {text}");
                    jiff::civil::Date::strptime("%Y %b %d", &text).unwrap_or_else(|error| panic!("{text}: {error}"))
                };
                let (from, to) = (day(from), day(to));
                found.extend(from.series(jiff::Span::new().days(1)).take_while(|day| *day <= to));
            }
        }
    }
    found
}

#[test]
fn the_examples_of_the_standard() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, bool)] = &[
        ("1997-09-02", "FREQ=DAILY;COUNT=10", "1997 Sep 2-11", true),
        ("1997-09-02", "FREQ=DAILY;UNTIL=19971224T000000Z", "1997 Sep 2-30 Oct 1-31 Nov 1-30 Dec 1-23", true),
        ("1997-09-02", "FREQ=DAILY;INTERVAL=2", "1997 Sep 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 Oct 2,4,6", false),
        ("1997-09-02", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997 Sep 2,12,22 Oct 2,12", true),
        ("1998-01-01", "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", "1998 Jan 1-31; 1999 Jan 1-31; 2000 Jan 1-31", true),
        ("1998-01-01", "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "1998 Jan 1-31; 1999 Jan 1-31; 2000 Jan 1-31", true),
        ("1997-09-02", "FREQ=WEEKLY;COUNT=10", "1997 Sep 2,9,16,23,30 Oct 7,14,21,28 Nov 4", true),
        ("1997-09-02", "FREQ=WEEKLY;UNTIL=19971224T000000Z", "1997 Sep 2,9,16,23,30 Oct 7,14,21,28 Nov 4,11,18,25 Dec 2,9,16,23", true),
        ("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997 Sep 2,16,30 Oct 14,28 Nov 11,25 Dec 9,23; 1998 Jan 6,20 Feb 3,17", false),
        ("1997-09-02", "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "1997 Sep 2,4,9,11,16,18,23,25,30 Oct 2", true),
        ("1997-09-02", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997 Sep 2,4,9,11,16,18,23,25,30 Oct 2", true),
        ("1997-09-01", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", "1997 Sep 1,3,5,15,17,19,29 Oct 1,3,13,15,17,27,29,31 Nov 10,12,14,24,26,28 Dec 8,10,12,22", true),
        ("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997 Sep 2,4,16,18,30 Oct 2,14,16", true),
        ("1997-09-05", "FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "1997 Sep 5 Oct 3 Nov 7 Dec 5; 1998 Jan 2 Feb 6 Mar 6 Apr 3 May 1 Jun 5", true),
        ("1997-09-05", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997 Sep 5 Oct 3 Nov 7 Dec 5", true),
        ("1997-09-07", "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "1997 Sep 7,28 Nov 2,30; 1998 Jan 4,25 Mar 1,29 May 3,31", true),
        ("1997-09-22", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997 Sep 22 Oct 20 Nov 17 Dec 22; 1998 Jan 19 Feb 16", true),
        ("1997-09-28", "FREQ=MONTHLY;BYMONTHDAY=-3", "1997 Sep 28 Oct 29 Nov 28 Dec 29; 1998 Jan 29 Feb 26", false),
        ("1997-09-02", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", "1997 Sep 2,15 Oct 2,15 Nov 2,15 Dec 2,15; 1998 Jan 2,15", true),
        ("1997-09-30", "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "1997 Sep 30 Oct 1,31 Nov 1,30 Dec 1,31; 1998 Jan 1,31 Feb 1", true),
        ("1997-09-10", "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", "1997 Sep 10-15; 1999 Mar 10-13", true),
        ("1997-09-02", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "1997 Sep 2,9,16,23,30 Nov 4,11,18,25; 1998 Jan 6,13,20,27 Mar 3,10,17,24,31", false),
        ("1997-06-10", "FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "1997 Jun 10 Jul 10; 1998 Jun 10 Jul 10; 1999 Jun 10 Jul 10; 2000 Jun 10 Jul 10; 2001 Jun 10 Jul 10", true),
        ("1997-03-10", "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "1997 Mar 10; 1999 Jan 10 Feb 10 Mar 10; 2001 Jan 10 Feb 10 Mar 10; 2003 Jan 10 Feb 10 Mar 10", true),
        ("1997-01-01", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "1997 Jan 1 Apr 10 Jul 19; 2000 Jan 1 Apr 9 Jul 18; 2003 Jan 1 Apr 10 Jul 19; 2006 Jan 1", true),
        ("1997-05-19", "FREQ=YEARLY;BYDAY=20MO", "1997 May 19; 1998 May 18; 1999 May 17", false),
        ("1997-05-12", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997 May 12; 1998 May 11; 1999 May 17", false),
        ("1997-03-13", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997 Mar 13,20,27; 1998 Mar 5,12,19,26; 1999 Mar 4,11,18,25", false),
        ("1997-06-05", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "1997 Jun 5,12,19,26 Jul 3,10,17,24,31 Aug 7,14,21,28; 1998 Jun 4,11,18,25 Jul 2,9,16,23,30 Aug 6,13,20,27", false),
        ("1997-09-02", "EXDATE;TZID=America/New_York:19970902T090000\nRRULE:FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1998 Feb 13 Mar 13 Nov 13; 1999 Aug 13; 2000 Oct 13", false),
        ("1997-09-13", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "1997 Sep 13 Oct 11 Nov 8 Dec 13; 1998 Jan 10 Feb 7 Mar 7 Apr 11 May 9 Jun 13", false),
        ("1996-11-05", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "1996 Nov 5; 2000 Nov 7; 2004 Nov 2", false),
        ("1997-09-04", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997 Sep 4 Oct 7 Nov 6", true),
        ("1997-09-29", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997 Sep 29 Oct 30 Nov 27 Dec 30; 1998 Jan 29 Feb 26 Mar 30", false),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997 Aug 5,10,19,24", true),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997 Aug 5,17,19,31", true),
        ("2007-01-15", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007 Jan 15,30 Feb 15 Mar 15,30", true),
    ];
    for (start, text, expected, is_all) in rows {
        let expected: Vec<DateTime> = days(expected).into_iter().map(|day| day.at(9, 0, 0, 0)).collect();
        let most = if *is_all { expected.len() + 1 } else { expected.len() };
        let found = first(&rule(&format!("{start}T09:00:00"), text), most);
        assert_eq!(found, expected, "{text}");
        assert!(
            *is_all || first(&rule(&format!("{start}T09:00:00"), text), ENDLESS).len() == ENDLESS,
            "{text} goes on"
        );
    }
}

#[test]
fn the_examples_by_the_hour_and_less() {
    let start = "1997-09-02T09:00:00";
    let clock = |text: &str, most| {
        let found = first(&rule(start, text), most);
        found.into_iter().map(|wall| wall.strftime("%-d %H:%M").to_string()).collect::<Vec<_>>()
    };
    // As in erratum 3883: the end has to lie after five in New York.
    assert_eq!(clock("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", 9), ["2 09:00", "2 12:00", "2 15:00"]);
    let quarters = ["2 09:00", "2 09:15", "2 09:30", "2 09:45", "2 10:00", "2 10:15"];
    assert_eq!(clock("FREQ=MINUTELY;INTERVAL=15;COUNT=6", 9), quarters);
    assert_eq!(clock("FREQ=MINUTELY;INTERVAL=90;COUNT=4", 9), ["2 09:00", "2 10:30", "2 12:00", "2 13:30"]);
    let by_day = clock("FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", 50);
    assert_eq!(by_day, clock("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16", 50));
    assert_eq!((by_day[0].as_str(), by_day[23].as_str(), by_day[24].as_str()), ("2 09:00", "2 16:40", "3 09:00"));
}

#[test]
fn the_start_occurs_only_where_the_rule_names_it() {
    let found = first(&rule("2026-11-23T09:00:00", "FREQ=WEEKLY;BYDAY=WE;COUNT=2"), 9);
    assert_eq!(found, days("2026 Nov 25 Dec 2").into_iter().map(|day| day.at(9, 0, 0, 0)).collect::<Vec<_>>());
}

#[test]
fn lines_from_a_calendar_say_where_they_start_and_what_is_left_out() {
    let text = "DTSTART;TZID=Europe/Riga:20270104T093000\r\nRRULE:FREQ=DAILY;COUNT=6;BY\r\n DAY=MO,TU,WE\r\n\
                EXDATE;TZID=Europe/Riga:20270105T093000,20270111T093000\r\nEXDATE;VALUE=DATE:20270113\r\n\
                EXDATE:20270106T073000Z\r\n";
    let read = RecurrenceText::read(text, &Zones::bundled()).expect("the lines of a calendar");
    assert_eq!((read.zone(), read.has_start(), read.counts()), (Some(zone("Europe/Riga")), true, true));
    let other = Start { wall: "2000-01-01T00:00:00".parse().expect("a time"), is_told: false };
    let recurrence = Recurrence::new(read, other, zone("Europe/Riga"));
    let at = |text: &str| text.parse::<DateTime>().expect("a time");
    assert_eq!(first(&recurrence, 9), [at("2027-01-04T09:30"), at("2027-01-12T09:30")], "exceptions count");
    assert_eq!(recurrence.told_start(), None, "the text says it");
}

#[test]
fn a_whole_day_begins_at_midnight_and_an_end_by_date_holds_all_of_it() {
    let at = |text: &str| text.parse::<DateTime>().expect("a time");
    let text = "DTSTART;VALUE=DATE:20270104\nRRULE:FREQ=DAILY;UNTIL=20270106";
    let found = first(&rule("2000-01-01T00:00:00", text), 9);
    assert_eq!(found, [at("2027-01-04T00:00"), at("2027-01-05T00:00"), at("2027-01-06T00:00")]);
    let evening = first(&rule("2027-01-04T22:00:00", "FREQ=DAILY;UNTIL=20270105"), 9);
    assert_eq!(evening, [at("2027-01-04T22:00"), at("2027-01-05T22:00")]);
    let to_the_second = first(&rule("2027-01-04T22:00:00", "FREQ=DAILY;UNTIL=20270105T220000"), 9);
    assert_eq!(to_the_second, evening, "the end itself is within");
    let short = first(&rule("2027-01-04T22:00:00", "FREQ=DAILY;UNTIL=20270105T215959"), 9);
    assert_eq!(short, [at("2027-01-04T22:00")]);
}

#[test]
fn what_the_clocks_leave_out_neither_occurs_nor_counts() {
    let at = |text: &str| text.parse::<DateTime>().expect("a time");
    let spring = rule("2027-03-13T02:30:00", "FREQ=DAILY;COUNT=3");
    let kept = [at("2027-03-13T02:30"), at("2027-03-15T02:30"), at("2027-03-16T02:30")];
    assert_eq!(first(&spring, 9), kept, "by the standard");
    let moved = spring.with_rule(Rule { gap: Gap::AtItsEnd, fold: Fold::FirstPass });
    let found: Vec<Timestamp> = {
        let next = |last: &Timestamp| moved.next_after(*last);
        std::iter::successors(moved.next_after(Timestamp::UNIX_EPOCH), next).collect()
    };
    let found: Vec<String> = found.iter().map(Timestamp::to_string).collect();
    assert_eq!(found, ["2027-03-13T07:30:00Z", "2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"]);
    assert_eq!(moved.with_rule(spring.rule()), spring);

    let autumn = rule("2027-11-07T01:30:00", "FREQ=DAILY;COUNT=2");
    assert_eq!(
        autumn.next_after(Timestamp::UNIX_EPOCH).map(|at| at.to_string()),
        Some("2027-11-07T05:30:00Z".to_owned())
    );
    let hourly = rule("2027-11-07T00:30:00", "FREQ=HOURLY;COUNT=4");
    let next = |last: &Timestamp| hourly.next_after(*last);
    let hours: Vec<i64> = std::iter::successors(hourly.next_after(Timestamp::UNIX_EPOCH), next)
        .map(|at| at.as_second() / 3_600)
        .collect();
    assert_eq!(hours.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>(), [1, 1, 1], "each hour that passes");
}

#[test]
fn an_exception_in_utc_takes_away_one_pass_of_a_doubled_hour() {
    let span =
        ("2027-10-30T23:00:00Z".parse().expect("an instant"), "2027-10-31T03:00:00Z".parse().expect("an instant"));
    let hours = |exception: &str| {
        let text = format!("RRULE:FREQ=HOURLY\nEXDATE{exception}");
        let recurrence = placed("2027-10-31T00:00:00", &text, "Europe/Riga");
        let next = |last: &Timestamp| recurrence.next_after(*last);
        let each = std::iter::successors(recurrence.next_after(span.0), next).take_while(|at| *at <= span.1);
        let found: Vec<Timestamp> = each.collect();
        assert_eq!(recurrence.count_in(span.0, span.1), found.len() as u64, "{exception}");
        let last = |before: &Timestamp| recurrence.latest_in(span.0, crate::schedule::bounds::just_before(*before));
        let mut back: Vec<Timestamp> = std::iter::successors(recurrence.latest_in(span.0, span.1), last).collect();
        back.reverse();
        assert_eq!(back, found, "{exception}");
        let hour = |at: Timestamp| (at.as_second() - span.0.as_second()) / 3_600;
        let told = if exception.is_empty() { "Every hour" } else { "Every hour, with one exception" };
        assert!(recurrence.summary().starts_with(told), "{}", recurrence.summary());
        found.into_iter().map(hour).collect::<Vec<_>>()
    };
    // Riga's clocks show three o'clock at 00:00 UTC, and again an hour later.
    assert_eq!(hours(":20271031T000000Z"), [2, 3, 4], "the first pass");
    assert_eq!(hours(":20271031T010000Z"), [1, 3, 4], "the second");
    assert_eq!(hours(":20271031T010000Z,20271031T010000Z"), [1, 3, 4]);
    assert_eq!(hours(";TZID=Asia/Tokyo:20271031T100000"), [1, 3, 4], "as Tokyo says it");
    assert_eq!(hours(":20271031T030000"), [3, 4], "a time on the wall is both");
    assert_eq!(hours(":20271031T020000Z"), [1, 2, 4], "what comes once");
}

#[test]
fn an_exception_in_utc_is_one_instant_where_the_clocks_leave_times_out() {
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
    let after_gap = Rule { gap: Gap::AtItsEnd, fold: Fold::FirstPass };
    // Riga's clocks go from three to four at that instant.
    let (before, gap_ends) = (at("2027-03-27T12:00:00Z"), at("2027-03-28T01:00:00Z"));
    for exception in [":20270328T010000Z", ";TZID=Asia/Tokyo:20270328T100000"] {
        let daily = |start| placed(start, &format!("RRULE:FREQ=DAILY\nEXDATE{exception}"), "Europe/Riga");
        let by_itself = daily("2027-03-26T03:30:00");
        assert_eq!(by_itself.summary(), "Every day at 03:30", "there is nothing to take away");
        let moved = by_itself.with_rule(after_gap);
        assert_eq!(moved.next_after(before), Some(at("2027-03-29T00:30:00Z")), "{exception}");
        assert_eq!((moved.count_in(before, gap_ends), moved.counts_at(gap_ends)), (0, false));
        assert_eq!(moved.summary(), "Every day at 03:30, with one exception");
        let by_the_clock = daily("2027-03-26T04:00:00");
        for recurrence in [by_the_clock.with_rule(after_gap), by_the_clock] {
            assert_eq!(recurrence.next_after(before), Some(at("2027-03-29T01:00:00Z")), "{exception}");
            assert_eq!(recurrence.summary(), "Every day at 04:00, with one exception");
        }
    }
}

#[test]
fn exceptions_are_those_that_meet_a_time_under_the_rule_that_was_chosen() {
    // The second pass of three o'clock.
    let told = |frequency: &str, rule: Option<Rule>| {
        let text = format!("RRULE:FREQ={frequency}\nEXDATE:20271031T013000Z");
        let recurrence = placed("2027-10-01T03:30:00", &text, "Europe/Riga");
        rule.map_or(recurrence.clone(), |rule| recurrence.with_rule(rule)).has_exceptions()
    };
    let [first, both] = [Fold::FirstPass, Fold::BothPasses].map(|fold| Some(Rule { gap: Gap::LeftOut, fold }));
    assert_eq!([None, first, both].map(|rule| told("DAILY", rule)), [false, false, true]);
    assert_eq!([None, first, both].map(|rule| told("HOURLY", rule)), [true, false, true]);
    let twice = "RRULE:FREQ=HOURLY\nEXDATE:20271031T013000Z\nEXDATE;VALUE=DATE:20271031";
    let twice = placed("2027-10-01T03:30:00", twice, "Europe/Riga").summary();
    assert!(twice.ends_with("with one exception"), "{twice}");
}

#[test]
fn sentences_say_every_part() {
    #[rustfmt::skip]
    let rows = [
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "Every second week on Monday and Wednesday at 09:00, counted from 4 January 2027"),
        ("FREQ=DAILY", "Every day at 09:00"),
        ("FREQ=DAILY;COUNT=10", "Every day at 09:00, 10 times, counted from 4 January 2027"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;UNTIL=20271231", "Every week on Monday to Friday at 09:00, until 31 December 2027"),
        ("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=30", "Every month on the last Friday of the month at 17:30"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15,-1", "Every month on days 1 and 15 and the last day of the month at 09:00"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "Every month on Monday to Friday at 09:00, of which only the last of each month"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "Every month on day 13 of the month that is Friday at 09:00"),
        ("FREQ=YEARLY", "Every year on 4 January at 09:00"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "Every year in week 20 of the year on Monday at 09:00"),
        ("FREQ=YEARLY;BYDAY=20MO", "Every year on the 20th Monday of the year at 09:00"),
        ("FREQ=YEARLY;BYYEARDAY=100,-1", "Every year on day 100 and the last day of the year at 09:00"),
        ("FREQ=YEARLY;BYMONTH=3,6;BYDAY=TH", "Every year on Thursday, in March and June at 09:00"),
        ("FREQ=HOURLY;INTERVAL=3", "Every 3 hours, counted from 4 January 2027"),
        ("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12", "Every 20 minutes at hours 9 to 12, counted from 4 January 2027"),
        ("FREQ=DAILY;BYMINUTE=0,30;BYHOUR=8,9,10,11", "Every day at hours 8 to 11 and minutes 0 and 30"),
        ("FREQ=SECONDLY;INTERVAL=7", "Every 7 seconds, counted from 4 January 2027"),
        ("RRULE:FREQ=DAILY\nEXDATE:20270105T090000,20270106T090000", "Every day at 09:00, with 2 exceptions"),
        ("RRULE:FREQ=DAILY\nEXDATE:20270105T090000,20270105T090000\nEXDATE;VALUE=DATE:20270105", "Every day at 09:00, with one exception"),
        ("RRULE:FREQ=DAILY\nEXDATE:20270105T090001,20261201T090000", "Every day at 09:00"),
        ("RRULE:FREQ=DAILY;COUNT=2\nEXDATE:20270105T090000,20270106T090000", "Every day at 09:00, 2 times, counted from 4 January 2027, with one exception"),
        ("FREQ=DAILY;UNTIL=20270201T120000Z", "Every day at 09:00, until 1 February 2027 at 12:00 UTC"),
    ];
    for (text, expected) in rows {
        assert_eq!(rule("2027-01-04T09:00:00", text).summary(), expected, "{text}");
    }
}
