//! How far away an address lies: which networks are public, which private, and to which nothing ever goes. Tables from the registries and
//! the few functions that look into them; what follows from it is the guard's to say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::destination::webhook::without_trailing_dot;

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

/// What a name says by itself: the names that RFC 6761, 6762, 8375 and ICANN's `.internal` keep inside, and those without
/// a dot.
pub(super) fn reach_of_name(name: &str) -> Reach {
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
pub(super) fn reach_of_address(ip: IpAddr) -> Option<Reach> {
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
pub(super) fn is_never(network: IpNet) -> bool {
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
pub(super) const PRIVATE_V6: &[Ipv6Net] = &[v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7)];

/// Global unicast (RFC 4291 §2.4, as allocated by IANA).
pub(super) const PUBLIC_V6: &[Ipv6Net] = &[v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3)];
