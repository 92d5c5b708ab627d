//! The states of the presence API, periods in them, and sums of time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::presence::{Micros, StateName, Timestamp};

/// A state of the presence API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Waiting for a contact.
    Available,
    /// Handling a contact.
    Busy,
    /// After-call work.
    WrapUp,
    /// Out of shift, on a break, or absent.
    Offline,
}

/// A period in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The state.
    pub state: State,
    /// Start, inclusive.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
}

/// Time in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateTimes {
    available: u64,
    busy: u64,
    wrap_up: u64,
    offline: u64,
}

// === impl Segment ===

impl Segment {
    /// Length of the segment.
    pub const fn length(&self) -> Micros {
        self.end.saturating_since(self.start)
    }
}

// === impl State ===

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Available, Self::Busy, Self::WrapUp, Self::Offline];

    /// Name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Busy => "Busy",
            Self::WrapUp => "WrapUp",
            Self::Offline => "Offline",
        }
    }
}

// === impl StateTimes ===

impl StateTimes {
    /// Adds `time` in `state`.
    pub fn add(&mut self, state: State, time: Micros) {
        let slot = match state {
            State::Available => &mut self.available,
            State::Busy => &mut self.busy,
            State::WrapUp => &mut self.wrap_up,
            State::Offline => &mut self.offline,
        };
        *slot += time.get();
    }

    /// All states with their time, including zero.
    pub const fn all(&self) -> [(State, Micros); 4] {
        [
            (State::Available, Micros::new(self.available)),
            (State::Busy, Micros::new(self.busy)),
            (State::WrapUp, Micros::new(self.wrap_up)),
            (State::Offline, Micros::new(self.offline)),
        ]
    }

    /// The states with non-zero time, by name.
    pub fn named(&self) -> BTreeMap<StateName, Micros> {
        let some = self.all().into_iter().filter(|(_, time)| *time > Micros::ZERO);
        some.map(|(state, time)| (Arc::from(state.name()), time)).collect()
    }
}
