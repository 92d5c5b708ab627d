//! One refresh: the states that agents are in, the history up to now, and what the two come to.
//!
//! The states are asked for first. Whatever an agent does between the two answers is then in the history, as long as that
//! is asked for up to the window's end; the other way round, a state that ended in between would be in neither.
//!
//! Nothing of a refresh is kept before all of it went well: it works on a copy of what was known.

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

/// Where the states that agents are in are listed.
pub(super) const STATES_PATH: &str = "/agents/states";

/// What is known from earlier refreshes.
#[derive(Clone, Default)]
pub(super) struct HistoryState {
    pub(super) states: StateRegistry,
    pub(super) codes: UnavailableCodes,
    timeline: StateTimeline,
    cursor: SyncCursor,
}

/// A refresh that has asked everything.
struct Reading {
    state: HistoryState,
    rejections: Rejections,
    failed: Vec<(AgentId, Failure)>,
}

impl OfficialSource {
    pub(super) async fn collect(&self, query: Query) -> FetchResult {
        if query.agents.is_empty() {
            // As of a shard that no agent falls to; lists of everybody would be read for nobody.
            return FetchResult::default();
        }
        let context = FetchContext::new(query.deadline);
        let agents: Vec<AgentId> = query.agents.iter().map(|agent| Arc::clone(&agent.id)).collect();
        let refresh = self.refresh(query, &agents, &context);
        let refreshed = tokio::select! {
            biased;
            refreshed = refresh => refreshed,
            () = self.clock.sleep_until(context.deadline) => Err(self.out_of_time()),
        };
        refreshed.unwrap_or_else(|failure| FetchResult {
            failed: agents,
            error: Some(failure.error),
            ..FetchResult::default()
        })
    }

    async fn refresh(&self, query: Query, ids: &[AgentId], context: &FetchContext) -> Result<FetchResult, Failure> {
        if self.clock.monotonic() >= query.deadline {
            return Err(self.out_of_time());
        }
        // One for the states that agents are in.
        let least = self.history_requests(ids).saturating_add(1);
        self.session.client.limiter().check_budget(least, Endpoint::States, context)?;
        let Query { window, agents, .. } = query;
        let wanted: HashSet<AgentId> = ids.iter().cloned().collect();
        let mut reading =
            Reading { state: self.state().clone(), rejections: Rejections::default(), failed: Vec::new() };
        let plan = reading.state.cursor.plan(window, self.official.history_lookback, self.official.settle, &wanted);

        let seen = self.clock.now();
        let states = self.read_states(context).await?;
        let history = self.read_history(plan.range, self.official.history_lookback, ids, context).await?;
        let teams = teams_of(&states, &wanted);
        reading.take(&wanted, seen, states, history);
        self.read_codes(&mut reading.state, &teams, context).await;
        self.conclude(reading, plan, window, agents, wanted).await
    }

    pub(super) async fn read_states(&self, context: &FetchContext) -> Result<Vec<StateRecord>, Failure> {
        let url = self.url(STATES_PATH, context).await?;
        let mut states = Vec::new();
        self.read_list(&error_hints::STATES, &url, Paging::Paged, context, |rows| states.extend(rows)).await?;
        Ok(states)
    }

    /// Counts what was read, off the threads that serve, and keeps it.
    async fn conclude(
        &self,
        reading: Reading,
        plan: SyncRange,
        window: Window,
        agents: Vec<WatchedAgent>,
        wanted: HashSet<AgentId>,
    ) -> Result<FetchResult, Failure> {
        let names = reading.state.states.shown(self.official.unavailable_codes, &self.tenant.states.map);
        let offline = Arc::clone(&self.offline_states);
        let keep_from = window.start.saturating_sub(self.official.history_lookback);
        let reserved = self.reserved_states.clone();
        let settled = window.end.saturating_sub(self.official.settle);
        // Agents that are not asked for this time may be the next.
        let kept = wanted.iter().chain(reading.state.cursor.agents()).cloned().collect();
        let counting = tokio::task::spawn_blocking(move || {
            let Reading { mut state, mut rejections, failed } = reading;
            state.timeline.compact(keep_from, &kept, &mut rejections);
            let labels = StateLabels { names: &names, reserved: &reserved, offline: &offline };
            let counted = state.timeline.sum(window, settled, &agents, &labels, &mut rejections);
            if failed.is_empty() {
                state.cursor.carried_out(plan, wanted, counted.unsettled);
            } else {
                state.cursor.doubt();
            }
            let ids = agents.into_iter().map(|agent| agent.id);
            (state, rejections, failed, ids.zip(counted.agents).collect::<Vec<_>>())
        });
        let Ok((state, rejections, failed, counted)) = counting.await else {
            return Err(Failure::decode_panicked(Endpoint::History));
        };
        *self.state() = state;
        Ok(fetched(counted, failed, rejections))
    }

    pub(super) fn out_of_time(&self) -> Failure {
        let message = format!(
            "The refresh was not done within {}. Raise `refresh_timeout`, or ask less: a shorter `window` or \
            `history_lookback`.",
            humanize(self.tenant.limits.refresh_timeout)
        );
        Failure::new(Endpoint::History, ErrorKind::Timeout, message).with_scope(Scope::Tenant)
    }
}

/// What became of each agent, those apart whose history could not be read.
fn fetched(
    counted: Vec<(AgentId, Option<AgentPresence>)>,
    failed: Vec<(AgentId, Failure)>,
    rejections: Rejections,
) -> FetchResult {
    // What concerns the whole tenant goes before what one agent met with.
    let gravest = failed.iter().find(|(_, failure)| failure.scope == Scope::Tenant).or(failed.first());
    let error = gravest.map(|(_, failure)| failure.error.clone());
    let failed: HashSet<AgentId> = failed.into_iter().map(|(agent, _)| agent).collect();
    let answered = counted.into_iter().filter(|(agent, _)| !failed.contains(agent)).collect();
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

// === impl Reading ===

impl Reading {
    /// Takes the answers of one refresh. Agents that nobody asked for are passed over, as lists are of everybody.
    fn take(&mut self, wanted: &HashSet<AgentId>, seen: Timestamp, states: Vec<StateRecord>, history: History) {
        let History { parts, failed } = history;
        self.state.timeline.begin_refresh();
        for Part { asked, rows } in parts {
            let rows: Vec<_> = rows.iter().filter_map(|row| self.row(wanted, row)).collect();
            self.state.timeline.add(asked, rows);
        }
        let observations: Vec<_> = states.into_iter().filter_map(|row| self.observation(wanted, &row)).collect();
        self.state.timeline.observe(seen, observations);
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
                // The row still tells when the state began.
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
