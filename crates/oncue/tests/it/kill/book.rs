//! What was asked of the server and what it acknowledged, written down as it happens: the first witness of the check. And
//! the stage, where the load learns whether there is a server at the moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::occurrences::Plan;
use crate::support::client::{Answer, Client};

/// A trigger that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// When it should fire.
    pub(super) plan: Plan,
    /// Whether its events go to the receiver.
    pub(super) is_sent: bool,
    /// What the load does with it later.
    pub(super) fate: Fate,
    /// Its number, once the server acknowledged it.
    pub(super) acknowledged: Option<i64>,
    /// The server refused it.
    pub(super) is_refused: bool,
}

/// What the load does with a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Untouched,
    /// It is renamed, paused and resumed; its schedule stays.
    Restless,
    /// It is deleted.
    Doomed,
}

/// A change that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// What it sets: a name, or whether it is enabled; none for a deletion.
    pub(super) body: Option<Value>,
    /// Just before it was sent.
    pub(super) sent_at: Timestamp,
    /// Just after the server acknowledged it.
    pub(super) acknowledged_at: Option<Timestamp>,
}

impl Change {
    /// What it sets a field to, if it sets it.
    pub(super) fn sets(&self, field: &str) -> Option<&Value> {
        self.body.as_ref()?.get(field)
    }
}

/// An API firing that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Fired {
    /// The trigger.
    pub(super) trigger: i64,
    /// The event that the server named.
    pub(super) event: i64,
}

/// Everything that was asked.
#[derive(Clone, Default)]
pub(super) struct Book {
    /// By name.
    pub(super) wishes: BTreeMap<String, Wish>,
    /// By trigger, in the order in which they were sent.
    pub(super) changes: BTreeMap<i64, Vec<Change>>,
    /// By nonce; none where no answer came.
    pub(super) firings: BTreeMap<String, Option<Fired>>,
}

/// Where the load meets the server.
pub(super) struct Stage {
    ann: Client,
    present: Mutex<Option<Client>>,
    book: Mutex<Book>,
    /// Where the receiver is.
    pub(super) receiver: String,
    /// The load is to end.
    pub(super) is_over: AtomicBool,
}

impl Stage {
    pub(super) fn new(ann: &Client, receiver: String) -> Stage {
        Stage {
            ann: ann.clone(),
            present: Mutex::new(Some(ann.keeping_alive())),
            book: Mutex::new(Book::default()),
            receiver,
            is_over: AtomicBool::new(false),
        }
    }

    /// The server is there, at this address.
    pub(super) fn arrive(&self, base: &str) {
        *lock(&self.present) = Some(self.ann.at(base).keeping_alive());
    }

    /// The server is gone.
    pub(super) fn leave(&self) {
        *lock(&self.present) = None;
    }

    /// The way to the server, if it is there.
    pub(super) fn present(&self) -> Option<Client> {
        lock(&self.present).clone()
    }

    /// Waits for the server; none when the load is to end.
    pub(super) fn wait(&self) -> Option<Client> {
        while !self.is_over.load(Ordering::SeqCst) {
            if let Some(client) = self.present() {
                return Some(client);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Asks the server for something; none when it died before it answered.
    ///
    /// After a death its port may fall to another test's server, which knows nothing of us: what that one says is no answer.
    pub(super) fn ask(&self, client: &Client, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let call = client.call(method, path);
        let answer = match body {
            Some(body) => call.json(body).try_send(),
            None => call.try_send(),
        };
        let answer = answer.ok()?;
        if matches!(answer.status, 200..=204 | 422) {
            return Some(answer);
        }
        thread::sleep(Duration::from_millis(100));
        let is_ours = self.present().is_some_and(|present| present.base() == client.base());
        assert!(!is_ours, "{method} {path} was answered with {}: {}", answer.status, answer.text);
        None
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// The triggers that are restless and known.
    pub(super) fn restless(&self) -> Vec<i64> {
        self.known(|wish| wish.fate == Fate::Restless)
    }

    /// The triggers that tell by their firings how far the scheduler is.
    pub(super) fn clocks(&self) -> Vec<i64> {
        self.known(|wish| wish.fate == Fate::Untouched && wish.plan.is_clock())
    }

    fn known(&self, is_meant: impl Fn(&Wish) -> bool) -> Vec<i64> {
        self.book().wishes.values().filter(|wish| is_meant(wish)).filter_map(|wish| wish.acknowledged).collect()
    }

    pub(super) fn into_book(self) -> Book {
        self.book.into_inner().expect("no thread of the load panicked")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the load panicked")
}
