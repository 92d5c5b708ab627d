//! Handles requests: records them, applies faults, and answers.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue,
    LOCATION, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::access_tokens::AccessTokens;
use super::api::agent_presence::Query;
use super::api::official::list_rows::{ListCache, ListContext};
use super::api::official::{ListKind, ListQuery, authentication};
use super::api::{Answer, token_endpoint};
use super::api_variants::ApiVariant;
use super::faults::{Endpoint, Fault, Faults};
use super::http_io::{Body, Closed, WriteLimit, read_body};
use super::options::SimulatorOptions;
use super::request_log::{Entry, RequestLog, RequestRecord};
use super::timeline::Timeline;
use super::workforce::Workforce;
use crate::clock::{Clock, Sleep, whole_seconds};
use crate::presence::Timestamp;

/// Path of the token endpoint.
const TOKEN_PATH: &str = "/oauth/token";
/// Path of the presence endpoint.
const PRESENCE_PATH: &str = "/api/v2/reporting/agent-presence";
/// Bytes sent before a connection is cut within the headers. Every head is longer.
const PARTIAL_HEAD_BYTES: usize = 24;
/// Smaller bodies are not compressed, in bytes.
const MIN_COMPRESSED_BYTES: usize = 256;

/// The simulated tenant and its state.
pub(super) struct Tenant {
    pub(super) options: SimulatorOptions,
    pub(super) workforce: Workforce,
    pub(super) timeline: Timeline,
    pub(super) tokens: AccessTokens,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    list_cache: ListCache,
    /// When the tenant was created.
    started: Timestamp,
    pub(super) clock: Arc<dyn Clock>,
}

// === impl Tenant ===

/// Only the options: the rest is long and changes all the time.
impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Tenant {
    /// A tenant with these options. Its time is that of `clock`.
    pub(super) fn new(options: SimulatorOptions, clock: Arc<dyn Clock>) -> Self {
        let faults = Faults::default();
        options.faults.iter().cloned().for_each(|rule| faults.push(rule));
        Self {
            workforce: Workforce::new(options.seed, options.agents as usize),
            timeline: Timeline::new(options.time_scale),
            // After a restart, earlier tokens are unknown.
            tokens: AccessTokens::new(options.seed ^ clock.now().micros().cast_unsigned()),
            faults,
            log: RequestLog::default(),
            list_cache: ListCache::default(),
            started: clock.now(),
            clock,
            options,
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`Closed`] if the connection is to be closed without an answer.
    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
        write_limit: WriteLimit,
    ) -> Result<Response<Body>, Closed> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let call = ListKind::at(path);
        let endpoint = match path {
            TOKEN_PATH | authentication::GRANT_PATH | authentication::KEY_PATH => Endpoint::Token,
            PRESENCE_PATH => Endpoint::Presence,
            authentication::OPENID_PATH | authentication::TENANT_PATH => Endpoint::Discovery,
            _ if let Some(call) = &call => call.endpoint(),
            _ => {
                let answer = Answer::refusal(StatusCode::NOT_FOUND, "not_found", "there is nothing here");
                return Ok(answer.into_response(Body::whole));
            }
        };

        let entry = self.log.begin(RequestRecord {
            endpoint,
            at: self.clock.now(),
            monotonic: self.clock.monotonic(),
            agents: Vec::new(),
            page: 0,
            range: None,
            rows: 0,
            status: None,
            fault: None,
        });
        let fault = self.faults.take(endpoint);
        self.log.amend(entry, |record| record.fault = fault.as_ref().map(Fault::kind));
        let states_after =
            self.options.value(|variant| if let ApiVariant::StatesAfter(span) = variant { Some(*span) } else { None });
        if let Some(span) = states_after.filter(|_| endpoint == Endpoint::States) {
            self.sleep(span).await;
        }
        let answer = match endpoint {
            _ if fault == Some(Fault::Cut) => None,
            Endpoint::Token if head.method != Method::POST => Some(not_allowed("POST")),
            Endpoint::Token => Some(self.token(path, &head.headers, &read_body(body).await?, fault.as_ref())),
            _ if head.method != Method::GET => Some(not_allowed("GET")),
            Endpoint::Presence => Some(self.presence(&head.headers, head.uri.query(), fault.as_ref(), entry)),
            _ => Some(self.official(call, &head, fault.as_ref(), entry)),
        };

        let slow = if let Some(Fault::Slow(span)) = fault { span } else { Duration::ZERO };
        let wait = self.options.latency + slow;
        // A timer takes at least a millisecond, even for a zero wait.
        if !wait.is_zero() {
            self.sleep(wait).await;
        }
        let answer = answer.ok_or(Closed)?;
        let (answer, fault) = self.apply_fault(answer, fault);
        let accepts_gzip = accepts_gzip(&head.headers) && self.options.gzip;
        let answer = if self.options.has(ApiVariant::Bom) { with_byte_order_mark(answer) } else { answer };
        let answer = if accepts_gzip { compress(answer, &self.options) } else { answer };
        self.log.amend(entry, |record| {
            record.status = Some(answer.status.as_u16());
            record.rows = answer.rows;
        });
        self.log.answered(answer.rows, answer.body.len());
        // hyper would send the time of the machine instead of the tenant's clock.
        let answer = answer.with(DATE, text(&self.date()));
        Ok(answer.into_response(|bytes| match fault {
            Some(Fault::CutHeaders) => {
                write_limit.set(PARTIAL_HEAD_BYTES);
                Body::whole(bytes)
            }
            Some(Fault::CutBody) => Body::cut(bytes, write_limit),
            Some(Fault::SlowBody(span)) => Body::halting(bytes, self.sleep(span)),
            Some(Fault::Oversized(mebibytes)) => Body::blank(u64::from(mebibytes) * 1024 * 1024),
            _ => Body::whole(bytes),
        }))
    }

    fn token(&self, path: &str, headers: &HeaderMap, body: &[u8], fault: Option<&Fault>) -> Answer {
        if fault == Some(&Fault::Revoked) {
            self.tokens.revoke_all();
        }
        let (now, lifetime) = (self.clock.monotonic(), self.options.token_lifetime);
        match path {
            authentication::GRANT_PATH => authentication::grant(headers, body, &self.tokens, now, lifetime),
            authentication::KEY_PATH => authentication::access_key(body, &self.tokens, now, lifetime),
            _ => token_endpoint::answer(headers, body, &self.options.scope, &self.tokens, now, lifetime),
        }
    }

    /// A document or a list of the official API.
    fn official(&self, call: Option<ListKind>, head: &Parts, fault: Option<&Fault>, entry: Entry) -> Answer {
        if fault == Some(&Fault::Revoked) {
            self.tokens.revoke_all();
        }
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let base_url = format!("http://{host}");
        let Some(call) = call else {
            return match path {
                authentication::OPENID_PATH => authentication::openid(&base_url, fault),
                _ => {
                    let authorized = self.has_valid_token(&head.headers);
                    authentication::configuration(&base_url, query, authorized, &self.options, fault)
                }
            };
        };
        if let Some(refusal) = self.refuse_access(&head.headers) {
            return refusal;
        }
        let context = ListContext {
            options: &self.options,
            workforce: &self.workforce,
            timeline: &self.timeline,
            now: self.clock.now(),
            acw: self.acw(),
            base_url: &base_url,
            cache: &self.list_cache,
        };
        let query = match ListQuery::parse(call, path, query, &context) {
            Ok(query) => query,
            Err(refusal) => return *refusal,
        };
        self.log.amend(entry, |record| {
            record.agents = query.agent(&self.workforce).map(|agent| Arc::clone(&agent.id)).into_iter().collect();
            record.range = query.range;
            record.page = query.skip / query.top.max(1);
        });
        query.answer(&context, fault)
    }

    /// Whether the code of after-call work is marked as such now.
    pub(super) fn acw(&self) -> bool {
        let until =
            self.options.value(|variant| if let ApiVariant::AcwUntil(span) = variant { Some(*span) } else { None });
        until.is_none_or(|until| self.clock.now() < self.started + until)
    }

    fn presence(&self, headers: &HeaderMap, query: Option<&str>, fault: Option<&Fault>, entry: Entry) -> Answer {
        if fault == Some(&Fault::Revoked) {
            self.tokens.revoke_all();
        }
        let now = self.clock.now();
        let query = Query::parse(query.unwrap_or_default(), &self.options, &self.workforce, now);
        if let Ok(query) = &query {
            self.log.amend(entry, |record| {
                record.agents = query.agents().iter().map(|agent| Arc::clone(&agent.id)).collect();
                record.page = query.page_number(&self.options);
            });
        }
        if let Some(refusal) = self.refuse_access(headers) {
            return refusal;
        }
        match query {
            Ok(query) => query.answer(&self.options, &self.timeline, fault),
            Err(refusal) => *refusal,
        }
    }

    fn has_valid_token(&self, headers: &HeaderMap) -> bool {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| self.tokens.is_valid(token, self.clock.monotonic()))
    }

    fn refuse_access(&self, headers: &HeaderMap) -> Option<Answer> {
        if !self.has_valid_token(headers) {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            let message = "the access token is missing, expired or revoked";
            let answer = Answer::refusal(StatusCode::UNAUTHORIZED, "invalid_token", message);
            return Some(answer.with(WWW_AUTHENTICATE, challenge));
        }
        let scopes = self.options.scope.split([' ', ',']);
        if !scopes.into_iter().any(|scope| matches!(scope, "reporting:read" | "reporting:agent:read")) {
            return Some(Answer::refusal(
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "the scope reporting:read is missing",
            ));
        }
        None
    }

    /// Applies `fault` to the answer. Faults of the connection are applied by the caller.
    fn apply_fault(&self, answer: Answer, fault: Option<Fault>) -> (Answer, Option<Fault>) {
        let faulty = match &fault {
            Some(Fault::RateLimited(seconds)) => {
                let limited = Answer::refusal(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many requests");
                match seconds {
                    Some(seconds) => limited.with(RETRY_AFTER, HeaderValue::from(*seconds)),
                    None => limited,
                }
            }
            Some(Fault::RateLimitedUntil(seconds)) => {
                Answer::refusal(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many requests")
                    .with(RETRY_AFTER, text(&self.date_after(*seconds)))
            }
            Some(Fault::Status(code)) => {
                let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Answer::refusal(status, "simulated", status.canonical_reason().unwrap_or("a status on purpose"))
            }
            Some(Fault::Redirect(address)) => {
                Answer::refusal(StatusCode::TEMPORARY_REDIRECT, "moved", "it is elsewhere")
                    .with(LOCATION, text(address))
            }
            Some(Fault::Garbage) => Answer::json(b"<!DOCTYPE html><title>Maintenance</title><p>Back soon.".to_vec())
                .with(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            Some(Fault::Truncated) => {
                let mut answer = answer;
                answer.body.truncate(answer.body.len() / 2);
                answer
            }
            Some(Fault::Oversized(_) | Fault::NoBody) => Answer::json(Vec::new()),
            Some(Fault::Blank) => Answer::json(b" \r\n\t ".to_vec()),
            Some(Fault::ErrorObject) => Answer::json(br#"{"error":"internal","message":"try again later"}"#.to_vec()),
            _ => answer,
        };
        (faulty, fault)
    }

    /// The current HTTP date, rounded down to a second.
    fn date(&self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.since_epoch().as_secs()))
    }

    /// The HTTP date `seconds` from now, rounded up to a second.
    fn date_after(&self, seconds: u64) -> String {
        let whole = whole_seconds(self.since_epoch()).as_secs();
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(whole.saturating_add(seconds)))
    }

    fn since_epoch(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.clock.now().micros()).unwrap_or(0))
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.clock.sleep_until(self.clock.monotonic() + span)
    }
}

fn not_allowed(method: &'static str) -> Answer {
    Answer::refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &format!("only {method} is allowed here"))
        .with(ALLOW, HeaderValue::from_static(method))
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| coding.trim().split(';').next() == Some("gzip"))
}

fn with_byte_order_mark(mut answer: Answer) -> Answer {
    answer.body.splice(0..0, *b"\xef\xbb\xbf");
    answer
}

fn compress(mut answer: Answer, options: &SimulatorOptions) -> Answer {
    if answer.body.len() < MIN_COMPRESSED_BYTES {
        return answer;
    }
    let coding = if options.has(ApiVariant::XGzip) { "X-Gzip" } else { "gzip" };
    let middle = if options.has(ApiVariant::GzipMembers) { answer.body.len() / 2 } else { 0 };
    let (head, tail) = answer.body.split_at(middle);
    let members = [head, tail].into_iter().filter(|part| !part.is_empty());
    // Writing to memory does not fail.
    if let Ok(members) = members.map(gzip).collect::<io::Result<Vec<_>>>() {
        answer.body = members.concat();
        return answer
            .with(CONTENT_ENCODING, HeaderValue::from_static(coding))
            .with(VARY, HeaderValue::from_static("accept-encoding"));
    }
    answer
}

/// One gzip member.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
