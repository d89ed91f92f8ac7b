//! Brings a database to its present shape, one node at a time however many start at once: they wait for an advisory lock and
//! find the work done.

use deadpool_postgres::Client;
use oncue_domain::store::{Error, Result};

use super::address::Address;
use super::connect::Connections;
use super::patiently::{execute, query};
use super::{column, failed, locks};
use crate::migrations::{Migration, POSTGRES, Step, pending, steps as all_steps};

/// Takes the steps that are missing, as a server does when it starts, and gives those.
///
/// # Errors
/// In words for the operator: the database cannot be reached or used, or it is newer than this program.
pub async fn migrate(address: &Address) -> std::result::Result<Vec<Step>, String> {
    let mut client = visit(address).await?;
    let unusable = |words: String| format!("The database {address} cannot be used: {words}");
    let taken = run(&mut client).await.map_err(|error| unusable(error.to_string()))?.map_err(unusable)?;
    Ok(taken.iter().map(|step| Step { version: step.version, name: step.name, is_taken: true }).collect())
}

/// All steps, and which of them the database has taken; nothing is changed.
///
/// # Errors
/// In words for the operator: the database cannot be reached or used, or it is newer than this program.
pub async fn steps(address: &Address) -> std::result::Result<Vec<Step>, String> {
    let client = visit(address).await?;
    let unusable = |words: String| format!("The database {address} cannot be used: {words}");
    read_steps(&client).await.map_err(|error| unusable(error.to_string()))?.map_err(unusable)
}

async fn visit(address: &Address) -> std::result::Result<Client, String> {
    let unusable = |error: Error| format!("The database {address} cannot be used: {error}");
    Connections::new(address, 1)?.client().await.map_err(unusable)
}

/// Takes the steps that are missing, all of them or none, and gives those.
pub(super) async fn run(client: &mut Client) -> Result<std::result::Result<Vec<&'static Migration>, String>> {
    // A lock that others hold for as long as their steps take is worth waiting for.
    client.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0").await.map_err(failed)?;
    let outcome = run_in_transaction(client).await;
    let back = client.batch_execute("RESET lock_timeout; RESET statement_timeout").await.map_err(failed);
    let outcome = outcome?;
    back?;
    Ok(outcome)
}

async fn run_in_transaction(client: &mut Client) -> Result<std::result::Result<Vec<&'static Migration>, String>> {
    let transaction = client.transaction().await.map_err(failed)?;
    query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&locks::MIGRATING]).await?;
    transaction
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)",
        )
        .await
        .map_err(failed)?;
    let steps = match pending(POSTGRES, &taken(&transaction).await?) {
        Ok(steps) => steps,
        Err(words) => return Ok(Err(words)),
    };
    for step in &steps {
        transaction.batch_execute(step.sql).await.map_err(failed)?;
        let sql = "INSERT INTO migrations (version, name, checksum) VALUES ($1, $2, $3)";
        execute(&transaction, sql, &[&step.version, &step.name, &step.checksum()]).await?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(Ok(steps))
}

async fn taken(client: &impl deadpool_postgres::GenericClient) -> Result<Vec<(i64, String)>> {
    let rows = query(client, "SELECT version, checksum FROM migrations ORDER BY version", &[]).await?;
    rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect()
}

/// All steps, and whether the database has taken them; nothing is changed.
pub(super) async fn read_steps(client: &Client) -> Result<std::result::Result<Vec<Step>, String>> {
    let is_there = query(client, "SELECT to_regclass('migrations') IS NOT NULL", &[]).await?;
    let is_there: bool = is_there.first().map_or(Ok(false), |row| column(row, 0))?;
    let taken = if is_there { taken(client).await? } else { Vec::new() };
    Ok(all_steps(POSTGRES, &taken))
}
