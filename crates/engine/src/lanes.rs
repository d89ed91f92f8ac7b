//! Whose turn it is on the way out: one lane for each owner and receiver, so that a slow one delays only itself. A lane holds as much as
//! its receiver takes in a few seconds, and all lanes together no more than the constants say; what finds no room is turned away, back
//! into the store, due when its lane is likely to have room. Places and room are shared out by owner (`share`): so however much waits for
//! one receiver, or for all receivers of somebody who has many, there is always room for somebody else's.
//!
//! A destination may say how many attempts at once it takes. It is asked when an attempt begins, and what it said is forgotten when
//! nothing is under way any more: so a rested lane starts one attempt, the others as soon as that one knows what the destination
//! says now, and an edit holds for what waits already.
//!
//! A receiver that says that these are too many is left alone for as long as it says: its lane is held, whatever waits there. After that it
//! is tried with one at a time, and one more with each that it takes, so that one finds out what holds for all.

mod flow;
mod lane;
mod share;

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use oncue_domain::delivery::Claim;
use oncue_domain::id::UserId;

use lane::{Lane, bytes_of};
use share::{Share, left};

pub(crate) use lane::{LaneKey, Parallelism, Shown, TurnedAway};

/// How many attempts may be under way at once.
const RUNNING_MAX: usize = 1024;

/// How many claims wait in memory.
const WAITING_MAX: usize = 32_768;

/// And with how many bytes of payload, all together.
const WAITING_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How many lanes are remembered although nothing is in them.
const LANES_KEPT: usize = 4096;

/// All lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    shares: HashMap<UserId, Share>,
    /// Owners who have lanes that may start, in turn.
    ready: VecDeque<UserId>,
    running: usize,
    /// How many of the running ones are in lanes that are not brisk.
    lingering: usize,
    waiting: usize,
    waiting_bytes: usize,
    /// Lanes in which nothing begins before these instants.
    held: BTreeSet<(Timestamp, LaneKey)>,
}

impl Lanes {
    /// How many more claims can be taken in, those that are turned away included.
    pub(crate) fn room(&self) -> usize {
        if self.waiting_bytes >= WAITING_BYTES_MAX { 0 } else { WAITING_MAX.saturating_sub(self.waiting) }
    }

    /// How many attempts are under way.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many claims wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a claim in, or turns it away.
    pub(crate) fn push(&mut self, claim: Claim, now: Timestamp) -> Option<TurnedAway> {
        let (key, bytes) = (LaneKey::of(&claim), bytes_of(&claim));
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane::at_rest(&claim.target));
        let share = self.shares.entry(key.owner).or_default();
        let is_crowded = lane.waiting.len() >= left(WAITING_MAX, self.waiting, share.waiting)
            || lane.waiting_bytes >= left(WAITING_BYTES_MAX, self.waiting_bytes, share.waiting_bytes);
        if is_crowded || !lane.has_room(lane.waiting.len() + 1, lane.waiting_bytes + bytes) {
            let until = lane.flow.away_until(lane.waiting.len(), now);
            self.forget_if_at_rest(&key);
            return Some((claim, until));
        }
        lane.waiting_bytes += bytes;
        lane.waiting.push_back(claim);
        share.waiting += 1;
        share.waiting_bytes += bytes;
        self.waiting += 1;
        self.waiting_bytes += bytes;
        self.line_up(&key);
        None
    }

    /// The next claim whose attempt may start, the owners taking turns, and the lanes of each.
    pub(crate) fn start(&mut self) -> Option<(LaneKey, Claim)> {
        let key = self.next_ready()?;
        let lane = self.lanes.get_mut(&key)?;
        let share = self.shares.get_mut(&key.owner)?;
        let claim = lane.waiting.pop_front()?;
        let bytes = bytes_of(&claim);
        if lane.running == 0 {
            lane.parallelism = Parallelism::at_rest(&claim.target);
        }
        if !lane.is_brisk {
            share.lingering += 1;
            self.lingering += 1;
        }
        lane.running += 1;
        share.running += 1;
        self.running += 1;
        lane.waiting_bytes -= bytes;
        share.waiting -= 1;
        share.waiting_bytes -= bytes;
        self.waiting -= 1;
        self.waiting_bytes -= bytes;
        self.line_up(&key);
        Some((key, claim))
    }

    fn next_ready(&mut self) -> Option<LaneKey> {
        for _ in 0..self.ready.len() {
            let owner = self.ready.pop_front()?;
            let found = self.next_ready_of(owner);
            if let Some(share) = self.shares.get_mut(&owner) {
                share.is_ready = !share.has_nobody_lined_up();
                if share.is_ready {
                    self.ready.push_back(owner);
                }
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// The owner's next lane that may still start: what a destination says may have become less since it was lined up.
    fn next_ready_of(&mut self, owner: UserId) -> Option<LaneKey> {
        let share = self.shares.get_mut(&owner)?;
        if !share.may_start(RUNNING_MAX - self.running) {
            return None;
        }
        let left = left(RUNNING_MAX, self.lingering, share.lingering);
        while let Some((key, row)) = share.next_lane(left > 0) {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.is_lined_up[row] = false;
            // One that has become brisk, or is so no more, stands in the other row as well. Where less is left than is under way in this
            // lane, it is lined up again when one of these is over.
            let belongs_here = row == usize::from(lane.is_brisk);
            if belongs_here && lane.may_start(if lane.is_brisk { RUNNING_MAX } else { left }) {
                return Some(key);
            }
        }
        None
    }

    /// Lets those lanes go on whose receivers wanted nothing until now.
    pub(crate) fn release(&mut self, now: Timestamp) {
        while let Some((until, _)) = self.held.first()
            && *until <= now
            && let Some((until, key)) = self.held.pop_first()
        {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.held_until = lane.held_until.filter(|held_until| *held_until > until);
            }
            self.line_up(&key);
        }
    }

    /// When the next lane goes on that is held; none where none is.
    pub(crate) fn next_release(&self) -> Option<Timestamp> {
        self.held.first().map(|(until, _)| *until)
    }

    /// An attempt in this lane has found out what the destination says now.
    pub(crate) fn learn(&mut self, key: &LaneKey, parallelism: Parallelism) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.parallelism = parallelism;
        self.line_up(key);
    }

    /// An attempt in this lane is over. Gives back what waits there beyond what a receiver as slow as this one has turned out to be
    /// can be given soon.
    pub(crate) fn finish(&mut self, key: &LaneKey, shown: Shown, now: Timestamp) -> Vec<TurnedAway> {
        let Some(lane) = self.lanes.get_mut(key) else { return Vec::new() };
        let Some(share) = self.shares.get_mut(&key.owner) else { return Vec::new() };
        let lingered = if lane.is_brisk { 0 } else { lane.running };
        self.running -= 1;
        share.running -= 1;
        lane.running -= 1;
        let took = lane.learn_from(shown);
        self.held.extend(lane.held_until.map(|until| (until, key.clone())));
        let linger = if lane.is_brisk { 0 } else { lane.running };
        share.lingering = share.lingering - lingered + linger;
        self.lingering = self.lingering - lingered + linger;
        lane.flow.note_end(took, lane.at_once(), lane.waiting.len(), now);
        let turned_away = lane.turn_away(now);
        let bytes = turned_away.iter().map(|(claim, _)| bytes_of(claim)).sum::<usize>();
        share.waiting -= turned_away.len();
        share.waiting_bytes -= bytes;
        self.waiting -= turned_away.len();
        self.waiting_bytes -= bytes;
        self.line_up(key);
        self.forget_if_at_rest(key);
        turned_away
    }

    /// Nothing needs to be known of who has nothing here; but a lane that stays remembers how quick its receiver is.
    fn forget_if_at_rest(&mut self, key: &LaneKey) {
        let is_at_rest = |lane: &Lane| lane.running == 0 && lane.waiting.is_empty() && lane.held_until.is_none();
        if self.lanes.len() > LANES_KEPT && self.lanes.get(key).is_some_and(is_at_rest) {
            self.lanes.remove(key);
        }
        if self.shares.get(&key.owner).is_some_and(Share::is_at_rest) {
            self.shares.remove(&key.owner);
        }
    }

    fn line_up(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let Some(share) = self.shares.get_mut(&key.owner) else { return };
        let row = usize::from(lane.is_brisk);
        if !lane.may_start(RUNNING_MAX) || std::mem::replace(&mut lane.is_lined_up[row], true) {
            return;
        }
        share.line_up(key.clone(), row);
        if !std::mem::replace(&mut share.is_ready, true) {
            self.ready.push_back(key.owner);
        }
    }
}

#[cfg(test)]
mod tests;
