//! What an agent does, as the official API has it: sessions of states, of which one has codes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::presence::{Micros, StateName, Timestamp, Window};
use crate::simulator::habits::{Habit, OVERLAP_MICROS};
use crate::simulator::hash;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::roster::Agent;
use crate::simulator::timeline::{Segment, State, Timeline};

/// Being offline for longer is being logged out; for less, a break. In simulated time.
const LONGEST_BREAK: Micros = Micros::from_seconds(2 * 3_600);

/// Microseconds in a day, which a session lasts.
const DAY: i64 = 86_400_000_000;

/// A code of `Unavailable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) acw: bool,
}

/// The tenant's codes.
pub(super) const CODES: [Code; 4] = [
    Code { id: 10, name: "After call", acw: true },
    Code { id: 11, name: "Lunch", acw: false },
    Code { id: 12, name: "Break", acw: false },
    Code { id: 13, name: "Training", acw: false },
];

/// A state, from when to when an agent is in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spell {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) code: Option<Code>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// What is drawn by chance for it.
    pub(super) chance: u64,
}

/// How long `agent` is in each state within `window`, by the names that are shown of them; with `split`, codes are states
/// of their own.
pub(in crate::simulator) fn truth(
    timeline: &Timeline,
    agent: &Agent,
    window: Window,
    split: bool,
) -> BTreeMap<StateName, Micros> {
    let mut sums = BTreeMap::new();
    for spell in spells(timeline, agent, window) {
        if let Some(inside) = (Window { start: spell.start, end: spell.end }).intersection(window) {
            let sum = sums.entry(spell.shown(split)).or_insert(Micros::ZERO);
            *sum = *sum + inside.length();
        }
    }
    sums
}

/// How much of `window` is in rows that are over at `now` and not listed yet.
pub(in crate::simulator) fn pending(
    timeline: &Timeline,
    options: &SimulatorOptions,
    agent: &Agent,
    window: Window,
    now: Timestamp,
) -> Micros {
    let late = |spell: &Spell| spell.end <= now && spell.arrives(options) > now;
    spells(timeline, agent, window)
        .into_iter()
        .filter(late)
        .filter_map(|spell| Window { start: spell.start, end: spell.end }.intersection(window))
        .map(Window::length)
        .sum()
}

/// What `agent` does in `window`, from before it to after it where a state reaches over its ends.
pub(super) fn spells(timeline: &Timeline, agent: &Agent, window: Window) -> Vec<Spell> {
    let mut segments: Vec<Segment> = timeline.segments(agent, window).collect();
    // The first and the last are cut to the window.
    if let Some(first) = segments.first_mut() {
        *first = timeline.segment_at(agent, first.start);
    }
    if let Some(last) = segments.last_mut() {
        *last = timeline.segment_at(agent, last.start);
    }
    segments.into_iter().map(|segment| Spell::of(timeline, agent, segment)).collect()
}

/// What `agent` is doing at `now`.
pub(super) fn current(timeline: &Timeline, agent: &Agent, now: Timestamp) -> Spell {
    Spell::of(timeline, agent, timeline.segment_at(agent, now))
}

// === impl Spell ===

impl Spell {
    fn of(timeline: &Timeline, agent: &Agent, segment: Segment) -> Self {
        let Segment { state, start, end } = segment;
        let chance = hash::key(agent.profile.key, start.micros().cast_unsigned());
        let (id, name, code) = match state {
            State::Available => (1, "Available", None),
            State::Busy if chance.is_multiple_of(4) => (4, "OutboundContact", None),
            State::Busy => (3, "InboundContact", None),
            State::WrapUp => (2, "Unavailable", Some(0)),
            State::Offline if segment.length().get() * u64::from(timeline.scale()) > LONGEST_BREAK.get() => {
                (0, "LoggedOut", None)
            }
            // One break in four has no code, as the beginning of a session has none.
            State::Offline => (2, "Unavailable", Some(chance % 4).filter(|code| *code > 0)),
        };
        let code = code.and_then(|code| CODES.get(usize::try_from(code).ok()?)).copied();
        Self { id, name, code, start, end, chance }
    }

    /// What the exporter is to show.
    fn shown(&self, split: bool) -> StateName {
        match self.code {
            Some(code) if code.acw => Arc::from("WrapUp"),
            Some(code) if split => format!("{}: {}", self.name, code.name).into(),
            _ => Arc::from(self.name),
        }
    }

    /// The session that it is in, and its place there; both the same whoever asks for which range.
    pub(super) const fn place(&self, agent: &Agent) -> (i64, i64) {
        let (day, within) = (self.start.micros().div_euclid(DAY), self.start.micros().rem_euclid(DAY));
        let session = hash::key(agent.profile.key, day.cast_unsigned()) >> 1;
        (session.cast_signed(), within / 1_000)
    }

    /// When it is listed, once it is over.
    pub(super) fn arrives(&self, options: &SimulatorOptions) -> Timestamp {
        let late = options.habits.iter().find_map(|habit| match habit {
            Habit::Late(span) => Some(*span),
            _ => None,
        });
        let parts = u32::try_from(self.chance % 1_000).unwrap_or_default();
        self.end + late.unwrap_or_default() * parts / 1_000
    }

    /// Where the row says that it ends.
    pub(super) fn listed_end(&self, options: &SimulatorOptions) -> Timestamp {
        let overlaps = options.has(Habit::Overlapping) && self.chance % 5 == 1;
        Timestamp::from_micros(self.end.micros() + if overlaps { OVERLAP_MICROS } else { 0 })
    }
}
