//! A small oncue with its doors: the store behind faults, the clock moved by hand, the scripted network, and the loops'
//! steps as single calls. It knows how to crash and come back; what happens when is the workload's business.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::destination::Webhook;
use oncue_domain::event::Retention;
use oncue_domain::id::{Ids, UserId};
use oncue_domain::message::Source;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Result, Store};
use oncue_engine::courier::Courier;
use oncue_engine::retention::Expiry;
use oncue_engine::scheduler::{Scheduler, Wake};
use oncue_engine::work;

use super::chance::Chance;
use super::faults::Faults;
use super::network::Network;

/// Whose everything is.
pub(super) const OWNER: UserId = UserId(1);

/// Runs what is ready at once.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("with these doors every future is ready at once")
}

/// A clock that stands still until it is moved.
pub(super) struct HandClock(Mutex<Timestamp>);

impl HandClock {
    pub(super) fn set(&self, now: Timestamp) {
        *self.0.lock().expect("no panic") = now;
    }

    pub(super) fn advance(&self, by: SignedDuration) {
        *self.0.lock().expect("no panic") += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no panic")
    }
}

/// What happened in a run, so that it can be seen that everything did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) scheduled: u64,
    pub(super) caught_up: u64,
    pub(super) called: u64,
    pub(super) tested: u64,
    pub(super) skipped: u64,
    pub(super) sent: u64,
    pub(super) repeated: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) expired: u64,
    pub(super) crashes: u64,
    pub(super) refused: u64,
    pub(super) lost: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Tally) {
        for (sum, more) in self.all_mut().into_iter().zip(other.all()) {
            *sum += more;
        }
    }

    pub(super) fn assert_everything_happened(&self) {
        assert!(self.all().into_iter().all(|count| count > 0), "something never happened: {self:?}");
    }

    fn all(&self) -> [u64; 13] {
        [
            self.scheduled,
            self.caught_up,
            self.called,
            self.tested,
            self.skipped,
            self.sent,
            self.repeated,
            self.delivered,
            self.failed,
            self.expired,
            self.crashes,
            self.refused,
            self.lost,
        ]
    }

    fn all_mut(&mut self) -> [&mut u64; 13] {
        [
            &mut self.scheduled,
            &mut self.caught_up,
            &mut self.called,
            &mut self.tested,
            &mut self.skipped,
            &mut self.sent,
            &mut self.repeated,
            &mut self.delivered,
            &mut self.failed,
            &mut self.expired,
            &mut self.crashes,
            &mut self.refused,
            &mut self.lost,
        ]
    }
}

/// The doors and what stands between them.
pub(super) struct World {
    pub(super) memory: Arc<Memory>,
    pub(super) faults: Arc<Faults>,
    pub(super) clock: Arc<HandClock>,
    pub(super) network: Arc<Network>,
    pub(super) ids: Arc<Ids>,
    /// None while nobody runs.
    scheduler: Option<Scheduler>,
    courier: Courier,
    expiry: Expiry,
    /// Claims in the memory of the process, not sent yet.
    held: Vec<Claim>,
    /// Attempts in the memory of the process, not written down yet.
    tried: Vec<Settlement>,
}

impl World {
    pub(super) fn new(seed: u64, chance: &mut Chance, start: Timestamp) -> World {
        let has_default = chance.once_in(2);
        let memory = Arc::new(Memory::new(has_default));
        let clock = Arc::new(HandClock(Mutex::new(start)));
        let faults = Arc::new(Faults::new(Arc::clone(&memory), Chance::new(seed ^ 0xfau64)));
        let network = Arc::new(Network::new(Arc::clone(&clock), Chance::new(seed ^ 0x2e7u64)));
        let default = Webhook::parse("https://default.example.com/", None).expect("an address");
        let courier = Courier {
            store: faults.clone(),
            outbound: network.clone(),
            clock: clock.clone(),
            source: Arc::new(Source { public_url: "https://oncue.example.com".to_owned(), version: "0" }),
            default: has_default.then(|| Arc::new(default)),
            tally: Arc::new(work::Tally::default()),
        };
        let expiry = Expiry { store: faults.clone(), clock: clock.clone(), retention: Retention::STANDARD };
        let ids = Arc::new(Ids::from_seed([u8::try_from(seed % 251).expect("small"); 32]));
        let (held, tried) = (Vec::new(), Vec::new());
        World { memory, faults, clock, network, ids, scheduler: None, courier, expiry, held, tried }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn is_running(&self) -> bool {
        self.scheduler.is_some()
    }

    /// The process ends between two steps: what it had in memory is gone.
    pub(super) fn crash(&mut self) {
        self.scheduler = None;
        self.held.clear();
        self.tried.clear();
    }

    /// A new process opens the store. It may be refused; then nobody runs yet.
    pub(super) fn start(&mut self) {
        self.memory.restart();
        let tally = Arc::clone(&self.courier.tally);
        let begun = Scheduler::begin(self.faults.clone(), self.clock.clone(), self.ids.clone(), tally);
        self.scheduler = at_once(begun).ok();
    }

    /// One look of the scheduler. None while nobody runs or the store does not answer.
    pub(super) fn tick(&mut self) -> Option<Wake> {
        at_once(self.scheduler.as_mut()?.tick()).ok()
    }

    /// Looks until nothing is left that could be done now. False when that could not be reached.
    pub(super) fn tick_until_idle(&mut self) -> bool {
        for _ in 0..10_000 {
            match self.tick() {
                Some(Wake::Now) => {}
                Some(_) => return true,
                None => return false,
            }
        }
        panic!("the scheduler never comes to rest");
    }

    /// When the loops would wake next, what is owed already left aside: that is the courier's turn and not a matter of time.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let due = at_once(self.memory.next_due()).expect("the model answers");
        let owed = at_once(self.memory.next_owed()).expect("the model answers");
        due.into_iter().chain(owed.filter(|owed| *owed > self.now())).min()
    }

    pub(super) fn claim(&mut self, room: usize) {
        if self.is_running() {
            self.held.extend(at_once(self.courier.claim(room)).unwrap_or_default());
        }
    }

    /// Sends the claim at this place, if there is one.
    pub(super) fn send(&mut self, place: usize) {
        if !self.held.is_empty() {
            let claim = self.held.remove(place % self.held.len());
            self.tried.extend(at_once(self.courier.send(claim)));
        }
    }

    /// Writes down what was tried; what the store did not answer for is written down again later.
    pub(super) fn settle(&mut self) {
        if !self.tried.is_empty() && at_once(self.courier.settle(self.tried.clone())).is_ok() {
            self.tried.clear();
        }
    }

    pub(super) fn expire(&mut self) -> Result<bool> {
        at_once(self.expiry.tick())
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}
