//! What fires next: the agenda of all of an owner's triggers for a day or a week, line by line and as a strip of quarter
//! hours, so that people see a rush before it comes. It shows what `domain::agenda` foretells and decides nothing itself;
//! what is looked at stands in `when`, whose triggers in `fleet`, how a firing is listed in `line`.

mod fleet;
mod line;
mod when;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::agenda::{Agenda, Burst, Question, Span};
use oncue_domain::freeze::seen_through;
use oncue_domain::schedule::zone::Zone;

use super::chart::Density;
use super::frame::{Frame, Place as Where};
use super::moment::Moment;
use super::notice::{Done, Notice};
use super::number::number;
use super::{PageFault, page};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::Query;
use crate::fault::Fault;
use fleet::{Fleet, Foretold, Still, TRIGGERS_MAX};
use line::{ConstantLine, Day, Named, days};
use when::{Length, When, WrongDate, last_date, today};

/// How many firings are listed on a page.
const LINES_MAX: usize = 100;

/// How many triggers that fire constantly are listed.
const CONSTANT_MAX: usize = 20;

#[derive(Template)]
#[template(path = "upcoming.html")]
struct UpcomingPage {
    frame: Frame,
    notice: Option<Notice>,
    title: String,
    when: When,
    wrong_date: Option<WrongDate>,
    first_date: String,
    last_date: String,
    day: String,
    week: String,
    earlier: Option<String>,
    later: Option<String>,
    /// The page as it is, for forms to come back to.
    here: String,
    /// The list from its beginning, where it does not begin there.
    beginning: Option<String>,
    /// What follows in the list.
    next: Option<String>,
    total: u64,
    triggers: u64,
    strip: Density,
    largest_burst: Option<(usize, Moment)>,
    constant: Vec<ConstantLine>,
    constant_unlisted: u64,
    uncounted: u64,
    uncounted_firings: u64,
    days: Vec<Day>,
    listed: usize,
    /// The first firing after an empty span, and where it is seen.
    beyond: Option<(Named, Moment, Option<String>)>,
    still: Vec<Still>,
    is_empty: bool,
    has_more_triggers: bool,
    triggers_max: u64,
    curl: Curl,
}

/// What a command line needs to know.
struct Curl {
    base: String,
    needs_key: bool,
}

/// What the page is made of.
struct Seen {
    now: Timestamp,
    when: When,
    wrong_date: Option<WrongDate>,
    still: Vec<Still>,
    is_empty: bool,
    has_more_triggers: bool,
    foretold: Foretold,
}

/// GET /upcoming
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let frame = Frame::of(&app, &caller, Where::Upcoming);
    let notice = Notice::take(&mut query);
    let (when, wrong_date) = When::take(query, now, frame.zone())?;
    let mut fleet = Fleet::of(app.store.as_ref(), caller.owner()).await?;
    let (still, is_empty, has_more_triggers) =
        (fleet.still(&caller.frozen, now), fleet.triggers.is_empty(), fleet.has_more);
    fleet.triggers = fleet.triggers.into_iter().map(|head| seen_through(head, &caller.frozen, now)).collect();
    let question = Question { now, span: when.span(now, frame.zone()), after: when.after, firings_max: LINES_MAX };
    // Some tens of milliseconds of a core, which the scheduler's runtime must not miss.
    let foretold = tokio::task::spawn_blocking(move || Foretold::of(fleet.triggers, question));
    let foretold = foretold.await.map_err(|_| {
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "What is coming could not be worked out; the log says why.")
    })?;
    let code = if wrong_date.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let curl = Curl { base: app.settings.base().to_owned(), needs_key: app.settings.needs_key() };
    let seen = Seen { now, when, wrong_date, still, is_empty, has_more_triggers, foretold };
    Ok(page(code, &UpcomingPage::of(frame, notice, curl, seen)))
}

impl UpcomingPage {
    fn of(frame: Frame, notice: Option<Notice>, curl: Curl, seen: Seen) -> UpcomingPage {
        let Seen { now, when, wrong_date, still, is_empty, has_more_triggers, foretold } = seen;
        let (agenda, triggers, zone) = (&foretold.agenda, &foretold.triggers, &frame.zone().clone());
        let constant = agenda.constant.iter().take(CONSTANT_MAX);
        UpcomingPage {
            frame,
            notice,
            title: when.title(),
            when,
            wrong_date,
            first_date: today(now, zone).to_string(),
            last_date: last_date(now, zone).to_string(),
            day: when.as_long_as(Length::Day).address(),
            week: when.as_long_as(Length::Week).address(),
            earlier: when.earlier(now, zone).map(|when| when.address()),
            later: when.later(now, zone).map(|when| when.address()),
            here: when.address(),
            beginning: when.after.map(|_| When { after: None, ..when }.address()),
            next: foretold.end().map(|place| when.behind(place).address()),
            total: agenda.total,
            triggers: agenda.triggers as u64,
            strip: strip(agenda, when, when.span(now, zone), zone),
            largest_burst: largest(&agenda.bursts).map(|burst| (burst.count, Moment::new(burst.at, now, zone))),
            constant: constant.map(|constant| ConstantLine::of(constant, triggers, now, zone)).collect(),
            constant_unlisted: agenda.constant.len().saturating_sub(CONSTANT_MAX) as u64,
            uncounted: agenda.uncounted.len() as u64,
            uncounted_firings: agenda.uncounted.iter().map(|uncounted| uncounted.count).sum(),
            listed: agenda.firings.len(),
            days: days(agenda, triggers, now, zone),
            beyond: foretold.beyond.map(|firing| {
                let date = firing.at.to_zoned(zone.time_zone().clone()).date();
                let there = (date <= last_date(now, zone)).then_some(When { date: Some(date), after: None, ..when });
                let named = Named::of(&triggers[firing.which]);
                (
                    named,
                    Moment::firing(&triggers[firing.which], firing.due, now, zone),
                    there.map(|when| when.address()),
                )
            }),
            still,
            is_empty,
            has_more_triggers,
            triggers_max: TRIGGERS_MAX as u64,
            curl,
        }
    }
}

/// The firings by the quarter of an hour.
fn strip(agenda: &Agenda, when: When, span: Span, zone: &Zone) -> Density {
    let counts = agenda.slots.iter().map(|slot| (slot.from, slot.count));
    match when.length {
        Length::Day => Density::day(when.range(), counts, agenda.peak_from, (span.from, span.until), zone),
        Length::Week => Density::days(when.range(), counts, agenda.peak_from, span, zone),
    }
}

fn largest(bursts: &[Burst]) -> Option<&Burst> {
    bursts.iter().rev().max_by_key(|burst| burst.count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::Template;
    use oncue_domain::agenda::Place;
    use oncue_domain::id::TriggerId;
    use oncue_domain::schedule::FirstFiring;
    use oncue_domain::schedule::Schedule;
    use oncue_domain::schedule::cron::CronExpression;
    use oncue_domain::schedule::every::Period;
    use oncue_domain::schedule::zone::Zones;
    use oncue_domain::trigger::{ScheduleDetails, TriggerHead};

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().expect("an instant")
    }

    fn armed(id: i64, name: &str, schedule: Schedule) -> TriggerHead {
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
            enabled: true,
            pause: None,
            expires_at: None,
            created_at: now(),
        }
    }

    fn cron(line: &str) -> Schedule {
        Schedule::Cron { expression: CronExpression::parse(line).expect("a cron line"), zone: Zones::utc() }
    }

    fn shown(triggers: Vec<TriggerHead>, when: When, wrong_date: Option<WrongDate>) -> String {
        let span = when.span(now(), &Zones::utc());
        let question = Question { now: now(), span, after: when.after, firings_max: LINES_MAX };
        let seen = Seen {
            now: now(),
            when,
            wrong_date,
            still: Vec::new(),
            is_empty: triggers.is_empty(),
            has_more_triggers: false,
            foretold: Foretold::of(triggers, question),
        };
        let curl = Curl { base: "https://oncue.example.com".to_owned(), needs_key: true };
        UpcomingPage::of(Frame::bare(), None, curl, seen).render().expect("it renders")
    }

    const NEXT_DAY: When = When { length: Length::Day, date: None, after: None };

    #[test]
    fn the_page_names_what_is_coming_and_lets_it_be_paused() {
        let period = Period::from_seconds(10).expect("a period");
        let heartbeat = Schedule::Every { period, anchor: now(), first: FirstFiring::OnePeriodLater };
        let html =
            shown(vec![armed(3, "standup", cron("0 9 * * *")), armed(4, "heartbeat", heartbeat)], NEXT_DAY, None);
        assert!(html.contains("Tomorrow, Sunday 22 November 2026"), "{html}");
        assert!(html.contains("<span class=\"at\">09:00:00</span> <span class=\"relative\">in 23 h</span>"), "{html}");
        assert!(html.contains("<a href=\"/ui/triggers/3\">standup</a>") && html.contains("At 09:00, every day"));
        assert!(html.contains("8,639 times"), "{html}");
        assert!(html.contains(
            "action=\"/ui/triggers/3/pause\"><input type=\"hidden\" name=\"back\" value=\"/upcoming?span=24h\">"
        ));
    }

    #[test]
    fn nothing_that_others_wrote_is_markup_on_the_page() {
        const NASTY: &str = "<img src=x onerror=alert(1)>\"'";
        let wrong = WrongDate { text: NASTY.to_owned(), reason: "no".to_owned() };
        let many = (1..=12).map(|id| armed(id, NASTY, cron("0 9 * * *"))).collect();
        let html = shown(many, NEXT_DAY, Some(wrong));
        assert!(!html.contains("<img src=x") && html.contains("12 at once"), "{html}");
        let html = shown(vec![armed(1, NASTY, cron("0 9 1 1 *"))], NEXT_DAY, None);
        assert!(!html.contains("<img src=x") && html.contains("Go to that day"), "{html}");
    }

    #[test]
    fn a_long_list_goes_on_where_the_page_ends() {
        let triggers: Vec<TriggerHead> = (1..=8).map(|id| armed(id, "hourly", cron("0 * * * *"))).collect();
        let html = shown(triggers.clone(), NEXT_DAY, None);
        // Eight an hour: the 100th is the fourth of its hour.
        let address = "/upcoming?span=24h&#38;after=2026-11-21T23%3A00%3A00Z&#38;beyond=4#agenda";
        assert!(html.contains(address), "{html}");
        let place = Place { at: "2026-11-21T23:00:00Z".parse().expect("an instant"), id: TriggerId(4) };
        let rest = shown(triggers, NEXT_DAY.behind(place), None);
        assert_eq!(rest.matches("<li class=\"line\">").count(), 8 * 23 - LINES_MAX);
        assert!(rest.contains("From the beginning") && !rest.contains("rel=\"next\""), "{rest}");
    }

    #[test]
    fn an_empty_page_says_how_to_begin() {
        let html = shown(Vec::new(), NEXT_DAY, None);
        assert!(html.contains("href=\"/ui/triggers/new\"") && html.contains("curl https://oncue.example.com"));
        assert!(html.contains("Authorization: Bearer $ONCUE_KEY"), "{html}");
    }
}
