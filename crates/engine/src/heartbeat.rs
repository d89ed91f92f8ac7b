//! Tells somebody outside again and again that oncue keeps time, and nothing while it does not: a watchdog that expects to hear of it
//! notices a server that is dead, cut off or late, which no server can tell of itself. Whether oncue keeps time is decided in
//! `domain::health`; the way out is the deliveries' own, as for an address that the operator gave: without the guard.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oncue_domain::health::Health;
use oncue_domain::outbound::{Method, Outbound, Request, Trust};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

/// How long one call may take. What is slower is as good as not there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Who is told, and how often.
#[derive(Clone)]
pub struct Heartbeat {
    /// The address that is called, of the operator's choice. It is a secret: who knows it can pretend that oncue is well.
    pub url: Url,
    /// How long from one call to the next.
    pub every: Duration,
}

impl fmt::Debug for Heartbeat {
    /// Without the address beyond its host, which is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("host", &self.url.host_str()).field("every", &self.every).finish()
    }
}

/// What came of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The receiver took it.
    Arrived,
    /// The receiver could not be reached, or did not take it.
    Failed,
    /// oncue does not keep time, so that nobody was called.
    Withheld,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Outcome::Arrived => "arrived",
            Outcome::Failed => "failed",
            Outcome::Withheld => "withheld",
        }
    }
}

/// Beats until it is stopped, for the first time at once.
pub(crate) async fn beat(
    heartbeat: Heartbeat,
    health: Arc<dyn Health>,
    outbound: Arc<dyn Outbound>,
    user_agent: String,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval(heartbeat.every);
    // After a machine has slept one beat is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Outcome::Arrived;
    while !*stopped.borrow() {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return,
        }
        let outcome = tokio::select! {
            outcome = once(&heartbeat, &*health, &*outbound, &user_agent, last) => outcome,
            _ = stopped.changed() => return,
        };
        metrics::counter!("oncue_heartbeats_total", "outcome" => outcome.word()).increment(1);
        if outcome == Outcome::Arrived && last != Outcome::Arrived {
            tracing::info!("the heartbeat arrives again");
        }
        last = outcome;
    }
}

/// One beat. What keeps it from arriving is logged where it did not keep the last one from it.
async fn once(
    heartbeat: &Heartbeat,
    health: &dyn Health,
    outbound: &dyn Outbound,
    user_agent: &str,
    last: Outcome,
) -> Outcome {
    if !health.punctuality().await.is_kept() {
        if last != Outcome::Withheld {
            tracing::warn!("the heartbeat is withheld while oncue does not keep time");
        }
        return Outcome::Withheld;
    }
    let request = Request {
        method: Method::Post,
        url: heartbeat.url.clone(),
        headers: vec![("user-agent".into(), user_agent.to_owned())],
        body: Bytes::new(),
        trust: Trust::Operator,
        timeout: Some(ANSWER_WITHIN.min(heartbeat.every)),
    };
    let why = match outbound.send(request).await.result {
        Ok(answer) if (200..300).contains(&answer.status) => return Outcome::Arrived,
        Ok(answer) => format!("The receiver answered {}.", answer.status),
        Err(failure) => failure.0,
    };
    if last != Outcome::Failed {
        tracing::warn!("the heartbeat does not arrive: {why}");
    }
    Outcome::Failed
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

    use async_trait::async_trait;
    use jiff::Timestamp;
    use oncue_domain::health::{Punctuality, Trouble};
    use oncue_domain::outbound::mail::Mail;
    use oncue_domain::outbound::{Answer, Exchange, Facts, Failure};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// A server that keeps time or does not, and a watchdog that answers with a status.
    #[derive(Default)]
    struct Outside {
        is_late: AtomicBool,
        status: AtomicU16,
        calls: Mutex<Vec<(Instant, Request)>>,
    }

    #[async_trait]
    impl Health for Outside {
        async fn punctuality(&self) -> Punctuality {
            let trouble = Trouble::Unanswered { since: Timestamp::UNIX_EPOCH };
            let troubles = if self.is_late.load(Ordering::SeqCst) { vec![trouble] } else { Vec::new() };
            Punctuality { checked_at: Timestamp::UNIX_EPOCH, troubles }
        }

        fn audited(&self) -> Option<oncue_domain::audit::Round> {
            None
        }
    }

    #[async_trait]
    impl Outbound for Outside {
        async fn send(&self, request: Request) -> Exchange {
            self.calls.lock().expect("no panic").push((Instant::now(), request));
            let status = self.status.load(Ordering::SeqCst);
            let result = if status == 0 {
                Err(Failure("Nobody listens there.".to_owned()))
            } else {
                Ok(Answer { status, headers: Vec::new(), body: Vec::new() })
            };
            Exchange { result, took: Duration::ZERO, facts: Facts::default() }
        }

        async fn send_mail(&self, _: Mail) -> Exchange {
            unreachable!("a heartbeat is no mail")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_beats_while_time_is_kept_whatever_the_receiver_says_and_never_else() {
        let outside = Arc::new(Outside::default());
        let url = Url::parse("https://watchdog.example.com/secret").expect("an address");
        let (stop, stopped) = watch::channel(false);
        let heartbeat = Heartbeat { url, every: Duration::from_secs(60) };
        let (health, outbound) = (Arc::clone(&outside), Arc::clone(&outside));
        let began = Instant::now();
        let beating = tokio::spawn(beat(heartbeat, health, outbound, "oncue/0".to_owned(), stopped));
        // Between two beats, so that what is said here holds from the next one on.
        sleep(Duration::from_secs(90)).await;
        outside.status.store(500, Ordering::SeqCst);
        sleep(Duration::from_secs(60)).await;
        outside.is_late.store(true, Ordering::SeqCst);
        sleep(Duration::from_secs(120)).await;
        outside.is_late.store(false, Ordering::SeqCst);
        outside.status.store(204, Ordering::SeqCst);
        sleep(Duration::from_secs(60)).await;
        stop.send(true).expect("it listens");
        beating.await.expect("it ends well");
        let calls = outside.calls.lock().expect("no panic");
        let times: Vec<u64> = calls.iter().map(|(at, _)| at.duration_since(began).as_secs()).collect();
        assert_eq!(times, [0, 60, 120, 300]);
        let (_, request) = &calls[0];
        assert_eq!((request.method, request.trust), (Method::Post, Trust::Operator));
        assert_eq!((request.url.path(), request.body.len()), ("/secret", 0));
        assert_eq!(request.timeout, Some(ANSWER_WITHIN));
    }
}
