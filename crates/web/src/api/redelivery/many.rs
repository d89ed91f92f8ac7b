//! Sending many deliveries again: a selection, with what came of each, or all failed ones that match a filter, which can be counted first.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use oncue_domain::error::Invalid;
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::redelivery::{DeliveryId, REDELIVERED_MAX, Refusal, SELECTED_MAX, SLICE_MAX};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::UndeliveredFilter;
use oncue_domain::trigger::just_before;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{BACKWARDS, Fields, JsonBody, is_backwards};
use crate::fault::{Fault, Problem};
use crate::openapi::MakingErrors;

/// Up to how many failed deliveries are counted.
pub(crate) const COUNTED_MAX: u64 = 100_000;

/// Which deliveries are to be sent again: either `filter` or `deliveries`.
#[derive(Deserialize, ToSchema)]
#[schema(as = RedeliveryInput, example = json!({"filter": {"destination_id": 3, "since": "2026-11-23T07:00:00Z"}, "dry_run": true}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct RedeliveryInput {
    /// All failed deliveries for which all of this holds; `{}` for every one.
    filter: Option<FilterInput>,
    /// With `filter`: only count them.
    dry_run: Option<bool>,
    /// These, at most 200, failed or delivered.
    deliveries: Option<Vec<Chosen>>,
}

/// Which failed deliveries are meant. All conditions hold together.
#[derive(Deserialize, ToSchema)]
#[schema(as = FailedDeliveryFilter, example = json!({"destination_id": 3, "since": "2026-11-23T07:00:00Z"}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct FilterInput {
    /// Only those to this destination.
    destination_id: Option<i64>,
    /// Only those of this trigger.
    trigger_id: Option<i64>,
    /// Only those that were given up at this instant or later.
    since: Option<String>,
    /// Only those that were given up at this instant or before.
    until: Option<String>,
}

/// A delivery by its event and its slot.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChosenDelivery, example = json!({"event_id": 29, "slot": 1}))]
pub(crate) struct Chosen {
    event_id: i64,
    slot: u32,
}

/// How many deliveries match, or what was done with them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Redelivery, example = json!({"redelivered": 120, "remaining": 0}))]
pub(crate) enum RedeliveryDocument {
    /// With `dry_run`.
    Counted {
        /// How many failed deliveries match, counted up to 100 000.
        matching: u64,
        /// How many one call sends again at most.
        cap: u64,
    },
    /// With `filter`.
    Matching {
        /// How many are owed again.
        redelivered: u64,
        /// How many match still: those beyond the cap, those that cannot be sent again, and those that have failed anew.
        remaining: u64,
    },
    /// With `deliveries`.
    Chosen {
        /// How many are owed again.
        redelivered: u64,
        /// What came of each, in their order.
        results: Vec<ResultDocument>,
    },
}

/// What came of one delivery of a selection.
#[derive(Serialize, ToSchema)]
#[schema(as = RedeliveryResult, example = json!({"event_id": 29, "slot": 1, "result": "redelivered", "detail": null}))]
pub(crate) struct ResultDocument {
    event_id: i64,
    slot: u32,
    /// `redelivered`, `owed`, `parked`, `ending`, `destination-gone` or `not-found`.
    result: &'static str,
    /// Why it is not sent again.
    detail: Option<String>,
}

impl ResultDocument {
    fn of(id: DeliveryId, result: Result<(), Refusal>) -> ResultDocument {
        let (word, detail) = match result {
            Ok(()) => ("redelivered", None),
            Err(refusal) => (word(refusal), Some(refusal.to_string())),
        };
        ResultDocument { event_id: id.event.0, slot: id.slot, result: word, detail }
    }
}

fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotFound => "not-found",
        Refusal::Owed => "owed",
        Refusal::Parked => "parked",
        Refusal::Ending => "ending",
        Refusal::DestinationGone => "destination-gone",
    }
}

/// Send many deliveries again: all failed ones that match a filter, at most 10 000 in one call, or up to 200 that are named.
#[utoipa::path(post, path = "/api/v1/deliveries/redeliver", tag = "Deliveries", operation_id = "redeliver_many",
    request_body(content = RedeliveryInput), responses((status = 200, body = RedeliveryDocument), MakingErrors))]
pub(crate) async fn redeliver_many(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let owner = caller.owner();
    let document = match read_wish(&body, &app.settings.zone)? {
        Wish::Count(filter) => {
            RedeliveryDocument::Counted { matching: count(&app, owner, filter).await?, cap: REDELIVERED_MAX as u64 }
        }
        Wish::Matching(filter) => {
            let Sent { redelivered, remaining } = redeliver_matching(&app, &caller, filter).await?;
            RedeliveryDocument::Matching { redelivered, remaining }
        }
        Wish::Chosen(chosen) => {
            let results = redeliver_chosen(&app, &caller, &chosen).await?;
            let redelivered = results.iter().filter(|result| result.is_ok()).count() as u64;
            let results = chosen.into_iter().zip(results).map(|(id, result)| ResultDocument::of(id, result));
            RedeliveryDocument::Chosen { redelivered, results: results.collect() }
        }
    };
    Ok(Json(document).into_response())
}

/// What a body asks for.
enum Wish {
    /// How many match.
    Count(UndeliveredFilter),
    /// All that match.
    Matching(UndeliveredFilter),
    /// These.
    Chosen(Vec<DeliveryId>),
}

fn read_wish(body: &JsonBody, zone: &Zone) -> Result<Wish, Fault> {
    let mut fields = Fields::parse(body.needed()?)?;
    let is_dry_run = fields.take::<bool>("dry_run", "This must be true or false.");
    let filter = fields.take_object("filter").map(|mut inner| {
        let filter = read_filter(&mut inner, zone);
        fields.absorb(inner);
        filter
    });
    let chosen: Option<Vec<Chosen>> =
        fields.take("deliveries", "This must be a list of objects such as {\"event_id\": 29, \"slot\": 0}.");
    if chosen.as_ref().is_some_and(|chosen| chosen.len() > SELECTED_MAX) {
        fields.fail("deliveries", format!("At most {SELECTED_MAX} deliveries are named at once."));
    }
    if chosen.is_some() && is_dry_run == Some(true) {
        fields.fail("dry_run", "Only what matches a filter can be counted.");
    }
    fields.finish()?;
    match (filter, chosen) {
        (Some(filter), None) if is_dry_run == Some(true) => Ok(Wish::Count(filter)),
        (Some(filter), None) => Ok(Wish::Matching(filter)),
        (None, Some(chosen)) => Ok(Wish::Chosen(
            chosen
                .into_iter()
                .map(|chosen| DeliveryId { event: EventId(chosen.event_id), slot: chosen.slot })
                .collect(),
        )),
        _ => Err(Invalid::new("", "Say which deliveries: either a filter, or a list of deliveries.").into()),
    }
}

fn read_filter(fields: &mut Fields, zone: &Zone) -> UndeliveredFilter {
    let number = "This must be a whole number.";
    let (since, until) = (fields.take_instant("since", zone), fields.take_instant("until", zone));
    if is_backwards(since, until) {
        fields.fail("until", BACKWARDS);
    }
    UndeliveredFilter {
        destination: fields.take("destination_id", number).map(DestinationId),
        trigger: fields.take("trigger_id", number).map(TriggerId),
        failed_after: since.map(just_before),
        failed_until: until,
    }
}

/// How many failed deliveries match.
pub(crate) async fn count(app: &Shared, owner: UserId, filter: UndeliveredFilter) -> Result<u64, Fault> {
    let gone_until = app.settings.retention.gone_until(app.now());
    Ok(app.store.count_undelivered(owner, filter, gone_until, COUNTED_MAX).await?)
}

/// What came of sending all again that match.
pub(crate) struct Sent {
    pub(crate) redelivered: u64,
    /// How many match still.
    pub(crate) remaining: u64,
}

/// Lets all failed deliveries that match be owed again, at most [`REDELIVERED_MAX`].
pub(crate) async fn redeliver_matching(
    app: &Shared,
    caller: &Caller,
    filter: UndeliveredFilter,
) -> Result<Sent, Fault> {
    let (owner, store) = (caller.owner(), app.acting(caller));
    let (retention, now) = (app.settings.retention, app.now());
    let (mut looked_at, mut redelivered, mut after) = (0, 0, None);
    // In slices, so that whoever else writes is not held up; each goes on below the one before, so that what fails anew meanwhile is
    // not sent a third time.
    while looked_at < REDELIVERED_MAX {
        let limit = (REDELIVERED_MAX - looked_at).min(SLICE_MAX);
        let slice = store.redeliver_matching(owner, filter, after, limit, retention, now).await?;
        looked_at += slice.redelivered + slice.refused;
        redelivered += slice.redelivered as u64;
        after = slice.go_on_after;
        if after.is_none() {
            break;
        }
    }
    Ok(Sent { redelivered, remaining: count(app, owner, filter).await? })
}

/// Lets those of these deliveries be owed again that may be; gives what came of each, in their order.
pub(crate) async fn redeliver_chosen(
    app: &Shared,
    caller: &Caller,
    chosen: &[DeliveryId],
) -> Result<Vec<Result<(), Refusal>>, Fault> {
    Ok(app.acting(caller).redeliver(caller.owner(), chosen.to_vec(), app.settings.retention, app.now()).await?)
}
