//! The receivers of the load's destinations, which fail in every way that one is to bear: errors of their own, too many calls, the
//! caller's fault, connections that break, and the word that nothing more is wanted. What each of them answered is written down
//! before it is said. When calm is asked for, they take everything.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::receiver::{OK, Receiver, Reply};

/// How a destination's receiver takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Manner {
    /// Every third call fails somehow, and may be repeated.
    Fickle,
    /// Some messages it refuses for good, and its owner wants no repetition then.
    Stern,
    /// Now and then it wants nothing more.
    Leaving,
    /// It takes everything, at a rate and two at a time.
    Paced,
}

impl Manner {
    pub(crate) const ALL: [Manner; 4] = [Manner::Fickle, Manner::Stern, Manner::Leaving, Manner::Paced];

    /// The path under which it is called.
    fn path(self) -> &'static str {
        match self {
            Manner::Fickle => "/fickle",
            Manner::Stern => "/stern",
            Manner::Leaving => "/leaving",
            Manner::Paced => "/paced",
        }
    }

    /// How many attempts there are at most.
    pub(crate) fn attempts_max(self) -> usize {
        match self {
            Manner::Fickle => 4,
            Manner::Stern => 3,
            Manner::Leaving | Manner::Paced => 2,
        }
    }

    /// Whether an answer ends the delivery at once.
    pub(crate) fn is_final(self, status: &Value) -> bool {
        *status == 410 || (self == Manner::Stern && *status == 404)
    }

    fn reply(self, message: &str, before: usize) -> Reply {
        let mut hasher = DefaultHasher::new();
        (message, before).hash(&mut hasher);
        let by_call = hasher.finish() % 100;
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        let by_message = hasher.finish() % 100;
        match (self, by_call) {
            (Manner::Fickle, 0..15) => Reply::Answer(500, "", "out of order"),
            (Manner::Fickle, 15..22) => Reply::Answer(429, "retry-after: 1\r\n", ""),
            (Manner::Fickle, 22..34) => Reply::Drop,
            (Manner::Stern, _) if by_message < 15 => Reply::Answer(404, "", "nobody of that name"),
            (Manner::Stern, 0..10) => Reply::Answer(503, "", ""),
            (Manner::Leaving, 0..4) => Reply::Answer(410, "", ""),
            (Manner::Leaving, 4..10) => Reply::Drop,
            _ => OK,
        }
    }
}

/// What was answered to a call; no status where the connection was broken instead.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) manner: Manner,
    pub(crate) message: String,
    pub(crate) status: Option<u16>,
}

/// All of them.
pub(crate) struct Street {
    receiver: Receiver,
    answered: Arc<Mutex<Vec<Answered>>>,
    is_calm: Arc<AtomicBool>,
}

impl Street {
    pub(crate) fn start() -> Street {
        let answered: Arc<Mutex<Vec<Answered>>> = Arc::default();
        let is_calm = Arc::new(AtomicBool::new(false));
        let (log, calm) = (Arc::clone(&answered), Arc::clone(&is_calm));
        let calls: Mutex<BTreeMap<String, usize>> = Mutex::default();
        let receiver = Receiver::scripted(move |request, _| {
            let Some(manner) = Manner::ALL.into_iter().find(|manner| request.path == manner.path()) else { return OK };
            let message = request.webhook_id().to_owned();
            let before = {
                let mut calls = calls.lock().expect("no thread panics with the calls");
                let count = calls.entry(message.clone()).or_default();
                *count += 1;
                *count - 1
            };
            let reply = if calm.load(Ordering::SeqCst) { OK } else { manner.reply(&message, before) };
            let status = if let Reply::Answer(status, ..) = &reply { Some(*status) } else { None };
            log.lock().expect("no thread panics with the log").push(Answered { manner, message, status });
            reply
        });
        Street { receiver, answered, is_calm }
    }

    /// What is asked for to make the destination.
    pub(crate) fn destination(&self, manner: Manner) -> Value {
        let url = self.receiver.url().replace("/hook", manner.path());
        let mut body = json!({"name": format!("{manner:?}"), "kind": "webhook", "url": url});
        let settings = match manner {
            Manner::Fickle => json!({"retries": ["1s", "1s", "2s"]}),
            Manner::Stern => json!({"retries": ["1s", "1s"], "stop_on_4xx": true}),
            Manner::Leaving => json!({"retries": ["1s"]}),
            Manner::Paced => json!({"retries": ["1s"], "rate": {"count": 20, "burst": 5}, "parallelism": 2}),
        };
        body.as_object_mut().expect("an object").extend(settings.as_object().expect("an object").clone());
        body
    }

    /// From now on everything is taken.
    pub(crate) fn calm_down(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
    }

    /// What was answered so far.
    pub(crate) fn answered(&self) -> Vec<Answered> {
        self.answered.lock().expect("no thread panics with the log").clone()
    }
}
