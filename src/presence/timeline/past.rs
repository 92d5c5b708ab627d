//! What past reading needs beside a sum: the history is read in ranges that follow each other, and dropped behind them.

use super::{StateTimeline, TOLERANCE};
use crate::presence::{AgentId, Rejections, Timestamp};
use std::sync::Arc;

impl StateTimeline {
    /// Takes the range up to `until` as read without a gap after that up to `from`, for a server that selects rows by their
    /// start: a row of `agent` that was cut at `from` lasts until the agent's next row or `until`, as every change of state is
    /// a row.
    pub fn extend_cut(&mut self, agent: &AgentId, from: Timestamp, until: Timestamp) {
        if let Some(timeline) = self.agents.get_mut(agent) {
            Arc::make_mut(timeline).extend_cut(from, until);
        }
    }

    /// Those of `agents` of whom nothing is known at `time` or before. Rows must have been [compacted](Self::compact).
    pub fn unknown_at(&self, time: Timestamp, agents: &[AgentId]) -> Vec<AgentId> {
        let is_unknown = |agent: &&AgentId| {
            let spans = self.agents.get(*agent).map(|timeline| {
                let confirmed_until = |one: &_| self.confirmed_until(one);
                timeline.spans(time, self.refresh, None, confirmed_until, &mut Rejections::default())
            });
            spans.is_none_or(|spans| spans.first().is_none_or(|first| first.time.start > time + TOLERANCE))
        };
        agents.iter().filter(is_unknown).cloned().collect()
    }

    /// Those of `agents` of whom nothing is known at `time`, and of whom no later row is kept. Rows must have been
    /// [compacted](Self::compact).
    pub fn unknown_from(&self, time: Timestamp, agents: &[AgentId]) -> Vec<AgentId> {
        let is_unknown = |agent: &&AgentId| {
            let Some(timeline) = self.agents.get(*agent) else { return true };
            let confirmed_until = |one: &_| self.confirmed_until(one);
            let spans = timeline.spans(time, self.refresh, None, confirmed_until, &mut Rejections::default());
            let is_known = spans.iter().any(|span| span.time.start <= time && time <= span.time.end + TOLERANCE);
            !is_known && !timeline.has_row_from(time)
        };
        agents.iter().filter(is_unknown).cloned().collect()
    }

    /// Drops what of `agent` ended by `cutoff`.
    pub fn drop_before(&mut self, agent: &AgentId, cutoff: Timestamp) {
        if let Some(timeline) = self.agents.get_mut(agent).filter(|timeline| timeline.needs_compacting(cutoff)) {
            let timeline = Arc::make_mut(timeline);
            timeline.compact(cutoff);
            timeline.shrink();
        }
    }

    /// Drops all of `agent`.
    pub fn remove(&mut self, agent: &AgentId) {
        self.agents.remove(agent);
    }
}
