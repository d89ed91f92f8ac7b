//! Plays the day that is already over when the demonstration begins: from one moment at which something was to happen to the
//! next, and through the store alone, with the instants at which the engine would have come. What is planned, what an attempt
//! means and what an edit does is asked of the domain, as ever; invented are only the calls and the answers.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::to_micros;
use oncue_domain::delivery::{self, Claim, EXCHANGE_DEADLINE, Settlement, Terms};
use oncue_domain::destination::{self, Target, Webhook};
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::{DestinationId, Ids, TriggerId, UserId};
use oncue_domain::message::{Outgoing, Parcel, Source, compose, render};
use oncue_domain::outbound::{Answer, Exchange, Facts, Failure, Trust};
use oncue_domain::payload::Payload;
use oncue_domain::plan::{Absence, plan_of};
use oncue_domain::receipt::Draft;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{Call, Edited, Fired, NewTrigger, Planned, Store};
use oncue_domain::template::Occurrence;
use oncue_domain::trigger::{Definition, ScheduleDetails};
use serde_json::json;

use super::Doors;
use super::cast::{ABSENT_MIN, Deed, PARTS, Part, Scene, When, scenes};
use super::receiver::reply;

/// More than ever falls due in one moment of this day.
const TOGETHER: usize = 512;

/// Where the day is played.
pub(super) struct Stage {
    store: Arc<dyn Store>,
    ids: Arc<Ids>,
    zones: Arc<Zones>,
    owner: UserId,
    source: Source,
    receiver: SocketAddr,
    made: BTreeMap<&'static str, TriggerId>,
    /// What was said about each destination, and the path of the receiver that it leads to.
    destinations: BTreeMap<DestinationId, (Arc<destination::Definition>, &'static str)>,
    absences: Vec<Absence>,
}

impl Stage {
    pub(super) fn new(doors: &Doors, owner: UserId, receiver: SocketAddr) -> Stage {
        Stage {
            store: Arc::clone(&doors.store),
            ids: Arc::clone(&doors.ids),
            zones: Arc::clone(&doors.zones),
            owner,
            source: doors.source.clone(),
            receiver,
            made: BTreeMap::new(),
            destinations: BTreeMap::new(),
            absences: Vec::new(),
        }
    }

    /// The trigger of that name.
    pub(super) fn trigger(&self, name: &str) -> anyhow::Result<TriggerId> {
        self.made.get(name).copied().with_context(|| format!("{name} was not made yet"))
    }

    /// Plays everything that happens after `from` and before `until`.
    pub(super) async fn play(&mut self, from: Timestamp, until: Timestamp) -> anyhow::Result<()> {
        self.store.begin_presence(from).await?;
        let mut absence =
            Some(Absence { from: minutes_before(until, ABSENT_MIN.end), to: minutes_before(until, ABSENT_MIN.start) })
                .filter(|absence| absence.from > from);
        let mut scenes = scenes().into_iter().map(|scene| (at(&scene, from, until), scene)).peekable();
        let mut now = from;
        loop {
            let due = self.store.next_due().await?.map(|due| due + lateness(due));
            let owed = self.store.next_owed().await?;
            let next = [due, owed, scenes.peek().map(|(at, _)| *at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next < until) else { break };
            now = now.max(next);
            if let Some(absence) = absence.take_if(|absence| now > absence.from) {
                self.store.sign_of_life(absence.from);
                self.absences = self.store.begin_presence(absence.to).await?;
                now = now.max(absence.to + lateness(absence.to));
            }
            while let Some((_, scene)) = scenes.next_if(|(at, _)| *at <= now) {
                self.perform(&scene, until, now).await.with_context(|| format!("{scene:?}"))?;
            }
            self.fire(now).await?;
            self.deliver(now).await?;
        }
        self.store.sign_of_life(until);
        Ok(())
    }

    async fn fire(&self, now: Timestamp) -> anyhow::Result<()> {
        let due = self.store.due(now, TOGETHER).await?;
        let plans: Vec<Planned> = due
            .into_iter()
            .filter_map(|armed| {
                let (next_at, plan) = (armed.next_at?, plan_of(&armed, now, &self.absences)?);
                let message_ids = plan.firings.iter().map(|_| self.ids.message(now)).collect();
                Some(Planned { trigger: armed.trigger, armed: next_at, plan, message_ids, edition: 0 })
            })
            .collect();
        if !plans.is_empty() {
            self.store.commit_plans(plans, now).await?;
        }
        Ok(())
    }

    async fn deliver(&self, now: Timestamp) -> anyhow::Result<()> {
        let claims = self.store.claim_deliveries(now, TOGETHER).await?;
        if !claims.is_empty() {
            self.store.settle(claims.into_iter().map(|claim| self.attempt(claim, now)).collect()).await?;
        }
        Ok(())
    }

    async fn perform(&mut self, scene: &Scene, until: Timestamp, now: Timestamp) -> anyhow::Result<()> {
        match &scene.deed {
            Deed::Make => {
                let part = PARTS.iter().find(|part| part.name == scene.name).context("nobody plays that part")?;
                let mut definition = self.definition(part, until, now)?;
                if let Some((retries, (path, _))) = part.retries.zip(part.receiver) {
                    definition.destinations.push(self.destination(part.name, path, retries, now).await?);
                }
                let next_at = definition.next_after(now);
                let new = NewTrigger { owner: self.owner, definition, next_at, test_event: None };
                let made = self.store.create_trigger(new, now).await??;
                self.made.insert(part.name, made.trigger.id);
                Ok(())
            }
            Deed::Call(payload) => self.call(scene.name, Origin::Api, Some(payload.clone()), now).await,
            Deed::Test => self.call(scene.name, Origin::Test, None, now).await,
            Deed::Pause => self.edit(scene.name, now, |definition| definition.enabled = false).await,
            Deed::Resume => self.edit(scene.name, now, |definition| definition.enabled = true).await,
            Deed::Rewrite(payload) => {
                let payload = Payload::parse(payload).map_err(|error| anyhow!("{error:?}"))?;
                self.edit(scene.name, now, |definition| definition.payload = Some(payload)).await
            }
            Deed::Slow(period) => {
                let schedule = every(period, now)?;
                let details = Some(ScheduleDetails::plain(schedule, None));
                self.edit(scene.name, now, |definition| definition.schedule = details).await
            }
            Deed::Delete => {
                let is_gone = self.store.delete_trigger(self.owner, self.trigger(scene.name)?, now).await?;
                is_gone.then_some(()).context("there was nothing to delete")
            }
        }
    }

    fn definition(&self, part: &Part, until: Timestamp, now: Timestamp) -> anyhow::Result<Definition> {
        let zone = match part.when {
            When::Cron(_, zone) => Some(self.zones.get(zone)?),
            _ => None,
        };
        let schedule = match part.when {
            When::Cron(line, _) => Some(Schedule::Cron {
                expression: CronExpression::parse(line)?,
                zone: zone.clone().unwrap_or_else(Zones::utc),
            }),
            When::Every(period) => Some(every(period, now)?),
            When::Once(ago_min) => Some(Schedule::Once { at: minutes_before(until, ago_min) }),
            When::Called => None,
        };
        let plainly = part.receiver.filter(|_| part.retries.is_none());
        let webhook = plainly.map(|(path, format)| {
            Webhook::parse(&format!("http://{}{path}", self.receiver), Some(format)).map_err(|error| anyhow!(error))
        });
        Ok(Definition {
            name: Some(part.name.to_owned()),
            schedule: schedule.map(|schedule| ScheduleDetails::plain(schedule, zone)),
            payload: Some(Payload::from_stored(part.payload)),
            payload_schema: None,
            webhook: webhook.transpose()?,
            destinations: Vec::new(),
            expects: None,
            overlap: oncue_domain::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: part.expired_min.map(|ago_min| minutes_before(until, ago_min)),
        })
    }

    async fn call(&self, name: &str, origin: Origin, payload: Option<Payload>, now: Timestamp) -> anyhow::Result<()> {
        let call = Call { origin, payload, checked: None, message_id: self.ids.message(now) };
        match self.store.fire(self.owner, self.trigger(name)?, call, now).await? {
            Fired::Event(_) => Ok(()),
            other => bail!("it did not fire: {other:?}"),
        }
    }

    async fn destination(
        &mut self,
        name: &str,
        path: &'static str,
        retries: &[&str],
        now: Timestamp,
    ) -> anyhow::Result<DestinationId> {
        let url = format!("http://{}{path}", self.receiver);
        let said = json!({"name": name, "kind": "webhook", "url": url, "retries": retries});
        let definition = destination::Definition::read(&said, None).map_err(|wrong| anyhow!("{wrong:?}"))?;
        let made = self.store.create_destination(self.owner, definition, now).await?.context("there is no room")?;
        self.destinations.insert(made.id, (made.definition, path));
        Ok(made.id)
    }

    /// An attempt that began at `now`, and what the receiver said to it.
    fn attempt(&self, claim: Claim, now: Timestamp) -> Settlement {
        let keep_for = Retention::STANDARD.keep_for;
        let (path, terms) = match &claim.target {
            Target::Webhook(webhook) => (webhook.url.path(), Terms::standard(keep_for)),
            Target::Destination(id) => self
                .destinations
                .get(id)
                .map_or(("", Terms::standard(keep_for)), |(definition, path)| (*path, Terms::of(definition, keep_for))),
            Target::Default => ("", Terms::standard(keep_for)),
        };
        let reply = reply(path, &claim.message_id().to_string(), &now.as_second().to_string());
        let deadline = EXCHANGE_DEADLINE.unsigned_abs();
        let mut exchange = if reply.after < deadline {
            let answer = Answer { status: reply.status, headers: Vec::new(), body: reply.body.as_bytes().to_vec() };
            Exchange { result: Ok(answer), took: reply.after, facts: self.facts(reply.after) }
        } else {
            let failure = Failure(format!("The receiver did not answer within {} s.", deadline.as_secs()));
            Exchange { result: Err(failure), took: deadline + Duration::from_millis(1), facts: self.facts(deadline) }
        };
        let over_at = now + exchange.took;
        let receipt = Some(self.draft(&claim, now).finish(&claim, &mut exchange, now));
        Settlement { receipt, ..delivery::settle(claim, exchange, &terms, now, to_micros(over_at)) }
    }

    /// What is known of the way: a moment for the connection, and the rest for waiting.
    fn facts(&self, took: Duration) -> Facts {
        let connect_us = 300;
        let wait_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).saturating_sub(2 * connect_us);
        let address = Some(self.receiver);
        Facts { address, connect_us: Some(connect_us), tls_us: None, wait_us: Some(wait_us), receive_us: Some(40) }
    }

    /// What was sent.
    fn draft(&self, claim: &Claim, now: Timestamp) -> Draft {
        match &claim.target {
            Target::Webhook(webhook) => {
                Draft::of_request(&render(&claim.event, webhook, Trust::Guarded, &self.source, now))
            }
            Target::Destination(id) => {
                let message_id = claim.message_id();
                let parcel = Parcel { event: &claim.event, message_id, occurrence: Occurrence::default() };
                let definition = self.destinations.get(id).map(|(definition, _)| definition);
                let composed = definition.map(|to| compose(parcel, to, &self.source, &self.zones, now));
                match composed {
                    Some(Ok(Outgoing::Http(request))) => Draft::of_request(&request),
                    _ => Draft::unsent(),
                }
            }
            Target::Default => Draft::unsent(),
        }
    }

    async fn edit(&self, name: &str, now: Timestamp, change: impl FnOnce(&mut Definition)) -> anyhow::Result<()> {
        let id = self.trigger(name)?;
        let armed = self.store.trigger(self.owner, id).await?.context("the trigger is gone")?;
        let mut definition = armed.trigger.definition.clone();
        change(&mut definition);
        let edit = armed.edit(definition, now);
        match self.store.edit_trigger(edit, armed.next_at, now).await? {
            Edited::Done => Ok(()),
            other => bail!("it was not edited: {other:?}"),
        }
    }
}

fn every(period: &str, anchor: Timestamp) -> anyhow::Result<Schedule> {
    Ok(Schedule::Every { period: Period::parse(period)?, anchor, first: FirstFiring::OnePeriodLater })
}

/// How late whoever ran came: a few milliseconds, and now and then more.
fn lateness(due: Timestamp) -> SignedDuration {
    let mut hasher = DefaultHasher::new();
    due.as_microsecond().hash(&mut hasher);
    let chance = hasher.finish();
    let late_us = if chance.is_multiple_of(50) { 40_000 + chance % 700_000 } else { 300 + chance % 4_000 };
    SignedDuration::from_micros(i64::try_from(late_us).unwrap_or(0))
}

fn at(scene: &Scene, from: Timestamp, until: Timestamp) -> Timestamp {
    let ago = SignedDuration::try_from_secs_f64(scene.ago_min * 60.0).unwrap_or_default();
    to_micros(until - ago).max(from)
}

fn minutes_before(until: Timestamp, minutes: i64) -> Timestamp {
    until - SignedDuration::from_mins(minutes)
}
