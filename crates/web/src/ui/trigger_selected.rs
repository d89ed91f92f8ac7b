//! What can be done with many triggers at once: pause, resume, delete, export. What is somebody else's or gone is passed over
//! in silence, as if it had not been named; what cannot be read keeps nothing from the others, and is named where nothing was done to it; what was
//! changed can be taken back for exactly those that were.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::{join_all, try_join_all};
use oncue_domain::id::TriggerId;
use oncue_domain::store::Error;
use oncue_domain::trigger::Armed;

use super::frame::{Frame, Place};
use super::notice::{Done, Notice, TRIGGERS_MAX};
use super::trigger_action::ACTION_BYTES_MAX;
use super::trigger_delete::going;
use super::trigger_row::TriggerRow;
use super::way_back::page_of_ours;
use super::{PageFault, page, see_other};
use crate::api::trigger::{Found, TriggerDocument, change, find};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{id_of, read_form_body};
use crate::fault::Fault;

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    ids: Vec<TriggerId>,
    action: String,
    back: String,
    /// The number that was typed to confirm a deletion.
    confirm: Option<String>,
}

impl Wish {
    /// Reads a form: `ids` may stand in it many times, and may hold many with commas between them.
    fn read(bytes: &[u8]) -> Wish {
        let mut wish = Wish::default();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            match name.as_ref() {
                "ids" => wish.ids.extend(value.split(',').filter_map(|id| id_of(id.trim())).map(TriggerId)),
                "action" => wish.action = value.into_owned(),
                "back" => wish.back = page_of_ours(&value).unwrap_or_default(),
                "confirm" => wish.confirm = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        wish.ids.sort_unstable();
        wish.ids.dedup();
        if wish.back.is_empty() {
            wish.back = "/ui/triggers".to_owned();
        }
        wish
    }
}

/// POST /ui/triggers/selected
pub(super) async fn act(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let wish = Wish::read(&read_form_body(request, ACTION_BYTES_MAX).await?);
    if wish.ids.len() > TRIGGERS_MAX {
        let detail = format!("{} triggers are chosen; at most {TRIGGERS_MAX} go at once.", wish.ids.len());
        return Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into());
    }
    let found = try_join_all(wish.ids.iter().map(|id| find(app.store.as_ref(), caller.owner(), *id))).await?;
    let chosen: Vec<Found> = found.into_iter().flatten().collect();
    match wish.action.as_str() {
        "pause" => enable(&app, &caller, &chosen, &wish, false).await,
        "resume" => enable(&app, &caller, &chosen, &wish, true).await,
        "delete" => delete(&app, &caller, &chosen, wish).await,
        "export" => Ok(export(&app, &chosen)),
        _ => {
            let detail = "Say what to do with them: pause, resume, delete or export.";
            Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, detail).into())
        }
    }
}

async fn enable(
    app: &App,
    caller: &Caller,
    chosen: &[Found],
    wish: &Wish,
    enabled: bool,
) -> Result<Response, PageFault> {
    let now = app.now();
    let mut unread = Vec::new();
    let mut differing = Vec::new();
    for found in chosen {
        let trigger = &found.armed().trigger;
        match found {
            Found::Remains(_) => unread.push(trigger.id),
            Found::Whole(_) if trigger.definition.is_paused_at(now) == enabled => differing.push(trigger),
            Found::Whole(_) => {}
        }
    }
    // All at once, so that the store can write them together.
    let changes = differing.into_iter().map(|trigger| {
        let decide = move |current: &Armed, now| Ok(current.trigger.definition.clone().as_of(now).switched(enabled));
        async move { (trigger.id, change(app, caller, trigger.id, decide).await) }
    });
    let mut changed = Vec::new();
    for (id, result) in join_all(changes).await {
        match result {
            Ok(_) => changed.push(id),
            Err(Fault::Refused(StatusCode::NOT_FOUND, _)) => {}
            Err(Fault::Store(Error::Unreadable(_))) => unread.push(id),
            Err(fault) => return Err(fault.into()),
        }
    }
    if changed.is_empty() {
        return Ok(see_other(&Notice::of(Done::Unchanged).with_unread(unread).at(&wish.back)));
    }
    let done = if enabled { Done::Resumed } else { Done::Paused };
    Ok(see_other(&Notice::of(done).with_triggers(changed).with_unread(unread).at(&wish.back)))
}

#[derive(Template)]
#[template(path = "triggers_delete.html")]
struct DeletePage {
    frame: Frame,
    triggers: Vec<TriggerRow>,
    /// Whether nobody can read what one of them says.
    is_unreadable: bool,
    ids: String,
    back: String,
    /// What was typed and was not the number.
    wrong: Option<String>,
}

async fn delete(app: &App, caller: &Caller, chosen: &[Found], wish: Wish) -> Result<Response, PageFault> {
    if chosen.is_empty() {
        return Ok(see_other(&Notice::of(Done::Unchanged).at(&wish.back)));
    }
    let now = app.now();
    if wish.confirm.as_deref() != Some(chosen.len().to_string().as_str()) {
        let status = if wish.confirm.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let question = DeletePage {
            frame: Frame::of(app, caller, Place::Triggers),
            triggers: chosen.iter().map(|found| going(app, caller, found, now)).collect(),
            is_unreadable: chosen.iter().any(|found| matches!(found, Found::Remains(_))),
            ids: chosen.iter().map(|found| found.armed().trigger.id.to_string()).collect::<Vec<_>>().join(","),
            back: wish.back,
            wrong: wish.confirm,
        };
        return Ok(page(status, &question));
    }
    let store = app.acting(caller);
    let deletions = chosen.iter().map(|found| store.delete_trigger(caller.owner(), found.armed().trigger.id, now));
    let deleted = try_join_all(deletions).await?.into_iter().filter(|is_deleted| *is_deleted).count();
    Ok(see_other(&Notice::of(Done::Deleted).with_count(deleted).at(&wish.back)))
}

/// The triggers as the API shows them, which is also how it takes them, but for one that cannot be read: that stands there with its problem, so that
/// nobody takes what is left of it for all that it said.
fn export(app: &App, chosen: &[Found]) -> Response {
    let document = |found: &Found| match found {
        Found::Whole(armed) => TriggerDocument::of(app, armed),
        Found::Remains(remains) => TriggerDocument::of_unreadable(&remains.unreadable),
    };
    let documents: Vec<_> = chosen.iter().map(document).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"oncue-triggers.json\""),
    ];
    let body = serde_json::to_string_pretty(&documents).expect("texts, numbers and checked JSON are JSON");
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_named_one_by_one_or_with_commas_and_each_counts_once() {
        let wish = Wish::read(b"ids=3&ids=1&ids=1,2,x&action=pause&back=/ui/triggers%3Fq%3Da&other=1");
        assert_eq!(wish.ids, [TriggerId(1), TriggerId(2), TriggerId(3)]);
        assert_eq!((wish.action.as_str(), wish.back.as_str(), wish.confirm), ("pause", "/ui/triggers?q=a", None));
        let elsewhere = Wish::read(b"back=//evil.example&confirm=+2+");
        assert_eq!((elsewhere.back.as_str(), elsewhere.confirm.as_deref()), ("/ui/triggers", Some("2")));
    }
}
