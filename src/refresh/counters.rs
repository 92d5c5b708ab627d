//! The counters of time per agent and state. Pure.
//!
//! Closed history and the running end are counted in parts of a quarter of the window ([`WindowParts`]). Each reading replaces
//! the parts that are in its window, so a moment counts once however often it is read, and late rows and corrections count. A
//! part that is about to leave the window is closed: its time, as last read, is added for good. A state's counter is the
//! highest sum so far: where CXone corrects a state downwards, or the clock is set back, it waits until the truth catches up.

pub(crate) mod teams;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::teams::TeamCounters;
use super::snapshot::Snapshot;
use crate::config::{QueryKey, Tenant};
use crate::presence::{
    AgentId, AgentPresence, MAX_STATES_PER_AGENT, Micros, StateName, Timestamp, Window, WindowPart, WindowParts,
    limited_place,
};

#[cfg(test)]
pub(crate) mod tests;

/// The agents that are no longer configured and whose counters are kept, in case they come back: about 10 MB. Those read
/// last are kept.
const MAX_FORMER_AGENTS: usize = 10_000;

/// The part of the window from its start within which a part that begins there is closed. A bucket that reaches into a part
/// is cut by the window's start before; buckets are rarely longer than an hour of a day.
const CLOSING_SHARE: u64 = 24;

/// The end of the last window of an agent that was not read yet.
const NEVER: Timestamp = Timestamp::from_micros(i64::MIN);

/// The counters of every agent that was read, by id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StateCounters {
    pub(crate) agents: HashMap<AgentId, Arc<AgentCounter>>,
    /// The counters of the agents' teams.
    pub(crate) teams: TeamCounters,
}

/// The parts that a refresh read, by agent. They are not kept with the presence, as the counters have them: that would take 15 MB
/// for 30,000 agents.
#[derive(Debug, Default)]
pub struct ReadParts(HashMap<AgentId, WindowParts>);

/// The counters of one agent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AgentCounter {
    /// In the order of their first appearance.
    pub(crate) states: Vec<StateCount>,
    /// The parts that may still change, as last read, in order. Positions are those of `states`.
    pub(crate) open: Vec<WindowPart>,
    /// The start of the first part that may still count; `None` if the next reading is the first.
    pub(crate) from: Option<Timestamp>,
    /// The end of the last window that was read.
    pub(crate) read_to: Timestamp,
    /// The latest end of any window that was read. Only after the clock was set back, it is after `read_to`.
    pub(crate) counted_to: Timestamp,
    /// Whether the clock was set back by more than a window, so that time up to `counted_to` counts again.
    pub(crate) repeats: bool,
    /// Whether it is not exposed, because a process that crashed may have exposed higher values. Until the next reading.
    pub(crate) is_hidden: bool,
}

/// The counter of one state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StateCount {
    pub(crate) name: StateName,
    /// The value. It never decreases.
    pub(crate) time: Micros,
    /// Microseconds in closed parts, less what was in open parts at the first reading.
    pub(crate) closed: i64,
}

// === impl StateCounters ===

impl StateCounters {
    /// The counters after a refresh that read `data`, and `parts` of it. Agents without a row in it stay as they are.
    #[must_use]
    pub fn after(&self, data: &Snapshot, parts: &ReadParts) -> Self {
        if !data.tenant.keeps_counters() {
            return Self::default();
        }
        let mut next = self.clone();
        for (agent, row) in data.tenant.agents.iter().zip(&data.rows) {
            let Some(read) = row.data.as_deref() else { continue };
            let counter = next.agents.entry(Arc::clone(&agent.id)).or_default();
            Arc::make_mut(counter).read(read.presence.as_ref().zip(parts.0.get(&agent.id)), read.window);
            let before = self.agents.get(&agent.id).map(|before| &**before);
            next.teams.add(agent.team.as_deref().unwrap_or_default(), before, counter);
        }
        next.drop_former_agents(&data.tenant);
        next.teams.drop_former_teams(&data.tenant);
        next
    }

    /// The counters after a change of the configuration from `old` to `new`. None are left of another server.
    pub(super) fn carried_over(self: &Arc<Self>, old: &Tenant, new: &Tenant) -> Arc<Self> {
        let (old_key, new_key) = (QueryKey::of(old), QueryKey::of(new));
        if !new.keeps_counters() || old_key.server() != new_key.server() {
            return Arc::default();
        }
        if old_key.has_same_parts(&new_key) {
            return Arc::clone(self);
        }
        Arc::new(Self::clone(self).closed())
    }

    /// The counters with all parts closed, because later readings have other names or parts. They go on with the next reading.
    pub(crate) fn closed(mut self) -> Self {
        self.agents.values_mut().for_each(|agent| Arc::make_mut(agent).close());
        self
    }

    /// The counters after a crash, not exposed until the agents are read again.
    pub(crate) fn hidden(mut self) -> Self {
        self.agents.values_mut().for_each(|agent| Arc::make_mut(agent).is_hidden = true);
        self
    }

    /// The time in each state of an agent; `None` if it was never read, or not since a crash.
    pub(crate) fn of(&self, agent: &AgentId) -> Option<impl Iterator<Item = (&StateName, Micros)>> {
        let counter = self.agents.get(agent).filter(|counter| !counter.is_hidden)?;
        Some(counter.states.iter().map(|state| (&state.name, state.time)))
    }

    fn drop_former_agents(&mut self, tenant: &Tenant) {
        let excess = self.agents.len().saturating_sub(tenant.agents.len()).saturating_sub(MAX_FORMER_AGENTS);
        if excess == 0 {
            return;
        }
        let configured: HashSet<&AgentId> = tenant.agents.iter().map(|agent| &agent.id).collect();
        let mut former: Vec<_> = self
            .agents
            .iter()
            .filter(|(id, _)| !configured.contains(id))
            .map(|(id, counter)| (counter.read_to, Arc::clone(id)))
            .collect();
        former.sort_unstable();
        for (_, id) in former.into_iter().take(excess) {
            self.agents.remove(&id);
        }
    }
}

// === impl ReadParts ===

impl ReadParts {
    /// Takes the parts out of what was read.
    pub fn take(answered: &mut [(AgentId, Option<AgentPresence>)]) -> Self {
        let parts = answered.iter_mut().filter_map(|(agent, presence)| {
            let parts = std::mem::take(&mut presence.as_mut()?.parts);
            Some((Arc::clone(agent), parts))
        });
        Self(parts.collect())
    }
}

// === impl AgentCounter ===

impl Default for AgentCounter {
    /// A counter before the first reading.
    fn default() -> Self {
        Self {
            states: Vec::new(),
            open: Vec::new(),
            from: None,
            read_to: NEVER,
            counted_to: NEVER,
            repeats: false,
            is_hidden: false,
        }
    }
}

impl AgentCounter {
    /// Counts what was read of `window`. `None`: nothing was reported within it, so nothing that was read before has changed.
    fn read(&mut self, presence: Option<(&AgentPresence, &WindowParts)>, window: Window) {
        self.is_hidden = false;
        let is_far_before = |time: Timestamp| time.saturating_since(window.end) > window.length();
        let is_before = window.end < self.counted_to;
        if is_far_before(self.read_to) || (self.repeats && !is_before) {
            self.close();
        }
        // The clock was wrong before, or is now. The count does not wait for more than a window.
        self.repeats = is_far_before(self.counted_to) || (self.repeats && is_before);
        let was_read_before = is_before && !self.repeats;
        let says_nothing = presence.is_none() && self.counted_to > NEVER;
        if self.from.is_none() && (was_read_before || says_nothing) {
            // What was counted under other names must be known, so that it does not count again.
            return;
        }
        let boundaries = WindowParts::boundaries(window);
        let is_first = self.from.is_none();
        let from = *self.from.get_or_insert(boundaries.floor(window.end));
        let closing = Micros::new(window.length().get() / CLOSING_SHARE);
        let open_from = boundaries.ceil(window.start + closing.into());

        let read_to = self.read_to;
        // If nothing is reported while the clock is set back, the open parts stay as they were read before.
        if presence.is_some() || is_first || window.end > read_to {
            self.read_to = window.end;
        }
        self.counted_to = self.counted_to.max(window.end);
        let mut closed: Vec<WindowPart> = Vec::new();
        closed.extend(self.open.extract_if(.., |part| part.start < open_from));
        if let Some((presence, parts)) = presence {
            let places: Vec<usize> = presence.states.iter().map(|(name, _)| self.place(name)).collect();
            let place = |old: usize| places.get(old).copied();
            let (mut open, mut missed) = (Vec::new(), Vec::new());
            for part in parts.iter().filter(|part| part.start >= from) {
                if part.start >= open_from {
                    open.push(part.relocated(place));
                } else if boundaries.next(part.start) > read_to {
                    missed.push(part.relocated(place));
                }
            }
            self.open = open;
            if is_first {
                let open = self.open.clone();
                open.iter().for_each(|part| self.add(part, -1));
            }
            // After an outage, parts are closed that were not over when they were last read.
            for part in missed {
                let before = closed.iter_mut().find(|before| before.start == part.start);
                match before.filter(|_| window.start < read_to) {
                    // Both have the time from the window's start to the last reading. The longer one is a lower bound.
                    Some(before) if part.start >= window.start || part.total() > before.total() => *before = part,
                    Some(_) => {}
                    None => closed.push(part),
                }
            }
        }
        closed.iter().for_each(|part| self.add(part, 1));
        // Closed parts are in the window again if the clock is set back.
        self.from = Some(from.max(open_from));
        self.raise();
    }

    /// Closes all parts. The next reading is the first.
    fn close(&mut self) {
        for part in std::mem::take(&mut self.open) {
            self.add(&part, 1);
        }
        self.from = None;
    }

    /// The position of a state. States beyond the limit share one, as each is a time series.
    fn place(&mut self, name: &StateName) -> usize {
        let new = |name| StateCount { name, time: Micros::ZERO, closed: 0 };
        limited_place(&mut self.states, name, MAX_STATES_PER_AGENT, |state| &state.name, new)
    }

    /// Adds `sign` times the time of `part` to the closed time.
    fn add(&mut self, part: &WindowPart, sign: i64) {
        for (place, time) in &part.times {
            if let Some(state) = self.states.get_mut(*place) {
                let time = i64::try_from(time.get()).unwrap_or(i64::MAX);
                state.closed = state.closed.saturating_add(time.saturating_mul(sign));
            }
        }
    }

    /// Raises each counter to the time that is known now.
    fn raise(&mut self) {
        for (place, state) in self.states.iter_mut().enumerate() {
            let times = self.open.iter().flat_map(|part| &part.times);
            let open: Micros = times.filter(|(of, _)| *of == place).map(|(_, time)| *time).sum();
            let sum = state.closed.saturating_add_unsigned(open.get());
            state.time = state.time.max(Micros::new(u64::try_from(sum).unwrap_or_default()));
        }
    }
}
