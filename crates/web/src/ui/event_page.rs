//! The page of one event: what became of it, how long it still lives, when it was due and when it fired, what it carries, and
//! every attempt to deliver it. An event that is gone leaves a page that says so, while it is known in short; one that never
//! was looks like somebody else's.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use oncue_domain::delivery::ends_at;
use oncue_domain::destination::{Format, Target, Webhook};
use oncue_domain::event::{Event, Origin};
use oncue_domain::firing::{Firing, Outcome};
use oncue_domain::id::{EventId, TriggerId};
use oncue_domain::message::{Source, render};
use oncue_domain::outbound::Trust;
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::store::{DeliveryView, EventFilter, EventPage, EventPlace, EventSearch};
use oncue_domain::trigger::Definition;

use super::badge::Badge;
use super::chart::Life;
use super::delivery::{BODY_BYTES_SHOWN, DeliveryBlock, Telling};
use super::destination::Going;
use super::event::beginning;
use super::frame::{Frame, Place};
use super::moment::{Moment, absolute, lateness, span};
use super::notice::Notice;
use super::pretty::pretty;
use super::redelivery::Actions;
use super::run::{RunCard, of_events};
use super::trigger_row::label;
use super::viewer::{own_zone, shown_zone, trigger_zone};
use super::{PageFault, page};
use crate::api::event::load;
use crate::api::trigger::find;
use crate::app::{App, Shared};
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, Query, id_of};
use crate::fault::Fault;

/// An instant in every zone that somebody may think in.
struct When {
    what: &'static str,
    moment: Moment,
    /// In UTC to the last digit.
    exactly: String,
    /// On other walls: whose zone it is, and what its clock said.
    elsewhere: Vec<(&'static str, String)>,
}

/// A text that may be long.
struct Text {
    shown: String,
    bytes: usize,
    is_cut: bool,
}

impl Text {
    fn of(json: &str) -> Text {
        let laid_out = pretty(json);
        let shown = beginning(&laid_out, BODY_BYTES_SHOWN);
        Text { is_cut: shown.len() < laid_out.len(), shown: shown.to_owned(), bytes: json.len() }
    }
}

#[derive(Template)]
#[template(path = "event.html")]
struct Page {
    frame: Frame,
    notice: Option<Notice>,
    id: i64,
    label: String,
    /// Where it is told who fired it, if somebody did by hand.
    log: Option<String>,
    outcome: Badge,
    is_test: bool,
    is_pending: bool,
    life: Life,
    source: &'static str,
    trigger: TriggerId,
    /// The trigger's revision that fired.
    revision: i64,
    /// Whether the trigger that fired is still there to be looked at.
    has_trigger: bool,
    whens: Vec<When>,
    lateness: Option<String>,
    message_id: String,
    payload: Text,
    cloudevent: Text,
    deliveries: Vec<DeliveryBlock>,
    /// What was reported of it, where that was expected.
    run: Option<RunCard>,
    /// What can be done with each of them, in their order.
    actions: Vec<Actions>,
    /// The event whose payload this one carries again.
    parent: Option<i64>,
    older: Option<i64>,
    newer: Option<i64>,
}

/// What is left of an event that is gone.
#[derive(Template)]
#[template(path = "event_gone.html")]
struct GonePage {
    frame: Frame,
    id: i64,
    trigger: TriggerId,
    fired: Moment,
    scheduled: Option<Moment>,
    lateness: Option<String>,
    source: &'static str,
    outcome: Badge,
    attempts: u32,
    keep_for: String,
}

/// GET /events/{id}
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let (event, deliveries) = match load(&app, &caller, &id, now).await {
        Ok(found) => found,
        Err(fault) => return gone(&app, &caller, &id, now, fault).await,
    };
    let found = found(&app, &caller, &event, &deliveries, now).await?;
    Ok(page(StatusCode::OK, &Page { notice: Notice::take(&mut query), ..found }))
}

async fn found(
    app: &App,
    caller: &Caller,
    event: &Event,
    deliveries: &[DeliveryView],
    now: Timestamp,
) -> Result<Page, PageFault> {
    // What fired is told also where nobody can read any more what made it.
    let trigger = find(app.store.as_ref(), caller.owner(), event.trigger).await?;
    let definition = trigger.as_ref().map(|found| &found.armed().trigger.definition);
    let own = definition.map(|definition| trigger_zone(app, definition.schedule.as_ref()));
    let zone = shown_zone(app, caller, own);
    let source = app.source();
    let going = Going::read(app, caller.owner(), deliveries).await?;
    let ends_at = ends_at(event, app.settings.retention.keep_for);
    let telling = Telling { now, zone: &zone, going: &going, ends_at };
    let runs = of_events(app, caller.owner(), event.has_run.then_some(event.id).into_iter().collect(), now).await?;
    let outcome = Outcome::of(deliveries.iter().map(|delivery| delivery.state));
    let frame = Frame::of(app, caller, Place::Events);
    let actions = Actions::of(
        event,
        deliveries,
        |view| going.state_of(view, ends_at),
        |target| is_there(app, target, &going),
        app.settings.retention,
        now,
        frame.once(),
    );
    Ok(Page {
        frame,
        notice: None,
        id: event.id.0,
        label: label(&event.name, event.trigger),
        log: log(event),
        is_pending: outcome == Outcome::Pending,
        outcome: Badge::of_outcome(outcome),
        is_test: event.is_test(),
        life: Life::new(event.fired_at, app.settings.retention, now, &zone),
        source: super::event::source(event.origin),
        trigger: event.trigger,
        revision: event.revision,
        has_trigger: trigger.is_some(),
        whens: whens(app, caller, event, definition, now),
        lateness: event.lateness().map(lateness),
        message_id: event.message_id.to_string(),
        payload: Text::of(event.payload.as_str()),
        cloudevent: Text::of(&String::from_utf8_lossy(&envelope(event, &source))),
        deliveries: deliveries.iter().map(|view| DeliveryBlock::of(view, telling)).collect(),
        run: runs.get(&event.id).map(|run| RunCard::of(run, now, &zone)),
        actions,
        parent: event.parent.map(|parent| parent.0),
        older: neighbour(app, caller, event, EventPage::NewestFirst, now).await?,
        newer: neighbour(app, caller, event, EventPage::OldestFirst, now).await?,
    })
}

/// Whether there still is what a delivery goes to.
fn is_there(app: &Shared, target: &Target, going: &Going) -> bool {
    match target {
        Target::Webhook(_) => true,
        Target::Default => app.settings.has_default_destination,
        Target::Destination(id) => going.name(*id).is_some(),
    }
}

/// The instants of an event, each on the wall clocks of the trigger, of whoever looks, and of UTC; a zone that two of them share
/// is said once.
fn whens(app: &Shared, caller: &Caller, event: &Event, definition: Option<&Definition>, now: Timestamp) -> Vec<When> {
    let own = own_zone(app, caller);
    let of_trigger = trigger_zone(app, definition.and_then(|definition| definition.schedule.as_ref()));
    let utc = Zones::utc();
    let mut zones: Vec<(&'static str, &Zone)> = vec![("Trigger’s zone", of_trigger)];
    zones.extend(Some(("Your zone", &own)).filter(|(_, zone)| zone.name() != of_trigger.name()));
    let has_utc = zones.iter().any(|(_, zone)| zone.name() == utc.name());
    zones.extend(Some(("UTC", &utc)).filter(|_| !has_utc));
    let when = |what, instant: Timestamp| When {
        what,
        moment: Moment::new(instant, now, &shown_zone(app, caller, Some(of_trigger))),
        exactly: instant.to_string(),
        elsewhere: zones.iter().map(|(whose, zone)| (*whose, absolute(instant, zone))).collect(),
    };
    let scheduled = event.scheduled_at.map(|due| when("Scheduled for", due));
    let due = event.due_at.map(|due| when("Due, by its jitter", due));
    scheduled.into_iter().chain(due).chain([when("Fired and recorded", event.fired_at)]).collect()
}

/// Where the audit log has the line of whoever fired this event by hand. That of a test may be the line of the creation, so all of a trigger's
/// lines are shown. What was tried out and never saved may have been a destination.
fn log(event: &Event) -> Option<String> {
    let is_by_hand = matches!(event.origin, Origin::Run | Origin::Test | Origin::Repeat);
    let lines = if event.trigger.0 > 0 {
        format!("object=trigger&object_id={}", event.trigger)
    } else {
        "action=fired".to_owned()
    };
    is_by_hand.then(|| format!("/audit?{lines}"))
}

/// The event as it is sent where a destination asks for nothing else.
fn envelope(event: &Event, source: &Source) -> Bytes {
    let anywhere = Webhook::parse("https://receiver.invalid/", Some(Format::Json)).expect("this is an address");
    render(event, &anywhere, Trust::Guarded, source, event.fired_at).body
}

/// The event of the same trigger that comes next in that direction.
async fn neighbour(
    app: &App,
    caller: &Caller,
    event: &Event,
    direction: fn(Option<EventPlace>) -> EventPage,
    now: Timestamp,
) -> Result<Option<i64>, PageFault> {
    let filter = EventFilter {
        trigger: Some(event.trigger),
        fired_after: Some(app.settings.retention.gone_until(now)),
        fired_until: None,
    };
    let here = direction(Some(EventPlace { fired_at: event.fired_at, id: event.id }));
    let search = EventSearch { filter, ..EventSearch::default() };
    let read = app.store.event_lines(caller.owner(), search, here, 1).await?;
    Ok(read.lines.first().map(|line| line.id.0))
}

/// 410 with what is left of an event, or what was wrong with asking for it.
async fn gone(app: &App, caller: &Caller, id: &str, now: Timestamp, fault: Fault) -> Result<Response, PageFault> {
    let retention = app.settings.retention;
    let id = id_of(id).map(EventId).filter(|_| fault.status() == StatusCode::NOT_FOUND);
    let Some(id) = id else { return Err(PageFault(fault)) };
    let left = app.store.gone_firing(caller.owner(), id, retention.gone_until(now)).await?;
    let Some((trigger, firing)) = left else { return Err(PageFault(fault)) };
    let zone = shown_zone(app, caller, None);
    let frame = Frame::of(app, caller, Place::Events);
    Ok(page(StatusCode::GONE, &GonePage::of(frame, trigger, &firing, span(retention.keep_for), now, &zone)))
}

impl GonePage {
    fn of(
        frame: Frame,
        trigger: TriggerId,
        firing: &Firing,
        keep_for: String,
        now: Timestamp,
        zone: &Zone,
    ) -> GonePage {
        GonePage {
            frame,
            id: firing.event.0,
            trigger,
            fired: Moment::new(firing.fired_at, now, zone),
            scheduled: firing.scheduled_at.map(|due| Moment::new(due, now, zone)),
            lateness: firing.lateness().map(lateness),
            source: super::event::source(firing.origin),
            outcome: Badge::of_outcome(firing.outcome),
            attempts: firing.attempts,
            keep_for,
        }
    }
}

/// GET /events/{id}/payload
pub(super) async fn payload(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let (event, _) = load(&app, &caller, &id, app.now()).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], event.payload.as_str().to_owned()).into_response())
}

/// GET /events/{id}/cloudevent
pub(super) async fn cloudevent(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let (event, _) = load(&app, &caller, &id, app.now()).await?;
    let body = envelope(&event, &app.source());
    Ok(([(header::CONTENT_TYPE, "application/cloudevents+json")], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::delivery::{Attempt, State as DeliveryState};
    use oncue_domain::destination::Target;
    use oncue_domain::event::Retention;
    use oncue_domain::id::{Ids, UserId};
    use oncue_domain::payload::Payload;
    use oncue_domain::run::{Report, Verb};
    use oncue_domain::trigger::Kind;

    use crate::ui::run::tests::run;

    const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

    #[test]
    fn nothing_that_others_wrote_is_markup_on_the_page() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let utc = Zones::utc();
        let event = Event {
            id: EventId(29),
            owner: UserId(1),
            trigger: TriggerId(7),
            revision: 1,
            name: NASTY.to_owned(),
            kind: Kind::Scheduled,
            origin: Origin::Test,
            scheduled_at: None,
            due_at: None,
            fired_at: now,
            message_id: Ids::from_seed([1; 32]).message(now),
            payload: Payload::parse(&format!("{{\"k\": {}}}", serde_json::Value::from(NASTY))).expect("JSON"),
            parent: None,
            has_run: false,
        };
        let attempt = Attempt {
            number: 1,
            started_at: now,
            took_us: 12_000,
            status: Some(500),
            error: None,
            answer: Some(NASTY.as_bytes().to_vec()),
        };
        let webhook = Webhook::parse("https://example.com/?q=<script>", None).expect("an address");
        let view = DeliveryView {
            slot: 0,
            message_id: event.message_id,
            target: Target::Webhook(webhook),
            state: DeliveryState::Failed,
            attempts: vec![attempt],
            ladder_from: 0,
            why: None,
        };
        let source = Source {
            public_url: "https://oncue.example".to_owned(),
            version: "0.1.0",
            reports: oncue_domain::run::ReportKey::derive(b"a test's secret"),
        };
        let report = Report::new(Verb::Fail, Some(NASTY), None, Some(3)).expect("it makes sense");
        let failed = run(now).report(&report, now).expect("nothing stands against it");
        let going = Going::default();
        let telling = Telling { now, zone: &utc, going: &going, ends_at: Timestamp::MAX };
        let html = Page {
            frame: Frame::bare(),
            notice: None,
            id: 29,
            label: label(&event.name, event.trigger),
            log: log(&event),
            outcome: Badge::of_outcome(Outcome::of([view.state])),
            is_test: true,
            is_pending: false,
            life: Life::new(now, Retention::STANDARD, now, &utc),
            source: "test",
            trigger: event.trigger,
            revision: event.revision,
            has_trigger: true,
            whens: Vec::new(),
            lateness: None,
            message_id: event.message_id.to_string(),
            payload: Text::of(event.payload.as_str()),
            cloudevent: Text::of(&String::from_utf8_lossy(&envelope(&event, &source))),
            deliveries: vec![DeliveryBlock::of(&view, telling)],
            run: Some(RunCard::of(&failed, now, &utc)),
            actions: Actions::of(&event, &[view], |view| view.state, |_| true, Retention::STANDARD, now, "abc"),
            parent: Some(28),
            older: None,
            newer: Some(30),
        };
        let html = html.render().expect("it renders");
        assert!(!html.contains("<script>") && !html.contains("<img src=x"), "{html}");
        for words in [
            "Redeliver",
            "href=\"/events/28\"",
            "500 Internal Server Error",
            "12 ms",
            "failed",
            "/events/29/deliveries/0/attempts/1",
            "error of its own",
            "It failed after",
            "exit code 3",
            "webhook-id",
        ] {
            assert!(html.contains(words), "{words}: {html}");
        }
    }

    #[test]
    fn of_an_event_that_is_gone_only_its_figures_are_left() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let line = crate::ui::event_line::tests::line(29, NASTY, NASTY, oncue_domain::firing::Outcome::Failed, now);
        let page = GonePage::of(Frame::bare(), TriggerId(7), &line.firing, "2 d".to_owned(), now, &Zones::utc());
        let html = page.render().expect("it renders");
        assert!(html.contains("Event 29") && html.contains("failed") && html.contains("3 ms late"), "{html}");
    }
}
