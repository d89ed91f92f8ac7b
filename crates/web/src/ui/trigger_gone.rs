//! What is left of a trigger that was deleted: its events, for as long as age leaves them, under the name they fired with, and as long what
//! it said and why it fired or not. A trigger that never was looks like somebody else's, and so does one of which nothing is left.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::id::TriggerId;
use oncue_domain::revision::Deletion;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{DeletedTrigger, EventFilter, EventLine, EventPage, EventSearch};

use super::badge::Badge;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::trigger_row::label;
use super::viewer::shown_zone;
use super::{PageFault, page};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::id_of;
use crate::fault::Fault;

#[derive(Template)]
#[template(path = "trigger_gone.html")]
struct GonePage {
    frame: Frame,
    id: TriggerId,
    label: String,
    /// None where it was deleted before that was kept, or its events outlive what is known of it.
    ended: Option<Ended>,
    last: Option<LastEvent>,
}

/// The end of a trigger.
pub(super) struct Ended {
    pub(super) at: Moment,
    /// Who deleted it.
    pub(super) by: String,
}

impl Ended {
    pub(super) fn of(deletion: &Deletion, now: Timestamp, zone: &Zone) -> Ended {
        Ended { at: Moment::new(deletion.at, now, zone), by: deletion.by.who.to_string() }
    }
}

/// Its newest event.
struct LastEvent {
    event: i64,
    fired: Moment,
    outcome: Badge,
}

impl GonePage {
    fn of(
        frame: Frame,
        (id, name): (TriggerId, &str),
        deletion: Option<&Deletion>,
        last: Option<&EventLine>,
        now: Timestamp,
        zone: &Zone,
    ) -> GonePage {
        GonePage {
            frame,
            id,
            label: label(name, id),
            ended: deletion.map(|deletion| Ended::of(deletion, now, zone)),
            last: last.map(|last| LastEvent {
                event: last.id.0,
                fired: Moment::new(last.firing.fired_at, now, zone),
                outcome: Badge::of_outcome(last.firing.outcome),
            }),
        }
    }
}

/// 410 with what is left of a trigger, or what was wrong with asking for it.
pub(super) async fn gone(
    app: &App,
    caller: &Caller,
    id: &str,
    now: Timestamp,
    fault: Fault,
) -> Result<Response, PageFault> {
    let id = id_of(id).map(TriggerId).filter(|_| fault.status() == StatusCode::NOT_FOUND);
    let Some(id) = id else { return Err(PageFault(fault)) };
    let gone_until = app.settings.retention.gone_until(now);
    let filter = EventFilter { trigger: Some(id), fired_after: Some(gone_until), fired_until: None };
    let search = EventSearch { filter, ..EventSearch::default() };
    let found = app.store.event_lines(caller.owner(), search, EventPage::NewestFirst(None), 1).await?;
    let deleted = app.store.deleted_trigger(caller.owner(), id, gone_until).await?;
    let (armed, deletion) = deleted.map(|DeletedTrigger { armed, deletion }| (armed, deletion)).unzip();
    let said = armed.as_ref().map(|armed| armed.trigger.definition.name.as_deref().unwrap_or_default());
    let last = found.lines.first();
    let Some(name) = last.map(|last| last.name.as_str()).or(said) else { return Err(PageFault(fault)) };
    let zone = shown_zone(app, caller, None);
    let frame = Frame::of(app, caller, Place::Triggers);
    let left = GonePage::of(frame, (id, name), deletion.as_ref(), last, now, &zone);
    Ok(page(StatusCode::GONE, &left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::actor::Actor;
    use oncue_domain::firing::Outcome;
    use oncue_domain::schedule::zone::Zones;

    #[test]
    fn of_a_trigger_that_is_deleted_its_name_and_its_events_are_left() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let nasty = "<script>alert(1)</script>";
        let line = crate::ui::event_line::tests::line(29, nasty, "{}", Outcome::Failed, now);
        let of = |deletion: Option<&Deletion>, last: Option<&EventLine>| {
            let left = GonePage::of(Frame::bare(), (TriggerId(7), nasty), deletion, last, now, &Zones::utc());
            let html = left.render().expect("it renders");
            assert!(!html.contains("<script>alert") && html.contains("is deleted"), "{html}");
            html
        };
        let html = of(None, Some(&line));
        for words in ["href=\"/events/29\"", "failed", "/events?status=all&amp;trigger=7"] {
            assert!(html.contains(words), "{words}: {html}");
        }
        assert!(!html.contains("/ui/triggers/7/why"), "nothing else is known of it: {html}");
        let html = of(Some(&Deletion { at: now, by: Actor::SYSTEM, was_under_way: false }), None);
        for words in ["by oncue itself", "href=\"/ui/triggers/7/why\"", "href=\"/ui/triggers/7/revisions\""] {
            assert!(html.contains(words), "{words}: {html}");
        }
        assert!(!html.contains("Last event") && !html.contains("/events?status=all"), "it never fired: {html}");
    }
}
