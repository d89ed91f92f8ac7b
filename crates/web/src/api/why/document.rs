//! What is told about an instant or a span, as programs read it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oncue_domain::agenda::Span;
use oncue_domain::count::Counted;
use oncue_domain::occurrence::Skipped;
use oncue_domain::plan::Absence;
use oncue_domain::revision::Deletion;
use oncue_domain::schedule::mismatch::Mismatch;
use oncue_domain::store::LedgerFiring;
use oncue_domain::trigger::Problem;
use oncue_domain::why::span::Line;
use oncue_domain::why::taken::{Taken, TakenBy};
use oncue_domain::why::{Account, Made, NotNamed, Obstacle, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Told, ToldSpan, parts};
use crate::api::actor::ActorDocument;
use crate::api::freeze::FreezeDocument;
use crate::api::pause::PauseDocument;
use crate::api::time;
use crate::api::trigger::{ObservedDocument, ProblemOfTrigger, SkippedDocument};

/// What became of something.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Why, example = json!({
    "trigger_id": 7, "asked_at": "2026-11-28T07:00:00Z", "at": "2026-11-28T07:00:00Z",
    "due_at": "2026-11-28T07:00:00Z", "disposition": "no_occurrence",
    "is_occurrence": false,
    "sentence": "\"0 9 * * MON-FRI\" does not name Sat 28 Nov 2026 09:00 Europe/Riga: the day of the week, Saturday, does not match MON-FRI; its neighbours are Fri 27 Nov 2026 09:00 and Mon 30 Nov 2026 09:00.",
    "clock": null, "advice": ["Let the day of the week (MON-FRI) take Saturday as well."], "event": null, "skipped": null,
    "absence": null, "edit": null, "pause": null, "freeze": null, "obstacles": [], "unmet": [{"field": "day_of_week", "wanted": "MON-FRI", "shown": "Saturday"}],
    "taken_away": null, "calendars": [], "before": "2026-11-27T07:00:00Z", "after": "2026-11-30T07:00:00Z", "fires_before": null, "counts": null, "revision": 1,
    "standing_since": "2026-11-23T12:00:00Z", "timezone": "Europe/Riga", "tzdata": "2026e",
    "tzdata_in_use": "2026e", "problem": null, "deletion": null
}))]
pub(super) enum WhyDocument {
    /// Where `at` was asked for.
    Instant(Box<InstantDocument>),
    /// Where `from` and `to` were asked for.
    Span(Box<SpanDocument>),
}

/// What became of an instant, or will.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyInstant)]
pub(super) struct InstantDocument {
    #[schema(example = 7)]
    trigger_id: i64,
    /// What was asked about.
    asked_at: String,
    /// What is told about: the same, or the nearest occurrence within the same second or minute.
    at: String,
    /// When that fell or falls due: then, or later by the schedule's `jitter`.
    due_at: String,
    /// `fired`, `fired_late`, `caught_up`, `backfilled`; `waiting` or `held` in a backlog; `missed`, `budget`, `discarded`, `paused`, `frozen`, `superseded`, `overlap`, `merged`, `expired`, `spent`; `due`, `to_come`; `forgotten`: older than what is
    /// kept; `before_creation`; `deleted`: the trigger was deleted before; `said_otherwise`: the trigger has been edited since, and named nothing there before; `no_occurrence`;
    /// `only_called`, `only_test`; `unreadable`: what the trigger says cannot be read, or could not be then; `lost`, which must not happen.
    #[schema(example = "paused")]
    disposition: &'static str,
    /// Whether there was something to fire; null where that is not known any more.
    is_occurrence: Option<bool>,
    /// All of it in one sentence.
    sentence: String,
    /// What the clocks did at that time, where they went forward or back.
    clock: Option<String>,
    /// What to change, or what would prevent it.
    advice: Vec<String>,
    /// The event, where it fired.
    event: Option<EventInShort>,
    /// The record, where it is on record that it did not fire.
    skipped: Option<SkippedDocument>,
    /// The time in which nobody ran, where that was to blame.
    absence: Option<TimeSpan>,
    /// The edit that was to blame: the one that paused the trigger, or came before what was due; null where there is none, and where it is
    /// not kept any more.
    edit: Option<EditInShort>,
    /// What was said of the pause, where one is to blame.
    pause: Option<PauseDocument>,
    /// The freeze, where one is to blame, or holds back what waits in a backlog, and is remembered.
    freeze: Option<FreezeDocument>,
    /// All that stands in the way of what is to come, in the order in which it is decided: `disposition` is the first of them. Empty where it will
    /// fire, and of what is past.
    obstacles: Vec<ObstacleDocument>,
    /// The fields of the cron line, or the parts of the rule, that the wall clock did not meet.
    unmet: Vec<UnmetDocument>,
    /// What took it away, where the schedule would name it otherwise.
    taken_away: Option<TakenAwayDocument>,
    /// The calendars in which its date stands, where it is they that take it away.
    calendars: Vec<ObservedDocument>,
    /// The occurrence before.
    before: Option<String>,
    /// The occurrence after.
    after: Option<String>,
    /// Where it is to come: how many fire before it.
    fires_before: Option<u64>,
    /// Where nothing else is left: what is counted in that hour.
    counts: Option<HourInShort>,
    /// The revision that decided, where that is known.
    revision: Option<i64>,
    /// Since when schedule, expiry and pausing stand as they do now.
    standing_since: String,
    /// The zone in which it is told, and in which a time without an offset was read.
    timezone: String,
    /// The release of the zone data that decided.
    #[schema(example = "2026e")]
    tzdata: String,
    /// The release that is in use now; what is not on record is worked out with it.
    #[schema(example = "2026e")]
    tzdata_in_use: String,
    /// What is wrong with the trigger, where it cannot be read.
    problem: Option<ProblemOfTrigger>,
    /// The end of the trigger, where it was deleted; null while it is there.
    deletion: Option<DeletionDocument>,
}

/// The end of a trigger.
#[derive(Serialize, ToSchema)]
#[schema(as = Deletion, example = json!({
    "at": "2026-11-27T10:00:00Z",
    "by": {"kind": "user", "id": 1, "name": "ada@example.com", "address": "192.0.2.7", "program": "curl/8.5.0"}
}))]
struct DeletionDocument {
    /// When it was deleted.
    at: String,
    /// Who deleted it; oncue itself where its schedule was to end so.
    by: ActorDocument,
}

impl DeletionDocument {
    fn of(deletion: &Deletion) -> DeletionDocument {
        DeletionDocument { at: time(deletion.at), by: ActorDocument::of(&deletion.by) }
    }
}

/// What takes something away that the schedule would name.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyTakenAway, example = json!({"by": "excluded_date", "value": "2026-12-24"}))]
struct TakenAwayDocument {
    /// `starts_at`, `ends_at`, `excluded_date`, `calendar`; `gap`: the clocks left the time out; `fold`: they showed it a second time;
    /// `exception`: an EXDATE of the rule.
    by: &'static str,
    /// The start or the end, the date, or the time on the wall.
    value: String,
}

impl TakenAwayDocument {
    fn of(by: &TakenBy) -> TakenAwayDocument {
        TakenAwayDocument { by: by.word(), value: by.value() }
    }
}

/// A run of instants that one thing takes away.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyTakenRun, example = json!({
    "by": "calendar", "value": "2026-12-25", "calendars": ["holidays"],
    "first": "2026-12-25T07:00:00Z", "last": "2026-12-25T07:00:00Z", "count": 1
}))]
struct TakenRunDocument {
    #[serde(flatten)]
    what: TakenAwayDocument,
    /// The calendars in which its date stands, where it is they that take it away.
    calendars: Vec<String>,
    /// The first; of times that the clocks left out the instant at which they did.
    first: String,
    last: String,
    count: u64,
}

impl TakenRunDocument {
    fn of(taken: &Taken) -> TakenRunDocument {
        TakenRunDocument {
            what: TakenAwayDocument::of(&taken.by),
            calendars: taken.by.calendars().iter().map(|calendar| calendar.name.clone()).collect(),
            first: time(taken.first),
            last: time(taken.last),
            count: taken.count,
        }
    }
}

/// Something that stands in the way of an occurrence that is to come.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyObstacle, example = json!({"disposition": "paused", "sentence": "the trigger is paused until Mon 30 Nov 2026 08:00 Europe/Riga", "until": "2026-11-30T06:00:00Z"}))]
struct ObstacleDocument {
    /// What it would be told as if it were alone: `deleted`, `only_test`, `no_occurrence` where a term of the schedule takes it away, `expired`, `paused`,
    /// `frozen` or `spent`.
    disposition: &'static str,
    /// The same as a clause.
    sentence: String,
    /// Until when it is in the way, where somebody said so.
    until: Option<String>,
}

impl ObstacleDocument {
    fn of(account: &Account, obstacle: &Obstacle) -> ObstacleDocument {
        let until = match obstacle {
            Obstacle::Paused(pause) => pause.as_ref().and_then(|pause| pause.until),
            Obstacle::Frozen(freeze) => freeze.until,
            _ => None,
        };
        ObstacleDocument { disposition: obstacle.word(), sentence: account.obstacle(obstacle), until: until.map(time) }
    }
}

/// An event that came of an occurrence.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyEvent)]
struct EventInShort {
    #[schema(example = 12)]
    id: i64,
    fired_at: String,
    /// Fired minus due.
    #[schema(example = 3.1)]
    lateness_ms: f64,
    /// `schedule`, `catch-up` or `backfill`.
    origin: &'static str,
    /// Whether it can still be read.
    is_kept: bool,
}

impl EventInShort {
    fn of(firing: &LedgerFiring) -> EventInShort {
        let late = firing.lateness();
        EventInShort {
            id: firing.event.0,
            fired_at: time(firing.fired_at),
            lateness_ms: late.as_micros() as f64 / 1000.0,
            origin: firing.origin.word(),
            is_kept: firing.is_kept,
        }
    }
}

/// A span of time.
#[derive(Serialize, ToSchema)]
#[schema(as = TimeSpan, example = json!({"from": "2026-11-21T01:58:00Z", "to": "2026-11-21T05:00:02Z"}))]
struct TimeSpan {
    /// The beginning; of a time in which nobody ran the last sign of life.
    from: String,
    /// The end; of a time in which nobody ran the return.
    to: String,
}

impl TimeSpan {
    fn absent(absence: Absence) -> TimeSpan {
        TimeSpan { from: time(absence.from), to: time(absence.to) }
    }

    fn of(span: Span) -> TimeSpan {
        TimeSpan { from: time(span.from), to: time(span.until) }
    }
}

/// An edit of the trigger.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyEdit, example = json!({
    "revision": 4, "at": "2026-11-26T10:00:00Z",
    "by": {"kind": "user", "id": 1, "name": "ada@example.com", "address": "192.0.2.7", "program": "curl/8.5.0"}
}))]
struct EditInShort {
    /// The revision that it made.
    revision: i64,
    at: String,
    /// Who made it; null where that was not written down yet.
    by: Option<ActorDocument>,
}

impl EditInShort {
    fn of(made: &Made) -> EditInShort {
        EditInShort { revision: made.revision, at: time(made.at), by: made.by.as_ref().map(ActorDocument::of) }
    }
}

/// A field of a cron line, or a part of a calendar's rule, that the wall clock did not meet.
#[derive(Serialize, ToSchema)]
#[schema(as = UnmetField)]
struct UnmetDocument {
    /// Which of several schedules it belongs to, the first being 0; left out where there is but one.
    #[serde(skip_serializing_if = "Option::is_none")]
    any_of: Option<usize>,
    /// `second`, `minute`, `hour`, `day_of_month`, `month`, `day_of_week`; of a rule also `interval`, `week_of_year`, `day_of_year`, `position`,
    /// `start`, `until`, `count` and `exception`.
    #[schema(example = "day_of_week")]
    field: &'static str,
    /// What the line says, as it is written.
    wanted: String,
    /// What the clock showed.
    shown: String,
}

impl UnmetDocument {
    fn of(mismatch: &Mismatch, any_of: Option<usize>) -> Vec<UnmetDocument> {
        let unmet = mismatch.unmet.iter().map(|unmet| UnmetDocument {
            any_of,
            field: unmet.field.word(),
            wanted: unmet.wanted.clone(),
            shown: unmet.shown.clone(),
        });
        unmet.collect()
    }
}

/// What is counted in an hour.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyCounts, example = json!({"hour": "2026-11-21T02:00:00Z", "fired": 12, "skipped": 48, "reasons": {"missed": 48},
    "runs": [{"reason": "missed", "first": "2026-11-20T09:00:00Z", "last": "2026-11-21T02:47:00Z", "count": 1068}], "is_estimate": false}))]
struct HourInShort {
    /// Its beginning.
    hour: String,
    fired: u64,
    /// How many occurrences did not fire.
    skipped: u64,
    /// How many of those for which reason; they add up to less where some were counted before reasons were.
    reasons: BTreeMap<&'static str, u64>,
    /// The runs of occurrences that did not fire which reach beyond the hour.
    runs: Vec<RunInShort>,
    /// Whether the share that the hour has of such a run is an estimate, at equal distances: no schedule that is known names as many as it counts.
    is_estimate: bool,
}

/// What is counted in the hours of a span of which nothing else is left.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyForgotten, example = json!({"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "fired": 540, "skipped": 900,
    "reasons": {"missed": 900}, "runs": [{"reason": "missed", "first": "2026-11-20T09:00:00Z", "last": "2026-11-21T02:47:00Z", "count": 1068}],
    "is_estimate": false}))]
struct HoursInShort {
    /// The beginning of the first whole hour.
    from: String,
    /// The end of the last.
    to: String,
    fired: u64,
    /// How many occurrences did not fire.
    skipped: u64,
    /// How many of those for which reason; they add up to less where some were counted before reasons were.
    reasons: BTreeMap<&'static str, u64>,
    /// The runs of occurrences that did not fire which reach beyond the hours.
    runs: Vec<RunInShort>,
    /// Whether the share that the hours have of such a run is an estimate, at equal distances: no schedule that is known names as many as it counts.
    is_estimate: bool,
}

/// A run of occurrences that did not fire, as it is counted.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyRun, example = json!({"reason": "missed", "first": "2026-11-20T09:00:00Z", "last": "2026-11-21T02:47:00Z", "count": 1068}))]
struct RunInShort {
    /// As of a record.
    reason: &'static str,
    /// The first of them.
    first: String,
    /// The last of them.
    last: String,
    /// How many.
    count: u64,
}

impl RunInShort {
    fn of(run: &Skipped) -> RunInShort {
        RunInShort { reason: run.reason.word(), first: time(run.first), last: time(run.last), count: run.count }
    }
}

fn by_reason(counted: &Counted) -> BTreeMap<&'static str, u64> {
    counted.reasons.iter().map(|(reason, count)| (reason.word(), *count)).collect()
}

impl HourInShort {
    fn of(counted: &Counted) -> HourInShort {
        HourInShort {
            hour: time(counted.span.from),
            fired: counted.fired,
            skipped: counted.skipped,
            reasons: by_reason(counted),
            runs: counted.beyond.iter().map(RunInShort::of).collect(),
            is_estimate: counted.is_estimate,
        }
    }
}

impl HoursInShort {
    fn of(counted: &Counted) -> HoursInShort {
        HoursInShort {
            from: time(counted.span.from),
            to: time(counted.span.until),
            fired: counted.fired,
            skipped: counted.skipped,
            reasons: by_reason(counted),
            runs: counted.beyond.iter().map(RunInShort::of).collect(),
            is_estimate: counted.is_estimate,
        }
    }
}

impl InstantDocument {
    pub(super) fn of(id: i64, told: &Told) -> InstantDocument {
        let account = &told.account;
        let (firing, skipped, absence) = parts(&account.verdict);
        let unmet = match &account.verdict {
            Verdict::NoOccurrence(NotNamed::Cron(mismatch)) => UnmetDocument::of(mismatch, None),
            Verdict::NoOccurrence(NotNamed::AnyOf(each)) => {
                let each = each.iter().enumerate().filter_map(|(place, (_, why))| match why {
                    NotNamed::Cron(mismatch) => Some(UnmetDocument::of(mismatch, Some(place))),
                    _ => None,
                });
                each.flatten().collect()
            }
            _ => Vec::new(),
        };
        let holding = account.taken_by.as_ref().map(TakenBy::calendars).unwrap_or_default();
        InstantDocument {
            trigger_id: id,
            asked_at: time(account.asked.at),
            at: time(account.at),
            due_at: time(account.due_at),
            disposition: account.verdict.word(),
            is_occurrence: account.verdict.is_occurrence(),
            sentence: account.sentence(),
            clock: account.clock_sentence(),
            advice: account.advice(),
            event: firing.map(EventInShort::of),
            skipped: skipped.map(SkippedDocument::of),
            absence: absence.map(TimeSpan::absent),
            edit: account.edit.as_ref().map(EditInShort::of),
            pause: account.pause.as_ref().map(PauseDocument::of),
            freeze: account.freeze.as_ref().map(FreezeDocument::of),
            obstacles: account.obstacles.iter().map(|one| ObstacleDocument::of(account, one)).collect(),
            unmet,
            taken_away: account.taken_by.as_ref().map(TakenAwayDocument::of),
            calendars: holding.iter().map(|observed| ObservedDocument::of(observed)).collect(),
            before: account.neighbours.0.map(time),
            after: account.neighbours.1.map(time),
            fires_before: match account.verdict {
                Verdict::Coming(others) => Some(others),
                _ => None,
            },
            counts: told.hour.as_ref().map(HourInShort::of),
            revision: account.revision,
            standing_since: time(account.standing_since),
            timezone: account.zone.name().to_owned(),
            tzdata: account.release.clone(),
            tzdata_in_use: account.release_now.clone(),
            problem: account.problem.as_ref().map(ProblemOfTrigger::of),
            deletion: account.deletion.as_ref().map(DeletionDocument::of),
        }
    }
}

/// What became of all occurrences of a span.
#[derive(Serialize, ToSchema)]
#[schema(as = WhySpan)]
pub(super) struct SpanDocument {
    #[schema(example = 7)]
    trigger_id: i64,
    /// The first instant that is told of.
    from: String,
    /// The first instant that is not; where there is more than fits, the Link header leads to the rest.
    to: String,
    /// How many occurrences there are.
    occurrences: u64,
    /// How many of each disposition.
    counts: BTreeMap<&'static str, u64>,
    /// In order: runs of consecutive occurrences with the same disposition.
    lines: Vec<LineDocument>,
    /// In order: what the schedule would name, had nothing taken it away; these are no occurrences.
    taken_away: Vec<TakenRunDocument>,
    /// How many those are.
    taken_away_count: u64,
    /// What is counted in the whole hours of which nothing else is left; null where there are none.
    forgotten: Option<HoursInShort>,
    /// The part in which the trigger said something else, which is not kept: of that only what is on record is told.
    unknown: Option<TimeSpan>,
    /// The part that a trigger decides which cannot be read, and which nothing fires in: what it would have named nobody can tell.
    unreadable: Option<TimeSpan>,
    /// Since when schedule, expiry and pausing stand as they do now.
    standing_since: String,
    timezone: String,
    /// The release of the zone data that is in use now; which one decided, each line says.
    tzdata: String,
    /// What is wrong with the trigger, where it cannot be read.
    problem: Option<ProblemOfTrigger>,
    /// The end of the trigger, where it was deleted; null while it is there.
    deletion: Option<DeletionDocument>,
}

impl SpanDocument {
    pub(super) fn of(
        id: i64,
        told: &ToldSpan,
        (deletion, problem): (Option<&Deletion>, Option<&Problem>),
        standing_since: Timestamp,
        (timezone, tzdata): (&str, &str),
    ) -> SpanDocument {
        let ToldSpan { account: told, forgotten } = told;
        let counts = told.tally();
        SpanDocument {
            trigger_id: id,
            from: time(told.span.from),
            to: time(told.span.until),
            occurrences: counts.values().fold(0, |sum: u64, count| sum.saturating_add(*count)),
            counts,
            lines: told.lines.iter().map(LineDocument::of).collect(),
            taken_away: told.taken_away.iter().map(TakenRunDocument::of).collect(),
            taken_away_count: told.taken_count(),
            forgotten: forgotten.as_ref().map(HoursInShort::of),
            unknown: told.unknown.map(TimeSpan::of),
            unreadable: told.unreadable.map(TimeSpan::of),
            standing_since: time(standing_since),
            timezone: timezone.to_owned(),
            tzdata: tzdata.to_owned(),
            problem: problem.map(ProblemOfTrigger::of),
            deletion: deletion.map(DeletionDocument::of),
        }
    }
}

/// A run of consecutive occurrences with the same disposition.
#[derive(Serialize, ToSchema)]
#[schema(as = WhyLine)]
struct LineDocument {
    /// As for a single instant.
    #[schema(example = "missed")]
    disposition: &'static str,
    first: String,
    last: String,
    count: u64,
    /// The event, where it fired.
    event: Option<EventInShort>,
    /// When it was written down that they did not fire.
    recorded_at: Option<String>,
    /// The time in which nobody ran, where that was to blame.
    absence: Option<TimeSpan>,
    /// The edit that was to blame, as for a single instant; told of the first.
    edit: Option<EditInShort>,
    /// The release of the zone data that decided; told of the first.
    #[schema(example = "2026e")]
    tzdata: String,
}

impl LineDocument {
    fn of(line: &Line) -> LineDocument {
        let (firing, skipped, absence) = parts(&line.verdict);
        LineDocument {
            disposition: line.verdict.word(),
            first: time(line.first),
            last: time(line.last),
            count: line.count,
            event: firing.map(EventInShort::of),
            recorded_at: skipped.map(|view| time(view.recorded_at)),
            absence: absence.map(TimeSpan::absent),
            edit: line.edit.as_ref().map(EditInShort::of),
            tzdata: line.release.clone(),
        }
    }
}
