//! The errors of `upstream`.

use std::fmt;
use std::time::Duration;

use super::Endpoint;
use crate::config::Api;

/// A failed request. Its text never holds a secret, a token or a person's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamError {
    /// The endpoint of the request.
    pub endpoint: Endpoint,
    /// The kind of failure.
    pub kind: ErrorKind,
    /// What happened and what to do, as whole sentences.
    pub message: String,
}

/// The kind of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 400: the same request will fail again.
    BadRequest,
    /// 401 even with a new token, or for the credentials themselves.
    Unauthorized,
    /// 403: the client lacks permission.
    Forbidden,
    /// 429, or any response with `Retry-After`, and the wait does not fit into the refresh.
    RateLimited {
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// The budget (`max_requests_per_minute`) has no request left in time.
    Budget,
    /// 5xx.
    Server,
    /// Any other status, such as a redirect.
    UnexpectedStatus,
    /// The host name could not be resolved.
    Dns,
    /// No connection, or it was cut.
    Connect,
    /// The TLS handshake failed, or the certificate is not trusted.
    Tls,
    /// The response was not complete in time.
    Timeout,
    /// The body is not what the API documents.
    Decode,
    /// The body cannot be decoded and is of another media type, such as an HTML page: the address may be wrong.
    NotJson,
    /// The body, the number of pages or another amount exceeds its limit.
    TooMuch,
    /// The pages repeat themselves.
    Paging,
    /// A response names an address that is not the tenant's; nothing was sent there.
    ForeignAddress,
}

impl ErrorKind {
    /// The value of the label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::RateLimited { .. } => "rate_limited",
            Self::Budget => "budget",
            Self::Server => "server_error",
            Self::UnexpectedStatus => "unexpected_status",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Decode => "decode",
            Self::NotJson => "not_json",
            Self::TooMuch => "too_large",
            Self::Paging => "paging",
            Self::ForeignAddress => "foreign_address",
        }
    }
}

impl UpstreamError {
    /// The refresh took longer than `refresh_timeout`, which is `limit`.
    pub fn refresh_timeout(api: Api, limit: Duration) -> Self {
        let (endpoint, hint) = match api {
            Api::Presence => {
                (Endpoint::Presence, ", or lower the number of requests with a larger agents_per_request or interval")
            }
            Api::Official => (Endpoint::History, ", or configure fewer agents"),
        };
        let message = format!("the refresh was cancelled after {limit:?}: raise refresh_timeout{hint}");
        Self { endpoint, kind: ErrorKind::Timeout, message }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UpstreamError {}

/// The HTTP client cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "tenant {tenant}: the HTTP client cannot be built ({reason}). If CA certificates are missing, install the package \
    ca-certificates, or let SSL_CERT_FILE name a bundle of them"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_timeout_names_the_endpoint_and_keys_of_the_api() {
        let limit = Duration::from_secs(120);
        let presence = UpstreamError::refresh_timeout(Api::Presence, limit);
        assert_eq!(presence.endpoint, Endpoint::Presence);
        assert!(presence.message.contains("agents_per_request"), "{presence}");
        let official = UpstreamError::refresh_timeout(Api::Official, limit);
        assert_eq!(official.endpoint, Endpoint::History);
        assert!(!official.message.contains("agents_per_request"), "{official}");
    }
}
