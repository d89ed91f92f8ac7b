//! Looks over everybody's triggers again and again, a slice at a time: whether each waits for what it should, and whether what is written
//! down about its occurrences is what its schedule names. It asks neither the scheduler nor what that one decided: what is right follows
//! in `domain::audit` from the schedules and from what the past left. So a trigger that lost what arms it, whatever took it, is
//! silent for a round at most. What neither named nor fired anything since the round before is left alone by whoever goes round, so that a million
//! triggers that wait cost next to nothing.
//!
//! A repair arms; it fires nothing itself. What fell due meanwhile is the scheduler's, by the rule that holds for everybody.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::audit::{Asked, Compared, Defect, Finding, Inspected, Round, SLICE_MAX, Tally, ZoneData};
use oncue_domain::clock::Clock;
use oncue_domain::event::Retention;
use oncue_domain::id::TriggerId;
use oncue_domain::store::{Result, Store};
use oncue_domain::trigger::Trigger;

/// How many findings of a round are told one by one in the log; of the others, how many there are.
const NAMED_MAX: u64 = 100;

/// What fell due less than this ago is compared the next time: it may still be under way.
const SETTLES_WITHIN: SignedDuration = SignedDuration::from_secs(15);

/// How far back the first round of a process compares; the next ones go on where the one before ended.
const FIRST_SPAN: SignedDuration = SignedDuration::from_hours(1);

/// What is written down about so many triggers is read at once.
const COMPARED_AT_ONCE: usize = 100;

/// So many former revisions of a trigger are read at once.
const REVISIONS_AT_ONCE: usize = 20;

/// Of how many triggers of a slice, that were edited since the round before, a round that goes on and on compares what they said before.
const EDITED_MAX: usize = 50;

/// Of how many triggers it is kept that a round compared them up to another instant than the others.
const LEFT_OFF_MAX: usize = 100_000;

/// What an auditor is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To go round for as long as the server runs: it puts right what it can, and compares what fell due since the round before.
    Watch,
    /// To go round once, compare everything that is kept, and change nothing.
    Look,
    /// The same, and to put right what it can.
    Mend,
}

/// The last round that ended, for whoever asks.
#[derive(Clone, Debug, Default)]
pub struct LastRound(Arc<Mutex<Option<Round>>>);

impl LastRound {
    /// The last round that ended; none before the first.
    pub fn get(&self) -> Option<Round> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, round: Round) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(round);
    }
}

/// Looks over triggers.
pub struct Auditor {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    errand: Errand,
    last: LastRound,
    after: Option<TriggerId>,
    /// The round under way, and which occurrences it compares.
    round: Option<(Round, Span)>,
    /// Up to when the rounds before compared.
    compared_until: Option<Timestamp>,
    /// Where they left off sooner: with what was late when its turn came, and what was put right instead.
    left_off: HashMap<TriggerId, Timestamp>,
    /// The same of the round under way.
    leaves_off: HashMap<TriggerId, Timestamp>,
    /// The zone data that the schedules were read with; none where nobody said.
    zones: Zones,
}

/// Whether what triggers wait for may have been named by other zone data.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Zones {
    /// Nobody asked for it.
    Unknown,
    /// Of this release; what was used before is asked with the first slice.
    Release(String),
    /// It changed, and this round looks for what has moved.
    Changed(ZoneData),
    /// It is as it was when the triggers were armed.
    Settled,
}

/// What came of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// What was found, and put right where that was asked for and can be.
    pub findings: Vec<Finding>,
    /// The round as far as it has come.
    pub round: Round,
    /// Whether that was its end.
    pub is_over: bool,
}

impl Auditor {
    /// One that goes about this errand from the first trigger on.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, retention: Retention, errand: Errand) -> Auditor {
        Auditor {
            store,
            clock,
            retention,
            errand,
            last: LastRound::default(),
            after: None,
            round: None,
            compared_until: None,
            left_off: HashMap::new(),
            leaves_off: HashMap::new(),
            zones: Zones::Unknown,
        }
    }

    /// The schedules are read with zone data of that release. Where another was used before, its first round is in a hurry, and what waits for an
    /// instant that has moved is no defect.
    pub fn with_zone_data(self, release: &str) -> Auditor {
        Auditor { zones: Zones::Release(release.to_owned()), ..self }
    }

    /// Whether triggers may wait for instants that new zone data has moved, and are looked over without a rest.
    pub fn is_in_a_hurry(&self) -> bool {
        matches!(self.zones, Zones::Changed(_))
    }

    /// Where the last round that ended can be read.
    pub fn last_round(&self) -> LastRound {
        self.last.clone()
    }

    /// Looks over the next slice.
    ///
    /// # Errors
    /// When the store cannot answer; then the slice is looked over again next time.
    pub async fn tick(&mut self) -> Result<Looked> {
        let began_at = self.clock.now();
        if let Zones::Release(release) = &self.zones {
            let used = self.store.use_zone_data(release, began_at).await?;
            self.zones = if used.is_news(began_at) { Zones::Changed(used) } else { Zones::Settled };
        }
        let span = self.round.map_or_else(|| self.span_at(began_at), |(_, span)| span);
        let inspection = self.store.inspect(self.after, SLICE_MAX).await?;
        let mut findings: Vec<Finding> = inspection.unreadable.iter().map(|id| Finding::unreadable(*id)).collect();
        findings.extend(self.look_over(&inspection.triggers).await?);
        let of_ledgers = self.compare(&inspection.triggers, span, &findings).await?;
        if self.errand == Errand::Watch {
            self.leave_off(&inspection.triggers, span, &findings);
        }
        findings.extend(of_ledgers);
        let begun = Round { began_at, ended_at: began_at, triggers: 0, found: Tally::default(), repaired: 0 };
        let (round, _) = self.round.get_or_insert((begun, span));
        round.ended_at = self.clock.now();
        round.triggers += (inspection.triggers.len() + inspection.unreadable.len()) as u64;
        for finding in &findings {
            round.found.note(finding.defect);
            let is_repaired = self.errand != Errand::Look && finding.repair.is_some();
            round.repaired += u64::from(is_repaired && finding.defect.is_mistake());
        }
        let looked = Looked { findings, round: *round, is_over: inspection.go_on_after.is_none() };
        self.after = inspection.go_on_after;
        if looked.is_over {
            self.last.set(looked.round);
            self.round = None;
            self.compared_until = Some(span.until);
            self.left_off = std::mem::take(&mut self.leaves_off);
            if let Zones::Changed(ZoneData { release, before, .. }) = &self.zones {
                let (before, moved) = (before.as_deref().unwrap_or_default(), looked.round.found.of(Defect::Moved));
                tracing::info!(
                    moved,
                    before,
                    release,
                    "zone data of release {release} is in use instead of {before}; triggers that wait for another instant now: {moved}"
                );
                self.zones = Zones::Settled;
            }
        }
        Ok(looked)
    }

    /// Which occurrences a round compares that begins now.
    fn span_at(&self, now: Timestamp) -> Span {
        let until = now - SETTLES_WITHIN;
        let from = match self.errand {
            Errand::Watch => self.compared_until.unwrap_or(until - FIRST_SPAN),
            Errand::Look | Errand::Mend => Timestamp::UNIX_EPOCH,
        };
        Span { from, until }
    }

    /// Which of a trigger's occurrences a round compares: it goes on where the one before left off.
    fn span_of(&self, inspected: &Inspected, span: Span) -> Span {
        let from = self.left_off.get(&inspected.trigger.id).map_or(span.from, |left_off| span.from.min(*left_off));
        Span { from, ..span }
    }

    /// Keeps where the next round goes on with those that this one has not compared to its end, of those in which that was found.
    fn leave_off(&mut self, triggers: &[Inspected], span: Span, found: &[Finding]) {
        let wrong: HashMap<TriggerId, Defect> = found.iter().map(|one| (one.trigger, one.defect)).collect();
        for inspected in triggers {
            let from = self.span_of(inspected, span).from;
            let until = match wrong.get(&inspected.trigger.id) {
                // What was said before the last change has been compared as what it said then, of as many edited ones as a round takes.
                None => inspected.told_until(span.until).max(inspected.trigger.standing_since).max(from),
                Some(defect) if defect.is_mistake() => from,
                // By the new rules nobody has fired so far.
                Some(_) => span.until,
            };
            if until < span.until && self.leaves_off.len() < LEFT_OFF_MAX {
                self.leaves_off.insert(inspected.trigger.id, until);
            }
        }
    }

    async fn look_over(&self, triggers: &[Inspected]) -> Result<Vec<Finding>> {
        let now = self.clock.now();
        let gone_until = self.retention.gone_until(now);
        let suspects: Vec<&Inspected> =
            triggers.iter().filter(|inspected| !inspected.is_in_order(gone_until, now)).collect();
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let whose = suspects.iter().map(|suspect| (suspect.trigger.owner, suspect.trigger.id)).collect();
        let accounted = self.store.accounted_until(whose).await?;
        let told = suspects.iter().zip(accounted);
        let is_new = self.is_in_a_hurry();
        let find = |(suspect, accounted): (&&Inspected, Option<Timestamp>)| {
            if is_new {
                suspect.finding_by_new_rules(accounted, gone_until, now)
            } else {
                suspect.finding(accounted, gone_until, now)
            }
        };
        let found = told.filter_map(find).collect();
        if self.errand == Errand::Look { self.confirm(found, triggers).await } else { self.mend(found).await }
    }

    /// Puts right what still stands as it was found. What has changed meanwhile was a trigger that somebody was at.
    async fn mend(&self, found: Vec<Finding>) -> Result<Vec<Finding>> {
        let mut mended = Vec::with_capacity(found.len());
        for finding in found {
            let Some(repair) = finding.repair else { continue };
            if self.store.rearm(repair).await? {
                mended.push(finding);
            }
        }
        Ok(mended)
    }

    /// Compares what is written down about those that wait for what they should.
    async fn compare(&self, triggers: &[Inspected], span: Span, found: &[Finding]) -> Result<Vec<Finding>> {
        let gone_until = self.retention.gone_until(self.clock.now());
        let is_wrong: HashSet<TriggerId> = found.iter().map(|finding| finding.trigger).collect();
        let sound = triggers.iter().filter(|inspected| !is_wrong.contains(&inspected.trigger.id));
        let comparable = |inspected: &Inspected| inspected.comparable(self.span_of(inspected, span), gone_until);
        let asked = sound.filter_map(|inspected| Some((inspected, comparable(inspected)?))).collect();
        let asked = self.without_the_silent(asked).await?;
        let mut findings = Vec::new();
        for some in asked.chunks(COMPARED_AT_ONCE) {
            for (compared, (inspected, _)) in self.compare_some(some).await?.iter().zip(some) {
                findings.extend(compared.findings(inspected.trigger.id));
            }
        }
        let told_from = |inspected: &Inspected| self.span_of(inspected, span).from.max(gone_until);
        let is_wrong = |inspected: &&Inspected| is_wrong.contains(&inspected.trigger.id);
        let edited = triggers.iter().filter(|inspected| inspected.trigger.standing_since > told_from(inspected));
        let most = if self.errand == Errand::Watch { EDITED_MAX } else { usize::MAX };
        for inspected in edited.filter(|inspected| !is_wrong(inspected)).take(most) {
            let compared = self.compare_former(inspected, self.span_of(inspected, span), gone_until).await?;
            findings.extend(compared.iter().flat_map(|compared| compared.findings(inspected.trigger.id)));
        }
        self.confirm(findings, triggers).await
    }

    /// Compares what is written down about a trigger with what its former revisions named while they stood.
    async fn compare_former(
        &self,
        inspected: &Inspected,
        span: Span,
        gone_until: Timestamp,
    ) -> Result<Option<Compared>> {
        let Trigger { owner, id, .. } = inspected.trigger;
        let (mut sum, mut before): (Option<Compared>, _) = (None, None);
        loop {
            let revisions = self.store.revisions(owner, id, before, REVISIONS_AT_ONCE).await?;
            let former: Vec<(Inspected, Asked)> =
                revisions.iter().filter_map(|revision| inspected.comparable_of(revision, span, gone_until)).collect();
            let some = former.iter().map(|(former, asked)| (former, *asked)).collect();
            let some = self.without_the_silent(some).await?;
            // The latest come first.
            for compared in self.compare_some(&some).await? {
                sum = Some(sum.map_or(compared, |later| compared.and(later)));
            }
            let last = revisions.last().filter(|last| last.made_at > span.from.max(gone_until));
            match last.filter(|_| revisions.len() == REVISIONS_AT_ONCE) {
                Some(last) => before = Some(last.trigger.revision),
                None => return Ok(sum),
            }
        }
    }

    /// Whoever goes round compares those of which the wall says that their schedules name anything in the span, or the store that they fired in it:
    /// neither rests on what the scheduler took for due. Whoever looks at all there is compares all.
    async fn without_the_silent<'a>(&self, some: Vec<(&'a Inspected, Asked)>) -> Result<Vec<(&'a Inspected, Asked)>> {
        if self.errand != Errand::Watch {
            return Ok(some);
        }
        let mut named = Vec::with_capacity(some.len());
        for (inspected, asked) in &some {
            named.push(inspected.names_any(*asked));
            // A thousand looks at the wall take a while, and others are served by this thread.
            tokio::task::coop::consume_budget().await;
        }
        let unnamed: Vec<Asked> =
            some.iter().zip(&named).filter(|(_, named)| !**named).map(|((_, asked), _)| *asked).collect();
        if unnamed.is_empty() {
            return Ok(some);
        }
        let mut fired = self.store.fired_within(unnamed).await?.into_iter();
        let stays = some.into_iter().zip(named).filter(|(_, named)| *named || fired.next() == Some(true));
        Ok(stays.map(|(one, _)| one).collect())
    }

    async fn compare_some(&self, some: &[(&Inspected, Asked)]) -> Result<Vec<Compared>> {
        let mut sums: Vec<Option<Compared>> = vec![None; some.len()];
        let mut left: Vec<(usize, Asked)> = some.iter().map(|(_, asked)| *asked).enumerate().collect();
        while !left.is_empty() {
            let accounts = self.store.accounts(left.iter().map(|(_, asked)| *asked).collect()).await?;
            let mut next = Vec::new();
            for ((place, asked), account) in left.into_iter().zip(accounts) {
                let before = sums[place].map_or(0, |sum| sum.fired);
                let compared = some[place].0.compare(asked, &account, before);
                sums[place] = Some(sums[place].map_or(compared, |sum| sum.and(compared)));
                next.extend(
                    compared.go_on_from.map(|from| (place, Asked { span: Span { from, ..asked.span }, ..asked })),
                );
            }
            left = next;
        }
        Ok(sums.into_iter().flatten().collect())
    }

    /// Those that still stand as they were found: a trigger that was changed or deleted meanwhile has taken with it what was looked for.
    async fn confirm(&self, found: Vec<Finding>, seen: &[Inspected]) -> Result<Vec<Finding>> {
        if found.is_empty() {
            return Ok(found);
        }
        let again = self.store.inspect(self.after, SLICE_MAX).await?.triggers;
        let stands = |finding: &Finding| {
            let (Some(before), Some(now)) = (of(seen, finding.trigger), of(&again, finding.trigger)) else {
                return false;
            };
            // One that goes on firing waits for something else each time.
            before.trigger == now.trigger
                && (finding.about.is_some() || (before.cursor, before.is_forgotten) == (now.cursor, now.is_forgotten))
        };
        Ok(found.into_iter().filter(stands).collect())
    }
}

/// The trigger of that number, among those that ascend.
fn of(triggers: &[Inspected], id: TriggerId) -> Option<&Inspected> {
    triggers.binary_search_by_key(&id, |inspected| inspected.trigger.id).ok().map(|place| &triggers[place])
}

impl Looked {
    /// Says in the log what was found, and counts it.
    pub(crate) fn report(&self) {
        let told_before = self.round.found.sum() - self.findings.len() as u64;
        for (finding, number) in self.findings.iter().zip(told_before..) {
            if finding.defect.is_mistake() {
                metrics::counter!("oncue_audit_findings_total", "defect" => finding.defect.word()).increment(1);
                metrics::counter!("oncue_audit_repairs_total").increment(u64::from(finding.repair.is_some()));
            } else {
                metrics::counter!("oncue_audit_moved_total").increment(1);
            }
            if number < NAMED_MAX {
                name(finding);
            }
        }
        if self.is_over {
            self.report_round();
        }
    }

    fn report_round(&self) {
        let Round { began_at, ended_at, triggers, found, .. } = self.round;
        if found.mistakes() > 0 && found.sum() > NAMED_MAX {
            let defects = found.mistakes();
            tracing::warn!(
                "the auditor found {defects} defects in this round; the first {NAMED_MAX} findings are told"
            );
        }
        metrics::counter!("oncue_audit_rounds_total").increment(1);
        metrics::gauge!("oncue_audit_triggers").set(triggers as f64);
        metrics::gauge!("oncue_audit_findings").set(found.mistakes() as f64);
        metrics::gauge!("oncue_audit_round_seconds").set(ended_at.duration_since(began_at).as_secs_f64());
        metrics::gauge!("oncue_audit_ended_timestamp_seconds").set(seconds(ended_at));
    }
}

fn name(finding: &Finding) {
    let (id, defect, sentence) = (finding.trigger, finding.defect.word(), finding.defect.sentence());
    match (finding.repair.map(|repair| repair.next_at), finding.about) {
        (Some(next_at), _) if !finding.defect.is_mistake() => {
            let next_at = next_at.map_or_else(|| "nothing".to_owned(), |at| at.to_string());
            tracing::info!(
                trigger.id = %id, next_at,
                "trigger {id} was armed by the zone data before, and waits for {next_at} now"
            );
        }
        (Some(Some(next_at)), _) => tracing::warn!(
            trigger.id = %id, defect, %next_at,
            "the auditor found that trigger {id} {sentence}; now it waits for {next_at}"
        ),
        (Some(None), _) => tracing::warn!(
            trigger.id = %id, defect,
            "the auditor found that trigger {id} {sentence}; now it waits for nothing"
        ),
        (None, Some(about)) => tracing::warn!(
            trigger.id = %id, defect, count = about.count, first = %about.first,
            "the auditor found that trigger {id} {sentence}: {}, the first at {}", about.count, about.first
        ),
        (None, None) => tracing::warn!(trigger.id = %id, defect, "the auditor found that trigger {id} {sentence}"),
    }
}

fn seconds(instant: Timestamp) -> f64 {
    instant.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

/// The counters exist from the start, so that whoever watches them sees the first finding as a step.
pub(crate) fn announce_counters() {
    for defect in Defect::ALL.into_iter().filter(|defect| defect.is_mistake()) {
        metrics::counter!("oncue_audit_findings_total", "defect" => defect.word()).increment(0);
    }
    metrics::counter!("oncue_audit_moved_total").increment(0);
    metrics::counter!("oncue_audit_repairs_total").increment(0);
    metrics::counter!("oncue_audit_rounds_total").increment(0);
}
