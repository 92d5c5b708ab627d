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
//! | `duration`, `interval`, `address`, `names`, `schedule`, `secret`, `privacy` | text → a value, or what to write instead |
//! | `document`, `tenant`, `official`, `incremental`, `agents`, `agent_filter` | values → the frozen types |
//! | `people` | whom to ask for, once the tenant's own list is known |
//! | `query_key` | whether old data answers a new configuration |
//! | `shard` | what one of several exporters has of it |
//! | `web` | the web configuration, a file of its own |
//! | `fault`, `nearest`, `limits` | what messages say; what is allowed |
//! | `redact` | the frozen types → YAML that may be shown |

mod address;
mod agent_filter;
mod agents;
mod agents_file;
mod bounds;
mod connection;
mod diagnostics;
mod document;
mod dotenv;
mod duration;
mod environment;
mod fields;
mod incremental;
mod interval;
pub mod keys;
mod names;
mod nearest;
mod official;
mod privacy;
mod query;
mod query_key;
mod redacted_yaml;
mod refresh_limits;
mod resolved_agents;
mod schedule;
mod secret;
mod shard;
mod source;
mod states;
mod tenant;
pub mod web;
mod yaml;

pub(crate) use address::is_loopback;
pub use connection::ConnectionSettings;
pub use diagnostics::{ConfigError, ConfigProblem};
pub use duration::format as format_duration;
pub use privacy::{AgentLabel, Privacy, Pseudonyms};
pub use query::QuerySettings;
pub use query_key::{QueryKey, ServerKey};
pub use refresh_limits::RefreshLimits;
pub use schedule::describe as describe_schedule;
pub use secret::Secret;
pub use shard::{Shard, ShardError, Share};
pub use states::{StateMap, StateSettings};
pub use web::WebConfig;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use url::Url;

use crate::presence::{AgentId, Schedule};

/// Everything that can be configured in the file or by the environment, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tenants in the order of the file; at least one, and no two of one name.
    pub tenants: Vec<Arc<Tenant>>,
    /// The schedules by name; agents share them.
    pub schedules: BTreeMap<String, Arc<Schedule>>,
    /// What is allowed but deserves a look: a line each, of the same form as a [`ConfigProblem`].
    pub warnings: Vec<String>,
}

/// One CXone tenant and how to ask it. The groups of settings have their keys, defaults and dump in a file each.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// The tenant's name: `[a-zA-Z0-9_-]+`.
    pub name: String,
    /// The API that the tenant is asked through.
    pub api: Api,
    /// The API's address and the OAuth client.
    pub connection: ConnectionSettings,
    /// What requests ask for.
    pub query: QuerySettings,
    /// How states are shown and counted.
    pub states: StateSettings,
    /// How often and how fast the tenant is asked.
    pub limits: RefreshLimits,
    /// What of an agent's identity is exposed.
    pub privacy: Privacy,
    /// The agents to ask for, in the order of the configuration; each id once.
    pub agents: Vec<Agent>,
    /// The agents of the tenant's own directory to ask for besides (`agents: all`); `None`: only those configured.
    pub agent_filter: Option<AgentFilter>,
    /// Offline limits of agents that are found in the tenant's own directory.
    pub offline_limits: OfflineLimits,
    /// What only [`Api::Official`] has; `Some` exactly there.
    pub official: Option<Official>,
    /// The part of the tenant that this process has, where several exporters share its agents; `None` is all of it.
    pub share: Option<Share>,
}

/// How refreshes by the presence API ask for what is new, and keep the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incremental {
    /// How long after its end a bucket may still change; so much of them is asked for again each time.
    pub settle: Duration,
    /// How often everything is read again, whether or not there is a doubt.
    pub full_refresh_interval: Duration,
}

/// What is configured for `api: official`.
#[derive(Debug, Clone, PartialEq)]
pub struct Official {
    /// How the exporter gets in.
    pub login: Login,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub access_key_secret: Secret,
    /// The version that stands in the API's paths, such as `v30.0`.
    pub api_version: String,
    /// The API's address where it is set by hand, which is trusted and spares the discovery.
    pub api_endpoint: Option<Url>,
    /// Hosts that discovered addresses may have, besides the issuer's and NICE's own: a name, or `.suffix`. Lower case.
    pub allowed_hosts: Vec<String>,
    /// How far before the window the history is asked for, so that the state at the window's start is known.
    pub history_lookback: Duration,
    /// How late rows of the history may still arrive; so much of it is asked for again each time.
    pub settle: Duration,
    /// Whether time in `Unavailable` is split by its codes, as in `Unavailable: Lunch`.
    pub unavailable_codes: bool,
}

/// How the exporter gets a token of the official API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// By the issuer's password grant, with an OAuth client; `base_url` is the issuer.
    Issuer {
        /// How the client's id and secret are sent.
        client_auth: ClientAuth,
    },
    /// By the access key alone; `base_url` is the area's host.
    AccessKey {
        /// Where tokens are issued.
        token_url: Url,
    },
}

/// How an OAuth client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the header `Authorization` (RFC 6749, section 2.3.1).
    Basic,
    /// As fields of the form.
    Body,
}

/// Which agents of the tenant's own list are asked for. `exclude` wins, then `include`, then the rest.
#[derive(Clone)]
pub struct AgentFilter {
    /// Only agents of these teams; empty takes every team.
    pub teams: Vec<String>,
    /// Only agents whose name ("First Last") matches; `None` takes every name.
    pub name_regex: Option<Regex>,
    /// Only agents that are active.
    pub active_only: bool,
    /// Ids that are taken whatever else is said.
    pub include: Vec<AgentId>,
    /// Ids that are never taken.
    pub exclude: Vec<AgentId>,
    /// The most agents that are asked for.
    pub max: usize,
}

/// How long agents may be offline within the window who have no limit of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfflineLimits {
    /// By team.
    pub teams: BTreeMap<String, Duration>,
    /// Whatever the team.
    pub tenant: Option<Duration>,
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
    /// NICE's documented API: `/incontactapi/services/…/agents/state-history` and its like.
    Official,
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
    duration::parse(text).map_err(|problem| format!("{}; {}", problem.message, problem.remedy))
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
    /// `<secret>`, in place of each person's name `<hidden>`, and in place of ids their pseudonyms, if there are any. Limits and schedules are at the agents they hold for,
    /// and agents from an agents file are in the list.
    pub fn to_yaml_redacted(&self) -> String {
        redacted_yaml::to_yaml(self)
    }
}

// === impl Tenant ===

impl Tenant {
    /// A tenant of the presence API with the documented defaults and without agents.
    pub fn with_defaults(name: impl Into<String>, connection: ConnectionSettings) -> Self {
        Self {
            name: name.into(),
            api: Api::Presence,
            connection,
            query: QuerySettings::default(),
            states: StateSettings::defaults(Api::Presence),
            limits: RefreshLimits::default(),
            privacy: Privacy::default(),
            agents: Vec::new(),
            agent_filter: None,
            offline_limits: OfflineLimits::default(),
            official: None,
            share: None,
        }
    }

    /// The most buckets that are kept of all agents together, where refreshes are incremental: an agent's are one more than
    /// fit into the window, as they need not be aligned to it.
    pub fn kept_buckets(&self) -> u64 {
        let of_an_agent =
            self.query.window.as_nanos().div_ceil(self.query.interval.length.as_nanos().max(1)).saturating_add(1);
        let of_all = of_an_agent.saturating_mul(u128::try_from(self.agents.len()).unwrap_or(u128::MAX));
        u64::try_from(of_all).unwrap_or(u64::MAX)
    }

    /// Whether a state is told apart by its codes (`unavailable_codes`).
    pub fn splits_codes(&self) -> bool {
        self.official.as_ref().is_some_and(|official| official.unavailable_codes)
    }
}

// === impl Official ===

impl Official {
    /// The defaults of the documentation, for an access key alone and whom `token_url` issues tokens to.
    pub fn by_access_key(token_url: Url, access_key_id: &str, access_key_secret: &str) -> Self {
        Self {
            login: Login::AccessKey { token_url },
            access_key_id: access_key_id.to_owned(),
            access_key_secret: access_key_secret.into(),
            api_version: official::DEFAULT_API_VERSION.to_owned(),
            api_endpoint: None,
            allowed_hosts: Vec::new(),
            history_lookback: official::DEFAULT_LOOKBACK,
            settle: official::DEFAULT_SETTLE,
            unavailable_codes: false,
        }
    }
}

// === impl AgentFilter ===

/// Everybody who is active, as far as there is room.
impl Default for AgentFilter {
    fn default() -> Self {
        Self {
            teams: Vec::new(),
            name_regex: None,
            active_only: true,
            include: Vec::new(),
            exclude: Vec::new(),
            max: agent_filter::DEFAULT_MAX,
        }
    }
}

/// Leaves the expression out, as it may hold names of people.
impl fmt::Debug for AgentFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentFilter").field("teams", &self.teams).field("max", &self.max).finish_non_exhaustive()
    }
}

impl PartialEq for AgentFilter {
    fn eq(&self, other: &Self) -> bool {
        let Self { teams, name_regex, active_only, include, exclude, max } = self;
        let pattern = |regex: &Option<Regex>| regex.as_ref().map(|regex| regex.as_str().to_owned());
        *teams == other.teams
            && pattern(name_regex) == pattern(&other.name_regex)
            && *active_only == other.active_only
            && *include == other.include
            && *exclude == other.exclude
            && *max == other.max
    }
}

impl Tenant {
    /// What stands for an agent on page and metrics.
    pub fn label(&self, agent: &Agent) -> AgentId {
        self.privacy.label(&agent.id)
    }
}

// === impl Agent ===

/// Leaves the person's name out, as this may end up in a log.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("id", &self.id).finish_non_exhaustive()
    }
}
