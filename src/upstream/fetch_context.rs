//! What all requests of one refresh share: the deadline, whether the refresh is cancelled, and which rows of lists are kept.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::failure::Failure;
use crate::clock::Monotonic;
use crate::presence::AgentId;

/// The memory that the rows of lists may take in any case, in bytes: those of 150,000 people, several times the largest contact
/// centres with the agents who have left.
const MIN_ROOM_BYTES: u64 = 32 * 1024 * 1024;

/// What rows may take beyond that for an agent and hour: a row takes some 300 bytes, a contact is three or four states, and 25
/// contacts an hour are more than any agent has.
const ROOM_BYTES_PER_AGENT_HOUR: u64 = 32 * 1024;

/// Shared by the requests of one refresh.
#[derive(Debug)]
pub(super) struct FetchContext {
    /// No request waits beyond this.
    pub(super) deadline: Monotonic,
    cancelled: OnceLock<Failure>,
    /// The agents whose rows are kept; `None` keeps those of all.
    agents: Option<Arc<HashSet<AgentId>>>,
    /// The memory that rows may still take, in bytes.
    room: AtomicU64,
    /// Whether a list with fewer rows than it says is a failure.
    refuses_short_lists: bool,
}

// === impl FetchContext ===

impl FetchContext {
    pub(super) const fn new(deadline: Monotonic) -> Self {
        Self {
            deadline,
            cancelled: OnceLock::new(),
            agents: None,
            room: AtomicU64::new(MIN_ROOM_BYTES),
            refuses_short_lists: false,
        }
    }

    /// Keeps only rows of `agents`, in as much memory as those of `span` may take.
    pub(super) fn keeping(self, agents: HashSet<AgentId>, span: Duration) -> Self {
        let hours = span.as_secs().div_ceil(3600);
        let agent_hours = u64::try_from(agents.len()).unwrap_or(u64::MAX).saturating_mul(hours);
        let room = agent_hours.saturating_mul(ROOM_BYTES_PER_AGENT_HOUR).saturating_add(MIN_ROOM_BYTES);
        Self { agents: Some(Arc::new(agents)), room: AtomicU64::new(room), ..self }
    }

    /// Takes a list with fewer rows than it says for a failure, as no later refresh mends what is missing.
    pub(super) fn refusing_short_lists(self) -> Self {
        Self { refuses_short_lists: true, ..self }
    }

    /// Whether a list with fewer rows than it says is a failure.
    pub(super) const fn refuses_short_lists(&self) -> bool {
        self.refuses_short_lists
    }

    /// The agents whose rows are kept; `None` keeps those of all.
    pub(super) fn agents(&self) -> Option<Arc<HashSet<AgentId>>> {
        self.agents.clone()
    }

    /// The memory that rows may still take, in bytes.
    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Relaxed)
    }

    /// Takes `bytes` of [`FetchContext::room`].
    pub(super) fn take_room(&self, bytes: u64) {
        let _ = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| Some(room.saturating_sub(bytes)));
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
    fn room_for_rows_grows_with_agents_and_hours() {
        let context = FetchContext::new(Monotonic::from_start(Duration::ZERO));
        assert_eq!(context.room(), MIN_ROOM_BYTES);
        let context = context.keeping(["1", "2"].map(AgentId::from).into(), Duration::from_secs(36 * 3600 - 1));
        assert_eq!(context.room(), MIN_ROOM_BYTES + 72 * ROOM_BYTES_PER_AGENT_HOUR);
        context.take_room(MIN_ROOM_BYTES);
        assert_eq!(context.room(), 72 * ROOM_BYTES_PER_AGENT_HOUR);
        context.take_room(u64::MAX);
        assert_eq!(context.room(), 0);
    }
}
