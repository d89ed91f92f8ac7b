//! The way out, as the seed wills it: receivers answer, refuse, fail, hang until the deadline, or take the message and lose
//! the answer. What went over the wire is kept for the promises.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::EXCHANGE_DEADLINE;
use oncue_domain::outbound::mail::Mail;
use oncue_domain::outbound::{Answer, Exchange, Facts, Failure, Outbound, Request};

use super::chance::Chance;
use super::world::HandClock;

/// These receivers answer nothing well until the network is healed.
const DEAD_HOSTS: [&str; 2] = ["dead.example.com", "dead.example.org"];

/// This one says now and then that it wants nothing more.
pub(super) const LEAVING_HOST: &str = "leaving.example.org";

/// One request that left.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// Its `webhook-id`.
    pub(super) message_id: String,
    /// Which event it speaks of, told without its message id: the trigger, and when it was due, or else when it fired.
    pub(super) speaks_of: (i64, Timestamp),
    /// Who was called.
    pub(super) host: String,
    /// When it left.
    pub(super) at: Timestamp,
}

/// All receivers there are.
pub(super) struct Network {
    clock: Arc<HandClock>,
    chance: Mutex<Chance>,
    is_healed: AtomicBool,
    sent: Mutex<Vec<Sent>>,
}

impl Network {
    pub(super) fn new(clock: Arc<HandClock>, chance: Chance) -> Network {
        Network { clock, chance: Mutex::new(chance), is_healed: AtomicBool::new(false), sent: Mutex::default() }
    }

    /// Every receiver answers from now on.
    pub(super) fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
    }

    /// What has left since it was asked last.
    pub(super) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().expect("no panic"))
    }

    fn exchange(&self, request: &Request) -> (Result<Answer, Failure>, jiff::SignedDuration) {
        let answered = |status| Ok(Answer { status, headers: Vec::new(), body: b"answer".to_vec() });
        let silence = |words: &str| Err(Failure(words.to_owned()));
        let quick = jiff::SignedDuration::from_millis(3);
        if self.is_healed.load(Ordering::Relaxed) {
            return (answered(200), quick);
        }
        let host = request.url.host_str().unwrap_or_default();
        if DEAD_HOSTS.contains(&host) {
            return (answered(503), quick);
        }
        let drawn = self.chance.lock().expect("no panic").below(10);
        match drawn {
            6 if host == LEAVING_HOST => (answered(410), quick),
            0..5 => (answered(204), quick),
            5 | 6 => (answered(500), quick),
            7 => (silence("refused"), quick),
            8 => (silence("timed out"), EXCHANGE_DEADLINE),
            // The receiver has it, and will be given it again.
            _ => (silence("the answer was lost"), quick),
        }
    }
}

#[async_trait]
impl Outbound for Network {
    async fn send(&self, request: Request) -> Exchange {
        self.sent.lock().expect("no panic").push(read(&request, self.clock.now()));
        let (result, took) = self.exchange(&request);
        self.clock.advance(took);
        let took = Duration::try_from(took).expect("no exchange takes less than nothing");
        Exchange { result, took, facts: Facts::default() }
    }

    async fn send_mail(&self, mail: Mail) -> Exchange {
        panic!("nobody here sends mail: {mail:?}")
    }
}

fn read(request: &Request, at: Timestamp) -> Sent {
    let body: serde_json::Value = serde_json::from_slice(&request.body).expect("a delivery is JSON");
    let instant = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let firing = &body["data"]["firing"];
    let when = instant(&firing["scheduled_at"]).or_else(|| instant(&firing["fired_at"]));
    let header = request.headers.iter().find(|(name, _)| *name == "webhook-id");
    Sent {
        message_id: header.expect("every delivery has its message id").1.clone(),
        speaks_of: (
            body["data"]["trigger"]["id"].as_i64().expect("every delivery names its trigger"),
            when.expect("every delivery says when it fired"),
        ),
        host: request.url.host_str().expect("every address has a host").to_owned(),
        at,
    }
}
