//! Presence from buckets: the presence API reports the time of an agent in each state per bucket.

mod agent_index;
mod boundaries;
mod current_state;
mod history;
mod incremental;
mod store;
mod sum;
mod tally;

pub use self::agent_index::AgentIndex;
pub use self::boundaries::BucketBoundaries;
pub use self::history::{BucketHistory, MAX_BYTES_PER_BUCKET};
pub use self::incremental::{BucketQuery, IncrementalOutcome, IncrementalTally};
pub use self::tally::{Checkpoint, Tally, TallyOutcome};
