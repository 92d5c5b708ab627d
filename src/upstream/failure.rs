//! A failed request, and what it means for a retry and for other requests.

use std::time::Duration;

use super::{Endpoint, ErrorKind, UpstreamError};

/// A failed request within `upstream`.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The error that is logged.
    pub(super) error: UpstreamError,
    /// Whether a retry may succeed.
    pub(super) retry: RetryPolicy,
    /// Which other requests would fail too.
    pub(super) scope: Scope,
    /// The rule of the query that the request broke, if the server says.
    pub(super) broken_rule: Option<QueryRule>,
}

/// A rule of the official API's queries, by the code of its refusals, which is known even where their text is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryRule {
    /// `InvalidUpdatedSince`: the query needs `updatedSince`, or a later one.
    UpdatedSince,
    /// `InvalidDateRange`: the range of time is too long.
    DateRange,
    /// `Invalid top`: too many rows at once.
    Top,
}

/// Whether and when a failed request is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryPolicy {
    /// Never: the same request would fail again.
    Never,
    /// After a backoff.
    AfterBackoff,
    /// After `Retry-After`, or a backoff without it.
    AfterRateLimit,
    /// With a new token.
    WithNewToken,
}

/// Which requests of a refresh a failure applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// This one only.
    Request,
    /// This one, and all requests of the same kind as long as none has ever succeeded.
    AllAlike,
    /// Every request to the tenant.
    Tenant,
}

// === impl Failure ===

impl Failure {
    /// A failure that is not retried and applies to this request only.
    pub(super) fn new(endpoint: Endpoint, kind: ErrorKind, message: impl Into<String>) -> Self {
        let error = UpstreamError { endpoint, kind, message: message.into() };
        Self { error, retry: RetryPolicy::Never, scope: Scope::Request, broken_rule: None }
    }

    /// Decoding a response panicked.
    pub(super) fn decode_panicked(endpoint: Endpoint) -> Self {
        let message = "Decoding the response failed: this is a bug of the exporter, please report it.";
        Self::new(endpoint, ErrorKind::Decode, message)
    }

    pub(super) fn with_retry(self, retry: RetryPolicy) -> Self {
        Self { retry, ..self }
    }

    pub(super) fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }
}

// === impl QueryRule ===

impl QueryRule {
    /// The rule that a refusal with this text is for.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let words = || text.split(|c: char| !c.is_ascii_alphanumeric());
        if words().any(|word| word.contains("updatedsince")) {
            Some(Self::UpdatedSince)
        } else if words().any(|word| word.contains("invaliddaterange")) {
            Some(Self::DateRange)
        } else if words().any(|word| word == "top" || word == "invalidtop") {
            Some(Self::Top)
        } else {
            None
        }
    }
}

/// Runs `work` on a blocking thread, off the threads that serve.
pub(super) async fn run_blocking<T: Send + 'static>(
    endpoint: Endpoint,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::decode_panicked(endpoint))
}

/// Formats a duration for people: `250 ms`, `1.5 s`, `45 s`, `2 min 5 s`, `1 h`.
pub(super) fn humanize(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds == 0 {
        return format!("{} ms", span.as_millis());
    }
    if seconds < 60 && span.subsec_millis() >= 100 {
        return format!("{:.1} s", span.as_secs_f64());
    }
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let parts: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_rule_is_read_from_a_refusal() {
        let table = [
            ("InvalidUpdatedSince", Some(QueryRule::UpdatedSince)),
            (r#"{"error":"invalid updatedSince: 0"}"#, Some(QueryRule::UpdatedSince)),
            ("400 InvalidDateRange", Some(QueryRule::DateRange)),
            ("Invalid top: 10000", Some(QueryRule::Top)),
            ("InvalidTop", Some(QueryRule::Top)),
            ("stop it", None),
            ("", None),
        ];
        for (text, rule) in table {
            assert_eq!(QueryRule::of(text), rule, "{text}");
        }
    }

    #[test]
    fn durations_are_formatted_for_people() {
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
