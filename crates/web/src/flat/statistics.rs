//! How many events each trigger has, kept for five minutes in the cache, which nodes may share. The answers are kept by
//! owner: one user's numbers are never served to another. What comes out of the cache is believed only where it can be read
//! and is young enough; everything else is counted anew.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::cache::Key;
use oncue_domain::event::Retention;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::FlatFault;
use crate::openapi::FlatErrors;

/// How long an answer is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Where events live for less than a day, an answer is kept for this share of their life, so that it never tells of much
/// that is gone.
const SHARE_OF_LIFE: i32 = 288;

/// How much the clocks of two nodes may differ. An answer from further ahead is from a clock that stepped back since;
/// better to count again than to keep it for hours.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_secs(5);

/// How long a request waits for the cache, when it asks and when it tells taken together.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// The form that answers are kept in. Another form takes another number: nodes of two versions may share a cache.
const FORM: u32 = 1;

/// One trigger's number of kept events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"name": "trigger1", "event_count": 12}))]
pub(crate) struct FlatStatistic {
    name: String,
    event_count: u64,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    form: u32,
    counted_at: Timestamp,
    statistics: Vec<FlatStatistic>,
}

impl Kept {
    /// An answer from the cache, which may hold anything.
    fn read(value: &[u8]) -> Option<Kept> {
        serde_json::from_slice(value).ok().filter(|kept: &Kept| kept.form == FORM)
    }

    fn holds(&self, retention: Retention, now: Timestamp) -> bool {
        let age = now.duration_since(self.counted_at);
        age >= -CLOCKS_APART_MAX && age < kept_for(retention)
    }
}

fn kept_for(retention: Retention) -> SignedDuration {
    KEPT_FOR.min(retention.keep_for / SHARE_OF_LIFE)
}

/// Count the kept events of each trigger, test events included; the answer may be five minutes old.
#[utoipa::path(get, path = "/logs/stats", tag = "Flat: events", operation_id = "flat_statistics",
    responses((status = 200, body = [FlatStatistic]), FlatErrors))]
pub(crate) async fn stats(State(app): State<App>, caller: Caller) -> Result<Response, FlatFault> {
    let now = app.now();
    let retention = app.settings.retention;
    let key = Key::new("statistics", FORM, &caller.user);
    let asked = Instant::now();
    let kept = app.cache.get(&key, now).await.and_then(|value| Kept::read(&value));
    if let Some(kept) = kept.filter(|kept| kept.holds(retention, now)) {
        metrics::counter!("oncue_cache_hits_total").increment(1);
        return Ok(Json(kept.statistics).into_response());
    }
    metrics::counter!("oncue_cache_misses_total").increment(1);
    let waited = asked.elapsed();
    let counts = app.store.event_counts(caller.owner(), retention.gone_until(now)).await?;
    let statistics =
        counts.into_iter().map(|count| FlatStatistic { name: count.name, event_count: count.count }).collect();
    let counted = Kept { form: FORM, counted_at: now, statistics };
    if let Ok(value) = serde_json::to_vec(&counted) {
        let put = app.cache.put(&key, value, kept_for(retention), now);
        // An answer that could not be kept in time is counted again, nothing worse.
        let _ = timeout(WAIT_MAX.saturating_sub(waited), put).await;
    }
    Ok(Json(counted.statistics).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + secs).expect("in range")
    }

    fn kept() -> Kept {
        let statistics = vec![FlatStatistic { name: "a".to_owned(), event_count: 1 }];
        Kept { form: FORM, counted_at: at(0), statistics }
    }

    #[test]
    fn an_answer_holds_for_five_minutes_and_shorter_where_events_live_shorter() {
        let holds = |secs| kept().holds(Retention::STANDARD, at(secs));
        assert!(holds(0) && holds(299));
        assert!(!holds(300));
        assert!(holds(-4), "another node's clock may be a little ahead");
        assert!(!holds(-3600), "a clock that stepped back");
        let brief = Retention { active_for: SignedDuration::from_secs(2), keep_for: SignedDuration::from_secs(4) };
        assert!(!kept().holds(brief, at(1)));
    }

    #[test]
    fn what_was_kept_can_be_read_and_nothing_else_can() {
        let value = serde_json::to_value(kept()).expect("plain data");
        let read = |value: &serde_json::Value| Kept::read(value.to_string().as_bytes());
        assert_eq!(read(&value).expect("it is the form of this version").statistics, kept().statistics);
        let mut later = value.clone();
        later["form"] = (FORM + 1).into();
        assert!(read(&later).is_none());
        let mut strange = value.clone();
        strange["statistics"] = "none".into();
        assert!(read(&strange).is_none());
        let whole = value.to_string();
        assert!(Kept::read(&whole.as_bytes()[..whole.len() - 1]).is_none());
        assert!(Kept::read(b"").is_none() && Kept::read(&[0xff; 64]).is_none());
    }
}
