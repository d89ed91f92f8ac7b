//! What a preview says, against the instants that the schedule really names.

use askama::Template;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{MaxFires, ScheduleDetails, Terms, Trigger};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a test writes its instants well")
}

fn zone(name: &str) -> Zone {
    Zones::bundled().get(name).expect("a zone of the bundled copy")
}

fn definition(schedule: Schedule, zone: &Zone) -> Definition {
    Definition {
        name: None,
        schedule: Some(ScheduleDetails::plain(schedule, Some(zone.clone()))),
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    }
}

fn cron(text: &str, zone: &Zone) -> Definition {
    let expression = CronExpression::parse(text).expect("a test writes its lines well");
    definition(Schedule::Cron { expression, zone: zone.clone() }, zone)
}

fn preview(definition: &Definition, zone: &Zone, viewer: &Zone, now: &str) -> Preview {
    Preview::of_definition(&TriggerForm::of(definition, zone), definition, None, (zone, viewer), at(now))
}

fn texts(preview: &Preview) -> Vec<&str> {
    preview.notes.iter().map(|note| note.text.as_str()).collect()
}

fn walls(row: &Row) -> Vec<String> {
    row.walls.iter().map(|(day, time)| format!("{day} {time}")).collect()
}

#[test]
fn the_next_five_firings_stand_in_each_zone_once() {
    let (riga, new_york) = (zone("Europe/Riga"), zone("America/New_York"));
    let mornings = cron("0 9 * * 1-5", &riga);
    let seen = preview(&mornings, &riga, &new_york, "2026-11-20T10:00:00Z");
    assert_eq!(seen.columns, ["Europe/Riga", "America/New_York", "UTC"]);
    assert_eq!(seen.rows.len(), FIRINGS_SHOWN);
    let first = ["Mon 2026-11-23 09:00:00 +02:00", "Mon 2026-11-23 02:00:00 \u{2212}05:00", "Mon 2026-11-23 07:00:00"];
    assert_eq!(walls(&seen.rows[0]), first);
    assert_eq!(
        seen.said(),
        "At 09:00, Monday to Friday, Europe/Riga; next Mon 2026-11-23 09:00:00 Europe/Riga (UTC+02:00)"
    );
    let at_home = preview(&mornings, &riga, &riga, "2026-11-20T10:00:00Z");
    assert_eq!(at_home.columns, ["Europe/Riga", "UTC"]);
    let utc = Zones::utc();
    assert_eq!(preview(&cron("@daily", &utc), &utc, &utc, "2026-11-20T10:00:00Z").columns, ["UTC"]);
}

#[test]
fn the_next_change_of_the_clocks_is_told_until_the_trigger_has_expired() {
    let berlin = zone("Europe/Berlin");
    let nights = cron("30 2 * * *", &berlin);
    let told = "On Sun 28 Mar 2027 clocks go forward from 02:00 to 03:00: the firing of 02:30 comes at 03:00.";
    assert_eq!(texts(&preview(&nights, &berlin, &berlin, "2027-01-10T00:00:00Z")), [told]);
    let brief = Definition { expires_at: Some(at("2027-02-01T00:00:00Z")), ..nights };
    assert_eq!(texts(&preview(&brief, &berlin, &berlin, "2027-01-10T00:00:00Z")), Vec::<&str>::new());
    let over = preview(&brief, &berlin, &berlin, "2027-01-30T00:00:00Z");
    assert_eq!((over.rows.len(), texts(&over)), (2, vec!["Then it expires."]));
    let never = preview(&brief, &berlin, &berlin, "2027-01-31T12:00:00Z");
    assert_eq!((never.rows.len(), texts(&never)), (0, vec!["It expires before it would fire."]));
}

#[test]
fn of_several_schedules_the_clocks_of_each_zone_are_told_of() {
    let (berlin, new_york, utc) = (zone("Europe/Berlin"), zone("America/New_York"), Zones::utc());
    let nights = |zone: &Zone| {
        let expression = CronExpression::parse("30 2 * * *").expect("a line");
        Member { schedule: Schedule::Cron { expression, zone: zone.clone() }, timezone: Some(zone.clone()) }
    };
    let several = Schedule::AnyOf(AnyOf::kept([&berlin, &new_york, &utc].map(nights).into()));
    let seen = preview(&definition(several, &utc), &utc, &utc, "2027-01-10T00:00:00Z");
    assert_eq!(
        texts(&seen),
        [
            "America/New_York: On Sun 14 Mar 2027 clocks go forward from 02:00 to 03:00: the firing of 02:30 comes at 03:00.",
            "Europe/Berlin: On Sun 28 Mar 2027 clocks go forward from 02:00 to 03:00: the firing of 02:30 comes at 03:00.",
        ]
    );
}

#[test]
fn what_is_spread_is_shown_when_it_falls_due_as_soon_as_that_is_drawn() {
    let utc = Zones::utc();
    let mut daily = cron("0 9 * * *", &utc);
    let pattern = daily.schedule.as_ref().expect("it has one").pattern().clone();
    let terms = Terms { jitter: Some(Jitter::parse("40m").expect("a window")), ..Terms::default() };
    let details = ScheduleDetails::new(pattern, Some(utc.clone()), terms, utc.clone());
    daily.schedule = Some(details.clone());
    let undrawn = preview(&daily, &utc, &utc, "2026-11-20T10:00:00Z");
    assert_eq!(walls(&undrawn.rows[0]), ["Sat 2026-11-21 09:00:00"]);
    assert!(texts(&undrawn)[0].starts_with("Each comes later than shown"), "{:?}", texts(&undrawn));
    daily.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
    let drawn = preview(&daily, &utc, &utc, "2026-11-20T10:00:00Z");
    let first_two = drawn.rows[..2].iter().map(|row| walls(row).concat()).collect::<Vec<_>>();
    assert_eq!(first_two, ["Sat 2026-11-21 09:20:00", "Sun 2026-11-22 09:20:00"]);
    assert_eq!(texts(&drawn), Vec::<&str>::new());
}

/// What an edit would do between an occurrence's nominal time and when it falls due, and what is said of it.
#[test]
fn what_has_its_time_behind_it_and_is_not_due_yet_is_shown_where_it_still_fires() {
    let utc = Zones::utc();
    let now = at("2026-11-20T09:10:00Z");
    let said = |pattern: Schedule, window: Option<&str>, max_fires: Option<u64>| {
        let jitter = window.map(|window| Jitter::parse(window).expect("a window"));
        let terms = Terms { jitter, max_fires: max_fires.and_then(MaxFires::new), ..Terms::default() };
        let details = ScheduleDetails::new(pattern.clone(), Some(utc.clone()), terms, utc.clone());
        let schedule = Some(details.with_share(Some(Share::new(1 << 31))));
        Definition { schedule, ..definition(pattern, &utc) }
    };
    let armed = |definition: &Definition, since: &str, fired: u64| {
        let (id, owner, made) = (TriggerId(7), UserId(1), at(since));
        let next_at = definition.next_after(made);
        let definition = definition.clone();
        let trigger = Trigger { id, owner, revision: 1, definition, created_at: made, standing_since: made };
        Armed { trigger, next_at, fired }
    };
    let seen = |definition: &Definition, before: &Armed| {
        let form = TriggerForm::of(definition, &utc);
        Preview::of_definition(&form, definition, Some(before), (&utc, &utc), now)
    };
    let first = |definition: &Definition, before: &Armed| walls(&seen(definition, before).rows[0]).concat();
    let nine = || cron("0 9 * * *", &utc).schedule.expect("it has one").pattern().clone();
    let (spread, wider) = (said(nine(), Some("40m"), None), said(nine(), Some("1h"), None));
    let long = armed(&spread, "2026-11-19T10:00:00Z", 0);
    assert_eq!(first(&spread, &long), "Fri 2026-11-20 09:20:00");
    assert_eq!(first(&wider, &long), "Fri 2026-11-20 09:30:00", "it is left open");
    assert_eq!(first(&said(nine(), None, None), &long), "Sat 2026-11-21 09:00:00", "it is superseded");
    let just_made = armed(&spread, "2026-11-20T09:05:00Z", 0);
    assert_eq!(first(&spread, &just_made), "Sat 2026-11-21 09:20:00", "it was never its own");

    let once = said(Schedule::Once { at: at("2026-11-20T09:00:00Z") }, Some("40m"), None);
    let pending = armed(&once, "2026-11-19T10:00:00Z", 0);
    assert_eq!(first(&once, &pending), "Fri 2026-11-20 09:20:00");
    assert_eq!(texts(&seen(&once, &pending)), Vec::<&str>::new());

    let limited = said(nine(), None, Some(3));
    let left = |fired| {
        let seen = seen(&limited, &armed(&limited, "2026-11-19T10:00:00Z", fired));
        (seen.rows.len(), texts(&seen).concat())
    };
    assert_eq!(left(1), (2, "Then it has fired as often as it may.".to_owned()));
    assert_eq!(left(3), (0, "It has fired as often as it may.".to_owned()));
}

#[test]
fn days_of_month_and_week_together_are_warned_about() {
    let utc = Zones::utc();
    let fridays = preview(&cron("0 0 13 * 5", &utc), &utc, &utc, "2027-01-10T00:00:00Z");
    assert!(fridays.notes[0].is_warning && fridays.notes[0].text.contains("either"), "{fridays:?}");
    assert!(preview(&cron("0 0 13 * *", &utc), &utc, &utc, "2027-01-10T00:00:00Z").notes.is_empty());
}

#[test]
fn what_does_not_fire_as_it_stands_says_so_and_still_shows_when_it_would() {
    let utc = Zones::utc();
    let daily = cron("@daily", &utc);
    let paused = preview(&Definition { enabled: false, ..daily.clone() }, &utc, &utc, "2027-01-10T00:00:00Z");
    assert!(paused.rows.len() == FIRINGS_SHOWN && texts(&paused)[0].contains("paused"), "{paused:?}");
    let test = preview(&Definition { is_test: true, ..daily }, &utc, &utc, "2027-01-10T00:00:00Z");
    assert!(test.rows.len() == FIRINGS_SHOWN && texts(&test)[0].contains("Only a test"), "{test:?}");
}

#[test]
fn a_single_time_that_its_day_does_not_have_or_has_twice_is_told() {
    let berlin = zone("Europe/Berlin");
    let once = |typed: &str, at_text: &str| {
        let definition = definition(Schedule::Once { at: at(at_text) }, &berlin);
        let form = TriggerForm { run_at: typed.to_owned(), ..TriggerForm::of(&definition, &berlin) };
        let now = at("2026-01-01T00:00:00Z");
        let seen = Preview::of_definition(&form, &definition, None, (&berlin, &berlin), now);
        texts(&seen).join(" ")
    };
    assert_eq!(
        once("2027-03-28T02:30", "2027-03-28T01:00:00Z"),
        "The clocks skip 02:30 on that day: it fires at 03:00, when they go on."
    );
    assert_eq!(
        once("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
        "02:30 comes twice on that day: it fires the first time."
    );
    assert_eq!(once("2026-10-25T09:30", "2026-10-25T08:30:00Z"), "");
}

#[test]
fn a_period_says_its_own_and_a_page_escapes_what_it_quotes() {
    let utc = Zones::utc();
    let period = Period::parse("90s").expect("a period");
    let every = Schedule::Every { period, anchor: at("2027-01-10T00:00:00Z"), first: FirstFiring::OnePeriodLater };
    let mut seen = preview(&definition(every, &utc), &utc, &utc, "2027-01-10T00:00:00Z");
    assert_eq!(walls(&seen.rows[0]), ["Sun 2027-01-10 00:01:30"]);
    seen.pasted = super::super::Pasted::read("* * * * * <b>rm</b>");
    let html = seen.render().expect("it renders");
    assert!(html.contains("Every 90 seconds") && html.contains("&#60;b&#62;rm") && !html.contains("<b>"), "{html}");
}

#[test]
fn what_its_terms_do_to_it_is_told() {
    let utc = Zones::utc();
    let under = |terms| {
        let Definition { schedule, .. } = cron("@daily", &utc);
        let pattern = schedule.expect("it has one").pattern().clone();
        let schedule = Some(ScheduleDetails::new(pattern, Some(utc.clone()), terms, utc.clone()));
        preview(&Definition { schedule, ..cron("@daily", &utc) }, &utc, &utc, "2027-01-10T12:00:00Z")
    };
    let until = |end: &str| Bounds::new(None, Some(at(end))).expect("a span");
    let ending = under(Terms { bounds: until("2027-01-13T00:00:00Z"), ..Terms::default() });
    assert_eq!((ending.rows.len(), texts(&ending)), (2, vec!["Then it ends."]));
    let ended = under(Terms { bounds: until("2027-01-10T00:00:00Z"), ..Terms::default() });
    assert_eq!((ended.rows.len(), texts(&ended)), (0, vec!["Its end has passed."]));
    let excluded = ExcludedDates::new([jiff::civil::date(2027, 1, 11)]).expect("a date");
    let none = under(Terms { bounds: until("2027-01-11T12:00:00Z"), excluded, ..Terms::default() });
    assert_eq!(texts(&none), ["Its start, its end and its excluded dates leave no firing."]);
    assert_eq!(
        none.sentence.as_deref(),
        Some("At 00:00, every day, until 11 January 2027 at 12:00, not on 11 January 2027")
    );
}
