//! Where triggers lie on a number of shards, by each of the ways to distribute them that one could choose from. Every shard has
//! an equal part of the hashes, as in any database that distributes by hash.

use super::load::Load;
use super::population::{Owner, Trigger, share_of};

/// An owner is large where they have more than one part in so many of what a shard would have if all had the same.
const LARGE_PART: u64 = 10;

/// A way to distribute rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// All of an owner's on one shard.
    ByOwner,
    /// The same, and the large owners moved by hand, the largest first, each to where the fewest triggers are.
    LargestMoved,
    /// By owner, but the large owners' by trigger.
    LargestSplit,
    /// Each trigger for itself.
    ByTrigger,
}

impl Placement {
    /// All, from what keeps an owner together to what does not.
    pub(super) const ALL: [Placement; 4] =
        [Placement::ByOwner, Placement::LargestMoved, Placement::LargestSplit, Placement::ByTrigger];

    /// What rows are distributed by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Placement::ByOwner => "owner",
            Placement::LargestMoved => "owner, largest moved",
            Placement::LargestSplit => "owner, largest split",
            Placement::ByTrigger => "trigger",
        }
    }
}

/// The triggers of a population on a number of shards, by every placement at once.
pub(super) struct Spread {
    shards: u64,
    large_from: u64,
    by_owner: Vec<Load>,
    /// Without the large owners, who wait in `large` for the end.
    small: Vec<Load>,
    large: Vec<Load>,
    split: Vec<Load>,
    by_trigger: Vec<Load>,
    /// How many owners have a trigger.
    owners: u64,
    /// On how many shards owners lie, added up.
    split_over: u64,
    scattered_over: u64,
    owner: Begun,
}

/// The owner whose triggers are being added.
struct Begun {
    number: u64,
    shard: usize,
    is_large: bool,
    load: Load,
    /// On how many shards there is a trigger of theirs, and which owner was last met on each.
    met: u64,
    last_met: Vec<u64>,
}

impl Spread {
    /// Nothing yet, on so many shards.
    pub(super) fn over(shards: u64, triggers: u64) -> Spread {
        let empty = vec![Load::default(); shards as usize];
        Spread {
            shards,
            large_from: triggers / shards / LARGE_PART + 1,
            by_owner: empty.clone(),
            small: empty.clone(),
            large: Vec::new(),
            split: empty.clone(),
            by_trigger: empty,
            owners: 0,
            split_over: 0,
            scattered_over: 0,
            owner: Begun {
                number: 0,
                shard: 0,
                is_large: false,
                load: Load::default(),
                met: 0,
                last_met: vec![0; shards as usize],
            },
        }
    }

    /// The triggers that follow are this owner's.
    pub(super) fn begin(&mut self, owner: &Owner) {
        let begun = &mut self.owner;
        begun.number += 1;
        begun.shard = share_of(owner.hash, self.shards) as usize;
        begun.is_large = owner.triggers >= self.large_from;
        begun.load = Load::default();
        begun.met = 0;
    }

    /// One of the owner's triggers.
    pub(super) fn add(&mut self, trigger: &Trigger) {
        let shard = share_of(trigger.hash, self.shards) as usize;
        self.by_trigger[shard] += trigger.load;
        if self.owner.is_large {
            self.split[shard] += trigger.load;
        }
        self.owner.load += trigger.load;
        if self.owner.last_met[shard] != self.owner.number {
            self.owner.last_met[shard] = self.owner.number;
            self.owner.met += 1;
        }
    }

    /// That was all of the owner's.
    pub(super) fn end(&mut self) {
        let Begun { shard, is_large, load, met, .. } = self.owner;
        if load.triggers == 0 {
            return;
        }
        self.owners += 1;
        self.scattered_over += met;
        self.by_owner[shard] += load;
        if is_large {
            self.large.push(load);
            self.split_over += met;
        } else {
            self.small[shard] += load;
            self.split[shard] += load;
            self.split_over += 1;
        }
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> u64 {
        self.shards
    }

    /// How many owners are large for so many shards.
    pub(super) fn large(&self) -> u64 {
        self.large.len() as u64
    }

    /// What each shard has.
    pub(super) fn loads(&self, placement: Placement) -> Vec<Load> {
        match placement {
            Placement::ByOwner => self.by_owner.clone(),
            Placement::LargestMoved => self.moved(),
            Placement::LargestSplit => self.split.clone(),
            Placement::ByTrigger => self.by_trigger.clone(),
        }
    }

    /// On how many shards an owner lies, on average over those who have a trigger.
    pub(super) fn shards_an_owner(&self, placement: Placement) -> f64 {
        let over = match placement {
            Placement::ByOwner | Placement::LargestMoved => self.owners,
            Placement::LargestSplit => self.split_over,
            Placement::ByTrigger => self.scattered_over,
        };
        over as f64 / self.owners as f64
    }

    fn moved(&self) -> Vec<Load> {
        let mut loads = self.small.clone();
        // They came the largest first.
        for owner in &self.large {
            if let Some(least) = loads.iter_mut().min_by_key(|load| load.triggers) {
                *least += *owner;
            }
        }
        loads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shards::population::Population;

    fn spread(population: &Population, shards: u64) -> Spread {
        let mut spread = Spread::over(shards, population.triggers);
        for owner in population.owners() {
            spread.begin(&owner);
            population.triggers_of(&owner).for_each(|trigger| spread.add(&trigger));
            spread.end();
        }
        spread
    }

    fn sum(loads: &[Load]) -> Load {
        let mut all = Load::default();
        loads.iter().for_each(|load| all += *load);
        all
    }

    #[test]
    fn every_placement_holds_every_trigger_once() {
        let population = Population { triggers: 100_000, owners: 2_000, skew: 1.0, seed: 5 };
        let whole = spread(&population, 1).loads(Placement::ByOwner)[0];
        assert_eq!(whole.triggers, 100_000);
        for shards in [1, 4, 16, 64] {
            let spread = spread(&population, shards);
            assert!(spread.large() > 0, "somebody is large");
            for placement in Placement::ALL {
                let loads = spread.loads(placement);
                assert_eq!(loads.len() as u64, shards);
                assert_eq!(sum(&loads), whole, "{placement:?} over {shards}");
            }
        }
    }

    #[test]
    fn owners_without_a_trigger_lie_nowhere() {
        let population = Population { triggers: 3, owners: 100, skew: 0.0, seed: 5 };
        let spread = spread(&population, 4);
        for placement in Placement::ALL {
            assert_eq!(spread.shards_an_owner(placement), 1.0, "{placement:?}");
        }
    }
}
