//! The HTTP client of one tenant: one exchange with all its limits, repeated where that may help.
//!
//! Every request to a tenant, whatever its API, goes through [`Client::ask`], so the rate gate, the
//! limits, the observer and the redaction hold for all of them. It knows no path and no token.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, DATE, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use url::{Host, Url};

use super::errors::{self, Target};
use super::redact::Redactor;
use super::request_guard::RequestGuard;
use super::response::{ErrorHints, Head, Response};
use super::root_certs;
use crate::clock::{Clock, Monotonic};
use crate::config::Tenant;
use crate::presence::Timestamp;
use crate::upstream::failure::{Failure, RetryPolicy};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::rate::RateGate;
use crate::upstream::rate::RateLimiter;
use crate::upstream::rate::RateStatus;
use crate::upstream::rate::retry_after::{self, MAX_RETRY_AFTER};
use crate::upstream::rate::{Attempts, MAX_RATE_LIMITED};
use crate::upstream::{BuildError, Endpoint, ErrorKind, Observer, ResponseCode};

/// The most that is read of an answer that is no success. Only a sentence of it is ever shown.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The memory that is set aside for an answer on its own word, before any of it has come.
const MAX_TRUSTED_LENGTH: usize = 1024 * 1024;

/// How long an idle connection is kept. The requests of one refresh share connections; until the next
/// refresh, usually a minute later, many servers would have closed them, and a request that meets
/// such a connection is lost.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// How far the server's clock may be from ours before it is said to be: `Date` has whole seconds, an
/// answer may be a while under way, and windows of hours are not hurt by less than this.
pub const CLOCK_SKEW_TOLERANCE: Duration = Duration::from_secs(60);

/// Once the clocks are said to differ, they do so until they are this close: a difference about as large as the
/// tolerance must not be told with every other answer.
const CLOCK_SKEW_GONE: Duration = Duration::from_secs(30);

/// The status of a request that came too soon after others.
const TOO_MANY_REQUESTS: u16 = 429;

/// The keys that the presence API's address comes from.
const PRESENCE_KEYS: &str = "`domain` or `base_url`";

/// The keys that the official API's addresses come from.
const OFFICIAL_KEYS: &str = "`issuer`, `area` or `api_endpoint`";

/// Sends requests to one tenant.
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: Url,
    /// Whether the environment names a proxy that requests go through.
    proxied: bool,
    /// The keys of the configuration that addresses come from.
    keys: &'static str,
    request_timeout: Duration,
    tenant: String,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    limits: RateLimiter,
    redactor: Redactor,
    /// Whether the server's clock was noticeably off at its last answer.
    skewed: AtomicBool,
    /// How many whole seconds the server's clock was behind ours at its last answer.
    behind_seconds: AtomicU64,
    /// Whether a request that failed is sent again.
    pub(crate) repeats: bool,
}

/// A request that can be sent any number of times.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) endpoint: Endpoint,
    pub(crate) http: reqwest::Request,
    /// The most that a successful answer may have after decompression, in bytes.
    pub(crate) body_limit: usize,
    pub(crate) advice: &'static ErrorHints,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(
        tenant: &Tenant,
        limits: RateLimiter,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, BuildError> {
        let local = is_loopback(&tenant.base_url);
        let plain = tenant.base_url.scheme() == "http";
        // Addresses that are found out later may be by https, even where the first one is not.
        let stays_plain = plain
            && tenant.official.as_ref().is_none_or(|official| {
                official.allowed_hosts.is_empty()
                    && official.api_endpoint.as_ref().is_none_or(|endpoint| endpoint.scheme() == "http")
            });
        let request_timeout = tenant.request_timeout;
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("cxone-exporter/", env!("CARGO_PKG_VERSION")))
            // A token or a secret goes to the configured host and to nobody else.
            .redirect(redirect::Policy::none())
            .referer(false)
            .https_only(!plain)
            .http1_only()
            .gzip(true)
            // Repetitions are counted and spaced here; nothing below may repeat by itself.
            .retry(reqwest::retry::never())
            .connect_timeout(errors::connect_timeout(request_timeout))
            .timeout(request_timeout)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(tenant.max_concurrent_requests);
        if local {
            http = http.no_proxy();
        }
        // Without TLS no certificates are needed, and reading the system's takes longer than all else here.
        let tls = if stays_plain { root_certs::nobody() } else { root_certs::system(&*clock) };
        let tls = tls.map_err(|error| BuildError::new(&tenant.name, &error))?;
        let http =
            http.tls_backend_preconfigured(tls).build().map_err(|error| BuildError::new(&tenant.name, &error))?;
        let access_key = tenant.official.iter().map(|official| (&*official.access_key_id, &official.access_key_secret));
        let client = std::iter::once((&*tenant.client_id, &tenant.client_secret));
        let redactor = Redactor::new(client.chain(access_key));
        let keys = if tenant.official.is_some() { OFFICIAL_KEYS } else { PRESENCE_KEYS };
        let (base_url, tenant) = (tenant.base_url.clone(), tenant.name.clone());
        Ok(Self {
            http,
            base_url,
            proxied: !local && proxy_is_set(),
            keys,
            request_timeout,
            tenant,
            clock,
            observer,
            limits,
            redactor,
            skewed: AtomicBool::new(false),
            behind_seconds: AtomicU64::new(0),
            repeats: true,
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
        self.http.get(url).header(ACCEPT, HeaderValue::from_static("application/json"))
    }

    pub(crate) fn post(&self, url: Url) -> reqwest::RequestBuilder {
        self.http.post(url).header(ACCEPT, HeaderValue::from_static("application/json"))
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn gate(&self) -> &RateGate {
        self.limits.gate()
    }

    pub(crate) fn limits(&self) -> &RateLimiter {
        &self.limits
    }

    /// How far the server's clock was behind ours at its last answer, to the second; zero where it was ahead, or did not
    /// tell.
    pub(crate) fn behind(&self) -> Duration {
        Duration::from_secs(self.behind_seconds.load(Ordering::Relaxed))
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Sends `request` until it succeeds, cannot succeed, or `context` has no more time for it. The
    /// answer's body is in `body`, which is emptied first.
    ///
    /// `attempts` go on counting where the caller has reasons of its own to ask once more.
    pub(crate) async fn ask(
        &self,
        request: &Request,
        body: &mut Vec<u8>,
        attempts: &mut Attempts,
        context: &FetchContext,
    ) -> Result<Response, Failure> {
        let mut last: Option<Failure> = None;
        loop {
            context.check_cancelled()?;
            if let Err(held_back) = self.limits.admit(context.deadline, &*self.observer).await {
                let peer = authority(request.http.url());
                return Err(self.limits.explained(held_back, request.endpoint, &peer, last));
            }
            // While this one waited, another may have found that there is no point.
            context.check_cancelled()?;
            if attempts.send() {
                self.observer.retry();
            }
            match self.exchange(request, body).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => last = Some(self.wait_after(failure, attempts, context).await?),
            }
        }
    }

    /// Waits as long as is right after `failure`, or hands it back where nothing is to be gained by waiting.
    pub(crate) async fn wait_after(
        &self,
        failure: Failure,
        attempts: &mut Attempts,
        context: &FetchContext,
    ) -> Result<Failure, Failure> {
        match failure.retry {
            _ if !self.repeats => return Err(failure),
            RetryPolicy::Never | RetryPolicy::WithNewToken => return Err(failure),
            RetryPolicy::AfterBackoff => {
                let Some(wait) = attempts.failed() else { return Err(failure) };
                let until = self.clock.monotonic() + wait;
                if self.gate().opens() >= Some(until) {
                    // The server has said how long to wait, which is longer; the gate sees to that.
                    return Ok(failure);
                }
                if until >= context.deadline {
                    return Err(failure);
                }
                tracing::debug!(
                    tenant = self.tenant,
                    endpoint = failure.error.endpoint.label(),
                    wait_seconds = wait.as_secs_f64(),
                    reason = %failure.error,
                    "a request is to be repeated"
                );
                self.clock.sleep_until(until).await;
            }
            RetryPolicy::AfterRateLimit => {
                let Some(wait) = attempts.rate_limited() else {
                    let retry_after = self.gate().opens().map(|opens| opens.saturating_since(self.clock.monotonic()));
                    let mut failure = failure;
                    failure.error.kind = ErrorKind::RateLimited { retry_after };
                    failure.error.message += &format!(
                        " It did so {MAX_RATE_LIMITED} times in a row for one request. Raise `cooldown`, or lower \
                        `max_concurrent_requests`."
                    );
                    return Err(failure);
                };
                // A server that says how long has closed the gate by now. One that does not is still
                // better left alone by everybody, not just by this request.
                if self.gate().opens().is_none() {
                    self.gate().close_for(wait);
                }
            }
        }
        Ok(failure)
    }

    /// One request, one answer.
    async fn exchange(&self, request: &Request, body: &mut Vec<u8>) -> Result<Response, Failure> {
        body.clear();
        let Some(http) = request.http.try_clone() else {
            // Only bodies that are streams cannot be copied, and none of ours is.
            return Err(Failure::new(request.endpoint, ErrorKind::Connect, "The request cannot be sent."));
        };
        let peer = self.peer(request.http.url());
        let sent = self.clock.monotonic();
        let mut guard = RequestGuard::new(request.endpoint, &self.clock, &self.observer);
        let mut response = match self.http.execute(http).await {
            Ok(response) => response,
            Err(error) => return Err(self.classify_error(error, request.endpoint, &peer, guard)),
        };
        let status = response.status().as_u16();
        let head = Head::new(request.endpoint, &peer, request.http.url(), status, response.headers(), &self.redactor);
        self.process_headers(&response);
        if status == TOO_MANY_REQUESTS {
            self.slow_down(sent);
        }

        if !head.is_success() {
            guard.counts_as(ResponseCode::Status(status));
            let shown = self.read_refusal(&mut response, &mut guard, body).await;
            guard.end();
            return Err(head.refusal(request.advice, shown.as_deref()));
        }
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let mut too_large = announced > request.body_limit;
        body.reserve(announced.min(MAX_TRUSTED_LENGTH));
        while !too_large {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    guard.read(chunk.len());
                    too_large = body.len() + chunk.len() > request.body_limit;
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => {
                    guard.counts_as(ResponseCode::Status(status));
                    guard.end();
                    return Ok(Response::new(head, guard));
                }
                Err(error) => return Err(self.classify_error(error, request.endpoint, &peer, guard)),
            }
        }
        guard.counts_as(ResponseCode::Decode);
        Err(head.too_large(request.body_limit, request.advice))
    }

    /// What is to be shown of an answer that is no success. That it is one is known already, so nothing
    /// that goes wrong from here on matters.
    async fn read_refusal(
        &self,
        response: &mut reqwest::Response,
        guard: &mut RequestGuard,
        body: &mut Vec<u8>,
    ) -> Option<String> {
        while let Some(chunk) = response.chunk().await.ok()? {
            guard.read(chunk.len());
            if body.len() + chunk.len() > MAX_ERROR_BYTES {
                // A secret could lie across the cut, so none of it is shown.
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        Some(self.redactor.clean(&String::from_utf8_lossy(body)))
    }

    /// Closes the gate for `Retry-After`, whatever the status, and looks at the server's clock.
    fn process_headers(&self, response: &reqwest::Response) {
        let now = self.clock.now();
        let server_now = response.headers().get(DATE).and_then(|date| retry_after::http_date(date.as_bytes()));
        if let Some(server_now) = server_now {
            self.heed_clock(now, server_now);
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
                "Retry-After asks for more patience than is granted"
            );
        }
        self.gate().close_for(kept);
    }

    /// Lowers the budget after a 429 to a request that was sent at `sent`.
    fn slow_down(&self, sent: Monotonic) {
        let Some(RateStatus { configured, allowed }) = self.limits.refused(sent) else { return };
        self.observer.budget(Some(allowed.per_minute()));
        tracing::info!(
            tenant = self.tenant,
            requests_per_minute = allowed.per_minute(),
            configured = configured.per_minute(),
            "CXone limits the rate of requests, so fewer are sent for a while"
        );
    }

    /// Tells when the server's clock begins to be noticeably off, and when it is right again.
    fn heed_clock(&self, now: Timestamp, server_now: Timestamp) {
        let behind = now.saturating_since(server_now).get() / 1_000_000;
        self.behind_seconds.store(behind, Ordering::Relaxed);
        let was_skewed = self.skewed.load(Ordering::Relaxed);
        let ahead_seconds = noticeable_skew(now, server_now, was_skewed);
        self.observer.clock_skew(ahead_seconds);
        let is_skewed = ahead_seconds != 0;
        // Of several answers at once, one finds it changed.
        if self.skewed.swap(is_skewed, Ordering::Relaxed) == is_skewed {
            return;
        }
        if is_skewed {
            tracing::warn!(
                tenant = self.tenant,
                ahead_seconds,
                "the clock of CXone and this machine's differ, so windows are not where they should be: check this machine's NTP"
            );
        } else {
            tracing::info!(tenant = self.tenant, "the clock of CXone and this machine's agree again");
        }
    }

    /// Whom a request to `url` is sent to.
    fn peer(&self, url: &Url) -> Target {
        let Self { proxied, keys, request_timeout, .. } = *self;
        Target { name: authority(url), keys, proxied, request_timeout }
    }

    fn classify_error(
        &self,
        error: reqwest::Error,
        endpoint: Endpoint,
        peer: &Target,
        mut guard: RequestGuard,
    ) -> Failure {
        // The address holds agents and page tokens, and is of no help to anybody.
        let (code, failure) = errors::classify_error(&error.without_url(), endpoint, peer, &self.redactor);
        guard.counts_as(code);
        failure
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &authority(&self.base_url))
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How far the server's clock is ahead of ours in whole seconds, zero where that is not worth a word.
fn noticeable_skew(now: Timestamp, server_now: Timestamp, was_skewed: bool) -> i64 {
    let ahead = server_now.micros().saturating_sub(now.micros());
    let tolerance = if was_skewed { CLOCK_SKEW_GONE } else { CLOCK_SKEW_TOLERANCE };
    if u128::from(ahead.unsigned_abs()) <= tolerance.as_micros() { 0 } else { ahead / 1_000_000 }
}

fn authority(url: &Url) -> String {
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

/// Whether the environment names a proxy that requests by https may go through.
fn proxy_is_set() -> bool {
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
