//! An answer's status and headers, and what to tell a person about the ones that are no success.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use serde_json::error::Category;
use url::Url;

use super::errors::Target;
use super::redact::Redactor;
use super::request_guard::RequestGuard;
use crate::upstream::failure::{Failure, RetryPolicy, Scope};
use crate::upstream::{Endpoint, ErrorKind, ResponseCode};

/// Where the official API says what is wrong, often with no body beside it.
const STATUS_DESCRIPTION: HeaderName = HeaderName::from_static("icstatusdescription");

/// An answer whose body has been read in full.
#[derive(Debug)]
pub(crate) struct Response {
    head: Head,
    guard: RequestGuard,
}

/// What an answer said before its body, fit to be shown.
#[derive(Debug)]
pub(crate) struct Head {
    endpoint: Endpoint,
    peer: String,
    keys: &'static str,
    status: u16,
    /// What CXone says of an error besides, or instead of, the body.
    description: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    /// The host that a redirect leads to.
    redirect_to: Option<String>,
}

/// What the API at an endpoint means by a status, and what to do about it, as whole sentences.
#[derive(Debug)]
pub(crate) struct ErrorHints {
    /// 400.
    pub(crate) bad_request: &'static str,
    /// 401, where no new token can help.
    pub(crate) unauthorized: &'static str,
    /// 403.
    pub(crate) forbidden: &'static str,
    /// What a body that is too large calls for.
    pub(crate) too_large: &'static str,
}

// === impl Response ===

impl Response {
    pub(crate) const fn new(head: Head, guard: RequestGuard) -> Self {
        Self { head, guard }
    }

    /// The body turned out not to be what the API documents; `what` is what was seen, without a full stop.
    ///
    /// The body itself is not shown: unlike an error's, it is data of people.
    pub(crate) fn undecodable(mut self, what: &str) -> Failure {
        self.guard.counts_as(ResponseCode::Decode);
        let Head { endpoint, peer, keys, status, content_type, content_encoding, .. } = self.head;
        let is_json = content_type.as_deref().is_none_or(|value| value.to_ascii_lowercase().contains("json"));
        let message = if let Some(encoding) = content_encoding {
            format!("{peer} answered {status} in the encoding {encoding}, which was not asked for.")
        } else if let (false, Some(content_type)) = (is_json, content_type) {
            format!(
                "{peer} answered {status} with {content_type} instead of JSON. The address may be wrong, or a proxy or \
                login page may be in between: check {keys}."
            )
        } else {
            format!("The answer of {peer} ({status}) is not what the API documents: {what}.")
        };
        Failure::new(endpoint, ErrorKind::Decode, message)
    }

    /// The same for JSON that could not be read. The error's own text is not shown, as it may quote the body.
    pub(crate) fn unreadable(self, error: &serde_json::Error) -> Failure {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            // A server that ends an answer by closing the connection cuts it like this.
            Category::Eof => {
                self.undecodable(&format!("it ends early ({place})")).with_retry(RetryPolicy::AfterBackoff)
            }
            Category::Syntax => self.undecodable(&format!("it is not JSON ({place})")),
            Category::Data | Category::Io => self.undecodable(&format!("it has another shape ({place})")),
        }
    }
}

// === impl Head ===

impl Head {
    pub(crate) fn new(
        endpoint: Endpoint,
        peer: &Target,
        url: &Url,
        status: u16,
        headers: &HeaderMap,
        redactor: &Redactor,
    ) -> Self {
        let text = |name: HeaderName| {
            let value = headers.get(name)?;
            Some(redactor.clean(&String::from_utf8_lossy(value.as_bytes()))).filter(|text| !text.is_empty())
        };
        // Only the host is shown: the rest of the address may carry what was sent.
        let redirect_to = headers
            .get(LOCATION)
            .and_then(|value| url.join(value.to_str().ok()?).ok())
            .and_then(|target| target.host_str().map(|host| redactor.clean(host)));
        Self {
            endpoint,
            peer: peer.name.clone(),
            keys: peer.keys,
            status,
            description: text(STATUS_DESCRIPTION),
            content_type: text(CONTENT_TYPE),
            content_encoding: text(CONTENT_ENCODING),
            redirect_to,
        }
    }

    pub(crate) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// A success whose body is over `limit` bytes.
    pub(crate) fn too_large(&self, limit: usize, advice: &ErrorHints) -> Failure {
        let Self { endpoint, peer, .. } = self;
        let mebibytes = limit / (1024 * 1024);
        let limit = if mebibytes > 0 { format!("{mebibytes} MiB") } else { format!("{} KiB", limit / 1024) };
        let message = format!("The answer of {peer} is larger than {limit}. {}", advice.too_large);
        Failure::new(*endpoint, ErrorKind::TooMuch, message)
    }

    /// What an answer that is no success means. `body` is what is to be shown of it.
    pub(crate) fn refusal(&self, advice: &ErrorHints, body: Option<&str>) -> Failure {
        let Self { endpoint, peer, keys, status, .. } = self;
        let said = body.filter(|body| !body.is_empty()).or(self.description.as_deref());
        let said = said.map_or_else(String::new, |said| format!(" It said: {said}"));
        let fail = |kind, message: String| Failure::new(*endpoint, kind, message);
        match status {
            400 => fail(
                ErrorKind::BadRequest,
                format!("{peer} refused the request as wrong (400). {}{said}", advice.bad_request),
            )
            .with_scope(Scope::AllAlike),
            401 => fail(ErrorKind::Unauthorized, format!("{peer} refused access (401). {}", advice.unauthorized))
                .with_retry(RetryPolicy::WithNewToken)
                .with_scope(Scope::Tenant),
            403 => fail(ErrorKind::Forbidden, format!("{peer} refused access (403). {}", advice.forbidden))
                .with_scope(Scope::Tenant),
            404 => fail(
                ErrorKind::UnexpectedStatus,
                format!(
                    "{peer} does not know the {} API (404). Check that {keys} is the tenant's own.",
                    endpoint.label()
                ),
            )
            .with_scope(Scope::AllAlike),
            408 => fail(ErrorKind::Timeout, format!("{peer} waited too long for the request (408)."))
                .with_retry(RetryPolicy::AfterBackoff),
            429 => {
                fail(ErrorKind::RateLimited { retry_after: None }, format!("{peer} limits the rate of requests (429)."))
                    .with_retry(RetryPolicy::AfterRateLimit)
                    .with_scope(Scope::Tenant)
            }
            300..=399 => {
                let target = self.redirect_to.as_deref().unwrap_or("an address that cannot be read");
                fail(
                    ErrorKind::UnexpectedStatus,
                    format!(
                        "{peer} redirects to {target} ({status}). Redirects are not followed, as that would hand \
                        credentials to another address: set {keys} to the tenant's own."
                    ),
                )
                .with_scope(Scope::Tenant)
            }
            500..=599 => fail(ErrorKind::Server, format!("{peer} failed ({status}), which is for CXone to mend."))
                .with_retry(RetryPolicy::AfterBackoff),
            _ => fail(
                ErrorKind::UnexpectedStatus,
                format!("{peer} answered with an unexpected status ({status}).{said}"),
            )
            .with_scope(Scope::AllAlike),
        }
    }
}
