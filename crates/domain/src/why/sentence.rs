//! An account in English: one sentence that says what became of the instant, and beside it what the clocks did and what to change.
//! The words stand here alone; what they say is found out in the module above.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::{Account, ClockNote, Made, NotNamed, Obstacle, Verdict};
use crate::actor::Actor;
use crate::freeze::Freeze;
use crate::misfire::Misfire;
use crate::occurrence::Reason;
use crate::overlap::Overlap;
use crate::plan::{Absence, LATE_AT_MOST};
use crate::revision::Deletion;
use crate::schedule::mismatch::{Field, Mismatch, Unmet};
use crate::schedule::observed::Observed;
use crate::schedule::scope::TakenAway;
use crate::schedule::zone::Zone;
use crate::store::{LedgerFiring, SkippedView};
use crate::trigger::OVERDUE_AFTER;

/// A line of advice: borrowed where it is made of nothing but the words that stand in this room, and owned where what somebody wrote is in it,
/// which is told as it is.
type Advice = Cow<'static, str>;

/// What stands for the trigger's number in the addresses of such lines as these ([`Account::numbered`]).
const NUMBER: &str = "{id}";

/// What to do about occurrences that meet an event that is under way.
const NOT_TO_OVERLAP: &str = "An event is under way while a delivery of it is owed or a report of it is expected; overlap says what becomes of what falls due meanwhile: allow, skip or queue.";

/// Where to look for what came of a firing.
const ARRIVED: &str = "Whether it arrived is told by the event's deliveries.";

/// What keeps occurrences from being missed.
const WITHOUT_A_BREAK: &str = "Let oncue run without a break: as a service that is started again when it ends, or as several nodes on one PostgreSQL.";

/// What to do about what lay beyond the bounds of what fires late.
const BEYOND_THE_BOUNDS: &str = "Raise at_most or not_older_than of misfire before the next absence; a backfill fires what this one left: POST /api/v1/triggers/{id}/backfill.";

/// How what a freeze took fires after all.
const AFTER_A_FREEZE: &str = "What falls due during a freeze does not fire later, unless a backfill of that time is asked for: POST /api/v1/triggers/{id}/backfill.";

/// How a trigger that cannot be read fires again.
const REPLACE: [&str; 2] = [
    "Replace it as a whole (PUT /api/v1/triggers/{id}), which needs nothing of what cannot be read, or delete it.",
    "As it stands it fires again once oncue runs in a release that can read it: the newer one that wrote it, or one with newer zone data.",
];

/// How what nobody could read fires after all.
const AFTER_THE_SILENCE: &str =
    "A backfill of that time fires what the trigger names now: POST /api/v1/triggers/{id}/backfill.";

/// Where what waits can be looked at.
const HOW_FAR: &str = "GET /api/v1/backlog says how far it is.";

/// How it is decided about what is held.
const DECIDE: &str = "Release or discard it on the page /ui/backlog, or by its number in GET /api/v1/backlog: POST …/release or …/discard behind that.";

/// How what a pause holds back fires again.
const RESUME: &str = "Resume the trigger; what fell due during the pause does not fire later.";

/// How what the expiry takes fires.
const MOVE_EXPIRY: &str = "Move expires_at to a later time, or leave it out.";

/// How what a limit takes fires.
const LET_FIRE_MORE: &str = "Let max_fires be more, or leave it out.";

/// What to do about a trigger that was deleted.
const MAKE_ANEW: &str = "Make another trigger: GET /api/v1/triggers/{id}/revisions has what this one said, for as long as its events are kept.";

/// How that freeze is ended.
fn thaw(freeze: &Freeze) -> &'static str {
    match freeze.owner {
        None => "The operator can thaw: DELETE /api/v1/freeze?scope=server, or the page /ui/freeze.",
        Some(_) => "Thaw: DELETE /api/v1/freeze, or the page /ui/freeze.",
    }
}

impl Account {
    /// What became of it, in one sentence.
    pub fn sentence(&self) -> String {
        let told = self.told() + &self.told_besides() + &self.told_of_end();
        match self.off_by() {
            Some(off) => {
                let way = if off.is_negative() { "before" } else { "after" };
                format!(
                    "Not at {} but {} {way} it: {}",
                    self.full(self.asked.at),
                    spoken(off.abs()),
                    lower_first(&told)
                )
            }
            None => told,
        }
    }

    /// When it is, and by how much it is spread.
    fn occurrence(&self) -> String {
        let at = self.full(self.at);
        match self.due_at.duration_since(self.at) {
            SignedDuration::ZERO => at,
            later => format!("{at} (due {} later by its jitter)", spoken(later)),
        }
    }

    /// What the trigger does when an occurrence falls due that is to come: its nominal time may be past.
    fn to_come(&self, will: &str) -> String {
        match self.at <= self.now {
            true => {
                format!(
                    "The trigger {will} fire at {} for the occurrence of {}",
                    self.full(self.due_at),
                    self.short(self.at)
                )
            }
            false => format!("The trigger {will} fire at {}", self.occurrence()),
        }
    }

    /// What else holds up what waits in a backlog, to be put behind the reason for that.
    fn held_up(&self) -> String {
        match &self.freeze {
            Some(_) => format!(", and nothing fires while triggers are frozen{}", self.frozen_by("froze")),
            None => String::new(),
        }
    }

    /// Who ended the trigger and when, as a clause.
    fn deleted_by(&self, Deletion { at, by, .. }: &Deletion) -> String {
        let as_asked = if self.is_to_go && *by == Actor::SYSTEM { ", because its schedule was done" } else { "" };
        format!("{} deleted it at {}{as_asked}", person(by), self.moment(*at))
    }

    /// What is told of the end of a trigger beside what became of an instant before.
    fn told_of_end(&self) -> String {
        match (&self.deletion, &self.verdict) {
            (None, _) | (_, Verdict::Deleted | Verdict::CutOff) => String::new(),
            (Some(deletion), _) if self.was_discarded_with(deletion) => String::new(),
            (Some(deletion), _) => format!(" The trigger is deleted: {}.", self.deleted_by(deletion)),
        }
    }

    /// Whether it waited to fire late, and the end of its trigger was the end of that.
    fn was_discarded_with(&self, deletion: &Deletion) -> bool {
        matches!(&self.verdict, Verdict::Skipped(SkippedView { skipped, recorded_at }, _)
            if skipped.reason == Reason::Discarded && *recorded_at == deletion.at)
    }

    /// What else stands in the way of what is to come, to be put behind what decides; empty where nothing does.
    fn told_besides(&self) -> String {
        let besides: Vec<String> = self.obstacles.iter().skip(1).map(|obstacle| self.obstacle(obstacle)).collect();
        match besides.is_empty() {
            true => String::new(),
            false => format!(" This stands in the way as well: {}.", besides.join("; ")),
        }
    }

    /// Something that stands in the way of what is to come, as a clause.
    pub fn obstacle(&self, obstacle: &Obstacle) -> String {
        match obstacle {
            Obstacle::Deleted(deletion) => format!("the trigger is deleted: {}", self.deleted_by(deletion)),
            Obstacle::OnlyTest => "the trigger is only a test".to_owned(),
            Obstacle::TakenAway(taken) => self.taken_away(taken),
            Obstacle::Expired(end) => {
                let verb = if *end > self.now { "expires" } else { "expired" };
                format!("the trigger {verb} at {}", self.moment(*end))
            }
            Obstacle::Paused(pause) => {
                format!("the trigger is paused{}", self.until(pause.as_ref().and_then(|pause| pause.until)))
            }
            Obstacle::Frozen(freeze) => {
                let whose =
                    if freeze.owner.is_some() { "all of this owner's triggers" } else { "everybody's triggers" };
                format!("{whose} are frozen{}", self.until(freeze.until))
            }
            Obstacle::Spent { is_now: true } => "the trigger has fired as often as it may".to_owned(),
            Obstacle::Spent { is_now: false } => "the trigger would have fired as often as it may by then".to_owned(),
        }
    }

    /// What to do about something that stands in the way.
    fn remedy(&self, obstacle: &Obstacle) -> Vec<Advice> {
        match obstacle {
            Obstacle::Deleted(_) => vec![MAKE_ANEW.into()],
            Obstacle::OnlyTest => vec!["Let is_test be false.".into()],
            Obstacle::TakenAway(taken) => self.wanted(&NotNamed::TakenAway(taken.clone())),
            Obstacle::Expired(_) => vec![MOVE_EXPIRY.into()],
            Obstacle::Paused(_) => vec![RESUME.into()],
            Obstacle::Frozen(freeze) => vec![thaw(freeze).into()],
            Obstacle::Spent { .. } => vec![LET_FIRE_MORE.into()],
        }
    }

    fn told(&self) -> String {
        let at = self.occurrence();
        match &self.verdict {
            Verdict::Fired(firing, _, absence) => self.fired(firing, *absence),
            Verdict::Skipped(view, absence) => self.skipped(view, *absence),
            Verdict::AskedFor(view) => {
                let since = self.moment(view.recorded_at);
                let until = match view.skipped.reason {
                    Reason::Held => "it is held until somebody releases or discards it".to_owned(),
                    _ => format!("what is due now comes first{}", self.held_up()),
                };
                format!(
                    "The occurrence of {at} waits, as it has since {since}, to fire because somebody asked for it once more: {until}."
                )
            }
            Verdict::Paused => {
                let end = self.pause_end();
                let is_over = self.deletion.is_some() || end.is_some_and(|end| end <= self.now);
                let since = match &self.edit {
                    Some(edit) => self.paused_by(edit, if is_over { "had paused" } else { "paused" }),
                    None if is_over => String::new(),
                    None => format!(", as it has been at least since {}", self.moment(self.standing_since)),
                };
                let is = if is_over { "was" } else { "is" };
                format!(
                    "The occurrence of {at} did not fire because the trigger {is} paused{}{since}{}.",
                    self.until(end),
                    self.given_reason()
                )
            }
            Verdict::Expired(end) if self.at > self.now => {
                let verb = if *end > self.now { "expires" } else { "expired" };
                format!("The trigger will not fire at {at} because it {verb} at {}.", self.moment(*end))
            }
            Verdict::Expired(end) if self.due_at > self.now => {
                format!("{} because the trigger expired at {}.", self.to_come("will not"), self.moment(*end))
            }
            Verdict::Expired(end) => {
                format!("The occurrence of {at} did not fire because the trigger expired at {}.", self.moment(*end))
            }
            Verdict::Spent if self.due_at > self.now => {
                format!("{} because it will have fired as often as it may by then.", self.to_come("will not"))
            }
            Verdict::Spent => {
                format!("The occurrence of {at} did not fire because the trigger had fired as often as it may.")
            }
            Verdict::Due => {
                let since = self.now.duration_since(self.due_at);
                if since > OVERDUE_AFTER {
                    return format!(
                        "The occurrence of {at} has been due for {} and has not fired: oncue is behind.",
                        spoken(since)
                    );
                }
                format!("The occurrence of {at} is due and about to fire.")
            }
            Verdict::Behind(Overlap::Queue) => format!(
                "The occurrence of {at} waits because an event before it is under way: {}.",
                Overlap::Queue.rule()
            ),
            Verdict::Behind(overlap) => {
                let (does, is) = if self.deletion.is_some() { ("did", "was") } else { ("does", "is") };
                format!(
                    "The occurrence of {at} {does} not fire because an event before it {is} under way: {}.",
                    overlap.rule()
                )
            }
            Verdict::Lost => {
                format!("The occurrence of {at} neither fired nor is it on record why not, which must not happen.")
            }
            Verdict::Forgotten => format!("What became of {at} is not kept any more, apart from counts."),
            Verdict::BeforeCreation => format!("The trigger did not exist at {at}."),
            Verdict::OtherZoneData => format!(
                "Nothing fell due at {at}: the zone data of that time was {}, and only by {}, which is in use now, does the schedule name it.",
                self.release, self.release_now
            ),
            Verdict::SaidOtherwise => format!(
                "Nothing fell due at {at}: until {} the trigger said something else.",
                self.moment(self.standing_since)
            ),
            Verdict::Deleted | Verdict::CutOff => self.deleted(),
            Verdict::Coming(0) => format!("{}, and not before, if nothing changes.", self.to_come("will")),
            Verdict::Coming(others) => {
                let firings =
                    if *others == 1 { "one other firing".to_owned() } else { format!("{others} other firings") };
                format!("{}, after {firings}, if nothing changes.", self.to_come("will"))
            }
            Verdict::WouldButPaused => {
                let by = self.edit.as_ref().map(|edit| self.paused_by(edit, "paused")).unwrap_or_default();
                let until = self.until(self.pause_end());
                format!("{}, but it is paused{until}{by}{}.", self.to_come("would"), self.given_reason())
            }
            Verdict::WouldButFrozen => {
                format!("{}, but triggers are frozen{}.", self.to_come("would"), self.frozen_by("froze"))
            }
            Verdict::TakenByFreeze => {
                let stands = self.freeze.as_ref().is_some_and(|freeze| freeze.stands_at(self.now));
                let (are, did) = if stands { ("are", "froze") } else { ("were", "had frozen") };
                format!("The occurrence of {at} does not fire because triggers {are} frozen{}.", self.frozen_by(did))
            }
            Verdict::Unarmed => format!("{}, but it does not wait for it.", self.to_come("ought to")),
            Verdict::NoOccurrence(why) => self.not_named(why),
            Verdict::OnlyCalled => "No schedule fires this trigger: it fires when it is called.".to_owned(),
            Verdict::OnlyTest => "This trigger is only a test: it is kept, and never scheduled.".to_owned(),
            Verdict::Unreadable { record: Some(view), .. } => format!(
                "Nothing fired at {at}, whether or not the schedule named that: from {} at the latest until it was replaced at {} the trigger could not be read.",
                self.moment(view.skipped.first),
                self.moment(view.recorded_at)
            ),
            Verdict::Unreadable { is_occurrence, record: None } => self.unread(*is_occurrence),
        }
    }

    /// What is told of a trigger that cannot be read.
    fn unread(&self, is_occurrence: Option<bool>) -> String {
        let at = self.full(self.at);
        let problem = self.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
        let is_past = self.at <= self.now;
        if self.is_called {
            return format!("No schedule fires this trigger, and it refuses calls because it cannot be read{problem}.");
        }
        match (is_occurrence, is_past) {
            (_, true) if self.waits_for.is_none() => format!(
                "Nothing is on record at {at}, and whether the schedule names that nobody can tell: the trigger waits for nothing, and cannot be read{problem}."
            ),
            (_, false) if self.waits_for.is_none() => format!(
                "The trigger will not fire at {at}, because it waits for nothing; whether the schedule names that nobody can tell, because it cannot be read{problem}."
            ),
            (Some(true), true) => {
                format!("The occurrence of {at} did not fire because the trigger cannot be read{problem}.")
            }
            (Some(true), false) => format!("The trigger will not fire at {at} because it cannot be read{problem}."),
            (Some(false), _) => format!(
                "Nothing fell due at {at} that is not on record: the trigger, which cannot be read now, waited for {}{problem}.",
                self.waits_for.map(|next| self.moment(next)).unwrap_or_default()
            ),
            (None, true) => format!(
                "Nothing fired at {at}, whether or not the schedule names that, because the trigger cannot be read{problem}."
            ),
            (None, false) => format!(
                "The trigger will not fire at {at}, whether or not the schedule names that, because it cannot be read{problem}."
            ),
        }
    }

    /// What is told where the trigger was deleted before.
    fn deleted(&self) -> String {
        let at = self.occurrence();
        let Some(deletion) = &self.deletion else { return format!("The trigger did not exist any more at {at}.") };
        let by = self.deleted_by(deletion);
        match self.verdict {
            Verdict::Deleted if self.at > self.now => {
                format!("The trigger will not fire at {at} because it is deleted: {by}.")
            }
            Verdict::Deleted => format!("The trigger did not exist any more at {at}: {by}."),
            _ if self.due_at <= deletion.at => {
                format!("The occurrence of {at} was due and did not fire because the trigger was deleted first: {by}.")
            }
            _ => {
                let did = if self.due_at > self.now { "will not fire" } else { "did not fire" };
                format!("The occurrence of {at} {did} because the trigger was deleted before it was due: {by}.")
            }
        }
    }

    fn fired(&self, firing: &LedgerFiring, absence: Option<Absence>) -> String {
        let at = self.occurrence();
        let late = firing.lateness();
        let gone = if firing.is_kept { "" } else { ", which is deleted by now" };
        let event = format!("as event {}{gone}", firing.event);
        match super::timing(firing) {
            super::Timing::OnTime => format!("The occurrence of {at} fired on time, {event}."),
            super::Timing::Late => format!("The occurrence of {at} fired {} late, {event}.", spoken(late)),
            super::Timing::Backfilled => {
                format!(
                    "The occurrence of {at} was backfilled {} late, {event}, because somebody asked for it.",
                    spoken(late)
                )
            }
            super::Timing::CaughtUp => {
                let absent = match absence {
                    Some(absence) => self.stretch(absence),
                    None => "when it was due".to_owned(),
                };
                format!(
                    "The occurrence of {at} was caught up {} late, {event}, because oncue did not run {absent}.",
                    spoken(late)
                )
            }
        }
    }

    fn skipped(&self, view: &SkippedView, absence: Option<Absence>) -> String {
        let at = self.occurrence();
        let recorded = self.moment(view.recorded_at);
        let rule = self.misfire.rule();
        match (view.skipped.reason, absence) {
            (Reason::Missed, Some(absence)) => {
                let stretch = self.stretch(absence);
                match self.limit_of_missed() {
                    Some(times) => format!(
                        "The occurrence of {at} was missed because oncue did not run {stretch}, and did not fire late, because the trigger fires at most {times}: what was left of that went to the newest that were missed."
                    ),
                    None => {
                        format!("The occurrence of {at} was missed because oncue did not run {stretch}: {rule}.")
                    }
                }
            }
            (Reason::Missed, None) => {
                let rule = match self.misfire {
                    // Its bounds are for what an absence left.
                    Misfire::All(_) => "nothing fires more than 24 hours late".to_owned(),
                    Misfire::Latest | Misfire::Skip => rule,
                };
                format!("The occurrence of {at} was missed because nobody could carry it out until {recorded}: {rule}.")
            }
            (Reason::Budget, absence) => {
                let stretch = absence.map_or_else(|| format!("until {recorded}"), |absence| self.stretch(absence));
                format!(
                    "The occurrence of {at} was missed, because oncue did not run {stretch}, and did not fire late, because it lies beyond the bounds of misfire: {rule}."
                )
            }
            (Reason::Paused, _) => {
                let by = self.edit.as_ref().map(|edit| self.paused_by(edit, "had paused")).unwrap_or_default();
                let until = match self.pause_end().filter(|end| *end <= view.recorded_at) {
                    Some(end) => self.until(Some(end)),
                    None => format!(", until {recorded} at most"),
                };
                format!(
                    "The occurrence of {at} did not fire because the trigger was paused{until}{by}{}.",
                    self.given_reason()
                )
            }
            (Reason::Superseded, _) => {
                let (was_due, first) = match view.recorded_at < self.due_at {
                    true => ("", "before it was due"),
                    false => (" was due and", "first"),
                };
                match &self.edit {
                    Some(edit @ Made { revision, .. }) => format!(
                        "The occurrence of {at}{was_due} did not fire because {} edited or paused the trigger {first}, at {recorded}: that made revision {revision}.",
                        editor(edit)
                    ),
                    None => format!(
                        "The occurrence of {at}{was_due} did not fire because the trigger was edited or paused {first}, at {recorded}."
                    ),
                }
            }
            (Reason::Discarded, _) => {
                let why = match self.deletion.as_ref().filter(|deletion| self.was_discarded_with(deletion)) {
                    Some(deletion) => format!("the trigger was deleted first: {}", self.deleted_by(deletion)),
                    None => format!("it was discarded at {recorded}"),
                };
                format!("The occurrence of {at} was missed and waited to fire late, and did not: {why}.")
            }
            (Reason::Waiting, _) if !self.overlap.is_allowed() => format!(
                "The occurrence of {at} was missed and waits, as it has since {recorded}, to fire late: what is due now comes first, and one fires at a time, because the trigger does not let events overlap{}.",
                self.held_up()
            ),
            (Reason::Waiting, _) => format!(
                "The occurrence of {at} was missed and waits, as it has since {recorded}, to fire late: what is due now comes first{}.",
                self.held_up()
            ),
            (Reason::Held, _) => format!(
                "The occurrence of {at} was missed and is held, as it has been since {recorded}, until somebody releases or discards it."
            ),
            (Reason::Overlap, _) if view.recorded_at.duration_since(view.skipped.last) > LATE_AT_MOST => format!(
                "The occurrence of {at} did not fire because an event before it was under way, until {recorded} at most: nothing fires more than 24 hours late."
            ),
            (Reason::Overlap, _) => format!(
                "The occurrence of {at} did not fire because an event before it was under way, until {recorded} at most: {}.",
                Overlap::Skip.rule()
            ),
            (Reason::Merged, _) => format!(
                "The occurrence of {at} was merged into a later one, because an event before it was under way, until {recorded} at most: {}.",
                Overlap::Queue.rule()
            ),
            (Reason::Frozen, _) => {
                format!(
                    "The occurrence of {at} did not fire because triggers were frozen{}.",
                    self.frozen_by("had frozen")
                )
            }
            (Reason::Unreadable, _) => format!(
                "The occurrence of {at} did not fire because the trigger could not be read, until it was replaced at {recorded}."
            ),
            (Reason::Expired, _) => match self.expires_at {
                Some(end) if self.at < end => format!(
                    "The occurrence of {at} was missed and waited to fire late, and did not: the trigger expired first, at {}.",
                    self.moment(end)
                ),
                Some(_) => format!(
                    "The occurrence of {at} did not fire because the trigger had expired, and was edited only later, at {recorded}."
                ),
                None => format!(
                    "The occurrence of {at} did not fire because the trigger had expired, as was recorded at {recorded}."
                ),
            },
        }
    }

    /// How often the trigger fires at most, in words, where that alone keeps what was missed in an absence from firing late: one that catches up with all
    /// has its bounds answer for the rest.
    fn limit_of_missed(&self) -> Option<String> {
        let most = self.max_fires.filter(|_| matches!(self.misfire, Misfire::All(_)))?;
        Some(if most == 1 { "once".to_owned() } else { format!("{most} times") })
    }

    /// By whom, since when and until when, to be put behind what says that triggers are or were frozen.
    fn frozen_by(&self, did: &str) -> String {
        let Some(freeze) = &self.freeze else { return String::new() };
        let whose = if freeze.owner.is_some() { "all of this owner's" } else { "everybody's" };
        let reason =
            freeze.reason.as_ref().map(|reason| format!(". The reason given: {}", reason.trim_end_matches('.')));
        format!(
            "{}: {} {did} {whose} at {}{}",
            self.until(freeze.until),
            freeze.told_by_name(),
            self.moment(freeze.from),
            reason.unwrap_or_default()
        )
    }

    /// When the pause is or was over, where that was said.
    fn pause_end(&self) -> Option<Timestamp> {
        self.pause.as_ref()?.until
    }

    /// Until when, to be put behind what says that the trigger is or was paused.
    fn until(&self, end: Option<Timestamp>) -> String {
        end.map(|end| format!(" until {}", self.moment(end))).unwrap_or_default()
    }

    /// Why it is paused, to be put behind that; empty where nobody said.
    fn given_reason(&self) -> String {
        let reason = self.pause.as_ref().and_then(|pause| pause.reason.as_ref());
        reason.map(|reason| format!(". The reason given: {}", reason.trim_end_matches('.'))).unwrap_or_default()
    }

    /// By whom and when, to be put behind what says that the trigger is or was paused.
    fn paused_by(&self, edit: &Made, did: &str) -> String {
        let when = self.moment(edit.at);
        match edit.revision {
            1 => format!(": {} made it so at {when}", editor(edit)),
            revision => format!(": {} {did} it at {when}, with revision {revision}", editor(edit)),
        }
    }

    fn not_named(&self, why: &NotNamed) -> String {
        let at = self.full(self.at);
        let rule = self.rule.as_deref().unwrap_or_default();
        let near = self.near();
        match why {
            NotNamed::AnotherTime(once) => {
                format!("The trigger does not fire at {at}: it fires once, at {}.", self.short(*once))
            }
            NotNamed::TakenAway(taken) => {
                let term = self.taken_away(taken);
                format!("\"{rule}\" would name {at}, but {term}{near}.")
            }
            NotNamed::BeforeGrid => format!("\"{rule}\" does not name {at}: it had not begun then{near}."),
            NotNamed::OffGrid => {
                let between = match self.neighbours {
                    (Some(before), Some(after)) => format!(
                        "it lies {} after {} and {} before {}",
                        spoken(self.at.duration_since(before)),
                        self.short(before),
                        spoken(after.duration_since(self.at)),
                        self.short(after)
                    ),
                    _ => format!("it lies beside its grid{near}"),
                };
                format!("\"{rule}\" does not name {at}: {between}.")
            }
            NotNamed::SecondPass { .. } => {
                format!(
                    "\"{rule}\" does not name {at}: the clocks showed it a second time, and it fires the first time only{near}."
                )
            }
            NotNamed::LeftOut { wall, .. } => format!(
                "\"{rule}\" does not name {at}: the clocks went forward then over {}, which it names, and what they leave out does not occur{near}.",
                face(*wall)
            ),
            NotNamed::Cron(mismatch) => format!("\"{rule}\" does not name {at}: {}{near}.", unmet(mismatch)),
            NotNamed::AnyOf(each) => {
                let clauses = each.iter().map(|(rule, why)| format!("\"{rule}\" does not, {}", self.because(why)));
                format!("None of its schedules names {at}: {}{near}.", clauses.collect::<Vec<_>>().join("; "))
            }
        }
    }

    /// Which term of the schedule takes the instant away, as a clause.
    fn taken_away(&self, taken: &TakenAway) -> String {
        match taken {
            TakenAway::BeforeStart(start) => format!("it counts only from {} on", self.moment(*start)),
            TakenAway::AfterEnd(end) => format!("it counts only until {}", self.moment(*end)),
            TakenAway::Excluded(day) => format!("{} is an excluded date", date(day.at(0, 0, 0, 0))),
            TakenAway::InCalendars(day, holding) => {
                format!("{} stands in {}", date(day.at(0, 0, 0, 0)), calendars(holding))
            }
        }
    }

    /// Why one of several schedules does not name the instant.
    fn because(&self, why: &NotNamed) -> String {
        match why {
            NotNamed::AnotherTime(once) => format!("as it fires once, at {}", self.short(*once)),
            NotNamed::BeforeGrid => "as it had not begun then".to_owned(),
            NotNamed::OffGrid => "as this lies beside its grid".to_owned(),
            NotNamed::SecondPass { .. } => "as the clocks had shown the time before".to_owned(),
            NotNamed::LeftOut { wall, .. } => format!("as the clocks went forward over {}", face(*wall)),
            NotNamed::Cron(mismatch) => format!("as {}", unmet(mismatch)),
            NotNamed::TakenAway(_) | NotNamed::AnyOf(_) => "as it is taken away".to_owned(),
        }
    }

    /// The neighbours, to be put behind a clause; empty where there are none.
    fn near(&self) -> String {
        match self.neighbours {
            (Some(before), Some(after)) => {
                format!("; its neighbours are {} and {}", self.short(before), self.short(after))
            }
            (None, Some(after)) => format!("; the first that counts is {}", self.short(after)),
            (Some(before), None) => format!("; the last that counts is {}", self.short(before)),
            (None, None) => String::new(),
        }
    }

    /// What the clocks did then, in a sentence of its own.
    pub fn clock_sentence(&self) -> Option<String> {
        Some(match self.clock? {
            ClockNote::LeftOut { wall, from, to, is_asked, .. } => {
                let went = if from.date() == to.date() {
                    format!("the clocks went forward from {} to {} on {}", face(from), face(to), date(from))
                } else {
                    format!(
                        "the clocks went forward from {} on {} to {} on {}",
                        face(from),
                        date(from),
                        face(to),
                        date(to)
                    )
                };
                if !is_asked {
                    return Some(format!("It stands for {}, which did not exist: {went}.", face(wall)));
                }
                let skipped =
                    if wall.date() == from.date() { face(wall) } else { format!("{} {}", date(wall), face(wall)) };
                format!("{skipped} did not exist: {went}; told is what follows the gap.")
            }
            ClockNote::Twice { wall, first, second } => {
                let (first, second) = (utc(first), utc(second));
                format!("The clocks showed {} twice on {}: at {first} and at {second}.", face(wall), date(wall))
            }
        })
    }

    /// What somebody could change who wants it otherwise, or what would prevent what is to come.
    pub fn advice(&self) -> Vec<String> {
        self.advised().into_iter().map(|line| self.numbered(line)).collect()
    }

    fn advised(&self) -> Vec<Advice> {
        if self.deletion.is_some() {
            // Of a trigger that is there no more nothing can be changed.
            let missed = |view: &SkippedView| matches!(view.skipped.reason, Reason::Missed | Reason::Budget);
            let without_a_break = match &self.verdict {
                Verdict::Fired(_, super::Timing::CaughtUp, _) => true,
                Verdict::Skipped(view, _) => missed(view),
                _ => false,
            };
            let arrived = matches!(&self.verdict, Verdict::Fired(firing, ..) if firing.is_kept).then_some(ARRIVED);
            return arrived
                .into_iter()
                .chain(without_a_break.then_some(WITHOUT_A_BREAK))
                .chain([MAKE_ANEW])
                .map(Advice::from)
                .collect();
        }
        let mut lines: Vec<Advice> = match &self.verdict {
            Verdict::Fired(_, super::Timing::CaughtUp, _) => vec![WITHOUT_A_BREAK.into()],
            Verdict::Skipped(SkippedView { skipped: crate::occurrence::Skipped { reason: Reason::Missed, .. }, .. }, Some(_))
                if self.limit_of_missed().is_some() =>
            {
                vec![LET_FIRE_MORE.into(), WITHOUT_A_BREAK.into()]
            }
            Verdict::Skipped(SkippedView { skipped: crate::occurrence::Skipped { reason: Reason::Missed, .. }, .. }, _) => {
                let late = (self.misfire == Misfire::Skip).then_some("Leave misfire out, and the latest of what is missed fires late.");
                [WITHOUT_A_BREAK].into_iter().chain(late).map(Advice::from).collect()
            }
            Verdict::Fired(_, super::Timing::Backfilled, _) => {
                vec!["The audit log says who asked for the backfill.".into()]
            }
            Verdict::Fired(_, super::Timing::Late, _) if self.overlap == Overlap::Queue => {
                vec![NOT_TO_OVERLAP.into(), "What is late beyond that is oncue's own: /healthz/schedule and /metrics say how it keeps time.".into()]
            }
            Verdict::Fired(_, super::Timing::Late, _) => {
                vec!["Lateness beyond a second is oncue's own: /healthz/schedule and /metrics say how it keeps time.".into()]
            }
            Verdict::Fired(..) => vec![ARRIVED.into()],
            Verdict::Skipped(view, _) => match view.skipped.reason {
                Reason::Superseded => vec!["An edit holds at once, also for what is due at that moment; edit between two occurrences.".into()],
                Reason::Expired => vec!["Leave expires_at out, or move it before it has passed.".into()],
                Reason::Overlap | Reason::Merged => vec![NOT_TO_OVERLAP.into()],
                Reason::Discarded => vec!["A backfill of that time fires it after all: POST /api/v1/triggers/{id}/backfill.".into()],
                Reason::Waiting => self.thaw().into_iter().chain([HOW_FAR.into()]).collect(),
                Reason::Held => vec![DECIDE.into()],
                Reason::Budget => vec![BEYOND_THE_BOUNDS.into(), WITHOUT_A_BREAK.into()],
                Reason::Missed | Reason::Paused => vec!["What falls due during a pause does not fire later; a test sends the payload now.".into()],
                Reason::Frozen => vec![AFTER_A_FREEZE.into()],
                Reason::Unreadable => vec![AFTER_THE_SILENCE.into()],
            },
            Verdict::Unreadable { record: Some(_), .. } => vec![AFTER_THE_SILENCE.into()],
            Verdict::Unreadable { .. } => {
                // What waits for nothing fires no more for being read again.
                let helps = [true, self.is_called || self.waits_for.is_some()];
                REPLACE.into_iter().zip(helps).filter(|(_, helps)| *helps).map(|(line, _)| line.into()).collect()
            }
            Verdict::AskedFor(view) if view.skipped.reason == Reason::Held => vec![DECIDE.into()],
            Verdict::AskedFor(_) => self.thaw().into_iter().chain([HOW_FAR.into()]).collect(),
            Verdict::Paused if self.pause_end().is_some_and(|end| end <= self.now) => {
                vec!["What falls due during a pause does not fire later; a test sends the payload now.".into()]
            }
            Verdict::Paused | Verdict::WouldButPaused => vec![RESUME.into()],
            Verdict::WouldButFrozen => self.thaw().into_iter().collect(),
            Verdict::TakenByFreeze => vec![AFTER_A_FREEZE.into()],
            Verdict::Expired(_) => vec![MOVE_EXPIRY.into()],
            Verdict::Spent => vec![LET_FIRE_MORE.into()],
            Verdict::Behind(_) => vec![NOT_TO_OVERLAP.into()],
            Verdict::Due => vec!["/healthz/schedule says whether oncue keeps time.".into()],
            Verdict::Deleted | Verdict::CutOff => vec![MAKE_ANEW.into()],
            Verdict::Lost | Verdict::Unarmed => vec![
                "Pausing and resuming the trigger arms it anew; please report this, with the log of that time.".into(),
            ],
            Verdict::Forgotten => vec!["Ask earlier, or let --keep-for be longer.".into()],
            Verdict::BeforeCreation | Verdict::SaidOtherwise | Verdict::OtherZoneData | Verdict::OnlyTest => Vec::new(),
            Verdict::Coming(_) => [
                "Pausing, deleting or rescheduling the trigger before would prevent it, and so would an expiry that is not after it.".into(),
                match &self.misfire {
                    Misfire::All(_) => "Should oncue not run then, it fires late, with all that this trigger misses within its bounds.",
                    Misfire::Latest => "Should oncue not run then, it fires when oncue is back: the latest of what was missed, at most 24 hours late.",
                    Misfire::Skip => "Should oncue not run then, it does not fire at all: what this trigger misses is skipped.",
                }
                .into(),
            ]
            .into_iter()
            .chain(self.should_it_overlap().map(Advice::from))
            .collect(),
            Verdict::OnlyCalled => vec!["Call POST /api/v1/triggers/{id}/fire, or make a trigger of the type scheduled.".into()],
            Verdict::NoOccurrence(why) => self.wanted(why),
        };
        for line in self.obstacles.iter().skip(1).flat_map(|obstacle| self.remedy(obstacle)) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    /// That line with the trigger's number in its address.
    fn numbered(&self, line: Advice) -> String {
        match line {
            Advice::Borrowed(words) => words.replace(NUMBER, &self.trigger.to_string()),
            Advice::Owned(line) => line,
        }
    }

    /// What becomes of it should an event of the trigger's be under way then.
    fn should_it_overlap(&self) -> Option<&'static str> {
        match self.overlap {
            Overlap::Allow => None,
            Overlap::Skip => Some("Should an event of the trigger's be under way then, it does not fire."),
            Overlap::Queue => Some(
                "Should an event of the trigger's be under way then, it fires once that has ended, unless a later one fires in its place.",
            ),
        }
    }

    /// How the freeze is ended.
    fn thaw(&self) -> Option<Advice> {
        Some(thaw(self.freeze.as_ref()?).into())
    }

    /// What to change so that the schedule names the instant.
    fn wanted(&self, why: &NotNamed) -> Vec<Advice> {
        match why {
            NotNamed::AnotherTime(_) => {
                vec!["Set run_at to the time that is wanted, or use cron for more than one.".into()]
            }
            NotNamed::TakenAway(TakenAway::BeforeStart(_)) => {
                vec!["Move starts_at to an earlier time, or leave it out.".into()]
            }
            NotNamed::TakenAway(TakenAway::AfterEnd(_)) => {
                vec!["Move ends_at to a later time, or leave it out.".into()]
            }
            NotNamed::TakenAway(TakenAway::Excluded(day)) => vec![format!("Take {day} out of excluded_dates.").into()],
            NotNamed::TakenAway(TakenAway::InCalendars(day, holding)) => {
                let calendars = calendars(holding);
                vec![format!("Take {day} out of {calendars}, or take that out of except_calendars.").into()]
            }
            // Any of them would do, so that a word about each would be a heap of contradictions.
            NotNamed::AnyOf(_) => {
                vec![
                    "Add a schedule to any_of that names the time, or change the one of them that is nearest to it."
                        .into(),
                ]
            }
            NotNamed::BeforeGrid => vec!["Set start_at to the first time that is wanted.".into()],
            NotNamed::OffGrid => vec![
                "Set start_at to a time that the grid is to meet; for the same time on the wall every day use cron."
                    .into(),
            ],
            NotNamed::SecondPass { .. } => {
                vec!["Set fold to both_passes, or let the schedule be in UTC, which has no such hour.".into()]
            }
            NotNamed::LeftOut { may_fire: true, .. } => {
                vec!["Set gap to at_its_end: then it fires right after.".into()]
            }
            NotNamed::LeftOut { .. } => vec!["Let the schedule name another day as well.".into()],
            // What follows the gap is compared with the line, and is not what was asked for.
            NotNamed::Cron(_) if matches!(self.clock, Some(ClockNote::LeftOut { is_asked: true, .. })) => {
                vec!["Let the schedule name a time that the clocks show on that day as well.".into()]
            }
            NotNamed::Cron(mismatch) => {
                let unmet: Vec<&Unmet> = match mismatch.takes_either_day {
                    // Either of the two is enough.
                    true => mismatch.unmet.iter().filter(|unmet| unmet.field != Field::DayOfMonth).collect(),
                    false => mismatch.unmet.iter().collect(),
                };
                let words = unmet.iter().map(|unmet| {
                    let Unmet { field, wanted, shown } = unmet;
                    match field {
                        Field::Start => "Let the rule start earlier, with start_at or DTSTART.".into(),
                        Field::Until => "Move UNTIL to a later time, or leave it out.".into(),
                        Field::Count => "Raise COUNT, or leave it out.".into(),
                        Field::Exception => format!("Take {wanted} out of the EXDATE lines.").into(),
                        Field::Interval => "Let the rule start in another of them, or make INTERVAL smaller.".into(),
                        field => format!("Let the {} ({wanted}) take {shown} as well.", field.name()).into(),
                    }
                });
                words.collect()
            }
        }
    }

    /// An instant with its zone: "Mon 30 Nov 2026 09:00 Europe/Riga".
    fn full(&self, at: Timestamp) -> String {
        format!("{} {}", self.short(at), self.zone.name())
    }

    /// A moment at which nothing falls due, to the second, with its zone.
    fn moment(&self, at: Timestamp) -> String {
        self.full(to_the_second(at))
    }

    /// From when to when nobody ran, in one zone.
    fn stretch(&self, Absence { from, to }: Absence) -> String {
        format!("from {} to {}", self.short(to_the_second(from)), self.moment(to))
    }

    /// An occurrence beside the one that is told of, whose zone is the same.
    fn short(&self, at: Timestamp) -> String {
        on_clock(at, &self.zone)
    }
}

/// People do not want to know more exactly when something was written down.
fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Who made a revision, and from where.
fn editor(edit: &Made) -> String {
    edit.by.as_ref().map_or_else(|| "somebody".to_owned(), person)
}

/// Who it was, and from where.
fn person(by: &Actor) -> String {
    match by {
        Actor { who, address: Some(address), .. } => format!("{who} (from {address})"),
        Actor { who, .. } => who.to_string(),
    }
}

/// Which fields the clock does not meet.
fn unmet(mismatch: &Mismatch) -> String {
    let days = |unmet: &&Unmet| matches!(unmet.field, Field::DayOfMonth | Field::DayOfWeek);
    let mut clauses: Vec<String> = Vec::new();
    for unmet in mismatch.unmet.iter().filter(|unmet| !(mismatch.takes_either_day && days(unmet))) {
        clauses.push(match unmet.field {
            Field::Start => format!("it starts only with {}", unmet.wanted),
            Field::Until => format!("its last time is {} at the latest", unmet.wanted),
            Field::Count => format!("it counts {} times, which all lie before", unmet.wanted),
            Field::Exception => format!("{} is one of its exceptions", unmet.wanted),
            field => format!("the {}, {}, does not match {}", field.name(), unmet.shown, unmet.wanted),
        });
    }
    if mismatch.takes_either_day
        && let [.., day, weekday] = &mismatch.unmet.iter().filter(days).collect::<Vec<_>>()[..]
    {
        let (month_day, week_day) = (&day.shown, &weekday.shown);
        clauses.push(format!(
            "neither the day of the month, {month_day}, matches {} nor the day of the week, {week_day}, {}",
            day.wanted, weekday.wanted
        ));
    }
    match clauses.as_slice() {
        [] => "it names whole seconds only".to_owned(),
        [one] => one.clone(),
        [all @ .., last] => format!("{}, and {last}", all.join(", ")),
    }
}

fn on_clock(at: Timestamp, zone: &Zone) -> String {
    let wall = zone.time_zone().to_datetime(at);
    format!("{} {}", date(wall), face(wall))
}

fn utc(at: Timestamp) -> String {
    format!("{} UTC", face(jiff::tz::Offset::UTC.to_datetime(at)))
}

fn date(wall: DateTime) -> String {
    wall.strftime("%a %-d %b %Y").to_string()
}

/// The time of day as short as it goes.
fn face(wall: DateTime) -> String {
    let format = match (wall.second(), wall.subsec_nanosecond()) {
        (0, 0) => "%H:%M",
        (_, 0) => "%H:%M:%S",
        _ => "%H:%M:%S%.f",
    };
    wall.strftime(format).to_string()
}

/// A span of time as people say it, in two units at most.
pub(super) fn spoken(span: SignedDuration) -> String {
    let millis = span.as_millis().abs();
    if millis < 1_000 {
        return format!("{millis} ms");
    }
    if millis < 60_000 {
        let tenths = millis / 100;
        return if tenths % 10 == 0 {
            format!("{} s", tenths / 10)
        } else {
            format!("{}.{} s", tenths / 10, tenths % 10)
        };
    }
    let seconds = millis / 1_000;
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let counted_days = |days: i128| if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    match (days, hours, minutes, rest) {
        (0, 0, minutes, 0) => format!("{minutes} min"),
        (0, 0, minutes, rest) => format!("{minutes} min {rest} s"),
        (0, hours, 0, _) => format!("{hours} h"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, 0, ..) => counted_days(days),
        (days, hours, ..) => format!("{} {hours} h", counted_days(days)),
    }
}

fn lower_first(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// These calendars, by name.
fn calendars(holding: &[Arc<Observed>]) -> String {
    let quoted: Vec<String> = holding.iter().map(|calendar| format!("\"{}\"", calendar.name)).collect();
    match quoted.as_slice() {
        [only] => format!("the calendar {only}"),
        [most @ .., last] => format!("the calendars {} and {last}", most.join(", ")),
        [] => "a calendar".to_owned(),
    }
}
