//! The promise about triggers that do not overlap: whatever is drawn, broken and begun anew, of what they fire by themselves one event is under
//! way at a time. What is under way is read off the deliveries here, as a receiver would; the marks of the store are not asked.

use jiff::Timestamp;
use oncue_domain::delivery::State;
use oncue_domain::event::{Event, Origin};
use oncue_domain::redelivery::DeliveryId;

use super::ledger::Ledger;
use super::promises::shown;
use super::world::World;

/// Of what a trigger that does not overlap fired by its schedule or out of a backlog, since it was told not to, one event is under way at
/// most. It is asked of those triggers of which something is new; gives how many that was of which one is.
pub(super) fn what_does_not_overlap_is_under_way_once(world: &World, ledger: &Ledger, new: &[Event]) -> u64 {
    let mut under_way = 0;
    for fired in new.iter().filter(|event| is_by_itself(event)) {
        let span = ledger.triggers.get(&fired.trigger).and_then(|spans| spans.last());
        let Some(span) = span.filter(|span| !span.definition.overlap.is_allowed()) else { continue };
        let own = ledger.events.values().filter(|event| event.trigger == fired.trigger && is_by_itself(event));
        let own = own.filter(|event| event.fired_at > span.overlap_since);
        let owed: Vec<&Event> = own.filter(|event| is_owed(world, ledger, event)).collect();
        assert!(owed.len() <= 1, "{} does not overlap, and these are under way: {owed:?}", fired.trigger);
        under_way += owed.len() as u64;
    }
    under_way
}

fn is_by_itself(event: &Event) -> bool {
    matches!(event.origin, Origin::Schedule | Origin::CatchUp | Origin::Backfill)
}

/// Whether a delivery of it is owed that was so from the first on.
fn is_owed(world: &World, ledger: &Ledger, event: &Event) -> bool {
    let deliveries = shown(world, event, Timestamp::MIN).into_iter().flat_map(|(_, deliveries)| deliveries);
    deliveries
        .filter(|delivery| !matches!(delivery.state, State::Delivered | State::Failed))
        .any(|delivery| !ledger.wishes.again.contains_key(&DeliveryId { event: event.id, slot: delivery.slot }))
}
