//! Who did what, in PostgreSQL: written in the transaction that changes.

use std::collections::BTreeSet;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::act::{ACTS_KEPT, ACTS_MAX, Act, ActFilter, Action, Entry, Thing, makes_room};
use oncue_domain::actor::{Actor, Author};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::Result;
use tokio_postgres::Row;

use super::{Params, column, execute, limit_of, query, query_first};
use crate::codec::{NOBODYS, actor, actor_to_text, broken, instant};

/// Writes down what this one did.
pub(super) async fn write(client: &impl GenericClient, author: &Author, act: &Act) -> Result<()> {
    let owner = act.owner.map_or(NOBODYS, |owner| owner.0);
    let params: Params<'_> = &[
        &owner,
        &author.at.as_microsecond(),
        &author.by.who.word(),
        &author.by.who.id(),
        &actor_to_text(&author.by),
        &act.action.word(),
        &act.thing.word(),
        &act.id,
        &clean(&act.name),
        &clean(&act.details),
    ];
    let sql = "INSERT INTO acts (owner, done_at, by_kind, by_id, made_by, action, thing, thing_id, name, details)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
               RETURNING id";
    let row = query_first(client, sql, params).await?.ok_or_else(|| broken("id", "no number"))?;
    if makes_room(column(&row, 0)?) {
        make_room(client, owner).await?;
    }
    Ok(())
}

/// This database takes no NUL in a text, and a reason may be a receiver's own words.
fn clean(text: &Option<String>) -> Option<String> {
    text.as_ref().map(|text| text.replace('\0', "\u{fffd}"))
}

async fn make_room(client: &impl GenericClient, owner: i64) -> Result<()> {
    let sql = "DELETE FROM acts
               WHERE owner = $1 AND id <= (SELECT id FROM acts WHERE owner = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    execute(client, sql, &[&owner, &limit_of(ACTS_MAX)]).await.map(drop)
}

/// Writes down what this one did, where somebody has the store in their hands and there is an act.
pub(super) async fn note(client: &impl GenericClient, author: Option<&Author>, act: Option<Act>) -> Result<()> {
    match author.zip(act) {
        Some((author, act)) => write(client, author, &act).await,
        None => Ok(()),
    }
}

/// Writes down what oncue did of itself.
pub(super) async fn write_own(client: &impl GenericClient, act: &Act, now: Timestamp) -> Result<()> {
    write(client, &Author { by: Actor::SYSTEM, at: now }, act).await
}

/// What oncue itself did, each with its instant, in this order; whoever waits for those who hold something waits for one statement.
pub(super) async fn write_all_own(client: &impl GenericClient, acts: &[(Timestamp, Act)]) -> Result<()> {
    if acts.is_empty() {
        return Ok(());
    }
    let owners: Vec<i64> = acts.iter().map(|(_, act)| act.owner.map_or(NOBODYS, |owner| owner.0)).collect();
    let instants: Vec<i64> = acts.iter().map(|(at, _)| at.as_microsecond()).collect();
    let actions: Vec<&str> = acts.iter().map(|(_, act)| act.action.word()).collect();
    let things: Vec<&str> = acts.iter().map(|(_, act)| act.thing.word()).collect();
    let ids: Vec<Option<i64>> = acts.iter().map(|(_, act)| act.id).collect();
    let names: Vec<Option<String>> = acts.iter().map(|(_, act)| clean(&act.name)).collect();
    let details: Vec<Option<String>> = acts.iter().map(|(_, act)| clean(&act.details)).collect();
    let by = Actor::SYSTEM;
    let sql = "INSERT INTO acts (owner, done_at, by_kind, by_id, made_by, action, thing, thing_id, name, details)
               SELECT owner, done_at, $8::text, $9::bigint, $10::text, action, thing, thing_id, name, details
               FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])
                    WITH ORDINALITY AS told (owner, done_at, action, thing, thing_id, name, details, place)
               ORDER BY place
               RETURNING owner, id";
    let params: Params<'_> = &[
        &owners,
        &instants,
        &actions,
        &things,
        &ids,
        &names,
        &details,
        &by.who.word(),
        &by.who.id(),
        &actor_to_text(&by),
    ];
    let mut crowded = BTreeSet::new();
    for row in query(client, sql, params).await? {
        if makes_room(column(&row, 1)?) {
            crowded.insert(column::<i64>(&row, 0)?);
        }
    }
    for owner in crowded {
        make_room(client, owner).await?;
    }
    Ok(())
}

/// What a trigger was called that has just been deleted.
pub(super) async fn last_name(client: &impl GenericClient, trigger: TriggerId) -> Result<Option<String>> {
    let sql = "SELECT name FROM revisions WHERE trigger_id = $1 ORDER BY revision DESC LIMIT 1";
    let row = query_first(client, sql, &[&trigger.0]).await?;
    Ok(row.map(|row| column(&row, 0)).transpose()?.flatten())
}

pub(super) async fn list(client: &Client, filter: &ActFilter, before: Option<i64>, limit: usize) -> Result<Vec<Entry>> {
    let sql = "SELECT id, owner, done_at, made_by, action, thing, thing_id, name, details
               FROM acts
               WHERE owner IN ($1, $2) AND id < $3
                 AND ($4::text IS NULL OR action = $4) AND ($5::text IS NULL OR thing = $5)
                 AND ($6::bigint IS NULL OR thing_id = $6)
                 AND ($7::text IS NULL OR by_kind = $7) AND ($8::bigint IS NULL OR by_id = $8)
               ORDER BY id DESC
               LIMIT $9";
    let params: Params<'_> = &[
        &filter.owner.0,
        &if filter.with_server { NOBODYS } else { filter.owner.0 },
        &before.unwrap_or(i64::MAX),
        &filter.action.map(Action::word),
        &filter.thing.map(Thing::word),
        &filter.id,
        &filter.by,
        &filter.by_id,
        &limit_of(limit),
    ];
    query(client, sql, params).await?.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry> {
    let owner: i64 = column(row, 1)?;
    let (by, action, thing): (&str, &str, &str) = (column(row, 3)?, column(row, 4)?, column(row, 5)?);
    Ok(Entry {
        id: column(row, 0)?,
        at: instant(column(row, 2)?)?,
        by: actor(by)?,
        act: Act {
            owner: (owner != NOBODYS).then_some(UserId(owner)),
            action: Action::from_word(action).ok_or_else(|| broken("action", action))?,
            thing: Thing::from_word(thing).ok_or_else(|| broken("thing", thing))?,
            id: column(row, 6)?,
            name: column(row, 7)?,
            details: column(row, 8)?,
        },
    })
}

/// Removes what is too old; gives how many that were.
pub(super) async fn expire(client: &impl GenericClient, now: Timestamp, limit: usize) -> Result<u64> {
    let gone_until = now.checked_sub(ACTS_KEPT).unwrap_or(Timestamp::MIN);
    let sql = "DELETE FROM acts WHERE id IN (SELECT id FROM acts WHERE done_at <= $1 ORDER BY done_at, id LIMIT $2)";
    execute(client, sql, &[&gone_until.as_microsecond(), &limit_of(limit)]).await
}
