//! `oncue healthcheck`: whether a running server is ready, for containers that have no other program to ask with.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::cli::ServeFlags;
use crate::config::{Config, Environment};

/// How long the server may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// Asks `/readyz` of the server with this configuration.
pub(crate) fn run(flags: &ServeFlags, environment: &Environment) -> anyhow::Result<()> {
    let listen = Config::read_beside(flags, environment)?.listen;
    // A server that listens everywhere also listens here.
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], listen.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], listen.port())),
        _ => listen,
    };
    let mut stream =
        TcpStream::connect_timeout(&address, DEADLINE).with_context(|| format!("nothing answers on {address}"))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer).with_context(|| format!("{address} did not answer in time"))?;
    if answer.starts_with("HTTP/1.1 200 ") {
        println!("ready");
        return Ok(());
    }
    bail!("{address} is not ready: {}", answer.lines().next().unwrap_or("it said nothing"));
}
