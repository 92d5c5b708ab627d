//! Agents, people and the presence of an agent within a window.

use std::fmt;
use std::sync::Arc;

use super::{Micros, PresenceChart, Schedule, StateName, Timestamp};

/// The id of an agent, as the tenant spells it: a long string of digits that is never a number in code.
pub type AgentId = Arc<str>;

/// What one agent did within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPresence {
    /// Time in each state seen, ordered by name; a state that was reported with no time is here at zero.
    /// At most [`MAX_STATES_PER_AGENT`](super::MAX_STATES_PER_AGENT), and [`OTHER_STATE`](super::OTHER_STATE)
    /// beside them.
    pub states: Vec<(StateName, Micros)>,
    /// The part of the window that any state accounts for.
    pub observed: Micros,
    /// The newest state and the unbroken time in it up to the newest data, where that can be known.
    ///
    /// It is known when the newest bucket has time in one state only. Buckets before it are added while each
    /// touches the next, holds nothing but that state and is full of it. Where the state began inside an
    /// earlier bucket cannot be seen, so this is a lower bound at the grain of the buckets.
    pub current: Option<(StateName, Micros)>,
    /// The end of the newest data, never after the window's end.
    pub last_data: Timestamp,
    /// The window's time on the agent's schedule, where it has one.
    pub scheduled: Option<ScheduledTime>,
    /// The same time hour by hour, for people to look at. Its places are those in `states`. It is not stored, so after
    /// a restart it is empty until the next refresh.
    pub chart: PresenceChart,
}

/// How an agent's schedule and presence went together within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduledTime {
    /// The part of the window in which the agent was expected to work.
    pub total: Micros,
    /// The part of that which was spent in an offline state; a bucket's states are taken as spread evenly over it.
    pub offline: Micros,
}

/// An agent that a tally counts for.
#[derive(Debug, Clone)]
pub struct WatchedAgent {
    /// The id of an agent, as CXone has it.
    pub id: AgentId,
    /// When the agent is expected to work.
    pub schedule: Option<Arc<Schedule>>,
}

/// A person as the tenant's own list has them.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The agent's id.
    pub id: AgentId,
    /// First and last name.
    pub name: Option<String>,
    /// The team's name.
    pub team: Option<String>,
    /// Whether the person works there still.
    pub active: bool,
}

// === impl AgentPresence ===

impl AgentPresence {
    /// Time in each state seen, the longest first.
    pub fn longest_first(&self) -> Vec<(StateName, Micros)> {
        let mut states = self.states.clone();
        states.sort_by(|(name, time), (other, longer)| longer.cmp(time).then_with(|| name.cmp(other)));
        states
    }
}

// === impl Person ===

/// Leaves the person's name out, as this may end up in a log.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("id", &self.id).field("active", &self.active).finish_non_exhaustive()
    }
}
