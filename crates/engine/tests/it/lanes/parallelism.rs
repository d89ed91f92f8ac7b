//! How many attempts are under way at a destination at once, from a seed: it is paused, resumed and edited, what has ended is sent again,
//! and whoever sends is killed and comes back; never are there more than the destination says. Each life of whoever sends has a runtime
//! of its own, and ends with it in the middle of everything.

use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::clock::Clock;
use oncue_domain::delivery::State;
use oncue_domain::destination::{self, Standing};
use oncue_domain::event::Retention;
use oncue_domain::id::{DestinationId, EventId, TriggerId};
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::store::{Edited, Store};
use oncue_engine::Engine;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::world::World;
use crate::sim::chance::Chance;

const SEEDS: u64 = 5;

/// How often whoever sends is killed.
const LIVES: usize = 3;

/// How many things happen in a life.
const STEPS: usize = 24;

/// So many are sent again at once at most.
const AGAIN_MAX: usize = 12;

/// What destinations say at first. The last one takes deliveries in order, and goes on saying so.
const NUMBERS: [u32; 4] = [1, 2, 5, 1];

/// A destination, and a trigger that sends there.
struct Place {
    host: String,
    destination: DestinationId,
    trigger: TriggerId,
    number: u32,
    in_order: bool,
}

impl Place {
    fn says(&self) -> Value {
        json!({"parallelism": self.number, "in_order": self.in_order, "retries": ["1s", "3s"]})
    }
}

/// What happens to a world, and what came of it.
struct Story {
    chance: Chance,
    places: Vec<Place>,
    events: Vec<EventId>,
    /// How many deliveries were sent again.
    again: usize,
}

/// A runtime whose time passes when everybody waits.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

#[test]
fn no_more_attempts_are_under_way_at_a_destination_than_it_says_whatever_happens_meanwhile() {
    let (mut filled, mut again) = (0, 0);
    for seed in 1..=SEEDS {
        let (world, story) = Story::tell(seed);
        for place in &story.places {
            let over = world.doors.over(&place.host);
            assert!(over.is_empty(), "seed {seed}: one too many at {}: {over:?}", place.host);
            filled += usize::from(world.doors.most(&place.host) > 1);
        }
        again += story.again;
    }
    assert!(filled > 5, "so many places were never shared that nothing was seen: {filled}");
    assert!(again > 50, "{again} were sent again");
}

impl Story {
    fn tell(seed: u64) -> (World, Story) {
        let mut story = Story { chance: Chance::new(seed), places: Vec::new(), events: Vec::new(), again: 0 };
        let mut former: Option<(World, Timestamp)> = None;
        for life in 0..=LIVES {
            let runtime = runtime();
            let (world, left_at, engine) = runtime.block_on(async {
                let world = match former.take() {
                    Some((world, left_at)) => World::after(world, left_at),
                    None => story.begin().await,
                };
                let engine = world.start().await;
                if life < LIVES {
                    story.live(&world).await
                } else {
                    story.end(&world).await
                }
                let left_at = world.clock.now();
                (world, left_at, engine)
            });
            // Whatever is under way ends here, and nobody writes it down.
            drop(runtime);
            drop::<Engine>(engine);
            former = Some((world, left_at));
        }
        let (world, _) = former.expect("it has lived");
        (world, story)
    }

    async fn begin(&mut self) -> World {
        let world = World::new().await;
        for (name, number) in NUMBERS.iter().enumerate() {
            let in_order = name + 1 == NUMBERS.len();
            let mut place = Place {
                host: format!("moody{name}.example.com"),
                destination: DestinationId(0),
                trigger: TriggerId(0),
                number: *number,
                in_order,
            };
            let said = place.says();
            (place.destination, place.trigger) = world.receiver_saying(&format!("moody{name}"), &said).await;
            world.doors.say(&place.host, place.number as usize, world.clock.now());
            self.places.push(place);
        }
        world
    }

    async fn live(&mut self, world: &World) {
        for _ in 0..STEPS {
            let place = usize::try_from(self.chance.below(4)).expect("small");
            match self.chance.below(10) {
                0..4 => self.fire(world, place).await,
                4 | 5 => self.stand(world, place, false).await,
                6 => self.stand(world, place, true).await,
                7 => self.edit(world, place).await,
                _ => self.send_again(world).await,
            }
            sleep(Duration::from_millis(self.chance.below(400).unsigned_abs())).await;
        }
    }

    /// All are resumed, and everything comes to its end.
    async fn end(&mut self, world: &World) {
        for place in 0..self.places.len() {
            self.stand(world, place, false).await;
        }
        let mut rounds = 0;
        while world.memory.next_owed().await.expect("an answer").is_some() {
            sleep(Duration::from_secs(5)).await;
            rounds += 1;
            assert!(rounds < 1000, "a lane stalls");
        }
        for id in &self.events {
            for (_, state) in deliveries(world, *id).await {
                assert!(matches!(state, State::Delivered | State::Failed), "{id} is {state:?}");
            }
        }
    }

    async fn fire(&mut self, world: &World, place: usize) {
        for _ in 0..=self.chance.below(12) {
            self.events.push(world.fire(self.places[place].trigger).await);
        }
    }

    async fn stand(&mut self, world: &World, place: usize, is_paused: bool) {
        let now = world.clock.now();
        let standing = if is_paused { Standing::Paused { since: now } } else { Standing::Active };
        let done = world.memory.set_standing(world.owner, self.places[place].destination, standing, now).await;
        assert_eq!(done, Ok(true));
    }

    async fn edit(&mut self, world: &World, place: usize) {
        let place = &mut self.places[place];
        place.number = if place.in_order { 1 } else { self.chance.pick(&[1, 2, 3, 6]) };
        let found = world.memory.destination(world.owner, place.destination).await.expect("an answer");
        let kept = found.expect("it is there");
        let mut said = place.says();
        said["name"] = kept.definition.name.clone().into();
        said["kind"] = "webhook".into();
        said["url"] = format!("https://{}/", place.host).into();
        let definition = destination::Definition::read(&said, None).expect("a definition");
        let edited = world.memory.edit_destination(world.owner, kept.id, kept.revision, definition).await;
        assert_eq!(edited, Ok(Edited::Done));
        world.doors.say(&place.host, place.number as usize, world.clock.now());
    }

    /// Some of what has ended, delivered or not, goes out once more.
    async fn send_again(&mut self, world: &World) {
        let mut ended = Vec::new();
        for id in &self.events {
            let all = deliveries(world, *id).await.into_iter();
            ended.extend(all.filter(|(_, state)| matches!(state, State::Delivered | State::Failed)).map(|(id, _)| id));
        }
        ended.retain(|_| self.chance.once_in(4));
        ended.truncate(AGAIN_MAX);
        let redelivered = world
            .memory
            .redeliver(world.owner, ended, Retention::STANDARD, world.clock.now())
            .await
            .expect("an answer");
        self.again += redelivered.iter().filter(|outcome| outcome.is_ok()).count();
    }
}

async fn deliveries(world: &World, id: EventId) -> Vec<(DeliveryId, State)> {
    let found = world.memory.event(world.owner, id, Timestamp::UNIX_EPOCH).await.expect("an answer");
    let (_, deliveries) = found.expect("it is kept");
    deliveries.iter().map(|view| (DeliveryId { event: id, slot: view.slot }, view.state)).collect()
}
