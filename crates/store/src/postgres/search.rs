//! Looking for events in PostgreSQL. What is looked at is read in pieces, first small and then larger ones, and as little of
//! each event as decides; only what is found is read whole. All of one answer comes from one moment.

use deadpool_postgres::{Client, GenericClient};
use futures_util::future::try_join_all;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::store::{
    EventFilter, EventLines, EventPage, EventPlace, EventSearch, FOLLOWED_MAX, Result, SEARCHED_MAX,
};
use tokio_postgres::Row;

use super::event::{EVENT_FROM, KEPT, beyond, bounds, numbers, place_of};
use super::line::{NAME, PAYLOAD, lines};
use super::settled::settled;
use super::{Params, column, moment, query};
use crate::codec::{broken, instant, origin_to_number};

/// How many events are looked at together. The number stands in the statement, so that its plan is made for so many.
const PIECES: [usize; 3] = [64, 512, 4096];

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
        // Asked for one event at a time, never gathered from the whole table first: EXISTS would leave that open.
        let owed = "(SELECT outbox.event_id FROM outbox WHERE outbox.event_id = events.id LIMIT 1)";
        let failed = "(SELECT failures.event_id FROM failures WHERE failures.event_id = events.id)";
        let tried = "(SELECT attempts.event_id FROM attempts
                      WHERE attempts.event_id = events.id AND attempts.fired_at = events.fired_at LIMIT 1)";
        conditions.extend(search.outcome.map(|outcome| match outcome {
            Outcome::Pending => format!("{owed} IS NOT NULL"),
            Outcome::Delivered => format!("{owed} IS NULL AND {failed} IS NULL AND {tried} IS NOT NULL"),
            Outcome::Logged => format!("{owed} IS NULL AND {failed} IS NULL AND {tried} IS NULL"),
            Outcome::Failed => format!("{failed} IS NOT NULL"),
        }));
        // Only of ASCII letters the case does not matter, which is what the collation C says.
        let has = |what: &str| format!("strpos(lower({what} COLLATE \"C\"), ${text_at}) > 0");
        conditions.push(match &search.text {
            // Nothing that is stored holds it, and it cannot even be asked for.
            Some(text) if text.contains('\0') => format!("${text_at}::text IS NOT NULL"),
            Some(_) => format!("({} OR {})", has(NAME), has(PAYLOAD)),
            None => format!("${text_at}::text IS NULL"),
        });
        let text = search.text.as_ref().filter(|text| !text.contains('\0'));
        Test {
            sql: conditions.join(" AND "),
            from: if text.is_some() { EVENT_FROM } else { "events" },
            text: text.map(|text| text.to_ascii_lowercase()),
        }
    }

    /// Whether anything has to be read of an event to know that it is found.
    fn is_trivial(search: &EventSearch) -> bool {
        search.origin.is_none() && search.outcome.is_none() && search.text.is_none()
    }
}

/// An event that was looked at.
struct Looked {
    id: EventId,
    /// As it is stored.
    fired_at: i64,
    is_found: bool,
}

impl Looked {
    /// From the first three columns of everything that is looked at.
    fn read(row: &Row) -> Result<Looked> {
        Ok(Looked { id: EventId(column(row, 0)?), fired_at: column(row, 1)?, is_found: column(row, 2)? })
    }

    fn place(&self) -> Result<EventPlace> {
        Ok(EventPlace { fired_at: instant(self.fired_at)?, id: self.id })
    }
}

/// The pieces in which events are looked at, none smaller than `at_least` where there is such a one; the last size for ever.
fn pieces(at_least: usize) -> impl Iterator<Item = usize> {
    let last = PIECES[PIECES.len() - 1];
    PIECES.into_iter().filter(move |piece| *piece >= at_least.min(last)).chain(std::iter::repeat(last))
}

pub(super) async fn event_lines(
    client: &mut Client,
    owner: UserId,
    search: &EventSearch,
    page: EventPage,
    limit: usize,
) -> Result<EventLines> {
    let logged_until = settled(&*client).await?;
    let moment = moment(client).await?;
    let (mut found, mut gave_up_at, mut looked_at, mut page) = (Vec::new(), None, 0, page);
    'looking: for piece in pieces(if Test::is_trivial(search) { limit } else { 0 }) {
        if limit == 0 {
            break;
        }
        let rows = look(&moment, owner, search, page, piece).await?;
        let mut last = None;
        for row in &rows {
            if looked_at == SEARCHED_MAX {
                gave_up_at = last.or(place_of(page));
                break 'looking;
            }
            let looked = Looked::read(row)?;
            looked_at += 1;
            last = Some(looked.place()?);
            if looked.is_found {
                found.push((looked.id.0, looked.fired_at));
                if found.len() == limit {
                    break 'looking;
                }
            }
        }
        if rows.len() < piece {
            break;
        }
        page = match page {
            EventPage::NewestFirst(_) => EventPage::NewestFirst(last),
            EventPage::OldestFirst(_) => EventPage::OldestFirst(last),
        };
    }
    Ok(EventLines { lines: lines(&moment, &found).await?, gave_up_at, logged_until })
}

/// The next events in the order of a page, and of each whether it is what is looked for. Failures have an index of their own,
/// so nothing else is looked at for them.
async fn look(
    client: &impl GenericClient,
    owner: UserId,
    search: &EventSearch,
    page: EventPage,
    piece: usize,
) -> Result<Vec<Row>> {
    let test = Test::of(search, 7);
    let trigger = search.filter.trigger.map(|id| id.0);
    let by_trigger = if trigger.is_some() { "AND events.trigger_id = $4" } else { "AND $4::bigint IS NULL" };
    let (place, order) = beyond(page);
    let piece_of = |columns: &str, table: &str| {
        format!(
            "(SELECT {columns}
              FROM {table}
              WHERE events.owner = $1 AND events.fired_at > $2 AND events.fired_at <= $3 {by_trigger} {place} AND {KEPT}
              ORDER BY {order}
              LIMIT {piece})"
        )
    };
    // The piece is cut first and joined then: nobody can tell the planner how little of what it joins is ever asked for.
    let from = match search.outcome {
        Some(Outcome::Failed) => format!(
            "{} AS failed
             CROSS JOIN LATERAL (SELECT *
                                 FROM events
                                 WHERE events.id = failed.id AND events.fired_at = failed.fired_at
                                 OFFSET 0) AS {}",
            piece_of("id, fired_at", "(SELECT event_id AS id, owner, trigger_id, fired_at FROM failures) AS events"),
            test.from
        ),
        _ => format!("{} AS {}", piece_of("*", "events"), test.from),
    };
    let sql = format!("SELECT events.id, events.fired_at, {} FROM {from} ORDER BY {order}", test.sql);
    let (after, until) = bounds(&search.filter);
    let (place_at, place_id) = numbers(page);
    query(client, &sql, &[&owner.0, &after, &until, &trigger, &place_at, &place_id, &test.text]).await
}

pub(super) async fn events_logged_after(
    client: &mut Client,
    owner: UserId,
    search: &EventSearch,
    after: EventId,
    limit: usize,
) -> Result<EventLines> {
    let settled = settled(&*client).await?;
    let mut walked = EventLines { lines: Vec::new(), gave_up_at: None, logged_until: after };
    if settled <= after || limit == 0 {
        return Ok(walked);
    }
    let moment = moment(client).await?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    'looking: for piece in pieces(0) {
        let piece = piece.min(FOLLOWED_MAX - looked_at);
        let rows = walk(&moment, owner, search, walked.logged_until, settled, piece).await?;
        for row in &rows {
            let looked = Looked::read(row)?;
            walked.logged_until = looked.id;
            if looked.is_found {
                found.push((looked.id.0, looked.fired_at));
                if found.len() == limit {
                    break 'looking;
                }
            }
        }
        looked_at += rows.len();
        if looked_at == FOLLOWED_MAX {
            break;
        }
        if rows.len() < piece {
            walked.logged_until = settled;
            break;
        }
    }
    walked.lines = lines(&moment, &found).await?;
    Ok(walked)
}

/// The next events by their numbers. Everybody's are walked over, so that an owner's few among many cost no more than the many.
async fn walk(
    client: &impl GenericClient,
    owner: UserId,
    search: &EventSearch,
    after: EventId,
    settled: EventId,
    piece: usize,
) -> Result<Vec<Row>> {
    let test = Test::of(search, 7);
    // The upper bound is said in a way that no index serves. It leaves out a few of the latest, and must not make the planner
    // believe that a few are all there are: it would gather and sort them, of all partitions.
    let sql = format!(
        "SELECT events.id, events.fired_at,
                events.owner = $3 AND events.fired_at > $4 AND events.fired_at <= $5
                    AND ($6::bigint IS NULL OR events.trigger_id = $6) AND {}
         FROM {}
         WHERE events.id > $1 AND events.id + 0 <= $2 AND {KEPT}
         ORDER BY events.id
         LIMIT {piece}",
        test.sql, test.from
    );
    let (from, until) = bounds(&search.filter);
    let trigger = search.filter.trigger.map(|id| id.0);
    query(client, &sql, &[&after.0, &settled.0, &owner.0, &from, &until, &trigger, &test.text]).await
}

pub(super) async fn count(
    client: &mut Client,
    owner: UserId,
    filters: &[EventFilter],
    at_most: u64,
) -> Result<Vec<u64>> {
    let moment = moment(client).await?;
    try_join_all(filters.iter().map(|filter| count_one(&moment, owner, filter, at_most))).await
}

async fn count_one(client: &impl GenericClient, owner: UserId, filter: &EventFilter, at_most: u64) -> Result<u64> {
    let by_trigger = if filter.trigger.is_some() { "events.trigger_id = $4" } else { "$4::bigint IS NULL" };
    let sql = format!(
        "SELECT count(*)
         FROM (SELECT 1
               FROM events
               WHERE events.owner = $1 AND events.fired_at > $2 AND events.fired_at <= $3 AND {by_trigger} AND {KEPT}
               LIMIT $5) AS counted"
    );
    let (after, until) = bounds(filter);
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let params: Params<'_> = &[&owner.0, &after, &until, &filter.trigger.map(|id| id.0), &at_most];
    let rows = query(client, &sql, params).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| column(row, 0))?;
    u64::try_from(count).map_err(|error| broken("count", error))
}
