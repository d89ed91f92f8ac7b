//! The life of an event: active, archived, deleted; how much of it is over, and what age will do to it next, in words.

use askama::Template;
use jiff::Timestamp;
use oncue_domain::event::{Retention, Status};
use oncue_domain::schedule::zone::Zone;

use crate::ui::moment::{Moment, span};

/// One stage of a life.
#[derive(Debug)]
struct Stage {
    word: &'static str,
    /// `done` or `now`; none for what is to come.
    state: Option<&'static str>,
    /// What an eye gets from the colour, for the ear.
    said: &'static str,
    begins: Moment,
}

/// A life and where in it an event stands.
#[derive(Debug, Template)]
#[template(path = "chart/life.html")]
pub(crate) struct Life {
    /// "Active; archived in 1 h 58 min, deleted in 1 d 23 h."
    summary: String,
    age_seconds: i64,
    whole_seconds: i64,
    stages: Vec<Stage>,
}

impl askama::filters::HtmlSafe for Life {}

impl Life {
    /// The life of an event that fired then.
    pub(crate) fn new(fired_at: Timestamp, retention: Retention, now: Timestamp, zone: &Zone) -> Life {
        let age = now.duration_since(fired_at);
        let status = retention.status(fired_at, now);
        let has_archive = retention.active_for < retention.keep_for;
        let reached = match status {
            Some(Status::Active) => 0,
            Some(Status::Archived) => 1,
            None => 2,
        };
        let starts = [
            ("active", jiff::SignedDuration::ZERO),
            ("archived", retention.active_for),
            ("deleted", retention.keep_for),
        ];
        let stages = starts.into_iter().enumerate().filter(|(place, _)| *place != 1 || has_archive);
        let stage = |(place, (word, after)): (usize, (&'static str, jiff::SignedDuration))| {
            let (state, said) = match place.cmp(&reached) {
                std::cmp::Ordering::Less => (Some("done"), "over"),
                std::cmp::Ordering::Equal => (Some("now"), "now"),
                std::cmp::Ordering::Greater => (None, "to come"),
            };
            let begins = fired_at.checked_add(after).unwrap_or(Timestamp::MAX);
            Stage { word, state, said, begins: Moment::new(begins, now, zone) }
        };
        let deleted = format!("deleted in {}", span(retention.keep_for.saturating_sub(age)));
        let summary = match status {
            Some(Status::Active) if has_archive => {
                format!("Active; archived in {}, {deleted}.", span(retention.active_for.saturating_sub(age)))
            }
            Some(Status::Active) => format!("Active; {deleted}."),
            Some(Status::Archived) => format!("Archived; {deleted}."),
            None => "Deleted.".to_owned(),
        };
        let whole_seconds = retention.keep_for.as_secs().max(1);
        Life {
            summary,
            age_seconds: age.as_secs().clamp(0, whole_seconds),
            whole_seconds,
            stages: stages.map(stage).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oncue_domain::schedule::zone::Zones;

    fn life(age: SignedDuration, retention: Retention) -> Life {
        let fired_at: Timestamp = "2026-11-23T10:00:00Z".parse().expect("an instant");
        Life::new(fired_at, retention, fired_at + age, &Zones::utc())
    }

    #[test]
    fn a_life_says_what_comes_next() {
        let minutes = SignedDuration::from_mins;
        let at = |age| life(age, Retention::STANDARD);
        assert_eq!(at(minutes(2)).summary, "Active; archived in 1 h 58 min, deleted in 1 d 23 h.");
        assert_eq!(at(minutes(8 * 60)).summary, "Archived; deleted in 1 d 16 h.");
        assert_eq!(at(minutes(48 * 60)).summary, "Deleted.");
        let states = |life: Life| -> Vec<&str> { life.stages.iter().map(|stage| stage.said).collect() };
        assert_eq!(states(at(minutes(2))), ["now", "to come", "to come"]);
        assert_eq!(states(at(minutes(121))), ["over", "now", "to come"]);
        assert_eq!(states(at(minutes(48 * 60))), ["over", "over", "now"]);
    }

    #[test]
    fn where_nothing_is_archived_there_is_no_such_stage() {
        let day = SignedDuration::from_hours(24);
        let short = life(SignedDuration::from_hours(1), Retention { active_for: day, keep_for: day });
        assert_eq!(short.summary, "Active; deleted in 23 h.");
        assert_eq!(short.stages.len(), 2);
    }

    #[test]
    fn progress_stays_between_its_ends() {
        let of = |age| {
            let life = life(age, Retention::STANDARD);
            (life.age_seconds, life.whole_seconds)
        };
        assert_eq!(of(SignedDuration::from_hours(-1)), (0, 172_800));
        assert_eq!(of(SignedDuration::from_hours(12)), (43_200, 172_800));
        assert_eq!(of(SignedDuration::from_hours(500)), (172_800, 172_800));
    }
}
