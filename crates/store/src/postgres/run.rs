//! Runs in PostgreSQL: a row each, made by the statement that logs its event and written anew, under its lock, with each report. Of
//! all nodes one finds that a run is overdue, and what is to be told of one is an event in the same transaction.

use std::collections::BTreeMap;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::run::alert::{News, telling};
use oncue_domain::run::{Report, Run};
use oncue_domain::store::{Lapsed, Reported, Result, RunOf};
use tokio_postgres::Row;

use super::event::{EVENT, EVENT_FROM, KEPT, event};
use super::hint::Changes;
use super::log::{NewEvent, Unkept, log_unkept};
use super::{Params, Shared, answered, column, destination, limit_of, overlap, partition, query, query_first};
use crate::codec::{instant, run_from_text, run_to_text};

/// The runs of events that are to be logged, as columns; empty where nothing is expected of any.
#[derive(Default)]
pub(super) struct Expected {
    keys: Vec<i64>,
    due: Vec<Option<i64>>,
    said: Vec<String>,
}

impl Expected {
    /// Takes in an event that its caller knows by this key.
    pub(super) fn push(&mut self, new: &NewEvent, key: i64, now: Timestamp) {
        let Some(expectation) = &new.trigger.definition.expects else { return };
        let run = Run::expected(expectation, now);
        self.keys.push(key);
        self.due.push(run.due_at().map(Timestamp::as_microsecond));
        self.said.push(run_to_text(&run));
    }

    /// What a statement that logs says besides, behind [`super::log::logging`], where anything is expected; its parameters are numbered from
    /// `first` on. Whoever expects nothing has the statement without it.
    pub(super) fn clause(&self, first: usize) -> String {
        if self.keys.is_empty() {
            return String::new();
        }
        let (due, said) = (first + 1, first + 2);
        format!(
            ",
         expected AS (
             INSERT INTO runs (event_id, owner, trigger_id, fired_at, due_at, said, overlap_of)
             SELECT fired.id, fired.owner, fired.trigger_id, $1, run.due_at, run.said, fired.overlap_of
             FROM fired JOIN unnest(${first}::bigint[], ${due}::bigint[], ${said}::text[]) AS run (key, due_at, said)
                        ON run.key = fired.key
         )"
        )
    }

    /// The parameters of the same.
    pub(super) fn params(&self) -> Vec<&(dyn tokio_postgres::types::ToSql + Sync)> {
        if self.keys.is_empty() { Vec::new() } else { vec![&self.keys, &self.due, &self.said] }
    }
}

pub(super) async fn report(
    shared: &Shared,
    id: EventId,
    fired_at: Timestamp,
    report: &Report,
    gone_until: Timestamp,
    now: Timestamp,
) -> Result<Reported> {
    if fired_at <= gone_until {
        return Ok(Reported::NotFound);
    }
    // Before the connection is taken: whoever makes a partition needs one too.
    partition::prepare(shared, now).await?;
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT said FROM runs WHERE event_id = $1 AND fired_at = $2 FOR UPDATE";
    let Some(row) = query_first(&transaction, sql, &[&id.0, &fired_at.as_microsecond()]).await? else {
        return Ok(Reported::NotFound);
    };
    let Some(event) = event_of(&transaction, id, fired_at).await? else { return Ok(Reported::NotFound) };
    let before = run_from_text(column(&row, 0)?)?;
    let run = match before.report(report, now) {
        Ok(run) => run,
        Err(contradiction) => return Ok(Reported::Refused(contradiction)),
    };
    let mut changes = Changes::default();
    let news = News::between(&before, &run);
    let mut over = BTreeMap::new();
    let told = keep(&transaction, shared, &event, &before, &run, news, now, &mut changes, &mut over).await?;
    answered(transaction.commit()).await.inspect_err(|_| partition::forget_all(shared))?;
    drop(client);
    overlap::call_up(shared, &over, &mut changes).await;
    told.into_iter().for_each(|told| told.finish(shared, now, &mut changes));
    shared.hints.announce(&changes);
    Ok(Reported::Run { has_moved: run.state() != before.state(), run: Box::new(run) })
}

pub(super) async fn lapse(shared: &Shared, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Lapsed> {
    let next_at = next_due(&shared.client().await?).await?;
    if next_at.is_none_or(|next_at| next_at > now) {
        return Ok(Lapsed { overdue: 0, next_at });
    }
    partition::prepare(shared, now).await?;
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    // Those that another node is at are its own.
    let sql = "SELECT event_id, fired_at, said FROM runs
               WHERE due_at <= $1 AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $3)
               ORDER BY due_at, event_id
               LIMIT $2
               FOR UPDATE OF runs SKIP LOCKED";
    let rows = query(&transaction, sql, &[&now.as_microsecond(), &limit_of(limit), &shared.node.id()]).await?;
    let (mut changes, mut told, mut over) = (Changes::default(), Vec::new(), BTreeMap::new());
    for row in &rows {
        let (id, fired_at) = (EventId(column(row, 0)?), instant(column(row, 1)?)?);
        let before = run_from_text(column(row, 2)?)?;
        match (event_of(&transaction, id, fired_at).await?, before.lapsed(now)) {
            (Some(event), Some(after)) => {
                let news = News::between(&before, &after).filter(|_| event.fired_at > gone_until);
                let kept = keep(&transaction, shared, &event, &before, &after, news, now, &mut changes, &mut over);
                told.extend(kept.await?);
            }
            // Its event is gone, and so will it be; nothing is to be heard of it any more.
            _ => {
                let sql = "UPDATE runs SET due_at = NULL WHERE event_id = $1 RETURNING overlap_of";
                note_over(&query(&transaction, sql, &[&id.0]).await?, now, &mut over)?;
            }
        }
    }
    answered(transaction.commit()).await.inspect_err(|_| partition::forget_all(shared))?;
    drop(client);
    overlap::call_up(shared, &over, &mut changes).await;
    told.into_iter().for_each(|told: Unkept| told.finish(shared, now, &mut changes));
    shared.hints.announce(&changes);
    let next_at = next_due(&shared.client().await?).await?;
    Ok(Lapsed { overdue: rows.len(), next_at })
}

async fn next_due(client: &Client) -> Result<Option<Timestamp>> {
    let sql = "SELECT due_at FROM runs WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";
    let row = query_first(client, sql, &[]).await?;
    row.map(|row| instant(column(&row, 0)?)).transpose()
}

/// An event whose run is locked. Where its partition was let go of, it is gone.
async fn event_of(client: &impl GenericClient, id: EventId, fired_at: Timestamp) -> Result<Option<Event>> {
    let sql = format!("SELECT {EVENT} FROM {EVENT_FROM} WHERE events.id = $1 AND events.fired_at = $2 AND {KEPT}");
    query_first(client, &sql, &[&id.0, &fired_at.as_microsecond()]).await?.map(|row| event(&row)).transpose()
}

/// Of these runs, which say whose occurrences were not to overlap them, nothing has to be heard any more.
fn note_over(rows: &[Row], now: Timestamp, over: &mut BTreeMap<TriggerId, Timestamp>) -> Result<()> {
    for row in rows {
        over.extend(column::<Option<i64>>(row, 0)?.map(|trigger| (TriggerId(trigger), now)));
    }
    Ok(())
}

/// The run is so from now on, and this is told to whom its trigger named, where that destination is there.
#[expect(clippy::too_many_arguments, reason = "what becomes of a run, and what every transaction has")]
async fn keep(
    transaction: &impl GenericClient,
    shared: &Shared,
    event: &Event,
    before: &Run,
    after: &Run,
    news: Option<News>,
    now: Timestamp,
    changes: &mut Changes,
    over: &mut BTreeMap<TriggerId, Timestamp>,
) -> Result<Option<Unkept>> {
    if before == after {
        return Ok(None);
    }
    let due_at = after.due_at().map(Timestamp::as_microsecond);
    let sql = "UPDATE runs SET due_at = $2, said = $3 WHERE event_id = $1 RETURNING overlap_of";
    let rows = query(transaction, sql, &[&event.id.0, &due_at, &run_to_text(after)]).await?;
    if before.due_at().is_some() && due_at.is_none() {
        note_over(&rows, now, over)?;
    }
    changes.settled.insert(event.owner);
    let Some((news, to)) = news.zip(after.alert()) else { return Ok(None) };
    // It stays until what is owed to it is written down.
    if destination::hold_all(transaction, event.owner, &[to]).await?.is_err() {
        return Ok(None);
    }
    let message_id = event.message_id.of_alert(news.word(), 0, now);
    let definition = telling(news, event, after, to);
    log_unkept(transaction, shared, event.owner, &definition, Origin::Alert, message_id, now).await.map(Some)
}

pub(super) async fn of_events(
    client: &Client,
    owner: UserId,
    events: &[EventId],
    gone_until: Timestamp,
) -> Result<Vec<RunOf>> {
    let ids: Vec<i64> = events.iter().map(|id| id.0).collect();
    let sql =
        "SELECT event_id, said FROM runs WHERE event_id = ANY ($1) AND owner = $2 AND fired_at > $3 ORDER BY event_id";
    select(client, sql, &[&ids, &owner.0, &gone_until.as_microsecond()]).await
}

pub(super) async fn latest(
    client: &Client,
    owner: UserId,
    trigger: TriggerId,
    gone_until: Timestamp,
    limit: usize,
) -> Result<Vec<RunOf>> {
    let sql = "SELECT event_id, said FROM runs
               WHERE trigger_id = $1 AND owner = $2 AND fired_at > $3
               ORDER BY fired_at DESC, event_id DESC
               LIMIT $4";
    select(client, sql, &[&trigger.0, &owner.0, &gone_until.as_microsecond(), &limit_of(limit)]).await
}

async fn select(client: &Client, sql: &str, params: Params<'_>) -> Result<Vec<RunOf>> {
    let run_of = |row: &Row| Ok(RunOf { event: EventId(column(row, 0)?), run: run_from_text(column(row, 1)?)? });
    query(client, sql, params).await?.iter().map(run_of).collect()
}
