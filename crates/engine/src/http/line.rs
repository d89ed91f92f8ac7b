//! What is measured on a connection while it carries an exchange: how much the receiver has sent, and when. The bytes are counted
//! beneath TLS, where nothing is free; the times are taken above it, where what passes is the exchange's own.

use std::fmt;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How many bytes a receiver may send for one exchange, or for one handshake: several times what is read of an answer, and an end to
/// answers that are mostly packaging (interim answers, chunks of one byte, empty records).
pub(super) const RECEIVED_BYTES_MAX: usize = 256 * 1024;

/// The receiver sent more than [`RECEIVED_BYTES_MAX`].
#[derive(Debug)]
pub(crate) struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} KiB were received", RECEIVED_BYTES_MAX / 1024)
    }
}

impl std::error::Error for TooMuch {}

/// Measures one exchange after another on the same connection.
pub(super) struct Meter {
    made: Instant,
    received: AtomicUsize,
    /// In microseconds since it was made; zero before anything was written.
    sent: AtomicU64,
    /// The same for what was read.
    answered: AtomicU64,
    /// Whether the connection has waited since the exchange before, and nobody has looked yet whether it is still open.
    has_waited: AtomicBool,
}

impl Meter {
    pub(super) fn new() -> Meter {
        Meter {
            made: Instant::now(),
            received: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            has_waited: AtomicBool::new(false),
        }
    }

    /// The next exchange begins.
    pub(super) fn begin(&self) {
        self.received.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        self.answered.store(0, Ordering::Relaxed);
    }

    /// The connection has waited for the exchange that begins next.
    pub(super) fn note_waited(&self) {
        self.has_waited.store(true, Ordering::Relaxed);
    }

    /// Whether anything of the exchange was written: then the receiver may have read it.
    pub(super) fn has_sent(&self) -> bool {
        self.read(&self.sent).is_some()
    }

    /// From the last byte sent before the answer to the answer's first byte; until now where there is none yet. None where nothing was
    /// sent.
    pub(super) fn wait(&self) -> Option<Duration> {
        let sent = self.read(&self.sent)?;
        Some(self.read(&self.answered).unwrap_or_else(|| self.made.elapsed()).saturating_sub(sent))
    }

    /// From the answer's first byte until now; none where there is none.
    pub(super) fn receiving(&self) -> Option<Duration> {
        Some(self.made.elapsed().saturating_sub(self.read(&self.answered)?))
    }

    fn note_written(&self) {
        if self.read(&self.answered).is_none() {
            self.write(&self.sent);
        }
    }

    fn note_read(&self) {
        // What comes before anything was sent is no answer.
        if self.read(&self.answered).is_none() && self.read(&self.sent).is_some() {
            self.write(&self.answered);
        }
    }

    fn count(&self, bytes: usize) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_used_up(&self) -> bool {
        self.received.load(Ordering::Relaxed) > RECEIVED_BYTES_MAX
    }

    fn read(&self, at: &AtomicU64) -> Option<Duration> {
        Some(at.load(Ordering::Relaxed)).filter(|micros| *micros > 0).map(Duration::from_micros)
    }

    fn write(&self, at: &AtomicU64) {
        at.store(u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }
}

/// A connection whose bytes are counted.
pub(crate) struct Counted {
    pub(super) tcp: TcpStream,
    pub(super) meter: Arc<Meter>,
}

impl Counted {
    /// Before the first byte of an exchange on a connection that has waited: whether the receiver has left nothing there and is still
    /// there. Asks the system itself, because what the runtime knows of a connection may be some time old.
    fn look(&self) -> io::Result<()> {
        if !self.meter.has_waited.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        match SockRef::from(&self.tcp).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Ok(_) | Err(_) => Err(ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.meter.is_used_up() {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.meter.count(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.look()?;
        Pin::new(&mut self.tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.look()?;
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// Reads and writes, plain or through TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection, as HTTP sees it.
pub(super) struct Line {
    pub(super) stream: Box<dyn Stream>,
    pub(super) meter: Arc<Meter>,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.meter.note_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.meter.note_written();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.meter.note_written();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
