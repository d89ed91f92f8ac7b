//! What was asked of the servers and what they acknowledged, written down as it happens: the first witness of the check. And
//! the stage, where the load learns which servers there are at the moment.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::occurrences::Plan;
use super::street::{Manner, Street};
use crate::support::client::{Answer, Client};

/// A trigger that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// When it should fire.
    pub(crate) plan: Plan,
    /// Whether its events go to the receiver.
    pub(crate) is_sent: bool,
    /// To which destinations they go as well, in this order.
    pub(crate) also_to: Vec<Manner>,
    /// What the load does with it later.
    pub(crate) fate: Fate,
    /// Its number, once the server acknowledged it.
    pub(crate) acknowledged: Option<i64>,
    /// The server refused it.
    pub(crate) is_refused: bool,
}

/// What the load does with a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing.
    Untouched,
    /// It is renamed, paused and resumed; its schedule stays.
    Restless,
    /// It is deleted.
    Doomed,
}

/// A change that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// What it sets: a name, or whether it is enabled; none for a deletion.
    pub(crate) body: Option<Value>,
    /// Just before it was sent.
    pub(crate) sent_at: Timestamp,
    /// Just after the server acknowledged it.
    pub(crate) acknowledged_at: Option<Timestamp>,
}

impl Change {
    /// What it sets a field to, if it sets it.
    pub(crate) fn sets(&self, field: &str) -> Option<&Value> {
        self.body.as_ref()?.get(field)
    }
}

/// An API firing that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Fired {
    /// The trigger.
    pub(crate) trigger: i64,
    /// The event that the server named.
    pub(crate) event: i64,
}

/// Everything that was asked.
#[derive(Clone, Default)]
pub(crate) struct Book {
    /// The ids of the destinations.
    pub(crate) destinations: BTreeMap<Manner, i64>,
    /// By name.
    pub(crate) wishes: BTreeMap<String, Wish>,
    /// By trigger, in the order in which they were sent.
    pub(crate) changes: BTreeMap<i64, Vec<Change>>,
    /// By nonce; none where no answer came, so that nobody can say whether it fired. It may have, once.
    pub(crate) firings: BTreeMap<String, Option<Fired>>,
}

/// Where the load meets the servers.
pub(crate) struct Stage {
    ann: Client,
    present: Mutex<Vec<Option<Client>>>,
    turn: AtomicUsize,
    book: Mutex<Book>,
    /// Where the receiver is.
    pub(crate) receiver: String,
    /// The receivers of the destinations.
    pub(crate) street: Street,
    /// What a server may say instead of an answer: then nobody knows whether it happened.
    excuses: &'static [u16],
    /// The load is to end.
    pub(crate) is_over: AtomicBool,
}

impl Stage {
    /// With these servers, of which each knows `ann`.
    pub(crate) fn new(ann: &Client, bases: &[String], receiver: String, excuses: &'static [u16]) -> Stage {
        Stage {
            ann: ann.clone(),
            present: Mutex::new(bases.iter().map(|base| Some(ann.at(base).keeping_alive())).collect()),
            turn: AtomicUsize::new(0),
            book: Mutex::new(Book::default()),
            receiver,
            street: Street::start(),
            excuses,
            is_over: AtomicBool::new(false),
        }
    }

    /// A server is there, at this address.
    pub(crate) fn arrive(&self, server: usize, base: &str) {
        lock(&self.present)[server] = Some(self.ann.at(base).keeping_alive());
    }

    /// A server is gone.
    pub(crate) fn leave(&self, server: usize) {
        lock(&self.present)[server] = None;
    }

    /// The way to one of the servers that are there, each in turn.
    pub(crate) fn present(&self) -> Option<Client> {
        let present = lock(&self.present);
        let there: Vec<&Client> = present.iter().flatten().collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (!there.is_empty()).then(|| there[turn % there.len()].clone())
    }

    /// Waits for a server; none when the load is to end.
    pub(crate) fn wait(&self) -> Option<Client> {
        while !self.is_over.load(Ordering::SeqCst) {
            if let Some(client) = self.present() {
                return Some(client);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Asks whoever is there for something, and the next one where nobody listens any more: nothing was said then. None when
    /// nobody knows whether it happened, because the server died before it answered, or could not reach its database; or when
    /// the load is to end.
    ///
    /// After a death its port may fall to another test's server, which knows nothing of us: what that one says is no answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let (client, answer) = loop {
            let client = self.wait()?;
            let call = client.call(method, path);
            let sent = match body {
                Some(body) => call.json(body).try_send(),
                None => call.try_send(),
            };
            match sent {
                Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                    thread::sleep(Duration::from_millis(2));
                }
                sent => break (client, sent.ok()?),
            }
        };
        if matches!(answer.status, 200..=204 | 422) {
            return Some(answer);
        }
        thread::sleep(Duration::from_millis(100));
        if self.excuses.contains(&answer.status) {
            return None;
        }
        let is_ours = lock(&self.present).iter().flatten().any(|present| present.base() == client.base());
        assert!(!is_ours, "{method} {path} was answered with {}: {}", answer.status, answer.text);
        None
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// The triggers that are restless and known.
    pub(crate) fn restless(&self) -> Vec<i64> {
        self.known(|wish| wish.fate == Fate::Restless)
    }

    /// The triggers that tell by their firings how far the scheduler is.
    pub(crate) fn clocks(&self) -> Vec<i64> {
        self.known(|wish| wish.fate == Fate::Untouched && wish.plan.is_clock())
    }

    fn known(&self, is_meant: impl Fn(&Wish) -> bool) -> Vec<i64> {
        self.book().wishes.values().filter(|wish| is_meant(wish)).filter_map(|wish| wish.acknowledged).collect()
    }

    /// The triggers whose events go to destinations.
    pub(crate) fn fanning_out(&self) -> Vec<i64> {
        self.known(|wish| !wish.also_to.is_empty())
    }

    pub(crate) fn into_book(self) -> Book {
        self.book.into_inner().expect("no thread of the load panicked")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the load panicked")
}
