//! One refresh: reads the current states and the history, and sums the presence.
//!
//! The current states are read first, so that a change between the two responses is in the history, which is requested up to
//! the end of the window. In the other order, a state that ended in between would be in neither.
//!
//! A refresh works on a copy of the history state, which is kept only if the refresh succeeds.

use std::collections::HashSet;
use std::sync::Arc;

use super::OfficialSource;
use super::error_hints;
use super::pagination::Paging;
use super::state_history::{History, Part};
use super::state_registry::{StateFields, StateRegistry};
use super::sync_cursor::{SyncCursor, SyncRange};
use super::unavailable_codes::UnavailableCodes;
use super::wire::iso_duration;
use super::wire::records::{HistoryRecord, StateRecord};
use crate::presence::{
    AgentId, AgentPresence, HistoryRow, Observation, Rejection, Rejections, RowKey, StateLabels, StateTimeline,
    Timestamp, WatchedAgent, Window,
};
use crate::upstream::failure::{Failure, Scope, humanize};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, FetchResult, Query};

/// The path of the current states.
pub(super) const STATES_PATH: &str = "/agents/states";

/// The data kept from earlier refreshes.
#[derive(Clone, Default)]
pub(super) struct HistoryState {
    pub(super) states: StateRegistry,
    pub(super) codes: UnavailableCodes,
    timeline: StateTimeline,
    cursor: SyncCursor,
}

#[cfg(test)]
impl HistoryState {
    pub(super) fn kept_rows(&self) -> usize {
        self.timeline.rows()
    }
}

/// The data of a refresh whose requests have ended.
struct RefreshData {
    state: HistoryState,
    rejections: Rejections,
    failed: Vec<(AgentId, Failure)>,
}

impl OfficialSource {
    pub(super) async fn fetch_presence(&self, query: Query) -> FetchResult {
        if query.agents.is_empty() {
            // A shard may have no agents.
            return FetchResult::default();
        }
        let context = FetchContext::new(query.deadline);
        let agents: Vec<AgentId> = query.agents.iter().map(|agent| Arc::clone(&agent.id)).collect();
        let refresh = self.refresh(query, &agents, &context);
        let refreshed = tokio::select! {
            biased;
            refreshed = refresh => refreshed,
            () = self.clock.sleep_until(context.deadline) => Err(self.timed_out()),
        };
        refreshed.unwrap_or_else(|failure| FetchResult {
            failed: agents,
            error: Some(failure.error),
            ..FetchResult::default()
        })
    }

    async fn refresh(&self, query: Query, ids: &[AgentId], context: &FetchContext) -> Result<FetchResult, Failure> {
        if self.clock.monotonic() >= query.deadline {
            return Err(self.timed_out());
        }
        // One request is for the current states.
        let min_requests = self.capabilities().min_requests(ids.len()).saturating_add(1);
        self.session.client.limiter().check_budget(min_requests, Endpoint::States, context)?;
        let Query { window, agents, .. } = query;
        let wanted: HashSet<AgentId> = ids.iter().cloned().collect();
        let mut data =
            RefreshData { state: self.state().clone(), rejections: Rejections::default(), failed: Vec::new() };
        let sync_range =
            data.state.cursor.next_range(window, self.official.history_lookback, self.official.settle, &wanted);

        // The states hold at this time at the latest.
        let observed_at = self.clock.now();
        let states = self.read_states(context).await?;
        let history = self.read_history(sync_range.range, self.official.history_lookback, ids, context).await?;
        let teams = teams_of(&states, &wanted);
        data.apply(&wanted, observed_at, states, history);
        let HistoryState { states, codes, .. } = &mut data.state;
        self.read_codes(states, codes, &teams, context).await;
        self.finish(data, sync_range, window, agents, wanted).await
    }

    pub(super) async fn read_states(&self, context: &FetchContext) -> Result<Vec<StateRecord>, Failure> {
        let url = self.url(STATES_PATH, context).await?;
        let mut states = Vec::new();
        self.read_list(&error_hints::STATES, &url, Paging::Paged, context, |rows| states.extend(rows)).await?;
        Ok(states)
    }

    /// Sums the data on a blocking thread and keeps the new state.
    async fn finish(
        &self,
        data: RefreshData,
        sync_range: SyncRange,
        window: Window,
        agents: Vec<WatchedAgent>,
        wanted: HashSet<AgentId>,
    ) -> Result<FetchResult, Failure> {
        let names = data.state.states.display_names(self.official.unavailable_codes, &self.tenant.states.map);
        let offline = Arc::clone(&self.offline_states);
        let cutoff = window.start.saturating_sub(self.official.history_lookback);
        let reserved = self.reserved_states.clone();
        let settled = window.end.saturating_sub(self.official.settle);
        // Agents that are not part of this query may be part of the next.
        let kept = wanted.iter().chain(data.state.cursor.agents()).cloned().collect();
        let summing = tokio::task::spawn_blocking(move || {
            let RefreshData { mut state, mut rejections, failed } = data;
            state.timeline.compact(cutoff, &kept, &mut rejections);
            let labels = StateLabels { names: &names, reserved: &reserved, offline: &offline };
            let sums = state.timeline.sum(window, settled, &agents, &labels, &mut rejections);
            if failed.is_empty() {
                state.cursor.advance(sync_range, wanted, sums.unsettled);
            } else {
                state.cursor.reset();
            }
            let ids = agents.into_iter().map(|agent| agent.id);
            (state, rejections, failed, ids.zip(sums.agents).collect::<Vec<_>>())
        });
        let Ok((state, rejections, failed, presences)) = summing.await else {
            return Err(Failure::decode_panicked(Endpoint::History));
        };
        *self.state() = state;
        Ok(fetch_result(presences, failed, rejections))
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

/// The result of a refresh in which the history of `failed` could not be read.
fn fetch_result(
    presences: Vec<(AgentId, Option<AgentPresence>)>,
    failed: Vec<(AgentId, Failure)>,
    rejections: Rejections,
) -> FetchResult {
    // A failure of the whole tenant takes precedence over one of an agent.
    let reported = failed.iter().find(|(_, failure)| failure.scope == Scope::Tenant).or(failed.first());
    let error = reported.map(|(_, failure)| failure.error.clone());
    let failed: HashSet<AgentId> = failed.into_iter().map(|(agent, _)| agent).collect();
    let answered = presences.into_iter().filter(|(agent, _)| !failed.contains(agent)).collect();
    FetchResult { answered, failed: failed.into_iter().collect(), rejections, error }
}

/// The teams of the agents that are `wanted`.
fn teams_of(states: &[StateRecord], wanted: &HashSet<AgentId>) -> Vec<String> {
    let is_wanted = |row: &&StateRecord| row.agent_id.0.as_deref().is_some_and(|id| wanted.contains(id));
    let mut teams: Vec<String> = states.iter().filter(is_wanted).filter_map(|row| row.team_id.0.clone()).collect();
    teams.sort_unstable();
    teams.dedup();
    teams
}

// === impl RefreshData ===

impl RefreshData {
    /// Adds the responses of one refresh. The lists are of all agents; those not in `wanted` are skipped.
    fn apply(&mut self, wanted: &HashSet<AgentId>, observed_at: Timestamp, states: Vec<StateRecord>, history: History) {
        let History { parts, failed } = history;
        self.state.timeline.begin_refresh();
        for Part { requested, records } in parts {
            let rows: Vec<_> = records.iter().filter_map(|row| self.row(wanted, row)).collect();
            self.state.timeline.add(requested, rows);
        }
        let observations: Vec<_> = states.into_iter().filter_map(|row| self.observation(wanted, &row)).collect();
        self.state.timeline.observe(observed_at, observations);
        self.failed = failed;
    }

    fn row(&mut self, wanted: &HashSet<AgentId>, row: &HistoryRecord) -> Option<HistoryRow> {
        let agent = Arc::clone(wanted.get(row.agent_id.0.as_deref()?)?);
        let Some(start) = row.start_date.0.as_deref().and_then(|start| Timestamp::parse(start.as_bytes())) else {
            self.rejections.add(Rejection::BadTime);
            return None;
        };
        let length = match row.duration.0.as_deref().map(iso_duration::parse) {
            Some(Ok(length)) => Some(length),
            Some(Err(reason)) => {
                // The row still has the start of the state.
                self.rejections.add(reason);
                None
            }
            None => None,
        };
        let state = self.state.states.index(&StateFields {
            id: row.agent_state_id,
            name: &row.agent_state_name,
            code: &row.out_state_id,
            description: &row.out_state_description,
            acw: row.is_acw,
        });
        let key = row.agent_session_id.0.zip(row.state_index.0).map(|(session, index)| RowKey { session, index });
        Some(HistoryRow { agent, key, state, start, length })
    }

    fn observation(&mut self, wanted: &HashSet<AgentId>, row: &StateRecord) -> Option<Observation> {
        let agent = Arc::clone(wanted.get(row.agent_id.0.as_deref()?)?);
        let state = self.state.states.index(&StateFields {
            id: row.agent_state_id,
            name: &row.agent_state_name,
            code: &row.out_state_id,
            description: &row.out_state_description,
            acw: row.is_acw,
        });
        let start = row.start_date.0.as_deref().and_then(|start| Timestamp::parse(start.as_bytes()));
        Some(Observation { agent, state, start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetch_result_reports_the_failure_of_the_tenant_first() {
        let failure =
            |message: &str, scope| Failure::new(Endpoint::History, ErrorKind::Server, message).with_scope(scope);
        let id = |id: &str| AgentId::from(id);
        let failed = [
            (id("1"), failure("request", Scope::Request)),
            (id("2"), failure("tenant", Scope::Tenant)),
            (id("3"), failure("alike", Scope::AllAlike)),
        ];
        let table = [(&failed[..], Some("tenant")), (&failed[..1], Some("request")), (&failed[..0], None)];
        for (failed, message) in table {
            let presences = ["1", "2", "3", "4"].map(|agent| (id(agent), None)).to_vec();
            let result = fetch_result(presences, failed.to_vec(), Rejections::default());
            assert_eq!(result.error.map(|error| error.message).as_deref(), message);
            assert_eq!((result.answered.len(), result.failed.len()), (4 - failed.len(), failed.len()));
            assert!(result.answered.iter().all(|(agent, _)| !result.failed.contains(agent)));
        }
    }
}
