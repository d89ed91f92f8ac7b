//! What the pages are measured with: a user with many triggers of every kind, in many zones, who all fired and delivered for
//! nearly as long as events are kept. It is played minute by minute through the store alone, while the server is away.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::to_micros;
use oncue_domain::delivery::{self, Claim, Settlement, Terms, Verdict};
use oncue_domain::destination::Webhook;
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::{Ids, TriggerId, UserId};
use oncue_domain::outbound::{Answer, Exchange, Facts};
use oncue_domain::payload::Payload;
use oncue_domain::plan::plan_of;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{Call, Fired, NewTrigger, Planned, Store};
use oncue_domain::trigger::{Definition, ScheduleDetails};
use tokio::task::JoinSet;

use crate::bench::home::Home;
use crate::bench::scenario::stock::SPREAD;
use crate::system::{fill_random, zones};

/// Where the cron lines are read.
const ZONES: [&str; 8] = [
    "Europe/Riga",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Nairobi",
    "Asia/Tokyo",
    "UTC",
];

/// One in so many triggers never reaches its receiver.
const FAILING_ONE_IN: usize = 25;

/// More than ever falls due, or is owed, in a minute of this past.
const TOGETHER: usize = 4096;

/// How many minutes are played.
const MINUTES: i64 = SPREAD.as_mins();

struct Stage {
    store: Arc<dyn Store>,
    ids: Ids,
    owner: UserId,
    /// Who is called.
    called: Vec<TriggerId>,
    failing: Vec<TriggerId>,
    events: usize,
}

/// Makes the triggers and plays until `now`; there are at least `events` events then. Gives the number of one that returns.
pub(super) async fn play(
    home: &Home,
    triggers: usize,
    events: usize,
    url: &str,
    now: Timestamp,
) -> anyhow::Result<TriggerId> {
    let store = home.fill().await?.store;
    let owner = store.users().await?.first().context("the user is gone")?.id;
    let mut seed = [0; 32];
    fill_random(&mut seed);
    let from = to_micros(now - SPREAD);
    let (called, failing) = (Vec::new(), Vec::new());
    let mut stage = Stage { store, ids: Ids::from_seed(seed), owner, called, failing, events: 0 };
    stage.store.begin_presence(from).await?;
    let (mut brisk, zones) = (None, zones());
    for number in 0..triggers {
        let definition = definition(number, url, &zones, from)?;
        let next_at = definition.next_after(from);
        let new = NewTrigger { owner, definition, next_at, test_event: None };
        let id = stage.store.create_trigger(new, from).await??.trigger.id;
        match number % 5 {
            0 => stage.called.push(id),
            1 => brisk = brisk.or(Some(id)),
            _ => {}
        }
        if number % FAILING_ONE_IN == 0 {
            stage.failing.push(id);
        }
    }
    for minute in 1..=MINUTES {
        let at = to_micros(now - SignedDuration::from_mins(MINUTES - minute));
        stage.play_minute(at, events, MINUTES - minute + 1).await?;
    }
    stage.store.sign_of_life(now);
    brisk.context("no trigger returns")
}

/// One of every five is called, one returns after minutes, and three follow a cron line of their own.
fn definition(number: usize, url: &str, zones: &Zones, from: Timestamp) -> anyhow::Result<Definition> {
    let (minute, hour, day) = (number * 7 % 60, number % 24, 1 + number % 28);
    let zone = zones.get(ZONES[number % ZONES.len()])?;
    let cron = |line: String| {
        let expression = CronExpression::parse(&line)?;
        anyhow::Ok(Some(Schedule::Cron { expression, zone: zone.clone() }))
    };
    let schedule = match number % 5 {
        0 => None,
        1 => {
            let period = Period::parse(&format!("{}m", 5 + number % 50))?;
            Some(Schedule::Every { period, anchor: from, first: FirstFiring::OnePeriodLater })
        }
        2 => cron(format!("{minute} {hour} * * *"))?,
        3 => cron(format!("{minute},{} {}-{} * * MON-FRI", (minute + 20) % 60, hour / 2, 12 + hour / 2))?,
        _ => cron(format!("{minute} */{} {day}-28 * *", 1 + number % 6))?,
    };
    let timezone = matches!(schedule, Some(Schedule::Cron { .. })).then_some(zone);
    Ok(Definition {
        name: Some(format!("report of branch {number}")),
        schedule: schedule.map(|schedule| ScheduleDetails::plain(schedule, timezone)),
        payload: Some(Payload::from_stored(&format!(r#"{{"branch":{number},"text":"a small payload, as most are"}}"#))),
        payload_schema: None,
        webhook: Some(Webhook::parse(url, None).map_err(|error| anyhow!(error))?),
        destinations: Vec::new(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    })
}

impl Stage {
    /// Everything that is due by then fires, calls make up for what is missing, and all of it is delivered or fails.
    async fn play_minute(&mut self, now: Timestamp, events: usize, minutes_left: i64) -> anyhow::Result<()> {
        while let Some(due) = self.store.next_due().await?.filter(|due| *due <= now) {
            self.fire(due).await?;
        }
        let missing = events.saturating_sub(self.events).div_ceil(usize::try_from(minutes_left)?);
        let mut calls = JoinSet::new();
        for _ in 0..missing {
            let (store, owner) = (Arc::clone(&self.store), self.owner);
            let trigger = self.called[self.events % self.called.len()];
            let payload = Payload::from_stored(&format!(r#"{{"order":"order-{}","text":"a payload"}}"#, self.events));
            let call =
                Call { origin: Origin::Api, payload: Some(payload), checked: None, message_id: self.ids.message(now) };
            calls.spawn(async move { store.fire(owner, trigger, call, now).await });
            self.events += 1;
        }
        while let Some(fired) = calls.join_next().await {
            match fired?? {
                Fired::Event(_) => {}
                other => bail!("a trigger did not fire: {other:?}"),
            }
        }
        loop {
            let claims = self.store.claim_deliveries(now, TOGETHER).await?;
            if claims.is_empty() {
                return Ok(());
            }
            self.store.settle(claims.into_iter().map(|claim| self.attempt(claim, now)).collect()).await?;
        }
    }

    async fn fire(&mut self, due: Timestamp) -> anyhow::Result<()> {
        let now = due + SignedDuration::from_millis(2);
        let armed = self.store.due(due, TOGETHER).await?;
        let plans: Vec<Planned> = armed
            .into_iter()
            .filter_map(|armed| {
                let (next_at, plan) = (armed.next_at?, plan_of(&armed, now, &[])?);
                let message_ids = plan.firings.iter().map(|_| self.ids.message(now)).collect();
                Some(Planned { trigger: armed.trigger, armed: next_at, plan, message_ids, edition: 0 })
            })
            .collect();
        self.events += plans.iter().map(|planned| planned.plan.firings.len()).sum::<usize>();
        self.store.commit_plans(plans, now).await?;
        Ok(())
    }

    /// The only attempt: a ladder of them would take longer than the past lasts.
    fn attempt(&self, claim: Claim, now: Timestamp) -> Settlement {
        let fails = self.failing.contains(&claim.event.trigger);
        let answer =
            Answer { status: if fails { 503 } else { 200 }, headers: Vec::new(), body: b"taken, or not".to_vec() };
        let exchange = Exchange { result: Ok(answer), took: Duration::from_millis(12), facts: Facts::default() };
        let terms = Terms::standard(Retention::STANDARD.keep_for);
        let settlement = delivery::settle(claim, exchange, &terms, now, now + SignedDuration::from_millis(12));
        if fails { Settlement { verdict: Verdict::Failed, ..settlement } } else { settlement }
    }
}
