//! What the page after a form says was done, on whatever page that is. The address carries one word of a fixed list, numbers
//! of triggers and perhaps an event's, never a text, so that nobody can put words into our mouth with a link. What can be
//! taken back carries a form that does so.

use askama::Template;
use oncue_domain::id::{EventId, TriggerId};

use super::way_back::without;
use crate::extract::{Query, id_of};

/// How many triggers a notice names, and so how many can be changed at once.
pub(crate) const TRIGGERS_MAX: usize = 500;

/// The names that a notice takes up in an address.
const NAMES: [&str; 6] = ["done", "event", "ids", "count", "left", "unread"];

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Created,
    /// Made from a crontab line, of which only the schedule was taken.
    CreatedFromCrontab,
    Changed,
    /// A former revision stands again.
    Restored,
    Deleted,
    Paused,
    Resumed,
    Fired,
    Tested,
    /// A test event waits, because its destination takes no deliveries.
    TestWaits,
    /// Nothing had to be done.
    Unchanged,
    PreferencesSaved,
    PasswordChanged,
    SessionEnded,
    OtherSessionsEnded,
    KeyRevoked,
    DestinationMade,
    DestinationChanged,
    DestinationDeleted,
    DestinationPaused,
    DestinationResumed,
    SecretDrawn,
    SecretTaken,
    /// Deliveries are owed again; perhaps others of those that were chosen are not.
    Redelivered,
    DeliveryCancelled,
    FiredAgain,
    /// What was held in backlogs fires.
    Released,
    /// What waited in backlogs does not fire.
    Discarded,
    /// The same, of a backfill, which leaves no record.
    BackfillDiscarded,
    /// The same, of backfills and of others.
    AllDiscarded,
    /// There was nothing in backlogs to decide about.
    NothingWaited,
    /// A backlog has ended before it could be decided about it.
    BacklogOver,
    /// It is not held, and so cannot be released.
    NotHeld,
    /// What was held cannot fire, because its trigger has expired.
    BacklogExpired,
    Frozen,
    Thawed,
    CalendarMade,
    CalendarChanged,
    CalendarDeleted,
}

impl Done {
    const ALL: [(Done, &'static str); 39] = [
        (Done::Created, "created"),
        (Done::CreatedFromCrontab, "created-from-crontab"),
        (Done::Changed, "changed"),
        (Done::Restored, "restored"),
        (Done::Deleted, "deleted"),
        (Done::Paused, "paused"),
        (Done::Resumed, "resumed"),
        (Done::Fired, "fired"),
        (Done::Tested, "tested"),
        (Done::TestWaits, "test-waits"),
        (Done::Unchanged, "unchanged"),
        (Done::PreferencesSaved, "preferences"),
        (Done::PasswordChanged, "password"),
        (Done::SessionEnded, "session"),
        (Done::OtherSessionsEnded, "sessions"),
        (Done::KeyRevoked, "revoked"),
        (Done::DestinationMade, "destination-made"),
        (Done::DestinationChanged, "destination-changed"),
        (Done::DestinationDeleted, "destination-deleted"),
        (Done::DestinationPaused, "destination-paused"),
        (Done::DestinationResumed, "destination-resumed"),
        (Done::SecretDrawn, "secret-drawn"),
        (Done::SecretTaken, "secret-taken"),
        (Done::Redelivered, "redelivered"),
        (Done::DeliveryCancelled, "delivery-cancelled"),
        (Done::FiredAgain, "fired-again"),
        (Done::Released, "released"),
        (Done::Discarded, "discarded"),
        (Done::BackfillDiscarded, "backfill-discarded"),
        (Done::AllDiscarded, "all-discarded"),
        (Done::NothingWaited, "nothing-waited"),
        (Done::BacklogOver, "backlog-over"),
        (Done::NotHeld, "not-held"),
        (Done::BacklogExpired, "backlog-expired"),
        (Done::Frozen, "frozen"),
        (Done::Thawed, "thawed"),
        (Done::CalendarMade, "calendar-made"),
        (Done::CalendarChanged, "calendar-changed"),
        (Done::CalendarDeleted, "calendar-deleted"),
    ];

    fn word(self) -> &'static str {
        Done::ALL.into_iter().find_map(|(done, word)| (done == self).then_some(word)).unwrap_or_default()
    }

    /// What takes it back: the action's word for the form and for the button.
    fn undo(self) -> Option<&'static str> {
        match self {
            Done::Paused => Some("resume"),
            Done::Resumed => Some("pause"),
            _ => None,
        }
    }
}

/// What a page says was done.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "notice.html")]
pub(crate) struct Notice {
    pub(crate) done: Done,
    pub(crate) event: Option<i64>,
    /// The triggers that it was done to, where it can be taken back.
    ids: Vec<TriggerId>,
    /// To how many it was done.
    count: usize,
    /// To how many of those that were meant it was not done.
    left: usize,
    /// The triggers that were meant too, and were left as they are because they cannot be read.
    unread: Vec<TriggerId>,
    /// The page itself, without the notice.
    back: String,
}

impl askama::filters::HtmlSafe for Notice {}

impl Notice {
    /// That this was done, to one trigger.
    pub(crate) fn of(done: Done) -> Notice {
        Notice { done, event: None, ids: Vec::new(), count: 1, left: 0, unread: Vec::new(), back: String::new() }
    }

    /// And this event came of it.
    pub(crate) fn with_event(self, event: EventId) -> Notice {
        Notice { event: Some(event.0), ..self }
    }

    /// It was done to exactly these, and can be taken back for them.
    pub(crate) fn with_triggers(self, ids: Vec<TriggerId>) -> Notice {
        Notice { count: ids.len(), ids, ..self }
    }

    /// It was done to so many.
    pub(crate) fn with_count(self, count: usize) -> Notice {
        Notice { count, ..self }
    }

    /// It was not done to so many of those that were meant.
    pub(crate) fn with_left(self, left: usize) -> Notice {
        Notice { left, ..self }
    }

    /// It was not done to these, which cannot be read.
    pub(crate) fn with_unread(self, unread: Vec<TriggerId>) -> Notice {
        Notice { unread, ..self }
    }

    /// The address of a page of ours, saying so.
    pub(crate) fn at(&self, page: &str) -> String {
        let mut address = without_notice(page);
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(&format!("done={}", self.done.word()));
        if let Some(event) = self.event {
            address.push_str(&format!("&event={event}"));
        }
        if !self.ids.is_empty() {
            address.push_str(&format!("&ids={}", joined(&self.ids)));
        } else if self.count != 1 {
            address.push_str(&format!("&count={}", self.count));
        }
        if self.left > 0 {
            address.push_str(&format!("&left={}", self.left));
        }
        if !self.unread.is_empty() {
            address.push_str(&format!("&unread={}", joined(&self.unread)));
        }
        address
    }

    /// Reads it from the address; a word that is not on the list says nothing.
    pub(crate) fn take(query: &mut Query) -> Option<Notice> {
        let event = query.take_text("event").as_deref().and_then(id_of);
        let (ids, unread) = (take_triggers(query, "ids"), take_triggers(query, "unread"));
        let count = query.take_text("count").and_then(|count| count.parse().ok()).unwrap_or(1);
        let left = query.take_text("left").and_then(|left| left.parse().ok()).unwrap_or_default();
        let word = query.take_text("done")?;
        let done = Done::ALL.into_iter().find_map(|(done, known)| (known == word).then_some(done))?;
        let back = without_notice(query.address());
        Some(Notice { done, event, count: if ids.is_empty() { count } else { ids.len() }, left, ids, unread, back })
    }

    fn ids_joined(&self) -> String {
        joined(&self.ids)
    }

    /// What takes it back, where that is known.
    fn undo(&self) -> Option<&'static str> {
        self.done.undo().filter(|_| !self.ids.is_empty())
    }
}

fn take_triggers(query: &mut Query, name: &str) -> Vec<TriggerId> {
    let ids = query.take_text(name).unwrap_or_default();
    ids.split(',').filter_map(id_of).map(TriggerId).take(TRIGGERS_MAX).collect()
}

fn joined(ids: &[TriggerId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The address of a page without what it says was done: that was so once, and is not said again.
pub(crate) fn without_notice(page: &str) -> String {
    without(page, &NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequestParts;

    async fn read(uri: &str) -> Option<Notice> {
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).expect("a request").into_parts();
        let mut query = Query::from_request_parts(&mut parts, &()).await.expect("any query can be read");
        Notice::take(&mut query)
    }

    #[tokio::test]
    async fn only_words_of_the_list_are_repeated() {
        let address = Notice::of(Done::Tested).with_event(EventId(29)).at("/");
        assert_eq!(address, "/?done=tested&event=29");
        let notice = read(&address).await.expect("a notice");
        assert_eq!((notice.done, notice.event), (Done::Tested, Some(29)));
        assert!(read("/?done=your+account+is+locked").await.is_none());
        assert!(read("/?event=29").await.is_none());
        assert_eq!(read("/?done=fired&event=x").await.expect("a notice").event, None);
    }

    #[tokio::test]
    async fn a_notice_takes_the_place_of_the_one_before_and_leaves_the_rest_of_the_address_alone() {
        let paused = Notice::of(Done::Paused).with_triggers(vec![TriggerId(3), TriggerId(4)]);
        let address = paused.at("/ui/triggers?q=a&done=fired&event=3");
        assert_eq!(address, "/ui/triggers?q=a&done=paused&ids=3,4");
        let html = read(&address).await.expect("a notice").render().expect("it renders");
        assert!(html.contains("2 triggers are paused"), "{html}");
        for part in ["name=\"ids\" value=\"3,4\"", "value=\"resume\"", "name=\"back\" value=\"/ui/triggers?q=a\""] {
            assert!(html.contains(part), "{part} is missing: {html}");
        }
    }

    #[test]
    fn the_way_back_keeps_what_was_filtered_and_forgets_what_was_done() {
        assert_eq!(without_notice("/events/7"), "/events/7");
        assert_eq!(without_notice("/ui/triggers?done=paused&ids=3,4"), "/ui/triggers");
        assert_eq!(without_notice("/events?status=all&done=fired&event=7&q=a%26b"), "/events?status=all&q=a%26b");
    }

    #[tokio::test]
    async fn what_cannot_be_taken_back_offers_no_undo() {
        for address in ["/?done=paused", "/?done=deleted&count=3", "/?done=created", "/?done=paused&ids=%3Cb%3E"] {
            let html = read(address).await.expect("a notice").render().expect("it renders");
            assert!(!html.contains("<form") && !html.contains("<b>"), "{html}");
        }
        assert!(read("/?done=deleted&count=3").await.expect("a notice").render().expect("it renders").contains('3'));
    }

    #[tokio::test]
    async fn those_that_were_left_because_they_cannot_be_read_are_named_one_by_one() {
        let left = |unread| Notice::of(Done::Paused).with_triggers(vec![TriggerId(3)]).with_unread(unread);
        let address = left(vec![TriggerId(4)]).at("/ui/triggers?unread=9");
        assert_eq!(address, "/ui/triggers?done=paused&ids=3&unread=4");
        let html = read(&address).await.expect("a notice").render().expect("it renders");
        let one = "1 cannot be read and is left as it is: <a href=\"/ui/triggers/4\">trigger 4</a>.";
        assert!(html.contains(one) && html.contains("name=\"ids\" value=\"3\""), "{html}");
        let html = left(vec![TriggerId(4), TriggerId(5)]).render().expect("it renders");
        let two = "2 cannot be read and are left as they are: <a href=\"/ui/triggers/4\">trigger 4</a>, <a href=\"/ui/triggers/5\">trigger 5</a>.";
        assert!(html.contains(two), "{html}");
        assert!(!left(Vec::new()).render().expect("it renders").contains("cannot be read"));
    }

    #[tokio::test]
    async fn a_single_trigger_is_spoken_of_as_one() {
        let single = Notice::of(Done::Resumed).with_triggers(vec![TriggerId(3)]).at("/ui/triggers/3");
        let html = read(&single).await.expect("a notice").render().expect("it renders");
        assert!(html.contains("The trigger is resumed") && html.contains("value=\"pause\""), "{html}");
    }
}
