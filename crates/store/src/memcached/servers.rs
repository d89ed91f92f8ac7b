//! Which servers there are, and which of them keeps a key. Pure: nothing is looked up or dialled here.

use std::fmt;
use std::net::Ipv6Addr;

use sha2::{Digest, Sha256};

/// How many servers a cache may have.
const SERVERS_MAX: usize = 32;

/// memcached's own port, where none is named.
const PORT: u16 = 11211;

/// Where one server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Address {
    fn parse(text: &str) -> Option<Address> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                let host = host.parse::<Ipv6Addr>().ok()?.to_string();
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
                None => (text.to_ascii_lowercase(), None),
            },
        };
        let is_bare_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if host.is_empty() || !(is_bare_name || text.starts_with('[')) {
            return None;
        }
        // Not only `parse`, which takes a leading plus sign.
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None => PORT,
        };
        (port != 0).then_some(Address { host, port })
    }
}

/// The servers of a cache: at least one, and none of them twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers(Vec<Address>);

impl Servers {
    /// Reads `memcached://host:port[,host:port]`. The sentence of a refusal repeats nothing of the text, which may hold a secret.
    pub fn parse(text: &str) -> Result<Servers, String> {
        let form = "memcached://host:port, more servers after commas";
        let rest = text
            .strip_prefix("memcached://")
            .ok_or_else(|| format!("this is not a cache that oncue knows; use {form}, or leave it out."))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err("memcached is spoken to without a user and a password; leave them out.".to_owned());
        }
        if rest.contains(['/', '?', '#']) {
            return Err(format!("nothing may stand behind the servers; use {form}."));
        }
        let mut servers = Vec::new();
        for (place, part) in (1..).zip(rest.split(',')) {
            let address = Address::parse(part.trim()).ok_or_else(|| {
                format!("server number {place} is not a host and a port, such as localhost:{PORT} or [::1]:{PORT}; use {form}.")
            })?;
            if servers.contains(&address) {
                return Err(format!("server number {place} stands there twice."));
            }
            servers.push(address);
        }
        if servers.len() > SERVERS_MAX {
            return Err(format!(
                "these are {} servers; oncue spreads its cache over {SERVERS_MAX} at most.",
                servers.len()
            ));
        }
        Ok(Servers(servers))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    /// The place in the list of the server that keeps this key: the one whose hash together with the key is highest. Nodes
    /// that list the same servers agree, in whatever order they do; a server more or less moves only its own share.
    pub(super) fn place_of(&self, key: &str) -> usize {
        let score = |address: &Address| {
            let digest = Sha256::new().chain_update(address.to_string()).chain_update([0]).chain_update(key).finalize();
            <[u8; 32]>::from(digest)
        };
        let highest = self.0.iter().enumerate().max_by_key(|(_, address)| score(address));
        highest.map_or(0, |(place, _)| place)
    }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&servers.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Servers {
        Servers::parse(text).expect("it is right")
    }

    fn keeper(servers: &Servers, key: &str) -> String {
        servers.0[servers.place_of(key)].to_string()
    }

    #[test]
    fn servers_are_read_as_they_are_written() {
        assert_eq!(servers("memcached://localhost:11211").to_string(), "localhost:11211");
        assert_eq!(servers("memcached://Cache-1.example.com").to_string(), "cache-1.example.com:11211");
        assert_eq!(
            servers("memcached://10.0.0.1:1, [::1]:2,[0:0::2]/").to_string(),
            "10.0.0.1:1, [::1]:2, [::2]:11211"
        );
    }

    #[test]
    fn what_names_no_servers_is_refused_with_words_that_repeat_nothing() {
        for (text, named) in [
            ("redis://hidden:1", "memcached://"),
            ("hidden:11211", "memcached://"),
            ("memcached:hidden", "memcached://"),
            ("memcached://", "number 1"),
            ("memcached://hidden:1,", "number 2"),
            ("memcached://,hidden:1", "number 1"),
            ("memcached://hidden:0", "number 1"),
            ("memcached://hidden:65536", "number 1"),
            ("memcached://hidden:+1", "number 1"),
            ("memcached://hidden:", "number 1"),
            ("memcached://hid den:1", "number 1"),
            ("memcached://::1:11211", "number 1"),
            ("memcached://[hidden]:1", "number 1"),
            ("memcached://[::1]1", "number 1"),
            ("memcached://ann:hidden@host:1", "password"),
            ("memcached://hidden:1/0", "behind"),
            ("memcached://hidden:1?x=y", "behind"),
            ("memcached://hidden:1,other:1,HIDDEN:1", "twice"),
        ] {
            let words = Servers::parse(text).expect_err(text);
            assert!(words.contains(named), "{text}: {words}");
            assert!(!words.contains("hid"), "{text}: {words}");
        }
        let many: Vec<String> = (1..=SERVERS_MAX + 1).map(|port| format!("h:{port}")).collect();
        assert!(Servers::parse(&format!("memcached://{}", many.join(","))).is_err());
        assert!(Servers::parse(&format!("memcached://{}", many[1..].join(","))).is_ok());
    }

    #[test]
    fn every_server_gets_about_its_share_and_the_order_of_the_list_means_nothing() {
        let (one, other) = (servers("memcached://a:1,b:1,c:1"), servers("memcached://c:1,a:1,b:1"));
        let mut shares = [0; 3];
        for number in 0..3000 {
            let key = format!("oncue:statistics:1:{number}:x");
            shares[one.place_of(&key)] += 1;
            assert_eq!(keeper(&one, &key), keeper(&other, &key));
        }
        assert!(shares.iter().all(|share| (850..1150).contains(share)), "{shares:?}");
    }

    #[test]
    fn a_server_that_joins_takes_only_what_it_keeps() {
        let (before, after) = (servers("memcached://a:1,b:1"), servers("memcached://a:1,b:1,c:1"));
        for number in 0..1000 {
            let key = format!("oncue:statistics:1:{number}:x");
            let now = keeper(&after, &key);
            assert!(now == keeper(&before, &key) || now == "c:1", "{key} moved to {now}");
        }
    }

    #[test]
    fn where_a_key_lies_never_changes_between_versions() {
        let three = servers("memcached://a:1,b:1,c:1");
        let kept: String = (0..12).map(|number| keeper(&three, &format!("oncue:{number}")).remove(0)).collect();
        assert_eq!(kept, "bbabcaacabcc");
    }
}
