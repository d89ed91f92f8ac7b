//! Triggers, their cursors and their records of what did not fire. Whoever changes a trigger locks its row first, then its cursor:
//! calls lock the row to log, plans lock the cursor, and so nothing of a former revision is committed once a change is told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use deadpool_postgres::{Client, GenericClient};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::act::Act;
use oncue_domain::actor::{Actor, Author};
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::store::{
    DUE_COUNTED_MAX, DueCounts, DuePlace, DueSlice, Edited, Error, Missing, NewTrigger, Result, SkippedView,
};
use oncue_domain::trigger::{
    Arm, Armed, Definition, Edit, Kind, Listed, OVERDUE_AFTER, Problem, Remains, Trigger, Unreadable,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::hint::Changes;
use super::log::{NewEvent, announce, log_within};
use super::overlap::CALLED_UP;
use super::{
    Shared, act, answered, backlog, calendar, column, count, destination, ending, execute, limit_of, lock, partition,
    query, query_first, revision, tally,
};
use crate::codec::{
    self, actor_to_text, broken, destinations_from_text, destinations_to_text, expects_from_text, expects_to_text,
    instant, is_as_seen, listed_or, nearest_instant, of_trigger, overlap_from_text, overlap_to_text,
    schedule_from_text, schedule_to_text, since, webhook,
};

/// What another node leaves lying so long after its time, anybody takes.
const LEFT_LYING_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// The columns of a trigger.
pub(super) const TRIGGER: &str = "triggers.id, triggers.owner, triggers.revision, triggers.name, triggers.schedule, triggers.payload, \
                       triggers.webhook_url, triggers.webhook_format, triggers.is_test, triggers.enabled, triggers.expires_at, \
                       triggers.created_at, triggers.standing_since, triggers.destinations, \
                       triggers.payload_schema, triggers.pause_reason, triggers.pause_until, triggers.expects, \
                       triggers.overlap";

/// How many columns that is.
pub(super) const TRIGGER_COLUMNS: usize = 19;

pub(super) fn trigger(row: &Row, shared: &Shared) -> Result<Trigger> {
    of_trigger(read_trigger(row, shared))
}

fn read_trigger(row: &Row, shared: &Shared) -> Result<Trigger> {
    let schedule: Option<&str> = column(row, 4)?;
    let payload: Option<&str> = column(row, 5)?;
    let expires_at: Option<i64> = column(row, 10)?;
    Ok(Trigger {
        id: TriggerId(column(row, 0)?),
        owner: UserId(column(row, 1)?),
        revision: column(row, 2)?,
        definition: Definition {
            name: column(row, 3)?,
            schedule: schedule
                .map(|text| schedule_from_text(text, &shared.settings.zones, &shared.cron_lines))
                .transpose()?,
            payload: payload.map(codec::payload).transpose()?,
            payload_schema: column::<Option<&str>>(row, 14)?.map(codec::payload_schema).transpose()?,
            webhook: webhook(column(row, 6)?, column(row, 7)?)?,
            destinations: destinations_from_text(column(row, 13)?)?,
            expects: expects_from_text(column(row, 17)?)?,
            overlap: overlap_from_text(column(row, 18)?)?,
            is_test: column(row, 8)?,
            enabled: column(row, 9)?,
            pause: codec::pause(column(row, 15)?, column(row, 16)?)?,
            expires_at: expires_at.map(instant).transpose()?,
        },
        created_at: instant(column(row, 11)?)?,
        standing_since: instant(column(row, 12)?)?,
    })
}

fn armed(row: &Row, shared: &Shared) -> Result<Armed> {
    let next_at: Option<i64> = column(row, TRIGGER_COLUMNS)?;
    let fired = column(row, TRIGGER_COLUMNS + 1)?;
    of_trigger(
        read_trigger(row, shared).and_then(|trigger| {
            Ok(Armed { trigger, next_at: next_at.map(nearest_instant), fired: codec::fired(fired)? })
        }),
    )
}

/// The triggers among these that were read before, as they were then.
pub(super) fn remembered(shared: &Shared, ids: impl Iterator<Item = TriggerId>) -> HashMap<TriggerId, Arc<Trigger>> {
    let parsed = lock(&shared.parsed);
    ids.filter_map(|id| parsed.get(id).map(|trigger| (id, Arc::clone(trigger)))).collect()
}

/// Reads triggers as they stand, and remembers them. One that cannot be read is left out, so that it does not hold up the others.
pub(super) async fn read(shared: &Shared, ids: &[TriggerId]) -> Result<Vec<Arc<Trigger>>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let client = shared.client().await?;
    let begun = lock(&shared.parsed).begin_read();
    let sql = format!("SELECT {TRIGGER} FROM triggers WHERE id = ANY ($1)");
    let mut found = Vec::new();
    for row in query(&client, &sql, &[&ids]).await? {
        match trigger(&row, shared) {
            Ok(trigger) => {
                found.push(Arc::new(trigger));
                // One of many dates takes a while, and others are served by this thread.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                shared.told.unreadable(column(&row, 0)?, column(&row, 2)?, &error, "does not fire");
            }
        }
    }
    let mut parsed = lock(&shared.parsed);
    found.iter().for_each(|trigger| parsed.insert_read(trigger, begun));
    Ok(found)
}

/// The owner's triggers among these, which nobody changes or deletes until the transaction is over.
pub(super) async fn hold(
    client: &impl GenericClient,
    shared: &Shared,
    owner: UserId,
    ids: &[TriggerId],
) -> Result<HashMap<TriggerId, Arc<Trigger>>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let sql = format!("SELECT {TRIGGER} FROM triggers WHERE id = ANY ($1) AND owner = $2 ORDER BY id FOR SHARE");
    let rows = query(client, &sql, &[&ids, &owner.0]).await?;
    rows.iter().map(|row| trigger(row, shared).map(|trigger| (trigger.id, Arc::new(trigger)))).collect()
}

pub(super) async fn create(
    shared: &Shared,
    new: &NewTrigger,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<std::result::Result<Armed, Missing>> {
    partition::prepare(shared, now).await?;
    let definition = &new.definition;
    let named = definition.named_destinations();
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    if let Err(missing) = destination::hold_all(&transaction, new.owner, &named).await? {
        return Ok(Err(missing));
    }
    let (mut held, observed) = (calendar::Held::default(), calendar::ids_of(definition));
    calendar::hold(&transaction, &mut held, new.owner, TriggerId(0), &observed).await?;
    if let Err(missing) = held.take(new.owner, definition) {
        return Ok(Err(missing));
    }
    let sql = "WITH made AS (
                   INSERT INTO triggers (owner, revision, name, schedule, payload, webhook_url, webhook_format,
                                         is_test, enabled, expires_at, created_at, standing_since, destinations,
                                         payload_schema, made_by, pause_reason, pause_until, expects, overlap)
                   VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $12, $13, $14, $15, $16, $17, $18)
                   RETURNING id
               ),
               armed AS (
                   INSERT INTO cursors (trigger_id, next_at, revision)
                   SELECT id, $11, 1 FROM made WHERE $11::bigint IS NOT NULL
               )
               SELECT id FROM made";
    let params: [&(dyn ToSql + Sync); 18] = [
        &new.owner.0,
        &definition.name,
        &definition.schedule.as_ref().map(schedule_to_text),
        &definition.payload.as_ref().map(Payload::as_str),
        &definition.webhook.as_ref().map(|webhook| webhook.url.as_str()),
        &definition.webhook.as_ref().map(|webhook| webhook.format.word()),
        &definition.is_test,
        &definition.enabled,
        &definition.expires_at.map(Timestamp::as_microsecond),
        &now.as_microsecond(),
        &new.next_at.map(Timestamp::as_microsecond),
        &destinations_to_text(&definition.destinations),
        &definition.payload_schema.as_ref().map(PayloadSchema::as_str),
        &actor_to_text(by_of(author)),
        &definition.pause.as_ref().and_then(|pause| pause.reason.as_deref()),
        &definition.pause_ends_at().map(Timestamp::as_microsecond),
        &expects_to_text(definition.expects.as_ref()),
        &overlap_to_text(definition.overlap),
    ];
    let row = query_first(&transaction, sql, &params).await?;
    let id = TriggerId(row.map(|row| column(&row, 0)).transpose()?.ok_or_else(|| broken("id", "no number"))?);
    let armed = new.as_made(id, now);
    if !named.is_empty() {
        destination::link(&transaction, id, &named).await?;
    }
    calendar::link(&transaction, &observed.iter().map(|calendar| (id, *calendar)).collect::<Vec<_>>()).await?;
    let mut logged = None;
    if let Some(message_id) = new.test_event {
        let mut event = NewEvent {
            trigger: Arc::new(armed.trigger.clone()),
            origin: Origin::Test,
            scheduled_at: None,
            due_at: None,
            payload: None,
            message_id,
            parent: None,
            held: 0,
        };
        logged = Some((log_within(&transaction, shared, &mut event, now).await?, event));
    }
    act::note(&transaction, author, Some(Act::trigger_made(&armed.trigger))).await?;
    let committed = answered(transaction.commit()).await;
    committed.inspect_err(|_| partition::forget_all(shared))?;
    let mut changes = Changes { edited: [new.owner].into(), ..Changes::default() };
    note_armed(shared, id, new.next_at, &mut changes);
    let claims = logged.map_or_else(Vec::new, |(logged, event)| logged.finish(shared, event, now, &mut changes));
    announce(shared, claims, &changes);
    Ok(Ok(armed))
}

/// Who it is that has the store in their hands.
pub(super) fn by_of(author: Option<&Author>) -> &Actor {
    author.map_or(&Actor::SYSTEM, |author| &author.by)
}

/// This node knows of what it has just armed before any other does, and takes it if it is due soon.
pub(super) fn note_armed(shared: &Shared, id: TriggerId, next_at: Option<Timestamp>, changes: &mut Changes) {
    if let Some(next_at) = next_at {
        shared.node.note_armed(id, next_at);
        changes.armed = true;
    }
}

/// Whose a trigger is, or was, where it was deleted and is not forgotten.
pub(super) async fn owner_of(client: &Client, id: TriggerId) -> Result<Option<UserId>> {
    let sql =
        "SELECT owner FROM triggers WHERE id = $1 UNION ALL SELECT owner FROM former_triggers WHERE id = $1 LIMIT 1";
    let row = query_first(client, sql, &[&id.0]).await?;
    row.map(|row| column(&row, 0).map(UserId)).transpose()
}

pub(super) async fn get(client: &mut Client, shared: &Shared, owner: UserId, id: TriggerId) -> Result<Option<Armed>> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at, limits.fired
         FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                       LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE triggers.id = $1 AND triggers.owner = $2"
    );
    query_first(client, &sql, &[&id.0, &owner.0]).await?.map(|row| armed(&row, shared)).transpose()
}

pub(super) async fn remains(
    client: &mut Client,
    shared: &Shared,
    owner: UserId,
    id: TriggerId,
) -> Result<Option<Remains>> {
    let problem = match get(client, shared, owner, id).await {
        Err(Error::Unreadable(problem)) => problem,
        found => return found.map(|_| None),
    };
    let sql = "SELECT triggers.revision, triggers.name, triggers.schedule IS NOT NULL, triggers.created_at, triggers.standing_since,
                      cursors.next_at, triggers.enabled, coalesce(position('\"delete_when_done\":true' IN triggers.schedule) > 0, FALSE)
               FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
               WHERE triggers.id = $1 AND triggers.owner = $2";
    let Some(row) = query_first(client, sql, &[&id.0, &owner.0]).await? else { return Ok(None) };
    let kind = if column(&row, 2)? { Kind::Scheduled } else { Kind::Api };
    let next_at: Option<i64> = column(&row, 5)?;
    let name: Option<String> = column(&row, 1)?;
    let (created_at, standing_since) = since(column(&row, 3)?, column(&row, 4)?);
    let revision = column(&row, 0)?;
    let trigger = Trigger {
        id,
        owner,
        revision,
        definition: Definition::in_place_of_unreadable(name.clone(), kind),
        created_at,
        standing_since,
    };
    let unreadable = Unreadable { id, revision, name, kind, enabled: column(&row, 6)?, created_at, problem };
    // An instant that is none is nothing to wait for, and must not keep anybody from replacing the trigger.
    let next_at = next_at.and_then(|next_at| instant(next_at).ok());
    let deletes_when_done = column(&row, 7)?;
    Ok(Some(Remains { armed: Armed { trigger, next_at, fired: 0 }, deletes_when_done, unreadable }))
}

/// What a list says of a row with these columns: the revision, the name, the schedule, whether it is enabled, when it was made, and since
/// when it stands.
pub(super) fn unreadable(row: &Row, columns: [usize; 6], problem: Problem) -> Result<Unreadable> {
    let [revision, name, schedule, enabled, created_at, standing_since] = columns;
    let has_schedule = column::<Option<&str>>(row, schedule)?.is_some();
    Ok(Unreadable {
        id: TriggerId(column(row, 0)?),
        revision: column(row, revision)?,
        name: column(row, name)?,
        kind: if has_schedule { Kind::Scheduled } else { Kind::Api },
        enabled: column(row, enabled)?,
        created_at: since(column(row, created_at)?, column(row, standing_since)?).0,
        problem,
    })
}

pub(super) async fn list(
    client: &mut Client,
    shared: &Shared,
    owner: UserId,
    after: Option<TriggerId>,
    limit: usize,
) -> Result<Vec<Listed<Armed>>> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at, limits.fired
         FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                       LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE triggers.owner = $1 AND triggers.id > $2
         ORDER BY triggers.id
         LIMIT $3"
    );
    let (mut triggers, mut after) = (Vec::new(), after.map_or(0, |id| id.0));
    loop {
        let wanted = limit - triggers.len();
        let rows = query(client, &sql, &[&owner.0, &after, &limit_of(wanted)]).await?;
        for row in &rows {
            after = column(row, 0)?;
            triggers.extend(listed_or(armed(row, shared), |problem| unreadable(row, [2, 3, 4, 9, 11, 12], problem))?);
        }
        // As many are wanted of which anything can be said.
        if rows.len() < wanted || triggers.len() == limit {
            return Ok(triggers);
        }
    }
}

pub(super) async fn edit(
    shared: &Shared,
    edit: &Edit,
    seen: Option<Timestamp>,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Edited> {
    let trigger = &edit.trigger;
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let (mut held, observed) = (calendar::Held::default(), calendar::ids_of(&trigger.definition));
    calendar::hold(&transaction, &mut held, trigger.owner, trigger.id, &observed).await?;
    let Some(present) = lock_trigger(&transaction, trigger.owner, trigger.id).await? else {
        return Ok(Edited::NotFound);
    };
    let next_at = lock_cursor(&transaction, trigger.id).await?;
    let moved = edit.arm != Arm::Keep && !is_as_seen(next_at, seen);
    if present + 1 != trigger.revision || moved {
        return Ok(Edited::Stale);
    }
    let definition = &trigger.definition;
    let named = definition.named_destinations();
    if let Err(missing) = destination::hold_all(&transaction, trigger.owner, &named).await? {
        return Ok(Edited::Missing(missing));
    }
    if let Err(missing) = held.take(trigger.owner, definition) {
        return Ok(Edited::Missing(missing));
    }
    ending::note_own(&transaction, shared, &[trigger.id.0], now).await?;
    end_revision(&transaction, trigger.id, now).await?;
    revision::keep(&transaction, trigger.id, now).await?;
    destination::link(&transaction, trigger.id, &named).await?;
    calendar::unlink(&transaction, trigger.id).await?;
    calendar::link(&transaction, &observed.iter().map(|id| (trigger.id, *id)).collect::<Vec<_>>()).await?;
    let params: [&(dyn ToSql + Sync); 20] = [
        &trigger.id.0,
        &trigger.revision,
        &definition.name,
        &definition.schedule.as_ref().map(schedule_to_text),
        &definition.payload.as_ref().map(Payload::as_str),
        &definition.webhook.as_ref().map(|webhook| webhook.url.as_str()),
        &definition.webhook.as_ref().map(|webhook| webhook.format.word()),
        &definition.is_test,
        &definition.enabled,
        &definition.expires_at.map(Timestamp::as_microsecond),
        &trigger.standing_since.as_microsecond(),
        &destinations_to_text(&definition.destinations),
        &definition.payload_schema.as_ref().map(PayloadSchema::as_str),
        &actor_to_text(by_of(author)),
        &now.as_microsecond(),
        &definition.pause.as_ref().and_then(|pause| pause.reason.as_deref()),
        &definition.pause_ends_at().map(Timestamp::as_microsecond),
        &expects_to_text(definition.expects.as_ref()),
        &overlap_to_text(definition.overlap),
        &trigger.created_at.as_microsecond(),
    ];
    let sql = "UPDATE triggers
               SET revision = $2, name = $3, schedule = $4, payload = $5, webhook_url = $6, webhook_format = $7,
                   is_test = $8, enabled = $9, expires_at = $10, standing_since = $11, destinations = $12,
                   payload_schema = $13, made_by = $14, revised_at = $15, pause_reason = $16, pause_until = $17,
                   expects = $18, overlap = $19, created_at = $20
               WHERE id = $1";
    execute(&transaction, sql, &params).await?;
    let mut changes = Changes { edited: [trigger.owner].into(), ..Changes::default() };
    match edit.arm {
        Arm::Set(next_at) if next_at.is_none() || !edit.waits_on(seen) => {
            set_cursor(&transaction, trigger.id, trigger.revision, next_at).await?;
        }
        Arm::Keep | Arm::Set(_) => {
            let sql = "UPDATE cursors SET revision = $2 WHERE trigger_id = $1";
            execute(&transaction, sql, &[&trigger.id.0, &trigger.revision]).await?;
        }
    }
    // A trigger that has no limit is not counted; under a new one it begins anew, as it does where what is kept is no count.
    let sql = "DELETE FROM limits WHERE trigger_id = $1 AND (NOT $2::boolean OR fired < 0)";
    execute(&transaction, sql, &[&trigger.id.0, &definition.is_limited()]).await?;
    for skipped in &edit.skipped {
        record(&transaction, shared, trigger.owner, trigger.id, skipped, now).await?;
    }
    if let Some(reason) = edit.ends_backlogs {
        backlog::end(&transaction, shared, trigger.id, reason, now).await?;
    } else {
        // In the order in which whoever gives up several locks them.
        let sql = "UPDATE backlogs SET revision = $2
                   WHERE id IN (SELECT id FROM backlogs WHERE trigger_id = $1 ORDER BY id FOR UPDATE)";
        // It may let them go where the former revision did not.
        changes.armed |= execute(&transaction, sql, &[&trigger.id.0, &trigger.revision]).await? > 0;
    }
    act::note(&transaction, author, Some(Act::trigger_edited(edit))).await?;
    answered(transaction.commit()).await?;
    // Calls that go by what it was before would have to be made once more, behind those that they came with.
    lock(&shared.parsed).remove(trigger.id);
    if let Arm::Set(next_at) = edit.arm {
        note_armed(shared, trigger.id, next_at, &mut changes);
    }
    announce(shared, Vec::new(), &changes);
    Ok(Edited::Done)
}

/// The edit of a trigger that says another schedule and nothing else, as it is written down: it holds no more than that, so that many can be kept.
pub(super) struct Rescheduled {
    owner: UserId,
    id: TriggerId,
    revision: i64,
    schedule: Option<String>,
    standing_since: Timestamp,
    /// A pause that is over goes with an edit, whatever that is about.
    enabled: bool,
    pause_reason: Option<String>,
    pause_until: Option<Timestamp>,
    /// What its cursor waits for from then on, where that is another occurrence or it has forgotten that it waited.
    arm: Arm,
    skipped: Vec<Skipped>,
    ends_backlogs: Option<Reason>,
    /// When it is made.
    at: Timestamp,
}

impl Rescheduled {
    /// The edit, decided at that instant about the trigger as it stood.
    pub(super) fn of(before: &Armed, edit: &Edit, at: Timestamp) -> Rescheduled {
        let Edit { trigger, arm, skipped, ends_backlogs, .. } = edit;
        let definition = &trigger.definition;
        let arm = if edit.waits_on(before.next_at) && before.next_at.is_some() { Arm::Keep } else { *arm };
        Rescheduled {
            owner: trigger.owner,
            id: trigger.id,
            revision: trigger.revision,
            schedule: definition.schedule.as_ref().map(schedule_to_text),
            standing_since: trigger.standing_since,
            enabled: definition.enabled,
            pause_reason: definition.pause.as_ref().and_then(|pause| pause.reason.clone()),
            pause_until: definition.pause_ends_at(),
            arm,
            skipped: skipped.clone(),
            ends_backlogs: *ends_backlogs,
            at,
        }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.schedule.as_ref().map_or(0, String::len)
    }
}

/// The same as [`edit`] for many whose schedules alone are another, all locked as it locks one, with what waits of them, and found as the edits
/// suppose.
pub(super) async fn edit_schedules(
    client: &impl GenericClient,
    shared: &Shared,
    edits: &[Rescheduled],
    author: Option<&Author>,
) -> Result<()> {
    let Some(latest) = edits.iter().map(|edit| edit.at).max() else { return Ok(()) };
    let ids: Vec<i64> = edits.iter().map(|edit| edit.id.0).collect();
    let revisions: Vec<i64> = edits.iter().map(|edit| edit.revision).collect();
    let schedules: Vec<Option<&str>> = edits.iter().map(|edit| edit.schedule.as_deref()).collect();
    let standing: Vec<i64> = edits.iter().map(|edit| edit.standing_since.as_microsecond()).collect();
    let instants: Vec<i64> = edits.iter().map(|edit| edit.at.as_microsecond()).collect();
    ending::note_own(client, shared, &ids, latest).await?;
    end_revisions(client, &ids, latest).await?;
    revision::keep_all(client, &ids, &instants).await?;
    let enabled: Vec<bool> = edits.iter().map(|edit| edit.enabled).collect();
    let reasons: Vec<Option<&str>> = edits.iter().map(|edit| edit.pause_reason.as_deref()).collect();
    let pauses: Vec<Option<i64>> = edits.iter().map(|edit| edit.pause_until.map(Timestamp::as_microsecond)).collect();
    let sql = "UPDATE triggers
               SET revision = edits.revision, schedule = edits.schedule, standing_since = edits.standing_since,
                   enabled = edits.enabled, pause_reason = edits.pause_reason, pause_until = edits.pause_until,
                   made_by = $8, revised_at = edits.at
               FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::boolean[], $6::text[], $7::bigint[], $9::bigint[])
                    AS edits (id, revision, schedule, standing_since, enabled, pause_reason, pause_until, at)
               WHERE triggers.id = edits.id";
    let by = actor_to_text(by_of(author));
    let params: [&(dyn ToSql + Sync); 9] =
        [&ids, &revisions, &schedules, &standing, &enabled, &reasons, &pauses, &by, &instants];
    execute(client, sql, &params).await?;
    let sql = "UPDATE cursors SET revision = edits.revision
               FROM unnest($1::bigint[], $2::bigint[]) AS edits (id, revision)
               WHERE cursors.trigger_id = edits.id";
    execute(client, sql, &[&ids, &revisions]).await?;
    let (mut moved, mut ended) = (Vec::new(), Vec::new());
    for edit in edits {
        match edit.arm {
            Arm::Set(Some(next_at)) => moved.push((edit.id.0, next_at.as_microsecond(), edit.revision)),
            Arm::Set(None) => ended.push(edit.id.0),
            Arm::Keep => {}
        }
    }
    execute(client, "DELETE FROM cursors WHERE trigger_id = ANY ($1)", &[&ended]).await?;
    let waiting: Vec<i64> = moved.iter().map(|(id, ..)| *id).collect();
    let (nexts, revised): (Vec<i64>, Vec<i64>) =
        moved.iter().map(|(_, next_at, revision)| (*next_at, *revision)).unzip();
    let sql = "INSERT INTO cursors (trigger_id, next_at, revision)
               SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
               ON CONFLICT (trigger_id) DO UPDATE
               SET next_at = excluded.next_at, revision = excluded.revision, waits = FALSE, waited_until = NULL";
    execute(client, sql, &[&waiting, &nexts, &revised]).await?;
    for edit in edits {
        for skipped in &edit.skipped {
            record(client, shared, edit.owner, edit.id, skipped, edit.at).await?;
        }
    }
    let sql = "UPDATE backlogs SET revision = edits.revision
               FROM unnest($1::bigint[], $2::bigint[]) AS edits (id, revision)
               WHERE backlogs.trigger_id = edits.id
               RETURNING trigger_id";
    let owed: BTreeSet<TriggerId> = query(client, sql, &[&ids, &revisions])
        .await?
        .iter()
        .map(|row| column(row, 0).map(TriggerId))
        .collect::<Result<_>>()?;
    for edit in edits.iter().filter(|edit| owed.contains(&edit.id)) {
        if let Some(reason) = edit.ends_backlogs {
            backlog::end(client, shared, edit.id, reason, edit.at).await?;
        }
    }
    Ok(())
}

/// Makes the trigger wait for `next_at`, or for nothing (invariant 2: exactly one armed occurrence, or none to wait for).
pub(super) async fn set_cursor(
    client: &impl GenericClient,
    id: TriggerId,
    revision: i64,
    next_at: Option<Timestamp>,
) -> Result<()> {
    let Some(next_at) = next_at else {
        return execute(client, "DELETE FROM cursors WHERE trigger_id = $1", &[&id.0]).await.map(drop);
    };
    let sql = "INSERT INTO cursors (trigger_id, next_at, revision) VALUES ($1, $2, $3)
               ON CONFLICT (trigger_id) DO UPDATE
               SET next_at = excluded.next_at, revision = excluded.revision, waits = FALSE, waited_until = NULL";
    execute(client, sql, &[&id.0, &next_at.as_microsecond(), &revision]).await.map(drop)
}

/// The owner's trigger is locked against calls and other changes; gives its revision.
pub(super) async fn lock_trigger(client: &impl GenericClient, owner: UserId, id: TriggerId) -> Result<Option<i64>> {
    let sql = "SELECT revision FROM triggers WHERE id = $1 AND owner = $2 FOR UPDATE";
    query_first(client, sql, &[&id.0, &owner.0]).await?.map(|row| column(&row, 0)).transpose()
}

/// The same for a trigger that is done, its cursor and what waits of it, if nobody is at any of them; gives its revision.
async fn lock_done(client: &impl GenericClient, owner: UserId, id: TriggerId) -> Result<Option<i64>> {
    let sql = "SELECT revision FROM triggers WHERE id = $1 AND owner = $2 FOR UPDATE SKIP LOCKED";
    let Some(row) = query_first(client, sql, &[&id.0, &owner.0]).await? else { return Ok(None) };
    let sql = "SELECT 1 FROM cursors WHERE trigger_id = $1 FOR UPDATE SKIP LOCKED";
    if query_first(client, sql, &[&id.0]).await?.is_none() {
        return Ok(None);
    }
    let sql = "SELECT (SELECT count(*) FROM backlogs WHERE trigger_id = $1)
                      = (SELECT count(*) FROM (SELECT 1 FROM backlogs WHERE trigger_id = $1 FOR UPDATE SKIP LOCKED) AS free)";
    let is_free = query_first(client, sql, &[&id.0]).await?.map_or(Ok(false), |row| column(&row, 0))?;
    if is_free { column(&row, 0).map(Some) } else { Ok(None) }
}

/// The trigger's cursor is locked against plans; gives what it waits for.
async fn lock_cursor(client: &impl GenericClient, id: TriggerId) -> Result<Option<i64>> {
    let sql = "SELECT next_at FROM cursors WHERE trigger_id = $1 FOR UPDATE";
    query_first(client, sql, &[&id.0]).await?.map(|row| column(&row, 0)).transpose()
}

/// Keeps what the present revision says, for the events that name it. It ends after the last of them, even where the clock
/// was put back since: what it says must not expire before they do.
async fn end_revision(client: &impl GenericClient, id: TriggerId, now: Timestamp) -> Result<()> {
    end_revisions(client, &[id.0], now).await
}

async fn end_revisions(client: &impl GenericClient, ids: &[i64], now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO revisions (trigger_id, revision, kind, name, payload, webhook_url, webhook_format, ended_at)
               SELECT id, revision, CASE WHEN schedule IS NULL THEN 'api' ELSE 'scheduled' END, name, payload, webhook_url,
                      webhook_format,
                      greatest($2, (SELECT max(fired_at) FROM events
                                    WHERE events.owner = triggers.owner AND events.trigger_id = triggers.id))
               FROM triggers
               WHERE id = ANY ($1)";
    execute(client, sql, &[&ids, &now.as_microsecond()]).await.map(drop)
}

/// Of any revision; or of this one alone, which is done: where somebody is at it, it is left for later, because all that is due would wait
/// for it. What is asked about afterwards stays until it is old enough to be forgotten: the revisions, the records of what did not fire, and the
/// counts.
pub(super) async fn delete(
    shared: &Shared,
    (owner, id): (UserId, TriggerId),
    revision: Option<i64>,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<bool> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let found = match revision {
        Some(_) => lock_done(&transaction, owner, id).await?,
        None => lock_trigger(&transaction, owner, id).await?,
    };
    if found.is_none_or(|found| revision.is_some_and(|revision| revision != found)) {
        return Ok(false);
    }
    if revision.is_none() {
        lock_cursor(&transaction, id).await?;
    }
    ending::note_own(&transaction, shared, &[id.0], now).await?;
    end_revision(&transaction, id, now).await?;
    revision::keep_last(&transaction, id, by_of(author), now).await?;
    destination::unlink(&transaction, id).await?;
    calendar::unlink(&transaction, id).await?;
    // While it is there: what is counted of it is its own then.
    backlog::end(&transaction, shared, id, Reason::Discarded, now).await?;
    for sql in [
        "DELETE FROM triggers WHERE id = $1",
        "DELETE FROM cursors WHERE trigger_id = $1",
        "DELETE FROM limits WHERE trigger_id = $1",
        "DELETE FROM firings WHERE trigger_id = $1",
    ] {
        execute(&transaction, sql, &[&id.0]).await?;
    }
    if author.is_some() {
        let name = act::last_name(&transaction, id).await?;
        act::note(&transaction, author, Some(Act::trigger_deleted(owner, id, name))).await?;
    }
    answered(transaction.commit()).await?;
    announce(shared, Vec::new(), &Changes { edited: [owner].into(), ..Changes::default() });
    Ok(true)
}

/// Writes down occurrences that will not fire.
pub(super) async fn record(
    client: &impl GenericClient,
    shared: &Shared,
    owner: UserId,
    id: TriggerId,
    skipped: &Skipped,
    now: Timestamp,
) -> Result<()> {
    let counting =
        tally::adding_skipped("SELECT skips.*, $8::bigint AS first_hour, $9::bigint AS last_hour FROM skips", "$10");
    let sql = format!(
        "WITH skips AS (
             INSERT INTO skipped (owner, trigger_id, reason, first_at, last_at, count, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             RETURNING owner, trigger_id, reason, first_at, last_at, count
         )
         {counting}"
    );
    let params: [&(dyn ToSql + Sync); 10] = [
        &owner.0,
        &id.0,
        &skipped.reason.word(),
        &skipped.first.as_microsecond(),
        &skipped.last.as_microsecond(),
        &i64::try_from(skipped.count).unwrap_or(i64::MAX),
        &now.as_microsecond(),
        &count::number_of(skipped.first),
        &count::number_of(skipped.last),
        &shared.node.slot(0),
    ];
    execute(client, &sql, &params).await.map(drop)
}

pub(super) async fn skipped(
    client: &mut Client,
    owner: UserId,
    id: TriggerId,
    limit: usize,
) -> Result<Vec<SkippedView>> {
    let sql = "SELECT reason, first_at, last_at, count, recorded_at
               FROM skipped
               WHERE trigger_id = $1 AND owner = $2
               ORDER BY id DESC
               LIMIT $3";
    let rows = query(client, sql, &[&id.0, &owner.0, &limit_of(limit)]).await?;
    rows.iter().map(skipped_view).collect()
}

/// A record from its columns: reason, first, last, count, and when it was written down.
pub(super) fn skipped_view(row: &Row) -> Result<SkippedView> {
    Ok(SkippedView { skipped: skipped_run(row)?, recorded_at: instant(column(row, 4)?)? })
}

/// A run from its columns: reason, first, last, count.
pub(super) fn skipped_run(row: &Row) -> Result<Skipped> {
    let word: &str = column(row, 0)?;
    let count: i64 = column(row, 3)?;
    Ok(Skipped {
        reason: Reason::from_word(word).ok_or_else(|| broken("reason", word))?,
        first: instant(column(row, 1)?)?,
        last: instant(column(row, 2)?)?,
        count: u64::try_from(count).map_err(|error| broken("count", error))?,
    })
}

/// Whether an occurrence falls on this node (`$2` of `$3`), so that nodes do not all go for the same ones. The occurrence and not
/// the trigger alone decides: one that fires often is not one node's burden. `$4` are those that this node has just armed.
const IS_MINE: &str = "(hashint8(cursors.trigger_id + cursors.next_at / 1000000) & 2147483647) % $3::bigint = $2::bigint \
                       OR cursors.trigger_id = ANY ($4::bigint[])";

pub(super) async fn next_due(client: &mut Client, shared: &Shared) -> Result<Option<Timestamp>> {
    let (place, nodes) = shared.node.share();
    let sql = format!(
        "SELECT least(
             (SELECT next_at FROM cursors WHERE NOT waits AND next_at >= {first} AND ({IS_MINE}) ORDER BY next_at LIMIT 1),
             (SELECT least(next_at, {last}) FROM cursors WHERE NOT waits AND next_at >= {first} ORDER BY next_at LIMIT 1) + $1::bigint
         )",
        first = Timestamp::MIN.as_microsecond(),
        last = Timestamp::MAX.as_microsecond(),
    );
    let left_lying_us = if nodes == 1 { 0 } else { i64::try_from(LEFT_LYING_AFTER.as_micros()).unwrap_or(i64::MAX) };
    let row = query_first(client, &sql, &[&left_lying_us, &place, &nodes, &shared.node.just_armed()]).await?;
    let next: Option<i64> = row.map(|row| column(&row, 0)).transpose()?.flatten();
    Ok(next.map(nearest_instant))
}

pub(super) async fn due_counts(client: &Client, now: Timestamp) -> Result<DueCounts> {
    let sql = format!(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM cursors WHERE NOT waits AND next_at <= $1 AND coalesce(waited_until <= $1, TRUE) LIMIT $3) AS due),
                      (SELECT count(*) FROM (SELECT 1 FROM cursors WHERE NOT waits AND next_at < $2 AND coalesce(waited_until < $2, TRUE) LIMIT $3) AS overdue),
                      (SELECT next_at FROM cursors WHERE NOT waits AND next_at > $1 ORDER BY next_at LIMIT 1),
                      (SELECT next_at FROM cursors WHERE NOT waits AND NOT ({CALLED_UP}) ORDER BY next_at LIMIT 1)"
    );
    let overdue_before = now.checked_sub(OVERDUE_AFTER).unwrap_or(Timestamp::MIN).as_microsecond();
    let counted_max = i64::try_from(DUE_COUNTED_MAX).unwrap_or(i64::MAX);
    let row = query_first(client, &sql, &[&now.as_microsecond(), &overdue_before, &counted_max]).await?;
    let row = row.ok_or_else(|| Error::Broken("a row that is always there is not".to_owned()))?;
    let (due, overdue): (i64, i64) = (column(&row, 0)?, column(&row, 1)?);
    let (next_at, earliest): (Option<i64>, Option<i64>) = (column(&row, 2)?, column(&row, 3)?);
    Ok(DueCounts {
        due: due.unsigned_abs(),
        overdue: overdue.unsigned_abs(),
        next_at: next_at.map(nearest_instant),
        earliest: earliest.map(nearest_instant),
    })
}

/// A trigger that is due: when, as of which revision, and whether another node has left it lying.
struct Due {
    id: TriggerId,
    at: Timestamp,
    revision: i64,
    is_lying: bool,
}

/// What is due behind the place, but for these.
async fn cursors_due(
    shared: &Shared,
    place: DuePlace,
    now: Timestamp,
    limit: usize,
    but: &[TriggerId],
) -> Result<Vec<Due>> {
    let (share, nodes) = shared.node.share();
    let left_lying = now.checked_sub(LEFT_LYING_AFTER).unwrap_or(Timestamp::MIN).as_microsecond();
    let sql = format!(
        "WITH mine AS MATERIALIZED (
             SELECT trigger_id, next_at, revision, FALSE FROM cursors
             WHERE NOT waits AND next_at <= $1 AND (next_at, trigger_id) > ($8::bigint, $9::bigint)
               AND ({IS_MINE}) AND trigger_id <> ALL ($7::bigint[])
             ORDER BY next_at, trigger_id LIMIT $6
         )
         SELECT * FROM mine
         UNION ALL
         (SELECT trigger_id, next_at, revision, TRUE FROM cursors
          WHERE NOT waits AND next_at <= $5 AND (next_at, trigger_id) > ($10::bigint, $11::bigint)
            AND NOT ({IS_MINE}) AND trigger_id <> ALL ($7::bigint[])
          ORDER BY next_at, trigger_id LIMIT $6 - (SELECT count(*) FROM mine))"
    );
    let armed_here = shared.node.just_armed();
    let but: Vec<i64> = but.iter().map(|id| id.0).collect();
    // What was armed for before all time no plan would find as it stands; the auditor arms it anew.
    let front = (Timestamp::MIN.as_microsecond(), i64::MIN);
    let behind = |last: Option<(Timestamp, TriggerId)>| last.map_or(front, |(at, id)| (at.as_microsecond(), id.0));
    let ((last_at, last_id), (lying_at, lying_id)) = (behind(place.last), behind(place.last_lying));
    // Where much waits, what others leave lying comes after this node's own: else all nodes would go for the same.
    let params: [&(dyn ToSql + Sync); 11] = [
        &now.as_microsecond(),
        &share,
        &nodes,
        &armed_here,
        &left_lying,
        &limit_of(limit),
        &but,
        &last_at,
        &last_id,
        &lying_at,
        &lying_id,
    ];
    let client = shared.client().await?;
    let rows = query(&client, &sql, &params).await?;
    let due = |row: &Row| {
        let (id, at) = (TriggerId(column(row, 0)?), instant(column(row, 1)?)?);
        Ok(Due { id, at, revision: column(row, 2)?, is_lying: column(row, 3)? })
    };
    rows.iter().map(due).collect()
}

/// The place behind all of these.
fn behind(mut place: DuePlace, due: &[Due]) -> DuePlace {
    for one in due {
        let last = if one.is_lying { &mut place.last_lying } else { &mut place.last };
        *last = (*last).max(Some((one.at, one.id)));
    }
    place
}

pub(super) async fn due_behind(shared: &Shared, mut place: DuePlace, now: Timestamp, limit: usize) -> Result<DueSlice> {
    loop {
        let (due, found) = due_slice(shared, &mut place, now, limit).await?;
        // However many cannot be read, nothing waits behind them.
        if !due.is_empty() || found < limit {
            return Ok((due, place));
        }
    }
}

/// Of so many that are due behind the place, which moves along with them, those that can be read, and how many there are in all.
async fn due_slice(
    shared: &Shared,
    place: &mut DuePlace,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<Armed<Arc<Trigger>>>, usize)> {
    let mut waiting = cursors_due(shared, *place, now, limit, &[]).await?;
    let held = shared.stale.held(waiting.iter().map(|due| (due.id, (due.at, due.revision))), Instant::now());
    if *place == DuePlace::default() && !held.is_empty() && waiting.len() == limit {
        // What nobody is at comes first, however many there are at which somebody is.
        let free = cursors_due(shared, *place, now, limit, &held).await?;
        waiting.retain(|due| held.contains(&due.id));
        waiting.splice(0..0, free);
        waiting.truncate(limit);
    }
    shared.node.forget_armed(now);
    *place = behind(*place, &waiting);
    let found = waiting.len();
    let mut known = remembered(shared, waiting.iter().map(|due| due.id));
    let is_known = |due: &&Due| known.get(&due.id).is_some_and(|trigger| trigger.revision == due.revision);
    let unknown: Vec<TriggerId> = waiting.iter().filter(|due| !is_known(due)).map(|due| due.id).collect();
    if !unknown.is_empty() {
        known.extend(read(shared, &unknown).await?.into_iter().map(|trigger| (trigger.id, trigger)));
    }
    let limited: Vec<i64> =
        known.values().filter(|trigger| trigger.definition.is_limited()).map(|trigger| trigger.id.0).collect();
    let fired = if limited.is_empty() { HashMap::new() } else { fired(shared, &limited).await? };
    // One that was edited between the two looks comes with the next one.
    let armed = waiting.into_iter().filter_map(|Due { id, at, revision, .. }| {
        let trigger = known.get(&id).filter(|trigger| trigger.revision == revision)?;
        let fired = match fired.get(&id) {
            None => 0,
            Some(Ok(fired)) => *fired,
            Some(Err(error)) => {
                shared.told.unreadable(id.0, revision, error, "does not fire");
                return None;
            }
        };
        Some(Armed { trigger: Arc::clone(trigger), next_at: Some(at), fired })
    });
    Ok((armed.collect(), found))
}

/// How often the schedules of these triggers have fired them since that was limited, each read by itself. Read after the cursors: whoever has
/// moved one meanwhile makes the plan stale.
async fn fired(shared: &Shared, ids: &[i64]) -> Result<HashMap<TriggerId, Result<u64>>> {
    let client = shared.client().await?;
    let sql = "SELECT trigger_id, fired FROM limits WHERE trigger_id = ANY ($1)";
    let rows = query(&client, sql, &[&ids]).await?;
    rows.iter().map(|row| Ok((TriggerId(column(row, 0)?), of_trigger(codec::fired(column(row, 1)?))))).collect()
}
