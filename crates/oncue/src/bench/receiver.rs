//! Where webhooks arrive: a server on the loopback address that answers 200 at once and notes what came and when. It runs
//! on a thread of its own, so that a busy load generator does not make deliveries look late. What the notes mean, and
//! whether something came twice, is judged afterwards.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;
use oncue_domain::clock::Clock;
use tokio::net::TcpListener;

use super::wire::{Message, Wire};
use crate::system::SystemClock;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// One webhook, with times in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Its `webhook-id`.
    pub(super) message: u128,
    /// The trigger that fired.
    pub(super) trigger: i64,
    /// The occurrence's nominal time; none where a call fired the trigger.
    pub(super) scheduled_at: Option<i64>,
    /// When the event was written down.
    pub(super) fired_at: i64,
    /// When the webhook was here, its body included.
    pub(super) arrived_at: i64,
}

impl Arrival {
    /// What makes a firing one firing: an occurrence has one event whatever its message is called.
    fn firing(&self) -> (i64, Option<i64>, u128) {
        (self.trigger, self.scheduled_at, if self.scheduled_at.is_some() { 0 } else { self.message })
    }
}

/// A running receiver; it ends with the program.
pub(super) struct Receiver {
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Receiver {
    /// Starts one that has room for `expected` notes without asking for memory on the way.
    pub(super) fn start(expected: usize) -> anyhow::Result<Receiver> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("The receiver cannot listen")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let arrivals = Arc::new(Mutex::new(Vec::with_capacity(expected)));
        let notes = Arc::clone(&arrivals);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("The receiver cannot be started")?;
        std::thread::Builder::new()
            .name("bench-receiver".to_owned())
            .spawn(move || runtime.block_on(listen(listener, notes)))?;
        Ok(Receiver { address, arrivals })
    }

    /// What triggers name as their `webhook_url`.
    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// How many webhooks have come.
    pub(super) fn count(&self) -> usize {
        lock(&self.arrivals).len()
    }

    /// The webhooks that came, in their order.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.arrivals).clone()
    }

    /// Waits until `count` webhooks have come, or until none has come for `patience`; that is not an error.
    pub(super) async fn wait(&self, count: usize, patience: Duration) {
        let (mut seen, mut since) = (self.count(), Instant::now());
        while seen < count && since.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = self.count();
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }
}

/// How many webhooks brought a firing that an earlier one had brought.
pub(super) fn repeats(arrivals: &[Arrival]) -> usize {
    let mut seen = HashSet::with_capacity(arrivals.len());
    arrivals.iter().filter(|arrival| !seen.insert(arrival.firing())).count()
}

/// A poisoned lock means that a thread panicked while it held plain notes.
fn lock(arrivals: &Mutex<Vec<Arrival>>) -> MutexGuard<'_, Vec<Arrival>> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(listener: std::net::TcpListener, arrivals: Arc<Mutex<Vec<Arrival>>>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return eprintln!("bench: the receiver cannot listen: {error}"),
    };
    // One line is enough to know what is wrong; what could not be read counts as lost.
    let complaint = Arc::new(Once::new());
    while let Ok((stream, _)) = listener.accept().await {
        let (arrivals, complaint) = (Arc::clone(&arrivals), Arc::clone(&complaint));
        tokio::spawn(async move {
            let outcome = match Wire::new(stream) {
                Ok(wire) => answer(wire, &arrivals).await,
                Err(error) => Err(error.into()),
            };
            // A server that is ended at the end of a scenario resets its connections.
            let is_reset = |error: &anyhow::Error| {
                error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
            };
            if let Err(error) = outcome
                && !is_reset(&error)
            {
                complaint.call_once(|| eprintln!("bench: a webhook could not be read: {error:#}"));
            }
        });
    }
}

async fn answer(mut wire: Wire, arrivals: &Mutex<Vec<Arrival>>) -> anyhow::Result<()> {
    while let Some(message) = wire.receive().await? {
        let arrived_at = SystemClock.now();
        let arrival = read(&message, arrived_at)?;
        lock(arrivals).push(arrival);
        wire.send(ANSWER).await?;
    }
    Ok(())
}

/// Picks what is needed out of an envelope; parsing all of it would cost the machine more than sending it did.
fn read(message: &Message<'_>, arrived_at: Timestamp) -> anyhow::Result<Arrival> {
    let id = message.header("webhook-id").context("a webhook without webhook-id")?;
    let id = id.rsplit_once('_').map_or(id, |(_, digits)| digits);
    let body = std::str::from_utf8(message.body)?;
    let Some((_, data)) = body.split_once("\"data\":") else { bail!("an envelope without data") };
    let trigger = after(data, "\"trigger\":{\"id\":").and_then(|rest| rest.split(',').next()).context("no trigger")?;
    let scheduled_at = after(data, "\"scheduled_at\":").context("no scheduled_at")?;
    let fired_at = after(data, "\"fired_at\":").context("no fired_at")?;
    Ok(Arrival {
        message: u128::from_str_radix(id, 16).context("a webhook-id that ends in no hexadecimal number")?,
        trigger: trigger.parse().context("a trigger's id that is no number")?,
        scheduled_at: if scheduled_at.starts_with("null") { None } else { Some(instant(scheduled_at)?) },
        fired_at: instant(fired_at)?,
        arrived_at: arrived_at.as_microsecond(),
    })
}

fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.split_once(label).map(|(_, rest)| rest)
}

/// The time in the JSON string that `text` begins with, in microseconds since 1970.
fn instant(text: &str) -> anyhow::Result<i64> {
    let quoted = text.split('"').nth(1).context("a time that is no string")?;
    Ok(quoted.parse::<Timestamp>().context("a time that cannot be read")?.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(message: u128, scheduled_at: Option<i64>) -> Arrival {
        Arrival { message, trigger: 1, scheduled_at, fired_at: 0, arrived_at: 0 }
    }

    #[test]
    fn an_envelope_tells_trigger_occurrence_and_time() {
        let head = "POST /hook HTTP/1.1\r\nwebhook-id: evt_0000000000007000800000000000000a";
        let body = br#"{"specversion":"1.0","data":{"trigger":{"id":12,"name":"x","type":"scheduled"},"firing":{"origin":"schedule","scheduled_at":"1970-01-01T00:00:01Z","fired_at":"1970-01-01T00:00:01.002Z"},"payload":{}}}"#;
        let read = read(&Message { head, body }, Timestamp::UNIX_EPOCH).expect("it is an envelope");
        assert_eq!((read.trigger, read.scheduled_at, read.fired_at), (12, Some(1_000_000), 1_002_000));
        assert_eq!(read.message, 0x7000_8000_0000_0000_000a);
        let called = std::str::from_utf8(body).expect("text").replace("\"1970-01-01T00:00:01Z\"", "null");
        let read =
            super::read(&Message { head, body: called.as_bytes() }, Timestamp::UNIX_EPOCH).expect("it is an envelope");
        assert_eq!(read.scheduled_at, None);
    }

    #[test]
    fn an_occurrence_that_comes_again_is_a_repeat_whatever_its_message_is_called() {
        assert_eq!(repeats(&[arrival(1, Some(5)), arrival(2, Some(5)), arrival(3, Some(6))]), 1);
        assert_eq!(repeats(&[arrival(1, None), arrival(2, None), arrival(2, None)]), 1);
    }
}
