//! HTTP bodies and connections, including simulated interruptions.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::clock::Sleep;

/// Large bodies are sent in pieces of this size, which takes no memory.
static BLANKS: [u8; 64 * 1024] = [b' '; 64 * 1024];

/// Maximum size of a request body in bytes. Credentials and lists of faults are far smaller.
const MAX_REQUEST_BODY: usize = 16 * 1024;

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
pub(super) struct Closed;

/// How many bytes a connection may still send; unlimited at first.
#[derive(Debug, Clone)]
pub(super) struct WriteLimit(Arc<AtomicUsize>);

/// A connection that breaks off at its write limit.
#[derive(Debug)]
pub(super) struct LimitedIo<I> {
    inner: I,
    write_limit: WriteLimit,
}

/// A response body that may be interrupted half-way.
pub(super) struct Body {
    head: Bytes,
    pause: Option<Pause>,
    tail: Bytes,
    blanks: u64,
}

/// An interruption.
enum Pause {
    /// Sends nothing until the sleep ends.
    Wait(Sleep),
    /// Breaks off the connection once the first half is sent.
    Cut { write_limit: WriteLimit, flushed: bool },
}

/// Reads the body of a request.
pub(super) async fn read_body(body: Incoming) -> Result<Bytes, Closed> {
    let collected = Limited::new(body, MAX_REQUEST_BODY).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|_| Closed)
}

// === impl WriteLimit ===

impl WriteLimit {
    /// Breaks off the connection after `bytes` more bytes.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// How many of `wanted` bytes may be sent.
    fn allow(&self, wanted: usize) -> io::Result<usize> {
        match self.0.load(Ordering::Relaxed) {
            0 => Err(io::ErrorKind::ConnectionAborted.into()),
            left => Ok(wanted.min(left)),
        }
    }

    fn sent(&self, bytes: usize) {
        let left = self.0.load(Ordering::Relaxed);
        if left != usize::MAX {
            self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        }
    }
}

impl Default for WriteLimit {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }
}

// === impl LimitedIo ===

impl<I> LimitedIo<I> {
    pub(super) const fn new(inner: I, write_limit: WriteLimit) -> Self {
        Self { inner, write_limit }
    }
}

impl<I: Read + Unpin> Read for LimitedIo<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: Write + Unpin> Write for LimitedIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let allowed = self.write_limit.allow(buf.len())?;
        let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, buf.get(..allowed).unwrap_or(buf)))?;
        self.write_limit.sent(sent);
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        if self.write_limit.allow(wanted)? < wanted {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        let sent = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        self.write_limit.sent(sent);
        Poll::Ready(Ok(sent))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

// === impl Body ===

impl Body {
    /// A body without interruption.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { head: bytes.into(), pause: None, tail: Bytes::new(), blanks: 0 }
    }

    /// A body that pauses half-way until `sleep` ends.
    pub(super) fn halting(bytes: impl Into<Bytes>, sleep: Sleep) -> Self {
        Self::halved(bytes.into(), Pause::Wait(sleep))
    }

    /// A body whose connection breaks off half-way.
    pub(super) fn cut(bytes: impl Into<Bytes>, write_limit: WriteLimit) -> Self {
        Self::halved(bytes.into(), Pause::Cut { write_limit, flushed: false })
    }

    /// A body of `length` spaces.
    pub(super) const fn blank(length: u64) -> Self {
        Self { head: Bytes::new(), pause: None, tail: Bytes::new(), blanks: length }
    }

    fn halved(mut head: Bytes, pause: Pause) -> Self {
        let tail = head.split_off(head.len() / 2);
        Self { head, pause: Some(pause), tail, blanks: 0 }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.head.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.head)))));
        }
        match &mut self.pause {
            Some(Pause::Wait(sleep)) => {
                ready!(sleep.as_mut().poll(cx));
                self.pause = None;
            }
            Some(Pause::Cut { flushed: flushed @ false, .. }) => {
                // A pending body makes hyper flush what it has.
                *flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Pause::Cut { write_limit, .. }) => {
                write_limit.set(0);
                self.pause = None;
            }
            None => {}
        }
        if !self.tail.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.tail)))));
        }
        if self.blanks == 0 {
            return Poll::Ready(None);
        }
        let left = usize::try_from(self.blanks).unwrap_or(usize::MAX);
        let blanks = BLANKS.get(..left).unwrap_or(&BLANKS);
        self.blanks -= blanks.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(blanks)))))
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty() && self.blanks == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.head.len() + self.tail.len()) as u64 + self.blanks)
    }
}
