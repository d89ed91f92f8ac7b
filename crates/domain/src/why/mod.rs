//! "Why did it not fire?" For any trigger and any instant, past or to come: what became of it or will, why it is no occurrence at all, what
//! decided that, and what to change. The room exists so that nobody has to read a log to learn why a scheduler was silent, and
//! so that the API, the pages and whoever else asks are told the same. It reads the ledger and explains it: what fires is
//! decided in `plan` and `trigger`, what is written down in the stores. No store and no clock may enter.
//!
//! Every occurrence has exactly one disposition. What the ledger says comes first; of what it is silent about the trigger's
//! definition tells the rest, because silence is only left where that can be worked out: while a trigger is paused, after its expiry,
//! before it existed, beyond what is kept, and in time to come. What can be worked out by none of these is [`Verdict::Lost`],
//! which must not happen.
//!
//! A trigger that was deleted is asked about like any other for as long as it is known: what it said last is what it said up to then, and
//! later there is nothing to occur.
//!
//! What a trigger says may be beyond reading. Then nothing is worked out from it: what is on record is told, and of everything else that nobody
//! can tell, with what is wrong with it.
//!
//! - `verdict` lists what can become of an instant; `asked` reads the instant that is asked about, and tells what the clocks did then.
//! - `made` finds the edit that is behind a disposition, and `obstacle` all that stands in the way of what is to come.
//! - `sentence` says an account in English, and what to change.
//! - `taken` finds what a term, the clocks or an exception took away, and `releases` which zone data decided.
//! - `span` gives the whole account of a span.

pub mod asked;
mod made;
mod obstacle;
mod releases;
mod sentence;
pub mod span;
pub mod taken;
#[cfg(test)]
mod tests;
mod verdict;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use crate::actor::Actor;
use crate::agenda::Span;
use crate::event::Origin;
use crate::freeze::{Freeze, frozen_until, pass_over};
use crate::id::TriggerId;
use crate::misfire::Misfire;
use crate::occurrence::{Reason, Skipped};
use crate::overlap::Overlap;
use crate::plan::{self, Absence};
use crate::revision::Deletion;
use crate::schedule::Schedule;
use crate::schedule::jitter::WINDOW_MAX;
use crate::schedule::mismatch::Mismatch;
use crate::schedule::zone::Zone;
use crate::store::{Ledger, LedgerFiring, SkippedView};
use crate::trigger::{Armed, Definition, Kind, Pause, Problem, ScheduleDetails, Trigger, just_before};
use taken::TakenBy;

pub use asked::{Asked, ClockNote};
pub use made::Made;
pub use obstacle::Obstacle;
pub use releases::Releases;
pub use verdict::{NotNamed, Timing, Verdict, WORDS};

/// An occurrence that fires later than this is called late.
pub const LATE_FROM: SignedDuration = SignedDuration::from_secs(1);

/// How far around an instant another may be meant.
const NEAR: SignedDuration = SignedDuration::from_mins(1);

/// What a trigger said for a time that is over.
#[derive(Clone, Debug)]
pub struct Former {
    /// The revision's number.
    pub revision: i64,
    /// When it was made; it decided what was named after this instant, and what had been named and left open by the one before.
    pub from: Timestamp,
    /// When the next one took its place; what was named up to this instant was still its own, but for what was not due yet and was left
    /// open to the next.
    pub until: Timestamp,
    /// Who made it; none where that was not written down yet.
    pub made_by: Option<Actor>,
    /// What it said.
    pub definition: Definition,
}

/// Everything that is known when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The trigger as it stands, or stood when it was deleted, and what it waits for, or waited for then.
    pub armed: &'a Armed,
    /// What is wrong with it where it cannot be read: then `armed` is what is left of it ([`Remains`](crate::trigger::Remains)).
    pub problem: Option<&'a Problem>,
    /// Of one that cannot be read whether what it waits for may be no occurrence but when it goes ([`Remains::may_wait_to_go`](crate::trigger::Remains::may_wait_to_go)).
    pub may_wait_to_go: bool,
    /// The end of the trigger, where it was deleted.
    pub deletion: Option<&'a Deletion>,
    /// How it came to stand so, where that is known.
    pub made: Option<&'a Made>,
    /// What it said before, as far as that is kept, oldest first.
    pub former: &'a [Former],
    /// What is written down of the time around the question.
    pub ledger: &'a Ledger,
    /// The times in which nobody ran that are remembered, in order.
    pub absences: &'a [Absence],
    /// The freezes that concern it and may matter around the question, in order.
    pub freezes: &'a [Freeze],
    /// What was written down at or before this instant is gone.
    pub gone_until: Timestamp,
    /// Since when it has fired as often as it may ([`spent_at`]).
    pub spent_at: Option<Timestamp>,
    /// Whether an event of it is under way that its occurrences are not to overlap; of a trigger that was deleted its end says whether one was.
    pub is_under_way: bool,
    /// Which release of the zone data was in use when.
    pub releases: &'a Releases,
    /// The present.
    pub now: Timestamp,
}

/// What is told about an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which trigger is told of.
    pub trigger: TriggerId,
    /// What was asked about.
    pub asked: Asked,
    /// What is told about: the same, or the nearest occurrence within the same second or minute.
    pub at: Timestamp,
    /// When it falls or fell due: then, or later by its jitter.
    pub due_at: Timestamp,
    /// What became of it.
    pub verdict: Verdict,
    /// What is wrong with the trigger, where it cannot be read.
    pub problem: Option<Problem>,
    /// When that falls due for which a trigger that cannot be read waits; none for any other.
    pub waits_for: Option<Timestamp>,
    /// Whether the trigger fires when it is called, and by no schedule.
    pub is_called: bool,
    /// The edit that is behind it: the one that paused, or came before what was due.
    pub edit: Option<Made>,
    /// What was said of the pause, where one is to blame.
    pub pause: Option<Pause>,
    /// All that stands in the way of it, where it is to come and will not fire, in the order in which it is decided: the verdict names the first.
    pub obstacles: Vec<Obstacle>,
    /// The freeze that is to blame, or holds back what waits, where one does and is remembered.
    pub freeze: Option<Freeze>,
    /// What the clocks did then, where that matters.
    pub clock: Option<ClockNote>,
    /// What took it away, where the schedule would name it otherwise.
    pub taken_by: Option<TakenBy>,
    /// The occurrences before and after it, by what decided.
    pub neighbours: (Option<Timestamp>, Option<Timestamp>),
    /// Which revision decided, where that is known.
    pub revision: Option<i64>,
    /// Which release of the zone data decided.
    pub release: String,
    /// Which one is in use now, and tells what is not on record.
    pub release_now: String,
    /// The revision that decides now, and since when its schedule, expiry and pausing stand as they do.
    pub standing_since: Timestamp,
    /// The end of the trigger, where it was deleted.
    pub deletion: Option<Deletion>,
    /// Whether it was to be deleted once its schedule was done.
    pub is_to_go: bool,
    /// In which zone it is told.
    pub zone: Zone,
    /// What the trigger's schedule is called in sentences.
    pub rule: Option<String>,
    /// What becomes of what falls due while nobody runs, by what decided.
    pub misfire: Misfire,
    /// How often its schedule may fire the trigger, by what decided; none where that is not limited.
    pub max_fires: Option<u64>,
    /// When the trigger expires, by what decided.
    pub expires_at: Option<Timestamp>,
    /// What becomes of what falls due while an event is under way, by what decided.
    pub overlap: Overlap,
    /// The present.
    pub now: Timestamp,
}

/// What decided about an instant.
#[derive(Clone, Copy)]
struct Standing<'a> {
    definition: &'a Definition,
    revision: Option<i64>,
    is_present: bool,
    /// It decided about what fell due after this instant,
    from: Timestamp,
    /// up to and including this one.
    until: Timestamp,
}

impl Standing<'_> {
    fn of(former: &Former) -> Standing<'_> {
        let Former { revision, from, until, definition, .. } = former;
        Standing { definition, revision: Some(*revision), is_present: false, from: *from, until: *until }
    }

    /// When the occurrence of that nominal time fell or falls due by it.
    fn due_at(&self, named: Timestamp) -> Timestamp {
        self.definition.due_later(named).unwrap_or(named)
    }
}

impl Account {
    /// Tells what became of the instant that is asked about, or of the occurrence that is meant by it; in `zone`.
    pub fn of(facts: Facts<'_>, asked: Asked, zone: &Zone) -> Account {
        let at = meant(facts, asked.at);
        let standing = standing_at(facts, at);
        let verdict = verdict(facts, at, standing);
        let decided = match &verdict {
            Verdict::Skipped(view, _) => recorded_by(facts, view, at, standing),
            _ => standing,
        };
        let trigger = &facts.armed.trigger;
        let definition = decided.map_or(&trigger.definition, |standing| standing.definition);
        let details = definition.schedule.as_ref();
        let fired_by = match &verdict {
            Verdict::Fired(firing, ..) => firing.revision,
            _ => None,
        };
        let due_at = match &verdict {
            Verdict::Fired(firing, ..) => firing.due_at.unwrap_or(at),
            Verdict::NoOccurrence(_) => at,
            Verdict::AskedFor(_) => trigger.definition.due_later(at).unwrap_or(at),
            Verdict::Unreadable { .. } => at,
            // Of what is not kept nobody knows how much later that was.
            _ => decided.map_or(at, |standing| standing.due_at(at)),
        };
        let says_nothing = matches!(verdict, Verdict::Deleted | Verdict::Unreadable { .. });
        let told = details.filter(|_| !says_nothing);
        let clock = told.and_then(|details| ClockNote::of(details, &asked, at, zone));
        Account {
            trigger: trigger.id,
            due_at,
            clock,
            taken_by: details.and_then(|details| taken::taken_by(details, &verdict, clock)),
            release: releases::decided(facts, due_at, &verdict),
            release_now: facts.releases.present().to_owned(),
            at,
            neighbours: neighbours(facts, at, standing),
            revision: fired_by.or(decided.and_then(|standing| standing.revision)),
            standing_since: trigger.standing_since,
            deletion: facts.deletion.cloned(),
            is_to_go: trigger.definition.schedule.as_ref().is_some_and(ScheduleDetails::deletes_when_done),
            zone: zone.clone(),
            rule: details.map(rule),
            misfire: details.map(ScheduleDetails::misfire).unwrap_or_default(),
            max_fires: details.and_then(ScheduleDetails::max_fires),
            expires_at: definition.expires_at,
            overlap: definition.overlap,
            now: facts.now,
            edit: made::Edits::of(facts).behind(at, &verdict),
            freeze: freeze_behind(facts, (at, due_at), &verdict),
            pause: definition.pause_at(at).filter(|_| verdict.is_pause()).cloned(),
            obstacles: Obstacle::all(facts, at, standing, &verdict),
            problem: facts.problem.cloned(),
            waits_for: facts.problem.and(facts.armed.next_at),
            is_called: trigger.definition.kind() == Kind::Api,
            verdict,
            asked,
        }
    }

    /// How far the occurrence that is told about lies from what was asked; none where it is the very same.
    pub fn off_by(&self) -> Option<SignedDuration> {
        (self.at != self.asked.at).then(|| self.at.duration_since(self.asked.at))
    }
}

/// When a trigger had fired as often as it may; none where it has not, and where not all of its firings that count are among the latest, each with what
/// made it and when it fired: what became of one that is not may have been anything.
pub fn spent_at(armed: &Armed, latest: impl Iterator<Item = (Origin, Timestamp)>) -> Option<Timestamp> {
    let counts = |origin| matches!(origin, Origin::Schedule | Origin::CatchUp);
    let counted: Vec<Timestamp> = latest.filter(|(origin, _)| counts(*origin)).map(|(_, fired_at)| fired_at).collect();
    let are_all_known = armed.fired <= counted.len() as u64;
    counted.into_iter().max().filter(|_| armed.left() == Some(0) && are_all_known)
}

/// The occurrence that is meant: the one of this very instant, else the nearest within the same second, else within the same minute. Each
/// time what is named then comes before what falls due then.
fn meant(facts: Facts<'_>, asked: Timestamp) -> Timestamp {
    let fired = facts.ledger.firings.iter().filter_map(|firing| Some((firing.due_at?, firing.scheduled_at)));
    let known = |(_, named): &(Timestamp, Timestamp)| standing_at(facts, *named).is_some();
    let said = fall_due_around(&facts.armed.trigger, facts.former, asked).filter(known);
    let due: Vec<(Timestamp, Timestamp)> = fired.chain(said).collect();
    let due_in = |begins: Timestamp, ends: Timestamp| {
        let due = due.iter().filter(|(due, _)| (begins..ends).contains(due));
        due.min_by_key(|(due, _)| (due.duration_since(asked).abs(), *due)).map(|(_, named)| *named)
    };
    let near = [1, 1_000_000, 60_000_000].into_iter().find_map(|unit_us| {
        let begins = asked.as_microsecond().div_euclid(unit_us) * unit_us;
        let begins = Timestamp::from_microsecond(begins).unwrap_or(asked);
        let ends = begins.checked_add(SignedDuration::from_micros(unit_us)).unwrap_or(Timestamp::MAX);
        named_in(facts, asked, begins, ends).or_else(|| due_in(begins, ends))
    });
    near.unwrap_or(asked)
}

/// The occurrence nearest to an instant by its nominal time, of those from `begins` on and before `ends`.
fn named_in(facts: Facts<'_>, asked: Timestamp, begins: Timestamp, ends: Timestamp) -> Option<Timestamp> {
    let named_at = |at: Timestamp| {
        let details = standing_at(facts, at).and_then(|standing| standing.definition.schedule.as_ref());
        details.is_some_and(|details| names(details, at))
    };
    let fired = facts.ledger.firings.iter().map(|firing| firing.scheduled_at);
    let recorded = facts.ledger.skipped.iter().flat_map(|view| {
        let Skipped { reason, first, last, .. } = view.skipped;
        // When an unreadable trigger was replaced nothing occurred.
        [first, if reason == Reason::Unreadable { first } else { last }]
    });
    // Of a trigger that cannot be read nothing else tells of it.
    let waited_for = facts.problem.and(facts.armed.next_at).filter(|_| !facts.may_wait_to_go);
    let known = fired.chain(recorded).chain(waited_for);
    let mut near: Vec<Timestamp> = known.filter(|at| (begins..ends).contains(at)).collect();
    // What decides may change within the unit, and names nothing beyond the time in which it stands.
    let stood = [asked.min(there_until(facts)), begins, just_before(ends)];
    for Standing { definition, from, until, .. } in stood.into_iter().filter_map(|at| standing_at(facts, at)) {
        let Some(details) = &definition.schedule else { continue };
        let before = latest_in(details, just_before(begins).max(from), asked.min(until));
        let after = next_after(details, just_before(asked).max(from)).filter(|next| *next < ends);
        near.extend(before.into_iter().chain(after).filter(|at| named_at(*at)));
    }
    near.into_iter().min_by_key(|at| (at.duration_since(asked).abs(), *at))
}

/// When occurrences fall due around an instant, and their nominal times, where they are spread: who saw one fire, or was told when it
/// would, asks about that time. What a former saying named it may have lost to an edit before it was due, and one that stood when it was due
/// may have been made after its nominal time.
fn fall_due_around<'a>(
    trigger: &'a Trigger,
    former: &'a [Former],
    asked: Timestamp,
) -> impl Iterator<Item = (Timestamp, Timestamp)> + use<'a> {
    let around = move |definition: &Definition| {
        let details = definition.schedule.as_ref().filter(|_| !definition.is_test);
        details.map(|details| due_around(details, asked)).unwrap_or_default()
    };
    let present = around(&trigger.definition).into_iter().filter(|(_, named)| trigger.standing_since < *named);
    // Nobody who asks means what falls due further away than that.
    let reach = (said_from(asked), asked.checked_add(NEAR).unwrap_or(Timestamp::MAX));
    let former = former.iter().filter(move |former| reach.0 <= former.until && former.from <= reach.1);
    let former = former.flat_map(move |former| {
        let stood = |at: Timestamp| former.from < at && at <= former.until;
        around(&former.definition).into_iter().filter(move |(due, named)| stood(*due) || stood(*named))
    });
    present.chain(former)
}

/// The last occurrence that falls due by an instant and the first that does later, where they are spread: when, and their nominal times.
fn due_around(details: &ScheduleDetails, instant: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let Some(jitter) = details.jitter().filter(|_| !details.lacks_share()) else { return Vec::new() };
    let fallen_due = details.due_by(instant);
    let from = instant.checked_sub(jitter.window() + NEAR).unwrap_or(Timestamp::MIN);
    let around = [latest_in(details, from, fallen_due), next_after(details, fallen_due)];
    around.into_iter().flatten().map(|named| (details.due_at(named), named)).collect()
}

/// How far back it has to be known what a trigger said to tell about an instant: who named what fell due then may have been edited since.
pub fn said_from(asked: Timestamp) -> Timestamp {
    asked.checked_sub(WINDOW_MAX + NEAR).unwrap_or(Timestamp::MIN)
}

/// The span of which the ledger has to be known to tell about an instant: the nearest occurrence may lie in the same minute, on either
/// side, and where occurrences are spread the one that fell due then was named before.
pub fn near(trigger: &Trigger, former: &[Former], asked: Timestamp) -> Span {
    let from = asked.checked_sub(NEAR).unwrap_or(Timestamp::MIN);
    let until = asked.checked_add(NEAR).unwrap_or(Timestamp::MAX);
    let due = fall_due_around(trigger, former, asked).filter(|(due, _)| from < *due && *due < until);
    Span { from: due.map(|(_, named)| just_before(named)).fold(from, Timestamp::min), until }
}

/// The occurrences on either side of an instant, by what decided about it, as far as that stood and before its expiry.
fn neighbours(
    facts: Facts<'_>,
    at: Timestamp,
    standing: Option<Standing<'_>>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let trigger = &facts.armed.trigger;
    let definition = standing.map_or(&trigger.definition, |standing| standing.definition);
    let Some(details) = &definition.schedule else { return (None, None) };
    let (from, until) = match standing {
        Some(Standing { from, until, .. }) => (from, until),
        None => (trigger.standing_since, there_until(facts)),
    };
    let before = latest_in(details, from, just_before(at).min(until));
    let after = next_after(details, at.max(from)).filter(|next| *next <= until);
    let lives = |at: &Timestamp| definition.lives_at(*at);
    (before.filter(lives), after.filter(lives))
}

/// Up to when the trigger is there.
fn there_until(facts: Facts<'_>) -> Timestamp {
    facts.deletion.map_or(Timestamp::MAX, |deletion| deletion.at)
}

/// What the trigger said that decided about an instant; none where that is not known, or where there was no trigger.
fn standing_at(facts: Facts<'_>, at: Timestamp) -> Option<Standing<'_>> {
    let trigger = &facts.armed.trigger;
    let former_at = |at| {
        // Each begins where the one before ended: of a trigger that was edited all the time there are thousands, and a span asks as often.
        let ends_there = facts.former.partition_point(|former| former.until < at);
        facts.former.get(ends_there).filter(|former| former.from < at)
    };
    if at > there_until(facts) {
        return None;
    }
    if let Some(before) = facts.problem.and(former_at(at)).map(Standing::of)
        && facts.armed.next_at.is_none_or(|next| before.due_at(at) < next)
    {
        // What cannot be read may have said the same: what it fired and wrote down is told by what can.
        return Some(before);
    }
    if at > trigger.standing_since {
        // The numbers of those that changed other things may have gone up since, until it was due.
        let due = trigger.definition.schedule.as_ref().map_or(at, |details| details.due_at(at));
        let revision = match former_at(due) {
            Some(former) => Some(former.revision),
            None if due > facts.now || facts.made.is_some_and(|made| made.at < due) => Some(trigger.revision),
            None => (trigger.revision == 1).then_some(1),
        };
        let (definition, from) = (&trigger.definition, trigger.standing_since);
        return Some(Standing { definition, revision, is_present: true, from, until: there_until(facts) });
    }
    former_at(at).filter(|_| at > trigger.created_at).map(Standing::of)
}

/// What the trigger said that decided about an occurrence which is on record, where `standing` named it: what had not fallen due when that ended, and
/// was not written down by then, was left to what was said next, as long as that named it and it was not due by that either.
fn recorded_by<'a>(
    facts: Facts<'a>,
    view: &SkippedView,
    at: Timestamp,
    standing: Option<Standing<'a>>,
) -> Option<Standing<'a>> {
    let mut decided = standing?;
    let named_until = decided.until;
    let later = facts.former.partition_point(|former| former.from < named_until);
    for next in &facts.former[later..] {
        let is_left_open = view.recorded_at > decided.until
            && left_open_at(decided.until, decided.definition, &next.definition) == Some(at);
        if !is_left_open {
            break;
        }
        decided = Standing::of(next);
    }
    Some(decided)
}

/// The occurrence that an edit at that instant may have left open: named by then, and due only later by what was said before as by what was said after.
fn left_open_at(edited_at: Timestamp, before: &Definition, after: &Definition) -> Option<Timestamp> {
    let pending =
        |definition: &Definition| definition.schedule.as_ref().filter(|_| !definition.is_test)?.pending_at(edited_at);
    pending(before).filter(|named| pending(after) == Some(*named))
}

fn verdict(facts: Facts<'_>, at: Timestamp, standing: Option<Standing<'_>>) -> Verdict {
    let Facts { armed: Armed { trigger, next_at, .. }, ledger, absences, gone_until, now, .. } = facts;
    let is_deleted = at > there_until(facts);
    if trigger.definition.kind() == Kind::Api && facts.problem.is_none() {
        return if is_deleted { Verdict::Deleted } else { Verdict::OnlyCalled };
    }
    if let Some(firing) = ledger.firings.iter().find(|firing| firing.scheduled_at == at) {
        let due = firing.due_at.unwrap_or(at);
        let absence = absence_around(absences, due).filter(|_| firing.origin == Origin::CatchUp);
        return Verdict::Fired(*firing, timing(firing), absence);
    }
    if let Some(view) = asked_for(facts).filter(|view| covers(view, at, None, &trigger.definition)) {
        return Verdict::AskedFor(*view);
    }
    if let Some(view) = ledger.skipped.iter().find(|view| covers(view, at, standing, &trigger.definition)) {
        let due = recorded_by(facts, view, at, standing).map_or(at, |standing| standing.due_at(at));
        return recorded(facts, view, absence_around(absences, due));
    }
    if let Some(view) = ledger.skipped.iter().find(|view| was_unread(view, at)) {
        return Verdict::Unreadable { is_occurrence: None, record: Some(*view) };
    }
    let is_present = standing.is_none_or(|standing| standing.is_present);
    if facts.problem.is_some() && is_present && at > trigger.standing_since {
        return unread(facts, at);
    }
    let Some(Standing { definition, is_present, .. }) = standing else {
        return match at {
            _ if is_deleted => Verdict::Deleted,
            at if at <= trigger.created_at => Verdict::BeforeCreation,
            at if at <= gone_until => Verdict::Forgotten,
            _ => Verdict::SaidOtherwise,
        };
    };
    let Some(details) = &definition.schedule else { return Verdict::OnlyCalled };
    if definition.is_test {
        return Verdict::OnlyTest;
    }
    if !names(details, at) {
        return Verdict::NoOccurrence(not_named(details, at));
    }
    if let Some(expires_at) = definition.expires_at.filter(|end| *end <= at) {
        return Verdict::Expired(expires_at);
    }
    let due = details.due_at(at);
    if let Some(deletion) = facts.deletion.filter(|_| is_present) {
        let was_waited_for = next_at.is_some_and(|next| next <= due);
        let is_left_out = definition.is_paused_at(at)
            || facts.armed.left() == Some(0)
            || (was_waited_for && is_taken_by_freeze(facts, at));
        let has_met = was_waited_for && due <= deletion.at && deletion.was_under_way;
        match definition.overlap {
            _ if is_left_out => {}
            // It would not have fired; what is queued would have.
            Overlap::Skip if has_met => return Verdict::Behind(Overlap::Skip),
            _ if was_waited_for || deletion.at < due => return Verdict::CutOff,
            _ => {}
        }
    }
    if due > now && is_present && facts.deletion.is_none() {
        return match next_at {
            _ if definition.is_paused_at(at) => Verdict::WouldButPaused,
            _ if freeze_at(facts, due, now).is_some() => Verdict::WouldButFrozen,
            Some(next) if *next <= due => {
                let others = others_before(facts, details, at, *next);
                match facts.armed.left() {
                    Some(left) if left <= others => Verdict::Spent,
                    _ => Verdict::Coming(others),
                }
            }
            _ if facts.armed.left() == Some(0) => Verdict::Spent,
            _ => Verdict::Unarmed,
        };
    }
    // How often a former revision had fired is not looked up; whatever one with a limit left out, its limit did.
    let is_spent = if is_present { facts.armed.left() == Some(0) } else { definition.is_limited() };
    match next_at {
        _ if definition.is_paused_at(at) && (is_present || at > gone_until) => Verdict::Paused,
        Some(next) if is_present && *next <= due && is_taken_by_freeze(facts, at) => Verdict::TakenByFreeze,
        Some(next) if is_present && *next <= due => match definition.overlap {
            overlap if facts.is_under_way && !overlap.is_allowed() => Verdict::Behind(overlap),
            _ => Verdict::Due,
        },
        _ if is_present && facts.spent_at.is_some_and(|spent_at| spent_at < at) => Verdict::Spent,
        _ if at <= gone_until => Verdict::Forgotten,
        _ if is_spent => Verdict::Spent,
        _ if !pattern(details).wall_zones().is_empty() && releases::were_others(facts, due) => Verdict::OtherZoneData,
        _ => Verdict::Lost,
    }
}

/// What is told of an instant that a trigger decides which cannot be read. It fired everything, or wrote down why not, before what it waits for, and
/// nothing from then on; what of that is an occurrence only its schedule could tell, and its jitter when one falls due.
fn unread(facts: Facts<'_>, at: Timestamp) -> Verdict {
    let unreadable = |is_occurrence| Verdict::Unreadable { is_occurrence, record: None };
    let is_accounted_for = |next: &Timestamp| at.checked_add(WINDOW_MAX).is_ok_and(|latest| latest < *next);
    match facts.armed.next_at {
        _ if facts.armed.trigger.definition.kind() == Kind::Api => unreadable(Some(false)),
        Some(next) if next <= at => unreadable((next == at && !facts.may_wait_to_go).then_some(true)),
        _ if at <= facts.gone_until => Verdict::Forgotten,
        next => unreadable(next.filter(is_accounted_for).map(|_| false)),
    }
}

/// Whether it is on record that nobody could read the trigger at that instant.
fn was_unread(view: &SkippedView, at: Timestamp) -> bool {
    let Skipped { reason, first, last, .. } = view.skipped;
    reason == Reason::Unreadable && first <= at && at <= last
}

/// How many fire before the occurrence of `at`, of a trigger that waits for the one of `next`: all that is overdue, but for what a freeze takes and
/// what waits for an event to end and will not.
fn others_before(facts: Facts<'_>, details: &ScheduleDetails, at: Timestamp, next: Timestamp) -> u64 {
    count_in(details, fires_after(facts, details, first_to_fire(facts).unwrap_or(next)), just_before(at))
}

/// The nominal time after which all fire, where `first` is the first that would but for a freeze: what a freeze takes counts as no firing.
fn fires_after(facts: Facts<'_>, details: &ScheduleDetails, first: Timestamp) -> Timestamp {
    match frozen_until(facts.freezes, facts.now).flatten().filter(|end| first < *end) {
        Some(end) => details.due_by(just_before(end)),
        None => just_before(details.named_for(first)),
    }
}

/// The first occurrence that will fire if nothing changes.
fn first_to_fire(facts: Facts<'_>) -> Option<Timestamp> {
    let Facts { armed: Armed { trigger, next_at, .. }, is_under_way, now, .. } = facts;
    let details = trigger.definition.schedule.as_ref()?;
    let terms = (trigger.definition.overlap, trigger.definition.expires_at);
    let left = pass_over(facts.armed, now, facts.freezes).map_or(*next_at, |plan| plan.next_at);
    plan::first_to_fire(details, terms, left?, is_under_way, now)
}

/// What waits because somebody asked for it once more. It is named by what the trigger says now, and none of it fires once that has expired.
fn asked_for<'a>(facts: Facts<'a>) -> Option<&'a SkippedView> {
    let Facts { armed, ledger, now, .. } = facts;
    ledger.backfill.as_ref().filter(|_| armed.trigger.definition.lives_at(now))
}

/// Whether a freeze takes what is due and waits, before that is on record: whoever waits for an event of its own is looked at only once
/// that is over.
fn is_taken_by_freeze(facts: Facts<'_>, at: Timestamp) -> bool {
    let plan = match facts.deletion {
        None => pass_over(facts.armed, facts.now, facts.freezes),
        Some(Deletion { at: deleted_at, .. }) => {
            // What waited until the trigger was deleted was not there any more when one began later.
            let begun = facts.freezes.iter().filter(|freeze| freeze.from <= *deleted_at);
            pass_over(facts.armed, *deleted_at, &begun.cloned().collect::<Vec<_>>())
        }
    };
    let frozen = plan.and_then(|plan| plan.frozen);
    frozen.is_some_and(|frozen| frozen.skipped.first <= at && at <= frozen.skipped.last)
}

/// What a record says. What waits to be caught up with does not fire once the trigger has expired, even before that is recorded.
fn recorded(facts: Facts<'_>, view: &SkippedView, absence: Option<Absence>) -> Verdict {
    let waits = matches!(view.skipped.reason, Reason::Waiting | Reason::Held);
    match facts.armed.trigger.definition.expires_at.filter(|end| waits && *end <= facts.now) {
        Some(end) => Verdict::Expired(end),
        None => {
            let is_absence = matches!(view.skipped.reason, Reason::Missed | Reason::Budget);
            Verdict::Skipped(*view, absence.filter(|_| is_absence))
        }
    }
}

/// The freeze that takes what occurs at `at`, of those that were begun by `known_at`.
fn freeze_at(facts: Facts<'_>, at: Timestamp, known_at: Timestamp) -> Option<&Freeze> {
    facts.freezes.iter().find(|freeze| freeze.from <= known_at && freeze.holds_at(at))
}

/// The freeze that is to blame for what became of an occurrence.
fn freeze_behind(facts: Facts<'_>, (at, due): (Timestamp, Timestamp), verdict: &Verdict) -> Option<Freeze> {
    // What was due when it began is held back as well, and what fell due at the very end may have been already.
    let was_there = |known_at: Timestamp, at: Timestamp| {
        let was_there = |freeze: &&Freeze| freeze.from <= known_at && freeze.until.is_none_or(|end| at <= end);
        facts.freezes.iter().find(was_there)
    };
    let took = |known_at| freeze_at(facts, due, known_at).or_else(|| was_there(known_at, due));
    match verdict {
        Verdict::WouldButFrozen => freeze_at(facts, due, facts.now).cloned(),
        Verdict::TakenByFreeze => took(facts.deletion.map_or(facts.now, |deletion| deletion.at)).cloned(),
        Verdict::Skipped(view, _) if view.skipped.reason == Reason::Frozen => {
            // An edit between the nominal time and when it was due may have made that another.
            took(view.recorded_at).or_else(|| was_there(view.recorded_at, at)).cloned()
        }
        Verdict::Skipped(view, _) | Verdict::AskedFor(view) if view.skipped.reason == Reason::Waiting => {
            facts.freezes.iter().find(|freeze| freeze.stands_at(facts.now)).cloned()
        }
        _ => None,
    }
}

/// Whether a record tells of the occurrence at `at`. A record tells of a run of occurrences by what the trigger said then; where that is
/// not known any more, its ends are certain, and what it says now is the best guess.
fn covers(view: &SkippedView, at: Timestamp, standing: Option<Standing<'_>>, present: &Definition) -> bool {
    let skipped = &view.skipped;
    if skipped.reason == Reason::Unreadable {
        return skipped.first == at;
    }
    if skipped.first == at || skipped.last == at {
        return true;
    }
    let definition = standing.map_or(present, |standing| standing.definition);
    let is_within = skipped.first < at && at < skipped.last;
    is_within && definition.schedule.as_ref().is_some_and(|details| names(details, at))
}

fn timing(firing: &LedgerFiring) -> Timing {
    match firing.origin {
        Origin::CatchUp => Timing::CaughtUp,
        Origin::Backfill => Timing::Backfilled,
        _ if firing.lateness() > LATE_FROM => Timing::Late,
        _ => Timing::OnTime,
    }
}

fn absence_around(absences: &[Absence], at: Timestamp) -> Option<Absence> {
    absences.iter().find(|absence| absence.from < at && at < absence.to).copied()
}

fn not_named(details: &ScheduleDetails, at: Timestamp) -> NotNamed {
    if let Some(taken_away) = details.absent_at(at) {
        return NotNamed::TakenAway(taken_away);
    }
    unnamed(pattern(details), at)
}

fn unnamed(schedule: &Schedule, at: Timestamp) -> NotNamed {
    match schedule {
        Schedule::Once { at } => NotNamed::AnotherTime(*at),
        Schedule::Every { .. } if schedule.latest_in(Timestamp::MIN, at).is_none() => NotNamed::BeforeGrid,
        Schedule::Every { .. } => NotNamed::OffGrid,
        Schedule::Cron { .. } | Schedule::Recurrence(_) => match mismatch(schedule, at) {
            Some(mismatch) if !mismatch.unmet.is_empty() => {
                asked::unnamed_in_gap(schedule, at).unwrap_or(NotNamed::Cron(mismatch))
            }
            Some(mismatch) if at.subsec_nanosecond() == 0 => NotNamed::SecondPass { wall: mismatch.wall },
            Some(mismatch) => NotNamed::Cron(mismatch),
            None => NotNamed::OffGrid,
        },
        Schedule::AnyOf(several) => {
            let each = several.members().iter().map(|member| &member.schedule);
            NotNamed::AnyOf(each.map(|schedule| (rule_of(schedule), unnamed(schedule, at))).collect())
        }
    }
}

/// What a schedule is called in a sentence.
fn rule(details: &ScheduleDetails) -> String {
    rule_of(pattern(details))
}

fn rule_of(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Once { .. } => "once".to_owned(),
        Schedule::Every { period, .. } => format!("every {}", period.as_str()),
        Schedule::Cron { expression, .. } => expression.as_str().to_owned(),
        Schedule::Recurrence(recurrence) => recurrence.summary(),
        Schedule::AnyOf(_) => schedule.summary(),
    }
}

// Whoever asks what a schedule names asks here, so that what narrows it comes in at one place.

fn pattern(details: &ScheduleDetails) -> &Schedule {
    details.pattern()
}

fn next_after(details: &ScheduleDetails, after: Timestamp) -> Option<Timestamp> {
    details.next_after(after)
}

fn latest_in(details: &ScheduleDetails, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
    if until <= after { None } else { details.latest_in(after, until) }
}

fn count_in(details: &ScheduleDetails, after: Timestamp, until: Timestamp) -> u64 {
    if until <= after { 0 } else { details.count_in(after, until) }
}

fn names(details: &ScheduleDetails, at: Timestamp) -> bool {
    next_after(details, just_before(at)) == Some(at)
}

/// The schedule that names an instant: the first that does, where there are several.
fn naming(details: &ScheduleDetails, at: Timestamp) -> &Schedule {
    let pattern = pattern(details);
    let Schedule::AnyOf(several) = pattern else { return pattern };
    several.members().iter().map(|member| &member.schedule).find(|schedule| schedule.names(at)).unwrap_or(pattern)
}

/// What stands between an instant and what a schedule names on the wall.
fn mismatch(schedule: &Schedule, at: Timestamp) -> Option<Mismatch> {
    match schedule {
        Schedule::Cron { expression, zone } => Some(Mismatch::of(expression, zone, at)),
        Schedule::Recurrence(recurrence) => Some(Mismatch::of_recurrence(recurrence, at)),
        Schedule::Once { .. } | Schedule::Every { .. } | Schedule::AnyOf(_) => None,
    }
}

/// The first time on the wall that a schedule names from `from` on and before `to`.
fn first_wall_between(schedule: &Schedule, from: DateTime, to: DateTime) -> Option<DateTime> {
    match schedule {
        Schedule::Cron { expression, .. } => expression.first_wall_between(from, to),
        Schedule::Recurrence(recurrence) => recurrence.first_wall_between(from, to),
        Schedule::Once { .. } | Schedule::Every { .. } | Schedule::AnyOf(_) => None,
    }
}
