//! The state of a connection as its own tasks set it and the connection pool reads it.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use super::Chunks;
use super::http2_streams::Sending;
use crate::metrics::HttpRejection;

/// The state of a connection.
#[derive(Debug)]
pub(super) struct ConnectionState {
    /// The address of the client.
    pub(super) peer: IpAddr,
    state: Mutex<State>,
    evicted: Notify,
    /// Numbers the activity on all connections of a pool, so that they can be ordered without a clock.
    sequence: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Requests whose response is not sent yet.
    pub(super) active_requests: usize,
    /// Those of them whose response is not ready yet.
    unanswered_requests: usize,
    /// Streams of HTTP/2 whose response the client does not read.
    pub(super) stalled_streams: usize,
    /// Complete requests so far.
    pub(super) requests: u64,
    /// True while written bytes are not flushed.
    pub(super) unflushed: bool,
    /// True while the client does not read the response.
    pub(super) blocked: bool,
    /// Why the exporter closed the connection; `None` if the client did, or for an idle one.
    pub(super) rejection: Option<HttpRejection>,
    /// True if unsent bytes are to be discarded when the socket closes.
    pub(super) discard_unsent: bool,
    /// Number of the connection's start, or of the last start or end of a request.
    last_active: u64,
}

/// A request from its head to the end of the response body.
#[derive(Debug)]
pub(super) struct ActiveRequest {
    connection: Arc<ConnectionState>,
    is_answered: bool,
}

/// A stream whose response the client does not read, until dropped.
#[derive(Debug)]
pub(super) struct StalledStream(Arc<ConnectionState>);

/// The order of eviction; the lowest rank goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EvictionRank {
    /// False if the client does not read a response over HTTP/2.
    is_responsive: bool,
    last_active: u64,
}

/// A response body that ends its request when dropped.
#[derive(Debug)]
pub(super) struct TrackedBody {
    body: Chunks,
    /// Set over HTTP/2.
    sending: Option<Sending>,
    // Held for its drop.
    _request: ActiveRequest,
}

// === impl ConnectionState ===

impl ConnectionState {
    /// The state of a new connection.
    pub(super) fn new(peer: IpAddr, sequence: Arc<AtomicU64>) -> Self {
        let state = State { last_active: sequence.fetch_add(1, Ordering::Relaxed), ..State::default() };
        Self { peer, state: Mutex::new(state), evicted: Notify::new(), sequence }
    }

    /// Counts a request until the returned value is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        let mut state = self.lock();
        state.active_requests += 1;
        state.unanswered_requests += 1;
        state.requests += 1;
        state.last_active = self.sequence.fetch_add(1, Ordering::Relaxed);
        drop(state);
        ActiveRequest { connection: Arc::clone(self), is_answered: false }
    }

    /// Marks a stream as stalled until the returned value is dropped.
    pub(super) fn stall(self: &Arc<Self>) -> StalledStream {
        self.lock().stalled_streams += 1;
        StalledStream(Arc::clone(self))
    }

    /// The rank if the connection may be evicted; `None` while the client waits for a response that is not ready.
    pub(super) fn eviction_rank(&self) -> Option<EvictionRank> {
        let state = self.lock();
        let is_responsive = state.stalled_streams == 0;
        let waits = state.unanswered_requests > 0 && !state.blocked && is_responsive;
        (!waits).then_some(EvictionRank { is_responsive, last_active: state.last_active })
    }

    /// Why the exporter closed the connection.
    pub(super) fn rejection(&self) -> Option<HttpRejection> {
        self.lock().rejection
    }

    /// Asks the connection's task to close it.
    pub(super) fn evict(&self) {
        let mut state = self.lock();
        state.discard_unsent = state.unflushed;
        drop(state);
        self.evicted.notify_one();
    }

    /// Ends when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// True if unsent bytes are to be discarded when the socket closes.
    pub(super) fn discards_unsent(&self) -> bool {
        self.lock().discard_unsent
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection without a peer, in memory.
impl Default for ConnectionState {
    fn default() -> Self {
        Self::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Arc::default())
    }
}

// === impl ActiveRequest ===

impl ActiveRequest {
    /// Keeps the request active to the end of `body`, which is the response.
    pub(super) fn track(mut self, body: Chunks) -> TrackedBody {
        self.answered();
        TrackedBody { body, sending: Sending::start(), _request: self }
    }

    fn answered(&mut self) {
        if !self.is_answered {
            self.is_answered = true;
            let mut state = self.connection.lock();
            state.unanswered_requests = state.unanswered_requests.saturating_sub(1);
        }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.answered();
        let mut state = self.connection.lock();
        state.active_requests = state.active_requests.saturating_sub(1);
        state.last_active = self.connection.sequence.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl StalledStream ===

impl Drop for StalledStream {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.stalled_streams = state.stalled_streams.saturating_sub(1);
    }
}

// === impl TrackedBody ===

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, sending, .. } = &mut *self;
        let Some(sending) = sending else { return Pin::new(body).poll_frame(context) };
        ready!(sending.poll_sent(context));
        let piece = body.next_piece(Sending::PIECE_BYTES);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(sending.piece(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.sending.as_ref().is_none_or(Sending::is_done)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
