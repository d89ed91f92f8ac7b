//! Where in its trigger's schedule an event stands, for templates that name the occurrence before it or the one after.

use jiff::Timestamp;

use crate::event::Event;
use crate::schedule::Schedule;
use crate::template::Occurrence;
use crate::trigger::{ScheduleDetails, just_before};

/// The occurrence that made `event`, between its neighbours on the trigger's `schedule` as it is now. Where the schedule was edited
/// since, so that the occurrence is none of its own any more, the neighbours are none.
pub fn occurrence<'a>(event: &Event, schedule: Option<&'a ScheduleDetails>) -> Occurrence<'a> {
    let Some(at) = event.scheduled_at else { return Occurrence::default() };
    let before = just_before(at);
    match schedule.filter(|details| details.next_after(before) == Some(at)) {
        None => Occurrence { at: Some(at), ..Occurrence::default() },
        Some(details) => Occurrence {
            at: Some(at),
            previous_at: details.latest_in(Timestamp::UNIX_EPOCH, before),
            next_at: details.next_after(at),
            timezone: zone_name(details),
        },
    }
}

fn zone_name(details: &ScheduleDetails) -> Option<&str> {
    match details.pattern() {
        Schedule::Cron { zone, .. } => Some(zone.name()),
        Schedule::Recurrence(recurrence) => Some(recurrence.zone().name()),
        Schedule::AnyOf(several) => several.zone().or(details.timezone()).map(|zone| zone.name()),
        Schedule::Once { .. } | Schedule::Every { .. } => details.timezone().map(|zone| zone.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;
    use crate::message::tests::{at, event};
    use crate::schedule::FirstFiring;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;

    fn cron(line: &str) -> ScheduleDetails {
        let zone = Zones::bundled().get("Europe/Riga").expect("a zone");
        let expression = CronExpression::parse(line).expect("a cron line");
        ScheduleDetails::plain(Schedule::Cron { expression, zone }, None)
    }

    #[test]
    fn an_occurrence_lies_between_its_neighbours() {
        let event = event("nightly", "{}");
        let daily = cron("30 10 * * *");
        let expected = Occurrence {
            at: event.scheduled_at,
            previous_at: Some(at("2027-02-14T08:30:00Z")),
            next_at: Some(at("2027-02-16T08:30:00Z")),
            timezone: Some("Europe/Riga"),
        };
        assert_eq!(occurrence(&event, Some(&daily)), expected);
    }

    #[test]
    fn the_first_occurrence_has_none_before_it_and_the_last_none_after() {
        let event = event("nightly", "{}");
        let anchor = event.scheduled_at.expect("a schedule made it");
        let period = Period::parse("1h").expect("a period");
        let schedule = Schedule::Every { period, anchor, first: FirstFiring::AtAnchor };
        let found = occurrence(&event, Some(&ScheduleDetails::plain(schedule, None))).previous_at;
        assert_eq!(found, None);
        let once = ScheduleDetails::plain(Schedule::Once { at: anchor }, None);
        let found = occurrence(&event, Some(&once));
        assert_eq!(found, Occurrence { at: Some(anchor), ..Occurrence::default() });
    }

    #[test]
    fn what_the_schedule_does_not_name_has_no_neighbours() {
        let event = event("nightly", "{}");
        let expected = Occurrence { at: event.scheduled_at, ..Occurrence::default() };
        assert_eq!(occurrence(&event, Some(&cron("31 10 * * *"))), expected, "it was edited since");
        assert_eq!(occurrence(&event, None), expected, "its trigger is gone");
        let called = Event { origin: Origin::Api, scheduled_at: None, ..event };
        assert_eq!(occurrence(&called, Some(&cron("30 10 * * *"))), Occurrence::default());
    }
}
