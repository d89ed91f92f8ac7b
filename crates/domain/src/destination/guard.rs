//! The guard that keeps deliveries out of the inner network. Pure: names are resolved and addresses dialled elsewhere,
//! and whoever dials asks here first, for exactly the address that is about to be dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use super::webhook::without_trailing_dot;

mod allowed;

pub use allowed::Allowed;

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

/// How far deliveries may go; each reach includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The public internet only.
    Public,
    /// Also the loopback addresses: what `--open` allows.
    Loopback,
    /// Also the private ranges: what `--allow-private-destinations` allows.
    Private,
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

/// What is to be said at an address, because ports are open to one and shut to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    Web,
    Mail,
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
                self.judge_port(port, if may_be_allowed { Reach::Private } else { self.reach })
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
        self.judge_port(port, relaxed_to)
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
        let place = match needed {
            Reach::Public => unreachable!("every reach includes the public one"),
            Reach::Loopback => "on the machine that oncue runs on",
            Reach::Private => "in a private network",
        };
        let subject = self.subject();
        Err(refusal(format!("{subject} lies {place}, and deliveries there are switched off. {SWITCH}")))
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

    /// Towards the public internet only the web's ports and free ones are open, so that nobody can make us speak to a mail
    /// server or a database; inside a network that the operator opened, only what can never be HTTP is shut.
    fn judge_port(&self, port: u16, reach: Reach) -> Result<(), Refusal> {
        if self.traffic == Traffic::Mail {
            return judge_mail_port(port, reach);
        }
        if FETCH_BAD_PORTS.contains(&port) {
            return Err(refusal(format!(
                "Port {port} belongs to another protocol than HTTP (the Fetch standard's bad ports); let the receiver \
                 listen on another port."
            )));
        }
        let is_web = matches!(port, 80 | 443 | 1024..) && !SERVICE_PORTS.contains(&port);
        if reach == Reach::Public && !is_web {
            return Err(refusal(format!(
                "Deliveries go to port 80, 443 or one from 1024 that is no common internal service, not to port {port}. \
                 {SWITCH}"
            )));
        }
        Ok(())
    }
}

const SWITCH: &str = "The operator can allow it with --allow-private-destinations (ONCUE_ALLOW_PRIVATE_DESTINATIONS), or this \
     place alone with --allow-destinations (ONCUE_ALLOW_DESTINATIONS).";

/// The rule of [`Egress::judge_port`] for mail: towards the public internet only where servers take mail; inside a network that
/// the operator opened also on a free port, where a catcher for trying mail out may listen.
fn judge_mail_port(port: u16, reach: Reach) -> Result<(), Refusal> {
    let is_free = port >= 1024 && !FETCH_BAD_PORTS.contains(&port) && !SERVICE_PORTS.contains(&port);
    if MAIL_PORTS.contains(&port) || reach != Reach::Public && is_free {
        return Ok(());
    }
    Err(refusal(format!(
        "Mail goes to port 465, 587, 2525 or 25, not to port {port}; most servers take it with TLS at 465 or with STARTTLS \
         at 587."
    )))
}

/// Families are not told apart: a socket bound to `::` hears IPv4 too, and both loopbacks are the same machine.
fn is_own(own: SocketAddr, ip: IpAddr, port: u16) -> bool {
    let here = ip.is_loopback() || ip.is_unspecified();
    own.port() == port && (own.ip() == ip || here && (own.ip().is_unspecified() || own.ip().is_loopback()))
}

/// What a name says by itself: the names that RFC 6761, 6762, 8375 and ICANN's `.internal` keep inside, and those without
/// a dot.
fn reach_of_name(name: &str) -> Reach {
    let name = without_trailing_dot(name);
    let is_under = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if is_under("localhost") {
        Reach::Loopback
    } else if !name.contains('.') || ["local", "internal", "home.arpa"].into_iter().any(is_under) {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The reach an address takes, or none where no reach is enough.
fn reach_of_address(ip: IpAddr) -> Option<Reach> {
    match ip {
        IpAddr::V4(ip) => reach_of_v4(ip),
        IpAddr::V6(ip) => reach_of_v6(ip),
    }
}

fn reach_of_v4(ip: Ipv4Addr) -> Option<Reach> {
    let within = |nets: &[Ipv4Net]| nets.iter().any(|net| net.contains(&ip));
    if within(NEVER_V4) {
        None
    } else if ip.is_loopback() {
        Some(Reach::Loopback)
    } else if within(PRIVATE_V4) {
        Some(Reach::Private)
    } else {
        Some(Reach::Public)
    }
}

/// Only 2000::/3 is public, and of the rest only `::1` and fc00::/7 can be allowed. That keeps every spelling of an IPv4
/// address out in one stroke: mapped, compatible, translated (SIIT, NAT64), tunnelled (Teredo, 6to4, ISATAP).
fn reach_of_v6(ip: Ipv6Addr) -> Option<Reach> {
    let within = |nets: &[Ipv6Net]| nets.iter().any(|net| net.contains(&ip));
    if within(NEVER_V6) {
        None
    } else if ip.is_loopback() {
        Some(Reach::Loopback)
    } else if within(PRIVATE_V6) {
        Some(Reach::Private)
    } else {
        within(PUBLIC_V6).then_some(Reach::Public)
    }
}

/// Whether every address of a network is refused whatever the reach, because a range that is says so.
fn is_never(network: IpNet) -> bool {
    match network {
        IpNet::V4(net) => NEVER_V4.iter().any(|never| never.contains(&net)),
        IpNet::V6(net) => NEVER_V6.iter().any(|never| never.contains(&net)),
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(groups: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = groups;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// The IANA IPv4 special-purpose registry without what [`PRIVATE_V4`] and loopback hold, and metadata services.
const NEVER_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),
    v4(100, 100, 100, 200, 32), // Alibaba Cloud metadata, inside the shared range
    v4(168, 63, 129, 16, 32),   // Azure's WireServer, which looks like a public address
    v4(169, 254, 0, 0, 16),     // link-local; most clouds' metadata
    v4(192, 0, 0, 0, 24),       // IETF protocols; Oracle Cloud metadata
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// RFC 1918, and the shared range of RFC 6598 that mesh networks use.
const PRIVATE_V4: &[Ipv4Net] =
    &[v4(10, 0, 0, 0, 8), v4(100, 64, 0, 0, 10), v4(172, 16, 0, 0, 12), v4(192, 168, 0, 0, 16)];

/// The special ranges inside 2000::/3, and the metadata services inside fc00::/7.
const NEVER_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),           // AWS
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),       // Google Cloud
    v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128), // Oracle Cloud
    v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128),        // Scaleway
];

/// Unique local addresses (RFC 4193).
const PRIVATE_V6: &[Ipv6Net] = &[v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7)];

/// Global unicast (RFC 4291 §2.4, as allocated by IANA).
const PUBLIC_V6: &[Ipv6Net] = &[v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3)];

/// The Fetch standard, "bad port".
const FETCH_BAD_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Docker, etcd, MySQL, RDP, PostgreSQL, CouchDB, Redis, Elasticsearch, memcached, MongoDB: services that trust whoever
/// reaches them.
const SERVICE_PORTS: &[u16] = &[2375, 2379, 3306, 3389, 5432, 5984, 6379, 9200, 11211, 27017];

/// Where servers take mail: SMTP (RFC 5321), submission with TLS (RFC 8314), with STARTTLS (RFC 6409), and where providers listen
/// too because networks block the others.
const MAIL_PORTS: &[u16] = &[25, 465, 587, 2525];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Webhook;

    const REACHES: [Reach; 3] = [Reach::Public, Reach::Loopback, Reach::Private];

    fn egress(reach: Reach) -> Egress {
        Egress::new(reach, vec![])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
    }

    fn parse(text: &str) -> Result<Webhook, Refusal> {
        Webhook::parse(text, None)
    }

    fn judge_typed(reach: Reach, text: &str) -> Result<(), Refusal> {
        egress(reach).judge_url(&parse(text)?.url)
    }

    #[test]
    fn some_addresses_are_refused_whatever_the_reach() {
        let never = "0.0.0.0 0.1.2.3 100.100.100.200 168.63.129.16 169.254.0.23 169.254.169.254 169.254.170.2 169.254.170.23 \
            192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 198.18.0.1 198.19.255.255 \
            198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 \
            :: ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::8.8.8.8 \
            64:ff9b::169.254.169.254 64:ff9b:1::1 100::1 100:0:0:1::1 5f00::1 ::5efe:10.0.0.1 fe80::1 fe80::5efe:10.0.0.1 febf::1 fec0::1 \
            ff02::1 ff0e::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff::1 2001:db8::1 2002:7f00:1::1 2620:4f:8000::1 \
            3fff::1 3fff:fff::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:42::42 4000::1 1::1 fb00::1";
        for address in never.split_whitespace() {
            for reach in REACHES {
                let refused = egress(reach).judge_address(ip(address), 443);
                assert!(refused.is_err_and(|refusal| !refusal.0.contains("--")), "{address} with {reach:?}");
            }
        }
    }

    #[test]
    fn the_inner_network_takes_a_switch_and_the_refusal_names_it() {
        let loopback = ["127.0.0.1", "127.255.255.254", "::1"];
        let private = "10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 fc00::1 \
            fd12:3456::1 fdff::1";
        let rows = loopback.map(|address| (address, Reach::Loopback)).into_iter();
        for (address, needed) in rows.chain(private.split_whitespace().map(|address| (address, Reach::Private))) {
            for reach in REACHES {
                match egress(reach).judge_address(ip(address), 8080) {
                    Ok(()) => assert!(reach >= needed, "{address} with {reach:?}"),
                    Err(refusal) => {
                        assert!(reach < needed, "{address} with {reach:?}");
                        assert!(refusal.0.contains("--allow-private-destinations"), "{refusal}");
                        assert!(refusal.0.contains("ONCUE_ALLOW_PRIVATE_DESTINATIONS"), "{refusal}");
                        assert!(!refusal.0.contains(address), "{refusal}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_public_internet_is_open_up_to_the_edges_of_the_special_ranges() {
        let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 \
            169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
            223.255.255.255 2001:200::1 2606:4700:4700::1111 2a00:1450:4001::1 2620:4f:7fff::1 2003::1 3ffe::1";
        for address in public.split_whitespace() {
            for reach in REACHES {
                assert_eq!(egress(reach).judge_address(ip(address), 443), Ok(()), "{address} with {reach:?}");
            }
        }
    }

    #[test]
    fn tricky_spellings_of_inner_addresses_are_seen_through() {
        let spellings = [
            "http://0x7f.1/",
            "http://0177.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://127.0.0.1./",
            "http://１２７.０.０.１/",
            "http://127。0。0。1/",
            "http://%31%32%37.0.0.1/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[::]/",
            "http://0.0.0.0/",
            "http://0/",
            "http://localhost/",
            "http://LOCALHOST/",
            "http://localhost./",
            "http://ｌｏｃａｌｈｏｓｔ/",
            "http://a.localhost/",
            "http://a.localhost./",
            "http://printer.local/",
            "http://metadata.google.internal/",
            "http://nas.home.arpa/",
            "http://home.arpa/",
            "http://intranet/",
            "http://internal/",
            "https:\\\\127.0.0.1\\",
            "http:127.0.0.1",
            "http:///127.0.0.1",
            "http://192.168.257/",
            "http://0xa9fea9fe/",
            "http://169.254.169.254/latest/meta-data",
            "http://[fe80::1%25eth0]/",
            "http://[fe80::1%eth0]/",
            "http://127.0.0.1%25eth0/",
        ];
        for spelling in spellings {
            assert!(judge_typed(Reach::Public, spelling).is_err(), "{spelling}");
        }
        for spelling in
            ["http://0x7f.1/", "http://[::1]/", "http://localhost/", "http://a.localhost/", "http://localhost:81/"]
        {
            assert_eq!(judge_typed(Reach::Loopback, spelling), Ok(()), "{spelling}");
        }
        for spelling in
            ["http://[::ffff:127.0.0.1]/", "http://[::]/", "http://0.0.0.0/", "http://intranet/", "http://10.0.0.1/"]
        {
            assert!(judge_typed(Reach::Loopback, spelling).is_err(), "{spelling}");
        }
        for spelling in
            ["http://intranet/", "http://printer.local/", "http://nas.home.arpa:81/", "http://10.0.0.1:5432/"]
        {
            assert_eq!(judge_typed(Reach::Private, spelling), Ok(()), "{spelling}");
        }
        for name in [
            "https://mylocalhost.com/",
            "https://local.example.com/",
            "https://thelocal.se/",
            "https://xn--bcher-kva.example/",
        ] {
            assert_eq!(judge_typed(Reach::Public, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn ports_of_other_services_are_shut_towards_the_internet() {
        let at = |reach, port| egress(reach).judge_address(ip("8.8.8.8"), port);
        for port in [80, 443, 1024, 3000, 8000, 8080, 8443, 65535] {
            assert_eq!(at(Reach::Public, port), Ok(()), "{port}");
        }
        for port in [81, 444, 1023, 2375, 2379, 3306, 3389, 5432, 5984, 6379, 9200, 11211, 27017] {
            assert!(at(Reach::Public, port).is_err_and(|refusal| refusal.0.contains("--allow-private")), "{port}");
            assert!(at(Reach::Loopback, port).is_err(), "{port}: only loopback was opened");
            assert_eq!(egress(Reach::Loopback).judge_address(ip("127.0.0.1"), port), Ok(()), "{port}");
            assert_eq!(at(Reach::Private, port), Ok(()), "{port}");
        }
        for port in FETCH_BAD_PORTS {
            for reach in REACHES {
                assert!(at(reach, *port).is_err(), "{port} with {reach:?}");
            }
        }
        assert!(judge_typed(Reach::Public, "https://example.com:25/").is_err());
        assert!(judge_typed(Reach::Public, "https://example.com:5432/").is_err());
        assert!(judge_typed(Reach::Private, "https://example.com:25/").is_err());
        assert_eq!(judge_typed(Reach::Public, "https://example.com:8443/"), Ok(()));
    }

    #[test]
    fn deliveries_never_go_to_our_own_ports() {
        let own = |text: &str| Egress::new(Reach::Private, vec![text.parse().expect("a socket address")]);
        let rows: [(&str, &[&str], &[&str]); 4] = [
            (
                "0.0.0.0:8000",
                &["127.0.0.1:8000", "127.9.9.9:8000", "[::1]:8000", "0.0.0.0:8000"],
                &["127.0.0.1:8001", "10.0.0.1:8000"],
            ),
            ("[::]:8000", &["127.0.0.1:8000", "[::1]:8000"], &["[::1]:8001"]),
            ("127.0.0.1:8000", &["127.0.0.1:8000", "127.0.0.2:8000", "[::1]:8000"], &["10.0.0.1:8000", "8.8.8.8:8000"]),
            ("10.0.0.5:5432", &["10.0.0.5:5432"], &["10.0.0.6:5432", "10.0.0.5:8000", "127.0.0.1:5432"]),
        ];
        for (listens, refused, allowed) in rows {
            let judge = |address: &&str| {
                let address: SocketAddr = address.parse().expect("a socket address");
                own(listens).judge_address(address.ip(), address.port())
            };
            assert!(refused.iter().all(|address| judge(address).is_err()), "{listens}");
            assert!(allowed.iter().all(|address| judge(address).is_ok()), "{listens}");
        }
    }

    #[test]
    fn an_address_of_this_machine_counts_as_loopback() {
        let own = vec!["0.0.0.0:8000".parse().expect("a socket address")];
        let here = |port| SocketAddr::new(ip("8.8.8.8"), port);
        assert!(Egress::new(Reach::Public, own.clone()).judge_this_machine("a.example", here(443)).is_err());
        assert!(Egress::new(Reach::Private, own.clone()).judge_this_machine("a.example", here(8000)).is_err());
        assert_eq!(Egress::new(Reach::Private, own).judge_this_machine("a.example", here(8001)), Ok(()));
    }

    #[test]
    fn an_exemption_is_for_one_address_and_one_port() {
        let exempt: SocketAddr = "127.0.0.1:4711".parse().expect("a socket address");
        let guard = egress(Reach::Public).exempting(exempt);
        let typed = |text: &str| guard.judge_url(&parse(text).expect("an address").url);
        assert_eq!(typed("http://127.0.0.1:4711/hook"), Ok(()));
        assert_eq!(guard.judge_answers("a.example", &[exempt]), Ok(&[exempt][..]));
        assert_eq!(guard.judge_this_machine("a.example", exempt), Ok(()));
        for other in ["127.0.0.1:4712", "127.0.0.2:4711", "[::1]:4711", "10.0.0.1:4711"] {
            assert!(typed(&format!("http://{other}/hook")).is_err(), "{other}");
            let other: SocketAddr = other.parse().expect("a socket address");
            assert!(
                guard.judge_answers("a.example", &[exempt, other]).is_err()
                    && guard.judge_this_machine("a.example", other).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn one_refused_answer_refuses_the_whole_name() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(ip(text), 443)).collect::<Vec<_>>();
        let guard = egress(Reach::Public);
        let good = addresses(&["8.8.8.8", "2606:4700:4700::1111"]);
        assert_eq!(guard.judge_answers("a.example", &good), Ok(good.as_slice()));
        assert!(guard.judge_answers("a.example", &addresses(&["8.8.8.8", "10.0.0.1"])).is_err());
        assert!(guard.judge_answers("a.example", &addresses(&["8.8.8.8", "::ffff:8.8.8.8"])).is_err());

        let mut many = vec![SocketAddr::new(ip("8.8.8.8"), 443); 40];
        assert_eq!(guard.judge_answers("a.example", &many).map(<[SocketAddr]>::len), Ok(ANSWERS_MAX));
        many.push(SocketAddr::new(ip("127.0.0.1"), 443));
        assert!(
            guard.judge_answers("a.example", &many).is_err(),
            "an answer past the ones that are dialled counts too"
        );
    }

    #[test]
    fn mail_goes_to_the_ports_of_mail_servers_and_to_no_other_public_one() {
        let ports = |reach, address: &str| -> Vec<u16> {
            let mail = egress(reach).for_mail();
            let asked = [25, 80, 110, 443, 465, 587, 993, 1025, 2525, 3306, 5432, 6379, 8080];
            asked.into_iter().filter(|port| mail.judge_address(ip(address), *port).is_ok()).collect()
        };
        assert_eq!(ports(Reach::Public, "93.184.216.34"), [25, 465, 587, 2525]);
        assert_eq!(ports(Reach::Loopback, "93.184.216.34"), [25, 465, 587, 2525]);
        assert_eq!(ports(Reach::Loopback, "127.0.0.1"), [25, 465, 587, 1025, 2525, 8080]);
        assert_eq!(ports(Reach::Private, "10.0.0.1"), [25, 465, 587, 1025, 2525, 8080]);
        assert_eq!(ports(Reach::Public, "10.0.0.1"), [0_u16; 0]);
        for port in [25, 465, 587] {
            assert!(
                egress(Reach::Private).judge_address(ip("93.184.216.34"), port).is_err(),
                "the web stays off port {port}"
            );
        }
    }

    #[test]
    fn mail_is_kept_out_of_the_inner_network_like_everything_else() {
        let own = Egress::new(Reach::Private, vec![SocketAddr::new(ip("127.0.0.1"), 8025)]).for_mail();
        assert!(
            own.judge_address(ip("::1"), 8025)
                .is_err_and(|refusal| refusal.0.contains("The mail server is oncue's own"))
        );
        for (reach, address) in
            [(Reach::Public, "10.0.0.1"), (Reach::Loopback, "10.0.0.1"), (Reach::Private, "169.254.169.254")]
        {
            let refused = egress(reach).for_mail().judge_address(ip(address), 587);
            assert!(
                refused.is_err_and(|refusal| refusal.0.starts_with("The mail server ")),
                "{address} with {reach:?}"
            );
        }
        let public = egress(Reach::Public).for_mail();
        for name in ["localhost", "mail", "mail.local", "smtp.corp.internal."] {
            assert!(public.judge_host(&Host::Domain(name), 587).is_err(), "{name}");
        }
        assert!(public.judge_host(&Host::Domain("smtp.example.com"), 587).is_ok());
        assert!(public.judge_host(&Host::Domain("smtp.example.com"), 6379).is_err());
    }
}
