//! The state of each agent at every moment: a pure function of (seed, agent, time).
//!
//! Nothing is stored: the state at a moment is computed from the agent's working day around it. Every moment has
//! exactly one state, segments are half-open and adjacent, and states change at whole seconds (whole milliseconds if the
//! timeline is sped up).

mod state;
#[cfg(test)]
mod tests;
mod work_day;

use std::collections::BTreeMap;

pub use self::state::{Segment, State, StateTimes};
use self::work_day::{DAY, SECOND, WorkDay};
use super::workforce::Agent;
use crate::presence::{Micros, StateName, Timestamp, Window};

const MILLISECOND: i64 = 1_000;
/// The moment at which simulated and real time are equal, 2026-01-01T00:00:00Z. It is fixed, so that the past does not
/// change when the simulator restarts.
const ANCHOR: i64 = 1_767_225_600;
/// Maximum length of a state in days; bounds the search for its start and end.
const MAX_STATE_DAYS: i64 = 512;

/// The presence of all agents for all time.
#[derive(Debug, Clone)]
pub struct Timeline {
    scale: i64,
}

/// The segments of one agent in one window, in chronological order. See [`Timeline::segments`].
#[derive(Debug)]
pub struct Segments<'a> {
    timeline: &'a Timeline,
    agent: &'a Agent,
    /// The window in simulated seconds, rounded outwards.
    simulated: (i64, i64),
    /// The next and the last local day to compute.
    days: (i64, i64),
    today: Option<WorkDay>,
    /// The next piece of a working day, in microseconds.
    piece: Option<(State, i64, i64)>,
    /// Rest of the window in microseconds.
    span: (i64, i64),
    /// A segment that may be merged with the next one.
    held: Option<Segment>,
}

// === impl Timeline ===

impl Timeline {
    /// A timeline that runs `scale` times as fast as the clock; 0 counts as 1.
    pub fn new(scale: u32) -> Self {
        Self { scale: i64::from(scale.max(1)) }
    }

    /// Speed as a multiple of real time.
    pub fn scale(&self) -> u32 {
        u32::try_from(self.scale).unwrap_or(1)
    }

    /// The state `agent` is in at `moment`.
    pub fn state_at(&self, agent: &Agent, moment: Timestamp) -> State {
        let window = Window { start: moment, end: Timestamp::from_micros(moment.micros().saturating_add(1)) };
        self.segments(agent, window).next().map_or(State::Offline, |segment| segment.state)
    }

    /// The unclipped segment of `agent` at `moment`.
    pub fn segment_at(&self, agent: &Agent, moment: Timestamp) -> Segment {
        let mut reach = DAY * SECOND / self.scale;
        loop {
            let around = |offset: i64| Timestamp::from_micros(moment.micros().saturating_add(offset));
            let window = Window { start: around(-reach), end: around(reach) };
            let found = self.segments(agent, window).find(|segment| segment.end > moment);
            let last_try = reach > MAX_STATE_DAYS * DAY * SECOND;
            match found {
                Some(segment) if last_try || (segment.start > window.start && segment.end < window.end) => {
                    return segment;
                }
                None if last_try => return Segment { state: State::Offline, start: window.start, end: window.end },
                _ => reach = reach.saturating_mul(2),
            }
        }
    }

    /// The segments of `agent` in `window`: adjacent, clipped to the window, consecutive states differ.
    pub fn segments<'a>(&'a self, agent: &'a Agent, window: Window) -> Segments<'a> {
        let (start, end) = (window.start.micros(), window.end.micros());
        // Rounding to milliseconds moves changes forward, by less than one of them.
        let simulated = (self.simulated(start), self.simulated(end.saturating_add(MILLISECOND)).saturating_add(1));
        // A shift starts within 36 h of midnight UTC of its local date and takes at most half a day; that of a duty desk
        // takes a day from midnight UTC.
        let days = (simulated.0.div_euclid(DAY) - 2, simulated.1.div_euclid(DAY) + 1);
        Segments { timeline: self, agent, simulated, days, today: None, piece: None, span: (start, end), held: None }
    }

    /// The exact time of `agent` in each state within `window`, without states of zero time.
    pub fn seconds(&self, agent: &Agent, window: Window) -> BTreeMap<StateName, Micros> {
        self.times(agent, window).named()
    }

    /// As [`Timeline::seconds`], without a map.
    pub fn times(&self, agent: &Agent, window: Window) -> StateTimes {
        let mut times = StateTimes::default();
        for segment in self.segments(agent, window) {
            times.add(segment.state, segment.length());
        }
        times
    }

    /// The simulated second at the moment `micros`.
    fn simulated(&self, micros: i64) -> i64 {
        ANCHOR + (micros.saturating_sub(ANCHOR * SECOND)).saturating_mul(self.scale).div_euclid(SECOND)
    }

    /// The moment at which a simulated second starts, in microseconds.
    fn real(&self, simulated: i64) -> i64 {
        if self.scale == 1 {
            return simulated.saturating_mul(SECOND);
        }
        ANCHOR * SECOND + ((simulated - ANCHOR).saturating_mul(1_000)).div_euclid(self.scale) * MILLISECOND
    }
}

// === impl Segments ===

impl Segments<'_> {
    /// The next piece of a working day that ends after the returned segments.
    fn next_piece(&mut self) -> Option<(State, i64, i64)> {
        loop {
            if let Some((state, start, end)) = self.piece.take() {
                // Rounding to milliseconds can make a short piece empty.
                if end > self.span.0 && end > start {
                    return Some((state, start, end));
                }
            }
            if let Some((state, start, end)) = self.today.as_mut().and_then(Iterator::next) {
                self.piece = Some((state, self.timeline.real(start), self.timeline.real(end)));
                continue;
            }
            if self.days.0 > self.days.1 {
                return None;
            }
            let (from, to) = self.simulated;
            self.today = WorkDay::plan(&self.agent.profile, self.days.0).filter(|day| day.touches(from, to));
            self.days.0 += 1;
        }
    }

    fn next_unmerged(&mut self) -> Option<Segment> {
        let (start, limit) = self.span;
        if start >= limit {
            return None;
        }
        let (state, end) = match self.next_piece() {
            Some(piece @ (_, piece_start, _)) if piece_start > start => {
                self.piece = Some(piece);
                (State::Offline, piece_start)
            }
            Some((state, _, piece_end)) => (state, piece_end),
            None => (State::Offline, limit),
        };
        let end = end.min(limit);
        self.span.0 = end;
        Some(Segment { state, start: Timestamp::from_micros(start), end: Timestamp::from_micros(end) })
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        let mut segment = match self.held.take() {
            Some(held) => held,
            None => self.next_unmerged()?,
        };
        while let Some(next) = self.next_unmerged() {
            if next.state != segment.state {
                self.held = Some(next);
                break;
            }
            segment.end = next.end;
        }
        Some(segment)
    }
}
