//! Which part of the time to come somebody looks at, as it stands in the address: the next day or week, or one from a date
//! on, and from which firing on the list runs. Dates are those of the viewer's clocks.

use jiff::civil::Date;
use jiff::{Span as Civil, Timestamp};
use oncue_domain::agenda::{Place, Span};
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::zone::Zone;

use crate::extract::{Query, id_of};
use crate::fault::Fault;

/// How far ahead a date may lie.
const DAYS_AHEAD_MAX: i64 = 400;

/// How much is looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Day,
    Week,
}

impl Length {
    /// The word in the address.
    pub(super) fn word(self) -> &'static str {
        match self {
            Length::Day => "24h",
            Length::Week => "7d",
        }
    }

    fn of_word(word: &str) -> Option<Length> {
        [Length::Day, Length::Week].into_iter().find(|length| length.word() == word)
    }

    fn days(self) -> i64 {
        match self {
            Length::Day => 1,
            Length::Week => 7,
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When {
    pub(super) length: Length,
    /// The first day; none means from now on.
    pub(super) date: Option<Date>,
    /// The firing after which the list begins.
    pub(super) after: Option<Place>,
}

/// A date that cannot be jumped to, as it was typed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrongDate {
    pub(super) text: String,
    pub(super) reason: String,
}

impl When {
    /// Reads the address. A wrong date comes beside what is shown without it, so that the form can say what is wrong; the
    /// other values are written by links, and refused when they are not right.
    pub(super) fn take(mut query: Query, now: Timestamp, zone: &Zone) -> Result<(When, Option<WrongDate>), Fault> {
        let length = query.take("span", |word| Length::of_word(word).ok_or("A span is 24h or 7d."));
        let id = query.take_text("beyond").as_deref().and_then(id_of).map_or(TriggerId(i64::MAX), TriggerId);
        let after = query.take("after", |text| text.parse().map_err(|_| "This is not an instant in RFC 3339."));
        let typed = query.take_text("at").map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        query.finish()?;
        let (date, wrong) = match typed.map(|text| (read_date(&text, now, zone), text)) {
            None => (None, None),
            Some((Ok(date), _)) => (Some(date), None),
            Some((Err(reason), text)) => (None, Some(WrongDate { text, reason })),
        };
        let after = after.map(|at| Place { at, id });
        Ok((When { length: length.unwrap_or(Length::Day), date, after }, wrong))
    }

    /// The instants. But for the next 24 hours these are whole days of the viewer's clocks, so that the day on which the
    /// clocks change has its 23 or 25 hours; what has passed of today is left out.
    pub(super) fn span(&self, now: Timestamp, zone: &Zone) -> Span {
        let midnight = |date: Date| date.to_zoned(zone.time_zone().clone()).map(|start| start.timestamp());
        let days = Civil::new().days(self.length.days());
        let next_24_hours =
            Span { from: now, until: now.checked_add(Civil::new().hours(24)).unwrap_or(Timestamp::MAX) };
        let date = match (self.length, self.date) {
            (Length::Day, None) => return next_24_hours,
            (Length::Week, None) => today(now, zone),
            (_, Some(date)) => date,
        };
        let whole_days =
            date.checked_add(days).and_then(|end| Ok(Span { from: midnight(date)?.max(now), until: midnight(end)? }));
        whole_days.unwrap_or(next_24_hours)
    }

    /// The span in words: "The next 24 hours", "Friday 27 November 2026".
    pub(super) fn title(&self) -> String {
        match (self.length, self.date) {
            (Length::Day, None) => "The next 24 hours".to_owned(),
            (Length::Week, None) => "Today and the next 6 days".to_owned(),
            (Length::Day, Some(date)) => day_name(date),
            (Length::Week, Some(date)) => format!("7 days from {}", day_name(date)),
        }
    }

    /// The span within a sentence: "12 firings in the next 24 h".
    pub(super) fn range(&self) -> &'static str {
        match (self.length, self.date) {
            (Length::Day, None) => "in the next 24 h",
            (Length::Day, Some(_)) => "on this day",
            (Length::Week, _) => "in these 7 days",
        }
    }

    /// Where this is looked at.
    pub(super) fn address(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("span", self.length.word());
        if let Some(date) = self.date {
            query.append_pair("at", &date.to_string());
        }
        if let Some(place) = self.after {
            query.append_pair("after", &place.at.to_string());
            query.append_pair("beyond", &place.id.to_string());
        }
        format!("/upcoming?{}", query.finish())
    }

    /// The same from its beginning, and for as long as `length`.
    pub(super) fn as_long_as(&self, length: Length) -> When {
        When { length, after: None, ..*self }
    }

    /// The page of the list that follows.
    pub(super) fn behind(&self, place: Place) -> When {
        When { after: Some(place), ..*self }
    }

    /// As long a time before this one; none where that has begun already.
    pub(super) fn earlier(&self, now: Timestamp, zone: &Zone) -> Option<When> {
        let date = self.date?;
        let before = date.checked_sub(Civil::new().days(self.length.days())).ok();
        // From now on is what begins at or before today.
        Some(When { date: before.filter(|before| *before > today(now, zone)), after: None, ..*self })
    }

    /// As long a time after this one; none where that is too far ahead.
    pub(super) fn later(&self, now: Timestamp, zone: &Zone) -> Option<When> {
        let start = self.date.unwrap_or(today(now, zone));
        let date = start.checked_add(Civil::new().days(self.length.days())).ok()?;
        (date <= last_date(now, zone)).then_some(When { date: Some(date), after: None, ..*self })
    }
}

/// "Friday 27 November 2026".
pub(super) fn day_name(date: Date) -> String {
    date.strftime("%A %-d %B %Y").to_string()
}

/// The date on the viewer's clocks.
pub(super) fn today(now: Timestamp, zone: &Zone) -> Date {
    now.to_zoned(zone.time_zone().clone()).date()
}

/// The last date that can be jumped to.
pub(super) fn last_date(now: Timestamp, zone: &Zone) -> Date {
    today(now, zone).checked_add(Civil::new().days(DAYS_AHEAD_MAX)).unwrap_or(Date::MAX)
}

fn read_date(text: &str, now: Timestamp, zone: &Zone) -> Result<Date, String> {
    let (first, last) = (today(now, zone), last_date(now, zone));
    let date: Option<Date> = Date::strptime("%Y-%m-%d", text).ok();
    let date = date.ok_or_else(|| format!("Write the date like {first}."))?;
    if date < first {
        return Err("That day is over; the list of events shows what fired.".to_owned());
    }
    if date > last {
        return Err(format!("Look at most {DAYS_AHEAD_MAX} days ahead, until {last}."));
    }
    Ok(date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequestParts;
    use oncue_domain::schedule::zone::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn riga() -> Zone {
        Zones::bundled().get("Europe/Riga").expect("it exists")
    }

    /// None where the address is refused.
    async fn read(address: &str, now: Timestamp) -> Option<(When, Option<WrongDate>)> {
        let (mut parts, ()) = axum::http::Request::get(address).body(()).expect("a request").into_parts();
        let query = Query::from_request_parts(&mut parts, &()).await.expect("any query can be read");
        When::take(query, now, &riga()).ok()
    }

    #[tokio::test]
    async fn an_address_is_read_as_it_was_written() {
        let now = at("2026-11-21T10:00:00Z");
        let place = Place { at: at("2026-11-27T07:00:00.25Z"), id: TriggerId(17) };
        let date = Date::new(2026, 11, 27).ok();
        for when in [
            When { length: Length::Day, date: None, after: None },
            When { length: Length::Week, date, after: None },
            When { length: Length::Day, date, after: Some(place) },
        ] {
            let read = read(&when.address(), now).await;
            assert_eq!(read, Some((when, None)), "{}", when.address());
        }
        assert!(read("/upcoming?span=1h", now).await.is_none());
        assert!(read("/upcoming?after=tomorrow", now).await.is_none());
    }

    #[tokio::test]
    async fn a_date_lies_between_today_and_400_days_ahead_on_the_viewers_clocks() {
        // It is the 22nd already in Riga.
        let now = at("2026-11-21T22:30:00Z");
        for (text, is_right) in [
            ("2026-11-22", true),
            ("2027-12-27", true),
            ("2026-11-21", false),
            ("2027-12-28", false),
            ("27.11.2026", false),
            ("2026-02-30", false),
        ] {
            let (when, wrong) = read(&format!("/upcoming?at={text}"), now).await.expect("the page is shown");
            assert_eq!((when.date.is_some(), wrong.is_none()), (is_right, is_right), "{text}");
        }
        let (when, wrong) = read("/upcoming?at=", now).await.expect("an empty field is no date");
        assert_eq!((when.date, wrong), (None, None));
    }

    #[test]
    fn a_day_is_as_long_as_the_clocks_make_it() {
        let now = at("2026-10-24T10:00:00Z");
        let day = |date| When { length: Length::Day, date, after: None }.span(now, &riga());
        let hours = |span: Span| span.until.duration_since(span.from).as_hours();
        assert_eq!(hours(day(None)), 24);
        assert_eq!(hours(day(Date::new(2026, 10, 25).ok())), 25);
        assert_eq!(hours(day(Date::new(2026, 10, 26).ok())), 24);
        let today = day(Date::new(2026, 10, 24).ok());
        assert_eq!((today.from, today.until), (now, at("2026-10-24T21:00:00Z")));
        let week = When { length: Length::Week, date: None, after: None }.span(now, &riga());
        assert_eq!((week.from, week.until), (now, at("2026-10-30T22:00:00Z")));
    }

    #[test]
    fn one_can_go_on_and_come_back_to_now() {
        let now = at("2026-11-21T10:00:00Z");
        let here = When { length: Length::Week, date: None, after: None };
        assert_eq!(here.earlier(now, &riga()), None);
        let next = here.later(now, &riga()).expect("a week ahead");
        assert_eq!(next.date, Date::new(2026, 11, 28).ok());
        assert_eq!(next.earlier(now, &riga()), Some(here));
        let far = When { date: Date::new(2027, 12, 20).ok(), ..here };
        assert_eq!(far.later(now, &riga()), None);
    }
}
