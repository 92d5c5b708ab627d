//! One refresh: the states that agents are in, the history up to now, and what the two come to.
//!
//! The states are asked for first. Whatever an agent does between the two answers is then in the history, as long as that
//! is asked for up to the window's end; the other way round, a state that ended in between would be in neither.
//!
//! Nothing of a refresh is kept before all of it went well: it works on a copy of what was known.

use std::collections::HashSet;
use std::sync::Arc;

use super::OfficialSource;
use super::advice;
use super::codes::Codes;
use super::history::{History, Part};
use super::pages::Paging;
use super::plan::{Plan, Synced};
use super::states::{StateFields, States};
use super::wire::duration;
use super::wire::rows::{HistoryRow, StateRow};
use crate::presence::{
    AgentId, AgentPresence, Chronicle, ChronicleRow, Naming, Rejection, Rejections, RowKey, Sighting, Timestamp,
    WatchedAgent, Window,
};
use crate::upstream::failure::{Failure, Scope, humanize};
use crate::upstream::fetch_context::FetchContext;
use crate::upstream::{Endpoint, ErrorKind, FetchResult, Query};

/// Where the states that agents are in are listed.
pub(super) const STATES_PATH: &str = "/agents/states";

/// What is known from earlier refreshes.
#[derive(Clone, Default)]
pub(super) struct Memory {
    pub(super) states: States,
    pub(super) codes: Codes,
    chronicle: Chronicle,
    synced: Synced,
}

/// A refresh that has asked everything.
struct Reading {
    memory: Memory,
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
        self.session.client.limits().fits(least, Endpoint::States, context)?;
        let Query { window, agents, .. } = query;
        let wanted: HashSet<AgentId> = ids.iter().cloned().collect();
        let mut reading =
            Reading { memory: self.memory().clone(), rejections: Rejections::default(), failed: Vec::new() };
        let plan = reading.memory.synced.plan(window, self.official.history_lookback, self.official.settle, &wanted);

        let seen = self.clock.now();
        let states = self.read_states(context).await?;
        let history = self.read_history(plan.range, self.official.history_lookback, ids, context).await?;
        let teams = teams_of(&states, &wanted);
        reading.take(&wanted, seen, states, history);
        self.read_codes(&mut reading.memory, &teams, context).await;
        self.conclude(reading, plan, window, agents, wanted).await
    }

    pub(super) async fn read_states(&self, context: &FetchContext) -> Result<Vec<StateRow>, Failure> {
        let url = self.url(STATES_PATH, context).await?;
        let mut states = Vec::new();
        self.read_list(&advice::STATES, &url, Paging::Paged, context, |rows| states.extend(rows)).await?;
        Ok(states)
    }

    /// Counts what was read, off the threads that serve, and keeps it.
    async fn conclude(
        &self,
        reading: Reading,
        plan: Plan,
        window: Window,
        agents: Vec<WatchedAgent>,
        wanted: HashSet<AgentId>,
    ) -> Result<FetchResult, Failure> {
        let shown = reading.memory.states.shown(self.official.unavailable_codes, &self.tenant.state_map);
        let offline = Arc::clone(&self.offline_states);
        let keep_from = window.start.saturating_sub(self.official.history_lookback);
        let known = self.known_states.clone();
        let settled = window.end.saturating_sub(self.official.settle);
        // Agents that are not asked for this time may be the next.
        let kept = wanted.iter().chain(reading.memory.synced.agents()).cloned().collect();
        let counting = tokio::task::spawn_blocking(move || {
            let Reading { mut memory, mut rejections, failed } = reading;
            memory.chronicle.tidy(keep_from, &kept, &mut rejections);
            let naming = Naming { shown: &shown, known: &known, offline: &offline };
            let counted = memory.chronicle.count(window, settled, &agents, &naming, &mut rejections);
            if failed.is_empty() {
                memory.synced.carried_out(plan, wanted, counted.unsettled);
            } else {
                memory.synced.doubt();
            }
            let ids = agents.into_iter().map(|agent| agent.id);
            (memory, rejections, failed, ids.zip(counted.agents).collect::<Vec<_>>())
        });
        let Ok((memory, rejections, failed, counted)) = counting.await else {
            return Err(Failure::decode_panicked(Endpoint::History));
        };
        *self.memory() = memory;
        Ok(fetched(counted, failed, rejections))
    }

    pub(super) fn out_of_time(&self) -> Failure {
        let message = format!(
            "The refresh was not done within {}. Raise `refresh_timeout`, or ask less: a shorter `window` or \
            `history_lookback`.",
            humanize(self.tenant.refresh_timeout)
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
fn teams_of(states: &[StateRow], wanted: &HashSet<AgentId>) -> Vec<String> {
    let is_wanted = |row: &&StateRow| row.agent_id.0.as_deref().is_some_and(|id| wanted.contains(id));
    let mut teams: Vec<String> = states.iter().filter(is_wanted).filter_map(|row| row.team_id.0.clone()).collect();
    teams.sort_unstable();
    teams.dedup();
    teams
}

// === impl Reading ===

impl Reading {
    /// Takes the answers of one refresh. Agents that nobody asked for are passed over, as lists are of everybody.
    fn take(&mut self, wanted: &HashSet<AgentId>, seen: Timestamp, states: Vec<StateRow>, history: History) {
        let History { parts, failed } = history;
        self.memory.chronicle.begin();
        for Part { asked, rows } in parts {
            let rows: Vec<_> = rows.iter().filter_map(|row| self.row(wanted, row)).collect();
            self.memory.chronicle.add(asked, rows);
        }
        let sightings: Vec<_> = states.into_iter().filter_map(|row| self.sighting(wanted, &row)).collect();
        self.memory.chronicle.sight(seen, sightings);
        self.failed = failed;
    }

    fn row(&mut self, wanted: &HashSet<AgentId>, row: &HistoryRow) -> Option<ChronicleRow> {
        let agent = Arc::clone(wanted.get(row.agent_id.0.as_deref()?)?);
        let Some(start) = row.start_date.0.as_deref().and_then(|start| Timestamp::parse(start.as_bytes())) else {
            self.rejections.add(Rejection::BadTime);
            return None;
        };
        let length = match row.duration.0.as_deref().map(duration::parse) {
            Some(Ok(length)) => Some(length),
            Some(Err(reason)) => {
                // The row still tells when the state began.
                self.rejections.add(reason);
                None
            }
            None => None,
        };
        let state = self.memory.states.index(&StateFields {
            id: row.agent_state_id,
            name: &row.agent_state_name,
            code: &row.out_state_id,
            description: &row.out_state_description,
            acw: row.is_acw,
        });
        let key = row.agent_session_id.0.zip(row.state_index.0).map(|(session, index)| RowKey { session, index });
        Some(ChronicleRow { agent, key, state, start, length })
    }

    fn sighting(&mut self, wanted: &HashSet<AgentId>, row: &StateRow) -> Option<Sighting> {
        let agent = Arc::clone(wanted.get(row.agent_id.0.as_deref()?)?);
        let state = self.memory.states.index(&StateFields {
            id: row.agent_state_id,
            name: &row.agent_state_name,
            code: &row.out_state_id,
            description: &row.out_state_description,
            acw: row.is_acw,
        });
        let start = row.start_date.0.as_deref().and_then(|start| Timestamp::parse(start.as_bytes()));
        Some(Sighting { agent, state, start })
    }
}
