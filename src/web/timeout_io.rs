//! [`TimeoutIo`] wraps the stream of a connection and enforces the time limits on clients: for a request head, for the
//! pause between requests, and for reading a response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::connection_state::ConnectionState;
use super::limits::{FIRST_HEAD_TIMEOUT, IDLE_TIMEOUT, RESPONSE_TIMEOUT, WRITE_STALL_TIMEOUT};
use crate::metrics::HttpRejection;

/// A stream with time limits.
pub(super) struct TimeoutIo<S> {
    stream: S,
    connection: Arc<ConnectionState>,
    /// True for HTTP/2, in which received bytes need not belong to a request head.
    multiplexed: bool,
    /// Number of requests at the last wait for a head.
    seen_requests: u64,
    /// True if a part of a head was received.
    head_begun: bool,
    /// The current wait and its deadline.
    wait: Option<(Wait, Instant)>,
    /// Fires at that deadline or earlier. It is not reset for each request, which would cost more than reading the request,
    /// but when it fires.
    wait_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while nothing can be written.
    stall_timer: Option<Pin<Box<Sleep>>>,
    /// Runs from the first stall of a response to its end.
    response_timer: Option<Pin<Box<Sleep>>>,
}

/// The cause of a wait for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For the first request.
    First,
    /// For a next request, of which nothing was received.
    Next,
    /// For the rest of a head.
    Rest,
}

// === impl TimeoutIo ===

impl<S> TimeoutIo<S> {
    pub(super) fn new(stream: S, connection: Arc<ConnectionState>, multiplexed: bool) -> Self {
        Self {
            stream,
            connection,
            multiplexed,
            seen_requests: 0,
            head_begun: false,
            wait: None,
            wait_timer: None,
            stall_timer: None,
            response_timer: None,
        }
    }

    /// Fails if the awaited request is late.
    fn check_request_wait(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let (is_idle, requests) = {
            let state = self.connection.lock();
            (state.active_requests == 0 && !state.unflushed, state.requests)
        };
        if requests != self.seen_requests {
            (self.seen_requests, self.head_begun, self.wait) = (requests, false, None);
        }
        if !is_idle {
            self.wait = None;
            return Ok(());
        }
        let wait = match (requests, self.head_begun && !self.multiplexed) {
            (0, _) => Wait::First,
            (_, true) => Wait::Rest,
            (_, false) => Wait::Next,
        };
        let until = match self.wait {
            Some((current, until)) if current == wait => until,
            _ => sleep(wait.timeout()).deadline(),
        };
        self.wait = Some((wait, until));
        if !self.is_past(until, context) {
            return Ok(());
        }
        // A keep-alive connection that stays idle is closed without counting a rejection.
        Err(self.fail((wait != Wait::Next).then_some(HttpRejection::Timeout)))
    }

    /// True if `until` has passed; otherwise the task is woken then.
    fn is_past(&mut self, until: Instant, context: &mut Context<'_>) -> bool {
        let timer = self.wait_timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() == until {
                return true;
            }
            // The timer was set for an earlier request.
            timer.as_mut().reset(until);
        }
        false
    }

    /// Fails if the client reads the response too slowly.
    fn check_write_wait(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.connection.lock().blocked = true;
        let mut over = |timer: &mut Option<Pin<Box<Sleep>>>, timeout: Duration| {
            timer.get_or_insert_with(|| Box::pin(sleep(timeout))).as_mut().poll(context).is_ready()
        };
        if over(&mut self.stall_timer, WRITE_STALL_TIMEOUT) || over(&mut self.response_timer, RESPONSE_TIMEOUT) {
            self.connection.lock().discard_unsent = true;
            return Err(self.fail(Some(HttpRejection::SlowReader)));
        }
        Ok(())
    }

    fn fail(&self, rejection: Option<HttpRejection>) -> io::Error {
        self.connection.lock().rejection = rejection;
        io::ErrorKind::TimedOut.into()
    }

    fn written(&mut self, outcome: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Pending => {
                self.check_write_wait(context)?;
            }
            Poll::Ready(_) => {
                self.stall_timer = None;
                let mut state = self.connection.lock();
                (state.unflushed, state.blocked) = (true, false);
            }
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        // Checked after the read, because only then the waker is registered. Received bytes do not extend the wait.
        self.check_request_wait(context)?;
        if buffer.filled().len() > before {
            self.head_begun = true;
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.written(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        match outcome {
            Poll::Pending => self.check_write_wait(context)?,
            Poll::Ready(_) => {
                (self.stall_timer, self.response_timer) = (None, None);
                let mut state = self.connection.lock();
                (state.unflushed, state.blocked) = (false, false);
            }
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        if outcome.is_pending() {
            self.check_write_wait(context)?;
        }
        outcome
    }
}

// === impl Wait ===

impl Wait {
    const fn timeout(self) -> Duration {
        match self {
            Self::First | Self::Rest => FIRST_HEAD_TIMEOUT,
            Self::Next => IDLE_TIMEOUT,
        }
    }
}

#[cfg(test)]
mod tests;
