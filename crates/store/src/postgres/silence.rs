//! Whether the server still answers at all. One that is frozen, or cut off without a word, leaves every statement waiting for as
//! long as a slow one may take. So it is asked again and again, beside the work, for something that waits for no lock and no
//! disk: when even that is not answered, whoever waits is told that the server hangs, and nobody uses its connections again.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use oncue_domain::store::{Error, Result};
use tokio::sync::watch;
use tokio_postgres::Client;

use super::{Shared, failure};

/// How often the server is asked.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// A server that has not answered by then hangs.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// After a silence the answer may be here already: it was this process that was halted, and its clock went on without it.
const AFTERTHOUGHT: Duration = Duration::from_millis(500);

/// Longer than the server lets any statement run (`statement_timeout` of the session).
const ANSWERED_WITHIN: Duration = Duration::from_secs(35);

/// Whether the server hangs, so that whoever waits for an answer knows that none will come. For the whole process, as the doubt in
/// `failure` is.
static HANGS: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Asks for as long as the store lives.
pub(super) async fn listen_for(shared: Arc<Shared>) {
    loop {
        // Kept from one question to the next, and beside the pool, where one could be told to wait.
        match shared.upkeep.beside().await {
            Ok(client) => {
                note_answer();
                while answers(&shared, &client).await {
                    tokio::time::sleep(ASKED_EVERY).await;
                }
            }
            Err(missed) if missed.unanswered => tell_all(&shared),
            // Refused in words or not there at all: whoever is connected is told so by itself.
            Err(_) => {}
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

/// Asks once, and spreads the word where the server hangs. A connection that breaks says nothing about it.
async fn answers(shared: &Shared, client: &Client) -> bool {
    let mut asking = pin!(client.simple_query("SELECT 1"));
    for patience in [SILENCE_MAX, AFTERTHOUGHT] {
        if let Ok(answer) = tokio::time::timeout(patience, &mut asking).await {
            if answer.is_ok() {
                note_answer();
            }
            return answer.is_ok();
        }
    }
    tell_all(shared);
    false
}

/// Whoever waits hears that the server hangs, and nobody uses its connections again.
fn tell_all(shared: &Shared) {
    let already_hung = HANGS.send_replace(true);
    if !already_hung {
        tracing::warn!("the database has been silent for {} s: it hangs", SILENCE_MAX.as_secs());
    }
    failure::doubt();
    // Whoever is told now comes back at once: one looks for all, and the others are not to wait for what it finds.
    for connections in [&shared.connections, &shared.upkeep] {
        connections.stay_away(silent(SILENCE_MAX));
    }
}

/// The server answered, or let somebody in.
pub(super) fn note_answer() {
    HANGS.send_if_modified(std::mem::take);
}

/// Comes back when the server hangs.
pub(super) async fn hanging() {
    // The sender is never dropped.
    let _ = HANGS.subscribe().wait_for(|hangs| *hangs).await;
}

/// Waits for the server, but not for one that hangs: its own limit of a statement's time is the server's to keep.
pub(super) async fn answered<T>(
    answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
) -> Result<T> {
    tokio::select! {
        biased;
        outcome = answer => outcome.map_err(failure::failed),
        () = hanging() => Err(silent(SILENCE_MAX)),
        () = tokio::time::sleep(ANSWERED_WITHIN) => {
            failure::doubt();
            Err(silent(ANSWERED_WITHIN))
        }
    }
}

fn silent(waited: Duration) -> Error {
    Error::Unavailable(format!("the server has not answered for {} s", waited.as_secs()))
}
