//! One lane: whose it is, what waits in it, and how many attempts may be under way. What all of them have together is not known here.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::delivery::Claim;
use oncue_domain::destination::{Definition, Target};
use oncue_domain::id::{DestinationId, UserId};

use super::flow::Flow;
use super::{WAITING_BYTES_MAX, WAITING_MAX};

/// How many attempts may be under way to one brisk receiver.
pub(super) const RUNNING_PER_BRISK_LANE: usize = 64;

/// How many of them to one receiver that is slow, or not known yet: so few that even a hundred hanging receivers leave room.
pub(super) const RUNNING_PER_LANE: usize = 8;

/// How many claims wait for one receiver, however quick it is.
pub(super) const WAITING_PER_LANE: usize = WAITING_MAX / 4;

/// And with how many bytes of payload, beyond the first claim.
pub(super) const WAITING_BYTES_PER_LANE: usize = WAITING_BYTES_MAX / 16;

/// A receiver is brisk while its attempts take no longer, however they end.
const BRISK: Duration = Duration::from_millis(250);

/// Whose deliveries, and where to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneKey {
    pub(super) owner: UserId,
    pub(super) receiver: Receiver,
}

/// Who takes deliveries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Receiver {
    /// Scheme, host and port of triggers' own addresses.
    Origin(String),
    /// The operator's.
    Default,
    /// A destination.
    Destination(DestinationId),
}

impl LaneKey {
    pub(super) fn of(claim: &Claim) -> LaneKey {
        let receiver = match &claim.target {
            Target::Webhook(webhook) => Receiver::Origin(webhook.url[..url::Position::BeforePath].to_owned()),
            Target::Default => Receiver::Default,
            Target::Destination(id) => Receiver::Destination(*id),
        };
        LaneKey { owner: claim.event.owner, receiver }
    }
}

/// How many attempts to one receiver may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parallelism {
    /// It is not known what the destination says: the one attempt that may begin finds it out.
    Unknown,
    /// As many as the receiver keeps up with.
    Usual,
    /// As many as the destination says, while there are places enough.
    Own(usize),
}

impl Parallelism {
    /// What a destination that is there says.
    pub(crate) fn of(definition: &Definition) -> Parallelism {
        // The store hands out one at a time; what it had handed out when that was asked for goes one after the other, too.
        if definition.in_order {
            return Parallelism::Own(1);
        }
        let number = definition.parallelism.and_then(|number| usize::try_from(number).ok());
        number.map_or(Parallelism::Usual, Parallelism::Own)
    }

    /// What is known of a receiver to which nothing is under way.
    pub(super) fn at_rest(target: &Target) -> Parallelism {
        match target {
            Target::Webhook(_) | Target::Default => Parallelism::Usual,
            Target::Destination(_) => Parallelism::Unknown,
        }
    }
}

/// What an attempt that is over has shown of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// There was an exchange, and it took so long.
    Took(Duration),
    /// The same, and the receiver said that these are too many: it wants nothing before that instant.
    TooSoon(Duration, Timestamp),
    /// There was none, on purpose: the delivery waits, or was given up. It shows nothing.
    Nothing,
    /// Nobody knows: the attempt broke off.
    BrokeOff,
}

/// A claim for which there is no room, and when there may be some.
pub(crate) type TurnedAway = (Claim, Timestamp);

/// What waits and runs for one receiver.
pub(super) struct Lane {
    pub(super) parallelism: Parallelism,
    pub(super) running: usize,
    /// Whether the latest exchange was over soon.
    pub(super) is_brisk: bool,
    /// Whether it stands in its owner's row of lanes that are not brisk (0), and in that of brisk ones (1): where it belongs is seen when its
    /// turn comes.
    pub(super) is_lined_up: [bool; 2],
    pub(super) waiting: VecDeque<Claim>,
    pub(super) waiting_bytes: usize,
    pub(super) flow: Flow,
    /// Nothing begins before then; none where nobody said so.
    pub(super) held_until: Option<Timestamp>,
    /// How many at once a receiver is tried with that has said that these are too many: one, and with each success one more. None where it
    /// has not, or it has been taken back by so many successes.
    pub(super) careful: Option<usize>,
}

impl Lane {
    pub(super) fn at_rest(target: &Target) -> Lane {
        Lane {
            parallelism: Parallelism::at_rest(target),
            running: 0,
            is_brisk: false,
            is_lined_up: [false; 2],
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            flow: Flow::default(),
            held_until: None,
            careful: None,
        }
    }

    /// How many attempts may be under way.
    pub(super) fn at_once(&self) -> usize {
        let at_once = match self.parallelism {
            Parallelism::Unknown => 1,
            Parallelism::Usual if self.is_brisk => RUNNING_PER_BRISK_LANE,
            Parallelism::Usual => RUNNING_PER_LANE,
            Parallelism::Own(number) => number,
        };
        self.careful.map_or(at_once, |careful| careful.min(at_once))
    }

    /// Whether one more attempt may begin, where so many places are left for the lane.
    pub(super) fn may_start(&self, left: usize) -> bool {
        self.held_until.is_none() && !self.waiting.is_empty() && self.running < self.at_once().min(left)
    }

    /// Whether so many may wait here, with so many bytes; one always may.
    pub(super) fn has_room(&self, waiting: usize, bytes: usize) -> bool {
        waiting <= 1 || (waiting <= self.flow.room(WAITING_PER_LANE, self.at_once()) && bytes <= WAITING_BYTES_PER_LANE)
    }

    /// An attempt is over, and has shown this; gives how long its exchange took.
    pub(super) fn learn_from(&mut self, shown: Shown) -> Option<Duration> {
        let took = match shown {
            Shown::Took(took) | Shown::TooSoon(took, _) => Some(took),
            Shown::Nothing | Shown::BrokeOff => None,
        };
        if shown != Shown::Nothing {
            self.is_brisk = took.is_some_and(|took| took <= BRISK);
        }
        match shown {
            Shown::TooSoon(_, until) => {
                self.careful = Some(1);
                self.held_until = self.held_until.max(Some(until));
            }
            Shown::Took(_) => {
                self.careful =
                    self.careful.map(|careful| careful + 1).filter(|careful| *careful < RUNNING_PER_BRISK_LANE);
            }
            Shown::Nothing | Shown::BrokeOff => {}
        }
        took
    }

    /// Gives back what waits here beyond what there is room for.
    pub(super) fn turn_away(&mut self, now: Timestamp) -> Vec<TurnedAway> {
        let mut turned_away = VecDeque::new();
        while !self.has_room(self.waiting.len(), self.waiting_bytes)
            && let Some(claim) = self.waiting.pop_back()
        {
            self.waiting_bytes -= bytes_of(&claim);
            turned_away.push_front(claim);
        }
        let waiting = self.waiting.len();
        turned_away.into_iter().map(|claim| (claim, self.flow.away_until(waiting, now))).collect()
    }
}

/// How much of the room for payloads it takes.
pub(super) fn bytes_of(claim: &Claim) -> usize {
    claim.event.payload.as_str().len()
}
