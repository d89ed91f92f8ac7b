//! What a call would come to: any call that makes, changes, restores or deletes a trigger can be asked with `dry_run=true`. Everything is
//! checked as the call itself checks it, by the same code and with the same refusals, and then nothing is done: nothing is stored, logged or
//! counted, and no key is used up. What it comes to is worked out in `domain::effect`; here it is written down, in the words of the surface
//! that was asked ([`Voice`]).

pub(crate) mod askable;
pub(crate) mod short;
pub(crate) mod voice;

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::effect::{DAYS_MAX, Difference, Effect, until_unasked};
use oncue_domain::freeze::remembered_since;
use oncue_domain::id::{DestinationId, TriggerId, UserId};
use oncue_domain::revision::changes;
use oncue_domain::schedule::zone::{Zone, parse_instant};
use oncue_domain::store::{Missing, NewTrigger};
use oncue_domain::trigger::{Armed, Definition, ScheduleDetails};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use self::voice::{ACCOUNT, Voice};
use super::revision::ChangeDocument;
use super::trigger::{Base, Found, SkippedDocument, TriggerDocument, standing, zone_of};
use super::trigger_calendar::Calendars;
use super::trigger_destination;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::Query;
use crate::fault::{Fault, respond_at};

/// The names in a query.
const DRY_RUN: &str = "dry_run";
const UNTIL: &str = "until";

/// Whether a call is only to say what it would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// It is to be carried out.
    Wet,
    /// It is not, and the firings are to be compared until then, if that is said.
    Dry(Option<Timestamp>),
}

/// How a call about one trigger is asked what it would come to, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document of a query that is read value by value")]
pub(crate) struct RunQuery {
    /// true: nothing is done; the answer says what would be.
    dry_run: Option<bool>,
    /// With dry_run: until when occurrences are compared, RFC 3339, at most 400 days from now; else to the end of the seventh day after today.
    until: Option<String>,
}

impl FromRequestParts<App> for Run {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Run, Response> {
        let path = parts.uri.path().to_owned();
        let query = Query::from_request_parts(parts, app).await?;
        Run::read(app, query).map_err(|fault| respond_at(&path, fault))
    }
}

impl Run {
    fn read(app: &Shared, mut query: Query) -> Result<Run, Fault> {
        let dry = query.take(DRY_RUN, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("This is true or false."),
        });
        let until = match dry {
            Some(true) => query.take(UNTIL, |text| read_until(text, &app.settings.zone, app.now())),
            _ => None,
        };
        query.finish()?;
        Ok(if dry == Some(true) { Run::Dry(until) } else { Run::Wet })
    }
}

fn read_until(text: &str, zone: &Zone, now: Timestamp) -> Result<Timestamp, String> {
    let until = parse_instant(text, zone).map_err(|error| error.to_string())?;
    if until <= now {
        return Err("This must be in the future: what is to come is compared.".to_owned());
    }
    if until.duration_since(now) > SignedDuration::from_hours(24 * DAYS_MAX) {
        return Err(format!("At most {DAYS_MAX} days are looked at."));
    }
    Ok(until)
}

/// A firing at another time than before.
#[derive(Serialize, ToSchema)]
#[schema(as = MovedOccurrence, example = json!({"from": "2026-11-24T07:00:00Z", "to": "2026-11-24T09:30:00Z"}))]
struct MoveDocument {
    /// When it would have fired.
    from: String,
    /// When it fires instead.
    to: String,
}

/// Within which instants an occurrence falls due.
#[derive(Serialize, ToSchema)]
#[schema(as = DueWithin, example = json!({"from": "2026-11-24T07:00:00Z", "until": "2026-11-24T07:05:00Z"}))]
struct DueWithinDocument {
    /// Its nominal time.
    from: String,
    /// It falls due before this.
    until: String,
}

/// How the occurrences that fire differ: what is both before and after is kept, and of the rest whatever lies closest together, within a day
/// of the trigger's zone before across days and never by more than a day, is one that moves.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRunOccurrences, example = json!({
    "from": "2026-11-23T08:00:00Z", "until": "2026-11-30T22:00:00Z", "is_whole": true, "kept": 0,
    "added": ["2026-11-23T09:30:00Z"], "removed": [],
    "moved": [{"from": "2026-11-24T07:00:00Z", "to": "2026-11-24T09:30:00Z"}]
}))]
struct OccurrencesDocument {
    from: String,
    /// Up to when they were compared.
    until: String,
    /// False where more fire, before or after, than are compared: a thousand, and five of one among many (`triggers/bulk`). Then `until` is as far as
    /// was looked.
    is_whole: bool,
    /// How many stay as they are.
    kept: u64,
    added: Vec<String>,
    removed: Vec<String>,
    moved: Vec<MoveDocument>,
    /// Within which instants each that would fire falls due, in order, where a jitter comes with the call: all of them are told by their nominal times,
    /// because how much later it makes them is drawn when the call is carried out. Elsewhere it is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    due_within: Vec<DueWithinDocument>,
}

impl OccurrencesDocument {
    fn of(effect: &Effect, time: fn(Timestamp) -> String) -> OccurrencesDocument {
        let Difference { kept, added, removed, moved } = &effect.firings;
        let times = |list: &[Timestamp]| list.iter().copied().map(time).collect();
        let moved = moved.iter().map(|one| MoveDocument { from: time(one.from), to: time(one.to) });
        let due_within =
            effect.due_within.iter().map(|span| DueWithinDocument { from: time(span.from), until: time(span.until) });
        OccurrencesDocument {
            from: time(effect.span.from),
            until: time(effect.span.until),
            is_whole: effect.is_whole,
            kept: *kept,
            added: times(added),
            removed: times(removed),
            moved: moved.collect(),
            due_within: due_within.collect(),
        }
    }
}

/// The occurrence that is waited for.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRunNext, example = json!({"before": "2026-11-24T07:00:00Z", "after": "2026-11-23T09:30:00Z"}))]
struct NextDocument {
    before: Option<String>,
    after: Option<String>,
}

/// What a call would come to. Nothing was done.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRun, example = json!({
    "dry_run": true,
    "trigger": {
        "id": 7, "name": "nightly", "type": "scheduled", "schedule_details": {"cron": "30 11 * * *", "timezone": "Europe/Riga"},
        "api_payload": null, "payload_schema": null, "is_test": false, "enabled": true, "pause": null,
    "created_at": "2026-11-21T10:00:00Z",
        "expires_at": null, "webhook_url": null, "format": null, "destinations": [], "expects": null, "revision": 2, "next_at": "2026-11-23T09:30:00Z",
        "fired": null, "jitter_offset_ms": null, "summary": "At 11:30", "timezone": "Europe/Riga"
    },
    "changes": [{"field": "schedule_details", "before": {"cron": "0 9 * * *", "timezone": "Europe/Riga"},
        "after": {"cron": "30 11 * * *", "timezone": "Europe/Riga"}}],
    "next": {"before": "2026-11-24T07:00:00Z", "after": "2026-11-23T09:30:00Z"},
    "occurrences": {
        "from": "2026-11-23T08:00:00Z", "until": "2026-11-30T22:00:00Z", "is_whole": true, "kept": 0,
        "added": ["2026-11-23T09:30:00Z"], "removed": [],
        "moved": [{"from": "2026-11-24T07:00:00Z", "to": "2026-11-24T09:30:00Z"}]
    },
    "skipped": [], "backlog_ended": 0
}))]
pub(crate) struct DryRunDocument {
    /// Always true.
    dry_run: bool,
    /// The trigger as it would be; its `id` is null where it is not made yet. Null where it would be deleted.
    #[schema(value_type = Option<serde_json::Value>)]
    trigger: Option<BTreeMap<String, Box<RawValue>>>,
    /// What it would say otherwise than it does; empty where it would be made or deleted, and where nobody can read what it says now.
    changes: Vec<ChangeDocument>,
    next: NextDocument,
    occurrences: OccurrencesDocument,
    /// What would be recorded as skipped: what is due and would not fire any more, and what a pause or an expiry has kept from firing.
    skipped: Vec<SkippedDocument>,
    /// How many occurrences that wait in a backlog of it would not fire any more.
    backlog_ended: u64,
}

/// What a call that changes a trigger answers.
#[derive(Serialize, ToSchema)]
#[schema(as = TriggerOrDryRun, example = json!({
    "id": 7, "name": "nightly", "type": "scheduled", "schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"},
    "api_payload": {"key": "value"}, "payload_schema": null, "is_test": false, "enabled": true, "pause": null,
    "created_at": "2026-11-21T10:00:00Z",
    "expires_at": "2027-12-31T00:00:00Z", "webhook_url": "https://example.com/hook", "format": "json", "destinations": [7], "expects": null, "revision": 1,
    "next_at": "2026-11-23T07:00:00Z", "fired": null, "jitter_offset_ms": null, "summary": "At 09:00, Monday to Friday", "timezone": "Europe/Riga"
}))]
#[serde(untagged)]
#[expect(dead_code, reason = "the document of two answers, each of which is written by itself")]
pub(crate) enum ChangedDocument {
    /// The trigger as it is now.
    Trigger(Box<TriggerDocument>),
    /// With `dry_run=true`: what would come of it.
    DryRun(Box<DryRunDocument>),
}

/// What is asked: where, as of when, and until when the firings are compared.
#[derive(Clone, Copy)]
struct Asked<'a> {
    app: &'a Shared,
    now: Timestamp,
    until: Option<Timestamp>,
    voice: &'a Voice,
}

impl Asked<'_> {
    fn zone(&self, details: Option<&ScheduleDetails>) -> Zone {
        details.map_or(&self.app.settings.zone, |details| zone_of(self.app, details)).clone()
    }

    fn span(&self, zone: &Zone) -> (Timestamp, Timestamp) {
        (self.now, self.until.unwrap_or_else(|| until_unasked(self.now, zone)))
    }

    fn respond(
        &self,
        trigger: Option<BTreeMap<String, Box<RawValue>>>,
        changes: Vec<ChangeDocument>,
        effect: &Effect,
        backlog_ended: u64,
    ) -> Response {
        let time = self.voice.time;
        let document = DryRunDocument {
            dry_run: true,
            trigger,
            changes,
            next: NextDocument { before: effect.next_before.map(time), after: effect.next_after.map(time) },
            occurrences: OccurrencesDocument::of(effect, time),
            skipped: effect.skipped.iter().map(|skipped| SkippedDocument::written(skipped, self.now, time)).collect(),
            backlog_ended,
        };
        Json(document).into_response()
    }
}

/// A trigger of this definition as it would be made. How late a jitter makes it is drawn when it is made, so nobody can say it here: everything
/// is told by its nominal time.
pub(super) fn unmade(owner: UserId, definition: Definition, now: Timestamp) -> NewTrigger {
    let next_at = definition.waits_after(now, 0);
    NewTrigger { owner, definition, next_at, test_event: None }
}

/// What making a trigger of this definition comes to.
pub(crate) async fn of_making(
    app: &Shared,
    caller: &Caller,
    definition: Definition,
    (now, until): (Timestamp, Option<Timestamp>),
    voice: &Voice,
) -> Result<Response, Fault> {
    Looked::default().look(app, caller.owner(), &definition).await?;
    let asked = Asked { app, now, until, voice };
    let made = unmade(caller.owner(), definition, now).as_made(TriggerId(0), now);
    let zone = asked.zone(made.trigger.definition.schedule.as_ref());
    let freezes = app.store.freezes_of(caller.owner(), now).await?;
    let effect = Effect::of(None, Some(&made), Vec::new(), asked.span(&zone), &zone, &freezes);
    let mut document = (voice.fields)(app, &made);
    document.insert("id".to_owned(), RawValue::NULL.to_owned());
    Ok(asked.respond(Some(document), Vec::new(), &effect, 0))
}

/// What an edit comes to, as an answer and for whoever shows it otherwise.
pub(crate) struct Edited {
    /// None where nobody can read what it says.
    before: Option<Armed>,
    after: Armed,
    /// What becomes of its firings.
    pub(crate) effect: Effect,
    /// How many occurrences that wait in a backlog of it would not fire any more.
    pub(crate) backlog_ended: u64,
}

/// Works out what changing a trigger to what `decide` makes of it comes to.
pub(crate) async fn of_change(
    app: &Shared,
    caller: &Caller,
    (id, base): (TriggerId, Base),
    until: Option<Timestamp>,
    decide: impl Fn(&Armed, Timestamp) -> Result<Definition, Fault>,
) -> Result<Edited, Fault> {
    let asked = Asked { app, now: app.now(), until, voice: &ACCOUNT };
    let found = standing(app, caller.owner(), id, base).await?;
    let definition = Calendars::taken_over(app, caller.owner(), decide(found.armed(), asked.now)?).await?;
    Looked::default().look(app, caller.owner(), &definition).await?;
    let zone = asked.zone(definition.schedule.as_ref().or(found.armed().trigger.definition.schedule.as_ref()));
    let edit = found.edit(definition, asked.now);
    let freezes = app.store.freezes_of(caller.owner(), remembered_since(asked.now)).await?;
    let (before, is_read) = match found {
        Found::Whole(armed) => (armed, true),
        // What waits of one that nobody can read does not fire.
        Found::Remains(remains) => (Armed { next_at: None, ..remains.armed }, false),
    };
    let (after, effect) = Effect::of_edit(&before, edit, asked.span(&zone), &zone, &freezes);
    let before = Some(before).filter(|_| is_read);
    let backlog_ended = match effect.ends_backlogs {
        Some(_) => app.store.backlog_sums(caller.owner(), Some(id)).await?.occurrences,
        None => 0,
    };
    Ok(Edited { before, after, effect, backlog_ended })
}

impl Edited {
    /// The schedule that it would have, else the one that it has.
    pub(crate) fn schedule(&self) -> Option<&ScheduleDetails> {
        let before = self.before.as_ref().and_then(|before| before.trigger.definition.schedule.as_ref());
        self.after.trigger.definition.schedule.as_ref().or(before)
    }

    /// As an answer of the API.
    pub(crate) fn respond(&self, app: &Shared, voice: &Voice) -> Response {
        let new = (voice.fields)(app, &self.after);
        let mut differing = Vec::new();
        if let Some(before) = &self.before {
            let mut old = (voice.fields)(app, before);
            // A pause that is over by then is none that could be ended.
            let stood = before.trigger.definition.clone().as_of(self.effect.span.from);
            let names = (voice.differing)(&changes(&stood, &self.after.trigger.definition), &old, &new);
            let document = |field| ChangeDocument::new(field, old.remove(field), new.get(field).cloned());
            differing = names.into_iter().map(document).collect();
        }
        let asked = Asked { app, now: self.effect.span.from, until: None, voice };
        asked.respond(Some(new), differing, &self.effect, self.backlog_ended)
    }
}

/// What deleting a trigger comes to.
pub(crate) async fn of_deleting(
    app: &Shared,
    caller: &Caller,
    id: TriggerId,
    until: Option<Timestamp>,
    voice: &Voice,
) -> Result<Response, Fault> {
    let asked = Asked { app, now: app.now(), until, voice };
    let found = standing(app, caller.owner(), id, Base::Remains).await?;
    let zone = asked.zone(found.armed().trigger.definition.schedule.as_ref());
    let freezes = app.store.freezes_of(caller.owner(), asked.now).await?;
    let before = match &found {
        Found::Whole(armed) => Some(armed),
        Found::Remains(_) => None,
    };
    let effect = Effect::of(before, None, Vec::new(), asked.span(&zone), &zone, &freezes);
    let backlog = app.store.backlog_sums(caller.owner(), Some(id)).await?;
    Ok(asked.respond(None, Vec::new(), &effect, backlog.occurrences))
}

/// Which destinations are there. The store looks for those that a trigger names in the transaction that writes; whoever writes nothing looks
/// here, for each of them once.
#[derive(Default)]
pub(crate) struct Looked(HashMap<DestinationId, bool>);

impl Looked {
    /// Whether everything is there that a trigger of this definition names.
    pub(crate) async fn look(&mut self, app: &Shared, owner: UserId, definition: &Definition) -> Result<(), Fault> {
        for id in definition.named_destinations() {
            let is_there = match self.0.get(&id) {
                Some(is_there) => *is_there,
                None => {
                    let is_there = app.store.destination(owner, id).await?.is_some();
                    self.0.insert(id, is_there);
                    is_there
                }
            };
            if !is_there {
                return Err(trigger_destination::missing(&definition.destinations, Missing::Destination(id)));
            }
        }
        Ok(())
    }
}
