//! What one user can observe of counts, firings in short and what needs attention, in a form that is the same on both sides.

use std::collections::BTreeSet;

use jiff::Timestamp;
use oncue_domain::access::Session;
use oncue_domain::count::HourCount;
use oncue_domain::firing::Firing;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::occurrence::Skipped;
use oncue_domain::store::{Attention, EventFilter, RecentFirings, Store};
use oncue_domain::trigger::TriggerHead;

use super::Known;

#[derive(Debug, PartialEq)]
pub(super) struct Summary {
    heads: Vec<TriggerHead>,
    soonest: Vec<TriggerHead>,
    attention: Attention,
    sessions: Vec<Session>,
    counts: Vec<HourCount>,
    own_counts: Vec<Vec<HourCount>>,
    runs: Vec<Vec<Skipped>>,
    firings: Vec<RecentFirings>,
    gone: Vec<Option<(TriggerId, Firing)>>,
    event_counts: Vec<u64>,
}

impl Summary {
    pub(super) async fn of(store: &dyn Store, owner: UserId, known: &Known) -> Summary {
        let (now, gone_until) = (known.now, known.now - jiff::SignedDuration::from_hours(1));
        let triggers: Vec<TriggerId> = known.triggers.iter().map(|(_, id)| *id).collect();
        let mut own_counts = Vec::new();
        let all = store.skipped_counts(owner, None, Timestamp::MIN, Timestamp::MAX).await;
        let mut runs = vec![all.expect("runs")];
        let mut filters = vec![EventFilter { fired_after: Some(gone_until), ..EventFilter::default() }];
        for id in &triggers {
            let counts = store.hour_counts(owner, Some(*id), Timestamp::MIN, Timestamp::MAX).await.expect("counts");
            // One that was deleted so long ago may be forgotten on one side alone.
            let is_there = store.trigger(owner, *id).await.expect("an answer").is_some();
            let is_known = store.deleted_trigger(owner, *id, known.gone_until).await.expect("an answer").is_some();
            own_counts.push(if is_there || is_known { counts } else { Vec::new() });
            let own = store.skipped_counts(owner, Some(*id), Timestamp::MIN, Timestamp::MAX).await;
            runs.push(own.expect("runs"));
            filters.push(EventFilter { trigger: Some(*id), ..EventFilter::default() });
        }
        let mut firings = store.recent_firings(owner, triggers, gone_until, 1000).await.expect("firings");
        let mut gone = Vec::new();
        for firing in firings.iter_mut().flat_map(|recent| &mut recent.firings) {
            let found = store.gone_firing(owner, firing.event, gone_until).await.expect("an answer");
            *firing = without_number(*firing);
            gone.push(found.map(|(trigger, firing)| (trigger, without_number(firing))));
        }
        let mut attention = store.attention(owner, gone_until, now).await.expect("an answer");
        for (_, firing) in &mut attention.failing {
            *firing = without_number(*firing);
        }
        Summary {
            heads: store.trigger_heads(owner, 1000).await.expect("a list"),
            soonest: store.soonest(owner, 5).await.expect("a list"),
            attention,
            sessions: store.sessions(owner, now).await.expect("a list"),
            counts: store.hour_counts(owner, None, Timestamp::MIN, Timestamp::MAX).await.expect("counts"),
            own_counts,
            runs,
            firings,
            gone,
            event_counts: store.count_events(owner, filters, 20).await.expect("counts"),
        }
    }

    /// What of it is more than "nothing".
    pub(super) fn note(&self, done: &mut BTreeSet<&'static str>) {
        let has_ended = |count: &HourCount| count.delivered > 0 && count.failed > 0 && count.skipped > 0;
        for (method, is_done) in [
            ("trigger_heads", !self.heads.is_empty()),
            ("soonest", !self.soonest.is_empty()),
            ("attention", !self.attention.overdue.is_empty() && !self.attention.failing.is_empty()),
            ("sessions", !self.sessions.is_empty()),
            ("hour_counts", self.counts.iter().chain(self.own_counts.iter().flatten()).any(has_ended)),
            ("skipped_counts", self.runs.iter().any(|runs| runs.len() > 2)),
            ("recent_firings", self.firings.iter().any(|recent| recent.firings.len() > 3)),
            ("gone_firing", self.gone.iter().any(Option::is_some)),
            ("count_events", self.event_counts.iter().any(|count| *count > 0)),
        ] {
            if is_done {
                done.insert(method);
            }
        }
    }
}

/// The numbers of events only promise to ascend.
pub(super) fn without_number(firing: Firing) -> Firing {
    Firing { event: EventId(0), ..firing }
}
