//! Calendars in PostgreSQL: what owners say about them, and which triggers name them. Whoever makes a trigger name one shares its row, and
//! whoever changes one takes it alone, each before any trigger is locked: so no trigger keeps to what a calendar has ceased to say.

use std::collections::BTreeMap;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::act::{Act, Action};
use oncue_domain::actor::Author;
use oncue_domain::calendar::{CALENDARS_MAX, Calendar, Definition, TRIGGERS_MAX};
use oncue_domain::id::{CalendarId, TriggerId, UserId};
use oncue_domain::store::{
    CalendarEdited, CalendarMade, CalendarView, Deleted, Missing, NAMED_MAX, NewTrigger, Result,
};
use oncue_domain::trigger::{self, Armed};
use tokio_postgres::Row;

use super::follower::{Followers, Outcome, Read, SLICE};
use super::hint::Changes;
use super::log::announce;
use super::trigger::{TRIGGER, note_armed};
use super::{Params, Shared, act, answered, column, count::whole, execute, limit_of, lock, query, query_first};
use crate::codec::{broken, dates_from_text, dates_to_text, instant};

const VIEW: &str = "id, owner, revision, name, description, dates, created_at, edited_at,
                    (SELECT count(*) FROM trigger_calendars WHERE calendar_id = calendars.id)";

fn view(row: &Row) -> Result<CalendarView> {
    let definition =
        Definition { name: column(row, 3)?, description: column(row, 4)?, dates: dates_from_text(column(row, 5)?)? };
    let calendar = Calendar {
        id: CalendarId(column(row, 0)?),
        owner: UserId(column(row, 1)?),
        revision: column(row, 2)?,
        definition,
        created_at: instant(column(row, 6)?)?,
        edited_at: instant(column(row, 7)?)?,
    };
    Ok(CalendarView { calendar, used_by: whole(row, 8)? })
}

/// An owner's calendars are made and named one at a time, on whatever nodes.
async fn one_at_a_time(client: &impl GenericClient, owner: UserId) -> Result<()> {
    query(client, "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&owner.0]).await.map(drop)
}

/// Whether another calendar of the owner's than that one has the name.
async fn is_taken(client: &impl GenericClient, owner: UserId, name: &str, but: CalendarId) -> Result<bool> {
    let sql = "SELECT id FROM calendars WHERE owner = $1 AND name COLLATE \"C\" = $2 AND id <> $3";
    Ok(query_first(client, sql, &[&owner.0, &name, &but.0]).await?.is_some())
}

pub(super) async fn create(
    shared: &Shared,
    owner: UserId,
    definition: &Definition,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<CalendarMade> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    one_at_a_time(&transaction, owner).await?;
    let sql = "SELECT count(*) FROM calendars WHERE owner = $1";
    let there: usize = query_first(&transaction, sql, &[&owner.0]).await?.map_or(Ok(0), |row| whole(&row, 0))?;
    if there >= CALENDARS_MAX {
        return Ok(CalendarMade::Full);
    }
    if is_taken(&transaction, owner, &definition.name, CalendarId(0)).await? {
        return Ok(CalendarMade::NameTaken);
    }
    let sql = format!(
        "INSERT INTO calendars (owner, revision, name, description, created_at, edited_at, dates)
         VALUES ($1, 1, $2, $3, $4, $4, $5)
         RETURNING {VIEW}"
    );
    let Definition { name, description, dates } = definition;
    let params: Params<'_> = &[&owner.0, name, description, &now.as_microsecond(), &dates_to_text(dates)];
    let made = query_first(&transaction, &sql, params).await?;
    let made = made.as_ref().map(view).transpose()?.ok_or_else(|| broken("id", "no number"))?.calendar;
    act::note(&transaction, author, Some(Act::calendar(owner, Action::Created, made.id, name.clone()))).await?;
    answered(transaction.commit()).await?;
    Ok(CalendarMade::Done(made))
}

pub(super) async fn get(client: &impl GenericClient, owner: UserId, id: CalendarId) -> Result<Option<CalendarView>> {
    let sql = format!("SELECT {VIEW} FROM calendars WHERE id = $1 AND owner = $2");
    query_first(client, &sql, &[&id.0, &owner.0]).await?.as_ref().map(view).transpose()
}

pub(super) async fn list(client: &Client, owner: UserId) -> Result<Vec<CalendarView>> {
    let sql = format!("SELECT {VIEW} FROM calendars WHERE owner = $1 ORDER BY id");
    query(client, &sql, &[&owner.0]).await?.iter().map(view).collect()
}

/// Of the first of the owner's triggers that name it, ascending, those that can be read, as they stand.
pub(super) async fn triggers(
    client: &impl GenericClient,
    shared: &Shared,
    (owner, id): (UserId, CalendarId),
    limit: usize,
) -> Result<Vec<Armed>> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at, limits.fired
         FROM trigger_calendars JOIN triggers ON triggers.id = trigger_calendars.trigger_id
                                LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                                LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE trigger_calendars.calendar_id = $1 AND triggers.owner = $2 AND trigger_calendars.trigger_id > $3
         ORDER BY trigger_calendars.trigger_id
         LIMIT $4"
    );
    let (mut triggers, mut after, mut left) = (Vec::new(), Some(0_i64), limit);
    while let Some(from) = after.filter(|_| left > 0) {
        let wanted = left.min(SLICE);
        let rows = query(client, &sql, &[&id.0, &owner.0, &from, &limit_of(wanted)]).await?;
        triggers.extend(Read::of(shared, &rows, "follows no calendar").await?.triggers);
        after = rows.last().filter(|_| rows.len() == wanted).map(|row| column(row, 0)).transpose()?;
        left -= rows.len();
    }
    Ok(triggers)
}

/// How many occurrences wait in backlogs of the owner's triggers that name it.
pub(super) async fn backlogs(
    client: &impl GenericClient,
    owner: UserId,
    id: CalendarId,
) -> Result<BTreeMap<TriggerId, u64>> {
    let sql = "SELECT backlogs.trigger_id, sum(backlogs.remaining)::bigint
               FROM trigger_calendars JOIN backlogs ON backlogs.trigger_id = trigger_calendars.trigger_id
               WHERE trigger_calendars.calendar_id = $1 AND backlogs.owner = $2
               GROUP BY backlogs.trigger_id";
    let rows = query(client, sql, &[&id.0, &owner.0]).await?;
    rows.iter().map(|row| Ok((TriggerId(column(row, 0)?), whole(row, 1)?))).collect()
}

/// Why an edit of the calendar that was seen is refused by how things stand, if it is.
async fn refusal(
    client: &impl GenericClient,
    seen: &Calendar,
    definition: &Definition,
) -> Result<Option<CalendarEdited>> {
    let Some(present) = get(client, seen.owner, seen.id).await? else { return Ok(Some(CalendarEdited::NotFound)) };
    if present.calendar != *seen {
        return Ok(Some(CalendarEdited::Stale));
    }
    let is_taken = is_taken(client, seen.owner, &definition.name, seen.id).await?;
    Ok(is_taken.then_some(CalendarEdited::NameTaken))
}

pub(super) async fn edit(
    shared: &Shared,
    seen: &Calendar,
    definition: &Definition,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<CalendarEdited> {
    let (owner, id) = (seen.owner, seen.id);
    let calendar = seen.edited(definition.clone(), now);
    let is_followed = calendar.revision != seen.revision;
    let mut all = Followers::of(shared, &calendar, now);
    if is_followed {
        let refusal = {
            let client = shared.client_soon().await?;
            refusal(&client, seen, definition).await?
        };
        if let Some(refusal) = refusal {
            return Ok(refusal);
        }
        all.think().await?;
    }
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    one_at_a_time(&transaction, owner).await?;
    let sql = "SELECT id FROM calendars WHERE id = $1 AND owner = $2 FOR UPDATE";
    query(&transaction, sql, &[&id.0, &owner.0]).await?;
    if let Some(refusal) = refusal(&transaction, seen, definition).await? {
        return Ok(refusal);
    }
    let Definition { name, description, dates } = definition;
    let params: Params<'_> =
        &[&id.0, &calendar.revision, name, description, &now.as_microsecond(), &dates_to_text(dates)];
    let sql = "UPDATE calendars
               SET revision = $2, name = $3, description = $4, edited_at = $5, dates = $6
               WHERE id = $1";
    execute(&transaction, sql, params).await?;
    let Outcome { followers, unreadable } =
        if is_followed { all.follow(&transaction, author).await? } else { Outcome::default() };
    let edited = CalendarEdited::Done { calendar: calendar.clone(), followers, unreadable };
    act::note(&transaction, author, edited.act()).await?;
    answered(transaction.commit()).await?;
    if let CalendarEdited::Done { followers, .. } = &edited
        && !followers.is_empty()
    {
        let mut changes = Changes { edited: [owner].into(), ..Changes::default() };
        // Whoever goes by what they were before would have to look again.
        followers.iter().for_each(|one| lock(&shared.parsed).remove(one.trigger));
        for one in followers.iter().filter(|one| one.has_moved()) {
            note_armed(shared, one.trigger, one.next_after, &mut changes);
        }
        announce(shared, Vec::new(), &changes);
    }
    Ok(edited)
}

pub(super) async fn delete(shared: &Shared, owner: UserId, id: CalendarId, author: Option<&Author>) -> Result<Deleted> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT name FROM calendars WHERE id = $1 AND owner = $2 FOR UPDATE";
    let Some(row) = query_first(&transaction, sql, &[&id.0, &owner.0]).await? else { return Ok(Deleted::NotFound) };
    // From here on no trigger comes to name it; whichever did before is seen by the next statement.
    let sql = "SELECT count(*) FROM trigger_calendars WHERE calendar_id = $1";
    let count: u64 = query_first(&transaction, sql, &[&id.0]).await?.map_or(Ok(0), |row| whole(&row, 0))?;
    if count > 0 {
        let sql = "SELECT trigger_id FROM trigger_calendars WHERE calendar_id = $1 ORDER BY trigger_id LIMIT $2";
        let rows = query(&transaction, sql, &[&id.0, &limit_of(NAMED_MAX)]).await?;
        let triggers = rows.iter().map(|row| column(row, 0).map(TriggerId)).collect::<Result<_>>()?;
        return Ok(Deleted::InUse { triggers, count });
    }
    execute(&transaction, "DELETE FROM calendars WHERE id = $1", &[&id.0]).await?;
    act::note(&transaction, author, Some(Act::calendar(owner, Action::Deleted, id, column(&row, 0)?))).await?;
    answered(transaction.commit()).await?;
    Ok(Deleted::Done)
}

/// What there is of the calendars that triggers are about to name: nobody changes them until the transaction is over.
#[derive(Default)]
pub(super) struct Held(BTreeMap<(UserId, CalendarId), (i64, u64)>);

/// Holds the calendars that a definition names; whoever locks the trigger as well does that after this. Where the trigger of the number `id`
/// names one already, it has its room: there may be a few more than there is room for, made at once on several nodes, and none of
/// them is to be refused an edit for that.
pub(super) async fn hold(
    client: &impl GenericClient,
    held: &mut Held,
    owner: UserId,
    id: TriggerId,
    ids: &[CalendarId],
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let sql = "SELECT id, revision,
                      CASE WHEN EXISTS (SELECT 1 FROM trigger_calendars
                                        WHERE calendar_id = calendars.id AND trigger_id = $3) THEN 0
                      ELSE (SELECT count(*) FROM trigger_calendars WHERE calendar_id = calendars.id)
                      END
               FROM calendars
               WHERE id = ANY ($1) AND owner = $2
               ORDER BY id
               FOR SHARE";
    for row in query(client, sql, &[&numbers, &owner.0, &id.0]).await? {
        held.0.insert((owner, CalendarId(column(&row, 0)?)), (column(&row, 1)?, whole(&row, 2)?));
    }
    Ok(())
}

/// Holds what many new triggers are about to name.
pub(super) async fn hold_for(client: &impl GenericClient, new: &[NewTrigger]) -> Result<Held> {
    let mut named: BTreeMap<UserId, Vec<CalendarId>> = BTreeMap::new();
    for new in new.iter().filter(|new| !new.definition.calendars().is_empty()) {
        named.entry(new.owner).or_default().extend(ids_of(&new.definition));
    }
    let mut held = Held::default();
    for (owner, ids) in named {
        hold(client, &mut held, owner, TriggerId(0), &ids).await?;
    }
    Ok(held)
}

impl Held {
    /// Whether what a trigger has taken over is what the calendars say, and there is room for one more at each; if so, it is that one more.
    pub(super) fn take(&mut self, owner: UserId, definition: &trigger::Definition) -> std::result::Result<(), Missing> {
        for observed in definition.calendars() {
            let found = self.0.get(&(owner, observed.calendar)).filter(|(revision, _)| *revision == observed.revision);
            match found {
                None => return Err(Missing::Calendar(observed.calendar)),
                Some((_, others)) if *others >= TRIGGERS_MAX => return Err(Missing::Room(observed.calendar)),
                Some(_) => {}
            }
        }
        for id in ids_of(definition) {
            if let Some((_, others)) = self.0.get_mut(&(owner, id)) {
                *others += 1;
            }
        }
        Ok(())
    }
}

/// The calendars that a definition names.
pub(super) fn ids_of(definition: &trigger::Definition) -> Vec<CalendarId> {
    definition.calendars().iter().map(|observed| observed.calendar).collect()
}

/// The triggers name these calendars.
pub(super) async fn link(client: &impl GenericClient, links: &[(TriggerId, CalendarId)]) -> Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let (triggers, calendars): (Vec<i64>, Vec<i64>) = links.iter().map(|(trigger, id)| (trigger.0, id.0)).unzip();
    let sql = "INSERT INTO trigger_calendars (calendar_id, trigger_id)
               SELECT calendar, trigger FROM unnest($1::bigint[], $2::bigint[]) AS links (calendar, trigger)";
    execute(client, sql, &[&calendars, &triggers]).await.map(drop)
}

/// The trigger names no calendar any more.
pub(super) async fn unlink(client: &impl GenericClient, trigger: TriggerId) -> Result<()> {
    execute(client, "DELETE FROM trigger_calendars WHERE trigger_id = $1", &[&trigger.0]).await.map(drop)
}
