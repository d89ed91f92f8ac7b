//! Streaks of failures in PostgreSQL, and the events that tell of them: written in the transaction that settles, under the lock of the
//! destination's row, so that of all nodes one finds the failure with which somebody is to be told.
//!
//! A success at a destination that is not failing writes nothing and locks nothing. It is found out just before it is settled
//! whether its destination is failing; a streak that another node begins between that look and the settlement began after
//! this success for all that anybody can tell, and the next success ends it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::delivery::Settlement;
use oncue_domain::destination::Destination;
use oncue_domain::destination::alert::{Last, News, Over, Streak, after_attempt, after_suspension, telling};
use oncue_domain::destination::definition::Alert;
use oncue_domain::event::Origin;
use oncue_domain::id::{DestinationId, MessageId, UserId};
use oncue_domain::store::Result;
use tokio_postgres::Row;

use super::log::{Unkept, log_unkept};
use super::{Shared, column, destination, execute, query, query_first};
use crate::codec::{self, told_to_columns};

/// Reads a streak from the columns `failures`, `since`, `told` and `told_at`, the first of which has this number.
fn streak(row: &Row, first: usize) -> Result<Streak> {
    codec::streak(column(row, first)?, column(row, first + 1)?, column(row, first + 2)?, column(row, first + 3)?)
}

/// The destinations whose streaks these settlements begin, lengthen or end.
pub(super) async fn touched(shared: &Shared, settlements: &[Settlement]) -> Result<BTreeSet<DestinationId>> {
    let attempts = || settlements.iter().filter_map(Settlement::shows);
    let mut touched: BTreeSet<DestinationId> = attempts().filter(|(_, well)| !well).map(|(id, _)| id).collect();
    let succeeded: BTreeSet<i64> = attempts().filter(|(id, _)| !touched.contains(id)).map(|(id, _)| id.0).collect();
    if !succeeded.is_empty() {
        let ids: Vec<i64> = succeeded.into_iter().collect();
        let client = shared.client().await?;
        for row in query(&client, "SELECT destination_id FROM streaks WHERE destination_id = ANY ($1)", &[&ids]).await?
        {
            touched.insert(DestinationId(column(&row, 0)?));
        }
    }
    Ok(touched)
}

/// Whether the streak of one of these destinations follows from it.
pub(super) fn touches(settlement: &Settlement, touched: &BTreeSet<DestinationId>) -> bool {
    settlement.shows().is_some_and(|(id, _)| touched.contains(&id))
}

/// These settlements are written down in this transaction, and the rows of all destinations in them are locked. What is told of it,
/// and when it was logged.
pub(super) async fn follow(
    transaction: &impl GenericClient,
    shared: &Shared,
    settlements: &[&Settlement],
) -> Result<Vec<(Unkept, Timestamp)>> {
    let mut all_told = Vec::new();
    let mut known: HashMap<DestinationId, Option<Known>> = HashMap::new();
    for settlement in settlements {
        let Some((id, is_delivered)) = settlement.shows() else { continue };
        let Some(attempt) = &settlement.attempt else { continue };
        let of = match known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Known::read(transaction, id).await?),
        };
        let Some(of) = of else { continue };
        let before = of.streak;
        let over = Over::of(&settlement.claim, attempt, is_delivered, settlement.at);
        let (after, news) = after_attempt(before, over, of.alert);
        of.streak = after;
        let Some((news, streak)) = news.zip(after.or(before)) else { continue };
        let message_id = settlement.claim.message_id().of_alert(news.word(), attempt.number, settlement.at);
        let told = of.tell(transaction, shared, news, streak, Last::of(attempt), message_id, settlement.at).await?;
        all_told.extend(told.map(|unkept| (unkept, settlement.at)));
    }
    for of in known.values().flatten() {
        of.keep(transaction).await?;
    }
    Ok(all_told)
}

/// A destination was suspended, in a transaction that has its row locked.
pub(super) async fn follow_suspension(
    transaction: &impl GenericClient,
    shared: &Shared,
    id: DestinationId,
    reason: &str,
    told_by: Option<MessageId>,
    now: Timestamp,
) -> Result<Option<Unkept>> {
    let Some(mut of) = Known::read(transaction, id).await? else { return Ok(None) };
    let (after, news) = after_suspension(of.streak, of.alert, told_by.is_none(), now);
    of.streak = after;
    of.keep(transaction).await?;
    let Some(((news, streak), message_id)) = news.zip(after).zip(told_by) else { return Ok(None) };
    let last = Last { status: None, error: Some(reason) };
    of.tell(transaction, shared, news, streak, last, message_id, now).await
}

/// A destination whose row is locked.
struct Known {
    destination: Destination,
    /// Whom it names to be told, where that one is there.
    alert: Option<Alert>,
    streak: Option<Streak>,
    was_kept: Option<Streak>,
}

impl Known {
    async fn read(transaction: &impl GenericClient, id: DestinationId) -> Result<Option<Known>> {
        let Some(destination) = destination::to_send_to(transaction, &[id]).await?.pop() else { return Ok(None) };
        let alert = match destination.definition.alert {
            // It stays until what is owed to it is written down.
            Some(alert) => {
                let there = destination::hold_all(transaction, destination.owner, &[alert.destination]).await?;
                there.ok().map(|()| alert)
            }
            None => None,
        };
        let sql = "SELECT failures, since, told, told_at FROM streaks WHERE destination_id = $1";
        let row = query_first(transaction, sql, &[&id.0]).await?;
        let streak = row.as_ref().map(|row| streak(row, 0)).transpose()?;
        Ok(Some(Known { destination, alert, streak, was_kept: streak }))
    }

    #[expect(clippy::too_many_arguments, reason = "two of them are the way to the database")]
    async fn tell(
        &self,
        transaction: &impl GenericClient,
        shared: &Shared,
        news: News,
        streak: Streak,
        last: Last<'_>,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<Option<Unkept>> {
        let Some(alert) = self.alert else { return Ok(None) };
        let definition = telling(news, &self.destination, alert.destination, streak, last);
        let owner = self.destination.owner;
        log_unkept(transaction, shared, owner, &definition, Origin::Alert, message_id, now).await.map(Some)
    }

    async fn keep(&self, transaction: &impl GenericClient) -> Result<()> {
        if self.streak == self.was_kept {
            return Ok(());
        }
        let id = self.destination.id;
        let Some(streak) = self.streak else { return forget(transaction, id).await };
        let (told, told_at) = told_to_columns(streak.told);
        let sql = "INSERT INTO streaks (destination_id, failures, since, told, told_at) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (destination_id) DO UPDATE
                   SET failures = excluded.failures, since = excluded.since, told = excluded.told, told_at = excluded.told_at";
        let (failures, since) = (i64::from(streak.failures), streak.since.as_microsecond());
        execute(transaction, sql, &[&id.0, &failures, &since, &told, &told_at]).await?;
        Ok(())
    }
}

/// Nothing is known to fail there.
pub(super) async fn forget(client: &impl GenericClient, id: DestinationId) -> Result<()> {
    execute(client, "DELETE FROM streaks WHERE destination_id = $1", &[&id.0]).await?;
    Ok(())
}

pub(super) async fn list(client: &Client, owner: UserId) -> Result<Vec<(DestinationId, Streak)>> {
    let sql = "SELECT destinations.id, failures, streaks.since, told, told_at
               FROM destinations JOIN streaks ON streaks.destination_id = destinations.id
               WHERE owner = $1
               ORDER BY destinations.id";
    let rows = query(client, sql, &[&owner.0]).await?;
    rows.iter().map(|row| Ok((DestinationId(column(row, 0)?), streak(row, 1)?))).collect()
}
