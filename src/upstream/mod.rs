//! Requests to CXone: HTTP client, tokens, retries, rate limits, and one folder per API.
//!
//! Only this module knows reqwest. It returns a [`FetchResult`] of [`presence`](crate::presence) values, and reports
//! requests to an [`Observer`], so it knows nothing of Prometheus.

mod any_source;
mod auth;
mod error;
mod failure;
mod fetch_context;
mod http;
mod observer;
pub mod official_api;
mod past;
pub mod presence_api;
mod rate;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use any_source::AnySource;
pub use error::{BuildError, ErrorKind, UpstreamError};
pub use http::CLOCK_SKEW_TOLERANCE;
pub(crate) use http::{HealthRequestError, HealthResponse, request_health};
pub use observer::{Endpoint, NoopObserver, Observer, ResponseCode};
pub use past::{PastLimits, PastQuery};
pub use rate::RequestRate;

use crate::clock::Monotonic;
use crate::presence::{AgentId, AgentPresence, Person, Rejections, Timestamp, WatchedAgent, Window};

/// How long data that rarely changes is used: the agent directory and the unavailable codes. Four requests a day are enough.
pub const METADATA_LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// How long after a failure such data is requested again: often enough to recover soon, and rarely enough for a tenant that
/// always refuses.
pub const METADATA_RETRY: Duration = Duration::from_secs(10 * 60);

/// The future of [`Source::fetch`] and [`Source::fetch_past`].
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = FetchResult> + Send + 'a>>;

/// The future of [`Source::directory`].
pub type DirectoryFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Person>, UpstreamError>> + Send + 'a>>;

/// The future of [`Source::probe`].
pub type ProbeFuture<'a> = Pin<Box<dyn Future<Output = Vec<ProbeStep>> + Send + 'a>>;

/// One step of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeStep {
    /// The name of the step.
    pub label: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub text: String,
    /// The kind of the failure, if a request failed.
    pub error: Option<ErrorKind>,
}

/// The result of a probe step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is correct.
    Right,
    /// It works, with a remark.
    Note,
    /// It is wrong.
    Failed,
    /// An earlier step failed.
    NotReached,
}

// === impl ProbeStep ===

impl ProbeStep {
    /// A step that no request failed in.
    pub const fn new(label: &'static str, verdict: Verdict, text: String) -> Self {
        Self { label, verdict, text, error: None }
    }
}

/// An API that presence is read from. Callers do not know which one.
pub trait Source: Send + Sync + 'static {
    /// Reads the presence of `query.agents` within `query.window`.
    ///
    /// It never fails as a whole: agents without complete data are in [`FetchResult::failed`], with the reason in
    /// [`FetchResult::error`]. It ends by `query.deadline`.
    fn fetch(&self, query: Query) -> FetchFuture<'_>;

    /// The size of a piece. It may change as more is learnt of the tenant.
    fn past_limits(&self) -> PastLimits;

    /// Reads a piece of past presence, in which [`AgentPresence::parts`] has the time by slots; there is no chart and no
    /// timeline.
    ///
    /// It never fails as a whole, as [`Source::fetch`]. A piece that failed can be read again. Pieces of the same agents cost
    /// the fewest requests if each begins where the one before ended.
    fn fetch_past(&self, query: PastQuery) -> FetchFuture<'_>;

    /// Reads the tenant's agent directory before `deadline`; `None` if the API has none.
    ///
    /// All or nothing, because agents and names would come and go with a partial directory.
    fn directory(&self, deadline: Monotonic) -> Option<DirectoryFuture<'_>> {
        let _ = deadline;
        None
    }

    /// Checks the connection step by step with few requests; `None` if a fetch of one agent checks as much.
    fn probe(&self, query: Query) -> Option<ProbeFuture<'_>> {
        let _ = query;
        None
    }

    /// Exports the history for a later process; `None` if there is none. It may have many megabytes.
    fn export_history(&self) -> Option<Vec<u8>> {
        None
    }

    /// Restores the history of an earlier process, and returns its number of agents; `None` if it is damaged or of another
    /// query.
    fn restore_history(&self, history: &[u8]) -> Option<usize> {
        let _ = history;
        None
    }

    /// When the next request is allowed: the end of the longest `Retry-After` so far.
    fn not_before(&self) -> Option<Monotonic>;

    /// When the current token expires, if there is one.
    fn token_expiry(&self) -> Option<Timestamp>;
}

/// What a refresh reads from a [`Source`].
#[derive(Debug, Clone)]
pub struct Query {
    /// The time to read.
    pub window: Window,
    /// The agents to read.
    pub agents: Vec<WatchedAgent>,
    /// When the refresh must end (`refresh_timeout`).
    pub deadline: Monotonic,
}

/// The result of a fetch, all or nothing per batch of agents.
#[derive(Debug, Default)]
pub struct FetchResult {
    /// Agents with complete data; `None` if the tenant reported nothing for one.
    pub answered: Vec<(AgentId, Option<AgentPresence>)>,
    /// Agents without complete data. What was read of them is dropped.
    pub failed: Vec<AgentId>,
    /// Rejected records.
    pub rejections: Rejections,
    /// The failure to report, unless agents are missing only because of `refusal`.
    pub error: Option<UpstreamError>,
    /// Why CXone refused some agents alone, which is no failure of the tenant.
    pub refusal: Option<UpstreamError>,
}

// === impl FetchResult ===

impl FetchResult {
    /// No data of `agents`, because of `error`.
    pub fn without(agents: Vec<AgentId>, error: UpstreamError) -> Self {
        Self { failed: agents, error: Some(error), ..Self::default() }
    }
}

/// Entry points of the fuzz targets.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    use std::time::Duration;

    use super::rate::retry_after;
    use crate::presence::Timestamp;

    /// The longest wait that one of these `Retry-After` headers asks for.
    pub fn retry_after(values: &[&[u8]], server_now: Timestamp) -> Option<Duration> {
        retry_after::longest(values.iter().copied(), server_now)
    }
}
