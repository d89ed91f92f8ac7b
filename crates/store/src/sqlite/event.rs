//! Events in SQLite: how they come to be, together with everything they entail, and how they are read.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::Author;
use oncue_domain::delivery::{CLAIM_FOR, Claim};
use oncue_domain::destination::Target;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, MessageId, TriggerId, UserId};
use oncue_domain::overlap::Turn;
use oncue_domain::payload::Payload;
use oncue_domain::store::{
    Call, Committed, DeliveryView, Error, EventCount, EventFilter, EventPage, Fired, FiredAgain, Missing, Planned,
    Repeat, Result, Trial,
};
use oncue_domain::trigger::{Definition, Kind, Trigger};
use rusqlite::{Connection, Row, ToSql};
use uuid::Uuid;

use super::count::Subject;
use super::delivery::Owing;
use super::writer::Effects;
use super::{Shared, act, backlog, delivery, destination, failed, freeze, order, overlap, run, trigger, view};
use crate::codec::{broken, instant, origin_from_number, origin_to_number};

/// The largest payload of a delivery that waits in memory, in bytes.
const FRESH_PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// An event to be logged.
pub(super) struct NewEvent {
    pub(super) origin: Origin,
    pub(super) scheduled_at: Option<Timestamp>,
    /// Where that was later than its nominal time.
    pub(super) due_at: Option<Timestamp>,
    /// None means the trigger's own.
    pub(super) payload: Option<Payload>,
    pub(super) message_id: MessageId,
    /// The event whose payload it carries again.
    pub(super) parent: Option<EventId>,
}

/// Logs an event and what it owes. None when its occurrence has an event already (invariant 1).
pub(super) fn log(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    trigger: &Trigger,
    new: &NewEvent,
    now: Timestamp,
) -> Result<Option<EventId>> {
    let definition = &trigger.definition;
    let own_payload = new.payload.as_ref().filter(|payload| definition.payload.as_ref() != Some(payload));
    let written = connection
        .prepare_cached(
            "INSERT INTO events (owner, trigger_id, revision, origin, scheduled_at, fired_at, message_id, payload, parent,
                                 due_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (trigger_id, scheduled_at) WHERE scheduled_at IS NOT NULL DO NOTHING",
        )
        .and_then(|mut statement| {
            statement.execute((
                trigger.owner.0,
                trigger.id.0,
                trigger.revision,
                origin_to_number(new.origin),
                new.scheduled_at.map(Timestamp::as_microsecond),
                now.as_microsecond(),
                new.message_id.0.as_bytes(),
                own_payload.map(Payload::as_str),
                new.parent.map(|parent| parent.0),
                new.due_at.map(Timestamp::as_microsecond),
            ))
        })
        .map_err(failed)?;
    if written == 0 {
        return Ok(None);
    }
    let id = EventId(connection.last_insert_rowid());
    effects.logged.insert(trigger.owner);
    let subject = Subject { owner: trigger.owner, trigger: trigger.id, origin: new.origin, fired_at: now };
    effects.counts.fired(&subject, new.due_at.or(new.scheduled_at).map(|due| now.duration_since(due)));
    if let Some(expectation) = &trigger.definition.expects {
        run::expect(connection, trigger, id, expectation, new.origin, now)?;
    }
    owe(connection, effects, shared, trigger, new, id, now)?;
    Ok(Some(id))
}

/// What an event owes is owed, to wherever its trigger says.
fn owe(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    trigger: &Trigger,
    new: &NewEvent,
    id: EventId,
    now: Timestamp,
) -> Result<()> {
    let definition = &trigger.definition;
    let targets = Target::of(definition, shared.settings.has_default_destination);
    let deliveries = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    // Written as claimed already, where there is room to hand it over in memory: the commit is then the only write before it is sent.
    // A large payload is fetched when its turn comes, so that what waits in memory stays small.
    let payload = new.payload.as_ref().or(definition.payload.as_ref());
    let is_small = payload.is_none_or(|payload| payload.as_str().len() <= FRESH_PAYLOAD_BYTES_MAX);
    let until = now + CLAIM_FOR;
    let mut claimed: Vec<(Target, u32)> = Vec::new();
    for (target, slot) in targets.into_iter().zip(0..) {
        let is_in_order = match target {
            Target::Destination(id) => order::is_asked_for(connection, id)?,
            Target::Webhook(_) | Target::Default => false,
        };
        // What goes in order is given out by the table alone, where it is seen what else is under way.
        let is_claimed = is_small && !is_in_order && effects.claims_left > 0;
        let due_at = if is_claimed { until } else { now };
        let overlap_of = overlap::mark(trigger, new.origin);
        let owing = Owing { event: id, slot, deliveries, target: &target, due_at, is_claimed, is_in_order, overlap_of };
        delivery::owe(connection, &owing)?;
        effects.owed = true;
        if is_claimed {
            effects.claims_left -= 1;
            claimed.push((target, slot));
        }
    }
    if claimed.is_empty() {
        return Ok(());
    }
    let payload = new.payload.clone().or_else(|| definition.payload.clone()).unwrap_or_else(Payload::empty);
    let event = Arc::new(Event {
        id,
        owner: trigger.owner,
        trigger: trigger.id,
        revision: trigger.revision,
        name: definition.name.clone().unwrap_or_default(),
        kind: definition.kind(),
        origin: new.origin,
        scheduled_at: new.scheduled_at,
        due_at: new.due_at,
        fired_at: now,
        message_id: new.message_id,
        payload,
        parent: new.parent,
        has_run: definition.expects.is_some(),
    });
    effects.claims.extend(claimed.into_iter().map(|(target, slot)| Claim {
        event: Arc::clone(&event),
        slot,
        deliveries,
        target,
        tried: 0,
        ladder_from: 0,
        due_at: now,
        until,
        fence: 1,
    }));
    Ok(())
}

pub(super) fn commit_plans(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    plans: &[Planned],
    now: Timestamp,
) -> Result<Committed> {
    let mut committed = Committed::default();
    let edition = freeze::edition(connection)?;
    // What fires alone comes last, as it does where it is a transaction of its own.
    let (alone, among_others): (Vec<&Planned>, Vec<&Planned>) = plans.iter().partition(|planned| planned.fires_alone());
    let mut told = Vec::new();
    for planned in among_others.into_iter().chain(alone) {
        if planned.plan.turn == Turn::Waits {
            match overlap::wait(connection, planned, now)? {
                true => {
                    committed.plans += 1;
                    effects.edited.insert(planned.trigger.owner);
                }
                false => committed.stale.push(planned.trigger.id),
            }
            continue;
        }
        committed.is_outdated |= planned.is_outdated(edition);
        let is_met = planned.fires_alone() && overlap::is_under_way(connection, planned.trigger.id)?;
        if planned.is_outdated(edition) || is_met || !move_cursor(connection, planned)? {
            committed.stale.push(planned.trigger.id);
            continue;
        }
        committed.plans += 1;
        trigger::count_fired(connection, planned)?;
        let before = committed.events;
        for (firing, message_id) in planned.plan.firings.iter().zip(&planned.message_ids) {
            let origin = if firing.caught_up { Origin::CatchUp } else { Origin::Schedule };
            let event = NewEvent {
                origin,
                scheduled_at: Some(firing.scheduled_at),
                due_at: firing.due_at,
                payload: None,
                message_id: *message_id,
                parent: None,
            };
            if log(connection, effects, shared, &planned.trigger, &event, now)?.is_some() {
                committed.events += 1;
            }
        }
        if committed.events == before {
            effects.edited.insert(planned.trigger.owner);
        }
        for one in &planned.plan.put_off {
            backlog::put_off(connection, effects, &planned.trigger, one, now)?;
        }
        told.extend(planned.is_told().then_some(planned));
        for skipped in &planned.plan.skipped {
            trigger::record(connection, effects, planned.trigger.owner, planned.trigger.id, skipped, now)?;
        }
        if let Some(frozen) = &planned.plan.frozen {
            trigger::record_frozen(connection, effects, planned.trigger.owner, planned.trigger.id, frozen, now)?;
        }
    }
    for act in Act::of_plans(told) {
        act::write_own(connection, &act, now)?;
    }
    Ok(committed)
}

/// One whose occurrences may overlap never waits for anything else, and what a freeze passes over makes no use of what a trigger waited for.
const MOVE: &str = "UPDATE cursors SET next_at = ?4 WHERE trigger_id = ?1 AND next_at = ?2 AND revision = ?3";

const MOVE_ON: &str = "UPDATE cursors SET next_at = ?4, waits = 0, waited_until = NULL
     WHERE trigger_id = ?1 AND next_at = ?2 AND revision = ?3";

/// Compare and set: false when the trigger was edited or has fired since the plan was made.
fn move_cursor(connection: &Connection, planned: &Planned) -> Result<bool> {
    let (id, armed, revision) = (planned.trigger.id.0, planned.armed.as_microsecond(), planned.trigger.revision);
    let is_as_before = planned.trigger.definition.overlap.is_allowed() || planned.plan.frozen.is_some();
    let moved = match planned.plan.next_at {
        Some(next_at) => connection
            .prepare_cached(if is_as_before { MOVE } else { MOVE_ON })
            .and_then(|mut statement| statement.execute((id, armed, revision, next_at.as_microsecond()))),
        None => connection
            .prepare_cached("DELETE FROM cursors WHERE trigger_id = ?1 AND next_at = ?2 AND revision = ?3")
            .and_then(|mut statement| statement.execute((id, armed, revision))),
    };
    Ok(moved.map_err(failed)? > 0)
}

pub(super) fn fire(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    (owner, id): (UserId, TriggerId),
    call: &Call,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Fired> {
    let trigger = trigger::get_parsed(connection, shared, owner, id)?;
    call_upon(connection, effects, shared, trigger.as_deref(), call, author, now)
}

pub(super) fn fire_many(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    owner: UserId,
    calls: &[(TriggerId, Call)],
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Vec<Fired>> {
    // Nobody else writes while a job runs, so a trigger is looked up once for all of its calls.
    let mut known: HashMap<TriggerId, Option<Arc<Trigger>>> = HashMap::new();
    let mut fired = Vec::with_capacity(calls.len());
    for (id, call) in calls {
        let trigger = match known.entry(*id) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(trigger::get_parsed(connection, shared, owner, *id)?),
        };
        fired.push(call_upon(connection, effects, shared, trigger.as_deref(), call, author, now)?);
    }
    Ok(fired)
}

/// The trigger fires, if it is there and may.
fn call_upon(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    trigger: Option<&Trigger>,
    call: &Call,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Fired> {
    let Some(trigger) = trigger else { return Ok(Fired::NotFound) };
    if let Err(refusal) = trigger.may_be_called(call.origin, now) {
        return Ok(Fired::Refused(refusal));
    }
    if !call.suits(trigger) {
        return Ok(Fired::Unchecked);
    }
    let event = NewEvent {
        origin: call.origin,
        scheduled_at: None,
        due_at: None,
        payload: call.payload.clone(),
        message_id: call.message_id,
        parent: None,
    };
    log_by_hand(connection, effects, shared, trigger, &event, author, now).map(Fired::Event)
}

/// Logs an event that has no occurrence, and writes down who fired it where somebody did.
fn log_by_hand(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    trigger: &Trigger,
    new: &NewEvent,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<EventId> {
    let event = log(connection, effects, shared, trigger, new, now)?.ok_or_else(met_another)?;
    if let Some(author) = author {
        act::write(connection, author, &Act::fired(trigger, event, new.origin, new.parent))?;
    }
    Ok(event)
}

fn met_another() -> Error {
    broken("events", "an event without an occurrence met another")
}

pub(super) fn fire_again(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    parent: Event,
    repeat: Repeat,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<FiredAgain> {
    let Some(trigger) = trigger::get_parsed(connection, shared, parent.owner, parent.trigger)? else {
        return Ok(FiredAgain::TriggerGone);
    };
    if let Err(refusal) = trigger.may_fire_again(now) {
        return Ok(FiredAgain::Refused(refusal));
    }
    if !repeat.suits(&trigger, parent.origin_again()) {
        return Ok(FiredAgain::Unchecked);
    }
    let event = NewEvent {
        origin: parent.origin_again(),
        scheduled_at: None,
        due_at: None,
        payload: Some(parent.payload),
        message_id: repeat.message_id,
        parent: Some(parent.id),
    };
    log_by_hand(connection, effects, shared, &trigger, &event, author, now).map(FiredAgain::Event)
}

/// Fires a trigger that is only tried out, and gives its number and the event's.
pub(super) fn fire_unkept(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    owner: UserId,
    trial: &Trial,
    message_id: MessageId,
    now: Timestamp,
) -> Result<std::result::Result<(TriggerId, EventId), Missing>> {
    let definition = &trial.definition;
    if let Err(missing) = destination::has_all(connection, owner, &definition.named_destinations())? {
        return Ok(Err(missing));
    }
    log_unkept(connection, effects, shared, owner, definition, Origin::Test, message_id, now).map(Ok)
}

/// Logs the event of a trigger that is not kept, and gives the numbers of both.
#[expect(clippy::too_many_arguments, reason = "three of them are what every job has")]
pub(super) fn log_unkept(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    owner: UserId,
    definition: &Definition,
    origin: Origin,
    message_id: MessageId,
    now: Timestamp,
) -> Result<(TriggerId, EventId)> {
    let number: i64 = connection
        .query_row(
            "UPDATE counters SET value = value + 1 WHERE name = 'tried_out_triggers' RETURNING value",
            [],
            |row| row.get(0),
        )
        .map_err(failed)?;
    let id = TriggerId(-number);
    connection
        .execute(
            "INSERT INTO revisions (trigger_id, revision, kind, name, payload, webhook_url, webhook_format, ended_at)
             VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
            (
                id.0,
                definition.kind().word(),
                &definition.name,
                definition.payload.as_ref().map(Payload::as_str),
                definition.webhook.as_ref().map(|webhook| webhook.url.as_str()),
                definition.webhook.as_ref().map(|webhook| webhook.format.word()),
                now.as_microsecond(),
            ),
        )
        .map_err(failed)?;
    let trigger =
        Trigger { id, owner, revision: 1, definition: definition.clone(), created_at: now, standing_since: now };
    let event = NewEvent { origin, scheduled_at: None, due_at: None, payload: None, message_id, parent: None };
    let event = log(connection, effects, shared, &trigger, &event, now)?.ok_or_else(met_another)?;
    Ok((id, event))
}

/// An event's columns with what its revision says, whether that is the present one or a former one.
pub(super) const EVENT: &str = "events.id, events.owner, events.trigger_id, events.revision, events.origin, \
     events.scheduled_at, events.fired_at, events.message_id, \
     coalesce(events.payload, triggers.payload, revisions.payload), \
     coalesce(triggers.name, revisions.name), \
     iif(triggers.id IS NULL, revisions.kind, iif(triggers.schedule IS NULL, 'api', 'scheduled')), \
     coalesce(triggers.webhook_url, revisions.webhook_url), \
     coalesce(triggers.webhook_format, revisions.webhook_format), \
     events.parent, \
     EXISTS (SELECT 1 FROM runs WHERE runs.event_id = events.id), \
     events.due_at";

/// How many columns that are.
pub(super) const EVENT_COLUMNS: usize = 16;

/// The tables behind [`EVENT`].
pub(super) const EVENT_FROM: &str = "events \
     LEFT JOIN triggers ON triggers.id = events.trigger_id AND triggers.revision = events.revision \
     LEFT JOIN revisions ON revisions.trigger_id = events.trigger_id AND revisions.revision = events.revision";

/// Reads an event from columns that begin with [`EVENT`].
pub(super) fn event(row: &Row<'_>) -> Result<Event> {
    let scheduled_at: Option<i64> = row.get(5).map_err(failed)?;
    let message_id: [u8; 16] = row.get(7).map_err(failed)?;
    let payload: Option<String> = row.get(8).map_err(failed)?;
    let name: Option<String> = row.get(9).map_err(failed)?;
    let kind: Option<String> = row.get(10).map_err(failed)?;
    let parent: Option<i64> = row.get(13).map_err(failed)?;
    let due_at: Option<i64> = row.get(15).map_err(failed)?;
    Ok(Event {
        id: EventId(row.get(0).map_err(failed)?),
        owner: UserId(row.get(1).map_err(failed)?),
        trigger: TriggerId(row.get(2).map_err(failed)?),
        revision: row.get(3).map_err(failed)?,
        origin: origin_from_number(row.get(4).map_err(failed)?)?,
        scheduled_at: scheduled_at.map(instant).transpose()?,
        due_at: due_at.map(instant).transpose()?,
        fired_at: instant(row.get(6).map_err(failed)?)?,
        message_id: MessageId(Uuid::from_bytes(message_id)),
        payload: payload.map_or_else(Payload::empty, |text| Payload::from_stored(&text)),
        name: name.unwrap_or_default(),
        kind: kind
            .as_deref()
            .and_then(Kind::from_word)
            .ok_or_else(|| broken("kind", "the event's revision is gone"))?,
        parent: parent.map(EventId),
        has_run: row.get(14).map_err(failed)?,
    })
}

pub(super) fn get(
    connection: &Connection,
    owner: UserId,
    id: EventId,
    gone_until: Timestamp,
) -> Result<Option<(Event, Vec<DeliveryView>)>> {
    let sql =
        format!("SELECT {EVENT} FROM {EVENT_FROM} WHERE events.id = ? AND events.owner = ? AND events.fired_at > ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0, gone_until.as_microsecond())).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let event = event(row)?;
    let deliveries = view::of_event(connection, row, &event)?;
    Ok(Some((event, deliveries)))
}

pub(super) fn list(
    connection: &Connection,
    owner: UserId,
    filter: EventFilter,
    page: EventPage,
    limit: usize,
) -> Result<Vec<Event>> {
    let mut after = filter.fired_after.map_or(i64::MIN, Timestamp::as_microsecond);
    let mut until = filter.fired_until.map_or(i64::MAX, Timestamp::as_microsecond);
    let trigger = filter.trigger.map(|id| id.0);
    let by_trigger = if trigger.is_some() { "AND events.trigger_id = ?4" } else { "AND ?4 IS NULL" };
    let (past, order, place) = match page {
        EventPage::NewestFirst(place) => ("<", "DESC", place),
        EventPage::OldestFirst(place) => (">", "ASC", place),
    };
    // SQLite enters its index by these bounds and not by the place, and would walk there from the end of the list.
    match page {
        EventPage::NewestFirst(Some(place)) => until = until.min(place.fired_at.as_microsecond()),
        EventPage::OldestFirst(Some(place)) => after = after.max(place.fired_at.as_microsecond().saturating_sub(1)),
        EventPage::NewestFirst(None) | EventPage::OldestFirst(None) => {}
    }
    let below = if place.is_some() {
        format!("AND (events.fired_at, events.id) {past} (?5, ?6)")
    } else {
        "AND ?5 = ?6".to_owned()
    };
    // Left to itself, SQLite looks for a trigger's events among all of the owner's, which takes seconds where it has few of millions.
    let index = if trigger.is_some() { "events_by_trigger" } else { "events_by_owner" };
    let from = EVENT_FROM.replacen("events", &format!("events INDEXED BY {index}"), 1);
    let sql = format!(
        "SELECT {EVENT} FROM {from}
         WHERE events.owner = ?1 AND events.fired_at > ?2 AND events.fired_at <= ?3 {by_trigger} {below}
         ORDER BY events.fired_at {order}, events.id {order}
         LIMIT ?7"
    );
    let (place_at, place_id) = place.map_or((0, 0), |place| (place.fired_at.as_microsecond(), place.id.0));
    let params: [&dyn ToSql; 7] = [&owner.0, &after, &until, &trigger, &place_at, &place_id, &limit];
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        events.push(event(row)?);
    }
    Ok(events)
}

pub(super) fn counts(connection: &Connection, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT counted.trigger_id, counted.count,
                    coalesce(triggers.name,
                             (SELECT name FROM revisions
                              WHERE revisions.trigger_id = counted.trigger_id AND triggers.id IS NULL
                              ORDER BY revision DESC
                              LIMIT 1))
             FROM (SELECT trigger_id, count(*) AS count
                   FROM events
                   WHERE owner = ? AND fired_at > ?
                   GROUP BY trigger_id) AS counted
             LEFT JOIN triggers ON triggers.id = counted.trigger_id
             ORDER BY counted.trigger_id",
        )
        .map_err(failed)?;
    let mut rows = statement.query((owner.0, gone_until.as_microsecond())).map_err(failed)?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let name: Option<String> = row.get(2).map_err(failed)?;
        counts.push(EventCount {
            trigger: TriggerId(row.get(0).map_err(failed)?),
            count: row.get(1).map_err(failed)?,
            name: name.unwrap_or_default(),
        });
    }
    Ok(counts)
}
