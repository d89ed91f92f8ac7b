//! The side of a copy that takes. A row in `copies` says from the first moment on that one is under way, and for as long as
//! it is not done no server starts here: half of the data would be served, or all of it twice. What an interrupted
//! copy left is thrown away by the next one; nothing else ever is.

use std::collections::BTreeSet;
use std::pin::pin;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::node::GONE_AFTER;
use oncue_domain::store::{Error, Result};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::address::Address;
use super::clock::NOW;
use super::connect::Connections;
use super::patiently::{execute, query, query_first};
use super::{column, failed, locks, migrate, partition};
use crate::codec::instant;
use crate::copy::table::{Rows, TABLES, Table, Value};

/// What is said to whoever comes too early.
pub(super) const UNDER_WAY: &str = "a copy into it has begun and is not done. Run the same `oncue copy` again, which finishes it; \
                                    or give up on it, and let this oncue have another, empty database.";

/// How often and how long the end of a copy that was killed is waited for.
const TRIES: u32 = 50;
const BETWEEN_TRIES: std::time::Duration = std::time::Duration::from_millis(200);

/// Whether a copy into this database has begun and is not done.
pub(super) async fn is_under_way(client: &impl GenericClient) -> Result<bool> {
    let row = super::query_first(client, "SELECT EXISTS (SELECT 1 FROM copies WHERE done_at IS NULL)", &[]).await?;
    row.map_or(Ok(false), |row| column(&row, 0))
}

/// What a database was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nobody's: there is nothing in it.
    Empty,
    /// Begun to be filled by the copy of this id.
    Begun(String),
    /// Filled by the copy of this id, and handed over.
    Done(String),
    /// Somebody's.
    Filled,
}

/// A database that is being copied into.
pub(crate) struct Target {
    client: Client,
    name: String,
    partitions: BTreeSet<i64>,
}

impl Target {
    /// Enters the database, as the only one who copies into it, and brings it up to date.
    pub(crate) async fn open(address: &Address) -> std::result::Result<Target, String> {
        let unusable = |words: String| format!("The database {address} cannot be used: {words}");
        let client = Connections::new(address, 1)?.client().await;
        let mut client = client.map_err(|error| unusable(error.to_string()))?;
        let prepared = prepare(&client).await.map_err(|error| unusable(error.to_string()))?;
        if !prepared {
            return Err(unusable("another `oncue copy` is at work on it.".to_owned()));
        }
        migrate::run(&mut client).await.map_err(|error| unusable(error.to_string()))?.map_err(unusable)?;
        // The migrations have put the limits back.
        without_limits(&client).await.map_err(|error| unusable(error.to_string()))?;
        Ok(Target { client, name: address.to_string(), partitions: BTreeSet::new() })
    }

    /// Where it is, for people.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it was before this copy.
    pub(crate) async fn before(&self) -> Result<Before> {
        before(&self.client).await
    }

    /// Shuts all servers out, for the copy of this id.
    ///
    /// A node takes its number under the same lock, so it either is seen here or sees that it may not.
    ///
    /// # Errors
    /// In words, when a server is running or the database is somebody's by now.
    pub(crate) async fn shut(
        &mut self,
        id: &str,
        source: &str,
        now: Timestamp,
    ) -> Result<std::result::Result<(), String>> {
        let transaction = self.client.transaction().await.map_err(failed)?;
        query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&locks::NODES]).await?;
        let gone_after_us = i64::try_from(GONE_AFTER.as_micros()).unwrap_or(i64::MAX);
        let sql = format!("DELETE FROM nodes WHERE seen_at <= {NOW} - $1");
        execute(&transaction, &sql, &[&gone_after_us]).await?;
        if let Some(row) = query_first(&transaction, "SELECT name, address FROM nodes", &[]).await? {
            let (name, address): (String, String) = (column(&row, 0)?, column(&row, 1)?);
            return Ok(Err(format!(
                "An oncue serves {} ({name}, {address}). Stop all of them first; one that was killed is forgotten after three seconds.",
                self.name
            )));
        }
        match before(&transaction).await? {
            Before::Empty => {}
            Before::Begun(other) | Before::Done(other) if other == id => {}
            _ => return Ok(Err(filled(&self.name))),
        }
        let sql = "INSERT INTO copies (id, source, begun_at) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE SET source = excluded.source, begun_at = excluded.begun_at, done_at = NULL";
        execute(&transaction, sql, &[&id, &source, &now.as_microsecond()]).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(Ok(()))
    }

    /// Throws away what an interrupted copy left.
    pub(crate) async fn clear(&mut self) -> Result<()> {
        partition::drop_all(&mut self.client).await?;
        self.partitions.clear();
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        self.client.batch_execute(&format!("TRUNCATE {}", names.join(", "))).await.map_err(failed)?;
        // An empty database may have been served, and have let go of what would now come.
        execute(&self.client, "UPDATE expired SET fired_at = $1, event_id = $1", &[&i64::MIN]).await.map(drop)
    }

    /// Writes rows; all of them or none.
    pub(crate) async fn write(&mut self, table: &Table, rows: &Rows) -> Result<u64> {
        if let Some(place) = table.fired_at {
            let mut fired = BTreeSet::new();
            for row in rows {
                if let Some(Value::Number(Some(at))) = row.get(place) {
                    fired.insert(partition::number_of(instant(*at)?));
                }
            }
            for number in fired.difference(&self.partitions) {
                partition::make(&mut self.client, *number).await?;
            }
            self.partitions.extend(fired);
        }
        let types: Vec<Type> = table.columns.iter().map(|column| column.kind.type_in_target()).collect();
        let sink = self.client.copy_in(&table.copy_in()).await.map_err(failed)?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for row in rows {
            writer.as_mut().write_raw(row.iter().map(Value::as_parameter)).await.map_err(failed)?;
        }
        writer.finish().await.map_err(failed)
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &Table) -> Result<u64> {
        let row = query_first(&self.client, &format!("SELECT count(*) FROM {}", table.name), &[]).await?;
        let count: i64 = row.map_or(Ok(0), |row| column(&row, 0))?;
        Ok(count.unsigned_abs())
    }

    /// What is numbered goes on behind the last number that was given out, and the last sign of life is the source's.
    pub(crate) async fn carry_on(
        &self,
        last: &[(&'static str, Option<i64>)],
        alive_at: Option<Timestamp>,
    ) -> Result<()> {
        for (sequence, last) in last {
            let start: i64 = if *sequence == "tried_out_triggers" { -1 } else { 1 };
            let last = last.filter(|last| *last != 0);
            let sql = format!("SELECT setval('{sequence}', $1, $2)");
            query(&self.client, &sql, &[&last.unwrap_or(start), &last.is_some()]).await?;
        }
        let alive_at = alive_at.map_or(i64::MIN, Timestamp::as_microsecond);
        execute(&self.client, "UPDATE last_sign SET alive_at = $1", &[&alive_at]).await?;
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        // So that the first queries are planned for what is there.
        self.client.batch_execute(&format!("ANALYZE {}", names.join(", "))).await.map_err(failed)
    }

    /// From now on the database may be served.
    pub(crate) async fn hand_over(&self, id: &str, now: Timestamp) -> Result<()> {
        execute(&self.client, "UPDATE copies SET done_at = $2 WHERE id = $1", &[&id, &now.as_microsecond()])
            .await
            .map(drop)
    }
}

/// What is said of a database that is not to be filled.
pub(crate) fn filled(name: &str) -> String {
    format!("{name} holds data that did not come from here; nothing was changed. Copy into an empty database.")
}

/// Becomes the only one who copies, and waits for the end of a copy that was killed a moment ago. False when there is another
/// at work.
async fn prepare(client: &Client) -> Result<bool> {
    without_limits(client).await?;
    for _ in 0..TRIES {
        let row = query_first(client, "SELECT pg_try_advisory_lock($1)", &[&locks::COPYING]).await?;
        if row.map_or(Ok(false), |row| column(&row, 0))? {
            return Ok(true);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    Ok(false)
}

async fn without_limits(client: &Client) -> Result<()> {
    let sql = "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0";
    client.batch_execute(sql).await.map_err(failed)
}

async fn before(client: &impl GenericClient) -> Result<Before> {
    let sql = "SELECT id, done_at IS NOT NULL FROM copies ORDER BY begun_at DESC LIMIT 1";
    if let Some(row) = query_first(client, sql, &[]).await? {
        let id = column(&row, 0)?;
        return Ok(if column(&row, 1)? { Before::Done(id) } else { Before::Begun(id) });
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM triggers) OR EXISTS (SELECT 1 FROM events)";
    let row = query_first(client, sql, &[]).await?.ok_or_else(|| Error::Broken("no answer".to_owned()))?;
    Ok(if column(&row, 0)? { Before::Filled } else { Before::Empty })
}
