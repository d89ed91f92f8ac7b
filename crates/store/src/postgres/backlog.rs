//! Backlogs in PostgreSQL: occurrences that are past and still to fire, laid up by plans and by people, and drained slice by slice. Whoever
//! drains locks the row that still stands as it was seen, as a plan does a cursor, and steps over what another node has locked; whoever
//! edits or deletes the trigger locks it too, so nothing of a former revision fires once a change is told.

use std::sync::Arc;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::act::{Act, Action};
use oncue_domain::actor::Author;
use oncue_domain::backlog::{BACKLOG_KEPT, Backlog, Drained, NewBacklog, Source};
use oncue_domain::delivery::CLAIM_FOR;
use oncue_domain::id::{BacklogId, TriggerId, UserId};
use oncue_domain::occurrence::Reason;
use oncue_domain::store::{BacklogSums, BacklogTurns, BacklogView, Result, Touched};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::freeze::present;
use super::hint::Changes;
use super::log::{AFTER_ASKED, Asked, LOGGED, LOGGED_COLUMNS, Logged, NewEvent, announce, floor, logging, room};
use super::run::Expected;
use super::trigger::{by_of, lock_trigger, read, record, remembered};
use super::{
    Params, Shared, act, answered, column, count, execute, limit_of, node, overlap, partition, query, query_first,
};
use crate::codec::{actor, actor_to_text, broken, instant};

/// The columns of a backlog. It is busy while what fired of it last has a delivery that was never tried.
const BACKLOG: &str = "backlogs.id, backlogs.owner, backlogs.trigger_id, backlogs.revision, backlogs.source, backlogs.first_at, \
     backlogs.last_at, backlogs.total, backlogs.next_at, backlogs.remaining, backlogs.is_held, backlogs.made_at, \
     backlogs.made_by, \
     EXISTS (SELECT 1 FROM outbox WHERE outbox.event_id = backlogs.last_event AND outbox.tried = 0)";

/// How many columns that are.
const BACKLOG_COLUMNS: usize = 14;

/// What the trigger of a backlog is called.
const NAME: &str = "(SELECT name FROM triggers WHERE triggers.id = backlogs.trigger_id)";

/// Ended of age are so many at once.
const OLD_TOGETHER: usize = 256;

/// Reads a backlog from columns that begin with [`BACKLOG`].
fn backlog(row: &Row) -> Result<Backlog> {
    let count = |at: usize| u64::try_from(column::<i64>(row, at)?).map_err(|error| broken("count", error));
    let source: &str = column(row, 4)?;
    Ok(Backlog {
        id: BacklogId(column(row, 0)?),
        owner: UserId(column(row, 1)?),
        trigger: TriggerId(column(row, 2)?),
        revision: column(row, 3)?,
        source: Source::from_word(source).ok_or_else(|| broken("source", source))?,
        first: instant(column(row, 5)?)?,
        last: instant(column(row, 6)?)?,
        total: count(7)?,
        next_at: instant(column(row, 8)?)?,
        left: count(9)?,
        is_held: column(row, 10)?,
        made_at: instant(column(row, 11)?)?,
        made_by: actor(column(row, 12)?)?,
        is_busy: column(row, 13)?,
    })
}

pub(super) async fn backfill(
    shared: &Shared,
    new: &NewBacklog,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Option<BacklogView>> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    if lock_trigger(&transaction, new.owner, new.trigger).await? != Some(new.revision) {
        return Ok(None);
    }
    let sql = format!(
        "INSERT INTO backlogs (owner, trigger_id, revision, source, first_at, last_at, total, next_at, remaining, is_held,
                               made_at, made_by)
         SELECT $1::bigint, $2::bigint, $3::bigint, $4::text, $5::bigint, $6::bigint, $7::bigint, $5::bigint, $7::bigint, $10::boolean,
                $8::bigint, $9::text
         WHERE NOT EXISTS (SELECT 1 FROM backlogs WHERE trigger_id = $2)
         RETURNING {BACKLOG}, {NAME}"
    );
    let params: Params<'_> = &[
        &new.owner.0,
        &new.trigger.0,
        &new.revision,
        &Source::Backfill.word(),
        &new.first.as_microsecond(),
        &new.last.as_microsecond(),
        &i64::try_from(new.count).unwrap_or(i64::MAX),
        &now.as_microsecond(),
        &actor_to_text(by_of(author)),
        &new.is_held,
    ];
    let Some(row) = query_first(&transaction, &sql, params).await? else { return Ok(None) };
    let made = view(&row)?;
    act::note(&transaction, author, Some(Act::backfilled(&made))).await?;
    answered(transaction.commit()).await?;
    let changes = Changes { armed: true, edited: [new.owner].into(), ..Changes::default() };
    announce(shared, Vec::new(), &changes);
    Ok(Some(made))
}

fn view(row: &Row) -> Result<BacklogView> {
    Ok(BacklogView { backlog: backlog(row)?, name: column(row, BACKLOG_COLUMNS)? })
}

pub(super) async fn list(
    client: &mut Client,
    owner: UserId,
    after: Option<BacklogId>,
    limit: usize,
) -> Result<Vec<BacklogView>> {
    let sql = format!(
        "SELECT {BACKLOG}, {NAME}
         FROM backlogs
         WHERE backlogs.owner = $1 AND backlogs.id > $2
         ORDER BY backlogs.id
         LIMIT $3"
    );
    let rows = query(client, &sql, &[&owner.0, &after.map_or(i64::MIN, |id| id.0), &limit_of(limit)]).await?;
    rows.iter().map(view).collect()
}

pub(super) async fn one(client: &mut Client, owner: UserId, id: BacklogId) -> Result<Option<BacklogView>> {
    let sql = format!("SELECT {BACKLOG}, {NAME} FROM backlogs WHERE backlogs.id = $1 AND backlogs.owner = $2");
    query_first(client, &sql, &[&id.0, &owner.0]).await?.as_ref().map(view).transpose()
}

/// Of one owner or of everybody, and of one trigger or of all.
pub(super) async fn sums(
    client: &mut Client,
    owner: Option<UserId>,
    trigger: Option<TriggerId>,
) -> Result<BacklogSums> {
    let sql = "SELECT count(*), coalesce(sum(remaining), 0)::bigint,
                      coalesce(sum(remaining) FILTER (WHERE is_held), 0)::bigint
               FROM backlogs
               WHERE ($1::bigint IS NULL OR owner = $1) AND ($2::bigint IS NULL OR trigger_id = $2)";
    let params: Params<'_> = &[&owner.map(|owner| owner.0), &trigger.map(|trigger| trigger.0)];
    let Some(row) = query_first(client, sql, params).await? else { return Ok(BacklogSums::default()) };
    let sum = |at| column::<i64>(&row, at).map(i64::unsigned_abs);
    Ok(BacklogSums { backlogs: sum(0)?, occurrences: sum(1)?, held: sum(2)? })
}

pub(super) async fn turns(
    shared: &Shared,
    after: Option<UserId>,
    owners: usize,
    of_each: usize,
) -> Result<BacklogTurns> {
    // From owner to owner by the index, however many rows each has.
    let sql = format!(
        "WITH RECURSIVE whose (owner, number) AS (
             (SELECT owner, 1 FROM backlogs WHERE NOT is_held AND owner > $1 AND {may_go} ORDER BY owner LIMIT 1)
             UNION ALL
             SELECT next.owner, whose.number + 1
             FROM whose CROSS JOIN LATERAL (
                 SELECT owner FROM backlogs WHERE NOT is_held AND owner > whose.owner AND {may_go} ORDER BY owner LIMIT 1
             ) AS next
             WHERE whose.number < $2
         )
         SELECT {BACKLOG}
         FROM whose CROSS JOIN LATERAL (
             SELECT * FROM backlogs
             WHERE NOT backlogs.is_held AND backlogs.owner = whose.owner AND {may_go}
             ORDER BY backlogs.turn, backlogs.id
             LIMIT $3
         ) AS backlogs
         ORDER BY backlogs.owner, backlogs.turn, backlogs.id",
        may_go = overlap::may_go(),
    );
    let rows = {
        let client = shared.client().await?;
        query(
            &client,
            &sql,
            &[&after.map_or(i64::MIN, |owner| owner.0), &i32::try_from(owners).unwrap_or(i32::MAX), &limit_of(of_each)],
        )
        .await?
    };
    let found = rows.iter().map(backlog).collect::<Result<Vec<_>>>()?;
    let mut known = remembered(shared, found.iter().map(|backlog| backlog.trigger));
    let is_known =
        |backlog: &&Backlog| known.get(&backlog.trigger).is_some_and(|trigger| trigger.revision == backlog.revision);
    let unknown: Vec<TriggerId> =
        found.iter().filter(|backlog| !is_known(backlog)).map(|backlog| backlog.trigger).collect();
    if !unknown.is_empty() {
        known.extend(read(shared, &unknown).await?.into_iter().map(|trigger| (trigger.id, trigger)));
    }
    // One whose trigger was edited between the two looks comes with the next one.
    let until = found.last().map(|backlog| backlog.owner);
    let backlogs = found.into_iter().filter_map(|backlog| {
        let trigger = known.get(&backlog.trigger).filter(|trigger| trigger.revision == backlog.revision)?;
        Some((backlog, Arc::clone(trigger)))
    });
    Ok(BacklogTurns { backlogs: backlogs.collect(), until })
}

pub(super) async fn drain(shared: &Shared, drained: &Drained, now: Timestamp) -> Result<Option<usize>> {
    partition::prepare(shared, now).await?;
    let Drained { backlog, trigger, slice, message_ids, edition } = drained;
    let (mut asked, mut events, mut room) = (Asked::default(), Vec::new(), room(shared));
    for (at, message_id) in slice.firings.iter().zip(message_ids) {
        let mut new = NewEvent {
            trigger: Arc::clone(trigger),
            origin: backlog.source.origin(),
            scheduled_at: Some(*at),
            due_at: trigger.definition.due_later(*at).filter(|due| *due <= now),
            payload: None,
            message_id: *message_id,
            parent: None,
            held: 0,
        };
        asked.push(shared, &mut new, i64::try_from(events.len()).unwrap_or(i64::MAX), &mut room, now);
        events.push(Some(new));
    }
    let (now_us, until, node) = (now.as_microsecond(), (now + CLAIM_FOR).as_microsecond(), shared.node.id());
    let (slot, hour) = (shared.node.slot(1), count::number_of(now));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&now_us, &until, &node, &slot, &hour];
    params.extend(asked.params());
    let (seen, next) = (backlog.next_at.as_microsecond(), slice.next_at.map(Timestamp::as_microsecond));
    let left = i64::try_from(slice.left).unwrap_or(i64::MAX);
    params.extend([&backlog.id.0 as &(dyn ToSql + Sync), &seen, &trigger.revision, &next, &left, edition]);
    params.extend(asked.expected.params());
    let is_alone = !trigger.definition.overlap.is_allowed();
    let sql = drain_statement(&asked.expected, is_alone.then_some(params.len() + 1));
    let mut client = shared.client().await?;
    let rows = match is_alone {
        true => overlap::alone(&mut client, &[trigger.id.0], &sql, &params).await,
        false => query(&client, &sql, &params).await,
    }
    .inspect_err(|error| shared.doubt(error, until))?;
    let (mut stood, mut logged) = (false, Vec::new());
    for row in &rows {
        match column::<Option<i64>>(row, LOGGED_COLUMNS)? {
            Some(_) => stood = true,
            None => logged.push(Logged::read(row)?),
        }
    }
    if !stood {
        node::is_there(&client, shared).await?;
        return Ok(None);
    }
    let mut changes = Changes { edited: [backlog.owner].into(), ..Changes::default() };
    let mut claims = Vec::new();
    for one in &logged {
        let new = usize::try_from(one.key).ok().and_then(|at| events.get_mut(at)).and_then(Option::take);
        claims.extend(new.map(|new| one.finish(shared, new, now, &mut changes)).into_iter().flatten());
    }
    announce(shared, claims, &changes);
    Ok(Some(logged.len()))
}

/// The row that stands as it was seen is locked, so nobody else can be about to log these occurrences of it; what has an event already, from
/// before an absence or by another backlog, gets no second one. `alone` is the parameter of [`overlap::alone`], where the trigger does not overlap.
fn drain_statement(expected: &Expected, alone: Option<usize>) -> String {
    let asked = Asked::table();
    let alone = alone.map_or_else(|| "TRUE".to_owned(), |place| overlap::is_alone("backlogs.trigger_id", place));
    let [id, seen, revision, next, left, edition] = [0, 1, 2, 3, 4, 5].map(|place| format!("${}", AFTER_ASKED + place));
    format!(
        "WITH {floor},
         {present},
         standing AS MATERIALIZED (
             SELECT backlogs.id FROM backlogs
             WHERE backlogs.id = {id}::bigint AND backlogs.next_at = {seen}::bigint AND backlogs.revision = {revision}::bigint
               AND NOT backlogs.is_held AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $3) AND {alone}
               AND {edition}::bigint = (SELECT edition FROM present)
             FOR UPDATE OF backlogs SKIP LOCKED
         ),
         {logging}{expected},
         moved AS (
             UPDATE backlogs
             SET next_at = {next}::bigint, remaining = {left}::bigint, turn = $1,
                 last_event = coalesce((SELECT max(fired.id) FROM fired), backlogs.last_event)
             FROM standing
             WHERE backlogs.id = standing.id AND {next}::bigint IS NOT NULL
         ),
         finished AS (
             DELETE FROM backlogs USING standing
             WHERE backlogs.id = standing.id AND {next}::bigint IS NULL
         )
         SELECT {LOGGED}, NULL::bigint FROM fired
         UNION ALL
         SELECT NULL, NULL, NULL, NULL, standing.id FROM standing",
        expected = expected.clause(AFTER_ASKED + 6),
        floor = floor(),
        present = present(),
        logging = logging(
            &format!("{asked} CROSS JOIN standing"),
            "NOT EXISTS (SELECT 1 FROM events
                         WHERE events.trigger_id = asked.trigger_id AND events.scheduled_at = asked.scheduled_at
                           AND events.fired_at >= asked.scheduled_at)",
        ),
    )
}

pub(super) async fn release(
    shared: &Shared,
    owner: UserId,
    id: Option<BacklogId>,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Touched> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    // All of them first, in the order in which whoever gives up several locks them: what has expired is not looked at with the others.
    let sql = "SELECT id FROM backlogs WHERE owner = $1 AND id = coalesce($2, id) ORDER BY id FOR UPDATE";
    query(&transaction, sql, &[&owner.0, &id.map(|id| id.0)]).await?;
    let meant = format!("backlogs.owner = $3 AND backlogs.id = coalesce($2, backlogs.id) AND {EXPIRED}");
    let params: Params<'_> = &[&now.as_microsecond(), &id.map(|id| id.0), &owner.0];
    let expired = give_up_unasked(&transaction, shared, &meant, params, Reason::Expired, now).await?.backlogs;
    let sql = format!(
        "UPDATE backlogs SET is_held = FALSE
         WHERE owner = $1 AND is_held AND id = coalesce($2, id)
         RETURNING trigger_id, remaining, source, {NAME}"
    );
    let rows = query(&transaction, &sql, &[&owner.0, &id.map(|id| id.0)]).await?;
    let mut touched = Touched { expired, ..Touched::default() };
    for row in &rows {
        let source: &str = column(row, 2)?;
        let source = Source::from_word(source).ok_or_else(|| broken("source", source))?;
        touched.note(TriggerId(column(row, 0)?), column(row, 3)?, source, column::<i64>(row, 1)?.unsigned_abs());
    }
    act::note(&transaction, author, Act::backlogs(owner, Action::Released, &touched)).await?;
    answered(transaction.commit()).await?;
    if touched.backlogs + touched.expired > 0 {
        let changes = Changes { armed: true, edited: [owner].into(), ..Changes::default() };
        announce(shared, Vec::new(), &changes);
    }
    Ok(touched)
}

pub(super) async fn discard(
    shared: &Shared,
    owner: UserId,
    id: Option<BacklogId>,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Touched> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let meant = "backlogs.owner = $1 AND backlogs.id = coalesce($2, backlogs.id)";
    let params: Params<'_> = &[&owner.0, &id.map(|id| id.0)];
    let touched = touched(&give_up(&transaction, shared, meant, params, Reason::Discarded, now).await?);
    act::note(&transaction, author, Act::backlogs(owner, Action::Discarded, &touched)).await?;
    answered(transaction.commit()).await?;
    if touched.backlogs > 0 {
        announce(shared, Vec::new(), &Changes { edited: [owner].into(), ..Changes::default() });
    }
    Ok(touched)
}

pub(super) async fn discard_old(shared: &Shared, now: Timestamp) -> Result<Touched> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let before = now.checked_sub(BACKLOG_KEPT).unwrap_or(Timestamp::MIN).as_microsecond();
    let meant = "backlogs.id IN (SELECT id FROM backlogs WHERE made_at <= $1 ORDER BY made_at LIMIT $2)";
    let params: Params<'_> = &[&before, &limit_of(OLD_TOGETHER)];
    let touched = give_up_unasked(&transaction, shared, meant, params, Reason::Discarded, now).await?;
    answered(transaction.commit()).await?;
    Ok(touched)
}

/// The trigger of a backlog has expired by `$1`. An edit that moves the expiry gives the backlog the revision that it makes, so what
/// was read before it is not taken for what stands.
const EXPIRED: &str = "EXISTS (SELECT 1 FROM triggers
                               WHERE triggers.id = backlogs.trigger_id AND triggers.revision = backlogs.revision
                                 AND triggers.expires_at <= $1)";

pub(super) async fn expire(shared: &Shared, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let now_us = now.as_microsecond();
    let touched = match id {
        Some(id) => {
            let meant = format!("backlogs.id = $2 AND {EXPIRED}");
            give_up_unasked(&transaction, shared, &meant, &[&now_us, &id.0], Reason::Expired, now).await?
        }
        None => {
            let some = format!("SELECT backlogs.id FROM backlogs WHERE {EXPIRED} LIMIT $2");
            let meant = format!("backlogs.id IN ({some}) AND {EXPIRED}");
            let params: Params<'_> = &[&now_us, &limit_of(OLD_TOGETHER)];
            give_up_unasked(&transaction, shared, &meant, params, Reason::Expired, now).await?
        }
    };
    answered(transaction.commit()).await?;
    Ok(touched)
}

/// What waits of a trigger does not fire any more, for that reason.
pub(super) async fn end(
    client: &impl GenericClient,
    shared: &Shared,
    trigger: TriggerId,
    reason: Reason,
    now: Timestamp,
) -> Result<()> {
    give_up(client, shared, "backlogs.trigger_id = $1", &[&trigger.0], reason, now).await.map(drop)
}

/// Puts down as not having fired what those backlogs hold that are meant; they are gone.
async fn give_up(
    client: &impl GenericClient,
    shared: &Shared,
    meant: &str,
    params: Params<'_>,
    reason: Reason,
    now: Timestamp,
) -> Result<Vec<BacklogView>> {
    let sql =
        format!("SELECT {BACKLOG}, {NAME} FROM backlogs WHERE {meant} ORDER BY backlogs.id FOR UPDATE OF backlogs");
    let found = query(client, &sql, params).await?.iter().map(view).collect::<Result<Vec<_>>>()?;
    for BacklogView { backlog, .. } in &found {
        execute(client, "DELETE FROM backlogs WHERE id = $1", &[&backlog.id.0]).await?;
        if let Some(skipped) = backlog.given_up(reason) {
            record(client, shared, backlog.owner, backlog.trigger, &skipped, now).await?;
        }
    }
    Ok(found)
}

/// The same where nobody asked for it, which the audit log tells.
async fn give_up_unasked(
    client: &impl GenericClient,
    shared: &Shared,
    meant: &str,
    params: Params<'_>,
    reason: Reason,
    now: Timestamp,
) -> Result<Touched> {
    let given = give_up(client, shared, meant, params, reason, now).await?;
    for ended in &given {
        act::write_own(client, &Act::backlog_given_up(ended, reason), now).await?;
    }
    Ok(touched(&given))
}

fn touched(given: &[BacklogView]) -> Touched {
    let mut touched = Touched::default();
    for BacklogView { backlog, name } in given {
        touched.note(backlog.trigger, name.clone(), backlog.source, backlog.left);
    }
    touched
}
