//! How each surface writes what a call would come to. The room exists because both surfaces ask the same question and neither is to learn the
//! other's words: what is worked out is the same, and only the instants and the trigger are written as the surface writes them elsewhere.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oncue_domain::revision::Change;
use oncue_domain::trigger::Armed;
use serde_json::value::RawValue;

use super::super::revision::{fields, told_as};
use super::super::time;
use super::super::trigger::TriggerDocument;
use crate::app::Shared;

/// The fields of a trigger, by name.
pub(crate) type Fields = BTreeMap<String, Box<RawValue>>;

/// The words of a surface.
pub(crate) struct Voice {
    /// An instant.
    pub(crate) time: fn(Timestamp) -> String,
    /// A trigger.
    pub(crate) fields: fn(&Shared, &Armed) -> Fields,
    /// The fields by which these changes are told, of what it says and would say.
    pub(crate) differing: fn(&[Change], &Fields, &Fields) -> Vec<&'static str>,
}

/// Surface two's.
pub(crate) const ACCOUNT: Voice = Voice {
    time,
    fields: |app, armed| fields(&TriggerDocument::of(app, armed)),
    differing: |changes, old, new| changes.iter().map(|change| told_as(*change, old, new)).collect(),
};
