//! A request that failed, and what follows from it for this request and for the others.

use std::time::Duration;

use super::{Endpoint, ErrorKind, UpstreamError};

/// A failed request, as the parts of `upstream` hand it to each other.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// What a person is told.
    pub(super) error: UpstreamError,
    /// What may heal it.
    pub(super) retry: RetryPolicy,
    /// Whom else it concerns.
    pub(super) scope: Scope,
}

/// What may turn a failed request into a good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryPolicy {
    /// Nothing: the same request would fail in the same way.
    Never,
    /// Sending it again after a while.
    AfterBackoff,
    /// Waiting as long as the server says, else a while, and sending it again.
    AfterRateLimit,
    /// Sending it again with a token that is not this one.
    WithNewToken,
}

/// Which of a refresh's requests a failure speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// This one only: the next batch may fare better.
    Request,
    /// This one, and all others that are built alike as long as none of them has ever succeeded.
    AllAlike,
    /// Every request to the tenant.
    Tenant,
}

// === impl Failure ===

impl Failure {
    /// A failure that nothing heals and that speaks for this request only; see the methods that widen it.
    pub(super) fn new(endpoint: Endpoint, kind: ErrorKind, message: impl Into<String>) -> Self {
        let error = UpstreamError { endpoint, kind, message: message.into() };
        Self { error, retry: RetryPolicy::Never, scope: Scope::Request }
    }

    /// The decoding of an answer panicked.
    pub(super) fn decode_panicked(endpoint: Endpoint) -> Self {
        let message = "The answer could not be decoded: this is a fault of the exporter, please report it.";
        Self::new(endpoint, ErrorKind::Decode, message)
    }

    pub(super) fn with_retry(self, retry: RetryPolicy) -> Self {
        Self { retry, ..self }
    }

    pub(super) fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }
}

/// A span of time as people say it: `250 ms`, `1.5 s`, `45 s`, `2 min 5 s`, `1 h`.
pub(super) fn humanize(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds == 0 {
        return format!("{} ms", span.as_millis());
    }
    if seconds < 60 && span.subsec_millis() >= 100 {
        return format!("{:.1} s", span.as_secs_f64());
    }
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let humanize: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    humanize.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_spoken_in_the_units_that_people_use() {
        let table = [
            (0, "0 ms"),
            (250, "250 ms"),
            (1000, "1 s"),
            (45_000, "45 s"),
            (1500, "1.5 s"),
            (61_900, "1 min 1 s"),
            (60_000, "1 min"),
            (125_000, "2 min 5 s"),
            (3_600_000, "1 h"),
            (3_661_000, "1 h 1 min 1 s"),
        ];
        for (millis, words) in table {
            assert_eq!(humanize(Duration::from_millis(millis)), words);
        }
    }
}
