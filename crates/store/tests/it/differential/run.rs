//! What was fired is reported, or is not. Events are named by their place among all of their owner's, because the numbers of events
//! only promise to ascend; and nobody is told, because what is told names such a number.

use jiff::Timestamp;
use oncue_domain::event::{Event, Retention};
use oncue_domain::id::UserId;
use oncue_domain::overlap::Overlap;
use oncue_domain::run::{Expectation, Report, Verb};
use oncue_domain::schedule::every::Period;
use oncue_domain::store::{Reported, Store};

use super::Chance;
use super::side::{Outcome, told};

/// Something becomes of runs.
#[derive(Clone, Debug)]
pub(super) struct Reporting {
    pub(super) owner: UserId,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Of those that have a run, the event at this place is reported, as if it had fired so many microseconds later; of those gone by now too or not.
    Report(usize, i64, Report, bool),
    /// At most so many are found to be overdue.
    Lapse(usize),
}

/// What a trigger may expect: by when it is drawn, so that nothing else is drawn otherwise for it.
pub(super) fn expectation(now: Timestamp) -> Option<Expectation> {
    let period = |text: &str| Period::parse(text).expect("a period");
    let (report, start) = match now.as_microsecond() % 7 {
        0 => ("90s", None),
        1 => ("10m", Some("1m")),
        2 => ("1h 30m", Some("90s")),
        3 => ("24h", None),
        _ => return None,
    };
    Some(Expectation::new(period(report), start.map(period), None).expect("it makes sense"))
}

/// Whether a trigger's events may overlap, drawn likewise.
pub(super) fn overlap(now: Timestamp) -> Overlap {
    match now.as_microsecond() / 7 % 5 {
        0 => Overlap::Skip,
        1 => Overlap::Queue,
        _ => Overlap::Allow,
    }
}

impl Reporting {
    pub(super) fn method(&self) -> &'static str {
        match self.what {
            What::Report(..) => "report_run",
            What::Lapse(_) => "lapse_runs",
        }
    }

    pub(super) fn draw(chance: &mut Chance, owner: UserId) -> Reporting {
        let what = if chance.once_in(3) {
            What::Lapse(chance.pick(&[1, 3, 1000]))
        } else {
            let message = chance.pick(&[None, Some("näher"), Some("'; DROP TABLE runs; --")]);
            let report = match chance.pick(&Verb::ALL) {
                Verb::Progress => Report::new(Verb::Progress, message, Some(40), None),
                Verb::Done => Report::new(Verb::Done, message, None, chance.pick(&[None, Some(0), Some(7)])),
                verb => Report::new(verb, message, None, None),
            };
            let off = chance.pick(&[0, 0, 0, 0, 0, 0, 1]);
            What::Report(chance.below(12), off, report.expect("it makes sense"), chance.once_in(12))
        };
        Reporting { owner, what }
    }

    /// Does it, where `events` are all of the owner's, oldest first; places count from the newest.
    pub(super) async fn run(self, store: &dyn Store, events: &[Event], now: Timestamp) -> Outcome {
        match self.what {
            What::Lapse(limit) => {
                let gone_until = Retention::STANDARD.gone_until(now);
                told(store.lapse_runs(gone_until, now, limit).await, |lapsed| lapsed.overdue > 0)
            }
            What::Report(place, off, report, is_gone) => {
                let Some(event) = events.iter().rev().filter(|event| event.has_run).nth(place) else {
                    return Outcome::default();
                };
                let fired_at = event.fired_at + jiff::SignedDuration::from_micros(off);
                let gone_until = if is_gone { event.fired_at } else { Timestamp::MIN };
                let reported = store.report_run(event.id, fired_at, report, gone_until, now).await;
                told(reported, |reported| matches!(reported, Reported::Run { has_moved: true, .. }))
            }
        }
    }
}
