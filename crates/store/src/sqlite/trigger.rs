//! Triggers, their cursors and their records of what did not fire, in SQLite.

use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::{Actor, Author};
use oncue_domain::event::Origin;
use oncue_domain::freeze::Frozen;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::store::{
    DUE_COUNTED_MAX, DueCounts, DuePlace, DueSlice, Edited, Error, Made, Missing, NewTrigger, Planned, Result,
    SkippedView,
};
use oncue_domain::trigger::{
    Arm, Armed, Definition, Edit, Kind, Listed, OVERDUE_AFTER, Problem, Remains, Trigger, Unreadable,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::event::{NewEvent, log};
use super::overlap::CALLED_UP;
use super::writer::Effects;
use super::{Shared, act, backlog, calendar, destination, ending, failed, lock, revision};
use crate::codec::{
    self, actor_to_text, broken, destinations_from_text, destinations_to_text, expects_from_text, expects_to_text,
    instant, is_as_seen, listed_or, nearest_instant, of_trigger, overlap_from_text, overlap_to_text,
    schedule_from_text, schedule_to_text, since, webhook,
};

/// The columns of a trigger.
pub(super) const TRIGGER: &str = "triggers.id, triggers.owner, triggers.revision, triggers.name, triggers.schedule, triggers.payload, \
                       triggers.webhook_url, triggers.webhook_format, triggers.is_test, triggers.enabled, triggers.expires_at, \
                       triggers.created_at, triggers.standing_since, triggers.destinations, \
                       triggers.payload_schema, triggers.pause_reason, triggers.pause_until, triggers.expects, \
                       triggers.overlap";

/// How many columns that is.
pub(super) const TRIGGER_COLUMNS: usize = 19;

pub(super) fn trigger(row: &Row<'_>, shared: &Shared) -> Result<Trigger> {
    of_trigger(read_trigger(row, shared))
}

fn read_trigger(row: &Row<'_>, shared: &Shared) -> Result<Trigger> {
    let schedule: Option<String> = row.get(4).map_err(failed)?;
    let payload: Option<String> = row.get(5).map_err(failed)?;
    let expires_at: Option<i64> = row.get(10).map_err(failed)?;
    let destinations: Option<String> = row.get(13).map_err(failed)?;
    let expects: Option<String> = row.get(17).map_err(failed)?;
    let overlap: Option<String> = row.get(18).map_err(failed)?;
    Ok(Trigger {
        id: TriggerId(row.get(0).map_err(failed)?),
        owner: UserId(row.get(1).map_err(failed)?),
        revision: row.get(2).map_err(failed)?,
        definition: Definition {
            name: row.get(3).map_err(failed)?,
            schedule: schedule
                .map(|text| schedule_from_text(&text, &shared.settings.zones, &shared.cron_lines))
                .transpose()?,
            payload: payload.as_deref().map(codec::payload).transpose()?,
            payload_schema: row
                .get::<_, Option<String>>(14)
                .map_err(failed)?
                .as_deref()
                .map(codec::payload_schema)
                .transpose()?,
            webhook: webhook(row.get(6).map_err(failed)?, row.get(7).map_err(failed)?)?,
            destinations: destinations_from_text(destinations.as_deref())?,
            expects: expects_from_text(expects.as_deref())?,
            overlap: overlap_from_text(overlap.as_deref())?,
            is_test: row.get(8).map_err(failed)?,
            enabled: row.get(9).map_err(failed)?,
            pause: codec::pause(row.get(15).map_err(failed)?, row.get(16).map_err(failed)?)?,
            expires_at: expires_at.map(instant).transpose()?,
        },
        created_at: instant(row.get(11).map_err(failed)?)?,
        standing_since: instant(row.get(12).map_err(failed)?)?,
    })
}

pub(super) fn armed(row: &Row<'_>, shared: &Shared) -> Result<Armed> {
    let next_at: Option<i64> = row.get(TRIGGER_COLUMNS).map_err(failed)?;
    let fired = row.get(TRIGGER_COLUMNS + 1).map_err(failed)?;
    of_trigger(
        read_trigger(row, shared).and_then(|trigger| {
            Ok(Armed { trigger, next_at: next_at.map(nearest_instant), fired: codec::fired(fired)? })
        }),
    )
}

/// The trigger from the parsed ones, or from its row; a revision is never parsed twice while it is hot.
pub(super) fn parsed(row: &Row<'_>, shared: &Shared) -> Result<Arc<Trigger>> {
    let id = TriggerId(row.get(0).map_err(failed)?);
    let revision: i64 = row.get(2).map_err(failed)?;
    if let Some(known) = lock(&shared.parsed).get(id).filter(|known| known.revision == revision) {
        return Ok(Arc::clone(known));
    }
    let trigger = Arc::new(trigger(row, shared)?);
    lock(&shared.parsed).insert(&trigger);
    Ok(trigger)
}

/// The owner's trigger as the writer sees it, parsed at most once a revision.
pub(super) fn get_parsed(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    id: TriggerId,
) -> Result<Option<Arc<Trigger>>> {
    let sql = format!("SELECT {TRIGGER} FROM triggers WHERE id = ? AND owner = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0)).map_err(failed)?;
    rows.next().map_err(failed)?.map(|row| parsed(row, shared)).transpose()
}

pub(super) fn create(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    new: &NewTrigger,
    by: &Actor,
    now: Timestamp,
) -> Result<std::result::Result<Armed, Missing>> {
    let made = make(connection, effects, shared, new, by, now)?;
    Ok(made.map(|id| new.as_made(id, now)))
}

pub(super) fn create_many(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    new: &[NewTrigger],
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Vec<Made>> {
    let by = author.map_or(&Actor::SYSTEM, |author| &author.by);
    let made: Vec<Made> =
        new.iter().map(|new| make(connection, effects, shared, new, by, now)).collect::<Result<_>>()?;
    if let Some(author) = author {
        for act in Act::triggers_made(new, &made) {
            act::write(connection, author, &act)?;
        }
    }
    Ok(made)
}

fn make(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    new: &NewTrigger,
    by: &Actor,
    now: Timestamp,
) -> Result<Made> {
    let definition = &new.definition;
    let named = definition.named_destinations();
    if let Err(missing) = destination::has_all(connection, new.owner, &named)? {
        return Ok(Err(missing));
    }
    if let Err(missing) = calendar::observes_rightly(connection, new.owner, TriggerId(0), definition)? {
        return Ok(Err(missing));
    }
    connection
        .prepare_cached(
            "INSERT INTO triggers (owner, revision, name, schedule, payload, webhook_url, webhook_format,
                                   is_test, enabled, expires_at, created_at, standing_since, destinations,
                                   payload_schema, expects, made_by, pause_reason, pause_until, overlap)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                new.owner.0,
                &definition.name,
                definition.schedule.as_ref().map(schedule_to_text),
                definition.payload.as_ref().map(Payload::as_str),
                definition.webhook.as_ref().map(|webhook| webhook.url.as_str()),
                definition.webhook.as_ref().map(|webhook| webhook.format.word()),
                definition.is_test,
                definition.enabled,
                definition.expires_at.map(Timestamp::as_microsecond),
                now.as_microsecond(),
                destinations_to_text(&definition.destinations),
                definition.payload_schema.as_ref().map(PayloadSchema::as_str),
                expects_to_text(definition.expects.as_ref()),
                actor_to_text(by),
                definition.pause.as_ref().and_then(|pause| pause.reason.as_deref()),
                definition.pause_ends_at().map(Timestamp::as_microsecond),
                overlap_to_text(definition.overlap),
            ])
        })
        .map_err(failed)?;
    let id = TriggerId(connection.last_insert_rowid());
    if !named.is_empty() {
        destination::link(connection, id, &named)?;
    }
    calendar::link(connection, id, definition)?;
    effects.edited.insert(new.owner);
    arm(connection, effects, id, 1, new.next_at)?;
    if let Some(message_id) = new.test_event {
        let event = NewEvent {
            origin: Origin::Test,
            scheduled_at: None,
            due_at: None,
            payload: None,
            message_id,
            parent: None,
        };
        log(connection, effects, shared, &new.as_made(id, now).trigger, &event, now)?;
    }
    Ok(Ok(id))
}

/// Makes the trigger wait for `next_at`, or for nothing (invariant 2: exactly one armed occurrence, or none to wait for).
pub(super) fn arm(
    connection: &Connection,
    effects: &mut Effects,
    id: TriggerId,
    revision: i64,
    next_at: Option<Timestamp>,
) -> Result<()> {
    let Some(next_at) = next_at else {
        connection
            .prepare_cached("DELETE FROM cursors WHERE trigger_id = ?")
            .and_then(|mut s| s.execute([id.0]))
            .map_err(failed)?;
        return Ok(());
    };
    connection
        .prepare_cached(
            "INSERT INTO cursors (trigger_id, next_at, revision)
             VALUES (?1, ?2, ?3)
             ON CONFLICT (trigger_id) DO UPDATE SET next_at = ?2, revision = ?3, waits = 0, waited_until = NULL",
        )
        .and_then(|mut statement| statement.execute((id.0, next_at.as_microsecond(), revision)))
        .map_err(failed)?;
    effects.armed = true;
    Ok(())
}

/// Whose a trigger is, or was, where it was deleted and is not forgotten.
pub(super) fn owner_of(connection: &Connection, id: TriggerId) -> Result<Option<UserId>> {
    connection
        .prepare_cached("SELECT owner FROM triggers WHERE id = ?1 UNION ALL SELECT owner FROM former_triggers WHERE id = ?1 LIMIT 1")
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0).map(UserId)).optional())
        .map_err(failed)
}

pub(super) fn get(connection: &Connection, shared: &Shared, owner: UserId, id: TriggerId) -> Result<Option<Armed>> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at, limits.fired
         FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                       LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE triggers.id = ? AND triggers.owner = ?"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0)).map_err(failed)?;
    rows.next().map_err(failed)?.map(|row| armed(row, shared)).transpose()
}

pub(super) fn remains(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    id: TriggerId,
) -> Result<Option<Remains>> {
    let problem = match get(connection, shared, owner, id) {
        Err(Error::Unreadable(problem)) => problem,
        found => return found.map(|_| None),
    };
    let sql = "SELECT triggers.revision, triggers.name, triggers.schedule IS NOT NULL, triggers.created_at, triggers.standing_since,
                      cursors.next_at, triggers.enabled, coalesce(instr(triggers.schedule, '\"delete_when_done\":true') > 0, 0)
               FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
               WHERE triggers.id = ? AND triggers.owner = ?";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0)).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let kind = if row.get(2).map_err(failed)? { Kind::Scheduled } else { Kind::Api };
    let next_at: Option<i64> = row.get(5).map_err(failed)?;
    let name: Option<String> = row.get(1).map_err(failed)?;
    let (created_at, standing_since) = since(row.get(3).map_err(failed)?, row.get(4).map_err(failed)?);
    let revision = row.get(0).map_err(failed)?;
    let trigger = Trigger {
        id,
        owner,
        revision,
        definition: Definition::in_place_of_unreadable(name.clone(), kind),
        created_at,
        standing_since,
    };
    let unreadable = Unreadable { id, revision, name, kind, enabled: row.get(6).map_err(failed)?, created_at, problem };
    // An instant that is none is nothing to wait for, and must not keep anybody from replacing the trigger.
    let next_at = next_at.and_then(|next_at| instant(next_at).ok());
    let deletes_when_done = row.get(7).map_err(failed)?;
    Ok(Some(Remains { armed: Armed { trigger, next_at, fired: 0 }, deletes_when_done, unreadable }))
}

/// What a list says of a row with these columns: the revision, the name, the schedule, whether it is enabled, when it was made, and since
/// when it stands.
pub(super) fn unreadable(row: &Row<'_>, columns: [usize; 6], problem: Problem) -> Result<Unreadable> {
    let [revision, name, schedule, enabled, created_at, standing_since] = columns;
    let has_schedule = row.get_ref(schedule).map(|value| value != ValueRef::Null).map_err(failed)?;
    Ok(Unreadable {
        id: TriggerId(row.get(0).map_err(failed)?),
        revision: row.get(revision).map_err(failed)?,
        name: row.get(name).map_err(failed)?,
        kind: if has_schedule { Kind::Scheduled } else { Kind::Api },
        enabled: row.get(enabled).map_err(failed)?,
        created_at: since(row.get(created_at).map_err(failed)?, row.get(standing_since).map_err(failed)?).0,
        problem,
    })
}

pub(super) fn list(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    after: Option<TriggerId>,
    limit: usize,
) -> Result<Vec<Listed<Armed>>> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at, limits.fired
         FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                       LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE triggers.owner = ? AND triggers.id > ?
         ORDER BY triggers.id"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((owner.0, after.map_or(0, |id| id.0))).map_err(failed)?;
    let mut triggers = Vec::new();
    // No limit is told to the database: as many are wanted of which anything can be said.
    while triggers.len() < limit {
        let Some(row) = rows.next().map_err(failed)? else { break };
        triggers.extend(listed_or(armed(row, shared), |problem| unreadable(row, [2, 3, 4, 9, 11, 12], problem))?);
    }
    Ok(triggers)
}

pub(super) fn edit(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    edit: &Edit,
    seen: Option<Timestamp>,
    by: &Actor,
    now: Timestamp,
) -> Result<Edited> {
    let trigger = &edit.trigger;
    let stands: Option<(i64, Option<i64>)> = connection
        .prepare_cached(
            "SELECT triggers.revision, cursors.next_at
             FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
             WHERE triggers.id = ? AND triggers.owner = ?",
        )
        .and_then(|mut statement| {
            statement.query_row((trigger.id.0, trigger.owner.0), |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(failed)?;
    let Some((present, next_at)) = stands else { return Ok(Edited::NotFound) };
    let moved = edit.arm != Arm::Keep && !is_as_seen(next_at, seen);
    if present + 1 != trigger.revision || moved {
        return Ok(Edited::Stale);
    }
    let definition = &trigger.definition;
    let named = definition.named_destinations();
    if let Err(missing) = destination::has_all(connection, trigger.owner, &named)? {
        return Ok(Edited::Missing(missing));
    }
    if let Err(missing) = calendar::observes_rightly(connection, trigger.owner, trigger.id, definition)? {
        return Ok(Edited::Missing(missing));
    }
    ending::note_own(connection, shared, trigger.id, now)?;
    end_revision(connection, trigger.id, now)?;
    revision::keep(connection, trigger.id, present, now)?;
    destination::link(connection, trigger.id, &named)?;
    calendar::unlink(connection, trigger.id)?;
    calendar::link(connection, trigger.id, definition)?;
    connection
        .prepare_cached(
            "UPDATE triggers
             SET revision = ?2, name = ?3, schedule = ?4, payload = ?5, webhook_url = ?6, webhook_format = ?7,
                 is_test = ?8, enabled = ?9, expires_at = ?10, standing_since = ?11, destinations = ?12,
                 payload_schema = ?13, made_by = ?14, revised_at = ?15, pause_reason = ?16, pause_until = ?17,
                 expects = ?18, overlap = ?19, created_at = ?20
             WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                trigger.id.0,
                trigger.revision,
                &definition.name,
                definition.schedule.as_ref().map(schedule_to_text),
                definition.payload.as_ref().map(Payload::as_str),
                definition.webhook.as_ref().map(|webhook| webhook.url.as_str()),
                definition.webhook.as_ref().map(|webhook| webhook.format.word()),
                definition.is_test,
                definition.enabled,
                definition.expires_at.map(Timestamp::as_microsecond),
                trigger.standing_since.as_microsecond(),
                destinations_to_text(&definition.destinations),
                definition.payload_schema.as_ref().map(PayloadSchema::as_str),
                actor_to_text(by),
                now.as_microsecond(),
                definition.pause.as_ref().and_then(|pause| pause.reason.as_deref()),
                definition.pause_ends_at().map(Timestamp::as_microsecond),
                expects_to_text(definition.expects.as_ref()),
                overlap_to_text(definition.overlap),
                trigger.created_at.as_microsecond(),
            ])
        })
        .map_err(failed)?;
    match edit.arm {
        Arm::Set(next_at) if next_at.is_none() || !edit.waits_on(seen) => {
            arm(connection, effects, trigger.id, trigger.revision, next_at)?;
        }
        Arm::Keep | Arm::Set(_) => {
            effects.armed |= edit.arm != Arm::Keep;
            connection
                .prepare_cached("UPDATE cursors SET revision = ?2 WHERE trigger_id = ?1")
                .and_then(|mut statement| statement.execute((trigger.id.0, trigger.revision)))
                .map_err(failed)?;
        }
    }
    forget_fired(connection, trigger)?;
    for skipped in &edit.skipped {
        record(connection, effects, trigger.owner, trigger.id, skipped, now)?;
    }
    if let Some(reason) = edit.ends_backlogs {
        backlog::end(connection, effects, trigger.id, reason, now)?;
    } else {
        let carried = connection
            .prepare_cached("UPDATE backlogs SET revision = ?2 WHERE trigger_id = ?1")
            .and_then(|mut statement| statement.execute((trigger.id.0, trigger.revision)))
            .map_err(failed)?;
        // It may let them go where the former revision did not.
        effects.armed |= carried > 0;
    }
    effects.edited.insert(trigger.owner);
    Ok(Edited::Done)
}

/// Keeps what the present revision says, for the events that name it. It ends after the last of them, even where the clock
/// was put back since: what it says must not expire before they do.
fn end_revision(connection: &Connection, id: TriggerId, now: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO revisions (trigger_id, revision, kind, name, payload, webhook_url, webhook_format, ended_at)
             SELECT id, revision, iif(schedule IS NULL, 'api', 'scheduled'), name, payload, webhook_url, webhook_format,
                    max(?2, coalesce((SELECT max(fired_at) FROM events
                                      WHERE events.owner = triggers.owner AND events.trigger_id = triggers.id), ?2))
             FROM triggers
             WHERE id = ?1",
        )
        .and_then(|mut statement| statement.execute((id.0, now.as_microsecond())))
        .map_err(failed)?;
    Ok(())
}

/// Of any revision, or of this one alone; gives what was done, if the owner had such a trigger. What is asked about afterwards stays
/// until it is old enough to be forgotten: the revisions, the records of what did not fire, and the counts.
pub(super) fn delete(
    (connection, shared): (&Connection, &Shared),
    effects: &mut Effects,
    (owner, id): (UserId, TriggerId),
    revision: Option<i64>,
    by: &Actor,
    now: Timestamp,
) -> Result<Option<Act>> {
    let present: Option<i64> = connection
        .prepare_cached(
            "SELECT revision FROM triggers WHERE id = ?1 AND owner = ?2 AND revision = coalesce(?3, revision)",
        )
        .and_then(|mut statement| statement.query_row((id.0, owner.0, revision), |row| row.get(0)).optional())
        .map_err(failed)?;
    let Some(present) = present else { return Ok(None) };
    effects.edited.insert(owner);
    ending::note_own(connection, shared, id, now)?;
    end_revision(connection, id, now)?;
    revision::keep_last(connection, id, present, by, now)?;
    destination::unlink(connection, id)?;
    calendar::unlink(connection, id)?;
    backlog::end(connection, effects, id, Reason::Discarded, now)?;
    // While it is there: what the batch counted of it so far is its own, what comes later is not.
    std::mem::take(&mut effects.counts).write(connection)?;
    for sql in [
        "DELETE FROM triggers WHERE id = ?",
        "DELETE FROM cursors WHERE trigger_id = ?",
        "DELETE FROM limits WHERE trigger_id = ?",
        "DELETE FROM firings WHERE trigger_id = ?",
    ] {
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute([id.0])).map_err(failed)?;
    }
    Ok(Some(Act::trigger_deleted(owner, id, act::last_name(connection, id)?)))
}

/// How often the trigger's schedule has fired it since that was limited.
fn fired(connection: &Connection, id: TriggerId) -> Result<u64> {
    let fired: Option<i64> = connection
        .prepare_cached("SELECT fired FROM limits WHERE trigger_id = ?")
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)).optional())
        .map_err(failed)?;
    of_trigger(codec::fired(fired))
}

/// Counts what a plan fires against the trigger's limit, where it has one.
pub(super) fn count_fired(connection: &Connection, planned: &Planned) -> Result<()> {
    let Some(until) = planned.counted_until() else { return Ok(()) };
    let count = i64::try_from(planned.counted()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO limits (trigger_id, fired, counted_until) VALUES (?1, ?2, ?3)
             ON CONFLICT (trigger_id) DO UPDATE SET fired = fired + ?2, counted_until = max(coalesce(counted_until, ?3), ?3)",
        )
        .and_then(|mut statement| statement.execute((planned.trigger.id.0, count, until.as_microsecond())))
        .map_err(failed)?;
    Ok(())
}

/// A trigger that has no limit is not counted; under a new one it begins anew, as it does where what is kept is no count.
fn forget_fired(connection: &Connection, trigger: &Trigger) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM limits WHERE trigger_id = ?1 AND (NOT ?2 OR fired < 0)")
        .and_then(|mut statement| statement.execute((trigger.id.0, trigger.definition.is_limited())))
        .map_err(failed)?;
    Ok(())
}

/// Writes down occurrences that will not fire.
pub(super) fn record(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    id: TriggerId,
    skipped: &Skipped,
    now: Timestamp,
) -> Result<()> {
    effects.counts.skipped(owner, id, skipped);
    connection
        .prepare_cached(
            "INSERT INTO skipped (owner, trigger_id, reason, first_at, last_at, count, recorded_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute((
                owner.0,
                id.0,
                skipped.reason.word(),
                skipped.first.as_microsecond(),
                skipped.last.as_microsecond(),
                i64::try_from(skipped.count).unwrap_or(i64::MAX),
                now.as_microsecond(),
            ))
        })
        .map_err(failed)?;
    Ok(())
}

pub(super) fn skipped(connection: &Connection, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT reason, first_at, last_at, count, recorded_at
             FROM skipped
             WHERE trigger_id = ? AND owner = ?
             ORDER BY id DESC
             LIMIT ?",
        )
        .map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0, limit)).map_err(failed)?;
    let mut views = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        views.push(skipped_view(row)?);
    }
    Ok(views)
}

/// A record from its columns: reason, first, last, count, and when it was written down.
pub(super) fn skipped_view(row: &Row<'_>) -> Result<SkippedView> {
    Ok(SkippedView { skipped: skipped_run(row)?, recorded_at: instant(row.get(4).map_err(failed)?)? })
}

/// A run from its columns: reason, first, last, count.
pub(super) fn skipped_run(row: &Row<'_>) -> Result<Skipped> {
    let word: String = row.get(0).map_err(failed)?;
    let count: i64 = row.get(3).map_err(failed)?;
    Ok(Skipped {
        reason: Reason::from_word(&word).ok_or_else(|| broken("reason", &word))?,
        first: instant(row.get(1).map_err(failed)?)?,
        last: instant(row.get(2).map_err(failed)?)?,
        count: u64::try_from(count).map_err(|error| broken("count", error))?,
    })
}

/// Writes down what a freeze holds back, in the record that it goes on with where there is one.
pub(super) fn record_frozen(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    id: TriggerId,
    frozen: &Frozen,
    now: Timestamp,
) -> Result<()> {
    let skipped = &frozen.skipped;
    let lengthened = connection
        .prepare_cached(
            "UPDATE skipped SET last_at = ?2, count = count + ?3, recorded_at = ?4
             WHERE id = (SELECT id FROM skipped WHERE trigger_id = ?1 ORDER BY id DESC LIMIT 1)
               AND reason = ?5 AND recorded_at > ?6 AND last_at = ?7",
        )
        .and_then(|mut statement| {
            statement.execute((
                id.0,
                skipped.last.as_microsecond(),
                i64::try_from(skipped.count).unwrap_or(i64::MAX),
                now.as_microsecond(),
                skipped.reason.word(),
                frozen.since.as_microsecond(),
                frozen.follows.map(Timestamp::as_microsecond),
            ))
        })
        .map_err(failed)?;
    if lengthened > 0 {
        effects.counts.skipped(owner, id, skipped);
        return Ok(());
    }
    record(connection, effects, owner, id, skipped, now)
}

pub(super) fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    let next: Option<i64> = connection
        .prepare_cached("SELECT next_at FROM cursors WHERE NOT waits AND next_at >= ? ORDER BY next_at LIMIT 1")
        .and_then(|mut statement| statement.query_row([Timestamp::MIN.as_microsecond()], |row| row.get(0)).optional())
        .map_err(failed)?;
    Ok(next.map(nearest_instant))
}

pub(super) fn due_counts(connection: &Connection, now: Timestamp) -> Result<DueCounts> {
    let due_until = now.as_microsecond();
    let overdue_before = now.checked_sub(OVERDUE_AFTER).unwrap_or(Timestamp::MIN).as_microsecond();
    let sql = format!(
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM cursors WHERE NOT waits AND next_at <= ?1 AND coalesce(waited_until <= ?1, 1) LIMIT ?3)),
                      (SELECT count(*) FROM (SELECT 1 FROM cursors WHERE NOT waits AND next_at < ?2 AND coalesce(waited_until < ?2, 1) LIMIT ?3)),
                      (SELECT next_at FROM cursors WHERE NOT waits AND next_at > ?1 ORDER BY next_at LIMIT 1),
                      (SELECT next_at FROM cursors WHERE NOT waits AND NOT ({CALLED_UP}) ORDER BY next_at LIMIT 1)"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let (due, overdue, next, earliest): (u64, u64, Option<i64>, Option<i64>) = statement
        .query_row((due_until, overdue_before, DUE_COUNTED_MAX), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .map_err(failed)?;
    let (next_at, earliest) = (next.map(nearest_instant), earliest.map(nearest_instant));
    Ok(DueCounts { due, overdue, next_at, earliest })
}

pub(super) fn due_behind(
    connection: &Connection,
    shared: &Shared,
    mut place: DuePlace,
    now: Timestamp,
    limit: usize,
) -> Result<DueSlice> {
    loop {
        let (due, found) = due_slice(connection, shared, &mut place, now, limit)?;
        // However many cannot be read, nothing waits behind them.
        if !due.is_empty() || found < limit {
            return Ok((due, place));
        }
    }
}

/// Of so many that are due behind the place, which moves along with them, those that can be read, and how many there are in all.
fn due_slice(
    connection: &Connection,
    shared: &Shared,
    place: &mut DuePlace,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<Armed<Arc<Trigger>>>, usize)> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at
         FROM cursors CROSS JOIN triggers
         WHERE NOT cursors.waits AND cursors.next_at <= ?1 AND (cursors.next_at, cursors.trigger_id) > (?2, ?3)
           AND triggers.id = cursors.trigger_id
         ORDER BY cursors.next_at, cursors.trigger_id
         LIMIT ?4"
    );
    // What was armed for before all time no plan would find as it stands; the auditor arms it anew.
    let front = (Timestamp::MIN.as_microsecond(), i64::MIN);
    let (last_at, last_id) = place.last.map_or(front, |(at, id)| (at.as_microsecond(), id.0));
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((now.as_microsecond(), last_at, last_id, limit)).map_err(failed)?;
    let (mut due, mut found) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        found += 1;
        let next_at = instant(row.get(TRIGGER_COLUMNS).map_err(failed)?)?;
        place.last = Some((next_at, TriggerId(row.get(0).map_err(failed)?)));
        let read = parsed(row, shared).and_then(|trigger| {
            let fired = if trigger.definition.is_limited() { fired(connection, trigger.id)? } else { 0 };
            Ok(Armed { trigger, next_at: Some(next_at), fired })
        });
        match read {
            Ok(armed) => due.push(armed),
            Err(error @ Error::Unavailable(_)) => return Err(error),
            // One row that cannot be read must not hold up the others.
            Err(error) => {
                let (id, revision) = (row.get(0).map_err(failed)?, row.get(2).map_err(failed)?);
                shared.told.unreadable(id, revision, &error, "does not fire");
            }
        }
    }
    Ok((due, found))
}
