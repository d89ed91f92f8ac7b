//! What the next week will bring: a strip of quarter hours for each day that it touches, what comes to each destination and who has to wait there, which
//! triggers will never fire, and what changes of the clocks do. It shows what `domain::forecast` foretells, gathered as for programs
//! (`api::forecast`), and decides nothing itself.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::forecast::{Address, Load, Rush};
use oncue_domain::schedule::zone::Zone;

use super::chart::Density;
use super::frame::{Frame, Place};
use super::moment::Moment;
use super::number::number;
use super::trigger_row::label;
use super::{PageFault, page};
use crate::api::forecast::{DAYS_UNASKED, Foretold, next_days, notes};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::Query;

/// How many rushes of a destination are listed.
const RUSHES_LISTED: usize = 3;

#[derive(Template)]
#[template(path = "forecast.html")]
struct ForecastPage {
    frame: Frame,
    is_empty: bool,
    fires: u64,
    triggers: u64,
    strip: Density,
    loads: Vec<LoadLine>,
    never: Vec<NeverLine>,
    never_unlisted: u64,
    changes: Vec<ChangeLine>,
    changes_unlisted: u64,
    notes: Vec<String>,
}

/// What comes to a destination, or to an address.
struct LoadLine {
    /// None for an address.
    id: Option<i64>,
    name: String,
    deliveries: String,
    busiest: Option<(String, Moment)>,
    rate: Option<String>,
    late: u64,
    rushes: Vec<RushLine>,
    rushes_unlisted: u64,
}

/// A time in which deliveries have to wait.
struct RushLine {
    from: Moment,
    late: String,
    longest: String,
}

/// A trigger that will never fire.
struct NeverLine {
    id: i64,
    label: String,
    why: &'static str,
}

/// What a change of the clocks does to a trigger.
struct ChangeLine {
    id: i64,
    label: String,
    what: String,
}

/// GET /forecast
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    query: Query,
) -> Result<Response, PageFault> {
    query.finish()?;
    let now = app.now();
    let frame = Frame::of(&app, &caller, Place::Upcoming);
    let span = next_days(DAYS_UNASKED, now);
    let foretold = Foretold::of(&app, caller.owner(), span, now).await?;
    Ok(page(StatusCode::OK, &ForecastPage::of(frame, &foretold, now)))
}

impl ForecastPage {
    fn of(frame: Frame, foretold: &Foretold, now: Timestamp) -> ForecastPage {
        let (zone, forecast) = (frame.zone().clone(), &foretold.forecast);
        let counts = forecast.slots.iter().map(|slot| (slot.from, slot.count));
        let head = |which: usize| &foretold.triggers[which];
        let label_of = |which: usize| label(head(which).name.as_deref().unwrap_or_default(), head(which).id);
        let never = forecast.still.iter();
        let named = forecast.loads.iter().map(|load| LoadLine::of(load, None, foretold, now, &zone));
        let addressed = forecast.addressed.iter();
        let addressed = addressed.map(|(address, load)| LoadLine::of(load, Some(address), foretold, now, &zone));
        let changes = forecast.changes.iter();
        ForecastPage {
            frame,
            is_empty: foretold.triggers.is_empty(),
            fires: forecast.total,
            triggers: forecast.triggers as u64,
            strip: Density::days("in the next 7 days", counts, forecast.peak_from, foretold.span, &zone),
            loads: named.chain(addressed).collect(),
            never: never
                .map(|(which, why)| NeverLine { id: head(*which).id.0, label: label_of(*which), why: why.sentence() })
                .collect(),
            never_unlisted: (forecast.still_total - forecast.still.len()) as u64,
            changes: changes
                .map(|one| ChangeLine {
                    id: head(one.which).id.0,
                    label: label_of(one.which),
                    what: one.change.sentence(),
                })
                .collect(),
            changes_unlisted: (forecast.changes_total - forecast.changes.len()) as u64,
            notes: notes(foretold),
        }
    }
}

impl LoadLine {
    fn of(load: &Load, address: Option<&Address>, foretold: &Foretold, now: Timestamp, zone: &Zone) -> LoadLine {
        let rush = |rush: &Rush| RushLine {
            from: Moment::new(rush.from, now, zone),
            late: number(rush.late),
            longest: spoken(rush.late_max),
        };
        LoadLine {
            id: address.is_none().then_some(load.id.0),
            name: match address {
                None => foretold.name_of(load.id).to_owned(),
                Some(Address::Default) => "default".to_owned(),
                // What comes after the host may be a secret, and the page is shown to others.
                Some(Address::Own(url)) => host_of(url),
            },
            deliveries: number(load.total),
            busiest: load.busiest.map(|(from, count)| (number(count), Moment::new(from, now, zone))),
            rate: load.rate.map(|rate| rate.words()),
            late: load.late,
            rushes: load.rushes.iter().take(RUSHES_LISTED).map(rush).collect(),
            rushes_unlisted: load.rushes_total.saturating_sub(RUSHES_LISTED as u64),
        }
    }
}

fn host_of(url: &str) -> String {
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "an address".to_owned())
}

/// How long somebody waits, in its two largest units.
fn spoken(wait: SignedDuration) -> String {
    let seconds = wait.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{} ms", wait.as_millis()),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::forecast::{Fleet, Forecast};
    use oncue_domain::id::TriggerId;
    use oncue_domain::schedule::Schedule;
    use oncue_domain::schedule::cron::CronExpression;
    use oncue_domain::schedule::zone::Zones;
    use oncue_domain::trigger::{ScheduleDetails, TriggerHead};

    fn now() -> Timestamp {
        "2027-03-10T10:00:00Z".parse().expect("an instant")
    }

    fn head(id: i64, name: &str, enabled: bool) -> TriggerHead {
        let zone = Zones::bundled().get("America/New_York").expect("a zone");
        let schedule = Schedule::Cron { expression: CronExpression::parse("30 2 * * *").expect("a line"), zone };
        TriggerHead {
            is_behind: false,
            id: TriggerId(id),
            name: Some(name.to_owned()),
            next_at: schedule.next_after(now()),
            fired: 0,
            schedule: Some(ScheduleDetails::plain(schedule, None)),
            webhook: None,
            destinations: Vec::new(),
            overlap: oncue_domain::overlap::Overlap::Allow,
            is_test: false,
            enabled,
            pause: None,
            expires_at: None,
            created_at: now(),
        }
    }

    fn shown(triggers: Vec<TriggerHead>) -> String {
        let span = next_days(DAYS_UNASKED, now());
        let forecast = Forecast::of(Fleet { triggers: &triggers, receivers: &[], freezes: &[] }, span, now());
        let late = oncue_domain::forecast::Late { occurrences: 12, held: 5, loads: Vec::new() };
        let foretold = Foretold { triggers, has_more_triggers: false, destinations: Vec::new(), span, forecast, late };
        ForecastPage::of(Frame::bare(), &foretold, now()).render().expect("it renders")
    }

    #[test]
    fn the_page_tells_what_will_never_fire_and_what_the_clocks_do() {
        let html = shown(vec![head(3, "night", true), head(4, "halted", false)]);
        assert!(html.contains("One trigger fires 7 times"), "{html}");
        assert!(html.contains("<a href=\"/ui/triggers/4\">halted</a>") && html.contains("It is paused"), "{html}");
        assert!(html.contains("the firing of 02:30 comes at 03:00"), "{html}");
        assert!(html.contains("12 late occurrences wait in backlogs, 5 of them held"), "{html}");
    }

    #[test]
    fn nothing_that_others_wrote_is_markup_on_the_page() {
        let nasty = "<img src=x onerror=alert(1)>\"'";
        let html = shown(vec![head(1, nasty, true), head(2, nasty, false)]);
        assert!(!html.contains("<img src=x"), "{html}");
    }

    #[test]
    fn an_empty_page_says_how_to_begin() {
        assert!(shown(Vec::new()).contains("href=\"/ui/triggers/new\""));
    }

    #[test]
    fn waits_are_said_in_their_two_largest_units() {
        let said = [250, 9_100, 61_000, 7_380_000].map(|ms| spoken(SignedDuration::from_millis(ms)));
        assert_eq!(said, ["250 ms", "9 s", "1 min 1 s", "2 h 3 min"]);
    }
}
