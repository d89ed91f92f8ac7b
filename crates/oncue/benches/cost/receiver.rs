//! Where webhooks go: answers at once, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};

use crate::wire::Wire;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";

/// A receiver on a loopback port.
pub(crate) struct Receiver {
    port: u16,
    count: Arc<AtomicUsize>,
}

impl Receiver {
    /// Begins to listen, on the runtime of whoever calls.
    pub(crate) async fn start() -> std::io::Result<Receiver> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (port, count) = (listener.local_addr()?.port(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&counted)));
            }
        });
        Ok(Receiver { port, count })
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// How many have come.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Answers until the other side closes, or says what is no HTTP; what is not counted is missed.
async fn answer(stream: TcpStream, count: Arc<AtomicUsize>) {
    let Ok(mut wire) = Wire::new(stream) else { return };
    while let Ok(Some(_)) = wire.receive().await {
        count.fetch_add(1, Ordering::Relaxed);
        if wire.send(ANSWER).await.is_err() {
            return;
        }
    }
}
