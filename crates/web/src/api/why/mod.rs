//! "Why did it not fire?" for programs: what became of an instant, or of a whole span. What is told is decided in `domain::why`; here the
//! facts are gathered, for the page (`ui/trigger_why`) and the command line (`beside`) too; how they are written down stands in `document`.

pub(crate) mod beside;
mod document;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::act::ActFilter;
use oncue_domain::agenda::Span;
use oncue_domain::count::{COUNTS_KEPT, Counted, first_hour_from, hour_of};
use oncue_domain::error::Invalid;
use oncue_domain::event::Retention;
use oncue_domain::firing::FIRINGS_KEPT;
use oncue_domain::freeze::Freeze;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::overlap::Before;
use oncue_domain::plan::Absence;
use oncue_domain::revision::{Deletion, Revision};
use oncue_domain::schedule::jitter::WINDOW_MAX;
use oncue_domain::schedule::zone::{Zone, parse_instant};
use oncue_domain::store::{Ledger, LedgerFiring, SkippedView, Store};
use oncue_domain::trigger::{
    Armed, Definition, Problem as WhatIsWrong, Remains, ScheduleDetails, Trigger, just_before,
};
use oncue_domain::why::span::SpanAccount;
use oncue_domain::why::{Account, Asked, Facts, Former, Made, Releases, Verdict, near, said_from, spent_at};

use document::{InstantDocument, SpanDocument, WhyDocument};

use super::page::{READ_TOGETHER, next_limit, take_page, with_next};
use super::time;
use super::trigger::{Found, even_deleted, find, trigger_id};
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{PathId, Query};
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// How much of a span is told when only one end of it is named.
const SPAN_UNASKED: SignedDuration = SignedDuration::from_hours(24);

/// How many changes of the zone data are remembered here: a release comes some times a year.
const RELEASES_MAX: usize = 100;

/// Where the facts are taken from, and what the operator decided that they are told by.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    /// What is remembered.
    pub store: &'a dyn Store,
    /// How long events live.
    pub retention: Retention,
    /// The zone of times that carry none, of triggers that name none.
    pub zone: &'a Zone,
    /// The release of the zone data that is in use.
    pub release: &'a str,
}

impl<'a> Records<'a> {
    /// This server's.
    pub(crate) fn of(app: &'a Shared) -> Records<'a> {
        let (retention, zone) = (app.settings.retention, &app.settings.zone);
        Records { store: app.store.as_ref(), retention, zone, release: app.zones.release.trim() }
    }

    /// The zone that a trigger's times are told in, and read in where they have no offset.
    pub(crate) fn zone_of(&self, armed: &Armed) -> Zone {
        let details = armed.trigger.definition.schedule.as_ref();
        details.and_then(ScheduleDetails::zone).unwrap_or(self.zone).clone()
    }
}

/// The trigger that is asked about, or what is left of it and what is wrong with it, where it cannot be read; and its end, where it was deleted.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) armed: Armed,
    pub(crate) problem: Option<WhatIsWrong>,
    /// Whether what it waits for may be no occurrence, where it cannot be read.
    pub(crate) may_wait_to_go: bool,
    pub(crate) deletion: Option<Deletion>,
}

impl Subject {
    /// The owner's, also where it was deleted, for as long as its events are kept.
    pub(crate) async fn load(
        records: &Records<'_>,
        owner: UserId,
        id: TriggerId,
        now: Timestamp,
    ) -> Result<Subject, Fault> {
        let gone_until = records.retention.gone_until(now);
        match find(records.store, owner, id).await? {
            Some(Found::Remains(remains)) => {
                let may_wait_to_go = remains.may_wait_to_go();
                let Remains { armed, unreadable, .. } = remains;
                Ok(Subject { armed, problem: Some(unreadable.problem), may_wait_to_go, deletion: None })
            }
            Some(Found::Whole(armed)) => Ok(Subject { armed, problem: None, may_wait_to_go: false, deletion: None }),
            None => {
                let (armed, deletion) = even_deleted(records.store, owner, id, gone_until).await?;
                Ok(Subject { armed, problem: None, may_wait_to_go: false, deletion })
            }
        }
    }
}

/// How a trigger came to say what it says, and what it said before.
type Said = (Option<Made>, Vec<Former>);

/// What is known of a trigger and the time around a question.
struct Known {
    armed: Armed,
    problem: Option<WhatIsWrong>,
    may_wait_to_go: bool,
    deletion: Option<Deletion>,
    made: Option<Made>,
    former: Vec<Former>,
    ledger: Ledger,
    absences: Vec<Absence>,
    freezes: Vec<Freeze>,
    gone_until: Timestamp,
    spent_at: Option<Timestamp>,
    is_under_way: bool,
    releases: Releases,
    now: Timestamp,
    zone: Zone,
}

impl Known {
    /// Reads what is known of the span. The trigger and what it `said` were read before: what it does not wait for any more is written down
    /// by now.
    async fn gather(
        records: &Records<'_>,
        owner: UserId,
        Subject { armed, problem, may_wait_to_go, deletion }: Subject,
        span: Span,
        limit: usize,
        (made, former): Said,
        now: Timestamp,
    ) -> Result<Known, Fault> {
        let store = records.store;
        let gone_until = records.retention.gone_until(now);
        let ledger = store.ledger(owner, armed.trigger.id, span, gone_until, limit).await?;
        let is_under_way = deletion.is_none() && is_under_way(store, &armed.trigger).await?;
        Ok(Known {
            problem,
            may_wait_to_go,
            deletion,
            made,
            former,
            ledger: ledger.ok_or_else(|| Fault::not_found("Trigger"))?,
            absences: store.absences(span_of_absences(span)).await?,
            // What fell due at the very end of one may have been passed over already.
            freezes: store.freezes_of(owner, just_before(span.from.min(now))).await?,
            gone_until,
            spent_at: since_when_spent(store, &armed, gone_until).await?,
            is_under_way,
            releases: releases(records).await?,
            now,
            zone: records.zone_of(&armed),
            armed,
        })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            armed: &self.armed,
            problem: self.problem.as_ref(),
            may_wait_to_go: self.may_wait_to_go,
            deletion: self.deletion.as_ref(),
            made: self.made.as_ref(),
            former: &self.former,
            ledger: &self.ledger,
            absences: &self.absences,
            freezes: &self.freezes,
            gone_until: self.gone_until,
            spent_at: self.spent_at,
            is_under_way: self.is_under_way,
            releases: &self.releases,
            now: self.now,
        }
    }

    /// What is counted of some hours.
    async fn counted(&self, records: &Records<'_>, owner: UserId, span: Span) -> Result<Counted, Fault> {
        let (id, store) = (self.armed.trigger.id, records.store);
        let hours = store.hour_counts(owner, Some(id), span.from, span.until).await?;
        let runs = store.skipped_counts(owner, Some(id), span.from, span.until).await?;
        let stood = |former: &&Former| former.from < span.until && span.from < former.until;
        let former = self.former.iter().filter(stood).map(|former| &former.definition);
        let said = former.chain([&self.armed.trigger.definition]).filter_map(|said| said.schedule.as_ref());
        Ok(Counted::of(span, &hours, &runs, said))
    }

    /// What is counted of the hours of a span of which nothing else is kept; none where there is no such hour.
    async fn forgotten(&self, records: &Records<'_>, owner: UserId, span: Span) -> Result<Option<Counted>, Fault> {
        let kept_from = self.now.checked_sub(COUNTS_KEPT).unwrap_or(Timestamp::MIN);
        let from = first_hour_from(span.from.max(kept_from).max(hour_of(self.armed.trigger.created_at)));
        let until = hour_of(span.until.min(self.gone_until));
        if from >= until {
            return Ok(None);
        }
        self.counted(records, owner, Span { from, until }).await.map(Some)
    }
}

/// Since when the trigger has fired as often as it may, where it has and that is known.
async fn since_when_spent(store: &dyn Store, armed: &Armed, gone_until: Timestamp) -> Result<Option<Timestamp>, Fault> {
    if armed.left() != Some(0) {
        return Ok(None);
    }
    let Trigger { id, owner, .. } = armed.trigger;
    let latest = store.recent_firings(owner, vec![id], gone_until, FIRINGS_KEPT).await?;
    let firings = latest.iter().flat_map(|of| &of.firings);
    Ok(spent_at(armed, firings.map(|firing| (firing.origin, firing.fired_at))))
}

/// Which release of the zone data was in use when.
async fn releases(records: &Records<'_>) -> Result<Releases, Fault> {
    let log = records.store.acts(ActFilter::of_zone_data(), None, RELEASES_MAX).await?;
    Ok(Releases::new(records.release, &log))
}

/// Where absences lie that may be to blame for what is named in a span: it falls due then, or later by its jitter.
fn span_of_absences(span: Span) -> Span {
    Span { until: span.until.checked_add(WINDOW_MAX).unwrap_or(Timestamp::MAX), ..span }
}

/// Whether an event of the trigger is under way that its occurrences are not to overlap.
pub(crate) async fn is_under_way(store: &dyn Store, trigger: &Trigger) -> Result<bool, Fault> {
    if trigger.definition.overlap.is_allowed() {
        return Ok(false);
    }
    let before = store.events_before(vec![(trigger.owner, trigger.id)]).await?;
    Ok(before.contains(&Before::UnderWay))
}

/// How the trigger came to say what it says, and what it said before, oldest first: back to what stood at `from`, and where it was paused
/// then, back to what stood before the pause. What their events carried, and what their payloads had to be like, is let go of as
/// they are read: what they take is bounded by that ([`BEYOND_BYTES_MAX`](oncue_domain::revision::BEYOND_BYTES_MAX)).
async fn revisions(store: &dyn Store, trigger: &Trigger, from: Timestamp) -> Result<Said, Fault> {
    let (mut made, mut former, mut before) = (None, Vec::new(), None);
    loop {
        let read = store.revisions(trigger.owner, trigger.id, before, READ_TOGETHER).await?;
        let mut is_enough = read.len() < READ_TOGETHER;
        for Revision { trigger: Trigger { revision, definition, .. }, made_at, made_by, until, .. } in read {
            before = Some(revision);
            let is_reached = definition.enabled && made_at < from;
            match until {
                // Edits since the trigger was read are none of this answer's.
                _ if revision > trigger.revision => {}
                _ if revision == trigger.revision => made = Some(Made { revision, at: made_at, by: made_by }),
                Some(until) => {
                    let definition = Definition { payload: None, payload_schema: None, ..definition };
                    former.push(Former { revision, from: made_at, until, made_by, definition });
                }
                None => {}
            }
            if is_reached && made.is_some() {
                is_enough = true;
                break;
            }
        }
        if is_enough {
            former.reverse();
            return Ok((made, former));
        }
    }
}

/// What is told about an instant, and what the counts say of its hour where nothing else is left.
pub(crate) struct Told {
    pub(crate) account: Account,
    pub(crate) hour: Option<Counted>,
}

impl Told {
    /// Tells what became of an instant.
    pub(crate) async fn at(
        records: &Records<'_>,
        owner: UserId,
        subject: Subject,
        asked: Asked,
        now: Timestamp,
    ) -> Result<Told, Fault> {
        let said = revisions(records.store, &subject.armed.trigger, said_from(asked.at)).await?;
        let span = near(&subject.armed.trigger, &said.1, asked.at);
        let known = Known::gather(records, owner, subject, span, usize::MAX, said, now).await?;
        let account = Account::of(known.facts(), asked, &known.zone);
        let hour = match account.verdict {
            Verdict::Forgotten => {
                let from = hour_of(account.at);
                let until = from.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
                Some(known.counted(records, owner, Span { from, until }).await?)
            }
            _ => None,
        };
        Ok(Told { account, hour })
    }
}

/// What is told about a span, and what the counts say of the part of it of which nothing else is left.
pub(crate) struct ToldSpan {
    pub(crate) account: SpanAccount,
    pub(crate) forgotten: Option<Counted>,
}

impl ToldSpan {
    /// Tells what became of a span, as far as so many entries of the ledger reach.
    pub(crate) async fn of(
        records: &Records<'_>,
        owner: UserId,
        subject: Subject,
        span: Span,
        limit: usize,
        now: Timestamp,
    ) -> Result<ToldSpan, Fault> {
        let said = revisions(records.store, &subject.armed.trigger, span.from).await?;
        let known = Known::gather(records, owner, subject, span, limit, said, now).await?;
        // Of a trigger that was edited all the time it takes a while of a core, which the scheduler's runtime must not miss.
        let told = tokio::task::spawn_blocking(move || (SpanAccount::of(known.facts(), span), known)).await;
        let (account, known) = told.map_err(|_| {
            let words = "What became of that time could not be worked out; the log says why.";
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, words)
        })?;
        let forgotten = known.forgotten(records, owner, account.span).await?;
        Ok(ToldSpan { account, forgotten })
    }
}

/// What of a verdict is written down.
pub(crate) fn parts(verdict: &Verdict) -> (Option<&LedgerFiring>, Option<&SkippedView>, Option<Absence>) {
    match verdict {
        Verdict::Fired(firing, _, absence) => (Some(firing), None, *absence),
        Verdict::Skipped(view, absence) => (None, Some(view), *absence),
        Verdict::AskedFor(view) => (None, Some(view), None),
        Verdict::Unreadable { record, .. } => (None, record.as_ref(), None),
        _ => (None, None, None),
    }
}

/// What is asked.
enum Question {
    Instant(Asked),
    Span(Span, usize),
}

impl Question {
    fn read(mut query: Query, zone: &Zone) -> Result<Question, Fault> {
        let invalid = |field: &str, message: &str| Err(Fault::InvalidQuery(vec![Invalid::new(field, message)]));
        let is_span = query.has("from") || query.has("to");
        let asked = query.take("at", |text| Asked::read(text, zone));
        let from = query.take("from", |text| parse_instant(text, zone));
        let to = query.take("to", |text| parse_instant(text, zone));
        let page = take_page(&mut query, |_| None::<()>);
        query.finish()?;
        match (asked, from, to) {
            (Some(_), ..) if is_span => {
                invalid("at", "Ask about an instant (at) or about a span (from, to), not about both.")
            }
            (Some(asked), ..) => Ok(Question::Instant(asked)),
            (None, None, None) => invalid("at", "Say which instant is meant (at), or which span (from, to)."),
            (None, from, to) => {
                let from = from.or(to.and_then(|to| to.checked_sub(SPAN_UNASKED).ok())).unwrap_or(Timestamp::MIN);
                let until = to.or(from.checked_add(SPAN_UNASKED).ok()).unwrap_or(Timestamp::MAX);
                if from >= until {
                    return invalid("to", "This is not after from: nothing lies between the two.");
                }
                Ok(Question::Span(Span { from, until }, page.limit))
            }
        }
    }
}

/// What a query asks of a trigger, answered; and where the answer does not hold all of it, what asks for the rest.
async fn answer(
    records: &Records<'_>,
    subject: Subject,
    query: Query,
    now: Timestamp,
) -> Result<(WhyDocument, Option<Vec<(&'static str, String)>>), Fault> {
    let zone = records.zone_of(&subject.armed);
    let Trigger { id, owner, standing_since, .. } = subject.armed.trigger;
    let (deletion, problem) = (subject.deletion.clone(), subject.problem.clone());
    match Question::read(query, &zone)? {
        Question::Instant(asked) => {
            let told = Told::at(records, owner, subject, asked, now).await?;
            Ok((WhyDocument::Instant(Box::new(InstantDocument::of(id.0, &told))), None))
        }
        Question::Span(span, limit) => {
            let told = ToldSpan::of(records, owner, subject, span, limit, now).await?;
            let ends = (deletion.as_ref(), problem.as_ref());
            let document = SpanDocument::of(id.0, &told, ends, standing_since, (zone.name(), records.release));
            let rest = told.account.stopped_at;
            let rest =
                rest.map(|stop| vec![("from", time(stop)), ("to", time(span.until)), ("limit", next_limit(limit))]);
            Ok((WhyDocument::Span(Box::new(document)), rest))
        }
    }
}

/// Why did it fire, or not?
///
/// With `at`: what became of that instant, or will, or why it is no occurrence at all. Where no occurrence lies at that very instant but one in
/// the same second or minute, the nearest is told of. With `from` and `to`: what became of every occurrence of the span, in runs. A trigger that was
/// deleted can be asked about for as long as its events are kept.
#[utoipa::path(get, path = "/api/v1/triggers/{id}/why", tag = "Triggers", operation_id = "why",
    params(
        ("id" = i64, Path),
        ("at" = Option<String>, Query,
            description = "The instant (RFC 3339); without an offset it is read in the trigger's zone.", example = "2026-11-28T09:00"),
        ("from" = Option<String>, Query, description = "The beginning of a span; without it a day before `to`."),
        ("to" = Option<String>, Query, description = "The end of a span, which is not in it; without it a day after `from`."),
        ("limit" = Option<u32>, Query, minimum = 1,
            description = "Of a span: how many events and how many records, at most 200 each; without it up to 1 000."),
    ),
    responses((status = 200, body = WhyDocument), Errors))]
pub(crate) async fn why(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    query: Query,
) -> Result<Response, Problem> {
    let now = app.now();
    let (id, records) = (trigger_id(&id)?, Records::of(&app));
    let subject = Subject::load(&records, caller.owner(), id, now).await?;
    let (document, rest) = answer(&records, subject, query, now).await?;
    Ok(with_next(Json(document).into_response(), &format!("/api/v1/triggers/{id}/why"), rest))
}
