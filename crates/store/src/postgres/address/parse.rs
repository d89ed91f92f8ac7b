//! Reading a PostgreSQL URL as libpq does, in our own words where it is wrong. Never repeats a value: where a URL is torn apart
//! in the wrong place, any piece of it can be a piece of the password.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslNegotiation, TargetSessionAttrs};

use super::{Address, Authorities, Encryption, Endpoint, Host, Mode};

const PORT: u16 = 5432;
const MISPLACED: &str =
    "in the user's name and the password, the characters @ : / ? # and % have to be percent-encoded, as in %40";

/// What a URL's parameters say, as far as it is not PostgreSQL's own configuration.
#[derive(Default)]
struct Said {
    hosts: Option<String>,
    ports: Option<String>,
    mode: Option<Mode>,
    authorities: Option<Authorities>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    connect_timeout: Option<Duration>,
}

pub(super) fn address(url: &str) -> Result<Address, String> {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or("a PostgreSQL URL begins with postgres:// or postgresql://")?;
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if database.contains('@') || (parameters.contains('@') && !authority.contains('@') && !is_plain(authority)) {
        return Err(MISPLACED.into());
    }
    let mut config = usual();
    let mut said = Said::default();
    // No host has an @ in its name, so the last one ends the password, even where another should have been encoded.
    let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    if let Some(user) = user {
        credentials(user, &mut config)?;
    }
    if !database.is_empty() {
        config.dbname(decoded(database)?);
    }
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or("every parameter has the form name=value")?;
        take(name, &decoded(value)?, &mut config, &mut said)?;
    }
    Ok(Address {
        endpoints: endpoints(hosts, &said)?,
        common: config,
        connect_timeout: said.connect_timeout.unwrap_or(Duration::from_secs(3)),
        encryption: encryption(said)?,
    })
}

/// What holds where the URL says nothing: a server that vanished is noticed within seconds, and one that can only be read is
/// not ours.
fn usual() -> Config {
    let mut config = Config::new();
    config
        .application_name("oncue")
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(5))
        .keepalives_interval(Duration::from_secs(1))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(8));
    config
}

fn take(name: &str, value: &str, config: &mut Config, said: &mut Said) -> Result<(), String> {
    match name {
        "user" => drop(config.user(value)),
        "password" => drop(config.password(value)),
        "dbname" => drop(config.dbname(value)),
        "application_name" => drop(config.application_name(value)),
        "options" => drop(config.options(value)),
        "host" => said.hosts = Some(value.to_owned()),
        "port" => said.ports = Some(value.to_owned()),
        "sslmode" => said.mode = Some(mode(value)?),
        "sslrootcert" if value == "system" => said.authorities = Some(Authorities::System),
        "sslrootcert" => said.authorities = Some(Authorities::File(value.into())),
        "sslcert" => said.certificate = Some(value.into()),
        "sslkey" => said.key = Some(value.into()),
        "sslnegotiation" => drop(config.ssl_negotiation(match value {
            "postgres" => SslNegotiation::Postgres,
            "direct" => SslNegotiation::Direct,
            _ => return Err("sslnegotiation is postgres or direct".into()),
        })),
        "channel_binding" => drop(config.channel_binding(match value {
            "disable" => ChannelBinding::Disable,
            "prefer" => ChannelBinding::Prefer,
            "require" => ChannelBinding::Require,
            _ => return Err("channel_binding is disable, prefer or require".into()),
        })),
        "target_session_attrs" => drop(config.target_session_attrs(match value {
            "any" => TargetSessionAttrs::Any,
            "read-write" | "primary" => TargetSessionAttrs::ReadWrite,
            _ => return Err("target_session_attrs is read-write or any: oncue writes to its database".into()),
        })),
        "connect_timeout" => said.connect_timeout = Some(Duration::from_secs(positive(name, value)?)),
        "tcp_user_timeout" => drop(config.tcp_user_timeout(Duration::from_millis(positive(name, value)?))),
        "keepalives" => drop(config.keepalives(number::<u8>(name, value)? != 0)),
        "keepalives_idle" => drop(config.keepalives_idle(Duration::from_secs(positive(name, value)?))),
        "keepalives_interval" => drop(config.keepalives_interval(Duration::from_secs(positive(name, value)?))),
        "keepalives_count" => drop(config.keepalives_retries(number(name, value)?)),
        _ => return Err(format!("the parameter {name} is not known here")),
    }
    Ok(())
}

fn mode(value: &str) -> Result<Mode, String> {
    Ok(match value {
        "disable" => Mode::Disable,
        "prefer" => Mode::Prefer,
        "require" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        _ => return Err("sslmode is disable, prefer, require, verify-ca or verify-full".into()),
    })
}

/// libpq's rules, but that `verify-full` without a file trusts whom the system trusts, where libpq would give up.
fn encryption(said: Said) -> Result<Encryption, String> {
    let usual = if said.authorities == Some(Authorities::System) { Mode::VerifyFull } else { Mode::Prefer };
    let mode = said.mode.unwrap_or(usual);
    let authorities = match (mode, said.authorities) {
        (Mode::Disable, _) => None,
        (Mode::VerifyFull, None) => Some(Authorities::System),
        (Mode::VerifyCa, None) => {
            return Err("sslmode=verify-ca needs sslrootcert, a file with the authority's certificate".into());
        }
        (Mode::Prefer | Mode::Require | Mode::VerifyCa, Some(Authorities::System)) => {
            return Err(
                "sslrootcert=system needs sslmode=verify-full: anybody can have a certificate that the system trusts"
                    .into(),
            );
        }
        (_, authorities) => authorities,
    };
    let identity = match (said.certificate, said.key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("sslcert and sslkey go together".into()),
    };
    Ok(Encryption { mode, authorities, identity })
}

fn credentials(text: &str, config: &mut Config) -> Result<(), String> {
    let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    if !user.is_empty() {
        config.user(decoded(user)?);
    }
    if let Some(password) = password {
        config.password(percent_decode_str(password).collect::<Vec<u8>>());
    }
    Ok(())
}

fn endpoints(authority: &str, said: &Said) -> Result<Vec<Endpoint>, String> {
    let endpoints: Vec<Endpoint> = match (&said.hosts, authority.is_empty()) {
        (Some(_), false) => {
            return Err("the hosts are named twice, before the database and as the parameter host".into());
        }
        (None, true) => return Err("no host is named".into()),
        (Some(hosts), true) => hosts.split(',').map(|host| endpoint(host, None)).collect::<Result<_, _>>()?,
        (None, false) => authority.split(',').map(in_authority).collect::<Result<_, _>>()?,
    };
    let Some(ports) = &said.ports else { return Ok(endpoints) };
    if !is_plain(authority) || authority.contains(':') {
        return Err("the ports are named twice, with the hosts and as the parameter port".into());
    }
    let ports: Vec<u16> = ports.split(',').map(port).collect::<Result<_, _>>()?;
    if ports.len() != 1 && ports.len() != endpoints.len() {
        return Err("there have to be as many ports as hosts, or one for all".into());
    }
    let with_ports = endpoints.into_iter().zip(ports.iter().cycle());
    Ok(with_ports.map(|(endpoint, port)| Endpoint { port: *port, ..endpoint }).collect())
}

fn in_authority(text: &str) -> Result<Endpoint, String> {
    match text.strip_prefix('[').map(|inner| inner.split_once(']')) {
        Some(Some((host, ""))) => endpoint(host, None),
        Some(Some((host, after))) => endpoint(host, Some(after.strip_prefix(':').ok_or(MISPLACED)?)),
        Some(None) => Err("an IPv6 address stands in brackets, as in [::1]:5432".into()),
        None => match text.split_once(':') {
            Some((host, port)) => endpoint(host, Some(port)),
            None => endpoint(text, None),
        },
    }
}

fn endpoint(host: &str, port_text: Option<&str>) -> Result<Endpoint, String> {
    let host = decoded(host)?;
    let host = match host.as_str() {
        "" => return Err("a host is missing".into()),
        path if path.starts_with('/') => Host::Socket(path.into()),
        _ => Host::Name(host),
    };
    Ok(Endpoint { host, port: port_text.map_or(Ok(PORT), port)? })
}

fn port(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Ok(PORT);
    }
    let number = text.parse().ok().filter(|port| *port != 0);
    number.ok_or_else(|| format!("a port is a number from 1 to 65535; {MISPLACED}"))
}

/// Whether this can only be hosts and ports, and not the beginning of a password that was cut off.
fn is_plain(authority: &str) -> bool {
    authority.split(',').all(|text| in_authority(text).is_ok()) || authority.is_empty()
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} is a number"))
}

fn positive(name: &str, value: &str) -> Result<u64, String> {
    match number(name, value)? {
        0 => Err(format!("{name} is at least 1")),
        number => Ok(number),
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
    decoded.map_err(|_| "what is percent-encoded has to be UTF-8".into())
}
