//! Every node's row, for the operator to see. Nothing is judged here: a row that stands has not been given up.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use oncue_domain::node::{Identity, NodeView, Work};
use oncue_domain::store::Result;
use serde::Deserialize;
use tokio_postgres::Row;

use super::Node;
use crate::codec::instant;
use crate::postgres::{column, query};

/// The nodes that run and have begun.
pub(in crate::postgres) async fn list(client: &Client, node: &Node) -> Result<Vec<NodeView>> {
    let sql = "SELECT id, name, version, address, started_at, seen_at, facts
               FROM nodes
               WHERE alive_at IS NOT NULL
               ORDER BY id";
    query(client, sql, &[]).await?.iter().map(|row| view(row, node)).collect()
}

/// What a node tells about itself. One of another version may say more or less; that is no reason to show none of it.
#[derive(Default, Deserialize)]
struct Told {
    #[serde(flatten)]
    work: Option<Work>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

fn view(row: &Row, node: &Node) -> Result<NodeView> {
    let id: i64 = column(row, 0)?;
    let is_asked = id == node.id();
    let facts: Option<&str> = column(row, 6)?;
    let told: Told = facts.and_then(|facts| serde_json::from_str(facts).ok()).unwrap_or_default();
    let settings = if is_asked { node.identity.settings.clone() } else { told.settings };
    Ok(NodeView {
        id,
        identity: Identity { name: column(row, 1)?, version: column(row, 2)?, address: column(row, 3)?, settings },
        started_at: instant(column(row, 4)?)?,
        seen_at: instant(column(row, 5)?)?,
        is_asked,
        // Newer than what its row holds.
        work: if is_asked { node.work() } else { told.work },
    })
}
