//! The pages of calendars: the list, the form that makes one, the page of one with the triggers that name it, and the way to delete it. What a
//! form says is put into the JSON of the API and read where that is read; what an edit would come to is worked out as a dry run is.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::calendar::{
    Calendar, DATES_MAX, DESCRIPTION_CHARS_MAX, Definition, NAME_CHARS_MAX, ics, write_dates,
};
use oncue_domain::error::Invalid;
use oncue_domain::id::{CalendarId, UserId};
use oncue_domain::store::{CalendarView, Deleted};
use oncue_domain::trigger::Armed;
use serde_json::json;

use super::frame::{Frame, Place};
use super::notice::{Done, Notice};
use super::trigger_form::in_zone;
use super::trigger_row::label;
use super::viewer::trigger_zone;
use super::{PageFault, page, see_other};
use crate::api::calendar::{Told, Would, calendar_id, edit_seen, load, make, read, turn_to_edit, would};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{Form, PathId, Query, parse_form, read_form_body};
use crate::fault::Fault;

/// The longest form in bytes: as much iCalendar text as is read, escaped.
pub(super) const FORM_BYTES_MAX: usize = 3 * ics::BYTES_MAX + 256 * 1024;

/// How many triggers are told one by one.
const TRIGGERS_SHOWN: usize = 100;

/// How many ranges of dates a list shows.
const DATES_SHOWN: usize = 6;

/// A calendar in the list.
struct Line {
    id: i64,
    name: String,
    description: String,
    dates: String,
    used_by: u64,
}

impl Line {
    fn of(view: &CalendarView) -> Line {
        let Definition { name, description, dates } = &view.calendar.definition;
        let written = write_dates(dates);
        let more = if written.len() > DATES_SHOWN { " …" } else { "" };
        let shown: Vec<String> = written.iter().take(DATES_SHOWN).map(|text| text.replace('/', " to ")).collect();
        Line {
            id: view.calendar.id.0,
            name: name.clone(),
            description: description.clone().unwrap_or_default(),
            dates: format!("{}{more}", shown.join(", ")),
            used_by: view.used_by,
        }
    }
}

#[derive(Template)]
#[template(path = "calendars.html")]
struct ListPage {
    frame: Frame,
    notice: Option<Notice>,
    lines: Vec<Line>,
}

/// GET /ui/calendars
pub(super) async fn list(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let views = app.store.calendars(caller.owner()).await?;
    let list = ListPage {
        frame: Frame::of(&app, &caller, Place::Triggers),
        notice: Notice::take(&mut query),
        lines: views.iter().map(Line::of).collect(),
    };
    Ok(page(StatusCode::OK, &list))
}

/// The fields, as they were typed or as they are shown.
#[derive(Default)]
struct Typed {
    name: String,
    description: String,
    /// Dates and ranges with spaces, commas or lines between them.
    dates: String,
    ical: String,
    /// The revision that the form was filled from, and when that was said, down to the microsecond: another description makes no revision. Empty where
    /// one is made.
    revision: String,
    edited_at: String,
}

impl Typed {
    fn of(calendar: &Calendar) -> Typed {
        let Definition { name, description, dates } = &calendar.definition;
        Typed {
            name: name.clone(),
            description: description.clone().unwrap_or_default(),
            dates: write_dates(dates).join("\n"),
            ical: String::new(),
            revision: calendar.revision.to_string(),
            edited_at: calendar.edited_at.to_string(),
        }
    }

    /// Whether it was filled from another calendar than that, as far as it says.
    fn is_stale(&self, calendar: &Calendar) -> bool {
        let differs = |said: &str, is: String| !said.is_empty() && said != is;
        differs(&self.revision, calendar.revision.to_string())
            || differs(&self.edited_at, calendar.edited_at.to_string())
    }

    /// The same, to be said of the calendar as it stands.
    fn anew(self, calendar: &Calendar) -> Typed {
        Typed { revision: calendar.revision.to_string(), edited_at: calendar.edited_at.to_string(), ..self }
    }

    fn read(form: &mut Form) -> Typed {
        let mut take = |name: &str| form.remove(name).unwrap_or_default().trim().replace("\r\n", "\n");
        Typed {
            name: take("name"),
            description: take("description"),
            dates: take("dates"),
            ical: take("ical"),
            revision: take("revision"),
            edited_at: take("edited_at"),
        }
    }

    /// What the form says, checked.
    fn define(&self) -> Result<Definition, Fault> {
        let dates: Vec<&str> = self.dates.split([' ', ',', ';', '\t', '\n']).filter(|text| !text.is_empty()).collect();
        let ical = (!self.ical.is_empty()).then_some(&self.ical);
        let said = json!({"name": self.name, "description": self.description, "dates": dates, "ical": ical});
        read(said.to_string().as_bytes())
    }
}

/// A trigger that names the calendar.
struct Namer {
    id: i64,
    label: String,
    next: Option<String>,
}

impl Namer {
    fn of(app: &App, armed: &Armed) -> Namer {
        let definition = &armed.trigger.definition;
        let zone = trigger_zone(app, definition.schedule.as_ref());
        Namer {
            id: armed.trigger.id.0,
            label: label(definition.name.as_deref().unwrap_or_default(), armed.trigger.id),
            next: armed.next_firing_at().map(|next| format!("{} {}", in_zone(next, zone), zone.name())),
        }
    }
}

/// What saving would come to for a trigger.
struct Change {
    id: i64,
    label: String,
    sentence: String,
}

impl Change {
    fn of(app: &App, told: &Told) -> Change {
        let definition = &told.before.trigger.definition;
        let zone = trigger_zone(app, definition.schedule.as_ref());
        let count = |number: u64, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 firing {one}")),
            number => Some(format!("{number} firings {many}")),
        };
        let (added, removed) = (&told.dates.added, &told.dates.removed);
        let first = |few: &oncue_domain::effect::dates::Few| {
            few.first.first().map(|at| format!(" (first {})", in_zone(*at, zone))).unwrap_or_default()
        };
        let mut words = Vec::new();
        words.extend(count(removed.count, "falls away", "fall away").map(|text| text + &first(removed)));
        words.extend(count(added.count, "comes", "come").map(|text| text + &first(added)));
        if told.before.next_firing_at() != told.next_after {
            let next =
                told.next_after.map_or_else(|| "for nothing".to_owned(), |at| format!("for {}", in_zone(at, zone)));
            words.push(format!("it then waits {next}"));
        }
        let skipped: u64 = told.skipped.iter().map(|skipped| skipped.count).sum();
        words.extend(count(skipped, "is recorded as skipped", "are recorded as skipped"));
        words.extend(count(told.backlog_ended, "that waits in its backlog ends", "that wait in its backlog end"));
        Change {
            id: told.before.trigger.id.0,
            label: label(definition.name.as_deref().unwrap_or_default(), told.before.trigger.id),
            sentence: format!("{} ({}).", words.join("; "), zone.name()),
        }
    }
}

/// What saving would come to.
struct Changes {
    rows: Vec<Change>,
    /// How many are not told one by one.
    left_out: usize,
    unchanged: usize,
    /// How many cannot be read, and would not follow.
    unreadable: u64,
}

impl Changes {
    fn of(app: &App, would: &Would) -> Changes {
        Changes {
            rows: would.changed.iter().take(TRIGGERS_SHOWN).map(|told| Change::of(app, told)).collect(),
            left_out: would.changed.len().saturating_sub(TRIGGERS_SHOWN),
            unchanged: would.unchanged,
            unreadable: would.unreadable,
        }
    }
}

/// Who names a calendar.
struct Named {
    /// The first of them that can be read.
    namers: Vec<Namer>,
    /// How many name it.
    used_by: usize,
    /// What is said of those that are not told one by one.
    beyond: Option<String>,
}

impl Named {
    async fn of(app: &App, owner: UserId, view: &CalendarView) -> Result<Named, Fault> {
        let triggers = app.store.calendar_triggers(owner, view.calendar.id, TRIGGERS_SHOWN).await?;
        // The two are asked for one after the other, and one may have gone or come in between.
        let used_by = usize::try_from(view.used_by).unwrap_or(usize::MAX).max(triggers.len());
        let namers = triggers.iter().map(|armed| Namer::of(app, armed)).collect();
        Ok(Named { namers, used_by, beyond: beyond(used_by, triggers.len()) })
    }
}

/// What there is to say of those who name a calendar and are not told one by one: how many, and how many of those that were looked at cannot be read.
fn beyond(used_by: usize, shown: usize) -> Option<String> {
    let follows = |number: usize| {
        let follow = if number == 1 { "follows" } else { "follow" };
        format!("cannot be read and {follow} no change")
    };
    let more = used_by.saturating_sub(shown);
    match (more, used_by.min(TRIGGERS_SHOWN).saturating_sub(shown)) {
        (0, _) => None,
        (more, 0) => Some(format!("And {more} more.")),
        (1, 1) if shown == 0 => Some(format!("A trigger that {}.", follows(1))),
        (more, all) if shown == 0 && more == all => Some(format!("{more} triggers that {}.", follows(more))),
        (more, all) if more == all => Some(format!("And {more} more that {}.", follows(more))),
        (more, some) if shown == 0 => Some(format!("{more} triggers, of which at least {some} {}.", follows(some))),
        (more, some) => Some(format!("And {more} more, of which at least {some} {}.", follows(some))),
    }
}

#[derive(Template)]
#[template(path = "calendar.html")]
struct CalendarPage {
    frame: Frame,
    notice: Option<Notice>,
    /// The calendar that is shown, and what it is called; none where one is made.
    calendar: Option<(i64, String)>,
    typed: Typed,
    errors: Vec<Invalid>,
    /// Whether it was changed since the form was filled from it.
    is_stale: bool,
    changes: Option<Changes>,
    namers: Vec<Namer>,
    /// How many triggers name it.
    used_by: usize,
    /// What is said of those that are not told one by one.
    beyond: Option<String>,
    name_chars_max: usize,
    description_chars_max: usize,
    dates_max: usize,
}

impl CalendarPage {
    fn new(app: &App, caller: &Caller, typed: Typed) -> CalendarPage {
        CalendarPage {
            frame: Frame::of(app, caller, Place::Triggers),
            notice: None,
            calendar: None,
            typed,
            errors: Vec::new(),
            is_stale: false,
            changes: None,
            namers: Vec::new(),
            used_by: 0,
            beyond: None,
            name_chars_max: NAME_CHARS_MAX,
            description_chars_max: DESCRIPTION_CHARS_MAX,
            dates_max: DATES_MAX,
        }
    }

    async fn of(app: &App, caller: &Caller, calendar: &Calendar, typed: Typed) -> Result<CalendarPage, Fault> {
        let view = load(app, caller.owner(), calendar.id).await?;
        let Named { namers, used_by, beyond } = Named::of(app, caller.owner(), &view).await?;
        Ok(CalendarPage {
            calendar: Some((calendar.id.0, calendar.definition.name.clone())),
            beyond,
            namers,
            used_by,
            ..CalendarPage::new(app, caller, typed)
        })
    }

    /// What is wrong with one field.
    fn error(&self, field: &str) -> Option<&str> {
        self.errors.iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }

    fn action(&self) -> String {
        self.calendar.as_ref().map_or_else(|| "/ui/calendars".to_owned(), |(id, _)| format!("/ui/calendars/{id}"))
    }

    fn show(self) -> Response {
        let status = match (self.is_stale, self.errors.is_empty()) {
            (true, _) => StatusCode::CONFLICT,
            (false, false) => StatusCode::UNPROCESSABLE_ENTITY,
            (false, true) => StatusCode::OK,
        };
        page(status, &self)
    }
}

/// GET /ui/calendars/new
pub(super) async fn new_page(State(app): State<App>, Visitor(caller): Visitor) -> Response {
    CalendarPage::new(&app, &caller, Typed::default()).show()
}

/// POST /ui/calendars
pub(super) async fn create(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let typed = Typed::read(&mut parse_form(&read_form_body(request, FORM_BYTES_MAX).await?));
    let made = match typed.define() {
        Ok(definition) => make(&app, &caller, definition, app.now()).await,
        Err(fault) => Err(fault),
    };
    match made {
        Ok(calendar) => Ok(see_other(&Notice::of(Done::CalendarMade).at(&format!("/ui/calendars/{}", calendar.id)))),
        Err(Fault::Invalid(errors)) => Ok(CalendarPage { errors, ..CalendarPage::new(&app, &caller, typed) }.show()),
        Err(fault) => Err(fault.into()),
    }
}

/// GET /ui/calendars/{id}
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    let CalendarView { calendar, .. } = load(&app, caller.owner(), calendar_id(&id)?).await?;
    let typed = Typed::of(&calendar);
    let notice = Notice::take(&mut query);
    Ok(CalendarPage { notice, ..CalendarPage::of(&app, &caller, &calendar, typed).await? }.show())
}

/// POST /ui/calendars/{id}: saves the form, or says what saving it would come to.
pub(super) async fn change(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let id = calendar_id(&id)?;
    let mut form = parse_form(&read_form_body(request, FORM_BYTES_MAX).await?);
    let is_asked = form.contains_key("check");
    let typed = Typed::read(&mut form);
    let view = load(&app, caller.owner(), id).await?;
    if typed.is_stale(&view.calendar) {
        return stale(&app, &caller, &view.calendar, typed).await;
    }
    let calendar = view.calendar.clone();
    let done = match typed.define() {
        Ok(definition) if is_asked => {
            let would = would(&app, &view, &definition, None).await?;
            let changes = Some(Changes::of(&app, &would));
            return Ok(CalendarPage { changes, ..CalendarPage::of(&app, &caller, &calendar, typed).await? }.show());
        }
        Ok(definition) => {
            let _turn = turn_to_edit(&app, &caller, &view, &definition).await?;
            edit_seen(&app, &caller, view, &definition).await
        }
        Err(fault) => Err(fault),
    };
    match done {
        Ok(Some(_)) => Ok(see_other(&Notice::of(Done::CalendarChanged).at(&format!("/ui/calendars/{id}")))),
        // Somebody else has edited it while this one was being saved.
        Ok(None) => {
            let CalendarView { calendar, .. } = load(&app, caller.owner(), id).await?;
            stale(&app, &caller, &calendar, typed).await
        }
        Err(Fault::Invalid(errors)) => {
            Ok(CalendarPage { errors, ..CalendarPage::of(&app, &caller, &calendar, typed).await? }.show())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// The form of a calendar that somebody else has changed since it was filled.
async fn stale(app: &App, caller: &Caller, calendar: &Calendar, typed: Typed) -> Result<Response, PageFault> {
    let again = CalendarPage::of(app, caller, calendar, typed.anew(calendar)).await?;
    Ok(CalendarPage { is_stale: true, ..again }.show())
}

#[derive(Template)]
#[template(path = "calendar_delete.html")]
struct DeletePage {
    frame: Frame,
    id: i64,
    name: String,
    namers: Vec<Namer>,
    used_by: usize,
    /// What is said of those that are not told one by one.
    beyond: Option<String>,
    /// Whether that was tried, and refused.
    was_refused: bool,
}

impl DeletePage {
    async fn new(app: &App, caller: &Caller, id: CalendarId) -> Result<DeletePage, Fault> {
        let owner: UserId = caller.owner();
        let view = load(app, owner, id).await?;
        let Named { namers, used_by, beyond } = Named::of(app, owner, &view).await?;
        Ok(DeletePage {
            frame: Frame::of(app, caller, Place::Triggers),
            id: id.0,
            name: view.calendar.definition.name,
            beyond,
            namers,
            used_by,
            was_refused: false,
        })
    }
}

/// GET /ui/calendars/{id}/delete
pub(super) async fn delete_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    Ok(page(StatusCode::OK, &DeletePage::new(&app, &caller, calendar_id(&id)?).await?))
}

/// POST /ui/calendars/{id}/delete
pub(super) async fn delete(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let id = calendar_id(&id)?;
    match app.acting(&caller).delete_calendar(caller.owner(), id).await? {
        Deleted::Done => Ok(see_other(&Notice::of(Done::CalendarDeleted).at("/ui/calendars"))),
        Deleted::NotFound => Err(Fault::not_found("Calendar").into()),
        Deleted::InUse { .. } => {
            let again = DeletePage { was_refused: true, ..DeletePage::new(&app, &caller, id).await? };
            Ok(page(StatusCode::CONFLICT, &again))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_told_one_by_one_is_told_in_a_sentence() {
        for (used_by, shown, said) in [
            (3, 3, None),
            (103, 100, Some("And 3 more.")),
            (103, 99, Some("And 4 more, of which at least 1 cannot be read and follows no change.")),
            (103, 98, Some("And 5 more, of which at least 2 cannot be read and follow no change.")),
            (103, 0, Some("103 triggers, of which at least 100 cannot be read and follow no change.")),
            (2, 1, Some("And 1 more that cannot be read and follows no change.")),
            (3, 1, Some("And 2 more that cannot be read and follow no change.")),
            (1, 0, Some("A trigger that cannot be read and follows no change.")),
            (2, 0, Some("2 triggers that cannot be read and follow no change.")),
        ] {
            assert_eq!(beyond(used_by, shown).as_deref(), said, "{used_by} {shown}");
        }
    }
}
