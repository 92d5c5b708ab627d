//! Asking CXone: HTTP client, token, retries, rate gate, and one folder per API.
//!
//! Only this module knows reqwest. What it hands on is a [`FetchResult`] of [`presence`](crate::presence)
//! values. It reports what it did to an [`Observer`], so it knows nothing of Prometheus.

mod any_source;
mod auth;
mod error;
mod failure;
mod fetch_context;
mod http;
mod observer;
pub mod official_api;
pub mod presence_api;
mod rate;

use std::future::Future;
use std::pin::Pin;

pub use any_source::AnySource;
pub use error::{BuildError, ErrorKind, UpstreamError};
pub use http::CLOCK_SKEW_TOLERANCE;
pub use observer::{Endpoint, NoopObserver, Observer, ResponseCode};
pub use rate::RequestRate;

use crate::clock::Monotonic;
use crate::presence::{AgentId, AgentPresence, Person, Rejections, Timestamp, WatchedAgent, Window};

/// A future that a [`Source`] hands out.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = FetchResult> + Send + 'a>>;

/// The answer of [`Source::directory`].
pub type DirectoryFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Person>, UpstreamError>> + Send + 'a>>;

/// The answer of [`Source::probe`].
pub type ProbeFuture<'a> = Pin<Box<dyn Future<Output = Vec<ProbeStep>> + Send + 'a>>;

/// One thing that a probe looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeStep {
    /// What it is called.
    pub label: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen and what to do, for a person.
    pub text: String,
}

/// What came of one step of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Right,
    /// It works, and deserves a look.
    Note,
    /// It is not right.
    Failed,
    /// A step before it failed.
    NotReached,
}

/// Where presence comes from. A second API is a second implementation; nobody else learns which one is in use.
pub trait Source: Send + Sync + 'static {
    /// Asks for the presence of `query.agents` within `query.window`.
    ///
    /// It never fails as a whole: agents whose data could not be read in full are in
    /// [`FetchResult::failed`], with the reason beside them. It ends by `query.deadline`.
    fn fetch(&self, query: Query) -> FetchFuture<'_>;

    /// Asks for the tenant's own list of people, in the time until `deadline`; `None` where the API has no such list.
    ///
    /// All or nothing, as a list with gaps would make names and agents come and go.
    fn directory(&self, deadline: Monotonic) -> Option<DirectoryFuture<'_>> {
        let _ = deadline;
        None
    }

    /// Takes the fewest requests that show how things stand, and tells step by step; `None` where a fetch of one agent is
    /// as much as that.
    fn probe(&self, query: Query) -> Option<ProbeFuture<'_>> {
        let _ = query;
        None
    }

    /// What is kept from refresh to refresh that a later process can take up; `None` where nothing is. It may be many
    /// megabytes.
    fn export_history(&self) -> Option<Vec<u8>> {
        None
    }

    /// Takes up what an earlier process kept, and tells of how many agents that is; `None` where it is of no use, as it is
    /// damaged, or part of the answer to another question.
    fn restore_history(&self, kept: &[u8]) -> Option<usize> {
        let _ = kept;
        None
    }

    /// Before this point nothing may be sent: the longest `Retry-After` that has been answered so far.
    fn not_before(&self) -> Option<Monotonic>;

    /// When the token in hand expires, if there is one.
    fn token_expiry(&self) -> Option<Timestamp>;
}

/// What a refresh asks of a [`Source`].
#[derive(Debug, Clone)]
pub struct Query {
    /// The window the answer speaks of.
    pub window: Window,
    /// Whom to ask for.
    pub agents: Vec<WatchedAgent>,
    /// When the refresh must have ended (`refresh_timeout`).
    pub deadline: Monotonic,
}

/// What came back, all or nothing per batch of agents.
#[derive(Debug, Default)]
pub struct FetchResult {
    /// Agents whose data was read in full, with `None` where the tenant reported nothing for them.
    pub answered: Vec<(AgentId, Option<AgentPresence>)>,
    /// Agents whose data could not be read in full; what was read of it has been dropped.
    pub failed: Vec<AgentId>,
    /// Input that was not counted.
    pub rejections: Rejections,
    /// Why agents failed: the first cause that a person has to act on. `None` exactly when none failed.
    pub error: Option<UpstreamError>,
}

/// What the fuzz targets reach into.
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
