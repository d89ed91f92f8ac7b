//! What an auditor finds: whether what a trigger waits for is what its schedule and the records of its past demand. The room exists so
//! that a trigger which waits for nothing although it should, the one silence that no scheduler notices by itself, is found
//! by a rule that does not ask how it came about. It sees a trigger as it is kept, the row that arms it, and up to when its occurrences
//! are accounted for; it knows nothing of loops, of stores, or of how a plan moves a cursor. Who walks over all triggers, and when, is
//! the engine's business.

mod account;
pub mod pace;
mod walk;

use jiff::{SignedDuration, Timestamp};

use crate::id::{TriggerId, UserId};
use crate::trigger::{ScheduleDetails, Trigger, just_before};

pub use account::{ACCOUNT_MAX, Account, Asked, Compared, Few};

/// How many triggers are looked over at once.
pub const SLICE_MAX: usize = 1_000;

/// What a trigger waits for, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the occurrence falls due.
    pub next_at: Timestamp,
    /// The revision of the trigger that it was armed for; plans of another one change nothing.
    pub revision: i64,
}

/// The zone data that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneData {
    /// Its release, as the copy names it.
    pub release: String,
    /// The release that was in use before; none where there was no other.
    pub before: Option<String>,
    /// Since when it is in use.
    pub since: Timestamp,
}

impl ZoneData {
    /// Whether triggers may still wait for what the data before named, which somebody who begins to look at `now` has to reckon with.
    pub fn is_news(&self, now: Timestamp) -> bool {
        self.before.is_some() && now.duration_since(self.since) < NEWS_FOR
    }
}

/// For how long a change of the zone data is news: the nodes of one database change to it one after the other.
const NEWS_FOR: SignedDuration = SignedDuration::from_hours(24);

/// A trigger under inspection, without what its events carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The trigger.
    pub trigger: Trigger,
    /// How often its schedule has fired it, where that is limited; else 0.
    pub fired: u64,
    /// The latest occurrence among those; none where there is none, or it was counted before that was kept.
    pub counted_until: Option<Timestamp>,
    /// What it waits for, if anything.
    pub cursor: Option<Cursor>,
    /// Whether that is not looked at until an event of its own has ended, although none is under way.
    pub is_forgotten: bool,
}

/// What is wrong with what a trigger waits for, or with what is written down about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    /// It waits for nothing although its schedule names an occurrence that nothing accounts for.
    Disarmed,
    /// It waits for an instant that its schedule does not name, or passes over occurrences that nothing accounts for.
    Astray,
    /// It was armed for another revision of itself, so what it waits for would never fire.
    Outdated,
    /// It waits for an instant that its schedule named by the zone data that was in use before.
    Moved,
    /// It waits for something although it is paused, has expired, or has no schedule.
    Needless,
    /// It waits for an event of its own to end, and none is under way, so nobody would look at it again.
    Forgotten,
    /// It cannot be read, and so does not fire.
    Unreadable,
    /// Nothing says what became of some of its occurrences.
    Missing,
    /// Some of its occurrences have an event and lie in a record of what did not fire, or in two records, or have two events.
    Doubled,
    /// It fired at instants that its schedule does not name, or more often than it may.
    Unnamed,
}

impl Defect {
    /// Every sort of defect.
    pub const ALL: [Defect; 10] = [
        Defect::Disarmed,
        Defect::Astray,
        Defect::Outdated,
        Defect::Moved,
        Defect::Needless,
        Defect::Forgotten,
        Defect::Unreadable,
        Defect::Missing,
        Defect::Doubled,
        Defect::Unnamed,
    ];

    /// Whether it is a mistake, of oncue's or of somebody who wrote into its tables; what new zone data has moved is none.
    pub fn is_mistake(self) -> bool {
        self != Defect::Moved
    }

    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Defect::Disarmed => "disarmed",
            Defect::Astray => "astray",
            Defect::Outdated => "outdated",
            Defect::Moved => "moved",
            Defect::Needless => "needless",
            Defect::Forgotten => "forgotten",
            Defect::Unreadable => "unreadable",
            Defect::Missing => "missing",
            Defect::Doubled => "doubled",
            Defect::Unnamed => "unnamed",
        }
    }

    /// The words for people, about "the trigger".
    pub fn sentence(self) -> &'static str {
        match self {
            Defect::Disarmed => "waits for nothing although it should fire, or be deleted",
            Defect::Astray => "waits for an instant that is not its next occurrence",
            Defect::Outdated => "was armed for another revision of itself, which would never fire",
            Defect::Moved => "waits for an instant that new zone data has moved",
            Defect::Needless => "waits for an occurrence that it is not to fire at",
            Defect::Forgotten => "waits for an event of its own to end although none is under way",
            Defect::Unreadable => "cannot be read and does not fire",
            Defect::Missing => "has occurrences of which nothing says what became",
            Defect::Doubled => "has occurrences that are accounted for twice",
            Defect::Unnamed => "fired at instants that its schedule does not name, or more often than it may",
        }
    }
}

/// How a trigger is to be armed instead. Holds only while it is of that revision and waits for what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Whose it is.
    pub owner: UserId,
    /// The trigger.
    pub trigger: TriggerId,
    /// The revision that was looked at.
    pub revision: i64,
    /// What it was seen to wait for.
    pub seen: Option<Cursor>,
    /// What it is to wait for, if anything.
    pub next_at: Option<Timestamp>,
    /// What was wrong.
    pub defect: Defect,
    /// When that was found.
    pub found_at: Timestamp,
}

/// Something that is wrong with a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The trigger.
    pub trigger: TriggerId,
    /// What is wrong.
    pub defect: Defect,
    /// How to put it right; none where nobody can but a person, and where what is past is past.
    pub repair: Option<Repair>,
    /// Which occurrences it is about, where it is about what is written down.
    pub about: Option<Few>,
}

impl Finding {
    /// A trigger that cannot be read.
    pub fn unreadable(trigger: TriggerId) -> Finding {
        Finding { trigger, defect: Defect::Unreadable, repair: None, about: None }
    }
}

impl Inspected {
    /// Whether nothing is wrong with it as far as that can be told without asking what its past left: most triggers, at the price of one
    /// question to their schedules. `gone_until` is when the latest events fired that are gone by their age.
    pub fn is_in_order(&self, gone_until: Timestamp, now: Timestamp) -> bool {
        let floor = self.told_from(gone_until);
        match self.cursor {
            None => self.waits_after(floor).is_none(),
            Some(cursor) if cursor.revision != self.trigger.revision || self.is_forgotten => false,
            Some(Cursor { next_at, .. }) if self.waits_to_go(next_at) => true,
            Some(Cursor { next_at, .. }) if next_at > now => {
                self.next_after(floor.max(self.due_by(now))) == Some(next_at)
            }
            Some(Cursor { next_at, .. }) => self.is_named(next_at),
        }
    }

    /// What is wrong with it, where `accounted_until` is the latest of its occurrences of which it is known what became.
    ///
    /// A repair arms the first occurrence after that, so that whoever plans accounts for everything since by the rule that holds for
    /// everybody: nothing is silent, and nothing fires a second time. What is older than the events that are kept stays as it is: nobody
    /// could tell what fired from what was lost.
    pub fn finding(
        &self,
        accounted_until: Option<Timestamp>,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Option<Finding> {
        if self.is_in_order(gone_until, now) {
            return None;
        }
        let trigger = &self.trigger;
        let floor = self.told_from(gone_until).max(accounted_until.unwrap_or(Timestamp::MIN));
        let expected = self.waits_after(floor);
        let seen = self.cursor;
        // A clock that was put back lets a trigger wait for what is accounted for already; that fires nothing twice.
        let stands = |next_at: Timestamp| {
            self.waits_to_go(next_at) || self.is_named(next_at) && expected.is_none_or(|first| next_at <= first)
        };
        let (defect, next_at) = match seen {
            None => (Defect::Disarmed, Some(expected?)),
            Some(cursor) if !stands(cursor.next_at) => {
                (if expected.is_some() { Defect::Astray } else { Defect::Needless }, expected)
            }
            Some(cursor) if cursor.revision != trigger.revision => (Defect::Outdated, Some(cursor.next_at)),
            Some(cursor) if self.is_forgotten => (Defect::Forgotten, Some(cursor.next_at)),
            Some(_) => return None,
        };
        Some(self.to_repair(defect, next_at, now))
    }

    fn to_repair(&self, defect: Defect, next_at: Option<Timestamp>, found_at: Timestamp) -> Finding {
        let Trigger { id, owner, revision, .. } = self.trigger;
        let repair = Repair { owner, trigger: id, revision, seen: self.cursor, next_at, defect, found_at };
        Finding { trigger: id, defect, repair: Some(repair), about: None }
    }

    /// The same of a trigger whose zone's rules may have changed since it was armed: what it waits for is then no mistake.
    ///
    /// What the new rules name for the time behind it was never waited for, and is let rest, but for the one that stands in the place of what it
    /// waits for: an instant that has moved to an earlier time, and is past by now, fires late instead of being lost.
    pub fn finding_by_new_rules(
        &self,
        accounted_until: Option<Timestamp>,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Option<Finding> {
        let finding = self.finding(accounted_until, gone_until, now)?;
        let hangs_on_rules = self.trigger.definition.schedule.as_ref().is_some_and(ScheduleDetails::hangs_on_a_zone);
        let Some(waited_for) = self.cursor.map(|cursor| cursor.next_at).filter(|_| hangs_on_rules) else {
            return Some(finding);
        };
        if finding.defect != Defect::Astray {
            return Some(finding);
        }
        let floor = self.told_from(gone_until).max(accounted_until.unwrap_or(Timestamp::MIN));
        let fallen_due = self.due_by(now);
        let to_come = self.waits_after(floor.max(fallen_due));
        let schedule = self.trigger.definition.schedule.as_ref().filter(|_| floor < fallen_due);
        let past = schedule.and_then(|schedule| Some(schedule.due_at(schedule.latest_in(floor, fallen_due)?)));
        let way = |at: &Timestamp| at.duration_since(waited_for).abs();
        let past = past.filter(|past| self.is_named(*past));
        let in_its_place = past.filter(|past| to_come.is_none_or(|to_come| way(past) < way(&to_come)));
        Some(self.to_repair(Defect::Moved, in_its_place.or(to_come), now))
    }

    /// From when on it can be told what became of its occurrences.
    fn told_from(&self, gone_until: Timestamp) -> Timestamp {
        self.trigger.standing_since.max(gone_until)
    }

    fn is_named(&self, instant: Timestamp) -> bool {
        self.next_after(just_before(self.trigger.definition.named_for(instant))) == Some(instant)
    }

    /// Up to which nominal time everything has fallen due by `now`.
    fn due_by(&self, now: Timestamp) -> Timestamp {
        self.trigger.definition.schedule.as_ref().map_or(now, |schedule| schedule.due_by(now))
    }

    /// When the first occurrence falls due that is to be waited for and whose nominal time is after `after`.
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let definition = &self.trigger.definition;
        definition.next_after(after).filter(|_| definition.left(self.fired) != Some(0))
    }

    /// What it is to wait for after `after`: that, or to be deleted when nothing is left of it.
    fn waits_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.trigger.definition.waits_after(after, self.fired)
    }

    /// Whether it is one that is deleted when it is done, has nothing left from that instant on, and is due for that.
    fn waits_to_go(&self, next_at: Timestamp) -> bool {
        let definition = &self.trigger.definition;
        let is_on = !definition.is_paused_at(next_at) && !definition.is_test;
        is_on && definition.deletes_when_done() && self.next_after(just_before(definition.named_for(next_at))).is_none()
    }
}

/// How many findings there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Defect::ALL.len()]);

impl Tally {
    /// One more.
    pub fn note(&mut self, defect: Defect) {
        self.0[defect as usize] += 1;
    }

    /// How many of that sort.
    pub fn of(&self, defect: Defect) -> u64 {
        self.0[defect as usize]
    }

    /// How many in all.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many of them are mistakes.
    pub fn mistakes(&self) -> u64 {
        Defect::ALL.into_iter().filter(|defect| defect.is_mistake()).map(|defect| self.of(defect)).sum()
    }
}

/// A round over all triggers, or over those that fall on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How many scheduled triggers were looked over.
    pub triggers: u64,
    /// What was found.
    pub found: Tally,
    /// How much of that was put right.
    pub repaired: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agenda::Span;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::jitter::{Jitter, Share};
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Definition, MaxFires, STAYS_FOR, ScheduleDetails, Terms, just_after};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn with(schedule: Option<Schedule>) -> Inspected {
        let trigger = Trigger {
            id: TriggerId(7),
            owner: UserId(1),
            revision: 3,
            definition: Definition {
                name: None,
                schedule: schedule.map(|pattern| ScheduleDetails::plain(pattern, None)),
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
            },
            created_at: at(0),
            standing_since: at(0),
        };
        Inspected { trigger, fired: 0, counted_until: None, cursor: None, is_forgotten: false }
    }

    fn every_ten() -> Inspected {
        let period = Period::from_seconds(10).expect("a period");
        with(Some(Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater }))
    }

    fn once() -> Inspected {
        with(Some(Schedule::Once { at: at(50) }))
    }

    impl Inspected {
        fn waits_for(mut self, seconds: i64) -> Inspected {
            self.cursor = Some(Cursor { next_at: at(seconds), revision: 3 });
            self
        }

        /// What is found at second `now`, where events go when they are a thousand seconds old; the repair's instant as seconds.
        fn told(&self, accounted: Option<i64>, now: i64) -> Option<(Defect, Option<i64>)> {
            let finding = self.finding(accounted.map(at), at(now - 1000), at(now))?;
            let repair = finding.repair.expect("what can be read can be repaired");
            let stands = (repair.owner, repair.trigger, repair.revision, repair.seen);
            assert_eq!(stands, (UserId(1), TriggerId(7), 3, self.cursor));
            Some((finding.defect, repair.next_at.map(|next| next.duration_since(at(0)).as_secs())))
        }
    }

    #[test]
    fn what_waits_for_its_next_occurrence_is_in_order() {
        for (why, inspected, now) in [
            ("the next one", every_ten().waits_for(30), 25),
            ("it is due at this moment", every_ten().waits_for(30), 30),
            ("it is late", every_ten().waits_for(30), 95),
            ("a single one to come", once().waits_for(50), 10),
            ("an API trigger", with(None), 10),
            ("it began a moment ago", every_ten().waits_for(10), 0),
        ] {
            assert!(inspected.is_in_order(at(now - 1000), at(now)), "{why}");
            assert_eq!(inspected.told(None, now), None, "{why}");
        }
    }

    #[test]
    fn whoever_waits_for_nothing_is_armed_at_the_first_occurrence_that_nothing_accounts_for() {
        assert_eq!(every_ten().told(Some(30), 65), Some((Defect::Disarmed, Some(40))));
        assert_eq!(every_ten().told(None, 65), Some((Defect::Disarmed, Some(10))), "it has never fired");
        assert_eq!(every_ten().told(Some(60), 65), Some((Defect::Disarmed, Some(70))), "nothing was lost");
        assert_eq!(once().told(None, 10), Some((Defect::Disarmed, Some(50))));
        assert_eq!(once().told(None, 90), Some((Defect::Disarmed, Some(50))), "it was lost");
        assert_eq!(once().told(Some(50), 90), None, "it has fired, or there is a record why not");
    }

    #[test]
    fn what_is_older_than_the_events_that_are_kept_is_let_rest() {
        assert_eq!(once().told(None, 1049), Some((Defect::Disarmed, Some(50))));
        assert_eq!(once().told(None, 1050), None);
        assert_eq!(every_ten().told(None, 5004), Some((Defect::Disarmed, Some(4010))));
    }

    #[test]
    fn what_is_not_to_fire_is_not_armed() {
        for change in [
            |definition: &mut Definition| definition.enabled = false,
            |definition: &mut Definition| definition.is_test = true,
            |definition: &mut Definition| definition.expires_at = Some(at(5)),
            |definition: &mut Definition| definition.schedule = None,
        ] {
            let mut inspected = every_ten();
            change(&mut inspected.trigger.definition);
            assert_eq!(inspected.told(None, 65), None);
            assert_eq!(inspected.waits_for(70).told(None, 65), Some((Defect::Needless, None)));
        }
    }

    #[test]
    fn what_fell_due_before_the_expiry_is_still_accounted_for() {
        let mut inspected = every_ten();
        inspected.trigger.definition.expires_at = Some(at(45));
        assert_eq!(inspected.told(Some(30), 65), Some((Defect::Disarmed, Some(40))));
        assert_eq!(inspected.told(Some(40), 65), None);
    }

    #[test]
    fn what_no_schedule_names_is_not_waited_for() {
        assert_eq!(every_ten().waits_for(33).told(Some(20), 25), Some((Defect::Astray, Some(30))));
        assert_eq!(every_ten().waits_for(23).told(Some(10), 25), Some((Defect::Astray, Some(20))), "due or not");
        assert_eq!(
            every_ten().waits_for(50).told(Some(20), 25),
            Some((Defect::Astray, Some(30))),
            "it passes over some"
        );
        assert_eq!(once().waits_for(60).told(Some(50), 55), Some((Defect::Needless, None)), "it has fired already");
    }

    #[test]
    fn a_clock_that_was_put_back_is_no_defect() {
        assert_eq!(every_ten().waits_for(100).told(Some(90), 25), None, "it goes on where it was");
        assert_eq!(every_ten().waits_for(30).told(Some(90), 25), None, "an edit has armed it again");
        let mut edited = every_ten().waits_for(100);
        edited.trigger.standing_since = at(95);
        assert_eq!(edited.told(None, 25), None);
    }

    #[test]
    fn what_was_armed_for_another_revision_is_armed_for_this_one() {
        let mut outdated = every_ten().waits_for(30);
        outdated.cursor = Some(Cursor { next_at: at(30), revision: 2 });
        assert_eq!(outdated.told(Some(20), 25), Some((Defect::Outdated, Some(30))));
        outdated.cursor = Some(Cursor { next_at: at(31), revision: 2 });
        assert_eq!(outdated.told(Some(20), 25), Some((Defect::Astray, Some(30))));
    }

    #[test]
    fn whoever_fired_as_often_as_allowed_waits_for_nothing() {
        let mut limited = every_ten();
        let pattern = limited.trigger.definition.schedule.as_ref().expect("it has one").pattern().clone();
        let terms = Terms { max_fires: MaxFires::new(3), ..Terms::default() };
        let details = ScheduleDetails::new(pattern.clone(), None, terms.clone(), Zones::utc());
        limited.trigger.definition.schedule = Some(details);
        limited.fired = 2;
        assert_eq!(limited.told(Some(20), 35), Some((Defect::Disarmed, Some(30))));
        limited.fired = 3;
        assert_eq!(limited.told(Some(30), 35), None);
        assert_eq!(limited.clone().waits_for(40).told(Some(30), 35), Some((Defect::Needless, None)));
        // One that goes when it is done is due until somebody has deleted it.
        let terms = Terms { delete_when_done: true, ..terms };
        limited.trigger.definition.schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
        limited.cursor = Some(Cursor { next_at: at(30) + SignedDuration::from_micros(1), revision: 3 });
        assert_eq!(limited.told(Some(30), 35), None);
        let mut lost = limited.clone();
        lost.cursor = None;
        assert!(!lost.is_in_order(at(-1000), at(35)), "it would stay for ever");
        let goes_at = lost.finding(Some(at(30)), at(-1000), at(35)).and_then(|finding| finding.repair?.next_at);
        assert_eq!(goes_at, Some(just_after(at(30)) + STAYS_FOR));
        lost.cursor = goes_at.map(|next_at| Cursor { next_at, revision: 3 });
        assert!(lost.is_in_order(at(-1000), at(35)));
        limited.trigger.definition.enabled = false;
        assert_eq!(limited.told(Some(30), 35), Some((Defect::Needless, None)));
    }

    #[test]
    fn what_new_rules_have_moved_is_put_in_its_place_and_nothing_behind_it_fires() {
        let hour = 3_600;
        let zone = Zones::bundled().get("Europe/Riga").expect("a zone");
        let expression = CronExpression::parse("0 9 * * *").expect("a line");
        let mut daily = with(Some(Schedule::Cron { expression, zone }));
        daily.trigger.standing_since = Timestamp::UNIX_EPOCH;
        let named = daily.next_after(at(0)).expect("it goes on").duration_since(at(0)).as_secs();
        let found = |waits_for: i64, accounted: i64, now: i64| {
            let moved = daily.clone().waits_for(waits_for);
            let accounted = Some(at(accounted));
            let finding = moved.finding_by_new_rules(accounted, at(now - 48 * hour), at(now))?;
            let next_at = finding.repair.and_then(|repair| repair.next_at);
            Some((finding.defect, next_at.map(|next| next.duration_since(at(0)).as_secs())))
        };
        let (day, before) = (24 * hour, named - 24 * hour);
        assert_eq!(found(named, before, named - 5), None, "nothing has moved");
        let ahead = found(named - hour, before - hour, named - 5 * hour);
        assert_eq!(ahead, Some((Defect::Moved, Some(named))), "what the new rules name for yesterday is let rest");
        let back = found(named + hour, before + hour, named - 5 * hour);
        assert_eq!(back, Some((Defect::Moved, Some(named))));
        let passed = found(named + hour, before + hour, named + hour / 2);
        assert_eq!(passed, Some((Defect::Moved, Some(named))), "it moved to half an hour ago, and fires late");
        let fired = found(named + day - hour, named, named + hour);
        assert_eq!(fired, Some((Defect::Moved, Some(named + day))));
        let every = every_ten().waits_for(33);
        let told = every.finding_by_new_rules(Some(at(20)), at(-1000), at(25)).map(|finding| finding.defect);
        assert_eq!(told, Some(Defect::Astray), "no rule of a zone moves a period");
    }

    #[test]
    fn what_new_rules_have_moved_falls_due_as_much_later_as_it_did() {
        let hour = 3_600;
        let zone = Zones::bundled().get("Europe/Riga").expect("a zone");
        let expression = CronExpression::parse("0 9 * * *").expect("a line");
        let terms = Terms { jitter: Some(Jitter::parse("4h").expect("a window")), ..Terms::default() };
        let mut daily = every_ten();
        let details = ScheduleDetails::new(Schedule::Cron { expression, zone: zone.clone() }, None, terms, zone);
        daily.trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
        daily.trigger.standing_since = Timestamp::UNIX_EPOCH;
        let due = daily.next_after(at(0)).expect("it goes on").duration_since(at(0)).as_secs();
        let named = due - 2 * hour;
        let found = |waits_for: i64, now: i64| {
            let moved = daily.clone().waits_for(waits_for);
            let finding = moved.finding_by_new_rules(Some(at(named - 24 * hour)), at(now - 48 * hour), at(now))?;
            let next_at = finding.repair.and_then(|repair| repair.next_at);
            Some((finding.defect, next_at.map(|next| next.duration_since(at(0)).as_secs())))
        };
        assert_eq!((found(due, named - hour), found(due, named + hour)), (None, None), "nothing has moved");
        let expected = Some((Defect::Moved, Some(due)));
        assert_eq!(found(due + hour, named + hour), expected, "its time has come, and it is not due");
        assert_eq!(found(due + hour, due + hour / 2), expected, "it fell due half an hour ago, and fires late");
    }

    #[test]
    fn what_is_spread_waits_for_when_it_falls_due() {
        let mut spread = every_ten();
        let pattern = spread.trigger.definition.schedule.as_ref().expect("it has one").pattern().clone();
        let terms = Terms { jitter: Some(Jitter::parse("10s").expect("a window")), ..Terms::default() };
        let details = ScheduleDetails::new(pattern, None, terms, Zones::utc());
        spread.trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
        for (waits_for, accounted, now, expected) in [
            (35, 20, 27, None),
            (35, 20, 32, None),
            (35, 20, 90, None),
            (30, 20, 27, Some((Defect::Astray, Some(35)))),
            (45, 20, 27, Some((Defect::Astray, Some(35)))),
        ] {
            assert_eq!(
                spread.clone().waits_for(waits_for).told(Some(accounted), now),
                expected,
                "{waits_for} at {now}"
            );
        }
        assert_eq!(spread.told(Some(20), 32), Some((Defect::Disarmed, Some(35))));
        let asked = spread.waits_for(35).comparable(Span { from: at(0), until: at(32) }, at(-9_000));
        assert_eq!(asked.map(|asked| asked.span.until), Some(at(30)), "what it waits for is not due yet");
    }

    #[test]
    fn findings_are_counted_by_their_sort() {
        let mut tally = Tally::default();
        for defect in [Defect::Disarmed, Defect::Disarmed, Defect::Moved, Defect::Unreadable] {
            tally.note(defect);
        }
        assert_eq!(Defect::ALL.map(|defect| tally.of(defect)), [2, 0, 0, 1, 0, 0, 1, 0, 0, 0]);
        assert_eq!((tally.sum(), tally.mistakes()), (4, 3), "what has moved is no mistake");
    }

    #[test]
    fn one_that_waits_for_an_event_that_has_ended_is_called_up_as_it_stands() {
        let mut inspected = every_ten();
        inspected.cursor = Some(Cursor { next_at: at(10), revision: inspected.trigger.revision });
        assert!(inspected.is_in_order(at(-1), at(100)), "it may wait for as long as it has to");
        inspected.is_forgotten = true;
        assert!(!inspected.is_in_order(at(-1), at(100)));
        let finding = inspected.finding(Some(at(0)), at(-1), at(100)).expect("nobody would look at it again");
        assert_eq!(finding.defect, Defect::Forgotten);
        assert_eq!(finding.repair.and_then(|repair| repair.next_at), Some(at(10)));
    }
}
