//! What the next days will bring: how many firings in each quarter of an hour, how many deliveries for each destination, where these are
//! more than its rate lets through and how late that makes them, which triggers will never fire, and what changes of the clocks do.
//! The room exists so that people see a rush, and a silence, before it comes. It foretells by the same schedules as the engine
//! fires by, and decides nothing; no store and no clock may enter, and nothing that nobody can foresee: calls, retries, absences.
//!
//! The firings in all are those of [`Agenda`]. For each destination they are looked at again, exactly where there are not too
//! many ([`STEPS_MAX`]): triggers with the same schedule and the same destinations count as one. What is beyond that is taken as
//! coming evenly within each minute of its quarter, and said to be. How a rate holds deliveries up stands in `queue`; what is late already in `late`.

mod address;
mod late;
mod load;
mod queue;
mod still;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::agenda::{Agenda, Question, Slot, Span, Waiting};
use crate::destination::definition::Rate;
use crate::freeze::{Freeze, seen_through};
use crate::id::DestinationId;
use crate::schedule::clock_change::{ClockChange, Effect};
use crate::trigger::TriggerHead;

use address::Addresses;

pub use address::{ADDRESSES_MAX, Address};
pub use late::{Late, LateLoad};
pub use load::Load;
pub use queue::{RUSHES_MAX, Rush};
pub use still::Still;

/// The most days that are foretold.
pub const DAYS_MAX: u32 = 31;

/// How many firings are looked at one by one for all destinations together, and as many quarters of an hour. A step takes about 0.2 µs.
pub const STEPS_MAX: usize = 300_000;

/// How many triggers that never fire are named; all are counted.
pub const STILL_MAX: usize = 100;

/// How many effects of changes of the clocks are named; all are counted.
pub const CHANGES_MAX: usize = 100;

/// A destination, as far as a forecast has to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Which.
    pub id: DestinationId,
    /// By which rate deliveries begin there, where by one.
    pub rate: Option<Rate>,
}

/// What is foretold from.
#[derive(Clone, Copy, Debug)]
pub struct Fleet<'a> {
    /// All of somebody's triggers.
    pub triggers: &'a [TriggerHead],
    /// All of their destinations, ascending; [`Receiver::DEFAULT`] before them, where there is a default address.
    pub receivers: &'a [Receiver],
    /// Their freezes: what these take is not foretold.
    pub freezes: &'a [Freeze],
}

/// Something that a change of the clocks does to a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which of the triggers.
    pub which: usize,
    /// The change, and what it does.
    pub change: ClockChange,
}

/// What the next days will bring. Numbers of triggers are those of [`Fleet::triggers`], counted from nought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Every quarter of an hour of the span, in order.
    pub slots: Vec<Slot>,
    /// From how many firings on a quarter is far above the others.
    pub peak_from: u64,
    /// How many firings there are.
    pub total: u64,
    /// How many triggers fire.
    pub triggers: usize,
    /// How many of these are in no quarter, because there were too many to look at, and how often they fire.
    pub uncounted: (usize, u64),
    /// What comes to each destination that anything comes to, ascending.
    pub loads: Vec<Load>,
    /// What comes to the default address and to triggers' own, those first that most triggers send to; at most [`ADDRESSES_MAX`] of triggers' own.
    pub addressed: Vec<(Address, Load)>,
    /// How many addresses of triggers' own are not among them.
    pub addresses_unlisted: usize,
    /// How many triggers were taken as firing evenly, because there were too many firings to look at.
    pub smoothed: usize,
    /// The triggers that will never fire by themselves, and why.
    pub still: Vec<(usize, Still)>,
    /// How many of them there are.
    pub still_total: usize,
    /// What changes of the clocks do, in order of time.
    pub changes: Vec<Change>,
    /// How many such effects there are.
    pub changes_total: usize,
}

impl Forecast {
    /// What the fleet will do in the span.
    pub fn of(fleet: Fleet, span: Span, now: Timestamp) -> Forecast {
        Forecast::within(fleet, span, now, STEPS_MAX)
    }

    fn within(fleet: Fleet, span: Span, now: Timestamp, steps_max: usize) -> Forecast {
        let as_they_are = fleet.triggers;
        let seen = |head: &TriggerHead| seen_through(head.clone(), fleet.freezes, now);
        let as_they_fire: Vec<TriggerHead> = as_they_are.iter().map(seen).collect();
        let fleet = Fleet { triggers: &as_they_fire, ..fleet };
        let (mut heads, mut waiting) = (Vec::new(), Vec::new());
        for (which, head) in fleet.triggers.iter().enumerate() {
            if let Some(one) = Waiting::of(head, now) {
                heads.push(which);
                waiting.push(one);
            }
        }
        let question = Question { now, span, after: None, firings_max: 0 }.in_bounds();
        let span = question.span;
        let agenda = Agenda::of(&waiting, question);
        let that_fire = || heads.iter().map(|which| &fleet.triggers[*which]);
        let addresses = Addresses::of(that_fire(), fleet.receivers);
        let goes_to: Vec<Vec<DestinationId>> = that_fire().map(|head| addresses.goes_to(head)).collect();
        let goes_to: Vec<&[DestinationId]> = goes_to.iter().map(Vec::as_slice).collect();
        let (loads, smoothed) =
            load::of(&waiting, &goes_to, &addresses.receivers(fleet.receivers), question, steps_max);
        let (loads, addressed) = addresses.apart(loads);
        let mut still: Vec<(usize, Still)> = Vec::new();
        for (which, (head, seen)) in as_they_are.iter().zip(fleet.triggers).enumerate() {
            let is_frozen = head.next_at.is_some() && seen.next_at.is_none();
            let why = Still::of(head, now).or(is_frozen.then_some(Still::Frozen));
            still.extend(why.map(|why| (which, why)));
        }
        // What nobody meant comes first.
        still.sort_by_key(|(which, why)| (*why, *which));
        let mut changes = changes(fleet, &heads, span);
        let (still_total, changes_total) = (still.len(), changes.len());
        still.truncate(STILL_MAX);
        changes.truncate(CHANGES_MAX);
        Forecast {
            slots: agenda.slots,
            peak_from: agenda.peak_from,
            total: agenda.total,
            triggers: agenda.triggers,
            uncounted: (agenda.uncounted.len(), agenda.uncounted.iter().map(|one| one.count).sum()),
            loads,
            addressed,
            addresses_unlisted: addresses.unlisted,
            smoothed,
            still,
            still_total,
            changes,
            changes_total,
        }
    }
}

/// Whether somebody would be surprised. Who fires all through the changed hour and follows elapsed time fires on without a break.
fn is_odd(change: &ClockChange) -> bool {
    match change.effect {
        Effect::KeepsWallTime | Effect::Elapsed | Effect::Shifted => false,
        Effect::AfterGap { .. } | Effect::OnFirstPass { .. } => true,
        Effect::LeftOut { count, .. } | Effect::OnBothPasses { count, .. } => {
            count == 1 || !change.follows_elapsed_time()
        }
    }
}

/// What the changes of the clocks within the span do to those of the triggers that wait: the firings that do not come, come elsewhere, or
/// of which only one of two comes, and those that follow elapsed time through a doubled hour.
fn changes(fleet: Fleet, waiting: &[usize], span: Span) -> Vec<Change> {
    let of = |which: &usize| {
        let schedule = fleet.triggers[*which].schedule.as_ref()?;
        let zones = schedule.pattern().wall_zones();
        let changes = zones.into_iter().filter_map(|zone| schedule.next_clock_change(zone, span.from));
        let change = changes.filter(is_odd).min_by_key(|change| change.at)?;
        (change.at < span.until).then_some(Change { which: *which, change })
    };
    let mut changes: Vec<Change> = waiting.iter().filter_map(of).collect();
    changes.sort_by_key(|change| (change.change.at, change.which));
    changes
}
