//! The state of a connection as its own tasks set it and the connection pool reads it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use super::Chunks;
use crate::metrics::HttpRejection;

/// The state of a connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    state: Mutex<State>,
    evicted: Notify,
    /// Numbers the activity on all connections of a pool, so that they can be ordered without a clock.
    sequence: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Requests whose response is not written yet.
    pub(super) active_requests: usize,
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
pub(super) struct ActiveRequest(Arc<ConnectionState>);

/// A response body that ends its request when dropped.
#[derive(Debug)]
pub(super) struct TrackedBody {
    body: Chunks,
    _request: ActiveRequest,
}

// === impl ConnectionState ===

impl ConnectionState {
    /// The state of a new connection.
    pub(super) fn new(sequence: Arc<AtomicU64>) -> Self {
        let state = State { last_active: sequence.fetch_add(1, Ordering::Relaxed), ..State::default() };
        Self { state: Mutex::new(state), evicted: Notify::new(), sequence }
    }

    /// Counts a request until the returned value is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        let mut state = self.lock();
        state.active_requests += 1;
        state.requests += 1;
        state.last_active = self.sequence.fetch_add(1, Ordering::Relaxed);
        drop(state);
        ActiveRequest(Arc::clone(self))
    }

    /// The number of the last activity if the connection may be evicted; `None` while the client reads a response or
    /// waits for one.
    pub(super) fn idle_since(&self) -> Option<u64> {
        let state = self.lock();
        let is_idle = state.active_requests == 0 && !state.unflushed;
        (is_idle || state.blocked).then_some(state.last_active)
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

// === impl ActiveRequest ===

impl ActiveRequest {
    /// Keeps the request active to the end of `body`.
    pub(super) fn track(self, body: Chunks) -> TrackedBody {
        TrackedBody { body, _request: self }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.active_requests = state.active_requests.saturating_sub(1);
        state.last_active = self.0.sequence.fetch_add(1, Ordering::Relaxed);
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
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
