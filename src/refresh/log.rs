//! The log lines of refreshes: a failure is logged at `warn` when it starts, when it changes and when it ends.

use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use tracing::{debug, info, warn};

use super::observer::RefreshResult;
use crate::presence::Timestamp;
use crate::upstream::{Endpoint, ErrorKind, UpstreamError};

/// The last failure that was logged.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    /// The message is not compared: it may hold a wait, a position in a body or a server's own words, which differ each time.
    failure: Option<(Endpoint, Discriminant<ErrorKind>)>,
    succeeded_before: bool,
}

/// How the end of one refresh is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogEntry {
    FirstSuccess,
    Recovery,
    Success,
    Failure,
    SameFailure,
}

// === impl FailureLog ===

impl FailureLog {
    /// The entry of a refresh that ended with `error`.
    pub(super) fn entry(&mut self, error: Option<&UpstreamError>) -> LogEntry {
        let failure = error.map(|error| (error.endpoint, discriminant(&error.kind)));
        let before = std::mem::replace(&mut self.failure, failure);
        match failure {
            None => {
                let first = !std::mem::replace(&mut self.succeeded_before, true);
                match (before.is_some(), first) {
                    (true, _) => LogEntry::Recovery,
                    (false, true) => LogEntry::FirstSuccess,
                    (false, false) => LogEntry::Success,
                }
            }
            Some(_) if failure == before => LogEntry::SameFailure,
            Some(_) => LogEntry::Failure,
        }
    }
}

// === impl LogEntry ===

impl LogEntry {
    /// Writes the entry.
    pub(super) fn write(
        self,
        tenant: &str,
        result: RefreshResult,
        took: Duration,
        error: Option<&UpstreamError>,
        not_before: Option<Timestamp>,
        failures_in_a_row: u32,
    ) {
        let (result, took_seconds) = (result.label(), took.as_secs_f64());
        let not_before = not_before.map(tracing::field::display);
        let error = error.map(tracing::field::display);
        match self {
            Self::FirstSuccess => info!(tenant, took_seconds, "first refresh succeeded"),
            Self::Recovery => info!(tenant, took_seconds, "refresh recovered"),
            Self::Success => debug!(tenant, took_seconds, "refresh succeeded"),
            Self::Failure => {
                warn!(tenant, result, took_seconds, failures_in_a_row, not_before, error, "refresh failed");
            }
            Self::SameFailure => {
                debug!(tenant, result, took_seconds, failures_in_a_row, not_before, error, "refresh failed again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_logged_at_start_change_and_recovery() {
        let error = |endpoint, kind, message: &str| UpstreamError { endpoint, kind, message: message.to_owned() };
        let table = [
            (Some(error(Endpoint::Presence, ErrorKind::Server, "one")), LogEntry::Failure),
            (Some(error(Endpoint::Presence, ErrorKind::Server, "two")), LogEntry::SameFailure),
            (Some(error(Endpoint::Presence, ErrorKind::Forbidden, "two")), LogEntry::Failure),
            (Some(error(Endpoint::Token, ErrorKind::Forbidden, "two")), LogEntry::Failure),
            (None, LogEntry::Recovery),
            (None, LogEntry::Success),
            (Some(error(Endpoint::Token, ErrorKind::Forbidden, "two")), LogEntry::Failure),
        ];
        let mut log = FailureLog::default();
        for (error, entry) in table {
            assert_eq!(log.entry(error.as_ref()), entry);
        }
        assert_eq!(FailureLog::default().entry(None), LogEntry::FirstSuccess);
    }
}
