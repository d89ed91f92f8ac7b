//! How often something may be tried: token buckets by key, as a pure function of the instants they are shown. A bucket can
//! be refunded, which is why this is our own: a login takes a token before the slow password check, so that parallel guesses
//! cannot slip past, and gets it back when the password was right.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use jiff::Timestamp;

/// How many keys are remembered; beyond it the fullest buckets, which limit nobody, are forgotten.
const KEYS_MAX: usize = 100_000;

/// So many at once, and then one every so often.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// How many tokens a bucket holds.
    pub burst: u32,
    /// How long one token takes to come back.
    pub refill_every: Duration,
}

/// Token buckets, one for each key.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    levels: HashMap<K, Level>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    tokens: f64,
    at: Timestamp,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Starts with every bucket full.
    pub fn new(rate: Rate) -> Buckets<K> {
        Buckets { rate, levels: HashMap::new() }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The wait until there is one.
    pub fn take(&mut self, key: &K, now: Timestamp) -> Result<(), Duration> {
        self.take_many(key, 1, now)
    }

    /// Takes so many tokens or none; where a bucket cannot hold as many, all that it holds.
    ///
    /// # Errors
    /// The wait until there are so many.
    pub fn take_many(&mut self, key: &K, wanted: u32, now: Timestamp) -> Result<(), Duration> {
        let wanted = f64::from(wanted.min(self.rate.burst));
        let mut level = self.level(key, now);
        if level.tokens < wanted {
            let missing = wanted - level.tokens;
            return Err(self.rate.refill_every.mul_f64(missing));
        }
        level.tokens -= wanted;
        self.keep(key, level, now);
        Ok(())
    }

    /// Takes as many as there are, at most `wanted`: how many those were, and the wait until there is another.
    pub fn take_some(&mut self, key: &K, wanted: usize, now: Timestamp) -> (usize, Duration) {
        let mut taken = 0;
        while taken < wanted {
            match self.take(key, now) {
                Ok(()) => taken += 1,
                Err(wait) => return (taken, wait),
            }
        }
        (taken, Duration::ZERO)
    }

    /// Gives one token back.
    pub fn refund(&mut self, key: &K, now: Timestamp) {
        let mut level = self.level(key, now);
        level.tokens = (level.tokens + 1.0).min(f64::from(self.rate.burst));
        self.keep(key, level, now);
    }

    fn level(&self, key: &K, now: Timestamp) -> Level {
        let full = f64::from(self.rate.burst);
        let Some(level) = self.levels.get(key) else { return Level { tokens: full, at: now } };
        // A clock that stepped back refills nothing and takes nothing.
        let waited_s = now.duration_since(level.at).as_secs_f64().max(0.0);
        let refilled = waited_s / self.rate.refill_every.as_secs_f64();
        Level { tokens: (level.tokens + refilled).min(full), at: now }
    }

    fn keep(&mut self, key: &K, level: Level, now: Timestamp) {
        if self.levels.len() >= KEYS_MAX && !self.levels.contains_key(key) {
            self.forget_full(now);
        }
        self.levels.insert(key.clone(), level);
    }

    fn forget_full(&mut self, now: Timestamp) {
        let full = f64::from(self.rate.burst);
        let keys: Vec<K> =
            self.levels.keys().filter(|key| self.level(key, now).tokens >= full - 0.5).cloned().collect();
        for key in keys {
            self.levels.remove(&key);
        }
        // Nothing could be forgotten: so many keys at once are an attack, and memory comes first.
        if self.levels.len() >= KEYS_MAX {
            self.levels.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const RATE: Rate = Rate { burst: 3, refill_every: Duration::from_secs(10) };

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let mut buckets = Buckets::new(RATE);
        let start = Timestamp::UNIX_EPOCH;
        for _ in 0..3 {
            assert!(buckets.take(&"a", start).is_ok());
        }
        assert_eq!(buckets.take(&"a", start), Err(Duration::from_secs(10)));
        assert!(buckets.take(&"b", start).is_ok(), "keys do not share");
        assert!(buckets.take(&"a", start + SignedDuration::from_secs(10)).is_ok());
        assert!(buckets.take(&"a", start + SignedDuration::from_secs(10)).is_err());
    }

    #[test]
    fn of_many_wanted_as_many_are_taken_as_there_are_and_the_wait_is_that_of_the_next() {
        let mut buckets = Buckets::new(RATE);
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!(buckets.take_some(&"a", 2, start), (2, Duration::ZERO));
        assert_eq!(buckets.take_some(&"a", 5, start), (1, Duration::from_secs(10)));
        assert_eq!(buckets.take_some(&"a", 5, start + SignedDuration::from_secs(5)), (0, Duration::from_secs(5)));
        assert_eq!(buckets.take_some(&"a", 0, start), (0, Duration::ZERO));
    }

    #[test]
    fn what_weighs_more_takes_more_at_once_or_nothing_and_what_weighs_more_than_all_waits_for_all() {
        let mut buckets = Buckets::new(RATE);
        let start = Timestamp::UNIX_EPOCH;
        assert_eq!(buckets.take_many(&"a", 2, start), Ok(()));
        assert_eq!(buckets.take_many(&"a", 2, start), Err(Duration::from_secs(10)));
        assert_eq!(buckets.take(&"a", start), Ok(()), "nothing was taken in vain");
        assert_eq!(buckets.take_many(&"a", 9, start), Err(Duration::from_secs(30)));
        assert_eq!(buckets.take_many(&"a", 9, start + SignedDuration::from_secs(30)), Ok(()));
    }

    #[test]
    fn a_refund_is_worth_one_more() {
        let mut buckets = Buckets::new(RATE);
        let start = Timestamp::UNIX_EPOCH;
        for _ in 0..100 {
            assert!(buckets.take(&"a", start).is_ok());
            buckets.refund(&"a", start);
        }
    }
}
