//! What happens next, as the seed wills it: the loops' steps in any order, users who make, change, fire and delete, clocks
//! that jump, processes that die.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::destination::{self, Destination, Standing, Webhook};
use oncue_domain::event::Origin;
use oncue_domain::freeze::Said;
use oncue_domain::id::{DestinationId, TriggerId};
use oncue_domain::misfire::{Bounds, Misfire};
use oncue_domain::overlap::Overlap;
use oncue_domain::payload::Payload;
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::jitter::Jitter;
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::rule::{Fold, Gap};
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{Call, Deleted, Edited, Fired, NewTrigger, Store};
use oncue_domain::trigger::{Armed, Definition, Kind, MaxFires, Pause, ScheduleDetails, Terms};

use super::calendars::Keeper;
use super::chance::Chance;
use super::ledger::Ledger;
use super::network::LEAVING_HOST;
use super::overlap;
use super::promises;
use super::redelivery;
use super::world::{OWNER, Tally, World, at_once};

mod rush;

/// How many triggers there are at most.
const TRIGGERS_MAX: usize = 10;

/// What stands for a schedule of several among the lines that are drawn.
const TWO_LINES: &str = "two lines";

/// Days with a daylight change in one of the zones, and one without.
const STARTS: [&str; 5] = [
    "2027-03-13T20:00:00Z",
    "2027-03-27T12:00:00Z",
    "2027-10-30T10:00:00Z",
    "2027-11-06T21:00:00Z",
    "2028-02-28T18:30:00.000007Z",
];

/// One run.
pub(super) struct Workload {
    chance: Chance,
    world: World,
    ledger: Ledger,
    tally: Tally,
    zones: Zones,
    /// Whether the clock may be put back in this run.
    is_clock_wild: bool,
    keeper: Keeper,
    /// Counts the destinations that were ever made, so that no two have the same host.
    made: u32,
}

impl Workload {
    pub(super) fn new(seed: u64) -> Workload {
        let mut chance = Chance::new(seed);
        let start: Timestamp = chance.pick(&STARTS).parse().expect("an instant");
        let world = World::new(seed, &mut chance, start);
        let is_clock_wild = chance.once_in(2);
        let ledger = Ledger { latest: start, earliest: start, ..Ledger::default() };
        let (keeper, zones) = (Keeper::new(seed, &world, start), Zones::bundled());
        Workload { chance, world, ledger, tally: Tally::default(), zones, is_clock_wild, keeper, made: 0 }
    }

    /// One thing happens.
    pub(super) fn step(&mut self) {
        match self.chance.below(100) {
            0..30 => self.live_on(),
            30..34 => drop(self.world.tick()),
            34 | 35 => self.catch_up(),
            36..42 => self.deliver(),
            42..48 => self.world.claim(1 + usize::try_from(self.chance.below(20)).expect("small")),
            48..59 => self.send_some(),
            59..62 => self.change_ones_mind(),
            62..73 => self.world.settle(),
            73 => self.check_attempts(),
            74..80 => self.create(),
            80..86 => self.edit(),
            86 => self.delete(),
            87..90 => self.fire(),
            90 | 91 => self.tend_a_destination(),
            92 => self.try_out(),
            93 if self.chance.once_in(2) => self.jump(),
            93 => self.rush(),
            94 | 95 => self.crash(),
            96 | 97 => self.expire(),
            98 if self.chance.once_in(2) => self.freeze_or_thaw(),
            _ if self.world.is_running() => drop(self.look()),
            _ => self.start(),
        }
        if self.keeper.wants_to_edit() {
            self.see_what_is_new();
            self.tally.followed += self.keeper.edit(&self.world, &mut self.ledger);
        }
        self.ledger.note_time(self.world.now());
        if !self.is_clock_wild {
            promises::of_what_goes_in_order_one_is_in_hand(&self.world);
        }
    }

    fn start(&mut self) {
        if !self.world.is_running() {
            self.world.start();
        }
    }

    /// Time passes until the loops would wake, or until nothing is left to wait for; who runs gives signs of life.
    fn live_on(&mut self) {
        let now = self.world.now();
        if !self.world.is_running() {
            // Nobody runs: time passes all the same.
            let quiet = SignedDuration::from_micros(self.chance.below(3_600_000_000));
            self.move_to(now + quiet);
            return self.start();
        }
        let furthest = now + SignedDuration::from_hours(3);
        let wake = self.world.next_wake().unwrap_or(furthest).clamp(now, furthest);
        self.world
            .memory
            .sign_of_life(wake.max(now + SignedDuration::from_millis(250)) - SignedDuration::from_millis(250));
        self.move_to(wake);
        let is_idle = self.look();
        if is_idle && !self.is_clock_wild {
            promises::what_fell_due_while_somebody_ran_has_fired(&self.world, &self.ledger, wake);
        }
    }

    /// The scheduler does what there is to do, and the promises are checked. False when it could not come to rest.
    fn look(&mut self) -> bool {
        let is_idle = self.world.tick_until_idle();
        if is_idle {
            self.check();
        }
        is_idle
    }

    fn check(&mut self) {
        self.see_what_is_new();
        self.tally.left += promises::what_went_was_done(&self.world, &mut self.ledger);
        self.tally.spent += promises::no_limit_is_passed(&self.world, &self.ledger);
        promises::nothing_due_is_silent(&self.world, &mut self.ledger);
        promises::what_is_not_finished_is_armed(&self.world, &self.ledger);
        promises::an_auditor_finds_nothing(&self.world, self.is_clock_wild);
        self.check_sent();
    }

    /// What waits fires, if it may, or somebody decides about what is held.
    fn catch_up(&mut self) {
        let now = self.world.now();
        if self.chance.once_in(4) {
            at_once(self.world.memory.release_backlogs(OWNER, None, now)).expect("the model answers");
        } else if self.chance.once_in(8) {
            let discarded = at_once(self.world.memory.discard_backlogs(OWNER, None, now));
            self.tally.discarded += discarded.expect("the model answers").occurrences;
        }
        self.world.drain();
        self.see_what_is_new();
    }

    fn check_sent(&mut self) {
        let sent = self.world.network.take_sent();
        self.tally.sent += sent.len() as u64;
        if self.world.hears_hints {
            promises::nothing_goes_where_it_is_paused(&self.world, &sent, SignedDuration::ZERO);
        } else if !self.is_clock_wild {
            promises::nothing_goes_where_it_is_paused(&self.world, &sent, SignedDuration::from_secs(1));
        }
        // Where a clock is put back, no stretch of time means anything.
        if !self.is_clock_wild {
            promises::rates_hold(&mut self.ledger, &sent);
        }
        self.tally.repeated += promises::every_attempt_carries_the_events_message_id(&mut self.ledger, &sent);
    }

    fn check_attempts(&mut self) {
        let events = promises::events_after(&self.world, Timestamp::MIN);
        let fates = promises::attempts_stay_on_the_ladder(&self.world, &self.ledger.wishes, &events);
        self.ledger.failed.extend(fates.failed);
        self.ledger.parked.extend(fates.parked);
        self.tally.queued += promises::what_goes_in_order_stands_in_line(&self.world, &self.ledger.wishes, &events);
    }

    fn move_to(&mut self, now: Timestamp) {
        self.world.clock.set(now);
        self.ledger.note_time(now);
    }

    /// The clock is put forward by up to three days, or back by up to two hours. Nobody is told.
    fn jump(&mut self) {
        self.see_what_is_new();
        if self.is_clock_wild && self.chance.once_in(2) {
            let back = SignedDuration::from_micros(self.chance.below(7_200_000_000));
            self.move_to(self.world.now() - back);
            return self.pause_and_resume();
        }
        let forward = SignedDuration::from_secs(self.chance.below(3 * 86_400));
        self.move_to(self.world.now() + forward);
    }

    /// Somebody who saw the clock go wrong starts everything anew, and so arms again what has fired already.
    fn pause_and_resume(&mut self) {
        for armed in self.triggers() {
            let (id, resumed) = (armed.trigger.id, armed.trigger.definition.clone());
            self.change(armed, resumed.clone().switched(false));
            let paused = self.triggers().into_iter().find(|paused| paused.trigger.id == id);
            self.change(paused.expect("it was only paused"), resumed);
        }
    }

    /// Takes note of what happened up to here, before the clock or the clean-up could hide it.
    fn see_what_is_new(&mut self) {
        let new = promises::no_occurrence_has_two_events(&self.world, &mut self.ledger);
        promises::nothing_fires_retroactively(&self.ledger, &new);
        // Where a clock is put back, nobody can tell what came first.
        if !self.is_clock_wild {
            promises::nothing_fires_while_it_is_frozen(&self.ledger, &new);
            self.tally.alone += overlap::what_does_not_overlap_is_under_way_once(&self.world, &self.ledger, &new);
        }
        for event in new {
            match event.origin {
                Origin::Schedule => self.tally.scheduled += 1,
                Origin::CatchUp => {
                    self.tally.caught_up += 1;
                    self.tally.drained += u64::from(promises::catches_up_with_all(&self.ledger, &event));
                }
                Origin::Api | Origin::Repeat | Origin::Run | Origin::Backfill => self.tally.called += 1,
                Origin::Test => self.tally.tested += 1,
                Origin::Alert => self.tally.alerted += 1,
            }
        }
        let (skipped, frozen) = promises::a_record_counts_what_it_spans(&self.world, &mut self.ledger);
        self.tally.skipped += skipped;
        self.tally.frozen += frozen;
    }

    fn crash(&mut self) {
        if !self.world.is_running() {
            return;
        }
        self.tally.crashes += 1;
        self.world.crash();
        let away = match self.chance.below(4) {
            0 => SignedDuration::from_millis(self.chance.below(30_000)),
            1 => SignedDuration::from_secs(self.chance.below(86_400 * 2)),
            _ => SignedDuration::from_secs(self.chance.below(7200)),
        };
        self.move_to(self.world.now() + away);
        self.start();
    }

    fn expire(&mut self) {
        self.see_what_is_new();
        self.check_attempts();
        let before = promises::events_after(&self.world, Timestamp::MIN).len();
        while let Ok(true) = self.world.expire() {}
        self.tally.expired += (before - promises::events_after(&self.world, Timestamp::MIN).len()) as u64;
        promises::events_live_exactly_as_long_as_they_should(&self.world, &self.ledger);
        promises::forget_gone_records(&self.world, &mut self.ledger);
    }

    /// A courier that nothing comes between.
    fn deliver(&mut self) {
        self.see_what_is_new();
        self.world.claim(1000);
        while self.world.held() > 0 {
            self.world.send(0);
        }
        self.world.settle();
        self.check_sent();
    }

    fn send_some(&mut self) {
        self.see_what_is_new();
        for _ in 0..=self.chance.below(16) {
            let place = usize::try_from(self.chance.below(64)).expect("small");
            self.world.send(place);
            // A receiver that hangs takes its time.
            self.ledger.note_time(self.world.now());
        }
        self.check_sent();
    }

    fn triggers(&self) -> Vec<Armed> {
        at_once(self.world.memory.triggers(OWNER, None, 1000)).expect("the model answers")
    }

    fn create(&mut self) {
        if self.triggers().len() >= TRIGGERS_MAX {
            return self.delete();
        }
        let now = self.world.now();
        let definition = self.definition();
        let next_at = definition.waits_after(now, 0);
        let test_event = definition.is_test.then(|| self.world.ids.message(now));
        let new = NewTrigger { owner: OWNER, definition: definition.clone(), next_at, test_event };
        let made =
            at_once(self.world.memory.create_trigger(new, now)).expect("the model answers").expect("they are there");
        self.ledger.begin(made.trigger.id, definition, now);
    }

    fn edit(&mut self) {
        let triggers = self.triggers();
        if triggers.is_empty() {
            return self.create();
        }
        let armed: Armed = self.chance.pick(&triggers);
        let old = armed.trigger.definition.clone();
        let drawn = self.definition();
        let changed = match self.chance.below(5) {
            0 => Definition {
                name: drawn.name,
                payload: drawn.payload,
                webhook: drawn.webhook,
                destinations: drawn.destinations,
                ..old
            },
            1 => {
                let resumes = old.is_paused_at(self.world.now());
                old.switched(resumes)
            }
            2 => Definition { expires_at: drawn.expires_at, ..old },
            3 => Definition { schedule: drawn.schedule, ..old.switched(true) },
            _ => drawn,
        };
        self.change(armed, changed);
    }

    fn change(&mut self, armed: Armed, changed: Definition) {
        self.see_what_is_new();
        let now = self.world.now();
        let freezes = at_once(self.world.memory.freezes_of(OWNER, Timestamp::MIN)).expect("the model answers");
        let edit = armed.edit(changed.clone(), now).under(&armed, now, &freezes);
        let edited = at_once(self.world.memory.edit_trigger(edit, armed.next_at, now)).expect("the model answers");
        assert_eq!(edited, Edited::Done);
        if armed.left() == Some(0) {
            self.ledger.note_spent(armed.trigger.id);
        }
        self.ledger.begin(armed.trigger.id, changed, now);
    }

    /// Everything is frozen for a while, its owner's or everybody's; or thawed, where it is.
    fn freeze_or_thaw(&mut self) {
        self.see_what_is_new();
        let now = self.tell_apart();
        if self.ledger.was_frozen(now) {
            return self.thaw();
        }
        let length = SignedDuration::from_micros(1 + self.chance.below(14_400_000_000));
        let until = (!self.chance.once_in(3)).then(|| now + length);
        let (scope, said) = (self.chance.pick(&[Some(OWNER), None]), Said { reason: None, until });
        at_once(self.world.memory.freeze(scope, said, now)).expect("the model answers");
        self.ledger.freezes.push((now, until.unwrap_or(Timestamp::MAX)));
    }

    fn thaw(&mut self) {
        let now = self.world.now();
        for scope in [Some(OWNER), None] {
            self.tally.thawed +=
                u64::from(at_once(self.world.memory.thaw(scope, now)).is_ok_and(|over| over.is_some()));
        }
        for (_, until) in &mut self.ledger.freezes {
            *until = now.min(*until);
        }
    }

    fn delete(&mut self) {
        let triggers = self.triggers();
        if triggers.is_empty() {
            return;
        }
        let id = self.chance.pick(&triggers).trigger.id;
        let now = self.world.now();
        assert!(at_once(self.world.memory.delete_trigger(OWNER, id, now)).expect("the model answers"));
        self.ledger.triggers.remove(&id);
        self.ledger.records.remove(&id);
    }

    fn fire(&mut self) {
        let before = self.triggers();
        if before.is_empty() {
            return;
        }
        let now = self.tell_apart();
        let api: Vec<Armed> =
            before.iter().filter(|armed| armed.trigger.definition.kind() == Kind::Api).cloned().collect();
        let of = if api.is_empty() || self.chance.once_in(3) { &before } else { &api };
        let id: TriggerId = self.chance.pick(of).trigger.id;
        let origin = self.chance.pick(&[Origin::Api, Origin::Api, Origin::Test]);
        let call = Call { origin, payload: None, checked: None, message_id: self.world.ids.message(now) };
        let fired = at_once(self.world.memory.fire(OWNER, id, call, now)).expect("the model answers");
        assert!(origin == Origin::Api || matches!(fired, Fired::Event(_)), "anything may be tried out: {fired:?}");
        promises::a_call_moves_no_cursor(&before, &self.triggers());
    }

    fn try_out(&mut self) {
        let before = self.triggers();
        let now = self.tell_apart();
        let (definition, message_id) = (self.definition(), self.world.ids.message(now));
        let tried = at_once(self.world.memory.fire_unkept(OWNER, definition.into(), message_id, now));
        tried.expect("the model answers").expect("they are there");
        promises::a_call_moves_no_cursor(&before, &self.triggers());
    }

    /// Moves on by a moment, so that no two calls of one trigger have one instant.
    fn tell_apart(&mut self) -> Timestamp {
        let now = self.world.now() + SignedDuration::from_micros(1 + self.chance.below(1000));
        self.move_to(now);
        now
    }

    fn definition(&mut self) -> Definition {
        let now = self.world.now();
        let url = self.chance.pick(&[None, Some("https://one.example.com/"), Some("https://dead.example.com/hook")]);
        let expires_in = self.chance.pick(&[None, None, None, Some(3), Some(40)]);
        // Where it expires some time, a pause is over by itself before.
        let until = expires_in.map(|hours| now + SignedDuration::from_mins(20 * hours));
        Definition {
            name: Some("simulated".to_owned()),
            schedule: if self.chance.once_in(4) { None } else { Some(self.schedule(now)) },
            payload: self.chance.pick(&[None, Some("{\"n\":1}")]).map(|text| Payload::parse(text).expect("JSON")),
            payload_schema: None,
            webhook: url.map(|url| Webhook::parse(url, None).expect("an address")),
            destinations: self.some_destinations(),
            expects: None,
            // By when it is said, so that nothing else is drawn otherwise for it.
            overlap: match now.as_microsecond() / 7 % 6 {
                0 => Overlap::Skip,
                1 => Overlap::Queue,
                _ => Overlap::Allow,
            },
            is_test: self.chance.once_in(15),
            enabled: !self.chance.once_in(8),
            pause: Pause::new(None, until),
            expires_at: expires_in.map(|hours| now + SignedDuration::from_hours(hours)),
        }
        .as_of(now)
    }

    fn destinations(&self) -> Vec<Destination> {
        at_once(self.world.memory.destinations(OWNER, None, 100)).expect("the model answers")
    }

    fn some_destinations(&mut self) -> Vec<DestinationId> {
        let mut ids: Vec<DestinationId> = self.destinations().iter().map(|destination| destination.id).collect();
        ids.retain(|_| self.chance.once_in(3));
        if self.chance.once_in(2) {
            ids.reverse();
        }
        self.tally.several += u64::from(ids.len() > 1);
        ids
    }

    /// One is made, paused, resumed, edited, or deleted if no trigger names it.
    fn tend_a_destination(&mut self) {
        self.see_what_is_new();
        self.check_sent();
        let all = self.destinations();
        let now = self.world.now();
        if all.len() < promises::DESTINATIONS_SIMULATED as usize && (all.is_empty() || self.chance.once_in(2)) {
            return self.make_a_destination(now);
        }
        let Destination { id, standing, revision, .. } = self.chance.pick(&all);
        let memory = &self.world.memory;
        self.tally.suspended += u64::from(matches!(standing, Standing::Suspended { .. }));
        match (self.chance.below(6), standing) {
            (0, _) => {
                let deleted = at_once(memory.delete_destination(OWNER, id, now)).expect("the model answers");
                self.tally.gone += u64::from(deleted == Deleted::Done);
            }
            (1, _) => {
                let said = all.iter().find(|one| one.id == id).expect("it was picked from them").definition.clone();
                let edited = at_once(memory.edit_destination(OWNER, id, revision, Arc::unwrap_or_clone(said)));
                assert_eq!(edited, Ok(Edited::Done));
            }
            (_, Standing::Active) => {
                let paused = Standing::Paused { since: now };
                assert_eq!(at_once(memory.set_standing(OWNER, id, paused, now)), Ok(true));
            }
            (_, Standing::Paused { .. } | Standing::Suspended { .. }) => {
                assert_eq!(at_once(memory.set_standing(OWNER, id, Standing::Active, now)), Ok(true));
                self.tally.resumed += 1;
            }
        }
    }

    /// Something is sent again, or given up.
    fn change_ones_mind(&mut self) {
        self.see_what_is_new();
        self.check_sent();
        let (world, ledger, chance, tally) = (&self.world, &mut self.ledger, &mut self.chance, &mut self.tally);
        match chance.below(4) {
            0 | 1 => redelivery::send_again(world, ledger, chance, tally),
            2 => redelivery::send_all_failed_again(world, ledger, chance, tally),
            _ => redelivery::cancel(world, ledger, chance, tally),
        }
    }

    fn make_a_destination(&mut self, now: Timestamp) {
        let taken: Vec<String> =
            self.destinations().iter().map(|destination| destination.definition.name.clone()).collect();
        self.made += 1;
        let fresh = format!("host{}.example.org", self.made);
        // A delivery is told from the others of its event by who is called.
        let hosts = ["dead.example.org", LEAVING_HOST, &fresh];
        let host = self.chance.pick(&hosts);
        let host = if taken.iter().any(|name| name == host) { &fresh } else { host };
        let mut said = serde_json::json!({"name": host, "kind": "webhook", "url": format!("https://{host}/")});
        said["in_order"] = self.chance.once_in(3).into();
        let others = self.destinations();
        if !others.is_empty() {
            let (told, after) = (self.chance.pick(&others).id, 1 + self.chance.below(4));
            said["alert"] = serde_json::json!({"destination": told.0, "after": after});
        }
        // Only where nobody else ever has that host, and what went to them would count.
        if *host == *fresh && self.chance.once_in(2) {
            let (count, burst) = self.chance.pick(&[(2, 1), (1, 1), (3, 3)]);
            said["rate"] = serde_json::json!({"count": count, "per": "1m", "burst": burst});
        }
        let definition = destination::Definition::read(&said, None).expect("a definition");
        self.ledger.begun.extend(definition.rate.map(|rate| (host.to_owned(), (rate, Vec::new()))));
        let made = at_once(self.world.memory.create_destination(OWNER, definition, now));
        made.expect("the model answers").expect("there is room");
    }

    fn schedule(&mut self, now: Timestamp) -> ScheduleDetails {
        let zone = self.chance.pick(&["UTC", "Europe/Riga", "America/New_York", "Australia/Lord_Howe"]);
        let zone = self.zones.get(zone).expect("a zone");
        let ahead = SignedDuration::from_micros(1 + self.chance.below(20_000_000_000));
        let schedule = match self.chance.below(4) {
            0 => Schedule::Once { at: now + ahead },
            1 => {
                let first = self.chance.pick(&[FirstFiring::AtAnchor, FirstFiring::OnePeriodLater]);
                let anchor = if first == FirstFiring::AtAnchor { now + ahead } else { now };
                let period = Period::parse(self.chance.pick(&["17m", "1h 30m", "6h"])).expect("a period");
                Schedule::Every { period, anchor, first }
            }
            _ => {
                let lines = [
                    "30 2 * * *",
                    "0 9 * * MON-FRI",
                    "15 * * * *",
                    "*/40 * * * *",
                    "5 1-3 * * *",
                    "@daily",
                    "FREQ=DAILY;BYHOUR=1,2,3",
                    "FREQ=HOURLY;INTERVAL=5;COUNT=9",
                    TWO_LINES,
                ];
                let line = self.chance.pick(&lines);
                self.on_the_wall(line, zone, now)
            }
        };
        if self.chance.below(3) > 0 {
            return ScheduleDetails::plain(schedule, None);
        }
        let is_once = matches!(schedule, Schedule::Once { .. });
        let terms = if is_once {
            Terms { delete_when_done: true, misfire: self.misfire(), ..Terms::default() }
        } else {
            self.terms(now)
        };
        let details = ScheduleDetails::new(schedule, None, terms, self.zones.get("Europe/Riga").expect("a zone"));
        details.with_share(Some(self.world.ids.share()))
    }

    fn on_the_wall(&self, line: &str, zone: Zone, now: Timestamp) -> Schedule {
        let cron = |line: &str, zone| Schedule::Cron { expression: CronExpression::parse(line).expect("a line"), zone };
        if line == TWO_LINES {
            let night = Member { schedule: cron("30 2 * * *", zone), timezone: None };
            let half_hours = Member { schedule: cron("*/30 * * * *", Zones::utc()), timezone: Some(Zones::utc()) };
            return Schedule::AnyOf(AnyOf::kept(vec![night, half_hours]));
        }
        if !line.starts_with("FREQ") {
            return cron(line, zone);
        }
        let text = RecurrenceText::read(line, &self.zones).expect("a rule");
        let today = zone.time_zone().to_datetime(now).date();
        let start = Start { wall: today.at(1, 30, 0, 0), is_told: true };
        Schedule::Recurrence(Arc::new(Recurrence::new(text, start, zone)))
    }

    fn terms(&mut self, now: Timestamp) -> Terms {
        let ahead = |hours: i64| now + SignedDuration::from_hours(hours);
        let starts_at = self.chance.pick(&[None, Some(-4), Some(9)]).map(ahead);
        let ends_at = self.chance.pick(&[None, Some(20), Some(60)]).map(ahead);
        let today = Zones::utc().time_zone().to_datetime(now).date();
        let delete_when_done = self.chance.once_in(4);
        let dates = today.series(jiff::Span::new().days(2)).take(self.chance.pick(&[0, 1, 2]));
        Terms {
            bounds: bounds::Bounds::new(starts_at, ends_at).expect("the end is later"),
            excluded: ExcludedDates::new(dates).expect("few dates"),
            calendars: self.keeper.observed(&self.world),
            gap: self.chance.pick(&[None, Some(Gap::LeftOut)]),
            jitter: self
                .chance
                .pick(&[None, Some("90s"), Some("1h")])
                .map(|text| Jitter::parse(text).expect("a window")),
            fold: self.chance.pick(&[None, Some(Fold::BothPasses)]),
            max_fires: self.chance.pick(&[None, None, Some(2), Some(5)]).and_then(MaxFires::new),
            delete_when_done,
            // One that is to go does not wait for what it missed.
            misfire: if delete_when_done { self.misfire() } else { self.any_misfire() },
        }
    }

    fn misfire(&mut self) -> Option<Misfire> {
        self.chance.pick(&[None, Some(Misfire::Skip)])
    }

    fn any_misfire(&mut self) -> Option<Misfire> {
        let at_most = self.chance.pick(&[1, 3, 50]);
        let age = Period::parse(self.chance.pick(&["2h", "30h"])).expect("a period");
        let bounds = Bounds::new(Some(at_most), Some(age), self.chance.once_in(4)).expect("few");
        self.chance.pick(&[None, Some(Misfire::Skip), Some(Misfire::All(Box::new(bounds)))])
    }

    /// The store answers and receivers listen from now on: everything owed comes to its end.
    pub(super) fn heal(mut self) -> Tally {
        self.world.faults.calm_down();
        self.world.network.heal();
        self.start();
        assert!(self.look(), "with a store that answers the scheduler comes to rest");
        self.see_what_is_new();
        self.tell_apart();
        self.thaw();
        at_once(self.world.memory.release_backlogs(OWNER, None, self.world.now())).expect("the model answers");
        for _ in 0..100 {
            if self.world.drain() {
                break;
            }
            self.deliver();
        }
        self.see_what_is_new();
        for round in 0.. {
            assert!(round < 5000, "promise 5: what is owed comes to no end");
            self.deliver();
            match at_once(self.world.memory.next_owed()).expect("the model answers") {
                // What was read of a destination is believed for a second: time passes between two looks.
                Some(next) => self.world.clock.set(next.max(self.world.now() + SignedDuration::from_secs(1))),
                None => break,
            }
        }
        self.check_sent();
        self.check_attempts();
        self.tally.delivered = promises::everything_owed_has_ended(&self.world);
        self.tally.tried_again = redelivery::what_was_sent_again_was_tried_again(&self.world, &self.ledger);
        self.tally.ended = promises::an_end_is_told_once(&self.world);
        self.tally.failed = self.ledger.failed.len() as u64;
        self.tally.parked = self.ledger.parked.len() as u64;
        promises::events_live_exactly_as_long_as_they_should(&self.world, &self.ledger);
        self.tally.waited = self.world.waited;
        (self.tally.refused, self.tally.lost) = self.world.faults.struck();
        self.tally
    }
}
