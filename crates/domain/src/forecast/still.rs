//! Triggers that nothing will ever fire by the clock, and why: what a person planned and forgot about, told before they wait for it in vain.

use jiff::Timestamp;

use crate::schedule::Schedule;
use crate::trigger::{Kind, TriggerHead, just_before};

/// What keeps a trigger from ever firing by itself; what nobody meant comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Still {
    /// Its expiry comes before its next occurrence.
    ExpiresBefore,
    /// Its start, its end and its excluded dates leave nothing of what its schedule names.
    NeverInSpan,
    /// Its schedule names no further occurrence.
    Finished,
    /// It is paused.
    Paused,
    /// All that its schedule still names falls into a freeze.
    Frozen,
    /// Its time is over.
    Expired,
    /// It has fired as often as it may.
    Spent,
    /// Its schedule has come to its end.
    Ended,
    /// It is only tested.
    Test,
}

impl Still {
    /// What keeps the trigger from it; none where it fires by itself, where it is made to be called, and where it was to fire once and that
    /// time has come.
    pub fn of(head: &TriggerHead, now: Timestamp) -> Option<Still> {
        if head.kind() == Kind::Api {
            return None;
        }
        if head.is_test {
            return Some(Still::Test);
        }
        let waits_for = head.next_at.filter(|next_at| head.lives_at(head.named_for(*next_at)));
        let is_left = |next_at: Timestamp| next_at > now || head.fires_behind(now).is_some();
        if !head.lives_at(now) && !waits_for.is_some_and(is_left) {
            return Some(Still::Expired);
        }
        let from = match head.pause_ends_at() {
            None if !head.enabled => return Some(Still::Paused),
            end => end.map_or(now, |end| now.max(just_before(end))),
        };
        match head.next_at {
            Some(_) if waits_for.is_some() => None,
            Some(_) => Some(Still::ExpiresBefore),
            None => {
                let schedule = head.schedule.as_ref()?;
                let would_fire = schedule.next_after(from);
                if head.left() == Some(0) {
                    return Some(Still::Spent);
                }
                match schedule.pattern() {
                    Schedule::Once { at } if *at <= now => None,
                    Schedule::Once { at } if *at <= from => Some(Still::Paused),
                    _ if would_fire.is_some_and(|next| !head.lives_at(next)) => Some(Still::ExpiresBefore),
                    _ if would_fire.is_none() && schedule.ends_at().is_some_and(|end| end <= from) => {
                        Some(Still::Ended)
                    }
                    pattern if would_fire.is_none() && pattern.next_after(from).is_some() => Some(Still::NeverInSpan),
                    _ => Some(Still::Finished),
                }
            }
        }
    }

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Still::Test => "test",
            Still::Expired => "expired",
            Still::Spent => "max_fires",
            Still::Ended => "ended",
            Still::NeverInSpan => "never_in_its_span",
            Still::Paused => "paused",
            Still::Frozen => "frozen",
            Still::ExpiresBefore => "expires_before",
            Still::Finished => "finished",
        }
    }

    /// The sentence for people, with what to change.
    pub fn sentence(self) -> &'static str {
        match self {
            Still::Test => "It was made for a test and is never scheduled.",
            Still::Expired => "Its expiry has passed; a later one lets it fire again.",
            Still::Spent => "It has fired as often as it may; a higher max_fires lets it fire again.",
            Still::Ended => "Its schedule has ended; a later end lets it fire again.",
            Still::NeverInSpan => {
                "Its start, its end and its excluded dates leave none of the occurrences that its schedule names."
            }
            Still::Paused => "It is paused; what falls due meanwhile does not fire later.",
            Still::Frozen => {
                "Triggers are frozen, and all that its schedule still names falls into that; thawing lets it fire."
            }
            Still::ExpiresBefore => "It expires before its next occurrence.",
            Still::Finished => "Its schedule names no further occurrence.",
        }
    }
}
