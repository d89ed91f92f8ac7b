//! How events come to be: with their number, with what they owe and with what is counted of them, many at once, in one
//! statement. Whoever logs brings along which of them may still be logged (`asked`, the table of [`Asked::table`]).

use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::Author;
use oncue_domain::count::lateness_class;
use oncue_domain::delivery::{CLAIM_FOR, Claim};
use oncue_domain::destination::Target;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, MessageId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{Missing, Result, Trial};
use oncue_domain::trigger::{Definition, Trigger};
use tokio_postgres::Row;
use uuid::Uuid;

use super::hint::Changes;
use super::run::Expected;
use super::{Params, Shared, act, answered, column, count, destination, execute, overlap, partition, query, tally};
use crate::codec::{broken, origin_to_number, target_to_number, uncounted};

/// How many deliveries wait in memory at most; what is beyond is fetched from the table when there is room.
const FRESH_MAX: usize = 4096;

/// The largest payload of a delivery that waits in memory, in bytes.
const FRESH_PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// Numbers of events become visible in another order than they were given out, because transactions end when they end. Whoever
/// logs therefore holds, until the transaction is over, a shared advisory lock whose key says from which number on it is at
/// work: this base and the last number that had been given out before. Who reads events by their numbers stops there.
pub(super) const LOGGING_LOCK_BASE: i64 = 0x6f63 << 48;

/// The head of each statement that logs: takes the lock. Every number is drawn from a table joined with this one, so after it.
pub(super) fn floor() -> String {
    format!(
        "floor AS MATERIALIZED (
             SELECT pg_advisory_xact_lock_shared({LOGGING_LOCK_BASE} + CASE WHEN is_called THEN last_value ELSE 0 END)
             FROM event_ids
         )"
    )
}

/// An event to be logged.
pub(super) struct NewEvent {
    pub(super) trigger: Arc<Trigger>,
    pub(super) origin: Origin,
    pub(super) scheduled_at: Option<Timestamp>,
    /// Where that was later than its nominal time.
    pub(super) due_at: Option<Timestamp>,
    /// None means the trigger's own.
    pub(super) payload: Option<Payload>,
    pub(super) message_id: MessageId,
    /// The event whose payload it carries again.
    pub(super) parent: Option<EventId>,
    /// How many of its deliveries, the first ones, are asked to be written as claimed; [`Asked::push`] decides it.
    pub(super) held: usize,
}

impl NewEvent {
    fn targets(&self, shared: &Shared) -> Vec<Target> {
        Target::of(&self.trigger.definition, shared.settings.has_default_destination)
    }

    fn carried(&self) -> Option<&Payload> {
        self.payload.as_ref().or(self.trigger.definition.payload.as_ref())
    }

    /// The claims of the deliveries that were written as claimed.
    fn into_claims(self, id: EventId, targets: Vec<Target>, in_order: &[i64], now: Timestamp) -> Vec<Claim> {
        let payload = self.carried().cloned().unwrap_or_else(Payload::empty);
        let trigger = &self.trigger;
        let event = Arc::new(Event {
            id,
            owner: trigger.owner,
            trigger: trigger.id,
            revision: trigger.revision,
            name: trigger.definition.name.clone().unwrap_or_default(),
            kind: trigger.definition.kind(),
            origin: self.origin,
            scheduled_at: self.scheduled_at,
            due_at: self.due_at,
            fired_at: now,
            message_id: self.message_id,
            payload,
            parent: self.parent,
            has_run: trigger.definition.expects.is_some(),
        });
        let deliveries = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        let claim = |(target, slot)| Claim {
            event: Arc::clone(&event),
            slot,
            deliveries,
            target,
            tried: 0,
            ladder_from: 0,
            due_at: now,
            until: now + CLAIM_FOR,
            fence: 1,
        };
        let is_given_out = |(target, _): &(Target, u32)| match target {
            Target::Destination(id) => !in_order.contains(&id.0),
            Target::Webhook(_) | Target::Default => true,
        };
        targets.into_iter().zip(0..).take(self.held).filter(is_given_out).map(claim).collect()
    }
}

/// Events to be logged, as columns.
#[derive(Default)]
pub(super) struct Asked {
    owners: Vec<i64>,
    triggers: Vec<i64>,
    revisions: Vec<i64>,
    origins: Vec<i64>,
    scheduled: Vec<Option<i64>>,
    due: Vec<Option<i64>>,
    messages: Vec<Uuid>,
    payloads: Vec<Option<String>>,
    parents: Vec<Option<i64>>,
    /// How many deliveries they have.
    deliveries: Vec<i64>,
    /// The class of lateness; -1 where no schedule made it.
    late: Vec<i64>,
    /// Their triggers, where occurrences of those are not to overlap them.
    overlaps: Vec<Option<i64>>,
    /// What the caller knows them by.
    keys: Vec<i64>,
    /// Their deliveries, each with the key of its event.
    owing: Owing,
    /// Their runs.
    pub(super) expected: Expected,
}

/// Deliveries to be owed, as columns.
#[derive(Default)]
struct Owing {
    keys: Vec<i64>,
    slots: Vec<i64>,
    destinations: Vec<i64>,
    held: Vec<bool>,
}

/// Where the parameters of [`Asked::params`] begin in every statement that logs; those before are told at [`logging`].
const FIRST_ASKED: usize = 6;

/// The number of the parameter with the destinations of the deliveries, as [`Asked::params`] has it.
const OWING_DESTINATIONS: usize = AFTER_ASKED - 2;

/// The number of the first parameter after [`Asked::params`].
pub(super) const AFTER_ASKED: usize = FIRST_ASKED + 17;

/// Arrays of these types from the parameter `$from` on.
pub(super) fn arrays(types: &[&str], from: usize) -> String {
    let arrays: Vec<String> = types.iter().zip(from..).map(|(kind, number)| format!("${number}::{kind}[]")).collect();
    arrays.join(", ")
}

impl Asked {
    /// The events, as a table.
    pub(super) fn table() -> String {
        let types = [
            "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "uuid", "text", "bigint", "bigint", "bigint",
            "bigint", "bigint",
        ];
        format!(
            "unnest({}) WITH ORDINALITY AS asked (owner, trigger_id, revision, origin, scheduled_at, due_at, message_id, payload,
                                                  parent, deliveries, late, overlap_of, key, place)",
            arrays(&types, FIRST_ASKED)
        )
    }

    /// Their deliveries, as a table.
    fn owing_table() -> String {
        let types = ["bigint", "bigint", "bigint", "boolean"];
        format!("unnest({}) AS owing (key, slot, destination, is_held)", arrays(&types, AFTER_ASKED - types.len()))
    }

    pub(super) fn params(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); AFTER_ASKED - FIRST_ASKED] {
        [
            &self.owners,
            &self.triggers,
            &self.revisions,
            &self.origins,
            &self.scheduled,
            &self.due,
            &self.messages,
            &self.payloads,
            &self.parents,
            &self.deliveries,
            &self.late,
            &self.overlaps,
            &self.keys,
            &self.owing.keys,
            &self.owing.slots,
            &self.owing.destinations,
            &self.owing.held,
        ]
    }

    /// Takes in an event. It is written as claimed for this node where there is room to hand it over in memory: the commit is
    /// then the only write before it is sent. A large payload is fetched when its turn comes, so that what waits stays small.
    pub(super) fn push(&mut self, shared: &Shared, new: &mut NewEvent, key: i64, room: &mut usize, now: Timestamp) {
        self.expected.push(new, key, now);
        let targets = new.targets(shared);
        let is_small = new.carried().is_none_or(|payload| payload.as_str().len() <= FRESH_PAYLOAD_BYTES_MAX);
        new.held = if is_small { targets.len().min(*room) } else { 0 };
        *room -= new.held;
        for (target, place) in targets.iter().zip(0..) {
            self.owing.keys.push(key);
            self.owing.slots.push(i64::try_from(place).unwrap_or(i64::MAX));
            self.owing.destinations.push(target_to_number(target));
            self.owing.held.push(place < new.held);
        }
        let trigger = &new.trigger;
        let own_payload = new.payload.as_ref().filter(|payload| trigger.definition.payload.as_ref() != Some(payload));
        self.owners.push(trigger.owner.0);
        self.triggers.push(trigger.id.0);
        self.revisions.push(trigger.revision);
        self.origins.push(origin_to_number(new.origin));
        self.scheduled.push(new.scheduled_at.map(Timestamp::as_microsecond));
        self.due.push(new.due_at.map(Timestamp::as_microsecond));
        self.messages.push(new.message_id.0);
        self.payloads.push(own_payload.map(|payload| payload.as_str().to_owned()));
        self.parents.push(new.parent.map(|parent| parent.0));
        self.deliveries.push(i64::try_from(targets.len()).unwrap_or(i64::MAX));
        let due = new.due_at.or(new.scheduled_at);
        self.late.push(due.map_or(-1, |due| i64::try_from(lateness_class(now.duration_since(due))).unwrap_or(-1)));
        self.overlaps.push(overlap::mark(trigger, new.origin));
        self.keys.push(key);
    }
}

/// How many deliveries may still be written as claimed.
pub(super) fn room(shared: &Shared) -> usize {
    FRESH_MAX.saturating_sub(shared.fresh().len())
}

/// The tail of each statement that logs: numbers the rows of `asked` for which `condition` holds, logs them, and counts
/// them. Parameters: `$1` now, `$2` until when claims hold, `$3` the node, `$4` the slot, `$5` the hour.
///
/// A claim is given to a node only while the node is there: one that was given up for gone would hold it in vain.
pub(super) fn logging(from_asked: &str, condition: &str) -> String {
    let owing = Asked::owing_table();
    let destinations = OWING_DESTINATIONS;
    let counting = tally::adding(
        &format!(
            "SELECT owner, trigger_id, $5::bigint AS hour, 1 AS fired, late
             FROM fired
             WHERE origin NOT IN ({uncounted})",
            uncounted = uncounted()
        ),
        "$4",
    );
    format!(
        "fired AS MATERIALIZED (
             SELECT nextval('event_ids') AS id, asked.*,
                    EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $3) AS may_hold
             FROM floor CROSS JOIN {from_asked}
             WHERE {condition}
             ORDER BY asked.place
         ),
         logged AS (
             INSERT INTO events (id, owner, trigger_id, revision, origin, scheduled_at, fired_at, message_id, payload, parent,
                                 due_at)
             SELECT id, owner, trigger_id, revision, origin, scheduled_at, $1, message_id, payload, parent, due_at FROM fired
         ),
         in_order AS MATERIALIZED (
             SELECT id FROM destinations WHERE destinations.in_order AND id = ANY (${destinations})
         ),
         owed AS (
             INSERT INTO outbox (event_id, slot, destination, deliveries, fired_at, due_at, held_by, is_parked, tried, fence,
                                 in_order, overlap_of)
             SELECT fired.id, slot, destination, deliveries, $1, CASE WHEN is_claimed THEN $2 ELSE $1 END,
                    CASE WHEN is_claimed THEN $3 END, FALSE, 0, is_claimed::int, is_in_order, overlap_of
             FROM fired JOIN {owing} ON owing.key = fired.key
                  CROSS JOIN LATERAL (SELECT owing.destination = ANY (ARRAY(SELECT id FROM in_order))) AS asked_for (is_in_order)
                  CROSS JOIN LATERAL (VALUES (owing.is_held AND fired.may_hold AND NOT is_in_order)) AS claims (is_claimed)
         ),
         counted AS ({counting})"
    )
}

/// The columns that [`Logged::read`] wants.
pub(super) const LOGGED: &str = "fired.key, fired.id, fired.may_hold, ARRAY(SELECT id FROM in_order)";

/// How many columns those are.
pub(super) const LOGGED_COLUMNS: usize = 4;

/// What became of an event that was to be logged.
pub(super) struct Logged {
    pub(super) key: i64,
    pub(super) id: EventId,
    /// Whether what was asked to be written as claimed was.
    pub(super) may_hold: bool,
    /// To which destinations it was not, because they take deliveries in order.
    in_order: Vec<i64>,
}

impl Logged {
    /// Reads columns that begin with [`LOGGED`].
    pub(super) fn read(row: &Row) -> Result<Logged> {
        let (id, in_order) = (EventId(column(row, 1)?), column(row, 3)?);
        Ok(Logged { key: column(row, 0)?, id, may_hold: column(row, 2)?, in_order })
    }

    /// Hands over the claims of a logged event, and says what changed.
    pub(super) fn finish(&self, shared: &Shared, new: NewEvent, now: Timestamp, changes: &mut Changes) -> Vec<Claim> {
        changes.logged.insert(new.trigger.owner);
        let targets = new.targets(shared);
        let held = if self.may_hold { new.held } else { 0 };
        let deliveries = targets.len();
        let claims = NewEvent { held, ..new }.into_claims(self.id, targets, &self.in_order, now);
        changes.owed |= claims.len() < deliveries;
        claims
    }
}

/// Hands claims over and tells of changes; after the commit.
pub(super) fn announce(shared: &Shared, claims: Vec<Claim>, changes: &Changes) {
    let is_any = !claims.is_empty();
    shared.fresh().extend(claims);
    if is_any {
        shared.hints.wake_courier_here();
    }
    shared.hints.announce(changes);
}

/// Logs an event of a trigger that the caller has made certain of in the same transaction. No node holds what it owes: whoever asks may
/// go away between the commit and its answer, and nobody would know what is held.
pub(super) async fn log_within(
    client: &impl deadpool_postgres::GenericClient,
    shared: &Shared,
    new: &mut NewEvent,
    now: Timestamp,
) -> Result<Logged> {
    let logged = log_all_within(client, shared, std::slice::from_mut(new), now).await?;
    logged.into_iter().next().ok_or_else(|| broken("events", "an event was not logged"))
}

/// The same for several, each known by its place as its key.
pub(super) async fn log_all_within(
    client: &impl deadpool_postgres::GenericClient,
    shared: &Shared,
    new: &mut [NewEvent],
    now: Timestamp,
) -> Result<Vec<Logged>> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut asked = Asked::default();
    for (key, new) in (0..).zip(new) {
        asked.push(shared, new, key, &mut 0, now);
    }
    let expected = asked.expected.clause(AFTER_ASKED);
    let sql = format!("WITH {}, {}{expected} SELECT {LOGGED} FROM fired", floor(), logging(&Asked::table(), "TRUE"));
    let (until, node, slot, hour) =
        ((now + CLAIM_FOR).as_microsecond(), shared.node.id(), shared.node.slot(0), count::number_of(now));
    let now_us = now.as_microsecond();
    let mut params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&now_us, &until, &node, &slot, &hour];
    params.extend(asked.params());
    params.extend(asked.expected.params());
    query(client, &sql, params.as_slice() as Params<'_>).await?.iter().map(Logged::read).collect()
}

pub(super) async fn fire_unkept(
    shared: &Shared,
    owner: UserId,
    trial: &Trial,
    message_id: MessageId,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<std::result::Result<TriggerId, Missing>> {
    // Before the connection is taken: whoever makes a partition needs one too.
    partition::prepare(shared, now).await?;
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let definition = &trial.definition;
    if let Err(missing) = destination::hold_all(&transaction, owner, &definition.named_destinations()).await? {
        return Ok(Err(missing));
    }
    let unkept = log_unkept(&transaction, shared, owner, definition, Origin::Test, message_id, now).await?;
    let id = unkept.new.trigger.id;
    act::note(&transaction, author, Some(Act::tried_out(owner, trial, id, unkept.logged.id))).await?;
    let committed = answered(transaction.commit()).await;
    committed.inspect_err(|_| partition::forget_all(shared))?;
    let mut changes = Changes::default();
    unkept.finish(shared, now, &mut changes);
    announce(shared, Vec::new(), &changes);
    Ok(Ok(id))
}

/// The event of a trigger that is not kept, logged in a transaction that is not committed yet.
pub(super) struct Unkept {
    logged: Logged,
    new: NewEvent,
}

impl Unkept {
    /// Says what changed; after the commit.
    pub(super) fn finish(self, shared: &Shared, now: Timestamp, changes: &mut Changes) {
        // Nothing of it is held.
        drop(self.logged.finish(shared, self.new, now, changes));
    }
}

/// Logs the event of a trigger that is not kept.
pub(super) async fn log_unkept(
    transaction: &impl deadpool_postgres::GenericClient,
    shared: &Shared,
    owner: UserId,
    definition: &Definition,
    origin: Origin,
    message_id: MessageId,
    now: Timestamp,
) -> Result<Unkept> {
    let row = query(transaction, "SELECT nextval('tried_out_triggers')", &[]).await?;
    let id = TriggerId(row.first().map(|row| column(row, 0)).transpose()?.ok_or_else(|| broken("id", "no number"))?);
    execute(
        transaction,
        "INSERT INTO revisions (trigger_id, revision, kind, name, payload, webhook_url, webhook_format, ended_at)
         VALUES ($1, 1, $2, $3, $4, $5, $6, $7)",
        &[
            &id.0,
            &definition.kind().word(),
            &definition.name,
            &definition.payload.as_ref().map(Payload::as_str),
            &definition.webhook.as_ref().map(|webhook| webhook.url.as_str()),
            &definition.webhook.as_ref().map(|webhook| webhook.format.word()),
            &now.as_microsecond(),
        ],
    )
    .await?;
    let trigger =
        Trigger { id, owner, revision: 1, definition: definition.clone(), created_at: now, standing_since: now };
    let trigger = Arc::new(trigger);
    let mut new = NewEvent {
        trigger,
        origin,
        scheduled_at: None,
        due_at: None,
        payload: None,
        message_id,
        parent: None,
        held: 0,
    };
    let logged = log_within(transaction, shared, &mut new, now).await?;
    Ok(Unkept { logged, new })
}
