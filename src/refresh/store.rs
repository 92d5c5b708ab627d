//! The store of a tenant's state across restarts, which `storage` implements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::directory::AgentDirectory;
use super::published::Published;
use super::snapshot::{Moment, Snapshot, Status};
use crate::clock::Monotonic;
use crate::config::Tenant;
use crate::presence::Timestamp;
use crate::upstream::Source;

/// The future of [`StateStore::record_attempt`] and [`StateStore::save`].
pub type StoreFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Stores the state of one tenant for a later process. It reports its own failures: a refresh goes on without a store.
pub trait StateStore: Send + Sync + 'static {
    /// The state that an earlier process left, as far as it still holds at `now`.
    fn restore(&self, tenant: &Arc<Tenant>, now: Moment) -> Option<RestoredState>;

    /// Restores the history of `source`.
    fn restore_history(&self, source: &dyn Source);

    /// Records that a refresh starts at `started`, after `failures` failed refreshes in a row. It ends within seconds.
    fn record_attempt(&self, started: Timestamp, published: Arc<Published>, failures: u32) -> StoreFuture<'_>;

    /// Saves what is published, after `failures` failed refreshes in a row.
    fn save(&self, published: Arc<Published>, failures: u32) -> StoreFuture<'_>;
}

/// What a refresher starts with after a restart.
#[derive(Debug)]
pub struct RestoredState {
    /// The last good data of the agents that are still configured.
    pub(crate) snapshot: Snapshot,
    /// The stored part of the status.
    pub(crate) status: Status,
    /// The tenant's own list of agents; `snapshot` has its agents.
    pub(crate) directory: Option<Arc<AgentDirectory>>,
    /// The start of the last refresh, if it succeeded in full.
    pub(crate) full_start: Option<Moment>,
    /// When the last refresh read its data.
    pub(crate) last_read: Option<Moment>,
    /// How many refreshes have failed in a row.
    pub(crate) failures: u32,
    /// Before this nothing is sent.
    pub(crate) not_before: Option<Monotonic>,
}
