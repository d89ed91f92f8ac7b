//! Where a trigger stands, in one word: what keeps it from firing before that it waits, and what went wrong before that all
//! is well. Only the deciding is here; how the word looks stands in `badge`.

use jiff::Timestamp;
use oncue_domain::freeze::{Freeze, frozen_until};
use oncue_domain::trigger::{Kind, TriggerHead};

/// Where a trigger stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Kept, and never scheduled.
    Test,
    /// Its time is over.
    Expired,
    /// Switched off.
    Paused,
    /// It would fire by itself, but triggers are frozen.
    Frozen,
    /// It should have fired, and has not.
    Overdue,
    /// The last thing that is known of its deliveries is a failure.
    Failing,
    /// It fires by itself.
    Waiting,
    /// It fires when it is called.
    Ready,
    /// Its schedule has nothing left.
    Finished,
}

impl Condition {
    /// Where this one stands at `now` under its owner's freezes; whether its deliveries fail is known to the store alone.
    pub(crate) fn of(head: &TriggerHead, is_failing: bool, freezes: &[Freeze], now: Timestamp) -> Condition {
        if head.is_test {
            Condition::Test
        } else if head.has_expired(now) {
            Condition::Expired
        } else if head.is_paused_at(now) {
            Condition::Paused
        } else if head.next_at.is_some() && frozen_until(freezes, now).is_some() {
            Condition::Frozen
        } else if head.is_overdue(now) {
            Condition::Overdue
        } else if is_failing {
            Condition::Failing
        } else if head.kind() == Kind::Api {
            Condition::Ready
        } else if head.next_at.is_some() {
            Condition::Waiting
        } else {
            Condition::Finished
        }
    }

    /// Whether somebody ought to look.
    pub(crate) fn needs_attention(self) -> bool {
        matches!(self, Condition::Overdue | Condition::Failing)
    }

    /// The word on pages and in addresses.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Condition::Test => "test",
            Condition::Expired => "expired",
            Condition::Paused => "paused",
            Condition::Frozen => "frozen",
            Condition::Overdue => "overdue",
            Condition::Failing => "failing",
            Condition::Waiting => "waiting",
            Condition::Ready => "ready",
            Condition::Finished => "finished",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use oncue_domain::actor::Actor;
    use oncue_domain::id::TriggerId;
    use oncue_domain::overlap::Overlap;
    use oncue_domain::schedule::Schedule;
    use oncue_domain::trigger::ScheduleDetails;

    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    /// A trigger that fires once, an hour from the beginning of time in tests.
    pub(crate) fn head(id: i64, name: &str) -> TriggerHead {
        TriggerHead {
            is_behind: false,
            id: TriggerId(id),
            name: (!name.is_empty()).then(|| name.to_owned()),
            schedule: Some(ScheduleDetails::plain(Schedule::Once { at: at(3600) }, None)),
            webhook: None,
            destinations: Vec::new(),
            overlap: Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
            created_at: at(0),
            next_at: Some(at(3600)),
            fired: 0,
        }
    }

    #[test]
    fn what_waited_for_an_event_outlives_the_expiry_where_it_will_fire() {
        let waits =
            TriggerHead { overlap: Overlap::Queue, is_behind: true, expires_at: Some(at(3_700)), ..head(1, "") };
        let word = |head: &TriggerHead, now| Condition::of(head, false, &[], at(now)).word();
        assert_eq!(word(&waits, 4_000), "waiting", "it came before the expiry");
        assert_eq!(word(&waits, 3_601 + 24 * 3_600), "expired", "nothing fires as late as that");
        assert_eq!(word(&TriggerHead { overlap: Overlap::Skip, ..waits.clone() }, 4_000), "expired");
        assert_eq!(word(&TriggerHead { is_behind: false, ..waits }, 4_000), "expired");
    }

    #[test]
    fn what_keeps_a_trigger_from_firing_is_said_before_what_went_wrong_and_that_before_that_it_waits() {
        let plain = head(1, "");
        let word = |head: &TriggerHead, is_failing| Condition::of(head, is_failing, &[], at(0)).word();
        assert_eq!(word(&plain, false), "waiting");
        assert_eq!(word(&plain, true), "failing");
        let waiting = plain.clone();
        let finished = TriggerHead { next_at: None, ..plain };
        assert_eq!((word(&finished, false), word(&finished, true)), ("finished", "failing"));
        let called = TriggerHead { schedule: None, ..finished.clone() };
        assert_eq!(word(&called, false), "ready");
        let paused = TriggerHead { enabled: false, ..finished };
        assert_eq!(word(&paused, true), "paused");
        let freeze = Freeze { owner: None, reason: None, from: at(0), until: Some(at(9)), by: Actor::SYSTEM };
        let under = |head: &TriggerHead, now| Condition::of(head, true, std::slice::from_ref(&freeze), now).word();
        assert_eq!((under(&waiting, at(1)), under(&waiting, at(9))), ("frozen", "failing"));
        assert_eq!((under(&called, at(1)), under(&paused, at(1))), ("failing", "paused"));
        let expired = TriggerHead { expires_at: Some(at(0)), ..paused };
        assert_eq!(word(&expired, false), "expired");
        assert_eq!(word(&TriggerHead { is_test: true, ..expired }, false), "test");
    }

    #[test]
    fn a_trigger_is_overdue_when_the_scheduler_should_have_looked_long_ago() {
        let due = TriggerHead { next_at: Some(at(-5)), ..head(1, "") };
        assert_eq!(Condition::of(&due, false, &[], at(0)), Condition::Waiting);
        assert_eq!(Condition::of(&due, true, &[], at(1)), Condition::Overdue);
    }
}
