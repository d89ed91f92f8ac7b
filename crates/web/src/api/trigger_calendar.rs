//! The calendars that a schedule names: read from a body, by name or by number, and taken over as they stand. Another's calendar and one
//! that never was are told in the same words.

use std::sync::Arc;

use oncue_domain::calendar::{Calendar, PER_TRIGGER_MAX};
use oncue_domain::id::{CalendarId, UserId};
use oncue_domain::schedule::observed::Observed;
use oncue_domain::store::Missing;
use oncue_domain::trigger::Definition;
use serde_json::Value;

use super::trigger_destination;
use crate::app::Shared;
use crate::extract::Fields;
use crate::fault::Fault;

/// The field of a schedule.
pub(crate) const FIELD: &str = "except_calendars";

/// The calendars of whoever says something, so that what they name can be looked up while it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calendars(Vec<Calendar>);

impl Calendars {
    /// All that the owner has.
    pub(crate) async fn of(app: &Shared, owner: UserId) -> Result<Calendars, Fault> {
        let views = app.store.calendars(owner).await?;
        Ok(Calendars(views.into_iter().map(|view| view.calendar).collect()))
    }

    /// All that the owner has, where a body speaks of calendars at all; hardly any does, and none is asked for then.
    pub(crate) async fn named_in(app: &Shared, owner: UserId, body: &[u8]) -> Result<Calendars, Fault> {
        // Written with escapes it would be the field's name, too; its letters can be escaped in no other way than this.
        let has = |part: &[u8]| body.windows(part.len()).any(|at| at == part);
        let may_name = has(FIELD.as_bytes()) || body.contains(&b'\\') && has(b"\\u");
        if may_name { Calendars::of(app, owner).await } else { Ok(Calendars::default()) }
    }

    /// The calendars, ascending.
    pub(crate) fn all(&self) -> &[Calendar] {
        &self.0
    }

    /// The definition as it keeps to what its calendars say now, which an edit takes over whatever it is about.
    pub(crate) async fn taken_over(
        app: &Shared,
        owner: UserId,
        mut definition: Definition,
    ) -> Result<Definition, Fault> {
        if definition.calendars().is_empty() {
            return Ok(definition);
        }
        let now = Calendars::of(app, owner).await?;
        if let Some(schedule) = definition.schedule.take() {
            let gone = |id| trigger_destination::missing(&definition.destinations, Missing::Calendar(id));
            definition.schedule = Some(schedule.refreshed(now.all()).map_err(gone)?);
        }
        Ok(definition)
    }

    fn find(&self, said: &Value) -> Option<&Calendar> {
        match said {
            Value::String(name) => self.0.iter().find(|calendar| calendar.definition.name == *name),
            said => {
                let id = said.as_i64().map(CalendarId);
                self.0.iter().find(|calendar| Some(calendar.id) == id)
            }
        }
    }
}

/// Reads `except_calendars`; null counts as none.
pub(super) fn read(inner: &mut Fields, calendars: &Calendars) -> Vec<Arc<Observed>> {
    let said: Option<Vec<Value>> = inner.take(FIELD, "This must be a list of the names of calendars.");
    let said = said.unwrap_or_default();
    if said.len() > PER_TRIGGER_MAX {
        inner.fail(FIELD, format!("A schedule names at most {PER_TRIGGER_MAX} calendars."));
        return Vec::new();
    }
    let mut observed: Vec<Arc<Observed>> = Vec::with_capacity(said.len());
    for (at, one) in said.iter().enumerate() {
        let shown: String = one.to_string().chars().take(120).collect();
        match calendars.find(one) {
            Some(found) if observed.iter().any(|before| before.calendar == found.id) => {
                inner.fail(&format!("{FIELD}.{at}"), format!("The calendar {shown} is named twice."));
            }
            Some(found) => observed.push(Arc::new(found.observed())),
            None if one.is_string() || one.is_i64() => {
                inner.fail(&format!("{FIELD}.{at}"), format!("There is no calendar {shown}."));
            }
            None => inner.fail(&format!("{FIELD}.{at}"), "This must be the name of a calendar."),
        }
    }
    observed
}
