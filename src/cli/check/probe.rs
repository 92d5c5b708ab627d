//! `check --probe`: fetches a token and the window of one agent, and explains each step of the access.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::numbers::{bytes, counted, grouped};
use crate::cli::directory::{self, ResolvedTenant};
use crate::cli::source_factory::SourceFactory;
use crate::clock::Clock;
use crate::config::{Agent, Api, Tenant, format_duration};
use crate::presence::{AgentPresence, Timestamp, Window, escape_text};
use crate::upstream::BuildError;
use crate::upstream::{
    Endpoint, ErrorKind, FetchResult, Observer, ProbeStep, Query, ResponseCode, UpstreamError, Verdict,
};

/// The steps of a probe, in order. Each step requires those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The host's name resolves, it takes connections, TLS is agreed on, and it speaks HTTP.
    Address,
    /// It issues a token.
    Token,
    /// The report endpoint is there and works.
    Report,
    /// Requests are not refused for their rate.
    Limits,
    /// The client may read reports.
    Scope,
    /// The tenant takes the interval for this window.
    Interval,
    /// The answer can be read, and there is something in it.
    Data,
}

/// The result of a probe.
#[derive(Debug)]
pub(super) struct ProbeResult {
    /// The label of the first failed step.
    pub(super) failed_at: Option<&'static str>,
    lines: Vec<ProbeStep>,
    requests: usize,
}

/// Records the requests of a probe.
#[derive(Debug, Default)]
struct RecordingObserver(Mutex<RecordedRequests>);

#[derive(Debug, Default)]
struct RecordedRequests {
    requests: Vec<FinishedRequest>,
    /// How many seconds the clock of the server is ahead; 0 within the tolerance.
    clock_ahead_seconds: i64,
}

/// A finished request.
#[derive(Debug, Clone, Copy)]
struct FinishedRequest {
    endpoint: Endpoint,
    code: ResponseCode,
    took: Duration,
    body_bytes: u64,
}

/// Fetches the window of the first agent of `configured`. With `agents: all` it reads CXone's list first.
pub(super) async fn probe(
    build_source: &SourceFactory,
    configured: &Arc<Tenant>,
    clock: &Arc<dyn Clock>,
) -> Result<ProbeResult, BuildError> {
    let observer = Arc::new(RecordingObserver::default());
    let source = build_source(configured, Arc::clone(clock), observer.clone())?;
    let window = Window::ending_at(clock.now().whole_second(), configured.query.window);
    let deadline = clock.monotonic() + configured.limits.refresh_timeout;
    let mut selection = None;
    let tenant = &if configured.agent_filter.is_some() {
        match directory::resolve(configured, &*source, deadline).await {
            Ok(ResolvedTenant { tenant, listed, empty }) => {
                selection = Some(selection_step(&tenant, listed.unwrap_or_default(), empty));
                tenant
            }
            Err(error) => return Ok(ProbeResult::from_list_error(configured.api, &error, &observer.recorded())),
        }
    } else {
        Arc::clone(configured)
    };
    if let Some(failed) = selection.take_if(|step| step.verdict == Verdict::Failed) {
        return Ok(ProbeResult::from_source(configured.api, vec![failed], &observer.recorded()));
    }
    let query = Query { window, agents: tenant.agents.iter().map(Agent::watched).collect(), deadline };
    if let Some(probe) = source.probe(query) {
        let lines = selection.into_iter().chain(probe.await).collect();
        return Ok(ProbeResult::from_source(tenant.api, lines, &observer.recorded()));
    }
    let Some(agent) = tenant.agents.first() else {
        let text = "no agent is configured, so there is nothing to ask for".to_owned();
        let lines = vec![ProbeStep::new(Step::Data.label(), Verdict::Note, text)];
        return Ok(ProbeResult { failed_at: None, lines, requests: 0 });
    };
    let fetched = source.fetch(Query { window, agents: vec![agent.watched()], deadline }).await;
    let seen = observer.recorded();
    Ok(ProbeResult::of(tenant, agent, &fetched, &seen, source.token_expiry()))
}

/// The agents that `agents: all` selects.
fn selection_step(tenant: &Tenant, listed: usize, empty: Option<String>) -> ProbeStep {
    let label = "selection";
    let [selected, listed] = [tenant.agents.len(), listed].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    match empty {
        Some(reason) => ProbeStep::new(label, Verdict::Failed, reason),
        None => {
            let text = format!("{} of the {} in CXone's list", grouped(selected), counted(listed, "agent"));
            ProbeStep::new(label, Verdict::Right, text)
        }
    }
}

/// What to do where the API of the configuration does not exist at this address, which a 404 or an HTML page shows.
fn other_api(api: Api, error: Option<ErrorKind>, seen: &RecordedRequests) -> Option<&'static str> {
    let is_not_found = seen.requests.last().is_some_and(|request| request.code == ResponseCode::Status(404));
    (is_not_found || error == Some(ErrorKind::NotJson)).then_some(match api {
        Api::Presence => {
            "If this tenant does not have the presence API, use NICE's documented API: write `api: official`, with an access \
             key (`access_key_id`, `access_key_secret`) and `issuer` or `area`"
        }
        Api::Official => {
            "If this tenant does not have the documented API, use the presence API: write `api: presence`, with `domain` and \
             an OAuth client (`client_id`, `client_secret`) that has the scope `reporting:read`"
        }
    })
}

/// The step that failed, from the error of the fetch.
fn failed_at(error: &UpstreamError, answered: bool) -> Step {
    match (error.endpoint, error.kind) {
        (_, ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Tls | ErrorKind::Timeout) if !answered => Step::Address,
        (Endpoint::Token | Endpoint::Discovery, _) => Step::Token,
        (_, ErrorKind::RateLimited { .. } | ErrorKind::Budget) => Step::Limits,
        (_, ErrorKind::Unauthorized | ErrorKind::Forbidden) => Step::Scope,
        (_, ErrorKind::BadRequest) => Step::Interval,
        (_, ErrorKind::Decode | ErrorKind::NotJson | ErrorKind::TooMuch | ErrorKind::Paging) => Step::Data,
        (
            _,
            ErrorKind::Server
            | ErrorKind::UnexpectedStatus
            | ErrorKind::Dns
            | ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::Timeout
            | ErrorKind::ForeignAddress,
        ) => Step::Report,
    }
}

// === impl Step ===

impl Step {
    /// Every step in its order.
    const ALL: [Self; 7] =
        [Self::Address, Self::Token, Self::Report, Self::Limits, Self::Scope, Self::Interval, Self::Data];

    /// The label in the output.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Token => "token",
            Self::Report => "report",
            Self::Limits => "rate limit",
            Self::Scope => "scope",
            Self::Interval => "interval",
            Self::Data => "data",
        }
    }
}

// === impl ProbeResult ===

impl ProbeResult {
    /// The result of a source with its own probe.
    fn from_source(api: Api, mut lines: Vec<ProbeStep>, seen: &RecordedRequests) -> Self {
        let failed = lines.iter_mut().find(|line| line.verdict == Verdict::Failed);
        let failed_at = failed.map(|line| {
            add_other_api(api, &mut line.text, line.error, seen);
            line.label
        });
        Self { failed_at, lines, requests: seen.requests.len() }
    }

    /// The result of a list of agents that cannot be read.
    fn from_list_error(api: Api, error: &UpstreamError, seen: &RecordedRequests) -> Self {
        let label = match error.endpoint {
            Endpoint::Token => "login",
            Endpoint::Discovery => "address",
            _ => "agents",
        };
        let failed = ProbeStep { error: Some(error.kind), ..ProbeStep::new(label, Verdict::Failed, error.to_string()) };
        Self::from_source(api, vec![failed], seen)
    }

    fn of(
        tenant: &Tenant,
        agent: &Agent,
        fetched: &FetchResult,
        seen: &RecordedRequests,
        token_expiry: Option<Timestamp>,
    ) -> Self {
        let failed_at = fetched.error.as_ref().map(|error| failed_at(error, seen.answered()));
        let line = |step| {
            let (verdict, text) = match (failed_at, &fetched.error) {
                (Some(failed), Some(error)) if step == failed => {
                    let mut text = error.to_string();
                    add_other_api(tenant.api, &mut text, Some(error.kind), seen);
                    (Verdict::Failed, text)
                }
                (Some(failed), _) if step > failed => (Verdict::NotReached, "not reached".to_owned()),
                _ => passed(step, tenant, agent, fetched, seen, token_expiry),
            };
            ProbeStep::new(step.label(), verdict, text)
        };
        let lines = Step::ALL.map(line).into();
        Self { failed_at: failed_at.map(Step::label), lines, requests: seen.requests.len() }
    }
}

fn add_other_api(api: Api, text: &mut String, error: Option<ErrorKind>, seen: &RecordedRequests) {
    if let Some(hint) = other_api(api, error, seen) {
        text.push(' ');
        text.push_str(hint);
        text.push('.');
    }
}

/// The text of a passed step.
fn passed(
    step: Step,
    tenant: &Tenant,
    agent: &Agent,
    fetched: &FetchResult,
    seen: &RecordedRequests,
    token_expiry: Option<Timestamp>,
) -> (Verdict, String) {
    let host = tenant.connection.base_url.host_str().unwrap_or_default();
    match step {
        Step::Address => match seen.clock_ahead_seconds {
            0 => (Verdict::Right, format!("{host} can be reached and speaks HTTP")),
            ahead => {
                let (seconds, side) = (ahead.unsigned_abs(), if ahead > 0 { "behind" } else { "ahead of" });
                let text = format!(
                    "{host} can be reached, but this machine's clock is {} {side} its clock: the window is shifted by \
                     that; synchronise it",
                    counted(seconds, "second"),
                );
                (Verdict::Note, text)
            }
        },
        Step::Token => {
            let until = token_expiry.map(|expiry| format!(", good until {}", expiry.whole_second()));
            let took = seen.took(Endpoint::Token);
            (Verdict::Right, format!("the client's id and secret were accepted{took}{}", until.unwrap_or_default()))
        }
        Step::Report => {
            let bytes = bytes(seen.of(Endpoint::Presence).map(|request| request.body_bytes).sum());
            (Verdict::Right, format!("the presence report answered{}, {bytes}", seen.took(Endpoint::Presence)))
        }
        // A probe never retries, so a 429 would have ended it.
        Step::Limits => (Verdict::Right, "no request was refused for its rate (429)".to_owned()),
        Step::Scope => (Verdict::Right, "the client may read reports".to_owned()),
        Step::Interval => {
            let window = format_duration(tenant.query.window);
            (Verdict::Right, format!("{} is accepted for a window of {window}", tenant.query.interval.text))
        }
        Step::Data => data(agent, fetched),
    }
}

/// The text of the data step.
fn data(agent: &Agent, fetched: &FetchResult) -> (Verdict, String) {
    let presence: Option<&AgentPresence> = fetched.answered.iter().find_map(|(_, presence)| presence.as_ref());
    let rejected: Vec<_> = fetched.rejections.iter().filter(|(_, count)| *count > 0).collect();
    let (verdict, mut text) = match presence {
        Some(presence) if !presence.states.is_empty() => {
            let states = u64::try_from(presence.states.len()).unwrap_or(u64::MAX);
            let seconds = presence.observed.get() / 1_000_000;
            let text = format!(
                "agent {}: {} in {}, up to {}",
                agent.id,
                counted(seconds, "second"),
                counted(states, "state"),
                presence.last_data.whole_second(),
            );
            (Verdict::Right, text)
        }
        _ => (
            Verdict::Note,
            format!(
                "agent {}: nothing was reported. Either the id is wrong (the admin portal has it under Workforce \
                 Management > Agents), or the agent neither logged in nor changed state within the window",
                agent.id
            ),
        ),
    };
    if !rejected.is_empty() {
        let reasons: Vec<_> =
            rejected.iter().map(|(reason, count)| format!("{} {}", grouped(*count), reason.label())).collect();
        text.push_str(&format!("; not counted: {}", reasons.join(", ")));
        return (Verdict::Note, text);
    }
    (verdict, text)
}

impl fmt::Display for ProbeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ProbeStep { verdict, label, text, .. } in &self.lines {
            let verdict = match verdict {
                Verdict::Right => "ok",
                Verdict::Note => "note",
                Verdict::Failed => "FAILED",
                Verdict::NotReached => "-",
            };
            writeln!(f, "  {verdict:<6} {label:<10} {}", escape_text(text))?;
        }
        let requests = u64::try_from(self.requests).unwrap_or(u64::MAX);
        writeln!(f, "  {} sent by this probe", counted(requests, "request"))
    }
}

// === impl RecordedRequests ===

impl RecordedRequests {
    fn of(&self, endpoint: Endpoint) -> impl Iterator<Item = &FinishedRequest> {
        self.requests.iter().filter(move |request| request.endpoint == endpoint)
    }

    /// Whether any request has an HTTP response.
    fn answered(&self) -> bool {
        self.requests.iter().any(|request| matches!(request.code, ResponseCode::Status(_) | ResponseCode::Decode))
    }

    /// How long the last answer of an endpoint took, for the end of a clause.
    fn took(&self, endpoint: Endpoint) -> String {
        self.of(endpoint).last().map_or_else(String::new, |request| format!(" within {} ms", request.took.as_millis()))
    }
}

// === impl RecordingObserver ===

impl RecordingObserver {
    fn recorded(&self) -> MutexGuard<'_, RecordedRequests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for RecordingObserver {
    fn request(&self, endpoint: Endpoint, code: ResponseCode, took: Duration, body_bytes: u64) {
        self.recorded().requests.push(FinishedRequest { endpoint, code, took, body_bytes });
    }

    fn clock_skew(&self, ahead_seconds: i64) {
        self.recorded().clock_ahead_seconds = ahead_seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_map_to_steps() {
        use Endpoint::{Presence, Token};
        let limited = ErrorKind::RateLimited { retry_after: None };
        let table = [
            (Token, ErrorKind::Dns, false, Step::Address),
            (Token, ErrorKind::Tls, false, Step::Address),
            (Token, ErrorKind::Timeout, false, Step::Address),
            (Token, ErrorKind::Timeout, true, Step::Token),
            (Token, ErrorKind::Unauthorized, true, Step::Token),
            (Token, limited, true, Step::Token),
            (Presence, ErrorKind::Connect, true, Step::Report),
            (Presence, ErrorKind::Server, true, Step::Report),
            (Presence, ErrorKind::UnexpectedStatus, true, Step::Report),
            (Presence, limited, true, Step::Limits),
            (Presence, ErrorKind::Forbidden, true, Step::Scope),
            (Presence, ErrorKind::Unauthorized, true, Step::Scope),
            (Presence, ErrorKind::BadRequest, true, Step::Interval),
            (Presence, ErrorKind::Decode, true, Step::Data),
            (Presence, ErrorKind::Paging, true, Step::Data),
        ];
        for (endpoint, kind, answered, step) in table {
            let error = UpstreamError { endpoint, kind, message: String::new() };
            assert_eq!(failed_at(&error, answered), step, "{endpoint:?} {kind:?}");
        }
    }
}
