//! What agents did and for how long: windows, buckets, tallies. Pure: no I/O, no serde, no clock.
//!
//! A source turns wire answers into buckets and pushes them into a [`Tally`], which clips,
//! de-duplicates and caps them and yields one [`AgentPresence`] per agent. All arithmetic is in whole
//! microseconds, so sums are exact and do not depend on the order in which pages arrive.

mod schedule;
mod tally;
mod time;

pub use schedule::{Schedule, Shift};
pub use tally::{
    AgentId, AgentIndex, AgentPresence, Checkpoint, Rejection, Rejections, ScheduledTime, StateIndex, StateName, Tally,
    TallyOutcome, WatchedAgent,
};
pub use time::{Micros, Timestamp, Window};
