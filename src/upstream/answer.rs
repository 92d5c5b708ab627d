//! An answer's status and headers, and what to tell a person about the ones that are no success.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use serde_json::error::Category;
use url::Url;

use super::failure::{Failure, Remedy, Scope};
use super::redact::Redactor;
use super::report::Report;
use super::transport::Peer;
use super::{Endpoint, ErrorKind, ResponseCode};

/// Where the official API says what is wrong, often with no body beside it.
const STATUS_DESCRIPTION: HeaderName = HeaderName::from_static("icstatusdescription");

/// An answer whose body has been read in full.
#[derive(Debug)]
pub(super) struct Answer {
    head: Head,
    report: Report,
}

/// What an answer said before its body, fit to be shown.
#[derive(Debug)]
pub(super) struct Head {
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
pub(super) struct Advice {
    /// 400.
    pub(super) bad_request: &'static str,
    /// 401, where no new token can help.
    pub(super) unauthorized: &'static str,
    /// 403.
    pub(super) forbidden: &'static str,
    /// What a body that is too large calls for.
    pub(super) too_large: &'static str,
}

// === impl Answer ===

impl Answer {
    pub(super) const fn new(head: Head, report: Report) -> Self {
        Self { head, report }
    }

    /// The body turned out not to be what the API documents; `what` is what was seen, without a full stop.
    ///
    /// The body itself is not shown: unlike an error's, it is data of people.
    pub(super) fn undecodable(mut self, what: &str) -> Failure {
        self.report.counts_as(ResponseCode::Decode);
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
    pub(super) fn unreadable(self, error: &serde_json::Error) -> Failure {
        let place = format!("line {}, column {}", error.line(), error.column());
        match error.classify() {
            // A server that ends an answer by closing the connection cuts it like this.
            Category::Eof => self.undecodable(&format!("it ends early ({place})")).heals_by(Remedy::AnotherTry),
            Category::Syntax => self.undecodable(&format!("it is not JSON ({place})")),
            Category::Data | Category::Io => self.undecodable(&format!("it has another shape ({place})")),
        }
    }
}

// === impl Head ===

impl Head {
    pub(super) fn new(
        endpoint: Endpoint,
        peer: &Peer,
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

    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// A success whose body is over `limit` bytes.
    pub(super) fn too_large(&self, limit: usize, advice: &Advice) -> Failure {
        let Self { endpoint, peer, .. } = self;
        let mebibytes = limit / (1024 * 1024);
        let limit = if mebibytes > 0 { format!("{mebibytes} MiB") } else { format!("{} KiB", limit / 1024) };
        let message = format!("The answer of {peer} is larger than {limit}. {}", advice.too_large);
        Failure::new(*endpoint, ErrorKind::TooMuch, message)
    }

    /// What an answer that is no success means. `body` is what is to be shown of it.
    pub(super) fn refusal(&self, advice: &Advice, body: Option<&str>) -> Failure {
        let Self { endpoint, peer, keys, status, .. } = self;
        let said = body.filter(|body| !body.is_empty()).or(self.description.as_deref());
        let said = said.map_or_else(String::new, |said| format!(" It said: {said}"));
        let fail = |kind, message: String| Failure::new(*endpoint, kind, message);
        match status {
            400 => fail(
                ErrorKind::BadRequest,
                format!("{peer} refused the request as wrong (400). {}{said}", advice.bad_request),
            )
            .concerns(Scope::AllAlike),
            401 => fail(ErrorKind::Unauthorized, format!("{peer} refused access (401). {}", advice.unauthorized))
                .heals_by(Remedy::NewToken)
                .concerns(Scope::Tenant),
            403 => fail(ErrorKind::Forbidden, format!("{peer} refused access (403). {}", advice.forbidden))
                .concerns(Scope::Tenant),
            404 => fail(
                ErrorKind::UnexpectedStatus,
                format!(
                    "{peer} does not know the {} API (404). Check that {keys} is the tenant's own.",
                    endpoint.label()
                ),
            )
            .concerns(Scope::AllAlike),
            408 => fail(ErrorKind::Timeout, format!("{peer} waited too long for the request (408)."))
                .heals_by(Remedy::AnotherTry),
            429 => {
                fail(ErrorKind::RateLimited { retry_after: None }, format!("{peer} limits the rate of requests (429)."))
                    .heals_by(Remedy::Patience)
                    .concerns(Scope::Tenant)
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
                .concerns(Scope::Tenant)
            }
            500..=599 => fail(ErrorKind::Server, format!("{peer} failed ({status}), which is for CXone to mend."))
                .heals_by(Remedy::AnotherTry),
            _ => fail(
                ErrorKind::UnexpectedStatus,
                format!("{peer} answered with an unexpected status ({status}).{said}"),
            )
            .concerns(Scope::AllAlike),
        }
    }
}
