//! What past reading asks a [`Source`](super::Source) for: pieces of agents and time.

use std::time::Duration;

use crate::clock::Monotonic;
use crate::presence::{WatchedAgent, Window};

/// A piece of past presence.
#[derive(Debug, Clone)]
pub struct PastQuery {
    /// The time to read.
    pub window: Window,
    /// The agents to read.
    pub agents: Vec<WatchedAgent>,
    /// The length of the parts by which the time is summed; they begin at multiples of it since 1970. Less than a second is a
    /// second.
    pub slot: Duration,
    /// When the reading must end. `Retry-After` and budget are waited for until then.
    pub deadline: Monotonic,
}

/// How much of past presence a source reads best at once.
///
/// A caller that has no memory for so much shortens the length: fewer agents cost requests, as the history of all agents
/// comes at once from some tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastLimits {
    /// The number of agents.
    pub agents: usize,
    /// The length of the window.
    pub length: Duration,
}
