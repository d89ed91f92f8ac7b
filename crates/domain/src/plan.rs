//! The heart: what a trigger's armed occurrence means now that its time has come. A pure function of the trigger, the
//! occurrence it waited for, the present, and the times in which nobody ran; it fires, skips and says what to wait for next.
//!
//! The rule (contract §4.1): every occurrence that falls due while oncue runs fires, one event each. Of those that fell due
//! in an absence the latest fires, if it is at most [`LATE_AT_MOST`] late, and the others become one record.

use jiff::{SignedDuration, Timestamp};

use crate::occurrence::{Reason, Skipped};
use crate::trigger::{Trigger, just_before};

/// An occurrence later than this is not fired any more.
pub const LATE_AT_MOST: SignedDuration = SignedDuration::from_hours(24);

/// How many occurrences of one trigger one plan fires; the rest waits for the next plan, so that no trigger holds up the others.
pub const FIRINGS_MAX: usize = 64;

/// A time in which nobody ran: from the last sign of life (which it does not contain) to the return (which it does not contain).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The last sign of life.
    pub from: Timestamp,
    /// The return.
    pub to: Timestamp,
}

/// How far the earliest armed occurrence may lie behind the last sign of life before the sign is no longer believed.
const SIGN_TRUSTED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// The absence that ends at `now`, given the last sign of life and the earliest occurrence that is still armed.
///
/// Who runs keeps up: where something is armed long before the sign of life, the database is not the one that was alive
/// then (a restored copy, say), and the absence is counted from that occurrence, so that nothing which the original fired
/// is fired again as if it had just been due. Without any sign of life it is counted from there too.
pub fn absence(sign_of_life: Option<Timestamp>, earliest_armed: Option<Timestamp>, now: Timestamp) -> Option<Absence> {
    let from = match (sign_of_life, earliest_armed) {
        (Some(sign), Some(armed)) if armed < sign - SIGN_TRUSTED_FOR => just_before(armed),
        (Some(sign), _) => sign,
        (None, Some(armed)) => just_before(armed),
        (None, None) => return None,
    };
    (from < now).then_some(Absence { from, to: now })
}

/// One occurrence that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Its nominal time, its identity together with the trigger.
    pub scheduled_at: Timestamp,
    /// Whether it makes up for an absence.
    pub caught_up: bool,
}

/// What is to happen to one trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The occurrences that fire, oldest first.
    pub firings: Vec<Firing>,
    /// The occurrences that do not, oldest first.
    pub skipped: Vec<Skipped>,
    /// The occurrence to wait for afterwards; none when the trigger is finished.
    pub next_at: Option<Timestamp>,
}

/// Plans what a trigger that waited for the occurrence `armed` does at `now`. `absences` are in order and do not overlap.
pub fn plan(trigger: &Trigger, armed: Timestamp, now: Timestamp, absences: &[Absence]) -> Plan {
    let mut plan = Plan { firings: Vec::new(), skipped: Vec::new(), next_at: Some(armed) };
    let definition = &trigger.definition;
    let Some(schedule) = definition.schedule.as_ref().map(|details| &details.schedule) else {
        plan.next_at = None;
        return plan;
    };
    while let Some(due) = plan.next_at.filter(|due| *due <= now) {
        if !definition.lives_at(due) {
            plan.next_at = None;
            break;
        }
        if plan.firings.len() == FIRINGS_MAX {
            break;
        }
        let absence = absences.iter().find(|absence| absence.from < due && due < absence.to);
        let settled = match absence {
            Some(absence) => {
                let expiry = definition.expires_at.unwrap_or(Timestamp::MAX);
                let until = just_before(absence.to.min(expiry)).min(now);
                let latest = schedule.latest_in(just_before(due), until).unwrap_or(due);
                if is_too_late(latest, now) {
                    plan.skipped.extend(Skipped::range(schedule, just_before(due), latest, Reason::Missed));
                } else {
                    plan.skipped.extend(Skipped::range(schedule, just_before(due), just_before(latest), Reason::Missed));
                    plan.firings.push(Firing { scheduled_at: latest, caught_up: true });
                }
                latest
            }
            None if is_too_late(due, now) => {
                // Only a store that could not write for a day brings us here; the bound keeps the way back short.
                let expiry = definition.expires_at.unwrap_or(Timestamp::MAX);
                let absent = absences.iter().map(|absence| absence.from).find(|from| *from >= due).unwrap_or(Timestamp::MAX);
                let until = just_before(now - LATE_AT_MOST).min(absent).min(just_before(expiry));
                let latest = schedule.latest_in(just_before(due), until).unwrap_or(due);
                plan.skipped.extend(Skipped::range(schedule, just_before(due), latest, Reason::Missed));
                latest
            }
            None => {
                plan.firings.push(Firing { scheduled_at: due, caught_up: false });
                due
            }
        };
        plan.next_at = schedule.next_after(settled);
    }
    plan.next_at = plan.next_at.filter(|next| definition.lives_at(*next));
    plan
}

fn is_too_late(due: Timestamp, now: Timestamp) -> bool {
    now.duration_since(due) > LATE_AT_MOST
}
