//! The last good data of each agent, and the status of a tenant.

use std::sync::Arc;
use std::time::Duration;

use super::counters::StateCounters;
use crate::clock::Monotonic;
use crate::config::Tenant;
use crate::presence::{AgentPresence, Micros, Timestamp, Window};
use crate::upstream::UpstreamError;

/// The last good data of every configured agent. It never changes; a refresh makes a new one.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The tenant, whose `agents` are in the order of `rows`.
    pub tenant: Arc<Tenant>,
    /// One row per configured agent.
    pub rows: Vec<AgentRow>,
    /// The counters of these agents, and of others that may come back.
    pub counters: Arc<StateCounters>,
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
    /// The reported presence; `None` when the tenant answered in full and reported nothing.
    pub presence: Option<AgentPresence>,
    /// The window it covers.
    pub window: Window,
    /// When it was read, for its age.
    pub read_at: Moment,
}

/// One moment on both clocks.
///
/// An age is the longer of the two: the monotonic clock stands still while a machine is suspended, and the time of day may be
/// set back. Either alone could make old data look new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// On the clock that never jumps.
    pub monotonic: Monotonic,
    /// The time of day.
    pub utc: Timestamp,
}

/// The freshness contract of a tenant. All of it is exposed as metrics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status {
    /// Whether the last refresh that ended succeeded in full; false before the first.
    pub up: bool,
    /// The window of the last full success.
    pub window: Option<Window>,
    /// When the last full success ended.
    pub last_success: Option<Timestamp>,
    /// When the last attempt ended, with any result.
    pub last_attempt: Option<Timestamp>,
    /// Before this no request goes out: cooldown, back-off or `Retry-After`, whichever is longest.
    pub not_before: Option<Timestamp>,
    /// How long the last refresh took.
    pub last_duration: Option<Duration>,
    /// The configured agents by their data.
    pub agents: AgentCounts,
    /// How many agents `agent_filter.max` leaves out; `None` without `agents: all`.
    pub agents_dropped: Option<usize>,
    /// How many agents the tenant's own list has; `None` without `agents: all`, and before it is read.
    pub agents_listed: Option<usize>,
    /// How many of them `agent_filter` selects, its `max` aside. Shards have the same number.
    pub agents_selected: Option<usize>,
    /// How many agents the last reading of the list has, if it is not used until the next one confirms it.
    pub agents_unconfirmed: Option<usize>,
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

// === impl Moment ===

impl Moment {
    /// How long ago this was at `now`.
    pub fn age(self, now: Self) -> Duration {
        let wall = Duration::from_micros(now.utc.saturating_since(self.utc).get());
        now.monotonic.saturating_since(self.monotonic).max(wall)
    }

    /// The time of day at `later`, or this moment's own where that has passed.
    pub(crate) fn utc_at(self, later: Monotonic) -> Timestamp {
        self.utc + later.saturating_since(self.monotonic)
    }

    /// The moment of `utc`, which an earlier process stored, as of `now`. A later one becomes `now`.
    pub(crate) fn remembered(utc: Timestamp, now: Self) -> Self {
        let age = Duration::from_micros(now.utc.saturating_since(utc).get());
        Self { monotonic: now.monotonic.saturating_sub(age), utc: utc.min(now.utc) }
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// A snapshot of a tenant that has not been asked yet.
    pub fn empty(tenant: Arc<Tenant>) -> Self {
        let rows = vec![AgentRow::default(); tenant.agents.len()];
        Self { tenant, rows, counters: Arc::default() }
    }

    /// Leaves out what is older than `max_staleness` at `now`.
    pub fn without_expired(&self, now: Moment) -> Self {
        let keep = |data: &Arc<AgentData>| data.read_at.age(now) < self.tenant.limits.max_staleness;
        let rows = self.rows.iter().map(|row| AgentRow { data: row.data.clone().filter(keep) }).collect();
        Self { tenant: Arc::clone(&self.tenant), rows, counters: Arc::clone(&self.counters) }
    }

    /// When the oldest data was read, if there is any.
    pub fn oldest(&self) -> Option<Moment> {
        self.data().map(|data| data.read_at).min_by_key(|read_at| (read_at.monotonic, read_at.utc))
    }

    /// Whether there is data of any agent.
    pub fn has_data(&self) -> bool {
        self.data().next().is_some()
    }

    /// The agents by the age of their data, where `last` is when the last refresh read its data, if it read any.
    pub fn counts(&self, last: Option<Moment>) -> AgentCounts {
        let reported = |data: &&AgentData| data.presence.is_some();
        let (fresh, stale): (Vec<_>, Vec<_>) =
            self.data().filter(reported).partition(|data| Some(data.read_at) == last);
        AgentCounts {
            fresh: fresh.len(),
            stale: stale.len(),
            missing: self.rows.len().saturating_sub(fresh.len() + stale.len()),
        }
    }

    fn data(&self) -> impl Iterator<Item = &AgentData> {
        self.rows.iter().filter_map(|row| row.data.as_deref())
    }
}

// === impl AgentData ===

impl AgentData {
    /// The part of the window that any state accounts for.
    pub fn observed(&self) -> Micros {
        self.presence.as_ref().map_or(Micros::ZERO, |presence| presence.observed)
    }
}
