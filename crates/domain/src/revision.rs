//! What a trigger said at a time: every edit makes a revision, and the former ones are kept whole, with who made them and
//! until when they stood. What changed from one to the next is found out by comparing them and is written down nowhere, so it
//! cannot be wrong. Here too is decided how long a former one is kept, and whether it may stand again.
//!
//! Of a trigger the latest [`FORMER_KEPT`] former revisions are kept whatever their age: what was changed once, years ago, is what one wants to
//! read. Those before them are kept for as long as an event may name them, because a calendar that is edited every minute makes a hundred in
//! less than two hours; and newer ones take their room, because a program that edits without end must not fill the disk. Which those are is found
//! by two marks that each of them gets when it is pushed out, so an edit costs the same however many there are.

use jiff::Timestamp;

use crate::actor::Actor;
use crate::error::Invalid;
use crate::trigger::{Definition, ScheduleDetails, Trigger};

/// How many former revisions of a trigger are kept, the latest ones, for as long as the trigger is there, and after that for as long as its
/// events.
pub const FORMER_KEPT: usize = 100;

/// How many bytes those before them take at most, but for the oldest, which may reach beyond: 8 MiB, which is an edit every minute for two days
/// of a trigger that says little.
pub const BEYOND_BYTES_MAX: u64 = 8 << 20;

/// How many bytes a former revision is taken to have beside its payload, its schema and its schedule.
pub const REVISION_BYTES: u64 = 1024;

/// The number of the revision that is none of the latest [`FORMER_KEPT`] former ones any more when the revision `ended` has become one; none
/// where there are not as many.
pub fn pushed_out(ended: i64) -> Option<i64> {
    Some(ended.saturating_sub_unsigned(FORMER_KEPT as u64)).filter(|number| *number > 0)
}

/// A former revision that is none of the latest [`FORMER_KEPT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// How many bytes it has, and all of the trigger's that were pushed out before it, as far as they were there then.
    pub bytes_up_to: u64,
    /// When it ended; or when the latest event fired that may name it, where that was later by a clock that was put back since.
    pub until: Timestamp,
}

impl Beyond {
    /// Whether it stays when the latest one that was pushed out counts `latest_bytes_up_to`: those after it leave it room.
    pub fn has_room(&self, latest_bytes_up_to: u64) -> bool {
        no_room_up_to(latest_bytes_up_to).is_none_or(|mark| self.bytes_up_to > mark)
    }

    /// Whether an event that names it may be kept, where those that fired at or before `gone_until` are not.
    pub fn may_be_named(&self, gone_until: Timestamp) -> bool {
        self.until > gone_until
    }
}

/// Of which former revisions those that were pushed out later take the room, where the latest counts `latest_bytes_up_to`: of those that count so
/// many bytes at most ([`Beyond::bytes_up_to`]). None where there is room for all.
pub fn no_room_up_to(latest_bytes_up_to: u64) -> Option<u64> {
    latest_bytes_up_to.checked_sub(BEYOND_BYTES_MAX)
}

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
    /// Whether an event of it was under way then that its occurrences were not to overlap: what it waited for and was due had met that.
    pub was_under_way: bool,
}

impl Revision {
    /// About how many bytes it takes as a former one, where `schedule_bytes` says how many a schedule takes as it is kept.
    pub fn bytes(&self, schedule_bytes: impl Fn(&ScheduleDetails) -> usize) -> u64 {
        let Definition { schedule, payload, payload_schema, .. } = &self.trigger.definition;
        let schedule = schedule.as_ref().map_or(0, schedule_bytes);
        let payload = payload.as_ref().map_or(0, |payload| payload.as_str().len());
        let schema = payload_schema.as_ref().map_or(0, |schema| schema.as_str().len());
        REVISION_BYTES + (schedule + payload + schema) as u64
    }

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
    fn the_hundred_and_first_is_pushed_out_and_those_before_a_hundred_are_not() {
        let kept = i64::try_from(FORMER_KEPT).expect("small");
        assert_eq!((pushed_out(1), pushed_out(kept), pushed_out(i64::MIN)), (None, None, None));
        assert_eq!((pushed_out(kept + 1), pushed_out(kept + 7)), (Some(1), Some(7)));
    }

    /// Those that are left of so many bytes each, the latest last, by the marks that they got when they were pushed out one after the other.
    fn left(sizes: &[u64]) -> Vec<u64> {
        let mut beyond: Vec<(u64, Beyond)> = Vec::new();
        for bytes in sizes {
            let before = beyond.last().map_or(0, |(_, last)| last.bytes_up_to);
            let latest = Beyond { bytes_up_to: before + bytes, until: at(0) };
            beyond.push((*bytes, latest));
            beyond.retain(|(_, one)| one.has_room(latest.bytes_up_to));
        }
        beyond.into_iter().map(|(bytes, _)| bytes).collect()
    }

    #[test]
    fn newer_ones_take_the_room_of_older_ones_and_no_more_of_it_than_there_is() {
        const MAX: u64 = BEYOND_BYTES_MAX;
        assert_eq!(left(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(left(&[1, 2, MAX - 3]), [1, 2, MAX - 3], "the two before leave it room");
        assert_eq!(left(&[1, 2, MAX - 2]), [2, MAX - 2], "the last that has room may reach beyond");
        assert_eq!(left(&[1, 2, MAX]), [MAX]);
        assert_eq!(left(&[2 * MAX, 1]), [2 * MAX, 1]);
        assert_eq!(left(&[2 * MAX, MAX, 1, 1]), [MAX, 1, 1]);
        // Whatever their sizes: what is left is the latest of them, fills the room where there were more, and takes it but for the oldest.
        let mut seed = 7_u64;
        let mut sizes = Vec::new();
        for _ in 0..3_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sizes.push(REVISION_BYTES + (seed >> 33) % [300, 40_000, 300_000][sizes.len() % 3]);
            let left = left(&sizes[sizes.len().saturating_sub(200)..]);
            assert!(sizes.ends_with(&left));
            assert!(left.iter().skip(1).sum::<u64>() < MAX, "{left:?}");
            assert!(left.len() == sizes.len().min(200) || left.iter().sum::<u64>() >= MAX, "{left:?}");
        }
    }

    #[test]
    fn one_that_ended_when_events_were_fired_that_are_kept_may_be_named_by_them() {
        let ended = Beyond { bytes_up_to: 1, until: at(100) };
        assert!(ended.may_be_named(at(99)) && !ended.may_be_named(at(100)));
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
