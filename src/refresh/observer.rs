//! Whom `refresh` tells what it did.

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

/// What a scrape was given, by the value of the label `served`.
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

/// What is done with a tenant's file, by the value of the label `operation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageOperation {
    /// Reading what an earlier process left.
    Read,
    /// Noting that a refresh starts.
    Attempt,
    /// Writing down what a refresh left.
    Write,
}

/// Is told of refreshes and scrapes, and of the files that outlive the process.
pub trait Observer: Send + Sync + 'static {
    /// A refresh ended.
    fn refreshed(&self, result: RefreshResult, took: Duration, rejections: &Rejections);

    /// A scrape was answered.
    fn scraped(&self, served: Served);

    /// The status changed, so that what was rendered of it is out of date.
    fn status_changed(&self);

    /// What is observed is kept in a file from now on.
    fn storage_used(&self) {}

    /// The file is as it is to be.
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
