//! The retry ladder: the attempts that were made and those that will be, in their order, each with its time.

use askama::Template;
use jiff::Timestamp;
use oncue_domain::schedule::zone::Zone;

use crate::ui::moment::Moment;

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// It was made: when, whether it arrived, and what came of it: "500 Internal Server Error".
    Made { at: Timestamp, is_success: bool, outcome: String },
    /// It will be made unless one before it arrives. The times of all but the next are the earliest possible.
    Coming { at: Timestamp },
}

/// One step.
#[derive(Debug)]
struct Step {
    /// `done`, `failed` or `now`; none for what is further off.
    state: Option<&'static str>,
    /// What the mark says to the ear.
    word: &'static str,
    outcome: String,
    at: Moment,
}

/// Attempts made and to come.
#[derive(Debug, Template)]
#[template(path = "chart/ladder.html")]
pub(crate) struct Ladder {
    summary: String,
    steps: Vec<Step>,
}

impl askama::filters::HtmlSafe for Ladder {}

impl Ladder {
    /// From attempts in their order.
    pub(crate) fn new(rungs: &[Rung], now: Timestamp, zone: &Zone) -> Ladder {
        let step = |(place, rung): (usize, &Rung)| match rung {
            Rung::Made { at, is_success, outcome } => Step {
                state: Some(if *is_success { "done" } else { "failed" }),
                word: if *is_success { "delivered" } else { "failed" },
                outcome: outcome.clone(),
                at: Moment::new(*at, now, zone),
            },
            Rung::Coming { at } => {
                let is_next =
                    !matches!(place.checked_sub(1).and_then(|before| rungs.get(before)), Some(Rung::Coming { .. }));
                let (state, word) = if is_next { (Some("now"), "next") } else { (None, "if that fails") };
                Step { state, word, outcome: String::new(), at: Moment::due(*at, now, zone) }
            }
        };
        Ladder { summary: summary(rungs), steps: rungs.iter().enumerate().map(step).collect() }
    }
}

/// "2 attempts made, the last failed; at most 4 more."
fn summary(rungs: &[Rung]) -> String {
    let coming = rungs.iter().filter(|rung| matches!(rung, Rung::Coming { .. })).count();
    let made = rungs.len() - coming;
    let last = rungs.iter().rev().find_map(|rung| match rung {
        Rung::Made { is_success, .. } => Some(if *is_success { "delivered" } else { "failed" }),
        Rung::Coming { .. } => None,
    });
    let made = match (made, last) {
        (1, Some(word)) => format!("1 attempt made, which {}", if word == "failed" { word } else { "arrived" }),
        (made, Some(word)) => {
            format!("{made} attempts made, the last of which {}", if word == "failed" { word } else { "arrived" })
        }
        (_, None) => "No attempt made yet".to_owned(),
    };
    match coming {
        0 => format!("{made}."),
        coming => format!("{made}; at most {coming} to come."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oncue_domain::schedule::zone::Zones;

    #[test]
    fn attempts_are_told_in_their_order_with_what_is_to_come() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().expect("an instant");
        let minutes = SignedDuration::from_mins;
        let rungs = [
            Rung::Made { at: now - minutes(5), is_success: false, outcome: "<b>500".to_owned() },
            Rung::Made { at: now - minutes(4), is_success: false, outcome: "timed out".to_owned() },
            Rung::Coming { at: now + minutes(4) },
            Rung::Coming { at: now + minutes(30) },
        ];
        let ladder = Ladder::new(&rungs, now, &Zones::utc());
        assert_eq!(ladder.summary, "2 attempts made, the last of which failed; at most 2 to come.");
        let words: Vec<&str> = ladder.steps.iter().map(|step| step.word).collect();
        assert_eq!(words, ["failed", "failed", "next", "if that fails"]);
        let html = ladder.to_string();
        assert!(html.contains("&#60;b&#62;500") && html.contains("in 4 min"), "{html}");
        assert_eq!(html.matches("<li").count(), 4);
    }

    #[test]
    fn a_first_attempt_that_arrived_is_the_whole_story() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().expect("an instant");
        let made = Rung::Made { at: now, is_success: true, outcome: "204 No Content".to_owned() };
        assert_eq!(Ladder::new(&[made], now, &Zones::utc()).summary, "1 attempt made, which arrived.");
        assert_eq!(Ladder::new(&[], now, &Zones::utc()).summary, "No attempt made yet.");
    }
}
