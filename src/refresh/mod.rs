//! Answers scrapes from the last snapshot, and lets exactly one fetch at a time replace it.
//!
//! Nothing is fetched without a scrape. A scrape that finds data younger than the cooldown takes no
//! lock and waits for nothing; any other one asks the gate, which lets one refresh start and lets everybody
//! wait for that one, each no longer than its own deadline. A refresh builds a whole new [`Snapshot`],
//! has it rendered, and swaps it in. With a [`Storage`], the next process takes up where this one ends.
//!
//! A reload changes a refresher's settings in place ([`Refresher::reconfigure`]): data that is still an answer, the gate,
//! the status and a refresh under way live on, and scrapes that wait keep waiting for the same thing.

pub(crate) mod backoff;
pub(crate) mod directory;
mod gate;
mod log;
mod merge;
mod observer;
mod published;
mod refresher;
mod snapshot;

pub use observer::{Observer, RefreshResult, Served, StorageOperation};
pub use published::Published;
pub use refresher::{Parts, Refresher, Render, Scrape};
pub use snapshot::{AgentCounts, AgentData, AgentRow, Moment, Snapshot, Status};

#[cfg(test)]
pub(crate) mod tests;
