//! What is late already when somebody looks ahead: occurrences that wait in backlogs. When they fire hangs on what is due meanwhile and on how fast their receivers
//! are, so they are in no quarter of an hour; how many there are for each destination, and how long its rate takes for them at least, is known.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::Fleet;
use crate::backlog::Backlog;
use crate::id::{DestinationId, TriggerId};

/// What waits in backlogs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// How many occurrences, those that are held among them.
    pub occurrences: u64,
    /// How many of them wait for a person.
    pub held: u64,
    /// What of it goes to which destination, ascending.
    pub loads: Vec<LateLoad>,
}

/// What waits in backlogs for a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateLoad {
    /// Which.
    pub id: DestinationId,
    /// How many deliveries nobody holds.
    pub waiting: u64,
    /// How many are held.
    pub held: u64,
    /// How long its rate takes for those that nobody holds, if nothing else came; none where it has no rate.
    pub takes: Option<SignedDuration>,
}

impl Late {
    /// What waits in these backlogs of the fleet's triggers.
    pub fn of(fleet: Fleet<'_>, backlogs: &[Backlog]) -> Late {
        let heads: BTreeMap<TriggerId, &[DestinationId]> =
            fleet.triggers.iter().map(|head| (head.id, head.destinations.as_slice())).collect();
        let mut late = Late::default();
        let mut loads: BTreeMap<DestinationId, (u64, u64)> = BTreeMap::new();
        for backlog in backlogs {
            let (waiting, held) = if backlog.is_held { (0, backlog.left) } else { (backlog.left, 0) };
            late.occurrences = late.occurrences.saturating_add(backlog.left);
            late.held = late.held.saturating_add(held);
            for id in heads.get(&backlog.trigger).copied().unwrap_or_default() {
                let load = loads.entry(*id).or_default();
                *load = (load.0.saturating_add(waiting), load.1.saturating_add(held));
            }
        }
        let rate_of = |id: DestinationId| {
            let place = fleet.receivers.binary_search_by_key(&id, |receiver| receiver.id).ok()?;
            fleet.receivers[place].rate
        };
        late.loads = loads
            .into_iter()
            .map(|(id, (waiting, held))| {
                // The burst begins at once, and each of the others an interval later.
                let takes = rate_of(id).map(|rate| {
                    let behind = i32::try_from(waiting.saturating_sub(u64::from(rate.burst))).unwrap_or(i32::MAX);
                    rate.interval().saturating_mul(behind)
                });
                LateLoad { id, waiting, held, takes }
            })
            .collect();
        late
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::actor::Actor;
    use crate::backlog::Source;
    use crate::destination::definition::Rate;
    use crate::forecast::Receiver;
    use crate::id::{BacklogId, UserId};
    use crate::trigger::{Armed, Definition, Kind, Trigger, TriggerHead};

    fn head(id: i64, destinations: &[i64]) -> TriggerHead {
        let mut definition = Definition::in_place_of_unreadable(None, Kind::Scheduled);
        definition.destinations = destinations.iter().copied().map(DestinationId).collect();
        let (owner, now) = (UserId(1), Timestamp::UNIX_EPOCH);
        let trigger =
            Trigger { id: TriggerId(id), owner, revision: 1, definition, created_at: now, standing_since: now };
        TriggerHead::from(&Armed { trigger, next_at: None, fired: 0 })
    }

    fn backlog(trigger: i64, left: u64, is_held: bool) -> Backlog {
        let at = Timestamp::UNIX_EPOCH;
        Backlog {
            id: BacklogId(trigger),
            owner: UserId(1),
            trigger: TriggerId(trigger),
            revision: 1,
            source: Source::CatchUp,
            first: at,
            last: at,
            total: left,
            next_at: at,
            left,
            is_held,
            made_at: at,
            made_by: Actor::SYSTEM,
            is_busy: false,
        }
    }

    #[test]
    fn what_waits_is_counted_for_each_destination_with_what_its_rate_takes_for_it() {
        let triggers = [head(1, &[4, 5]), head(2, &[4]), head(3, &[])];
        let rate = Rate { count: 10, per: SignedDuration::from_secs(1), burst: 5 };
        let receivers =
            [Receiver { id: DestinationId(4), rate: Some(rate) }, Receiver { id: DestinationId(5), rate: None }];
        let fleet = Fleet { triggers: &triggers, receivers: &receivers, freezes: &[] };
        let waits = [backlog(1, 100, false), backlog(2, 30, true), backlog(3, 7, false), backlog(9, 2, false)];
        let late = Late::of(fleet, &waits);
        assert_eq!((late.occurrences, late.held), (139, 30), "also of a trigger that is not among these");
        let load = |id, waiting, held, takes| LateLoad { id: DestinationId(id), waiting, held, takes };
        let takes = Some(SignedDuration::from_millis(9_500));
        assert_eq!(late.loads, [load(4, 100, 30, takes), load(5, 100, 0, None)]);
        assert_eq!(Late::of(fleet, &[]), Late::default());
    }
}
