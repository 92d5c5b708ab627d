//! What agents did and for how long: windows, buckets, tallies. Pure: no I/O, no serde, no clock.
//!
//! A source turns wire answers into buckets and pushes them into a [`Tally`], which clips,
//! de-duplicates and caps them and yields one [`AgentPresence`] per agent. All arithmetic is in whole
//! microseconds, so sums are exact and do not depend on the order in which pages arrive. A source that has no buckets but
//! changes of state keeps a [`StateTimeline`], which comes to the same.

mod agent;
mod buckets;
mod chart;
mod rejection;
mod schedule;
mod state_limits;
mod state_names;
mod time;
mod time_zone;
mod timeline;
pub(crate) mod varint;

pub use agent::{AgentId, AgentPresence, Person, ScheduledTime, WatchedAgent};
pub use buckets::{
    AgentIndex, BucketBoundaries, BucketHistory, BucketQuery, Checkpoint, IncrementalOutcome, IncrementalTally,
    MAX_BYTES_PER_BUCKET, Tally, TallyOutcome,
};
pub use chart::{ChartSlot, PresenceChart, PresenceChartBuilder};
pub use rejection::{Rejection, Rejections};
pub use schedule::{OnShift, Schedule, Shift};
pub use state_limits::{MAX_STATES_PER_AGENT, MAX_STATES_PER_TALLY};
pub use state_names::{MAX_STATE_NAME_BYTES, OTHER_STATE, StateIndex, StateName, UNKNOWN_STATE};
pub use time::{Micros, Timestamp, Window};
pub use time_zone::TimeZone;
pub use timeline::{
    HistoryRow, MAX_ROWS_PER_AGENT, Observation, RawStateIndex, RowKey, StateLabels, StateTimeline, TimelineSums,
};
