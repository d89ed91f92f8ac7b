//! How the triggers that name a calendar follow an edit of it, in PostgreSQL. What becomes of each is thought out before anything is locked, as of when
//! it was read, because a trigger of thousands of dates takes a while and whoever fires, calls or ends an event waits for nobody who thinks. Under
//! the locks only those are decided about again that have moved meanwhile. It is one transaction all the same: all follow, or nobody does.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use oncue_domain::actor::Author;
use oncue_domain::calendar::Calendar;
use oncue_domain::clock::Clock as _;
use oncue_domain::freeze::{Freeze, remembered_since};
use oncue_domain::id::{CalendarId, TriggerId, UserId};
use oncue_domain::store::{Error, Follower, Result};
use oncue_domain::trigger::Armed;
use tokio_postgres::Row;

use super::trigger::{Rescheduled, TRIGGER, TRIGGER_COLUMNS, edit_schedules, trigger as read_trigger};
use super::{Shared, column, execute, freeze, query};
use crate::codec::{self, nearest_instant};

/// So many triggers are read and rewritten at a time: each may hold thousands of dates.
pub(super) const SLICE: usize = 200;

/// How often those are thought about that have moved since they were: what fires every second does in any case.
const ROUNDS_MAX: usize = 3;

/// Of what triggers will say no more is kept, in bytes; about those beyond it is decided under the locks.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long the server waits for the next statement of an edit: as long as it lets a statement run. What other transactions are given is less
/// than it takes to think about a slice of many dates on a busy machine, and the triggers that wait meanwhile are of one owner.
const PATIENCE: &str = "SET LOCAL idle_in_transaction_session_timeout = 30000";

/// What a decision about a trigger goes by that may be another by the time it is carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Standing {
    revision: i64,
    next_at: Option<Timestamp>,
    /// None where that cannot be read.
    fired: Option<u64>,
}

impl Standing {
    fn of(armed: &Armed) -> Standing {
        Standing { revision: armed.trigger.revision, next_at: armed.next_at, fired: Some(armed.fired) }
    }
}

/// What was decided about a trigger that stood like that: to rewrite it, or to leave it as it is.
struct Decided {
    stood: Standing,
    edit: Option<(Rescheduled, Follower)>,
}

/// Those who name a calendar, and what was decided about them.
pub(super) struct Followers<'a> {
    shared: &'a Shared,
    /// The calendar as it will be.
    calendar: &'a Calendar,
    /// When it was asked for, and what the clock showed then.
    now: Timestamp,
    begun_at: Timestamp,
    freezes: Vec<Freeze>,
    decided: BTreeMap<TriggerId, Decided>,
    kept_bytes: usize,
    /// About whom it was decided in vain, because there was no room to keep that.
    beyond: BTreeSet<TriggerId>,
}

/// What has come of it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) followers: Vec<Follower>,
    pub(super) unreadable: Vec<TriggerId>,
}

impl<'a> Followers<'a> {
    pub(super) fn of(shared: &'a Shared, calendar: &'a Calendar, now: Timestamp) -> Followers<'a> {
        let begun_at = shared.clock.now();
        Followers {
            shared,
            calendar,
            now,
            begun_at,
            freezes: Vec::new(),
            decided: BTreeMap::new(),
            kept_bytes: 0,
            beyond: BTreeSet::new(),
        }
    }

    /// The present instant: what has fired since the edit was asked for is behind whoever decides by it.
    fn later(&self) -> Timestamp {
        let since = self.shared.clock.now().duration_since(self.begun_at);
        if since.is_positive() { self.now.checked_add(since).unwrap_or(self.now) } else { self.now }
    }

    /// Decides about as many as can be decided about without holding anything.
    pub(super) async fn think(&mut self) -> Result<()> {
        let Calendar { owner, id, .. } = *self.calendar;
        self.freezes = {
            let client = self.shared.client().await?;
            freeze::list(&client, Some(owner), remembered_since(self.now)).await?
        };
        for round in 0..ROUNDS_MAX {
            let standing = {
                let client = self.shared.client().await?;
                standing(&client, owner, id).await?
            };
            let moved: Vec<i64> = standing
                .iter()
                .filter(|(id, stands)| self.decided.get(*id).is_none_or(|decided| decided.stood != **stands))
                .filter(|(id, _)| !self.beyond.contains(*id))
                .map(|(id, _)| id.0)
                .collect();
            if moved.is_empty() {
                break;
            }
            for slice in moved.chunks(SLICE) {
                let rows = {
                    let client = self.shared.client().await?;
                    rows_of(&client, owner, slice).await?
                };
                let read = Read::of(self.shared, &rows, "follows no calendar").await?;
                let later = self.later();
                for armed in read.triggers {
                    // What stands as it did when the edit was asked for is edited as of then.
                    let stood = round == 0 && standing.get(&armed.trigger.id) == Some(&Standing::of(&armed));
                    let at = if stood { self.now } else { later };
                    let decided = self.decide(&armed, at).await;
                    self.keep(armed.trigger.id, decided);
                }
            }
        }
        Ok(())
    }

    async fn decide(&self, armed: &Armed, at: Timestamp) -> Decided {
        // One of many dates takes a while, and others are served by this thread.
        tokio::task::yield_now().await;
        let edit = armed.follow(self.calendar, at).map(|edit| {
            let edit = edit.under(armed, at, &self.freezes);
            (Rescheduled::of(armed, &edit, at), Follower::of(armed, &edit))
        });
        Decided { stood: Standing::of(armed), edit }
    }

    fn keep(&mut self, id: TriggerId, decided: Decided) {
        let bytes = |decided: &Decided| decided.edit.as_ref().map_or(0, |(edit, _)| edit.bytes());
        let former = self.decided.remove(&id);
        self.kept_bytes = self.kept_bytes.saturating_sub(former.as_ref().map_or(0, bytes));
        if self.kept_bytes.saturating_add(bytes(&decided)) <= KEPT_BYTES_MAX {
            self.kept_bytes += bytes(&decided);
            self.decided.insert(id, decided);
        } else {
            self.beyond.insert(id);
        }
    }

    /// Carries it out, in a transaction that holds the calendar: so no trigger comes to name it.
    pub(super) async fn follow(mut self, client: &impl GenericClient, author: Option<&Author>) -> Result<Outcome> {
        let Calendar { owner, id, .. } = *self.calendar;
        execute(client, PATIENCE, &[]).await?;
        lock_all(client, id).await?;
        let freezes = freeze::list(client, Some(owner), remembered_since(self.now)).await?;
        if freezes != self.freezes {
            (self.freezes, self.decided) = (freezes, BTreeMap::new());
        }
        let standing: Vec<(TriggerId, Standing)> = standing(client, owner, id).await?.into_iter().collect();
        let mut outcome = Outcome::default();
        for slice in standing.chunks(SLICE) {
            let mut decided: BTreeMap<TriggerId, Decided> = BTreeMap::new();
            let mut moved = Vec::new();
            for (id, stands) in slice {
                match self.decided.remove(id).filter(|decided| decided.stood == *stands) {
                    Some(found) => drop(decided.insert(*id, found)),
                    None => moved.push(id.0),
                }
            }
            if !moved.is_empty() {
                let read = Read::of(self.shared, &rows_of(client, owner, &moved).await?, "follows no calendar").await?;
                outcome.unreadable.extend(read.unreadable);
                for armed in read.triggers {
                    let anew = self.decide(&armed, self.later()).await;
                    decided.insert(armed.trigger.id, anew);
                }
            }
            let (edits, followers): (Vec<Rescheduled>, Vec<Follower>) =
                decided.into_values().filter_map(|decided| decided.edit).unzip();
            edit_schedules(client, self.shared, &edits, author).await?;
            outcome.followers.extend(followers);
        }
        Ok(outcome)
    }
}

/// Whoever changes or fires one of them is waited for, and waits. What waits of them comes last and in the order of its numbers, in which
/// whoever gives up backlogs locks them, too.
async fn lock_all(client: &impl GenericClient, id: CalendarId) -> Result<()> {
    for sql in [
        "SELECT id FROM triggers
         WHERE id IN (SELECT trigger_id FROM trigger_calendars WHERE calendar_id = $1)
         ORDER BY id
         FOR NO KEY UPDATE",
        "SELECT trigger_id FROM cursors
         WHERE trigger_id IN (SELECT trigger_id FROM trigger_calendars WHERE calendar_id = $1)
         ORDER BY trigger_id
         FOR UPDATE",
        "SELECT id FROM backlogs
         WHERE trigger_id IN (SELECT trigger_id FROM trigger_calendars WHERE calendar_id = $1)
         ORDER BY id
         FOR UPDATE",
    ] {
        query(client, sql, &[&id.0]).await?;
    }
    Ok(())
}

/// How the owner's triggers stand that name the calendar.
async fn standing(client: &impl GenericClient, owner: UserId, id: CalendarId) -> Result<BTreeMap<TriggerId, Standing>> {
    let sql = "SELECT triggers.id, triggers.revision, cursors.next_at, limits.fired
               FROM trigger_calendars JOIN triggers ON triggers.id = trigger_calendars.trigger_id
                                      LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                                      LEFT JOIN limits ON limits.trigger_id = triggers.id
               WHERE trigger_calendars.calendar_id = $1 AND triggers.owner = $2";
    let read = |row: &Row| {
        let next_at: Option<i64> = column(row, 2)?;
        let standing = Standing {
            revision: column(row, 1)?,
            next_at: next_at.map(nearest_instant),
            fired: codec::listed(codec::fired(column(row, 3)?))?,
        };
        Ok((TriggerId(column(row, 0)?), standing))
    };
    query(client, sql, &[&id.0, &owner.0]).await?.iter().map(read).collect()
}

/// The owner's triggers among these.
async fn rows_of(client: &impl GenericClient, owner: UserId, ids: &[i64]) -> Result<Vec<Row>> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at, limits.fired
         FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                       LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE triggers.id = ANY ($1) AND triggers.owner = $2
         ORDER BY triggers.id"
    );
    query(client, &sql, &[&ids, &owner.0]).await
}

/// Triggers that were read, and those that could not be.
#[derive(Default)]
pub(super) struct Read {
    pub(super) triggers: Vec<Armed>,
    pub(super) unreadable: Vec<TriggerId>,
}

impl Read {
    /// Reads rows of a trigger's columns, what it waits for and how often it has fired. Of one that cannot be read it is told what it `lacks`.
    pub(super) async fn of(shared: &Shared, rows: &[Row], lacks: &'static str) -> Result<Read> {
        let armed = |row: &Row| {
            let next_at: Option<i64> = column(row, TRIGGER_COLUMNS)?;
            let fired = codec::fired(column(row, TRIGGER_COLUMNS + 1)?)?;
            Ok(Armed { trigger: read_trigger(row, shared)?, next_at: next_at.map(nearest_instant), fired })
        };
        let mut read = Read::default();
        for row in rows {
            // One of many dates takes a while, and others are served by this thread.
            tokio::task::yield_now().await;
            match armed(row) {
                // It does not fire as it is; whoever mends it says anew what it keeps to.
                Err(error @ (Error::Unreadable(_) | Error::Broken(_))) => {
                    let (id, revision) = (column(row, 0)?, column(row, 2)?);
                    shared.told.unreadable(id, revision, &error, lacks);
                    read.unreadable.push(TriggerId(id));
                }
                armed => read.triggers.push(armed?),
            }
        }
        Ok(read)
    }
}
