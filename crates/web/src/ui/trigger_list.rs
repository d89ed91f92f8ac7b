//! GET /ui/triggers: all triggers, what needs attention first. What is shown and in which order is decided in
//! `trigger_filter`, from the address; what is done with one or many of them, by the forms' handlers.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use oncue_domain::firing::Firing;
use oncue_domain::id::TriggerId;
use oncue_domain::store::{TALLIED_MAX, TriggerTally};
use oncue_domain::trigger::Listed;

use super::badge::Badge;
use super::chart::FiringStrip;
use super::destination;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::notice::Notice;
use super::number::number;
use super::trigger_filter::{Choice, Filter, Found, KINDS, SORTS, STATES};
use super::trigger_row::TriggerRow;
use super::trigger_unreadable::UnreadableRow;
use super::viewer::{shown_zone, trigger_zone};
use super::{PageFault, page};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::Query;
use crate::fault::Fault;

/// How many triggers are looked at; a search in more than these says so.
const TRIGGERS_MAX: usize = 5_000;

/// How many triggers that cannot be read have a line.
const UNREADABLE_SHOWN: usize = 50;

/// How many firings the bar of a row has.
const FIRINGS_SHOWN: usize = 30;

/// The last firing of a trigger.
struct Last {
    outcome: Badge,
    fired: Moment,
    /// The event, while it can be read.
    event: Option<i64>,
}

/// A line of the list.
struct Line {
    trigger: TriggerRow,
    last: Option<Last>,
    strip: FiringStrip,
}

#[derive(Template)]
#[template(path = "triggers.html")]
struct ListPage {
    frame: Frame,
    notice: Option<Notice>,
    filter: Filter,
    kinds: &'static [Choice],
    states: &'static [Choice],
    sorts: &'static [Choice],
    /// Those that cannot be read: on the first page, in front of all others.
    unreadable: Vec<UnreadableRow>,
    /// How many such there are besides.
    unreadable_further: usize,
    lines: Vec<Line>,
    /// How many were found, and on which of how many pages these stand.
    found: usize,
    page: usize,
    pages: usize,
    /// Among how many was searched.
    looked_at: usize,
    /// How many more there are, if any.
    beyond: Option<String>,
    base: String,
}

/// GET /ui/triggers
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let owner = caller.owner();
    let filter = Filter::take(&mut query).map_err(Fault::from)?;
    let notice = Notice::take(&mut query);
    let gone_until = app.settings.retention.gone_until(now);
    let listed = app.store.listed_heads(owner, TRIGGERS_MAX).await?;
    let attention = app.store.attention(owner, gone_until, now).await?;
    let looked_at = listed.len();
    let (mut heads, mut unreadable) = (Vec::new(), Vec::new());
    for one in listed {
        match one {
            Listed::Read(head) => heads.push(head),
            Listed::Unreadable(one) => unreadable.push(one),
        }
    }
    unreadable.retain(|one| filter.admits_unreadable(one));
    let failing = attention.failing.iter().map(|(head, _)| head.id).collect();
    let Found { triggers, total, page: shown, pages } = filter.apply(heads, &failing, &caller.frozen, now);
    let ids: Vec<TriggerId> = triggers.iter().map(|(head, _)| head.id).collect();
    let recent = app.store.recent_firings(owner, ids, gone_until, FIRINGS_SHOWN).await?;
    let mut recent: HashMap<TriggerId, Vec<Firing>> =
        recent.into_iter().map(|recent| (recent.trigger, recent.firings)).collect();
    let named = triggers.iter().flat_map(|(head, _)| head.destinations.iter().copied()).collect();
    let names = destination::named(&app, owner, named).await?;
    let lines = triggers
        .iter()
        .map(|(head, condition)| {
            let zone = shown_zone(&app, &caller, Some(trigger_zone(&app, head.schedule.as_ref())));
            let mut firings = recent.remove(&head.id).unwrap_or_default();
            let last = firings.first().map(|firing| Last {
                outcome: Badge::of_outcome(firing.outcome),
                fired: Moment::new(firing.fired_at, now, &zone),
                event: firing.is_kept.then_some(firing.event.0),
            });
            firings.reverse();
            let strip = FiringStrip::new(&firings, now);
            Line { trigger: TriggerRow::of(&app, head, *condition, &zone, now).naming(&names), last, strip }
        })
        .collect();
    let found = total + unreadable.len();
    let zone = shown_zone(&app, &caller, None);
    let on_this_page = unreadable.iter().take(if shown == 1 { UNREADABLE_SHOWN } else { 0 });
    let list = ListPage {
        unreadable: on_this_page.map(|one| UnreadableRow::of(one, &zone, now)).collect(),
        unreadable_further: unreadable.len().saturating_sub(UNREADABLE_SHOWN),
        frame: Frame::of(&app, &caller, Place::Triggers),
        notice,
        kinds: &KINDS,
        states: &STATES,
        sorts: &SORTS,
        lines,
        found,
        page: shown,
        pages,
        looked_at,
        beyond: beyond(&attention.tally, u64::try_from(looked_at).unwrap_or(u64::MAX)),
        base: app.settings.base().to_owned(),
        filter,
    };
    let mut response = page(StatusCode::OK, &list);
    // A form sends its empty fields too; what stands in the browser's address is what somebody would share.
    if let Ok(address) = HeaderValue::from_str(&list.filter.address(shown)) {
        response.headers_mut().insert("hx-replace-url", address);
    }
    Ok(response)
}

/// How many triggers there are that are not among those that were looked at: the newest.
fn beyond(tally: &TriggerTally, looked_at: u64) -> Option<String> {
    let more_than = |count| format!("more than {} newer ones are", number(count));
    match tally.all.min(TALLIED_MAX).saturating_sub(looked_at) {
        further if tally.is_at_least() => Some(more_than(further)),
        0 => None,
        1 => Some("a newer one is".to_owned()),
        further => Some(format!("{} newer ones are", number(further))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_are_looked_at_it_is_told_how_many_and_of_more_than_are_counted_that_it_is_more() {
        let told = |all| beyond(&TriggerTally { all, ..TriggerTally::default() }, 5_000);
        let of = [5_000, 5_001, 6_234, 10_000, 10_001].map(told);
        let expected = [
            None,
            Some("a newer one is"),
            Some("1,234 newer ones are"),
            Some("5,000 newer ones are"),
            Some("more than 5,000 newer ones are"),
        ];
        assert_eq!(of.each_ref().map(Option::as_deref), expected);
    }
}
