//! The guard that keeps deliveries out of the inner network. Pure: names are resolved and addresses dialled elsewhere,
//! and whoever dials asks here first, for exactly the address that is about to be dialled.

mod allowed;
mod port;
mod reach;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

pub use allowed::Allowed;
use port::{Traffic, judge_port};
pub use reach::Reach;
use reach::{reach_of_address, reach_of_name};

/// How a refusal ends that a switch of the operator's would lift.
const SWITCH: &str = "The operator can allow it with --allow-private-destinations (ONCUE_ALLOW_PRIVATE_DESTINATIONS), or this \
     place alone with --allow-destinations (ONCUE_ALLOW_DESTINATIONS).";

/// What there is to add where the place is the operator's own machine: what is wide does not open it ([`Allowed`]).
const EXACTLY: &str =
    " On that machine a name or an address opens what it names exactly; *.example.com and 10.0.0.0/8 do not.";

/// How many of a name's addresses may be dialled; the deadline of an exchange leaves no time for more.
pub const ANSWERS_MAX: usize = 16;

/// Why an address is not a destination: a sentence for the person who named it, which names no address beyond what they
/// typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

pub(super) fn refusal(sentence: impl Into<String>) -> Refusal {
    Refusal(sentence.into())
}

/// The guard: decides whether a delivery may go to an address.
///
/// Whatever the reach, link-local, metadata, multicast, reserved and documentation addresses stay refused, as do the ports
/// that oncue and its database listen on.
#[derive(Clone, Debug)]
pub struct Egress {
    reach: Reach,
    own: Vec<SocketAddr>,
    exempt: Option<SocketAddr>,
    allowed: Allowed,
    traffic: Traffic,
}

impl Egress {
    /// A guard of that reach. `own` lists where oncue and its database listen: an unspecified address (`0.0.0.0`, `::`) stands
    /// for every address of this machine, a loopback address for every loopback address.
    pub fn new(reach: Reach, own: Vec<SocketAddr>) -> Egress {
        Egress { reach, own, exempt: None, traffic: Traffic::Web, allowed: Allowed::default() }
    }

    /// The same guard, which lets deliveries go to these places too, whatever its reach; but not to oncue's own ports, to those of
    /// other protocols, nor where nothing ever goes.
    #[must_use]
    pub fn allowing(self, allowed: Allowed) -> Egress {
        Egress { allowed, ..self }
    }

    /// The same guard, which lets deliveries go to exactly this address too, whatever its reach: the demonstration's own
    /// receiver is such a place.
    #[must_use]
    pub fn exempting(self, address: SocketAddr) -> Egress {
        Egress { exempt: Some(address), ..self }
    }

    /// The same guard for mail: of the public internet it opens the ports at which servers take mail, and no other.
    #[must_use]
    pub fn for_mail(&self) -> Egress {
        Egress { traffic: Traffic::Mail, ..self.clone() }
    }

    /// Judges an address as it is typed, for a quick answer when a trigger is saved. A name that passes may still resolve to
    /// an address that does not: [`Egress::judge_answers`] has the last word.
    ///
    /// # Errors
    /// When a literal address, a name or a port is out of reach.
    pub fn judge_url(&self, url: &Url) -> Result<(), Refusal> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(refusal("The webhook address names no host or port."));
        };
        self.judge_host(&host, port)
    }

    /// Judges a host and a port as they are typed; otherwise like [`Egress::judge_url`].
    ///
    /// # Errors
    /// When a literal address, a name or a port is out of reach.
    pub fn judge_host(&self, host: &Host<impl AsRef<str>>, port: u16) -> Result<(), Refusal> {
        match host {
            Host::Ipv4(ip) => self.judge_address((*ip).into(), port),
            Host::Ipv6(ip) => self.judge_address((*ip).into(), port),
            Host::Domain(name) => {
                let name = name.as_ref();
                let reach = reach_of_name(name);
                let may_be_allowed = self.allowed.may_open(name, port, reach);
                if !may_be_allowed {
                    self.judge_reach(reach)?;
                }
                if reach == Reach::Loopback && self.own.iter().any(|own| own.port() == port) {
                    return Err(self.own_port());
                }
                // Where the name leads is not known yet; only for the public reach is every possible answer held to the
                // port rule.
                judge_port(self.traffic, port, if may_be_allowed { Reach::Private } else { self.reach })
            }
        }
    }

    /// Judges one address that is about to be dialled, and that no name led to.
    ///
    /// # Errors
    /// When the address or the port is out of reach, or is oncue's own.
    pub fn judge_address(&self, ip: IpAddr, port: u16) -> Result<(), Refusal> {
        self.judge_address_of("", ip, port)
    }

    fn judge_address_of(&self, name: &str, ip: IpAddr, port: u16) -> Result<(), Refusal> {
        if self.exempt == Some(SocketAddr::new(ip, port)) {
            return Ok(());
        }
        let needed = reach_of_address(ip).ok_or_else(|| self.never())?;
        let is_allowed = self.allowed.opens(name, ip, port, ip.is_loopback());
        if !is_allowed {
            self.judge_reach(needed)?;
        }
        if self.own.iter().any(|own| is_own(*own, ip, port)) {
            return Err(self.own_port());
        }
        let relaxed_to = match self.reach {
            _ if is_allowed => Reach::Private,
            Reach::Loopback => needed,
            reach => reach,
        };
        judge_port(self.traffic, port, relaxed_to)
    }

    /// Judges an address of `name` that belongs to an interface of this machine, which only whoever dials can tell. It counts
    /// as a loopback address even when it is public, because the same services answer there.
    ///
    /// # Errors
    /// When this machine is out of reach, or the port is oncue's own.
    pub fn judge_this_machine(&self, name: &str, address: SocketAddr) -> Result<(), Refusal> {
        if self.exempt == Some(address) {
            return Ok(());
        }
        if !self.allowed.opens(name, address.ip(), address.port(), true) {
            self.judge_reach(Reach::Loopback)?;
        }
        if self.own.iter().any(|own| own.ip().is_unspecified() && own.port() == address.port()) {
            return Err(self.own_port());
        }
        Ok(())
    }

    /// Judges everything that `name`, the host of the address, resolved to. One refused answer refuses them all: a name that mixes public and inner
    /// addresses is an attempt to get in, or a mistake. What comes back may be dialled, in this order: the first
    /// [`ANSWERS_MAX`].
    ///
    /// # Errors
    /// When any answer is refused.
    pub fn judge_answers<'a>(&self, name: &str, answers: &'a [SocketAddr]) -> Result<&'a [SocketAddr], Refusal> {
        for answer in answers {
            self.judge_address_of(name, answer.ip(), answer.port())?;
        }
        Ok(&answers[..answers.len().min(ANSWERS_MAX)])
    }

    fn judge_reach(&self, needed: Reach) -> Result<(), Refusal> {
        if needed <= self.reach {
            return Ok(());
        }
        let (place, exactly) = match needed {
            Reach::Public => unreachable!("every reach includes the public one"),
            Reach::Loopback => ("on the machine that oncue runs on", EXACTLY),
            Reach::Private => ("in a private network", ""),
        };
        let subject = self.subject();
        Err(refusal(format!("{subject} lies {place}, and deliveries there are switched off. {SWITCH}{exactly}")))
    }

    /// How the words begin.
    fn subject(&self) -> &'static str {
        match self.traffic {
            Traffic::Web => "The webhook address",
            Traffic::Mail => "The mail server",
        }
    }

    fn own_port(&self) -> Refusal {
        refusal(format!("{} is oncue's own or its database's; deliveries never go there.", self.subject()))
    }

    fn never(&self) -> Refusal {
        refusal(format!(
            "{} is link-local, a cloud's metadata service, multicast or reserved; deliveries never go there. Name a \
             public address.",
            self.subject()
        ))
    }
}

/// Families are not told apart: a socket bound to `::` hears IPv4 too, and both loopbacks are the same machine.
fn is_own(own: SocketAddr, ip: IpAddr, port: u16) -> bool {
    let here = ip.is_loopback() || ip.is_unspecified();
    own.port() == port && (own.ip() == ip || here && (own.ip().is_unspecified() || own.ip().is_loopback()))
}
