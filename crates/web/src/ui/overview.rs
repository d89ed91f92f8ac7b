//! GET /: what fires next, what went wrong, and what to do about it, at one look. A handful of questions to the store, each of
//! them bounded; whoever wants more follows a link to a list.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::count::hour_of;
use oncue_domain::freeze::seen_through;
use oncue_domain::store::{
    ATTENTION_MAX, Attention, EventFilter, EventPage, EventSearch, TALLIED_MAX, TriggerTally, UndeliveredFilter,
};
use oncue_domain::trigger::TriggerHead;

use super::backlog::Waiting;
use super::badge::Badge;
use super::chart::History;
use super::concern::{Concerns, What};
use super::event::source;
use super::failed_query::ADDRESS;
use super::figures::Figures;
use super::frame::{Frame, Place};
use super::moment::{Moment, lateness};
use super::notice::Notice;
use super::number::number;
use super::trigger_row::label;
use super::viewer::{shown_zone, trigger_zone};
use super::{PageFault, page};
use crate::api::redelivery::many::{COUNTED_MAX, count};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::Query;

/// How many firings and events are listed.
const LISTED: usize = 10;

/// How many triggers are looked at for what comes after a freeze.
const LOOKED_AT_FROZEN: usize = 1_000;

/// How many firings of one trigger are listed at most, so that a brisk one leaves room for the others.
const OF_ONE_MAX: usize = 3;

/// What a tile is about.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A figure and where it comes from.
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    address: &'static str,
    tone: &'static str,
}

/// A firing to come.
struct Next {
    trigger: i64,
    label: String,
    sentence: String,
    due: Moment,
}

/// An event that fired lately.
struct Latest {
    event: i64,
    label: String,
    fired: Moment,
    origin: &'static str,
    outcome: Badge,
    lateness: Option<String>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    notice: Option<Notice>,
    tiles: Vec<Tile>,
    concerns: Concerns,
    next: Vec<Next>,
    latest: Vec<Latest>,
    history: History,
    has_triggers: bool,
    base: String,
    waiting: Option<Waiting>,
}

/// GET /
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let owner = caller.owner();
    let retention = app.settings.retention;
    let gone_until = retention.gone_until(now);
    let attention = app.store.attention(owner, gone_until, now).await?;
    // After a freeze they come in another order than before.
    let looked_at = if caller.frozen.is_empty() { LISTED } else { LOOKED_AT_FROZEN };
    let soonest = app.store.soonest(owner, looked_at).await?;
    let soonest: Vec<TriggerHead> = soonest.into_iter().map(|head| seen_through(head, &caller.frozen, now)).collect();
    let search = EventSearch {
        filter: EventFilter { fired_after: Some(gone_until), ..EventFilter::default() },
        ..EventSearch::default()
    };
    let found = app.store.event_lines(owner, search, EventPage::NewestFirst(None), LISTED).await?;
    let until = hour_of(now) + SignedDuration::from_hours(1);
    let hours = app.store.hour_counts(owner, None, until - retention.keep_for.max(DAY), until).await?;
    let zone = shown_zone(&app, &caller, None);
    let today = hours.iter().filter(|hour| hour.hour >= until - DAY);
    let overview = Overview {
        frame: Frame::of(&app, &caller, Place::Overview),
        notice: Notice::take(&mut query),
        tiles: tiles(&Figures::of(today), &attention, count(&app, owner, UndeliveredFilter::default()).await?),
        concerns: Concerns::of(&app, &caller, &attention, now).await?,
        next: upcoming(&soonest, now)
            .into_iter()
            .map(|(head, due)| Next {
                trigger: head.id.0,
                label: label(head.name.as_deref().unwrap_or_default(), head.id),
                sentence: head.schedule.as_ref().map(|details| details.summary()).unwrap_or_default(),
                due: Moment::firing(
                    head,
                    due,
                    now,
                    &shown_zone(&app, &caller, Some(trigger_zone(&app, head.schedule.as_ref()))),
                ),
            })
            .collect(),
        latest: found
            .lines
            .iter()
            .map(|line| Latest {
                event: line.id.0,
                label: label(&line.name, line.trigger),
                fired: Moment::new(line.firing.fired_at, now, &zone),
                origin: source(line.firing.origin),
                outcome: Badge::of_outcome(line.firing.outcome),
                lateness: line.firing.lateness().map(lateness),
            })
            .collect(),
        history: History::new(&hours, None, retention, now, &zone),
        has_triggers: attention.tally.all > 0,
        base: app.settings.base().to_owned(),
        waiting: Waiting::of(&app, owner, None).await?,
    };
    Ok(page(StatusCode::OK, &overview))
}

fn tiles(day: &Figures, attention: &Attention, failed: u64) -> Vec<Tile> {
    let (active, of_all) = active_of(&attention.tally);
    let overdue = attention.overdue.len();
    let none = || "–".to_owned();
    let tile = |label, value, note, address| Tile { label, value, note, address, tone: "" };
    let skipped =
        if day.skipped > 0 { format!("{} skipped in 24 h", number(day.skipped)) } else { "in 24 h".to_owned() };
    let of_day = if day.failed > 0 { format!("{} failed in 24 h", number(day.failed)) } else { "in 24 h".to_owned() };
    vec![
        tile("Active triggers", active, of_all, "/ui/triggers?state=active"),
        tile("Fired", number(day.fired), skipped, "/events?status=all"),
        Tile {
            tone: if day.failed > 0 { "warn" } else { "" },
            ..tile(
                "Delivered",
                day.success().unwrap_or_else(none),
                of_day,
                if day.failed > 0 {
                    "/events?status=all&outcome=failed"
                } else {
                    "/events?status=all&outcome=delivered"
                },
            )
        },
        Tile {
            tone: if failed > 0 { "bad" } else { "" },
            ..tile(
                "Failed deliveries",
                format!("{}{}", number(failed), if failed >= COUNTED_MAX { "+" } else { "" }),
                if failed > 0 { "can be redelivered" } else { "none is kept" }.to_owned(),
                ADDRESS,
            )
        },
        tile(
            "Lateness",
            day.lateness_p95().unwrap_or_else(none),
            "95 of 100 in 24 h".to_owned(),
            "/events?status=all&source=schedule",
        ),
        Tile {
            tone: if overdue > 0 { "bad" } else { "" },
            ..tile(
                "Overdue",
                if overdue == ATTENTION_MAX { format!("{overdue}+") } else { overdue.to_string() },
                if overdue > 0 { "should have fired" } else { "all on time" }.to_owned(),
                "/ui/triggers?state=overdue",
            )
        },
    ]
}

/// How many triggers are active, and of how many. Of more than are counted it says so.
fn active_of(tally: &TriggerTally) -> (String, String) {
    let &TriggerTally { all, active, paused } = tally;
    let at_least = |count: u64| match tally.is_at_least() {
        true => format!("{}+", number(count.min(TALLIED_MAX))),
        false => number(count),
    };
    let of = match tally.is_at_least() {
        true => format!("of more than {}", number(TALLIED_MAX)),
        false => format!("of {}", number(all)),
    };
    (at_least(active), if paused > 0 { format!("{of}, {} paused", at_least(paused)) } else { of })
}

/// The next firings of `heads`, at most [`LISTED`] of them and [`OF_ONE_MAX`] of one trigger. What is overdue fires once.
fn upcoming(heads: &[TriggerHead], now: Timestamp) -> Vec<(&TriggerHead, Timestamp)> {
    let mut firings: Vec<(&TriggerHead, Timestamp)> = Vec::new();
    for head in heads {
        firings.extend(head.firings_to_come(now).take(OF_ONE_MAX).map(|due| (head, due)));
    }
    firings.sort_by_key(|(head, due)| (*due, head.id));
    firings.truncate(LISTED);
    firings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::condition::tests::{at, head};
    use oncue_domain::schedule::every::Period;
    use oncue_domain::schedule::{FirstFiring, Schedule};
    use oncue_domain::trigger::ScheduleDetails;

    fn every(id: i64, seconds: u64, next: i64) -> TriggerHead {
        let period = Period::from_seconds(seconds).expect("a period");
        let schedule = Schedule::Every { period, anchor: at(0), first: FirstFiring::AtAnchor };
        TriggerHead { schedule: Some(ScheduleDetails::plain(schedule, None)), next_at: Some(at(next)), ..head(id, "") }
    }

    fn told(heads: &[TriggerHead], now: i64) -> Vec<(i64, Timestamp)> {
        upcoming(heads, at(now)).into_iter().map(|(head, due)| (head.id.0, due)).collect()
    }

    #[test]
    fn the_next_firings_of_all_triggers_stand_in_one_row_and_a_brisk_one_leaves_room() {
        let heads = [every(1, 10, 10), every(2, 25, 25), head(3, "")];
        let expected = [(1, 10), (1, 20), (2, 25), (1, 30), (2, 50), (2, 75), (3, 3600)];
        assert_eq!(told(&heads, 1), expected.map(|(id, due)| (id, at(due))));
    }

    #[test]
    fn what_is_overdue_fires_once_and_nothing_fires_after_its_end() {
        let overdue = TriggerHead { expires_at: Some(at(120)), ..every(1, 10, 10) };
        assert_eq!(told(&[overdue], 105), [(1, at(10)), (1, at(110))]);
    }

    #[test]
    fn triggers_are_counted_exactly_up_to_a_bound_and_beyond_it_the_tile_says_so() {
        let told = |all, active, paused| active_of(&TriggerTally { all, active, paused });
        let texts = |active: &str, of: &str| (active.to_owned(), of.to_owned());
        assert_eq!(told(3, 2, 0), texts("2", "of 3"));
        assert_eq!(told(10_000, 9_990, 10), texts("9,990", "of 10,000, 10 paused"));
        assert_eq!(told(10_001, 9_990, 10), texts("9,990+", "of more than 10,000, 10+ paused"));
        assert_eq!(told(10_001, 10_001, 0), texts("10,000+", "of more than 10,000"));
    }

    #[test]
    fn no_more_than_ten_are_listed() {
        let heads: Vec<TriggerHead> = (1..=10).map(|id| every(id, 60, 60)).collect();
        assert_eq!(told(&heads, 1), (1..=10).map(|id| (id, at(60))).collect::<Vec<_>>());
    }
}
