//! What a refresh leaves behind: the last good data of each agent, and how things stand.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Monotonic;
use crate::config::Tenant;
use crate::presence::{AgentPresence, Timestamp, Window};
use crate::upstream::UpstreamError;

/// The last good data of every configured agent. It never changes; a refresh makes a new one.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The tenant, whose `agents` are in the order of `rows`.
    pub tenant: Arc<Tenant>,
    /// One row per configured agent.
    pub rows: Vec<AgentRow>,
}

/// What is known of one agent.
#[derive(Debug, Clone, Default)]
pub struct AgentRow {
    /// The last good answer, unless there is none or it is older than `max_staleness`.
    pub data: Option<Arc<AgentData>>,
}

/// A good answer about one agent.
#[derive(Debug, Clone)]
pub struct AgentData {
    /// What the tenant reported; `None` when it answered in full and reported nothing.
    pub presence: Option<AgentPresence>,
    /// The window it speaks of.
    pub window: Window,
    /// When it was read, for its age.
    pub read_at: Monotonic,
}

/// How things stand with a tenant: the freshness contract. All of it is exposed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status {
    /// Whether the last refresh that ended succeeded in full; false before the first.
    pub up: bool,
    /// The window of the last full success.
    pub window: Option<Window>,
    /// When the last full success ended.
    pub last_success: Option<Timestamp>,
    /// When the last attempt ended, whatever came of it.
    pub last_attempt: Option<Timestamp>,
    /// Before this no request goes out: cooldown, back-off or `Retry-After`, whichever is longest.
    pub not_before: Option<Timestamp>,
    /// How long the last refresh took.
    pub last_duration: Option<Duration>,
    /// The configured agents by their data.
    pub agents: AgentCounts,
    /// When the token in hand expires.
    pub token_expiry: Option<Timestamp>,
    /// Why the last refresh did not succeed in full.
    pub last_error: Option<UpstreamError>,
}

/// The configured agents by the age of their data. The sum is the number of agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgentCounts {
    /// With data of the last refresh.
    pub fresh: usize,
    /// With older data, within `max_staleness`.
    pub stale: usize,
    /// With none.
    pub missing: usize,
}
