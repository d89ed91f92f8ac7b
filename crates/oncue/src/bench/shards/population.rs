//! Who has how many triggers, and how often those fire: a few owners have very many, most have a handful, and all of it
//! follows from a seed. Nothing here knows of shards.

use super::load::Load;

/// A day, in seconds.
const DAY: u64 = 86_400;

/// What there is to distribute.
#[derive(Clone, Debug)]
pub(super) struct Population {
    pub(super) triggers: u64,
    pub(super) owners: u64,
    /// The owner of rank r has a share that goes with 1/r to this power.
    pub(super) skew: f64,
    pub(super) seed: u64,
}

/// Somebody with triggers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    /// What decides by owner where rows lie.
    pub(super) hash: u64,
    /// How many they have.
    pub(super) triggers: u64,
    first: u64,
    favourite: Kind,
}

/// One trigger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trigger {
    /// What decides by trigger where rows lie.
    pub(super) hash: u64,
    /// What it asks of whoever has it.
    pub(super) load: Load,
}

/// How often a trigger fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    EachMinute,
    EachHour,
    /// At a full hour, any of the 24.
    EachDay,
    /// One of [`PERIODS`], beginning whenever.
    EverySoOften,
    /// [`CALLS_A_DAY`] times, whenever.
    OnCall,
}

/// How many of a thousand triggers are of which kind, and how a person would say that.
pub(super) const MIX: [(Kind, u64, &str); 5] = [
    (Kind::EachMinute, 10, "each minute"),
    (Kind::EachHour, 300, "each hour at :00"),
    (Kind::EachDay, 290, "each day at a full hour"),
    (Kind::EverySoOften, 300, "every 5 minutes to 24 hours, beginning whenever"),
    (Kind::OnCall, 100, "called ten times a day, whenever"),
];

/// The periods that people choose, in seconds, each as often as any other.
const PERIODS: [u64; 7] = [300, 900, 1_800, 3_600, 21_600, 43_200, DAY];

/// How often a trigger without a schedule is called.
const CALLS_A_DAY: u64 = 10;

impl Population {
    /// All of them, the largest first. Their triggers add up exactly.
    pub(super) fn owners(&self) -> impl Iterator<Item = Owner> {
        let weight = |rank: u64| (rank as f64).powf(-self.skew);
        let all: f64 = (1..=self.owners).map(weight).sum();
        let (mut weights, mut first) = (0.0, 0);
        (1..=self.owners).map(move |rank| {
            weights += weight(rank);
            // Rounded where one ends and the next begins, so that no rounding is lost.
            let end = if rank == self.owners { self.triggers } else { (weights / all * self.triggers as f64) as u64 };
            let hash = mixed(mixed(self.seed) ^ rank);
            let owner = Owner { hash, triggers: end - first, first, favourite: kind(mixed(hash)) };
            first = end;
            owner
        })
    }

    /// All of one owner's. Half of them are of the kind that this owner likes best.
    pub(super) fn triggers_of(&self, owner: &Owner) -> impl Iterator<Item = Trigger> {
        // Another seed than that of the owners, so that no trigger shares its hash with one.
        let (seed, favourite) = (mixed(!self.seed), owner.favourite);
        (owner.first..owner.first + owner.triggers).map(move |number| {
            let hash = mixed(seed ^ number);
            let chance = mixed(hash);
            let kind = if chance & 1 == 0 { favourite } else { kind(chance) };
            Trigger { hash, load: load(kind, chance) }
        })
    }
}

/// A kind, as often as the mix says; the low bits of `chance` are not used.
fn kind(chance: u64) -> Kind {
    let mut left = share_of(chance, 1_000);
    for (kind, share, _) in MIX {
        if left < share {
            return kind;
        }
        left -= share;
    }
    Kind::OnCall
}

fn load(kind: Kind, chance: u64) -> Load {
    let (fires_a_day, at_full_hour, at_full_minute) = match kind {
        Kind::EachMinute => (DAY / 60, 1, 1),
        Kind::EachHour => (24, 1, 0),
        // The hour that is looked at is one of the 24.
        Kind::EachDay => (1, u64::from((chance >> 8).is_multiple_of(24)), 0),
        Kind::EverySoOften => (DAY / PERIODS[((chance >> 8) % 7) as usize], 0, 0),
        Kind::OnCall => (CALLS_A_DAY, 0, 0),
    };
    Load { triggers: 1, fires_a_day, at_full_hour, at_full_minute }
}

/// Which of `parts` equal shares of the whole range holds this value.
pub(super) fn share_of(value: u64, parts: u64) -> u64 {
    ((u128::from(value) * u128::from(parts)) >> 64) as u64
}

/// A number that looks like chance (the finisher of SplitMix64): the same on every machine, in every version.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trigger_has_one_owner_and_larger_owners_come_first() {
        for (triggers, owners, skew) in [(1_000_000, 10_000, 1.0), (17, 5, 0.0), (3, 100, 1.2), (1_000, 1, 2.0)] {
            let population = Population { triggers, owners, skew, seed: 3 };
            let sizes: Vec<u64> = population.owners().map(|owner| owner.triggers).collect();
            assert_eq!(sizes.len() as u64, owners);
            assert_eq!(sizes.iter().sum::<u64>(), triggers);
            // Rounding may make a later one larger by one.
            assert!(sizes.windows(2).all(|pair| pair[0] + 1 >= pair[1]), "{sizes:?}");
            let listed: u64 = population.owners().map(|owner| population.triggers_of(&owner).count() as u64).sum();
            assert_eq!(listed, triggers);
        }
    }

    #[test]
    fn equal_owners_have_equally_many() {
        let population = Population { triggers: 1_000, owners: 10, skew: 0.0, seed: 3 };
        assert!(population.owners().all(|owner| (99..=101).contains(&owner.triggers)));
    }

    #[test]
    fn the_mix_is_a_thousand_and_comes_out_as_it_says() {
        assert_eq!(MIX.iter().map(|(_, share, _)| share).sum::<u64>(), 1_000);
        // So many owners that no one's favourite matters.
        let population = Population { triggers: 400_000, owners: 100_000, skew: 0.0, seed: 3 };
        let mut all = Load::default();
        for owner in population.owners() {
            for trigger in population.triggers_of(&owner) {
                all += trigger.load;
            }
        }
        let close = |found: u64, expected: f64| (found as f64 / expected - 1.0).abs() < 0.05;
        assert!(close(all.at_full_minute, 400_000.0 * 0.010), "{all:?}");
        assert!(close(all.at_full_hour, 400_000.0 * (0.010 + 0.300 + 0.290 / 24.0)), "{all:?}");
        let periods = PERIODS.iter().map(|period| (DAY / period) as f64).sum::<f64>() / 7.0;
        let a_day = 0.010 * 1_440.0 + 0.300 * 24.0 + 0.290 + 0.300 * periods + 0.100 * 10.0;
        assert!(close(all.fires_a_day, 400_000.0 * a_day), "{all:?}");
    }

    #[test]
    fn shares_cover_the_whole_range() {
        assert_eq!([0, u64::MAX / 2, u64::MAX].map(|value| share_of(value, 4)), [0, 1, 3]);
        assert_eq!(share_of(u64::MAX, 1), 0);
    }
}
