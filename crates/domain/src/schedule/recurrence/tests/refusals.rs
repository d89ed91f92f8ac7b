//! What is refused, and how it is said.

use super::*;

#[test]
fn what_is_not_carried_out_is_refused_by_its_name() {
    #[rustfmt::skip]
    let rows = [
        ("", "there is no RRULE"),
        ("DTSTART:20270104T090000", "there is no RRULE"),
        ("BYDAY=MO", "says how often it comes back"),
        ("every monday", "is no part of a rule"),
        ("FREQ=FORTNIGHTLY", "FREQ=FORTNIGHTLY is none of YEARLY, MONTHLY"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ stands twice"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 is not"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL=-1 is not"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0 is not"),
        ("FREQ=DAILY;COUNT=100001", "from 1 to 100000; for more"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270104", "COUNT or UNTIL, not both"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL TOMORROW is not a date or time"),
        ("FREQ=DAILY;UNTIL=22000101", "from 1970 to 2199"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH=13 is not a number from 1 to 12"),
        ("FREQ=DAILY;BYMONTHDAY=0", "BYMONTHDAY=0 is not a number from 1 to 31, or -1 to -31"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR=24 is not a number from 0 to 23"),
        ("FREQ=DAILY;BYSECOND=60", "no clock here shows a leap second"),
        ("FREQ=DAILY;BYHOUR=9,", "BYHOUR= is not"),
        ("FREQ=WEEKLY;BYDAY=MONDAY", "BYDAY=MONDAY is no day of the week"),
        ("FREQ=WEEKLY;BYDAY=1MO", "a number before a day in BYDAY goes with FREQ=MONTHLY"),
        ("FREQ=YEARLY;BYWEEKNO=3;BYDAY=1MO", "does not go with BYWEEKNO"),
        ("FREQ=MONTHLY;BYWEEKNO=3", "BYWEEKNO goes with FREQ=YEARLY alone"),
        ("FREQ=MONTHLY;BYYEARDAY=3", "BYYEARDAY does not go with FREQ=MONTHLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYSETPOS=1", "add one, BYDAY say"),
        ("FREQ=WEEKLY;WKST=1MO", "WKST=1MO is none of"),
        ("FREQ=YEARLY;RSCALE=CHINESE", "RSCALE is not carried out"),
        ("FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=31", "SKIP is not carried out"),
        ("FREQ=DAILY;BYEASTER=0", "BYEASTER is no part"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "several RRULE lines"),
        ("RRULE:FREQ=DAILY\nRDATE:20270104T090000", "RDATE is not carried out"),
        ("RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY", "EXRULE is not carried out"),
        ("BEGIN:VEVENT\nRRULE:FREQ=DAILY", "the line BEGIN does not belong"),
        ("DTSTART;TZID=Eastern Standard Time:20270104T090000\nRRULE:FREQ=DAILY", "is not a known IANA time zone"),
        ("DTSTART;TZID=Europe/Riga:20270104T090000Z\nRRULE:FREQ=DAILY", "leave out TZID, or the Z"),
        ("DTSTART;VALUE=DATE:20270104T090000\nRRULE:FREQ=DAILY", "is not a date, as its VALUE says"),
        ("DTSTART;VALUE=PERIOD:20270104T090000\nRRULE:FREQ=DAILY", "VALUE says"),
        ("DTSTART;X-THING=1:20270104T090000\nRRULE:FREQ=DAILY", "X-THING, which is not understood"),
        ("DTSTART:20270230T090000\nRRULE:FREQ=DAILY", "DTSTART 20270230T090000 is not a date or time"),
        ("DTSTART;VALUE=DATE:20270104\nRRULE:FREQ=DAILY;BYHOUR=9", "BYHOUR does not go with a DTSTART that is a whole day"),
        ("RRULE;TZID=Asia/Tokyo:FREQ=DAILY", "RRULE has TZID, which does not belong there"),
        ("RRULE;VALUE=DATE:FREQ=DAILY", "RRULE has VALUE, which does not belong there"),
        ("DTSTART;TZID=Europe/Riga;TZID=Asia/Tokyo:20270104T090000\nRRULE:FREQ=DAILY", "DTSTART has TZID twice"),
        ("RRULE:FREQ=DAILY\nEXDATE;VALUE=DATE;VALUE=DATE:20270104", "EXDATE has VALUE twice"),
        ("EXDATE:soon\nRRULE:FREQ=DAILY", "EXDATE soon is not"),
    ];
    for (text, expected) in rows {
        let error = RecurrenceText::read(text, &Zones::bundled()).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(error.len() < 300, "{error}");
    }
    let long = format!("FREQ=DAILY;BYHOUR={}", "9,".repeat(20_000));
    assert!(RecurrenceText::read(&long, &Zones::bundled()).is_err());
    let many = format!("RRULE:FREQ=DAILY\nEXDATE:{}", vec!["20270104"; 1_001].join(","));
    assert!(RecurrenceText::read(&many, &Zones::bundled()).is_err());
}

#[test]
fn spelling_that_means_the_same_is_taken() {
    let plain = first(&rule("2027-01-04T09:00:00", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=5"), 9);
    let others = [
        "freq=weekly;byday=mo,we;count=5",
        " RRULE:COUNT=5; BYDAY=WE, MO;FREQ=WEEKLY; ",
        "rrule:FREQ=WEEKLY;COUNT=5;BYDAY=WE,MO,MO",
    ];
    for text in others {
        assert_eq!(first(&rule("2027-01-04T09:00:00", text), 9), plain, "{text}");
    }
}

/// Browsers end lines their own way, and calendars fold them wherever they like.
#[test]
fn where_lines_end_and_are_folded_is_no_part_of_the_text() {
    let read = |text: &str| RecurrenceText::read(text, &Zones::bundled()).expect(text);
    let plain = read("DTSTART:20270104T090000Z\nRRULE:FREQ=DAILY;INTERVAL=3\nEXDATE:20270107T090000Z");
    let others = [
        "DTSTART:20270104T090000Z\r\nRRULE:FREQ=DAILY;INTERVAL=3\r\nEXDATE:20270107T090000Z\r\n",
        "DTSTART:20270104T090000Z\r\nRRULE:FREQ=DAILY;INTER\r\n VAL=3\r\n\r\nEXDATE:2027\r\n\t0107T09\r\n 0000Z",
        "DTSTART:20270104T090000Z  \nRRULE:FREQ=DAILY;INTER\n VAL=3  \nEXDATE:20270107T090000Z",
    ];
    for text in others {
        assert_eq!(read(text), plain, "{text}");
    }
    assert_eq!(read(plain.as_str()), plain);
}

#[test]
fn what_never_occurs_is_found_out_at_once() {
    let never = [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=8",
        "FREQ=SECONDLY;INTERVAL=7200;BYHOUR=8",
        "FREQ=SECONDLY;INTERVAL=2;BYSECOND=1",
        "FREQ=MINUTELY;INTERVAL=1440;BYMINUTE=1",
        "FREQ=SECONDLY;BYSECOND=0;BYSETPOS=2",
        "FREQ=SECONDLY;INTERVAL=70;BYSECOND=1",
        "FREQ=SECONDLY;INTERVAL=7;BYSECOND=1,2;BYSETPOS=8",
        "FREQ=SECONDLY;INTERVAL=700;BYDAY=TU;BYHOUR=0,1,2,3,4,5,7,8,9,10,11,12,14,15,16,17,18,19,21,22,23;BYMINUTE=0;BYSECOND=0",
        "FREQ=SECONDLY;INTERVAL=60481;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU,MO,WE,TH,FR,SA;BYHOUR=0;BYMINUTE=0;BYSECOND=0",
        "FREQ=MINUTELY;INTERVAL=17;BYSECOND=1;BYSETPOS=-2",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2",
        "FREQ=DAILY;INTERVAL=365;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;INTERVAL=999999999;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1",
    ];
    for text in never {
        let begun = std::time::Instant::now();
        let recurrence = rule("2027-01-04T09:00:00", text);
        assert_eq!(recurrence.next_after(Timestamp::MIN), None, "{text}");
        assert_eq!(recurrence.latest_in(Timestamp::MIN, Timestamp::MAX), None, "{text}");
        assert_eq!(recurrence.count_in(Timestamp::MIN, Timestamp::MAX), 0, "{text}");
        assert!(begun.elapsed().as_millis() < 1_000, "{text} took {:?}", begun.elapsed());
    }
}

/// Where the days differ, so that nothing is known of one from another.
#[test]
fn what_is_rare_and_many_is_placed_counted_and_found_in_a_moment() {
    let rare = [
        "FREQ=SECONDLY;INTERVAL=907;BYSECOND=0;COUNT=100000",
        "FREQ=SECONDLY;INTERVAL=241;BYSECOND=0;BYMINUTE=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16;COUNT=100000",
        "FREQ=SECONDLY;INTERVAL=61;BYHOUR=0;BYMINUTE=0;BYSECOND=0;COUNT=100000",
        "FREQ=SECONDLY;INTERVAL=7;BYSECOND=0;BYMONTH=2;BYMONTHDAY=29;COUNT=100000",
        "FREQ=SECONDLY;INTERVAL=86399;COUNT=100000",
        "FREQ=MINUTELY;INTERVAL=1439;BYSECOND=0,1,2,3,4,5,6,7,8,9;BYSETPOS=-1,-2;COUNT=100000",
        "FREQ=WEEKLY;INTERVAL=5000;BYDAY=MO,TU,WE,TH,FR;BYHOUR=1,2,3,4,5,6;BYSETPOS=-1,-2,29;COUNT=100000",
        "FREQ=DAILY;INTERVAL=2;BYMONTHDAY=31;COUNT=100000",
    ];
    for text in rare {
        let begun = std::time::Instant::now();
        let recurrence = rule("2027-01-04T09:00:00", text);
        let first = recurrence.next_after(Timestamp::MIN).expect(text);
        let last = recurrence.latest_in(Timestamp::MIN, Timestamp::MAX).expect(text);
        assert_eq!(recurrence.next_after(last), None, "{text}");
        let count = recurrence.count_in(Timestamp::MIN, Timestamp::MAX);
        assert!((2..=100_000).contains(&count) && first < last, "{text}: {count}");
        assert_eq!(recurrence.count_in(first, last), count - 1, "{text}");
        assert!(begun.elapsed().as_millis() < 2_000, "{text} took {:?}", begun.elapsed());
    }
}
