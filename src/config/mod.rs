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
mod document;
mod dotenv;
mod duration;
mod environment;
mod fault;
mod fields;
mod incremental;
mod interval;
pub mod keys;
mod limits;
mod names;
mod nearest;
mod official;
mod people;
mod privacy;
mod query_key;
mod redact;
mod schedule;
mod secret;
mod shard;
mod source;
mod tenant;
pub mod web;
mod yaml;

pub(crate) use address::is_loopback;
pub use duration::format as format_duration;
pub use fault::{ConfigError, Fault};
pub use privacy::{AgentLabel, Privacy, Pseudonyms};
pub use query_key::{QueryKey, ServerKey};
pub use schedule::describe as describe_schedule;
pub use shard::{Shard, ShardError, Share};
pub use web::WebConfig;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
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
    /// Where asking begins, without a path; `https`, or `http` on loopback. With [`Api::Presence`] it is the API itself,
    /// with [`Api::Official`] the issuer or the area's host, which tells where the API is.
    pub base_url: Url,
    /// The OAuth client's id; empty where an access key alone is the way in.
    pub client_id: String,
    /// The OAuth client's secret; empty where there is no client.
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
    /// How many requests are sent in any minute, whatever they are for; `None` is no budget.
    pub max_requests_per_minute: Option<NonZeroU32>,
    /// The states that count as offline.
    pub offline_states: Vec<StateName>,
    /// How much of a person goes out.
    pub privacy: Privacy,
    /// Whom to ask for, in the order of the configuration; no two of one id.
    pub agents: Vec<Agent>,
    /// Which of the tenant's own agents are asked for besides (`agents: all`); `None`: only those configured.
    pub everyone: Option<AgentFilter>,
    /// Offline limits for agents that are found in the tenant's own list.
    pub offline_limits: OfflineLimits,
    /// What states are called from here on, by what they are called until then; applied last.
    pub state_map: StateMap,
    /// How [`Api::Presence`] is asked for the tail only; `None`: each refresh reads the whole window.
    pub incremental: Option<Incremental>,
    /// What only [`Api::Official`] has; `Some` exactly there.
    pub official: Option<Official>,
    /// Which part of the tenant this is, where several exporters share its agents; `None` is all of it.
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

/// The names under which states go out, by the names they have until then; several may get one name.
pub type StateMap = BTreeMap<StateName, StateName>;

/// What is configured for `api: official`.
#[derive(Debug, Clone)]
pub struct Official {
    /// How the exporter gets in.
    pub login: Login,
    /// The access key's id.
    pub access_key_id: String,
    /// The access key's secret.
    pub access_key_secret: SecretString,
    /// Where that was read from, if it came from a file.
    pub access_key_secret_file: Option<PathBuf>,
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
    /// `<secret>`, in place of each person's name `<hidden>`, and in place of ids their pseudonyms, if there are any. Limits and schedules are at the agents they hold for,
    /// and agents from an agents file are in the list.
    pub fn to_yaml_redacted(&self) -> String {
        redact::to_yaml(self)
    }
}

// === impl Tenant ===

impl Tenant {
    /// The most buckets that are kept of all agents together, where refreshes are incremental: an agent's are one more than
    /// fit into the window, as they need not be aligned to it.
    pub fn kept_buckets(&self) -> u64 {
        let of_an_agent = self.window.as_nanos().div_ceil(self.interval.length.as_nanos().max(1)).saturating_add(1);
        let of_all = of_an_agent.saturating_mul(u128::try_from(self.agents.len()).unwrap_or(u128::MAX));
        u64::try_from(of_all).unwrap_or(u64::MAX)
    }

    /// Whether a state is told apart by its codes (`unavailable_codes`).
    pub fn splits_codes(&self) -> bool {
        self.official.as_ref().is_some_and(|official| official.unavailable_codes)
    }
}

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
            max_requests_per_minute,
            offline_states,
            privacy,
            agents,
            everyone,
            offline_limits,
            state_map,
            incremental,
            official,
            share,
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
            && *max_requests_per_minute == other.max_requests_per_minute
            && *offline_states == other.offline_states
            && *privacy == other.privacy
            && *agents == other.agents
            && *everyone == other.everyone
            && *offline_limits == other.offline_limits
            && *state_map == other.state_map
            && *incremental == other.incremental
            && *official == other.official
            && *share == other.share
    }
}

// === impl Official ===

/// As of a [`Tenant`], the secret included.
impl PartialEq for Official {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            login,
            access_key_id,
            access_key_secret,
            access_key_secret_file,
            api_version,
            api_endpoint,
            allowed_hosts,
            history_lookback,
            settle,
            unavailable_codes,
        } = self;
        *login == other.login
            && *access_key_id == other.access_key_id
            && access_key_secret.expose_secret() == other.access_key_secret.expose_secret()
            && *access_key_secret_file == other.access_key_secret_file
            && *api_version == other.api_version
            && *api_endpoint == other.api_endpoint
            && *allowed_hosts == other.allowed_hosts
            && *history_lookback == other.history_lookback
            && *settle == other.settle
            && *unavailable_codes == other.unavailable_codes
    }
}

impl Official {
    /// The defaults of the documentation, for an access key alone and whom `token_url` issues tokens to.
    pub fn by_access_key(token_url: Url, access_key_id: &str, access_key_secret: &str) -> Self {
        Self {
            login: Login::AccessKey { token_url },
            access_key_id: access_key_id.to_owned(),
            access_key_secret: access_key_secret.into(),
            access_key_secret_file: None,
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
