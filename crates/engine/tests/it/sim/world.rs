//! A small oncue with its doors: the store behind faults, the clock moved by hand, the scripted network, and the loops'
//! steps as single calls. It knows how to crash and come back; what happens when is the workload's business.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{Claim, Settlement, Verdict, ends_at};
use oncue_domain::destination::Webhook;
use oncue_domain::event::Retention;
use oncue_domain::id::{Ids, UserId};
use oncue_domain::message::Source;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{Change, Result, Store};
use oncue_engine::attempt::Attempts;
use oncue_engine::courier::Courier;
use oncue_engine::directory::Directory;
use oncue_engine::drain::{Drainer, Found};
use oncue_engine::ends::Ends;
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
    pub(super) fn at(now: Timestamp) -> HandClock {
        HandClock(Mutex::new(now))
    }

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
    /// How many of these had waited in backlogs, and how many did not fire for being discarded.
    pub(super) drained: u64,
    pub(super) discarded: u64,
    /// How often one event of a trigger that does not overlap was seen to be under way alone.
    pub(super) alone: u64,
    pub(super) called: u64,
    pub(super) tested: u64,
    pub(super) alerted: u64,
    pub(super) skipped: u64,
    pub(super) sent: u64,
    pub(super) repeated: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) parked: u64,
    /// How often deliveries were seen to wait for those before them.
    pub(super) queued: u64,
    pub(super) waited: u64,
    pub(super) suspended: u64,
    pub(super) resumed: u64,
    pub(super) gone: u64,
    pub(super) several: u64,
    pub(super) expired: u64,
    /// How many triggers were seen to have fired as often as they may, and how many went because they were done.
    pub(super) spent: u64,
    pub(super) left: u64,
    /// How many triggers were told to have ended by themselves.
    pub(super) ended: u64,
    /// How many deliveries were sent again, how many of them tried again, and how many wishes for it were refused.
    pub(super) again: u64,
    pub(super) tried_again: u64,
    pub(super) refused_again: u64,
    pub(super) cancelled: u64,
    /// How many records tell of a freeze, and how many freezes somebody ended.
    pub(super) frozen: u64,
    pub(super) thawed: u64,
    /// How many triggers waited for another occurrence once a calendar was edited.
    pub(super) followed: u64,
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

    fn all(&self) -> [u64; 34] {
        [
            self.scheduled,
            self.caught_up,
            self.drained,
            self.discarded,
            self.alone,
            self.called,
            self.tested,
            self.alerted,
            self.skipped,
            self.sent,
            self.repeated,
            self.delivered,
            self.failed,
            self.parked,
            self.queued,
            self.waited,
            self.suspended,
            self.resumed,
            self.gone,
            self.several,
            self.expired,
            self.spent,
            self.left,
            self.ended,
            self.again,
            self.tried_again,
            self.refused_again,
            self.cancelled,
            self.frozen,
            self.thawed,
            self.followed,
            self.crashes,
            self.refused,
            self.lost,
        ]
    }

    fn all_mut(&mut self) -> [&mut u64; 34] {
        [
            &mut self.scheduled,
            &mut self.caught_up,
            &mut self.drained,
            &mut self.discarded,
            &mut self.alone,
            &mut self.called,
            &mut self.tested,
            &mut self.alerted,
            &mut self.skipped,
            &mut self.sent,
            &mut self.repeated,
            &mut self.delivered,
            &mut self.failed,
            &mut self.parked,
            &mut self.queued,
            &mut self.waited,
            &mut self.suspended,
            &mut self.resumed,
            &mut self.gone,
            &mut self.several,
            &mut self.expired,
            &mut self.spent,
            &mut self.left,
            &mut self.ended,
            &mut self.again,
            &mut self.tried_again,
            &mut self.refused_again,
            &mut self.cancelled,
            &mut self.frozen,
            &mut self.thawed,
            &mut self.followed,
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
    /// Whether the courier is told of changes to destinations; without hints it learns of them a second later.
    pub(super) hears_hints: bool,
    /// None while nobody runs.
    drainer: Option<Drainer>,
    scheduler: Option<Scheduler>,
    courier: Courier,
    attempts: Attempts,
    expiry: Expiry,
    ends: Ends,
    /// Claims in the memory of the process, not sent yet.
    held: Vec<Claim>,
    /// Attempts in the memory of the process, not written down yet.
    tried: Vec<Settlement>,
    /// How many claims were put back, for want of a turn or of an answer from the store.
    pub(super) waited: u64,
}

/// What destinations say, as somebody knows it who has only just begun to ask.
fn directory(memory: &Memory, faults: &Arc<Faults>, hears_hints: bool) -> Arc<Directory> {
    let directory = Arc::new(Directory::new(Arc::clone(faults) as Arc<dyn Store>));
    if hears_hints {
        let on_destination = Arc::downgrade(&directory);
        memory.subscribe(Arc::new(move |change| {
            if let (Change::Destination(owner), Some(directory)) = (change, on_destination.upgrade()) {
                directory.forget(owner);
            }
        }));
    }
    directory
}

impl World {
    pub(super) fn new(seed: u64, chance: &mut Chance, start: Timestamp) -> World {
        let has_default = chance.once_in(2);
        let memory = Arc::new(Memory::new(has_default));
        let clock = Arc::new(HandClock::at(start));
        let faults = Arc::new(Faults::new(Arc::clone(&memory), Chance::new(seed ^ 0xfau64)));
        let network = Arc::new(Network::new(Arc::clone(&clock), Chance::new(seed ^ 0x2e7u64)));
        let default = Webhook::parse("https://default.example.com/", None).expect("an address");
        let hears_hints = chance.once_in(2);
        let directory = directory(&memory, &faults, hears_hints);
        let courier = Courier {
            store: faults.clone(),
            directory,
            outbound: network.clone(),
            clock: clock.clone(),
            source: Arc::new(Source {
                public_url: "https://oncue.example.com".to_owned(),
                version: "0",
                reports: oncue_domain::run::ReportKey::derive(b"a test's secret"),
            }),
            zones: Arc::new(Zones::bundled()),
            default: has_default.then(|| Arc::new(default)),
            retention: Retention::STANDARD,
            tally: Arc::new(work::Tally::default()),
        };
        let attempts = Attempts::new(courier.clone());
        let expiry = Expiry { store: faults.clone(), clock: clock.clone(), retention: Retention::STANDARD };
        let ends = Ends { store: faults.clone(), clock: clock.clone() };
        let ids = Arc::new(Ids::from_seed([u8::try_from(seed % 251).expect("small"); 32]));
        let (held, tried) = (Vec::new(), Vec::new());
        World {
            memory,
            faults,
            clock,
            network,
            ids,
            hears_hints,
            scheduler: None,
            drainer: None,
            waited: 0,
            courier,
            attempts,
            expiry,
            ends,
            held,
            tried,
        }
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
        self.drainer = None;
        self.held.clear();
        self.tried.clear();
        // Nor does whoever comes next know what destinations said, or what turns were given out.
        self.courier.directory = directory(&self.memory, &self.faults, self.hears_hints);
        self.attempts = Attempts::new(self.courier.clone());
    }

    /// Whether the operator has a default destination.
    pub(super) fn has_default(&self) -> bool {
        self.courier.default.is_some()
    }

    /// A new process opens the store. It may be refused; then nobody runs yet.
    pub(super) fn start(&mut self) {
        self.memory.restart();
        let tally = Arc::clone(&self.courier.tally);
        let begun = Scheduler::begin(self.faults.clone(), self.clock.clone(), self.ids.clone(), tally);
        self.scheduler = at_once(begun).ok();
        let tally = Arc::clone(&self.courier.tally);
        let drainer = Drainer::new(self.faults.clone(), self.clock.clone(), self.ids.clone(), tally);
        self.drainer = self.scheduler.is_some().then_some(drainer);
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

    /// A round of late firings, where somebody runs. True where nothing is left that may fire.
    pub(super) fn drain(&mut self) -> bool {
        let Some(drainer) = self.drainer.as_mut() else { return false };
        at_once(drainer.tick()).is_ok_and(|found| found == Found::Nothing)
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
            let clock = Arc::clone(&self.clock);
            let wait = async |start: Timestamp| clock.set(clock.now().max(start));
            let settlement = at_once(self.attempts.make(claim, |_| (), wait));
            self.waited += u64::from(settlement.attempt.is_none() && matches!(settlement.verdict, Verdict::Retry(_)));
            self.tried.push(settlement);
        }
    }

    /// Writes down what was tried; what the store did not answer for is written down again later.
    pub(super) fn settle(&mut self) {
        if !self.tried.is_empty() && at_once(self.courier.settle(self.tried.clone())).is_ok() {
            self.tried.clear();
        }
    }

    /// No event will be logged as having fired before this: what an attempt that is not written down yet leads to fired when it ended.
    pub(super) fn fires_from(&self) -> Timestamp {
        let tried = self.tried.iter().map(|settlement| settlement.at);
        tried.min().map_or(self.now(), |at| at.min(self.now()))
    }

    pub(super) fn expire(&mut self) -> Result<bool> {
        at_once(self.ends.tick())?;
        at_once(self.expiry.tick())
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// The claims in memory for which nobody else is given their deliveries, and by which an attempt may still begin: with what is handed out
    /// when its time is over nothing is done but giving it up, and its event may go before that, which lets the next one in line go.
    pub(super) fn in_hand(&self) -> impl Iterator<Item = &Claim> {
        let now = self.now();
        let may_begin = move |claim: &&Claim| now < ends_at(&claim.event, Retention::STANDARD.keep_for);
        self.held.iter().filter(move |claim| now < claim.until).filter(may_begin)
    }
}
