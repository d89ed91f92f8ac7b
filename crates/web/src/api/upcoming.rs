//! What all of somebody's triggers will do, merged by time: the same that the page of upcoming firings shows, line by line for programs.
//! What fires when is foretold by `domain::agenda`; here it is asked for a span, page by page, and written down.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::{Firing, Place, Question, Row, SPAN_MAX, Span, Waiting};
use oncue_domain::freeze::{Freeze, frozen_until, seen_through};
use oncue_domain::schedule::zone::parse_instant;
use oncue_domain::trigger::TriggerHead;
use serde::Serialize;
use utoipa::ToSchema;

use super::page::{PageQuery, next_limit, take_page, with_next};
use super::time;
use crate::app::App;
use crate::auth::Caller;
use crate::cursor::{read_firing, write_firing};
use crate::extract::Query;
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// How many triggers are looked at, those that fire the soonest.
const TRIGGERS_MAX: usize = 5_000;

/// How far is looked when nobody says.
const SPAN_UNASKED: SignedDuration = SignedDuration::from_hours(24);

/// What is coming.
#[derive(Serialize, ToSchema)]
#[schema(as = Upcoming, example = json!({
    "from": "2026-11-21T10:00:00Z", "to": "2026-11-22T10:00:00Z", "stopped_at": null,
    "occurrences": [{
        "trigger_id": 7, "name": "nightly", "scheduled_at": "2026-11-22T02:00:00Z", "fires_at": "2026-11-22T02:00:00Z"
    }]
}))]
pub(crate) struct UpcomingDocument {
    /// The first instant that was looked at: now, where an earlier one was asked for.
    from: String,
    /// The first instant that was not looked at any more; at most 32 days after `from`.
    to: String,
    /// The next occurrences, in order of time.
    occurrences: Vec<OccurrenceDocument>,
    /// Nothing is said of this instant and what comes after it, because more triggers wait than are looked at; null where all were.
    stopped_at: Option<String>,
}

/// An occurrence to come.
#[derive(Serialize, ToSchema)]
#[schema(as = UpcomingOccurrence)]
struct OccurrenceDocument {
    #[schema(example = 7)]
    trigger_id: i64,
    name: Option<String>,
    /// The occurrence.
    scheduled_at: String,
    /// When it fires, if nothing changes: at its time, or now where it is overdue.
    fires_at: String,
}

/// What is coming of somebody's triggers that wait, as far as they were looked at.
struct Coming {
    heads: Vec<TriggerHead>,
    row: Row,
    stopped_at: Option<Timestamp>,
}

impl Coming {
    /// What `heads` do under their owner's freezes, the soonest first and at most one more than are looked at: whoever is left out fires from that
    /// one's time on, and not before the freezes are over.
    fn of(mut heads: Vec<TriggerHead>, freezes: &[Freeze], mut question: Question) -> Coming {
        let unlooked = heads.get(TRIGGERS_MAX).and_then(|head| head.next_at);
        let unlooked = match frozen_until(freezes, question.now) {
            None => unlooked,
            Some(end) => unlooked.zip(end).map(|(stop, end)| stop.max(end)),
        };
        let stopped_at = unlooked.filter(|stop| *stop < question.span.until);
        question.span.until = stopped_at.unwrap_or(question.span.until);
        heads.truncate(TRIGGERS_MAX);
        let mut heads: Vec<TriggerHead> =
            heads.into_iter().map(|head| seen_through(head, freezes, question.now)).collect();
        heads.retain(|head| Waiting::of(head, question.now).is_some());
        let waiting: Vec<Waiting> = heads.iter().filter_map(|head| Waiting::of(head, question.now)).collect();
        let row = Row::of(&waiting, question);
        Coming { row, heads, stopped_at }
    }

    fn place(&self, firing: &Firing) -> Place {
        Place { at: firing.at, id: self.heads[firing.which].id }
    }

    fn document(&self, span: Span) -> UpcomingDocument {
        let occurrence = |firing: &Firing| {
            let head = &self.heads[firing.which];
            OccurrenceDocument {
                trigger_id: head.id.0,
                name: head.name.clone(),
                scheduled_at: time(head.named_for(firing.due)),
                fires_at: time(firing.at),
            }
        };
        UpcomingDocument {
            from: time(span.from),
            to: time(self.stopped_at.map_or(span.until, |stop| stop.max(span.from))),
            occurrences: self.row.firings.iter().map(occurrence).collect(),
            stopped_at: self.stopped_at.map(time),
        }
    }
}

/// List what all your triggers will do, merged by time.
///
/// Occurrences are named as the engine will fire them if nothing changes: none of a trigger that is paused, none at or after an expiry.
#[utoipa::path(get, path = "/api/v1/upcoming", tag = "Triggers", operation_id = "list_upcoming",
    params(
        ("from" = Option<String>, Query, description = "At or after this time (RFC 3339); without it from now on."),
        ("to" = Option<String>, Query,
            description = "Before this time (RFC 3339), at most 32 days after `from`; without it a day after `from`."),
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it up to 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = UpcomingDocument), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let now = app.now();
    let zone = &app.settings.zone;
    let from = query.take("from", |text| parse_instant(text, zone)).unwrap_or(now).max(now);
    let to = query.take("to", |text| {
        let to = parse_instant(text, zone).map_err(|error| error.to_string())?;
        if to > from {
            Ok(to)
        } else {
            Err("This is not after from, or lies in the past: nothing is to come there.".to_owned())
        }
    });
    let page = take_page(&mut query, read_firing);
    query.finish()?;
    let furthest = from.saturating_add(SPAN_MAX).unwrap_or(Timestamp::MAX);
    let unasked = from.saturating_add(SPAN_UNASKED).unwrap_or(Timestamp::MAX);
    let span = Span { from, until: to.unwrap_or(unasked).min(furthest) };
    let PageQuery { limit, cursor, .. } = page;
    let (heads, freezes) = tokio::try_join!(
        app.store.soonest(caller.owner(), TRIGGERS_MAX + 1),
        app.store.freezes_of(caller.owner(), now)
    )?;
    let question = Question { now, span, after: cursor, firings_max: limit };
    // Some tens of milliseconds of a core, which the scheduler's runtime must not miss.
    let coming = tokio::task::spawn_blocking(move || Coming::of(heads, &freezes, question)).await.map_err(|_| {
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "What is coming could not be worked out; the log says why.")
    })?;
    let last = coming.row.firings.last().filter(|_| coming.row.has_more);
    let next = last.map(|last| {
        let cursor = write_firing(coming.place(last));
        vec![("from", time(span.from)), ("to", time(span.until)), ("limit", next_limit(limit)), ("cursor", cursor)]
    });
    Ok(with_next(Json(coming.document(span)).into_response(), "/api/v1/upcoming", next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::actor::Actor;
    use oncue_domain::id::TriggerId;
    use oncue_domain::schedule::Schedule;
    use oncue_domain::trigger::ScheduleDetails;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn once(id: i64, seconds: i64) -> TriggerHead {
        TriggerHead {
            is_behind: false,
            id: TriggerId(id),
            name: None,
            schedule: Some(ScheduleDetails::plain(Schedule::Once { at: at(seconds) }, None)),
            webhook: None,
            destinations: Vec::new(),
            overlap: oncue_domain::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
            created_at: at(0),
            next_at: Some(at(seconds)),
            fired: 0,
        }
    }

    #[test]
    fn where_more_triggers_wait_than_are_looked_at_it_stops_before_the_first_of_them() {
        let most = i64::try_from(TRIGGERS_MAX).expect("small");
        let heads = |count: i64| (1..=count).map(|id| once(id, id)).collect::<Vec<_>>();
        let span = Span { from: at(0), until: at(2 * most) };
        let question = Question { now: at(0), span, after: None, firings_max: usize::MAX };
        let all = Coming::of(heads(most), &[], question);
        assert_eq!((all.row.firings.len(), all.stopped_at), (TRIGGERS_MAX, None));
        assert_eq!(all.document(span).to, time(span.until));
        let cut = Coming::of(heads(most + 1), &[], question);
        assert_eq!((cut.row.firings.len(), cut.stopped_at), (TRIGGERS_MAX, Some(at(most + 1))));
        assert_eq!(cut.document(span).to, time(at(most + 1)));
        let until =
            |end: i64| [Freeze { owner: None, reason: None, from: at(0), until: Some(at(end)), by: Actor::SYSTEM }];
        let frozen = Coming::of(heads(most + 1), &until(most + 9), question);
        assert_eq!((frozen.row.firings.len(), frozen.stopped_at), (0, Some(at(most + 9))), "nobody fires before that");
        assert_eq!(Coming::of(heads(most + 1), &until(9), question).stopped_at, Some(at(most + 1)));
        let early = Question { span: Span { until: at(most), ..span }, ..question };
        assert_eq!(Coming::of(heads(most + 1), &[], early).stopped_at, None, "what was asked for is whole");
    }
}
