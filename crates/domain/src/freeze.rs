//! A freeze: for a while nothing fires that schedules name, of somebody's triggers or of everybody's, and no trigger is touched for it. What
//! falls due meanwhile is passed over as it falls due, and one record for each trigger grows by it; so nothing piles up, nothing has to be done
//! when it is over, and nothing fires late. Calls and tests are deeds of their own, and what is owed goes on being delivered.
//!
//! Freezes are intervals, like absences, and which of them holds is a pure question. That no plan is carried out that knew of fewer freezes than
//! there are is the stores' part: each says which edition of the list it was made with ([`Freezes::edition`]).

use jiff::{SignedDuration, Timestamp};

use crate::actor::Actor;
use crate::id::UserId;
use crate::occurrence::{Reason, Skipped};
use crate::plan::{Plan, goes_at, waits_to_go};
use crate::trigger::{Armed, Edit, End, Trigger, TriggerHead, just_before};

/// For how long a freeze that is over is remembered: as long as who did it.
pub const FREEZES_KEPT: SignedDuration = crate::act::ACTS_KEPT;

/// How many freezes of one owner, or of everybody, are remembered; the oldest of more are forgotten.
pub const FREEZES_MAX: usize = 100;

/// Who asks for the freezes that were not over then gets all that are remembered at `now`.
pub fn remembered_since(now: Timestamp) -> Timestamp {
    now.checked_sub(FREEZES_KEPT).unwrap_or(Timestamp::MIN)
}

/// What somebody says of a freeze.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Why.
    pub reason: Option<String>,
    /// From then on it is over; none for one that somebody has to end.
    pub until: Option<Timestamp>,
}

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Whose triggers; none for everybody's.
    pub owner: Option<UserId>,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub from: Timestamp,
    /// From then on it is over, or was: what falls due at this very instant fires.
    pub until: Option<Timestamp>,
    /// Who froze.
    pub by: Actor,
}

impl Freeze {
    /// Whether what falls due at `at` lies within it.
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.from <= at && self.stands_at(at)
    }

    /// Whether it is not over at `now`. Nobody freezes ahead of time, so one that begins later was begun before a clock was put back, and
    /// whoever froze wants that held.
    pub fn stands_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|end| now < end)
    }

    /// Whether this one's triggers are frozen by it.
    pub fn concerns(&self, owner: UserId) -> bool {
        self.owner.is_none_or(|own| own == owner)
    }

    /// Who froze, as it may be told to those whom it concerns: for everybody it is the operator, and what is known of them is none of theirs.
    pub fn told_by(&self) -> Option<&Actor> {
        self.owner.map(|_| &self.by)
    }

    /// The same as a name.
    pub fn told_by_name(&self) -> String {
        self.told_by().map_or_else(|| "the operator".to_owned(), |by| by.who.to_string())
    }

    /// Whether what was due at `due` and still waits is passed over: it fell due during the freeze, or had not fired yet when somebody froze.
    fn takes(&self, due: Timestamp) -> bool {
        self.stands_at(due)
    }
}

/// The freezes that may matter, and which edition of the list this is: every freeze and every end that somebody sets is another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freezes {
    /// The edition.
    pub edition: i64,
    /// In the order in which they began.
    pub all: Vec<Freeze>,
}

impl Freezes {
    /// Those that may take something that falls due at `earliest` or later: few, where everybody's of the last 400 days are remembered.
    pub fn since(&self, earliest: Timestamp) -> Vec<Freeze> {
        let may_take = |freeze: &&Freeze| freeze.until.is_none_or(|end| end > earliest);
        self.all.iter().filter(may_take).cloned().collect()
    }

    /// Whether nothing of this one's fires at `now` that schedules name.
    pub fn hold_back(&self, owner: UserId, now: Timestamp) -> bool {
        self.all.iter().any(|freeze| freeze.concerns(owner) && freeze.stands_at(now))
    }
}

/// Until when these hold that stand at `now`, one after the other: none where none does, and `Some(None)` where somebody has to end one.
pub fn frozen_until(freezes: &[Freeze], now: Timestamp) -> Option<Option<Timestamp>> {
    latest_end(freezes.iter().filter(|freeze| freeze.stands_at(now)))
}

/// The latest end of these: none where there are none, and `Some(None)` where one of them has no end.
fn latest_end<'a>(freezes: impl Iterator<Item = &'a Freeze>) -> Option<Option<Timestamp>> {
    let mut ends = freezes.map(|freeze| freeze.until);
    let first = ends.next()?;
    Some(ends.fold(first, |latest, end| Some(latest?.max(end?))))
}

/// The trigger as it goes on if nothing changes: what the freezes of its owner that hold at `now` will take is not waited for.
#[must_use]
pub fn seen_through(head: TriggerHead, freezes: &[Freeze], now: Timestamp) -> TriggerHead {
    let Some(until) = frozen_until(freezes, now) else { return head };
    let first_after = |end: Timestamp| {
        let due = head.schedule.as_ref()?.next_due_after(just_before(end))?;
        head.lives_at(head.named_for(due)).then_some(due)
    };
    let next_at = match (head.next_at, until) {
        (Some(next), Some(end)) if next < end => first_after(end),
        (next, Some(_)) => next,
        (_, None) => None,
    };
    TriggerHead { next_at, ..head }
}

/// A record that grows while a freeze lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// What is passed over now.
    pub skipped: Skipped,
    /// The occurrence before that, where the trigger says what it said then: this goes on with its latest record if that is of this reason and
    /// ends there. Of instants alone nobody could tell, where a clock was put back.
    pub follows: Option<Timestamp>,
    /// That record was written down after this: another freeze is another record.
    pub since: Timestamp,
}

/// What a frozen trigger does that waits for something: nothing, and it waits for what comes after. None where no freeze takes what it
/// waits for; then it is planned like any other.
pub fn pass_over<T: AsRef<Trigger>>(armed: &Armed<T>, now: Timestamp, freezes: &[Freeze]) -> Option<Plan> {
    let due = armed.next_at.filter(|due| *due <= now)?;
    let trigger = armed.trigger.as_ref();
    let definition = &trigger.definition;
    let named = definition.named_for(due);
    let schedule = definition.schedule.as_ref().filter(|_| armed.left() != Some(0) && definition.lives_at(named))?;
    if waits_to_go(schedule, (definition.expires_at, armed.left()), due) {
        return None;
    }
    let taking = || freezes.iter().filter(|freeze| freeze.concerns(trigger.owner) && freeze.takes(due));
    let since = taking().map(|freeze| freeze.from).min()?;
    // What it takes goes by when it falls due, and what comes before the expiry by nominal times.
    let fallen_due = schedule.due_by(latest_end(taking())?.map_or(now, |end| just_before(end).min(now)));
    let until = definition.expires_at.map_or(fallen_due, |end| just_before(end).min(fallen_due)).max(named);
    // There is nothing to be recorded of an instant that zone data of another release named, and it does not fire either.
    let skipped = Skipped::range(schedule, just_before(named), until, Reason::Frozen);
    let last = skipped.map_or(until, |skipped| skipped.last);
    let named_next = schedule.next_after(last);
    let next = named_next.filter(|next| definition.lives_at(*next)).map(|next| schedule.due_at(next));
    let next = next.or_else(|| schedule.deletes_when_done().then(|| goes_at(now)));
    let end = End::of_plan(schedule, false, named_next.is_some()).filter(|_| next.is_none());
    let before = |skipped: &Skipped| schedule.latest_in(trigger.standing_since, just_before(skipped.first));
    let frozen = skipped.map(|skipped| Frozen { skipped, follows: before(&skipped), since });
    let skipped = trigger.paused_before(named).into_iter().collect();
    Some(Plan { skipped, frozen, next_at: next, end, ..Plan::default() })
}

impl Edit {
    /// The same, where freezes may hold back what was due: that is recorded as frozen, and only what they do not take as superseded.
    #[must_use]
    pub fn under(mut self, before: &Armed, now: Timestamp, freezes: &[Freeze]) -> Edit {
        let Some(Frozen { skipped: frozen, .. }) = pass_over(before, now, freezes).and_then(|plan| plan.frozen) else {
            return self;
        };
        let Some(schedule) = &before.trigger.definition.schedule else { return self };
        let is_due = |skipped: &Skipped| skipped.reason == Reason::Superseded && skipped.first == frozen.first;
        let Some(place) = self.skipped.iter().position(is_due) else { return self };
        let last = self.skipped[place].last;
        let rest = Skipped::range(schedule, frozen.last, last, Reason::Superseded);
        let frozen = Skipped::range(schedule, just_before(frozen.first), frozen.last.min(last), Reason::Frozen);
        self.skipped.splice(place..=place, frozen.into_iter().chain(rest));
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::id::TriggerId;
    use crate::overlap::Overlap;
    use crate::plan::{Absence, plan, plan_of};
    use crate::schedule::bounds::Bounds;
    use crate::schedule::every::Period;
    use crate::schedule::jitter::{Jitter, Share};
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::store::Planned;
    use crate::trigger::{Definition, ScheduleDetails, Terms};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    /// Every ten seconds, waiting for second 10.
    fn waiting() -> Armed {
        let period = Period::from_seconds(10).expect("a period");
        let schedule = Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater };
        let definition = Definition {
            name: None,
            schedule: Some(ScheduleDetails::plain(schedule, None)),
            payload: None,
            payload_schema: None,
            overlap: Overlap::Allow,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let (id, owner, now) = (TriggerId(1), UserId(1), at(0));
        let trigger = Trigger { id, owner, revision: 1, definition, created_at: now, standing_since: now };
        Armed { trigger, next_at: Some(at(10)), fired: 0 }
    }

    fn frozen(owner: Option<i64>, from: i64, until: Option<i64>) -> Vec<Freeze> {
        let (owner, until) = (owner.map(UserId), until.map(at));
        vec![Freeze { owner, reason: None, from: at(from), until, by: Actor::SYSTEM }]
    }

    fn run(first: i64, last: i64, count: u64) -> Skipped {
        Skipped { reason: Reason::Frozen, first: at(first), last: at(last), count }
    }

    #[test]
    fn what_falls_due_is_passed_over_while_it_lasts_and_fires_again_from_its_end_on() {
        let freezes = frozen(Some(1), 5, Some(40));
        let passed = pass_over(&waiting(), at(12), &freezes).expect("it is frozen");
        assert_eq!((passed.firings.len(), passed.next_at), (0, Some(at(20))));
        assert_eq!(passed.frozen, Some(Frozen { skipped: run(10, 10, 1), follows: None, since: at(5) }));
        let next = pass_over(&Armed { next_at: Some(at(20)), ..waiting() }, at(20), &freezes).expect("it is frozen");
        assert_eq!(next.frozen, Some(Frozen { skipped: run(20, 20, 1), follows: Some(at(10)), since: at(5) }));
        let late = pass_over(&waiting(), at(33), &freezes).expect("it is frozen");
        assert_eq!((late.frozen.map(|frozen| frozen.skipped), late.next_at), (Some(run(10, 30, 3)), Some(at(40))));
        let after = Armed { next_at: Some(at(40)), ..waiting() };
        assert_eq!(pass_over(&after, at(40), &freezes), None, "the end itself fires");
        assert_eq!(pass_over(&waiting(), at(9), &freezes), None, "nothing is due");
    }

    #[test]
    fn a_schedule_that_is_over_in_a_freeze_ends_its_trigger() {
        let mut short = waiting();
        let pattern = short.trigger.definition.schedule.as_ref().expect("it has one").pattern().clone();
        let bounds = Bounds::new(None, Some(at(25))).expect("an end");
        let details = ScheduleDetails::new(pattern, None, Terms { bounds, ..Terms::default() }, Zones::utc());
        short.trigger.definition.schedule = Some(details);
        let passed = |short: &Armed, now| pass_over(short, at(now), &frozen(None, 5, None)).expect("it is frozen");
        assert_eq!((passed(&short, 12).next_at, passed(&short, 12).end), (Some(at(20)), None));
        assert_eq!((passed(&short, 33).next_at, passed(&short, 33).end), (None, Some(End::Over)));
        short.trigger.definition.expires_at = Some(at(15));
        assert_eq!(
            (passed(&short, 33).next_at, passed(&short, 33).end),
            (None, None),
            "its expiry is told when it comes"
        );
    }

    #[test]
    fn what_is_spread_is_frozen_by_when_it_falls_due_under_its_nominal_times() {
        let mut spread = waiting();
        let pattern = spread.trigger.definition.schedule.as_ref().expect("it has one").pattern().clone();
        let terms = Terms { jitter: Some(Jitter::parse("10s").expect("a window")), ..Terms::default() };
        let details = ScheduleDetails::new(pattern, None, terms, Zones::utc());
        // Five seconds later than named.
        spread.trigger.definition.schedule = Some(details.with_share(Some(Share::new(1 << 31))));
        spread.next_at = Some(at(15));
        let short = frozen(Some(1), 12, Some(33));
        assert_eq!(pass_over(&spread, at(14), &short), None, "its time has come, and it is not due");
        let told = |now, freezes: &[Freeze]| {
            let passed = pass_over(&spread, at(now), freezes).expect("it is frozen");
            (passed.frozen.map(|frozen| frozen.skipped), passed.next_at)
        };
        assert_eq!(told(16, &short), (Some(run(10, 10, 1)), Some(at(25))));
        assert_eq!(told(31, &short), (Some(run(10, 20, 2)), Some(at(35))));
        assert_eq!(told(60, &short), (Some(run(10, 20, 2)), Some(at(35))), "that of second 30 fell due after the end");
        let seen = |freezes: &[Freeze]| seen_through(TriggerHead::from(&spread), freezes, at(13)).next_at;
        assert_eq!((seen(&short), seen(&frozen(None, 12, Some(35)))), (Some(at(35)), Some(at(35))));
        spread.trigger.standing_since = just_before(at(20));
        let edited = pass_over(&Armed { next_at: Some(at(25)), ..spread.clone() }, at(26), &frozen(None, 12, None));
        let follows = edited.and_then(|plan| plan.frozen).map(|frozen| (frozen.skipped.first, frozen.follows));
        assert_eq!(follows, Some((at(20), None)), "what the edit at second 22 wrote down does not grow");
        spread.trigger.definition.expires_at = Some(at(25));
        let passed = pass_over(&spread, at(60), &frozen(None, 12, None)).expect("it is frozen");
        assert_eq!((passed.frozen.map(|frozen| frozen.skipped), passed.next_at), (Some(run(10, 20, 2)), None));
    }

    #[test]
    fn what_is_to_be_deleted_when_it_is_done_stays_for_a_while_with_its_record_where_its_last_was_frozen() {
        let mut once = waiting();
        let terms = Terms { delete_when_done: true, ..Terms::default() };
        once.trigger.definition.schedule =
            Some(ScheduleDetails::new(Schedule::Once { at: at(10) }, None, terms, Zones::utc()));
        let plan = pass_over(&once, at(12), &frozen(None, 5, None)).expect("it is frozen");
        let goes_at = goes_at(at(12));
        assert_eq!((plan.frozen.map(|frozen| frozen.skipped), plan.next_at), (Some(run(10, 10, 1)), Some(goes_at)));
        let waits = Armed { next_at: Some(goes_at), ..once.clone() };
        assert_eq!((waits.next_firing_at(), pass_over(&waits, goes_at, &frozen(None, 5, None))), (None, None));
        assert_eq!(plan_of(&waits, just_before(goes_at), &[]).and_then(|plan| plan.next_at), Some(goes_at));
        assert_eq!(plan_of(&waits, goes_at, &[]), Some(Plan::default()), "then it goes, frozen or not");
        let Armed { trigger, next_at, .. } = once;
        let (trigger, armed) = (Arc::new(trigger), next_at.expect("it waits"));
        let planned = Planned { trigger, armed, plan, message_ids: Vec::new(), edition: 0 };
        assert!(!planned.is_done());
    }

    #[test]
    fn few_are_looked_at_for_what_is_due() {
        let all = [frozen(Some(1), 0, Some(10)), frozen(Some(2), 0, Some(20)), frozen(None, 5, None)].concat();
        let freezes = Freezes { edition: 1, all: all.clone() };
        assert_eq!((freezes.since(at(9)), freezes.since(at(10))), (all.clone(), all[1..].to_vec()));
    }

    #[test]
    fn it_holds_for_those_whom_it_concerns() {
        let is_frozen = |owner| pass_over(&waiting(), at(12), &frozen(owner, 5, None)).is_some();
        assert!(is_frozen(Some(1)) && is_frozen(None) && !is_frozen(Some(2)));
        assert_eq!(pass_over(&waiting(), at(12), &[]), None);
        assert_eq!(pass_over(&waiting(), at(12), &frozen(Some(1), 5, Some(8))), None, "it is over");
    }

    #[test]
    fn whoever_comes_back_after_the_end_passes_over_what_was_frozen_and_plans_the_rest() {
        let (freezes, now) = (frozen(None, 5, Some(35)), at(65));
        let passed = pass_over(&waiting(), now, &freezes).expect("it was frozen");
        assert_eq!((passed.frozen.map(|frozen| frozen.skipped), passed.next_at), (Some(run(10, 30, 3)), Some(at(40))));
        let rest = Armed { next_at: passed.next_at, ..waiting() };
        assert_eq!(pass_over(&rest, now, &freezes), None);
        let planned = plan(&rest.trigger, at(40), now, &[Absence { from: at(8), to: now }]);
        assert_eq!(planned.firings.iter().map(|firing| firing.scheduled_at).collect::<Vec<_>>(), [at(60)]);
    }

    #[test]
    fn what_was_due_when_it_began_does_not_fire_either() {
        let passed = pass_over(&waiting(), at(12), &frozen(None, 11, None)).expect("it is frozen");
        assert_eq!(passed.frozen.map(|frozen| frozen.skipped), Some(run(10, 10, 1)));
        let late = pass_over(&waiting(), at(65), &frozen(None, 11, Some(40))).expect("it waited when somebody froze");
        assert_eq!((late.frozen.map(|frozen| frozen.skipped), late.next_at), (Some(run(10, 30, 3)), Some(at(40))));
    }

    #[test]
    fn of_several_that_take_it_the_last_end_counts_and_the_record_goes_on() {
        let own = || frozen(Some(1), 5, Some(25));
        let both = [own(), frozen(None, 15, Some(45))].concat();
        let passed = pass_over(&waiting(), at(60), &both).expect("it is frozen");
        let all = Frozen { skipped: run(10, 40, 4), follows: None, since: at(5) };
        assert_eq!((passed.frozen, passed.next_at), (Some(all), Some(at(50))));
        let endless = [own(), frozen(None, 15, None)].concat();
        let passed = pass_over(&waiting(), at(60), &endless).expect("it is frozen");
        assert_eq!((passed.frozen.map(|frozen| frozen.skipped), passed.next_at), (Some(run(10, 60, 6)), Some(at(70))));
        let before = waiting();
        let edit = before.edit(before.trigger.definition.clone().switched(false), at(60)).under(&before, at(60), &both);
        let superseded = Skipped { reason: Reason::Superseded, ..run(50, 60, 2) };
        assert_eq!(edit.skipped, [run(10, 40, 4), superseded]);
    }

    #[test]
    fn what_new_zone_data_names_no_more_does_not_fire_either() {
        let astray = Armed { next_at: Some(at(13)), ..waiting() };
        let passed = pass_over(&astray, at(15), &frozen(None, 5, None)).expect("it is frozen");
        assert_eq!((passed.firings.len(), passed.frozen, passed.next_at), (0, None, Some(at(20))));
        let passed = pass_over(&astray, at(35), &frozen(None, 5, None)).expect("it is frozen");
        assert_eq!((passed.frozen.map(|frozen| frozen.skipped), passed.next_at), (Some(run(20, 30, 2)), Some(at(40))));
    }

    #[test]
    fn what_is_to_come_is_told_from_the_end_on() {
        let seen = |freezes: &[Freeze]| seen_through(TriggerHead::from(&waiting()), freezes, at(5)).next_at;
        let [short] = &frozen(None, 0, Some(35))[..] else { panic!("it is one") };
        let [long] = &frozen(Some(1), 0, Some(55))[..] else { panic!("it is one") };
        let [endless] = &frozen(Some(1), 0, None)[..] else { panic!("it is one") };
        let [over] = &frozen(Some(1), 0, Some(5))[..] else { panic!("it is one") };
        assert_eq!(seen(&[]), Some(at(10)));
        assert_eq!(seen(std::slice::from_ref(over)), Some(at(10)), "it is over");
        assert_eq!(seen(std::slice::from_ref(short)), Some(at(40)));
        assert_eq!(seen(&[short.clone(), long.clone()]), Some(at(60)));
        assert_eq!(seen(&[short.clone(), endless.clone(), long.clone()]), None);
    }

    #[test]
    fn an_expiry_bounds_it_and_an_edit_begins_another_record() {
        let mut expiring = waiting();
        expiring.trigger.definition.expires_at = Some(at(25));
        let passed = pass_over(&expiring, at(50), &frozen(None, 5, None)).expect("it is frozen");
        assert_eq!((passed.frozen.map(|frozen| frozen.skipped), passed.next_at), (Some(run(10, 20, 2)), None));
        let mut edited = waiting();
        edited.trigger.standing_since = at(18);
        let next = Armed { next_at: Some(at(20)), ..edited };
        let passed = pass_over(&next, at(22), &frozen(None, 5, None)).expect("it is frozen");
        let frozen = passed.frozen.map(|frozen| (frozen.skipped, frozen.follows));
        assert_eq!(frozen, Some((run(20, 20, 1), None)), "that of second 10 is another definition's");
    }

    #[test]
    fn a_clock_that_is_put_back_thaws_nothing() {
        let passed = pass_over(&waiting(), at(12), &frozen(None, 30, None)).expect("it is frozen");
        assert_eq!(passed.frozen.map(|frozen| frozen.skipped), Some(run(10, 10, 1)));
    }

    #[test]
    fn what_an_edit_finds_due_is_frozen_as_far_as_a_freeze_takes_it() {
        let before = waiting();
        let paused = before.trigger.definition.clone().switched(false);
        let edit = |now, freezes: &[Freeze]| before.edit(paused.clone(), now).under(&before, now, freezes).skipped;
        let superseded = |first, last, count| Skipped { reason: Reason::Superseded, ..run(first, last, count) };
        assert_eq!(edit(at(35), &[]), [superseded(10, 30, 3)]);
        assert_eq!(edit(at(35), &frozen(Some(1), 12, None)), [run(10, 30, 3)]);
        assert_eq!(edit(at(35), &frozen(Some(1), 5, Some(10))), [superseded(10, 30, 3)], "it was over");
        assert_eq!(edit(at(35), &frozen(None, 5, Some(20))), [run(10, 10, 1), superseded(20, 30, 2)]);
        assert_eq!(edit(at(35), &frozen(Some(2), 5, None)), [superseded(10, 30, 3)], "it is another's");
        assert_eq!(edit(at(7), &frozen(None, 5, None)), [], "nothing is due");
        let mut expiring = waiting();
        expiring.trigger.definition.expires_at = Some(at(25));
        let edited = expiring.edit(expiring.trigger.definition.clone().switched(false), at(35));
        let expired = Skipped { reason: Reason::Expired, ..run(30, 30, 1) };
        assert_eq!(edited.under(&expiring, at(35), &frozen(None, 5, None)).skipped, [run(10, 20, 2), expired]);
    }
}
