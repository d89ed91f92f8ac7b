//! What must hold whatever happens, one function each, numbered after the invariants of the design. They derive what should
//! be from the ledger by stepping the schedules one occurrence at a time, and compare it with what the store shows.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::act::{ActFilter, Action};
use oncue_domain::delivery::{Attempt, Claim, Ladder, State, ends_at};
use oncue_domain::destination::{DESTINATIONS_PER_TRIGGER_MAX, Standing, Target};
use oncue_domain::event::{Event, Origin, Retention};
use oncue_domain::id::{DestinationId, EventId, MessageId, TriggerId};
use oncue_domain::occurrence::Reason;
use oncue_domain::overlap::Before;
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::store::{DeliveryView, EventFilter, EventPage, SkippedView, Store};
use oncue_domain::trigger::{Armed, Definition, ScheduleDetails, just_before};
use oncue_engine::auditor::{Auditor, Errand};

use super::ledger::{Known, Ledger, Span};
use super::network::Sent;
use super::redelivery::Wishes;
use super::world::{OWNER, World, at_once};

/// How late a turn may be used.
const LATE_MAX: SignedDuration = SignedDuration::from_millis(20);

/// How many of a trigger's former sayings are remembered: what waits may fire after several edits that left it alone.
const SPANS_KEPT: usize = 16;

/// More occurrences than this are not stepped through one by one.
const STEPPED_MAX: u64 = 3000;

/// All the events there are after an instant, oldest first.
pub(super) fn events_after(world: &World, after: Timestamp) -> Vec<Event> {
    let filter = EventFilter { fired_after: Some(after), ..EventFilter::default() };
    at_once(world.memory.events(OWNER, filter, EventPage::OldestFirst(None), 1_000_000)).expect("the model answers")
}

fn records(world: &World, id: TriggerId) -> Vec<SkippedView> {
    at_once(world.memory.skipped(OWNER, id, 100_000)).expect("the model answers")
}

/// What waits of a trigger to fire late.
fn waiting(world: &World, id: TriggerId) -> Vec<(Timestamp, Timestamp)> {
    let views = at_once(world.memory.backlogs(OWNER, None, 100_000)).expect("the model answers");
    let of_it = views.iter().filter(|view| view.backlog.trigger == id);
    of_it.map(|view| (view.backlog.next_at, view.backlog.last)).collect()
}

/// The occurrence from which on a trigger that does not overlap waits for an event of its own to end; what falls due from there on is told
/// once it has.
fn waits_from(world: &World, id: TriggerId) -> Option<Timestamp> {
    let armed = at_once(world.memory.trigger(OWNER, id)).expect("the model answers")?;
    let may_wait = !armed.trigger.definition.overlap.is_allowed();
    armed.next_at.filter(|next_at| may_wait && *next_at <= world.now())
}

/// Whether an event of the trigger is under way that its occurrences are not to overlap.
fn is_under_way(world: &World, id: TriggerId) -> bool {
    at_once(world.memory.events_before(vec![(OWNER, id)])).expect("the model answers") == [Before::UnderWay]
}

/// Whether what fired late is of a trigger that catches up with all it missed.
pub(super) fn catches_up_with_all(ledger: &Ledger, event: &Event) -> bool {
    let span = ledger.triggers.get(&event.trigger).and_then(|spans| spans.last());
    let details = span.and_then(|span| span.definition.schedule.as_ref());
    details.is_some_and(|details| details.misfire().bounds().is_some())
}

/// 1: no occurrence ever has two events. Gives the events that were new.
pub(super) fn no_occurrence_has_two_events(world: &World, ledger: &mut Ledger) -> Vec<Event> {
    let mut new = Vec::new();
    for event in events_after(world, just_before(ledger.earliest)) {
        if let Some(scheduled_at) = event.scheduled_at {
            let known = Known { id: event.id, message_id: event.message_id, fired_at: event.fired_at };
            let first = ledger.occurrences.entry((event.trigger, scheduled_at)).or_insert(known);
            assert_eq!(*first, known, "promise 1: the occurrence at {scheduled_at} has two events");
            let due = event.due_at.unwrap_or(scheduled_at);
            assert!(scheduled_at <= due && due <= event.fired_at, "promise 1: {event:?} fired before it was due");
        }
        if ledger.events.insert(event.id, event.clone()).is_none() {
            ledger.message_ids.extend(message_ids(&event).map(|id| id.to_string()));
            new.push(event);
        }
    }
    ledger.earliest = world.fires_from();
    new
}

/// 1: an occurrence that fell due while somebody ran has its event, and no excuse but a freeze.
pub(super) fn what_fell_due_while_somebody_ran_has_fired(world: &World, ledger: &Ledger, now: Timestamp) {
    if ledger.was_frozen(now) {
        return;
    }
    for (id, spans) in &ledger.triggers {
        let Some(Span { definition, from, .. }) = spans.last() else { continue };
        // One that does not overlap may wait, and is told of once it has.
        if is_spent(world, *id, definition) || !definition.overlap.is_allowed() {
            continue;
        }
        let named = definition.named_for(now);
        if *from < named && definition.next_after(just_before(named)) == Some(now) {
            assert!(ledger.occurrences.contains_key(&(*id, named)), "promise 1: nothing fired for {id} at {now}");
        }
    }
}

/// Whether a schedule has fired its trigger as often as it may.
fn is_spent(world: &World, id: TriggerId, definition: &Definition) -> bool {
    definition.is_limited()
        && at_once(world.memory.trigger(OWNER, id))
            .expect("the model answers")
            .is_some_and(|armed| definition.left(armed.fired) == Some(0))
}

/// 1: no schedule fires more often than it may. Gives how many triggers have nothing left.
pub(super) fn no_limit_is_passed(world: &World, ledger: &Ledger) -> u64 {
    let mut spent = 0;
    for (id, spans) in &ledger.triggers {
        let Some(Span { definition, from, after, .. }) = spans.last().filter(|span| span.definition.is_limited())
        else {
            continue;
        };
        let most = definition.left(0).unwrap_or(u64::MAX);
        let is_its = |of: &TriggerId, due: &Timestamp, known: &Known| of == id && due > from && Some(known.id) > *after;
        let fired = ledger.occurrences.iter().filter(|((of, due), known)| is_its(of, due, known)).count() as u64;
        assert!(fired <= most, "promise 1: {id} fired {fired} times of at most {most}");
        spent += u64::from(is_spent(world, *id, definition));
    }
    spent
}

/// A trigger that nobody edited has ended once at most, and one that has fired as often as it may has. Gives how many ends are told.
pub(super) fn an_end_is_told_once(world: &World) -> u64 {
    let filter = ActFilter { action: Some(Action::Ended), ..ActFilter::of(OWNER) };
    let lines = at_once(world.memory.acts(filter, None, 100_000)).expect("the model answers");
    // Of many that end together there is one line.
    let is_each_apart = lines.iter().all(|line| line.act.id.is_some());
    for Armed { trigger, fired, .. } in at_once(world.memory.triggers(OWNER, None, 1000)).expect("the model answers") {
        let told = lines.iter().filter(|line| line.act.id == Some(trigger.id.0)).count();
        let definition = &trigger.definition;
        let is_spent = definition.left(fired) == Some(0) && !definition.deletes_when_done();
        if trigger.revision == 1 {
            let least = usize::from(is_spent && is_each_apart);
            assert!((least..=1).contains(&told), "the end of {} is told {told} times: {definition:?}", trigger.id);
        }
    }
    lines.len() as u64
}

/// 2: a trigger that went by itself was to go when it was done, and is. Gives how many went.
pub(super) fn what_went_was_done(world: &World, ledger: &mut Ledger) -> u64 {
    let there = at_once(world.memory.triggers(OWNER, None, 1000)).expect("the model answers");
    let there: HashSet<TriggerId> = there.iter().map(|armed| armed.trigger.id).collect();
    let gone: Vec<TriggerId> = ledger.triggers.keys().filter(|id| !there.contains(id)).copied().collect();
    for id in &gone {
        let spans = ledger.triggers.remove(id).unwrap_or_default();
        let definition = &spans.last().expect("it was made").definition;
        assert!(definition.deletes_when_done(), "promise 2: {id} is gone, and nobody wanted that: {spans:?}");
        let next = definition.next_after(ledger.latest).filter(|_| !definition.is_limited());
        assert_eq!(next, None, "promise 2: {id} is gone before it was done: {spans:?}");
        ledger.records.remove(id);
    }
    gone.len() as u64
}

/// 2: every occurrence up to now is an event or lies within a record of why not.
pub(super) fn nothing_due_is_silent(world: &World, ledger: &mut Ledger) {
    let now = world.now();
    // What could have fired before this is gone by its age, and so are the records.
    let gone_until = Retention::STANDARD.gone_until(ledger.latest);
    let Ledger { triggers, occurrences, .. } = ledger;
    for (id, spans) in triggers {
        let records = records(world, *id);
        let waiting = waiting(world, *id);
        let told_until = waits_from(world, *id).map_or(now, just_before);
        for span in spans.iter_mut() {
            let definition = &span.definition;
            let Some(schedule) = definition.schedule.as_ref().filter(|_| !definition.is_test) else { continue };
            // What falls due during a pause is recorded when it ends, or with what comes after it, which may wait for an event to end.
            let first = definition.pause_ends_at().and_then(|end| definition.next_after(just_before(end)));
            if !definition.enabled && span.to.is_none() && first.is_none_or(|first| first > told_until) {
                continue;
            }
            // What was not due yet when the span ended is left to what stood after it.
            let until = schedule.due_by(span.to.unwrap_or(now).min(told_until));
            // What comes behind the last that may fire is no occurrence.
            if span.was_spent || (span.to.is_none() && is_spent(world, *id, definition)) {
                span.checked_until = span.checked_until.max(until);
                continue;
            }
            let mut after = span.checked_until.max(gone_until);
            while let Some(due) = schedule.next_after(after).filter(|due| *due <= until && definition.lives_at(*due)) {
                let has_fired = !definition.is_paused_at(due) && occurrences.contains_key(&(*id, due));
                let is_recorded = || records.iter().any(|view| view.skipped.first <= due && due <= view.skipped.last);
                let waits = || waiting.iter().any(|(next_at, last)| *next_at <= due && due <= *last);
                assert!(
                    has_fired || is_recorded() || waits(),
                    "promise 2: {id} was due at {due} and nobody says why not: {span:?}"
                );
                after = due;
            }
            span.checked_until = span.checked_until.max(until);
        }
        // What is checked and over is needed only to judge new records.
        let keep_from = spans.len().saturating_sub(SPANS_KEPT);
        spans.drain(..keep_from);
    }
}

/// Nothing fires by its schedule from the moment on at which somebody froze, late firings included, until that is over.
pub(super) fn nothing_fires_while_it_is_frozen(ledger: &Ledger, new: &[Event]) {
    let by_schedule = |event: &&Event| matches!(event.origin, Origin::Schedule | Origin::CatchUp | Origin::Backfill);
    for event in new.iter().filter(by_schedule) {
        assert!(!ledger.was_frozen(event.fired_at), "{event:?} fired during a freeze: {:?}", ledger.freezes);
    }
}

/// 2: a record counts what it spans, neither more nor less, and one that grows still does. Gives how many records were new, and how many of
/// these tell of a freeze.
pub(super) fn a_record_counts_what_it_spans(world: &World, ledger: &mut Ledger) -> (u64, u64) {
    let (mut new, mut frozen) = (0, 0);
    for (id, spans) in &ledger.triggers {
        let records = records(world, *id);
        let seen = ledger.records.entry(*id).or_default();
        let unseen = records.len().saturating_sub(*seen);
        let grows = |view: &&SkippedView| view.skipped.reason == Reason::Frozen;
        for (place, view) in records.iter().enumerate().filter(|(place, view)| *place < unseen || grows(view)) {
            let counts =
                |span: &Span| span.definition.schedule.as_ref().is_some_and(|details| counts_as_it_says(details, view));
            assert!(spans.iter().any(counts), "promise 2: {view:?} of {id} is of none of its schedules: {spans:?}");
            if place < unseen {
                new += 1;
                frozen += u64::from(grows(&view));
            }
        }
        *seen = records.len();
    }
    (new, frozen)
}

/// Records go by age as events do: those that are left are the newer ones, and all of them were looked at.
pub(super) fn forget_gone_records(world: &World, ledger: &mut Ledger) {
    for (id, seen) in &mut ledger.records {
        *seen = records(world, *id).len();
    }
}

fn counts_as_it_says(schedule: &ScheduleDetails, view: &SkippedView) -> bool {
    let skipped = &view.skipped;
    let mut count = 0;
    let mut after = just_before(skipped.first);
    while let Some(due) = schedule.next_after(after).filter(|due| *due <= skipped.last) {
        (count, after) = (count + 1, due);
        if count > STEPPED_MAX {
            return true;
        }
    }
    count == skipped.count && after == skipped.last
}

/// 2: an enabled trigger that has not ended is armed for one of its occurrences, which lies ahead.
pub(super) fn what_is_not_finished_is_armed(world: &World, ledger: &Ledger) {
    let now = world.now();
    for Armed { trigger, next_at, fired } in
        at_once(world.memory.triggers(OWNER, None, 1000)).expect("the model answers")
    {
        let definition = &trigger.definition;
        match next_at {
            Some(next_at) => {
                let waits = || waits_from(world, trigger.id) == Some(next_at) && is_under_way(world, trigger.id);
                assert!(
                    next_at > now || waits(),
                    "promise 2: {} waits at {now} for {next_at}, which is past",
                    trigger.id
                );
                let named = definition.named_for(next_at);
                let occurs = definition.next_after(just_before(named)) == Some(next_at);
                // One that is to go waits behind its last occurrence for being deleted.
                let is_done = definition.left(fired) == Some(0) || definition.next_after(just_before(named)).is_none();
                assert!(
                    occurs || (definition.deletes_when_done() && is_done),
                    "promise 2: {} waits for {next_at}, which is none of its occurrences",
                    trigger.id
                );
            }
            // A clock that was put back does not revive what has fired.
            None if definition.left(fired) == Some(0) && !definition.deletes_when_done() => {}
            None => {
                // One that is deleted when it is done waits at least for that.
                let next = definition.waits_after(ledger.latest, fired);
                assert_eq!(next, None, "promise 2: {} waits for nothing", trigger.id);
            }
        }
    }
}

/// 2: where nobody breaks anything, an auditor finds nothing, whoever dies. Nor does it where the clock is put back, but for what that
/// lets be accounted for twice.
pub(super) fn an_auditor_finds_nothing(world: &World, is_clock_wild: bool) {
    let mut auditor = Auditor::new(world.memory.clone(), world.clock.clone(), Retention::STANDARD, Errand::Look);
    let mut looked = at_once(auditor.tick()).expect("the model answers");
    looked.findings.retain(|finding| !is_clock_wild || finding.about.is_none());
    assert_eq!(looked.findings, [], "promise 2: at {}", world.now());
    assert!(looked.is_over, "these are few triggers");
}

/// 3 and 5: what leaves speaks of an event that stands, always under its one message id. Gives how many were repeats.
pub(super) fn every_attempt_carries_the_events_message_id(ledger: &mut Ledger, sent: &[Sent]) -> u64 {
    let mut repeats = 0;
    for sent in sent {
        assert!(
            ledger.message_ids.contains(&sent.message_id),
            "promise 3: {sent:?} speaks of no event that was ever committed"
        );
        let place = (sent.speaks_of, sent.host.clone());
        match ledger.sent.get(&place) {
            Some(first) => {
                assert_eq!(*first, sent.message_id, "promise 5: two message ids for {place:?}");
                repeats += 1;
            }
            None => {
                let is_taken = ledger.sent.values().any(|taken| *taken == sent.message_id);
                assert!(!is_taken, "promise 5: one message id for two deliveries: {sent:?}");
                ledger.sent.insert(place, sent.message_id.clone());
            }
        }
    }
    repeats
}

/// No more attempts begin at a destination in any stretch of time than its rate allows, however often whoever sends there dies.
pub(super) fn rates_hold(ledger: &mut Ledger, sent: &[Sent]) {
    for sent in sent {
        let Some((rate, begun)) = ledger.begun.get_mut(&sent.host) else { continue };
        begun.push(sent.at);
        for (number, first) in (1_u128..).zip(begun.iter().rev()) {
            let stretch = (sent.at.duration_since(*first) + LATE_MAX).as_micros().unsigned_abs();
            let most = u128::from(rate.burst) + stretch / rate.interval().as_micros().unsigned_abs();
            assert!(number <= most, "{number} attempts began at {} from {first} to {}: {rate:?}", sent.host, sent.at);
        }
    }
}

/// What the deliveries of an event may be known by.
fn message_ids(event: &Event) -> impl Iterator<Item = MessageId> {
    let (id, last) = (event.message_id, u32::try_from(DESTINATIONS_PER_TRIGGER_MAX).expect("few"));
    (0..=last.min(DESTINATIONS_SIMULATED)).map(move |slot| id.of_slot(slot))
}

/// How many destinations there are at most at a time.
pub(super) const DESTINATIONS_SIMULATED: u32 = 4;

/// What its owner has paused gets nothing, at most `late` after that.
pub(super) fn nothing_goes_where_it_is_paused(world: &World, sent: &[Sent], late: SignedDuration) {
    let all = at_once(world.memory.destinations(OWNER, None, 100)).expect("the model answers");
    for destination in all {
        let Standing::Paused { since } = destination.standing else { continue };
        let host = destination.definition.address().and_then(url::Url::host_str).expect("it has an address");
        for sent in sent.iter().filter(|sent| sent.host == host) {
            assert!(sent.at <= since + late, "{sent:?} went to {host}, which is paused since {since}");
        }
    }
}

/// At a destination that takes deliveries in order none is begun while one of a lower number has not ended, that which was sent again
/// included. Gives how many stand in line.
pub(super) fn what_goes_in_order_stands_in_line(world: &World, wishes: &Wishes, events: &[Event]) -> u64 {
    let all = at_once(world.memory.destinations(OWNER, None, 100)).expect("the model answers");
    let in_order = all.iter().filter(|destination| destination.definition.in_order).map(|destination| destination.id);
    let mut waits: HashMap<DestinationId, Option<DeliveryId>> = in_order.map(|id| (id, None)).collect();
    let mut queued = 0;
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|event| event.id);
    for event in events {
        let Some((_, deliveries)) = shown(world, event, Timestamp::MIN) else { continue };
        for delivery in deliveries {
            let Target::Destination(id) = delivery.target else { continue };
            let Some(first) = waits.get_mut(&id) else { continue };
            let place = DeliveryId { event: event.id, slot: delivery.slot };
            if let Some(first) = first {
                let is_untouched = wishes.may_stand_behind(*first, place, &delivery);
                assert!(is_untouched, "{} went to {id} before {first:?}: {delivery:?}", event.id);
            }
            let has_ended = matches!(delivery.state, State::Delivered | State::Failed);
            *first = first.or((!has_ended).then_some(place));
            queued += u64::from(delivery.state == State::Queued);
        }
    }
    queued
}

/// Of what goes to a destination in order, one is given out at a time, what is past its time left aside: nobody sends it any more. Where the clock was put back, a claim that had lapsed holds again.
pub(super) fn of_what_goes_in_order_one_is_in_hand(world: &World) {
    let all = at_once(world.memory.destinations(OWNER, None, 100)).expect("the model answers");
    for destination in all.iter().filter(|destination| destination.definition.in_order) {
        let may_be_sent = |claim: &&Claim| world.now() < ends_at(&claim.event, Retention::STANDARD.keep_for);
        let in_hand = world.in_hand().filter(|claim| claim.destination() == Some(destination.id)).filter(may_be_sent);
        let in_hand: Vec<(EventId, u32)> = in_hand.map(|claim| (claim.event.id, claim.slot)).collect();
        assert!(in_hand.len() <= 1, "{in_hand:?} go to {} at once", destination.id);
    }
}

/// Which deliveries have come to a certain state.
#[derive(Default)]
pub(super) struct Fates {
    pub(super) failed: Vec<(EventId, u32)>,
    pub(super) parked: Vec<(EventId, u32)>,
}

/// 5 and 8: attempts are numbered without a gap, a ladder ends with its first success, and they are never more than the ladders have,
/// of which there is one more for each time it was sent again; what has arrived once stays so; and what was given up has a reason. Gives
/// the deliveries that have failed, and those that wait for their destination.
pub(super) fn attempts_stay_on_the_ladder(world: &World, wishes: &Wishes, events: &[Event]) -> Fates {
    let mut fates = Fates::default();
    let ladder = Ladder::standard();
    let is_success = |attempt: &Attempt| attempt.status.is_some_and(|status| status < 300);
    for event in events {
        let Some((_, deliveries)) = shown(world, event, Timestamp::MIN) else { continue };
        for delivery in deliveries {
            let numbers: Vec<u32> = delivery.attempts.iter().map(|attempt| attempt.number).collect();
            let expected: Vec<u32> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "promise 5: the attempts of {}", event.id);
            let most = ladder.attempts() as usize;
            let place = DeliveryId { event: event.id, slot: delivery.slot };
            let climbed = wishes.ladders(place, &delivery.attempts);
            let mut arrived = 0;
            for rungs in &climbed {
                assert!(rungs.len() <= most, "promise 8: too many attempts of {}", event.id);
                let is_over_before_the_last = rungs.iter().rev().skip(1).any(is_success);
                assert!(!is_over_before_the_last, "promise 5: {} arrived and was tried on", event.id);
                arrived += usize::from(rungs.last().is_some_and(is_success));
            }
            let latest = climbed.last().copied().unwrap_or_default();
            match delivery.state {
                State::Delivered => assert!(arrived > 0, "promise 5: {} never arrived: {delivery:?}", event.id),
                State::Failed => assert_eq!(arrived, 0, "promise 5: {} had arrived: {delivery:?}", event.id),
                _ => assert!(!latest.last().is_some_and(is_success), "promise 5: {} is still owed", event.id),
            }
            if delivery.state == State::Failed {
                let is_over = latest.len() == most || delivery.why.is_some() || was_last(event, latest, &ladder);
                assert!(is_over, "promise 5: {} gave up early: {delivery:?}", event.id);
                fates.failed.push((event.id, delivery.slot));
            }
            if let State::Parked(until) = delivery.state {
                let end = ends_at(event, Retention::STANDARD.keep_for);
                assert_eq!(until, end, "promise 5: {} waits longer than it lives", event.id);
                fates.parked.push((event.id, delivery.slot));
            }
        }
    }
    fates
}

/// Whether the last attempt on its ladder left no time for another, or was told that there is none wanted.
fn was_last(event: &Event, rungs: &[Attempt], ladder: &Ladder) -> bool {
    let Some(last) = rungs.last() else { return false };
    let pause = ladder.pauses()[rungs.len() - 1] * 12 / 10;
    let next = last.started_at + SignedDuration::from_micros(last.took_us) + pause;
    last.status == Some(410) || next >= ends_at(event, Retention::STANDARD.keep_for)
}

/// 5: once receivers answer, everything owed ends delivered or failed. Gives how many were delivered.
pub(super) fn everything_owed_has_ended(world: &World) -> u64 {
    let mut delivered = 0;
    assert_eq!(
        at_once(world.memory.owed_counts()).expect("the model answers").owed,
        0,
        "promise 5: something is still owed"
    );
    for event in events_after(world, Timestamp::MIN) {
        for delivery in shown(world, &event, Timestamp::MIN).into_iter().flat_map(|(_, deliveries)| deliveries) {
            match delivery.state {
                State::Delivered => delivered += 1,
                State::Failed => {}
                other => panic!("promise 5: {} is neither delivered nor failed but {other:?}", event.id),
            }
        }
    }
    delivered
}

pub(super) fn shown(world: &World, event: &Event, gone_until: Timestamp) -> Option<(Event, Vec<DeliveryView>)> {
    at_once(world.memory.event(OWNER, event.id, gone_until)).expect("the model answers")
}

/// 6: a call, a test or a trial moves nothing that a schedule waits for.
pub(super) fn a_call_moves_no_cursor(before: &[Armed], after: &[Armed]) {
    assert_eq!(before, after, "promise 6: firing by hand moved something");
}

/// 6: what fires is an occurrence of a definition that stood when it fell due: no edit and no resumption fires the past.
pub(super) fn nothing_fires_retroactively(ledger: &Ledger, new: &[Event]) {
    for event in new {
        let (Some(at), Some(spans)) = (event.scheduled_at, ledger.triggers.get(&event.trigger)) else { continue };
        let due = event.due_at.unwrap_or(at);
        let named = |span: &Span| {
            let stood = span.from < due && span.to.is_none_or(|to| due <= to);
            stood && span.definition.next_after(just_before(at)) == Some(due)
        };
        assert!(
            spans.iter().any(named),
            "promise 6: {} fired for {due}, which nothing named: {spans:?}",
            event.trigger
        );
    }
}

/// 8 and 9: nothing can be read past its age, and nothing is lost before it. Whether the clean-up is behind does not matter.
pub(super) fn events_live_exactly_as_long_as_they_should(world: &World, ledger: &Ledger) {
    let now = world.now();
    let gone_until = Retention::STANDARD.gone_until(now);
    for event in ledger.events.values() {
        let found = shown(world, event, gone_until);
        if event.fired_at <= gone_until {
            assert_eq!(found, None, "promise 9: {} can be read at {now}", event.id);
        } else if event.fired_at > Retention::STANDARD.gone_until(ledger.latest) {
            // Where the clock was put back, what was gone at its latest stays gone.
            assert_eq!(found.map(|(event, _)| event).as_ref(), Some(event), "promise 8: {} is gone at {now}", event.id);
        }
    }
}
