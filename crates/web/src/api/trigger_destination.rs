//! The destinations that a trigger names: read from a body, and what is said where one of them is not there. Another's destination
//! and one that never was are told in the same words.

use axum::http::StatusCode;
use oncue_domain::destination::DESTINATIONS_PER_TRIGGER_MAX;
use oncue_domain::error::Invalid;
use oncue_domain::id::DestinationId;
use oncue_domain::store::Missing;
use serde_json::Value;

use crate::extract::Fields;
use crate::fault::Fault;

/// Reads `destinations`; null counts as none.
pub(super) fn read(fields: &mut Fields) -> Vec<DestinationId> {
    let values: Option<Vec<Value>> = fields.take("destinations", "This must be a list of the ids of destinations.");
    let values = values.unwrap_or_default();
    if values.len() > DESTINATIONS_PER_TRIGGER_MAX {
        fields.fail("destinations", format!("A trigger sends to at most {DESTINATIONS_PER_TRIGGER_MAX} destinations."));
        return Vec::new();
    }
    let mut ids = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        match value.as_i64().map(DestinationId) {
            Some(id) if ids.contains(&id) => {
                fields.fail(&format!("destinations.{at}"), format!("Destination {id} is named twice."));
            }
            Some(id) => ids.push(id),
            None => fields.fail(&format!("destinations.{at}"), "This must be the id of a destination."),
        }
    }
    ids
}

/// The fault of naming a destination that is not there, at the place where it is named; or a calendar as it is not.
pub(crate) fn missing(named: &[DestinationId], missing: Missing) -> Fault {
    let Missing::Destination(gone) = missing else { return Fault::new(StatusCode::CONFLICT, missing.to_string()) };
    let field = match named.iter().position(|id| *id == gone) {
        Some(at) => format!("destinations.{at}"),
        // Nothing else names one.
        None => "expects.alert".to_owned(),
    };
    Fault::Invalid(vec![Invalid::new(field, missing.to_string())])
}
