//! Schedules on surface two: what one looks like in JSON, how it is read, and what it will do, before and after there is a trigger for it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use oncue_domain::backlog::BACKLOG_MAX;
use oncue_domain::error::Invalid;
use oncue_domain::misfire::{Bounds, Misfire};
use oncue_domain::schedule::any_of::{MEMBERS_MAX, Member};
use oncue_domain::schedule::bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::jitter::Jitter;
use oncue_domain::schedule::recurrence::RecurrenceText;
use oncue_domain::schedule::rule::{Fold, Gap};
use oncue_domain::schedule::zone::{Zone, parse_instant, wall_of};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{MaxFires, MemberWish, ScheduleDetails, ScheduleWish, Terms, TriggerHead};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::time;
use super::trigger::zone_of;
use super::trigger_calendar::{self, Calendars};
use crate::app::{App, Shared};
use crate::auth::Reader;
use crate::extract::{Fields, JsonBody};
use crate::fault::{Fault, Problem};
use crate::openapi::MakingErrors;

/// What a schedule has exactly one of.
const PATTERNS: [&str; 4] = ["run_at", "every", "cron", "rrule"];
/// How many occurrences are shown when nobody says.
const COUNT_UNASKED: usize = 5;

/// When a scheduled trigger fires: exactly one of `run_at`, `every`, `cron`, `rrule` and `any_of`.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ScheduleDetails, example = json!({"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"}))]
pub(crate) struct ScheduleDocument {
    /// Once, at this time (RFC 3339; without an offset it is read in `timezone`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2027-02-15T14:00:00+05:30")]
    run_at: Option<String>,
    /// Every so often, at least one second.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1h30m")]
    every: Option<String>,
    /// The first firing of `every`; without it the first comes one period after the trigger was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2027-01-01T00:00:00Z")]
    start_at: Option<String>,
    /// A cron line of five fields, or of six with seconds first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0 9 * * 1-5")]
    cron: Option<String>,
    /// A recurrence rule as calendars write it (RFC 5545), alone or with lines `DTSTART` and `EXDATE` (docs/rrule.md). Without a `DTSTART`
    /// it counts from `start_at`, and without that from the beginning of the day on which it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=0")]
    rrule: Option<String>,
    /// When any of 2 to 10 schedules does: each a pattern of the other kinds, perhaps with a `timezone` of its own. An instant that two of them
    /// name is one occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!([{"cron": "0 9 * * 1-5"}, {"cron": "0 12 * * 6"}]))]
    any_of: Option<Vec<MemberDocument>>,
    /// An IANA time zone; without it the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Riga")]
    timezone: Option<String>,
    /// From then on `every`, `cron` and `rrule` count; an occurrence before does not exist. It moves no grid: that is `start_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2027-01-01T00:00:00Z")]
    starts_at: Option<String>,
    /// Until then `every`, `cron` and `rrule` count; an occurrence at this time or after it does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2028-01-01T00:00:00Z")]
    ends_at: Option<String>,
    /// Dates on which `every`, `cron` and `rrule` do not occur, by the calendar of the schedule's zone: `YYYY-MM-DD`, at most 1 000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["2027-12-24", "2027-12-25"]))]
    excluded_dates: Option<Vec<String>>,
    /// Each occurrence falls due later than its nominal time, less than this period and before the next: by how much is drawn once for each
    /// trigger and stays. From 1 second to 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "5m")]
    jitter: Option<String>,
    /// The names of calendars of yours, at most 5, on whose dates nothing occurs; a number names one by its id. Not with `run_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["holidays"]))]
    except_calendars: Option<Vec<String>>,
    /// What `cron` and `rrule` do with times that the clocks leave out: `at_its_end` fires once as the gap ends, `left_out` not at all. Without it
    /// the line decides (docs/cron.md, docs/rrule.md).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "left_out")]
    gap: Option<String>,
    /// What `cron` and `rrule` do with times that the clocks show twice: `first_pass` fires once, `both_passes` both times. Without it the
    /// line decides (docs/cron.md, docs/rrule.md).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "first_pass")]
    fold: Option<String>,
    /// How often `every`, `cron` or `rrule` fires at most, counted from when it is first said: 1 to 1 000 000 000. What is missed or skipped does
    /// not count, nor do tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 10, minimum = 1, maximum = 1_000_000_000)]
    max_fires: Option<u64>,
    /// Deletes the trigger when nothing of its schedule is left: it has fired, `max_fires` is reached, it has ended or expired. Its events
    /// stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(example = true)]
    delete_when_done: bool,
    /// What becomes of occurrences that fell due while oncue did not run: `latest` fires the latest of them, if it is at most 24 hours late,
    /// `skip` none, and `all`, which may be an object with bounds, all of them within bounds, behind whatever is due. Without it `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!({"policy": "all", "at_most": 1000, "not_older_than": "24h"}))]
    misfire: Option<MisfireDocument>,
}

/// What becomes of what is missed: a word, or a word with bounds.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Misfire, example = "skip")]
enum MisfireDocument {
    /// `latest`, `skip` or `all`.
    Word(String),
    /// `all`, within bounds.
    All(AllDocument),
}

/// Which of the missed occurrences fire late.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = MisfireBounds, example = json!({"policy": "all", "at_most": 1000, "not_older_than": "24h", "hold": false}))]
struct AllDocument {
    /// `all`.
    policy: String,
    /// So many at most, the newest: 1 to 100 000; without it 1 000.
    #[schema(minimum = 1, maximum = 100_000)]
    at_most: Option<u64>,
    /// Those that fell due longer ago do not fire: 1 second to 366 days; without it `24h`.
    not_older_than: Option<String>,
    /// Whether they wait until somebody releases or discards them (`/api/v1/backlog`).
    hold: Option<bool>,
}

impl MisfireDocument {
    fn of(misfire: &Misfire) -> MisfireDocument {
        match misfire.bounds().filter(|bounds| **bounds != Bounds::default()) {
            None => MisfireDocument::Word(misfire.word().to_owned()),
            Some(bounds) => MisfireDocument::All(AllDocument {
                policy: misfire.word().to_owned(),
                at_most: Some(bounds.at_most()),
                not_older_than: Some(bounds.not_older_than().as_str().to_owned()),
                hold: Some(bounds.hold()),
            }),
        }
    }
}

impl ScheduleDocument {
    pub(crate) fn of(details: &ScheduleDetails) -> ScheduleDocument {
        let terms = details.terms();
        let dates = terms.excluded.dates();
        let mut document = ScheduleDocument {
            run_at: None,
            every: None,
            start_at: None,
            cron: None,
            rrule: None,
            any_of: None,
            timezone: details.timezone().map(|zone| zone.name().to_owned()),
            starts_at: terms.bounds.starts_at().map(time),
            ends_at: terms.bounds.ends_at().map(time),
            excluded_dates: (!dates.is_empty()).then(|| dates.iter().map(ToString::to_string).collect()),
            jitter: terms.jitter.map(|jitter| jitter.as_str().to_owned()),
            except_calendars: (!terms.calendars.is_empty())
                .then(|| terms.calendars.iter().map(|observed| observed.name.clone()).collect()),
            gap: terms.gap.map(|gap| gap.word().to_owned()),
            fold: terms.fold.map(|fold| fold.word().to_owned()),
            max_fires: details.max_fires(),
            delete_when_done: details.deletes_when_done(),
            misfire: terms.misfire.as_ref().map(MisfireDocument::of),
        };
        if let Schedule::AnyOf(several) = details.pattern() {
            document.any_of = Some(several.members().iter().map(MemberDocument::of).collect());
        } else {
            let MemberDocument { run_at, every, start_at, cron, rrule, timezone: _ } = pattern(details.pattern());
            document = ScheduleDocument { run_at, every, start_at, cron, rrule, ..document };
        }
        document
    }
}

/// One of several schedules: exactly one of `run_at`, `every`, `cron` and `rrule`.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ScheduleMember, example = json!({"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"}))]
struct MemberDocument {
    /// Once, at this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2027-02-15T14:00:00+05:30")]
    run_at: Option<String>,
    /// On a grid of elapsed time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "90s")]
    every: Option<String>,
    /// Where `every` or `rrule` counts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2027-01-01T00:00:00Z")]
    start_at: Option<String>,
    /// A cron line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0 9 * * 1-5")]
    cron: Option<String>,
    /// A calendar's rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17")]
    rrule: Option<String>,
    /// An IANA time zone; without it that of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Riga")]
    timezone: Option<String>,
}

impl MemberDocument {
    fn of(member: &Member) -> MemberDocument {
        let timezone = member.timezone.as_ref().map(|zone| zone.name().to_owned());
        MemberDocument { timezone, ..pattern(&member.schedule) }
    }
}

/// A pattern that is not several.
fn pattern(schedule: &Schedule) -> MemberDocument {
    let mut document = MemberDocument::default();
    match schedule {
        Schedule::Once { at } => document.run_at = Some(time(*at)),
        Schedule::Every { period, anchor, first } => {
            document.every = Some(period.as_str().to_owned());
            document.start_at = (*first == FirstFiring::AtAnchor).then(|| time(*anchor));
        }
        Schedule::Cron { expression, .. } => document.cron = Some(expression.as_str().to_owned()),
        Schedule::Recurrence(recurrence) => {
            document.rrule = Some(recurrence.text().as_str().to_owned());
            document.start_at = recurrence.told_start().map(time);
        }
        Schedule::AnyOf(_) => {}
    }
    document
}

/// A schedule as it was asked for.
pub(crate) struct ReadWish {
    pub(crate) wish: Option<ScheduleWish>,
    pub(crate) timezone: Option<Zone>,
    pub(crate) terms: Terms,
}

/// Reads the fields of a schedule; what is wrong stays in `inner`.
pub(crate) fn read_wish(app: &Shared, calendars: &Calendars, inner: &mut Fields) -> ReadWish {
    let timezone = inner.take_with("timezone", |name| app.zones.get(name));
    let zone = timezone.clone().unwrap_or_else(|| app.settings.zone.clone());
    let wish = match inner.has("any_of") {
        true => read_any_of(app, inner, &zone),
        false => read_pattern(app, inner, &zone, "run_at, every, cron, rrule and any_of"),
    };
    let terms = read_terms(inner, calendars, &zone);
    ReadWish { wish, timezone, terms }
}

/// Reads several schedules, each with a zone of its own or that of all.
fn read_any_of(app: &Shared, inner: &mut Fields, zone: &Zone) -> Option<ScheduleWish> {
    let others: Vec<&str> = PATTERNS.into_iter().filter(|name| inner.has(name)).collect();
    if !others.is_empty() {
        inner.ignore(&PATTERNS);
        inner.ignore(&["any_of", "start_at"]);
        let others = others.join(" and ");
        inner.fail(
            "",
            format!(
                "A schedule has exactly one of run_at, every, cron, rrule and any_of; this one has any_of and {others}."
            ),
        );
        return None;
    }
    let list: Vec<Box<RawValue>> = inner.take("any_of", "This must be a list of 2 to 10 schedules.")?;
    if !(2..=MEMBERS_MAX).contains(&list.len()) {
        inner.fail("any_of", format!("Several schedules are 2 to {MEMBERS_MAX}."));
        return None;
    }
    let mut wishes = Vec::with_capacity(list.len());
    for (place, raw) in list.iter().enumerate() {
        let mut member = match Fields::of(raw.get(), format!("schedule_details.any_of.{place}")) {
            Ok(member) => member,
            Err(error) => {
                inner.errors.push(error);
                continue;
            }
        };
        let timezone = member.take_with("timezone", |name| app.zones.get(name));
        let zone = timezone.as_ref().unwrap_or(zone);
        let wish = read_pattern(app, &mut member, zone, "run_at, every, cron and rrule");
        wishes.extend(wish.map(|wish| MemberWish { wish, timezone }));
        inner.absorb(member);
    }
    (wishes.len() == list.len()).then_some(ScheduleWish::AnyOf(wishes))
}

/// Reads one pattern; `all` are those there can be.
fn read_pattern(app: &Shared, inner: &mut Fields, zone: &Zone, all: &str) -> Option<ScheduleWish> {
    let named: Vec<&str> = PATTERNS.into_iter().filter(|name| inner.has(name)).collect();
    let wish = match named.as_slice() {
        ["run_at"] => inner.take_instant("run_at", zone).map(ScheduleWish::RunAt),
        ["every"] => inner
            .take_with("every", Period::parse)
            .map(|period| ScheduleWish::Every { period, start_at: inner.take_instant("start_at", zone) }),
        ["cron"] => inner.take_with("cron", CronExpression::parse).map(ScheduleWish::Cron),
        ["rrule"] => inner.take_with("rrule", |text| RecurrenceText::read(text, &app.zones)).map(|text| {
            let start_at = inner.take_with("start_at", |text| wall_start(text, zone));
            ScheduleWish::Recurrence { text: Box::new(text), start_at }
        }),
        [] => {
            inner.fail("", format!("A schedule has exactly one of {all}."));
            None
        }
        several => {
            let several = several.join(" and ");
            inner.ignore(&PATTERNS);
            inner.fail("", format!("A schedule has exactly one of {all}; this one has {several}."));
            None
        }
    };
    if wish.is_none() && inner.errors.is_empty() {
        inner.fail("", format!("A schedule has exactly one of {all}; null is none of them."));
    }
    let starts = matches!(wish, Some(ScheduleWish::Every { .. } | ScheduleWish::Recurrence { .. }));
    if inner.has("start_at") && !starts && inner.errors.is_empty() {
        inner.fail("start_at", "Only every and rrule have a start_at.");
    }
    inner.ignore(&["start_at"]);
    wish
}

/// Reads where a rule starts: on the clock of its zone, and to the second.
fn wall_start(text: &str, zone: &Zone) -> Result<DateTime, String> {
    let instant = parse_instant(text, zone).map_err(|error| error.to_string())?;
    let wall = wall_of(text).unwrap_or_else(|| zone.time_zone().to_datetime(instant));
    if wall.subsec_nanosecond() != 0 {
        return Err("A rule starts at a whole second; leave out the fraction.".to_owned());
    }
    Ok(wall)
}

/// Reads what is said beside the pattern; null is nothing, like what is left out.
fn read_terms(inner: &mut Fields, calendars: &Calendars, zone: &Zone) -> Terms {
    let (starts_at, ends_at) = (inner.take_instant("starts_at", zone), inner.take_instant("ends_at", zone));
    let bounds = bounds::Bounds::new(starts_at, ends_at).unwrap_or_else(|error| {
        inner.fail("ends_at", error.to_string());
        bounds::Bounds::default()
    });
    let gap = |word: &str| Gap::from_word(word).ok_or("This is \"at_its_end\" or \"left_out\".");
    let fold = |word: &str| Fold::from_word(word).ok_or("This is \"first_pass\" or \"both_passes\".");
    Terms {
        bounds,
        excluded: read_dates(inner),
        jitter: inner.take_with("jitter", Jitter::parse),
        calendars: trigger_calendar::read(inner, calendars),
        gap: inner.take_with("gap", gap),
        fold: inner.take_with("fold", fold),
        max_fires: read_max_fires(inner),
        delete_when_done: inner.take("delete_when_done", "This must be true or false.").unwrap_or(false),
        misfire: read_misfire(inner),
    }
}

/// Reads what becomes of what is missed: a word, or an object.
fn read_misfire(inner: &mut Fields) -> Option<Misfire> {
    let expected =
        "This is \"latest\", \"skip\", \"all\", or {\"policy\": \"all\"} with at_most, not_older_than and hold.";
    if inner.raw("misfire").is_some_and(|raw| raw.trim_start().starts_with('{')) {
        let mut all = inner.take_object("misfire")?;
        let misfire = read_all(&mut all, expected);
        inner.absorb(all);
        return misfire;
    }
    let word: String = inner.take("misfire", expected)?;
    let misfire = Misfire::from_word(&word);
    if misfire.is_none() {
        inner.fail("misfire", expected);
    }
    misfire
}

fn read_all(all: &mut Fields, expected: &str) -> Option<Misfire> {
    let policy: Option<String> = all.take("policy", expected);
    let most = format!("This is a whole number from 1 to {BACKLOG_MAX}.");
    let at_most = all.take::<u64>("at_most", &most);
    let not_older_than = all.take_with("not_older_than", Period::parse);
    let hold = all.take("hold", "This must be true or false.").unwrap_or(false);
    match policy.as_deref() {
        Some("all") => {}
        Some("latest" | "skip") if at_most.is_none() && not_older_than.is_none() && !hold => {
            return policy.as_deref().and_then(Misfire::from_word);
        }
        _ => {
            all.fail("policy", "Only \"all\" has bounds, and an object must say it.");
            return None;
        }
    }
    let bounds = Bounds::new(at_most, not_older_than, hold);
    if bounds.is_none() {
        all.fail("at_most", most);
    }
    bounds.map(|bounds| Misfire::All(Box::new(bounds)))
}

fn read_max_fires(inner: &mut Fields) -> Option<MaxFires> {
    let expected = "This must be a whole number from 1 to 1000000000.";
    let most = MaxFires::new(inner.take::<u64>("max_fires", expected)?);
    if most.is_none() {
        inner.fail("max_fires", expected);
    }
    most
}

fn read_dates(inner: &mut Fields) -> ExcludedDates {
    let texts: Vec<String> =
        inner.take("excluded_dates", "This must be a list of dates, each a string.").unwrap_or_default();
    let dates: Result<Vec<Date>, _> = texts.iter().map(|text| ExcludedDates::read(text)).collect();
    dates.and_then(ExcludedDates::new).unwrap_or_else(|error| {
        inner.fail("excluded_dates", error.to_string());
        ExcludedDates::default()
    })
}

/// A schedule in words, and its occurrences.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "summary": "At 09:00, Monday to Friday", "timezone": "Europe/Riga", "occurrences": ["2026-11-23T07:00:00Z"]
}))]
pub(crate) struct Preview {
    /// The schedule in words; none for a trigger that has no schedule.
    summary: Option<String>,
    timezone: String,
    /// Their nominal times.
    occurrences: Vec<String>,
    /// Of a trigger whose schedule has a `jitter`: when each of them falls due.
    #[serde(skip_serializing_if = "Option::is_none")]
    fires_at: Option<Vec<String>>,
}

impl Preview {
    fn of(app: &Shared, details: &ScheduleDetails, after: Timestamp, count: usize) -> Preview {
        let next = |last: &Timestamp| details.next_after(*last);
        let count = at_most(count, details.max_fires());
        let occurrences = std::iter::successors(details.next_after(after), next).take(count).map(time).collect();
        let timezone = zone_of(app, details).name().to_owned();
        Preview { summary: Some(details.summary()), timezone, occurrences, fires_at: None }
    }

    /// What a trigger will do, as whoever asks about many is told: nothing while it is paused, nothing after its expiry.
    pub(crate) fn upcoming(app: &Shared, head: &TriggerHead, count: usize, now: Timestamp) -> Preview {
        let Some(details) = &head.schedule else {
            let timezone = app.settings.zone.name().to_owned();
            return Preview { summary: None, timezone, occurrences: Vec::new(), fires_at: None };
        };
        let dues: Vec<Timestamp> = head.firings_to_come(now).take(count).collect();
        let occurrences = dues.iter().map(|due| time(details.named_for(*due))).collect();
        let fires_at = details.jitter().map(|_| dues.into_iter().map(time).collect());
        Preview { occurrences, fires_at, ..Preview::of(app, details, now, 0) }
    }
}

/// So many, but no more than there can be.
fn at_most(count: usize, most: Option<u64>) -> usize {
    most.map_or(count, |most| count.min(usize::try_from(most).unwrap_or(usize::MAX)))
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
pub(crate) async fn preview(
    State(app): State<App>,
    Reader(caller): Reader,
    body: JsonBody,
) -> Result<Response, Problem> {
    let bytes = body.needed()?;
    let calendars = Calendars::named_in(&app, caller.owner(), bytes).await?;
    let now = app.now();
    let mut fields = Fields::parse(bytes)?;
    let after = fields.take_instant("after", &app.settings.zone);
    let count = fields.take::<usize>("count", "The count is a number from 1 to 100.");
    if count.is_some_and(|count| !(1..=100).contains(&count)) {
        fields.fail("count", "The count is a number from 1 to 100.");
    }
    let read = match fields.take_object("schedule_details") {
        Some(mut inner) => {
            let read = read_wish(&app, &calendars, &mut inner);
            fields.absorb(inner);
            Some(read)
        }
        None => {
            fields.fail("schedule_details", "This is needed: exactly one of run_at, every, cron, rrule and any_of.");
            None
        }
    };
    fields.finish()?;
    let wish = read.and_then(|read| Some((read.wish?, read.timezone, read.terms)));
    let (wish, timezone, terms) =
        wish.ok_or_else(|| Fault::from(Invalid::new("schedule_details", "This is needed.")))?;
    let details = wish.place(timezone, terms, &app.settings.zone, None, now).map_err(Fault::from)?;
    Ok(Json(Preview::of(&app, &details, after.unwrap_or(now), count.unwrap_or(COUNT_UNASKED))).into_response())
}
