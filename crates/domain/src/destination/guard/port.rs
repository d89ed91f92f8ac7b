//! Which ports are open to what is to be said there. A port says which protocol is expected, so nobody can make us speak to a service that
//! would take our words for its own; where an address lies is judged in `reach`.

use super::{Reach, Refusal, SWITCH, refusal};

/// What is to be said at an address, because ports are open to one and shut to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    Web,
    Mail,
}

/// Towards the public internet only the web's ports and free ones are open, so that nobody can make us speak to a mail
/// server or a database; inside a network that the operator opened, only what can never be HTTP is shut.
pub(super) fn judge_port(traffic: Traffic, port: u16, reach: Reach) -> Result<(), Refusal> {
    if traffic == Traffic::Mail {
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

/// The rule of [`judge_port`] for mail: towards the public internet only where servers take mail; inside a network that
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

/// The Fetch standard, "bad port".
pub(super) const FETCH_BAD_PORTS: &[u16] = &[
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
pub(super) const MAIL_PORTS: &[u16] = &[25, 465, 587, 2525];
