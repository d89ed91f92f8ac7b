//! Where an event goes, and where it may not: the destination a trigger names, the format its receiver understands, and
//! the guard that keeps deliveries out of the inner network. Pure: names are resolved and addresses dialled elsewhere,
//! and whoever dials asks here first, for exactly the address that is about to be dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// The longest address of a webhook in characters, as typed and as parsed.
pub const URL_CHARS_MAX: usize = 2048;

/// The longest host name in characters (RFC 1035 §2.3.4, without the trailing dot).
const HOST_CHARS_MAX: usize = 253;

/// The longest label of a host name in characters (RFC 1035 §2.3.4).
const LABEL_CHARS_MAX: usize = 63;

/// How many of a name's addresses may be dialled; the deadline of an exchange leaves no time for more.
pub const ANSWERS_MAX: usize = 16;

/// How a message is written down for its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A CloudEvents 1.0 envelope.
    Json,
    /// A Discord webhook message.
    Discord,
    /// A Slack incoming-webhook message.
    Slack,
}

impl Format {
    /// The word in the API, in the stores and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Discord => "discord",
            Format::Slack => "slack",
        }
    }

    /// The format of that word.
    pub fn from_word(word: &str) -> Option<Format> {
        match word {
            "json" => Some(Format::Json),
            "discord" => Some(Format::Discord),
            "slack" => Some(Format::Slack),
            _ => None,
        }
    }

    /// The format that the receiver at `url` understands, judged by its address alone; [`Format::Json`] for all that are
    /// not known.
    pub fn recognise(url: &Url) -> Format {
        match url.host_str().unwrap_or_default() {
            "discord.com"
            | "canary.discord.com"
            | "ptb.discord.com"
            | "discordapp.com"
            | "canary.discordapp.com"
            | "ptb.discordapp.com"
                if is_discord_webhook(url.path()) =>
            {
                Format::Discord
            }
            "hooks.slack.com" | "hooks.slack-gov.com" => Format::Slack,
            _ => Format::Json,
        }
    }
}

/// `/api/webhooks/…`, with or without a version as in `/api/v10/webhooks/…`.
fn is_discord_webhook(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/") else { return false };
    let unversioned = match rest.split_once('/') {
        Some((version, rest)) if is_version(version) => rest,
        _ => rest,
    };
    unversioned.strip_prefix("webhooks/").is_some_and(|hook| !hook.is_empty())
}

fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Why an address is not a destination: a sentence for the person who named it, which names no address beyond what they
/// typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// The destination a trigger carries itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The address, as parsed once by the WHATWG rules.
    pub url: Url,
    /// The format: named by the user, or recognised from the address.
    pub format: Format,
}

impl Webhook {
    /// Reads what a user typed. What comes out is what is judged, stored and dialled: nobody parses the text a second time,
    /// so no two readings of it can differ. Without `format` it is recognised from the address.
    ///
    /// Whether deliveries may go there is another question: [`Egress::judge_url`].
    ///
    /// # Errors
    /// When it is no `http` or `https` address, is longer than [`URL_CHARS_MAX`], or holds a user name or password,
    /// characters that cannot be seen, or a host that is not a plain name or address.
    pub fn parse(url: &str, format: Option<Format>) -> Result<Webhook, Refusal> {
        if url.chars().count() > URL_CHARS_MAX {
            return Err(too_long());
        }
        if url.chars().any(is_unseen) {
            return Err(refusal(
                "The webhook address holds white space or characters that cannot be seen; remove them.",
            ));
        }
        let mut url = Url::parse(url).map_err(|error| {
            refusal(format!("The webhook address cannot be read ({error}); it looks like https://example.com/path."))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refusal("The webhook address must begin with https:// or http://."));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refusal(
                "The webhook address must not hold a user name or password; put a secret into its path or query.",
            ));
        }
        url.set_fragment(None);
        settle_name(&mut url)?;
        if url.as_str().len() > URL_CHARS_MAX {
            return Err(too_long());
        }
        let format = format.unwrap_or_else(|| Format::recognise(&url));
        Ok(Webhook { url, format })
    }
}

/// Takes the trailing dot off a host name, so that one receiver has one name, and refuses names that resolvers and TLS read
/// differently.
fn settle_name(url: &mut Url) -> Result<(), Refusal> {
    let Some(host) = url.host() else {
        return Err(refusal("The webhook address names no host."));
    };
    let Host::Domain(name) = host else { return Ok(()) };
    let settled = without_trailing_dot(name).to_owned();
    if settled.len() > HOST_CHARS_MAX || !settled.split('.').all(is_label) {
        return Err(refusal(
            "The host of the webhook address is not a name: letters, digits, hyphens and single dots are expected.",
        ));
    }
    url.set_host(Some(&settled))
        .map_err(|error| refusal(format!("The host of the webhook address cannot be read ({error}).")))
}

/// Underscores are no part of a host name by the letter, but exist in the wild.
fn is_label(label: &str) -> bool {
    (1..=LABEL_CHARS_MAX).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn without_trailing_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// White space, controls, and what Unicode calls default-ignorable: two addresses that look the same must be the same.
fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn too_long() -> Refusal {
    refusal(format!("The webhook address has more than {URL_CHARS_MAX} characters."))
}

fn refusal(sentence: impl Into<String>) -> Refusal {
    Refusal(sentence.into())
}

/// Where one delivery goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The trigger's own destination.
    Webhook(Webhook),
    /// The operator's default destination, whose address users never see.
    Default,
}

impl Target {
    /// Whether the owner of the trigger named the address, and so may see what it answers.
    pub fn is_users_own(&self) -> bool {
        matches!(self, Target::Webhook(_))
    }
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
}

impl Egress {
    /// A guard of that reach. `own` lists where oncue and its database listen: an unspecified address (`0.0.0.0`, `::`) stands
    /// for every address of this machine, a loopback address for every loopback address.
    pub fn new(reach: Reach, own: Vec<SocketAddr>) -> Egress {
        Egress { reach, own, exempt: None }
    }

    /// The same guard, which lets deliveries go to exactly this address too, whatever its reach: the demonstration's own
    /// receiver is such a place.
    #[must_use]
    pub fn exempting(self, address: SocketAddr) -> Egress {
        Egress { exempt: Some(address), ..self }
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
        match host {
            Host::Ipv4(ip) => self.judge_address(ip.into(), port),
            Host::Ipv6(ip) => self.judge_address(ip.into(), port),
            Host::Domain(name) => {
                let reach = reach_of_name(name);
                self.judge_reach(reach)?;
                if reach == Reach::Loopback && self.own.iter().any(|own| own.port() == port) {
                    return Err(own_port());
                }
                // Where the name leads is not known yet; only for the public reach is every possible answer held to the
                // port rule.
                self.judge_port(port, self.reach)
            }
        }
    }

    /// Judges one address that is about to be dialled.
    ///
    /// # Errors
    /// When the address or the port is out of reach, or is oncue's own.
    pub fn judge_address(&self, ip: IpAddr, port: u16) -> Result<(), Refusal> {
        if self.exempt == Some(SocketAddr::new(ip, port)) {
            return Ok(());
        }
        let needed = reach_of_address(ip)?;
        self.judge_reach(needed)?;
        if self.own.iter().any(|own| is_own(*own, ip, port)) {
            return Err(own_port());
        }
        let relaxed_to = if self.reach == Reach::Loopback { needed } else { self.reach };
        self.judge_port(port, relaxed_to)
    }

    /// Judges an address that belongs to an interface of this machine, which only whoever dials can tell. It counts as a
    /// loopback address even when it is public, because the same services answer there.
    ///
    /// # Errors
    /// When this machine is out of reach, or the port is oncue's own.
    pub fn judge_this_machine(&self, address: SocketAddr) -> Result<(), Refusal> {
        if self.exempt == Some(address) {
            return Ok(());
        }
        self.judge_reach(Reach::Loopback)?;
        if self.own.iter().any(|own| own.ip().is_unspecified() && own.port() == address.port()) {
            return Err(own_port());
        }
        Ok(())
    }

    /// Judges everything a name resolved to. One refused answer refuses them all: a name that mixes public and inner
    /// addresses is an attempt to get in, or a mistake. What comes back may be dialled, in this order: the first
    /// [`ANSWERS_MAX`].
    ///
    /// # Errors
    /// When any answer is refused.
    pub fn judge_answers<'a>(&self, answers: &'a [SocketAddr]) -> Result<&'a [SocketAddr], Refusal> {
        for answer in answers {
            self.judge_address(answer.ip(), answer.port())?;
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
        Err(refusal(format!("The webhook address lies {place}, and deliveries there are switched off. {SWITCH}")))
    }

    /// Towards the public internet only the web's ports and free ones are open, so that nobody can make us speak to a mail
    /// server or a database; inside a network that the operator opened, only what can never be HTTP is shut.
    fn judge_port(&self, port: u16, reach: Reach) -> Result<(), Refusal> {
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

const SWITCH: &str = "The operator can allow it with --allow-private-destinations (ONCUE_ALLOW_PRIVATE_DESTINATIONS).";

fn own_port() -> Refusal {
    refusal("The webhook address is oncue's own or its database's; deliveries never go there.")
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

/// The reach an address takes, or a refusal where none is enough.
fn reach_of_address(ip: IpAddr) -> Result<Reach, Refusal> {
    let reach = match ip {
        IpAddr::V4(ip) => reach_of_v4(ip),
        IpAddr::V6(ip) => reach_of_v6(ip),
    };
    reach.ok_or_else(|| {
        refusal(
            "The webhook address is link-local, a cloud's metadata service, multicast or reserved; deliveries never go \
             there. Name a public address.",
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(Egress::new(Reach::Public, own.clone()).judge_this_machine(here(443)).is_err());
        assert!(Egress::new(Reach::Private, own.clone()).judge_this_machine(here(8000)).is_err());
        assert_eq!(Egress::new(Reach::Private, own).judge_this_machine(here(8001)), Ok(()));
    }

    #[test]
    fn an_exemption_is_for_one_address_and_one_port() {
        let exempt: SocketAddr = "127.0.0.1:4711".parse().expect("a socket address");
        let guard = egress(Reach::Public).exempting(exempt);
        let typed = |text: &str| guard.judge_url(&parse(text).expect("an address").url);
        assert_eq!(typed("http://127.0.0.1:4711/hook"), Ok(()));
        assert_eq!(guard.judge_answers(&[exempt]), Ok(&[exempt][..]));
        assert_eq!(guard.judge_this_machine(exempt), Ok(()));
        for other in ["127.0.0.1:4712", "127.0.0.2:4711", "[::1]:4711", "10.0.0.1:4711"] {
            assert!(typed(&format!("http://{other}/hook")).is_err(), "{other}");
            let other: SocketAddr = other.parse().expect("a socket address");
            assert!(
                guard.judge_answers(&[exempt, other]).is_err() && guard.judge_this_machine(other).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn one_refused_answer_refuses_the_whole_name() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(ip(text), 443)).collect::<Vec<_>>();
        let guard = egress(Reach::Public);
        let good = addresses(&["8.8.8.8", "2606:4700:4700::1111"]);
        assert_eq!(guard.judge_answers(&good), Ok(good.as_slice()));
        assert!(guard.judge_answers(&addresses(&["8.8.8.8", "10.0.0.1"])).is_err());
        assert!(guard.judge_answers(&addresses(&["8.8.8.8", "::ffff:8.8.8.8"])).is_err());

        let mut many = vec![SocketAddr::new(ip("8.8.8.8"), 443); 40];
        assert_eq!(guard.judge_answers(&many).map(<[SocketAddr]>::len), Ok(ANSWERS_MAX));
        many.push(SocketAddr::new(ip("127.0.0.1"), 443));
        assert!(guard.judge_answers(&many).is_err(), "an answer past the ones that are dialled counts too");
    }

    #[test]
    fn an_address_is_parsed_once_and_comes_out_plain() {
        let rows = [
            ("https://example.com", "https://example.com/"),
            ("HTTPS://EXAMPLE.COM:443/a?b=c#d", "https://example.com/a?b=c"),
            ("https://example.com./hook", "https://example.com/hook"),
            ("https://bücher.example/", "https://xn--bcher-kva.example/"),
            ("http://127.1:8080/x", "http://127.0.0.1:8080/x"),
            ("https://my_host.example.com/", "https://my_host.example.com/"),
        ];
        for (typed, plain) in rows {
            assert_eq!(parse(typed).map(|webhook| webhook.url.to_string()), Ok(plain.to_owned()), "{typed}");
        }
    }

    #[test]
    fn what_is_no_webhook_address_is_refused() {
        let longest = format!("https://example.com/{}", "a".repeat(URL_CHARS_MAX - "https://example.com/".len()));
        assert!(parse(&longest).is_ok());
        let label = "a".repeat(LABEL_CHARS_MAX);
        let rows = [
            format!("{longest}a"),
            format!("https://example.com/{}", "ü".repeat(1000)),
            format!("https://{label}a.example.com/"),
            format!("https://{0}.{0}.{0}.{0}.example/", label),
        ];
        let short = [
            "",
            "example.com",
            "/hook",
            "ftp://example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            "https:///",
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "https://:secret@example.com/",
            "https://example.com../",
            "https://.example.com/",
            "https://a..b/",
            "https://exa mple.com/",
            " https://example.com/",
            "https://example.com/\n",
            "https://example.com/a\tb",
            "https://exam\u{200b}ple.com/",
            "https://example.com/\u{202e}x",
            "https://exa\u{ad}mple.com/",
            "https://example.com:99999/",
            "https://[::1/",
            "https://exa!mple.com/",
            "https://a&b.com/",
        ];
        for typed in rows.iter().map(String::as_str).chain(short) {
            assert!(parse(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn a_format_is_recognised_by_the_address() {
        let rows = [
            ("https://discord.com/api/webhooks/1/token", Format::Discord),
            ("https://discordapp.com/api/webhooks/1/token", Format::Discord),
            ("https://canary.discord.com/api/v10/webhooks/1/token?wait=true", Format::Discord),
            ("https://ptb.discord.com/api/webhooks/1/token", Format::Discord),
            ("https://DISCORD.com./api/webhooks/1/token", Format::Discord),
            ("https://discord.com/api/webhooks/", Format::Json),
            ("https://discord.com/api/vx/webhooks/1/token", Format::Json),
            ("https://discord.com/channels/1", Format::Json),
            ("https://evildiscord.com/api/webhooks/1/token", Format::Json),
            ("https://discord.com.evil.example/api/webhooks/1/token", Format::Json),
            ("https://hooks.slack.com/services/T/B/x", Format::Slack),
            ("https://hooks.slack-gov.com/services/T/B/x", Format::Slack),
            ("https://slack.com/services/T/B/x", Format::Json),
            ("https://example.com/api/webhooks/1/token", Format::Json),
        ];
        for (typed, format) in rows {
            assert_eq!(parse(typed).map(|webhook| webhook.format), Ok(format), "{typed}");
        }
        let named = Webhook::parse("https://discord.com/api/webhooks/1/token", Some(Format::Json));
        assert_eq!(named.map(|webhook| webhook.format), Ok(Format::Json));
    }

    #[test]
    fn formats_and_their_words_are_one_to_one() {
        for format in [Format::Json, Format::Discord, Format::Slack] {
            assert_eq!(Format::from_word(format.word()), Some(format));
        }
        assert_eq!(Format::from_word("JSON"), None);
    }
}
