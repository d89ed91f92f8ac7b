//! Schedules, times and words as columns. What is written here is read back equal; a column that cannot be read is an error
//! that names it, never a guess.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use oncue_domain::destination::{Format, Webhook};
use oncue_domain::event::Origin;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::Error;
use oncue_domain::trigger::ScheduleDetails;
use serde::{Deserialize, Serialize};
use url::Url;

/// How many cron lines are kept read.
const CRON_LINES_MAX: usize = 16_384;

/// Cron lines that were read lately. Reading one costs as much as reading a hundred rows, and lists show the same ones again
/// and again.
#[derive(Default)]
pub(crate) struct CronLines(Mutex<HashMap<String, CronExpression>>);

impl CronLines {
    fn get(&self, text: &str) -> Result<CronExpression, Error> {
        // A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
        let lines = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lines().get(text) {
            return Ok(known.clone());
        }
        let read = CronExpression::parse(text).map_err(|error| broken("schedule", error))?;
        let mut lines = lines();
        if lines.len() >= CRON_LINES_MAX {
            lines.clear();
        }
        lines.insert(text.to_owned(), read.clone());
        Ok(read)
    }
}

/// A schedule in its column.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(flatten)]
    kind: StoredKind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKind<'a> {
    Once { at: i64 },
    Every { period: std::borrow::Cow<'a, str>, anchor: i64, at_anchor: bool },
    Cron { expression: std::borrow::Cow<'a, str>, zone: std::borrow::Cow<'a, str> },
}

/// Writes a schedule as JSON.
pub(crate) fn schedule_to_text(details: &ScheduleDetails) -> String {
    let kind = match &details.schedule {
        Schedule::Once { at } => StoredKind::Once { at: at.as_microsecond() },
        Schedule::Every { period, anchor, first } => StoredKind::Every {
            period: period.as_str().into(),
            anchor: anchor.as_microsecond(),
            at_anchor: *first == FirstFiring::AtAnchor,
        },
        Schedule::Cron { expression, zone } => {
            StoredKind::Cron { expression: expression.as_str().into(), zone: zone.name().into() }
        }
    };
    let stored = Stored { kind, timezone: details.timezone.as_ref().map(|zone| zone.name().into()) };
    serde_json::to_string(&stored).expect("a schedule of strings and numbers is always JSON")
}

/// Reads a schedule back.
pub(crate) fn schedule_from_text(text: &str, zones: &Zones, cron_lines: &CronLines) -> Result<ScheduleDetails, Error> {
    let stored: Stored<'_> = serde_json::from_str(text).map_err(|error| broken("schedule", error))?;
    let schedule = match stored.kind {
        StoredKind::Once { at } => Schedule::Once { at: instant(at)? },
        StoredKind::Every { period, anchor, at_anchor } => Schedule::Every {
            period: Period::parse(&period).map_err(|error| broken("schedule", error))?,
            anchor: instant(anchor)?,
            first: if at_anchor { FirstFiring::AtAnchor } else { FirstFiring::OnePeriodLater },
        },
        StoredKind::Cron { expression, zone } => Schedule::Cron {
            expression: cron_lines.get(&expression)?,
            zone: zones.get(&zone).map_err(|error| broken("schedule", error))?,
        },
    };
    let timezone =
        stored.timezone.map(|name| zones.get(&name)).transpose().map_err(|error| broken("schedule", error))?;
    Ok(ScheduleDetails { schedule, timezone })
}

/// Reads an instant back.
pub(crate) fn instant(micros: i64) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(micros).map_err(|error| broken("instant", error))
}

/// Reads a destination back; its address was judged when it was saved and will be judged again when it is dialled.
pub(crate) fn webhook(url: Option<String>, format: Option<String>) -> Result<Option<Webhook>, Error> {
    let Some(url) = url else { return Ok(None) };
    let url = Url::from_str(&url).map_err(|error| broken("webhook_url", error))?;
    let format =
        format.as_deref().and_then(Format::from_word).ok_or_else(|| broken("webhook_format", "unknown word"))?;
    Ok(Some(Webhook { url, format }))
}

/// The number an origin is kept as.
pub(crate) fn origin_to_number(origin: Origin) -> i64 {
    match origin {
        Origin::Schedule => 0,
        Origin::CatchUp => 1,
        Origin::Api => 2,
        Origin::Test => 3,
    }
}

/// The origin of that number.
pub(crate) fn origin_from_number(number: i64) -> Result<Origin, Error> {
    [Origin::Schedule, Origin::CatchUp, Origin::Api, Origin::Test]
        .into_iter()
        .find(|origin| origin_to_number(*origin) == number)
        .ok_or_else(|| broken("origin", number))
}

/// The error for a column that cannot be read.
pub(crate) fn broken(column: &str, cause: impl std::fmt::Display) -> Error {
    Error::Broken(format!("column {column}: {cause}"))
}
