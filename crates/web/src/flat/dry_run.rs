//! A dry run in the words of surface one: the same account as on surface two, of the six fields that can be said here, with times as they are
//! written here.

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use super::trigger::FlatTrigger;
use crate::api::dry_run::DryRunDocument;
use crate::api::dry_run::voice::Voice;
use crate::api::revision::fields;

/// The fields of a trigger that a call can change.
const FIELDS: [&str; 6] = ["name", "trigger_type", "payload", "schedule", "is_recurring", "interval_seconds"];

/// How a dry run is told on this surface: what it cannot say of a trigger is no field that would change.
pub(super) const VOICE: Voice = Voice {
    time,
    fields: |_, armed| fields(&FlatTrigger::of(armed)),
    differing: |_, old, new| {
        let differs = |field: &&str| old.get(*field).map(|raw| raw.get()) != new.get(*field).map(|raw| raw.get());
        FIELDS.into_iter().filter(differs).collect()
    },
};

/// What a call that makes or changes a trigger answers.
#[derive(Serialize, ToSchema)]
#[schema(as = FlatTriggerOrDryRun, example = json!({
    "name": "trigger1", "trigger_type": "scheduled", "payload": "{}", "schedule": "2027-01-26T08:43:51.801000",
    "is_recurring": false, "interval_seconds": 0, "id": 1
}))]
#[serde(untagged)]
#[expect(dead_code, reason = "the document of two answers, each of which is written by itself")]
pub(crate) enum FlatChanged {
    /// The trigger as it is now.
    Trigger(Box<FlatTrigger>),
    /// With `dry_run=true`: what would come of it, the trigger and all times as this surface writes them.
    DryRun(Box<DryRunDocument>),
}

/// What a call that deletes a trigger answers.
#[derive(Serialize, ToSchema)]
#[schema(as = FlatDeletedOrDryRun, example = json!({"detail": "Trigger deleted successfully from scheduler and database"}))]
#[serde(untagged)]
#[expect(dead_code, reason = "the document of two answers, each of which is written by itself")]
pub(crate) enum FlatDeleted {
    /// It is deleted.
    Deleted {
        /// A sentence that says so.
        detail: String,
    },
    /// With `dry_run=true`: what would come of it, all times as this surface writes them.
    DryRun(Box<DryRunDocument>),
}
