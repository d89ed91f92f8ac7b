//! Schedules, times and words as columns. What is written here is read back equal; a column that cannot be read is an error
//! that names it, never a guess.

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::actor::{Actor, Who};
use oncue_domain::arrival::Check;
use oncue_domain::calendar::{read_dates, write_dates};
use oncue_domain::delivery::State;
use oncue_domain::destination::alert::{Streak, Told};
use oncue_domain::destination::{self, Destination, Format, Standing, Target, Webhook};
use oncue_domain::event::Origin;
use oncue_domain::id::{ApiKeyId, CalendarId, DestinationId, UserId};
use oncue_domain::idempotency::{Answer, Outcome, Print};
use oncue_domain::misfire::{self, Misfire};
use oncue_domain::overlap::Overlap;
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::revision::Counted;
use oncue_domain::run::{Expectation, Run};
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::observed::Observed;
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::rule::{Fold, Gap};
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{Error, TargetKind};
use oncue_domain::trigger::{Definition, End, Listed, MaxFires, Pause, Problem, ScheduleDetails, Terms, Unreadable};
use serde::{Deserialize, Serialize};
use url::Url;

/// How much of a zone's name is shown where it is unknown.
const ZONE_CHARS_SHOWN: usize = 64;

/// How many cron lines are kept read.
const CRON_LINES_MAX: usize = 16_384;
/// How many recurrence rules are; each takes a few kilobytes,
const RULES_MAX: usize = 2_048;
/// and where it excepts many dates some hundred, so the texts are bounded as well.
const RULES_BYTES_MAX: usize = 1 << 20;

/// Cron lines that were read lately. Reading one costs as much as reading a hundred rows, and lists show the same ones again
/// and again.
#[derive(Default)]
pub(crate) struct CronLines {
    lines: Mutex<HashMap<String, CronExpression>>,
    /// Recurrence rules as they stand in the column, which are dearer still: one that counts looks for its end.
    rules: Mutex<Rules>,
}

#[derive(Default)]
struct Rules {
    known: HashMap<StoredRecurrence<'static>, Arc<Recurrence>>,
    bytes: usize,
}

impl CronLines {
    fn get(&self, text: &str) -> Result<CronExpression, Error> {
        // A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
        let lines = || self.lines.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn rule(&self, stored: StoredRecurrence<'_>, zones: &Zones) -> Result<Arc<Recurrence>, Error> {
        let rules = || self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = stored.into_owned();
        if let Some(known) = rules().known.get(&stored) {
            return Ok(Arc::clone(known));
        }
        let unreadable = |error: &dyn std::fmt::Display| broken("schedule", error);
        let text = RecurrenceText::read(&stored.text, zones).map_err(|error| unreadable(&error))?;
        let wall = stored.start.parse().map_err(|error| unreadable(&error))?;
        let zone = known_zone(zones, &stored.zone)?;
        let read = Arc::new(Recurrence::new(text, Start { wall, is_told: stored.is_told }, zone));
        let mut rules = rules();
        let bytes = stored.text.len();
        if rules.known.len() >= RULES_MAX || rules.bytes + bytes > RULES_BYTES_MAX {
            *rules = Rules::default();
        }
        rules.bytes += bytes;
        rules.known.insert(stored, Arc::clone(&read));
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terms: Option<StoredTerms<'a>>,
}

/// What stands beside the pattern; a schedule without any of it was written before there was any, too.
#[derive(Serialize, Deserialize)]
struct StoredTerms<'a> {
    /// The zone of the dates.
    zone: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    excluded: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calendars: Vec<StoredCalendar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gap: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_fires: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    delete_when_done: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    misfire: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all: Option<StoredBounds<'a>>,
}

/// What is taken over of a calendar.
#[derive(Serialize, Deserialize)]
struct StoredCalendar {
    id: i64,
    revision: i64,
    name: String,
    dates: Vec<String>,
}

/// Which of the missed occurrences fire where all do.
#[derive(Serialize, Deserialize)]
struct StoredBounds<'a> {
    at_most: u64,
    not_older_than: std::borrow::Cow<'a, str>,
    hold: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKind<'a> {
    Once { at: i64 },
    Every { period: std::borrow::Cow<'a, str>, anchor: i64, at_anchor: bool },
    Cron { expression: std::borrow::Cow<'a, str>, zone: std::borrow::Cow<'a, str> },
    Recurrence(StoredRecurrence<'a>),
    AnyOf(Vec<StoredMember<'a>>),
}

/// One of several schedules.
#[derive(Serialize, Deserialize)]
struct StoredMember<'a> {
    #[serde(flatten)]
    kind: StoredKind<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timezone: Option<std::borrow::Cow<'a, str>>,
}

/// A recurrence rule; the start is a time on the wall, so that newer zone data does not move it.
#[derive(Serialize, Deserialize, PartialEq, Eq, Hash)]
struct StoredRecurrence<'a> {
    text: std::borrow::Cow<'a, str>,
    start: std::borrow::Cow<'a, str>,
    is_told: bool,
    zone: std::borrow::Cow<'a, str>,
}

impl StoredRecurrence<'_> {
    fn into_owned(self) -> StoredRecurrence<'static> {
        let owned = |text: std::borrow::Cow<'_, str>| std::borrow::Cow::Owned(text.into_owned());
        StoredRecurrence {
            text: owned(self.text),
            start: owned(self.start),
            is_told: self.is_told,
            zone: owned(self.zone),
        }
    }
}

/// Writes a schedule as JSON.
pub(crate) fn schedule_to_text(details: &ScheduleDetails) -> String {
    let kind = kind(details.pattern());
    let timezone = details.timezone().map(|zone| zone.name().into());
    let stored = Stored { kind, timezone, terms: (!details.is_plain()).then(|| stored_terms(details)) };
    serde_json::to_string(&stored).expect("a schedule of strings and numbers is always JSON")
}

fn kind(schedule: &Schedule) -> StoredKind<'_> {
    match schedule {
        Schedule::Once { at } => StoredKind::Once { at: at.as_microsecond() },
        Schedule::Every { period, anchor, first } => StoredKind::Every {
            period: period.as_str().into(),
            anchor: anchor.as_microsecond(),
            at_anchor: *first == FirstFiring::AtAnchor,
        },
        Schedule::Cron { expression, zone } => {
            StoredKind::Cron { expression: expression.as_str().into(), zone: zone.name().into() }
        }
        Schedule::Recurrence(recurrence) => StoredKind::Recurrence(StoredRecurrence {
            text: recurrence.text().as_str().into(),
            start: recurrence.start().wall.to_string().into(),
            is_told: recurrence.start().is_told,
            zone: recurrence.zone().name().into(),
        }),
        Schedule::AnyOf(several) => {
            let each = several.members().iter().map(|member| StoredMember {
                kind: kind(&member.schedule),
                timezone: member.timezone.as_ref().map(|zone| zone.name().into()),
            });
            StoredKind::AnyOf(each.collect())
        }
    }
}

fn stored_terms(details: &ScheduleDetails) -> StoredTerms<'_> {
    let terms = details.terms();
    StoredTerms {
        zone: details.dates_zone().map_or("UTC", Zone::name).into(),
        starts_at: terms.bounds.starts_at().map(Timestamp::as_microsecond),
        ends_at: terms.bounds.ends_at().map(Timestamp::as_microsecond),
        excluded: terms.excluded.dates().iter().map(ToString::to_string).collect(),
        jitter: terms.jitter.map(|jitter| jitter.as_str().to_owned().into()),
        share: details.share().map(Share::number),
        calendars: terms.calendars.iter().map(|observed| stored_calendar(observed)).collect(),
        gap: terms.gap.map(|gap| gap.word().into()),
        fold: terms.fold.map(|fold| fold.word().into()),
        max_fires: details.max_fires(),
        delete_when_done: details.deletes_when_done(),
        misfire: terms.misfire.as_ref().map(|misfire| misfire.word().into()),
        all: terms.misfire.as_ref().and_then(Misfire::bounds).map(|bounds| StoredBounds {
            at_most: bounds.at_most(),
            not_older_than: bounds.not_older_than().as_str().to_owned().into(),
            hold: bounds.hold(),
        }),
    }
}

fn stored_calendar(observed: &Observed) -> StoredCalendar {
    let (id, name) = (observed.calendar.0, observed.name.clone());
    StoredCalendar { id, revision: observed.revision, name, dates: write_dates(&observed.dates) }
}

fn observed(stored: StoredCalendar) -> Result<Arc<Observed>, Error> {
    let dates = calendar_dates(stored.dates.iter().map(String::as_str), "schedule")?;
    let (calendar, revision) = (CalendarId(stored.id), stored.revision);
    Ok(Arc::new(Observed { calendar, revision, name: stored.name, dates }))
}

fn calendar_dates<'a>(texts: impl IntoIterator<Item = &'a str>, column: &str) -> Result<ExcludedDates, Error> {
    read_dates(texts).map_err(|error| broken(column, error))
}

/// Writes the dates of a calendar down.
pub(crate) fn dates_to_text(dates: &ExcludedDates) -> String {
    write_dates(dates).join(" ")
}

/// Reads them back.
pub(crate) fn dates_from_text(text: &str) -> Result<ExcludedDates, Error> {
    calendar_dates(text.split_whitespace(), "dates")
}

/// Reads the terms back, and the zone that they are said in.
fn terms(stored: StoredTerms<'_>, zones: &Zones) -> Result<(Terms, Zone), Error> {
    let unreadable = |error: &dyn std::fmt::Display| broken("schedule", error);
    let starts_at = stored.starts_at.map(instant).transpose()?;
    let ends_at = stored.ends_at.map(instant).transpose()?;
    let dates: Result<Vec<_>, _> = stored.excluded.iter().map(|text| ExcludedDates::read(text)).collect();
    let word = |word: &str| broken("schedule", format!("unknown word {word}"));
    let terms = Terms {
        bounds: Bounds::new(starts_at, ends_at).map_err(|error| unreadable(&error))?,
        excluded: dates.and_then(ExcludedDates::new).map_err(|error| unreadable(&error))?,
        jitter: stored.jitter.map(|text| Jitter::parse(&text)).transpose().map_err(|error| unreadable(&error))?,
        calendars: stored.calendars.into_iter().map(observed).collect::<Result<_, _>>()?,
        gap: stored.gap.map(|text| Gap::from_word(&text).ok_or_else(|| word(&text))).transpose()?,
        fold: stored.fold.map(|text| Fold::from_word(&text).ok_or_else(|| word(&text))).transpose()?,
        max_fires: stored
            .max_fires
            .map(|most| MaxFires::new(most).ok_or_else(|| broken("schedule", most)))
            .transpose()?,
        delete_when_done: stored.delete_when_done,
        misfire: match stored.all {
            Some(bounds) => Some(all_within(&bounds)?),
            None => stored.misfire.map(|text| Misfire::from_word(&text).ok_or_else(|| word(&text))).transpose()?,
        },
    };
    Ok((terms, known_zone(zones, &stored.zone)?))
}

fn all_within(stored: &StoredBounds<'_>) -> Result<Misfire, Error> {
    let age = Period::parse(&stored.not_older_than).map_err(|error| broken("schedule", error))?;
    let bounds = misfire::Bounds::new(Some(stored.at_most), Some(age), stored.hold);
    bounds.map(|bounds| Misfire::All(Box::new(bounds))).ok_or_else(|| broken("schedule", stored.at_most))
}

fn pattern(stored: StoredKind<'_>, zones: &Zones, cron_lines: &CronLines) -> Result<Schedule, Error> {
    Ok(match stored {
        StoredKind::Once { at } => Schedule::Once { at: instant(at)? },
        StoredKind::Every { period, anchor, at_anchor } => Schedule::Every {
            period: Period::parse(&period).map_err(|error| broken("schedule", error))?,
            anchor: instant(anchor)?,
            first: if at_anchor { FirstFiring::AtAnchor } else { FirstFiring::OnePeriodLater },
        },
        StoredKind::Cron { expression, zone } => {
            Schedule::Cron { expression: cron_lines.get(&expression)?, zone: known_zone(zones, &zone)? }
        }
        StoredKind::Recurrence(stored) => Schedule::Recurrence(cron_lines.rule(stored, zones)?),
        StoredKind::AnyOf(stored) => {
            let member = |stored: StoredMember<'_>| {
                let timezone = stored.timezone.map(|name| known_zone(zones, &name)).transpose()?;
                Ok(Member { schedule: pattern(stored.kind, zones, cron_lines)?, timezone })
            };
            Schedule::AnyOf(AnyOf::kept(stored.into_iter().map(member).collect::<Result<_, Error>>()?))
        }
    })
}

/// The zone that a schedule is kept in, which was known to whoever wrote it.
fn known_zone(zones: &Zones, name: &str) -> Result<Zone, Error> {
    zones.get(name).map_err(|_| {
        let shown: String = name.chars().take(ZONE_CHARS_SHOWN).collect();
        broken("schedule", format!("the time zone {shown} is not known to this release"))
    })
}

/// Reads a schedule back.
pub(crate) fn schedule_from_text(text: &str, zones: &Zones, cron_lines: &CronLines) -> Result<ScheduleDetails, Error> {
    // What a newer release writes is JSON all the same, and of that the reader's own words help nobody.
    let unknown = |error: serde_json::Error| match error.is_data() {
        true => broken("schedule", "this release does not understand what is stored"),
        false => broken("schedule", format!("what is stored is no JSON ({error})")),
    };
    let stored: Stored<'_> = serde_json::from_str(text).map_err(unknown)?;
    let schedule = pattern(stored.kind, zones, cron_lines)?;
    let timezone = stored.timezone.map(|name| known_zone(zones, &name)).transpose()?;
    match stored.terms {
        None => Ok(ScheduleDetails::plain(schedule, timezone)),
        Some(stored) => {
            let share = stored.share.map(Share::new);
            let (terms, zone) = terms(stored, zones)?;
            Ok(ScheduleDetails::new(schedule, timezone, terms, zone).with_share(share))
        }
    }
}

/// Reads an instant back.
pub(crate) fn instant(micros: i64) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(micros).map_err(|error| broken("instant", error))
}

/// Reads back an instant that is worked out from others, for which an auditor looks: one that lies beyond all that can be told is the beginning of
/// time, or its end.
pub(crate) fn nearest_instant(micros: i64) -> Timestamp {
    let beyond = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(beyond)
}

/// Since when a trigger that cannot be read is there, and stands as it does. What is no instant is taken for the other of the two, and where neither is
/// one, it has always been so.
pub(crate) fn since(created_at: i64, standing_since: i64) -> (Timestamp, Timestamp) {
    let (created_at, standing_since) = (instant(created_at).ok(), instant(standing_since).ok());
    let created_at = created_at.or(standing_since).unwrap_or(Timestamp::UNIX_EPOCH);
    (created_at, standing_since.unwrap_or(created_at))
}

/// Whether what a trigger waits for is what it was `seen` to wait for. Where that is no instant, whoever could not read the trigger saw none.
pub(crate) fn is_as_seen(next_at: Option<i64>, seen: Option<Timestamp>) -> bool {
    match next_at {
        Some(next_at) if instant(next_at).is_err() => seen.is_none_or(|seen| seen == nearest_instant(next_at)),
        next_at => next_at == seen.map(Timestamp::as_microsecond),
    }
}

/// Reads a destination back; its address was judged when it was saved and will be judged again when it is dialled.
pub(crate) fn webhook(url: Option<String>, format: Option<String>) -> Result<Option<Webhook>, Error> {
    let Some(url) = url else { return Ok(None) };
    let url = Url::from_str(&url).map_err(|error| broken("webhook_url", error))?;
    let format =
        format.as_deref().and_then(Format::from_word).ok_or_else(|| broken("webhook_format", "unknown word"))?;
    Ok(Some(Webhook { url, format }))
}

/// Reads back what is said of a pause.
pub(crate) fn pause(reason: Option<String>, until: Option<i64>) -> Result<Option<Pause>, Error> {
    Ok(Pause::new(reason, until.map(instant).transpose()?))
}

/// When a delivery is due that waits for those before it: never by itself, so in the year 9999.
pub(crate) const QUEUED: i64 = 253_370_764_800_000_000;

/// How a delivery stands that is owed.
pub(crate) fn owed_state(due_at: i64, is_held: bool, is_parked: bool) -> Result<State, Error> {
    Ok(match (is_held, is_parked) {
        (true, _) => State::Held,
        (false, true) => State::Parked(instant(due_at)?),
        (false, false) if due_at == QUEUED => State::Queued,
        (false, false) => State::Pending(instant(due_at)?),
    })
}

/// The numbers that stand for a trigger's own address and for the operator's default destination; all others are destinations'.
const OWN_ADDRESS: i64 = 0;
const OPERATORS_DEFAULT: i64 = -1;

/// The number a target is kept as.
pub(crate) fn target_to_number(target: &Target) -> i64 {
    match target {
        Target::Webhook(_) => OWN_ADDRESS,
        Target::Default => OPERATORS_DEFAULT,
        Target::Destination(id) => id.0,
    }
}

/// The sort of target of that number.
pub(crate) fn target_kind(number: i64) -> TargetKind {
    match number {
        OWN_ADDRESS => TargetKind::Webhook,
        OPERATORS_DEFAULT => TargetKind::Default,
        id => TargetKind::Destination(DestinationId(id)),
    }
}

/// The target of that number, of an event whose trigger had this address of its own.
pub(crate) fn target(number: i64, url: Option<String>, format: Option<String>) -> Result<Target, Error> {
    match target_kind(number) {
        TargetKind::Webhook => webhook(url, format)?
            .map(Target::Webhook)
            .ok_or_else(|| broken("webhook_url", "the event's destination is gone")),
        TargetKind::Default => Ok(Target::Default),
        TargetKind::Destination(id) => Ok(Target::Destination(id)),
    }
}

/// Writes down which destinations a trigger names, where there are any.
pub(crate) fn destinations_to_text(ids: &[DestinationId]) -> Option<String> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    (!numbers.is_empty()).then(|| serde_json::to_string(&numbers).expect("numbers are always JSON"))
}

/// Reads them back.
pub(crate) fn destinations_from_text(text: Option<&str>) -> Result<Vec<DestinationId>, Error> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let numbers: Vec<i64> = serde_json::from_str(text).map_err(|error| broken("destinations", error))?;
    Ok(numbers.into_iter().map(DestinationId).collect())
}

/// What a trigger expects, in its column.
#[derive(Serialize, Deserialize)]
struct StoredExpectation<'a> {
    report_within: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_within: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<i64>,
}

/// Writes down what a trigger expects, where it expects anything.
pub(crate) fn expects_to_text(expects: Option<&Expectation>) -> Option<String> {
    let expects = expects?;
    let (report_within, start_within) = expects.as_written();
    let stored = StoredExpectation {
        report_within: report_within.into(),
        start_within: start_within.map(Into::into),
        alert: expects.alert.map(|id| id.0),
    };
    Some(serde_json::to_string(&stored).expect("texts and numbers are always JSON"))
}

/// What a trigger says about overlapping, in its column: nothing where that is allowed.
pub(crate) fn overlap_to_text(overlap: Overlap) -> Option<&'static str> {
    (!overlap.is_allowed()).then(|| overlap.word())
}

/// Reads it back.
pub(crate) fn overlap_from_text(text: Option<&str>) -> Result<Overlap, Error> {
    let Some(text) = text else { return Ok(Overlap::Allow) };
    Overlap::from_word(text).ok_or_else(|| broken("overlap", "no such word"))
}

/// Reads it back.
pub(crate) fn expects_from_text(text: Option<&str>) -> Result<Option<Expectation>, Error> {
    let Some(text) = text else { return Ok(None) };
    let stored: StoredExpectation<'_> = serde_json::from_str(text).map_err(|error| broken("expects", error))?;
    let period = |text: &str| Period::parse(text).map_err(|error| broken("expects", error));
    let (report, start) = (period(&stored.report_within)?, stored.start_within.as_deref().map(period).transpose()?);
    let expects = Expectation::new(report, start, stored.alert.map(DestinationId));
    expects.map(Some).map_err(|error| broken("expects", error))
}

/// Writes a run down.
pub(crate) fn run_to_text(run: &Run) -> String {
    serde_json::to_string(run).expect("instants, texts and numbers are always JSON")
}

/// Reads it back.
pub(crate) fn run_from_text(text: &str) -> Result<Run, Error> {
    serde_json::from_str(text).map_err(|error| broken("said", error))
}

/// Reads back what somebody said about a destination.
pub(crate) fn definition_from_text(text: &str) -> Result<destination::Definition, Error> {
    destination::Definition::from_text(text).map_err(|error| broken("definition", error))
}

/// What came of reading one destination of a list: nothing where it cannot be read, so that the others are seen all the same.
pub(crate) fn readable(id: i64, read: Result<Destination, Error>) -> Result<Option<Destination>, Error> {
    match read {
        Err(Error::Broken(error)) => {
            tracing::error!(destination = id, error, "destination {id} cannot be read, and is left out of a list");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// The number, the instant and the reason that a destination's standing is kept as.
pub(crate) fn standing_to_columns(standing: &Standing) -> (i64, Option<i64>, Option<&str>) {
    match standing {
        Standing::Active => (ACTIVE, None, None),
        Standing::Paused { since } => (PAUSED, Some(since.as_microsecond()), None),
        Standing::Suspended { since, reason } => (SUSPENDED, Some(since.as_microsecond()), Some(reason)),
    }
}

/// Reads a destination's standing back.
pub(crate) fn standing(number: i64, since: Option<i64>, reason: Option<String>) -> Result<Standing, Error> {
    let since = || since.ok_or_else(|| broken("since", "nothing")).and_then(instant);
    match number {
        ACTIVE => Ok(Standing::Active),
        PAUSED => Ok(Standing::Paused { since: since()? }),
        SUSPENDED => Ok(Standing::Suspended { since: since()?, reason: reason.unwrap_or_default() }),
        number => Err(broken("standing", number)),
    }
}

/// How it is kept whether a destination takes deliveries.
pub(crate) const ACTIVE: i64 = 0;
const PAUSED: i64 = 1;
pub(crate) const SUSPENDED: i64 = 2;

/// By which secret something that arrived was signed, or else why by none, as it is kept.
pub(crate) fn check_to_columns(check: &Check) -> (Option<&str>, Option<&str>) {
    match check {
        Check::Unsigned => (None, None),
        Check::Signed(secret) => (Some(secret), None),
        Check::Unverified(why) => (None, Some(why)),
    }
}

/// Reads it back.
pub(crate) fn check(signed_by: Option<String>, unverified: Option<String>) -> Check {
    match (signed_by, unverified) {
        (Some(secret), _) => Check::Signed(secret),
        (None, Some(why)) => Check::Unverified(why),
        (None, None) => Check::Unsigned,
    }
}

/// Reads back how often a trigger has fired under its limit.
pub(crate) fn fired(number: Option<i64>) -> Result<u64, Error> {
    u64::try_from(number.unwrap_or(0)).map_err(|error| broken("fired", error))
}

/// Reads back up to which occurrence firings were counted, where any were.
pub(crate) fn counted_until(number: Option<i64>) -> Result<Option<Timestamp>, Error> {
    number.map(instant).transpose()
}

/// Reads back what was counted against a limit when a revision ended; none where nobody kept that.
pub(crate) fn counted(number: Option<i64>, until: Option<i64>) -> Result<Option<Counted>, Error> {
    let counted = |number| Ok(Counted { fired: fired(Some(number))?, until: counted_until(until)? });
    number.map(counted).transpose()
}

/// Whether a trigger that is kept as this ended with its expiry, as [`End::comes_with_expiry`] says; one that cannot be read did.
pub(crate) fn ended_with_expiry(
    schedule: Option<&str>,
    (is_test, number): (bool, Option<i64>),
    expires_at: Timestamp,
    (zones, cron_lines): (&Zones, &CronLines),
) -> Result<bool, Error> {
    let read = schedule.map(|text| schedule_from_text(text, zones, cron_lines)).transpose();
    let (Some(schedule), Some(fired)) = (listed(read)?, listed(fired(number))?) else { return Ok(true) };
    Ok(End::comes_with_expiry(schedule.as_ref(), is_test, fired, expires_at))
}

/// How many bytes of a definition somebody wrote that may be long; a date takes four, wherever it stands.
pub(crate) fn texts_of(definition: &Definition) -> usize {
    let dates: usize = definition.calendars().iter().map(|observed| observed.dates.dates().len()).sum();
    dates * 8
        + definition.payload.as_ref().map_or(0, |payload| payload.as_str().len())
        + definition.payload_schema.as_ref().map_or(0, |schema| schema.as_str().len())
}

/// What a call was told apart by.
pub(crate) fn print(bytes: Vec<u8>) -> Result<Print, Error> {
    let length = bytes.len();
    bytes.try_into().map(Print).map_err(|_| broken("print", format!("{length} bytes")))
}

/// What came of what was done under a key.
pub(crate) fn outcome(number: Option<i64>, status: Option<i64>, body: Option<Vec<u8>>) -> Result<Outcome, Error> {
    Ok(match (number, status) {
        (Some(number), _) => Outcome::Made(number),
        (None, Some(status)) => {
            let status = u16::try_from(status).map_err(|_| broken("status", status))?;
            Outcome::Answered(Answer { status, body })
        }
        (None, None) => Outcome::Underway,
    })
}

/// How long an answer took, in microseconds.
pub(crate) fn waited_to_number(waited: SignedDuration) -> i64 {
    i64::try_from(waited.as_micros()).unwrap_or(i64::MAX)
}

/// Reads it back.
pub(crate) fn waited(micros: i64) -> SignedDuration {
    SignedDuration::from_micros(micros)
}

/// Writes header lines down as pairs of name and value.
pub(crate) fn headers_to_text(headers: &[(String, String)]) -> String {
    serde_json::to_string(headers).expect("pairs of strings are always JSON")
}

/// Reads them back.
pub(crate) fn headers(text: &str) -> Result<Vec<(String, String)>, Error> {
    serde_json::from_str(text).map_err(|error| broken("headers", error))
}

/// The number an origin is kept as.
pub(crate) fn origin_to_number(origin: Origin) -> i64 {
    match origin {
        Origin::Schedule => 0,
        Origin::CatchUp => 1,
        Origin::Api => 2,
        Origin::Test => 3,
        Origin::Repeat => 4,
        Origin::Alert => 5,
        Origin::Backfill => 6,
        Origin::Run => 7,
    }
}

/// The origin of that number.
pub(crate) fn origin_from_number(number: i64) -> Result<Origin, Error> {
    Origin::ALL.into_iter().find(|origin| origin_to_number(*origin) == number).ok_or_else(|| broken("origin", number))
}

/// How it is kept in the rows of what an event owes how the event was counted when nothing of it was owed before.
pub(crate) const NOT_COUNTED: i64 = 0;
pub(crate) const COUNTED_AS_FAILED: i64 = 1;
pub(crate) const COUNTED_AS_DELIVERED: i64 = 2;

/// The claims of a delivery that is sent again are counted from a multiple of this on.
pub(crate) const FENCES_APART: i64 = 1 << 32;

/// The origins of events that are not counted, as a list in SQL.
pub(crate) fn uncounted() -> String {
    let numbers = Origin::ALL.into_iter().filter(|origin| !origin.is_counted()).map(origin_to_number);
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
}

/// Who was told of a streak, and when, as columns.
pub(crate) fn told_to_columns(told: Option<Told>) -> (Option<i64>, Option<i64>) {
    (told.map(|told| told.destination.0), told.map(|told| told.at.as_microsecond()))
}

/// Reads a streak back.
pub(crate) fn streak(failures: i64, since: i64, told: Option<i64>, told_at: Option<i64>) -> Result<Streak, Error> {
    let told = match (told, told_at) {
        (Some(id), Some(at)) => Some(Told { destination: DestinationId(id), at: instant(at)? }),
        _ => None,
    };
    let failures = u32::try_from(failures).map_err(|error| broken("failures", error))?;
    Ok(Streak { failures, since: instant(since)?, told })
}

/// The number that stands for the owner of what is the server's own.
pub(crate) const NOBODYS: i64 = 0;

/// Who did something, in a column.
#[derive(Serialize, Deserialize)]
struct StoredActor<'a> {
    #[serde(flatten)]
    who: StoredWho<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredWho<'a> {
    User { id: i64, email: std::borrow::Cow<'a, str> },
    ApiKey { id: i64, name: std::borrow::Cow<'a, str>, prefix: std::borrow::Cow<'a, str> },
    CommandLine {},
    System {},
    Stranger {},
}

/// Writes down who did something.
pub(crate) fn actor_to_text(actor: &Actor) -> String {
    let who = match &actor.who {
        Who::User { id, email } => StoredWho::User { id: id.0, email: email.into() },
        Who::ApiKey { id, name, prefix } => StoredWho::ApiKey { id: id.0, name: name.into(), prefix: prefix.into() },
        Who::CommandLine => StoredWho::CommandLine {},
        Who::System => StoredWho::System {},
        Who::Stranger => StoredWho::Stranger {},
    };
    let stored = StoredActor { who, address: actor.address, program: actor.program.as_deref().map(Into::into) };
    serde_json::to_string(&stored).expect("strings and numbers are always JSON")
}

/// Reads it back.
pub(crate) fn actor(text: &str) -> Result<Actor, Error> {
    let stored: StoredActor<'_> = serde_json::from_str(text).map_err(|error| broken("made_by", error))?;
    let who = match stored.who {
        StoredWho::User { id, email } => Who::User { id: UserId(id), email: email.into_owned() },
        StoredWho::ApiKey { id, name, prefix } => {
            Who::ApiKey { id: ApiKeyId(id), name: name.into_owned(), prefix: prefix.into_owned() }
        }
        StoredWho::CommandLine {} => Who::CommandLine,
        StoredWho::System {} => Who::System,
        StoredWho::Stranger {} => Who::Stranger,
    };
    Ok(Actor { who, address: stored.address, program: stored.program.map(|program| program.into_owned()) })
}

/// What was read for a list; none where it cannot be, because one row of which nothing can be made must not hide all the others. The auditor
/// finds it, and the scheduler says in full what is wrong with it.
pub(crate) fn listed<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error) if error.may_be_about_one() => Ok(None),
        read => read.map(Some),
    }
}

/// What was read of something that ended by itself. None where it cannot be read: it is noted as told all the same, so the log says so once, and
/// the ends of others are told.
pub(crate) fn ended<T>(of: &'static str, id: i64, read: Result<T, Error>) -> Result<Option<T>, Error> {
    if let Err(error) = &read
        && error.may_be_about_one()
    {
        tracing::error!(id, %error, "that {of} {id} came to its end is written down nowhere: it cannot be read");
    }
    listed(read)
}

/// What was read of a trigger's row: whoever owns it can put right what cannot be read in it.
pub(crate) fn of_trigger<T>(read: Result<T, Error>) -> Result<T, Error> {
    read.map_err(|error| match error {
        Error::Broken(words) => Error::Unreadable(problem(&words)),
        other => other,
    })
}

/// What is wrong with a trigger, by the words of [`broken`].
fn problem(words: &str) -> Problem {
    let Some((column, why)) = words.strip_prefix(COLUMN).and_then(|rest| rest.split_once(": ")) else {
        return Problem { field: None, why: words.to_owned() };
    };
    let field = match column {
        "schedule" => Some("schedule_details"),
        "payload" => Some("api_payload"),
        "payload_schema" => Some("payload_schema"),
        "webhook_url" => Some("webhook_url"),
        "webhook_format" => Some("format"),
        "destinations" => Some("destinations"),
        "expects" => Some("expects"),
        "overlap" => Some("overlap"),
        _ => None,
    };
    let why = if field.is_some() { why } else { words };
    Problem { field, why: why.to_owned() }
}

/// What was read of a trigger for a list that leaves out none; `rest` makes of its row and of what is wrong with it what can be said of it all the
/// same. None where not even that can be read.
pub(crate) fn listed_or<T>(
    read: Result<T, Error>,
    rest: impl FnOnce(Problem) -> Result<Unreadable, Error>,
) -> Result<Option<Listed<T>>, Error> {
    match of_trigger(read) {
        Err(Error::Unreadable(problem)) => Ok(listed(rest(problem))?.map(Listed::Unreadable)),
        read => read.map(|read| Some(Listed::Read(read))),
    }
}

/// Reads back what a trigger's events carry that are given nothing else.
pub(crate) fn payload(text: &str) -> Result<Payload, Error> {
    Payload::parse(text).map_err(|error| broken("payload", error.message))
}

/// Reads back what that has to be like.
pub(crate) fn payload_schema(text: &str) -> Result<PayloadSchema, Error> {
    PayloadSchema::from_stored(text).map_err(|error| broken("payload_schema", error.message))
}

/// A span of time in its column, in microseconds.
pub(crate) fn span_to_number(span: SignedDuration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The span of that column.
pub(crate) fn span(micros: i64) -> SignedDuration {
    SignedDuration::from_micros(micros)
}

/// How the words of [`broken`] begin.
const COLUMN: &str = "column ";

/// The error for a column that cannot be read.
pub(crate) fn broken(column: &str, cause: impl std::fmt::Display) -> Error {
    Error::Broken(format!("{COLUMN}{column}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_queued_is_never_due() {
        let never: Timestamp = "9999-01-01T00:00:00Z".parse().expect("an instant");
        assert_eq!(instant(QUEUED), Ok(never));
    }

    #[test]
    fn an_instant_beyond_all_time_is_seen_as_its_end_or_by_whoever_reads_nothing_as_none() {
        let (before, after) = (Timestamp::MIN, Timestamp::MAX);
        for (micros, nearest) in
            [(i64::MIN, before), (i64::MAX, after), (-1, Timestamp::from_microsecond(-1).expect("one"))]
        {
            assert_eq!(nearest_instant(micros), nearest);
            assert!(is_as_seen(Some(micros), Some(nearest)));
            assert!(!is_as_seen(Some(micros), Some(Timestamp::UNIX_EPOCH)) && !is_as_seen(None, Some(nearest)));
            assert_eq!(is_as_seen(Some(micros), None), micros != -1, "{micros} is not to be told");
        }
        assert!(is_as_seen(None, None));
    }

    #[test]
    fn a_problem_names_the_field_of_the_api_and_says_what_is_wrong_as_its_owner_understands_it() {
        let cron_lines = CronLines::default();
        let why = |text: &str| match of_trigger(schedule_from_text(text, &Zones::bundled(), &cron_lines)) {
            Err(Error::Unreadable(problem)) => (problem.field, problem.why),
            other => panic!("{other:?}"),
        };
        let cron = |zone: &str| format!(r#"{{"cron":{{"expression":"0 9 * * *","zone":"{zone}"}}}}"#);
        let unknown = "the time zone Mars/Base is not known to this release".to_owned();
        assert_eq!(why(&cron("Mars/Base")), (Some("schedule_details"), unknown));
        let newer = "this release does not understand what is stored".to_owned();
        assert_eq!(why(r#"{"tide":{"port":"Riga"}}"#), (Some("schedule_details"), newer));
        assert!(why("x").1.starts_with("what is stored is no JSON ("));
        assert!(schedule_from_text(&cron("Europe/Riga"), &Zones::bundled(), &cron_lines).is_ok());
        assert_eq!(
            problem("column payload: no JSON"),
            Problem { field: Some("api_payload"), why: "no JSON".to_owned() }
        );
        for words in ["column instant: out of range", "no such row"] {
            assert_eq!(problem(words), Problem { field: None, why: words.to_owned() });
        }
    }
}
