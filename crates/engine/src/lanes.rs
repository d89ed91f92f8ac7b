//! Whose turn it is on the way out: one lane for each receiver, so that a slow one delays only itself. Bounded everywhere;
//! a claim on a slow receiver that finds no room is dropped, and its delivery is given out again when the claim has lapsed.
//! A brisk receiver is never turned away like that: what is too much for it waits in the store, unclaimed, for moments.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use oncue_domain::delivery::Claim;
use oncue_domain::destination::Target;

/// How many attempts may be under way at once.
const RUNNING_MAX: usize = 1024;

/// How many of them to one brisk receiver.
const RUNNING_PER_BRISK_LANE: usize = 64;

/// How many of them to one receiver that is slow, or not known yet: so few that even a hundred hanging receivers leave room.
const RUNNING_PER_LANE: usize = 8;

/// How many claims wait in memory.
const WAITING_MAX: usize = 8192;

/// How many of them for one slow receiver, so that a dead one leaves room for the others.
const WAITING_PER_LANE: usize = WAITING_MAX / 2;

/// And with how many bytes of payload.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many lanes are remembered although nothing is in them.
const LANES_KEPT: usize = 4096;

/// A receiver is brisk while its attempts take no longer, however they end: even all the room there is empties in seconds.
const BRISK: Duration = Duration::from_millis(250);

/// A receiver: scheme, host and port of its address, or the operator's default destination.
pub(crate) type LaneKey = String;

#[derive(Default)]
struct Lane {
    running: usize,
    /// Whether the latest attempt was over soon.
    is_brisk: bool,
    /// Whether it stands in the row of those that may start.
    is_ready: bool,
    waiting: VecDeque<Claim>,
}

impl Lane {
    fn may_start(&self) -> bool {
        let most = if self.is_brisk { RUNNING_PER_BRISK_LANE } else { RUNNING_PER_LANE };
        !self.waiting.is_empty() && self.running < most
    }
}

/// All lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    /// Lanes that have somebody waiting and may start, in turn.
    ready: VecDeque<LaneKey>,
    running: usize,
    waiting: usize,
    waiting_bytes: usize,
}

impl Lanes {
    /// How many more claims can be taken in.
    pub(crate) fn room(&self) -> usize {
        if self.waiting_bytes >= WAITING_BYTES_MAX { 0 } else { WAITING_MAX - self.waiting }
    }

    /// How many attempts are under way.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many claims wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a claim in.
    pub(crate) fn push(&mut self, claim: Claim) {
        let key = key_of(&claim.target);
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.waiting.len() >= WAITING_PER_LANE && !lane.is_brisk {
            return;
        }
        self.waiting += 1;
        self.waiting_bytes += bytes_of(&claim);
        lane.waiting.push_back(claim);
        self.line_up(&key);
    }

    /// The next claim whose attempt may start, the lanes taking turns.
    pub(crate) fn start(&mut self) -> Option<(LaneKey, Claim)> {
        if self.running >= RUNNING_MAX {
            return None;
        }
        let key = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        lane.is_ready = false;
        let claim = lane.waiting.pop_front()?;
        lane.running += 1;
        self.running += 1;
        self.waiting -= 1;
        self.waiting_bytes -= bytes_of(&claim);
        self.line_up(&key);
        Some((key, claim))
    }

    /// An attempt in this lane is over; none says how long it took when it was not even begun.
    pub(crate) fn finish(&mut self, key: &LaneKey, took: Option<Duration>) {
        self.running -= 1;
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.running -= 1;
        lane.is_brisk = took.is_some_and(|took| took <= BRISK);
        // A lane that stays remembers that its receiver is brisk.
        if lane.running == 0 && lane.waiting.is_empty() && self.lanes.len() > LANES_KEPT {
            self.lanes.remove(key);
        } else {
            self.line_up(key);
        }
    }

    fn line_up(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.may_start() && !lane.is_ready {
            lane.is_ready = true;
            self.ready.push_back(key.clone());
        }
    }
}

fn bytes_of(claim: &Claim) -> usize {
    claim.event.payload.as_str().len()
}

fn key_of(target: &Target) -> LaneKey {
    match target {
        Target::Webhook(webhook) => webhook.url[..url::Position::BeforePath].to_owned(),
        Target::Default => "default".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use oncue_domain::destination::Webhook;
    use oncue_domain::event::{Event, Origin};
    use oncue_domain::id::{EventId, Ids, TriggerId, UserId};
    use oncue_domain::payload::Payload;
    use oncue_domain::trigger::Kind;

    use super::*;

    fn claim(url: &str) -> Claim {
        let now = Timestamp::UNIX_EPOCH;
        let event = Event {
            id: EventId(1),
            owner: UserId(1),
            trigger: TriggerId(1),
            revision: 1,
            name: String::new(),
            kind: Kind::Api,
            origin: Origin::Api,
            scheduled_at: None,
            fired_at: now,
            message_id: Ids::from_seed([1; 32]).message(now),
            payload: Payload::empty(),
        };
        let webhook = Webhook::parse(url, None).expect("an address");
        Claim { event: Arc::new(event), target: Target::Webhook(webhook), tried: 0, until: now, fence: 1 }
    }

    /// Lanes with as much for one receiver as they take, of which one attempt has taken so long.
    fn flooded(took: Duration) -> Lanes {
        let mut lanes = Lanes::default();
        lanes.push(claim("http://receiver.example/"));
        let (key, _) = lanes.start().expect("there is room");
        lanes.push(claim("http://receiver.example/"));
        lanes.finish(&key, Some(took));
        let flood = claim("http://receiver.example/");
        while lanes.room() > 0 {
            let before = lanes.waiting();
            lanes.push(flood.clone());
            if lanes.waiting() == before {
                break;
            }
        }
        lanes
    }

    #[test]
    fn a_brisk_receiver_is_not_turned_away_while_there_is_room() {
        let lanes = flooded(Duration::from_millis(2));
        assert_eq!((lanes.waiting(), lanes.room()), (WAITING_MAX, 0));
    }

    #[test]
    fn a_slow_receiver_leaves_room_for_the_others() {
        let mut lanes = flooded(Duration::from_secs(15));
        assert_eq!(lanes.waiting(), WAITING_PER_LANE);
        lanes.push(claim("http://other.example/"));
        assert_eq!(lanes.waiting(), WAITING_PER_LANE + 1);
        let started: Vec<LaneKey> = std::iter::from_fn(|| lanes.start()).map(|(key, _)| key).collect();
        assert_eq!(started.iter().filter(|key| *key == "http://other.example").count(), 1);
        assert_eq!(started.len(), RUNNING_PER_LANE + 1);
    }
}
