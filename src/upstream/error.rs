//! What can go wrong upstream, in words that a person can act on.

use std::fmt;
use std::time::Duration;

use super::Endpoint;

/// A failed request: what was tried, on what, how it failed, and what to do about it.
///
/// Its text never holds a secret, a token or the name of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamError {
    /// What was asked.
    pub endpoint: Endpoint,
    /// How it failed.
    pub kind: ErrorKind,
    /// What was seen and what to do, as whole sentences.
    pub message: String,
}

/// How a request failed, as far as anybody acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 400: the request itself is wrong; the same one will fail again.
    BadRequest,
    /// 401 even with a new token, or the credentials themselves were refused.
    Unauthorized,
    /// 403: the client may not do this.
    Forbidden,
    /// 429, or any answer with `Retry-After`, and the wait does not fit into the refresh.
    RateLimited {
        /// How long to wait, counted from the answer.
        retry_after: Option<Duration>,
    },
    /// The tenant's own budget (`max_requests_per_minute`) has no request left that would end in time.
    Budget,
    /// 5xx.
    Server,
    /// Any other status, redirects among them.
    UnexpectedStatus,
    /// The host's name could not be resolved.
    Dns,
    /// No connection, or it was cut.
    Connect,
    /// TLS could not be agreed on, or the certificate is not trusted.
    Tls,
    /// Nothing, or not all of it, came in time.
    Timeout,
    /// The body is not what the API documents.
    Decode,
    /// The body, the number of pages or another amount is over its limit.
    TooMuch,
    /// The pages repeat themselves.
    Paging,
    /// An answer names an address that is not the tenant's; nothing was sent there.
    ForeignAddress,
}

impl UpstreamError {
    /// The requests of a refresh took longer together than they may.
    pub fn refresh_timeout(limit: Duration) -> Self {
        let message = format!(
            "the refresh was given up after {limit:?}: raise refresh_timeout, or lower the number of requests with \
             a larger agents_per_request or interval"
        );
        Self { endpoint: Endpoint::Presence, kind: ErrorKind::Timeout, message }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UpstreamError {}

/// The HTTP client could not be built, so nothing can be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "tenant {tenant}: the HTTP client cannot be built ({reason}). Where CA certificates are missing, install the \
    package ca-certificates, or let SSL_CERT_FILE name a bundle of them"
)]
pub struct BuildError {
    tenant: String,
    reason: String,
}

// === impl BuildError ===

impl BuildError {
    pub(super) fn new(tenant: &str, error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let reason = causes.last().map_or_else(String::new, ToString::to_string);
        Self { tenant: tenant.to_owned(), reason }
    }
}
