//! Calls of triggers that have a schema. The store does not look at payloads: it logs a call of such a trigger only where the call says that its payload
//! was checked against the schema of the very revision that stands. So the check goes on beside the writers, and an edit that comes in
//! between is noticed. Schemas of triggers that are called often are kept compiled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use oncue_domain::error::Invalid;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::{Checker, PayloadSchema};
use oncue_domain::store::Error;
use oncue_domain::trigger::{Definition, Problem, Trigger};

use crate::app::{Shared, lock};
use crate::fault::Fault;

/// How often a payload is checked anew because the trigger was edited meanwhile.
pub(crate) const TRIES_MAX: usize = 5;

/// So many schemas are kept compiled; the one that was asked for longest ago goes first.
const KEPT_MAX: usize = 128;

/// Where a schema and a payload that are set together are longer than this, the bytes of the one times the bytes of the other, they are checked aside.
const CHECKED_HERE_MAX: usize = 100_000;

/// Held while one payload is checked that takes long, so that many of them at once leave the other processors to everybody else.
static LONG_CHECK: Mutex<()> = Mutex::new(());

/// Compiled schemas by whose triggers they are.
#[derive(Default)]
pub(crate) struct Schemas {
    /// Whether there was ever one: else nobody looks.
    is_any: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    known: HashMap<(UserId, TriggerId), (u64, Arc<Known>)>,
    /// Counts the times that somebody asked.
    asked: u64,
}

/// A trigger's schema as of a revision.
struct Known {
    revision: i64,
    /// Or why it cannot be read any more.
    compiled: Result<Compiled, String>,
}

struct Compiled {
    checker: Checker,
    /// What is wrong with what the trigger sends where a call brings nothing.
    own: Result<(), Vec<Invalid>>,
}

impl Known {
    /// Compiled, or told to the log that it cannot be: each call of the trigger comes across it, and is no news.
    fn of(trigger: &Trigger, schema: &PayloadSchema) -> Known {
        let compiled = schema.compile().map(|checker| {
            let own = trigger.definition.payload.clone().unwrap_or_else(Payload::empty);
            let own = check(&checker, &own);
            Compiled { checker, own }
        });
        let id = trigger.id.0;
        let told = |error: Invalid| {
            tracing::error!(trigger.id = id, %error, "the schema of trigger {id} cannot be read, and calls of it are refused");
            error.to_string()
        };
        Known { revision: trigger.revision, compiled: compiled.map_err(told) }
    }

    fn check(&self, payload: Option<&Payload>) -> Result<i64, Fault> {
        let unreadable =
            |error: &String| Error::Unreadable(Problem { field: Some("payload_schema"), why: error.clone() });
        let Compiled { checker, own } = self.compiled.as_ref().map_err(unreadable)?;
        let checked = payload.map_or_else(|| own.clone(), |payload| check(checker, payload));
        checked.map(|()| self.revision).map_err(Fault::Invalid)
    }
}

impl Schemas {
    /// The revision of whose schema it is known that the payload fits it. None where nothing is known, or where it does not fit: then
    /// the store is asked first, since the trigger may have changed.
    pub(crate) fn vouch(&self, owner: UserId, id: TriggerId, payload: Option<&Payload>) -> Option<i64> {
        if !self.is_any.load(Ordering::Acquire) {
            return None;
        }
        self.get(owner, id)?.check(payload).ok()
    }

    fn get(&self, owner: UserId, id: TriggerId) -> Option<Arc<Known>> {
        let mut kept = lock(&self.kept);
        kept.asked += 1;
        let asked = kept.asked;
        let (last, known) = kept.known.get_mut(&(owner, id))?;
        *last = asked;
        Some(Arc::clone(known))
    }

    /// The schema of a trigger as it was just read; what cannot be made of it is known from then on, too.
    fn know(&self, trigger: &Trigger, schema: &PayloadSchema) -> Arc<Known> {
        match self.get(trigger.owner, trigger.id).filter(|known| known.revision == trigger.revision) {
            Some(known) => known,
            None => {
                let known = Arc::new(Known::of(trigger, schema));
                self.keep(trigger, Arc::clone(&known));
                known
            }
        }
    }

    fn keep(&self, trigger: &Trigger, known: Arc<Known>) {
        let mut kept = lock(&self.kept);
        kept.asked += 1;
        let asked = kept.asked;
        kept.known.insert((trigger.owner, trigger.id), (asked, known));
        if kept.known.len() > KEPT_MAX {
            let oldest = kept.known.iter().min_by_key(|(_, (asked, _))| *asked).map(|(place, _)| *place);
            oldest.map(|place| kept.known.remove(&place));
        }
        self.is_any.store(true, Ordering::Release);
    }
}

/// Checks a payload. Where that takes a while, whoever else has something to do on this thread goes on elsewhere.
fn check(checker: &Checker, payload: &Payload) -> Result<(), Vec<Invalid>> {
    if checker.is_quick(payload) { checker.check(payload) } else { aside(|| checker.check(payload)) }
}

/// What is wrong with what a trigger sends where a call brings nothing, by its own schema.
pub(crate) fn check_own(definition: &Definition) -> Vec<Invalid> {
    let check = || definition.check_payload().err().unwrap_or_default();
    let bytes = |text: Option<&str>| text.map_or(0, str::len);
    let schema = bytes(definition.payload_schema.as_ref().map(PayloadSchema::as_str));
    let payload = bytes(definition.payload.as_ref().map(Payload::as_str));
    if schema * payload > CHECKED_HERE_MAX { aside(check) } else { check() }
}

/// Carries out what takes long, one at a time, while whoever else has something to do on this thread goes on elsewhere.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(|| {
        let _turn = lock(&LONG_CHECK);
        work()
    })
}

/// Reads the trigger's schema as it stands, and checks the payload against it: the revision of which it is, none where the trigger has none
/// any more, and what is wrong where it does not fit.
pub(crate) async fn look(
    app: &Shared,
    owner: UserId,
    id: TriggerId,
    payload: Option<&Payload>,
) -> Result<Option<i64>, Fault> {
    let armed = app.store.trigger(owner, id).await?.ok_or_else(|| Fault::not_found("Trigger"))?;
    let trigger = armed.trigger;
    let Some(schema) = &trigger.definition.payload_schema else { return Ok(None) };
    app.schemas.know(&trigger, schema).check(payload).map(Some)
}

/// The trigger is edited all the time.
pub(crate) fn changes_too_fast() -> Fault {
    Fault::new(StatusCode::CONFLICT, "This trigger changes too fast right now; try again.")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use jiff::Timestamp;
    use oncue_domain::store::NewTrigger;
    use oncue_domain::trigger::Kind;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    /// Counts what is told as an error.
    struct Errors(Arc<AtomicUsize>);

    impl Subscriber for Errors {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::ERROR
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_schema_that_is_none_any_more_is_told_to_the_log_once_and_refuses_each_call() {
        let called = |text: &str, revision| {
            let schema = PayloadSchema::from_stored(text).expect("it is JSON");
            let definition = Definition {
                payload_schema: Some(schema.clone()),
                ..Definition::in_place_of_unreadable(None, Kind::Api)
            };
            let new = NewTrigger { owner: UserId(1), definition, next_at: None, test_event: None };
            let trigger = new.as_made(TriggerId(1), Timestamp::UNIX_EPOCH).trigger;
            (Trigger { revision, ..trigger }, schema)
        };
        let (schemas, told) = (Schemas::default(), Arc::new(AtomicUsize::new(0)));
        tracing::subscriber::with_default(Errors(Arc::clone(&told)), || {
            for (revision, expected) in [(1, 1), (1, 1), (2, 2)] {
                let (trigger, schema) = called(r#"{"type": 7}"#, revision);
                let refused = schemas.know(&trigger, &schema).check(None);
                assert!(matches!(refused, Err(Fault::Store(Error::Unreadable(_)))), "{refused:?}");
                assert_eq!(told.load(Ordering::Relaxed), expected);
                assert_eq!(schemas.vouch(UserId(1), TriggerId(1), None), None);
            }
            let (trigger, schema) = called(r#"{"type": "object"}"#, 3);
            assert_eq!(schemas.know(&trigger, &schema).check(None).ok(), Some(3));
        });
        assert_eq!((told.load(Ordering::Relaxed), schemas.vouch(UserId(1), TriggerId(1), None)), (2, Some(3)));
    }
}
