//! Every node's row, for the operator to see. Nothing is judged here: a row that stands has not been given up.

use deadpool_postgres::Client;
use oncue_domain::node::{Identity, NodeView};
use oncue_domain::store::Result;
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

fn view(row: &Row, node: &Node) -> Result<NodeView> {
    let id: i64 = column(row, 0)?;
    let is_asked = id == node.id();
    // A node of another version may say more or less about itself; that is no reason to show none at all.
    let told = || serde_json::from_str(column::<&str>(row, 6).ok()?).ok();
    Ok(NodeView {
        id,
        identity: Identity { name: column(row, 1)?, version: column(row, 2)?, address: column(row, 3)? },
        started_at: instant(column(row, 4)?)?,
        seen_at: instant(column(row, 5)?)?,
        is_asked,
        // Newer than what its row holds.
        work: if is_asked { node.work() } else { told() },
    })
}
