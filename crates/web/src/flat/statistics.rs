//! How many events each trigger has, kept for five minutes. The answers are kept by owner: one user's numbers are never
//! served to another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Retention;
use oncue_domain::id::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, lock};
use crate::auth::Caller;
use crate::fault::FlatFault;
use crate::openapi::FlatErrors;

/// How long an answer is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Where events live for less than a day, an answer is kept for this share of their life, so that it never tells of much
/// that is gone.
const SHARE_OF_LIFE: i32 = 288;

/// How many users' answers are kept at once.
const OWNERS_MAX: usize = 10_000;

/// One trigger's number of kept events.
#[derive(Clone, Serialize, ToSchema)]
#[schema(example = json!({"name": "trigger1", "event_count": 12}))]
pub(crate) struct FlatStatistic {
    name: String,
    event_count: u64,
}

/// The answers that are kept.
#[derive(Default)]
pub(crate) struct Statistics(Mutex<HashMap<UserId, Kept>>);

struct Kept {
    at: Timestamp,
    answer: Arc<Vec<FlatStatistic>>,
}

impl Statistics {
    fn get(&self, owner: UserId, retention: Retention, now: Timestamp) -> Option<Arc<Vec<FlatStatistic>>> {
        let kept_for = KEPT_FOR.min(retention.keep_for / SHARE_OF_LIFE);
        let kept = lock(&self.0);
        let kept = kept.get(&owner)?;
        let age = now.duration_since(kept.at);
        // An age below zero is a clock that stepped back; better to count again than to keep the answer for hours.
        (age >= SignedDuration::ZERO && age < kept_for).then(|| Arc::clone(&kept.answer))
    }

    fn put(&self, owner: UserId, now: Timestamp, answer: Arc<Vec<FlatStatistic>>) {
        let mut kept = lock(&self.0);
        if kept.len() >= OWNERS_MAX {
            kept.retain(|_, kept| now.duration_since(kept.at) < KEPT_FOR);
        }
        if kept.len() < OWNERS_MAX {
            kept.insert(owner, Kept { at: now, answer });
        }
    }
}

/// Count the kept events of each trigger, test events included; the answer may be five minutes old.
#[utoipa::path(get, path = "/logs/stats", tag = "Flat: events", operation_id = "flat_statistics",
    responses((status = 200, body = [FlatStatistic]), FlatErrors))]
pub(crate) async fn stats(State(app): State<App>, caller: Caller) -> Result<Response, FlatFault> {
    let now = app.now();
    if let Some(answer) = app.statistics.get(caller.owner(), app.settings.retention, now) {
        return Ok(Json(answer.as_ref()).into_response());
    }
    let counts = app.store.event_counts(caller.owner(), app.settings.retention.gone_until(now)).await?;
    let answer: Vec<_> =
        counts.into_iter().map(|count| FlatStatistic { name: count.name, event_count: count.count }).collect();
    let answer = Arc::new(answer);
    app.statistics.put(caller.owner(), now, Arc::clone(&answer));
    Ok(Json(answer.as_ref()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_five_minutes_and_for_its_owner_only() {
        let statistics = Statistics::default();
        let start = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
        statistics.put(UserId(1), start, Arc::new(vec![FlatStatistic { name: "a".to_owned(), event_count: 1 }]));
        let get = |owner, now| statistics.get(UserId(owner), Retention::STANDARD, now);
        assert!(get(1, start).is_some());
        assert!(get(2, start).is_none());
        assert!(get(1, start + KEPT_FOR - SignedDuration::from_micros(1)).is_some());
        assert!(get(1, start + KEPT_FOR).is_none());
        assert!(get(1, start - SignedDuration::from_hours(1)).is_none());
        let brief = Retention { active_for: SignedDuration::from_secs(2), keep_for: SignedDuration::from_secs(4) };
        assert!(statistics.get(UserId(1), brief, start + SignedDuration::from_secs(1)).is_none());
    }
}
