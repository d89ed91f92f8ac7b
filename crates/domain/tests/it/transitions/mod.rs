//! Every transition of every zone from 1970 to the end of 2040, and what each kind of schedule makes of it, beside an oracle that walks the
//! clock. `oracle` is the walk, `lines` says what is asked at a transition.
//!
//! Zones that show the same times throughout are one zone here, and transitions that lie within three days of each other are one
//! window. Each is looked at in every zone that has it, though many zones share one (all of the European Union changes at once).

mod lines;
mod oracle;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use oncue_domain::schedule::zone::{Zone, Zones};

use lines::Expressions;

/// 1970-01-02: nothing is named before 1970, and a window needs room before it.
const FROM_S: i64 = 86_400;
/// 2041-01-01: the last year is within.
const UNTIL_S: i64 = 2_240_611_200;
/// Transitions that are closer than this are looked at together.
const CLUSTER_S: i64 = 3 * 86_400;

/// A change of the offset, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Transition {
    /// The first instant after it.
    at: i64,
    before: i64,
    after: i64,
}

impl Transition {
    fn jump(self) -> i64 {
        self.after - self.before
    }
}

fn transitions(zone: &Zone) -> Vec<Transition> {
    let offset = |second| i64::from(zone.time_zone().to_offset(instant(second)).seconds());
    let following = zone.time_zone().following(instant(FROM_S));
    let edges = following.map(|transition| transition.timestamp().as_second()).take_while(|edge| *edge < UNTIL_S);
    edges.map(|at| Transition { at, before: offset(at - 1), after: offset(at) }).collect()
}

fn windows(transitions: &[Transition]) -> impl Iterator<Item = &[Transition]> {
    transitions.chunk_by(|one, next| next.at - one.at < CLUSTER_S)
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("within a few thousand years of 1970")
}

/// The windows to look at, each with the zone that has it.
fn table() -> Vec<(Zone, Vec<Transition>)> {
    let zones = Zones::bundled();
    let named = zones.database.available().filter_map(|name| zones.get(name.as_str()).ok());
    let mut different: HashMap<Vec<Transition>, Zone> = HashMap::new();
    for zone in named {
        let first = different.entry(transitions(&zone)).or_insert_with(|| zone.clone());
        if zone.name() < first.name() {
            *first = zone;
        }
    }
    let mut different: Vec<(Vec<Transition>, Zone)> = different.into_iter().collect();
    different.sort_by(|(_, one), (_, other)| one.name().cmp(other.name()));
    let mut table = Vec::new();
    for (transitions, zone) in different {
        table.extend(windows(&transitions).map(|window| (zone.clone(), window.to_vec())));
    }
    table
}

#[test]
fn every_kind_of_schedule_does_at_every_transition_what_the_oracle_says() {
    let table = table();
    let jumps = || table.iter().flat_map(|(_, window)| window).map(|transition| transition.jump());
    assert!(jumps().filter(|jump| (1..=10_800).contains(jump)).count() > 2_000, "the zone data has hardly any gaps");
    assert!(jumps().filter(|jump| *jump < 0).count() > 2_000, "the zone data has hardly any folds");
    assert!(jumps().filter(|jump| *jump > 10_800).count() > 2, "the zone data has no skipped day");
    assert!(jumps().any(|jump| jump == 0), "the zone data has no transition that leaves the clocks alone");
    println!("{} windows with {} transitions", table.len(), jumps().count());
    let (next, threads) = (AtomicUsize::new(0), std::thread::available_parallelism().map_or(2, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut expressions = Expressions::default();
                while let Some((zone, window)) = table.get(next.fetch_add(1, Ordering::Relaxed)) {
                    lines::check(zone, window, &mut expressions);
                }
            });
        }
    });
}
