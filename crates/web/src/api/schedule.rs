//! What a schedule will do, before and after there is a trigger for it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::trigger::{Armed, ScheduleDetails};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;
use super::trigger::{ScheduleDocument, read_wish, zone_of};
use crate::app::{App, Shared};
use crate::auth::Reader;
use crate::extract::{Fields, JsonBody};
use crate::fault::{Fault, Problem};
use crate::openapi::MakingErrors;

/// How many occurrences are shown when nobody says.
const COUNT_UNASKED: usize = 5;

/// A schedule in words, and its occurrences.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "summary": "At 09:00, Monday to Friday", "timezone": "Europe/Riga", "occurrences": ["2026-11-23T07:00:00Z"]
}))]
pub(crate) struct Preview {
    /// The schedule in words; none for a trigger that has no schedule.
    summary: Option<String>,
    timezone: String,
    occurrences: Vec<String>,
}

impl Preview {
    fn of(app: &Shared, details: &ScheduleDetails, after: Timestamp, count: usize) -> Preview {
        let next = |last: &Timestamp| details.schedule.next_after(*last);
        let occurrences =
            std::iter::successors(details.schedule.next_after(after), next).take(count).map(time).collect();
        Preview {
            summary: Some(details.schedule.summary()),
            timezone: zone_of(app, details).name().to_owned(),
            occurrences,
        }
    }

    /// What a trigger will do: nothing while it is paused, nothing after its expiry.
    pub(crate) fn upcoming(app: &Shared, armed: &Armed, count: usize, now: Timestamp) -> Preview {
        let definition = &armed.trigger.definition;
        let Some(details) = &definition.schedule else {
            return Preview { summary: None, timezone: app.settings.zone.name().to_owned(), occurrences: Vec::new() };
        };
        let next = |last: &Timestamp| definition.next_after(*last);
        let occurrences = std::iter::successors(definition.next_after(now), next).take(count).map(time).collect();
        Preview { occurrences, ..Preview::of(app, details, now, 0) }
    }
}

/// A schedule to be tried out.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"}, "count": 5}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct PreviewInput {
    schedule_details: ScheduleDocument,
    /// Occurrences strictly after this time; without it after now.
    #[schema(example = "2026-11-21T10:00:00Z")]
    after: Option<String>,
    /// At most 100.
    #[schema(minimum = 1, maximum = 100)]
    count: Option<u32>,
}

/// Show what a schedule would do.
#[utoipa::path(post, path = "/api/v1/schedules/preview", tag = "Schedules", operation_id = "preview_schedule",
    request_body = PreviewInput, responses((status = 200, body = Preview), MakingErrors))]
pub(crate) async fn preview(State(app): State<App>, _: Reader, body: JsonBody) -> Result<Response, Problem> {
    let bytes = body.needed()?;
    let now = app.now();
    let mut fields = Fields::parse(bytes)?;
    let after = fields.take_instant("after", &app.settings.zone);
    let count = fields.take::<usize>("count", "The count is a number from 1 to 100.");
    if count.is_some_and(|count| !(1..=100).contains(&count)) {
        fields.fail("count", "The count is a number from 1 to 100.");
    }
    let read = match fields.take_object("schedule_details") {
        Some(mut inner) => {
            let read = read_wish(&app, &mut inner);
            fields.absorb(inner);
            Some(read)
        }
        None => {
            fields.fail("schedule_details", "This is needed: exactly one of run_at, every and cron.");
            None
        }
    };
    fields.finish()?;
    let wish = read.and_then(|read| Some((read.wish?, read.timezone)));
    let (wish, timezone) = wish.ok_or_else(|| Fault::from(Invalid::new("schedule_details", "This is needed.")))?;
    let details = wish.place(timezone, &app.settings.zone, None, now).map_err(Fault::from)?;
    Ok(Json(Preview::of(&app, &details, after.unwrap_or(now), count.unwrap_or(COUNT_UNASKED))).into_response())
}
