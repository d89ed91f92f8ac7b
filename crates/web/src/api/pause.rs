//! What is said of a trigger's pause, in JSON: why, and until when. `enabled` says whether it is paused; this only says more about it.

use jiff::Timestamp;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::{Definition, Pause, parse_reason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;
use crate::extract::Fields;

/// What is said of a pause.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Pause, example = json!({"reason": "The warehouse moves", "until": "2026-12-01T06:00:00Z"}))]
pub(crate) struct PauseDocument {
    /// Why, in one line of at most 500 characters.
    reason: Option<String>,
    /// From then on the trigger goes on by itself; an occurrence at this very instant fires.
    until: Option<String>,
}

impl PauseDocument {
    pub(crate) fn of(pause: &Pause) -> PauseDocument {
        PauseDocument { reason: pause.reason.clone(), until: pause.until.map(time) }
    }
}

/// Reads `pause`, which pauses where `enabled` is not named beside it; null and `{}` say nothing more than `enabled` does. Without an offset a
/// time is read in `zone`.
pub(super) fn read(fields: &mut Fields, definition: &mut Definition, is_switched: bool, zone: &Zone, now: Timestamp) {
    definition.pause = None;
    let Some(mut inner) = fields.take_object("pause") else { return };
    let reason = inner.take_with("reason", |text| parse_reason(text).map_err(|error| error.message)).flatten();
    let until = inner.take_instant("until", zone);
    if until.is_some_and(|end| end <= now) {
        inner.fail("until", "The end of a pause must be in the future.");
    }
    fields.absorb(inner);
    definition.pause = Pause::new(reason, until);
    if definition.pause.is_none() {
        return;
    }
    if is_switched && definition.enabled {
        fields.fail("pause", "Only what is paused has this; leave it out, or let enabled be false.");
    }
    definition.enabled = false;
}
