//! What may be asked of a store, drawn by chance from what is known, so that most of it makes sense and some does not.

use jiff::SignedDuration;
use oncue_domain::access::{Preferences, Registration, Scope, Session, ShownIn, Theme};
use oncue_domain::arrival::{Arrived, Contents};
use oncue_domain::audit::{Cursor, Defect, Repair};
use oncue_domain::destination::{self, Standing};
use oncue_domain::event::Origin;
use oncue_domain::freeze::{pass_over, remembered_since};
use oncue_domain::id::{ApiKeyId, DestinationId, MessageId, TriggerId, UserId};
use oncue_domain::node::Work;
use oncue_domain::payload::Payload;
use oncue_domain::plan::plan_behind;
use oncue_domain::store::{Call, EventFilter, NewApiKey, NewTrigger, NewUser, Planned};
use oncue_domain::trigger::{Arm, Definition, Edit};

use super::again::Again;
use super::calendar::Keeping;
use super::freeze::Freezing;
use super::many::Many;
use super::once::Once;
use super::run::Reporting;
use super::search::{self, Search};
use super::side::{Outcome, Side};
use super::{Chance, Known, SILENCE_MAX, definition};

/// One thing to ask of both stores.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// The clock moves, forward or back.
    Move(SignedDuration),
    Restart,
    Check,
    Register(NewUser, Registration),
    LocalUser,
    SetPassword(UserId, String),
    DisableUser(UserId),
    OpenSession(Session),
    EndSession(String),
    CreateApiKey(NewApiKey),
    DeleteApiKey(UserId, ApiKeyId),
    TouchApiKey(ApiKeyId),
    CreateTrigger(NewTrigger),
    EditTrigger(Edit, Option<jiff::Timestamp>),
    DeleteTrigger(UserId, TriggerId),
    Fire(UserId, TriggerId, Call),
    FireUnkept(UserId, Definition, MessageId),
    BeginPresence,
    SignOfLife,
    NoteWork(Work),
    CommitPlans(Vec<Planned>),
    Claim,
    /// Claims by their place, and what becomes of them.
    Settle(Vec<(usize, Ending)>),
    /// Whose, which, newest first or not, after the event at this place of the whole listing, at most so many.
    Events(UserId, EventFilter, bool, Option<usize>, usize),
    Search(Search),
    Expire(SignedDuration, usize),
    EndOtherSessions(UserId, String),
    SetPreferences(UserId, Preferences),
    CreateDestination(UserId, destination::Definition),
    /// Of the revision that was seen.
    EditDestination(UserId, DestinationId, i64, destination::Definition),
    SetStanding(UserId, DestinationId, Standing),
    SuspendDestination(DestinationId, i64, Option<MessageId>),
    DeleteDestination(UserId, DestinationId),
    Arrive(UserId, Arrived, Contents),
    Rearm(Repair),
    UseZoneData(&'static str),
    Again(Again),
    Many(Many),
    Once(Once),
    Reporting(Reporting),
    Freezing(Freezing),
    Keeping(Keeping),
}

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Content,
    Discontent,
    TooSoon,
    GivenUp,
    /// It waits for its destination, at most so long.
    Parked(SignedDuration),
    /// No attempt could be made.
    Unsent,
}

impl Operation {
    /// The method that it calls.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Operation::Move(_) | Operation::Restart | Operation::Check => "check",
            Operation::Register(..) => "register",
            Operation::LocalUser => "local_user",
            Operation::SetPassword(..) => "set_password",
            Operation::DisableUser(_) => "disable_user",
            Operation::OpenSession(_) => "open_session",
            Operation::EndSession(_) => "end_session",
            Operation::CreateApiKey(_) => "create_api_key",
            Operation::DeleteApiKey(..) => "delete_api_key",
            Operation::TouchApiKey(_) => "touch_api_key",
            Operation::CreateTrigger(_) => "create_trigger",
            Operation::EditTrigger(..) => "edit_trigger",
            Operation::DeleteTrigger(..) => "delete_trigger",
            Operation::Fire(..) => "fire",
            Operation::FireUnkept(..) => "fire_unkept",
            Operation::BeginPresence => "begin_presence",
            Operation::SignOfLife => "sign_of_life",
            Operation::NoteWork(_) => "note_work",
            Operation::CommitPlans(_) => "commit_plans",
            Operation::Claim => "claim_deliveries",
            Operation::Settle(_) => "settle",
            Operation::Events(..) => "events",
            Operation::Search(search) => search.method(),
            Operation::Expire(..) => "expire",
            Operation::EndOtherSessions(..) => "end_other_sessions",
            Operation::SetPreferences(..) => "set_preferences",
            Operation::CreateDestination(..) => "create_destination",
            Operation::EditDestination(..) => "edit_destination",
            Operation::SetStanding(..) => "set_standing",
            Operation::SuspendDestination(..) => "suspend_destination",
            Operation::DeleteDestination(..) => "delete_destination",
            Operation::Arrive(..) => "arrive",
            Operation::Rearm(_) => "rearm",
            Operation::UseZoneData(_) => "use_zone_data",
            Operation::Again(again) => again.method(),
            Operation::Many(many) => many.method(),
            Operation::Once(once) => once.method(),
            Operation::Reporting(reporting) => reporting.method(),
            Operation::Freezing(freezing) => freezing.method(),
            Operation::Keeping(keeping) => keeping.method(),
        }
    }

    /// Draws the next one.
    pub(super) async fn draw(chance: &mut Chance, known: &mut Known, model: &Side) -> Operation {
        if known.users.is_empty() || chance.once_in(60) {
            return register(chance);
        }
        let owner = chance.pick(&known.users);
        match chance.below(128) {
            // Where the nodes that are gone were alive later than anybody since, nobody can be away: the stores would not agree from when.
            0..16 if !known.last_sign_is_the_latest() => Operation::Move(distance(chance).min(SILENCE_MAX)),
            0..16 => Operation::Move(distance(chance)),
            16 if known.last_sign_is_the_latest() => Operation::Restart,
            16 => Operation::Check,
            17 => Operation::LocalUser,
            18 => Operation::SetPassword(owner, format!("hash {}", chance.below(9))),
            19 if chance.once_in(4) => Operation::DisableUser(owner),
            19..22 => open_session(chance, known, owner),
            22 if chance.once_in(3) => Operation::EndOtherSessions(owner, session_id(chance, known)),
            22 if chance.once_in(2) => Operation::SetPreferences(owner, preferences(chance)),
            22 => Operation::EndSession(session_id(chance, known)),
            23..25 => create_api_key(chance, known, owner),
            25 | 99 => Operation::DeleteApiKey(owner, ApiKeyId(number(chance, 12))),
            26 => Operation::TouchApiKey(ApiKeyId(number(chance, 12))),
            27..35 if chance.once_in(3) => Operation::Many(Many::creation(chance, known, owner)),
            27..35 => Operation::CreateTrigger(new_trigger(chance, known, owner)),
            35..47 => edit(chance, known, model).await,
            47..51 => {
                let (owner, id) = trigger(chance, known);
                Operation::DeleteTrigger(owner, id)
            }
            51..61 if chance.once_in(3) => Operation::Many(Many::firing(chance, known)),
            51..61 => {
                let (owner, id) = trigger(chance, known);
                Operation::Fire(owner, id, call(chance, known))
            }
            61..63 => Operation::FireUnkept(owner, definition::draw(chance, known, owner), known.message()),
            63 if known.last_sign_is_the_latest() => Operation::BeginPresence,
            63 => Operation::Check,
            64 => Operation::SignOfLife,
            65 => Operation::NoteWork(Work { fired: chance.number() >> 32, ..Work::default() }),
            66..80 => commit(chance, known, model).await,
            80..85 => Operation::Claim,
            85..92 => settle(chance, known),
            92 => events(chance, known, owner),
            93..95 => Operation::Search(Search::draw(chance, known, owner)),
            95..99 => {
                let age = SignedDuration::from_mins(chance.pick(&[61, 61, 61, 61, 600]));
                Operation::Expire(age, chance.pick(&[1, 3, 1000, 1000]))
            }
            120..128 => Operation::Once(Once::draw(chance, known, owner)),
            100..108 => Operation::Again(Again::draw(chance, known, owner)),
            _ => super::destination::draw(chance, known, owner),
        }
    }

    /// Keeps in mind what came of it.
    pub(super) fn learn(&self, known: &mut Known, outcome: &Outcome) {
        match self {
            Operation::Register(..) | Operation::LocalUser => {
                known.users.extend(outcome.user.filter(|user| !known.users.contains(user)));
            }
            Operation::CreateTrigger(new) => known.triggers.extend(outcome.trigger.map(|id| (new.owner, id))),
            Operation::Many(Many::Create(owner, _)) => known.triggers.extend(outcome.trigger.map(|id| (*owner, id))),
            Operation::Once(once) => known.triggers.extend(outcome.trigger.map(|id| (once.owner, id))),
            Operation::DeleteTrigger(..) if outcome.did_something && known.triggers.len() > 12 => {
                known.triggers.remove(0);
            }
            Operation::CreateDestination(owner, _) => {
                known.destinations.extend(outcome.destination.map(|id| (*owner, id)));
            }
            Operation::DeleteDestination(_, id) if outcome.did_something => {
                known.destinations.retain(|(_, kept)| kept != id);
            }
            Operation::Keeping(keeping) => keeping.learn(&mut known.calendars, outcome),
            Operation::BeginPresence => {
                known.absences.clone_from(&outcome.absences);
                known.sign = Some(known.now);
            }
            Operation::SignOfLife => known.sign = Some(known.now),
            Operation::Restart => known.left = known.left.max(known.sign),
            Operation::Expire(age, _) => known.gone_until = known.gone_until.max(known.now - *age),
            _ => {}
        }
    }
}

fn number(chance: &mut Chance, end: usize) -> i64 {
    i64::try_from(chance.below(end)).expect("small")
}

fn register(chance: &mut Chance) -> Operation {
    let rule = chance.pick(&[Registration::Open, Registration::Open, Registration::First, Registration::Closed]);
    let email =
        (chance.pick(&["anna@example.com", " ANNA@Example.com", "ben@example.com", "Çelik@example.com"])).to_owned();
    Operation::Register(NewUser { email, password_hash: "first hash".to_owned() }, rule)
}

/// Mostly seconds and minutes; now and then hours, or back. Never so far back that something expired becomes young again.
fn distance(chance: &mut Chance) -> SignedDuration {
    match chance.below(10) {
        0..3 => SignedDuration::from_micros(number(chance, 90_000_000)),
        3..7 => SignedDuration::from_secs(number(chance, 600)),
        7 => SignedDuration::from_secs(number(chance, 1800)),
        8 if chance.once_in(6) => SignedDuration::from_hours(30),
        8 => SignedDuration::from_secs(number(chance, 7200)),
        _ => -SignedDuration::from_secs(number(chance, 500)),
    }
}

fn session_id(chance: &mut Chance, known: &Known) -> String {
    format!("session {}", chance.below(known.session + 1))
}

fn open_session(chance: &mut Chance, known: &mut Known, user: UserId) -> Operation {
    if !chance.once_in(5) {
        known.session += 1;
    }
    let expires_at = known.now + SignedDuration::from_secs(number(chance, 9000));
    Operation::OpenSession(Session {
        id: format!("session {}", known.session),
        user,
        created_at: known.now,
        expires_at,
        agent: chance.pick(&["", "curl/8.5.0", "Mozilla/5.0 (ÿ)"]).to_owned(),
    })
}

fn preferences(chance: &mut Chance) -> Preferences {
    Preferences {
        zone: chance.pick(&[None, Some("Europe/Riga")]).map(str::to_owned),
        shown_in: chance.pick(&ShownIn::ALL),
        theme: chance.pick(&Theme::ALL),
        shortcuts: chance.once_in(2),
    }
}

fn create_api_key(chance: &mut Chance, known: &mut Known, owner: UserId) -> Operation {
    if !chance.once_in(5) {
        known.key = known.key.wrapping_add(1);
    }
    let ends_in = chance.pick(&[None, Some(500), Some(50_000)]);
    Operation::CreateApiKey(NewApiKey {
        owner,
        name: "ci".to_owned(),
        prefix: "oncue_ab".to_owned(),
        hash: [known.key; 32],
        scopes: chance.pick(&[vec![], vec![Scope::Manage], vec![Scope::Fire, Scope::Read]]),
        expires_at: ends_in.map(|seconds| known.now + SignedDuration::from_secs(seconds)),
    })
}

pub(super) fn new_trigger(chance: &mut Chance, known: &Known, owner: UserId) -> NewTrigger {
    let definition = definition::draw(chance, known, owner);
    let next_at = definition.next_after(known.now);
    let test_event = definition.is_test.then(|| known.message());
    NewTrigger { owner, definition, next_at, test_event }
}

/// Mostly somebody's own trigger; now and then another's, or none at all.
pub(super) fn trigger(chance: &mut Chance, known: &Known) -> (UserId, TriggerId) {
    if known.triggers.is_empty() || chance.once_in(20) {
        return (known.users[0], TriggerId(999));
    }
    let (owner, id) = chance.pick(&known.triggers);
    if chance.once_in(12) { (chance.pick(&known.users), id) } else { (owner, id) }
}

async fn edit(chance: &mut Chance, known: &mut Known, model: &Side) -> Operation {
    let (owner, id) = trigger(chance, known);
    let read = model.store().trigger(owner, id).await.expect("the model answers");
    let Some(armed) = (if chance.once_in(5) && !known.read.is_empty() { Some(chance.pick(&known.read)) } else { read })
    else {
        return Operation::DeleteTrigger(owner, id);
    };
    known.remember(armed.clone());
    let drawn = definition::draw(chance, known, owner);
    let old = armed.trigger.definition.clone();
    let changed = match chance.below(5) {
        0 => {
            let Definition { name, payload, webhook, destinations, expects, .. } = drawn;
            Definition { name, payload, webhook, destinations, expects, ..old }
        }
        1 => {
            let resumes = old.is_paused_at(known.now);
            old.switched(resumes)
        }
        2 => Definition { expires_at: drawn.expires_at, ..old },
        _ => drawn,
    };
    let freezes = model.store().freezes_of(armed.trigger.owner, remembered_since(known.now)).await;
    let mut edit = armed.edit(changed, known.now).under(&armed, known.now, &freezes.expect("the model answers"));
    if let Some(details) = edit.trigger.definition.schedule.as_ref().filter(|_| chance.once_in(6)) {
        // Arms what may have fired already, as a clock that was put back does.
        edit.arm = Arm::Set(details.next_after(known.now - SignedDuration::from_mins(20)));
    }
    let seen = if chance.once_in(12) { None } else { armed.next_at };
    Operation::EditTrigger(edit, seen)
}

/// What an auditor would do, rightly or not, and what takes it back; none where there is no trigger to do it to.
pub(super) async fn rearm(chance: &mut Chance, known: &Known, model: &Side) -> Option<(Repair, Repair)> {
    let (owner, trigger) = if known.triggers.is_empty() { return None } else { chance.pick(&known.triggers) };
    let armed = model.store().trigger(owner, trigger).await.expect("the model answers")?;
    let (definition, revision) = (&armed.trigger.definition, armed.trigger.revision);
    let cursor = |next_at: Option<jiff::Timestamp>| next_at.map(|next_at| Cursor { next_at, revision });
    let seen = cursor(armed.next_at);
    let next_at = if chance.once_in(4) { None } else { definition.next_after(known.now) };
    let defect = chance.pick(&[Defect::Disarmed, Defect::Astray, Defect::Moved]);
    let repair = Repair { owner, trigger, revision, seen, next_at, defect, found_at: known.now };
    let back = Repair { seen: cursor(next_at), next_at: armed.next_at, ..repair };
    let tried = match chance.below(8) {
        0 => Repair { revision: revision + 1, ..repair },
        1 => Repair { owner: chance.pick(&known.users), ..repair },
        2 => Repair { seen: None, ..repair },
        3 => Repair { seen: seen.map(|seen| Cursor { revision: revision - 1, ..seen }), ..repair },
        _ => repair,
    };
    Some((tried, back))
}

pub(super) fn call(chance: &mut Chance, known: &Known) -> Call {
    let origin = chance.pick(&[Origin::Api, Origin::Api, Origin::Test]);
    let payload = chance.pick(&[None, None, Some("{}"), Some("{\"n\": 1e400}"), Some("[3]")]);
    Call {
        origin,
        payload: payload.map(|text| Payload::parse(text).expect("JSON")),
        // Mostly right where there is a schema, so that its triggers have events as well.
        checked: if payload == Some("[3]") { None } else { Some(1) },
        message_id: known.message(),
    }
}

async fn commit(chance: &mut Chance, known: &mut Known, model: &Side) -> Operation {
    let freezes = model.store().freezes(remembered_since(known.now)).await.expect("the model answers");
    known.edition = freezes.edition;
    if chance.once_in(6) && !known.plans.is_empty() {
        return Operation::CommitPlans(vec![chance.pick(&known.plans)]);
    }
    let limit = chance.pick(&[1, 3, 100]);
    let due = model.store().due(known.now, limit).await.expect("the model answers");
    let whose = due.iter().map(|armed| (armed.trigger.owner, armed.trigger.id)).collect();
    let before = model.store().events_before(whose).await.expect("the model answers");
    let plans: Vec<Planned> = due
        .into_iter()
        .zip(before)
        .filter_map(|(armed, before)| {
            let next_at = armed.next_at?;
            let plan = match pass_over(&armed, known.now, &freezes.all) {
                Some(plan) => plan,
                None => plan_behind(&armed, known.now, &known.absences, before)?,
            };
            let message_ids = plan.firings.iter().map(|_| known.message()).collect();
            Some(Planned { trigger: armed.trigger, armed: next_at, plan, message_ids, edition: freezes.edition })
        })
        .collect();
    known.plans.extend(plans.iter().cloned());
    known.plans.truncate(40);
    Operation::CommitPlans(plans)
}

fn settle(chance: &mut Chance, known: &Known) -> Operation {
    if known.claims == 0 {
        return Operation::Claim;
    }
    let count = chance.below(6);
    let mut settled = Vec::new();
    for _ in 0..count {
        let parked = Ending::Parked(super::destination::parked_for(chance));
        let endings = [
            Ending::Content,
            Ending::Content,
            Ending::Discontent,
            Ending::TooSoon,
            Ending::GivenUp,
            parked,
            parked,
            Ending::Unsent,
        ];
        settled.push((chance.below(known.claims), chance.pick(&endings)));
    }
    Operation::Settle(settled)
}

fn events(chance: &mut Chance, known: &Known, owner: UserId) -> Operation {
    let filter = search::filter(chance, known);
    let place = if chance.once_in(2) { None } else { Some(chance.below(40)) };
    Operation::Events(owner, filter, chance.once_in(2), place, chance.pick(&[1, 5, 1000]))
}
