//! What all requests of one refresh share: the deadline, whether the refresh is cancelled, and which rows of lists are kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::failure::{Failure, Scope};
use super::{Endpoint, ErrorKind};
use crate::clock::Monotonic;
use crate::presence::AgentId;

/// The most rows of lists that are kept in any case: the largest contact centres have some tens of thousands of agents, with
/// those who have left. A row takes some hundred bytes, so a list made to hurt takes some tens of megabytes.
const MIN_MAX_ROWS: u64 = 100_000;

/// The most rows an agent and hour beyond that. A contact is three or four states, and nobody has 30 contacts an hour.
const MAX_ROWS_PER_AGENT_HOUR: u64 = 120;

/// Shared by the requests of one refresh.
#[derive(Debug)]
pub(super) struct FetchContext {
    /// No request waits beyond this.
    pub(super) deadline: Monotonic,
    cancelled: OnceLock<Failure>,
    /// The agents whose rows are kept; `None` keeps those of all.
    agents: Option<Arc<HashSet<AgentId>>>,
    max_rows: u64,
    /// How many rows were kept.
    rows: AtomicU64,
}

// === impl FetchContext ===

impl FetchContext {
    pub(super) const fn new(deadline: Monotonic) -> Self {
        Self { deadline, cancelled: OnceLock::new(), agents: None, max_rows: MIN_MAX_ROWS, rows: AtomicU64::new(0) }
    }

    /// Keeps only rows of `agents`, and as many as they may have within `span`.
    pub(super) fn keeping(self, agents: HashSet<AgentId>, span: Duration) -> Self {
        let hours = span.as_secs().div_ceil(3600);
        let agent_hours = u64::try_from(agents.len()).unwrap_or(u64::MAX).saturating_mul(hours);
        let max_rows = agent_hours.saturating_mul(MAX_ROWS_PER_AGENT_HOUR).saturating_add(MIN_MAX_ROWS);
        Self { agents: Some(Arc::new(agents)), max_rows, ..self }
    }

    /// The agents whose rows are kept; `None` keeps those of all.
    pub(super) fn agents(&self) -> Option<Arc<HashSet<AgentId>>> {
        self.agents.clone()
    }

    /// Counts rows that are kept.
    ///
    /// # Errors
    ///
    /// Fails, and cancels the refresh, if there are too many.
    pub(super) fn count_rows(&self, endpoint: Endpoint, rows: usize) -> Result<(), Failure> {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let before = self.rows.fetch_add(rows, Ordering::Relaxed);
        if before.saturating_add(rows) <= self.max_rows {
            return Ok(());
        }
        let message = format!("The lists have more than {} rows, many more than the agents can have.", self.max_rows);
        let failure = Failure::new(endpoint, ErrorKind::TooMuch, message).with_scope(Scope::Tenant);
        self.cancel(&failure);
        Err(failure)
    }

    /// Stops further requests, because `cause` would fail each of them.
    pub(super) fn cancel(&self, cause: &Failure) {
        self.cancelled.get_or_init(|| cause.clone());
    }

    /// Fails with the cause if the refresh is cancelled.
    pub(super) fn check_cancelled(&self) -> Result<(), Failure> {
        self.cancelled.get().map_or(Ok(()), |cause| Err(cause.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_rows_are_limited_by_agents_and_hours() {
        let context = || FetchContext::new(Monotonic::from_start(Duration::ZERO));
        let agents = |count: u32| (0..count).map(|id| AgentId::from(id.to_string())).collect();
        let table = [
            (context(), 100_000),
            (context().keeping(agents(1), Duration::from_secs(36 * 3600)), 104_320),
            (context().keeping(agents(10), Duration::from_secs(1)), 101_200),
        ];
        for (context, limit) in table {
            assert!(context.count_rows(Endpoint::History, limit - 1).is_ok());
            assert!(context.count_rows(Endpoint::History, 1).is_ok() && context.check_cancelled().is_ok());
            let failure = context.count_rows(Endpoint::History, 1).unwrap_err();
            assert_eq!(failure.error.kind, ErrorKind::TooMuch);
            assert_eq!(context.check_cancelled().unwrap_err().error, failure.error);
        }
    }
}
