//! What making many triggers at once would come to, each told in short: in an answer about ten thousand nobody reads a thousand firings of each,
//! and nobody is to wait until they are worked out. Every bound of that is here.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use oncue_domain::effect::Effect;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::NewTrigger;
use serde::Serialize;
use utoipa::ToSchema;

use super::voice::ACCOUNT;
use super::{Asked, Looked, OccurrencesDocument};
use crate::api::time;
use crate::app::Shared;
use crate::fault::Fault;

/// How many firings are told of one.
const FIRINGS_TOLD: usize = 5;

/// Of how many triggers of a call they are: then asking costs no more than half as much again as reading the most that a call holds.
pub(crate) const TRIGGERS_TOLD: usize = 1_000;

/// After so many triggers, whoever else has something to do on this thread does it.
const LOOKED_AT_A_STRETCH: usize = 64;

/// What making one of many triggers would come to.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkDryRun, example = json!({
    "next_at": "2026-11-24T07:00:00Z", "summary": "At 09:00",
    "occurrences": {
        "from": "2026-11-23T08:00:00Z", "until": "2026-11-29T07:00:00Z", "is_whole": false, "kept": 0,
        "added": ["2026-11-24T07:00:00Z", "2026-11-25T07:00:00Z", "2026-11-26T07:00:00Z", "2026-11-27T07:00:00Z", "2026-11-28T07:00:00Z"],
        "removed": [], "moved": []
    },
    "is_told": true
}))]
pub(crate) struct ShortDocument {
    /// The occurrence that it would wait for; null where no schedule would fire it.
    next_at: Option<String>,
    /// Its schedule in words; null where it has none.
    summary: Option<String>,
    /// Its first occurrences, at most 5, as a dry run of the call for one tells them; null where they are not told.
    occurrences: Option<OccurrencesDocument>,
    /// Whether they are: of the first 1 000 triggers with a schedule that the call would make.
    is_told: bool,
}

/// One call that asks about many.
pub(crate) struct Short<'a> {
    app: &'a Shared,
    owner: UserId,
    until: Option<Timestamp>,
    /// How many triggers may still be told of.
    left: AtomicUsize,
}

impl<'a> Short<'a> {
    pub(crate) fn new(app: &'a Shared, owner: UserId, until: Option<Timestamp>) -> Short<'a> {
        Short { app, owner, until, left: AtomicUsize::new(TRIGGERS_TOLD) }
    }

    /// What making each of these would come to, or why it would be refused.
    pub(crate) async fn look(&self, new: Vec<NewTrigger>, now: Timestamp) -> Vec<Result<ShortDocument, Fault>> {
        let freezes = match self.app.store.freezes_of(self.owner, now).await {
            Ok(freezes) => freezes,
            Err(error) => return new.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let asked = Asked { app: self.app, now, until: self.until, voice: &ACCOUNT };
        let (mut told, mut looked) = (Vec::with_capacity(new.len()), Looked::default());
        for (place, one) in new.into_iter().enumerate() {
            if place % LOOKED_AT_A_STRETCH == 0 {
                tokio::task::yield_now().await;
            }
            let is_there = looked.look(self.app, self.owner, &one.definition).await;
            told.push(is_there.map(|()| {
                let made = one.as_made(TriggerId(0), now);
                let schedule = made.trigger.definition.schedule.as_ref();
                let occurrences = (schedule.is_none() || self.takes_one()).then(|| {
                    let zone = asked.zone(schedule);
                    let effect = Effect::of_making(&made, FIRINGS_TOLD, asked.span(&zone), &zone, &freezes);
                    OccurrencesDocument::of(&effect, time)
                });
                ShortDocument {
                    next_at: made.next_firing_at().map(time),
                    summary: schedule.map(|details| details.summary()),
                    is_told: occurrences.is_some(),
                    occurrences,
                }
            }));
        }
        told
    }

    fn takes_one(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}
