//! Faults, drawn from a seed: nodes are killed, frozen and stopped, the database is restarted and killed, sometimes two things
//! at once, and after a while each is mended. What happened when goes into the timeline; what is up goes on the stage.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use oncue_throwaway::Stop;

use super::crew::Crew;
use super::timeline::Timeline;
use crate::harness::book::Stage;
use crate::harness::chance::Chance;

/// How long an orderly end may take: what is in flight is waited for.
const LEAVE_PATIENCE: Duration = Duration::from_secs(20);

/// How long a start may take while the database is there.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How a node is.
enum State {
    Up,
    /// Started at this instant, not ready yet.
    Starting(Timestamp, Instant),
    /// Halted, until then.
    Frozen(Instant),
    /// Asked to end, at this instant; afterwards it is away for so long.
    Leaving(Timestamp, Instant, Duration),
    /// Not there, until then.
    Away(Instant),
}

/// Who does all that.
pub(super) struct Faults<'a> {
    crew: &'a mut Crew,
    stage: &'a Stage,
    chance: Chance,
    states: Vec<State>,
    /// The database is down until then.
    database_down: Option<Instant>,
    timeline: Timeline,
    began: Instant,
    /// What was done, for whoever reads the log.
    diary: &'a mut Diary,
}

/// What was done when.
#[derive(Default)]
pub(super) struct Diary {
    /// How many faults there were.
    pub(super) faults: u64,
    lines: Vec<String>,
}

/// It is told however the run ends.
impl Drop for Diary {
    fn drop(&mut self) {
        println!("{} faults:\n{}", self.faults, self.lines.join("\n"));
    }
}

impl<'a> Faults<'a> {
    pub(super) fn new(crew: &'a mut Crew, stage: &'a Stage, chance: Chance, diary: &'a mut Diary) -> Faults<'a> {
        let states = crew.nodes.iter().map(|_| State::Up).collect();
        let timeline = Timeline::begin(crew.nodes.len(), Timestamp::now());
        Faults { crew, stage, chance, states, database_down: None, timeline, began: Instant::now(), diary }
    }

    /// Does harm for so long, then mends everything; gives the timeline.
    pub(super) fn run(mut self, duration: Duration) -> Timeline {
        // Once at least nobody is left for longer than a silence is borne.
        let deserted_at = duration.mul_f64(0.3 + 0.4 * (self.chance.between(0, 1000) as f64 / 1000.0));
        let (mut next_at, mut is_to_be_deserted) = (Duration::from_millis(1500), true);
        while self.began.elapsed() < duration {
            std::thread::sleep(Duration::from_millis(10));
            self.mend(false);
            if is_to_be_deserted && self.began.elapsed() >= deserted_at {
                is_to_be_deserted = false;
                let away = Duration::from_millis(self.chance.between(3600, 5000));
                (0..self.states.len()).for_each(|node| self.kill(node, away));
                next_at = self.began.elapsed() + Duration::from_millis(500);
            }
            if self.began.elapsed() >= next_at {
                self.harm();
                if self.chance.one_in(5) {
                    self.harm();
                }
                next_at = self.began.elapsed() + Duration::from_millis(self.chance.between(700, 3800));
            }
        }
        while self.database_down.is_some() || !self.states.iter().all(|state| matches!(state, State::Up)) {
            std::thread::sleep(Duration::from_millis(10));
            self.mend(true);
        }
        self.timeline
    }

    fn note(&mut self, what: &str) {
        let line = format!("{:7.3} s ({}) {what}", self.began.elapsed().as_secs_f64(), Timestamp::now());
        self.diary.lines.push(line);
    }

    /// One more fault.
    fn harm(&mut self) {
        let kind = self.chance.between(0, 12);
        if kind >= 9 {
            self.take_the_database(kind);
            return;
        }
        let node = self.pick();
        let others_up =
            self.states.iter().enumerate().any(|(other, state)| other != node && matches!(state, State::Up));
        // Mostly somebody stays.
        if !others_up && !self.chance.one_in(4) {
            return;
        }
        match (kind, &self.states[node]) {
            (0..=3, State::Up | State::Starting(..) | State::Frozen(_) | State::Leaving(..)) => {
                let away = Duration::from_millis(self.chance.between(0, 4500));
                self.kill(node, away);
            }
            (4..=6, State::Up) => {
                let frozen = Duration::from_millis(self.chance.between(500, 8000));
                self.freeze(node, frozen);
            }
            (7..=8, State::Up) => {
                let away = Duration::from_millis(self.chance.between(0, 3000));
                self.ask_to_leave(node, away);
            }
            _ => {}
        }
    }

    /// A node, mostly one that is up.
    fn pick(&mut self) -> usize {
        let count = self.states.len();
        let first = usize::try_from(self.chance.between(0, count as u64)).expect("few nodes");
        if self.chance.one_in(6) {
            return first;
        }
        let turns = (0..count).map(|turn| (first + turn) % count);
        turns.into_iter().find(|node| matches!(self.states[*node], State::Up)).unwrap_or(first)
    }

    fn kill(&mut self, node: usize, away: Duration) {
        self.diary.faults += 1;
        if matches!(self.states[node], State::Away(_)) {
            self.states[node] = State::Away(Instant::now() + away);
            return;
        }
        let asked_at = Timestamp::now();
        self.crew.nodes[node].process.kill();
        self.stage.leave(node);
        let gone_at = Timestamp::now();
        self.note(&format!("node {node} is killed, for {away:?}"));
        self.gone(node, asked_at, gone_at);
        self.states[node] = State::Away(Instant::now() + away);
    }

    fn gone(&mut self, node: usize, asked_at: Timestamp, gone_at: Timestamp) {
        if let State::Starting(launched_at, _) = self.states[node] {
            self.timeline.at_work[node].may_have_been(launched_at, gone_at);
            self.timeline.alive[node].may_have_been(launched_at, gone_at);
        } else {
            self.timeline.at_work[node].end(asked_at, gone_at);
            self.timeline.alive[node].end(asked_at, gone_at);
        }
    }

    fn freeze(&mut self, node: usize, frozen: Duration) {
        self.diary.faults += 1;
        let asked_at = Timestamp::now();
        self.crew.nodes[node].process.freeze();
        self.stage.leave(node);
        self.timeline.at_work[node].end(asked_at, Timestamp::now());
        self.note(&format!("node {node} is frozen, for {frozen:?}"));
        self.states[node] = State::Frozen(Instant::now() + frozen);
    }

    fn ask_to_leave(&mut self, node: usize, away: Duration) {
        self.diary.faults += 1;
        let asked_at = Timestamp::now();
        self.stage.leave(node);
        self.crew.nodes[node].process.terminate();
        self.note(&format!("node {node} is asked to end, for {away:?}"));
        self.states[node] = State::Leaving(asked_at, Instant::now(), away);
    }

    fn take_the_database(&mut self, kind: u64) {
        if self.database_down.is_some() {
            return;
        }
        self.diary.faults += 1;
        let down = match self.chance.between(0, 4) {
            0 => Duration::from_millis(self.chance.between(2000, 6000)),
            _ => Duration::from_millis(self.chance.between(0, 1200)),
        };
        let asked_at = Timestamp::now();
        let (how, done) = match kind {
            9 => ("stopped fast", self.crew.cluster.stop(Stop::Fast)),
            10 => ("stopped at once", self.crew.cluster.stop(Stop::Immediate)),
            _ => ("killed", self.crew.cluster.kill()),
        };
        done.expect("the database ends");
        self.timeline.database.end(asked_at, Timestamp::now());
        self.note(&format!("the database is {how}, for {down:?}"));
        self.database_down = Some(Instant::now() + down);
    }

    /// Mends what is due to be mended, or everything.
    fn mend(&mut self, at_once: bool) {
        let is_time = |at: Instant| at_once || at <= Instant::now();
        if self.database_down.is_some_and(is_time) {
            let asked_at = Timestamp::now();
            self.crew.cluster.start_again().expect("the database starts");
            self.timeline.database.begin(asked_at, Timestamp::now());
            self.note("the database is back");
            self.database_down = None;
        }
        for node in 0..self.states.len() {
            match self.states[node] {
                State::Away(until) if is_time(until) => {
                    let launched_at = Timestamp::now();
                    self.crew.nodes[node].launch_again();
                    self.states[node] = State::Starting(launched_at, Instant::now());
                }
                State::Frozen(until) if is_time(until) => {
                    let asked_at = Timestamp::now();
                    self.crew.nodes[node].process.thaw();
                    self.timeline.at_work[node].begin(asked_at, Timestamp::now());
                    self.arrive(node, "goes on");
                }
                State::Starting(launched_at, since) => self.look_at_start(node, launched_at, since),
                State::Leaving(asked_at, since, away) => self.look_at_end(node, asked_at, since, away),
                _ => {}
            }
        }
    }

    fn look_at_start(&mut self, node: usize, launched_at: Timestamp, since: Instant) {
        if self.crew.nodes[node].process.has_ended() {
            // Without its database a node does not start; whoever looks after it tries again.
            self.note(&format!("node {node} did not start"));
            self.gone(node, launched_at, Timestamp::now());
            self.states[node] = State::Away(Instant::now() + Duration::from_millis(300));
        } else if self.database_down.is_none() && self.crew.nodes[node].process.is_ready().is_some() {
            let ready_at = Timestamp::now();
            self.timeline.at_work[node].begin(launched_at, ready_at);
            self.timeline.alive[node].begin(launched_at, ready_at);
            self.arrive(node, "is back");
        } else if self.database_down.is_none() && since.elapsed() > START_PATIENCE {
            panic!("node {node} does not become ready: {}", self.crew.nodes[node].log());
        }
    }

    fn look_at_end(&mut self, node: usize, asked_at: Timestamp, since: Instant, away: Duration) {
        if self.crew.nodes[node].process.has_ended() {
            self.note(&format!("node {node} has ended"));
            self.gone(node, asked_at, Timestamp::now());
            self.states[node] = State::Away(Instant::now() + away);
        } else if since.elapsed() > LEAVE_PATIENCE {
            panic!("node {node} does not end: {}", self.crew.nodes[node].log());
        }
    }

    fn arrive(&mut self, node: usize, what: &str) {
        self.note(&format!("node {node} {what}"));
        self.stage.arrive(node, &self.crew.nodes[node].base);
        self.states[node] = State::Up;
    }
}
