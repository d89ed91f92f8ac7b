//! What one trigger did: its last firings, its habits by the hour and by the day, how late it was, what did not fire and why,
//! and its newest events. Counts outlive the events that they count; nothing that was in those is told here.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::count::{COUNTS_KEPT, Counted, hour_of};
use oncue_domain::firing::Firing;
use oncue_domain::occurrence::Reason;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{EventFilter, EventPage, EventSearch, SkippedView};
use oncue_domain::trigger::TriggerHead;

use super::PageFault;
use super::badge::Badge;
use super::chart::{FiringBar, Lateness, WeekGrid, YearGrid};
use super::event::source;
use super::figures::Figures;
use super::moment::{Moment, lateness, span};
use super::number::number;
use super::run::of_events;
use crate::app::App;
use crate::auth::Caller;

/// How many events and records are listed.
const LISTED: usize = 10;

/// What it did.
pub(crate) struct Past {
    pub(crate) bar: FiringBar,
    pub(crate) lateness: Lateness,
    pub(crate) week: WeekGrid,
    pub(crate) year: YearGrid,
    /// "12,345 firings counted …"; none where nothing was.
    pub(crate) counted: Option<String>,
    /// Whether any run of what did not fire is drawn at equal distances.
    pub(crate) is_spread: bool,
    /// Whether any firing had a time to be late for.
    pub(crate) was_due: bool,
    pub(crate) skipped: Vec<SkippedRow>,
    pub(crate) events: Vec<EventRow>,
    /// How long events can be read.
    pub(crate) kept_for: String,
}

/// A run of occurrences that did not fire.
pub(crate) struct SkippedRow {
    pub(crate) count: String,
    pub(crate) first: Moment,
    /// The same for a link.
    pub(crate) first_at: String,
    /// None where there was but one.
    pub(crate) last: Option<Moment>,
    pub(crate) reason: &'static str,
    pub(crate) why: &'static str,
}

/// An event of it.
pub(crate) struct EventRow {
    pub(crate) id: i64,
    pub(crate) fired: Moment,
    pub(crate) origin: &'static str,
    pub(crate) outcome: Badge,
    /// What was reported of it, and how long it took.
    pub(crate) run: Option<(Badge, Option<String>)>,
    pub(crate) attempts: u32,
    pub(crate) lateness: Option<String>,
}

impl Past {
    /// Of the trigger of which `firings` are the latest, newest first.
    pub(super) async fn of(
        app: &App,
        caller: &Caller,
        head: &TriggerHead,
        mut firings: Vec<Firing>,
        zone: &Zone,
        now: Timestamp,
    ) -> Result<Past, PageFault> {
        let (owner, retention) = (caller.owner(), app.settings.retention);
        let until = hour_of(now) + SignedDuration::from_hours(1);
        let from = until - COUNTS_KEPT;
        let hours = app.store.hour_counts(owner, Some(head.id), from, until).await?;
        let passed_over = app.store.skipped_counts(owner, Some(head.id), from, until).await?;
        let sum = Counted::of(Span { from, until }, &hours, &passed_over, head.schedule.as_ref());
        let skipped = app.store.skipped(owner, head.id, LISTED).await?;
        let filter =
            EventFilter { trigger: Some(head.id), fired_after: Some(retention.gone_until(now)), fired_until: None };
        let search = EventSearch { filter, ..EventSearch::default() };
        let events = app.store.event_lines(owner, search, EventPage::NewestFirst(None), LISTED).await?;
        let runs = of_events(app, owner, events.lines.iter().map(|line| line.id).collect(), now).await?;
        firings.reverse();
        Ok(Past {
            bar: FiringBar::new(&firings, now, zone),
            lateness: Lateness::new(&firings, zone),
            week: WeekGrid::new(&hours, zone),
            year: YearGrid::new(&hours, Some(head.created_at), now, zone),
            counted: counted(&Figures::of(&hours), &sum.reasons),
            is_spread: passed_over.iter().any(|run| hour_of(run.first) != hour_of(run.last)),
            was_due: firings.iter().any(|firing| firing.scheduled_at.is_some()),
            skipped: skipped.iter().map(|view| SkippedRow::of(view, now, zone)).collect(),
            events: events
                .lines
                .iter()
                .map(|line| EventRow {
                    id: line.id.0,
                    fired: Moment::new(line.firing.fired_at, now, zone),
                    origin: source(line.firing.origin),
                    outcome: Badge::of_outcome(line.firing.outcome),
                    run: runs.get(&line.id).map(|run| (Badge::of_run(run.state()), run.took().map(span))),
                    attempts: line.firing.attempts,
                    lateness: line.firing.lateness().map(lateness),
                })
                .collect(),
            kept_for: span(retention.keep_for),
        })
    }
}

fn counted(figures: &Figures, reasons: &[(Reason, u64)]) -> Option<String> {
    let Figures { fired, delivered, failed, skipped, .. } = figures;
    if fired + skipped == 0 {
        return None;
    }
    let mut words = format!("{} fired", number(*fired));
    for (count, word) in [(delivered, "delivered"), (failed, "failed"), (skipped, "did not fire")] {
        if *count > 0 {
            words.push_str(&format!(", {} {word}", number(*count)));
        }
    }
    if !reasons.is_empty() {
        let each: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{} {}", number(*count), reason.word())).collect();
        words.push_str(&format!(" ({})", each.join(", ")));
    }
    Some(words)
}

impl SkippedRow {
    fn of(view: &SkippedView, now: Timestamp, zone: &Zone) -> SkippedRow {
        let skipped = &view.skipped;
        SkippedRow {
            count: number(skipped.count),
            first: Moment::new(skipped.first, now, zone),
            first_at: skipped.first.to_string(),
            last: (skipped.count > 1 || skipped.first < skipped.last).then(|| Moment::new(skipped.last, now, zone)),
            reason: skipped.reason.word(),
            why: match skipped.reason {
                Reason::Missed => {
                    "oncue did not run then; which of what is missed fires late, if any, its misfire policy says"
                }
                Reason::Budget => {
                    "oncue did not run then, and they lay beyond the bounds within which the trigger fires what it misses"
                }
                Reason::Paused => "the trigger was paused",
                Reason::Superseded => "it was due, but an edit came first",
                Reason::Discarded => "they were missed and waited to fire late, but were discarded",
                Reason::Waiting | Reason::Held => "they were missed, and wait to fire late",
                Reason::Overlap => "an event before was under way, and what falls due meanwhile is skipped",
                Reason::Merged => "an event before was under way, and a later one fired once that had ended",
                Reason::Expired => "the trigger had expired",
                Reason::Frozen => "triggers were frozen",
                Reason::Unreadable => {
                    "the trigger could not be read until it was replaced; the first is certain, and of later ones nobody can tell"
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::count::HourCount;
    use oncue_domain::occurrence::Skipped;
    use oncue_domain::schedule::zone::Zones;

    #[test]
    fn what_was_counted_is_said_in_one_sentence_without_zeros() {
        let of = |fired, delivered, failed, skipped| {
            let hour = HourCount { fired, delivered, failed, skipped, ..HourCount::empty(Timestamp::UNIX_EPOCH) };
            let reasons = [(Reason::Missed, skipped.saturating_sub(9)), (Reason::Paused, 9)];
            counted(&Figures::of([&hour]), if skipped > 9 { &reasons } else { &[] })
        };
        assert_eq!(of(0, 0, 0, 0), None);
        assert_eq!(of(12_345, 12_340, 5, 0).as_deref(), Some("12,345 fired, 12,340 delivered, 5 failed"));
        assert_eq!(of(0, 0, 0, 3).as_deref(), Some("0 fired, 3 did not fire"), "counted before reasons were");
        assert_eq!(of(0, 0, 0, 1_309).as_deref(), Some("0 fired, 1,309 did not fire (1,300 missed, 9 paused)"));
    }

    #[test]
    fn a_single_occurrence_that_did_not_fire_is_no_range() {
        let at = Timestamp::from_second(1_800_000_000).expect("in range");
        let row = |count| {
            let skipped = Skipped { reason: Reason::Paused, first: at, last: at, count };
            SkippedRow::of(&SkippedView { skipped, recorded_at: at }, at, &Zones::utc())
        };
        assert!(row(1).last.is_none() && row(2).last.is_some());
        assert_eq!(row(1).why, "the trigger was paused");
    }
}
