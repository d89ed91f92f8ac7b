//! What a destination looks like in JSON. What its user said of it is written by the domain, which knows what is secret; what is
//! described here of it is for whoever reads the API's description.

use std::collections::BTreeMap;

use oncue_domain::destination::alert::Streak;
use oncue_domain::destination::{Destination, Standing};
use oncue_domain::signature::SigningSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::write::shown;
use crate::api::time;

/// A destination.
#[derive(Serialize, ToSchema)]
#[schema(as = Destination, example = json!({
    "id": 7, "name": "Ops", "kind": "webhook", "url": "https://example.com/hook", "method": "POST", "headers": {"x-api-key": null},
    "body": {"format": "cloudevents"}, "secrets": [{"id": "4be0643f", "scheme": "v1", "public_key": null}], "timeout": "15s",
    "rate": null, "parallelism": null, "in_order": false, "retries": ["5s", "5m", "30m", "2h", "5h", "10h", "14h"],
    "stop_on_4xx": false, "alert": null, "standing": {"state": "active", "since": null, "reason": null}, "failing": null,
    "used_by": 2, "revision": 1, "created_at": "2026-11-22T10:00:00Z"
}))]
pub(crate) struct DestinationDocument {
    id: i64,
    #[serde(flatten)]
    #[schema(value_type = DestinationInput)]
    said: Map<String, Value>,
    standing: StandingDocument,
    /// The attempts in a row that failed lately; null where the last one succeeded, or none was made.
    failing: Option<StreakDocument>,
    /// How many triggers send to it.
    used_by: u64,
    /// Counts its edits.
    revision: i64,
    created_at: String,
}

/// Whether deliveries go to a destination.
#[derive(Serialize, ToSchema)]
#[schema(as = Standing, example = json!({
    "state": "suspended", "since": "2026-11-22T10:00:00Z", "reason": "The receiver answered 410 Gone: it wants no more deliveries."
}))]
pub(crate) struct StandingDocument {
    /// `active`, `paused` by its owner, or `suspended` because the receiver wants no more; then it waits to be resumed.
    state: &'static str,
    /// Since when it is paused or suspended.
    since: Option<String>,
    /// Why it is suspended.
    reason: Option<String>,
}

/// Attempts in a row that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failing, example = json!({
    "failures": 7, "since": "2026-11-22T10:00:00Z", "told": {"destination": 9, "at": "2026-11-22T10:40:00Z"}
}))]
pub(crate) struct StreakDocument {
    /// How many.
    failures: u32,
    /// When the first one began.
    since: String,
    /// Who was told of it last.
    told: Option<ToldDocument>,
}

/// Who was told of a destination in trouble.
#[derive(Serialize, ToSchema)]
#[schema(as = Told, example = json!({"destination": 9, "at": "2026-11-22T10:40:00Z"}))]
pub(crate) struct ToldDocument {
    /// The destination that the alert went to.
    destination: i64,
    /// When the alert was logged.
    at: String,
}

impl StreakDocument {
    fn of(streak: &Streak) -> StreakDocument {
        let told = streak.told.map(|told| ToldDocument { destination: told.destination.0, at: time(told.at) });
        StreakDocument { failures: streak.failures, since: time(streak.since), told }
    }
}

impl DestinationDocument {
    pub(super) fn of(destination: &Destination, streak: Option<&Streak>, used_by: u64) -> DestinationDocument {
        DestinationDocument {
            id: destination.id.0,
            said: shown(&destination.definition),
            standing: StandingDocument::of(&destination.standing),
            failing: streak.map(StreakDocument::of),
            used_by,
            revision: destination.revision,
            created_at: time(destination.created_at),
        }
    }

    /// The same with the secret that was just drawn, for the one answer that shows it.
    pub(super) fn revealing(mut self, secret: Option<&SigningSecret>) -> DestinationDocument {
        let Some(secret) = secret else { return self };
        let shown = self.said.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten();
        for entry in shown.filter(|entry| entry["id"] == secret.id()) {
            entry["secret"] = json!(secret.reveal());
        }
        self
    }

    /// About how many bytes it takes to hold.
    pub(super) fn bytes(&self) -> usize {
        self.said.values().map(|value| value.to_string().len()).sum()
    }
}

impl StandingDocument {
    fn of(standing: &Standing) -> StandingDocument {
        match standing {
            Standing::Active => StandingDocument { state: "active", since: None, reason: None },
            Standing::Paused { since } => StandingDocument { state: "paused", since: Some(time(*since)), reason: None },
            Standing::Suspended { since, reason } => {
                StandingDocument { state: "suspended", since: Some(time(*since)), reason: Some(reason.clone()) }
            }
        }
    }
}

/// What can be said about a destination when it is made or changed; all but `name`, `kind` and what the kind asks for may be left out.
/// Secrets (values of headers, tokens, passwords) are shown as null; null keeps them for as long as the receiver stays the same.
#[derive(Deserialize, ToSchema)]
#[schema(as = DestinationInput, example = json!({
    "name": "Ops", "kind": "webhook", "url": "https://example.com/hook", "headers": {"x-api-key": "s3cret"}, "timeout": "10s",
    "rate": {"count": 5, "per": "1s", "burst": 10}, "retries": ["5s", "5m", "1h"]
}))]
#[expect(dead_code, reason = "the document of a body that the domain reads, so that every error can name its field")]
pub(crate) struct DestinationInput {
    /// At most 200 characters.
    name: String,
    /// `webhook`, `discord`, `slack`, `github`, `ntfy`, `email` or `inbox`.
    kind: String,
    /// `webhook`, `discord`, `slack`: the address of the receiver. Of a webhook, path and query may hold placeholders.
    url: Option<String>,
    /// `webhook`, `inbox`: `POST` (the default), `PUT` or `PATCH`.
    method: Option<String>,
    /// `webhook`, `inbox`, `ntfy`: more headers; their values may hold placeholders, and are secret once saved.
    headers: Option<BTreeMap<String, Option<String>>>,
    /// `webhook`, `inbox`: what the body is.
    body: Option<BodyInput>,
    /// `webhook`, `inbox`: what calls are signed with (Standard Webhooks), one signature for each. Left out when the destination is
    /// made, one is drawn and shown once; `[]` signs nothing.
    secrets: Option<Vec<SigningSecretInput>>,
    /// `github`: whose workflow is run, or whose repository is told.
    #[schema(value_type = Option<Object>, example = json!({
        "owner": "ann", "repository": "site", "token": "ghp_…",
        "workflow": {"file": "deploy.yml", "ref": "main", "inputs": {"stage": "production"}}
    }))]
    github: Option<Value>,
    /// `ntfy`: the topic that is told; `title` and `message` may be templates of your own.
    #[schema(value_type = Option<Object>, example = json!({"topic": "backups", "token": "tk_…", "priority": 4, "tags": ["warning"],
        "title": "{{ trigger.name }}"}))]
    ntfy: Option<Value>,
    /// `email`: through which server, from whom and to whom; `subject` and `text` may be templates of your own.
    #[schema(value_type = Option<Object>, example = json!({
        "host": "smtp.example.com", "port": 587, "security": "starttls", "user": "ann", "password": "…",
        "from": "oncue@example.com", "to": ["Ann <ann@example.com>"]
    }))]
    email: Option<Value>,
    /// `inbox`: what oncue's own receiver answers, and after how long (at most 30 s).
    #[schema(value_type = Option<Object>, example = json!({"status": 204, "delay": "2s"}))]
    inbox: Option<Value>,
    /// The whole exchange must be over by then: `1s` to `30s`, `15s` when left out.
    timeout: Option<String>,
    /// How many deliveries may begin in which time; left out or null, 12 in 5 s at `discord`, 1 in 1 s at `slack`, and no limit elsewhere.
    rate: Option<RateInput>,
    /// How many exchanges may go on at once (1 to 64).
    parallelism: Option<u32>,
    /// One delivery waits for the one before it, by the numbers of their events; one that fails holds up those behind it.
    in_order: Option<bool>,
    /// The pauses between attempts, each `1s` to `24h`, together under 48 h.
    retries: Option<Vec<String>>,
    /// An answer that blames the request ends the delivery.
    stop_on_4xx: Option<bool>,
    /// Who is told of trouble.
    alert: Option<AlertInput>,
}

/// What a body is.
#[derive(Deserialize, ToSchema)]
#[schema(as = DestinationBody, example = json!({"format": "cloudevents"}))]
#[expect(dead_code, reason = "part of the document of a body that the domain reads")]
pub(crate) struct BodyInput {
    /// `cloudevents` (structured JSON), `cloudevents-binary` (the data, with the attributes in `ce-` headers) or `own`.
    format: String,
    /// `own`: what the text is, `application/json` when left out.
    content_type: Option<String>,
    /// `own`: the text, with placeholders such as `{{ payload.site | tojson }}`.
    template: Option<String>,
}

/// A secret to sign with: a new one by its text, or one that is there already by its id.
#[derive(Deserialize, ToSchema)]
#[schema(as = SigningSecret, example = json!({"id": "4be0643f", "scheme": "v1", "public_key": null}))]
#[expect(dead_code, reason = "part of the document of a body that the domain reads")]
pub(crate) struct SigningSecretInput {
    /// `whsec_` and 24 to 64 bytes in base64, or `whsk_` and an ed25519 seed in base64; shown only where it was just drawn.
    secret: Option<String>,
    /// Eight digits to tell secrets apart by.
    id: Option<String>,
    /// `v1` or `v1a`; shown only.
    scheme: Option<String>,
    /// `whpk_…` of a `v1a` secret; shown only.
    public_key: Option<String>,
}

/// How many deliveries may begin in which time.
#[derive(Deserialize, ToSchema)]
#[schema(as = Rate, example = json!({"count": 5, "per": "1s", "burst": 10}))]
#[expect(dead_code, reason = "part of the document of a body that the domain reads")]
pub(crate) struct RateInput {
    count: u32,
    /// `1s` when left out.
    per: Option<String>,
    /// As many as `count` when left out.
    burst: Option<u32>,
}

/// Who is told when a destination is in trouble.
#[derive(Deserialize, ToSchema)]
#[schema(as = Alert, example = json!({"destination": 9, "after": 3}))]
#[expect(dead_code, reason = "part of the document of a body that the domain reads")]
pub(crate) struct AlertInput {
    /// The destination that is told, by an event of the origin `alert`: of failures, of the next success, and of a suspension.
    destination: i64,
    /// After how many failed attempts in a row; 5 when left out.
    after: Option<u32>,
}
