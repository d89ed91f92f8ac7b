//! A crew under the load of the harnesses while something happens to it, and the judgement afterwards.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::crew::Crew;
use super::database;
use super::timeline::Timeline;
use crate::harness::book::Stage;
use crate::harness::chance::Chance;
use crate::harness::evidence::Evidence;
use crate::harness::load::{self, Amount};
use crate::harness::settle::settle;
use crate::harness::{check, receiver};
use crate::support::wait::until;

/// How long everything may take to come to rest. A claim whose holder nobody knows to be gone lapses after a minute and a half.
const SETTLE_PATIENCE: Duration = Duration::from_secs(150);

/// For so long no node may be unready before it is taken to be well: longer than the longest pause between attempts to reach the
/// database.
const WELL_FOR: Duration = Duration::from_secs(3);

/// A node reads the database's clock twice a second, and is off by half of what the answer took.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_millis(50);

/// The server cannot reach its database.
const UNAVAILABLE: &[u16] = &[503];

/// Puts a crew under load, has `harm` done to it, waits until everything has come to rest, and checks every promise.
pub(super) fn prove(
    crew: &mut Crew,
    chance: &mut Chance,
    amount: &Amount,
    replay: &str,
    harm: impl FnOnce(&mut Crew, &Stage, Chance) -> Timeline,
) -> Evidence {
    println!("{replay}");
    let receiver = receiver::moody();
    let ann = crew.user();
    let bases: Vec<String> = crew.nodes.iter().map(|node| node.base.clone()).collect();
    let stage = Stage::new(&ann, &bases, receiver.url(), UNAVAILABLE);
    load::set_the_stage(&stage, amount, chance);
    let mut timeline = thread::scope(|scope| {
        load::start(scope, &stage, amount, chance);
        let _over = Over(&stage);
        harm(crew, &stage, chance.split())
    });
    let load_ended_at = Timestamp::now();
    leave_in_peace(crew);
    let (accounted_until, kept) =
        settle(&ann, &stage, SETTLE_PATIENCE, |until| database::armed_until(crew, until.as_microsecond()) == 0);
    let answered = stage.street.answered();
    let evidence = Evidence {
        book: stage.into_book(),
        gaps: timeline.gaps(Timestamp::now()),
        clock_slack: CLOCK_SLACK,
        load_ended_at,
        accounted_until,
        kept,
        received: receiver.received(),
        answered,
    };
    let mut complaints = check::all(&evidence);
    complaints.extend(database::complaints(crew));
    if !complaints.is_empty() {
        let shown = complaints.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        println!("{:#?}", evidence.gaps);
        panic!("{} complaints, replay with: {replay}\n{shown}", complaints.len());
    }
    println!("{} gaps, {}", evidence.gaps.len(), evidence.summary());
    evidence
}

/// Waits until every node has been well for a while: after the database was away they come back to it one connection at a time.
fn leave_in_peace(crew: &Crew) {
    let mut well_since = Instant::now();
    until("every node is well, and stays so", || {
        if crew.nodes.iter().any(|node| node.process.is_ready().is_none()) {
            well_since = Instant::now();
        }
        (well_since.elapsed() >= WELL_FOR).then_some(())
    });
}

/// Ends the load, also when the harm ends in a panic.
struct Over<'a>(&'a Stage);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}
