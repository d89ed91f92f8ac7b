//! How statements are run: each is prepared once on its connection, and nobody waits for its answer beyond what the server
//! itself allows. What takes as long as there are rows is run `patiently`.

use deadpool_postgres::{Client, GenericClient, Transaction};
use oncue_domain::store::Result;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{IsolationLevel, Row};

use super::failure::failed;
use super::silence::answered;

/// A statement's parameters.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Runs a statement and gives its rows.
pub(super) async fn query(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
    answered(async {
        let statement = client.prepare_cached(sql).await?;
        client.query(&statement, params).await
    })
    .await
}

/// Runs a statement and gives its first row.
pub(super) async fn query_first(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
    Ok(query(client, sql, params).await?.into_iter().next())
}

/// Runs a statement and gives the number of rows that it changed.
pub(super) async fn execute(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<u64> {
    answered(async {
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, params).await
    })
    .await
}

/// Runs statements that take no parameters and give no rows.
pub(super) async fn run(client: &impl GenericClient, sql: &str) -> Result<()> {
    answered(client.batch_execute(sql)).await
}

/// Begins a transaction in which all reads see the same moment.
pub(super) async fn moment(client: &mut Client) -> Result<Transaction<'_>> {
    answered(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start()).await
}

/// The same for whoever has lifted the server's limit of a statement's time: migrations and copies take as long as there are rows,
/// and have nobody waiting for them but the operator.
pub(super) mod patiently {
    use super::{GenericClient, Params, Result, Row, failed};

    /// Runs a statement and gives its rows.
    pub(in super::super) async fn query(
        client: &impl GenericClient,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>> {
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        client.query(&statement, params).await.map_err(failed)
    }

    /// Runs a statement and gives its first row.
    pub(in super::super) async fn query_first(
        client: &impl GenericClient,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Option<Row>> {
        Ok(query(client, sql, params).await?.into_iter().next())
    }

    /// Runs a statement and gives the number of rows that it changed.
    pub(in super::super) async fn execute(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<u64> {
        let statement = client.prepare_cached(sql).await.map_err(failed)?;
        client.execute(&statement, params).await.map_err(failed)
    }
}

/// Reads a column.
pub(super) fn column<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(failed)
}

/// A number of rows as the database takes it.
pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
