//! How many firings fall into each quarter of an hour. Whoever fires rarely is walked occurrence by occurrence, which also
//! shows who meets in the same second; whoever fires constantly is counted slot by slot, which costs the same for every
//! frequency. What a trigger costs is known before, so the cheap ones go first and the bound leaves out as few as it can.

use jiff::Timestamp;

use super::{
    Agenda, BURST_FROM, Burst, CONSTANT_FROM, Constant, Firing, Question, SLOT, Slot, Span, Uncounted, Waiting,
};
use crate::schedule::Schedule;

/// A slot is far above the others when it has as many firings more than the usual slot,
const PEAK_FROM: u64 = 20;
/// as many times what slots have more on average,
const PEAK_TIMES: u64 = 4;
/// and more by as great a share of what is usual.
const PEAK_SHARE: u64 = 5;

/// As many steps on a grid take as long as one of a cron line.
const GRID_STEPS: u64 = 8;

/// A trigger that fires in the span.
struct Course {
    which: usize,
    first: Timestamp,
    count: u64,
    is_constant: bool,
    steps: usize,
}

/// Everything about the span but the row of firings.
pub(super) fn of(waiting: &[Waiting], question: Question, steps_max: usize) -> Agenda {
    let Question { now, span, .. } = question;
    let mut agenda = Agenda { slots: slots(span), ..Agenda::default() };
    let mut to_count = u64::try_from(steps_max).unwrap_or(u64::MAX);
    let each = waiting.iter().enumerate();
    let mut courses: Vec<Course> =
        each.filter_map(|(which, trigger)| course(which, trigger, span, now, &mut to_count)).collect();
    courses.sort_by_key(|course| (course.is_constant, course.steps));
    let (mut steps, mut seconds) = (0, Vec::new());
    for course in &courses {
        agenda.total = agenda.total.saturating_add(course.count);
        agenda.triggers += 1;
        if course.is_constant {
            let first = Firing { which: course.which, due: course.first, at: course.first.max(now) };
            agenda.constant.push(Constant { first, count: course.count });
        }
        if course.steps.saturating_add(steps) > steps_max {
            agenda.uncounted.push(Uncounted { which: course.which, count: course.count });
            continue;
        }
        steps += course.steps;
        let trigger = &waiting[course.which];
        if course.is_constant {
            count_by_slot(&mut agenda.slots, trigger, course.first, span, now);
        } else {
            walk(&mut agenda.slots, &mut seconds, trigger, course.first, span, now);
        }
    }
    agenda.constant.sort_by_key(|constant| (std::cmp::Reverse(constant.count), waiting[constant.first.which].id));
    agenda.bursts = bursts(seconds);
    agenda.peak_from = peak_from(&agenda.slots);
    agenda
}

/// `to_count` is how many occurrences may still be looked at only to count them.
fn course(which: usize, trigger: &Waiting, span: Span, now: Timestamp, to_count: &mut u64) -> Option<Course> {
    if span.until <= span.from {
        return None;
    }
    let first = trigger.first_from(span.from, now).filter(|first| *first < span.until)?;
    let Some(left) = to_count.checked_sub(trigger.steps_to_count(first, span.until)) else {
        let count = trigger.count_at_most(first, span.until);
        return Some(Course { which, first, count, is_constant: false, steps: usize::MAX });
    };
    *to_count = left;
    let count = trigger.count(first, first, span.until);
    let end = trigger.expires_at.map_or(span.until, |end| end.min(span.until));
    // Measured over all the span, not from the first firing on, so that a quiet night before a busy hour counts too.
    let slots = slots_between(span.from, end);
    let is_constant = count >= CONSTANT_FROM && count > slots;
    let steps = if is_constant { slots + 1 } else { count };
    let steps = match trigger.schedule.pattern() {
        Schedule::Every { .. } => steps.div_ceil(GRID_STEPS),
        other => steps.saturating_mul(other.step_weight()),
    };
    let steps = usize::try_from(steps).unwrap_or(usize::MAX);
    Some(Course { which, first, count, is_constant, steps })
}

/// How many slots' lengths lie between two instants, rounded up.
fn slots_between(from: Timestamp, until: Timestamp) -> u64 {
    let micros = until.duration_since(from).as_micros().max(0);
    u64::try_from((micros + SLOT.as_micros() - 1) / SLOT.as_micros()).unwrap_or(u64::MAX)
}

/// The slots that the span touches, empty.
fn slots(span: Span) -> Vec<Slot> {
    let start = span.from.as_second().div_euclid(SLOT.as_secs()) * SLOT.as_secs();
    let starts = (0..).map_while(|index| Timestamp::from_second(start + index * SLOT.as_secs()).ok());
    let until = if span.from < span.until { span.until } else { Timestamp::MIN };
    starts.take_while(|from| *from < until).map(|from| Slot { from, count: 0 }).collect()
}

fn index_of(slots: &[Slot], at: Timestamp) -> usize {
    let index = slots.first().map_or(0, |first| at.as_second().saturating_sub(first.from.as_second()) / SLOT.as_secs());
    usize::try_from(index).unwrap_or(0)
}

fn count_by_slot(slots: &mut [Slot], trigger: &Waiting, first: Timestamp, span: Span, now: Timestamp) {
    let end = trigger.expires_at.map_or(span.until, |end| end.min(span.until));
    for index in index_of(slots, first.max(now))..slots.len() {
        let slot_end = slots.get(index + 1).map_or(span.until, |next| next.from);
        let slot = &mut slots[index];
        // Whatever is overdue fires now, so the slot that holds the present takes all that came before, if the trigger has expired since as well.
        let from = if slot.from <= now { first } else { slot.from };
        if from >= end {
            break;
        }
        slot.count += trigger.count(first, from, slot_end);
    }
}

fn walk(slots: &mut [Slot], seconds: &mut Vec<i64>, trigger: &Waiting, first: Timestamp, span: Span, now: Timestamp) {
    let mut due = Some(first);
    while let Some(this) = due.filter(|due| *due < span.until) {
        let at = this.max(now);
        if let Some(slot) = slots.get_mut(index_of(slots, at)) {
            slot.count += 1;
        }
        seconds.push(at.as_second());
        due = trigger.schedule.next_due_after(this).filter(|next| trigger.lives_at(*next));
    }
}

fn bursts(mut seconds: Vec<i64>) -> Vec<Burst> {
    seconds.sort_unstable();
    let same = seconds.chunk_by(|one, other| one == other).filter(|same| same.len() >= BURST_FROM);
    same.filter_map(|same| Some(Burst { at: Timestamp::from_second(same[0]).ok()?, count: same.len() })).collect()
}

/// The usual slot is the middle one: what fires constantly lifts all of them alike, and must not hide a rush.
fn peak_from(slots: &[Slot]) -> u64 {
    let mut counts: Vec<u64> = slots.iter().map(|slot| slot.count).collect();
    counts.sort_unstable();
    let usual = counts.get(counts.len() / 2).copied().unwrap_or(0);
    let above: u64 = counts.iter().map(|count| count.saturating_sub(usual)).sum();
    let far = (above * PEAK_TIMES).div_ceil(counts.len().max(1) as u64).max(usual / PEAK_SHARE).max(PEAK_FROM);
    usual + far
}
