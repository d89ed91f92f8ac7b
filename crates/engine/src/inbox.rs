//! The receiver inside oncue: nothing leaves the process. What arrives is checked and kept first, as any good receiver does, and then
//! answered as its owner chose. While an answer is late, nothing is held but the delivery's own place in its lane.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::arrival::{Arrived, BODY_BYTES_KEPT, Check, Contents, HIDDEN};
use oncue_domain::delivery::Claim;
use oncue_domain::destination::Destination;
use oncue_domain::destination::definition::Kind;
use oncue_domain::message::Inbound;
use oncue_domain::outbound::{Answer, Exchange, Facts, Failure, Headers};
use oncue_domain::signature::{Received, verify};
use oncue_domain::store::Store;

/// Takes what arrives, and answers as the inbox was told to; not at all where that takes longer than the delivery waits, or where what
/// arrived could not be kept.
pub(crate) async fn receive(
    store: &dyn Store,
    claim: &Claim,
    destination: &Destination,
    inbound: &Inbound,
    now: Timestamp,
) -> Exchange {
    let delay = Duration::try_from(inbound.delay).unwrap_or(Duration::ZERO);
    let took = inbound.request.timeout.map_or(delay, |timeout| timeout.min(delay));
    let is_answered = took == delay;
    let (arrived, contents) = arrival(claim, destination, inbound, is_answered, took, now);
    let kept = store.arrive(destination.owner, arrived, contents).await;
    let failed = |why: String| Exchange { result: Err(Failure(why)), took: Duration::ZERO, facts: Facts::default() };
    match kept {
        Ok(true) => {}
        Ok(false) => return failed("The inbox was deleted.".to_owned()),
        Err(error) => {
            tracing::error!(destination = destination.id.0, %error, "an inbox cannot keep what arrived");
            return failed("The inbox could not keep what arrived.".to_owned());
        }
    }
    if !took.is_zero() {
        tokio::time::sleep(took).await;
    }
    let result = if is_answered {
        Ok(Answer { status: inbound.status, headers: Vec::new(), body: Vec::new() })
    } else {
        Err(Failure(format!("The inbox did not answer within {} s.", took.as_secs_f64())))
    };
    Exchange { result, took, facts: Facts::default() }
}

/// What is kept of it. The values of headers that the owner added are theirs to know and nobody's to read again.
fn arrival(
    claim: &Claim,
    destination: &Destination,
    inbound: &Inbound,
    is_answered: bool,
    waited: Duration,
    now: Timestamp,
) -> (Arrived, Contents) {
    let request = &inbound.request;
    let arrived = Arrived {
        destination: destination.id,
        event: claim.event.id,
        slot: claim.slot,
        attempt: claim.tried.saturating_add(1),
        at: now,
        method: request.method.word().to_owned(),
        body_bytes: request.body.len() as u64,
        check: check(inbound, now),
        answer: is_answered.then_some(inbound.status),
        waited: SignedDuration::try_from(waited).unwrap_or(SignedDuration::MAX),
    };
    let is_hidden = |name: &str| match &destination.definition.kind {
        Kind::Inbox(inbox) => inbox.call.headers.contains_key(name),
        _ => false,
    };
    let shown = |(name, value): &(std::borrow::Cow<'static, str>, String)| {
        let value = if is_hidden(name) { HIDDEN } else { value };
        (name.to_string(), value.to_owned())
    };
    let body = request.body.get(..BODY_BYTES_KEPT).unwrap_or(&request.body).to_vec();
    (arrived, Contents { headers: request.headers.iter().map(shown).collect(), body })
}

fn check(inbound: &Inbound, now: Timestamp) -> Check {
    if inbound.secrets.is_empty() {
        return Check::Unsigned;
    }
    let (headers, body) = (&inbound.request.headers, &inbound.request.body);
    let received = Received {
        message_id: header(headers, "webhook-id"),
        timestamp: header(headers, "webhook-timestamp"),
        signatures: header(headers, "webhook-signature"),
        body,
    };
    match verify(&inbound.secrets, received, now) {
        Ok(secret) => Check::Signed(secret.id()),
        Err(why) => Check::Unverified(why.to_string()),
    }
}

fn header<'a>(headers: &'a Headers, name: &str) -> &'a str {
    headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests;
