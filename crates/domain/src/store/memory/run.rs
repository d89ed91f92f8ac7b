//! Runs in the reference model, and the events that tell of them.

use jiff::Timestamp;

use super::Kept;
use crate::event::{Event, Origin};
use crate::id::{EventId, TriggerId, UserId};
use crate::run::alert::{News, telling};
use crate::run::{Report, Run};
use crate::store::{Change, Lapsed, Reported, RunOf};

impl Kept {
    pub(super) fn report_run(
        &mut self,
        id: EventId,
        fired_at: Timestamp,
        report: &Report,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Reported {
        let is_meant = |event: &&std::sync::Arc<Event>| event.fired_at == fired_at && fired_at > gone_until;
        let Some(event) = self.events.get(&id).filter(is_meant).map(|event| Event::clone(event)) else {
            return Reported::NotFound;
        };
        let Some(before) = self.runs.get(&id).cloned() else { return Reported::NotFound };
        match before.report(report, now) {
            Err(contradiction) => Reported::Refused(contradiction),
            Ok(run) => {
                let has_moved = run.state() != before.state();
                self.keep_run(&event, &before, run.clone(), true, now);
                Reported::Run { run: Box::new(run), has_moved }
            }
        }
    }

    pub(super) fn lapse_runs(&mut self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Lapsed {
        let due =
            |(id, run): (&EventId, &Run)| run.due_at().filter(|due_at| *due_at <= now).map(|due_at| (due_at, *id));
        let mut over: Vec<(Timestamp, EventId)> = self.runs.iter().filter_map(due).collect();
        over.sort_unstable();
        over.truncate(limit);
        for (_, id) in &over {
            let event = self.events.get(id).map(|event| Event::clone(event));
            let before = self.runs.get(id).cloned();
            let after = before.as_ref().and_then(|run| run.lapsed(now));
            if let (Some(event), Some(before), Some(after)) = (event, before, after) {
                let is_told = event.fired_at > gone_until;
                self.keep_run(&event, &before, after, is_told, now);
            }
        }
        Lapsed { overdue: over.len(), next_at: self.runs.values().filter_map(Run::due_at).min() }
    }

    /// The run is so from now on, and what is new is told, where it is to be, to whom its trigger named, where that destination is there.
    fn keep_run(&mut self, event: &Event, before: &Run, after: Run, is_told: bool, now: Timestamp) {
        if *before == after {
            return;
        }
        let news = News::between(before, &after);
        let alert = after.alert().filter(|to| is_told && self.destination_of(event.owner, *to).is_some());
        if let Some((news, to)) = news.zip(alert) {
            let definition = telling(news, event, &after, to);
            let message_id = event.message_id.of_alert(news.word(), 0, now);
            self.log_unkept(event.owner, definition, Origin::Alert, message_id, now);
        }
        self.changes.push(Change::Settled(event.owner));
        let has_ended = before.due_at().is_some() && after.due_at().is_none();
        self.runs.insert(event.id, after);
        if has_ended {
            self.call_up_trigger(event, now);
        }
    }

    pub(super) fn runs_of(&self, owner: UserId, events: &[EventId], gone_until: Timestamp) -> Vec<RunOf> {
        let is_asked =
            |event: &Event| event.owner == owner && event.fired_at > gone_until && events.contains(&event.id);
        let asked = self.events.values().filter(|event| is_asked(event));
        asked.filter_map(|event| Some(RunOf { event: event.id, run: self.runs.get(&event.id)?.clone() })).collect()
    }

    pub(super) fn latest_runs(
        &self,
        owner: UserId,
        trigger: TriggerId,
        gone_until: Timestamp,
        limit: usize,
    ) -> Vec<RunOf> {
        let is_its = |event: &&std::sync::Arc<Event>| {
            event.owner == owner && event.trigger == trigger && event.fired_at > gone_until
        };
        let mut events: Vec<_> = self.events.values().filter(is_its).collect();
        events.sort_by_key(|event| std::cmp::Reverse((event.fired_at, event.id)));
        let runs = events
            .into_iter()
            .filter_map(|event| Some(RunOf { event: event.id, run: self.runs.get(&event.id)?.clone() }));
        runs.take(limit).collect()
    }
}
