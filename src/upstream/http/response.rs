//! The status and headers of a response, and the failures that follow from them.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use serde_json::error::Category;
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::body::Encoding;
use super::errors::Target;
use super::fetch::DecodeError;
use super::redact::Redactor;
use super::request_guard::RequestGuard;
use crate::upstream::failure::{Failure, QueryRule, RetryPolicy, Scope};
use crate::upstream::{Endpoint, ErrorKind, ResponseCode};

/// Where the official API describes an error, often without a body.
const STATUS_DESCRIPTION: HeaderName = HeaderName::from_static("icstatusdescription");

/// A successful response whose body has been read in full.
#[derive(Debug)]
pub(crate) struct Response {
    head: Head,
    guard: RequestGuard,
    // Held for its drop, after the body is decoded.
    _large_body: Option<OwnedSemaphorePermit>,
}

/// Status and headers of a response, redacted.
#[derive(Debug)]
pub(crate) struct Head {
    endpoint: Endpoint,
    target: String,
    keys: &'static str,
    status: u16,
    /// The error description of a header, where the body may say nothing.
    description: Option<String>,
    /// The rule of queries that this description names.
    broken_rule: Option<QueryRule>,
    content_type: Option<String>,
    /// The encoding of the body, if it is none that was asked for.
    content_encoding: Option<String>,
    /// The host that a redirect leads to.
    redirect_to: Option<String>,
}

/// What to do about an error status of an endpoint, as whole sentences.
#[derive(Debug)]
pub(crate) struct ErrorHints {
    /// 400.
    pub(crate) bad_request: &'static str,
    /// 401, where a new token cannot help.
    pub(crate) unauthorized: &'static str,
    /// 403.
    pub(crate) forbidden: &'static str,
    /// A body over the limit.
    pub(crate) too_large: &'static str,
}

// === impl Response ===

impl Response {
    pub(crate) const fn new(head: Head, guard: RequestGuard, large_body: Option<OwnedSemaphorePermit>) -> Self {
        Self { head, guard, _large_body: large_body }
    }

    /// The failure of a body that cannot be decoded. It quotes nothing of the body, which is data of people or a token, but
    /// an error that the server reports in it.
    pub(crate) fn decode_failure(self, error: DecodeError, redactor: &Redactor) -> Failure {
        let error = match error {
            DecodeError::Unusable(reason) => return self.undecodable(&reason),
            DecodeError::TooMuch(reason) => return self.too_much(&reason),
            DecodeError::NoAnswer { reason, error } => {
                let error = error.and_then(|error| redactor.quote(&error));
                let error = error.map_or_else(String::new, |error| format!("; it reports the error {error}"));
                return self.undecodable(&format!("{reason}{error}"));
            }
            DecodeError::Json(error) => error,
        };
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            // A server that ends a body by closing the connection cuts it like this.
            Category::Eof => {
                self.undecodable(&format!("it ends early ({place})")).with_retry(RetryPolicy::AfterBackoff)
            }
            Category::Syntax => self.undecodable(&format!("it is not JSON ({place})")),
            Category::Data | Category::Io => self.undecodable(&format!("it has another shape ({place})")),
        }
    }

    fn too_much(mut self, reason: &str) -> Failure {
        self.guard.set_code(ResponseCode::Decode);
        let Head { endpoint, target, .. } = self.head;
        Failure::new(endpoint, ErrorKind::TooMuch, format!("The response of {target} exceeds a limit: {reason}."))
    }

    fn undecodable(mut self, reason: &str) -> Failure {
        self.guard.set_code(ResponseCode::Decode);
        let Head { endpoint, target, keys, status, content_type, content_encoding, .. } = self.head;
        let is_json = content_type.as_deref().is_none_or(|value| value.to_ascii_lowercase().contains("json"));
        let (kind, message) = if let Some(encoding) = content_encoding {
            let message = format!("{target} answered {status} in the encoding {encoding}, which was not asked for.");
            (ErrorKind::Decode, message)
        } else if let (false, Some(content_type)) = (is_json, content_type) {
            let message = format!(
                "{target} answered {status} with {content_type} instead of JSON. The address may be wrong, or a proxy or \
                login page may be in between: check {keys}."
            );
            (ErrorKind::NotJson, message)
        } else {
            let message = format!("The response of {target} ({status}) is not what the API documents: {reason}.");
            (ErrorKind::Decode, message)
        };
        Failure::new(endpoint, kind, message)
    }
}

// === impl Head ===

impl Head {
    pub(crate) fn new(
        endpoint: Endpoint,
        target: &Target,
        url: &Url,
        status: u16,
        headers: &HeaderMap,
        redactor: &Redactor,
    ) -> Self {
        let text = |name: HeaderName| {
            let value = headers.get(name)?;
            Some(redactor.clean(&String::from_utf8_lossy(value.as_bytes()))).filter(|text| !text.is_empty())
        };
        // Only the host is shown: the rest of the address may repeat what was sent.
        let redirect_to = headers
            .get(LOCATION)
            .and_then(|value| url.join(value.to_str().ok()?).ok())
            .and_then(|location| location.host_str().map(|host| redactor.clean(host)));
        let description =
            headers.get(STATUS_DESCRIPTION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self {
            endpoint,
            target: target.name.clone(),
            keys: target.keys(),
            status,
            broken_rule: description.as_deref().and_then(QueryRule::of),
            description: description.and_then(|text| redactor.quote(&text)),
            content_type: text(CONTENT_TYPE),
            content_encoding: text(CONTENT_ENCODING).filter(|_| Encoding::of(headers) == Encoding::Unknown),
            redirect_to,
        }
    }

    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The failure of a successful response with a body over `limit` bytes.
    pub(crate) fn too_large(&self, limit: usize, hints: &ErrorHints) -> Failure {
        let Self { endpoint, target, .. } = self;
        let mebibytes = limit / (1024 * 1024);
        let limit = if mebibytes > 0 { format!("{mebibytes} MiB") } else { format!("{} KiB", limit / 1024) };
        let message = format!("The response of {target} is larger than {limit}. {}", hints.too_large);
        Failure::new(*endpoint, ErrorKind::TooMuch, message)
    }

    /// The failure of an error status. `body` is the redacted body.
    pub(crate) fn status_failure(&self, hints: &ErrorHints, body: Option<&str>) -> Failure {
        let Self { endpoint, target, keys, status, .. } = self;
        let said = body.filter(|body| !body.is_empty()).or(self.description.as_deref());
        let said = said.map_or_else(String::new, |said| format!(" It said: {said}"));
        let fail = |kind, message: String| Failure::new(*endpoint, kind, message);
        match status {
            400 => Failure {
                broken_rule: self.broken_rule,
                scope: Scope::AllAlike,
                ..fail(
                    ErrorKind::BadRequest,
                    format!("{target} rejected the request (400). {}{said}", hints.bad_request),
                )
            },
            401 => {
                fail(ErrorKind::Unauthorized, format!("{target} refused access (401). {}{said}", hints.unauthorized))
                    .with_retry(RetryPolicy::WithNewToken)
                    .with_scope(Scope::Tenant)
            }
            403 => fail(ErrorKind::Forbidden, format!("{target} refused access (403). {}{said}", hints.forbidden))
                .with_scope(Scope::Tenant),
            404 => fail(
                ErrorKind::UnexpectedStatus,
                format!(
                    "{target} does not know the {} API (404). Check that {keys} is the tenant's own.{said}",
                    endpoint.label()
                ),
            )
            .with_scope(Scope::AllAlike),
            408 => fail(ErrorKind::Timeout, format!("{target} timed out before it had the whole request (408)."))
                .with_retry(RetryPolicy::AfterBackoff),
            429 => {
                fail(ErrorKind::RateLimited { retry_after: None }, format!("{target} rate-limited the request (429)."))
                    .with_retry(RetryPolicy::AfterRateLimit)
                    .with_scope(Scope::Tenant)
            }
            300..=399 => {
                let location = self.redirect_to.as_deref().unwrap_or("an address that cannot be read");
                fail(
                    ErrorKind::UnexpectedStatus,
                    format!(
                        "{target} redirects to {location} ({status}). Redirects are not followed, because they would send \
                        credentials to another address: set {keys} to the tenant's own."
                    ),
                )
                .with_scope(Scope::Tenant)
            }
            500..=599 => fail(ErrorKind::Server, format!("{target} answered with a server error ({status})."))
                .with_retry(RetryPolicy::AfterBackoff),
            _ => fail(
                ErrorKind::UnexpectedStatus,
                format!("{target} answered with an unexpected status ({status}).{said}"),
            )
            .with_scope(Scope::AllAlike),
        }
    }
}
