//! A trigger in a line of a table: what people tell it by, when it fires next, where its events go, what can be done with it.

use std::collections::HashMap;

use jiff::Timestamp;
use oncue_domain::destination::{Format, Webhook};
use oncue_domain::freeze::{Freeze, seen_through};
use oncue_domain::id::{DestinationId, TriggerId};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::{Armed, Kind, ScheduleDetails, TriggerHead};

use super::badge::Badge;
use super::condition::Condition;
use super::destination;
use super::moment::Moment;
use super::viewer::trigger_zone;
use crate::app::Shared;

/// How events are written, as pages say it.
pub(crate) fn format_name(format: Format) -> &'static str {
    match format {
        Format::Json => "CloudEvents JSON",
        Format::Discord => "Discord message",
        Format::Slack => "Slack message",
    }
}

/// One line.
pub(crate) struct TriggerRow {
    pub(crate) id: TriggerId,
    pub(crate) label: String,
    /// The schedule in a sentence; none for a trigger that is called.
    pub(crate) schedule: Option<String>,
    /// The zone of a cron line; other schedules look the same in every zone.
    pub(crate) zone: Option<String>,
    pub(crate) state: Badge,
    pub(crate) next: Option<Moment>,
    pub(crate) expires: Option<Moment>,
    pub(crate) created: Moment,
    /// The host its events go to; none where it names no destination.
    pub(crate) host: Option<String>,
    /// The destinations that its events go to, with their names.
    pub(crate) destinations: Vec<(DestinationId, String)>,
    /// Where events go that have no destination of their own: to the operator's default, or nowhere.
    pub(crate) elsewhere: &'static str,
    /// How they are written, where that is not the usual envelope.
    pub(crate) format: Option<&'static str>,
    pub(crate) is_api: bool,
    pub(crate) is_enabled: bool,
    /// What is said of its pause.
    pub(crate) pause: Option<PauseRow>,
}

/// What is said of a pause.
pub(crate) struct PauseRow {
    pub(crate) reason: Option<String>,
    pub(crate) until: Option<Moment>,
}

impl TriggerRow {
    /// The line of a trigger that stands so, its times told in `zone`.
    pub(crate) fn of(
        app: &Shared,
        head: &TriggerHead,
        condition: Condition,
        zone: &Zone,
        now: Timestamp,
    ) -> TriggerRow {
        let details = head.schedule.as_ref();
        let webhook = head.webhook.as_ref();
        // Of what waits for an event of its own not the first fires, or none does.
        let next = match head.next_at {
            Some(next) if head.is_behind && next <= now => head.firings_to_come(now).next(),
            next => next,
        };
        TriggerRow {
            id: head.id,
            label: label(head.name.as_deref().unwrap_or_default(), head.id),
            schedule: details.map(ScheduleDetails::summary),
            zone: details.and_then(ScheduleDetails::told_zone).map(|zone| zone.name().to_owned()),
            state: Badge::of_trigger(condition),
            next: next.map(|next| Moment::firing(head, next, now, zone)),
            expires: head.expires_at.map(|end| Moment::new(end, now, zone)),
            created: Moment::new(head.created_at, now, zone),
            host: webhook.map(host),
            destinations: head.destinations.iter().map(|id| (*id, destination::label(None, *id))).collect(),
            elsewhere: if app.settings.has_default_destination { "default" } else { "only logged" },
            format: webhook.map(|webhook| webhook.format).filter(|format| *format != Format::Json).map(format_name),
            is_api: head.kind() == Kind::Api,
            is_enabled: !head.is_paused_at(now),
            pause: head.pause.clone().filter(|_| head.is_paused_at(now)).map(|pause| PauseRow {
                reason: pause.reason,
                until: pause.until.map(|end| Moment::new(end, now, zone)),
            }),
        }
    }

    /// With its destinations called by their names.
    pub(crate) fn naming(mut self, names: &HashMap<DestinationId, String>) -> TriggerRow {
        for (id, name) in &mut self.destinations {
            *name = destination::label(names.get(id).map(String::as_str), *id);
        }
        self
    }

    /// The line of a trigger of which nothing is known but its owner's freezes, its times told in its own zone.
    pub(crate) fn alone(app: &Shared, armed: &Armed, freezes: &[Freeze], now: Timestamp) -> TriggerRow {
        let head = TriggerHead::from(armed);
        let zone = trigger_zone(app, head.schedule.as_ref());
        let condition = Condition::of(&head, false, freezes, now);
        TriggerRow::of(app, &seen_through(head.clone(), freezes, now), condition, zone, now)
    }
}

/// What a trigger is called on a page, also where it has no name.
pub(crate) fn label(name: &str, id: TriggerId) -> String {
    match name.trim() {
        "" => format!("Trigger {id}"),
        name => name.to_owned(),
    }
}

/// The host of an address and its port where it is not the usual one. The path stays out of lists: with many receivers it
/// is the secret.
pub(crate) fn host(webhook: &Webhook) -> String {
    let host = webhook.url.host_str().unwrap_or_default();
    webhook.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_shows_the_host_of_an_address_and_not_its_path() {
        let host_of = |url| host(&Webhook::parse(url, None).expect("an address"));
        assert_eq!(host_of("https://hooks.slack.com/services/T0/B0/secret"), "hooks.slack.com");
        assert_eq!(host_of("http://127.0.0.1:9000/hook"), "127.0.0.1:9000");
        assert_eq!(host_of("https://example.com:443/"), "example.com");
    }

    #[test]
    fn a_trigger_without_a_name_is_called_by_its_number() {
        assert_eq!(label("", TriggerId(7)), "Trigger 7");
        assert_eq!(label(" ", TriggerId(-3)), "Trigger -3");
        assert_eq!(label("nightly", TriggerId(7)), "nightly");
    }
}
