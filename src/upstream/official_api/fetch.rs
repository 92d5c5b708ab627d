//! One refresh: reads the current states and the history, and sums the presence.
//!
//! The current states are read first, so that a change between the two responses is in the history, which is requested up to
//! the end of the window. In the other order, a state that ended in between would be in neither.
//!
//! A refresh works on a copy of the history state, which is kept only if the refresh succeeds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::OfficialSource;
use super::error_hints;
use super::missing_agents::MissingAgents;
use super::state_history::{AgentList, History, Part};
use super::state_registry::StateRegistry;
use super::sync_cursor::{SyncCursor, SyncRange};
use super::unavailable_codes::UnavailableCodes;
use super::wire::records::{HistoryRecord, StateRecord};
use crate::presence::{
    AgentId, HistoryRow, Observation, Rejection, Rejections, RowKey, StateLabels, StateTimeline, Timestamp, Unanswered,
    WatchedAgent, Window,
};
use crate::upstream::failure::{Failure, Scope, humanize, run_blocking};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, FetchResult, Query};

/// The path of the current states.
pub(super) const STATES_PATH: &str = "/agents/states";

/// The data kept from earlier refreshes.
#[derive(Clone, Default)]
pub(super) struct HistoryState {
    pub(super) states: StateRegistry,
    pub(super) codes: UnavailableCodes,
    pub(super) timeline: StateTimeline,
    cursor: SyncCursor,
    /// The agents whose history CXone refused in the last refresh that requested it.
    refused: HashSet<AgentId>,
}

/// The current states of agents.
pub(super) struct CurrentStates {
    pub(super) rows: Vec<StateRecord>,
    pub(super) rejections: Rejections,
}

#[cfg(test)]
impl HistoryState {
    pub(super) fn kept_rows(&self) -> usize {
        self.timeline.rows()
    }
}

/// The data of a refresh.
pub(super) struct RefreshData {
    pub(super) state: HistoryState,
    pub(super) rejections: Rejections,
    pub(super) missing: MissingAgents,
    /// Whether the history of all agents was requested at once.
    in_bulk: bool,
    /// Whether a row began before the range that was requested.
    pub(super) by_overlap: bool,
    wanted: HashSet<AgentId>,
    /// The wanted agents, and those that may be wanted again.
    kept: HashSet<AgentId>,
    /// What ended before this time is dropped.
    cutoff: Timestamp,
}

impl OfficialSource {
    pub(super) async fn fetch_presence(&self, query: Query) -> FetchResult {
        if query.agents.is_empty() {
            // A shard may have no agents.
            return FetchResult::default();
        }
        let agents: Vec<AgentId> = query.agents.iter().map(|agent| Arc::clone(&agent.id)).collect();
        let span = self.tenant.query.window + self.official.history_lookback;
        let context = FetchContext::new(query.deadline).keeping(agents.iter().cloned().collect(), span);
        let refresh = self.refresh(query, &agents, &context);
        let refreshed = tokio::select! {
            biased;
            refreshed = refresh => refreshed,
            () = self.clock.sleep_until(context.deadline) => Err(self.timed_out()),
        };
        refreshed.unwrap_or_else(|failure| FetchResult::without(agents, failure.error))
    }

    async fn refresh(&self, query: Query, ids: &[AgentId], context: &FetchContext) -> Result<FetchResult, Failure> {
        if self.clock.monotonic() >= query.deadline {
            return Err(self.timed_out());
        }
        // One request is for the current states.
        let min_requests = self.capabilities().min_requests(ids.len()).saturating_add(1);
        self.session.client.limiter().check_budget(min_requests, Endpoint::States, context)?;
        let Query { window, agents, .. } = query;
        let (lookback, settle) = (self.official.history_lookback, self.official.settle);
        let wanted: HashSet<AgentId> = ids.iter().cloned().collect();
        let state = self.state().clone();
        let sync = state.cursor.next_range(window, lookback, settle, &wanted);
        // Agents that are not part of this query may be part of the next.
        let kept = wanted.iter().chain(state.cursor.agents()).cloned().collect();
        let mut data = RefreshData::new(state, wanted, kept, window.start.saturating_sub(lookback));

        // The states hold at this time at the latest.
        let observed_at = self.clock.now();
        let states = self.read_states(context).await?;
        let answered_at = self.clock.now();
        let history = self.read_history(&sync, &AgentList::new(ids, &states.rows), context).await?;
        let teams = teams_of(&states.rows, &data.wanted);
        let mut data = run_blocking(Endpoint::History, move || {
            data.begin(window.end, settle, history);
            data.rejections.merge(&states.rejections);
            data.observe(observed_at, answered_at, states.rows.iter());
            data.compact();
            data
        })
        .await?;
        if data.by_overlap {
            self.capabilities().by_overlap = true;
        }
        self.read_ended_states(&mut data, &sync, &agents, context).await;
        self.log_refused(&mut data);
        let HistoryState { states, codes, .. } = &mut data.state;
        let rejections = self.read_codes(states, codes, &teams, context).await;
        data.rejections.merge(&rejections);
        self.finish(data, sync, window, agents).await
    }

    pub(super) async fn read_states(&self, context: &FetchContext) -> Result<CurrentStates, Failure> {
        let url = self.url(STATES_PATH, context).await?;
        let mut rows = Vec::new();
        let list = self.read_list(&error_hints::STATES, &url, None, context, |page| rows.extend(page));
        let rejections = list.await?;
        Ok(CurrentStates { rows, rejections })
    }

    /// Logs when CXone begins to refuse the history of an agent, and when it refuses none any more.
    pub(super) fn log_refused(&self, data: &mut RefreshData) {
        let refused: HashSet<AgentId> = data.missing.refused.iter().map(|(agent, _)| Arc::clone(agent)).collect();
        let known = &mut data.state.refused;
        match data.missing.refused.first() {
            Some((_, failure)) if !refused.is_subset(known) => {
                let (tenant, agents) = (&self.tenant.name, refused.len());
                warn!(tenant, agents, reason = %failure.error, "history of agents refused; others are not affected");
            }
            None if !known.is_empty() && known.is_subset(&data.wanted) => {
                info!(tenant = self.tenant.name, "history of no agent refused any more");
            }
            _ => {}
        }
        // A refresh of some agents says nothing of the others.
        known.retain(|agent| !data.wanted.contains(agent));
        known.extend(refused);
    }

    /// Sums the data on a blocking thread and keeps the new state.
    async fn finish(
        &self,
        data: RefreshData,
        sync: SyncRange,
        window: Window,
        agents: Vec<WatchedAgent>,
    ) -> Result<FetchResult, Failure> {
        let names = data.state.states.display_names(self.official.unavailable_codes, &self.tenant.states.map);
        let offline = Arc::clone(&self.offline_states);
        let reserved = self.reserved_states.clone();
        let settled = window.end.saturating_sub(self.official.settle);
        let summing = tokio::task::spawn_blocking(move || {
            let RefreshData { mut state, mut rejections, missing, in_bulk, wanted, .. } = data;
            let labels = StateLabels { names: &names, reserved: &reserved, offline: &offline };
            let sums = state.timeline.sum(window, settled, &agents, &labels, &mut rejections);
            state.cursor.advance(&sync, wanted, &missing.agents(), in_bulk, sums.unsettled);
            let ids = agents.into_iter().map(|agent| agent.id);
            (state, missing.into_result(ids.zip(sums.agents), rejections))
        });
        let Ok((state, result)) = summing.await else {
            return Err(Failure::decode_panicked(Endpoint::History));
        };
        *self.state() = state;
        Ok(result)
    }

    pub(super) fn timed_out(&self) -> Failure {
        let message = format!(
            "The refresh did not end within {} (`refresh_timeout`). Raise it, or request less with a shorter `window` or \
            `history_lookback`.",
            humanize(self.tenant.limits.refresh_timeout)
        );
        Failure::new(Endpoint::History, ErrorKind::Timeout, message).with_scope(Scope::Tenant)
    }
}

/// The teams of the agents that are `wanted`.
pub(super) fn teams_of(states: &[StateRecord], wanted: &HashSet<AgentId>) -> Vec<String> {
    let is_wanted = |row: &&StateRecord| row.agent_id.as_deref().is_some_and(|id| wanted.contains(id));
    let mut teams: Vec<String> = states.iter().filter(is_wanted).filter_map(|row| row.team_id.clone()).collect();
    teams.sort_unstable();
    teams.dedup();
    teams
}

pub(super) fn parse_time(text: Option<&str>) -> Option<Timestamp> {
    Timestamp::parse(text?.as_bytes())
}

// === impl RefreshData ===

impl RefreshData {
    /// A refresh of `wanted` that continues from `state`. What ended before `cutoff` is dropped, and so are all agents but
    /// `kept`.
    pub(super) fn new(
        state: HistoryState,
        wanted: HashSet<AgentId>,
        kept: HashSet<AgentId>,
        cutoff: Timestamp,
    ) -> Self {
        Self {
            state,
            rejections: Rejections::default(),
            missing: MissingAgents::default(),
            in_bulk: true,
            by_overlap: false,
            wanted,
            kept,
            cutoff,
        }
    }

    pub(super) fn timeline(&self) -> &StateTimeline {
        &self.state.timeline
    }

    /// Begins a refresh of a window that ends at `now` with its history.
    fn begin(&mut self, now: Timestamp, settle: Duration, history: History) {
        self.state.timeline.begin_refresh(now, settle);
        self.in_bulk = history.in_bulk;
        self.add_history(history);
    }

    /// Adds a range of the history.
    pub(super) fn add_history(&mut self, history: History) {
        let History { parts, missing, .. } = history;
        self.missing.extend(missing);
        let began_before = |part: &Part, row: &HistoryRecord| {
            parse_time(row.start_date.as_deref()).is_some_and(|start| start < part.requested.range.start)
        };
        self.by_overlap |= parts.iter().any(|part| part.records.iter().any(|row| began_before(part, row)));
        self.add(parts);
    }

    /// Adds rows. The lists are of all agents; those that are not wanted are skipped.
    pub(super) fn add(&mut self, parts: Vec<Part>) {
        for Part { requested, records, rejections } in parts {
            self.rejections.merge(&rejections);
            let rows: Vec<_> = records.into_iter().filter_map(|row| self.row(&row)).collect();
            self.state.timeline.add(requested, rows);
        }
    }

    /// Adds the current states that were requested at `observed_at`.
    pub(super) fn observe<'a>(
        &mut self,
        observed_at: Timestamp,
        answered_at: Timestamp,
        states: impl Iterator<Item = &'a StateRecord>,
    ) {
        let observations: Vec<_> = states.filter_map(|row| self.observation(observed_at, row)).collect();
        self.state.timeline.observe(observed_at, answered_at, observations);
    }

    /// Merges what was added.
    pub(super) fn compact(&mut self) {
        self.state.timeline.compact(self.cutoff, &self.kept, &mut self.rejections);
    }

    /// The ended states whose rows were not requested. Agents that failed are left out.
    pub(super) fn unanswered(
        &self,
        now: Timestamp,
        sync: &SyncRange,
        agents: &[WatchedAgent],
        agent_by_agent: bool,
    ) -> Vec<Unanswered> {
        let missing = self.missing.agents();
        let requested_from = |agent: &AgentId| if agent_by_agent { sync.of(agent).start } else { sync.of_all().start };
        let mut unanswered = self.state.timeline.unanswered(now, agents);
        unanswered.retain(|state| state.start < requested_from(&state.agent) && !missing.contains(&state.agent));
        unanswered
    }

    fn row(&mut self, row: &HistoryRecord) -> Option<HistoryRow> {
        let agent = Arc::clone(self.wanted.get(row.agent_id.as_deref()?)?);
        let length = row.duration.transpose();
        let (Some(start), Ok(length)) = (parse_time(row.start_date.as_deref()), length) else {
            self.rejections.add(length.err().unwrap_or(Rejection::BadTime));
            return None;
        };
        let state = self.state.states.index(&row.state, start);
        let key = row.agent_session_id.zip(row.state_index).map(|(session, index)| RowKey { session, index });
        Some(HistoryRow { agent, key, state, start, length })
    }

    fn observation(&mut self, observed_at: Timestamp, row: &StateRecord) -> Option<Observation> {
        let agent = Arc::clone(self.wanted.get(row.agent_id.as_deref()?)?);
        let start = parse_time(row.start_date.as_deref());
        let state = self.state.states.index(&row.state, start.unwrap_or(observed_at));
        Some(Observation { agent, state, start, fallback: parse_time(row.last_update_time.as_deref()) })
    }
}
