//! Files and environment → one frozen [`Config`].
//!
//! Raw text is parsed, every fault in it is collected with its key and line, and only a configuration
//! without faults becomes a [`Config`]. Nothing in a `Config` changes afterwards: a reload makes a new one.
//!
//! | file | step |
//! | --- | --- |
//! | `source`, `dotenv`, `agents_file` | files and `.env` → text, variables, rows |
//! | `yaml`, `environment` | text, variables → one kind of tree, with lines |
//! | `fields`, `keys` | typed reading of the tree; which keys there are |
//! | `duration`, `interval`, `address`, `names`, `schedule`, `secret` | text → a value, or what to write instead |
//! | `document`, `tenant`, `agents` | values → the frozen types |
//! | `fault`, `nearest`, `limits` | what messages say; what is allowed |
//! | `redact` | the frozen types → YAML that may be shown |

mod address;
mod agents;
mod agents_file;
mod document;
mod dotenv;
mod duration;
mod environment;
mod fault;
mod fields;
mod interval;
pub mod keys;
mod limits;
mod names;
mod nearest;
mod redact;
mod schedule;
mod secret;
mod source;
mod tenant;
mod yaml;

pub use duration::format as format_duration;
pub use fault::{ConfigError, Fault};

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::presence::{AgentId, Schedule, StateName};

/// Everything that can be configured in the file or by the environment, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tenants in the order of the file; at least one, and no two of one name.
    pub tenants: Vec<Arc<Tenant>>,
    /// The schedules by name; agents share them.
    pub schedules: BTreeMap<String, Arc<Schedule>>,
    /// What is allowed but deserves a look: a line each, of the same form as a [`Fault`].
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
    /// article's Available, Busy, `WrapUp` and Offline.
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

/// The duration that `text` stands for, as durations are written in the file: `90s`, `1.5h`, `500ms`.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|complaint| format!("{}; {}", complaint.problem, complaint.remedy))
}

// === impl Config ===

impl Config {
    /// The configuration in the YAML file at `path`. Paths in it are relative to the file's directory.
    ///
    /// # Errors
    /// Every fault of the file, and of the files that it names.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        document::read_file(path)
    }

    /// The configuration of one tenant, `default`, in the environment `env` and in the file `.env` in `dotenv_dir`,
    /// which relative paths are relative to. `env` wins over `.env`; a variable that is empty counts as not set.
    /// [`keys::VARIABLES`] are the variables that are read.
    ///
    /// # Errors
    /// Every fault, with the names of all variables that are missing.
    pub fn from_environment(env: &dyn Fn(&str) -> Option<String>, dotenv_dir: &Path) -> Result<Self, ConfigError> {
        environment::read(env, dotenv_dir)
    }

    /// Everything that holds, defaults included, as YAML that can be read back. In place of each secret there is
    /// `<secret>`, in place of each person's name `<hidden>`. Limits and schedules are at the agents they hold for,
    /// and agents from an agents file are in the list.
    pub fn to_yaml_redacted(&self) -> String {
        redact::to_yaml(self)
    }
}

// === impl Tenant ===

/// Whether all settings are the same, the secret included, so that a reload can tell what has changed. It is no way
/// to check a secret that somebody presents, as how long it takes tells how much of it is right.
impl PartialEq for Tenant {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart in full, so that a new setting cannot be forgotten here.
        let Self {
            name,
            api,
            base_url,
            client_id,
            client_secret,
            client_secret_file,
            window,
            interval,
            states,
            declared_states,
            cooldown,
            max_staleness,
            request_timeout,
            refresh_timeout,
            agents_per_request,
            max_concurrent_requests,
            offline_states,
            agents,
        } = self;
        *name == other.name
            && *api == other.api
            && *base_url == other.base_url
            && *client_id == other.client_id
            && client_secret.expose_secret() == other.client_secret.expose_secret()
            && *client_secret_file == other.client_secret_file
            && *window == other.window
            && *interval == other.interval
            && *states == other.states
            && *declared_states == other.declared_states
            && *cooldown == other.cooldown
            && *max_staleness == other.max_staleness
            && *request_timeout == other.request_timeout
            && *refresh_timeout == other.refresh_timeout
            && *agents_per_request == other.agents_per_request
            && *max_concurrent_requests == other.max_concurrent_requests
            && *offline_states == other.offline_states
            && *agents == other.agents
    }
}

// === impl Agent ===

/// Leaves the person's name out, as this may end up in a log.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("id", &self.id).finish_non_exhaustive()
    }
}
