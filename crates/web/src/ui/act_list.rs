//! GET /audit: who did what, line by line, with the filters of the API.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::act::{Act, Action, Entry, Thing};
use oncue_domain::schedule::zone::Zone;

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::revision::from;
use super::viewer::shown_zone;
use super::{PageFault, page};
use crate::api::act::take_filter;
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{Query, id_of};

/// How many lines a page has.
const LISTED: usize = 100;

/// A line.
struct Row {
    at: Moment,
    action: String,
    thing: &'static str,
    name: Option<String>,
    /// The page of what it was done to, where there may be one still.
    address: Option<String>,
    id: Option<i64>,
    details: Option<String>,
    by: String,
    from: Option<String>,
}

/// A word that can be chosen.
struct Choice {
    word: &'static str,
    title: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<Row>,
    actions: Vec<Choice>,
    things: Vec<Choice>,
    /// The number of the object that is asked for.
    id: String,
    is_narrowed: bool,
    is_first_page: bool,
    /// What is wrong with what was asked.
    wrong: Option<String>,
    with_server: bool,
    older: Option<String>,
}

/// GET /audit
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    // A place that means nothing begins at the top.
    let before = query.take_text("before").as_deref().and_then(id_of);
    let (filter, said) = take_filter(&mut query, &caller);
    // What cannot be read is said, and left aside.
    let wrong = query.finish().err().map(|fault| fault.detail());
    let mut entries = app.store.acts(filter.clone(), before, LISTED + 1).await?;
    let has_more = entries.len() > LISTED;
    entries.truncate(LISTED);
    let zone = shown_zone(&app, &caller, None);
    let older = entries.last().filter(|_| has_more).map(|last| {
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        format!("/audit?{}", address.extend_pairs(&said).append_pair("before", &last.id.to_string()).finish())
    });
    let chosen = |word: &'static str, is_chosen| Choice { word, title: title(word), is_chosen };
    let shown = AuditPage {
        frame: Frame::of(&app, &caller, Place::Account),
        rows: entries.iter().map(|entry| Row::of(entry, now, &zone)).collect(),
        actions: Action::ALL.iter().map(|one| chosen(one.word(), filter.action == Some(*one))).collect(),
        things: Thing::ALL.iter().map(|one| chosen(one.word(), filter.thing == Some(*one))).collect(),
        id: filter.id.map(|id| id.to_string()).unwrap_or_default(),
        is_narrowed: !said.is_empty(),
        is_first_page: before.is_none(),
        wrong,
        with_server: filter.with_server,
        older,
    };
    Ok(page(StatusCode::OK, &shown))
}

impl Row {
    fn of(entry: &Entry, now: Timestamp, zone: &Zone) -> Row {
        let Act { action, thing, id, name, details, .. } = &entry.act;
        Row {
            at: Moment::new(entry.at, now, zone),
            action: title(action.word()),
            thing: if *thing == Thing::ApiKey { "API key" } else { thing.word() },
            name: name.clone(),
            // What was only tried out has a number below all that are kept, and no page.
            address: id.filter(|id| *action != Action::Deleted && *id > 0).and_then(|id| address(*thing, id)),
            id: *id,
            details: details.clone(),
            by: entry.by.who.to_string(),
            from: from(&entry.by),
        }
    }
}

fn address(thing: Thing, id: i64) -> Option<String> {
    match thing {
        Thing::Trigger => Some(format!("/ui/triggers/{id}")),
        Thing::Destination => Some(format!("/ui/destinations/{id}")),
        Thing::Calendar => Some(format!("/ui/calendars/{id}")),
        Thing::Delivery => Some(format!("/events/{id}")),
        Thing::ApiKey | Thing::User | Thing::Server => None,
    }
}

/// A word of the log as people read it: "login failed".
fn title(word: &str) -> String {
    word.replace('_', " ")
}
