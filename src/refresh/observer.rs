//! The events of refreshes and of storage, which the metrics count.

use std::time::Duration;

use crate::presence::{Rejections, Timestamp};

/// How a refresh ended, by the value of the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshResult {
    /// Every agent's data was read.
    Success,
    /// Some batches of agents were read, others failed.
    Partial,
    /// Nothing was read.
    Failure,
}

/// The kind of answer to a scrape, by the value of the label `served`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Served {
    /// A refresh ended during this scrape.
    Fresh,
    /// Data younger than the cooldown.
    Cooldown,
    /// Older data: the refresh failed, is not done, or may not start.
    Stale,
    /// No data.
    None,
}

/// A use of a tenant's file, by the value of the label `operation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageOperation {
    /// Reading the state at start-up.
    Read,
    /// Recording that a refresh starts.
    Attempt,
    /// Saving the state after a refresh.
    Write,
}

/// Counts refreshes, scrapes and uses of the tenant's file.
pub trait Observer: Send + Sync + 'static {
    /// A refresh ended.
    fn refreshed(&self, result: RefreshResult, took: Duration, rejections: &Rejections);

    /// A scrape was answered.
    fn scraped(&self, served: Served);

    /// The status changed, so its rendered metrics are out of date.
    fn status_changed(&self);

    /// The tenant has a file from now on.
    fn storage_used(&self) {}

    /// The file was saved.
    fn stored(&self, at: Timestamp) {
        let _ = at;
    }

    /// The file could not be used.
    fn storage_failed(&self, operation: StorageOperation) {
        let _ = operation;
    }
}

impl RefreshResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Success, Self::Partial, Self::Failure];

    /// The value of the label `result`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failure => "failure",
        }
    }
}

impl Served {
    /// Every answer.
    pub const ALL: [Self; 4] = [Self::Fresh, Self::Cooldown, Self::Stale, Self::None];

    /// The value of the label `served`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Cooldown => "cooldown",
            Self::Stale => "stale",
            Self::None => "none",
        }
    }
}

impl StorageOperation {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::Read, Self::Attempt, Self::Write];

    /// The value of the label `operation`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Attempt => "attempt",
            Self::Write => "write",
        }
    }
}
