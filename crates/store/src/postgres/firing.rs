//! Firings in short in PostgreSQL: of events that are kept, and what is left of those that are gone. What became of an event is
//! told in the statement that reads the event, so that both are of one moment.

use std::collections::HashMap;

use deadpool_postgres::{Client, GenericClient};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Origin;
use oncue_domain::firing::{FIRINGS_KEPT, Firing, Outcome};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{RecentFirings, Result};
use tokio_postgres::Row;

use super::count::whole;
use super::event::KEPT;
use super::{column, count, execute, limit_of, query, query_first};
use crate::codec::{broken, instant, origin_from_number, origin_to_number};

/// The columns of `events` that a firing is made from.
pub(super) const FIRED: &str = "events.id, events.origin, events.scheduled_at, events.fired_at, events.due_at";

/// The columns of [`FATE_OF_EVENTS`] that a firing is made from; they follow [`FIRED`].
pub(super) const FATE: &str = "fate.outcome, fate.attempts, fate.took_us";

/// How many columns a firing is made from.
pub(super) const FIRING_COLUMNS: usize = 8;

/// What became of each of the `events` before it, to be joined to them. Aggregates and subqueries that give a value are never
/// turned into joins, so it looks at each event's own rows, however many there are of others.
pub(super) const FATE_OF_EVENTS: &str = "CROSS JOIN LATERAL (
    SELECT CASE WHEN (SELECT TRUE FROM outbox WHERE outbox.event_id = events.id LIMIT 1) THEN 'pending'
                WHEN (SELECT TRUE FROM failures WHERE failures.event_id = events.id) THEN 'failed'
                WHEN count(*) = 0 THEN 'logged'
                ELSE 'delivered'
           END AS outcome,
           count(*) AS attempts,
           max(started_at + took_us) - events.fired_at AS took_us
    FROM attempts
    WHERE attempts.event_id = events.id AND attempts.fired_at = events.fired_at
) AS fate";

/// The firing of a kept event from columns that are [`FIRED`] and [`FATE`] and begin at `at`.
pub(super) fn firing(row: &Row, at: usize) -> Result<Firing> {
    let scheduled_at: Option<i64> = column(row, at + 2)?;
    let due_at: Option<i64> = column(row, at + 4)?;
    let outcome: &str = column(row, at + 5)?;
    let took_us: Option<i64> = column(row, at + 7)?;
    Ok(Firing {
        event: EventId(column(row, at)?),
        origin: origin_from_number(column(row, at + 1)?)?,
        scheduled_at: scheduled_at.map(instant).transpose()?,
        due_at: due_at.map(instant).transpose()?,
        fired_at: instant(column(row, at + 3)?)?,
        outcome: Outcome::from_word(outcome).ok_or_else(|| broken("outcome", outcome))?,
        attempts: whole(row, at + 6)?,
        took: took_us.map(SignedDuration::from_micros),
        is_kept: true,
    })
}

/// Everything that is known of the firings of these triggers of the owner, tests aside, newest first, at most `limit` each and
/// [`FIRINGS_KEPT`]. One statement, so that no event is missed or told twice while it goes.
pub(super) async fn known(
    client: &impl GenericClient,
    owner: UserId,
    triggers: &[TriggerId],
    gone_until: Timestamp,
    limit: usize,
) -> Result<HashMap<TriggerId, Vec<Firing>>> {
    let limit = limit.min(FIRINGS_KEPT);
    // Those that are gone are older than those that are not, unless a clock was put back: where there are enough that are
    // kept, the others are looked at only as far back.
    let sql = format!(
        "WITH asked AS MATERIALIZED (
             SELECT id AS trigger_id
             FROM unnest($2::bigint[]) AS asked (id)
             WHERE (SELECT owner FROM triggers WHERE triggers.id = asked.id) = $1
         ),
         kept AS MATERIALIZED (
             SELECT asked.trigger_id, {FIRED}
             FROM asked CROSS JOIN LATERAL (
                 SELECT {FIRED}
                 FROM events
                 WHERE owner = $1 AND trigger_id = asked.trigger_id AND origin <> $3 AND {KEPT}
                 ORDER BY fired_at DESC, id DESC
                 LIMIT $4
             ) AS events
         ),
         enough AS MATERIALIZED (
             SELECT trigger_id, min(fired_at) AS oldest FROM kept GROUP BY trigger_id HAVING count(*) = $4
         )
         SELECT {FIRED}, {FATE}, events.trigger_id, TRUE
         FROM kept AS events {FATE_OF_EVENTS}
         UNION ALL
         SELECT gone.event_id, gone.origin, gone.scheduled_at, gone.fired_at, gone.due_at, gone.outcome,
                gone.attempts, gone.took_us, asked.trigger_id, FALSE
         FROM asked LEFT JOIN enough ON enough.trigger_id = asked.trigger_id
              CROSS JOIN LATERAL (
                  SELECT *
                  FROM firings
                  WHERE trigger_id = asked.trigger_id AND fired_at >= coalesce(enough.oldest, -9223372036854775808)
                  ORDER BY fired_at DESC, event_id DESC
                  LIMIT $4
              ) AS gone"
    );
    let mut ids: Vec<i64> = triggers.iter().map(|trigger| trigger.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let test = origin_to_number(Origin::Test);
    let mut known: HashMap<TriggerId, Vec<Firing>> = HashMap::new();
    for row in query(client, &sql, &[&owner.0, &ids, &test, &limit_of(limit)]).await? {
        let firing = firing(&row, 0)?;
        let is_kept = column(&row, FIRING_COLUMNS + 1)? && firing.fired_at > gone_until;
        known.entry(TriggerId(column(&row, FIRING_COLUMNS)?)).or_default().push(Firing { is_kept, ..firing });
    }
    for firings in known.values_mut() {
        firings.sort_unstable_by_key(|firing| std::cmp::Reverse((firing.fired_at, firing.event)));
        firings.truncate(limit);
    }
    Ok(known)
}

pub(super) async fn recent(
    client: &Client,
    owner: UserId,
    triggers: &[TriggerId],
    gone_until: Timestamp,
    limit: usize,
) -> Result<Vec<RecentFirings>> {
    let known = known(client, owner, triggers, gone_until, limit).await?;
    let of = |trigger: &TriggerId| known.get(trigger).cloned().unwrap_or_default();
    Ok(triggers.iter().map(|trigger| RecentFirings { trigger: *trigger, firings: of(trigger) }).collect())
}

pub(super) async fn gone_firing(
    client: &Client,
    owner: UserId,
    id: EventId,
    gone_until: Timestamp,
) -> Result<Option<(TriggerId, Firing)>> {
    let sql = format!(
        "SELECT trigger_id FROM events WHERE id = $1 AND {KEPT}
         UNION ALL
         SELECT trigger_id FROM firings WHERE event_id = $1"
    );
    let Some(row) = query_first(client, &sql, &[&id.0]).await? else { return Ok(None) };
    let trigger = TriggerId(column(&row, 0)?);
    let known = known(client, owner, &[trigger], gone_until, FIRINGS_KEPT).await?;
    let firing = known.into_values().flatten().find(|firing| firing.event == id && !firing.is_kept);
    Ok(firing.map(|firing| (trigger, firing)))
}

/// Events of one trigger that go, the latest of a slice.
pub(super) struct Leaving {
    /// Whose they are.
    pub(super) owner: UserId,
    /// The trigger that fired; it may be gone by now.
    pub(super) trigger: TriggerId,
    /// Without tests.
    pub(super) newest_first: Vec<(Timestamp, EventId)>,
}

/// Keeps in short what will be among the latest firings of its trigger once these events, of a trigger each, are gone.
pub(super) async fn leave_in_short(client: &impl GenericClient, leaving: &[Leaving]) -> Result<()> {
    let newest = |of: &Leaving| of.newest_first.first().map(|(fired_at, _)| (of.owner, of.trigger, *fired_at));
    let asked: Vec<_> = leaving.iter().filter_map(newest).collect();
    if asked.is_empty() {
        return Ok(());
    }
    // Whatever has so many after it will never be among the latest again; of a busy trigger nothing is worth keeping.
    let later = count::fired_after_hour_of(client, &asked, FIRINGS_KEPT).await?;
    let (mut owners, mut triggers, mut fired_at, mut ids) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (of, later) in leaving.iter().filter(|of| !of.newest_first.is_empty()).zip(later) {
        for (at, id) in of.newest_first.iter().take(FIRINGS_KEPT.saturating_sub(later)) {
            owners.push(of.owner.0);
            triggers.push(of.trigger.0);
            fired_at.push(at.as_microsecond());
            ids.push(id.0);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    // A trigger that is deleted waits until its lines are there to be deleted too.
    let sql = format!(
        "WITH present AS MATERIALIZED (
             SELECT id, owner FROM triggers WHERE id = ANY ($5) ORDER BY id FOR KEY SHARE
         )
         INSERT INTO firings (event_id, origin, scheduled_at, fired_at, due_at, outcome, attempts, took_us, trigger_id)
         SELECT {FIRED}, {FATE}, present.id
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS asked (owner, trigger_id, fired_at, id)
              JOIN present ON present.id = asked.trigger_id AND present.owner = asked.owner
              CROSS JOIN LATERAL (
                  SELECT {FIRED} FROM events WHERE fired_at = asked.fired_at AND id = asked.id OFFSET 0
              ) AS events
              {FATE_OF_EVENTS}"
    );
    let mut touched = triggers.clone();
    touched.dedup();
    execute(client, &sql, &[&owners, &triggers, &fired_at, &ids, &touched]).await?;
    execute(
        client,
        "DELETE FROM firings
         WHERE ctid = ANY (ARRAY(
             SELECT fallen.place
             FROM unnest($1::bigint[]) AS touched (trigger_id)
                  CROSS JOIN LATERAL (
                      SELECT ctid AS place
                      FROM firings
                      WHERE trigger_id = touched.trigger_id
                      ORDER BY fired_at DESC, event_id DESC
                      OFFSET $2
                  ) AS fallen))",
        &[&touched, &limit_of(FIRINGS_KEPT)],
    )
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_says_what_became_of_an_event_in_the_words_that_are_kept() {
        let said: Vec<&str> = FATE_OF_EVENTS.split('\'').skip(1).step_by(2).collect();
        assert!(said.iter().all(|word| Outcome::from_word(word).is_some()), "{said:?}");
        assert_eq!(said.len(), Outcome::ALL.len());
    }
}
