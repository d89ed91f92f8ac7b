//! A trigger that cannot be read: a line that says so where triggers are listed, and its page, which says what is wrong with it, what it did, and
//! the ways out. What the API says of such a trigger stands in `api/trigger`.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::firing::FIRINGS_KEPT;
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::{Kind, Remains, TriggerHead, Unreadable};

use super::badge::Badge;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::notice::Notice;
use super::snippet::in_shell;
use super::trigger_past::Past;
use super::trigger_row::label;
use super::viewer::shown_zone;
use super::{PageFault, page};
use crate::app::App;
use crate::auth::Caller;

/// A line of what cannot be read.
pub(super) struct UnreadableRow {
    pub(super) id: TriggerId,
    pub(super) label: String,
    pub(super) state: Badge,
    /// What cannot be read, and why.
    pub(super) problem: String,
    pub(super) is_scheduled: bool,
    pub(super) is_enabled: bool,
    pub(super) created: Moment,
}

impl UnreadableRow {
    pub(super) fn of(unreadable: &Unreadable, zone: &Zone, now: Timestamp) -> UnreadableRow {
        UnreadableRow {
            id: unreadable.id,
            label: label(unreadable.name.as_deref().unwrap_or_default(), unreadable.id),
            state: Badge::UNREADABLE,
            problem: unreadable.problem.to_string(),
            is_scheduled: unreadable.kind == Kind::Scheduled,
            is_enabled: unreadable.enabled,
            created: Moment::new(unreadable.created_at, now, zone),
        }
    }
}

#[derive(Template)]
#[template(path = "trigger_unreadable.html")]
struct UnreadablePage {
    frame: Frame,
    notice: Option<Notice>,
    trigger: UnreadableRow,
    revision: i64,
    /// When that is or was due for which it waits.
    waits_for: Option<Moment>,
    past: Past,
    /// The call that replaces it.
    replacing: String,
    needs_key: bool,
}

/// The page of what is left of a trigger.
pub(super) async fn show(
    app: &App,
    caller: &Caller,
    remains: &Remains,
    notice: Option<Notice>,
    now: Timestamp,
) -> Result<Response, PageFault> {
    let Remains { armed, unreadable, .. } = remains;
    let zone = shown_zone(app, caller, None);
    let gone_until = app.settings.retention.gone_until(now);
    let recent = app.store.recent_firings(caller.owner(), vec![unreadable.id], gone_until, FIRINGS_KEPT).await?;
    let firings = recent.into_iter().next().map(|recent| recent.firings).unwrap_or_default();
    let needs_key = app.settings.needs_key();
    let unreadable_page = UnreadablePage {
        frame: Frame::of(app, caller, Place::Triggers),
        notice,
        trigger: UnreadableRow::of(unreadable, &zone, now),
        revision: unreadable.revision,
        waits_for: armed.next_at.map(|next| Moment::new(next, now, &zone)),
        past: Past::of(app, caller, &TriggerHead::from(armed), firings, &zone, now).await?,
        replacing: replacing(app.settings.base(), unreadable, needs_key),
        needs_key,
    };
    Ok(page(StatusCode::OK, &unreadable_page))
}

/// The call that puts another definition in the place of what cannot be read, to be filled in where it says something of its own.
fn replacing(base: &str, unreadable: &Unreadable, needs_key: bool) -> String {
    let url = format!("{base}/api/v1/triggers/{}", unreadable.id);
    let mut said = serde_json::json!({ "type": unreadable.kind.word() });
    if let Some(name) = &unreadable.name {
        said["name"] = name.as_str().into();
    }
    if unreadable.kind == Kind::Scheduled {
        said["schedule_details"] = serde_json::json!({"cron": "0 9 * * *", "timezone": "UTC"});
    }
    let key = if needs_key { " \\\n  -H \"Authorization: Bearer $ONCUE_KEY\"" } else { "" };
    let (url, said) = (in_shell(&url), in_shell(&said.to_string()));
    format!("curl --fail-with-body -X PUT {url}{key} \\\n  -H 'Content-Type: application/json' \\\n  --data {said}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::trigger::Problem;

    #[test]
    fn the_call_that_replaces_it_keeps_what_can_be_kept_and_is_quoted() {
        let problem = Problem { field: Some("api_payload"), why: "it is no JSON".to_owned() };
        let (id, name, created_at) = (TriggerId(7), Some("it's".to_owned()), Timestamp::UNIX_EPOCH);
        let called = Unreadable { id, revision: 2, name, kind: Kind::Api, enabled: true, created_at, problem };
        let call = replacing("http://127.0.0.1:8000", &called, false);
        assert!(call.contains("-X PUT 'http://127.0.0.1:8000/api/v1/triggers/7'"), "{call}");
        assert!(!call.contains("schedule_details") && !call.contains("ONCUE_KEY"), "{call}");
        assert!(call.contains(&in_shell(r#"{"name":"it's","type":"api"}"#)), "{call}");
        let scheduled = Unreadable { kind: Kind::Scheduled, name: None, ..called };
        let call = replacing("http://127.0.0.1:8000", &scheduled, true);
        assert!(call.contains("schedule_details") && call.contains("$ONCUE_KEY"), "{call}");
    }
}
