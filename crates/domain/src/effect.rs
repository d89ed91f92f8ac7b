//! What a change of a trigger comes to, before anybody makes it: which of its firings in the time to come are added, which fall away and which
//! move, and what would be recorded as skipped. The room exists so that whoever is about to change something can be told what, by what
//! carries it out: the change is decided where every edit is (`Armed::edit`), and the firings are those that every preview
//! tells (`firings_to_come`). It decides nothing itself, and no clock may enter.

pub mod dates;
mod difference;

use jiff::{Span as Days, Timestamp};

use crate::agenda::Span;
use crate::freeze::{Freeze, seen_through};
use crate::occurrence::{Reason, Skipped};
use crate::schedule::zone::Zone;
use crate::trigger::{Armed, Edit, TriggerHead};

pub use difference::{Difference, Move};

/// How many firings are compared at most, before the change and after it; where there are more, the comparison ends with the last of them.
pub const FIRINGS_MAX: usize = 1_000;

/// How many days are looked at when nobody says.
pub const DAYS_UNASKED: i64 = 7;

/// How many days can be looked at.
pub const DAYS_MAX: i64 = 400;

/// What a change comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The occurrence that it waits for; none where there is none, or no trigger yet.
    pub next_before: Option<Timestamp>,
    /// The one that it would wait for.
    pub next_after: Option<Timestamp>,
    /// What was compared, which ends earlier than what was asked for where that holds too much.
    pub span: Span,
    /// Whether that is all that was asked for.
    pub is_whole: bool,
    /// How the firings there differ.
    pub firings: Difference,
    /// Within which instants each of those after the change falls due, ascending, where it is spread and nobody has drawn yet by how much: then they are
    /// told by their nominal times. Elsewhere there are none.
    pub due_within: Vec<Span>,
    /// What would be recorded.
    pub skipped: Vec<Skipped>,
    /// Why what waits in a backlog of it would not fire either; none where it still would.
    pub ends_backlogs: Option<Reason>,
}

impl Effect {
    /// What comes of a trigger that stands as `before` and would stand as `after`, until `until`; none is one that is not there. What moves within a
    /// day is told by the days of `zone`. What the owner's `freezes` take fires neither before nor after.
    pub fn of(
        before: Option<&Armed>,
        after: Option<&Armed>,
        skipped: Vec<Skipped>,
        span: (Timestamp, Timestamp),
        zone: &Zone,
        freezes: &[Freeze],
    ) -> Effect {
        Effect::compared(FIRINGS_MAX, (before, after), skipped, span, zone, freezes)
    }

    /// What comes of making a trigger, of whose firings at most so many are told: for whoever asks about many at once.
    pub fn of_making(
        made: &Armed,
        firings_max: usize,
        span: (Timestamp, Timestamp),
        zone: &Zone,
        freezes: &[Freeze],
    ) -> Effect {
        Effect::compared(firings_max, (None, Some(made)), Vec::new(), span, zone, freezes)
    }

    fn compared(
        firings_max: usize,
        (before, after): (Option<&Armed>, Option<&Armed>),
        skipped: Vec<Skipped>,
        (now, until): (Timestamp, Timestamp),
        zone: &Zone,
        freezes: &[Freeze],
    ) -> Effect {
        let firings = |armed| firings(armed, firings_max, (now, until), freezes);
        let ((old, old_until), (new, new_until)) = (firings(before), firings(after));
        let reached = old_until.min(new_until);
        let within = |firings: &[Timestamp]| firings.partition_point(|at| *at < reached);
        let (old, new) = (&old[..within(&old)], &new[..within(&new)]);
        let schedule = after.and_then(|after| after.trigger.definition.schedule.as_ref());
        Effect {
            next_before: before.and_then(Armed::next_firing_at),
            next_after: after.and_then(Armed::next_firing_at),
            span: Span { from: now, until: reached },
            is_whole: reached == until,
            firings: Difference::between(old, new, zone),
            due_within: new.iter().filter_map(|named| schedule?.due_within(*named)).collect(),
            skipped,
            ends_backlogs: None,
        }
    }

    /// What an edit comes to that was decided at `now`.
    pub fn of_edit(
        before: &Armed,
        edit: Edit,
        (now, until): (Timestamp, Timestamp),
        zone: &Zone,
        freezes: &[Freeze],
    ) -> (Armed, Effect) {
        let edit = edit.under(before, now, freezes);
        let after = before.as_edited(&edit);
        let effect = Effect::of(Some(before), Some(&after), edit.skipped, (now, until), zone, freezes);
        (after, Effect { ends_backlogs: edit.ends_backlogs, ..effect })
    }
}

/// Until when is looked when nobody says: the end of the seventh day from today on, since what moves within the last day would
/// otherwise seem to come or to go.
pub fn until_unasked(now: Timestamp, zone: &Zone) -> Timestamp {
    let time_zone = zone.time_zone();
    let last = time_zone.to_datetime(now).date().checked_add(Days::new().days(DAYS_UNASKED + 1));
    let end = last.and_then(|day| day.to_zoned(time_zone.clone()));
    end.map_or(Timestamp::MAX, |end| end.timestamp())
}

/// The firings before `until`, ascending and at most so many, and up to when those are all.
fn firings(
    armed: Option<&Armed>,
    firings_max: usize,
    (now, until): (Timestamp, Timestamp),
    freezes: &[Freeze],
) -> (Vec<Timestamp>, Timestamp) {
    let Some(armed) = armed else { return (Vec::new(), until) };
    let head = seen_through(TriggerHead::from(armed), freezes, now);
    let mut firings: Vec<Timestamp> =
        head.firings_to_come(now).take_while(|at| *at < until).take(firings_max + 1).collect();
    let beyond = if firings.len() > firings_max { firings.pop() } else { None };
    (firings, beyond.unwrap_or(until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::id::{TriggerId, UserId};
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::jitter::{Jitter, Share};
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Definition, MaxFires, ScheduleDetails, Terms, Trigger};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn riga() -> Zone {
        Zones::bundled().get("Europe/Riga").expect("a zone of the bundled copy")
    }

    fn cron(line: &str) -> ScheduleDetails {
        let expression = CronExpression::parse(line).expect("a test writes its lines well");
        ScheduleDetails::plain(Schedule::Cron { expression, zone: riga() }, Some(riga()))
    }

    fn every(period: &str, terms: Terms) -> ScheduleDetails {
        let period = Period::parse(period).expect("a period");
        let pattern = Schedule::Every { period, anchor: at(NOW), first: FirstFiring::OnePeriodLater };
        ScheduleDetails::new(pattern, None, terms, Zones::utc())
    }

    /// A Monday, 10:00 in Riga.
    const NOW: &str = "2026-11-23T08:00:00Z";

    fn armed(schedule: ScheduleDetails) -> Armed {
        let definition = Definition {
            name: None,
            schedule: Some(schedule),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: crate::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let next_at = definition.next_after(at(NOW));
        let made = Trigger {
            id: TriggerId(1),
            owner: UserId(1),
            revision: 1,
            definition,
            created_at: at(NOW),
            standing_since: at(NOW),
        };
        Armed { trigger: made, next_at, fired: 0 }
    }

    fn changed(before: &Armed, change: impl FnOnce(&mut Definition)) -> Effect {
        let mut definition = before.trigger.definition.clone();
        change(&mut definition);
        let edit = before.edit(definition, at(NOW));
        Effect::of_edit(before, edit, (at(NOW), until_unasked(at(NOW), &riga())), &riga(), &[]).1
    }

    #[test]
    fn a_later_hour_moves_every_day_and_adds_the_one_that_is_still_to_come_today() {
        let effect = changed(&armed(cron("0 9 * * *")), |one| one.schedule = Some(cron("30 11 * * *")));
        let Difference { kept, added, removed, moved } = effect.firings;
        assert_eq!((kept, removed), (0, vec![]));
        assert_eq!(added, [at("2026-11-23T09:30:00Z")]);
        assert_eq!(moved.len(), 7);
        assert_eq!(moved[0], Move { from: at("2026-11-24T07:00:00Z"), to: at("2026-11-24T09:30:00Z") });
        let next = (effect.next_before, effect.next_after);
        assert_eq!(next, (Some(at("2026-11-24T07:00:00Z")), Some(at("2026-11-23T09:30:00Z"))));
        assert_eq!((effect.span.until, effect.is_whole), (at("2026-11-30T22:00:00Z"), true));
    }

    #[test]
    fn pausing_removes_and_says_what_is_recorded() {
        let mut late = armed(cron("0 9 * * *"));
        late.next_at = Some(at("2026-11-23T07:00:00Z"));
        let effect = changed(&late, |one| one.enabled = false);
        assert_eq!((effect.firings.removed.len(), effect.firings.added.len(), effect.next_after), (8, 0, None));
        let due = at("2026-11-23T07:00:00Z");
        assert_eq!(effect.skipped, [Skipped { reason: Reason::Superseded, first: due, last: due, count: 1 }]);
    }

    #[test]
    fn what_leaves_the_schedule_alone_moves_nothing() {
        let effect = changed(&armed(cron("0 9 * * *")), |one| one.name = Some("new".to_owned()));
        assert_eq!(effect.firings, Difference { kept: 7, ..Difference::default() });
        assert_eq!(effect.skipped, []);
    }

    #[test]
    fn what_comes_too_often_is_compared_as_far_as_it_goes() {
        let effect = changed(&armed(every("1s", Terms::default())), |one| one.schedule = Some(cron("0 * * * *")));
        assert!(!effect.is_whole);
        assert_eq!(effect.span.until, at("2026-11-23T08:16:41Z"));
        assert_eq!((effect.firings.removed.len(), effect.firings.added.len()), (FIRINGS_MAX, 0));
    }

    #[test]
    fn of_one_among_many_the_first_firings_are_told_and_how_far_they_reach() {
        let told = |one: &Armed, most: usize| {
            let effect = Effect::of_making(one, most, (at(NOW), until_unasked(at(NOW), &riga())), &riga(), &[]);
            (effect.firings.added, effect.span.until, effect.is_whole)
        };
        let (whole, until) = (told(&armed(cron("0 9 * * *")), FIRINGS_MAX), until_unasked(at(NOW), &riga()));
        assert_eq!((whole.0.len(), whole.1, whole.2), (7, until, true));
        assert_eq!(told(&armed(cron("0 9 * * *")), 7), whole, "as many as there are are all");
        assert_eq!(told(&armed(cron("0 9 * * *")), 5), (whole.0[..5].to_vec(), whole.0[5], false));
    }

    #[test]
    fn a_limit_counts_on_through_a_change() {
        let limited = |most| Terms { max_fires: MaxFires::new(most), ..Terms::default() };
        let mut before = armed(every("1h", limited(5)));
        before.fired = 3;
        let effect = changed(&before, |one| one.schedule = Some(every("1h", limited(4))));
        assert_eq!((effect.firings.kept, effect.firings.removed.len()), (1, 1));
        let effect = changed(&before, |one| one.schedule = Some(every("1h", Terms::default())));
        assert_eq!((effect.firings.kept, effect.firings.removed.len()), (2, 0));
    }

    #[test]
    fn what_is_made_is_added_and_what_is_deleted_is_removed() {
        let (one, until) = (armed(cron("0 9 * * *")), until_unasked(at(NOW), &riga()));
        let made = Effect::of(None, Some(&one), Vec::new(), (at(NOW), until), &riga(), &[]);
        assert_eq!((made.firings.added.len(), made.next_before, made.next_after), (7, None, one.next_at));
        let deleted = Effect::of(Some(&one), None, Vec::new(), (at(NOW), until), &riga(), &[]);
        assert_eq!((deleted.firings.removed, deleted.next_after), (made.firings.added, None));
    }

    #[test]
    fn what_is_spread_and_not_drawn_yet_is_told_by_when_it_may_fall_due() {
        let spread = |line: &str, jitter: &str| {
            let plain = cron(line);
            let terms = Terms { jitter: Some(Jitter::parse(jitter).expect("a window")), ..Terms::default() };
            ScheduleDetails::new(plain.pattern().clone(), Some(riga()), terms, riga())
        };
        let effect = changed(&armed(cron("0 9 * * *")), |one| one.schedule = Some(spread("0 9 * * *", "40m")));
        assert_eq!((effect.firings.kept, effect.due_within.len()), (7, 7));
        let span = |from: &str, until: &str| Span { from: at(from), until: at(until) };
        assert_eq!(effect.due_within[0], span("2026-11-24T07:00:00Z", "2026-11-24T07:40:00Z"));
        let near = changed(&armed(cron("0 9 * * *")), |one| one.schedule = Some(spread("0,10 9 * * *", "40m")));
        assert_eq!(near.due_within[0], span("2026-11-24T07:00:00Z", "2026-11-24T07:10:00Z"), "before the next");
        let drawn = armed(spread("0 9 * * *", "40m").with_share(Some(Share::new(1 << 31))));
        let renamed = changed(&drawn, |one| one.name = Some("new".to_owned()));
        assert_eq!((renamed.firings.kept, renamed.due_within), (7, vec![]), "it is known when they fall due");
        assert_eq!(changed(&drawn, |one| one.schedule = Some(cron("0 9 * * *"))).due_within, []);
    }

    #[test]
    fn what_a_freeze_takes_fires_neither_before_nor_after() {
        let (before, now) = (armed(cron("0 9 * * *")), at(NOW));
        let told = |until: Option<Timestamp>| {
            let freeze = Freeze { owner: None, reason: None, from: now, until, by: Actor::SYSTEM };
            let changed = Definition { schedule: Some(cron("0 10 * * *")), ..before.trigger.definition.clone() };
            let span = (now, until_unasked(now, &riga()));
            let firings = Effect::of_edit(&before, before.edit(changed, now), span, &riga(), &[freeze]).1.firings;
            (firings.moved.len(), firings.added.len(), firings.removed.len())
        };
        assert_eq!(told(Some(at("2026-11-29T12:00:00Z"))), (1, 0, 0), "one day of seven is left");
        assert_eq!(told(None), (0, 0, 0));
    }
}
