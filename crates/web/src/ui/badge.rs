//! A state in one word on a coloured ground. The word and the shape in front of it say everything; the colour only helps the
//! eye.

use askama::Template;
use oncue_domain::delivery::State;
use oncue_domain::destination;
use oncue_domain::firing::Outcome;

use super::standing::Standing;

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
    pub(crate) fn of_trigger(standing: Standing) -> Badge {
        let tone = match standing {
            Standing::Test => "test",
            Standing::Expired | Standing::Finished => "idle",
            Standing::Paused => "warn",
            Standing::Overdue | Standing::Failing => "bad",
            Standing::Waiting => "ok",
            Standing::Ready => "info",
        };
        Badge::new(standing.word(), tone)
    }

    /// Where a delivery stands.
    pub(crate) fn of_delivery(state: State) -> Badge {
        let tone = match state {
            State::Parked(_) => return Badge::new("parked", "warn"),
            State::Queued => return Badge::new("queued", "wait"),
            State::Pending(_) | State::Held => "wait",
            State::Delivered => "ok",
            State::Failed => "bad",
        };
        Badge::new(state.word(), tone)
    }

    /// Whether deliveries go to a destination.
    pub(crate) fn of_destination(standing: &destination::Standing) -> Badge {
        match standing {
            destination::Standing::Active => Badge::new("active", "ok"),
            destination::Standing::Paused { .. } => Badge::new("paused", "warn"),
            destination::Standing::Suspended { .. } => Badge::new("suspended", "bad"),
        }
    }

    /// How a node is doing.
    pub(crate) fn of_node(is_silent: bool) -> Badge {
        if is_silent { Badge::new("silent", "bad") } else { Badge::new("running", "ok") }
    }

    /// What somebody tried out.
    pub(crate) const TEST: Badge = Badge::new("test", "test");

    /// What became of an event.
    pub(crate) fn of_outcome(outcome: Outcome) -> Badge {
        match outcome {
            Outcome::Pending => Badge::new("pending", "wait"),
            Outcome::Delivered => Badge::new("delivered", "ok"),
            Outcome::Failed => Badge::new("failed", "bad"),
            Outcome::Logged => Badge::new("only logged", "idle"),
        }
    }
}
