//! What a form would do, said before it does it: the schedule in a sentence, its next firings in every zone that matters, what
//! the next change of the clocks does to it, and what people often do not expect. It is read by the same code as a trigger
//! that is made, so that a preview never promises what creation refuses.

use askama::Template;
use jiff::Timestamp;
use oncue_domain::schedule::Schedule;
use oncue_domain::schedule::zone::{Zone, Zones};
use oncue_domain::trigger::{Armed, Definition, Kind, ScheduleDetails};

use super::errors::{FieldError, FormErrors};
use super::{TriggerForm, wall};
use crate::app::Shared;
use crate::fault::Fault;
use crate::ui::moment::Moment;
use crate::ui::viewer::trigger_zone;

/// How many firings are shown.
const FIRINGS_SHOWN: usize = 5;

/// What the form says about when it fires.
#[derive(Debug, Default, Template)]
#[template(path = "schedule_preview.html")]
pub(crate) struct Preview {
    /// The schedule in words; none while there is none.
    sentence: Option<String>,
    /// The zone of the trigger, where it has a schedule.
    zone: String,
    next: Option<Moment>,
    /// The zones of the table's columns: the trigger's, the viewer's, UTC, each once.
    columns: Vec<String>,
    rows: Vec<Row>,
    notes: Vec<Note>,
    /// What keeps it from having a schedule.
    problems: Vec<FieldError>,
    /// What the line of a crontab was cut down to, and what was left out.
    pasted: Option<super::Pasted>,
    is_api: bool,
}

impl askama::filters::HtmlSafe for Preview {}

/// One firing in every zone.
#[derive(Debug)]
struct Row {
    moment: Moment,
    /// The day and the time of day, for each column.
    walls: Vec<(String, String)>,
}

/// Something to know.
#[derive(Debug)]
struct Note {
    /// Whether it is likely not what was meant.
    is_warning: bool,
    text: String,
}

impl Note {
    fn hint(text: impl Into<String>) -> Note {
        Note { is_warning: false, text: text.into() }
    }

    fn warning(text: impl Into<String>) -> Note {
        Note { is_warning: true, text: text.into() }
    }
}

impl Preview {
    /// What `form` would do to a trigger that stands as `before` so far, for somebody who looks from `viewer`.
    pub(crate) fn of(
        app: &Shared,
        form: &TriggerForm,
        before: Option<&Armed>,
        viewer: &Zone,
        now: Timestamp,
    ) -> Preview {
        let pasted = form.pasted.clone();
        if form.lacks_a_schedule() {
            return Preview { pasted, ..Preview::default() };
        }
        // What is sent, and where to, has nothing to do with when.
        let timing = TriggerForm {
            name: String::new(),
            payload: String::new(),
            webhook_url: String::new(),
            format: String::new(),
            ..form.clone()
        };
        let definition = match timing.define(app, before.map(|armed| &armed.trigger.definition), now) {
            Ok(definition) => definition,
            Err(Fault::Invalid(errors)) => {
                return Preview { problems: FormErrors::of(errors).0, pasted, ..Preview::default() };
            }
            Err(_) => return Preview { pasted, ..Preview::default() },
        };
        let zone = trigger_zone(app, definition.schedule.as_ref());
        Preview { pasted, ..Preview::of_definition(form, &definition, before, (zone, viewer), now) }
    }

    fn of_definition(
        form: &TriggerForm,
        definition: &Definition,
        before: Option<&Armed>,
        (zone, viewer): (&Zone, &Zone),
        now: Timestamp,
    ) -> Preview {
        if definition.kind() == Kind::Api {
            return Preview { is_api: true, ..Preview::default() };
        }
        let Some(details) = &definition.schedule else { return Preview::default() };
        let left = left(definition, before);
        let most = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX).min(FIRINGS_SHOWN);
        let firings: Vec<Timestamp> = firings(definition, details, before, now).take(most).collect();
        let zones = columns(zone, viewer);
        let rows = firings.iter().map(|firing| Row {
            moment: Moment::new(*firing, now, zone),
            walls: zones.iter().map(|zone| halves(&in_zone(*firing, zone))).collect(),
        });
        Preview {
            sentence: Some(sentence(details, zone)),
            zone: zone.name().to_owned(),
            next: firings.first().map(|next| Moment::new(*next, now, zone)),
            columns: zones.iter().map(|zone| zone.name().to_owned()).collect(),
            rows: rows.collect(),
            notes: notes(form, definition, zone, (&firings, left), now),
            ..Preview::default()
        }
    }

    /// The one sentence that is read out when it changes.
    fn said(&self) -> String {
        match (&self.sentence, &self.next) {
            (Some(sentence), Some(next)) => format!("{sentence}, {}; next {}", self.zone, next.absolute),
            (Some(sentence), None) => format!("{sentence}, {}", self.zone),
            (None, _) => self.problems.first().map(|problem| problem.message.clone()).unwrap_or_default(),
        }
    }
}

/// When it would fire, where the trigger stands as `before` so far: what an edit makes of that is decided where edits are. Paused or only
/// tried out, it still has to be clear when it would.
fn firings<'a>(
    definition: &Definition,
    details: &'a ScheduleDetails,
    before: Option<&Armed>,
    now: Timestamp,
) -> impl Iterator<Item = Timestamp> + use<'a> {
    let running = Definition { is_test: false, ..definition.clone().switched(true) };
    let expiry = running.expires_at;
    let next_at = match before {
        Some(armed) => armed.as_edited(&armed.edit(running, now)).next_firing_at(),
        None => running.next_after(now),
    };
    // What is due already fires at once or waits: that is told elsewhere.
    let first = next_at.and_then(|due| if due > now { Some(due) } else { details.next_due_after(now) });
    let lives = move |due: &Timestamp| expiry.is_none_or(|end| details.named_for(*due) < end);
    std::iter::successors(first, |due| details.next_due_after(*due)).take_while(lives)
}

/// How often it may still fire, where that is limited: what has fired under a limit counts on under another.
fn left(definition: &Definition, before: Option<&Armed>) -> Option<u64> {
    let counted = before.filter(|armed| armed.trigger.definition.is_limited());
    definition.left(counted.map_or(0, |armed| armed.fired))
}

/// A single instant is said in the zone that it was typed in; the rest names no instants.
pub(crate) fn sentence(details: &ScheduleDetails, zone: &Zone) -> String {
    match details.pattern() {
        Schedule::Once { at } => format!("Once, on {}{}", in_zone(*at, zone), details.terms_in_words()),
        _ => details.summary(),
    }
}

/// The zones in which a firing is told: the trigger's, the viewer's and UTC, each once.
pub(crate) fn columns<'a>(zone: &'a Zone, viewer: &'a Zone) -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    for one in [zone.clone(), viewer.clone(), Zones::utc()] {
        if !zones.contains(&one) {
            zones.push(one);
        }
    }
    zones
}

/// "Mon 2026-11-23 09:00:00 +02:00".
pub(crate) fn in_zone(instant: Timestamp, zone: &Zone) -> String {
    let local = instant.to_zoned(zone.time_zone().clone());
    let format = if zone.name() == "UTC" { "%a %Y-%m-%d %H:%M:%S" } else { "%a %Y-%m-%d %H:%M:%S %:z" };
    // A minus sign, because browsers break lines after hyphens.
    local.strftime(format).to_string().replace(" -", " \u{2212}")
}

/// What stands before the time of day, and the rest, so that a narrow column breaks between the two.
fn halves(text: &str) -> (String, String) {
    let middle = text.match_indices(' ').nth(1).map_or(text.len(), |(at, _)| at);
    (text[..middle].to_owned(), text[middle..].trim_start().to_owned())
}

fn notes(
    form: &TriggerForm,
    definition: &Definition,
    zone: &Zone,
    (firings, left): (&[Timestamp], Option<u64>),
    now: Timestamp,
) -> Vec<Note> {
    let mut notes = Vec::new();
    let Some(details) = &definition.schedule else { return notes };
    if definition.is_test {
        notes.push(Note::hint("Only a test: it is kept and never scheduled, so none of this fires."));
    } else if definition.is_paused_at(now) {
        let until = definition.pause_ends_at().map_or("it is resumed".to_owned(), |end| in_zone(end, zone));
        notes.push(Note::hint(format!("It is paused: none of this fires until {until}.")));
    }
    match details.pattern() {
        Schedule::Cron { expression, .. } if expression.takes_either_day() => notes.push(Note::warning(
            "The day of the month and the day of the week are both restricted: it fires on days that match either one, not \
             only on days that match both.",
        )),
        Schedule::Once { at } => notes.extend(moved(&form.run_at, *at, zone)),
        _ => {}
    }
    if details.lacks_share() {
        let text = "Each comes later than shown, always by the same: how much of the window that is will be drawn when it is saved.";
        notes.push(Note::hint(text));
    }
    notes.extend(end_of(definition, details, (firings.len(), left), now));
    notes.extend(clock_changes(definition, details, zone, now));
    notes
}

/// What the next change of the clocks does to it, in each of its zones where it has several.
fn clock_changes(definition: &Definition, details: &ScheduleDetails, zone: &Zone, now: Timestamp) -> Vec<Note> {
    let next = |zone: &Zone| details.next_clock_change(zone, now).filter(|change| definition.lives_at(change.at));
    let zones = details.pattern().wall_zones();
    if zones.len() < 2 {
        return next(zone).map(|change| Note::hint(change.sentence())).into_iter().collect();
    }
    let mut changes: Vec<_> = zones.into_iter().filter_map(|zone| Some((zone, next(zone)?))).collect();
    changes.sort_by_key(|(_, change)| change.at);
    changes.iter().map(|(zone, change)| Note::hint(format!("{}: {}", zone.name(), change.sentence()))).collect()
}

/// Why it fires no more often than is shown.
fn end_of(
    definition: &Definition,
    details: &ScheduleDetails,
    (firings, left): (usize, Option<u64>),
    now: Timestamp,
) -> Option<Note> {
    let ends_first = details.ends_at().filter(|end| definition.expires_at.is_none_or(|expiry| *end <= expiry));
    let is_once = matches!(details.pattern(), Schedule::Once { .. });
    Some(match (firings, definition.expires_at) {
        (0, _) if left == Some(0) => Note::warning("It has fired as often as it may."),
        (0, Some(_)) if is_once || details.next_after(now).is_some() => {
            Note::warning("It expires before it would fire.")
        }
        (0, _) if is_once => Note::warning("Its time has passed."),
        (0, _) if details.ends_at().is_some_and(|end| end <= now) => Note::warning("Its end has passed."),
        (0, _) if details.pattern().next_after(now).is_some() => {
            Note::warning("Its start, its end and its excluded dates leave no firing.")
        }
        (0, _) => Note::warning("It has no firing left before the year 2200."),
        (FIRINGS_SHOWN.., _) => return None,
        _ if left == Some(firings as u64) => Note::hint("Then it has fired as often as it may."),
        _ if ends_first.is_some() => Note::hint("Then it ends."),
        (_, Some(_)) if !is_once => Note::hint("Then it expires."),
        _ => return None,
    })
}

/// A wall time that its day does not have, or has twice.
fn moved(typed: &str, at: Timestamp, zone: &Zone) -> Option<Note> {
    let typed_wall = typed.parse::<jiff::civil::DateTime>().ok()?;
    let shown = typed_wall.strftime("%H:%M");
    if zone.time_zone().to_ambiguous_timestamp(typed_wall).is_ambiguous() {
        let is_in_gap = !super::is_same_wall(typed, &wall(at, zone));
        let text = if is_in_gap {
            let fires = at.to_zoned(zone.time_zone().clone()).strftime("%H:%M").to_string();
            format!("The clocks skip {shown} on that day: it fires at {fires}, when they go on.")
        } else {
            format!("{shown} comes twice on that day: it fires the first time.")
        };
        return Some(Note::warning(text));
    }
    None
}

#[cfg(test)]
mod tests;
