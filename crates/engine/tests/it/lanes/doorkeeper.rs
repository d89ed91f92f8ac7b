//! Counts who is in at each receiver, and holds it against what its destination says of how many may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

/// How long a smaller number than before may still be unknown to whoever sends: until an attempt that begins has read it.
const LEARNT_WITHIN: SignedDuration = SignedDuration::from_secs(1);

/// All receivers that somebody called or said a number for.
#[derive(Default)]
pub(super) struct Doorkeeper(Mutex<HashMap<String, Room>>);

#[derive(Default)]
struct Room {
    inside: usize,
    /// Most at once, ever.
    most: usize,
    /// How many may be in since when, and how many before.
    said: Option<(usize, Timestamp, usize)>,
    /// When there was one too many, and how many there were.
    over: Vec<(Timestamp, usize)>,
}

impl Room {
    fn bound(&self, now: Timestamp) -> usize {
        match self.said {
            Some((bound, since, former)) if now.duration_since(since) < LEARNT_WITHIN => bound.max(former),
            Some((bound, ..)) => bound,
            None => usize::MAX,
        }
    }
}

/// Somebody who is in, until it is dropped: with the answer, or with whoever called.
pub(super) struct Visit {
    doors: Arc<Doorkeeper>,
    host: String,
}

impl Doorkeeper {
    /// The destination of this host says this number from now on.
    pub(super) fn say(&self, host: &str, number: usize, now: Timestamp) {
        self.at(host, |room| {
            let former = if room.said.is_some() { room.bound(now) } else { number };
            room.said = Some((number, now, former));
        });
    }

    /// A request comes.
    pub(super) fn enter(self: &Arc<Self>, host: &str, now: Timestamp) -> Visit {
        self.at(host, |room| {
            room.inside += 1;
            room.most = room.most.max(room.inside);
            if room.inside > room.bound(now) {
                room.over.push((now, room.inside));
            }
        });
        Visit { doors: Arc::clone(self), host: host.to_owned() }
    }

    /// When there was one too many at this host, and how many there were.
    pub(super) fn over(&self, host: &str) -> Vec<(Timestamp, usize)> {
        self.at(host, |room| room.over.clone())
    }

    /// How many were in at once at most.
    pub(super) fn most(&self, host: &str) -> usize {
        self.at(host, |room| room.most)
    }

    fn at<T>(&self, host: &str, what: impl FnOnce(&mut Room) -> T) -> T {
        what(self.0.lock().expect("no panic").entry(host.to_owned()).or_default())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.doors.at(&self.host, |room| room.inside -= 1);
    }
}
