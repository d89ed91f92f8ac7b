//! The page of one destination: what it is, whether deliveries go there, what failed there lately, which triggers send to it, and what
//! its calls are signed with.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::destination::definition::Alert;
use oncue_domain::destination::{Definition, Destination};
use oncue_domain::id::{DestinationId, TriggerId, UserId};
use oncue_domain::signature::SigningSecret;
use oncue_domain::store::{Undelivered, UndeliveredFilter};
use serde_json::Value;

use super::choice::named;
use super::field::{Shape, fields_of, get};
use super::list::TRIGGERS_MAX;
use super::row::{DestinationRow, label};
use crate::api::destination::{destination_id, load, streak_of};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, Query};
use crate::fault::Fault;
use crate::ui::frame::{Frame, Place};
use crate::ui::moment::{Moment, span};
use crate::ui::notice::{Done, Notice};
use crate::ui::trigger_row;
use crate::ui::viewer::shown_zone;
use crate::ui::{PageFault, page};

/// How many failed deliveries are listed.
const FAILED_LISTED: usize = 10;

/// A trigger that sends to a destination.
pub(super) struct Sender {
    pub(super) id: TriggerId,
    pub(super) label: String,
}

/// The triggers that send to a destination, among those that lists look at.
pub(super) async fn senders(app: &App, owner: UserId, id: DestinationId) -> Result<Vec<Sender>, Fault> {
    let heads = app.store.trigger_heads(owner, TRIGGERS_MAX).await?;
    let senders = heads.iter().filter(|head| head.destinations.contains(&id));
    let name = |name: &Option<String>, id| trigger_row::label(name.as_deref().unwrap_or_default(), id);
    Ok(senders.map(|head| Sender { id: head.id, label: name(&head.name, head.id) }).collect())
}

/// A delivery that was given up.
struct Failed {
    event: i64,
    trigger: TriggerId,
    fired: Moment,
    failed: Moment,
    why: Option<String>,
}

/// A signing secret, of which nothing is shown that helps to sign.
struct SecretRow {
    id: String,
    scheme: &'static str,
    public_key: Option<String>,
}

#[derive(Template)]
#[template(path = "destination.html")]
struct DestinationPage {
    frame: Frame,
    notice: Option<Notice>,
    destination: DestinationRow,
    is_in_order: bool,
    /// Who was told of its trouble last, and when.
    told: Option<(String, Moment)>,
    /// What was said of it: the field's name and what it says.
    facts: Vec<(&'static str, String)>,
    created: Moment,
    revision: i64,
    is_signing: bool,
    secrets: Vec<SecretRow>,
    /// The secret that was just drawn, and its public key.
    new_secret: Option<(String, Option<String>)>,
    senders: Vec<Sender>,
    failed: Vec<Failed>,
    kept_for: String,
}

/// GET /ui/destinations/{id}
pub(in crate::ui) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    let destination = load(&app, caller.owner(), destination_id(&id)?).await?;
    let notice = Notice::take(&mut query);
    Ok(page(StatusCode::OK, &DestinationPage::new(&app, &caller, &destination, notice).await?))
}

/// The page right after a signing secret was drawn, which it shows.
pub(super) async fn show_new(
    app: &App,
    caller: &Caller,
    destination: &Destination,
    secret: &SigningSecret,
    done: Done,
) -> Result<Response, PageFault> {
    let new_secret = Some((secret.reveal(), secret.public_key()));
    let shown = DestinationPage::new(app, caller, destination, Some(Notice::of(done))).await?;
    Ok(page(StatusCode::OK, &DestinationPage { new_secret, ..shown }))
}

impl DestinationPage {
    async fn new(
        app: &App,
        caller: &Caller,
        destination: &Destination,
        notice: Option<Notice>,
    ) -> Result<DestinationPage, PageFault> {
        let (now, zone) = (app.now(), shown_zone(app, caller, None));
        let failed = failed(app, caller.owner(), destination.id).await?;
        let failed = failed.into_iter().map(|failed| Failed {
            event: failed.place.event.0,
            trigger: failed.trigger,
            fired: Moment::new(failed.fired_at, now, &zone),
            failed: Moment::new(failed.place.failed_at, now, &zone),
            why: failed.why,
        });
        let secrets = signing_secrets(&destination.definition);
        let streak = streak_of(app, destination).await?;
        let told = match streak.and_then(|streak| streak.told) {
            Some(told) => {
                let names = named(app, caller.owner(), vec![told.destination]).await?;
                let name = label(names.get(&told.destination).map(String::as_str), told.destination);
                Some((name, Moment::new(told.at, now, &zone)))
            }
            None => None,
        };
        Ok(DestinationPage {
            frame: Frame::of(app, caller, Place::Destinations),
            notice,
            destination: DestinationRow::of(destination, streak.as_ref(), &zone, now),
            is_in_order: destination.definition.in_order,
            told,
            facts: facts(app, caller.owner(), &destination.definition).await?,
            created: Moment::new(destination.created_at, now, &zone),
            revision: destination.revision,
            is_signing: secrets.is_some(),
            secrets: secrets.unwrap_or_default().iter().map(SecretRow::of).collect(),
            new_secret: None,
            senders: senders(app, caller.owner(), destination.id).await?,
            failed: failed.collect(),
            kept_for: span(app.settings.retention.keep_for),
        })
    }
}

impl SecretRow {
    fn of(secret: &SigningSecret) -> SecretRow {
        SecretRow { id: secret.id(), scheme: secret.scheme().word(), public_key: secret.public_key() }
    }
}

/// What calls are signed with; none where they are not.
fn signing_secrets(definition: &Definition) -> Option<&[SigningSecret]> {
    definition.kind.call().map(|call| call.secrets.as_slice())
}

/// The newest failed deliveries to a destination.
async fn failed(app: &App, owner: UserId, id: DestinationId) -> Result<Vec<Undelivered>, Fault> {
    let gone_until = app.settings.retention.gone_until(app.now());
    let filter = UndeliveredFilter { destination: Some(id), ..UndeliveredFilter::default() };
    Ok(app.store.undelivered(owner, filter, gone_until, None, FAILED_LISTED).await?)
}

/// What was said of a destination, as its form says it. A secret is only said to be there.
async fn facts(app: &App, owner: UserId, definition: &Definition) -> Result<Vec<(&'static str, String)>, Fault> {
    let shown = definition.shown();
    let mut facts: Vec<(&'static str, String)> = Vec::new();
    for field in fields_of(definition.kind.word()).filter(|field| field.path != "name") {
        let Some(value) = get(&shown, field.path) else { continue };
        let text = match (field.shape, field.path) {
            (Shape::Secret, _) => Some("kept, and not shown".to_owned()),
            (Shape::Headers, _) => header_names(value),
            (Shape::Flag, _) => value.as_bool().filter(|is_on| *is_on).map(|_| "yes".to_owned()),
            (Shape::Pauses, _) => Some(field.text(value).filter(|text| !text.is_empty()).unwrap_or("none".to_owned())),
            (_, "body.format") => value.as_str().map(|word| body_name(word).to_owned()),
            (_, "rate.count") => rate(&shown["rate"]),
            (_, "rate.per" | "rate.burst" | "alert.after") => None,
            (_, "alert.destination") => {
                let ids = definition.alert.iter().map(|alert| alert.destination).collect();
                let names = named(app, owner, ids).await?;
                definition.alert.map(|alert| alert_words(alert, names.get(&alert.destination).map(String::as_str)))
            }
            _ => field.text(value),
        };
        facts.extend(text.filter(|text| !text.is_empty()).map(|text| (field.label, text)));
    }
    Ok(facts)
}

/// Who is told of trouble, and after how much of it. `name` is none where that destination is gone.
fn alert_words(alert: Alert, name: Option<&str>) -> String {
    let Some(name) = name else {
        return format!("{}, which is gone: nobody is told", label(None, alert.destination));
    };
    match alert.after {
        1 => format!("{name}, after the first failed attempt"),
        after => format!("{name}, after {after} failed attempts in a row"),
    }
}

fn header_names(value: &Value) -> Option<String> {
    let names: Vec<&str> = value.as_object()?.keys().map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("{}; their values are not shown", names.join(", ")))
}

/// What a body is, as pages say it.
fn body_name(word: &str) -> &str {
    match word {
        "cloudevents" => "CloudEvents JSON",
        "own" => "a text of its own",
        "cloudevents-binary" => "the payload, with ce- headers",
        other => other,
    }
}

fn rate(rate: &Value) -> Option<String> {
    let (count, per, burst) = (rate["count"].as_i64()?, rate["per"].as_str()?, rate["burst"].as_i64()?);
    Some(format!("{count} in {per}, at most {burst} at once"))
}
