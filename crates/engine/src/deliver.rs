//! The loop that delivers: claims are taken in as long as there is room, started as lanes have their turn, and handed in at the desk
//! once it is known what became of them. Which lane has its turn is decided in `lanes`, what an attempt is in `attempt`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::{Claim, Settlement, Verdict};
use oncue_domain::destination::Destination;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::attempt::Attempts;
use crate::courier::Courier;
use crate::desk::Desk;
use crate::lanes::{LaneKey, Lanes, Parallelism, Shown, TurnedAway};
use crate::{BACK_OFF, LOOK_EVERY, NAP, to_a_beat, until};

/// How many deliveries are claimed together: the first of many are under way before the rest is asked for.
const CLAIM_TOGETHER: usize = 1024;

/// How few while most of what is claimed finds no room: whoever does must not wait for the others to be claimed and given back.
const CLAIM_TOGETHER_MIN: usize = 256;

/// And how long the next look waits then, unless there is news.
const TURNED_AWAY_PAUSE: Duration = Duration::from_millis(5);

/// How many settlements may wait to be written down before nothing more is claimed: a store that is behind is not asked for more.
const UNWRITTEN_MAX: usize = 4096;

/// How soon room is looked for again while there is none.
const CROWDED_PAUSE: Duration = Duration::from_millis(5);

/// Delivers until it is told to stop and nothing is under way any more.
pub(crate) async fn deliver(courier: Courier, owed: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    let mut lanes = Lanes::default();
    let attempts = Attempts::new(courier.clone());
    let (news, mut told) = mpsc::unbounded_channel();
    let (desk, writing) = Desk::open(courier.clone());
    let mut look_at = Instant::now();
    let mut together = CLAIM_TOGETHER;
    loop {
        let stopping = *stopped.borrow();
        if !stopping && room(&lanes, &desk) > 0 && look_at <= Instant::now() {
            look_at = Instant::now() + claim(&courier, &mut lanes, &desk, &mut together).await;
        }
        lanes.release(courier.clock.now());
        while !stopping && let Some((lane, claim)) = lanes.start() {
            let place = Place { lane, shown: Shown::BrokeOff, news: news.clone() };
            tokio::spawn(attempt(attempts.clone(), Arc::clone(&courier.clock), claim, place, desk.clone()));
        }
        metrics::gauge!("oncue_deliveries_running").set(u32::try_from(lanes.running()).unwrap_or(u32::MAX));
        metrics::gauge!("oncue_deliveries_waiting").set(u32::try_from(lanes.waiting()).unwrap_or(u32::MAX));
        courier.tally.note_lanes(lanes.running() as u64, lanes.waiting() as u64);
        if stopping && lanes.running() == 0 {
            break;
        }
        let wake_at = if room(&lanes, &desk) > 0 { look_at } else { Instant::now() + CROWDED_PAUSE };
        let released = lanes.next_release().map(|released| Instant::now() + until(released, courier.clock.now()));
        let wake_at = released.map_or(wake_at, |released| released.min(wake_at));
        tokio::select! {
            Some(news) = told.recv() => {
                news.reach(&courier, &mut lanes, &desk);
                while let Ok(news) = told.try_recv() {
                    news.reach(&courier, &mut lanes, &desk);
                }
            }
            () = owed.notified(), if !stopping => look_at = Instant::now(),
            () = sleep_until(wake_at), if !stopping => {}
            _ = stopped.changed(), if !stopping => {}
        }
    }
    drop(desk);
    if let Err(error) = writing.await {
        tracing::error!(%error, "writing attempts down ended in a panic");
    }
}

/// How many claims can be taken in.
fn room(lanes: &Lanes, desk: &Desk) -> usize {
    if desk.unwritten() >= UNWRITTEN_MAX { 0 } else { lanes.room() }
}

/// Takes in what is owed, at most as many as `together`, and says how long to wait before looking again.
async fn claim(courier: &Courier, lanes: &mut Lanes, desk: &Desk, together: &mut usize) -> Duration {
    match courier.claim(room(lanes, desk).min(*together)).await {
        Ok(claims) if claims.is_empty() => match courier.store.next_owed().await {
            Ok(Some(next)) => until(next, courier.clock.now()).max(Duration::from_millis(1)),
            // Nothing is owed that a clock could make due.
            Ok(None) => to_a_beat(LOOK_EVERY, courier.clock.now()),
            Err(_) => NAP,
        },
        Ok(claims) => {
            // However long the lanes are, what is over ends now: the event may be gone before its turn comes.
            let (late, claims): (Vec<Claim>, Vec<Claim>) = claims.into_iter().partition(|claim| courier.is_late(claim));
            let given_up = join_all(late.into_iter().map(|claim| courier.give_up(claim))).await;
            given_up.into_iter().for_each(|settlement| desk.hand_in(settlement));
            let now = courier.clock.now();
            let claimed = claims.len();
            let turned_away: Vec<TurnedAway> = claims.into_iter().filter_map(|claim| lanes.push(claim, now)).collect();
            let finds_room = turned_away.len() <= claimed / 2;
            desk.take_back(courier, turned_away);
            // There may be more.
            if finds_room {
                *together = (*together * 2).min(CLAIM_TOGETHER);
                Duration::ZERO
            } else {
                *together = (*together / 2).max(CLAIM_TOGETHER_MIN);
                TURNED_AWAY_PAUSE
            }
        }
        Err(error) => {
            tracing::error!(%error, "owed deliveries cannot be claimed, trying again");
            BACK_OFF
        }
    }
}

async fn attempt(attempts: Attempts, clock: Arc<dyn Clock>, claim: Claim, mut place: Place, desk: Desk) {
    let learn = |destination: Option<&Destination>| {
        // One that is gone sets no limits to how its deliveries end.
        place.tell(destination.map_or(Parallelism::Usual, |destination| Parallelism::of(&destination.definition)));
    };
    let wait = |start| sleep(until(start, clock.now()));
    let settlement = attempts.make(claim, learn, wait).await;
    place.shown = shown(&settlement);
    desk.hand_in(settlement);
}

/// What the end of an attempt shows of its receiver.
fn shown(settlement: &Settlement) -> Shown {
    let Some(attempt) = &settlement.attempt else { return Shown::Nothing };
    let took = Duration::from_micros(attempt.took_us.unsigned_abs());
    match settlement.verdict {
        Verdict::Retry(until) if settlement.is_too_soon => Shown::TooSoon(took, until),
        _ => Shown::Took(took),
    }
}

/// What an attempt has to say to the lanes.
enum News {
    /// What the destination says of how many at once.
    Parallelism(LaneKey, Parallelism),
    /// It is over.
    Finished(LaneKey, Shown),
}

impl News {
    fn reach(self, courier: &Courier, lanes: &mut Lanes, desk: &Desk) {
        match self {
            News::Parallelism(lane, parallelism) => lanes.learn(&lane, parallelism),
            News::Finished(lane, shown) => {
                desk.take_back(courier, lanes.finish(&lane, shown, courier.clock.now()));
            }
        }
    }
}

/// A place in a lane, given back when the attempt is over, however it ends.
struct Place {
    lane: LaneKey,
    shown: Shown,
    news: mpsc::UnboundedSender<News>,
}

impl Place {
    fn tell(&self, parallelism: Parallelism) {
        // The receiver lives as long as any attempt runs.
        let _ = self.news.send(News::Parallelism(self.lane.clone(), parallelism));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The receiver lives as long as any attempt runs.
        let _ = self.news.send(News::Finished(self.lane.clone(), self.shown));
    }
}
