//! Streaks of failures in the reference model, and the events that tell of them.

use jiff::Timestamp;

use super::Kept;
use crate::delivery::{Attempt, Claim};
use crate::destination::Destination;
use crate::destination::alert::{Last, News, Over, Streak, after_attempt, after_suspension, telling};
use crate::destination::definition::Alert;
use crate::event::Origin;
use crate::id::{DestinationId, MessageId, UserId};

impl Kept {
    /// Whom the destination names to be told, where that one is there.
    fn alert_of(&self, destination: &Destination) -> Option<Alert> {
        let alert = destination.definition.alert?;
        self.destination_of(destination.owner, alert.destination).map(|_| alert)
    }

    /// An attempt was written down.
    pub(super) fn follow_attempt(
        &mut self,
        id: DestinationId,
        claim: &Claim,
        attempt: &Attempt,
        is_delivered: bool,
        at: Timestamp,
    ) {
        let Some(destination) = self.destinations.get(&id).cloned() else { return };
        let before = self.streaks.get(&id).copied();
        let over = Over::of(claim, attempt, is_delivered, at);
        let (after, news) = after_attempt(before, over, self.alert_of(&destination));
        self.keep_streak(id, after);
        let Some(word) = news.map(News::word) else { return };
        let message_id = claim.message_id().of_alert(word, attempt.number, at);
        self.tell(&destination, news, after.or(before), Last::of(attempt), message_id, at);
    }

    /// A destination was suspended.
    pub(super) fn follow_suspension(
        &mut self,
        id: DestinationId,
        reason: &str,
        told_by: Option<MessageId>,
        at: Timestamp,
    ) {
        let Some(destination) = self.destinations.get(&id).cloned() else { return };
        let before = self.streaks.get(&id).copied();
        let (after, news) = after_suspension(before, self.alert_of(&destination), told_by.is_none(), at);
        self.keep_streak(id, after);
        let Some(message_id) = told_by else { return };
        self.tell(&destination, news, after, Last { status: None, error: Some(reason) }, message_id, at);
    }

    fn keep_streak(&mut self, id: DestinationId, streak: Option<Streak>) {
        match streak {
            Some(streak) => self.streaks.insert(id, streak),
            None => self.streaks.remove(&id),
        };
    }

    fn tell(
        &mut self,
        destination: &Destination,
        news: Option<News>,
        streak: Option<Streak>,
        last: Last<'_>,
        message_id: MessageId,
        now: Timestamp,
    ) {
        let (Some(news), Some(streak), Some(alert)) = (news, streak, destination.definition.alert) else { return };
        let definition = telling(news, destination, alert.destination, streak, last);
        self.log_unkept(destination.owner, definition, Origin::Alert, message_id, now);
    }

    pub(super) fn streaks_of(&self, owner: UserId) -> Vec<(DestinationId, Streak)> {
        let is_owners = |id: &DestinationId| self.destination_of(owner, *id).is_some();
        self.streaks.iter().filter(|(id, _)| is_owners(id)).map(|(id, streak)| (*id, *streak)).collect()
    }
}
