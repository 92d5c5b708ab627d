//! State changes over time, put together from whatever a tenant answers: rows of history and observations of states.
//!
//! What servers do is not known beforehand: rows may be clipped at the range that was asked for or not, kept by their
//! start or by overlap, come twice or late; the state an agent is in may be listed, with a length or without, or not. So
//! nothing is taken from a row but what it must mean in every case:
//!
//! - A row's **start** is when its state began, or a moment within it where the row was clipped.
//! - A row's **end** is known where it has a length that does not reach the end of the range that was asked for. Otherwise
//!   the state lasts until the agent's next one starts, as every change is a row.
//! - A **observation** says that an agent was in a state since a moment and still is. It fills time that no row covers, and
//!   closes the last state at the window's end. It is remembered, as rows may come much later than changes.
//!
//! Time that none of this accounts for stays unaccounted for.

mod agent_timeline;
#[cfg(test)]
mod properties;
mod sum;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use self::agent_timeline::{AgentTimeline, MergedRow};
pub use self::sum::{StateLabels, TimelineSums};
use super::{AgentId, Micros, Rejection, Rejections, Timestamp, Window};

/// How far apart two moments may be that are one and the same. Rows give times in milliseconds, and durations that were
/// measured apart from them.
const TOLERANCE: Duration = Duration::from_secs(1);

/// How many rows of one agent are kept, at some 56 bytes each. A change of state every four seconds around the clock makes
/// as many in a day; nobody works like that, so more would only fill the memory.
pub const MAX_ROWS_PER_AGENT: usize = 20_000;

/// How many observations of one agent are kept, each of another state. They matter only until the rows of their states
/// arrive, which is long before there are as many.
const MAX_OBSERVATIONS: usize = 64;

/// Which of a source's states: an index that only the source can read, so that what a state is called may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawStateIndex(pub u32);

/// What makes a row the same row when it comes again, clipped differently or with a later end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// The agent's session.
    pub session: i64,
    /// The place of the state in the session.
    pub index: i64,
}

/// One row of the history, as it was answered.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// Whom it is about.
    pub agent: AgentId,
    /// Which row it is, where that is said.
    pub key: Option<RowKey>,
    /// The state.
    pub state: RawStateIndex,
    /// When it began.
    pub start: Timestamp,
    /// How long it lasted; `None` where that is not said.
    pub length: Option<Micros>,
}

/// The state that an agent is in.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Whom it is about.
    pub agent: AgentId,
    /// The state.
    pub state: RawStateIndex,
    /// Since when, where that is said.
    pub start: Option<Timestamp>,
}

/// What is known of the states of all agents over time. A copy shares what neither changes.
#[derive(Debug, Clone, Default)]
pub struct StateTimeline {
    agents: HashMap<AgentId, Arc<AgentTimeline>>,
    /// Counts refreshes, so that what is wrong with a row is counted once.
    refresh: u32,
}

// === impl StateTimeline ===

impl StateTimeline {
    /// Begins a refresh: rows that come from now on are new.
    pub fn begin_refresh(&mut self) {
        self.refresh = self.refresh.wrapping_add(1);
    }

    /// Takes rows of the history of `asked`. A row of one key may come in several pieces, from several ranges.
    pub fn add(&mut self, asked: Window, rows: impl IntoIterator<Item = HistoryRow>) {
        // What ends here may as well have been cut here.
        let cut = asked.end.saturating_sub(TOLERANCE);
        for HistoryRow { agent, key, state, start, length } in rows {
            let end = start + Duration::from_micros(length.unwrap_or_default().get());
            let closed = length.is_some() && end < cut;
            let listed = MergedRow { key, state, start, end, closed, refresh: self.refresh };
            Arc::make_mut(self.agents.entry(agent).or_default()).add(listed);
        }
    }

    /// Takes the states that agents were in at `seen`, the newest moment of this refresh.
    pub fn observe(&mut self, seen: Timestamp, observations: impl IntoIterator<Item = Observation>) {
        for Observation { agent, state, start } in observations {
            Arc::make_mut(self.agents.entry(agent).or_default()).observe(state, start, seen, self.refresh);
        }
    }

    /// Puts in order what came, and drops what is over before `moment`, and agents that are not `wanted`.
    pub fn compact(&mut self, moment: Timestamp, wanted: &HashSet<AgentId>, rejections: &mut Rejections) {
        self.agents.retain(|agent, _| wanted.contains(agent));
        for agent in self.agents.values_mut() {
            if agent.needs_compacting(moment) {
                let dropped = Arc::make_mut(agent).compact(moment);
                (0..dropped).for_each(|_| rejections.add(Rejection::TooMany));
            }
        }
    }

    /// How many rows are kept.
    pub fn rows(&self) -> usize {
        self.agents.values().map(|agent| agent.rows()).sum()
    }
}
