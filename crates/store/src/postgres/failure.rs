//! What a failed statement means: whether trying again may help, in words that hold no values; and whether the server we spoke
//! to is still the one to speak to.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use oncue_domain::store::Error;
use tokio_postgres::error::SqlState;

/// When a server last said, or showed, that it is not the one any more. For the whole process, because a statement fails where
/// no pool is at hand; a process has one database, and the worst that a wrong doubt costs is a new connection.
static DOUBTED: Mutex<Option<Instant>> = Mutex::new(None);

/// When a connection last broke under a statement.
static BROKE: Mutex<Option<Instant>> = Mutex::new(None);

/// What a failed statement is for whoever asked the store.
pub(super) fn failed(error: tokio_postgres::Error) -> Error {
    if is_gone(&error) {
        doubt();
        *BROKE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    classed(&error)
}

/// Whether a connection has broken that may be the one that was made at this moment, and not only fallen silent: then a new one may
/// give what this one could not.
pub(super) fn may_have_broken(made: Instant) -> bool {
    BROKE.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|broke| made <= broke)
}

/// The server may not be the one any more: connections that were made until now are not used again.
pub(super) fn doubt() {
    *DOUBTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// The same without doubting the server: for connections that were not made yet.
pub(super) fn classed(error: &tokio_postgres::Error) -> Error {
    let words = words(error);
    let passes = match error.code() {
        Some(code) => passes(code),
        None => error.is_closed() || (source::<std::io::Error>(error).is_some() && !certificate_is_wrong(error)),
    };
    if passes { Error::Unavailable(words) } else { Error::Broken(words) }
}

/// Whether a connection that was made at this moment may lead to a server that is not the one any more.
pub(super) fn is_doubtful(made: Instant) -> bool {
    DOUBTED.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|doubted| made <= doubted)
}

/// Lost connections, a server short of something, shutting down, starting or only to be read, and whoever lost a race for a
/// lock: all of that passes, and so does what somebody may not do (42501), because what an operator has taken away an operator gives
/// back. What a statement is or holds does not.
fn passes(code: &SqlState) -> bool {
    const CLASSES: [&str; 4] = ["08", "53", "57", "58"];
    const CODES: [&str; 6] = ["25006", "25P03", "40001", "40P01", "42501", "55P03"];
    CLASSES.iter().any(|class| code.code().starts_with(class)) || CODES.contains(&code.code())
}

fn is_gone(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => code.code().starts_with("08") || ["25006", "57P01", "57P02", "57P03"].contains(&code.code()),
        None => error.is_closed() || source::<std::io::Error>(error).is_some(),
    }
}

fn words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let code = said.code().code();
        // What is wrong with a value is said by repeating the value.
        return if code.starts_with("22") {
            format!("{code}: a value does not fit")
        } else {
            format!("{code}: {}", said.message())
        };
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let deeper_words = deeper.to_string();
        if !words.contains(&deeper_words) {
            words = format!("{words}: {deeper_words}");
        }
        cause = deeper.source();
    }
    words
}

/// Somebody else's certificate stays somebody else's, however often we ask.
fn certificate_is_wrong(error: &tokio_postgres::Error) -> bool {
    let inner = source::<std::io::Error>(error).and_then(std::io::Error::get_ref);
    let flaw = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    flaw.is_some_and(|flaw| matches!(flaw, rustls::Error::InvalidCertificate(_)))
}

fn source<T: std::error::Error + 'static>(error: &tokio_postgres::Error) -> Option<&T> {
    error.source().and_then(|source| source.downcast_ref())
}
