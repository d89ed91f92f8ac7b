//! Where an event goes, and where it may not: the receiver a trigger names itself, the destinations of an owner, and the guard
//! that keeps deliveries out of the inner network.

use std::sync::Arc;

use jiff::Timestamp;

use crate::id::{DestinationId, UserId};

pub mod alert;
pub mod definition;
pub mod guard;
pub mod webhook;

pub use definition::Definition;
pub use guard::{ANSWERS_MAX, Allowed, Egress, Reach, Refusal};
pub use webhook::{Format, URL_CHARS_MAX, Webhook};

/// A destination as it is kept: a thing of its own that any number of the owner's triggers send their events to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its number.
    pub id: DestinationId,
    /// Whose it is.
    pub owner: UserId,
    /// Counts what its owner changes: each edit, and each time it is paused or resumed.
    pub revision: i64,
    /// What its user said.
    pub definition: Arc<Definition>,
    /// Whether deliveries go there.
    pub standing: Standing,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What it takes to name a destination, in a list or beside a delivery; whoever wants no more reads nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationHead {
    /// Its number.
    pub id: DestinationId,
    /// What its user calls it.
    pub name: String,
    /// The word of its kind.
    pub kind: String,
    /// Whether deliveries go there.
    pub standing: Standing,
}

/// Which of an owner's destinations are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All that there are.
    All,
    /// Those that take no deliveries.
    Stopped,
    /// Those of these that are there; the more, the slower.
    These(Vec<DestinationId>),
}

impl Destination {
    /// What it takes to name it.
    pub fn head(&self) -> DestinationHead {
        DestinationHead {
            id: self.id,
            name: self.definition.name.clone(),
            kind: self.definition.kind.word().to_owned(),
            standing: self.standing.clone(),
        }
    }
}

/// Whether deliveries go to a destination. What is owed to one that does not take any is parked: it waits, without attempts, until
/// the destination takes deliveries again or the event's time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They do.
    Active,
    /// Its owner said to wait.
    Paused {
        /// Since when.
        since: Timestamp,
    },
    /// The receiver said that it is gone (410), or oncue gave it up, until its owner resumes it.
    Suspended {
        /// Since when.
        since: Timestamp,
        /// Why, in a sentence for its owner.
        reason: String,
    },
}

/// Where one delivery goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The trigger's own destination.
    Webhook(Webhook),
    /// The operator's default destination, whose address users never see.
    Default,
    /// A destination of the owner's, as it is when the attempt is made.
    Destination(DestinationId),
}

/// How many destinations somebody may have.
pub const DESTINATIONS_MAX: usize = 1000;

/// How many destinations a trigger may name.
pub const DESTINATIONS_PER_TRIGGER_MAX: usize = 16;

impl Target {
    /// Where the events of a trigger go that says this, in the order of their deliveries: its own address, then the destinations
    /// that it names, in the order in which it does; the operator's default one, where there is one, only where it names nothing.
    pub fn of(trigger: &crate::trigger::Definition, has_default: bool) -> Vec<Target> {
        let own = trigger.webhook.iter().cloned().map(Target::Webhook);
        let named = trigger.destinations.iter().copied().map(Target::Destination);
        let mut targets: Vec<Target> = own.chain(named).collect();
        if targets.is_empty() && has_default {
            targets.push(Target::Default);
        }
        targets
    }

    /// Whether the owner of the trigger named the address, and so may see what it answers.
    pub fn is_users_own(&self) -> bool {
        !matches!(self, Target::Default)
    }
}
