//! A state in one word on a coloured ground. The word and the shape in front of it say everything; the colour only helps the
//! eye.

use askama::Template;
use oncue_domain::delivery::State;
use oncue_domain::destination::Standing;
use oncue_domain::firing::Outcome;
use oncue_domain::run::State as RunState;
use oncue_domain::why::Verdict;
use oncue_domain::why::taken::TakenBy;

use super::condition::Condition;

/// One word and its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(source = r#"<span class="badge {{ tone }}">{{ word }}</span>"#, ext = "html")]
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    tone: &'static str,
}

impl askama::filters::HtmlSafe for Badge {}

impl Badge {
    /// Of a trigger that is there no more.
    pub(crate) const DELETED: Badge = Badge::new("deleted", "idle");

    /// Of a trigger that cannot be read, and of what did not fire therefore.
    pub(crate) const UNREADABLE: Badge = Badge::new("unreadable", "bad");

    const fn new(word: &'static str, tone: &'static str) -> Badge {
        Badge { word, tone }
    }

    /// Where a trigger stands.
    pub(crate) fn of_trigger(condition: Condition) -> Badge {
        let tone = match condition {
            Condition::Test => "test",
            Condition::Expired | Condition::Finished => "idle",
            Condition::Paused | Condition::Frozen => "warn",
            Condition::Overdue | Condition::Failing => "bad",
            Condition::Waiting => "ok",
            Condition::Ready => "info",
        };
        Badge::new(condition.word(), tone)
    }

    /// Where a delivery stands.
    pub(crate) fn of_delivery(state: State) -> Badge {
        let tone = match state {
            State::Parked(_) => "warn",
            State::Pending(_) | State::Held | State::Queued => "wait",
            State::Delivered => "ok",
            State::Failed => "bad",
        };
        Badge::new(state.word(), tone)
    }

    /// Whether deliveries go to a destination.
    pub(crate) fn of_destination(standing: &Standing) -> Badge {
        match standing {
            Standing::Active => Badge::new("active", "ok"),
            Standing::Paused { .. } => Badge::new("paused", "warn"),
            Standing::Suspended { .. } => Badge::new("suspended", "bad"),
        }
    }

    /// A destination that takes deliveries, of which none arrive.
    pub(crate) const FAILING: Badge = Badge::new("failing", "bad");

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

    /// What was reported of an event.
    pub(crate) fn of_run(state: RunState) -> Badge {
        let tone = match state {
            RunState::Expected | RunState::Running => "wait",
            RunState::Succeeded => "ok",
            RunState::Failed | RunState::Overdue => "bad",
        };
        Badge::new(state.word(), tone)
    }

    /// What took an instant away from a schedule.
    pub(crate) fn of_taken(by: &TakenBy) -> Badge {
        let word = match by.word() {
            "starts_at" => "before the start",
            "ends_at" => "after the end",
            "excluded_date" => "excluded date",
            "calendar" => "calendar",
            "gap" => "left out by the clocks",
            "fold" => "shown twice by the clocks",
            _ => "exception of the rule",
        };
        Badge::new(word, "idle")
    }

    /// What became of an occurrence, or why there is none.
    pub(crate) fn of_verdict(verdict: &Verdict) -> Badge {
        match verdict.word() {
            "fired" => Badge::new("fired", "ok"),
            "fired_late" => Badge::new("fired late", "warn"),
            "caught_up" => Badge::new("caught up", "warn"),
            "backfilled" => Badge::new("backfilled", "warn"),
            "waiting" => Badge::new("waiting", "wait"),
            "held" => Badge::new("held", "warn"),
            "discarded" => Badge::new("discarded", "bad"),
            "missed" => Badge::new("missed", "bad"),
            "budget" => Badge::new("over budget", "bad"),
            "paused" => Badge::new("paused", "warn"),
            "frozen" => Badge::new("frozen", "warn"),
            "superseded" => Badge::new("superseded", "warn"),
            "overlap" => Badge::new("overlap", "warn"),
            "merged" => Badge::new("merged", "warn"),
            "expired" => Badge::new("expired", "idle"),
            "spent" => Badge::new("spent", "idle"),
            "deleted" => Badge::DELETED,
            "due" => Badge::new("due", "wait"),
            "to_come" => Badge::new("to come", "info"),
            "forgotten" => Badge::new("not kept", "idle"),
            "lost" => Badge::new("lost", "bad"),
            "unreadable" => Badge::UNREADABLE,
            _ => Badge::new("no occurrence", "idle"),
        }
    }
}
