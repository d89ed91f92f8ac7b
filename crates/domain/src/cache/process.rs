//! The cache of a server that has none to share: plain memory, bounded, and gone with the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Cache, Key};

/// How many answers are kept at once.
const ANSWERS_MAX: usize = 10_000;

/// How many bytes they have together, their keys included.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Answers in memory. When there is no room, what is over goes; where that is not enough, the new answer is not kept.
#[derive(Default)]
pub struct InProcess(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    answers: HashMap<Key, Answer>,
    bytes: usize,
}

struct Answer {
    value: Arc<[u8]>,
    until: Timestamp,
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some(gone) = self.answers.remove(key) {
            self.bytes -= size(key, &gone.value);
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.answers.len() < ANSWERS_MAX && self.bytes + bytes <= BYTES_MAX
    }

    fn drop_what_is_over(&mut self, now: Timestamp) {
        self.answers.retain(|_, answer| now < answer.until);
        self.bytes = self.answers.iter().map(|(key, answer)| size(key, &answer.value)).sum();
    }
}

fn size(key: &Key, value: &[u8]) -> usize {
    key.as_str().len() + value.len()
}

impl InProcess {
    /// A poisoned lock means that a thread panicked while it held plain bytes; they are still whole.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cache for InProcess {
    async fn get(&self, key: &Key, now: Timestamp) -> Option<Arc<[u8]>> {
        let kept = self.lock();
        let answer = kept.answers.get(key)?;
        (now < answer.until).then(|| Arc::clone(&answer.value))
    }

    async fn put(&self, key: &Key, value: Vec<u8>, kept_for: SignedDuration, now: Timestamp) {
        let Ok(until) = now.checked_add(kept_for) else { return };
        let bytes = size(key, &value);
        let mut kept = self.lock();
        kept.remove(key);
        if !kept.has_room(bytes) {
            kept.drop_what_is_over(now);
        }
        if kept.has_room(bytes) {
            kept.bytes += bytes;
            kept.answers.insert(key.clone(), Answer { value: value.into(), until });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const FOR: SignedDuration = SignedDuration::from_mins(5);

    /// What never waits is finished when it is first looked at; so these tests need no runtime.
    fn at_once<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("memory does not wait"),
        }
    }

    fn key(number: usize) -> Key {
        Key(format!("oncue:test:1:{number}:x"))
    }

    fn has(cache: &InProcess, number: usize, now: Timestamp) -> bool {
        at_once(cache.get(&key(number), now)).is_some()
    }

    fn put(cache: &InProcess, number: usize, value: Vec<u8>, now: Timestamp) {
        at_once(cache.put(&key(number), value, FOR, now));
    }

    #[test]
    fn an_answer_is_kept_as_long_as_was_said_and_under_its_key_alone() {
        let (cache, start) = (InProcess::default(), Timestamp::UNIX_EPOCH);
        put(&cache, 1, b"one".to_vec(), start);
        assert_eq!(at_once(cache.get(&key(1), start)).as_deref(), Some(&b"one"[..]));
        assert!(has(&cache, 1, start + FOR - SignedDuration::from_micros(1)));
        assert!(!has(&cache, 1, start + FOR));
        assert!(!has(&cache, 2, start));
        put(&cache, 1, b"two".to_vec(), start);
        assert_eq!(at_once(cache.get(&key(1), start)).as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn a_full_cache_takes_no_more_until_something_is_over() {
        let (cache, start) = (InProcess::default(), Timestamp::UNIX_EPOCH);
        for number in 0..ANSWERS_MAX {
            put(&cache, number, Vec::new(), start);
        }
        put(&cache, ANSWERS_MAX, Vec::new(), start);
        assert!(!has(&cache, ANSWERS_MAX, start));
        put(&cache, 7, b"again".to_vec(), start);
        assert!(has(&cache, 7, start), "what takes its own place needs no other");
        put(&cache, ANSWERS_MAX, Vec::new(), start + FOR);
        assert!(has(&cache, ANSWERS_MAX, start + FOR));
        assert_eq!(cache.lock().answers.len(), 1, "what is over went");
    }

    #[test]
    fn answers_are_bounded_in_bytes_too() {
        let (cache, start) = (InProcess::default(), Timestamp::UNIX_EPOCH);
        put(&cache, 1, vec![0; BYTES_MAX], start);
        assert!(!has(&cache, 1, start), "with its key it is too large");
        let half = BYTES_MAX / 2;
        put(&cache, 1, vec![0; half], start);
        put(&cache, 2, vec![0; half], start);
        assert!(has(&cache, 1, start) && !has(&cache, 2, start));
        put(&cache, 2, vec![0; half], start + FOR);
        assert!(!has(&cache, 1, start + FOR) && has(&cache, 2, start + FOR));
        put(&cache, 2, Vec::new(), start + FOR);
        assert_eq!(cache.lock().bytes, key(2).as_str().len(), "bytes that left are not counted");
    }
}
