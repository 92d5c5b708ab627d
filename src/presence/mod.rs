//! The time of agents in each state: windows, buckets, tallies, timelines. Pure: no I/O, no serde, no clock.
//!
//! A source of buckets pushes them into a [`Tally`], which clips, deduplicates and scales them and returns one
//! [`AgentPresence`] per agent. A source of state changes keeps a [`StateTimeline`], which returns the same. All arithmetic
//! is in whole microseconds, so sums are exact and do not depend on the order of pages.

mod agent;
mod buckets;
mod chart;
mod rejection;
mod schedule;
mod state_limits;
mod state_names;
mod sums;
mod text;
mod time;
mod time_zone;
pub(crate) mod timeline;
pub(crate) mod varint;
mod window_parts;

pub use agent::{AgentId, AgentPresence, Person, ScheduledTime, WatchedAgent};
pub use buckets::{
    AgentIndex, BucketBoundaries, BucketHistory, BucketQuery, Checkpoint, IncrementalOutcome, IncrementalTally,
    MAX_BYTES_PER_BUCKET, Tally, TallyOutcome,
};
pub use chart::{ChartSlot, PresenceChart, PresenceChartBuilder};
pub use rejection::{Rejection, Rejections};
pub use schedule::{CurrentShifts, MAX_SHIFT, OnShift, Schedule, Shift};
pub(crate) use state_limits::limited_place;
pub use state_limits::{MAX_STATES_PER_AGENT, MAX_STATES_PER_TALLY};
pub use state_names::{OTHER_STATE, StateIndex, StateName, UNKNOWN_STATE};
pub(crate) use sums::add_to;
pub use text::{MAX_TEXT_BYTES, cut_text, escape_text, is_invisible, isolate_text};
pub use time::{Micros, Timestamp, Window};
pub use time_zone::TimeZone;
pub use timeline::{
    HistoryRow, MAX_ROWS_PER_AGENT, MAX_SEGMENTS_PER_AGENT, Observation, PresenceTimeline, RawStateIndex, Requested,
    RowKey, Segment, StateLabels, StateTimeline, TimelineSums, Unanswered,
};
pub use window_parts::{PartLength, WindowPart, WindowParts};
