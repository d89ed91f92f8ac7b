//! Streaks of failures in SQLite, and the events that tell of them: written in the transaction that settles, so that each is told
//! exactly once whatever ends the process. Where nothing is failing, a success costs one look at an empty table a batch, and no
//! write: there is one writer, so what that look finds is all there is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use oncue_domain::delivery::Settlement;
use oncue_domain::destination::Destination;
use oncue_domain::destination::alert::{Last, News, Over, Streak, after_attempt, after_suspension, telling};
use oncue_domain::destination::definition::Alert;
use oncue_domain::event::Origin;
use oncue_domain::id::{DestinationId, MessageId, UserId};
use oncue_domain::store::Result;
use rusqlite::{Connection, Row};

use super::writer::Effects;
use super::{Shared, destination, event, failed};
use crate::codec::{self, told_to_columns};

const STREAK: &str = "failures, since, told, told_at";

/// Reads a streak from the columns of [`STREAK`], the first of which has this number.
fn streak(row: &Row<'_>, first: usize) -> Result<Streak> {
    let (failures, since) = (row.get(first).map_err(failed)?, row.get(first + 1).map_err(failed)?);
    codec::streak(failures, since, row.get(first + 2).map_err(failed)?, row.get(first + 3).map_err(failed)?)
}

/// What a batch of settlements knows of the destinations in it.
#[derive(Default)]
pub(super) struct Watch {
    is_any_failing: Option<bool>,
    /// What they say now, and whom they name to be told where that one is there.
    known: HashMap<DestinationId, Option<(Destination, Option<Alert>)>>,
}

impl Watch {
    fn is_any_failing(&mut self, connection: &Connection) -> Result<bool> {
        if let Some(known) = self.is_any_failing {
            return Ok(known);
        }
        let is_any = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM streaks)")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        self.is_any_failing = Some(is_any);
        Ok(is_any)
    }

    /// An attempt was written down.
    pub(super) fn follow(
        &mut self,
        connection: &Connection,
        effects: &mut Effects,
        shared: &Shared,
        settlement: &Settlement,
    ) -> Result<()> {
        let Some((id, is_delivered)) = settlement.shows() else { return Ok(()) };
        let Some(attempt) = &settlement.attempt else { return Ok(()) };
        if is_delivered && !self.is_any_failing(connection)? {
            return Ok(());
        }
        let before = get(connection, id)?;
        if is_delivered && before.is_none() {
            return Ok(());
        }
        let known = match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(with_alert(connection, id)?),
        };
        let Some((destination, alert)) = known else { return Ok(()) };
        let over = Over::of(&settlement.claim, attempt, is_delivered, settlement.at);
        let (after, news) = after_attempt(before, over, *alert);
        keep(connection, id, after)?;
        self.is_any_failing = if after.is_some() { Some(true) } else { None };
        let Some((news, streak)) = news.zip(after.or(before)) else { return Ok(()) };
        let message_id = settlement.claim.message_id().of_alert(news.word(), attempt.number, settlement.at);
        let told = Told { destination, alert: *alert, news, streak, last: Last::of(attempt), message_id };
        told.log(connection, effects, shared, settlement.at)
    }
}

/// A destination was suspended.
pub(super) fn follow_suspension(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    id: DestinationId,
    reason: &str,
    told_by: Option<MessageId>,
    now: Timestamp,
) -> Result<()> {
    let Some((destination, alert)) = with_alert(connection, id)? else { return Ok(()) };
    let (after, news) = after_suspension(get(connection, id)?, alert, told_by.is_none(), now);
    keep(connection, id, after)?;
    let Some(((news, streak), message_id)) = news.zip(after).zip(told_by) else { return Ok(()) };
    let last = Last { status: None, error: Some(reason) };
    Told { destination: &destination, alert, news, streak, last, message_id }.log(connection, effects, shared, now)
}

/// News that is told.
struct Told<'a> {
    destination: &'a Destination,
    alert: Option<Alert>,
    news: News,
    streak: Streak,
    last: Last<'a>,
    message_id: MessageId,
}

impl Told<'_> {
    fn log(&self, connection: &Connection, effects: &mut Effects, shared: &Shared, now: Timestamp) -> Result<()> {
        let Some(alert) = self.alert else { return Ok(()) };
        let definition = telling(self.news, self.destination, alert.destination, self.streak, self.last);
        let owner = self.destination.owner;
        event::log_unkept(connection, effects, shared, owner, &definition, Origin::Alert, self.message_id, now)?;
        Ok(())
    }
}

/// A destination as it is now, and whom it names to be told where that one is there.
fn with_alert(connection: &Connection, id: DestinationId) -> Result<Option<(Destination, Option<Alert>)>> {
    let Some(destination) = destination::to_send_to(connection, &[id])?.pop() else { return Ok(None) };
    let alert = match destination.definition.alert {
        Some(alert) if destination::is_owners(connection, destination.owner, alert.destination)? => Some(alert),
        _ => None,
    };
    Ok(Some((destination, alert)))
}

fn get(connection: &Connection, id: DestinationId) -> Result<Option<Streak>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {STREAK} FROM streaks WHERE destination_id = ?")).map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    rows.next().map_err(failed)?.map(|row| streak(row, 0)).transpose()
}

fn keep(connection: &Connection, id: DestinationId, streak: Option<Streak>) -> Result<()> {
    let Some(streak) = streak else { return forget(connection, id) };
    let (told, told_at) = told_to_columns(streak.told);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO streaks (destination_id, failures, since, told, told_at) VALUES (?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute((id.0, streak.failures, streak.since.as_microsecond(), told, told_at))
        })
        .map_err(failed)?;
    Ok(())
}

/// Nothing is known to fail there.
pub(super) fn forget(connection: &Connection, id: DestinationId) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM streaks WHERE destination_id = ?")
        .and_then(|mut statement| statement.execute([id.0]))
        .map_err(failed)?;
    Ok(())
}

pub(super) fn list(connection: &Connection, owner: UserId) -> Result<Vec<(DestinationId, Streak)>> {
    let sql = "SELECT destinations.id, failures, streaks.since, told, told_at
               FROM destinations JOIN streaks ON destination_id = destinations.id
               WHERE owner = ?
               ORDER BY destinations.id";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query([owner.0]).map_err(failed)?;
    let mut streaks = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        streaks.push((DestinationId(row.get(0).map_err(failed)?), streak(row, 1)?));
    }
    Ok(streaks)
}
