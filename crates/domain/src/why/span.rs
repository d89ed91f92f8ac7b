//! The whole account of a span: every occurrence in it, told as runs of consecutive ones with the same disposition, so that a year of
//! absence is one line. What is between the entries of the ledger is told by the same rule as a single instant, piece by piece, where a
//! piece is a time in which nothing changes that the rule depends on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::made::{Edits, Made};
use super::releases::decided;
use super::taken::{Taken, stop_of, taken_in};
use super::{
    Facts, Standing, Verdict, absence_around, asked_for, count_in, fires_after, first_to_fire, latest_in, next_after,
    recorded, recorded_by, standing_at, timing, verdict,
};
use crate::agenda::Span;
use crate::event::Origin;
use crate::occurrence::Reason;
use crate::store::{Ledger, SkippedView};
use crate::trigger::{Armed, Definition, Kind, ScheduleDetails, just_after, just_before};

/// A run of consecutive occurrences with one disposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
    /// What became of them, told of the first.
    pub verdict: Verdict,
    /// The edit that is behind it, told of the first.
    pub edit: Option<Made>,
    /// Which release of the zone data decided, told of the first.
    pub release: String,
}

impl Line {
    /// Whether nothing tells what comes next apart from this.
    fn goes_on_with(&self, next: &Line) -> bool {
        let is_same = match (&self.verdict, &next.verdict) {
            (Verdict::Fired(..), _) => false,
            // How many fire before is told of the first.
            (Verdict::Coming(before), Verdict::Coming(others)) => before.saturating_add(self.count) == *others,
            (verdict, next) => verdict == next,
        };
        is_same && self.last < next.first && self.edit == next.edit && self.release == next.release
    }
}

/// What became of all occurrences of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanAccount {
    /// The span that is told of; it ends earlier than what was asked for where the ledger holds more.
    pub span: Span,
    /// Where to go on, if that is not the end.
    pub stopped_at: Option<Timestamp>,
    /// In order.
    pub lines: Vec<Line>,
    /// What would lie there, had nothing taken it away; in order, and among the lines no more.
    pub taken_away: Vec<Taken>,
    /// The part of it in which the trigger was there and said something that is not kept: of that only what is on record is told.
    pub unknown: Option<Span>,
    /// The part of it that a trigger decides which cannot be read: nothing fires in it but what is among the lines, and what would nobody can tell.
    pub unreadable: Option<Span>,
}

impl SpanAccount {
    /// Tells the span; the ledger of `facts` is that of the span, as far as it goes.
    pub fn of(facts: Facts<'_>, span: Span) -> SpanAccount {
        // A ledger that stops where it begins has nothing further to go on to.
        let mut taken_away = taken_in(facts, span);
        let stops = [facts.ledger.stopped_at, stop_of(&taken_away)].into_iter().flatten();
        let stopped_at = stops.filter(|stop| span.from < *stop && *stop < span.until).min();
        let span = Span { until: stopped_at.unwrap_or(span.until), ..span };
        if stopped_at.is_some() {
            taken_away = taken_in(facts, span);
        }
        let mut telling = Telling::of(facts, span);
        if facts.armed.trigger.definition.kind() == Kind::Scheduled {
            telling.tell();
            telling.tell_asked_for();
        }
        telling.tell_unread();
        let mut lines = telling.lines;
        lines.sort_by_key(|line| (line.first, line.last));
        SpanAccount {
            span,
            stopped_at,
            lines: joined(facts, lines),
            taken_away,
            unknown: unknown(facts, span),
            unreadable: unreadable(facts, span),
        }
    }

    /// How many occurrences there are of each disposition, by [`Verdict::word`].
    pub fn tally(&self) -> BTreeMap<&'static str, u64> {
        let mut tally = BTreeMap::new();
        for line in &self.lines {
            let count: &mut u64 = tally.entry(line.verdict.word()).or_default();
            *count = count.saturating_add(line.count);
        }
        tally
    }
}

/// The same with neighbours as one that only a change parts which made no difference to them: the present is one, and the end of a freeze. What one
/// revision decided lies without a gap; between two of them there may be a time of which nobody knows.
fn joined(facts: Facts<'_>, lines: Vec<Line>) -> Vec<Line> {
    let said_by = |line: &Line| standing_at(facts, line.first).map(|by| (by.is_present, by.revision));
    let mut joined: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        let is_one = |before: &&mut Line| {
            before.goes_on_with(&line) && said_by(before).is_some_and(|by| said_by(&line) == Some(by))
        };
        match joined.last_mut().filter(is_one) {
            Some(before) => (before.last, before.count) = (line.last, before.count.saturating_add(line.count)),
            None => joined.push(line),
        }
    }
    joined
}

/// The time before the present schedule that no known revision explains.
fn unknown(facts: Facts<'_>, span: Span) -> Option<Span> {
    let trigger = &facts.armed.trigger;
    let known_from = facts.former.iter().map(|former| former.from).fold(trigger.standing_since, Timestamp::min);
    let (from, until) = (span.from.max(trigger.created_at), span.until.min(known_from));
    (from < until).then_some(Span { from, until })
}

/// The time that a trigger decides which cannot be read. Where it waits for nothing, what is on record tells how far it could be.
fn unreadable(facts: Facts<'_>, span: Span) -> Option<Span> {
    let Armed { trigger, next_at, .. } = facts.problem.map(|_| facts.armed)?;
    if trigger.definition.kind() == Kind::Api {
        return None;
    }
    let fired = facts.ledger.firings.iter().map(|firing| firing.scheduled_at);
    let recorded = facts.ledger.skipped.iter().map(|view| view.skipped.last);
    let known = fired.chain(recorded).map(just_after).chain(facts.ledger.stopped_at);
    let known_until = || known.fold(trigger.standing_since, Timestamp::max);
    let from = span.from.max(next_at.unwrap_or_else(known_until));
    (from < span.until).then_some(Span { from, ..span })
}

/// How many occurrences are shown around an instant.
const AROUND: u64 = 40;

/// The widths that a span around an instant may have, the widest first.
const WIDTHS: [SignedDuration; 8] = [
    SignedDuration::from_hours(400 * 24),
    SignedDuration::from_hours(60 * 24),
    SignedDuration::from_hours(14 * 24),
    SignedDuration::from_hours(48),
    SignedDuration::from_hours(12),
    SignedDuration::from_hours(2),
    SignedDuration::from_mins(20),
    SignedDuration::from_secs(40),
];

/// A span around an instant that holds a page of what the trigger names by what it says now: wide for what is rare, narrow for what is not.
pub fn around(definition: &Definition, at: Timestamp) -> Span {
    let span = |width: SignedDuration| {
        let half = width / 2;
        let from = at.checked_sub(half).unwrap_or(Timestamp::MIN);
        Span { from, until: at.checked_add(half).unwrap_or(Timestamp::MAX) }
    };
    let is_small = |span: &Span| {
        let count = |details| count_in(details, just_before(span.from), just_before(span.until));
        definition.schedule.as_ref().map_or(0, count) <= AROUND
    };
    let narrowest = span(WIDTHS[WIDTHS.len() - 1]);
    WIDTHS.into_iter().map(span).find(is_small).unwrap_or(narrowest)
}

struct Telling<'a> {
    facts: Facts<'a>,
    span: Span,
    edits: Edits<'a>,
    /// The last instants in the span before something changes that a verdict depends on; in order, each once.
    edges: Vec<Timestamp>,
    /// Everything up to here is told.
    told_until: Timestamp,
    lines: Vec<Line>,
}

impl<'a> Telling<'a> {
    fn of(facts: Facts<'a>, span: Span) -> Telling<'a> {
        let mut edges: Vec<Timestamp> = edges(facts).filter(|edge| span.from <= *edge && *edge < span.until).collect();
        edges.sort_unstable();
        edges.dedup();
        let told_until = just_before(span.from);
        Telling { facts, span, edits: Edits::of(facts), edges, told_until, lines: Vec::new() }
    }

    fn tell(&mut self) {
        let ledger = self.facts.ledger;
        let mut records = ledger.skipped.iter().peekable();
        for firing in &ledger.firings {
            let at = firing.scheduled_at;
            if !(self.span.from <= at && at < self.span.until) {
                continue;
            }
            while let Some(view) = records.next_if(|view| view.skipped.first < at) {
                self.tell_record(view);
            }
            self.tell_between(just_before(at));
            let due = firing.due_at.unwrap_or(at);
            let absence = absence_around(self.facts.absences, due).filter(|_| firing.origin == Origin::CatchUp);
            let verdict = Verdict::Fired(*firing, timing(firing), absence);
            let is_told = self.lines.iter().rev().take(2).any(|line| line.first == at && line.verdict == verdict);
            if !is_told {
                let release = decided(self.facts, due, &verdict);
                self.lines.push(Line { first: at, last: at, count: 1, verdict, edit: None, release });
            }
            self.told_until = self.told_until.max(at);
        }
        for view in records {
            self.tell_record(view);
        }
        self.tell_between(just_before(self.span.until));
    }

    /// Tells of a record what lies in the span, was not told before, and did not fire after all.
    fn tell_record(&mut self, view: &SkippedView) {
        let skipped = &view.skipped;
        if skipped.last <= self.told_until || skipped.first >= self.span.until {
            return;
        }
        self.tell_between(just_before(skipped.first));
        let (after, until) =
            (self.told_until.max(just_before(skipped.first)), skipped.last.min(just_before(self.span.until)));
        let is_cut = after >= skipped.first || until < skipped.last;
        let details = standing_at(self.facts, skipped.last).and_then(|standing| standing.definition.schedule.as_ref());
        let (first, last, count) = match details.filter(|_| is_cut) {
            Some(details) => {
                let first = next_after(details, after).filter(|first| *first <= until);
                let (Some(first), Some(last)) = (first, latest_in(details, after, until)) else { return };
                (first, last, count_in(details, after, until))
            }
            None => (skipped.first, skipped.last, skipped.count),
        };
        // Where nobody could read the trigger the first alone is counted.
        let counted_until = if skipped.reason == Reason::Unreadable { first } else { last };
        let firings = self.facts.ledger.firings.iter();
        let fired = firings.filter(|of| first <= of.scheduled_at && of.scheduled_at <= counted_until);
        let count = count.saturating_sub(fired.count() as u64);
        if count > 0 {
            let stood = recorded_by(self.facts, view, first, standing_at(self.facts, first));
            let due = stood.map_or(first, |standing| standing.due_at(first));
            let verdict = recorded(self.facts, view, absence_around(self.facts.absences, due));
            let edit = self.edits.behind(first, &verdict);
            let release = decided(self.facts, due, &verdict);
            self.lines.push(Line { first, last, count, verdict, edit, release });
        }
        self.told_until = self.told_until.max(until);
    }

    /// Tells of what a trigger waits for that cannot be read: of what else it names nobody can tell.
    fn tell_unread(&mut self) {
        let waits_for = self.facts.problem.and(self.facts.armed.next_at).filter(|_| !self.facts.may_wait_to_go);
        let Some(at) = waits_for.filter(|at| self.span.from <= *at && *at < self.span.until) else { return };
        let verdict = Verdict::Unreadable { is_occurrence: Some(true), record: None };
        let release = decided(self.facts, at, &verdict);
        self.lines.push(Line { first: at, last: at, count: 1, verdict, edit: None, release });
    }

    /// Tells of what waits because somebody asked for it once more, in the place of what was told of it: of what the trigger named then as it
    /// does now, and of what it names now and did not then.
    fn tell_asked_for(&mut self) {
        let schedule = &self.facts.armed.trigger.definition.schedule;
        let (Some(view), Some(details)) = (asked_for(self.facts), schedule) else { return };
        let from = view.skipped.first.max(self.span.from);
        let until = view.skipped.last.min(just_before(self.span.until));
        for line in std::mem::take(&mut self.lines) {
            let is_same = || {
                standing_at(self.facts, line.first).is_some_and(|standing| standing.definition.schedule == *schedule)
            };
            let is_beside = line.last < from || until < line.first;
            if is_beside || matches!(line.verdict, Verdict::Fired(..)) || !is_same() {
                self.lines.push(line);
                continue;
            }
            for (after, until) in [(just_before(line.first), line.last.min(just_before(from))), (until, line.last)] {
                self.push_between(details, after, until, &line);
            }
        }
        let verdict = Verdict::AskedFor(*view);
        let release = decided(self.facts, from, &verdict);
        let asked = Line { verdict, edit: None, first: from, last: until, count: 0, release };
        let fired = self.facts.ledger.firings.iter().map(|firing| firing.scheduled_at);
        let fired: Vec<Timestamp> = fired.filter(|at| from <= *at && *at <= until).collect();
        let mut after = just_before(from);
        for at in fired {
            self.push_between(details, after, just_before(at), &asked);
            after = at;
        }
        self.push_between(details, after, until, &asked);
    }

    /// Tells the same as that line of what lies there and did not fire.
    fn push_between(&mut self, details: &ScheduleDetails, after: Timestamp, until: Timestamp, line: &Line) {
        let first = next_after(details, after).filter(|first| *first <= until);
        let (Some(first), Some(last)) = (first, latest_in(details, after, until)) else { return };
        let firings = &self.facts.ledger.firings;
        let fired = firings.iter().filter(|of| first <= of.scheduled_at && of.scheduled_at <= last).count();
        let count = count_in(details, after, until).saturating_sub(fired as u64);
        if count > 0 {
            self.lines.push(Line { first, last, count, ..line.clone() });
        }
    }

    /// Tells of what the ledger is silent about, up to and including `until`.
    fn tell_between(&mut self, until: Timestamp) {
        if until <= self.told_until {
            return;
        }
        let told = self.edges.partition_point(|edge| *edge <= self.told_until);
        let between = self.edges[told..].partition_point(|edge| *edge < until);
        let mut edges = self.edges[told..told + between].to_vec();
        edges.push(until);
        for edge in edges {
            let after = std::mem::replace(&mut self.told_until, edge);
            if let Some(standing) = standing_at(self.facts, edge) {
                self.tell_piece(standing, after, edge);
            }
        }
    }

    fn tell_piece(&mut self, standing: Standing<'_>, after: Timestamp, until: Timestamp) {
        let Some(details) = &standing.definition.schedule else { return };
        if standing.definition.is_test {
            return;
        }
        let first = next_after(details, after).filter(|first| *first <= until);
        let (Some(first), Some(last)) = (first, latest_in(details, after, until)) else { return };
        // What stood in a record is told by it, and what became of the others is the same for all of the piece.
        let facts = Facts { ledger: &Ledger::default(), ..self.facts };
        let verdict = verdict(facts, first, Some(standing));
        let edit = self.edits.behind(first, &verdict);
        let release = decided(self.facts, details.due_at(first), &verdict);
        self.lines.push(Line { first, last, count: count_in(details, after, until), verdict, edit, release });
    }
}

/// The last instants before something changes that a verdict depends on.
fn edges(facts: Facts<'_>) -> impl Iterator<Item = Timestamp> {
    let Facts { armed, former, gone_until, now, .. } = facts;
    let trigger = &armed.trigger;
    let expiry = trigger.definition.expires_at.map(just_before);
    let pause_end = trigger.definition.pause_ends_at().map(just_before);
    let of_former = former.iter().flat_map(|former| {
        let ends = [former.definition.expires_at, former.definition.pause_ends_at()];
        [former.from, former.until].into_iter().chain(ends.into_iter().flatten().map(just_before))
    });
    let definition = &trigger.definition;
    let fallen_due = definition.schedule.as_ref().map(|details| details.due_by(now));
    let deleted_at = facts.deletion.map(|deletion| deletion.at);
    let due_when_deleted = deleted_at.zip(definition.schedule.as_ref()).map(|(at, details)| details.due_by(at));
    [trigger.created_at, trigger.standing_since, gone_until, now]
        .into_iter()
        .chain(expiry)
        .chain(pause_end)
        .chain(fallen_due)
        .chain(deleted_at)
        .chain(facts.spent_at)
        .chain(due_when_deleted)
        .chain(facts.freezes.iter().flat_map(|freeze| [Some(freeze.from), freeze.until].into_iter().flatten()).map(
            |end| definition.schedule.as_ref().map_or(just_before(end), |details| details.due_by(just_before(end))),
        ))
        .chain(armed.next_at.map(|next_at| just_before(definition.named_for(next_at))))
        .chain(
            facts
                .releases
                .changed_at()
                .map(|at| definition.schedule.as_ref().map_or(at, |details| details.due_by(just_before(at)))),
        )
        .chain(last_within_limit(facts))
        .chain(of_former)
}

/// The last occurrence that still fires, where there is a limit.
fn last_within_limit(facts: Facts<'_>) -> Option<Timestamp> {
    let armed = facts.armed;
    let details = armed.trigger.definition.schedule.as_ref()?;
    details.nth_after(fires_after(facts, details, first_to_fire(facts)?), armed.left()?)
}
