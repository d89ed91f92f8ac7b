//! Keys in PostgreSQL. A key's row is written first and its number last, all in the transaction that does what the key stands for: whoever
//! comes with the same key meanwhile, on whatever node, waits at the row until it is known what came of it. Rows are always taken in the
//! same order, keys before triggers, so that nobody waits in a circle.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::actor::Author;
use oncue_domain::event::Event;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::idempotency::{ANSWERS_MAX, Answer, Key, Keyed, Remembered, forgotten_until};
use oncue_domain::store::{Begun, Deed, Done, Error, NewTrigger, Result};
use tokio_postgres::Row;

use super::deed::Firing;
use super::hint::Changes;
use super::log::announce;
use super::many::Making;
use super::task::to_the_end;
use super::{Shared, answered, column, deed, execute, limit_of, many, partition, query, query_first};
use crate::codec::{broken, instant, outcome, print};

const REMEMBERED: &str = "item, print, done_at, number, status, answer";

/// How often it is looked again for a key that was there and is gone.
const ROUNDS_MAX: usize = 5;

fn remembered(row: &Row) -> Result<Remembered> {
    let item: i64 = column(row, 0)?;
    Ok(Remembered {
        item: u32::try_from(item).map_err(|_| broken("item", item))?,
        print: print(column(row, 1)?)?,
        at: instant(column(row, 2)?)?,
        outcome: outcome(column(row, 3)?, column(row, 4)?, column(row, 5)?)?,
    })
}

pub(super) async fn once(
    shared: &Arc<Shared>,
    owner: UserId,
    deeds: Arc<[(Keyed, Deed)]>,
    author: Option<Author>,
    now: Timestamp,
) -> Result<Vec<Done>> {
    let is_by_hand = author.is_some() && deeds.iter().any(|(_, deed)| !matches!(deed, Deed::Make(_)));
    let turn = if is_by_hand { Some(deed::turn(shared).await?) } else { None };
    let shared = Arc::clone(shared);
    to_the_end(async move {
        let _turn = turn;
        carry_out(&shared, owner, &deeds, author.as_ref(), now).await
    })
    .await
}

async fn carry_out(
    shared: &Shared,
    owner: UserId,
    deeds: &[(Keyed, Deed)],
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Vec<Done>> {
    // Before the connection is taken: whoever makes a partition needs one too.
    partition::prepare(shared, now).await?;
    let mut client = shared.client_soon().await?;
    let all: Vec<&Deed> = deeds.iter().map(|(_, deed)| deed).collect();
    let parents = deed::parents(&mut client, owner, &all).await?;
    let committed = commit(&mut client, shared, owner, deeds, &parents, author, now).await;
    // The partition may be gone that it counted on.
    let Carried { done, new, making, firing } = committed.inspect_err(|_| partition::forget_all(shared))?;

    let mut changes = Changes::default();
    let mut claims = making.finish(shared, &new, now, &mut changes);
    claims.extend(firing.finish(shared, now, &mut changes));
    announce(shared, claims, &changes);
    Ok(done)
}

/// What was carried out, and committed.
struct Carried {
    done: Vec<Done>,
    /// The triggers that were to be made.
    new: Vec<NewTrigger>,
    making: Making,
    firing: Firing,
}

/// Carries out what was not, and writes the keys down, in one transaction.
async fn commit(
    client: &mut Client,
    shared: &Shared,
    owner: UserId,
    deeds: &[(Keyed, Deed)],
    parents: &HashMap<EventId, Event>,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Carried> {
    let transaction = answered(client.transaction()).await?;
    let mut done = take(&transaction, owner, deeds, now).await?;

    let open = |at: &usize| done[*at].is_none();
    let made: Vec<usize> = (0..deeds.len()).filter(open).filter(|at| matches!(deeds[*at].1, Deed::Make(_))).collect();
    let fired: Vec<usize> = (0..deeds.len()).filter(open).filter(|at| !matches!(deeds[*at].1, Deed::Make(_))).collect();
    let new: Vec<NewTrigger> = made.iter().filter_map(|at| to_make(&deeds[*at].1)).collect();
    let making = many::make(&transaction, shared, &new, author, now).await?;
    for (at, made) in made.into_iter().zip(making.made()?) {
        done[at] = Some(Done::Made(made));
    }
    let asked: Vec<&Deed> = fired.iter().map(|at| &deeds[*at].1).collect();
    let firing = deed::fire(&transaction, shared, owner, &asked, parents, author, now).await?;
    for (at, fired) in fired.into_iter().zip(firing.done()) {
        done[at] = Some(*fired);
    }
    let done: Vec<Done> = done.into_iter().flatten().collect();
    write(&transaction, owner, deeds, &done).await?;
    answered(transaction.commit()).await?;
    Ok(Carried { done, new, making, firing })
}

fn to_make(deed: &Deed) -> Option<NewTrigger> {
    match deed {
        Deed::Make(new) => Some(NewTrigger::clone(new)),
        Deed::Fire(..) | Deed::FireAgain { .. } => None,
    }
}

/// Takes the keys that nothing was done under; what was done under the others.
async fn take(
    client: &impl GenericClient,
    owner: UserId,
    deeds: &[(Keyed, Deed)],
    now: Timestamp,
) -> Result<Vec<Option<Done>>> {
    let places: BTreeMap<(&str, u32), usize> =
        deeds.iter().zip(0..).map(|((keyed, _), at)| ((keyed.key.as_str(), keyed.item), at)).collect();
    let keys: Vec<&str> = places.keys().map(|(key, _)| *key).collect();
    let items: Vec<i64> = places.keys().map(|(_, item)| i64::from(*item)).collect();
    let prints: Vec<&[u8]> = places.values().map(|at| deeds[*at].0.print.0.as_slice()).collect();
    let sql = "INSERT INTO idempotency (owner, key, item, print, done_at)
               SELECT $1, key, item, print, $5
               FROM unnest($2::text[], $3::bigint[], $4::bytea[]) WITH ORDINALITY AS asked (key, item, print, place)
               ORDER BY place
               ON CONFLICT (owner, key, item) DO UPDATE
               SET print = excluded.print, done_at = excluded.done_at, number = NULL, status = NULL, answer = NULL
               WHERE idempotency.done_at <= $6
               RETURNING key, item";
    let forgotten = forgotten_until(now).as_microsecond();
    let rows = query(client, sql, &[&owner.0, &keys, &items, &prints, &now.as_microsecond(), &forgotten]).await?;
    let mut done = vec![None; deeds.len()];
    if rows.len() == places.len() {
        return Ok(done);
    }
    // The others were there, and stay as they are until this transaction is over: the insertion has locked them.
    let sql = format!(
        "SELECT {REMEMBERED}, key FROM idempotency
         WHERE owner = $1 AND (key, item) IN (SELECT * FROM unnest($2::text[], $3::bigint[]))"
    );
    let taken: HashSet<(&str, i64)> =
        rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect::<Result<_>>()?;
    for row in query(client, &sql, &[&owner.0, &keys, &items]).await? {
        let (key, before): (&str, Remembered) = (column(&row, 6)?, remembered(&row)?);
        if taken.contains(&(key, i64::from(before.item))) {
            continue;
        }
        if let Some(at) = places.get(&(key, before.item)) {
            done[*at] = Some(Done::before(&before, &deeds[*at].0.print));
        }
    }
    Ok(done)
}

/// Writes down what was made under the keys that were taken, and lets go of those under which nothing was.
async fn write(client: &impl GenericClient, owner: UserId, deeds: &[(Keyed, Deed)], done: &[Done]) -> Result<()> {
    let of_now = |done: &Done| !matches!(done, Done::Before { .. } | Done::KeyTaken);
    let (mut keys, mut items, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for ((keyed, _), done) in deeds.iter().zip(done).filter(|(_, done)| of_now(done)) {
        keys.push(keyed.key.as_str());
        items.push(i64::from(keyed.item));
        numbers.push(done.made_now());
    }
    let is_any = |wanted: bool| numbers.iter().any(|number| number.is_some() == wanted);
    if is_any(true) {
        let sql = "UPDATE idempotency SET number = made.number
                   FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS made (key, item, number)
                   WHERE owner = $1 AND idempotency.key = made.key AND idempotency.item = made.item
                     AND made.number IS NOT NULL";
        execute(client, sql, &[&owner.0, &keys, &items, &numbers]).await?;
    }
    if is_any(false) {
        let sql = "DELETE FROM idempotency
                   USING unnest($2::text[], $3::bigint[], $4::bigint[]) AS made (key, item, number)
                   WHERE owner = $1 AND idempotency.key = made.key AND idempotency.item = made.item
                     AND made.number IS NULL";
        execute(client, sql, &[&owner.0, &keys, &items, &numbers]).await?;
    }
    Ok(())
}

pub(super) async fn recall(client: &Client, owner: UserId, key: &Key, now: Timestamp) -> Result<Vec<Remembered>> {
    let sql =
        format!("SELECT {REMEMBERED} FROM idempotency WHERE owner = $1 AND key = $2 AND done_at > $3 ORDER BY item");
    let forgotten = forgotten_until(now).as_microsecond();
    query(client, &sql, &[&owner.0, &key.as_str(), &forgotten]).await?.iter().map(remembered).collect()
}

pub(super) async fn begin_once(client: &Client, owner: UserId, keyed: &Keyed, now: Timestamp) -> Result<Begun> {
    let (key, item, print) = (keyed.key.as_str(), i64::from(keyed.item), keyed.print.0.as_slice());
    let forgotten = forgotten_until(now).as_microsecond();
    for _ in 0..ROUNDS_MAX {
        let sql = format!(
            "SELECT {REMEMBERED} FROM idempotency WHERE owner = $1 AND key = $2 AND item = $3 AND done_at > $4"
        );
        if let Some(row) = query_first(client, &sql, &[&owner.0, &key, &item, &forgotten]).await? {
            return Ok(Begun::Before(remembered(&row)?));
        }
        let sql = "SELECT 1 FROM idempotency WHERE owner = $1 AND number IS NULL AND done_at > $2 LIMIT 1 OFFSET $3";
        if query_first(client, sql, &[&owner.0, &forgotten, &limit_of(ANSWERS_MAX - 1)]).await?.is_some() {
            return Ok(Begun::Full);
        }
        let sql = "INSERT INTO idempotency (owner, key, item, print, done_at) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (owner, key, item) DO UPDATE
                   SET print = excluded.print, done_at = excluded.done_at, number = NULL, status = NULL, answer = NULL
                   WHERE idempotency.done_at <= $6";
        let params: super::Params<'_> = &[&owner.0, &key, &item, &print, &now.as_microsecond(), &forgotten];
        if execute(client, sql, params).await? > 0 {
            return Ok(Begun::Now);
        }
        // Somebody with the same key was faster, and is found now, or has let go of it again.
    }
    Err(Error::Unavailable("the key is taken and let go of all the time".to_owned()))
}

pub(super) async fn end_once(client: &Client, owner: UserId, keyed: &Keyed, answer: Option<&Answer>) -> Result<()> {
    let (key, item, print) = (keyed.key.as_str(), i64::from(keyed.item), keyed.print.0.as_slice());
    match answer {
        Some(answer) => {
            let sql = "UPDATE idempotency SET status = $5, answer = $6
                       WHERE owner = $1 AND key = $2 AND item = $3 AND print = $4 AND number IS NULL AND status IS NULL";
            let status = i64::from(answer.status);
            execute(client, sql, &[&owner.0, &key, &item, &print, &status, &answer.body]).await.map(drop)
        }
        None => {
            let sql = "DELETE FROM idempotency
                       WHERE owner = $1 AND key = $2 AND item = $3 AND print = $4 AND number IS NULL AND status IS NULL";
            execute(client, sql, &[&owner.0, &key, &item, &print]).await.map(drop)
        }
    }
}

/// What is forgotten goes, at most so much; how much it was. What somebody takes anew at this moment is passed over.
pub(super) async fn expire(client: &impl GenericClient, now: Timestamp, limit: usize) -> Result<u64> {
    let sql = "DELETE FROM idempotency
               WHERE (owner, key, item) IN (SELECT owner, key, item FROM idempotency WHERE done_at <= $1
                                            ORDER BY done_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    execute(client, sql, &[&forgotten_until(now).as_microsecond(), &limit_of(limit)]).await
}
