//! Looking for events in SQLite. What is looked at is read from an index, row by row and as little of each as decides; only
//! what is found is read whole. All of one answer comes from one moment.

use jiff::Timestamp;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{EventId, MessageId, TriggerId, UserId};
use oncue_domain::store::{
    EXCERPT_CHARS_MAX, EventFilter, EventLine, EventLines, EventPage, EventPlace, EventSearch, FOLLOWED_MAX, Result,
    SEARCHED_MAX,
};
use oncue_domain::trigger::Kind;
use rusqlite::{CachedStatement, Connection, Row, ToSql};
use uuid::Uuid;

use super::event::EVENT_FROM;
use super::firing::{FIRED, Fates};
use super::{failed, in_one_moment};
use crate::codec::{broken, instant, origin_to_number};

/// An event's name, and what it carries.
const NAME: &str = "coalesce(triggers.name, revisions.name, '')";
const PAYLOAD: &str = "coalesce(events.payload, triggers.payload, revisions.payload, '{}')";

/// What of a search is decided row by row: whether a row of `events` is what is looked for.
struct Test {
    sql: String,
    /// Which tables the row must be read with.
    from: &'static str,
    text: Option<String>,
}

impl Test {
    /// `text_at` is the number of the parameter that holds the text.
    fn of(search: &EventSearch, text_at: usize) -> Test {
        let mut conditions = Vec::new();
        if let Some(origin) = search.origin {
            conditions.push(format!("events.origin = {}", origin_to_number(origin)));
        }
        let owed = "EXISTS (SELECT 1 FROM outbox WHERE event_id = events.id)";
        let failed = "EXISTS (SELECT 1 FROM failures WHERE event_id = events.id)";
        let tried = "EXISTS (SELECT 1 FROM attempts WHERE event_id = events.id)";
        conditions.extend(search.outcome.map(|outcome| match outcome {
            Outcome::Pending => owed.to_owned(),
            Outcome::Delivered => format!("NOT {owed} AND NOT {failed} AND {tried}"),
            Outcome::Logged => format!("NOT {owed} AND NOT {failed} AND NOT {tried}"),
            Outcome::Failed => failed.to_owned(),
        }));
        if search.text.is_some() {
            conditions
                .push(format!("(instr(lower({NAME}), ?{text_at}) > 0 OR instr(lower({PAYLOAD}), ?{text_at}) > 0)"));
        }
        Test {
            sql: if conditions.is_empty() {
                "1".to_owned()
            } else {
                format!("iif({}, 1, 0)", conditions.join(" AND "))
            },
            from: if search.text.is_some() { EVENT_FROM } else { "events" },
            text: search.text.as_ref().map(|text| text.to_ascii_lowercase()),
        }
    }
}

/// Reads events as lists show them.
struct Lines<'c> {
    statement: CachedStatement<'c>,
    fates: Fates<'c>,
}

impl<'c> Lines<'c> {
    fn new(connection: &'c Connection) -> Result<Lines<'c>> {
        let sql = format!(
            "SELECT {FIRED}, events.trigger_id, events.message_id,
                    {NAME},
                    iif(triggers.id IS NULL, revisions.kind, iif(triggers.schedule IS NULL, 'api', 'scheduled')),
                    substr({PAYLOAD}, 1, {EXCERPT_CHARS_MAX})
             FROM {EVENT_FROM}
             WHERE events.id = ?"
        );
        Ok(Lines { statement: connection.prepare_cached(&sql).map_err(failed)?, fates: Fates::new(connection)? })
    }

    fn read(&mut self, id: i64) -> Result<EventLine> {
        let mut rows = self.statement.query([id]).map_err(failed)?;
        let row = rows.next().map_err(failed)?.ok_or_else(|| broken("events", "an event went while it was read"))?;
        let message_id: [u8; 16] = row.get(6).map_err(failed)?;
        let kind: Option<String> = row.get(8).map_err(failed)?;
        Ok(EventLine {
            id: EventId(id),
            trigger: TriggerId(row.get(5).map_err(failed)?),
            name: row.get(7).map_err(failed)?,
            kind: kind
                .as_deref()
                .and_then(Kind::from_word)
                .ok_or_else(|| broken("kind", "the event's revision is gone"))?,
            firing: self.fates.firing(row)?,
            message_id: MessageId(Uuid::from_bytes(message_id)),
            excerpt: row.get(9).map_err(failed)?,
        })
    }
}

/// The highest number that an event ever had.
fn logged_until(connection: &Connection) -> Result<EventId> {
    connection
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map(EventId)
        .map_err(failed)
}

pub(super) fn event_lines(
    connection: &Connection,
    owner: UserId,
    search: &EventSearch,
    page: EventPage,
    limit: usize,
) -> Result<EventLines> {
    in_one_moment(connection, || {
        let mut found = EventLines { lines: Vec::new(), gave_up_at: None, logged_until: logged_until(connection)? };
        let sql = listing(search, page);
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let after = search.filter.fired_after.map_or(i64::MIN, Timestamp::as_microsecond);
        let until = search.filter.fired_until.map_or(i64::MAX, Timestamp::as_microsecond);
        let trigger = search.filter.trigger.map(|id| id.0);
        let (EventPage::NewestFirst(place) | EventPage::OldestFirst(place)) = page;
        let (place_at, place_id) = place.map_or((0, 0), |place| (place.fired_at.as_microsecond(), place.id.0));
        let (limit_to_look_at, text) = (SEARCHED_MAX + 1, Test::of(search, 8).text);
        let params: [&dyn ToSql; 8] =
            [&owner.0, &after, &until, &trigger, &place_at, &place_id, &limit_to_look_at, &text];
        let mut rows = statement.query(params).map_err(failed)?;
        let mut lines = Lines::new(connection)?;
        let mut last_looked_at = None;
        for looked_at in 0.. {
            if found.lines.len() == limit {
                break;
            }
            let Some(row) = rows.next().map_err(failed)? else { break };
            if looked_at == SEARCHED_MAX {
                found.gave_up_at = last_looked_at;
                break;
            }
            let id: i64 = row.get(0).map_err(failed)?;
            last_looked_at = Some(EventPlace { fired_at: instant(row.get(1).map_err(failed)?)?, id: EventId(id) });
            if is_found(row)? {
                found.lines.push(lines.read(id)?);
            }
        }
        Ok(found)
    })
}

/// Column 2 of everything that is looked at.
fn is_found(row: &Row<'_>) -> Result<bool> {
    row.get(2).map_err(failed)
}

/// What is looked at, in the order of a page. Failures have an index of their own, so nothing else is looked at for them.
fn listing(search: &EventSearch, page: EventPage) -> String {
    let test = Test::of(search, 8);
    let (table, id) = match search.outcome {
        Some(Outcome::Failed) => ("failures", "failures.event_id"),
        _ => ("events", "events.id"),
    };
    let index = if search.filter.trigger.is_some() { "by_trigger" } else { "by_owner" };
    let by_index = format!("{table} INDEXED BY {table}_{index}");
    let from = match search.outcome {
        Some(Outcome::Failed) => format!("{by_index} CROSS JOIN {}", test.from),
        _ => test.from.replacen("events", &by_index, 1),
    };
    let joined = if table == "failures" { "AND events.id = failures.event_id" } else { "" };
    let by_trigger = match search.filter.trigger {
        Some(_) => format!("AND {table}.trigger_id = ?4"),
        None => "AND ?4 IS NULL".to_owned(),
    };
    let (past, order, place) = match page {
        EventPage::NewestFirst(place) => ("<", "DESC", place),
        EventPage::OldestFirst(place) => (">", "ASC", place),
    };
    let beyond = match place {
        Some(_) => format!("AND ({table}.fired_at, {id}) {past} (?5, ?6)"),
        None => "AND ?5 = ?6".to_owned(),
    };
    let text = if search.text.is_some() { "" } else { "AND ?8 IS NULL" };
    format!(
        "SELECT {id}, {table}.fired_at, {}
         FROM {from}
         WHERE {table}.owner = ?1 AND {table}.fired_at > ?2 AND {table}.fired_at <= ?3 {by_trigger} {beyond} {joined} {text}
         ORDER BY {table}.fired_at {order}, {id} {order}
         LIMIT ?7",
        test.sql
    )
}

pub(super) fn events_logged_after(
    connection: &Connection,
    owner: UserId,
    search: &EventSearch,
    after: EventId,
    limit: usize,
) -> Result<EventLines> {
    in_one_moment(connection, || {
        let mut found = EventLines { lines: Vec::new(), gave_up_at: None, logged_until: after };
        let test = Test::of(search, 7);
        let text = if search.text.is_some() { "" } else { "AND ?7 IS NULL" };
        // Everybody's events are walked over, so that an owner's few among many cost no more than the many.
        let sql = format!(
            "SELECT events.id, events.fired_at,
                    iif(events.owner = ?2 AND events.fired_at > ?3 AND events.fired_at <= ?4
                        AND (?5 IS NULL OR events.trigger_id = ?5) AND {}, 1, 0)
             FROM {}
             WHERE events.id > ?1 {text}
             ORDER BY events.id
             LIMIT ?6",
            test.sql, test.from
        );
        let until = search.filter.fired_until.map_or(i64::MAX, Timestamp::as_microsecond);
        let from = search.filter.fired_after.map_or(i64::MIN, Timestamp::as_microsecond);
        let trigger = search.filter.trigger.map(|id| id.0);
        let params: [&dyn ToSql; 7] = [&after.0, &owner.0, &from, &until, &trigger, &FOLLOWED_MAX, &test.text];
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(params).map_err(failed)?;
        let mut lines = Lines::new(connection)?;
        let mut looked_at = 0;
        while found.lines.len() < limit
            && let Some(row) = rows.next().map_err(failed)?
        {
            let id: i64 = row.get(0).map_err(failed)?;
            looked_at += 1;
            found.logged_until = EventId(id);
            if is_found(row)? {
                found.lines.push(lines.read(id)?);
            }
        }
        if found.lines.len() < limit && looked_at < FOLLOWED_MAX {
            found.logged_until = logged_until(connection)?.max(after);
        }
        Ok(found)
    })
}

pub(super) fn count(connection: &Connection, owner: UserId, filters: &[EventFilter], at_most: u64) -> Result<Vec<u64>> {
    in_one_moment(connection, || filters.iter().map(|filter| count_one(connection, owner, filter, at_most)).collect())
}

fn count_one(connection: &Connection, owner: UserId, filter: &EventFilter, at_most: u64) -> Result<u64> {
    let (index, by_trigger) = match filter.trigger {
        Some(_) => ("events_by_trigger", "trigger_id = ?4"),
        None => ("events_by_owner", "?4 IS NULL"),
    };
    let sql = format!(
        "SELECT count(*)
         FROM (SELECT 1
               FROM events INDEXED BY {index}
               WHERE owner = ?1 AND fired_at > ?2 AND fired_at <= ?3 AND {by_trigger}
               LIMIT ?5)"
    );
    let after = filter.fired_after.map_or(i64::MIN, Timestamp::as_microsecond);
    let until = filter.fired_until.map_or(i64::MAX, Timestamp::as_microsecond);
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_row((owner.0, after, until, filter.trigger.map(|id| id.0), at_most), |row| row.get(0))
        })
        .map_err(failed)
}
