//! The operator's list of places that deliveries may go to although the reach does not: read once at the start, asked by the
//! guard for every address. It opens places, never kinds: what is refused whatever the reach stays refused here too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::Host;

use super::port::{FETCH_BAD_PORTS, MAIL_PORTS};
use super::reach::{PRIVATE_V6, PUBLIC_V6, Reach, is_never};
use crate::destination::webhook::{HOST_CHARS_MAX, is_label, without_trailing_dot};

/// How many places a list may hold: it is walked for every address.
const PLACES_MAX: usize = 256;

/// Where deliveries may go although the reach does not.
///
/// What names one thing exactly (a host, an address, a network of loopback addresses) opens it wherever it lies. What is wide (a
/// network, every name under a domain) does not open the machine that oncue runs on: nobody means it who writes `10.0.0.0/8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    what: What,
    /// The only port that is open there; without one all are.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// Whatever this name resolves to, when it is dialled by this name.
    Host(String),
    /// The same for every name that ends in a dot and this, not for this name itself.
    Under(String),
    Network(IpNet),
}

impl Allowed {
    /// Reads `hooks.internal, *.corp.example:8443, 10.1.0.0/16, [fd00::1]:8080`: hosts and addresses, each with or without a port,
    /// and networks.
    ///
    /// # Errors
    /// When an entry is none of these, or could never open anything: a sentence that names it.
    pub fn parse(text: &str) -> Result<Allowed, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let places: Vec<Place> = entries
            .map(|entry| Place::parse(entry).map_err(|why| format!("\"{entry}\" {why}")))
            .collect::<Result<_, _>>()?;
        if places.len() > PLACES_MAX {
            return Err(format!("these are {} places; there may be {PLACES_MAX}.", places.len()));
        }
        Ok(Allowed(places))
    }

    /// Whether an address is open when it is dialled by this name. `here` says that it belongs to this machine.
    pub(super) fn opens(&self, name: &str, ip: IpAddr, port: u16, here: bool) -> bool {
        self.at(port).any(|place| match &place.what {
            What::Host(host) => without_trailing_dot(name) == host,
            What::Under(domain) => !here && is_below(without_trailing_dot(name), domain),
            What::Network(net) => net.contains(&ip) && (!here || is_exact(net)),
        })
    }

    /// Whether a name may be looked up although it looks as if it led inside: it is named here, or may lead to what is. Where
    /// it does lead is judged by its answers.
    pub(super) fn may_open(&self, name: &str, port: u16, reach: Reach) -> bool {
        self.at(port).any(|place| match &place.what {
            What::Host(host) => without_trailing_dot(name) == host,
            What::Under(domain) => reach != Reach::Loopback && is_below(without_trailing_dot(name), domain),
            What::Network(net) => reach != Reach::Loopback || is_loopback(net),
        })
    }

    fn at(&self, port: u16) -> impl Iterator<Item = &Place> {
        self.0.iter().filter(move |place| place.port.is_none_or(|open| open == port))
    }
}

impl Place {
    fn parse(entry: &str) -> Result<Place, String> {
        if entry.contains('/') {
            return Ok(Place { what: What::Network(parse_network(entry)?), port: None });
        }
        let (host, port) = split_port(entry)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let what = match bare.parse::<IpAddr>() {
            Ok(ip) => What::Network(reachable(IpNet::from(ip))?),
            Err(_) => parse_name(host)?,
        };
        Ok(Place { what, port })
    }
}

fn parse_network(entry: &str) -> Result<IpNet, String> {
    let network: IpNet = entry.parse().map_err(|_| "is not a network such as 10.1.0.0/16.".to_owned())?;
    if network.addr() != network.network() {
        return Err(format!("is no network but an address inside one; did you mean {}?", network.trunc()));
    }
    reachable(network)
}

/// A network of which nothing can ever be opened is a mistake that its writer should hear of.
fn reachable(network: IpNet) -> Result<IpNet, String> {
    let never = match network {
        IpNet::V4(net) => is_never(net.into()),
        IpNet::V6(net) => {
            let meets = |other: &Ipv6Net| other.contains(&net) || net.contains(other);
            let loopback = net.contains(&Ipv6Addr::LOCALHOST);
            is_never(net.into()) || !loopback && !PUBLIC_V6.iter().chain(PRIVATE_V6).any(meets)
        }
    };
    if never {
        return Err(
            "is link-local, a metadata service or otherwise never a receiver; deliveries never go there.".to_owned()
        );
    }
    Ok(network)
}

fn split_port(entry: &str) -> Result<(&str, Option<u16>), String> {
    let is_bare_v6 = !entry.starts_with('[') && entry.matches(':').count() > 1;
    let after_host = if entry.starts_with('[') { entry.rfind("]:").map(|end| end + 1) } else { entry.rfind(':') };
    let Some(colon) = after_host.filter(|_| !is_bare_v6) else { return Ok((entry, None)) };
    let digits = &entry[colon + 1..];
    let port = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u16>().ok()).flatten();
    match port {
        Some(port) if FETCH_BAD_PORTS.contains(&port) && !MAIL_PORTS.contains(&port) => {
            Err(format!("has port {port}, which belongs to another protocol; deliveries never go there."))
        }
        Some(port) => Ok((&entry[..colon], Some(port))),
        None => Err("has no port from 1 to 65535 after its colon.".to_owned()),
    }
}

fn parse_name(text: &str) -> Result<What, String> {
    let (text, is_under) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
    let wrong = || {
        "is not a host such as hooks.internal or *.corp.example, an address, or a network such as 10.1.0.0/16."
            .to_owned()
    };
    match Host::parse(text) {
        Ok(Host::Domain(name)) => {
            let name = without_trailing_dot(&name).to_owned();
            if name.len() > HOST_CHARS_MAX || !name.split('.').all(is_label) {
                return Err(wrong());
            }
            Ok(if is_under { What::Under(name) } else { What::Host(name) })
        }
        Ok(Host::Ipv4(ip)) if !is_under => Err(format!("is another spelling of {ip}; write it so.")),
        _ => Err(wrong()),
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Whether whoever wrote this network meant each of its addresses: a single one, or loopback addresses.
fn is_exact(network: &IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len() || is_loopback(network)
}

fn is_loopback(network: &IpNet) -> bool {
    const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    match network {
        IpNet::V4(net) => LOOPBACK.contains(net),
        IpNet::V6(net) => net.prefix_len() == 128 && net.addr().is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::destination::guard::reach_of_address;
    use crate::destination::{Egress, Webhook};

    /// Names and the addresses they lead to.
    type Dialled = &'static [(&'static str, &'static str)];

    fn guard(list: &str) -> Egress {
        let own =
            vec!["0.0.0.0:8000".parse().expect("a socket address"), "10.1.0.9:5432".parse().expect("a socket address")];
        Egress::new(Reach::Public, own).allowing(Allowed::parse(list).expect("a list"))
    }

    fn goes(guard: &Egress, name: &str, address: &str) -> bool {
        let address: SocketAddr = address.parse().expect("a socket address");
        guard.judge_answers(name, &[address]).is_ok()
    }

    #[test]
    fn a_list_opens_what_it_names_and_nothing_beside_it() {
        let rows: &[(&str, Dialled, Dialled)] = &[
            (
                "10.1.0.0/16",
                &[("a.example.com", "10.1.0.1:80"), ("10.1.255.255", "10.1.255.255:5432"), ("db", "10.1.2.3:81")],
                &[
                    ("a.example.com", "10.2.0.1:80"),
                    ("x", "127.0.0.1:80"),
                    ("10.1.0.9", "10.1.0.9:5432"),
                    ("x", "10.1.0.1:25"),
                ],
            ),
            (
                "hooks.internal",
                &[
                    ("hooks.internal", "10.9.9.9:80"),
                    ("hooks.internal", "127.0.0.1:90"),
                    ("hooks.internal", "[fd00::1]:8080"),
                ],
                &[("other.internal", "10.9.9.9:80"), ("a.hooks.internal", "10.9.9.9:80"), ("10.9.9.9", "10.9.9.9:80")],
            ),
            (
                "*.corp.example:8443",
                &[("a.corp.example", "10.9.9.9:8443"), ("a.b.corp.example", "192.168.0.1:8443")],
                &[
                    ("corp.example", "10.9.9.9:8443"),
                    ("evilcorp.example", "10.9.9.9:8443"),
                    ("a.corp.example", "10.9.9.9:8080"),
                    ("a.corp.example", "127.0.0.1:8443"),
                ],
            ),
            (
                "127.0.0.1:9000",
                &[("127.0.0.1", "127.0.0.1:9000"), ("x.example", "127.0.0.1:9000")],
                &[("127.0.0.1", "127.0.0.1:9001")],
            ),
            ("127.0.0.0/8", &[("127.3.2.1", "127.3.2.1:80")], &[("127.0.0.1", "127.0.0.1:8000")]),
            (
                "0.0.0.0/0",
                &[("x", "10.0.0.1:80")],
                &[("x", "127.0.0.1:80"), ("x", "169.254.169.254:80"), ("x", "100.100.100.200:80")],
            ),
            (
                "::/0",
                &[("x", "[fd00::1]:80")],
                &[("x", "[::1]:80"), ("x", "[fe80::1]:80"), ("x", "[fd00:ec2::254]:80"), ("x", "[::ffff:10.0.0.1]:80")],
            ),
            (
                "[fd00::1]:8080, ::1",
                &[("x", "[fd00::1]:8080"), ("x", "[::1]:80")],
                &[("x", "[fd00::1]:80"), ("x", "[fd00::2]:8080")],
            ),
            (
                "example.com:81",
                &[("example.com", "8.8.8.8:81"), ("example.com", "8.8.8.8:443")],
                &[("example.com", "8.8.8.8:82"), ("other.com", "8.8.8.8:81")],
            ),
        ];
        for (list, open, shut) in rows {
            let guard = guard(list);
            for (name, address) in *open {
                assert!(goes(&guard, name, address), "{list}: {address} by {name}");
            }
            for (name, address) in *shut {
                assert!(!goes(&guard, name, address), "{list}: {address} by {name}");
            }
        }
    }

    #[test]
    fn what_is_refused_whatever_the_reach_is_not_opened_by_any_list() {
        let guard = guard("0.0.0.0/0, ::/0, metadata.google.internal, *.internal, rebind.example");
        for address in [
            "169.254.169.254:80",
            "100.100.100.200:80",
            "168.63.129.16:80",
            "192.0.0.192:80",
            "224.0.0.1:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[::ffff:169.254.169.254]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "10.1.0.9:5432",
            "127.0.0.1:8000",
        ] {
            for name in ["metadata.google.internal", "a.internal", "rebind.example", "example.com"] {
                assert!(!goes(&guard, name, address), "{address} by {name}");
            }
        }
    }

    #[test]
    fn a_wide_entry_does_not_open_this_machine() {
        let here: SocketAddr = "10.1.0.5:9000".parse().expect("a socket address");
        for (list, name, is_open) in [
            ("10.1.0.0/16", "10.1.0.5", false),
            ("*.corp.example", "a.corp.example", false),
            ("10.1.0.5", "a.example", true),
            ("hooks.corp.example", "hooks.corp.example", true),
            ("hooks.corp.example", "other.corp.example", false),
        ] {
            assert_eq!(guard(list).judge_this_machine(name, here).is_ok(), is_open, "{list}: {name}");
        }
        let loopback = ["127.0.0.1:9000".parse().expect("a socket address")];
        let refused = guard("*.corp.example").judge_answers("a.corp.example", &loopback).expect_err("it is wide");
        assert!(refused.0.contains("exactly"), "it says what would open it: {}", refused.0);
        let own: SocketAddr = "10.1.0.5:8000".parse().expect("a socket address");
        assert!(guard("10.1.0.5").judge_this_machine("10.1.0.5", own).is_err(), "oncue's own port");
    }

    #[test]
    fn a_name_is_let_through_at_typing_where_it_may_lead_to_what_is_open() {
        let rows = [
            ("hooks.internal", "http://hooks.internal/", true),
            ("hooks.internal", "http://HOOKS.internal.:5432/", true),
            ("hooks.internal", "http://hooks.internal:25/", false),
            ("hooks.internal", "http://other.internal/", false),
            ("hooks.internal:81", "http://hooks.internal/", false),
            ("*.corp", "http://a.corp:81/", true),
            ("*.corp", "http://corp/", false),
            ("bücher.internal", "http://bücher.internal/", true),
            ("10.1.0.0/16", "http://hooks.internal/", true),
            ("10.1.0.0/16", "http://10.1.2.3:81/", true),
            ("10.1.0.0/16", "http://10.2.0.1/", false),
            ("10.1.0.0/16", "http://localhost:8000/", false),
            ("localhost", "http://localhost:8000/", false),
            ("localhost", "http://localhost:9000/", true),
            ("10.1.0.0/16", "http://localhost:9000/", false),
            ("127.0.0.1", "http://localhost:9000/", true),
        ];
        for (list, url, is_open) in rows {
            let url = Webhook::parse(url, None).expect("an address").url;
            assert_eq!(guard(list).judge_url(&url).is_ok(), is_open, "{list}: {url}");
        }
    }

    #[test]
    fn a_port_of_mail_servers_opens_for_mail_alone() {
        let guard = guard("mail.internal:25");
        let server: SocketAddr = "10.9.9.9:25".parse().expect("a socket address");
        let host = Host::Domain("mail.internal");
        assert!(guard.for_mail().judge_answers("mail.internal", &[server]).is_ok());
        assert!(guard.for_mail().judge_host(&host, 25).is_ok() && guard.for_mail().judge_host(&host, 587).is_err());
        assert!(guard.judge_answers("mail.internal", &[server]).is_err() && guard.judge_host(&host, 25).is_err());
    }

    #[test]
    fn an_entry_that_cannot_be_meant_is_refused_and_named() {
        for entry in [
            "*",
            "*.",
            "a.*.b",
            "*a.b",
            "a b",
            "http://a",
            "a/b",
            "user@a",
            "10.1.2.3/16",
            "10.0.0.0/33",
            "10.0.0.0/8:80",
            "a:0",
            "a:x",
            "a:",
            "a:65536",
            "a:22",
            "0x7f.1",
            "127.1",
            "2130706433",
            "[fd00::1",
            "[fd00::1]x",
            "fe80::/10",
            "fe80::1",
            "169.254.0.0/16",
            "169.254.169.254",
            "169.254.169.254:80",
            "100.100.100.200",
            "::ffff:10.0.0.1",
            "::ffff:0:0/96",
            "64:ff9b::/96",
            "224.0.0.0/4",
            "0.0.0.0",
            "::",
            "fd00:ec2::254",
            "a..b",
            "-.!",
        ] {
            let wrong = Allowed::parse(&format!("fine.example, {entry}")).expect_err(entry);
            assert!(wrong.contains(&format!("\"{entry}\"")), "{wrong}");
            assert!(!wrong.contains("fine.example"), "{wrong}");
        }
        assert!(Allowed::parse("10.1.2.3/16").expect_err("no network").contains("10.1.0.0/16"));
        assert_eq!(Allowed::parse(" , "), Ok(Allowed::default()));
        assert!(Allowed::parse(&"a.example,".repeat(PLACES_MAX + 1)).is_err());
    }

    #[test]
    fn reading_any_text_ends_in_a_list_or_in_words() {
        use proptest::prelude::*;
        proptest!(|(text in "[a-z0-9.:*/\\[\\]%@ ,-]{0,40}")| {
            if let Ok(list) = Allowed::parse(&text) {
                for place in &list.0 {
                    if let What::Network(net) = &place.what {
                        prop_assert!(net.prefix_len() < net.max_prefix_len() || reach_of_address(net.addr()).is_some());
                    }
                }
            }
        });
    }
}
