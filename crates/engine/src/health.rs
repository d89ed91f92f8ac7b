//! Whether oncue keeps time, found out for whoever asks: from what the scheduler noted of its last look, and from one question to the
//! store. What follows from that is decided in `domain::health`. It is asked for and has no loop, so that it costs nothing where
//! nobody wants to know, and so that no loop that hangs can keep it from answering.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use oncue_domain::audit::Round;
use oncue_domain::clock::Clock;
use oncue_domain::health::{Due, Facts, Health, Looked, Punctuality, Silence};
use oncue_domain::store::Store;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::auditor::LastRound;
use crate::work::Tally;

/// What was found is told to whoever asks within this time: the store is asked no more often.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// A store that has not answered for so long is silent. Those who ask give up soon after.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Finds out whether oncue keeps time.
pub(crate) struct Watch {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    tally: Arc<Tally>,
    audited: LastRound,
    began_at: Timestamp,
    began: Instant,
    /// Held while the store is asked: who comes meanwhile is told the same.
    last: Mutex<Option<Found>>,
}

/// What was found last.
struct Found {
    at: Instant,
    silent_since: Option<Timestamp>,
    punctuality: Punctuality,
}

impl Watch {
    /// Watches over the scheduler that notes its looks in `tally` and begins now.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, tally: Arc<Tally>, audited: LastRound) -> Watch {
        let began_at = clock.now();
        Watch { store, clock, tally, audited, began_at, began: Instant::now(), last: Mutex::new(None) }
    }

    fn looked(&self) -> Looked {
        match self.tally.last_look() {
            Some(look) => Looked { at: look.began, ago: look.ended.elapsed() },
            None => Looked { at: self.began_at, ago: self.began.elapsed() },
        }
    }

    async fn find(&self, silent_since: Option<Timestamp>) -> Found {
        let (asked_at, late_until) = (self.clock.now(), self.looked().late_until(self.clock.now()));
        let counted = timeout(ANSWER_WITHIN, self.store.due_counts(late_until)).await;
        let due = match counted {
            Ok(Ok(counts)) => Ok(Due { earliest: counts.earliest, late: counts.due }),
            // What exactly is wrong with the store it tells its log itself; whoever asks here may be anybody.
            Ok(Err(_)) | Err(_) => Err(Silence { since: silent_since.unwrap_or(asked_at) }),
        };
        let facts = Facts { now: self.clock.now(), looked: self.looked(), due };
        Found {
            at: Instant::now(),
            silent_since: due.err().map(|silence| silence.since),
            punctuality: Punctuality::of(facts),
        }
    }
}

#[async_trait]
impl Health for Watch {
    async fn punctuality(&self) -> Punctuality {
        let mut last = self.last.lock().await;
        if let Some(found) = last.as_ref().filter(|found| found.at.elapsed() < FRESH_FOR) {
            return found.punctuality.clone();
        }
        let (was_kept, silent_since) = match last.as_ref() {
            Some(found) => (found.punctuality.is_kept(), found.silent_since),
            None => (true, None),
        };
        let found = self.find(silent_since).await;
        tell(was_kept, &found.punctuality);
        let punctuality = found.punctuality.clone();
        *last = Some(found);
        punctuality
    }

    fn audited(&self) -> Option<Round> {
        self.audited.get()
    }
}

/// Says in the log when oncue begins to be late, and when it is in time again.
fn tell(was_kept: bool, found: &Punctuality) {
    metrics::gauge!("oncue_schedule_on_time").set(u8::from(found.is_kept()));
    match (was_kept, found.is_kept()) {
        (true, false) => {
            let why: Vec<String> = found.troubles.iter().map(|trouble| trouble.sentence()).collect();
            tracing::warn!("oncue does not keep time: {}", why.join(" "));
        }
        (false, true) => tracing::info!("oncue keeps time again"),
        (true, true) | (false, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Lock;

    use jiff::SignedDuration;
    use oncue_domain::access::Registration;
    use oncue_domain::schedule::Schedule;
    use oncue_domain::store::memory::Memory;
    use oncue_domain::store::{NewTrigger, NewUser, Registered};
    use oncue_domain::trigger::{Definition, ScheduleDetails};

    use super::*;

    struct Hands(Lock<Timestamp>);

    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            *self.0.lock().expect("a test holds it for a moment")
        }
    }

    /// A watch over a scheduler that looks when the test says so, and one trigger that is due at second 100.
    struct Stage {
        clock: Arc<Hands>,
        tally: Arc<Tally>,
        watch: Watch,
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    impl Stage {
        async fn new() -> Stage {
            let (store, clock) = (Memory::new(false), Arc::new(Hands(Lock::new(at(0)))));
            let user = NewUser { email: "ann@example.com".to_owned(), password_hash: String::new() };
            let registered = store.register(user, Registration::Open, at(0)).await.expect("the model always works");
            let Registered::Done(user) = registered else { panic!("the first user is let in") };
            let schedule = ScheduleDetails::plain(Schedule::Once { at: at(100) }, None);
            let definition = Definition {
                name: None,
                schedule: Some(schedule),
                payload: None,
                payload_schema: None,
                webhook: None,
                destinations: Vec::new(),
                expects: None,
                overlap: oncue_domain::overlap::Overlap::Allow,
                is_test: false,
                enabled: true,
                pause: None,
                expires_at: None,
            };
            let new = NewTrigger { owner: user.id, definition, next_at: Some(at(100)), test_event: None };
            store.create_trigger(new, at(0)).await.expect("the model always works").expect("it names no destination");
            let tally = Arc::new(Tally::default());
            let doors = (Arc::new(store), Arc::clone(&clock));
            Stage { watch: Watch::new(doors.0, doors.1, Arc::clone(&tally), LastRound::default()), clock, tally }
        }

        /// What is found `after` that much real time, when the clock says `now`; the scheduler has looked at `looked`.
        async fn found(&self, after: u64, now: i64, looked: Option<i64>) -> Vec<&'static str> {
            tokio::time::advance(Duration::from_secs(after)).await;
            *self.clock.0.lock().expect("a test holds it for a moment") = at(now);
            if let Some(looked) = looked {
                self.tally.note_look(at(looked), at(looked));
            }
            self.watch.punctuality().await.troubles.iter().map(|trouble| trouble.word()).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_late_once_the_scheduler_had_ten_seconds_for_it() {
        let stage = Stage::new().await;
        assert_eq!(stage.found(1, 99, Some(99)).await, [] as [&str; 0]);
        assert_eq!(stage.found(2, 9_000, None).await, [] as [&str; 0], "the clock leapt, and nobody has looked yet");
        assert_eq!(stage.found(2, 109, Some(109)).await, [] as [&str; 0]);
        assert_eq!(stage.found(2, 110, Some(110)).await, ["late"]);
        let found = stage.watch.punctuality().await;
        assert!(matches!(
            found.troubles[..],
            [oncue_domain::health::Trouble::Late { since, by, count: 1 }]
                if since == at(100) && by == SignedDuration::from_secs(10)
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_scheduler_that_stops_looking_is_found_out() {
        let stage = Stage::new().await;
        assert_eq!(stage.found(9, 9, None).await, [] as [&str; 0], "it may take its time to begin");
        assert_eq!(stage.found(5, 14, None).await, ["stalled"], "but not for ever");
        assert_eq!(stage.found(2, 16, Some(16)).await, [] as [&str; 0]);
        assert_eq!(stage.found(95, 111, None).await, ["late", "stalled"]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_within_a_second_is_told_the_same() {
        let stage = Stage::new().await;
        assert_eq!(stage.found(1, 110, Some(110)).await, ["late"]);
        assert_eq!(stage.found(0, 99, Some(99)).await, ["late"], "as it was found a moment ago");
        assert_eq!(stage.found(1, 99, Some(99)).await, [] as [&str; 0]);
    }
}
