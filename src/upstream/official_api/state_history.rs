//! Reads the history of a range: of all agents at once if the tenant allows it, and in parts if the range is too long.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use tracing::warn;
use url::Url;

use super::OfficialSource;
use super::error_hints;
use super::history_capabilities::{HistoryCapabilities, is_capability_error, is_range_error, is_refusal};
use super::missing_agents::MissingAgents;
use super::sync_cursor::SyncRange;
use super::wire::records::{HistoryRecord, StateRecord};
use crate::presence::{AgentId, Rejections, Requested, Timestamp, Window};
use crate::upstream::failure::{Failure, Scope};
use crate::upstream::fetch_context::FetchContext;

/// The path of the history of all agents.
pub(super) const PATH: &str = "/agents/state-history";

/// How many agents are requested alone to learn whether that is allowed where all at once is not.
const PROBED_AGENTS: usize = 3;

/// A part of the history, read to its last page.
pub(super) struct Part {
    pub(super) requested: Requested,
    pub(super) records: Vec<HistoryRecord>,
    pub(super) rejections: Rejections,
}

/// The history of a range.
#[derive(Default)]
pub(super) struct History {
    pub(super) parts: Vec<Part>,
    /// Whether all agents were requested at once.
    pub(super) in_bulk: bool,
    pub(super) missing: MissingAgents,
}

/// The wanted agents.
#[derive(Debug, Clone)]
pub(super) struct AgentList {
    /// All of them, those that the current states list first.
    pub(super) ids: Vec<AgentId>,
    /// How many of them the current states list, so that CXone knows them.
    pub(super) listed: usize,
}

impl OfficialSource {
    /// Reads the history of `sync` of at least `agents`. Parts of the range overlap by the look-back.
    pub(super) async fn read_history(
        &self,
        sync: &SyncRange,
        agents: &AgentList,
        context: &FetchContext,
    ) -> Result<History, Failure> {
        let mut capabilities = *self.capabilities();
        let mut probed = None;
        loop {
            let failure = match self.read_in(capabilities, sync, agents, probed.take(), context).await {
                Ok(history) => {
                    capabilities.record_success();
                    *self.capabilities() = capabilities;
                    return Ok(history);
                }
                Err(failure) if !is_capability_error(&failure) => return Err(failure),
                Err(failure) => failure,
            };
            if capabilities.bulk.is_none() {
                probed = self.probe_alone(capabilities, sync, agents, context).await;
            }
            if probed.is_some() {
                warn!(
                    tenant = self.tenant.name,
                    reason = %failure.error,
                    "history of all agents at once refused; requesting it agent by agent"
                );
                capabilities.bulk = Some(false);
                self.capabilities().bulk = Some(false);
                continue;
            }
            let range = match agents.ids.first() {
                Some(agent) if capabilities.bulk == Some(false) => sync.of(agent),
                _ => sync.of_all(),
            };
            let Some(longest) = capabilities.shorter_range(range.length().into(), failure.error.kind) else {
                return Err(failure);
            };
            capabilities.longest = Some(longest);
        }
    }

    /// The history of one agent, if that can be read. In the same range, this shows whether bulk requests or the range are
    /// refused.
    async fn probe_alone(
        &self,
        capabilities: HistoryCapabilities,
        sync: &SyncRange,
        agents: &AgentList,
        context: &FetchContext,
    ) -> Option<(AgentId, Vec<Part>)> {
        for (nth, agent) in agents.ids.iter().take(PROBED_AGENTS).enumerate() {
            match self.read_alone(capabilities, sync, agent, context).await {
                Ok(parts) => return Some((agent.clone(), parts)),
                // CXone knows the agent, so it is the range that is refused.
                Err(failure) if nth < agents.listed && is_range_error(&failure) => return None,
                Err(failure) if is_capability_error(&failure) => {}
                Err(_) => return None,
            }
        }
        None
    }

    async fn read_in(
        &self,
        capabilities: HistoryCapabilities,
        sync: &SyncRange,
        agents: &AgentList,
        probed: Option<(AgentId, Vec<Part>)>,
        context: &FetchContext,
    ) -> Result<History, Failure> {
        if capabilities.bulk != Some(false) {
            let parts = capabilities.parts(sync.of_all(), self.official.history_lookback);
            let parts = self.read_parts(&parts, sync.all.end, None, context).await?;
            return Ok(History { parts, in_bulk: true, ..History::default() });
        }
        let mut history = History::default();
        let (known, parts) = probed.unzip();
        history.parts.extend(parts.into_iter().flatten());
        let unread: Vec<AgentId> = agents.ids.iter().filter(|agent| known.as_ref() != Some(*agent)).cloned().collect();
        let Some((first, others)) = unread.split_first() else { return Ok(history) };
        // The first agent alone shows whether the range is refused.
        match self.read_alone(capabilities, sync, first, context).await {
            Err(failure)
                if agents.listed > 0
                    && is_range_error(&failure)
                    && capabilities.shorter_range(sync.of(first).length().into(), failure.error.kind).is_some() =>
            {
                return Err(failure);
            }
            read => history.add(first.clone(), read, context),
        }
        let each = others.iter().cloned().map(|agent| async move {
            let read = self.read_alone(capabilities, sync, &agent, context).await;
            (agent, read)
        });
        let mut results = stream::iter(each).buffer_unordered(self.tenant.limits.max_concurrent_requests.max(1));
        while let Some((agent, read)) = results.next().await {
            history.add(agent, read, context);
        }
        match history.missing.refused.first() {
            Some((_, failure)) if history.parts.is_empty() && history.missing.failed.is_empty() => Err(failure.clone()),
            _ => Ok(history),
        }
    }

    async fn read_alone(
        &self,
        capabilities: HistoryCapabilities,
        sync: &SyncRange,
        agent: &AgentId,
        context: &FetchContext,
    ) -> Result<Vec<Part>, Failure> {
        let parts = capabilities.parts(sync.of(agent), self.official.history_lookback);
        self.read_parts(&parts, sync.all.end, Some(agent), context).await
    }

    /// Reads `parts` of the history of all agents, or of one. `until` is the end of the range that they cover together.
    pub(super) async fn read_parts(
        &self,
        parts: &[Window],
        until: Timestamp,
        agent: Option<&AgentId>,
        context: &FetchContext,
    ) -> Result<Vec<Part>, Failure> {
        let mut read = Vec::with_capacity(parts.len());
        for &range in parts {
            let mut url = history_url(&self.url(PATH, context).await?, agent);
            url.query_pairs_mut()
                .append_pair("startDate", &range.start.to_string())
                .append_pair("endDate", &range.end.to_string());
            let mut records = Vec::new();
            let list = self.read_list(&error_hints::HISTORY, &url, agent, context, |page| records.extend(page));
            let rejections = list.await?;
            if let Some(agent) = agent {
                // The records of one agent may not repeat its id.
                records.iter_mut().for_each(|record: &mut HistoryRecord| record.agent_id = Some(agent.to_string()));
            }
            read.push(Part { requested: Requested { range, until, now: until }, records, rejections });
        }
        Ok(read)
    }
}

// === impl AgentList ===

impl AgentList {
    pub(super) fn new(ids: &[AgentId], states: &[StateRecord]) -> Self {
        let known: HashSet<&str> = states.iter().filter_map(|row| row.agent_id.as_deref()).collect();
        let (mut first, others): (Vec<AgentId>, Vec<_>) = ids.iter().cloned().partition(|id| known.contains(&**id));
        let listed = first.len();
        first.extend(others);
        Self { ids: first, listed }
    }
}

// === impl History ===

impl History {
    fn add(&mut self, agent: AgentId, read: Result<Vec<Part>, Failure>, context: &FetchContext) {
        match read {
            Ok(parts) => self.parts.extend(parts),
            Err(failure) => {
                if failure.scope == Scope::Tenant && !is_refusal(&failure) {
                    context.cancel(&failure);
                }
                self.missing.add(agent, failure);
            }
        }
    }
}

/// The address of the history of `agent`, or of all agents, whose address is `all`.
pub(super) fn history_url(all: &Url, agent: Option<&AgentId>) -> Url {
    let mut url = all.clone();
    if let (Some(agent), Ok(mut segments)) = (agent, url.path_segments_mut()) {
        segments.pop().push(agent).push("state-history");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_id_is_one_encoded_path_segment() {
        let all: Url = "https://h/incontactapi/services/v30.0/agents/state-history".parse().unwrap();
        assert_eq!(history_url(&all, None), all);
        assert_eq!(
            history_url(&all, Some(&"4/7?x".into())).as_str(),
            "https://h/incontactapi/services/v30.0/agents/4%2F7%3Fx/state-history"
        );
    }
}
