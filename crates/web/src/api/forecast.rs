//! What the next days will bring, for programs: firings by the quarter of an hour, what comes to each destination and who has to wait
//! there, which triggers will never fire, what changes of the clocks do. It is worked out in `domain::forecast`; here it is gathered
//! and written down. The page that shows the same gathers it here too.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::backlog::Backlog;
use oncue_domain::destination::{DESTINATIONS_MAX, Destination};
use oncue_domain::forecast::{ADDRESSES_MAX, Address, DAYS_MAX, Fleet, Forecast, Late, LateLoad, Load, Receiver, Rush};
use oncue_domain::id::{DestinationId, UserId};
use oncue_domain::trigger::TriggerHead;
use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::Query;
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// How many triggers are looked at.
pub(crate) const TRIGGERS_MAX: usize = 5_000;

/// How many quarters of an hour are listed for all destinations together.
const QUARTERS_MAX: usize = 20_000;
/// How many backlogs are looked at for what waits at each destination.
const BACKLOGS_MAX: usize = 1_000;

/// How many destinations are named in a note for what waits there.
const LATE_NAMED_MAX: usize = 3;

/// How many days are foretold when nobody says, and on the page.
pub(crate) const DAYS_UNASKED: u32 = 7;

/// So many days of 24 hours from now on.
pub(crate) fn next_days(days: u32, now: Timestamp) -> Span {
    let length = SignedDuration::from_hours(24 * i64::from(days));
    Span { from: now, until: now.saturating_add(length).unwrap_or(Timestamp::MAX) }
}

/// A forecast, and what it is about.
pub(crate) struct Foretold {
    pub(crate) triggers: Vec<TriggerHead>,
    pub(crate) has_more_triggers: bool,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) span: Span,
    pub(crate) forecast: Forecast,
    pub(crate) late: Late,
}

impl Foretold {
    /// What the owner's triggers will do in the span.
    pub(crate) async fn of(app: &Shared, owner: UserId, span: Span, now: Timestamp) -> Result<Foretold, Fault> {
        let (mut triggers, destinations, freezes, backlogs, sums) = tokio::try_join!(
            app.store.trigger_heads(owner, TRIGGERS_MAX + 1),
            app.store.destinations(owner, None, DESTINATIONS_MAX),
            app.store.freezes_of(owner, now),
            app.store.backlogs(owner, None, BACKLOGS_MAX),
            app.store.backlog_sums(owner, None)
        )?;
        let backlogs: Vec<Backlog> = backlogs.into_iter().map(|view| view.backlog).collect();
        let has_more_triggers = triggers.len() > TRIGGERS_MAX;
        triggers.truncate(TRIGGERS_MAX);
        let has_default = app.settings.has_default_destination;
        // Some tens of milliseconds of a core, which the scheduler's runtime must not miss.
        let foretold = tokio::task::spawn_blocking(move || {
            let receiver = |one: &Destination| Receiver { id: one.id, rate: one.definition.pace() };
            let default = has_default.then_some(Receiver::DEFAULT);
            let receivers: Vec<Receiver> = default.into_iter().chain(destinations.iter().map(receiver)).collect();
            let fleet = Fleet { triggers: &triggers, receivers: &receivers, freezes: &freezes };
            let forecast = Forecast::of(fleet, span, now);
            let late = Late { occurrences: sums.occurrences, held: sums.held, ..Late::of(fleet, &backlogs) };
            Foretold { triggers, has_more_triggers, destinations, span, forecast, late }
        });
        foretold.await.map_err(|_| {
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "What is coming could not be worked out; the log says why.")
        })
    }

    /// What a destination is called.
    pub(crate) fn name_of(&self, id: DestinationId) -> &str {
        let place = self.destinations.binary_search_by_key(&id, |destination| destination.id);
        place.map_or("", |place| self.destinations[place].definition.name.as_str())
    }
}

/// What the next days will bring.
#[derive(Serialize, ToSchema)]
#[schema(as = Forecast, example = json!({
    "from": "2026-11-21T10:00:00Z", "to": "2026-11-28T10:00:00Z", "fires": 712, "triggers": 9, "uncounted": 0,
    "quarters": [{"from": "2026-11-21T12:00:00Z", "fires": 101}],
    "destinations": [{
        "id": 4, "name": "orders", "webhook_url": null, "deliveries": 707, "triggers": 101, "rate": "10 in 1s", "uncounted": 0,
        "busiest": {"from": "2026-11-21T12:00:00Z", "fires": 101}, "late": 637, "rushes_total": 7,
        "quarters": [{"from": "2026-11-21T12:00:00Z", "fires": 101}],
        "rushes": [{"from": "2026-11-21T12:00:00Z", "until": "2026-11-21T12:00:09.1Z", "late": 91, "late_max_ms": 9100}]
    }],
    "backlog": {"occurrences": 120, "held": 20, "destinations": [
        {"id": 4, "name": "orders", "waiting": 100, "held": 20, "takes_at_least_ms": 9000.0}
    ]},
    "never": [{"trigger_id": 7, "name": "nightly", "reason": "expires_before", "detail": "It expires before its next occurrence."}],
    "never_total": 1, "clock_changes": [], "clock_changes_total": 0, "notes": []
}))]
pub(crate) struct ForecastDocument {
    from: String,
    to: String,
    /// How many firings there are.
    fires: u64,
    /// How many triggers fire.
    triggers: usize,
    /// How many of the firings are in no quarter of an hour, because there were too many to look at.
    uncounted: u64,
    /// The quarters of an hour in which anything fires.
    quarters: Vec<QuarterDocument>,
    /// What comes to each destination that anything comes to; then to the default address and to triggers' own, of which the 200 are listed that most
    /// triggers send to.
    destinations: Vec<LoadDocument>,
    /// What is late already and fires while nothing else is due; it is in none of the other numbers.
    backlog: LateDocument,
    /// Triggers that nothing will ever fire by the clock, at most 100 of them.
    never: Vec<NeverDocument>,
    never_total: usize,
    /// What changes of the clocks do to cron lines and rules, those among several schedules too, at most 100 of them.
    clock_changes: Vec<ChangeDocument>,
    clock_changes_total: usize,
    /// Where it stopped, and what was taken as even: a sentence each.
    notes: Vec<String>,
}

/// What waits in backlogs.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastBacklog, example = json!({"occurrences": 120, "held": 20, "destinations": []}))]
struct LateDocument {
    /// How many occurrences, those that are held among them.
    occurrences: u64,
    /// How many of them wait for a person.
    held: u64,
    /// What of it goes to which destination, by the first 1 000 backlogs.
    destinations: Vec<LateLoadDocument>,
}

/// What waits in backlogs for a destination.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastBacklogDestination)]
struct LateLoadDocument {
    #[schema(example = 4)]
    id: i64,
    name: String,
    /// How many deliveries nobody holds.
    waiting: u64,
    /// How many are held.
    held: u64,
    /// How long the rate takes for those that nobody holds, if nothing else came; null where the destination has none.
    takes_at_least_ms: Option<f64>,
}

impl LateDocument {
    fn of(foretold: &Foretold) -> LateDocument {
        let load = |load: &LateLoad| LateLoadDocument {
            id: load.id.0,
            name: foretold.name_of(load.id).to_owned(),
            waiting: load.waiting,
            held: load.held,
            takes_at_least_ms: load.takes.map(|takes| takes.as_secs_f64() * 1000.0),
        };
        let Late { occurrences, held, loads } = &foretold.late;
        LateDocument { occurrences: *occurrences, held: *held, destinations: loads.iter().map(load).collect() }
    }
}

/// A quarter of an hour.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastQuarter)]
struct QuarterDocument {
    /// When it begins.
    from: String,
    #[schema(example = 101)]
    fires: u64,
}

/// What comes to a destination, or to an address.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastDestination)]
struct LoadDocument {
    /// Null for an address.
    #[schema(example = 4)]
    id: Option<i64>,
    /// What it is called; `default` for the operator's default address, and null for a trigger's own.
    name: Option<String>,
    /// A trigger's own address, where it is one.
    webhook_url: Option<String>,
    deliveries: u64,
    /// How many triggers they come from.
    triggers: u64,
    /// By which rate deliveries begin there; null where by none.
    rate: Option<String>,
    /// How many of the deliveries are in no quarter of an hour and no rush, because there were too many to look at.
    uncounted: u64,
    /// The busiest quarter of an hour; null where none was looked at.
    busiest: Option<QuarterDocument>,
    /// The quarters of an hour in which anything comes. Null beyond the first 20 000 of all destinations together: ask for fewer days.
    quarters: Option<Vec<QuarterDocument>>,
    /// How many deliveries have to wait for the rate.
    late: u64,
    /// The rushes with the longest waits, at most 20 of them.
    rushes: Vec<RushDocument>,
    rushes_total: u64,
}

/// A time in which more comes than the rate lets through.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastRush, example = json!({
    "from": "2026-11-21T12:00:00Z", "until": "2026-11-21T12:00:09.1Z", "late": 91, "late_max_ms": 9100.0
}))]
struct RushDocument {
    /// When the first delivery comes that has to wait.
    from: String,
    /// When the last of them begins.
    until: String,
    /// How many have to wait.
    late: u64,
    /// The longest wait.
    late_max_ms: f64,
}

/// A trigger that nothing will ever fire by the clock.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastNever)]
struct NeverDocument {
    #[schema(example = 7)]
    trigger_id: i64,
    name: Option<String>,
    /// `expires_before`, `never_in_its_span`, `finished`, `paused`, `frozen`, `expired`, `max_fires`, `ended` or `test`.
    reason: &'static str,
    detail: &'static str,
}

/// What a change of the clocks does to a trigger.
#[derive(Serialize, ToSchema)]
#[schema(as = ForecastClockChange)]
struct ChangeDocument {
    #[schema(example = 7)]
    trigger_id: i64,
    name: Option<String>,
    /// The first instant on the new time.
    at: String,
    detail: String,
}

impl LoadDocument {
    /// `room` is how many quarters may still be listed.
    fn of(load: &Load, address: Option<&Address>, foretold: &Foretold, room: &mut usize) -> LoadDocument {
        let left = room.checked_sub(load.quarters().count());
        *room = left.unwrap_or(0);
        let quarter = |(from, fires): (Timestamp, u64)| QuarterDocument { from: time(from), fires };
        let rush = |rush: &Rush| RushDocument {
            from: time(rush.from),
            until: time(rush.until),
            late: rush.late,
            late_max_ms: rush.late_max.as_secs_f64() * 1000.0,
        };
        LoadDocument {
            id: address.is_none().then_some(load.id.0),
            name: match address {
                None => Some(foretold.name_of(load.id).to_owned()),
                Some(Address::Default) => Some("default".to_owned()),
                Some(Address::Own(_)) => None,
            },
            webhook_url: address.and_then(|address| match address {
                Address::Own(url) => Some(url.clone()),
                Address::Default => None,
            }),
            deliveries: load.total,
            triggers: load.triggers,
            rate: load.rate.map(|rate| rate.words()),
            uncounted: load.uncounted,
            busiest: load.busiest.map(quarter),
            quarters: left.map(|_| load.quarters().map(quarter).collect()),
            late: load.late,
            rushes: load.rushes.iter().map(rush).collect(),
            rushes_total: load.rushes_total,
        }
    }
}

impl ForecastDocument {
    fn of(foretold: &Foretold) -> ForecastDocument {
        let Foretold { forecast, triggers, span, .. } = foretold;
        let quarters = forecast.slots.iter().filter(|slot| slot.count > 0);
        let mut room = QUARTERS_MAX;
        let named = forecast.loads.iter().map(|load| (load, None));
        let addressed = forecast.addressed.iter().map(|(address, load)| (load, Some(address)));
        let loads = named.chain(addressed);
        ForecastDocument {
            from: time(span.from),
            to: time(span.until),
            fires: forecast.total,
            triggers: forecast.triggers,
            uncounted: forecast.uncounted.1,
            quarters: quarters.map(|slot| QuarterDocument { from: time(slot.from), fires: slot.count }).collect(),
            destinations: loads.map(|(load, address)| LoadDocument::of(load, address, foretold, &mut room)).collect(),
            backlog: LateDocument::of(foretold),
            never: forecast
                .still
                .iter()
                .map(|(which, why)| NeverDocument {
                    trigger_id: triggers[*which].id.0,
                    name: triggers[*which].name.clone(),
                    reason: why.word(),
                    detail: why.sentence(),
                })
                .collect(),
            never_total: forecast.still_total,
            clock_changes: forecast
                .changes
                .iter()
                .map(|change| ChangeDocument {
                    trigger_id: triggers[change.which].id.0,
                    name: triggers[change.which].name.clone(),
                    at: time(change.change.at),
                    detail: change.change.sentence(),
                })
                .collect(),
            clock_changes_total: forecast.changes_total,
            notes: notes(foretold),
        }
    }
}

/// Where the forecast stopped, and what it took as even, in sentences for people.
pub(crate) fn notes(foretold: &Foretold) -> Vec<String> {
    let Forecast { uncounted, smoothed, loads, addressed, addresses_unlisted, .. } = &foretold.forecast;
    let mut notes = Vec::new();
    if foretold.has_more_triggers {
        notes.push(format!("Only the first {TRIGGERS_MAX} triggers were looked at."));
    }
    if uncounted.0 > 0 {
        notes.push(format!(
            "{} firings of {} triggers are in no quarter of an hour: they were too many to look at.",
            uncounted.1, uncounted.0
        ));
    }
    if *smoothed > 0 {
        notes.push(format!(
            "For the destinations, {smoothed} triggers were taken as firing evenly within each quarter of an hour."
        ));
    }
    if *addresses_unlisted > 0 {
        notes.push(format!(
            "Of triggers' own addresses the {ADDRESSES_MAX} are counted apart that most triggers send to; {addresses_unlisted} are not."
        ));
    }
    let all = loads.iter().chain(addressed.iter().map(|(_, load)| load));
    let left: u64 = all.map(|load| load.uncounted).fold(0, u64::saturating_add);
    if left > 0 {
        notes
            .push(format!("{left} deliveries were counted for their destinations without looking at who has to wait."));
    }
    let Late { occurrences, held, loads: late } = &foretold.late;
    if *occurrences > 0 {
        let held = if *held > 0 { format!(", {held} of them held") } else { String::new() };
        notes.push(format!(
            "{occurrences} late occurrences wait in backlogs{held}: they fire while nothing else is due, and are in none of these numbers."
        ));
    }
    // Whatever takes less than a second nobody waits for.
    let slow = |load: &&LateLoad| load.takes.is_some_and(|takes| takes >= SignedDuration::from_secs(1));
    for load in late.iter().filter(slow).take(LATE_NAMED_MAX) {
        let (name, takes) =
            (foretold.name_of(load.id), SignedDuration::from_secs(load.takes.unwrap_or_default().as_secs()));
        notes.push(format!(
            "At its rate \"{name}\" takes {takes:#} at least for the {} of them that go there.",
            load.waiting
        ));
    }
    let waits = |head: &&TriggerHead| !head.overlap.is_allowed() && head.next_at.is_some();
    let behind = foretold.triggers.iter().filter(waits).count();
    if behind > 0 {
        notes.push(format!(
            "{behind} triggers do not overlap: how long their events will be under way cannot be foretold, so what that will skip or merge is counted as firing."
        ));
    }
    notes
}

/// Foretell the next days: firings by the quarter of an hour, what comes to each destination and how long it has to wait for the rate
/// there, which triggers will never fire, and what changes of the clocks do.
///
/// It is what the schedules say if nothing changes; calls, attempts that fail and come again, and downtime are not foreseen.
#[utoipa::path(get, path = "/api/v1/forecast", tag = "Triggers", operation_id = "forecast",
    params(("days" = Option<u32>, Query, minimum = 1, maximum = 31, description = "How many days from now on; without it 7.")),
    responses((status = 200, body = ForecastDocument), Errors))]
pub(crate) async fn forecast(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let days = query.take("days", |text| match text.parse() {
        Ok(days) if (1..=DAYS_MAX).contains(&days) => Ok(days),
        _ => Err("The days are a number from 1 to 31."),
    });
    query.finish()?;
    let now = app.now();
    let span = next_days(days.unwrap_or(DAYS_UNASKED), now);
    let foretold = Foretold::of(&app, caller.owner(), span, now).await?;
    Ok(Json(ForecastDocument::of(&foretold)).into_response())
}
