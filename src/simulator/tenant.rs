//! The tenant behind the wire: what a request finds, whatever connection it came by.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderValue,
    LOCATION, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::api::official::{self, Call, Lists, Office, login};
use super::api::presence::Query;
use super::api::{Answer, token};
use super::control;
use super::faults::{Endpoint, Fault, Faults};
use super::options::SimulatorOptions;
use super::requests::{Entry, RequestLog, RequestRecord};
use super::roster::Roster;
use super::server::Closed;
use super::timeline::Timeline;
use super::tokens::Tokens;
use super::wire::{Body, Leash};
use crate::clock::{Clock, Sleep, whole_seconds};

/// Where tokens are to be had.
const TOKEN_PATH: &str = "/oauth/token";
/// Where presence is to be had.
const PRESENCE_PATH: &str = "/api/v2/reporting/agent-presence";
/// A form with credentials, or a list of faults, is far smaller; what is longer is not one.
const LONGEST_REQUEST_BODY: usize = 16 * 1024;
/// A connection that is cut within the headers ends within this many bytes; the shortest head is longer.
const HALF_A_HEAD: usize = 24;
/// Below this many bytes a body is not worth compressing.
const SHORTEST_COMPRESSED: usize = 256;

/// All that the tenant is and remembers.
pub(super) struct Tenant {
    pub(super) options: SimulatorOptions,
    pub(super) roster: Roster,
    pub(super) timeline: Timeline,
    pub(super) tokens: Tokens,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    lists: Lists,
    pub(super) clock: Arc<dyn Clock>,
}

// === impl Tenant ===

impl Tenant {
    /// A tenant that `options` describe and that lives by `clock`.
    pub(super) fn new(options: SimulatorOptions, clock: Arc<dyn Clock>) -> Self {
        let faults = Faults::default();
        options.faults.iter().cloned().for_each(|rule| faults.push(rule));
        Self {
            roster: Roster::new(options.seed, options.agents as usize),
            timeline: Timeline::new(options.time_scale),
            // A tenant that is started again does not know the tokens it gave out before.
            tokens: Tokens::new(options.seed ^ clock.now().micros().cast_unsigned()),
            faults,
            log: RequestLog::default(),
            lists: Lists::default(),
            clock,
            options,
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`Closed`] where the connection is to be closed instead.
    pub(super) async fn serve(&self, request: Request<Incoming>, leash: Leash) -> Result<Response<Body>, Closed> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let call = Call::at(path);
        let endpoint = match path {
            TOKEN_PATH | login::GRANT_PATH | login::KEY_PATH => Endpoint::Token,
            PRESENCE_PATH => Endpoint::Presence,
            login::OPENID_PATH | login::TENANT_PATH => Endpoint::Discovery,
            _ if let Some(call) = &call => call.endpoint(),
            path => {
                let answer = match path.strip_prefix(control::PREFIX) {
                    Some(path) => {
                        let query = head.uri.query().unwrap_or_default();
                        control::answer(self, &head.method, path, query, &read(body).await?)
                    }
                    None => Answer::refusal(StatusCode::NOT_FOUND, "not_found", "there is nothing here"),
                };
                return Ok(respond(answer, Body::whole));
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
        let right = match endpoint {
            _ if fault == Some(Fault::Cut) => None,
            Endpoint::Token if head.method != Method::POST => Some(not_allowed("POST")),
            Endpoint::Token => Some(self.token(path, &head.headers, &read(body).await?, fault.as_ref())),
            _ if head.method != Method::GET => Some(not_allowed("GET")),
            Endpoint::Presence => Some(self.presence(&head.headers, head.uri.query(), fault.as_ref(), entry)),
            _ => Some(self.official(call, &head, fault.as_ref(), entry)),
        };

        let slow = if let Some(Fault::Slow(span)) = fault { span } else { Duration::ZERO };
        let wait = self.options.latency + slow;
        // Timers have a grain of a millisecond, which even no wait at all would take.
        if !wait.is_zero() {
            self.sleep(wait).await;
        }
        let answer = right.ok_or(Closed)?;
        let (answer, fault) = self.spoil(answer, fault);
        let answer = if accepts_gzip(&head.headers) && self.options.gzip { compress(answer) } else { answer };
        self.log.amend(entry, |record| {
            record.status = Some(answer.status.as_u16());
            record.rows = answer.rows;
        });
        self.log.answered(answer.rows, answer.body.len());
        // The server would put the machine's time there, which is not what this tenant lives by.
        let answer = answer.with(DATE, text(&self.date()));
        Ok(respond(answer, |bytes| match fault {
            Some(Fault::CutHeaders) => {
                leash.shorten(HALF_A_HEAD);
                Body::whole(bytes)
            }
            Some(Fault::CutBody) => Body::cut(bytes, leash),
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
            login::GRANT_PATH => login::grant(headers, body, &self.tokens, now, lifetime),
            login::KEY_PATH => login::key_alone(body, &self.tokens, now, lifetime),
            _ => token::answer(headers, body, &self.options.scope, &self.tokens, now, lifetime),
        }
    }

    /// A document or a list of the official API.
    fn official(&self, call: Option<Call>, head: &Parts, fault: Option<&Fault>, entry: Entry) -> Answer {
        if fault == Some(&Fault::Revoked) {
            self.tokens.revoke_all();
        }
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let base_url = format!("http://{host}");
        let Some(call) = call else {
            return match path {
                login::OPENID_PATH => login::openid(&base_url, fault),
                _ => login::configuration(&base_url, query, fault),
            };
        };
        if let Some(refusal) = self.refuse_access(&head.headers) {
            return refusal;
        }
        let query = match official::Query::parse(call, path, query, &self.options) {
            Ok(query) => query,
            Err(refusal) => return *refusal,
        };
        self.log.amend(entry, |record| {
            record.agents = query.agent(&self.roster).map(|agent| Arc::clone(&agent.id)).into_iter().collect();
            record.range = query.range;
            record.page = query.skip / query.top.max(1);
        });
        let (options, roster, timeline) = (&self.options, &self.roster, &self.timeline);
        let (now, lists) = (self.clock.now(), &self.lists);
        query.answer(&Office { options, roster, timeline, now, base_url: &base_url, lists }, fault)
    }

    fn presence(&self, headers: &HeaderMap, query: Option<&str>, fault: Option<&Fault>, entry: Entry) -> Answer {
        if fault == Some(&Fault::Revoked) {
            self.tokens.revoke_all();
        }
        let now = self.clock.now();
        let query = Query::parse(query.unwrap_or_default(), &self.options, &self.roster, now);
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

    fn refuse_access(&self, headers: &HeaderMap) -> Option<Answer> {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_some_and(|token| self.tokens.is_good(token, self.clock.monotonic())) {
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

    /// Makes of the right answer what `fault` wants, and hands on what remains to be done on the wire.
    fn spoil(&self, answer: Answer, fault: Option<Fault>) -> (Answer, Option<Fault>) {
        let spoilt = match &fault {
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
            Some(Fault::Oversized(_)) => Answer::json(Vec::new()),
            _ => answer,
        };
        (spoilt, fault)
    }

    /// The HTTP date of now, which is the second that has begun, as servers give it.
    fn date(&self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.since_epoch().as_secs()))
    }

    /// The HTTP date that is at least `seconds` from now; it has no fractions, so it is rounded up.
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

/// The body of a request, which is small.
async fn read(body: Incoming) -> Result<Bytes, Closed> {
    let collected = Limited::new(body, LONGEST_REQUEST_BODY).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|_| Closed)
}

fn respond(answer: Answer, body: impl FnOnce(Bytes) -> Body) -> Response<Body> {
    let mut response = Response::new(body(answer.body.into()));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
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

fn compress(mut answer: Answer) -> Answer {
    if answer.body.len() < SHORTEST_COMPRESSED {
        return answer;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(answer.body.len() / 8), Compression::fast());
    // Writing to memory does not fail; if it did, the answer would go out as it is.
    if let Ok(body) = encoder.write_all(&answer.body).and_then(|()| encoder.finish()) {
        answer.body = body;
        return answer
            .with(CONTENT_ENCODING, HeaderValue::from_static("gzip"))
            .with(VARY, HeaderValue::from_static("accept-encoding"));
    }
    answer
}
