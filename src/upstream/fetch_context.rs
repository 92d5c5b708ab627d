//! What all requests of one refresh share: the deadline, and whether the refresh is cancelled.

use std::sync::OnceLock;

use super::failure::Failure;
use crate::clock::Monotonic;

/// Shared by the requests of one refresh.
#[derive(Debug)]
pub(super) struct FetchContext {
    /// No request waits beyond this.
    pub(super) deadline: Monotonic,
    cancelled: OnceLock<Failure>,
}

// === impl FetchContext ===

impl FetchContext {
    pub(super) const fn new(deadline: Monotonic) -> Self {
        Self { deadline, cancelled: OnceLock::new() }
    }

    /// Stops further requests, because `cause` would fail each of them.
    pub(super) fn cancel(&self, cause: &Failure) {
        self.cancelled.get_or_init(|| cause.clone());
    }

    /// Fails with the cause if the refresh is cancelled.
    pub(super) fn check_cancelled(&self) -> Result<(), Failure> {
        self.cancelled.get().map_or(Ok(()), |cause| Err(cause.clone()))
    }
}
