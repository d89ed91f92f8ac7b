//! What the page of an event has to know of the destinations that its deliveries go to: what they are called, whether they take any now,
//! and when each tries again.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use oncue_domain::delivery::{Ladder, State, waits_for_turn};
use oncue_domain::destination::definition::Rate;
use oncue_domain::destination::{Standing, Target, Wanted};
use oncue_domain::id::{DestinationId, UserId};
use oncue_domain::store::{DeliveryView, Error};

use crate::app::App;
use crate::fault::Fault;
use crate::ui::Way;

/// The destinations of some deliveries that are still there.
#[derive(Default)]
pub(crate) struct Going {
    names: HashMap<DestinationId, String>,
    ways: HashMap<DestinationId, Way>,
    /// Those that take no deliveries now.
    stopped: HashSet<DestinationId>,
    /// Of those to which something is owed.
    ladders: HashMap<DestinationId, Ladder>,
    /// The rates of the same, where there are any.
    paces: HashMap<DestinationId, Rate>,
}

impl Going {
    /// Reads it for these deliveries of the owner's.
    pub(crate) async fn read(app: &App, owner: UserId, deliveries: &[DeliveryView]) -> Result<Going, Fault> {
        let ids: Vec<DestinationId> = deliveries.iter().filter_map(destination_of).collect();
        if ids.is_empty() {
            return Ok(Going::default());
        }
        let mut going = Going::default();
        for head in app.store.destination_heads(owner, Wanted::These(ids)).await? {
            if head.standing != Standing::Active {
                going.stopped.insert(head.id);
            }
            going.ways.insert(head.id, Way::of_kind(&head.kind));
            going.names.insert(head.id, head.name);
        }
        let is_owed = |view: &&DeliveryView| !matches!(view.state, State::Delivered | State::Failed);
        for id in deliveries.iter().filter(is_owed).filter_map(destination_of) {
            match app.store.destination(owner, id).await {
                Ok(found) => {
                    going.paces.extend(found.as_ref().and_then(|found| Some((id, found.definition.pace()?))));
                    going.ladders.extend(found.map(|destination| (id, destination.definition.retries.clone())));
                }
                // Its delivery is told without what it says.
                Err(Error::Broken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(going)
    }

    /// What a destination is called; none where it is gone.
    pub(crate) fn name(&self, id: DestinationId) -> Option<&String> {
        self.names.get(&id)
    }

    /// By which way attempts go to this target.
    pub(crate) fn way(&self, target: &Target) -> Way {
        let known = match target {
            Target::Destination(id) => self.ways.get(id).copied(),
            Target::Webhook(_) | Target::Default => None,
        };
        known.unwrap_or(Way::Http)
    }

    /// When a destination tries again; none where that cannot be read.
    pub(crate) fn ladder(&self, id: DestinationId) -> Option<Ladder> {
        self.ladders.get(&id).cloned()
    }

    /// What a delivery that stands so waits for, where it is a turn at its destination.
    pub(crate) fn waits_for_turn(&self, view: &DeliveryView, state: State) -> Option<String> {
        let pace = destination_of(view).and_then(|id| self.paces.get(&id).copied());
        waits_for_turn(state, view.attempts.len(), pace)
    }

    /// Where a delivery stands, as it is told.
    pub(crate) fn state_of(&self, view: &DeliveryView, ends_at: Timestamp) -> State {
        match destination_of(view) {
            Some(id) if self.stopped.contains(&id) => view.state.at_stopped_destination(ends_at),
            _ => view.state,
        }
    }
}

fn destination_of(view: &DeliveryView) -> Option<DestinationId> {
    match view.target {
        Target::Destination(id) => Some(id),
        Target::Webhook(_) | Target::Default => None,
    }
}

#[cfg(test)]
impl Going {
    /// One destination.
    pub(crate) fn of(id: DestinationId, ladder: Option<Ladder>, is_active: bool) -> Going {
        Going {
            names: [(id, "One".to_owned())].into(),
            ways: HashMap::new(),
            stopped: (!is_active).then_some(id).into_iter().collect(),
            ladders: ladder.map(|ladder| (id, ladder)).into_iter().collect(),
            paces: HashMap::new(),
        }
    }
}
