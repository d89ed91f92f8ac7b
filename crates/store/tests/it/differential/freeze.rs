//! Somebody freezes, says anew what a freeze is, or thaws: mostly for a few minutes, so that enough fires besides.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::freeze::Said;
use oncue_domain::id::UserId;
use oncue_domain::store::Store;

use super::Chance;
use super::side::{Outcome, told};

/// Something becomes of freezes.
#[derive(Clone, Debug)]
pub(super) struct Freezing {
    /// Whose triggers are meant; none for everybody's.
    scope: Option<UserId>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Freeze(Said),
    Thaw,
}

impl Freezing {
    pub(super) fn method(&self) -> &'static str {
        match self.what {
            What::Freeze(_) => "freeze",
            What::Thaw => "thaw",
        }
    }

    pub(super) fn draw(chance: &mut Chance, users: &[UserId], now: Timestamp) -> Freezing {
        let scope = if chance.once_in(3) { None } else { Some(chance.pick(users)) };
        if chance.below(5) > 1 {
            return Freezing { scope, what: What::Thaw };
        }
        let reason = chance.pick(&[None, Some("Umzug"), Some("'; DROP TABLE freezes; --")]);
        let minutes = chance.pick(&[None, Some(1), Some(4), Some(9)]);
        let until = minutes.map(|minutes| now + SignedDuration::from_mins(minutes));
        Freezing { scope, what: What::Freeze(Said { reason: reason.map(str::to_owned), until }) }
    }

    pub(super) async fn run(self, store: &dyn Store, now: Timestamp) -> Outcome {
        match self.what {
            What::Freeze(said) => told(store.freeze(self.scope, said, now).await, |_| true),
            What::Thaw => told(store.thaw(self.scope, now).await, Option::is_some),
        }
    }
}
