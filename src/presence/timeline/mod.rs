//! State changes over time, merged from history rows and observed current states.
//!
//! Servers differ: rows may be clipped at the requested range, selected by start or by overlap, repeated or late, and the
//! current state may be listed with a length, without one, or not at all. Only what holds in every case is used:
//!
//! - The **start** of a row is the start of its state, or a time within the state if the row was clipped.
//! - The **end** of a row is known if the row has a length, ends before now, and was not cut at the end of the requested
//!   range. A row that was listed as running lasts at least until it was read. A row that was cut lasts until the agent's next
//!   row of the same answer, as every change of state is a row.
//! - An **observation** with a start says that the agent was in a state from then until the observation. Without a start it
//!   is a point in time. Observations are kept, as rows may arrive long after the change.
//! - Between two points in the same state, the agent may have been in another state whose row has not arrived. So this time
//!   counts once the later point is `settle` old and no row is in between, or if the agent has no rows at all. A server that
//!   lists running states would have listed a state that began in between, so a row that it listed as running extends to the
//!   point.
//!
//! All other time is unknown and is not counted. A state that was running and has ended since keeps the length that it had
//! until its row is read again; [`StateTimeline::unanswered`] lists such states.

mod agent_timeline;
#[cfg(test)]
pub(crate) mod model_server;
mod observations;
mod past;
#[cfg(test)]
mod properties;
mod rows;
mod segments;
mod sum;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::agent_timeline::AgentTimeline;
use self::observations::ObservedState;
use self::rows::MergedRow;
pub use self::segments::{MAX_SEGMENTS_PER_AGENT, PresenceTimeline, Segment};
pub use self::sum::{StateLabels, TimelineSums, Unanswered};
use super::{AgentId, Micros, Rejection, Rejections, Timestamp, Window};

/// Times this close are the same. Rows give times in milliseconds, and durations that were measured separately.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The limit of rows kept per agent, some 56 bytes each. It is a change of state every four seconds for a whole day, more
/// than any agent makes.
pub const MAX_ROWS_PER_AGENT: usize = 20_000;

/// The limit of observations kept per agent. They matter only until the rows of their states arrive, which takes far fewer
/// changes of state.
const MAX_OBSERVATIONS: usize = 64;

/// The index of a state in the source's own list, so that the name of a state may change later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawStateIndex(pub u32);

/// Identifies a row that comes again, clipped differently or with a later end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The agent's session.
    pub session: i64,
    /// The position of the state in the session.
    pub index: i64,
}

/// One row of the history, as returned.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// The agent.
    pub agent: AgentId,
    /// The key of the row, if it has one.
    pub key: Option<RowKey>,
    /// The state.
    pub state: RawStateIndex,
    /// The start of the state.
    pub start: Timestamp,
    /// The length of the state, if it is given.
    pub length: Option<Micros>,
}

/// The current state of an agent.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The agent.
    pub agent: AgentId,
    /// The state.
    pub state: RawStateIndex,
    /// The start of the state, if it is given.
    pub start: Option<Timestamp>,
    /// A time since when the agent has been in the state, if no start is given; `None` is the time of the observation.
    pub fallback: Option<Timestamp>,
}

/// What was requested when rows were returned.
#[derive(Debug, Clone, Copy)]
pub struct Requested {
    /// The range.
    pub range: Window,
    /// The end of the ranges that were requested together: up to here, every change of state is a row.
    pub until: Timestamp,
    /// The end of this refresh's window. Rows that reach it are of states that may not have ended.
    pub now: Timestamp,
}

/// The states of all agents over time. A clone shares the agents that neither copy changes.
#[derive(Debug, Clone, Default)]
pub struct StateTimeline {
    agents: HashMap<AgentId, Arc<AgentTimeline>>,
    /// The number of the refresh, so that a rejection is counted once.
    refresh: u32,
    /// The refreshes after which rows may still arrive, oldest first: number and end of the window.
    recent: VecDeque<(u32, Timestamp)>,
    /// The end of the window less `settle`: rows of states that ended before have arrived.
    settled: Option<Timestamp>,
    /// The last refresh whose window ended by then: number and end of the window.
    settled_refresh: Option<(u32, Timestamp)>,
}

// === impl StateTimeline ===

impl StateTimeline {
    /// Begins a refresh of a window that ends at `now`: rows added from now on are new. The row of a state arrives at most
    /// `settle` after its end.
    pub fn begin_refresh(&mut self, now: Timestamp, settle: Duration) {
        self.refresh = self.refresh.wrapping_add(1);
        let settled = now.saturating_sub(settle);
        self.settled = Some(settled);
        self.settled_refresh = self.recent.iter().rfind(|(_, end)| *end <= settled).copied().or(self.settled_refresh);
        if let Some((_, last)) = self.recent.back() {
            let settled = last.saturating_sub(settle);
            self.recent.retain(|(_, end)| *end >= settled);
        }
        self.recent.push_back((self.refresh, now));
    }

    /// Adds the rows returned for `requested`. A row with a key may come in several pieces, from several ranges.
    pub fn add(&mut self, requested: Requested, rows: impl IntoIterator<Item = HistoryRow>) {
        let Requested { range, until, now } = requested;
        for HistoryRow { agent, key, state, start, length } in rows {
            let end = start + Duration::from_micros(length.unwrap_or_default().get());
            let is_cut = is_same_time(end, range.end);
            let closed = length.is_some() && !is_cut && end + TOLERANCE < now;
            // Some servers list a running state without a length, or with none.
            let reaches_now = end + TOLERANCE >= now || length.is_none_or(|length| length == Micros::ZERO);
            let running = range.end + TOLERANCE >= now && reaches_now;
            let row = MergedRow {
                key,
                state,
                start,
                last_start: start,
                end,
                closed,
                has_start: true,
                running,
                open_until: until.max(end),
                refresh: self.refresh,
                seen: if running && !closed { self.refresh } else { 0 },
            };
            Arc::make_mut(self.agents.entry(agent).or_default()).add(row);
        }
    }

    /// Adds the states observed between `now`, when they were requested, and `answered`.
    pub fn observe(
        &mut self,
        now: Timestamp,
        answered: Timestamp,
        observations: impl IntoIterator<Item = Observation>,
    ) {
        for Observation { agent, state, start, fallback } in observations {
            let fallback = fallback.unwrap_or(answered).min(answered);
            // A state may begin while it is requested.
            let last_seen = start.unwrap_or(now).max(now);
            let new = ObservedState {
                state,
                start,
                fallback,
                first_seen: last_seen,
                last_fallback: fallback,
                last_seen,
                refresh: self.refresh,
            };
            Arc::make_mut(self.agents.entry(agent).or_default()).observe(new);
        }
    }

    /// Merges and sorts what was added, and drops what ended by `cutoff` and the agents that are not in `wanted`.
    pub fn compact(&mut self, cutoff: Timestamp, wanted: &HashSet<AgentId>, rejections: &mut Rejections) {
        self.agents.retain(|agent, _| wanted.contains(agent));
        for agent in self.agents.values_mut() {
            if agent.needs_compacting(cutoff) {
                let dropped = Arc::make_mut(agent).compact(cutoff);
                (0..dropped).for_each(|_| rejections.add(Rejection::TooMany));
            }
        }
    }

    /// Whether the row of a state may still arrive that the refresh number `seen` saw running and later ones did not.
    fn may_arrive(&self, seen: u32) -> bool {
        let is_recent = self.recent.front().is_some_and(|(first, _)| *first <= seen.wrapping_add(1));
        seen > 0 && seen < self.refresh && is_recent
    }

    /// The time up to which an observed state without a start has lasted since its first observation.
    fn confirmed_until(&self, observation: &ObservedState) -> Timestamp {
        if self.settled.is_some_and(|settled| observation.last_seen <= settled) {
            return observation.last_seen;
        }
        let settled = self.settled_refresh.filter(|(refresh, _)| *refresh <= observation.refresh);
        settled.map_or(observation.first_seen, |(_, end)| end.max(observation.first_seen))
    }

    /// The number of rows that are kept.
    pub fn rows(&self) -> usize {
        self.agents.values().map(|agent| agent.rows()).sum()
    }
}

fn is_same_time(one: Timestamp, other: Timestamp) -> bool {
    one.max(other) <= one.min(other) + TOLERANCE
}
