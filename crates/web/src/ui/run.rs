//! What was reported of an event, as pages show it.

use std::collections::HashMap;

use jiff::Timestamp;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::run::{Run, State};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store;

use super::badge::Badge;
use super::moment::{Moment, span};
use crate::app::Shared;

/// A run on the page of its event.
pub(crate) struct RunCard {
    pub(crate) state: Badge,
    /// Whether something may still be heard of it, or its time may come to be over.
    pub(crate) is_open: bool,
    /// What that means.
    pub(crate) sentence: String,
    pub(crate) expected: Moment,
    pub(crate) start_by: Option<Moment>,
    pub(crate) report_by: Moment,
    pub(crate) started: Option<Moment>,
    pub(crate) ended: Option<Moment>,
    pub(crate) took: Option<String>,
    pub(crate) overdue: Option<Moment>,
    pub(crate) percent: Option<u8>,
    pub(crate) progress: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) exit_code: Option<i32>,
}

impl RunCard {
    pub(crate) fn of(run: &Run, now: Timestamp, zone: &Zone) -> RunCard {
        let moment = |at: Timestamp| Moment::new(at, now, zone);
        let (end, progress) = (run.end.as_ref(), run.progress.as_ref());
        RunCard {
            state: Badge::of_run(run.state()),
            is_open: end.is_none(),
            sentence: sentence(run),
            expected: moment(run.expected_at),
            start_by: run.start_by.map(moment),
            report_by: moment(run.report_by),
            started: run.started_at.map(moment),
            ended: end.map(|end| moment(end.at)),
            took: run.took().map(span),
            overdue: run.overdue_at.map(moment),
            percent: progress.and_then(|progress| progress.percent),
            progress: progress.and_then(|progress| progress.message.clone()),
            message: end.and_then(|end| end.message.clone()),
            exit_code: end.and_then(|end| end.exit_code),
        }
    }
}

fn sentence(run: &Run) -> String {
    let late = run.late_by().map(|late| format!(", {} later than expected", span(late))).unwrap_or_default();
    match (run.state(), run.took(), run.started_at) {
        (State::Expected, ..) => "Its receiver has not reported anything yet.".to_owned(),
        (State::Running, ..) => "Its receiver has begun, and has not reported its end yet.".to_owned(),
        (State::Succeeded, Some(took), _) => format!("It ended well after {}{late}.", span(took)),
        (State::Failed, Some(took), _) => format!("It failed after {}{late}.", span(took)),
        (State::Overdue, _, None) => "Nothing was heard of it in time.".to_owned(),
        (State::Overdue, ..) => "It has begun, and has not reported its end in time.".to_owned(),
        (State::Succeeded | State::Failed, None, _) => "It has ended.".to_owned(),
    }
}

/// The runs of those of these events that have one.
pub(crate) async fn of_events(
    app: &Shared,
    owner: UserId,
    events: Vec<EventId>,
    now: Timestamp,
) -> Result<HashMap<EventId, Run>, store::Error> {
    if events.is_empty() {
        return Ok(HashMap::new());
    }
    let runs = app.store.runs(owner, events, app.settings.retention.gone_until(now)).await?;
    Ok(runs.into_iter().map(|of| (of.event, of.run)).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use oncue_domain::run::{Expectation, Report, Verb};
    use oncue_domain::schedule::every::Period;
    use oncue_domain::schedule::zone::Zones;

    /// A run that is expected to end within ten minutes of `now`.
    pub(crate) fn run(now: Timestamp) -> Run {
        let expectation = Expectation::new(Period::parse("10m").expect("a period"), None, None);
        Run::expected(&expectation.expect("it makes sense"), now)
    }

    #[test]
    fn a_run_is_told_in_a_sentence() {
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).expect("in range");
        let said = |verb, message| Report::new(verb, Some(message), None, None).expect("it makes sense");
        let card = |run: &Run| RunCard::of(run, at(0), &Zones::utc());
        let expected = run(at(0));
        assert_eq!(card(&expected).sentence, "Its receiver has not reported anything yet.");
        let running = expected.report(&said(Verb::Start, "on it"), at(10)).expect("nothing stands against it");
        assert_eq!(card(&running).sentence, "Its receiver has begun, and has not reported its end yet.");
        assert_eq!(card(&running).progress.as_deref(), Some("on it"));
        let done = running.report(&said(Verb::Done, "12 rows"), at(70)).expect("nothing stands against it");
        assert_eq!(card(&done).sentence, "It ended well after 1 min.");
        assert!(!card(&done).is_open && card(&running).is_open);
        let overdue = running.lapsed(at(600)).expect("it has not ended");
        assert_eq!(card(&overdue).sentence, "It has begun, and has not reported its end in time.");
        let late = overdue.report(&said(Verb::Fail, "disk full"), at(720)).expect("nothing stands against it");
        assert_eq!(card(&late).sentence, "It failed after 11 min, 2 min later than expected.");
        assert_eq!(card(&late).message.as_deref(), Some("disk full"));
        assert_eq!(
            card(&expected.lapsed(at(600)).expect("it has not begun")).sentence,
            "Nothing was heard of it in time."
        );
    }
}
