//! The HTTP client of a tenant.
//!
//! Every request to a tenant goes through [`Client::exchange`], so limits, observer and redaction hold for all of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, DATE, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::{Host, Url};

use super::body::{BodyError, BodyReader, Encoding, INPUT_STEP};
use super::clock_skew::ClockSkew;
use super::errors::{self, Target};
use super::proxy;
use super::redact::Redactor;
use super::request_guard::RequestGuard;
use super::response::{ErrorHints, Head, Response};
use super::root_certs;
use crate::clock::{Clock, Monotonic};
use crate::config::{Api, Tenant};
use crate::presence::Rejections;
use crate::upstream::auth::Token;
use crate::upstream::failure::{Failure, QueryRule};
use crate::upstream::rate::retry_after::{self, MAX_RETRY_AFTER};
use crate::upstream::rate::{RateGate, RateLimiter, RateStatus};
use crate::upstream::{BuildError, Endpoint, ErrorKind, Observer, ResponseCode};

/// The most that is read of an error response. Only a sentence of it is ever shown.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The most memory that is reserved because of `Content-Length`, before any of the body has arrived.
const MAX_TRUSTED_LENGTH: usize = 1024 * 1024;

/// A larger body is read and decoded one at a time. Real pages are smaller, so this delays none of them; and several bodies
/// made to hurt, which are allowed some 64 MiB each, do not add up.
pub(super) const LARGE_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How long an idle connection is kept. The requests of one refresh share connections. Until the next refresh, usually
/// a minute later, many servers would have closed them, and a request on a closed connection is lost.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// 429 Too Many Requests.
const TOO_MANY_REQUESTS: u16 = 429;

/// 204 No Content.
const NO_CONTENT: u16 = 204;

/// 205 Reset Content.
const RESET_CONTENT: u16 = 205;

/// What the body of a response without content is decoded as: no data, where a blank body of another status is no answer.
const EMPTY_OBJECT: &[u8] = b"{}";

/// Sends requests to one tenant.
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: Url,
    /// Whether the environment names a proxy for these requests.
    proxied: bool,
    api: Api,
    request_timeout: Duration,
    pub(crate) tenant: String,
    clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) limiter: RateLimiter,
    redactor: Redactor,
    skew: ClockSkew,
    /// The right to hold a body over [`LARGE_BODY_BYTES`].
    large_body: Arc<Semaphore>,
    /// Whether failed requests are sent again.
    pub(crate) retries: bool,
}

/// A request that can be sent any number of times.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) endpoint: Endpoint,
    pub(crate) http: reqwest::Request,
    /// The largest accepted body after decompression, in bytes.
    pub(crate) body_limit: usize,
    pub(crate) hints: &'static ErrorHints,
}

/// Why the body of a response cannot be read.
enum ReadError {
    Exchange(reqwest::Error),
    Body(BodyError),
}

// === impl Request ===

impl Request {
    /// Builds the request.
    ///
    /// # Errors
    ///
    /// Fails if a header or the address is invalid.
    pub(crate) fn new(
        endpoint: Endpoint,
        http: reqwest::RequestBuilder,
        body_limit: usize,
        hints: &'static ErrorHints,
    ) -> Result<Self, Failure> {
        let http = http.build().map_err(|_| unsendable(endpoint))?;
        Ok(Self { endpoint, http, body_limit, hints })
    }
}

// === impl Client ===

impl Client {
    pub(crate) fn new(
        tenant: &Tenant,
        limiter: RateLimiter,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let local = is_loopback(&tenant.connection.base_url);
        let plain = tenant.connection.base_url.scheme() == "http";
        // Discovered addresses may use https even if the first one does not.
        let stays_plain = plain
            && tenant.official.as_ref().is_none_or(|official| {
                official.allowed_hosts.is_empty()
                    && official.api_endpoint.as_ref().is_none_or(|endpoint| endpoint.scheme() == "http")
            });
        let request_timeout = tenant.limits.request_timeout;
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("cxone-exporter/", env!("CARGO_PKG_VERSION")))
            // Credentials go to the configured host only.
            .redirect(redirect::Policy::none())
            .referer(false)
            .https_only(!plain)
            .http1_only()
            // `BodyReader` decompresses, within the limit of the request.
            .no_gzip()
            // `Client::fetch_with` counts and spaces retries, so reqwest must not add its own.
            .retry(reqwest::retry::never())
            .connect_timeout(errors::connect_timeout(request_timeout))
            .timeout(request_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(tenant.limits.max_concurrent_requests);
        if local {
            http = http.no_proxy();
        }
        // Without TLS no certificates are needed, and reading the system's takes longer than the rest of this function.
        let tls = if stays_plain { root_certs::without_roots() } else { root_certs::system(&*clock) };
        let tls = tls.map_err(|error| BuildError::new(&tenant.name, &error))?;
        let http =
            http.tls_backend_preconfigured(tls).build().map_err(|error| BuildError::new(&tenant.name, &error))?;
        let access_key = tenant.official.iter().map(|official| &official.access_key_secret.value);
        let secrets = std::iter::once(&tenant.connection.client_secret.value).chain(access_key);
        // A server's own words may name agents by id.
        let hides_bodies = tenant.privacy.hides_ids();
        Ok(Self {
            http,
            base_url: tenant.connection.base_url.clone(),
            proxied: !local && proxy::is_set(),
            api: tenant.api,
            request_timeout,
            tenant: tenant.name.clone(),
            clock,
            observer,
            limiter,
            redactor: Redactor::new(secrets, hides_bodies),
            skew: ClockSkew::default(),
            large_body: Arc::new(Semaphore::new(1)),
            retries: true,
        })
    }

    /// The address of `path`, which begins with a slash, at the tenant.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&(prefix + path));
        url
    }

    pub(crate) fn get(&self, url: Url) -> reqwest::RequestBuilder {
        with_headers(self.http.get(url))
    }

    pub(crate) fn post(&self, url: Url) -> reqwest::RequestBuilder {
        with_headers(self.http.post(url))
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn gate(&self) -> &RateGate {
        self.limiter.gate()
    }

    pub(crate) fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }

    /// How far the server's clock was behind at its last response, in whole seconds; zero if ahead or unknown.
    pub(crate) fn behind(&self) -> Duration {
        self.skew.behind()
    }

    /// Reports records of a list that is no part of a refresh.
    pub(crate) fn observe_rejections(&self, rejections: &Rejections) {
        self.observer.rejected(rejections);
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Sends `request` once. The body of a success is in `body`.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        token: Option<&Token>,
        body: &mut Vec<u8>,
    ) -> Result<Response, Failure> {
        body.clear();
        // Only a streamed body cannot be cloned, and no request has one.
        let mut http = request.http.try_clone().ok_or_else(|| unsendable(request.endpoint))?;
        if let Some(token) = token {
            http.headers_mut().insert(AUTHORIZATION, token.authorization.clone());
        }
        let target = self.target(request.http.url());
        let sent = self.clock.monotonic();
        let mut guard = RequestGuard::new(request.endpoint, &self.clock, &self.observer);
        let mut response = match self.http.execute(http).await {
            Ok(response) => response,
            Err(error) => {
                let target = if target.proxied {
                    Target { proxy_status: proxy::refusal(&error, request.http.url()).await, ..target }
                } else {
                    target
                };
                return Err(self.classify_error(error, request.endpoint, &target, guard));
            }
        };
        let status = response.status().as_u16();
        let head = Head::new(request.endpoint, &target, request.http.url(), status, response.headers(), &self.redactor);
        self.process_headers(&response);
        if status == TOO_MANY_REQUESTS {
            self.lower_budget(sent);
        }

        if !head.is_success() {
            guard.set_code(ResponseCode::Status(status));
            let text = self.read_error_body(&mut response, &mut guard, body).await;
            guard.end();
            let shown = text.as_deref().and_then(|text| self.redactor.quote(text));
            let body_rule = text.as_deref().and_then(QueryRule::of);
            let failure = head.status_failure(request.hints, shown.as_deref());
            return Err(Failure { broken_rule: body_rule.or(failure.broken_rule), ..failure });
        }
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        if announced > request.body_limit {
            guard.set_code(ResponseCode::Decode);
            return Err(head.too_large(request.body_limit, request.hints));
        }
        body.reserve(announced.min(MAX_TRUSTED_LENGTH));
        let large_body = match self.read_body(&mut response, request.body_limit, &mut guard, body).await {
            Ok(large_body) => large_body,
            Err(ReadError::Exchange(error)) => {
                return Err(self.classify_error(error, request.endpoint, &target, guard));
            }
            Err(ReadError::Body(error)) => {
                let (code, failure) = match error {
                    BodyError::TooLarge => (ResponseCode::Decode, head.too_large(request.body_limit, request.hints)),
                    BodyError::Encoding(reason) => errors::bad_encoding(&reason, request.endpoint, &target),
                    BodyError::Cut => errors::cut_encoding(request.endpoint, &target),
                };
                guard.set_code(code);
                return Err(failure);
            }
        };
        if matches!(status, NO_CONTENT | RESET_CONTENT) {
            body.clear();
            body.extend_from_slice(EMPTY_OBJECT);
        }
        guard.set_code(ResponseCode::Status(status));
        guard.end();
        Ok(Response::new(head, guard, large_body))
    }

    /// Reads the body of `response` into `body`. Returns the right to hold it, if it is a large one.
    async fn read_body(
        &self,
        response: &mut reqwest::Response,
        limit: usize,
        guard: &mut RequestGuard,
        body: &mut Vec<u8>,
    ) -> Result<Option<OwnedSemaphorePermit>, ReadError> {
        let mut reader = BodyReader::new(Encoding::of(response.headers()), body, limit);
        let (mut large_body, mut counted) = (None, 0);
        while let Some(chunk) = response.chunk().await.map_err(ReadError::Exchange)? {
            for part in chunk.chunks(INPUT_STEP) {
                let pushed = reader.push(part);
                guard.add_bytes(reader.decoded() - counted);
                counted = reader.decoded();
                pushed.map_err(ReadError::Body)?;
                if counted > LARGE_BODY_BYTES && large_body.is_none() {
                    // It is never closed.
                    large_body = Arc::clone(&self.large_body).acquire_owned().await.ok();
                }
            }
        }
        let finished = reader.finish();
        guard.add_bytes(reader.decoded() - counted);
        finished.map_err(ReadError::Body)?;
        Ok(large_body)
    }

    /// The text of an error response. Its status is known already, so a failure to read it changes nothing.
    async fn read_error_body(
        &self,
        response: &mut reqwest::Response,
        guard: &mut RequestGuard,
        body: &mut Vec<u8>,
    ) -> Option<String> {
        if Encoding::of(response.headers()) == Encoding::Unknown {
            return None;
        }
        // A cut could split a secret, which would then not be found, so nothing is shown of a body over the limit.
        self.read_body(response, MAX_ERROR_BYTES, guard, body).await.ok()?;
        Some(String::from_utf8_lossy(body).into_owned())
    }

    /// Closes the gate for `Retry-After`, whatever the status, and records the clock skew.
    fn process_headers(&self, response: &reqwest::Response) {
        let now = self.clock.now();
        let server_now = response.headers().get(DATE).and_then(|date| retry_after::http_date(date.as_bytes()));
        if let Some(server_now) = server_now {
            self.skew.record(now, server_now, &self.tenant, &*self.observer);
        }
        let values = response.headers().get_all(RETRY_AFTER).into_iter().map(HeaderValue::as_bytes);
        let Some(asked) = retry_after::longest(values, server_now.unwrap_or(now)) else { return };
        let kept = asked.min(MAX_RETRY_AFTER);
        if kept < asked {
            self.observer.retry_after_capped(asked, kept);
            tracing::warn!(
                tenant = self.tenant,
                asked_seconds = asked.as_secs(),
                kept_seconds = kept.as_secs(),
                "Retry-After capped"
            );
        }
        self.gate().close_for(kept);
    }

    /// Lowers the budget after a 429 to a request that was sent at `sent`.
    fn lower_budget(&self, sent: Monotonic) {
        let Some(RateStatus { configured, allowed }) = self.limiter.rate_limited(sent) else { return };
        self.observer.budget(Some(allowed.per_minute()));
        tracing::info!(
            tenant = self.tenant,
            requests_per_minute = allowed.per_minute(),
            configured = configured.per_minute(),
            "request budget lowered after a 429"
        );
    }

    /// What messages say about the target of a request to `url`.
    fn target(&self, url: &Url) -> Target {
        let Self { proxied, api, request_timeout, .. } = *self;
        Target { name: authority(url), api, proxied, proxy_status: None, request_timeout }
    }

    fn classify_error(
        &self,
        error: reqwest::Error,
        endpoint: Endpoint,
        target: &Target,
        mut guard: RequestGuard,
    ) -> Failure {
        // The URL holds agent ids and page tokens.
        let (code, failure) = errors::classify_error(&error.without_url(), endpoint, target, &self.redactor);
        guard.set_code(code);
        failure
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("target", &authority(&self.base_url))
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}

fn with_headers(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    let request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
    request.header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
}

fn unsendable(endpoint: Endpoint) -> Failure {
    Failure::new(endpoint, ErrorKind::Connect, "The request cannot be built.")
}

/// The host, and the port unless it is the default.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
