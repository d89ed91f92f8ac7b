//! What a trigger said at a time: every edit makes a revision, and the former ones are kept whole, with who made them and
//! until when they stood. What changed from one to the next is found out by comparing them and is written down nowhere, so it
//! cannot be wrong. Here too is decided whether a former one may stand again.

use jiff::Timestamp;

use crate::actor::Actor;
use crate::error::Invalid;
use crate::trigger::{Definition, Trigger};

/// How many former revisions of a trigger are kept, the latest ones, for as long as the trigger is there, and after that for as long as its
/// events. A number and no age: what was changed once, years ago, is what one wants to read, and a program that edits without end must not
/// fill the disk.
pub const FORMER_KEPT: usize = 100;

/// A revision of a trigger: what it said, and from when to when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The trigger as it stood, with the revision's number.
    pub trigger: Trigger,
    /// When it was made. Of one that was made before this was kept: since when its schedule stood.
    pub made_at: Timestamp,
    /// Who made it; none where it was made before this was kept.
    pub made_by: Option<Actor>,
    /// When the next one took its place, or the trigger was deleted; none for the present one.
    pub until: Option<Timestamp>,
    /// What was counted against a limit when it ended; none for the present one, and where it ended before this was kept.
    pub counted: Option<Counted>,
}

/// What was counted against a trigger's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How often its schedule has fired it since that was limited; 0 where it is not.
    pub fired: u64,
    /// The latest occurrence among those; none where there is none, or nobody kept it then.
    pub until: Option<Timestamp>,
}

/// The end of a trigger: what stood then is its last revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was deleted.
    pub at: Timestamp,
    /// Who deleted it.
    pub by: Actor,
}

impl Revision {
    /// The same as it stood at an instant: where a pause was over by then, nothing is said of that any more, and nothing that came later ended it.
    #[must_use]
    pub fn as_of(&self, at: Timestamp) -> Revision {
        let mut revision = self.clone();
        revision.trigger.definition = revision.trigger.definition.as_of(at);
        revision
    }
}

/// Something that a trigger says and that differs between two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its name.
    Name,
    /// When it fires, or the zone named for that.
    Schedule,
    /// What the calendars hold that its schedule names.
    Calendars,
    /// What its events carry.
    Payload,
    /// What the payloads of calls have to be like.
    PayloadSchema,
    /// Its own address.
    WebhookUrl,
    /// How its own address is spoken to.
    Format,
    /// The destinations it names, or their order.
    Destinations,
    /// What is to be reported of its events.
    Expects,
    /// What becomes of what falls due while an event of it is under way.
    Overlap,
    /// Whether it is only a test.
    IsTest,
    /// Whether it may fire.
    Enabled,
    /// Why it is paused, or until when.
    Pause,
    /// From when on it does not fire.
    ExpiresAt,
}

impl Change {
    /// The field's name in the API.
    pub fn word(self) -> &'static str {
        match self {
            Change::Name => "name",
            Change::Schedule => "schedule_details",
            Change::Calendars => "calendars",
            Change::Payload => "api_payload",
            Change::PayloadSchema => "payload_schema",
            Change::WebhookUrl => "webhook_url",
            Change::Format => "format",
            Change::Destinations => "destinations",
            Change::Expects => "expects",
            Change::Overlap => "overlap",
            Change::IsTest => "is_test",
            Change::Enabled => "enabled",
            Change::Pause => "pause",
            Change::ExpiresAt => "expires_at",
        }
    }
}

/// What differs, in the order in which a trigger is shown.
pub fn changes(before: &Definition, after: &Definition) -> Vec<Change> {
    // Taken apart, so that a field that is added to definitions cannot be forgotten here.
    let Definition {
        name,
        schedule,
        payload,
        payload_schema,
        webhook,
        destinations,
        expects,
        overlap,
        is_test,
        enabled,
        pause,
        expires_at,
    } = before;
    let (url, format) = webhook.as_ref().map(|webhook| (&webhook.url, webhook.format)).unzip();
    let (url_after, format_after) = after.webhook.as_ref().map(|webhook| (&webhook.url, webhook.format)).unzip();
    let said_alike = match (schedule, &after.schedule) {
        (Some(before), Some(after)) => before.is_said_like(after),
        (before, after) => before == after,
    };
    let compared = [
        (Change::Name, *name == after.name),
        (Change::Schedule, said_alike),
        (Change::Calendars, before.calendars() == after.calendars()),
        (Change::Payload, *payload == after.payload),
        (Change::PayloadSchema, *payload_schema == after.payload_schema),
        (Change::WebhookUrl, url == url_after),
        (Change::Format, format == format_after),
        (Change::Destinations, *destinations == after.destinations),
        (Change::Expects, *expects == after.expects),
        (Change::Overlap, *overlap == after.overlap),
        (Change::IsTest, *is_test == after.is_test),
        (Change::Enabled, *enabled == after.enabled),
        (Change::Pause, *pause == after.pause),
        (Change::ExpiresAt, *expires_at == after.expires_at),
    ];
    compared.into_iter().filter_map(|(change, is_same)| (!is_same).then_some(change)).collect()
}

/// What a trigger that stands as `current` says at `now` when what `former` said is to stand again: all of it, the grid included.
///
/// # Errors
/// Where it could not be said now, because its time has passed; what stands as it does may have.
pub fn restored(former: &Definition, current: &Definition, now: Timestamp) -> Result<Definition, Vec<Invalid>> {
    let mut errors = Vec::new();
    let has_passed =
        |definition: &Definition| definition.schedule.as_ref().is_some_and(|details| details.next_after(now).is_none());
    if former.schedule != current.schedule && has_passed(former) {
        let words = "All that the schedule of this revision names has passed; edit the trigger to give it another one.";
        errors.push(Invalid::new("schedule_details", words));
    }
    if former.expires_at != current.expires_at && !former.lives_at(now) {
        let words = "The expiry of this revision has passed; edit the trigger to give it another one.";
        errors.push(Invalid::new("expires_at", words));
    }
    if errors.is_empty() { Ok(former.clone()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::{Format, Webhook};
    use crate::id::DestinationId;
    use crate::overlap::Overlap;
    use crate::payload::Payload;
    use crate::payload_schema::PayloadSchema;
    use crate::run::Expectation;
    use crate::schedule::every::Period;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Pause, ScheduleDetails};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn on(schedule: Schedule) -> Option<ScheduleDetails> {
        Some(ScheduleDetails::plain(schedule, None))
    }

    fn every_hour() -> Definition {
        let period = Period::parse("1h").expect("a period");
        Definition {
            name: None,
            schedule: on(Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater }),
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
        }
    }

    fn webhook(url: &str, format: Format) -> Option<Webhook> {
        Some(Webhook { url: url.parse().expect("an address"), format })
    }

    #[test]
    fn each_field_that_differs_is_a_change() {
        let before = every_hour();
        assert_eq!(changes(&before, &before), []);
        let schema = PayloadSchema::parse("{}").expect("a schema");
        let expectation =
            Expectation::new(Period::parse("10m").expect("a period"), None, None).expect("it makes sense");
        let with_address = Definition { webhook: webhook("https://a.example/", Format::Json), ..before.clone() };
        for (after, expected) in [
            (Definition { name: Some("n".to_owned()), ..before.clone() }, vec![Change::Name]),
            (Definition { schedule: on(Schedule::Once { at: at(9) }), ..before.clone() }, vec![Change::Schedule]),
            (Definition { payload: Some(Payload::parse("1").expect("JSON")), ..before.clone() }, vec![Change::Payload]),
            (Definition { payload_schema: Some(schema), ..before.clone() }, vec![Change::PayloadSchema]),
            (with_address.clone(), vec![Change::WebhookUrl, Change::Format]),
            (Definition { destinations: vec![DestinationId(1)], ..before.clone() }, vec![Change::Destinations]),
            (Definition { expects: Some(expectation), ..before.clone() }, vec![Change::Expects]),
            (Definition { overlap: Overlap::Skip, ..before.clone() }, vec![Change::Overlap]),
            (Definition { is_test: true, enabled: false, ..before.clone() }, vec![Change::IsTest, Change::Enabled]),
            (
                Definition { enabled: false, pause: Pause::new(None, Some(at(9))), ..before.clone() },
                vec![Change::Enabled, Change::Pause],
            ),
            (Definition { expires_at: Some(at(9)), ..before.clone() }, vec![Change::ExpiresAt]),
        ] {
            assert_eq!(changes(&before, &after), expected);
            assert_eq!(changes(&after, &before), expected, "the way back changes the same");
        }
        let elsewhere = Definition { webhook: webhook("https://b.example/", Format::Json), ..before.clone() };
        let otherwise = Definition { webhook: webhook("https://a.example/", Format::Slack), ..before };
        assert_eq!(changes(&with_address, &elsewhere), [Change::WebhookUrl]);
        assert_eq!(changes(&with_address, &otherwise), [Change::Format]);
    }

    #[test]
    fn what_was_said_stands_again_unless_its_time_has_passed() {
        let current = every_hour();
        let once = Definition { schedule: on(Schedule::Once { at: at(100) }), ..every_hour() };
        assert_eq!(restored(&once, &current, at(99)), Ok(once.clone()));
        let errors = restored(&once, &current, at(100)).expect_err("it has passed");
        assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["schedule_details"]);
        let renamed = Definition { name: Some("new".to_owned()), ..once.clone() };
        assert_eq!(restored(&once, &renamed, at(100)), Ok(once), "what stands as it does may have passed");

        let ended = Definition { expires_at: Some(at(50)), ..every_hour() };
        assert_eq!(restored(&ended, &current, at(49)), Ok(ended.clone()));
        let errors = restored(&ended, &current, at(50)).expect_err("it has expired");
        assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["expires_at"]);
        assert!(restored(&ended, &ended, at(60)).is_ok());
    }
}
