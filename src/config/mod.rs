//! Reads files and environment into one immutable [`Config`].
//!
//! All problems are collected with key and line; only a configuration without errors becomes a [`Config`]. A reload
//! creates a new one.
//!
//! | folder or file | step |
//! | --- | --- |
//! | `parse` | files, `.env` and YAML → one kind of tree, with lines; text → a value, or a problem with a remedy |
//! | `document`, `environment` | that tree of a file, or of variables → a [`Config`] |
//! | `keys`, `bounds` | the known keys with their defaults; the bounds of values |
//! | `tenant`, `schedule` | values → the settings, each group of settings in its file |
//! | `query_key` | whether cached data is valid for a new configuration |
//! | `shard` | the agents and budgets of one of several exporters |
//! | `web` | the web configuration file |
//! | `diagnostics` | all problems of a configuration |
//! | `redacted_yaml` | the settings → YAML without secrets and names |

mod bounds;
mod diagnostics;
mod document;
mod environment;
pub mod keys;
mod parse;
mod query_key;
mod redacted_yaml;
mod schedule;
mod shard;
mod tenant;
pub mod web;

pub use diagnostics::{ConfigError, ConfigProblem};
pub(crate) use parse::address::is_loopback;
pub use parse::duration::format as format_duration;
pub use parse::network_variables::check_network_variables;
pub(crate) use parse::source::writable_by_others;
pub use parse::variable_names::unknown_variables;
pub use query_key::{QueryKey, ServerKey};
pub use schedule::describe as describe_schedule;
pub use shard::{Shard, ShardError, Share};
pub use tenant::connection::ConnectionSettings;
pub use tenant::privacy::{AgentLabel, Privacy, Pseudonyms};
pub use tenant::query::QuerySettings;
pub use tenant::refresh_limits::RefreshLimits;
pub use tenant::secret::Secret;
pub use tenant::states::{OFFICIAL_STATES, StateMap, StateSettings, WRAP_UP};
pub use web::WebConfig;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use url::Url;

use crate::presence::{AgentId, Schedule, WatchedAgent};

/// Everything that can be configured in the file or by the environment, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tenants in the order of the file; at least one, and no two of one name.
    pub tenants: Vec<Arc<Tenant>>,
    /// The schedules by name; agents share them.
    pub schedules: BTreeMap<String, Arc<Schedule>>,
    /// Warnings: one line each, formatted like a [`ConfigProblem`].
    pub warnings: Vec<String>,
}

/// The settings of one CXone tenant. Each group of settings has its keys, defaults and YAML output in its own file.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// The tenant's name: `[a-zA-Z0-9_-]+`.
    pub name: String,
    /// The API that requests use.
    pub api: Api,
    /// The API's address and the OAuth client.
    pub connection: ConnectionSettings,
    /// What requests ask for.
    pub query: QuerySettings,
    /// How states are shown and counted.
    pub states: StateSettings,
    /// The limits of refreshes and requests.
    pub limits: RefreshLimits,
    /// How agents are labelled and whether names are exposed.
    pub privacy: Privacy,
    /// The configured agents in their order; ids are unique.
    pub agents: Vec<Agent>,
    /// Selects further agents from the tenant's directory (`agents: all`); `None`: only the configured agents.
    pub agent_filter: Option<AgentFilter>,
    /// Offline limits of agents from the tenant's directory.
    pub offline_limits: OfflineLimits,
    /// The limit of absence of agents whose own limit and team's limit are not configured.
    pub absent_limit: Duration,
    /// The settings of [`Api::Official`]; `None` for other APIs.
    pub official: Option<Official>,
    /// Whether to count the time in each state, if history is kept: see [`Tenant::keeps_counters`].
    pub counters: bool,
    /// This process's share of the agents, where several exporters divide them; `None` is all agents.
    pub share: Option<Share>,
}

/// Settings of incremental refreshes of the presence API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incremental {
    /// How long after its end a time bucket may still change; each refresh requests that period again.
    pub settle: Duration,
    /// The interval of full refreshes.
    pub full_refresh_interval: Duration,
}

/// The settings of `api: official`.
#[derive(Debug, Clone, PartialEq)]
pub struct Official {
    /// How the exporter gets a token.
    pub login: Login,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub access_key_secret: Secret,
    /// The version in the API's paths, such as `v30.0`.
    pub api_version: String,
    /// The configured API address, which is trusted and replaces the discovery.
    pub api_endpoint: Option<Url>,
    /// Hosts that discovered addresses may have, besides the issuer's and NICE's own: a name, or `.suffix`. Lower case.
    pub allowed_hosts: Vec<String>,
    /// How far before the window the history is requested, so that the state at the window's start is known.
    pub history_lookback: Duration,
    /// How late rows of the history may still arrive; each refresh requests that period again.
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
        /// The token endpoint.
        token_url: Url,
    },
}

/// How an OAuth client authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the header `Authorization` (RFC 6749, section 2.3.1).
    Basic,
    /// As fields of the form.
    Body,
}

/// Selects agents of the tenant's directory. `exclude` precedes `include`, which precedes the other criteria.
#[derive(Clone)]
pub struct AgentFilter {
    /// Only agents of these teams; empty selects every team.
    pub teams: Vec<String>,
    /// Only agents whose name ("First Last") matches; `None` selects every name.
    pub name_regex: Option<Regex>,
    /// Only agents that are active.
    pub active_only: bool,
    /// Ids that are selected regardless of the other criteria.
    pub include: Vec<AgentId>,
    /// Ids that are never selected.
    pub exclude: Vec<AgentId>,
    /// The most agents.
    pub max: usize,
}

/// Offline limits within the window of agents without an own limit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfflineLimits {
    /// By team.
    pub teams: BTreeMap<String, Duration>,
    /// For agents without a team limit.
    pub tenant: Option<Duration>,
}

/// One agent.
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
    /// How long the agent may be offline without a break within a shift: the agent's own limit, else its team's, else its
    /// tenant's; `None` without a schedule.
    pub absent_limit: Option<Duration>,
    /// When the agent is expected to work, less its leave.
    pub schedule: Option<Arc<Schedule>>,
}

/// The API that a tenant's requests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/api/v2/reporting/agent-presence`.
    Presence,
    /// NICE's documented API: `/incontactapi/services/…/agents/state-history` and others.
    Official,
}

/// The length of a bucket, as ISO 8601 text and as a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// As it is sent, such as `PT1H`.
    pub text: String,
    /// The length.
    pub length: Duration,
}

/// Parses a duration of the configuration: `90s`, `1.5h`, `500ms`.
///
/// # Errors
/// What is wrong with it, and what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse::duration::parse(text).map_err(|problem| format!("{}; {}", problem.message, problem.remedy))
}

// === impl Config ===

impl Config {
    /// The configuration in the YAML file at `path`. Paths in it are relative to the file's directory.
    ///
    /// # Errors
    /// All problems of the file and of the files that it names.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        document::read_file(path)
    }

    /// The configuration of one tenant, `default`, in the environment `env` and in the file `.env` in `dotenv_dir`,
    /// which relative paths are relative to. `env` wins over `.env`; a variable that is empty counts as not set.
    /// [`keys::VARIABLES`] are the variables that are read.
    ///
    /// # Errors
    /// All problems, with the names of all missing variables.
    pub fn from_environment(env: &dyn Fn(&str) -> Option<String>, dotenv_dir: &Path) -> Result<Self, ConfigError> {
        environment::read(env, dotenv_dir)
    }

    /// All settings, defaults included, as YAML that can be read back. Secrets are shown as `<secret>`, people's names as
    /// `<hidden>`, and ids as pseudonyms, if configured; without `per_agent` no agent is shown. Limits and schedules are written
    /// at each agent, and agents of an agents file are in the list.
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
            absent_limit: tenant::default_absent_limit(),
            official: None,
            counters: true,
            share: None,
        }
    }

    /// The label of an agent on page and metrics.
    pub fn label(&self, agent: &Agent) -> AgentId {
        self.privacy.label(&agent.id)
    }

    /// The most time buckets that incremental refreshes keep for all agents. An agent has one more than fit into the
    /// window, because buckets need not be aligned to it.
    pub fn kept_buckets(&self) -> u64 {
        let of_an_agent =
            self.query.window.as_nanos().div_ceil(self.query.interval.length.as_nanos().max(1)).saturating_add(1);
        let of_all = of_an_agent.saturating_mul(u128::try_from(self.agents.len()).unwrap_or(u128::MAX));
        u64::try_from(of_all).unwrap_or(u64::MAX)
    }

    /// Whether the time in each state is counted: `counters`, where closed history is kept.
    pub const fn keeps_counters(&self) -> bool {
        self.counters && (self.official.is_some() || self.query.incremental.is_some())
    }

    /// Whether states are split by their codes (`unavailable_codes`).
    pub fn splits_codes(&self) -> bool {
        self.official.as_ref().is_some_and(|official| official.unavailable_codes)
    }
}

// === impl AgentFilter ===

/// Omits the expression, because it may contain people's names.
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

// === impl Agent ===

impl Agent {
    /// What a source needs to know of the agent.
    pub fn watched(&self) -> WatchedAgent {
        WatchedAgent { id: Arc::clone(&self.id), schedule: self.schedule.clone() }
    }
}

/// Omits the person's name, because debug output may be logged.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("id", &self.id).finish_non_exhaustive()
    }
}
