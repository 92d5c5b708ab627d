//! What all the requests of one refresh have in common: until when, and whether going on makes sense.

use std::sync::OnceLock;

use super::failure::Failure;
use crate::clock::Monotonic;

/// The common purpose of the requests of one refresh.
#[derive(Debug)]
pub(super) struct FetchContext {
    /// Nothing is waited for beyond this.
    pub(super) deadline: Monotonic,
    called_off: OnceLock<Failure>,
}

// === impl FetchContext ===

impl FetchContext {
    pub(super) const fn new(deadline: Monotonic) -> Self {
        Self { deadline, called_off: OnceLock::new() }
    }

    /// Lets nothing more be sent, for a cause that every further request would only meet again.
    pub(super) fn cancel(&self, cause: &Failure) {
        self.called_off.get_or_init(|| cause.clone());
    }

    /// Whether, and why, nothing more is to be sent.
    pub(super) fn check_cancelled(&self) -> Result<(), Failure> {
        self.called_off.get().map_or(Ok(()), |cause| Err(cause.clone()))
    }
}
