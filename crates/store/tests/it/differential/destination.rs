//! What may be asked about destinations, drawn by chance: mostly somebody's own one, now and then another's, or none at all.

use jiff::SignedDuration;
use oncue_domain::arrival::{Arrived, Check, Contents};
use oncue_domain::destination::definition::Alert;
use oncue_domain::destination::{Definition, Standing};
use oncue_domain::id::{DestinationId, EventId, UserId};

use super::operation::Operation;
use super::{Chance, Known};
use crate::bench::destination;

pub(super) fn draw(chance: &mut Chance, known: &Known, owner: UserId) -> Operation {
    if known.destinations.len() < 4 && chance.once_in(2) {
        return Operation::CreateDestination(owner, said(chance));
    }
    let (owner, id) = one(chance, known, owner);
    let seen = i64::try_from(chance.below(4)).expect("small");
    match chance.below(11) {
        0 => Operation::DeleteDestination(owner, id),
        1 => Operation::EditDestination(owner, id, seen, said(chance)),
        2 => Operation::SuspendDestination(id, seen, (!chance.once_in(4)).then(|| known.message())),
        3..5 => Operation::SetStanding(owner, id, Standing::Paused { since: known.now }),
        5..8 => Operation::SetStanding(owner, id, Standing::Active),
        _ => {
            let (arrived, contents) = arrival(chance, known, id);
            Operation::Arrive(owner, arrived, contents)
        }
    }
}

/// Which destinations a trigger names, where it names any.
pub(super) fn some(chance: &mut Chance, known: &Known, owner: UserId) -> Vec<DestinationId> {
    if chance.once_in(2) {
        return Vec::new();
    }
    let mut ids: Vec<DestinationId> =
        known.destinations.iter().filter(|(whose, _)| *whose == owner).map(|(_, id)| *id).collect();
    ids.retain(|_| !chance.once_in(3));
    if chance.once_in(2) {
        ids.reverse();
    }
    let others = one(chance, known, owner).1;
    if chance.once_in(15) && !ids.contains(&others) {
        ids.push(others);
    }
    ids
}

/// How long something is parked at most.
pub(super) fn parked_for(chance: &mut Chance) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(chance.below(5000)).expect("small"))
}

pub(super) fn one(chance: &mut Chance, known: &Known, owner: UserId) -> (UserId, DestinationId) {
    if known.destinations.is_empty() || chance.once_in(20) {
        return (owner, DestinationId(99));
    }
    let (whose, id) = chance.pick(&known.destinations);
    if chance.once_in(12) { (owner, id) } else { (whose, id) }
}

/// Something that arrives. How much there is room for is tried in the conformance tests.
fn arrival(chance: &mut Chance, known: &Known, destination: DestinationId) -> (Arrived, Contents) {
    let length = chance.below(1000);
    let arrived = Arrived {
        destination,
        event: EventId(i64::try_from(chance.below(100)).expect("small")),
        slot: 0,
        attempt: u32::try_from(chance.below(9)).expect("small"),
        at: known.now,
        method: "POST".to_owned(),
        body_bytes: length as u64,
        check: chance.pick(&[
            Check::Unsigned,
            Check::Signed("4be0643f".to_owned()),
            Check::Unverified("no".to_owned()),
        ]),
        answer: chance.pick(&[None, Some(200), Some(599)]),
        waited: SignedDuration::from_millis(i64::try_from(chance.below(30_000)).expect("small")),
    };
    let headers = vec![("x-a".to_owned(), chance.pick(&["1", "Grüße ⏰", "\"\\"]).to_owned())];
    (arrived, Contents { headers, body: vec![7; length] })
}

fn said(chance: &mut Chance) -> Definition {
    let alert = chance.pick(&[None, Some((1, 1)), Some((2, 2)), Some((3, 1)), Some((99, 1))]);
    let alert = alert.map(|(destination, after)| Alert { destination: DestinationId(destination), after });
    let in_order = chance.once_in(3);
    Definition {
        alert, in_order, ..destination(chance.pick(&["ops", "Grüße ⏰", "'; DROP TABLE destinations; --"]))
    }
}
