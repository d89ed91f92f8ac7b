//! Who is told of a run that did not go well: the destination that the trigger names for it, once when the run is overdue and once when
//! it reports a failure. It is told by an event without a trigger of its own, which is logged in the transaction that finds it out, so
//! each is told exactly once, whoever is killed when.

use serde_json::json;

use super::Run;
use crate::event::Event;
use crate::id::DestinationId;
use crate::payload::Payload;
use crate::trigger::Definition;

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Its time is over, and it has not reported its end.
    Overdue,
    /// It has reported that it failed.
    Failed,
}

impl News {
    /// The word in the payload.
    pub fn word(self) -> &'static str {
        match self {
            News::Overdue => "overdue",
            News::Failed => "run failed",
        }
    }

    /// What is new in `after`, of what was known `before`.
    pub fn between(before: &Run, after: &Run) -> Option<News> {
        if before.end.is_none() && after.end.as_ref().is_some_and(|end| !end.is_success) {
            return Some(News::Failed);
        }
        (before.overdue_at.is_none() && after.overdue_at.is_some()).then_some(News::Overdue)
    }
}

/// The trigger behind the event that tells the news of the run of `event`: it is never kept, has a name and a payload that say
/// everything, and sends to the destination `to` alone.
pub fn telling(news: News, event: &Event, run: &Run, to: DestinationId) -> Definition {
    let name = match event.name.as_str() {
        "" => format!("Trigger {}", event.trigger),
        name => name.to_owned(),
    };
    let happened = match (news, run.started_at) {
        (News::Overdue, None) => "has not begun",
        (News::Overdue, Some(_)) => "has not ended",
        (News::Failed, _) => "has failed",
    };
    let end = run.end.as_ref();
    let payload = json!({
        "alert": news.word(),
        "text": text(news, &name, run),
        "trigger": {"id": event.trigger.0, "name": event.name},
        "event": {"id": event.id.0, "fired_at": event.fired_at},
        "page": format!("{PAGES}{}", event.id),
        "state": run.state().word(),
        "report_by": run.report_by,
        "started_at": run.started_at,
        "ended_at": end.map(|end| end.at),
        "exit_code": end.and_then(|end| end.exit_code),
        "message": end.and_then(|end| end.message.as_deref()),
    });
    Definition {
        name: Some(format!("{name} {happened}")),
        schedule: None,
        payload: Some(Payload::from_stored(&payload.to_string())),
        payload_schema: None,
        webhook: None,
        destinations: vec![to],
        expects: None,
        overlap: crate::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    }
}

/// Where the pages of events stand.
pub const PAGES: &str = "/events/";

fn text(news: News, name: &str, run: &Run) -> String {
    let due = run.start_by.filter(|_| run.started_at.is_none()).map_or(run.report_by, |by| by.min(run.report_by));
    match (news, run.started_at) {
        (News::Overdue, None) => {
            format!("{name} fired at {:.0}, and nothing was heard of it by {due:.0}.", run.expected_at)
        }
        (News::Overdue, Some(started_at)) => {
            format!("{name} began at {started_at:.0}, and had not reported its end by {due:.0}.")
        }
        (News::Failed, _) => {
            let end = run.end.as_ref();
            let code =
                end.and_then(|end| end.exit_code).map(|code| format!(" with exit code {code}")).unwrap_or_default();
            match end.and_then(|end| end.message.as_deref()) {
                Some(message) => format!("{name} has failed{code}: {message}"),
                None => format!("{name} has failed{code}."),
            }
        }
    }
}
