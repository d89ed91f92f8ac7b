//! What comes to each destination: counted by the quarter of an hour, and put into its queue in order of time. Triggers that fire at the
//! same instants and go to the same destinations are walked together; the cheap ones are walked first, so that the bound leaves as few
//! as it can to be taken as even, and a second bound fewer still of which only the number is known.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::Receiver;
use super::queue::{Coming, Queue, Rush};
use crate::agenda::{Question, SLOT, Span, Waiting};
use crate::destination::definition::Rate;
use crate::id::{DestinationId, TriggerId};
use crate::schedule::Schedule;
use crate::trigger::just_before;

/// In what stretches even firings come to a queue, so that what comes at instants is put between them.
const STRETCH: SignedDuration = SignedDuration::from_mins(1);

/// What comes to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which.
    pub id: DestinationId,
    /// By which rate deliveries begin there.
    pub rate: Option<Rate>,
    /// How many deliveries there are.
    pub total: u64,
    /// How many of them are in no quarter of an hour and no rush, because there were too many to look at.
    pub uncounted: u64,
    /// From how many triggers they come.
    pub triggers: u64,
    /// The quarter of an hour with the most, and how many; the first such.
    pub busiest: Option<(Timestamp, u64)>,
    /// When the first quarter of an hour begins.
    start: Timestamp,
    /// What comes in each quarter of an hour, until the last in which anything does.
    slots: Vec<u64>,
    /// The rushes with the longest waits, the longest first; at most [`super::RUSHES_MAX`].
    pub rushes: Vec<Rush>,
    /// How many rushes there are.
    pub rushes_total: u64,
    /// How many deliveries have to wait for the rate.
    pub late: u64,
}

impl Load {
    /// The quarters of an hour in which anything comes, when they begin and how much, in order.
    pub fn quarters(&self) -> impl Iterator<Item = (Timestamp, u64)> {
        let counts = self.slots.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(index, count)| (start_of(self.start, index), *count))
    }
}

/// Triggers that fire at the same instants and go to the same destinations.
struct Group<'a> {
    trigger: Waiting<'a>,
    goes_to: &'a [DestinationId],
    triggers: u64,
    first: Timestamp,
    /// How often each of them fires.
    count: u64,
    /// Whether that was counted, and is not only known to be no more.
    is_counted: bool,
}

/// What makes triggers fire at the same instants: their schedule, the occurrence they wait for, when they end; and where they go to. Who
/// has terms of its own stands alone.
type Alike<'a> = (Clockwork<'a>, Option<TriggerId>, Timestamp, Option<Timestamp>, &'a [DestinationId]);

/// A schedule as something that can be ordered.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Clockwork<'a> {
    Once(Timestamp),
    Every(u64, Timestamp),
    Cron(&'a str, &'a str),
    Recurrence(&'a str, DateTime, &'a str),
    AnyOf(Vec<Clockwork<'a>>),
}

fn clockwork(schedule: &Schedule) -> Clockwork<'_> {
    match schedule {
        Schedule::Once { at } => Clockwork::Once(*at),
        Schedule::Every { period, anchor, .. } => Clockwork::Every(period.micros(), *anchor),
        Schedule::Cron { expression, zone } => Clockwork::Cron(expression.as_str(), zone.name()),
        Schedule::Recurrence(recurrence) => {
            Clockwork::Recurrence(recurrence.text().as_str(), recurrence.start().wall, recurrence.zone().name())
        }
        Schedule::AnyOf(several) => {
            Clockwork::AnyOf(several.members().iter().map(|member| clockwork(&member.schedule)).collect())
        }
    }
}

/// What comes to those of the receivers to which anything comes, and how many triggers were taken as firing evenly.
pub(super) fn of(
    waiting: &[Waiting],
    goes_to: &[&[DestinationId]],
    receivers: &[Receiver],
    question: Question,
    steps_max: usize,
) -> (Vec<Load>, usize) {
    let mut groups = groups(waiting, goes_to, question, steps_max);
    groups.sort_by_key(|group| group.count);
    let mut ledger = Ledger::new(receivers, question);
    let quarters = ledger.quarters();
    let (mut walked, mut spread, mut smoothed) = (0, 0, 0);
    for group in &groups {
        let places: Vec<usize> = group.goes_to.iter().filter_map(|id| ledger.place(*id)).collect();
        let weight = group.trigger.schedule.pattern().step_weight();
        let walked_once = group.count.saturating_mul(weight.max(places.len() as u64));
        let steps = usize::try_from(walked_once).unwrap_or(usize::MAX);
        if places.is_empty() {
            continue;
        }
        if !group.is_counted {
            ledger.count(group, &places);
        } else if steps.saturating_add(walked) <= steps_max {
            walked += steps;
            ledger.walk(group, &places);
        } else if spread + quarters <= steps_max {
            spread += quarters;
            smoothed += usize::try_from(group.triggers).unwrap_or(usize::MAX);
            ledger.spread(group, &places);
        } else {
            ledger.count(group, &places);
        }
    }
    (ledger.loads(), smoothed)
}

fn groups<'a>(
    waiting: &[Waiting<'a>],
    goes_to: &[&'a [DestinationId]],
    question: Question,
    steps_max: usize,
) -> Vec<Group<'a>> {
    let Question { now, span, .. } = question;
    let mut to_count = u64::try_from(steps_max).unwrap_or(u64::MAX);
    let mut alike: BTreeMap<Alike<'a>, Group<'a>> = BTreeMap::new();
    for (trigger, goes_to) in waiting.iter().zip(goes_to).filter(|(_, goes_to)| !goes_to.is_empty()) {
        let alone = (!trigger.schedule.is_plain()).then_some(trigger.id);
        let key = (clockwork(trigger.schedule.pattern()), alone, trigger.next_at, trigger.expires_at, *goes_to);
        if let Some(group) = alike.get_mut(&key) {
            group.triggers += 1;
        } else if let Some(first) = trigger.first_from(span.from, now).filter(|first| *first < span.until) {
            let left = to_count.checked_sub(trigger.steps_to_count(first, span.until));
            to_count = left.unwrap_or(to_count);
            let (count, is_counted) = match left {
                Some(_) => (trigger.count(first, first, span.until), true),
                None => (trigger.count_at_most(first, span.until), false),
            };
            alike.insert(key, Group { trigger: *trigger, goes_to, triggers: 1, first, count, is_counted });
        }
    }
    alike.into_values().collect()
}

/// What came to a receiver so far.
struct Account {
    receiver: Receiver,
    total: u64,
    uncounted: u64,
    triggers: u64,
    /// What comes in each quarter of an hour, and how much of that is taken as even.
    slots: Vec<u64>,
    even: Vec<u64>,
    /// What comes at an instant, in no order; nothing where there is no rate, so that nothing waits.
    comings: Vec<Coming>,
}

/// What came to all receivers so far.
struct Ledger {
    accounts: Vec<Account>,
    question: Question,
    /// When the first quarter of an hour begins.
    start: Timestamp,
}

impl Ledger {
    fn new(receivers: &[Receiver], question: Question) -> Ledger {
        let second = question.span.from.as_second().div_euclid(SLOT.as_secs()) * SLOT.as_secs();
        let start = Timestamp::from_second(second).unwrap_or(question.span.from);
        let account = |receiver: &Receiver| Account {
            receiver: *receiver,
            total: 0,
            uncounted: 0,
            triggers: 0,
            slots: Vec::new(),
            even: Vec::new(),
            comings: Vec::new(),
        };
        Ledger { accounts: receivers.iter().map(account).collect(), question, start }
    }

    fn place(&self, id: DestinationId) -> Option<usize> {
        self.accounts.binary_search_by_key(&id, |account| account.receiver.id).ok()
    }

    /// How many quarters of an hour the span touches.
    fn quarters(&self) -> usize {
        let span = self.question.span;
        if span.from < span.until { slot(self.start, just_before(span.until)) + 1 } else { 0 }
    }

    /// Takes the firings one by one.
    fn walk(&mut self, group: &Group, places: &[usize]) {
        let Question { now, span, .. } = self.question;
        let mut due = Some(group.first);
        let mut firings = Vec::new();
        while let Some(this) = due.filter(|due| *due < span.until) {
            firings.push(this.max(now));
            due = group.trigger.schedule.next_due_after(this).filter(|next| group.trigger.lives_at(*next));
        }
        for place in places {
            let account = &mut self.accounts[*place];
            account.triggers += group.triggers;
            for at in &firings {
                account.add(slot(self.start, *at), group.triggers);
                if account.receiver.rate.is_some() {
                    account.comings.push(Coming { at: *at, count: group.triggers, within: SignedDuration::ZERO });
                }
            }
        }
    }

    /// Takes the firings of each quarter of an hour as coming evenly.
    fn spread(&mut self, group: &Group, places: &[usize]) {
        let Question { now, span, .. } = self.question;
        places.iter().for_each(|place| self.accounts[*place].triggers += group.triggers);
        for index in 0..self.quarters() {
            let (from, until) = (start_of(self.start, index), start_of(self.start, index + 1).min(span.until));
            // Whatever is overdue fires now, so the quarter that holds the present takes all that came before.
            let counted_from = if from <= now { group.first } else { from };
            let count = group.trigger.count(group.first, counted_from, until).saturating_mul(group.triggers);
            for place in places.iter().filter(|_| count > 0) {
                self.accounts[*place].add(index, count);
                self.accounts[*place].add_even(index, count);
            }
        }
    }

    /// Takes no more than their number.
    fn count(&mut self, group: &Group, places: &[usize]) {
        let count = group.count.saturating_mul(group.triggers);
        for place in places {
            let account = &mut self.accounts[*place];
            account.triggers += group.triggers;
            account.total = account.total.saturating_add(count);
            account.uncounted = account.uncounted.saturating_add(count);
        }
    }

    fn loads(self) -> Vec<Load> {
        let (start, span) = (self.start, self.question.span);
        self.accounts.into_iter().filter(|account| account.total > 0).map(|account| account.load(start, span)).collect()
    }
}

impl Account {
    fn add(&mut self, slot: usize, count: u64) {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, 0);
        }
        self.slots[slot] = self.slots[slot].saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    fn add_even(&mut self, slot: usize, count: u64) {
        if self.even.len() <= slot {
            self.even.resize(slot + 1, 0);
        }
        self.even[slot] = self.even[slot].saturating_add(count);
    }

    fn load(mut self, start: Timestamp, span: Span) -> Load {
        let busiest = self.slots.iter().enumerate().rev().max_by_key(|(_, count)| **count);
        let busiest = busiest.map(|(index, count)| (start_of(start, index), *count));
        let (rushes, rushes_total, late) = match self.receiver.rate {
            Some(rate) => {
                for (index, count) in self.even.iter().enumerate().filter(|(_, count)| **count > 0) {
                    let (from, until) = (start_of(start, index), start_of(start, index + 1));
                    self.comings.extend(evenly(from.max(span.from), until.min(span.until), *count));
                }
                self.comings.sort_unstable();
                let mut queue = Queue::new(rate);
                self.comings.drain(..).for_each(|coming| queue.take(coming));
                queue.end()
            }
            None => (Vec::new(), 0, 0),
        };
        let Receiver { id, rate } = self.receiver;
        let Account { total, uncounted, triggers, slots, .. } = self;
        Load { id, rate, total, uncounted, triggers, busiest, start, slots, rushes, rushes_total, late }
    }
}

/// `count` firings from `from` until `until`, a stretch at a time; the first stretches have one more where it does not divide.
fn evenly(from: Timestamp, until: Timestamp, count: u64) -> impl Iterator<Item = Coming> {
    let whole = until.duration_since(from).as_micros().max(1);
    let stretches = u64::try_from((whole + STRETCH.as_micros() - 1) / STRETCH.as_micros()).unwrap_or(1).max(1);
    (0..stretches).filter_map(move |index| {
        let at = from.saturating_add(STRETCH * i32::try_from(index).unwrap_or(i32::MAX)).unwrap_or(Timestamp::MAX);
        let share = count / stretches + u64::from(index < count % stretches);
        let within = until.duration_since(at).min(STRETCH);
        (share > 0).then_some(Coming { at, count: share, within })
    })
}

fn slot(start: Timestamp, at: Timestamp) -> usize {
    usize::try_from(at.as_second().saturating_sub(start.as_second()) / SLOT.as_secs()).unwrap_or(0)
}

fn start_of(start: Timestamp, slot: usize) -> Timestamp {
    let seconds = i64::try_from(slot).unwrap_or(i64::MAX).saturating_mul(SLOT.as_secs());
    start.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
