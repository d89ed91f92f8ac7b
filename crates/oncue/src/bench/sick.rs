//! Receivers that are not well: one that takes long for every answer, one that never gives any, one that nobody listens for. They
//! note nothing; who is watched are the others.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};

use super::wire::Wire;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// How a receiver is.
#[derive(Clone, Copy)]
pub(super) enum Sickness {
    /// Every answer takes so long.
    Slow(Duration),
    /// It takes requests and answers none.
    Dead,
    /// Nobody listens there any more.
    Gone,
}

/// Starts one, and gives what destinations name as their address; it ends with the program.
pub(super) fn start(sickness: Sickness) -> anyhow::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("A receiver cannot listen")?;
    listener.set_nonblocking(true)?;
    let address: SocketAddr = listener.local_addr()?;
    let pause = match sickness {
        Sickness::Slow(pause) => pause,
        Sickness::Dead => Duration::MAX,
        Sickness::Gone => return Ok(format!("http://{address}/hook")),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("A receiver cannot be started")?;
    std::thread::Builder::new()
        .name("bench-sick".to_owned())
        .spawn(move || runtime.block_on(listen(listener, pause)))?;
    Ok(format!("http://{address}/hook"))
}

async fn listen(listener: std::net::TcpListener, pause: Duration) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return eprintln!("bench: a receiver cannot listen: {error}"),
    };
    while let Ok((stream, _)) = listener.accept().await {
        // Whoever gives up waiting breaks the connection, which is as it should be.
        tokio::spawn(async move { answer(stream, pause).await.ok() });
    }
}

async fn answer(stream: TcpStream, pause: Duration) -> anyhow::Result<()> {
    let mut wire = Wire::new(stream)?;
    while wire.receive().await?.is_some() {
        tokio::time::sleep(pause).await;
        wire.send(ANSWER).await?;
    }
    Ok(())
}
