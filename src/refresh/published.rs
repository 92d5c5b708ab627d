//! The value that scrapes and pages read: one snapshot, its rendered bytes, and how long both may be used.

use std::fmt;
use std::sync::Arc;

use super::directory::{AgentDirectory, ResolvedTenant};
use super::snapshot::{Moment, Snapshot, Status};
use crate::config::Tenant;
use crate::exposition::Block;
use crate::upstream::Source;

/// Renders the agents' series of a snapshot.
pub type Render = dyn Fn(&Snapshot) -> Arc<Block> + Send + Sync;

/// All that is known of a tenant, as it is served. It never changes; each event swaps in a new one.
#[derive(Clone)]
pub struct Published {
    /// The data, without what has expired.
    pub snapshot: Arc<Snapshot>,
    /// The agents' series, rendered once.
    pub block: Arc<Block>,
    /// The freshness contract.
    pub status: Status,
    /// The tenant as configured, without the agents and names of its own list.
    pub(crate) configured: Arc<Tenant>,
    /// Where its data is read from.
    pub(crate) source: Arc<dyn Source>,
    /// The tenant's own list of agents, where it was needed and read.
    pub(crate) directory: Option<Arc<AgentDirectory>>,
    /// The start of the last refresh, if it succeeded in full.
    pub(crate) full_start: Option<Moment>,
    /// When the last refresh read its data, if it read any.
    pub(crate) last_read: Option<Moment>,
    /// When the oldest data in the snapshot was read.
    pub(crate) oldest: Option<Moment>,
}

// === impl Published ===

impl Published {
    /// A tenant that has not been asked yet.
    pub(crate) fn new(configured: Arc<Tenant>, source: Arc<dyn Source>, render: &Render) -> Self {
        let resolved = ResolvedTenant::new(&configured, None);
        let snapshot = Snapshot::empty(Arc::clone(&resolved.tenant));
        Self {
            block: render(&snapshot),
            status: resolved.counted_in(Status { agents: snapshot.counts(None), ..Status::default() }),
            snapshot: Arc::new(snapshot),
            configured,
            source,
            directory: None,
            full_start: None,
            last_read: None,
            oldest: None,
        }
    }

    /// The same with another snapshot, and with all that follows from it.
    pub(crate) fn with_snapshot(self, snapshot: Snapshot, render: &Render) -> Self {
        Self {
            block: render(&snapshot),
            status: Status { agents: snapshot.counts(self.last_read), ..self.status },
            oldest: snapshot.oldest(),
            snapshot: Arc::new(snapshot),
            ..self
        }
    }

    /// Whether the last refresh succeeded in full and started less than a cooldown ago, so that no refresh is needed.
    pub(crate) fn is_fresh(&self, now: Moment) -> bool {
        self.full_start.is_some_and(|full_start| full_start.age(now) < self.snapshot.tenant.limits.cooldown)
    }

    /// Whether some data has passed `max_staleness`.
    pub(crate) fn has_expired(&self, now: Moment) -> bool {
        self.oldest.is_some_and(|oldest| oldest.age(now) >= self.snapshot.tenant.limits.max_staleness)
    }

    /// Whether it holds data of any agent.
    pub fn has_data(&self) -> bool {
        self.oldest.is_some()
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").field("status", &self.status).finish_non_exhaustive()
    }
}
