//! More is sent to one destination, again and again within moments, than its rate allows, while it is paused and resumed and whoever sends
//! dies: what a rate promises is seldom put to the test by what happens by chance.

use jiff::SignedDuration;
use oncue_domain::destination::Standing;
use oncue_domain::id::DestinationId;
use oncue_domain::store::Store;
use oncue_domain::trigger::Definition;

use super::Workload;
use crate::sim::world::{OWNER, at_once};

/// How often in a row.
const WAVES: usize = 3;

/// How many events come at once.
const EVENTS: usize = 3;

impl Workload {
    pub(super) fn rush(&mut self) {
        let all = self.destinations();
        let rated = all.iter().filter(|one| one.definition.rate.is_some() && one.standing == Standing::Active);
        let rated: Vec<DestinationId> = rated.map(|destination| destination.id).collect();
        if rated.is_empty() || !self.world.is_running() {
            return;
        }
        let id = self.chance.pick(&rated);
        for _ in 0..WAVES {
            self.try_out_at(id);
            self.deliver();
            if self.chance.once_in(2) {
                self.pause_and_resume_destination(id);
            }
            if self.chance.once_in(2) {
                self.die_and_come_back();
            }
        }
    }

    fn try_out_at(&mut self, id: DestinationId) {
        for _ in 0..EVENTS {
            let now = self.tell_apart();
            let definition = Definition { schedule: None, webhook: None, destinations: vec![id], ..self.definition() };
            let message_id = self.world.ids.message(now);
            let tried = at_once(self.world.memory.fire_unkept(OWNER, definition.into(), message_id, now));
            tried.expect("the model answers").expect("it is there");
        }
    }

    fn die_and_come_back(&mut self) {
        self.tally.crashes += 1;
        self.world.crash();
        let away = SignedDuration::from_millis(self.chance.below(10_000));
        self.move_to(self.world.now() + away);
        self.start();
    }

    fn pause_and_resume_destination(&mut self, id: DestinationId) {
        let now = self.world.now();
        for standing in [Standing::Paused { since: now }, Standing::Active] {
            assert_eq!(at_once(self.world.memory.set_standing(OWNER, id, standing, now)), Ok(true));
        }
        self.tally.resumed += 1;
    }
}
