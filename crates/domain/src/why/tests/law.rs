//! Every occurrence that the schedule of the time names has exactly one disposition, whether it is asked for by itself or told with a
//! span; and the ledger that `plan` and edits make leaves none without one.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::backlog::PutOff;
use crate::freeze::{Frozen, pass_over};
use crate::misfire;
use crate::overlap::{Before, Overlap, Turn};
use crate::plan::{Plan, plan_behind};
use crate::schedule::any_of::{AnyOf, Member};

/// A trigger that lives through edits and absences, with the ledger that comes of it.
struct World {
    share: u32,
    /// Over how many minutes it is spread.
    window: Option<u64>,
    /// On which days nothing occurs, counted from the first on, and how often it fires at most.
    excluded: Vec<i64>,
    limit: Option<u64>,
    armed: Armed,
    former: Vec<Former>,
    made_at: Timestamp,
    ledger: Ledger,
    /// When what is on record fell due, by whom it was written down.
    due: HashMap<Timestamp, Timestamp>,
    absences: Vec<Absence>,
    freezes: Vec<Freeze>,
    /// Whether an event is under way, whether the trigger waits for its end, and since when it does not any more.
    is_under_way: bool,
    waits: bool,
    over_since: Option<Timestamp>,
    now: Timestamp,
}

#[derive(Clone, Debug)]
enum Step {
    Run(i64),
    Sleep(i64),
    Pause,
    PauseFor(i64),
    Resume,
    Rename,
    Expire(Option<i64>),
    Reschedule(usize),
    Misfire(Option<Misfire>),
    /// Over so many minutes.
    Spread(Option<u64>),
    /// On these days, counted from the first on.
    Exclude(Vec<i64>),
    Limit(Option<u64>),
    Test(bool),
    Drain(u64),
    Overlap(Overlap),
    /// What is under way ends.
    End,
    Freeze(Option<i64>),
    Thaw,
}

/// How many schedules there are.
const SCHEDULES: usize = 9;

fn schedule(number: usize, now: Timestamp) -> Schedule {
    let every = |period| {
        let period = Period::parse(period).expect("a period");
        Schedule::Every { period, anchor: now, first: FirstFiring::OnePeriodLater }
    };
    let rule = |text| {
        let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
        let zone = zone("Europe/Riga");
        let wall = zone.time_zone().to_datetime(now).date().at(1, 30, 0, 0);
        Schedule::Recurrence(Arc::new(Recurrence::new(text, Start { wall, is_told: true }, zone)))
    };
    let lines = ["0 */2 * * *", "30 1-5 * * *", "15,45 9 * * MON-FRI", "0 3 * * *"];
    match (number, lines.get(number)) {
        (_, Some(line)) => cron(line, "Europe/Riga"),
        (4, None) => every("47m"),
        (5, None) => rule("FREQ=DAILY;BYHOUR=2,3,9;BYMINUTE=30"),
        (6, None) => rule("FREQ=HOURLY;INTERVAL=3;COUNT=15"),
        (7, None) => rule("FREQ=WEEKLY;BYDAY=SA,SU,TU;BYHOUR=3,15;BYSETPOS=1,-2"),
        _ => {
            let members = [cron("30 3 * * *", "Europe/Riga"), cron("0 */3 * * *", "America/New_York"), every("5h")];
            let member = |schedule| Member { schedule, timezone: None };
            Schedule::AnyOf(AnyOf::kept(members.into_iter().map(member).collect()))
        }
    }
}

impl World {
    fn new(number: usize, share: u32, window: Option<u64>) -> World {
        // The clocks go back on the second day.
        let now = at("2026-10-24T10:00:00Z");
        let case = Case::of(Some(schedule(number, now)));
        let mut trigger = case.armed.trigger;
        (trigger.revision, trigger.created_at, trigger.standing_since) = (1, now, now);
        let armed = Armed { trigger, next_at: None, fired: 0 };
        let mut world = World {
            share,
            window,
            excluded: Vec::new(),
            limit: None,
            armed,
            former: Vec::new(),
            made_at: now,
            ledger: Ledger::default(),
            due: HashMap::new(),
            absences: Vec::new(),
            freezes: Vec::new(),
            is_under_way: false,
            waits: false,
            over_since: None,
            now,
        };
        let details = world.spread(schedule(number, now), None);
        let definition = &mut world.armed.trigger.definition;
        definition.schedule = Some(details);
        world.armed.next_at = definition.next_after(now);
        world
    }

    /// That pattern, spread as all of them are by now.
    fn spread(&self, pattern: Schedule, misfire: Option<Misfire>) -> ScheduleDetails {
        let minutes = |minutes: u64| Period::from_seconds(60 * minutes).expect("a period");
        let jitter = self.window.map(|window| Jitter::new(minutes(window)).expect("a window"));
        let first = jiff::civil::date(2026, 10, 24);
        let excluded = self.excluded.iter().map(|day| first.saturating_add(jiff::Span::new().days(*day)));
        let excluded = ExcludedDates::new(excluded).expect("few dates");
        let max_fires = self.limit.and_then(MaxFires::new);
        let terms = Terms { jitter, misfire, excluded, max_fires, ..Terms::default() };
        ScheduleDetails::new(pattern, None, terms, zone("Europe/Riga")).with_share(Some(Share::new(self.share)))
    }

    fn take(&mut self, step: &Step) {
        let mut definition = self.armed.trigger.definition.clone();
        match step {
            Step::Run(minutes) => return self.run(self.now + SignedDuration::from_mins(*minutes)),
            Step::Sleep(minutes) => {
                let back = self.now + SignedDuration::from_mins(*minutes);
                self.absences.push(Absence { from: self.now, to: back });
                return self.run(back);
            }
            Step::Pause => definition = definition.switched(false),
            Step::PauseFor(minutes) => {
                let until = self.now + SignedDuration::from_mins(*minutes);
                definition = Definition { pause: Pause::new(None, Some(until)), ..definition.switched(false) };
            }
            Step::Resume => definition = definition.switched(true),
            Step::Rename => definition.name = Some(format!("revision {}", self.armed.trigger.revision)),
            Step::Expire(minutes) => {
                definition.expires_at = minutes.map(|minutes| self.now + SignedDuration::from_mins(minutes));
            }
            Step::Reschedule(number) => {
                definition.schedule = Some(self.spread(schedule(*number, self.now), None));
            }
            Step::Misfire(misfire) => {
                let pattern = definition.schedule.as_ref().map(|details| details.pattern().clone());
                definition.schedule = pattern.map(|pattern| self.spread(pattern, misfire.clone()));
            }
            Step::Spread(window) => {
                self.window = *window;
                let details = definition.schedule.take().expect("it has one");
                definition.schedule = Some(self.spread(details.pattern().clone(), details.terms().misfire));
            }
            Step::Exclude(days) => {
                self.excluded.clone_from(days);
                let details = definition.schedule.take().expect("it has one");
                definition.schedule = Some(self.spread(details.pattern().clone(), details.terms().misfire));
            }
            Step::Limit(limit) => {
                self.limit = *limit;
                let details = definition.schedule.take().expect("it has one");
                definition.schedule = Some(self.spread(details.pattern().clone(), details.terms().misfire));
            }
            Step::Test(is_test) => definition.is_test = *is_test,
            Step::Drain(most) => return self.drain(*most),
            Step::Overlap(overlap) => definition.overlap = *overlap,
            Step::End => {
                self.is_under_way = false;
                self.over_since = if self.waits { Some(self.now) } else { self.over_since };
                self.waits = false;
                return;
            }
            Step::Freeze(minutes) => {
                let until = minutes.map(|minutes| self.now + SignedDuration::from_mins(minutes));
                return self.freeze(until);
            }
            Step::Thaw => return self.thaw(),
        }
        self.edit(definition);
    }

    fn plan(&self, until: Timestamp) -> Plan {
        let before = match self.over_since {
            _ if self.is_under_way => Before::UnderWay,
            Some(ended_at) => Before::OverSince(ended_at),
            None => Before::Over,
        };
        plan_behind(&self.armed, until, &self.absences, before).expect("it waits for something")
    }

    fn run(&mut self, until: Timestamp) {
        self.now = until;
        while self.armed.next_at.is_some_and(|due| due <= until) && !self.waits {
            let plan = match pass_over(&self.armed, until, &self.freezes) {
                Some(plan) => plan,
                None => self.plan(until),
            };
            if plan.turn == Turn::Waits {
                self.waits = true;
                return;
            }
            let put_off = plan.put_off.iter().map(|put_off| (put_off.first, put_off.last));
            let skipped = plan.all_skipped().map(|skipped| (skipped.first, skipped.last));
            let written: Vec<(Timestamp, Timestamp)> = put_off.chain(skipped).collect();
            self.note_due(&self.armed.trigger.definition.clone(), &written);
            self.is_under_way |= !self.armed.trigger.definition.overlap.is_allowed() && !plan.firings.is_empty();
            if plan.frozen.is_none() {
                self.over_since = None;
            }
            if self.armed.trigger.definition.is_limited() {
                self.armed.fired += plan.fires();
            }
            for firing in plan.firings {
                self.ledger.firings.push(LedgerFiring {
                    scheduled_at: firing.scheduled_at,
                    due_at: firing.due_at,
                    fired_at: until,
                    event: EventId(1),
                    revision: Some(self.armed.trigger.revision),
                    origin: if firing.caught_up { Origin::CatchUp } else { Origin::Schedule },
                    is_kept: true,
                });
            }
            self.record(plan.skipped);
            let waits = |put_off: PutOff| Skipped {
                reason: Reason::Waiting,
                first: put_off.first,
                last: put_off.last,
                count: put_off.count,
            };
            self.record(plan.put_off.into_iter().map(waits).collect());
            self.record_frozen(plan.frozen);
            self.armed.next_at = plan.next_at;
        }
    }

    /// These runs of occurrences are written down by what that says.
    fn note_due(&mut self, definition: &Definition, written: &[(Timestamp, Timestamp)]) {
        let Some(details) = &definition.schedule else { return };
        for (first, last) in written {
            let mut after = just_before(*first);
            while let Some(named) = next_after(details, after).filter(|named| named <= last) {
                self.due.insert(named, details.due_at(named));
                after = named;
            }
        }
    }

    fn freeze(&mut self, until: Option<Timestamp>) {
        let now = self.now;
        match self.freezes.iter_mut().find(|freeze| freeze.stands_at(now)) {
            Some(freeze) => freeze.until = until,
            None => self.freezes.push(Freeze { owner: None, reason: None, from: now, until, by: Actor::SYSTEM }),
        }
    }

    fn thaw(&mut self) {
        for freeze in self.freezes.iter_mut().filter(|freeze| freeze.stands_at(self.now)) {
            freeze.until = Some(self.now);
        }
    }

    /// A record of a freeze grows while that lasts.
    fn record_frozen(&mut self, frozen: Option<Frozen>) {
        let Some(Frozen { skipped, follows, since }) = frozen else { return };
        let latest = self.ledger.skipped.iter_mut().rfind(|view| view.skipped.reason != Reason::Waiting);
        let goes_on = |view: &&mut SkippedView| view.recorded_at > since && Some(view.skipped.last) == follows;
        match latest.filter(|view| view.skipped.reason == Reason::Frozen).filter(goes_on) {
            Some(view) => {
                (view.skipped.last, view.recorded_at) = (skipped.last, self.now);
                view.skipped.count += skipped.count;
            }
            None => self.record(vec![skipped]),
        }
    }

    /// The first of what waits fires late.
    fn drain(&mut self, most: u64) {
        let Some(place) = self.ledger.skipped.iter().position(|view| view.skipped.reason == Reason::Waiting) else {
            return;
        };
        let waiting = &mut self.ledger.skipped[place].skipped;
        let details = self.armed.trigger.definition.schedule.as_ref().expect("it names what waits");
        for _ in 0..most.min(waiting.count) {
            self.ledger.firings.push(LedgerFiring {
                scheduled_at: waiting.first,
                due_at: Some(details.due_at(waiting.first)).filter(|due| *due != waiting.first),
                fired_at: self.now,
                event: EventId(1),
                revision: Some(self.armed.trigger.revision),
                origin: Origin::CatchUp,
                is_kept: true,
            });
            waiting.count -= 1;
            // Of a rule that ends the last has none after it.
            waiting.first = next_after(details, waiting.first).unwrap_or(waiting.first);
        }
        if waiting.count == 0 {
            self.ledger.skipped.remove(place);
        }
        self.ledger.firings.sort_by_key(|firing| firing.scheduled_at);
    }

    fn record(&mut self, skipped: Vec<Skipped>) {
        let recorded_at = self.now;
        self.ledger.skipped.extend(skipped.into_iter().map(|skipped| SkippedView { skipped, recorded_at }));
        self.ledger.skipped.sort_by_key(|view| view.skipped.first);
    }

    fn edit(&mut self, definition: Definition) {
        let edit = self.armed.edit(definition, self.now).under(&self.armed, self.now, &self.freezes);
        self.armed.fired = self.armed.as_edited(&edit).fired;
        let former = std::mem::replace(&mut self.armed.trigger, edit.trigger);
        let from = std::mem::replace(&mut self.made_at, self.now);
        let (revision, definition) = (former.revision, former.definition);
        let written: Vec<_> = edit.skipped.iter().map(|skipped| (skipped.first, skipped.last)).collect();
        self.note_due(&definition, &written);
        self.former.push(Former { revision, from, until: self.now, made_by: None, definition });
        if let crate::trigger::Arm::Set(next_at) = edit.arm {
            (self.armed.next_at, self.waits, self.over_since) = (next_at, false, None);
        }
        self.record(edit.skipped);
        if let Some(reason) = edit.ends_backlogs {
            for view in self.ledger.skipped.iter_mut().filter(|view| view.skipped.reason == Reason::Waiting) {
                view.skipped.reason = reason;
                view.recorded_at = self.now;
            }
        }
    }

    /// What the store still has of it at the bound.
    fn kept_after(&self, gone_until: Timestamp) -> Ledger {
        let mut ledger = self.ledger.clone();
        ledger.firings.retain(|firing| firing.fired_at > gone_until);
        let waits = |view: &SkippedView| view.skipped.reason == Reason::Waiting;
        ledger.skipped.retain(|view| view.recorded_at > gone_until || waits(view));
        ledger
    }

    /// Every occurrence that what stood at its time names, from the creation to `until`; each once.
    fn occurrences(&self, until: Timestamp) -> Vec<Timestamp> {
        let trigger = &self.armed.trigger;
        let mut spans: Vec<(Timestamp, Timestamp, &Definition)> =
            self.former.iter().map(|former| (former.from, former.until, &former.definition)).collect();
        spans.push((self.made_at, until, &trigger.definition));
        let mut found = Vec::new();
        for (from, to, definition) in spans {
            let Some(details) = definition.schedule.as_ref().filter(|_| !definition.is_test) else { continue };
            let mut cursor = from;
            while let Some(next) = next_after(details, cursor).filter(|next| *next <= to) {
                found.push(next);
                cursor = next;
            }
        }
        found
    }
}

fn misfire() -> impl Strategy<Value = Option<Misfire>> {
    let all = (1_u64..60, 1_u64..150_000).prop_map(|(at_most, age_s)| {
        let age = Period::from_seconds(age_s).expect("a period");
        let bounds = misfire::Bounds::new(Some(at_most), Some(age), false).expect("few");
        Some(Misfire::All(Box::new(bounds)))
    });
    prop_oneof![Just(None), Just(Some(Misfire::Skip)), all]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_i64..300).prop_map(Step::Run),
        2 => (1_i64..2_500).prop_map(Step::Sleep),
        1 => Just(Step::Pause),
        2 => (1_i64..900).prop_map(Step::PauseFor),
        2 => Just(Step::Resume),
        1 => Just(Step::Rename),
        1 => proptest::option::of(1_i64..900).prop_map(Step::Expire),
        1 => (0_usize..SCHEDULES).prop_map(Step::Reschedule),
        1 => misfire().prop_map(Step::Misfire),
        2 => proptest::option::of(1_u64..400).prop_map(Step::Spread),
        1 => proptest::collection::vec(0_i64..9, 0..3).prop_map(Step::Exclude),
        1 => proptest::option::of(1_u64..12).prop_map(Step::Limit),
        1 => any::<bool>().prop_map(Step::Test),
        2 => (1_u64..20).prop_map(Step::Drain),
        2 => proptest::sample::select(Overlap::ALL.to_vec()).prop_map(Step::Overlap),
        3 => Just(Step::End),
        2 => proptest::option::of(1_i64..900).prop_map(Step::Freeze),
        1 => Just(Step::Thaw),
    ]
}

proptest! {
    #[test]
    fn every_occurrence_has_exactly_one_disposition(
        number in 0_usize..SCHEDULES,
        (share, window) in (any::<u32>(), proptest::option::of(1_u64..400)),
        steps in proptest::collection::vec(step(), 1..30),
        kept_h in proptest::option::of(1_i64..60),
    ) {
        let mut world = World::new(number, share, window);
        for step in &steps {
            world.take(step);
        }
        let gone_until = kept_h.map_or(Timestamp::MIN, |hours| world.now - SignedDuration::from_hours(hours));
        let ledger = world.kept_after(gone_until);
        let trigger = &world.armed.trigger;
        let made = Made { revision: trigger.revision, at: world.made_at, by: None };
        let fired = world.ledger.firings.iter().map(|firing| (firing.origin, firing.fired_at));
        let facts = Facts {
            armed: &world.armed,
            problem: None,
            may_wait_to_go: false,
            deletion: None,
            made: Some(&made),
            former: &world.former,
            ledger: &ledger,
            absences: &world.absences,
            freezes: &world.freezes,
            gone_until,
            spent_at: spent_at(&world.armed, fired),
            is_under_way: world.is_under_way,
            releases: &Releases::default(),
            now: world.now,
        };
        let until = world.now + SignedDuration::from_hours(30);
        let occurrences = world.occurrences(until);
        let span = Span { from: world.armed.trigger.created_at, until: until + SignedDuration::from_micros(1) };
        let told = SpanAccount::of(facts, span);
        prop_assert_eq!(told.tally().values().sum::<u64>(), occurrences.len() as u64, "{:#?}", told);
        prop_assert_eq!(told.unknown, None);
        let riga = zone("Europe/Riga");
        for at in occurrences {
            let account = Account::of(facts, Asked::instant(at), &riga);
            let word = account.verdict.word();
            prop_assert_eq!(account.at, at);
            prop_assert!(account.advice().iter().all(|line| !line.contains(['{', '}'])), "{:?}", account.advice());
            prop_assert!(word != "lost" && account.verdict.is_occurrence() != Some(false), "{}", account.sentence());
            let lines: Vec<_> = told.lines.iter().filter(|line| line.first <= at && at <= line.last).collect();
            prop_assert_eq!(lines.len(), 1, "{} is in {:?}", at, lines);
            prop_assert_eq!(lines[0].verdict.word(), word, "{}", at);
            prop_assert_eq!(&lines[0].edit, &account.edit, "{}", at);
            prop_assert!(account.edit.is_some() == ["paused", "superseded"].contains(&word), "{}", account.sentence());
            if let Some(edit) = account.edit.as_ref().filter(|_| word == "paused") {
                let number = usize::try_from(edit.revision).expect("they count from 1");
                let said = |number: usize| world.former.get(number - 1).map_or(&trigger.definition, |one| &one.definition);
                prop_assert!(edit.at < account.due_at && !said(number).enabled && (number == 1 || !said(number - 1).is_paused_at(edit.at)));
            }
            // Of several edits of one instant nobody knows by which of them it was written down.
            let is_one_edit = |at: Timestamp| world.former.iter().filter(|former| former.until == at).count() < 2;
            if let Verdict::Skipped(view, _) = account.verdict
                && is_one_edit(view.recorded_at)
            {
                prop_assert_eq!(Some(&account.due_at), world.due.get(&at), "{}", account.sentence());
            }
            let waits = matches!(&account.verdict, Verdict::Skipped(view, _) if view.skipped.reason == Reason::Waiting);
            let is_held_up = waits && world.freezes.iter().any(|freeze| freeze.stands_at(world.now));
            prop_assert_eq!(account.freeze.is_some(), word == "frozen" || is_held_up, "{}", account.sentence());
            if kept_h.is_none() {
                prop_assert!(word != "forgotten", "{}", account.sentence());
            }
        }
        // Between two occurrences there is none.
        for line in &told.lines {
            let beside = line.first - SignedDuration::from_micros(1);
            let account = Account::of(Facts { ledger: &Ledger::default(), ..facts }, Asked::instant(beside), &riga);
            prop_assert!(account.at != beside || account.verdict.is_occurrence() != Some(true), "{}", account.sentence());
        }
    }
    #[test]
    fn what_occurred_before_a_deletion_has_exactly_one_disposition_and_later_there_is_nothing(
        number in 0_usize..SCHEDULES,
        (share, window) in (any::<u32>(), proptest::option::of(1_u64..400)),
        steps in proptest::collection::vec(step(), 1..30),
        later_h in 0_i64..30,
        is_frozen_later in any::<bool>(),
    ) {
        let mut world = World::new(number, share, window);
        for step in &steps {
            world.take(step);
        }
        let deletion = Deletion { at: world.now, by: cleo(), was_under_way: world.is_under_way };
        let riga = zone("Europe/Riga");
        let word_at_the_end = |world: &World, at: Timestamp| {
            let facts = Facts {
                armed: &world.armed,
                problem: None,
                may_wait_to_go: false,
                deletion: None,
                made: None,
                former: &world.former,
                ledger: &world.ledger,
                absences: &world.absences,
                freezes: &world.freezes,
                gone_until: Timestamp::MIN,
                spent_at: None,
                is_under_way: world.is_under_way,
                releases: &Releases::default(),
                now: world.now,
            };
            Account::of(facts, Asked::instant(at), &riga).verdict.word()
        };
        let occurred = world.occurrences(deletion.at);
        let met: Vec<Timestamp> = occurred.into_iter().filter(|at| word_at_the_end(&world, *at) == "overlap").collect();
        for view in world.ledger.skipped.iter_mut().filter(|view| view.skipped.reason == Reason::Waiting) {
            (view.skipped.reason, view.recorded_at) = (Reason::Discarded, deletion.at);
        }
        let made = Made { revision: world.armed.trigger.revision, at: world.made_at, by: None };
        let mut freezes = world.freezes.clone();
        if is_frozen_later && later_h > 0 {
            let from = deletion.at + SignedDuration::from_mins(1);
            freezes.push(Freeze { owner: None, reason: None, from, until: None, by: Actor::SYSTEM });
        }
        let facts = Facts {
            armed: &world.armed,
            problem: None,
            may_wait_to_go: false,
            deletion: Some(&deletion),
            made: Some(&made),
            former: &world.former,
            ledger: &world.ledger,
            absences: &world.absences,
            freezes: &freezes,
            gone_until: Timestamp::MIN,
            spent_at: None,
            is_under_way: false,
            releases: &Releases::default(),
            now: deletion.at + SignedDuration::from_hours(later_h),
        };
        let until = deletion.at + SignedDuration::from_hours(60);
        let (before, after): (Vec<_>, Vec<_>) =
            world.occurrences(until).into_iter().partition(|at| *at <= deletion.at);
        let told = SpanAccount::of(facts, Span { from: world.armed.trigger.created_at, until });
        prop_assert_eq!(told.tally().values().sum::<u64>(), before.len() as u64, "{:#?}", told);
        prop_assert_eq!(told.unknown, None);
        prop_assert!(told.taken_away.iter().all(|taken| taken.last <= deletion.at), "{:#?}", told.taken_away);
        for at in before {
            let account = Account::of(facts, Asked::instant(at), &riga);
            let word = account.verdict.word();
            prop_assert_eq!(account.at, at);
            prop_assert!(account.advice().iter().all(|line| !line.contains(['{', '}'])), "{:?}", account.advice());
            prop_assert_eq!(met.contains(&at), word == "overlap", "{}", account.sentence());
            let as_before = Account::of(Facts { freezes: &world.freezes, ..facts }, Asked::instant(at), &riga);
            prop_assert_eq!((as_before.verdict.word(), &as_before.freeze), (word, &account.freeze), "a later freeze took it");
            prop_assert!(word != "lost" && account.verdict.is_occurrence() == Some(true), "{}", account.sentence());
            let lines: Vec<_> = told.lines.iter().filter(|line| line.first <= at && at <= line.last).collect();
            prop_assert_eq!(lines.len(), 1, "{} is in {:?}", at, lines);
            prop_assert_eq!(lines[0].verdict.word(), word, "{}", at);
        }
        for at in after {
            let account = Account::of(facts, Asked::instant(at), &riga);
            prop_assert_eq!((account.verdict.word(), account.verdict.is_occurrence()), ("deleted", Some(false)));
            prop_assert_eq!(account.obstacles.len(), usize::from(at > facts.now), "{}", account.sentence());
        }
    }
}
