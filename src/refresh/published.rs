//! What scrapes are served from: one snapshot, its rendered bytes, and how long both may be used.

use std::sync::Arc;

use super::directory::People;
use super::snapshot::{Moment, Snapshot, Status};
use crate::exposition::Block;

/// A snapshot as it is served. It never changes; a new one is swapped in whole.
#[derive(Debug)]
pub struct Published {
    /// The data, without what has expired.
    pub snapshot: Arc<Snapshot>,
    /// The agents' series, rendered once.
    pub block: Arc<Block>,
    /// How things stand.
    pub status: Status,
    /// The tenant's own list of people, where it was needed and read.
    pub(crate) people: Option<Arc<People>>,
    /// When a refresh last succeeded in full, as long as none has ended otherwise since.
    pub(crate) full_at: Option<Moment>,
    /// When the last refresh read its data, if it read any.
    pub(crate) last_read: Option<Moment>,
    /// When the oldest data in the snapshot was read.
    pub(crate) oldest: Option<Moment>,
}

// === impl Published ===

impl Published {
    /// Whether all of it is younger than the cooldown, so that nobody needs to ask.
    pub(crate) fn is_fresh(&self, now: Moment) -> bool {
        self.full_at.is_some_and(|full_at| full_at.age(now) < self.snapshot.tenant.cooldown)
    }

    /// Whether some of it is too old to be exposed.
    pub(crate) fn has_expired(&self, now: Moment) -> bool {
        self.oldest.is_some_and(|oldest| oldest.age(now) >= self.snapshot.tenant.max_staleness)
    }

    /// Whether it holds data of any agent.
    pub fn has_data(&self) -> bool {
        self.oldest.is_some()
    }
}
