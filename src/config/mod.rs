//! Files and environment → one frozen [`Config`].
//!
//! Raw text is parsed, every fault in it is collected with its key and line, and only a configuration
//! without faults becomes a [`Config`]. Nothing in a `Config` changes afterwards: a reload makes a new one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::presence::{AgentId, Schedule, StateName};

/// Everything that can be configured in the file or by the environment, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tenants in the order of the file; at least one, and no two of one name.
    pub tenants: Vec<Arc<Tenant>>,
    /// What is allowed but deserves a look, as whole sentences.
    pub warnings: Vec<String>,
}

/// One CXone tenant and how to ask it.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The tenant's name: `[a-zA-Z0-9_-]+`.
    pub name: String,
    /// Which of the tenant's APIs is asked.
    pub api: Api,
    /// Where the API lives, without a path; `https`, or `http` on loopback.
    pub base_url: Url,
    /// The OAuth client's id.
    pub client_id: String,
    /// The OAuth client's secret.
    pub client_secret: SecretString,
    /// Where the secret was read from, if it came from a file.
    pub client_secret_file: Option<PathBuf>,
    /// How far back values reach.
    pub window: Duration,
    /// The length of the buckets asked for.
    pub interval: Interval,
    /// The filter sent upstream; empty asks for all states.
    pub states: Vec<StateName>,
    /// The states that every agent with data has a series for, at zero when unused: the filter, else the
    /// article's Available, Busy, WrapUp and Offline.
    pub declared_states: Vec<StateName>,
    /// At most one refresh in this time, however many scrapes come.
    pub cooldown: Duration,
    /// Data older than this is no longer exposed.
    pub max_staleness: Duration,
    /// The time one request may take.
    pub request_timeout: Duration,
    /// The time all the requests of one refresh may take together.
    pub refresh_timeout: Duration,
    /// How many agents one request asks for.
    pub agents_per_request: usize,
    /// How many requests are under way at once.
    pub max_concurrent_requests: usize,
    /// The states that count as offline.
    pub offline_states: Vec<StateName>,
    /// Whom to ask for, in the order of the configuration; no two of one id.
    pub agents: Vec<Agent>,
}

/// One agent to ask for.
#[derive(Clone, PartialEq, Eq)]
pub struct Agent {
    /// The id, as the tenant spells it.
    pub id: AgentId,
    /// The person's name, if it is to be shown.
    pub name: Option<String>,
    /// The team, if it is to be shown.
    pub team: Option<String>,
    /// How long the agent may be offline within the window: the agent's own limit, else its team's, else its tenant's.
    pub offline_limit: Option<Duration>,
    /// When the agent is expected to work.
    pub schedule: Option<Arc<Schedule>>,
}

/// Which API a tenant is asked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/api/v2/reporting/agent-presence`.
    Presence,
}

/// The length of a bucket, as ISO 8601 text and as a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// As it is sent, such as `PT1H`.
    pub text: String,
    /// How long that is.
    pub length: Duration,
}

// === impl Agent ===

/// Leaves the person's name out, as this may end up in a log.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("id", &self.id).finish_non_exhaustive()
    }
}
