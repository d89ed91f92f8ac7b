//! Somebody sends again what has ended, and cancels what waits: the wishes, what the store may answer to them, and what must hold of a
//! delivery that was sent again, whatever dies meanwhile. What holds of all deliveries stands in `promises`.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use oncue_domain::delivery::{Attempt, State, ends_at};
use oncue_domain::destination::Target;
use oncue_domain::event::{Event, Retention};
use oncue_domain::redelivery::{CancelRefusal, DeliveryId, Refusal};
use oncue_domain::store::{DeliveryView, Store, UndeliveredFilter};

use super::chance::Chance;
use super::ledger::Ledger;
use super::promises::{events_after, shown};
use super::world::{OWNER, Tally, World, at_once};

/// So many deliveries are named in one wish at most.
const SELECTED: i64 = 5;

/// So many of those that failed are gone through in one call.
const SLICE: i64 = 8;

/// What is remembered of wishes.
#[derive(Default)]
pub(super) struct Wishes {
    /// What was sent again.
    pub(super) again: HashMap<DeliveryId, Again>,
    /// What was cancelled, ever.
    pub(super) cancelled: HashSet<DeliveryId>,
}

/// A delivery that was sent again, once or several times.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// How many attempts there were each time: a ladder begins after each of these.
    ladders_from: Vec<u32>,
    /// How many attempts others that go to the same destination may have had before this one has ended again, if that takes them in
    /// order: those that they had, and the one that was under way.
    others: HashMap<DeliveryId, u32>,
}

impl Wishes {
    /// The attempts of each of a delivery's ladders, the first ladder's first.
    pub(super) fn ladders<'a>(&self, id: DeliveryId, attempts: &'a [Attempt]) -> Vec<&'a [Attempt]> {
        let begins = self.again.get(&id).map_or(&[][..], |again| &again.ladders_from);
        let begins = begins.iter().map(|from| *from as usize);
        let ends = begins.clone().chain([attempts.len()]);
        [0].into_iter().chain(begins).zip(ends).map(|(from, to)| &attempts[from..to]).collect()
    }

    /// Whether a delivery may be as it is while the lower number `first`, at the same destination, which takes them in order, is owed.
    pub(super) fn may_stand_behind(&self, first: DeliveryId, id: DeliveryId, view: &DeliveryView) -> bool {
        let tried = u32::try_from(view.attempts.len()).expect("few");
        match self.again.get(&first) {
            Some(again) => tried <= again.others.get(&id).copied().unwrap_or(0),
            None if self.cancelled.contains(&id) => tried == 0,
            None => tried == 0 && matches!(view.state, State::Queued | State::Pending(_)),
        }
    }
}

fn id_of(event: &Event, view: &DeliveryView) -> DeliveryId {
    DeliveryId { event: event.id, slot: view.slot }
}

fn is_owed(state: State) -> bool {
    !matches!(state, State::Delivered | State::Failed)
}

fn has_arrived(view: &DeliveryView) -> bool {
    view.attempts.iter().any(|attempt| attempt.status.is_some_and(|status| status < 300))
}

/// All deliveries of all events, the oldest event's first.
fn deliveries(world: &World) -> Vec<(Event, DeliveryView)> {
    let events = events_after(world, Timestamp::MIN).into_iter();
    events.flat_map(|event| deliveries_of(world, event)).collect()
}

fn deliveries_of(world: &World, event: Event) -> Vec<(Event, DeliveryView)> {
    let (event, views) = shown(world, &event, Timestamp::MIN).expect("it is kept");
    views.into_iter().map(|view| (event.clone(), view)).collect()
}

/// A few deliveries are sent again, mostly such as have ended, and the store says of each what came of that.
pub(super) fn send_again(world: &World, ledger: &mut Ledger, chance: &mut Chance, tally: &mut Tally) {
    let before = deliveries(world);
    let ended: Vec<usize> = (0..before.len()).filter(|place| !is_owed(before[*place].1.state)).collect();
    let any: Vec<usize> = (0..before.len()).collect();
    let of = if ended.is_empty() || chance.once_in(5) { any } else { ended };
    if of.is_empty() {
        return;
    }
    let picked: BTreeSet<usize> = (0..=chance.below(SELECTED)).map(|_| chance.pick(&of)).collect();
    let wanted: Vec<DeliveryId> = picked.iter().map(|place| id_of(&before[*place].0, &before[*place].1)).collect();
    let now = world.now();
    let redelivered = world.memory.redeliver(OWNER, wanted, Retention::STANDARD, now);
    for (place, outcome) in picked.iter().zip(at_once(redelivered).expect("the model answers")) {
        let (event, view) = &before[*place];
        assert_eq!(outcome, answer(world, event, view, now), "at {now}: {view:?}");
        tally.refused_again += u64::from(outcome.is_err());
    }
    tally.again += note(world, ledger, &before);
}

/// Whatever has failed, at some destination or anywhere, is sent again, some at a time.
pub(super) fn send_all_failed_again(world: &World, ledger: &mut Ledger, chance: &mut Chance, tally: &mut Tally) {
    let before = deliveries(world);
    let targets: Vec<Option<_>> = before.iter().map(|(_, view)| destination_of(view)).chain([None]).collect();
    let filter = UndeliveredFilter { destination: chance.pick(&targets), ..UndeliveredFilter::default() };
    let (mut after, mut redelivered) = (None, 0);
    loop {
        let limit = usize::try_from(1 + chance.below(SLICE)).expect("small");
        let done = world.memory.redeliver_matching(OWNER, filter, after, limit, Retention::STANDARD, world.now());
        let done = at_once(done).expect("the model answers");
        redelivered += done.redelivered as u64;
        after = done.go_on_after;
        if after.is_none() {
            break;
        }
    }
    let noted = note(world, ledger, &before);
    assert_eq!(noted, redelivered, "as many are owed again as were said to be: {filter:?}");
    tally.again += noted;
}

/// Somebody gives up a delivery, mostly one that waits.
pub(super) fn cancel(world: &World, ledger: &mut Ledger, chance: &mut Chance, tally: &mut Tally) {
    let all = deliveries(world);
    let waiting: Vec<(Event, DeliveryView)> = all.iter().filter(|(_, view)| is_owed(view.state)).cloned().collect();
    let of = if waiting.is_empty() || chance.once_in(5) { &all } else { &waiting };
    if of.is_empty() {
        return;
    }
    let (event, view) = chance.pick(of);
    let (now, id) = (world.now(), id_of(&event, &view));
    let gone_until = Retention::STANDARD.gone_until(now);
    let expected = match view.state {
        _ if event.fired_at <= gone_until => Err(CancelRefusal::NotFound),
        State::Held => Err(CancelRefusal::UnderWay),
        state if is_owed(state) => Ok(()),
        _ => Err(CancelRefusal::Ended),
    };
    let cancelled = at_once(world.memory.cancel_delivery(OWNER, id, gone_until, now)).expect("the model answers");
    assert_eq!(cancelled, expected, "at {now}: {view:?}");
    if cancelled.is_err() {
        return;
    }
    ledger.wishes.cancelled.insert(id);
    tally.cancelled += 1;
    let of_event = deliveries_of(world, event);
    let (_, after) = of_event.iter().find(|(_, one)| one.slot == view.slot).expect("it is kept");
    let end = if has_arrived(&view) { State::Delivered } else { State::Failed };
    assert_eq!((after.state, &after.attempts), (end, &view.attempts), "promise 5: what became of cancelling {id:?}");
    assert_eq!(after.why.is_some(), end == State::Failed, "promise 5: somebody says that {id:?} was cancelled");
}

/// What the store has to answer to the wish to send a delivery again.
fn answer(world: &World, event: &Event, view: &DeliveryView, now: Timestamp) -> Result<(), Refusal> {
    if event.fired_at <= Retention::STANDARD.gone_until(now) {
        return Err(Refusal::NotFound);
    }
    match view.state {
        State::Parked(_) => return Err(Refusal::Parked),
        State::Pending(due) if due > now && !view.attempts.is_empty() => {}
        state if is_owed(state) => return Err(Refusal::Owed),
        _ => {}
    }
    if now >= ends_at(event, Retention::STANDARD.keep_for) {
        return Err(Refusal::Ending);
    }
    let is_there = match view.target {
        Target::Webhook(_) => true,
        Target::Default => world.has_default(),
        Target::Destination(id) => at_once(world.memory.destination(OWNER, id)).expect("the model answers").is_some(),
    };
    if is_there { Ok(()) } else { Err(Refusal::DestinationGone) }
}

/// Takes note of what had ended and is owed again, and gives how much that is. It is what it was before, but for being owed.
fn note(world: &World, ledger: &mut Ledger, before: &[(Event, DeliveryView)]) -> u64 {
    let after = deliveries(world);
    let mut count = 0;
    for ((event, was), (_, is)) in before.iter().zip(&after).filter(|((_, was), _)| !is_owed(was.state)) {
        if !is_owed(is.state) {
            continue;
        }
        count += 1;
        assert_eq!(is.state, State::Pending(world.now()), "promise 5: it is due at once");
        assert_eq!((is.message_id, &is.attempts), (was.message_id, &was.attempts), "promise 5: it goes on as it was");
        let again = ledger.wishes.again.entry(id_of(event, was)).or_default();
        again.ladders_from.push(u32::try_from(was.attempts.len()).expect("few"));
        again.others = match destination_of(was) {
            Some(_) => after.iter().filter(|(_, view)| view.target == was.target).map(may_have_tried).collect(),
            None => HashMap::new(),
        };
    }
    count
}

fn destination_of(view: &DeliveryView) -> Option<oncue_domain::id::DestinationId> {
    match view.target {
        Target::Destination(id) => Some(id),
        Target::Webhook(_) | Target::Default => None,
    }
}

fn may_have_tried((event, view): &(Event, DeliveryView)) -> (DeliveryId, u32) {
    let under_way = u32::from(view.state == State::Held);
    (id_of(event, view), u32::try_from(view.attempts.len()).expect("few") + under_way)
}

/// 5: what was sent again was tried again, or there is a reason why not; what had arrived before stays so. Gives how many were tried.
pub(super) fn what_was_sent_again_was_tried_again(world: &World, ledger: &Ledger) -> u64 {
    let mut tried = 0;
    for (event, view) in deliveries(world) {
        let Some(again) = ledger.wishes.again.get(&id_of(&event, &view)) else { continue };
        let is_tried = again.ladders_from.last().is_some_and(|from| view.attempts.len() > *from as usize);
        assert!(
            is_tried || view.why.is_some() || has_arrived(&view),
            "promise 5: {} was sent again, and nothing came of it: {view:?}",
            event.id
        );
        tried += u64::from(is_tried);
    }
    tried
}
