//! Whom `refresh` tells what it did.

use std::time::Duration;

use crate::presence::Rejections;

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

/// Is told of refreshes and scrapes.
pub trait Observer: Send + Sync + 'static {
    /// A refresh ended.
    fn refreshed(&self, result: RefreshResult, took: Duration, rejections: &Rejections);

    /// A scrape was answered.
    fn scraped(&self, served: Served);

    /// The status changed, so that what was rendered of it is out of date.
    fn status_changed(&self);
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
