//! Which range of the past is requested next, and of which agents. Pure.
//!
//! The history of an agent is read without gaps, so that a piece that follows another requests only what is new.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::presence::{AgentId, Timestamp, Window};

/// The time of which the history of each agent has been read.
#[derive(Debug, Default)]
pub(super) struct ReadRanges(HashMap<AgentId, ReadRange>);

#[derive(Debug, Clone, Copy)]
struct ReadRange {
    time: Window,
    /// Whether the state at its start is known, as far as the server tells it.
    has_start: bool,
}

/// What one request may be for.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLimits {
    /// How many agents are requested together; `None` for all, in bulk.
    pub(super) agents: Option<usize>,
    /// The longest range.
    pub(super) length: Duration,
}

// === impl ReadRanges ===

impl ReadRanges {
    /// Prepares for reading from `begin` on. Returns those of `agents` that begin anew, as other time was read of them.
    pub(super) fn begin(&mut self, agents: &[AgentId], begin: Timestamp) -> Vec<AgentId> {
        let mut anew = Vec::new();
        for agent in agents {
            let continues = |range: &ReadRange| range.time.start <= begin && begin <= range.time.end;
            if !self.0.get(agent).is_some_and(continues) {
                let time = Window { start: begin, end: begin };
                self.0.insert(Arc::clone(agent), ReadRange { time, has_start: false });
                anew.push(Arc::clone(agent));
            }
        }
        anew
    }

    /// The agents of which anything has been read.
    pub(super) fn agents(&self) -> impl Iterator<Item = &AgentId> {
        self.0.keys()
    }

    /// Up to when `agent` has been read.
    pub(super) fn end(&self, agent: &AgentId) -> Option<Timestamp> {
        self.0.get(agent).map(|range| range.time.end)
    }

    /// The next range to request so that `agents` are read up to `goal`, and the agents that it is for. It begins with a whole
    /// second, as the API documents no more than milliseconds.
    pub(super) fn next(
        &self,
        agents: &[AgentId],
        goal: Timestamp,
        limits: RequestLimits,
    ) -> Option<(Window, Vec<AgentId>)> {
        let ends = || agents.iter().filter_map(|agent| Some((agent, self.end(agent)?)));
        let earliest = ends().map(|(_, end)| end).filter(|end| *end < goal).min()?;
        let start = earliest.whole_second();
        let end = (start + limits.length).max(earliest + Duration::from_secs(1)).min(goal);
        let is_part = |read: Timestamp| if limits.agents.is_none() { read < end } else { read == earliest };
        let agents = ends().filter(|(_, read)| is_part(*read)).map(|(agent, _)| Arc::clone(agent));
        Some((Window { start, end }, agents.take(limits.agents.unwrap_or(usize::MAX)).collect()))
    }

    /// Records that `agent` has been read up to `end`. Returns up to when it had been read before.
    pub(super) fn advance(&mut self, agent: &AgentId, end: Timestamp) -> Option<Timestamp> {
        let time = &mut self.0.get_mut(agent)?.time;
        let before = time.end;
        time.end = before.max(end);
        Some(before)
    }

    /// Those of `agents` of which the state at the start may not be known yet.
    pub(super) fn without_start(&self, agents: &[AgentId]) -> Vec<AgentId> {
        let is_without = |agent: &&AgentId| self.0.get(*agent).is_some_and(|range| !range.has_start);
        agents.iter().filter(is_without).cloned().collect()
    }

    /// Records that the start of `agents` is known, as far as the server tells it.
    pub(super) fn set_start(&mut self, agents: &[AgentId]) {
        for agent in agents {
            if let Some(range) = self.0.get_mut(agent) {
                range.has_start = true;
            }
        }
    }

    /// Records that rows which ended by `cutoff` are no longer kept of any agent.
    pub(super) fn drop_all_before(&mut self, cutoff: Timestamp) {
        self.0.values_mut().for_each(|range| range.time.start = range.time.start.max(cutoff));
    }

    /// Records that rows of `agent` which ended by `cutoff` are no longer kept, and that those after `settled` are to be read
    /// again, as some may arrive late.
    pub(super) fn keep(&mut self, agent: &AgentId, cutoff: Timestamp, settled: Timestamp) {
        if let Some(range) = self.0.get_mut(agent) {
            range.time.start = range.time.start.max(cutoff);
            range.time.end = range.time.end.min(settled.max(range.time.start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + hour * 3600)
    }

    fn agents(ids: &[&str]) -> Vec<AgentId> {
        ids.iter().map(|id| AgentId::from(*id)).collect()
    }

    /// The requests for `ids` up to hour `goal`, in hours, with the number of agents.
    fn requests(ranges: &mut ReadRanges, ids: &[&str], goal: i64, limits: RequestLimits) -> Vec<(i64, i64, usize)> {
        let hour = |time: Timestamp| (time.micros() - at(0).micros()) / 3_600_000_000;
        let mut requests = Vec::new();
        while let Some((range, agents)) = ranges.next(&agents(ids), at(goal), limits) {
            requests.push((hour(range.start), hour(range.end), agents.len()));
            for agent in &agents {
                ranges.advance(agent, range.end);
            }
        }
        requests
    }

    #[test]
    fn a_piece_after_another_requests_only_what_is_new() {
        let bulk = RequestLimits { agents: None, length: 10 * HOUR };
        let alone = RequestLimits { agents: Some(2), length: 1_000 * HOUR };
        for (limits, first, second) in [
            (
                bulk,
                vec![(-12, -2, 3), (-2, 8, 3), (8, 18, 3), (18, 28, 3), (28, 36, 3)],
                vec![(36, 46, 3), (46, 48, 3)],
            ),
            (alone, vec![(-12, 36, 2), (-12, 36, 1)], vec![(36, 48, 2), (36, 48, 1)]),
        ] {
            let mut ranges = ReadRanges::default();
            let ids = ["1", "2", "3"];
            assert_eq!(ranges.begin(&agents(&ids), at(-12)).len(), 3);
            assert_eq!(requests(&mut ranges, &ids, 36, limits), first);
            agents(&ids).iter().for_each(|agent| ranges.keep(agent, at(12), at(1_000)));
            // A piece from hour 24 to 36.
            assert_eq!(ranges.begin(&agents(&ids), at(12)), agents(&[]));
            assert_eq!(requests(&mut ranges, &ids, 48, limits), second);
            // Another agent, and a piece from before.
            assert_eq!(ranges.begin(&agents(&["1", "4"]), at(12)), agents(&["4"]));
            assert_eq!(ranges.begin(&agents(&["1"]), at(11)), agents(&["1"]));
            assert_eq!(ranges.begin(&agents(&["2"]), at(49)), agents(&["2"]));
        }
    }

    #[test]
    fn what_is_not_settled_is_requested_again() {
        let mut ranges = ReadRanges::default();
        let limits = RequestLimits { agents: None, length: 100 * HOUR };
        ranges.begin(&agents(&["1"]), at(0));
        assert_eq!(requests(&mut ranges, &["1"], 10, limits), [(0, 10, 1)]);
        ranges.keep(&"1".into(), at(5), at(9));
        assert_eq!(ranges.begin(&agents(&["1"]), at(5)), agents(&[]));
        assert_eq!(requests(&mut ranges, &["1"], 12, limits), [(9, 12, 1)]);
        ranges.keep(&"1".into(), at(9), at(8));
        assert_eq!(requests(&mut ranges, &["1"], 12, limits), [(9, 12, 1)]);
    }

    #[test]
    fn ranges_begin_with_whole_seconds_and_end() {
        let mut ranges = ReadRanges::default();
        let half = Timestamp::from_micros(at(0).micros() + 500_000);
        ranges.begin(&agents(&["1"]), half);
        let limits = RequestLimits { agents: None, length: Duration::from_millis(1) };
        let goal = Timestamp::from_micros(at(0).micros() + 3_700_000);
        let mut starts = Vec::new();
        while let Some((range, agents)) = ranges.next(&agents(&["1"]), goal, limits) {
            assert!(range.start < range.end && range.start == range.start.whole_second());
            starts.push((range.start.micros() - at(0).micros()) / 1_000_000);
            for agent in &agents {
                ranges.advance(agent, range.end);
            }
        }
        assert_eq!(starts, [0, 1, 2, 3]);
    }

    #[test]
    fn a_failed_agent_goes_on_where_it_was() {
        let mut ranges = ReadRanges::default();
        let limits = RequestLimits { agents: Some(5), length: 10 * HOUR };
        ranges.begin(&agents(&["1", "2"]), at(0));
        ranges.advance(&"1".into(), at(20));
        ranges.advance(&"2".into(), at(10));
        assert_eq!(requests(&mut ranges, &["1"], 20, limits), []);
        ranges.keep(&"1".into(), at(15), at(1_000));
        assert_eq!(ranges.begin(&agents(&["2"]), at(0)), agents(&[]));
        assert_eq!(requests(&mut ranges, &["2"], 20, limits), [(10, 20, 1)]);
        ranges.drop_all_before(at(1));
        assert_eq!(ranges.begin(&agents(&["2"]), at(0)), agents(&["2"]));
        assert_eq!(ranges.without_start(&agents(&["1", "2"])).len(), 2);
        ranges.set_start(&agents(&["1"]));
        assert_eq!(ranges.without_start(&agents(&["1", "2"])), agents(&["2"]));
    }
}
