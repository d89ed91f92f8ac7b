//! How the server is: for load balancers, for monitoring, and for a person who wonders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oncue_domain::audit::{Defect, Round};
use oncue_domain::freeze::Freeze;
use oncue_domain::health::{Punctuality, Trouble};
use oncue_domain::store;
use serde::Serialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::api::time;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Problem};
use crate::guard::ClientAddress;
use crate::openapi::Errors;

/// Whoever looks at the numbers waits no longer than this for any of those that the database has to count; the others are told all
/// the same.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// Whether the server can do its work.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness, example = json!({"status": "ready", "database": "ok", "tzdata": "2026e", "version": "0.1.0"}))]
pub(crate) struct Readiness {
    /// `ready` or `unavailable`.
    status: &'static str,
    /// `ok`, or that it cannot be reached.
    database: &'static str,
    /// The release of the zone data in use.
    tzdata: String,
    version: &'static str,
}

/// Answers.
#[utoipa::path(get, path = "/ping", tag = "Server", operation_id = "ping",
    responses((status = 200, body = Value, example = json!({"ping": "pong"}))))]
pub(crate) async fn ping() -> Json<Value> {
    Json(json!({"ping": "pong"}))
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "Server", operation_id = "healthz",
    responses((status = 200, body = Value, example = json!({"status": "alive"}))))]
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// Whether oncue keeps time.
#[derive(Serialize, ToSchema)]
#[schema(as = Punctuality, example = json!({
    "status": "late", "checked_at": "2026-11-21T10:00:30Z",
    "troubles": [{
        "trouble": "late", "since": "2026-11-21T10:00:00Z", "seconds": 30.0, "triggers": 12,
        "detail": "The occurrences of 12 triggers are due and have not fired; the oldest is late by 30 s."
    }],
    "audit": {
        "ended_at": "2026-11-21T10:00:03Z", "seconds": 2.1, "triggers": 2950,
        "defects": {"disarmed": 1, "astray": 0, "outdated": 0, "needless": 0, "forgotten": 0, "unreadable": 0, "missing": 0, "doubled": 0, "unnamed": 0},
        "repaired": 1, "moved": 0
    }
}))]
pub(crate) struct PunctualityDocument {
    /// `on time` or `late`.
    status: &'static str,
    /// When that was found out: at most a second ago.
    checked_at: String,
    /// What stands against it; none while oncue keeps time.
    troubles: Vec<TroubleDocument>,
    /// The last round of the auditor over the triggers that fall on this node; null before its first has ended. What it found is no trouble
    /// here: it is put right, or past.
    audit: Option<AuditDocument>,
}

/// A round of the auditor over all scheduled triggers.
#[derive(Serialize, ToSchema)]
#[schema(as = Audit, example = json!({
    "ended_at": "2026-11-21T10:00:03Z", "seconds": 2.1, "triggers": 2950,
    "defects": {"disarmed": 1, "astray": 0, "outdated": 0, "needless": 0, "forgotten": 0, "unreadable": 0, "missing": 0, "doubled": 0, "unnamed": 0},
    "repaired": 1, "moved": 0
}))]
struct AuditDocument {
    /// When it ended.
    ended_at: String,
    /// How long it took.
    seconds: f64,
    /// How many scheduled triggers it looked over.
    triggers: u64,
    /// How many defects it found, by their sort.
    defects: BTreeMap<&'static str, u64>,
    /// How many of them were put right.
    repaired: u64,
    /// How many triggers wait for another instant because new zone data has moved it, which is no defect.
    moved: u64,
}

impl AuditDocument {
    fn of(round: Round) -> AuditDocument {
        AuditDocument {
            ended_at: time(round.ended_at),
            seconds: round.ended_at.duration_since(round.began_at).as_secs_f64(),
            triggers: round.triggers,
            defects: Defect::ALL
                .into_iter()
                .filter(|defect| defect.is_mistake())
                .map(|defect| (defect.word(), round.found.of(defect)))
                .collect(),
            repaired: round.repaired,
            moved: round.found.of(Defect::Moved),
        }
    }
}

/// Why oncue does not keep time.
#[derive(Serialize, ToSchema)]
#[schema(as = Trouble, example = json!({
    "trouble": "stalled", "since": "2026-11-21T10:00:00Z", "seconds": 42.5, "triggers": null,
    "detail": "The scheduler has not looked at what is due for 42 s."
}))]
struct TroubleDocument {
    /// `late`: occurrences are due by more than 10 s and have not fired; `stalled`: this node's scheduler has not looked at what is due for
    /// more than 10 s; `unanswered`: the database does not say what is due.
    trouble: &'static str,
    /// Since when: the oldest of the occurrences, the scheduler's last look, when the database was first found silent.
    since: String,
    /// How late the oldest occurrence is, or how long it has been so.
    seconds: f64,
    /// How many triggers wait for an occurrence that is late, counted up to 100 000; null for other troubles.
    triggers: Option<u64>,
    /// The same in words.
    detail: String,
}

impl PunctualityDocument {
    fn of(found: &Punctuality, audited: Option<Round>) -> PunctualityDocument {
        PunctualityDocument {
            status: if found.is_kept() { "on time" } else { "late" },
            checked_at: time(found.checked_at),
            troubles: found.troubles.iter().map(|trouble| TroubleDocument::of(*trouble, found)).collect(),
            audit: audited.map(AuditDocument::of),
        }
    }
}

impl TroubleDocument {
    fn of(trouble: Trouble, found: &Punctuality) -> TroubleDocument {
        let (seconds, triggers) = match trouble {
            Trouble::Late { by, count, .. } => (by.as_secs_f64(), Some(count)),
            Trouble::Stalled { ago, .. } => (ago.as_secs_f64(), None),
            Trouble::Unanswered { since } => (found.checked_at.duration_since(since).as_secs_f64(), None),
        };
        TroubleDocument {
            trouble: trouble.word(),
            since: time(trouble.since()),
            seconds,
            triggers,
            detail: trouble.sentence(),
        }
    }
}

/// oncue keeps time: nothing that is due has waited for more than 10 s, and the scheduler looks.
///
/// On PostgreSQL any node tells of what is due for all, and of its own scheduler.
#[utoipa::path(get, path = "/healthz/schedule", tag = "Server", operation_id = "healthz_schedule",
    responses((status = 200, body = PunctualityDocument), (status = 503, body = PunctualityDocument)))]
pub(crate) async fn schedule(State(app): State<App>) -> Response {
    let found = app.health.punctuality().await;
    let status = if found.is_kept() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(PunctualityDocument::of(&found, app.health.audited()))).into_response()
}

/// The database is reachable and migrated.
#[utoipa::path(get, path = "/readyz", tag = "Server", operation_id = "readyz",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let is_ready = match app.store.check().await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "not ready");
            false
        }
    };
    let readiness = Readiness {
        status: if is_ready { "ready" } else { "unavailable" },
        database: if is_ready { "ok" } else { "unreachable" },
        tzdata: app.zones.release.clone(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// What happened, for Prometheus. Open on loopback; from elsewhere it takes an operator's login or key, or the token.
#[utoipa::path(get, path = "/metrics", tag = "Server", operation_id = "metrics",
    responses((status = 200, content_type = "text/plain", body = String), Errors))]
pub(crate) async fn metrics(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    permit(&app, client, &headers).await?;
    measure(&app).await;
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((content_type, app.metrics.render()).into_response())
}

/// What the database knows of all nodes, and whether it answers at all. What it cannot tell in time stays as it was told last: one table
/// that is locked hides nothing but its own number.
async fn measure(app: &App) {
    let now = app.now();
    // Whoever finds out writes the number down itself. It may take longer than anybody waits here, a few seconds at the most, and is
    // let finish: a database that hangs must not keep its number from being told the next time.
    let health = Arc::clone(&app.health);
    let punctuality = tokio::spawn(async move { health.punctuality().await });
    let (_, owed, counts, nodes, waiting, freezes) = tokio::join!(
        tokio::time::timeout(COUNTED_WITHIN, punctuality),
        in_time(app.store.owed_counts()),
        in_time(app.store.due_counts(now)),
        in_time(app.store.nodes()),
        in_time(app.store.all_backlog_sums()),
        in_time(app.store.freezes(now)),
    );
    let is_up = owed.is_some() || counts.is_some() || nodes.is_some() || waiting.is_some();
    metrics::gauge!("oncue_database_up").set(u8::from(is_up));
    metrics::gauge!("oncue_node_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    if let Some(owed) = owed {
        metrics::gauge!("oncue_deliveries_owed").set(u32::try_from(owed.owed).unwrap_or(u32::MAX));
        metrics::gauge!("oncue_deliveries_failed").set(u32::try_from(owed.undelivered).unwrap_or(u32::MAX));
    }
    if let Some(waiting) = waiting {
        let free = waiting.occurrences.saturating_sub(waiting.held);
        for (state, occurrences) in [("waiting", free), ("held", waiting.held)] {
            let occurrences = u32::try_from(occurrences).unwrap_or(u32::MAX);
            metrics::gauge!("oncue_backlog_occurrences", "state" => state).set(occurrences);
        }
    }
    if let Some(counts) = counts {
        metrics::gauge!("oncue_triggers_overdue").set(u32::try_from(counts.overdue).unwrap_or(u32::MAX));
    }
    if let Some(freezes) = freezes {
        for (scope, is_everybodys) in [("server", true), ("mine", false)] {
            let holding = |freeze: &&Freeze| freeze.owner.is_none() == is_everybodys && freeze.stands_at(now);
            let count = freezes.all.iter().filter(holding).count();
            metrics::gauge!("oncue_freezes", "scope" => scope).set(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }
    if let Some(nodes) = nodes {
        let running = nodes.iter().filter(|node| !node.is_silent(now)).count();
        metrics::gauge!("oncue_nodes_running").set(u32::try_from(running).unwrap_or(u32::MAX));
    }
}

/// The answer, if it comes in time.
async fn in_time<T>(answer: impl Future<Output = store::Result<T>>) -> Option<T> {
    tokio::time::timeout(COUNTED_WITHIN, answer).await.ok()?.ok()
}

async fn permit(app: &App, client: ClientAddress, headers: &HeaderMap) -> Result<(), Fault> {
    // Behind a proxy on the same machine everybody comes from loopback; then loopback proves nothing.
    let is_local = app.settings.listen.ip().is_loopback() && client.ip.is_loopback() && !client.is_forwarded;
    if is_local || has_token(app, headers) {
        return Ok(());
    }
    match Caller::find(app, headers).await? {
        Some(caller) if caller.user.is_operator => caller.require(oncue_domain::access::Scope::Read),
        Some(_) => Err(Fault::new(StatusCode::FORBIDDEN, "Metrics are for the operator.")),
        None => Err(Fault::Unauthenticated),
    }
}

fn has_token(app: &App, headers: &HeaderMap) -> bool {
    let Some(token) = &app.settings.metrics_token else { return false };
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let sent = sent.strip_prefix("Bearer ").unwrap_or_default();
    sent.as_bytes().ct_eq(token.as_bytes()).into()
}
