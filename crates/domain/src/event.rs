//! The event: the durable record that something fired. It is written once and never changed; how old it is decides what
//! it is called. Who receives it stands in `delivery`, what is sent in `message`.

use jiff::{SignedDuration, Timestamp};

use crate::id::{EventId, MessageId, TriggerId, UserId};
use crate::payload::Payload;
use crate::trigger::Kind;

/// What made an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An occurrence that fell due while oncue ran.
    Schedule,
    /// An occurrence that fell due while oncue did not run.
    CatchUp,
    /// A call of `fire`.
    Api,
    /// Somebody tried the trigger out. Never consumes or moves an occurrence (invariant 6).
    Test,
    /// Somebody fired it again with what a former event carried. Never consumes or moves an occurrence either.
    Repeat,
    /// An occurrence of a span that is past, because somebody asked for it. Accounted for already, and so in no ledger's sum.
    Backfill,
    /// Somebody ran the trigger now. Never consumes or moves an occurrence either.
    Run,
    /// A destination is in trouble, or is out of it again (`destination::alert`), or a run failed or is overdue (`run::alert`). No trigger fired.
    Alert,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Origin; 8] = [
        Origin::Schedule,
        Origin::CatchUp,
        Origin::Api,
        Origin::Test,
        Origin::Repeat,
        Origin::Backfill,
        Origin::Run,
        Origin::Alert,
    ];

    /// The origin of that word.
    pub fn from_word(word: &str) -> Option<Origin> {
        Origin::ALL.into_iter().find(|origin| origin.word() == word)
    }

    /// The word in the API and in the message.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Schedule => "schedule",
            Origin::CatchUp => "catch-up",
            Origin::Api => "api",
            Origin::Test => "test",
            Origin::Repeat => "repeat",
            Origin::Backfill => "backfill",
            Origin::Run => "run",
            Origin::Alert => "alert",
        }
    }

    /// Whether counts and charts know of it: what somebody only tried out, and what tells of others' deliveries, must not colour the
    /// picture of what triggers do.
    pub fn is_counted(self) -> bool {
        !matches!(self, Origin::Test | Origin::Alert)
    }
}

/// The durable record that something fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number; ascending in the order of commits.
    pub id: EventId,
    /// Whose it is.
    pub owner: UserId,
    /// The trigger that fired; it may be gone by now.
    pub trigger: TriggerId,
    /// Which revision of the trigger fired.
    pub revision: i64,
    /// The trigger's name at that moment; empty where it had none.
    pub name: String,
    /// What sort of trigger it was.
    pub kind: Kind,
    /// What made it.
    pub origin: Origin,
    /// The occurrence's nominal time; none where no schedule made it.
    pub scheduled_at: Option<Timestamp>,
    /// When the occurrence fell due, where that was later than its nominal time.
    pub due_at: Option<Timestamp>,
    /// When it was written down. Age counts from here.
    pub fired_at: Timestamp,
    /// What receivers know it by.
    pub message_id: MessageId,
    /// What it carries.
    pub payload: Payload,
    /// The event whose payload this one carries again; it may be gone by now. None where it is no repetition.
    pub parent: Option<EventId>,
    /// Whether whoever receives it is to report what became of it (`run`).
    pub has_run: bool,
}

impl Event {
    /// Whether somebody was only trying the trigger out.
    pub fn is_test(&self) -> bool {
        self.origin == Origin::Test
    }

    /// What makes an event that carries its payload again: the repetition of a test is a test, so that no receiver takes it for more.
    pub fn origin_again(&self) -> Origin {
        if self.is_test() { Origin::Test } else { Origin::Repeat }
    }

    /// Fired − due; none where no schedule made the event.
    pub fn lateness(&self) -> Option<SignedDuration> {
        self.due_at.or(self.scheduled_at).map(|due| self.fired_at.duration_since(due))
    }
}

/// What an event of a certain age is called (invariant 9: status is age, computed and never written).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Younger than `active_for`.
    Active,
    /// Older than that, younger than `keep_for`.
    Archived,
}

impl Status {
    /// The word in the API and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Archived => "archived",
        }
    }
}

/// How long events live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Up to this age an event is active.
    pub active_for: SignedDuration,
    /// From this age on it is gone: unreadable at once, removed soon after.
    pub keep_for: SignedDuration,
}

impl Retention {
    /// Two hours active, gone after forty-eight.
    pub const STANDARD: Retention =
        Retention { active_for: SignedDuration::from_hours(2), keep_for: SignedDuration::from_hours(48) };

    /// What an event fired at `fired_at` is called at `now`; none once it is gone. An event from a clock that was ahead counts as new.
    pub fn status(&self, fired_at: Timestamp, now: Timestamp) -> Option<Status> {
        let age = now.duration_since(fired_at);
        if age < self.active_for {
            Some(Status::Active)
        } else if age < self.keep_for {
            Some(Status::Archived)
        } else {
            None
        }
    }

    /// Events fired after this instant can be read; those at or before it are gone.
    pub fn gone_until(&self, now: Timestamp) -> Timestamp {
        before(now, self.keep_for)
    }

    /// Events fired after this instant are active.
    pub fn archived_until(&self, now: Timestamp) -> Timestamp {
        before(now, self.active_for)
    }
}

fn before(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_a_function_of_age() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
        let aged = |age: SignedDuration| Retention::STANDARD.status(now - age, now);
        let tick = SignedDuration::from_micros(1);
        let two_hours = SignedDuration::from_hours(2);
        let two_days = SignedDuration::from_hours(48);
        assert_eq!(aged(SignedDuration::ZERO), Some(Status::Active));
        assert_eq!(aged(two_hours - tick), Some(Status::Active));
        assert_eq!(aged(two_hours), Some(Status::Archived));
        assert_eq!(aged(two_days - tick), Some(Status::Archived));
        assert_eq!(aged(two_days), None);
        assert_eq!(aged(-two_hours), Some(Status::Active));
    }

    #[test]
    fn the_bounds_of_a_listing_agree_with_the_status() {
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
        let tick = SignedDuration::from_micros(1);
        let gone = Retention::STANDARD.gone_until(now);
        assert_eq!(Retention::STANDARD.status(gone, now), None);
        assert_eq!(Retention::STANDARD.status(gone + tick, now), Some(Status::Archived));
        let archived = Retention::STANDARD.archived_until(now);
        assert_eq!(Retention::STANDARD.status(archived, now), Some(Status::Archived));
        assert_eq!(Retention::STANDARD.status(archived + tick, now), Some(Status::Active));
    }
}
