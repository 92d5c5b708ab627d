//! The agents whose history a refresh or a piece could not read.

use std::collections::HashSet;
use std::sync::Arc;

use super::history_capabilities::is_refusal;
use crate::presence::{AgentId, AgentPresence, Rejections};
use crate::upstream::FetchResult;
use crate::upstream::failure::{Failure, Scope};

/// The agents whose history could not be read, and why; only if each agent is requested separately.
#[derive(Debug, Default)]
pub(super) struct MissingAgents {
    /// Those whose requests failed.
    pub(super) failed: Vec<(AgentId, Failure)>,
    /// Those whose history CXone refuses while it answers for others, which is no failure of the tenant.
    pub(super) refused: Vec<(AgentId, Failure)>,
}

// === impl MissingAgents ===

impl MissingAgents {
    pub(super) fn add(&mut self, agent: AgentId, failure: Failure) {
        let list = if is_refusal(&failure) { &mut self.refused } else { &mut self.failed };
        list.push((agent, failure));
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.failed.extend(others.failed);
        self.refused.extend(others.refused);
    }

    pub(super) fn agents(&self) -> HashSet<AgentId> {
        self.failed.iter().chain(&self.refused).map(|(agent, _)| Arc::clone(agent)).collect()
    }

    /// The result for `presences`, without those of the missing agents.
    pub(super) fn into_result(
        self,
        presences: impl Iterator<Item = (AgentId, Option<AgentPresence>)>,
        rejections: Rejections,
    ) -> FetchResult {
        let missing = self.agents();
        // A failure of the whole tenant takes precedence over one of an agent.
        let reported = self.failed.iter().find(|(_, failure)| failure.scope == Scope::Tenant).or(self.failed.first());
        let error = reported.map(|(_, failure)| failure.error.clone());
        let refusal = self.refused.first().map(|(_, failure)| failure.error.clone());
        let answered = presences.filter(|(agent, _)| !missing.contains(agent)).collect();
        FetchResult { answered, failed: missing.into_iter().collect(), rejections, error, refusal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{Endpoint, ErrorKind};

    #[test]
    fn the_failure_of_the_tenant_is_reported_first() {
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
            let presences = ["1", "2", "3", "4"].map(|agent| (id(agent), None));
            let missing = MissingAgents { failed: failed.to_vec(), refused: Vec::new() };
            let result = missing.into_result(presences.into_iter(), Rejections::default());
            assert_eq!(result.error.map(|error| error.message).as_deref(), message);
            assert_eq!((result.answered.len(), result.failed.len()), (4 - failed.len(), failed.len()));
            assert!(result.answered.iter().all(|(agent, _)| !result.failed.contains(agent)));
        }
    }
}
