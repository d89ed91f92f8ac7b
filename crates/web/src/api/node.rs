//! The running nodes, for the operator: who they are, what they do, and how far all of them are together.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::node::{Identity, NodeView, Work};
use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::app::{App, Database};
use crate::auth::Caller;
use crate::fault::Problem;
use crate::openapi::Errors;

/// The server as a whole.
#[derive(Serialize, ToSchema)]
#[schema(as = Nodes, example = json!({
    "database": "postgresql", "owed": 3, "due": 1, "overdue": 0, "next_due_at": "2026-11-21T10:00:00Z",
    "nodes": [{
        "id": 7, "name": "alpha", "version": "0.1.0", "address": "10.0.0.7:8000",
        "started_at": "2026-11-21T08:00:00Z", "seen_at": "2026-11-21T09:59:58.7Z", "is_asked": true, "is_silent": false,
        "differs_in": [],
        "work": {
            "attempts_running": 2, "deliveries_waiting": 0, "scheduler_looked_at": "2026-11-21T09:59:58.6Z",
            "last_minute": {"fired": 240, "attempts": 241, "attempts_failed": 1, "lateness_max_ms": 2.4}
        }
    }]
}))]
pub(crate) struct NodesDocument {
    /// `sqlite` or `postgresql`.
    database: &'static str,
    /// Deliveries that have not ended, those under way and those that wait for their next attempt included.
    owed: u64,
    /// Triggers of all users whose occurrence is due; counted up to 100 000.
    due: u64,
    /// Those of them that are overdue by more than 5 s.
    overdue: u64,
    /// The earliest occurrence that is still to come.
    next_due_at: Option<String>,
    nodes: Vec<NodeDocument>,
}

/// A running node.
#[derive(Serialize, ToSchema)]
#[schema(as = Node)]
struct NodeDocument {
    /// A node that was given up and comes back has a new one.
    #[schema(example = 7)]
    id: i64,
    /// The machine's name.
    name: String,
    version: String,
    /// Where it listens.
    address: String,
    /// Since when it runs under this number.
    started_at: String,
    /// When it was last heard of.
    seen_at: String,
    /// Whether it is the one that answers.
    is_asked: bool,
    /// Whether it was not heard of for more than 1.5 s. After 3 s it is given up, and not listed any more.
    is_silent: bool,
    /// In what it differs from the node that answers, where all nodes of a database should be alike: `version`, or settings by their
    /// names (`--keep-for`, `JWT_SECRET`).
    differs_in: Vec<String>,
    /// What it does; null when it has not said so yet, or is of a version that says it otherwise.
    work: Option<WorkDocument>,
}

/// What a node does, by its own account of at most two seconds ago.
#[derive(Serialize, ToSchema)]
#[schema(as = NodeWork)]
struct WorkDocument {
    #[schema(example = 2)]
    attempts_running: u64,
    /// Deliveries that it holds and that wait for their turn.
    deliveries_waiting: u64,
    /// When its scheduler last looked at what is due; null before its first look.
    scheduler_looked_at: Option<String>,
    last_minute: MinuteDocument,
}

/// What a node did in its last minute.
#[derive(Serialize, ToSchema)]
#[schema(as = NodeMinute)]
struct MinuteDocument {
    /// Occurrences that fired.
    #[schema(example = 240)]
    fired: u64,
    /// Attempts that ended.
    attempts: u64,
    /// Those of them that did not arrive.
    attempts_failed: u64,
    /// By how much the latest-coming occurrence was late, those caught up after an absence aside; null when none fired.
    lateness_max_ms: Option<f64>,
}

impl NodeDocument {
    fn of(node: &NodeView, own: Option<&Identity>, now: Timestamp) -> NodeDocument {
        NodeDocument {
            id: node.id,
            name: node.identity.name.clone(),
            version: node.identity.version.clone(),
            address: node.identity.address.clone(),
            started_at: time(node.started_at),
            seen_at: time(node.seen_at),
            is_asked: node.is_asked,
            is_silent: node.is_silent(now),
            differs_in: own.map(|own| own.differences(&node.identity)).unwrap_or_default(),
            work: node.work.as_ref().map(WorkDocument::of),
        }
    }
}

impl WorkDocument {
    fn of(work: &Work) -> WorkDocument {
        WorkDocument {
            attempts_running: work.running,
            deliveries_waiting: work.waiting,
            scheduler_looked_at: work.looked_at.map(time),
            last_minute: MinuteDocument {
                fired: work.fired,
                attempts: work.attempts,
                attempts_failed: work.failed,
                lateness_max_ms: work.late_us_max.map(|late_us| late_us as f64 / 1000.0),
            },
        }
    }
}

/// Show the running nodes, and how far they are together. For the operator.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "Server", operation_id = "list_nodes",
    responses((status = 200, body = NodesDocument), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.require_operator()?;
    let now = app.now();
    let (backlog, counts, nodes) =
        tokio::try_join!(app.store.owed_counts(), app.store.due_counts(now), app.store.nodes())?;
    let own = nodes.iter().find(|node| node.is_asked).map(|node| &node.identity);
    let document = NodesDocument {
        database: match app.settings.database {
            Database::Sqlite => "sqlite",
            Database::Postgres(_) => "postgresql",
        },
        owed: backlog.owed,
        due: counts.due,
        overdue: counts.overdue,
        next_due_at: counts.next_at.map(time),
        nodes: nodes.iter().map(|node| NodeDocument::of(node, own, now)).collect(),
    };
    Ok(Json(document).into_response())
}
