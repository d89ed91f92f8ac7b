//! How a destination is made and changed, for the API and the pages alike: what is sent is read by the domain, its address judged by
//! the guard, and who is to be told of trouble looked up. Nothing here knows a request.

use axum::http::StatusCode;
use jiff::Timestamp;
use oncue_domain::destination::definition::Kind;
use oncue_domain::destination::{DESTINATIONS_MAX, Definition, Destination, Refusal};
use oncue_domain::error::Invalid;
use oncue_domain::id::{DestinationId, UserId};
use oncue_domain::signature::SigningSecret;
use oncue_domain::store::Edited;
use serde_json::{Map, Value, json};

use super::load;
use crate::app::Shared;
use crate::auth::Caller;
use crate::fault::Fault;

/// The fields of a destination that are shown and cannot be set.
const READ_ONLY: [&str; 6] = ["id", "revision", "created_at", "standing", "failing", "used_by"];

/// The fields that every kind has; what else was said of a destination is its kind's own.
const COMMON: [&str; 8] = ["name", "timeout", "rate", "parallelism", "in_order", "retries", "stop_on_4xx", "alert"];

/// How often an edit is decided again because the destination was edited meanwhile.
const EDIT_TRIES: usize = 16;

/// What every kind whose calls are signed asks for beside that, in the same words.
const CALLED: [&str; 3] = ["method", "body", "secrets"];

/// A destination that was made or changed.
pub(crate) struct Made {
    /// The destination.
    pub(crate) destination: Destination,
    /// The secret that was drawn for it, to be shown this once; none where there were secrets already, or where nothing is signed.
    pub(crate) secret: Option<SigningSecret>,
}

/// Makes a destination of what its user said, in the form of [`Definition::read`]. Where calls are signed and `secrets` is null or
/// left out, a secret is drawn; an empty list asks for none.
pub(crate) async fn create_from(
    app: &Shared,
    caller: &Caller,
    mut said: Map<String, Value>,
    now: Timestamp,
) -> Result<Made, Fault> {
    let owner = caller.owner();
    let secret = draw_first(app, &mut said, None);
    let definition = read(app, owner, said, None).await?;
    match app.acting(caller).create_destination(owner, definition, now).await? {
        Some(destination) => Ok(Made { destination, secret }),
        None => {
            let detail = format!("You have {DESTINATIONS_MAX} destinations already; delete one first.");
            Err(Fault::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// Gives a destination a secret where its calls are to be signed from now on and its user named none.
pub(super) fn draw_first(
    app: &Shared,
    said: &mut Map<String, Value>,
    former: Option<&Definition>,
) -> Option<SigningSecret> {
    let secret = is_to_be_drawn(said, former).then(|| SigningSecret::symmetric(app.random()))?;
    said.insert("secrets".to_owned(), json!([{"secret": secret.reveal()}]));
    Some(secret)
}

/// Whether a destination that said `former` has no secret to sign with and wants one: it is new, or was of a kind whose calls are not
/// signed, or it signed nothing by its user's wish and is now asked for the default by name.
fn is_to_be_drawn(said: &Map<String, Value>, former: Option<&Definition>) -> bool {
    let kind = said.get("kind").and_then(Value::as_str).unwrap_or_default();
    let former = former.and_then(|former| former.kind.call());
    let is_wanted = match said.get("secrets") {
        None => former.is_none(),
        Some(secrets) => secrets.is_null() && former.is_none_or(|call| call.secrets.is_empty()),
    };
    is_wanted && Kind::CALLED.contains(&kind)
}

/// Replaces what a destination says; secrets that are null or left out are kept, and one is drawn where calls were not signed before.
pub(crate) async fn edit_from(
    app: &Shared,
    caller: &Caller,
    id: DestinationId,
    said: &Map<String, Value>,
) -> Result<Made, Fault> {
    change(app, caller, id, |_| Ok(said.clone())).await
}

/// Changes the fields of a destination that are named, each as a whole (RFC 7396 for the fields at the top); what lies deeper is not
/// merged, because null stands there for a secret that is kept.
pub(crate) async fn patch_from(
    app: &Shared,
    caller: &Caller,
    id: DestinationId,
    said: &Map<String, Value>,
) -> Result<Made, Fault> {
    change(app, caller, id, |current| Ok(merge(shown(current), said))).await
}

/// Changes a destination to what `decide` makes of it; decided again when it changed meanwhile. What changes nothing is no edit.
pub(super) async fn change(
    app: &Shared,
    caller: &Caller,
    id: DestinationId,
    decide: impl Fn(&Definition) -> Result<Map<String, Value>, Fault>,
) -> Result<Made, Fault> {
    let owner = caller.owner();
    for _ in 0..EDIT_TRIES {
        let current = load(app, owner, id).await?;
        let mut said = decide(&current.definition)?;
        let secret = draw_first(app, &mut said, Some(&current.definition));
        let definition = read(app, owner, said, Some(&current)).await?;
        if definition == *current.definition {
            return Ok(Made { destination: current, secret: None });
        }
        match app.acting(caller).edit_destination(owner, id, current.revision, definition).await? {
            Edited::Done => return Ok(Made { destination: load(app, owner, id).await?, secret }),
            Edited::NotFound => return Err(Fault::not_found("Destination")),
            Edited::Missing(missing) => return Err(Invalid::new("alert.destination", missing.to_string()).into()),
            Edited::Stale => {}
        }
    }
    Err(Fault::new(StatusCode::CONFLICT, "This destination changes too fast right now; try again."))
}

/// What is shown of a definition, as an object.
pub(super) fn shown(definition: &Definition) -> Map<String, Value> {
    match definition.shown() {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn merge(mut base: Map<String, Value>, said: &Map<String, Value>) -> Map<String, Value> {
    let is_called =
        |kind: Option<&Value>| kind.and_then(Value::as_str).is_some_and(|kind| Kind::CALLED.contains(&kind));
    // What the former kind asked for says nothing to another one, but for what both ask for. Headers are secrets of the receiver's.
    if said.get("kind").is_some_and(|kind| Some(kind) != base.get("kind")) {
        let stays = is_called(base.get("kind")) && is_called(said.get("kind"));
        base.retain(|name, _| COMMON.contains(&name.as_str()) || stays && CALLED.contains(&name.as_str()));
    }
    base.extend(said.iter().map(|(name, value)| (name.clone(), value.clone())));
    base
}

/// Reads what was said of a destination that says `current` so far, and judges where it sends.
pub(super) async fn read(
    app: &Shared,
    owner: UserId,
    mut said: Map<String, Value>,
    current: Option<&Destination>,
) -> Result<Definition, Fault> {
    for name in READ_ONLY {
        said.remove(name);
    }
    let former = current.map(|current| current.definition.as_ref());
    let definition = Definition::read(&Value::Object(said), former).map_err(Fault::Invalid)?;
    judge(app, &definition, former)?;
    // One that was deleted since it was named keeps nothing from being edited.
    let named_before = former.and_then(|former| former.alert).map(|alert| alert.destination);
    if let Some(alert) = definition.alert.filter(|alert| named_before != Some(alert.destination)) {
        let field = "alert.destination";
        if current.is_some_and(|current| current.id == alert.destination) {
            return Err(Invalid::new(field, "A destination in trouble cannot tell of itself; name another one.").into());
        }
        if app.store.destination(owner, alert.destination).await?.is_none() {
            return Err(Invalid::new(field, format!("There is no destination {}.", alert.destination)).into());
        }
    }
    Ok(definition)
}

/// Where deliveries may go is judged when something is saved, for a quick answer; each dial is judged again. What stood before
/// stays, even where the operator has since drawn the line elsewhere.
fn judge(app: &Shared, definition: &Definition, former: Option<&Definition>) -> Result<(), Fault> {
    let egress = &app.settings.egress;
    let at = |field: &str, refusal: Refusal| Fault::from(Invalid::new(field, refusal.to_string()));
    let field = match &definition.kind {
        Kind::Github(_) => "github.api",
        Kind::Ntfy(_) => "ntfy.server",
        _ => "url",
    };
    let stood = former.and_then(Definition::address);
    if let Some(address) = definition.address().filter(|address| stood != Some(*address)) {
        egress.judge_url(address).map_err(|refusal| at(field, refusal))?;
    }
    if let Kind::Email(mail) = &definition.kind {
        let server = &mail.server;
        let is_as_before = matches!(former.map(|former| &former.kind), Some(Kind::Email(former))
            if former.server.host == server.host && former.server.port == server.port);
        if !is_as_before {
            egress.for_mail().judge_host(&server.host, server.port).map_err(|refusal| at("email.host", refusal))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("an object, not {other}"),
        }
    }

    #[test]
    fn a_patch_replaces_whole_fields_and_another_kind_forgets_what_the_former_one_asked_for() {
        let base = object(
            json!({"name": "a", "kind": "webhook", "url": "u", "headers": {"x": null}, "timeout": "5s", "method": "PUT"}),
        );
        let merged = merge(base.clone(), &object(json!({"headers": {"y": "1"}})));
        assert_eq!(merged["headers"], json!({"y": "1"}));
        assert_eq!(merged["url"], "u");
        let merged = merge(base.clone(), &object(json!({"kind": "discord"})));
        assert_eq!(Value::Object(merged), json!({"name": "a", "kind": "discord", "timeout": "5s"}));
        let merged = merge(base.clone(), &object(json!({"kind": "inbox"})));
        assert_eq!(Value::Object(merged), json!({"name": "a", "kind": "inbox", "timeout": "5s", "method": "PUT"}));
        let merged = merge(base.clone(), &object(json!({"kind": "webhook"})));
        assert_eq!(merged, base);
    }

    #[test]
    fn a_secret_is_drawn_where_calls_were_not_signed_and_nobody_said_that_they_should_not_be() {
        let former = |said: Value| Definition::read(&said, None).expect("a destination");
        let chat = former(json!({"name": "a", "kind": "discord", "url": "https://discord.com/api/webhooks/1/t"}));
        let signed = former(json!({"name": "a", "kind": "inbox", "secrets": [{"secret": SECRET}]}));
        let unsigned = former(json!({"name": "a", "kind": "inbox", "secrets": []}));
        let drawn = |said: Value, former| is_to_be_drawn(&object(said), former);
        for left_out in [json!({"kind": "webhook"}), json!({"kind": "webhook", "secrets": null})] {
            assert!(drawn(left_out.clone(), None) && drawn(left_out.clone(), Some(&chat)), "{left_out}");
            assert!(!drawn(left_out.clone(), Some(&signed)), "{left_out}");
        }
        assert!(!drawn(json!({"kind": "webhook"}), Some(&unsigned)), "it was asked for");
        assert!(drawn(json!({"kind": "webhook", "secrets": null}), Some(&unsigned)));
        assert!(!drawn(json!({"kind": "webhook", "secrets": []}), Some(&chat)));
        assert!(!drawn(json!({"kind": "slack"}), Some(&chat)));
    }
}
