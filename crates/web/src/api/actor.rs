//! Who did something, and from where, in JSON.

use oncue_domain::actor::Actor;
use serde::Serialize;
use utoipa::ToSchema;

/// Who did something, and from where.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor, example = json!({
    "kind": "user", "id": 1, "name": "ada@example.com", "address": "192.0.2.7", "program": "curl/8.5.0"
}))]
pub(crate) struct ActorDocument {
    /// `user`, `api_key`, `command_line`, `system` (oncue itself) or `stranger`: somebody who was not logged in.
    kind: &'static str,
    /// The number of the user or of the key.
    id: Option<i64>,
    /// The user's e-mail address, or what the key was called then and how it begins.
    name: String,
    /// The address they came from.
    address: Option<String>,
    /// What their program called itself.
    program: Option<String>,
}

impl ActorDocument {
    pub(crate) fn of(actor: &Actor) -> ActorDocument {
        ActorDocument {
            kind: actor.who.word(),
            id: actor.who.id(),
            name: actor.who.to_string(),
            address: actor.address.map(|address| address.to_string()),
            program: actor.program.clone(),
        }
    }
}
