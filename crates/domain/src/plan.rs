//! The heart: what a trigger's armed occurrence means now that its time has come. A pure function of the trigger, the
//! occurrence it waited for, the present, and the times in which nobody ran; it fires, skips and says what to wait for next.
//!
//! The rule (contract §4.1): every occurrence that falls due while oncue runs fires, one event each. Of those that fell due
//! in an absence the latest fires, if it is at most [`LATE_AT_MOST`] late, and the others become one record; a trigger that is
//! told to skip what it misses fires none of them, and one that catches up with all puts those within its bounds off (`backlog`).
//!
//! A trigger that does not overlap (`overlap`) fires one occurrence a plan, and only where no event before is under way; what met one is a
//! matter of that alone, whether anybody ran meanwhile or not.

use jiff::{SignedDuration, Timestamp};

use crate::backlog::PutOff;
use crate::freeze::Frozen;
use crate::misfire::{Bounds, Misfire};
use crate::occurrence::{Reason, Skipped};
use crate::overlap::{Before, Overlap, Turn};
use crate::trigger::{Armed, Definition, End, STAYS_FOR, ScheduleDetails, Trigger, just_after, just_before};

/// An occurrence later than this is not fired any more.
pub const LATE_AT_MOST: SignedDuration = SignedDuration::from_hours(24);

/// How many occurrences of one trigger one plan fires; the rest waits for the next plan, so that no trigger holds up the others.
pub const FIRINGS_MAX: usize = 64;

/// A time in which nobody ran: from the last sign of life (which it does not contain) to the return (which it does not contain).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The last sign of life.
    pub from: Timestamp,
    /// The return.
    pub to: Timestamp,
}

/// How far the earliest armed occurrence may lie behind the last sign of life before the sign is no longer believed.
const SIGN_TRUSTED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// The absence that ends at `now`, given the last sign of life and the earliest occurrence that is still armed.
///
/// Who runs keeps up: where something is armed long before the sign of life, the database is not the one that was alive
/// then (a restored copy, say), and the absence is counted from that occurrence, so that nothing which the original fired
/// is fired again as if it had just been due. Without any sign of life it is counted from there too.
pub fn absence(sign_of_life: Option<Timestamp>, earliest_armed: Option<Timestamp>, now: Timestamp) -> Option<Absence> {
    let from = match (sign_of_life, earliest_armed) {
        (Some(sign), Some(armed)) if sign.duration_since(armed) > SIGN_TRUSTED_FOR => just_before(armed),
        (Some(sign), _) => sign,
        (None, Some(armed)) => just_before(armed),
        (None, None) => return None,
    };
    (from < now).then_some(Absence { from, to: now })
}

/// One occurrence that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Its nominal time, its identity together with the trigger.
    pub scheduled_at: Timestamp,
    /// When it fell due, where that is later than its nominal time.
    pub due_at: Option<Timestamp>,
    /// Whether it makes up for an absence.
    pub caught_up: bool,
}

impl Firing {
    /// How late it is when it fires at `now`.
    pub fn lateness(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.due_at.unwrap_or(self.scheduled_at))
    }
}

/// What is to happen to one trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The occurrences that fire, oldest first.
    pub firings: Vec<Firing>,
    /// The occurrences that do not, oldest first.
    pub skipped: Vec<Skipped>,
    /// The occurrences that fire later, behind what is due then, oldest first.
    pub put_off: Vec<PutOff>,
    /// What a freeze passes over, which lies behind all of `skipped`.
    pub frozen: Option<Frozen>,
    /// When the occurrence to wait for afterwards falls due; none when the trigger is finished. One that is to be deleted when it is done is not
    /// finished with its last occurrence: it stays due, or is due again where that did not fire, and only the plan after that has none.
    pub next_at: Option<Timestamp>,
    /// What it makes of an event before that is under way.
    pub turn: Turn,
    /// How the trigger ends with it, where it does and that is not told otherwise.
    pub end: Option<End>,
}

impl Plan {
    /// All that does not fire, in order.
    pub fn all_skipped(&self) -> impl Iterator<Item = &Skipped> {
        self.skipped.iter().chain(self.frozen.as_ref().map(|frozen| &frozen.skipped))
    }
}

/// Plans what a trigger does at `now` that waited for the occurrence that falls due at `armed`. `absences` are in order and do not overlap.
///
/// This is for a trigger that its schedule has not fired under a limit; [`plan_of`] knows how often it has.
pub fn plan(trigger: &Trigger, armed: Timestamp, now: Timestamp, absences: &[Absence]) -> Plan {
    plan_after(0, trigger, armed, now, absences, Before::Over)
}

/// Plans what a trigger does at `now`; none where it waits for nothing.
pub fn plan_of<T: AsRef<Trigger>>(armed: &Armed<T>, now: Timestamp, absences: &[Absence]) -> Option<Plan> {
    plan_behind(armed, now, absences, Before::Over)
}

/// The same, where it stands like this with the events before; that matters only to a trigger that does not overlap.
pub fn plan_behind<T: AsRef<Trigger>>(
    armed: &Armed<T>,
    now: Timestamp,
    absences: &[Absence],
    before: Before,
) -> Option<Plan> {
    Some(plan_after(armed.fired, armed.trigger.as_ref(), armed.next_at?, now, absences, before))
}

/// About how many occurrences are looked at to plan what a trigger does at `now`: none but where several schedules meet and one of them may have
/// been missed more than once.
pub fn steps_to_plan<T: AsRef<Trigger>>(armed: &Armed<T>, now: Timestamp) -> u64 {
    let schedule = armed.trigger.as_ref().definition.schedule.as_ref();
    let steps = |(schedule, next_at): (&ScheduleDetails, Timestamp)| schedule.steps_to_count(next_at, now);
    schedule.zip(armed.next_at).map_or(0, steps)
}

/// Whether that takes any steps at all, told in a moment.
pub fn takes_steps_to_plan<T: AsRef<Trigger>>(armed: &Armed<T>, now: Timestamp) -> bool {
    let schedule = armed.trigger.as_ref().definition.schedule.as_ref();
    schedule.zip(armed.next_at).is_some_and(|(schedule, next_at)| schedule.takes_steps_to_count(next_at, now))
}

fn plan_after(
    fired: u64,
    trigger: &Trigger,
    armed: Timestamp,
    now: Timestamp,
    absences: &[Absence],
    before: Before,
) -> Plan {
    let mut plan = Plan { next_at: Some(armed), ..Plan::default() };
    let definition = &trigger.definition;
    let Some(schedule) = &definition.schedule else {
        plan.next_at = None;
        return plan;
    };
    let leaves = schedule.deletes_when_done();
    if waits_to_go(schedule, (definition.expires_at, definition.left(fired)), armed) {
        plan.next_at = plan.next_at.filter(|goes_at| *goes_at > now);
        return plan;
    }
    let overlap = definition.overlap;
    let named = schedule.named_for(armed);
    let is_over = armed > now || !definition.lives_at(named) || left(definition, fired, &plan) == Some(0);
    if !overlap.is_allowed() && before == Before::UnderWay && !is_over {
        plan.turn = Turn::Waits;
        return plan;
    }
    // Whatever fires is under way from then on.
    let firings_max = if overlap.is_allowed() { FIRINGS_MAX } else { 1 };
    let met_until = match before {
        Before::OverSince(ended_at) if !overlap.is_allowed() => Some(ended_at.min(now)),
        _ => None,
    };
    // Whether something is due, missed or late goes by when it falls due; which occurrences these are, by their nominal times.
    let expiry = definition.expires_at.unwrap_or(Timestamp::MAX);
    let mut waits = Some(Waits { named, due: armed });
    let mut last = armed;
    while let Some(first) = waits.filter(|waits| waits.due <= now) {
        let Waits { named, due } = first;
        if !definition.lives_at(named) || left(definition, fired, &plan) == Some(0) {
            break;
        }
        if plan.firings.len() >= firings_max {
            break;
        }
        if due == armed {
            plan.skipped.extend(trigger.paused_before(named));
        }
        let absence = absences.iter().find(|absence| absence.from < due && due < absence.to);
        let settled = match absence {
            _ if met_until.is_some_and(|met_until| due <= met_until) => {
                plan.settle_met(definition, schedule, first, met_until.unwrap_or(due), now)
            }
            Some(absence) => {
                let most = left(definition, fired, &plan).unwrap_or(u64::MAX);
                plan.settle_missed(definition, schedule, first, absence, most, now)
            }
            None if is_too_late(due, now) => {
                // Only a store that could not write for a day brings us here; the bound keeps the way back short.
                let absent =
                    absences.iter().map(|absence| absence.from).find(|from| *from >= due).unwrap_or(Timestamp::MAX);
                let until = schedule.due_by(just_before(now - LATE_AT_MOST).min(absent)).min(just_before(expiry));
                let latest = Waits::latest_in(schedule, just_before(named), until).unwrap_or(first);
                plan.skipped.extend(Skipped::range(schedule, just_before(named), latest.named, Reason::Missed));
                latest
            }
            None => {
                plan.firings.push(first.firing(false));
                first
            }
        };
        last = settled.due;
        waits = schedule.next_after(settled.named).map(|named| Waits { named, due: schedule.due_at(named) });
    }
    let may_fire = left(definition, fired, &plan) != Some(0);
    plan.next_at = waits.filter(|waits| may_fire && definition.lives_at(waits.named)).map(|waits| waits.due);
    if leaves && plan.next_at.is_none() {
        // It stays due, so that whoever looks next deletes it, even where this process ends before it could. What did not fire is told
        // of for as long as somebody may want to know.
        let has_fired = plan.firings.last().is_some_and(|firing| firing.due_at.unwrap_or(firing.scheduled_at) == last);
        plan.next_at = Some(if has_fired { just_after(last) } else { goes_at(now) });
    }
    if plan.next_at.is_none() {
        plan.end = End::of_plan(schedule, !may_fire, waits.is_some());
    }
    plan
}

/// When the first occurrence falls due that will fire if nothing changes, where a trigger waits for the one of `next_at`. Of what fell due up to
/// `now` of one that `is_behind` an event of its own none does, or the latest that was named before the expiry.
pub fn first_to_fire(
    schedule: &ScheduleDetails,
    (overlap, expires_at): (Overlap, Option<Timestamp>),
    next_at: Timestamp,
    is_behind: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    match overlap {
        Overlap::Skip if is_behind && next_at <= now => schedule.next_due_after(now),
        Overlap::Queue if is_behind && next_at <= now => {
            let named = schedule.named_for(next_at);
            let until = schedule.due_by(now).min(just_before(expires_at.unwrap_or(Timestamp::MAX)));
            let latest = Waits::latest_in(schedule, just_before(named), until).map_or(next_at, |latest| latest.due);
            if is_too_late(latest, now) { schedule.next_due_after(now) } else { Some(latest) }
        }
        Overlap::Allow | Overlap::Skip | Overlap::Queue => Some(next_at),
    }
}

/// An occurrence that is waited for.
#[derive(Clone, Copy)]
struct Waits {
    named: Timestamp,
    due: Timestamp,
}

impl Waits {
    /// The latest whose nominal time lies in `(after, until]`.
    fn latest_in(schedule: &ScheduleDetails, after: Timestamp, until: Timestamp) -> Option<Waits> {
        let named = schedule.latest_in(after, until)?;
        Some(Waits { named, due: schedule.due_at(named) })
    }

    fn firing(self, caught_up: bool) -> Firing {
        let due_at = (self.due != self.named).then_some(self.due);
        Firing { scheduled_at: self.named, due_at, caught_up }
    }
}

/// Whether one that is deleted when it is done waits for that: nothing is left from `armed` on, which is then no occurrence.
pub(crate) fn waits_to_go(
    schedule: &ScheduleDetails,
    (expires_at, left): (Option<Timestamp>, Option<u64>),
    armed: Timestamp,
) -> bool {
    let lives = |named: &Timestamp| expires_at.is_none_or(|end| *named < end);
    let is_left = || schedule.next_after(just_before(schedule.named_for(armed))).filter(lives).is_some();
    schedule.deletes_when_done() && (left == Some(0) || !is_left())
}

/// When one goes of which the last did not fire, as is known at `now`. What is not paused waits for no later instant to go.
pub fn goes_at(now: Timestamp) -> Timestamp {
    just_after(now).checked_add(STAYS_FOR).unwrap_or(Timestamp::MAX)
}

/// How often it may still fire when the plan is carried out; what is put off counts as if it had fired.
fn left(definition: &Definition, fired: u64, plan: &Plan) -> Option<u64> {
    definition.left(fired.saturating_add(plan.fires()))
}

/// Of the occurrences from the first of these to the last those within the bounds: the first of them, and how many there are.
fn within(
    schedule: &ScheduleDetails,
    (first, last): (Timestamp, Timestamp),
    bounds: &Bounds,
    now: Timestamp,
) -> Option<(Timestamp, u64)> {
    let oldest = now.checked_sub(bounds.age()).unwrap_or(Timestamp::MIN);
    // How late one is goes by when it fell due.
    let after = just_before(first).max(schedule.due_by(just_before(oldest)));
    let young = if last <= after { 0 } else { schedule.count_in(after, last) };
    newest(schedule, (after, young), bounds.at_most())
}

/// The newest `most` of so many occurrences after an instant: the first of them, and how many there are.
fn newest(schedule: &ScheduleDetails, (after, count): (Timestamp, u64), most: u64) -> Option<(Timestamp, u64)> {
    let spared = count.min(most);
    let first = schedule.nth_after(after, count.saturating_sub(spared).saturating_add(1)).filter(|_| spared > 0)?;
    Some((first, spared))
}

impl Plan {
    /// What of the occurrences from `waits` on met an event that was under way until then. Gives the last of them.
    fn settle_met(
        &mut self,
        definition: &Definition,
        schedule: &ScheduleDetails,
        waits: Waits,
        met_until: Timestamp,
        now: Timestamp,
    ) -> Waits {
        let expiry = definition.expires_at.unwrap_or(Timestamp::MAX);
        let until = schedule.due_by(met_until).min(just_before(expiry));
        let latest = Waits::latest_in(schedule, just_before(waits.named), until).unwrap_or(waits);
        let met = |until, reason| Skipped::range(schedule, just_before(waits.named), until, reason);
        self.turn = Turn::Waited;
        if definition.overlap == Overlap::Queue && !is_too_late(latest.due, now) {
            self.skipped.extend(met(just_before(latest.named), Reason::Merged));
            self.firings.push(latest.firing(false));
        } else {
            self.skipped.extend(met(latest.named, Reason::Overlap));
        }
        latest
    }

    /// What of the occurrences from `waits` on fell due in the absence, of which `most` may fire at most. Gives the last of them.
    fn settle_missed(
        &mut self,
        definition: &Definition,
        schedule: &ScheduleDetails,
        waits: Waits,
        absence: &Absence,
        most: u64,
        now: Timestamp,
    ) -> Waits {
        let expiry = definition.expires_at.unwrap_or(Timestamp::MAX);
        let until = schedule.due_by(just_before(absence.to).min(now)).min(just_before(expiry));
        let latest = Waits::latest_in(schedule, just_before(waits.named), until).unwrap_or(waits);
        let missed = |until| Skipped::range(schedule, just_before(waits.named), until, Reason::Missed);
        match schedule.misfire() {
            Misfire::Latest if !is_too_late(latest.due, now) => {
                self.skipped.extend(missed(just_before(latest.named)));
                self.firings.push(latest.firing(true));
            }
            Misfire::Latest | Misfire::Skip => self.skipped.extend(missed(latest.named)),
            Misfire::All(bounds) => {
                let last = latest.named;
                let within = within(schedule, (waits.named, last), &bounds, now);
                let beyond = within.map_or(last, |(first, _)| just_before(first));
                self.skipped.extend(Skipped::range(schedule, just_before(waits.named), beyond, Reason::Budget));
                let Some((first, count)) = within else { return latest };
                // What may not fire because of how often the trigger may is not for the bounds to answer for.
                let later = if most < count { newest(schedule, (beyond, count), most) } else { Some((first, count)) };
                let limited = later.map_or(last, |(first, _)| just_before(first));
                self.skipped.extend(Skipped::range(schedule, beyond, limited, Reason::Missed));
                let absent_for = absence.to.duration_since(absence.from);
                let put_off = |(first, count)| PutOff { first, last, count, is_held: bounds.hold(), absent_for };
                self.put_off.extend(later.map(put_off));
            }
        }
        latest
    }

    /// How many firings come of it, now or later.
    pub fn fires(&self) -> u64 {
        let later = self.put_off.iter().map(|put_off| put_off.count);
        later.fold(self.firings.len() as u64, u64::saturating_add)
    }

    /// Leaves it to a person what becomes of the occurrences of absences that were longer than that.
    pub fn hold_after(&mut self, absent_for: SignedDuration) {
        for put_off in &mut self.put_off {
            put_off.is_held |= put_off.absent_for > absent_for;
        }
    }
}

fn is_too_late(due: Timestamp, now: Timestamp) -> bool {
    now.duration_since(due) > LATE_AT_MOST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{TriggerId, UserId};
    use crate::schedule::bounds;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::excluded::ExcludedDates;
    use crate::schedule::jitter::{Jitter, Share};
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{MaxFires, Terms};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn every(period_s: u64) -> Schedule {
        let period = Period::from_seconds(period_s).expect("a period");
        Schedule::Every { period, anchor: at(0), first: FirstFiring::AtAnchor }
    }

    fn trigger(schedule: Schedule) -> Trigger {
        Trigger {
            id: TriggerId(1),
            owner: UserId(1),
            revision: 1,
            definition: Definition {
                name: None,
                schedule: Some(ScheduleDetails::plain(schedule, None)),
                payload: None,
                payload_schema: None,
                webhook: None,
                destinations: Vec::new(),
                expects: None,
                overlap: crate::overlap::Overlap::Allow,
                is_test: false,
                enabled: true,
                pause: None,
                expires_at: None,
            },
            created_at: at(0),
            standing_since: at(0),
        }
    }

    fn times(plan: &Plan) -> Vec<Timestamp> {
        plan.firings.iter().map(|firing| firing.scheduled_at).collect()
    }

    #[test]
    fn nothing_fires_before_its_time() {
        let plan = plan(&trigger(every(10)), at(10), just_before(at(10)), &[]);
        assert_eq!(plan, Plan { next_at: Some(at(10)), ..Plan::default() });
    }

    #[test]
    fn whoever_runs_late_fires_every_occurrence_all_the_same() {
        let plan = plan(&trigger(every(10)), at(10), at(35), &[]);
        assert_eq!(times(&plan), [at(10), at(20), at(30)]);
        assert!(plan.firings.iter().all(|firing| !firing.caught_up));
        assert_eq!((plan.skipped.len(), plan.next_at), (0, Some(at(40))));
    }

    #[test]
    fn of_an_absence_the_latest_fires_and_the_others_are_one_record() {
        let absence = Absence { from: at(15), to: at(58) };
        let plan = plan(&trigger(every(10)), at(10), at(61), &[absence]);
        assert_eq!(times(&plan), [at(10), at(50), at(60)], "before, in, and after the absence");
        assert_eq!(plan.firings.iter().map(|firing| firing.caught_up).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(plan.skipped, [Skipped { reason: Reason::Missed, first: at(20), last: at(40), count: 3 }]);
        assert_eq!(plan.next_at, Some(at(70)));
    }

    #[test]
    fn what_is_more_than_a_day_late_does_not_fire() {
        let day = 24 * 3600;
        let once = trigger(Schedule::Once { at: at(0) });
        let absence = [Absence { from: at(-5), to: at(2 * day) }];
        assert_eq!(times(&plan(&once, at(0), at(day), &absence)), [at(0)], "exactly a day is not too late");
        let late = plan(&once, at(0), at(day) + SignedDuration::from_micros(1), &absence);
        assert_eq!(late.skipped, [Skipped { reason: Reason::Missed, first: at(0), last: at(0), count: 1 }]);
        assert_eq!((late.firings.len(), late.next_at), (0, None));
    }

    #[test]
    fn who_skips_what_is_missed_fires_nothing_of_an_absence_and_everything_else() {
        let terms = Terms { misfire: Some(Misfire::Skip), ..Terms::default() };
        let mut skipping = trigger(every(10));
        skipping.definition.schedule = Some(ScheduleDetails::new(every(10), None, terms.clone(), Zones::utc()));
        let absent = plan(&skipping, at(10), at(61), &[Absence { from: at(15), to: at(58) }]);
        assert_eq!(times(&absent), [at(10), at(60)], "before and after the absence");
        assert!(absent.firings.iter().all(|firing| !firing.caught_up));
        assert_eq!(absent.skipped, [Skipped { reason: Reason::Missed, first: at(20), last: at(50), count: 4 }]);
        assert_eq!(times(&plan(&skipping, at(10), at(35), &[])), [at(10), at(20), at(30)], "late is not missed");
        let once = Schedule::Once { at: at(10) };
        skipping.definition.schedule = Some(ScheduleDetails::new(once, None, terms, Zones::utc()));
        let missed = plan(&skipping, at(10), at(20), &[Absence { from: at(0), to: at(20) }]);
        assert_eq!((missed.firings.len(), missed.skipped.len(), missed.next_at), (0, 1, None));
    }

    fn catching_up(pattern: Schedule, text: &str, at_most: u64) -> Trigger {
        let bounds = Bounds::new(Some(at_most), Some(Period::parse(text).expect("a period")), false).expect("few");
        let terms = Terms { misfire: Some(Misfire::All(Box::new(bounds))), ..Terms::default() };
        let mut trigger = trigger(pattern.clone());
        trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
        trigger
    }

    #[test]
    fn who_catches_up_with_all_puts_off_what_lies_within_the_bounds() {
        let absence = Absence { from: at(15), to: at(98) };
        let put_off = |first, last, count| PutOff {
            first: at(first),
            last: at(last),
            count,
            is_held: false,
            absent_for: SignedDuration::from_secs(83),
        };
        let all = plan(&catching_up(every(10), "1h", 100), at(10), at(101), &[absence]);
        assert_eq!((times(&all), all.skipped.len()), (vec![at(10), at(100)], 0), "before and after the absence");
        assert_eq!((all.put_off.as_slice(), all.next_at), (&[put_off(20, 90, 8)][..], Some(at(110))));
        let few = plan(&catching_up(every(10), "1h", 3), at(10), at(101), &[absence]);
        assert_eq!(few.put_off, [put_off(70, 90, 3)], "the newest");
        assert_eq!(few.skipped, [Skipped { reason: Reason::Budget, first: at(20), last: at(60), count: 5 }]);
        let young = plan(&catching_up(every(10), "21s", 100), at(10), at(101), &[absence]);
        assert_eq!(young.put_off, [put_off(80, 90, 2)], "those that are not older");
        assert_eq!(young.skipped, [Skipped { reason: Reason::Budget, first: at(20), last: at(70), count: 6 }]);
        let old = plan(&catching_up(every(10), "5s", 100), at(10), at(101), &[absence]);
        let record = old.skipped[0];
        assert_eq!((old.put_off.len(), record.reason, record.count), (0, Reason::Budget, 8), "none of them");

        let mut held = all.clone();
        held.hold_after(SignedDuration::from_secs(83));
        assert_eq!(held, all, "it was not longer");
        held.hold_after(SignedDuration::from_secs(82));
        assert!(held.put_off[0].is_held);
    }

    #[test]
    fn what_is_put_off_counts_for_a_limit() {
        let mut trigger = catching_up(every(10), "1h", 100);
        let misfire = trigger.definition.schedule.as_ref().and_then(|details| details.terms().misfire);
        let terms = Terms { max_fires: MaxFires::new(5), misfire, ..Terms::default() };
        trigger.definition.schedule = Some(ScheduleDetails::new(every(10), None, terms, Zones::utc()));
        let armed = Armed { trigger, next_at: Some(at(10)), fired: 1 };
        let plan = plan_of(&armed, at(101), &[Absence { from: at(15), to: at(98) }]).expect("it waits");
        assert_eq!((times(&plan), plan.put_off[0].count, plan.put_off[0].first), (vec![at(10)], 3, at(70)));
        assert_eq!((plan.skipped[0].count, plan.next_at, plan.fires()), (5, None, 4));
    }

    #[test]
    fn the_bounds_answer_only_for_what_lies_beyond_them_and_the_limit_for_the_rest() {
        let record = |reason, first, last, count| Skipped { reason, first: at(first), last: at(last), count };
        let limited = |most| {
            let mut trigger = catching_up(every(10), "51s", 100);
            let misfire = trigger.definition.schedule.as_ref().and_then(|details| details.terms().misfire);
            let terms = Terms { max_fires: MaxFires::new(most), misfire, ..Terms::default() };
            trigger.definition.schedule = Some(ScheduleDetails::new(every(10), None, terms, Zones::utc()));
            let armed = Armed { trigger, next_at: Some(at(20)), fired: 0 };
            plan_of(&armed, at(101), &[Absence { from: at(15), to: at(98) }]).expect("it waits")
        };
        let few = limited(2);
        assert_eq!(few.skipped, [record(Reason::Budget, 20, 40, 3), record(Reason::Missed, 50, 70, 3)]);
        assert_eq!((few.put_off[0].first, few.put_off[0].count, few.next_at), (at(80), 2, None));
        let many = limited(50);
        assert_eq!(many.skipped, [record(Reason::Budget, 20, 40, 3)]);
        assert_eq!((many.put_off[0].first, many.put_off[0].count), (at(50), 5));
    }

    #[test]
    fn a_year_of_absence_is_one_record_and_one_firing() {
        let year = 365 * 24 * 3600;
        let minutely =
            Schedule::Cron { expression: CronExpression::parse("* * * * *").expect("cron"), zone: Zones::utc() };
        let armed = minutely.next_after(at(0)).expect("every minute");
        let back = at(year + 30);
        let plan = plan(&trigger(minutely.clone()), armed, back, &[Absence { from: at(0), to: back }]);
        assert_eq!(plan.firings.len(), 1);
        assert_eq!(plan.skipped.len(), 1);
        assert_eq!(plan.skipped[0].count + 1, minutely.count_in(at(0), just_before(back)));
    }

    #[test]
    fn nothing_fires_at_or_after_the_expiry_not_even_late() {
        let mut trigger = trigger(every(10));
        trigger.definition.expires_at = Some(at(30));
        let late = plan(&trigger, at(10), at(100), &[]);
        assert_eq!(times(&late), [at(10), at(20)]);
        assert_eq!(late.next_at, None);
        let absent = plan(&trigger, at(10), at(100), &[Absence { from: at(5), to: at(95) }]);
        assert_eq!(times(&absent), [at(20)], "the latest that may fire");
        assert_eq!(absent.skipped, [Skipped { reason: Reason::Missed, first: at(10), last: at(10), count: 1 }]);
    }

    #[test]
    fn nothing_fires_more_often_than_it_may() {
        let terms = |number| Terms { max_fires: MaxFires::new(number), ..Terms::default() };
        let limited = |number, fired| {
            let mut trigger = trigger(every(10));
            trigger.definition.schedule = Some(ScheduleDetails::new(every(10), None, terms(number), Zones::utc()));
            Armed { trigger, next_at: Some(at(10)), fired }
        };
        let planned = |armed: &Armed, now, absences: &[Absence]| plan_of(armed, now, absences).expect("it waits");
        let last = planned(&limited(5, 3), at(100), &[]);
        assert_eq!((times(&last), last.next_at, last.skipped.len()), (vec![at(10), at(20)], None, 0));
        let one_left = planned(&limited(5, 3), at(15), &[]);
        assert_eq!((times(&one_left), one_left.next_at), (vec![at(10)], Some(at(20))));
        let on_time = planned(&limited(5, 4), at(10), &[]);
        assert_eq!((times(&on_time), on_time.next_at), (vec![at(10)], None), "nothing is waited for in vain");
        let spent = planned(&limited(5, 5), at(100), &[]);
        assert_eq!((spent.firings.len(), spent.skipped.len(), spent.next_at), (0, 0, None));
        let absent = planned(&limited(5, 3), at(61), &[Absence { from: at(15), to: at(58) }]);
        assert_eq!(times(&absent), [at(10), at(50)], "what was missed does not count");
        assert_eq!((absent.next_at, absent.skipped[0].count), (None, 3));
        assert_eq!(plan_of(&Armed { next_at: None, ..limited(5, 0) }, at(100), &[]), None);
    }

    #[test]
    fn a_plan_after_which_nothing_is_waited_for_says_how_that_ends() {
        let under = |terms: Terms| {
            let mut trigger = trigger(every(10));
            trigger.definition.schedule = Some(ScheduleDetails::new(every(10), None, terms, Zones::utc()));
            Armed { trigger, next_at: Some(at(10)), fired: 0 }
        };
        let ends = |armed: &Armed, now| plan_of(armed, at(now), &[]).expect("it waits").end;
        let twice = under(Terms { max_fires: MaxFires::new(2), ..Terms::default() });
        assert_eq!((ends(&twice, 10), ends(&twice, 20)), (None, Some(End::Spent)));
        let until_25 = bounds::Bounds::new(None, Some(at(25))).expect("an end");
        let short = under(Terms { bounds: until_25, ..Terms::default() });
        assert_eq!((ends(&short, 10), ends(&short, 20)), (None, Some(End::Over)));
        let missed = plan_of(&short, at(100), &[Absence { from: at(0), to: at(100) }]).expect("it waits");
        assert_eq!((missed.firings.len(), missed.end), (1, Some(End::Over)));
        let mut expiring = under(Terms::default());
        expiring.trigger.definition.expires_at = Some(at(15));
        let last = plan_of(&expiring, at(10), &[]).expect("it waits");
        assert_eq!((last.next_at, last.end), (None, None), "its expiry is told when it comes");
        let both = under(Terms { max_fires: MaxFires::new(2), delete_when_done: true, ..Terms::default() });
        assert_eq!(ends(&both, 20), None, "it is deleted");
        let once = Armed { trigger: trigger(Schedule::Once { at: at(10) }), next_at: Some(at(10)), fired: 0 };
        assert_eq!(ends(&once, 10), None, "its event tells that");
    }

    #[test]
    fn what_is_to_be_deleted_stays_due_until_it_is() {
        let terms = Terms { delete_when_done: true, ..Terms::default() };
        let leaving = |pattern: Schedule, terms| {
            let mut trigger = trigger(pattern.clone());
            trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
            trigger
        };
        let once = leaving(Schedule::Once { at: at(10) }, terms.clone());
        let fires = plan(&once, at(10), at(12), &[]);
        let marker = at(10) + SignedDuration::from_micros(1);
        assert_eq!((times(&fires), fires.next_at), (vec![at(10)], Some(marker)));
        let nothing = Plan::default();
        assert_eq!(plan(&once, marker, at(12), &[]), nothing, "it is done");
        let day = 24 * 3600;
        let missed = plan(&once, at(10), at(10 * day), &[Absence { from: at(0), to: at(10 * day) }]);
        let later = Some(goes_at(at(10 * day)));
        assert_eq!((missed.firings.len(), missed.skipped.len(), missed.next_at), (0, 1, later), "its record says why");

        let few = Terms { max_fires: MaxFires::new(2), ..terms.clone() };
        let few = Armed { trigger: leaving(every(10), few), next_at: Some(at(10)), fired: 0 };
        let both = plan_of(&few, at(100), &[]).expect("it waits");
        let marker = at(20) + SignedDuration::from_micros(1);
        assert_eq!((times(&both), both.next_at), (vec![at(10), at(20)], Some(marker)));
        assert_eq!(plan_of(&Armed { next_at: Some(marker), fired: 2, ..few }, at(100), &[]), Some(nothing.clone()));

        let mut expiring = leaving(every(10), terms);
        expiring.definition.expires_at = Some(at(15));
        let last = plan(&expiring, at(10), at(100), &[]);
        let marker = at(10) + SignedDuration::from_micros(1);
        assert_eq!((times(&last), last.next_at), (vec![at(10)], Some(marker)));
        assert_eq!(plan(&expiring, marker, at(100), &[]), nothing);
    }

    /// Every ten seconds, each occurrence due five seconds after its nominal time.
    fn spread() -> Trigger {
        let terms = Terms { jitter: Some(Jitter::parse("1m").expect("a window")), ..Terms::default() };
        let details = ScheduleDetails::new(every(10), None, terms, Zones::utc());
        let mut trigger = trigger(every(10));
        trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
        trigger
    }

    #[test]
    fn what_is_spread_fires_when_it_falls_due_under_its_nominal_time() {
        let waits = |armed, now| plan(&spread(), at(armed), at(now), &[]);
        assert_eq!(waits(15, 14), Plan { next_at: Some(at(15)), ..Plan::default() });
        let late = waits(15, 27);
        assert_eq!((times(&late), late.next_at), (vec![at(10), at(20)], Some(at(35))));
        assert_eq!(late.firings[1].due_at, Some(at(25)));
        assert_eq!(late.firings[1].lateness(at(27)), SignedDuration::from_secs(2));
        let absence = Absence { from: at(22), to: at(44) };
        let back = plan(&spread(), at(15), at(46), &[absence]);
        assert_eq!(times(&back), [at(10), at(30), at(40)], "that of second 40 fell due after the return");
        assert_eq!(back.skipped, [Skipped { reason: Reason::Missed, first: at(20), last: at(20), count: 1 }]);
        let mut ending = spread();
        ending.definition.expires_at = Some(at(21));
        let last = plan(&ending, at(25), at(60), &[]);
        assert_eq!((times(&last), last.next_at), (vec![at(20)], None), "it was named before the expiry");
        let terms = Terms { max_fires: MaxFires::new(1), delete_when_done: true, ..Terms::default() };
        let terms = Terms {
            jitter: ending.definition.schedule.as_ref().and_then(|details| details.jitter().cloned()),
            ..terms
        };
        let details = ScheduleDetails::new(every(10), None, terms, Zones::utc());
        ending.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
        let marker = at(15) + SignedDuration::from_micros(1);
        let leaving = plan(&ending, at(15), at(60), &[]);
        assert_eq!((times(&leaving), leaving.next_at), (vec![at(10)], Some(marker)));
        let gone = plan_of(&Armed { trigger: ending, next_at: Some(marker), fired: 1 }, at(60), &[]);
        assert_eq!(gone, Some(Plan::default()));
    }

    #[test]
    fn one_trigger_fires_so_many_at_once_and_the_rest_next_time() {
        let first = plan(&trigger(every(1)), at(1), at(1000), &[]);
        assert_eq!(first.firings.len(), FIRINGS_MAX);
        let next = first.next_at.expect("there are more");
        assert!(next <= at(1000), "it is still due");
        assert_eq!(plan(&trigger(every(1)), next, at(1000), &[]).firings[0].scheduled_at, next);
    }

    #[test]
    fn an_absence_is_counted_from_the_last_sign_of_life_unless_the_database_is_older() {
        let now = at(10_000);
        assert_eq!(absence(None, None, now), None, "a new database");
        assert_eq!(absence(Some(at(9_000)), Some(at(8_990)), now), Some(Absence { from: at(9_000), to: now }));
        assert_eq!(absence(Some(at(9_000)), Some(at(9_500)), now), Some(Absence { from: at(9_000), to: now }));
        let restored = absence(Some(at(9_000)), Some(at(1_000)), now);
        assert_eq!(restored, Some(Absence { from: just_before(at(1_000)), to: now }));
        assert_eq!(absence(Some(at(20_000)), None, now), None, "the clock was put back");
    }

    proptest! {
        /// Invariant 2 as arithmetic: fired and skipped together are exactly what the schedule names, in order, once each.
        #[test]
        fn every_occurrence_is_fired_or_skipped_exactly_once(
            period_s in 1u64..5000,
            armed_k in 1i64..50,
            lag_s in 0i64..200_000,
            absent_from in -10_000i64..100_000,
            absent_for in 1i64..200_000,
            expires_s in proptest::option::of(0i64..300_000),
            policy in 0..3,
            (at_most, age_s) in (1u64..500, 1u64..300_000),
            share in any::<u32>(),
            spread_s in proptest::option::of(1u64..80_000),
        ) {
            let schedule = every(period_s);
            let named = at(armed_k * i64::try_from(period_s).expect("small"));
            let absences = [Absence { from: at(absent_from), to: at(absent_from + absent_for) }];
            let mut trigger = trigger(schedule.clone());
            let bounds = Bounds::new(Some(at_most), Some(Period::from_seconds(age_s).expect("a period")), false);
            let misfire = match policy {
                0 => None,
                1 => Some(Misfire::Skip),
                _ => Some(Misfire::All(Box::new(bounds.expect("few")))),
            };
            let jitter = spread_s.map(|seconds| Jitter::new(Period::from_seconds(seconds).expect("a period")).expect("a window"));
            let terms = Terms { misfire, jitter, ..Terms::default() };
            let details = ScheduleDetails::new(schedule.clone(), None, terms, Zones::utc()).with_share(Some(Share::new(share)));
            let armed = details.due_at(named);
            let now = armed + SignedDuration::from_secs(lag_s);
            trigger.definition.schedule = Some(details.clone());
            trigger.definition.expires_at = expires_s.map(at);
            let (mut fired, mut skipped, mut next) = (0u64, 0u64, Some(armed));
            let mut last = Timestamp::MIN;
            while let Some(due) = next.filter(|due| *due <= now) {
                let plan = plan(&trigger, due, now, &absences);
                for firing in &plan.firings {
                    prop_assert!(firing.scheduled_at > last && firing.scheduled_at <= now);
                    prop_assert!(trigger.definition.lives_at(firing.scheduled_at));
                    prop_assert_eq!(firing.due_at.unwrap_or(firing.scheduled_at), details.due_at(firing.scheduled_at));
                    prop_assert!(firing.lateness(now) >= SignedDuration::ZERO, "it fired before it was due");
                    last = firing.scheduled_at;
                }
                for put_off in &plan.put_off {
                    prop_assert!(put_off.count <= at_most && put_off.first <= put_off.last);
                    let late = now.duration_since(details.due_at(put_off.first));
                    prop_assert!(late.as_secs() <= i64::try_from(age_s).expect("small"));
                    prop_assert_eq!(schedule.count_in(just_before(put_off.first), put_off.last), put_off.count);
                }
                fired += plan.fires();
                skipped += plan.skipped.iter().map(|skipped| skipped.count).sum::<u64>();
                prop_assert!(plan.next_at.is_none_or(|next| next > due), "a plan moves on");
                next = plan.next_at;
            }
            let until = details.due_by(now);
            let until = trigger.definition.expires_at.map_or(until, |end| just_before(end).min(until));
            let expected = if until < named { 0 } else { schedule.count_in(just_before(named), until) };
            prop_assert_eq!(fired + skipped, expected);
        }

        /// Looked at however often and whoever was away, a limit is never passed, and below it nothing is silent.
        #[test]
        fn a_limit_is_never_passed(
            period_s in 1u64..5000,
            most in 1u64..200,
            looks in proptest::collection::vec(1i64..100_000, 1..20),
            absent_from in -10_000i64..100_000,
            absent_for in 1i64..200_000,
        ) {
            let schedule = every(period_s);
            let terms = Terms { max_fires: MaxFires::new(most), ..Terms::default() };
            let mut trigger = trigger(schedule.clone());
            trigger.definition.schedule = Some(ScheduleDetails::new(schedule.clone(), None, terms, Zones::utc()));
            let absences = [Absence { from: at(absent_from), to: at(absent_from + absent_for) }];
            let next_at = trigger.definition.next_after(at(0));
            let (mut armed, mut skipped, mut now) = (Armed { trigger, next_at, fired: 0 }, 0, at(0));
            for look in looks {
                now += SignedDuration::from_secs(look);
                while armed.next_at.is_some_and(|due| due <= now) {
                    let plan = plan_of(&armed, now, &absences).expect("it waits");
                    armed.fired += plan.firings.len() as u64;
                    skipped += plan.skipped.iter().map(|skipped| skipped.count).sum::<u64>();
                    armed.next_at = plan.next_at;
                }
            }
            prop_assert!(armed.fired <= most);
            prop_assert_eq!(armed.next_at.is_none(), armed.fired == most);
            if armed.fired < most {
                prop_assert_eq!(armed.fired + skipped, schedule.count_in(at(0), now));
            }
        }

        /// What is taken away from a schedule is no occurrence for anybody: it does not fire, and is not skipped either.
        #[test]
        fn what_is_taken_away_neither_fires_nor_is_skipped(
            period_min in 7_i64..400,
            armed_after_min in -200_i64..3_000,
            lag_s in 0i64..260_000,
            absent_from in -10_000i64..100_000,
            absent_for in 1i64..200_000,
            days in proptest::collection::vec(0_i64..5, 0..4),
            starts_s in proptest::option::of(-10_000_i64..200_000),
            lasts_s in proptest::option::of(1_i64..300_000),
        ) {
            let pattern = every(u64::try_from(period_min * 60).expect("positive"));
            let first_day = Zones::utc().time_zone().to_datetime(at(0)).date();
            let dates = days.iter().map(|day| first_day.checked_add(jiff::Span::new().days(*day)).expect("in range"));
            let starts_at = starts_s.map(at);
            let ends_at = lasts_s.map(|lasts| starts_at.unwrap_or(at(0)) + SignedDuration::from_secs(lasts));
            let excluded = ExcludedDates::new(dates).expect("few dates");
            let bounds = bounds::Bounds::new(starts_at, ends_at).expect("the end is later");
            let is_left = |instant: &Timestamp| {
                let date = Zones::utc().time_zone().to_datetime(*instant).date();
                !excluded.dates().contains(&date)
                    && starts_at.is_none_or(|start| start <= *instant)
                    && ends_at.is_none_or(|end| *instant < end)
            };
            let from = at(armed_after_min * 60);
            let now = from + SignedDuration::from_secs(lag_s);
            let mut left = Vec::new();
            let mut cursor = from;
            while let Some(named) = pattern.next_after(cursor).filter(|named| *named <= now) {
                left.extend(Some(named).filter(is_left));
                cursor = named;
            }
            let terms = Terms { bounds, excluded: excluded.clone(), ..Terms::default() };
            let mut trigger = trigger(pattern.clone());
            trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
            let absences = [Absence { from: at(absent_from), to: at(absent_from + absent_for) }];
            let (mut fired, mut skipped) = (Vec::new(), 0);
            let mut next = trigger.definition.next_after(from);
            while let Some(due) = next.filter(|due| *due <= now) {
                let plan = plan(&trigger, due, now, &absences);
                fired.extend(times(&plan));
                for record in &plan.skipped {
                    let covered = left.iter().filter(|at| record.first <= **at && **at <= record.last).count();
                    prop_assert_eq!(record.count, covered as u64);
                    prop_assert!(left.contains(&record.first) && left.contains(&record.last));
                    skipped += covered;
                }
                next = plan.next_at;
            }
            prop_assert!(fired.iter().all(|at| left.contains(at)), "{fired:?} of {left:?}");
            prop_assert_eq!(fired.len() + skipped, left.len());
            prop_assert!(next.is_none_or(|next| is_left(&next)));
        }
    }

    fn not_overlapping(overlap: Overlap) -> Armed {
        let mut trigger = trigger(every(10));
        trigger.definition.overlap = overlap;
        Armed { trigger, next_at: Some(at(10)), fired: 0 }
    }

    fn behind(armed: &Armed, now: i64, before: Before) -> Plan {
        plan_behind(armed, at(now), &[], before).expect("it waits for something")
    }

    fn record(reason: Reason, first: i64, last: i64, count: u64) -> Skipped {
        Skipped { reason, first: at(first), last: at(last), count }
    }

    #[test]
    fn what_meets_an_event_under_way_waits_as_a_whole_and_fires_nothing() {
        for overlap in [Overlap::Skip, Overlap::Queue] {
            let armed = not_overlapping(overlap);
            let waits = Plan { next_at: Some(at(10)), turn: Turn::Waits, ..Plan::default() };
            assert_eq!(behind(&armed, 35, Before::UnderWay), waits);
            let free = behind(&armed, 35, Before::Over);
            assert_eq!(
                (times(&free), free.next_at, free.turn),
                (vec![at(10)], Some(at(20)), Turn::Free),
                "one at a time"
            );
            assert_eq!(behind(&armed, 9, Before::UnderWay).turn, Turn::Free, "nothing is due");
        }
        let allowed = behind(&not_overlapping(Overlap::Allow), 35, Before::UnderWay);
        assert_eq!((times(&allowed), allowed.turn), (vec![at(10), at(20), at(30)], Turn::Free));
    }

    #[test]
    fn of_what_met_it_the_latest_fires_or_none_and_one_record_tells_of_the_others() {
        let queued = behind(&not_overlapping(Overlap::Queue), 61, Before::OverSince(at(58)));
        assert_eq!((times(&queued), queued.turn, queued.next_at), (vec![at(50)], Turn::Waited, Some(at(60))));
        assert_eq!(queued.skipped, [record(Reason::Merged, 10, 40, 4)]);
        assert!(!queued.firings[0].caught_up);
        let alone = behind(&not_overlapping(Overlap::Queue), 19, Before::OverSince(at(18)));
        assert_eq!((times(&alone), alone.skipped.len()), (vec![at(10)], 0));
        let skipped = behind(&not_overlapping(Overlap::Skip), 61, Before::OverSince(at(58)));
        assert_eq!(skipped.skipped, [record(Reason::Overlap, 10, 50, 5)]);
        assert_eq!((times(&skipped), skipped.next_at), (vec![at(60)], Some(at(70))), "nothing was under way any more");
    }

    #[test]
    fn what_waits_keeps_to_the_expiry_the_limit_and_the_day() {
        let mut armed = not_overlapping(Overlap::Queue);
        armed.trigger.definition.expires_at = Some(at(35));
        let plan = behind(&armed, 61, Before::OverSince(at(58)));
        assert_eq!((times(&plan), plan.next_at), (vec![at(30)], None));
        armed.trigger.definition.expires_at = Some(at(5));
        assert_eq!(behind(&armed, 61, Before::UnderWay), Plan::default(), "nothing is left to wait for");
        let day = LATE_AT_MOST.as_secs();
        let mut late = not_overlapping(Overlap::Queue);
        late.trigger.definition.schedule = Some(ScheduleDetails::plain(Schedule::Once { at: at(10) }, None));
        let plan = behind(&late, 11 + day, Before::OverSince(at(10 + day)));
        assert_eq!((plan.skipped, plan.firings.len()), (vec![record(Reason::Overlap, 10, 10, 1)], 0));
        let mut spent = not_overlapping(Overlap::Queue);
        let terms = Terms { max_fires: MaxFires::new(3), ..Terms::default() };
        spent.trigger.definition.schedule = Some(ScheduleDetails::new(every(10), None, terms, Zones::utc()));
        spent.fired = 2;
        let plan = behind(&spent, 61, Before::OverSince(at(58)));
        assert_eq!((times(&plan), plan.next_at), (vec![at(50)], None));
        spent.fired = 3;
        assert_eq!(behind(&spent, 61, Before::UnderWay).next_at, None);
    }

    #[test]
    fn what_met_an_event_did_so_whether_anybody_ran_or_not() {
        let absence = [Absence { from: at(15), to: at(48) }];
        for (overlap, fired) in [(Overlap::Queue, vec![at(50)]), (Overlap::Skip, vec![])] {
            let armed = not_overlapping(overlap);
            let plan = plan_behind(&armed, at(59), &absence, Before::OverSince(at(55))).expect("it waits");
            assert_eq!((times(&plan), plan.skipped.len()), (fired, 1), "{overlap:?}");
            let plan = plan_behind(&armed, at(59), &absence, Before::Over).expect("it waits");
            assert_eq!(times(&plan), [at(10)], "{overlap:?}: the absence has its own turn");
        }
    }
}
