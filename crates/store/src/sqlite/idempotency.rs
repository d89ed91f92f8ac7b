//! Keys in SQLite: what is done under one is written down beside it, in the same transaction. Nobody else writes while a job runs, so of two calls
//! with one key the second sees what the first has done.

use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::{Actor, Author};
use oncue_domain::id::UserId;
use oncue_domain::idempotency::{ANSWERS_MAX, Answer, Key, Keyed, Remembered, forgotten_until};
use oncue_domain::store::{Begun, Deed, Done, FiredAgain, NewTrigger, Result};
use rusqlite::{Connection, OptionalExtension, Row};

use super::writer::Effects;
use super::{Shared, act, event, failed, trigger};
use crate::codec::{instant, outcome, print};

const REMEMBERED: &str = "item, print, done_at, number, status, answer";

fn remembered(row: &Row<'_>) -> Result<Remembered> {
    Ok(Remembered {
        item: row.get(0).map_err(failed)?,
        print: print(row.get(1).map_err(failed)?)?,
        at: instant(row.get(2).map_err(failed)?)?,
        outcome: outcome(row.get(3).map_err(failed)?, row.get(4).map_err(failed)?, row.get(5).map_err(failed)?)?,
    })
}

pub(super) fn once(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    owner: UserId,
    deeds: &[(Keyed, Deed)],
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Vec<Done>> {
    let (mut new, mut made) = (Vec::new(), Vec::new());
    let mut all = Vec::with_capacity(deeds.len());
    for (keyed, deed) in deeds {
        if let Some(before) = get(connection, owner, keyed, now)? {
            all.push(Done::before(&before, &keyed.print));
            continue;
        }
        let done = carry_out(connection, effects, shared, owner, deed, author, now)?;
        if let Some(number) = done.made_now() {
            write(connection, owner, keyed, Some(number), now)?;
        }
        if let (Deed::Make(one), Done::Made(came)) = (deed, &done) {
            new.push(NewTrigger::clone(one));
            made.push(*came);
        }
        all.push(done);
    }
    if let Some(author) = author {
        for act in Act::triggers_made(&new, &made) {
            act::write(connection, author, &act)?;
        }
    }
    Ok(all)
}

fn carry_out(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    owner: UserId,
    deed: &Deed,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Done> {
    Ok(match deed {
        Deed::Fire(id, call) => Done::Fired(event::fire(connection, effects, shared, (owner, *id), call, author, now)?),
        Deed::FireAgain { repeat, gone_until } => {
            Done::FiredAgain(match event::get(connection, owner, repeat.event, *gone_until)? {
                Some((parent, _)) => event::fire_again(connection, effects, shared, parent, *repeat, author, now)?,
                None => FiredAgain::NotFound,
            })
        }
        Deed::Make(new) => {
            let by = author.map_or(&Actor::SYSTEM, |author| &author.by);
            let made = trigger::create(connection, effects, shared, new, by, now)?;
            Done::Made(made.map(|armed| armed.trigger.id))
        }
    })
}

fn get(connection: &Connection, owner: UserId, keyed: &Keyed, now: Timestamp) -> Result<Option<Remembered>> {
    let sql = format!("SELECT {REMEMBERED} FROM idempotency WHERE owner = ? AND key = ? AND item = ? AND done_at > ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let forgotten = forgotten_until(now).as_microsecond();
    let mut rows = statement.query((owner.0, keyed.key.as_str(), keyed.item, forgotten)).map_err(failed)?;
    rows.next().map_err(failed)?.map(remembered).transpose()
}

/// Writes a key down, in place of what is forgotten.
fn write(connection: &Connection, owner: UserId, keyed: &Keyed, number: Option<i64>, now: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (owner, key, item, print, done_at, number) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            let row = (owner.0, keyed.key.as_str(), keyed.item, keyed.print.0, now.as_microsecond(), number);
            statement.execute(row)
        })
        .map_err(failed)?;
    Ok(())
}

pub(super) fn recall(connection: &Connection, owner: UserId, key: &Key, now: Timestamp) -> Result<Vec<Remembered>> {
    let sql = format!("SELECT {REMEMBERED} FROM idempotency WHERE owner = ? AND key = ? AND done_at > ? ORDER BY item");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((owner.0, key.as_str(), forgotten_until(now).as_microsecond())).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(remembered(row)?);
    }
    Ok(found)
}

pub(super) fn begin_once(connection: &Connection, owner: UserId, keyed: &Keyed, now: Timestamp) -> Result<Begun> {
    if let Some(before) = get(connection, owner, keyed, now)? {
        return Ok(Begun::Before(before));
    }
    let is_full: Option<i64> = connection
        .prepare_cached("SELECT 1 FROM idempotency WHERE owner = ? AND number IS NULL AND done_at > ? LIMIT 1 OFFSET ?")
        .and_then(|mut statement| {
            let bounds = (owner.0, forgotten_until(now).as_microsecond(), ANSWERS_MAX - 1);
            statement.query_row(bounds, |row| row.get(0)).optional()
        })
        .map_err(failed)?;
    if is_full.is_some() {
        return Ok(Begun::Full);
    }
    write(connection, owner, keyed, None, now)?;
    Ok(Begun::Now)
}

pub(super) fn end_once(connection: &Connection, owner: UserId, keyed: &Keyed, answer: Option<&Answer>) -> Result<()> {
    let changed = match answer {
        Some(answer) => connection
            .prepare_cached(
                "UPDATE idempotency SET status = ?5, answer = ?6
                 WHERE owner = ?1 AND key = ?2 AND item = ?3 AND print = ?4 AND number IS NULL AND status IS NULL",
            )
            .and_then(|mut statement| {
                let (key, print) = (keyed.key.as_str(), keyed.print.0);
                statement.execute((owner.0, key, keyed.item, print, answer.status, answer.body.as_deref()))
            }),
        None => connection
            .prepare_cached(
                "DELETE FROM idempotency
                 WHERE owner = ? AND key = ? AND item = ? AND print = ? AND number IS NULL AND status IS NULL",
            )
            .and_then(|mut statement| statement.execute((owner.0, keyed.key.as_str(), keyed.item, keyed.print.0))),
    };
    changed.map(drop).map_err(failed)
}

/// What is forgotten goes, at most so much; how much it was.
pub(super) fn expire(connection: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM idempotency
             WHERE (owner, key, item) IN (SELECT owner, key, item FROM idempotency INDEXED BY idempotency_by_age
                                          WHERE done_at <= ? ORDER BY done_at LIMIT ?)",
        )
        .and_then(|mut statement| statement.execute((forgotten_until(now).as_microsecond(), limit)))
        .map_err(failed)
}
