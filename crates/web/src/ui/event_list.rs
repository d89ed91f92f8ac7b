//! The list of events: tabs by age, filters in the address, a page at a time; and its export. What the list shows is asked of
//! the store in one read, so that the live tail goes on exactly where the rows end.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::count::{HourCount, hour_of};
use oncue_domain::event::{Origin, Retention, Status};
use oncue_domain::firing::Outcome;
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{EventPage, EventPlace};

use super::chart::{Counts, Histogram};
use super::event_export::{self, Export};
use super::event_line::Rows;
use super::event_query::{EventQuery, Unread};
use super::frame::{Frame, Place};
use super::moment::{Moment, span};
use super::number::number;
use super::run::of_events;
use super::trigger_form::wall;
use super::trigger_row::label;
use super::viewer::shown_zone;
use super::{PageFault, page};
use crate::app::{App, Shared};
use crate::auth::{Caller, Visitor};
use crate::extract::Query;

/// How many events stand on a page.
const LINES_MAX: usize = 50;

/// Up to how many events of a tab are counted.
const COUNTED_MAX: u64 = 10_000;

/// How many triggers are offered to choose from; whoever has more types the number.
const OFFERED_MAX: usize = 300;

/// A tab: its word, what it is called, its address, how many there are, and whether it is this one.
struct Tab {
    title: &'static str,
    address: String,
    count: String,
    is_here: bool,
}

/// A choice of a field: the word, what it is called, and whether it is chosen.
pub(super) struct Choice {
    pub(super) word: String,
    pub(super) title: String,
    pub(super) is_chosen: bool,
}

/// The filter as the form shows it.
struct Filters {
    status: &'static str,
    outcomes: Vec<Choice>,
    sources: Vec<Choice>,
    /// None where there are too many to choose from.
    triggers: Option<Vec<Choice>>,
    trigger: String,
    from: String,
    until: String,
    text: String,
    is_narrowed: bool,
    /// The tab without any filter.
    reset: String,
}

/// What comes below the rows.
struct Below {
    /// Where the older ones are.
    older: Option<String>,
    /// How far back was looked, where that was not far enough.
    gave_up: Option<Moment>,
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventListPage {
    frame: Frame,
    tabs: [Tab; 3],
    filters: Filters,
    histogram: Histogram,
    unread: Vec<Unread>,
    rows: Rows,
    below: Below,
    is_first_page: bool,
    newest: String,
    here: String,
    /// Where new rows come from; none where nothing that fires belongs on top of this list.
    tail: Option<String>,
    /// Which news make this list another one, where its rows do not come by themselves.
    live: &'static str,
    logged_until: i64,
    jsonl: String,
    csv: String,
    zone: String,
    active_for: String,
    keep_for: String,
    status: Option<Status>,
    has_triggers: bool,
    lines_max: usize,
}

/// GET /events
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let zone = shown_zone(&app, &caller, None);
    let export = query.take_text("export");
    let (wanted, unread) = EventQuery::take(&mut query, &zone);
    if let Some(export) = export.as_deref().and_then(Export::from_word) {
        return Ok(event_export::respond(app, caller.owner(), &wanted, export, now));
    }
    let code = if unread.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(page(code, &list(&app, &caller, wanted, unread, &zone, now).await?))
}

async fn list(
    app: &App,
    caller: &Caller,
    wanted: EventQuery,
    unread: Vec<Unread>,
    zone: &Zone,
    now: Timestamp,
) -> Result<EventListPage, PageFault> {
    let (retention, owner) = (app.settings.retention, caller.owner());
    let place = EventPage::NewestFirst(wanted.before);
    // The rows before everything else: what fires from here on comes through the tail.
    let found = app.store.event_lines(owner, wanted.search(retention, now), place, LINES_MAX + 1).await?;
    let lines = &found.lines[..found.lines.len().min(LINES_MAX)];
    let runs = of_events(app, owner, lines.iter().map(|line| line.id).collect(), now).await?;
    let rows = Rows::of(lines, &runs, retention, now, zone);
    let has_more = found.lines.len() > LINES_MAX;
    let last = lines.last().map(|line| EventPlace { fired_at: line.firing.fired_at, id: line.id });
    let below = Below {
        older: last.filter(|_| has_more).or(found.gave_up_at).map(|place| wanted.below(place).address()),
        gave_up: found.gave_up_at.filter(|_| !has_more).map(|place| Moment::new(place.fired_at, now, zone)),
    };
    let filters = filters(app, caller, &wanted, &unread, zone).await?;
    let has_tail = wanted.is_open_ended() && wanted.outcome.is_none() && unread.is_empty();
    let live = match (has_tail, wanted.is_open_ended()) {
        (true, _) => "",
        (false, true) => "fired settled",
        (false, false) if rows.is_any_pending() => "settled",
        (false, false) => "",
    };
    Ok(EventListPage {
        frame: Frame::of(app, caller, Place::Events),
        histogram: histogram(app, caller, &wanted, zone, now).await?,
        tabs: tabs(app, caller, &wanted, now).await?,
        newest: EventQuery { before: None, ..wanted.clone() }.address(),
        here: wanted.address(),
        tail: has_tail.then(|| format!("/ui/live?rows=1&{}", wanted.to_query())),
        live,
        logged_until: found.logged_until.0,
        jsonl: format!("{}&export=jsonl", EventQuery { before: None, ..wanted.clone() }.address()),
        csv: format!("{}&export=csv", EventQuery { before: None, ..wanted.clone() }.address()),
        zone: zone.name().to_owned(),
        active_for: span(retention.active_for),
        keep_for: span(retention.keep_for),
        status: wanted.status,
        is_first_page: wanted.before.is_none(),
        has_triggers: filters.triggers.as_ref().is_none_or(|triggers| triggers.len() > 1),
        lines_max: LINES_MAX,
        filters,
        unread,
        rows,
        below,
    })
}

async fn tabs(app: &App, caller: &Caller, wanted: &EventQuery, now: Timestamp) -> Result<[Tab; 3], PageFault> {
    let kinds = [(Some(Status::Active), "Active"), (Some(Status::Archived), "Archived"), (None, "All")];
    let retention: Retention = app.settings.retention;
    let filters = kinds.iter().map(|(status, _)| wanted.on(*status).filter(retention, now)).collect();
    let counts = app.store.count_events(caller.owner(), filters, COUNTED_MAX).await?;
    let mut counts = counts.into_iter();
    Ok(kinds.map(|(status, title)| Tab {
        title,
        address: wanted.on(status).address(),
        count: counted(counts.next().unwrap_or_default()),
        is_here: wanted.status == status,
    }))
}

/// How many there were when, tests aside; each column leads to its events.
async fn histogram(
    app: &App,
    caller: &Caller,
    wanted: &EventQuery,
    zone: &Zone,
    now: Timestamp,
) -> Result<Histogram, PageFault> {
    let from = app.settings.retention.gone_until(now);
    let hours = app.store.hour_counts(caller.owner(), wanted.trigger, hour_of(from), now).await?;
    let counts = hours.iter().map(|hour| (hour.hour, counts(hour)));
    let chosen = wanted.from.or(wanted.until).map(|_| (wanted.from.unwrap_or(from), wanted.until.unwrap_or(now)));
    let all = wanted.on(None);
    let href = |from, until| all.between(from, until).address();
    Ok(Histogram::new((from, now), counts, SignedDuration::from_hours(1), chosen, href, zone))
}

fn counts(hour: &HourCount) -> Counts {
    // The list shows what fired; what did not has no event.
    Counts { skipped: 0, ..Counts::from(hour) }
}

/// "9,999", "10,000+".
fn counted(count: u64) -> String {
    format!("{}{}", number(count), if count >= COUNTED_MAX { "+" } else { "" })
}

async fn filters(
    app: &Shared,
    caller: &Caller,
    wanted: &EventQuery,
    unread: &[Unread],
    zone: &Zone,
) -> Result<Filters, PageFault> {
    // What could not be read stays in its field, to be mended there.
    let typed = |field: &str| unread.iter().find(|unread| unread.field == field).map(|unread| unread.typed.clone());
    // But for times: browsers empty a field for them of anything else.
    let shown = |instant: Option<Timestamp>| instant.map(|instant| wall(instant, zone)).unwrap_or_default();
    let outcomes = Outcome::ALL.map(|outcome| {
        let title = super::badge::Badge::of_outcome(outcome).word.to_owned();
        Choice { word: outcome.word().to_owned(), title, is_chosen: wanted.outcome == Some(outcome) }
    });
    let sources = Origin::ALL.map(|source| Choice {
        word: source.word().to_owned(),
        title: super::event::source(source).to_owned(),
        is_chosen: wanted.source == Some(source),
    });
    Ok(Filters {
        status: wanted.status.map_or("all", Status::word),
        outcomes: with_any("any", outcomes, wanted.outcome.is_none()),
        sources: with_any("any", sources, wanted.source.is_none()),
        triggers: offered(app, caller, wanted.trigger).await?,
        trigger: typed("trigger").or_else(|| wanted.trigger.map(|trigger| trigger.to_string())).unwrap_or_default(),
        from: shown(wanted.from),
        until: shown(wanted.until),
        text: typed("text").or_else(|| wanted.text.clone()).unwrap_or_default(),
        is_narrowed: wanted.is_narrowed() || !unread.is_empty(),
        reset: EventQuery { status: wanted.status, ..EventQuery::default() }.address(),
    })
}

pub(super) fn with_any(title: &str, choices: impl IntoIterator<Item = Choice>, is_chosen: bool) -> Vec<Choice> {
    let any = Choice { word: String::new(), title: title.to_owned(), is_chosen };
    std::iter::once(any).chain(choices).collect()
}

/// The triggers to choose from; one that is asked for stands among them even when it is gone.
pub(super) async fn offered(
    app: &Shared,
    caller: &Caller,
    chosen: Option<TriggerId>,
) -> Result<Option<Vec<Choice>>, PageFault> {
    let heads = app.store.trigger_heads(caller.owner(), OFFERED_MAX + 1).await?;
    if heads.len() > OFFERED_MAX {
        return Ok(None);
    }
    let missing = chosen.filter(|chosen| !heads.iter().any(|head| head.id == *chosen));
    let named = heads.iter().map(|head| (head.id, head.name.clone().unwrap_or_default()));
    let mut choices: Vec<Choice> = named
        .chain(missing.map(|id| (id, String::new())))
        .map(|(id, name)| Choice { word: id.to_string(), title: label(&name, id), is_chosen: chosen == Some(id) })
        .collect();
    choices.sort_by_key(|choice| choice.title.to_lowercase());
    Ok(Some(with_any("any", choices, chosen.is_none())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_at_a_glance_and_end_where_counting_does() {
        let told = [0, 999, 9999, 10_000].map(counted);
        assert_eq!(told, ["0", "999", "9,999", "10,000+"]);
    }
}
