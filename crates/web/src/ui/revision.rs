//! GET /ui/triggers/{id}/revisions: what a trigger said, who changed what and when, and the way back to any of it.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::actor::Actor;
use oncue_domain::calendar::write_dates;
use oncue_domain::id::DestinationId;
use oncue_domain::revision::{Change, Revision, changes};
use oncue_domain::schedule::observed::Observed;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{Definition, ScheduleDetails, TriggerHead};

use super::destination;
use super::frame::{Frame, Place};
use super::moment::{Moment, absolute};
use super::notice::{Done, Notice};
use super::trigger_form::ExpectsForm;
use super::trigger_row::label;
use super::viewer;
use super::{PageFault, page, see_other};
use crate::api::revision::{fields, gather, restore_revision};
use crate::api::trigger::{TriggerDocument, load_even_deleted, zone_of};
use crate::app::{App, Shared};
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, PathIds, Query, id_of};
use crate::fault::Fault;

/// How many revisions a page lists.
const LISTED: usize = 20;

/// How much of a text is shown, in characters.
const CHARS_SHOWN: usize = 500;

/// Something that changed.
struct ChangeRow {
    label: &'static str,
    before: String,
    after: String,
}

/// A revision.
struct RevisionRow {
    number: i64,
    made: Moment,
    until: Option<Moment>,
    /// Who made it, and from where.
    by: Option<String>,
    from: Option<String>,
    is_present: bool,
    /// None where the one before is not kept any more, or there was none.
    changes: Option<Vec<ChangeRow>>,
}

#[derive(Template)]
#[template(path = "revisions.html")]
struct RevisionsPage {
    frame: Frame,
    id: i64,
    label: String,
    /// Why a revision was not restored.
    error: Option<String>,
    rows: Vec<RevisionRow>,
    /// Whether the trigger is deleted, so that none can stand again.
    is_deleted: bool,
    /// Below which number the next page goes on.
    further: Option<i64>,
    is_first_page: bool,
}

/// GET /ui/triggers/{id}/revisions
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    // A number that means nothing begins at the top.
    let before = query.take_text("before").as_deref().and_then(id_of);
    let shown = revisions_page(&app, &caller, &id, before, None).await?;
    Ok(page(StatusCode::OK, &shown))
}

/// POST /ui/triggers/{id}/revisions/{revision}/restore
pub(super) async fn restore(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathIds(id, revision): PathIds,
) -> Result<Response, PageFault> {
    match restore_revision(&app, &caller, &id, &revision).await {
        Ok(armed) => Ok(see_other(&Notice::of(Done::Restored).at(&format!("/ui/triggers/{}", armed.trigger.id)))),
        Err(fault @ (Fault::Invalid(_) | Fault::Refused(StatusCode::CONFLICT, _))) => {
            let why = match &fault {
                Fault::Invalid(errors) => {
                    errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" ")
                }
                fault => fault.detail(),
            };
            let error = Some(format!("Revision {revision} was not restored. {why}"));
            let shown = revisions_page(&app, &caller, &id, None, error).await?;
            Ok(page(fault.status(), &shown))
        }
        Err(fault) => Err(fault.into()),
    }
}

async fn revisions_page(
    app: &App,
    caller: &Caller,
    id: &str,
    before: Option<i64>,
    error: Option<String>,
) -> Result<RevisionsPage, Fault> {
    let now = app.now();
    let (armed, deletion) = load_even_deleted(app, caller.owner(), id, now).await?;
    let head = TriggerHead::from(&armed);
    let (revisions, further) = gather(app, caller, head.id, before, LISTED).await?;
    let own = viewer::trigger_zone(app, head.schedule.as_ref()).clone();
    let zone = viewer::shown_zone(app, caller, Some(&own));
    let mut named: Vec<DestinationId> =
        revisions.iter().chain(&further).flat_map(|one| one.trigger.definition.destinations.clone()).collect();
    named.sort_unstable();
    named.dedup();
    let writer = Writer { app, zone: &zone, names: destination::named(app, caller.owner(), named).await?, now };
    let earlier = revisions.iter().skip(1).chain(&further).map(Some).chain(std::iter::once(None));
    Ok(RevisionsPage {
        frame: Frame::of(app, caller, Place::Triggers),
        id: head.id.0,
        label: label(head.name.as_deref().unwrap_or_default(), head.id),
        error,
        is_deleted: deletion.is_some(),
        rows: revisions.iter().zip(earlier).map(|(one, earlier)| writer.row(one, earlier)).collect(),
        further: revisions.last().filter(|_| further.is_some()).map(|last| last.trigger.revision),
        is_first_page: before.is_none(),
    })
}

/// Writes revisions down for people.
struct Writer<'a> {
    app: &'a Shared,
    zone: &'a Zone,
    names: HashMap<DestinationId, String>,
    now: Timestamp,
}

impl Writer<'_> {
    fn row(&self, revision: &Revision, before: Option<&Revision>) -> RevisionRow {
        RevisionRow {
            number: revision.trigger.revision,
            made: Moment::new(revision.made_at, self.now, self.zone),
            until: revision.until.map(|until| Moment::new(until, self.now, self.zone)),
            by: revision.made_by.as_ref().map(|by| by.who.to_string()),
            from: revision.made_by.as_ref().and_then(from),
            is_present: revision.until.is_none(),
            changes: before.map(|before| self.changes(before, revision)),
        }
    }

    fn changes(&self, before: &Revision, after: &Revision) -> Vec<ChangeRow> {
        let before = &before.as_of(after.made_at);
        let (old, new) = (&before.trigger.definition, &after.trigger.definition);
        let row = |change| {
            let label = title(change);
            let (said, says) = (self.say(change, old), self.say(change, new));
            if said != says {
                return ChangeRow { label, before: said, after: says };
            }
            // What sentences leave out, the document has; and where it starts alike, the difference lies further on.
            let field = |revision| self.field(revision, change);
            let (said, says) = (field(before), field(after));
            match (offset(old), offset(new)) {
                (before, after) if change == Change::Schedule && said == says && before != after => {
                    ChangeRow { label, before, after }
                }
                _ => ChangeRow { label, before: said, after: says },
            }
        };
        changes(old, new).into_iter().map(row).collect()
    }

    fn field(&self, revision: &Revision, change: Change) -> String {
        let field = fields(&TriggerDocument::as_said(self.app, &revision.trigger)).remove(change.word());
        field.map(|value| shorten(value.get())).unwrap_or_default()
    }

    /// What a definition says of something: nothing where it says nothing.
    fn say(&self, change: Change, definition: &Definition) -> String {
        match change {
            Change::Schedule => definition.schedule.as_ref().map(|details| self.schedule(details)).unwrap_or_default(),
            Change::Enabled => if definition.enabled { "running" } else { "paused" }.to_owned(),
            Change::Pause => {
                let pause = definition.pause.as_ref();
                let until =
                    pause.and_then(|pause| pause.until).map(|end| format!("until {}", absolute(end, self.zone)));
                let reason = pause.and_then(|pause| pause.reason.clone());
                until.into_iter().chain(reason).collect::<Vec<_>>().join(": ")
            }
            Change::IsTest => if definition.is_test { "yes" } else { "no" }.to_owned(),
            Change::ExpiresAt => definition.expires_at.map(|end| absolute(end, self.zone)).unwrap_or_default(),
            Change::Destinations => {
                let name = |id: &DestinationId| match self.names.get(id) {
                    Some(name) => name.clone(),
                    None => format!("destination {id}, which is deleted"),
                };
                definition.destinations.iter().map(name).collect::<Vec<_>>().join(", ")
            }
            Change::Overlap => definition.overlap.word().to_owned(),
            Change::Calendars => {
                let held = |one: &Arc<Observed>| format!("{}: {}", one.name, write_dates(&one.dates).join(" "));
                shorten(&definition.calendars().iter().map(held).collect::<Vec<_>>().join("; "))
            }
            Change::Expects => ExpectsForm::of(definition.expects.as_ref()).words(),
            Change::Name => definition.name.clone().unwrap_or_default(),
            Change::Payload => definition.payload.as_ref().map(|payload| shorten(payload.as_str())).unwrap_or_default(),
            Change::PayloadSchema => {
                definition.payload_schema.as_ref().map(|schema| shorten(schema.as_str())).unwrap_or_default()
            }
            Change::WebhookUrl => {
                definition.webhook.as_ref().map(|webhook| webhook.url.to_string()).unwrap_or_default()
            }
            Change::Format => {
                definition.webhook.as_ref().map(|webhook| webhook.format.word().to_owned()).unwrap_or_default()
            }
        }
    }

    /// The schedule in words; and from when it counts, which is all that may differ between two of them.
    fn schedule(&self, details: &ScheduleDetails) -> String {
        let summary = details.summary();
        match details.pattern() {
            Schedule::Every { anchor, first, .. } => {
                let counted = if *first == FirstFiring::AtAnchor { "first at" } else { "counted from" };
                format!("{summary}, {counted} {}", absolute(*anchor, self.zone))
            }
            Schedule::Cron { expression, .. } => {
                format!("{summary} ({}), {}", expression.as_str(), zone_of(self.app, details).name())
            }
            Schedule::Recurrence(recurrence) => {
                let start = recurrence.start().wall.strftime("%-d %B %Y at %H:%M:%S");
                let zone = zone_of(self.app, details).name();
                format!("{summary} ({}), from {start}, {zone}", recurrence.text().as_str())
            }
            Schedule::AnyOf(_) => format!("{summary}, {}", zone_of(self.app, details).name()),
            Schedule::Once { at } => format!("Once at {}{}", absolute(*at, self.zone), details.terms_in_words()),
        }
    }
}

/// How much later than named it falls due, where two shares of a window are told apart by that alone.
fn offset(definition: &Definition) -> String {
    let offset = definition.schedule.as_ref().and_then(ScheduleDetails::offset);
    offset.map(|offset| format!("{} ms after each", offset.as_millis())).unwrap_or_default()
}

fn title(change: Change) -> &'static str {
    match change {
        Change::Name => "Name",
        Change::Schedule => "When",
        Change::Overlap => "While an event is under way",
        Change::Calendars => "Dates of calendars",
        Change::Payload => "Payload",
        Change::PayloadSchema => "Schema of payloads",
        Change::WebhookUrl => "Webhook address",
        Change::Format => "Format",
        Change::Destinations => "Destinations",
        Change::Expects => "Reports expected",
        Change::IsTest => "Only a test",
        Change::Enabled => "State",
        Change::Pause => "Pause",
        Change::ExpiresAt => "Expires",
    }
}

/// The address and the program that it was made from.
pub(super) fn from(by: &Actor) -> Option<String> {
    let address = by.address.map(|address| address.to_string());
    match (address, &by.program) {
        (Some(address), Some(program)) => Some(format!("{address}, {program}")),
        (address, program) => address.or_else(|| program.clone()),
    }
}

/// The beginning of a text that may be long.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::actor::Who;

    #[test]
    fn whoever_made_it_came_from_somewhere_or_from_within() {
        let address = Some("192.0.2.7".parse().expect("an address"));
        let program = Some("curl/8.5.0".to_owned());
        let actor = |address, program: &Option<String>| Actor { who: Who::System, address, program: program.clone() };
        assert_eq!(from(&actor(address, &program)).as_deref(), Some("192.0.2.7, curl/8.5.0"));
        assert_eq!(from(&actor(address, &None)).as_deref(), Some("192.0.2.7"));
        assert_eq!(from(&actor(None, &program)).as_deref(), Some("curl/8.5.0"));
        assert_eq!(from(&Actor::SYSTEM), None);
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(shorten("short"), "short");
        let long = shorten(&"ü".repeat(CHARS_SHOWN + 1));
        assert_eq!(long.chars().count(), CHARS_SHOWN + 1);
        assert!(long.ends_with('…'));
    }
}
