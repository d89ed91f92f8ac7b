//! The audit log: who did what, in JSON. Everybody sees what was done to theirs, the operator what was done to the server as well.

use axum::extract::State;
use axum::response::Response;
use oncue_domain::act::{ActFilter, Action, Entry, Thing};
use oncue_domain::actor::Who;
use serde::Serialize;
use utoipa::ToSchema;

use super::actor::ActorDocument;
use super::page::{next_limit, respond, take_page};
use super::time;
use crate::app::App;
use crate::auth::Caller;
use crate::extract::{Query, id_of};
use crate::fault::Problem;
use crate::openapi::Errors;

/// What something was done to.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditObject, example = json!({"kind": "trigger", "id": 7, "name": "nightly"}))]
struct ObjectDocument {
    /// `trigger`, `destination`, `calendar`, `api_key`, `user`, `delivery` (then the id is its event's) or `server`.
    kind: &'static str,
    /// Null where it was done to several, and for the server.
    id: Option<i64>,
    /// What it was called then.
    name: Option<String>,
}

/// A line of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry, example = json!({
    "id": 12, "at": "2026-11-22T10:00:00Z", "action": "edited", "object": {"kind": "trigger", "id": 7, "name": "nightly"},
    "by": {"kind": "user", "id": 1, "name": "ada@example.com", "address": "192.0.2.7", "program": "curl/8.5.0"},
    "details": "revision 2: enabled, pause"
}))]
struct EntryDocument {
    id: i64,
    /// When it was done.
    at: String,
    /// What was done, in a word.
    action: &'static str,
    object: ObjectDocument,
    by: ActorDocument,
    /// What else there is to say.
    details: Option<String>,
}

impl EntryDocument {
    fn of(entry: &Entry) -> EntryDocument {
        let act = &entry.act;
        EntryDocument {
            id: entry.id,
            at: time(entry.at),
            action: act.action.word(),
            object: ObjectDocument { kind: act.thing.word(), id: act.id, name: act.name.clone() },
            by: ActorDocument::of(&entry.by),
            details: act.details.clone(),
        }
    }
}

/// The names of the filters, which the page has too.
const FILTERS: [&str; 5] = ["action", "object", "object_id", "by", "by_id"];

/// Takes the filters out of a query, and what they say as it is to be said again.
pub(crate) fn take_filter(query: &mut Query, caller: &Caller) -> (ActFilter, Vec<(&'static str, String)>) {
    // A field of a form that is left empty asks for nothing.
    let said = FILTERS.into_iter().filter_map(|name| query.named(name).map(|text| (name, text))).collect();
    let number = |text: &str| text.parse::<i64>().map_err(|_| "This is a whole number.");
    let filter = ActFilter {
        with_server: caller.user.is_operator,
        action: query.take("action", |word| Action::from_word(word).ok_or("There is no such action.")),
        thing: query.take("object", |word| Thing::from_word(word).ok_or("There is no such sort of object.")),
        id: query.take("object_id", number),
        by: query.take("by", |word| Who::known_word(word).ok_or("There is no such sort of actor.")),
        by_id: query.take("by_id", number),
        ..ActFilter::of(caller.owner())
    };
    (filter, said)
}

/// List who did what, the latest first: every change that was made to what is yours, by you, by your keys and by oncue itself, and whatever was fired
/// by hand. The operator sees what concerns the server too. Kept for 400 days, and at most the latest 20 000 of each account; what fired by schedule
/// or by a call of `fire` is not in it, because events tell that.
#[utoipa::path(get, path = "/api/v1/audit", tag = "Audit log", operation_id = "list_audit",
    params(
        ("action" = Option<String>, Query, description = "Only this: `created`, `edited`, `deleted`, `fired`, `paused`, `resumed`, `suspended`, `logged_in`, `login_failed`, `logged_out`, `others_logged_out`, `password_changed`, `disabled`, `preferences_changed`, `redelivered`, `cancelled`, `released`, `discarded`, `backfilled`, `frozen`, `thawed`, `put_off`, `held`, `ended`, `was_away`, `given_up`, `rearmed` or `zone_data_changed`."),
        ("object" = Option<String>, Query, description = "Only what was done to this sort: `trigger`, `destination`, `calendar`, `api_key`, `user`, `delivery` or `server`."),
        ("object_id" = Option<i64>, Query, description = "Only what was done to the object of this id."),
        ("by" = Option<String>, Query, description = "Only what was done by this sort: `user`, `api_key`, `command_line`, `system` or `stranger`."),
        ("by_id" = Option<i64>, Query, description = "Only what was done by the user or key of this id."),
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it up to 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [EntryDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let page = take_page(&mut query, id_of);
    let (filter, mut said) = take_filter(&mut query, &caller);
    query.finish()?;
    let mut entries = app.store.acts(filter, page.cursor, page.limit + 1).await?;
    let has_more = entries.len() > page.limit;
    entries.truncate(page.limit);
    let next = entries.last().filter(|_| has_more).map(|last| {
        said.extend([("limit", next_limit(page.limit)), ("cursor", last.id.to_string())]);
        said
    });
    let items: Vec<_> = entries.iter().map(EntryDocument::of).collect();
    Ok(respond(&items, "/api/v1/audit", next))
}
