//! Bodies that stop half-way and connections that break off, on purpose.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};

use crate::clock::Sleep;

/// How many blanks are sent at a time; a large body takes no memory.
static BLANKS: [u8; 64 * 1024] = [b' '; 64 * 1024];

/// How many bytes a connection may still send; there is no limit at first.
#[derive(Debug, Clone)]
pub(super) struct Leash(Arc<AtomicUsize>);

/// A connection that breaks off at the end of its leash.
#[derive(Debug)]
pub(super) struct LeashedIo<I> {
    inner: I,
    leash: Leash,
}

/// The body of an answer: what comes at once, what happens then, and the rest.
pub(super) struct Body {
    head: Bytes,
    pause: Option<Pause>,
    tail: Bytes,
    blanks: u64,
}

/// What happens half-way.
enum Pause {
    /// Nothing comes for a while.
    Wait(Sleep),
    /// The connection breaks off, once what has been said so far is on its way.
    Cut { leash: Leash, flushed: bool },
}

// === impl Leash ===

impl Leash {
    /// The connection breaks off after `bytes` more.
    pub(super) fn shorten(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// How much of `wanted` may be sent.
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

impl Default for Leash {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }
}

// === impl LeashedIo ===

impl<I> LeashedIo<I> {
    pub(super) const fn new(inner: I, leash: Leash) -> Self {
        Self { inner, leash }
    }
}

impl<I: Read + Unpin> Read for LeashedIo<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: Write + Unpin> Write for LeashedIo<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let allowed = self.leash.allow(buf.len())?;
        let sent = ready!(Pin::new(&mut self.inner).poll_write(cx, buf.get(..allowed).unwrap_or(buf)))?;
        self.leash.sent(sent);
        Poll::Ready(Ok(sent))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        if self.leash.allow(wanted)? < wanted {
            let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
            return self.poll_write(cx, first);
        }
        let sent = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, bufs))?;
        self.leash.sent(sent);
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
    /// A body that comes at once.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { head: bytes.into(), pause: None, tail: Bytes::new(), blanks: 0 }
    }

    /// A body that stops half-way until `sleep` ends.
    pub(super) fn halting(bytes: impl Into<Bytes>, sleep: Sleep) -> Self {
        Self::halved(bytes.into(), Pause::Wait(sleep))
    }

    /// A body of which half comes, and then the connection breaks off.
    pub(super) fn cut(bytes: impl Into<Bytes>, leash: Leash) -> Self {
        Self::halved(bytes.into(), Pause::Cut { leash, flushed: false })
    }

    /// A body of that many blanks.
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
                // A body that has nothing to say for a moment makes the connection send what it has.
                *flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Pause::Cut { leash, .. }) => {
                leash.shorten(0);
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
