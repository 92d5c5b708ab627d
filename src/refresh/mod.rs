//! Answers scrapes from the last snapshot, and lets one refresh at a time replace it.
//!
//! No refresh starts without a scrape or a visit of the status page. A scrape of data younger than the cooldown takes no lock
//! and waits for nothing. Any other scrape asks the gate, which starts one refresh; all scrapes wait for that one, each until its
//! own deadline. A refresh builds and renders a new [`Snapshot`] and swaps it in. A reload changes the settings in place
//! ([`Refresher::reconfigure`]).

pub(crate) mod backoff;
pub(crate) mod counters;
pub(crate) mod directory;
mod filter_problem;
mod gate;
mod log;
mod merge;
mod observer;
mod published;
mod refresher;
mod snapshot;
mod state;
mod store;
mod task;

pub use counters::{ReadParts, StateCounters};
pub use observer::{Observer, RefreshResult, Served, StorageOperation};
pub use published::{Published, Render};
pub use refresher::{Parts, Refresher, Scrape, Visit};
pub use snapshot::{AgentCounts, AgentData, AgentRow, Moment, Snapshot, Status};
pub use store::{RestoredState, StateStore, StoreFuture};

#[cfg(test)]
pub(crate) mod tests;
