//! The log lines of refreshes: a failure is told when it starts, when it changes and when it ends, not each time.

use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::observer::RefreshResult;
use crate::presence::Timestamp;
use crate::upstream::{Endpoint, ErrorKind, UpstreamError};

/// Remembers what was said last.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    /// What was asked and how it failed. The message is no measure: it may hold a wait, a place in an answer or a
    /// server's own words, and so differ each time.
    said: Option<(Endpoint, Discriminant<ErrorKind>)>,
    succeeded_before: bool,
}

// === impl FailureLog ===

impl FailureLog {
    /// Says how a refresh ended, as far as it is news.
    pub(super) fn refreshed(
        &mut self,
        tenant: &str,
        result: RefreshResult,
        took: Duration,
        error: Option<&UpstreamError>,
        not_before: Option<Timestamp>,
        failures_in_a_row: u32,
    ) {
        let took_seconds = took.as_secs_f64();
        let not_before = not_before.map(tracing::field::display);
        let Some(error) = error else {
            let recovered = self.said.take().is_some();
            let first = !std::mem::replace(&mut self.succeeded_before, true);
            if recovered {
                info!(tenant, took_seconds, "refreshes succeed again");
            } else if first {
                info!(tenant, took_seconds, "the first refresh succeeded");
            } else {
                debug!(tenant, took_seconds, "refresh succeeded");
            }
            return;
        };
        let result = result.label();
        let failure = (error.endpoint, discriminant(&error.kind));
        if self.said == Some(failure) {
            debug!(tenant, result, took_seconds, failures_in_a_row, not_before, error = %error, "refresh failed again");
        } else {
            warn!(tenant, result, took_seconds, failures_in_a_row, not_before, error = %error, "refresh failed");
            self.said = Some(failure);
        }
    }
}
