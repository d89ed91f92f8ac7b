//! How events come to be: with their number, with what they owe and with what is counted of them, many at once, in one
//! statement. Whoever logs brings along which of them may still be logged (`asked`, the table of [`Asked::table`]).

use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::count::lateness_class;
use oncue_domain::delivery::{CLAIM_FOR, Claim};
use oncue_domain::destination::Target;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, MessageId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::Result;
use oncue_domain::trigger::{Definition, Trigger};
use tokio_postgres::Row;
use uuid::Uuid;

use super::hint::Changes;
use super::{Client, Params, Shared, answered, column, count, execute, partition, query, tally};
use crate::codec::{broken, origin_to_number};

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
    /// None means the trigger's own.
    pub(super) payload: Option<Payload>,
    pub(super) message_id: MessageId,
}

impl NewEvent {
    fn target(&self, shared: &Shared) -> Option<Target> {
        match &self.trigger.definition.webhook {
            Some(webhook) => Some(Target::Webhook(webhook.clone())),
            None if shared.settings.has_default_destination => Some(Target::Default),
            None => None,
        }
    }

    fn carried(&self) -> Option<&Payload> {
        self.payload.as_ref().or(self.trigger.definition.payload.as_ref())
    }

    fn into_claim(self, id: EventId, target: Target, now: Timestamp) -> Claim {
        let payload = self.carried().cloned().unwrap_or_else(Payload::empty);
        let trigger = &self.trigger;
        let event = Event {
            id,
            owner: trigger.owner,
            trigger: trigger.id,
            revision: trigger.revision,
            name: trigger.definition.name.clone().unwrap_or_default(),
            kind: trigger.definition.kind(),
            origin: self.origin,
            scheduled_at: self.scheduled_at,
            fired_at: now,
            message_id: self.message_id,
            payload,
        };
        Claim { event: Arc::new(event), target, tried: 0, until: now + CLAIM_FOR, fence: 1 }
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
    messages: Vec<Uuid>,
    payloads: Vec<Option<String>>,
    owed: Vec<bool>,
    default: Vec<bool>,
    held: Vec<bool>,
    /// The class of lateness; -1 where no schedule made it.
    late: Vec<i64>,
    /// What the caller knows them by.
    keys: Vec<i64>,
}

impl Asked {
    /// The parameters `$from` and on, as a table.
    pub(super) fn table(from: usize) -> String {
        let types = [
            "bigint", "bigint", "bigint", "bigint", "bigint", "uuid", "text", "boolean", "boolean", "boolean",
            "bigint", "bigint",
        ];
        let arrays: Vec<String> =
            types.iter().zip(from..).map(|(kind, number)| format!("${number}::{kind}[]")).collect();
        format!(
            "unnest({}) WITH ORDINALITY AS asked (owner, trigger_id, revision, origin, scheduled_at, message_id, payload,
                                                  is_owed, is_default, is_held, late, key, place)",
            arrays.join(", ")
        )
    }

    pub(super) fn params(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); 12] {
        [
            &self.owners,
            &self.triggers,
            &self.revisions,
            &self.origins,
            &self.scheduled,
            &self.messages,
            &self.payloads,
            &self.owed,
            &self.default,
            &self.held,
            &self.late,
            &self.keys,
        ]
    }

    /// Takes in an event. It is written as claimed for this node where there is room to hand it over in memory: the commit is
    /// then the only write before it is sent. A large payload is fetched when its turn comes, so that what waits stays small.
    pub(super) fn push(&mut self, shared: &Shared, new: &NewEvent, key: i64, room: &mut usize, now: Timestamp) {
        let trigger = &new.trigger;
        let target = new.target(shared);
        let is_small = new.carried().is_none_or(|payload| payload.as_str().len() <= FRESH_PAYLOAD_BYTES_MAX);
        let is_held = target.is_some() && is_small && *room > 0;
        *room -= usize::from(is_held);
        let own_payload = new.payload.as_ref().filter(|payload| trigger.definition.payload.as_ref() != Some(payload));
        self.owners.push(trigger.owner.0);
        self.triggers.push(trigger.id.0);
        self.revisions.push(trigger.revision);
        self.origins.push(origin_to_number(new.origin));
        self.scheduled.push(new.scheduled_at.map(Timestamp::as_microsecond));
        self.messages.push(new.message_id.0);
        self.payloads.push(own_payload.map(|payload| payload.as_str().to_owned()));
        self.owed.push(target.is_some());
        self.default.push(target.is_some_and(|target| !target.is_users_own()));
        self.held.push(is_held);
        self.late.push(
            new.scheduled_at.map_or(-1, |due| i64::try_from(lateness_class(now.duration_since(due))).unwrap_or(-1)),
        );
        self.keys.push(key);
    }
}

/// How many deliveries may still be written as claimed.
pub(super) fn room(shared: &Shared) -> usize {
    FRESH_MAX.saturating_sub(shared.fresh().len())
}

/// The tail of each statement that logs: numbers the rows of `asked` for which `condition` holds, logs them, and counts them
/// with what `also_counted` adds. Parameters: `$1` now, `$2` until when claims hold, `$3` the node, `$4` the slot, `$5` the hour.
///
/// A claim is given to a node only while the node is there: one that was given up for gone would hold it in vain.
pub(super) fn logging(from_asked: &str, condition: &str, also_counted: &str) -> String {
    let counting = tally::adding(
        &format!(
            "SELECT owner, trigger_id, $5::bigint AS hour, 1 AS fired, 0::bigint AS skipped, late
             FROM fired
             WHERE origin <> {test}
             {also_counted}",
            test = origin_to_number(Origin::Test)
        ),
        "$4",
    );
    format!(
        "fired AS MATERIALIZED (
             SELECT nextval('event_ids') AS id, asked.*,
                    asked.is_held AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $3) AS is_claimed
             FROM floor CROSS JOIN {from_asked}
             WHERE {condition}
             ORDER BY asked.place
         ),
         logged AS (
             INSERT INTO events (id, owner, trigger_id, revision, origin, scheduled_at, fired_at, message_id, payload)
             SELECT id, owner, trigger_id, revision, origin, scheduled_at, $1, message_id, payload FROM fired
         ),
         owed AS (
             INSERT INTO outbox (event_id, fired_at, due_at, held_by, tried, fence, is_default)
             SELECT id, $1, CASE WHEN is_claimed THEN $2 ELSE $1 END, CASE WHEN is_claimed THEN $3 END, 0,
                    is_claimed::int, is_default
             FROM fired
             WHERE is_owed
         ),
         counted AS ({counting})"
    )
}

/// The columns that [`Logged::read`] wants.
pub(super) const LOGGED: &str = "fired.key, fired.id, fired.is_claimed";

/// What became of an event that was to be logged.
pub(super) struct Logged {
    pub(super) key: i64,
    pub(super) id: EventId,
    pub(super) is_claimed: bool,
}

impl Logged {
    /// Reads columns that begin with [`LOGGED`].
    pub(super) fn read(row: &Row) -> Result<Logged> {
        Ok(Logged { key: column(row, 0)?, id: EventId(column(row, 1)?), is_claimed: column(row, 2)? })
    }

    /// Hands over the claim of a logged event, and says what changed.
    pub(super) fn finish(
        &self,
        shared: &Shared,
        new: NewEvent,
        now: Timestamp,
        changes: &mut Changes,
    ) -> Option<Claim> {
        changes.logged.insert(new.trigger.owner);
        let target = new.target(shared)?;
        if self.is_claimed {
            return Some(new.into_claim(self.id, target, now));
        }
        changes.owed = true;
        None
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

/// Logs events of triggers that the caller has made certain of in the same transaction.
pub(super) async fn log_within(
    client: &impl deadpool_postgres::GenericClient,
    shared: &Shared,
    new: &NewEvent,
    now: Timestamp,
) -> Result<Logged> {
    let mut asked = Asked::default();
    asked.push(shared, new, 0, &mut room(shared), now);
    let sql = format!("WITH {}, {} SELECT {LOGGED} FROM fired", floor(), logging(&Asked::table(6), "TRUE", ""));
    let (until, node, slot, hour) =
        ((now + CLAIM_FOR).as_microsecond(), shared.node.id(), shared.node.slot(0), count::number_of(now));
    let now_us = now.as_microsecond();
    let mut params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&now_us, &until, &node, &slot, &hour];
    params.extend(asked.params());
    let rows = query(client, &sql, params.as_slice() as Params<'_>).await?;
    rows.first().map(Logged::read).transpose()?.ok_or_else(|| broken("events", "an event was not logged"))
}

pub(super) async fn fire_unkept(
    client: &mut Client,
    shared: &Shared,
    owner: UserId,
    definition: &Definition,
    message_id: MessageId,
    now: Timestamp,
) -> Result<TriggerId> {
    partition::prepare(shared, now).await?;
    let transaction = answered(client.transaction()).await?;
    let row = query(&transaction, "SELECT nextval('tried_out_triggers')", &[]).await?;
    let id = TriggerId(row.first().map(|row| column(row, 0)).transpose()?.ok_or_else(|| broken("id", "no number"))?);
    execute(
        &transaction,
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
    let new =
        NewEvent { trigger: Arc::new(trigger), origin: Origin::Test, scheduled_at: None, payload: None, message_id };
    let logged = log_within(&transaction, shared, &new, now).await?;
    let committed = answered(transaction.commit()).await;
    committed.inspect_err(|error| shared.doubt(error, (now + CLAIM_FOR).as_microsecond()))?;
    let mut changes = Changes::default();
    let claim = logged.finish(shared, new, now, &mut changes);
    announce(shared, claim.into_iter().collect(), &changes);
    Ok(id)
}
