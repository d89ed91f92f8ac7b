//! Pausing a trigger: at the press of a button, or on a page of its own where it can be said why and until when.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::schedule::zone::{Zone, parse_instant};
use oncue_domain::trigger::{Armed, Definition, Pause, REASON_CHARS_MAX, parse_reason};

use super::frame::{Frame, Place};
use super::notice::{Done, Notice};
use super::trigger_action::{ACTION_BYTES_MAX, way_back};
use super::trigger_form::{is_same_wall, wall};
use super::trigger_row::label;
use super::viewer::trigger_zone;
use super::way_back::page_of_ours;
use super::{PageFault, page, see_other};
use crate::api::trigger::{change, load, trigger_id};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{Form, PathId, parse_form, read_form_body};

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    reason: String,
    reason_error: Option<String>,
    until: String,
    until_error: Option<String>,
}

impl Typed {
    fn of(form: &Form) -> Typed {
        let typed = |name: &str| form.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        Typed { reason: typed("reason"), until: typed("until"), ..Typed::default() }
    }

    /// What is said of the pause; none where something is wrong with it, which then stands beside it. `stood` is the end that the page showed:
    /// where the clock shows a time twice, or the field cannot hold all of it, what was left alone stays that end.
    fn read(&mut self, zone: &Zone, stood: Option<Timestamp>, now: Timestamp) -> Option<Option<Pause>> {
        let reason = parse_reason(&self.reason).map_err(|error| self.reason_error = Some(error.message)).ok()?;
        let stood = stood.filter(|end| is_same_wall(&self.until, &wall(*end, zone)));
        let until = match self.until.as_str() {
            "" => None,
            _ if stood.is_some() => stood,
            text => match parse_instant(text, zone) {
                Ok(end) if end > now => Some(end),
                Ok(_) => {
                    self.until_error = Some("The end of a pause must be in the future.".to_owned());
                    return None;
                }
                Err(error) => {
                    self.until_error = Some(format!("{error}."));
                    return None;
                }
            },
        };
        Some(Pause::new(reason, until))
    }
}

/// The page for saying why and until when.
#[derive(Template)]
#[template(path = "trigger_pause.html")]
struct PausePage {
    frame: Frame,
    id: i64,
    label: String,
    is_paused: bool,
    typed: Typed,
    zone: String,
    reason_chars_max: usize,
    back: String,
}

impl PausePage {
    fn of(app: &App, caller: &Caller, armed: &Armed, typed: Typed, back: Option<&str>) -> PausePage {
        let trigger = &armed.trigger;
        PausePage {
            frame: Frame::of(app, caller, Place::Triggers),
            id: trigger.id.0,
            label: label(trigger.definition.name.as_deref().unwrap_or_default(), trigger.id),
            is_paused: trigger.definition.is_paused_at(app.now()),
            typed,
            zone: zone_of(app, armed).name().to_owned(),
            reason_chars_max: REASON_CHARS_MAX,
            back: back.and_then(page_of_ours).unwrap_or_else(|| format!("/ui/triggers/{}", trigger.id)),
        }
    }
}

fn zone_of(app: &App, armed: &Armed) -> Zone {
    trigger_zone(app, armed.trigger.definition.schedule.as_ref()).clone()
}

/// GET /ui/triggers/{id}/pause
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let armed = load(&app, caller.owner(), &id).await?;
    let typed = match armed.trigger.definition.pause_at(app.now()) {
        Some(Pause { reason, until }) => Typed {
            reason: reason.clone().unwrap_or_default(),
            until: until.map(|end| wall(end, &zone_of(&app, &armed))).unwrap_or_default(),
            ..Typed::default()
        },
        None => Typed::default(),
    };
    Ok(page(StatusCode::OK, &PausePage::of(&app, &caller, &armed, typed, None)))
}

/// POST /ui/triggers/{id}/pause
pub(super) async fn pause(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let armed = load(&app, caller.owner(), &id).await?;
    let (mut typed, now) = (Typed::of(&form), app.now());
    let stood = armed.trigger.definition.pause_at(now).and_then(|pause| pause.until);
    let Some(pause) = typed.read(&zone_of(&app, &armed), stood, now) else {
        let again = PausePage::of(&app, &caller, &armed, typed, form.get("back").map(String::as_str));
        return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &again));
    };
    // The button alone says nothing about a pause, and takes nothing back of what was said of one.
    let is_said = form.contains_key("reason") || form.contains_key("until");
    let decide = |current: &Armed, now| {
        let definition = current.trigger.definition.clone().as_of(now);
        let stays = !is_said && definition.is_paused_at(now);
        let pause = pause.clone();
        Ok(if stays { definition } else { Definition { enabled: false, pause, ..definition } })
    };
    let armed = change(&app, &caller, trigger_id(&id)?, decide).await?;
    let notice = Notice::of(Done::Paused).with_triggers(vec![armed.trigger.id]);
    Ok(see_other(&notice.at(&way_back(&form, &id))))
}

#[cfg(test)]
mod tests {
    use oncue_domain::schedule::zone::Zones;

    use super::*;

    fn read(reason: &str, until: &str) -> (Option<Option<Pause>>, Typed) {
        read_over(None, reason, until)
    }

    fn read_over(stood: Option<Timestamp>, reason: &str, until: &str) -> (Option<Option<Pause>>, Typed) {
        let form: Form =
            [("reason", reason), ("until", until)].map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let mut typed = Typed::of(&form);
        let riga = Zones::bundled().get("Europe/Riga").expect("a zone of the bundled copy");
        (typed.read(&riga, stood, "2026-12-01T00:00:00Z".parse().expect("an instant")), typed)
    }

    #[test]
    fn an_end_that_is_left_alone_stays_where_the_clock_shows_it_twice_and_to_the_microsecond() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        // On 31 October 2027 the clocks of Riga show half past three at half past midnight and an hour later.
        for stood in ["2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z", "2027-10-31T01:30:00.000007Z"] {
            for typed in ["2027-10-31T03:30", "2027-10-31T03:30:00.000"] {
                let (pause, _) = read_over(Some(at(stood)), "why", typed);
                assert_eq!(pause, Some(Pause::new(Some("why".to_owned()), Some(at(stood)))), "{typed}");
            }
        }
        let (moved, _) = read_over(Some(at("2027-10-31T01:30:00Z")), "", "2027-10-31T03:31");
        assert_eq!(moved, Some(Pause::new(None, Some(at("2027-10-31T00:31:00Z")))), "what was changed is read anew");
    }

    #[test]
    fn an_end_is_read_on_the_clock_of_the_trigger_and_lies_ahead() {
        assert_eq!(read("", "").0, Some(None), "nothing needs to be said");
        let end = "2026-12-01T06:00:00Z".parse().expect("an instant");
        let said = Pause::new(Some("The warehouse moves".to_owned()), Some(end));
        assert_eq!(read(" The warehouse moves ", "2026-12-01T08:00").0, Some(said));
        for until in ["2026-12-01T02:00", "soon"] {
            let (pause, typed) = read("", until);
            assert!(pause.is_none() && typed.until_error.is_some(), "{until}");
            assert_eq!(typed.until, until, "what was typed stays");
        }
        let (pause, typed) = read(&"x".repeat(REASON_CHARS_MAX + 1), "");
        assert!(pause.is_none() && typed.reason_error.is_some());
    }
}
