//! Whose turn it is on the way out: one lane for each receiver, so that a slow one delays only itself. Bounded everywhere;
//! a claim that finds no room is dropped, and its delivery is given out again when the claim has lapsed.

use std::collections::{HashMap, VecDeque};

use oncue_domain::delivery::Claim;
use oncue_domain::destination::Target;

/// How many attempts may be under way at once.
const RUNNING_MAX: usize = 256;

/// How many of them to one receiver.
const RUNNING_PER_LANE: usize = 64;

/// How many claims wait in memory.
const WAITING_MAX: usize = 8192;

/// How many of them for one receiver, so that a dead one leaves room for the others.
const WAITING_PER_LANE: usize = WAITING_MAX / 2;

/// A receiver: scheme, host and port of its address, or the operator's default destination.
pub(crate) type LaneKey = String;

#[derive(Default)]
struct Lane {
    running: usize,
    waiting: VecDeque<Claim>,
}

/// All lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    /// Lanes that have somebody waiting and may start, in turn.
    ready: VecDeque<LaneKey>,
    running: usize,
    waiting: usize,
}

impl Lanes {
    /// How many more claims can be taken in.
    pub(crate) fn room(&self) -> usize {
        WAITING_MAX - self.waiting
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
        if lane.waiting.len() >= WAITING_PER_LANE {
            return;
        }
        lane.waiting.push_back(claim);
        self.waiting += 1;
        if lane.waiting.len() == 1 && lane.running < RUNNING_PER_LANE {
            self.ready.push_back(key);
        }
    }

    /// The next claim whose attempt may start, the lanes taking turns.
    pub(crate) fn start(&mut self) -> Option<(LaneKey, Claim)> {
        if self.running >= RUNNING_MAX {
            return None;
        }
        let key = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        let claim = lane.waiting.pop_front()?;
        lane.running += 1;
        self.running += 1;
        self.waiting -= 1;
        if !lane.waiting.is_empty() && lane.running < RUNNING_PER_LANE {
            self.ready.push_back(key.clone());
        }
        Some((key, claim))
    }

    /// An attempt in this lane is over.
    pub(crate) fn finish(&mut self, key: &LaneKey) {
        self.running -= 1;
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.running -= 1;
        if lane.running == 0 && lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else if lane.running == RUNNING_PER_LANE - 1 && !lane.waiting.is_empty() {
            self.ready.push_back(key.clone());
        }
    }
}

fn key_of(target: &Target) -> LaneKey {
    match target {
        Target::Webhook(webhook) => webhook.url[..url::Position::BeforePath].to_owned(),
        Target::Default => "default".to_owned(),
    }
}
