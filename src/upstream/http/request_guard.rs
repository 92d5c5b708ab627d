//! Telling the [`Observer`] of a request exactly once, however it ends.

use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, Monotonic};
use crate::upstream::{Endpoint, Observer, ResponseCode};

/// A request on its way to the observer, which is told when this is dropped.
///
/// A request that is abandoned, because its refresh ran out of time or nobody wants the answer any
/// more, so counts as [`ResponseCode::Timeout`]; and a 200 counts as 200 only if nobody finds before
/// the drop that its body cannot be used.
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

    /// What the request counts as unless something else is learnt.
    pub(crate) fn counts_as(&mut self, code: ResponseCode) {
        self.code = code;
    }

    /// A part of the body has been read.
    pub(crate) fn read(&mut self, bytes: usize) {
        self.body_bytes = self.body_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The exchange is over; what is done with the answer does not count into its duration.
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
