//! What a connection is busy with, and what becomes of one that keeps others waiting.
//!
//! [`Guarded`] stands between hyper and the socket (or TLS). It ends a connection whose request's head, or whose next
//! request, does not come in time, and one that does not take its answer. [`Activity`] is what is known of a connection
//! from outside of it, by which the listener chooses whom to turn away when all places are taken.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::Chunks;
use super::limits::{ANSWER_TIMEOUT, FIRST_HEAD_TIMEOUT, IDLE_TIMEOUT, WRITE_STALL_TIMEOUT};
use crate::metrics::HttpRejection;

/// What is known of a connection from outside of it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Told when the connection has to make room.
    shed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Requests whose answer is not yet written.
    in_flight: usize,
    /// Requests that came in full.
    requests: u64,
    /// Whether bytes are written that are not out yet.
    unflushed: bool,
    /// Whether the client does not take what is written.
    blocked: bool,
    /// Why it was ended, if by us.
    cut: Option<HttpRejection>,
    /// Whether what is written and not out yet goes nowhere any more.
    abandoned: bool,
}

/// How readily a connection is given up for a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// No request ever came.
    Mute,
    /// It waits for the next request.
    Idle,
    /// It does not take its answer.
    Blocked,
    /// It is being answered.
    Busy,
}

/// A request under way, up to the end of its answer's body.
#[derive(Debug)]
pub(super) struct Flight(Arc<Activity>);

/// A body that keeps its request under way.
#[derive(Debug)]
pub(super) struct Tracked {
    body: Chunks,
    _flight: Flight,
}

/// A stream that does not wait for ever.
pub(super) struct Guarded<S> {
    stream: S,
    activity: Arc<Activity>,
    /// In HTTP/2 a client also sends what is no request, so that what comes does not begin a head.
    multiplexed: bool,
    /// How many requests had come when a head was last waited for.
    seen: u64,
    /// Whether a part of a head has come.
    begun: bool,
    /// What is waited for, and until when.
    patience: Option<(Awaited, Instant)>,
    /// Goes off no later than that. It stays as it is while requests come and is set anew when it goes off, once in a few
    /// thousand scrapes, as setting it for each would cost more than the reading of the request.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Runs while nothing can be written.
    stall: Option<Pin<Box<Sleep>>>,
    /// Runs until everything is out, once something had to wait.
    answer: Option<Pin<Box<Sleep>>>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The first request, whole.
    First,
    /// A next request, of which nothing has come.
    Next,
    /// The rest of a head.
    Rest,
}

// === impl Activity ===

impl Activity {
    /// How readily it may be given up.
    pub(super) fn worth(&self) -> Worth {
        let state = self.state();
        match *state {
            State { blocked: true, .. } => Worth::Blocked,
            State { in_flight: 0, unflushed: false, requests: 0, .. } => Worth::Mute,
            State { in_flight: 0, unflushed: false, .. } => Worth::Idle,
            _ => Worth::Busy,
        }
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Flight {
        let mut state = self.state();
        state.in_flight += 1;
        state.requests += 1;
        Flight(Arc::clone(self))
    }

    /// Why it was ended, if by us.
    pub(super) fn cut(&self) -> Option<HttpRejection> {
        self.state().cut
    }

    /// Has the connection make room.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        state.abandoned = state.unflushed;
        drop(state);
        self.shed.notify_one();
    }

    /// Ends when the connection has to make room.
    pub(super) async fn given_up(&self) {
        self.shed.notified().await;
    }

    /// Whether what is written and not out yet goes nowhere any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.state().abandoned
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Flight ===

impl Flight {
    /// `body`, until whose end the request is under way.
    pub(super) fn with(self, body: Chunks) -> Tracked {
        Tracked { body, _flight: self }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}

// === impl Tracked ===

impl Body for Tracked {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Guarded ===

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, multiplexed: bool) -> Self {
        Self {
            stream,
            activity,
            multiplexed,
            seen: 0,
            begun: false,
            patience: None,
            alarm: None,
            stall: None,
            answer: None,
        }
    }

    /// Fails once what is waited for has not come in time.
    fn wait_for_request(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let (is_idle, requests) = {
            let state = self.activity.state();
            (state.in_flight == 0 && !state.unflushed, state.requests)
        };
        if requests != self.seen {
            (self.seen, self.begun, self.patience) = (requests, false, None);
        }
        if !is_idle {
            self.patience = None;
            return Ok(());
        }
        let awaited = match (requests, self.begun && !self.multiplexed) {
            (0, _) => Awaited::First,
            (_, true) => Awaited::Rest,
            (_, false) => Awaited::Next,
        };
        let until = match self.patience {
            Some((what, until)) if what == awaited => until,
            _ => sleep(awaited.patience()).deadline(),
        };
        self.patience = Some((awaited, until));
        if !self.is_past(until, context) {
            return Ok(());
        }
        // Whoever has been answered and then goes on to be silent is not turned away, only forgotten.
        Err(self.end((awaited != Awaited::Next).then_some(HttpRejection::Timeout)))
    }

    /// Whether `until` has come; wakes the connection when it does.
    fn is_past(&mut self, until: Instant, context: &mut Context<'_>) -> bool {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if alarm.deadline() > until {
            alarm.as_mut().reset(until);
        }
        while alarm.as_mut().poll(context).is_ready() {
            if alarm.deadline() == until {
                return true;
            }
            // It was set for a request that has come.
            alarm.as_mut().reset(until);
        }
        false
    }

    /// Fails once the client has not taken what is written in time.
    fn wait_for_room(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.activity.state().blocked = true;
        let mut over = |timer: &mut Option<Pin<Box<Sleep>>>, patience: Duration| {
            timer.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(context).is_ready()
        };
        if over(&mut self.stall, WRITE_STALL_TIMEOUT) || over(&mut self.answer, ANSWER_TIMEOUT) {
            self.activity.state().abandoned = true;
            return Err(self.end(Some(HttpRejection::SlowReader)));
        }
        Ok(())
    }

    fn end(&self, cut: Option<HttpRejection>) -> io::Error {
        self.activity.state().cut = cut;
        io::ErrorKind::TimedOut.into()
    }

    fn written(&mut self, outcome: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Pending => {
                self.wait_for_room(context)?;
            }
            Poll::Ready(_) => {
                self.stall = None;
                let mut state = self.activity.state();
                (state.unflushed, state.blocked) = (true, false);
            }
        }
        outcome
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        // Looked at after reading, as only then the waker is in place; bytes that came do not extend the wait.
        self.wait_for_request(context)?;
        if buffer.filled().len() > before {
            self.begun = true;
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
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
            Poll::Pending => self.wait_for_room(context)?,
            Poll::Ready(_) => {
                (self.stall, self.answer) = (None, None);
                let mut state = self.activity.state();
                (state.unflushed, state.blocked) = (false, false);
            }
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        if outcome.is_pending() {
            self.wait_for_room(context)?;
        }
        outcome
    }
}

// === impl Awaited ===

impl Awaited {
    const fn patience(self) -> Duration {
        match self {
            Self::First | Self::Rest => FIRST_HEAD_TIMEOUT,
            Self::Next => IDLE_TIMEOUT,
        }
    }
}

#[cfg(test)]
mod tests;
