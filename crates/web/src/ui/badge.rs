//! A state in one word on a coloured ground. The word says everything; the colour only helps the eye.

use askama::Template;
use jiff::Timestamp;
use oncue_domain::delivery::State;
use oncue_domain::store::DeliveryView;
use oncue_domain::trigger::{Armed, Kind};

/// One word and its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(source = r#"<span class="badge {{ tone }}">{{ word }}</span>"#, ext = "html")]
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    tone: &'static str,
}

impl askama::filters::HtmlSafe for Badge {}

impl Badge {
    const fn new(word: &'static str, tone: &'static str) -> Badge {
        Badge { word, tone }
    }

    /// Where a trigger stands.
    pub(crate) fn of_trigger(armed: &Armed, now: Timestamp) -> Badge {
        let definition = &armed.trigger.definition;
        if definition.is_test {
            Badge::new("test", "test")
        } else if !definition.lives_at(now) {
            Badge::new("expired", "idle")
        } else if !definition.enabled {
            Badge::new("paused", "warn")
        } else if definition.kind() == Kind::Api {
            Badge::new("api", "info")
        } else if armed.next_at.is_some() {
            Badge::new("waiting", "ok")
        } else {
            Badge::new("finished", "idle")
        }
    }

    /// Where a delivery stands.
    pub(crate) fn of_delivery(state: State) -> Badge {
        let tone = match state {
            State::Pending(_) | State::Held => "warn",
            State::Delivered => "ok",
            State::Failed => "bad",
        };
        Badge::new(state.word(), tone)
    }

    /// Where an event's deliveries stand together: what is owed is said before what failed, and that before what arrived.
    pub(crate) fn of_deliveries(deliveries: &[DeliveryView]) -> Badge {
        let urgency = |state: &State| match state {
            State::Pending(_) | State::Held => 2,
            State::Failed => 1,
            State::Delivered => 0,
        };
        match deliveries.iter().map(|view| view.state).max_by_key(urgency) {
            Some(state) => Badge::of_delivery(state),
            None => Badge::new("only logged", "idle"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::destination::Target;
    use oncue_domain::id::{TriggerId, UserId};
    use oncue_domain::schedule::Schedule;
    use oncue_domain::trigger::{Definition, ScheduleDetails, Trigger};

    fn view(state: State) -> DeliveryView {
        DeliveryView { target: Target::Default, state, attempts: Vec::new() }
    }

    #[test]
    fn a_trigger_says_what_keeps_it_from_firing_before_it_says_that_it_waits() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let later = Timestamp::from_second(1_900_000_000).expect("in range");
        let schedule = ScheduleDetails { schedule: Schedule::Once { at: later }, timezone: None };
        let plain = Definition {
            name: None,
            schedule: Some(schedule),
            payload: None,
            webhook: None,
            is_test: false,
            enabled: true,
            expires_at: None,
        };
        let word = |definition: &Definition, next_at| {
            let definition = definition.clone();
            let trigger = Trigger {
                id: TriggerId(1),
                owner: UserId(1),
                revision: 1,
                definition,
                created_at: now,
                standing_since: now,
            };
            Badge::of_trigger(&Armed { trigger, next_at }, now).word
        };
        assert_eq!(word(&plain, Some(later)), "waiting");
        assert_eq!(word(&plain, None), "finished");
        let paused = Definition { enabled: false, ..plain.clone() };
        assert_eq!(word(&paused, None), "paused");
        assert_eq!(word(&Definition { expires_at: Some(now), ..paused }, None), "expired");
        assert_eq!(word(&Definition { schedule: None, ..plain.clone() }, None), "api");
        assert_eq!(word(&Definition { is_test: true, ..plain }, None), "test");
    }

    #[test]
    fn what_is_owed_is_said_before_what_failed_and_that_before_what_arrived() {
        let word = |states: &[State]| {
            let views: Vec<DeliveryView> = states.iter().map(|state| view(*state)).collect();
            Badge::of_deliveries(&views).word
        };
        assert_eq!(word(&[]), "only logged");
        assert_eq!(word(&[State::Delivered]), "delivered");
        assert_eq!(word(&[State::Failed, State::Delivered]), "failed");
        assert_eq!(word(&[State::Failed, State::Held, State::Delivered]), "pending");
        assert_eq!(word(&[State::Pending(Timestamp::UNIX_EPOCH), State::Failed]), "pending");
    }
}
