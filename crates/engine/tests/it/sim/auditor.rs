//! The auditor among triggers whose cursors are taken away, moved and put where they do not belong: what it owes is that all of them
//! wait for the right occurrence again within a round, and that every occurrence is accounted for exactly once however late that was
//! noticed. That it finds nothing where nobody breaks anything is asked after every look of the runs by seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::audit::pace::{PAUSE, Pace, ROUND_EVERY};
use oncue_domain::audit::{ACCOUNT_MAX, Cursor, Defect, Few, Finding, Inspected, Repair, Round};
use oncue_domain::event::Retention;
use oncue_domain::id::TriggerId;
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::plan::Plan;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{NewTrigger, Planned, Store};
use oncue_domain::trigger::{Definition, ScheduleDetails, Terms, just_before};
use oncue_engine::auditor::{Auditor, Errand, LastRound, Looked};

use super::chance::Chance;
use super::promises::events_after;
use super::world::{OWNER, World, at_once};

const START: &str = "2027-03-14T05:30:00Z";

/// A world and who audits it.
struct Stage {
    world: World,
    auditor: Auditor,
    last: LastRound,
    /// When the next slice is due.
    slice_at: Timestamp,
    /// When the round under way began, and its pace.
    round: Option<(Timestamp, Pace)>,
    found: Vec<Finding>,
}

impl Stage {
    fn new(seed: u64) -> Stage {
        let start: Timestamp = START.parse().expect("an instant");
        let mut world = World::new(seed, &mut Chance::new(seed), start);
        world.faults.calm_down();
        world.start();
        let auditor = Auditor::new(world.faults.clone(), world.clock.clone(), Retention::STANDARD, Errand::Watch);
        let last = auditor.last_round();
        Stage { world, auditor, last, slice_at: start + PAUSE, round: None, found: Vec::new() }
    }

    fn make(&self, schedule: Schedule, expires_at: Option<Timestamp>) -> TriggerId {
        self.make_of(ScheduleDetails::plain(schedule, None), expires_at)
    }

    fn make_of(&self, schedule: ScheduleDetails, expires_at: Option<Timestamp>) -> TriggerId {
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
            expires_at,
        };
        let now = self.world.now();
        let new = NewTrigger { owner: OWNER, next_at: definition.next_after(now), definition, test_event: None };
        let made = at_once(self.world.memory.create_trigger(new, now)).expect("the model answers");
        made.expect("it names no destination").trigger.id
    }

    fn inspected(&self) -> Vec<Inspected> {
        at_once(self.world.memory.inspect(None, 100_000)).expect("the model answers").triggers
    }

    /// What no method but a repair does: the trigger waits for that from now on, right or not.
    fn misarm(&self, id: TriggerId, next_at: Option<Timestamp>) {
        let all = self.inspected();
        let Inspected { trigger, cursor, .. } = all.iter().find(|one| one.trigger.id == id).expect("it is there");
        let (owner, revision) = (trigger.owner, trigger.revision);
        let (defect, found_at) = (Defect::Astray, self.world.now());
        let broken = Repair { owner, trigger: id, revision, seen: *cursor, next_at, defect, found_at };
        assert!(at_once(self.world.memory.rearm(broken)).expect("the model answers"));
    }

    /// Time passes, second by second: the scheduler looks at every one, the auditor when its slice is due.
    fn live_for(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.world.clock.advance(SignedDuration::from_secs(1));
            assert!(self.world.tick_until_idle(), "the store answers");
            if self.world.now() >= self.slice_at {
                self.slice();
                // What was armed for an instant that has passed is the scheduler's at once.
                assert!(self.world.tick_until_idle(), "the store answers");
            }
        }
    }

    fn slice(&mut self) {
        let now = self.world.now();
        let (began, pace) = self.round.get_or_insert((now, Pace::default()));
        let Looked { findings, is_over, .. } = at_once(self.auditor.tick()).expect("the store answers");
        self.found.extend(findings);
        // The clock stands still while anybody is at work here.
        pace.note(Duration::ZERO);
        let lasted = now.duration_since(*began).unsigned_abs();
        self.slice_at = now + if is_over { pace.rest_after(lasted) } else { pace.rest(lasted) };
        if is_over {
            self.round = None;
        }
    }

    /// Every trigger waits for the first occurrence that nothing accounts for, and that lies ahead.
    fn assert_all_is_well(&self) {
        let now = self.world.now();
        for Inspected { trigger, cursor, .. } in self.inspected() {
            let expected = trigger.definition.next_after(now);
            assert_eq!(cursor.map(|cursor| cursor.next_at), expected, "{} at {now}", trigger.id);
        }
    }

    /// Every occurrence from its making until now is an event or in a record, once.
    fn assert_each_is_accounted_for_once(&self, since: Timestamp) -> (usize, usize) {
        let (mut fired, mut skipped) = (0, 0);
        let mut events: BTreeMap<(TriggerId, Timestamp), u32> = BTreeMap::new();
        for event in events_after(&self.world, Timestamp::MIN) {
            *events.entry((event.trigger, event.scheduled_at.expect("a schedule made it"))).or_default() += 1;
        }
        for Inspected { trigger, .. } in self.inspected() {
            let records = at_once(self.world.memory.skipped(OWNER, trigger.id, 100_000)).expect("records");
            let mut after = since;
            let schedule = trigger.definition.schedule.as_ref().expect("it is scheduled");
            while let Some(due) = schedule.next_after(after).filter(|due| *due <= self.world.now()) {
                after = due;
                if !trigger.definition.lives_at(due) {
                    break;
                }
                let has_fired = events.remove(&(trigger.id, due)).unwrap_or(0) as usize;
                let in_records =
                    |view: &&oncue_domain::store::SkippedView| view.skipped.first <= due && due <= view.skipped.last;
                let recorded = records.iter().filter(in_records).count();
                assert_eq!(has_fired + recorded, 1, "{} at {due}: {has_fired} events, {recorded} records", trigger.id);
                fired += has_fired;
                skipped += recorded;
            }
        }
        assert!(events.is_empty(), "these are of no schedule: {events:?}");
        (fired, skipped)
    }
}

fn every(seconds: u64, anchor: Timestamp) -> Schedule {
    let period = Period::from_seconds(seconds).expect("a period");
    Schedule::Every { period, anchor, first: FirstFiring::OnePeriodLater }
}

fn cron(line: &str, zone: &str) -> Schedule {
    let zone = Zones::bundled().get(zone).expect("a zone");
    Schedule::Cron { expression: CronExpression::parse(line).expect("a line"), zone }
}

/// A fleet of `count`, of every sort.
fn fleet(stage: &Stage, chance: &mut Chance, count: u64) -> Vec<TriggerId> {
    let now = stage.world.now();
    (0..count)
        .map(|_| {
            let ahead = SignedDuration::from_secs(1 + chance.below(5_000));
            let expires_at = chance.once_in(5).then(|| now + SignedDuration::from_secs(600 + chance.below(5_000)));
            let schedule = match chance.below(5) {
                0 => Schedule::Once { at: now + ahead },
                1 => every(7 + u64::try_from(chance.below(90)).expect("positive"), now),
                2 => every(600, now),
                3 => cron("*/2 * * * *", "America/New_York"),
                _ => cron("30 9 * * MON-FRI", "Europe/Riga"),
            };
            stage.make(schedule, expires_at)
        })
        .collect()
}

#[test]
fn whatever_is_taken_away_or_moved_is_right_again_within_a_round_and_nothing_is_lost_or_twice() {
    for seed in 0..20 {
        let _replay = super::Replay(seed);
        let (mut stage, mut chance) = (Stage::new(seed), Chance::new(seed));
        let since = stage.world.now();
        let ids = fleet(&stage, &mut chance, 40);
        let mut broken = 0;
        for _ in 0..30 {
            for _ in 0..chance.below(12) {
                let id = chance.pick(&ids);
                let all = stage.inspected();
                let inspected = all.iter().find(|one| one.trigger.id == id).expect("it is there");
                let waits_for = inspected.cursor.map(|Cursor { next_at, .. }| next_at);
                let definition = &inspected.trigger.definition;
                // What is due before the auditor comes, the scheduler takes as it stands.
                let is_far = |next: Timestamp| next.duration_since(stage.world.now()) > SignedDuration::from_secs(62);
                let moved = waits_for.and_then(|next| match chance.below(4) {
                    // An instant that no schedule here names, or one occurrence too far.
                    0 if is_far(next) => Some(next + SignedDuration::from_micros(1)),
                    1 if is_far(next) => definition.next_after(next),
                    _ => None,
                });
                if moved != waits_for {
                    stage.misarm(id, moved);
                    broken += 1;
                }
            }
            stage.live_for(10 + chance.below(100));
        }
        // The stated time: a round begins every minute, and one over so few takes a moment.
        stage.live_for(61);
        stage.assert_all_is_well();
        let (fired, skipped) = stage.assert_each_is_accounted_for_once(since);
        assert!(fired > 200, "seed {seed}: {fired} fired");
        assert_eq!(skipped, 0, "seed {seed}: somebody ran all the time");
        assert!(
            stage.found.len() > 20 && stage.found.len() <= broken,
            "seed {seed}: {} of {broken}",
            stage.found.len()
        );
        for defect in [Defect::Disarmed, Defect::Astray] {
            assert!(stage.found.iter().any(|finding| finding.defect == defect), "seed {seed}: {defect:?}");
        }
    }
}

#[test]
fn a_fleet_that_takes_many_slices_is_right_again_after_one_round() {
    let mut stage = Stage::new(1);
    let start = stage.world.now();
    let ids: Vec<TriggerId> = (0..3_500).map(|_| stage.make(every(3_600, start), None)).collect();
    for id in ids.iter().step_by(7) {
        stage.misarm(*id, None);
    }
    stage.live_for(10);
    stage.assert_all_is_well();
    let Round { triggers, found, repaired, began_at, ended_at } = stage.last.get().expect("a round is over");
    assert_eq!((triggers, found.of(Defect::Disarmed), found.sum(), repaired), (3_500, 500, 500, 500));
    assert_eq!(ended_at.duration_since(began_at), SignedDuration::from_secs(3), "four slices, a second apart");
    stage.live_for(60);
    let clean = stage.last.get().expect("a round is over");
    assert_eq!((clean.triggers, clean.found.sum(), clean.began_at), (3_500, 0, began_at + ROUND_EVERY));
}

#[test]
fn what_was_lost_before_an_absence_is_caught_up_as_if_it_had_been_armed() {
    let mut stage = Stage::new(2);
    let since = stage.world.now();
    let minutely = stage.make(every(60, since), None);
    let single = stage.make(Schedule::Once { at: since + SignedDuration::from_hours(10) }, None);
    let old = stage.make(Schedule::Once { at: since + SignedDuration::from_secs(400) }, None);
    stage.live_for(120);
    for id in [minutely, single, old] {
        stage.misarm(id, None);
    }
    stage.world.crash();
    // The second single one is more than a day late when somebody is back.
    stage.world.clock.set(since + SignedDuration::from_hours(26));
    stage.world.start();
    stage.slice_at = stage.world.now() + PAUSE;
    stage.live_for(62);
    stage.assert_all_is_well();
    let (fired, skipped) = stage.assert_each_is_accounted_for_once(since);
    // Two before, the latest of the absence, the one at the return and one since; and the single one that is not too late.
    assert_eq!((fired, skipped), (5 + 1, 26 * 60 - 4 + 1));
    let records = at_once(stage.world.memory.skipped(OWNER, old, 10)).expect("records");
    assert_eq!(records.len(), 1, "{records:?}");
}

#[test]
fn what_is_paused_or_over_is_disarmed_again() {
    let mut stage = Stage::new(3);
    let now = stage.world.now();
    let id = stage.make(every(60, now), None);
    let armed = at_once(stage.world.memory.trigger(OWNER, id)).expect("the model answers").expect("it is there");
    let paused = Definition { enabled: false, ..armed.trigger.definition.clone() };
    let edit = armed.trigger.edit(paused, armed.next_at, now);
    at_once(stage.world.memory.edit_trigger(edit, armed.next_at, now)).expect("the model answers");
    stage.misarm(id, Some(now + SignedDuration::from_mins(30)));
    stage.live_for(90);
    let [Finding { defect, .. }] = stage.found[..] else { panic!("{:?}", stage.found) };
    assert_eq!(defect, Defect::Needless);
    assert_eq!(stage.inspected()[0].cursor, None);
    assert_eq!(events_after(&stage.world, just_before(now)).len(), 0);
}

#[test]
fn what_was_lost_before_an_edit_is_told_of_by_what_the_trigger_said_then() {
    let mut stage = Stage::new(6);
    let start = stage.world.now();
    let id = stage.make(every(600, start), None);
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    // Nobody looks after it meanwhile.
    stage.slice_at = at(100_000);
    stage.live_for(1_801);
    stage.misarm(id, Some(at(9_000)));
    stage.live_for(1_799);
    let armed = at_once(stage.world.memory.trigger(OWNER, id)).expect("the model answers").expect("it is there");
    let now = stage.world.now();
    let other = Some(ScheduleDetails::plain(every(420, now), None));
    let edit = armed.edit(Definition { schedule: other, ..armed.trigger.definition.clone() }, now);
    at_once(stage.world.memory.edit_trigger(edit, armed.next_at, now)).expect("the model answers");
    stage.live_for(900);
    let lost = Some(Few { first: at(2_400), count: 3 });
    for errand in [Errand::Look, Errand::Watch] {
        let (store, clock) = (stage.world.faults.clone(), stage.world.clock.clone());
        let mut auditor = Auditor::new(store, clock, Retention::STANDARD, errand);
        let Looked { findings, .. } = at_once(auditor.tick()).expect("the store answers");
        let told: Vec<_> = findings.iter().map(|found| (found.trigger, found.defect, found.about)).collect();
        assert_eq!(told, [(id, Defect::Missing, lost)], "{errand:?}");
    }
}

/// Whoever puts a cursor where it does not belong shortly before it is due gets an event there; what the ledger is left with is told.
#[test]
fn a_ledger_that_is_wrong_is_told_of_once_and_left_as_it_is() {
    let mut stage = Stage::new(5);
    let start = stage.world.now();
    let [passed_over, stray, sound] = [(); 3].map(|()| stage.make(every(600, start), None));
    stage.live_for(601);
    stage.found.clear();
    stage.live_for(595);
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    stage.misarm(passed_over, Some(at(1_800)));
    stage.misarm(stray, Some(at(1_199)));
    stage.live_for(400);
    let told: Vec<_> = stage.found.iter().map(|found| (found.trigger, found.defect, found.about)).collect();
    let one = |seconds: i64| Some(Few { first: at(seconds), count: 1 });
    assert_eq!(told, [(passed_over, Defect::Missing, one(1_200)), (stray, Defect::Unnamed, one(1_199))]);
    let (store, clock) = (Arc::clone(&stage.world.memory), stage.world.clock.clone());
    let mut visitor = Auditor::new(store, clock, Retention::STANDARD, Errand::Look);
    let again = at_once(visitor.tick()).expect("the store answers");
    assert_eq!(again.findings, stage.found, "whoever looks at everything finds the same; {sound} has none");
}

#[test]
fn who_fires_while_nothing_is_named_is_found_by_whoever_goes_round() {
    let mut stage = Stage::new(7);
    let start = stage.world.now();
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let once = stage.make(Schedule::Once { at: at(100_000) }, None);
    let daily = stage.make(cron("30 9 * * MON-FRI", "Europe/Riga"), None);
    let silent = stage.make(every(86_400, start), None);
    let edited = stage.make(every(86_400, start), None);
    stage.live_for(130);
    // Nothing of theirs is due for hours; whoever puts a cursor where it does not belong gets an event there before the next round.
    for (id, second) in [(once, 135), (daily, 137), (daily, 139), (edited, 140)] {
        stage.misarm(id, Some(at(second)));
        stage.live_for(second - stage.world.now().duration_since(start).as_secs());
    }
    // What was said until then answers for it as well.
    let armed = at_once(stage.world.memory.trigger(OWNER, edited)).expect("the model answers").expect("it is there");
    let now = stage.world.now();
    let other = Some(ScheduleDetails::plain(every(70_000, now), None));
    let edit = armed.edit(Definition { schedule: other, ..armed.trigger.definition.clone() }, now);
    at_once(stage.world.memory.edit_trigger(edit, armed.next_at, now)).expect("the model answers");
    stage.found.clear();
    stage.live_for(100);
    let told: Vec<_> = stage.found.iter().map(|found| (found.trigger, found.defect, found.about)).collect();
    let few = |second: i64, count: u64| Some(Few { first: at(second), count });
    let expected = [
        (once, Defect::Unnamed, few(135, 1)),
        (daily, Defect::Unnamed, few(137, 2)),
        (edited, Defect::Unnamed, few(140, 1)),
    ];
    assert_eq!(told, expected, "{silent} has none");
}

#[test]
fn what_was_late_when_its_turn_came_is_compared_by_the_next_round() {
    let mut stage = Stage::new(9);
    let start = stage.world.now();
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let late = stage.make(every(60, start), None);
    stage.live_for(130);
    // Nobody fires meanwhile, and a round finds that the trigger waits for what has long been due.
    stage.world.clock.set(at(200));
    stage.slice();
    assert_eq!(stage.last.get().map(|round| round.began_at), Some(at(200)));
    assert_eq!(stage.found, []);
    // It is let go, with the one after it.
    stage.misarm(late, Some(at(300)));
    stage.live_for(100);
    let told: Vec<_> = stage.found.iter().map(|found| (found.trigger, found.defect, found.about)).collect();
    assert_eq!(told, [(late, Defect::Missing, Some(Few { first: at(180), count: 2 }))]);
    stage.live_for(200);
    assert_eq!(stage.found.len(), 1, "it is told of once");
}

#[test]
fn what_falls_due_later_by_its_jitter_than_a_round_lasts_is_compared_as_well() {
    let mut stage = Stage::new(11);
    let start = stage.world.now();
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let terms = Terms { jitter: Some(Jitter::parse("10m").expect("a window")), ..Terms::default() };
    let spread = ScheduleDetails::new(every(600, start), None, terms, Zones::utc());
    let id = stage.make_of(spread.with_share(Some(Share::new(1 << 31))), None);
    stage.live_for(880);
    assert_eq!(stage.found, []);
    // What is named for second 600 falls due at 900, and what comes after it at 1500.
    let waits_for = stage.inspected()[0].cursor.map(|cursor| cursor.next_at).expect("it is armed");
    assert!(waits_for > at(890) && waits_for <= at(900), "{waits_for}");
    stage.misarm(id, Some(waits_for + SignedDuration::from_secs(600)));
    stage.live_for(200);
    let told: Vec<_> = stage.found.iter().map(|found| (found.trigger, found.defect, found.about)).collect();
    assert_eq!(told, [(id, Defect::Missing, Some(Few { first: at(600), count: 1 }))]);
}

#[test]
fn what_fired_before_a_trigger_was_put_right_is_compared_by_the_next_round() {
    let mut stage = Stage::new(10);
    let start = stage.world.now();
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let id = stage.make(every(60, start), None);
    stage.live_for(130);
    stage.misarm(id, Some(at(135)));
    stage.live_for(10);
    stage.misarm(id, None);
    stage.live_for(60);
    let told = |stage: &Stage| -> Vec<(Defect, Option<Few>)> {
        stage.found.iter().map(|found| (found.defect, found.about)).collect()
    };
    assert_eq!(told(&stage), [(Defect::Disarmed, None)]);
    stage.live_for(180);
    let stray = Some(Few { first: at(135), count: 1 });
    assert_eq!(told(&stage), [(Defect::Disarmed, None), (Defect::Unnamed, stray)], "once");
}

#[test]
fn whoever_goes_round_sees_what_lies_among_thousands_of_records() {
    let mut stage = Stage::new(8);
    let start = stage.world.now();
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let id = stage.make(every(1, start), None);
    stage.slice();
    // A record for each second but two, and nobody looks meanwhile.
    let count = i64::try_from(ACCOUNT_MAX).expect("small") + 2_000;
    let record = |second: i64| Skipped { reason: Reason::Missed, first: at(second), last: at(second), count: 1 };
    let skipped = (1..=count).filter(|second| ![100, count - 100].contains(second)).map(record).collect();
    let armed = at_once(stage.world.memory.trigger(OWNER, id)).expect("the model answers").expect("it is there");
    let plan = Plan { skipped, next_at: Some(at(count + 1)), ..Plan::default() };
    let planned = Planned { trigger: Arc::new(armed.trigger), armed: at(1), plan, message_ids: Vec::new(), edition: 0 };
    stage.world.clock.set(at(count));
    let committed = at_once(stage.world.memory.commit_plans(vec![planned], at(count))).expect("the model answers");
    assert_eq!(committed.plans, 1);
    stage.world.clock.set(at(count + 60));
    stage.slice();
    let told: Vec<_> = stage.found.iter().map(|found| (found.trigger, found.defect, found.about)).collect();
    assert_eq!(told, [(id, Defect::Missing, Some(Few { first: at(100), count: 2 }))]);
}

#[test]
fn what_is_recorded_twice_is_told_of() {
    let mut stage = Stage::new(6);
    let start = stage.world.now();
    let id = stage.make(every(60, start), None);
    stage.live_for(120);
    stage.world.crash();
    stage.world.clock.advance(SignedDuration::from_hours(1));
    stage.world.start();
    stage.live_for(30);
    // The absence is still remembered, so what it recorded it records again.
    stage.misarm(id, Some(start + SignedDuration::from_secs(600)));
    stage.live_for(1);
    let (store, clock) = (Arc::clone(&stage.world.memory), stage.world.clock.clone());
    stage.world.clock.advance(SignedDuration::from_secs(20));
    let mut visitor = Auditor::new(store, clock, Retention::STANDARD, Errand::Look);
    let looked = at_once(visitor.tick()).expect("the store answers");
    let [Finding { defect, about: Some(about), .. }] = looked.findings[..] else { panic!("{looked:?}") };
    assert_eq!((defect, about.first), (Defect::Doubled, start + SignedDuration::from_secs(600)));
    assert!(about.count > 40, "{about:?}");
}

#[test]
fn who_only_looks_tells_what_stands_and_changes_nothing() {
    let mut stage = Stage::new(4);
    let start = stage.world.now();
    let ids: Vec<TriggerId> = (0..5).map(|_| stage.make(every(60, start), None)).collect();
    stage.misarm(ids[3], None);
    let (store, clock) = (Arc::clone(&stage.world.memory), stage.world.clock.clone());
    let mut visitor = Auditor::new(store, clock, Retention::STANDARD, Errand::Look);
    for _ in 0..2 {
        let looked = at_once(visitor.tick()).expect("the store answers");
        let [finding] = looked.findings[..] else { panic!("{looked:?}") };
        assert_eq!((finding.trigger, finding.defect), (ids[3], Defect::Disarmed));
        assert_eq!((looked.round.triggers, looked.round.repaired, looked.is_over), (5, 0, true));
    }
    stage.live_for(5);
    stage.assert_all_is_well();
}
