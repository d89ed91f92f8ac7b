//! What can be said of a pause beyond that it is one: why, and until when. A pause with an end is over when that has come, to the
//! microsecond and without anybody doing anything: a trigger waits during its pause for the first occurrence after it, and whether it is
//! paused is asked as of an instant. So no server has to be there for the end, and none can come late for it.

use jiff::Timestamp;

use super::{Definition, Trigger, TriggerHead, has_forbidden_chars, just_before};
use crate::error::Invalid;
use crate::occurrence::{Reason, Skipped};

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// What somebody said of a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub reason: Option<String>,
    /// From then on it is over: what occurs at this very instant fires.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// A pause of which this is said; none where nothing is.
    pub fn new(reason: Option<String>, until: Option<Timestamp>) -> Option<Pause> {
        (reason.is_some() || until.is_some()).then_some(Pause { reason, until })
    }
}

/// Checks the reason of a pause: at most [`REASON_CHARS_MAX`] characters, in one line, none of which turns the direction of what follows.
///
/// # Errors
/// Says what is wrong; the field is `reason`.
pub fn parse_reason(text: &str) -> Result<Option<String>, Invalid> {
    let text = text.trim();
    if text.chars().count() > REASON_CHARS_MAX {
        return Err(Invalid::new("reason", format!("A reason has at most {REASON_CHARS_MAX} characters.")));
    }
    if has_forbidden_chars(text) {
        return Err(Invalid::new("reason", "A reason has no line breaks and no other control characters."));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// When the pause of something is over; none where it is not paused, and where its pause has no end.
fn end_of(enabled: bool, pause: Option<&Pause>) -> Option<Timestamp> {
    pause.filter(|_| !enabled)?.until
}

impl TriggerHead {
    /// Whether it is paused at `at`.
    pub fn is_paused_at(&self, at: Timestamp) -> bool {
        !self.enabled && self.pause_ends_at().is_none_or(|end| at < end)
    }

    /// When its pause is or was over, where it has an end.
    pub fn pause_ends_at(&self) -> Option<Timestamp> {
        end_of(self.enabled, self.pause.as_ref())
    }
}

impl Definition {
    /// Whether it pauses at `at`.
    pub fn is_paused_at(&self, at: Timestamp) -> bool {
        !self.enabled && self.pause_ends_at().is_none_or(|end| at < end)
    }

    /// When its pause is or was over, where it has an end.
    pub fn pause_ends_at(&self) -> Option<Timestamp> {
        end_of(self.enabled, self.pause.as_ref())
    }

    /// What is said of its pause, while it pauses.
    pub fn pause_at(&self, at: Timestamp) -> Option<&Pause> {
        self.pause.as_ref().filter(|_| self.is_paused_at(at))
    }

    /// What it says at `now`: where a pause is over, nothing of it.
    #[must_use]
    pub fn as_of(mut self, now: Timestamp) -> Definition {
        self.enabled = !self.is_paused_at(now);
        self.pause = self.pause.filter(|_| !self.enabled);
        self
    }

    /// The same, running or paused, with nothing said of a pause.
    #[must_use]
    pub fn switched(self, enabled: bool) -> Definition {
        Definition { enabled, pause: None, ..self }
    }

    /// From when on it is not paused any more, as seen from `after`: none where that will not come by itself.
    pub(crate) fn runs_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.enabled { Some(after) } else { Some(after.max(just_before(self.pause_ends_at()?))) }
    }
}

impl Trigger {
    /// The record of what fell due during a pause that is over, which is written down with the first occurrence after it: where `named` is the nominal
    /// time of that.
    pub(crate) fn paused_before(&self, named: Timestamp) -> Option<Skipped> {
        let last = just_before(self.definition.pause_ends_at()?);
        let schedule = self.definition.schedule.as_ref()?;
        let is_first = last < named && schedule.next_after(last) == Some(named);
        if is_first { Skipped::range(schedule, self.standing_since, last, Reason::Paused) } else { None }
    }

    /// The trigger as it stands at `now` after a pause that is over, and what is to be written down about that pause, if nobody has yet; none
    /// where no pause is over.
    pub(super) fn after_pause(&self, next_at: Option<Timestamp>, now: Timestamp) -> Option<(Trigger, Vec<Skipped>)> {
        let end = self.definition.pause_ends_at().filter(|end| *end <= now)?;
        let last = just_before(end);
        // Who does not wait for the first occurrence any more has got past it, and the record came with that.
        let is_past_first = self.definition.next_after(last).is_some_and(|first| next_at != Some(first));
        let skipped = if is_past_first { Vec::new() } else { self.unfired_until(None, last) };
        let mut trigger = self.clone();
        trigger.definition = trigger.definition.as_of(now);
        trigger.standing_since = trigger.standing_since.max(last);
        Some((trigger, skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{TriggerId, UserId};
    use crate::plan::plan_of;
    use crate::plan::{Absence, plan};
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Arm, Armed, FireRefusal, STAYS_FOR, ScheduleDetails, Terms, just_after};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn skipped(reason: Reason, first: i64, last: i64, count: u64) -> Skipped {
        Skipped { reason, first: at(first), last: at(last), count }
    }

    /// Every ten seconds from second 10 on.
    fn running() -> Trigger {
        let period = Period::from_seconds(10).expect("a period");
        let schedule = Schedule::Every { period, anchor: at(0), first: FirstFiring::OnePeriodLater };
        let definition = Definition {
            name: None,
            schedule: Some(ScheduleDetails::plain(schedule, None)),
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
        let (id, owner) = (TriggerId(1), UserId(1));
        Trigger { id, owner, revision: 1, definition, created_at: at(0), standing_since: at(0) }
    }

    fn pausing(definition: Definition, until: i64) -> Definition {
        Definition { pause: Pause::new(None, Some(at(until))), ..definition.switched(false) }
    }

    /// Paused at second 25 until second 60, which is an occurrence; it waits for that.
    fn paused() -> Trigger {
        let trigger = running();
        let edit = trigger.edit(pausing(trigger.definition.clone(), 60), Some(at(30)), at(25));
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(60))), vec![]));
        edit.trigger
    }

    /// Once, at second 30, and deleted when it is done; paused at second 25.
    fn paused_once(until: Option<i64>) -> Armed {
        let mut trigger = running();
        let terms = Terms { delete_when_done: true, ..Terms::default() };
        let once = Schedule::Once { at: at(30) };
        trigger.definition.schedule = Some(ScheduleDetails::new(once, None, terms, Zones::utc()));
        let paused =
            Definition { pause: Pause::new(None, until.map(at)), ..trigger.definition.clone().switched(false) };
        let armed = Armed { trigger, next_at: Some(at(30)), fired: 0 };
        armed.as_edited(&armed.edit(paused, at(25)))
    }

    #[test]
    fn what_is_deleted_when_it_is_done_goes_two_days_after_a_pause_in_which_its_last_lay() {
        let until_resumed = paused_once(None);
        assert_eq!(until_resumed.next_at, None, "whoever pauses without an end wants it kept");
        let resumed = until_resumed.edit(until_resumed.trigger.definition.clone().switched(true), at(100));
        let goes_at = just_after(at(100)) + STAYS_FOR;
        assert_eq!(resumed.skipped, [skipped(Reason::Paused, 30, 30, 1)]);
        let resumed = until_resumed.as_edited(&resumed);
        assert_eq!((resumed.next_at, resumed.next_firing_at()), (Some(goes_at), None));
        assert_eq!(plan_of(&resumed, goes_at, &[]), Some(crate::plan::Plan::default()), "nothing is left");

        let with_end = paused_once(Some(60));
        assert_eq!(with_end.next_at, Some(at(60) + STAYS_FOR));
        let resumed = with_end.edit(with_end.trigger.definition.clone().switched(true), at(70));
        assert_eq!(resumed.skipped, [skipped(Reason::Paused, 30, 30, 1)], "the pause is told of once it is over");
        let resumed = with_end.as_edited(&resumed);
        let renamed = Definition { name: Some("report".to_owned()), ..resumed.trigger.definition.clone() };
        assert_eq!(resumed.edit(renamed, at(80)).skipped, [], "and once only");
        let again = Schedule::Once { at: at(500) };
        let schedule = Some(ScheduleDetails::plain(again, None));
        let revived = resumed.edit(Definition { schedule, ..resumed.trigger.definition.clone() }, at(90));
        assert_eq!((revived.arm, revived.skipped), (Arm::Set(Some(at(500))), vec![]));
    }

    #[test]
    fn an_edit_between_the_last_firing_and_the_deletion_does_not_leave_it_for_ever() {
        let mut done = paused_once(None);
        done.trigger.definition.enabled = true;
        done.next_at = Some(just_after(at(30)));
        let expiring = Definition { expires_at: Some(at(9_000)), ..done.trigger.definition.clone() };
        let edit = done.edit(expiring, at(31));
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(just_after(at(31)) + STAYS_FOR)), vec![]));
        let paused = done.as_edited(&done.edit(done.trigger.definition.clone().switched(false), at(31)));
        assert_eq!(paused.next_at, None);
        let resumed = paused.edit(paused.trigger.definition.clone().switched(true), at(40));
        assert_eq!(resumed.arm, Arm::Set(Some(just_after(at(40)) + STAYS_FOR)));
    }

    #[test]
    fn it_is_over_at_its_end_and_what_fell_due_is_recorded_with_the_first_firing() {
        let trigger = paused();
        let is_paused = |second: i64| trigger.definition.is_paused_at(at(second));
        assert!(is_paused(25) && is_paused(59) && !is_paused(60));
        let first = plan(&trigger, at(60), at(60), &[]);
        assert_eq!(first.skipped, [skipped(Reason::Paused, 30, 50, 3)]);
        assert_eq!((first.firings.len(), first.firings[0].scheduled_at), (1, at(60)));
        assert_eq!(first.next_at, Some(at(70)));
        assert_eq!(plan(&trigger, at(70), at(70), &[]).skipped, [], "it is written down once");
        assert_eq!(plan(&trigger, at(60), at(59), &[]).skipped, [], "nothing happens before");
    }

    #[test]
    fn whoever_was_away_at_the_end_catches_up_as_ever() {
        let late = plan(&paused(), at(60), at(95), &[Absence { from: at(40), to: at(95) }]);
        assert_eq!(late.skipped, [skipped(Reason::Paused, 30, 50, 3), skipped(Reason::Missed, 60, 80, 3)]);
        assert_eq!(late.firings.iter().map(|firing| firing.scheduled_at).collect::<Vec<_>>(), [at(90)]);
    }

    #[test]
    fn resuming_before_the_end_records_the_pause_and_goes_on_at_once() {
        let trigger = paused();
        let edit = trigger.edit(trigger.definition.clone().switched(true), Some(at(60)), at(45));
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(50))), vec![skipped(Reason::Paused, 30, 40, 2)]));
        let longer = trigger.edit(pausing(trigger.definition.clone(), 100), Some(at(60)), at(45));
        assert_eq!((longer.arm, longer.skipped), (Arm::Set(Some(at(100))), vec![skipped(Reason::Paused, 30, 40, 2)]));
        let for_good = trigger.edit(trigger.definition.clone().switched(false), Some(at(60)), at(45));
        assert_eq!(for_good.arm, Arm::Set(None));
        let mut explained = trigger.definition.clone();
        explained.pause = Pause::new(Some("moving".to_owned()), Some(at(60)));
        assert_eq!(trigger.edit(explained, Some(at(60)), at(45)).arm, Arm::Keep, "a reason moves nothing");
    }

    #[test]
    fn an_edit_after_the_end_takes_nothing_that_is_due_and_records_the_pause_unless_a_plan_has() {
        let trigger = paused();
        let renamed = Definition { name: Some("new".to_owned()), ..trigger.definition.clone().as_of(at(65)) };
        assert!(renamed.enabled && renamed.pause.is_none());
        let before = trigger.edit(renamed.clone(), Some(at(60)), at(65));
        assert_eq!(before.arm, Arm::Set(Some(at(60))), "what is due at the end still fires");
        assert_eq!(before.skipped, [skipped(Reason::Paused, 30, 50, 3)]);
        assert_eq!(before.trigger.standing_since, just_before(at(60)));
        assert_eq!(plan(&before.trigger, at(60), at(66), &[]).skipped, []);
        let after = trigger.edit(renamed.clone(), Some(at(70)), at(65));
        assert_eq!((after.arm, after.skipped), (Arm::Keep, vec![]), "the plan has written it down");
        let again = trigger.edit(pausing(renamed, 200), Some(at(60)), at(75));
        assert_eq!(again.arm, Arm::Set(Some(at(200))));
        let due = skipped(Reason::Superseded, 60, 70, 2);
        assert_eq!(again.skipped, [skipped(Reason::Paused, 30, 50, 3), due]);
    }

    #[test]
    fn an_expiry_before_the_end_leaves_nothing_to_wait_for() {
        let mut trigger = running();
        trigger.definition.expires_at = Some(at(45));
        let edit = trigger.edit(pausing(trigger.definition.clone(), 60), Some(at(30)), at(25));
        assert_eq!(edit.arm, Arm::Set(None));
        let later = Definition { expires_at: None, ..edit.trigger.definition.clone() };
        let moved = edit.trigger.edit(later, None, at(75));
        assert_eq!(moved.arm, Arm::Set(Some(at(80))));
        let (held, expired) = (skipped(Reason::Paused, 30, 40, 2), skipped(Reason::Expired, 50, 50, 1));
        assert_eq!(moved.skipped, [held, expired, skipped(Reason::Expired, 60, 70, 2)]);
    }

    #[test]
    fn a_call_is_refused_until_the_end() {
        let mut trigger = paused();
        trigger.definition.schedule = None;
        assert_eq!(trigger.may_fire(at(59)), Err(FireRefusal::Paused));
        assert_eq!(trigger.may_fire(at(60)), Ok(()));
    }

    #[test]
    fn a_reason_is_a_short_line() {
        assert_eq!(parse_reason("  "), Ok(None));
        assert_eq!(parse_reason(" moving "), Ok(Some("moving".to_owned())));
        assert!(parse_reason("a\nb").is_err() && parse_reason(&"x".repeat(REASON_CHARS_MAX + 1)).is_err());
    }
}
