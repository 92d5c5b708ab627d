//! Agents, directory entries and the presence of an agent within a window.

use std::fmt;
use std::sync::Arc;

use super::{Micros, PresenceChart, PresenceTimeline, Schedule, StateName, Timestamp, Window, WindowParts};

/// The id of an agent as the tenant spells it: a long string of digits, never a number in code.
pub type AgentId = Arc<str>;

/// The presence of one agent within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPresence {
    /// Time in each reported state, ordered by name; a state that was reported without time is zero. At most
    /// [`MAX_STATES_PER_AGENT`](super::MAX_STATES_PER_AGENT), and [`OTHER_STATE`](super::OTHER_STATE).
    pub states: Vec<(StateName, Micros)>,
    /// The reported states whose time is in [`OTHER_STATE`](super::OTHER_STATE), because they are too many; at most
    /// [`MAX_STATES_PER_TALLY`](super::MAX_STATES_PER_TALLY). They are not stored.
    pub folded: Vec<StateName>,
    /// The part of the window that is in any state.
    pub observed: Micros,
    /// The newest state and the unbroken time in it up to the newest data, if known.
    ///
    /// It is known if the newest bucket has time in one state only. Earlier buckets are added while each touches the next and
    /// both are full of that state, so this is a lower bound at the precision of the buckets. Unknown time ends the run.
    pub current: Option<(StateName, Micros)>,
    /// The unbroken time offline up to the newest data; zero while the agent is not offline, `None` while that is unknown.
    ///
    /// A change from one offline state to another does not break it. It is unknown if the newest data does not reach the
    /// window's end, or is a bucket with time both offline and not. From buckets it is a lower bound at their precision, like
    /// `current`; from a timeline it is exact and may begin before the window.
    pub unbroken_offline: Option<Micros>,
    /// The end of the newest data, never after the window's end.
    pub last_data: Timestamp,
    /// The window's scheduled time, if the agent has a schedule.
    pub scheduled: Option<ScheduledTime>,
    /// The same time by the hour, for the status page. Its places are positions in `states`. It is not stored, so it is empty
    /// between a restart and the next refresh.
    pub chart: PresenceChart,
    /// The same time with the exact start and end of each state, for the status page; `None` from a source of buckets, which
    /// has none. Its places are positions in `states`. It is not stored.
    pub timeline: Option<PresenceTimeline>,
    /// The same time by parts of the window, for the counters. It is neither kept nor stored with the presence.
    pub parts: WindowParts,
}

/// Scheduled time within the window, and the offline part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduledTime {
    /// The part of the window in which the agent was expected to work.
    pub total: Micros,
    /// The scheduled time in an offline state. States of a bucket count as spread evenly over it.
    pub offline: Micros,
}

/// An agent that a tally counts for.
#[derive(Debug, Clone)]
pub struct WatchedAgent {
    /// The id.
    pub id: AgentId,
    /// The schedule, if any.
    pub schedule: Option<Arc<Schedule>>,
}

/// A person in the tenant's list of agents.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The agent's id.
    pub id: AgentId,
    /// First and last name.
    pub name: Option<String>,
    /// The team's name.
    pub team: Option<String>,
    /// Whether the person is active.
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

    /// The unbroken offline time within `shift`, the agent's current one: zero off shift; `None` while it is unknown whether the
    /// agent is offline.
    pub fn absent(&self, shift: Option<Window>) -> Option<Micros> {
        let Some(shift) = shift else { return Some(Micros::ZERO) };
        let offline =
            Window { start: self.last_data.saturating_sub(self.unbroken_offline?.into()), end: self.last_data };
        Some(offline.intersection(shift).map_or(Micros::ZERO, Window::length))
    }

    /// The offline time that an offline limit applies to: on shift where the agent has a schedule, else all in `offline_states`.
    pub fn limited_offline(&self, offline_states: &[StateName], has_schedule: bool) -> Option<Micros> {
        if has_schedule {
            return self.scheduled.map(|scheduled| scheduled.offline);
        }
        Some(self.states.iter().filter(|(state, _)| offline_states.contains(state)).map(|(_, time)| *time).sum())
    }
}

// === impl Person ===

/// Leaves the name and team out, as this may be logged.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("id", &self.id).field("active", &self.active).finish_non_exhaustive()
    }
}
