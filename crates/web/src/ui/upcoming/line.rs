//! The lines of the agenda: firings by day on the viewer's clocks, and the triggers that fire constantly in a line each.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::{Agenda, Constant, Firing};
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::{ScheduleDetails, TriggerHead};

use super::when::{day_name, today};
use crate::ui::moment::{Moment, absolute};
use crate::ui::trigger_row::label;

/// How many triggers of a burst are named in its line.
const BURST_NAMES: usize = 3;

/// A trigger as a line names it.
pub(super) struct Named {
    pub(super) id: TriggerId,
    pub(super) label: String,
    pub(super) schedule: String,
    /// The zone that the schedule speaks of; most but cron lines look the same in every zone.
    pub(super) zone: Option<String>,
}

impl Named {
    pub(super) fn of(head: &TriggerHead) -> Named {
        let schedule = head.schedule.as_ref();
        Named {
            id: head.id,
            label: label(head.name.as_deref().unwrap_or_default(), head.id),
            schedule: schedule.map(ScheduleDetails::summary).unwrap_or_default(),
            zone: schedule.and_then(ScheduleDetails::told_zone).map(|zone| zone.name().to_owned()),
        }
    }
}

/// A firing to come.
pub(super) struct Line {
    pub(super) trigger: Named,
    pub(super) moment: Moment,
    /// The time of day; the day stands above. What is overdue was due on another day, perhaps.
    pub(super) clock: String,
    pub(super) is_overdue: bool,
}

/// Many firings in one second, said in one line.
pub(super) struct BurstLine {
    pub(super) moment: Moment,
    pub(super) clock: String,
    /// How many there are, also where the list is cut among them.
    pub(super) count: usize,
    /// The names of the first.
    pub(super) first: String,
    pub(super) others: usize,
}

/// Lines that stand together: a burst, or what lies between two.
pub(super) struct Group {
    pub(super) burst: Option<BurstLine>,
    pub(super) lines: Vec<Line>,
}

/// The firings of a day.
pub(super) struct Day {
    /// For the address within the page.
    pub(super) date: Date,
    pub(super) title: String,
    /// The zone of its times.
    pub(super) zone: String,
    pub(super) groups: Vec<Group>,
}

/// A trigger that fires so often that it has one line for all its firings.
pub(super) struct ConstantLine {
    pub(super) trigger: Named,
    pub(super) next: Moment,
    pub(super) count: u64,
}

impl ConstantLine {
    pub(super) fn of(constant: &Constant, triggers: &[TriggerHead], now: Timestamp, zone: &Zone) -> ConstantLine {
        ConstantLine {
            trigger: Named::of(&triggers[constant.first.which]),
            next: Moment::firing(&triggers[constant.first.which], constant.first.due, now, zone),
            count: constant.count,
        }
    }
}

/// The agenda's firings, day by day.
pub(super) fn days(agenda: &Agenda, triggers: &[TriggerHead], now: Timestamp, zone: &Zone) -> Vec<Day> {
    let date_of = |firing: &Firing| firing.at.to_zoned(zone.time_zone().clone()).date();
    let same_day = agenda.firings.chunk_by(|one, other| date_of(one) == date_of(other));
    same_day.filter_map(|firings| Some(day(date_of(firings.first()?), firings, agenda, triggers, now, zone))).collect()
}

fn day(date: Date, firings: &[Firing], agenda: &Agenda, triggers: &[TriggerHead], now: Timestamp, zone: &Zone) -> Day {
    let offset_at = |instant: Timestamp| zone.time_zone().to_offset(instant);
    let ends = [date, date.tomorrow().unwrap_or(date)].map(|date| date.to_zoned(zone.time_zone().clone()));
    let offsets = ends.map(|end| end.map(|end| offset_at(end.timestamp())).ok());
    // On the day on which the clocks change a time of day may come twice, so every line says which one it is.
    let is_torn = offsets[0] != offsets[1];
    let clock = |firing: &Firing| {
        let local = firing.at.to_zoned(zone.time_zone().clone());
        let format = if is_torn { "%H:%M:%S UTC%:z" } else { "%H:%M:%S" };
        local.strftime(format).to_string().replace('-', "\u{2212}")
    };
    let line = |firing: &Firing| {
        let head = &triggers[firing.which];
        let is_past = now.duration_since(firing.due) >= SignedDuration::from_secs(1);
        Line {
            trigger: Named::of(head),
            moment: Moment::firing(head, firing.due, now, zone),
            clock: if is_past { absolute(firing.due, zone) } else { clock(firing) },
            is_overdue: is_past && !head.is_behind,
        }
    };
    let burst_of = |firing: &Firing| agenda.burst_at(firing.at).map(|count| (firing.at.as_second(), count));
    let group = |firings: &[Firing]| {
        let lines: Vec<Line> = firings.iter().map(line).collect();
        let burst = burst_of(&firings[0]).map(|(_, count)| BurstLine {
            moment: Moment::new(firings[0].at, now, zone),
            clock: clock(&firings[0]),
            count,
            first: names(&lines),
            others: count.saturating_sub(BURST_NAMES),
        });
        Group { burst, lines }
    };
    let groups = firings.chunk_by(|one, other| burst_of(one) == burst_of(other)).map(group).collect();
    let today = today(now, zone);
    let title = match date {
        date if date == today => format!("Today, {}", day_name(date)),
        date if today.tomorrow().ok() == Some(date) => format!("Tomorrow, {}", day_name(date)),
        date => day_name(date),
    };
    Day { date, title, zone: zone_name(&firings[0], is_torn, zone), groups }
}

fn names(lines: &[Line]) -> String {
    lines.iter().take(BURST_NAMES).map(|line| line.trigger.label.as_str()).collect::<Vec<_>>().join(", ")
}

fn zone_name(firing: &Firing, is_torn: bool, zone: &Zone) -> String {
    let offset = firing.at.to_zoned(zone.time_zone().clone()).strftime("%:z").to_string().replace('-', "\u{2212}");
    match zone.name() {
        "UTC" => "UTC".to_owned(),
        name if is_torn => format!("{name}, the clocks change"),
        name => format!("{name} (UTC{offset})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::agenda::{Question, Span, Waiting};
    use oncue_domain::schedule::Schedule;
    use oncue_domain::schedule::cron::CronExpression;
    use oncue_domain::schedule::zone::Zones;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn hourly(id: i64, since: Timestamp, zone: &Zone) -> TriggerHead {
        let expression = CronExpression::parse("0 * * * *").expect("a cron line");
        let schedule = Schedule::Cron { expression, zone: zone.clone() };
        TriggerHead {
            is_behind: false,
            id: TriggerId(id),
            name: None,
            next_at: schedule.next_after(since),
            fired: 0,
            schedule: Some(ScheduleDetails::plain(schedule, None)),
            webhook: None,
            destinations: Vec::new(),
            overlap: oncue_domain::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
            created_at: since,
        }
    }

    fn days_of(since: &str, now: &str, hours: i64) -> Vec<Day> {
        days_of_many(1, since, now, hours)
    }

    fn days_of_many(count: i64, since: &str, now: &str, hours: i64) -> Vec<Day> {
        let (zone, now) = (Zones::bundled().get("Europe/Riga").expect("it exists"), at(now));
        let triggers: Vec<TriggerHead> = (7..7 + count).map(|id| hourly(id, at(since), &zone)).collect();
        let waiting: Vec<Waiting> = triggers.iter().filter_map(|head| Waiting::of(head, now)).collect();
        let span = Span { from: now, until: now + SignedDuration::from_hours(hours) };
        let agenda = Agenda::of(&waiting, Question { now, span, after: None, firings_max: 100 });
        days(&agenda, &triggers, now, &zone)
    }

    fn lines(day: &Day) -> Vec<&Line> {
        day.groups.iter().flat_map(|group| &group.lines).collect()
    }

    #[test]
    fn a_burst_is_said_in_one_line() {
        let days = days_of_many(12, "2026-11-21T09:30:00Z", "2026-11-21T09:30:00Z", 2);
        assert_eq!(days[0].groups.len(), 2);
        let group = &days[0].groups[0];
        let burst = group.burst.as_ref().expect("twelve are a burst");
        assert_eq!((burst.count, burst.others, group.lines.len()), (12, 9, 12));
        assert_eq!((burst.first.as_str(), burst.clock.as_str()), ("Trigger 7, Trigger 8, Trigger 9", "12:00:00"));
        let few = days_of_many(3, "2026-11-21T09:30:00Z", "2026-11-21T09:30:00Z", 2);
        assert_eq!((few[0].groups.len(), lines(&few[0]).len()), (1, 6));
        assert!(few[0].groups[0].burst.is_none());
    }

    #[test]
    fn a_day_is_one_of_the_viewers_clocks() {
        let days = days_of("2026-11-21T20:30:00Z", "2026-11-21T20:30:00Z", 30);
        let titles: Vec<_> = days.iter().map(|day| (day.title.as_str(), day.zone.as_str(), lines(day).len())).collect();
        assert_eq!(
            titles,
            [
                ("Today, Saturday 21 November 2026", "Europe/Riga (UTC+02:00)", 1),
                ("Tomorrow, Sunday 22 November 2026", "Europe/Riga (UTC+02:00)", 24),
                ("Monday 23 November 2026", "Europe/Riga (UTC+02:00)", 5),
            ]
        );
        assert_eq!(lines(&days[0])[0].clock, "23:00:00");
        assert_eq!(lines(&days[0])[0].trigger.label, "Trigger 7");
        assert_eq!(lines(&days[0])[0].trigger.zone.as_deref(), Some("Europe/Riga"));
    }

    #[test]
    fn on_the_day_of_a_change_of_clocks_every_line_says_its_offset() {
        let days = days_of("2026-10-24T22:30:00Z", "2026-10-24T22:30:00Z", 4);
        assert_eq!(days[0].zone, "Europe/Riga, the clocks change");
        let clocks: Vec<_> = lines(&days[0]).iter().map(|line| line.clock.as_str()).collect();
        assert_eq!(clocks, ["02:00:00 UTC+03:00", "03:00:00 UTC+03:00", "03:00:00 UTC+02:00", "04:00:00 UTC+02:00"]);
    }

    #[test]
    fn what_is_overdue_says_how_late_it_is() {
        let days = days_of("2026-11-21T09:30:00Z", "2026-11-21T10:02:00Z", 1);
        let line = lines(&days[0])[0];
        assert!(line.is_overdue);
        assert_eq!(line.moment.relative, "2 min late");
        assert_eq!(line.clock, "Sat 2026-11-21 12:00:00 Europe/Riga (UTC+02:00)");
        assert!(!lines(&days[0])[1].is_overdue);
    }
}
