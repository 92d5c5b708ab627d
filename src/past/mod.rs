//! Presence of any range in the past, for reports and for history from before the first scrape.
//!
//! A range is read in pieces: some agents within a window, as large as the source reads best at once ([`RangeReader`]). Each
//! piece is summed by period ([`Periods`]) and appended to a state file ([`StateFile`]), from which the results are read agent
//! by agent. So memory does not grow with the range, and an interrupted run goes on where it was.

mod agent_times;
mod engine;
mod periods;
mod question;
mod state_file;
mod tally;

#[cfg(test)]
mod tests;

pub use agent_times::AgentTimes;
pub use engine::{RangeProgress, RangeReader, Unread, pieces};
pub use periods::{By, Periods};
pub use question::Question;
pub use state_file::{StateFile, StateFileError};
pub use tally::{PastAgent, ShiftTime};
