//! One of the two stores: what an operation does to it and everything that can be observed of it. Events are told apart by
//! their message ids here, because the numbers of events only promise to ascend.

use std::collections::BTreeSet;
use std::sync::Arc;

use oncue_domain::access::{ApiKey, User};
use oncue_domain::act::{ActFilter, Action, Entry};
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::agenda::Span;
use oncue_domain::arrival::{Arrival, Contents};
use oncue_domain::audit::{Account, Asked, Inspected};
use oncue_domain::calendar::Calendar;
use oncue_domain::delivery::{Claim, State, fail, park};
use oncue_domain::destination::alert::Streak;
use oncue_domain::destination::{Destination, Standing, Target, Wanted};
use oncue_domain::event::{Event, Origin};
use oncue_domain::firing;
use oncue_domain::freeze::{Freeze, remembered_since};
use oncue_domain::id::{ApiKeyId, DestinationId, EventId, MessageId, TriggerId, UserId};
use oncue_domain::node::{Identity, NodeView, Work};
use oncue_domain::occurrence::Reason;
use oncue_domain::overlap::Before;
use oncue_domain::plan::Absence;
use oncue_domain::receipt::Receipt;
use oncue_domain::revision::Revision;
use oncue_domain::run::Run;
use oncue_domain::store::{
    CalendarView, Deleted, DeletedTrigger, DeliveryView, DueCounts, Edited, EventCount, EventFilter, EventPage,
    EventPlace, Fired, Inspection, Ledger, OwedCounts, Registered, Result, SkippedView, Store, Undelivered,
    UndeliveredFilter,
};
use oncue_domain::trigger::{Armed, Trigger};

use super::Known;
use super::operation::{Ending, Operation};
use super::summary::Summary;
use crate::bench::{Bench, answered, claim_all, given_up, t, too_soon};

/// A store and the claims that it gave out.
pub(super) struct Side {
    bench: Option<Bench>,
    has_default: bool,
    claims: Vec<Claim>,
}

/// How closely to look: at all there is, or at what a handful of queries shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    AtEverything,
    Glance,
}

/// What came of an operation.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// In words that must be the same on both sides.
    text: String,
    pub(super) did_something: bool,
    pub(super) user: Option<UserId>,
    pub(super) trigger: Option<TriggerId>,
    pub(super) destination: Option<DestinationId>,
    pub(super) calendar: Option<Calendar>,
    pub(super) absences: Vec<Absence>,
}

impl Outcome {
    pub(super) fn with_calendar(self, calendar: Option<Calendar>) -> Outcome {
        Outcome { calendar, ..self }
    }
}

/// Everything that can be observed.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    users: Vec<User>,
    hashes: Vec<Option<(User, String)>>,
    sessions: Vec<Option<User>>,
    keys: Vec<Option<(User, ApiKey)>>,
    next_due: Option<jiff::Timestamp>,
    next_owed: Option<jiff::Timestamp>,
    backlog: OwedCounts,
    due_counts: DueCounts,
    /// Numbers and times are the store's own business.
    nodes: Vec<(Identity, bool, Option<Work>)>,
    due: Vec<Armed<Arc<Trigger>>>,
    absences: Vec<Absence>,
    freezes: Vec<Freeze>,
    inspection: Inspection,
    /// Of what is inspected.
    before: Vec<Before>,
    /// Of what is inspected, where nothing that is still there on one side alone decides it.
    accounted: Vec<Option<jiff::Timestamp>>,
    accounts: Vec<Account>,
    fired_within: Vec<bool>,
    owned: Vec<Owned>,
}

/// Everything that one user can observe.
#[derive(Debug, PartialEq)]
struct Owned {
    triggers: Vec<Armed>,
    skipped: Vec<Vec<SkippedView>>,
    /// Without the numbers of their events.
    ledgers: Vec<Ledger>,
    /// Triggers that were deleted and are not old enough to be forgotten, each with its records, its ledger and its revisions.
    deleted: Vec<(DeletedTrigger, Vec<SkippedView>, Ledger, Vec<Revision>)>,
    /// What was done, the server's own too, without the numbers of the lines and of events.
    acts: Vec<Entry>,
    /// Of each trigger all that are kept, and the one that stood a while ago.
    revisions: Vec<(Vec<Revision>, Option<Revision>)>,
    events: Vec<(Event, Vec<Delivery>)>,
    /// Of all events, and of the latest of each trigger.
    runs: Vec<Run>,
    latest_runs: Vec<Vec<Run>>,
    counts: Vec<EventCount>,
    keys: Vec<ApiKey>,
    freezes: Vec<Freeze>,
    summary: Option<Summary>,
    destinations: Vec<Destination>,
    streaks: Vec<(DestinationId, Streak)>,
    /// Without the numbers of their events.
    undelivered: Vec<Undelivered>,
    arrivals: Vec<(Arrival, Contents)>,
    /// How many triggers send to each of the destinations.
    uses: Vec<u64>,
    /// Each with the triggers that name it.
    calendars: Vec<(CalendarView, Vec<Armed>)>,
}

#[derive(Debug, PartialEq)]
struct Delivery {
    slot: u32,
    message_id: MessageId,
    target: Target,
    why: Option<String>,
    /// Before the first attempt only what has come of it, unless it is parked: whether it waits for its handing over is the store's own business.
    state: std::result::Result<State, &'static str>,
    attempts: Vec<oncue_domain::delivery::Attempt>,
    ladder_from: u32,
    /// Of the latest attempt: those before were the latest once.
    receipt: Option<Receipt>,
}

/// Whoever makes a change at `now`.
fn somebody(now: jiff::Timestamp) -> Author {
    let (who, address) = match now.as_microsecond() % 4 {
        0 => (Who::User { id: UserId(1), email: "çelik@example.com".to_owned() }, Some("192.0.2.7")),
        1 => {
            let (name, prefix) = ("ci'; DROP".to_owned(), "oncue_ab".to_owned());
            (Who::ApiKey { id: ApiKeyId(1), name, prefix }, Some("2001:db8::1"))
        }
        2 => (Who::CommandLine, None),
        _ => (Who::System, None),
    };
    let address = address.map(|text| text.parse().expect("an address"));
    let program = address.map(|_| "Mozilla/5.0 (\"X11\")".to_owned());
    Author { by: Actor { who, address, program }, at: now }
}

impl Side {
    pub(super) fn new(bench: Bench, has_default: bool) -> Side {
        Side { bench: Some(bench), has_default, claims: Vec::new() }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.bench.as_ref().expect("there is a store between two operations").store
    }

    /// The server on a file ends, and with the value the file.
    pub(super) fn leave_file(&mut self) -> std::path::PathBuf {
        self.bench.as_mut().expect("there is a store between two operations").leave_file()
    }

    pub(super) fn claims(&self) -> usize {
        self.claims.len()
    }

    /// Does what is asked.
    pub(super) async fn apply(&mut self, operation: &Operation, known: &Known) -> Outcome {
        if let Operation::Restart = operation {
            let bench = self.bench.take().expect("there is a store between two operations");
            self.bench = Some(bench.reopen_with(self.has_default).await);
            return Outcome::default();
        }
        let now = known.now;
        let acting = self.store().acting(somebody(now));
        let store = &*acting;
        match operation.clone() {
            Operation::Move(_) | Operation::Check | Operation::Restart => told(store.check().await, |()| true),
            Operation::Register(new, rule) => {
                let registered = store.register(new, rule, now).await;
                let user = match &registered {
                    Ok(Registered::Done(user)) => Some(user.id),
                    _ => None,
                };
                Outcome { user, ..told(registered, |registered| matches!(registered, Registered::Done(_))) }
            }
            Operation::LocalUser => {
                let user = store.local_user(now).await;
                Outcome { user: user.as_ref().ok().map(|user| user.id), ..told(user, |_| true) }
            }
            Operation::SetPassword(user, hash) => told(store.set_password(user, &hash).await, |done| *done),
            Operation::DisableUser(user) => told(store.disable_user(user, now).await, |done| *done),
            Operation::OpenSession(session) => told(store.open_session(session).await, |()| true),
            Operation::EndSession(id) => told(store.end_session(&id).await, |()| true),
            Operation::CreateApiKey(new) => told(store.create_api_key(new, now).await, Option::is_some),
            Operation::DeleteApiKey(owner, id) => told(store.delete_api_key(owner, id).await, |done| *done),
            Operation::TouchApiKey(id) => told(store.touch_api_key(id, now).await, |()| true),
            Operation::CreateTrigger(new) => {
                let made = store.create_trigger(new, now).await;
                let armed = made.as_ref().ok().and_then(|made| made.as_ref().ok());
                Outcome { trigger: armed.map(|armed| armed.trigger.id), ..told(made, |made| made.is_ok()) }
            }
            Operation::EditTrigger(edit, seen) => {
                told(store.edit_trigger(edit, seen, now).await, |edited| *edited == Edited::Done)
            }
            Operation::DeleteTrigger(owner, id) => told(store.delete_trigger(owner, id, now).await, |done| *done),
            Operation::Fire(owner, id, call) => {
                // Programs call through a store in nobody's hands.
                let store = if call.origin == Origin::Api { self.store() } else { store };
                let fired = store.fire(owner, id, call, now).await;
                let fired =
                    fired.map(|fired| if let Fired::Event(_) = fired { Fired::Event(EventId(0)) } else { fired });
                told(fired, |fired| matches!(fired, Fired::Event(_)))
            }
            Operation::FireUnkept(owner, definition, message_id) => {
                told(store.fire_unkept(owner, definition.into(), message_id, now).await, |fired| fired.is_ok())
            }
            Operation::BeginPresence => {
                let absences = store.begin_presence(now).await;
                let known = absences.clone().unwrap_or_default();
                Outcome { absences: known, ..told(absences, |absences| !absences.is_empty()) }
            }
            Operation::SignOfLife => {
                store.sign_of_life(now);
                Outcome { did_something: true, ..Outcome::default() }
            }
            Operation::NoteWork(work) => {
                store.note_work(work);
                Outcome { did_something: true, ..Outcome::default() }
            }
            Operation::CommitPlans(mut plans) => {
                let ahead = store.freezes(now).await.expect("a list").edition - known.edition;
                plans.iter_mut().for_each(|planned| planned.edition += ahead);
                told(store.commit_plans(plans, now).await, |committed| committed.events > 0 && committed.plans > 0)
            }
            Operation::Claim => self.claim(now).await,
            Operation::Settle(of) => {
                let settlement = |(place, ending): (usize, Ending)| match ending {
                    Ending::Content => answered(&self.claims[place], 200, now),
                    Ending::Discontent => answered(&self.claims[place], 500, now),
                    Ending::TooSoon => too_soon(&self.claims[place], now),
                    Ending::GivenUp => given_up(&self.claims[place], now),
                    Ending::Parked(for_so_long) => park(self.claims[place].clone(), now + for_so_long, now),
                    Ending::Unsent => fail(self.claims[place].clone(), "Nobody is there.", now),
                };
                told(store.settle(of.into_iter().map(settlement).collect()).await, |()| true)
            }
            Operation::Events(owner, filter, newest_first, place, limit) => {
                let all = self.events(owner).await;
                let place = place.and_then(|place| all.get(place));
                let place = place.map(|event| EventPlace { fired_at: event.fired_at, id: event.id });
                let page = if newest_first { EventPage::NewestFirst(place) } else { EventPage::OldestFirst(place) };
                let events = store.events(owner, filter, page, limit).await;
                told(events.map(|events| events.into_iter().map(without_number).collect()), |list: &Vec<_>| {
                    !list.is_empty()
                })
            }
            Operation::Search(search) => {
                let found = search.clone().run(store, &self.events(search.owner).await).await;
                told(found, |lines| !lines.is_empty())
            }
            Operation::EndOtherSessions(user, kept) => {
                told(store.end_other_sessions(user, &kept).await, |ended| *ended > 0)
            }
            Operation::SetPreferences(user, preferences) => {
                told(store.set_preferences(user, preferences).await, |done| *done)
            }
            Operation::CreateDestination(owner, definition) => {
                let made = store.create_destination(owner, definition, now).await;
                let destination = made.as_ref().ok().and_then(|made| made.as_ref().map(|made| made.id));
                Outcome { destination, ..told(made, Option::is_some) }
            }
            Operation::EditDestination(owner, id, seen, definition) => {
                let edited = store.edit_destination(owner, id, seen, definition).await;
                told(edited, |edited| *edited == Edited::Done)
            }
            Operation::SetStanding(owner, id, standing) => {
                told(store.set_standing(owner, id, standing, now).await, |done| *done)
            }
            Operation::SuspendDestination(id, seen, told_by) => {
                told(store.suspend_destination(id, seen, "It is gone.", told_by, now).await, |done| *done)
            }
            Operation::Arrive(owner, arrived, contents) => {
                told(store.arrive(owner, arrived, contents).await, |kept| *kept)
            }
            Operation::DeleteDestination(owner, id) => {
                told(store.delete_destination(owner, id, now).await, |deleted| *deleted == Deleted::Done)
            }
            Operation::Rearm(repair) => told(store.rearm(repair).await, |done| *done),
            Operation::UseZoneData(release) => {
                told(store.use_zone_data(release, now).await, |used| used.before.is_some())
            }
            Operation::Many(many) => many.run(store, now).await,
            Operation::Once(once) => once.run(store, &self.events(once.owner).await, now).await,
            Operation::Reporting(reporting) => {
                reporting.clone().run(store, &self.events(reporting.owner).await, now).await
            }
            Operation::Freezing(freezing) => freezing.run(store, now).await,
            Operation::Keeping(keeping) => keeping.run(store, now).await,
            Operation::Again(again) => again.run(store, &self.events(again.owner).await, now).await,
            Operation::Expire(age, limit) => {
                let ended = store.note_ends(now, limit).await;
                let expired = store.expire(now - age, now, limit).await.map(|expired| expired.events);
                let both = ended.and_then(|ended| expired.map(|gone| (ended, gone)));
                told(both, |(_, gone)| *gone > 0)
            }
        }
    }

    async fn claim(&mut self, now: jiff::Timestamp) -> Outcome {
        let claims = claim_all(self.store(), now).await;
        let shown: Vec<_> = claims
            .iter()
            .map(|claim| {
                let event = without_number(Event::clone(&claim.event));
                (event, claim.slot, claim.deliveries, claim.target.clone(), claim.tried, claim.ladder_from, claim.until)
            })
            .collect();
        self.claims.extend(claims);
        let forgotten = self.claims.len().saturating_sub(25);
        self.claims.drain(..forgotten);
        told(Ok(shown), |shown| !shown.is_empty())
    }

    async fn undelivered(&self, owner: UserId, gone_until: jiff::Timestamp) -> Vec<Undelivered> {
        let all = UndeliveredFilter::default();
        let list = self.store().undelivered(owner, all, gone_until, None, 100_000).await.expect("a list");
        let count = self.store().count_undelivered(owner, all, gone_until, 100_000).await.expect("a count");
        assert_eq!(list.len() as u64, count);
        list
    }

    async fn events(&self, owner: UserId) -> Vec<Event> {
        let page = EventPage::OldestFirst(None);
        self.store().events(owner, EventFilter::default(), page, 100_000).await.expect("a store that answers")
    }

    /// Looks at everything.
    pub(super) async fn observe(&self, known: &Known, look: Look, done: &mut BTreeSet<&'static str>) -> Seen {
        let (store, now) = (self.store(), known.now);
        let mut seen = Seen {
            users: store.users().await.expect("users"),
            hashes: Vec::new(),
            sessions: Vec::new(),
            keys: Vec::new(),
            next_due: store.next_due().await.expect("an answer"),
            // How long ago it fell due does not matter to whoever waits for it.
            next_owed: store.next_owed().await.expect("an answer").map(|at| at.max(now)),
            backlog: store.owed_counts().await.expect("an answer"),
            due_counts: store.due_counts(now).await.expect("an answer"),
            nodes: store.nodes().await.expect("a list").into_iter().map(without_times).collect(),
            due: store.due(now, 100_000).await.expect("a list"),
            absences: store
                .absences(Span { from: jiff::Timestamp::MIN, until: jiff::Timestamp::MAX })
                .await
                .expect("a list"),
            freezes: store.freezes(remembered_since(now)).await.expect("a list").all,
            inspection: Inspection::default(),
            before: Vec::new(),
            accounted: Vec::new(),
            accounts: Vec::new(),
            fired_within: Vec::new(),
            owned: Vec::new(),
        };
        // Which of those that fall due at one instant comes first is nobody's business.
        seen.due.sort_by_key(|armed| (armed.next_at, armed.trigger.id));
        if look == Look::AtEverything {
            self.observe_access(&mut seen, known).await;
            self.audit(&mut seen, known).await;
        }
        for owner in &known.users {
            seen.owned.push(self.owned(*owner, known, look).await);
        }
        seen.note(done);
        seen
    }

    async fn observe_access(&self, seen: &mut Seen, known: &Known) {
        let store = self.store();
        for email in ["Anna@example.com", "ben@example.com", "çelik@example.com", "nobody@example.com"] {
            seen.hashes.push(store.user_by_email(email).await.expect("a look-up"));
        }
        for number in 0..=known.session {
            seen.sessions.push(store.session_user(&format!("session {number}"), known.now).await.expect("a look-up"));
        }
        for number in 0..=known.key {
            seen.keys.push(store.api_key_user(&[number; 32], known.now).await.expect("a look-up"));
        }
    }

    async fn audit(&self, seen: &mut Seen, known: &Known) {
        let store = self.store();
        seen.inspection = store.inspect(None, 1000).await.expect("a slice");
        let whose = |inspected: &Inspected| (inspected.trigger.owner, inspected.trigger.id);
        let whose: Vec<_> = seen.inspection.triggers.iter().map(whose).collect();
        seen.before = store.events_before(whose.clone()).await.expect("an answer");
        let accounted = store.accounted_until(whose).await.expect("instants");
        let span = Span { from: known.gone_until.max(t(0)) + jiff::SignedDuration::from_mins(1), until: known.now };
        let asked = |inspected: &Inspected| {
            let (owner, trigger) = (inspected.trigger.owner, inspected.trigger.id);
            Asked { owner, trigger, span }
        };
        let asked: Vec<Asked> = seen.inspection.triggers.iter().map(asked).collect();
        seen.fired_within = store.fired_within(asked.clone()).await.expect("answers");
        seen.accounts = store.accounts(asked).await.expect("accounts");
        if known.gone_until > jiff::Timestamp::MIN {
            // As `without_beginning`, where no reason is told; what overlaps comes in another order then.
            for account in &mut seen.accounts {
                account.skipped.iter_mut().for_each(|(first, last)| *first = *last);
                account.skipped.sort_unstable();
            }
        }
        seen.accounted = accounted.into_iter().map(|at| at.filter(|at| *at > known.gone_until)).collect();
    }

    async fn owned(&self, owner: UserId, known: &Known, look: Look) -> Owned {
        let store = self.store();
        let gone_until = known.now - jiff::SignedDuration::from_hours(1);
        let mut owned = Owned {
            triggers: store.triggers(owner, None, 1000).await.expect("a list"),
            skipped: Vec::new(),
            ledgers: Vec::new(),
            deleted: Vec::new(),
            acts: store
                .acts(ActFilter { with_server: true, ..ActFilter::of(owner) }, None, 100_000)
                .await
                .expect("a log"),
            revisions: Vec::new(),
            events: Vec::new(),
            runs: Vec::new(),
            latest_runs: Vec::new(),
            counts: store.event_counts(owner, gone_until).await.expect("counts"),
            keys: store.api_keys(owner).await.expect("a list"),
            freezes: store.freezes_of(owner, known.now).await.expect("a list"),
            summary: match look {
                Look::AtEverything => Some(Summary::of(store, owner, known).await),
                Look::Glance => None,
            },
            destinations: store.destinations(owner, None, 1000).await.expect("a list"),
            streaks: store.streaks(owner).await.expect("a list"),
            undelivered: self.undelivered(owner, gone_until).await,
            arrivals: Vec::new(),
            uses: Vec::new(),
            calendars: Vec::new(),
        };
        for entry in &mut owned.acts {
            entry.id = 0;
            if entry.act.action == Action::Fired {
                entry.act.details = entry.act.details.take().map(|details| without_digits(&details));
            }
        }
        owned.undelivered.iter_mut().for_each(|one| one.place.event = EventId(0));
        let events = self.events(owner).await;
        let ids = events.iter().map(|event| event.id).collect();
        let runs = store.runs(owner, ids, jiff::Timestamp::MIN).await.expect("a list");
        let expected = events.iter().filter(|event| event.has_run).map(|event| event.id);
        assert_eq!(runs.iter().map(|of| of.event).collect::<BTreeSet<_>>(), expected.collect::<BTreeSet<_>>());
        owned.runs = runs.into_iter().map(|of| of.run).collect();
        for event in events {
            let deliveries = match look {
                Look::AtEverything => self.deliveries(&event).await,
                Look::Glance => Vec::new(),
            };
            owned.events.push((without_number(event), deliveries));
        }
        if look == Look::Glance {
            return owned;
        }
        let mut heads: Vec<_> = owned.destinations.iter().map(Destination::head).collect();
        assert_eq!(store.destination_heads(owner, Wanted::All).await.expect("heads"), heads);
        heads.retain(|head| head.standing != Standing::Active);
        assert_eq!(store.destination_heads(owner, Wanted::Stopped).await.expect("heads"), heads);
        let ids: Vec<_> = owned.destinations.iter().map(|destination| destination.id).collect();
        owned.uses = store.destination_uses(owner, Vec::clone(&ids)).await.expect("numbers");
        let to_send_to = store.destinations_to_send_to(ids).await.expect("a list");
        assert_eq!(to_send_to, owned.destinations);
        for destination in to_send_to {
            let found = store.destination(owner, destination.id).await.expect("an answer");
            assert_eq!(found.as_ref(), Some(&destination));
            for arrival in store.arrivals(owner, destination.id, None, 1000).await.expect("a list") {
                let found =
                    store.arrival(owner, arrival.id).await.expect("an answer").expect("what is listed is there");
                assert_eq!(found.0, arrival);
                owned.arrivals.extend(Some(found).filter(|_| arrival.arrived.at > known.gone_until));
            }
        }
        for view in store.calendars(owner).await.expect("a list") {
            let id = view.calendar.id;
            assert_eq!(store.calendar(owner, id).await.expect("an answer").as_ref(), Some(&view));
            let naming = store.calendar_triggers(owner, id, 1000).await.expect("a list");
            assert_eq!(naming.len() as u64, view.used_by);
            owned.calendars.push((view, naming));
        }
        for armed in &owned.triggers {
            let id = armed.trigger.id;
            assert_eq!(store.trigger(owner, id).await.expect("an answer").as_ref(), Some(armed));
            let latest = store.latest_runs(owner, id, gone_until, 3).await.expect("a list");
            owned.latest_runs.push(latest.into_iter().map(|of| of.run).collect());
            let mut skipped = store.skipped(owner, id, 1000).await.expect("records");
            skipped.retain(|view| view.recorded_at > known.gone_until);
            skipped.iter_mut().for_each(|view| without_beginning(view, known));
            owned.skipped.push(skipped);
            let mut ledger = ledger(store, owner, id, known.now, known.gone_until.max(gone_until)).await;
            ledger.skipped.iter_mut().for_each(|view| without_beginning(view, known));
            owned.ledgers.push(ledger);
            let revisions = store.revisions(owner, id, None, 1000).await.expect("revisions");
            for revision in &revisions {
                let found = store.revision(owner, id, revision.trigger.revision).await.expect("an answer");
                assert_eq!(found.as_ref(), Some(revision));
            }
            let stood = store.revision_at(owner, id, gone_until).await.expect("an answer");
            owned.revisions.push((revisions, stood));
        }
        for (_, id) in &known.triggers {
            let Some(deleted) = store.deleted_trigger(owner, *id, known.gone_until).await.expect("an answer") else {
                continue;
            };
            let mut skipped = store.skipped(owner, *id, 1000).await.expect("records");
            skipped.retain(|view| view.recorded_at > known.gone_until);
            let mut ledger = ledger(store, owner, *id, known.now, known.gone_until.max(gone_until)).await;
            skipped.iter_mut().chain(&mut ledger.skipped).for_each(|view| without_beginning(view, known));
            let revisions = store.revisions(owner, *id, None, 1000).await.expect("revisions");
            assert_eq!(revisions.first().map(|last| last.until), Some(Some(deleted.deletion.at)));
            owned.deleted.push((deleted, skipped, ledger, revisions));
        }
        owned
    }

    async fn deliveries(&self, event: &Event) -> Vec<Delivery> {
        let found = self.store().event(event.owner, event.id, jiff::Timestamp::MIN).await.expect("an answer");
        let (shown, deliveries) = found.expect("what is listed is there");
        assert_eq!(&shown, event);
        let mut shown = Vec::new();
        for view in deliveries {
            let (mut receipt, since) = (None, jiff::Timestamp::MIN);
            if let Some(attempt) = view.attempts.last() {
                let found = self.store().receipt(event.owner, event.id, view.slot, attempt.number, since).await;
                // When a delivery was claimed that nobody settled is the store's own business.
                receipt = found.expect("an answer").map(|receipt| Receipt { queue_us: None, ..receipt });
            }
            shown.push(delivery(view, receipt));
        }
        shown
    }
}

impl Seen {
    /// What of the reading was more than "nothing".
    fn note(&self, done: &mut BTreeSet<&'static str>) {
        self.owned.iter().filter_map(|owned| owned.summary.as_ref()).for_each(|summary| summary.note(done));
        let owned = |is: fn(&Owned) -> bool| self.owned.iter().any(is);
        for (method, is_done) in [
            ("users", !self.users.is_empty()),
            ("user_by_email", self.hashes.iter().any(Option::is_some)),
            ("session_user", self.sessions.iter().any(Option::is_some)),
            ("api_key_user", self.keys.iter().any(Option::is_some)),
            ("next_due", self.next_due.is_some()),
            ("next_owed", self.next_owed.is_some()),
            ("backlog", self.backlog.owed > 0),
            ("due", !self.due.is_empty()),
            ("absences", !self.absences.is_empty()),
            ("events_before", self.before.contains(&Before::UnderWay)),
            ("freezes", self.freezes.len() > 3),
            ("freezes_of", owned(|owned| !owned.freezes.is_empty())),
            ("due_counts", self.due_counts.overdue > 0 && self.due_counts.next_at.is_some()),
            ("nodes", self.nodes.iter().any(|(_, _, work)| work.is_some())),
            ("inspect", !self.inspection.triggers.is_empty()),
            ("accounts", self.accounts.iter().any(|account| !account.fired.is_empty())),
            ("accounted_until", self.accounted.iter().any(Option::is_some)),
            ("triggers", owned(|owned| !owned.triggers.is_empty())),
            ("trigger", owned(|owned| !owned.triggers.is_empty())),
            ("acts", owned(|owned| owned.acts.len() > 3)),
            ("note_ends", owned(|owned| owned.acts.iter().any(is_of_an_end))),
            ("revisions", owned(|owned| owned.revisions.iter().any(|(kept, _)| kept.len() > 2))),
            ("revision", owned(|owned| !owned.revisions.is_empty())),
            ("revision_at", owned(|owned| owned.revisions.iter().any(|(_, stood)| stood.is_some()))),
            ("deleted_trigger", owned(|owned| !owned.deleted.is_empty())),
            ("skipped", owned(|owned| owned.skipped.iter().any(|records| !records.is_empty()))),
            ("ledger", owned(|owned| owned.ledgers.iter().any(|of| !of.firings.is_empty() && !of.skipped.is_empty()))),
            ("event", owned(|owned| owned.events.iter().any(|(_, deliveries)| !deliveries.is_empty()))),
            (
                "receipt",
                owned(|owned| {
                    let mut deliveries = owned.events.iter().flat_map(|(_, deliveries)| deliveries);
                    deliveries.any(|delivery| delivery.receipt.is_some())
                }),
            ),
            ("runs", owned(|owned| owned.runs.iter().any(|run| run.end.is_some()))),
            ("latest_runs", owned(|owned| owned.latest_runs.iter().any(|runs| runs.len() > 1))),
            ("event_counts", owned(|owned| !owned.counts.is_empty())),
            ("api_keys", owned(|owned| !owned.keys.is_empty())),
            ("destinations", owned(|owned| !owned.destinations.is_empty())),
            ("destination", owned(|owned| !owned.destinations.is_empty())),
            ("destination_uses", owned(|owned| owned.uses.iter().any(|uses| *uses > 0))),
            ("destination_heads", owned(|owned| !owned.destinations.is_empty())),
            ("destinations_to_send_to", owned(|owned| !owned.destinations.is_empty())),
            ("calendars", owned(|owned| owned.calendars.len() > 1)),
            ("calendar", owned(|owned| !owned.calendars.is_empty())),
            ("calendar_triggers", owned(|owned| owned.calendars.iter().any(|(_, naming)| naming.len() > 1))),
            ("undelivered", owned(|owned| !owned.undelivered.is_empty())),
            ("count_undelivered", owned(|owned| !owned.undelivered.is_empty())),
            ("arrivals", owned(|owned| !owned.arrivals.is_empty())),
            ("arrival", owned(|owned| !owned.arrivals.is_empty())),
        ] {
            if is_done {
                done.insert(method);
            }
        }
    }
}

/// A pause or a freeze was over, or a trigger's time, and nobody ended it.
fn is_of_an_end(entry: &Entry) -> bool {
    let words = entry.act.details.as_deref().unwrap_or_default();
    ["its end had come", "its pause was over", "its expiry had come"].iter().any(|over| words.starts_with(over))
}

pub(super) fn told<T: std::fmt::Debug>(answer: Result<T>, did_something: impl Fn(&T) -> bool) -> Outcome {
    match answer {
        Ok(answer) => {
            Outcome { text: format!("{answer:?}"), did_something: did_something(&answer), ..Outcome::default() }
        }
        // Each store has its own words for what it cannot do.
        Err(_) => Outcome { text: "an error".to_owned(), ..Outcome::default() },
    }
}

/// What is written down about the time around now.
async fn ledger(
    store: &dyn Store,
    owner: UserId,
    id: TriggerId,
    now: jiff::Timestamp,
    gone_until: jiff::Timestamp,
) -> Ledger {
    let near = jiff::SignedDuration::from_mins(50);
    let found = store.ledger(owner, id, Span { from: now - near, until: now + near }, gone_until, 1000).await;
    let mut ledger = found.expect("an answer").expect("it is the owner's");
    ledger.firings.iter_mut().for_each(|firing| firing.event = EventId(0));
    ledger
}

/// Once anything was told to go, perhaps not at once, a record of a freeze goes on with one of before on one side, and begins anew on the
/// other.
fn without_beginning(view: &mut SkippedView, known: &Known) {
    if view.skipped.reason == Reason::Frozen && known.gone_until > jiff::Timestamp::MIN {
        (view.skipped.first, view.skipped.count) = (view.skipped.last, 0);
    }
}

fn without_times(node: NodeView) -> (Identity, bool, Option<Work>) {
    (node.identity, node.is_asked, node.work)
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|char| !char.is_ascii_digit()).collect()
}

fn without_number(event: Event) -> Event {
    Event { id: EventId(0), parent: event.parent.map(|_| EventId(0)), ..event }
}

fn delivery(view: DeliveryView, receipt: Option<Receipt>) -> Delivery {
    let DeliveryView { slot, message_id, target, state, attempts, ladder_from, why } = view;
    let is_told = !attempts.is_empty() || matches!(state, State::Parked(_));
    let state = if is_told { Ok(state) } else { Err(firing::Outcome::of([state]).word()) };
    Delivery { slot, message_id, target, why, state, attempts, ladder_from, receipt }
}
