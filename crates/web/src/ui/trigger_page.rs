//! GET /ui/triggers/{id}: everything about one trigger: where it stands, what it will do, what it did, how to call it, and what
//! can be done with it. What it did stands in `trigger_past`; changing it is done elsewhere.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::firing::{FIRINGS_KEPT, Firing, Outcome};
use oncue_domain::freeze::seen_through;
use oncue_domain::id::DestinationId;
use oncue_domain::payload::Payload;
use oncue_domain::run::Expectation;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::{Definition, Kind, TriggerHead};

use super::backlog::Waiting;
use super::badge::Badge;
use super::chart::Ticks;
use super::condition::Condition;
use super::destination;
use super::event::beginning;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::notice::Notice;
use super::snippet::{Snippet, Target, snippets};
use super::trigger_form::{in_zone, zones_to_tell};
use super::trigger_gone::gone;
use super::trigger_past::Past;
use super::trigger_row::TriggerRow;
use super::trigger_unreadable;
use super::viewer;
use super::{PageFault, page};
use crate::api::trigger::{Found, find, trigger_id};
use crate::api::why::is_under_way;
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{PathId, Query};
use crate::fault::Fault;

/// How many firings to come are listed.
const COMING_LISTED: usize = 5;

/// How many firings to come the strip shows at most.
const COMING_DRAWN: usize = 400;

/// How many bytes of a payload the page shows; the form has all of it.
const PAYLOAD_BYTES_SHOWN: usize = 4 * 1024;

/// The longest payload that a snippet carries; a longer one is what the call sends without a body.
const SNIPPET_PAYLOAD_BYTES_MAX: usize = 400;

/// A firing to come, in every zone that matters.
struct Due {
    moment: Moment,
    walls: Vec<String>,
}

/// What it will do.
struct Coming {
    zones: Vec<String>,
    dues: Vec<Due>,
    strip: Ticks,
}

impl Coming {
    /// Of a trigger that waits for something.
    fn of(head: &TriggerHead, own: &Zone, viewer: &Zone, now: Timestamp) -> Option<Coming> {
        let mut dues: Vec<Timestamp> = head.firings_to_come(now).take(COMING_DRAWN + 1).collect();
        let has_more = dues.len() > COMING_DRAWN;
        dues.truncate(COMING_DRAWN);
        dues.first()?;
        let zones = zones_to_tell(own, viewer);
        let told = dues.iter().take(COMING_LISTED).map(|due| Due {
            moment: Moment::firing(head, *due, now, viewer),
            walls: zones.iter().map(|zone| in_zone(*due, zone)).collect(),
        });
        Some(Coming {
            dues: told.collect(),
            strip: Ticks::new(&dues, has_more, now, viewer),
            zones: zones.iter().map(|zone| zone.name().to_owned()).collect(),
        })
    }
}

/// The last firing.
struct Last {
    outcome: Badge,
    fired: Moment,
    event: Option<i64>,
}

#[derive(Template)]
#[template(path = "trigger.html")]
struct TriggerPage {
    frame: Frame,
    notice: Option<Notice>,
    trigger: TriggerRow,
    revision: i64,
    is_test: bool,
    /// How often its schedule has fired it and may, where that is limited.
    limit: Option<(u64, u64)>,
    /// What is to be reported of its events, and who is told where it is not.
    expects: Option<(String, Option<(DestinationId, String)>)>,
    /// What becomes of what falls due while an event is under way, where it does not fire; and whether one is.
    overlap: Option<(&'static str, bool)>,
    /// The whole address; only its owner sees this page.
    address: Option<String>,
    last: Option<Last>,
    coming: Option<Coming>,
    past: Past,
    payload: String,
    /// The beginning of the payload, and whether that is not all.
    payload_shown: String,
    is_payload_cut: bool,
    /// What the payloads of calls have to be like.
    payload_schema: Option<String>,
    snippets: [Snippet; 5],
    is_called: bool,
    needs_key: bool,
    waiting: Option<Waiting>,
}

/// GET /ui/triggers/{id}
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let armed = match find(app.store.as_ref(), caller.owner(), trigger_id(&id)?).await? {
        Some(Found::Whole(armed)) => armed,
        Some(Found::Remains(remains)) => {
            return trigger_unreadable::show(&app, &caller, &remains, Notice::take(&mut query), now).await;
        }
        None => return gone(&app, &caller, &id, now, Fault::not_found("Trigger")).await,
    };
    let is_under_way = is_under_way(app.store.as_ref(), &armed.trigger).await?;
    let head = TriggerHead { is_behind: is_under_way, ..TriggerHead::from(&armed) };
    let own = viewer::trigger_zone(&app, head.schedule.as_ref()).clone();
    let zone = viewer::shown_zone(&app, &caller, Some(&own));
    let gone_until = app.settings.retention.gone_until(now);
    let recent = app.store.recent_firings(caller.owner(), vec![head.id], gone_until, FIRINGS_KEPT).await?;
    let firings = recent.into_iter().next().map(|recent| recent.firings).unwrap_or_default();
    let condition = Condition::of(&head, is_failing(&firings), &caller.frozen, now);
    let seen = seen_through(head.clone(), &caller.frozen, now);
    let definition = &armed.trigger.definition;
    let payload = definition.payload.as_ref().map_or("{}", Payload::as_str).to_owned();
    let shown = beginning(&payload, PAYLOAD_BYTES_SHOWN);
    let needs_key = app.settings.needs_key();
    let names = destination::named(&app, caller.owner(), definition.named_destinations()).await?;
    let trigger_page = TriggerPage {
        frame: Frame::of(&app, &caller, Place::Triggers),
        notice: Notice::take(&mut query),
        trigger: TriggerRow::of(&app, &seen, condition, &zone, now).naming(&names),
        revision: armed.trigger.revision,
        is_test: head.is_test,
        limit: head.schedule.as_ref().and_then(|details| Some((armed.fired, details.max_fires()?))),
        expects: definition.expects.as_ref().map(|expects| {
            let told = expects.alert.and_then(|id| Some((id, names.get(&id)?.clone())));
            (within(expects), told)
        }),
        overlap: match definition.overlap {
            overlap if overlap.is_allowed() || head.schedule.is_none() => None,
            overlap => Some((overlap.rule(), is_under_way)),
        },
        address: head.webhook.as_ref().map(|webhook| webhook.url.to_string()),
        last: firings.first().map(|firing| Last {
            outcome: Badge::of_outcome(firing.outcome),
            fired: Moment::new(firing.fired_at, now, &zone),
            event: firing.is_kept.then_some(firing.event.0),
        }),
        coming: Coming::of(&seen, &own, &viewer::own_zone(&app, &caller), now),
        past: Past::of(&app, &caller, &head, firings, &zone, now).await?,
        payload_shown: shown.to_owned(),
        is_payload_cut: shown.len() < payload.len(),
        payload_schema: definition.payload_schema.as_ref().map(|schema| schema.as_str().to_owned()),
        snippets: calls(app.settings.base(), head.id.0, definition, needs_key),
        is_called: definition.kind() == Kind::Api,
        needs_key,
        payload,
        waiting: Waiting::of(&app, caller.owner(), Some(armed.trigger.id)).await?,
    };
    Ok(page(StatusCode::OK, &trigger_page))
}

/// By when something is to be reported, in words.
fn within(expects: &Expectation) -> String {
    match expects.as_written() {
        (report, Some(start)) => format!("its start within {start}, its end within {report}"),
        (report, None) => format!("its end within {report}"),
    }
}

/// Whether the newest event that has an end failed; the same as [`oncue_domain::store::Attention::failing`] says of many.
fn is_failing(firings: &[Firing]) -> bool {
    let ended = |firing: &&Firing| firing.is_kept && matches!(firing.outcome, Outcome::Delivered | Outcome::Failed);
    firings.iter().find(ended).is_some_and(|firing| firing.outcome == Outcome::Failed)
}

fn calls(base: &str, id: i64, definition: &Definition, needs_key: bool) -> [Snippet; 5] {
    match definition.kind() {
        Kind::Api => {
            let payload = definition.payload.as_ref().map(Payload::as_str).unwrap_or(r#"{"key": "value"}"#);
            let payload = (payload.len() <= SNIPPET_PAYLOAD_BYTES_MAX).then_some(payload);
            snippets(&Target { url: &format!("{base}/api/v1/triggers/{id}/fire"), payload, needs_key })
        }
        Kind::Scheduled => {
            snippets(&Target { url: &format!("{base}/api/v1/triggers/{id}/test"), payload: None, needs_key })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::condition::tests::{at, head};
    use oncue_domain::event::Origin;
    use oncue_domain::id::EventId;
    use oncue_domain::schedule::zone::Zones;

    fn firing(outcome: Outcome, is_kept: bool) -> Firing {
        Firing {
            event: EventId(1),
            origin: Origin::Schedule,
            scheduled_at: None,
            due_at: None,
            fired_at: at(0),
            outcome,
            attempts: 1,
            took: None,
            is_kept,
        }
    }

    #[test]
    fn a_trigger_fails_when_the_newest_event_that_ended_did() {
        let fails = |outcomes: &[Outcome]| {
            is_failing(&outcomes.iter().map(|outcome| firing(*outcome, true)).collect::<Vec<_>>())
        };
        assert!(fails(&[Outcome::Pending, Outcome::Logged, Outcome::Failed, Outcome::Delivered]));
        assert!(!fails(&[Outcome::Delivered, Outcome::Failed]));
        assert!(!fails(&[Outcome::Pending]));
        assert!(!is_failing(&[firing(Outcome::Failed, false)]), "what is gone is past");
    }

    #[test]
    fn a_firing_to_come_is_told_in_every_zone_once() {
        let zone = |name| Zones::bundled().get(name).expect("it exists");
        let coming = Coming::of(&head(1, ""), &zone("Asia/Kolkata"), &zone("Europe/Riga"), at(0)).expect("it waits");
        assert_eq!(coming.zones, ["Asia/Kolkata", "Europe/Riga", "UTC"]);
        assert_eq!((coming.dues.len(), coming.dues[0].walls.len()), (1, 3));
        let coming = Coming::of(&head(1, ""), &Zones::utc(), &Zones::utc(), at(0)).expect("it waits");
        assert_eq!(coming.zones, ["UTC"]);
        assert!(
            Coming::of(&TriggerHead { next_at: None, ..head(1, "") }, &Zones::utc(), &Zones::utc(), at(0)).is_none()
        );
    }
}
