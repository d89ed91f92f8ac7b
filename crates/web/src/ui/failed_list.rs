//! The list of failed deliveries: what was given up, where it went and why, narrowed down by where, by what and by when. What is done
//! with them stands in `failed_redelivery`.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::destination::{Target, Wanted};
use oncue_domain::event::Event;
use oncue_domain::id::DestinationId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{DeliveryView, Undelivered};

use super::delivery::outcome;
use super::event_list::{Choice, offered, with_any};
use super::event_query::Unread;
use super::failed_query::FailedQuery;
use super::frame::{Frame, Place};
use super::moment::{Moment, span};
use super::notice::Notice;
use super::number::number;
use super::trigger_form::wall;
use super::trigger_row::{host, label};
use super::viewer::shown_zone;
use super::{PageFault, page};
use crate::api::delivery::each_told;
use crate::api::redelivery::many::{COUNTED_MAX, count};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::Query;

/// How many deliveries stand on a page.
const LINES_MAX: usize = 50;

/// Where all that match are redelivered.
pub(super) const ALL: &str = "/ui/deliveries/redeliver";

/// Where a delivery went.
enum Went {
    /// To a destination that is there.
    To(DestinationId, String),
    /// To one that is gone.
    Nowhere(DestinationId),
    /// To the host of the trigger's own address.
    Host(String),
    /// To the operator's default, which users never see.
    Default,
}

/// A failed delivery.
struct Line {
    /// The event and the slot, as the form names them.
    key: String,
    event: i64,
    label: String,
    went: Went,
    /// Which of the event's deliveries it is, counted from one.
    number: u32,
    fired: Moment,
    failed: Moment,
    attempts: usize,
    why: String,
}

/// The filter as the form shows it.
struct Filters {
    destinations: Vec<Choice>,
    /// None where there are too many to choose from.
    triggers: Option<Vec<Choice>>,
    trigger: String,
    from: String,
    until: String,
    is_narrowed: bool,
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct FailedListPage {
    frame: Frame,
    notice: Option<Notice>,
    filters: Filters,
    unread: Vec<Unread>,
    lines: Vec<Line>,
    /// How many match: "12,345".
    matching: String,
    matches_none: bool,
    matches_one: bool,
    /// Where all that match are redelivered.
    all: String,
    is_first_page: bool,
    newest: String,
    older: Option<String>,
    zone: String,
    keep_for: String,
}

/// GET /ui/deliveries
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let zone = shown_zone(&app, &caller, None);
    let notice = Notice::take(&mut query);
    let (wanted, unread) = FailedQuery::take(&mut query, &zone);
    let code = if unread.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (now, owner) = (app.now(), caller.owner());
    let gone_until = app.settings.retention.gone_until(now);
    let filter = wanted.filter();
    let matching = count(&app, owner, filter).await?;
    let mut failed = app.store.undelivered(owner, filter, gone_until, wanted.before, LINES_MAX + 1).await?;
    let has_more = failed.len() > LINES_MAX;
    failed.truncate(LINES_MAX);
    let heads = app.store.destination_heads(owner, Wanted::All).await?;
    let names: HashMap<DestinationId, String> = heads.into_iter().map(|head| (head.id, head.name)).collect();
    let went = |view: &DeliveryView| match &view.target {
        Target::Destination(id) => names.get(id).map_or(Went::Nowhere(*id), |name| Went::To(*id, name.clone())),
        Target::Webhook(webhook) => Went::Host(host(webhook)),
        Target::Default => Went::Default,
    };
    let line = |failed: &Undelivered, event: &Event, view: &DeliveryView| {
        Line::of(failed, event, view, went(view), &zone, now)
    };
    let lines = each_told(&app, owner, gone_until, &failed, line).await?;
    let destinations = destinations(names.into_iter().collect(), wanted.destination);
    let list = FailedListPage {
        frame: Frame::of(&app, &caller, Place::Events),
        notice,
        filters: filters(&app, &caller, &wanted, &unread, destinations, &zone).await?,
        unread,
        lines,
        matching: counted(matching),
        matches_none: matching == 0,
        matches_one: matching == 1,
        all: wanted.at_the_top().at(ALL),
        is_first_page: wanted.before.is_none(),
        newest: wanted.at_the_top().address(),
        older: failed.last().filter(|_| has_more).map(|last| wanted.below(last.place).address()),
        zone: zone.name().to_owned(),
        keep_for: span(app.settings.retention.keep_for),
    };
    Ok(page(code, &list))
}

impl Line {
    fn of(failed: &Undelivered, event: &Event, view: &DeliveryView, went: Went, zone: &Zone, now: Timestamp) -> Line {
        let last = || view.attempts.last().map(outcome).unwrap_or_default();
        Line {
            key: format!("{}.{}", event.id, view.slot),
            event: event.id.0,
            label: label(&event.name, event.trigger),
            went,
            number: view.slot + 1,
            fired: Moment::new(event.fired_at, now, zone),
            failed: Moment::new(failed.place.failed_at, now, zone),
            attempts: view.attempts.len(),
            why: view.why.clone().unwrap_or_else(last),
        }
    }
}

/// "9,999", "100,000+".
pub(super) fn counted(count: u64) -> String {
    format!("{}{}", number(count), if count >= COUNTED_MAX { "+" } else { "" })
}

/// The destinations to choose from, by name; one that is asked for stands among them even when it is gone.
fn destinations(names: Vec<(DestinationId, String)>, chosen: Option<DestinationId>) -> Vec<Choice> {
    let missing = chosen.filter(|chosen| !names.iter().any(|(id, _)| id == chosen));
    let missing = missing.map(|id| (id, format!("Destination {id}, which is deleted")));
    let mut choices: Vec<Choice> = names
        .into_iter()
        .chain(missing)
        .map(|(id, title)| Choice { word: id.to_string(), title, is_chosen: chosen == Some(id) })
        .collect();
    choices.sort_by_key(|choice| choice.title.to_lowercase());
    with_any("any", choices, chosen.is_none())
}

async fn filters(
    app: &App,
    caller: &Caller,
    wanted: &FailedQuery,
    unread: &[Unread],
    destinations: Vec<Choice>,
    zone: &Zone,
) -> Result<Filters, PageFault> {
    let typed = unread.iter().find(|unread| unread.field == "trigger").map(|unread| unread.typed.clone());
    let shown = |instant: Option<Timestamp>| instant.map(|instant| wall(instant, zone)).unwrap_or_default();
    Ok(Filters {
        destinations,
        triggers: offered(app, caller, wanted.trigger).await?,
        trigger: typed.or_else(|| wanted.trigger.map(|trigger| trigger.to_string())).unwrap_or_default(),
        from: shown(wanted.from),
        until: shown(wanted.until),
        is_narrowed: wanted.is_narrowed() || !unread.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_offered_by_name_and_one_that_is_gone_only_where_it_is_asked_for() {
        let names = || vec![(DestinationId(1), "beta".to_owned()), (DestinationId(2), "Alpha".to_owned())];
        let titles = |chosen| {
            let choices = destinations(names(), chosen);
            choices.into_iter().map(|choice| (choice.title, choice.is_chosen)).collect::<Vec<_>>()
        };
        let told =
            |titles: &[(&str, bool)]| titles.iter().map(|(title, is)| ((*title).to_owned(), *is)).collect::<Vec<_>>();
        assert_eq!(titles(None), told(&[("any", true), ("Alpha", false), ("beta", false)]));
        assert_eq!(
            titles(Some(DestinationId(9))),
            told(&[("any", false), ("Alpha", false), ("beta", false), ("Destination 9, which is deleted", true)])
        );
    }
}
