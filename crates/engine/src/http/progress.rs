//! How far one exchange has come: kept beside it, so that it can be told even when its time is over in the middle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use oncue_domain::outbound::Facts;
use tokio::time::Instant;

use super::line::Meter;
use super::pool::Wire;

/// Where an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// On a connection that was there before, or not yet begun.
    Ready,
    /// Waiting for a turn to look the name up.
    Turn,
    /// Name, judgement, dialling.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The request and its answer.
    Exchange,
}

/// What is known so far.
pub(crate) struct Progress {
    stage: Stage,
    since: Instant,
    /// What was dialled last.
    address: Option<SocketAddr>,
    /// Whether a proxy was asked to dial it.
    is_through_proxy: bool,
    connect: Option<Duration>,
    tls: Option<Duration>,
    /// That of the connection that the exchange is on.
    meter: Option<Arc<Meter>>,
    receive: Option<Duration>,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress {
            stage: Stage::Ready,
            since: Instant::now(),
            address: None,
            is_through_proxy: false,
            connect: None,
            tls: None,
            meter: None,
            receive: None,
        }
    }

    /// This address is dialled now.
    pub(super) fn dial(&mut self, address: SocketAddr) {
        self.address = Some(address);
    }

    /// The proxy is asked for this address now.
    pub(super) fn ask_proxy_for(&mut self, address: SocketAddr) {
        (self.address, self.is_through_proxy) = (Some(address), true);
    }

    /// The address that was dialled last.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The exchange goes over this connection.
    pub(super) fn ride(&mut self, wire: &Wire) {
        self.address = wire.address;
        self.meter = Some(Arc::clone(&wire.meter));
    }

    /// As much of the answer as will be was read.
    pub(super) fn note_end(&mut self) {
        self.receive = self.meter.as_ref().and_then(|meter| meter.receiving());
    }

    /// One stage is over, the next begins.
    pub(super) fn enter(&mut self, stage: Stage) {
        self.end();
        (self.stage, self.since) = (stage, Instant::now());
    }

    /// The stage is over, well or not.
    fn end(&mut self) {
        match self.stage {
            Stage::Connect => self.connect = Some(self.since.elapsed()),
            Stage::Tls => self.tls = Some(self.since.elapsed()),
            // What went before it was no more than reading the address.
            Stage::Turn => self.connect = None,
            Stage::Ready | Stage::Exchange => {}
        }
        self.stage = Stage::Ready;
    }

    /// Whether nobody was asked for anything yet: the exchange waits for its turn to look a name up.
    pub(crate) fn is_waiting_for_turn(&self) -> bool {
        self.stage == Stage::Turn
    }

    /// What there was no time for, in a sentence for people.
    pub(crate) fn too_late(&self, limit: Duration) -> String {
        let limit = limit.as_secs_f64();
        match self.stage {
            // It may be the fault of others, and is never the receiver's.
            Stage::Turn => {
                format!("So many names were being looked up that the receiver was not asked within {limit} s.")
            }
            Stage::Connect if self.is_through_proxy => {
                format!("The operator's egress proxy opened no connection to the receiver within {limit} s.")
            }
            Stage::Connect => format!("The receiver could not be reached within {limit} s."),
            Stage::Tls => format!("The receiver did not complete the TLS handshake within {limit} s."),
            Stage::Ready | Stage::Exchange => format!("The receiver did not answer within {limit} s."),
        }
    }

    /// All that is known at the end.
    pub(crate) fn facts(mut self) -> Facts {
        self.end();
        Facts {
            address: self.address,
            connect_us: self.connect.map(micros),
            tls_us: self.tls.map(micros),
            wait_us: self.meter.as_ref().and_then(|meter| meter.wait()).map(micros),
            receive_us: self.receive.map(micros),
        }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
