//! From what agents did to their presence within a window.

use std::sync::Arc;

use super::agent_timeline::Span;
use super::{StateTimeline, TOLERANCE};
use crate::presence::limits::limit_states;
use crate::presence::states::{StateIndex, StateNames};
use crate::presence::{
    AgentPresence, Micros, OnShift, Rejections, Schedule, ScheduledTime, StateName, Strip, StripBuilder, Timestamp,
    WatchedAgent, Window,
};

/// How states are called, and which of them mean what.
#[derive(Debug)]
pub struct StateLabels<'a> {
    /// What each state is called, by its [`RawStateIndex`](super::RawStateIndex).
    pub shown: &'a [StateName],
    /// Names that outlast others where there are too many.
    pub known: &'a [StateName],
    /// Time in these is what schedules are held against.
    pub offline: &'a [StateName],
}

/// What a timeline comes to.
#[derive(Debug)]
pub struct TimelineSums {
    /// The presence of each agent; `None` where nothing is known.
    pub agents: Vec<Option<AgentPresence>>,
    /// The earliest moment that no answer accounts for, of gaps that end after what was taken as settled. A row that is
    /// missing there may still arrive, and began no earlier.
    pub unsettled: Option<Timestamp>,
}

/// A span of time under the name that it is shown by.
#[derive(Debug, Clone, Copy)]
struct Shown {
    state: StateIndex,
    time: Window,
}

/// Counts agent after agent.
struct PresenceSummer<'a> {
    window: Window,
    /// By raw state.
    states: Vec<StateIndex>,
    names: StateNames,
    offline: &'a [StateName],
    /// Schedules that were laid over the window already; agents share few.
    on_shift: Vec<(Arc<Schedule>, OnShift)>,
    strip: StripBuilder,
}

impl StateTimeline {
    /// The presence of each of `agents` within `window`, which ends now. No row arrives any more of what was over before
    /// `settled`. Rows must have been [tidied](Self::compact).
    pub fn sum(
        &self,
        window: Window,
        settled: Timestamp,
        agents: &[WatchedAgent],
        labels: &StateLabels<'_>,
        rejections: &mut Rejections,
    ) -> TimelineSums {
        let mut unsettled: Option<Timestamp> = None;
        let mut names = StateNames::new(labels.known);
        let known = names.len();
        let states = labels.shown.iter().map(|name| names.index(name)).collect();
        let mut summer = PresenceSummer {
            window,
            states,
            names,
            offline: labels.offline,
            on_shift: Vec::new(),
            strip: StripBuilder::default(),
        };
        let mut presences: Vec<_> = agents
            .iter()
            .map(|agent| {
                let timeline = self.agents.get(&agent.id)?;
                let spans = timeline.spans(window.end, self.refresh, rejections);
                unsettled = unsettled.into_iter().chain(unsettled_gap(&spans, settled)).min();
                summer.sum(&spans, agent)
            })
            .collect();
        limit_states(&mut presences, &summer.names, known);
        TimelineSums { agents: presences, unsettled }
    }
}

/// Where the first gap begins that ends after `settled`; what only follows from rows not having arrived is a gap here.
fn unsettled_gap(spans: &[Span], settled: Timestamp) -> Option<Timestamp> {
    let gaps = spans.iter().zip(spans.iter().skip(1)).map(|(one, next)| (one.known_until, next.time.start));
    gaps.filter(|(start, end)| *start + TOLERANCE < *end && *end > settled).map(|(start, _)| start).next()
}

// === impl PresenceSummer ===

impl PresenceSummer<'_> {
    fn sum(&mut self, spans: &[Span], agent: &WatchedAgent) -> Option<AgentPresence> {
        let spans: Vec<Shown> = spans.iter().filter_map(|span| self.shown(span)).collect();
        let window = self.window;
        let inside = || spans.iter().filter_map(move |span| Some((span.state, span.time.intersection(window)?)));
        let (_, last) = inside().next_back()?;
        let mut times: Vec<(StateName, Micros)> = Vec::new();
        for (state, time) in inside() {
            let Some(name) = self.names.as_slice().get(state.0) else { continue };
            match times.iter_mut().find(|(known, _)| Arc::ptr_eq(known, name)) {
                Some((_, total)) => *total = *total + time.length(),
                None => times.push((Arc::clone(name), time.length())),
            }
        }
        times.sort_unstable();
        let observed = times.iter().map(|(_, time)| *time).sum();
        let scheduled = agent.schedule.as_ref().map(|schedule| self.held_against(schedule, inside()));
        let strip = self.strip(&times, inside());
        let current = self.current(&spans);
        Some(AgentPresence { states: times, observed, current, last_data: last.end, scheduled, strip })
    }

    /// The spans hour by hour, by their places in `times`.
    fn strip(&mut self, times: &[(StateName, Micros)], spans: impl Iterator<Item = (StateIndex, Window)>) -> Strip {
        for (state, time) in spans {
            let Some(name) = self.names.as_slice().get(state.0) else { continue };
            let place = times.iter().position(|(known, _)| Arc::ptr_eq(known, name));
            self.strip.add(time, place.map(|place| (place, time.length())).into_iter());
        }
        self.strip.finish()
    }

    /// A span as far as it has happened, under its name.
    fn shown(&self, span: &Span) -> Option<Shown> {
        let end = span.time.end.min(self.window.end);
        let state = self.states.get(usize::try_from(span.state.0).ok()?)?;
        (span.time.start < end).then_some(Shown { state: *state, time: Window { end, ..span.time } })
    }

    /// The newest state, and for how long the agent has been in it: from before the window where it is so.
    fn current(&self, spans: &[Shown]) -> Option<(StateName, Micros)> {
        let newest = spans.last()?;
        let mut begins: Timestamp = newest.time.start;
        for span in spans.iter().rev().skip(1) {
            if span.state != newest.state || span.time.end + TOLERANCE < begins {
                break;
            }
            begins = span.time.start;
        }
        let name = self.names.as_slice().get(newest.state.0).filter(|_| newest.state != StateNames::OTHER)?;
        Some((Arc::clone(name), newest.time.end.saturating_since(begins)))
    }

    fn held_against(
        &mut self,
        schedule: &Arc<Schedule>,
        spans: impl Iterator<Item = (StateIndex, Window)>,
    ) -> ScheduledTime {
        let known = self.on_shift.iter().position(|(known, _)| Arc::ptr_eq(known, schedule));
        let at = known.unwrap_or_else(|| {
            self.on_shift.push((Arc::clone(schedule), schedule.within(self.window)));
            self.on_shift.len() - 1
        });
        let Some((_, on_shift)) = self.on_shift.get(at) else { return ScheduledTime::default() };
        let is_offline =
            |state: StateIndex| self.names.as_slice().get(state.0).is_some_and(|name| self.offline.contains(name));
        let offline = spans.filter(|(state, _)| is_offline(*state)).map(|(_, time)| on_shift.overlap(time)).sum();
        ScheduledTime { total: on_shift.total(), offline }
    }
}
