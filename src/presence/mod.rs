//! What agents did and for how long: windows, buckets, tallies. Pure: no I/O, no serde, no clock.
//!
//! A source turns wire answers into buckets and pushes them into a [`Tally`], which clips,
//! de-duplicates and caps them and yields one [`AgentPresence`] per agent. All arithmetic is in whole
//! microseconds, so sums are exact and do not depend on the order in which pages arrive. A source that has no buckets but
//! changes of state keeps a [`StateTimeline`], which comes to the same.

mod arena;
mod count;
mod current;
mod grid;
mod limits;
mod outcome;
mod past;
mod rejection;
mod roster;
mod schedule;
mod states;
mod strip;
mod tally;
mod time;
mod time_zone;
mod timeline;
pub(crate) mod varint;

pub use grid::Grid;
pub use limits::{MAX_STATES_PER_AGENT, MAX_STATES_PER_TALLY};
pub use outcome::{AgentId, AgentPresence, ScheduledTime, StateName, TallyOutcome};
pub use past::{MAX_BYTES_PER_BUCKET, Past};
pub use rejection::{Rejection, Rejections};
pub use roster::{AgentIndex, Person, WatchedAgent};
pub use schedule::{OnShift, Schedule, Shift};
pub use states::{MAX_STATE_NAME_BYTES, OTHER_STATE, StateIndex, UNKNOWN_STATE};
pub use strip::{Cell, Strip, StripBuilder};
pub use tally::{Asked, Checkpoint, KeptOutcome, Tally};
pub use time::{Micros, Timestamp, Window};
pub use time_zone::TimeZone;
pub use timeline::{
    HistoryRow, MAX_ROWS_PER_AGENT, Observation, RawStateIndex, RowKey, StateLabels, StateTimeline, TimelineSums,
};
