//! What is left of a trigger that was deleted: its events, for as long as age leaves them, under the name they fired with. A trigger that
//! never was looks like somebody else's, and so does one whose last event is gone.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{EventFilter, EventLine, EventPage, EventSearch};

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
    /// Its newest event.
    event: i64,
    fired: Moment,
    outcome: Badge,
}

impl GonePage {
    fn of(frame: Frame, last: &EventLine, now: Timestamp, zone: &Zone) -> GonePage {
        GonePage {
            frame,
            id: last.trigger,
            label: label(&last.name, last.trigger),
            event: last.id.0,
            fired: Moment::new(last.firing.fired_at, now, zone),
            outcome: Badge::of_outcome(last.firing.outcome),
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
    let fired_after = Some(app.settings.retention.gone_until(now));
    let filter = EventFilter { trigger: Some(id), fired_after, fired_until: None };
    let search = EventSearch { filter, ..EventSearch::default() };
    let found = app.store.event_lines(caller.owner(), search, EventPage::NewestFirst(None), 1).await?;
    let Some(last) = found.lines.first() else { return Err(PageFault(fault)) };
    let zone = shown_zone(app, caller, None);
    Ok(page(StatusCode::GONE, &GonePage::of(Frame::of(app, caller, Place::Triggers), last, now, &zone)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::firing::Outcome;
    use oncue_domain::schedule::zone::Zones;

    #[test]
    fn of_a_trigger_that_is_deleted_its_name_and_its_events_are_left() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let nasty = "<script>alert(1)</script>";
        let line = crate::ui::event_line::tests::line(29, nasty, "{}", Outcome::Failed, now);
        let html = GonePage::of(Frame::bare(), &line, now, &Zones::utc()).render().expect("it renders");
        assert!(!html.contains("<script>alert"), "{html}");
        for words in ["is deleted", "href=\"/events/29\"", "failed", "/events?status=all&amp;trigger=7"] {
            assert!(html.contains(words), "{words}: {html}");
        }
    }
}
