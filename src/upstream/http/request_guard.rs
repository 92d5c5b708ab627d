//! Reports each request to the [`Observer`] exactly once.

use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, Monotonic};
use crate::upstream::{Endpoint, Observer, ResponseCode};

/// Reports a request when it is dropped.
///
/// A request that is dropped without a code, because its refresh timed out or was cancelled, counts as
/// [`ResponseCode::Timeout`]. A 200 whose body turns out to be undecodable counts as [`ResponseCode::Decode`].
pub(crate) struct RequestGuard {
    observer: Arc<dyn Observer>,
    clock: Arc<dyn Clock>,
    endpoint: Endpoint,
    sent: Monotonic,
    ended: Option<Monotonic>,
    code: ResponseCode,
    body_bytes: u64,
}

// === impl RequestGuard ===

impl RequestGuard {
    pub(crate) fn new(endpoint: Endpoint, clock: &Arc<dyn Clock>, observer: &Arc<dyn Observer>) -> Self {
        Self {
            observer: Arc::clone(observer),
            clock: Arc::clone(clock),
            endpoint,
            sent: clock.monotonic(),
            ended: None,
            code: ResponseCode::Timeout,
            body_bytes: 0,
        }
    }

    /// Sets the code to report.
    pub(crate) fn set_code(&mut self, code: ResponseCode) {
        self.code = code;
    }

    /// Counts bytes of the body, after decompression.
    pub(crate) fn add_bytes(&mut self, bytes: usize) {
        self.body_bytes = self.body_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Stops the clock: decoding is not part of the request's duration.
    pub(crate) fn end(&mut self) {
        self.ended = Some(self.clock.monotonic());
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let ended = self.ended.unwrap_or_else(|| self.clock.monotonic());
        self.observer.request(self.endpoint, self.code, ended.saturating_since(self.sent), self.body_bytes);
    }
}

impl fmt::Debug for RequestGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestGuard")
            .field("endpoint", &self.endpoint)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}
