//! Answers scrapes from the last snapshot, and lets exactly one fetch at a time replace it.

mod observer;
mod snapshot;

pub use observer::{Observer, RefreshResult, Served};
pub use snapshot::{AgentCounts, AgentData, AgentRow, Snapshot, Status};
