//! The states of an agent in terms of the official API, with sessions and unavailable codes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::presence::{Micros, StateName, Timestamp, Window};
use crate::simulator::api_variants::{ApiVariant, OVERLAP_MICROS};
use crate::simulator::options::SimulatorOptions;
use crate::simulator::random;
use crate::simulator::timeline::{Segment, State, Timeline};
use crate::simulator::workforce::Agent;

/// Longer offline times are `LoggedOut`, shorter ones breaks. In simulated time.
const MAX_BREAK: Micros = Micros::from_seconds(2 * 3_600);

/// Length of a session in microseconds: a day.
const DAY: i64 = 86_400_000_000;

/// An unavailable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) acw: bool,
}

/// The unavailable codes of the tenant.
pub(super) const CODES: [Code; 4] = [
    Code { id: 10, name: "After call", acw: true },
    Code { id: 11, name: "Lunch", acw: false },
    Code { id: 12, name: "Break", acw: false },
    Code { id: 13, name: "Training", acw: false },
];

/// A period of one agent in one state.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatePeriod {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) code: Option<Code>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Pseudo-random number of the period.
    pub(super) chance: u64,
}

/// The time of `agent` in each state within `window`, by the exporter's state names; with `split`, codes are states of
/// their own, and with `acw`, the code of after-call work is one of its own anyway.
pub(crate) fn truth(
    timeline: &Timeline,
    agent: &Agent,
    window: Window,
    split: bool,
    acw: bool,
) -> BTreeMap<StateName, Micros> {
    let mut sums = BTreeMap::new();
    for period in periods(timeline, agent, window) {
        if let Some(inside) = (Window { start: period.start, end: period.end }).intersection(window) {
            *sums.entry(period.shown(split, acw)).or_default() += inside.length();
        }
    }
    sums
}

/// The part of `window` in rows that have ended at `now` and are not listed yet.
pub(crate) fn pending(
    timeline: &Timeline,
    options: &SimulatorOptions,
    agent: &Agent,
    window: Window,
    now: Timestamp,
) -> Micros {
    let late = |period: &StatePeriod| period.end <= now && period.arrives(options) > now;
    periods(timeline, agent, window)
        .into_iter()
        .filter(late)
        .filter_map(|period| Window { start: period.start, end: period.end }.intersection(window))
        .map(Window::length)
        .sum()
}

/// The periods of `agent` that overlap `window`, unclipped.
pub(super) fn periods(timeline: &Timeline, agent: &Agent, window: Window) -> Vec<StatePeriod> {
    let mut segments: Vec<Segment> = timeline.segments(agent, window).collect();
    // The first and the last segment are clipped to the window.
    if let Some(first) = segments.first_mut() {
        *first = timeline.segment_at(agent, first.start);
    }
    if let Some(last) = segments.last_mut() {
        *last = timeline.segment_at(agent, last.start);
    }
    segments.into_iter().map(|segment| StatePeriod::of(timeline, agent, segment)).collect()
}

/// The period of `agent` at `now`.
pub(super) fn current(timeline: &Timeline, agent: &Agent, now: Timestamp) -> StatePeriod {
    StatePeriod::of(timeline, agent, timeline.segment_at(agent, now))
}

// === impl StatePeriod ===

impl StatePeriod {
    fn of(timeline: &Timeline, agent: &Agent, segment: Segment) -> Self {
        let Segment { state, start, end } = segment;
        let chance = random::key(agent.profile.key, start.micros().cast_unsigned());
        // Ids and names are written here again, not taken from `config`: the simulator states independently what the API
        // sends, so a mistake in the exporter's list fails tests.
        let (id, name, code) = match state {
            State::Available => (1, "Available", None),
            State::Busy if chance.is_multiple_of(4) => (4, "OutboundContact", None),
            State::Busy => (3, "InboundContact", None),
            State::WrapUp => (2, "Unavailable", Some(0)),
            State::Offline if segment.length().get() * u64::from(timeline.scale()) > MAX_BREAK.get() => {
                (0, "LoggedOut", None)
            }
            // One break in four has no code, like the start of a session.
            State::Offline => (2, "Unavailable", Some(chance % 4).filter(|code| *code > 0)),
        };
        let code = code.and_then(|code| CODES.get(usize::try_from(code).ok()?)).copied();
        Self { id, name, code, start, end, chance }
    }

    /// The state name that the exporter should show.
    fn shown(&self, split: bool, acw: bool) -> StateName {
        match self.code {
            Some(code) if code.acw && acw => Arc::from("WrapUp"),
            Some(code) if split => format!("{}: {}", self.name, code.name).into(),
            _ => Arc::from(self.name),
        }
    }

    /// Session id and index within the session; independent of the requested range.
    pub(super) const fn session_and_index(&self, agent: &Agent) -> (i64, i64) {
        let (day, within) = (self.start.micros().div_euclid(DAY), self.start.micros().rem_euclid(DAY));
        let session = random::key(agent.profile.key, day.cast_unsigned()) >> 1;
        (session.cast_signed(), within / 1_000)
    }

    /// When the period is listed after its end.
    pub(super) fn arrives(&self, options: &SimulatorOptions) -> Timestamp {
        let late = options.value(|variant| if let ApiVariant::Late(span) = variant { Some(*span) } else { None });
        let parts = u32::try_from(self.chance % 1_000).unwrap_or_default();
        self.end + late.unwrap_or_default() * parts / 1_000
    }

    /// The end in the row.
    pub(super) fn listed_end(&self, options: &SimulatorOptions) -> Timestamp {
        let overlaps = options.has(ApiVariant::Overlapping) && self.chance % 5 == 1;
        Timestamp::from_micros(self.end.micros() + if overlaps { OVERLAP_MICROS } else { 0 })
    }
}
