//! The pauses between the attempts of one delivery. A list instead of a formula: whoever owns the destination can read it aloud
//! and predict it. Knows nothing of clocks or networks.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::id::MessageId;

/// How many pauses a ladder may have.
pub const RUNGS_MAX: usize = 20;

/// The shortest pause.
pub const PAUSE_MIN: SignedDuration = SignedDuration::from_secs(1);

/// The longest pause.
pub const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What all pauses together stay below: no event waits longer than it is kept.
pub const PAUSES_TOTAL_MAX: SignedDuration = SignedDuration::from_hours(48);

/// A pause is lengthened or shortened by up to this share, so that the failures of one moment do not come back as one moment.
const SPREAD_PERCENT: i64 = 20;

/// The pauses of the standard ladder in seconds: what Standard Webhooks 1.0.0 suggests, as far as an event's 48 hours
/// have room for it however its pauses are lengthened.
const STANDARD_S: [i64; 7] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600];

/// The pauses between attempts, in whole milliseconds. The first attempt is made at once; after the last pause comes the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder(Vec<SignedDuration>);

impl Ladder {
    /// A ladder of these pauses; with none, the first attempt is the only one.
    ///
    /// # Errors
    /// When there are more than [`RUNGS_MAX`], one is shorter than [`PAUSE_MIN`] or longer than [`PAUSE_MAX`], or they come to
    /// [`PAUSES_TOTAL_MAX`] together.
    pub fn new(pauses: Vec<SignedDuration>) -> Result<Ladder, String> {
        if pauses.len() > RUNGS_MAX {
            return Err(format!("There are at most {RUNGS_MAX} pauses between attempts."));
        }
        if !pauses.iter().all(|pause| (PAUSE_MIN..=PAUSE_MAX).contains(pause)) {
            return Err(format!("A pause between attempts lasts from {PAUSE_MIN:#} to {PAUSE_MAX:#}."));
        }
        let total: SignedDuration = pauses.iter().sum();
        if total >= PAUSES_TOTAL_MAX {
            return Err(format!("The pauses between attempts must come to less than {PAUSES_TOTAL_MAX:#} together."));
        }
        Ok(Ladder(pauses.into_iter().map(|pause| SignedDuration::from_millis_i128(pause.as_millis())).collect()))
    }

    /// The ladder of whoever names none: eight attempts over some 32 hours, at most 38 where every pause is lengthened.
    pub fn standard() -> Ladder {
        Ladder(STANDARD_S.map(SignedDuration::from_secs).to_vec())
    }

    /// The pauses, as named.
    pub fn pauses(&self) -> &[SignedDuration] {
        &self.0
    }

    /// How many attempts it gives.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// How long is waited at least after `tried` attempts; none when the ladder is used up.
    pub fn shortest_pause(&self, tried: u32) -> Option<SignedDuration> {
        let pause_ms = self.pause_ms(tried)?;
        Some(SignedDuration::from_millis(pause_ms - widest(pause_ms)))
    }

    /// When to try again after `tried` attempts, or none when the ladder is used up.
    pub fn next_try(&self, tried: u32, message: MessageId, now: Timestamp) -> Option<Timestamp> {
        let pause_ms = self.pause_ms(tried)?;
        now.checked_add(SignedDuration::from_millis(pause_ms + spread(pause_ms, tried, message))).ok()
    }

    /// When the attempts that follow `tried` ones begin at the earliest, each if all before it fail at once: the next one at `next`, and
    /// none of the others at or after `ends_at`.
    pub fn coming(&self, tried: u32, next: Timestamp, ends_at: Timestamp) -> Vec<Timestamp> {
        let mut coming = vec![next];
        for number in tried.saturating_add(1)..self.attempts() {
            let last = coming.last().copied().unwrap_or(next);
            let following = self.shortest_pause(number).and_then(|pause| last.checked_add(pause).ok());
            let Some(following) = following.filter(|at| *at < ends_at) else { break };
            coming.push(following);
        }
        coming
    }

    fn pause_ms(&self, tried: u32) -> Option<i64> {
        let rung = usize::try_from(tried).ok()?.checked_sub(1)?;
        i64::try_from(self.0.get(rung)?.as_millis()).ok()
    }
}

fn widest(pause_ms: i64) -> i64 {
    pause_ms * SPREAD_PERCENT / 100
}

/// The deviation from the ladder, drawn from the message id instead of from chance: the same delivery always waits equally long.
fn spread(pause_ms: i64, tried: u32, message: MessageId) -> i64 {
    let digest = Sha256::new().chain_update(message.0.as_bytes()).chain_update(tried.to_le_bytes()).finalize();
    let drawn = i64::from(u16::from_le_bytes([digest[0], digest[1]]));
    let widest = widest(pause_ms);
    drawn * 2 * widest / i64::from(u16::MAX) - widest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;

    fn seconds(pauses: &[i64]) -> Result<Ladder, String> {
        Ladder::new(pauses.iter().copied().map(SignedDuration::from_secs).collect())
    }

    #[test]
    fn the_standard_ladder_has_eight_attempts_that_end_within_two_days() {
        let ids = Ids::from_seed([3; 32]);
        let ladder = Ladder::standard();
        assert_eq!(ladder.attempts(), 8);
        assert_eq!(seconds(&STANDARD_S), Ok(ladder.clone()));
        for _ in 0..500 {
            let start = Timestamp::UNIX_EPOCH;
            let message = ids.message(start);
            let mut now = start;
            for (tried, pause) in (1..).zip(ladder.pauses()) {
                let next = ladder.next_try(tried, message, now).expect("a rung is left");
                let strayed = next.duration_since(now) - *pause;
                assert!(strayed.abs() <= *pause / 5, "{strayed:#} off {pause:#}");
                assert!(next.duration_since(now) >= ladder.shortest_pause(tried).expect("a rung is left"));
                now = next;
            }
            assert_eq!(ladder.next_try(ladder.attempts(), message, now), None);
            assert!(now.duration_since(start) < SignedDuration::from_hours(40));
        }
    }

    #[test]
    fn a_pause_strays_by_at_most_a_fifth() {
        let ids = Ids::from_seed([4; 32]);
        let ladder = seconds(&[5]).expect("a ladder");
        let shortest = ladder.shortest_pause(1).expect("a rung");
        assert_eq!(shortest, SignedDuration::from_secs(4));
        for _ in 0..1000 {
            let strayed = spread(5000, 1, ids.message(Timestamp::UNIX_EPOCH));
            assert!((-1000..=1000).contains(&strayed), "{strayed}");
        }
    }

    #[test]
    fn a_ladder_is_bounded() {
        assert!(seconds(&[]).is_ok_and(|ladder| ladder.attempts() == 1));
        assert!(seconds(&[1; RUNGS_MAX]).is_ok());
        assert!(seconds(&[1; RUNGS_MAX + 1]).is_err());
        assert!(seconds(&[0]).is_err());
        assert!(seconds(&[86_400]).is_ok());
        assert!(seconds(&[86_401]).is_err());
        assert!(seconds(&[86_400, 86_399]).is_ok());
        assert!(seconds(&[86_400, 86_400]).is_err());
    }

    #[test]
    fn at_the_end_of_time_nothing_is_tried_again() {
        let message = Ids::from_seed([5; 32]).message(Timestamp::UNIX_EPOCH);
        assert_eq!(Ladder::standard().next_try(1, message, Timestamp::MAX), None);
    }

    #[test]
    fn what_follows_is_each_pause_at_its_shortest_as_long_as_there_is_time() {
        let ladder = seconds(&[10, 100, 1000]).expect("a ladder");
        let (next, never) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let coming = |tried, ends_at| -> Vec<i64> {
            ladder.coming(tried, next, ends_at).iter().map(|at| at.duration_since(next).as_secs()).collect()
        };
        assert_eq!(coming(0, never), [0, 8, 88, 888]);
        assert_eq!(coming(1, never), [0, 80, 880]);
        assert_eq!(coming(3, never), [0], "the last one");
        // One that is due is made although the ladder has become shorter since.
        assert_eq!(coming(7, never), [0]);
        assert_eq!(coming(0, next + SignedDuration::from_secs(88)), [0, 8]);
        assert_eq!(coming(0, next), [0]);
    }
}
