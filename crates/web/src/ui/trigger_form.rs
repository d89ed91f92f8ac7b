//! The form for making and changing a trigger: its fields as texts and the JSON of surface two that they amount to. What is
//! right and wrong is decided where that JSON is read; `errors` brings it back to the fields. `preview` says what the form
//! would do and `would` what saving it would change, `crontab` and `preset` fill it, `difference` compares two of them, and `page` is the page around it. No form
//! may decide on its own what a trigger can be.

mod crontab;
mod difference;
mod errors;
mod expects;
mod page;
mod preset;
mod preview;
mod several;
mod terms;
mod would;

use std::collections::BTreeMap;

use axum::extract::Request;
use jiff::Timestamp;
use jiff::civil::DateTime;
use oncue_domain::destination::Format;
use oncue_domain::error::Invalid;
use oncue_domain::id::{DestinationId, UserId};
use oncue_domain::overlap::Overlap;
use oncue_domain::payload::Payload;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{Armed, Definition, ScheduleDetails};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::api::trigger::read_definition;
use crate::api::trigger_calendar::Calendars;
use crate::app::Shared;
use crate::extract::{Form, Query, id_of, parse_form, read_form_body};
use crate::fault::Fault;
use crate::ui::viewer::trigger_zone;
use crontab::Pasted;
pub(crate) use difference::Difference;
pub(crate) use errors::FormErrors;
pub(crate) use expects::ExpectsForm;
pub(crate) use page::{Aim, FormPage};
use preset::Preset;
pub(crate) use preview::{columns as zones_to_tell, in_zone};
use terms::TermsForm;

/// The longest form in bytes. It has room for payloads that are much too large, so that they can be shown again with the
/// error beside them.
pub(super) const FORM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The fields, as they were typed or as they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TriggerForm {
    pub(crate) name: String,
    /// `once`, `every`, `cron` or `api`.
    pub(crate) kind: String,
    pub(crate) run_at: String,
    pub(crate) every: String,
    pub(crate) start_at: String,
    pub(crate) cron: String,
    pub(crate) rrule: String,
    /// Where the rule starts, on the clock of the trigger's zone; empty where it says so itself, or from today on.
    pub(crate) rrule_start: String,
    /// Several schedules, a line each.
    pub(crate) any_of: String,
    pub(crate) timezone: String,
    pub(crate) terms: TermsForm,
    pub(crate) payload: String,
    pub(crate) payload_schema: String,
    pub(crate) webhook_url: String,
    pub(crate) format: String,
    /// The destinations that are chosen, in the order in which they are named.
    pub(crate) destinations: Vec<DestinationId>,
    pub(crate) expects: ExpectsForm,
    /// What becomes of what falls due while an event is under way; empty where it fires.
    pub(crate) overlap: String,
    pub(crate) expires_at: String,
    pub(crate) is_test: bool,
    /// The trigger that is changed; empty where one is made.
    pub(crate) id: String,
    /// The revision that the form was filled from; empty where nobody said.
    pub(crate) revision: String,
    /// What was done to the cron field, where a whole line of a crontab was in it.
    pub(crate) pasted: Option<Pasted>,
    /// The calendars of whoever fills it in, where it names any.
    pub(crate) known: Calendars,
}

impl TriggerForm {
    /// An empty form.
    pub(crate) fn fresh() -> TriggerForm {
        TriggerForm { kind: "every".to_owned(), ..TriggerForm::default() }
    }

    /// A form filled from an address. Only what says when it fires: a link shall not put an address to send to, or words,
    /// into somebody's form.
    pub(crate) fn from_query(query: &mut Query) -> TriggerForm {
        const TAKEN: [&str; 9] =
            ["kind", "run_at", "every", "start_at", "cron", "rrule", "rrule_start", "any_of", "timezone"];
        let fields = TAKEN
            .into_iter()
            .chain(TermsForm::NAMES)
            .filter_map(|name| Some((name.to_owned(), query.take_text(name)?)));
        let form = TriggerForm::from_fields(fields.collect());
        if form.kind.is_empty() { TriggerForm { kind: TriggerForm::fresh().kind, ..form } } else { form }
    }

    /// The form that shows `definition`, with its times on the wall clock of `zone`.
    pub(crate) fn of(definition: &Definition, zone: &Zone) -> TriggerForm {
        let mut form = TriggerForm {
            name: definition.name.clone().unwrap_or_default(),
            kind: "api".to_owned(),
            payload: definition.payload.as_ref().map(|payload| payload.as_str().to_owned()).unwrap_or_default(),
            payload_schema: definition
                .payload_schema
                .as_ref()
                .map(|schema| schema.as_str().to_owned())
                .unwrap_or_default(),
            expires_at: definition.expires_at.map(|end| wall(end, zone)).unwrap_or_default(),
            is_test: definition.is_test,
            destinations: definition.destinations.clone(),
            expects: ExpectsForm::of(definition.expects.as_ref()),
            overlap: match definition.overlap {
                Overlap::Allow => String::new(),
                overlap => overlap.word().to_owned(),
            },
            ..TriggerForm::default()
        };
        if let Some(webhook) = &definition.webhook {
            form.webhook_url = webhook.url.to_string();
            if webhook.format != Format::recognise(&webhook.url) {
                form.format = webhook.format.word().to_owned();
            }
        }
        let Some(details) = &definition.schedule else { return form };
        form.timezone = details.timezone().map(|zone| zone.name().to_owned()).unwrap_or_default();
        form.terms = TermsForm::of(details, zone);
        match details.pattern() {
            Schedule::Once { at } => {
                form.kind = "once".to_owned();
                form.run_at = wall(*at, zone);
            }
            Schedule::Every { period, anchor, first } => {
                form.kind = "every".to_owned();
                form.every = period.as_str().to_owned();
                if *first == FirstFiring::AtAnchor {
                    form.start_at = wall(*anchor, zone);
                }
            }
            Schedule::Cron { expression, .. } => {
                form.kind = "cron".to_owned();
                form.cron = expression.as_str().to_owned();
            }
            Schedule::Recurrence(recurrence) => {
                form.kind = "rrule".to_owned();
                form.rrule = recurrence.text().as_str().to_owned();
                let start = recurrence.start();
                if start.is_told {
                    form.rrule_start = start.wall.strftime("%Y-%m-%dT%H:%M:%S").to_string();
                }
            }
            Schedule::AnyOf(several) => {
                form.kind = "any_of".to_owned();
                form.any_of = several::shown(several);
            }
        }
        form
    }

    /// Reads a submitted form.
    pub(crate) async fn read(request: Request) -> Result<TriggerForm, Fault> {
        let bytes = read_form_body(request, FORM_BYTES_MAX).await?;
        Ok(TriggerForm::from_bytes(&bytes))
    }

    /// Reads a form that was submitted before.
    pub(crate) fn from_bytes(bytes: &[u8]) -> TriggerForm {
        TriggerForm::from_fields(parse_form(bytes))
    }

    fn from_fields(mut fields: Form) -> TriggerForm {
        let destinations = chosen(&fields);
        let calendars = ticked_calendars(&fields);
        let mut take = |name: &str| fields.remove(name).unwrap_or_default().trim().to_owned();
        let preset = Preset::named(&take("preset"));
        let mut form = TriggerForm {
            name: take("name"),
            kind: take("kind"),
            run_at: take("run_at"),
            every: take("every"),
            start_at: take("start_at"),
            cron: take("cron"),
            rrule: take("rrule").replace("\r\n", "\n"),
            rrule_start: take("rrule_start"),
            any_of: take("any_of").replace("\r\n", "\n"),
            timezone: take("timezone"),
            terms: TermsForm::read(calendars, &mut take),
            // Browsers end the lines of a text field their own way.
            payload: take("payload").replace("\r\n", "\n"),
            payload_schema: take("payload_schema").replace("\r\n", "\n"),
            webhook_url: take("webhook_url"),
            format: take("format"),
            destinations,
            expects: ExpectsForm::read(&mut take),
            overlap: take("overlap"),
            expires_at: take("expires_at"),
            is_test: !take("is_test").is_empty(),
            id: take("id"),
            revision: take("revision"),
            pasted: None,
            known: Calendars::default(),
        };
        if let Some(preset) = preset {
            preset.fill(&mut form);
        }
        if form.kind == "cron"
            && let Some(pasted) = Pasted::read(&form.cron)
        {
            form.cron.clone_from(&pasted.schedule);
            if let Some(zone) = &pasted.zone {
                form.timezone.clone_from(zone);
            }
            form.pasted = Some(pasted);
        }
        form
    }

    /// The same, knowing what calendars there are, where it names any.
    pub(crate) async fn knowing(self, app: &Shared, owner: UserId) -> Result<TriggerForm, Fault> {
        if self.terms.calendars.is_empty() {
            return Ok(self);
        }
        Ok(TriggerForm { known: Calendars::of(app, owner).await?, ..self })
    }

    /// Whether the trigger was changed since the form was filled from it.
    pub(crate) fn is_of_another_revision(&self, current: &Armed) -> bool {
        !self.revision.is_empty() && self.revision != current.trigger.revision.to_string()
    }

    /// Whether nobody has said yet when it fires.
    fn lacks_a_schedule(&self) -> bool {
        match self.kind.as_str() {
            "once" => self.run_at.is_empty(),
            "every" => self.every.is_empty(),
            "cron" => self.cron.is_empty(),
            "rrule" => self.rrule.is_empty(),
            "any_of" => self.any_of.is_empty(),
            _ => false,
        }
    }

    /// What the form says about a trigger that is `before` so far, checked; everything that is wrong at once.
    pub(crate) fn define(
        &self,
        app: &Shared,
        before: Option<&Definition>,
        now: Timestamp,
    ) -> Result<Definition, Fault> {
        let shown = before.map(|definition| {
            (TriggerForm::of(definition, trigger_zone(app, definition.schedule.as_ref())), definition)
        });
        let (json, wrong) = self.to_json(shown.as_ref().map(|(form, definition)| (form, *definition)));
        // Rules and periods start in fields of their own, and several schedules stand in one.
        let own_field = |mut error: Invalid| {
            let place = error.field.strip_prefix("schedule_details.any_of.").and_then(|rest| rest.split('.').next());
            if let Some(place) = place.and_then(|place| place.parse::<usize>().ok()) {
                error.message = format!("Schedule {}: {}", place + 1, error.message);
                error.field = "schedule_details.any_of".to_owned();
            }
            if self.kind == "rrule" && error.field == "schedule_details.start_at" {
                error.field = "schedule_details.rrule_start".to_owned();
            }
            error
        };
        match read_definition((app, &self.known), json.as_bytes(), before, before, now) {
            Ok(definition) if wrong.is_empty() => Ok(definition),
            Ok(_) => Err(Fault::Invalid(wrong)),
            Err(Fault::Invalid(mut errors)) => {
                errors.extend(wrong);
                Err(Fault::Invalid(errors.into_iter().map(own_field).collect()))
            }
            Err(fault) => Err(fault),
        }
    }

    /// The form as surface two's JSON. Of a trigger that exists only what differs from what its form shows is said: a form
    /// shows less than a trigger holds (no microseconds, no second pass of a repeated hour), and what nobody touched must
    /// not lose it. JSON cannot hold a payload or a schema that is not JSON; those errors come beside it.
    fn to_json(&self, before: Option<(&TriggerForm, &Definition)>) -> (String, Vec<Invalid>) {
        let mut json: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
        let shown = before.map(|(form, _)| form);
        let touched = |field: fn(&TriggerForm) -> &str| shown.is_none_or(|shown| field(self) != field(shown));
        json.insert("type", raw(&self.kind_word()));
        if touched(|form| &form.name) {
            json.insert("name", raw(&self.name));
        }
        if let Some(schedule) = self.schedule(before) {
            json.insert("schedule_details", raw(&schedule));
        }
        let mut wrong = Vec::new();
        if touched(|form| &form.payload) {
            match (self.payload.as_str(), Payload::parse(&self.payload)) {
                ("", _) => drop(json.insert("api_payload", raw(&Value::Null))),
                (_, Ok(payload)) => drop(json.insert("api_payload", payload.to_raw())),
                (_, Err(error)) => wrong.push(Invalid::new("api_payload", error.message)),
            }
        }
        if touched(|form| &form.payload_schema) {
            match (self.payload_schema.trim(), RawValue::from_string(self.payload_schema.trim().to_owned())) {
                ("", _) if shown.is_none() => {}
                ("", _) => drop(json.insert("payload_schema", raw(&Value::Null))),
                (_, Ok(schema)) => drop(json.insert("payload_schema", schema)),
                (_, Err(error)) => {
                    wrong.push(Invalid::new("payload_schema", format!("The schema is not valid JSON: {error}.")));
                }
            }
        }
        if self.destinations != shown.map(|shown| shown.destinations.clone()).unwrap_or_default() {
            let ids: Vec<i64> = self.destinations.iter().map(|id| id.0).collect();
            json.insert("destinations", raw(&ids));
        }
        if shown.is_none_or(|shown| self.expects != shown.expects) {
            json.insert("expects", raw(&self.expects.say()));
        }
        if shown.is_none_or(|shown| self.overlap != shown.overlap) {
            json.insert("overlap", raw(&some(&self.overlap)));
        }
        if touched(|form| &form.webhook_url) || touched(|form| &form.format) {
            json.insert("webhook_url", raw(&some(&self.webhook_url)));
            json.insert("format", raw(&some(&self.format)));
        }
        if shown.is_none_or(|shown| !is_same_wall(&self.expires_at, &shown.expires_at)) {
            json.insert("expires_at", raw(&some(&self.expires_at)));
        }
        if shown.is_none_or(|shown| self.is_test != shown.is_test) {
            json.insert("is_test", raw(&self.is_test));
        }
        (raw(&json).get().to_owned(), wrong)
    }

    fn kind_word(&self) -> Value {
        match self.kind.as_str() {
            "once" | "every" | "cron" | "rrule" | "any_of" => "scheduled".into(),
            other => some(other),
        }
    }

    /// The schedule as JSON; none where there is none or where it stays as it is.
    fn schedule(&self, before: Option<(&TriggerForm, &Definition)>) -> Option<Value> {
        let fields: &[(&str, &str)] = match self.kind.as_str() {
            "once" => &[("run_at", &self.run_at)],
            "every" if self.start_at.is_empty() => &[("every", &self.every)],
            "every" => &[("every", &self.every), ("start_at", &self.start_at)],
            "cron" => &[("cron", &self.cron)],
            "rrule" if self.rrule_start.is_empty() => &[("rrule", &self.rrule)],
            "rrule" => &[("rrule", &self.rrule), ("start_at", &self.rrule_start)],
            "any_of" => &[],
            _ => return None,
        };
        if before.is_some_and(|(shown, _)| self.shows_same_schedule(shown)) {
            return None;
        }
        let mut schedule: Map<String, Value> =
            fields.iter().map(|(name, text)| ((*name).to_owned(), Value::from(*text))).collect();
        if self.kind == "any_of" {
            schedule.insert("any_of".to_owned(), several::said(&self.any_of));
        }
        if !self.timezone.is_empty() {
            schedule.insert("timezone".to_owned(), self.timezone.clone().into());
        }
        let kept = before.filter(|(shown, _)| shown.timezone == self.timezone);
        let details = kept.and_then(|(_, definition)| definition.schedule.as_ref());
        self.terms.say(&self.kind, &mut schedule, kept.map(|(shown, _)| &shown.terms), details);
        // The start that nobody touched keeps its microseconds when the period changes.
        if let Some((shown, definition)) = before
            && shown.timezone == self.timezone
            && is_same_wall(&shown.start_at, &self.start_at)
            && let Some(Schedule::Every { anchor, first: FirstFiring::AtAnchor, .. }) =
                definition.schedule.as_ref().map(ScheduleDetails::pattern)
            && schedule.contains_key("start_at")
        {
            schedule.insert("start_at".to_owned(), anchor.to_string().into());
        }
        Some(Value::Object(schedule))
    }

    fn shows_same_schedule(&self, shown: &TriggerForm) -> bool {
        let fits = match self.kind.as_str() {
            "once" => is_same_wall(&self.run_at, &shown.run_at),
            "every" => self.every == shown.every && is_same_wall(&self.start_at, &shown.start_at),
            "any_of" => self.any_of == shown.any_of,
            "rrule" => self.rrule == shown.rrule && is_same_wall(&self.rrule_start, &shown.rrule_start),
            _ => self.cron == shown.cron,
        };
        let same_terms = self.terms.says_same(&shown.terms, &self.kind);
        self.kind == shown.kind && self.timezone == shown.timezone && fits && same_terms
    }

    /// How finely the browser's date and time fields count: to the second, unless what they show is finer.
    pub(crate) fn step(text: &str) -> &'static str {
        if text.contains('.') { "0.001" } else { "1" }
    }
}

/// The destinations whose boxes are ticked: those that the trigger named before in their order, then the others.
fn chosen(fields: &Form) -> Vec<DestinationId> {
    let is_ticked = |id: &DestinationId| fields.get(&format!("destination_{id}")).is_some_and(|value| value == "on");
    let before = fields.get("destinations_before").map(String::as_str).unwrap_or_default();
    let mut chosen: Vec<DestinationId> =
        before.split(' ').filter_map(id_of).map(DestinationId).filter(is_ticked).collect();
    let named = fields.keys().filter_map(|name| id_of(name.strip_prefix("destination_")?)).map(DestinationId);
    let mut further: Vec<DestinationId> = named.filter(|id| is_ticked(id) && !chosen.contains(id)).collect();
    further.sort_unstable();
    chosen.append(&mut further);
    chosen
}

/// The calendars whose boxes are ticked, ascending.
fn ticked_calendars(fields: &Form) -> Vec<i64> {
    let ticked = fields.iter().filter(|(_, value)| *value == "on");
    let mut ids: Vec<i64> = ticked.filter_map(|(name, _)| id_of(name.strip_prefix("calendar_")?)).collect();
    ids.sort_unstable();
    ids
}

/// A text as JSON, null where it is empty.
fn some(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("texts, flags and maps of them are JSON")
}

/// An instant on the wall clock of `zone`, in the shortest form that a browser's field takes: it cuts to milliseconds.
pub(crate) fn wall(instant: Timestamp, zone: &Zone) -> String {
    let local = instant.to_zoned(zone.time_zone().clone());
    let format = match (local.subsec_nanosecond() / 1_000_000, local.second()) {
        (0, 0) => "%Y-%m-%dT%H:%M",
        (0, _) => "%Y-%m-%dT%H:%M:%S",
        _ => "%Y-%m-%dT%H:%M:%S%.3f",
    };
    local.strftime(format).to_string()
}

/// Whether two texts name the same wall time; browsers leave out seconds, or add zeros, as they please.
pub(crate) fn is_same_wall(one: &str, other: &str) -> bool {
    let read = |text: &str| text.parse::<DateTime>().ok();
    one == other || read(one).is_some_and(|one| read(other) == Some(one))
}

/// The zones that the form proposes: those named after a place, and UTC. Any other name that the zone data knows is taken too.
pub(crate) fn proposed_zones(app: &Shared) -> Vec<String> {
    let beside = ["Etc/", "posix/", "right/", "SystemV/"];
    let mut names: Vec<String> = app
        .zones
        .database
        .available()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name == "UTC" || (name.contains('/') && !beside.iter().any(|prefix| name.starts_with(prefix))))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests;
