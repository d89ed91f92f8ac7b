//! Many triggers made by one statement. One alone is made in `trigger`, many calls are gathered in `gather`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::{Actor, Author};
use oncue_domain::delivery::Claim;
use oncue_domain::event::Origin;
use oncue_domain::id::{DestinationId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::store::{Made, Missing, NewTrigger, Result};
use tokio_postgres::types::ToSql;

use super::hint::Changes;
use super::log::{Logged, NewEvent, announce, log_all_within};
use super::trigger::{by_of, note_armed};
use super::{Shared, act, answered, calendar, column, destination, partition, query};
use crate::codec::{actor_to_text, broken, destinations_to_text, expects_to_text, overlap_to_text, schedule_to_text};

/// Makes those that name nothing that is not there, all in one transaction.
pub(super) async fn create(
    shared: &Shared,
    new: &[NewTrigger],
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Vec<Made>> {
    partition::prepare(shared, now).await?;
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let making = make(&transaction, shared, new, author, now).await?;
    let committed = answered(transaction.commit()).await;
    committed.inspect_err(|_| partition::forget_all(shared))?;
    let made = making.made()?;
    let mut changes = Changes::default();
    let claims = making.finish(shared, new, now, &mut changes);
    announce(shared, claims, &changes);
    Ok(made)
}

/// Triggers that are made in a transaction that is not committed yet.
pub(super) struct Making {
    missing: Vec<Option<Missing>>,
    /// Of those that miss nothing.
    ids: Vec<TriggerId>,
    tests: Vec<NewEvent>,
    logged: Vec<Logged>,
}

/// Makes those that name nothing that is not there, once their partition is prepared.
pub(super) async fn make(
    client: &impl GenericClient,
    shared: &Shared,
    new: &[NewTrigger],
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Making> {
    let mut missing = missing_destinations(client, new).await?;
    let mut held = calendar::hold_for(client, new).await?;
    for (new, missing) in new.iter().zip(&mut missing).filter(|(_, missing)| missing.is_none()) {
        *missing = held.take(new.owner, &new.definition).err();
    }
    let wanted: Vec<&NewTrigger> =
        new.iter().zip(&missing).filter(|(_, missing)| missing.is_none()).map(|(new, _)| new).collect();
    let ids = insert(client, &wanted, by_of(author), now).await?;
    let links = wanted
        .iter()
        .zip(&ids)
        .flat_map(|(new, id)| calendar::ids_of(&new.definition).into_iter().map(move |calendar| (*id, calendar)));
    calendar::link(client, &links.collect::<Vec<_>>()).await?;
    let mut tests: Vec<NewEvent> = wanted.iter().zip(&ids).filter_map(|(new, id)| test_event(new, *id, now)).collect();
    let logged = log_all_within(client, shared, &mut tests, now).await?;
    let making = Making { missing, ids, tests, logged };
    if author.is_some() {
        for act in Act::triggers_made(new, &making.made()?) {
            act::note(client, author, Some(act)).await?;
        }
    }
    Ok(making)
}

impl Making {
    /// For each its number, or what it misses.
    pub(super) fn made(&self) -> Result<Vec<Made>> {
        let mut ids = self.ids.iter();
        let made = |missing: &Option<Missing>| match missing {
            Some(missing) => Ok(Err(*missing)),
            None => ids.next().map(|id| Ok(*id)).ok_or_else(|| broken("id", "no number")),
        };
        self.missing.iter().map(made).collect()
    }

    /// What is claimed of their test events, and what changed; after the commit, with the triggers that were to be made.
    pub(super) fn finish(
        self,
        shared: &Shared,
        new: &[NewTrigger],
        now: Timestamp,
        changes: &mut Changes,
    ) -> Vec<Claim> {
        let wanted = new.iter().zip(&self.missing).filter(|(_, missing)| missing.is_none()).map(|(new, _)| new);
        for (new, id) in wanted.zip(&self.ids) {
            changes.edited.insert(new.owner);
            note_armed(shared, *id, new.next_at, changes);
        }
        let mut tests: HashMap<i64, NewEvent> = (0..).zip(self.tests).collect();
        let mut claims = Vec::new();
        for one in self.logged {
            if let Some(event) = tests.remove(&one.key) {
                claims.extend(one.finish(shared, event, now, changes));
            }
        }
        claims
    }
}

/// For each the first destination that it names and its owner does not have. Those that are there stay until the transaction is over.
async fn missing_destinations(client: &impl GenericClient, new: &[NewTrigger]) -> Result<Vec<Option<Missing>>> {
    let mut named: BTreeMap<UserId, BTreeSet<DestinationId>> = BTreeMap::new();
    for new in new.iter().filter(|new| !new.definition.named_destinations().is_empty()) {
        named.entry(new.owner).or_default().extend(new.definition.named_destinations());
    }
    let mut there: BTreeSet<(UserId, DestinationId)> = BTreeSet::new();
    for (owner, ids) in named {
        let ids: Vec<DestinationId> = ids.into_iter().collect();
        let held = destination::hold(client, owner, &ids).await?;
        there.extend(held.into_iter().map(|id| (owner, id)));
    }
    let missing = |new: &NewTrigger| {
        let missing = new.definition.named_destinations().into_iter().find(|id| !there.contains(&(new.owner, *id)));
        missing.map(Missing::Destination)
    };
    Ok(new.iter().map(missing).collect())
}

/// Writes the triggers, what they wait for and what they send to; gives their numbers, in their order.
async fn insert(
    client: &impl GenericClient,
    wanted: &[&NewTrigger],
    by: &Actor,
    now: Timestamp,
) -> Result<Vec<TriggerId>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let each = || wanted.iter().map(|new| &new.definition);
    let owners: Vec<i64> = wanted.iter().map(|new| new.owner.0).collect();
    let names: Vec<Option<&str>> = each().map(|definition| definition.name.as_deref()).collect();
    let schedules: Vec<Option<String>> =
        each().map(|definition| definition.schedule.as_ref().map(schedule_to_text)).collect();
    let payloads: Vec<Option<&str>> =
        each().map(|definition| definition.payload.as_ref().map(Payload::as_str)).collect();
    let urls: Vec<Option<&str>> =
        each().map(|definition| definition.webhook.as_ref().map(|webhook| webhook.url.as_str())).collect();
    let formats: Vec<Option<&str>> =
        each().map(|definition| definition.webhook.as_ref().map(|webhook| webhook.format.word())).collect();
    let tests: Vec<bool> = each().map(|definition| definition.is_test).collect();
    let enabled: Vec<bool> = each().map(|definition| definition.enabled).collect();
    let reasons: Vec<Option<&str>> =
        each().map(|definition| definition.pause.as_ref().and_then(|pause| pause.reason.as_deref())).collect();
    let pauses: Vec<Option<i64>> =
        each().map(|definition| definition.pause_ends_at().map(Timestamp::as_microsecond)).collect();
    let ends: Vec<Option<i64>> =
        each().map(|definition| definition.expires_at.map(Timestamp::as_microsecond)).collect();
    let destinations: Vec<Option<String>> =
        each().map(|definition| destinations_to_text(&definition.destinations)).collect();
    let schemas: Vec<Option<&str>> =
        each().map(|definition| definition.payload_schema.as_ref().map(PayloadSchema::as_str)).collect();
    let expected: Vec<Option<String>> = each().map(|definition| expects_to_text(definition.expects.as_ref())).collect();
    let overlaps: Vec<Option<&str>> = each().map(|definition| overlap_to_text(definition.overlap)).collect();
    let waits: Vec<Option<i64>> = wanted.iter().map(|new| new.next_at.map(Timestamp::as_microsecond)).collect();
    let links = || {
        (1_i64..)
            .zip(each())
            .flat_map(|(place, made)| made.named_destinations().into_iter().map(move |id| (place, id.0)))
    };
    let (places, linked): (Vec<i64>, Vec<i64>) = links().unzip();
    let sql = "WITH asked AS MATERIALIZED (
                   SELECT nextval(pg_get_serial_sequence('triggers', 'id')) AS id, asked.*
                   FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[],
                               $9::boolean[], $10::bigint[], $11::text[], $12::bigint[], $15::text[], $17::text[], $18::bigint[],
                               $19::text[], $20::text[])
                        WITH ORDINALITY AS asked (owner, name, schedule, payload, webhook_url, webhook_format, is_test,
                                                  enabled, expires_at, destinations, next_at, payload_schema, pause_reason,
                                                  pause_until, expects, overlap, place)
                   ORDER BY asked.place
               ),
               made AS (
                   INSERT INTO triggers (id, owner, revision, name, schedule, payload, webhook_url, webhook_format,
                                         is_test, enabled, expires_at, created_at, standing_since, destinations,
                                         payload_schema, made_by, pause_reason, pause_until, expects, overlap)
                   SELECT id, owner, 1, name, schedule, payload, webhook_url, webhook_format,
                          is_test, enabled, expires_at, $1, $1, destinations, payload_schema, $16,
                          pause_reason, pause_until, expects, overlap
                   FROM asked
               ),
               armed AS (
                   INSERT INTO cursors (trigger_id, next_at, revision)
                   SELECT id, next_at, 1 FROM asked WHERE next_at IS NOT NULL
               ),
               linked AS (
                   INSERT INTO trigger_destinations (destination_id, trigger_id)
                   SELECT links.destination, asked.id
                   FROM unnest($13::bigint[], $14::bigint[]) AS links (place, destination)
                   JOIN asked ON asked.place = links.place
               )
               SELECT id FROM asked ORDER BY place";
    let params: [&(dyn ToSql + Sync); 20] = [
        &now.as_microsecond(),
        &owners,
        &names,
        &schedules,
        &payloads,
        &urls,
        &formats,
        &tests,
        &enabled,
        &ends,
        &destinations,
        &waits,
        &places,
        &linked,
        &schemas,
        &actor_to_text(by),
        &reasons,
        &pauses,
        &expected,
        &overlaps,
    ];
    query(client, sql, &params).await?.iter().map(|row| column(row, 0).map(TriggerId)).collect()
}

/// The one event of a trigger that is made as a test.
fn test_event(new: &NewTrigger, id: TriggerId, now: Timestamp) -> Option<NewEvent> {
    let message_id = new.test_event?;
    let trigger = Arc::new(new.as_made(id, now).trigger);
    Some(NewEvent {
        trigger,
        origin: Origin::Test,
        scheduled_at: None,
        due_at: None,
        payload: None,
        message_id,
        parent: None,
        held: 0,
    })
}
